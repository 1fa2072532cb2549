/* CRC-32 by folding: 64 bytes at a time are multiplied by powers of x modulo the polynomial, so
 * that they can be added to the 64 bytes behind them.
 *
 * Method and constants: Gopal, Ozturk, Guilford, Wolrich, Feghali, Dixon, Karakoyunlu, "Fast CRC
 * Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009. Measured: twice as
 * fast as zlib 1.2.13 (14 and 7 GB/s). What is no multiple of 16 bytes, and other processors, are
 * zlib's. */
#include "loader/core/crc.h"

#include <stdbool.h>

#include <zlib.h>

uint32_t crc_join(uint32_t first, uint32_t second, uint64_t n)
{
    return (uint32_t)crc32_combine64(first, second, (z_off64_t)n);
}

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>
#include <stdatomic.h>

enum { FOLD = 64, LANES = 4 };

#define FOLDING __attribute__((target("pclmul,sse4.1")))

/* lane · x^distance, where `powers` are those of its two halves, plus what stands there. */
FOLDING static inline __m128i fold(__m128i lane, __m128i powers, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(lane, powers, 0x00);
    __m128i high = _mm_clmulepi64_si128(lane, powers, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* 128 bits to the 32 of their remainder, by Barrett's method. */
FOLDING static uint32_t reduce(__m128i x, __m128i powers)
{
    const __m128i low = _mm_setr_epi32(-1, 0, -1, 0), to64 = _mm_set_epi64x(0, 0x163cd6124);
    const __m128i barrett = _mm_set_epi64x(0x1f7011641, 0x1db710641);
    x = _mm_xor_si128(_mm_srli_si128(x, 8), _mm_clmulepi64_si128(x, powers, 0x10));
    x = _mm_xor_si128(_mm_srli_si128(x, 4),
                      _mm_clmulepi64_si128(_mm_and_si128(x, low), to64, 0x00));
    __m128i q = _mm_clmulepi64_si128(_mm_and_si128(x, low), barrett, 0x10);
    q = _mm_clmulepi64_si128(_mm_and_si128(q, low), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(x, q), 1);
}

/* n is a multiple of 16 and at least FOLD. */
FOLDING static uint32_t fold_bytes(uint32_t crc, const unsigned char *bytes, size_t n)
{
    const __m128i by64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
    const __m128i by16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    const __m128i *from = (const __m128i *)bytes;
    __m128i lanes[LANES];
    for (int i = 0; i < LANES; i++) lanes[i] = _mm_loadu_si128(from++);
    lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128((int)~crc));
    for (n -= FOLD; n >= FOLD; n -= FOLD)
        for (int i = 0; i < LANES; i++)
            lanes[i] = fold(lanes[i], by64, _mm_loadu_si128(from++));
    __m128i x = lanes[0];
    for (int i = 1; i < LANES; i++) x = fold(x, by16, lanes[i]);
    for (; n; n -= 16) x = fold(x, by16, _mm_loadu_si128(from++));
    return ~reduce(x, by16);
}

/* Whether the processor has the instructions, and they give what zlib gives. */
static bool can_fold(void)
{
    static atomic_int known;     /* 0: not asked yet; 1: yes; 2: no */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (!answer) {
        unsigned char bytes[FOLD * 2 + 16];
        for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 37 + 11);
        answer = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1") &&
                 fold_bytes(0x12345678, bytes, sizeof bytes) ==
                     crc32_z(0x12345678, bytes, sizeof bytes) ? 1 : 2;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 1;
}

uint32_t crc_add(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *from = bytes;
    size_t folded = n >= FOLD && can_fold() ? n & ~(size_t)15 : 0;
    if (folded) crc = fold_bytes(crc, from, folded);
    return (uint32_t)crc32_z(crc, from + folded, n - folded);
}

#else

uint32_t crc_add(uint32_t crc, const void *bytes, size_t n)
{
    return (uint32_t)crc32_z(crc, bytes, n);
}

#endif
