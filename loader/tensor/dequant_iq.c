/* Blocks of GGML's iq types, 256 elements each (iq4_nl: 32), as ggml-common.h lays them out. Fields
 * in their order, d a half float; the points are numbers of a grid, 8 coordinates each (iq3: 4):
 *
 *   iq2_xxs d q[8]({u8 point[4], u32: 4 × 7 bits of signs, 4 of scale})
 *   iq2_xs  d q[32](u16: 9 bits of point, 7 of signs) scales[8]
 *   iq2_s   d q[32] signs[32] high[8] scales[8]
 *   iq3_xxs d q[64] s[8](u32: 4 × 7 bits of signs, 4 of scale)
 *   iq3_s   d q[64] high[8] signs[32] scales[4]
 *   iq1_s   d q[32] high[8](u16: 4 × 3 bits of point, 3 of scale, 1 of the shift's sign)
 *   iq1_m   q[32] high[16](4 bits a point, of which 1 of the shift's sign) scales[4](u16)
 *   iq4_nl  d q[16]         iq4_xs  d high(u16) scales[4] q[128] */
#include "loader/tensor/dequant.h"
#include "loader/tensor/dequant_grids.h"

/* Seven stored signs and an eighth that makes the number of minus signs even. */
static unsigned eight_signs(unsigned seven)
{
    return seven | (unsigned)__builtin_parity(seven) << 7;
}

/* 1 or -1: a product cannot be mispredicted as a branch on such bits would be, half the time. */
static inline float sign_of(unsigned signs, int i)
{
    return (float)(1 - 2 * (int)(signs >> i & 1));
}

/* Eight coordinates of 2 bits, times the scale, then the sign. */
static void put_iq2(unsigned point, unsigned signs, float scale, float *out)
{
    static const float levels[4] = {8, 25, 43, 0};
    for (int i = 0; i < 8; i++)
        out[i] = scale * levels[point >> 2 * i & 3] * sign_of(signs, i);
}

/* Four coordinates of 4 bits; the signs are the lowest four. */
static void put_iq3(unsigned point, unsigned signs, const float *levels, float scale, float *out)
{
    for (int i = 0; i < 4; i++)
        out[i] = scale * levels[point >> 4 * i & 7] * sign_of(signs, i);
}

/* All coordinates are shifted by an eighth, up or down. */
static void put_iq1(unsigned number, bool down, float scale, float *out)
{
    unsigned point = dequant_grid_iq1_s[number];
    float shift = down ? -0.125f : 0.125f;
    for (int i = 0; i < 8; i++) out[i] = scale * ((float)((int)(point >> 2 * i & 3) - 1) + shift);
}

void dequant_iq2_xxs(const unsigned char *block, float *out)
{
    float d = dequant_half(block);
    for (int group = 0; group < 8; group++) {
        const unsigned char *q = block + 2 + group * 8;
        uint32_t rest = dequant_u16(q + 4) | dequant_u16(q + 6) << 16;
        float scale = d * (0.5f + (float)(rest >> 28)) * 0.25f;
        for (int i = 0; i < 4; i++, out += 8)
            put_iq2(dequant_grid_iq2_xxs[q[i]], eight_signs(rest >> 7 * i & 127), scale, out);
    }
}

/* A scale for each 16 elements: nibbles, the low one first. */
static float iq2_scale(float d, const unsigned char *scales, int point)
{
    return d * (0.5f + (float)(scales[point / 4] >> point / 2 % 2 * 4 & 15)) * 0.25f;
}

void dequant_iq2_xs(const unsigned char *block, float *out)
{
    float d = dequant_half(block);
    for (int i = 0; i < 32; i++, out += 8) {
        uint32_t q = dequant_u16(block + 2 + 2 * i);
        put_iq2(dequant_grid_iq2_xs[q & 511], eight_signs(q >> 9), iq2_scale(d, block + 66, i),
                out);
    }
}

void dequant_iq2_s(const unsigned char *block, float *out)
{
    float d = dequant_half(block);
    for (int i = 0; i < 32; i++, out += 8) {
        unsigned high = block[66 + i / 4] >> i % 4 * 2 & 3;
        put_iq2(dequant_grid_iq2_s[block[2 + i] | high << 8], block[34 + i],
                iq2_scale(d, block + 74, i), out);
    }
}

void dequant_iq3_xxs(const unsigned char *block, float *out)
{
    static const float levels[8] = {4, 12, 20, 28, 36, 44, 52, 62};
    float d = dequant_half(block);
    for (int group = 0; group < 8; group++) {
        const unsigned char *q = block + 2 + group * 8, *s = block + 66 + group * 4;
        uint32_t rest = dequant_u16(s) | dequant_u16(s + 2) << 16;
        float scale = d * (0.5f + (float)(rest >> 28)) * 0.5f;
        for (int i = 0; i < 8; i++, out += 4)
            put_iq3(dequant_grid_iq3_xxs[q[i]],
                    eight_signs(rest >> i / 2 * 7 & 127) >> i % 2 * 4, levels, scale, out);
    }
}

void dequant_iq3_s(const unsigned char *block, float *out)
{
    static const float levels[8] = {1, 3, 5, 7, 9, 11, 13, 15};
    const unsigned char *high = block + 66, *signs = block + 74, *scales = block + 106;
    float d = dequant_half(block);
    for (int i = 0; i < 64; i++, out += 4) {
        unsigned point = block[2 + i] | (unsigned)(high[i / 8] >> i % 8 & 1) << 8;
        float scale = d * (float)(1 + 2 * (scales[i / 16] >> i / 8 % 2 * 4 & 15));
        put_iq3(dequant_grid_iq3_s[point], (unsigned)signs[i / 2] >> i % 2 * 4, levels, scale,
                out);
    }
}

void dequant_iq1_s(const unsigned char *block, float *out)
{
    float d = dequant_half(block);
    for (int i = 0; i < 32; i++, out += 8) {
        uint32_t high = dequant_u16(block + 34 + i / 4 * 2);
        float scale = d * (float)(2 * (high >> 12 & 7) + 1);
        put_iq1(block[2 + i] | (high >> i % 4 * 3 & 7) << 8, high >> 15, scale, out);
    }
}

/* The scale of the whole is in the upper nibbles of four numbers, whose other 12 bits are scales
 * of 16 elements, 3 bits each. */
void dequant_iq1_m(const unsigned char *block, float *out)
{
    const unsigned char *scales = block + 48;
    unsigned char whole[2] = {(unsigned char)(scales[1] >> 4 | (scales[3] & 0xF0)),
                              (unsigned char)(scales[5] >> 4 | (scales[7] & 0xF0))};
    float d = dequant_half(whole);
    for (int i = 0; i < 32; i++, out += 8) {
        unsigned high = (unsigned)block[32 + i / 2] >> i % 2 * 4;
        uint32_t three = dequant_u16(scales + i / 8 * 2) >> i / 2 % 4 * 3 & 7;
        put_iq1(block[i] | (high & 7) << 8, high & 8, d * (float)(2 * three + 1), out);
    }
}

/* What a nibble of iq4 stands for. */
static const float iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};

static void put_iq4(const unsigned char *q, float scale, float *out)
{
    for (int i = 0; i < 16; i++) {
        out[i] = scale * iq4_levels[q[i] & 15];
        out[i + 16] = scale * iq4_levels[q[i] >> 4];
    }
}

void dequant_iq4_nl(const unsigned char *block, float *out)
{
    put_iq4(block + 2, dequant_half(block), out);
}

/* Scales of 6 bits: nibbles, and pairs of a number of 16 bits. */
void dequant_iq4_xs(const unsigned char *block, float *out)
{
    float d = dequant_half(block);
    uint32_t high = dequant_u16(block + 2);
    for (int group = 0; group < 8; group++, out += 32) {
        unsigned low = block[4 + group / 2] >> group % 2 * 4 & 15;
        int scale = (int)(low | (high >> 2 * group & 3) << 4) - 32;
        put_iq4(block + 8 + group * 16, d * (float)scale, out);
    }
}
