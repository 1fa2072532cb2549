/* Constructors of expressions that move data: what they refuse, and the shapes they give. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loader/align/expr.h"
#include "loader/align/expr_node.h"
#include "loader/tensor/layout.h"

/* ---- nodes ---- */

/* By value, so that one error can say two shapes without anybody freeing them. */
ShapeName shape_name(const Expr *e)
{
    ShapeName name;
    Text text = {0};
    if (e->unknown) text_add(&text, "unknown shape");
    else show_shape(e->dims, e->rank, &text);
    if (e->dtype != DT_UNKNOWN) text_addf(&text, " %s", dtype_name(e->dtype));
    if (text.length < sizeof name.text)
        memcpy(name.text, text_string(&text), text.length + 1);
    else
        snprintf(name.text, sizeof name.text, "%u dimensions", e->rank);
    text_done(&text);
    return name;
}

/* What may stand under a node of that kind. A cast is built over a FIT's operand instead, see
 * expr_cast. */
static bool check_operand(const Expr *operand, Error *err)
{
    return operand->kind != EX_FIT ||
           error_set(err, ERR_RULE, "%s: must be the last step, its shape is the target's%s",
                     fit_name(operand->fit->how),
                     operand->fit->how > FIT_PAD ? "; or say new={height, width}" : "");
}

/* The layout of the operands, where the op leaves the axes what they are. */
static uint8_t kept_layout(ExprKind kind, const Expr *const *from, size_t n)
{
    bool keeps = kind == EX_CAT || kind == EX_SLICE || kind == EX_PICK || kind == EX_CAST ||
                 kind == EX_MUL || kind == EX_SHIFT || kind == EX_ADD || kind == EX_FIT ||
                 kind == EX_PRODUCT || kind == EX_QUOTIENT || kind == EX_SQRT;
    for (size_t i = 1; keeps && i < n; i++) keeps = from[i]->layout == from[0]->layout;
    return keeps && n ? from[0]->layout : LAYOUT_NATIVE;
}

/* Depth is that of the deepest operand and one; nodes are counted as a walk meets them, so that
 * a shared operand counts each time. */
Expr *node_new(Arena *arena, ExprKind kind, DType dtype, const Expr *const *from, size_t n,
               Error *err)
{
    Expr *node = arena_alloc(arena, sizeof *node);
    *node = (Expr){.kind = kind, .dtype = dtype, .depth = 1, .nodes = 1};
    for (size_t i = 0; i < n; i++) {
        if (!check_operand(from[i], err)) return NULL;
        if (from[i]->depth >= node->depth) node->depth = (uint8_t)(from[i]->depth + 1);
        node->unknown = node->unknown || from[i]->unknown;
        node->nodes += from[i]->nodes;
        if (node->nodes > EXPR_NODES_MAX) break;   /* before the sum could wrap */
    }
    if (node->depth > EXPR_DEPTH_MAX || node->nodes > EXPR_NODES_MAX) {
        error_set(err, ERR_LIMIT, "more operations on one tensor than the limit (%d one after the "
                  "other, %d in all)", EXPR_DEPTH_MAX, EXPR_NODES_MAX);
        return NULL;
    }
    node->layout = kept_layout(kind, from, n);
    node->count = (uint32_t)n;
    node->from = n ? arena_copy(arena, from, n * sizeof *from) : NULL;
    return node;
}

/* Sizes of 0 count as 1 here, as in tensor_check(): strides over the shape then cannot wrap. So do
 * elements that are no whole bytes: as the f32 that they may become. */
Expr *node_shape(Arena *arena, Expr *node, const int64_t *dims, size_t rank, Error *err)
{
    uint64_t bytes = dtype_size(node->dtype) ? dtype_size(node->dtype) : 4;
    if (rank > TENSOR_RANK_MAX) {
        error_set(err, ERR_LIMIT, "more than %d dimensions", TENSOR_RANK_MAX);
        return NULL;
    }
    for (size_t i = 0; i < rank; i++)
        if (!sum_mul(bytes, dims[i] ? (uint64_t)dims[i] : 1, &bytes) || bytes > INT64_MAX) {
            error_set(err, ERR_LIMIT, "the result would have more bytes than 63 bits can count");
            return NULL;
        }
    node->unknown = false;
    node->rank = (uint8_t)rank;
    node->dims = arena_copy(arena, dims, rank * sizeof *dims);
    return node;
}

/* cat, slice, pick, mean and repeat leave all axes but one as they are. */
Expr *node_resize(Arena *arena, Expr *node, const Expr *like, int axis, int64_t size, Error *err)
{
    int64_t dims[TENSOR_RANK_MAX];
    memcpy(dims, like->dims, like->rank * sizeof *dims);
    dims[axis] = size;
    return node_shape(arena, node, dims, like->rank, err);
}

/* For 3×4: axis -1 is 1, and with room 1, where a new axis is put, -1 is 2. */
bool node_axis(const char *what, const Expr *e, int *axis, int room, Error *err)
{
    int rank = e->rank + room;
    if (e->unknown) return true;
    if (*axis < -rank || *axis >= rank)
        return error_set(err, ERR_SHAPE, "%s: there is no axis %d in %s", what, *axis,
                         shape_name(e).text);
    if (*axis < 0) *axis += rank;
    return true;
}

/* ---- leaves ---- */

/* Borrows the tensor and its dims. A leaf of unknown shape has no dims, and rank 0. TARGET
 * differs from SOURCE only in where plans and the ledger look the tensor up. */
static const Expr *make_leaf(Arena *arena, ExprKind kind, const Tensor *tensor)
{
    Expr *node = arena_alloc(arena, sizeof *node);
    *node = (Expr){.kind = kind, .dtype = tensor->dtype, .depth = 1, .nodes = 1};
    node->unknown = !tensor->dims;
    node->dims = tensor->dims;
    node->rank = tensor->dims ? tensor->rank : 0;
    node->layout = tensor->layout;
    node->tensor = tensor;
    return node;
}

/* Called for every key of a container, so leaves are cheap: one node, nothing copied. */
const Expr *expr_source(Arena *arena, const Tensor *tensor)
{
    return make_leaf(arena, EX_SOURCE, tensor);
}

const Expr *expr_target(Arena *arena, const Tensor *tensor)
{
    return make_leaf(arena, EX_TARGET, tensor);
}

/* ---- joining ---- */

/* The dtype that all parts have; unknown ones agree with any. Nothing is promoted in silence:
 * f16 and f32 do not join. */
static bool join_dtypes(const char *what, const Expr *const *parts, size_t n, DType *dtype,
                        Error *err)
{
    *dtype = DT_UNKNOWN;
    for (size_t i = 0; i < n; i++) {
        if (parts[i]->dtype == DT_UNKNOWN) continue;
        if (*dtype == DT_UNKNOWN) *dtype = parts[i]->dtype;
        if (parts[i]->dtype != *dtype)
            return error_set(err, ERR_SHAPE,
                             "%s: cannot join %s and %s (part %zu); cast one of them", what,
                             dtype_name(*dtype), dtype_name(parts[i]->dtype), i + 1);
    }
    return true;
}

/* All known shapes agree, `axis` (-1: none) excepted. The first known one is what the others
 * are held against. */
static bool join_shapes(const char *what, const Expr *const *parts, size_t n, int axis,
                        Error *err)
{
    const Expr *first = NULL;
    for (size_t i = 0; i < n; i++) {
        const Expr *part = parts[i];
        if (part->unknown) continue;
        if (!first) first = part;
        bool fits = part->rank == first->rank;
        for (int k = 0; fits && k < part->rank; k++)
            fits = k == axis || part->dims[k] == first->dims[k];
        if (!fits)
            return error_set(err, ERR_SHAPE, "%s: %s and %s (part %zu) do not fit together", what,
                             shape_name(first).text, shape_name(part).text, i + 1);
    }
    return true;
}

/* q, k and v of 768×768 along 0: 2304×768. One part is itself. While a shape is unknown a
 * negative axis cannot be counted from the end; the first part that is known makes it positive. */
const Expr *expr_cat(Arena *arena, int axis, const Expr *const *parts, size_t n, Error *err)
{
    char what[32];
    DType dtype;
    snprintf(what, sizeof what, "cat(%d)", axis);
    if (n == 0) {
        error_set(err, ERR_SHAPE, "%s: nothing to join", what);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (!parts[i]->unknown && !node_axis(what, parts[i], &axis, 0, err)) return NULL;
    if (!join_dtypes(what, parts, n, &dtype, err) || !join_shapes(what, parts, n, axis, err))
        return NULL;
    if (n == 1) return parts[0];
    Expr *node = node_new(arena, EX_CAT, dtype, parts, n, err);
    if (!node) return NULL;
    node->axis = axis;
    if (node->unknown) return node;
    uint64_t size = 0;   /* of the joined axis */
    for (size_t i = 0; i < n; i++)
        if (!sum_add(size, (uint64_t)parts[i]->dims[axis], &size) || size > INT64_MAX) {
            error_set(err, ERR_LIMIT, "%s: the result is too large", what);
            return NULL;
        }
    return node_resize(arena, node, parts[0], axis, (int64_t)size, err);
}

/* Eight experts of 4096×1024 along 0: 8×4096×1024. Also of one part, which gains an axis. */
const Expr *expr_stack(Arena *arena, int axis, const Expr *const *parts, size_t n, Error *err)
{
    char what[32];
    DType dtype;
    snprintf(what, sizeof what, "stack(%d)", axis);
    if (n == 0) {
        error_set(err, ERR_SHAPE, "%s: nothing to join", what);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (!parts[i]->unknown && !node_axis(what, parts[i], &axis, 1, err)) return NULL;
    if (!join_dtypes(what, parts, n, &dtype, err) || !join_shapes(what, parts, n, -1, err))
        return NULL;
    Expr *node = node_new(arena, EX_STACK, dtype, parts, n, err);
    if (!node) return NULL;
    node->axis = axis;
    if (node->unknown) return node;
    int64_t dims[TENSOR_RANK_MAX + 1];
    unsigned rank = parts[0]->rank, at = (unsigned)axis;
    memcpy(dims, parts[0]->dims, at * sizeof *dims);
    dims[at] = (int64_t)n;
    memcpy(dims + at + 1, parts[0]->dims + at, (rank - at) * sizeof *dims);
    return node_shape(arena, node, dims, rank + 1u, err);
}

/* ---- parts of an axis ---- */

/* Bounds outside the axis are errors, unlike Python's: a rule that asks for rows which are not
 * there is wrong. Rows -10 to the end of 100×8 are 90 … 99: 10×8; all of an axis is the operand
 * itself. */
const Expr *expr_slice(Arena *arena, const Expr *e, int axis, int64_t from, int64_t to, Error *err)
{
    int64_t first = from, end = to;
    const Expr *below = node_below_cast(e);
    if (below)
        return node_recast(arena, expr_slice(arena, below, axis, from, to, err), e, err);
    if (!node_axis("slice", e, &axis, 0, err)) return NULL;
    if (!e->unknown) {
        int64_t n = e->dims[axis];
        if (first < 0) first += n;
        if (end == INT64_MAX) end = n;
        else if (end < 0) end += n;
        if (first < 0 || end < first || end > n) {
            char text[24] = "the end";
            if (to != INT64_MAX) snprintf(text, sizeof text, "%" PRId64, to);
            error_set(err, ERR_SHAPE, "slice: %" PRId64 " to %s is not within dim %d of %s", from,
                      text, axis, shape_name(e).text);
            return NULL;
        }
        if (first == 0 && end == n) return e;
    }
    Expr *node = node_new(arena, EX_SLICE, e->dtype, &e, 1, err);
    if (!node) return NULL;
    node->slice.axis = axis;
    node->slice.from = first;
    node->slice.to = end;
    return e->unknown ? node : node_resize(arena, node, e, axis, end - first, err);
}

/* pick(1, {2, 1, 0}) of 64×3×7×7 turns the colours of a first layer round. An index may come
 * twice, and the axis then grows. */
const Expr *expr_pick(Arena *arena, const Expr *e, int axis, const int64_t *index, size_t n,
                      Error *err)
{
    const Expr *below = node_below_cast(e);
    if (below)
        return node_recast(arena, expr_pick(arena, below, axis, index, n, err), e, err);
    if (!node_axis("pick", e, &axis, 0, err)) return NULL;
    int64_t size = e->unknown ? 0 : e->dims[axis];
    int64_t *chosen = arena_copy(arena, index, n * sizeof *index);
    bool same = !e->unknown && (int64_t)n == size;   /* all indices in order: nothing to do */
    for (size_t i = 0; !e->unknown && i < n; i++) {
        if (chosen[i] < 0) chosen[i] += size;
        if (chosen[i] < 0 || chosen[i] >= size) {
            error_set(err, ERR_SHAPE, "pick: there is no index %" PRId64 " in dim %d of %s",
                      index[i], axis, shape_name(e).text);
            return NULL;
        }
        same = same && chosen[i] == (int64_t)i;
    }
    if (same) return e;
    Expr *node = node_new(arena, EX_PICK, e->dtype, &e, 1, err);
    if (!node) return NULL;
    node->pick.axis = axis;
    node->pick.index = chosen;
    node->pick.count = (int64_t)n;
    return e->unknown ? node : node_resize(arena, node, e, axis, (int64_t)n, err);
}

/* ---- axes and shapes ---- */

/* Copies the order with its axes made positive; false when it is no permutation of n axes. */
static bool copy_order(const int *order, size_t n, int *out)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        out[i] = order[i] < 0 ? order[i] + (int)n : order[i];
        if (out[i] < 0 || out[i] >= (int)n || (seen >> out[i] & 1)) return false;
        seen |= (uint64_t)1 << out[i];
    }
    return true;
}

/* Axis i of the result is axis order[i] of the operand: (3, 2, 0, 1) makes 128×64×3×3 of
 * TensorFlow's kernel 3×3×64×128. Over another permutation the two become one: order[i] =
 * inner[outer[i]]. */
const Expr *expr_permute(Arena *arena, const Expr *e, const int *order, size_t n, Error *err)
{
    static const int swapped[] = {1, 0};
    int copy[TENSOR_RANK_MAX];
    bool same = true;
    const Expr *below = node_below_cast(e);
    if (below)
        return node_recast(arena, expr_permute(arena, below, order, n, err), e, err);
    if (n > TENSOR_RANK_MAX || (!e->unknown && n != e->rank) || !copy_order(order, n, copy)) {
        error_set(err, ERR_SHAPE, "permute: %zu ax%s not those of %s, each once", n,
                  n == 1 ? "is is" : "es are", shape_name(e).text);
        return NULL;
    }
    if (e->kind == EX_PERMUTE && n == e->rank) {   /* two in a row are one */
        for (size_t i = 0; i < n; i++) copy[i] = e->order[copy[i]];
        e = e->from[0];
    }
    for (size_t i = 0; i < n; i++) same = same && copy[i] == (int)i;
    if (same) return e;
    Expr *node = node_new(arena, EX_PERMUTE, e->dtype, &e, 1, err);
    if (!node) return NULL;
    node->order = n == 2 ? swapped : arena_copy(arena, copy, n * sizeof *copy);
    node->rank = (uint8_t)n;
    if (e->unknown) return node;
    int64_t dims[TENSOR_RANK_MAX];
    for (size_t i = 0; i < n; i++) dims[i] = e->dims[copy[i]];
    return node_shape(arena, node, dims, n, err);
}

/* Of depthwise kernels the filters of a channel come to lie side by side. */
const Expr *expr_to_torch(Arena *arena, const Expr *e, Error *err)
{
    const LayoutInfo *layout = layout_info((Layout)e->layout);
    if (!layout->rank || (!e->unknown && e->rank != layout->rank)) return e;
    const Expr *turned = expr_permute(arena, e, layout->order, layout->rank, err);
    if (!turned || e->layout != LAYOUT_HWIM) return turned;
    if (turned->unknown) {
        error_set(err, ERR_SHAPE, "to_torch: the shape of a depthwise kernel must be known");
        return NULL;
    }
    int64_t dims[LAYOUT_RANK_MAX];
    layout_turn(LAYOUT_HWIM, e->dims, dims);
    return expr_reshape(arena, turned, dims, layout->rank, err);
}

/* An unknown shape is taken for a matrix's, and the rank noted as 2. */
const Expr *expr_transpose(Arena *arena, const Expr *e, Error *err)
{
    if (!e->unknown && e->rank != 2) {
        error_set(err, ERR_SHAPE, "T: %s is no matrix; say permute(…)", shape_name(e).text);
        return NULL;
    }
    return expr_permute(arena, e, (const int[]){1, 0}, 2, err);
}

/* Elements; node_shape() and tensor_check() have seen to it that they can be counted. A scalar
 * has one. */
static uint64_t count_of(const Expr *e)
{
    uint64_t count = 1;
    for (unsigned i = 0; i < e->rank; i++) count *= (uint64_t)e->dims[i];
    return count;
}

/* Replaces the -1 in dims; false when sizes are wrong or their product is not that of e, whose
 * shape may be unknown (a -1 then stays: *open). (-1, 64) over 12×768 is 144×64; over 0×768
 * nothing tells the -1, which is refused. */
static bool infer_dims(const Expr *e, int64_t *dims, size_t rank, bool *open)
{
    uint64_t product = 1, count = e->unknown ? 0 : count_of(e);
    int64_t *missing = NULL;
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] < -1 || (dims[i] == -1 && missing)) return false;
        if (dims[i] == -1) missing = &dims[i];
        else if (!sum_mul(product, (uint64_t)dims[i], &product)) return false;
    }
    *open = e->unknown && missing;
    if (e->unknown) return true;
    if (!missing) return product == count;
    if (product == 0 || count % product) return false;
    *missing = (int64_t)(count / product);
    return true;
}

/* Row-major order stays, so of two in a row only the last shape counts, and the shape that is
 * there already is no reshape. (2, 4, 3) over 8×3 makes two groups of four rows. */
const Expr *expr_reshape(Arena *arena, const Expr *e, const int64_t *dims, size_t rank, Error *err)
{
    int64_t copy[TENSOR_RANK_MAX];
    bool open = false, fits = rank <= TENSOR_RANK_MAX;
    const Expr *below = node_below_cast(e);
    if (below)
        return node_recast(arena, expr_reshape(arena, below, dims, rank, err), e, err);
    if (fits && rank) memcpy(copy, dims, rank * sizeof *dims);
    if (!fits || !infer_dims(e, copy, rank, &open)) {
        Text text = {0};
        show_shape(dims, rank <= TENSOR_RANK_MAX ? (unsigned)rank : 0, &text);
        error_set(err, ERR_SHAPE, "reshape: %s cannot become %s", shape_name(e).text,
                  text_string(&text));
        text_done(&text);
        return NULL;
    }
    if (e->kind == EX_RESHAPE && !e->from[0]->unknown) e = e->from[0];   /* the last one counts */
    if (!e->unknown && same_dims(e->dims, e->rank, copy, (unsigned)rank)) return e;
    Expr *node = node_new(arena, EX_RESHAPE, e->dtype, &e, 1, err);
    if (!node || open) return node;
    return node_shape(arena, node, copy, rank, err);
}

/* Needs no memory for indices, however often: sizes of a target may be anything. 1×768 three
 * times along 0: 3×768. Once is the operand itself. */
const Expr *expr_repeat(Arena *arena, const Expr *e, int axis, int64_t times, Error *err)
{
    const Expr *below = node_below_cast(e);
    if (below)
        return node_recast(arena, expr_repeat(arena, below, axis, times, err), e, err);
    if (!node_axis("repeat", e, &axis, 0, err)) return NULL;
    if (times < 0 || (!e->unknown && e->dims[axis] != 1)) {
        error_set(err, ERR_SHAPE, "repeat: dim %d of %s is not 1", axis, shape_name(e).text);
        return NULL;
    }
    if (times == 1) return e;
    Expr *node = node_new(arena, EX_REPEAT, e->dtype, &e, 1, err);
    if (!node) return NULL;
    node->repeat.axis = axis;
    node->repeat.times = times;
    return e->unknown ? node : node_resize(arena, node, e, axis, times, err);
}
