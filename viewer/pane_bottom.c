/* The line at the bottom: what is being typed with what it would do, or a message; and the
 * pager, which covers the list. */
#include <stdio.h>
#include <string.h>

#include "viewer/pane.h"

/* Draws the line being typed, scrolled so that the cursor is in view. */
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

void pane_draw_bottom(const View *view, const Layout *layout, Screen *screen)
{
    int y = layout->bottom_y, last = layout->columns - 1;
    screen_fill(screen, 0, y, layout->columns, STYLE_BORDER, "─");
    screen_put(screen, 0, y, 1, STYLE_BORDER, "└");
    screen_put(screen, last, y, 1, STYLE_BORDER, "┘");
    const char *help = view->pager.title ? " q closes " : !view->line ? " ? help  q quit "
                       : layout->columns >= 100 ? " Enter applies  Esc leaves " : "";
    int end = last - (*help ? 2 : 0);
    end -= screen_put_right(screen, end, y, layout->columns / 2, STYLE_DIM, help);
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
        end -= 2 + screen_put_right(screen, end - 1, y, layout->columns / 2,
                                    view->aside_old ? STYLE_DIM : STYLE_TITLE,
                                    text_string(&view->aside));
    draw_line(view, screen, 2, y, end - 2);
}

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

void pane_draw_pager(View *view, const Layout *layout, Screen *screen)
{
    Pager *pager = &view->pager;
    int y = layout->list_y - 1, last = layout->columns - 1, height = layout->bottom_y - y - 1;
    size_t lines = count_lines(pager->text), room = (size_t)height;
    if (pager->top + room > lines) pager->top = lines > room ? lines - room : 0;
    screen_fill(screen, 0, y, layout->columns, STYLE_BORDER, "─");
    screen_put(screen, 0, y, 1, STYLE_BORDER, "┌");
    screen_put(screen, last, y, 1, STYLE_BORDER, "┐");
    screen_putf(screen, 1, y, last - 1, STYLE_TITLE, " %s ", pager->title);
    char place[64];
    snprintf(place, sizeof place, " %zu-%zu of %zu ", pager->top + 1,
             pager->top + (lines < room ? lines : room), lines);
    if (lines > room) screen_put_right(screen, last, y, last / 2, STYLE_BORDER, place);
    const char *p = pager->text;
    for (size_t i = 0; i < pager->top; i++) p += strcspn(p, "\n") + 1;
    Text line = {0};
    for (int i = 1; i <= height; i++) {
        screen_put(screen, 0, y + i, 1, STYLE_BORDER, "│");
        screen_put(screen, last, y + i, 1, STYLE_BORDER, "│");
        size_t n = strcspn(p, "\n");
        text_clear(&line);
        text_addn(&line, p, n);
        screen_put(screen, 2, y + i, last - 3, STYLE_PLAIN, text_string(&line));
        p += n + (p[n] == '\n');
    }
    text_done(&line);
}
