/* PartLog: which stretches of an unfinished file are done and on the disk, so that whoever goes on
 * after a kill need not make them again.
 *
 *   tenon part 2 IDENTITY INODE\n          what is being written: 64 hexadecimal digits; the part's
 *   NNNNNNNNNNNNNNNN CCCCCCCC\n …          the number of a stretch and the CRC-32 of its bytes
 *
 * A line is written after its bytes were synced, and counts when it is whole. */
#ifndef LOADER_EXPORT_PART_LOG_H
#define LOADER_EXPORT_PART_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/core/error.h"

typedef struct PartLog PartLog;

/* Opens the log at `path`, or begins one. One of another identity, or of another part, is begun
 * anew; *begun tells whether there is something to go on with. */
PartLog *part_log_open(const char *path, const char *identity, uint64_t inode, bool *begun,
                       Error *err);
void part_log_close(PartLog *log);           /* NULL is fine; the file stays */
/* Whether a stretch is done. */
bool part_log_find(const PartLog *log, size_t number, uint32_t *crc);
/* A stretch of so many bytes is written; true when it is time for part_log_sync. */
bool part_log_add(PartLog *log, size_t number, uint32_t crc, uint64_t bytes);
/* Syncs the file with the stretches, then adds their lines. */
bool part_log_sync(PartLog *log, int fd, Error *err);

#endif
