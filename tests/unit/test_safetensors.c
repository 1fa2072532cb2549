/* safetensors: what a good file says, and one case for each way to be malformed that the
 * format's own reader knows (safetensors/src/tensor.rs), plus those that only its specification
 * forbids. */
#include "tests/unit/open_as.h"

#include <stdlib.h>

/* Length, header and `data` bytes that count upwards. */
static void build_n(Text *file, uint64_t length, const char *header, size_t n, size_t data)
{
    for (int i = 0; i < 8; i++) text_addc(file, (char)(length >> 8 * i & 0xFF));
    text_addn(file, header, n);
    for (size_t i = 0; i < data; i++) text_addc(file, (char)i);
}

static Checkpoint *open_file(const Text *file, Error *err)
{
    return open_as(&format_safetensors, "x.safetensors", file->bytes, file->length, err);
}

static Checkpoint *open_header(const char *header, size_t data, Error *err)
{
    Text file = {0};
    build_n(&file, strlen(header), header, strlen(header), data);
    Checkpoint *checkpoint = open_file(&file, err);
    text_done(&file);
    return checkpoint;
}

static void refuse(const char *header, size_t data, ErrorCode code, const char *words)
{
    Error err = {0};
    assert_null(open_header(header, data, &err));
    assert_int_equal(err.code, code);
    assert_error_has(err, words);
    assert_true(has_prefix(err.text, "x.safetensors: "));
}

static void refuse_bytes(const char *bytes, size_t n, ErrorCode code, const char *words)
{
    Text file = {0};
    Error err = {0};
    text_addn(&file, bytes, n);
    assert_null(open_file(&file, &err));
    text_done(&file);
    assert_int_equal(err.code, code);
    assert_error_has(err, words);
}

static const StateDict *weights(const Checkpoint *checkpoint)
{
    const Container *container = checkpoint_find_container(checkpoint, "");
    assert_non_null(container);
    return container->dict;
}

/* -- Good files ------------------------------------------------------------------------ */

/* The vector of the crate's own tests. */
static void test_vector_of_the_crate(void **state)
{
    (void)state;
    Error err = {0};
    const char *header = "{\"test\":{\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}  ";
    assert_int_equal(strlen(header) - 1, 0x3C + 1);
    Text file = {0};
    build_n(&file, 0x3C, header, 0x3C, 16);
    Checkpoint *checkpoint = open_file(&file, &err);
    assert_non_null(checkpoint);
    assert_string_equal(checkpoint_format(checkpoint), "safetensors");
    assert_string_equal(checkpoint_path(checkpoint), "x.safetensors");
    assert_int_equal(checkpoint_file_bytes(checkpoint), 8 + 0x3C + 16);
    const StateDict *dict = weights(checkpoint);
    assert_int_equal(dict_count(dict), 1);
    assert_false(dict_is_ordered(dict));
    const Tensor *tensor = dict_find(dict, "test");
    assert_non_null(tensor);
    assert_int_equal(tensor->dtype, DT_I32);
    assert_int_equal(tensor->rank, 2);
    assert_int_equal(tensor->dims[1], 2);
    assert_int_equal(tensor->storage->offset, 8 + 0x3C);
    assert_int_equal(tensor->storage->bytes, 16);
    assert_int_equal(tensor->storage->dtype, DT_I32);
    unsigned char bytes[16];
    assert_true(source_read(tensor->storage->source, tensor->storage->offset, bytes, 16, &err));
    for (unsigned char i = 0; i < 16; i++) assert_int_equal(bytes[i], i);
    checkpoint_unref(checkpoint);
    text_done(&file);
}

static void test_order_and_metadata_are_the_file_s(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *checkpoint =
        open_header("{\"__metadata__\":{\"format\":\"pt\",\"a\":\"\\u00e9\\u0000\"},"
                    "\"z\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]},"
                    "\"a\":{\"data_offsets\":[0,1],\"shape\":[1],\"dtype\":\"BOOL\"},"
                    "\"e\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[3,3]},"
                    "\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[3,11]}}  ",
                    11, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    const StateDict *dict = weights(checkpoint);
    static const char *const names[] = {"z", "a", "e", "s"};
    assert_int_equal(dict_count(dict), countof(names));
    for (size_t i = 0; i < countof(names); i++) {
        assert_string_equal(dict_at(dict, i)->name, names[i]);
        assert_int_equal(dict_at(dict, i)->storage->index, i);
    }
    assert_int_equal(tensor_count(dict_find(dict, "e")), 0);
    assert_int_equal(dict_find(dict, "s")->rank, 0);
    assert_non_null(dict_find(dict, "s")->dims);
    assert_int_equal(dict_bytes(dict), 11);
    assert_int_equal(dict_metadata_count(dict), 2);
    assert_string_equal(dict_metadata(dict, 0).key, "format");
    assert_string_equal(dict_metadata(dict, 0).value, "pt");
    assert_string_equal(dict_metadata(dict, 1).value, "\xC3\xA9\xC0\x80");
    checkpoint_unref(checkpoint);
}

static void test_every_dtype(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        DType dtype;
        unsigned bytes;
    } types[] = {{"U64", DT_U64, 8},
                 {"I64", DT_I64, 8},
                 {"F64", DT_F64, 8},
                 {"C64", DT_C64, 8},
                 {"F32", DT_F32, 4},
                 {"U32", DT_U32, 4},
                 {"I32", DT_I32, 4},
                 {"BF16", DT_BF16, 2},
                 {"F16", DT_F16, 2},
                 {"U16", DT_U16, 2},
                 {"I16", DT_I16, 2},
                 {"F8_E5M2FNUZ", DT_F8_E5M2FNUZ, 1},
                 {"F8_E4M3FNUZ", DT_F8_E4M3FNUZ, 1},
                 {"F8_E8M0", DT_F8_E8M0, 1},
                 {"F8_E4M3", DT_F8_E4M3, 1},
                 {"F8_E5M2", DT_F8_E5M2, 1},
                 {"I8", DT_I8, 1},
                 {"U8", DT_U8, 1},
                 {"BOOL", DT_BOOL, 1}};
    Text header = {0};
    unsigned at = 0;
    for (size_t i = 0; i < countof(types); i++, at += 4 * types[i - 1].bytes)
        text_addf(&header, "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[4],\"data_offsets\":[%u,%u]}",
                  i ? ',' : '{', types[i].name, types[i].name, at, at + 4 * types[i].bytes);
    text_add(&header, "}");
    Error err = {0};
    Checkpoint *checkpoint = open_header(text_string(&header), at, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    for (size_t i = 0; i < countof(types); i++)
        assert_int_equal(dict_at(weights(checkpoint), i)->dtype, types[i].dtype);
    checkpoint_unref(checkpoint);
    text_done(&header);
}

/* The header keeps the shape in elements, two of them in a byte. */
static void test_packed_types(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *checkpoint =
        open_header("{\"f4\":{\"dtype\":\"F4\",\"shape\":[3,2],\"data_offsets\":[0,3]},"
                    "\"f6\":{\"dtype\":\"F6_E3M2\",\"shape\":[4],\"data_offsets\":[3,6]}}",
                    6, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    const Tensor *tensor = dict_find(weights(checkpoint), "f4");
    assert_int_equal(tensor->dtype, DT_F4_E2M1);
    assert_int_equal(tensor->dims[1], 2);
    assert_int_equal(tensor_bytes(tensor), 3);
    checkpoint_unref(checkpoint);
}

static void test_no_tensors(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *checkpoint = open_header("{\"__metadata__\":null}", 0, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    assert_int_equal(dict_count(weights(checkpoint)), 0);
    checkpoint_unref(checkpoint);
}

static void test_unknown_fields_are_ignored(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *checkpoint =
        open_header("{\"a\":{\"x\":{\"dtype\":[1,{\"shape\":null}]},\"dtype\":\"U8\",\"y\":[[],{}],"
                    "\"shape\":[1],"
                    "\"z\":true,\"w\":-1.5,\"v\":\"s\",\"u\":null,\"data_offsets\":[0,1]}}",
                    1, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    assert_int_equal(dict_count(weights(checkpoint)), 1);
    checkpoint_unref(checkpoint);
}

static void test_odd_names(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *checkpoint =
        open_header("{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                    "\"../a b\\n\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
                    2, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    assert_non_null(dict_find(weights(checkpoint), ""));
    assert_non_null(dict_find(weights(checkpoint), "../a b\n"));
    checkpoint_unref(checkpoint);
}

/* -- 1 to 4: length and encoding ------------------------------------------------------- */

static void test_header_too_small(void **state)
{
    (void)state;
    refuse_bytes("1234567", 7, ERR_FORMAT, "only 7 bytes");
}

static void test_header_too_large(void **state)
{
    (void)state;
    refuse_bytes("\x3C\0\0\0\0\xFF\xFF\xFF{\"", 10, ERR_LIMIT,
                 "header would have 18446742974197923900 bytes");
    refuse_bytes("\x01\xE1\xF5\x05\0\0\0\0{\"", 10, ERR_LIMIT, "limit of 100000000");
}

static void test_header_longer_than_file(void **state)
{
    (void)state;
    refuse_bytes("\x3C\0\0\0\0\0\0\0{\"test\":", 16, ERR_FORMAT,
                 "should be 60 bytes long, but the file "
                 "ends after 8 of them");
}

static void test_empty_header(void **state)
{
    (void)state;
    refuse_bytes("\0\0\0\0\0\0\0\0", 8, ERR_FORMAT, "header is empty");
}

static void test_header_must_start_with_brace(void **state)
{
    (void)state;
    refuse(" {}", 0, ERR_FORMAT, "begins with byte 0x20 where '{' must stand (byte 8)");
    refuse("[]", 0, ERR_FORMAT, "0x5b");
}

static void test_header_is_no_utf8(void **state)
{
    (void)state;
    refuse("{\"a\xFF\":1}", 0, ERR_FORMAT, "no UTF-8 text (byte 11)");
}

/* -- 5: JSON of the right types -------------------------------------------------------- */

static void test_header_is_no_json(void **state)
{
    (void)state;
    refuse("{\"a\":}", 0, ERR_FORMAT, "malformed JSON");
    refuse("{\"a\":", 0, ERR_FORMAT, "malformed JSON");
    refuse("{}{}", 0, ERR_FORMAT, "malformed JSON");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[NaN],\"data_offsets\":[0,4]}}", 4, ERR_FORMAT,
           "malformed");
}

static void test_header_nests_too_deeply(void **state)
{
    (void)state;
    char header[400] = "{\"a\":{\"x\":";
    memset(header + strlen(header), '[', 300);
    refuse(header, 0, ERR_LIMIT, "nested deeper than 128");
}

static void test_entry_is_no_object(void **state)
{
    (void)state;
    refuse("{\"a\":1}", 0, ERR_FORMAT, "tensor 'a': its entry must be an object");
    refuse("{\"a\":null}", 0, ERR_FORMAT, "tensor 'a': its entry must be an object");
    refuse("{\"a\":[1]}", 0, ERR_FORMAT, "tensor 'a': its entry must be an object");
}

static void test_fields_are_missing(void **state)
{
    (void)state;
    refuse("{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, ERR_FORMAT,
           "'a': its entry lacks 'dtype'");
    refuse("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, ERR_FORMAT, "lacks 'shape'");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, ERR_FORMAT, "lacks 'data_offsets'");
}

static void test_field_twice(void **state)
{
    (void)state;
    refuse("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
           ERR_FORMAT, "'a': a field of its entry stands twice (byte 34)");
}

static void test_dtype_is_unknown(void **state)
{
    (void)state;
    refuse("{\"a\":{\"dtype\":\"\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, ERR_FORMAT,
           "'a': '' is no name of a dtype (byte 24)");
    refuse("{\"a\":{\"dtype\":\"F320000000000000000000000000000000\",\"shape\":[1],\"data_"
           "offsets\":[0,4]}}",
           4, ERR_FORMAT, "'F3200");
    refuse("{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, ERR_FORMAT,
           "'dtype' must be a string");
}

/* What can be read beside them can be read; they are listed with the type that the file gives. */
static void test_unknown_dtypes_are_listed(void **state)
{
    (void)state;
    static const char header[] =
        "{\"a\":{\"dtype\":\"F33\",\"shape\":[3],\"data_offsets\":[0,5]},"
        "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[5,7]},"
        "\"c\":{\"dtype\":\"f\\n32\",\"shape\":[],\"data_offsets\":[7,8]},"
        "\"d\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[8,11]},"
        "\"e\":{\"dtype\":\"F8_E8M0\",\"shape\":[1],\"data_offsets\":[11,12]}}";
    static const struct { const char *name, *note; DType dtype; } wanted[] = {
        {"a", "elements of type F33", DT_UNKNOWN}, {"b", NULL, DT_U8},
        {"c", "elements of type f\\n32", DT_UNKNOWN}, {"d", NULL, DT_F6_E2M3},
        {"e", NULL, DT_F8_E8M0}};
    Error none = {0};
    Checkpoint *checkpoint = open_header(header, 12, &none);
    if (!checkpoint) fail_msg("%s", none.text);
    const StateDict *dict = checkpoint_find_container(checkpoint, "")->dict;
    unsigned char values[2];
    Error err = {0};
    assert_int_equal(dict_count(dict), countof(wanted));
    for (size_t i = 0; i < countof(wanted); i++) {
        const Tensor *tensor = dict_find(dict, wanted[i].name);
        assert_int_equal(tensor->dtype, wanted[i].dtype);
        assert_int_equal(tensor->encoding && tensor->encoding->opaque, wanted[i].note != NULL);
        if (wanted[i].note) assert_string_equal(tensor->encoding->note, wanted[i].note);
    }
    assert_true(tensor_read(dict_find(dict, "b"), NULL, NULL, values, &err));
    assert_false(tensor_read(dict_find(dict, "a"), NULL, NULL, values, &err));
    assert_non_null(strstr(err.text, "elements of type F33"));
    assert_int_equal(checkpoint_finding_count(checkpoint), 1);
    assert_true(checkpoint_has_finding(checkpoint, "dtype", "a"));
    checkpoint_unref(checkpoint);
}

static void test_shape_is_wrong(void **state)
{
    (void)state;
    static const char *const shapes[] = {"[1.0]",  "[-1]",  "[\"1\"]", "[1e0]",
                                         "[null]", "[[1]]", "[true]"};
    for (size_t i = 0; i < countof(shapes); i++) {
        Text header = {0};
        text_addf(&header, "{\"a\":{\"dtype\":\"U8\",\"shape\":%s,\"data_offsets\":[0,1]}}",
                  shapes[i]);
        refuse(text_string(&header), 1, ERR_FORMAT, "'a': 'shape' may hold only whole numbers");
        text_done(&header);
    }
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]}}", 1, ERR_FORMAT,
           "must be a list");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[18446744073709551616],\"data_offsets\":[0,1]}}", 1,
           ERR_FORMAT, "whole numbers");
}

static void test_too_many_dimensions(void **state)
{
    (void)state;
    Text header = {0};
    text_add(&header, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1");
    for (int i = 0; i < TENSOR_RANK_MAX; i++) text_add(&header, ",1");
    text_add(&header, "],\"data_offsets\":[0,1]}}");
    refuse(text_string(&header), 1, ERR_LIMIT, "more than 32 dimensions");
    text_done(&header);
}

static void test_offsets_are_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *offsets, *words;
    } cases[] = {{"[0]", "two numbers"},      {"[]", "two numbers"},
                 {"[0,1,2]", "two numbers"},  {"[0,1.0]", "whole numbers"},
                 {"[-1,1]", "whole numbers"}, {"[0,\"1\"]", "whole numbers"},
                 {"{}", "must be a list"},    {"null", "must be a list"}};
    for (size_t i = 0; i < countof(cases); i++) {
        Text header = {0};
        text_addf(&header, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":%s}}",
                  cases[i].offsets);
        refuse(text_string(&header), 1, ERR_FORMAT, cases[i].words);
        text_done(&header);
    }
}

static void test_metadata_is_wrong(void **state)
{
    (void)state;
    refuse("{\"__metadata__\":{\"format\":1}}", 0, ERR_FORMAT,
           "'__metadata__' may hold only strings");
    refuse("{\"__metadata__\":{\"format\":null}}", 0, ERR_FORMAT, "only strings");
    refuse("{\"__metadata__\":\"pt\"}", 0, ERR_FORMAT, "'__metadata__' must be an object");
    refuse("{\"__metadata__\":{},\"__metadata__\":{}}", 0, ERR_FORMAT,
           "'__metadata__' stands twice");
    refuse("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, ERR_FORMAT, "key 'a' stands twice");
}

static void test_name_twice(void **state)
{
    (void)state;
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
           "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
           1, ERR_FORMAT, "tensor 'a': stands twice");
}

/* -- 6: places ------------------------------------------------------------------------- */

static void test_hole(void **state)
{
    (void)state;
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
           "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[3,4]}}",
           4, ERR_FORMAT,
           "tensor 'b': data_offsets begin at 3, but the tensors before it end at 1: a hole of 2 "
           "bytes");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, ERR_FORMAT,
           "a hole of 1 byte");
}

static void test_overlap(void **state)
{
    (void)state;
    refuse("{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]},"
           "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
           3, ERR_FORMAT, "tensor 'b': data_offsets [1,3] overlap tensor 'a', which ends at 2");
}

/* Ten tensors at the same place, as in the crate's tests. */
static void test_aliases(void **state)
{
    (void)state;
    Text header = {0};
    for (int i = 0; i < 10; i++)
        text_addf(&header, "%c\"t%d\":{\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[0,16]}",
                  i ? ',' : '{', i);
    text_add(&header, "}");
    refuse(text_string(&header), 16, ERR_FORMAT,
           "tensor 't1': data_offsets [0,16] overlap tensor 't0'");
    text_done(&header);
}

static void test_offsets_backwards(void **state)
{
    (void)state;
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
           "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}",
           1, ERR_FORMAT, "tensor 'b': data_offsets [1,0] end before they begin");
}

/* -- 7 to 9: shape, dtype and bytes ---------------------------------------------------- */

static void test_shape_overflows(void **state)
{
    (void)state;
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,8],\"data_offsets\":[0,4]}}",
           4, ERR_FORMAT, "'a': shape [4611686018427387904,8] f32 is more than 64 bits can count");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775808],\"data_offsets\":[0,1]}}", 1,
           ERR_FORMAT, "beyond 63 bits");
    Error err = {0};
    assert_null(open_header(
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[0,4611686018427387904,4611686018427387904],"
        "\"data_offsets\":[0,0]}}",
        0, &err));
    assert_error_has(err, "tensor 'a': ");
}

static void test_bits_do_not_fill_bytes(void **state)
{
    (void)state;
    refuse("{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2, ERR_FORMAT,
           "shape [3] f4_e2m1 is 12 bits, which fill no whole bytes");
    refuse("{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, ERR_FORMAT,
           "12 bits");
}

static void test_bytes_do_not_match(void **state)
{
    (void)state;
    refuse("{\"a.b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,20]}}", 20, ERR_FORMAT,
           "tensor 'a.b': shape [2,3] f32 needs 24 bytes, data_offsets give 20 (byte 9)");
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,0]}}", 0, ERR_FORMAT,
           "shape [] f32 needs 4 bytes, data_offsets give 0");
}

/* -- 10: the end of the file ----------------------------------------------------------- */

static void test_file_cut_short(void **state)
{
    (void)state;
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[0,16]}}", 15, ERR_FORMAT,
           "cut short: it ends at byte 78, and its tensors need 1 bytes more");
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[9007199254740992],\"data_offsets\":[0,"
           "9007199254740992]}}",
           15, ERR_FORMAT, "9007199254740977 bytes more");
}

static void test_bytes_behind_the_end(void **state)
{
    (void)state;
    refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[0,16]}}", 17, ERR_FORMAT,
           "1 bytes stand behind the last tensor, from byte 79 on");
    refuse("{}", 3, ERR_FORMAT, "3 bytes stand behind");
}

/* -- Hostile sizes --------------------------------------------------------------------- */

/* Reverse order makes the sort work; it must not be quadratic. */
static void test_many_tensors_backwards(void **state)
{
    (void)state;
    enum { MANY = 50000 };
    Text header = {0};
    for (int i = MANY; i-- > 0;)
        text_addf(&header, "%c\"t%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                  i == MANY - 1 ? '{' : ',', i, i, i + 1);
    text_add(&header, "}");
    Error err = {0};
    Checkpoint *checkpoint = open_header(text_string(&header), MANY, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    assert_int_equal(dict_count(weights(checkpoint)), MANY);
    assert_string_equal(dict_at(weights(checkpoint), 0)->name, "t49999");
    checkpoint_unref(checkpoint);
    text_done(&header);
}

static void test_hostile_name_is_shown_escaped_and_short(void **state)
{
    (void)state;
    Text header = {0};
    text_add(&header, "{\"\\u001b[2J");
    for (int i = 0; i < 5000; i++) text_addc(&header, 'x');
    text_add(&header, "\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,1]}}");
    refuse(text_string(&header), 1, ERR_FORMAT, "tensor '\\x1b[2Jxxx");
    refuse(text_string(&header), 1, ERR_FORMAT, "needs 2 bytes, data_offsets give 1");
    text_done(&header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector_of_the_crate),
        cmocka_unit_test(test_order_and_metadata_are_the_file_s),
        cmocka_unit_test(test_every_dtype),
        cmocka_unit_test(test_packed_types),
        cmocka_unit_test(test_no_tensors),
        cmocka_unit_test(test_unknown_fields_are_ignored),
        cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_header_too_small),
        cmocka_unit_test(test_header_too_large),
        cmocka_unit_test(test_header_longer_than_file),
        cmocka_unit_test(test_empty_header),
        cmocka_unit_test(test_header_must_start_with_brace),
        cmocka_unit_test(test_header_is_no_utf8),
        cmocka_unit_test(test_header_is_no_json),
        cmocka_unit_test(test_header_nests_too_deeply),
        cmocka_unit_test(test_entry_is_no_object),
        cmocka_unit_test(test_fields_are_missing),
        cmocka_unit_test(test_field_twice),
        cmocka_unit_test(test_dtype_is_unknown),
        cmocka_unit_test(test_unknown_dtypes_are_listed),
        cmocka_unit_test(test_shape_is_wrong),
        cmocka_unit_test(test_too_many_dimensions),
        cmocka_unit_test(test_offsets_are_wrong),
        cmocka_unit_test(test_metadata_is_wrong),
        cmocka_unit_test(test_name_twice),
        cmocka_unit_test(test_hole),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_offsets_backwards),
        cmocka_unit_test(test_shape_overflows),
        cmocka_unit_test(test_bits_do_not_fill_bytes),
        cmocka_unit_test(test_bytes_do_not_match),
        cmocka_unit_test(test_file_cut_short),
        cmocka_unit_test(test_bytes_behind_the_end),
        cmocka_unit_test(test_many_tensors_backwards),
        cmocka_unit_test(test_hostile_name_is_shown_escaped_and_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
