/* Screen: cells that panes draw into and one file flushes to the terminal.
 *
 * Everything drawn is clipped. Text is UTF-8, or names as text.h holds them; control and other
 * unsafe characters are escaped on the way in, so that no key can speak to the terminal. On an
 * ASCII screen the viewer's own signs have plain stand-ins, and what else is not ASCII is
 * escaped. */
#ifndef VIEWER_CELL_H
#define VIEWER_CELL_H

#include <stdbool.h>
#include <stdint.h>

#include "loader/core/text.h"
#include "viewer/style.h"

enum { CELL_MARKS = 3 };

typedef struct Cell {
    uint32_t code;               /* 0: the right half of the wide character before it */
    uint32_t marks[CELL_MARKS];  /* combining characters upon it; 0 = none */
    uint8_t style;               /* a Style and its flags */
    uint8_t width;               /* 1 or 2; 0 for a right half */
} Cell;

typedef struct Screen {
    Cell *cells;                 /* [rows * columns], owned */
    int columns, rows;
    bool ascii;
    int cursor_x, cursor_y;      /* where the terminal's cursor shows; -1 = hidden */
} Screen;

typedef struct Box {
    int x, y, width, height;
} Box;

/* Blank cells of that size; `screen` may hold an older size or be zeroed. */
void screen_resize(Screen *screen, int columns, int rows, bool ascii);
void screen_done(Screen *screen);
void screen_clear(Screen *screen);
const Cell *screen_at(const Screen *screen, int x, int y);

/* Draws text at x, y in at most `limit` columns, cutting what is too long; returns the columns
 * it took. */
int screen_put(Screen *screen, int x, int y, int limit, unsigned style, const char *text);
int screen_putf(Screen *screen, int x, int y, int limit, unsigned style, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* The same, but what is too long loses its middle: keys differ at their ends, so two thirds of
 * the room go to the tail. */
int screen_put_elided(Screen *screen, int x, int y, int limit, unsigned style, const char *text);
/* The same, but what is kept is what tells the text from each of the `others` (NULLs are passed
 * over): "…blocks.0.attn1.to_q…weight" beside one with attn2. */
int screen_put_telling(Screen *screen, int x, int y, int limit, unsigned style, const char *text,
                       const char *const *others, size_t count);
/* Ends at column `end` (exclusive); returns the columns it took. */
int screen_put_right(Screen *screen, int end, int y, int limit, unsigned style, const char *text);
/* n times one character. */
void screen_fill(Screen *screen, int x, int y, int n, unsigned style, const char *character);
/* Adds style flags, or (with a Style) replaces the style, of n cells. */
void screen_add_flags(Screen *screen, int x, int y, int n, unsigned flags);
/* Columns that text takes on this screen. */
int screen_columns_of(const Screen *screen, const char *text);
/* Text cut into lines of at most `width` columns, at blanks where there are some; appended to
 * `out` with '\n' between. Returns the number of lines. */
int screen_wrap(const Screen *screen, const char *text, int width, Text *out);

/* The rows as text, blanks at their ends cut, one '\n' each: for tests. */
void screen_dump(const Screen *screen, Text *out);

/* Columns of a character: 0 combining, 1, or 2. Unicode 14, independent of the locale. */
int char_width(uint32_t code);

#endif
