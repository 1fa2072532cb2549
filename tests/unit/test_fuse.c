/* The fusing statements: what they compute on numbers that can be checked by hand, which keys they
 * take and leave, and what they refuse, with the names of the keys. */
#include "tests/unit/scripts.h"

/* Values for a tensor of the source; the checkpoint keeps them. */
static void give(Bench *bench, const char *name, const float *values, size_t n)
{
    StateDict *dict = checkpoint_container(bench->source, 0)->dict;
    Tensor *tensor = (Tensor *)dict_find(dict, name);
    assert_non_null(tensor);
    assert_int_equal(tensor_count(tensor), n);
    Storage *storage = arena_alloc(dict_arena(dict), sizeof *storage);
    *storage = (Storage){.source = source_from_memory(values, n * sizeof *values, name),
                         .bytes = n * sizeof *values, .dtype = DT_F32};
    checkpoint_own_source(bench->source, storage->source);
    tensor->storage = storage;
}

#define GIVE(bench, name, ...) \
    give(bench, name, (const float[]){__VA_ARGS__}, sizeof((float[]){__VA_ARGS__}) / sizeof(float))

static void run(Bench *bench, const char *text)
{
    if (!bench_run(bench, text, "fix.lua")) fail_msg("%s", bench->err.text);
    bench_finish(bench);
    if (!bench->alignment) fail_msg("%s", bench->err.text);
}

static void holds(const Bench *bench, const char *name, const float *values, size_t n)
{
    float got[64];
    Error err = {0};
    const Binding *binding = align_find(bench->alignment, name);
    assert_non_null(binding);
    assert_int_equal(binding->status, BIND_LOADED);
    uint64_t count = 1;
    for (int i = 0; i < binding->expr->rank; i++) count *= (uint64_t)binding->expr->dims[i];
    assert_true(count == n && n <= countof(got));
    if (!expr_fill(binding->expr, NULL, NULL, got, &err)) fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++)
        if (got[i] != values[i]) fail_msg("%s[%zu] is %g, not %g", name, i, (double)got[i], (double)values[i]);
}

#define HOLDS(bench, name, ...) \
    holds(bench, name, (const float[]){__VA_ARGS__}, sizeof((float[]){__VA_ARGS__}) / sizeof(float))

/* ---- weight norm ---- */

static void weight_norm_makes_the_weight(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "a.weight_g f32 2,1;a.weight_v f32 2,2;a.bias f32 2;"
               "b.parametrizations.weight.original0 f32;b.parametrizations.weight.original1 f32 2,1;"
               "c.weight_g f32 1,2;c.weight_v f32 2,2", NULL, NULL);
    GIVE(&bench, "a.weight_g", 10, 5);
    GIVE(&bench, "a.weight_v", 3, 4, 0, 5);
    GIVE(&bench, "b.parametrizations.weight.original0", 10);
    GIVE(&bench, "b.parametrizations.weight.original1", 3, 4);
    GIVE(&bench, "c.weight_g", 10, 5);
    GIVE(&bench, "c.weight_v", 3, 0, 4, 5);
    GIVE(&bench, "a.bias", 1, 2);
    run(&bench, "weight_norm()");
    assert_int_equal(align_count(bench.alignment), 4);
    HOLDS(&bench, "a.weight", 6, 8, 0, 5);
    HOLDS(&bench, "b.weight", 6, 8);
    HOLDS(&bench, "c.weight", 6, 0, 8, 5);
    bench_binding(&bench, "a.weight", "loaded", "a.weight_v, a.weight_g");
    bench_use(&bench, "a.weight_g", "used");
    bench_close(&bench);
}

static void weight_norm_takes_what_its_pattern_says(void **state)
{
    (void)state;
    leaves("a.x.weight_g f32 2,1;a.x.weight_v f32 2,2;b.weight_g f32 2,1;b.weight_v f32 2,2",
           "weight_norm('a.**')", "a.x.weight b.weight_g b.weight_v");
    leaves("weight_g f32 2,1;weight_v f32 2,2", "weight_norm '**'", "weight");
    leaves("l.w_g f32 2,1;l.w_v f32 2,2;l.weight_g f32 1", "weight_norm{name='w'}", "l.w l.weight_g");
    leaves("a.weight_v f32 2,2;x.big_weight_g f32 2", "weight_norm()", "a.weight_v x.big_weight_g");
    Bench bench;
    bench_align(&bench, "a.w f32 2", NULL, "weight_norm()");
    bench_note(&bench, "weight_norm: no module that fits ** has a weight_g; top levels here: a");
    bench_close(&bench);
}

static void weight_norm_refuses_what_does_not_fit(void **state)
{
    (void)state;
    fails("a.weight_g f32 2,1", "weight_norm()", "fix.lua:1: weight_norm: 'a.weight_g': has no", "_v");
    fails("a.parametrizations.weight.original0 f32 2", "weight_norm()", "fix.lua:1: weight_norm: ",
          "has no original1 beside it");
    fails("a.weight_g f32 3,1;a.weight_v f32 2,2", "weight_norm()", "fix.lua:1: weight_norm: 'a.weight_g': ",
          "g 3×1 and v 2×2, for no axis do not fit");
    fails("a.weight_g f32 2,2;a.weight_v f32 2,2", "weight_norm()", "fix.lua:1: ", "for no axis");
    fails("a.weight_g f32 2,1;a.weight_v f32 2,2", "weight_norm{dim=1}", "fix.lua:1: ", "for axis 1");
    fails("a.weight_g f32 1,1;a.weight_v f32 2,2", "weight_norm{dim=0}", "fix.lua:1: ", "for axis 0");
    fails("a.weight_g i64 2,1;a.weight_v i64 2,2", "weight_norm()", "fix.lua:1: ", "no arithmetic on i64");
    fails("a.weight_g f32 ?;a.weight_v f32 2,2", "weight_norm()", "fix.lua:1: ", "have to be known");
    fails("a.w f32", "weight_norm('a', {axis=1})", "fix.lua:1: weight_norm: there is no field 'axis'", NULL);
    fails("a.w f32", "weight_norm('a', {dim=1.5})", "fix.lua:1: weight_norm: dim must be a whole", NULL);
    fails("a.w f32", "weight_norm('{', {})", "fix.lua:1: weight_norm: ", NULL);
    fails("a.w f32", "weight_norm(1)", "fix.lua:1: weight_norm: expected text, got a number", NULL);
    fails("b.weight f32;a.weight f32;a.weight_g f32 1,1;a.weight_v f32 1,1",
          "rules [[ b.weight -> a.weight_v ]] weight_norm()", "fix.lua:1: ", "stands for several keys");
}

/* ---- spectral norm ---- */

static void spectral_norm_divides_by_sigma(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "a.weight_orig f32 2,3;a.weight_u f32 2;a.weight_v f32 3;"
               "t.parametrizations.weight.original f32 3,2;t.parametrizations.weight.0._u f32 2;"
               "t.parametrizations.weight.0._v f32 3", NULL, NULL);
    GIVE(&bench, "a.weight_orig", 2, 0, 4, 0, 1, 8);
    GIVE(&bench, "a.weight_u", 1, 0);
    GIVE(&bench, "a.weight_v", 0, 0, 1);
    GIVE(&bench, "t.parametrizations.weight.original", 2, 0, 0, 1, 4, 8);
    GIVE(&bench, "t.parametrizations.weight.0._u", 1, 0);
    GIVE(&bench, "t.parametrizations.weight.0._v", 0, 0, 1);
    run(&bench, "spectral_norm()");
    HOLDS(&bench, "a.weight", 0.5f, 0, 1, 0, 0.25f, 2);
    HOLDS(&bench, "t.weight", 0.5f, 0, 0, 0.25f, 1, 2);      /* along axis 1, as u says */
    assert_int_equal(align_count(bench.alignment), 2);
    bench_close(&bench);
}

static void spectral_norm_refuses_what_does_not_fit(void **state)
{
    (void)state;
    fails("a.weight_orig f32 2,3;a.weight_u f32 2", "spectral_norm()", "fix.lua:1: spectral_norm: 'a.weight_orig': ",
          "has no _v beside it: written before PyTorch 1.1");
    fails("a.parametrizations.weight.original f32 2,3", "spectral_norm()", "fix.lua:1: ",
          "has no _u beside it: another parametrization");
    fails("a.weight_orig f32 2,3;a.weight_u f32 4;a.weight_v f32 3", "spectral_norm()", "fix.lua:1: ",
          "its u and v fit no axis");
    fails("a.weight_orig f32 2,3;a.weight_u f32 2;a.weight_v f32 3", "spectral_norm{dim=1}",
          "fix.lua:1: ", "that is given as dim");
    fails("a.weight_orig f32 0,3;a.weight_u f32 0;a.weight_v f32 3", "spectral_norm()", "fix.lua:1: ", NULL);
    Bench bench;
    bench_align(&bench, "a.weight_orig f32 2,2;a.weight_u f32 2;a.weight_v f32 2", NULL, "spectral_norm()");
    bench_note(&bench, "u fits several axes of some weights; the first is taken");
    bench_close(&bench);
    bench_align(&bench, "a.weight_orig f32 2,2;a.weight_u f32 2;a.weight_v f32 2", NULL,
                "spectral_norm{dim=-1}");
    assert_int_equal(align_note_count(bench.alignment), 0);
    bench_close(&bench);
}

/* ---- batch norms ---- */

#define NORM(name, n) name ".weight f32 " n ";" name ".bias f32 " n ";" name ".running_mean f32 " n ";" \
                      name ".running_var f32 " n ";" name ".num_batches_tracked i64"

static void fold_bn_puts_the_norm_into_the_layer(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "l1.conv1.weight f32 2,1;l1.conv1.bias f32 2;" NORM("l1.bn1", "2") ";"
               "l1.conv2.weight f32 1,2;l1.bn2.running_mean f32 1;l1.bn2.running_var f32 1", NULL, NULL);
    GIVE(&bench, "l1.conv1.weight", 3, 4);
    GIVE(&bench, "l1.conv1.bias", 1, 2);
    GIVE(&bench, "l1.bn1.weight", 2, 6);
    GIVE(&bench, "l1.bn1.bias", 5, 7);
    GIVE(&bench, "l1.bn1.running_mean", 1, 1);
    GIVE(&bench, "l1.bn1.running_var", 3, 8);
    GIVE(&bench, "l1.conv2.weight", 3, 4);
    GIVE(&bench, "l1.bn2.running_mean", 8);
    GIVE(&bench, "l1.bn2.running_var", 15);
    run(&bench, "fold_bn('l{i}.conv{k}', 'l{i}.bn{k}', {eps=1})");
    HOLDS(&bench, "l1.conv1.weight", 3, 8);
    HOLDS(&bench, "l1.conv1.bias", 5, 9);
    HOLDS(&bench, "l1.conv2.weight", 0.75f, 1);              /* affine=False, and no bias before */
    HOLDS(&bench, "l1.conv2.bias", -2);
    assert_int_equal(align_count(bench.alignment), 4);
    assert_string_equal(align_binding(bench.alignment, 1)->name, "l1.conv1.bias");
    bench_use(&bench, "l1.bn1.num_batches_tracked", "dropped");
    bench_use(&bench, "l1.bn1.weight", "used");
    bench_close(&bench);
}

static void fold_bn_of_transposed_convolutions_and_sequences(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "up.weight f32 1,2,1;bn.running_mean f32 2;bn.running_var f32 2", NULL, NULL);
    GIVE(&bench, "up.weight", 3, 4);
    GIVE(&bench, "bn.running_mean", 0, 2);
    GIVE(&bench, "bn.running_var", 3, 0);
    run(&bench, "fold_bn('up', 'bn', {eps=1, transposed=true})");
    HOLDS(&bench, "up.weight", 1.5f, 4);
    HOLDS(&bench, "up.bias", 0, -2);
    bench_close(&bench);
    leaves("0.weight f32 2,2;" NORM("1", "2") ";3.weight f32 2,2;" NORM("4", "2") ";6.weight f32 2,2",
           "fold_bn('{i}', '{i+1}')", "0.weight 0.bias 3.weight 3.bias 6.weight");
    bench_align(&bench, "0.weight f32 2,2;" NORM("1", "2") ";6.weight f32 2,2", NULL,
                "fold_bn('{i}', '{i+1}')");
    bench_note(&bench, "fold_bn: 1 layer without a norm of that name stays as it is");
    bench_close(&bench);
}

static void fold_bn_refuses_what_does_not_fit(void **state)
{
    (void)state;
    fails("a.conv.weight f32 2,2;" NORM("a.bn", "3"), "fold_bn('**.conv', '**.bn')",
          "fix.lua:1: fold_bn: 'a.conv.weight': 'a.bn.running_var' has 3 numbers and the weight 2", NULL);
    fails("a.conv.weight f32 2,2;" NORM("a.norm", "2"), "fold_bn('**.conv', '**.bn')",
          "fix.lua:1: fold_bn: no layer that fits **.conv has its norm: there is no 'a.bn.running_var'",
          "the nearest key is 'a.norm.running_var'");
    fails("a.conv.weight f32 2,2", "fold_bn('b.*', 'c.*')", "fix.lua:1: fold_bn: no key is b.*.weight; top", NULL);
    fails("a.conv.weight f32 2,2", "fold_bn('**.conv')", "fix.lua:1: fold_bn: expected text, got nothing", NULL);
    fails("a.conv.weight f32 2,2", "fold_bn('**.conv', '{x}')", "fix.lua:1: ", NULL);
    fails("a.conv.weight f32 2,2", "fold_bn('a', 'b', {eps=-1})", "fix.lua:1: fold_bn: eps must be", NULL);
    fails("a.conv.weight f32 2,2", "fold_bn('a', 'b', {epsilon=1})", "fix.lua:1: fold_bn: there is no field", NULL);
    fails("a.conv.weight i64 2,2;" NORM("a.bn", "2"), "fold_bn('**.conv', '**.bn')", "fix.lua:1: fold_bn: ",
          NULL);
}

/* ---- adapters ---- */

static void lora_merges_into_the_source(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "unet.mid.to_q.weight f32 2,2;unet.mid.to_q.bias f32 2;"
               "lora_unet_mid_to_q.lora_down.weight f32 1,2;lora_unet_mid_to_q.lora_up.weight f32 2,1;"
               "lora_unet_mid_to_q.alpha f32", NULL, NULL);
    GIVE(&bench, "unet.mid.to_q.weight", 1, 2, 3, 4);
    GIVE(&bench, "unet.mid.to_q.bias", 0, 0);
    GIVE(&bench, "lora_unet_mid_to_q.lora_down.weight", 1, 1);
    GIVE(&bench, "lora_unet_mid_to_q.lora_up.weight", 1, 2);
    GIVE(&bench, "lora_unet_mid_to_q.alpha", 4);
    run(&bench, "lora{scale=0.5}");
    assert_int_equal(align_count(bench.alignment), 2);
    HOLDS(&bench, "unet.mid.to_q.weight", 3, 4, 7, 8);
    bench_use(&bench, "lora_unet_mid_to_q.alpha", "used");
    bench_close(&bench);
}

static void lora_merges_into_the_target(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "base_model.model.l.0.q.lora_A.weight f32 2,3;base_model.model.l.0.q.lora_B.weight f32 4,2;"
                "base_model.model.head.weight f32 5,3",
                "l.0.q.weight f32 4,3;l.0.q.bias f32 4;head.weight f32 5,3", "lora{alpha=4}");
    bench_binding(&bench, "l.0.q.weight", "loaded", NULL);
    bench_binding(&bench, "l.0.q.bias", "kept", "");
    bench_binding(&bench, "head.weight", "loaded", "base_model.model.head.weight");
    assert_int_equal(align_exit(bench.alignment), 0);
    bench_close(&bench);
}

#define PAIR(name, r, in, out) name ".lora_down.weight f32 " r "," in ";" name ".lora_up.weight f32 " out "," r

static void lora_finds_its_modules(void **state)
{
    (void)state;
    Bench bench;
    static const char target[] = "text_encoder.layers.0.fc.weight f32 4,3;text_encoder_2.layers.0.fc.weight f32 4,3;"
                                 "unet.down_blocks.0.attn.to_out.0.weight f32 4,3";
    bench_align(&bench, PAIR("lora_te1_layers_0_fc", "2", "3", "4") ";" PAIR("lora_te2_layers_0_fc", "2", "3", "4") ";"
                PAIR("lora_unet_down_blocks_0_attn_to_out_0", "2", "3", "4"), target,
                "lora{places={lora_te1_='text_encoder.', lora_te2_='text_encoder_2.'}}");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(align_binding(bench.alignment, i)->status, BIND_LOADED);
    bench_binding(&bench, "text_encoder_2.layers.0.fc.weight", "loaded", NULL);
    assert_string_equal(align_find(bench.alignment, "text_encoder_2.layers.0.fc.weight")->sources[0]->name,
                        "lora_te2_layers_0_fc.lora_up.weight");
    bench_close(&bench);
    bench_open(&bench, PAIR("lora_te_layers_0_fc", "2", "3", "4"), target, NULL);
    assert_false(bench_run(&bench, "lora{}", "fix.lua"));
    assert_string_equal(bench.err.text, "fix.lua:1: lora: 'lora_te_layers_0_fc' may be "
                        "'text_encoder.layers.0.fc.weight' or 'text_encoder_2.layers.0.fc.weight'; say which, as in "
                        "places={lora_te1_=\"text_encoder.\"}");
    bench_close(&bench);
    bench_open(&bench, PAIR("lora_unet_down_blocks_0_attn_to_q_0", "2", "3", "4"), target, NULL);
    assert_false(bench_run(&bench, "lora{}", "fix.lua"));
    assert_non_null(strstr(bench.err.text, "'lora_unet_down_blocks_0_attn_to_q_0' belongs to no weight of the "
                                           "source or the target"));
    bench_close(&bench);
    bench_open(&bench, "unet.down_blocks.0.attn.to_q.lora_A.weight f32 2,3;unet.down_blocks.0.attn.to_q.lora_B.weight f32 4,2",
               target, NULL);
    assert_false(bench_run(&bench, "lora{}", "fix.lua"));
    assert_non_null(strstr(bench.err.text, "the nearest is 'unet.down_blocks.0.attn.to_out.0.weight'"));
    bench_close(&bench);
}

static void lora_refuses_what_does_not_fit(void **state)
{
    (void)state;
#define BASE "l.weight f32 4,3;"
    fails("l.weight f32 4,3", "lora{}", "fix.lua:1: lora: no pair of an adapter in the source; top", NULL);
    fails(BASE "l.lora_A.weight f32 2,3", "lora{}", "fix.lua:1: lora: 'l.lora_A.weight' has no 'l.lora_B.weight'", NULL);
    fails(BASE PAIR("l", "2", "5", "4"), "lora{}", "fix.lua:1: lora: 'l.lora_down.weight' 2×5 and 'l.lora_up.weight' 4×2",
          "do not give the shape 4×3 of their base");
    fails(BASE PAIR("l", "2", "4", "3"), "lora{}", "fix.lua:1: ", "fan_in_fan_out=true turns them");
    fails(BASE PAIR("l", "2", "3", "4"), "lora{fan_in_fan_out=true}", "fix.lua:1: ", "is fan_in_fan_out right?");
    fails(BASE "l.lora_down.weight f32 2,3;l.lora_up.weight f32 4,3", "lora{}", "fix.lua:1: lora: ",
          "have no rank in common");
    fails(BASE PAIR("l", "2", "3", "4"), "lora{rank=4}", "fix.lua:1: lora: 'l.lora_down.weight' has rank 2, the configuration says 4", NULL);
    fails(BASE PAIR("l", "2", "3", "4") ";l.alpha f32 2", "lora{}", "fix.lua:1: lora: 'l.alpha' is no single number", NULL);
    fails(BASE PAIR("l", "2", "3", "4") ";l.lora_A.weight f32 2,3;l.lora_B.weight f32 4,2", "lora{}",
          "fix.lua:1: lora: 'l.weight' gets a second adapter", NULL);
    fails(BASE PAIR("l", "2", "3", "4") ";x.lora_up.weight f32 4,2", "lora{}",
          "fix.lua:1: lora: 'x.lora_up.weight' belongs to no pair", NULL);
    fails(BASE PAIR("l", "2", "3", "4") ";l.dora_scale f32 4", "lora{}",
          "fix.lua:1: lora: 'l.dora_scale' is of DoRA, which is not merged here", NULL);
    fails("l.hada_w1_a f32 4,2", "lora{}", "fix.lua:1: ", "LoHa");
    fails("base_model.model.l.lora_magnitude_vector.weight f32 4", "lora{}", "fix.lua:1: ", "use_dora");
    fails("l.weight f32 4,3;base_model.model.l.lora_A.weight f32 2,3;base_model.model.l.lora_B.weight f32 4,2", "lora{}",
          "fix.lua:1: lora: the alpha of PEFT's adapters is not in the file: give alpha=", NULL);
    fails("l.weight i8 4,3;" PAIR("l", "2", "3", "4"), "lora{}", "fix.lua:1: lora: 'l.weight': no arithmetic on i8", NULL);
    fails(BASE PAIR("l", "2", "3", "4"), "lora{r=4}", "fix.lua:1: lora: there is no field 'r'", NULL);
    fails(BASE PAIR("l", "2", "3", "4"), "lora{places=1}", "fix.lua:1: lora: expected places", NULL);
    fails(BASE PAIR("l", "2", "3", "4"), "lora('x')", "fix.lua:1: lora: expected {scale=", NULL);
#undef BASE
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weight_norm_makes_the_weight),
        cmocka_unit_test(weight_norm_takes_what_its_pattern_says),
        cmocka_unit_test(weight_norm_refuses_what_does_not_fit),
        cmocka_unit_test(spectral_norm_divides_by_sigma),
        cmocka_unit_test(spectral_norm_refuses_what_does_not_fit),
        cmocka_unit_test(fold_bn_puts_the_norm_into_the_layer),
        cmocka_unit_test(fold_bn_of_transposed_convolutions_and_sequences),
        cmocka_unit_test(fold_bn_refuses_what_does_not_fit),
        cmocka_unit_test(lora_merges_into_the_source),
        cmocka_unit_test(lora_merges_into_the_target),
        cmocka_unit_test(lora_finds_its_modules),
        cmocka_unit_test(lora_refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
