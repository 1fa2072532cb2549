/* Spool: bytes that have to be made before they can be read anywhere: kept in memory when they
 * are few, else in a temporary file that has no name, so that it is gone with the process. */
#ifndef LOADER_SOURCE_SPOOL_H
#define LOADER_SOURCE_SPOOL_H

#include "loader/source/source.h"

enum { SPOOL_MEMORY_MAX = 1 << 20 };     /* bytes that are kept in memory */

typedef struct Spool Spool;

/* For exactly `size` bytes; `name` is what errors and the source call them. */
Spool *spool_new(uint64_t size, const char *name, Error *err);
/* An error when they are more than `size`, or the disk is full. */
bool spool_add(Spool *spool, const void *bytes, size_t n, Error *err);
/* What was added, as a source; NULL when it is less than `size`. The spool is gone either way. */
ByteSource *spool_finish(Spool *spool, Error *err);
void spool_free(Spool *spool);           /* one that is not to be finished; NULL is fine */

#endif
