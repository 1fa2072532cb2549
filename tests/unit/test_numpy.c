/* Arrays of NumPy: in pickles of every protocol, in .npy and .npz files; and what is wrong with
 * some of them. The fixtures count (tests/data/numpy/make_numpy.py). */
#include <stdio.h>

#include "loader/format/numpy.h"
#include "loader/source/latin1.h"
#include "loader/tensor/layout.h"
#include "tests/unit/values.h"

#define DATA "tests/data/numpy/"

/* -- Types ----------------------------------------------------------------------------- */

static void test_types_by_description(void **state)
{
    (void)state;
    static const struct { const char *descr; DType dtype; bool big; } cases[] = {
        {"<f4", DT_F32, false}, {">f4", DT_F32, true}, {"=i8", DT_I64, false},
        {"|b1", DT_BOOL, false}, {">b1", DT_BOOL, false}, {"?", DT_BOOL, false},
        {"f8", DT_F64, false}, {">c16", DT_C128, true}, {"<V2", DT_BF16, false},
        {"<f1", DT_F8_E5M2, false}, {"<V1", DT_UNKNOWN, false}, {"<f16", DT_UNKNOWN, false},
        {"|S5", DT_UNKNOWN, false}, {"<U3", DT_UNKNOWN, false}, {"", DT_UNKNOWN, false},
        {"<", DT_UNKNOWN, false}, {"<f4junk", DT_UNKNOWN, false},
        {"<M8[ns]", DT_UNKNOWN, false}, {"averylongdescription", DT_UNKNOWN, false},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        bool big = true;
        DType dtype = numpy_dtype(cases[i].descr, strlen(cases[i].descr), &big);
        assert_int_equal(dtype, cases[i].dtype);
        assert_int_equal(big, cases[i].big);
    }
}

static void test_types_by_class(void **state)
{
    (void)state;
    assert_int_equal(numpy_class_dtype("ml_dtypes", "bfloat16"), DT_BF16);
    assert_int_equal(numpy_class_dtype("ml_dtypes", "float8_e4m3fn"), DT_F8_E4M3);
    assert_int_equal(numpy_class_dtype("numpy", "float32"), DT_F32);
    assert_int_equal(numpy_class_dtype("numpy", "bool_"), DT_BOOL);
    assert_int_equal(numpy_class_dtype("ml_dtypes", "int4"), DT_UNKNOWN);
    assert_int_equal(numpy_class_dtype("os", "float32"), DT_UNKNOWN);
}

/* -- Pickles --------------------------------------------------------------------------- */

static void reads_model(const char *path)
{
    static const struct { const char *key; DType dtype; } plain[] = {
        {"f8", DT_F64}, {"f4", DT_F32}, {"f2", DT_F16}, {"i8", DT_I64}, {"i4", DT_I32},
        {"i2", DT_I16}, {"i1", DT_I8}, {"u8", DT_U64}, {"u4", DT_U32}, {"u2", DT_U16},
        {"u1", DT_U8}, {"b1", DT_BOOL}, {"c16", DT_C128}, {"c8", DT_C64},
        {"big f4", DT_F32}, {"big c16", DT_C128},
    };
    Checkpoint *c = open_fixture(path);
    assert_string_equal(checkpoint_format(c), "pickle");
    assert_int_equal(dict_count(container(c, "model")->dict), 21);
    for (size_t i = 0; i < countof(plain); i++) {
        const Tensor *tensor = tensor_at(c, "model", plain[i].key);
        has_shape(tensor, plain[i].dtype, DIMS(2, 3));
        counts(tensor);
    }
    has_shape(tensor_at(c, "model", "fortran"), DT_F32, DIMS(2, 3, 4));
    counts(tensor_at(c, "model", "fortran"));
    has_shape(tensor_at(c, "model", "permuted"), DT_F32, DIMS(2, 3, 4));
    counts(tensor_at(c, "model", "permuted"));
    holds(tensor_at(c, "model", "strided"), (const double[]){0, 3, 12, 15}, 4);
    assert_int_equal(tensor_at(c, "model", "scalar")->rank, 0);
    counts(tensor_at(c, "model", "scalar"));
    has_shape(tensor_at(c, "model", "empty"), DT_F32, DIMS(0, 3));
    counts(tensor_at(c, "objects[0]", "w"));
    const Object *root = checkpoint_root(c), *epoch = object_get(root, "epoch");
    assert_int_equal(epoch->kind, OBJ_INT);
    assert_int_equal(epoch->integer, 7);
    assert_non_null(epoch->origin);
    assert_true(object_get(root, "loss")->number == 0.5);
    assert_int_equal(object_get(root, "done")->kind, OBJ_BOOL);
    assert_true(object_get(root, "done")->boolean);
    assert_int_equal(object_get(root, "names")->kind, OBJ_CALL);
    assert_int_equal(object_get(root, "when")->kind, OBJ_CALL);
    checkpoint_unref(c);
}

static void test_every_protocol_of_both_numpys(void **state)
{
    (void)state;
    for (int version = 1; version <= 2; version++)
        for (int protocol = 0; protocol <= 5; protocol++) {
            char path[64];
            snprintf(path, sizeof path, DATA "numpy%d-protocol%d.pkl", version, protocol);
            reads_model(path);
        }
}

/* Raw bytes stay where they are: the kernel can copy them. */
static void test_raw_arrays_stay_in_the_file(void **state)
{
    (void)state;
    Checkpoint *c = open_fixture(DATA "numpy2-protocol4.pkl");
    const Storage *storage = tensor_at(c, "model", "f4")->storage;
    uint64_t where;
    int fd;
    assert_true(source_locate(storage->source, storage->offset, storage->bytes, &fd, &where));
    assert_true(where == storage->offset);
    assert_int_not_equal(storage->index, tensor_at(c, "model", "f8")->storage->index);
    checkpoint_unref(c);
}

/* Protocol 2 wrote 17,100 bytes as text, more than is kept in memory. */
static void test_long_text_is_decoded_where_it_lies(void **state)
{
    (void)state;
    Checkpoint *c = open_fixture(DATA "numpy2-long.pkl");
    const Tensor *tensor = tensor_at(c, "", "w");
    unsigned char some[4];
    has_shape(tensor, DT_U8, DIMS(190, 90));
    assert_true(tensor_read(tensor, (const int64_t[]){100, 7}, (const int64_t[]){1, 4}, some, NULL));
    for (int i = 0; i < 4; i++) assert_int_equal(some[i], (100 * 90 + 7 + i) % 256);
    checkpoint_unref(c);
}

static void test_several_pickles_in_a_row(void **state)
{
    (void)state;
    Checkpoint *c = open_fixture(DATA "numpy2-several.pkl");
    counts(tensor_at(c, "[0]", "w"));
    counts(tensor_at(c, "[1]", "[0]"));
    checkpoint_unref(c);
}

static void test_plain_pickles_of_the_field(void **state)
{
    (void)state;
    Checkpoint *c = open_fixture(DATA "numpy2-detectron2.pkl");
    counts(tensor_at(c, "model", "backbone.w"));
    checkpoint_unref(c);
    c = open_fixture(DATA "numpy2-paddle.pdparams");
    assert_int_equal(tensor_at(c, "", "fc.weight")->layout, LAYOUT_IO);
    assert_int_equal(tensor_at(c, "", "emb.weight")->layout, LAYOUT_NATIVE);
    checkpoint_unref(c);
    c = open_fixture(DATA "numpy2-ml.pkl");
    has_shape(tensor_at(c, "", "w"), DT_BF16, DIMS(2, 3));
    counts(tensor_at(c, "", "w"));
    checkpoint_unref(c);
}

/* -- Pickles by hand ------------------------------------------------------------------- */

/* An array of `descr` and shape (opcodes), whose data is what `data` pushes. */
static void put_array(Text *p, const char *descr, const char *shape, const char *data, size_t n)
{
    text_addn(p, BYTES("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
                       "K\0\x85U\1b\x87R(K\1"));
    text_add(p, shape);
    text_addf(p, "cnumpy\ndtype\nU%c%s", (int)strlen(descr), descr);
    text_addn(p, BYTES("K\0K\1\x87R(K\3U\1<NNNJ\xFF\xFF\xFF\xFFJ\xFF\xFF\xFF\xFFK\0tb\x89"));
    text_addn(p, data, n);
    text_add(p, "tb");
}

/* {'w': the array}, as a file. */
static Text pickle_of(const char *descr, const char *shape, const char *data, size_t n)
{
    Text p = {0};
    text_addn(&p, BYTES("\x80\2}U\1w"));
    put_array(&p, descr, shape, data, n);
    text_add(&p, "s.");
    return p;
}

/* The pickle, which is freed, is read, and its 'w' counts. */
static void reads_w(Text *p)
{
    Error err = {0};
    ByteSource *source = source_from_memory(p->bytes, p->length, "x.pkl");
    Checkpoint *c = checkpoint_open_source(source, &err);
    if (!c) fail_msg("%s", err.text);
    counts(tensor_at(c, "", "w"));
    checkpoint_unref(c);
    source_unref(source);
    text_done(p);
}

static void test_python_2_strings(void **state)
{
    (void)state;
    Text p = pickle_of("i2", "K\2\x85", BYTES("U\4\0\0\1\0"));
    reads_w(&p);
}

/* Protocol 0: the values as an escaped literal, which no place in the file holds raw. */
static void test_python_2_literals(void **state)
{
    (void)state;
    Text p = pickle_of("i2", "K\2\x85", BYTES("S'\\x00\\x00\\x01\\x00'\n"));
    reads_w(&p);
}

/* One stream named by 200,000 tensors: what it makes is paid for each time. */
static void test_stream_that_is_repeated(void **state)
{
    (void)state;
    enum { TIMES = 200000 };
    Text p = {0}, stream = {0};
    text_addn(&stream, legacy_preamble, sizeof legacy_preamble - 1);
    text_addn(&stream, BYTES("(U\7storagectorch\nFloatStorage\nU\1kU\3cpuK\0"));
    for (int i = 0; i < 3000; i++) text_add(&stream, "]");
    text_add(&stream, "tQ.].");
    put(&stream, 0, 8);
    text_addn(&p, BYTES("\x80\2]B"));
    put(&p, stream.length, 4);
    text_addn(&p, stream.bytes, stream.length);
    text_addn(&p, BYTES("q\1" "0ctorch.storage\n_load_from_bytes\nq\2" "0ctorch._utils\n"
                        "_rebuild_tensor\nq\3" "0("));
    for (int i = 0; i < TIMES; i++) text_addn(&p, BYTES("h\3(h\2h\1\x85RK\0))tR"));
    text_add(&p, "e.");
    text_done(&stream);
    refuses_bytes(&p, ERR_LIMIT, "the same parts are repeated so often");
}

static void test_too_many_pickles(void **state)
{
    (void)state;
    Text p = {0};
    for (int i = 0; i < 10002; i++) text_addn(&p, BYTES("\x80\2N."));
    refuses_bytes(&p, ERR_LIMIT, "pickles in a row, more than the limit of 10000");
}

static void test_malformed_arrays(void **state)
{
    (void)state;
    static const struct { const char *descr, *shape, *data, *part; } cases[] = {
        {"i2", "K\2\x85", "U\3abc", "its shape needs 4 bytes, 3 are given"},
        {"i2", "K\1\x85", "U\3abc", "its shape needs 2 bytes, 3 are given"},
        {"i2", "J\xFF\xFF\xFF\xFF\x85", "U\3abc", "its shape[0] is no size"},
        {"i2", "N\x85", "U\3abc", "its shape[0] is no size"},
        {"f8", "J\xFF\xFF\xFF\x7FJ\xFF\xFF\xFF\x7FJ\xFF\xFF\xFF\x7F\x87", "U\3abc",
         "more elements than 63 bits"},
        {"f4", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1"
               "K\1K\1K\1K\1K\1t", "U\4abcd", "33 dimensions, more than the limit of 32"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Text p = pickle_of(cases[i].descr, cases[i].shape, cases[i].data, strlen(cases[i].data));
        refuses_bytes(&p, strstr(cases[i].part, "limit") ? ERR_LIMIT : ERR_FORMAT, cases[i].part);
    }
    Text p = pickle_of("u1", "K\1\x85",
                       BYTES("c_codecs\nencode\nX\3\0\0\0\xE2\x82\xACU\6latin1\x86R"));
    refuses_bytes(&p, ERR_FORMAT, "its text stands for bytes, but has other characters");
    p = pickle_of("u1", "K\3\x85", BYTES("c_codecs\nencode\nX\2\0\0\0\xC3\xBFU\6latin1\x86R"));
    refuses_bytes(&p, ERR_FORMAT, "its shape needs 3 bytes, 1 are given");
}

/* Types without numbers, states of another form: the call stays, and is shown. */
static void test_arrays_that_stay_calls(void **state)
{
    (void)state;
    static const char *const descrs[] = {"S3", "f16", "V8", "M8"};
    for (size_t i = 0; i < countof(descrs); i++) {
        Error err = {0};
        Text p = pickle_of(descrs[i], "K\1\x85", BYTES("U\3abc"));
        ByteSource *source = source_from_memory(p.bytes, p.length, "x.pkl");
        Checkpoint *c = checkpoint_open_source(source, &err);
        if (!c) fail_msg("%s", err.text);
        assert_int_equal(object_get(checkpoint_root(c), "w")->kind, OBJ_CALL);
        assert_int_equal(checkpoint_container_count(c), 1);
        assert_int_equal(dict_count(checkpoint_container(c, 0)->dict), 0);
        checkpoint_unref(c);
        source_unref(source);
        text_done(&p);
    }
}

static void test_axes_that_are_no_permutation(void **state)
{
    (void)state;
    static const struct { const char *opcodes; size_t n; } axes[] = {
        {BYTES("K\1K\1\x86")}, {BYTES("K\0K\2\x86")}, {BYTES("K\0\x85")}, {BYTES("NK\0\x86")}};
    for (size_t i = 0; i < countof(axes); i++) {
        Text p = {0};
        text_addn(&p, BYTES("\x80\2}U\1wcnumpy.core.numeric\n_frombuffer\n(U\2abcnumpy\ndtype\n"
                            "U\2u1\x85RK\1K\2\x86U\1K"));
        text_addn(&p, axes[i].opcodes, axes[i].n);
        text_add(&p, "tRs.");
        refuses_bytes(&p, ERR_FORMAT, "axes");
    }
}

static void test_joblib_is_refused(void **state)
{
    (void)state;
    Text p = {0};
    text_addn(&p, BYTES("\x80\4\x95\x3F\0\0\0\0\0\0\0}\x8C\1w\x8C\x13joblib.numpy_pickle"
                        "\x8C\x11NumpyArrayWrapper\x93)\x81s."));
    for (int i = 0; i < 64; i++) text_addc(&p, ' ');
    refuses_bytes(&p, ERR_UNSUPPORTED, "it was written by joblib");
}

static void test_pickles_that_are_cut(void **state)
{
    (void)state;
    Text whole = pickle_of("i2", "K\2\x85", BYTES("U\4\0\0\1\0"));
    for (size_t n = 4; n + 1 < whole.length; n++) {
        Error err = {0};
        ByteSource *source = source_from_memory(whole.bytes, n, "x.pkl");
        assert_null(checkpoint_open_source(source, &err));
        assert_error_has(err, "x.pkl");
        source_unref(source);
    }
    text_done(&whole);
}

static void test_bytes_behind_a_pickle(void **state)
{
    (void)state;
    Error err = {0};
    Text p = pickle_of("i2", "K\2\x85", BYTES("U\4\0\0\1\0"));
    text_add(&p, "junk");
    ByteSource *source = source_from_memory(p.bytes, p.length, "x.pkl");
    Checkpoint *c = checkpoint_open_source(source, &err);
    if (!c) fail_msg("%s", err.text);
    assert_string_equal(checkpoint_finding(c, 0)->what,
                        "4 bytes follow the pickle; nothing refers to them");
    checkpoint_unref(c);
    source_unref(source);
    text_done(&p);
}

/* -- Text that stands for bytes -------------------------------------------------------- */

static void test_latin1_at_block_borders(void **state)
{
    (void)state;
    enum { BYTES_MADE = 150000 };
    Text text = {0};
    Error err = {0};
    for (uint32_t i = 0; i < BYTES_MADE; i++) utf8_add(&text, i * 7 % 256);
    ByteSource *base = source_from_memory(text.bytes, text.length, "x");
    ByteSource *source = source_latin1(base, 0, text.length, BYTES_MADE, &err);
    unsigned char *got = mem_alloc(BYTES_MADE);
    static const size_t starts[] = {0, 1, 43690, 65535, 65536, 87381, 131072, 149999};
    for (size_t k = 0; k < countof(starts); k++) {
        size_t n = BYTES_MADE - starts[k];
        assert_true(source_read(source, starts[k], got, n, &err));
        for (size_t i = 0; i < n; i++) assert_int_equal(got[i], (starts[k] + i) * 7 % 256);
    }
    free(got);
    source_unref(source);
    assert_null(source_latin1(base, 0, text.length, text.length + 1, &err));
    assert_null(source_latin1(base, 0, text.length, text.length / 2 - 1, &err));
    assert_null(source_latin1(base, 1, text.length, BYTES_MADE, &err));
    source = source_latin1(base, 0, text.length, BYTES_MADE - 1, &err);
    assert_false(source_read(source, 0, &err.text, 1, &err));
    assert_error_has(err, "stands for 150000 bytes, not the 149999");
    source_unref(source);
    source_unref(base);
    text_done(&text);
}

static void test_text_that_is_no_latin1(void **state)
{
    (void)state;
    static const char *const texts[] = {"ab\xE2\x82\xAC", "a\x80" "b", "\xC3" "ab"};
    for (size_t i = 0; i < countof(texts); i++) {
        Error err = {0};
        char out[8];
        ByteSource *base = source_from_memory(texts[i], strlen(texts[i]), "x");
        ByteSource *source = source_latin1(base, 0, strlen(texts[i]), 3, &err);
        assert_false(source_read(source, 0, out, 3, &err));
        assert_error_has(err, "x: the text at byte ");
        source_unref(source);
        source_unref(base);
    }
}

#define TEST(test) cmocka_unit_test(test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_types_by_description),
        TEST(test_types_by_class),
        TEST(test_every_protocol_of_both_numpys),
        TEST(test_raw_arrays_stay_in_the_file),
        TEST(test_long_text_is_decoded_where_it_lies),
        TEST(test_several_pickles_in_a_row),
        TEST(test_plain_pickles_of_the_field),
        TEST(test_python_2_strings),
        TEST(test_python_2_literals),
        TEST(test_stream_that_is_repeated),
        TEST(test_too_many_pickles),
        TEST(test_malformed_arrays),
        TEST(test_arrays_that_stay_calls),
        TEST(test_axes_that_are_no_permutation),
        TEST(test_joblib_is_refused),
        TEST(test_pickles_that_are_cut),
        TEST(test_bytes_behind_a_pickle),
        TEST(test_latin1_at_block_borders),
        TEST(test_text_that_is_no_latin1),
    };
    return cmocka_run_group_tests_name("numpy", tests, NULL, NULL);
}
