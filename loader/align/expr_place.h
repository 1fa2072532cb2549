/* Place: a part of an expression's result that is being made, and where it goes. What the files
 * that work out values share; for expr_*.c only. */
#ifndef LOADER_ALIGN_EXPR_PLACE_H
#define LOADER_ALIGN_EXPR_PLACE_H

#include "loader/align/cast_loss.h"
#include "loader/align/expr.h"

/* Elements that a node works on at a time, about: what bounds its memory. */
enum { PIECE = 1 << 19 };

/* Strides in elements. */
typedef struct Place {
    /* [rank] each: the box in the node's result, and how far its axes lie apart in `out` */
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX], strides[TENSOR_RANK_MAX];
    unsigned char *out;          /* the box's first element; borrowed */
    DType dtype;                 /* of the elements in `out`: the node's; but below the cast of what
                                    is quantized or packed, what its leaves are read as */
    ExprMemo *memo;              /* what is kept between boxes; NULL: nothing is */
    CastLosses *losses;          /* of casts, while each value is made once; NULL: not measured */
    ExprReads *reads;            /* what would be read is counted, and no value is made: `out` and
                                    all that is held meanwhile stays untouched; NULL: values are */
} Place;

/* Makes the values of a place that is not empty. */
bool place_fill(const Expr *e, const Place *place, Error *err);
/* The same of a packed box, which may be empty: sets the rest of the place. NULL as in
 * expr_fill. */
bool place_box(const Expr *e, const int64_t *from, const int64_t *size, Place *place, Error *err);
/* Adds what reading the place of a leaf would read, as it is stored or as numbers. Returns true. */
bool reads_add(const Place *place, const Tensor *tensor, bool numbers);
/* Elements of a place; there are as many as fit in memory. */
size_t place_count(const Place *place, unsigned rank);
/* Values of a box of `e`, packed, as doubles; `held` has room for as many elements of e's dtype.
 * Sets the strides. */
bool place_doubles(const Expr *e, Place *place, unsigned char *held, double *out, Error *err);

/* The nodes that compute, each over a packed place of bounded size. Sums run in the order of the
 * operand, so that a value is the same whatever the box it is asked in. */
bool fill_reduction(const Expr *e, const Place *place, Error *err);  /* MEAN SUM NORM */
bool fill_matmul(const Expr *e, const Place *place, Error *err);
/* Any place: it cuts it itself, since it needs its whole axis. */
bool fill_resize(const Expr *e, const Place *place, Error *err);

#endif
