/* AtomicFile: a sibling temporary file that becomes PATH by rename, or vanishes.
 *
 * Bytes are appended, or room for them is left and filled later, in any order and by several
 * threads. Small writes are gathered, write-back starts early, so that the sync at the end is
 * short; ranges of files are cloned where the file system can. */
#ifndef LOADER_EXPORT_ATOMIC_H
#define LOADER_EXPORT_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/core/error.h"
#include "loader/core/text.h"
#include "loader/source/checksum.h"
#include "loader/source/source.h"

typedef struct AtomicFile AtomicFile;

/* Whether atomic_open could succeed now, without making anything: the same errors. */
bool atomic_check(const char *path, bool force, Error *err);
/* Creates ".NAME.XXXXXX.tmp" beside `path`. Symbolic links are followed: the file they point
 * to is replaced, not the link. Without `force` an existing path is ERR_EXISTS, now and again
 * at the commit. The mode is that of the file to be replaced, else what a new file gets. */
AtomicFile *atomic_open(const char *path, bool force, Error *err);
/* The same for what shall survive a kill: a sibling ".NAME.tenon-part", kept on errors and signals,
 * and gone on with by whoever opens it with the same identity (64 hexadecimal digits), once. */
AtomicFile *atomic_open_part(const char *path, bool force, const char *identity, Error *err);
/* Of a part, whether stretch `number`, which ends at byte `end`, is done, with its CRC; false for
 * other files. */
bool atomic_is_done(const AtomicFile *file, size_t number, uint64_t end, uint32_t *crc);
/* Stretch `number`, of so many bytes, is written; nothing for other files. Not from two threads at
 * once. */
bool atomic_note_done(AtomicFile *file, size_t number, uint32_t crc, uint64_t bytes, Error *err);
/* Claims disk space for a file of `total` bytes, where the file system can: a full disk is
 * then seen before anything is written. Only a hint about the size. */
bool atomic_reserve(AtomicFile *file, uint64_t total, Error *err);
uint64_t atomic_position(const AtomicFile *file);
bool atomic_write(AtomicFile *file, const void *bytes, size_t n, Error *err);
/* Appends n bytes of a source, through the gathered ones. *crc (may be NULL) is the CRC-32 of what
 * went before, 0 at first, and is carried on, as zlib's. */
bool atomic_copy(AtomicFile *file, ByteSource *source, uint64_t offset, uint64_t n, uint32_t *crc,
                 Error *err);
/* Leaves room for n bytes, which the next two fill before the commit. */
bool atomic_skip(AtomicFile *file, uint64_t n, Error *err);
/* Writes into such room, from any thread. */
bool atomic_write_at(AtomicFile *file, uint64_t at, const void *bytes, size_t n, Error *err);
/* The same of n bytes of a source: inside the kernel where both sides allow it and no CRC is
 * wanted, else through the caller's buffer of `room` bytes. */
bool atomic_copy_at(AtomicFile *file, uint64_t at, ByteSource *source, uint64_t offset, uint64_t n,
                    unsigned char *buffer, size_t room, uint32_t *crc, Error *err);
/* A SHA-256 of the whole file is wanted at the commit. */
void atomic_hash(AtomicFile *file);
/* Syncs the file, renames it, syncs the folder; frees `file` whatever happens. hex may be
 * NULL. */
bool atomic_commit(AtomicFile *file, char hex[CHECKSUM_TEXT], Error *err);
/* A whole small file at once. */
bool atomic_write_file(const char *path, bool force, const Text *text, Error *err);
/* Removes the temporary file and frees. NULL is fine. */
void atomic_discard(AtomicFile *file);
/* Removes the temporary files of this process; for signal handlers (async-signal-safe). */
void atomic_discard_all(void);

#endif
