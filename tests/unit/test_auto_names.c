/* Automatic alignment: how names are cut, and what shapes add to them. */
#include "tests/unit/auto_model.h"

static void numbers_between_underscores_are_places_of_a_path(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "net_down_0_block_{0-2}_to_q.weight 8,4\nnet_down_0_block_{0-2}_to_k.weight 8,4\n"
          "net_down_1_block_{0-2}_to_q.weight 8,4\nnet_down_1_block_{0-2}_to_k.weight 8,4",
          "net.down.0.block.{0-2}.to_k.weight 8,4\nnet.down.0.block.{0-2}.to_q.weight 8,4\n"
          "net.down.1.block.{0-2}.to_k.weight 8,4\nnet.down.1.block.{0-2}.to_q.weight 8,4");
    m.options.no_order = true;
    align(&m);
    assert_from(&m, "net.down.1.block.0.to_q.weight", "net_down_1_block_0_to_q.weight");
    assert_from(&m, "net.down.0.block.2.to_k.weight", "net_down_0_block_2_to_k.weight");
    finish(&m);
}

/* "attn norm" is a phrase, and none of attn.norm_q. */
static void a_phrase_ends_where_a_segment_does(void **state)
{
    (void)state;
    Model m;
    start(&m, "a.{0-2}.query_ln.weight 8\na.{0-2}.key_ln.weight 8\na.{0-2}.m.weight 8,8",
          "b.{0-2}.attn.norm_k.weight 8\nb.{0-2}.attn.norm_q.weight 8\nb.{0-2}.m.weight 8,8");
    m.options.no_order = true;
    align(&m);
    assert_from(&m, "b.1.attn.norm_q.weight", "a.1.query_ln.weight");
    assert_from(&m, "b.2.attn.norm_k.weight", "a.2.key_ln.weight");
    finish(&m);
}

/* Both streams have q, k and v in one parent. */
static void parts_of_a_whole_share_what_stands_beside_their_words(void **state)
{
    (void)state;
    Model m;
    start(&m, "a.{0-2}.att.qkv.weight 24,8\na.{0-2}.extra.qkv.weight 24,8\n"
          "last.weight 5,8",
          "b.{0-2}.att.q.weight 8,8\nb.{0-2}.att.extra_q.weight 8,8\n"
          "b.{0-2}.att.k.weight 8,8\nb.{0-2}.att.extra_k.weight 8,8\n"
          "b.{0-2}.att.v.weight 8,8\nb.{0-2}.att.extra_v.weight 8,8\n"
          "end.weight 5,8");
    m.options.no_order = true;
    align(&m);
    assert_from(&m, "b.1.att.extra_k.weight", "a.1.extra.qkv.weight");
    assert_from(&m, "b.2.att.v.weight", "a.2.att.qkv.weight");
    assert_int_equal(find_bundle(&m, "b.1.att.extra_k.weight")->target_count, 3);
    finish(&m);
}

/* Up and down have the same sizes, whichever way kernels lie; their biases do not. Without them a
 * row of both would be as long as one of the other model. */
static void a_bias_tells_which_axis_is_the_outer_one(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "a.{0-1}.m.0.weight 32,8\na.{0-1}.m.0.bias 32\na.{0-1}.m.2.weight 8,32\n"
          "a.{0-1}.m.2.bias 8\nc.{0-3}.w.weight 32,8\nc.{0-3}.w.bias 32",
          "x.{0-3}.one.weight 8,32\nx.{0-3}.one.bias 32\ny.{0-1}.up.weight 8,32\n"
          "y.{0-1}.up.bias 32\ny.{0-1}.down.weight 32,8\ny.{0-1}.down.bias 8");
    m.options.no_order = true;
    align(&m);
    assert_from(&m, "x.3.one.weight", "c.3.w.weight");
    assert_from(&m, "y.1.up.weight", "a.1.m.0.weight");
    assert_from(&m, "y.0.down.bias", "a.0.m.2.bias");
    finish(&m);
}

static void a_suffix_of_a_role_is_no_role(void **state)
{
    (void)state;
    Model m;
    start(&m, "m.conv.weight_g 8,1,1\nm.conv.weight_v 8,4,3\nm.conv.bias 8",
          "conv.weight_g 8,1,1\nconv.weight_v 8,4,3\nconv.bias 8");
    align(&m);
    assert_from(&m, "conv.weight_v", "m.conv.weight_v");
    assert_from(&m, "conv.weight_g", "m.conv.weight_g");
    assert_from(&m, "conv.bias", "m.conv.bias");
    finish(&m);
}

/* Rows of other lengths are there; but so are those that are wanted. */
static void what_has_its_shape_and_length_is_no_other_size(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "a.{0-9}.p.weight 8,8\nb.{0-19}.r.weight 16,8\nb.{0-19}.s.weight 16,8\n"
          "c.{0-19}.t.weight 24,8",
          "u.{0-9}.one.weight 8,8\nv.{0-19}.q.weight 8,8\nv.{0-19}.k.weight 8,8\n"
          "v.{0-19}.v.weight 8,8\nw.{0-19}.x.weight 16,8\nw.{0-19}.y.weight 16,8");
    m.options.no_order = true;
    align(&m);
    assert_false(m.result->another_size);
    finish(&m);
}

/* The lexicon knows norm1 and norm2, and layer_norm1 is no LayerNorm_1 that stands behind a 0. */
static void phrases_with_numbers_count_from_where_the_name_does(void **state)
{
    (void)state;
    Model m;
    start(&m, "a.{0-2}.LayerNorm_0.weight 8\na.{0-2}.LayerNorm_1.weight 8\na.{0-2}.m.weight 8,8",
          "b.{0-2}.norm2.weight 8\nb.{0-2}.norm1.weight 8\nb.{0-2}.m.weight 8,8");
    m.options.no_order = true;
    align(&m);
    assert_from(&m, "b.1.norm1.weight", "a.1.LayerNorm_0.weight");
    assert_from(&m, "b.2.norm2.weight", "a.2.LayerNorm_1.weight");
    finish(&m);
}

/* A 0 that only one block has is another layer: the numbers of the others are what they are. */
static void a_zero_beside_the_phrases_moves_none(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "a.0.ln0.weight 8\na.{0-2}.ln1.weight 8\na.{0-2}.ln2.weight 8\na.{0-2}.m.weight 8,8",
          "b.0.pre.weight 8\nb.{0-2}.ln2.weight 8\nb.{0-2}.ln1.weight 8\nb.{0-2}.m.weight 8,8");
    m.options.no_order = true;
    align(&m);
    assert_from(&m, "b.1.ln1.weight", "a.1.ln1.weight");
    assert_from(&m, "b.2.ln2.weight", "a.2.ln2.weight");
    finish(&m);
}

static void a_word_may_be_cut_short(void **state)
{
    (void)state;
    Model m;
    start(&m, "a.{0-2}.scattering.weight 8,4\na.{0-2}.compressor.weight 8,4",
          "b.{0-2}.compress.weight 8,4\nb.{0-2}.sctt.weight 8,4");
    m.options.no_order = true;
    align(&m);
    assert_from(&m, "b.1.compress.weight", "a.1.compressor.weight");
    assert_from(&m, "b.2.sctt.weight", "a.2.scattering.weight");
    finish(&m);
}

/* One and two are first and second where those are written in that order; but not where a matrix
 * of another shape is among them. */
static void what_one_side_counts_the_other_writes_in_that_order(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "a.0.part1.weight 8,4\na.0.part2.weight 8,4\na.1.part1.weight 8,4\n"
          "a.1.part2.weight 8,4\na.2.part1.weight 8,4\na.2.part2.weight 8,4",
          "b.0.front.weight 8,4\nb.0.back.weight 8,4\nb.1.front.weight 8,4\n"
          "b.1.back.weight 8,4\nb.2.front.weight 8,4\nb.2.back.weight 8,4");
    align(&m);
    assert_from(&m, "b.1.front.weight", "a.1.part1.weight");
    assert_from(&m, "b.2.back.weight", "a.2.part2.weight");
    finish(&m);
    start(&m, "a.{0-2}.gate.weight 16,8\na.{0-2}.wide.weight 16,8\na.{0-2}.thin.weight 8,16",
          "b.{0-2}.p1.weight 16,8\nb.{0-2}.p2.weight 8,16\nb.{0-2}.p3.weight 16,8");
    align(&m);
    assert_open(&m, "b.1.p3.weight");
    finish(&m);
}

/* The norm below a convolution is that of its counterpart, though it looks like all the others. */
static void what_alone_is_left_below_a_path_is_sure(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "red.up.at.am.an.as.be.weight 8,4\nred.up.at.am.an.as.be.zig.weight 8\n"
          "red.up.at.am.an.as.be.zig.bias 8\ntin.us.on.by.do.he.hi.weight 8,5\n"
          "tin.us.on.by.do.he.hi.zig.weight 8\ntin.us.on.by.do.he.hi.zig.bias 8",
          "far.red.go.if.is.it.c.weight 8,4\nfar.red.go.if.is.it.zag.weight 8\n"
          "far.red.go.if.is.it.zag.bias 8\nfor.lot.me.so.to.we.c.weight 8,5\n"
          "for.lot.me.so.to.we.zag.weight 8\nfor.lot.me.so.to.we.zag.bias 8");
    m.options.no_order = m.options.no_context = true;
    m.options.accept = 0.25f;
    align(&m);
    assert_from(&m, "far.red.go.if.is.it.zag.weight", "red.up.at.am.an.as.be.zig.weight");
    assert_from(&m, "for.lot.me.so.to.we.zag.bias", "tin.us.on.by.do.he.hi.zig.bias");
    finish(&m);
}

/* All names begin with gpt2, the tables' as well: only h0, h1 say what lies in a block. */
static void a_number_that_never_changes_counts_nothing(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "m2/wte 50,8\nm2/wpe 40,8\n"
          "m2/h{0-11}/attn/q 8,8\nm2/h{0-11}/mlp/up/kernel 8,16\nm2/h{0-11}/mlp/down/kernel 16,8",
          "wte.weight 50,8\nwpe.weight 40,8\nh.{0-11}.attn.q_proj.weight 8,8\n"
          "h.{0-11}.mlp.up.weight 16,8\nh.{0-11}.mlp.down.weight 8,16");
    align(&m);
    assert_from(&m, "h.1.attn.q_proj.weight", "m2/h1/attn/q");
    assert_op(&m, "h.1.attn.q_proj.weight", 0, OP_T);
    finish(&m);
}

/* attn_k is the k of an attention, and not any k. */
static void a_phrase_of_a_module_and_its_part_is_both(void **state)
{
    (void)state;
    Model m;
    start(&m, "a.{0-2}.self_attention.k.weight 8,4\na.{0-2}.mixing.k.weight 8,4",
          "b.{0-2}.other.k.weight 8,4\nb.{0-2}.attn_k.weight 8,4");
    m.options.no_order = m.options.no_context = true;
    align(&m);
    assert_from(&m, "b.1.attn_k.weight", "a.1.self_attention.k.weight");
    finish(&m);
}

/* Scales of layers look like norms that lack a bias; the norms are counted among themselves. */
static void what_has_other_members_is_not_counted(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "a.0.scale_1 8\na.0.scale_2 8\na.0.part1.weight 8\na.0.part1.bias 8\n"
          "a.0.part2.weight 8\na.0.part2.bias 8\na.1.scale_1 8\na.1.scale_2 8\n"
          "a.1.part1.weight 8\na.1.part1.bias 8\na.1.part2.weight 8\na.1.part2.bias 8\n"
          "a.2.scale_1 8\na.2.scale_2 8\na.2.part1.weight 8\na.2.part1.bias 8\n"
          "a.2.part2.weight 8\na.2.part2.bias 8",
          "b.0.scale_1 8\nb.0.scale_2 8\nb.0.front.weight 8\nb.0.front.bias 8\n"
          "b.0.back.weight 8\nb.0.back.bias 8\nb.1.scale_1 8\nb.1.scale_2 8\n"
          "b.1.front.weight 8\nb.1.front.bias 8\nb.1.back.weight 8\nb.1.back.bias 8\n"
          "b.2.scale_1 8\nb.2.scale_2 8\nb.2.front.weight 8\nb.2.front.bias 8\n"
          "b.2.back.weight 8\nb.2.back.bias 8");
    align(&m);
    assert_from(&m, "b.1.front.weight", "a.1.part1.weight");
    assert_from(&m, "b.2.back.bias", "a.2.part2.bias");
    finish(&m);
}

/* The norm in an attention is what others call attention_norm, and so layernorm_before. */
static void a_phrase_may_be_said_in_two_words(void **state)
{
    (void)state;
    Model m;
    start(&m, "a.{0-2}.self_attn.fold.norm.weight 8\na.{0-2}.mlp.fold.norm.weight 8",
          "b.{0-2}.layernorm_after.weight 8\nb.{0-2}.layernorm_before.weight 8");
    m.options.no_order = m.options.no_context = true;
    align(&m);
    assert_from(&m, "b.1.layernorm_before.weight", "a.1.self_attn.fold.norm.weight");
    assert_from(&m, "b.2.layernorm_after.weight", "a.2.mlp.fold.norm.weight");
    finish(&m);
}

/* b and c follow one another as 2 and 3 do; d and g do not. */
static void letters_that_follow_one_another_count(void **state)
{
    (void)state;
    Model m;
    start(&m, "s.{0-2}.u.b.ring.weight 8,4\ns.{0-2}.u.c.ring.weight 8,4",
          "t.{0-2}.part3.weight 8,4\nt.{0-2}.part2.weight 8,4");
    m.options.no_order = true;
    align(&m);
    assert_from(&m, "t.1.part2.weight", "s.1.u.b.ring.weight");
    assert_from(&m, "t.2.part3.weight", "s.2.u.c.ring.weight");
    finish(&m);
    start(&m, "s.{0-2}.u.d.ring.weight 8,4\ns.{0-2}.u.g.ring.weight 8,4",
          "t.{0-2}.part3.weight 8,4\nt.{0-2}.part2.weight 8,4");
    m.options.no_order = true;
    align(&m);
    assert_open(&m, "t.1.part2.weight");
    finish(&m);
}

/* Two streams of one width, and the other model defines them the other way round. */
static void a_word_tells_candidates_apart_whatever_their_order(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "in.weight 8,3\na.{0-3}.left_part.one.weight 8,8\na.{0-3}.left_part.two.weight 8,16\n"
          "a.{0-3}.x_part.one.weight 8,8\na.{0-3}.x_part.two.weight 8,16\nout.weight 5,8",
          "in.weight 8,3\nb.{0-3}.net.k.weight 8,8\nb.{0-3}.net.l.weight 8,16\n"
          "b.{0-3}.net_left.k.weight 8,8\nb.{0-3}.net_left.l.weight 8,16\nout.weight 5,8");
    align(&m);
    assert_from(&m, "b.1.net_left.k.weight", "a.1.left_part.one.weight");
    assert_from(&m, "b.2.net.l.weight", "a.2.x_part.two.weight");
    finish(&m);
}

/* However much else there is in the names. */
static void a_word_that_tells_is_enough(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "one.deep.net.unit.{0-3}.left_part.core.weight 8,8\n"
          "one.deep.net.unit.{0-3}.x_part.core.weight 8,8\nin.weight 8,3",
          "any.tower.stack.{0-3}.inner.body.plain_left.k.weight 8,8\n"
          "any.tower.stack.{0-3}.inner.body.plain.k.weight 8,8\nin.weight 8,3");
    m.options.no_order = true;
    align(&m);
    assert_from(&m, "any.tower.stack.1.inner.body.plain_left.k.weight",
                "one.deep.net.unit.1.left_part.core.weight");
    assert_from(&m, "any.tower.stack.2.inner.body.plain.k.weight",
                "one.deep.net.unit.2.x_part.core.weight");
    finish(&m);
}

/* There are as many EncDecAttention on one side as enc on the other. */
static void a_word_that_runs_into_another_tells_nothing(void **state)
{
    (void)state;
    Model m;
    start(&m, "encoder.{0-2}.self.k.weight 8,4\ndecoder.{0-2}.self.k.weight 8,4\n"
              "decoder.{0-2}.EncDecAttention.k.weight 8,4",
          "enc.{0-2}.attn.k.weight 8,4\ndec.{0-2}.attn.k.weight 8,4\n"
          "dec.{0-2}.cross.k.weight 8,4");
    m.options.no_order = m.options.no_lexicon = true;
    m.options.accept = 0.05f;
    align(&m);
    const Bundle *bundle = find_bundle(&m, "enc.1.attn.k.weight");
    if (bundle) assert_null(strstr(bundle->sources[0].names[0], "EncDec"));
    finish(&m);
}

static void words_in_another_order_are_told_by_their_segment(void **state)
{
    (void)state;
    Model m;
    start(&m, "a.{0-1}.from_token_to_image.q.weight 4,8\na.{0-1}.from_image_to_token.q.weight 4,8\n"
              "in.weight 8,3",
          "b.{0-1}.from_image_to_token.q.weight 4,8\nb.{0-1}.from_token_to_image.q.weight 4,8\n"
          "in.weight 8,3");
    align(&m);
    assert_from(&m, "b.0.from_token_to_image.q.weight", "a.0.from_token_to_image.q.weight");
    assert_from(&m, "b.1.from_image_to_token.q.weight", "a.1.from_image_to_token.q.weight");
    finish(&m);
}

/* w and g are a weight and a gain elsewhere, and the same. */
static void letters_of_a_row_are_no_roles(void **state)
{
    (void)state;
    Model m;
    start(&m, "a.{0-2}.x_r 8\na.{0-2}.x_w 8\na.{0-2}.x_g 8\na.{0-2}.m.weight 8,8",
          "b.{0-2}.x_g 8\nb.{0-2}.x_r 8\nb.{0-2}.x_w 8\nb.{0-2}.m.weight 8,8");
    m.options.no_order = true;
    align(&m);
    assert_from(&m, "b.1.x_g", "a.1.x_g");
    assert_from(&m, "b.2.x_w", "a.2.x_w");
    finish(&m);
}

static void members_of_one_role_go_by_how_they_are_spelled(void **state)
{
    (void)state;
    Model m;
    start(&m, "a.{0-2}.fc.scale 8,4\na.{0-2}.fc.weight 8,4",
          "b.{0-2}.fc.weight 8,4\nb.{0-2}.fc.scale 8,4");
    align(&m);
    assert_from(&m, "b.1.fc.weight", "a.1.fc.weight");
    assert_from(&m, "b.2.fc.scale", "a.2.fc.scale");
    finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_between_underscores_are_places_of_a_path),
        cmocka_unit_test(a_phrase_ends_where_a_segment_does),
        cmocka_unit_test(parts_of_a_whole_share_what_stands_beside_their_words),
        cmocka_unit_test(a_bias_tells_which_axis_is_the_outer_one),
        cmocka_unit_test(a_suffix_of_a_role_is_no_role),
        cmocka_unit_test(what_has_its_shape_and_length_is_no_other_size),
        cmocka_unit_test(phrases_with_numbers_count_from_where_the_name_does),
        cmocka_unit_test(a_zero_beside_the_phrases_moves_none),
        cmocka_unit_test(a_word_may_be_cut_short),
        cmocka_unit_test(what_one_side_counts_the_other_writes_in_that_order),
        cmocka_unit_test(what_alone_is_left_below_a_path_is_sure),
        cmocka_unit_test(a_number_that_never_changes_counts_nothing),
        cmocka_unit_test(a_phrase_of_a_module_and_its_part_is_both),
        cmocka_unit_test(what_has_other_members_is_not_counted),
        cmocka_unit_test(a_phrase_may_be_said_in_two_words),
        cmocka_unit_test(letters_that_follow_one_another_count),
        cmocka_unit_test(a_word_tells_candidates_apart_whatever_their_order),
        cmocka_unit_test(a_word_that_tells_is_enough),
        cmocka_unit_test(a_word_that_runs_into_another_tells_nothing),
        cmocka_unit_test(words_in_another_order_are_told_by_their_segment),
        cmocka_unit_test(letters_of_a_row_are_no_roles),
        cmocka_unit_test(members_of_one_role_go_by_how_they_are_spelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
