/* The line at the bottom: what is being typed with what it would do, or a message. */
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

/* As many of the hints as fit whole. */
static void draw_hint(const View *view, Screen *screen, int y, int room)
{
    int x = 1, end = 1 + room;
    for (const char *p = text_string(&view->hint); *p; p += strcspn(p, "\n") + 1) {
        Text one = {0};
        text_addf(&one, " %.*s ", (int)strcspn(p, "\n"), p);
        const int columns = screen_columns_of(screen, text_string(&one));
        if (x + columns <= end) screen_put(screen, x, y, columns, STYLE_DIM, text_string(&one));
        x += columns;
        text_done(&one);
        if (x > end) return;
    }
}

/* At the right, what everyone needs; returns the columns that it takes. */
static int draw_keys(const View *view, const Panes *panes, Screen *screen)
{
    const char *hint = view->panel              ? view->panel->ops->hint
                       : !view->line            ? "{help} help  {quit} quit"
                       : panes->columns >= 100  ? "Enter applies  Esc leaves" : "";
    Text keys = {0}, text = {0};
    view_hint(view, hint, &keys);
    if (keys.length) text_addf(&text, " %s ", text_string(&keys));
    int columns = keys.length ? 2 : 0;
    columns += screen_put_right(screen, panes->columns - 1 - columns, panes->bottom_y,
                                panes->columns / 2, STYLE_DIM, text_string(&text));
    text_done(&keys);
    text_done(&text);
    return columns;
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
    int end = last - draw_keys(view, panes, screen);
    if (!view->line) {
        int room = end - 3;
        if (!view->message.length) draw_hint(view, screen, y, room);
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
