/* A matrix of a tensor in shades or in numbers: of one side, or of the difference of both. The sign
 * is in the glyphs, the colour says it again. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "viewer/tensor_panel_parts.h"
#include "viewer/tensor_window.h"

enum { GUTTER = 8, NUMBER = 12, LEVELS = 5 };    /* columns; steps of the shades */

static const char *const above[LEVELS + 1] = {" ", "·", "░", "▒", "▓", "█"};
static const char *const below[LEVELS + 1] = {" ", "-", "~", "=", "≡", "▤"};
static const char *const plain_above[LEVELS + 1] = {" ", ".", ":", "+", "*", "#"};
static const unsigned above_styles[LEVELS + 1] = {STYLE_DIM, STYLE_ABOVE_1, STYLE_ABOVE_1,
                                                  STYLE_ABOVE_2, STYLE_ABOVE_3, STYLE_ABOVE_3};
static const unsigned below_styles[LEVELS + 1] = {STYLE_DIM, STYLE_BELOW_1, STYLE_BELOW_1,
                                                  STYLE_BELOW_2, STYLE_BELOW_3, STYLE_BELOW_3};

/* What the shades stand for: |value| up to `high`, or, where all have one sign and lie close
 * together, low … high. */
typedef struct Shades {
    double low, high;
    bool offset;                 /* low … high */
    bool by_size;
} Shades;

/* Back to where `cells` of them are full, or to the first. */
static int64_t keep_full(int64_t first, int64_t size, int64_t cells, int64_t zoom)
{
    int64_t all = (size + zoom - 1) / zoom, last = all > cells ? (all - cells) * zoom : 0;
    return first < last ? first : last;
}

/* Where the window begins, so that the cursor is in it; whole cells. */
static void follow_cursor(TensorPanel *panel)
{
    const int64_t *dims;
    unsigned rank;
    int64_t zoom = panel->zoom;
    if (panel->row_axis < 0) {
        int64_t line = panel->column / (zoom * panel->cells_x), top = panel->top;
        if (line < top) top = line;
        if (line >= top + panel->cells_y) top = line - panel->cells_y + 1;
        panel->top = top;
        panel->left = 0;
        return;
    }
    panel->top -= panel->top % zoom;
    panel->left -= panel->left % zoom;
    int64_t row = panel->row - panel->row % zoom, column = panel->column - panel->column % zoom;
    if (row < panel->top) panel->top = row;
    if (row >= panel->top + panel->cells_y * zoom) panel->top = row - (panel->cells_y - 1) * zoom;
    if (column < panel->left) panel->left = column;
    if (column >= panel->left + panel->cells_x * zoom)
        panel->left = column - (panel->cells_x - 1) * zoom;
    if (!tensor_panel_dims(panel, &dims, &rank)) return;
    panel->top = keep_full(panel->top, dims[panel->row_axis], panel->cells_y, zoom);
    panel->left = keep_full(panel->left, dims[panel->column_axis], panel->cells_x, zoom);
}

static Window window_of(const TensorPanel *panel, ValueOf a, ValueOf b)
{
    Window window = {.a = a, .b = b, .row_axis = panel->row_axis,
                     .column_axis = panel->column_axis, .row = panel->top, .column = panel->left,
                     .zoom = panel->zoom, .rows = panel->cells_y, .columns = panel->cells_x,
                     .peak = panel->peak};
    memcpy(window.index, panel->index, sizeof window.index);
    return window;
}

static Shades shades_of(const WindowCells *cells, bool by_size)
{
    size_t n = (size_t)cells->window.rows * (size_t)cells->window.columns;
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (cells->flags[i] != CELL_THERE) continue;
        if (cells->values[i] < low) low = cells->values[i];
        if (cells->values[i] > high) high = cells->values[i];
    }
    if (low > high) low = high = 0;
    bool offset = (low > 0 || high < 0) && high > low &&
                  fmin(fabs(low), fabs(high)) > (high - low);
    if (offset) return (Shades){low, high, true, false};
    return (Shades){0, fmax(fabs(low), fabs(high)), false, by_size};
}

/* 0: nothing; 1 … LEVELS. By size each step is a tenth of the one above. */
static int level_of(const Shades *shades, double value)
{
    double share = shades->offset ? (value - shades->low) / (shades->high - shades->low)
                   : shades->high > 0 ? fabs(value) / shades->high : 0;
    if (share <= 0) return shades->offset ? 1 : 0;
    int level = shades->by_size ? LEVELS + (int)floor(log10(share) + 1e-9)
                : (int)ceil(share * LEVELS);
    return level < 1 ? 1 : level > LEVELS ? LEVELS : level;
}

/* Without Unicode the stand-ins of neighbours would be the same. */
static const char *shade(const Screen *screen, bool down, int level)
{
    return (down ? below : screen->ascii ? plain_above : above)[level];
}

static void put_shade(const WindowCells *cells, const Shades *shades, size_t at, Screen *screen,
                      int x, int y)
{
    double value = cells->values[at];
    unsigned flags = cells->flags[at];
    if (!(flags & CELL_THERE)) return;
    if (flags & (CELL_NAN | CELL_INFINITE)) {
        screen_put(screen, x, y, 1, STYLE_ERROR, flags & CELL_NAN ? "N" : "I");
        return;
    }
    int level = level_of(shades, value);
    bool down = value < 0 && !shades->offset;
    screen_put(screen, x, y, 1, (down ? below_styles : above_styles)[level],
               shade(screen, down, level));
}

static void put_number(const WindowCells *cells, size_t at, Screen *screen, int x, int y)
{
    unsigned flags = cells->flags[at];
    double value = cells->values[at];
    char text[32];
    if (!(flags & CELL_THERE)) return;
    snprintf(text, sizeof text, "%.4g", value);
    if (flags & CELL_NAN) snprintf(text, sizeof text, "nan");
    else if (flags & CELL_INFINITE) snprintf(text, sizeof text, "inf");
    screen_put_right(screen, x + NUMBER - 1, y, NUMBER - 1,
                     flags & (CELL_NAN | CELL_INFINITE) ? STYLE_ERROR
                     : value < 0 ? STYLE_BELOW_3 : STYLE_PLAIN, text);
}

/* How far the window lies behind cells that were read for another one, so that these are shown till
 * its own are there; false: they are of other elements. */
static bool find_shift(const Window *old, const Window *window, int64_t *rows, int64_t *columns)
{
    Window moved = *old;
    moved.row = window->row;
    moved.column = window->column;
    if (!window_same(&moved, window)) return false;
    int64_t unit = window->row_axis < 0 ? 1 : window->zoom;
    *rows = (window->row - old->row) / unit;
    *columns = (window->column - old->column) / unit;
    return true;
}

/* The cell under the cursor; false: it is not on show. */
static bool cursor_cell(const TensorPanel *panel, const Window *window, int *row, int *column)
{
    int64_t zoom = window->zoom;
    if (window->row_axis < 0) {
        int64_t cell = panel->column / zoom - window->row * window->columns;
        *row = (int)(cell / window->columns);
        *column = (int)(cell % window->columns);
    } else {
        *row = (int)((panel->row - window->row) / zoom);
        *column = (int)((panel->column - window->column) / zoom);
    }
    return *row >= 0 && *row < window->rows && *column >= 0 && *column < window->columns;
}

/* "rows dim 0 of 64, columns dim 3 of 7, [·, 2, 0, ·]  mean of 4×4  reading…" */
static void put_status(const TensorPanel *panel, bool reading, Screen *screen, Box box)
{
    const int64_t *dims;
    unsigned rank;
    Text text = {0};
    if (!tensor_panel_dims(panel, &dims, &rank)) return;
    text_add(&text, panel->page == TENSOR_DIFFERENCE ? "Δ" : value_side_name(panel->side));
    if (panel->row_axis >= 0)
        text_addf(&text, "  rows dim %d, columns dim %d of ", panel->row_axis, panel->column_axis);
    else text_add(&text, "  ");
    show_shape(dims, rank, &text);
    if (rank > 2) {
        text_add(&text, "  at [");
        for (unsigned i = 0; i < rank; i++) {
            bool shown = (int)i == panel->row_axis || (int)i == panel->column_axis;
            text_add(&text, i ? ", " : "");
            if (shown) text_add(&text, ":");
            else text_addf(&text, "%lld", (long long)panel->index[i]);
        }
        text_add(&text, "]");
    }
    if (panel->zoom > 1)
        text_addf(&text, panel->row_axis < 0 ? "  %s of %lld" : "  %s of %lld×%lld",
                  panel->peak ? "largest" : "mean", (long long)panel->zoom,
                  (long long)panel->zoom);
    if (reading) text_add(&text, "  reading…");
    screen_put(screen, box.x, box.y, box.width, STYLE_TITLE, text_string(&text));
    text_done(&text);
}

static void add_place(const TensorPanel *panel, Text *out)
{
    const int64_t *dims;
    unsigned rank = 0;
    tensor_panel_dims(panel, &dims, &rank);
    text_addc(out, '[');
    for (unsigned i = 0; i < rank; i++) {
        int64_t at = rank < 2 || (int)i == panel->column_axis ? panel->column
                     : (int)i == panel->row_axis ? panel->row : panel->index[i];
        text_addf(out, "%s%lld", i ? ", " : "", (long long)at);
    }
    text_addc(out, ']');
}

/* The number at the cursor, and what the shades mean. */
static void put_legend(const TensorPanel *panel, const WindowCells *cells, const Shades *shades,
                       Screen *screen, Box box, int y)
{
    int row, column, x = box.x;
    Text text = {0};
    if (cursor_cell(panel, &cells->window, &row, &column)) {
        size_t at = (size_t)row * (size_t)cells->window.columns + (size_t)column;
        char value[32];
        add_place(panel, &text);
        snprintf(value, sizeof value, "%.9g", cells->values[at]);
        if (cells->flags[at] & CELL_NAN) text_add(&text, " nan");
        else if (cells->flags[at] & CELL_INFINITE) text_add(&text, " inf");
        else if (cells->flags[at]) text_addf(&text, " %s", value);
        text_add(&text, "   ");
        x += screen_put(screen, x, y, box.width, STYLE_KEY, text_string(&text));
    }
    text_done(&text);
    if (panel->page == TENSOR_NUMBERS) return;
    if (shades->offset) x += screen_putf(screen, x, y, 12, STYLE_DIM, "%.3g ", shades->low);
    else {
        x += screen_putf(screen, x, y, 12, STYLE_DIM, "%.3g ", 0 - shades->high);
        for (int i = LEVELS; i > 0; i--)
            x += screen_put(screen, x, y, 1, below_styles[i], shade(screen, true, i));
        x += screen_put(screen, x, y, 3, STYLE_DIM, " 0 ");
    }
    for (int i = 1; i <= LEVELS; i++)
        x += screen_put(screen, x, y, 1, above_styles[i], shade(screen, false, i));
    screen_putf(screen, x, y, box.x + box.width - x, STYLE_DIM, " %.3g%s", shades->high,
                shades->by_size ? "  a tenth each" : "");
}

/* Row r and column c of the window are those of the cells, and as much further. */
static void put_cells(const TensorPanel *panel, const WindowCells *cells, const Window *window,
                      const Shades *shades, Screen *screen, Box box)
{
    int64_t rows = 0, columns = 0;
    if (!find_shift(&cells->window, window, &rows, &columns)) return;
    bool numbers = panel->page == TENSOR_NUMBERS;
    int width = numbers ? NUMBER : 1, cursor_row, cursor_column;
    bool there = cursor_cell(panel, window, &cursor_row, &cursor_column);
    for (int r = 0; r < window->rows && r < box.height; r++) {
        int64_t first = window->row_axis < 0
                            ? (window->row + r) * window->columns * window->zoom
                            : window->row + r * window->zoom;
        if (r + rows < 0 || r + rows >= window->rows) continue;
        size_t line = (size_t)(r + rows) * (size_t)window->columns;
        if (!cells->flags[line]) break;
        screen_putf(screen, box.x, box.y + r, GUTTER - 1, STYLE_DIM, "%lld", (long long)first);
        for (int c = 0; c < window->columns; c++) {
            if (c + columns < 0 || c + columns >= window->columns) continue;
            size_t at = line + (size_t)(c + columns);
            int x = box.x + GUTTER + c * width;
            if (numbers) put_number(cells, at, screen, x, box.y + r);
            else put_shade(cells, shades, at, screen, x, box.y + r);
        }
    }
    if (there)
        screen_add_flags(screen, box.x + GUTTER + cursor_column * width, box.y + cursor_row,
                         numbers ? NUMBER - 1 : 1, STYLE_REVERSED);
}

/* How far apart both are as a whole, in the line above the map; what matters most comes first,
 * since a narrow screen cuts the rest off. */
static void put_comparison(const TensorPanel *panel, ValueOf a, ValueOf b, Screen *screen, Box box)
{
    const char *why;
    const Comparison *result = values_compare(panel->view->values, a, b, &why);
    Text text = {0};
    if (!result) text_add(&text, why ? why : "comparing…");
    else if (result->verdict == VERDICT_UNREAD) text_add(&text, "cannot be compared");
    else if (result->verdict == VERDICT_EQUAL) text_add(&text, "equal, every value");
    else {
        text_addf(&text, "max |Δ| %.4g  relative %.3g  cosine %.9g  unequal %llu of %llu",
                  result->max_abs, result->distance, result->cosine,
                  (unsigned long long)result->unequal, (unsigned long long)result->count);
        text_addf(&text, "  largest at element %llu (%.6g, %.6g)", (unsigned long long)result->at,
                  result->a_at, result->b_at);
        if (result->nan_alone)
            text_addf(&text, "  NaN on one side %llu", (unsigned long long)result->nan_alone);
    }
    screen_put(screen, box.x, box.y, box.width, STYLE_PLAIN, text_string(&text));
    text_done(&text);
}

void tensor_draw_map(TensorPanel *panel, Screen *screen, Box box)
{
    ValueOf a = panel->sides.of[panel->side], b = {0};
    bool difference = panel->page == TENSOR_DIFFERENCE;
    if (difference) {
        if (!tensor_sides_pair(&panel->sides, &a, &b) || !b.tensor) {
            screen_put(screen, box.x, box.y, box.width, STYLE_DIM, "only one side has values");
            return;
        }
        put_comparison(panel, a, b, screen, (Box){box.x, box.y + 1, box.width, 1});
    }
    int over = difference ? 2 : 1, width = panel->page == TENSOR_NUMBERS ? NUMBER : 1;
    panel->cells_y = box.height - over - 1 > 0 ? box.height - over - 1 : 1;
    panel->cells_x = (box.width - GUTTER) / width > 0 ? (box.width - GUTTER) / width : 1;
    if (panel->cells_x > WINDOW_CELLS / panel->cells_y)
        panel->cells_x = WINDOW_CELLS / panel->cells_y;
    follow_cursor(panel);
    panel->cells_from_x = GUTTER;
    panel->cells_from_y = over;
    panel->cell_width = width;
    const char *why;
    Window window = window_of(panel, a, b);
    const WindowCells *cells = values_window(panel->view->values, &window, &why);
    bool fresh = cells && window_same(&cells->window, &window);
    put_status(panel, !fresh && !why, screen, box);
    if (why && !difference)              /* there the line above the map says it */
        screen_put(screen, box.x, box.y + over, box.width, STYLE_ERROR, why);
    else if (cells) {
        Shades shades = shades_of(cells, panel->by_size);
        put_cells(panel, cells, &window, &shades, screen,
                  (Box){box.x, box.y + over, box.width, panel->cells_y});
        if (fresh) put_legend(panel, cells, &shades, screen, box, box.y + box.height - 1);
    }
}
