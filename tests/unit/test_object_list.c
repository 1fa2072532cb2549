/* ls --all: every node with its path, once; what is shared or inside of itself is named; deep, wide
 * and long-named trees are listed within their limits, and the listing says so. */
#include "tests/unit/torch_maker.h"

#include "loader/core/limits.h"
#include "loader/format/pickle.h"
#include "repl/object_list.h"

/* The listing of a pickle's tree as JSON; the caller frees. */
static Text list_of(const void *pickle, size_t n)
{
    Arena *arena = arena_new();
    Error err = {0};
    ByteSource *source = source_from_memory(pickle, n, "x");
    Checkpoint *checkpoint = checkpoint_new("x", "torch-zip");
    Object *root = pickle_read(checkpoint_arena(checkpoint), source, 0, NULL, &err);
    if (!root) fail_msg("%s", err.text);
    checkpoint_set_root(checkpoint, root);
    Text out = {0};
    for (int i = 0; i < 2; i++) {        /* twice: the marks are as they were */
        text_clear(&out);
        JsonWriter *json = json_writer_new(&out, false);
        json_map(json);
        object_list_json(checkpoint, json);
        json_end(json);
        json_writer_free(json);
    }
    checkpoint_unref(checkpoint);
    source_unref(source);
    arena_free(arena);
    return out;
}

static void expect(const void *pickle, size_t n, const char *json)
{
    Text out = list_of(pickle, n);
    if (!strstr(out.bytes, json)) fail_msg("%s\nlacks\n%s", out.bytes, json);
    text_done(&out);
}

static void test_values(void **state)
{
    (void)state;
    expect(BYTES("K\5."), "{\"objects\":[{\"path\":\"\",\"value\":\"int 5\",\"kind\":\"int\","
                          "\"data\":5}],\"objects_cut\":{\"deeper\":0,\"more\":0}}");
}

/* What has no objects: metadata as text, then the tensors of the dict that holds all; of other dicts
 * their size. The limit counts the same. */
static void test_formats_without_objects(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *checkpoint = checkpoint_new("x", "gguf");
    StateDict *all = dict_new(), *part = dict_new();
    const Tensor tensor = {.name = "w", .dtype = DT_F32};
    dict_add_metadata(all, "general.name", "tiny");
    assert_true(dict_add(all, &tensor));
    checkpoint_add_container(checkpoint, "", all, 0, false);
    checkpoint_add_container(checkpoint, "part", part, 0, false);
    static const char *const wanted[] = {
        "{\"objects\":[{\"path\":\"\",\"value\":\"dict (2)\",\"kind\":\"dict\"},{\"path\":"
        "\"general.name\",\"value\":\"str \\\"tiny\\\"\",\"kind\":\"str\",\"data\":\"tiny\"},"
        "{\"path\":\"w\",\"value\":\"tensor f32 ",
        "{\"path\":\"part\",\"value\":\"dict (0)\",\"kind\":\"dict\"}],\"objects_cut\":{"
        "\"deeper\":0,\"more\":0}}",
        "\"objects_cut\":{\"deeper\":0,\"more\":3}}"};
    for (size_t i = 0; i < countof(wanted); i++) {
        if (i == 2) assert_true(limit_set("objects=1", &err));
        Text out = {0};
        JsonWriter *json = json_writer_new(&out, false);
        json_map(json);
        object_list_json(checkpoint, json);
        json_end(json);
        json_writer_free(json);
        if (!strstr(out.bytes, wanted[i])) fail_msg("%s\nlacks\n%s", out.bytes, wanted[i]);
        text_done(&out);
    }
    assert_true(limit_set("objects=1000000", &err));
    checkpoint_unref(checkpoint);
}

static void test_paths(void **state)
{
    (void)state;
    expect(BYTES("}(X\1\0\0\0a](K\1)eK\5\x88X\3\0\0\0b.cNu."),
           "\"path\":\"a[0]\",\"value\":\"int 1\",\"kind\":\"int\",\"data\":1},"
           "{\"path\":\"a[1]\",\"value\":\"tuple (0)\",\"kind\":\"tuple\"},"
           "{\"path\":\"[5]\",\"value\":\"True\",\"kind\":\"bool\",\"data\":true},"
           "{\"path\":\"[\\\"b.c\\\"]\",\"value\":\"None\",\"kind\":\"none\"}");
    expect(BYTES("ca\nB\n(K\1K\2t\x81}X\1\0\0\0xK\3sbK\4K\5s."),
           "{\"path\":\"\",\"value\":\"a.B (1)\",\"kind\":\"object\"},"
           "{\"path\":\"<state>\",\"value\":\"dict (1)\",\"kind\":\"dict\"},"
           "{\"path\":\"<state>.x\",\"value\":\"int 3\",\"kind\":\"int\",\"data\":3},"
           "{\"path\":\"[4]\",\"value\":\"int 5\",\"kind\":\"int\",\"data\":5},"
           "{\"path\":\"<args>\",\"value\":\"tuple (2)\",\"kind\":\"tuple\"}");
}

static void test_shared_and_cyclic_nodes(void **state)
{
    (void)state;
    expect(BYTES("](]q\1h\1]q\2h\2a}X\1\0\0\0kh\2se."),
           "{\"path\":\"[1]\",\"value\":\"list (0)\",\"kind\":\"list\",\"same_as\":\"[0]\","
           "\"cycle\":false},{\"path\":\"[2]\",\"value\":\"list (1)\",\"kind\":\"list\"},"
           "{\"path\":\"[2][0]\",\"value\":\"list (1)\",\"kind\":\"list\",\"same_as\":\"[2]\","
           "\"cycle\":true},{\"path\":\"[3]\",\"value\":\"dict (1)\",\"kind\":\"dict\"},"
           "{\"path\":\"[3].k\",\"value\":\"list (1)\",\"kind\":\"list\",\"same_as\":\"[2]\","
           "\"cycle\":false}");
}

static void test_deep_trees(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    Text deep = {0};
    for (int i = 0; i < DEPTH; i++) text_addc(&deep, ']');
    for (int i = 1; i < DEPTH; i++) text_addc(&deep, 'a');
    text_addc(&deep, '.');
    expect(deep.bytes, deep.length, "\"deeper\":true}],\"objects_cut\":{\"deeper\":1,\"more\":0}}");
    text_done(&deep);
}

/* A key of a hundred thousand bytes above as many items: its path is not repeated for each. */
static void test_long_names_above_many_items(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    Text wide = {0};
    text_add(&wide, "}X");
    put(&wide, MANY, 4);
    for (int i = 0; i < MANY; i++) text_addc(&wide, 'k');
    text_add(&wide, "](");
    for (int i = 0; i < MANY; i++) text_add(&wide, "]");
    text_add(&wide, "es.");
    Text out = list_of(wide.bytes, wide.length);
    assert_true(out.length < (size_t)MANY * 1200);
    text_done(&out);
    text_done(&wide);
}

static void test_the_limit_of_objects(void **state)
{
    (void)state;
    Error err;
    assert_true(limit_set("objects=3", &err));
    expect(BYTES("](K\1K\2K\3K\4e."), "\"objects_cut\":{\"deeper\":0,\"more\":2}}");
    assert_true(limit_set("objects=1M", &err));
}

static void test_tensors_say_where_they_lie(void **state)
{
    (void)state;
    Text pickle = {0}, out = {0};
    Error err = {0};
    text_add(&pickle, "\x80\x02}");
    put_text(&pickle, "w");
    put_tensor(&pickle, &(Made){.numel = 4, .offset = 1, .dims = {2}, .strides = {1}, .rank = 1});
    text_add(&pickle, "s");
    const float values[4] = {0};
    Checkpoint *checkpoint = open_zip_of(&pickle, values, sizeof values, &err);
    assert_non_null(checkpoint);
    JsonWriter *json = json_writer_new(&out, false);
    json_map(json);
    object_list_json(checkpoint, json);
    json_end(json);
    json_writer_free(json);
    assert_non_null(strstr(out.bytes, "\"value\":\"tensor f32 2, storage 0 from byte 4\","
                                      "\"kind\":\"tensor\",\"dtype\":\"f32\",\"shape\":[2],"
                                      "\"storage\":0,\"offset\":4}"));
    text_done(&out);
    checkpoint_unref(checkpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_formats_without_objects),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_shared_and_cyclic_nodes), cmocka_unit_test(test_deep_trees),
        cmocka_unit_test(test_long_names_above_many_items),
        cmocka_unit_test(test_the_limit_of_objects),
        cmocka_unit_test(test_tensors_say_where_they_lie)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
