/* Ops at work on the value of a rule: lists of lists of expressions.
 *
 *   q, k, v -> qkv |> T, cat(0)             {{q}, {k}, {v}}  →  {{qᵀ}, {kᵀ}, {vᵀ}}  →  {{qkv}}
 *   x.{e}.w1, x.{e}.w3 -> w1, w3 |> stack(0)   {{w1 of every e}, {w3 of every e}}  →  {{w1}, {w3}}
 *   qkv -> q, k, v |> split(3)              {{qkv}}  →  {{q, k, v}} */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loader/align/op_parts.h"

enum { PARTS_MAX = 1 << 16 };   /* of one tensor that is split or unstacked */

bool op_refuse(const Op *op, Error *err, const char *format, ...)
{
    Text text = {0};
    va_list args;
    op_show(op, &text);
    text_add(&text, ": ");
    va_start(args, format);
    text_addv(&text, format, args);
    va_end(args);
    error_set(err, ERR_SHAPE, "%s", text_string(&text));
    text_done(&text);
    return false;
}

const Expr *op_refuse_shape(const Op *op, const Expr *e, const char *why, Error *err)
{
    Text shape = {0};
    if (e->unknown) text_add(&shape, "unknown shape");
    else show_shape(e->dims, e->rank, &shape);
    op_refuse(op, err, "%s: %s", text_string(&shape), why);
    text_done(&shape);
    return NULL;
}

bool op_axis(const Op *op, const Expr *e, int *axis, Error *err)
{
    *axis = op->axis;
    if (e->unknown) return true;
    if (*axis < 0) *axis += e->rank;
    if (*axis >= 0 && *axis < e->rank) return true;
    op_refuse_shape(op, e, "there is no such axis", err);
    return false;
}

/* squeeze, unsqueeze and rope are reshapes whose sizes follow from the shape. Where that is not
 * known, a reshape to -1 stands for them: its shape is unknown as well. 1×8×1 without an axis
 * becomes 8, with axis 0 it becomes 8×1. */
static const Expr *apply_squeeze(const Op *op, Arena *arena, const Expr *e, Error *err)
{
    int64_t dims[TENSOR_RANK_MAX], open = -1;
    size_t rank = 0;
    if (e->unknown) return expr_reshape(arena, e, &open, 1, err);
    int axis = op->axis < 0 ? op->axis + e->rank : op->axis;
    if (op->has_axis && (axis < 0 || axis >= e->rank || e->dims[axis] != 1))
        return op_refuse_shape(op, e, "that axis is not there, or not of size 1", err);
    for (int i = 0; i < e->rank; i++)
        if (op->has_axis ? i != axis : e->dims[i] != 1) dims[rank++] = e->dims[i];
    return expr_reshape(arena, e, dims, rank, err);
}

/* 8×3 with axis 0: 1×8×3; axis -1 is the place behind the last one: 8×3×1. */
static const Expr *apply_unsqueeze(const Op *op, Arena *arena, const Expr *e, Error *err)
{
    int64_t dims[TENSOR_RANK_MAX + 1], open = -1;
    if (e->unknown) return expr_reshape(arena, e, &open, 1, err);
    int axis = op->axis < 0 ? op->axis + e->rank + 1 : op->axis;
    if (axis < 0 || axis > e->rank)
        return op_refuse_shape(op, e, "an axis cannot be put there", err);
    memcpy(dims, e->dims, (size_t)axis * sizeof *dims);
    dims[axis] = 1;
    memcpy(dims + axis + 1, e->dims + axis, (size_t)(e->rank - axis) * sizeof *dims);
    return expr_reshape(arena, e, dims, e->rank + 1u, err);
}

/* Rotary embeddings: within each head, rows as (2, d/2) become (d/2, 2), or back. HF keeps the
 * two halves of a head apart, Meta and GGUF have the pairs side by side (LlamaModel.permute of
 * llama.cpp, permute() of convert_llama_weights_to_hf.py). Biases have axis 0 only. A head of 8
 * rows: halves 0 1 2 3 4 5 6 7 (row i turns with row i + 4) become the pairs 0 4 1 5 2 6 3 7. */
static const Expr *apply_rope(const Op *op, Arena *arena, const Expr *e, Error *err)
{
    int64_t heads = op->number, dims[TENSOR_RANK_MAX + 2], open = -1;
    int order[TENSOR_RANK_MAX + 2];
    if (e->unknown) return expr_reshape(arena, e, &open, 1, err);
    if (heads < 1 || e->rank < 1 || e->rank + 2 > TENSOR_RANK_MAX || e->dims[0] % heads ||
        e->dims[0] / heads % 2)
        return op_refuse_shape(op, e, "dim 0 does not divide into that many heads of an even size",
                               err);
    int64_t half = e->dims[0] / heads / 2;
    dims[0] = heads;
    dims[1] = op->kind == OP_ROPE_PAIRS ? 2 : half;
    dims[2] = op->kind == OP_ROPE_PAIRS ? half : 2;
    memcpy(dims + 3, e->dims + 1, (e->rank - 1u) * sizeof *dims);
    for (int i = 0; i < e->rank + 2; i++) order[i] = i == 1 ? 2 : i == 2 ? 1 : i;
    const Expr *turned = expr_reshape(arena, e, dims, e->rank + 2u, err);
    if (turned) turned = expr_permute(arena, turned, order, e->rank + 2u, err);
    return turned ? expr_reshape(arena, turned, e->dims, e->rank, err) : NULL;
}

/* Axes far out of range must not wrap when they become ints; they are refused all the same. The
 * list is int64_t because rules write it; axes are ints. */
static const Expr *apply_permute(const Op *op, Arena *arena, const Expr *e, Error *err)
{
    int order[TENSOR_RANK_MAX];
    if (op->list_count > TENSOR_RANK_MAX) {
        op_refuse(op, err, "more than %d axes", TENSOR_RANK_MAX);
        return NULL;
    }
    for (size_t i = 0; i < op->list_count; i++) {
        bool small = op->list[i] >= -TENSOR_RANK_MAX && op->list[i] <= TENSOR_RANK_MAX;
        order[i] = small ? (int)op->list[i] : TENSOR_RANK_MAX;
    }
    return expr_permute(arena, e, order, op->list_count, err);
}

/* The ops that turn each tensor into one other. All others have their own way with the lists,
 * see op_apply. */
static const Expr *apply_each(const Op *op, const OpContext *context, const Expr *e, Error *err)
{
    Arena *arena = context->arena;
    switch (op->kind) {
    case OP_T: return expr_transpose(arena, e, err);
    case OP_TO_TORCH: return expr_to_torch(arena, e, err);
    case OP_PERMUTE: return apply_permute(op, arena, e, err);
    case OP_RESHAPE: return expr_reshape(arena, e, op->list, op->list_count, err);
    case OP_SQUEEZE: return apply_squeeze(op, arena, e, err);
    case OP_UNSQUEEZE: return apply_unsqueeze(op, arena, e, err);
    case OP_SLICE:
        return expr_slice(arena, e, op->axis, op->has_number ? op->number : 0,
                          op->has_to ? op->to : INT64_MAX, err);
    case OP_PICK: return expr_pick(arena, e, op->axis, op->list, op->list_count, err);
    case OP_ROLL: return op_apply_roll(op, arena, e, err);
    case OP_ROPE_PAIRS:
    case OP_ROPE_HALVES: return apply_rope(op, arena, e, err);
    case OP_FIT: return op_apply_fit(op, context, e, err);
    case OP_EIN: return op_apply_ein(op, arena, e, err);
    case OP_SWAP_HALVES: return op_apply_swap_halves(op, arena, e, err);
    case OP_TILE: return op_apply_tile(op, arena, e, err);
    case OP_PAD: return op_apply_pad(op, context, e, err);
    case OP_SUM: return expr_sum(arena, e, op->axis, err);
    case OP_MEAN: return expr_mean(arena, e, op->axis, err);
    case OP_NORM: return expr_norm(arena, e, op->has_axis ? op->axis : AXIS_NONE, err);
    case OP_SQRT: return expr_sqrt(arena, e, err);
    case OP_IN_CHANS: return op_apply_in_chans(op, arena, e, err);
    case OP_POS_EMBED:
    case OP_PATCH_EMBED:
    case OP_REL_POS_BIAS: return op_apply_resample(op, context, e, err);
    case OP_CAST: return expr_cast(arena, e, op->dtype, err);
    case OP_MUL: return expr_mul(arena, e, op->real, err);
    case OP_ADD: return expr_shift(arena, e, op->real, err);
    default: break;
    }
    op_refuse(op, err, "makes values up; nothing may stand left of -> then");
    return NULL;
}

/* Every tensor of every list is replaced by what the op makes of it. In place: the lists are
 * this rule's own. */
static bool map_value(const Op *op, const OpContext *context, RuleValue *value, Error *err)
{
    for (size_t i = 0; i < value->count; i++)
        for (size_t k = 0; k < value->lists[i].count; k++) {
            const Expr *made = apply_each(op, context, value->lists[i].items[k], err);
            if (!made) return false;
            value->lists[i].items[k] = made;
        }
    return true;
}

/* The value becomes one list. It counts as not gathered: a later stack joins it only with what
 * it stands beside. */
static void set_list(Arena *arena, RuleValue *value, const Expr *const *items, size_t count)
{
    value->lists = arena_alloc(arena, sizeof *value->lists);
    value->lists[0].items = arena_copy(arena, items, count * sizeof *items);
    value->lists[0].count = count;
    value->count = 1;
}

/* What stack, cat and matmul do to one list. With stack the axis is the new one's; three matrices
 * are multiplied from the left. */
static const Expr *join(const Op *op, Arena *arena, const Expr *const *items, size_t n, Error *err)
{
    if (op->kind == OP_CAT) return expr_cat(arena, op->axis, items, n, err);
    if (op->kind == OP_MATMUL) {
        const Expr *product = items[0];
        for (size_t i = 1; product && i < n; i++)
            product = expr_matmul(arena, product, items[i], err);
        return product;
    }
    return expr_stack(arena, op->axis, items, n, err);
}

/* stack and cat. Several lists of one tensor each, none of them gathered, are meant to be
 * joined with each other (q, k, v -> qkv); else each list is joined within itself, and the
 * lists stay apart. A list of one that was gathered is a model with a single expert, and is
 * stacked like any other. */
static bool reduce(const Op *op, const OpContext *context, RuleValue *value, Error *err)
{
    bool outer = value->count > 1;
    for (size_t i = 0; i < value->count; i++)
        outer = outer && value->lists[i].count == 1 && !value->lists[i].gathered;
    if (outer) {
        const Expr **firsts = arena_alloc(context->arena, value->count * sizeof *firsts);
        for (size_t i = 0; i < value->count; i++) firsts[i] = value->lists[i].items[0];
        const Expr *joined = join(op, context->arena, firsts, value->count, err);
        if (joined) set_list(context->arena, value, &joined, 1);
        return joined;
    }
    for (size_t i = 0; i < value->count; i++) {
        ExprList *list = &value->lists[i];
        const Expr *joined = join(op, context->arena, list->items, list->count, err);
        if (!joined) return false;
        list->items[0] = joined;
        list->count = 1;
        list->gathered = false;
    }
    return true;
}

/* The one tensor that split, unstack and copy work on; NULL when there are more. Fused tensors
 * are taken apart one at a time; rules are applied to each key by itself. */
static const Expr *take_single(const Op *op, const RuleValue *value, Error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < value->count; i++) total += value->lists[i].count;
    if (value->count == 1 && total == 1) return value->lists[0].items[0];
    op_refuse(op, err, "needs one tensor, has %zu; cat or stack them first", total);
    return NULL;
}

/* The size along `axis` of the index-th target on the right. Errors say which of the three is
 * missing: the target, its shape, or the axis. */
static bool size_of_target(const Op *op, const OpContext *context, size_t index, int axis,
                           int64_t *size, Error *err)
{
    const Tensor *target = dict_find(context->target, context->names[index]);
    int at = target && axis < 0 ? axis + target->rank : axis;
    if (target && target->dims && at >= 0 && at < target->rank) {
        *size = target->dims[at];
        return true;
    }
    Text name = {0};
    name_show(context->names[index], &name);
    op_refuse(op, err, !target ? "the target has no '%s' to take a size from"
                    : !target->dims ? "the shape of the target's '%s' is not known"
                                    : "the target's '%s' has no such axis", text_string(&name));
    text_done(&name);
    return false;
}

/* An axis of n in the ratio of the targets' elements: what is turned or joined after it was taken
 * apart has other axes than the targets. False: they do not come out even, or are not known. */
static bool share_axis(const OpContext *context, int64_t n, int64_t *sizes)
{
    uint64_t total = 0, count, product;
    for (int share = 0; share < 2; share++)
        for (size_t i = 0; i < context->name_count; i++) {
            const Tensor *target = dict_find(context->target, context->names[i]);
            if (!target || !target->dims) return false;
            count = tensor_count(target);
            if (!share && !sum_add(total, count, &total)) return false;
            if (!share) continue;
            if (!total || !sum_mul(count, (uint64_t)n, &product) || product % total) return false;
            sizes[i] = (int64_t)(product / total);
        }
    return true;
}

/* The sizes that are asked for: given, or the targets'. NULL for equal parts, whose number is
 * then *count. split(3) has a number, split{4096, 1024, 1024} sizes, split() neither: there the
 * sizes of the targets along the axis, of n (-1: not known), are taken where they add up to it,
 * else their shares. */
static bool find_sizes(const Op *op, const OpContext *context, int axis, int64_t n,
                       const int64_t **sizes, size_t *count, Error *err)
{
    *sizes = op->list;
    *count = op->list_count;
    if (op->list_count) return true;
    if (op->has_number) {
        *sizes = NULL;
        *count = (size_t)op->number;
        return (op->number >= 1 && op->number <= PARTS_MAX) ||
               op_refuse(op, err, "there must be 1 to %d parts", PARTS_MAX);
    }
    if (!context->target || !context->name_count)
        return op_refuse(op, err, "takes its sizes from the target, and there is none; write "
                               "split{…} with the sizes");
    int64_t *found = arena_alloc(context->arena, context->name_count * sizeof *found);
    int64_t sum = 0;
    Error why = {0};
    bool good = true;
    for (size_t i = 0; good && i < context->name_count; i++)
        good = size_of_target(op, context, i, axis, &found[i], &why) &&
               !__builtin_add_overflow(sum, found[i], &sum);
    if (n >= 0 && (!good || sum != n)) {
        int64_t *shares = arena_alloc(context->arena, context->name_count * sizeof *shares);
        if (share_axis(context, n, shares)) found = shares, good = true;
    }
    *sizes = found;
    *count = context->name_count;
    if (!good && err) *err = why;
    return good;
}

/* Whether the parts are the whole of e along the axis; *each receives the size of equal ones.
 * With given sizes an unknown shape passes: that they add up is seen when it is known. */
static bool check_sizes(const Op *op, const Expr *e, int axis, const int64_t *sizes, size_t count,
                        int64_t *each, Error *err)
{
    int64_t sum = 0;
    for (size_t i = 0; sizes && i < count; i++)
        if (sizes[i] < 0 || __builtin_add_overflow(sum, sizes[i], &sum))
            return op_refuse(op, err, "%" PRId64 " is no size", sizes[i]);
    if (e->unknown) return true;
    int64_t n = e->dims[axis];
    *each = n / (int64_t)count;
    if (!sizes && n % (int64_t)count)
        return op_refuse(op, err, "dim %d has %" PRId64 ", not divisible by %zu", axis, n, count);
    if (sizes && sum != n)
        return op_refuse(op, err, "dim %d has %" PRId64 ", the parts add up to %" PRId64, axis, n,
                      sum);
    return true;
}

/* The parts are slices that follow each other. Where the shape is not known, the bounds of
 * given sizes are, and those of equal parts are left open. 9216×3072 by split(3): rows 0 …
 * 3071, 3072 … 6143 and 6144 … 9215. */
static bool apply_split(const Op *op, const OpContext *context, RuleValue *value, Error *err)
{
    const Expr *e = take_single(op, value, err);
    const int64_t *sizes;
    size_t count;
    int axis = op->has_axis ? op->axis : 0;
    if (!e) return false;
    if (!e->unknown) {
        if (axis < -e->rank || axis >= e->rank)
            return op_refuse_shape(op, e, "there is no such axis", err);
        if (axis < 0) axis += e->rank;
    }
    int64_t each = 0, at = 0;
    if (!find_sizes(op, context, axis, e->unknown ? -1 : e->dims[axis], &sizes, &count, err) ||
        !check_sizes(op, e, axis, sizes, count, &each, err))
        return false;
    const Expr **parts = arena_alloc(context->arena, count * sizeof *parts);
    for (size_t i = 0; i < count; i++) {
        int64_t end = at + (sizes ? sizes[i] : each);
        bool open = e->unknown && !sizes;
        parts[i] = expr_slice(context->arena, e, axis, open ? INT64_MIN : at,
                              open ? INT64_MIN : end, err);
        if (!parts[i]) return false;
        at = end;
    }
    set_list(context->arena, value, parts, count);
    return true;
}

/* Every index of the axis for itself, without the axis. Their number comes from a file, hence
 * the limit; of an unknown shape it is that of the names on the right. A part is a slice of one
 * index, squeezed. */
static bool apply_unstack(const Op *op, const OpContext *context, RuleValue *value, Error *err)
{
    Arena *arena = context->arena;
    const Expr *e = take_single(op, value, err);
    int axis = op->has_axis ? op->axis : 0;
    int64_t count = (int64_t)context->name_count;
    if (!e) return false;
    if (!e->unknown) {
        if (axis < -e->rank || axis >= e->rank)
            return op_refuse_shape(op, e, "there is no such axis", err);
        if (axis < 0) axis += e->rank;
        count = e->dims[axis];
    }
    if (count < 1 || count > PARTS_MAX)
        return e->unknown ? op_refuse(op, err, "the shape of the source is not known")
                          : op_refuse(op, err, "dim %d has %" PRId64 "; 1 to %d parts can be made",
                                   axis, count, PARTS_MAX);
    Op squeeze = {.kind = OP_SQUEEZE, .has_axis = true, .axis = axis};
    const Expr **parts = arena_alloc(arena, (size_t)count * sizeof *parts);
    for (int64_t i = 0; i < count; i++) {
        parts[i] = expr_slice(arena, e, axis, i, i + 1, err);
        if (parts[i]) parts[i] = apply_squeeze(&squeeze, arena, parts[i], err);
        if (!parts[i]) return false;
    }
    set_list(arena, value, parts, (size_t)count);
    return true;
}

/* One tensor under every name. Without names (a counter makes them) it stays one. */
static bool apply_copy(const Op *op, const OpContext *context, RuleValue *value, Error *err)
{
    const Expr *e = take_single(op, value, err);
    if (!e) return false;
    size_t count = context->name_count ? context->name_count : 1;
    const Expr **copies = arena_alloc(context->arena, count * sizeof *copies);
    for (size_t i = 0; i < count; i++) copies[i] = e;
    set_list(context->arena, value, copies, count);
    return true;
}

bool op_is_fill(OpKind kind)
{
    return kind >= OP_ZEROS && kind <= OP_PRIOR_BIAS;
}

/* In the order of the table; whatever is not named here works on each tensor by itself. */
bool op_apply(const Op *op, const OpContext *context, RuleValue *value, Error *err)
{
    switch (op->kind) {
    case OP_CAT:
    case OP_MATMUL:
    case OP_STACK: return reduce(op, context, value, err);
    case OP_SPLIT: return apply_split(op, context, value, err);
    case OP_UNSTACK: return apply_unstack(op, context, value, err);
    case OP_COPY: return apply_copy(op, context, value, err);
    case OP_FUNCTION:
        if (context->call) return context->call(context->host, op, context, value, err);
        return error_set(err, ERR_UNSUPPORTED, "functions cannot be called here");
    default: return map_value(op, context, value, err);
    }
}

/* Kaiming and xavier have no meaning for a vector: a bias gets zeros, as PyTorch's layers give
 * it, and a note. A target that says no dtype gets f32. */
const Expr *fill_for_target(Arena *arena, const Op *op, uint64_t seed, const Tensor *target,
                            const char **note, Error *err)
{
    Fill fill = op->fill;
    DType dtype = target->dtype == DT_UNKNOWN ? DT_F32 : target->dtype;
    bool fans = op->kind == OP_KAIMING || op->kind == OP_XAVIER;
    bool kernel = op->kind == OP_CONV_MSRA;
    if (note) *note = NULL;
    if (!target->dims) {
        op_refuse(op, err, "the target's shape is not known");
        return NULL;
    }
    if (kernel && target->rank < 3) {
        op_refuse(op, err, "only kernels of convolutions have a height and a width");
        return NULL;
    }
    if (fans && target->rank < 2) {
        fill.kind = FILL_ZEROS;
        if (note) *note = arena_printf(arena, "zeros: %s needs two dimensions", op_name(op->kind));
    } else if (target->dtype == DT_UNKNOWN && note) {
        *note = "f32: the target says no dtype";
    }
    fill.seed = seed;
    fill.key = target->name;
    return expr_fill_with(arena, &fill, dtype, target->dims, target->rank, err);
}
