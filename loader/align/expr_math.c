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

const Expr *node_recast(Arena *arena, const Expr *operand, const Expr *like, Error *err)
{
    return operand ? make_cast(arena, operand, like->dtype, like->rounding, err) : NULL;
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
    node->depth = (uint8_t)(inner->depth + 1);
    node->nodes = inner->nodes + 1;
    node->from = arena_copy(arena, &inner, sizeof inner);
    return node;
}

/* Types that are too narrow to compute in. f16, bf16 and the f8 kinds. */
static bool is_small_float(DType dtype)
{
    return dtype_info(dtype)->kind == CLASS_FLOAT && dtype != DT_F32 && dtype != DT_F64;
}

/* Only floats: 3 in i64 times 0.5 has no answer that everybody expects. */
const Expr *node_float(Arena *arena, const char *what, const Expr *e, Error *err)
{
    if (e->dtype != DT_UNKNOWN && dtype_info(e->dtype)->kind != CLASS_FLOAT) {
        error_set(err, ERR_SHAPE,
                  "%s: no arithmetic on %s, only operations that move data; cast it to a float "
                  "type first", what, dtype_name(e->dtype));
        return NULL;
    }
    if (!is_small_float(e->dtype)) return e;
    if (node_unrounded(e)) return node_unrounded(e);
    return make_cast(arena, e, DT_F32, false, err);
}

const Expr *node_round(Arena *arena, const Expr *result, DType dtype, Error *err)
{
    if (!result || !is_small_float(dtype)) return result;
    return make_cast(arena, result, dtype, true, err);
}

/* A node of one operand and one constant, in f32 or f64, rounded to the operand's type. mul and
 * add(c) differ in nothing else. */
static const Expr *compute(Arena *arena, const char *what, ExprKind kind, const Expr *e,
                           double constant, Error *err)
{
    const Expr *operand = node_float(arena, what, e, err);
    if (!operand) return NULL;
    Expr *node = node_new(arena, kind, operand->dtype, &operand, 1, err);
    if (!node) return NULL;
    node->constant = constant;
    if (!e->unknown && !node_shape(arena, node, e->dims, e->rank, err)) return NULL;
    return node_round(arena, node, e->dtype, err);
}

const Expr *expr_mul(Arena *arena, const Expr *e, double constant, Error *err)
{
    return compute(arena, "mul", EX_MUL, e, constant, err);
}

const Expr *expr_shift(Arena *arena, const Expr *e, double constant, Error *err)
{
    return compute(arena, "add", EX_SHIFT, e, constant, err);
}

/* A scalar gets as many axes of size 1 as the other side has, and every axis of size 1 the other
 * side's size. Unknown shapes are taken to agree. */
static bool broadcast(Arena *arena, const Expr *like, const Expr **e, Error *err)
{
    int64_t ones[TENSOR_RANK_MAX];
    for (int i = 0; i < TENSOR_RANK_MAX; i++) ones[i] = 1;
    if (like->unknown || (*e)->unknown) return true;
    if ((*e)->rank == 0 && like->rank) *e = expr_reshape(arena, *e, ones, like->rank, err);
    if (*e && (*e)->rank != like->rank) return true;
    for (int i = 0; *e && i < like->rank; i++)
        if ((*e)->dims[i] == 1 && like->dims[i] != 1)
            *e = expr_repeat(arena, *e, i, like->dims[i], err);
    return *e != NULL;
}

/* A node over two operands of one dtype and, after repeats, of one shape; where one side is unknown
 * node_new makes the result unknown as well. */
static const Expr *combine(Arena *arena, const char *what, ExprKind kind, const Expr *a,
                           const Expr *b, Error *err)
{
    bool same = a->dtype == b->dtype || a->dtype == DT_UNKNOWN || b->dtype == DT_UNKNOWN;
    DType dtype = a->dtype == DT_UNKNOWN ? b->dtype : a->dtype;
    const Expr *parts[2] = {a, b};
    if (!broadcast(arena, b, &parts[0], err) || !broadcast(arena, a, &parts[1], err)) return NULL;
    bool known = !a->unknown && !b->unknown;
    if (!same || (known && !same_dims(parts[0]->dims, parts[0]->rank, parts[1]->dims,
                                      parts[1]->rank))) {
        error_set(err, ERR_SHAPE, "%s: %s and %s differ%s", what, shape_name(a).text,
                  shape_name(b).text, same ? "" : "; cast one of them");
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        parts[i] = node_float(arena, what, parts[i], err);
        if (!parts[i]) return NULL;
    }
    Expr *node = node_new(arena, kind, is_small_float(dtype) ? DT_F32 : dtype, parts, 2, err);
    if (!node || (known && !node_shape(arena, node, parts[0]->dims, parts[0]->rank, err)))
        return NULL;
    return node_round(arena, node, dtype, err);
}

const Expr *expr_add(Arena *arena, const Expr *a, const Expr *b, Error *err)
{
    return combine(arena, "add", EX_ADD, a, b, err);
}

const Expr *expr_product(Arena *arena, const Expr *a, const Expr *b, Error *err)
{
    return combine(arena, "product", EX_PRODUCT, a, b, err);
}

const Expr *expr_quotient(Arena *arena, const Expr *a, const Expr *b, Error *err)
{
    return combine(arena, "quotient", EX_QUOTIENT, a, b, err);
}

/* 0 stays 0, what is below becomes NaN, as everywhere. */
const Expr *expr_sqrt(Arena *arena, const Expr *e, Error *err)
{
    return compute(arena, "sqrt", EX_SQRT, e, 0, err);
}

/* LoRA's B·A: 4096×16 and 16×4096. */
const Expr *expr_matmul(Arena *arena, const Expr *a, const Expr *b, Error *err)
{
    bool same = a->dtype == b->dtype || a->dtype == DT_UNKNOWN || b->dtype == DT_UNKNOWN;
    bool known = !a->unknown && !b->unknown;
    bool matrices = (a->unknown || a->rank == 2) && (b->unknown || b->rank == 2);
    if (!same || !matrices || (known && a->dims[1] != b->dims[0])) {
        error_set(err, ERR_SHAPE, "matmul: %s and %s %s", shape_name(a).text, shape_name(b).text,
                  !same ? "differ; cast one of them" : !matrices ? "are not two matrices"
                        : "have no products: the second size of one is the first of the other");
        return NULL;
    }
    const Expr *parts[2] = {node_float(arena, "matmul", a, err), NULL};
    if (parts[0]) parts[1] = node_float(arena, "matmul", b, err);
    if (!parts[1]) return NULL;
    DType dtype = a->dtype == DT_UNKNOWN ? b->dtype : a->dtype;
    Expr *node = node_new(arena, EX_MATMUL, is_small_float(dtype) ? DT_F32 : dtype, parts, 2, err);
    if (!node) return NULL;
    node->rank = 2;
    if (known && !node_shape(arena, node, (const int64_t[]){a->dims[0], b->dims[1]}, 2, err))
        return NULL;
    return node_round(arena, node, dtype, err);
}

/* The axis stays with size 1, so that repeat can widen it again: 100×8 over 0 gives 1×8. */
static const Expr *reduce(Arena *arena, const char *what, ExprKind kind, const Expr *e, int axis,
                          Error *err)
{
    if (!node_axis(what, e, &axis, 0, err)) return NULL;
    if (kind == EX_MEAN && !e->unknown && e->dims[axis] == 0) {
        error_set(err, ERR_SHAPE, "mean: dim %d of %s is empty", axis, shape_name(e).text);
        return NULL;
    }
    const Expr *operand = node_float(arena, what, e, err);
    if (!operand) return NULL;
    Expr *node = node_new(arena, kind, operand->dtype, &operand, 1, err);
    if (!node) return NULL;
    node->axis = axis;
    if (!e->unknown && !node_resize(arena, node, e, axis, 1, err)) return NULL;
    return node_round(arena, node, e->dtype, err);
}

const Expr *expr_mean(Arena *arena, const Expr *e, int axis, Error *err)
{
    return reduce(arena, "mean", EX_MEAN, e, axis, err);
}

const Expr *expr_sum(Arena *arena, const Expr *e, int axis, Error *err)
{
    return reduce(arena, "sum", EX_SUM, e, axis, err);
}

/* A weight of 64×3×7×7 and axis 0: 64×1×1×1, torch.norm_except_dim(w, 2, 0). */
const Expr *expr_norm(Arena *arena, const Expr *e, int axis, Error *err)
{
    if (axis != AXIS_NONE && !node_axis("norm", e, &axis, 0, err)) return NULL;
    const Expr *operand = node_float(arena, "norm", e, err);
    if (!operand) return NULL;
    Expr *node = node_new(arena, EX_NORM, operand->dtype, &operand, 1, err);
    if (!node) return NULL;
    node->axis = axis;
    int64_t dims[TENSOR_RANK_MAX];
    for (int i = 0; i < e->rank; i++) dims[i] = i == axis ? e->dims[i] : 1;
    if (!e->unknown && !node_shape(arena, node, dims, e->rank, err)) return NULL;
    return node_round(arena, node, e->dtype, err);
}

/* The constant stands as a tensor of the same shape, which costs nothing: it is made up. Dividing
 * by a power of two is multiplying. */
const Expr *expr_divide(Arena *arena, const Expr *e, double constant, bool swapped, Error *err)
{
    int exponent;
    const double half = frexp(constant, &exponent);
    if (!swapped && fabs(half) == 0.5) return expr_mul(arena, e, 1 / constant, err);
    const Expr *operand = node_float(arena, "quotient", e, err);
    if (!operand) return NULL;
    if (operand->unknown || operand->dtype == DT_UNKNOWN) {
        error_set(err, ERR_SHAPE, "quotient: the shape and the dtype must be known");
        return NULL;
    }
    const Fill fill = {.kind = FILL_CONST, .a = constant};
    const Expr *same = expr_fill_with(arena, &fill, operand->dtype, operand->dims, operand->rank,
                                      err);
    if (!same) return NULL;
    const Expr *quotient = swapped ? expr_quotient(arena, same, operand, err)
                                   : expr_quotient(arena, operand, same, err);
    return node_round(arena, quotient, e->dtype, err);
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
    Fill own = *fill;
    own.key = arena_strdup(arena, fill->key ? fill->key : "");
    node->fill = arena_copy(arena, &own, sizeof own);
    return node_shape(arena, node, dims, rank, err);
}
