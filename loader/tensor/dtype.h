/* DType: the element types of the field, in one table: its name on the command line, its
 * size, what PyTorch's storage classes and dtypes, safetensors and NumPy call it. */
#ifndef LOADER_TENSOR_DTYPE_H
#define LOADER_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an element is as a number; OTHER: packed, quantized, or none at all. */
typedef enum DTypeClass {
    CLASS_FLOAT, CLASS_INT, CLASS_UINT, CLASS_BOOL, CLASS_COMPLEX, CLASS_OTHER
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
    X(DT_F6_E2M3, "f6_e2m3", 6, CLASS_OTHER, NULL, NULL, "F6_E2M3", NULL)                      \
    X(DT_F6_E3M2, "f6_e3m2", 6, CLASS_OTHER, NULL, NULL, "F6_E3M2", NULL)                      \
    X(DT_F4_E2M1, "f4_e2m1", 4, CLASS_OTHER, "float4_e2m1fn_x2", NULL, "F4", NULL)             \
    X(DT_I64, "i64", 64, CLASS_INT, "int64", "LongStorage", "I64", "i8")                       \
    X(DT_I32, "i32", 32, CLASS_INT, "int32", "IntStorage", "I32", "i4")                        \
    X(DT_I16, "i16", 16, CLASS_INT, "int16", "ShortStorage", "I16", "i2")                      \
    X(DT_I8, "i8", 8, CLASS_INT, "int8", "CharStorage", "I8", "i1")                            \
    X(DT_I4, "i4", 4, CLASS_OTHER, "int4", NULL, NULL, NULL)                                   \
    X(DT_U64, "u64", 64, CLASS_UINT, "uint64", NULL, "U64", "u8")                              \
    X(DT_U32, "u32", 32, CLASS_UINT, "uint32", NULL, "U32", "u4")                              \
    X(DT_U16, "u16", 16, CLASS_UINT, "uint16", NULL, "U16", "u2")                              \
    X(DT_U8, "u8", 8, CLASS_UINT, "uint8", "ByteStorage", "U8", "u1")                          \
    X(DT_U4, "u4", 4, CLASS_OTHER, "uint4", NULL, NULL, NULL)                                  \
    X(DT_BOOL, "bool", 8, CLASS_BOOL, "bool", "BoolStorage", "BOOL", "b1")                     \
    X(DT_C32, "c32", 32, CLASS_COMPLEX, "complex32", NULL, NULL, NULL)                         \
    X(DT_C64, "c64", 64, CLASS_COMPLEX, "complex64", "ComplexFloatStorage", "C64", "c8")       \
    X(DT_C128, "c128", 128, CLASS_COMPLEX, "complex128", "ComplexDoubleStorage", NULL, "c16")  \
    X(DT_QINT8, "qint8", 8, CLASS_OTHER, "qint8", "QInt8Storage", NULL, NULL)                  \
    X(DT_QUINT8, "quint8", 8, CLASS_OTHER, "quint8", "QUInt8Storage", NULL, NULL)              \
    X(DT_QINT32, "qint32", 32, CLASS_OTHER, "qint32", "QInt32Storage", NULL, NULL)             \
    X(DT_STRING, "string", 0, CLASS_OTHER, NULL, NULL, NULL, NULL)                             \
    X(DT_UNKNOWN, "?", 0, CLASS_OTHER, NULL, NULL, NULL, NULL)

#define DTYPE_ENUM(id, ...) id,
typedef enum DType { DTYPES(DTYPE_ENUM) DTYPE_COUNT } DType;
#undef DTYPE_ENUM

typedef struct DTypeInfo {
    const char *name;            /* "f32" */
    unsigned bits;               /* of one element; 0 when it has no fixed size */
    DTypeClass kind;
    const char *torch;           /* "float32", as in torch.float32; NULL when torch has none */
    const char *torch_storage;   /* "FloatStorage"; NULL: none, or untyped (v3) */
    const char *safetensors;     /* "F32"; NULL: the format cannot hold it */
    const char *numpy;           /* "f4"; NULL: none */
} DTypeInfo;

const DTypeInfo *dtype_info(DType dtype);            /* never NULL */
const char *dtype_name(DType dtype);
/* By CLI name, also PyTorch's ("float32", "torch.float32", "half"…); DT_UNKNOWN if none. */
DType dtype_from_name(const char *name);
DType dtype_from_torch_storage(const char *storage_class);   /* "FloatStorage" */
DType dtype_from_safetensors(const char *name);              /* "F32" */
/* Bytes of `count` packed elements; false on overflow, or when bits do not fill bytes. */
bool dtype_bytes(DType dtype, uint64_t count, uint64_t *bytes);
/* Whole bytes of one element; 0 for packed or sizeless types. */
unsigned dtype_size(DType dtype);

/* The default cast policy (tenon-rules(5), "POLICY"): float to float, int to wider int, bool to
 * int. Equal types fit too. */
bool dtype_casts_silently(DType from, DType to);

/* Converts n elements. Through f64 for floats and ints up to 53 bits, exactly for int to int;
 * round to nearest even. Out of range as PyTorch 2.13: the target's infinity; NaN where it has
 * none; f8_e4m3 saturates at 448. Floats to ints truncate, saturate, and NaN gives 0; ints to
 * narrower ints keep their low bits; to bool: whatever is not zero. Buffers may not overlap.
 * False when a conversion is not defined (packed or quantized types; complex to real). */
bool dtype_convert(DType from, const void *in, DType to, void *out, size_t n);
/* One element as a double (bool 0/1; complex: the real part), for statistics. */
void dtype_to_doubles(DType from, const void *in, double *out, size_t n);

#endif
