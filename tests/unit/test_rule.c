/* Rule text as tenon-rules(5) has it, sentence by sentence; `sub` lines; the conversions that
 * people use, each with the keys of its models. */
#include "tests/unit/rule_host.h"
#include "tests/unit/pattern_maker.h"

static RuleBlock parse(const char *text)
{
    Error err = {0};
    RuleBlock block;
    if (!rules_parse(arena, text, strlen(text), (Origin){"fix.lua", 1}, &plain_host, &block, &err))
        fail_msg("%s: %s", text, err.text);
    return block;
}

static const char *refused(const char *text)
{
    Error err = {0};
    RuleBlock block;
    if (rules_parse(arena, text, strlen(text), (Origin){"fix.lua", 1}, &plain_host, &block, &err))
        fail_msg("%s was taken", text);
    return arena_strdup(arena, err.text);
}

/* Ops as the host got them: "op text@line", a line each. */
static Text seen;

static bool record_ops(void *host, Arena *where, const char *text, size_t n, int line,
                       const Op **ops, size_t *count, Error *err)
{
    (void)host;
    (void)err;
    text_addf(&seen, "[%.*s]@%d", (int)n, text, line);
    *ops = arena_copy(where, &(Op){.kind = OP_FUNCTION}, sizeof(Op));
    *count = 1;
    return true;
}

static const RuleHost recorder = {{plain_compile, plain_evaluate, NULL}, record_ops, NULL};

/* What the host is given for a text, and how many rules there are: "[…]@1 2". */
static const char *lua_of(const char *text)
{
    Error err = {0};
    RuleBlock block;
    text_clear(&seen);
    if (!rules_parse(arena, text, strlen(text), (Origin){"fix.lua", 1}, &recorder, &block, &err))
        return arena_strdup(arena, err.text);
    text_addf(&seen, " %zu", block.count);
    const char *copy = arena_strdup(arena, text_string(&seen));
    text_done(&seen);
    return copy;
}

#define assert_has(text, part)                                                      \
    do {                                                                            \
        const char *whole_ = (text);                                                \
        if (!strstr(whole_, (part))) fail_msg("\"%s\" lacks \"%s\"", whole_, (part)); \
    } while (0)

/* ---- cutting ---- */

static void test_semicolon_and_newline_end(void **state)
{
    (void)state;
    RuleBlock block = parse("a -> b ; c -> d\n\n ;; e -> f;");
    assert_int_equal(block.count, 3);
    assert_string_equal(block.rules[0].text, "a -> b");
    assert_string_equal(block.rules[1].text, "c -> d");
    assert_int_equal(block.rules[1].origin.line, 1);
    assert_int_equal(block.rules[2].origin.line, 3);
    assert_int_equal(parse("").count, 0);
    assert_int_equal(parse(" \n ; -- nothing\n").count, 0);
}

static void test_not_inside_quotes_and_braces(void **state)
{
    (void)state;
    RuleBlock block = parse("\"a;b\" -> \"c\nd\" ; {p:x|\n y} -> {p}");
    assert_int_equal(block.count, 2);
    assert_string_equal(pattern_literal(block.rules[0].sources[0].pattern), "a;b");
    assert_int_equal(block.rules[1].origin.line, 2);
    block = parse("\"a,b\", {x,y} -> c |> cat(0)");
    assert_int_equal(block.rules[0].source_count, 2);
}

static void test_comments(void **state)
{
    (void)state;
    RuleBlock block = parse("-- first\na -> b -- why\n  -- more\nc--d -> e--f\ng ->   -- a drop");
    assert_int_equal(block.count, 3);
    assert_string_equal(block.rules[0].text, "a -> b");
    assert_string_equal(pattern_literal(block.rules[1].sources[0].pattern), "c--d");
    assert_string_equal(block.rules[1].text, "c--d -> e--f");
    assert_int_equal(block.rules[2].target_count, 0);
    assert_int_equal(block.rules[2].origin.line, 5);
    assert_string_equal(pattern_literal(parse("\"a -- b\" -> c").rules[0].sources[0].pattern),
                        "a -- b");
}

static void test_line_that_ends_in_comma_goes_on(void **state)
{
    (void)state;
    RuleBlock block = parse("a,  -- first\n  b ->\nc -> d,\n e |> split(2)");
    assert_int_equal(block.count, 2);
    assert_int_equal(block.rules[0].source_count, 2);
    assert_int_equal(block.rules[0].target_count, 0);
    assert_int_equal(block.rules[1].target_count, 2);
    assert_int_equal(block.rules[1].origin.line, 3);
}

static void test_line_that_ends_in_pipe_goes_on(void **state)
{
    (void)state;
    assert_string_equal(lua_of("a -> b |>\n  T"), "[T]@2 1");
    assert_string_equal(lua_of("a -> b |> T,\n  copy\nc -> d"), "[T,\n  copy]@1 2");
}

static void test_next_line_that_begins_with_pipe(void **state)
{
    (void)state;
    assert_string_equal(lua_of("a -> b\n  |> T"), "[T]@2 1");
    assert_string_equal(lua_of("a -> b -- note\n\n -- and\n  |> T ; c -> d"), "[T]@4 2");
    assert_has(refused("a ->\n |> T"), "fix.lua:2: ");          /* a drop ends at its line */
}

static void test_line_that_ends_in_arrow_is_a_drop(void **state)
{
    (void)state;
    RuleBlock block = parse("a ->\nb -> c");
    assert_int_equal(block.count, 2);
    assert_int_equal(block.rules[0].target_count, 0);
    assert_string_equal(block.rules[0].text, "a ->");
}

static void test_lua_right_of_the_pipe(void **state)
{
    (void)state;
    assert_string_equal(lua_of("a -> b |> pick(1, {2,\n 1; 0}) ; c -> d"),
                        "[pick(1, {2,\n 1; 0})]@1 2");
    assert_string_equal(lua_of("a -> b |> function(t) if x then return t end; return t end ; "
                               "c -> d"),
                        "[function(t) if x then return t end; return t end]@1 2");
    assert_string_equal(lua_of("a -> b |> function(t)\n for i = 1, 2 do while x do y() end end\n"
                               "  repeat local z; do end until z\n  return t\nend\nc -> d"),
                        "[function(t)\n for i = 1, 2 do while x do y() end end\n"
                        "  repeat local z; do end until z\n  return t\nend]@1 2");
    assert_string_equal(lua_of("a -> b |> f(\"end;\\\"\", 'x;\\'', [[;\n]], [==[ ]] ; ]==]) ; "
                               "c -> d"),
                        "[f(\"end;\\\"\", 'x;\\'', [[;\n]], [==[ ]] ; ]==])]@1 2");
    assert_string_equal(lua_of("a -> b |> T--note ; c\nd -> e"), "[T]@1 2");
    assert_string_equal(lua_of("a -> b |> T --[[ ;\n ]] , copy ; c -> d"),
                        "[T --[[ ;\n ]] , copy]@1 2");
    assert_string_equal(lua_of("a -> b |> f(endx, functional, my_do) ; c -> d"),
                        "[f(endx, functional, my_do)]@1 2");
    assert_string_equal(lua_of("a -> b |> t[1] ; c -> d"), "[t[1]]@1 2");
}

static void test_lua_that_is_not_closed(void **state)
{
    (void)state;
    assert_has(refused("a -> b\nc -> d |> f(1"), "fix.lua:2: ");
    assert_has(refused("a -> b |> function(t) return t"), "not closed");
    assert_has(refused("a -> b |> f('x)"), "string");
    assert_has(refused("a -> b |> f([[x)"), "string");
    assert_has(refused("a -> b |> T --[[ x"), "comment");
    assert_has(refused("a -> b |> T |> copy"), "two |>");
    assert_has(refused("a -> b |>"), "nothing stands right");
    assert_has(refused("a -> b |> ;"), "nothing stands right");
}

static void test_places(void **state)
{
    (void)state;
    Error err = {0};
    RuleBlock block;
    const char *text = "\n\n  a -> b\n  c{ -> d";
    assert_false(rules_parse(arena, text, strlen(text), (Origin){"fix.lua", 10}, &plain_host,
                             &block, &err));
    assert_string_equal(err.text, "fix.lua:13: a { is not closed");
    assert_has(refused("a\nb -> c"), "fix.lua:1: a: no -> in this rule");
    assert_has(refused("a -> b -> c"), "two ->");
    assert_has(refused("a -> b c"), "fix.lua:1: b c (column 2): white space");
    assert_has(refused("a -> {nope}"), "fix.lua:1: {nope} (column 1): {nope}: cannot compile");
    assert_has(refused("a -> b |> nope()"), "fix.lua:1: no op");
    assert_has(refused("\"a -> b"), "fix.lua:1: a \" is not closed");
    RuleBlock none;
    assert_false(rules_parse(arena, "a\0b -> c", 8, (Origin){"x", 1}, &plain_host, &none, &err));
    assert_has(err.text, "NUL");
}

/* ---- rules ---- */

static void test_sources_and_targets(void **state)
{
    (void)state;
    RuleBlock block = parse("a.{i}, &b.{i} , & c -> d.{i}, e |> cat(0)");
    const Rule *rule = &block.rules[0];
    assert_int_equal(rule->source_count, 3);
    assert_false(rule->sources[0].keep);
    assert_true(rule->sources[1].keep);
    assert_true(rule->sources[2].keep);
    assert_string_equal(pattern_text(rule->sources[2].pattern), "c");
    assert_int_equal(rule->target_count, 2);
    assert_int_equal(rule->op_count, 1);
    assert_string_equal(rule->text, "a.{i}, &b.{i} , & c -> d.{i}, e |> cat(0)");
    assert_has(refused("a, -> b"), "empty");
    assert_has(refused("a -> b, "), "empty");
    assert_string_equal(pattern_literal(parse("\"&a\" -> b").rules[0].sources[0].pattern), "&a");
}

static void test_nothing_on_the_left_fills(void **state)
{
    (void)state;
    RuleBlock block = parse(" -> head.bias |> zeros()\n-> x.**, y.{i} |> const(1)");
    assert_int_equal(block.count, 2);
    assert_int_equal(block.rules[0].source_count, 0);
    assert_string_equal(pattern_text(block.rules[0].fills[0]), "head.bias");
    assert_int_equal(block.rules[1].target_count, 2);
    assert_string_equal(pattern_text(block.rules[1].fills[1]), "y.{i}");
    assert_has(refused("->"), "either side");
    assert_has(refused("-> a"), "fills what is missing");
    assert_has(refused("-> a |> split(3)"), "fills what is missing");
    assert_has(refused("-> a |> zeros(), T"), "fills what is missing");
}

static void test_drops_take_nothing(void **state)
{
    (void)state;
    assert_has(refused("&a ->"), "kept and dropped");
    assert_has(refused("a -> |> T"), "drop");
}

static void test_counter(void **state)
{
    (void)state;
    assert_string_equal(parse("w -> w.{e}.x |> unstack(0)").rules[0].counter, "e");
    assert_string_equal(parse("w.{i} -> w.{i}.{e}.x |> unstack(0)").rules[0].counter, "e");
    assert_null(parse("w.{i} -> w.{i}.x |> T").rules[0].counter);
    assert_has(refused("w -> w.{e} |> T"), "cannot compile 'e'");
}

static void test_rule_from_its_parts(void **state)
{
    (void)state;
    Error err = {0};
    Rule rule;
    const char *sources[] = {" a.{i} ", "&b"}, *targets[] = {"c.{i}"}, *bad[] = {"a,b"};
    const Op ops[] = {{.kind = OP_CAT, .has_axis = true}, {.kind = OP_T}};
    assert_true(rule_compile(arena, (Origin){"x", 3}, NULL, sources, 2, targets, 1, ops, 2,
                             &plain_host.expressions, &rule, &err));
    assert_has(rule.text, "-> c.{i} |> cat(0), T");
    assert_true(rule.sources[1].keep);
    assert_true(rule.ops != ops);
    assert_true(rule_compile(arena, (Origin){"x", 3}, "text", bad, 0, targets, 1,
                             &(Op){.kind = OP_ZEROS}, 1, &plain_host.expressions, &rule, &err) ||
                strstr(err.text, "braces"));
    assert_false(rule_compile(arena, (Origin){"x", 3}, NULL, bad, 1, targets, 0, NULL, 0,
                              &plain_host.expressions, &rule, &err));
    assert_has(err.text, "','");
}

static void test_many_rules(void **state)
{
    (void)state;
    Text text = {0};
    for (int i = 0; i < 5000; i++) text_addf(&text, "a.%d.{i}.** -> b.{i+%d}.**\n", i, i);
    RuleBlock block = parse(text_string(&text));
    assert_int_equal(block.count, 5000);
    assert_int_equal(block.rules[4999].origin.line, 5000);
    text_done(&text);
}

/* ---- sub ---- */

static const char *sub_error(const char *text)
{
    Error err = {0};
    SubBlock block;
    if (sub_parse(arena, text, strlen(text), (Origin){"fix.lua", 1}, &plain_host, &block, &err))
        fail_msg("%s was taken", text);
    return arena_strdup(arena, err.text);
}

/* A key behind every line of a block; "=" when nothing changed. */
static const char *sub(const char *text, const char *key)
{
    Error err = {0};
    SubBlock block;
    if (!sub_parse(arena, text, strlen(text), (Origin){"fix.lua", 1}, &plain_host, &block, &err))
        fail_msg("%s: %s", text, err.text);
    bool any = false;
    for (size_t i = 0; i < block.count; i++) {
        Text out = {0};
        bool changed;
        if (!sub_apply(&block.rules[i], key, &out, &changed, &err)) {
            text_done(&out);
            return arena_strdup(arena, err.text);
        }
        if (changed) key = arena_strdup(arena, text_string(&out));
        any = any || changed;
        text_done(&out);
    }
    return any ? key : "=";
}

#define assert_sub(text, key, to) assert_string_equal(sub(text, key), to)

static void test_sub_takes_whole_runs(void **state)
{
    (void)state;
    assert_sub("attn -> self_attn", "b.0.attn.w", "b.0.self_attn.w");
    assert_sub("attn -> self_attn", "b.0.attn2.w", "=");
    assert_sub("attn -> self_attn", "b.0.self_attn.w", "=");
    assert_sub("attn -> x", "attn", "x");
    assert_sub("attn.proj -> out", "a.attn.proj.w", "a.out.w");
    assert_sub("attn.proj -> out", "a.attn.project.w", "=");
    assert_sub("q.weight -> to_q.weight", "attn.seq.weight", "=");
    assert_sub("down_blocks.1 -> x", "down_blocks.10.w", "=");
    assert_sub("ln_{n} -> layer_norm{n}", "b.ln_1.w", "b.layer_norm1.w");
    assert_sub("ln_{n} -> layer_norm{n}", "b.ln_12.w", "b.layer_norm12.w");
    assert_sub("blocks.{i} -> encoder.layer.{i}", "blocks.3.w", "encoder.layer.3.w");
}

static void test_sub_slash_is_a_border(void **state)
{
    (void)state;
    assert_sub("attn -> self", "scope/attn/kernel", "scope/self/kernel");
    assert_sub("attn -> self", "scope/attn_1/kernel", "=");
    assert_sub("kernel -> weight", "a/kernel", "a/weight");
}

static void test_sub_replaces_all_once(void **state)
{
    (void)state;
    assert_sub("a -> b", "a.a.x.a", "b.b.x.b");
    assert_sub("a -> a.a", "a.a", "a.a.a.a");           /* the result is never scanned again */
    assert_sub("a.a -> b", "a.a.a.a.a", "b.b.a");
}

static void test_sub_cascades(void **state)
{
    (void)state;
    assert_sub("a -> b ; b -> c", "a.b", "c.c");
    assert_sub("b -> c ; a -> b", "a.b", "b.c");
}

static void test_sub_tilde_loosens_an_edge(void **state)
{
    (void)state;
    assert_sub("~weight_g -> original0", "conv.weight_g", "conv.original0");
    assert_sub("~_g -> _x", "conv.weight_g", "conv.weight_x");
    assert_sub("_g -> _x", "conv.weight_g", "=");
    assert_sub("norm~ -> ln", "a.norm1.norm_x.b", "a.ln1.ln_x.b");
    assert_sub("~o~ -> 0", "foo.boo", "f00.b00");
    assert_sub("~_g -> _x", "a_gg.b_g", "a_gg.b_x");
    assert_sub("\"~a\" -> b", "x.~a", "x.b");
    assert_has(sub_error("~ -> b"), "look for");
    assert_has(sub_error("a -> ~b"), "belongs to the left");
}

static void test_sub_wildcards(void **state)
{
    (void)state;
    assert_sub("conv*.bn -> *_norm", "l.conv1.bn.w", "l.1_norm.w");
    assert_sub("x.**.y -> z.**", "a.x.b.c.y.d", "a.z.b.c.d");
    assert_sub("{p:q|k}_proj -> to_{p}", "a.k_proj.w", "a.to_k.w");
    assert_sub("h.{i} -> l.{i+1}", "h.0.h.1", "l.1.l.2");
    assert_has(sub("h.{i} -> l.{i-1}", "h.0.w"), "gives -1");
}

static void test_sub_without_a_right_side_removes(void **state)
{
    (void)state;
    assert_sub("_orig_mod ->", "a._orig_mod.b", "a.b");
    assert_sub("_orig_mod ->", "_orig_mod.b", "b");
    assert_sub("_orig_mod ->", "a._orig_mod", "a");
    assert_sub("m ->", "m.m.a.m.b.m", "a.b");
    assert_sub("~_ema ->", "net_ema.w", "net.w");
    assert_sub("a ->", "a", "");
}

static void test_sub_changes_names_only(void **state)
{
    (void)state;
    assert_has(sub_error("a -> b |> T"), "names only");
    assert_has(sub_error("a, b -> c"), "','");
    assert_has(sub_error("-> c"), "look for");
    assert_has(sub_error("x\n"), "fix.lua:1: x: no ->");
}

static void test_sub_on_hostile_keys_ends(void **state)
{
    (void)state;
    Text key = {0};
    while (key.length < 200000) text_add(&key, "a.");
    assert_sub("**.b.** -> x", text_string(&key), "=");
    assert_sub("*.*.*.b -> x", text_string(&key), "=");
    text_clear(&key);
    while (key.length < 100000) text_add(&key, "1");
    assert_sub("~{i}{j}{k}x -> y", text_string(&key), "=");
    assert_has(sub("{x:*}{y:*}{z:*}{x}{y}{z}b -> q", text_string(&key)), "too long");
    text_done(&key);
}

/* ---- conversions that people use ---- */

static void test_conversions_parse(void **state)
{
    (void)state;
    assert_int_equal(parse("\n  {n:0|2|5|7|10|12|14|17|19|21}.* -> features1.{n}.*\n"
                           "  24.* -> features2.1.* ;  26.* -> features2.3.* ;  28.* -> f.5.*\n"
                           "  31.* -> conv6.*       ;  33.* -> conv7.*\n").count, 6);
    RuleBlock block = parse(" conv1.weight -> conv1.weight |> pick(1, {2, 1, 0}) ");
    assert_int_equal(block.rules[0].ops[0].kind, OP_PICK);
    block = parse("\n  **.num_batches_tracked -> ;  fc.* ->         -- nothing on the right\n"
                  "  conv1.*                     -> stem.conv1.*\n"
                  "  layer{s}.{b}.downsample.1.* -> res{s+1}.{b}.shortcut.norm.*\n");
    assert_int_equal(block.count, 4);
    assert_int_equal(block.rules[0].target_count, 0);
    assert_int_equal(block.rules[3].origin.line, 4);
    block = parse("  **.attn.qkv.{p:weight|bias} -> **.attention.attention.query.{p}, "
                  "**.attention.attention.key.{p}, **.attention.attention.value.{p} |> split(3)\n"
                  "  cls_token -> embeddings.cls_token ; norm.* -> layernorm.*\n");
    assert_int_equal(block.count, 3);
    assert_int_equal(block.rules[0].target_count, 3);
    block = parse("  **.rotary_emb.inv_freq ->\n"
                  "  layers.{i}.self_attn.q_proj.weight -> layers.{i}.attention.wq.weight "
                  "|> rope_pairs(4)\n"
                  "  layers.{i}.post_attention_layernorm.weight -> layers.{i}.ffn_norm.weight ");
    assert_int_equal(block.count, 3);
    block = parse("  **.block_sparse_moe.experts.{e}.w1.weight, "
                  "**.block_sparse_moe.experts.{e}.w3.weight -> **.mlp.experts.gate_up_proj |> stack(0), cat(1)\n");
    assert_int_equal(block.rules[0].op_count, 2);
    block = parse("  visual.proj     -> visual_projection.weight |> t\n"
                  "  visual.transformer.resblocks.** -> vision_model.encoder.layers.** ; "
                  "transformer.resblocks.** -> text_model.encoder.layers.**\n");
    assert_int_equal(block.count, 3);
    block = parse("  time_embed.{n:0|2}.*         -> time_embedding.linear_{n//2+1}.*\n"
                  "  input_blocks.{i}.{j}.**      -> down_blocks.{(i-1)//3}.{j==0 and \"resnets\" "
                  "or \"attentions\"}.{(i-1)%3}.**\n"
                  "  middle_block.1.**            -> mid_block.attentions.0.** ; "
                  "middle_block.{j}.** -> mid_block.resnets.{j//2}.**\n");
    assert_int_equal(block.count, 4);
    assert_sub("attn -> self_attn ; ln_{n} -> layer_norm{n} ; c_fc -> fc1 ; c_proj -> fc2",
               "visual.transformer.resblocks.0.attn.in_proj_weight",
               "visual.transformer.resblocks.0.self_attn.in_proj_weight");
    assert_sub("in_layers.0 -> norm1 ; in_layers.2 -> conv1 ; emb_layers.1 -> time_emb_proj\n"
               "  out_layers.0 -> norm2 ; out_layers.3 -> conv2 ; skip_connection -> conv_shortcut",
               "up_blocks.0.resnets.1.out_layers.3.weight", "up_blocks.0.resnets.1.conv2.weight");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_semicolon_and_newline_end), TEST(test_not_inside_quotes_and_braces),
        TEST(test_comments), TEST(test_line_that_ends_in_comma_goes_on),
        TEST(test_line_that_ends_in_pipe_goes_on), TEST(test_next_line_that_begins_with_pipe),
        TEST(test_line_that_ends_in_arrow_is_a_drop), TEST(test_lua_right_of_the_pipe),
        TEST(test_lua_that_is_not_closed), TEST(test_places), TEST(test_sources_and_targets),
        TEST(test_nothing_on_the_left_fills), TEST(test_drops_take_nothing), TEST(test_counter),
        TEST(test_rule_from_its_parts), TEST(test_many_rules), TEST(test_sub_takes_whole_runs),
        TEST(test_sub_slash_is_a_border), TEST(test_sub_replaces_all_once),
        TEST(test_sub_cascades), TEST(test_sub_tilde_loosens_an_edge), TEST(test_sub_wildcards),
        TEST(test_sub_without_a_right_side_removes), TEST(test_sub_changes_names_only),
        TEST(test_sub_on_hostile_keys_ends), TEST(test_conversions_parse),
#undef TEST
    };
    return cmocka_run_group_tests_name("rule", tests, NULL, NULL);
}
