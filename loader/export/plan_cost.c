#include "loader/export/plan_cost.h"

#include "loader/align/expr.h"
#include "loader/export/stream.h"

static void count_leaf(const Tensor *tensor, void *context)
{
    (void)tensor;
    ++*(size_t *)context;
}

/* What cannot be told is met again, with its error, by whoever writes it. */
static uint64_t bytes_read(const PlanEntry *entry, size_t room)
{
    ExprReads reads = {0};
    uint64_t pieces, bytes;
    Error ignored;
    if (stream_copies(entry)) return plan_entry_bytes(entry);
    (void)stream_count_reads(entry, room, &reads, &pieces, &ignored);
    bytes = reads.bytes;
    expr_reads_done(&reads);
    return bytes;
}

PlanCost plan_cost(const Plan *plan, const ExportOptions *options)
{
    PlanCost cost = {0};
    unsigned threads;
    const size_t room = stream_room(options, &threads);
    for (size_t i = 0; i < plan->count; i++) {
        const PlanEntry *entry = &plan->entries[i];
        size_t leaves = 0;
        if (entry->alias >= 0) {
            cost.tied++;
            continue;
        }
        expr_leaves(entry->expr, count_leaf, &leaves);
        cost.read += bytes_read(entry, room);
        cost.written += plan_entry_bytes(entry);
        if (plan_unchanged(entry)) cost.copied++;
        else if (leaves) cost.computed++;
        else cost.filled++;
    }
    return cost;
}

ReportPass *plan_passes(const Plan *plan, const ExportOptions *options, size_t *count)
{
    ReportPass *passes = NULL;
    unsigned threads;
    size_t list_room = 0;
    const size_t room = stream_room(options, &threads);
    *count = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const PlanEntry *entry = &plan->entries[i];
        ReportPass pass = {.target = entry->name};
        ExprReads reads = {0};
        Error ignored;
        if (entry->alias >= 0 || plan_entry_bytes(entry) <= room || stream_copies(entry)) continue;
        (void)stream_count_reads(entry, room, &reads, &pass.pieces, &ignored);
        pass.read = reads.bytes;
        pass.passes = expr_reads_passes(&reads);
        expr_reads_done(&reads);
        passes = mem_grow(passes, &list_room, *count + 1, sizeof *passes);
        passes[(*count)++] = pass;
    }
    return passes;
}
