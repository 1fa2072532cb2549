/* MXNet's .params: every generation value by value, and one case for each way to be malformed. */
#include "tests/unit/open_as.h"

#include <stdlib.h>

static void add_little(Text *file, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++) text_addc(file, (char)(value >> 8 * i & 0xFF));
}

static void add_head(Text *file, uint64_t count)
{
    add_little(file, 0x112, 8);
    add_little(file, 0, 8);
    add_little(file, count, 8);
}

/* A dense V2 array of f32 up to, and without, its values. */
static void add_v2(Text *file, unsigned rank, const int64_t *dims)
{
    add_little(file, 0xF993FAC9, 4);
    add_little(file, 0, 4);
    add_little(file, rank, 4);
    for (unsigned i = 0; i < rank; i++) add_little(file, (uint64_t)dims[i], 8);
    add_little(file, 1, 4);
    add_little(file, 0, 4);
    add_little(file, 0, 4);
}

static void add_name(Text *file, const char *name)
{
    add_little(file, strlen(name), 8);
    text_add(file, name);
}

/* A whole file of one array [1] = 0.0 with a name. */
static void add_good(Text *file)
{
    const int64_t dims[] = {1};
    add_head(file, 1);
    add_v2(file, 1, dims);
    add_little(file, 0, 4);
    add_little(file, 1, 8);
    add_name(file, "w");
}

static Checkpoint *open_n(const char *bytes, size_t n, Error *err)
{
    return open_as(&format_mxnet, "x.params", bytes, n, err);
}

/* Frees the file. */
static void refuse(Text *file, ErrorCode code, const char *words)
{
    refuse_as(&format_mxnet, "x.params", file, code, words);
}

static const Tensor *find(const Checkpoint *checkpoint, const char *name)
{
    const Tensor *tensor = dict_find(checkpoint_find_container(checkpoint, "")->dict, name);
    if (!tensor) fail_msg("there is no '%s'", name);
    return tensor;
}

/* Dtype, shape ("2x3") and values, as doubles. */
static void expect(const Checkpoint *checkpoint, const char *name, DType dtype, const char *shape,
                   const double *values)
{
    const Tensor *tensor = find(checkpoint, name);
    Text dims = {0};
    for (unsigned i = 0; i < tensor->rank; i++)
        text_addf(&dims, "%s%d", i ? "x" : "", (int)tensor->dims[i]);
    assert_string_equal(text_string(&dims), shape);
    text_done(&dims);
    assert_int_equal(tensor->dtype, dtype);
    assert_int_equal(tensor->layout, 0);
    char raw[256];
    double found[32];
    size_t n = (size_t)tensor_count(tensor);
    assert_true(tensor_read(tensor, NULL, NULL, raw, NULL));
    dtype_to_doubles(dtype, raw, found, n);
    for (size_t i = 0; i < n; i++)
        if (found[i] != values[i]) fail_msg("%s[%zu] is %g", name, i, found[i]);
}

static const double weight[] = {-3, -2.5, -2, -1.5, -1, -.5, 0, .5, 1, 1.5, 2, 2.5};

/* -- Good files ------------------------------------------------------------------------ */

static void test_before_v1(void **state)
{
    (void)state;
    Checkpoint *checkpoint = open_path_as("mxnet", "tests/data/mxnet/v0.params");
    expect(checkpoint, "arg:fc_weight", DT_F32, "4x3", weight);
    expect(checkpoint, "arg:fc_bias", DT_F32, "4", (double[]){1, 2, 3, 4});
    expect_finding(checkpoint, "empty", "'aux:none' has no values");
    checkpoint_unref(checkpoint);
}

static void test_v1(void **state)
{
    (void)state;
    Checkpoint *checkpoint = open_path_as("mxnet", "tests/data/mxnet/v1.params");
    expect(checkpoint, "arg:fc_weight", DT_F32, "4x3", weight);
    expect(checkpoint, "arg:wide", DT_F64, "2", (double[]){1.5, -2});
    expect(checkpoint, "aux:bytes", DT_U8, "3", (double[]){1, 2, 255});
    checkpoint_unref(checkpoint);
}

static void test_v2(void **state)
{
    (void)state;
    Checkpoint *checkpoint = open_path_as("mxnet", "tests/data/mxnet/v2.params");
    expect(checkpoint, "arg:conv0_weight", DT_F32, "2x1x3x2", weight);
    expect(checkpoint, "arg:bn_gamma", DT_F16, "4", (double[]){1, 2, 3, 4});
    expect(checkpoint, "int", DT_I32, "2", (double[]){-1, 7});
    expect(checkpoint, "small", DT_I8, "2", (double[]){-1, 7});
    expect(checkpoint, "aux:long", DT_I64, "2", (double[]){-1, (double)(1ll << 40)});
    expect(checkpoint, "nothing", DT_F32, "0x3", NULL);
    expect_finding(checkpoint, "empty", "'lost'");
    assert_int_equal(dict_count(checkpoint_find_container(checkpoint, "")->dict), 6);
    checkpoint_unref(checkpoint);
}

static void test_v3(void **state)
{
    (void)state;
    Checkpoint *checkpoint = open_path_as("mxnet", "tests/data/mxnet/v3.params");
    expect(checkpoint, "features.0.scale", DT_F32, "", (double[]){2.5});
    expect(checkpoint, "mask", DT_BOOL, "3", (double[]){1, 0, 1});
    expect(checkpoint, "short", DT_I16, "2", (double[]){-300, 300});
    expect(checkpoint, "ushort", DT_U16, "2", (double[]){1, 65535});
    expect(checkpoint, "uint", DT_U32, "1", (double[]){2147483648.0});
    expect(checkpoint, "ulong", DT_U64, "1", (double[]){9223372036854775808.0});
    expect_finding(checkpoint, "empty", "'unknown'");
    checkpoint_unref(checkpoint);
}

static void test_list_has_numbers_for_names(void **state)
{
    (void)state;
    Checkpoint *checkpoint = open_path_as("mxnet", "tests/data/mxnet/list.params");
    expect(checkpoint, "[0]", DT_F32, "2", (double[]){1, 2});
    expect(checkpoint, "[1]", DT_F32, "1", (double[]){3});
    checkpoint_unref(checkpoint);
}

static void test_sparse_is_shown_with_its_parts(void **state)
{
    (void)state;
    Error err = {0};
    char raw[256];
    Checkpoint *checkpoint = open_path_as("mxnet", "tests/data/mxnet/sparse.params");
    const Tensor *whole = find(checkpoint, "embedding");
    assert_int_equal(whole->dims[0], 5);
    assert_true(whole->encoding->opaque);
    assert_string_equal(whole->encoding->note,
                        "row_sparse, 2 rows stored in the tensors of its parts");
    assert_false(tensor_read(whole, NULL, NULL, raw, &err));
    assert_error_has(err, "cannot be read as plain numbers");
    expect(checkpoint, "embedding.data", DT_F32, "2x3", (double[]){1, 2, 3, 4, 5, 6});
    expect(checkpoint, "embedding.indices", DT_I64, "2", (double[]){0, 3});
    assert_int_equal(find(checkpoint, "adjacency")->dims[1], 4);
    expect(checkpoint, "adjacency.data", DT_F32, "4", (double[]){1, 2, 3, 4});
    expect(checkpoint, "adjacency.indptr", DT_I64, "4", (double[]){0, 2, 2, 4});
    expect(checkpoint, "adjacency.indices", DT_I64, "4", (double[]){0, 2, 1, 3});
    expect(checkpoint, "dense", DT_F32, "1", (double[]){9});
    checkpoint_unref(checkpoint);
}

static void test_bytes_behind_the_names_are_a_finding(void **state)
{
    (void)state;
    Text file = {0};
    Error err = {0};
    add_good(&file);
    text_add(&file, "more");
    Checkpoint *checkpoint = open_n(file.bytes, file.length, &err);
    text_done(&file);
    assert_non_null(checkpoint);
    expect_finding(checkpoint, "trailing", "4 bytes stand behind the last name");
    checkpoint_unref(checkpoint);
}

/* -- Malformed ones -------------------------------------------------------------------- */

static void test_every_cut(void **state)
{
    (void)state;
    Text file = {0};
    add_good(&file);
    for (size_t n = 0; n < file.length; n++) {
        Error err = {0};
        Checkpoint *checkpoint = open_n(file.bytes, n, &err);
        if (checkpoint) fail_msg("opened with %zu of %zu bytes", n, file.length);
        assert_int_equal(err.code, ERR_FORMAT);
        assert_true(has_prefix(err.text, "x.params: "));
        assert_error_has_one(&err, (const char *const[]){"cut short", "are too few", " left (byte ", NULL});
    }
    text_done(&file);
}

static void test_more_arrays_than_bytes(void **state)
{
    (void)state;
    Text file = {0};
    add_head(&file, UINT64_MAX);
    add_little(&file, 0, 8);
    refuse(&file, ERR_FORMAT, "claims 18446744073709551615 arrays, for which its 32 bytes are too few");
}

static void test_too_many_dimensions(void **state)
{
    (void)state;
    Text file = {0};
    int64_t dims[33] = {0};
    add_head(&file, 1);
    add_v2(&file, 33, dims);
    refuse(&file, ERR_FORMAT, "array 0 (byte 24): has more than 32 dimensions: 33");
}

static void test_unknown_generation_is_a_rank(void **state)
{
    (void)state;
    Text file = {0};
    add_head(&file, 1);
    add_little(&file, 0xF993FACB, 4);
    add_little(&file, 0, 8);
    refuse(&file, ERR_FORMAT, "more than 32 dimensions: 4187224779");
}

static void test_negative_size(void **state)
{
    (void)state;
    Text file = {0};
    add_head(&file, 1);
    add_v2(&file, 2, (const int64_t[]){4, -1});
    refuse(&file, ERR_FORMAT, "has a negative size in dim 1");
}

static void test_sizes_that_overflow(void **state)
{
    (void)state;
    Text file = {0};
    add_head(&file, 1);
    add_v2(&file, 2, (const int64_t[]){1ll << 40, 1ll << 40});
    refuse(&file, ERR_FORMAT, "more bytes than 64 bits can count");
}

/* An empty array may have absurd sizes beside its 0; they are looked at once it has a name. */
static void test_empty_array_of_absurd_size(void **state)
{
    (void)state;
    Text file = {0};
    add_head(&file, 1);
    add_v2(&file, 3, (const int64_t[]){0, 1ll << 62, 1ll << 62});
    add_little(&file, 1, 8);
    add_name(&file, "w");
    refuse(&file, ERR_FORMAT, "tensor 'w': shape [0,4611686018427387904,4611686018427387904] f32");
}

static void test_values_beyond_the_file(void **state)
{
    (void)state;
    Text file = {0};
    add_head(&file, 1);
    add_v2(&file, 1, (const int64_t[]){1000});
    add_little(&file, 0, 4);
    refuse(&file, ERR_FORMAT, "its values need 4000 bytes, and the file has 4 left");
}

static void test_unknown_type(void **state)
{
    (void)state;
    Text file = {0};
    add_good(&file);
    file.bytes[24 + 4 + 4 + 4 + 8 + 8] = 13;
    refuse(&file, ERR_FORMAT, "array 0 (byte 24): has an unknown type_flag, 13");
}

static void test_unknown_storage(void **state)
{
    (void)state;
    Text file = {0};
    add_good(&file);
    file.bytes[24 + 4] = 3;
    refuse(&file, ERR_FORMAT, "has an unknown storage type, 3");
}

static void test_names_that_do_not_fit_the_arrays(void **state)
{
    (void)state;
    Text file = {0};
    add_head(&file, 0);
    add_little(&file, 2, 8);
    add_name(&file, "a");
    refuse(&file, ERR_FORMAT, "has 0 arrays and 2 names");
}

static void test_name_longer_than_the_file(void **state)
{
    (void)state;
    Text file = {0};
    add_good(&file);
    file.bytes[file.length - 9] = 100;
    refuse(&file, ERR_FORMAT, "a name claims 100 bytes, and the file has 1 left");
}

static void test_name_that_stands_twice(void **state)
{
    (void)state;
    Text file = {0};
    add_head(&file, 2);
    for (int i = 0; i < 2; i++) {
        add_v2(&file, 1, (const int64_t[]){1});
        add_little(&file, 0, 4);
    }
    add_little(&file, 2, 8);
    add_name(&file, "same");
    add_name(&file, "same");
    refuse(&file, ERR_FORMAT, "tensor 'same': stands twice in the file");
}

static void test_sparse_indices_beyond_the_file(void **state)
{
    (void)state;
    Text file = {0};
    add_head(&file, 1);
    add_little(&file, 0xF993FAC9, 4);
    add_little(&file, 1, 4);
    for (int i = 0; i < 2; i++) {
        add_little(&file, 1, 4);
        add_little(&file, 1, 8);
    }
    add_little(&file, 1, 8);
    add_little(&file, 0, 4);
    add_little(&file, 6, 4);
    add_little(&file, 1, 4);
    add_little(&file, 1ull << 50, 8);
    add_little(&file, 0, 8);
    refuse(&file, ERR_FORMAT, "its values need 9007199254740992 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_v1),
        cmocka_unit_test(test_v1),
        cmocka_unit_test(test_v2),
        cmocka_unit_test(test_v3),
        cmocka_unit_test(test_list_has_numbers_for_names),
        cmocka_unit_test(test_sparse_is_shown_with_its_parts),
        cmocka_unit_test(test_bytes_behind_the_names_are_a_finding),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_more_arrays_than_bytes),
        cmocka_unit_test(test_too_many_dimensions),
        cmocka_unit_test(test_unknown_generation_is_a_rank),
        cmocka_unit_test(test_negative_size),
        cmocka_unit_test(test_sizes_that_overflow),
        cmocka_unit_test(test_empty_array_of_absurd_size),
        cmocka_unit_test(test_values_beyond_the_file),
        cmocka_unit_test(test_unknown_type),
        cmocka_unit_test(test_unknown_storage),
        cmocka_unit_test(test_names_that_do_not_fit_the_arrays),
        cmocka_unit_test(test_name_longer_than_the_file),
        cmocka_unit_test(test_name_that_stands_twice),
        cmocka_unit_test(test_sparse_indices_beyond_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
