/* .npy and .npz: right readings, and one test for each way in which a header can be wrong. */
#include <stdio.h>

#include "tests/unit/values.h"

#define DATA "tests/data/numpy/numpy2-"

/* A version 1 file of a header, padded as NumPy does, and of n bytes behind it. */
static Text npy_of(const char *header, const void *data, size_t n)
{
    Text file = {0};
    size_t length = strlen(header), pad = 63 - (10 + length) % 64;
    text_addn(&file, BYTES("\x93NUMPY\1\0"));
    put(&file, length + pad + 1, 2);
    text_add(&file, header);
    while (pad--) text_addc(&file, ' ');
    text_addc(&file, '\n');
    text_addn(&file, data, n);
    return file;
}

static Checkpoint *open_text(Text *file)
{
    Error err = {0};
    ByteSource *source = source_from_memory(file->bytes, file->length, "x.npy");
    Checkpoint *c = checkpoint_open_source(source, &err);
    source_unref(source);
    text_done(file);
    if (!c) fail_msg("%s", err.text);
    return c;
}

/* -- Right ones ------------------------------------------------------------------------ */

static void test_arrays_of_the_library(void **state)
{
    (void)state;
    static const struct { const char *name; DType dtype; } cases[] = {
        {"f4", DT_F32}, {"b1", DT_BOOL}, {"big-c16", DT_C128}, {"fortran", DT_F32},
        {"scalar", DT_F32}, {"empty", DT_F32}, {"version2", DT_I16}, {"version3", DT_I16},
        {"bfloat16", DT_BF16}, {"float8", DT_F8_E5M2},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        char path[96];
        snprintf(path, sizeof path, DATA "%s.npy", cases[i].name);
        Checkpoint *c = open_fixture(path);
        assert_string_equal(checkpoint_format(c), "npy");
        const Tensor *tensor = tensor_at(c, "", "");
        assert_int_equal(tensor->dtype, cases[i].dtype);
        counts(tensor);
        checkpoint_unref(c);
    }
}

static void test_objects_are_a_pickle(void **state)
{
    (void)state;
    Checkpoint *c = open_fixture(DATA "dict.npy");
    has_shape(tensor_at(c, "conv1", "w"), DT_F32, DIMS(2, 3));
    counts(tensor_at(c, "conv1", "w"));
    counts(tensor_at(c, "fc", "w"));
    counts(tensor_at(c, "", "fc.w"));
    checkpoint_unref(c);
    c = open_fixture(DATA "objects.npy");
    counts(tensor_at(c, "", "[0]"));
    counts(tensor_at(c, "", "[1]"));
    checkpoint_unref(c);
}

static void test_npz_stored_and_deflated(void **state)
{
    (void)state;
    static const char *const names[] = {DATA "stored.npz", DATA "deflated.npz"};
    for (size_t i = 0; i < countof(names); i++) {
        Checkpoint *c = open_fixture(names[i]);
        assert_string_equal(checkpoint_format(c), "npz");
        has_keys(c, "", "enc/w b ");
        counts(tensor_at(c, "", "enc/w"));
        counts(tensor_at(c, "", "b"));
        counts(tensor_at(c, "extra", "deep"));
        const Storage *storage = tensor_at(c, "", "b")->storage;
        uint64_t where;
        int fd;
        assert_int_equal(source_locate(storage->source, storage->offset, storage->bytes, &fd,
                                       &where), i == 0);
        checkpoint_unref(c);
    }
}

/* Keys in any order, sizes with an L, either quotes, no comma at the end. */
static void test_headers_of_other_writers(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{'shape': (2L, 3L), 'fortran_order': False, 'descr': '<i2'}",
        "{\"descr\": \"<i2\", \"fortran_order\": False, \"shape\": (2, 3)}",
        "  { 'descr' : '=i2' , 'fortran_order' : False , 'shape' : ( 2 , 3 , ) , }  ",
    };
    static const char data[] = "\0\0\1\0\2\0\3\0\4\0\5";
    for (size_t i = 0; i < countof(headers); i++) {
        Text file = npy_of(headers[i], data, 12);
        Checkpoint *c = open_text(&file);
        has_shape(tensor_at(c, "", ""), DT_I16, DIMS(2, 3));
        counts(tensor_at(c, "", ""));
        checkpoint_unref(c);
    }
}

static void test_bytes_behind_the_array(void **state)
{
    (void)state;
    Text file = npy_of("{'descr': '<i2', 'fortran_order': False, 'shape': (1,), }", "\0\0more", 6);
    Checkpoint *c = open_text(&file);
    assert_string_equal(checkpoint_finding(c, 0)->what,
                        "4 bytes follow the array; nothing refers to them");
    checkpoint_unref(c);
}

/* -- Wrong ones ------------------------------------------------------------------------ */

static void refuses_header(const char *header, ErrorCode code, const char *part)
{
    Text file = npy_of(header, "\0\0\0\0", 4);
    refuses_bytes(&file, code, part);
}

static void test_header_is_no_dict(void **state)
{
    (void)state;
    refuses_header("", ERR_FORMAT, "its header is no dict");
    refuses_header("[1]", ERR_FORMAT, "its header is no dict");
    refuses_header("{1: 2}", ERR_FORMAT, "its header is no dict");
    refuses_header("{'descr' '<f4'}", ERR_FORMAT, "its header is no dict");
    refuses_header("{'descr': '<f4'", ERR_FORMAT, "is a dict that does not end");
    refuses_header("{'descr: '<f4'", ERR_FORMAT, "its header is no dict");
}

static void test_header_lacks_a_key(void **state)
{
    (void)state;
    refuses_header("{}", ERR_FORMAT, "lacks one of descr, fortran_order and shape");
    refuses_header("{'descr': '<f4', 'shape': (1,)}", ERR_FORMAT, "lacks one of");
}

static void test_header_has_a_key_twice_or_another(void **state)
{
    (void)state;
    refuses_header("{'descr': '<f4', 'descr': '<f4'}", ERR_FORMAT, "has a key twice");
    refuses_header("{'descr': '<f4', 'name': 'x'}", ERR_FORMAT, "has a key that is none of");
}

static void test_header_goes_on(void **state)
{
    (void)state;
    refuses_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} + x", ERR_FORMAT,
                   "goes on behind its dict");
}

static void test_wrong_shapes(void **state)
{
    (void)state;
    static const struct { const char *shape, *part; ErrorCode code; } cases[] = {
        {"3", "a shape that is no tuple", ERR_FORMAT},
        {"(-1,)", "a shape with no size in it", ERR_FORMAT},
        {"(1", "a shape that does not end", ERR_FORMAT},
        {"(1 2)", "a shape that does not end", ERR_FORMAT},
        {"(,)", "a shape with no size in it", ERR_FORMAT},
        {"(1.5,)", "a shape that does not end", ERR_FORMAT},
        {"(99999999999999999999,)", "a size that 63 bits cannot count", ERR_FORMAT},
        {"(4294967296, 4294967296)", "more elements than 63 bits", ERR_FORMAT},
        {"(0, 4294967296, 4294967296)", "more elements than 63 bits", ERR_FORMAT},
        {"(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)",
         "more than the limit of 32", ERR_LIMIT},
        {"(2,)", "f32 2 needs 8 bytes behind the header, 4 are there", ERR_FORMAT},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        char header[256];
        snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': %s}",
                 cases[i].shape);
        refuses_header(header, cases[i].code, cases[i].part);
    }
}

static void test_wrong_types(void **state)
{
    (void)state;
    static const struct { const char *descr, *part; ErrorCode code; } cases[] = {
        {"'<q9'", "of the type '<q9', no numbers", ERR_UNSUPPORTED},
        {"'|S5'", "of the type '|S5', no numbers", ERR_UNSUPPORTED},
        {"'<V1'", "of the type '<V1', no numbers", ERR_UNSUPPORTED},
        {"'\x1b[2J'", "of the type '\\x1b[2J'", ERR_UNSUPPORTED},
        {"[('a', '<f4')]", "it holds records ([('a', '<f4')])", ERR_UNSUPPORTED},
        {"('<f4', (2,))", "it holds records (('<f4', (2,))", ERR_UNSUPPORTED},
        {"4", "a type that is no text", ERR_FORMAT},
        {"'<f4", "a type that is no text", ERR_FORMAT},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        char header[256];
        snprintf(header, sizeof header, "{'descr': %s, ", cases[i].descr);
        refuses_header(header, cases[i].code, cases[i].part);
    }
}

static void test_wrong_order(void **state)
{
    (void)state;
    refuses_header("{'fortran_order': 1}", ERR_FORMAT, "an order that is no bool");
}

static void test_versions_and_lengths(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t n; ErrorCode code; const char *part; } cases[] = {
        {BYTES("\x93NUMPY\1"), ERR_FORMAT, "magic number is missing"},
        {BYTES("\x93NUMPY\4\0\1\0{"), ERR_UNSUPPORTED, "version 4.0"},
        {BYTES("\x93NUMPY\0\0\1\0{"), ERR_UNSUPPORTED, "version 0.0"},
        {BYTES("\x93NUMPY\2\0\1\0\0"), ERR_FORMAT, "ends in its header"},
        {BYTES("\x93NUMPY\1\0\x09\0{}"), ERR_FORMAT, "claims 9 bytes, the file has 2"},
        {BYTES("\x93NUMPY\2\0\xFF\xFF\xFF\xFF{}"), ERR_FORMAT, "claims 4294967295 bytes"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Text file = {0};
        text_addn(&file, cases[i].bytes, cases[i].n);
        refuses_bytes(&file, cases[i].code, cases[i].part);
    }
    Text file = {0};
    text_addn(&file, BYTES("\x93NUMPY\2\0"));
    put(&file, 70000, 4);
    for (int i = 0; i < 70000; i++) text_addc(&file, ' ');
    refuses_bytes(&file, ERR_LIMIT, "has 70000 bytes, more than the limit of 65536");
}

static void test_object_array_without_its_pickle(void **state)
{
    (void)state;
    Text file = npy_of("{'descr': '|O', 'fortran_order': False, 'shape': (), }", "", 0);
    refuses_bytes(&file, ERR_FORMAT, "the file ends at byte");
    file = npy_of("{'descr': '|O', 'fortran_order': False, 'shape': (), }", "\x80\4\x95", 3);
    refuses_bytes(&file, ERR_FORMAT, "the file ends at byte");
}

static void test_cut_everywhere(void **state)
{
    (void)state;
    Text whole = npy_of("{'descr': '<i2', 'fortran_order': False, 'shape': (2, ), }", "\0\0\1\0", 4);
    for (size_t n = 6; n < whole.length; n++) {
        Text part = {0};
        text_addn(&part, whole.bytes, n);
        refuses_bytes(&part, ERR_FORMAT, n < 10 ? "its magic number is missing"
                                         : n < whole.length - 4 ? "its header claims "
                                         : "behind the header, ");
    }
    text_done(&whole);
}

static void test_npz_with_a_damaged_member(void **state)
{
    (void)state;
    Text good = npy_of("{'descr': '<i2', 'fortran_order': False, 'shape': (1, ), }", "\0\0", 2);
    const Record records[] = {{"a.npy", good.bytes, good.length}, {"b.npy", BYTES("no array")}};
    Text zip = {0};
    make_zip(&zip, records, 2);
    text_done(&good);
    refuses_bytes(&zip, ERR_FORMAT, "x.bin::b.npy: is no .npy");
}

/* Text and records beside the weights are left out and named; other damage still refuses. */
static void test_npz_with_members_without_numbers(void **state)
{
    (void)state;
    Checkpoint *c = open_fixture(DATA "labels.npz");
    assert_int_equal(dict_count(container(c, "")->dict), 1);
    counts(tensor_at(c, "", "w"));
    assert_int_equal(checkpoint_finding_count(c), 2);
    const Finding *one = checkpoint_finding(c, 0);
    assert_int_equal(one->level, FINDING_NOTE);
    assert_string_equal(one->kind, "object");
    assert_string_equal(one->tensor, "names.npy");
    assert_string_equal(one->what, "'names.npy' is left out: its elements are of the type '<U3', no "
                        "numbers that tenon knows; save them as numbers");
    assert_non_null(strstr(checkpoint_finding(c, 1)->what, "'ages.npy' is left out: it holds records"));
    checkpoint_unref(c);
    Text text = npy_of("{'descr': '<U1', 'fortran_order': False, 'shape': (1, ), }", "\0\0\0\0", 4);
    Text late = npy_of("{'descr': '<i2', 'fortran_order': False, 'shape': (9, ), }", "\0\0", 2);
    const Record records[] = {{"a.npy", text.bytes, text.length}, {"b.npy", late.bytes, late.length}};
    Text zip = {0};
    make_zip(&zip, records, 2);
    text_done(&text);
    text_done(&late);
    refuses_bytes(&zip, ERR_FORMAT, "x.bin::b.npy: its array i16 9 needs 18 bytes");
}

#define TEST(test) cmocka_unit_test(test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arrays_of_the_library),
        TEST(test_objects_are_a_pickle),
        TEST(test_npz_stored_and_deflated),
        TEST(test_headers_of_other_writers),
        TEST(test_bytes_behind_the_array),
        TEST(test_header_is_no_dict),
        TEST(test_header_lacks_a_key),
        TEST(test_header_has_a_key_twice_or_another),
        TEST(test_header_goes_on),
        TEST(test_wrong_shapes),
        TEST(test_wrong_types),
        TEST(test_wrong_order),
        TEST(test_versions_and_lengths),
        TEST(test_object_array_without_its_pickle),
        TEST(test_cut_everywhere),
        TEST(test_npz_with_a_damaged_member),
        TEST(test_npz_with_members_without_numbers),
    };
    return cmocka_run_group_tests_name("npy", tests, NULL, NULL);
}
