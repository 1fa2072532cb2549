/* The line at the bottom: what is being typed with what it would do, or a message; and the
 * pager, which covers the list. */
#include <stdio.h>
#include <string.h>

#include "viewer/view_parts.h"

/* Draws the line being typed, scrolled so that the cursor is in view. Widths are measured and not
 * counted: a byte, a character and a column are three different things here. The last column is
 * left for a cursor behind the text. */
static void draw_line(const View *view, Screen *screen, int x, int y, int room)
{
    const Line *line = view->line;
    x += screen_put(screen, x, y, room, STYLE_KEY, view->label);
    const char *text = text_string(&line->text);
    Text before = {0};
    text_addn(&before, text, line->cursor);
    int cursor = screen_columns_of(screen, text_string(&before)), limit = room - 2;
    const char *start = text;
    while (cursor > limit && *start) {   /* leave out characters from the left */
        utf8_next(&start, text + line->text.length);
        Text rest = {0};
        text_addn(&rest, start, line->cursor - (size_t)(start - text));
        cursor = screen_columns_of(screen, text_string(&rest));
        text_done(&rest);
    }
    screen_put(screen, x, y, limit + 1, STYLE_PLAIN, start);
    screen->cursor_x = x + cursor;
    screen->cursor_y = y;
    text_done(&before);
}

/* Without a prompt a message and the two keys everyone needs. With one, from the right: help where
 * there is room for it, the preview's counts, and the line in what is left. A preview that is
 * older than the line is dimmed rather than taken away, so that the line does not flicker. */
void pane_draw_bottom(const View *view, const Panes *panes, Screen *screen)
{
    int y = panes->bottom_y, last = panes->columns - 1;
    screen_fill(screen, 0, y, panes->columns, STYLE_BORDER, "─");
    screen_put(screen, 0, y, 1, STYLE_BORDER, "└");
    screen_put(screen, last, y, 1, STYLE_BORDER, "┘");
    const char *help = view->pager.title ? " q closes " : !view->line ? " ? help  q quit "
                       : panes->columns >= 100 ? " Enter applies  Esc leaves " : "";
    int end = last - (*help ? 2 : 0);
    end -= screen_put_right(screen, end, y, panes->columns / 2, STYLE_DIM, help);
    if (!view->line) {
        int room = end - 3;
        if (!view->message.length || room < 4) return;
        screen_put(screen, 1, y, 1, view->message_style, " ");
        int used = screen_put_elided(screen, 2, y, room - 2, view->message_style,
                                     text_string(&view->message));
        screen_put(screen, 2 + used, y, 1, view->message_style, " ");
        return;
    }
    screen_fill(screen, 1, y, end - 1, STYLE_PLAIN, " ");
    if (view->aside.length)
        end -= 2 + screen_put_right(screen, end - 1, y, panes->columns / 2,
                                    view->aside_old ? STYLE_DIM : STYLE_TITLE,
                                    text_string(&view->aside));
    draw_line(view, screen, 2, y, end - 2);
}

enum { HANGING = 4 };        /* columns by which the rest of a cut line is indented */

/* The pager's text with long lines cut for the screen, appended to `out`; returns how many lines
 * there are then. Room for the indent is kept on first lines too, so that one width serves. */
static size_t wrap_text(const Screen *screen, const char *text, int width, Text *out)
{
    size_t lines = 0;
    Text line = {0}, cut = {0};
    while (*text) {
        size_t n = strcspn(text, "\n");
        text_clear(&line);
        text_clear(&cut);
        text_addn(&line, text, n);
        screen_wrap(screen, text_string(&line), width - HANGING, &cut);
        for (const char *p = text_string(&cut);; p++, text_addf(out, "%*s", HANGING, "")) {
            size_t m = strcspn(p, "\n");
            text_addn(out, p, m);
            text_addc(out, '\n');
            lines++;
            p += m;
            if (!*p) break;
        }
        text += n + (text[n] == '\n');
    }
    text_done(&line);
    text_done(&cut);
    return lines;
}

/* The border above, and which lines are on show when not all are: " 21-40 of 97 ". `room` is
 * lines that fit. */
static void draw_pager_frame(const Pager *pager, Screen *screen, int y, size_t lines, size_t room)
{
    int last = screen->columns - 1;
    screen_fill(screen, 0, y, screen->columns, STYLE_BORDER, "─");
    screen_put(screen, 0, y, 1, STYLE_BORDER, "┌");
    screen_put(screen, last, y, 1, STYLE_BORDER, "┐");
    screen_putf(screen, 1, y, last - 1, STYLE_TITLE, " %s ", pager->title);
    char place[64];
    snprintf(place, sizeof place, " %zu-%zu of %zu ", pager->top + 1, pager->top + room, lines);
    if (lines > room) screen_put_right(screen, last, y, last / 2, STYLE_BORDER, place);
}

/* Wrapped anew for every frame: pages are short, and the screen may have changed. pager->top is
 * cut to the last page here, since only here the number of lines is known. */
void pane_draw_pager(View *view, const Panes *panes, Screen *screen)
{
    Pager *pager = &view->pager;
    Text text = {0}, line = {0};
    int y = panes->list_y - 1, last = panes->columns - 1, height = panes->bottom_y - y - 1;
    size_t lines = wrap_text(screen, pager->text, last - 3, &text), room = (size_t)height;
    if (pager->top + room > lines) pager->top = lines > room ? lines - room : 0;
    draw_pager_frame(pager, screen, y, lines, room);
    const char *p = text_string(&text);
    for (size_t i = 0; i < pager->top; i++) p += strcspn(p, "\n") + 1;
    for (int i = 1; i <= height; i++) {
        screen_put(screen, 0, y + i, 1, STYLE_BORDER, "│");
        screen_put(screen, last, y + i, 1, STYLE_BORDER, "│");
        size_t n = strcspn(p, "\n");
        text_clear(&line);
        text_addn(&line, p, n);
        screen_put(screen, 2, y + i, last - 3, STYLE_PLAIN, text_string(&line));
        p += n + (p[n] == '\n');
    }
    text_done(&text);
    text_done(&line);
}
