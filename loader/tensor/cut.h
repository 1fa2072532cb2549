/* Cut: how the ranks of one model hold a tensor: whole in each, or a piece in each, to be joined
 * along a dimension. No format says it, so it is told by shapes, and mostly only likely. */
#ifndef LOADER_TENSOR_CUT_H
#define LOADER_TENSOR_CUT_H

#include "loader/tensor/dict.h"

typedef enum CutKind {
    CUT_WHOLE,               /* every rank has all of it */
    CUT_DIM,                 /* pieces along `dim` */
    CUT_UNKNOWN,             /* shapes allow both, or several dims */
    CUT_NEVER                /* shapes differ in several dims: pieces of nothing */
} CutKind;

typedef struct Cut {
    const Tensor *first;     /* of the first rank; its name is that of all */
    CutKind kind;
    unsigned dim;            /* of CUT_DIM */
    bool sure;               /* the shapes differ there, and nowhere else */
    int64_t whole;           /* of CUT_DIM: the size of dim once they are joined */
} Cut;

/* The tensors that all `n` ranks (two at least) have under one name, in the first one's order;
 * their number. *width receives the size that most vectors have, which is taken for the width of
 * the model (0: there are none): a matrix that is cut keeps it along the other dimension. In the
 * arena. */
size_t cut_find(Arena *arena, const StateDict *const *ranks, size_t n, Cut **out, int64_t *width);

#endif
