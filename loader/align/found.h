/* Found: what was bound without a rule, as bundles over the keys as they were named then: what
 * auto{} carried out, and what match{} paired beside it. Rules that make these (induce.h), run
 * behind the statements of the script, come to the same ledger. */
#ifndef LOADER_ALIGN_FOUND_H
#define LOADER_ALIGN_FOUND_H

#include "loader/align/align.h"
#include "loader/align/induce.h"

/* False where nothing was asked for. Lists lie in the arena, names in the alignment's. */
bool found_collect(const Alignment *alignment, Arena *arena, InduceInput *out);
/* Whether the script says match{}: with the rules behind it, it would pair other names. */
bool found_is_matched(const Alignment *alignment);

#endif
