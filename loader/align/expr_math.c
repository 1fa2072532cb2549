/* Constructors of expressions that compute: casts, arithmetic, fills.
 *
 * Arithmetic is f32 or f64. bf16 |> mul(2), add(1) is cast_bf16(shift(mul(cast_f32(x), 2), 1)): the
 * second step takes off the rounding that the first had put on, so that there is only one. */
#include <math.h>
#include <stdio.h>

#include "loader/align/expr.h"
#include "loader/align/expr_node.h"
#include "loader/align/fill.h"

/* An unknown source may turn out to be one that can be cast. */
static bool is_castable(DType from, DType to)
{
    return to != DT_UNKNOWN && (from == DT_UNKNOWN || dtype_casts(from, to));
}

/* A cast even to the same type: whoever wants that one left out asks expr_cast(). `rounding`
 * marks the casts that end a chain. */
static Expr *make_cast(Arena *arena, const Expr *e, DType dtype, bool rounding, Error *err)
{
    Expr *node = node_new(arena, EX_CAST, dtype, &e, 1, err);
    if (!node) return NULL;
    node->rounding = rounding;
    return e->unknown ? node : node_shape(arena, node, e->dims, e->rank, err);
}

/* A value that has the dtype already stays as it is. */
const Expr *expr_cast(Arena *arena, const Expr *e, DType dtype, Error *err)
{
    if (e->dtype == dtype && dtype != DT_UNKNOWN) return e;
    if (!is_castable(e->dtype, dtype)) {
        error_set(err, ERR_SHAPE, "cast: %s cannot become %s", dtype_name(e->dtype),
                  dtype == DT_UNKNOWN ? "an unknown dtype" : dtype_name(dtype));
        return NULL;
    }
    /* Over a FIT the cast goes inside: the rest is then made in the new type. */
    if (e->kind != EX_FIT) return make_cast(arena, e, dtype, false, err);
    const Expr *inner = expr_cast(arena, e->from[0], dtype, err);
    if (!inner) return NULL;
    Expr *node = arena_copy(arena, e, sizeof *e);
    node->dtype = dtype;
    node->depth = inner->depth + 1;
    node->nodes = inner->nodes + 1;
    node->from = arena_copy(arena, &inner, sizeof inner);
    return node;
}

/* Types that are too narrow to compute in. f16, bf16 and the f8 kinds. */
static bool is_small_float(DType dtype)
{
    return dtype_info(dtype)->kind == CLASS_FLOAT && dtype != DT_F32 && dtype != DT_F64;
}

/* The operand as f32 or f64, for computing with; a rounding at its end comes off. NULL for
 * anything but floats: 3 in i64 times 0.5 has no answer that everybody expects. */
static const Expr *take_operand(Arena *arena, const char *what, const Expr *e, Error *err)
{
    if (e->dtype != DT_UNKNOWN && dtype_info(e->dtype)->kind != CLASS_FLOAT) {
        error_set(err, ERR_SHAPE,
                  "%s: no arithmetic on %s, only operations that move data; cast it to a float "
                  "type first", what, dtype_name(e->dtype));
        return NULL;
    }
    if (!is_small_float(e->dtype)) return e;
    if (e->kind == EX_CAST && e->rounding) return e->from[0];
    return make_cast(arena, e, DT_F32, false, err);
}

/* Rounds the result of f32 arithmetic to the type it began with. f32 and f64 need none. */
static const Expr *round_result(Arena *arena, const Expr *result, DType dtype, Error *err)
{
    if (!result || !is_small_float(dtype)) return result;
    return make_cast(arena, result, dtype, true, err);
}

/* A node of one operand and one constant, in f32 or f64, rounded to the operand's type. mul and
 * add(c) differ in nothing else. */
static const Expr *compute(Arena *arena, const char *what, ExprKind kind, const Expr *e,
                           double constant, Error *err)
{
    const Expr *operand = take_operand(arena, what, e, err);
    if (!operand) return NULL;
    Expr *node = node_new(arena, kind, operand->dtype, &operand, 1, err);
    if (!node) return NULL;
    node->constant = constant;
    if (!e->unknown && !node_shape(arena, node, e->dims, e->rank, err)) return NULL;
    return round_result(arena, node, e->dtype, err);
}

const Expr *expr_mul(Arena *arena, const Expr *e, double constant, Error *err)
{
    return compute(arena, "mul", EX_MUL, e, constant, err);
}

const Expr *expr_shift(Arena *arena, const Expr *e, double constant, Error *err)
{
    return compute(arena, "add", EX_SHIFT, e, constant, err);
}

/* Where one side is unknown it is taken to agree; node_new makes the sum unknown as well. */
const Expr *expr_add(Arena *arena, const Expr *a, const Expr *b, Error *err)
{
    bool known = !a->unknown && !b->unknown;
    bool same = a->dtype == b->dtype || a->dtype == DT_UNKNOWN || b->dtype == DT_UNKNOWN;
    if (!same || (known && !same_dims(a->dims, a->rank, b->dims, b->rank))) {
        error_set(err, ERR_SHAPE, "add: %s and %s differ%s", shape_name(a).text,
                  shape_name(b).text, same ? "" : "; cast one of them");
        return NULL;
    }
    const Expr *parts[2] = {take_operand(arena, "add", a, err), NULL};
    if (parts[0]) parts[1] = take_operand(arena, "add", b, err);
    if (!parts[1]) return NULL;
    DType dtype = a->dtype == DT_UNKNOWN ? b->dtype : a->dtype;
    Expr *node = node_new(arena, EX_ADD, is_small_float(dtype) ? DT_F32 : dtype, parts, 2, err);
    if (!node || (known && !node_shape(arena, node, a->dims, a->rank, err))) return NULL;
    return round_result(arena, node, dtype, err);
}

/* The axis stays with size 1, so that repeat can widen it again: 100×8 over 0 gives 1×8. */
const Expr *expr_mean(Arena *arena, const Expr *e, int axis, Error *err)
{
    if (!node_axis("mean", e, &axis, 0, err)) return NULL;
    if (!e->unknown && e->dims[axis] == 0) {
        error_set(err, ERR_SHAPE, "mean: dim %d of %s is empty", axis, shape_name(e).text);
        return NULL;
    }
    const Expr *operand = take_operand(arena, "mean", e, err);
    if (!operand) return NULL;
    Expr *node = node_new(arena, EX_MEAN, operand->dtype, &operand, 1, err);
    if (!node) return NULL;
    node->axis = axis;
    if (!e->unknown && !node_resize(arena, node, e, axis, 1, err)) return NULL;
    return round_result(arena, node, e->dtype, err);
}

/* Whether a constant keeps its value in that dtype, rounding to a float excepted. 0.1 may go
 * into f16, 0.5 not into i64, and 1e300 not into f32, where it would be infinite. */
static bool holds_constant(DType dtype, double value)
{
    unsigned char stored[16];
    double back;
    if (!dtype_convert(DT_F64, &value, dtype, stored, 1)) return false;
    dtype_to_doubles(dtype, stored, &back, 1);
    if (dtype_info(dtype)->kind == CLASS_FLOAT || dtype_info(dtype)->kind == CLASS_COMPLEX)
        return !isfinite(value) || isfinite(back);
    return value == back;
}

/* Zeros fill everything, constants what can hold them, random numbers floats only. Listings say no
 * dtype: zeros beside such a tensor are of its dtype, whatever that is. */
static bool check_fill(const Fill *fill, DType dtype, size_t rank, Error *err)
{
    const char *name = fill_name(fill->kind);
    if (fill->kind == FILL_ZEROS && dtype == DT_UNKNOWN) return true;
    if (!dtype_size(dtype))
        return error_set(err, ERR_SHAPE, "%s: the dtype %s cannot be filled", name,
                         dtype_name(dtype));
    if (fill->kind == FILL_ZEROS) return true;
    if (fill->kind == FILL_CONST)
        return holds_constant(dtype, fill->a) ||
               error_set(err, ERR_SHAPE, "const: %s cannot hold %.17g", dtype_name(dtype), fill->a);
    if (dtype_info(dtype)->kind != CLASS_FLOAT)
        return error_set(err, ERR_SHAPE, "%s: %s is no float type; only zeros and const fill it",
                         name, dtype_name(dtype));
    if (fill_needs_fans(fill->kind) && rank < 2)
        return error_set(err, ERR_SHAPE, "%s: needs two dimensions or more, has %zu", name, rank);
    return true;
}

/* The key is copied: it may be a name that the caller has just made. */
const Expr *expr_fill_with(Arena *arena, const Fill *fill, DType dtype, const int64_t *dims,
                           size_t rank, Error *err)
{
    if (!check_fill(fill, dtype, rank, err)) return NULL;
    Expr *node = node_new(arena, EX_FILL, dtype, NULL, 0, err);
    if (!node) return NULL;
    node->fill = *fill;
    node->fill.key = arena_strdup(arena, fill->key ? fill->key : "");
    return node_shape(arena, node, dims, rank, err);
}
