/* ByteSource: where bytes come from. Positional reads, no cursor, no seek: a file, a piece
 * of memory, a window of another source and a zip member are the same to every parser.
 *
 * Sources are reference-counted and may be read from several threads at once. */
#ifndef LOADER_SOURCE_SOURCE_H
#define LOADER_SOURCE_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/core/error.h"
#include "loader/core/limits.h"

typedef struct ByteSource ByteSource;

typedef struct ByteSourceOps {
    /* Reads exactly n bytes at offset (the range was checked against size) or fails. */
    bool (*read)(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err);
    /* Where the bytes really lie, for copies inside the kernel: a descriptor and an absolute
     * offset that holds n contiguous bytes. NULL, or false, when there is no such thing. */
    bool (*locate)(ByteSource *source, uint64_t offset, uint64_t n, int *fd, uint64_t *where);
    void (*close)(ByteSource *source);   /* frees what the source owns, then the source */
    /* Will be read soon (source_want). NULL where that is of no use. */
    void (*want)(ByteSource *source, uint64_t offset, uint64_t n);
} ByteSourceOps;

/* Concrete sources put this first. */
struct ByteSource {
    const ByteSourceOps *ops;
    const char *name;        /* for errors: "net.pth", "net.pth::data/0"; owned by the source */
    uint64_t size;           /* bytes; never changes */
    atomic_uint refs;        /* whoever brings it to 0 closes */
};

/* A regular file, opened read-only. Errors name the path and say what it is instead when it
 * is missing, a folder, or not a regular file. A file that shrinks or changes size while it
 * is open makes reads fail (never SIGBUS: nothing is mapped). Of small reads that follow each other
 * many are of one moment: that of the first. */
ByteSource *source_open_file(const char *path, Error *err);
/* n bytes that are copied. */
ByteSource *source_from_memory(const void *bytes, size_t n, const char *name);
/* Bytes [offset, offset+size) of `base`, which is kept alive. Fails when they do not lie
 * inside. NULL name: the base's. */
ByteSource *source_window(ByteSource *base, uint64_t offset, uint64_t size, const char *name,
                          Error *err);

ByteSource *source_ref(ByteSource *source);     /* returns its argument */
void source_unref(ByteSource *source);          /* NULL is fine; the last one closes */

/* Exactly n bytes, or an error that names the source, the place and its size. */
bool source_read(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err);
/* True when the kernel can copy the range itself (see ByteSourceOps.locate). */
bool source_locate(ByteSource *source, uint64_t offset, uint64_t n, int *fd, uint64_t *where);
/* Says that a range will be read, soon, and behind those that were said before. A source far away
 * may fetch it together with others; whoever reads what was not said only waits longer. */
void source_want(ByteSource *source, uint64_t offset, uint64_t n);
/* The whole source in malloc'd memory (one NUL added), when it is at most `limit` bytes. */
char *source_slurp(ByteSource *source, size_t limit, size_t *n, Error *err);
/* The same with a limit that the user can set, which the error names. */
char *source_slurp_limited(ByteSource *source, LimitId id, size_t *n, Error *err);

#endif
