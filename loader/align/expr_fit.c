/* fit: the overlap of a source with a target of another size, once the target is known.
 *
 *   100×2048 for 200×2048:  cat(0, source, rest of 100×2048); "100 of 200 rows"
 *   100×2048 for 50×2048:   slice(0, 0, 50);                  "50 of 100 rows" */
#include <inttypes.h>
#include <stdio.h>

#include "loader/align/expr.h"
#include "loader/align/expr_node.h"

/* A FIT knows its operand and dtype, but no shape: that is the target's. */
static Expr *make_fit(Arena *arena, const Expr *e, int axis, FitRest rest, double std,
                      uint64_t seed, Error *err)
{
    if (!node_axis("fit", e, &axis, 0, err)) return NULL;
    Expr *node = node_new(arena, EX_FIT, e->dtype, &e, 1, err);
    if (!node) return NULL;
    node->unknown = true;
    node->fit.axis = axis;
    node->fit.rest = rest;
    node->fit.std = std;
    node->fit.seed = seed;
    return node;
}

/* With FIT_NORMAL the seed is 0; expr_fit_normal takes the run's. */
const Expr *expr_fit(Arena *arena, const Expr *e, int axis, FitRest rest, double std, Error *err)
{
    return make_fit(arena, e, axis, rest, std, 0, err);
}

const Expr *expr_fit_normal(Arena *arena, const Expr *e, int axis, double std, uint64_t seed,
                            Error *err)
{
    return make_fit(arena, e, axis, FIT_NORMAL, std, seed, err);
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

/* Zeros or normal numbers for the indices that the source has not. Normal ones are keyed by
 * the target's name, so that two heads that grow do not grow alike. */
static const Expr *fill_rest(Arena *arena, const Expr *fit, const Expr *e, const Tensor *target,
                             int axis, Error *err)
{
    int64_t dims[TENSOR_RANK_MAX];
    Fill fill = {.kind = fit->fit.rest == FIT_NORMAL ? FILL_NORMAL : FILL_ZEROS,
                 .b = fit->fit.std, .seed = fit->fit.seed, .key = target->name};
    for (unsigned i = 0; i < target->rank; i++) dims[i] = target->dims[i];
    dims[axis] = target->dims[axis] - e->dims[axis];
    return expr_fill_with(arena, &fill, e->dtype, dims, target->rank, err);
}

/* The target's own values there, in the dtype of the rest. */
static const Expr *keep_rest(Arena *arena, const Expr *e, const Tensor *target, int axis,
                             Error *err)
{
    const Expr *kept = expr_target(arena, target);
    if (!expr_has_data(kept, NULL)) {
        error_set(err, ERR_SHAPE, "fit(%d): the target has no values for the rest (it is a schema)"
                  "; say fit(%d, zeros), mean or normal(s)", axis, axis);
        return NULL;
    }
    kept = expr_slice(arena, kept, axis, e->dims[axis], INT64_MAX, err);
    return kept ? expr_cast(arena, kept, e->dtype, err) : NULL;
}

/* What stands where the source has no rows. */
static const Expr *make_rest(Arena *arena, const Expr *fit, const Expr *e, const Tensor *target,
                             int axis, Error *err)
{
    switch (fit->fit.rest) {
    case FIT_TARGET: return keep_rest(arena, e, target, axis, err);
    case FIT_ZEROS:
    case FIT_NORMAL: return fill_rest(arena, fit, e, target, axis, err);
    default: break;
    }
    const Expr *mean = expr_mean(arena, e, axis, err);
    return mean ? expr_repeat(arena, mean, axis, target->dims[axis] - e->dims[axis], err) : NULL;
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
const Expr *expr_fit_to(Arena *arena, const Expr *fit, const Tensor *target, char rows[64],
                        Error *err)
{
    if (rows) rows[0] = '\0';
    if (fit->kind != EX_FIT) return fit;
    const Expr *e = fit->from[0];
    int axis = fit->fit.axis;
    if (!target->dims || e->unknown) return e;
    if (axis < 0) axis += e->rank;
    if (!check_fit(e, axis, target, err)) return NULL;
    int64_t have = e->dims[axis], want = target->dims[axis];
    if (have == want) return e;
    say_rows(rows, axis, have, want);
    if (have > want) return expr_slice(arena, e, axis, 0, want, err);
    if (fit->fit.rest == FIT_TARGET && dtype_casts_silently(e->dtype, target->dtype))
        e = expr_cast(arena, e, target->dtype, err);
    const Expr *parts[2] = {e, NULL};
    if (e) parts[1] = make_rest(arena, fit, e, target, axis, err);
    return parts[1] ? expr_cat(arena, axis, parts, 2, err) : NULL;
}
