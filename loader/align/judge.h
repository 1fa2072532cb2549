/* Judge: whether the values of both sides bear out what was found without a rule. Names, shapes and
 * order have proposed pairs (auto{}, and match{} beside it); here their numbers are looked at.
 *
 * Three kinds of evidence, and nothing else, speak against a pair:
 *
 *   agreement   The target holds values that were trained from the source's, or the source from
 *               the target's: then a right pair agrees number by number (correlation near 1) and a
 *               wrong one does not (near 0). The rival whose values the target holds is known.
 *               A target that was made anew agrees with nothing: it is never a reason.
 *   sign        A variance has no negative number. No target is needed for that.
 *   place       The scale of a norm lies around 1, a shift around 0: a scale that is negative by
 *               far more often than the shift beside it is the shift. Where most norms of a model
 *               look so, that it is more often is enough.
 *
 * Numbers are sampled: of a tensor at most 4096 (1024 where more than 512 have one shape), in four
 * places along its diagonal; vectors up to 65536 numbers are read whole when their role is in
 * question. Tensors that are alone with their shape and cannot be turned are not read. */
#ifndef LOADER_ALIGN_JUDGE_H
#define LOADER_ALIGN_JUDGE_H

#include <stdatomic.h>

#include "loader/align/align.h"
#include "loader/align/veto.h"

typedef struct Judgement {
    Vetoes vetoes;
    const float *agree;          /* [align_count] correlation with what was proposed; NAN: it was
                                    not looked at, or says nothing */
    size_t judged;               /* pairs whose values were compared */
    size_t agreed;               /* of them, those that the values bear out */
    size_t untrained;            /* of them, those whose target holds one number throughout */
    uint64_t bytes;              /* that were read, of both sides */
} Judgement;

/* Judges what auto{} and match{} have proposed. Everything lies in `arena`. Tensors that cannot be
 * read as numbers, and those behind a URL, are passed over. NULL with ERR_CANCELLED when *interrupt
 * (may be NULL) becomes true, and on read errors. */
const Judgement *judge_alignment(Arena *arena, const Alignment *alignment,
                                 const atomic_bool *interrupt, Error *err);
/* Tells one set of proposals from another: of equal ones the judgement is the same. */
uint64_t judge_proposals(const Alignment *alignment);
/* Loaded queries and keys that go by two spellings, in a model that may have rotary heads: their
 * rows may stand in two orders, in pairs and in halves, which shows in no name and no shape. Those
 * whose values agree, and those that rope_pairs or rope_halves was said for, are none. The first of
 * them, and how many there are; NULL: none. */
const Binding *judge_find_rows(const Alignment *alignment, size_t *count);
/* Notes in the ledger what the judgement says of it, as remarks and by target. `followed`: the
 * ledger was made again with its vetoes. Before anyone else has the ledger. */
void judge_close(Alignment *alignment, const Judgement *judgement, bool followed);

#endif
