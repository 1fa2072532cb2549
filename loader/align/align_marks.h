/* Marks over a ledger: what a person has paired by hand, gone on from (induce_marks.h), with the
 * keys as the rules leave them and what is bound already as settled. */
#ifndef LOADER_ALIGN_ALIGN_MARKS_H
#define LOADER_ALIGN_ALIGN_MARKS_H

#include "loader/align/align.h"
#include "loader/align/induce_marks.h"

/* The marks' sources are keys as they are named behind the rules of the ledger, which must not hold
 * the marks themselves. Everything lies in the arena; names are the ledger's. */
const MarkResult *align_marks(const Alignment *alignment, const Bundle *marks, size_t n,
                              Arena *arena, Error *err);

/* A key as the rules leave it, by its name then; false when there is none, or it stands for a
 * collision. */
bool align_key(const Alignment *alignment, const char *name, AutoTensor *out);
/* What rules would call a source tensor now: its own name, or what its steps have made of it, the
 * newest of which is `step` (NULL: it has none). NULL when no key has the name: it was dropped. */
const char *align_key_name(const Alignment *alignment, const Tensor *tensor, const Step *step);
/* A target, for mark_line. */
AutoTensor align_target_tensor(const Binding *binding);

#endif
