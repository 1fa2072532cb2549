/* The worked examples of the systems that tenon replaces, in tenon's words: what each of them
 * loads, and the differences about which it said nothing. The letters are those under which
 * the examples are known: E for EssentialMC2's pretrain loading, G for the load / init /
 * finetune guide, S for partial loading of AlexNet-SPP. */
#include "tests/unit/scripts.h"

static const Summary *summary(const Bench *bench)
{
    return align_summary(bench->alignment);
}

/* Opens a source whose tensors lie under `container`, runs a text and finishes. */
static void align_inside(Bench *bench, const char *source, const char *container,
                         const char *target, const char *text)
{
    *bench = (Bench){.source = bench_source(source, container), .target = dict_new()};
    bench_fill(bench->target, target);
    bench->draft = draft_new(bench->source, NULL, bench->target, 0);
    bench->script = script_new(bench->draft, NULL);
    if (!bench_run(bench, text, "rules.lua")) fail_msg("%s", bench->err.text);
    bench_finish(bench);
    if (!bench->alignment) fail_msg("%s", bench->err.text);
}

static const char ddp_source[] = "module.backbone.conv1.weight f32 64,3,7,7\n"
                                 "module.head.fc.weight f32 100,2048\nmodule.head.fc.bias f32 100";

static void e1_a_head_of_another_size(void **state)
{
    (void)state;
    static const char target[] = "backbone.conv1.weight f32 64,3,7,7\nhead.fc.weight f32 200,2048\n"
                                 "head.fc.bias f32 200";
    Bench bench;
    align_inside(&bench, ddp_source, "state_dict", target,
                 "unwrap('state_dict', 'model_state')\nstrip 'module.'");
    bench_binding(&bench, "backbone.conv1.weight", "loaded", "module.backbone.conv1.weight");
    bench_binding(&bench, "head.fc.weight", "shape", NULL);
    bench_binding(&bench, "head.fc.bias", "shape", NULL);
    assert_string_equal(align_find(bench.alignment, "head.fc.weight")->reason, "dim 0");
    bench_use(&bench, "module.head.fc.weight", "unused");
    assert_string_equal(align_find_use(bench.alignment, "module.head.fc.bias")->reason,
                        "offered to head.fc.bias: shape");
    assert_int_equal(align_exit(bench.alignment), 1);
    assert_string_equal(align_container(bench.alignment), "state_dict");
    bench_close(&bench);
    align_inside(&bench, ddp_source, "state_dict", target,
                 "unwrap('state_dict', 'model_state') strip 'module.' "
                 "policy { shape='skip', dtype='skip', missing='keep' }");
    bench_binding(&bench, "head.fc.weight", "kept", NULL);
    bench_binding(&bench, "head.fc.bias", "kept", NULL);
    assert_int_equal(align_exit(bench.alignment), 0);
    bench_close(&bench);
}

static void e2_a_backbone_alone(void **state)
{
    (void)state;
    static const char *const levels[] = {"keep 'backbone'", "keep 'backbone.'"};
    for (size_t i = 0; i < countof(levels); i++) {
        char text[128];
        Bench bench;
        snprintf(text, sizeof text, "unwrap 'state_dict' strip 'module.' %s", levels[i]);
        align_inside(&bench, ddp_source, "state_dict", "conv1.weight f32 64,3,7,7", text);
        bench_binding(&bench, "conv1.weight", "loaded", "module.backbone.conv1.weight");
        bench_use(&bench, "module.head.fc.weight", "dropped");   /* and the ledger says so */
        bench_use(&bench, "module.head.fc.bias", "dropped");
        assert_int_equal(align_exit(bench.alignment), 0);
        bench_close(&bench);
    }
}

static void e3_unexpected_keys(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "conv1.weight f32 4;fc.weight f32 2;fc.bias f32 2", "conv1.weight f32 4",
                "");
    bench_binding(&bench, "conv1.weight", "loaded", "conv1.weight");
    bench_use(&bench, "fc.weight", "unused");
    bench_use(&bench, "fc.bias", "unused");
    assert_int_equal(align_exit(bench.alignment), 0);    /* unused sources never change it … */
    bench_close(&bench);
    bench_align(&bench, "conv1.weight f32 4;fc.weight f32 2", "conv1.weight f32 4",
                "policy{unused='error'}");
    assert_int_equal(align_exit(bench.alignment), 1);    /* … unless the policy says so */
    bench_close(&bench);
}

/* There the later of two equal keys wins, silently. */
static void e6_two_keys_that_become_one(void **state)
{
    (void)state;
    static const char source[] = "module.a.w f32 1;a.w f32 2;b.module.c f32 3";
    static const char target[] = "a.w f32 2;b.c f32 3";
    Bench bench;
    bench_align(&bench, source, target, "\nstrip 'module.'");
    bench_binding(&bench, "a.w", "ambiguous", NULL);
    bench_binding(&bench, "b.c", "missing", "");
    bench_use(&bench, "b.module.c", "unused");
    const Collision *collision = align_collision(bench.alignment, 0);
    assert_string_equal(collision->name, "a.w");
    assert_int_equal(collision->source_count, 2);
    assert_string_equal(collision->sources[0], "module.a.w");
    assert_string_equal(collision->sources[1], "a.w");
    assert_string_equal(collision->origin.file, "rules.lua");
    assert_int_equal(collision->origin.line, 2);
    assert_int_equal(align_exit(bench.alignment), 2);
    bench_close(&bench);
    bench_align(&bench, source, target, "policy{collide='last'} strip 'module.'");
    bench_binding(&bench, "a.w", "loaded", "a.w");       /* as there, but said */
    bench_use(&bench, "module.a.w", "dropped");
    assert_int_equal(align_collision_count(bench.alignment), 0);
    bench_close(&bench);
}

/* There a sub-level that matches nothing is not mentioned with one word. */
static void e7_a_level_that_is_not_there(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "module.neck.w f32 2;module.neck.b f32 2", "conv1.weight f32 2", NULL);
    assert_false(bench_run(&bench, "-- level\nkeep 'backbone.'", "rules.lua"));
    assert_true(has_prefix(bench.err.text, "rules.lua:2: "));
    assert_non_null(strstr(bench.err.text, "backbone."));
    assert_non_null(strstr(bench.err.text, "module"));
    bench_close(&bench);
}

static const char finetune_target[] = "conv1.weight f32 4,3,3,3;fc.weight f32 10,8;fc.bias f32 10";

/* strict=False does not let shapes pass, whatever the guide says. */
static void g1_shapes_are_differences(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "conv1.weight f32 4,3,3,3;fc.weight f32 1000,8;fc.bias f32 1000",
                finetune_target, "policy{missing='keep'}");
    assert_int_equal(summary(&bench)->bind[BIND_LOADED], 1);
    bench_binding(&bench, "fc.weight", "shape", NULL);
    bench_binding(&bench, "fc.bias", "shape", NULL);
    assert_int_equal(align_exit(bench.alignment), 1);
    bench_close(&bench);
}

static void g2_missing_and_unexpected(void **state)
{
    (void)state;
    static const char source[] = "conv1.weight f32 4,3,3,3;fc.weight f32 10,8;extra f32 1";
    Bench bench;
    bench_align(&bench, source, finetune_target, "policy{missing='keep'}");
    bench_binding(&bench, "fc.bias", "kept", "");
    bench_use(&bench, "extra", "unused");
    assert_int_equal(align_exit(bench.alignment), 0);
    bench_close(&bench);
}

static void g3_the_same_strictly(void **state)
{
    (void)state;
    static const char source[] = "conv1.weight f32 4,3,3,3;fc.weight f32 10,8;extra f32 1";
    Bench bench;
    bench_align(&bench, source, finetune_target, "policy{unused='error'}");
    bench_binding(&bench, "fc.bias", "missing", "");
    bench_use(&bench, "extra", "unused");
    assert_false(align_find_use(bench.alignment, "extra")->covered);
    assert_int_equal(align_exit(bench.alignment), 1);
    bench_close(&bench);
}

/* Source keys that the target has, the rest from the target. */
static void g4_a_filter_by_key(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "conv1.weight f32 4,3,3,3;extra f32 1", finetune_target,
                "policy{missing='keep', unused='ignore'}");
    bench_binding(&bench, "conv1.weight", "loaded", "conv1.weight");
    bench_binding(&bench, "fc.weight", "kept", "");
    bench_binding(&bench, "fc.bias", "kept", "");
    assert_int_equal(align_exit(bench.alignment), 0);
    bench_close(&bench);
}

#define ALEXNET(first, classes)                                                                 \
    "features.0.weight f32 64,3,11,11;features.0.bias f32 64;features.3.weight f32 192,64,5,5;" \
    "features.3.bias f32 192;features.6.weight f32 384,192,3,3;features.6.bias f32 384;"        \
    "features.8.weight f32 256,384,3,3;features.8.bias f32 256;"                                \
    "features.10.weight f32 256,256,3,3;features.10.bias f32 256;"                              \
    "classifier.1.weight f32 4096," first ";classifier.1.bias f32 4096;"                        \
    "classifier.4.weight f32 4096,4096;classifier.4.bias f32 4096;"                             \
    "classifier.6.weight f32 " classes ",4096;classifier.6.bias f32 " classes

/* Pyramid pooling: 256 channels in 1 + 4 + 9 + 36 cells = 12800 features. */
static void s1_alexnet_to_spp(void **state)
{
    (void)state;
    static const char *const kept[] = {"classifier.1.weight", "classifier.6.weight",
                                       "classifier.6.bias"};
    Bench bench;
    bench_align(&bench, ALEXNET("9216", "1000"), ALEXNET("12800", "20"), "policy{shape='skip'}");
    assert_int_equal(summary(&bench)->bind[BIND_LOADED], 13);
    assert_int_equal(summary(&bench)->bind[BIND_KEPT], 3);
    for (size_t i = 0; i < countof(kept); i++) {
        bench_binding(&bench, kept[i], "kept", NULL);
        assert_non_null(align_find(bench.alignment, kept[i])->reason);
    }
    assert_int_equal(align_exit(bench.alignment), 0);
    bench_close(&bench);
}

/* One layer inserted in front: walking in step would load nothing. */
static void s2_names_count_not_positions(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "c1 f32 2;c2 f32 2;c3 f32 2", "c0 f32 2;c1 f32 2;c2 f32 2;c3 f32 2",
                "policy{missing='keep'}");
    bench_binding(&bench, "c0", "kept", "");
    bench_binding(&bench, "c1", "loaded", "c1");
    bench_binding(&bench, "c2", "loaded", "c2");
    bench_binding(&bench, "c3", "loaded", "c3");
    bench_close(&bench);
}

/* Two layers of one shape in another order. */
static void s3_order_does_not_count(void **state)
{
    (void)state;
    Bench bench;
    bench_align(&bench, "c1 f32 2;c3 f32 2;c2 f32 2", "c1 f32 2;c2 f32 2;c3 f32 2", "");
    bench_binding(&bench, "c1", "loaded", "c1");
    bench_binding(&bench, "c2", "loaded", "c2");
    bench_binding(&bench, "c3", "loaded", "c3");
    assert_int_equal(align_exit(bench.alignment), 0);
    bench_close(&bench);
}

#define RUN(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(e1_a_head_of_another_size), RUN(e2_a_backbone_alone), RUN(e3_unexpected_keys),
        RUN(e6_two_keys_that_become_one), RUN(e7_a_level_that_is_not_there),
        RUN(g1_shapes_are_differences), RUN(g2_missing_and_unexpected), RUN(g3_the_same_strictly),
        RUN(g4_a_filter_by_key), RUN(s1_alexnet_to_spp), RUN(s2_names_count_not_positions),
        RUN(s3_order_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
