/* Dequant: quantized and packed elements, as they are stored, to f32: exactly the numbers that
 * GGML's dequantize_row_… and gguf.quants.dequantize give, in their order of operations. */
#ifndef LOADER_TENSOR_DEQUANT_H
#define LOADER_TENSOR_DEQUANT_H

#include <string.h>

#include "loader/tensor/dtype.h"

/* n blocks (dtype_info()->block_bytes each) to n times `block` numbers. For CLASS_QUANT types with
 * values (dtype_of_values); qint8, quint8 and qint32, quint4x2 and quint2x4 give the integers that
 * are stored, which a Quantizer (tensor.h) then scales. Nothing need be aligned. */
void dequant_blocks(DType dtype, const unsigned char *blocks, size_t n, float *out);

/* Turns n blocks of a big-endian file into little-endian ones, in place. False for types whose
 * big-endian form nothing defines. */
bool dequant_swap(DType dtype, unsigned char *blocks, size_t n);

/* --- between the files of this module: one block each, those of IQ types in dequant_iq.c -- */

void dequant_iq1_s(const unsigned char *block, float *out);
void dequant_iq1_m(const unsigned char *block, float *out);
void dequant_iq2_xxs(const unsigned char *block, float *out);
void dequant_iq2_xs(const unsigned char *block, float *out);
void dequant_iq2_s(const unsigned char *block, float *out);
void dequant_iq3_xxs(const unsigned char *block, float *out);
void dequant_iq3_s(const unsigned char *block, float *out);
void dequant_iq4_nl(const unsigned char *block, float *out);
void dequant_iq4_xs(const unsigned char *block, float *out);

/* A number of two bytes, little-endian. */
static inline uint32_t dequant_u16(const unsigned char *bytes)
{
    return (uint32_t)(bytes[0] | bytes[1] << 8);
}

/* A half float. Multiplying by 2^112 moves the exponent and makes subnormals normal, exactly. */
static inline float dequant_half(const unsigned char *bytes)
{
    uint32_t code = dequant_u16(bytes), bits = (code & 0x7FFF) << 13, scale = 0x77800000;
    float value, power;
    memcpy(&value, &bits, sizeof value);
    memcpy(&power, &scale, sizeof power);
    value *= power;
    memcpy(&scale, &value, sizeof value);
    bits = ((code & 0x7C00) == 0x7C00 ? bits | 0x7F800000 : scale) | (code >> 15) << 31;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
