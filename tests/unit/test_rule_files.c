/* The rule files of tests/data/rules: every target gets exactly the true sources, what is left
 * over has the state it should, and where tensors are rearranged their values are right. The
 * same for the whole key sets in ../shared/rules, where that folder is there. */
#include <unistd.h>

#include "tests/unit/scripts.h"

#include "tests/unit/json_file.h"

static const char data_folder[] = "tests/data/rules", whole_folder[] = "../shared/rules";

typedef struct RuleFile {
    const char *name;
    const char *rest;            /* the state of targets that have no source */
    const char *left;            /* the state of sources that no target uses */
    int exit;
    size_t sources, targets, truth;   /* of the whole key sets */
} RuleFile;

static const RuleFile files[] = {
    {"01_dataparallel", "shape", "unused", 1, 320, 320, 318},
    {"02a_essmc2_head", "kept", "unused", 0, 320, 320, 318},
    {"02b_essmc2_sub", NULL, "dropped", 0, 320, 318, 318},
    {"03_pet_vgg16", NULL, NULL, 0, 30, 30, 30},
    {"04_rgb2bgr", NULL, NULL, 0, 2, 2, 2},
    {"05_tv_to_d2", NULL, "dropped", 0, 320, 265, 265},
    {"06_timm_vit_to_hf", NULL, NULL, 0, 32, 40, 40},
    {"07_llama_hf_to_meta", NULL, NULL, 0, 21, 21, 21},
    {"08_mixtral", NULL, NULL, 0, 35, 21, 35},
    {"09_clip", NULL, NULL, 0, 302, 398, 398},
    {"10_sd_unet", NULL, NULL, 0, 686, 686, 686},
    {"11_lightning_compile", NULL, "dropped", 0, 33, 32, 32},
};

enum { VALUES_MAX = 1 << 16, STEP = 10000 };

/* Element e of the tensor with that number in its file; exact in f32 for the small files. */
static float value_of(size_t tensor, int64_t e)
{
    return (float)((int64_t)tensor * STEP + e);
}

/* Values for a small tensor; big ones stay without data. */
static void give_data(void *context, Tensor *tensor, size_t number)
{
    Checkpoint *checkpoint = context;
    const uint64_t count = tensor_count(tensor);
    if (count > VALUES_MAX) return;
    float *values = mem_alloc((count + 1) * sizeof *values);
    for (uint64_t e = 0; e < count; e++) values[e] = value_of(number, (int64_t)e);
    Storage *storage = arena_alloc(checkpoint_arena(checkpoint), sizeof *storage);
    *storage = (Storage){.source = source_from_memory(values, count * sizeof *values, "values"),
                         .bytes = count * sizeof *values, .dtype = DT_F32,
                         .index = (uint32_t)number};
    checkpoint_own_source(checkpoint, storage->source);
    tensor->storage = storage;
    free(values);
}

static void open_bench(Bench *bench, const Value *pair)
{
    *bench = (Bench){.source = checkpoint_new("source.pth", "torch-zip")};
    const char *container = value_get_string(pair, "container_of_source", "");
    StateDict *source = schema_dict(value_get(pair, "source"), bench->source, give_data);
    checkpoint_add_container(bench->source, container, source, *container != '\0', false);
    bench->target = schema_dict(value_get(pair, "target"), NULL, NULL);
    bench->draft = draft_new(bench->source, NULL, bench->target, 0);
    bench->script = script_new(bench->draft, NULL);
}

/* How many of the lines of truth name this target and, if not NULL, this source. */
static size_t count_truth(const Value *truth, const char *source, const char *target)
{
    size_t count = 0;
    for (size_t i = 0; i < truth->list.count; i++) {
        const Value *line = truth->list.items[i].value;
        count += strcmp(line->list.items[1].value->string, target) == 0 &&
                 (!source || strcmp(line->list.items[0].value->string, source) == 0);
    }
    return count;
}

static void check_target(const RuleFile *file, const Value *truth, const Binding *binding)
{
    const size_t want = count_truth(truth, NULL, binding->name);
    if (!want) {
        if (!file->rest || strcmp(bind_word(binding->status), file->rest) != 0)
            fail_msg("%s: %s is %s", file->name, binding->name, bind_word(binding->status));
        return;
    }
    if (binding->status != BIND_LOADED || binding->source_count != want)
        fail_msg("%s: %s is %s from %u sources, not loaded from %zu", file->name, binding->name,
                 bind_word(binding->status), binding->source_count, want);
    for (uint32_t i = 0; i < binding->source_count; i++)
        if (count_truth(truth, binding->sources[i]->name, binding->name) != 1)
            fail_msg("%s: %s comes from %s", file->name, binding->name, binding->sources[i]->name);
    assert_true(same_dims(binding->expr->dims, binding->expr->rank, binding->target->dims,
                          binding->target->rank));
}

static void check_sources(const RuleFile *file, const Value *truth, const Alignment *alignment)
{
    for (size_t i = 0; i < align_use_count(alignment); i++) {
        const SourceUse *use = align_use(alignment, i);
        bool used = false;
        for (size_t k = 0; k < truth->list.count && !used; k++)
            used = strcmp(truth->list.items[k].value->list.items[0].value->string,
                          use->tensor->name) == 0;
        const char *want = used ? "used" : file->left;
        if (!want || strcmp(use_word(use->status), want) != 0)
            fail_msg("%s: source %s is %s", file->name, use->tensor->name, use_word(use->status));
    }
}

/* ---- values ---- */

static const float *fill_target(const Bench *bench, const char *target, uint64_t count)
{
    static float values[VALUES_MAX];
    Error err = {0};
    const Binding *binding = align_find(bench->alignment, target);
    assert_non_null(binding);
    assert_true(tensor_count(binding->target) == count && count <= VALUES_MAX);
    if (!expr_fill(binding->expr, NULL, NULL, values, &err)) fail_msg("%s", err.text);
    return values;
}

/* The number of a source tensor in its file. */
static size_t number_of(const Bench *bench, const char *source)
{
    StateDict *dict = align_source_dict(bench->alignment);
    const Tensor *tensor = dict_find(dict, source);
    assert_non_null(tensor);
    return dict_index(dict, tensor);
}

/* 04: conv1.weight [o,3,h,w], the channels reversed. */
static void check_channels(const Bench *bench)
{
    const Tensor *tensor = dict_find(bench->target, "conv1.weight");
    const int64_t area = tensor->dims[2] * tensor->dims[3], count = (int64_t)tensor_count(tensor);
    const size_t number = number_of(bench, "conv1.weight");
    const float *values = fill_target(bench, "conv1.weight", (uint64_t)count);
    for (int64_t e = 0; e < count; e++) {
        const int64_t row = e / (3 * area), channel = e / area % 3;
        const int64_t from = (row * 3 + (2 - channel)) * area + e % area;
        assert_true(values[e] == value_of(number, from));
    }
}

/* 06: rows d … 2d of qkv are the key. */
static void check_key(const Bench *bench)
{
    const char *const key = "vit.encoder.layer.0.attention.attention.key.weight";
    const int64_t count = (int64_t)tensor_count(dict_find(bench->target, key));
    const size_t number = number_of(bench, "blocks.0.attn.qkv.weight");
    const float *values = fill_target(bench, key, (uint64_t)count);
    for (int64_t e = 0; e < count; e++) assert_true(values[e] == value_of(number, count + e));
}

/* 07: rope rows from halves to pairs, per head: row 2i of a head was row i, 2i+1 row half+i. */
static void check_rope(const Bench *bench, const char *target, const char *source, int64_t heads)
{
    const Tensor *tensor = dict_find(bench->target, target);
    const int64_t width = tensor->dims[1], head = tensor->dims[0] / heads;
    const int64_t count = (int64_t)tensor_count(tensor);
    const size_t number = number_of(bench, source);
    const float *values = fill_target(bench, target, (uint64_t)count);
    for (int64_t e = 0; e < count; e++) {
        const int64_t row = e / width, inside = row % head;
        const int64_t from = row - inside + inside % 2 * (head / 2) + inside / 2;
        assert_true(values[e] == value_of(number, from * width + e % width));
    }
}

/* 08: gate_up[e] holds the rows of w1[e], then those of w3[e]. */
static void check_experts(const Bench *bench)
{
    char source[128];
    const char *const target = "model.layers.0.mlp.experts.gate_up_proj";
    const Tensor *tensor = dict_find(bench->target, target);
    const int64_t half = tensor->dims[1] / 2, width = tensor->dims[2];
    const int64_t count = (int64_t)tensor_count(tensor);
    const float *values = fill_target(bench, target, (uint64_t)count);
    for (int64_t e = 0; e < count; e++) {
        const int64_t expert = e / (2 * half * width), row = e / width % (2 * half);
        snprintf(source, sizeof source, "model.layers.0.block_sparse_moe.experts.%d.w%d.weight",
                 (int)expert, row < half ? 1 : 3);
        const int64_t from = row % half * width + e % width;
        assert_true(values[e] == value_of(number_of(bench, source), from));
    }
}

static void check_values(const RuleFile *file, const Bench *bench)
{
    if (has_prefix(file->name, "04")) check_channels(bench);
    if (has_prefix(file->name, "06")) check_key(bench);
    if (has_prefix(file->name, "08")) check_experts(bench);
    if (!has_prefix(file->name, "07")) return;
    check_rope(bench, "layers.1.attention.wq.weight", "model.layers.1.self_attn.q_proj.weight", 4);
    check_rope(bench, "layers.1.attention.wk.weight", "model.layers.1.self_attn.k_proj.weight", 2);
}

/* ---- one file ---- */

static void check_file(const RuleFile *file, const char *folder, bool whole)
{
    size_t rules_n;
    Arena *arena = arena_new();
    Error err = {0};
    const char *path = arena_printf(arena, "%s/%s.lua", folder, file->name);
    const Value *pair = json_file(arena, arena_printf(arena, "%s/%s.json", folder, file->name));
    char *rules = file_text(path, 1 << 24, &rules_n, &err);
    if (!pair || !rules) fail_msg("%s/%s.json: %s", folder, file->name, err.text);
    const Value *truth = value_get(pair, "truth");
    Bench bench;
    open_bench(&bench, pair);
    if (!script_run(bench.script, rules, rules_n, path, &err)) fail_msg("%s", err.text);
    bench_finish(&bench);
    if (!bench.alignment) fail_msg("%s", bench.err.text);
    if (whole) {
        assert_int_equal(align_use_count(bench.alignment), file->sources);
        assert_int_equal(align_count(bench.alignment), file->targets);
        assert_int_equal(truth->list.count, file->truth);
    }
    for (size_t i = 0; i < align_count(bench.alignment); i++)
        check_target(file, truth, align_binding(bench.alignment, i));
    check_sources(file, truth, bench.alignment);
    check_values(file, &bench);
    assert_int_equal(align_collision_count(bench.alignment), 0);
    assert_int_equal(align_exit(bench.alignment), file->exit);
    bench_close(&bench);
    arena_free(arena);
    free(rules);
}

static void every_target_gets_its_sources(void **state)
{
    (void)state;
    for (size_t i = 0; i < countof(files); i++) check_file(&files[i], data_folder, false);
}

static void the_whole_key_sets_as_well(void **state)
{
    (void)state;
    if (access(whole_folder, R_OK) != 0) {
        print_message("skipped: %s is not there\n", whole_folder);
        skip();
    }
    for (size_t i = 0; i < countof(files); i++) check_file(&files[i], whole_folder, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_target_gets_its_sources),
        cmocka_unit_test(the_whole_key_sets_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
