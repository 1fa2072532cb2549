/* What casts lose, value by value; and that a file's values are counted once each while it is
 * written, whatever ops stand around the cast. */
#include <math.h>
#include <stdlib.h>

#include "tests/unit/test.h"

#include "loader/align/expr.h"
#include "loader/core/memory.h"

/* Casts n values and compares the count; doubles hold all of them but large integers. */
static CastLoss lose(DType from, const void *in, DType to, size_t n)
{
    CastLosses losses = {0};
    void *out = mem_alloc(n * 16);
    assert_true(dtype_convert(from, in, to, out, n));
    cast_loss_add(&losses, from, from, in, to, out, n);
    free(out);
    assert_true(losses.count <= 1);
    return losses.pairs[0];
}

static void check(CastLoss loss, uint64_t values, uint64_t changed, uint64_t infinite, uint64_t nans,
                  double max_error)
{
    assert_int_equal(loss.values, values);
    assert_int_equal(loss.changed, changed);
    assert_int_equal(loss.infinite, infinite);
    assert_int_equal(loss.nans, nans);
    assert_true(loss.max_error == max_error);
}

static void floats(void **state)
{
    (void)state;
    const float a[] = {1, 1.0f / 3, 70000, -1e9f, NAN, INFINITY, -0.0f, 1e-9f, 0.5f, 65504};
    check(lose(DT_F32, a, DT_F16, 10), 10, 4, 2, 0, fabs((double)(1.0f / 3) - 0.333251953125));
    check(lose(DT_F32, a, DT_BF16, 10), 10, 5, 0, 0, 1e9 - 998244352.0);
    check(lose(DT_F32, a, DT_F64, 10), 0, 0, 0, 0, 0);
    const double b[] = {1, 1e300, 0.1, NAN};
    check(lose(DT_F64, b, DT_F32, 4), 4, 2, 1, 0, fabs(0.1 - (double)0.1f));
    /* what has no infinity gets NaN, or its largest */
    const float c[] = {1, 1e6f, INFINITY};
    CastLoss loss = lose(DT_F32, c, DT_F8_E4M3FNUZ, 3);
    assert_int_equal(loss.changed, 2);
    assert_int_equal(loss.nans, 2);
    const uint16_t halves[] = {0x3C00, 0x7C00, 0x7E00};
    check(lose(DT_F16, halves, DT_F32, 3), 0, 0, 0, 0, 0);
    check(lose(DT_F16, halves, DT_BF16, 3), 3, 0, 0, 0, 0);
}

static void integers(void **state)
{
    (void)state;
    const int64_t a[] = {1, -1, 300, 1LL << 40, INT64_MAX, -(1LL << 53) - 1, 1LL << 60};
    check(lose(DT_I64, a, DT_I16, 3), 3, 0, 0, 0, 0);
    check(lose(DT_I64, a, DT_I8, 3), 3, 1, 0, 0, 256);
    check(lose(DT_I64, a, DT_U8, 2), 2, 1, 0, 0, 256);
    CastLoss loss = lose(DT_I64, a, DT_F64, 7);
    assert_int_equal(loss.changed, 2);   /* INT64_MAX, which became 2^63; and -2^53-1 */
    assert_int_equal(lose(DT_I64, a, DT_F32, 7).changed, 2);
    const uint64_t b[] = {UINT64_MAX, 5, 1ULL << 63};
    assert_int_equal(lose(DT_U64, b, DT_F64, 3).changed, 1);
    assert_int_equal(lose(DT_U64, b, DT_I64, 3).changed, 2);
    const float c[] = {1.5f, 2, -1, 300, NAN, 0};
    check(lose(DT_F32, c, DT_U8, 6), 6, 4, 0, 0, 45);
    check(lose(DT_F32, c, DT_BOOL, 6), 6, 5, 0, 0, 299);
    const unsigned char d[] = {0, 1};
    check(lose(DT_BOOL, d, DT_F16, 2), 2, 0, 0, 0, 0);
}

/* A tensor of thirds: every one changes in bf16. */
static const Expr *make(Arena *arena, ByteSource **source)
{
    static Storage storage;
    float numbers[24];
    for (int i = 0; i < 24; i++) numbers[i] = (float)(i + 1) / 3.0f + 0.001f;
    *source = source_from_memory(numbers, sizeof numbers, "memory");
    storage = (Storage){*source, 0, sizeof numbers, DT_F32, 0};
    Tensor *tensor = arena_alloc(arena, sizeof *tensor);
    *tensor = (Tensor){.name = "t", .dtype = DT_F32, .rank = 2, .storage = &storage};
    tensor->dims = arena_copy(arena, (int64_t[]){4, 6}, 2 * sizeof(int64_t));
    return expr_source(arena, tensor);
}

static CastLosses measure(const Expr *e)
{
    CastLosses losses = {0};
    int64_t from[4] = {0}, size[4];
    unsigned char out[4096];
    Error err;
    assert_non_null(e);
    /* in two boxes, as a file is written */
    for (unsigned i = 0; i < e->rank; i++) size[i] = e->dims[i];
    int64_t half = e->dims[0] / 2;
    size[0] = half;
    if (half) assert_true(expr_fill_measured(e, from, size, out, NULL, &losses, &err));
    from[0] = half;
    size[0] = e->dims[0] - half;
    assert_true(expr_fill_measured(e, from, size, out, NULL, &losses, &err));
    return losses;
}

static void expressions(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    ByteSource *source;
    const Expr *e = make(arena, &source), *narrow = expr_cast(arena, e, DT_BF16, NULL);
    CastLosses losses = measure(narrow);
    assert_int_equal(losses.count, 1);
    assert_int_equal(losses.pairs[0].values, 24);
    assert_int_equal(losses.pairs[0].changed, 24);
    /* ops that move data, behind the cast: what is written is what counts */
    const Expr *moved = expr_transpose(arena, narrow, NULL);
    moved = expr_reshape(arena, moved, (int64_t[]){4, 6}, 2, NULL);
    assert_int_equal(measure(moved).pairs[0].values, 24);
    assert_int_equal(measure(expr_slice(arena, moved, 0, 1, 3, NULL)).pairs[0].values, 12);
    const Expr *parts[2] = {narrow, moved};
    assert_int_equal(measure(expr_cat(arena, 0, parts, 2, NULL)).pairs[0].values, 48);
    /* two casts in a row */
    losses = measure(expr_cast(arena, narrow, DT_F16, NULL));
    assert_int_equal(losses.count, 2);
    assert_int_equal(losses.pairs[0].changed, 24);
    assert_true(losses.pairs[1].from == DT_BF16 && losses.pairs[1].changed == 0);
    /* roundings are no casts; neither is f32 on the way to arithmetic */
    assert_int_equal(measure(expr_mul(arena, narrow, 0.3, NULL)).count, 1);
    /* below a sum a value may be made several times: not measured */
    assert_int_equal(measure(expr_sum(arena, narrow, 0, NULL)).count, 0);
    char text[160];
    cast_loss_show(&(CastLoss){.values = 9, .changed = 3, .infinite = 1, .nans = 1, .max_error = 0.5},
                   text);
    assert_string_equal(text, "3 of 9 values changed, by up to 0.5; 1 became infinite; 1 became NaN");
    cast_loss_show(&(CastLoss){.values = 9}, text);
    assert_string_equal(text, "no value changed");
    source_unref(source);
    arena_free(arena);
}

static void pairs(void **state)
{
    (void)state;
    static const DType dtypes[] = {DT_F16, DT_BF16, DT_I8, DT_U8, DT_I16};
    CastLosses losses = {0};
    const float x = 0.3f;
    unsigned char out[8];
    for (size_t i = 0; i < 5; i++) {
        assert_true(dtype_convert(DT_F32, &x, dtypes[i], out, 1));
        cast_loss_add(&losses, DT_F32, DT_F32, &x, dtypes[i], out, 1);
    }
    assert_int_equal(losses.count, CAST_PAIRS);
    assert_int_equal(losses.pairs[CAST_PAIRS - 1].values, 2);   /* the fifth goes with the last */
    CastLoss sum = {0};
    cast_loss_sum(&sum, &losses.pairs[0]);
    cast_loss_sum(&sum, &losses.pairs[0]);
    assert_int_equal(sum.values, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats), cmocka_unit_test(integers), cmocka_unit_test(expressions),
        cmocka_unit_test(pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
