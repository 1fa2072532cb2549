/* Learn: how the tensors of one checkpoint come from those of another that holds the same weights
 * in another layout, found from the values alone. Names only tell equal values apart.
 *
 * Every tensor is read once and leaves fingerprints: one of all its numbers whatever their order,
 * one of their sequence, and one for each index of each axis. Equal fingerprints say which slices
 * of which tensors belong together, and so which ops lead from one to the other. Whatever that
 * suggests is then carried out and compared with the target, number by number: nothing is given
 * out that was not verified, equal up to cast; what is computed of several tensors (norms of
 * weights, batch norms folded) up to rounding. */
#ifndef LOADER_ALIGN_LEARN_H
#define LOADER_ALIGN_LEARN_H

#include "loader/align/auto.h"
#include "loader/align/compare.h"

/* What became of one target. */
#define LEARN_STATES(X)                                                                    \
    X(LEARN_UNEXPLAINED, "unexplained") X(LEARN_LEARNED, "learned")                        \
    X(LEARN_AMBIGUOUS, "ambiguous") X(LEARN_UNREAD, "unread")
#define LEARN_ENUM(id, word) id,
typedef enum LearnState { LEARN_STATES(LEARN_ENUM) LEARN_STATE_COUNT } LearnState;
#undef LEARN_ENUM

const char *learn_word(LearnState state);

typedef struct LearnOptions {
    CompareProgress *progress;   /* NULL: none; `total` is an estimate */
    void *context;
    const Lexicon *lexicon;      /* what names mean, for tensors that hold the same numbers; NULL:
                                    only names that are told by their neighbours count */
    const AutoAnswer *answers;   /* [answer_count] to what names leave open as well */
    size_t answer_count;
} LearnOptions;

typedef struct LearnTarget {
    LearnState state;
    const char *why;             /* AMBIGUOUS: the sources that hold the same; UNREAD, UNEXPLAINED:
                                    the reason; NULL = nothing to say */
    uint32_t bundle;             /* LEARNED: index of what makes it */
    bool rounded;                /* LEARNED: its numbers are computed, and equal up to rounding */
} LearnTarget;

struct Each;

typedef struct LearnResult {
    const Bundle *bundles;       /* [bundle_count] in the order of their first targets */
    size_t bundle_count;
    const LearnTarget *targets;  /* [count] by target */
    size_t count;
    size_t state[LEARN_STATE_COUNT];
    size_t rounded;              /* of the learned ones, those that are equal up to rounding */
    size_t named;                /* of the learned ones, those that automatic alignment told from
                                    others with the same values */
    const char *const *unused;   /* [unused_count] sources that are in no bundle */
    size_t unused_count;
    const struct Each *const *each;      /* what functions among the ops do, by Op.function; for
                                            learn_script.h */
} LearnResult;

/* Memory beside the tensors' records: 8 bytes for each index of each axis (axes of over a million
 * indexes left out), up to 1 GiB on either side. All of the result lies in `arena`, names are
 * borrowed from the dicts. NULL on read errors and when it was cancelled. */
const LearnResult *learn_pair(Arena *arena, const StateDict *old, const StateDict *now,
                              const LearnOptions *options, Error *err);

#endif
