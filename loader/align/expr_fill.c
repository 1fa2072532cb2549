/* Values of an expression, box by box.
 *
 * Every node writes its box straight into the output, which may be strided: nodes that only
 * move data hand their operands a part of it (a permutation is the output with its strides in
 * another order) and need no memory. A chain of slices, permutations and reshapes over one
 * tensor is read as a view of its storage. Nodes that compute work on packed pieces of at most
 * PIECE elements, cut along the operand's own axes, so that reading stays in storage order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/expr_memo.h"
#include "loader/align/expr_place.h"
#include "loader/align/expr_view.h"
#include "loader/align/fill.h"
#include "loader/tensor/box.h"
#include "loader/tensor/strided.h"
#include "loader/tensor/values.h"

/* ---- nodes that move data ---- */

size_t place_count(const Place *place, unsigned rank)
{
    size_t count = 1;
    for (unsigned i = 0; i < rank; i++) count *= (size_t)place->size[i];
    return count;
}

/* Where index `index` of an axis begins in the output. */
static unsigned char *element_at(const Place *place, size_t element, int axis, int64_t index)
{
    return place->out + index * place->strides[axis] * (int64_t)element;
}

/* Each part that the box touches writes its share; the others are not looked at. Rows [3, 7) of
 * 4 rows and 6 rows: the last one of the first part, three of the second. */
static bool fill_cat(const Expr *e, const Place *place, Error *err)
{
    int axis = e->axis;
    int64_t start = 0, first = place->from[axis], end = first + place->size[axis];
    for (uint32_t i = 0; i < e->count && start < end; i++) {
        int64_t next = start + e->from[i]->dims[axis];
        int64_t low = first > start ? first : start, high = end < next ? end : next;
        if (low < high) {
            Place part = *place;
            part.from[axis] = low - start;
            part.size[axis] = high - low;
            part.out = element_at(place, dtype_size(place->dtype), axis, low - first);
            if (!place_fill(e->from[i], &part, err)) return false;
        }
        start = next;
    }
    return true;
}

static void drop_axis(int64_t *list, int axis, unsigned rank)
{
    memmove(list + axis, list + axis + 1, (rank - (unsigned)axis - 1) * sizeof *list);
}

/* A part is the output at one index of the new axis. The place of a part lacks that axis:
 * 8×4096×1024 becomes 4096×1024. */
static bool fill_stack(const Expr *e, const Place *place, Error *err)
{
    int axis = e->axis;
    Place part = *place;
    drop_axis(part.from, axis, e->rank);
    drop_axis(part.size, axis, e->rank);
    drop_axis(part.strides, axis, e->rank);
    for (int64_t i = 0; i < place->size[axis]; i++) {
        part.out = element_at(place, dtype_size(place->dtype), axis, i);
        if (!place_fill(e->from[place->from[axis] + i], &part, err)) return false;
    }
    return true;
}

/* Only over operands that are no view: the others never come here. */
static bool fill_slice(const Expr *e, const Place *place, Error *err)
{
    Place part = *place;
    part.from[e->slice.axis] += e->slice.from;
    return place_fill(e->from[0], &part, err);
}

/* Neighbouring indices that go up by one are a run of the operand. */
static bool fill_pick(const Expr *e, const Place *place, Error *err)
{
    int axis = e->pick.axis;
    const int64_t *index = e->pick.index + place->from[axis];
    Place part = *place;
    for (int64_t i = 0, run; i < place->size[axis]; i += run) {
        for (run = 1; i + run < place->size[axis] && index[i + run] == index[i] + run;) run++;
        part.from[axis] = index[i];
        part.size[axis] = run;
        part.out = element_at(place, dtype_size(place->dtype), axis, i);
        if (!place_fill(e->from[0], &part, err)) return false;
    }
    return true;
}

/* The same elements and the same memory in the operand's order of axes. */
static Place permute_place(const Expr *e, const Place *place)
{
    Place part = {.out = place->out, .dtype = place->dtype, .memo = place->memo,
                  .losses = place->losses, .reads = place->reads};
    for (unsigned i = 0; i < e->rank; i++) {
        part.from[e->order[i]] = place->from[i];
        part.size[e->order[i]] = place->size[i];
        part.strides[e->order[i]] = place->strides[i];
    }
    return part;
}

/* The first index is made, the others are copies of it. Read with a stride of 0 along the axis,
 * that one index serves for all. */
static bool fill_repeat(const Expr *e, const Place *place, Error *err)
{
    int axis = e->repeat.axis;
    Place part = *place;
    size_t element = dtype_size(place->dtype);
    part.from[axis] = 0;
    part.size[axis] = 1;
    part.losses = NULL;
    if (!memo_fill(e->from[0], &part, err)) return false;
    if (place->size[axis] == 1 || place->reads) return true;
    int64_t same[TENSOR_RANK_MAX];
    memcpy(same, place->strides, e->rank * sizeof *same);
    same[axis] = 0;
    part.size[axis] = place->size[axis] - 1;
    strided_move(part.size, e->rank, element, place->out, same,
                 element_at(place, element, axis, 1), place->strides);
    return true;
}

/* ---- reshapes ---- */

/* Elements first … first+n of e in row-major order: boxes that grow until an axis is whole, and
 * shrink again at the other end. Elements 2 … 9 of 3×4 are three boxes: the end of row 0 (1×2),
 * row 1 (1×4), the start of row 2 (1×2). */
static bool fill_range(const Expr *e, uint64_t first, uint64_t n, const Place *place,
                       unsigned char *out, Error *err)
{
    int64_t inner[TENSOR_RANK_MAX];
    contiguous_strides(e->dims, e->rank, inner);
    while (n) {
        Place part = {.out = out, .dtype = place->dtype, .memo = place->memo,
                      .reads = place->reads};
        uint64_t left = first, count = 1;
        unsigned axis = 0;   /* the outermost along which whole sub-boxes are still wanted */
        for (unsigned i = 0; i < e->rank; i++) {
            part.from[i] = (int64_t)(left / (uint64_t)inner[i]);
            left %= (uint64_t)inner[i];
        }
        while (axis + 1 < e->rank &&
               (first % (uint64_t)inner[axis] || n < (uint64_t)inner[axis])) axis++;
        for (unsigned i = 0; i < e->rank; i++) {
            part.size[i] = i < axis ? 1 : e->dims[i];
            if (i == axis) {
                int64_t wanted = (int64_t)(n / (uint64_t)inner[i]);
                int64_t there = e->dims[i] - part.from[i];
                part.size[i] = wanted < there ? wanted : there;
            }
            count *= (uint64_t)part.size[i];
        }
        contiguous_strides(part.size, e->rank, part.strides);
        if (!place_fill(e, &part, err)) return false;
        first += count;
        n -= count;
        out += count * dtype_size(place->dtype);
    }
    return true;
}

/* A packed piece of a reshape is a row of linear ranges of its operand. When these lie close
 * together, one range that covers them all is made and gathered from. Together means: at most
 * four times as many elements as are wanted. `run` is the length of a range, `last` the
 * distance from the first element of the piece to its last. */
static bool fill_reshape(const Expr *e, const Place *place, Error *err)
{
    int64_t inner[TENSOR_RANK_MAX], index[TENSOR_RANK_MAX] = {0};
    size_t element = dtype_size(place->dtype);
    contiguous_strides(e->dims, e->rank, inner);
    unsigned outer = e->rank;   /* the axes before it enumerate the ranges */
    uint64_t run = 1, first = 0, last = 0, count = place_count(place, e->rank);
    while (outer > 0 && run == (uint64_t)inner[outer - 1]) run *= (uint64_t)place->size[--outer];
    for (unsigned i = 0; i < e->rank; i++) {
        first += (uint64_t)place->from[i] * (uint64_t)inner[i];
        last += (uint64_t)(place->size[i] - 1) * (uint64_t)inner[i];
    }
    if (run < count && last < 4 * count) {
        unsigned char *range = mem_realloc(NULL, (size_t)(last + 1) * element);
        bool ok = fill_range(e->from[0], first, last + 1, place, range, err);
        if (ok && !place->reads)
            strided_move(place->size, e->rank, element, range, inner, place->out, NULL);
        free(range);
        return ok;
    }
    unsigned char *out = place->out;
    for (;; out += run * element) {
        if (!fill_range(e->from[0], first, run, place, out, err)) return false;
        unsigned i = outer;
        while (i > 0 && ++index[i - 1] == place->size[i - 1]) {
            index[--i] = 0;
            first -= (uint64_t)(place->size[i] - 1) * (uint64_t)inner[i];
        }
        if (i == 0) return true;
        first += (uint64_t)inner[i - 1];
    }
}

/* ---- nodes that compute ---- */

/* One element of f32 arithmetic. */
static float compute_narrow(ExprKind kind, float a, float b)
{
    switch (kind) {
    case EX_MUL:
    case EX_PRODUCT: return a * b;
    case EX_SHIFT:
    case EX_ADD: return a + b;
    case EX_QUOTIENT: return a / b;
    default: return sqrtf(a);
    }
}

static double compute_wide(ExprKind kind, double a, double b)
{
    switch (kind) {
    case EX_MUL:
    case EX_PRODUCT: return a * b;
    case EX_SHIFT:
    case EX_ADD: return a + b;
    case EX_QUOTIENT: return a / b;
    default: return sqrt(a);
    }
}

/* out = out OP other, or out OP the node's constant without `other`, in the type itself, f32 or
 * f64; bytes need not be aligned. */
static void compute(const Expr *e, const unsigned char *other, unsigned char *out, size_t n)
{
    const ExprKind kind = e->kind;
    float a, b = (float)e->constant;
    double c, d = e->constant;
    if (e->dtype == DT_F32)
        for (size_t i = 0; i < n; i++) {
            memcpy(&a, out + i * sizeof a, sizeof a);
            if (other) memcpy(&b, other + i * sizeof b, sizeof b);
            a = compute_narrow(kind, a, b);
            memcpy(out + i * sizeof a, &a, sizeof a);
        }
    else
        for (size_t i = 0; i < n; i++) {
            memcpy(&c, out + i * sizeof c, sizeof c);
            if (other) memcpy(&d, other + i * sizeof d, sizeof d);
            c = compute_wide(kind, c, d);
            memcpy(out + i * sizeof c, &c, sizeof c);
        }
}

/* The deeper operand first: what is held meanwhile then grows with the logarithm of the tree. */
static bool fill_pair(const Expr *e, const Place *place, Error *err)
{
    size_t n = place_count(place, e->rank), bytes = n * dtype_size(e->dtype);
    bool swap = e->from[1]->nodes > e->from[0]->nodes;
    Place other = *place;
    other.out = mem_realloc(NULL, bytes);
    bool ok = place_fill(e->from[swap], swap ? &other : place, err) &&
              place_fill(e->from[!swap], swap ? place : &other, err);
    if (ok && !place->reads) compute(e, other.out, place->out, n);
    free(other.out);
    return ok;
}

/* The operand's elements are held beside the output, so at most PIECE of them; what is quantized
 * comes as f32, which may be all that is wanted. */
static bool fill_cast(const Expr *e, const Expr *operand, const Place *place, Error *err)
{
    size_t n = place_count(place, e->rank);
    Place stored = *place;
    stored.dtype = dtype_of_values(operand->dtype);
    if (stored.dtype == e->dtype) return place_fill(operand, &stored, err);
    stored.out = mem_realloc(NULL, n * dtype_size(stored.dtype));
    bool ok = place_fill(operand, &stored, err), made = ok && !place->reads;
    if (made && !dtype_convert(stored.dtype, stored.out, e->dtype, place->out, n))
        ok = error_set(err, ERR_INTERNAL, "cast: %s cannot become %s",
                       dtype_name(operand->dtype), dtype_name(e->dtype));
    if (made && ok && place->losses && !e->rounding)
        cast_loss_add(place->losses, operand->dtype, stored.dtype, stored.out, e->dtype, place->out,
                      n);
    free(stored.out);
    return ok;
}

/* Row by row: rows are where the generator's counter runs on without a gap. */
static void fill_made_up(const Expr *e, const Place *place)
{
    int64_t inner[TENSOR_RANK_MAX], index[TENSOR_RANK_MAX] = {0};
    size_t n = place_count(place, e->rank), last = e->rank ? e->rank - 1u : 0;
    size_t row = e->rank ? (size_t)place->size[last] : 1, element = dtype_size(e->dtype);
    contiguous_strides(e->dims, e->rank, inner);
    double *values = mem_realloc(NULL, row * sizeof *values);
    for (size_t done = 0; done < n; done += row) {
        uint64_t first = 0;
        for (unsigned i = 0; i < e->rank; i++)
            first += (uint64_t)(place->from[i] + index[i]) * (uint64_t)inner[i];
        fill_values(e->fill, e->dims, e->rank, first, values, row);
        dtype_convert(DT_F64, values, e->dtype, place->out + done * element, row);
        for (size_t i = last; i-- > 0 && ++index[i] == place->size[i];) index[i] = 0;
    }
    free(values);
}

/* ---- pieces and places ---- */

/* One packed piece of a computing node over the operand, whose axes the place is in. */
static bool fill_piece(const Expr *e, const Expr *operand, const Place *place, Error *err)
{
    switch (e->kind) {
    case EX_CAST: return fill_cast(e, operand, place, err);
    case EX_ADD:
    case EX_PRODUCT:
    case EX_QUOTIENT: return fill_pair(e, place, err);
    case EX_MEAN:
    case EX_SUM:
    case EX_NORM: return fill_reduction(e, place, err);
    case EX_MATMUL: return fill_matmul(e, place, err);
    case EX_RESHAPE: return fill_reshape(e, place, err);
    case EX_FILL:
        if (!place->reads) fill_made_up(e, place);
        return true;
    default:
        if (!place_fill(operand, place, err)) return false;
        if (!place->reads) compute(e, NULL, place->out, place_count(place, e->rank));
        return true;
    }
}

/* Cuts the place into pieces, has each of them made packed, in place where the output is
 * packed, and scatters it where not. A computing node over a permutation is computed in the
 * order in which its operand lies. */
static bool fill_pieces(const Expr *e, const Place *given, Error *err)
{
    const Expr *operand = e->count == 1 ? e->from[0] : NULL;
    bool unary = e->kind == EX_CAST || e->kind == EX_MUL || e->kind == EX_SHIFT ||
                 e->kind == EX_SQRT;
    Place place = *given;
    while (unary && operand->kind == EX_PERMUTE) {   /* element by element: any order will do */
        place = permute_place(operand, &place);
        operand = operand->from[0];
    }
    size_t element = dtype_size(place.dtype);
    bool packed = strided_is_packed(place.size, e->rank, place.strides), ok = true;
    BoxWalk walk;
    if (!box_first(&walk, place.size, e->rank, PIECE)) return true;
    unsigned char *held = packed ? NULL : mem_realloc(NULL, (size_t)box_count(&walk) * element);
    do {
        Place piece = {.out = held, .dtype = place.dtype, .memo = place.memo,
                       .losses = place.losses, .reads = place.reads};
        int64_t offset = 0;
        for (unsigned i = 0; i < e->rank; i++) {
            piece.from[i] = place.from[i] + walk.from[i];
            piece.size[i] = walk.size[i];
            offset += walk.from[i] * place.strides[i];
        }
        contiguous_strides(piece.size, e->rank, piece.strides);
        unsigned char *out = place.out + offset * (int64_t)element;
        if (packed) piece.out = out;
        ok = fill_piece(e, operand, &piece, err);
        if (ok && !packed && !place.reads)
            strided_move(piece.size, e->rank, element, held, NULL, out, place.strides);
    } while (ok && box_next(&walk));
    free(held);
    return ok;
}

/* The place is not empty. A view comes first: most expressions are one, and go straight from
 * storage to their place. Numbers of what is quantized are made where the tensor itself is read,
 * whose blocks and channels no view keeps together. */
bool place_fill(const Expr *e, const Place *place, Error *err)
{
    View view;
    if (e->unknown)
        return error_set(err, ERR_INTERNAL, "values wanted of an expression of unknown shape");
    if (place->dtype != e->dtype && (e->kind == EX_SOURCE || e->kind == EX_TARGET))
        return place->reads ? reads_add(place, e->tensor, true)
                            : tensor_read_values(e->tensor, place->from, place->size, place->out,
                                                 place->strides, err);
    if (place->dtype == e->dtype && view_of(e, &view))
        return place->reads ? reads_add(place, &view.tensor, false)
                            : tensor_read_strided(&view.tensor, place->from, place->size,
                                                  place->out, place->strides, err);
    if (!dtype_size(place->dtype))
        return error_set(err, ERR_UNSUPPORTED, "%s values are packed and can only be copied in "
                         "whole blocks; cast them first", dtype_name(place->dtype));
    switch (e->kind) {
    case EX_CAT: return fill_cat(e, place, err);
    case EX_STACK: return fill_stack(e, place, err);
    case EX_SLICE: return fill_slice(e, place, err);
    case EX_PICK: return fill_pick(e, place, err);
    case EX_REPEAT: return fill_repeat(e, place, err);
    case EX_PERMUTE: {
        Place part = permute_place(e, place);
        return place_fill(e->from[0], &part, err);
    }
    case EX_RESIZE: return fill_resize(e, place, err);
    default: return fill_pieces(e, place, err);
    }
}

/* A wrong box is a mistake of the caller, not of a file: hence ERR_INTERNAL. */
bool place_box(const Expr *e, const int64_t *from, const int64_t *size, Place *place, Error *err)
{
    bool empty = false;
    if (e->unknown) return place_fill(e, place, err);   /* refuses */
    for (unsigned i = 0; i < e->rank; i++) {
        place->from[i] = from ? from[i] : 0;
        place->size[i] = size ? size[i] : e->dims[i];
        if (place->from[i] < 0 || place->size[i] < 0 ||
            place->from[i] > e->dims[i] - place->size[i])
            return error_set(err, ERR_INTERNAL, "box outside the expression in dim %u", i);
        empty = empty || place->size[i] == 0;
    }
    contiguous_strides(place->size, e->rank, place->strides);
    return empty || place_fill(e, place, err);
}

bool expr_fill_measured(const Expr *e, const int64_t *from, const int64_t *size, void *out,
                        ExprMemo *memo, CastLosses *losses, Error *err)
{
    Place place = {.out = out, .dtype = e->dtype, .memo = memo, .losses = losses};
    return place_box(e, from, size, &place, err);
}

bool expr_fill(const Expr *e, const int64_t *from, const int64_t *size, void *out, Error *err)
{
    ExprMemo *memo = from ? NULL : expr_memo_new();
    bool fine = expr_fill_measured(e, from, size, out, memo, NULL, err);
    expr_memo_free(memo);
    return fine;
}
