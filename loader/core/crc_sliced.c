/* Slicing by eight (Kounavis and Berry, "A Systematic Approach to Building High Performance,
 * Software-based, CRC Generators", Intel 2005): table[k] has the remainders of a byte with k zero
 * bytes behind it, so that eight bytes are looked up beside each other. */
#include "loader/core/crc_sliced.h"

#include <pthread.h>

typedef struct Polynomial {
    uint64_t reflected;
    uint64_t inverted;           /* all bits of the register */
} Polynomial;

static const Polynomial polynomials[CRC_KIND_COUNT] = {
    [CRC_32C] = {0x82F63B78, UINT32_MAX},
    [CRC_64_NVME] = {0x9A6C9329AC4BC9B5, UINT64_MAX},
    [CRC_64_XZ] = {0xC96C5795D7870F42, UINT64_MAX},
};

static uint64_t tables[CRC_KIND_COUNT][8][256];
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    for (int kind = 0; kind < CRC_KIND_COUNT; kind++) {
        uint64_t (*table)[256] = tables[kind];
        for (uint64_t byte = 0; byte < 256; byte++) {
            uint64_t crc = byte;
            for (int bit = 0; bit < 8; bit++)
                crc = crc >> 1 ^ (crc & 1 ? polynomials[kind].reflected : 0);
            table[0][byte] = crc;
        }
        for (int k = 1; k < 8; k++)
            for (int byte = 0; byte < 256; byte++)
                table[k][byte] = table[0][table[k - 1][byte] & 0xFF] ^ table[k - 1][byte] >> 8;
    }
}

/* Written so that compilers make one load of it. */
static inline uint64_t read_eight(const unsigned char *p)
{
    uint64_t low = p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
    uint64_t high = p[4] | (uint64_t)p[5] << 8 | (uint64_t)p[6] << 16 | (uint64_t)p[7] << 24;
    return low | high << 32;
}

uint64_t crc_sliced_add(CrcKind kind, uint64_t crc, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    pthread_once(&made, make_tables);
    const uint64_t (*table)[256] = (const uint64_t (*)[256])tables[kind];
    crc ^= polynomials[kind].inverted;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word = crc ^ read_eight(p);
        crc = 0;
        for (int k = 7; k >= 0; k--, word >>= 8) crc ^= table[k][word & 0xFF];
    }
    while (n--) crc = table[0][(crc ^ *p++) & 0xFF] ^ crc >> 8;
    return crc ^ polynomials[kind].inverted;
}
