#include "loader/format/crc32c.h"

#include "loader/core/crc_sliced.h"

uint32_t crc32c_add(uint32_t crc, const void *bytes, size_t n)
{
    return (uint32_t)crc_sliced_add(CRC_32C, crc, bytes, n);
}

uint32_t crc32c_unmask(uint32_t masked)
{
    uint32_t turned = masked - 0xA282EAD8u;
    return turned >> 17 | turned << 15;
}
