/* PlanCost: what carrying out a plan will take, told before it begins. */
#ifndef LOADER_EXPORT_PLAN_COST_H
#define LOADER_EXPORT_PLAN_COST_H

#include "loader/export/plan.h"

typedef struct PlanCost {
    size_t copied;               /* tensors whose bytes stay as they are stored */
    size_t computed;             /* made of others: moved, joined, converted */
    size_t filled;               /* made of nothing */
    size_t tied;                 /* they share the values of another one, and cost nothing */
    uint64_t read, written;      /* bytes of values; what goes along besides them is not counted. Of
                                    a part of one tensor, such as a slice, the bytes of the part */
} PlanCost;

PlanCost plan_cost(const Plan *plan);

#endif
