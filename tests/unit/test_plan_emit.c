/* Plans as Python: the text itself. That it does what it says is asked of PyTorch itself
 * (tests/interop/test_plans.py). */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "loader/core/memory.h"
#include "loader/export/plan_emit.h"

/* Entries of lines "target|expr", over the sources of `sources`. */
static PlanFile *make_plan(const char *const *entries, size_t n, const char *sources)
{
    Error err = {0};
    Text text = {0};
    text_add(&text, "{\"version\":1,\"entries\":[");
    for (size_t i = 0; i < n; i++) {
        const char *bar = strchr(entries[i], '|');
        text_addf(&text, "%s{\"target\":\"%.*s\",\"expr\":%s}", i ? "," : "",
                  (int)(bar - entries[i]), entries[i], bar + 1);
    }
    text_addf(&text, "],\"source_entries\":[%s],\"plan\":{\"sources\":[{\"path\":\"t\"}],"
                     "\"output\":{}}}", sources);
    PlanFile *file = plan_file_parse(text_string(&text), text.length, "p.json", &err);
    if (!file) fail_msg("%s", err.text);
    text_done(&text);
    return file;
}

/* The body of the function, without its first and last lines. */
static void emits(const char *const *entries, size_t n, const char *sources, const char *body)
{
    Error err = {0};
    Text text = {0};
    PlanFile *file = make_plan(entries, n, sources);
    if (!plan_emit_python(file, &text, &err)) fail_msg("%s", err.text);
    const char *start = strstr(text_string(&text), "    out = {}\n");
    assert_non_null(start);
    start += strlen("    out = {}\n");
    const char *end = strstr(start, "    return out\n");
    assert_non_null(end);
    if (strlen(body) != (size_t)(end - start) || memcmp(start, body, strlen(body)) != 0)
        fail_msg("got:\n%.*s\nwanted:\n%s", (int)(end - start), start, body);
    text_done(&text);
    plan_file_free(file);
}

#define TINY "{\"source\":\"a\",\"shape\":[4,6],\"dtype\":\"f32\"},"                          \
             "{\"source\":\"h\",\"shape\":[4],\"dtype\":\"f16\"},"                           \
             "{\"source\":\"k\",\"shape\":[256],\"dtype\":\"q4_k\"}"

/* One expression over "a" and "h", and its Python. */
static void emits_one(const char *expr, const char *python)
{
    Text line = {0}, body = {0};
    text_addf(&line, "x|%s", expr);
    text_addf(&body, "    out[\"x\"] = %s\n", python);
    const char *entry = text_string(&line);
    emits(&entry, 1, TINY, text_string(&body));
    text_done(&line);
    text_done(&body);
}

#define A "[\"src\",\"a\"]"
#define H "[\"src\",\"h\"]"

static void test_operations(void **state)
{
    (void)state;
    emits_one(A, "sd[\"a\"]");
    emits_one("[\"slice\",0,1,3," A "]", "sd[\"a\"][1:3]");
    emits_one("[\"slice\",1,1,3," A "]", "sd[\"a\"][:, 1:3]");
    emits_one("[\"pick\",1,[2,1,0]," A "]", "sd[\"a\"][:, [2, 1, 0]]");
    emits_one("[\"pick\",1,[1,2,3,4,5,0]," A "]", "sd[\"a\"][:, [*range(1, 6), 0]]");
    emits_one("[\"permute\",[1,0]," A "]", "sd[\"a\"].t()");
    emits_one("[\"reshape\",[24]," A "]", "sd[\"a\"].reshape(24)");
    emits_one("[\"cast\",\"bf16\"," A "]", "sd[\"a\"].to(torch.bfloat16)");
    emits_one("[\"mul\",0.5," A "]", "(sd[\"a\"] * 0.5)");
    emits_one("[\"shift\",\"-inf\"," A "]", "(sd[\"a\"] + float(\"-inf\"))");
    emits_one("[\"quotient\"," A "," A "]", "(sd[\"a\"] / sd[\"a\"])");
    emits_one("[\"mean\",0," A "]", "sd[\"a\"].double().mean(0, keepdim=True).to(torch.float32)");
    emits_one("[\"norm\",null," A "]",
              "sd[\"a\"].double().pow(2).sum((0, 1, ), keepdim=True).sqrt().to(torch.float32)");
    emits_one("[\"repeat\",0,5,[\"slice\",0,0,1," A "]]", "sd[\"a\"][0:1].repeat(5, 1)");
    emits_one("[\"resize\",0,\"patch\",[4],[7]," A "]",
              "_weigh(sd[\"a\"], 0, (4, 1), (7, 1), _patch)");
    emits_one("[\"resize\",1,\"geometric\",[5],[7],[\"slice\",1,0,5," A "]]",
              "_weigh(sd[\"a\"][:, 0:5], 1, (5, 1), (7, 1), _geometric)");
    emits_one("[\"resize\",1,\"geometric_linear\",[5],[7],[\"slice\",1,0,5," A "]]",
              "_weigh(sd[\"a\"][:, 0:5], 1, (5, 1), (7, 1), _straight)");
    emits_one("[\"cat\",0," A "," A "]", "torch.cat([sd[\"a\"], sd[\"a\"]])");
    emits_one("[\"stack\",2," A "," A "]", "torch.stack([sd[\"a\"], sd[\"a\"]], 2)");
    emits_one("[\"fill\",\"zeros\",{\"dtype\":\"i64\",\"shape\":[3],\"key\":\"x\",\"seed\":0}]",
              "torch.zeros((3,), dtype=torch.int64)");
    emits_one("[\"fill\",\"kaiming\",{\"mode\":\"fan_out\",\"dist\":\"normal\",\"dtype\":\"f16\","
              "\"shape\":[3,2],\"key\":\"x\",\"seed\":0}]",
              "torch.nn.init.kaiming_normal_(torch.empty((3, 2)), mode=\"fan_out\", "
              "nonlinearity=\"relu\", generator=random).to(torch.float16)");
}

/* Numbers of several layers and experts become loops; a product of all is nested. */
static void test_loops(void **state)
{
    (void)state;
    static const char *const entries[] = {
        "l.0.w|[\"src\",\"b.1\"]", "l.1.w|[\"src\",\"b.2\"]", "l.10.w|[\"src\",\"b.11\"]"};
    emits(entries, 3, "{\"source\":\"b.1\",\"shape\":[],\"dtype\":\"f32\"},"
                      "{\"source\":\"b.2\",\"shape\":[],\"dtype\":\"f32\"},"
                      "{\"source\":\"b.11\",\"shape\":[],\"dtype\":\"f32\"}",
          "    for i in (0, 1, 10):\n"
          "        out[f\"l.{i}.w\"] = sd[f\"b.{i + 1}\"]\n");
    static const char *const grid[] = {
        "d.0.0|[\"src\",\"n.1\"]", "d.0.1|[\"src\",\"n.2\"]", "d.1.0|[\"src\",\"n.4\"]",
        "d.1.1|[\"src\",\"n.5\"]"};
    emits(grid, 4, "{\"source\":\"n.1\",\"shape\":[],\"dtype\":\"f32\"},"
                   "{\"source\":\"n.2\",\"shape\":[],\"dtype\":\"f32\"},"
                   "{\"source\":\"n.4\",\"shape\":[],\"dtype\":\"f32\"},"
                   "{\"source\":\"n.5\",\"shape\":[],\"dtype\":\"f32\"}",
          "    for i in range(2):\n"
          "        for j in range(2):\n"
          "            out[f\"d.{i}.{j}\"] = sd[f\"n.{3 * i + j + 1}\"]\n");
    static const char *const odd[] = {
        "d.0|[\"src\",\"n.5\"]", "d.1|[\"src\",\"n.1\"]", "d.2|[\"src\",\"n.4\"]"};
    emits(odd, 3, "{\"source\":\"n.1\",\"shape\":[],\"dtype\":\"f32\"},"
                  "{\"source\":\"n.4\",\"shape\":[],\"dtype\":\"f32\"},"
                  "{\"source\":\"n.5\",\"shape\":[],\"dtype\":\"f32\"}",
          "    for i, j in ((0, 5), (1, 1), (2, 4)):\n"
          "        out[f\"d.{i}\"] = sd[f\"n.{j}\"]\n");
}

static void test_comprehensions(void **state)
{
    (void)state;
    static const char *const entries[] = {
        "g.0|[\"stack\",0,[\"src\",\"e.0.w\"],[\"src\",\"e.1.w\"],[\"src\",\"e.2.w\"]]",
        "h|[\"stack\",0,[\"src\",\"e.0.w\"],[\"src\",\"e.2.w\"],[\"src\",\"e.1.w\"]]"};
    emits(entries, 2, "{\"source\":\"e.0.w\",\"shape\":[],\"dtype\":\"f32\"},"
                      "{\"source\":\"e.1.w\",\"shape\":[],\"dtype\":\"f32\"},"
                      "{\"source\":\"e.2.w\",\"shape\":[],\"dtype\":\"f32\"}",
          "    out[\"g.0\"] = torch.stack([sd[f\"e.{e}.w\"] for e in range(3)])\n"
          "    out[\"h\"] = torch.stack([sd[\"e.0.w\"], sd[\"e.2.w\"], sd[\"e.1.w\"]])\n");
}

/* Whatever a key holds, it is the inside of a literal. */
static void test_hostile_keys(void **state)
{
    (void)state;
    static const char *const entries[] = {"a\\\"]; import os; x[\\\"|[\"src\",\"a\"]",
                                          "b\\\\\\n{}|[\"src\",\"a\"]",
                                          "\\u202e\\udc80\\u0000|[\"src\",\"a\"]",
                                          "{c}.1|[\"src\",\"a\"]", "{c}.2|[\"src\",\"a\"]"};
    emits(entries, 5, TINY,
          "    out[\"a\\\"]; import os; x[\\\"\"] = sd[\"a\"]\n"
          "    out[\"b\\\\\\x0a{}\"] = sd[\"a\"]\n"
          "    out[\"\\u202e\\udc80\\x00\"] = sd[\"a\"]\n"
          "    for i in range(1, 3):\n"
          "        out[f\"{{c}}.{i}\"] = sd[\"a\"]\n");
}

static void refuses(const char *expr, const char *words)
{
    Error err = {0};
    Text line = {0}, text = {0};
    text_addf(&line, "x|%s", expr);
    const char *entry = text_string(&line);
    PlanFile *file = make_plan(&entry, 1, TINY);
    assert_false(plan_emit_python(file, &text, &err));
    assert_error_has(err, "p.json: tensor 'x': ");
    assert_error_has(err, words);
    text_done(&line);
    text_done(&text);
    plan_file_free(file);
}

static void test_what_pytorch_has_not(void **state)
{
    (void)state;
    refuses("[\"cast\",\"f32\",[\"src\",\"k\"]]", "PyTorch cannot convert to or from q4_k");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_loops),
        cmocka_unit_test(test_comprehensions),
        cmocka_unit_test(test_hostile_keys),
        cmocka_unit_test(test_what_pytorch_has_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
