/* The optimizer of a Whole whose state followed the weights: a tree like the source's, with other
 * numbers, groups and moments. */
#ifndef LOADER_EXPORT_WHOLE_OPTIMIZER_H
#define LOADER_EXPORT_WHOLE_OPTIMIZER_H

#include "loader/align/optimizer.h"

/* A tensor of that tree, which is no tensor of the source. */
typedef struct WholeValue {
    const Object *node;          /* a TENSOR of the tree */
    const Expr *expr;            /* its values */
} WholeValue;

/* The new dict, in the arena. *values are the tensors in it that are computed, [count]. Members
 * that stay what they were are the source's nodes. */
Object *whole_optimizer(Arena *arena, const OptimizerMove *move, WholeValue **values,
                        size_t *count);

#endif
