/* The inverse of what a plan does to an optimizer's state (plan_optimizer.h): every moment of the
 * source is had back from the moments of the output as a weight is from weights, the rest of a
 * state is that of a parameter which has something of it, numbers and groups are the source's. */
#ifndef LOADER_EXPORT_PLAN_REVERSE_OPTIMIZER_H
#define LOADER_EXPORT_PLAN_REVERSE_OPTIMIZER_H

#include "loader/align/optimizer.h"
#include "loader/export/plan_remark.h"
#include "loader/export/plan_schema.h"

typedef struct OptimizerInverse {
    const OptimizerMove *move;   /* as plan_put_optimizer writes it; a parameter whose state is
                                    lost starts fresh */
    PlanRemark *remarks;         /* [remark_count] */
    size_t remark_count, losses;
} OptimizerInverse;

/* `weights` are what gives each tensor of the source, NULL for what is lost: [tensor_count] of the
 * file. Everything lies in the schema's arena. False when the plan's "optimizer_state" is none. */
bool plan_inverse_optimizer(const PlanFile *file, const PlanSchema *schema,
                            const Expr *const *weights, OptimizerInverse *out, Error *err);

#endif
