/* resize: an axis, or a grid that is flattened into one, times the matrices of its sides.
 *
 *   1×196×768 |> resize axis 1, bicubic_aa, 14·14 to 24·24: 1×576×768
 *
 * A grid goes by its two sides one after the other, which is what its own matrix, the Kronecker
 * product of theirs, would do in one step of far more multiplications. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/expr_node.h"
#include "loader/align/expr_place.h"
#include "loader/tensor/box.h"
#include "loader/tensor/strided.h"

/* ---- the node ---- */

/* The size of the axis; at most RESAMPLE_SIDE_MAX squared. */
static int64_t multiply_sides(const int64_t *sides, size_t count)
{
    return count == 2 ? sides[0] * sides[1] : sides[0];
}

const Expr *expr_resize(Arena *arena, const Expr *e, int axis, ResampleHow how,
                        const int64_t *in, const int64_t *out, size_t count, Error *err)
{
    if (!node_axis("resize", e, &axis, 0, err)) return NULL;
    if (how >= RESAMPLE_HOW_COUNT || count < 1 || count > 2) {
        error_set(err, ERR_SHAPE, "resize: one side or two, of a known method");
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        if (!resample_check(how, in[i], out[i], err)) return NULL;
    if (!e->unknown && e->dims[axis] != multiply_sides(in, count)) {
        error_set(err, ERR_SHAPE, "resize: dim %d of %s is not %lld", axis, shape_name(e).text,
                  (long long)multiply_sides(in, count));
        return NULL;
    }
    if (memcmp(in, out, count * sizeof *in) == 0) return e;
    const Expr *operand = node_float(arena, "resize", e, err);
    if (!operand) return NULL;
    Expr *node = node_new(arena, EX_RESIZE, operand->dtype, &operand, 1, err);
    if (!node) return NULL;
    Resizing resize = {.axis = axis, .how = how, .count = (uint8_t)count};
    memcpy(resize.in, in, count * sizeof *in);
    memcpy(resize.out, out, count * sizeof *out);
    node->resize = arena_copy(arena, &resize, sizeof resize);
    if (!e->unknown &&
        !node_resize(arena, node, e, axis, multiply_sides(out, count), err)) return NULL;
    return node_round(arena, node, e->dtype, err);
}

/* ---- its values ---- */

/* result += weight times row. In PyTorch's float each sum is rounded, and no product. */
static void add_row(bool single, double weight, const double *row, size_t n, double *result)
{
    if (single)
        for (size_t k = 0; k < n; k++) result[k] = (double)(float)(result[k] + weight * row[k]);
    else
        for (size_t k = 0; k < n; k++) result[k] += weight * row[k];
}

/* One side: `outer` times `in` rows of `inner` become `out` rows each; only rows first … end of
 * them are made. Weights that are 0 are left out: a row has few that are not. */
static void multiply_side(bool single, const double *matrix, int64_t in, int64_t first,
                          int64_t end, size_t outer, size_t inner, const double *values,
                          double *result)
{
    for (size_t o = 0; o < outer; o++, values += (size_t)in * inner)
        for (int64_t i = first; i < end; i++, result += inner) {
            memset(result, 0, inner * sizeof *result);
            for (int64_t j = 0; j < in; j++) {
                const double weight = matrix[i * in + j];
                if (weight != 0)
                    add_row(single, weight, values + (size_t)j * inner, inner, result);
            }
        }
}

/* What all columns of a node have in common while they are computed. */
typedef struct Resize {
    const Expr *e;
    int64_t in, out;             /* sizes of the axis before and after */
    int64_t first, end;          /* rows of the first side that the place touches */
    double *matrix[2];           /* of each side */
    unsigned char *held;         /* elements as they are read and written */
    double *values, *between;    /* the operand's, and after the second side */
} Resize;

/* A grid's second side is multiplied within each row of the first, then the first side over whole
 * rows: `values` of (outer, in, inner) become (outer, end - first rows, inner) there again. */
static void resize_columns(Resize *r, size_t outer, size_t inner)
{
    const int64_t *in = r->e->resize->in, *out = r->e->resize->out;
    const ResampleHow how = r->e->resize->how;
    const bool single = how == RESAMPLE_BICUBIC || how == RESAMPLE_BICUBIC_AA;
    if (r->e->resize->count == 1) {
        multiply_side(single, r->matrix[0], in[0], r->first, r->end, outer, inner, r->values,
                      r->between);
        double *swapped = r->values;
        r->values = r->between;
        r->between = swapped;
        return;
    }
    multiply_side(single, r->matrix[1], in[1], 0, out[1], outer * (size_t)in[0], inner, r->values,
                  r->between);
    multiply_side(single, r->matrix[0], in[0], r->first, r->end, outer, (size_t)out[1] * inner,
                  r->between, r->values);
}

/* Some of the columns: all of the axis is read, what the place wants of it is written. */
static bool fill_columns(Resize *r, const Place *place, const BoxWalk *walk, Error *err)
{
    const Expr *e = r->e;
    int axis = e->resize->axis;
    int64_t row = e->resize->count == 2 ? e->resize->out[1] : 1, offset = 0, made[TENSOR_RANK_MAX];
    size_t outer = 1, inner = 1, element = dtype_size(e->dtype);
    Place part = {.memo = place->memo, .reads = place->reads};
    for (int i = 0, k = 0; i < e->rank; i++) {
        part.from[i] = i == axis ? 0 : place->from[i] + walk->from[k];
        part.size[i] = i == axis ? r->in : walk->size[k];
        if (i < axis) outer *= (size_t)part.size[i];
        if (i > axis) inner *= (size_t)part.size[i];
        if (i != axis) offset += walk->from[k++] * place->strides[i];
    }
    if (!place_doubles(e->from[0], &part, r->held, r->values, err)) return false;
    if (place->reads) return true;
    resize_columns(r, outer, inner);
    memcpy(made, part.size, sizeof made);
    made[axis] = (r->end - r->first) * row;
    int64_t strides[TENSOR_RANK_MAX];
    contiguous_strides(made, e->rank, strides);
    dtype_convert(DT_F64, r->values, e->dtype, r->held, outer * inner * (size_t)made[axis]);
    part.size[axis] = place->size[axis];
    int64_t skipped = (place->from[axis] - r->first * row) * strides[axis];
    strided_move(part.size, e->rank, element, r->held + (size_t)skipped * element, strides,
                 place->out + offset * (int64_t)element, place->strides);
    return true;
}

/* Columns are the elements of all other axes; as many at a time as a piece holds, at least one. */
bool fill_resize(const Expr *e, const Place *place, Error *err)
{
    int axis = e->resize->axis;
    int64_t others[TENSOR_RANK_MAX], row = e->resize->count == 2 ? e->resize->out[1] : 1;
    size_t count = e->resize->count, rank = 0;
    Resize r = {.e = e, .in = e->from[0]->dims[axis], .out = e->dims[axis]};
    r.first = place->from[axis] / row;
    r.end = (place->from[axis] + place->size[axis] - 1) / row + 1;
    for (int i = 0; i < e->rank; i++)
        if (i != axis) others[rank++] = place->size[i];
    size_t most = (size_t)(r.in > r.out ? r.in : r.out);   /* of what a column ever has */
    if (count == 2 && (size_t)(e->resize->in[0] * row) > most)
        most = (size_t)(e->resize->in[0] * row);
    BoxWalk walk;
    if (!box_first(&walk, others, (unsigned)rank, PIECE / most ? PIECE / most : 1)) return true;
    most *= (size_t)box_count(&walk);
    for (size_t i = 0; i < count; i++) {
        int64_t in = e->resize->in[i], out = e->resize->out[i];
        r.matrix[i] = mem_realloc(NULL, (size_t)(in * out) * sizeof *r.matrix[i]);
        resample_matrix(e->resize->how, in, out, r.matrix[i]);
    }
    r.held = mem_realloc(NULL, most * dtype_size(e->dtype));
    r.values = mem_realloc(NULL, most * sizeof *r.values);
    r.between = mem_realloc(NULL, most * sizeof *r.between);
    bool ok = true;
    do {
        ok = fill_columns(&r, place, &walk, err);
    } while (ok && box_next(&walk));
    for (size_t i = 0; i < count; i++) free(r.matrix[i]);
    free(r.held);
    free(r.values);
    free(r.between);
    return ok;
}
