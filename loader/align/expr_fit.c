/* fit: the overlap of a source with a target of another size, once the target is known.
 *
 *   100×2048 for 200×2048:  cat(0, source, rest of 100×2048); "100 of 200 rows"
 *   100×2048 for 50×2048:   slice(0, 0, 50);                  "50 of 100 rows" */
#include <inttypes.h>
#include <stdio.h>

#include "loader/align/expr.h"
#include "loader/align/expr_node.h"

/* As rules spell them. */
const char *fit_name(FitHow how)
{
    static const char *const names[] = {
        [FIT_OVERLAP] = "fit", [FIT_PAD] = "pad", [FIT_POSITIONS] = "pos_embed",
        [FIT_PATCH] = "patch_embed", [FIT_RELATIVE] = "rel_pos_bias",
    };
    return names[how];
}

/* A FIT knows its operand and dtype, but no shape: that is the target's. */
const Expr *expr_fit_as(Arena *arena, const Expr *e, const Fit *fit, Error *err)
{
    int axis = fit->axis;
    bool along = fit->how == FIT_OVERLAP || fit->how == FIT_PAD;
    if (along && !node_axis(fit_name(fit->how), e, &axis, 0, err)) return NULL;
    Expr *node = node_new(arena, EX_FIT, e->dtype, &e, 1, err);
    if (!node) return NULL;
    node->unknown = true;
    Fit own = *fit;
    own.axis = axis;
    node->fit = arena_copy(arena, &own, sizeof own);
    return node;
}

/* The overlap, with seed 0. */
const Expr *expr_fit(Arena *arena, const Expr *e, int axis, FitRest rest, double std, Error *err)
{
    const Fit fit = {.how = FIT_OVERLAP, .axis = axis, .rest = rest, .value = std};
    return expr_fit_as(arena, e, &fit, err);
}

/* All axes but the one that is fitted have the target's sizes. */
static bool check_fit(const Expr *e, int axis, const Tensor *target, Error *err)
{
    bool fits = e->rank == target->rank && axis < e->rank;
    for (int i = 0; fits && i < e->rank; i++)
        fits = i == axis || e->dims[i] == target->dims[i];
    if (fits) return true;
    Text wanted = {0};
    show_shape(target->dims, target->rank, &wanted);
    error_set(err, ERR_SHAPE, "fit(%d): %s and the target's %s differ in more than dim %d", axis,
              shape_name(e).text, text_string(&wanted), axis);
    text_done(&wanted);
    return false;
}

/* Zeros, a constant or normal numbers for the indices that the source has not. Normal ones are
 * keyed by the target's name, so that two heads that grow do not grow alike. */
static const Expr *fill_rest(Arena *arena, const Fit *fit, const Expr *e, int axis, int64_t size,
                             const char *key, Error *err)
{
    static const FillKind kinds[] = {
        [FIT_ZEROS] = FILL_ZEROS, [FIT_NORMAL] = FILL_NORMAL, [FIT_CONST] = FILL_CONST,
    };
    int64_t dims[TENSOR_RANK_MAX];
    Fill fill = {.kind = kinds[fit->rest], .seed = fit->seed, .key = key};
    if (fit->rest == FIT_NORMAL) fill.b = fit->value;
    if (fit->rest == FIT_CONST) fill.a = fit->value;
    for (unsigned i = 0; i < e->rank; i++) dims[i] = e->dims[i];
    dims[axis] = size - e->dims[axis];
    return expr_fill_with(arena, &fill, e->dtype, dims, e->rank, err);
}

/* The target's own values there, in the dtype of the rest. */
static const Expr *keep_rest(Arena *arena, const Fit *fit, const Expr *e, const Tensor *target,
                             int axis, Error *err)
{
    const Expr *kept = target ? expr_target(arena, target) : NULL;
    if (!kept || !expr_has_data(kept, NULL)) {
        error_set(err, ERR_SHAPE, "%s(%d): the target has no values for the rest (it is a "
                  "schema); say %s(%d, %szeros), mean, const(c) or normal(s)", fit_name(fit->how),
                  axis, fit_name(fit->how), axis, fit->how == FIT_PAD ? "size, " : "");
        return NULL;
    }
    kept = expr_slice(arena, kept, axis, e->dims[axis], INT64_MAX, err);
    return kept ? expr_cast(arena, kept, e->dtype, err) : NULL;
}

/* `e` and what stands where it has no rows. */
static const Expr *grow(Arena *arena, const Fit *fit, const Expr *e, const Tensor *target,
                        int axis, int64_t size, const char *key, Error *err)
{
    const Expr *parts[2] = {e, NULL};
    if (fit->rest == FIT_TARGET) {
        parts[1] = keep_rest(arena, fit, e, target, axis, err);
    } else if (fit->rest == FIT_MEAN) {
        const Expr *mean = expr_mean(arena, e, axis, err);
        if (mean) parts[1] = expr_repeat(arena, mean, axis, size - e->dims[axis], err);
    } else {
        parts[1] = fill_rest(arena, fit, e, axis, size, key, err);
    }
    return parts[1] ? expr_cat(arena, axis, parts, 2, err) : NULL;
}

const Expr *expr_pad(Arena *arena, const Expr *e, const Fit *fit, const Tensor *target,
                     const char *key, Error *err)
{
    int axis = fit->axis;
    if (e->unknown) {
        error_set(err, ERR_SHAPE, "pad(%d,%" PRId64 "): the shape of the source is not known", axis,
                  fit->size);
        return NULL;
    }
    if (!node_axis("pad", e, &axis, 0, err)) return NULL;
    if (e->dims[axis] > fit->size) {
        error_set(err, ERR_SHAPE, "pad(%d,%" PRId64 "): dim %d of %s is larger already; slice cuts",
                  axis, fit->size, axis, shape_name(e).text);
        return NULL;
    }
    if (e->dims[axis] == fit->size) return e;
    return grow(arena, fit, e, target, axis, fit->size, key, err);
}

/* The overlap for people; whichever side is larger is what it is a part of. */
static void say_rows(char rows[64], int axis, int64_t a, int64_t b)
{
    int64_t few = a < b ? a : b, many = a < b ? b : a;
    if (!rows) return;
    if (axis == 0) snprintf(rows, 64, "%" PRId64 " of %" PRId64 " rows", few, many);
    else snprintf(rows, 64, "%" PRId64 " of %" PRId64 " in dim %d", few, many, axis);
}

/* A smaller target needs a slice alone. For a larger one the rest is made in the dtype of the
 * source; but where the target's own rows are kept, and the source may be cast to their dtype in
 * silence, the source is: these rows are not to be rounded. */
static const Expr *fit_overlap(Arena *arena, const Fit *fit, const Expr *e, const Tensor *target,
                               char rows[64], Error *err)
{
    int axis = fit->axis < 0 ? fit->axis + e->rank : fit->axis;
    if (!check_fit(e, axis, target, err)) return NULL;
    int64_t have = e->dims[axis], want = target->dims[axis];
    if (fit->how == FIT_PAD && (want != fit->size || have > want)) {
        error_set(err, ERR_SHAPE, "pad(%d,%" PRId64 "): %s cannot grow to the target's %" PRId64
                  " in dim %d", axis, fit->size, shape_name(e).text, want, axis);
        return NULL;
    }
    if (have == want) return e;
    say_rows(rows, axis, have, want);
    if (have > want) return expr_slice(arena, e, axis, 0, want, err);
    if (fit->rest == FIT_TARGET && dtype_casts_silently(e->dtype, target->dtype))
        e = expr_cast(arena, e, target->dtype, err);
    return e ? grow(arena, fit, e, target, axis, want, target->name, err) : NULL;
}

/* A shape that is not known fits any, but says no grid. */
const Expr *expr_fit_to(Arena *arena, const Expr *fit, const Tensor *target, char rows[64],
                        Error *err)
{
    if (rows) rows[0] = '\0';
    if (fit->kind != EX_FIT) return fit;
    const Expr *e = fit->from[0];
    if (e->unknown) return e;
    if (fit->fit->how != FIT_OVERLAP && fit->fit->how != FIT_PAD) {
        if (target->dims)
            return expr_resample(arena, e, fit->fit, target->dims, target->rank, rows, err);
        error_set(err, ERR_SHAPE, "%s: the shape of the target is not known; say new={height, "
                  "width}", fit_name(fit->fit->how));
        return NULL;
    }
    return target->dims ? fit_overlap(arena, fit->fit, e, target, rows, err) : e;
}
