/* GGUF: what good files say (written by the gguf package: tests/data/gguf), and one case for each way
 * to be malformed. */
#include "tests/unit/open_as.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/tensor/values.h"
#include "tests/unit/crc_list.h"

/* -- Files in the making --------------------------------------------------------------- */

static void put(Text *file, uint64_t value, int bytes)
{
    for (; bytes--; value >>= 8) text_addc(file, (char)(value & 0xFF));
}

static void put_string(Text *file, const char *text)
{
    put(file, strlen(text), 8);
    text_add(file, text);
}

static void start(Text *file, uint64_t tensors, uint64_t keys)
{
    text_add(file, "GGUF");
    put(file, 3, 4);
    put(file, tensors, 8);
    put(file, keys, 8);
}

/* A key whose value is a number of n bytes. */
static void put_key(Text *file, const char *key, uint32_t type, uint64_t value, int n)
{
    put_string(file, key);
    put(file, type, 4);
    put(file, value, n);
}

/* The head of an array; its items follow. */
static void put_array(Text *file, const char *key, uint32_t type, uint64_t count)
{
    put_string(file, key);
    put(file, 9, 4);
    put(file, type, 4);
    put(file, count, 8);
}

/* Sizes as GGML has them: the fastest first; 0 ends them. */
static void put_tensor(Text *file, const char *name, const uint64_t *sizes, uint32_t rank,
                       uint32_t type, uint64_t offset)
{
    put_string(file, name);
    put(file, rank, 4);
    for (uint32_t i = 0; i < rank; i++) put(file, sizes[i], 8);
    put(file, type, 4);
    put(file, offset, 8);
}

static void put_vector(Text *file, const char *name, uint64_t size, uint32_t type, uint64_t offset)
{
    put_tensor(file, name, &size, 1, type, offset);
}

/* Padding, then n bytes that count upwards. */
static void put_data(Text *file, size_t n)
{
    while (file->length % 32) text_addc(file, 0);
    for (size_t i = 0; i < n; i++) text_addc(file, (char)i);
}

static Checkpoint *open_n(const char *bytes, size_t n, Error *err)
{
    return open_as(&format_gguf, "x.gguf", bytes, n, err);
}

/* Opens and frees the text. */
static Checkpoint *open_text(Text *file, Error *err)
{
    Checkpoint *checkpoint = open_n(file->bytes, file->length, err);
    text_done(file);
    return checkpoint;
}

static void refuse(Text *file, ErrorCode code, const char *words)
{
    refuse_as(&format_gguf, "x.gguf", file, code, words);
}

static const StateDict *dict_of(const Checkpoint *checkpoint)
{
    return checkpoint_find_container(checkpoint, "")->dict;
}

static Checkpoint *accept(Text *file)
{
    Error err = {0};
    Checkpoint *checkpoint = open_text(file, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

/* Opens, with exactly this finding. */
static void find(Text *file, FindingLevel level, const char *kind, const char *words)
{
    Checkpoint *checkpoint = accept(file);
    assert_int_equal(checkpoint_finding_count(checkpoint), 1);
    const Finding *finding = checkpoint_finding(checkpoint, 0);
    assert_int_equal(finding->level, level);
    assert_string_equal(finding->kind, kind);
    if (!strstr(finding->what, words)) fail_msg("\"%s\" lacks \"%s\"", finding->what, words);
    checkpoint_unref(checkpoint);
}

/* -- Good files ------------------------------------------------------------------------ */

static void test_keys_of_every_type(void **state)
{
    (void)state;
    static const char *const expected[][2] = {
        {"general.architecture", "llama"}, {"a.u8", "200"}, {"a.i8", "-100"}, {"a.u16", "60000"},
        {"a.i16", "-30000"}, {"a.u32", "4000000000"}, {"a.i32", "-2000000000"},
        {"a.u64", "18446744073709551615"}, {"a.i64", "-9223372036854775808"}, {"a.f32", "1e-05"},
        {"a.f64", "0.1"}, {"a.yes", "true"}, {"a.no", "false"}, {"a.text", "h\xC3\xA4\xC3\x9F\nlich"},
        {"a.few", "[1, 2, 3]"}, {"a.words", "[\"eins\", \"zwei\"]"},
        {"tokenizer.ggml.tokens", "[500 strings]"}, {"tokenizer.ggml.scores", "[100 f32]"},
    };
    static const ObjectKind kinds[] = {
        OBJ_STR, OBJ_INT, OBJ_INT, OBJ_INT, OBJ_INT, OBJ_INT, OBJ_INT, OBJ_BIGINT, OBJ_INT,
        OBJ_FLOAT, OBJ_FLOAT, OBJ_BOOL, OBJ_BOOL, OBJ_STR, OBJ_LIST, OBJ_LIST, OBJ_FAR, OBJ_FAR};
    Checkpoint *checkpoint = open_path_as("gguf", "tests/data/gguf/keys.gguf");
    assert_string_equal(checkpoint_format(checkpoint), "gguf");
    assert_int_equal(dict_count(dict_of(checkpoint)), 0);
    assert_int_equal(dict_metadata_count(dict_of(checkpoint)), countof(expected));
    for (size_t i = 0; i < countof(expected); i++) {
        assert_string_equal(dict_metadata(dict_of(checkpoint), i).key, expected[i][0]);
        assert_string_equal(dict_metadata(dict_of(checkpoint), i).value, expected[i][1]);
        assert_int_equal(dict_metadata_object(dict_of(checkpoint), i)->kind, kinds[i]);
    }
    const Object *few = dict_metadata_find_object(dict_of(checkpoint), "a.few");
    assert_int_equal(few->list.items[2]->integer, 3);
    assert_true((float)dict_metadata_find_object(dict_of(checkpoint), "a.f32")->number == 1e-5f);
    assert_int_equal(checkpoint_finding_count(checkpoint), 0);
    checkpoint_unref(checkpoint);
}

static void test_shapes_are_turned_round(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 3, 1);
    put_key(&file, "general.alignment", 4, 64, 4);
    put_tensor(&file, "a", (uint64_t[]){32, 2}, 2, 8, 0);      /* q8_0 */
    put_tensor(&file, "b", (uint64_t[]){3, 2, 1}, 3, 26, 128);
    put_tensor(&file, "c", NULL, 0, 28, 192);
    while (file.length % 64) text_addc(&file, 0);
    put_data(&file, 200);
    Checkpoint *checkpoint = accept(&file);
    const StateDict *dict = dict_of(checkpoint);
    const Tensor *a = dict_at(dict, 0), *b = dict_at(dict, 1), *c = dict_at(dict, 2);
    assert_int_equal(a->dtype, DT_Q8_0);
    assert_true(a->dims[0] == 2 && a->dims[1] == 32 && a->rank == 2);
    assert_int_equal(tensor_bytes(a), 68);
    assert_true(b->dims[0] == 1 && b->dims[1] == 2 && b->dims[2] == 3 && b->rank == 3);
    assert_int_equal(c->rank, 0);
    int32_t values[6];
    Error err = {0};
    assert_true(tensor_read(b, NULL, NULL, values, &err));
    assert_int_equal(values[0], (int32_t)0x83828180);
    assert_int_equal(checkpoint_finding_count(checkpoint), 0);
    assert_true(dict_is_ordered(dict));
    checkpoint_unref(checkpoint);
}

static void test_big_endian(void **state)
{
    (void)state;
    Checkpoint *checkpoint = open_path_as("gguf", "tests/data/gguf/big.gguf");
    const StateDict *dict = dict_of(checkpoint);
    assert_int_equal(dict_count(dict), 10);
    for (size_t i = 0; i < 7; i++) {
        float *values = read_floats(dict_at(dict, i));
        for (int k = 0; k < 6; k++) assert_true(values[k] == (float)(k - 2));
        free(values);
    }
    assert_int_equal(crc_of(dict_find(dict, "q8_0")), 0x825156b8);
    assert_int_equal(crc_of(dict_find(dict, "q4_0")), 0xd6b3d327);
    assert_int_equal(crc_of(dict_find(dict, "q4_k")), 0x3115cd33);
    checkpoint_unref(checkpoint);
}

static void put_big(Text *file, uint64_t value, int bytes)
{
    while (bytes--) text_addc(file, (char)(value >> 8 * bytes & 0xFF));
}

/* Blocks whose order nothing defines are listed, and never loaded. */
static void test_big_endian_blocks_that_are_not_read(void **state)
{
    (void)state;
    Text file = {0};
    text_add(&file, "GGUF");
    put_big(&file, 3, 4);
    put_big(&file, 1, 8);
    put_big(&file, 0, 8);
    put_big(&file, 1, 8);
    text_addc(&file, 'w');
    put_big(&file, 1, 4);
    put_big(&file, 256, 8);
    put_big(&file, 16, 4);
    put_big(&file, 0, 8);
    put_data(&file, 66);
    Checkpoint *checkpoint = accept(&file);
    const Tensor *tensor = dict_at(dict_of(checkpoint), 0);
    const char *why;
    assert_int_equal(tensor->dtype, DT_IQ2_XXS);
    assert_int_equal(tensor_value_dtype(tensor, &why), DT_UNKNOWN);
    assert_non_null(strstr(why, "big-endian"));
    checkpoint_unref(checkpoint);
}

static void test_version_2(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 1, 0);
    file.bytes[4] = 2;
    put_vector(&file, "w", 4, 0, 0);
    put_data(&file, 16);
    Checkpoint *checkpoint = accept(&file);
    assert_int_equal(dict_count(dict_of(checkpoint)), 1);
    checkpoint_unref(checkpoint);
}

/* Half a million strings take part in nothing but the walk over them. */
static void test_long_arrays_cost_no_memory(void **state)
{
    (void)state;
    enum { COUNT = 500000 };
    Text file = {0};
    start(&file, 0, 2);
    put_array(&file, "tokens", 8, COUNT);
    for (int i = 0; i < COUNT; i++) put_string(&file, "token");
    put_string(&file, "template");
    put(&file, 8, 4);
    put(&file, 1 << 20, 8);
    for (int i = 0; i < 1 << 20; i++) text_addc(&file, 'x');
    Checkpoint *checkpoint = accept(&file);
    StateDict *dict = checkpoint_find_container(checkpoint, "")->dict;
    assert_string_equal(dict_metadata(dict, 0).value, "[500000 strings]");
    assert_string_equal(dict_metadata(dict, 1).value, "[1048576 bytes of text]");
    assert_true(arena_bytes(dict_arena(dict)) < 100000);
    checkpoint_unref(checkpoint);
}

/* A long string makes its array a summary, though its items are few. */
static void test_short_arrays_of_long_strings(void **state)
{
    (void)state;
    Text file = {0}, text = {0};
    for (int i = 0; i < 300; i++) text_addc(&text, 'y');
    start(&file, 0, 2);
    put_array(&file, "a", 8, 2);
    put_string(&file, "x");
    put_string(&file, text.bytes);
    put_array(&file, "none", 8, 0);
    text_done(&text);
    Checkpoint *checkpoint = accept(&file);
    assert_string_equal(dict_metadata(dict_of(checkpoint), 0).value, "[2 strings]");
    assert_string_equal(dict_metadata(dict_of(checkpoint), 1).value, "[]");
    checkpoint_unref(checkpoint);
}

/* -- The header ------------------------------------------------------------------------ */

/* Every prefix of a file is refused, with its name and never a crash; only the padding behind the
 * last tensor may be absent. */
static void test_truncations_at_every_byte(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 2, 4);
    put_key(&file, "a", 4, 1, 4);
    put_string(&file, "b");
    put(&file, 8, 4);
    put_string(&file, "text");
    put_array(&file, "c", 8, 2);
    put_string(&file, "x");
    put_string(&file, "yy");
    put_array(&file, "d", 10, 3);
    for (int i = 0; i < 3; i++) put(&file, 7, 8);
    put_vector(&file, "one", 32, 2, 0);
    put_tensor(&file, "two", (uint64_t[]){2, 3}, 2, 0, 32);
    put_data(&file, 32 + 24);
    for (size_t n = 0; n < file.length; n++) {
        Error err = {0};
        assert_null(open_n(file.bytes, n, &err));
        assert_true(has_prefix(err.text, "x.gguf: "));
        assert_int_equal(err.code, ERR_FORMAT);
        if (!strstr(err.text, "cut short")) fail_msg("%zu: %s", n, err.text);
    }
    Checkpoint *checkpoint = accept(&file);
    checkpoint_unref(checkpoint);
}

static void test_versions_that_are_not_read(void **state)
{
    (void)state;
    static const struct { uint32_t version; const char *words; } cases[] = {
        {1, "GGUF version 1, of August 2023, which nothing reads any more; convert the model again"},
        {0, "GGUF version 0; versions 2 and 3 are read"},
        {4, "GGUF version 4; versions 2 and 3 are read"},
        {0x04000000, "GGUF version 4; versions 2 and 3 are read"},
        {0x01000000, "GGUF version 1"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Text file = {0};
        text_add(&file, "GGUF");
        put(&file, cases[i].version, 4);
        put(&file, 0, 16);
        refuse(&file, ERR_UNSUPPORTED, cases[i].words);
    }
}

static void test_counts_that_are_lies(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 0, 1000);
    refuse(&file, ERR_FORMAT, "it claims 1000 keys, but only 0 bytes follow");
    start(&file, 1000000, 0);
    refuse(&file, ERR_FORMAT, "it claims 1000000 tensors, but only 0 bytes follow");
    start(&file, UINT64_MAX, 0);
    refuse(&file, ERR_LIMIT, "it claims 18446744073709551615 tensors, more than the limit");
    start(&file, 0, UINT64_MAX);
    refuse(&file, ERR_LIMIT, "it claims 18446744073709551615 keys, more than the limit");
}

static void test_key_is_empty(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 0, 1);
    put_key(&file, "", 4, 1, 4);
    put(&file, 0, 8);
    refuse(&file, ERR_FORMAT, "a key is empty (byte 24)");
}

static void test_key_twice(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 0, 2);
    put_key(&file, "a\nb", 4, 1, 4);
    put_key(&file, "a\nb", 4, 1, 4);
    refuse(&file, ERR_FORMAT, "key 'a\\nb' stands twice (byte 43): readers would disagree");
}

static void test_key_is_too_long(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 0, 1);
    put(&file, 70000, 8);
    for (int i = 0; i < 70000; i++) text_addc(&file, 'k');
    refuse(&file, ERR_FORMAT, "a key at byte 24 has 70000 bytes; the format allows 65535");
}

static void test_string_beyond_the_file(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 0, 1);
    put_string(&file, "k");
    put(&file, 8, 4);
    put(&file, 1000, 8);
    text_add(&file, "short");
    refuse(&file, ERR_FORMAT, "key 'k' needs 1000 bytes at byte 45, but the file ends at byte 50");
    start(&file, 0, 1);
    put_string(&file, "k");
    put(&file, 8, 4);
    put(&file, UINT64_MAX - 2, 8);
    refuse(&file, ERR_LIMIT, "key 'k' at byte 37 has 18446744073709551613 bytes, more than the limit");
}

static void test_value_types(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 0, 1);
    put_key(&file, "k", 13, 0, 8);
    refuse(&file, ERR_FORMAT, "key 'k' is of type 13, which GGUF does not have (byte 33)");
    start(&file, 0, 1);
    put_key(&file, "k", 7, 2, 1);
    refuse(&file, ERR_FORMAT, "key 'k' is a boolean of value 2 (byte 37)");
}

static void test_arrays(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 0, 1);
    put_array(&file, "k", 9, 1);
    refuse(&file, ERR_UNSUPPORTED, "key 'k' is an array of arrays (byte 37)");
    start(&file, 0, 1);
    put_array(&file, "k", 99, 1);
    refuse(&file, ERR_FORMAT, "key 'k' is an array of type 99, which GGUF does not have");
    start(&file, 0, 1);
    put_array(&file, "k", 10, 1000);
    refuse(&file, ERR_FORMAT, "key 'k' needs 8000 bytes at byte 49");
    start(&file, 0, 1);
    put_array(&file, "k", 8, 100000);
    refuse(&file, ERR_FORMAT, "key 'k' needs 800000 bytes at byte 49");
    start(&file, 0, 1);
    put_array(&file, "k", 0, UINT64_MAX);
    refuse(&file, ERR_LIMIT, "key 'k' has 18446744073709551615 items, more than the limit");
    start(&file, 0, 1);
    put_array(&file, "k", 8, 1);
    put(&file, 50, 8);
    text_add(&file, "less");
    refuse(&file, ERR_FORMAT, "key 'k' needs 50 bytes at byte 57, but the file ends at byte 61");
}

static void test_alignment(void **state)
{
    (void)state;
    Text file = {0};
    static const uint32_t wrong[] = {0, 3, 48};
    for (size_t i = 0; i < countof(wrong); i++) {
        start(&file, 0, 1);
        put_key(&file, "general.alignment", 4, wrong[i], 4);
        refuse(&file, ERR_FORMAT, "which is no power of two");
    }
    start(&file, 0, 1);
    put_key(&file, "general.alignment", 10, 32, 8);
    refuse(&file, ERR_FORMAT, "'general.alignment' is of type 10 instead of u32");
    start(&file, 1, 1);
    put_key(&file, "general.alignment", 4, 1u << 31, 4);
    put_vector(&file, "w", 1, 0, 0);
    put_data(&file, 4);
    refuse(&file, ERR_FORMAT, "lies at bytes 2147483648 to 2147483652, but the file ends");
}

/* -- Tensors --------------------------------------------------------------------------- */

static void test_tensor_twice(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 2, 0);
    put_vector(&file, "w", 1, 0, 0);
    put_vector(&file, "w", 1, 0, 32);
    put_data(&file, 64);
    refuse(&file, ERR_FORMAT, "tensor 'w': stands twice: readers would disagree about it");
}

static void test_types_that_are_not_known(void **state)
{
    (void)state;
    Text file = {0};
    Error err = {0};
    unsigned char values[16];
    start(&file, 4, 0);
    put_vector(&file, "removed", 32, 31, 0);
    put_vector(&file, "w", 4, 0, 32);
    put_vector(&file, "new", 33, 1000, 64);
    put_vector(&file, "outside", 1, 1000, 1 << 20);
    put_data(&file, 96);
    Checkpoint *checkpoint = accept(&file);
    const Tensor *w = dict_find(dict_of(checkpoint), "w");
    assert_true(tensor_read(w, NULL, NULL, values, &err));
    static const struct { const char *name, *note; uint64_t bytes; } wanted[] = {
        {"removed", "Q4_0_4_4, which GGML has removed", 32}, {"new", "GGML's type 1000", 32},
        {"outside", "GGML's type 1000", 0}};
    for (size_t i = 0; i < countof(wanted); i++) {
        const Tensor *tensor = dict_find(dict_of(checkpoint), wanted[i].name);
        assert_true(tensor->encoding->opaque);
        assert_string_equal(tensor->encoding->note, wanted[i].note);
        assert_int_equal(tensor->storage->bytes, wanted[i].bytes);
        assert_false(tensor_read(tensor, NULL, NULL, values, &err));
        assert_non_null(strstr(err.text, wanted[i].note));
    }
    assert_true(checkpoint_has_finding(checkpoint, "dtype", NULL));
    checkpoint_unref(checkpoint);
}

static void test_sizes(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 1, 0);
    put_vector(&file, "w", UINT64_MAX, 0, 0);
    refuse(&file, ERR_FORMAT, "tensor 'w': a size is beyond 63 bits");
    start(&file, 1, 0);
    put_tensor(&file, "w", (uint64_t[]){1ull << 40, 1ull << 40}, 2, 24, 0);
    refuse(&file, ERR_FORMAT, "tensor 'w': shape [1099511627776,1099511627776] i8 has more bytes than");
    start(&file, 1, 0);
    put_tensor(&file, "w", (uint64_t[]){1ull << 62, 0}, 2, 8, 0);
    refuse(&file, ERR_FORMAT, "has more bytes than 63 bits can count");
    start(&file, 1, 0);
    put_tensor(&file, "w", (uint64_t[]){33, 32}, 2, 8, 0);
    put_data(&file, 2000);
    refuse(&file, ERR_FORMAT, "tensor 'w': rows of 33 elements do not fill blocks of 32 (q8_0)");
    start(&file, 1, 0);
    put_tensor(&file, "w", NULL, 0, 12, 0);
    put_data(&file, 200);
    refuse(&file, ERR_FORMAT, "rows of 1 elements do not fill blocks of 256 (q4_k)");
}

static void test_too_many_dimensions(void **state)
{
    (void)state;
    Text file = {0};
    uint64_t ones[33];
    for (int i = 0; i < 33; i++) ones[i] = 1;
    start(&file, 1, 0);
    put_tensor(&file, "w", ones, 33, 0, 0);
    refuse(&file, ERR_LIMIT, "tensor 'w': 33 dimensions, more than the limit of 32");
    start(&file, 1, 0);
    put_string(&file, "w");
    put(&file, 0xFFFFFFFF, 4);
    put(&file, 0, 32);
    refuse(&file, ERR_LIMIT, "tensor 'w': 4294967295 dimensions");
    start(&file, 1, 0);
    put_tensor(&file, "w", ones, 5, 0, 0);
    put_data(&file, 4);
    find(&file, FINDING_WARNING, "rank", "1 tensor(s) have more than 4 dimensions");
}

static void test_offsets(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 1, 0);
    put_vector(&file, "w", 4, 0, UINT64_MAX - 8);
    put_data(&file, 16);
    refuse(&file, ERR_FORMAT, "tensor 'w': its offset 18446744073709551607 is beyond what 64 bits");
    start(&file, 1, 0);
    put_vector(&file, "w", 4, 0, 1 << 20);
    put_data(&file, 16);
    refuse(&file, ERR_FORMAT, "tensor 'w': lies at bytes 1048640 to 1048656, but the file ends at byte");
    start(&file, 1, 0);
    put_vector(&file, "w", 8, 0, 0);
    put_data(&file, 31);
    refuse(&file, ERR_FORMAT, "it is cut short: fetch it again");
}

static void test_overlap(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 2, 0);
    put_vector(&file, "one", 16, 0, 0);
    put_vector(&file, "two", 8, 0, 32);
    put_data(&file, 96);
    refuse(&file, ERR_FORMAT, "tensor 'two': at offset 32 it overlaps tensor 'one', which ends at 64");
    start(&file, 2, 0);
    put_vector(&file, "one", 8, 0, 0);
    put_vector(&file, "two", 8, 0, 0);
    put_data(&file, 32);
    refuse(&file, ERR_FORMAT, "tensor 'two': at offset 0 it overlaps tensor 'one'");
}

static void test_hole(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 2, 0);
    put_vector(&file, "one", 8, 0, 0);
    put_vector(&file, "two", 8, 0, 64);
    put_data(&file, 96);
    find(&file, FINDING_ERROR, "hole", "1 tensor(s) do not begin where the one before ends, the first "
                                       "at offset 64");
}

/* Two that stand in the other order share no byte, but follow on nothing. */
static void test_order_of_offsets(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 2, 0);
    put_vector(&file, "one", 8, 0, 32);
    put_vector(&file, "two", 8, 0, 0);
    put_data(&file, 64);
    find(&file, FINDING_ERROR, "hole", "2 tensor(s) do not begin");
}

static void test_misaligned(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 1, 0);
    put_vector(&file, "w", 8, 0, 4);
    put_data(&file, 64);
    Checkpoint *checkpoint = accept(&file);
    assert_int_equal(checkpoint_finding_count(checkpoint), 2);
    assert_string_equal(checkpoint_finding(checkpoint, 1)->kind, "alignment");
    assert_non_null(strstr(checkpoint_finding(checkpoint, 1)->what, "at no multiple of 32"));
    checkpoint_unref(checkpoint);
}

static void test_bytes_behind_the_end(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 1, 0);
    put_vector(&file, "w", 8, 0, 0);
    put_data(&file, 70);
    find(&file, FINDING_WARNING, "trailing", "38 bytes stand behind the last tensor, from byte 96 on");
}

static void test_empty_tensors(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 2, 0);
    put_vector(&file, "none", 0, 0, 0);
    put_vector(&file, "w", 8, 0, 0);
    put_data(&file, 32);
    Checkpoint *checkpoint = accept(&file);
    assert_int_equal(checkpoint_finding_count(checkpoint), 0);
    assert_int_equal(tensor_count(dict_at(dict_of(checkpoint), 0)), 0);
    checkpoint_unref(checkpoint);
}

static void test_long_names(void **state)
{
    (void)state;
    Text file = {0}, name = {0};
    for (int i = 0; i < 64; i++) text_addc(&name, 'n');
    start(&file, 1, 0);
    put_vector(&file, name.bytes, 8, 0, 0);
    put_data(&file, 32);
    find(&file, FINDING_WARNING, "name", "1 name(s) have more than 63 bytes");
    for (int i = 0; i < 70000; i++) text_addc(&name, 'n');
    start(&file, 1, 0);
    put_vector(&file, name.bytes, 8, 0, 0);
    text_done(&name);
    refuse(&file, ERR_FORMAT, "a tensor's name at byte 24 has 70064 bytes; the format allows 65535");
}

/* -- Models in parts ------------------------------------------------------------------- */

#define PART "tests/data/gguf/split/model-0000%d-of-00003.gguf"

static void check_whole(const char *path)
{
    Checkpoint *checkpoint = open_path_as("gguf", path);
    const StateDict *dict = dict_of(checkpoint);
    assert_int_equal(dict_count(dict), 5);
    for (size_t i = 0; i < 5; i++) {
        char name[32];
        float *values = read_floats(dict_at(dict, i));
        snprintf(name, sizeof name, "blk.%zu.weight", i);
        assert_string_equal(dict_at(dict, i)->name, name);
        assert_int_equal(dict_at(dict, i)->storage->index, i);
        assert_true(values[3] == (float)(10 * i + 3));
        free(values);
    }
    assert_string_equal(dict_metadata(dict, 1).value, "in three parts");
    assert_int_equal(checkpoint_finding_count(checkpoint), 0);
    assert_int_equal(checkpoint_file_bytes(checkpoint), 352 + 288 + 192);
    checkpoint_unref(checkpoint);
}

static void test_any_part_opens_all(void **state)
{
    (void)state;
    char path[100];
    for (int i = 1; i <= 3; i++) {
        snprintf(path, sizeof path, PART, i);
        check_whole(path);
    }
    check_whole("tests/data/gguf/split");
}

/* A copy of part `from` under another name in `folder`. */
static void copy_part(const char *folder, int from, const char *name)
{
    char command[400];
    snprintf(command, sizeof command, "cp " PART " %s/%s", from, folder, name);
    assert_int_equal(system(command), 0);
}

static void refuse_path(const char *folder, const char *name, const char *words)
{
    char path[300];
    Error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_null(checkpoint_open(path, &err));
    assert_error_has(err, words);
}

static void test_parts_that_are_wrong(void **state)
{
    (void)state;
    char folder[100], command[140];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/tenon-gguf.XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    copy_part(folder, 2, "m-00002-of-00003.gguf");
    refuse_path(folder, "m-00002-of-00003.gguf", "2 of the 3 parts of its model are not in its folder: "
                "m-00001-of-00003.gguf, m-00003-of-00003.gguf; fetch them too");
    refuse_path(folder, "", "m-00001-of-00003.gguf, m-00003-of-00003.gguf; fetch them too");
    copy_part(folder, 2, "part2.gguf");
    refuse_path(folder, "part2.gguf", "it is part 2 of 3 of a split model, but its name does not tell "
                "those of the others; name it …-00002-of-00003.gguf");
    copy_part(folder, 2, "m-00001-of-00003.gguf");
    refuse_path(folder, "m-00001-of-00003.gguf",
                "by its name it is part 1 of 3, by its keys part 2 of 3");
    copy_part(folder, 1, "m-00003-of-00003.gguf");
    refuse_path(folder, "m-00002-of-00003.gguf",
                "m-00001-of-00003.gguf: by its name it is part 1 of 3, by its keys part 2 of 3 with 5 "
                "tensors instead of 5: not of the same model");
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

/* Bytes in memory have no neighbours. */
static void test_a_part_alone(void **state)
{
    (void)state;
    Text file = {0};
    start(&file, 0, 2);
    put_key(&file, "split.no", 2, 1, 2);
    put_key(&file, "split.count", 2, 3, 2);
    find(&file, FINDING_WARNING, "part", "part 2 of 3 of a split model; only this part is listed");
    start(&file, 0, 1);
    put_key(&file, "split.count", 5, (uint64_t)-3, 4);
    refuse(&file, ERR_FORMAT, "'split.count' is no whole number from 0 on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_of_every_type),
        cmocka_unit_test(test_shapes_are_turned_round),
        cmocka_unit_test(test_big_endian),
        cmocka_unit_test(test_big_endian_blocks_that_are_not_read),
        cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_long_arrays_cost_no_memory),
        cmocka_unit_test(test_short_arrays_of_long_strings),
        cmocka_unit_test(test_truncations_at_every_byte),
        cmocka_unit_test(test_versions_that_are_not_read),
        cmocka_unit_test(test_counts_that_are_lies),
        cmocka_unit_test(test_key_is_empty),
        cmocka_unit_test(test_key_twice),
        cmocka_unit_test(test_key_is_too_long),
        cmocka_unit_test(test_string_beyond_the_file),
        cmocka_unit_test(test_value_types),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_tensor_twice),
        cmocka_unit_test(test_types_that_are_not_known),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_too_many_dimensions),
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_hole),
        cmocka_unit_test(test_order_of_offsets),
        cmocka_unit_test(test_misaligned),
        cmocka_unit_test(test_bytes_behind_the_end),
        cmocka_unit_test(test_empty_tensors),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_any_part_opens_all),
        cmocka_unit_test(test_parts_that_are_wrong),
        cmocka_unit_test(test_a_part_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
