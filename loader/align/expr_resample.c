/* Resampling for a target: grids of positions, patch kernels, tables of relative positions, as timm
 * does it when a model is loaded for another size of image, of patch or of window.
 *
 *   pos_embed      1×197×768 for 1×577×768: the first row, then 14×14 rows that become 24×24
 *   patch_embed    768×3×16×16 for 768×3×14×14
 *   rel_pos_bias   732×12 for 2212×12: a table of 27×27 that becomes 47×47, and 3 rows behind */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "loader/align/expr_node.h"

/* "pos_embed: 1×200×768 f32 and 1 row before the grid: " and so on. Always NULL. */
static const Expr *refuse(const Fit *fit, const Expr *e, Error *err, const char *why)
{
    error_set(err, ERR_SHAPE, "%s: %s: %s", fit_name(fit->how), shape_name(e).text, why);
    return NULL;
}

/* The side of a square of n, or 0. */
static int64_t square_root(int64_t n)
{
    int64_t side = n > 0 ? (int64_t)sqrt((double)n) : 0;
    while (side * side > n) side--;
    while (n > 0 && side < INT32_MAX && (side + 1) * (side + 1) <= n) side++;
    return n > 0 && side * side == n ? side : 0;
}

/* The sides of a grid of n: given, or those of a square. */
static bool find_grid(const int64_t given[2], int64_t n, int64_t sides[2])
{
    memcpy(sides, given, 2 * sizeof *sides);
    if (!given[0]) sides[0] = sides[1] = square_root(n);
    int64_t product;
    return sides[0] > 0 && !__builtin_mul_overflow(sides[0], sides[1], &product) && product == n;
}

/* "14×14 → 24×24". */
static void say_grids(char what[64], const int64_t *old, const int64_t *grid)
{
    if (!what) return;
    what[0] = '\0';
    if (memcmp(old, grid, 2 * sizeof *old) == 0) return;
    snprintf(what, 64, "%" PRId64 "×%" PRId64 " → %" PRId64 "×%" PRId64, old[0], old[1], grid[0],
             grid[1]);
}

/* Two neighbouring axes of e, old[0] and old[1], resampled as one grid. */
static const Expr *resize_pair(Arena *arena, const Expr *e, int axis, ResampleHow how,
                               const int64_t *old, const int64_t *grid, Error *err)
{
    int64_t dims[TENSOR_RANK_MAX];
    size_t rank = 0;
    for (int i = 0; i < e->rank; i++)
        if (i != axis + 1) dims[rank++] = i == axis ? old[0] * old[1] : e->dims[i];
    const Expr *flat = expr_reshape(arena, e, dims, rank, err);
    if (flat) flat = expr_resize(arena, flat, axis, how, old, grid, 2, err);
    if (!flat) return NULL;
    for (int i = 0; i < e->rank; i++) dims[i] = e->dims[i];
    dims[axis] = grid[0];
    dims[axis + 1] = grid[1];
    return expr_reshape(arena, flat, dims, e->rank, err);
}

/* The sides that two neighbouring axes shall have: given, or the target's. */
static bool find_pair(const Fit *fit, const int64_t *dims, unsigned rank, int axis,
                      int64_t sides[2])
{
    memcpy(sides, fit->grid, 2 * sizeof *sides);
    if (sides[0]) return true;
    if (!dims || axis + 2 > (int)rank) return false;
    sides[0] = dims[axis];
    sides[1] = dims[axis + 1];
    return true;
}

/* ---- positions ---- */

/* 1×h×w×channels, as windowed models have it: no rows besides the grid. */
static const Expr *resample_spread(Arena *arena, const Expr *e, const Fit *fit,
                                   const int64_t *dims, unsigned rank, char what[64], Error *err)
{
    int64_t grid[2];
    if (!find_pair(fit, dims, rank == 4 ? rank : 0, 1, grid))
        return refuse(fit, e, err, "the target's grid is not known; say new={height, width}");
    say_grids(what, e->dims + 1, grid);
    return resize_pair(arena, e, 1, fit->resample, e->dims + 1, grid, err);
}

/* Rows of the next to last axis: fit->extra of them stay, the others are a grid. */
static const Expr *resample_positions(Arena *arena, const Expr *e, const Fit *fit,
                                      const int64_t *dims, unsigned rank, char what[64],
                                      Error *err)
{
    char why[160];
    int64_t old[2], grid[2];
    if (e->rank == 4) return resample_spread(arena, e, fit, dims, rank, what, err);
    if (e->rank < 2 || e->rank > 3)
        return refuse(fit, e, err, "positions have 2, 3 or 4 dimensions");
    int axis = e->rank - 2;
    int64_t rows = e->dims[axis] - fit->extra;
    if (!find_grid(fit->old, rows, old)) {
        snprintf(why, sizeof why, "%" PRId64 " row%s behind the first %" PRId64 " %s; say prefix= "
                 "or old={height, width}", rows, rows == 1 ? "" : "s", fit->extra,
                 fit->old[0] ? "are not old=" : "are no square grid");
        return refuse(fit, e, err, why);
    }
    if (!fit->grid[0] && (!dims || rank != e->rank))
        return refuse(fit, e, err, dims ? "the target has another number of dimensions"
                                        : "there is no target; say new={height, width}");
    int64_t wanted = fit->grid[0] ? fit->grid[0] * fit->grid[1] : dims[axis] - fit->extra;
    if (!find_grid(fit->grid, wanted, grid)) {
        snprintf(why, sizeof why, "the target's %" PRId64 " rows behind the first %" PRId64
                 " are no square grid; say new={height, width}", wanted, fit->extra);
        return refuse(fit, e, err, why);
    }
    say_grids(what, old, grid);
    const Expr *parts[2] = {NULL, expr_slice(arena, e, axis, fit->extra, INT64_MAX, err)};
    if (parts[1])
        parts[1] = expr_resize(arena, parts[1], axis, fit->resample, old, grid, 2, err);
    if (!parts[1] || !fit->extra) return parts[1];
    parts[0] = expr_slice(arena, e, axis, 0, fit->extra, err);
    return parts[0] ? expr_cat(arena, axis, parts, 2, err) : NULL;
}

/* ---- patch kernels ---- */

static const Expr *resample_patch(Arena *arena, const Expr *e, const Fit *fit,
                                  const int64_t *dims, unsigned rank, char what[64], Error *err)
{
    int64_t grid[2];
    int axis = e->rank - 2;
    if (e->rank != 4)
        return refuse(fit, e, err, "a kernel has 4 dimensions: output, input, height, width");
    if (!find_pair(fit, dims, rank == 4 ? rank : 0, axis, grid))
        return refuse(fit, e, err, "the target's patch is not known; say new={height, width}");
    say_grids(what, e->dims + axis, grid);
    return resize_pair(arena, e, axis, RESAMPLE_PATCH, e->dims + axis, grid, err);
}

/* ---- relative positions ---- */

/* A window's offsets: h×w has (2h-1)×(2w-1) of them. */
static void find_table(const int64_t window[2], int64_t table[2])
{
    for (int i = 0; i < 2; i++) table[i] = window[i] ? 2 * window[i] - 1 : 0;
}

/* The sides of a flat table, and the rows behind it that are no offsets: none, or the three of a
 * class token. Odd squares leave a remainder of 1 by 8, so that the two cannot be taken for each
 * other. */
static bool find_flat_table(const int64_t window[2], int64_t extra, int64_t n, int64_t table[2],
                            int64_t *found)
{
    static const int64_t usual[] = {0, 3};
    find_table(window, table);
    int64_t given[2] = {table[0], table[1]};
    for (int i = 0; i < 2; i++) {
        *found = extra >= 0 ? extra : usual[i];
        if (find_grid(given, n - *found, table) && table[0] % 2 && table[1] % 2) return true;
    }
    return false;
}

/* (offsets, heads), with rows behind for class tokens that stay. */
static const Expr *resample_flat(Arena *arena, const Expr *e, const Fit *fit, const int64_t *dims,
                                 unsigned rank, char what[64], Error *err)
{
    int64_t old[2], grid[2], extra, ours;
    if (!fit->grid[0] && (!dims || rank != 2))
        return refuse(fit, e, err, "the target's window is not known; say new={height, width}");
    if (!find_flat_table(fit->old, fit->extra, e->dims[0], old, &extra))
        return refuse(fit, e, err, "its rows are no square table of odd sides, with 0 or 3 rows "
                      "behind; say old={height, width} of the window, or extra=");
    find_table(fit->grid, grid);
    if (!fit->grid[0] && !find_flat_table(fit->grid, extra, dims[0], grid, &ours))
        return refuse(fit, e, err, "the target's rows are no square table of odd sides; say "
                      "new={height, width} of the window");
    say_grids(what, old, grid);
    const Expr *parts[2] = {expr_slice(arena, e, 0, 0, e->dims[0] - extra, err), NULL};
    if (parts[0]) parts[0] = expr_resize(arena, parts[0], 0, fit->resample, old, grid, 2, err);
    if (!parts[0] || !extra) return parts[0];
    parts[1] = expr_slice(arena, e, 0, e->dims[0] - extra, INT64_MAX, err);
    return parts[1] ? expr_cat(arena, 0, parts, 2, err) : NULL;
}

/* (heads, height, width) needs nothing to be told. */
static const Expr *resample_relative(Arena *arena, const Expr *e, const Fit *fit,
                                     const int64_t *dims, unsigned rank, char what[64], Error *err)
{
    int64_t grid[2];
    if (e->rank == 2) return resample_flat(arena, e, fit, dims, rank, what, err);
    if (e->rank != 3)
        return refuse(fit, e, err, "a table is offsets×heads or heads×height×width");
    find_table(fit->grid, grid);
    if (!fit->grid[0] && !find_pair(fit, dims, rank == 3 ? rank : 0, 1, grid))
        return refuse(fit, e, err, "the target's window is not known; say new={height, width}");
    say_grids(what, e->dims + 1, grid);
    return resize_pair(arena, e, 1, fit->resample, e->dims + 1, grid, err);
}

/* The result is the target's, or both are named. */
const Expr *expr_resample(Arena *arena, const Expr *e, const Fit *fit, const int64_t *dims,
                          unsigned rank, char what[64], Error *err)
{
    if (what) what[0] = '\0';
    if (e->unknown)
        return refuse(fit, e, err, "what shape the source has must be known");
    const Expr *made = fit->how == FIT_POSITIONS
                           ? resample_positions(arena, e, fit, dims, rank, what, err)
                       : fit->how == FIT_PATCH
                           ? resample_patch(arena, e, fit, dims, rank, what, err)
                           : resample_relative(arena, e, fit, dims, rank, what, err);
    if (!made || !dims || same_dims(made->dims, made->rank, dims, rank)) return made;
    Text wanted = {0};
    show_shape(dims, rank, &wanted);
    error_set(err, ERR_SHAPE, "%s: %s becomes %s, the target is %s", fit_name(fit->how),
              shape_name(e).text, shape_name(made).text, text_string(&wanted));
    text_done(&wanted);
    return NULL;
}
