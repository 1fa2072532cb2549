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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_of_one_shape_follow_the_order_of_both_files),
        cmocka_unit_test(without_order_they_stay_open),
        cmocka_unit_test(numbers_are_an_order_where_the_file_has_none),
        cmocka_unit_test(a_layer_more_on_one_side_leaves_its_shape_open),
        cmocka_unit_test(an_order_that_crosses_blocks_says_nothing),
        cmocka_unit_test(a_bias_follows_a_kernel_of_another_name),
        cmocka_unit_test(biases_beside_a_fused_kernel_go_by_their_names),
        cmocka_unit_test(two_strays_of_one_place_are_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
