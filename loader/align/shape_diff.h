/* How two shapes differ, in the terms in which it can be mended. */
#ifndef LOADER_ALIGN_SHAPE_DIFF_H
#define LOADER_ALIGN_SHAPE_DIFF_H

#include <stdint.h>

#include "loader/core/memory.h"
#include "loader/tensor/tensor.h"

typedef enum ShapeDiffKind {
    SHAPES_EQUAL,
    SHAPES_ONE_AXIS,     /* one axis has another size: fit */
    SHAPES_AXES,         /* several have */
    SHAPES_ORDER,        /* the same sizes in another order: T, permute */
    SHAPES_ONES,         /* equal but for axes of size 1: reshape */
    SHAPES_COUNT,        /* another rank, as many elements: reshape, perhaps */
    SHAPES_RANK          /* another rank and another count */
} ShapeDiffKind;

typedef struct ShapeDiff {
    ShapeDiffKind kind;
    unsigned rank;                       /* of the wanted shape */
    unsigned axis;                       /* ONE_AXIS */
    uint32_t axes;                       /* AXES: a bit for each that differs */
    int order[TENSOR_RANK_MAX];          /* ORDER: as permute takes it */
} ShapeDiff;

/* From the shape that is there to the one that is wanted. */
ShapeDiff shape_diff(const int64_t *from, unsigned from_rank, const int64_t *to,
                     unsigned to_rank);
/* "dim 0", "dims 0 and 2", "rank 2 → 4", "same sizes, other order: transpose?"; text in the
 * arena or constant. */
const char *shape_diff_reason(Arena *arena, const ShapeDiff *diff, unsigned from_rank);
/* The op that would mend it: "fit(0)", "T", "permute(3, 2, 0, 1)", "reshape(4, 1)"; NULL when
 * none would (several axes, another count). `to` are the wanted sizes. */
const char *shape_diff_op(Arena *arena, const ShapeDiff *diff, const int64_t *to);

#endif
