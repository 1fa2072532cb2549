/* Reverse: the tensors that expressions stand on, had back from what the expressions give.
 *
 * All output expressions are put together first, equal parts of them known as one; then, from the
 * outputs inwards, every node is told what is known of its values: a part of it (a box) from each
 * place where it is used. A node whose parts cover it is known, and its operands learn from it.
 * Nothing is solved: a sum of two tensors gives neither back. */
#ifndef LOADER_ALIGN_EXPR_REVERSE_H
#define LOADER_ALIGN_EXPR_REVERSE_H

#include "loader/align/expr.h"

typedef struct Reverse Reverse;

/* Expressions that are made lie in the arena. */
Reverse *reverse_new(Arena *arena);
void reverse_free(Reverse *reverse);     /* NULL is fine */

/* `output` has the values of `expr`, whose shape is known. Both must outlive the Reverse. */
void reverse_add(Reverse *reverse, const Tensor *output, const Expr *expr);
/* Works it out, once, when all outputs are there. False, with ERR_LIMIT, when there are too many
 * parts to be put together. */
bool reverse_run(Reverse *reverse, Error *err);

/* What became of one tensor of the source. */
typedef struct ReverseAnswer {
    const Expr *expr;            /* its values, over the outputs; NULL: they cannot be had back */
    const char *loss;            /* the reason then: "mean(0) has no inverse"; NULL: no output has
                                    anything of it; in the arena */
    const Tensor *by;            /* the output whose expression loses it, or rounds it */
    bool rounded;                /* it comes back to within rounding: arithmetic was undone */
} ReverseAnswer;

ReverseAnswer reverse_find(const Reverse *reverse, const Tensor *source);

/* Whether every value of `from` (NaNs apart) comes back from a cast to `to`. */
bool dtype_holds(DType to, DType from);

#endif
