/* Which variables a table of numbers needs, and what the loops over them are. */
#include "loader/export/emit_loop.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Variables that have names; factors that are tried for "3 * i + j"; columns of text of a table. */
enum { VARIABLES_MAX = 6, FACTOR_LEAST = -1, FACTOR_MOST = 8, LINE_WIDTH = 92 };

static const char *const names[VARIABLES_MAX] = {"i", "j", "k", "l", "m", "n"};

/* One table under way. */
typedef struct Solver {
    Arena *arena;
    const EmitTable *table;
    size_t variables[VARIABLES_MAX];     /* columns that became variables, in their order */
    size_t count;
    bool full;                   /* more would be needed */
} Solver;

static int64_t cell(const EmitTable *table, size_t row, size_t column)
{
    return table->cells[row * table->columns + column];
}

static bool is_constant(const EmitTable *table, size_t column)
{
    for (size_t row = 1; row < table->rows; row++)
        if (cell(table, row, column) != cell(table, 0, column)) return false;
    return true;
}

/* p·a + q·b + rest in every row; b may be SIZE_MAX. */
static bool is_sum(const EmitTable *table, size_t column, size_t a, int64_t p, size_t b, int64_t q,
                   int64_t *rest)
{
    for (size_t row = 0; row < table->rows; row++) {
        int64_t left = cell(table, row, column) - p * cell(table, row, a);
        if (b != SIZE_MAX) left -= q * cell(table, row, b);
        if (row == 0) *rest = left;
        if (left != *rest) return false;
    }
    return true;
}

/* "3 * i", "-i", " + j", " + 1". */
static void add_term(Text *out, int64_t factor, const char *name)
{
    if (!factor) return;
    const char *sign = factor < 0 ? (out->length ? " - " : "-") : out->length ? " + " : "";
    int64_t size = factor < 0 ? -factor : factor;
    text_add(out, sign);
    if (!name) text_addf(out, "%" PRId64, size);
    else if (size == 1) text_add(out, name);
    else text_addf(out, "%" PRId64 " * %s", size, name);
}

static const char *write_sum(const Solver *solver, int64_t p, const char *a, int64_t q,
                             const char *b, int64_t rest)
{
    Text text = {0};
    add_term(&text, p, a);
    add_term(&text, q, b);
    add_term(&text, rest, NULL);
    return text_keep(&text, solver->arena);
}

/* Of one variable: with a factor of 1 first. */
static const char *find_one(const Solver *solver, size_t column)
{
    int64_t rest = 0;
    for (size_t v = 0; v < solver->count; v++)
        for (int64_t p = 1; p <= FACTOR_MOST + 1; p++) {
            int64_t factor = p > FACTOR_MOST ? FACTOR_LEAST : p;
            if (is_sum(solver->table, column, solver->variables[v], factor, SIZE_MAX, 0, &rest))
                return write_sum(solver, factor, names[v], 0, NULL, rest);
        }
    return NULL;
}

static const char *find_two(const Solver *solver, size_t column)
{
    int64_t rest = 0;
    for (size_t v = 0; v < solver->count; v++)
        for (size_t w = v + 1; w < solver->count; w++)
            for (int64_t p = FACTOR_LEAST; p <= FACTOR_MOST; p++)
                for (int64_t q = FACTOR_LEAST; q <= FACTOR_MOST; q++)
                    if (p && q && is_sum(solver->table, column, solver->variables[v], p,
                                         solver->variables[w], q, &rest))
                        return write_sum(solver, p, names[v], q, names[w], rest);
    return NULL;
}

/* A column is a number, a sum of variables, or a variable of its own. */
static const char *solve(Solver *solver, size_t column)
{
    if (is_constant(solver->table, column)) return NULL;
    const char *sum = find_one(solver, column);
    if (!sum) sum = find_two(solver, column);
    if (sum) return sum;
    if (solver->count == VARIABLES_MAX) {
        solver->full = true;
        return NULL;
    }
    solver->variables[solver->count] = column;
    return names[solver->count++];
}

/* ---- rows in order ---- */

static int compare_rows(const void *a, const void *b, void *context)
{
    const Solver *solver = context;
    const int64_t *one = a, *two = b;
    for (size_t v = 0; v < solver->count; v++) {
        int64_t x = one[solver->variables[v]], y = two[solver->variables[v]];
        if (x != y) return x < y ? -1 : 1;
    }
    return 0;
}

static int compare_numbers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The different values of a variable, ascending; malloc'd. */
static int64_t *list_values(const Solver *solver, size_t variable, size_t *count)
{
    const EmitTable *table = solver->table;
    int64_t *values = mem_alloc((table->rows + 1) * sizeof *values);
    for (size_t row = 0; row < table->rows; row++)
        values[row] = cell(table, row, solver->variables[variable]);
    qsort(values, table->rows, sizeof *values, compare_numbers);
    size_t n = 0;
    for (size_t row = 0; row < table->rows; row++)
        if (!n || values[n - 1] != values[row]) values[n++] = values[row];
    *count = n;
    return values;
}

/* range(a, b), or the values themselves. */
static void add_range(Text *out, const char *name, const int64_t *values, size_t n)
{
    bool run = values[n - 1] - values[0] == (int64_t)n - 1;
    text_addf(out, "for %s in ", name);
    if (run && values[0] == 0) text_addf(out, "range(%" PRId64 "):\n", values[n - 1] + 1);
    else if (run)
        text_addf(out, "range(%" PRId64 ", %" PRId64 "):\n", values[0], values[n - 1] + 1);
    else {
        for (size_t i = 0; i < n; i++) text_addf(out, "%s%" PRId64, i ? ", " : "(", values[i]);
        text_add(out, n == 1 ? ",):\n" : "):\n");
    }
}

/* Every combination once: as many rows as there are combinations, and all are different. */
static bool add_loops(const Solver *solver, Text *out)
{
    uint64_t product = 1;
    for (size_t row = 1; row < solver->table->rows; row++)
        if (compare_rows(&solver->table->cells[(row - 1) * solver->table->columns],
                         &solver->table->cells[row * solver->table->columns], (void *)solver) == 0)
            return false;
    for (size_t v = 0; v < solver->count; v++) {
        size_t n;
        int64_t *values = list_values(solver, v, &n);
        product *= n;
        add_range(out, names[v], values, n);
        free(values);
        if (product > solver->table->rows) return false;
    }
    return product == solver->table->rows;
}

/* for i, j in ((0, 1), …): one row after the other, in lines of bearable length. */
static void add_table(const Solver *solver, Text *out)
{
    text_add(out, "for ");
    for (size_t v = 0; v < solver->count; v++) text_addf(out, "%s%s", v ? ", " : "", names[v]);
    text_add(out, " in (");
    size_t line = out->length;
    for (size_t row = 0; row < solver->table->rows; row++) {
        Text item = {0};
        text_add(&item, solver->count > 1 ? "(" : "");
        for (size_t v = 0; v < solver->count; v++)
            text_addf(&item, "%s%" PRId64, v ? ", " : "",
                      cell(solver->table, row, solver->variables[v]));
        text_add(&item, solver->count > 1 ? "), " : ", ");
        if (out->length - line + item.length > LINE_WIDTH) {
            text_add(out, "\t");     /* the caller breaks the line here */
            line = out->length;
        }
        text_add(out, text_string(&item));
        text_done(&item);
    }
    out->length -= 2;                            /* ", ": there are two rows at least */
    out->bytes[out->length] = '\0';
    text_add(out, "):\n");
}

/* Rows are put in the order of their variables: a file may have had them in another. */
void emit_loop_make(Arena *arena, EmitTable *table, EmitLoop *out)
{
    Solver solver = {.arena = arena, .table = table};
    Text head = {0};
    *out = (EmitLoop){.places = arena_alloc(arena, (table->columns + 1) * sizeof *out->places)};
    for (size_t column = 0; column < table->columns; column++)
        out->places[column] = solve(&solver, column);
    out->levels = (unsigned)solver.count;
    qsort_r(table->cells, table->rows, table->columns * sizeof *table->cells, compare_rows,
            &solver);
    if (solver.count && !add_loops(&solver, &head)) {
        text_clear(&head);
        add_table(&solver, &head);
        out->levels = 1;
    }
    if (solver.full) out->levels = 0;            /* says that it could not be done */
    out->head = solver.full ? NULL : arena_strdup(arena, text_string(&head));
    text_done(&head);
}
