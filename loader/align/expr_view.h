/* View: a chain of slices, permutations and reshapes over one tensor, as a tensor of its own
 * that looks into the same storage. For expr_*.c only. */
#ifndef LOADER_ALIGN_EXPR_VIEW_H
#define LOADER_ALIGN_EXPR_VIEW_H

#include "loader/align/expr.h"

typedef struct View {
    Tensor tensor;           /* dims and strides point into the View: do not copy it */
    int64_t dims[TENSOR_RANK_MAX], strides[TENSOR_RANK_MAX];
} View;

/* False when the expression is no such chain, or a reshape in it would have to move elements. */
bool view_of(const Expr *e, View *view);

#endif
