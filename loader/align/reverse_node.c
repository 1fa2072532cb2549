/* One node undone: what a piece of its values says of its operands. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/expr_reverse.h"
#include "loader/align/reverse_parts.h"

/* One node under way. */
typedef struct Undo {
    Arena *arena;
    const Expr *node;
    const Piece *piece;          /* of its values */
    PieceTold *told;
    void *context;
    const char **loss;
} Undo;

static bool lose(const Undo *undo, const char *why)
{
    *undo->loss = why;
    return false;
}

/* Tells the operand; an expression that could not be built says nothing. */
static bool tell(const Undo *undo, uint32_t index, const Piece *piece)
{
    if (!piece->expr) return lose(undo, "too many operations would have to be undone");
    undo->told(undo->context, index, piece);
    return true;
}

/* The node's name with its axis: "mean(0) has no inverse". */
static bool lose_node(const Undo *undo, bool with_axis)
{
    const char *name = expr_kind_name(undo->node->kind);
    return lose(undo, with_axis ? arena_printf(undo->arena, "%s(%d) has no inverse", name,
                                               undo->node->axis)
                                : arena_printf(undo->arena, "%s has no inverse", name));
}

/* ---- parts ---- */

static bool undo_cat(const Undo *undo)
{
    const Expr *node = undo->node;
    const Piece *piece = undo->piece;
    int axis = node->axis;
    int64_t start = 0, low = piece->from[axis], end = low + piece->size[axis];
    for (uint32_t i = 0; i < node->count; i++) {
        int64_t next = start + node->from[i]->dims[axis];
        int64_t a = low > start ? low : start, b = end < next ? end : next;
        bool empty = start == next && a == b;
        if (a < b || empty) {
            Piece part = *piece;
            part.from[axis] = a - start;
            part.size[axis] = b - a;
            part.expr = expr_slice(undo->arena, piece->expr, axis, a - low, b - low, NULL);
            if (!tell(undo, i, &part)) return false;
        }
        start = next;
    }
    return true;
}

static void drop_axis(int64_t *list, int axis, unsigned rank)
{
    memmove(list + axis, list + axis + 1, (rank - (unsigned)axis - 1) * sizeof *list);
}

/* The new axis is gone from each part. */
static bool undo_stack(const Undo *undo)
{
    const Expr *node = undo->node;
    const Piece *piece = undo->piece;
    int axis = node->axis;
    for (int64_t i = 0; i < piece->size[axis]; i++) {
        Piece part = *piece;
        part.expr = expr_slice(undo->arena, piece->expr, axis, i, i + 1, NULL);
        drop_axis(part.from, axis, node->rank);
        drop_axis(part.size, axis, node->rank);
        if (part.expr)
            part.expr = expr_reshape(undo->arena, part.expr, part.size, node->rank - 1u, NULL);
        if (!tell(undo, (uint32_t)(piece->from[axis] + i), &part)) return false;
    }
    return true;
}

static bool undo_slice(const Undo *undo)
{
    Piece part = *undo->piece;
    part.from[undo->node->slice.axis] += undo->node->slice.from;
    return tell(undo, 0, &part);
}

/* Where each index of the operand comes to stand first within the piece; -1: nowhere. In memory of
 * the caller. */
static int64_t *find_places(const Expr *node, const Piece *piece)
{
    int axis = node->pick.axis;
    int64_t n = node->from[0]->dims[axis];
    int64_t *places = mem_realloc(NULL, ((size_t)n + 1) * sizeof *places);
    for (int64_t i = 0; i < n; i++) places[i] = -1;
    for (int64_t i = piece->size[axis]; i-- > 0;)
        places[node->pick.index[piece->from[axis] + i]] = i;
    return places;
}

/* Runs of neighbouring indices that are all there, each a piece. */
static bool undo_pick(const Undo *undo)
{
    const Expr *node = undo->node;
    int axis = node->pick.axis;
    int64_t n = node->from[0]->dims[axis];
    if (n > EXPR_NODES_MAX) return lose(undo, "pick out of so long an axis is not undone");
    int64_t *places = find_places(node, undo->piece);
    bool fine = true;
    for (int64_t i = 0; fine && i < n;) {
        int64_t end = i;
        while (end < n && places[end] >= 0) end++;
        if (end > i) {
            Piece part = *undo->piece;
            part.from[axis] = i;
            part.size[axis] = end - i;
            part.expr = expr_pick(undo->arena, part.expr, axis, places + i, (size_t)part.size[axis],
                                  NULL);
            fine = tell(undo, 0, &part);
        }
        i = end + 1;
    }
    free(places);
    return fine;
}

/* One index of a repeated axis is as good as all. */
static bool undo_repeat(const Undo *undo)
{
    int axis = undo->node->repeat.axis;
    Piece part = *undo->piece;
    if (!part.size[axis]) return lose(undo, "it is repeated no times");
    part.expr = expr_slice(undo->arena, part.expr, axis, 0, 1, NULL);
    part.from[axis] = 0;
    part.size[axis] = 1;
    return tell(undo, 0, &part);
}

/* ---- axes and shapes ---- */

static bool undo_permute(const Undo *undo)
{
    const Expr *node = undo->node;
    Piece part = *undo->piece;
    int order[TENSOR_RANK_MAX];
    for (int i = 0; i < node->rank; i++) {
        order[node->order[i]] = i;
        part.from[node->order[i]] = undo->piece->from[i];
        part.size[node->order[i]] = undo->piece->size[i];
    }
    part.expr = expr_permute(undo->arena, part.expr, order, node->rank, NULL);
    return tell(undo, 0, &part);
}

/* Of a part only where its elements are a box of the operand, too. */
static bool undo_reshape(const Undo *undo)
{
    const Expr *node = undo->node, *operand = node->from[0];
    Piece part = *undo->piece;
    if (piece_is_whole(node, undo->piece)) {
        memset(part.from, 0, sizeof part.from);
        memcpy(part.size, operand->dims, operand->rank * sizeof *part.size);
    } else if (!reverse_map_box(node->dims, node->rank, undo->piece, operand->dims, operand->rank,
                                &part)) {
        return lose(undo, "only a part of it is in the output");
    }
    part.expr = expr_reshape(undo->arena, part.expr, part.size, operand->rank, NULL);
    return tell(undo, 0, &part);
}

/* ---- values ---- */

/* The same box in another dtype or with other numbers. */
static bool tell_same(const Undo *undo, const Expr *expr, bool rounded)
{
    Piece part = *undo->piece;
    part.expr = expr;
    part.rounded = part.rounded || rounded;
    return tell(undo, 0, &part);
}

/* Whether the values are made of ones of that dtype by arithmetic: the cast at its end is the
 * rounding of the whole chain, and none of it has more than that dtype's precision. */
static bool computes_in(const Expr *e, DType dtype)
{
    switch (e->kind) {
    case EX_CAST: return e->from[0]->dtype == dtype;
    case EX_MUL: case EX_SHIFT: case EX_PERMUTE: case EX_RESHAPE: case EX_SLICE: case EX_PICK:
    case EX_REPEAT: case EX_CAT: case EX_STACK:
        for (uint32_t i = 0; i < e->count; i++)
            if (!computes_in(e->from[i], dtype)) return false;
        return true;
    default: return false;
    }
}

static bool undo_cast(const Undo *undo)
{
    const Expr *node = undo->node;
    DType before = node->from[0]->dtype;
    bool holds = dtype_holds(node->dtype, before);
    const char *type = dtype_name(node->dtype);
    if (!holds && !computes_in(node->from[0], node->dtype))
        return lose(undo, arena_printf(undo->arena, "cast %s → %s rounds", dtype_name(before),
                                       type));
    const Expr *e = expr_cast(undo->arena, undo->piece->expr, before, NULL);
    if (e) return tell_same(undo, e, false);
    return lose(undo, arena_printf(undo->arena, "%s cannot become %s again", type,
                                   dtype_name(before)));
}

/* Powers of two change the exponent alone. */
static bool is_power_of_two(double value)
{
    int exponent;
    return fabs(frexp(value, &exponent)) == 0.5 && exponent > -100 && exponent < 100;
}

static bool undo_mul(const Undo *undo)
{
    double constant = undo->node->constant, inverse = 1 / constant;
    if (!isnormal(constant) || !isnormal(inverse) || !isnormal((float)constant) ||
        !isnormal((float)inverse))
        return lose(undo, arena_printf(undo->arena, "mul(%g) has no inverse", constant));
    return tell_same(undo, expr_mul(undo->arena, undo->piece->expr, inverse, NULL),
                     !is_power_of_two(constant));
}

static bool undo_shift(const Undo *undo)
{
    double constant = undo->node->constant;
    if (!isfinite(constant))
        return lose(undo, arena_printf(undo->arena, "add(%g) has no inverse", constant));
    return tell_same(undo, expr_shift(undo->arena, undo->piece->expr, -constant, NULL), true);
}

bool reverse_node(Arena *arena, const Expr *node, const Piece *piece, PieceTold *told,
                  void *context, const char **loss)
{
    const Undo undo = {arena, node, piece, told, context, loss};
    switch (node->kind) {
    case EX_CAT: return undo_cat(&undo);
    case EX_STACK: return undo_stack(&undo);
    case EX_SLICE: return undo_slice(&undo);
    case EX_PICK: return undo_pick(&undo);
    case EX_PERMUTE: return undo_permute(&undo);
    case EX_RESHAPE: return undo_reshape(&undo);
    case EX_CAST: return undo_cast(&undo);
    case EX_MUL: return undo_mul(&undo);
    case EX_SHIFT: return undo_shift(&undo);
    case EX_REPEAT: return undo_repeat(&undo);
    case EX_ADD: return lose(&undo, "the sum of two tensors has no inverse");
    case EX_MEAN: case EX_SUM: return lose_node(&undo, true);
    default: return lose_node(&undo, false);
    }
}
