/* induce: bundles to rules that people can read, and back through the script engine: one test a
 * form of index, of tail, of list; hostile names; what does not generalise. */
#include "tests/unit/inducing.h"

#include "tests/unit/test.h"

/* ---- numbers ---- */

static void a_number_is_carried_over(void **state)
{
    (void)state;
    induces("layers.0.q.w -> blk.0.attn_q.w\nlayers.1.q.w -> blk.1.attn_q.w\n", "",
            "layers.{i}.q.w -> blk.{i}.attn_q.w\n");
}

static void a_number_is_a_constant(void **state)
{
    (void)state;
    induces("a.3.w -> b.7.v\n", "", "a.3.w -> b.7.v\n");
    induces("a.1.0.w -> b.1.5.v\na.2.0.w -> b.2.5.v\n", "", "a.{i}.0.w -> b.{i}.5.v\n");
}

static void a_number_goes_up(void **state)
{
    (void)state;
    induces("layer1.w -> res2.w\nlayer2.w -> res3.w\nlayer4.w -> res5.w\n", "",
            "layer{n}.w -> res{n+1}.w\n");
    induces("a.5.w -> b.2.v\na.7.w -> b.4.v\n", "", "a.{i}.w -> b.{i-3}.v\n");
}

static void a_number_runs_backwards(void **state)
{
    (void)state;
    induces("up.0.w -> up_blocks.3.v\nup.1.w -> up_blocks.2.v\nup.3.w -> up_blocks.0.v\n", "",
            "up.{i}.w -> up_blocks.{3-i}.v\n");
}

static void a_number_is_divided(void **state)
{
    (void)state;
    induces("f.0.w -> b.0.v\nf.2.w -> b.1.v\nf.4.w -> b.2.v\nf.6.w -> b.3.v\n", "",
            "f.{i}.w -> b.{i//2}.v\n");
    induces("f.1.w -> b.0.v\nf.3.w -> b.1.v\nf.5.w -> b.2.v\n", "",
            "f.{i}.w -> b.{i//2}.v\n");
    induces("f.1.w -> b.1.v\nf.2.w -> b.1.v2\nf.3.w -> b.2.v\nf.5.w -> b.3.v\n", "f.2.w",
            "f.{i:1|3|5}.w -> b.{(i+1)//2}.v\nf.2.w -> b.1.v2\n");
}

static void down_and_round_as_in_a_unet(void **state)
{
    (void)state;
    Text bundles = {0};
    for (int i = 1; i <= 11; i++)
        if (i % 3)
            text_addf(&bundles, "in.%d.0.w -> down.%d.res.%d.w\n", i, (i - 1) / 3, (i - 1) % 3);
    for (int i = 3; i <= 9; i += 3)
        text_addf(&bundles, "in.%d.0.op.w -> down.%d.conv.w\n", i, (i - 1) / 3);
    induces(text_string(&bundles), "in.0.0.w",
            "in.{i:1-11}.0.w -> down.{(i-1)//3}.res.{(i-1)%3}.w\n"
            "in.{i}.0.op.w -> down.{(i-1)//3}.conv.w\n");
    text_done(&bundles);
}

static void a_number_is_multiplied(void **state)
{
    (void)state;
    induces("s.0.w -> f.1.v\ns.1.w -> f.3.v\ns.2.w -> f.5.v\ns.3.w -> f.7.v\n", "",
            "s.{i}.w -> f.{2*i+1}.v\n");
}

static void two_numbers_become_one(void **state)
{
    (void)state;
    Text bundles = {0};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 3; j++)
            text_addf(&bundles, "d.%d.r.%d.w -> in.%d.v\n", i, j, 3 * i + j + 1);
    induces(text_string(&bundles), "", "d.{i}.r.{j}.w -> in.{3*i+j+1}.v\n");
    text_done(&bundles);
}

static void two_values_prove_no_factor(void **state)
{
    (void)state;
    induces("31.w -> conv6.v\n33.w -> conv7.v\n", "", "31.w -> conv6.v\n33.w -> conv7.v\n");
}

static void what_cannot_be_solved_is_divided(void **state)
{
    (void)state;
    induces("f.1.w -> b.0.0.v\nf.2.w -> b.1.0.v\nf.3.w -> b.1.1.v\nf.4.w -> b.2.0.v\n"
            "f.5.w -> b.2.1.v\nf.6.w -> b.2.2.v\nf.7.w -> b.2.3.v\n", "",
            "f.1.w -> b.0.0.v\nf.{i:2|3}.w -> b.1.{i-2}.v\nf.{i:4-7}.w -> b.2.{i-4}.v\n");
}

static void numbers_with_zeros_before_are_text(void **state)
{
    (void)state;
    induces("a.01.w -> b.01.v\na.02.w -> b.02.v\n", "", "a.01.w -> b.01.v\na.02.w -> b.02.v\n");
    induces("a.1234567890123456789.w -> b.1.v\n", "", "a.1234567890123456789.w -> b.1.v\n");
}

/* ---- keys that are not to be caught ---- */

static void other_layers_stay_where_they_are(void **state)
{
    (void)state;
    induces("l.0.w -> b.0.v\nl.1.w -> b.1.v\nl.2.w -> b.2.v\nl.3.w -> b.3.v\n",
            "l.4.w\nl.5.w", "l.{i:0-3}.w -> b.{i}.v\n");
    induces("l.0.w -> b.0.v\nl.2.w -> b.2.v\n", "l.1.w", "l.{i:0|2}.w -> b.{i}.v\n");
}

static void what_no_number_tells_apart_is_divided(void **state)
{
    (void)state;
    induces("l.0.0.w -> b.0.0.v\nl.0.1.w -> b.0.1.v\nl.1.0.w -> b.1.0.v\n", "l.1.1.w",
            "l.0.{i}.w -> b.0.{i}.v\nl.1.0.w -> b.1.0.v\n");
}

static void a_name_that_is_taken_over_is_dropped(void **state)
{
    (void)state;
    induces("body.norm.w -> norm.w\n", "norm.w", "body.norm.w -> norm.w\nnorm.w ->\n");
}

static void names_may_cross(void **state)
{
    (void)state;
    induces("a.w -> b.w\nb.w -> a.w\n", "", "a.w -> b.w\nb.w -> a.w\n");
}

static void what_keeps_its_name_needs_no_rule(void **state)
{
    (void)state;
    induces("a.w -> a.w\nb.w -> c.v\n", "", "b.w -> c.v\n");
}

/* ---- tails ---- */

static void tails_become_a_star(void **state)
{
    (void)state;
    induces("bn1.weight -> norm.weight\nbn1.bias -> norm.bias\n", "", "bn1.* -> norm.*\n");
    induces("module.a.weight -> a.weight\nmodule.b.c.0.bias -> b.c.0.bias\n", "",
            "module.** -> **\n");
    induces("a.weight -> body.a.weight\nb.c.0.bias -> body.b.c.0.bias\n", "",
            "** -> body.**\n");
}

static void a_star_that_catches_too_much_is_alternatives(void **state)
{
    (void)state;
    induces("bn1.weight -> norm.weight\nbn1.bias -> norm.bias\n", "bn1.num_batches_tracked",
            "bn1.{p:weight|bias} -> norm.{p}\n");
}

static void what_differs_stands_before_the_star(void **state)
{
    (void)state;
    induces("s.0.gamma -> t.0.gamma\ns.0.norm.weight -> t.0.norm.weight\n"
            "s.0.dwconv.bias -> t.0.conv.bias\ns.0.norm.bias -> t.0.norm.bias\n"
            "s.1.gamma -> t.1.gamma\n", "",
            "s.0.dwconv.bias -> t.0.conv.bias\ns.{i}.** -> t.{i}.**\n");
}

static void a_run_takes_the_bare_name_as_well(void **state)
{
    (void)state;
    induces("a.x.w -> b.x.w\na.y.z.w -> b.y.z.w\n", "a", "a.x.w -> b.x.w\na.y.z.w -> b.y.z.w\n");
}

static void slashes_part_names_too(void **state)
{
    (void)state;
    induces("bert/layer_0/dense/kernel -> layer.0.dense.weight\n"
            "bert/layer_1/dense/kernel -> layer.1.dense.weight\n"
            "bert/layer_0/dense/bias -> layer.0.dense.bias\n"
            "bert/layer_1/dense/bias -> layer.1.dense.bias\n", "",
            "bert/layer_{n}/dense/kernel -> layer.{n}.dense.weight\n"
            "bert/layer_{n}/dense/bias -> layer.{n}.dense.bias\n");
}

static void words_become_alternatives(void **state)
{
    (void)state;
    induces("l.0.q_proj.w -> b.0.wq.w\nl.0.k_proj.w -> b.0.wk.w\nl.1.q_proj.w -> b.1.wq.w\n"
            "l.1.k_proj.w -> b.1.wk.w\n", "", "l.{i}.{p:q|k}_proj.w -> b.{i}.w{p}.w\n");
}

/* The example that the rules are measured by. */
static void a_resnet_is_six_rules(void **state)
{
    (void)state;
    static const int blocks[] = {3, 4, 6, 3};
    static const char *const leaves[] = {"weight", "bias", "running_mean", "running_var"};
    Text bundles = {0}, others = {0};
    text_add(&bundles, "conv1.weight -> b.stem.conv1.weight\n");
    text_add(&others, "fc.weight\nfc.bias\nbn1.num_batches_tracked\n");
    for (size_t l = 0; l < 4; l++)
        text_addf(&bundles, "bn1.%s -> b.stem.conv1.norm.%s\n", leaves[l], leaves[l]);
    for (int s = 1; s <= 4; s++)
        for (int b = 0; b < blocks[s - 1]; b++) {
            for (int c = 1; c <= 3; c++) {
                text_addf(&bundles, "layer%d.%d.conv%d.weight -> b.res%d.%d.conv%d.weight\n", s, b,
                          c, s + 1, b, c);
                for (size_t l = 0; l < 4; l++)
                    text_addf(&bundles, "layer%d.%d.bn%d.%s -> b.res%d.%d.conv%d.norm.%s\n", s, b,
                              c, leaves[l], s + 1, b, c, leaves[l]);
                text_addf(&others, "layer%d.%d.bn%d.num_batches_tracked\n", s, b, c);
            }
            if (b) continue;
            text_addf(&bundles, "layer%d.0.downsample.0.weight -> b.res%d.0.shortcut.weight\n", s,
                      s + 1);
            for (size_t l = 0; l < 4; l++)
                text_addf(&bundles, "layer%d.0.downsample.1.%s -> b.res%d.0.shortcut.norm.%s\n", s,
                          leaves[l], s + 1, leaves[l]);
            text_addf(&others, "layer%d.0.downsample.1.num_batches_tracked\n", s);
        }
    induces(text_string(&bundles), text_string(&others),
            "conv1.weight -> b.stem.conv1.weight\n"
            "bn1.{p:weight|bias|running_mean|running_var} -> b.stem.conv1.norm.{p}\n"
            "layer{n}.{i}.conv{m}.weight -> b.res{n+1}.{i}.conv{m}.weight\n"
            "layer{n}.{i}.bn{m}.{p:weight|bias|running_mean|running_var} -> "
            "b.res{n+1}.{i}.conv{m}.norm.{p}\n"
            "layer{n}.0.downsample.0.weight -> b.res{n+1}.0.shortcut.weight\n"
            "layer{n}.0.downsample.1.{p:weight|bias|running_mean|running_var} -> "
            "b.res{n+1}.0.shortcut.norm.{p}\n");
    text_done(&bundles);
    text_done(&others);
}

/* ---- several tensors ---- */

static void siblings_are_joined(void **state)
{
    (void)state;
    induces("l.0.q.w + l.0.k.w + l.0.v.w -> b.0.qkv.w |> cat(0)\n"
            "l.1.q.w + l.1.k.w + l.1.v.w -> b.1.qkv.w |> cat(0)\n"
            "l.0.q.b + l.0.k.b + l.0.v.b -> b.0.qkv.b |> cat(0)\n"
            "l.1.q.b + l.1.k.b + l.1.v.b -> b.1.qkv.b |> cat(0)\n", "",
            "l.{i}.q.*, l.{i}.k.*, l.{i}.v.* -> b.{i}.qkv.* |> cat(0)\n");
}

static void experts_are_gathered(void **state)
{
    (void)state;
    induces("l.0.e.0.w1,l.0.e.1.w1 + l.0.e.0.w3,l.0.e.1.w3 -> b.0.up |> stack(0), cat(1)\n"
            "l.1.e.0.w1,l.1.e.1.w1 + l.1.e.0.w3,l.1.e.1.w3 -> b.1.up |> stack(0), cat(1)\n"
            "l.0.e.0.w2,l.0.e.1.w2 -> b.0.down |> stack(0)\n"
            "l.1.e.0.w2,l.1.e.1.w2 -> b.1.down |> stack(0)\n", "",
            "l.{i}.e.{e}.w1, l.{i}.e.{e}.w3 -> b.{i}.up |> stack(0), cat(1)\n"
            "l.{i}.e.{e}.w2 -> b.{i}.down |> stack(0)\n");
}

static void gathered_numbers_may_have_to_be_said(void **state)
{
    (void)state;
    induces("e.0.w,e.2.w,e.5.w -> x |> stack(0)\n", "e.3.w", "e.{e:0|2|5}.w -> x |> stack(0)\n");
    induces("e.1.w,e.2.w -> x |> stack(0)\n", "", "e.{e:1|2}.w -> x |> stack(0)\n");
}

static void names_of_any_kind_in_one_list(void **state)
{
    (void)state;
    induces("cls.w,pos.w -> x |> cat(0)\n", "", "cls.w, pos.w -> x |> cat(0)\n");
    induces("a.w,b.w -> x, y\n", "", "a.w, b.w -> x, y\n");
}

static void a_list_in_its_own_order(void **state)
{
    (void)state;
    induces("e.1.w,e.0.w -> x |> stack(0)\n", "", "e.1.w, e.0.w -> x |> stack(0)\n");
    induces("e.1.w,e.0.w + e.1.v,e.0.v -> x |> stack(0), cat(1)\n", "",
            "first: e.1.w -> part0_0.0.0\nfirst: e.0.w -> part0_0.0.1\n"
            "first: e.1.v -> part0_0.1.0\nfirst: e.0.v -> part0_0.1.1\n"
            "part0_0.0.{e}, part0_0.1.{e} -> x |> stack(0), cat(1)\n");
}

static void one_tensor_is_split(void **state)
{
    (void)state;
    induces("h.0.qkv.w -> b.0.q.w, b.0.k.w, b.0.v.w |> split(3)\n"
            "h.1.qkv.w -> b.1.q.w, b.1.k.w, b.1.v.w |> split(3)\n"
            "h.0.qkv.b -> b.0.q.b, b.0.k.b, b.0.v.b |> split(3)\n"
            "h.1.qkv.b -> b.1.q.b, b.1.k.b, b.1.v.b |> split(3)\n", "",
            "h.{i}.qkv.* -> b.{i}.q.*, b.{i}.k.*, b.{i}.v.* |> split(3)\n");
}

static void parts_are_counted(void **state)
{
    (void)state;
    Text bundles = {0};
    text_add(&bundles, "scan.mlp -> ");
    for (int i = 0; i < 12; i++) text_addf(&bundles, "%sh.%d.mlp", i ? ", " : "", i + 1);
    text_add(&bundles, " |> unstack(0)\n");
    induces(text_string(&bundles), "", "scan.mlp -> h.{n+1}.mlp |> unstack(0)\n");
    text_done(&bundles);
}

static void one_tensor_under_two_names(void **state)
{
    (void)state;
    induces("wte.w -> embed.w, head.w |> copy\n", "", "wte.w -> embed.w, head.w |> copy\n");
}

static void one_tensor_in_two_rules(void **state)
{
    (void)state;
    induces("l.0.w -> a.0.w |> t\nl.1.w -> a.1.w |> t\nl.0.w -> b.0.w\nl.1.w -> b.1.w\n", "",
            "&l.{i}.w -> a.{i}.w |> T\nl.{i}.w -> b.{i}.w\n");
    induces("l.0.w -> l.0.w\nl.0.w -> b.0.w |> t\n", "", "&l.0.w -> b.0.w |> T\n");
}

static void ops_part_rules(void **state)
{
    (void)state;
    induces("h.0.a.w -> b.0.a.w |> t\nh.1.a.w -> b.1.a.w |> t\nh.0.a.b -> b.0.a.b\n"
            "h.1.a.b -> b.1.a.b\n", "",
            "h.{i}.a.w -> b.{i}.a.w |> T\nh.{i}.a.b -> b.{i}.a.b\n");
}

/* ---- hostile names ---- */

static void names_are_quoted(void **state)
{
    (void)state;
    induces("a b.0.w -> c{d}.0.w\na b.1.w -> c{d}.1.w\n", "",
            "\"a b\".{i}.w -> \"c{d}\".{i}.w\n");
    induces("--x -> y--z\n", "", "\"--x\" -> \"y--z\"\n");
    induces("a;b.* -> &x.~\n", "", "\"a;b\".\"*\" -> \"&x\".\"~\"\n");
    induces("]].w -> [[.w\n", "", "]].w -> [[.w\n");
    induces("\xff.w -> \xc3\xa9.w\n", "", "\"\\xFF\".w -> \xc3\xa9.w\n");
    induces("a\x01" "b.w -> x.w\na\x01" "c.w -> y.w\na2b.w -> z.w\n", "",
            "\"a\\x01b\".w -> x.w\n\"a\\x01c\".w -> y.w\na2b.w -> z.w\n");
    induces("a \"q\" \\.w -> b\n", "", "\"a \\\"q\\\" \\\\\".w -> b\n");
}

static void quoted_segments_keep_the_star_apart(void **state)
{
    (void)state;
    induces("a b.x.w -> c d.x.w\na b.y.z.w -> c d.y.z.w\n", "", "\"a b\".** -> \"c d\".**\n");
}

static void dots_at_the_edges(void **state)
{
    (void)state;
    induces(".a -> b.\na..b -> .\n", "", ".a -> b.\na..b -> .\n");
}

/* ---- mistakes of the caller ---- */

static void refuses(const char *bundles, const char *part)
{
    Inducing one;
    inducing_open(&one, bundles, "");
    const InduceInput input = {one.bundles, one.bundle_count, one.keys,
                               one.key_count ? one.key_count - 1 : 0, false};
    assert_null(induce_rules(one.arena, &input, &one.err));
    assert_error_has(one.err, part);
    inducing_close(&one);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    refuses("a -> b\nc -> d\n", "no key of the source");
    refuses("a -> x\nb -> x\nc -> d\n", "two bundles make this target");
}

static void what_no_text_can_say_is_left(void **state)
{
    (void)state;
    Inducing one;
    inducing_open(&one, "a -> b\nc -> d\n", "");
    one.bundles[0].ops = &(const Op){.kind = OP_FUNCTION};
    one.bundles[0].op_count = 1;
    const Induction *induction = inducing_run(&one);
    assert_int_equal(induction->left_count, 1);
    assert_int_equal(induction->left[0], 0);
    assert_int_equal(induction->count, 1);
    assert_string_equal(induction->rules[0].text, "c -> d");
    inducing_close(&one);
}

static void nothing_gives_nothing(void **state)
{
    (void)state;
    induces("", "a\nb", "");
    Inducing one;
    inducing_open(&one, "", "");
    assert_int_equal(inducing_run(&one)->count, 0);
    inducing_close(&one);
}

/* ---- what is handed out ---- */

static void note_confidence(void *context, const InducedRule *rule, Text *out)
{
    (void)context;
    text_addf(out, "%zu bundles, %.2f: %s\nin full", rule->bundle_count,
              (double)rule->confidence, rule->why);
}

static void rules_are_written_with_notes(void **state)
{
    (void)state;
    Inducing one;
    inducing_open(&one, "a.0.w -> b.0.w\na.1.w -> b.1.w\nlonger.name -> c\n", "");
    one.bundles[0].confidence = 0.75f;
    one.bundles[0].why = "names";
    one.bundles[1].why = "other";
    one.bundles[2].why = "shape";
    const Induction *induction = inducing_run(&one);
    text_clear(&one.text);
    induce_write(induction, note_confidence, NULL, &one.text);
    assert_string_equal(text_string(&one.text),
                        "rules [[\n  -- 2 bundles, 0.75: names\n  -- in full\n"
                        "  a.{i}.w     -> b.{i}.w\n  -- 1 bundles, 1.00: shape\n  -- in full\n"
                        "  longer.name -> c\n]]\n");
    inducing_round_trip(&one);
    inducing_close(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_carried_over),
        cmocka_unit_test(a_number_is_a_constant),
        cmocka_unit_test(a_number_goes_up),
        cmocka_unit_test(a_number_runs_backwards),
        cmocka_unit_test(a_number_is_divided),
        cmocka_unit_test(down_and_round_as_in_a_unet),
        cmocka_unit_test(a_number_is_multiplied),
        cmocka_unit_test(two_numbers_become_one),
        cmocka_unit_test(two_values_prove_no_factor),
        cmocka_unit_test(what_cannot_be_solved_is_divided),
        cmocka_unit_test(numbers_with_zeros_before_are_text),
        cmocka_unit_test(other_layers_stay_where_they_are),
        cmocka_unit_test(what_no_number_tells_apart_is_divided),
        cmocka_unit_test(a_name_that_is_taken_over_is_dropped),
        cmocka_unit_test(names_may_cross),
        cmocka_unit_test(what_keeps_its_name_needs_no_rule),
        cmocka_unit_test(tails_become_a_star),
        cmocka_unit_test(a_star_that_catches_too_much_is_alternatives),
        cmocka_unit_test(what_differs_stands_before_the_star),
        cmocka_unit_test(a_run_takes_the_bare_name_as_well),
        cmocka_unit_test(slashes_part_names_too),
        cmocka_unit_test(words_become_alternatives),
        cmocka_unit_test(a_resnet_is_six_rules),
        cmocka_unit_test(siblings_are_joined),
        cmocka_unit_test(experts_are_gathered),
        cmocka_unit_test(gathered_numbers_may_have_to_be_said),
        cmocka_unit_test(names_of_any_kind_in_one_list),
        cmocka_unit_test(a_list_in_its_own_order),
        cmocka_unit_test(one_tensor_is_split),
        cmocka_unit_test(parts_are_counted),
        cmocka_unit_test(one_tensor_under_two_names),
        cmocka_unit_test(one_tensor_in_two_rules),
        cmocka_unit_test(ops_part_rules),
        cmocka_unit_test(names_are_quoted),
        cmocka_unit_test(quoted_segments_keep_the_star_apart),
        cmocka_unit_test(dots_at_the_edges),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(what_no_text_can_say_is_left),
        cmocka_unit_test(nothing_gives_nothing),
        cmocka_unit_test(rules_are_written_with_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
