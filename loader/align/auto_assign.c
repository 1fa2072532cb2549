/* The assignment problem, and how sure each of its pairs is. */
#include <math.h>
#include <string.h>

#include "loader/align/auto_parts.h"

/* Hungarian algorithm with potentials on a square matrix of costs (n + 1) × (n + 1), from 1. */
typedef struct Hungarian {
    size_t n;
    const double *cost;      /* [n × n] */
    double *row, *column, *least;
    size_t *taken, *way;     /* row that has a column; the column before on the path */
    bool *seen;
} Hungarian;

static void add_row(Hungarian *h, size_t row)
{
    size_t at = 0;
    h->taken[0] = row;
    for (size_t j = 0; j <= h->n; j++) {
        h->least[j] = INFINITY;
        h->seen[j] = false;
    }
    do {
        h->seen[at] = true;
        size_t i = h->taken[at], next = 0;
        double delta = INFINITY;
        for (size_t j = 1; j <= h->n; j++) {
            if (h->seen[j]) continue;
            double cost = h->cost[(i - 1) * h->n + j - 1] - h->row[i] - h->column[j];
            if (cost < h->least[j]) {
                h->least[j] = cost;
                h->way[j] = at;
            }
            if (h->least[j] < delta) {
                delta = h->least[j];
                next = j;
            }
        }
        for (size_t j = 0; j <= h->n; j++) {
            if (h->seen[j]) {
                h->row[h->taken[j]] += delta;
                h->column[j] -= delta;
            } else {
                h->least[j] -= delta;
            }
        }
        at = next;
    } while (h->taken[at]);
    for (; at; at = h->way[at]) h->taken[at] = h->taken[h->way[at]];
}

/* The square is filled up with zeros: a row that gets one of them is left out. One more row and
 * column than are needed let any row be left out. */
static double score_at(const double *scores, size_t rows, size_t columns, size_t i, size_t j)
{
    if (i >= rows || j >= columns) return 0;
    double score = scores[i * columns + j];
    return score > 0 ? score : 0;
}

/* Least loss when a row must not have its column: the shortest cycle of exchanges through it
 * (Floyd and Warshall over rows; gain[i][k]: row i takes what row k has). */
static void find_margins(Arena *arena, const double *scores, size_t rows, size_t columns,
                         const uint32_t *mate, size_t n, const uint32_t *taken, double *margin)
{
    double *loss = arena_alloc(arena, (n * n + 1) * sizeof *loss);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            loss[i * n + k] = i == k ? INFINITY
                                     : score_at(scores, rows, columns, i, taken[i]) -
                                           score_at(scores, rows, columns, i, taken[k]);
    for (size_t via = 0; via < n; via++)
        for (size_t i = 0; i < n; i++) {
            double first = loss[i * n + via];
            if (i == via || !isfinite(first)) continue;
            for (size_t k = 0; k < n; k++) {
                double sum = first + loss[via * n + k];
                if (k != via && sum < loss[i * n + k]) loss[i * n + k] = sum;
            }
        }
    for (size_t i = 0; i < rows; i++)
        margin[i] = mate[i] == NONE ? 0 : loss[i * n + i] > 0 ? loss[i * n + i] : 0;
}

void assign_best(const double *scores, size_t rows, size_t columns, uint32_t *mate,
                 double *margin)
{
    Arena *arena = arena_new();
    size_t n = (rows > columns ? rows : columns) + 1;
    Hungarian h = {.n = n};
    double *cost = arena_alloc(arena, n * n * sizeof *cost);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) cost[i * n + j] = -score_at(scores, rows, columns, i, j);
    h.cost = cost;
    h.row = arena_alloc(arena, (n + 1) * sizeof *h.row);
    h.column = arena_alloc(arena, (n + 1) * sizeof *h.column);
    h.least = arena_alloc(arena, (n + 1) * sizeof *h.least);
    h.taken = arena_alloc(arena, (n + 1) * sizeof *h.taken);
    h.way = arena_alloc(arena, (n + 1) * sizeof *h.way);
    h.seen = arena_alloc(arena, (n + 1) * sizeof *h.seen);
    for (size_t i = 1; i <= n; i++) add_row(&h, i);
    uint32_t *taken = arena_alloc(arena, n * sizeof *taken);
    for (size_t j = 1; j <= n; j++) taken[h.taken[j] - 1] = (uint32_t)(j - 1);
    for (size_t i = 0; i < rows; i++) {
        mate[i] = taken[i] < columns && score_at(scores, rows, columns, i, taken[i]) > 0
                      ? taken[i] : NONE;
    }
    find_margins(arena, scores, rows, columns, mate, n, taken, margin);
    arena_free(arena);
}
