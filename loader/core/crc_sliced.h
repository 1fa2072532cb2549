/* CRCs that zlib has not: bits reflected, the register inverted before and after. Eight bytes at a
 * time by tables. */
#ifndef LOADER_CORE_CRC_SLICED_H
#define LOADER_CORE_CRC_SLICED_H

#include <stddef.h>
#include <stdint.h>

typedef enum CrcKind {
    CRC_32C,                     /* Castagnoli: LevelDB, TensorFlow, Google's store, S3 */
    CRC_64_NVME,                 /* S3 */
    CRC_64_XZ,                   /* ECMA-182's polynomial, as xz uses it: OSS */
    CRC_KIND_COUNT
} CrcKind;

/* Carries on from `crc`, the CRC of what went before; 0 at first. From any thread. */
uint64_t crc_sliced_add(CrcKind kind, uint64_t crc, const void *bytes, size_t n);

#endif
