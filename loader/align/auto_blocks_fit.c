/* Which block of a row can be which of another, by the shapes that stand below them. Blocks keep
 * their order, whatever is missing: of all ways to lay one row beside the other those count that
 * fit (nearly) best, and a pair is sure when all of them have it. */
#include <stdlib.h>

#include "loader/align/auto_blocks.h"

/* Ways that fit worse by less than this, in blocks, fit as well: a tensor more or less is no other
 * kind of block. It takes more to say that the rows were not paired in the best way: where tensors
 * are missing at random, some other way always looks a little better. */
static const double NEARLY = 0.3, AGAINST = 0.8;
/* The way in which rows of equal names were paired is held to be the best up to this. */
static const double ROUNDING = 0.01;

/* The share of their shapes that two blocks have in common, 0 … 1. What would stand where a number
 * is left out may be anything. */
static double alike(const Block *a, const Block *b)
{
    if (!a->units || !b->units) return 1;
    uint32_t i = 0, j = 0, common = 0;
    while (i < a->count && j < b->count) {
        if (a->shapes[i] == b->shapes[j]) {
            common++;
            i++;
            j++;
        } else if (a->shapes[i] < b->shapes[j]) {
            i++;
        } else {
            j++;
        }
    }
    const uint32_t more = a->count > b->count ? a->count : b->count;
    return more ? (double)common / more : 0;
}

/* Whether a block has next to nothing in common with any of the other row. */
static bool is_stranger(const Block *block, const Block *row, size_t n)
{
    static const double NEXT_TO_NOTHING = 0.25;
    for (size_t i = 0; i < n; i++)
        if (row[i].units && alike(block, &row[i]) >= NEXT_TO_NOTHING) return false;
    return true;
}

void blocks_trim(Rows *rows)
{
    const Block *first[2];
    size_t count[2];
    for (int s = 0; s < 2; s++) {
        const Block *row = rows->row[s], *other = rows->row[!s];
        size_t low = 0, high = rows->count[s];
        while (low < high && (!row[low].units || is_stranger(&row[low], other, rows->count[!s])))
            low++;
        while (low < high && (!row[high - 1].units ||
                              is_stranger(&row[high - 1], other, rows->count[!s])))
            high--;
        first[s] = row + low;
        count[s] = high - low;
    }
    if (count[0] != count[1] || count[0] < 2) return;
    for (int s = 0; s < 2; s++) {
        rows->row[s] = first[s];
        rows->count[s] = count[s];
    }
}

/* The tables of one comparison, [rows + 1][columns + 1] each. */
typedef struct Grid {
    size_t rows, columns;
    double *alike;               /* of block i and block j */
    double *before, *behind;     /* the best of what stands before (i, j), and from there on */
} Grid;

static double *at(const Grid *grid, double *table, size_t i, size_t j)
{
    return table + i * (grid->columns + 1) + j;
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

/* Lays the rows beside each other, the second one backwards if that is asked for. */
static Grid fill_grid(const Rows *rows, bool falls)
{
    Grid grid = {.rows = rows->count[0], .columns = rows->count[1]};
    const size_t n = (grid.rows + 1) * (grid.columns + 1);
    grid.alike = mem_alloc(n * 3 * sizeof *grid.alike);
    grid.before = grid.alike + n;
    grid.behind = grid.before + n;
    for (size_t i = 0; i < n * 3; i++) grid.alike[i] = 0;
    for (size_t i = 0; i < grid.rows; i++)
        for (size_t j = 0; j < grid.columns; j++) {
            const size_t other = falls ? grid.columns - 1 - j : j;
            *at(&grid, grid.alike, i, j) = alike(&rows->row[0][i], &rows->row[1][other]);
            const double both = *at(&grid, grid.before, i, j) + *at(&grid, grid.alike, i, j);
            *at(&grid, grid.before, i + 1, j + 1) =
                most(both, most(*at(&grid, grid.before, i, j + 1),
                                *at(&grid, grid.before, i + 1, j)));
        }
    for (size_t i = grid.rows; i-- > 0;)
        for (size_t j = grid.columns; j-- > 0;) {
            const double both = *at(&grid, grid.behind, i + 1, j + 1) +
                                *at(&grid, grid.alike, i, j);
            *at(&grid, grid.behind, i, j) =
                most(both, most(*at(&grid, grid.behind, i, j + 1),
                                *at(&grid, grid.behind, i + 1, j)));
        }
    return grid;
}

/* How well the rows fit as they were paired. */
static double fit_as_paired(const Rows *rows)
{
    double sum = 0;
    for (size_t i = 0; i < rows->count[0]; i++)
        if (rows->mate[i] != SIZE_MAX)
            sum += alike(&rows->row[0][i], &rows->row[1][rows->mate[i]]);
    return sum;
}

/* Where block i is in the best of all ways, and how well the best fits in which it is elsewhere, or
 * nowhere. */
static size_t place_block(const Grid *grid, size_t i, double *elsewhere)
{
    double best = 0;
    size_t place = SIZE_MAX;
    *elsewhere = 0;
    for (size_t j = 0; j <= grid->columns; j++)
        *elsewhere = most(*elsewhere, *at(grid, grid->before, i, j) +
                                          *at(grid, grid->behind, i + 1, j));
    for (size_t j = 0; j < grid->columns; j++) {
        const double here = *at(grid, grid->before, i, j) + *at(grid, grid->alike, i, j) +
                            *at(grid, grid->behind, i + 1, j + 1);
        if (*at(grid, grid->alike, i, j) <= 0) continue;
        if (here > best) {
            *elsewhere = most(*elsewhere, best);
            best = here;
            place = j;
        } else {
            *elsewhere = most(*elsewhere, here);
        }
    }
    return place;
}

void blocks_fit(const Rows *rows, Laid *laid)
{
    Grid grid = fill_grid(rows, false);
    bool falls = false;
    if (rows->falls || rows->stages) {
        Grid other = fill_grid(rows, true);
        falls = *other.behind > *grid.behind + NEARLY;
        free(falls ? grid.alike : other.alike);
        if (falls) grid = other;
    }
    const double all = *grid.behind;
    laid->as_paired = !rows->mixed && fit_as_paired(rows) + ROUNDING > all && rows->falls == falls;
    const double nearly = laid->as_paired ? NEARLY : AGAINST;
    for (size_t i = 0; i < grid.rows; i++) {
        double elsewhere;
        const size_t j = place_block(&grid, i, &elsewhere);
        const size_t place = j != SIZE_MAX && falls ? grid.columns - 1 - j : j;
        laid->likely[i] = place;
        laid->sure[i] = elsewhere + nearly <= all ? place : SIZE_MAX;
    }
    free(grid.alike);
}
