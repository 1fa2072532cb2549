/* Cells are sums until all is read; a piece may hold parts of cells. */
#include "viewer/tensor_window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 18 };        /* elements read at a time */

static bool same_value(ValueOf a, ValueOf b)
{
    return a.tensor == b.tensor && a.expr == b.expr;
}

bool window_same(const Window *a, const Window *b)
{
    return same_value(a->a, b->a) && same_value(a->b, b->b) && a->row_axis == b->row_axis &&
           a->column_axis == b->column_axis && a->row == b->row && a->column == b->column &&
           a->zoom == b->zoom && a->rows == b->rows && a->columns == b->columns &&
           a->peak == b->peak && memcmp(a->index, b->index, sizeof a->index) == 0;
}

/* One element into its cell; complex ones by their size. */
static void add_element(WindowCells *cells, uint64_t *counts, size_t cell, const double *value,
                        unsigned parts)
{
    double number = parts == 2 ? hypot(value[0], value[1]) : value[0];
    cells->flags[cell] |= CELL_THERE;
    if (isnan(number)) cells->flags[cell] |= CELL_NAN;
    else if (isinf(number)) cells->flags[cell] |= CELL_INFINITE;
    else if (!cells->window.peak) cells->values[cell] += number, counts[cell]++;
    else if (fabs(number) > fabs(cells->values[cell])) cells->values[cell] = number;
}

/* Where the reading is, for `step`. */
typedef struct Reading {
    const Numbers *numbers;
    WindowCells *cells;
    uint64_t *counts;            /* [rows * columns] finite elements of each cell */
    double *piece;               /* [PIECE * parts] */
    ExprMemo *memo;              /* what all pieces need */
    uint64_t done, total;        /* elements */
    ProfileStep *step;
    void *context;
} Reading;

static bool read_piece(Reading *reading, const int64_t *from, const int64_t *size, uint64_t n,
                       Error *err)
{
    if (!numbers_read(reading->numbers, from, size, reading->memo, reading->piece, err))
        return false;
    reading->done += n;
    return !reading->step || reading->step(reading->context, reading->done, reading->total, err);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A vector: cells are runs of elements, one behind the other. */
static bool read_vector(Reading *reading, Error *err)
{
    const Window *window = &reading->cells->window;
    const Expr *e = reading->numbers->a;
    unsigned parts = reading->numbers->parts;
    int64_t all = e->rank ? e->dims[0] : 1, zoom = window->zoom;
    int64_t first = window->row * window->columns * zoom;
    int64_t end = least(all, first + (int64_t)window->rows * window->columns * zoom);
    reading->total = end > first ? (uint64_t)(end - first) : 0;
    for (int64_t at = first; at < end;) {
        int64_t n = least(end - at, PIECE);
        bool whole = e->rank == 0;
        if (!read_piece(reading, whole ? NULL : &at, whole ? NULL : &n, (uint64_t)n, err))
            return false;
        for (int64_t i = 0; i < n; i++)
            add_element(reading->cells, reading->counts, (size_t)((at + i - first) / zoom),
                        reading->piece + i * parts, parts);
        at += n;
    }
    return true;
}

/* A box of whole rows and columns of elements, of which the first is at (row, column) of the
 * window. The reader gives the axes in their own order. */
static void add_box(Reading *reading, int64_t row, int64_t column, int64_t rows, int64_t columns)
{
    const Window *window = &reading->cells->window;
    bool turned = window->row_axis > window->column_axis;
    unsigned parts = reading->numbers->parts;
    for (int64_t r = 0; r < rows; r++) {
        size_t line = (size_t)((row + r) / window->zoom) * (size_t)window->columns;
        for (int64_t c = 0; c < columns; c++) {
            int64_t at = turned ? c * rows + r : r * columns + c;
            add_element(reading->cells, reading->counts,
                        line + (size_t)((column + c) / window->zoom),
                        reading->piece + at * parts, parts);
        }
    }
}

static bool read_matrix(Reading *reading, Error *err)
{
    const Window *window = &reading->cells->window;
    const Expr *e = reading->numbers->a;
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
    int64_t rows = least(e->dims[window->row_axis] - window->row, window->rows * window->zoom);
    int64_t columns = least(e->dims[window->column_axis] - window->column,
                            window->columns * window->zoom);
    if (rows <= 0 || columns <= 0) return true;
    for (unsigned i = 0; i < e->rank; i++) from[i] = window->index[i], size[i] = 1;
    reading->total = (uint64_t)rows * (uint64_t)columns;
    int64_t wide = least(columns, PIECE), high = PIECE / wide;
    for (int64_t r = 0; r < rows; r += high) {
        for (int64_t c = 0; c < columns; c += wide) {
            int64_t n = least(rows - r, high), m = least(columns - c, wide);
            from[window->row_axis] = window->row + r;
            size[window->row_axis] = n;
            from[window->column_axis] = window->column + c;
            size[window->column_axis] = m;
            if (!read_piece(reading, from, size, (uint64_t)(n * m), err)) return false;
            add_box(reading, r, c, n, m);
        }
    }
    return true;
}

bool window_read(const Numbers *numbers, WindowCells *cells, ProfileStep *step, void *context,
                 Error *err)
{
    const Window *window = &cells->window;
    size_t n = (size_t)window->rows * (size_t)window->columns;
    Reading reading = {.numbers = numbers, .cells = cells, .step = step, .context = context,
                       .counts = mem_alloc(n * sizeof(uint64_t)), .memo = expr_memo_new(),
                       .piece = mem_realloc(NULL, PIECE * numbers->parts * sizeof(double))};
    bool ok = window->row_axis < 0 ? read_vector(&reading, err) : read_matrix(&reading, err);
    for (size_t i = 0; i < n; i++)
        if (reading.counts[i]) cells->values[i] /= (double)reading.counts[i];
    expr_memo_free(reading.memo);
    free(reading.counts);
    free(reading.piece);
    return ok;
}
