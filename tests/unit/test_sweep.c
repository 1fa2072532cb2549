/* sweep: what one pass tells of a tensor, across the borders of its boxes; measure: its sums. */
#include <math.h>
#include <stdlib.h>

#include <zlib.h>

#include "loader/check/role.h"
#include "loader/check/sweep.h"
#include "loader/core/memory.h"
#include "tests/unit/test.h"

/* A tensor over n bytes in memory. */
typedef struct Made {
    Storage storage;
    int64_t dims[3];
    Tensor tensor;
} Made;

static void make(Made *made, DType dtype, const void *bytes, size_t n, unsigned rank, int64_t a,
                 int64_t b, int64_t c)
{
    *made = (Made){.storage = {source_from_memory(bytes, n, "made"), 0, n, dtype, 0},
                   .dims = {a, b, c}};
    made->tensor = (Tensor){.name = "t", .dims = made->dims, .storage = &made->storage,
                            .dtype = dtype, .rank = (uint8_t)rank};
}

static Sweep sweep(Made *made, bool crc)
{
    Sweep result;
    Error err = {0};
    if (!sweep_tensor(&made->tensor, (SweepWish){.crc = crc, .whole = true}, NULL, NULL, &result,
                      &err))
        fail_msg("%s", err.text);
    source_unref(made->storage.source);
    return result;
}

static void test_moments(void **state)
{
    (void)state;
    const float values[] = {1, -2, 0, 3, NAN, 4, -0.0F, INFINITY, -INFINITY, 1e-40F};
    Made made;
    make(&made, DT_F32, values, sizeof values, 1, 10, 0, 0);
    Sweep got = sweep(&made, true);
    const Measure *m = &got.measure;
    assert_int_equal(m->count, 10);
    assert_int_equal(m->nan, 1);
    assert_int_equal(m->inf, 2);
    assert_int_equal(m->zeros, 2);
    assert_int_equal(m->tiny, 1);
    assert_true(m->min <= -2 && m->min >= -2);
    assert_true(m->max <= 4 && m->max >= 4);
    assert_true(fabs(measure_mean(m) - 6.0 / 7) < 1e-12);
    assert_true(fabs(m->sum_abs - 10) < 1e-12);
    assert_true(fabs(m->sum2 - 30) < 1e-12);
    assert_true(fabs(m->sum4 - (1 + 16 + 81 + 256)) < 1e-9);
    assert_int_equal(got.crc, crc32(0, (const void *)values, sizeof values));
    assert_false(got.whole);
}

/* Every type gives the same numbers; what is left of a block of lanes is not forgotten. */
static void test_every_type(void **state)
{
    (void)state;
    static const DType types[] = {DT_F64, DT_F32, DT_F16, DT_BF16, DT_F8_E5M2, DT_I64, DT_I32,
                                  DT_I16, DT_I8, DT_U8, DT_C64};
    double numbers[1033];
    unsigned char bytes[sizeof numbers * 2];
    for (size_t i = 0; i < countof(numbers); i++) numbers[i] = (double)(i % 4);
    for (size_t t = 0; t < countof(types); t++) {
        unsigned size = dtype_size(types[t]);
        assert_true(dtype_convert(DT_F64, numbers, types[t], bytes, countof(numbers)));
        Made made;
        make(&made, types[t], bytes, countof(numbers) * size, 1, countof(numbers), 0, 0);
        Sweep got = sweep(&made, false);
        uint64_t parts = types[t] == DT_C64 ? 2 : 1;
        assert_int_equal(got.measure.count, countof(numbers) * parts);
        assert_true(fabs(got.measure.sum - 1548) < 1e-9);
        assert_true(fabs(got.measure.sum2 - 3612) < 1e-9);
        assert_true(got.measure.max <= 3 && got.measure.max >= 3);
        assert_true(got.whole);
    }
}

static void test_nothing_and_one(void **state)
{
    (void)state;
    const float one = 2.5F;
    Made made;
    make(&made, DT_F32, &one, 0, 2, 0, 7, 0);
    Sweep got = sweep(&made, true);
    assert_int_equal(got.measure.count, 0);
    assert_int_equal(got.crc, 0);
    assert_true(measure_mean(&got.measure) <= 0 && measure_std(&got.measure) <= 0);
    make(&made, DT_F32, &one, sizeof one, 0, 0, 0, 0);
    got = sweep(&made, true);
    assert_int_equal(got.measure.count, 1);
    assert_null(got.rows);
}

/* Rows of 3000 values cross the border of a box (1 MB) at places that are no multiple of a row. */
static void test_rows_and_columns_across_boxes(void **state)
{
    (void)state;
    enum { ROWS = 500, COLUMNS = 3000 };
    float *values = mem_alloc(sizeof(float) * ROWS * COLUMNS);
    for (size_t i = 0; i < (size_t)ROWS * COLUMNS; i++) values[i] = (float)(i % 17) + 1;
    for (size_t r = 0; r < ROWS; r++) values[r * COLUMNS + 2999] = values[r * COLUMNS + 7] = 0;
    static const size_t dead[] = {0, 86, 87, 88, 174, 349, 350, 499};
    for (size_t i = 0; i < countof(dead); i++)
        for (size_t c = 0; c < COLUMNS; c++) values[dead[i] * COLUMNS + c] = -0.0F;
    Made made;
    make(&made, DT_F32, values, sizeof(float) * ROWS * COLUMNS, 2, ROWS, COLUMNS, 0);
    Sweep got = sweep(&made, true);
    assert_int_equal(got.crc, crc32(0, (const void *)values, sizeof(float) * ROWS * COLUMNS));
    assert_int_equal(got.rows->count, countof(dead));
    assert_int_equal(got.rows->ranges, 5);
    assert_int_equal(got.rows->from[1], 86);
    assert_int_equal(got.rows->to[1], 88);
    assert_int_equal(got.rows->to[4], 499);
    assert_int_equal(got.columns->count, 2);
    assert_int_equal(got.columns->from[0], 7);
    assert_int_equal(got.columns->from[1], 2999);
    assert_int_equal(got.tail, 1);
    sweep_done(&got);
    free(values);
}

/* A channel of a convolution is dead when its whole window is. */
static void test_channels_of_convolutions(void **state)
{
    (void)state;
    float values[4][5][6];
    for (size_t i = 0; i < sizeof values / sizeof(float); i++) (&values[0][0][0])[i] = 1;
    for (size_t o = 0; o < 4; o++) memset(values[o][3], 0, sizeof values[o][3]);
    values[0][1][0] = 0;
    Made made;
    make(&made, DT_F32, values, sizeof values, 3, 4, 5, 6);
    Sweep got = sweep(&made, false);
    assert_null(got.rows);
    assert_int_equal(got.columns->count, 1);
    assert_int_equal(got.columns->from[0], 3);
    sweep_done(&got);
}

/* More ranges than are kept are counted. */
static void test_many_ranges(void **state)
{
    (void)state;
    float values[100][2];
    for (size_t i = 0; i < 100; i++) values[i][0] = values[i][1] = (float)(i % 2);
    Made made;
    make(&made, DT_F32, values, sizeof values, 2, 100, 2, 0);
    Sweep got = sweep(&made, false);
    assert_int_equal(got.rows->count, 50);
    assert_int_equal(got.rows->ranges, 50);
    assert_int_equal(got.rows->from[SWEEP_RANGES - 1], 2 * (SWEEP_RANGES - 1));
    assert_null(got.columns);
    sweep_done(&got);
}

/* All zero: neither rows nor columns are told apart. */
static void test_all_zero(void **state)
{
    (void)state;
    float values[64] = {0};
    Made made;
    make(&made, DT_F32, values, sizeof values, 2, 8, 8, 0);
    Sweep got = sweep(&made, false);
    assert_null(got.rows);
    assert_null(got.columns);
    assert_int_equal(got.tail, 8);
}

/* Equal rows at the end, in a tensor of several boxes. */
static void test_tail(void **state)
{
    (void)state;
    enum { ROWS = 700, COLUMNS = 600, EQUAL = 500 };
    float *values = mem_alloc(sizeof(float) * ROWS * COLUMNS);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < COLUMNS; c++)
            values[r * COLUMNS + c] = (float)(c + (r < ROWS - EQUAL ? r : 9999));
    Made made;
    make(&made, DT_F32, values, sizeof(float) * ROWS * COLUMNS, 2, ROWS, COLUMNS, 0);
    Sweep got = sweep(&made, false);
    assert_int_equal(got.tail, EQUAL);
    sweep_done(&got);
    free(values);
}

static void test_hash(void **state)
{
    (void)state;
    uint64_t seen[130];
    unsigned char bytes[130] = {0};
    for (size_t n = 0; n < countof(seen); n++) {   /* zeros of every length, then a bit in each */
        Made made;
        make(&made, DT_U8, bytes, n + 1, 1, (int64_t)n + 1, 0, 0);
        seen[n] = sweep(&made, false).hash;
        for (size_t i = 0; i < n; i++) assert_int_not_equal(seen[i], seen[n]);
    }
    for (size_t i = 0; i < countof(bytes); i++) {
        Made made;
        bytes[i] = 1;
        make(&made, DT_U8, bytes, sizeof bytes, 1, sizeof bytes, 0, 0);
        assert_int_not_equal(sweep(&made, false).hash, seen[129]);
        bytes[i] = 0;
    }
}

static void refuses(const Tensor *tensor, ErrorCode code, const char *part)
{
    Sweep got;
    Error err = {0};
    assert_false(sweep_tensor(tensor, (SweepWish){0}, NULL, NULL, &got, &err));
    assert_int_equal(err.code, code);
    assert_error_has(err, part);
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    const float values[4] = {1, 2, 3, 4};
    Made made;
    make(&made, DT_F32, values, sizeof values, 2, 2, 2, 0);
    Tensor tensor = made.tensor;
    tensor.storage = NULL;
    refuses(&tensor, ERR_NOT_FOUND, "has no values");
    const Encoding opaque = {.opaque = true, .note = "sparse"};
    tensor = made.tensor;
    tensor.encoding = &opaque;
    refuses(&tensor, ERR_UNSUPPORTED, "sparse");
    tensor = made.tensor;
    tensor.dtype = DT_STRING;
    refuses(&tensor, ERR_UNSUPPORTED, "string");
    const int64_t huge[] = {1 << 20, 1 << 20}, none[] = {0, 0};
    tensor = made.tensor;
    tensor.dims = huge;
    tensor.strides = none;
    refuses(&tensor, ERR_LIMIT, "repeat the 16 of its storage");
    source_unref(made.storage.source);
}

static void test_squares_that_overflow(void **state)
{
    (void)state;
    const double values[] = {1e200, -1e200, 1, 0};
    Made made;
    make(&made, DT_F64, values, sizeof values, 1, 4, 0, 0);
    Sweep got = sweep(&made, false);
    assert_int_equal(got.measure.inf, 0);
    assert_int_equal(measure_finite(&got.measure), 4);
    assert_true(measure_kurtosis(&got.measure) <= 0);
}

static void test_roles(void **state)
{
    (void)state;
    static const struct { const char *name; Role role; } names[] = {
        {"a.weight", ROLE_WEIGHT}, {"weight", ROLE_WEIGHT}, {"lstm.weight_ih_l0", ROLE_WEIGHT},
        {"attn.in_proj_weight", ROLE_WEIGHT}, {"attn.in_proj_bias", ROLE_BIAS},
        {"lstm.bias_hh_l0_reverse", ROLE_BIAS}, {"bn.running_var", ROLE_VARIANCE},
        {"conv/kernel", ROLE_WEIGHT}, {"bn/moving_mean", ROLE_MEAN}, {"bn/beta", ROLE_BIAS},
        {"bn.num_batches_tracked", ROLE_BATCHES}, {"e.position_ids", ROLE_INTEGERS},
        {"a.relative_position_index", ROLE_INTEGERS}, {"r.inv_freq", ROLE_BUFFER},
        {"a.attn_mask", ROLE_BUFFER}, {"a.masked_bias", ROLE_BUFFER}, {"total_ops", ROLE_COUNTER},
        {"mask_head.weight", ROLE_WEIGHT}, {"pos_embed", ROLE_OTHER}, {"", ROLE_OTHER}};
    for (size_t i = 0; i < countof(names); i++)
        if (role_of(names[i].name) != names[i].role) fail_msg("role of '%s'", names[i].name);
    assert_true(role_has_word("layers.0.norm2.weight", "norm"));
    assert_true(role_has_word("attn_norm.weight", "norm"));
    assert_false(role_has_word("abnormal.weight", "norm"));
    assert_int_equal(role_module("a.b.weight"), 3);
    assert_int_equal(role_module("weight"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_nothing_and_one),
        cmocka_unit_test(test_rows_and_columns_across_boxes),
        cmocka_unit_test(test_channels_of_convolutions),
        cmocka_unit_test(test_many_ranges),
        cmocka_unit_test(test_all_zero),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_what_cannot_be_read),
        cmocka_unit_test(test_squares_that_overflow),
        cmocka_unit_test(test_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
