/* CRC-32C (Castagnoli), which LevelDB and TensorFlow check their bytes with, and its mask: a CRC
 * that is stored beside what it is of is turned and shifted (leveldb/util/crc32c.h). */
#ifndef LOADER_FORMAT_CRC32C_H
#define LOADER_FORMAT_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of what came before (0: nothing) and n more bytes. */
uint32_t crc32c_add(uint32_t crc, const void *bytes, size_t n);
/* The CRC behind a masked one. */
uint32_t crc32c_unmask(uint32_t masked);

#endif
