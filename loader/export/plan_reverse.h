/* The inverse of a plan: a plan that makes the source's tensors of the output's.
 *
 * It is worked out from the plan alone, pairs and expressions, so no rule needs an inverse. A
 * tensor that no output holds all of is a loss; what comes back through arithmetic is rounded. */
#ifndef LOADER_EXPORT_PLAN_REVERSE_H
#define LOADER_EXPORT_PLAN_REVERSE_H

#include "loader/align/expr_reverse.h"
#include "loader/export/plan_reverse_optimizer.h"

typedef struct PlanInverse {
    const PlanFile *file;        /* borrowed */
    PlanSchema schema;           /* owned */
    Tensor *outputs;             /* [file->entry_count] what the entries give, without data */
    const Expr **exprs;          /* [file->tensor_count] over outputs; NULL: lost */
    OptimizerInverse optimizer;  /* no `move`: the plan does nothing to one */
    PlanRemark *remarks;         /* [remark_count], in the source's order; the optimizer's behind */
    size_t remark_count, losses; /* how many of them are losses */
    bool several;                /* the source was several files: each has an inverse of its own */
    size_t part;                 /* the one that is written; valid with `several` */
} PlanInverse;

/* Works the inverse out. All is in the schema's arena. */
bool plan_inverse_make(PlanInverse *inverse, const PlanFile *file, Error *err);
void plan_inverse_done(PlanInverse *inverse);

/* How many tensors of the source come back. */
size_t plan_inverse_back(const PlanInverse *inverse);
/* How many files the source was. */
size_t plan_inverse_parts(const PlanInverse *inverse);
/* The inverse as a plan, to stand at `path`; of several files that of inverse->part, in which names
 * have no number before them. `output` is the file that the plan wrote, of which the
 * inverse then says where it is and what it is known by; NULL: whoever applies it names it. Fails
 * when that file has not the tensors that are needed. */
bool plan_inverse_json(const PlanInverse *inverse, const char *path, Checkpoint *output, Text *out,
                       Error *err);

#endif
