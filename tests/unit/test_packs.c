/* The bundled packs: each does what the cases in its head say, forward and back; those that have a
 * counterpart in ../shared/pairs load exactly what the truth there says, and back. And the heads
 * themselves: what is read, and what a broken head or a pack that does something else is told. */
#include <unistd.h>

#include "scripting/pack.h"
#include "tests/unit/scripts.h"

#include "tests/unit/json_file.h"

/* ---- every pack's own test ---- */

static void every_pack_passes_its_own_test(void **state)
{
    (void)state;
    size_t packs = 0;
    for (const BundledRules *pack = bundled_rules; pack->name; pack++) {
        if (pack->kind != BUNDLED_PACK) continue;
        Arena *arena = arena_new();
        PackHead head;
        Error err = {0};
        packs++;
        assert_int_equal(strlen(pack->text), pack->n);
        if (!pack_read(arena, pack->text, pack->n, pack->name, &head, &err))
            fail_msg("%s", err.text);
        if (!head.count) fail_msg("%s has no test", pack->name);
        if (!*head.summary || strstr(pack->text, "\n-- Source: ") == NULL)
            fail_msg("%s does not say what it is, or whence", pack->name);
        if (strncmp(pack->text + 3, pack->name, strlen(pack->name)) != 0)
            fail_msg("%s has another name in its head", pack->name);
        for (size_t i = 0; i < head.count; i++)
            if (!pack_test(&head, &head.cases[i], pack->text, pack->n, pack->name, NULL, &err))
                fail_msg("%s", err.text);
        arena_free(arena);
    }
    assert_true(packs > 25);
}

static void packs_are_found_by_both_names(void **state)
{
    (void)state;
    bool reverse;
    Error err;
    const BundledRules *pack = pack_find("llama_hf_to_meta", &reverse, &err);
    assert_non_null(pack);
    assert_false(reverse);
    assert_ptr_equal(pack_find("llama_meta_to_hf", &reverse, &err), pack);
    assert_true(reverse);
    assert_non_null(pack_find("sd_unet_diffusers_to_ldm", &reverse, &err));
    assert_true(reverse);
    assert_non_null(pack_find("gpt_neox_split_to_fused", NULL, &err));
    assert_non_null(pack_find("torch_to_flax", &reverse, &err));
    assert_true(reverse);
    assert_null(pack_find("llama_hf_to_mata", &reverse, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.text, "no bundled rules 'llama_hf_to_mata'; did you mean "
                        "'llama_hf_to_meta'?; tenon rules lists them");
}

static void packs_run_as_presets(void **state)
{
    (void)state;
    static const char source[] = "module.l.0.attn.qkv.weight f32 6,2;module.l.0.LayerNorm.gamma f32 2";
    leaves(source, "preset 'wrappers' preset 'layernorm_gamma_to_weight'",
           "l.0.attn.qkv.weight l.0.LayerNorm.weight");
    leaves("LayerNorm.weight f32 2", "preset 'layernorm_weight_to_gamma'", "LayerNorm.gamma");
    leaves("LayerNorm.weight f32 2", "preset('layernorm_gamma_to_weight', {reverse=true})",
           "LayerNorm.gamma");
    leaves("conv1.weight f32 2,3,7,7", "preset 'resnet_tv_to_detectron2'{prefix='a.'}",
           "a.stem.conv1.weight");
    Bench bench;
    bench_align(&bench, "cls_token f32 1", NULL, "preset 'vit_timm_to_hf'");
    assert_int_equal(align_note_count(bench.alignment), 0);
    bench_close(&bench);
    bench_align(&bench, "x f32 1", NULL, "preset 'vit_tv_to_timm'");
    bench_note(&bench, "none of these 10 rules fits a key; top levels here: x");
    bench_close(&bench);
    fails(source, "preset 'wrappers'{reverse=true}", "fix.lua:1: preset \"wrappers\": ",
          "there is no option 'reverse'");
    fails(source, "preset 'llama_hf_to_meta'{kv=1}", "fix.lua:1: preset \"llama_hf_to_meta\": ",
          "there is no option 'kv'");
    fails(source, "preset 'wraper'", "fix.lua:1: preset: no bundled rules 'wraper'; did you mean ",
          "'wrappers'");
    fails(source, "preset 'shared'", "fix.lua:1: preset: no bundled rules 'shared'", NULL);
}

/* ---- heads ---- */

static bool run_head(const char *text, char out[1024])
{
    Arena *arena = arena_new();
    PackHead head;
    Error err = {0};
    bool ok = pack_read(arena, text, strlen(text), "p.lua", &head, &err);
    if (ok && !head.count) ok = error_set(&err, ERR_RULE, "no case");
    for (size_t i = 0; ok && i < head.count; i++)
        ok = pack_test(&head, &head.cases[i], text, strlen(text), "p.lua", NULL, &err);
    snprintf(out, 1024, "%s", err.text);
    arena_free(arena);
    return ok;
}

static void heads_say_what_comes_of_what(void **state)
{
    (void)state;
    static const char text[] =
        "-- p: joins and splits\r\n"
        "-- @reverse\r\n"
        "-- @case n=2\n"
        "--   a.{0-1}.qkv 6,2\n"
        "--   b.{0-3}.w f16 2\n"
        "--   c i64\n"
        "-- @gives\n"
        "--   a.{0-1}.{q,k,v} 2,2 <- a.{0-1}.qkv\n"
        "--   s.{0-1} f16 2,2 <- b.{0-3}.w\n"
        "--   c i64\n"
        "-- @same a.1.k[0,1] = a.1.qkv[2,1]\n"
        "-- @same c[] = c[]\n"
        "--\n"
        "-- not a tensor: a.b 3,3\n"
        "local o = ...\n"
        "n = o.n\n"
        "if o.reverse then\n"
        "  rules [[ a.{i}.q, a.{i}.k, a.{i}.v -> a.{i}.qkv |> cat(0) ; s.{i} -> s.{i}.{e} |> unstack(0) ]]\n"
        "  rules [[ s.{i}.{e} -> b.{n*i+e}.w ]]\n"
        "else\n"
        "  rules [[ a.{i}.qkv -> a.{i}.q, a.{i}.k, a.{i}.v |> split(3) ; b.{i}.w -> s.{i//n} |> stack{0, gaps=true} ]]\n"
        "end\n";
    char out[1024];
    if (!run_head(text, out)) fail_msg("%s", out);
}

/* What is wrong with a head, with its line; and packs that do not do what theirs says. */
static void broken_heads_and_packs_are_told(void **state)
{
    (void)state;
#define HEAD "-- p: x\n-- @case\n--   a 4,2\n--   b 4\n-- @gives\n"
    static const struct { const char *text, *error; } cases[] = {
        {"-- p: x\n-- @gives\n", "p.lua:2: a @case must come before '@gives'"},
        {"-- p: x\n-- @case\n-- @wrong\n", "p.lua:3: @case, @gives, @same, @oneway and @reverse"},
        {"-- p: x\n-- @case\n--   a 4,,2\n", "p.lua:3: expected a shape such as 2,3, not '4,,2'"},
        {"-- p: x\n-- @case\n--   a -4\n", "p.lua:3: expected a shape"},
        {"-- p: x\n-- @case\n--   a 1,1,1,1,1,1,1,1,1\n", "p.lua:3: expected a shape"},
        {"-- p: x\n-- @case\n--   a 99999999999\n", "p.lua:3: expected a shape"},
        {"-- p: x\n-- @case\n--   a 4 4\n", "p.lua:3: unexpected in a line of a tensor: '4'"},
        {"-- p: x\n-- @case\n--   a 4 <- b\n", "p.lua:3: unexpected in a line of a tensor: '<-'"},
        {"-- p: x\n-- @case\n--   a.{0-99999999} 4\n", "p.lua:3: these are no keys"},
        {"-- p: x\n-- @case\n--   a.{0- 4\n", "p.lua:3: these are no keys"},
        {"-- p: x\n-- @case\n--   a f32 HWIO 4,4\n", "p.lua:3: another number of axes"},
        {HEAD "--   c 4 <-\n", "p.lua:6: no key behind '<-'"},
        {HEAD "--   c.{0-1} 4 <- d.{0-2}\n", "p.lua:6: the numbers of keys left and right do not"},
        {HEAD "-- @same a[0] b[0]\n", "p.lua:6: expected KEY[…] = KEY[…]"},
        {HEAD "-- @same a = b\n", "p.lua:6: expected KEY[index,…], not 'a'"},
        {"-- p: x\n-- @case\n--   a 4\n--   a 4\n-- @gives\n", "p.lua:2: 'a' stands there twice"},
        {"-- p: x\n-- @case\n--   a 2000000\n-- @gives\n", "p.lua:2: a test may have"},
        {"-- p: x\n-- @case\n--   a q4_0 32\n-- @gives\n", "p.lua:2: a: a test cannot make up q4_0"},
        {HEAD "--   a 4,2\n", "p.lua:2: 'b' is neither used nor dropped"},
        {HEAD "--   a 4,2\n--   c 4\n", "p.lua:2: 'c' is missing"},
        {HEAD "--   a 4,2\n--   b 5\n", "p.lua:2: 'b' is shape"},
        {HEAD "--   c 4,2 <- b\n--   b 4\nrules [[ a -> c ]]", "p.lua:6: 'c' comes from a, not from b"},
        {HEAD "--   a 2,4\n--   b 4\n-- @same a[1,0] = a[0,1]\nrules [[ a -> a |> reshape(2,4) ]]",
         "p.lua:8: the element of 'a' is not that of 'a'"},
        {HEAD "--   a 4,2\n--   b 4\n-- @same a[4,0] = a[0,0]\n", "p.lua:8: 'a' has no such element"},
        {HEAD "--   a 4,2\n--   b 4\n-- @same c[0] = a[0,0]\n", "p.lua:8: there is no tensor 'c'"},
        {HEAD "--   a 4,2\n--   b 4\nrules [[ a -> b |> split(3) ]]", "p.lua:2: p.lua:8: "},
        {"-- p: x\n-- @reverse\n-- @case\n--   a 2,2\n-- @gives\n--   a 2,2\n"
         "if not (...).reverse then rules [[ a -> a |> T ]] end", "p.lua:3: in reverse: 'a' has other"},
        {"-- p: x\n-- @reverse\n-- @case\n--   a 2,2\n-- @gives\n--   b 2,2 <- a\n"
         "rules [[ a -> b ]]", "p.lua:3: in reverse: 'a' is missing"},
        {"-- p: x\n-- @case heads=\n--   a 2\n-- @gives\n--   a 2\n", "p.lua:2: p.lua:1: options:1: "},
        {"rules [[ a -> b ]]", "no case"},
    };
#undef HEAD
    for (size_t i = 0; i < countof(cases); i++) {
        char out[1024];
        if (run_head(cases[i].text, out)) fail_msg("passes: %s", cases[i].text);
        if (!strstr(out, cases[i].error)) fail_msg("'%s' is not '%s'", out, cases[i].error);
    }
}

/* ---- real key sets ---- */

static const char pairs_folder[] = "../shared/pairs";

static const struct PairPack { const char *pair, *pack, *options; bool back; } pair_packs[] = {
    {"bert_tf_to_hf_T_sorted", "bert_tf_to_hf", "", true},
    {"caffe_vgg16_to_pet", "vgg16_caffe_to_pet", "", true},
    {"fb_convnext_to_timm", "convnext_fb_to_timm", "", true},
    {"gpt2_hf_to_nanogpt_T", "gpt2_hf_to_nanogpt", "", true},
    {"hf_llama3_8b_to_meta", "llama_hf_to_meta", "heads=32", true},
    {"hf_llama7b_to_gguf_sorted", "llama_hf_to_gguf", "head_dim=128", true},
    {"hf_llama7b_to_meta", "llama_hf_to_meta", "head_dim=128", true},
    {"mixtral_stack", "mixtral_experts_to_stacked", "", true},
    {"openai_clip_to_hf", "clip_openai_to_hf", "", true},
    {"sd15_unet_to_diffusers", "sd_unet_ldm_to_diffusers", "prefix='model.diffusion_model.'", true},
    {"timm_vit_to_hf", "vit_timm_to_hf", "", true},
    {"tv_convnext_to_timm", "convnext_tv_to_timm", "", true},
    {"tv_mobilenetv2_to_timm", "mobilenetv2_tv_to_timm", "", true},
    {"tv_resnet50_to_detectron2", "resnet_tv_to_detectron2", "", true},
    {"tv_swin_to_fb", "swin_tv_to_fb", "", true},
    {"tv_vit_to_timm", "vit_tv_to_timm", "", true},
    {"whisper_openai_to_hf", "whisper_openai_to_hf", "", true},
    {"dp_resnet50_headswap", "wrappers", "", false},
};

/* How many lines of truth have this target and, if not NULL, this source; `to` is the column of the
 * target: 1, and 0 on the way back. */
static size_t count_truth(const Value *truth, const char *source, const char *target, int to)
{
    size_t count = 0;
    for (size_t i = 0; i < truth->list.count; i++) {
        const ValueItem *line = truth->list.items[i].value->list.items;
        count += strcmp(line[to].value->string, target) == 0 &&
                 (!source || strcmp(line[1 - to].value->string, source) == 0);
    }
    return count;
}

static bool is_ignored(const Value *pair, const char *name)
{
    const Value *ignore = value_get(pair, "ignore");
    for (size_t i = 0; ignore && i < ignore->list.count; i++)
        if (strcmp(ignore->list.items[i].value->string, name) == 0) return true;
    return false;
}

/* Every target has exactly the true sources, and one without any is not loaded. */
static void check_pair(const struct PairPack *one, const Value *pair, bool back)
{
    Bench bench = {.source = checkpoint_new("source", "test")};
    Error err = {0};
    Text options = {0};
    const BundledRules *pack = pack_find(one->pack, NULL, &err);
    const Value *truth = value_get(pair, "truth");
    assert_non_null(pack);
    const Value *sides[] = {value_get(pair, "source"), value_get(pair, "target")};
    checkpoint_add_container(bench.source, "", schema_dict(sides[back], NULL, NULL), 0, false);
    bench.target = schema_dict(sides[!back], NULL, NULL);
    bench.draft = draft_new(bench.source, NULL, bench.target, 0);
    bench.script = script_new(bench.draft, NULL);
    text_addf(&options, "%s%s", one->options, back ? ", reverse=true" : "");
    if (!script_run_with(bench.script, pack->text, pack->n, pack->name,
                         text_string(&options) + (*one->options ? 0 : back ? 2 : 0), &err))
        fail_msg("%s: %s", one->pair, err.text);
    bench_finish(&bench);
    if (!bench.alignment) fail_msg("%s", bench.err.text);
    for (size_t i = 0; i < align_count(bench.alignment); i++) {
        const Binding *binding = align_binding(bench.alignment, i);
        const size_t want = count_truth(truth, NULL, binding->name, back ? 0 : 1);
        if (is_ignored(pair, binding->name)) continue;
        const bool loaded = binding->status == BIND_LOADED;
        if (!want && loaded && !back)
            fail_msg("%s: %s is loaded", one->pair, binding->name);
        if (want && (!loaded || binding->source_count != want))
            fail_msg("%s: %s is %s from %u, not loaded from %zu", one->pair, binding->name,
                     bind_word(binding->status), binding->source_count, want);
        for (uint32_t k = 0; want && k < binding->source_count; k++)
            if (!count_truth(truth, binding->sources[k]->name, binding->name, back ? 0 : 1))
                fail_msg("%s: %s comes from %s", one->pair, binding->name,
                         binding->sources[k]->name);
    }
    text_done(&options);
    bench_close(&bench);
}

static void packs_reproduce_the_pairs(void **state)
{
    (void)state;
    if (access(pairs_folder, R_OK) != 0) {
        print_message("skipped: %s is not there\n", pairs_folder);
        skip();
    }
    for (size_t i = 0; i < countof(pair_packs); i++) {
        Arena *arena = arena_new();
        const Value *pair = json_file(arena, arena_printf(arena, "%s/%s.json", pairs_folder,
                                                          pair_packs[i].pair));
        assert_non_null(pair);
        check_pair(&pair_packs[i], pair, false);
        if (pair_packs[i].back) check_pair(&pair_packs[i], pair, true);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pack_passes_its_own_test),
        cmocka_unit_test(packs_are_found_by_both_names),
        cmocka_unit_test(packs_run_as_presets),
        cmocka_unit_test(heads_say_what_comes_of_what),
        cmocka_unit_test(broken_heads_and_packs_are_told),
        cmocka_unit_test(packs_reproduce_the_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
