/* Fills: the generator against published answers, values against an independent program, the
 * spread against PyTorch's fans, boxes against cuts of the whole. */
#include <math.h>

#include "tests/unit/test.h"

#include "loader/align/fill.h"
#include "loader/core/memory.h"

static void test_philox(void **state)
{
    (void)state;
    /* known answers of the Random123 distribution */
    static const uint32_t in[2][6] = {
        {0, 0, 0, 0, 0, 0},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0}};
    static const uint32_t expected[2][4] = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                            {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (int i = 0; i < 2; i++) {
        uint32_t out[4];
        fill_philox(in[i], in[i] + 4, out);
        assert_memory_equal(out, expected[i], sizeof out);
    }
    for (int i = 0; i < 20000; i++) {
        double u = (i + 0.5) / 20000, c, s;
        fill_turn(u, &c, &s);
        assert_true(fabs(c - cos(2 * 3.141592653589793238 * u)) < 1e-15);
        assert_true(fabs(s - sin(2 * 3.141592653589793238 * u)) < 1e-15);
        assert_true(fabs(fill_log(u) - log(u)) <= 1e-15 * fmax(1, fabs(log(u))));
    }
    assert_true(fill_log(1) == 0);
    assert_true(fabs(fill_log(0x1p-53) + 53 * log(2)) < 1e-14);
}

/* Printed by a Python program of Philox, FNV-1a, splitmix64's finaliser and math.cos/sin/log. */
static void test_fill_values(void **state)
{
    (void)state;
    static const double normal[6] = {-0.42629333070035, 0.3296245061222142, -1.3388043225908197,
                                     1.6968712434740612, 1.987168152168405, -0.2567080165715688};
    static const double shifted[2] = {2.371558260507755, -1.6232730606547863};
    static const double uniform[4] = {0.11198324168823515, 1.6876024132650231,
                                      1.2852713220636112, -0.26579541082820324};
    Fill fill = {.kind = FILL_NORMAL, .b = 1, .key = "head.fc.weight"};
    double out[6];
    fill_values(&fill, NULL, 0, 0, out, 6);
    for (int i = 0; i < 6; i++) assert_true(fabs(out[i] - normal[i]) < 1e-14);
    fill = (Fill){.kind = FILL_NORMAL, .a = 0.5, .b = 2, .seed = 12345678901234, .key = "ключ"};
    fill_values(&fill, NULL, 0, 0, out, 2);
    for (int i = 0; i < 2; i++) assert_true(fabs(out[i] - shifted[i]) < 1e-14);
    fill_values(&fill, NULL, 0, ((uint64_t)1 << 33) + 1, out, 1);
    assert_true(fabs(out[0] + 1.052593547072579) < 1e-14);
    fill = (Fill){.kind = FILL_UNIFORM, .a = -1, .b = 3, .seed = 7, .key = "x"};
    fill_values(&fill, NULL, 0, 0, out, 4);
    for (int i = 0; i < 4; i++) assert_true(fabs(out[i] - uniform[i]) < 1e-15);
}

/* torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(64, 32, 3, 3)) is (288, 576). */
static void test_fans(void **state)
{
    (void)state;
    static const int64_t dims[] = {64, 32, 3, 3};
    static const struct { FillKind kind; bool fan_out; double scale; } cases[] = {
        {FILL_KAIMING_NORMAL, false, 2. / 288}, {FILL_KAIMING_NORMAL, true, 2. / 576},
        {FILL_XAVIER_NORMAL, false, 2. / 864},  {FILL_KAIMING_UNIFORM, false, 6. / 288},
        {FILL_KAIMING_UNIFORM, true, 6. / 576}, {FILL_XAVIER_UNIFORM, false, 6. / 864}};
    Fill plain = {.kind = FILL_NORMAL, .b = 1, .key = "k"};
    static double base[4000], out[4000];
    for (size_t i = 0; i < countof(cases); i++) {
        Fill fill = {.kind = cases[i].kind, .fan_out = cases[i].fan_out, .key = "k"};
        plain.kind = fill_is_uniform(fill.kind) ? FILL_UNIFORM : FILL_NORMAL;
        plain.a = fill_is_uniform(fill.kind) ? -1 : 0;
        fill_values(&plain, dims, 4, 5, base, countof(base));
        fill_values(&fill, dims, 4, 5, out, countof(out));
        double sum = 0, squares = 0;
        for (size_t k = 0; k < countof(out); k++) {
            assert_true(fabs(out[k] - base[k] * sqrt(cases[i].scale)) < 1e-14);
            sum += base[k];
            squares += base[k] * base[k];
        }
        assert_true(fabs(sum / 4000) < 0.05);
        assert_true(fabs(squares / 4000 - (fill_is_uniform(fill.kind) ? 1. / 3 : 1)) < 0.08);
    }
}

static void test_fill_boxes(void **state)
{
    (void)state;
    static const DType dtypes[] = {DT_F32, DT_F16, DT_F64};
    Arena *arena = arena_new();
    int64_t dims[] = {7, 5, 9};
    for (size_t d = 0; d < countof(dtypes); d++) {
        Fill fill = {.kind = FILL_NORMAL, .b = 1, .seed = 3, .key = "k"};
        const Expr *e = expr_fill_with(arena, &fill, dtypes[d], dims, 3, NULL);
        size_t size = dtype_size(dtypes[d]), row = 9;
        unsigned char whole[7 * 5 * 9 * 8], box[3 * 2 * 4 * 8], turned[7 * 5 * 9 * 8];
        assert_true(expr_fill(e, NULL, NULL, whole, NULL));
        assert_true(expr_fill(e, (int64_t[]){2, 1, 3}, (int64_t[]){3, 2, 4}, box, NULL));
        for (size_t i = 0; i < 6; i++)
            assert_memory_equal(box + i * 4 * size,
                                whole + (((2 + i / 2) * 5 + 1 + i % 2) * row + 3) * size, 4 * size);
        const Expr *t = expr_permute(arena, e, (int[]){2, 0, 1}, 3, NULL);
        assert_true(expr_fill(t, NULL, NULL, turned, NULL));
        for (size_t i = 0; i < 35; i++)
            for (size_t k = 0; k < row; k++)
                assert_memory_equal(turned + (k * 35 + i) * size, whole + (i * row + k) * size,
                                    size);
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox), cmocka_unit_test(test_fill_values),
        cmocka_unit_test(test_fans),   cmocka_unit_test(test_fill_boxes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
