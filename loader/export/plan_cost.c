#include "loader/export/plan_cost.h"

#include "loader/align/expr.h"

typedef struct Leaves {
    size_t count;
    uint64_t bytes, values;      /* of all of them */
} Leaves;

static void add_leaf(const Tensor *tensor, void *context)
{
    Leaves *leaves = context;
    leaves->count++;
    leaves->bytes += tensor_bytes(tensor);
    leaves->values += tensor_count(tensor);
}

/* Who takes a slice of one tensor reads no more than that of it. */
static uint64_t bytes_read(const PlanEntry *entry, const Leaves *leaves)
{
    uint64_t values = 1;
    for (unsigned i = 0; i < entry->rank; i++) values *= (uint64_t)entry->dims[i];
    if (leaves->count != 1 || values >= leaves->values) return leaves->bytes;
    return (uint64_t)((double)leaves->bytes * ((double)values / (double)leaves->values));
}

PlanCost plan_cost(const Plan *plan)
{
    PlanCost cost = {0};
    for (size_t i = 0; i < plan->count; i++) {
        const PlanEntry *entry = &plan->entries[i];
        Leaves leaves = {0};
        if (entry->alias >= 0) {
            cost.tied++;
            continue;
        }
        expr_leaves(entry->expr, add_leaf, &leaves);
        cost.read += bytes_read(entry, &leaves);
        cost.written += plan_entry_bytes(entry);
        if (plan_unchanged(entry)) cost.copied++;
        else if (leaves.count) cost.computed++;
        else cost.filled++;
    }
    return cost;
}
