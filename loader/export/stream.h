/* Stream: values on their way into an output file, through one bounded buffer, with progress. */
#ifndef LOADER_EXPORT_STREAM_H
#define LOADER_EXPORT_STREAM_H

#include "loader/export/atomic.h"
#include "loader/export/options.h"
#include "loader/export/plan.h"

typedef struct Stream {
    AtomicFile *file;            /* borrowed */
    unsigned char *buffer;       /* owned; for computed values, made when first needed */
    size_t room;                 /* of the buffer, in bytes */
    ExportProgress progress;     /* NULL: none */
    void *context;
    uint64_t done, total;        /* bytes of values; the writer sets the total */
    const PlanEntry *entries;    /* the plan's; borrowed */
    size_t entry_count;
    CastLosses *losses;          /* [entry_count]; NULL: not measured */
    /* A range that waits to be copied together with the one that follows it. */
    ByteSource *source;          /* NULL: none waits */
    uint64_t offset, waiting;
} Stream;

void stream_init(Stream *stream, AtomicFile *file, const Plan *plan, const ExportOptions *options);
void stream_done(Stream *stream);

/* Copies n bytes of a source. With *crc, which is carried on as in atomic_copy, at once;
 * without, ranges that follow one another in the source are joined first: nothing else may go
 * into the file before stream_flush. */
bool stream_range(Stream *stream, ByteSource *source, uint64_t offset, uint64_t n, uint32_t *crc,
                  Error *err);
/* Copies n bytes that are bools, each of them as 0 or 1. */
bool stream_bools(Stream *stream, ByteSource *source, uint64_t offset, uint64_t n, uint32_t *crc,
                  Error *err);
bool stream_flush(Stream *stream, Error *err);
/* The values of an entry, row-major: copied where they are unchanged and contiguous, else
 * computed in boxes of whole rows that fit the buffer. */
bool stream_entry(Stream *stream, const PlanEntry *entry, uint32_t *crc, Error *err);

#endif
