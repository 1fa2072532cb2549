/* Line: one line of text being typed, and the lines typed before it. UTF-8; a character moves
 * together with the combining characters upon it. */
#ifndef VIEWER_LINE_H
#define VIEWER_LINE_H

#include "loader/core/text.h"
#include "viewer/press.h"

typedef struct History {
    char **lines;            /* owned, oldest first */
    size_t count, room;
} History;

typedef struct Line {
    Text text;
    size_t cursor;           /* byte offset, at a character's start or at the end */
    History *history;        /* borrowed; NULL: none */
    size_t back;             /* the history line on show, from the newest; 0 = what is typed */
    char *typed;             /* owned: what was being typed before history was looked at */
} Line;

/* An empty line with that history behind it; `line` may be zeroed or in use. */
void line_start(Line *line, History *history, const char *text);
void line_done(Line *line);
/* Whether the press was an editing key, and was carried out. */
bool line_press(Line *line, Press press);
void line_insert(Line *line, const char *text);
/* Replaces text[from, to) and puts the cursor behind it. */
void line_replace(Line *line, size_t from, size_t to, const char *text);

/* Remembers a line unless it is empty or the same as the newest. */
void history_add(History *history, const char *line);
void history_done(History *history);

#endif
