/* Caffe models: the three generations of layers, what their blobs are called, and one case for each
 * way to be malformed. */
#include "proto_maker.h"

#include "loader/core/limits.h"

/* A blob with a shape and float data that counts from `first`. */
static Text blob(const int64_t *sizes, size_t rank, float first)
{
    Text out = {0}, shape = {0}, data = {0};
    int64_t count = 1;
    put_sizes(&shape, 1, sizes, rank);
    put_message(&out, 7, &shape);
    for (size_t i = 0; i < rank; i++) count *= sizes[i];
    for (int64_t i = 0; i < count; i++, first++) text_addn(&data, &first, sizeof first);
    put_message(&out, 5, &data);
    return out;
}

/* The same with the four sizes of old files. */
static Text old_blob(const int64_t sizes[4], float first)
{
    Text out = {0};
    for (unsigned i = 0; i < 4; i++) put_number(&out, i + 1, (uint64_t)sizes[i]);
    for (int64_t i = 0; i < sizes[0] * sizes[1] * sizes[2] * sizes[3]; i++, first++)
        put_float(&out, 5, first);
    return out;
}

/* Adds a LayerParameter; the blobs are emptied. */
static void put_layer(Text *net, const char *name, const char *type, Text *blobs, size_t count)
{
    Text layer = {0};
    put_text(&layer, 1, name);
    put_text(&layer, 2, type);
    put_text(&layer, 3, "bottom");
    for (size_t i = 0; i < count; i++) put_message(&layer, 7, &blobs[i]);
    put_message(net, 100, &layer);
}

/* Adds a V1LayerParameter. */
static void put_v1_layer(Text *net, const char *name, unsigned type, Text *blobs, size_t count)
{
    Text layer = {0};
    put_text(&layer, 2, "bottom");
    put_text(&layer, 4, name);
    put_number(&layer, 5, type);
    for (size_t i = 0; i < count; i++) put_message(&layer, 6, &blobs[i]);
    put_message(net, 2, &layer);
}

static Checkpoint *must_open(Text *net)
{
    Error err;
    Checkpoint *checkpoint = open_text(net, "x.caffemodel", &err);
    if (!checkpoint) fail_msg("%s", err.text);
    assert_string_equal(checkpoint_format(checkpoint), "caffe");
    return checkpoint;
}

static void refuse_net(Text *net, ErrorCode code, const char *words)
{
    refuse_with(&format_caffe, net, "x.caffemodel", code, words);
}

/* A net of one layer with one blob must be refused; the blob is emptied. */
static void refuse_blob(Text *one, ErrorCode code, const char *words)
{
    Text net = {0};
    put_layer(&net, "conv", "Convolution", one, 1);
    refuse_net(&net, code, words);
}

/* -- Right readings -------------------------------------------------------------------- */

static void test_layers_and_their_blobs(void **state)
{
    (void)state;
    static const int64_t kernel[] = {2, 1, 1, 3}, bias[] = {2};
    const float values[] = {1, 2, 3, 4, 5, 6}, biases[] = {10, 11};
    Text net = {0};
    put_text(&net, 1, "TinyNet");
    put_layer(&net, "data", "Input", NULL, 0);
    Text blobs[] = {blob(kernel, 4, 1), blob(bias, 1, 10)};
    put_layer(&net, "conv/1x3", "Convolution", blobs, 2);
    Text slope = blob(bias, 1, 10);
    put_layer(&net, "act", "PReLU", &slope, 1);
    Text other[] = {blob(bias, 1, 10)};
    put_layer(&net, "own", "Custom", other, 1);
    Checkpoint *checkpoint = must_open(&net);
    const Tensor *weight = tensor_in(checkpoint, "", "conv/1x3.0");
    assert_tensor(weight, DT_F32, "2×1×1×3", values, sizeof values);
    assert_string_equal(weight->storage->source->name, "x.caffemodel");
    assert_tensor(tensor_in(checkpoint, "", "conv/1x3.1"), DT_F32, "2", biases, 8);
    assert_tensor(tensor_in(checkpoint, "named", "conv/1x3.weight"), DT_F32, "2×1×1×3", values,
                  sizeof values);
    assert_tensor(tensor_in(checkpoint, "named", "conv/1x3.bias"), DT_F32, "2", biases, 8);
    assert_tensor(tensor_in(checkpoint, "named", "act.weight"), DT_F32, "2", biases, 8);
    assert_tensor(tensor_in(checkpoint, "named", "own.0"), DT_F32, "2", biases, 8);
    const StateDict *dict = checkpoint_find_container(checkpoint, "")->dict;
    assert_int_equal(dict_count(dict), 4);
    assert_string_equal(dict_metadata(dict, 0).value, "TinyNet");
    checkpoint_unref(checkpoint);
}

/* The second container repeats the first: it is no rival of it. */
static void test_the_file_s_own_names_are_chosen(void **state)
{
    (void)state;
    static const int64_t bias[] = {2};
    Text net = {0}, one = blob(bias, 1, 1);
    put_layer(&net, "a", "Convolution", &one, 1);
    Checkpoint *checkpoint = must_open(&net);
    size_t rivals = 9;
    const Container *chosen = checkpoint_choose(checkpoint, &rivals, NULL);
    assert_string_equal(chosen->path, "");
    assert_int_equal(rivals, 0);
    checkpoint_unref(checkpoint);
}

static void test_batch_norm_is_divided_by_its_factor(void **state)
{
    (void)state;
    static const int64_t two[] = {2}, one[] = {1};
    const float sums[] = {6, 7}, means[] = {1.5f, 1.75f}, zeros[] = {0, 0};
    Text net = {0};
    Text blobs[] = {blob(two, 1, 6), blob(two, 1, 6), blob(one, 1, 4)};
    put_layer(&net, "bn", "BatchNorm", blobs, 3);
    Text unused[] = {blob(two, 1, 6), blob(two, 1, 6), blob(one, 1, 0)};
    put_layer(&net, "bn0", "BatchNorm", unused, 3);
    Text scale[] = {blob(two, 1, 6), blob(two, 1, 6)};
    put_layer(&net, "scale", "Scale", scale, 2);
    Checkpoint *checkpoint = must_open(&net);
    assert_tensor(tensor_in(checkpoint, "", "bn.0"), DT_F32, "2", sums, 8);
    assert_tensor(tensor_in(checkpoint, "named", "bn.running_mean"), DT_F32, "2", means, 8);
    assert_tensor(tensor_in(checkpoint, "named", "bn.running_var"), DT_F32, "2", means, 8);
    assert_tensor(tensor_in(checkpoint, "named", "bn0.running_var"), DT_F32, "2", zeros, 8);
    assert_tensor(tensor_in(checkpoint, "named", "scale.weight"), DT_F32, "2", sums, 8);
    assert_null(dict_find(checkpoint_find_container(checkpoint, "named")->dict, "bn.2"));
    /* any range of what is computed, not only whole numbers */
    const Storage *computed = tensor_in(checkpoint, "named", "bn.running_mean")->storage;
    for (size_t from = 0; from < 8; from++)
        for (size_t n = 1; n <= 8 - from; n++) {
            unsigned char got[8];
            assert_true(source_read(computed->source, from, got, n, NULL));
            assert_memory_equal(got, (const char *)means + from, n);
        }
    checkpoint_unref(checkpoint);
}

static void test_old_layers_with_four_sizes(void **state)
{
    (void)state;
    static const int64_t dense[] = {1, 1, 2, 3}, bias[] = {1, 1, 1, 2};
    const float values[] = {1, 2, 3, 4, 5, 6}, biases[] = {7, 8};
    Text net = {0};
    put_text(&net, 1, "OldNet");
    Text blobs[] = {old_blob(dense, 1), old_blob(bias, 7)};
    put_v1_layer(&net, "fc", 14, blobs, 2);
    Text kernel[] = {old_blob(dense, 1)};
    put_v1_layer(&net, "conv", 4, kernel, 1);
    Checkpoint *checkpoint = must_open(&net);
    assert_tensor(tensor_in(checkpoint, "", "fc.0"), DT_F32, "1×1×2×3", values, sizeof values);
    assert_tensor(tensor_in(checkpoint, "", "fc.1"), DT_F32, "1×1×1×2", biases, 8);
    assert_tensor(tensor_in(checkpoint, "named", "fc.weight"), DT_F32, "2×3", values,
                  sizeof values);
    assert_tensor(tensor_in(checkpoint, "named", "fc.bias"), DT_F32, "2", biases, 8);
    assert_tensor(tensor_in(checkpoint, "named", "conv.weight"), DT_F32, "1×1×2×3", values,
                  sizeof values);
    checkpoint_unref(checkpoint);
}

static void test_the_oldest_layers(void **state)
{
    (void)state;
    static const int64_t bias[] = {1, 1, 1, 2};
    const float values[] = {1, 2};
    Text net = {0}, inner = {0}, layer = {0}, one = old_blob(bias, 1);
    put_text(&inner, 1, "fc8");
    put_text(&inner, 2, "innerproduct");
    put_message(&inner, 50, &one);
    put_message(&layer, 1, &inner);
    put_text(&layer, 2, "bottom");
    put_message(&net, 2, &layer);
    Checkpoint *checkpoint = must_open(&net);
    assert_tensor(tensor_in(checkpoint, "", "fc8.0"), DT_F32, "1×1×1×2", values, 8);
    assert_tensor(tensor_in(checkpoint, "named", "fc8.weight"), DT_F32, "1×2", values, 8);
    checkpoint_unref(checkpoint);
}

static void test_doubles_and_scalars(void **state)
{
    (void)state;
    const double values[] = {0.1, 0.2};
    const float scalar = 3;
    Text net = {0}, wide = {0}, shape = {0};
    put_number(&shape, 1, 2);
    put_message(&wide, 7, &shape);
    put_bytes(&wide, 8, values, sizeof values);
    Text blobs[] = {wide, blob(NULL, 0, 3)};
    put_layer(&net, "a", "Convolution", blobs, 2);
    Checkpoint *checkpoint = must_open(&net);
    assert_tensor(tensor_in(checkpoint, "", "a.0"), DT_F64, "2", values, sizeof values);
    assert_tensor(tensor_in(checkpoint, "", "a.1"), DT_F32, "scalar", &scalar, 4);
    checkpoint_unref(checkpoint);
}

static void test_layers_of_one_name(void **state)
{
    (void)state;
    static const int64_t one[] = {1}, two[] = {2};
    Text net = {0}, first = blob(one, 1, 1), second = blob(two, 1, 1);
    put_layer(&net, "a", "Convolution", &first, 1);
    put_layer(&net, "a", "Convolution", &second, 1);
    Checkpoint *checkpoint = must_open(&net);
    assert_int_equal(tensor_in(checkpoint, "", "a.0")->dims[0], 1);
    assert_int_equal(tensor_in(checkpoint, "", "a#2.0")->dims[0], 2);
    assert_int_equal(checkpoint_finding_count(checkpoint), 1);
    assert_string_equal(checkpoint_finding(checkpoint, 0)->kind, "duplicate");
    checkpoint_unref(checkpoint);
}

/* -- Malformed ------------------------------------------------------------------------- */

static void test_data_that_does_not_fit_the_shape(void **state)
{
    (void)state;
    Text one = {0}, shape = {0};
    put_number(&shape, 1, 3);
    put_message(&one, 7, &shape);
    put_float(&one, 5, 1);
    refuse_blob(&one, ERR_FORMAT,
                "tensor 'conv.0': shape [3] f32 needs 12 bytes, the storage has 4");
    put_number(&shape, 1, 1);
    put_message(&one, 7, &shape);
    put_float(&one, 5, 1);
    put_float(&one, 5, 2);
    refuse_blob(&one, ERR_FORMAT, "tensor 'conv.0': its shape needs 4 bytes, its data has 8");
    one = (Text){0};
    refuse_blob(&one, ERR_FORMAT, "tensor 'conv.0': shape [] f32 needs 4 bytes");
}

static void test_shapes_that_are_absurd(void **state)
{
    (void)state;
    Text one = {0};
    put_number(&one, 1, (uint64_t)-1);
    refuse_blob(&one, ERR_FORMAT, "has a negative size in dim 0");
    for (unsigned i = 1; i <= 4; i++) put_number(&one, i, 1 << 30);
    refuse_blob(&one, ERR_FORMAT, "has more bytes than 63 bits can count");
    Text shape = {0};
    for (int i = 0; i < 33; i++) put_number(&shape, 1, 1);
    put_message(&one, 7, &shape);
    refuse_blob(&one, ERR_LIMIT, "more than 32 dimensions");
}

static void test_numbers_of_the_wrong_kind(void **state)
{
    (void)state;
    Text one = {0};
    put_number(&one, 5, 1);
    refuse_blob(&one, ERR_FORMAT, "the numbers of field 5 have the type 0");
    put_bytes(&one, 5, "abcde", 5);
    refuse_blob(&one, ERR_FORMAT, "5 bytes, which hold no whole number of 4-byte values");
    put_bytes(&one, 7, "\x0A\x09", 2);
    refuse_blob(&one, ERR_FORMAT, "field 1 claims 9 bytes");
}

static void test_a_network_without_weights(void **state)
{
    (void)state;
    Text net = {0};
    put_text(&net, 1, "Topology");
    put_layer(&net, "a", "Convolution", NULL, 0);
    refuse_net(&net, ERR_FORMAT, "a topology without weights");
}

/* "a.0" of layer "a" twice over: by a layer that is called "a#2". */
static void test_names_that_collide(void **state)
{
    (void)state;
    static const int64_t one[] = {1};
    Text net = {0}, blobs[] = {blob(one, 1, 1), blob(one, 1, 1), blob(one, 1, 1)};
    put_layer(&net, "a#2", "Convolution", &blobs[0], 1);
    put_layer(&net, "a", "Convolution", &blobs[1], 1);
    put_layer(&net, "a", "Convolution", &blobs[2], 1);
    refuse_net(&net, ERR_FORMAT, "tensor 'a#2.0': stands twice");
}

/* One name of 60 kB before each of many blobs of few bytes would be gigabytes. */
static void test_names_are_paid_for(void **state)
{
    (void)state;
    enum { NAME = 60000, BLOBS = 2000 };
    Text net = {0}, layer = {0}, name = {0};
    for (int i = 0; i < NAME; i++) text_addc(&name, 'n');
    put_message(&layer, 1, &name);
    put_text(&layer, 2, "Convolution");
    for (int i = 0; i < BLOBS; i++) {
        Text one = {0};
        put_float(&one, 5, 1);
        put_message(&layer, 7, &one);
    }
    put_message(&net, 100, &layer);
    refuse_net(&net, ERR_LIMIT, "the bytes of its blobs' names");
}

static void test_too_many_blobs(void **state)
{
    (void)state;
    static const int64_t one[] = {1};
    Error err;
    Text net = {0}, blobs[] = {blob(one, 1, 1), blob(one, 1, 1), blob(one, 1, 1)};
    put_layer(&net, "a", "Convolution", blobs, 3);
    assert_true(limit_set("tensors=2", &err));
    refuse_net(&net, ERR_LIMIT, "--limit tensors=N allows more");
    assert_true(limit_set("tensors=16M", &err));
}

static void test_truncation_at_every_byte(void **state)
{
    (void)state;
    static const int64_t sizes[] = {3};
    Text net = {0};
    put_text(&net, 1, "CutNet");
    Text first = blob(sizes, 1, 1), second = blob(sizes, 1, 4);
    put_layer(&net, "a", "Convolution", &first, 1);
    size_t whole_layer = net.length;
    put_layer(&net, "b", "Convolution", &second, 1);
    for (size_t n = 1; n < net.length; n++) {
        Text cut = {0};
        Error err;
        text_addn(&cut, net.bytes, n);
        Checkpoint *checkpoint = open_text(&cut, "cut.caffemodel", &err);
        assert_int_equal(checkpoint != NULL, n == whole_layer);
        if (!checkpoint) assert_true(has_prefix(err.text, "cut.caffemodel: "));
        if (n > whole_layer + 3 && !checkpoint) assert_error_has(err, "the file is cut short");
        checkpoint_unref(checkpoint);
    }
    text_done(&net);
}

/* TensorFlow's GraphDef also begins with fields 1 and may have a field 2. */
static void test_what_only_looks_like_a_network(void **state)
{
    (void)state;
    Text graph = {0}, one = {0};
    Error err;
    for (int i = 0; i < 3; i++) {
        put_text(&one, 1, "node");
        put_text(&one, 2, "Const");
        put_message(&graph, 1, &one);
    }
    put_text(&graph, 4, "");
    assert_null(open_text(&graph, "frozen.pb", &err));
    assert_error_has(err, "frozen.pb: a TensorFlow graph (GraphDef)");
    put_text(&graph, 1, "name");
    put_text(&graph, 100, "\x0A\x01x");
    assert_null(open_text(&graph, "x.pb", &err));
    assert_error_has(err, "x.pb: no format that tenon knows");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_and_their_blobs),
        cmocka_unit_test(test_the_file_s_own_names_are_chosen),
        cmocka_unit_test(test_batch_norm_is_divided_by_its_factor),
        cmocka_unit_test(test_old_layers_with_four_sizes),
        cmocka_unit_test(test_the_oldest_layers),
        cmocka_unit_test(test_doubles_and_scalars),
        cmocka_unit_test(test_layers_of_one_name),
        cmocka_unit_test(test_data_that_does_not_fit_the_shape),
        cmocka_unit_test(test_shapes_that_are_absurd),
        cmocka_unit_test(test_numbers_of_the_wrong_kind),
        cmocka_unit_test(test_a_network_without_weights),
        cmocka_unit_test(test_names_that_collide),
        cmocka_unit_test(test_names_are_paid_for),
        cmocka_unit_test(test_too_many_blobs),
        cmocka_unit_test(test_truncation_at_every_byte),
        cmocka_unit_test(test_what_only_looks_like_a_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
