/* What the files of Reverse share: what is known of a node; for expr_reverse.c and reverse_*.c. */
#ifndef LOADER_ALIGN_REVERSE_PARTS_H
#define LOADER_ALIGN_REVERSE_PARTS_H

#include "loader/align/expr.h"

/* A box of a node's values, and what gives it: an expression over outputs of just that shape. */
typedef struct Piece {
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
    const Expr *expr;
    const Tensor *by;            /* the output that it comes from, or mostly */
    bool rounded;
} Piece;

/* Told of each part of an operand: `index` counts the operands. */
typedef void PieceTold(void *context, uint32_t index, const Piece *piece);

/* What a piece of a node's values says of its operands. False when it says nothing: *loss is then
 * why, in the arena. */
bool reverse_node(Arena *arena, const Expr *node, const Piece *piece, PieceTold *told,
                  void *context, const char **loss);

/* One piece that is all of the node, put together of others; false when they do not cover it. */
bool reverse_cover(Arena *arena, const Expr *node, const Piece *pieces, size_t n, Piece *whole);
/* The box of other dims with the same elements in row-major order; false when there is none. */
bool reverse_map_box(const int64_t *dims, unsigned rank, const Piece *piece,
                     const int64_t *other, unsigned other_rank, Piece *out);
bool piece_is_whole(const Expr *node, const Piece *piece);

#endif
