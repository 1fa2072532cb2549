/* Task: a stretch of an output file that is to be filled, in pieces that know nothing of each
 * other: which thread makes one, and when, changes nothing. */
#ifndef LOADER_EXPORT_TASK_H
#define LOADER_EXPORT_TASK_H

#include "loader/export/atomic.h"
#include "loader/export/plan.h"

typedef enum TaskKind {
    TASK_RANGE,                  /* bytes of a source as they are */
    TASK_BOOLS,                  /* bytes of a source, each as 0 or 1 */
    TASK_VALUES                  /* the values of an entry, computed */
} TaskKind;

typedef struct Task {
    TaskKind kind;
    bool together;               /* VALUES: pieces share sums, so one thread makes all of them */
    uint64_t at;                 /* where it begins in the output */
    uint64_t bytes;
    ByteSource *source;          /* RANGE BOOLS; borrowed */
    uint64_t offset;             /* RANGE BOOLS: in it */
    const PlanEntry *entry;      /* VALUES; borrowed */
    unsigned axis;               /* VALUES: the axis that is cut; those behind it are whole */
    int64_t rows;                /* VALUES: indices of it in a piece */
    uint64_t piece;              /* RANGE BOOLS: bytes of a piece */
    uint64_t count, next, left;  /* pieces: all, the next one to be begun, those not yet done */
    uint32_t *crc;               /* borrowed; NULL: nobody wants it */
    uint32_t *crcs;              /* [count], of the pieces; owned; NULL without crc */
} Task;

/* How a task is cut, for buffers of `room` bytes. Fails where values are packed and no row fits
 * whole bytes. `task` has kind, at, bytes, crc and what the kind needs. */
bool task_init(Task *task, size_t room, Error *err);
void task_done(Task *task);
/* Bytes of one piece. */
uint64_t task_piece_bytes(const Task *task, uint64_t index);
/* Makes one piece in `buffer`, of the room that the task was cut for, and writes it. `memo` and
 * `losses` (either may be NULL) as in expr_fill_measured. */
bool task_make(const Task *task, uint64_t index, AtomicFile *file, unsigned char *buffer,
               size_t room, ExprMemo *memo, CastLosses *losses, Error *err);
/* What making all pieces of a task of VALUES reads, without making them. */
bool task_count_reads(const Task *task, ExprReads *reads, Error *err);
/* All pieces are there: the CRC-32 of their bytes, 0 when nobody wants it. */
uint32_t task_sum(const Task *task);
/* Carries *crc on by that. */
void task_settle(const Task *task, uint32_t sum);

#endif
