/* How tasks are cut, and one piece of each kind. */
#include "loader/export/task.h"

#include <stdlib.h>

#include "loader/core/crc.h"

enum {
    RANGE_PIECE = 16 << 20,      /* bytes: progress moves, and threads have something to share */
    COPY_STEP = 256 << 10        /* bytes read before they are written: they stay in the cache */
};

/* Whether the pieces of a value want the same sums (expr_memo.h): these are kept for what is
 * repeated. */
static bool shares_sums(const Expr *e)
{
    if (e->kind == EX_REPEAT) return true;
    for (uint32_t i = 0; i < e->count; i++)
        if (shares_sums(e->from[i])) return true;
    return false;
}

/* Boxes of at most `room` elements: whole behind `axis`, `rows` of it, one index before it. */
static void cut_values(Task *task, uint64_t room)
{
    const PlanEntry *entry = task->entry;
    uint64_t block = 1, outer = 1;
    task->axis = 0;
    task->rows = 1;
    for (unsigned i = entry->rank; i-- > 0;) {
        const uint64_t dim = (uint64_t)entry->dims[i];
        task->axis = i;
        task->rows = entry->dims[i];
        if (dim > room / block) {
            task->rows = (int64_t)(room / block);
            break;
        }
        block *= dim;
    }
    for (unsigned i = 0; i < task->axis; i++) outer *= (uint64_t)entry->dims[i];
    const uint64_t dim = entry->rank ? (uint64_t)entry->dims[task->axis] : 1;
    task->count = outer * ((dim + (uint64_t)task->rows - 1) / (uint64_t)task->rows);
}

bool task_init(Task *task, size_t room, Error *err)
{
    if (task->kind == TASK_VALUES) {
        const DTypeInfo *info = dtype_info(task->entry->dtype);
        const uint64_t elements = (uint64_t)room / info->block_bytes * info->block;
        uint64_t bytes;
        cut_values(task, elements);
        task->together = shares_sums(task->entry->expr);
        uint64_t row = (uint64_t)task->rows;
        for (unsigned i = task->axis + 1; i < task->entry->rank; i++)
            row *= (uint64_t)task->entry->dims[i];
        if (!dtype_bytes(task->entry->dtype, row, &bytes)) {
            error_set(err, ERR_UNSUPPORTED, "packed %s values do not fill whole bytes where they "
                      "must be cut", info->name);
            return plan_entry_prefix(task->entry, err);
        }
    } else {
        task->piece = task->kind == TASK_BOOLS && room < RANGE_PIECE ? room : RANGE_PIECE;
        task->count = (task->bytes + task->piece - 1) / task->piece;
    }
    task->left = task->count;
    if (task->crc) task->crcs = mem_alloc(task->count * sizeof *task->crcs);
    return true;
}

void task_done(Task *task)
{
    free(task->crcs);
}

/* The box of a piece; *first receives the row-major number of its first element, and the result is
 * the number of its elements. */
static uint64_t find_box(const Task *task, uint64_t index, int64_t *from, int64_t *size,
                         uint64_t *first)
{
    const PlanEntry *entry = task->entry;
    uint64_t count = 1;
    *first = 0;
    if (!entry->rank) return 1;
    const uint64_t rows = (uint64_t)task->rows, dim = (uint64_t)entry->dims[task->axis];
    const uint64_t cuts = (dim + rows - 1) / rows;
    uint64_t outer = index / cuts;
    for (unsigned i = 0; i < entry->rank; i++) {
        from[i] = 0;
        size[i] = i < task->axis ? 1 : entry->dims[i];
    }
    from[task->axis] = (int64_t)(index % cuts * rows);
    const int64_t left = entry->dims[task->axis] - from[task->axis];
    size[task->axis] = left < task->rows ? left : task->rows;
    for (unsigned i = task->axis; i-- > 0; outer /= (uint64_t)entry->dims[i])
        from[i] = (int64_t)(outer % (uint64_t)entry->dims[i]);
    for (unsigned i = 0; i < entry->rank; i++) {
        *first = *first * (uint64_t)entry->dims[i] + (uint64_t)from[i];
        count *= (uint64_t)size[i];
    }
    return count;
}

/* Cannot fail: task_init has seen that pieces are whole bytes. */
static uint64_t bytes_of(const Task *task, uint64_t elements)
{
    uint64_t bytes = 0;
    dtype_bytes(task->entry->dtype, elements, &bytes);
    return bytes;
}

uint64_t task_piece_bytes(const Task *task, uint64_t index)
{
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
    uint64_t first;
    if (task->kind == TASK_VALUES)
        return bytes_of(task, find_box(task, index, from, size, &first));
    const uint64_t left = task->bytes - index * task->piece;
    return left < task->piece ? left : task->piece;
}

static bool make_values(const Task *task, uint64_t index, AtomicFile *file, unsigned char *buffer,
                        ExprMemo *memo, CastLosses *losses, Error *err)
{
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
    uint64_t first;
    const size_t bytes = (size_t)bytes_of(task, find_box(task, index, from, size, &first));
    if (!expr_fill_measured(task->entry->expr, from, size, buffer, memo, losses, err))
        return plan_entry_prefix(task->entry, err);
    if (task->crcs) task->crcs[index] = crc_add(0, buffer, bytes);
    return atomic_write_at(file, task->at + bytes_of(task, first), buffer, bytes, err);
}

/* Memory that was never written is saved as bools too: a byte of 2 is true to one kernel of PyTorch
 * and neither true nor false to another. */
static bool make_bools(const Task *task, uint64_t index, AtomicFile *file, unsigned char *buffer,
                       Error *err)
{
    const size_t n = (size_t)task_piece_bytes(task, index);
    const uint64_t start = index * task->piece;
    if (!source_read(task->source, task->offset + start, buffer, n, err)) return false;
    for (size_t i = 0; i < n; i++) buffer[i] = buffer[i] != 0;
    if (task->crcs) task->crcs[index] = crc_add(0, buffer, n);
    return atomic_write_at(file, task->at + start, buffer, n, err);
}

bool task_make(const Task *task, uint64_t index, AtomicFile *file, unsigned char *buffer,
               size_t room, ExprMemo *memo, CastLosses *losses, Error *err)
{
    switch (task->kind) {
    case TASK_VALUES: return make_values(task, index, file, buffer, memo, losses, err);
    case TASK_BOOLS: return make_bools(task, index, file, buffer, err);
    default: break;
    }
    const uint64_t start = index * task->piece;
    const size_t step = room < COPY_STEP ? room : COPY_STEP;
    return atomic_copy_at(file, task->at + start, task->source, task->offset + start,
                          task_piece_bytes(task, index), buffer, step,
                          task->crcs ? &task->crcs[index] : NULL, err);
}

bool task_count_reads(const Task *task, ExprReads *reads, Error *err)
{
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
    uint64_t first;
    ExprMemo *memo = task->together ? expr_memo_new() : NULL;
    void *room = mem_realloc(NULL, (size_t)task_piece_bytes(task, 0));   /* never touched */
    bool fine = true;
    for (uint64_t i = 0; fine && i < task->count; i++) {
        find_box(task, i, from, size, &first);
        fine = expr_count_reads(task->entry->expr, from, size, room, memo, reads, err);
    }
    free(room);
    expr_memo_free(memo);
    return fine;
}

uint32_t task_sum(const Task *task)
{
    uint32_t sum = 0;
    for (uint64_t i = 0; task->crc && i < task->count; i++)
        sum = crc_join(sum, task->crcs[i], task_piece_bytes(task, i));
    return sum;
}

void task_settle(const Task *task, uint32_t sum)
{
    if (task->crc) *task->crc = crc_join(*task->crc, sum, task->bytes);
}
