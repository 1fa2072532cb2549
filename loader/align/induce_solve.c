/* Numbers of a target from those of a source: the small arithmetic that layouts of models use.
 *
 *   layer1 … layer4 -> res2 … res5          x + 1
 *   up.0 … up.3     -> up_blocks.3 … .0     3 - x
 *   input_blocks.1, 2, 4, 5 … -> down_blocks.0, 0, 1, 1 …    (x - 1) // 3
 *
 * Two values fit many formulas, so the steeper ones (times, divide, remainder) ask for three, or
 * for a larger form in which the same formula was found. Sums cannot wrap: numbers have 18 digits
 * at most, and products are checked. */
#include <inttypes.h>
#include <string.h>

#include "loader/align/induce_parts.h"

enum {
    DIVISOR_MAX = 4, FACTOR_MAX = 64,
    ENOUGH = 3                   /* different numbers that make a formula more than chance */
};

/* The rows that a formula is sought for. */
typedef struct Sample {
    const Matrix *matrix;
    const uint32_t *rows;        /* [n] */
    size_t n;
} Sample;

static int64_t cell(const Sample *sample, size_t row, unsigned column)
{
    return sample->matrix->cells[sample->rows[row] * sample->matrix->width + column];
}

/* Rounds down, as Lua does; b > 0. */
static int64_t divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

bool formula_value(const Formula *formula, const int64_t *row, int64_t *out)
{
    int64_t x = row[formula->x], m = formula->m, c = formula->c, product;
    switch (formula->kind) {
    case FORMULA_CONST: *out = c; return true;
    case FORMULA_SHIFT: *out = x + c; return true;
    case FORMULA_MINUS: *out = c - x; return true;
    case FORMULA_DIVIDE: *out = divide(x + formula->o, m); return true;
    case FORMULA_MINUS_DIVIDE: *out = c - divide(x + formula->o, m); return true;
    case FORMULA_REMAINDER:
        *out = x + formula->o - divide(x + formula->o, m) * m + c;
        return true;
    case FORMULA_TIMES:
    case FORMULA_GRID:
        if (__builtin_mul_overflow(m, x, &product)) return false;
        if (__builtin_add_overflow(product, c, out)) return false;
        return formula->kind == FORMULA_TIMES ||
               !__builtin_add_overflow(*out, row[formula->z], out);
    }
    return false;
}

/* Whether it gives the column in every row. */
static bool holds(const Sample *sample, unsigned y, const Formula *formula)
{
    for (size_t i = 0; i < sample->n; i++) {
        const int64_t *row = sample->matrix->cells + sample->rows[i] * sample->matrix->width;
        int64_t value;
        if (!formula_value(formula, row, &value) || value != row[y]) return false;
    }
    return true;
}

static bool is_constant(const Sample *sample, unsigned column)
{
    for (size_t i = 1; i < sample->n; i++)
        if (cell(sample, i, column) != cell(sample, 0, column)) return false;
    return true;
}

/* Different numbers of a column, as far as ENOUGH. */
static size_t count_different(const Sample *sample, unsigned column)
{
    int64_t seen[ENOUGH];
    size_t count = 0;
    for (size_t i = 0; i < sample->n && count < ENOUGH; i++) {
        int64_t value = cell(sample, i, column);
        size_t j = 0;
        while (j < count && seen[j] != value) j++;
        if (j == count) seen[count++] = value;
    }
    return count;
}

/* A row in which the column differs from the first; the column is not constant. */
static size_t other_row(const Sample *sample, unsigned column)
{
    size_t i = 1;
    while (cell(sample, i, column) == cell(sample, 0, column)) i++;
    return i;
}

/* ---- forms of one column ---- */

static bool try_slope(const Sample *sample, unsigned y, unsigned x, int64_t slope, Formula *out)
{
    int64_t x0 = cell(sample, 0, x), y0 = cell(sample, 0, y);
    *out = slope > 0 ? (Formula){.kind = FORMULA_SHIFT, .x = x, .c = y0 - x0}
                     : (Formula){.kind = FORMULA_MINUS, .x = x, .c = y0 + x0};
    return holds(sample, y, out);
}

/* Which o make (x + o) // m the column: an interval, narrowed row by row. `base`: c - y is what
 * the quotient has to be, when it is there. */
static bool find_offsets(const Sample *sample, unsigned y, unsigned x, int64_t m,
                         const int64_t *base, int64_t *low, int64_t *high)
{
    *low = INT64_MIN;
    *high = INT64_MAX;
    for (size_t i = 0; i < sample->n; i++) {
        int64_t quotient = cell(sample, i, y), product, from = cell(sample, i, x);
        if (base) quotient = *base - quotient;
        if (__builtin_mul_overflow(quotient, m, &product)) return false;
        if (product - from > *low) *low = product - from;
        if (product + m - 1 - from < *high) *high = product + m - 1 - from;
        if (*low > *high) return false;
    }
    return true;
}

/* The offset that reads best: 0, -1, 1, then whole multiples of m, which two numbers do not
 * prove. */
static bool choose_offset(int64_t low, int64_t high, int64_t m, bool proved, int64_t *o)
{
    const int64_t nice[] = {0, -1, 1, m, -m, 2 * m};
    for (size_t i = 0; i < (proved ? countof(nice) : 3); i++)
        if (low <= nice[i] && nice[i] <= high) {
            *o = nice[i];
            return true;
        }
    return false;
}

static bool try_divide(const Sample *sample, unsigned y, unsigned x, Formula *out)
{
    int64_t low, high;
    bool proved = count_different(sample, x) >= ENOUGH;
    for (int64_t m = 2; m <= DIVISOR_MAX; m++) {
        *out = (Formula){.kind = FORMULA_DIVIDE, .x = x, .m = m};
        if (find_offsets(sample, y, x, m, NULL, &low, &high) &&
            choose_offset(low, high, m, proved, &out->o))
            return true;
    }
    return false;
}

/* Falling: c is the greatest value, from which the quotient is taken. */
static bool try_minus_divide(const Sample *sample, unsigned y, unsigned x, Formula *out)
{
    int64_t low, high, most = cell(sample, 0, y);
    for (size_t i = 1; i < sample->n; i++)
        if (cell(sample, i, y) > most) most = cell(sample, i, y);
    for (int64_t m = 2; m <= DIVISOR_MAX; m++) {
        *out = (Formula){.kind = FORMULA_MINUS_DIVIDE, .x = x, .m = m, .c = most};
        if (find_offsets(sample, y, x, m, &most, &low, &high) &&
            choose_offset(low, high, m, true, &out->o))
            return true;
    }
    return false;
}

/* Numbers that come round: from 0 or from 1. */
static bool try_remainder(const Sample *sample, unsigned y, unsigned x, Formula *out)
{
    for (int64_t m = 2; m <= DIVISOR_MAX; m++)
        for (int64_t c = 0; c <= 1; c++) {
            int64_t first = cell(sample, 0, y) - c - cell(sample, 0, x);
            int64_t o = first - divide(first, m) * m;
            if (o == m - 1) o = -1;
            *out = (Formula){.kind = FORMULA_REMAINDER, .x = x, .m = m, .o = o, .c = c};
            if (holds(sample, y, out)) return true;
        }
    return false;
}

static bool try_times(const Sample *sample, unsigned y, unsigned x, Formula *out)
{
    size_t other = other_row(sample, x);
    int64_t run = cell(sample, other, x) - cell(sample, 0, x);
    int64_t rise = cell(sample, other, y) - cell(sample, 0, y);
    int64_t m = rise / run;
    if (m < 2 || m > FACTOR_MAX || m * run != rise) return false;
    int64_t product;
    if (__builtin_mul_overflow(m, cell(sample, 0, x), &product)) return false;
    *out = (Formula){.kind = FORMULA_TIMES, .x = x, .m = m, .c = cell(sample, 0, y) - product};
    return holds(sample, y, out);
}

/* Two columns laid out as one: row by row of a grid. */
static bool try_grid(const Sample *sample, unsigned y, unsigned x, unsigned z, Formula *out)
{
    size_t other = other_row(sample, x);
    int64_t run = cell(sample, other, x) - cell(sample, 0, x);
    int64_t rise = cell(sample, other, y) - cell(sample, other, z) -
                   (cell(sample, 0, y) - cell(sample, 0, z));
    int64_t m = rise / run, product;
    if (m < 2 || m > FACTOR_MAX || m * run != rise) return false;
    if (__builtin_mul_overflow(m, cell(sample, 0, x), &product)) return false;
    *out = (Formula){.kind = FORMULA_GRID, .x = x, .z = z, .m = m,
                     .c = cell(sample, 0, y) - cell(sample, 0, z) - product};
    return holds(sample, y, out);
}

/* ---- the search ---- */

/* The columns of the source that have several values, the one in y's place first: columns keep
 * their order more often than not. */
static size_t list_columns(const Sample *sample, unsigned like, unsigned out[COLUMNS_LISTED])
{
    size_t count = 0;
    unsigned sources = (unsigned)sample->matrix->sources;
    if (like < sources && !is_constant(sample, like)) out[count++] = like;
    for (unsigned x = 0; x < sources && count < COLUMNS_LISTED; x++)
        if (x != like && !is_constant(sample, x)) out[count++] = x;
    return count;
}

static bool try_hints(const Sample *sample, unsigned y, unsigned x, const Hints *hints,
                      Formula *out)
{
    for (size_t i = 0; i < hints->count; i++) {
        *out = hints->list[i];
        out->x = x;
        if (out->kind != FORMULA_GRID && holds(sample, y, out)) return true;
    }
    return false;
}

typedef bool Try(const Sample *sample, unsigned y, unsigned x, Formula *out);

static bool try_each(const Sample *sample, unsigned y, const unsigned *columns, size_t count,
                     size_t enough, Try *try, Formula *out)
{
    for (size_t i = 0; i < count; i++)
        if (count_different(sample, columns[i]) >= enough && try(sample, y, columns[i], out))
            return true;
    return false;
}

static bool try_grids(const Sample *sample, unsigned y, const unsigned *columns, size_t count,
                      Formula *out)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            if (i != j && sample->n > ENOUGH &&
                try_grid(sample, y, columns[i], columns[j], out))
                return true;
    return false;
}

/* From the plainest to the strangest. */
static bool search(const Sample *sample, unsigned y, const Hints *hints, const unsigned *columns,
                   size_t count, Formula *out)
{
    for (size_t i = 0; i < count; i++)
        if (try_slope(sample, y, columns[i], 1, out)) return true;
    for (size_t i = 0; i < count; i++)
        if (try_slope(sample, y, columns[i], -1, out)) return true;
    for (size_t i = 0; i < count; i++)
        if (try_hints(sample, y, columns[i], hints, out)) return true;
    return try_each(sample, y, columns, count, 2, try_divide, out) ||
           try_each(sample, y, columns, count, ENOUGH, try_remainder, out) ||
           try_each(sample, y, columns, count, ENOUGH, try_times, out) ||
           try_each(sample, y, columns, count, ENOUGH, try_minus_divide, out) ||
           try_grids(sample, y, columns, count, out);
}

/* What is customary here; a column that is constant in these rows proves nothing. */
static bool try_first(const Sample *sample, unsigned y, const Hints *first, Formula *out)
{
    for (size_t i = 0; i < first->count; i++) {
        *out = first->list[i];
        if (!is_constant(sample, out->x) && holds(sample, y, out)) return true;
    }
    return false;
}

bool formula_solve(const Matrix *matrix, const uint32_t *rows, size_t n, unsigned y, unsigned like,
                   bool plain, const Hints *first, const Hints *hints, Formula *out)
{
    Sample sample = {matrix, rows, n};
    *out = (Formula){.kind = FORMULA_CONST, .c = cell(&sample, 0, y)};
    if (is_constant(&sample, y)) return true;
    if (!plain && try_first(&sample, y, first, out)) return true;
    unsigned columns[COLUMNS_LISTED];
    size_t count = list_columns(&sample, like, columns);
    for (size_t i = 0; i < count; i++) {
        *out = (Formula){.kind = FORMULA_SHIFT, .x = columns[i]};
        if (holds(&sample, y, out)) return true;
    }
    return !plain && search(&sample, y, hints, columns, count, out);
}

void hints_add(Hints *hints, const Matrix *matrix, const uint32_t *rows, size_t n,
               const Formula *formula)
{
    Sample sample = {matrix, rows, n};
    if (formula->kind <= FORMULA_MINUS || hints->count == countof(hints->list)) return;
    if (count_different(&sample, formula->x) < ENOUGH) return;
    for (size_t i = 0; i < hints->count; i++) {
        const Formula *known = &hints->list[i];
        if (known->kind == formula->kind && known->m == formula->m && known->o == formula->o &&
            known->c == formula->c)
            return;
    }
    hints->list[hints->count++] = *formula;
}

/* ---- text ---- */

/* "+1", "-1", nothing for 0. */
static void write_shift(int64_t shift, Text *out)
{
    if (shift) text_addf(out, "%+" PRId64, shift);
}

/* "(i-1)", or "i" where nothing is added. */
static void write_operand(const char *name, int64_t shift, Text *out)
{
    if (!shift) {
        text_add(out, name);
        return;
    }
    text_addf(out, "(%s%+" PRId64 ")", name, shift);
}

/* A whole multiple of m stands behind the quotient: i//2+1, not (i+2)//2. */
static void write_quotient(const Formula *formula, const char *name, Text *out)
{
    bool whole = formula->o % formula->m == 0;
    write_operand(name, whole ? 0 : formula->o, out);
    text_addf(out, "//%" PRId64, formula->m);
    if (whole) write_shift(formula->o / formula->m, out);
}

void formula_write(const Formula *formula, const char *const *names, Text *out)
{
    const char *name = formula->kind == FORMULA_CONST ? "" : names[formula->x];
    switch (formula->kind) {
    case FORMULA_CONST: text_addf(out, "%" PRId64, formula->c); return;
    case FORMULA_SHIFT:
        text_add(out, name);
        write_shift(formula->c, out);
        return;
    case FORMULA_MINUS: text_addf(out, "%" PRId64 "-%s", formula->c, name); return;
    case FORMULA_DIVIDE: write_quotient(formula, name, out); return;
    case FORMULA_MINUS_DIVIDE:
        text_addf(out, "%" PRId64 "-", formula->c);
        write_operand(name, formula->o, out);
        text_addf(out, "//%" PRId64, formula->m);
        return;
    case FORMULA_REMAINDER:
        write_operand(name, formula->o, out);
        text_addf(out, "%%%" PRId64, formula->m);
        write_shift(formula->c, out);
        return;
    case FORMULA_TIMES:
    case FORMULA_GRID:
        text_addf(out, "%" PRId64 "*%s", formula->m, name);
        if (formula->kind == FORMULA_GRID) text_addf(out, "+%s", names[formula->z]);
        write_shift(formula->c, out);
        return;
    }
}
