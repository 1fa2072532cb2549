/* The keys of readline that fingers know, over a Text. Offsets are bytes, moves are characters
 * with what combines with them. */
#include "viewer/line.h"

#include <stdlib.h>
#include <string.h>

#include "viewer/cell.h"

/* The same line twice in a row is one. */
void history_add(History *history, const char *line)
{
    if (!*line) return;
    if (history->count && strcmp(history->lines[history->count - 1], line) == 0) return;
    history->lines = mem_grow(history->lines, &history->room, history->count + 1,
                              sizeof *history->lines);
    history->lines[history->count++] = mem_strdup(line);
}

void history_done(History *history)
{
    for (size_t i = 0; i < history->count; i++) free(history->lines[i]);
    free(history->lines);
    *history = (History){0};
}

/* Replaces everything, with the cursor at the end, where a line is mostly gone on with. `text`
 * must not be the line's own. */
static void set_text(Line *line, const char *text)
{
    text_clear(&line->text);
    text_add(&line->text, text);
    line->cursor = line->text.length;
}

/* `text` must not be the line's own. */
void line_start(Line *line, History *history, const char *text)
{
    free(line->typed);
    line->typed = NULL;
    line->history = history;
    line->back = 0;
    set_text(line, text);
}

void line_done(Line *line)
{
    text_done(&line->text);
    free(line->typed);
    *line = (Line){0};
}

/* 0 <= from <= to <= length. The tail is copied aside, since the text may move as it grows; here
 * `text` must not be the line's own either. */
void line_replace(Line *line, size_t from, size_t to, const char *text)
{
    char *tail = mem_strdup(text_string(&line->text) + to);
    line->text.length = from;
    text_add(&line->text, text);
    line->cursor = line->text.length;
    text_add(&line->text, tail);
    free(tail);
}

void line_insert(Line *line, const char *text)
{
    line_replace(line, line->cursor, line->cursor, text);
}

/* The character at a byte offset, which must be less than the length, and the offset behind it. */
static uint32_t code_at(const Line *line, size_t at, size_t *next)
{
    const char *start = text_string(&line->text), *p = start + at;
    uint32_t code = utf8_next(&p, start + line->text.length);
    *next = (size_t)(p - start);
    return code;
}

/* Behind the character at `at` and its combining characters. */
static size_t after(const Line *line, size_t at)
{
    size_t next = at;
    if (at < line->text.length) code_at(line, at, &next);
    for (size_t p = next; p < line->text.length && !char_width(code_at(line, p, &p));) next = p;
    return next;
}

/* Found from the start: lines are short, and UTF-8 is only sure forwards. */
static size_t before(const Line *line, size_t at)
{
    size_t last = 0;
    for (size_t p = 0; p < at; p = after(line, p)) last = p;
    return last;
}

/* The start of the word before `at`: blanks, then what is none, back to a dot in a key. Of
 * "goto fc.weight" Ctrl-W leaves "goto fc.", then "goto ". */
static size_t word_before(const Line *line, size_t at)
{
    const char *text = text_string(&line->text);
    while (at && text[at - 1] == ' ') at--;
    if (at && text[at - 1] == '.') at--;
    while (at && text[at - 1] != ' ' && text[at - 1] != '.') at--;
    return at;
}

/* Shows an older (-1) or newer (+1) line; at either end nothing happens. What was being typed is
 * kept when it is left, and comes back behind the newest. Changes to a recalled line are not kept:
 * history is what was entered. Counted from the newest, since a line that fails stays here and is
 * in the history all the same. */
static void recall(Line *line, int direction)
{
    if (!line->history) return;
    size_t count = line->history->count;
    if (direction < 0 ? line->back == count : line->back == 0) return;
    if (line->back == 0) {
        free(line->typed);
        line->typed = mem_strdup(text_string(&line->text));
    }
    line->back = direction < 0 ? line->back + 1 : line->back - 1;
    set_text(line, line->back ? line->history->lines[count - line->back] : line->typed);
}

/* Every editing key is one of these; arrows and Home are other names for them. */
static bool press_control(Line *line, uint32_t letter)
{
    switch (letter) {
    case 'A': line->cursor = 0; return true;
    case 'E': line->cursor = line->text.length; return true;
    case 'B': line->cursor = before(line, line->cursor); return true;
    case 'F': line->cursor = after(line, line->cursor); return true;
    case 'D': line_replace(line, line->cursor, after(line, line->cursor), ""); return true;
    case 'H': line_replace(line, before(line, line->cursor), line->cursor, ""); return true;
    case 'U': line_replace(line, 0, line->cursor, ""); return true;
    case 'K': line_replace(line, line->cursor, line->text.length, ""); return true;
    case 'W': line_replace(line, word_before(line, line->cursor), line->cursor, ""); return true;
    case 'P': recall(line, -1); return true;
    case 'N': recall(line, +1); return true;
    default: return false;
    }
}

/* Keys arrive as code points; the line is UTF-8. */
static void insert_character(Line *line, uint32_t code)
{
    Text character = {0};
    utf8_add(&character, code);
    line_insert(line, text_string(&character));
    text_done(&character);
}

/* Enter, Tab and Escape are the caller's, and so is whatever else is not listed. */
bool line_press(Line *line, Press press)
{
    switch (press.kind) {
    case PRESS_CHAR: insert_character(line, press.code); return true;
    case PRESS_CTRL: return press_control(line, press.code);
    case PRESS_LEFT: return press_control(line, 'B');
    case PRESS_RIGHT: return press_control(line, 'F');
    case PRESS_HOME: return press_control(line, 'A');
    case PRESS_END: return press_control(line, 'E');
    case PRESS_BACKSPACE: return press_control(line, 'H');
    case PRESS_DELETE: return press_control(line, 'D');
    case PRESS_UP: return press_control(line, 'P');
    case PRESS_DOWN: return press_control(line, 'N');
    default: return false;
    }
}
