/* Tensor records: what is refused, and reads of any box through any strides against a plain
 * element-by-element account of the same numbers. */
#include <stdlib.h>

#include "tests/unit/test.h"

#include "loader/core/memory.h"
#include "loader/tensor/stats.h"
#include "loader/tensor/tensor.h"

static unsigned char byte_at(uint64_t i)
{
    return (unsigned char)((i * 0x9E3779B97F4A7C15u) >> 40 ^ i);
}

/* A source whose bytes are byte_at(place), and that counts how often it is asked, and for how much. */
typedef struct Counter {
    ByteSource source;
    unsigned reads;
    uint64_t bytes;
} Counter;

static bool counter_read(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    (void)err;
    ((Counter *)source)->reads++;
    ((Counter *)source)->bytes += n;
    for (size_t i = 0; i < n; i++) ((unsigned char *)out)[i] = byte_at(offset + i);
    return true;
}

static void counter_close(ByteSource *source)
{
    (void)source;
}

static const ByteSourceOps counter_ops = {counter_read, NULL, counter_close, NULL};

static Counter counter_of(uint64_t size)
{
    Counter counter = {{&counter_ops, "counter", size, 0}, 0, 0};
    atomic_init(&counter.source.refs, 1);
    return counter;
}

/* Reads the box of a Counter and compares it element by element; as much is read as was told. */
static void check_box(const Tensor *tensor, const int64_t *from, const int64_t *size)
{
    size_t element = dtype_size(tensor->dtype), count = 1;
    int64_t packed[TENSOR_RANK_MAX], index[TENSOR_RANK_MAX] = {0};
    contiguous_strides(tensor->dims, tensor->rank, packed);
    const int64_t *strides = tensor->strides ? tensor->strides : packed;
    for (unsigned i = 0; i < tensor->rank; i++) count *= (size_t)size[i];
    unsigned char *out = mem_alloc(count * element);
    Error err = {0};
    const Counter *counter = (const Counter *)tensor->storage->source;
    const uint64_t before = counter->bytes, told = tensor_reads(tensor, from, size, NULL).bytes;
    if (!tensor_read(tensor, from, size, out, &err)) fail_msg("%s", err.text);
    assert_int_equal(counter->bytes - before, told);
    for (size_t n = 0; n < count; n++) {
        uint64_t at = tensor->storage->offset + tensor->offset;
        for (unsigned i = 0; i < tensor->rank; i++)
            at += (uint64_t)((from[i] + index[i]) * strides[i]) * element;
        for (size_t b = 0; b < element; b++)
            if (out[n * element + b] != byte_at(at + b)) fail_msg("element %zu differs", n);
        for (unsigned i = tensor->rank; i-- > 0 && ++index[i] == size[i];) index[i] = 0;
    }
    free(out);
}

static unsigned random_below(uint32_t *state, unsigned n)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % n;
}

static void test_random_boxes(void **state)
{
    (void)state;
    static const DType dtypes[] = {DT_U8, DT_I16, DT_F32, DT_F64, DT_C128};
    uint32_t seed = 7;
    for (int round = 0; round < 2000; round++) {
        Counter counter = counter_of(1 << 20);
        Storage storage = {&counter.source, 100, 1 << 19, DT_U8, 0};
        int64_t dims[5], strides[5], from[5], size[5];
        Tensor tensor = {.name = "t", .dims = dims, .strides = strides, .storage = &storage};
        tensor.rank = (uint8_t)random_below(&seed, 6);
        tensor.dtype = dtypes[random_below(&seed, countof(dtypes))];
        tensor.offset = random_below(&seed, 64);
        for (unsigned i = 0; i < tensor.rank; i++) {
            dims[i] = 1 + random_below(&seed, 7);
            strides[i] = random_below(&seed, 3) ? random_below(&seed, 300) : random_below(&seed, 2);
            from[i] = random_below(&seed, (unsigned)dims[i]);
            size[i] = random_below(&seed, (unsigned)(dims[i] - from[i]) + 1);
        }
        Error err = {0};
        if (!tensor_check(&tensor, &err)) fail_msg("%s", err.text);
        check_box(&tensor, from, size);
        if (random_below(&seed, 2)) tensor.strides = NULL;
        check_box(&tensor, from, size);
    }
}

static unsigned count_reads(DType dtype, unsigned rank, const int64_t *dims,
                            const int64_t *strides)
{
    static const int64_t zeros[TENSOR_RANK_MAX];
    Counter counter = counter_of(1 << 30);
    Storage storage = {&counter.source, 64, 1 << 29, DT_U8, 0};
    Tensor tensor = {.name = "t", .dims = dims, .strides = strides, .storage = &storage,
                     .dtype = dtype, .rank = (uint8_t)rank};
    check_box(&tensor, zeros, dims);
    return counter.reads;
}

static void test_reads_are_few(void **state)
{
    (void)state;
    int64_t whole[] = {300, 5000}, turned[] = {3000, 1000}, turned_by[] = {1, 3000};
    int64_t wide[] = {4, 6 << 20}, wide_by[] = {0, 1}, sparse[] = {40}, sparse_by[] = {1 << 20};
    int64_t column[] = {20000, 2}, column_by[] = {64, 1}, swapped[] = {2, 700, 3, 500},
            swapped_by[] = {1050000, 1, 350000, 700};
    assert_int_equal(count_reads(DT_F64, 2, whole, NULL), 1);
    assert_in_range(count_reads(DT_F32, 2, turned, turned_by), 2, 4);       /* 12 MB in spans */
    assert_in_range(count_reads(DT_U8, 2, wide, wide_by), 1, 2);            /* once, repeated */
    assert_int_equal(count_reads(DT_F32, 1, sparse, sparse_by), 40);        /* gaps are not read */
    assert_in_range(count_reads(DT_F32, 2, column, column_by), 1, 3);       /* gaps are */
    assert_in_range(count_reads(DT_F16, 4, swapped, swapped_by), 1, 6);
}

/* Whole tiles, and what is left of them on either side, of elements of every size. */
static void test_turned(void **state)
{
    (void)state;
    static const DType dtypes[] = {DT_U8, DT_F16, DT_F32, DT_F64, DT_C128};
    const int64_t dims[] = {3, 203, 131}, strides[] = {203 * 131, 1, 203};
    for (size_t i = 0; i < countof(dtypes); i++)
        assert_in_range(count_reads(dtypes[i], 3, dims, strides), 1, 3);
    const int64_t apart[] = {5000, 70}, far[] = {1, 1 << 18};     /* runs that are read alone */
    for (size_t i = 0; i < countof(dtypes); i++)
        assert_int_equal(count_reads(dtypes[i], 2, apart, far), 70);
}

static void test_scattered(void **state)
{
    (void)state;
    int64_t dims[] = {2, 3}, strides[] = {1, 4};
    const unsigned char bytes[] = {1, 2, 3, 4, 5, 6};
    ByteSource *source = source_from_memory(bytes, sizeof bytes, "m");
    Storage storage = {source, 0, 6, DT_U8, 0};
    Tensor tensor = {.name = "t", .dims = dims, .storage = &storage, .dtype = DT_U8, .rank = 2};
    unsigned char out[10] = {0};
    const unsigned char expected[10] = {1, 4, 0, 0, 2, 5, 0, 0, 3, 6};
    assert_true(tensor_read_strided(&tensor, NULL, NULL, out, strides, NULL));
    assert_memory_equal(out, expected, sizeof out);
    const unsigned char truths[10] = {1, 1, 0, 0, 1, 1, 0, 0, 1, 1};   /* and decoded besides */
    tensor.dtype = DT_BOOL;
    assert_true(tensor_read_strided(&tensor, NULL, NULL, out, strides, NULL));
    assert_memory_equal(out, truths, sizeof out);
    source_unref(source);
}

/* Reads the whole of n stored bytes as one axis of that dtype. */
static void check_decoding(DType dtype, Encoding encoding, const void *stored, size_t n,
                           const void *expected)
{
    int64_t dims[] = {(int64_t)(n / dtype_size(dtype))};
    ByteSource *source = source_from_memory(stored, n, "m");
    Storage storage = {source, 0, n, DT_U8, 0};
    Tensor tensor = {.name = "t", .dims = dims, .storage = &storage, .dtype = dtype, .rank = 1,
                     .encoding = &encoding};
    unsigned char out[64];
    Error err = {0};
    if (!tensor_read(&tensor, NULL, NULL, out, &err)) fail_msg("%s", err.text);
    assert_memory_equal(out, expected, n);
    source_unref(source);
}

static void test_decoding(void **state)
{
    (void)state;
    Encoding big = {.big_endian = true}, conj = {.conjugate = true}, neg = {.negate = true};
    Encoding both = {.big_endian = true, .conjugate = true, .negate = true}, none = {0};
    const unsigned char word[] = {1, 2, 3, 4, 5, 6, 7, 8};
    check_decoding(DT_I16, big, word, 8, (unsigned char[]){2, 1, 4, 3, 6, 5, 8, 7});
    check_decoding(DT_F32, big, word, 8, (unsigned char[]){4, 3, 2, 1, 8, 7, 6, 5});
    check_decoding(DT_C64, big, word, 8, (unsigned char[]){4, 3, 2, 1, 8, 7, 6, 5});
    check_decoding(DT_I64, big, word, 8, (unsigned char[]){8, 7, 6, 5, 4, 3, 2, 1});
    check_decoding(DT_U8, big, word, 8, word);
    check_decoding(DT_C64, conj, (float[]){1, 2, 3, -4}, 16, (float[]){1, -2, 3, 4});
    check_decoding(DT_C64, neg, (float[]){1, 2, 3, -4}, 16, (float[]){-1, -2, -3, 4});
    check_decoding(DT_F32, conj, (float[]){1, 2}, 8, (float[]){1, 2});
    check_decoding(DT_F64, neg, (double[]){0, -1.5}, 16, (double[]){-0.0, 1.5});
    check_decoding(DT_I32, neg, (int32_t[]){5, -7, 0}, 12, (int32_t[]){-5, 7, 0});
    check_decoding(DT_F8_E4M3FNUZ, neg, (unsigned char[]){0, 0x80, 0x08}, 3,
                   (unsigned char[]){0, 0x80, 0x88});
    check_decoding(DT_BOOL, none, (unsigned char[]){0, 1, 2, 255}, 4,
                   (unsigned char[]){0, 1, 1, 1});
    const unsigned char one_i[] = {0x3F, 0x80, 0, 0, 0xBF, 0x80, 0, 0};   /* 1 - i, big-endian */
    check_decoding(DT_C64, both, one_i, 8, (float[]){-1, -1});
}

static void test_packed(void **state)
{
    (void)state;
    int64_t dims[] = {4, 4}, from[] = {1, 0}, size[] = {2, 4}, odd_size[] = {1, 3};
    const unsigned char bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};
    ByteSource *source = source_from_memory(bytes, sizeof bytes, "m");
    Storage storage = {source, 0, 8, DT_U8, 0};
    Tensor tensor = {.name = "t", .dims = dims, .storage = &storage, .dtype = DT_F4_E2M1,
                     .rank = 2};
    unsigned char out[8];
    Error err;
    assert_true(tensor_check(&tensor, &err));
    assert_true(tensor_read(&tensor, NULL, NULL, out, &err));
    assert_memory_equal(out, bytes, 8);
    assert_true(tensor_read(&tensor, from, size, out, &err));
    assert_memory_equal(out, bytes + 2, 4);
    assert_false(tensor_read(&tensor, from, odd_size, out, &err));
    assert_non_null(strstr(err.text, "packed"));
    source_unref(source);
}

static bool is_refused(Tensor tensor, const int64_t *dims, const int64_t *strides, const char *why)
{
    Error err = {0};
    tensor.dims = dims;
    tensor.strides = strides;
    if (tensor_check(&tensor, &err)) return false;
    if (!strstr(err.text, why)) fail_msg("'%s' does not say '%s'", err.text, why);
    return true;
}

static void test_check(void **state)
{
    (void)state;
    const int64_t huge = (int64_t)1 << 62, largest = INT64_MAX;
    Counter counter = counter_of(1000);
    Storage storage = {&counter.source, 0, 20, DT_F32, 0};
    Tensor t = {.name = "t", .storage = &storage, .dtype = DT_F32, .rank = 2};
    assert_true(is_refused(t, (int64_t[]){2, 3}, NULL,
                           "shape [2,3] f32 needs 24 bytes, the storage has 20"));
    assert_false(is_refused(t, (int64_t[]){1, 5}, NULL, ""));
    assert_true(is_refused(t, (int64_t[]){-1, 5}, NULL, "negative"));
    assert_true(is_refused(t, (int64_t[]){2, 2}, (int64_t[]){-1, 1}, "negative"));
    assert_true(is_refused(t, (int64_t[]){huge, 4}, NULL, "63 bits"));
    assert_true(is_refused(t, (int64_t[]){huge, 0}, NULL, "63 bits"));
    assert_true(is_refused(t, (int64_t[]){3, 2}, (int64_t[]){largest, largest}, "64 bits"));
    assert_true(is_refused(t, (int64_t[]){2, 2}, (int64_t[]){4, 1}, "reaches to byte 24"));
    assert_false(is_refused(t, (int64_t[]){1, 2}, (int64_t[]){largest, 1}, ""));
    assert_false(is_refused(t, (int64_t[]){0, 9}, NULL, ""));
    assert_false(is_refused(t, (int64_t[]){1000, 5}, (int64_t[]){0, 1}, ""));
    t.offset = UINT64_MAX - 1;
    assert_true(is_refused(t, (int64_t[]){1, 1}, NULL, "64 bits"));
    t.offset = 17;
    assert_true(is_refused(t, (int64_t[]){1, 1}, NULL, "at byte 17 reaches to byte 21"));
    t.rank = 33;
    assert_true(is_refused(t, (int64_t[33]){0}, NULL, "limit of 32"));
}

static void test_read_refusals(void **state)
{
    (void)state;
    int64_t dims[] = {2, 3}, from[] = {1, 1}, size[] = {1, 3}, empty[] = {0, 3};
    Encoding opaque = {.opaque = true, .note = "sparse"};
    Tensor tensor = {.name = "a\n", .dims = dims, .dtype = DT_F32, .rank = 2};
    float out[6];
    Error err;
    assert_false(tensor_read(&tensor, NULL, NULL, out, &err));
    assert_non_null(strstr(err.text, "tensor 'a\\n': has no values"));
    assert_false(tensor_read(&tensor, from, size, out, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_true(tensor_read(&tensor, NULL, empty, out, &err));
    tensor.encoding = &opaque;
    assert_false(tensor_read(&tensor, NULL, NULL, out, &err));
    assert_non_null(strstr(err.text, "sparse"));
    tensor = (Tensor){.name = "b", .dtype = DT_F32};
    assert_false(tensor_read(&tensor, NULL, NULL, out, &err));
}

static void test_sums(void **state)
{
    (void)state;
    int64_t dims[] = {2, 1, 3}, strides[] = {3, 99, 1}, turned[] = {1, 1, 2}, out[3];
    Tensor tensor = {.name = "t", .dims = dims, .dtype = DT_F16, .rank = 3};
    assert_int_equal(tensor_count(&tensor), 6);
    assert_int_equal(tensor_bytes(&tensor), 12);
    assert_true(tensor_is_contiguous(&tensor));
    tensor.strides = strides;
    assert_true(tensor_is_contiguous(&tensor));
    tensor.strides = turned;
    assert_false(tensor_is_contiguous(&tensor));
    contiguous_strides((int64_t[]){4, 0, 5}, 3, out);
    assert_memory_equal(out, ((int64_t[]){5, 5, 1}), sizeof out);
    assert_true(same_dims(dims, 3, (int64_t[]){2, 1, 3}, 3));
    assert_false(same_dims(dims, 3, dims, 2));
    assert_false(same_dims(dims, 3, NULL, 3));
    tensor.rank = 0;
    assert_int_equal(tensor_count(&tensor), 1);
    tensor.dims = NULL;
    assert_int_equal(tensor_count(&tensor), 0);
    assert_int_equal(tensor_bytes(&tensor), 0);
}

/* A few stored bytes, repeated by strides of 0, would keep the reader busy for years. */
static void test_stats_of_expanded(void **state)
{
    (void)state;
    Counter counter = counter_of(4);
    Storage storage = {.source = &counter.source, .bytes = 4};
    int64_t dims[] = {100, 1000}, still[] = {0, 0};
    Tensor tensor = {.name = "t", .dims = dims, .strides = still, .storage = &storage,
                     .dtype = DT_I32, .rank = 2};
    Stats stats;
    Error err = {0};
    assert_true(tensor_stats(&tensor, &stats, &err));
    assert_int_equal(stats.count, 100000);
    assert_true(stats.std == 0 && stats.min == stats.max);
    dims[0] = (int64_t)1 << 40;
    assert_true(tensor_check(&tensor, &err));
    assert_false(tensor_stats(&tensor, &stats, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_error_has(err, "repeat the 4 of its storage");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_boxes), cmocka_unit_test(test_reads_are_few),
        cmocka_unit_test(test_scattered),    cmocka_unit_test(test_decoding),
        cmocka_unit_test(test_turned),
        cmocka_unit_test(test_packed),       cmocka_unit_test(test_check),
        cmocka_unit_test(test_read_refusals), cmocka_unit_test(test_sums),
        cmocka_unit_test(test_stats_of_expanded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
