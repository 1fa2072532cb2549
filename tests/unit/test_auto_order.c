/* Automatic alignment where order and place say what names do not. */
#include "tests/unit/auto_model.h"

/* ---- walking ---- */

/* Numbers that count layers of every kind, against names that say something. */
static const char numbers[] = "net.0.weight 8,3,3,3\nnet.1.weight 8\nnet.1.bias 8\n"
                              "net.3.weight 8,8,3,3\nnet.4.weight 8\nnet.4.bias 8\n"
                              "net.6.weight 8,8,3,3\nnet.7.weight 8\nnet.7.bias 8\n"
                              "net.9.weight 10,8";
static const char words[] = "first.weight 8,3,3,3\nalpha.weight 8\nalpha.bias 8\n"
                            "second.weight 8,8,3,3\nbeta_.weight 8\nbeta_.bias 8\n"
                            "third.weight 8,8,3,3\ndelta.weight 8\ndelta.bias 8\n"
                            "last.weight 10,8";

static void layers_of_one_shape_follow_the_order_of_both_files(void **state)
{
    (void)state;
    Model m;
    start(&m, numbers, words);
    align(&m);
    assert_from(&m, "second.weight", "net.3.weight");
    assert_from(&m, "third.weight", "net.6.weight");
    assert_from(&m, "beta_.bias", "net.4.bias");
    finish(&m);
}

static void without_order_they_stay_open(void **state)
{
    (void)state;
    Model m;
    start(&m, numbers, words);
    m.options.no_order = true;
    align(&m);
    assert_open(&m, "second.weight");
    assert_open(&m, "beta_.bias");
    assert_from(&m, "last.weight", "net.9.weight");
    finish(&m);
}

static void numbers_are_an_order_where_the_file_has_none(void **state)
{
    (void)state;
    Model m;
    start(&m, numbers,
          "w-0/kernel 8,3,3,3\nw-1/beta 8\nw-1/gamma 8\nw-10/kernel 10,8\nw-2/kernel 8,8,3,3\n"
          "w-3/beta 8\nw-3/gamma 8\nw-4/kernel 8,8,3,3\nw-5/beta 8\nw-5/gamma 8");
    align(&m);
    assert_from(&m, "w-2/kernel", "net.3.weight");
    assert_from(&m, "w-4/kernel", "net.6.weight");
    assert_from(&m, "w-5/beta", "net.7.bias");
    finish(&m);
}

static void a_layer_more_on_one_side_leaves_its_shape_open(void **state)
{
    (void)state;
    Model m;
    start(&m, numbers,
          "first.weight 8,3,3,3\nalpha.weight 8\nalpha.bias 8\nsecond.weight 8,8,3,3\n"
          "beta_.weight 8\nbeta_.bias 8\nextra.weight 8,8,3,3\nzeta.weight 8\nzeta.bias 8\n"
          "third.weight 8,8,3,3\ndelta.weight 8\ndelta.bias 8\nlast.weight 10,8");
    align(&m);
    assert_open(&m, "second.weight");
    assert_open(&m, "third.weight");
    finish(&m);
}

/* Norms before what they norm on one side, behind it on the other: in step, but across blocks. */
static void an_order_that_crosses_blocks_says_nothing(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "a.0.m.weight 8,8\na.0.x.weight 8\na.0.n.weight 16,8\na.0.y.weight 8\n"
          "a.1.m.weight 8,8\na.1.x.weight 8\na.1.n.weight 16,8\na.1.y.weight 8\n"
          "a.2.m.weight 8,8\na.2.x.weight 8\na.2.n.weight 16,8\na.2.y.weight 8",
          "b.0.p.weight 8\nb.0.m.weight 8,8\nb.0.q.weight 8\nb.0.n.weight 16,8\n"
          "b.1.p.weight 8\nb.1.m.weight 8,8\nb.1.q.weight 8\nb.1.n.weight 16,8\n"
          "b.2.p.weight 8\nb.2.m.weight 8,8\nb.2.q.weight 8\nb.2.n.weight 16,8");
    align(&m);
    assert_from(&m, "b.1.n.weight", "a.1.n.weight");
    assert_open(&m, "b.1.p.weight");
    assert_open(&m, "b.1.q.weight");
    finish(&m);
}

/* Blocks of a side, one after the other, # their numbers. */
static void add_blocks(Model *model, int side, const char *block, int count)
{
    for (int i = 0; i < count; i++) {
        char *text = arena_strdup(model->arena, block);
        for (char *at = text; *at; at++)
            if (*at == '#') *at = (char)('0' + i);
        add_side(model, side, text);
    }
}

/* Encoder and decoder of one size, whose files hold them in another order, and no names. */
static void parts_that_a_file_holds_in_another_order_mislead_nobody(void **state)
{
    (void)state;
    static const char one[] = "x.#.m.weight 8,8\nx.#.k.weight 16,8\nx.#.n.weight 8";
    static const char two[] = "y.#.m.weight 8,8\ny.#.n.weight 8";
    static const char first[] = "b.#.m.weight 8,8\nb.#.n.weight 8";
    static const char second[] = "a.#.m.weight 8,8\na.#.k.weight 16,8\na.#.n.weight 8";
    Model m;
    start(&m, "", "");
    add_blocks(&m, 0, one, 6);
    add_side(&m, 0, "x.last.weight 8");
    add_blocks(&m, 0, two, 6);
    add_side(&m, 0, "y.last.weight 8");
    add_blocks(&m, 1, first, 6);
    add_side(&m, 1, "b.end.weight 8");
    add_blocks(&m, 1, second, 6);
    add_side(&m, 1, "a.end.weight 8");
    align(&m);
    assert_from(&m, "a.3.k.weight", "x.3.k.weight");
    const Bundle *last = find_bundle(&m, "a.end.weight");
    if (last) assert_string_equal(last->sources[0].names[0], "x.last.weight");
    finish(&m);
}

static void an_order_that_contradicts_names_asks(void **state)
{
    (void)state;
    Model m;
    start(&m, "", "");
    add_blocks(&m, 0, "l.#.m.weight 8,16\nl.#.one.weight 8\nl.#.post_alpha_two.weight 8", 6);
    add_side(&m, 0, "head.weight 10,8");
    add_blocks(&m, 1, "t.#.m.weight 8,16\nt.#.alpha_three.weight 8\nt.#.ffn_four.weight 8", 6);
    add_side(&m, 1, "out.weight 10,8");
    align(&m);
    assert_from(&m, "t.3.m.weight", "l.3.m.weight");
    assert_open(&m, "t.3.alpha_three.weight");
    assert_open(&m, "t.3.ffn_four.weight");
    m.options.no_order = true;
    align(&m);
    assert_from(&m, "t.3.alpha_three.weight", "l.3.post_alpha_two.weight");
    finish(&m);
}

static void a_shuffled_file_has_no_order(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "rnn.hh_l1 9,8\nrnn.ih_l2 9,8\ndecoder.weight 7,8\nrnn.hh_l0 9,8\nrnn.ih_l0 9,8\n"
          "encoder.weight 7,8\nrnn.hh_l2 9,8\nrnn.ih_l1 9,8",
          "embedding.weight 7,8\nr.{0-2}.ih_l0 9,8\nr.{0-2}.hh_l0 9,8\noutput.weight 7,8");
    align(&m);
    assert_open(&m, "embedding.weight");
    assert_open(&m, "output.weight");
    finish(&m);
}

/* ---- rows ---- */

static void a_row_of_half_the_length_is_another_size(void **state)
{
    (void)state;
    Model m;
    start(&m, "h.{0-23}.attn.weight 8,8\nh.{0-23}.mlp.weight 16,8\nh.{0-23}.norm.weight 8",
          "layer.{0-11}.attention.weight 8,8\nlayer.{0-11}.ffn.weight 16,8\n"
          "layer.{0-11}.layernorm.weight 8");
    align(&m);
    assert_true(m.result->another_size);
    assert_int_equal(m.result->bundle_count, 0);
    finish(&m);
}

/* A decoder whose levels are counted from below on one side; the blocks of a level are not. */
static void a_row_the_other_way_round_keeps_its_inner_order(void **state)
{
    (void)state;
    Model m;
    start(&m, "up.0.block.{0-2}.norm.weight 4\nup.1.block.{0-2}.norm.weight 8\n"
              "up.2.block.{0-2}.norm.weight 16\nup.0.block.{0-2}.conv.weight 4,4,3,3\n"
              "up.1.block.{0-2}.conv.weight 8,8,3,3\nup.2.block.{0-2}.conv.weight 16,16,3,3",
          "up_blocks.0.resnets.{0-2}.norm.weight 16\nup_blocks.1.resnets.{0-2}.norm.weight 8\n"
          "up_blocks.2.resnets.{0-2}.norm.weight 4\nup_blocks.0.resnets.{0-2}.conv.weight 16,16,3,3\n"
          "up_blocks.1.resnets.{0-2}.conv.weight 8,8,3,3\n"
          "up_blocks.2.resnets.{0-2}.conv.weight 4,4,3,3");
    align(&m);
    assert_from(&m, "up_blocks.0.resnets.0.conv.weight", "up.2.block.0.conv.weight");
    assert_from(&m, "up_blocks.2.resnets.2.norm.weight", "up.0.block.2.norm.weight");
    finish(&m);
}

/* The second LayerNorm of a module is called LayerNorm_1, and no phrase "layernorm1". */
static void the_second_of_a_name_is_no_phrase(void **state)
{
    (void)state;
    Model m;
    start(&m, "g/in/LayerNorm/gamma 8\ng/in/LayerNorm_1/gamma 8\ng/in/dense/kernel 8,32",
          "l.0.attention_norm.weight 8\nl.0.last_norm.weight 8\nl.0.ffn.weight 32,8");
    m.options.no_order = true;
    align(&m);
    const Bundle *bundle = find_bundle(&m, "l.0.attention_norm.weight");
    if (bundle) assert_string_equal(bundle->sources[0].names[0], "g/in/LayerNorm/gamma");
    finish(&m);
}

static void a_bias_tells_how_wide_a_layer_is(void **state)
{
    (void)state;
    Model m;
    start(&m, "a/one/kernel 8,32\na/one/bias 32\na/two/kernel 32,8\na/two/bias 8",
          "b.x.weight 8,32\nb.x.bias 8\nb.y.weight 32,8\nb.y.bias 32");
    m.options.no_order = true;
    align(&m);
    assert_from(&m, "b.x.weight", "a/two/kernel");
    assert_from(&m, "b.y.bias", "a/one/bias");
    finish(&m);
}

static void numbers_with_zeros_in_front_count(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "encoder/block_000/layer_000/attn/k 8,16\nencoder/block_001/layer_000/attn/k 8,16\n"
          "encoder/block_002/layer_000/attn/k 8,16\nencoder/block_000/layer_001/mlp/wi 8,32\n"
          "encoder/block_001/layer_001/mlp/wi 8,32\nencoder/block_002/layer_001/mlp/wi 8,32",
          "encoder.block.{0-2}.layer.0.attention.k.weight 16,8\n"
          "encoder.block.{0-2}.layer.1.mlp.wi.weight 32,8");
    align(&m);
    assert_from(&m, "encoder.block.2.layer.0.attention.k.weight",
                "encoder/block_002/layer_000/attn/k");
    assert_from(&m, "encoder.block.1.layer.1.mlp.wi.weight", "encoder/block_001/layer_001/mlp/wi");
    finish(&m);
}

static void siblings_by_two_numbers_are_ranked_by_each(void **state)
{
    (void)state;
    Model m;
    start(&m, "a.{0-5}.ffn1.w_1.weight 16,8\na.{0-5}.ffn1.w_2.weight 8,16\n"
              "a.{0-5}.ffn2.w_1.weight 16,8\na.{0-5}.ffn2.w_2.weight 8,16",
          "b.{0-5}.ffn1.first.weight 16,8\nb.{0-5}.ffn1.second.weight 8,16\n"
          "b.{0-5}.ffn2.first.weight 16,8\nb.{0-5}.ffn2.second.weight 8,16");
    m.options.no_order = true;
    m.options.accept = 0.05f;
    align(&m);
    const Bundle *bundle = find_bundle(&m, "b.3.ffn2.second.weight");
    if (bundle) assert_string_equal(bundle->sources[0].names[0], "a.3.ffn2.w_2.weight");
    finish(&m);
}

static void stacks_of_one_size_go_by_the_names_of_their_parts(void **state)
{
    (void)state;
    Model m;
    start(&m, "layers.{0-3}.mlp.experts.0.gate_proj.weight 16,8\n"
              "layers.{0-3}.mlp.experts.1.gate_proj.weight 16,8\n"
              "layers.{0-3}.mlp.experts.0.up_proj.weight 16,8\n"
              "layers.{0-3}.mlp.experts.1.up_proj.weight 16,8",
          "layers.{0-3}.ffn.experts.ffn_gate 2,16,8\nlayers.{0-3}.ffn.experts.ffn_up 2,16,8");
    align(&m);
    assert_from(&m, "layers.1.ffn.experts.ffn_up", "layers.1.mlp.experts.0.up_proj.weight");
    assert_from(&m, "layers.1.ffn.experts.ffn_gate", "layers.1.mlp.experts.0.gate_proj.weight");
    finish(&m);
}

/* ---- neighbours ---- */

/* The only one of its shape on both sides, but all around it are pairs with others. */
static void a_lone_layer_among_strangers_is_no_pair(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "encoder.down.x.weight 4,3\nencoder.down.y.weight 4,5\nencoder.down.z.weight 4,7\n"
          "encoder.down.conv.weight 9,9,3,3\ndecoder.up.x.weight 6,3\ndecoder.up.y.weight 6,5\n"
          "decoder.up.z.weight 6,7",
          "encoder.down.x.weight 4,3\nencoder.down.y.weight 4,5\nencoder.down.z.weight 4,7\n"
          "decoder.up.x.weight 6,3\ndecoder.up.y.weight 6,5\ndecoder.up.z.weight 6,7\n"
          "decoder.up.conv2.weight 9,9,3,3");
    align(&m);
    assert_from(&m, "encoder.down.y.weight", "encoder.down.y.weight");
    assert_open(&m, "decoder.up.conv2.weight");
    finish(&m);
}

static void a_norm_follows_the_layer_that_it_is_named_after(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "r2_{0-5}_a/kernel 3,3,8,8\nr2_{0-5}_a_bn/gamma 8\nr2_{0-5}_a_bn/beta 8\n"
          "r2_{0-5}_c/kernel 1,1,8,8\nr2_{0-5}_c_bn/gamma 8\nr2_{0-5}_c_bn/beta 8",
          "res.{0-5}.one.weight 8,8,1,1\nres.{0-5}.one.norm.weight 8\nres.{0-5}.one.norm.bias 8\n"
          "res.{0-5}.two.weight 8,8,3,3\nres.{0-5}.two.norm.weight 8\nres.{0-5}.two.norm.bias 8");
    m.options.no_order = true;
    align(&m);
    assert_from(&m, "res.3.two.weight", "r2_3_a/kernel");
    assert_from(&m, "res.3.two.norm.weight", "r2_3_a_bn/gamma");
    assert_from(&m, "res.3.one.norm.bias", "r2_3_c_bn/beta");
    finish(&m);
}

/* ---- strays ---- */

static void a_bias_follows_a_kernel_of_another_name(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "conv1/uniform1 3,3,3,8\nconv1/conv1_b 8\nfire/squeeze/uniform2 1,1,8,4\n"
          "fire/squeeze/fire/squeeze_b 4\nfire/expand/uniform3 1,1,4,8\n"
          "fire/expand/fire/expand_b 8",
          "features.0.weight 8,3,3,3\nfeatures.0.bias 8\nfeatures.3.squeeze.weight 4,8,1,1\n"
          "features.3.squeeze.bias 4\nfeatures.3.expand.weight 8,4,1,1\n"
          "features.3.expand.bias 8");
    align(&m);
    assert_from(&m, "features.0.bias", "conv1/conv1_b");
    assert_from(&m, "features.3.squeeze.bias", "fire/squeeze/fire/squeeze_b");
    assert_from(&m, "features.3.expand.bias", "fire/expand/fire/expand_b");
    finish(&m);
}

static void biases_beside_a_fused_kernel_go_by_their_names(void **state)
{
    (void)state;
    Model m;
    start(&m, "blocks.{0-3}.attn.qkv.weight 12,8\nblocks.{0-3}.attn.q_bias 4\n"
              "blocks.{0-3}.attn.v_bias 4",
          "layer.{0-3}.attention.query.weight 4,8\nlayer.{0-3}.attention.query.bias 4\n"
          "layer.{0-3}.attention.key.weight 4,8\nlayer.{0-3}.attention.value.weight 4,8\n"
          "layer.{0-3}.attention.value.bias 4");
    align(&m);
    assert_from(&m, "layer.2.attention.query.weight", "blocks.2.attn.qkv.weight");
    assert_from(&m, "layer.2.attention.query.bias", "blocks.2.attn.q_bias");
    assert_from(&m, "layer.2.attention.value.bias", "blocks.2.attn.v_bias");
    finish(&m);
}

static void two_strays_of_one_place_are_nobodys(void **state)
{
    (void)state;
    Model m;
    start(&m, "a/one 16,8\na/left_b 16\na/right_b 16", "x.weight 16,8\nx.bias 16");
    align(&m);
    assert_from(&m, "x.weight", "a/one");
    assert_open(&m, "x.bias");
    finish(&m);
}

/* Squeeze and excitation stands before the last layer of some blocks: bn3 is block.2 and block.3. */
static void a_layer_more_moves_the_numbers_behind_it(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "stem.weight 8,3\nf.0.block.0.weight 16,8\nf.0.block.1.weight 16,16\nf.0.block.2.weight 9,16\n"
          "f.1.block.0.weight 18,9\nf.1.block.1.weight 18,18\nf.1.block.2.weight 10,18\n"
          "f.2.block.0.weight 20,10\nf.2.block.1.weight 20,20\nf.2.block.2.weight 11,20\n"
          "f.3.block.0.weight 22,11\nf.3.block.1.weight 22,22\nf.3.block.2.weight 12,22\n"
          "f.4.block.0.weight 24,12\nf.4.block.1.weight 24,24\nf.4.block.2.fc.weight 6,24\n"
          "f.4.block.3.weight 13,24",
          "stem.weight 8,3\nb.0.c1.weight 16,8\nb.0.c2.weight 16,16\nb.0.c3.weight 9,16\n"
          "b.1.c1.weight 18,9\nb.1.c2.weight 18,18\nb.1.c3.weight 10,18\n"
          "b.2.c1.weight 20,10\nb.2.c2.weight 20,20\nb.2.c3.weight 11,20\n"
          "b.3.c1.weight 22,11\nb.3.c2.weight 22,22\nb.3.c3.weight 12,22\n"
          "b.4.c1.weight 24,12\nb.4.c2.weight 24,24\nb.4.se.weight 6,24\n"
          "b.4.c3.weight 13,24");
    align(&m);
    assert_from(&m, "b.4.c3.weight", "f.4.block.3.weight");
    assert_from(&m, "b.3.c3.weight", "f.3.block.2.weight");
    finish(&m);
}

/* Half of the layers stand in one order, and the other half in another: no order is that of both. */
static void half_of_all_is_no_order(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "p.0.weight 8,7\np.1.weight 8,6\nm.0.weight 8,7\nm.1.weight 8,6\n"
          "play.weight 5,8\nworth.weight 3,8",
          "w.0.weight 8,7\nw.1.weight 8,6\nw.2.weight 3,8\ne.0.weight 8,7\ne.1.weight 8,6\n"
          "e.2.weight 5,8");
    align(&m);
    assert_open(&m, "w.1.weight");
    assert_open(&m, "e.1.weight");
    finish(&m);
}

/* One model numbers the norms of a layer otherwise than the lexicon has it: each stands right behind
 * the attention that it belongs to, which is asked about, since names and places disagree. */
static void a_norm_goes_with_the_kernel_that_it_stands_behind(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "in.weight 8,3\n"
          "a.0.cross_attn.far.weight 8,6\na.0.cross_attn.out.weight 8,8\na.0.norm1.weight 8\n"
          "a.0.self_attn.near.weight 8,5\na.0.self_attn.out.weight 8,8\na.0.norm2.weight 8\n"
          "a.1.cross_attn.far.weight 8,6\na.1.cross_attn.out.weight 8,8\na.1.norm1.weight 8\n"
          "a.1.self_attn.near.weight 8,5\na.1.self_attn.out.weight 8,8\na.1.norm2.weight 8\n"
          "a.2.cross_attn.far.weight 8,6\na.2.cross_attn.out.weight 8,8\na.2.norm1.weight 8\n"
          "a.2.self_attn.near.weight 8,5\na.2.self_attn.out.weight 8,8\na.2.norm2.weight 8\n"
          "end.weight 5,8",
          "in.weight 8,3\n"
          "b.0.self_attn.near.weight 8,5\nb.0.self_attn.out.weight 8,8\nb.0.ln_1.weight 8\n"
          "b.0.encoder_attn.far.weight 8,6\nb.0.encoder_attn.out.weight 8,8\nb.0.ln_2.weight 8\n"
          "b.1.self_attn.near.weight 8,5\nb.1.self_attn.out.weight 8,8\nb.1.ln_1.weight 8\n"
          "b.1.encoder_attn.far.weight 8,6\nb.1.encoder_attn.out.weight 8,8\nb.1.ln_2.weight 8\n"
          "b.2.self_attn.near.weight 8,5\nb.2.self_attn.out.weight 8,8\nb.2.ln_1.weight 8\n"
          "b.2.encoder_attn.far.weight 8,6\nb.2.encoder_attn.out.weight 8,8\nb.2.ln_2.weight 8\n"
          "end.weight 5,8");
    align(&m);
    assert_from(&m, "b.1.encoder_attn.out.weight", "a.1.cross_attn.out.weight");
    assert_open(&m, "b.1.ln_1.weight");
    assert_open(&m, "b.2.ln_2.weight");
    finish(&m);
}

/* ---- how kernels lie ---- */

#define THREE(n, one, two, three) \
    n "." one ".weight 8,4\n" n "." two ".weight 8,4\n" n "." three ".weight 4,8\n"

/* Two of three lie one way on both sides. */
static void start_numbered(Model *m)
{
    start(m, THREE("h.0", "w1", "w2", "down_proj") THREE("h.1", "w1", "w2", "down_proj"),
          THREE("l.0", "gate_proj", "up_proj", "down_proj")
          THREE("l.1", "gate_proj", "up_proj", "down_proj"));
}

/* Nothing is turned, whatever the lexicon has w2 for. Of the
 * others it is not believed either. */
static void kernels_that_lie_otherwise_are_not_what_their_numbers_say(void **state)
{
    (void)state;
    Model m;
    start_numbered(&m);
    align(&m);
    assert_from(&m, "l.1.down_proj.weight", "h.1.down_proj.weight");
    assert_open(&m, "l.1.gate_proj.weight");
    assert_open(&m, "l.1.up_proj.weight");
    finish(&m);
}

static void an_answer_says_what_numbers_do_not(void **state)
{
    (void)state;
    Model m;
    static const AutoAnswer answers[] = {{"w1", "up_proj"}};
    start_numbered(&m);
    m.options.answers = answers;
    m.options.answer_count = countof(answers);
    align(&m);
    assert_from(&m, "l.1.up_proj.weight", "h.1.w1.weight");
    assert_from(&m, "l.1.down_proj.weight", "h.1.down_proj.weight");
    finish(&m);
}

/* Where that is not so, the lexicon is believed. */
static void kernels_that_lie_as_their_numbers_say_are_found(void **state)
{
    (void)state;
    Model m;
    start(&m, THREE("h.0", "w1", "w3", "w2") THREE("h.1", "w1", "w3", "w2"),
          THREE("l.0", "up_proj", "gate_proj", "down_proj")
          THREE("l.1", "up_proj", "gate_proj", "down_proj"));
    align(&m);
    assert_from(&m, "l.1.gate_proj.weight", "h.1.w1.weight");
    assert_from(&m, "l.1.down_proj.weight", "h.1.w2.weight");
    assert_from(&m, "l.1.up_proj.weight", "h.1.w3.weight");
    finish(&m);
}

/* Both numbers of the source take two values: the one whose word the target counts by as well is
 * left free. */
static void a_number_that_both_sides_count_by_is_not_cut_at(void **state)
{
    (void)state;
    Model m;
    start(&m, "b.0.unit.0.part.0.q.weight 8,8\nb.0.unit.0.part.1.q.weight 8,8\n"
              "b.0.unit.1.part.0.q.weight 8,8\nb.0.unit.1.part.1.q.weight 8,8\n"
              "b.1.unit.0.part.0.q.weight 4,8\nb.1.unit.0.part.1.q.weight 4,8\n"
              "b.1.unit.1.part.0.q.weight 4,8\nb.1.unit.1.part.1.q.weight 4,8",
          "b.0.unit.0.x1.q.weight 8,8\nb.0.unit.0.x2.q.weight 8,8\n"
          "b.0.unit.1.x1.q.weight 8,8\nb.0.unit.1.x2.q.weight 8,8\n"
          "b.1.unit.0.x1.q.weight 4,8\nb.1.unit.0.x2.q.weight 4,8\n"
          "b.1.unit.1.x1.q.weight 4,8\nb.1.unit.1.x2.q.weight 4,8");
    align(&m);
    assert_from(&m, "b.0.unit.0.x2.q.weight", "b.0.unit.0.part.1.q.weight");
    assert_from(&m, "b.1.unit.1.x1.q.weight", "b.1.unit.1.part.0.q.weight");
    finish(&m);
}

/* The file has the decoder first, and no word in common with the model. */
static void order_leads_no_block_to_one_that_is_made_otherwise(void **state)
{
    (void)state;
    Model m;
    start(&m, "p.{0-5}.q.weight 8,8\np.{0-5}.r.weight 8,8\np.{0-5}.s.weight 16,8\n"
              "z.{0-5}.q.weight 8,8\nz.{0-5}.s.weight 16,8",
          "enc.{0-5}.self.weight 8,8\nenc.{0-5}.fc.weight 16,8\n"
          "dec.{0-5}.self.weight 8,8\ndec.{0-5}.cross.weight 8,8\ndec.{0-5}.fc.weight 16,8");
    align(&m);
    assert_open(&m, "enc.0.fc.weight");
    assert_open(&m, "dec.0.fc.weight");
    finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_of_one_shape_follow_the_order_of_both_files),
        cmocka_unit_test(without_order_they_stay_open),
        cmocka_unit_test(numbers_are_an_order_where_the_file_has_none),
        cmocka_unit_test(a_layer_more_on_one_side_leaves_its_shape_open),
        cmocka_unit_test(an_order_that_crosses_blocks_says_nothing),
        cmocka_unit_test(parts_that_a_file_holds_in_another_order_mislead_nobody),
        cmocka_unit_test(an_order_that_contradicts_names_asks),
        cmocka_unit_test(a_shuffled_file_has_no_order),
        cmocka_unit_test(a_row_of_half_the_length_is_another_size),
        cmocka_unit_test(a_row_the_other_way_round_keeps_its_inner_order),
        cmocka_unit_test(the_second_of_a_name_is_no_phrase),
        cmocka_unit_test(a_bias_tells_how_wide_a_layer_is),
        cmocka_unit_test(numbers_with_zeros_in_front_count),
        cmocka_unit_test(siblings_by_two_numbers_are_ranked_by_each),
        cmocka_unit_test(stacks_of_one_size_go_by_the_names_of_their_parts),
        cmocka_unit_test(a_lone_layer_among_strangers_is_no_pair),
        cmocka_unit_test(a_norm_follows_the_layer_that_it_is_named_after),
        cmocka_unit_test(a_bias_follows_a_kernel_of_another_name),
        cmocka_unit_test(biases_beside_a_fused_kernel_go_by_their_names),
        cmocka_unit_test(two_strays_of_one_place_are_nobodys),
        cmocka_unit_test(a_layer_more_moves_the_numbers_behind_it),
        cmocka_unit_test(half_of_all_is_no_order),
        cmocka_unit_test(a_norm_goes_with_the_kernel_that_it_stands_behind),
        cmocka_unit_test(kernels_that_lie_otherwise_are_not_what_their_numbers_say),
        cmocka_unit_test(an_answer_says_what_numbers_do_not),
        cmocka_unit_test(kernels_that_lie_as_their_numbers_say_are_found),
        cmocka_unit_test(a_number_that_both_sides_count_by_is_not_cut_at),
        cmocka_unit_test(order_leads_no_block_to_one_that_is_made_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
