/* Comparing numbers: verdicts, the measures against an account by hand, what cannot be compared. */
#include <math.h>
#include <stdlib.h>

#include "tests/unit/test.h"

#include "loader/align/compare.h"
#include "tests/unit/number_dict.h"

static const CompareOptions usual = {.tolerance = {1e-5, 1e-8}};

/* Vectors of n numbers, one a side. */
static Comparison compare(DType a_type, const double *a, DType b_type, const double *b, int64_t n)
{
    Numbers left = numbers_new(), right = numbers_new();
    const Tensor *from = put_numbers(left, "t", a_type, 1, &n, a);
    const Tensor *to = put_numbers(right, "t", b_type, 1, &n, b);
    Arena *arena = arena_new();
    Comparison result;
    Error err = {0};
    uint64_t done = 0;
    assert_true(compare_values(arena, expr_source(arena, from), to, &usual, &done, 1, &result,
                               &err));
    result.why = NULL;
    arena_free(arena);
    dict_unref(left.dict);
    dict_unref(right.dict);
    return result;
}

static void test_equal_numbers(void **state)
{
    (void)state;
    const double a[] = {1, -2, 0.5};
    Comparison one = compare(DT_F32, a, DT_F32, a, 3);
    assert_int_equal(one.verdict, VERDICT_EQUAL);
    assert_int_equal(one.count, 3);
    assert_true(one.cosine > 0.999999 && one.distance == 0 && one.max_abs == 0);
}

static void test_the_largest_difference_and_its_place(void **state)
{
    (void)state;
    const double a[] = {1, 2, 3, 4}, b[] = {1, 2.5, 1, 4};
    Comparison one = compare(DT_F64, a, DT_F64, b, 4);
    assert_int_equal(one.verdict, VERDICT_DIFFERS);
    assert_int_equal(one.unequal, 2);
    assert_int_equal(one.outside, 2);
    assert_int_equal(one.at, 2);
    assert_true(one.max_abs == 2 && one.a_at == 3 && one.b_at == 1);
    assert_true(one.max_rel == 2);
    assert_true(one.mean_abs == 2.5 / 4);
    assert_true(fabs(one.distance - sqrt(4.25 / (1 + 6.25 + 1 + 16))) < 1e-12);
    assert_true(fabs(one.cosine - 25 / sqrt(30 * 24.25)) < 1e-12);
}

static void test_equal_up_to_the_coarser_type(void **state)
{
    (void)state;
    const double a[] = {0.1, 1.0 / 3}, rounded[] = {0.0999755859375, 0.333251953125};
    assert_int_equal(compare(DT_F32, a, DT_F16, rounded, 2).verdict, VERDICT_CAST);
    assert_int_equal(compare(DT_F16, rounded, DT_F32, a, 2).verdict, VERDICT_CAST);
    assert_int_equal(compare(DT_F32, a, DT_F32, rounded, 2).verdict, VERDICT_DIFFERS);
    const double near_it[] = {0.10003662109375, 0.333251953125};
    assert_int_equal(compare(DT_F32, a, DT_F16, near_it, 2).verdict, VERDICT_DIFFERS);
}

static void test_within_the_tolerance(void **state)
{
    (void)state;
    const double a[] = {1, 2}, b[] = {1.000001, 2};
    Comparison one = compare(DT_F64, a, DT_F64, b, 2);
    assert_int_equal(one.verdict, VERDICT_CLOSE);
    assert_int_equal(one.unequal, 1);
    assert_int_equal(one.outside, 0);
}

static void test_nan_is_equal_to_nan_alone(void **state)
{
    (void)state;
    const double a[] = {NAN, 1, INFINITY}, b[] = {NAN, NAN, INFINITY};
    Comparison one = compare(DT_F32, a, DT_F32, a, 3);
    assert_int_equal(one.verdict, VERDICT_EQUAL);
    assert_int_equal(one.nan, 1);
    one = compare(DT_F32, a, DT_F32, b, 3);
    assert_int_equal(one.verdict, VERDICT_DIFFERS);
    assert_int_equal(one.nan, 1);
    assert_int_equal(one.nan_alone, 1);
    assert_true(one.max_abs == 0);
}

static void test_infinity_is_within_no_tolerance(void **state)
{
    (void)state;
    const double a[] = {1, -INFINITY}, b[] = {INFINITY, INFINITY};
    Comparison one = compare(DT_F32, a, DT_F32, b, 2);
    assert_int_equal(one.outside, 2);
    assert_true(isinf(one.max_abs) && isinf(one.distance) && isnan(one.cosine));
}

static void test_both_zeros_are_equal(void **state)
{
    (void)state;
    const double a[] = {0.0}, b[] = {-0.0};
    Comparison one = compare(DT_F32, a, DT_F32, b, 1);
    assert_int_equal(one.verdict, VERDICT_EQUAL);
    assert_true(isnan(one.cosine));
}

static void test_integers_beyond_doubles(void **state)
{
    (void)state;
    int64_t n = 1;
    Numbers dict = numbers_new();
    const int64_t a = INT64_C(1) << 60, b = a + 1;
    const Tensor *from = put_bytes(dict, "a", DT_I64, 1, &n, &a, sizeof a);
    const Tensor *to = put_bytes(dict, "b", DT_I64, 1, &n, &b, sizeof b);
    Arena *arena = arena_new();
    Comparison one;
    Error err = {0};
    uint64_t done = 0;
    assert_true(compare_values(arena, expr_source(arena, from), to, &usual, &done, 1, &one, &err));
    assert_int_equal(one.unequal, 1);
    assert_int_equal(one.verdict, VERDICT_CLOSE);
    arena_free(arena);
    dict_unref(dict.dict);
}

static void test_nothing_to_compare(void **state)
{
    (void)state;
    const double none[1] = {0};
    assert_int_equal(compare(DT_F32, none, DT_F32, none, 0).verdict, VERDICT_EQUAL);
    int64_t n = 2;
    Numbers dict = numbers_new();
    const double two[] = {1, 2};
    const Tensor *from = put_numbers(dict, "a", DT_F32, 1, &n, two);
    Tensor bare = {.name = "b", .dims = &n, .rank = 1, .dtype = DT_F32};
    Arena *arena = arena_new();
    Comparison one;
    Error err = {0};
    uint64_t done = 0;
    assert_true(compare_values(arena, expr_source(arena, from), &bare, &usual, &done, 1, &one,
                               &err));
    assert_int_equal(one.verdict, VERDICT_UNREAD);
    assert_non_null(strstr(one.why, "no values on the target's side"));
    arena_free(arena);
    dict_unref(dict.dict);
}

static bool stop(void *context, uint64_t done, uint64_t total)
{
    (void)context, (void)done, (void)total;
    return false;
}

static void test_it_can_be_cancelled(void **state)
{
    (void)state;
    int64_t n = 2;
    const double two[] = {1, 2};
    Numbers dict = numbers_new();
    const Tensor *one = put_numbers(dict, "a", DT_F32, 1, &n, two);
    Arena *arena = arena_new();
    Comparison result;
    Error err = {0};
    uint64_t done = 0;
    const CompareOptions options = {.progress = stop};
    assert_false(compare_values(arena, expr_source(arena, one), one, &options, &done, 1, &result,
                                &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    arena_free(arena);
    dict_unref(dict.dict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_numbers),
        cmocka_unit_test(test_the_largest_difference_and_its_place),
        cmocka_unit_test(test_equal_up_to_the_coarser_type),
        cmocka_unit_test(test_within_the_tolerance),
        cmocka_unit_test(test_nan_is_equal_to_nan_alone),
        cmocka_unit_test(test_infinity_is_within_no_tolerance),
        cmocka_unit_test(test_both_zeros_are_equal),
        cmocka_unit_test(test_integers_beyond_doubles),
        cmocka_unit_test(test_nothing_to_compare),
        cmocka_unit_test(test_it_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
