/* Whole tensors where they are read whole; of a slice only its rows: one expert of a hundred. */
#include "loader/export/plan_want.h"

static void want_bytes(const Tensor *tensor, uint64_t offset, uint64_t n)
{
    if (!tensor->storage || !tensor->storage->source) return;
    source_want(tensor->storage->source, tensor->storage->offset + tensor->offset + offset, n);
}

/* Whether element i is at byte i × its size, so that rows are ranges. */
static bool has_rows(const Tensor *tensor)
{
    return tensor->storage && tensor->rank && tensor->dims[0] > 0 && tensor_is_contiguous(tensor) &&
           dtype_info(tensor->dtype)->block == 1;
}

static void want_slice(const Expr *e)
{
    const Tensor *tensor = e->from[0]->tensor;
    if (!has_rows(tensor) || e->slice.axis != 0 || e->slice.from < 0 ||
        e->slice.to < e->slice.from || e->slice.to > tensor->dims[0])
        return;
    uint64_t row = tensor_bytes(tensor) / (uint64_t)tensor->dims[0];
    want_bytes(tensor, row * (uint64_t)e->slice.from,
               row * (uint64_t)(e->slice.to - e->slice.from));
}

static bool is_tensor(const Expr *e)
{
    return e->kind == EX_SOURCE || e->kind == EX_TARGET;
}

/* A part of what is not a tensor itself is not told: reading it only takes longer. */
static void want_expr(const Expr *e)
{
    if (is_tensor(e)) {
        if (tensor_is_contiguous(e->tensor)) want_bytes(e->tensor, 0, tensor_bytes(e->tensor));
    } else if (e->kind == EX_SLICE || e->kind == EX_PICK) {
        if (e->kind == EX_SLICE && is_tensor(e->from[0])) want_slice(e);
    } else {
        for (uint32_t i = 0; i < e->count; i++) want_expr(e->from[i]);
    }
}

void plan_want(const Plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->entries[i].alias < 0 && plan->entries[i].expr) want_expr(plan->entries[i].expr);
}
