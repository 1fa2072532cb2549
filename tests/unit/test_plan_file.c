/* Plans from anybody: one test for each thing that can be wrong with one. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "loader/export/plan_open.h"
#include "tests/unit/tiny_source.h"

#define SOURCE "{\"path\":\"t.safetensors\",\"side\":\"source\",\"container\":\"\"}"
#define OUTPUT "{\"format\":null,\"shards\":null,\"whole\":false,\"metadata\":{}}"
#define TAIL "\"plan\":{\"sources\":[" SOURCE "],\"output\":" OUTPUT "}"

static PlanFile *parse(const char *text, Error *err)
{
    return plan_file_parse(text, strlen(text), "p.json", err);
}

/* The text is refused with these words, as it is read. */
static void refuses(const char *text, const char *words)
{
    Error err = {0};
    PlanFile *file = parse(text, &err);
    plan_file_free(file);
    assert_null(file);
    assert_error_has(err, "p.json: ");
    assert_error_has(err, words);
}

/* One entry "x" with that expression; NULL and the error, or the plan. */
static Plan *open_entry(PlanFile **file, const char *entry, Error *err)
{
    Text text = {0};
    text_addf(&text, "{\"version\":1,\"entries\":[%s],\"source_entries\":[]," TAIL "}", entry);
    *file = parse(text_string(&text), err);
    text_done(&text);
    Checkpoint *source = open_tiny();
    Plan *plan = *file ? plan_open_over(*file, source, NULL, err) : NULL;
    checkpoint_unref(source);
    return plan;
}

static void refuses_entry(const char *entry, const char *words)
{
    Error err = {0};
    PlanFile *file;
    Plan *plan = open_entry(&file, entry, &err);
    plan_free(plan);
    plan_file_free(file);
    assert_null(plan);
    assert_error_has(err, "p.json: ");
    assert_error_has(err, words);
}

static void refuses_expr(const char *expr, const char *words)
{
    Text text = {0};
    text_addf(&text, "{\"target\":\"x\",\"status\":\"loaded\",\"expr\":%s}", expr);
    refuses_entry(text_string(&text), words);
    text_done(&text);
}

/* The expression is read, and written again as it was. */
static void takes(const char *expr)
{
    Error err = {0};
    PlanFile *file;
    Text text = {0}, again = {0};
    text_addf(&text, "{\"target\":\"x\",\"status\":\"loaded\",\"expr\":%s}", expr);
    Plan *plan = open_entry(&file, text_string(&text), &err);
    if (!plan) fail_msg("%s: %s", expr, err.text);
    JsonWriter *writer = json_writer_new(&again, false);
    expr_write_json(plan->entries[0].expr, writer);
    json_writer_free(writer);
    assert_string_equal(text_string(&again), expr);
    text_done(&text);
    text_done(&again);
    plan_free(plan);
    plan_file_free(file);
}

static void test_every_operation_reads_back(void **state)
{
    (void)state;
    takes("[\"src\",\"a\"]");
    takes("[\"cat\",1,[\"src\",\"a\"],[\"src\",\"b\"]]");
    takes("[\"stack\",2,[\"src\",\"a\"],[\"src\",\"b\"]]");
    takes("[\"slice\",0,1,2,[\"src\",\"a\"]]");
    takes("[\"pick\",1,[2,0,0],[\"src\",\"a\"]]");
    takes("[\"permute\",[1,0],[\"src\",\"a\"]]");
    takes("[\"reshape\",[3,2],[\"src\",\"a\"]]");
    takes("[\"cast\",\"bf16\",[\"src\",\"a\"]]");
    takes("[\"mul\",0.1,[\"src\",\"a\"]]");
    takes("[\"mul\",\"inf\",[\"src\",\"a\"]]");
    takes("[\"shift\",\"-inf\",[\"src\",\"a\"]]");
    takes("[\"shift\",\"nan\",[\"src\",\"a\"]]");
    takes("[\"add\",[\"src\",\"a\"],[\"src\",\"b\"]]");
    takes("[\"product\",[\"src\",\"a\"],[\"src\",\"b\"]]");
    takes("[\"quotient\",[\"src\",\"a\"],[\"src\",\"b\"]]");
    takes("[\"matmul\",[\"src\",\"a\"],[\"permute\",[1,0],[\"src\",\"b\"]]]");
    takes("[\"sqrt\",[\"src\",\"a\"]]");
    takes("[\"mean\",0,[\"src\",\"a\"]]");
    takes("[\"sum\",1,[\"src\",\"a\"]]");
    takes("[\"norm\",0,[\"src\",\"a\"]]");
    takes("[\"norm\",null,[\"src\",\"a\"]]");
    takes("[\"repeat\",0,5,[\"mean\",0,[\"src\",\"a\"]]]");
    takes("[\"resize\",0,\"bicubic\",[4],[7],[\"src\",\"q\"]]");
    takes("[\"resize\",1,\"bicubic_aa\",[2,3],[1,5],[\"src\",\"q\"]]");
    takes("[\"cast\",\"f16\",[\"mul\",3.0,[\"cast\",\"f32\",[\"src\",\"h\"]]]]");
    takes("[\"fill\",\"zeros\",{\"dtype\":\"i64\",\"shape\":[2],\"key\":\"x\",\"seed\":0}]");
    takes("[\"fill\",\"const\",{\"value\":\"nan\",\"dtype\":\"f32\",\"shape\":[],\"key\":\"x\","
          "\"seed\":\"18446744073709551615\"}]");
    takes("[\"fill\",\"kaiming\",{\"mode\":\"fan_out\",\"dist\":\"uniform\",\"dtype\":\"f32\","
          "\"shape\":[2,3],\"key\":\"x\",\"seed\":9223372036854775807}]");
    takes("[\"fill\",\"xavier\",{\"dist\":\"normal\",\"dtype\":\"f16\",\"shape\":[2,3],\"key\":\"x\","
          "\"seed\":7}]");
}

static void test_no_json(void **state)
{
    (void)state;
    refuses("", "malformed JSON");
    refuses("{\"version\":1", "malformed JSON");
    refuses("{\"version\":1,\"version\":1}", "stands twice");
    refuses("[]", "no \"plan\"");
    refuses("{}", "a report of --json is none");
    refuses("{\"version\":2," TAIL "}", "\"version\" is not 1");
    refuses("{\"plan\":{}}", "\"version\" is not 1");
}

static void test_too_deep(void **state)
{
    (void)state;
    Text text = {0};
    for (int i = 0; i < 200; i++) text_addc(&text, '[');
    refuses(text_string(&text), "nested deeper than 128");
    text_done(&text);
    text = (Text){0};
    for (int i = 0; i < 110; i++) text_add(&text, "[\"mul\",2.0,");
    text_add(&text, "[\"src\",\"a\"]");
    for (int i = 0; i < 110; i++) text_addc(&text, ']');
    refuses_expr(text_string(&text), "more operations on one tensor than the limit");
    text_done(&text);
}

static void test_sources(void **state)
{
    (void)state;
#define WITH(sources) "{\"version\":1,\"entries\":[],\"plan\":{\"sources\":" sources ",\"output\":" OUTPUT "}}"
    refuses("{\"version\":1,\"plan\":{\"output\":" OUTPUT "}}", "\"sources\" of its \"plan\" are missing");
    refuses(WITH("[]"), "\"sources\" of its \"plan\" are missing");
    refuses(WITH("[" SOURCE ",{\"path\":\"t\",\"number\":1}]"), "first the source, then the target");
    refuses(WITH("[{\"path\":\"t\",\"side\":\"target\"}," SOURCE "]"), "first the source, then the target");
    refuses(WITH("[" SOURCE "," SOURCE "]"), "first the source, then the target");
    refuses(WITH("[{\"path\":\"t\",\"side\":\"target\"}]"), "first the source, then the target");
    refuses(WITH("[1]"), "a source is no object");
    refuses(WITH("[{\"path\":\"\"}]"), "a source has no path");
    refuses(WITH("[{\"path\":\"https://x/y.pth\"}]"), "a source is a URL");
    refuses(WITH("[{\"path\":\"file:///etc/passwd\"}]"), "a source is a URL");
    refuses(WITH("[{\"path\":\"a\\u0000b\"}]"), "control characters");
    refuses(WITH("[{\"path\":\"a\\u001b[2J\"}]"), "control characters");
    refuses(WITH("[{\"path\":\"t\",\"header_sha256\":\"12\",\"size\":1}]"), "header_sha256 that is none");
    refuses(WITH("[{\"path\":\"t\",\"size\":-1,\"header_sha256\":\"0000000000000000000000000000000000"
                 "000000000000000000000000000000\"}]"), "or no size");
#undef WITH
}

static void test_output(void **state)
{
    (void)state;
#define WITH(output) "{\"version\":1,\"entries\":[],\"plan\":{\"sources\":[" SOURCE "],\"output\":" output "}}"
    refuses("{\"version\":1,\"entries\":[],\"plan\":{\"sources\":[" SOURCE "]}}", "no \"output\"");
    refuses(WITH("{\"shards\":[1,2]}"), "\"shards\" have no \"size\"");
    refuses(WITH("{\"shards\":{\"size\":0}}"), "\"shards\" have no \"size\"");
    refuses(WITH("{\"shards\":{\"size\":-5}}"), "\"shards\" have no \"size\"");
    refuses(WITH("{\"metadata\":{\"safetensors\":{\"a\":1}}}"), "holds what is no text");
    refuses(WITH("{\"metadata\":{\"safetensors\":{\"a\":\"\\udc80\"}}}"), "holds what is no text");
    refuses(WITH("{\"metadata\":{\"torch\":1}}"), "no list of nodes");
    refuses(WITH("{\"metadata\":{\"torch\":[]}}"), "no list of nodes");
    refuses(WITH("{\"metadata\":{\"torch\":[[\"str\",\"x\"]]}}"), "is the last and no dict");
    refuses(WITH("{\"metadata\":{\"torch\":[[\"call\",\"os.system\"]]}}"), "no known kind");
    refuses(WITH("{\"metadata\":{\"torch\":[[\"dict\",0,0]]}}"), "node 0 has no known kind or the wrong");
    refuses(WITH("{\"metadata\":{\"torch\":[[\"str\",\"\"],[\"dict\",0]]}}"), "node 1 has no known kind or");
    refuses(WITH("{\"metadata\":{\"torch\":[[\"list\"],[\"dict\",0,0]]}}"), "node 1 has no known kind or");
    refuses(WITH("{\"metadata\":{\"torch\":[[\"int\",1],[\"dict\",0,0]]}}"), "a key that is no text");
    refuses(WITH("{\"meta\":{\"a\":1}}"), "no list of nodes");
    refuses(WITH("{\"meta\":{\"a\":[[\"str\",\"x\"]]}}"), "is the last and no dict");
    refuses(WITH("{\"meta\":{\"a\":[[\"dict\"]]}}"), "an entry of \"meta\" is no value");
    refuses(WITH("{\"meta\":{\"a\":[[\"call\",\"os.system\"]]}}"), "no known kind");
    refuses(WITH("{\"groups\":{}}"), "are no parameter groups");
    refuses(WITH("{\"groups\":{\"groups\":[],\"frozen\":[1]}}"), "are no parameter groups");
    refuses(WITH("{\"groups\":{\"groups\":[{\"params\":[],\"options\":{}}],\"frozen\":[]}}"),
            "are no parameter groups");
    refuses(WITH("{\"groups\":{\"groups\":[{\"params\":[\"a\"]}],\"frozen\":[]}}"),
            "are no parameter groups");
    refuses(WITH("{\"groups\":{\"groups\":[{\"params\":[\"a\"],\"options\":{\"lr\":{}}}],\"frozen\":[]}}"),
            "are no parameter groups");
    refuses(WITH("{\"groups\":{\"groups\":[{\"params\":[\"a\"],\"options\":{\"lr\":[\"x\"]}}],\"frozen\":[]}}"),
            "are no parameter groups");
    refuses(WITH("{\"metadata\":{\"torch\":[[\"int\",1.5],[\"dict\"]]}}"), "node 0 has no known kind or");
    refuses(WITH("{\"metadata\":{\"torch\":[[\"bigint\",\"0g\"],[\"dict\"]]}}"), "node 0 has no known kind or");
    refuses(WITH("{\"metadata\":{\"torch\":[[\"none\",1],[\"dict\"]]}}"), "node 0 has no known kind or");
#undef WITH
}

/* Twenty doublings are a million nodes to whoever walks them. */
static void test_metadata_that_multiplies(void **state)
{
    (void)state;
    Text text = {0};
    text_add(&text, "{\"version\":1,\"entries\":[],\"plan\":{\"sources\":[" SOURCE "],\"output\":"
                    "{\"metadata\":{\"torch\":[[\"list\"]");
    for (int i = 0; i < 20; i++) text_addf(&text, ",[\"list\",%d,%d]", i, i);
    text_add(&text, ",[\"str\",\"\"],[\"dict\",21,20]]}}}}");
    refuses(text_string(&text), "nested too deep, or too large");
    text_done(&text);
    text = (Text){0};
    text_add(&text, "{\"version\":1,\"entries\":[],\"plan\":{\"sources\":[" SOURCE "],\"output\":"
                    "{\"metadata\":{\"torch\":[[\"list\"]");
    for (int i = 0; i < 40; i++) text_addf(&text, ",[\"list\",%d]", i);
    text_add(&text, ",[\"str\",\"\"],[\"dict\",41,40]]}}}}");
    refuses(text_string(&text), "nested too deep, or too large");
    text_done(&text);
}

static void test_entries(void **state)
{
    (void)state;
    refuses("{\"version\":1," TAIL "}", "no \"entries\"");
    refuses("{\"version\":1,\"entries\":[1]," TAIL "}", "an entry has no \"target\"");
    refuses("{\"version\":1,\"entries\":[{\"expr\":[]}]," TAIL "}", "an entry has no \"target\"");
    refuses_entry("{\"target\":\"x\",\"expr\":[\"src\",\"a\"]},{\"target\":\"x\",\"expr\":[\"src\",\"a\"]}",
                  "tensor 'x': stands twice");
    refuses_entry("{\"target\":\"x\",\"expr\":[\"src\",\"a\"],\"alias\":\"y\"},"
                  "{\"target\":\"y\",\"expr\":[\"src\",\"a\"]}", "tensor 'x': \"alias\" names no earlier");
    refuses_entry("{\"target\":\"x\",\"expr\":[\"src\",\"a\"],\"alias\":\"x\"}", "names no earlier entry");
    refuses_entry("{\"target\":\"x\",\"expr\":[\"src\",\"a\"],\"shape\":[-1]}", "\"shape\", \"dtype\"");
    refuses_entry("{\"target\":\"x\",\"expr\":[\"src\",\"a\"],\"shape\":3}", "\"shape\", \"dtype\"");
    refuses_entry("{\"target\":\"x\",\"expr\":[\"src\",\"a\"],\"dtype\":\"f33\"}", "\"shape\", \"dtype\"");
    refuses_entry("{\"target\":\"x\",\"expr\":[\"src\",\"a\"],\"sources\":[1]}", "\"sources\" are not");
    refuses_entry("{\"target\":\"x\\u001b[2J\",\"expr\":[\"src\",\"a\"],\"shape\":3}", "'x\\x1b[2J'");
}

static void test_results(void **state)
{
    (void)state;
    refuses_entry("{\"target\":\"x\",\"expr\":[\"src\",\"a\"],\"shape\":[3,2]}", "gives 2×3, the plan says 3×2");
    refuses_entry("{\"target\":\"x\",\"expr\":[\"src\",\"a\"],\"dtype\":\"f16\"}", "gives f32, the plan says f16");
    refuses_entry("{\"target\":\"x\",\"expr\":[\"src\",\"a\"]},{\"target\":\"y\",\"alias\":\"x\","
                  "\"expr\":[\"src\",\"h\"],\"shape\":[4]}", "gives 2×3, the plan says 4");
}

static void test_source_entries(void **state)
{
    (void)state;
    refuses("{\"version\":1,\"entries\":[],\"source_entries\":[{}]," TAIL "}", "has no name");
    refuses("{\"version\":1,\"entries\":[],\"source_entries\":[{\"source\":\"a\",\"shape\":\"x\"}]," TAIL "}",
            "tensor 'a': \"shape\" or \"dtype\"");
    refuses("{\"version\":1,\"entries\":[],\"source_entries\":[{\"source\":\"a\"},{\"source\":\"a\"}]," TAIL "}",
            "stands twice in \"source_entries\"");
}

static void test_operations(void **state)
{
    (void)state;
    refuses_expr("1", "no operation");
    refuses_expr("[]", "no operation");
    refuses_expr("[1]", "no operation");
    refuses_expr("[\"frob\",[\"src\",\"a\"]]", "unknown operation 'frob'");
    refuses_expr("[\"fit\",0,\"zeros\",[\"src\",\"a\"]]", "stands in no plan");
    refuses_expr("[\"src\"]", "more are needed");
    refuses_expr("[\"src\",1]", "is no text");
    refuses_expr("[\"src\",\"z\"]", "the source has no tensor 'z'");
    refuses_expr("[\"target\",\"a\"]", "the target has no tensor 'a'");
    refuses_expr("[\"src\",\"a\",\"b\"]", "src: takes 1 arguments, not 2");
    refuses_expr("[\"mul\",2]", "more are needed");
    refuses_expr("[\"mul\",\"two\",[\"src\",\"a\"]]", "mul: argument 2 is no number");
    refuses_expr("[\"mul\",2,[\"src\",\"i\"]]", "no arithmetic on i64");
    refuses_expr("[\"cast\",\"f33\",[\"src\",\"a\"]]", "is no dtype");
    refuses_expr("[\"cast\",\"q4_0\",[\"src\",\"a\"]]", "cannot become");
}

static void test_axes_and_shapes(void **state)
{
    (void)state;
    refuses_expr("[\"cat\",0]", "nothing to join");
    refuses_expr("[\"cat\",5,[\"src\",\"a\"],[\"src\",\"b\"]]", "there is no axis 5");
    refuses_expr("[\"cat\",-1,[\"src\",\"a\"],[\"src\",\"b\"]]", "is no axis");
    refuses_expr("[\"cat\",99999999999,[\"src\",\"a\"],[\"src\",\"b\"]]", "is no axis");
    refuses_expr("[\"cat\",0.5,[\"src\",\"a\"],[\"src\",\"b\"]]", "is no whole number");
    refuses_expr("[\"cat\",0,[\"src\",\"a\"],[\"src\",\"h\"]]", "cannot join");
    refuses_expr("[\"stack\",0,[\"src\",\"a\"],[\"src\",\"q\"]]", "do not fit together");
    refuses_expr("[\"slice\",0,-1,2,[\"src\",\"a\"]]", "ends before it begins");
    refuses_expr("[\"slice\",0,2,1,[\"src\",\"a\"]]", "ends before it begins");
    refuses_expr("[\"slice\",0,null,1,[\"src\",\"a\"]]", "is no whole number");
    refuses_expr("[\"slice\",0,0,9223372036854775807,[\"src\",\"a\"]]", "ends before it begins");
    refuses_expr("[\"slice\",0,0,3,[\"src\",\"a\"]]", "is not within dim 0");
    refuses_expr("[\"pick\",0,[2],[\"src\",\"a\"]]", "there is no index 2");
    refuses_expr("[\"pick\",0,[0.5],[\"src\",\"a\"]]", "is no list of whole numbers");
    refuses_expr("[\"pick\",0,1,[\"src\",\"a\"]]", "is no list of whole numbers");
    refuses_expr("[\"permute\",[0,0],[\"src\",\"a\"]]", "are not those of");
    refuses_expr("[\"permute\",[0],[\"src\",\"a\"]]", "is not those of");
    refuses_expr("[\"permute\",[0,40],[\"src\",\"a\"]]", "is no order of axes");
    refuses_expr("[\"reshape\",[7],[\"src\",\"a\"]]", "cannot become");
    refuses_expr("[\"reshape\",[-1],[\"src\",\"a\"]]", "is no shape");
    refuses_expr("[\"repeat\",0,5,[\"src\",\"a\"]]", "is not 1");
    refuses_expr("[\"repeat\",0,9223372036854775807,[\"mean\",0,[\"src\",\"a\"]]]", "63 bits");
    refuses_expr("[\"mean\",null,[\"src\",\"a\"]]", "is no whole number");
    refuses_expr("[\"add\",[\"src\",\"a\"],[\"src\",\"q\"]]", "add: ");
    refuses_expr("[\"matmul\",[\"src\",\"a\"],[\"src\",\"b\"]]", "matmul: ");
    refuses_expr("[\"resize\",0,\"best\",[4],[7],[\"src\",\"q\"]]", "is no way to resample");
    refuses_expr("[\"resize\",0,\"bicubic\",[4],[7,1],[\"src\",\"q\"]]", "is not one or two sizes");
    refuses_expr("[\"resize\",0,\"bicubic\",[3],[7],[\"src\",\"q\"]]", "is not 3");
    refuses_expr("[\"resize\",0,\"bicubic\",[4],[1000000000],[\"src\",\"q\"]]", "can be resampled");
}

static void test_fills(void **state)
{
    (void)state;
#define FILL(name, rest) "[\"fill\",\"" name "\",{\"dtype\":\"f32\",\"shape\":[2],\"key\":\"x\"" rest "}]"
    refuses_expr("[\"fill\",\"zeros\"]", "more are needed");
    refuses_expr("[\"fill\",\"zeros\",1]", "is no fill");
    refuses_expr(FILL("zeros", ""), "is no fill");
    refuses_expr(FILL("zeros", ",\"seed\":-1"), "is no fill");
    refuses_expr(FILL("zeros", ",\"seed\":\"18446744073709551616\""), "is no fill");
    refuses_expr(FILL("ones", ",\"seed\":0"), "is no fill");
    refuses_expr(FILL("const", ",\"seed\":0"), "is no fill");
    refuses_expr(FILL("normal", ",\"seed\":0,\"mean\":0"), "is no fill");
    refuses_expr(FILL("kaiming", ",\"seed\":0,\"mode\":\"fan_in\""), "is no fill");
    refuses_expr(FILL("kaiming", ",\"seed\":0,\"mode\":\"fan_up\",\"dist\":\"normal\""), "is no fill");
    refuses_expr(FILL("kaiming", ",\"seed\":0,\"mode\":\"fan_in\",\"dist\":\"normal\""), "two dimensions");
    refuses_expr("[\"fill\",\"zeros\",{\"dtype\":\"f32\",\"shape\":[-2],\"key\":\"x\",\"seed\":0}]", "is no shape");
    refuses_expr("[\"fill\",\"zeros\",{\"dtype\":\"f32\",\"shape\":[4611686018427387904,4],\"key\":\"x\","
                 "\"seed\":0}]", "63 bits");
    refuses_expr("[\"fill\",\"const\",{\"value\":0.5,\"dtype\":\"i64\",\"shape\":[2],\"key\":\"x\",\"seed\":0}]",
                 "cannot hold");
#undef FILL
}

static void test_container_that_is_not_there(void **state)
{
    (void)state;
    Error err = {0};
    PlanFile *file = parse("{\"version\":1,\"entries\":[],\"plan\":{\"sources\":[{\"path\":\"t\","
                           "\"container\":\"model\"}],\"output\":" OUTPUT "}}", &err);
    assert_non_null(file);
    Checkpoint *source = open_tiny();
    assert_null(plan_open_over(file, source, NULL, &err));
    assert_error_has(err, "holds no dict of tensors at 'model'");
    checkpoint_unref(source);
    plan_file_free(file);
}

static void test_source_that_is_not_named(void **state)
{
    (void)state;
    Error err = {0};
    PlanFile *file = parse("{\"version\":1,\"entries\":[],\"plan\":{\"sources\":[{\"path\":null}],"
                           "\"output\":" OUTPUT "}}", &err);
    assert_non_null(file);
    assert_null(plan_open(file, NULL, &err));
    assert_error_has(err, "does not say which file its source is; name it with --source FILE");
    plan_file_free(file);
}

/* What reports say, and apply does not need, may be anything. */
static void test_unread_members_are_passed_over(void **state)
{
    (void)state;
    Error err = {0};
    PlanFile *file = parse("{\"version\":1,\"summary\":[{\"a\":1,\"a\":2}],\"rules\":7,\"entries\":[{\"steps\":"
                           "[[[]]],\"target\":\"x\",\"ops\":{\"steps\":{}},\"expr\":[\"src\",\"a\"],"
                           "\"how\":null}],\"ties\":{}," TAIL "}", &err);
    if (!file) fail_msg("%s", err.text);
    assert_int_equal(file->entry_count, 1);
    assert_string_equal(file->entries[0].name, "x");
    plan_file_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_operation_reads_back),
        cmocka_unit_test(test_no_json),
        cmocka_unit_test(test_too_deep),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_metadata_that_multiplies),
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_source_entries),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_axes_and_shapes),
        cmocka_unit_test(test_fills),
        cmocka_unit_test(test_container_that_is_not_there),
        cmocka_unit_test(test_source_that_is_not_named),
        cmocka_unit_test(test_unread_members_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
