/* Ops that make one tensor of one, and are more than one node: rolls, halves, tiles, input
 * channels, and what waits for the target. */
#include <inttypes.h>
#include <string.h>

#include "loader/align/op_parts.h"

/* As torch.roll: element i comes to stand at i + shift. Two slices in the other order: rolled
 * by 1, {a, b, c, d} is {d} and {a, b, c}. A shift of more than the axis goes round. */
const Expr *op_apply_roll(const Op *op, Arena *arena, const Expr *e, Error *err)
{
    int axis;
    int64_t cut = -op->number;   /* the index that becomes the first */
    if (!op_axis(op, e, &axis, err)) return NULL;
    if (!e->unknown) {
        int64_t n = e->dims[axis];
        cut = n ? (n - op->number % n) % n : 0;
    }
    if (cut == 0) return e;
    const Expr *parts[2] = {expr_slice(arena, e, axis, cut, INT64_MAX, err), NULL};
    if (parts[0]) parts[1] = expr_slice(arena, e, axis, 0, cut, err);
    return parts[1] ? expr_cat(arena, axis, parts, 2, err) : NULL;
}

/* The shift and the scale of a modulated norm, whose order diffusers and SD3 disagree on: its
 * swap_scale_shift is chunk(2) and cat. */
const Expr *op_apply_swap_halves(const Op *op, Arena *arena, const Expr *e, Error *err)
{
    int axis;
    if (!op_axis(op, e, &axis, err)) return NULL;
    if (e->unknown) return op_refuse_shape(op, e, "the shape of the source is not known", err);
    if (e->dims[axis] % 2) return op_refuse_shape(op, e, "that axis has no two halves", err);
    const Op roll = {.kind = OP_ROLL, .axis = axis, .number = e->dims[axis] / 2};
    return op_apply_roll(&roll, arena, e, err);
}

/* torch.tile along one axis, as a new axis before it that is repeated: no node a copy. */
const Expr *op_apply_tile(const Op *op, Arena *arena, const Expr *e, Error *err)
{
    int axis;
    int64_t dims[TENSOR_RANK_MAX + 1], whole[TENSOR_RANK_MAX];
    if (!op_axis(op, e, &axis, err)) return NULL;
    if (op->number < 1) return op_refuse_shape(op, e, "at least one copy must be left", err);
    if (e->unknown) return op_refuse_shape(op, e, "the shape of the source is not known", err);
    memcpy(whole, e->dims, e->rank * sizeof *whole);
    memcpy(dims, e->dims, (size_t)axis * sizeof *dims);
    dims[axis] = 1;
    memcpy(dims + axis + 1, e->dims + axis, (size_t)(e->rank - axis) * sizeof *dims);
    if (__builtin_mul_overflow(whole[axis], op->number, &whole[axis]))
        return op_refuse_shape(op, e, "the result is too large", err);
    const Expr *apart = expr_reshape(arena, e, dims, e->rank + 1u, err);
    if (apart) apart = expr_repeat(arena, apart, axis, op->number, err);
    return apart ? expr_reshape(arena, apart, whole, e->rank, err) : NULL;
}

/* One input channel takes the sum over the three colours; of the groups of three that a
 * space-to-depth stem has, over each. */
static const Expr *sum_colours(Arena *arena, const Expr *e, Error *err)
{
    int64_t dims[5] = {e->dims[0], e->dims[1] / 3, 3, e->dims[2], e->dims[3]};
    int64_t sums[4] = {dims[0], dims[1], dims[3], dims[4]};
    if (e->dims[1] <= 3) return expr_sum(arena, e, 1, err);
    const Expr *groups = expr_reshape(arena, e, dims, 5, err);
    if (groups) groups = expr_sum(arena, groups, 2, err);
    return groups ? expr_reshape(arena, groups, sums, 4, err) : NULL;
}

/* timm's adapt_input_conv: three stay; n repeat the colours in turn, times 3/n, so that inputs of
 * equal channels give what they gave. */
const Expr *op_apply_in_chans(const Op *op, Arena *arena, const Expr *e, Error *err)
{
    const int64_t n = op->number;
    if (e->unknown) return op_refuse_shape(op, e, "the shape of the source is not known", err);
    if (e->rank != 4)
        return op_refuse_shape(op, e, "a kernel has 4 dimensions: output, input, height, width",
                               err);
    if (n == 3) return e;
    if (n == 1 && e->dims[1] > 3 && e->dims[1] % 3)
        return op_refuse_shape(op, e, "its input channels are no groups of 3", err);
    if (n == 1) return sum_colours(arena, e, err);
    if (e->dims[1] != 3)
        return op_refuse_shape(op, e, "only 3 input channels can become other than 1 (timm: Weight "
                               "format not supported by conversion)", err);
    const Op tile = {.kind = OP_TILE, .axis = 1, .number = n / 3 + (n % 3 != 0)};
    const Expr *tiled = op_apply_tile(&tile, arena, e, err);
    if (tiled) tiled = expr_slice(arena, tiled, 1, 0, n, err);
    return tiled ? expr_mul(arena, tiled, 3.0 / (double)n, err) : NULL;
}

/* The first source below an expression names the stream of normal numbers, where no target does. */
static void take_first(const Tensor *tensor, void *context)
{
    const char **name = context;
    if (!*name) *name = tensor->name;
}

static Fit fit_of(const Op *op, const OpContext *context, FitHow how)
{
    return (Fit){.how = how, .axis = op->axis, .rest = op->rest, .value = op->real,
                 .size = op->number, .seed = context->seed};
}

/* At once, unless the target's own values are wanted. */
const Expr *op_apply_pad(const Op *op, const OpContext *context, const Expr *e, Error *err)
{
    const Fit fit = fit_of(op, context, FIT_PAD);
    if (op->rest == FIT_TARGET) return expr_fit_as(context->arena, e, &fit, err);
    const char *key = context->name_count == 1 ? context->names[0] : NULL;
    if (!key) expr_leaves(e, take_first, &key);
    return expr_pad(context->arena, e, &fit, NULL, key, err);
}

const Expr *op_apply_fit(const Op *op, const OpContext *context, const Expr *e, Error *err)
{
    const Fit fit = fit_of(op, context, FIT_OVERLAP);
    return expr_fit_as(context->arena, e, &fit, err);
}

/* At once where the rule says the new grid; else when the target is known. */
const Expr *op_apply_resample(const Op *op, const OpContext *context, const Expr *e, Error *err)
{
    if (!op->fit.grid[0] || e->unknown) return expr_fit_as(context->arena, e, &op->fit, err);
    return expr_resample(context->arena, e, &op->fit, NULL, 0, NULL, err);
}
