/* source() and alias(): several files as one, and names that stand for a folder. */
#include "tests/unit/test.h"

#include "tests/unit/align_fixture.h"

#include "loader/format/format.h"

static const char net[] = "tests/data/demo/net.pth", pre[] = "tests/data/demo/pretrain.pth";

static Checkpoint *open_several(const char *a, const char *b, Error *err)
{
    const char *specs[] = {a, b};
    return checkpoint_open_several(specs, b ? 2 : 1, err);
}

static void test_two_files(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *one = checkpoint_open(net, &err), *two = open_several(net, pre, &err);
    if (!one || !two) fail_msg("%s", err.text);
    const Container *whole = checkpoint_choose_weights(two, NULL, &err);
    const Container *part = checkpoint_choose_weights(one, NULL, &err);
    assert_string_equal(whole->path, "");
    assert_int_equal(checkpoint_container_count(two), 1);
    assert_int_equal(dict_count(whole->dict), 116);
    const Tensor *copy = dict_find(whole->dict, "0:head.fc.bias");
    const Tensor *other = dict_find(whole->dict, "1:module.head.fc.bias");
    assert_non_null(copy);
    assert_non_null(other);
    assert_int_equal(copy->storage->bytes, dict_find(part->dict, "head.fc.bias")->storage->bytes);
    assert_int_not_equal(copy->storage->index, other->storage->index);
    assert_true(checkpoint_file_bytes(two) > checkpoint_file_bytes(one));
    float a[200], b[200];
    const Tensor *own = dict_find(part->dict, "head.fc.bias");
    Arena *arena = arena_new();
    assert_true(expr_fill(expr_source(arena, copy), NULL, NULL, a, &err));
    assert_true(expr_fill(expr_source(arena, own), NULL, NULL, b, &err));
    assert_memory_equal(a, b, sizeof a);
    arena_free(arena);
    checkpoint_unref(one);
    checkpoint_unref(two);
}

static void test_a_part_of_a_file(void **state)
{
    (void)state;
    Error err = {0};
    Checkpoint *whole = open_several("tests/data/demo/pretrain.pth::state_dict", NULL, &err);
    if (!whole) fail_msg("%s", err.text);
    assert_non_null(dict_find(checkpoint_container(whole, 0)->dict, "0:module.head.fc.bias"));
    checkpoint_unref(whole);
}

static void assert_closed(const char *a, const char *b, const char *part)
{
    Error err = {0};
    Checkpoint *whole = open_several(a, b, &err);
    if (whole) fail_msg("%s is open", a);
    assert_error_has(err, part);
}

static void test_refused(void **state)
{
    (void)state;
    assert_closed(net, "tests/none.pth", "tests/none.pth");
    assert_closed("tests/none.pth", net, "tests/none.pth");
    assert_closed(net, "tests/data/demo/pretrain.pth::model", "no dict of tensors at 'model'");
    assert_closed(net, "Makefile", "Makefile");
}

/* model beside ema: which is meant only the user knows. */
static void test_rivals(void **state)
{
    (void)state;
    assert_closed(net, "tests/data/kinds/rivals.pth", "several dicts in it could be meant");
    Error err = {0};
    Checkpoint *whole = open_several(net, "tests/data/kinds/rivals.pth::ema", &err);
    if (!whole) fail_msg("%s", err.text);
    checkpoint_unref(whole);
}

/* ---- alias ---- */

static void assert_alias(const Later *later, const char *name, const char *wanted)
{
    Arena *arena = arena_new();
    Error err = {0};
    const char *path = later_find_alias(later, arena, name, &err);
    if (!wanted) assert_null(path);
    else if (!path || strcmp(path, wanted) != 0)
        fail_msg("%s: %s, not %s", name, path ? path : err.text, wanted);
    if (!wanted) assert_int_equal(err.code, ERR_NONE);
    arena_free(arena);
}

static void test_alias(void **state)
{
    (void)state;
    Later later = {0};
    later_alias(&later, &(AliasRule){"https://host/", "/data"});
    later_alias(&later, &(AliasRule){"https://host/models/", "/models/"});
    later_alias(&later, &(AliasRule){"bucket", "here"});
    assert_alias(&later, "https://host/a.pth", "/data/a.pth");
    assert_alias(&later, "https://host/models/b/a.pth", "/models/b/a.pth");
    assert_alias(&later, "https://host/a.pth::model", "/data/a.pth::model");
    assert_alias(&later, "bucket/a.pth", "here/a.pth");
    assert_alias(&later, "https://other/a.pth", NULL);
    later_alias(&later, &(AliasRule){"bucket", "there"});
    assert_alias(&later, "bucket/a.pth", "there/a.pth");
    later_done(&later);
}

static void test_alias_stays_below(void **state)
{
    (void)state;
    static const char *const names[] = {"x:../a", "x:a/../../b", "x:", "x:a//b", "x:..", "x:a/.",
                                        "x:a\nb"};
    Later later = {0};
    Arena *arena = arena_new();
    later_alias(&later, &(AliasRule){"x:", "/data"});
    for (size_t i = 0; i < countof(names); i++) {
        Error err = {0};
        assert_null(later_find_alias(&later, arena, names[i], &err));
        assert_error_has(err, "is no path below a folder");
    }
    arena_free(arena);
    later_done(&later);
}

/* ---- the statements ---- */

static void assert_script(const char *code, const char *error)
{
    Checkpoint *source = make_source("source.pth", make_dict("a 2"));
    Draft *draft = draft_new(source, NULL, NULL, 0);
    Script *script = script_new(draft, &(ScriptOptions){.json_folder = "tests/data/demo"});
    Error err = {0};
    const bool good = script_run(script, code, strlen(code), "tests/none/fix.lua", &err);
    if (error) assert_error_has(err, error);
    else if (!good) fail_msg("%s: %s", code, err.text);
    assert_int_equal(good, error == NULL);
    script_free(script);
    draft_free(draft);
    checkpoint_unref(source);
}

static void test_statements(void **state)
{
    (void)state;
    assert_script("source 'net.pth' assert(src['0:head.fc.bias'])", NULL);
    assert_script("assert(src.a) source{'net.pth', 'pretrain.pth'} assert(not src.a)\n"
                  "assert(src['1:module.head.fc.bias'])", NULL);
    assert_script("source 'net.pth' source 'pretrain.pth' assert(not src['0:head.fc.bias'])", NULL);
    assert_script("source 'net.pth' strip '0:' assert(src['head.fc.bias'])", NULL);
    assert_script("alias('hub:', 'tests/data/demo') source 'hub:net.pth'", NULL);
    assert_script("source()", "source: expected text, got nothing");
    assert_script("source(1)", "source: expected text, got a number");
    assert_script("source{'net.pth', whole=true}", "there is no field 'whole'");
    assert_script("source 'none.pth'", "source: there is no 'none.pth' in tests/data/demo");
    assert_script("source '../demo/net.pth'", "must be a relative path inside the folder");
    assert_script("source 'https://x/net.pth'", "must be a relative path inside the folder");
    assert_script("prefix 'a.' source 'net.pth'", "it must stand before the statements that change");
    assert_script("source 'pretrain.pth' unwrap 'nowhere'", NULL);   /* it is bare already */
    assert_script("alias('a')", "alias: expected text, got nothing");
    assert_script("alias('a', 'b', 'c')", "3 arguments given");
    assert_script("alias('', 'b')", "neither the prefix nor the folder may be empty");
    assert_script("alias('hub:', '/') source 'hub:../x'", "is no path below a folder");
    assert_script("for i = 1, 100000000 do source 'net.pth' end", "limit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_files),
        cmocka_unit_test(test_a_part_of_a_file),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_rivals),
        cmocka_unit_test(test_alias),
        cmocka_unit_test(test_alias_stays_below),
        cmocka_unit_test(test_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
