/* Stream: values on their way into an output file, through one bounded buffer, with progress.
 *
 * What is small goes out at once, behind whatever was appended before. For what is large room is
 * left in the file, and stream_run fills it, by several threads; the bytes are the same for any
 * number of them. */
#ifndef LOADER_EXPORT_STREAM_H
#define LOADER_EXPORT_STREAM_H

#include <pthread.h>

#include "loader/export/atomic.h"
#include "loader/export/options.h"
#include "loader/export/plan.h"
#include "loader/export/task.h"

typedef struct Stream {
    AtomicFile *file;            /* borrowed */
    unsigned threads;            /* at least 1 */
    size_t room;                 /* bytes of the buffer that each of them has */
    ExportProgress progress;     /* NULL: none */
    void *context;
    uint64_t done, total;        /* bytes of values; the writer sets the total */
    const PlanEntry *entries;    /* the plan's; borrowed */
    size_t entry_count;
    CastLosses *losses;          /* [entry_count]; NULL: not measured */
    bool resume;                 /* what is done stays when the rest fails */
    unsigned char *small;        /* owned; for small values, made when first needed */
    /* A range that waits to be copied together with the one that follows it. */
    ByteSource *source;          /* NULL: none waits */
    uint64_t offset, waiting;
    Task *tasks;                 /* owned; what stream_run is to do */
    size_t task_count, task_room;
    /* While stream_run is at work, behind the lock: */
    pthread_mutex_t lock;
    size_t next;                 /* the task of which pieces are handed out; those before are not
                                    to be begun again, but may not be done */
    bool failed;
    size_t failed_task;          /* the first place that failed; valid with `failed` */
    uint64_t failed_piece;
    Error error;                 /* of that place */
    pthread_mutex_t one_by_one;  /* held by who makes sums that all pieces of a tensor share */
} Stream;

/* Bytes of the buffer that each of the threads has: what is larger is made in pieces of it. */
size_t stream_room(const ExportOptions *options, unsigned *threads);
void stream_init(Stream *stream, AtomicFile *file, const Plan *plan, const ExportOptions *options);
void stream_done(Stream *stream);

/* Whether values of so many bytes are left to stream_run. */
bool stream_defers(uint64_t bytes);
/* Copies n bytes of a source. `crc` NULL: ranges that follow one another in the source are joined
 * first, and nothing else may go into the file before stream_flush. Else *crc is the CRC-32 of what
 * went before, and that of all when the range is there: it stays where it is until stream_run. What
 * a zip says of its member is believed and the member not read for it, so that damage stays
 * visible. */
bool stream_range(Stream *stream, ByteSource *source, uint64_t offset, uint64_t n, uint32_t *crc,
                  Error *err);
/* Copies n bytes that are bools, each of them as 0 or 1. */
bool stream_bools(Stream *stream, ByteSource *source, uint64_t offset, uint64_t n, uint32_t *crc,
                  Error *err);
bool stream_flush(Stream *stream, Error *err);
/* Whether the values of an entry are copied as they lie in their storage. */
bool stream_copies(const PlanEntry *entry);
/* What stream_entry reads of one that is not, without doing it; *pieces receives how many it is
 * made in. */
bool stream_count_reads(const PlanEntry *entry, size_t room, ExprReads *reads, uint64_t *pieces,
                        Error *err);
/* The values of an entry, row-major: copied where they are unchanged and contiguous, else
 * computed in boxes of whole rows that fit the buffer. */
bool stream_entry(Stream *stream, const PlanEntry *entry, uint32_t *crc, Error *err);
/* Fills all the room that was left. Of several errors, that of the first place is told. */
bool stream_run(Stream *stream, Error *err);

#endif
