/* Tensors that are made of others: sparse layouts and their dense values, with what can be wrong
 * with indices; casts; and PyTorch's own files of them (tests/data/pickled/make_pickled.py). */
#include "loader/tensor/packed.h"
#include "loader/tensor/sparse.h"
#include "tests/unit/values.h"

#define DATA "tests/data/pickled/"

/* A part in memory, which lives until the test's arena goes. */
typedef struct Part {
    Tensor tensor;
    Storage storage;
} Part;

static void make_part(Part *part, DType dtype, const int64_t *dims, unsigned rank, const void *data)
{
    *part = (Part){.tensor = {.name = "part", .dtype = dtype, .dims = dims, .rank = (uint8_t)rank}};
    part->storage.bytes = tensor_bytes(&part->tensor);
    part->storage.source = source_from_memory(data, (size_t)part->storage.bytes, "x");
    part->tensor.storage = &part->storage;
}

static void drop_part(Part *part)
{
    source_unref(part->storage.source);
}

/* -- By hand --------------------------------------------------------------------------- */

static void test_coo_adds_up_equal_places(void **state)
{
    (void)state;
    static const int64_t places[] = {1, 1, 0}, dims[] = {3};
    static const float values[] = {1.5f, 2.0f, 4.0f};
    float got[3];
    Part indices, data;
    Error err = {0};
    make_part(&indices, DT_I64, DIMS(1, 3), places);
    make_part(&data, DT_F32, DIMS(3), values);
    const Sparse sparse = {SPARSE_COO, &indices.tensor, NULL, &data.tensor, dims, 1};
    assert_true(sparse_check(&sparse, &err));
    assert_int_equal(sparse_stored(&sparse), 3);
    ByteSource *source = sparse_source(&sparse, sizeof got, "x");
    assert_true(source_read(source, 0, got, sizeof got, &err));
    assert_true(got[0] == 4.0f && got[1] == 3.5f && got[2] == 0.0f);
    assert_true(source_read(source, 6, got, 2, &err));      /* from the middle of an element */
    assert_int_equal(memcmp(got, (const char *)&(const float){3.5f} + 2, 2), 0);
    source_unref(source);
    drop_part(&indices);
    drop_part(&data);
}

static void test_integers_wrap_and_truth_is_or(void **state)
{
    (void)state;
    static const int64_t places[] = {0, 0}, dims[] = {1};
    static const uint8_t bytes[] = {200, 100}, truth[] = {1, 1};
    Part indices, data;
    uint8_t got;
    for (int i = 0; i < 2; i++) {
        make_part(&indices, DT_I64, DIMS(1, 2), places);
        make_part(&data, i ? DT_BOOL : DT_U8, DIMS(2), i ? truth : bytes);
        const Sparse sparse = {SPARSE_COO, &indices.tensor, NULL, &data.tensor, dims, 1};
        ByteSource *source = sparse_source(&sparse, 1, "x");
        assert_true(source_read(source, 0, &got, 1, NULL));
        assert_int_equal(got, i ? 1 : 44);
        source_unref(source);
        drop_part(&indices);
        drop_part(&data);
    }
}

/* Reads the one byte or more of a source that must refuse. */
static void refuses_read(const Sparse *sparse, const char *part)
{
    Error err = {0};
    char got[1];
    assert_true(sparse_check(sparse, &err));
    ByteSource *source = sparse_source(sparse, 4, "x");
    assert_false(source_read(source, 0, got, 1, &err));
    assert_error_has(err, part);
    source_unref(source);
}

static void test_coo_index_outside(void **state)
{
    (void)state;
    static const int64_t bad[] = {3, -1, INT64_MAX, INT64_MIN}, dims[] = {3};
    static const float value = 1;
    for (size_t i = 0; i < countof(bad); i++) {
        Part indices, data;
        make_part(&indices, DT_I64, DIMS(1, 1), &bad[i]);
        make_part(&data, DT_F32, DIMS(1), &value);
        const Sparse sparse = {SPARSE_COO, &indices.tensor, NULL, &data.tensor, dims, 1};
        refuses_read(&sparse, "of dim 0 lies outside of 3");
        drop_part(&indices);
        drop_part(&data);
    }
}

static void refuses_csr(const int64_t starts[3], const int64_t columns[2], const char *part)
{
    static const int64_t dims[] = {2, 3};
    static const float values[] = {1, 2};
    Part compressed, plain, data;
    make_part(&compressed, DT_I64, DIMS(3), starts);
    make_part(&plain, DT_I64, DIMS(2), columns);
    make_part(&data, DT_F32, DIMS(2), values);
    const Sparse sparse = {SPARSE_CSR, &compressed.tensor, &plain.tensor, &data.tensor, dims, 2};
    refuses_read(&sparse, part);
    drop_part(&compressed);
    drop_part(&plain);
    drop_part(&data);
}

static void test_csr_starts_that_do_not_rise(void **state)
{
    (void)state;
    const int64_t fine[] = {0, 1};
    refuses_csr((const int64_t[]){1, 1, 2}, fine, "do not go from 0 to 2");
    refuses_csr((const int64_t[]){0, 1, 3}, fine, "do not go from 0 to 2");
    refuses_csr((const int64_t[]){0, 3, 2}, fine, "do not rise at 0");
    refuses_csr((const int64_t[]){0, -1, 2}, fine, "do not rise at 0");
}

static void test_csr_index_outside(void **state)
{
    (void)state;
    const int64_t starts[] = {0, 1, 2};
    refuses_csr(starts, (const int64_t[]){0, 3}, "its plain index 3 lies outside of 3");
    refuses_csr(starts, (const int64_t[]){-1, 0}, "its plain index -1 lies outside of 3");
}

/* Only the shapes of the parts are looked at. */
static void refuses_shapes(SparseLayout layout, const int64_t *a, unsigned a_rank, const int64_t *b,
                           unsigned b_rank, const int64_t *v, unsigned v_rank)
{
    Error err = {0};
    const Tensor indices = {.dims = a, .rank = (uint8_t)a_rank, .dtype = DT_I64};
    const Tensor plain = {.dims = b, .rank = (uint8_t)b_rank, .dtype = DT_I64};
    const Tensor values = {.dims = v, .rank = (uint8_t)v_rank, .dtype = DT_F32};
    static const int64_t dims[] = {4, 6};
    const Sparse sparse = {layout, &indices, b_rank ? &plain : NULL, &values, dims, 2};
    assert_false(sparse_check(&sparse, &err));
}

static void test_parts_that_do_not_go_together(void **state)
{
    (void)state;
    refuses_shapes(SPARSE_COO, DIMS(2), NULL, 0, DIMS(2));
    refuses_shapes(SPARSE_COO, DIMS(2, 5), NULL, 0, DIMS(4));
    refuses_shapes(SPARSE_COO, DIMS(3, 5), NULL, 0, DIMS(5));
    refuses_shapes(SPARSE_COO, DIMS(1, 5), NULL, 0, DIMS(5));
    refuses_shapes(SPARSE_COO, DIMS(2, 5), NULL, 0, DIMS(5, 2));
    refuses_shapes(SPARSE_COO, DIMS(2, -5), NULL, 0, DIMS(-5));
    refuses_shapes(SPARSE_CSR, DIMS(6), DIMS(3), DIMS(3));
    refuses_shapes(SPARSE_CSR, DIMS(5), DIMS(3), DIMS(4));
    refuses_shapes(SPARSE_CSC, DIMS(5), DIMS(3), DIMS(3));
    refuses_shapes(SPARSE_BSR, DIMS(3), DIMS(3), DIMS(3, 3, 3));
    refuses_shapes(SPARSE_BSR, DIMS(3), DIMS(3), DIMS(3, 2, 0));
    refuses_shapes(SPARSE_BSR, DIMS(3), DIMS(3), DIMS(3));
    refuses_shapes(SPARSE_CSR, DIMS(1, 5), DIMS(1, 3), DIMS(1, 3));
    refuses_shapes(SPARSE_CSR, DIMS(INT64_MAX), DIMS(3), DIMS(3));
}

static void test_more_than_memory_allows(void **state)
{
    (void)state;
    Error err = {0};
    static const int64_t places[] = {0}, dims[] = {1 << 30}, many[] = {1 << 28};
    static const int64_t strides[] = {0};
    static const float value = 1;
    Part indices, data;
    make_part(&indices, DT_I64, DIMS(1, 1), places);
    make_part(&data, DT_F32, DIMS(1), &value);
    indices.tensor.dims = (const int64_t[]){1, 1 << 28};
    indices.tensor.strides = (const int64_t[]){0, 0};
    data.tensor.dims = many;
    data.tensor.strides = strides;
    const Sparse sparse = {SPARSE_COO, &indices.tensor, NULL, &data.tensor, dims, 1};
    assert_true(sparse_check(&sparse, &err));
    refuses_read(&sparse, "sparse-bytes");
    drop_part(&indices);
    drop_part(&data);
}

static void test_casts_read_any_range(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    static float values[COUNT];
    for (int i = 0; i < COUNT; i++) values[i] = (float)(i % 256);
    Part part;
    make_part(&part, DT_F32, DIMS(100, 100), values);
    ByteSource *source = packed_source(&part.tensor, DT_BF16, "x", NULL, NULL, NULL);
    unsigned char whole[2 * COUNT], some[777];
    assert_int_equal(source->size, sizeof whole);
    assert_true(source_read(source, 0, whole, sizeof whole, NULL));
    for (size_t i = 0; i < COUNT; i++) {
        double value;
        dtype_to_doubles(DT_BF16, whole + 2 * i, &value, 1);
        assert_true(value == (double)(i % 256));
    }
    assert_true(source_read(source, 333, some, sizeof some, NULL));
    assert_memory_equal(some, whole + 333, sizeof some);
    source_unref(source);
    assert_null(packed_source(&part.tensor, DT_QINT8, "x", NULL, NULL, NULL));
    assert_null(packed_source(&part.tensor, DT_F4_E2M1, "x", NULL, NULL, NULL));
    drop_part(&part);
}

/* -- Files of PyTorch ------------------------------------------------------------------ */

static void test_layouts_of_pytorch(void **state)
{
    (void)state;
    static const double dense[24] = {[1] = 1, [4] = 2, [14] = 3, [23] = 4};
    static const char *const keys[] = {"coo", "csr", "csc", "bsr", "bsc", "dense"};
    Checkpoint *c = open_fixture(DATA "sparse.pth");
    for (size_t i = 0; i < countof(keys); i++) {
        has_shape(tensor_at(c, "", keys[i]), DT_F32, DIMS(4, 6));
        holds(tensor_at(c, "", keys[i]), dense, 24);
    }
    holds(tensor_at(c, "", "twice"), (const double[]){3, 3, 0}, 3);
    holds(tensor_at(c, "", "hybrid"), (const double[]){3, 4, 0, 0, 1, 2}, 6);
    assert_string_equal(tensor_at(c, "", "bsr")->encoding->note, "sparse BSR, 4 blocks stored");
    has_keys(c, "coo", "indices values ");
    has_keys(c, "csc", "ccol_indices row_indices values ");
    holds(tensor_at(c, "coo", "values"), (const double[]){1, 2, 3, 4}, 4);
    has_keys(c, "nested", "buffer sizes strides offsets ");
    assert_true(tensor_at(c, "", "nested")->encoding->opaque);
    checkpoint_unref(c);
}

static void test_distributed_tensors(void **state)
{
    (void)state;
    Checkpoint *c = open_fixture(DATA "dtensor.pth");
    counts(tensor_at(c, "", "whole"));
    const Tensor *shard = tensor_at(c, "", "shard"), *summand = tensor_at(c, "", "summand");
    assert_true(shard->encoding->opaque);
    assert_non_null(strstr(shard->encoding->note, "of which this file has the part 2×6"));
    counts(tensor_at(c, "shard", "_local_tensor"));
    assert_true(summand->encoding->opaque);
    assert_non_null(strstr(summand->encoding->note, "one summand"));
    checkpoint_unref(c);
}

static void test_module_pickled_whole(void **state)
{
    (void)state;
    Checkpoint *c = open_fixture(DATA "module.pth");
    has_keys(c, "model", "seen fc.weight fc.bias ");
    counts(tensor_at(c, "model", "seen"));
    assert_int_equal(checkpoint_container_count(c), 1);
    const Object *model = object_get(checkpoint_root(c), "model");
    assert_int_equal(object_get(model->call->state, "loose")->kind, OBJ_TENSOR);
    checkpoint_unref(c);
}

/* Parts stand where those of a saved state dict would, and know the tensor that they make. */
static void test_sparse_buffers_of_a_module(void **state)
{
    (void)state;
    Checkpoint *c = open_fixture(DATA "made.pth");
    has_keys(c, "net", "w adjacent inner.csr ");
    has_keys(c, "net.adjacent", "indices values ");
    has_keys(c, "net[\"inner.csr\"]", "crow_indices col_indices values ");
    assert_int_equal(checkpoint_container_count(c), 3);
    assert_ptr_equal(checkpoint_find_parts(c, tensor_at(c, "net", "inner.csr")),
                     container(c, "net[\"inner.csr\"]"));
    assert_null(checkpoint_find_parts(c, tensor_at(c, "net", "w")));
    assert_ptr_equal(checkpoint_choose(c, NULL, NULL), container(c, "net"));
    checkpoint_unref(c);
}

static void test_tensors_that_pickle_dumped(void **state)
{
    (void)state;
    static const char *const names[] = {DATA "tensors2.pkl", DATA "tensors4.pkl"};
    for (size_t i = 0; i < countof(names); i++) {
        Checkpoint *c = open_fixture(names[i]);
        has_shape(tensor_at(c, "", "w"), DT_F32, DIMS(2, 3));
        counts(tensor_at(c, "", "w"));
        has_shape(tensor_at(c, "", "half"), DT_F16, DIMS(3));
        counts(tensor_at(c, "", "half"));
        assert_ptr_equal(tensor_at(c, "", "w")->identity, tensor_at(c, "", "tied")->identity);
        checkpoint_unref(c);
    }
}

static void test_keys_of_all_kinds(void **state)
{
    (void)state;
    Checkpoint *c = open_fixture(DATA "keys.pth");
    has_keys(c, "keys", "('a', 1) ('a', 2) [3] 3 None ");
    counts(tensor_at(c, "default", "w"));
    assert_non_null(object_as_dict(object_get(checkpoint_root(c), "counter")));
    checkpoint_unref(c);
}

#define TEST(test) cmocka_unit_test(test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_coo_adds_up_equal_places),
        TEST(test_integers_wrap_and_truth_is_or),
        TEST(test_coo_index_outside),
        TEST(test_csr_starts_that_do_not_rise),
        TEST(test_csr_index_outside),
        TEST(test_parts_that_do_not_go_together),
        TEST(test_more_than_memory_allows),
        TEST(test_casts_read_any_range),
        TEST(test_layouts_of_pytorch),
        TEST(test_distributed_tensors),
        TEST(test_module_pickled_whole),
        TEST(test_sparse_buffers_of_a_module),
        TEST(test_tensors_that_pickle_dumped),
        TEST(test_keys_of_all_kinds),
    };
    return cmocka_run_group_tests_name("sparse", tests, NULL, NULL);
}
