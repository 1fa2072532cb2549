/* ExprMemo: values of an expression that many of its boxes need, kept from one box to the next.
 *
 * v / norm(v) of 6000×6000 is made some rows at a time, and each needs the norms of all columns,
 * which take all of v. What is repeated along an axis and is a sum (or a product of matrices, or
 * resampled) over more than itself is made once instead, whole, while it is small. */
#ifndef LOADER_ALIGN_EXPR_MEMO_H
#define LOADER_ALIGN_EXPR_MEMO_H

#include "loader/align/expr_place.h"

/* Like place_fill, of what a repeat repeats. */
bool memo_fill(const Expr *e, const Place *place, Error *err);

#endif
