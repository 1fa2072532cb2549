/* Tensors that lie in one, stacks, and heads with an axis of their own: what says how they lie, and
 * what only an answer can. */
#include "tests/unit/auto_model.h"

/* The ops of a bundle, as reports print them: "reshape(2,16,8) split(3,1) reshape(-1,8)". */
static void assert_ops(const Model *model, const char *target, const char *ops)
{
    const Bundle *bundle = find_bundle(model, target);
    Text text = {0};
    if (!bundle) fail_msg("%s is in no bundle", target);
    for (size_t i = 0; i < bundle->op_count; i++) {
        if (i) text_addc(&text, ' ');
        op_show(&bundle->ops[i], &text);
    }
    assert_string_equal(text_string(&text), ops);
    text_done(&text);
}

/* A question that has these words, and nothing else of what it is about. */
static void assert_asked(const Model *model, const char *say, size_t tensors)
{
    for (size_t i = 0; i < model->result->tie_count; i++)
        if (strcmp(model->result->ties[i].say, say) == 0) {
            assert_true(model->result->ties[i].together);
            assert_int_equal(model->result->ties[i].tensors, tensors);
            return;
        }
    fail_msg("nobody asks %s", say);
}

static void answer(Model *model, const char *source, const char *target)
{
    AutoAnswer *one = arena_alloc(model->arena, sizeof *one);
    *one = (AutoAnswer){source, target};
    model->options.answers = one;
    model->options.answer_count = 1;
}

/* ---- in which order, in how many turns ---- */

#define SPLIT "l.{0-3}.attn.q_proj.weight 32,8\nl.{0-3}.attn.k_proj.weight 16,8\n" \
              "l.{0-3}.attn.v_proj.weight 16,8\n"

static void parts_of_unequal_rows_are_cut_by_their_sizes(void **state)
{
    (void)state;
    Model m;
    start(&m, "l.{0-3}.attn.Wqkv.weight 64,8", SPLIT);
    align(&m);
    assert_ops(&m, "l.2.attn.v_proj.weight", "split{32,16,16}");
    finish(&m);
}

static void what_lines_of_the_lexicon_contradict_is_asked(void **state)
{
    (void)state;
    Model m;
    start(&m, "l.{0-3}.attn.query_key_value.weight 64,8", SPLIT);
    align(&m);
    assert_open(&m, "l.0.attn.q_proj.weight");
    assert_asked(&m, "query_key_value=q_proj+k_proj+v_proj", 12);
    finish(&m);
}

static void an_answer_gives_the_turns(void **state)
{
    (void)state;
    Model m;
    start(&m, "l.{0-3}.attn.query_key_value.weight 64,8\nl.{0-3}.attn.query_key_value.bias 64",
          SPLIT "l.{0-3}.attn.q_proj.bias 32\nl.{0-3}.attn.k_proj.bias 16\n"
                "l.{0-3}.attn.v_proj.bias 16");
    answer(&m, "query_key_value", "2 * (q_proj + k_proj + v_proj)");
    align(&m);
    assert_int_equal(m.result->tie_count, 0);
    assert_ops(&m, "l.3.attn.k_proj.weight", "reshape(2,32,8) split({16,8,8},1) reshape(-1,8)");
    assert_ops(&m, "l.3.attn.k_proj.bias", "reshape(2,32) split({16,8,8},1) reshape(-1)");
    finish(&m);
}

static void an_answer_gives_the_order(void **state)
{
    (void)state;
    Model m;
    start(&m, "l.{0-3}.attn.query_key_value.weight 64,8", SPLIT);
    answer(&m, "query_key_value", "v_proj+q_proj+k_proj");
    align(&m);
    const Bundle *bundle = find_bundle(&m, "l.1.attn.q_proj.weight");
    assert_non_null(bundle);
    assert_string_equal(bundle->targets[0], "l.1.attn.v_proj.weight");
    assert_ops(&m, "l.1.attn.q_proj.weight", "split{16,32,16}");
    finish(&m);
}

static void parts_are_joined_in_turns(void **state)
{
    (void)state;
    Model m;
    start(&m, SPLIT, "l.{0-3}.attn.query_key_value.weight 64,8");
    answer(&m, "2*(q_proj+k_proj+v_proj)", "query_key_value");
    align(&m);
    assert_ops(&m, "l.0.attn.query_key_value.weight", "reshape(2,-1,8) cat(1) reshape(-1,8)");
    finish(&m);
}

static void turns_that_do_not_divide_the_rows_make_nothing(void **state)
{
    (void)state;
    Model m;
    start(&m, "l.{0-3}.attn.query_key_value.weight 64,8", SPLIT);
    answer(&m, "query_key_value", "3*(q_proj+k_proj+v_proj)");
    align(&m);
    assert_open(&m, "l.0.attn.q_proj.weight");
    finish(&m);
}

static void a_sum_that_is_none_says_nothing(void **state)
{
    (void)state;
    static const char *const sums[] = {"q_proj+", "2*q_proj+k_proj", "2*(q_proj+k_proj", "+",
                                       "0*(q_proj+k_proj+v_proj)", "(q_proj+k_proj+v_proj)"};
    for (size_t i = 0; i < countof(sums); i++) {
        Model m;
        start(&m, "l.{0-3}.attn.query_key_value.weight 64,8", SPLIT);
        answer(&m, "query_key_value", sums[i]);
        align(&m);
        assert_open(&m, "l.0.attn.q_proj.weight");
        finish(&m);
    }
}

static void norms_of_query_and_key_tell_the_heads(void **state)
{
    (void)state;
    Model m;
    start(&m, "l.{0-3}.attn.linear_qkv.weight 64,8\nl.{0-3}.attn.q_layernorm.weight 4\n"
              "l.{0-3}.attn.k_layernorm.weight 4",
          SPLIT "l.{0-3}.attn.q_norm.weight 4\nl.{0-3}.attn.k_norm.weight 4");
    align(&m);
    assert_ops(&m, "l.1.attn.q_proj.weight", "reshape(4,16,8) split({8,4,4},1) reshape(-1,8)");
    finish(&m);
}

static void a_norm_of_all_heads_tells_none(void **state)
{
    (void)state;
    Model m;
    start(&m, "l.{0-3}.attn.linear_qkv.weight 64,8\nl.{0-3}.attn.q_layernorm.weight 32\n"
              "l.{0-3}.attn.k_layernorm.weight 16",
          SPLIT "l.{0-3}.attn.q_norm.weight 32\nl.{0-3}.attn.k_norm.weight 16");
    align(&m);
    assert_open(&m, "l.1.attn.q_proj.weight");
    finish(&m);
}

static void the_longest_phrase_about_a_name_counts(void **state)
{
    (void)state;
    Model m;
    start(&m, "decoder.{0-3}.qkv_proj.weight 24,8\nencoder.{0-3}.qkv_proj.weight 48,16\n"
              "head.weight 10,8",
          "head.weight 10,8\ndecoder.{0-3}.q_proj.weight 8,8\ndecoder.{0-3}.k_proj.weight 8,8\n"
          "decoder.{0-3}.v_proj.weight 8,8\nencoder.{0-3}.q_proj.weight 16,16\n"
          "encoder.{0-3}.k_proj.weight 16,16\nencoder.{0-3}.v_proj.weight 16,16");
    align(&m);
    const Bundle *bundle = find_bundle(&m, "decoder.0.q_proj.weight");
    assert_non_null(bundle);
    assert_string_equal(bundle->targets[0], "decoder.0.k_proj.weight");
    assert_string_equal(bundle->targets[2], "decoder.0.q_proj.weight");
    bundle = find_bundle(&m, "encoder.0.q_proj.weight");
    assert_non_null(bundle);
    assert_string_equal(bundle->targets[0], "encoder.0.q_proj.weight");
    finish(&m);
}

static void a_name_that_no_line_knows_is_asked(void **state)
{
    (void)state;
    Model m;
    start(&m, "l.{0-3}.attn.key_value.weight 32,8",
          "l.{0-3}.attn.k_proj.weight 16,8\nl.{0-3}.attn.v_proj.weight 16,8");
    align(&m);
    assert_open(&m, "l.0.attn.k_proj.weight");
    assert_asked(&m, "key_value=k_proj+v_proj", 8);
    finish(&m);
}

static void a_line_about_the_last_axis_is_about_no_other(void **state)
{
    (void)state;
    Model m;
    static const char parts[] = "l.{0-3}.gate_proj 6,16,8\nl.{0-3}.up_proj 6,16,8";
    start(&m, "l.{0-3}.gate_up_proj 6,32,8", parts);
    align(&m);
    assert_ops(&m, "l.0.up_proj", "split(2,1)");
    finish(&m);
    start(&m, "l.{0-3}.gate_up_proj 6,8,32", parts);
    align(&m);
    assert_open(&m, "l.0.up_proj");
    assert_asked(&m, "gate_up_proj=gate_proj+up_proj", 8);
    finish(&m);
    start(&m, "l.{0-3}.gate_up_proj 6,8,32", parts);
    answer(&m, "gate_up_proj", "16*(gate_proj+up_proj)");
    align(&m);
    assert_ops(&m, "l.0.up_proj", "permute(0,2,1) reshape(6,16,2,8) split(2,2) reshape(6,-1,8)");
    finish(&m);
}

static void parts_that_the_lexicon_names_may_have_two_parents(void **state)
{
    (void)state;
    Model m;
    start(&m, "s.{0-3}.linear1.weight 56,8",
          "s.{0-3}.attn.to_q.weight 8,8\ns.{0-3}.attn.to_k.weight 8,8\n"
          "s.{0-3}.attn.to_v.weight 8,8\ns.{0-3}.proj_mlp.weight 32,8");
    align(&m);
    assert_ops(&m, "s.3.proj_mlp.weight", "split{8,8,8,32}");
    finish(&m);
}

/* ---- without names ---- */

static void what_adds_up_without_names_is_asked(void **state)
{
    (void)state;
    Model m;
    static const char source[] = "b.{0-3}.ff_proj.weight 32,8\nb.{0-3}.xa.weight 8,24",
                      target[] = "l.{0-3}.mlp.up_proj.weight 16,8\n"
                                 "l.{0-3}.mlp.gate_proj.weight 16,8\nl.{0-3}.xa.weight 8,24";
    start(&m, source, target);
    align(&m);
    assert_open(&m, "l.0.mlp.up_proj.weight");
    assert_asked(&m, "ff_proj=gate_proj+up_proj", 8);
    finish(&m);
    start(&m, source, target);
    answer(&m, "ff_proj", "up_proj+gate_proj");
    align(&m);
    assert_ops(&m, "l.0.mlp.up_proj.weight", "split(2)");
    assert_string_equal(find_bundle(&m, "l.0.mlp.up_proj.weight")->targets[0],
                        "l.0.mlp.up_proj.weight");
    finish(&m);
}

static void what_adds_up_in_two_ways_is_not_proposed(void **state)
{
    (void)state;
    Model m;
    start(&m, "b.{0-3}.ff_proj.weight 32,8",
          "l.{0-3}.m.a.weight 16,8\nl.{0-3}.m.b.weight 16,8\nl.{0-3}.m.c.weight 16,8");
    align(&m);
    for (size_t i = 0; i < m.result->tie_count; i++) assert_false(m.result->ties[i].together);
    finish(&m);
}

/* ---- heads with an axis of their own ---- */

#define FLAX "b_{0-5}/att/query/kernel 24,4,6\nb_{0-5}/att/query/bias 4,6\n" \
             "b_{0-5}/att/key/kernel 24,4,6\nb_{0-5}/att/key/bias 4,6\n"     \
             "b_{0-5}/att/value/kernel 24,4,6\nb_{0-5}/att/value/bias 4,6\n" \
             "b_{0-5}/att/out_proj/kernel 4,6,24\nb_{0-5}/att/out_proj/bias 24\n" \
             "b_{0-5}/mlp/fc1/kernel 24,96\nb_{0-5}/mlp/fc1/bias 96\n"
#define TORCH "b.{0-5}.att.query.weight 24,24\nb.{0-5}.att.query.bias 24\n" \
              "b.{0-5}.att.key.weight 24,24\nb.{0-5}.att.key.bias 24\n"     \
              "b.{0-5}.att.value.weight 24,24\nb.{0-5}.att.value.bias 24\n" \
              "b.{0-5}.att.out_proj.weight 24,24\nb.{0-5}.att.out_proj.bias 24\n" \
              "b.{0-5}.mlp.fc1.weight 96,24\nb.{0-5}.mlp.fc1.bias 96\n"

static void kernels_with_heads_are_seen_as_matrices(void **state)
{
    (void)state;
    Model m;
    start(&m, FLAX, TORCH);
    align(&m);
    assert_from(&m, "b.4.att.key.weight", "b_4/att/key/kernel");
    assert_ops(&m, "b.4.att.key.weight", "reshape(24,24) T");
    assert_ops(&m, "b.4.att.key.bias", "reshape(24)");
    assert_ops(&m, "b.4.att.out_proj.weight", "reshape(24,24) T");
    assert_ops(&m, "b.4.att.out_proj.bias", "");
    finish(&m);
    start(&m, TORCH, FLAX);
    align(&m);
    assert_ops(&m, "b_4/att/key/kernel", "T reshape(24,4,6)");
    assert_ops(&m, "b_4/att/key/bias", "reshape(4,6)");
    assert_ops(&m, "b_4/att/out_proj/kernel", "T reshape(4,6,24)");
    finish(&m);
}

static void kernels_with_heads_are_joined(void **state)
{
    (void)state;
    Model m;
    start(&m, FLAX, "b.{0-5}.att.qkv.weight 72,24\nb.{0-5}.att.qkv.bias 72\n"
                    "b.{0-5}.att.out_proj.weight 24,24\nb.{0-5}.att.out_proj.bias 24\n"
                    "b.{0-5}.mlp.fc1.weight 96,24\nb.{0-5}.mlp.fc1.bias 96");
    align(&m);
    assert_ops(&m, "b.1.att.qkv.weight", "reshape(24,24) T cat(0)");
    assert_ops(&m, "b.1.att.qkv.bias", "reshape(24) cat(0)");
    finish(&m);
}

/* Keys of fewer heads are no matrix of their own on the other side: they are seen as their siblings
 * are. */
static void fewer_heads_follow_their_siblings(void **state)
{
    (void)state;
    Model m;
    start(&m, "b_{0-5}/att/query/kernel 24,4,6\nb_{0-5}/att/key/kernel 24,2,6\n"
              "b_{0-5}/att/value/kernel 24,2,6\nb_{0-5}/att/out_proj/kernel 4,6,24\n"
              "b_{0-5}/mlp/fc1/kernel 24,96",
          "b.{0-5}.att.qkv.weight 48,24\nb.{0-5}.att.out_proj.weight 24,24\n"
          "b.{0-5}.mlp.fc1.weight 96,24");
    align(&m);
    assert_ops(&m, "b.1.att.qkv.weight", "reshape(24,-1) T cat(0)");
    finish(&m);
}

static void a_shape_that_both_sides_have_stays(void **state)
{
    (void)state;
    Model m;
    start(&m, "a.conv.weight 4,6,4\na.fc.weight 24,4", "b.conv.weight 4,6,4\nb.fc.weight 24,4");
    align(&m);
    assert_ops(&m, "b.conv.weight", "");
    finish(&m);
}

static void experts_behind_one_another_get_an_axis(void **state)
{
    (void)state;
    Model m;
    start(&m, "l.{0-3}.mlp.w1 96,8\nl.{0-3}.mlp.w3 96,8\nl.{0-3}.mlp.w2 96,8",
          "l.{0-3}.ffn_gate.weight 6,16,8\nl.{0-3}.ffn_up.weight 6,16,8\n"
          "l.{0-3}.ffn_down.weight 6,8,16");
    align(&m);
    assert_from(&m, "l.2.ffn_up.weight", "l.2.mlp.w3");
    assert_ops(&m, "l.2.ffn_up.weight", "reshape(6,16,8)");
    assert_ops(&m, "l.2.ffn_down.weight", "reshape(6,16,8) permute(0,2,1)");
    finish(&m);
}

/* ---- stacks ---- */

static void layers_in_one_tensor_are_taken_apart(void **state)
{
    (void)state;
    Model m;
    start(&m, "enc/att/query/kernel 5,24,4,6\nenc/att/key/kernel 5,24,4,6\n"
              "enc/att/value/kernel 5,24,4,6\nenc/att/out/kernel 5,4,6,24\n"
              "enc/mlp/Dense_0/kernel 5,24,96\nenc/mlp/Dense_1/kernel 5,96,24\nhead/kernel 24,10",
          "l.{0-4}.att.query.weight 24,24\nl.{0-4}.att.key.weight 24,24\n"
          "l.{0-4}.att.value.weight 24,24\nl.{0-4}.att.dense.weight 24,24\n"
          "l.{0-4}.mlp.fc1.weight 96,24\nl.{0-4}.mlp.fc2.weight 24,96\nhead.weight 10,24");
    align(&m);
    assert_from(&m, "l.3.att.value.weight", "enc/att/value/kernel");
    assert_ops(&m, "l.3.att.value.weight", "reshape(5,24,24) unstack(0) T");
    finish(&m);
}

/* Of one layer the scale is missing: its bias is not the scale. */
static void a_bias_that_is_alone_is_no_scale(void **state)
{
    (void)state;
    Model m;
    start(&m, "enc/norm1/scale 5,24\nenc/norm1/bias 5,24\nenc/up/kernel 5,24,96\n"
              "enc/mid/kernel 5,24,24\nenc/down/kernel 5,96,24\nhead/kernel 24,10",
          "l.0.norm1.bias 24\nl.1.norm1.bias 24\nl.2.norm1.bias 24\nl.3.norm1.bias 24\n"
          "l.4.norm1.bias 24\nl.{0-4}.up.weight 96,24\nl.{0-4}.mid.weight 24,24\n"
          "l.{0-4}.down.weight 24,96\nhead.weight 10,24");
    align(&m);
    for (size_t i = 0; i < m.result->bundle_count; i++)
        if (strstr(m.result->bundles[i].targets[0], "norm1"))
            assert_string_equal(m.result->bundles[i].sources[0].names[0], "enc/norm1/bias");
    assert_from(&m, "l.3.up.weight", "enc/up/kernel");
    finish(&m);
}

/* One bias of another size: the kernels are taken apart, the biases are not. */
static void what_is_stacked_has_one_shape(void **state)
{
    (void)state;
    Model m;
    start(&m, "enc/up/kernel 5,24,96\nenc/up/bias 5,96\nenc/mid/kernel 5,24,24\n"
              "enc/down/kernel 5,96,24\nhead/kernel 24,10",
          "l.{0-4}.up.weight 96,24\nl.{0-3}.up.bias 96\nl.4.up.bias 95\n"
          "l.{0-4}.mid.weight 24,24\nl.{0-4}.down.weight 24,96\nhead.weight 10,24");
    align(&m);
    assert_from(&m, "l.3.up.weight", "enc/up/kernel");
    assert_open(&m, "l.3.up.bias");
    finish(&m);
}

static void two_stacks_are_an_accident(void **state)
{
    (void)state;
    Model m;
    start(&m, "enc/xa 5,24,7\nenc/xb 5,9\nhead 24,10",
          "l.{0-4}.ya 24,7\nl.{0-4}.yb 9\nhead 24,10");
    align(&m);
    assert_open(&m, "l.0.ya");
    finish(&m);
}

/* A square in every layer, and nothing that shows how kernels lie. */
static void squares_of_a_stack_need_an_assumption(void **state)
{
    (void)state;
    Model m;
    static const char source[] = "l.{0-3}.experts.gate_up_proj 6,8,16\n"
                                 "l.{0-3}.experts.down_proj 6,8,8",
                      target[] = "l.{0-3}.gate_proj.weight 6,8,8\nl.{0-3}.up_proj.weight 6,8,8\n"
                                 "l.{0-3}.down_proj.weight 6,8,8";
    start(&m, source, target);
    answer(&m, "gate_up_proj", "gate_proj+up_proj");
    align(&m);
    assert_open(&m, "l.0.gate_proj.weight");
    assert_open(&m, "l.0.down_proj.weight");
    finish(&m);
    start(&m, source, target);
    answer(&m, "gate_up_proj", "gate_proj+up_proj");
    m.options.assume = AUTO_LAYOUT_FLAX;
    align(&m);
    assert_ops(&m, "l.0.gate_proj.weight", "permute(0,2,1) split(2,1)");
    assert_ops(&m, "l.0.down_proj.weight", "permute(0,2,1)");
    finish(&m);
}

/* ---- rows with holes ---- */

#define THREE(n) "l." n ".attn.q_proj.weight 6,8\nl." n ".attn.k_proj.weight 6,8\n" \
                 "l." n ".attn.v_proj.weight 6,8\n"

static void a_block_less_takes_the_others_apart_all_the_same(void **state)
{
    (void)state;
    Model m;
    start(&m, "l.0.attn.Wqkv.weight 18,8\nl.1.attn.Wqkv.weight 18,8\nl.3.attn.Wqkv.weight 18,8\n"
              "l.4.attn.Wqkv.weight 18,8",
          THREE("0") THREE("1") THREE("2") THREE("3") THREE("4"));
    align(&m);
    assert_from(&m, "l.3.attn.v_proj.weight", "l.3.attn.Wqkv.weight");
    assert_open(&m, "l.2.attn.v_proj.weight");
    finish(&m);
}

/* The blocks may have been numbered anew: no number says which is which. */
static void a_row_that_neither_begins_nor_ends_alike_stays_whole(void **state)
{
    (void)state;
    Model m;
    start(&m, "l.1.attn.Wqkv.weight 18,8\nl.2.attn.Wqkv.weight 18,8\nl.3.attn.Wqkv.weight 18,8\n"
              "l.4.attn.Wqkv.weight 18,8",
          THREE("0") THREE("1") THREE("2") THREE("3") THREE("4"));
    align(&m);
    assert_open(&m, "l.1.attn.q_proj.weight");
    assert_open(&m, "l.3.attn.q_proj.weight");
    finish(&m);
}

/* ---- which parent ---- */

/* q, k and v of either attention would make the one fused tensor: those of the other are needed for
 * what is fused there. */
static void parts_belong_to_the_whole_that_is_named_as_they_are(void **state)
{
    (void)state;
    Model m;
    start(&m, "l.{0-3}.attn.qkv.weight 18,8\nl.{0-3}.cross_attn.q.weight 6,8\n"
              "l.{0-3}.cross_attn.kv.weight 12,8",
          "b.{0-3}.self_attn.q_proj.weight 6,8\nb.{0-3}.self_attn.k_proj.weight 6,8\n"
          "b.{0-3}.self_attn.v_proj.weight 6,8\nb.{0-3}.encoder_attn.q_proj.weight 6,8\n"
          "b.{0-3}.encoder_attn.k_proj.weight 6,8\nb.{0-3}.encoder_attn.v_proj.weight 6,8");
    align(&m);
    assert_from(&m, "b.1.self_attn.v_proj.weight", "l.1.attn.qkv.weight");
    assert_from(&m, "b.1.encoder_attn.q_proj.weight", "l.1.cross_attn.q.weight");
    assert_from(&m, "b.1.encoder_attn.v_proj.weight", "l.1.cross_attn.kv.weight");
    finish(&m);
}

/* What is seen with its heads in front lies the other way round already: of two squares, one is
 * turned. */
static void heads_before_the_width_are_turned_already(void **state)
{
    (void)state;
    Model m;
    start(&m, "l.{0-1}.in_part.w 2,8,4\nl.{0-1}.out_part.w 2,4,8\nl.{0-1}.grow.w 8,16",
          "t.{0-1}.in_part.weight 8,8\nt.{0-1}.out_part.weight 8,8\nt.{0-1}.grow.weight 16,8");
    align(&m);
    const Bundle *bundle = find_bundle(&m, "t.1.in_part.weight");
    assert_non_null(bundle);
    assert_int_equal(bundle->op_count, 2);
    assert_op(&m, "t.1.in_part.weight", 0, OP_PERMUTE);
    assert_op(&m, "t.1.in_part.weight", 1, OP_RESHAPE);
    assert_op(&m, "t.1.out_part.weight", 0, OP_RESHAPE);
    assert_op(&m, "t.1.out_part.weight", 1, OP_T);
    finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_unequal_rows_are_cut_by_their_sizes),
        cmocka_unit_test(what_lines_of_the_lexicon_contradict_is_asked),
        cmocka_unit_test(an_answer_gives_the_turns),
        cmocka_unit_test(an_answer_gives_the_order),
        cmocka_unit_test(parts_are_joined_in_turns),
        cmocka_unit_test(turns_that_do_not_divide_the_rows_make_nothing),
        cmocka_unit_test(a_sum_that_is_none_says_nothing),
        cmocka_unit_test(norms_of_query_and_key_tell_the_heads),
        cmocka_unit_test(a_norm_of_all_heads_tells_none),
        cmocka_unit_test(the_longest_phrase_about_a_name_counts),
        cmocka_unit_test(a_name_that_no_line_knows_is_asked),
        cmocka_unit_test(a_line_about_the_last_axis_is_about_no_other),
        cmocka_unit_test(parts_that_the_lexicon_names_may_have_two_parents),
        cmocka_unit_test(what_adds_up_without_names_is_asked),
        cmocka_unit_test(what_adds_up_in_two_ways_is_not_proposed),
        cmocka_unit_test(kernels_with_heads_are_seen_as_matrices),
        cmocka_unit_test(kernels_with_heads_are_joined),
        cmocka_unit_test(fewer_heads_follow_their_siblings),
        cmocka_unit_test(a_shape_that_both_sides_have_stays),
        cmocka_unit_test(experts_behind_one_another_get_an_axis),
        cmocka_unit_test(layers_in_one_tensor_are_taken_apart),
        cmocka_unit_test(a_bias_that_is_alone_is_no_scale),
        cmocka_unit_test(what_is_stacked_has_one_shape),
        cmocka_unit_test(two_stacks_are_an_accident),
        cmocka_unit_test(squares_of_a_stack_need_an_assumption),
        cmocka_unit_test(parts_belong_to_the_whole_that_is_named_as_they_are),
        cmocka_unit_test(a_block_less_takes_the_others_apart_all_the_same),
        cmocka_unit_test(a_row_that_neither_begins_nor_ends_alike_stays_whole),
        cmocka_unit_test(heads_before_the_width_are_turned_already),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
