/* CRC-32 as zips have it (zlib's crc32), fast: carry-less products where the processor has them. */
#ifndef LOADER_CORE_CRC_H
#define LOADER_CORE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Carries on from `crc`, the CRC of what went before; 0 at first. From any thread. */
uint32_t crc_add(uint32_t crc, const void *bytes, size_t n);
/* Of two pieces that follow one another, the second one n bytes long. */
uint32_t crc_join(uint32_t first, uint32_t second, uint64_t n);

#endif
