/* Metadata: PyTorch's `_metadata` for the names of a plan. */
#ifndef LOADER_EXPORT_METADATA_H
#define LOADER_EXPORT_METADATA_H

#include "loader/export/plan.h"

/* The target's, if it has one, else the source's carried through the renames (the rules stand
 * in metadata.c); plain data only. Nodes lie in the plan's arena or are borrowed from the
 * checkpoints. NULL when neither has one. */
const Object *metadata_for_plan(const Plan *plan);

#endif
