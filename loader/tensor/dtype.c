/* DType: names of element types, and conversions between them, in chunks that vectorise.
 *
 * Every type has a hub, the widest of its kind: f32 for the small floats, f64, i64, u64. A
 * conversion goes type -> hub -> hub -> type, which is also PyTorch's way: f64 and integers
 * reach f16 through f32. Loops run over whole chunks of constant length, since that is what
 * compilers vectorise at -O2; what lies behind the last element is computed and thrown away. */
#include "loader/tensor/dtype.h"

#include <string.h>

#include "loader/core/memory.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "elements are held little-endian");

/* Elements converted at a time: three Lanes of 2 KiB stay in the first-level cache. */
enum { CHUNK = 256 };

/* The order is used: up to HUB_F64 they are floats, from HUB_I64 on integers. */
typedef enum Hub { HUB_F32, HUB_F64, HUB_I64, HUB_U64, HUB_NONE } Hub;

/* One chunk of elements, stored or in a hub. */
typedef union Lane {
    double f64[CHUNK];
    float f32[CHUNK];
    int64_t i64[CHUNK];
    int32_t i32[CHUNK];
    int16_t i16[CHUNK];
    int8_t i8[CHUNK];
    uint64_t u64[CHUNK];
    uint32_t u32[CHUNK];
    uint16_t u16[CHUNK];
    uint8_t u8[CHUNK];
} Lane;

/* Types that C has: id, C type, member of Lane, hub, member of the hub. */
#define NATIVES(X)                              \
    X(DT_F64, double, f64, HUB_F64, f64)        \
    X(DT_F32, float, f32, HUB_F32, f32)         \
    X(DT_I64, int64_t, i64, HUB_I64, i64)       \
    X(DT_I32, int32_t, i32, HUB_I64, i64)       \
    X(DT_I16, int16_t, i16, HUB_I64, i64)       \
    X(DT_I8, int8_t, i8, HUB_I64, i64)          \
    X(DT_U64, uint64_t, u64, HUB_U64, u64)      \
    X(DT_U32, uint32_t, u32, HUB_U64, u64)      \
    X(DT_U16, uint16_t, u16, HUB_U64, u64)      \
    X(DT_U8, uint8_t, u8, HUB_U64, u64)         \
    X(DT_BOOL, uint8_t, u8, HUB_I64, i64)

/* Types that are laid out as a SmallFloat: id, member of Lane, C type, then its fields. */
#define SMALL_FLOATS(X)                                                              \
    X(DT_F16, u16, uint16_t, 10, 15, 15, 0x47800000, 0x7C00, 0x7E00, 0x7C00, false)  \
    X(DT_F8_E4M3, u8, uint8_t, 3, 7, 7, 0x43E80000, 0x7E, 0x7F, 0x7F, false)         \
    X(DT_F8_E5M2, u8, uint8_t, 2, 15, 7, 0x47800000, 0x7C, 0x7F, 0x7C, false)        \
    X(DT_F8_E4M3FNUZ, u8, uint8_t, 3, 8, 7, 0x43800000, 0x80, 0x80, 0x80, true)      \
    X(DT_F8_E5M2FNUZ, u8, uint8_t, 2, 16, 7, 0x47800000, 0x80, 0x80, 0x80, true)

/* A float format below f32, as PyTorch's c10 headers define them. */
typedef struct SmallFloat {
    unsigned mantissa;   /* bits of it that are stored */
    unsigned bias;       /* of the exponent */
    unsigned sign;       /* number of the sign bit */
    uint32_t limit;      /* f32 bits from which on only `over` is left */
    uint32_t over;       /* the code of what is too large */
    uint32_t nan;        /* the code of NaN */
    uint32_t special;    /* the first code that is infinity or NaN */
    bool fnuz;           /* no negative zero, no infinity; the sign bit alone is NaN */
} SmallFloat;

/* -- One number at a time --------------------------------------------------------------
 *
 *   f32      s eeeeeeee mmmmmmmmmmmmmmmmmmmmmmm   bias 127   infinity 0x7F800000
 *   f16      s eeeee mmmmmmmmmm                   bias 15    infinity 0x7C00
 *   bf16     s eeeeeeee mmmmmmm                   bias 127   infinity 0x7F80
 *   f8_e4m3  s eeee mmm                           bias 7     none; NaN s.1111.111; most 448
 *   f8_e5m2  s eeeee mm                           bias 15    infinity s.11111.00
 *   …fnuz    the same, bias 8 and 16              no -0, no infinity; NaN 0x80
 *   f8_e8m0  eeeeeeee                             2^(e-127), no sign, no zero; NaN 0xFF
 */

static inline uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Rounds to nearest even. Normals: an integer addition carries into the exponent. Subnormals:
 * adding a power of two whose last place is the format's smallest step makes f32 round. */
static inline uint32_t encode_small(float value, SmallFloat f)
{
    uint32_t bits = bits_of(value), size = bits & 0x7FFFFFFF, shift = 23 - f.mantissa;
    uint32_t magic = (151 - f.bias - f.mantissa) << 23;
    uint32_t low = bits_of(float_of(size) + float_of(magic)) - magic;
    uint32_t odd = size >> shift & 1;
    uint32_t high = (size - ((127 - f.bias) << 23) + (1u << (shift - 1)) - 1 + odd) >> shift;
    uint32_t code = size < (128 - f.bias) << 23 ? low : high;
    code = size >= f.limit ? f.over : code;
    code = size > 0x7F800000 ? f.nan : code;
    uint32_t sign = bits >> 31 << f.sign;
    if (f.fnuz) sign = code == 0 || code >= f.nan ? 0 : sign;
    return code | sign;
}

/* Multiplying by a power of two moves the exponent and makes subnormals normal, exactly. */
static inline float decode_small(uint32_t code, SmallFloat f)
{
    uint32_t rest = code & ((1u << f.sign) - 1), wide = rest << (23 - f.mantissa);
    uint32_t bits = bits_of(float_of(wide) * float_of((254 - f.bias) << 23));
    bits = rest >= f.special ? wide | 0x7F800000 : bits;
    if (f.fnuz) return code == f.nan ? float_of(0x7FC00000) : float_of(bits | (code >> 7) << 31);
    return float_of(bits | (code >> f.sign) << 31);
}

/* bf16 is the upper half of an f32: rounding carries by itself, up to infinity. */
static inline uint16_t encode_bf16(float value)
{
    uint32_t bits = bits_of(value);
    uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? 0x7FC0 : rounded);
}

/* e8m0 is an exponent without sign or zero. As c10 does it, the sign is dropped, ties go up
 * from normal numbers and infinity is NaN. */
static inline uint8_t encode_e8m0(float value)
{
    uint32_t size = bits_of(value) & 0x7FFFFFFF, exponent = size >> 23;
    uint32_t fraction = size & 0x7FFFFF;
    bool up = fraction > 0x400000 || (fraction == 0x400000 && exponent > 0);
    return (uint8_t)(exponent >= 0xFF ? 0xFF : exponent + up);
}

/* The code is f32's own exponent; code 0, 2^-127, is a subnormal there. */
static inline float decode_e8m0(uint8_t code)
{
    uint32_t bits = code ? (uint32_t)code << 23 : 0x00400000;
    return float_of(code == 0xFF ? 0x7FC00000 : bits);
}

/* -- Names and sizes ------------------------------------------------------------------- */

/* How many elements of so many bits fill whole bytes: 1, 2 (4 bits) or 4 (6 and 2 bits). */
#define PER_BLOCK(bits) ((bits) == 0 ? 0 : (bits) % 8 == 0 ? 1 : (bits) == 4 ? 2 : 4)

static const DTypeInfo infos[DTYPE_COUNT] = {
#define DTYPE_ROW(id, name, bits, kind, torch, storage, safetensors, numpy)  \
    [id] = {name, bits, kind, torch, storage, safetensors, numpy, PER_BLOCK(bits), \
            PER_BLOCK(bits) * (bits) / 8},
    DTYPES(DTYPE_ROW)
#undef DTYPE_ROW
#define DTYPE_ROW(id, name, number, elements, bytes) \
    [id] = {name, 0, CLASS_QUANT, NULL, NULL, NULL, NULL, elements, bytes},
    BLOCK_DTYPES(DTYPE_ROW)
#undef DTYPE_ROW
};

const DTypeInfo *dtype_info(DType dtype)
{
    return &infos[(unsigned)dtype < DTYPE_COUNT ? dtype : DT_UNKNOWN];
}

const char *dtype_name(DType dtype)
{
    return dtype_info(dtype)->name;
}

/* `candidate` is a column of the table, which may be NULL. */
static bool is_name(const char *name, const char *candidate)
{
    return candidate && strcmp(name, candidate) == 0;
}

DType dtype_from_name(const char *name)
{
    /* PyTorch's older names, and spellings seen in listings */
    static const struct { const char *name; DType dtype; } aliases[] = {
        {"double", DT_F64}, {"float", DT_F32}, {"half", DT_F16}, {"long", DT_I64},
        {"int", DT_I32}, {"short", DT_I16}, {"f8_e4m3fn", DT_F8_E4M3}, {"chalf", DT_C32},
        {"cfloat", DT_C64}, {"cdouble", DT_C128}, {"f8_e8m0fnu", DT_F8_E8M0},
    };
    if (!name) return DT_UNKNOWN;
    if (strncmp(name, "torch.", 6) == 0) name += 6;
    for (size_t i = 0; i < DTYPE_COUNT; i++)
        if (is_name(name, infos[i].name) || is_name(name, infos[i].torch)) return (DType)i;
    for (size_t i = 0; i < countof(aliases); i++)
        if (is_name(name, aliases[i].name)) return aliases[i].dtype;
    return DT_UNKNOWN;
}

DType dtype_from_torch_storage(const char *storage_class)
{
    for (size_t i = 0; storage_class && i < DTYPE_COUNT; i++)
        if (is_name(storage_class, infos[i].torch_storage)) return (DType)i;
    return DT_UNKNOWN;
}

DType dtype_from_safetensors(const char *name)
{
    for (size_t i = 0; name && i < DTYPE_COUNT; i++)
        if (is_name(name, infos[i].safetensors)) return (DType)i;
    return DT_UNKNOWN;
}

bool dtype_bytes(DType dtype, uint64_t count, uint64_t *bytes)
{
    const DTypeInfo *info = dtype_info(dtype);
    return info->block && count % info->block == 0 &&
           sum_mul(count / info->block, info->block_bytes, bytes);
}

unsigned dtype_size(DType dtype)
{
    const DTypeInfo *info = dtype_info(dtype);
    return info->block == 1 ? info->block_bytes : 0;
}

DType dtype_component(DType dtype)
{
    if (dtype == DT_C32) return DT_F16;
    if (dtype == DT_C64) return DT_F32;
    return dtype == DT_C128 ? DT_F64 : dtype;
}

DType dtype_of_values(DType dtype)
{
    const DTypeInfo *info = dtype_info(dtype);
    if (info->kind == CLASS_OTHER || info->bits == 6) return DT_UNKNOWN;
    return info->kind == CLASS_QUANT ? DT_F32 : dtype;
}

/* Unsigned to signed loses nothing when it becomes wider; signed to unsigned may always lose
 * the sign, and complex to real the imaginary part. */
bool dtype_casts_silently(DType from, DType to)
{
    const DTypeInfo *a = dtype_info(from), *b = dtype_info(to);
    if (from == to) return true;
    if (a->kind == CLASS_FLOAT) return b->kind == CLASS_FLOAT;
    if (from == DT_I4 || from == DT_I2) return b->kind == CLASS_INT;
    if (from == DT_U4 || from == DT_U2) return b->kind == CLASS_INT || b->kind == CLASS_UINT;
    if (a->kind == CLASS_QUANT) return b->kind == CLASS_FLOAT && dtype_of_values(from) == DT_F32;
    if (b->kind != CLASS_INT && b->kind != CLASS_UINT) return false;
    if (a->kind == CLASS_BOOL) return true;
    if (a->kind == CLASS_INT) return b->kind == CLASS_INT && b->bits > a->bits;
    return a->kind == CLASS_UINT && b->bits > a->bits;
}

/* -- A chunk at a time ----------------------------------------------------------------- */

/* HUB_NONE: no numbers, or not in a form that is converted (complex, packed, quantized). */
static Hub hub_of(DType dtype)
{
    switch (dtype) {
#define HUB_CASE(id, type, member, hub, wide) case id: return hub;
    NATIVES(HUB_CASE)
#undef HUB_CASE
#define HUB_CASE(id, ...) case id: return HUB_F32;
    SMALL_FLOATS(HUB_CASE)
#undef HUB_CASE
    case DT_BF16:
    case DT_F8_E8M0: return HUB_F32;
    default: return HUB_NONE;
    }
}

/* Stored elements into their hub. All of a chunk is worked on, whatever it holds at its end. */
static void load_chunk(DType dtype, const Lane *restrict in, Lane *restrict out)
{
    switch (dtype) {
#define LOAD_CASE(id, type, member, hub, wide)                                     \
    case id:                                                                       \
        for (size_t i = 0; i < CHUNK; i++)                                         \
            out->wide[i] = id == DT_BOOL ? in->member[i] != 0 : in->member[i];     \
        break;
    NATIVES(LOAD_CASE)
#undef LOAD_CASE
#define LOAD_CASE(id, member, type, ...)                                           \
    case id:                                                                       \
        for (size_t i = 0; i < CHUNK; i++)                                         \
            out->f32[i] = decode_small(in->member[i], (SmallFloat){__VA_ARGS__});  \
        break;
    SMALL_FLOATS(LOAD_CASE)
#undef LOAD_CASE
    case DT_BF16:
        for (size_t i = 0; i < CHUNK; i++) out->f32[i] = float_of((uint32_t)in->u16[i] << 16);
        break;
    default:   /* hub_of() lets only DT_F8_E8M0 come here */
        for (size_t i = 0; i < CHUNK; i++) out->f32[i] = decode_e8m0(in->u8[i]);
    }
}

/* Integers keep their low bits, as a C cast and as PyTorch. */
static void store_chunk(DType dtype, const Lane *restrict in, Lane *restrict out)
{
    switch (dtype) {
#define STORE_CASE(id, type, member, hub, wide)                                         \
    case id:                                                                            \
        for (size_t i = 0; i < CHUNK; i++) out->member[i] = (type)in->wide[i];          \
        break;
    NATIVES(STORE_CASE)
#undef STORE_CASE
#define STORE_CASE(id, member, type, ...)                                               \
    case id:                                                                            \
        for (size_t i = 0; i < CHUNK; i++)                                              \
            out->member[i] = (type)encode_small(in->f32[i], (SmallFloat){__VA_ARGS__}); \
        break;
    SMALL_FLOATS(STORE_CASE)
#undef STORE_CASE
    case DT_BF16:
        for (size_t i = 0; i < CHUNK; i++) out->u16[i] = encode_bf16(in->f32[i]);
        break;
    default:
        for (size_t i = 0; i < CHUNK; i++) out->u8[i] = encode_e8m0(in->f32[i]);
    }
}

/* Hubs that a plain cast leads between: from, its member, to, its member, C type. */
#define HUB_CASTS(X)                             \
    X(HUB_F32, f32, HUB_F64, f64, double)        \
    X(HUB_F64, f64, HUB_F32, f32, float)         \
    X(HUB_I64, i64, HUB_F32, f32, float)         \
    X(HUB_I64, i64, HUB_F64, f64, double)        \
    X(HUB_I64, i64, HUB_U64, u64, uint64_t)      \
    X(HUB_U64, u64, HUB_F32, f32, float)         \
    X(HUB_U64, u64, HUB_F64, f64, double)        \
    X(HUB_U64, u64, HUB_I64, i64, int64_t)

/* Rounds as C does: to nearest even into floats; what fits no f32 becomes infinite. */
static void cast_chunk(Hub from, Hub to, const Lane *restrict in, Lane *restrict out)
{
    switch ((int)from * HUB_NONE + (int)to) {
#define CAST_CASE(a, am, b, bm, type)                                          \
    case (int)a * HUB_NONE + (int)b:                                           \
        for (size_t i = 0; i < CHUNK; i++) out->bm[i] = (type)in->am[i];       \
        break;
    HUB_CASTS(CAST_CASE)
#undef CAST_CASE
    default: *out = *in;
    }
}

/* Truncates towards zero and saturates; NaN gives 0. The bounds are powers of two, which a
 * double holds exactly, and C leaves the cast of anything outside them undefined. */
static void saturate_chunk(DType to, const Lane *restrict in, Lane *restrict out)
{
    const DTypeInfo *info = dtype_info(to);
    bool is_signed = info->kind == CLASS_INT;
    unsigned bits = is_signed ? info->bits - 1 : info->bits;
    uint64_t largest = ~(uint64_t)0 >> (64 - bits);
    double above = 2.0 * (double)((uint64_t)1 << (bits - 1));   /* the first that is too large */
    double below = is_signed ? -above : 0;
    for (size_t i = 0; i < CHUNK; i++) {
        double x = in->f64[i];
        if (!(x > below)) out->i64[i] = x == x && is_signed ? -(int64_t)largest - 1 : 0;
        else if (x >= above) out->u64[i] = largest;
        else if (is_signed) out->i64[i] = (int64_t)x;
        else out->u64[i] = (uint64_t)x;
    }
}

/* To booleans: 0.5 and NaN are true, as in PyTorch. */
static void test_chunk(Hub from, const Lane *restrict in, Lane *restrict out)
{
    if (from == HUB_F32)
        for (size_t i = 0; i < CHUNK; i++) out->i64[i] = in->f32[i] != 0;
    else if (from == HUB_F64)
        for (size_t i = 0; i < CHUNK; i++) out->i64[i] = in->f64[i] != 0;
    else
        for (size_t i = 0; i < CHUNK; i++) out->i64[i] = in->u64[i] != 0;
}

/* Turns a chunk in the hub of `from` into one in the hub of `to`; `lane` is overwritten. */
static void change_hub(DType from, DType to, Lane *lane)
{
    Hub a = hub_of(from), b = hub_of(to);
    Lane next;
    if (to == DT_BOOL) {
        test_chunk(a, lane, &next);
    } else if (a <= HUB_F64 && b >= HUB_I64) {
        cast_chunk(a, HUB_F64, lane, &next);
        saturate_chunk(to, &next, lane);
        return;
    } else if (a != b) {
        cast_chunk(a, b, lane, &next);
    } else {
        return;
    }
    *lane = next;
}

/* n elements of types with a hub. The stored lane is a copy, so nothing need be aligned. */
static void convert_real(DType from, const unsigned char *in, DType to, unsigned char *out,
                         size_t n)
{
    size_t from_size = dtype_size(from), to_size = dtype_size(to);
    Lane stored = {{0}}, hub;
    for (; n; in += CHUNK * from_size, out += CHUNK * to_size) {
        size_t step = n < CHUNK ? n : CHUNK;
        memcpy(&stored, in, step * from_size);
        load_chunk(from, &stored, &hub);
        change_hub(from, to, &hub);
        store_chunk(to, &hub, &stored);
        memcpy(out, &stored, step * to_size);
        if (n == step) return;
        n -= step;
    }
}

/* Real numbers become complex ones without imaginary part. */
static void convert_to_complex(DType from, const unsigned char *in, DType part,
                               unsigned char *out, size_t n)
{
    size_t size = dtype_size(part), from_size = dtype_size(from);
    unsigned char parts[CHUNK * sizeof(double)];
    memset(out, 0, n * 2 * size);
    while (n) {
        size_t step = n < CHUNK ? n : CHUNK;
        convert_real(from, in, part, parts, step);
        for (size_t i = 0; i < step; i++) memcpy(out + 2 * i * size, parts + i * size, size);
        in += step * from_size;
        out += step * 2 * size;
        n -= step;
    }
}

/* Equal types are copied as they are, but for booleans, whose stored bytes become 0 or 1. Complex
 * elements are converted as twice as many components. */
bool dtype_convert(DType from, const void *in, DType to, void *out, size_t n)
{
    DType from_part = dtype_component(from), to_part = dtype_component(to);
    uint64_t bytes;
    if (from == to && from != DT_BOOL) {
        if (!dtype_bytes(from, n, &bytes)) return false;
        if (bytes) memcpy(out, in, (size_t)bytes);
        return true;
    }
    if (from_part != from) {
        if (to_part == to) return false;
        convert_real(from_part, in, to_part, out, 2 * n);
        return true;
    }
    if (hub_of(from) == HUB_NONE || hub_of(to_part) == HUB_NONE) return false;
    if (to_part != to) convert_to_complex(from, in, to_part, out, n);
    else convert_real(from, in, to, out, n);
    return true;
}

/* dtype_convert of no elements says whether it is defined; 16 bytes hold an element of any type. */
bool dtype_casts(DType from, DType to)
{
    unsigned char in[16] = {0}, out[16];
    DTypeClass kind = dtype_info(to)->kind;
    if (dtype_info(from)->kind != CLASS_QUANT || from == to)
        return dtype_convert(from, in, to, out, 0);
    if (dtype_of_values(from) == DT_UNKNOWN) return false;
    bool whole = from == DT_I4 || from == DT_U4 || from == DT_I2 || from == DT_U2;
    return kind == CLASS_FLOAT || (whole && (kind == CLASS_INT || kind == CLASS_UINT));
}

/* What has no numbers gives zeros: the callers have asked before. */
void dtype_to_doubles(DType from, const void *in, double *out, size_t n)
{
    const unsigned char *at = in;
    DType real = dtype_component(from);
    size_t size = dtype_size(from), real_size = dtype_size(real);
    unsigned char parts[CHUNK * sizeof(double)];
    if (hub_of(real) == HUB_NONE) {
        memset(out, 0, n * sizeof *out);
        return;
    }
    if (real == from) {
        convert_real(from, at, DT_F64, (unsigned char *)out, n);
        return;
    }
    while (n) {
        size_t step = n < CHUNK ? n : CHUNK;
        for (size_t i = 0; i < step; i++) memcpy(parts + i * real_size, at + i * size, real_size);
        convert_real(real, parts, DT_F64, (unsigned char *)out, step);
        at += step * size;
        out += step;
        n -= step;
    }
}
