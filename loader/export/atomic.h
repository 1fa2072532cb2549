/* AtomicFile: a sibling temporary file that becomes PATH by rename, or vanishes. */
#ifndef LOADER_EXPORT_ATOMIC_H
#define LOADER_EXPORT_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/core/error.h"
#include "loader/source/source.h"

typedef struct AtomicFile AtomicFile;

/* Creates ".NAME.XXXXXX.tmp" beside `path`, with the mode a new file would get. Symbolic
 * links are followed: the file they point to is replaced, not the link. */
AtomicFile *atomic_open(const char *path, bool force, Error *err);
uint64_t atomic_position(const AtomicFile *file);
bool atomic_write(AtomicFile *file, const void *bytes, size_t n, Error *err);
/* Appends n bytes of a source; inside the kernel where both sides allow it (no hash asked
 * for), otherwise through a buffer. *crc (may be NULL) receives the CRC-32 of them. */
bool atomic_copy(AtomicFile *file, ByteSource *source, uint64_t offset, uint64_t n, uint32_t *crc,
                 Error *err);
/* From now on every byte also goes into a SHA-256. */
void atomic_hash(AtomicFile *file);
/* Syncs file and folder, renames; frees `file` whatever happens. hex may be NULL. */
bool atomic_commit(AtomicFile *file, char hex[65], Error *err);
/* Removes the temporary file and frees. NULL is fine. */
void atomic_discard(AtomicFile *file);
/* Removes every temporary file of this process; for signal handlers (async-signal-safe). */
void atomic_discard_all(void);

#endif
