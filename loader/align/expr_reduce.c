/* Values of the nodes that add up: means, sums, norms and products of matrices. All sums are made
 * in double, over pieces of the operands that are read one after the other. */
#include <math.h>
#include <stdlib.h>

#include "loader/align/expr_place.h"
#include "loader/tensor/box.h"

bool place_doubles(const Expr *e, Place *place, unsigned char *held, double *out, Error *err)
{
    place->out = held;
    place->losses = NULL;
    place->dtype = e->dtype;
    contiguous_strides(place->size, e->rank, place->strides);
    if (!place_fill(e, place, err)) return false;
    if (!place->reads) dtype_to_doubles(e->dtype, held, out, place_count(place, e->rank));
    return true;
}

/* Pieces of the operand are (outer, rows, inner) in row-major order, the sums (outer, inner): that
 * is what the index of `sums` says. */
static bool add_axis(const Expr *e, const Place *place, size_t n, double *sums, Error *err)
{
    const Expr *operand = e->from[0];
    int64_t length = operand->dims[e->axis], step = (int64_t)(PIECE / n) + 1;
    size_t inner = 1;
    if (step > length) step = length;   /* indices of the axis read at a time */
    for (unsigned i = (unsigned)e->axis + 1; i < e->rank; i++) inner *= (size_t)place->size[i];
    Place part = *place;
    unsigned char *held = mem_realloc(NULL, n * (size_t)step * dtype_size(e->dtype));
    double *values = mem_realloc(NULL, n * (size_t)step * sizeof *values);
    bool ok = true;
    for (int64_t i = 0; ok && i < length; i += step) {
        part.from[e->axis] = i;
        part.size[e->axis] = step < length - i ? step : length - i;
        ok = place_doubles(operand, &part, held, values, err);
        size_t rows = (size_t)part.size[e->axis];
        for (size_t k = 0; ok && !place->reads && k < n * rows; k++)
            sums[k / (inner * rows) * inner + k % inner] += values[k];
    }
    free(held);
    free(values);
    return ok;
}

/* The squares of everything that lies at the place's indices of the axis; at all of them without
 * an axis. */
static bool add_squares(const Expr *e, const Place *place, double *sums, Error *err)
{
    const Expr *operand = e->from[0];
    int64_t first[TENSOR_RANK_MAX] = {0}, size[TENSOR_RANK_MAX];
    for (int i = 0; i < e->rank; i++) size[i] = operand->dims[i];
    if (e->axis != AXIS_NONE) {
        first[e->axis] = place->from[e->axis];
        size[e->axis] = place->size[e->axis];
    }
    BoxWalk walk;
    if (!box_first(&walk, size, e->rank, PIECE)) return true;
    size_t most = (size_t)box_count(&walk);
    unsigned char *held = mem_realloc(NULL, most * dtype_size(e->dtype));
    double *values = mem_realloc(NULL, most * sizeof *values);
    bool ok = true;
    do {
        Place part = {.memo = place->memo, .reads = place->reads};
        size_t inner = 1, rows = 1, at = 0;
        for (int i = 0; i < e->rank; i++) {
            part.from[i] = first[i] + walk.from[i];
            part.size[i] = walk.size[i];
            if (i > e->axis) inner *= (size_t)walk.size[i];
        }
        if (e->axis != AXIS_NONE) {
            rows = (size_t)walk.size[e->axis];
            at = (size_t)walk.from[e->axis];
        }
        ok = place_doubles(operand, &part, held, values, err);
        for (size_t k = 0, n = place_count(&part, e->rank); ok && !place->reads && k < n; k++)
            sums[at + k / inner % rows] += values[k] * values[k];
    } while (ok && box_next(&walk));
    free(held);
    free(values);
    return ok;
}

/* n is the place's; an empty operand gives zeros. */
bool fill_reduction(const Expr *e, const Place *place, Error *err)
{
    size_t n = place_count(place, e->rank);
    double *sums = mem_alloc(n * sizeof *sums);
    bool norm = e->kind == EX_NORM;
    bool ok = norm ? add_squares(e, place, sums, err) : add_axis(e, place, n, sums, err);
    for (size_t k = 0; !place->reads && k < n; k++) {
        if (norm) sums[k] = sqrt(sums[k]);
        if (e->kind == EX_MEAN) sums[k] /= (double)e->from[0]->dims[e->axis];
    }
    if (ok && !place->reads) dtype_convert(DT_F64, sums, e->dtype, place->out, n);
    free(sums);
    return ok;
}

/* sums += A B for rows×depth and depth×columns. */
static void add_products(const double *a, const double *b, size_t rows, size_t depth,
                         size_t columns, double *sums)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < depth; k++) {
            const double factor = a[i * depth + k], *row = b + k * columns;
            for (size_t j = 0; j < columns; j++) sums[i * columns + j] += factor * row[j];
        }
}

/* The place is rows×columns of the result; the axis between is run through in steps for which both
 * operands' shares stay about as small as a piece. */
bool fill_matmul(const Expr *e, const Place *place, Error *err)
{
    const Expr *a = e->from[0], *b = e->from[1];
    int64_t rows = place->size[0], columns = place->size[1], depth = a->dims[1];
    int64_t step = PIECE / (rows > columns ? rows : columns) + 1;
    if (step > depth) step = depth;
    size_t n = (size_t)(rows * columns);
    size_t most = (size_t)(step * (rows > columns ? rows : columns));
    unsigned char *held = mem_realloc(NULL, most * dtype_size(e->dtype));
    double *left = mem_realloc(NULL, most * sizeof *left);
    double *right = mem_realloc(NULL, most * sizeof *right), *sums = mem_alloc(n * sizeof *sums);
    bool ok = true;
    for (int64_t i = 0; ok && i < depth; i += step) {
        int64_t share = step < depth - i ? step : depth - i;
        Place of_a = {.from = {place->from[0], i}, .size = {rows, share}, .memo = place->memo,
                      .reads = place->reads};
        Place of_b = {.from = {i, place->from[1]}, .size = {share, columns}, .memo = place->memo,
                      .reads = place->reads};
        ok = place_doubles(a, &of_a, held, left, err) && place_doubles(b, &of_b, held, right, err);
        if (ok && !place->reads)
            add_products(left, right, (size_t)rows, (size_t)share, (size_t)columns, sums);
    }
    if (ok && !place->reads) dtype_convert(DT_F64, sums, e->dtype, place->out, n);
    free(held);
    free(left);
    free(right);
    free(sums);
    return ok;
}
