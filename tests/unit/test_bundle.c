/* Bundles over a draft, and what auto{…} makes of the ledger. Which pairs are found is no matter of
 * these tests. */
#include "tests/unit/scripts.h"

#include "loader/align/bundle.h"

#define NAMES(...)                                                                      \
    {.names = (const char *const[]){__VA_ARGS__},                                       \
     .count = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)}
#define TARGETS(...)                                                                    \
    .targets = (const char *const[]){__VA_ARGS__},                                      \
    .target_count = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)

/* Carries bundles out and closes the ledger. */
static void carry_out(Bench *bench, const Bundle *bundles, size_t n, bool *done)
{
    Error err = {0};
    if (!draft_bundles(bench->draft, (Origin){"auto", 0}, bundles, n, done, &err))
        fail_msg("%s", err.text);
    bench_finish(bench);
    assert_non_null(bench->alignment);
}

static const Binding *find(const Bench *bench, const char *name)
{
    const Binding *binding = align_find(bench->alignment, name);
    assert_non_null(binding);
    return binding;
}

static void test_names_that_cross_are_no_collision(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "a f32 2;b f32 2", "a f32 2;b f32 2", NULL);
    const NameList a = NAMES("a"), b = NAMES("b");
    const Bundle bundles[] = {{.sources = &a, .source_count = 1, TARGETS("b")},
                              {.sources = &b, .source_count = 1, TARGETS("a")}};
    bool done[2];
    carry_out(&bench, bundles, 2, done);
    assert_true(done[0] && done[1]);
    bench_binding(&bench, "a", "loaded", "b");
    bench_binding(&bench, "b", "loaded", "a");
    assert_int_equal(find(&bench, "a")->how, HOW_AUTO);
    assert_string_equal(find(&bench, "a")->step->from, "b");
    assert_int_equal(align_collision_count(bench.alignment), 0);
    bench_close(&bench);
}

static void test_ops_are_those_of_rules(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "qkv f32 6,4;e.0 f32 2,3;e.1 f32 2,3",
               "q f32 2,4;k f32 2,4;v f32 2,4;all f32 2,2,3", NULL);
    const NameList qkv = NAMES("qkv"), experts = NAMES("e.0", "e.1");
    const Op split = {.kind = OP_SPLIT, .number = 3, .has_number = true};
    const Op stack = {.kind = OP_STACK, .axis = 0, .has_axis = true};
    const Bundle bundles[] = {
        {.sources = &qkv, .source_count = 1, TARGETS("q", "k", "v"), .ops = &split, .op_count = 1},
        {.sources = &experts, .source_count = 1, TARGETS("all"), .ops = &stack, .op_count = 1}};
    bool done[2];
    carry_out(&bench, bundles, 2, done);
    assert_true(done[0] && done[1]);
    bench_binding(&bench, "k", "loaded", "qkv");
    bench_binding(&bench, "all", "loaded", "e.0, e.1");
    assert_string_equal(find(&bench, "k")->step->ops, "split(3)[1]");
    assert_string_equal(find(&bench, "all")->step->from, "e.0, e.1");
    bench_close(&bench);
}

static void test_a_misfit_changes_nothing_and_is_said(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "a f32 2,3;c f32 4", "b f32 3,2;c f32 4", NULL);
    const NameList a = NAMES("a"), gone = NAMES("gone");
    const Bundle bundles[] = {{.sources = &a, .source_count = 1, TARGETS("b")},
                              {.sources = &gone, .source_count = 1, TARGETS("b")},
                              {.sources = &a, .source_count = 1, TARGETS("b", "c")}};
    bool done[3];
    carry_out(&bench, bundles, 3, done);
    assert_false(done[0] || done[1] || done[2]);
    bench_binding(&bench, "c", "loaded", "c");
    assert_int_equal(find(&bench, "b")->status, BIND_MISSING);
    assert_int_equal(align_note_count(bench.alignment), 3);
    assert_non_null(strstr(align_note(bench.alignment, 0)->text, "2×3 is not 3×2"));
    assert_non_null(strstr(align_note(bench.alignment, 1)->text, "no key 'gone'"));
    assert_non_null(strstr(align_note(bench.alignment, 2)->text, "1 tensors for 2 targets"));
    bench_close(&bench);
}

static void test_one_target_is_made_once(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "a f32 2;c f32 2", "b f32 2", NULL);
    const NameList a = NAMES("a"), c = NAMES("c");
    const Bundle bundles[] = {{.sources = &a, .source_count = 1, TARGETS("b")},
                              {.sources = &c, .source_count = 1, TARGETS("b")}};
    bool done[2];
    carry_out(&bench, bundles, 2, done);
    assert_true(done[0]);
    assert_false(done[1]);
    bench_binding(&bench, "b", "loaded", "a");
    bench_close(&bench);
}

/* The key that has the name of a target which another one fills is unused, and no collision. */
static void test_a_displaced_key_is_unused(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "norm f32 3;other f32 2", "norm f32 2", NULL);
    const NameList other = NAMES("other");
    const Bundle bundle = {.sources = &other, .source_count = 1, TARGETS("norm")};
    bool done;
    carry_out(&bench, &bundle, 1, &done);
    assert_true(done);
    bench_binding(&bench, "norm", "loaded", "other");
    const SourceUse *use = align_find_use(bench.alignment, "norm");
    assert_int_equal(use->status, USE_UNUSED);
    assert_string_equal(use->reason, "another tensor goes to the target of its name");
    assert_int_equal(align_exit(bench.alignment), 0);
    bench_close(&bench);
}

static void test_names_are_quoted_where_they_must_be(void **state)
{
    (void)state;
    const NameList odd = NAMES("a b", "c*");
    const Op t = {.kind = OP_T};
    const Bundle bundle = {.sources = &odd, .source_count = 1, TARGETS("d"), .ops = &t,
                           .op_count = 1};
    Text text = {0};
    bundle_show(&bundle, &text);
    assert_string_equal(text_string(&text), "\"a b\", \"c*\" -> d |> T");
    text_done(&text);
}

/* ---- auto{…} ---- */

/* What a rule says of a key stands, however the others are found. */
static void test_rules_come_first(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "m.0.up.weight f32 8,4;m.0.down.weight f32 8,4",
               "n.0.down.weight f32 8,4;n.0.up.weight f32 8,4", NULL);
    const char code[] = "rules [[ m.{i}.up.weight -> n.{i}.down.weight ]] auto{}";
    assert_true(bench_run(&bench, code, "rules.lua"));
    bench_finish(&bench);
    bench_binding(&bench, "n.0.down.weight", "loaded", "m.0.up.weight");
    assert_int_equal(find(&bench, "n.0.down.weight")->how, HOW_RULE);
    assert_true(align_is_automatic(bench.alignment));
    bench_close(&bench);
}

static void test_several_statements_add_up(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "a f32 2", "a f32 2", NULL);
    assert_true(bench_run(&bench, "auto{say={\"x=y\"}, assume=\"tf\"}", "rules.lua"));
    const char more[] = "auto{say={[\"u\"]=\"v\", [\"b\"]=false}, order=false}";
    assert_true(bench_run(&bench, more, "more.lua"));
    bench_finish(&bench);
    bench_binding(&bench, "a", "loaded", "a");
    assert_int_equal(align_exit(bench.alignment), 0);
    bench_note(&bench, "say x=y: no key of the source has 'x' in its name");
    bench_note(&bench, "say u=v: no key of the source has 'u' in its name");
    bench_close(&bench);
}

static void assert_refused(const char *code, const char *words)
{
    Bench bench;
    bench_open(&bench, "a f32 2", "a f32 2", NULL);
    assert_false(bench_run(&bench, code, "rules.lua"));
    if (!strstr(bench.err.text, words)) fail_msg("'%s' is not in '%s'", words, bench.err.text);
    bench_close(&bench);
}

static void test_what_it_refuses(void **state)
{
    (void)state;
    assert_refused("auto{accept=\"all\"}", "accept must be one of \"sure\", \"likely\"");
    assert_refused("auto{assume=\"caffe\"}", "assume must be one of");
    assert_refused("auto{say={\"ab\"}}", "no \"SOURCE=TARGET\"");
    assert_refused("auto{say={\"=b\"}}", "no \"SOURCE=TARGET\"");
    assert_refused("auto{say={\"a=?\"}}", "stands for an answer");
    assert_refused("auto{say={[\"a\"]=3}}", "say: auto: expected text");
    assert_refused("auto{order=1}", "order must be true or false");
    assert_refused("auto(\"likely\")", "expected auto{");
    assert_refused("auto{\"likely\"}", "expected auto{");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_that_cross_are_no_collision),
        cmocka_unit_test(test_ops_are_those_of_rules),
        cmocka_unit_test(test_a_misfit_changes_nothing_and_is_said),
        cmocka_unit_test(test_one_target_is_made_once),
        cmocka_unit_test(test_a_displaced_key_is_unused),
        cmocka_unit_test(test_names_are_quoted_where_they_must_be),
        cmocka_unit_test(test_rules_come_first),
        cmocka_unit_test(test_several_statements_add_up),
        cmocka_unit_test(test_what_it_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
