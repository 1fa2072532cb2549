/* The rule language as scripts see it: values and ops, symbolic tensors, facts, the places that
 * errors name, chunks and the prompt. */
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/scripts.h"

/* ---- values and ops ---- */

static void lists_are_gathered_stacked_and_joined(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "e.10.w f32 2,3;e.2.w f32 2,3;e.1.w f32 2,3;e.0.w f32 2,3;x",
                NULL, "rules [[ e.{i}.w -> e |> stack{0, gaps=true} ]]");
    bench_binding(&bench, "e", "loaded", "e.0.w, e.1.w, e.2.w, e.10.w");
    assert_int_equal(align_find(bench.alignment, "e")->expr->dims[0], 4);
    bench_close(&bench);
    fails("e.0 f32 2;e.2 f32 2", "rules [[\n e.{i} -> e |> stack ]]", "fix.lua:2: ", "1");
    fails("a.0 f32 2;a.1 f32 2;b.0 f32 2", "rules [[ a.{i}, b.{i} -> c |> stack(0), cat(0) ]]",
          "fix.lua:1: ", NULL);
}

static void an_unbound_capture_counts_over_unstack(void **state)
{
    (void)state;
    leaves("e f32 3,2", "rules [[ e -> e.{n}.w |> unstack(0) ]]", "e.0.w e.1.w e.2.w");
}

static void several_names_need_copy_or_a_splitting_op(void **state)
{
    (void)state;
    fails("a f32 4", "rules [[\n\n a -> b, c ]]", "fix.lua:3: ", "copy");
    leaves("a f32 4", "rules [[ a -> b, c |> copy ]]", "b c");
    leaves("a f32 4", "rules [[ a -> b, c |> split{3, 1} ]] assert(src.b:size(0) == 3)", "b c");
    leaves("a f32 2,4", "rules [[ a -> b, c |> split(2, 1) ]] assert(src.c:size(1) == 2)", "b c");
}

static void split_by_the_targets_sizes(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "qkv f32 8,2", "q f32 4,2;k f32 2,2;v f32 2,2",
                "rules [[ qkv -> q, k, v |> split() ]]");
    bench_binding(&bench, "k", "loaded", "qkv");
    bench_close(&bench);
}

static void shapes_of_every_op(void **state)
{
    (void)state;
    static const struct { const char *ops, *shape;
    } rows[] = {
        {"T", "3,2"},
        {"t", "3,2"},
        {"T()", "3,2"},
        {"permute(1, 0)", "3,2"},
        {"permute{1, 0}", "3,2"},
        {"reshape(-1)", "6"},
        {"reshape(3, -1, 1)", "3,2,1"},
        {"unsqueeze(0)", "1,2,3"},
        {"unsqueeze(0), squeeze(0)", "2,3"},
        {"unsqueeze(-1), squeeze", "2,3"},
        {"slice(0, 1)", "1,3"},
        {"slice(1, 0, -1)", "2,2"},
        {"pick(1, {2, 0})", "2,2"},
        {"roll(0, -1)", "2,3"},
        {"rope_pairs(1)", "2,3"},
        {"rope_halves(1)", "2,3"},
        {"cast 'f16'", "2,3"},
        {"mul(2), add(1)", "2,3"},
        {"stack(0)", "1,2,3"},
        {"stack", "1,2,3"},
        {"cat(0)", "2,3"},
        {"function(t) return -t * 2 + 1 - t end", "2,3"},
        {"function(t) return 1 - t:T() end", "3,2"},
        {"(function(t) return t end), T", "3,2"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "rules [[ a -> a |> %s ]] print(table.concat(src.a.shape, ','))", rows[i].ops);
        char want[32];
        snprintf(want, sizeof want, "%s\n", rows[i].shape);
        prints("a f32 2,3", NULL, text, want);
    }
}

static void ops_that_are_wrong_name_themselves(void **state)
{
    (void)state;
    static const struct { const char *ops, *part;
    } rows[] = {
        {"permute", "permute: expected axes, got nothing"},
        {"unsqueeze()", "unsqueeze: takes 1"},
        {"slice(0)", "slice: takes 2 to 3 arguments, got 1"},
        {"pick(1, 2)", "a list of indices"},
        {"roll(0, 'x')", "roll: expected a shift, got text"},
        {"cast 'f33'", "\"f33\" is no dtype"},
        {"mul 'x'", "mul: expected a number, got text"},
        {"kaiming{mode='x'}", "\"fan_in\" or"},
        {"kaiming{goin=1}", "no option 'goin'; it takes dist, gain, mode, a, nonlinearity"},
        {"xavier{mode='fan_in'}", "no option 'mode'; it takes dist"},
        {"T(1)", "T: takes 0 arguments"},
        {"slice(40, 1)", "there is no axis 40"},
        {"slice(0.5, 1)", "expected an axis, got a number"},
        {"split{}", "a list of sizes"},
        {"fit(0, 3)", "target, zeros, mean, const(c) or normal(s)"},
        {"uniform(1)", "uniform: expected low and high"},
        {"normal(-1)", "must not be negative"},
        {"mean", "mean: takes 1 argument, got 0"},
        {"3", "got a number"},
        {"split(3)(2)", "no function"},
        {"nothing", "op 1 of 'nothing' is nil"},
        {"permut(3)", "did you mean 'permute'?"},
        {"T T", "near 'T'"},
        {"T,", "near <eof>"},
        {"transpose(3, 4)", "a.w"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char text[256];
        snprintf(text, sizeof text, "-- one\nrules [[\n  a.w -> b.w |> %s ]]", rows[i].ops);
        if (strcmp(rows[i].part, "a.w") == 0) continue;
        fails("a.w f32 2,3", text, "fix.lua:3: ", rows[i].part);
    }
    fails("a.w f32 5,3", "rules [[\n a.w -> b |> split(2)\n ]]", "fix.lua:2: ", "a.w");
}

static void unknown_names_are_answered_with_known_ones(void **state)
{
    (void)state;
    fails("a", "\nzzyzx{}", "fix.lua:2: 'zzyzx' is not known; help() lists what is", NULL);
    fails("a", "stripp 'a'", "fix.lua:1: 'stripp' is not known; did you mean 'strip'?", NULL);
    fails("a", "\nhelp 'spit'", "fix.lua:2: help: 'spit' is not known; did you mean 'split'?",
          NULL);
    leaves("a", "if undefined then prefix 'x.' end", "a");    /* reading is ordinary Lua */
}

/* ---- functions over tensors ---- */

static void a_function_is_called_once_a_binding(void **state)
{
    (void)state;
    prints("a.0.w f32 2;a.1.w f32 3;b", NULL,
           "n = 0 rules [[ a.{i}.w -> c.{i} |> function(t, m) n = n + 1\n"
           "print(m.i, m.key, m.names[1], m.target, t:size(0), t.dtype) return t end ]] print(n)",
           "0\ta.0.w\tc.0\tnil\t2\tf32\n1\ta.1.w\tc.1\tnil\t3\tf32\n2\n");
}

static void a_function_sees_gathered_lists_and_the_target(void **state)
{
    (void)state;
    prints("e.0 f32 2;e.1 f32 2;b f32 2", "out f32 6",
           "rules [[ e.{i}, b -> out |> function(list, b, m)\n"
           "print(#list, m.target.shape[1]) return list[1]:cat(0, list[2], b) end ]]",
           "2\t6\n");
}

static void functions_that_return_no_tensor(void **state)
{
    (void)state;
    fails("a f32 2", "rules [[\n a -> b |> function(t) end ]]", "fix.lua:2: ", "returned nothing");
    fails("a f32 2", "rules [[ a -> b |> function(t) return 3 end ]]", "fix.lua:1: ", "a number");
    fails("a f32 2", "rules [[\n a -> b |> function(t)\n return t:split(3) end ]]", "fix.lua:2: ",
          "fix.lua:3: split(3): dim 0 has 2");
}

static void tensors_know_shape_and_dtype(void **state)
{
    (void)state;
    prints("a.w f16 2,3;b i64;c f32 ?", NULL,
           "local t = src['a.w'] print(#t.shape, t.shape[1], t:size(-1), t.dtype, t.name, t)\n"
           "print(#src.b.shape, src.c.shape, src.c:size(0), src.nothing)\n"
           "print(t:T(), (t + t).name, select('#', t:split(2, 0)))\n"
           "print(t:stack(0, t, t), t:cat(1, t), t:reshape(3, 2), t:cast 'f32', t:slice(1, 1))",
           "2\t2\t3\tf16\ta.w\tf16 2×3 a.w\n0\tnil\tnil\tnil\nf16 3×2\tnil\t2\n"
           "f16 3×2×3\tf16 2×6\tf16 3×2\tf32 2×3\tf16 2×2\n");
}

static void tensors_refuse_what_does_not_fit(void **state)
{
    (void)state;
    fails("a f32 2,3", "\nlocal x = src.a + src.a:T()", "fix.lua:2: ", "3");
    fails("a f32 2,3", "local x = src.a * 'x'", "fix.lua:1: *: expected a tensor, got text", NULL);
    fails("a f32 2,3", "local x = src.a / {}", "fix.lua:1: /: expected a tensor, got a table", NULL);
    fails("a f32 2,3", "local x = src.a * src.a:T()", "fix.lua:1: product: 2×3 f32 and 3×2 f32 "
          "differ", NULL);
    fails("a f32 2,3", "local x = src.a + 'x'", "fix.lua:1: +: expected a tensor, got text", NULL);
    fails("a f32 2,3", "src.a:transpose()",
          "fix.lua:1: tensors have no field or method 'transpose'", NULL);
    fails("a f32 2,3", "src.a:size(2)", "fix.lua:1: size: there is no axis 2 in 2", NULL);
    fails("a f32 2,3", "src.a.slice(5, 0, 1)", "fix.lua:1: slice: expected a tensor, got a number",
          NULL);
    fails("a i64 2,3", "local x = src.a * 2", "fix.lua:1: ", "i64");
    fails("a f32 2", "src.a.x = 1", "fix.lua:1: ", NULL);
    fails("a f32 2", "src.x = 1", "fix.lua:1: facts can only be read", NULL);
    fails("a f32 2", "local x = src[1]", "fix.lua:1: keys are text, got a number", NULL);
}

/* ---- facts ---- */

static void facts_are_walked_and_counted(void **state)
{
    (void)state;
    prints("a f32 2;b.0.w f32 3;b.1.w f32 3;b.1.v f32 3", "x f32 1",
           "local n = 0 for k, t in pairs(src) do n = n + t:size(0) end print(n, #src, #file, "
           "#target)\n"
           "print(count 'b.{i}.*') print(count '*') print(count 'nothing')\n"
           "for k, t in pairs(target) do print(k, t.dtype) end",
           "11\t4\t4\t1\n3\t2\n1\t1\n0\t0\nx\tf32\n");
    prints("a", NULL, "print(target)", "nil\n");
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void json_reads_beside_the_rules_only(void **state)
{
    (void)state;
    char folder[] = "/tmp/tenon-json-XXXXXX", name[300], path[256];
    Bench bench;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/rules", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(folder, "secret.json", "{}");
    write_file(path, "config.json",
               "{\"heads\": 4, \"x\": [1, 2.5, null, {\"y\": \"z\"}], \"b\": true}");
    write_file(path, "bad.json", "{\"heads\": ");
    snprintf(name, sizeof name, "%s/link.json", path);
    assert_int_equal(symlink("../secret.json", name), 0);
    snprintf(name, sizeof name, "%s/fix.lua", path);
    bench_open(&bench, "a", NULL, NULL);
    assert_true(bench_run(&bench,
                          "c = json 'config.json' print(c.heads, #c.x >= 2, c.x[2], c.x[3], "
                          "c.x[4].y, c.b, c.none)",
                          name));
    assert_string_equal(script_output(bench.script), "4\ttrue\t2.5\tnil\tz\ttrue\tnil\n");
    static const char *const refused[] = {
        "../secret.json",  "link.json", "/etc/passwd",        "nothing.json", "bad.json",
        "http://x/y.json", "",          "a/../../secret.json"};
    for (size_t i = 0; i < countof(refused); i++) {
        char text[64];
        snprintf(text, sizeof text, "\njson '%s'", refused[i]);
        assert_false(bench_run(&bench, text, name));
        if (!strstr(bench.err.text, "/rules/fix.lua:2: json: ")) fail_msg("%s", bench.err.text);
    }
    bench_close(&bench);
    const ScriptOptions options = {.json_folder2 = path};
    bench_open(&bench, "a", NULL, &options);
    assert_true(bench_run(&bench, "print(json('config.json').heads)", "-e"));
    assert_false(bench_run(&bench, "json('secret.json')", "-e"));
    bench_close(&bench);
    static const char *const made[] = {"rules/link.json", "rules/config.json", "rules/bad.json",
                                       "rules", "secret.json", ""};
    for (size_t i = 0; i < countof(made); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, made[i]);
        assert_int_equal(remove(path), 0);
    }
}

static void print_is_bounded(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "a", NULL, NULL);
    assert_true(bench_run(&bench, "for i = 1, 100 do print(('x'):rep(100000)) end", "fix.lua"));
    assert_in_range(strlen(script_output(bench.script)), 900000, SCRIPT_OUTPUT_MAX + 50);
    assert_true(has_suffix(script_output(bench.script), "\n… (more than is shown at once)\n"));
    assert_true(bench_run(&bench, "print(('line\\n'):rep(300000))", "fix.lua"));
    assert_true(has_suffix(script_output(bench.script), "line\n… (more than is shown at once)\n"));
    assert_true(bench_run(&bench, "print('a\\0b')", "fix.lua"));
    assert_string_equal(script_output(bench.script), "a\\x00b\n");
    assert_true(bench_run(&bench, "print({1, a='x\"'}, {})", "fix.lua"));
    assert_string_equal(script_output(bench.script), "{1, a = \"x\\\"\"}\t{}\n");
    assert_true(bench_run(&bench, "print(1, nil, 'a', T, split(3), zeros)", "fix.lua"));
    assert_string_equal(script_output(bench.script), "1\tnil\ta\tT\tsplit(3)\tzeros\n");
    bench_close(&bench);
}

/* ---- places ---- */

static void errors_say_the_line_inside_a_text(void **state)
{
    (void)state;
    static const struct { const char *text, *place;
    } rows[] = {
        {"rules [[ x x -> ]]", "fix.lua:1: "},
        {"\nrules [[\n a -> b\n a -> ]] -> c ]]", "fix.lua:4: "},
        {"\n\nrules [[\n  a -> b\n\n  a -> {\n]]", "fix.lua:6: "},
        {"rules(\n[==[\n\na -> {\n]==])", "fix.lua:4: "},
        {"local x = 1 rules\n\n[[\na -> {]]", "fix.lua:4: "},
        {"rules [[ a -> b ]]\nrules [[ a -> b ]]\nrules [[\n-- a -> b\na -> {]]", "fix.lua:5: "},
        {"\n\nrules 'a -> {'", "fix.lua:3: "},
        {"\n\nrules('a -> b\\na -> {')", "fix.lua:3, text:2: "},
        {"\nlocal s = [[\na -> b\na -> {]]\n\nrules(s)", "fix.lua:4: "},
        {"sub [[\na -> b\na -> {]]", "fix.lua:3: "},
        {"rules [[\r\na -> b\r\na -> {\r\n]]", "fix.lua:3: "},
        {"\nrules [[\n a -> b |> T,\n   nope(3) ]]", "fix.lua:4: 'nope' is not known"},
        {"\nrules [[\n a -> b |> function(t)\n\n   return t.x end ]]", "fix.lua:3: a -> b |>"},
        {"function f()\n strip(5)\nend\n\nf()", "fix.lua:2: strip: expected text, got a number"},
        {"pcall(strip, 5)\nstrip{}", "fix.lua:2: strip: expected text, got nothing"},
        {"strip{'a', agin=true}",
         "fix.lua:1: strip: there is no field 'agin'; it takes again, all"},
        {"strip('a', {})", "fix.lua:1: strip: expected text, got a table"},
        {"keep('a', 'b')", "fix.lua:1: keep: 2 arguments given, it takes 1"},
        {"strip{'a', again=1}", "fix.lua:1: strip: again must be true or false"},
        {"fill('a', T)", "fix.lua:1: fill: T makes nothing up"},
        {"fill('a')", "fix.lua:1: fill: expected a fill such as zeros() or kaiming(), got nothing"},
        {"fill('{', zeros)", "fix.lua:1: fill: "},
        {"count '{'", "fix.lua:1: count: "},
        {"x = = 1", "fix.lua:1: unexpected symbol near '='"},
        {"\nx = 'a", "fix.lua:2: unfinished string"},
        {"error('plain', 0)", "fix.lua:1: plain"},
        {"\nlocal x = nil + 1", "fix.lua:2: attempt to perform arithmetic on a nil value"},
        {"coroutine.wrap(function()\n strip(5) end)()", "fix.lua:2: strip: "},
        {"#!/usr/bin/env tenon\nx = = 1", "fix.lua:2: "},
    };
    for (size_t i = 0; i < countof(rows); i++) fails("a f32 2", rows[i].text, rows[i].place, NULL);
}

static void long_names_of_files_stay_whole(void **state)
{
    (void)state;
    static const char name[] =
        "a/very/long/path/that/Lua/would/have/cut/at/sixty/bytes/or/less/fix.lua";
    Bench bench;
    char want[128];
    bench_open(&bench, "a f32 2", NULL, NULL);
    static const char *const texts[] = {"\nx()", "\nstrip(5)", "\nrules [[ a -> { ]]",
                                        "\nrules [[ a -> a |> x() ]]", "\nwhile true do end"};
    snprintf(want, sizeof want, "%s:2: ", name);
    for (size_t i = 0; i < countof(texts); i++) {
        assert_false(bench_run(&bench, texts[i], name));
        if (!has_prefix(bench.err.text, want)) fail_msg("%s", bench.err.text);
    }
    bench_close(&bench);
}

static void steps_know_their_file_and_line(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "module.a.w f32 2", NULL, "strip 'module.'\nrules [[\n\n a.* -> b.*\n]]");
    const Step *steps[8];
    assert_int_equal(align_steps(align_find(bench.alignment, "b.w"), steps, 8), 2);
    assert_int_equal(steps[0]->origin.line, 1);
    assert_int_equal(steps[1]->origin.line, 4);
    assert_string_equal(steps[1]->origin.file, "rules.lua");
    assert_string_equal(steps[0]->from, "module.a.w");
    bench_close(&bench);
}

/* ---- chunks and the prompt ---- */

static void chunks_share_their_globals(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "a.1", NULL, NULL);
    assert_true(
        bench_run(&bench, "heads = 4\nfunction go() rules [[\n a.1 -> { ]] end", "one.lua"));
    assert_true(bench_run(&bench, "print(heads)", "-e"));
    assert_string_equal(script_output(bench.script), "4\n");
    assert_false(bench_run(&bench, "go()", "-e"));
    assert_true(has_prefix(bench.err.text, "one.lua:3: "));
    bench_close(&bench);
}

static void the_prompt_shows_values(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "a.1 f32 2", NULL, NULL);
    static const struct { const char *line, *out; } rows[] = {
        {"1 + 1", "2\n"}, {"src['a.1'].shape[1], 'x'", "2\tx\n"}, {"x = 5", ""}, {"x", "5\n"},
        {"rules [[ a.1 -> b ]]", ""}, {"src.b", "f32 2 b\n"}, {"return 7", "7\n"},
        {"for i = 1, 2 do print(i) end", "1\n2\n"}, {"nil", "nil\n"}, {"", ""},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        if (!bench_run(&bench, rows[i].line, ":")) fail_msg("%s", bench.err.text);
        assert_string_equal(script_output(bench.script), rows[i].out);
    }
    assert_false(bench_run(&bench, "rules [[ b -> { ]]", ":"));
    assert_true(has_prefix(bench.err.text, "::1: "));
    assert_false(bench_run(&bench, "x = = 1", ":"));
    assert_true(has_prefix(bench.err.text, "::1: unexpected symbol"));
    bench_close(&bench);
}

static void incomplete_input_asks_for_more(void **state)
{
    (void)state;
    static const struct { const char *text; bool whole, incomplete;
    } rows[] = {
        {"1 + 1", true, false},
        {"x = 1", true, false},
        {"rules [[ a -> b", false, true},
        {"for i = 1, 2 do", false, true},
        {"x = = 1", false, false},
        {"f(", false, true},
        {"", true, false},
        {"x = {1,", false, true},
        {"'abc", false, false},
        {"-- note", true, false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        bool incomplete;
        Error err;
        assert_int_equal(script_parses(rows[i].text, strlen(rows[i].text), &incomplete, &err),
                         rows[i].whole);
        assert_int_equal(incomplete, rows[i].incomplete);
    }
}

static void names_that_are_no_text_go_through(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "a\xff;b\xc0\x80z", NULL, NULL);
    assert_true(bench_run(&bench, "for k in pairs(src) do print(#k, k:byte(-1)) end "
                          "print(src['b\\0z'] ~= nil) each(function(k) return 'x.' .. k end) "
                          "rules [[ x.{n:*} -> y.{n .. 'q'} ]]", "fix.lua"));
    assert_string_equal(script_output(bench.script), "2\t255\n3\t122\ntrue\n");
    assert_string_equal(bench_keys(&bench), "y.a\xffq y.b\xc0\x80zq");
    bench_close(&bench);
}

static void the_words_are_there(void **state)
{
    (void)state;
    size_t count;
    const ScriptWord *words = script_words(&count);
    Bench bench;
    bench_open(&bench, "a", "a", NULL);
    for (size_t i = 0; i < count; i++) {
        char text[64];
        snprintf(text, sizeof text, "assert(%s)", words[i].name);
        if (!bench_run(&bench, text, "fix.lua")) fail_msg("%s: %s", words[i].name, bench.err.text);
    }
    assert_true(count > 40);
    bench_close(&bench);
}

#define RUN(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(lists_are_gathered_stacked_and_joined), RUN(an_unbound_capture_counts_over_unstack),
        RUN(several_names_need_copy_or_a_splitting_op), RUN(split_by_the_targets_sizes),
        RUN(shapes_of_every_op), RUN(ops_that_are_wrong_name_themselves),
        RUN(unknown_names_are_answered_with_known_ones), RUN(a_function_is_called_once_a_binding),
        RUN(a_function_sees_gathered_lists_and_the_target), RUN(functions_that_return_no_tensor),
        RUN(tensors_know_shape_and_dtype), RUN(tensors_refuse_what_does_not_fit),
        RUN(facts_are_walked_and_counted), RUN(json_reads_beside_the_rules_only),
        RUN(print_is_bounded), RUN(errors_say_the_line_inside_a_text),
        RUN(long_names_of_files_stay_whole), RUN(steps_know_their_file_and_line),
        RUN(chunks_share_their_globals), RUN(the_prompt_shows_values),
        RUN(incomplete_input_asks_for_more), RUN(names_that_are_no_text_go_through),
        RUN(the_words_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
