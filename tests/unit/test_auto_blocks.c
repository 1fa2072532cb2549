/* Automatic alignment of models of which parts are missing, or numbered anew. */
#include "tests/unit/test.h"

#include <stdio.h>

#include "tests/unit/auto_model.h"

static bool is_withheld(const Model *m, const char *target)
{
    for (size_t i = 0; i < m->result->withheld_count; i++)
        if (strcmp(m->tensors[1][m->result->withheld[i]].name, target) == 0) return true;
    return false;
}

/* ---- rows that lack blocks ---- */

static void a_row_without_its_first_block_does_not_slip(void **state)
{
    (void)state;
    Model m;
    start(&m, "h.{0-5}.mlp.fc1.weight 16,8\nh.{0-4}.norm1.weight 8\nh.{0-5}.norm2.weight 8",
          "b.{0-5}.mlp.fc1.weight 16,8\nb.1.norm1.weight 8\nb.2.norm1.weight 8\n"
          "b.3.norm1.weight 8\nb.4.norm1.weight 8\nb.5.norm1.weight 8\nb.{0-5}.norm2.weight 8");
    align(&m);
    assert_from(&m, "b.4.norm1.weight", "h.4.norm1.weight");
    assert_open(&m, "b.5.norm1.weight");
    finish(&m);
}

static void what_is_left_of_a_row_is_no_other_row(void **state)
{
    (void)state;
    Model m;
    start(&m, "h.{0-5}.w1.weight 16,8\nh.{0-4}.w2.weight 8,16\nh.{0-4}.w3.weight 16,8",
          "b.{0-4}.gate_proj.weight 16,8\nb.{0-5}.down_proj.weight 8,16\n"
          "b.{0-4}.up_proj.weight 16,8");
    align(&m);
    for (size_t i = 0; i < m.result->bundle_count; i++) {
        const Bundle *bundle = &m.result->bundles[i];
        const bool down = strstr(bundle->targets[0], "down") != NULL;
        assert_int_equal(down, strstr(bundle->sources[0].names[0], "w2") != NULL);
    }
    finish(&m);
}

static void fused_rows_that_lack_other_blocks_go_by_numbers(void **state)
{
    (void)state;
    Model m;
    start(&m, "h.{0-3}.attn.qkv.weight 24,8\nh.{0-4}.mlp.fc1.weight 16,8",
          "b.1.attn.q.weight 8,8\nb.1.attn.k.weight 8,8\nb.1.attn.v.weight 8,8\n"
          "b.2.attn.q.weight 8,8\nb.2.attn.k.weight 8,8\nb.2.attn.v.weight 8,8\n"
          "b.3.attn.q.weight 8,8\nb.3.attn.k.weight 8,8\nb.3.attn.v.weight 8,8\n"
          "b.4.attn.q.weight 8,8\nb.4.attn.k.weight 8,8\nb.4.attn.v.weight 8,8\n"
          "b.{0-4}.mlp.fc1.weight 16,8");
    align(&m);
    assert_from(&m, "b.2.attn.q.weight", "h.2.attn.qkv.weight");
    assert_open(&m, "b.4.attn.q.weight");
    assert_from(&m, "b.4.mlp.fc1.weight", "h.4.mlp.fc1.weight");
    finish(&m);
}

static void a_bias_that_its_neighbours_have_is_missing(void **state)
{
    (void)state;
    Model m;
    start(&m, "h.{0-2}.ln.weight 8\nh.0.ln.bias 8\nh.1.ln.bias 8\nh.{0-2}.proj.bias 8\n"
              "h.0.proj.weight 8,8\nh.1.proj.weight 8,8",
          "b.{0-2}.ln.weight 8\nb.{0-2}.ln.bias 8\nb.{0-2}.proj.bias 8\nb.{0-2}.proj.weight 8,8");
    align(&m);
    assert_open(&m, "b.2.ln.bias");
    finish(&m);
}

/* ---- blocks that were numbered anew ---- */

static const char whole[] = "s.0.conv.weight 8,4,3,3\ns.0.norm.weight 8\n"
                            "s.1.conv.weight 8,8,3,3\ns.1.norm.weight 8\n"
                            "s.2.conv.weight 8,8,3,3\ns.2.norm.weight 8\n"
                            "s.3.conv.weight 8,8,3,3\ns.3.norm.weight 8\nhead.weight 10,8";
static const char without_first[] = "s.{0-2}.conv.weight 8,8,3,3\ns.{0-2}.norm.weight 8\n"
                                    "head.weight 10,8";

static void equal_names_that_fit_better_elsewhere_ask(void **state)
{
    (void)state;
    Model m;
    start(&m, without_first, whole);
    align(&m);
    assert_open(&m, "s.1.conv.weight");
    assert_open(&m, "s.2.norm.weight");
    assert_true(is_withheld(&m, "s.1.conv.weight"));
    assert_true(is_withheld(&m, "s.0.norm.weight"));
    assert_false(is_withheld(&m, "head.weight"));
    assert_from(&m, "head.weight", "head.weight");
    assert_int_equal(m.result->tie_count, 1);
    assert_string_equal(m.result->ties[0].say, "s.0=s.1");
    finish(&m);
}

static void an_answer_says_which_block_is_which(void **state)
{
    (void)state;
    Model m;
    static const AutoAnswer answers[] = {{"s.0", "s.1"}};
    start(&m, without_first, whole);
    m.options.answers = answers;
    m.options.answer_count = countof(answers);
    align(&m);
    assert_from(&m, "s.1.conv.weight", "s.0.conv.weight");
    assert_from(&m, "s.3.norm.weight", "s.2.norm.weight");
    assert_open(&m, "s.0.norm.weight");
    assert_true(is_withheld(&m, "s.0.norm.weight"));
    assert_int_equal(m.result->tie_count, 0);
    finish(&m);
}

static void a_block_more_at_the_end_moves_nothing(void **state)
{
    (void)state;
    Model m;
    start(&m, "s.0.conv.weight 8,4,3,3\ns.1.conv.weight 8,8,3,3\ns.2.conv.weight 8,8,3,3",
          "s.0.conv.weight 8,4,3,3\ns.1.conv.weight 8,8,3,3\ns.2.conv.weight 8,8,3,3\n"
          "s.3.conv.weight 8,8,3,3");
    align(&m);
    assert_from(&m, "s.2.conv.weight", "s.2.conv.weight");
    assert_int_equal(m.result->withheld_count, 0);
    finish(&m);
}

/* ---- rows of blocks that look alike ---- */

static const char eight[] = "h.{0-7}.attn.weight 8,8\nh.{0-7}.mlp.weight 16,8\n"
                            "h.{0-7}.norm.weight 8";
static const char seven[] = "layer.{0-6}.attention.weight 8,8\nlayer.{0-6}.ffn.weight 16,8\n"
                            "layer.{0-6}.layernorm.weight 8";

static void a_row_that_is_a_block_longer_asks_once(void **state)
{
    (void)state;
    Model m;
    start(&m, eight, seven);
    align(&m);
    assert_open(&m, "layer.6.ffn.weight");
    assert_open(&m, "layer.0.layernorm.weight");
    assert_int_equal(m.result->tie_count, 1);
    assert_int_equal(m.result->ties[0].tensors, 21);
    assert_string_equal(m.result->ties[0].ask, "h.0=?");
    finish(&m);
}

static void one_answer_says_how_a_whole_row_has_moved(void **state)
{
    (void)state;
    Model m;
    static const AutoAnswer answers[] = {{"h.1", "layer.0"}};
    start(&m, eight, seven);
    m.options.answers = answers;
    m.options.answer_count = countof(answers);
    m.options.assume = AUTO_LAYOUT_TORCH;
    align(&m);
    assert_from(&m, "layer.0.attention.weight", "h.1.attn.weight");
    assert_from(&m, "layer.6.ffn.weight", "h.7.mlp.weight");
    assert_int_equal(m.result->tie_count, 0);
    finish(&m);
}

static void equal_names_of_a_longer_row_hold(void **state)
{
    (void)state;
    Model m;
    start(&m, eight, "h.{0-6}.attn.weight 8,8\nh.{0-6}.mlp.weight 16,8\nh.{0-6}.norm.weight 8");
    align(&m);
    assert_from(&m, "h.6.mlp.weight", "h.6.mlp.weight");
    assert_int_equal(m.result->withheld_count, 0);
    bool said = false;
    for (size_t i = 0; i < m.result->note_count; i++)
        said = said || strstr(m.result->notes[i], "3 families have more blocks on one side");
    assert_true(said);
    finish(&m);
}

static void a_hole_says_which_block_is_missing(void **state)
{
    (void)state;
    Model m;
    start(&m, eight, "layer.{0-4}.attention.weight 8,8\nlayer.{0-4}.ffn.weight 16,8\n"
                     "layer.{0-4}.layernorm.weight 8\nlayer.6.attention.weight 8,8\n"
                     "layer.6.ffn.weight 16,8\nlayer.6.layernorm.weight 8\n"
                     "layer.7.attention.weight 8,8\nlayer.7.ffn.weight 16,8\n"
                     "layer.7.layernorm.weight 8");
    align(&m);
    assert_from(&m, "layer.4.ffn.weight", "h.4.mlp.weight");
    assert_from(&m, "layer.7.ffn.weight", "h.7.mlp.weight");
    finish(&m);
}

static void a_hole_and_a_row_that_ends_before_ask(void **state)
{
    (void)state;
    Model m;
    start(&m, "h.{0-4}.attn.weight 8,8\nh.{0-4}.mlp.weight 16,8\nh.{0-4}.norm.weight 8",
          "layer.{0-3}.attention.weight 8,8\nlayer.{0-3}.ffn.weight 16,8\n"
          "layer.{0-3}.layernorm.weight 8\nlayer.5.attention.weight 8,8\n"
          "layer.5.ffn.weight 16,8\nlayer.5.layernorm.weight 8");
    align(&m);
    assert_open(&m, "layer.0.ffn.weight");
    assert_open(&m, "layer.5.ffn.weight");
    finish(&m);
}

/* Blocks 2 to 7 of the source are 1 to 6 of the target: those at the ends tell it for all. */
static void blocks_at_the_ends_tell_for_the_whole_row(void **state)
{
    (void)state;
    Model m;
    start(&m, "b1.a.weight 4,3\nb1.b.weight 4,4\nb2.a.weight 8,4\nb2.b.weight 8,8\n"
              "b3.a.weight 16,8\nb3.b.weight 16,16\nb4.a.weight 16,16\nb4.b.weight 16,16\n"
              "b5.a.weight 16,16\nb5.b.weight 16,16\nb6.a.weight 16,16\nb6.b.weight 16,16\n"
              "b7.a.weight 32,16\nb7.b.weight 32,32\nfc.weight 10,32",
          "stem1.weight 4,3\nstem2.weight 4,4\nb1.a.weight 8,4\nb1.b.weight 8,8\n"
          "b2.a.weight 16,8\nb2.b.weight 16,16\nb3.a.weight 16,16\nb3.b.weight 16,16\n"
          "b4.a.weight 16,16\nb4.b.weight 16,16\nb5.a.weight 16,16\nb5.b.weight 16,16\n"
          "b6.a.weight 32,16\nb6.b.weight 32,32\nfc.weight 10,32");
    align(&m);
    for (int i = 3; i <= 5; i++) {
        char target[32], same[32];
        snprintf(target, sizeof target, "b%d.a.weight", i);
        snprintf(same, sizeof same, "b%d.a.weight", i);
        const Bundle *bundle = find_bundle(&m, target);
        if (bundle) assert_string_not_equal(bundle->sources[0].names[0], same);
    }
    finish(&m);
}

/* What one layer of a row lacks says nothing of the row: its number is that of the others. */
static void rows_that_lack_other_ends_go_by_what_all_count(void **state)
{
    (void)state;
    Model m;
    start(&m, "h.{0-5}.mlp.weight 16,8\nh.{0-5}.out.weight 8,16\nh.{0-4}.dw.weight 8,1,5,5",
          "b.{0-5}.ffn.weight 16,8\nb.{0-5}.down.weight 8,16\nb.1.depthwise.weight 8,1,5,5\n"
          "b.2.depthwise.weight 8,1,5,5\nb.3.depthwise.weight 8,1,5,5\n"
          "b.4.depthwise.weight 8,1,5,5\nb.5.depthwise.weight 8,1,5,5");
    align(&m);
    assert_from(&m, "b.4.depthwise.weight", "h.4.dw.weight");
    assert_open(&m, "b.5.depthwise.weight");
    finish(&m);
}

/* ---- parts that lost what stood beside them ---- */

static void a_part_of_a_whole_is_nothing_else(void **state)
{
    (void)state;
    Model m;
    start(&m, "h.{0-3}.attn.qkv.weight 24,8\nh.{0-3}.attn.proj.weight 8,8\n"
              "h.{0-3}.mlp.fc1.weight 32,8",
          "b.{0-3}.attn.q_proj.weight 8,8\nb.{0-3}.mlp.fc1.weight 32,8");
    align(&m);
    assert_open(&m, "b.0.attn.q_proj.weight");
    assert_open(&m, "b.3.attn.q_proj.weight");
    assert_from(&m, "b.2.mlp.fc1.weight", "h.2.mlp.fc1.weight");
    finish(&m);
}

/* Norms of two layers, of one width: the rows of one length are those of other layers. */
static void a_norm_goes_where_the_kernel_beside_it_goes(void **state)
{
    (void)state;
    Model m;
    start(&m, "f.{0-3}.conv.0.0.weight 16,8,1,1\nf.{0-3}.conv.0.1.weight 16\n"
              "f.{0-3}.conv.1.0.weight 16,1,3,3\nf.{0-2}.conv.1.1.weight 16",
          "l.{0-3}.grow.convolution.weight 16,8,1,1\nl.{0-2}.grow.normalization.weight 16\n"
          "l.{0-3}.deep.convolution.weight 16,1,3,3\nl.{0-3}.deep.normalization.weight 16");
    align(&m);
    for (size_t i = 0; i < m.result->bundle_count; i++) {
        const Bundle *bundle = &m.result->bundles[i];
        const bool deep = strstr(bundle->targets[0], "deep") != NULL;
        assert_int_equal(deep, strstr(bundle->sources[0].names[0], "conv.1") != NULL);
    }
    finish(&m);
}

/* By its name it is the other one. */
static void a_norm_of_a_layer_is_that_of_its_mate(void **state)
{
    (void)state;
    Model m;
    start(&m, "t.{0-2}.fc.weight 8,8\nt.final_layernorm.weight 8\nx.last.norm_final.weight 8\n"
              "x.last.linear.weight 5,8",
          "l.{0-2}.fc.weight 8,8\nnorm_final.weight 8\nout.linear.weight 5,8\n"
          "out.norm.weight 8");
    align(&m);
    assert_open(&m, "norm_final.weight");
    m.options.accept = 0.05f;
    align(&m);
    assert_from(&m, "norm_final.weight", "t.final_layernorm.weight");
    assert_from(&m, "out.norm.weight", "x.last.norm_final.weight");
    finish(&m);
}

/* ---- names that mean another layer ---- */

static const char counted[] = "mlp.layers.0.weight 8,8\nmlp.layers.1.weight 8,8\n"
                              "mlp.layers.2.weight 4,8";
static const char named[] = "mlp.proj_in.weight 8,8\nmlp.proj_out.weight 4,8\n"
                            "mlp.layers.0.weight 8,8";

static void an_equal_number_among_other_names_asks(void **state)
{
    (void)state;
    Model m;
    start(&m, counted, named);
    align(&m);
    assert_open(&m, "mlp.proj_in.weight");
    assert_open(&m, "mlp.layers.0.weight");
    assert_true(is_withheld(&m, "mlp.layers.0.weight"));
    assert_from(&m, "mlp.proj_out.weight", "mlp.layers.2.weight");
    assert_int_equal(m.result->tie_count, 1);
    assert_int_equal(m.result->ties[0].source_count, 2);
    finish(&m);
}

static void an_answer_says_which_layer_is_meant(void **state)
{
    (void)state;
    Model m;
    static const AutoAnswer answers[] = {{"layers.1", "layers.0"}};
    start(&m, counted, named);
    m.options.answers = answers;
    m.options.answer_count = countof(answers);
    m.options.assume = AUTO_LAYOUT_TORCH;
    align(&m);
    assert_from(&m, "mlp.layers.0.weight", "mlp.layers.1.weight");
    assert_from(&m, "mlp.proj_in.weight", "mlp.layers.0.weight");
    finish(&m);
}

static void an_equal_number_in_the_same_row_is_certain(void **state)
{
    (void)state;
    Model m;
    start(&m, "mlp.layers.{0-2}.weight 8,8\nmlp.out.weight 4,8",
          "mlp.layers.{0-1}.weight 8,8\nmlp.last.weight 4,8");
    align(&m);
    assert_from(&m, "mlp.layers.1.weight", "mlp.layers.1.weight");
    assert_int_equal(m.result->withheld_count, 0);
    finish(&m);
}

/* ---- layers that are others ---- */

static const char encoder[] = "enc.{0-2}.q.weight 8,8\nenc.{0-2}.k.weight 8,8\n"
                              "enc.{0-2}.fc.weight 16,8\n";

static void another_head_is_not_the_head(void **state)
{
    (void)state;
    Model m;
    char source[512], target[512];
    snprintf(source, sizeof source, "%s%s", encoder,
             "lm_head.dense.weight 8,8\nlm_head.dense.bias 8\nlm_head.layer_norm.weight 8\n"
             "lm_head.decoder.weight 50,8");
    snprintf(target, sizeof target, "%s%s", encoder,
             "classifier.dense.weight 8,8\nclassifier.dense.bias 8\nclassifier.out.weight 2,8");
    start(&m, source, target);
    align(&m);
    assert_open(&m, "classifier.dense.weight");
    assert_from(&m, "enc.2.q.weight", "enc.2.q.weight");
    finish(&m);
}

static void a_place_that_names_contradict_is_none(void **state)
{
    (void)state;
    Model m;
    start(&m, "a.0.query_ln.weight 8\na.0.key_ln.weight 8\na.1.query_ln.weight 8\n"
              "a.1.key_ln.weight 8\na.2.query_ln.weight 8\na.2.key_ln.weight 8",
          "b.0.attn.norm_k.weight 8\nb.0.attn.norm_q.weight 8\nb.1.attn.norm_k.weight 8\n"
          "b.1.attn.norm_q.weight 8\nb.2.attn.norm_k.weight 8\nb.2.attn.norm_q.weight 8");
    align(&m);
    for (size_t i = 0; i < m.result->bundle_count; i++) {
        const Bundle *bundle = &m.result->bundles[i];
        const bool query = strstr(bundle->targets[0], "norm_q") != NULL;
        assert_int_equal(query, strstr(bundle->sources[0].names[0], "query") != NULL);
    }
    finish(&m);
}

static void stages_counted_in_a_word_may_be_counted_from_the_end(void **state)
{
    (void)state;
    Model m;
    start(&m, "stem.weight 8,3,7,7\nnet1.out.weight 8,8,1,1\nnet2.out.weight 8,8,1,1\n"
              "net3.out.weight 8,8,1,1\nnet4.out.weight 8,8,1,1\nhead.weight 10,8",
          "stem.weight 8,3,7,7\nfuse.{0-3}.proj.weight 8,8,1,1\nhead.weight 10,8");
    align(&m);
    assert_open(&m, "fuse.0.proj.weight");
    assert_open(&m, "fuse.3.proj.weight");
    finish(&m);
}

/* The same within a stage that shapes tell: what is counted there follows one another. */
static void layers_within_a_stage_are_not_counted_from_the_end(void **state)
{
    (void)state;
    Model m;
    start(&m, "stem.weight 8,3,7,7\ne.0.b.0.conv.weight 8,8,3\ne.0.b.1.conv.weight 8,8,3\n"
              "e.0.b.2.conv.weight 8,8,3\ne.0.out.weight 16,8,4\ne.1.out.weight 32,16,4\n"
              "head.weight 10,32",
          "stem.weight 8,3,7,7\nn.0.u1.proj.weight 8,8,3\nn.0.u2.proj.weight 8,8,3\n"
          "n.0.u3.proj.weight 8,8,3\nn.0.end.weight 16,8,4\nn.1.end.weight 32,16,4\n"
          "head.weight 10,32");
    align(&m);
    assert_from(&m, "n.0.u1.proj.weight", "e.0.b.0.conv.weight");
    assert_from(&m, "n.0.u3.proj.weight", "e.0.b.2.conv.weight");
    finish(&m);
}

/* One side counts what lies between two stages with the first, the other with the second. */
static void shapes_tell_more_than_the_number_of_a_stage(void **state)
{
    (void)state;
    Model m;
    start(&m,
          "stem.weight 4,3\n"
          "s.0.b.{0-3}.fc.weight 16,4\ns.0.b.{0-3}.ln.weight 4\ns.0.down.norm.weight 16\n"
          "s.0.down.weight 8,16\n"
          "s.1.b.{0-3}.fc.weight 32,8\ns.1.b.{0-3}.ln.weight 8\ns.1.down.norm.weight 32\n"
          "s.1.down.weight 16,32\n"
          "s.2.b.{0-3}.fc.weight 64,16\ns.2.b.{0-3}.ln.weight 16\ns.2.down.norm.weight 64\n"
          "s.2.down.weight 32,64\n"
          "s.3.b.{0-3}.fc.weight 128,32\ns.3.b.{0-3}.ln.weight 32\nhead.weight 10,32",
          "stem.weight 4,3\ns.0.b.{0-3}.fc.weight 16,4\ns.0.b.{0-3}.ln.weight 4\n"
          "s.1.down.norm.weight 16\ns.1.down.weight 8,16\ns.1.b.{0-3}.fc.weight 32,8\n"
          "s.1.b.{0-3}.ln.weight 8\n"
          "s.2.down.norm.weight 32\ns.2.down.weight 16,32\ns.2.b.{0-3}.fc.weight 64,16\n"
          "s.2.b.{0-3}.ln.weight 16\n"
          "s.3.down.norm.weight 64\ns.3.down.weight 32,64\ns.3.b.{0-3}.fc.weight 128,32\n"
          "s.3.b.{0-3}.ln.weight 32\n"
          "head.weight 10,32");
    align(&m);
    assert_from(&m, "s.1.down.norm.weight", "s.0.down.norm.weight");
    assert_from(&m, "s.2.down.weight", "s.1.down.weight");
    assert_from(&m, "s.3.down.weight", "s.2.down.weight");
    finish(&m);
}

/* ---- one list of everything ---- */

#define LAYER(s, n) s n ".norm.weight 8\n" s n ".up.weight 16,8\n" s n ".down.weight 8,16\n" \
                    s n ".out.weight 8,9\n" s n ".in.weight 9,8\n"
#define FOUR(s, a, b, c, d) LAYER(s, a) LAYER(s, b) LAYER(s, c) LAYER(s, d)

/* The embedding is layer 0 and the head layer 11 of the same list: neither is a block, nor is what
 * is left out beside them. */
static void ends_of_one_list_are_no_blocks(void **state)
{
    (void)state;
    Model m;
    start(&m, "seq.0.embed.weight 99,8\n" FOUR("seq.", "2", "3", "4", "5")
              FOUR("seq.", "6", "7", "8", "9") LAYER("seq.", "10") "seq.11.head.weight 98,8",
          "embed.weight 99,8\n" FOUR("layers.", "0", "1", "2", "3")
          FOUR("layers.", "4", "5", "6", "7") LAYER("layers.", "8") "head.weight 98,8");
    align(&m);
    assert_from(&m, "layers.0.up.weight", "seq.2.up.weight");
    assert_from(&m, "layers.8.norm.weight", "seq.10.norm.weight");
    finish(&m);
}

/* Both reach equally far, and only the shapes below the first tell that it is the last. */
static void stages_of_equal_reach_are_counted_as_their_shapes_say(void **state)
{
    (void)state;
    Model m;
    start(&m, "e.up0.0.weight 8,16\ne.up0.1.weight 8,8,2,2\ne.up1.0.weight 16,16\n"
              "e.up1.1.weight 16,16,2,2\ne.up2.0.weight 16,16\ne.up2.1.weight 16,16,2,2",
          "d.ups.0.proj.weight 16,16\nd.ups.0.deconv.weight 16,16,2,2\n"
          "d.ups.1.proj.weight 16,16\nd.ups.1.deconv.weight 16,16,2,2\n"
          "d.ups.2.proj.weight 8,16\nd.ups.2.deconv.weight 8,8,2,2");
    m.options.no_order = true;
    align(&m);
    for (int i = 0; i < 3; i++) {
        const char *key = arena_printf(m.arena, "d.ups.%d.deconv.weight", i);
        const Bundle *bundle = find_bundle(&m, key);
        char from[32];
        snprintf(from, sizeof from, "e.up%d.1.weight", 2 - i);
        if (bundle) assert_string_equal(bundle->sources[0].names[0], from);
    }
    assert_from(&m, "d.ups.0.deconv.weight", "e.up2.1.weight");
    finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_without_its_first_block_does_not_slip),
        cmocka_unit_test(what_is_left_of_a_row_is_no_other_row),
        cmocka_unit_test(fused_rows_that_lack_other_blocks_go_by_numbers),
        cmocka_unit_test(a_bias_that_its_neighbours_have_is_missing),
        cmocka_unit_test(equal_names_that_fit_better_elsewhere_ask),
        cmocka_unit_test(an_answer_says_which_block_is_which),
        cmocka_unit_test(a_block_more_at_the_end_moves_nothing),
        cmocka_unit_test(a_row_that_is_a_block_longer_asks_once),
        cmocka_unit_test(one_answer_says_how_a_whole_row_has_moved),
        cmocka_unit_test(equal_names_of_a_longer_row_hold),
        cmocka_unit_test(a_hole_says_which_block_is_missing),
        cmocka_unit_test(a_hole_and_a_row_that_ends_before_ask),
        cmocka_unit_test(blocks_at_the_ends_tell_for_the_whole_row),
        cmocka_unit_test(rows_that_lack_other_ends_go_by_what_all_count),
        cmocka_unit_test(a_part_of_a_whole_is_nothing_else),
        cmocka_unit_test(a_norm_goes_where_the_kernel_beside_it_goes),
        cmocka_unit_test(a_norm_of_a_layer_is_that_of_its_mate),
        cmocka_unit_test(an_equal_number_among_other_names_asks),
        cmocka_unit_test(an_answer_says_which_layer_is_meant),
        cmocka_unit_test(an_equal_number_in_the_same_row_is_certain),
        cmocka_unit_test(another_head_is_not_the_head),
        cmocka_unit_test(a_place_that_names_contradict_is_none),
        cmocka_unit_test(stages_counted_in_a_word_may_be_counted_from_the_end),
        cmocka_unit_test(layers_within_a_stage_are_not_counted_from_the_end),
        cmocka_unit_test(shapes_tell_more_than_the_number_of_a_stage),
        cmocka_unit_test(ends_of_one_list_are_no_blocks),
        cmocka_unit_test(stages_of_equal_reach_are_counted_as_their_shapes_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
