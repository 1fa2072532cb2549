/* Rules blocks over a Draft: which rule takes which key, what is gathered, what is refused, and
 * what ops make of it, as tenon-rules(5) has it. */
#include "tests/unit/drafts.h"

#include <time.h>

/* ---- rules: names ---- */

static void test_first_rule_that_fits_once(void **state)
{
    (void)state;
    Case c = case_open("a.w;a.b;x", NULL);
    assert_true(run_rules(&c, "a.w -> b.w\na.* -> c.*\nb.* -> d.*"));
    assert_string_equal(keys_of(&c), "b.w | c.b | x");
    assert_true(run_rules(&c, "b.* -> d.*"));                 /* the next block sees new names */
    assert_string_equal(keys_of(&c), "d.w | c.b | x");
    assert_string_equal(steps_of(&c, draft_at(c.draft, 0)->step),
                        "d.w <- b.w (fix.lua:3 b.* -> d.*); b.w <- a.w (fix.lua:3 a.w -> b.w)");
    case_close(&c);
}

static void test_near_names_are_not_hit(void **state)
{
    (void)state;
    Case c = case_open("m.gate_up_proj;m.gate_up_proj_scale_inv;convert;conv", NULL);
    assert_true(run_rules(&c, "**.gate_up_proj -> **.x\nconv -> c"));
    assert_string_equal(keys_of(&c), "m.x | m.gate_up_proj_scale_inv | convert | c");
    case_close(&c);
}

static void test_drop(void **state)
{
    (void)state;
    Case c = case_open("bn.num_batches_tracked;num_batches_tracked;fc.weight;x", NULL);
    assert_true(run_rules(&c, "**.num_batches_tracked -> ; fc.* ->\nnever.* ->"));
    assert_string_equal(keys_of(&c), "x");
    assert_string_equal(steps_of(&c, draft_dropped(c.draft, 2)),
                        "dropped <- fc.weight (fix.lua:3 fc.* ->)");
    assert_int_equal(draft_note_count(c.draft), 0);          /* a drop may fit nothing */
    case_close(&c);
}

static void test_keep_mark_leaves_the_key(void **state)
{
    (void)state;
    Case c = case_open("a 2;b 3", NULL);
    assert_true(run_rules(&c, "&a -> x\na -> y"));
    assert_string_equal(keys_of(&c), "x 2 | y 2 | b 3");
    case_close(&c);
    c = case_open("a 2;b 3", NULL);
    assert_true(run_rules(&c, "a, &b -> c |> cat(0)"));
    assert_string_equal(keys_of(&c), "c 5 | b 3");
    case_close(&c);
    c = case_open("a 2", NULL);
    assert_true(run_rules(&c, "&a, a -> c |> cat(0)"));
    assert_string_equal(keys_of(&c), "c 4");
    case_close(&c);
}

static void test_rules_that_never_fit_are_notes(void **state)
{
    (void)state;
    Case c = case_open("layers.0.self_attn.q_proj.weight;layers.0.mlp.w;x.y", NULL);
    assert_true(run_rules(&c, "layers.{i}.self_atn.q_proj.weight -> a.{i}\nx.* -> z.*\n"
                              "x.y -> never\nqqq -> r"));
    assert_string_equal(notes_of(&c),
                        "layers.{i}.self_atn.q_proj.weight -> a.{i}: fits no key; did you mean "
                        "layers.0.self_attn.q_proj.weight?\n"
                        "x.y -> never: never used; the 1 key it fits went to earlier rules\n"
                        "qqq -> r: fits no key\n");
    assert_int_equal(draft_note_at(c.draft, 1)->origin.line, 5);
    case_close(&c);
}

static void test_a_number_that_was_meant_to_be_a_name(void **state)
{
    (void)state;
    Case c = case_open("enc/layer_0/kernel;dec/layer_1/bias;x.7.w", NULL);
    assert_true(run_rules(&c, "{l}/**/kernel -> {l}.**\n{a}/{b}/bias -> {a}.{b}\n"
                              "{m}.{i}.w -> m.{i}\n{n}.{i}.v -> n.{i}"));
    assert_string_equal(notes_of(&c),
                        "{l}/**/kernel -> {l}.**: fits no key: {l} is an integer; {l:*} is any "
                        "name, and fits enc/layer_0/kernel\n"
                        "{a}/{b}/bias -> {a}.{b}: fits no key: {a} is an integer; {a:*} is any "
                        "name, and fits dec/layer_1/bias\n"
                        "{m}.{i}.w -> m.{i}: fits no key: {m} is an integer; {m:*} is any name, "
                        "and fits x.7.w\n"
                        "{n}.{i}.v -> n.{i}: fits no key; did you mean x.7.w?\n");
    case_close(&c);
}

static void test_two_keys_that_become_one_name(void **state)
{
    (void)state;
    Case c = case_open("a.x 2;b.x 3;c", NULL);
    assert_true(run_rules(&c, "{p:a|b}.x -> y"));
    assert_string_equal(keys_of(&c), "y ! | c");
    assert_string_equal(draft_collision(c.draft, 0)->sources[1], "b.x");
    case_close(&c);
    c = case_open("a.x 2;y 3", NULL);
    assert_true(run_rules(&c, "a.x -> y"));
    assert_string_equal(keys_of(&c), "y !");
    case_close(&c);
    c = case_open("a 2;b 3", NULL);
    assert_true(run_rules(&c, "a -> b ; b -> a"));            /* a swap is none */
    assert_string_equal(keys_of(&c), "b 2 | a 3");
    assert_int_equal(draft_collision_count(c.draft), 0);
    case_close(&c);
}

static void test_results_must_be_names(void **state)
{
    (void)state;
    Case c = case_open("l0.w;l1.w", NULL);
    assert_false(run_rules(&c, "x -> y\nl{i}.w -> r{i-1}.w"));
    assert_string_equal(c.err.text,
                        "fix.lua:4: l{i}.w -> r{i-1}.w: {i-1} for 'l0.w': gives -1, but a name "
                        "takes a non-negative integer or a string");
    assert_string_equal(keys_of(&c), "l0.w | l1.w");
    assert_false(run_rules(&c, "l0.** -> **\n l1.w.** -> **"));
    assert_error_has(c.err, "gives 'l1.w' an empty name");
    case_close(&c);
}

/* ---- rules: ops ---- */

static void test_split(void **state)
{
    (void)state;
    Case c = case_open("b.attn.qkv.weight 6,4;b.attn.qkv.bias 6;attn.qkv.bias 3", NULL);
    assert_true(run_rules(&c, "**.attn.qkv.{p:weight|bias} -> **.q.{p}, **.k.{p}, **.v.{p} "
                              "|> split(3)"));
    assert_string_equal(keys_of(&c), "b.q.weight 2,4 | b.k.weight 2,4 | b.v.weight 2,4 | "
                                     "b.q.bias 2 | b.k.bias 2 | b.v.bias 2 | q.bias 1 | k.bias 1 | "
                                     "v.bias 1");
    const Step *step = draft_find(c.draft, "b.k.weight")->step;
    assert_string_equal(step->ops, "split(3)[1]");
    assert_string_equal(step->from, "b.attn.qkv.weight");
    case_close(&c);
    c = case_open("a 100,3", NULL);
    assert_false(run_rules(&c, "a -> x, y, z |> split(3)"));
    assert_part(c.err.text, "fix.lua:3: a -> x, y, z |> split(3): 'a' 100×3: split(3)");
    case_close(&c);
}

static void test_several_names_need_a_splitting_op_or_copy(void **state)
{
    (void)state;
    Case c = case_open("x 4,2;y", NULL);
    assert_false(run_rules(&c, "x -> x, lm_head.weight"));
    assert_error_has(c.err, "fix.lua:3: x -> x, lm_head.weight: one tensor for 2 names");
    assert_false(run_rules(&c, "x -> a, b |> T"));
    assert_error_has(c.err, "copy");
    assert_true(run_rules(&c, "x -> x, lm_head.weight |> copy"));
    assert_string_equal(keys_of(&c), "x 4,2 | lm_head.weight 4,2 | y");
    assert_ptr_equal(draft_at(c.draft, 0)->expr, draft_at(c.draft, 1)->expr);
    assert_string_equal(draft_at(c.draft, 1)->step->ops, "copy");
    case_close(&c);
    c = case_open("x 4,2", NULL);
    draft_policy(c.draft)->reuse = REUSE_ALL;
    assert_true(run_rules(&c, "x -> a, b"));
    assert_string_equal(keys_of(&c), "a 4,2 | b 4,2");
    case_close(&c);
    c = case_open("x 4,2", NULL);
    assert_false(run_rules(&c, "x -> a, b, c |> split(2)"));
    assert_error_has(c.err, "split(2)");
    case_close(&c);
}

static void test_lists_as_long_as_the_names(void **state)
{
    (void)state;
    Case c = case_open("a 2;b 3", NULL);
    assert_true(run_rules(&c, "a, b -> b, a"));
    assert_string_equal(keys_of(&c), "b 2 | a 3");
    case_close(&c);
    c = case_open("a 2;b 3", NULL);
    assert_false(run_rules(&c, "a, b -> c"));
    assert_error_has(c.err, "'a' 2, 'b' 3: 2 tensors for 1 name on the right; stack or cat");
    case_close(&c);
}

static void test_unstack_counts(void **state)
{
    (void)state;
    Case c = case_open("l.0.e 3,5;l.1.e 2,5", NULL);
    assert_true(run_rules(&c, "l.{i}.e -> m.{i}.{e}.w |> unstack(0)"));
    assert_string_equal(keys_of(&c), "m.0.0.w 5 | m.0.1.w 5 | m.0.2.w 5 | m.1.0.w 5 | m.1.1.w 5");
    assert_string_equal(draft_find(c.draft, "m.0.2.w")->step->ops, "unstack(0)[2]");
    case_close(&c);
    c = case_open("e 3,5", NULL);
    assert_true(run_rules(&c, "e -> m.{e+1} |> unstack(0)"));
    assert_string_equal(keys_of(&c), "m.1 5 | m.2 5 | m.3 5");
    case_close(&c);
    c = case_open("e 3,5", NULL);
    assert_false(run_rules(&c, "e -> a, b |> unstack(0)"));
    assert_error_has(c.err, "3 tensors for 2 names");
    case_close(&c);
}

static const char experts[] =
    "moe.0.gate 3;moe.0.e.10.w1 2,4;moe.0.e.10.w3 2,4;moe.0.e.2.w1 2,4;moe.0.e.2.w3 2,4;"
    "moe.0.e.0.w1 2,4;moe.0.e.1.w1 2,4;moe.0.e.0.w3 2,4;moe.0.e.1.w3 2,4;"
    "moe.0.e.3.w1 2,4;moe.0.e.4.w1 2,4;moe.0.e.5.w1 2,4;moe.0.e.6.w1 2,4;moe.0.e.7.w1 2,4;"
    "moe.0.e.8.w1 2,4;moe.0.e.9.w1 2,4;moe.0.e.3.w3 2,4;moe.0.e.4.w3 2,4;moe.0.e.5.w3 2,4;"
    "moe.0.e.6.w3 2,4;moe.0.e.7.w3 2,4;moe.0.e.8.w3 2,4;moe.0.e.9.w3 2,4";

static void list_leaf(const Tensor *tensor, void *context)
{
    text_addf(context, "%s ", tensor->name);
}

static void test_gathered_in_numeric_order(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "**.e.{e}.w1, **.e.{e}.w3 -> **.gate_up |> stack(0), cat(1)",
        "**.e.*.w1, **.e.*.w3 -> **.gate_up |> stack(0), cat(1)",
        "**.e.{0-10}.w1, **.e.{0-10}.w3 -> **.gate_up |> stack(0), cat(1)"};
    for (size_t i = 0; i < countof(patterns); i++) {
        Case c = case_open(experts, NULL);
        if (!run_rules(&c, patterns[i])) fail_msg("%s", c.err.text);
        assert_string_equal(keys_of(&c), "moe.0.gate 3 | moe.0.gate_up 11,4,4");
        const DraftKey *key = draft_at(c.draft, 1);
        Text leaves = {0};
        expr_leaves(key->expr, list_leaf, &leaves);
        assert_part(text_string(&leaves), "moe.0.e.0.w1 moe.0.e.1.w1 moe.0.e.2.w1 moe.0.e.3.w1");
        assert_part(text_string(&leaves), "moe.0.e.9.w1 moe.0.e.10.w1 moe.0.e.0.w3");
        assert_string_equal(key->step->ops, "stack(0), cat(1)");
        assert_string_equal(key->step->from, "moe.0.e.0.w1, … (22 keys)");
        text_done(&leaves);
        case_close(&c);
    }
}

static void test_gathered_by_name_otherwise(void **state)
{
    (void)state;
    Case c = case_open("a.q 2;a.v 2;a.k 2;b.v 3;b.q 3;b.k 3", NULL);
    assert_true(run_rules(&c, "{x:*}.{p:q|k|v} -> {x}.qkv |> cat(0)"));
    assert_string_equal(keys_of(&c), "a.qkv 6 | b.qkv 9");
    Text leaves = {0};
    expr_leaves(draft_at(c.draft, 1)->expr, list_leaf, &leaves);
    assert_string_equal(text_string(&leaves), "b.k b.q b.v ");
    text_done(&leaves);
    case_close(&c);
}

static void test_single_expert_is_still_stacked(void **state)
{
    (void)state;
    Case c = case_open("m.e.0.w1 2,4;m.e.0.w3 2,4", NULL);
    assert_true(run_rules(&c, "**.e.{e}.w1, **.e.{e}.w3 -> **.gate_up |> stack(0), cat(1)"));
    assert_string_equal(keys_of(&c), "m.gate_up 1,4,4");
    case_close(&c);
}

static void test_per_distinct_name(void **state)
{
    (void)state;
    Case c = case_open("l.0.w 2;l.1.w 2;l.2.w 2;l.3.w 2", NULL);
    assert_true(run_rules(&c, "l.{i}.w -> m.{i//2}.w |> stack(0)"));
    assert_string_equal(keys_of(&c), "m.0.w 2,2 | m.1.w 2,2");
    case_close(&c);
}

static void test_several_sources_join_by_their_captures(void **state)
{
    (void)state;
    Case c = case_open("a.1.q 1;a.0.q 2;a.0.k 3;a.1.k 4;b.0.k 5;b.0.q 6", NULL);
    assert_true(run_rules(&c, "*.{i}.q, *.{i}.k -> *.{i}.qk |> cat(0)"));
    assert_string_equal(keys_of(&c), "a.1.qk 5 | a.0.qk 5 | b.0.qk 11");
    const DraftKey *key = draft_find(c.draft, "a.1.qk");
    assert_string_equal(key->step->from, "a.1.q, a.1.k");
    case_close(&c);
}

static void test_a_shared_source_is_marked(void **state)
{
    (void)state;
    Case c = case_open("l.0.w 2;l.1.w 2;s 1", NULL);
    assert_false(run_rules(&c, "l.{i}.w, s -> m.{i}.w |> cat(0)"));
    assert_error_has(c.err, "'s' would go into 'm.0.w' and 'm.1.w'; write &s");
    assert_true(run_rules(&c, "l.{i}.w, &s -> m.{i}.w |> cat(0)"));
    assert_string_equal(keys_of(&c), "m.0.w 3 | m.1.w 3 | s 1");
    case_close(&c);
    c = case_open("l.0.0.w 2;l.0.1.w 2;l.1.0.w 2;l.0.s 1;l.1.s 1", NULL);
    assert_true(run_rules(&c, "l.{i}.{e}.w, &l.{i}.s -> m.{i}.{e}.w |> cat(0)"));
    assert_string_equal(keys_of(&c), "m.0.0.w 3 | m.0.1.w 3 | m.1.0.w 3 | l.0.s 1 | l.1.s 1");
    case_close(&c);
    c = case_open("s 1", NULL);
    assert_false(run_rules(&c, "l.{i}.w, s -> m.{i}.w |> cat(0)"));
    assert_error_has(c.err, "'s' fits, but nothing fits the other patterns with it");
    assert_false(run_rules(&c, "l.{i}, s.{j} -> m.{i}.{j} |> cat(0)"));
    assert_error_has(c.err, "no pattern on the left captures everything");
    case_close(&c);
}

static void test_holes_are_errors(void **state)
{
    (void)state;
    Case c = case_open("model.layers.3.experts.0.w 2;model.layers.3.experts.1.w 2;"
                       "model.layers.3.experts.3.w 2", NULL);
    assert_false(run_rules(&c, "**.experts.{e}.w -> **.w |> stack(0)"));
    assert_error_has(c.err, "fix.lua:3: **.experts.{e}.w -> **.w |> stack(0): model.layers.3: "
                            "experts 0-1, 3 (2 is not in the file");
    assert_true(run_rules(&c, "**.experts.{e}.w -> **.w |> stack(0, gaps)"));
    assert_string_equal(keys_of(&c), "model.layers.3.w 3,2");
    case_close(&c);
    c = case_open("e.1.w 2;e.2.w 2", NULL);
    assert_false(run_rules(&c, "e.*.w -> w |> stack(0)"));
    assert_error_has(c.err, "(0 is not in the file");
    assert_true(run_rules(&c, "e.{e:1|2}.w -> w |> stack(0)"));       /* said outright */
    case_close(&c);
    c = case_open("e.0.0 2;e.0.1 2;e.1.0 2", NULL);
    assert_false(run_rules(&c, "e.{a}.{b} -> w |> stack(0)"));
    assert_error_has(c.err, "has 3 keys, but 2 e × 2 {b} are 4");
    case_close(&c);
}

static void test_unequal_lists_are_errors(void **state)
{
    (void)state;
    Text keys = {0};
    for (int i = 0; i < 8; i++) {
        text_addf(&keys, "model.layers.3.experts.%d.w1.weight 2;", i);
        if (i < 7) text_addf(&keys, "model.layers.3.experts.%d.w3.weight 2;", i);
    }
    Case c = case_open(text_string(&keys), NULL);
    assert_false(run_rules(&c, "**.experts.{e}.w1.weight, **.experts.{e}.w3.weight -> "
                               "**.experts.gate_up_proj |> stack(0), cat(1)"));
    assert_error_has(c.err,
                     "model.layers.3: w1 has experts 0-7, w3 has 0-6 (7 is not in the file)");
    assert_false(run_rules(&c, "**.experts.{e}.w1.weight, **.experts.{e}.w9.weight -> "
                               "**.experts.gate_up_proj |> stack(0), cat(1)"));
    assert_error_has(c.err, "model.layers.3: nothing fits **.experts.{e}.w9.weight");
    case_close(&c);
    text_done(&keys);
}

static void test_unequal_shapes_are_errors(void **state)
{
    (void)state;
    Case c = case_open("e.0.w 2,3;e.1.w 2,4", NULL);
    assert_false(run_rules(&c, "e.{e}.w -> w |> stack(0)"));
    assert_error_has(c.err, "'e.0.w' 2×3, 'e.1.w' 2×4: stack(0)");
    case_close(&c);
}

static void test_functions_get_all_sources(void **state)
{
    (void)state;
    Case c = case_open("a 2;b 3;x.0 1;x.1 1", NULL);
    assert_true(run_rules(&c, "a, b -> c |> function(a, b) return a end\n"
                              "x.{i} -> y |> function(...) return end"));
    assert_string_equal(keys_of(&c), "c 5 | y 2");
    assert_string_equal(draft_find(c.draft, "c")->step->ops, "function");
    case_close(&c);
}

static void test_history_of_merged_keys(void **state)
{
    (void)state;
    Case c = case_open("m.q 2;m.k 3", NULL);
    assert_true(run_strip(&c, "m.", false, false));
    assert_true(run_rules(&c, "q, k -> qk |> cat(0)"));
    const Step *step = draft_at(c.draft, 0)->step;
    assert_int_equal(step->before_count, 2);
    assert_string_equal(step->before[0]->from, "m.q");
    assert_string_equal(step->before[1]->from, "m.k");
    case_close(&c);
}

static void test_filling(void **state)
{
    (void)state;
    Case c = case_open("a", "a;head.bias 3;head.weight 3,2");
    assert_true(run_rules(&c, "-> head.bias |> zeros()\na -> b\n -> head.*, x |> const(1)"));
    size_t count;
    const FillRule *fills = draft_fills(c.draft, &count);
    assert_int_equal(count, 3);
    assert_string_equal(pattern_text(fills[1].pattern), "head.*");
    assert_int_equal(fills[2].op.kind, OP_CONST);
    assert_int_equal(fills[2].origin.line, 5);
    assert_string_equal(keys_of(&c), "b");
    assert_false(run_rules(&c, "-> y |> zeros()\nb -> x, y"));     /* a block that fails is none */
    draft_fills(c.draft, &count);
    assert_int_equal(count, 3);
    case_close(&c);
}

static void test_hostile_rule_on_hostile_key(void **state)
{
    (void)state;
    Text key = {0};
    while (key.length < 30000) text_add(&key, "a");
    Case c = case_open(text_string(&key), NULL);
    assert_false(run_rules(&c, "{x:*}{y:*}{z:*}b{x}{y}{z}* -> q"));
    assert_error_has(c.err, "takes too long");
    assert_true(run_rules(&c, "**b**a**a**a**a**a**a**a**b** -> q"));
    case_close(&c);
    text_done(&key);
}

static void test_speed(void **state)
{
    (void)state;
    StateDict *dict = dict_new();
    Arena *arena = dict_arena(dict);
    const size_t count = 94000;
    for (size_t i = 0; i < count; i++) {
        int64_t *dims = arena_alloc(arena, 16);
        dims[0] = dims[1] = 4;
        const char *name = arena_printf(arena, "module.model.layers.%zu.mlp.experts.%zu.w%zu",
                                        i / 1000, i % 1000 / 4, i % 4);
        dict_add(dict, &(Tensor){.name = name, .dtype = DT_F32, .dims = dims, .rank = 2});
    }
    Checkpoint *source = checkpoint_new("big", "safetensors");
    checkpoint_add_container(source, "", dict, 0, false);
    Case c = {.source = source, .draft = draft_new(source, NULL, NULL, 0)};
    Text rules = {0};
    for (int i = 0; i < 36; i++)
        text_addf(&rules, "layers.{i}.part%d.{e}.w{k} -> blk.{i}.x%d.{e}.{k}\n", i, i);
    text_add(&rules, "**.experts.{e}.w{k:0|1} -> **.x.{e+1}.w{k}\n"
                     "**.experts.{e}.w3, **.experts.{e}.w2 -> **.gate_up |> stack(0), cat(1)\n");
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    if (!run_strip(&c, "module.", false, false) || !run_sub(&c, "mlp -> ffn; attn -> self_attn") ||
        !draft_keep(c.draft, here, "model", &c.err) || !run_rules(&c, text_string(&rules)))
        fail_msg("%s", c.err.text);
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_int_equal(draft_count(c.draft), count / 2 + 94);
    print_message("94,000 keys through strip, sub, keep and 38 rules: %.0f ms, %.1f MB\n",
                  (double)(to.tv_sec - from.tv_sec) * 1e3 +
                      (double)(to.tv_nsec - from.tv_nsec) / 1e6,
                  (double)arena_bytes(draft_arena(c.draft)) / 1e6);
    text_done(&rules);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_rule_that_fits_once),
        cmocka_unit_test(test_near_names_are_not_hit), cmocka_unit_test(test_drop),
        cmocka_unit_test(test_keep_mark_leaves_the_key),
        cmocka_unit_test(test_rules_that_never_fit_are_notes),
        cmocka_unit_test(test_a_number_that_was_meant_to_be_a_name),
        cmocka_unit_test(test_two_keys_that_become_one_name),
        cmocka_unit_test(test_results_must_be_names), cmocka_unit_test(test_split),
        cmocka_unit_test(test_several_names_need_a_splitting_op_or_copy),
        cmocka_unit_test(test_lists_as_long_as_the_names), cmocka_unit_test(test_unstack_counts),
        cmocka_unit_test(test_gathered_in_numeric_order),
        cmocka_unit_test(test_gathered_by_name_otherwise),
        cmocka_unit_test(test_single_expert_is_still_stacked),
        cmocka_unit_test(test_per_distinct_name),
        cmocka_unit_test(test_several_sources_join_by_their_captures),
        cmocka_unit_test(test_a_shared_source_is_marked), cmocka_unit_test(test_holes_are_errors),
        cmocka_unit_test(test_unequal_lists_are_errors),
        cmocka_unit_test(test_unequal_shapes_are_errors),
        cmocka_unit_test(test_functions_get_all_sources),
        cmocka_unit_test(test_history_of_merged_keys), cmocka_unit_test(test_filling),
        cmocka_unit_test(test_hostile_rule_on_hostile_key), cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests_name("draft rules", tests, NULL, NULL);
}
