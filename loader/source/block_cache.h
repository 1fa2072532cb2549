/* BlockCache: what servers sent, kept in one temporary file of the process that has no name, so
 * that reading a tensor in many small pieces asks for its bytes once. Bounded by
 * LIMIT_REMOTE_CACHE; what was used longest ago goes first. Nothing depends on it: what cannot be
 * kept is asked again. */
#ifndef LOADER_SOURCE_BLOCK_CACHE_H
#define LOADER_SOURCE_BLOCK_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLOCK_BYTES = 32 << 10 };     /* of every block but a file's last */

/* A number for one more file whose blocks are kept. */
uint64_t block_cache_owner(void);
/* How many blocks of all files together it keeps; 0: none, for want of a temporary file. */
uint64_t block_cache_room(void);
/* Forgets all blocks of a file that is closed. */
void block_cache_drop(uint64_t owner);
bool block_cache_has(uint64_t owner, uint64_t block);
/* n bytes from `skip` on; false when the block is not there. */
bool block_cache_get(uint64_t owner, uint64_t block, size_t skip, void *out, size_t n);
/* Keeps a whole block, n bytes. */
void block_cache_put(uint64_t owner, uint64_t block, const void *bytes, size_t n);

#endif
