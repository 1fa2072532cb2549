/* Renames: a plan that does nothing but give the tensors of its source other names. */
#ifndef LOADER_EXPORT_RENAMES_H
#define LOADER_EXPORT_RENAMES_H

#include "loader/export/plan.h"

typedef struct Renames {
    const Plan *plan;            /* borrowed */
    const StateDict *dict;       /* the source's; borrowed */
    const PlanEntry **entries;   /* [dict_count(dict)], owned: the entry of each source tensor */
} Renames;

/* Refuses, with the first reason, a plan that computes, drops or copies anything, or keeps values
 * of a target. `renames` is empty then. */
bool renames_find(const Plan *plan, Renames *renames, Error *err);
void renames_done(Renames *renames);
/* Whether any name changes. */
bool renames_any(const Renames *renames);
/* Whether an opened file still has the tensors that the plan was made for, at the same places. */
bool renames_check(const Renames *renames, const StateDict *now, const char *path, Error *err);

#endif
