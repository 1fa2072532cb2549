/* Marks: rules from a few pairs that a person has marked (the viewer's key i).
 *
 *   layers.0.q.weight -> blk.0.attn_q.weight     is taken for
 *   layers.{i}.q.*    -> blk.{i}.attn_q.*        when all of these targets are there and fit
 *
 * Every way in which the numbers of a mark may go on is tried on all keys: a way that leads to a
 * target which is not there, has another shape or a value already has misfired. The one that goes
 * furthest without misfire is taken; where two of them disagree, only what they agree on. Then the
 * tails that a mark's names have in common are exchanged for others. What comes of it is bundles,
 * and rules for these alone (induce.h). No values are looked at. */
#ifndef LOADER_ALIGN_INDUCE_MARKS_H
#define LOADER_ALIGN_INDUCE_MARKS_H

#include "loader/align/auto.h"
#include "loader/align/induce.h"

typedef struct MarkInput {
    const Bundle *marks;         /* [mark_count] what was marked, with ops where shapes ask for
                                    them */
    size_t mark_count;
    const AutoTensor *keys;      /* [key_count] all keys of the source, as named now */
    size_t key_count;
    const AutoTensor *targets;   /* [target_count] */
    size_t target_count;
    const bool *key_settled;     /* [key_count] it goes to a target already; NULL = none does */
    const bool *target_settled;  /* [target_count] it has a value already; NULL = none has */
} MarkInput;

/* One way to go on from the marks. */
typedef struct MarkProposal {
    const Bundle *bundles;       /* [bundle_count] the marks and what follows from them */
    size_t bundle_count;
    const char *text;            /* the rules as statements of Lua */
    const Induction *induction;
    size_t loads;                /* targets that get a value */
    size_t misses;               /* keys that would go to a target which is not there or does not
                                    fit; they are left out of the bundles */
    size_t breaks;               /* keys or targets that are settled otherwise; left out as well */
    const char *problem;         /* the first miss or break in words; NULL: there is none */
} MarkProposal;

typedef struct MarkResult {
    const MarkProposal *proposals;   /* [count] the best first; the last is the marks alone */
    size_t count;
    const char *ask;             /* the key of which a pair would help most: of the largest kind of
                                    names that goes nowhere; NULL = none is left that might */
    size_t ask_keys;             /* how many keys are of that kind */
    const char *question;        /* the same as a sentence; NULL */
} MarkResult;

/* Everything lies in the arena (names are those of the input). NULL with an error when a mark
 * names what is not there. */
const MarkResult *induce_from_marks(Arena *arena, const MarkInput *input, Error *err);

#endif
