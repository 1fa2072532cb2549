/* Compare: the numbers that go into a target beside those that it holds, element by element, both
 * sides streamed together in boxes of bounded size. */
#ifndef LOADER_ALIGN_COMPARE_H
#define LOADER_ALIGN_COMPARE_H

#include "loader/align/align.h"

/* What the numbers of one pair come to, the worst last; its word in JSON and reports. */
#define VERDICTS(X)                                                                         \
    X(VERDICT_NONE, NULL) X(VERDICT_EQUAL, "equal") X(VERDICT_CAST, "cast")                 \
    X(VERDICT_CLOSE, "close") X(VERDICT_DIFFERS, "differs") X(VERDICT_UNREAD, "unread")

#define VERDICT_ENUM(id, word) id,
typedef enum Verdict { VERDICTS(VERDICT_ENUM) VERDICT_COUNT } Verdict;
#undef VERDICT_ENUM

const char *verdict_word(Verdict verdict);   /* NULL for NONE: the pair is none to compare */

/* a is within it of b when |a - b| <= absolute + relative · |b|, as torch.allclose; equal
 * infinities are, and NaN beside NaN. */
typedef struct Tolerance {
    double relative, absolute;
} Tolerance;

/* a: what the source gives, as it is before the policy casts it; b: what the target holds. Both as
 * numbers; complex ones by component, quantized ones as what they mean. */
typedef struct Comparison {
    Verdict verdict;             /* EQUAL: one dtype, equal numbers; CAST: equal once both are cast
                                    to the coarser dtype; CLOSE: all within the tolerance */
    DType a, b;                  /* dtypes of the numbers that were compared */
    uint64_t count;              /* numbers compared */
    uint64_t unequal;            /* of them: not equal up to cast */
    uint64_t outside;            /* of them: not within the tolerance */
    uint64_t nan;                /* NaN on both sides, which counts as equal */
    uint64_t nan_alone;          /* NaN on one side only: outside of every tolerance */
    double max_abs;              /* the largest |a - b| where neither is NaN; 0 when none differ */
    uint64_t at;                 /* the element where it is, row-major; of the first such */
    double a_at, b_at;           /* the numbers there */
    double max_rel;              /* the largest |a - b| / |b| where b is not 0 */
    double mean_abs;             /* of |a - b| where neither is NaN */
    double distance;             /* |a - b| / |b| of the tensors as vectors; infinite where only b
                                    is 0 */
    double cosine;               /* of the same two; NaN where one of them is 0 or infinite */
    const char *why;             /* UNREAD: "has no values"; in the arena that was given */
} Comparison;

/* Asked after each box with the bytes read so far, of all; false: stop (ERR_CANCELLED). */
typedef bool CompareProgress(void *context, uint64_t done, uint64_t total);

typedef struct CompareOptions {
    Tolerance tolerance;
    bool equality;               /* nothing is measured: only whether all are equal up to cast, up
                                    to the first box in which they are not */
    CompareProgress *progress;   /* NULL: none */
    void *context;
} CompareOptions;

/* `e` against a tensor of its shape. What cannot be read as numbers is UNREAD; false on read
 * errors and when it was cancelled. Adds what it read to *done, of `total` bytes. */
bool compare_values(Arena *arena, const Expr *e, const Tensor *target,
                    const CompareOptions *options, uint64_t *done, uint64_t total,
                    Comparison *result, Error *err);

/* `e` as numbers: what is stored quantized as what it means. NULL, and the reason in *why, where it
 * has none, or reading it would come to no end. */
const Expr *compare_numbers(Arena *arena, const Expr *e, Error *why);
/* The source's value of a loaded pair as it is before the policy casts it to the target's dtype. */
const Expr *compare_uncast(const Binding *binding);

/* All loaded pairs of a ledger. */
typedef struct ValueReport {
    Tolerance tolerance;         /* that was asked for */
    const Comparison *pairs;     /* [count] by binding; NONE where nothing was loaded */
    size_t count;
    size_t verdict[VERDICT_COUNT];   /* how many of each */
    const uint32_t *worst;       /* [worst_count] bindings that are CLOSE DIFFERS UNREAD, the
                                    worst first: by NaN, then by distance */
    size_t worst_count;
    double max_abs;              /* of all */
    uint32_t max_at;             /* the binding that has it */
} ValueReport;

/* Reads with as many threads as there are processors; the result does not depend on them. Tied
 * targets whose memory and source are those of a pair that was compared repeat its result. All of
 * it lies in `arena`. */
const ValueReport *compare_alignment(Arena *arena, const Alignment *alignment,
                                     const CompareOptions *options, Error *err);

#endif
