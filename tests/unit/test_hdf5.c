/* HDF5: the parent's reading of what a child writes, one case for each way in which it could lie;
 * and files that the library opens in its own process, good ones and damaged ones. */
#include "tests/unit/open_as.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loader/format/hdf5.h"
#include "loader/format/hdf5_child.h"
#include "loader/format/keras.h"

enum { FILE_BYTES = 1000 };

/* -- Building an answer ---------------------------------------------------------------- */

static void add_little(Text *answer, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++) text_addc(answer, (char)(value >> 8 * i & 0xFF));
}

static void add_record(Text *answer, char kind, const Text *payload)
{
    text_addc(answer, kind);
    add_little(answer, payload ? payload->length : 0, 4);
    if (payload) text_addn(answer, payload->bytes, payload->length);
}

static void add_object(Text *answer, int kind, const char *path)
{
    Text payload = {0};
    text_addc(&payload, (char)kind);
    text_add(&payload, path);
    add_record(answer, 'O', &payload);
    text_done(&payload);
}

static void add_attribute(Text *answer, const char *name, unsigned count, const char *const *values)
{
    Text payload = {0};
    add_little(&payload, strlen(name), 2);
    text_add(&payload, name);
    add_little(&payload, count, 4);
    for (unsigned i = 0; i < count; i++) {
        add_little(&payload, strlen(values[i]), 4);
        text_add(&payload, values[i]);
    }
    add_record(answer, 'A', &payload);
    text_done(&payload);
}

/* A dataset of f32 with one dimension. */
static void add_details(Text *answer, char place, uint64_t offset, int64_t dim, const char *dtype)
{
    Text payload = {0};
    add_little(&payload, 0, 1);
    text_addc(&payload, place);
    add_little(&payload, offset, 8);
    add_little(&payload, 0, 8);
    add_little(&payload, 1, 1);
    add_little(&payload, (uint64_t)dim, 8);
    add_little(&payload, strlen(dtype), 1);
    text_add(&payload, dtype);
    text_add(&payload, place == 'X' ? "closed" : "");
    add_record(answer, 'D', &payload);
    text_done(&payload);
}

static void add_dataset(Text *answer, const char *path, uint64_t offset, int64_t dim)
{
    add_object(answer, 1, path);
    add_details(answer, 'W', offset, dim, "f32");
}

/* What an answer makes of a file of FILE_BYTES zeros; frees the answer. */
static Checkpoint *open_answer(Text *answer, Error *err)
{
    char zeros[FILE_BYTES] = {0};
    Hdf5 hdf5;
    Checkpoint *checkpoint = NULL;
    OpenContext context = {.path = "x.h5"};
    ByteSource *file = source_from_memory(zeros, sizeof zeros, "x.h5");
    if (hdf5_parse(&hdf5, file, answer->bytes, answer->length, err))
        checkpoint = keras_from_hdf5(&context, &hdf5, NULL, NULL, 0, err);
    hdf5_done(&hdf5);
    source_unref(file);
    text_done(answer);
    return checkpoint;
}

static void refuse(Text *answer, ErrorCode code, const char *words)
{
    Error err = {0};
    Checkpoint *checkpoint = open_answer(answer, &err);
    if (checkpoint) fail_msg("it was believed; \"%s\" was expected", words);
    assert_error_has(err, words);
    assert_int_equal(err.code, code);
    assert_true(has_prefix(err.text, "x.h5: "));
}

static void contradicts(Text *answer)
{
    refuse(answer, ERR_FORMAT, "contradicts itself");
}

static Checkpoint *believe(Text *answer)
{
    Error err = {0};
    Checkpoint *checkpoint = open_answer(answer, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

static const StateDict *weights(const Checkpoint *checkpoint)
{
    const Container *container = checkpoint_find_container(checkpoint, "");
    assert_non_null(container);
    return container->dict;
}

/* -- Answers that are believed --------------------------------------------------------- */

static void test_datasets_of_anybody(void **state)
{
    (void)state;
    Text answer = {0};
    add_object(&answer, 0, "");
    add_dataset(&answer, "layer10", 996, 1);
    add_dataset(&answer, "layer2", 0, 3);
    add_object(&answer, 1, "words");
    add_details(&answer, 'W', 0, 2, "string");
    add_object(&answer, 1, "far");
    add_details(&answer, 'X', 0, 2, "f32");
    add_object(&answer, 2, "gone");
    add_record(&answer, 'Z', NULL);
    Checkpoint *checkpoint = believe(&answer);
    assert_string_equal(checkpoint_format(checkpoint), "hdf5");
    assert_string_equal(dict_at(weights(checkpoint), 0)->name, "far");
    assert_string_equal(dict_at(weights(checkpoint), 0)->encoding->note, "closed");
    assert_string_equal(dict_at(weights(checkpoint), 1)->name, "layer2");
    assert_string_equal(dict_at(weights(checkpoint), 2)->name, "layer10");
    assert_int_equal(dict_at(weights(checkpoint), 2)->storage->offset, 996);
    assert_int_equal(dict_count(weights(checkpoint)), 3);
    expect_finding(checkpoint, "damaged", "cannot open 1 of the objects in it: 'gone'");
    expect_finding(checkpoint, "object", "1 dataset without numbers left out: 'words' holds text");
    checkpoint_unref(checkpoint);
}

static void add_legacy(Text *answer, const char *names, unsigned count, const char *const *weights_)
{
    const char *layers[] = {"conv"};
    add_object(answer, 0, "");
    add_attribute(answer, names, 1, layers);
    add_object(answer, 0, "conv");
    add_attribute(answer, "weight_names", count, weights_);
}

static void test_layers_and_weights_that_are_missing(void **state)
{
    (void)state;
    Text answer = {0};
    const char *layers[] = {"conv", "dense"}, *names[] = {"kernel:0", "bias:0"};
    add_object(&answer, 0, "");
    add_attribute(&answer, "layer_names", 2, layers);
    add_object(&answer, 0, "conv");
    add_attribute(&answer, "weight_names", 2, names);
    add_dataset(&answer, "conv/kernel:0", 0, 2);
    add_dataset(&answer, "conv/other", 8, 2);
    add_record(&answer, 'Z', NULL);
    Checkpoint *checkpoint = believe(&answer);
    assert_string_equal(checkpoint_format(checkpoint), "keras-h5");
    assert_int_equal(dict_count(weights(checkpoint)), 1);
    expect_finding(checkpoint, "missing", "the weight 'conv/bias:0' is named");
    expect_finding(checkpoint, "missing", "the layer 'dense' is named");
    expect_finding(checkpoint, "unreferenced", "1 dataset of no layer left out");
    checkpoint_unref(checkpoint);
}

static void test_weight_that_is_named_twice(void **state)
{
    (void)state;
    Text answer = {0};
    const char *names[] = {"kernel:0", "kernel:0"};
    add_legacy(&answer, "layer_names0", 2, names);
    add_dataset(&answer, "conv/kernel:0", 0, 2);
    add_record(&answer, 'Z', NULL);
    Checkpoint *checkpoint = believe(&answer);
    expect_finding(checkpoint, "duplicate", "two weights are called 'conv/kernel:0'");
    assert_int_equal(dict_count(weights(checkpoint)), 1);
    checkpoint_unref(checkpoint);
}

static void test_weights_that_are_all_missing(void **state)
{
    (void)state;
    Text answer = {0};
    const char *names[] = {"../../etc"};
    add_legacy(&answer, "layer_names", 1, names);
    add_record(&answer, 'Z', NULL);
    refuse(&answer, ERR_NOT_FOUND, "there are no weights in it");
}

static void test_objects_that_could_not_be_read(void **state)
{
    (void)state;
    Text answer = {0};
    add_object(&answer, 0, "");
    add_record(&answer, 'F', NULL);
    add_record(&answer, 'Z', NULL);
    refuse(&answer, ERR_FORMAT, "libhdf5 cannot open 1 of the 1 objects in it, and no weights");
    add_object(&answer, 0, "");
    add_record(&answer, 'F', NULL);
    add_dataset(&answer, "w", 0, 1);
    add_record(&answer, 'Z', NULL);
    Checkpoint *checkpoint = believe(&answer);
    expect_finding(checkpoint, "damaged", "cannot open 1 of the objects in it: ''");
    checkpoint_unref(checkpoint);
}

static void test_what_follows_the_end_is_ignored(void **state)
{
    (void)state;
    Text answer = {0};
    add_dataset(&answer, "w", 0, 1);
    add_record(&answer, 'Z', NULL);
    text_add(&answer, "garbage");
    checkpoint_unref(believe(&answer));
}

/* -- Answers that are not -------------------------------------------------------------- */

static void test_attribute_that_is_too_long(void **state)
{
    (void)state;
    Text answer = {0}, name = {0};
    add_object(&answer, 0, "");
    text_add(&name, "model\033config");
    add_record(&answer, 'L', &name);
    refuse(&answer, ERR_LIMIT, "the bytes of attribute 'model\\x1bconfig' are more than the limit of "
                               "268435456 (--limit index-bytes=N");
    text_done(&name);
}

static void test_answer_cut_anywhere(void **state)
{
    (void)state;
    Text whole = {0};
    const char *names[] = {"kernel:0"};
    add_legacy(&whole, "layer_names", 1, names);
    add_dataset(&whole, "conv/kernel:0", 0, 2);
    add_record(&whole, 'Z', NULL);
    for (size_t n = 0; n < whole.length; n++) {
        Text answer = {0};
        text_addn(&answer, whole.bytes, n);
        refuse(&answer, ERR_FORMAT, "HDF5: libhdf5 stopped in the middle of it");
    }
    text_done(&whole);
}

static void test_values_outside_of_the_file(void **state)
{
    (void)state;
    static const struct { uint64_t offset; int64_t dim; } cases[] = {
        {997, 1}, {0, 251}, {UINT64_MAX, 1}, {UINT64_MAX - 3, 1}, {0, INT64_MAX / 4}};
    for (size_t i = 0; i < countof(cases); i++) {
        Text answer = {0};
        add_dataset(&answer, "w", cases[i].offset, cases[i].dim);
        add_record(&answer, 'Z', NULL);
        refuse(&answer, ERR_FORMAT, "what libhdf5 says of it contradicts itself");
    }
}

static void test_sizes_that_are_negative_or_too_large(void **state)
{
    (void)state;
    static const int64_t dims[] = {-1, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < countof(dims); i++) {
        Text answer = {0};
        add_object(&answer, 1, "w");
        add_details(&answer, 'R', 0, dims[i], "f32");
        add_record(&answer, 'Z', NULL);
        contradicts(&answer);
    }
}

static void test_too_many_dimensions(void **state)
{
    (void)state;
    Text answer = {0}, payload = {0};
    add_object(&answer, 1, "w");
    for (int i = 0; i < 18; i++) text_addc(&payload, i == 1 ? 'W' : (char)0);
    text_addc(&payload, 33);
    for (int i = 0; i < 33 * 8 + 1; i++) text_addc(&payload, (char)0);
    add_record(&answer, 'D', &payload);
    text_done(&payload);
    contradicts(&answer);
}

static void test_object_twice(void **state)
{
    (void)state;
    Text answer = {0};
    add_object(&answer, 0, "a");
    add_object(&answer, 1, "a");
    refuse(&answer, ERR_FORMAT, "contradicts itself (byte 7 of its answer, object 1)");
}

static void test_details_of_nothing(void **state)
{
    (void)state;
    Text answer = {0};
    add_details(&answer, 'W', 0, 1, "f32");
    contradicts(&answer);
    add_object(&answer, 0, "group");
    add_details(&answer, 'W', 0, 1, "f32");
    contradicts(&answer);
    add_object(&answer, 1, "twice");
    add_details(&answer, 'W', 0, 1, "f32");
    add_details(&answer, 'W', 0, 1, "f32");
    contradicts(&answer);
    add_attribute(&answer, "of nothing", 0, NULL);
    contradicts(&answer);
}

static void test_attribute_that_claims_more(void **state)
{
    (void)state;
    Text answer = {0}, payload = {0};
    add_object(&answer, 0, "");
    add_little(&payload, 1, 2);
    text_addc(&payload, 'a');
    add_little(&payload, 0xFFFFFFFF, 4);
    add_little(&payload, 0, 8);
    add_record(&answer, 'A', &payload);
    contradicts(&answer);
    payload.length = 3;
    add_little(&payload, 1, 4);
    add_little(&payload, 100, 4);
    text_add(&payload, "short");
    add_object(&answer, 0, "");
    add_record(&answer, 'A', &payload);
    text_done(&payload);
    contradicts(&answer);
}

/* One numeric attribute: what it says, and what follows. */
static void add_numbers(Text *answer, char type, unsigned list, uint64_t count, unsigned given,
                        uint64_t bits)
{
    Text payload = {0};
    add_object(answer, 0, "");
    add_little(&payload, 1, 2);
    text_addc(&payload, 'n');
    text_addc(&payload, type);
    add_little(&payload, list, 1);
    add_little(&payload, count, 8);
    for (unsigned i = 0; i < given; i++) add_little(&payload, bits, 8);
    add_record(answer, 'N', &payload);
    text_done(&payload);
}

static void test_numbers_that_contradict_themselves(void **state)
{
    (void)state;
    Text answer = {0};
    add_numbers(&answer, 'i', 0, 2, 2, 0);       /* two, and no list */
    contradicts(&answer);
    add_numbers(&answer, 'i', 0, 0, 0, 0);       /* none, and no list */
    contradicts(&answer);
    add_numbers(&answer, 'x', 1, 1, 1, 0);       /* of no type */
    contradicts(&answer);
    add_numbers(&answer, 'u', 1, 3, 2, 0);       /* fewer than it says */
    contradicts(&answer);
    add_numbers(&answer, 'd', 1, 2, 3, 0);       /* more */
    contradicts(&answer);
    add_numbers(&answer, 'd', 1, UINT64_MAX, 65, 0);     /* more than are sent */
    contradicts(&answer);
    Text payload = {0};
    add_little(&payload, 1, 2);
    text_add(&payload, "ni");
    add_record(&answer, 'N', &payload);          /* of nothing */
    contradicts(&answer);
    add_object(&answer, 0, "");
    add_record(&answer, 'N', &payload);          /* cut short */
    contradicts(&answer);
    text_done(&payload);
}

static void test_numbers_keep_their_types(void **state)
{
    (void)state;
    static const struct { const char *key, *value; ObjectKind kind; } wanted[] = {
        {"epoch", "12", OBJ_INT}, {"small", "-3", OBJ_INT}, {"swapped", "258", OBJ_INT},
        {"huge", "18446744073709551615", OBJ_BIGINT}, {"rate", "0.1", OBJ_FLOAT},
        {"epsilon", "1e-05", OBJ_FLOAT}, {"trained", "true", OBJ_BOOL},
        {"sizes", "[8, 16, 32]", OBJ_LIST}, {"flags", "[true, false]", OBJ_LIST},
        {"words", "[\"a\", \"b\"]", OBJ_LIST}, {"many", "[100 numbers]", OBJ_FAR},
        {"empty", "[]", OBJ_LIST}};
    if (!hdf5_is_built()) skip();
    Checkpoint *checkpoint = open_path_as("hdf5", "tests/data/keras/attributes.h5");
    const StateDict *dict = checkpoint_find_container(checkpoint, "")->dict;
    assert_int_equal(dict_metadata_count(dict), countof(wanted));
    for (size_t i = 0; i < countof(wanted); i++) {
        assert_string_equal(dict_metadata_find(dict, wanted[i].key), wanted[i].value);
        assert_int_equal(dict_metadata_find_object(dict, wanted[i].key)->kind, wanted[i].kind);
    }
    checkpoint_unref(checkpoint);
}

static void test_records_of_no_kind(void **state)
{
    (void)state;
    Text answer = {0};
    add_record(&answer, '?', NULL);
    refuse(&answer, ERR_FORMAT, "contradicts itself (byte 0");
    add_object(&answer, 1, "w");
    add_details(&answer, '?', 0, 1, "f32");
    contradicts(&answer);
}

static void test_errors_of_the_library_are_shown_escaped(void **state)
{
    (void)state;
    Text answer = {0}, payload = {0};
    text_add(&payload, "truncated\x1b[2J");
    add_record(&answer, 'E', &payload);
    text_done(&payload);
    refuse(&answer, ERR_FORMAT, "HDF5: truncated\\x1b[2J; the file is damaged");
}

/* -- Files ----------------------------------------------------------------------------- */

static Checkpoint *open_path(const char *path, Error *err)
{
    if (!hdf5_is_built()) skip();
    return checkpoint_open(path, err);
}

static Checkpoint *must_open(const char *path)
{
    Error err = {0};
    Checkpoint *checkpoint = open_path(path, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

/* Dtype, first and last value, and layout. */
static void expect(const Checkpoint *checkpoint, const char *name, DType dtype, double first,
                   double last, Layout layout)
{
    const Tensor *tensor = dict_find(weights(checkpoint), name);
    if (!tensor) fail_msg("there is no '%s'", name);
    Error err = {0};
    size_t n = (size_t)tensor_count(tensor);
    char *raw = mem_alloc((size_t)tensor_bytes(tensor));
    double *values = mem_alloc(n * sizeof *values);
    if (!tensor_read(tensor, NULL, NULL, raw, &err)) fail_msg("%s", err.text);
    dtype_to_doubles(dtype, raw, values, n);
    assert_int_equal(tensor->dtype, dtype);
    if (values[0] != first || values[n - 1] != last)
        fail_msg("%s is %g … %g", name, values[0], values[n - 1]);
    if (tensor->layout != layout) fail_msg("%s has layout %d", name, tensor->layout);
    free(values);
    free(raw);
}

static void test_legacy_file(void **state)
{
    (void)state;
    Checkpoint *checkpoint = must_open("tests/data/keras/legacy.h5");
    assert_string_equal(checkpoint_format(checkpoint), "keras-h5");
    assert_int_equal(dict_count(weights(checkpoint)), 5);
    assert_true(dict_is_ordered(weights(checkpoint)));
    expect(checkpoint, "conv1/conv1/kernel:0", DT_F32, 0, 23, LAYOUT_HWIO);
    expect(checkpoint, "conv1/conv1/bias:0", DT_F32, 0, 2, LAYOUT_NATIVE);
    expect(checkpoint, "dense_1/dense_1/kernel:0", DT_F32, 0, 1999 % 7, LAYOUT_IO);
    expect(checkpoint, "nested/inner_bn/gamma:0", DT_F32, 1, 1, LAYOUT_NATIVE);
    expect(checkpoint, "nested/inner_conv/kernel:0", DT_F32, 0, 5, LAYOUT_WIO);
    expect_finding(checkpoint, "unreferenced", "'conv1/left_over'");
    checkpoint_unref(checkpoint);
}

static void test_theano_file(void **state)
{
    (void)state;
    Checkpoint *checkpoint = must_open("tests/data/keras/theano.h5");
    expect(checkpoint, "convolution2d_1/convolution2d_1_W", DT_F32, 0, 53, LAYOUT_NATIVE);
    expect_finding(checkpoint, "theano", "turn kernels by 180 degrees; they are OIHW");
    checkpoint_unref(checkpoint);
}

/* The same model, as a zip, as weights alone and in the old form. */
static void test_files_of_keras_3(void **state)
{
    (void)state;
    static const struct { const char *path, *format; bool config; } files[] = {
        {"tests/data/keras/model.keras", "keras", true},
        {"tests/data/keras/model.weights.h5", "keras-weights", false}};
    for (size_t i = 0; i < countof(files); i++) {
        Checkpoint *checkpoint = must_open(files[i].path);
        assert_string_equal(checkpoint_format(checkpoint), files[i].format);
        assert_int_equal(dict_count(weights(checkpoint)), 11);
        expect(checkpoint, "layers/conv2d/kernel", DT_F32, 0, 53, LAYOUT_HWIO);
        expect(checkpoint, "layers/conv2d/bias", DT_F32, 1, 3, LAYOUT_NATIVE);
        expect(checkpoint, "layers/batch_normalization/gamma", DT_F32, 2, 4, LAYOUT_NATIVE);
        expect(checkpoint, "layers/batch_normalization/moving_variance", DT_F32, 5, 7, LAYOUT_NATIVE);
        expect(checkpoint, "layers/conv2d_transpose/kernel", DT_F32, 6, 29, LAYOUT_HWOI);
        expect(checkpoint, "layers/depthwise_conv2d/kernel", DT_F32, 8, 15, LAYOUT_HWIM);
        expect(checkpoint, "layers/sequential/layers/dense/kernel", DT_F32, 9, 24, LAYOUT_IO);
        const Container *optimizer = checkpoint_find_container(checkpoint, "optimizer");
        assert_true(optimizer && optimizer->optimizer && dict_find(optimizer->dict, "vars/0"));
        checkpoint_unref(checkpoint);
    }
    Checkpoint *checkpoint = must_open("tests/data/keras/model.h5");
    expect(checkpoint, "stem/stem/kernel", DT_F32, 0, 53, LAYOUT_HWIO);
    expect(checkpoint, "up/up/kernel", DT_F32, 6, 29, LAYOUT_HWOI);
    expect(checkpoint, "head/head/dense/kernel", DT_F32, 9, 24, LAYOUT_IO);
    assert_true(checkpoint_find_container(checkpoint, "optimizer_weights")->optimizer);
    checkpoint_unref(checkpoint);
}

static void test_every_type_and_layout(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *checkpoint = must_open("tests/data/keras/others.h5");
    assert_string_equal(checkpoint_format(checkpoint), "hdf5");
    expect(checkpoint, "plain", DT_F64, 0, 5, LAYOUT_NATIVE);
    expect(checkpoint, "big", DT_I16, 0, 3, LAYOUT_NATIVE);
    expect(checkpoint, "flags", DT_BOOL, 1, 0, LAYOUT_NATIVE);
    expect(checkpoint, "wave", DT_C64, 1, 3, LAYOUT_NATIVE);
    expect(checkpoint, "scalar", DT_F16, 2.5, 2.5, LAYOUT_NATIVE);
    expect(checkpoint, "compact", DT_I32, 7, 9, LAYOUT_NATIVE);
    expect(checkpoint, "group/deep/packed", DT_U64, 0, 4, LAYOUT_NATIVE);
    expect(checkpoint, "group/zipped", DT_F32, 0, 0, LAYOUT_NATIVE);
    expect(checkpoint, "group/never", DT_F32, 4, 4, LAYOUT_NATIVE);
    assert_int_equal(dict_count(weights(checkpoint)), 11);
    const Tensor *outside = dict_find(weights(checkpoint), "group/outside");
    char raw[64];
    assert_false(tensor_read(outside, NULL, NULL, raw, &err));
    assert_error_has(err, "its values are in another file");
    assert_false(tensor_read(dict_find(weights(checkpoint), "group/view"), NULL, NULL, raw, &err));
    assert_error_has(err, "a view of other datasets");
    /* Behind the user's block of 512 bytes, plain values are still a window of the file. */
    const Storage *plain = dict_find(weights(checkpoint), "plain")->storage;
    assert_true(plain->offset >= 512);
    checkpoint_unref(checkpoint);
}

/* In memory there is no descriptor, so the child is fed. */
static void test_bytes_in_memory(void **state)
{
    (void)state;
    Error err = {0};
    if (!hdf5_is_built()) skip();
    ByteSource *file = source_open_file("tests/data/keras/legacy.h5", &err);
    size_t n;
    char *bytes = source_slurp(file, 1 << 20, &n, &err);
    ByteSource *memory = source_from_memory(bytes, n, "memory.h5");
    Checkpoint *checkpoint = checkpoint_open_source(memory, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    expect(checkpoint, "conv1/conv1/kernel:0", DT_F32, 0, 23, LAYOUT_HWIO);
    checkpoint_unref(checkpoint);
    source_unref(memory);
    source_unref(file);
    free(bytes);
}

/* Compressed zeros may not claim what they like. */
static void test_values_that_inflate_too_far(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *checkpoint = must_open("tests/data/keras/others.h5");
    Error ignored;
    assert_true(limit_set("zip-ratio=1", &ignored));
    const Tensor *zipped = dict_find(weights(checkpoint), "group/zipped");
    char *raw = mem_alloc((size_t)tensor_bytes(zipped));
    assert_false(tensor_read(zipped, NULL, NULL, raw, &err));
    assert_error_has(err, "4800 bytes of values, of which the file holds");
    assert_true(limit_set("zip-ratio=1100", &ignored));
    free(raw);
    checkpoint_unref(checkpoint);
}

static uint64_t random_state = 0x9E3779B97F4A7C15u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

/* Reads whatever can be read. */
static void read_all(const Checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint_container_count(checkpoint); i++) {
        const StateDict *dict = checkpoint_container(checkpoint, i)->dict;
        for (size_t k = 0; k < dict_count(dict); k++) {
            const Tensor *tensor = dict_at(dict, k);
            if (tensor_bytes(tensor) > 1 << 20) continue;
            void *raw = mem_alloc((size_t)tensor_bytes(tensor) + 1);
            tensor_read(tensor, NULL, NULL, raw, NULL);
            free(raw);
        }
    }
}

/* Bytes of a real file are changed; whatever the library does with it, we get an answer or an
 * error that names the file. */
static void test_damaged_files(void **state)
{
    (void)state;
    enum { ROUNDS = 30 };
    static const char *const paths[] = {"tests/data/keras/legacy.h5", "tests/data/keras/others.h5",
                                        "tests/data/keras/theano.h5"};
    if (!hdf5_is_built()) skip();
    for (size_t i = 0; i < countof(paths); i++) {
        Error err = {0};
        size_t n;
        ByteSource *file = source_open_file(paths[i], &err);
        char *bytes = source_slurp(file, 1 << 20, &n, &err);
        char *changed = mem_alloc(n);
        for (int round = 0; round < ROUNDS; round++) {
            memcpy(changed, bytes, n);
            for (int edits = 1 + (int)(next_random() % 8); edits; edits--) {
                size_t at = next_random() % (next_random() % 2 ? n : 2048);
                changed[at] = (char)(next_random() % 3 ? next_random() : 0xFF);
            }
            size_t kept = next_random() % 8 ? n : next_random() % n;
            ByteSource *damaged = source_from_memory(changed, kept, "damaged.h5");
            err = (Error){0};
            OpenContext context = {.path = "damaged.h5"};
            Checkpoint *checkpoint = format_hdf5.open(&context, damaged, &err);
            if (checkpoint) read_all(checkpoint);
            else if (!has_prefix(err.text, "damaged.h5: ")) fail_msg("%s", err.text);
            checkpoint_unref(checkpoint);
            source_unref(damaged);
        }
        free(changed);
        free(bytes);
        source_unref(file);
    }
}

static void test_where_the_magic_may_stand(void **state)
{
    (void)state;
    static const size_t places[] = {0, 512, 1024, 2048, 4096, 16384};
    char *bytes = mem_alloc(20000);
    for (size_t i = 0; i < countof(places); i++) {
        memset(bytes, ' ', 20000);
        memcpy(bytes + places[i], "\x89HDF\r\n\x1a\n", 8);
        ByteSource *source = source_from_memory(bytes, 20000, "x");
        assert_int_equal(format_hdf5.sniff(source, (unsigned char *)bytes, 4096), SNIFF_YES);
        source_unref(source);
        source = source_from_memory(bytes, places[i] + 7, "x");
        size_t head = places[i] + 7 < 4096 ? places[i] + 7 : 4096;
        assert_int_equal(format_hdf5.sniff(source, (unsigned char *)bytes, head), SNIFF_NO);
        source_unref(source);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_datasets_of_anybody),
        cmocka_unit_test(test_layers_and_weights_that_are_missing),
        cmocka_unit_test(test_weight_that_is_named_twice),
        cmocka_unit_test(test_weights_that_are_all_missing),
        cmocka_unit_test(test_objects_that_could_not_be_read),
        cmocka_unit_test(test_what_follows_the_end_is_ignored),
        cmocka_unit_test(test_attribute_that_is_too_long),
        cmocka_unit_test(test_answer_cut_anywhere),
        cmocka_unit_test(test_values_outside_of_the_file),
        cmocka_unit_test(test_sizes_that_are_negative_or_too_large),
        cmocka_unit_test(test_too_many_dimensions),
        cmocka_unit_test(test_object_twice),
        cmocka_unit_test(test_details_of_nothing),
        cmocka_unit_test(test_attribute_that_claims_more),
        cmocka_unit_test(test_numbers_that_contradict_themselves),
        cmocka_unit_test(test_numbers_keep_their_types),
        cmocka_unit_test(test_records_of_no_kind),
        cmocka_unit_test(test_errors_of_the_library_are_shown_escaped),
        cmocka_unit_test(test_legacy_file),
        cmocka_unit_test(test_theano_file),
        cmocka_unit_test(test_files_of_keras_3),
        cmocka_unit_test(test_every_type_and_layout),
        cmocka_unit_test(test_bytes_in_memory),
        cmocka_unit_test(test_values_that_inflate_too_far),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_where_the_magic_may_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
