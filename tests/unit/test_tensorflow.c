/* TensorFlow bundles: tables, entries, shards, pieces, names, and one case for each way in which
 * an index or a shard can be wrong. */
#include "bundle_maker.h"

#include "loader/format/snappy.h"
#include "loader/tensor/layout.h"

enum { FLOAT = 1, INT32 = 3, STRING = 7, INT64 = 9, RESOURCE = 20, INT4 = 29 };

/* Values of every shard in these tests: 0, 1, 2 … as floats. */
static Text shard(size_t count)
{
    Text out = {0};
    for (size_t i = 0; i < count; i++) {
        float value = (float)i;
        text_addn(&out, &value, sizeof value);
    }
    return out;
}

static void add(TableMaker *maker, const char *key, Text value)
{
    table_add(maker, key, strlen(key), &value);
}

static TableMaker start(unsigned shards)
{
    TableMaker maker = {0};
    Text header = bundle_header(shards, false);
    table_add(&maker, "", 0, &header);
    return maker;
}

static Checkpoint *open_path(const char *path, Error *err)
{
    *err = (Error){0};
    return checkpoint_open(path, err);
}

/* Writes x.index, and a shard of 24 floats beside it. */
static const char *write_bundle(void **state, TableMaker *maker)
{
    Text values = shard(24), file = table_end(maker);
    write_file(state, "x.data-00000-of-00001", &values);
    return write_file(state, "x.index", &file);
}

static Checkpoint *must_open(const char *path)
{
    Error err;
    Checkpoint *checkpoint = open_path(path, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    assert_string_equal(checkpoint_format(checkpoint), "tensorflow");
    return checkpoint;
}

static void refuse_path(const char *path, ErrorCode code, const char *words)
{
    Error err;
    assert_null(open_path(path, &err));
    assert_error_has(err, words);
    assert_int_equal(err.code, code);
}

static void refuse_bundle(void **state, TableMaker *maker, ErrorCode code, const char *words)
{
    refuse_path(write_bundle(state, maker), code, words);
}

/* An index of one entry. */
static void refuse_entry(void **state, Text entry, ErrorCode code, const char *words)
{
    TableMaker maker = start(1);
    add(&maker, "w", entry);
    refuse_bundle(state, &maker, code, words);
}

/* -- Bricks ---------------------------------------------------------------------------- */

/* RFC 3720, B.4, and the check value of the polynomial. */
static void test_crc32c(void **state)
{
    (void)state;
    unsigned char zeros[32] = {0};
    assert_int_equal(crc32c_add(0, "123456789", 9), 0xE3069283);
    assert_int_equal(crc32c_add(0, zeros, 32), 0x8A9136AA);
    assert_int_equal(crc32c_add(crc32c_add(0, "1234", 4), "56789", 5), 0xE3069283);
    assert_int_equal(crc32c_unmask(mask_crc(0xE3069283)), 0xE3069283);
}

static void test_snappy(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t n;
        const char *out;
    } good[] = {
        {"\0", 1, ""},
        {"\3\x08" "abc", 5, "abc"},
        {"\x0B\x04" "ab\x15\2", 6, "abababababa"},          /* runs into itself */
        {"\x06\x08" "abc\x0A\3\0", 8, "abcabc"},
        {"\x06\x08" "abc\x0B\3\0\0\0", 10, "abcabc"},
        {"\x03\xF0\2" "abc", 6, "abc"},
    };
    for (size_t i = 0; i < countof(good); i++) {
        char out[16] = "";
        size_t length;
        assert_true(snappy_length((const unsigned char *)good[i].in, good[i].n, &length));
        assert_int_equal(length, strlen(good[i].out));
        assert_true(snappy_decode((const unsigned char *)good[i].in, good[i].n,
                                  (unsigned char *)out, length));
        assert_string_equal(out, good[i].out);
    }
    static const struct {
        const char *in;
        size_t n, length;
    } bad[] = {
        {"", 0, 0},
        {"\3\x08" "ab", 4, 3},                /* literal cut off */
        {"\2\x08" "abc", 5, 2},               /* longer than claimed */
        {"\4\x08" "abc", 5, 4},               /* shorter than claimed */
        {"\6\x08" "abc\x0A\4\0", 8, 6},       /* copy from before the start */
        {"\6\x08" "abc\x0A\0\0", 8, 6},       /* offset 0 */
        {"\6\x08" "abc\x0A\3", 7, 6},         /* offset cut off */
        {"\3\xFC\xFF\xFF\xFF\xFF" "abc", 9, 3},
        {"\xFF\xFF\xFF\xFF\x7F", 5, 3},
    };
    for (size_t i = 0; i < countof(bad); i++) {
        unsigned char out[16];
        assert_false(snappy_decode((const unsigned char *)bad[i].in, bad[i].n, out,
                                   bad[i].length));
    }
    size_t length;
    assert_false(snappy_length((const unsigned char *)"\xFF\xFF\xFF\xFF\x0F" "abc", 8, &length));
}

/* -- Right readings -------------------------------------------------------------------- */

static void test_entries_and_their_values(void **state)
{
    static const int64_t two[] = {2, 3}, four[] = {4};
    const float w[] = {1, 2, 3, 4, 5, 6}, s[] = {0};
    for (unsigned compression = 0; compression < 2; compression++) {
        TableMaker maker = start(1);
        maker.compression = compression;
        add(&maker, "global_step", bundle_entry(INT32, NULL, 0, 0, 4));
        table_cut(&maker);
        add(&maker, "layer/conv/weights", bundle_entry(FLOAT, two, 2, 4, 24));
        add(&maker, "layer/conv/weights/Momentum", bundle_entry(FLOAT, two, 2, 28, 24));
        add(&maker, "nibbles", bundle_entry(INT4, four, 1, 0, 4));
        add(&maker, "table", bundle_entry(RESOURCE, NULL, 0, 0, 8));
        add(&maker, "words", bundle_entry(STRING, two, 1, 0, 16));
        Checkpoint *checkpoint = must_open(write_bundle(state, &maker));
        const Tensor *step = tensor_in(checkpoint, "", "global_step");
        assert_tensor(step, DT_I32, "scalar", s, 4);
        assert_tensor(tensor_in(checkpoint, "", "layer/conv/weights"), DT_F32, "2×3", w, 24);
        assert_int_equal(tensor_in(checkpoint, "", "words")->dtype, DT_STRING);
        assert_null(tensor_in(checkpoint, "", "words")->storage);
        assert_true(tensor_in(checkpoint, "", "nibbles")->encoding->opaque);
        assert_string_equal(tensor_in(checkpoint, "", "table")->encoding->note,
                            "TensorFlow's type 20");
        tensor_in(checkpoint, "named", "layer/conv/weights");
        tensor_in(checkpoint, "optimizer", "global_step");
        tensor_in(checkpoint, "optimizer", "layer/conv/weights/Momentum");
        assert_true(checkpoint_find_container(checkpoint, "optimizer")->optimizer);
        size_t rivals;
        assert_string_equal(checkpoint_choose(checkpoint, &rivals, NULL)->path, "");
        assert_int_equal(rivals, 0);
        checkpoint_unref(checkpoint);
    }
}

static void test_big_endian_values(void **state)
{
    static const int64_t two[] = {2};
    const float w[] = {1, 2};
    TableMaker maker = {0};
    Text header = bundle_header(1, true), values = {0};
    table_add(&maker, "", 0, &header);
    add(&maker, "w", bundle_entry(FLOAT, two, 1, 0, 8));
    Text file = table_end(&maker);
    text_addn(&values, "\x3F\x80\0\0\x40\0\0\0", 8);
    write_file(state, "x.data-00000-of-00001", &values);
    Checkpoint *checkpoint = must_open(write_file(state, "x.index", &file));
    assert_tensor(tensor_in(checkpoint, "", "w"), DT_F32, "2", w, 8);
    checkpoint_unref(checkpoint);
}

static void test_layouts_by_name_and_rank(void **state)
{
    static const struct {
        const char *key;
        size_t rank;
        uint8_t layout;
    } cases[] = {
        {"conv/kernel", 4, LAYOUT_HWIO},
        {"conv/weights", 4, LAYOUT_HWIO},
        {"conv1d_2/kernel", 3, LAYOUT_WIO},
        {"conv2d_transpose_1/kernel", 4, LAYOUT_HWOI},
        {"conv3d/kernel", 5, LAYOUT_DHWIO},
        {"dense/bias", 1, LAYOUT_NATIVE},
        {"dense/kernel", 2, LAYOUT_IO},
        {"depthwise_conv2d/kernel", 4, LAYOUT_HWIM},
        {"dw/depthwise_kernel", 4, LAYOUT_HWIM},
        {"dw/depthwise_weights", 4, LAYOUT_HWIM},
        {"dw/pointwise_kernel", 4, LAYOUT_HWIO},
        {"embedding/embeddings", 2, LAYOUT_NATIVE},
        {"fc/weights", 2, LAYOUT_IO},
        {"fc/weights/Adam", 2, LAYOUT_NATIVE},
        {"head/output_weights", 2, LAYOUT_NATIVE},
        {"lstm/recurrent_kernel", 2, LAYOUT_IO},
        {"query/kernel", 3, LAYOUT_NATIVE},
        {"sub/dense/kernel/.ATTRIBUTES/VARIABLE_VALUE", 2, LAYOUT_IO},
    };
    static const int64_t ones[] = {1, 1, 1, 1, 1};
    TableMaker maker = start(1);
    for (size_t i = 0; i < countof(cases); i++)
        add(&maker, cases[i].key, bundle_entry(FLOAT, ones, cases[i].rank, 0, 4));
    Checkpoint *checkpoint = must_open(write_bundle(state, &maker));
    for (size_t i = 0; i < countof(cases); i++)
        if (tensor_in(checkpoint, "", cases[i].key)->layout != cases[i].layout)
            fail_msg("%s: %s", cases[i].key,
                     layout_name(tensor_in(checkpoint, "", cases[i].key)->layout));
    tensor_in(checkpoint, "named", "sub/dense/kernel");
    checkpoint_unref(checkpoint);
}

static void test_moving_averages_are_a_place_of_their_own(void **state)
{
    static const int64_t one[] = {1};
    TableMaker maker = start(1);
    add(&maker, "a/weights", bundle_entry(FLOAT, one, 1, 0, 4));
    add(&maker, "a/weights/ExponentialMovingAverage", bundle_entry(FLOAT, one, 1, 4, 4));
    Checkpoint *checkpoint = must_open(write_bundle(state, &maker));
    const float average = 1;
    assert_tensor(tensor_in(checkpoint, "ema", "a/weights"), DT_F32, "1", &average, 4);
    assert_int_equal(dict_count(checkpoint_find_container(checkpoint, "named")->dict), 1);
    checkpoint_unref(checkpoint);
}

static void test_escapes_in_paths(void **state)
{
    static const int64_t one[] = {1};
    TableMaker maker = start(1);
    add(&maker, "a.Sb..c/.ATTRIBUTES/VARIABLE_VALUE", bundle_entry(FLOAT, one, 1, 0, 4));
    Checkpoint *checkpoint = must_open(write_bundle(state, &maker));
    tensor_in(checkpoint, "named", "a/b.c");
    checkpoint_unref(checkpoint);
}

/* -- The object graph ------------------------------------------------------------------ */

/* A TrackableObject with a variable. */
static Text variable_node(const char *full_name, const char *key)
{
    Text node = {0}, attribute = {0};
    put_text(&attribute, 1, "VARIABLE_VALUE");
    put_text(&attribute, 2, full_name);
    put_text(&attribute, 3, key);
    put_message(&node, 2, &attribute);
    return node;
}

static void put_reference(Text *node, unsigned field, unsigned id_field, unsigned id)
{
    Text reference = {0};
    put_number(&reference, id_field, id);
    put_message(node, field, &reference);
}

/* A root, two variables, a slot, an optimizer and its counter; one file with all of it. */
static Text graph_text(void)
{
    Text graph = {0}, root = {0}, optimizer = {0};
    put_reference(&root, 1, 1, 1);
    put_message(&graph, 1, &root);
    Text one = variable_node("dense/kernel", "m/k/.ATTRIBUTES/VARIABLE_VALUE");
    put_message(&graph, 1, &one);
    one = variable_node("", "m/n/.ATTRIBUTES/VARIABLE_VALUE");
    put_message(&graph, 1, &one);
    one = variable_node("Adam/dense/kernel/m", "s/.ATTRIBUTES/VARIABLE_VALUE");
    put_message(&graph, 1, &one);
    put_reference(&optimizer, 1, 1, 5);
    put_reference(&optimizer, 1, 1, 1);          /* a weight that it trains */
    put_reference(&optimizer, 3, 3, 3);
    put_reference(&optimizer, 3, 3, 999);
    put_message(&graph, 1, &optimizer);
    one = variable_node("Adam/iter", "o/i/.ATTRIBUTES/VARIABLE_VALUE");
    put_message(&graph, 1, &one);
    return graph;
}

/* Opens a bundle of four variables with that text (emptied) as its graph. */
static Checkpoint *open_graph(void **state, Text *graph, uint64_t claimed)
{
    static const int64_t two[] = {1, 1};
    Text values = {0};
    put_varint(&values, claimed);
    put_u32(&values, 0);
    text_addn(&values, text_string(graph), graph->length);
    uint64_t at = values.length;
    text_addn(&values, "\0\0\0\0", 4);
    TableMaker maker = start(1);
    add(&maker, "_CHECKPOINTABLE_OBJECT_GRAPH", bundle_entry(STRING, NULL, 0, 0, at));
    add(&maker, "m/k/.ATTRIBUTES/VARIABLE_VALUE", bundle_entry(FLOAT, two, 2, at, 4));
    add(&maker, "m/n/.ATTRIBUTES/VARIABLE_VALUE", bundle_entry(FLOAT, two, 2, at, 4));
    add(&maker, "o/i/.ATTRIBUTES/VARIABLE_VALUE", bundle_entry(FLOAT, two, 2, at, 4));
    add(&maker, "s/.ATTRIBUTES/VARIABLE_VALUE", bundle_entry(FLOAT, two, 2, at, 4));
    text_done(graph);
    Text file = table_end(&maker);
    write_file(state, "x.data-00000-of-00001", &values);
    return must_open(write_file(state, "x.index", &file));
}

static void test_names_from_the_object_graph(void **state)
{
    Text graph = graph_text();
    Checkpoint *checkpoint = open_graph(state, &graph, graph.length);
    assert_int_equal(dict_count(checkpoint_find_container(checkpoint, "")->dict), 5);
    assert_int_equal(tensor_in(checkpoint, "", "_CHECKPOINTABLE_OBJECT_GRAPH")->dtype, DT_STRING);
    assert_int_equal(dict_count(checkpoint_find_container(checkpoint, "named")->dict), 2);
    assert_int_equal(tensor_in(checkpoint, "named", "dense/kernel")->layout, LAYOUT_IO);
    tensor_in(checkpoint, "named", "m/n");
    assert_int_equal(tensor_in(checkpoint, "", "m/k/.ATTRIBUTES/VARIABLE_VALUE")->layout,
                     LAYOUT_IO);
    tensor_in(checkpoint, "optimizer", "Adam/dense/kernel/m");
    tensor_in(checkpoint, "optimizer", "Adam/iter");
    assert_int_equal(checkpoint_finding_count(checkpoint), 0);
    checkpoint_unref(checkpoint);
}

static void test_a_graph_that_cannot_be_read(void **state)
{
    Text graph = graph_text();
    Checkpoint *checkpoint = open_graph(state, &graph, graph.length + 1);
    assert_int_equal(checkpoint_finding_count(checkpoint), 1);
    assert_string_equal(checkpoint_finding(checkpoint, 0)->kind, "names");
    tensor_in(checkpoint, "named", "m/k");
    checkpoint_unref(checkpoint);
    graph = (Text){0};
    text_addn(&graph, "\x0A\x7F", 2);
    checkpoint = open_graph(state, &graph, 2);
    assert_non_null(strstr(checkpoint_finding(checkpoint, 0)->what, "claims 127 bytes"));
    checkpoint_unref(checkpoint);
}

/* Two variables that are both "kernel" to Keras 3. */
static void test_full_names_that_stand_twice(void **state)
{
    Text graph = {0};
    Text one = variable_node("kernel", "m/k/.ATTRIBUTES/VARIABLE_VALUE");
    put_message(&graph, 1, &one);
    one = variable_node("kernel", "m/n/.ATTRIBUTES/VARIABLE_VALUE");
    put_message(&graph, 1, &one);
    Checkpoint *checkpoint = open_graph(state, &graph, graph.length);
    tensor_in(checkpoint, "named", "kernel");
    tensor_in(checkpoint, "named", "m/n");
    checkpoint_unref(checkpoint);
}

/* -- CRCs ------------------------------------------------------------------------------ */

static void test_crcs_are_checked_on_demand(void **state)
{
    static const int64_t two[] = {2};
    Text values = shard(24);
    uint32_t crc = crc32c_add(0, values.bytes, 8);
    text_done(&values);
    TableMaker maker = start(1);
    const char *const keys[] = {"good", "wrong"};
    for (size_t i = 0; i < 2; i++) {
        Text entry = bundle_entry(FLOAT, two, 1, 0, 8);
        put_tag(&entry, 6, 5);
        put_u32(&entry, mask_crc(crc) + (uint32_t)i);
        add(&maker, keys[i], entry);
    }
    Checkpoint *checkpoint = must_open(write_bundle(state, &maker));
    Error err = {0};
    assert_int_equal(checkpoint_finding_count(checkpoint), 0);
    for (int times = 0; times < 2; times++) {
        assert_true(checkpoint_run_checks(checkpoint, NULL, &err));
        assert_int_equal(checkpoint_finding_count(checkpoint), 1);
    }
    const Finding *finding = checkpoint_finding(checkpoint, 0);
    assert_string_equal(finding->kind, "crc");
    assert_string_equal(finding->tensor, "wrong");
    assert_int_equal(finding->level, FINDING_ERROR);
    checkpoint_unref(checkpoint);
}

/* -- Variables in pieces --------------------------------------------------------------- */

/* start and length of every axis; length -1: all of it. */
static Text slice_proto(const int64_t (*extents)[2], size_t rank)
{
    Text slice = {0};
    for (size_t i = 0; i < rank; i++) {
        Text extent = {0};
        if (extents[i][1] >= 0) {
            if (extents[i][0]) put_number(&extent, 1, (uint64_t)extents[i][0]);
            put_number(&extent, 2, (uint64_t)extents[i][1]);
        }
        put_message(&slice, 1, &extent);
    }
    return slice;
}

/* A key as TensorFlow encodes it, of numbers from -64 to 8191: written from its own comments, apart
 * from the code under test. */
static Text slice_key(const char *name, const int64_t (*extents)[2], size_t rank)
{
    Text key = {0};
    text_addc(&key, 0);
    text_add(&key, name);
    text_addn(&key, "\0\1\1", 3);
    text_addc(&key, (char)rank);
    for (size_t i = 0; i < rank; i++)
        for (int j = 0; j < 2; j++) {
            int64_t value = extents[i][j];
            if (value >= 64) {
                text_addc(&key, (char)(0xC0 | value >> 8));
                text_addc(&key, (char)(value & 0xFF));
            } else {
                text_addc(&key, (char)(0x80 ^ (value & 0xFF)));
            }
        }
    return key;
}

/* Adds two pieces of "p" at bytes `first` and `second`; both have `size` bytes. */
static void add_pieces(TableMaker *maker, const int64_t (*a)[2], const int64_t (*b)[2], size_t rank,
                       const int64_t *a_sizes, const int64_t *b_sizes, uint64_t a_bytes,
                       uint64_t b_bytes)
{
    Text keys[] = {slice_key("p", a, rank), slice_key("p", b, rank)};
    Text values[] = {bundle_entry(FLOAT, a_sizes, rank, 0, a_bytes),
                     bundle_entry(FLOAT, b_sizes, rank, a_bytes, b_bytes)};
    for (int i = 0; i < 2; i++) {
        table_add(maker, keys[i].bytes, keys[i].length, &values[i]);
        text_done(&keys[i]);
    }
}

static Text whole_entry(const int64_t *sizes, size_t rank, const int64_t (*a)[2],
                        const int64_t (*b)[2])
{
    Text entry = bundle_entry(FLOAT, sizes, rank, 0, 0), slice = slice_proto(a, rank);
    put_message(&entry, 7, &slice);
    slice = slice_proto(b, rank);
    put_message(&entry, 7, &slice);
    return entry;
}

static void test_pieces_by_rows_are_put_together(void **state)
{
    static const int64_t whole[] = {4, 3}, a[][2] = {{0, 1}, {0, -1}}, b[][2] = {{1, 3}, {0, -1}},
                         a_sizes[] = {1, 3}, b_sizes[] = {3, 3};
    float want[12];
    for (int i = 0; i < 12; i++) want[i] = (float)i;
    TableMaker maker = start(1);
    add_pieces(&maker, a, b, 2, a_sizes, b_sizes, 12, 36);
    add(&maker, "p", whole_entry(whole, 2, a, b));
    Checkpoint *checkpoint = must_open(write_bundle(state, &maker));
    assert_int_equal(dict_count(checkpoint_find_container(checkpoint, "")->dict), 1);
    assert_tensor(tensor_in(checkpoint, "", "p"), DT_F32, "4×3", want, sizeof want);
    assert_int_equal(checkpoint_finding_count(checkpoint), 0);
    checkpoint_unref(checkpoint);
}

static void test_pieces_by_columns_are_put_together(void **state)
{
    static const int64_t whole[] = {2, 2, 3}, a[][2] = {{0, -1}, {0, -1}, {0, 1}},
                         b[][2] = {{0, -1}, {0, -1}, {1, 2}}, a_sizes[] = {2, 2, 1},
                         b_sizes[] = {2, 2, 2};
    const float want[] = {0, 4, 5, 1, 6, 7, 2, 8, 9, 3, 10, 11};
    TableMaker maker = start(1);
    add_pieces(&maker, a, b, 3, a_sizes, b_sizes, 16, 32);
    add(&maker, "p", whole_entry(whole, 3, a, b));
    Checkpoint *checkpoint = must_open(write_bundle(state, &maker));
    assert_tensor(tensor_in(checkpoint, "", "p"), DT_F32, "2×2×3", want, sizeof want);
    checkpoint_unref(checkpoint);
}

/* Numbers beyond 63 take two bytes in a key. */
static void test_pieces_far_away(void **state)
{
    static const int64_t whole[] = {1003}, a[][2] = {{0, 1000}}, b[][2] = {{1000, 3}},
                         a_sizes[] = {1000}, b_sizes[] = {3};
    TableMaker maker = start(1);
    add_pieces(&maker, a, b, 1, a_sizes, b_sizes, 4000, 12);
    add(&maker, "p", whole_entry(whole, 1, a, b));
    Text values = shard(1003), file = table_end(&maker);
    write_file(state, "x.data-00000-of-00001", &values);
    Checkpoint *checkpoint = must_open(write_file(state, "x.index", &file));
    float last;
    const int64_t from[] = {1002}, one[] = {1};
    assert_true(tensor_read(tensor_in(checkpoint, "", "p"), from, one, &last, NULL));
    assert_true(last == 1002);
    checkpoint_unref(checkpoint);
}

/* Shown with a note, and a finding. */
static void expect_apart(void **state, TableMaker *maker, const char *words)
{
    Checkpoint *checkpoint = must_open(write_bundle(state, maker));
    const Tensor *tensor = tensor_in(checkpoint, "", "p");
    assert_true(tensor->encoding->opaque);
    if (!strstr(tensor->encoding->note, words)) fail_msg("%s", tensor->encoding->note);
    assert_true(checkpoint_finding_count(checkpoint) > 0);
    assert_string_equal(checkpoint_finding(checkpoint, 0)->kind, "slices");
    checkpoint_unref(checkpoint);
}

static void test_pieces_that_do_not_fit(void **state)
{
    static const int64_t whole[] = {4}, a[][2] = {{0, 2}}, b[][2] = {{2, 2}}, over[][2] = {{1, 2}},
                         out[][2] = {{3, 2}}, two[] = {2}, three[] = {3};
    TableMaker maker = start(1);
    add(&maker, "p", whole_entry(whole, 1, a, b));
    expect_apart(state, &maker, "in 2 pieces, of which one is not in the index");
    maker = start(1);
    add_pieces(&maker, a, over, 1, two, two, 8, 8);
    add(&maker, "p", whole_entry(whole, 1, a, over));
    expect_apart(state, &maker, "which overlap or leave a hole");
    maker = start(1);
    add_pieces(&maker, a, out, 1, two, two, 8, 8);
    add(&maker, "p", whole_entry(whole, 1, a, out));
    expect_apart(state, &maker, "of which one does not fit the whole");
    maker = start(1);
    add_pieces(&maker, a, b, 1, two, three, 8, 12);
    add(&maker, "p", whole_entry(whole, 1, a, b));
    expect_apart(state, &maker, "of which one does not fit the whole");
    static const int64_t big[] = {2000}, x[][2] = {{0, 1000}}, y[][2] = {{1000, 1000}},
                         half[] = {1000};
    maker = start(1);
    add_pieces(&maker, x, y, 1, half, half, 4000, 4000);
    add(&maker, "p", whole_entry(big, 1, x, y));
    refuse_bundle(state, &maker, ERR_FORMAT,
                  "tensor 'p': needs 4000 bytes at 0 of x.data-00000-of-00001, which has 96");
}

static void test_pieces_of_nothing(void **state)
{
    static const int64_t a[][2] = {{0, 2}}, b[][2] = {{2, 2}}, two[] = {2};
    TableMaker maker = start(1);
    add_pieces(&maker, a, b, 1, two, two, 8, 8);
    add(&maker, "w", bundle_entry(FLOAT, two, 1, 0, 8));
    Checkpoint *checkpoint = must_open(write_bundle(state, &maker));
    assert_int_equal(dict_count(checkpoint_find_container(checkpoint, "")->dict), 1);
    assert_non_null(strstr(checkpoint_finding(checkpoint, 0)->what,
                           "2 piece(s) in the index belong to no variable"));
    checkpoint_unref(checkpoint);
}

/* -- Folders --------------------------------------------------------------------------- */

static void make_below(void **state, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (char *)*state, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

/* A bundle of one scalar of value `value` under PREFIX below the scratch folder. */
static void write_scalar(void **state, const char *prefix, float value)
{
    char name[128];
    TableMaker maker = start(1);
    add(&maker, "w", bundle_entry(FLOAT, NULL, 0, 0, 4));
    Text file = table_end(&maker), values = {0};
    text_addn(&values, &value, 4);
    snprintf(name, sizeof name, "%s.data-00000-of-00001", prefix);
    write_file(state, name, &values);
    snprintf(name, sizeof name, "%s.index", prefix);
    write_file(state, name, &file);
}

static void expect_scalar(void **state, const char *folder, float value)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (char *)*state, folder);
    Checkpoint *checkpoint = must_open(path);
    assert_string_equal(checkpoint_path(checkpoint), path);
    assert_tensor(tensor_in(checkpoint, "", "w"), DT_F32, "scalar", &value, 4);
    checkpoint_unref(checkpoint);
}

static void test_a_saved_model(void **state)
{
    make_below(state, "model");
    make_below(state, "model/variables");
    write_scalar(state, "model/variables/variables", 5);
    expect_scalar(state, "model", 5);
    expect_scalar(state, "model/variables", 5);
    Text graph = {0};
    text_addn(&graph, "\x08\x01\x12\x02\x0A\0", 6);
    write_file(state, "model/saved_model.pb", &graph);
    expect_scalar(state, "model", 5);
    make_below(state, "empty");
    text_add(&graph, "x");
    write_file(state, "empty/saved_model.pb", &graph);
    char path[512];
    snprintf(path, sizeof path, "%s/empty", (char *)*state);
    refuse_path(path, ERR_NOT_FOUND, "a TensorFlow SavedModel, which has no variables/variables.index");
}

/* The state file holds the path of another machine; only its last part is used. */
static void test_a_folder_of_checkpoints(void **state)
{
    make_below(state, "run");
    write_scalar(state, "run/model.ckpt-9", 9);
    write_scalar(state, "run/model.ckpt-10", 10);
    Text text = {0};
    text_add(&text, "model_checkpoint_path: \"/elsewhere/../model.ckpt-10\"\n"
                    "all_model_checkpoint_paths: \"/elsewhere/model.ckpt-9\"\n");
    write_file(state, "run/checkpoint", &text);
    expect_scalar(state, "run", 10);
    text_add(&text, "model_checkpoint_path: \"gone\"\n");
    write_file(state, "run/checkpoint", &text);
    char path[512];
    snprintf(path, sizeof path, "%s/run", (char *)*state);
    refuse_path(path, ERR_NOT_FOUND, "2 TensorFlow checkpoints in it may be meant");
}

/* -- Malformed tables ------------------------------------------------------------------ */

static void test_a_table_of_something_else(void **state)
{
    TableMaker maker = {0};
    Text value = {0};
    text_add(&value, "value");
    table_add(&maker, "key", 3, &value);
    refuse_bundle(state, &maker, ERR_UNSUPPORTED, "without the header of a TensorFlow checkpoint");
    Text file = table_end(&maker);
    refuse_path(write_file(state, "x.index", &file), ERR_FORMAT, "an empty table");
}

static void test_version_1_is_refused_by_name(void **state)
{
    TableMaker maker = {0};
    Text header = {0};
    put_text(&header, 1, "\x0A\x03\x0A\x01w");
    table_add(&maker, "", 0, &header);
    refuse_bundle(state, &maker, ERR_UNSUPPORTED, "a checkpoint of TensorFlow's version 1");
}

static void test_keys_out_of_order(void **state)
{
    static const int64_t one[] = {1};
    for (int cut = 0; cut < 2; cut++)
        for (int same = 0; same < 2; same++) {
            TableMaker maker = start(1);
            add(&maker, "b", bundle_entry(FLOAT, one, 1, 0, 4));
            if (cut) table_cut(&maker);
            add(&maker, same ? "b" : "a", bundle_entry(FLOAT, one, 1, 0, 4));
            refuse_bundle(state, &maker, ERR_FORMAT, "a key stands twice, or out of order");
        }
}

/* Every byte in front of the footer has a CRC over it; only the metaindex (8 bytes of block, 5 behind
 * it) is nobody's. */
static void test_every_byte_that_changes(void **state)
{
    (void)state;
    static const int64_t one[] = {1};
    TableMaker maker = start(0);
    add(&maker, "key", bundle_entry(FLOAT, one, 1, 0, 4));
    Text file = table_end(&maker);
    size_t unseen = 0;
    for (size_t at = 0; at < file.length; at++) {
        Text changed = {0};
        Error err;
        text_addn(&changed, file.bytes, file.length);
        changed.bytes[at] ^= 0x10;
        assert_null(open_text(&changed, "x.index", &err));
        assert_true(has_prefix(err.text, "x.index: "));
        /* where nothing was noticed, the shard is what is missing */
        unseen += at + 48 < file.length && strstr(err.text, "shard 0");
        if (at + 48 < file.length && !strstr(err.text, "CRC") && !strstr(err.text, "shard 0"))
            fail_msg("%s", err.text);
    }
    assert_int_equal(unseen, 8 + 5);
    text_done(&file);
}

static void test_truncation_at_every_byte(void **state)
{
    (void)state;
    static const int64_t one[] = {1};
    TableMaker maker = start(1);
    add(&maker, "key", bundle_entry(FLOAT, one, 1, 0, 4));
    Text file = table_end(&maker);
    /* without its footer it is nothing that is known; with it, blocks are not where they should be */
    static const char *const no_table[] = {"x.index: no format that tenon knows",
                                           "are all zero: a download or copy that never",
                                           "x.index: line 1 is no UTF-8 text",
                                           "does not lie in the file", "CRC", NULL};
    for (size_t n = 1; n < file.length; n++) {
        Text cut = {0}, front = {0};
        Error err;
        text_addn(&cut, file.bytes, n);
        assert_null(open_text(&cut, "x.index", &err));
        assert_error_has_one(&err, no_table);
        text_addn(&front, file.bytes + n, file.length - n);
        assert_null(open_text(&front, "x.index", &err));
        assert_error_has_one(&err, no_table);
    }
    text_done(&file);
}

/* A table whose only block is `bytes`, with a right CRC; the block is emptied. */
static Text raw_table(Text *block, unsigned compression)
{
    TableMaker maker = {0};
    Text handle = {0}, none = {0};
    size_t size = block->length;
    text_addc(block, (char)compression);
    uint32_t crc = crc32c_add(0, block->bytes, block->length);
    text_addn(&maker.file, block->bytes, block->length);
    put_u32(&maker.file, mask_crc(crc));
    text_done(block);
    put_varint(&handle, 0);
    put_varint(&handle, size);
    put_entry(&maker.index, &none, "k", 1, &handle);
    text_done(&handle);
    text_done(&none);
    return table_end(&maker);
}

static void refuse_block(const char *bytes, size_t n, unsigned compression, const char *words)
{
    Text block = {0};
    text_addn(&block, bytes, n);
    Text file = raw_table(&block, compression);
    refuse_with(&format_tensorflow, &file, "x.index", ERR_FORMAT, words);
}

static void test_blocks_that_are_wrong(void **state)
{
    (void)state;
    refuse_block("", 0, 0, "a block has no restarts");
    refuse_block("\xFF\xFF\xFF\xFF", 4, 0, "the restarts of a block are more than it has bytes");
    refuse_block("\5\0\0\0", 4, 0, "the restarts of a block are more than it has bytes");
    refuse_block("\0\0\0\0", 4, 2, "compressed in a way that is not known");
    refuse_block("\x80\0\0\0\0", 5, 0, "an entry is cut off");
    refuse_block("\1\0\0\0\0\0\0", 7, 0, "a key shares more than the one before it has");
    refuse_block("\0\5\0k\0\0\0\0", 8, 0, "an entry is longer than its block");
    refuse_block("\0\1\5k\0\0\0\0", 8, 0, "an entry is longer than its block");
    refuse_block("\x09\x08" "ab", 4, 1, "no valid Snappy");
    refuse_block("\xFF\xFF\xFF\xFF\x0F", 5, 1, "claims a size that Snappy cannot have made");
}

static void test_blocks_outside_of_the_file(void **state)
{
    (void)state;
    static const struct {
        uint64_t offset, size;
    } cases[] = {{1 << 20, 8}, {0, 1 << 20}, {UINT64_MAX, 8}, {8, UINT64_MAX}};
    for (size_t i = 0; i < countof(cases); i++) {
        TableMaker maker = {0};
        Text handle = {0}, none = {0};
        put_varint(&handle, cases[i].offset);
        put_varint(&handle, cases[i].size);
        put_entry(&maker.index, &none, "k", 1, &handle);
        text_done(&handle);
        text_done(&none);
        Text file = table_end(&maker);
        refuse_with(&format_tensorflow, &file, "x.index", ERR_FORMAT, "does not lie in the file");
    }
}

static void test_handles_that_are_none(void **state)
{
    (void)state;
    TableMaker maker = {0};
    Text handle = {0}, none = {0};
    text_addn(&handle, "\x80", 1);
    put_entry(&maker.index, &none, "k", 1, &handle);
    text_done(&handle);
    text_done(&none);
    Text file = table_end(&maker);
    refuse_with(&format_tensorflow, &file, "x.index", ERR_FORMAT,
                "an entry of the index is no place of a block");
    text_addn(&file, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                     "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                     "\xFF\xFF\x57\xFB\x80\x8B\x24\x75\x47\xDB", 48);
    refuse_with(&format_tensorflow, &file, "x.index", ERR_FORMAT,
                "its footer has no place of an index");
}

/* -- Malformed entries ----------------------------------------------------------------- */

static void test_sizes_that_do_not_fit(void **state)
{
    static const int64_t two[] = {2}, far[] = {25}, negative[] = {-1},
                         huge[] = {INT64_MAX, INT64_MAX};
    refuse_entry(state, bundle_entry(FLOAT, two, 1, 0, 4), ERR_FORMAT,
                 "tensor 'w': its shape needs 8 bytes, its entry has 4");
    refuse_entry(state, bundle_entry(FLOAT, far, 1, 0, 100), ERR_FORMAT,
                 "needs 100 bytes at 0 of x.data-00000-of-00001, which has 96: cut short");
    refuse_entry(state, bundle_entry(FLOAT, two, 1, UINT64_MAX, 8), ERR_FORMAT, "cut short");
    refuse_entry(state, bundle_entry(FLOAT, negative, 1, 0, 4), ERR_FORMAT, "negative size");
    refuse_entry(state, bundle_entry(FLOAT, huge, 2, 0, 4), ERR_FORMAT, "63 bits can count");
    refuse_entry(state, bundle_entry(INT4, huge, 1, 0, 4), ERR_FORMAT, "63 bits can count");
    refuse_entry(state, bundle_entry(INT4, far, 1, 0, 4), ERR_FORMAT, "its entry has 4");
    int64_t many[33];
    for (int i = 0; i < 33; i++) many[i] = 1;
    refuse_entry(state, bundle_entry(FLOAT, many, 33, 0, 4), ERR_LIMIT, "32 dimensions");
}

static void test_shards_that_are_not_there(void **state)
{
    static const int64_t one[] = {1};
    Text entry = bundle_entry(FLOAT, one, 1, 0, 4);
    put_number(&entry, 3, 7);
    refuse_entry(state, entry, ERR_FORMAT, "lies in shard 7, the index has 1");
    TableMaker maker = start(2);
    entry = bundle_entry(FLOAT, one, 1, 0, 4);
    put_number(&entry, 3, 1);
    add(&maker, "w", entry);
    refuse_bundle(state, &maker, ERR_NOT_FOUND,
                  "its values lie in x.data-00001-of-00002, which is not beside the index; fetch");
    maker = start(2000000000);
    refuse_bundle(state, &maker, ERR_LIMIT, "--limit shards=N allows more");
}

static void test_entries_that_are_no_messages(void **state)
{
    Text entry = {0};
    text_addn(&entry, "\x12\x7F", 2);
    refuse_entry(state, entry, ERR_FORMAT, "field 2 claims 127 bytes");
    entry = (Text){0};
    text_addn(&entry, "\x12\x02\x12\x09", 4);
    refuse_entry(state, entry, ERR_FORMAT, "field 2 claims 9 bytes");
}

/* A key of 60 kB that ten thousand entries share costs three bytes each in the file. */
static void test_keys_are_paid_for(void **state)
{
    static const int64_t one[] = {1};
    TableMaker maker = start(1);
    Text key = {0};
    for (int i = 0; i < 60000; i++) text_addc(&key, 'k');
    for (int i = 0; i < 2000; i++) {
        char end[16];
        snprintf(end, sizeof end, "%05d", i);
        Text name = {0}, entry = bundle_entry(FLOAT, one, 1, 0, 4);
        text_addn(&name, key.bytes, key.length);
        text_add(&name, end);
        table_add(&maker, name.bytes, name.length, &entry);
        text_done(&name);
    }
    text_done(&key);
    refuse_bundle(state, &maker, ERR_LIMIT, "the bytes of its keys");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c),
        cmocka_unit_test(test_snappy),
        IN_FOLDER(test_entries_and_their_values),
        IN_FOLDER(test_big_endian_values),
        IN_FOLDER(test_layouts_by_name_and_rank),
        IN_FOLDER(test_moving_averages_are_a_place_of_their_own),
        IN_FOLDER(test_escapes_in_paths),
        IN_FOLDER(test_names_from_the_object_graph),
        IN_FOLDER(test_a_graph_that_cannot_be_read),
        IN_FOLDER(test_full_names_that_stand_twice),
        IN_FOLDER(test_crcs_are_checked_on_demand),
        IN_FOLDER(test_pieces_by_rows_are_put_together),
        IN_FOLDER(test_pieces_by_columns_are_put_together),
        IN_FOLDER(test_pieces_far_away),
        IN_FOLDER(test_pieces_that_do_not_fit),
        IN_FOLDER(test_pieces_of_nothing),
        IN_FOLDER(test_a_saved_model),
        IN_FOLDER(test_a_folder_of_checkpoints),
        IN_FOLDER(test_a_table_of_something_else),
        IN_FOLDER(test_version_1_is_refused_by_name),
        IN_FOLDER(test_keys_out_of_order),
        cmocka_unit_test(test_every_byte_that_changes),
        cmocka_unit_test(test_truncation_at_every_byte),
        cmocka_unit_test(test_blocks_that_are_wrong),
        cmocka_unit_test(test_blocks_outside_of_the_file),
        cmocka_unit_test(test_handles_that_are_none),
        IN_FOLDER(test_sizes_that_do_not_fit),
        IN_FOLDER(test_shards_that_are_not_there),
        IN_FOLDER(test_entries_that_are_no_messages),
        IN_FOLDER(test_keys_are_paid_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
