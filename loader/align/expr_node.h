/* What the constructors of Expr share; for expr_*.c only. */
#ifndef LOADER_ALIGN_EXPR_NODE_H
#define LOADER_ALIGN_EXPR_NODE_H

#include "loader/align/expr.h"

typedef struct ShapeName {
    char text[160];
} ShapeName;

/* "200×2048 f32", "scalar i64", "unknown shape"; long ones are cut. */
ShapeName shape_name(const Expr *e);

/* A node over the operands, which are copied; its shape is still to be set unless an operand is
 * unknown, which makes the node unknown. NULL when it would be too deep, too big, or stand on
 * a FIT. */
Expr *node_new(Arena *arena, ExprKind kind, DType dtype, const Expr *const *from, size_t n,
               Error *err);
/* Gives it its shape, copied. Returns the node, or NULL when it is too large for 63 bits. */
Expr *node_shape(Arena *arena, Expr *node, const int64_t *dims, size_t rank, Error *err);
/* The same with one size changed. */
Expr *node_resize(Arena *arena, Expr *node, const Expr *like, int axis, int64_t size, Error *err);
/* Makes a negative axis positive; `what` starts the error. Any axis is fine while the shape is
 * unknown. `room` is 1 where an axis may be put behind the last. */
bool node_axis(const char *what, const Expr *e, int *axis, int room, Error *err);
/* The operand as f32 or f64, for computing with; a rounding at its end comes off. NULL for
 * anything but floats. */
const Expr *node_float(Arena *arena, const char *what, const Expr *e, Error *err);
/* Rounds the result of f32 arithmetic to the type it began with. f32 and f64 need none; a result
 * of NULL stays NULL. */
const Expr *node_round(Arena *arena, const Expr *result, DType dtype, Error *err);
/* What a rounding at the end of arithmetic stands on; NULL for anything else. */
static inline const Expr *node_unrounded(const Expr *e)
{
    return e->kind == EX_CAST && e->rounding ? e->from[0] : NULL;
}
/* What a cast stands on, so that an op which moves data can be put below it: arithmetic that
 * follows finds the rounding at its end, and what is written the cast. NULL for anything else, and
 * where the elements cannot be moved before they are cast. */
static inline const Expr *node_below_cast(const Expr *e)
{
    return e->kind == EX_CAST && dtype_size(e->from[0]->dtype) ? e->from[0] : NULL;
}
/* The cast `like` again, over another operand; NULL stays NULL. */
const Expr *node_recast(Arena *arena, const Expr *operand, const Expr *like, Error *err);

#endif
