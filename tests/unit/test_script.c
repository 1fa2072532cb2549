/* The rule language as scripts see it: what tenon-rules(5) says of rule text, names and
 * statements, one by one. */
#include "tests/unit/scripts.h"

/* ---- text ---- */

static void rule_text_ends_at_semicolons_and_newlines(void **state)
{
    (void)state;
    leaves("a;b;c", "rules [[ a -> x ; b -> y\n c -> z ]]", "x y z");
    leaves("a;b", "rules [[ a,\n &b -> x |> function(p, q)\n return p ; end\n b -> y ]]", "x y");
    leaves("a f32 2,3;b", "rules [[ a -> x\n |> T\n b -> y |>\n copy ]]", "x y");
    leaves("a;b;c", "rules [[ a ->\n b -> x ]]", "x c");
}

static void comments_begin_after_white_space(void **state)
{
    (void)state;
    leaves("a--b;c", "rules [[\n-- all\n a--b -> x -- here ; c -> d\n ]]", "x c");
}

static void quotes_spell_every_key(void **state)
{
    (void)state;
    leaves("a{b}*;c", "rules [[ \"a{b}*\" -> \"x;y\" ; c -> \"q\\\"\\x41\" ]]", "x;y q\"A");
    leaves("a]]b", "rules [=[ \"a]]b\" -> c ]=]", "c");
}

/* ---- patterns and names ---- */

static void stars_stay_inside_a_segment(void **state)
{
    (void)state;
    leaves("a.b;a.b.c;a", "rules [[ a.* -> x.* ]]", "x.b a.b.c a");
    leaves("weight;a.weight;a.b.weight", "rules [[ **.weight -> **.w ]]", "w a.w a.b.w");
}

static void integers_have_no_leading_zero(void **state)
{
    (void)state;
    leaves("l.0;l.10;l.01;l.x", "rules [[ l.{i} -> m.{i+1} ]]", "m.1 m.11 l.01 l.x");
    leaves("n.0;n.2;n.3", "rules [[ n.{n:0|2} -> m.{n//2} ]]", "m.0 m.1 n.3");
}

static void alternatives_as_reports_print_them(void **state)
{
    (void)state;
    leaves("l.0.q;l.1.v;l.2.q", "rules [[ l.{0-1}.{q,v} -> m.{0-1}.{q,v} ]]", "m.0.q m.1.v l.2.q");
}

static void a_name_that_occurs_twice_is_equal(void **state)
{
    (void)state;
    leaves("a.1.1;a.1.2", "rules [[ a.{i}.{i} -> b.{i} ]]", "b.1 a.1.2");
}

static void expressions_are_lua(void **state)
{
    (void)state;
    leaves("b.0.1;b.3.0", "rules [[ b.{i}.{j} -> d.{(i+2)//3}.{j==0 and \"res\" or \"att\"} ]]",
           "d.0.att d.1.res");
    leaves("a.q", "names = {q = 'query'} rules [[ a.{p:q|k} -> a.{names[p]} ]]", "a.query");
    leaves("a.4", "rules [[ a.{i} -> b.{i / 2} ]]", "b.2");
    leaves("a.4", "i = 7 rules [[ a.{i} -> b.{math.max(i, 5)} ]]", "b.5");   /* captures shadow */
    leaves("a.4;b.x", "k = 3 rules [[ a.{i} -> a.{i + k} ; b.{x:*} -> b.{string.upper(x)} ]]",
           "a.7 b.X");
}

static void expressions_must_give_numbers_or_text(void **state)
{
    (void)state;
    fails("a.0", "rules [[\n a.{i} -> b.{i - 1}\n ]]", "fix.lua:2: ", "'a.0'");
    fails("a.1", "rules [[\n a.{i} -> b.{i / 2}\n ]]", "fix.lua:2: ", "{i / 2} for 'a.1'");
    fails("a.1", "rules [[\n\n a.{i} -> b.{math.huge}\n ]]", "fix.lua:3: ", "whole number");
    fails("a.1", "rules [[ a.{i} -> b.{print} ]]", "fix.lua:1: ", "gives a function");
    fails("a.1", "rules [[ a.{i} -> b.{i i} ]]", "fix.lua:1: ", "near 'i'");
    fails("a.1", "rules [[ a.{i} -> b.{oops.x} ]]", "fix.lua:1: ", "attempt to index a nil value");
}

static void more_stars_on_the_right_are_an_error(void **state)
{
    (void)state;
    fails("a.b", "rules [[ a.* -> *.* ]]", "fix.lua:1: ", "star");
}

static void slashes_are_borders_too(void **state)
{
    (void)state;
    leaves("a/attn/w;a/attn2/w", "sub [[ attn -> self ]]", "a/self/w a/attn2/w");
}

static void sub_is_cascading_and_never_rescans(void **state)
{
    (void)state;
    leaves("a.attn.w;a.attn2.w", "sub [[ attn -> self_attn ; self_attn.w -> x ]]", "a.x a.attn2.w");
    leaves("a.a.a", "sub [[ a -> a.a ]]", "a.a.a.a.a.a");
    leaves("x.w_g", "sub [[ ~_g -> _gain ]]", "x.w_gain");
    leaves("h.ln_1.w;h.ln_2.w", "sub [[ ln_{n} -> norm{n+1} ]]", "h.norm2.w h.norm3.w");
    leaves("h.ln_1.w", "sub [[ ln_{n} -> {('norm'):upper()}{n} ]]", "h.NORM1.w");
}

static void the_first_line_that_fits_takes_the_key_once(void **state)
{
    (void)state;
    leaves("a.w;a.b", "rules [[ a.w -> x.w ; a.* -> y.* ; x.w -> z ]]", "x.w y.b");
    leaves("a", "rules [[ a -> b ]] rules [[ b -> c ]]", "c");
    leaves("a", "rules [[ &a -> b ; a -> c ]]", "b c");
}

/* ---- statements ---- */

static void strip_in_its_three_forms(void **state)
{
    (void)state;
    leaves("module.module.a;b", "strip 'module.'", "module.a b");
    leaves("module._orig_mod.module.a", "strip{'module.', '_orig_mod.', again=true}", "a");
    leaves("_orig_mod.module.a", "strip('module.', '_orig_mod.')", "module.a");
    leaves("module.a;b", "strip{'module.', all=true}", "module.a b");
    leaves("module.a;module.b", "strip{'module.', all=true}", "a b");
}

static void strip_without_a_dot_is_a_note(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "modules.a", NULL, "\nstrip 'module'");
    assert_int_equal(bench_note(&bench, "module")->origin.line, 2);
    bench_close(&bench);
}

static void what_hits_nothing_is_a_note(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "a.b", NULL, "strip 'module.'\nseg 'x'\nrules [[\n a.{i} -> b.{i} ]]");
    assert_int_equal(bench_note(&bench, "module.")->origin.line, 1);
    assert_int_equal(bench_note(&bench, "seg")->origin.line, 2);
    assert_int_equal(bench_note(&bench, "a.{i}")->origin.line, 4);
    assert_string_equal(bench_note(&bench, "a.{i}")->origin.file, "rules.lua");
    bench_close(&bench);
}

static void keep_adds_its_dot_and_must_hit(void **state)
{
    (void)state;
    leaves("backbone.a;backbones.b;c", "keep 'backbone'", "a");
    fails("module.a", "\n\nkeep 'backbone.'", "fix.lua:3: ", "module");
}

static void seg_and_prefix(void **state)
{
    (void)state;
    leaves("a._orig_mod.b;module.c", "seg('_orig_mod', 'module') prefix 'x.'", "x.a.b x.c");
    leaves("a.module.b", "seg{'module'}", "a.b");
}

static void unwrap_takes_each_or_the_first(void **state)
{
    (void)state;
    Bench bench = {.source = bench_source("m.a", "state_dict.model_state")};
    bench.draft = draft_new(bench.source, NULL, NULL, 0);
    bench.script = script_new(bench.draft, NULL);
    assert_true(bench_run(&bench, "unwrap('state_dict', 'model_state') strip 'm.'", "fix.lua"));
    assert_string_equal(bench_keys(&bench), "a");
    bench_close(&bench);
    bench = (Bench){.source = bench_source("m.a", "model")};
    bench.draft = draft_new(bench.source, NULL, NULL, 0);
    bench.script = script_new(bench.draft, NULL);
    assert_true(bench_run(&bench, "unwrap{'state_dict', 'model'}", "fix.lua"));
    assert_string_equal(bench_keys(&bench), "m.a");
    bench_close(&bench);
}

static void unwrap_of_what_is_not_there(void **state)
{
    (void)state;
    Bench bench = {.source = bench_source("m.a", "model")};
    bench.draft = draft_new(bench.source, NULL, NULL, 0);
    bench.script = script_new(bench.draft, NULL);
    assert_false(bench_run(&bench, "\nunwrap 'state_dict'", "fix.lua"));
    assert_true(has_prefix(bench.err.text, "fix.lua:2: "));
    assert_non_null(strstr(bench.err.text, "model"));
    bench_close(&bench);
    bench_align(&bench, "a", NULL, "unwrap 'state_dict'");     /* a bare state dict: a note */
    assert_int_equal(bench_note(&bench, "state_dict")->level, NOTE_INFO);
    bench_close(&bench);
}

static void rule_takes_texts_and_ops(void **state)
{
    (void)state;
    leaves("a.1.w f32 2,3;a.2.w f32 2,3", "rule('a.{i}.w', 'b.{i}.w', T)", "b.1.w b.2.w");
    leaves("q f32 2;k f32 2", "rule({'q', 'k'}, 'qk', cat(0))", "qk");
    leaves("qk f32 4", "rule('qk', {'q', 'k'}, split(2))", "q k");
    leaves("a;b", "rule('a')", "b");
    leaves("a;b", "rule('a', nil) rule('b', 'c', function(t) return t end)", "c");
    leaves("a", "rule('&a', 'b') rule('b', 'c')", "a c");
    fails("a", "\nrule('a', 'b', 3)", "fix.lua:2: rule: argument 3", "a number");
    fails("a", "\nrule({1}, 'b')", "fix.lua:2: rule: expected text", "a number");
    fails("a", "rule('a', 'b', zeros)", "fix.lua:1: ", NULL);
}

static void rule_without_a_source_fills(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "a f32 2", "a f32 2;h.b f32 3", "rule({}, 'h.*', const(0.5))");
    bench_binding(&bench, "h.b", "filled", "");
    bench_close(&bench);
    bench_align(&bench, "a f32 2", "a f32 2;h.b f32 3", "rules [[ -> h.b |> zeros() ]]");
    bench_binding(&bench, "h.b", "filled", "");
    bench_close(&bench);
}

static void each_says_what_becomes_of_a_key(void **state)
{
    (void)state;
    leaves("a;b;c;d", "each(function(k) if k == 'a' then return false elseif k == 'b' then "
           "return 'x.b' elseif k == 'c' then return true end end)", "x.b c d");
    leaves("q f32 4", "each(function(k, t) local a, b = t:split(2) return {'p', a, 'r', b} end)",
           "p r");
    leaves("q f32 4",
           "each(function(k, t) local a, b = t:split(2) return {{'p', a}, {'r', b}} end)", "p r");
    leaves("a", "each(function(k, t) return {} end)", "");
    leaves("a f32 4", "each(function(k, t) return t:slice(0, 1) end) assert(src.a:size(0) == 3)",
           "a");
    leaves("a f32 4", "each(function(k, t) return k .. '.x', t:slice(0, 2) end) "
           "assert(src['a.x']:size(0) == 2)", "a.x");
    fails("a", "each(function(k)\n  return 5\nend)",
          "fix.lua:1: each: the function returned a number", "nil, false, a name");
    fails("a", "each(function(k)\n  error 'mine'\nend)", "fix.lua:2: mine", NULL);
    fails("a", "each(function(k) return k, 5 end)", "fix.lua:1: each: 'a': expected a tensor",
          "a number");
    fails("a", "each 'a'", "fix.lua:1: each: expected a function, got text", NULL);
}

static void statements_act_when_they_are_run(void **state)
{
    (void)state;
    prints("module.a f32 2;module.b f32 3", "a f32 2",
           "print(src.a, count 'module.*') strip 'module.' "
           "print(src.a.shape[1], file['module.a'].dtype, file.a, count '*', target.a:size(0))",
           "nil\t2\t1\n2\tf32\tnil\t2\t2\n");
}

static void statements_are_refused_inside_others(void **state)
{
    (void)state;
    fails("a;b", "each(function(k)\n  strip 'a'\nend)",
          "fix.lua:2: strip cannot be called while each "
          "runs",
          NULL);
    fails("a", "rules [[ a -> b |> function(t) keep 'x' return t end ]]", "fix.lua:1: a -> b |> "
          "function", "keep cannot be called while rules runs");
    fails("a.1", "function f(i) prefix 'x.' return i end rules [[ a.{i} -> b.{f(i)} ]]",
          "fix.lua:1: ", "prefix cannot be called while rules runs");
    leaves("a", "pcall(each, function() strip 'a' end) prefix 'x.'", "x.a");   /* not for good */
}

/* ---- the ledger's statements ---- */

static void fills_and_kept_targets(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "a f32 2;head.w f32 3,4", "a f32 2;head.w f32 5,4;head.b f32 5;x f32 1",
                "fill('head.**', kaiming{mode='fan_out'}) keep_target 'x'");
    bench_binding(&bench, "head.w", "filled", NULL);
    bench_binding(&bench, "head.b", "filled", NULL);
    bench_binding(&bench, "x", "kept", NULL);
    bench_close(&bench);
}

static void a_second_policy_overrides_field_by_field(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "a f32 2", "a f32 3;b f32 1",
                "policy{shape='skip', missing='keep'} policy{missing='error'}");
    bench_binding(&bench, "a", "kept", NULL);
    bench_binding(&bench, "b", "missing", NULL);
    assert_int_equal(align_policy(bench.alignment)->shape, SHAPE_SKIP);
    assert_int_equal(align_policy(bench.alignment)->missing, MISSING_ERROR);
    bench_close(&bench);
}

static void every_word_of_policy(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "a", NULL, NULL);
    assert_true(bench_run(&bench, "for f, words in pairs{shape={'error','skip','fit'}, "
                "dtype={'cast','skip','error','force'}, missing={'error','keep','init'}, "
                "unused={'warn','error','ignore'}, reuse={'error','all','once'}, "
                "collide={'error','last'}} do for _, w in ipairs(words) do policy{[f]=w} end end",
                "fix.lua"));
    const Policy *policy = draft_policy(bench.draft);
    assert_int_equal(policy->shape, SHAPE_FIT);
    assert_int_equal(policy->dtype, DTYPE_FORCE);
    assert_int_equal(policy->missing, MISSING_INIT);
    assert_int_equal(policy->unused, UNUSED_IGNORE);
    assert_int_equal(policy->reuse, REUSE_ONCE);
    assert_int_equal(policy->collide, COLLIDE_LAST);
    bench_close(&bench);
}

static void policy_lists_what_it_allows(void **state)
{
    (void)state;
    fails("a", "\npolicy{shape='maybe'}",
          "fix.lua:2: policy: shape cannot be \"maybe\"; it is one of "
          "\"error\", \"skip\", \"fit\"",
          NULL);
    fails("a", "policy{shapes='skip'}", "fix.lua:1: policy: there is no field 'shapes'; it takes "
          "shape, dtype, missing, unused, reuse, collide", NULL);
    fails("a", "policy{'skip'}", "fix.lua:1: policy: every value needs its field", NULL);
    fails("a", "policy 'skip'", "fix.lua:1: policy: expected {shape=…, …}, got text", NULL);
    fails("a", "policy{shape=1}", "fix.lua:1: policy: expected a word in quotes, got a number",
          NULL);
}

static void expect_turns_differences_into_silence(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "a f32 2;x.n i64;c f32 5", "a f32 2;head.w f32 3;c f32 6",
                "expect{missing={'head.*'}, unused='**.n', shape={'c'}, loaded=1}");
    assert_true(align_find(bench.alignment, "head.w")->covered);
    assert_true(align_find(bench.alignment, "c")->covered);
    assert_true(align_find_use(bench.alignment, "x.n")->covered);
    assert_int_equal(align_exit(bench.alignment), 0);
    bench_close(&bench);
    fails("a", "expect{lost={'a'}}",
          "fix.lua:1: expect: there is no field 'lost'; it takes missing, "
          "unused, shape, dtype, loaded",
          NULL);
    fails("a", "expect{loaded='many'}", "fix.lua:1: expect: loaded must be a whole number", NULL);
    fails("a", "expect{missing={'{'}}", "fix.lua:1: expect", NULL);
}

static void types_are_cast_where_nothing_is_lost(void **state)
{
    (void)state;
    static const char source[] = "a i64;b f16 2;c f32 2;d bool 2";
    static const char target[] = "a f32;b f32 2;c i64 2;d i32 2";
    Bench bench;
    bench_align(&bench, source, target, "");
    bench_binding(&bench, "a", "dtype", NULL);
    bench_binding(&bench, "b", "loaded", "b");
    bench_binding(&bench, "c", "dtype", NULL);
    bench_binding(&bench, "d", "loaded", "d");
    assert_string_equal(align_find(bench.alignment, "c")->reason, "f32 → i64");
    bench_close(&bench);
    bench_align(&bench, source, target, "rules [[ a -> a |> cast 'f32' ]]");
    bench_binding(&bench, "a", "loaded", "a");
    bench_binding(&bench, "c", "dtype", NULL);
    bench_close(&bench);
    bench_align(&bench, source, target, "policy{dtype='force'}");
    bench_binding(&bench, "a", "loaded", "a");
    bench_binding(&bench, "c", "loaded", "c");
    bench_close(&bench);
    bench_align(&bench, "a f16 2", "a f32 2", "policy{dtype='error'}");
    bench_binding(&bench, "a", "dtype", NULL);
    bench_close(&bench);
}

static void fit_takes_the_overlap(void **state)
{
    (void)state;
    static const char *const rests[] = {"zeros", "zeros()", "mean", "normal(.02)"};
    Bench bench;
    for (size_t i = 0; i < countof(rests); i++) {
        char text[64];
        snprintf(text, sizeof text, "rules [[ h -> h |> fit(0, %s) ]]", rests[i]);
        bench_align(&bench, "h f32 3,4", "h f32 5,4", text);
        bench_binding(&bench, "h", "loaded", "h");
        assert_string_equal(align_find(bench.alignment, "h")->reason, "3 of 5 rows");
        bench_close(&bench);
    }
    static const char *const targets[] = {"fit(0)", "fit(0, target)"};
    for (size_t i = 0; i < countof(targets); i++) {     /* a schema has no values to keep */
        char text[64];
        snprintf(text, sizeof text, "rules [[ h -> h |> %s ]]", targets[i]);
        bench_align(&bench, "h f32 3,4", "h f32 5,4", text);
        bench_binding(&bench, "h", "shape", NULL);
        assert_non_null(strstr(align_find(bench.alignment, "h")->reason, "schema"));
        bench_close(&bench);
    }
}

static void vectors_get_zeros_and_the_report_says_so(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "a f32 2", "a f32 2;head.w f32 3,4;head.b f32 3",
                "fill('head.**', kaiming)");
    bench_binding(&bench, "head.w", "filled", "");
    bench_binding(&bench, "head.b", "filled", "");
    assert_int_equal(align_find(bench.alignment, "head.w")->expr->fill->kind, FILL_KAIMING_NORMAL);
    assert_non_null(strstr(align_find(bench.alignment, "head.b")->reason, "zeros under kaiming"));
    bench_close(&bench);
}

static void missing_targets_are_initialised(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "a f32 2", "a f32 2;bn.running_var f32 3", "policy{missing='init'}");
    bench_binding(&bench, "bn.running_var", "filled", "");
    bench_close(&bench);
}

static void collisions_are_recorded_or_settled(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "module.a f32 1;a f32 2", "a f32 2", "strip 'module.'");
    assert_int_equal(align_collision_count(bench.alignment), 1);
    bench_binding(&bench, "a", "ambiguous", NULL);
    assert_int_equal(align_collision(bench.alignment, 0)->origin.line, 1);
    assert_int_equal(align_exit(bench.alignment), 2);
    bench_close(&bench);
    bench_align(&bench, "module.a f32 1;a f32 2", "a f32 2",
                "policy{collide='last'} strip 'module.'");
    bench_binding(&bench, "a", "loaded", "a");
    bench_use(&bench, "module.a", "dropped");
    bench_close(&bench);
}

/* A chunk's own argument; what is wrong with it is said as an error of "options". */
static void a_chunk_gets_its_options(void **state)
{
    (void)state;
    static const char text[] = "local o = ... or {}\nprefix(o.name or 'none.')";
    Bench bench;
    bench_open(&bench, "w f32 2", NULL, NULL);
    assert_true(script_run_with(bench.script, text, strlen(text), "a.lua", "name='b.', n=1",
                                &bench.err));
    assert_string_equal(bench_keys(&bench), "b.w");
    assert_true(script_run_with(bench.script, text, strlen(text), "a.lua", NULL, &bench.err));
    assert_string_equal(bench_keys(&bench), "none.b.w");
    assert_false(script_run_with(bench.script, text, strlen(text), "a.lua", "name=", &bench.err));
    assert_non_null(strstr(bench.err.text, "options:1: "));
    bench_close(&bench);
}

#define RUN(name) cmocka_unit_test(name)

static void an_op_by_itself_is_an_error(void **state)
{
    (void)state;
    const char *const help = "rules [[ ** -> ** |> cast(\"f16\") ]]";
    fails("a", "cast \"f16\"", "fix.lua:1: ", help);
    fails("a", "strip 'x' --[[ [=[ ]]\n;cast('f16')", "fix.lua:2: ", help);
    fails("a", "local s = '\\'='\n-- =\nif s then\n cast 'f16' end", "fix.lua:4: ", help);
    fails("a 2,2", "do local t = {}\n  split(3) end", "fix.lua:2: ", "|> split(3) ]]");
    leaves("a", "half =\n cast 'f16'\nops = {cast 'f16',\n split(3),\n [1] = stack(0)}", "a");
    leaves("a", "local function f()\n return -- cast 'f16'\n cast 'f16' end f()", "a");
    leaves("a", "for i = 1, 9 do x = i and cast 'f16' end\n--[[\n]] rules [[ a -> b |> cast 'f16' ]]",
           "b");
    leaves("a", "function cast(x) return x end\ncast 'f16'", "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(rule_text_ends_at_semicolons_and_newlines), RUN(comments_begin_after_white_space),
        RUN(quotes_spell_every_key), RUN(stars_stay_inside_a_segment),
        RUN(integers_have_no_leading_zero), RUN(alternatives_as_reports_print_them),
        RUN(a_name_that_occurs_twice_is_equal), RUN(expressions_are_lua),
        RUN(expressions_must_give_numbers_or_text), RUN(more_stars_on_the_right_are_an_error),
        RUN(slashes_are_borders_too), RUN(sub_is_cascading_and_never_rescans),
        RUN(the_first_line_that_fits_takes_the_key_once), RUN(strip_in_its_three_forms),
        RUN(strip_without_a_dot_is_a_note), RUN(what_hits_nothing_is_a_note),
        RUN(keep_adds_its_dot_and_must_hit), RUN(seg_and_prefix),
        RUN(unwrap_takes_each_or_the_first), RUN(unwrap_of_what_is_not_there),
        RUN(rule_takes_texts_and_ops), RUN(rule_without_a_source_fills),
        RUN(each_says_what_becomes_of_a_key), RUN(statements_act_when_they_are_run),
        RUN(statements_are_refused_inside_others), RUN(fills_and_kept_targets),
        RUN(a_second_policy_overrides_field_by_field), RUN(every_word_of_policy),
        RUN(policy_lists_what_it_allows), RUN(expect_turns_differences_into_silence),
        RUN(types_are_cast_where_nothing_is_lost),
        RUN(fit_takes_the_overlap),
        RUN(vectors_get_zeros_and_the_report_says_so),
        RUN(missing_targets_are_initialised),
        RUN(collisions_are_recorded_or_settled),
        RUN(an_op_by_itself_is_an_error), RUN(a_chunk_gets_its_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
