/* Blocks as ggml-common.h lays them out. Fields in their order, d and m half floats, q quants:
 *
 *   q4_0 d q[16]       q5_0 d high[4] q[16]      q8_0 d q[32]      q1_0 d q[16]
 *   q4_1 d m q[16]     q5_1 d m high[4] q[16]    q8_1 d sum q[32]  q2_0 d q[16]
 *   q2_k scales[16] q[64] d m            q5_k d m scales[12] high[32] q[128]
 *   q3_k high[32] q[64] scales[12] d     q6_k q[128] high[64] scales[16] d
 *   q4_k d m scales[12] q[128]           q8_k d(f32) q[256] sums[16](i16)
 *   tq1_0 q[48] q[4] d    tq2_0 q[64] d    mxfp4 e8m0 q[16]    nvfp4 e4m3[4] q[32]
 *
 * Loops have constant lengths, since that is what compilers vectorise at -O2. */
#include "loader/tensor/dequant.h"

#include "loader/core/memory.h"

static inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* -- Blocks of 32 ----------------------------------------------------------------------
 *
 * Of 16 bytes the low nibbles are the first half of the block, the high ones the second. */

/* Nibbles count from -8. */
static inline void read_q4_0(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block);
    const unsigned char *q = block + 2;
    for (int i = 0; i < 16; i++) out[i] = d * (float)((q[i] & 15) - 8);
    for (int i = 0; i < 16; i++) out[i + 16] = d * (float)((q[i] >> 4) - 8);
}

/* Nibbles count from 0, and a minimum is added. */
static inline void read_q4_1(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block), m = dequant_half(block + 2);
    const unsigned char *q = block + 4;
    for (int i = 0; i < 16; i++) out[i] = d * (float)(q[i] & 15) + m;
    for (int i = 0; i < 16; i++) out[i + 16] = d * (float)(q[i] >> 4) + m;
}

/* Bit i of four bytes is the fifth bit of element i. */
static inline void join_fifth(const unsigned char *restrict high, const unsigned char *restrict q,
                              int *restrict out)
{
    uint32_t bits = dequant_u16(high) | dequant_u16(high + 2) << 16;
    for (int i = 0; i < 16; i++) {
        out[i] = (q[i] & 15) | (int)(bits >> i & 1) << 4;
        out[i + 16] = q[i] >> 4 | (int)(bits >> (i + 16) & 1) << 4;
    }
}

static inline void read_q5_0(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block);
    int q[32];
    join_fifth(block + 2, block + 6, q);
    for (int i = 0; i < 32; i++) out[i] = d * (float)(q[i] - 16);
}

static inline void read_q5_1(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block), m = dequant_half(block + 2);
    int q[32];
    join_fifth(block + 4, block + 8, q);
    for (int i = 0; i < 32; i++) out[i] = d * (float)q[i] + m;
}

static inline void read_q8_0(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block);
    for (int i = 0; i < 32; i++) out[i] = (float)(int8_t)block[2 + i] * d;
}

/* Behind d stands d times the sum of the quants, which only dot products need. */
static inline void read_q8_1(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block);
    for (int i = 0; i < 32; i++) out[i] = (float)(int8_t)block[4 + i] * d;
}

/* e2m1 doubled, as GGML has it; the scale is halved instead. */
static const signed char e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* The scale is half of 2^(e-127); 2^-128 and 2^-127 are subnormals. */
static inline void read_mxfp4(const unsigned char *restrict block, float *restrict out)
{
    uint32_t e = block[0];
    float d = float_of(e < 2 ? 0x00200000u << e : (e - 1) << 23);
    const unsigned char *q = block + 1;
    for (int i = 0; i < 16; i++) out[i] = d * (float)e2m1[q[i] & 15];
    for (int i = 0; i < 16; i++) out[i + 16] = d * (float)e2m1[q[i] >> 4];
}

/* Half of an e4m3 without sign, whose NaN counts as 0. */
static inline float half_of_e4m3(uint32_t code)
{
    uint32_t exponent = code >> 3 & 15, mantissa = code & 7;
    if (code == 0 || code == 0x7F) return 0;
    if (!exponent) return (float)mantissa * float_of((127 - 10) << 23);
    return float_of((exponent - 8 + 127) << 23 | mantissa << 20);
}

/* Four groups of 16, each with a scale of its own. */
static inline void read_nvfp4(const unsigned char *restrict block, float *restrict out)
{
    for (int group = 0; group < 4; group++, out += 16) {
        float d = half_of_e4m3(block[group]);
        const unsigned char *q = block + 4 + group * 8;
        for (int i = 0; i < 8; i++) out[i] = d * (float)e2m1[q[i] & 15];
        for (int i = 0; i < 8; i++) out[i + 8] = d * (float)e2m1[q[i] >> 4];
    }
}

/* One bit each, the lowest first: d or -d. */
static inline void read_q1_0(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block);
    for (int i = 0; i < 128; i++) out[i] = (float)(2 * (block[2 + i / 8] >> i % 8 & 1) - 1) * d;
}

/* Two bits each, the lowest first: -1, 0, 1 or 2. */
static inline void read_q2_0(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block);
    for (int i = 0; i < 64; i++) out[i] = (float)((block[2 + i / 4] >> i % 4 * 2 & 3) - 1) * d;
}

/* -- Superblocks of 256 ---------------------------------------------------------------- */

/* 16 groups of 16, each with a scale and a minimum of 4 bits. 32 bytes hold 128 elements, the
 * lowest two bits the first 32 of them. */
static inline void read_q2_k(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block + 80), m = dequant_half(block + 82);
    for (int group = 0; group < 16; group++, out += 16) {
        float scale = d * (float)(block[group] & 15), low = m * (float)(block[group] >> 4);
        const unsigned char *q = block + 16 + group / 8 * 32 + group % 2 * 16;
        int shift = group / 2 % 4 * 2;
        for (int i = 0; i < 16; i++) out[i] = scale * (float)(q[i] >> shift & 3) - low;
    }
}

/* As q2_k, with a third bit in `high`, which when it is 0 takes 4 away. Scales have 6 bits: the
 * lower four in 8 bytes, nibble by nibble, the upper two in 4 bytes, pair by pair. */
static inline void read_q3_k(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block + 108);
    const unsigned char *scales = block + 96;
    for (int group = 0; group < 16; group++, out += 16) {
        int low = scales[group % 8] >> group / 8 * 4 & 15;
        int high = scales[8 + group % 4] >> group / 4 * 2 & 3;
        float scale = d * (float)((low | high << 4) - 32);
        const unsigned char *q = block + 32 + group / 8 * 32 + group % 2 * 16;
        const unsigned char *third = block + group % 2 * 16;
        int shift = group / 2 % 4 * 2, bit = group / 2;
        for (int i = 0; i < 16; i++)
            out[i] = scale * (float)((q[i] >> shift & 3) - 4 + (third[i] >> bit & 1) * 4);
    }
}

/* q4_k and q5_k: 8 scales and minima of 6 bits in 12 bytes. The first four of each are the lower
 * 6 bits of bytes 0 … 7; the others have their lower bits in bytes 8 … 11 and their upper ones
 * over the first. */
static inline void read_scale(const unsigned char *scales, int group, int *scale, int *low)
{
    if (group < 4) {
        *scale = scales[group] & 63;
        *low = scales[group + 4] & 63;
    } else {
        *scale = (scales[group + 4] & 15) | scales[group - 4] >> 6 << 4;
        *low = scales[group + 4] >> 4 | scales[group] >> 6 << 4;
    }
}

/* Two groups of 32 share 32 bytes: the first has the low nibbles. */
static inline void read_q4_k(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block), m = dequant_half(block + 2);
    for (int group = 0; group < 8; group++, out += 32) {
        int scale, low, shift = group % 2 * 4;
        read_scale(block + 4, group, &scale, &low);
        float times = d * (float)scale, minus = m * (float)low;
        const unsigned char *q = block + 16 + group / 2 * 32;
        for (int i = 0; i < 32; i++) out[i] = times * (float)(q[i] >> shift & 15) - minus;
    }
}

/* As q4_k; bit `group` of 32 more bytes is the fifth. */
static inline void read_q5_k(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block), m = dequant_half(block + 2);
    const unsigned char *fifth = block + 16;
    for (int group = 0; group < 8; group++, out += 32) {
        int scale, low, shift = group % 2 * 4;
        read_scale(block + 4, group, &scale, &low);
        float times = d * (float)scale, minus = m * (float)low;
        const unsigned char *q = block + 48 + group / 2 * 32;
        for (int i = 0; i < 32; i++)
            out[i] = times * (float)((q[i] >> shift & 15) | (fifth[i] >> group & 1) << 4) - minus;
    }
}

/* Two halves of 128: four rows of 32, whose lower 4 bits are nibbles of 64 bytes and whose upper
 * 2 bits are pairs of 32 bytes. A scale for each 16. */
static inline void read_q6_k(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block + 208);
    for (int group = 0; group < 16; group++, out += 16) {
        int half = group / 8, row = group / 2 % 4, part = group % 2 * 16;
        float scale = d * (float)(int8_t)block[192 + group];
        const unsigned char *low = block + half * 64 + row % 2 * 32 + part;
        const unsigned char *high = block + 128 + half * 32 + part;
        int shift = row / 2 * 4, pair = row * 2;
        for (int i = 0; i < 16; i++)
            out[i] = scale * (float)(((low[i] >> shift & 15) | (high[i] >> pair & 3) << 4) - 32);
    }
}

/* The scale is an f32; the sums behind the quants are for dot products. */
static inline void read_q8_k(const unsigned char *restrict block, float *restrict out)
{
    float d = float_of(dequant_u16(block) | dequant_u16(block + 2) << 16);
    for (int i = 0; i < 256; i++) out[i] = d * (float)(int8_t)block[4 + i];
}

/* Five numbers of base 3 in a byte, as a fixed-point fraction of 256: times a power of 3, modulo
 * 256, the next digit is on top. n bytes give `digits` rows of n elements. */
static inline void read_base3(const unsigned char *restrict q, int n, int digits, float d,
                              float *restrict out)
{
    for (int digit = 0, power = 1; digit < digits; digit++, power *= 3)
        for (int i = 0; i < n; i++)
            *out++ = d * (float)((int)((q[i] * power & 255) * 3) / 256 - 1);
}

static inline void read_tq1_0(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block + 52);
    read_base3(block, 32, 5, d, out);
    read_base3(block + 32, 16, 5, d, out + 160);
    read_base3(block + 48, 4, 4, d, out + 240);
}

/* Two halves of 128, 32 bytes each; the lowest two bits of these are the first 32 elements. */
static inline void read_tq2_0(const unsigned char *restrict block, float *restrict out)
{
    float d = dequant_half(block + 64);
    for (int row = 0; row < 8; row++, out += 32) {
        const unsigned char *q = block + row / 4 * 32;
        int shift = row % 4 * 2;
        for (int i = 0; i < 32; i++) out[i] = d * (float)((q[i] >> shift & 3) - 1);
    }
}

/* -- Packed elements without a scale: the lowest bits are the first element's ----------- */

static inline void read_u4(const unsigned char *restrict block, float *restrict out)
{
    out[0] = (float)(block[0] & 15);
    out[1] = (float)(block[0] >> 4);
}

/* Two's complement of four bits. */
static inline void read_i4(const unsigned char *restrict block, float *restrict out)
{
    out[0] = (float)(((block[0] & 15) ^ 8) - 8);
    out[1] = (float)((block[0] >> 4 ^ 8) - 8);
}

static inline float e2m1_of(unsigned code)
{
    static const float values[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    return code & 8 ? -values[code & 7] : values[code & 7];   /* -0 is kept */
}

static inline void read_f4(const unsigned char *restrict block, float *restrict out)
{
    out[0] = e2m1_of(block[0] & 15);
    out[1] = e2m1_of(block[0] >> 4);
}

static inline void read_u2(const unsigned char *restrict block, float *restrict out)
{
    for (int i = 0; i < 4; i++) out[i] = (float)(block[0] >> 2 * i & 3);
}

static inline void read_i2(const unsigned char *restrict block, float *restrict out)
{
    for (int i = 0; i < 4; i++) out[i] = (float)(((block[0] >> 2 * i & 3) ^ 2) - 2);
}

static inline void read_i8(const unsigned char *restrict block, float *restrict out)
{
    out[0] = (float)(int8_t)block[0];
}

static inline void read_u8(const unsigned char *restrict block, float *restrict out)
{
    out[0] = (float)block[0];
}

/* Beyond 24 bits f32 rounds; the Quantizer therefore takes these as integers. */
static inline void read_i32(const unsigned char *restrict block, float *restrict out)
{
    out[0] = (float)(int32_t)(dequant_u16(block) | dequant_u16(block + 2) << 16);
}

/* -- All of them ----------------------------------------------------------------------- */

/* Types and what reads a block of them. */
#define READERS(X)                                                                             \
    X(DT_Q4_0, read_q4_0) X(DT_Q4_1, read_q4_1) X(DT_Q5_0, read_q5_0) X(DT_Q5_1, read_q5_1)    \
    X(DT_Q8_0, read_q8_0) X(DT_Q8_1, read_q8_1) X(DT_Q1_0, read_q1_0) X(DT_Q2_0, read_q2_0)    \
    X(DT_Q2_K, read_q2_k) X(DT_Q3_K, read_q3_k) X(DT_Q4_K, read_q4_k) X(DT_Q5_K, read_q5_k)    \
    X(DT_Q6_K, read_q6_k) X(DT_Q8_K, read_q8_k) X(DT_TQ1_0, read_tq1_0)                        \
    X(DT_TQ2_0, read_tq2_0) X(DT_MXFP4, read_mxfp4) X(DT_NVFP4, read_nvfp4)                    \
    X(DT_IQ1_S, dequant_iq1_s) X(DT_IQ1_M, dequant_iq1_m) X(DT_IQ2_XXS, dequant_iq2_xxs)       \
    X(DT_IQ2_XS, dequant_iq2_xs) X(DT_IQ2_S, dequant_iq2_s) X(DT_IQ3_XXS, dequant_iq3_xxs)     \
    X(DT_IQ3_S, dequant_iq3_s) X(DT_IQ4_NL, dequant_iq4_nl) X(DT_IQ4_XS, dequant_iq4_xs)       \
    X(DT_U4, read_u4) X(DT_I4, read_i4) X(DT_F4_E2M1, read_f4) X(DT_QUINT4X2, read_u4)         \
    X(DT_U2, read_u2) X(DT_I2, read_i2) X(DT_QUINT2X4, read_u2)                                \
    X(DT_QINT8, read_i8) X(DT_QUINT8, read_u8) X(DT_QINT32, read_i32)

void dequant_blocks(DType dtype, const unsigned char *blocks, size_t n, float *out)
{
    switch (dtype) {
#define READ_CASE(id, reader)                                                                  \
    case id: {                                                                                 \
        const unsigned elements = dtype_info(id)->block, bytes = dtype_info(id)->block_bytes;  \
        for (size_t i = 0; i < n; i++) reader(blocks + i * bytes, out + i * elements);         \
        break;                                                                                 \
    }
    READERS(READ_CASE)
#undef READ_CASE
    default: break;
    }
}

/* Fields of more than a byte: first byte, width, how many. */
typedef struct Swap {
    DType dtype;
    struct { unsigned char at, width, count; } fields[2];
} Swap;

/* GGML keeps blocks in the order of its machine; these are the types whose fields are plain
 * (gguf_convert_endian.py turns the same ones round). The iq types that are absent are read through
 * wider integers, whose order on big-endian machines nothing says. */
static const Swap swaps[] = {
    {DT_Q4_0, {{0, 2, 1}}}, {DT_Q4_1, {{0, 2, 2}}}, {DT_Q8_0, {{0, 2, 1}}},
    {DT_Q5_0, {{0, 2, 1}, {2, 4, 1}}}, {DT_Q5_1, {{0, 2, 2}, {4, 4, 1}}}, {DT_Q8_1, {{0, 2, 2}}},
    {DT_Q2_K, {{80, 2, 2}}}, {DT_Q3_K, {{108, 2, 1}}}, {DT_Q4_K, {{0, 2, 2}}},
    {DT_Q5_K, {{0, 2, 2}}}, {DT_Q6_K, {{208, 2, 1}}}, {DT_Q8_K, {{0, 4, 1}}},
    {DT_IQ4_NL, {{0, 2, 1}}}, {DT_TQ1_0, {{52, 2, 1}}}, {DT_TQ2_0, {{64, 2, 1}}},
    {DT_Q1_0, {{0, 2, 1}}}, {DT_Q2_0, {{0, 2, 1}}}, {DT_MXFP4, {{0}}}, {DT_NVFP4, {{0}}},
};

static const Swap *find_swap(DType dtype)
{
    for (size_t i = 0; i < countof(swaps); i++)
        if (swaps[i].dtype == dtype) return &swaps[i];
    return NULL;
}

static void swap_field(unsigned char *bytes, unsigned width)
{
    for (unsigned i = 0; i < width / 2; i++) {
        unsigned char byte = bytes[i];
        bytes[i] = bytes[width - 1 - i];
        bytes[width - 1 - i] = byte;
    }
}

/* The sums of q8_k are not read and stay as they are. */
bool dequant_swap(DType dtype, unsigned char *blocks, size_t n)
{
    const Swap *swap = find_swap(dtype);
    const unsigned bytes = dtype_info(dtype)->block_bytes;
    if (!swap) return false;
    for (size_t block = 0; block < n; block++)
        for (unsigned f = 0; f < countof(swap->fields); f++)
            for (unsigned i = 0; i < swap->fields[f].count; i++)
                swap_field(blocks + block * bytes + swap->fields[f].at + i * swap->fields[f].width,
                           swap->fields[f].width);
    return true;
}
