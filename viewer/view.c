/* Where the parts of the screen are, and where the cursor is in them. Drawing is the panes'
 * work. */
#include "viewer/view.h"

#include <stdlib.h>
#include <string.h>

#include "viewer/tensor_values.h"
#include "viewer/view_parts.h"

/* Columns that a side keeps wherever the divider is put. */
enum { SIDE_COLUMNS_MIN = 12 };

/* Lines of a screen from which on the coverage has one of its own. */
enum { COVERAGE_LINE = 30 };

/* How wide the source's side is; an odd column is the target's. */
static int source_width(const View *view, int sides)
{
    int width = view->divide ? (int)((long)sides * view->divide / 1000) : sides / 2;
    if (width > sides - SIDE_COLUMNS_MIN) width = sides - SIDE_COLUMNS_MIN;
    return width < SIDE_COLUMNS_MIN ? SIDE_COLUMNS_MIN : width;
}

/* The detail shrinks before the list does: on a small screen names matter most. From the top: the
 * title, the counts, on a high screen the coverage, the list's border, the list; from the bottom:
 * the bottom line, the detail and its border, which goes with it. */
static Panes panes_of(const View *view, const Screen *screen)
{
    Panes panes = {.columns = screen->columns, .rows = screen->rows};
    int sides = screen->columns - 7;   /* four borders, three columns in the middle */
    bool target = view->title.target.name != NULL;
    panes.listing = view->rows && rows_is_listing(view->rows);
    panes.side_width[SIDE_SOURCE] = panes.listing ? 0 : source_width(view, sides);
    panes.side_width[SIDE_TARGET] = panes.listing ? screen->columns - 2
                                                  : sides - panes.side_width[SIDE_SOURCE];
    panes.side_x[SIDE_SOURCE] = 1;
    panes.middle_x = 2 + panes.side_width[SIDE_SOURCE];
    panes.side_x[SIDE_TARGET] = panes.listing ? 1 : panes.middle_x + 4;
    panes.detail_height = screen->rows >= 48 ? 10 : screen->rows >= 36 ? 7 : screen->rows >= 22 ? 4
                           : screen->rows >= 18 ? 3 : screen->rows >= 14;
    panes.bottom_y = screen->rows - 1;
    panes.detail_y = panes.bottom_y - panes.detail_height - (panes.detail_height > 0);
    panes.coverage_y = target && screen->rows >= COVERAGE_LINE ? 2 : 0;
    panes.list_y = panes.coverage_y ? 4 : 3;
    panes.list_height = panes.detail_y - panes.list_y;
    return panes;
}

/* After every change of the list or the screen the cursor is on a row, and on show. The last page
 * is kept full: `top` goes back where rows below it have gone. */
static void follow_cursor(View *view)
{
    if (!view->rows) return;
    size_t n = view->rows->visible_count, page = (size_t)view->page;
    if (view->cursor >= n) view->cursor = n ? n - 1 : 0;
    if (view->cursor < view->top) view->top = view->cursor;
    if (page && view->cursor >= view->top + page) view->top = view->cursor - page + 1;
    if (view->top + page > n) view->top = n > page ? n - page : 0;
}

/* What is too small for a list still says so, and how to leave. */
static void draw_too_small(const View *view, Screen *screen)
{
    const char *quit = view_key(view, "quit");
    Text here = {0};
    text_addf(&here, "here: %d\u00d7%d", screen->columns, screen->rows);
    if (quit) text_addf(&here, "; %s quits", quit);
    screen_putf(screen, 0, 0, screen->columns, STYLE_PLAIN, "tenon needs %d\u00d7%d",
                VIEW_COLUMNS_MIN, VIEW_ROWS_MIN);
    screen_put(screen, 0, 1, screen->columns, STYLE_PLAIN, text_string(&here));
    text_done(&here);
}

/* In an order that matters: how high the list is decides where it begins, and the cursor's place
 * decides what the detail says. */
void view_draw(View *view, Screen *screen)
{
    screen_clear(screen);
    if (screen->columns < VIEW_COLUMNS_MIN || screen->rows < VIEW_ROWS_MIN) {
        draw_too_small(view, screen);
        return;
    }
    Panes panes = panes_of(view, screen);
    if (view->values) values_begin(view->values);
    view->page = panes.list_height;
    follow_cursor(view);
    pane_draw_title(view, screen);
    if (view->rows) pane_draw_counts(view, &panes, screen);
    if (view->panel) {
        bool told = view->notice_title && panes.detail_height;
        panel_draw(view->panel, screen, panes.list_y - 1, told ? panes.detail_y : panes.bottom_y);
        if (told) pane_draw_detail(view, &panes, screen);
    } else if (view->rows) {
        pane_draw_list(view, &panes, screen);
        pane_draw_detail(view, &panes, screen);
    }
    pane_draw_bottom(view, &panes, screen);
}

void view_done(View *view)
{
    text_done(&view->aside);
    text_done(&view->message);
    text_done(&view->hint);
    text_done(&view->notice);
    text_done(&view->tries);
    panel_close_all(view->panel);
}

/* One at least, also on a screen too small to show any: a page must move the cursor. */
int view_page(const View *view, const Screen *screen)
{
    int height = panes_of(view, screen).list_height;
    return height > 1 ? height : 1;
}

uint32_t view_row(const View *view)
{
    const RowModel *rows = view->rows;
    return rows && view->cursor < rows->visible_count ? rows->visible[view->cursor] : ROW_NONE;
}

/* Beyond either end is the end; in an empty list the cursor stays at 0. */
void view_move(View *view, long delta)
{
    long n = (long)view->rows->visible_count, to = (long)view->cursor + delta;
    view->cursor = n ? (size_t)(to < 0 ? 0 : to >= n ? n - 1 : to) : 0;
}

/* The row's place is looked up after what hides it was opened. */
void view_goto(View *view, uint32_t row)
{
    if (row >= view->rows->count) return;
    rows_reveal(view->rows, row);
    view->cursor = rows_visible_at(view->rows, row);
}

/* The row under the cursor stays at the height at which it was: what changes is around it. The old
 * rows must still be there, since they say what the cursor was on; their owner frees them
 * afterwards. */
void view_set_rows(View *view, RowModel *rows)
{
    uint32_t row = view->rows ? view_row(view) : ROW_NONE;
    size_t above = view->cursor - view->top;
    uint32_t same = row == ROW_NONE ? 0 : rows_same(rows, view->rows, row);
    view->rows = rows;
    view->cursor = rows_visible_at(rows, same);
    view->top = view->cursor > above ? view->cursor - above : 0;
}

/* Whether the right border is a map of rows that do not all fit. */
static bool has_map(const View *view, const Panes *panes)
{
    return view->rows->visible_count > (size_t)panes->list_height;
}

/* The middle column counts as the source's. */
bool view_find(const View *view, const Screen *screen, int x, int y, size_t *visible, Side *side)
{
    Panes panes = panes_of(view, screen);
    if (view->panel || y < panes.list_y || y >= panes.list_y + panes.list_height)
        return false;
    size_t line = (size_t)(y - panes.list_y);
    *visible = view->top + line;
    *side = !panes.listing && x <= panes.middle_x ? SIDE_SOURCE : SIDE_TARGET;
    if (x == panes.columns - 1 && has_map(view, &panes)) {
        *visible = line * view->rows->visible_count / (size_t)panes.list_height;
        *side = view->side;
    }
    return *visible < view->rows->visible_count;
}

/* Its two lines; the signs between them are the rows'. */
bool view_grip(View *view, const Screen *screen, int x, int y)
{
    Panes panes = panes_of(view, screen);
    view->grip = x - panes.middle_x - 1;
    view->dragging = !view->panel && !panes.listing && y >= panes.list_y - 1 &&
                     y < panes.detail_y && (view->grip == -2 || view->grip == 2);
    return view->dragging;
}

void view_drag(View *view, const Screen *screen, int x, bool release)
{
    if (view->dragging) view_divide(view, screen, x - view->grip);
    if (release) view->dragging = false;
}

/* Rounded up, so that the column comes out of it again. */
void view_divide(View *view, const Screen *screen, int x)
{
    int sides = screen->columns - 7, width = x - 3;
    if (sides < 2 * SIDE_COLUMNS_MIN) return;
    if (width > sides - SIDE_COLUMNS_MIN) width = sides - SIDE_COLUMNS_MIN;
    if (width < SIDE_COLUMNS_MIN) width = SIDE_COLUMNS_MIN;
    view->divide = (int)(((long)width * 1000 + sides - 1) / sides);
}

void view_move_divider(View *view, const Screen *screen, int columns)
{
    view_divide(view, screen, panes_of(view, screen).middle_x + 1 + columns);
}

/* The row under the cursor stays where it is on the screen, as far as it can. */
bool view_take_sorted(View *view)
{
    uint32_t row = view_row(view);
    size_t above = view->cursor - view->top;
    if (!rows_sort_take(view->rows, &row)) return false;
    view->cursor = row == ROW_NONE ? 0 : rows_visible_at(view->rows, row);
    view->top = view->cursor > above ? view->cursor - above : 0;
    return true;
}

const char *view_key(const View *view, const char *line)
{
    const Panel *panel = view->panel;
    const char *key = view->key_for ? view->key_for(line, panel ? panel->ops->name : NULL) : NULL;
    return !key && panel && strcmp(line, "quit") == 0 ? "Esc" : key;
}

/* One piece of a hint; false where a key of it is bound to nothing. */
static bool add_piece(const View *view, const char *piece, size_t n, Text *out)
{
    for (const char *p = piece, *end = piece + n; p < end;) {
        const char *close = *p == '{' ? memchr(p, '}', (size_t)(end - p)) : NULL;
        if (!close) {
            text_addc(out, *p++);
            continue;
        }
        char line[32];
        snprintf(line, sizeof line, "%.*s", (int)(close - p - 1), p + 1);
        const char *key = view_key(view, line);
        if (!key) return false;
        text_add(out, key);
        p = close + 1;
    }
    return true;
}

void view_hint(const View *view, const char *hint, Text *out)
{
    for (const char *p = hint, *gap; *p; p = gap + strspn(gap, " ")) {
        Text piece = {0};
        gap = strstr(p, "  ");
        if (!gap) gap = p + strlen(p);
        if (add_piece(view, p, (size_t)(gap - p), &piece))
            text_addf(out, "%s%s", out->length ? "  " : "", text_string(&piece));
        text_done(&piece);
    }
}

/* A message stays until the next one; the caller clears it when a key is pressed. */
void view_say(View *view, Style style, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_clear(&view->message);
    text_addv(&view->message, format, args);
    va_end(args);
    view->message_style = style;
}

/* `title` is borrowed, and in practice a literal; the text is copied. It stands in the place of
 * the detail until view_clear_notice. */
void view_notice(View *view, Style style, const char *title, const char *text)
{
    view->notice_title = title;
    view->notice_style = style;
    text_clear(&view->notice);
    text_add(&view->notice, text);
}

void view_clear_notice(View *view)
{
    view->notice_title = NULL;
    text_clear(&view->notice);
}

void view_push_panel(View *view, Panel *panel)
{
    panel->below = view->panel;
    view->panel = panel;
}

void view_pop_panel(View *view)
{
    if (view->panel) view->panel = panel_close(view->panel);
}

void view_close_panels(View *view)
{
    panel_close_all(view->panel);
    view->panel = NULL;
}
