/* PlanCost: what carrying out a plan will take, told before it begins. */
#ifndef LOADER_EXPORT_PLAN_COST_H
#define LOADER_EXPORT_PLAN_COST_H

#include "loader/align/report.h"
#include "loader/export/options.h"
#include "loader/export/plan.h"

typedef struct PlanCost {
    size_t copied;               /* tensors whose bytes stay as they are stored */
    size_t computed;             /* made of others: moved, joined, converted */
    size_t filled;               /* made of nothing */
    size_t tied;                 /* they share the values of another one, and cost nothing */
    uint64_t read, written;      /* bytes of values; what goes along besides them is not counted */
} PlanCost;

/* With those options, which say how large the buffer is and how many share it. */
PlanCost plan_cost(const Plan *plan, const ExportOptions *options);
/* The tensors that are computed and larger than a thread's part of the buffer, and so made in
 * pieces; free() the list. NULL: none. */
ReportPass *plan_passes(const Plan *plan, const ExportOptions *options, size_t *count);

#endif
