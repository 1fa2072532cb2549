/* Plans: what apply writes is what align wrote, byte for byte; a plan is anybody's, and each thing
 * that can be wrong with one is refused by name. */
#include "tests/unit/plans.h"

#define DEMO "tests/data/demo/"

/* Both outputs have the same last name, which stands in a .pth. */
static void round_trip(Job job, const char *name)
{
    char first[600], second[600];
    snprintf(first, sizeof first, "%s/a", folder);
    snprintf(second, sizeof second, "%s/b", folder);
    mkdir(first, 0777);
    mkdir(second, 0777);
    snprintf(first, sizeof first, "%s/a/%s", folder, name);
    snprintf(second, sizeof second, "%s/b/%s", folder, name);
    write_job(&job, first);
    apply_plan(in_folder("p.json"), NULL, second);
    size_t n, m;
    char *a = read_file(first, &n), *b = read_file(second, &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    free(a);
    free(b);
    unlink(first);
    unlink(second);
}

/* One job in every format. */
static void in_all_formats(Job job)
{
    round_trip(job, "out.pth");
    round_trip(job, "out.safetensors");
    round_trip(job, "out.npz");
}

static void test_renames(void **state)
{
    (void)state;
    in_all_formats(a_job(DEMO "pretrain.pth::state_dict", NULL, "strip 'module.'"));
}

static void test_kept_from_the_target(void **state)
{
    (void)state;
    in_all_formats(a_job(DEMO "pretrain.pth", DEMO "net.pth",
                         "strip 'module.' policy{shape='skip'}"));
}

static void test_fit_and_fill(void **state)
{
    (void)state;
    in_all_formats(a_job(DEMO "pretrain.pth", DEMO "net.pth",
                         "strip 'module.' rules [[ head.fc.* -> head.fc.* |> fit(0) ]]"));
    in_all_formats(a_job(DEMO "pretrain.pth", DEMO "net.pth",
                         "strip 'module.' fill('head.**', kaiming{mode='fan_out'})"));
}

static void test_every_kind_of_fill(void **state)
{
    (void)state;
    in_all_formats(a_job(DEMO "pretrain.pth", DEMO "net.pth",
                         "strip 'module.' fill('head.fc.weight', uniform(-0.1, 0.3)) "
                         "fill('head.fc.bias', const(1/3))"));
    in_all_formats(a_job(DEMO "pretrain.pth", DEMO "net.pth",
                         "strip 'module.' fill('head.fc.weight', xavier()) "
                         "fill('head.fc.bias', normal(0.5, 0.02))"));
    in_all_formats(a_job(DEMO "pretrain.pth", DEMO "net.pth",
                         "strip 'module.' fill('head.fc.bias', const(math.huge)) "
                         "fill('head.fc.weight', zeros())"));
}

static void test_ops(void **state)
{
    (void)state;
    in_all_formats(a_job(DEMO "pretrain.pth", NULL,
        "strip 'module.' rules [[ head.fc.weight -> a |> T, reshape(-1), unsqueeze(0)\n"
        "backbone.conv1.weight -> b |> pick(1, {2,1,0}), permute(3,2,0,1), slice(0,1,3)\n"
        "**.num_batches_tracked ->\n"
        "backbone.bn1.weight, backbone.bn1.bias -> c |> stack(0)\n"
        "backbone.bn1.running_mean, backbone.bn1.running_var -> d |> cat(0), mul(0.3), add(1)\n"
        "backbone.layer1.0.conv1.weight -> e |> cast 'f64'\n"
        "backbone.layer1.0.conv2.weight -> f |> cast 'f16', mul(3), add(0.1), split(2), cat(0) ]]")
    );
}

static void test_ties_and_views(void **state)
{
    (void)state;
    round_trip(a_job(GOLDEN "views.pth", NULL, NULL), "out.pth");
    round_trip(a_job(GOLDEN "views.pth", NULL, NULL), "out.safetensors");
    round_trip(a_job(GOLDEN "computed.pth", NULL, NULL), "out.pth");
    in_all_formats(a_job(GOLDEN "tied_in.pth", GOLDEN "tied_target.pth", NULL));
    in_all_formats(a_job(GOLDEN "tied_half.pth", GOLDEN "tied_half_target.pth", NULL));
}

static void test_shared_objects_of_metadata(void **state)
{
    (void)state;
    round_trip(a_job(GOLDEN "module.pth", NULL, NULL), "out.pth");
    round_trip(a_job(GOLDEN "parallel_in.pth", NULL, "strip 'module.'"), "out.pth");
    round_trip(a_job(GOLDEN "names.pth", NULL, NULL), "out.pth");
    round_trip(a_job(GOLDEN "surrogates.pth", NULL, NULL), "out.pth");
}

static void test_whole_under_and_compact(void **state)
{
    (void)state;
    Job job = a_job(DEMO "pretrain.pth", DEMO "net.pth", "strip 'module.' policy{shape='skip'}");
    job.plan.whole = true;
    round_trip(job, "out.pth");
    job = a_job(GOLDEN "views.pth", NULL, NULL);
    job.plan.compact = true;
    round_trip(job, "out.pth");
    job = a_job(GOLDEN "views.pth", NULL, NULL);
    job.options.under = "model";
    round_trip(job, "out.pth");
}

static void test_dtypes(void **state)
{
    (void)state;
    round_trip(a_job(GOLDEN "dtypes.pth", NULL, NULL), "out.pth");
    round_trip(a_job(GOLDEN "dtypes.safetensors", NULL, NULL), "out.safetensors");
    round_trip(a_job(GOLDEN "float4.pth", NULL, NULL), "out.pth");
}

/* ---- sources ---- */

static void copy_file(const char *from, const char *to, size_t at, char byte)
{
    size_t n;
    char *bytes = read_file(from, &n);
    if (at < n) bytes[at] ^= byte;
    FILE *file = fopen(to, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n + (at == n), file), n + (at == n));
    fclose(file);
    free(bytes);
}

static void expect_refusal(const char *path, const PlanGiven *given, const char *words)
{
    Error err = {0};
    PlanFile *file = plan_file_read(path, &err);
    if (!file) fail_msg("%s", err.text);
    assert_null(plan_open(file, given, &err));
    assert_error_has(err, words);
    plan_file_free(file);
}

/* A plan and its source move together: its path is relative. */
static void test_paths_count_from_the_plan(void **state)
{
    (void)state;
    char inner[600], name[600];
    snprintf(inner, sizeof inner, "%s/deep", folder);
    mkdir(inner, 0777);
    snprintf(name, sizeof name, "%s/deep/in.pth", folder);
    copy_file(GOLDEN "views.pth", name, SIZE_MAX, 0);
    Arena *arena = arena_new();
    assert_string_equal(plan_relative(arena, "tests/data/p.json", GOLDEN "views.pth"),
                        "golden/views.pth");
    assert_string_equal(plan_relative(arena, "tests/data/golden/p.json", GOLDEN "views.pth"),
                        "views.pth");
    assert_string_equal(plan_relative(arena, "tests/unit/p.json", GOLDEN "views.pth"),
                        "../data/golden/views.pth");
    assert_string_equal(plan_relative(arena, "p.json", GOLDEN "views.pth"), GOLDEN "views.pth");
    assert_string_equal(plan_relative(arena, "p.json", "/x/y.pth"), "/x/y.pth");
    assert_string_equal(plan_relative(arena, "tests/data/golden/p.json", "tests/data/demo/"),
                        "../demo");
    arena_free(arena);
}

static void test_another_file_is_refused(void **state)
{
    (void)state;
    const char *copy = in_folder("copy.pth");
    Job job = a_job(GOLDEN "views.pth", NULL, NULL);
    write_job(&job, NULL);
    copy_file(GOLDEN "views.pth", copy, SIZE_MAX, 0);
    apply_plan(in_folder("p.json"), &(PlanGiven){copy, NULL}, in_folder("same.pth"));
    copy_file(GOLDEN "views.pth", copy, 700, 1);
    expect_refusal(in_folder("p.json"), &(PlanGiven){copy, NULL}, "as large, but its header_sha256");
    expect_refusal(in_folder("p.json"), &(PlanGiven){GOLDEN "dtypes.pth", NULL},
                   "is not the file that");
    expect_refusal(in_folder("p.json"), &(PlanGiven){GOLDEN "dtypes.pth", NULL}, "--source FILE");
    expect_refusal(in_folder("p.json"), &(PlanGiven){GOLDEN "nothing.pth", NULL}, "no such file");
}

static void test_another_target_is_refused(void **state)
{
    (void)state;
    Job job = a_job(DEMO "pretrain.pth", DEMO "net.pth", "strip 'module.' policy{shape='skip'}");
    write_job(&job, NULL);
    expect_refusal(in_folder("p.json"), &(PlanGiven){NULL, GOLDEN "views.pth"}, "--target FILE");
}

/* Sharded models are told by what their shards hold, not by the index alone. */
static void test_fingerprint_of_shards(void **state)
{
    (void)state;
    Error err = {0};
    Fingerprint print, again;
    Checkpoint *one = open_checkpoint("tests/data/folders/dcp");
    const Container *container = checkpoint_choose(one, NULL, &err);
    assert_non_null(container);
    assert_true(fingerprint_make(one, container->dict, &print, &err));
    assert_true(fingerprint_make(one, container->dict, &again, &err));
    assert_string_equal(print.sha256, again.sha256);
    assert_int_equal(strlen(print.sha256), 64);
    assert_true(print.size > 0);
    checkpoint_unref(one);
}

/* Whatever byte of a large file changes where it is looked at, its print changes. */
static void test_fingerprint_of_a_large_file(void **state)
{
    (void)state;
    enum { SIZE = 600 << 10 };
    static const size_t places[] = {0, 72 << 10, SIZE - 1};
    char *bytes = mem_alloc(SIZE);
    char prints[4][CHECKSUM_TEXT];
    for (size_t i = 0; i < 4; i++) {
        Error err = {0};
        Fingerprint print;
        if (i) bytes[places[i - 1]] ^= 1;
        FILE *file = fopen(in_folder("large.bin"), "wb");
        fwrite(bytes, 1, SIZE, file);
        fclose(file);
        Checkpoint *checkpoint = checkpoint_new(in_folder("large.bin"), "test");
        ByteSource *opened = source_open_file(in_folder("large.bin"), &err);
        checkpoint_set_opened(checkpoint, opened);
        source_unref(opened);
        StateDict *dict = dict_new();
        assert_true(fingerprint_make(checkpoint, dict, &print, &err));
        assert_int_equal(print.size, SIZE);
        memcpy(prints[i], print.sha256, CHECKSUM_TEXT);
        for (size_t k = 0; k < i; k++) assert_string_not_equal(prints[k], prints[i]);
        dict_unref(dict);
        checkpoint_unref(checkpoint);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_renames),
        cmocka_unit_test(test_kept_from_the_target),
        cmocka_unit_test(test_fit_and_fill),
        cmocka_unit_test(test_every_kind_of_fill),
        cmocka_unit_test(test_ops),
        cmocka_unit_test(test_ties_and_views),
        cmocka_unit_test(test_shared_objects_of_metadata),
        cmocka_unit_test(test_whole_under_and_compact),
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_paths_count_from_the_plan),
        cmocka_unit_test(test_another_file_is_refused),
        cmocka_unit_test(test_another_target_is_refused),
        cmocka_unit_test(test_fingerprint_of_shards),
        cmocka_unit_test(test_fingerprint_of_a_large_file),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
