/* DType: the element types of the field, in two tables: those whose elements stand by themselves
 * (its name on the command line, its size, what PyTorch's storage classes and dtypes, safetensors
 * and NumPy call it), and GGML's, whose elements are quantized together in blocks. */
#ifndef LOADER_TENSOR_DTYPE_H
#define LOADER_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an element is as a number. QUANT: its value follows from what is stored (quantized, or
 * packed into a part of a byte), and is read as f32; OTHER: no number at all. */
typedef enum DTypeClass {
    CLASS_FLOAT, CLASS_INT, CLASS_UINT, CLASS_BOOL, CLASS_COMPLEX, CLASS_QUANT, CLASS_OTHER
} DTypeClass;

/* id, name in rules and reports, bits, class, torch dtype, torch storage class (NULL: untyped, with
 * _rebuild_tensor_v3), safetensors name, NumPy descr (without byte order). */
#define DTYPES(X)                                                                              \
    X(DT_F64, "f64", 64, CLASS_FLOAT, "float64", "DoubleStorage", "F64", "f8")                 \
    X(DT_F32, "f32", 32, CLASS_FLOAT, "float32", "FloatStorage", "F32", "f4")                  \
    X(DT_F16, "f16", 16, CLASS_FLOAT, "float16", "HalfStorage", "F16", "f2")                   \
    X(DT_BF16, "bf16", 16, CLASS_FLOAT, "bfloat16", "BFloat16Storage", "BF16", NULL)           \
    X(DT_F8_E4M3, "f8_e4m3", 8, CLASS_FLOAT, "float8_e4m3fn", NULL, "F8_E4M3", NULL)           \
    X(DT_F8_E5M2, "f8_e5m2", 8, CLASS_FLOAT, "float8_e5m2", NULL, "F8_E5M2", NULL)             \
    X(DT_F8_E4M3FNUZ, "f8_e4m3fnuz", 8, CLASS_FLOAT, "float8_e4m3fnuz", NULL, "F8_E4M3FNUZ", NULL) \
    X(DT_F8_E5M2FNUZ, "f8_e5m2fnuz", 8, CLASS_FLOAT, "float8_e5m2fnuz", NULL, "F8_E5M2FNUZ", NULL) \
    X(DT_F8_E8M0, "f8_e8m0", 8, CLASS_FLOAT, "float8_e8m0fnu", NULL, "F8_E8M0", NULL)          \
    X(DT_F6_E2M3, "f6_e2m3", 6, CLASS_QUANT, NULL, NULL, "F6_E2M3", NULL)                      \
    X(DT_F6_E3M2, "f6_e3m2", 6, CLASS_QUANT, NULL, NULL, "F6_E3M2", NULL)                      \
    X(DT_F4_E2M1, "f4_e2m1", 4, CLASS_QUANT, "float4_e2m1fn_x2", NULL, "F4", NULL)             \
    X(DT_I64, "i64", 64, CLASS_INT, "int64", "LongStorage", "I64", "i8")                       \
    X(DT_I32, "i32", 32, CLASS_INT, "int32", "IntStorage", "I32", "i4")                        \
    X(DT_I16, "i16", 16, CLASS_INT, "int16", "ShortStorage", "I16", "i2")                      \
    X(DT_I8, "i8", 8, CLASS_INT, "int8", "CharStorage", "I8", "i1")                            \
    X(DT_I4, "i4", 4, CLASS_QUANT, "int4", NULL, NULL, NULL)                                   \
    X(DT_I2, "i2", 2, CLASS_QUANT, "int2", NULL, NULL, NULL)                                   \
    X(DT_U64, "u64", 64, CLASS_UINT, "uint64", NULL, "U64", "u8")                              \
    X(DT_U32, "u32", 32, CLASS_UINT, "uint32", NULL, "U32", "u4")                              \
    X(DT_U16, "u16", 16, CLASS_UINT, "uint16", NULL, "U16", "u2")                              \
    X(DT_U8, "u8", 8, CLASS_UINT, "uint8", "ByteStorage", "U8", "u1")                          \
    X(DT_U4, "u4", 4, CLASS_QUANT, "uint4", NULL, NULL, NULL)                                  \
    X(DT_U2, "u2", 2, CLASS_QUANT, "uint2", NULL, NULL, NULL)                                  \
    X(DT_BOOL, "bool", 8, CLASS_BOOL, "bool", "BoolStorage", "BOOL", "b1")                     \
    X(DT_C32, "c32", 32, CLASS_COMPLEX, "complex32", NULL, NULL, NULL)                         \
    X(DT_C64, "c64", 64, CLASS_COMPLEX, "complex64", "ComplexFloatStorage", "C64", "c8")       \
    X(DT_C128, "c128", 128, CLASS_COMPLEX, "complex128", "ComplexDoubleStorage", NULL, "c16")  \
    X(DT_QINT8, "qint8", 8, CLASS_QUANT, "qint8", "QInt8Storage", NULL, NULL)                  \
    X(DT_QUINT8, "quint8", 8, CLASS_QUANT, "quint8", "QUInt8Storage", NULL, NULL)              \
    X(DT_QINT32, "qint32", 32, CLASS_QUANT, "qint32", "QInt32Storage", NULL, NULL)             \
    X(DT_QUINT4X2, "quint4x2", 4, CLASS_QUANT, "quint4x2", "QUInt4x2Storage", NULL, NULL)      \
    X(DT_QUINT2X4, "quint2x4", 2, CLASS_QUANT, "quint2x4", "QUInt2x4Storage", NULL, NULL)      \
    X(DT_STRING, "string", 0, CLASS_OTHER, NULL, NULL, NULL, NULL)                             \
    X(DT_UNKNOWN, "?", 0, CLASS_OTHER, NULL, NULL, NULL, NULL)

/* Types of GGML (ggml.h and ggml-common.h of 2026): id, name in rules and reports, which is GGML's
 * in lower case, its number in files, elements of a block, bytes of a block. */
#define BLOCK_DTYPES(X)                          \
    X(DT_Q4_0, "q4_0", 2, 32, 18)                \
    X(DT_Q4_1, "q4_1", 3, 32, 20)                \
    X(DT_Q5_0, "q5_0", 6, 32, 22)                \
    X(DT_Q5_1, "q5_1", 7, 32, 24)                \
    X(DT_Q8_0, "q8_0", 8, 32, 34)                \
    X(DT_Q8_1, "q8_1", 9, 32, 36)                \
    X(DT_Q2_K, "q2_k", 10, 256, 84)              \
    X(DT_Q3_K, "q3_k", 11, 256, 110)             \
    X(DT_Q4_K, "q4_k", 12, 256, 144)             \
    X(DT_Q5_K, "q5_k", 13, 256, 176)             \
    X(DT_Q6_K, "q6_k", 14, 256, 210)             \
    X(DT_Q8_K, "q8_k", 15, 256, 292)             \
    X(DT_IQ2_XXS, "iq2_xxs", 16, 256, 66)        \
    X(DT_IQ2_XS, "iq2_xs", 17, 256, 74)          \
    X(DT_IQ3_XXS, "iq3_xxs", 18, 256, 98)        \
    X(DT_IQ1_S, "iq1_s", 19, 256, 50)            \
    X(DT_IQ4_NL, "iq4_nl", 20, 32, 18)           \
    X(DT_IQ3_S, "iq3_s", 21, 256, 110)           \
    X(DT_IQ2_S, "iq2_s", 22, 256, 82)            \
    X(DT_IQ4_XS, "iq4_xs", 23, 256, 136)         \
    X(DT_IQ1_M, "iq1_m", 29, 256, 56)            \
    X(DT_TQ1_0, "tq1_0", 34, 256, 54)            \
    X(DT_TQ2_0, "tq2_0", 35, 256, 66)            \
    X(DT_MXFP4, "mxfp4", 39, 32, 17)             \
    X(DT_NVFP4, "nvfp4", 40, 64, 36)             \
    X(DT_Q1_0, "q1_0", 41, 128, 18)              \
    X(DT_Q2_0, "q2_0", 42, 64, 18)

#define DTYPE_ENUM(id, ...) id,
/* One byte, as in the records of which there are millions. */
typedef enum __attribute__((packed)) DType {
    DTYPES(DTYPE_ENUM) BLOCK_DTYPES(DTYPE_ENUM) DTYPE_COUNT
} DType;
#undef DTYPE_ENUM

typedef struct DTypeInfo {
    const char *name;            /* "f32" */
    unsigned bits;               /* of one element; 0 for GGML's blocks, and without a size */
    DTypeClass kind;
    const char *torch;           /* "float32", as in torch.float32; NULL when torch has none */
    const char *torch_storage;   /* "FloatStorage"; NULL: none, or untyped (v3) */
    const char *safetensors;     /* "F32"; NULL: the format cannot hold it */
    const char *numpy;           /* "f4"; NULL: none */
    /* Elements that fill whole bytes together, and those bytes: 1 and 4 for f32, 2 and 1 for i4, 32
     * and 34 for q8_0; 0 and 0 without a size. */
    unsigned block, block_bytes;
} DTypeInfo;

const DTypeInfo *dtype_info(DType dtype);            /* never NULL */
const char *dtype_name(DType dtype);
/* By CLI name, also PyTorch's ("float32", "torch.float32", "half"…); DT_UNKNOWN if none. */
DType dtype_from_name(const char *name);
DType dtype_from_torch_storage(const char *storage_class);   /* "FloatStorage" */
DType dtype_from_safetensors(const char *name);              /* "F32" */
/* Bytes of `count` elements, one after the other; false on overflow, without a size, or when they
 * do not fill whole blocks (packed types: whole bytes). */
bool dtype_bytes(DType dtype, uint64_t count, uint64_t *bytes);
/* Whole bytes of one element; 0 for packed, blocked or sizeless types. */
unsigned dtype_size(DType dtype);
/* What values of that type are read as (values.h): itself; f32 for quantized and packed ones;
 * DT_UNKNOWN where they cannot be read (f6, whose packing no format defines; strings). */
DType dtype_of_values(DType dtype);
/* What an element of a complex type has two of; all other types are their own component. */
DType dtype_component(DType dtype);

/* The default cast policy (tenon-rules(5), "POLICY"): float to float, quantized to float, int to
 * wider int, bool to int. Equal types fit too. */
bool dtype_casts_silently(DType from, DType to);
/* Whether a cast is defined at all: what dtype_convert can do, and from quantized types whatever
 * their values, f32, can become: floats, and from i4 and u4 integers too. */
bool dtype_casts(DType from, DType to);

/* Converts n elements. Through f64 for floats and ints up to 53 bits, exactly for int to int;
 * round to nearest even. Out of range as PyTorch 2.13: the target's infinity; NaN where it has
 * none; f8_e4m3 saturates at 448. Floats to ints truncate, saturate, and NaN gives 0; ints to
 * narrower ints keep their low bits; to bool: whatever is not zero. Buffers may not overlap.
 * False when a conversion is not defined (packed or quantized types, which values.h reads;
 * complex to real). */
bool dtype_convert(DType from, const void *in, DType to, void *out, size_t n);
/* One element as a double (bool 0/1; complex: the real part), for statistics. */
void dtype_to_doubles(DType from, const void *in, double *out, size_t n);

#endif
