/* ONNX models: where values lie in each of the ways that the format knows, names in graphs of
 * graphs, layouts, and one case for each way to be malformed. */
#include "proto_maker.h"

#include "loader/core/limits.h"
#include "loader/tensor/layout.h"

enum { FLOAT = 1, UINT8 = 2, INT8 = 3, INT64 = 7, STRING = 8, BOOL = 9, FLOAT16 = 10, UINT32 = 12,
       COMPLEX64 = 14, INT4 = 22, FLOAT6E2M3 = 27 };

/* A TensorProto's beginning: dims, type, name. */
static Text tensor_proto(const char *name, unsigned type, int64_t a, int64_t b)
{
    const int64_t sizes[] = {a, b};
    Text tensor = {0};
    put_sizes(&tensor, 1, sizes, a < 0 ? 0 : b < 0 ? 1 : 2);
    put_number(&tensor, 2, type);
    put_text(&tensor, 8, name);
    return tensor;
}

/* A float tensor with raw_data 1, 2, 3 … */
static Text raw_tensor(const char *name, int64_t a, int64_t b)
{
    Text tensor = tensor_proto(name, FLOAT, a, b), raw = {0};
    int64_t count = (a < 0 ? 1 : a) * (b < 0 ? 1 : b);
    for (int64_t i = 0; i < count; i++) {
        float value = (float)(i + 1);
        text_addn(&raw, &value, sizeof value);
    }
    put_message(&tensor, 9, &raw);
    return tensor;
}

/* A node with two inputs. */
static Text node(const char *op, const char *left, const char *right, const char *output)
{
    Text out = {0};
    put_text(&out, 1, left);
    put_text(&out, 1, right);
    put_text(&out, 2, output);
    put_text(&out, 3, output);
    put_text(&out, 4, op);
    return out;
}

/* Adds an attribute whose value is a message. */
static void put_attribute(Text *owner, const char *name, unsigned field, Text *value)
{
    Text attribute = {0};
    put_text(&attribute, 1, name);
    put_message(&attribute, field, value);
    put_message(owner, 5, &attribute);
}

/* A model around a graph, which is emptied; ir_version first, as most exporters put it. */
static Text model(Text *graph)
{
    Text file = {0}, opset = {0};
    put_number(&file, 1, 8);
    put_text(&file, 2, "maker");
    put_text(&file, 3, "1.0");
    put_message(&file, 7, graph);
    put_text(&opset, 1, "");
    put_number(&opset, 2, 17);
    put_message(&file, 8, &opset);
    return file;
}

static Checkpoint *must_open(Text *file)
{
    Error err;
    Checkpoint *checkpoint = open_text(file, "x.onnx", &err);
    if (!checkpoint) fail_msg("%s", err.text);
    assert_string_equal(checkpoint_format(checkpoint), "onnx");
    return checkpoint;
}

/* A graph with one initializer must be refused; both are emptied. */
static void refuse_tensor(Text *tensor, ErrorCode code, const char *words)
{
    Text graph = {0};
    put_message(&graph, 5, tensor);
    Text file = model(&graph);
    refuse_with(&format_onnx, &file, "x.onnx", code, words);
}

/* -- Right readings -------------------------------------------------------------------- */

static void test_raw_data_is_a_window(void **state)
{
    (void)state;
    const float values[] = {1, 2, 3, 4, 5, 6};
    Text tensor = raw_tensor("w", 2, 3), scalar = raw_tensor("s", -1, -1), graph = {0};
    put_message(&graph, 5, &tensor);
    put_message(&graph, 5, &scalar);
    Text file = model(&graph);
    size_t size = file.length;
    Checkpoint *checkpoint = must_open(&file);
    assert_int_equal(checkpoint_file_bytes(checkpoint), size);
    const Tensor *w = tensor_in(checkpoint, "", "w");
    assert_tensor(w, DT_F32, "2×3", values, sizeof values);
    assert_string_equal(w->storage->source->name, "x.onnx");
    assert_tensor(tensor_in(checkpoint, "", "s"), DT_F32, "scalar", values, 4);
    assert_int_equal(checkpoint_container_count(checkpoint), 1);
    checkpoint_unref(checkpoint);
}

static void test_metadata(void **state)
{
    (void)state;
    Text tensor = raw_tensor("w", 1, -1), graph = {0}, pair = {0};
    put_message(&graph, 5, &tensor);
    Text file = model(&graph);
    put_text(&pair, 1, "producer");
    put_text(&pair, 2, "somebody");
    put_message(&file, 14, &pair);
    Checkpoint *checkpoint = must_open(&file);
    const StateDict *dict = checkpoint_find_container(checkpoint, "")->dict;
    static const char *const want[][2] = {{"ir_version", "8"}, {"opset", "17"},
                                          {"producer", "somebody"}, {"producer#2", "maker 1.0"}};
    assert_int_equal(dict_metadata_count(dict), countof(want));
    for (size_t i = 0; i < countof(want); i++) {
        assert_string_equal(dict_metadata(dict, i).key, want[i][0]);
        assert_string_equal(dict_metadata(dict, i).value, want[i][1]);
    }
    checkpoint_unref(checkpoint);
}

static void test_fields_of_numbers(void **state)
{
    (void)state;
    const float floats[] = {1.5f, -2, 3, 4};
    const int64_t longs[] = {-1, 1000000};
    const unsigned char bytes[] = {255, 0, 7}, halves[] = {0, 0x3C, 0, 0xBC}, four[] = {0x21, 0x0F};
    const uint32_t words[] = {4000000000u, 5};
    Text graph = {0}, packed = {0};
    Text tensor = tensor_proto("float", FLOAT, 4, -1);
    put_bytes(&tensor, 4, floats, sizeof floats);
    put_message(&graph, 5, &tensor);
    tensor = tensor_proto("single", FLOAT, 4, -1);
    for (int i = 0; i < 4; i++) put_float(&tensor, 4, floats[i]);
    put_message(&graph, 5, &tensor);
    tensor = tensor_proto("complex", COMPLEX64, 2, -1);
    put_bytes(&tensor, 4, floats, sizeof floats);
    put_message(&graph, 5, &tensor);
    tensor = tensor_proto("long", INT64, 2, -1);
    put_sizes(&tensor, 7, longs, 2);
    put_message(&graph, 5, &tensor);
    tensor = tensor_proto("uint8", UINT8, 3, -1);
    for (int i = 0; i < 3; i++) put_varint(&packed, bytes[i]);
    put_message(&tensor, 5, &packed);
    put_message(&graph, 5, &tensor);
    tensor = tensor_proto("bool", BOOL, 2, -1);
    put_number(&tensor, 5, 1);
    put_number(&tensor, 5, 0);
    put_message(&graph, 5, &tensor);
    tensor = tensor_proto("half", FLOAT16, 2, -1);
    put_number(&tensor, 5, 0x3C00);
    put_number(&tensor, 5, 0xBC00);
    put_message(&graph, 5, &tensor);
    tensor = tensor_proto("uint32", UINT32, 2, -1);
    put_number(&tensor, 11, words[0]);
    put_number(&tensor, 11, words[1]);
    put_message(&graph, 5, &tensor);
    tensor = tensor_proto("int4", INT4, 4, -1);
    put_number(&tensor, 5, four[0]);
    put_number(&tensor, 5, four[1]);
    put_message(&graph, 5, &tensor);
    Text file = model(&graph);
    Checkpoint *checkpoint = must_open(&file);
    const Tensor *plain = tensor_in(checkpoint, "", "float");
    assert_tensor(plain, DT_F32, "4", floats, sizeof floats);
    assert_true(plain->storage->source == tensor_in(checkpoint, "", "float")->storage->source);
    assert_true(plain->storage->offset > 0);
    assert_tensor(tensor_in(checkpoint, "", "single"), DT_F32, "4", floats, sizeof floats);
    assert_tensor(tensor_in(checkpoint, "", "complex"), DT_C64, "2", floats, sizeof floats);
    assert_tensor(tensor_in(checkpoint, "", "long"), DT_I64, "2", longs, sizeof longs);
    assert_tensor(tensor_in(checkpoint, "", "uint8"), DT_U8, "3", bytes, 3);
    assert_tensor(tensor_in(checkpoint, "", "bool"), DT_BOOL, "2", "\1\0", 2);
    assert_tensor(tensor_in(checkpoint, "", "half"), DT_F16, "2", halves, 4);
    assert_tensor(tensor_in(checkpoint, "", "uint32"), DT_U32, "2", words, sizeof words);
    assert_tensor(tensor_in(checkpoint, "", "int4"), DT_I4, "4", four, 2);
    checkpoint_unref(checkpoint);
}

static void test_what_is_shown_but_not_read(void **state)
{
    (void)state;
    Text graph = {0}, sparse = {0};
    const int64_t whole[] = {100, 200};
    Text tensor = tensor_proto("text", STRING, 2, -1);
    put_text(&tensor, 6, "a");
    put_text(&tensor, 6, "bb");
    put_message(&graph, 5, &tensor);
    tensor = tensor_proto("odd", INT4, 3, -1);
    put_bytes(&tensor, 9, "\x21\x03", 2);
    put_message(&graph, 5, &tensor);
    tensor = tensor_proto("six", FLOAT6E2M3, 4, -1);
    put_bytes(&tensor, 9, "abc", 3);
    put_message(&graph, 5, &tensor);
    tensor = raw_tensor("sparse", 2, -1);
    put_message(&sparse, 1, &tensor);
    put_sizes(&sparse, 3, whole, 2);
    put_message(&graph, 15, &sparse);
    Text file = model(&graph);
    Checkpoint *checkpoint = must_open(&file);
    const Tensor *text = tensor_in(checkpoint, "", "text");
    assert_int_equal(text->dtype, DT_STRING);
    assert_null(text->storage);
    assert_true(tensor_in(checkpoint, "", "odd")->encoding->opaque);
    assert_tensor(tensor_in(checkpoint, "", "six"), DT_F6_E2M3, "4", "abc", 3);
    const Tensor *shown = tensor_in(checkpoint, "", "sparse");
    assert_true(shown->encoding->opaque);
    assert_int_equal(shown->dims[1], 200);
    assert_string_equal(shown->encoding->note, "sparse, 2 values are stored");
    checkpoint_unref(checkpoint);
}

static void test_constants_are_a_place_of_their_own(void **state)
{
    (void)state;
    const float scalar = 0.5f;
    const int64_t list[] = {3, -1};
    Text graph = {0}, value = raw_tensor("", 2, -1), one = {0}, attribute = {0};
    put_text(&one, 2, "c.out");
    put_text(&one, 4, "Constant");
    put_attribute(&one, "value", 5, &value);
    put_message(&graph, 1, &one);
    put_text(&one, 2, "f.out");
    put_text(&one, 4, "Constant");
    put_text(&attribute, 1, "value_float");
    put_float(&attribute, 2, scalar);
    put_message(&one, 5, &attribute);
    put_message(&graph, 1, &one);
    put_text(&one, 2, "i.out");
    put_text(&one, 4, "Constant");
    put_text(&attribute, 1, "value_ints");
    put_number(&attribute, 8, 3);
    put_number(&attribute, 8, (uint64_t)-1);
    put_message(&one, 5, &attribute);
    put_message(&graph, 1, &one);
    Text file = model(&graph);
    Checkpoint *checkpoint = must_open(&file);
    assert_null(checkpoint_find_container(checkpoint, ""));
    assert_int_equal(tensor_in(checkpoint, "constants", "c.out")->dims[0], 2);
    assert_tensor(tensor_in(checkpoint, "constants", "f.out"), DT_F32, "scalar", &scalar, 4);
    assert_tensor(tensor_in(checkpoint, "constants", "i.out"), DT_I64, "2", list, sizeof list);
    const Container *chosen = checkpoint_choose(checkpoint, NULL, NULL);
    assert_string_equal(chosen->path, "constants");
    checkpoint_unref(checkpoint);
}

/* An If with two branches, each with a tensor "w". */
static void test_graphs_in_graphs(void **state)
{
    (void)state;
    Text graph = {0}, branch = {0}, one = {0};
    put_text(&one, 3, "If_0");
    put_text(&one, 4, "If");
    Text tensor = raw_tensor("w", 2, -1);
    put_message(&branch, 5, &tensor);
    put_attribute(&one, "then_branch", 6, &branch);
    tensor = raw_tensor("w", 3, -1);
    put_message(&branch, 5, &tensor);
    put_attribute(&one, "else_branch", 6, &branch);
    put_message(&graph, 1, &one);
    Text file = model(&graph);
    Checkpoint *checkpoint = must_open(&file);
    assert_int_equal(tensor_in(checkpoint, "", "w")->dims[0], 2);
    assert_int_equal(tensor_in(checkpoint, "", "If_0.else_branch/w")->dims[0], 3);
    checkpoint_unref(checkpoint);
}

static void test_deep_graphs_are_left_out_with_a_word(void **state)
{
    (void)state;
    Text graph = {0};
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", 200 - i);
        Text tensor = raw_tensor(name, 1, -1), one = {0}, outer = {0};
        put_message(&graph, 5, &tensor);
        put_attribute(&one, "body", 6, &graph);
        put_message(&outer, 1, &one);
        graph = outer;
    }
    Text file = model(&graph);
    Checkpoint *checkpoint = must_open(&file);
    assert_int_equal(dict_count(checkpoint_find_container(checkpoint, "")->dict), 64);
    assert_int_equal(checkpoint_finding_count(checkpoint), 1);
    assert_string_equal(checkpoint_finding(checkpoint, 0)->kind, "depth");
    assert_non_null(strstr(checkpoint_finding(checkpoint, 0)->what, "1 graph(s) lie too deep"));
    checkpoint_unref(checkpoint);
}

static void test_dense_kernels_are_found_by_their_use(void **state)
{
    (void)state;
    static const char *const names[] = {"matmul", "gemm", "transB", "left", "both", "vector"};
    static const uint8_t layouts[] = {LAYOUT_IO, LAYOUT_IO, 0, 0, 0, 0};
    Text graph = {0};
    Text nodes[] = {node("MatMul", "x", "matmul", "a"), node("Gemm", "x", "gemm", "b"),
                    node("Gemm", "x", "transB", "c"), node("MatMul", "left", "x", "d"),
                    node("MatMul", "x", "both", "e"), node("Add", "x", "both", "f"),
                    node("MatMul", "x", "vector", "g")};
    Text attribute = {0};
    put_text(&attribute, 1, "transB");
    put_number(&attribute, 3, 1);
    put_message(&nodes[2], 5, &attribute);
    for (size_t i = 0; i < countof(nodes); i++) put_message(&graph, 1, &nodes[i]);
    for (size_t i = 0; i < countof(names); i++) {
        Text tensor = raw_tensor(names[i], 2, i == 5 ? -1 : 3);
        put_message(&graph, 5, &tensor);
    }
    Text file = model(&graph);
    Checkpoint *checkpoint = must_open(&file);
    for (size_t i = 0; i < countof(names); i++)
        assert_int_equal(tensor_in(checkpoint, "", names[i])->layout, layouts[i]);
    checkpoint_unref(checkpoint);
}

/* A file that begins with the graph, and one whose version stands last. */
static void test_fields_in_any_order(void **state)
{
    (void)state;
    Text tensor = raw_tensor("w", 1, -1), graph = {0}, file = {0};
    put_message(&graph, 5, &tensor);
    put_text(&file, 2, "maker");
    put_message(&file, 7, &graph);
    put_number(&file, 1, 3);
    Checkpoint *checkpoint = must_open(&file);
    tensor_in(checkpoint, "", "w");
    checkpoint_unref(checkpoint);
}

/* -- External data --------------------------------------------------------------------- */

static Text external(const char *location, const char *offset, const char *length)
{
    const char *const pairs[][2] = {{"location", location}, {"offset", offset},
                                    {"length", length}, {"checksum", "00"}};
    Text tensor = tensor_proto("w", FLOAT, 2, -1);
    for (size_t i = 0; i < countof(pairs); i++) {
        Text pair = {0};
        if (!pairs[i][1]) continue;
        put_text(&pair, 1, pairs[i][0]);
        put_text(&pair, 2, pairs[i][1]);
        put_message(&tensor, 13, &pair);
    }
    put_number(&tensor, 14, 1);
    return tensor;
}

/* Writes the model beside weights.bin, of 12 bytes, and opens it. */
static Checkpoint *open_external(void **state, Text *tensor, Error *err)
{
    const float values[] = {1, 2, 3};
    Text graph = {0}, data = {0};
    text_addn(&data, values, sizeof values);
    write_file(state, "weights.bin", &data);
    put_message(&graph, 5, tensor);
    Text file = model(&graph);
    *err = (Error){0};
    return checkpoint_open(write_file(state, "m.onnx", &file), err);
}

static void test_external_data(void **state)
{
    static const char *const offsets[] = {NULL, "0", "4"};
    static const char *const locations[] = {"weights.bin", "./weights.bin"};
    const float values[] = {1, 2, 3};
    for (size_t i = 0; i < countof(offsets); i++)
        for (size_t j = 0; j < countof(locations); j++) {
            Error err;
            Text tensor = external(locations[j], offsets[i], i ? "8" : NULL);
            Checkpoint *checkpoint = open_external(state, &tensor, &err);
            if (!checkpoint) fail_msg("%s", err.text);
            assert_tensor(tensor_in(checkpoint, "", "w"), DT_F32, "2", values + (i == 2), 8);
            checkpoint_unref(checkpoint);
        }
}

static void refuse_external(void **state, Text tensor, ErrorCode code, const char *words)
{
    Error err;
    assert_null(open_external(state, &tensor, &err));
    assert_error_has(err, words);
    assert_error_has(err, "m.onnx: tensor 'w': ");
    assert_int_equal(err.code, code);
}

static void test_external_data_that_is_wrong(void **state)
{
    refuse_external(state, external("gone.bin", NULL, NULL), ERR_NOT_FOUND,
                    "its values lie in 'gone.bin', which is not in the model's folder; fetch");
    refuse_external(state, external("../weights.bin", NULL, NULL), ERR_FORMAT,
                    "would lie at '../weights.bin', which is no place in the model's folder");
    refuse_external(state, external("/etc/passwd", NULL, NULL), ERR_FORMAT, "no place in");
    refuse_external(state, external("a/../../w", NULL, NULL), ERR_FORMAT, "no place in");
    refuse_external(state, external("", NULL, NULL), ERR_FORMAT, "no place in");
    refuse_external(state, external(NULL, "0", "8"), ERR_FORMAT, "no location is given");
    refuse_external(state, external("weights.bin", "8", "8"), ERR_FORMAT,
                    "needs 8 bytes at 8 of 'weights.bin', which has 12: cut short");
    refuse_external(state, external("weights.bin", "18446744073709551615", NULL), ERR_FORMAT,
                    "needs 8 bytes at 18446744073709551615");
    refuse_external(state, external("weights.bin", "0", "12"), ERR_FORMAT,
                    "needs 8 bytes, the length of its external data is 12");
    Text tensor = external("weights.bin", "0", "8");
    put_bytes(&tensor, 9, "12345678", 8);
    refuse_external(state, tensor, ERR_FORMAT, "has its values twice");
}

static void test_external_numbers_that_are_none(void **state)
{
    (void)state;
    Text tensor = external("weights.bin", "-4", NULL);
    refuse_tensor(&tensor, ERR_FORMAT, "'offset' of external data is no whole number");
    tensor = external("weights.bin", "0", "18446744073709551616");
    refuse_tensor(&tensor, ERR_FORMAT, "'length' of external data is no whole number");
}

/* Bytes in memory have no folder. */
static void test_external_data_without_a_folder(void **state)
{
    (void)state;
    Text tensor = external("weights.bin", "0", "8");
    refuse_tensor(&tensor, ERR_NOT_FOUND, "'weights.bin', which is not in the model's folder");
}

/* -- Malformed tensors ----------------------------------------------------------------- */

static void test_bytes_that_do_not_fit_the_shape(void **state)
{
    (void)state;
    Text tensor = tensor_proto("w", FLOAT, 2, 3);
    put_bytes(&tensor, 9, "12345678", 8);
    refuse_tensor(&tensor, ERR_FORMAT,
                  "tensor 'w': shape [2,3] f32 needs 24 bytes, raw_data has 8");
    tensor = tensor_proto("w", FLOAT, 2, -1);
    refuse_tensor(&tensor, ERR_FORMAT, "needs 8 bytes, its numbers have 0");
    tensor = tensor_proto("w", INT64, 2, -1);
    put_number(&tensor, 7, 1);
    refuse_tensor(&tensor, ERR_FORMAT, "needs 16 bytes, its numbers have 8");
    tensor = tensor_proto("w", INT64, 1, -1);
    put_number(&tensor, 5, 1);
    refuse_tensor(&tensor, ERR_FORMAT, "needs 8 bytes, its numbers have 0");
    tensor = tensor_proto("w", STRING, 2, -1);
    put_text(&tensor, 6, "a");
    refuse_tensor(&tensor, ERR_FORMAT, "its shape has 2 texts, string_data has 1");
}

static void test_shapes_that_are_absurd(void **state)
{
    (void)state;
    const int64_t negative[] = {-2};
    Text tensor = {0};
    put_sizes(&tensor, 1, negative, 1);
    put_number(&tensor, 2, FLOAT);
    put_text(&tensor, 8, "w");
    refuse_tensor(&tensor, ERR_FORMAT, "tensor 'w': shape [-2] f32 has a negative size in dim 0");
    tensor = tensor_proto("w", FLOAT, INT64_MAX, INT64_MAX);
    refuse_tensor(&tensor, ERR_FORMAT, "more bytes than 63 bits can count");
    tensor = tensor_proto("w", INT4, INT64_MAX, -1);
    refuse_tensor(&tensor, ERR_FORMAT, "more bytes than 63 bits can count");
    tensor = tensor_proto("w", FLOAT, 0, INT64_MAX / 2);
    refuse_tensor(&tensor, ERR_FORMAT, "more bytes than 63 bits can count");
    tensor = (Text){0};
    for (int i = 0; i < 33; i++) put_number(&tensor, 1, 1);
    refuse_tensor(&tensor, ERR_LIMIT, "more than 32 dimensions");
}

static void test_types_that_are_unknown(void **state)
{
    (void)state;
    Text tensor = tensor_proto("w", 0, 1, -1);
    refuse_tensor(&tensor, ERR_UNSUPPORTED, "tensor 'w': has data_type 0, which");
    tensor = tensor_proto("w", 99, 1, -1);
    refuse_tensor(&tensor, ERR_UNSUPPORTED, "has data_type 99, which tenon does not know");
    tensor = tensor_proto("w", FLOAT, 1, -1);
    put_text(&tensor, 3, "");
    refuse_tensor(&tensor, ERR_UNSUPPORTED, "is stored in segments");
}

static void test_values_given_twice(void **state)
{
    (void)state;
    Text tensor = raw_tensor("w", 1, -1);
    put_float(&tensor, 4, 1);
    refuse_tensor(&tensor, ERR_FORMAT, "has its values twice, in two ways");
}

static void test_names_that_stand_twice(void **state)
{
    (void)state;
    Text first = raw_tensor("w", 1, -1), second = raw_tensor("w", 2, -1), graph = {0};
    put_message(&graph, 5, &first);
    put_message(&graph, 5, &second);
    Text file = model(&graph);
    refuse_with(&format_onnx, &file, "x.onnx", ERR_FORMAT,
                "tensor 'w': stands twice in one graph");
}

static void test_sparse_tensors_that_are_wrong(void **state)
{
    (void)state;
    Text graph = {0}, sparse = {0};
    put_number(&sparse, 3, 4);
    put_message(&graph, 15, &sparse);
    Text file = model(&graph);
    refuse_with(&format_onnx, &file, "x.onnx", ERR_FORMAT, "a sparse tensor has no values");
}

/* -- Malformed models ------------------------------------------------------------------ */

static void test_truncation_at_every_byte(void **state)
{
    (void)state;
    Text tensor = raw_tensor("w", 2, 2), graph = {0};
    Text product = node("MatMul", "x", "w", "y");
    put_message(&graph, 1, &product);
    put_message(&graph, 5, &tensor);
    Text file = model(&graph);
    static const char *const cut_short[] = {
        "the file is cut short", "is cut off by the end of its message",
        "cut.onnx: no format that tenon knows",
        /* which have the same fields at their beginning */
        "cut.onnx: the graph of a TensorFlow SavedModel", "cut.onnx: the state of a Caffe solver",
        NULL};
    for (size_t n = 1; n < file.length; n++) {
        Text cut = {0};
        Error err;
        text_addn(&cut, file.bytes, n);
        Checkpoint *checkpoint = open_text(&cut, "cut.onnx", &err);
        /* between two fields at the top the rest is a model of its own */
        if (checkpoint) assert_int_equal(dict_count(checkpoint_find_container(checkpoint, "")->dict), 1);
        else assert_error_has_one(&err, cut_short);
        checkpoint_unref(checkpoint);
    }
    text_done(&file);
}

static void test_a_cut_model_says_so(void **state)
{
    (void)state;
    Text tensor = raw_tensor("w", 100, 2), graph = {0}, cut = {0};
    put_message(&graph, 5, &tensor);
    Text file = model(&graph);
    text_addn(&cut, file.bytes, 200);
    text_done(&file);
    refuse_with(&format_onnx, &cut, "x.onnx", ERR_FORMAT,
                "field 7 claims 815 bytes, its message ends 183 bytes later: the file is cut short");
}

static void test_protobufs_that_are_no_models(void **state)
{
    (void)state;
    Text file = {0};
    put_number(&file, 1, 8);
    put_text(&file, 2, "maker");
    refuse_with(&format_onnx, &file, "x.onnx", ERR_FORMAT, "no ONNX model: it has no graph");
    Text tensor = raw_tensor("w", 1, -1);
    Error err;
    assert_null(open_text(&tensor, "tensor.pb", &err));
    assert_error_has(err, "tensor.pb: no format that tenon knows");
}

static void test_broken_messages_inside(void **state)
{
    (void)state;
    Text graph = {0};
    put_bytes(&graph, 5, "\x0A\x7F", 2);
    Text file = model(&graph);
    refuse_with(&format_onnx, &file, "x.onnx", ERR_FORMAT, "field 1 claims 127 bytes");
    put_bytes(&graph, 1, "\x0B", 1);
    file = model(&graph);
    refuse_with(&format_onnx, &file, "x.onnx", ERR_FORMAT, "has the type 3");
    put_bytes(&graph, 1, "\x2A\x02\x0A\x09", 4);
    file = model(&graph);
    refuse_with(&format_onnx, &file, "x.onnx", ERR_FORMAT, "field 1 claims 9 bytes");
}

static void test_too_many_tensors(void **state)
{
    (void)state;
    Error err;
    Text graph = {0};
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", i);
        Text tensor = raw_tensor(name, 1, -1);
        put_message(&graph, 5, &tensor);
    }
    Text file = model(&graph);
    assert_true(limit_set("tensors=3", &err));
    refuse_with(&format_onnx, &file, "x.onnx", ERR_LIMIT, "--limit tensors=N allows more");
    assert_true(limit_set("tensors=16M", &err));
}

static void test_long_names(void **state)
{
    (void)state;
    char *name = malloc(70001);
    memset(name, 'n', 70000);
    name[70000] = '\0';
    Text tensor = raw_tensor(name, 1, -1);
    refuse_tensor(&tensor, ERR_LIMIT, "a text of 70000 bytes, more than the limit of 65536");
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw_data_is_a_window),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_fields_of_numbers),
        cmocka_unit_test(test_what_is_shown_but_not_read),
        cmocka_unit_test(test_constants_are_a_place_of_their_own),
        cmocka_unit_test(test_graphs_in_graphs),
        cmocka_unit_test(test_deep_graphs_are_left_out_with_a_word),
        cmocka_unit_test(test_dense_kernels_are_found_by_their_use),
        cmocka_unit_test(test_fields_in_any_order),
        cmocka_unit_test_setup_teardown(test_external_data, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_external_data_that_is_wrong, make_folder,
                                        remove_folder),
        cmocka_unit_test(test_external_numbers_that_are_none),
        cmocka_unit_test(test_external_data_without_a_folder),
        cmocka_unit_test(test_bytes_that_do_not_fit_the_shape),
        cmocka_unit_test(test_shapes_that_are_absurd),
        cmocka_unit_test(test_types_that_are_unknown),
        cmocka_unit_test(test_values_given_twice),
        cmocka_unit_test(test_names_that_stand_twice),
        cmocka_unit_test(test_sparse_tensors_that_are_wrong),
        cmocka_unit_test(test_truncation_at_every_byte),
        cmocka_unit_test(test_a_cut_model_says_so),
        cmocka_unit_test(test_protobufs_that_are_no_models),
        cmocka_unit_test(test_broken_messages_inside),
        cmocka_unit_test(test_too_many_tensors),
        cmocka_unit_test(test_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
