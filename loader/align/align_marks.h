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

#endif
