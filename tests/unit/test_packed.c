/* A tensor's elements as bytes: every range, strided, converted, big-endian. */
#include <stdlib.h>

#include "loader/core/memory.h"
#include "loader/tensor/packed.h"
#include "tests/unit/test.h"

static float numbers[24];

static Tensor make_tensor(Storage *storage, const int64_t *dims, unsigned rank)
{
    for (int i = 0; i < 24; i++) numbers[i] = (float)i;
    *storage = (Storage){source_from_memory(numbers, sizeof numbers, "n"), 0, sizeof numbers,
                         DT_F32, 0};
    return (Tensor){.name = "t", .dims = dims, .storage = storage, .dtype = DT_F32,
                    .rank = (uint8_t)rank};
}

/* Each range of the source equals that of `want`. */
static void reads(const Tensor *tensor, DType dtype, const void *want, size_t n)
{
    Error err = {0};
    ByteSource *source = packed_source(tensor, dtype, "v", NULL, NULL, &err);
    if (!source) fail_msg("%s", err.text);
    assert_int_equal(source->size, n);
    unsigned char *out = mem_alloc(n + 1);
    for (size_t from = 0; from <= n; from++)
        for (size_t end = from; end <= n; end++) {
            if (!source_read(source, from, out, end - from, &err)) fail_msg("%s", err.text);
            assert_memory_equal(out, (const unsigned char *)want + from, end - from);
        }
    free(out);
    source_unref(source);
}

static void test_every_range_of_a_transpose(void **state)
{
    (void)state;
    Storage storage;
    const int64_t dims[] = {3, 4, 2}, strides[] = {2, 6, 1};
    Tensor tensor = make_tensor(&storage, dims, 3);
    tensor.strides = strides;
    float want[24];
    for (int i = 0; i < 24; i++) want[i] = (float)(i / 8 * 2 + i / 2 % 4 * 6 + i % 2);
    reads(&tensor, DT_F32, want, sizeof want);
    source_unref(storage.source);
}

static void test_converted(void **state)
{
    (void)state;
    Storage storage;
    const int64_t dims[] = {2, 12};
    const Tensor tensor = make_tensor(&storage, dims, 2);
    double wide[24];
    int16_t small[24];
    for (int i = 0; i < 24; i++) wide[i] = small[i] = (int16_t)i;
    reads(&tensor, DT_F64, wide, sizeof wide);
    reads(&tensor, DT_I16, small, sizeof small);
    source_unref(storage.source);
}

static void test_scalar_and_empty(void **state)
{
    (void)state;
    Storage storage;
    Tensor tensor = make_tensor(&storage, (const int64_t[]){0}, 0);
    tensor.offset = 20;
    reads(&tensor, DT_F32, &(const float){5}, 4);
    const int64_t none[] = {3, 0};
    tensor.dims = none;
    tensor.rank = 2;
    reads(&tensor, DT_F32, "", 0);
    source_unref(storage.source);
}

static int released;

static void release(void *owner)
{
    (void)owner;
    released++;
}

static void test_owner_is_released(void **state)
{
    (void)state;
    Storage storage;
    Error err = {0};
    Tensor tensor = make_tensor(&storage, (const int64_t[]){24}, 1);
    ByteSource *source = packed_source(&tensor, DT_F32, "v", &storage, release, &err);
    assert_int_equal(released, 0);
    source_unref(source);
    assert_int_equal(released, 1);
    const Encoding opaque = {.opaque = true};
    tensor.encoding = &opaque;
    assert_null(packed_source(&tensor, DT_F32, "v", &storage, release, &err));
    assert_error_has(err, "v: elements of type f32 cannot be read as f32");
    assert_int_equal(released, 2);
    tensor.encoding = NULL;
    assert_null(packed_source(&tensor, DT_QINT8, "v", NULL, NULL, &err));
    source_unref(storage.source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_range_of_a_transpose), cmocka_unit_test(test_converted),
        cmocka_unit_test(test_scalar_and_empty), cmocka_unit_test(test_owner_is_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
