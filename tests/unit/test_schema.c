/* Schemas: JSON, and what people print of a state dict; and the texts that are none. */
#include "test.h"

#include <stdlib.h>

#include "loader/core/text.h"
#include "loader/format/format.h"

static Checkpoint *open_text_n(const char *bytes, size_t n, Error *err)
{
    ByteSource *source = source_from_memory(bytes, n, "s.txt");
    Checkpoint *checkpoint = checkpoint_open_source(source, err);
    source_unref(source);
    return checkpoint;
}

static Checkpoint *open_text(const char *text, Error *err)
{
    return open_text_n(text, strlen(text), err);
}

/* Every tensor as "key dtype shape", "; " between them. */
static char *summary(const Checkpoint *checkpoint)
{
    const StateDict *dict = checkpoint_find_container(checkpoint, "")->dict;
    Text out = {0};
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        assert_null(tensor->storage);
        text_addf(&out, "%s%s %s ", i ? "; " : "", tensor->name, dtype_name(tensor->dtype));
        show_shape(tensor->dims, tensor->rank, &out);
    }
    if (!out.bytes) text_add(&out, "");
    return out.bytes;
}

static void expect(const char *text, const char *tensors)
{
    Error err = {0};
    Checkpoint *checkpoint = open_text(text, &err);
    if (!checkpoint) fail_msg("%s\nfor: %s", err.text, text);
    assert_string_equal(checkpoint_format(checkpoint), "schema");
    assert_int_equal(checkpoint_file_bytes(checkpoint), 0);
    char *found = summary(checkpoint);
    assert_string_equal(found, tensors);
    free(found);
    checkpoint_unref(checkpoint);
}

static void refuse(const char *text, ErrorCode code, const char *words)
{
    Error err = {0};
    Checkpoint *checkpoint = open_text(text, &err);
    if (checkpoint) fail_msg("opened: %s", text);
    assert_error_has(err, words);
    assert_int_equal(err.code, code);
    assert_true(has_prefix(err.text, "s.txt: "));
}

/* -- JSON ------------------------------------------------------------------------------ */

static void test_json(void **state)
{
    (void)state;
    expect("{\"tensors\":[{\"key\":\"head.fc.weight\",\"dtype\":\"f32\",\"shape\":[200,2048]},"
           "{\"key\":\"a\",\"shape\":[]},{\"key\":\"b\",\"dtype\":\"bf16\",\"shape\":null},"
           "{\"shape\":[3],\"dtype\":null,\"key\":\"c\"},{\"key\":\"d\"}]}",
           "head.fc.weight f32 200×2048; a ? scalar; b bf16 ?; c ? 3; d ? ?");
    expect(" \n{\"tensors\": []}", "");
    expect("\xEF\xBB\xBF{\"tensors\": [{\"key\": \"a\", \"shape\": [1]}]}", "a ? 1");
}

static void test_json_of_ls(void **state)
{
    (void)state;
    expect("{\"version\":1,\"path\":\"a.pth\",\"format\":\"torch-zip\",\"container\":\"\","
           "\"metadata\":"
           "{\"tensors\":[1,{\"key\":2}]},\"tensors\":[{\"key\":\"w\\udce9\",\"dtype\":\"i64\","
           "\"shape\":[2,3],"
           "\"strides\":[3,1],\"offset\":0,\"bytes\":48,\"storage\":0,\"stats\":{\"min\":1.5,\"l\":"
           "[[]]}}],"
           "\"later\":[{\"key\":1}]}",
           "w\xE9 i64 2×3");
}

static void test_json_dtype_names(void **state)
{
    (void)state;
    expect("{\"tensors\":[{\"key\":\"a\",\"dtype\":\"torch.float32\",\"shape\":[1]},"
           "{\"key\":\"b\",\"dtype\":\"F16\",\"shape\":[1]},{\"key\":\"c\",\"dtype\":\"?\","
           "\"shape\":[1]}]}",
           "a f32 1; b f16 1; c ? 1");
}

static void test_json_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *entry, *words;
    } cases[] = {
        {"{\"key\":\"a\",\"shape\":[-1]}",
         "tensor 'a': 'shape' may hold only whole numbers from 0"},
        {"{\"key\":\"a\",\"shape\":[1.5]}", "whole numbers"},
        {"{\"key\":\"a\",\"shape\":[\"1\"]}", "whole numbers"},
        {"{\"key\":\"a\",\"shape\":[9223372036854775808]}", "whole numbers"},
        {"{\"key\":\"a\",\"shape\":\"2x3\"}", "'shape' must be a list"},
        {"{\"key\":\"a\",\"dtype\":\"f31\",\"shape\":[1]}", "'f31' is no dtype"},
        {"{\"key\":\"a\",\"dtype\":1,\"shape\":[1]}", "'dtype' must be a string"},
        {"{\"key\":1,\"shape\":[1]}", "'key' must be a string"},
        {"{\"shape\":[1]}", "a tensor without 'key'"},
        {"{\"key\":\"a\",\"key\":\"b\"}", "stands twice"},
        {"{\"key\":\"a\",\"shape\":[1],\"shape\":[2]}", "'a': a field stands twice"},
        {"\"a\"", "each of 'tensors' must be an object"},
        {"{\"key\":\"a\"},{\"key\":\"a\"}", "tensor 'a': stands twice (byte 35)"},
        {"{\"key\":\"a\",\"shape\":[4611686018427387904,4]}", "tensor 'a': "},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Text text = {0};
        text_addf(&text, "{\"tensors\":[%s]}", cases[i].entry);
        refuse(text_string(&text), ERR_FORMAT, cases[i].words);
        text_done(&text);
    }
    refuse("{\"tensors\":{}}", ERR_FORMAT, "'tensors' must be a list");
    refuse("{\"tensors\":[]", ERR_FORMAT, "malformed JSON");
    refuse("{\"tensors\":[],\"tensors\":[]}", ERR_FORMAT, "stands twice");
}

static void test_json_that_is_no_schema(void **state)
{
    (void)state;
    refuse("{\"hidden_size\": 768, \"layers\": {\"tensors\": []}}", ERR_FORMAT,
           "neither a schema (it has no \"tensors\") nor the index of a sharded model");
    refuse("{\"hidden_size\": 768, \"layers\": 12}", ERR_FORMAT, "its keys: hidden_size, layers");
    refuse("{\"sizes\": [1, 2], \"layers\": [3]}", ERR_FORMAT, "its keys: sizes, layers");
    refuse("{\"hidden_size\": }", ERR_FORMAT, "malformed JSON");
    refuse("{\"error\":\"Repository not found\"}", ERR_FORMAT, "a server's error message");
}

/* An index whose shards are absent: in memory there are none. */
static void test_index_without_shards(void **state)
{
    (void)state;
    expect("{\"metadata\":{\"total_size\":12.0,\"x\":[{}]},\"weight_map\":{\"b\":\"model-00001-of-"
           "00002.bin\","
           "\"a\":\"model-00002-of-00002.bin\"},\"more\":{\"weight_map\":[]}}",
           "b ? ?; a ? ?");
}

static void test_index_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *map, *words;
    } cases[] = {
        {"{\"a\":\"../x.bin\"}", "'../x.bin' is no name of a shard"},
        {"{\"a\":\"/etc/x.bin\"}", "is no name of a shard"},
        {"{\"a\":\"x\\\\y.bin\"}", "is no name of a shard"},
        {"{\"a\":\"..\"}", "is no name of a shard"},
        {"{\"a\":\"\"}", "is no name of a shard"},
        {"{\"a\":\"x\\u0000.bin\"}", "is no name of a shard"},
        {"{\"a\":\"x\\n.bin\"}", "'x\\n.bin' is no name of a shard"},
        {"{\"a\":1}", "must give a file name for each tensor"},
        {"{\"a\":null}", "must give a file name for each tensor"},
        {"[]", "'weight_map' must be an object"},
        {"{}", "names no tensor"},
        {"{\"a\":\"x.bin\",\"a\":\"x.bin\"}", "tensor 'a': stands twice"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Text text = {0};
        text_addf(&text, "{\"weight_map\":%s}", cases[i].map);
        refuse(text_string(&text), ERR_FORMAT, cases[i].words);
        text_done(&text);
    }
    refuse("{\"metadata\":1,\"weight_map\":{\"a\":\"x.bin\"}}", ERR_FORMAT,
           "'metadata' must be an object");
    refuse("{\"metadata\":{\"total_size\":\"1\"},\"weight_map\":{\"a\":\"x.bin\"}}", ERR_FORMAT,
           "'total_size' must be a number");
}

/* -- Text ------------------------------------------------------------------------------ */

static void test_lines(void **state)
{
    (void)state;
    expect("head.fc.weight torch.Size([200, 2048])\nhead.fc.bias torch.Size([200])\n",
           "head.fc.weight ? 200×2048; head.fc.bias ? 200");
    expect("a torch.Size([])", "a ? scalar");
    expect("a (200, 2048)\nb (3,)\nc ()\nd (0, 5)\ne [2, 3]\n",
           "a ? 200×2048; b ? 3; c ? scalar; d ? 0×5; e ? 2×3");
    expect("\n# a comment\na (1,)\r\n\r\n   \nb (2,)\r\n", "a ? 1; b ? 2");
    expect("\xEF\xBB\xBF"
           "a (1,)\n",
           "a ? 1");
}

static void test_columns(void **state)
{
    (void)state;
    expect(
        "a.b\tf32\t2,3\nc\ti64\t\nd\tbf16\t7\ne\t?\t2x3\nf\tu8\t64×3×7×7\ng\tf16\t()\nh\tf32\t?\n",
        "a.b f32 2×3; c i64 scalar; d bf16 7; e ? 2×3; f u8 64×3×7×7; g f16 scalar; h f32 ?");
    expect("a key with spaces\tf32\t2,3\n", "a key with spaces f32 2×3");
    expect("conv1.weight \t torch.Size([6, 3, 5, 5])\n", "conv1.weight ? 6×3×5×5");
    expect("key\tdtype\tshape\tmin\nw\tf32\t3x2\t-0.5\nn\ti64\t()\t-\n", "w f32 3×2; n i64 scalar");
}

static void test_separators_and_dtypes(void **state)
{
    (void)state;
    expect("a: torch.Size([2])\nb:torch.Size([3])\nc:(4, 5)\nd = (6,)\ne -> [7]\nf | (8,)\n",
           "a ? 2; b ? 3; c ? 4×5; d ? 6; e ? 7; f ? 8");
    expect("a torch.Size([2]) torch.float32\nb torch.float16 torch.Size([3])\nc: (4,), f64\n"
           "d bfloat16 (5,)\ne  f32  6×7  168 B\n",
           "a f32 2; b f16 3; c f64 4; d bf16 5; e f32 6×7");
    expect("a torch.Size([2, 3]) 6\nb torch.Size([2]) torch.float32 cuda:0 True\n",
           "a ? 2×3; b f32 2");
}

static void test_printed_lists_and_dicts(void **state)
{
    (void)state;
    expect(
        "[('a.w', torch.Size([1, 2])),\n ('a.b', torch.Size([])),\n (\"it's\", torch.Size([3]))]\n",
        "a.w ? 1×2; a.b ? scalar; it's ? 3");
    expect("{'a': torch.Size([1]), 'b': torch.Size([2, 3]), 'c d': torch.Size([])}",
           "a ? 1; b ? 2×3; c d ? scalar");
    expect("OrderedDict([('a', torch.Size([1])),\n             ('b', torch.Size([2]))])\n",
           "a ? 1; b ? 2");
    expect("{\n  'a': (1, 2),\n  'b': (3,),\n}\n", "a ? 1×2; b ? 3");
    expect("[('a', torch.Size([1])), ('b', torch.Size([2]))]", "a ? 1; b ? 2");
    expect("\"a\": [1, 2]\n", "a ? 1×2");
}

static void test_escapes_in_keys(void **state)
{
    (void)state;
    expect("'a\\n\\x41\\u00e9\\'\\\\' (1,)\n", "a\nA\xC3\xA9'\\ ? 1");
    expect("'n\\x00l' (1,)\nplain\\udce9\\x41 (2,)\n", "n\xC0\x80l ? 1; plain\xE9\\x41 ? 2");
}

static void test_titles_are_skipped_and_told(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *checkpoint = open_text("Model's state_dict:\n---\na (1,)\n", &err);
    if (!checkpoint) fail_msg("%s", err.text);
    assert_int_equal(checkpoint_finding_count(checkpoint), 1);
    assert_non_null(strstr(checkpoint_finding(checkpoint, 0)->what, "'Model's state_dict:'"));
    checkpoint_unref(checkpoint);
}

static void test_damaged_lines(void **state)
{
    (void)state;
    refuse("a (1,)\nb (2,\nc (3,)\n", ERR_FORMAT, "line 2 is 'b (2,'");
    refuse("a torch.Size([1, 2])\nb torch.Size([1, -2])\n", ERR_FORMAT,
           "line 2 is 'b torch.Size([1, -2])'");
    refuse("b torch.Size([1\na (1,)\n", ERR_FORMAT, "line 1 is");
    refuse("a (1,)\nTotal params: 3\n", ERR_FORMAT, "line 2 is 'Total params: 3'");
    refuse("a (1,) (2,)\nb (1,)\n", ERR_FORMAT, "line 1");
    refuse("a (1,)\nb (99999999999999999999,)\n", ERR_FORMAT, "line 2");
    refuse("a (1,)\nb f33 (1,)\n", ERR_FORMAT, "line 2");
    refuse("a (1,)\nb (1,)\na (2,)\n", ERR_FORMAT, "tensor 'a': stands twice (line 3)");
    refuse("a (1,)\nb\xFF (1,)\n", ERR_FORMAT, "line 2 is no UTF-8 text");
    refuse("a (1,)\nb (4611686018427387904, 4)\n", ERR_FORMAT, "tensor 'b': ");
    refuse("a (1,)\nb (4611686018427387904, 4)\n", ERR_FORMAT, "(line 2)");
}

static void test_advice(void **state)
{
    (void)state;
    refuse("a (1,)\nhm\n", ERR_FORMAT,
           "a line should look like: head.fc.weight torch.Size([200, 2048])");
}

static void test_text_that_is_no_listing(void **state)
{
    (void)state;
    refuse("abc", ERR_FORMAT, "neither a checkpoint nor a listing of tensors: line 1 is 'abc'");
    refuse("# only\n# comments\n", ERR_FORMAT, "there is no tensor in it");
    refuse("import torch\nimport sys\nx = torch.zeros(3)\nprint(x)\ndef f(a, b):\n", ERR_FORMAT,
           "neither");
    refuse("Dear all,\nthe model (v2) is better.\nIt has (1, 2) heads and that is that.\n",
           ERR_FORMAT, "neither");
    Text line = {0};
    for (int i = 0; i < 500; i++) text_add(&line, "word ");
    Error err = {0};
    assert_null(open_text(text_string(&line), &err));
    assert_error_has(err, "…");
    assert_true(strlen(err.text) < 400);
    text_done(&line);
}

static void test_many_dimensions(void **state)
{
    (void)state;
    Text line = {0};
    text_add(&line, "a (1");
    for (int i = 0; i < TENSOR_RANK_MAX; i++) text_add(&line, ", 1");
    text_add(&line, ")\n");
    refuse(text_string(&line), ERR_FORMAT, "line 1");
    text_done(&line);
}

/* No prefix of a listing may crash or pass for something else than listing or refusal. */
static void test_every_prefix(void **state)
{
    (void)state;
    static const char text[] =
        "{'a\\x41': torch.Size([1, 2]), \"b\": (3,)}\nc\tf32\t2,3\nd torch.float16 (4,)\n";
    for (size_t n = 1; n < sizeof text; n++) {
        char *exact = malloc(n);
        assert_non_null(exact);
        memcpy(exact, text, n);
        Error err = {0};
        Checkpoint *checkpoint = open_text_n(exact, n, &err);
        assert_true(checkpoint || err.code != ERR_NONE);
        checkpoint_unref(checkpoint);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_of_ls),
        cmocka_unit_test(test_json_dtype_names),
        cmocka_unit_test(test_json_that_is_wrong),
        cmocka_unit_test(test_json_that_is_no_schema),
        cmocka_unit_test(test_index_without_shards),
        cmocka_unit_test(test_index_that_is_wrong),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_separators_and_dtypes),
        cmocka_unit_test(test_printed_lists_and_dicts),
        cmocka_unit_test(test_escapes_in_keys),
        cmocka_unit_test(test_titles_are_skipped_and_told),
        cmocka_unit_test(test_damaged_lines),
        cmocka_unit_test(test_advice),
        cmocka_unit_test(test_text_that_is_no_listing),
        cmocka_unit_test(test_many_dimensions),
        cmocka_unit_test(test_every_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
