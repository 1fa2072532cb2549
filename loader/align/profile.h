/* Profile: what the values of an expression, or of the difference of two, look like: statistics,
 * histograms, quantiles, norms of rows. One streamed pass, in memory that does not depend on the
 * size. Numbers: the same values, box by box, for whoever shows some of them. */
#ifndef LOADER_ALIGN_PROFILE_H
#define LOADER_ALIGN_PROFILE_H

#include "loader/align/expr.h"
#include "loader/tensor/stats.h"

/* `a`, or a - b. Made by numbers_of; the expressions are read from any thread. */
typedef struct Numbers {
    const Expr *a, *b;           /* b NULL: a alone; else of a's shape */
    unsigned parts;              /* numbers of an element: 2 for complex ones */
    unsigned width;              /* bytes of the wider element, as it is read */
} Numbers;

/* `b` may be NULL. Casts that are needed lie in the arena. False, and why as "has no values", when
 * they cannot be read as numbers. */
bool numbers_of(Arena *arena, const Expr *a, const Expr *b, Numbers *numbers, Error *err);
/* The box [from, from+size), row-major, into out: parts numbers an element. NULL/NULL: all. `memo`
 * is one for all boxes that are read. */
bool numbers_read(const Numbers *numbers, const int64_t *from, const int64_t *size,
                  ExprMemo *memo, double *out, Error *err);

enum { PROFILE_BINS = 64, PROFILE_QUANTILES = 7, PROFILE_ROWS = 4096 };

typedef struct Profile {
    Stats stats;                 /* all but the CRC */
    uint64_t bins[PROFILE_BINS];     /* finite numbers, by equal steps from min to max */
    uint64_t powers[PROFILE_BINS];   /* those that are not 0, by size: [2^p, 2^(p+1)) for p =
                                        top-63 … top; the first has all smaller ones too */
    int top;
    double quantiles[PROFILE_QUANTILES];     /* of the finite ones, profile_quantile(i) of them */
    bool exact;                  /* the quantiles are; else the bins say them, to about 1/1000 of
                                    the range or 1/250 of themselves, whichever is less */
    /* L2 norms along the first axis; of `group` rows in a row the root of their mean square. */
    float norms[PROFILE_ROWS];
    uint32_t row_count;          /* 0: a tensor of less than two axes */
    uint64_t group;
} Profile;

double profile_quantile(unsigned index);     /* 0.01 0.05 0.25 0.5 0.75 0.95 0.99 */

/* Asked often, with elements done, of all; false, with the error set: stop. */
typedef bool ProfileStep(void *context, uint64_t done, uint64_t total, Error *err);

bool profile_make(const Numbers *numbers, ProfileStep *step, void *context, Profile *profile,
                  Error *err);

#endif
