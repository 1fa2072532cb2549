/* Automatic alignment, one behaviour a test, on models of a few lines. */
#include "tests/unit/test.h"

#include <stdio.h>

#include "tests/unit/auto_model.h"

/* ---- names ---- */

static void a_wrapper_comes_off(void **state)
{
    (void)state;
    Model m;
    start(&m, "module.conv1.weight 8,3,3,3\nmodule.fc.weight 10,8\nmodule.fc.bias 10",
          "conv1.weight 8,3,3,3\nfc.weight 10,8\nfc.bias 10");
    align(&m);
    assert_from(&m, "conv1.weight", "module.conv1.weight");
    assert_from(&m, "fc.bias", "module.fc.bias");
    assert_int_equal(find_bundle(&m, "fc.weight")->op_count, 0);
    finish(&m);
}

static void a_head_of_another_size_is_left(void **state)
{
    (void)state;
    Model m;
    start(&m, "module.conv1.weight 8,3,3,3\nmodule.fc.weight 10,8\nmodule.fc.bias 10",
          "conv1.weight 8,3,3,3\nfc.weight 20,8\nfc.bias 20");
    align(&m);
    assert_open(&m, "fc.weight");
    assert_open(&m, "fc.bias");
    finish(&m);
}

static void names_that_cross_find_their_places(void **state)
{
    (void)state;
    Model m;
    start(&m, "stem.weight 8,3,4,4\nnorm.weight 8\nnorm.bias 8\nhead.weight 10,8\nhead.bias 10",
          "stem.weight 8,3,4,4\nhead.norm.weight 8\nhead.norm.bias 8\nhead.fc.weight 10,8\n"
          "head.fc.bias 10");
    align(&m);
    assert_from(&m, "head.fc.weight", "head.weight");
    assert_from(&m, "head.norm.weight", "norm.weight");
    finish(&m);
}

static const char hf[] = "layers.{0-3}.self_attn.q_proj.weight 8,8\n"
                         "layers.{0-3}.self_attn.k_proj.weight 8,8\n"
                         "layers.{0-3}.self_attn.v_proj.weight 8,8\n"
                         "layers.{0-3}.self_attn.o_proj.weight 8,8\n"
                         "layers.{0-3}.mlp.gate_proj.weight 16,8\n"
                         "layers.{0-3}.mlp.up_proj.weight 16,8\n"
                         "layers.{0-3}.mlp.down_proj.weight 8,16";

static void words_of_the_lexicon_decide_among_equal_shapes(void **state)
{
    (void)state;
    Model m;
    start(&m, hf, "blk.{0-3}.attn_k.weight 8,8\nblk.{0-3}.attn_output.weight 8,8\n"
                  "blk.{0-3}.attn_q.weight 8,8\nblk.{0-3}.attn_v.weight 8,8\n"
                  "blk.{0-3}.ffn_down.weight 8,16\nblk.{0-3}.ffn_gate.weight 16,8\n"
                  "blk.{0-3}.ffn_up.weight 16,8");
    align(&m);
    assert_from(&m, "blk.2.attn_q.weight", "layers.2.self_attn.q_proj.weight");
    assert_from(&m, "blk.3.attn_output.weight", "layers.3.self_attn.o_proj.weight");
    assert_from(&m, "blk.1.ffn_up.weight", "layers.1.mlp.up_proj.weight");
    finish(&m);
}

static void equal_siblings_without_names_stay_a_tie(void **state)
{
    (void)state;
    Model m;
    start(&m, hf, "b.{0-3}.xa.weight 8,8\nb.{0-3}.xb.weight 8,8\nb.{0-3}.xc.weight 8,8\n"
                  "b.{0-3}.xd.weight 8,8\nb.{0-3}.y.weight 8,16");
    align(&m);
    assert_open(&m, "b.0.xa.weight");
    assert_open(&m, "b.0.xd.weight");
    assert_true(m.result->tie_count >= 1);
    assert_int_equal(m.result->ties[0].tensors, 16);
    assert_int_equal(m.result->ties[0].source_count, 4);
    finish(&m);
}

static void an_answer_settles_the_family(void **state)
{
    (void)state;
    Model m;
    static const AutoAnswer answers[] = {{"q_proj", "xc"}, {"v_proj", NULL}};
    start(&m, hf, "b.{0-3}.xa.weight 8,8\nb.{0-3}.xb.weight 8,8\nb.{0-3}.xc.weight 8,8\n"
                  "b.{0-3}.xd.weight 8,8\nb.{0-3}.y.weight 8,16");
    m.options.answers = answers;
    m.options.answer_count = countof(answers);
    m.options.assume = AUTO_LAYOUT_TORCH;
    align(&m);
    for (size_t i = 0; i < 4; i++) {
        char target[32], source[64];
        snprintf(target, sizeof target, "b.%zu.xc.weight", i);
        snprintf(source, sizeof source, "layers.%zu.self_attn.q_proj.weight", i);
        assert_from(&m, target, source);
    }
    for (size_t i = 0; i < m.result->bundle_count; i++)
        assert_null(strstr(m.result->bundles[i].sources[0].names[0], "v_proj"));
    finish(&m);
}

/* ---- groups ---- */

static void a_fused_matrix_is_split_in_the_order_of_its_name(void **state)
{
    (void)state;
    Model m;
    start(&m, "blocks.{0-3}.attn.qkv.weight 24,8\nblocks.{0-3}.attn.qkv.bias 24\n"
              "blocks.{0-3}.attn.proj.weight 8,8\nblocks.{0-3}.mlp.fc1.weight 32,8",
          "layers.{0-3}.self_attn.k_proj.weight 8,8\nlayers.{0-3}.self_attn.v_proj.weight 8,8\n"
          "layers.{0-3}.self_attn.q_proj.weight 8,8\nlayers.{0-3}.self_attn.k_proj.bias 8\n"
          "layers.{0-3}.self_attn.v_proj.bias 8\nlayers.{0-3}.self_attn.q_proj.bias 8\n"
          "layers.{0-3}.self_attn.out_proj.weight 8,8\nlayers.{0-3}.mlp.fc1.weight 32,8");
    align(&m);
    const Bundle *bundle = find_bundle(&m, "layers.1.self_attn.v_proj.weight");
    assert_non_null(bundle);
    assert_int_equal(bundle->target_count, 3);
    assert_string_equal(bundle->targets[0], "layers.1.self_attn.q_proj.weight");
    assert_string_equal(bundle->targets[1], "layers.1.self_attn.k_proj.weight");
    assert_op(&m, "layers.1.self_attn.q_proj.weight", 0, OP_SPLIT);
    assert_from(&m, "layers.2.self_attn.k_proj.bias", "blocks.2.attn.qkv.bias");
    assert_from(&m, "layers.2.self_attn.out_proj.weight", "blocks.2.attn.proj.weight");
    finish(&m);
}

static void parts_are_joined_the_other_way(void **state)
{
    (void)state;
    Model m;
    start(&m, "layers.{0-3}.attn.v.weight 8,8\nlayers.{0-3}.attn.q.weight 8,8\n"
              "layers.{0-3}.attn.k.weight 8,8\nlayers.{0-3}.mlp.fc1.weight 32,8",
          "h.{0-3}.attn.c_attn.weight 24,8\nh.{0-3}.mlp.c_fc.weight 32,8");
    align(&m);
    const Bundle *bundle = find_bundle(&m, "h.3.attn.c_attn.weight");
    assert_non_null(bundle);
    assert_int_equal(bundle->source_count, 3);
    assert_string_equal(bundle->sources[2].names[0], "layers.3.attn.v.weight");
    assert_op(&m, "h.3.attn.c_attn.weight", 0, OP_CAT);
    finish(&m);
}

static void parts_without_names_are_no_group(void **state)
{
    (void)state;
    Model m;
    start(&m, "blocks.{0-3}.attn.qkv.weight 24,8\nblocks.{0-3}.mlp.fc1.weight 32,8",
          "b.{0-3}.xa.weight 8,8\nb.{0-3}.xb.weight 8,8\nb.{0-3}.xc.weight 8,8\n"
          "b.{0-3}.mlp.fc1.weight 32,8");
    align(&m);
    assert_open(&m, "b.0.xa.weight");
    assert_open(&m, "b.0.xb.weight");
    finish(&m);
}

static void experts_are_stacked(void **state)
{
    (void)state;
    Model m;
    start(&m, "layers.0.moe.experts.{0-3}.w1.weight 16,8\nlayers.0.moe.experts.{0-3}.w3.weight 16,8\n"
              "layers.0.moe.experts.{0-3}.w2.weight 8,16",
          "layers.0.mlp.experts.gate_up_proj 4,32,8\nlayers.0.mlp.experts.down_proj 4,8,16");
    align(&m);
    const Bundle *bundle = find_bundle(&m, "layers.0.mlp.experts.gate_up_proj");
    assert_non_null(bundle);
    assert_int_equal(bundle->source_count, 2);
    assert_int_equal(bundle->sources[1].count, 4);
    assert_string_equal(bundle->sources[1].names[2], "layers.0.moe.experts.2.w3.weight");
    assert_op(&m, "layers.0.mlp.experts.gate_up_proj", 0, OP_STACK);
    assert_op(&m, "layers.0.mlp.experts.gate_up_proj", 1, OP_CAT);
    assert_int_equal(bundle->ops[1].axis, 1);
    assert_op(&m, "layers.0.mlp.experts.down_proj", 0, OP_STACK);
    finish(&m);
}

static void two_fused_tensors_find_their_own_parts(void **state)
{
    (void)state;
    Model m;
    start(&m, "d.layers.{0-3}.self_attn.in_proj_weight 24,8\nd.layers.{0-3}.self_attn.in_proj_bias 24\n"
              "d.layers.{0-3}.cross_attn.in_proj_weight 24,8\nd.layers.{0-3}.cross_attn.in_proj_bias 24\n"
              "d.layers.{0-3}.fc1.weight 32,8",
          "d.layers.{0-3}.self_attn.k_proj.weight 8,8\nd.layers.{0-3}.self_attn.v_proj.weight 8,8\n"
          "d.layers.{0-3}.self_attn.q_proj.weight 8,8\nd.layers.{0-3}.encoder_attn.k_proj.weight 8,8\n"
          "d.layers.{0-3}.encoder_attn.v_proj.weight 8,8\n"
          "d.layers.{0-3}.encoder_attn.q_proj.weight 8,8\nd.layers.{0-3}.mlp.fc1.weight 32,8");
    align(&m);
    assert_from(&m, "d.layers.1.self_attn.v_proj.weight", "d.layers.1.self_attn.in_proj_weight");
    assert_from(&m, "d.layers.1.encoder_attn.v_proj.weight",
                "d.layers.1.cross_attn.in_proj_weight");
    finish(&m);
}

/* ---- layouts ---- */

static void squares_follow_their_family(void **state)
{
    (void)state;
    Model m;
    start(&m, "e/layer_{0-3}/query/kernel 8,8\ne/layer_{0-3}/inner/kernel 8,32",
          "e.layer.{0-3}.query.weight 8,8\ne.layer.{0-3}.inner.weight 32,8");
    align(&m);
    assert_op(&m, "e.layer.0.inner.weight", 0, OP_T);
    assert_op(&m, "e.layer.2.query.weight", 0, OP_T);
    finish(&m);
}

static void squares_in_a_straight_family_stay(void **state)
{
    (void)state;
    Model m;
    start(&m, "e.layer_{0-3}.query.weight 8,8\ne.layer_{0-3}.inner.weight 32,8",
          "e.layer.{0-3}.query.weight 8,8\ne.layer.{0-3}.inner.weight 32,8");
    align(&m);
    assert_int_equal(find_bundle(&m, "e.layer.2.query.weight")->op_count, 0);
    finish(&m);
}

static void only_squares_need_an_assumption(void **state)
{
    (void)state;
    for (int assume = 0; assume < 3; assume++) {
        Model m;
        start(&m, "e/layer_{0-3}/query/kernel 8,8\ne/layer_{0-3}/query/bias 8",
              "e.layer.{0-3}.query.weight 8,8\ne.layer.{0-3}.query.bias 8");
        m.options.assume = (AutoLayout)assume;
        align(&m);
        if (assume == AUTO_LAYOUT_OPEN) assert_open(&m, "e.layer.1.query.weight");
        else assert_int_equal(find_bundle(&m, "e.layer.1.query.weight")->op_count,
                              assume == AUTO_LAYOUT_TF);
        assert_from(&m, "e.layer.1.query.bias", "e/layer_1/query/bias");
        finish(&m);
    }
}

static void a_bare_parameter_follows_no_turned_kernels(void **state)
{
    (void)state;
    Model m;
    start(&m, "e/layer_{0-3}/query/kernel 8,8\ne/layer_{0-3}/inner/kernel 8,32\n"
              "text_projection 8,8\n",
          "e.layer.{0-3}.query.weight 8,8\ne.layer.{0-3}.inner.weight 32,8\n"
          "text_projection.weight 8,8\n");
    align(&m);
    assert_op(&m, "e.layer.2.query.weight", 0, OP_T);
    assert_open(&m, "text_projection.weight");
    finish(&m);
}

static void convolutions_turn_and_ones_go(void **state)
{
    (void)state;
    Model m;
    start(&m, "stem/conv/kernel 3,3,5,16\nstem/depthwise/kernel 3,3,16,1\nscale_1/gamma 16,1,1\n"
              "one/kernel 7,5,9",
          "stem.conv.weight 16,5,3,3\nstem.depthwise.weight 16,1,3,3\nscale_1.gamma 16\n"
          "one.weight 9,5,7");
    align(&m);
    const Bundle *conv = find_bundle(&m, "stem.conv.weight");
    assert_non_null(conv);
    assert_int_equal(conv->ops[0].kind, OP_PERMUTE);
    assert_int_equal(conv->ops[0].list[0], 3);
    assert_op(&m, "stem.depthwise.weight", 0, OP_PERMUTE);
    assert_op(&m, "one.weight", 0, OP_PERMUTE);
    assert_op(&m, "scale_1.gamma", 0, OP_RESHAPE);
    finish(&m);
}

/* ---- rows ---- */

static void a_missing_block_leaves_the_others_in_place(void **state)
{
    (void)state;
    Model m;
    start(&m, "layers.0.q_proj.weight 8,8\nlayers.0.fc1.weight 32,8\nlayers.2.q_proj.weight 8,8\n"
              "layers.2.fc1.weight 32,8\nlayers.3.q_proj.weight 8,8\nlayers.3.fc1.weight 32,8\n"
              "layers.4.q_proj.weight 8,8\nlayers.4.fc1.weight 32,8",
          "blk.{0-4}.attn_q.weight 8,8\nblk.{0-4}.mlp.fc1.weight 32,8");
    align(&m);
    assert_open(&m, "blk.1.mlp.fc1.weight");
    assert_open(&m, "blk.1.attn_q.weight");
    assert_from(&m, "blk.2.mlp.fc1.weight", "layers.2.fc1.weight");
    assert_from(&m, "blk.4.attn_q.weight", "layers.4.q_proj.weight");
    finish(&m);
}

static void add_block(Model *model, int side, const char *path, const char *const names[3],
                      const int width[2])
{
    const char *shapes[] = {arena_printf(model->arena, "%d,%d,1,1", width[0] * 6, width[0]),
                            arena_printf(model->arena, "%d,1,3,3", width[0] * 6),
                            arena_printf(model->arena, "%d,%d,1,1", width[1], width[0] * 6)};
    for (int i = 0; i < 3; i++)
        add_line(model, side, arena_printf(model->arena, "%s.%s.weight", path, names[i]),
                 shapes[i]);
}

/* Flat numbers against stages, and one of three equal blocks is not there: which one stays open. */
static void a_hole_in_a_flat_sequence_slips_nobody(void **state)
{
    (void)state;
    static const char *const flat[] = {"conv.0.0", "conv.1.0", "conv.2"};
    static const char *const staged[] = {"conv_pw", "conv_dw", "conv_pwl"};
    static const int width[] = {24, 32, 32, 32, 64, 64, 64, 64, 96};
    static const int stage[] = {2, 2, 2, 3, 3, 3, 3, 4}, place[] = {0, 1, 2, 0, 1, 2, 3, 0};
    Model m;
    start(&m, "", "");
    for (int i = 0; i < 8; i++) {
        if (i != 4) add_block(&m, 0, arena_printf(m.arena, "features.%d", i + 4), flat, width + i);
        add_block(&m, 1, arena_printf(m.arena, "blocks.%d.%d", stage[i], place[i]), staged,
                  width + i);
    }
    align(&m);
    for (int i = 0; i < 9; i++)
        assert_open(&m, arena_printf(m.arena, "blocks.3.%d.%s.weight", 1 + i / 3, staged[i % 3]));
    assert_from(&m, "blocks.4.0.conv_pwl.weight", "features.11.conv.2.weight");
    finish(&m);
}

static void a_tensor_of_another_shape_is_left_and_takes_nobodys_place(void **state)
{
    (void)state;
    Model m;
    start(&m, "h.{0-5}.norm1.weight 8\nh.{0-5}.norm2.weight 8\nh.{0-5}.fc1.weight 32,8",
          "b.{0-5}.attn_norm.weight 8\nb.{0-5}.ffn_norm.weight 8\nb.{0-5}.mlp.fc1.weight 32,8");
    static const int64_t dims[] = {9};
    m.tensors[0][2].dims = dims;
    align(&m);
    assert_open(&m, "b.2.attn_norm.weight");
    assert_from(&m, "b.3.attn_norm.weight", "h.3.norm1.weight");
    assert_from(&m, "b.2.ffn_norm.weight", "h.2.norm2.weight");
    finish(&m);
}

static void another_size_is_said_and_not_patched(void **state)
{
    (void)state;
    Model m;
    start(&m, "h.{0-11}.attn.q_proj.weight 8,8\nh.{0-11}.mlp.fc1.weight 32,8\nh.{0-11}.ln_1.weight 8",
          "h.{0-23}.attn.q_proj.weight 16,16\nh.{0-23}.mlp.fc1.weight 64,16\nh.{0-23}.ln_1.weight 16");
    align(&m);
    assert_true(m.result->another_size);
    assert_int_equal(m.result->bundle_count, 0);
    finish(&m);
}

static void an_anchor_is_evidence_and_no_candidate(void **state)
{
    (void)state;
    Model m;
    static const AutoAnchor anchors[] = {{0, 0}, {99999, 0}};
    start(&m, "a.one.weight 8,4\na.two.weight 8,4", "b.x.weight 8,4\nb.y.weight 8,4");
    m.options.anchors = anchors;
    m.options.anchor_count = countof(anchors);
    align(&m);
    assert_open(&m, "b.x.weight");
    finish(&m);
}

/* ---- hostile ---- */

static void nothing_gives_nothing(void **state)
{
    (void)state;
    Model m;
    start(&m, "", "");
    align(&m);
    assert_int_equal(m.result->bundle_count + m.result->tie_count, 0);
    finish(&m);
    start(&m, "", hf);
    align(&m);
    assert_int_equal(m.result->bundle_count, 0);
    finish(&m);
}

static void shapes_that_are_not_known_leave_it_to_names(void **state)
{
    (void)state;
    Model m;
    start(&m, "module.conv1.weight ?\nmodule.fc.weight ?\nmodule.fc.bias ?",
          "conv1.weight 8,3,3,3\nfc.weight 10,8\nfc.bias 10");
    align(&m);
    assert_from(&m, "conv1.weight", "module.conv1.weight");
    assert_from(&m, "fc.bias", "module.fc.bias");
    finish(&m);
}

static void long_names_and_many_segments_end(void **state)
{
    (void)state;
    Model m;
    start(&m, "", "");
    for (int side = 0; side < 2; side++) {
        Text name = {0};
        for (int i = 0; i < 1000000; i++) text_add(&name, side ? "b." : "a.");
        text_add(&name, "weight");
        add_line(&m, side, arena_strdup(m.arena, text_string(&name)), "4,3");
        text_clear(&name);
        for (int i = 0; i < 65536; i++) text_addc(&name, side ? '7' : '8');
        add_line(&m, side, arena_strdup(m.arena, text_string(&name)), "4,3");
        add_line(&m, side, "", "4,3");
        add_line(&m, side, "....", "4,3");
        text_done(&name);
    }
    align(&m);
    finish(&m);
}

static void names_that_differ_in_digits_alone_end(void **state)
{
    (void)state;
    Model m;
    start(&m, "", "");
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < 500; i++)
            add_line(&m, side, arena_printf(m.arena, "%c%d.%d.%d.%d", side ? 'x' : 'y', i % 7,
                                            i % 5, i % 3, i), i % 2 ? "3" : "4");
    align(&m);
    finish(&m);
}

static bool stop(void *context)
{
    (void)context;
    return true;
}

static void the_user_can_stop_it(void **state)
{
    (void)state;
    Model m;
    start(&m, hf, hf);
    m.options.cancelled = stop;
    AutoSide side = {m.tensors[0], m.count[0], false};
    Error err = {0};
    assert_null(auto_align(m.arena, &side, &side, &m.options, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrapper_comes_off),
        cmocka_unit_test(a_head_of_another_size_is_left),
        cmocka_unit_test(names_that_cross_find_their_places),
        cmocka_unit_test(words_of_the_lexicon_decide_among_equal_shapes),
        cmocka_unit_test(equal_siblings_without_names_stay_a_tie),
        cmocka_unit_test(an_answer_settles_the_family),
        cmocka_unit_test(a_fused_matrix_is_split_in_the_order_of_its_name),
        cmocka_unit_test(parts_are_joined_the_other_way),
        cmocka_unit_test(parts_without_names_are_no_group),
        cmocka_unit_test(experts_are_stacked),
        cmocka_unit_test(two_fused_tensors_find_their_own_parts),
        cmocka_unit_test(squares_follow_their_family),
        cmocka_unit_test(squares_in_a_straight_family_stay),
        cmocka_unit_test(only_squares_need_an_assumption),
        cmocka_unit_test(a_bare_parameter_follows_no_turned_kernels),
        cmocka_unit_test(convolutions_turn_and_ones_go),
        cmocka_unit_test(a_missing_block_leaves_the_others_in_place),
        cmocka_unit_test(a_hole_in_a_flat_sequence_slips_nobody),
        cmocka_unit_test(a_tensor_of_another_shape_is_left_and_takes_nobodys_place),
        cmocka_unit_test(another_size_is_said_and_not_patched),
        cmocka_unit_test(an_anchor_is_evidence_and_no_candidate),
        cmocka_unit_test(nothing_gives_nothing),
        cmocka_unit_test(shapes_that_are_not_known_leave_it_to_names),
        cmocka_unit_test(long_names_and_many_segments_end),
        cmocka_unit_test(names_that_differ_in_digits_alone_end),
        cmocka_unit_test(the_user_can_stop_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
