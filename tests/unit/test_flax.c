/* Flax's MessagePack: files that flax wrote, every kind of item, and one case for each way to be
 * malformed. */
#include "tests/unit/open_as.h"

#include <stdio.h>
#include <stdlib.h>

#include "loader/format/kernels.h"
#include "loader/format/msgpack.h"

/* -- Building -------------------------------------------------------------------------- */

static void add_text(Text *file, const char *text)
{
    text_addc(file, (char)(0xA0 | strlen(text)));
    text_add(file, text);
}

/* Head and payload of an array: up to 15 dims below 128, values of n bytes that are zero. */
static void add_array(Text *file, const char *dtype, unsigned rank, const unsigned *dims, size_t n)
{
    Text payload = {0};
    text_addc(&payload, (char)0x93);
    text_addc(&payload, (char)(0x90 | rank));
    for (unsigned i = 0; i < rank; i++) text_addc(&payload, (char)dims[i]);
    add_text(&payload, dtype);
    text_addc(&payload, (char)0xC4);
    text_addc(&payload, (char)n);
    for (size_t i = 0; i < n; i++) text_addc(&payload, (char)0);
    text_addc(file, (char)0xC7);
    text_addc(file, (char)payload.length);
    text_addc(file, 1);
    text_addn(file, payload.bytes, payload.length);
    text_done(&payload);
}

/* {"w": zeros of [2] f32} */
static void add_good(Text *file)
{
    text_addc(file, (char)0x81);
    add_text(file, "w");
    add_array(file, "float32", 1, (const unsigned[]){2}, 8);
}

static Checkpoint *open_n(const char *bytes, size_t n, Error *err)
{
    return open_as(&format_flax, "x.msgpack", bytes, n, err);
}

/* Frees the file. */
static void refuse(Text *file, ErrorCode code, const char *words)
{
    refuse_as(&format_flax, "x.msgpack", file, code, words);
}

static void refuse_bytes(const char *bytes, size_t n, ErrorCode code, const char *words)
{
    Text file = {0};
    text_addn(&file, bytes, n);
    refuse(&file, code, words);
}

static Checkpoint *must_open(Text *file)
{
    Error err = {0};
    Checkpoint *checkpoint = open_n(file->bytes, file->length, &err);
    text_done(file);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

static const StateDict *part(const Checkpoint *checkpoint, const char *path)
{
    const Container *container = checkpoint_find_container(checkpoint, path);
    if (!container) fail_msg("there is no container '%s'", path);
    return container->dict;
}

static const Tensor *find(const Checkpoint *checkpoint, const char *path, const char *name)
{
    const Tensor *tensor = dict_find(part(checkpoint, path), name);
    if (!tensor) fail_msg("there is no '%s' in '%s'", name, path);
    return tensor;
}

/* Values that count upwards from `first`. */
static void expect_counted(const Tensor *tensor, double first)
{
    char raw[1024];
    double values[128];
    size_t n = (size_t)tensor_count(tensor);
    assert_true(n <= 128 && tensor_bytes(tensor) <= sizeof raw);
    assert_true(tensor_read(tensor, NULL, NULL, raw, NULL));
    dtype_to_doubles(tensor->dtype, raw, values, n);
    for (size_t i = 0; i < n; i++)
        if (values[i] != first + (double)i) fail_msg("%s[%zu] is %g", tensor->name, i, values[i]);
}

/* -- What flax wrote ------------------------------------------------------------------- */

/* What stands beside the arrays keeps its type; of long texts and of bytes there is the length. */
static void test_plain_values_are_metadata(void **state)
{
    (void)state;
    Text file = {0};
    text_addc(&file, (char)0x8B);
    add_text(&file, "w");
    add_array(&file, "float32", 1, (const unsigned[]){2}, 8);
    add_text(&file, "rate");
    text_addn(&file, "\xCB\x3F\xB9\x99\x99\x99\x99\x99\x9A", 9);
    add_text(&file, "half");
    text_addn(&file, "\xCA\x3F\x00\x00\x00", 5);
    add_text(&file, "none");
    text_addc(&file, (char)0xC0);
    add_text(&file, "huge");
    text_addn(&file, "\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9);
    add_text(&file, "pair");
    text_addn(&file, "\xC7\x13\x02\x92\xCB\x3F\xF0\0\0\0\0\0\0\xCB\xC0\0\0\0\0\0\0\0", 22);
    add_text(&file, "raw");
    text_addn(&file, "\xC4\x02xy", 4);
    add_text(&file, "step");
    text_addc(&file, 7);
    add_text(&file, "less");
    text_addc(&file, (char)0xFB);
    add_text(&file, "name");
    add_text(&file, "tiny");
    add_text(&file, "on");
    text_addc(&file, (char)0xC3);
    Checkpoint *checkpoint = must_open(&file);
    const StateDict *dict = checkpoint_find_container(checkpoint, "")->dict;
    static const struct { MetadataItem item; ObjectKind kind; } wanted[] = {
        {{"rate", "0.1"}, OBJ_FLOAT}, {{"half", "0.5"}, OBJ_FLOAT}, {{"none", "null"}, OBJ_NONE},
        {{"huge", "18446744073709551615"}, OBJ_BIGINT}, {{"pair", "[1.0, -2.0]"}, OBJ_LIST},
        {{"raw", "[2 bytes]"}, OBJ_FAR}, {{"step", "7"}, OBJ_INT}, {{"less", "-5"}, OBJ_INT},
        {{"name", "tiny"}, OBJ_STR}, {{"on", "true"}, OBJ_BOOL}};
    assert_int_equal(dict_metadata_count(dict), countof(wanted));
    for (size_t i = 0; i < countof(wanted); i++) {
        assert_string_equal(dict_metadata(dict, i).key, wanted[i].item.key);
        assert_string_equal(dict_metadata(dict, i).value, wanted[i].item.value);
        assert_int_equal(dict_metadata_object(dict, i)->kind, wanted[i].kind);
    }
    assert_true(dict_metadata_find_object(dict, "rate")->number == 0.1);
    checkpoint_unref(checkpoint);
}

/* A complex number whose payload is something else, or more. */
static void test_a_complex_number_that_is_none(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t n; } bad[] = {
        {"\xD4\x02\x07", 3}, {"\xD6\x02\x92\x01\x02\xC0", 6}, {"\xC7\x01\x02\x90", 4},
        {"\xC7\x14\x02\x92\xCB\x3F\xF0\0\0\0\0\0\0\xCB\xC0\0\0\0\0\0\0\0\xC0", 23}};
    for (size_t i = 0; i < countof(bad); i++) {
        Text file = {0};
        text_addc(&file, (char)0x82);
        add_text(&file, "w");
        add_array(&file, "float32", 1, (const unsigned[]){2}, 8);
        add_text(&file, "pair");
        text_addn(&file, bad[i].bytes, bad[i].n);
        refuse(&file, ERR_FORMAT, "complex number is no list of two numbers");
    }
}

static void test_a_model(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *checkpoint = open_path_as("flax", "tests/data/flax/model.msgpack");
    assert_string_equal(checkpoint_choose(checkpoint, NULL, &err)->path, "");
    assert_int_equal(dict_count(part(checkpoint, "")), 17);
    assert_int_equal(dict_count(part(checkpoint, "params")), 15);
    assert_int_equal(dict_count(part(checkpoint, "batch_stats")), 2);
    const Tensor *kernel = find(checkpoint, "", "params.Conv_0.kernel");
    assert_int_equal(kernel->rank, 4);
    assert_int_equal(kernel->dims[3], 2);
    assert_int_equal(kernel->layout, LAYOUT_HWIO);
    expect_counted(kernel, 5);
    assert_int_equal(find(checkpoint, "params", "Dense_0.kernel")->layout, LAYOUT_IO);
    assert_int_equal(find(checkpoint, "params", "Embed_0.embedding")->layout, LAYOUT_NATIVE);
    assert_int_equal(find(checkpoint, "params", "BatchNorm_0.scale")->layout, LAYOUT_NATIVE);
    const char *heads = "MultiHeadDotProductAttention_0.query.kernel";
    assert_int_equal(find(checkpoint, "params", heads)->layout, LAYOUT_NATIVE);
    expect_counted(find(checkpoint, "batch_stats", "BatchNorm_0.var"), 1);
    checkpoint_unref(checkpoint);
}

static void test_a_training_state(void **state)
{
    (void)state;
    Checkpoint *checkpoint = open_path_as("flax", "tests/data/flax/state.msgpack");
    const StateDict *all = part(checkpoint, "");
    assert_null(dict_find(all, "opt_state.0.count"));
    assert_non_null(dict_find(all, "params.odd.key.w"));
    assert_true(checkpoint_find_container(checkpoint, "opt_state")->optimizer);
    assert_int_equal(find(checkpoint, "opt_state", "0.count")->rank, 0);
    expect_counted(find(checkpoint, "opt_state", "0.count"), 3);
    assert_int_equal(find(checkpoint, "", "params.layer.bias")->dtype, DT_BF16);
    assert_int_equal(find(checkpoint, "extra", "list[1].deep")->dtype, DT_BOOL);
    assert_int_equal(checkpoint_find_container(checkpoint, "extra")->others, 8);
    const Tensor *small = find(checkpoint, "", "extra.small");
    assert_int_equal(small->dtype, DT_UNKNOWN);
    assert_string_equal(small->encoding->note, "elements of type int4");
    checkpoint_unref(checkpoint);
}

static void test_arrays_in_chunks_are_one(void **state)
{
    (void)state;
    Checkpoint *checkpoint = open_path_as("flax", "tests/data/flax/chunks.msgpack");
    const Tensor *big = find(checkpoint, "", "params.big");
    assert_int_equal(big->rank, 3);
    assert_int_equal(big->dims[1], 5);
    expect_counted(big, 0);
    expect_counted(find(checkpoint, "params", "small"), 0);
    checkpoint_unref(checkpoint);
}

/* -- Other good files ------------------------------------------------------------------ */

static void test_order_of_keys_that_are_not_sorted(void **state)
{
    (void)state;
    for (int sorted = 0; sorted < 2; sorted++) {
        Text file = {0};
        text_addc(&file, (char)0x82);
        add_text(&file, sorted ? "a" : "b");
        add_array(&file, "int8", 0, NULL, 1);
        add_text(&file, sorted ? "b" : "a");
        add_array(&file, "int8", 0, NULL, 1);
        Checkpoint *checkpoint = must_open(&file);
        assert_int_equal(dict_is_ordered(part(checkpoint, "")), !sorted);
        assert_string_equal(dict_at(part(checkpoint, ""), 0)->name, sorted ? "a" : "b");
        checkpoint_unref(checkpoint);
    }
}

static void test_an_array_alone(void **state)
{
    (void)state;
    Text file = {0};
    add_array(&file, "float32", 2, (const unsigned[]){2, 3}, 24);
    Checkpoint *checkpoint = must_open(&file);
    assert_int_equal(find(checkpoint, "", "")->dims[1], 3);
    checkpoint_unref(checkpoint);
}

static void test_keys_with_dots_are_quoted_in_paths(void **state)
{
    (void)state;
    Text file = {0};
    text_addc(&file, (char)0x81);
    add_text(&file, "a.b");
    add_good(&file);
    Checkpoint *checkpoint = must_open(&file);
    assert_non_null(find(checkpoint, "", "a.b.w"));
    assert_non_null(find(checkpoint, "[\"a.b\"]", "w"));
    checkpoint_unref(checkpoint);
}

static void test_keys_that_are_numbers(void **state)
{
    (void)state;
    const char head[] = "\x82\x07";
    Text file = {0};
    text_addn(&file, head, 2);
    add_array(&file, "uint8", 0, NULL, 1);
    text_addc(&file, (char)0xFE);
    add_array(&file, "uint8", 0, NULL, 1);
    Checkpoint *checkpoint = must_open(&file);
    assert_non_null(find(checkpoint, "", "7"));
    assert_non_null(find(checkpoint, "", "-2"));
    checkpoint_unref(checkpoint);
}

static void test_every_kind_of_item(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t n; MsgKind kind; uint64_t value; } items[] = {
        {"\x7F", 1, MSG_UINT, 127}, {"\xE0", 1, MSG_INT, (uint64_t)-32}, {"\xC0", 1, MSG_NIL, 0},
        {"\xC2", 1, MSG_BOOL, 0}, {"\xC3", 1, MSG_BOOL, 1}, {"\xCC\xFF", 2, MSG_UINT, 255},
        {"\xCD\1\2", 3, MSG_UINT, 258}, {"\xCE\1\0\0\0", 5, MSG_UINT, 1 << 24},
        {"\xCF\1\0\0\0\0\0\0\0", 9, MSG_UINT, 1ull << 56}, {"\xD0\x80", 2, MSG_INT, (uint64_t)-128},
        {"\xD1\xFF\xFE", 3, MSG_INT, (uint64_t)-2}, {"\xD2\xFF\xFF\xFF\xFD", 5, MSG_INT, (uint64_t)-3},
        {"\xD3\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFC", 9, MSG_INT, (uint64_t)-4},
        {"\xD1\1\0", 3, MSG_INT, 256}, {"\xCA\0\0\0\0", 5, MSG_FLOAT, 0},
        {"\xCB\0\0\0\0\0\0\0\0", 9, MSG_FLOAT, 0}, {"\xA2xy", 3, MSG_STR, 2},
        {"\xD9\2xy", 4, MSG_STR, 2}, {"\xDA\0\2xy", 5, MSG_STR, 2}, {"\xDB\0\0\0\2xy", 7, MSG_STR, 2},
        {"\xC4\2xy", 4, MSG_BIN, 2}, {"\xC5\0\2xy", 5, MSG_BIN, 2}, {"\xC6\0\0\0\2xy", 7, MSG_BIN, 2},
        {"\xC7\2\5xy", 5, MSG_EXT, 2}, {"\xC8\0\2\5xy", 6, MSG_EXT, 2},
        {"\xC9\0\0\0\2\5xy", 8, MSG_EXT, 2}, {"\xD4\5x", 3, MSG_EXT, 1}, {"\xD5\5xy", 4, MSG_EXT, 2},
        {"\xD6\5xyxy", 6, MSG_EXT, 4}, {"\xD7\5xyxyxyxy", 10, MSG_EXT, 8},
        {"\xD8\5xyxyxyxyxyxyxyxy", 18, MSG_EXT, 16}, {"\x90", 1, MSG_LIST, 0},
        {"\xDC\0\0", 3, MSG_LIST, 0}, {"\xDD\0\0\0\0", 5, MSG_LIST, 0}, {"\x80", 1, MSG_MAP, 0},
        {"\xDE\0\0", 3, MSG_MAP, 0}, {"\xDF\0\0\0\0", 5, MSG_MAP, 0},
    };
    for (size_t i = 0; i < countof(items); i++) {
        MsgReader reader;
        MsgItem item;
        Error err = {0};
        ByteSource *source = source_from_memory(items[i].bytes, items[i].n, "x");
        msg_init(&reader, source, 0, source->size);
        if (!msg_next(&reader, &item, &err)) fail_msg("%zu: %s", i, err.text);
        assert_int_equal(item.kind, items[i].kind);
        assert_int_equal(item.n, items[i].value);
        assert_int_equal(reader.cursor.at, items[i].n);
        if (item.kind == MSG_EXT) assert_int_equal(item.type, 5);
        for (size_t cut = 0; cut < items[i].n; cut++) {
            msg_init(&reader, source, 0, cut);
            assert_false(msg_next(&reader, &item, &err));
            assert_error_has(err, "MessagePack: the item at byte 0 needs");
        }
        source_unref(source);
    }
}

static void test_names_of_kernels(void **state)
{
    (void)state;
    static const struct { const char *name; unsigned rank; Layout layout; } cases[] = {
        {"params.Dense_0.kernel", 2, LAYOUT_IO}, {"kernel", 3, LAYOUT_WIO},
        {"a.kernel", 4, LAYOUT_HWIO}, {"a.kernel", 5, LAYOUT_DHWIO}, {"a.kernel", 6, LAYOUT_NATIVE},
        {"a.kernel", 1, LAYOUT_NATIVE}, {"conv/kernel:0", 4, LAYOUT_HWIO},
        {"c/depthwise_kernel:0", 4, LAYOUT_HWIM}, {"c/depthwise_kernel:0", 3, LAYOUT_NATIVE},
        {"c/pointwise_kernel", 4, LAYOUT_HWIO}, {"lstm/recurrent_kernel:0", 2, LAYOUT_IO},
        {"conv1/conv1_W", 4, LAYOUT_HWIO}, {"W", 2, LAYOUT_IO}, {"mykernel", 2, LAYOUT_NATIVE},
        {"att.query.kernel", 3, LAYOUT_NATIVE}, {"att.query.kernel", 2, LAYOUT_IO},
        {"bias", 1, LAYOUT_NATIVE}, {"embedding", 2, LAYOUT_NATIVE}, {"", 2, LAYOUT_NATIVE},
    };
    for (size_t i = 0; i < countof(cases); i++)
        if (kernel_layout(cases[i].name, cases[i].rank) != cases[i].layout)
            fail_msg("%s of rank %u", cases[i].name, cases[i].rank);
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
        assert_true(has_prefix(err.text, "x.msgpack: MessagePack: the item at byte "));
        assert_error_has(err, "the file is damaged or cut short");
    }
    text_done(&file);
}

static void test_no_arrays(void **state)
{
    (void)state;
    refuse_bytes("\x81\xA1k\x05", 4, ERR_UNSUPPORTED, "a MessagePack file without arrays as Flax");
    refuse_bytes("\x91\x05", 2, ERR_FORMAT, "its root is a list");
}

static void test_byte_that_begins_nothing(void **state)
{
    (void)state;
    refuse_bytes("\x81\xA1k\xC1", 4, ERR_FORMAT, "byte 0xc1 at 3 begins no item");
}

static void test_more_items_than_bytes(void **state)
{
    (void)state;
    refuse_bytes("\xDF\xFF\xFF\xFF\xFF", 5, ERR_FORMAT, "needs 8589934590 bytes more, and 0 are left");
    refuse_bytes("\x81\xA1k\xDD\x7F\xFF\xFF\xFF", 8, ERR_FORMAT, "needs 2147483647 bytes more");
}

static void test_array_longer_than_the_file(void **state)
{
    (void)state;
    refuse_bytes("\x81\xA1k\xC9\xFF\xFF\xFF\xFF\x01\x93", 10, ERR_FORMAT, "needs 4294967295 bytes more");
}

static void test_nesting(void **state)
{
    (void)state;
    Text file = {0};
    for (int i = 0; i < 100000; i++) text_addn(&file, "\x81\xA1k", 3);
    add_good(&file);
    refuse(&file, ERR_LIMIT, "maps inside maps (byte 192), to a depth more than the limit of 64");
}

static void test_payloads_that_are_no_arrays(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t n; const char *words; } cases[] = {
        {"\x92\x90\xA5int32", 8, "no list of shape, dtype and values"},
        {"\x93\xA1s\xA5int32\xC4\x00", 11, "no list of shape, dtype and values"},
        {"\x93\x91\xFF\xA5int32\xC4\x00", 11, "a size of its shape is no number"},
        {"\x93\x91\xA1x\xA5int32\xC4\x00", 12, "a size of its shape is no number"},
        {"\x93\x90\x01\xC4\x00", 5, "no list of shape, dtype and values"},
        {"\x93\x90\xA5int32\x01", 9, "no list of shape, dtype and values"},
        {"\x93\x90\xA5int32\xC4\x04\0\0\0\0\0", 15, "bytes are left over in its payload"},
        {"\x93\x90\xA5int32\xC4\x03\0\0\0", 13, "shape scalar int32 does not fit its 3 bytes"},
        {"\x93\x91\x02\xA5int32\xC4\x04\0\0\0\0", 15, "shape 2 int32 does not fit its 4 bytes"},
        {"\x93\x92\xCF\x40\0\0\0\0\0\0\0\x10\xA5int32\xC4\x00", 20, "does not fit its 0 bytes"},
        {"\x93\xDC\0\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 37,
         "more than 32 dimensions"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Text file = {0};
        text_addn(&file, "\x81\xA1k\xC7", 4);
        text_addc(&file, (char)cases[i].n);
        text_addc(&file, 1);
        text_addn(&file, cases[i].bytes, cases[i].n);
        refuse(&file, ERR_FORMAT, cases[i].words);
    }
}

/* The payload's items may not reach into what follows it. */
static void test_payload_that_reaches_beyond_itself(void **state)
{
    (void)state;
    Text file = {0};
    text_addn(&file, "\x82\xA1k\xC7\x0A\x01\x93\x90\xA5int32\xC4\x08\xA1m", 18);
    text_add(&file, "and what follows");
    refuse(&file, ERR_FORMAT, "needs 8 bytes more, and 0 are left");
}

static void test_key_that_is_a_map(void **state)
{
    (void)state;
    refuse_bytes("\x81\x80\xC0", 3, ERR_FORMAT, "a key is neither text nor a number (byte 1)");
}

static void test_key_of_megabytes(void **state)
{
    (void)state;
    Text file = {0};
    text_addn(&file, "\x81\xDB\0\1\0\0", 6);
    for (int i = 0; i < 65536; i++) text_addc(&file, 'k');
    text_addc(&file, (char)0xC0);
    refuse(&file, ERR_LIMIT, "the text at byte 1 has 65536 bytes; more than 4096 are not read");
}

/* One key of 4000 bytes above 30,000 arrays of 20: names of 120 MB from a file of 700 kB. */
static void test_long_keys_above_many_arrays(void **state)
{
    (void)state;
    Text file = {0};
    text_addn(&file, "\x81\xDA\x0F\xA0", 4);
    for (int i = 0; i < 4000; i++) text_addc(&file, 'k');
    text_addn(&file, "\xDE\x75\x30", 3);
    for (int i = 0; i < 30000; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        add_text(&file, key);
        add_array(&file, "int8", 0, NULL, 1);
    }
    refuse(&file, ERR_LIMIT, "long keys with many arrays below them");
}

static void test_number_of_dicts_is_limited(void **state)
{
    (void)state;
    Text file = {0}, again = {0};
    Error err = {0};
    for (int i = 0; i < 2; i++) {
        Text *one = i ? &again : &file;
        text_addc(one, '\x83');
        for (char key[] = "a"; *key <= 'c'; ++*key) {
            add_text(one, key);
            text_addc(one, '\x81');
            add_text(one, "w");
            add_array(one, "int8", 0, NULL, 1);
        }
    }
    assert_true(limit_set("containers=2", &err));
    refuse(&file, ERR_LIMIT, "dicts of tensors, more than the limit of 2 (--limit containers=N");
    assert_true(limit_set("containers=4", &err));      /* and all of them together */
    Checkpoint *checkpoint = must_open(&again);
    assert_non_null(find(checkpoint, "c", "w"));
    checkpoint_unref(checkpoint);
    assert_true(limit_set("containers=1M", &err));
}

static void test_names_that_stand_twice(void **state)
{
    (void)state;
    Text file = {0};
    text_addc(&file, (char)0x82);
    for (int i = 0; i < 2; i++) {
        add_text(&file, "same");
        add_array(&file, "int8", 0, NULL, 1);
    }
    Checkpoint *checkpoint = must_open(&file);
    expect_finding(checkpoint, "duplicate", "two arrays are called 'same'");
    assert_int_equal(dict_count(part(checkpoint, "")), 1);
    checkpoint_unref(checkpoint);
}

static void test_bytes_behind_the_map(void **state)
{
    (void)state;
    Text file = {0};
    add_good(&file);
    text_add(&file, "tail");
    Checkpoint *checkpoint = must_open(&file);
    expect_finding(checkpoint, "trailing", "4 bytes stand behind the map");
    checkpoint_unref(checkpoint);
}

/* {"a": {mark: true, "shape": {…}, "chunks": {…}}} with what is given in place of the two. */
static void refuse_chunks(const char *shape, size_t shape_n, const char *chunks, size_t chunks_n,
                          const char *words)
{
    Text file = {0};
    text_addn(&file, "\x81\xA1" "a\x83\xB9__msgpack_chunked_array__\xC3", 31);
    add_text(&file, "shape");
    text_addn(&file, shape, shape_n);
    add_text(&file, "chunks");
    text_addn(&file, chunks, chunks_n);
    refuse(&file, ERR_FORMAT, words);
}

static void test_chunks_that_do_not_fit(void **state)
{
    (void)state;
    static const char one[] = "\x81\xA1" "0\xC7\x0C\x01\x93\x91\x02\xA4int8\xC4\x02\0\0";
    size_t n = sizeof one - 1;
    refuse_chunks("\x81\xA1" "0\x03", 4, one, n, "do not have the size of its shape");
    refuse_chunks("\x81\xA1" "1\x02", 4, one, n, "are not 0, 1, 2");
    refuse_chunks("\x81\xA1" "0\xC0", 4, one, n, "a size of its shape is no number");
    refuse_chunks("\xC0", 1, one, n, "its shape is no map");
    refuse_chunks("\x81\xA1" "0\x02", 4, "\xC0", 1, "its chunks are no map");
    refuse_chunks("\x81\xA1" "0\x02", 4, "\x81\xA1" "0\xC0", 4, "a chunk is no array");
    refuse_chunks("\x82\xA1" "0\xCF\x7F\0\0\0\0\0\0\0\xA1" "1\x7F", 15, one, n, "size of its shape");
    Text file = {0};
    text_addn(&file, "\x81\xA1" "a\x81\xB9__msgpack_chunked_array__\xC3", 31);
    refuse(&file, ERR_FORMAT, "lacks its shape or its chunks");
    text_addn(&file, "\x81\xA1" "a\x81\xB9__msgpack_chunked_array__\x05", 31);
    refuse(&file, ERR_FORMAT, "the mark of its chunks is no bool");
    text_addn(&file, "\x81\xA1" "a\x82\xB9__msgpack_chunked_array__\xC3\xA1x\x05", 34);
    refuse(&file, ERR_FORMAT, "other keys than shape and chunks");
}

static void test_chunks_of_two_types(void **state)
{
    (void)state;
    static const char two[] = "\x82\xA1" "0\xC7\x0C\x01\x93\x91\x02\xA4int8\xC4\x02\0\0"
                              "\xA1" "1\xC7\x0D\x01\x93\x91\x02\xA5uint8\xC4\x02\0\0";
    refuse_chunks("\x81\xA1" "0\x04", 4, two, sizeof two - 1, "its chunks have several dtypes");
}

/* -- Telling it from others ------------------------------------------------------------ */

static void test_what_is_taken_for_flax(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t n; Sniff sniff; } cases[] = {
        {"\x81\xA6params\x80", 9, SNIFF_MAYBE}, {"\x81\xA2\1\2\x80", 5, SNIFF_NO},
        {"\x80\x02]q\0.", 6, SNIFF_NO}, {"{\"a\":1}", 7, SNIFF_NO}, {"\x92\1\2", 3, SNIFF_NO},
        {"\xC7\x0C\x01\x93\x91\x02\xA4int8\xC4\x02\0\0", 15, SNIFF_YES}, {"\xDE\0", 2, SNIFF_NO},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        ByteSource *source = source_from_memory(cases[i].bytes, cases[i].n, "x");
        Sniff found = format_flax.sniff(source, (const unsigned char *)cases[i].bytes, cases[i].n);
        if (found != cases[i].sniff) fail_msg("case %zu gives %d", i, (int)found);
        source_unref(source);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_values_are_metadata),
        cmocka_unit_test(test_a_complex_number_that_is_none),
        cmocka_unit_test(test_a_model),
        cmocka_unit_test(test_a_training_state),
        cmocka_unit_test(test_arrays_in_chunks_are_one),
        cmocka_unit_test(test_order_of_keys_that_are_not_sorted),
        cmocka_unit_test(test_an_array_alone),
        cmocka_unit_test(test_keys_with_dots_are_quoted_in_paths),
        cmocka_unit_test(test_keys_that_are_numbers),
        cmocka_unit_test(test_every_kind_of_item),
        cmocka_unit_test(test_names_of_kernels),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_no_arrays),
        cmocka_unit_test(test_byte_that_begins_nothing),
        cmocka_unit_test(test_more_items_than_bytes),
        cmocka_unit_test(test_array_longer_than_the_file),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_payloads_that_are_no_arrays),
        cmocka_unit_test(test_payload_that_reaches_beyond_itself),
        cmocka_unit_test(test_key_that_is_a_map),
        cmocka_unit_test(test_key_of_megabytes),
        cmocka_unit_test(test_long_keys_above_many_arrays),
        cmocka_unit_test(test_number_of_dicts_is_limited),
        cmocka_unit_test(test_names_that_stand_twice),
        cmocka_unit_test(test_bytes_behind_the_map),
        cmocka_unit_test(test_chunks_that_do_not_fit),
        cmocka_unit_test(test_chunks_of_two_types),
        cmocka_unit_test(test_what_is_taken_for_flax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
