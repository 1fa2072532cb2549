/* A plan that was read from its file, over the files that it stands on: ready to be written. */
#ifndef LOADER_EXPORT_PLAN_OPEN_H
#define LOADER_EXPORT_PLAN_OPEN_H

#include "loader/export/plan_file.h"

/* Where files are, when not where the plan says; each may be NULL. */
typedef struct PlanGiven {
    const char *source, *target;
} PlanGiven;

/* Opens the sources and reads the expressions over their tensors. Refuses what is another file than
 * the plan was made for, a tensor that is not there, an expression whose dtype or shape is not the
 * one that the plan says, and whatever plan_new refuses. The plan borrows names from `file`, which
 * must outlive it. */
Plan *plan_open(const PlanFile *file, const PlanGiven *given, Error *err);
/* The same over checkpoints that are open, whatever file they are; `target` may be NULL where the
 * plan has none. */
Plan *plan_open_over(const PlanFile *file, Checkpoint *source, Checkpoint *target, Error *err);

#endif
