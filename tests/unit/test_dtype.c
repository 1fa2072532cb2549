/* Dtypes: names, sizes, the cast policy, and conversions against numbers that PyTorch 2.13
 * printed: x.to(dtype).view(torch.uint8 or torch.int16), and for decoding
 * torch.tensor(codes, dtype=torch.uint8).view(dtype).float(). */
#include <math.h>

#include "tests/unit/test.h"

#include "loader/core/memory.h"
#include "loader/tensor/dtype.h"

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < DTYPE_COUNT; i++) {
        const DTypeInfo *info = dtype_info((DType)i);
        assert_int_equal(dtype_from_name(info->name), i);
        if (info->torch) assert_int_equal(dtype_from_name(info->torch), i);
        if (info->torch_storage) assert_int_equal(dtype_from_torch_storage(info->torch_storage), i);
        if (info->safetensors) assert_int_equal(dtype_from_safetensors(info->safetensors), i);
    }
    assert_int_equal(dtype_from_name("torch.float32"), DT_F32);
    assert_int_equal(dtype_from_name("half"), DT_F16);
    assert_int_equal(dtype_from_name("long"), DT_I64);
    assert_int_equal(dtype_from_name("float33"), DT_UNKNOWN);
    assert_int_equal(dtype_from_name(""), DT_UNKNOWN);
    assert_int_equal(dtype_from_name(NULL), DT_UNKNOWN);
    assert_int_equal(dtype_from_torch_storage("UntypedStorage"), DT_UNKNOWN);
    assert_int_equal(dtype_from_safetensors("f32"), DT_UNKNOWN);
    assert_string_equal(dtype_name(DTYPE_COUNT), "?");
}

static void test_sizes(void **state)
{
    (void)state;
    uint64_t bytes;
    assert_int_equal(dtype_size(DT_C128), 16);
    assert_int_equal(dtype_size(DT_BOOL), 1);
    assert_int_equal(dtype_size(DT_F4_E2M1), 0);
    assert_int_equal(dtype_size(DT_STRING), 0);
    assert_true(dtype_bytes(DT_F4_E2M1, 6, &bytes) && bytes == 3);
    assert_false(dtype_bytes(DT_F4_E2M1, 5, &bytes));
    assert_true(dtype_bytes(DT_F6_E2M3, 4, &bytes) && bytes == 3);
    assert_true(dtype_bytes(DT_F32, 0, &bytes) && bytes == 0);
    assert_false(dtype_bytes(DT_F32, UINT64_MAX / 4 + 1, &bytes));
    assert_false(dtype_bytes(DT_UNKNOWN, 1, &bytes));
}

static void test_policy(void **state)
{
    (void)state;
    static const struct { DType from, to; bool silent; } cases[] = {
        {DT_F16, DT_F32, true},   {DT_F64, DT_F8_E5M2, true}, {DT_BF16, DT_F16, true},
        {DT_I32, DT_I64, true},   {DT_I64, DT_I32, false},    {DT_U8, DT_I16, true},
        {DT_U8, DT_I8, false},    {DT_I8, DT_U16, false},     {DT_U16, DT_U64, true},
        {DT_BOOL, DT_U8, true},   {DT_BOOL, DT_F32, false},   {DT_I32, DT_F64, false},
        {DT_F32, DT_I64, false},  {DT_F32, DT_C64, false},    {DT_C64, DT_C128, false},
        {DT_QINT8, DT_QINT8, true}, {DT_QINT8, DT_I8, false}, {DT_U8, DT_BOOL, false},
    };
    for (size_t i = 0; i < countof(cases); i++)
        assert_int_equal(dtype_casts_silently(cases[i].from, cases[i].to), cases[i].silent);
}

static void test_f32_to_small(void **state)
{
    (void)state;
    static const float in[16] = {0.0f, -0.0f, 1.0f, -1.5f, 0.1f, 3.0e-8f, 5.97e-8f, 65504.0f,
                                 65519.9f, 65520.0f, -1e9f, INFINITY, NAN, 0x1p-14f,
                                 1.00048828125f, 1.00146484375f};
    static const uint16_t f16[16] = {0, 0x8000, 0x3C00, 0xBE00, 0x2E66, 1, 1, 0x7BFF, 0x7BFF,
                                     0x7C00, 0xFC00, 0x7C00, 0x7E00, 0x400, 0x3C00, 0x3C02};
    static const uint16_t bf16[16] = {0, 0x8000, 0x3F80, 0xBFC0, 0x3DCD, 0x3301, 0x3380, 0x4780,
                                      0x4780, 0x4780, 0xCE6E, 0x7F80, 0x7FC0, 0x3880, 0x3F80,
                                      0x3F80};
    static const struct { DType dtype; uint8_t codes[16]; } small[] = {
        {DT_F8_E4M3, {0, 0x80, 0x38, 0xBC, 0x1D, 0, 0, 0x7E, 0x7E, 0x7E, 0xFE, 0x7E, 0x7F, 0,
                      0x38, 0x38}},
        {DT_F8_E5M2, {0, 0x80, 0x3C, 0xBE, 0x2E, 0, 0, 0x7C, 0x7C, 0x7C, 0xFC, 0x7C, 0x7F, 4,
                      0x3C, 0x3C}},
        {DT_F8_E4M3FNUZ, {0, 0, 0x40, 0xC4, 0x25, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0,
                          0x40, 0x40}},
        {DT_F8_E5M2FNUZ, {0, 0, 0x40, 0xC2, 0x32, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 8,
                          0x40, 0x40}},
        {DT_F8_E8M0, {0, 0, 0x7F, 0x80, 0x7C, 0x66, 0x67, 0x8F, 0x8F, 0x8F, 0x9D, 0xFF, 0xFF,
                      0x71, 0x7F, 0x7F}},
    };
    uint16_t out[16];
    uint8_t codes[16];
    assert_true(dtype_convert(DT_F32, in, DT_F16, out, 16));
    assert_memory_equal(out, f16, sizeof f16);
    assert_true(dtype_convert(DT_F32, in, DT_BF16, out, 16));
    assert_memory_equal(out, bf16, sizeof bf16);
    for (size_t i = 0; i < countof(small); i++) {
        assert_true(dtype_convert(DT_F32, in, small[i].dtype, codes, 16));
        assert_memory_equal(codes, small[i].codes, 16);
    }
}

static void test_small_to_f32(void **state)
{
    (void)state;
    static const uint8_t codes[12] = {0, 1, 7, 8, 0x3C, 0x77, 0x7E, 0x7F, 0x80, 0x81, 0xFE, 0xFF};
    static const struct { DType dtype; float values[12]; } cases[] = {
        {DT_F8_E4M3, {0, 0.001953125f, 0.013671875f, 0.015625f, 1.5f, 240, 448, NAN, -0.0f,
                      -0.001953125f, -448, NAN}},
        {DT_F8_E5M2, {0, 0x1p-16f, 7 * 0x1p-16f * 1.0f, 0x1p-13f, 1, 28672, NAN, NAN, -0.0f,
                      -0x1p-16f, NAN, NAN}},
        {DT_F8_E4M3FNUZ, {0, 0x1p-10f, 7 * 0x1p-10f, 0x1p-7f, 0.75f, 120, 224, 240, NAN,
                          -0x1p-10f, -224, -240}},
        {DT_F8_E5M2FNUZ, {0, 0x1p-17f, 7 * 0x1p-17f, 0x1p-14f, 0.5f, 14336, 49152, 57344, NAN,
                          -0x1p-17f, -49152, -57344}},
        {DT_F8_E8M0, {0x1p-127f, 0x1p-126f, 0x1p-120f, 0x1p-119f, 0x1p-67f, 0x1p-8f, 0.5f, 1, 2,
                      4, 0x1p127f, NAN}},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        float out[12];
        assert_true(dtype_convert(cases[i].dtype, codes, DT_F32, out, 12));
        for (size_t k = 0; k < 12; k++) {
            if (isnan(cases[i].values[k])) assert_true(isnan(out[k]));
            else assert_memory_equal(&out[k], &cases[i].values[k], sizeof out[k]);
        }
    }
}

/* Every code of a small float survives the way to f32 and f64 and back; NaNs stay NaNs. */
static void test_round_trips(void **state)
{
    (void)state;
    static const DType dtypes[] = {DT_F16, DT_BF16, DT_F8_E4M3, DT_F8_E5M2, DT_F8_E4M3FNUZ,
                                   DT_F8_E5M2FNUZ, DT_F8_E8M0};
    static uint16_t in[65536], out[65536];
    static float wide[65536];
    static double wider[65536];
    for (size_t i = 0; i < countof(dtypes); i++) {
        bool byte = dtype_size(dtypes[i]) == 1;
        size_t n = byte ? 256 : 65536;
        for (size_t k = 0; k < n; k++) {
            if (byte) ((uint8_t *)in)[k] = (uint8_t)k;
            else in[k] = (uint16_t)k;
        }
        assert_true(dtype_convert(dtypes[i], in, DT_F32, wide, n));
        assert_true(dtype_convert(dtypes[i], in, DT_F64, wider, n));
        for (int way = 0; way < 2; way++) {
            assert_true(dtype_convert(way ? DT_F64 : DT_F32, way ? (void *)wider : (void *)wide,
                                      dtypes[i], out, n));
            for (size_t k = 0; k < n; k++) {
                unsigned a = byte ? ((uint8_t *)in)[k] : in[k];
                unsigned b = byte ? ((uint8_t *)out)[k] : out[k];
                if (a != b && !isnan(wide[k])) fail_msg("%s %#x", dtype_name(dtypes[i]), a);
            }
        }
    }
}

static void test_integers(void **state)
{
    (void)state;
    static const int64_t in[8] = {0, -1, 9007199254740993, INT64_MAX, INT64_MIN, 16777217, 65520,
                                  300};
    static const uint16_t f16[8] = {0, 0xBC00, 0x7C00, 0x7C00, 0xFC00, 0x7C00, 0x7C00, 0x5CB0};
    static const float f32[8] = {0, -1, 0x1p53f, 0x1p63f, -0x1p63f, 16777216, 65520, 300};
    static const int32_t i32[8] = {0, -1, 1, -1, 0, 16777217, 65520, 300};
    static const uint8_t u8[8] = {0, 255, 1, 255, 0, 1, 240, 44};
    static const uint8_t truth[8] = {0, 1, 1, 1, 1, 1, 1, 1};
    unsigned char out[64];
    int64_t back[8];
    assert_true(dtype_convert(DT_I64, in, DT_F16, out, 8));
    assert_memory_equal(out, f16, sizeof f16);
    assert_true(dtype_convert(DT_I64, in, DT_F32, out, 8));
    assert_memory_equal(out, f32, sizeof f32);
    assert_true(dtype_convert(DT_I64, in, DT_I32, out, 8));
    assert_memory_equal(out, i32, sizeof i32);
    assert_true(dtype_convert(DT_I64, in, DT_U8, out, 8));
    assert_memory_equal(out, u8, sizeof u8);
    assert_true(dtype_convert(DT_I64, in, DT_BOOL, out, 8));
    assert_memory_equal(out, truth, sizeof truth);
    assert_true(dtype_convert(DT_I64, in, DT_U64, out, 8));
    assert_true(dtype_convert(DT_U64, out, DT_I64, back, 8));
    assert_memory_equal(back, in, sizeof in);
    static const uint8_t bools[4] = {0, 1, 2, 255};
    assert_true(dtype_convert(DT_BOOL, bools, DT_I16, out, 4));
    assert_memory_equal(out, ((int16_t[]){0, 1, 1, 1}), 8);
    assert_true(dtype_convert(DT_BOOL, bools, DT_BOOL, out, 4));
    assert_memory_equal(out, truth, 4);
}

static void test_float_to_integer(void **state)
{
    (void)state;
    static const double in[8] = {1.9, -1.9, 1e300, -1e300, NAN, 255.5, 0x1p63, -0.5};
    static const int8_t i8[8] = {1, -1, 127, -128, 0, 127, 127, 0};
    static const uint8_t u8[8] = {1, 0, 255, 0, 0, 255, 255, 0};
    static const int64_t i64[8] = {1, -1, INT64_MAX, INT64_MIN, 0, 255, INT64_MAX, 0};
    static const uint64_t u64[8] = {1, 0, UINT64_MAX, 0, 0, 255, (uint64_t)1 << 63, 0};
    static const uint8_t truth[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    unsigned char out[64];
    assert_true(dtype_convert(DT_F64, in, DT_I8, out, 8));
    assert_memory_equal(out, i8, sizeof i8);
    assert_true(dtype_convert(DT_F64, in, DT_U8, out, 8));
    assert_memory_equal(out, u8, sizeof u8);
    assert_true(dtype_convert(DT_F64, in, DT_I64, out, 8));
    assert_memory_equal(out, i64, sizeof i64);
    assert_true(dtype_convert(DT_F64, in, DT_U64, out, 8));
    assert_memory_equal(out, u64, sizeof u64);
    assert_true(dtype_convert(DT_F64, in, DT_BOOL, out, 8));
    assert_memory_equal(out, truth, sizeof truth);
}

static void test_complex(void **state)
{
    (void)state;
    static const float c64[4] = {1, -2, 0.1f, 4};
    double c128[4], real[2];
    uint16_t c32[4];
    float back[4];
    assert_true(dtype_convert(DT_C64, c64, DT_C128, c128, 2));
    assert_memory_equal(c128, ((double[]){1, -2, 0.1f, 4}), sizeof c128);
    assert_true(dtype_convert(DT_C64, c64, DT_C32, c32, 2));
    assert_memory_equal(c32, ((uint16_t[]){0x3C00, 0xC000, 0x2E66, 0x4400}), sizeof c32);
    assert_true(dtype_convert(DT_I8, ((int8_t[]){-3, 5}), DT_C64, back, 2));
    assert_memory_equal(back, ((float[]){-3, 0, 5, 0}), sizeof back);
    assert_false(dtype_convert(DT_C64, c64, DT_F32, back, 2));
    dtype_to_doubles(DT_C64, c64, real, 2);
    assert_memory_equal(real, ((double[]){1, 0.1f}), sizeof real);
}

static void test_undefined(void **state)
{
    (void)state;
    unsigned char in[8] = {1, 2, 3, 4}, out[64] = {0};
    assert_false(dtype_convert(DT_QINT8, in, DT_F32, out, 4));
    assert_false(dtype_convert(DT_F32, in, DT_F4_E2M1, out, 2));
    assert_false(dtype_convert(DT_U8, in, DT_UNKNOWN, out, 4));
    assert_true(dtype_convert(DT_QINT8, in, DT_QINT8, out, 4));
    assert_memory_equal(in, out, 4);
    assert_true(dtype_convert(DT_F4_E2M1, in, DT_F4_E2M1, out, 8));
    double values[4] = {9, 9, 9, 9};
    dtype_to_doubles(DT_QINT8, in, values, 4);
    assert_true(values[0] == 0 && values[3] == 0);
}

/* Chunks: lengths round their size, from and to addresses that are not aligned. */
static void test_lengths(void **state)
{
    (void)state;
    static unsigned char in[4 * 1000 + 1], out[8 * 1000 + 3];
    for (size_t n = 0; n <= 1000; n += n % 256 >= 254 || n % 256 < 2 ? 1 : 63) {
        memset(out, 0xAA, sizeof out);
        for (size_t i = 0; i < n; i++) {
            int32_t value = (int32_t)i * 77 - 1000;
            memcpy(in + 1 + 4 * i, &value, 4);
        }
        assert_true(dtype_convert(DT_I32, in + 1, DT_F64, out + 3, n));
        for (size_t i = 0; i < n; i++) {
            double value;
            memcpy(&value, out + 3 + 8 * i, 8);
            assert_true(value == (double)i * 77 - 1000);
        }
        assert_true(n == 1000 || out[3 + 8 * n] == 0xAA);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_policy),       cmocka_unit_test(test_f32_to_small),
        cmocka_unit_test(test_small_to_f32), cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_integers),     cmocka_unit_test(test_float_to_integer),
        cmocka_unit_test(test_complex),      cmocka_unit_test(test_undefined),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
