/* The failed loads of issue threads (tests/pains), each as the text that was posted: what is
 * proposed is what mended it. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loader/core/fold.h"
#include "repl/explain.h"

/* A failed load, its keys folded as reports fold them, blanks between; sizes as key:2x3:4x3. Where
 * `text` is given it is the whole message. */
typedef struct Pain {
    const char *name;
    const char *missing, *unexpected, *sizes, *text;
    const char *line;            /* proposed, as a step or as a choice; NULL: none must be */
    const char *words;           /* the explanation says them; NULL */
    int status;
} Pain;

static const Pain pains[] = {
    {"1 data parallel", "features.{0,3}.{weight,bias}", "module.features.{0,3}.{weight,bias}", 0, 0,
     "strip \"module.\"", NULL, 0},
    {"2 compiled", "tok_emb.weight trf_blocks.{0-3}.att.qkv.weight",
     "_orig_mod.tok_emb.weight _orig_mod.trf_blocks.{0-3}.att.qkv.weight", 0, 0,
     "strip \"_orig_mod.\"", NULL, 0},
    {"3 nested wrappers", "blocks.{0-2}.heads.{0,1}.key.weight",
     "_orig_mod.module.blocks.{0-2}.heads.0.key.weight "
     "module._orig_mod.blocks.{0-2}.heads.1.key.weight", 0, 0,
     "strip{\"module.\", \"_orig_mod.\", again=true}", NULL, 0},
    {"4 prefix sometimes", "model.decoder.embed_tokens.weight model.decoder.norm.weight",
     "_forward_module.model.decoder.embed_tokens.weight "
     "_forward_module.model.decoder.norm.weight", 0, 0, "strip \"_forward_module.\"", NULL, 0},
    {"5 container", "module.conv1.weight module.fc.weight", "state_dict", 0, 0, NULL,
     "unwrap \"state_dict\"", 0},
    {"6 block chunks", "blocks.0.{0-1}.norm1.weight blocks.1.{2-3}.norm1.weight",
     "blocks.{0-3}.norm1.weight", 0, 0, "rules [[ blocks.{i}.** -> blocks.{i//2}.{i}.** ]]", NULL,
     0},
    {"7 densenet", "features.denseblock{1-2}.denselayer{1-3}.{norm,conv}{1-2}.weight",
     "features.denseblock{1-2}.denselayer{1-3}.{norm,conv}.{1-2}.weight", 0, 0,
     "sub [[ norm.{i}.weight -> norm{i}.weight ; conv.{i}.weight -> conv{i}.weight ]]|"
     "sub [[ conv.{i}.weight -> conv{i}.weight ; norm.{i}.weight -> norm{i}.weight ]]", NULL, 0},
    {"8 module renamed", "map_classifier.{0,2,4}.{weight,bias}",
     "world_classifier.{0,2,4}.{weight,bias}", 0, 0,
     "rules [[ world_classifier.** -> map_classifier.** ]]", NULL, 0},
    {"9 gamma and beta", "l.{0-1}.output.LayerNorm.{gamma,beta}",
     "l.{0-1}.output.LayerNorm.{weight,bias}", 0, 0,
     "preset \"layernorm_weight_to_gamma\"|"
     "sub [[ LayerNorm.bias -> LayerNorm.beta ; LayerNorm.weight -> LayerNorm.gamma ]]", NULL, 0},
    {"10 position ids", 0, "text_model.embeddings.position_ids", 0, 0,
     "rules [[ **.position_ids -> ]]", "makes them itself", 0},
    {"11 counters", "bn1.num_batches_tracked layer1.{0,1}.bn1.num_batches_tracked", 0, 0, 0,
     "fill(\"**.num_batches_tracked\", zeros())", NULL, 0},
    {"12 classes", 0, 0, "fc.weight:1000x2048:50x2048 fc.bias:1000:50", 0,
     "fill(\"fc.*\", kaiming())", "1000 classes → 50", 0},
    {"13 background row", 0, 0,
     "b.0.fc_cls.weight:81x1024:101x1024 b.0.fc_cls.bias:81:101 "
     "b.1.fc_cls.weight:81x1024:101x1024 b.1.fc_cls.bias:81:101", 0,
     "rules [[ b.{i}.fc_cls.* -> b.{i}.fc_cls.* |> function(t) return t:slice(0, 0, 80):pad(0, "
     "100):cat(0, t:slice(0, 80)) end ]]", "stays last", 0},
    {"14 vocabulary", 0, 0,
     "model.embed_tokens.weight:32002x8:32000x8 lm_head.weight:32002x8:32000x8", 0,
     "rules [[ lm_head.weight -> lm_head.weight |> fit(0) ]]", "the last 2 rows", 0},
    {"14 grown", 0, 0, "model.embed_tokens.weight:32000x8:32064x8", 0,
     "rules [[ model.embed_tokens.weight -> model.embed_tokens.weight |> fit(0, zeros) ]]", NULL,
     0},
    {"15 positions", 0, 0,
     "vit.embeddings.position_embeddings:1x577x768:1x197x768 classifier.weight:1000x768:2x768", 0,
     "rules [[ vit.embeddings.position_embeddings -> vit.embeddings.position_embeddings |> "
     "pos_embed() ]]", "577 = 24² + 1 and 197 = 14² + 1", 0},
    {"16 window", 0, 0,
     "l.0.relative_position_bias_table:841x4:529x4 l.0.relative_position_index:225x225:144x144 "
     "l.0.attn_mask:64x225x225:64x144x144", 0,
     "rules [[ l.0.relative_position_bias_table -> l.0.relative_position_bias_table |> "
     "rel_pos_bias() ]]", "a window of 15 for one of 12", 0},
    {"17 coordinates", 0, 0,
     "a.relative_coords_table:1x13x13x2:1x11x11x2 a.relative_bias:1x16x49x49:1x16x36x36", 0,
     "rules [[ **.relative_coords_table -> ]] keep_target \"**.relative_coords_table\"", NULL, 0},
    {"18 fused", "l.{0,1}.qkv_proj.{weight,bias}", "l.{0,1}.{q,k,v}_proj.{weight,bias}", 0, 0,
     "rules [[ **.k_proj.{p:*}, **.v_proj.{p:*}, **.q_proj.{p:*} -> **.qkv_proj.{p} |> cat(0) ]]",
     NULL, 0},
    {"19 text encoder", "text_encoder.text_model.encoder.layers.{0-3}.fc{1,2}.weight",
     "detector_model.text_encoder.encoder.layers.{0-3}.fc{1,2}.weight", 0, 0,
     "rules [[ detector_model.text_encoder.** -> text_encoder.text_model.** ]]", NULL, 0},
    {"20 swapped", "model.language_model.layers.{0-2}.up.weight model.visual.blocks.{0,1}.n.weight",
     "model.layers.{0-2}.up.weight visual.blocks.{0,1}.n.weight", 0, 0,
     "rules [[ visual.** -> model.visual.** ; model.** -> model.language_model.** ]]", NULL, 0},
    {"21 weight norm", 0, 0, 0,
     "Some weights of the model checkpoint at x were not used when initializing W: "
     "['c.conv.weight_g', 'c.conv.weight_v']\nSome weights of W were not initialized from the model "
     "checkpoint at x and are newly initialized: ['c.conv.parametrizations.weight.original0', "
     "'c.conv.parametrizations.weight.original1']\n",
     "sub [[ weight_g -> parametrizations.weight.original0 ; weight_v -> "
     "parametrizations.weight.original1 ]]", NULL, 0},
    {"22 spectral norm", "r.{1,2}.conv1.weight_{orig,u,v}", "r.{1,2}.conv1.weight", 0, 0,
     "rules [[ r.{i}.conv{n}.weight -> r.{i}.conv{n}.weight_orig ]] keep_target "
     "\"**.weight_{k:u|v}\"", NULL, 0},
    {"23 flat ema", 0, 0, 0,
     "unexpected key in source state_dict: ema_backbone_conv1_conv_weight, ema_head_bias\n",
     "rules [[ ema_backbone_conv1_conv_weight -> ]]", NULL, 0},
    {"24 conv1d", 0, "h.{0,1}.attn.{bias,masked_bias}",
     "h.0.c_fc.weight:768x3072:3072x768 h.1.c_fc.weight:768x3072:3072x768", 0,
     "rules [[ h.{i}.c_fc.weight -> h.{i}.c_fc.weight |> T ]]", NULL, 0},
    {"27 tied", 0, 0, 0, "Tensor lm_head.weight required but not present in model x", NULL,
     "tie(\"lm_head.weight\"", 0},
    {"28 metadata", 0, 0, 0, "OSError: The safetensors archive passed at x does not contain the "
     "valid metadata. Make sure you save your model", NULL, "always says the format", 0},
    {"29 adapter", 0, 0, 0, "lora key not loaded: t.attn.to_q.lora_A.weight\n"
     "lora key not loaded: t.attn.to_q.lora_B.weight\n", NULL, "lora{}", 0},
    {"30 global", 0, 0, 0, "Weights only load failed. Unsupported global: GLOBAL "
     "models.yolo.Model was not an allowed global by default", NULL, "models.yolo.Model", 0},
    {"31 auxiliary head", 0, "AuxLogits.conv0.{conv,bn}.weight AuxLogits.fc.{weight,bias}", 0, 0,
     "rules [[ AuxLogits.** -> ]]", "only training", 0},
    {"32 optimizer", 0, 0, 0, "ValueError: loaded state dict contains a parameter group that "
     "doesn't match the size of optimizer's group", NULL, "optimizer{from=", 0},
    {"33 tf kernels", 0, 0, "conv1.weight:7x7x1x64:64x3x7x7 k.weight:3x3x64x128:128x64x3x3", 0,
     "rules [[ conv1.weight -> conv1.weight |> permute(3, 2, 0, 1), tile(1, 3), mul(1/3) ]]",
     NULL, 0},
    {"35 another size", 0, 0,
     "d.0.q.weight:4x4:6x6 d.0.n.weight:4:6 d.0.f.weight:8x4:12x6 d.0.f.bias:8:12 "
     "d.1.q.weight:4x4:6x6 d.1.n.weight:4:6 d.1.f.weight:8x4:12x6 d.1.f.bias:8:12", 0, NULL,
     "another size", 0},
    {"teacher and student", "cls_token blocks.{0-2}.norm1.weight", "student teacher optimizer epoch", 0,
     0, NULL, "the weights lie in its \"teacher\"", 0},
    {"tied decoder", "cls.predictions.decoder.{weight,bias}", 0, 0, 0, NULL,
     "tie(\"cls.predictions.decoder.weight\"", 0},
    {"another head", "classifier.dense.{weight,bias} classifier.out_proj.{weight,bias}",
     "lm_head.bias lm_head.dense.{weight,bias} lm_head.layer_norm.{weight,bias}", 0, 0,
     "keep_target \"classifier.**\"", "heads are often new", 0},
    {"alphabet", 0, 0, "lm_head.weight:32x8:51x8 lm_head.bias:32:51", 0,
     "fill(\"lm_head.*\", kaiming())", "32 classes → 51", 0},
    {"grid of two axes", 0, 0, "e.pos_embed:1x64x64x8:1x32x32x8", 0,
     "rules [[ e.pos_embed -> e.pos_embed |> pos_embed() ]]", "64×64 places for 32×32", 0},
    /* what must not be mended */
    {"equal siblings", "l.{a,b}.weight", "l.{conv1,conv3}.weight", 0, 0, NULL, "Not explained", 1},
    {"any text", 0, 0, 0, "hello", NULL, "Nothing in it", 1},
};

static void add_keys(Text *out, const char *title, const char *keys)
{
    if (!keys) return;
    Arena *arena = arena_new();
    char *copy = arena_strdup(arena, keys), *rest;
    const char *before = "";
    text_addf(out, "\t%s key(s) in state_dict: ", title);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        const char **names;
        size_t n = fold_expand(arena, word, UINT64_MAX, &names);
        for (size_t i = 0; i < n; i++, before = ", ") text_addf(out, "%s\"%s\"", before, names[i]);
    }
    text_add(out, ". \n");
    arena_free(arena);
}

static void add_dims(Text *out, const char *dims)
{
    text_add(out, "torch.Size([");
    for (; *dims; dims++) text_add(out, *dims == 'x' ? ", " : (char[]){*dims, '\0'});
    text_add(out, "])");
}

static void add_sizes(Text *out, const char *sizes)
{
    char *copy = mem_strdup(sizes ? sizes : ""), *rest;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *from = strchr(word, ':'), *to = strchr(from + 1, ':');
        *from++ = *to++ = '\0';
        text_addf(out, "\tsize mismatch for %s: copying a param with shape ", word);
        add_dims(out, from);
        text_add(out, " from checkpoint, the shape in current model is ");
        add_dims(out, to);
        text_add(out, ".\n");
    }
    free(copy);
}

static void write_pain(const Pain *pain, const char *path)
{
    Text text = {0};
    if (pain->text) {
        text_add(&text, pain->text);
    } else {
        text_add(&text, "RuntimeError: Error(s) in loading state_dict for Net:\n");
        add_keys(&text, "Missing", pain->missing);
        add_keys(&text, "Unexpected", pain->unexpected);
        add_sizes(&text, pain->sizes);
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.bytes, 1, text.length, file), text.length);
    assert_int_equal(fclose(file), 0);
    text_done(&text);
}

/* Alternatives stand between bars. */
static bool is_line(const char *line, const char *wanted)
{
    size_t n = strlen(line);
    for (const char *p = wanted; (p = strstr(p, line)); p++)
        if ((p == wanted || p[-1] == '|') && (!p[n] || p[n] == '|')) return true;
    return false;
}

static bool has_line(const Explanation *explanation, const char *wanted)
{
    for (size_t i = 0; i < explanation->step_count; i++) {
        const ExplainStep *step = &explanation->steps[i];
        if (is_line(step->proposal.line, wanted)) return true;
        for (size_t k = 0; k < step->choice_count; k++)
            if (is_line(step->choices[k].line, wanted)) return true;
    }
    return false;
}

static void check_pain(const Pain *pain, const char *path)
{
    Error err = {0};
    write_pain(pain, path);
    Explanation *explanation = explanation_new(path, NULL, &err);
    assert_non_null(explanation);
    if (!explanation_run(explanation, &err)) fail_msg("%s: %s", pain->name, err.text);
    Text text = {0};
    explanation_text(explanation, false, &text);
    bool good = explanation->status == pain->status &&
                (pain->line ? has_line(explanation, pain->line) : !explanation->step_count) &&
                (!pain->words || strstr(text_string(&text), pain->words));
    if (!good)
        fail_msg("%s: status %d, wanted %s and '%s' in\n%s", pain->name, explanation->status,
                 pain->line ? pain->line : "no line", pain->words ? pain->words : "",
                 text_string(&text));
    text_clear(&text);
    explanation_json(explanation, &text);
    Arena *arena = arena_new();
    if (!json_parse(arena, text.bytes, text.length, "json", 100000, &err))
        fail_msg("%s: %s", pain->name, err.text);
    arena_free(arena);
    text_done(&text);
    explanation_free(explanation);
}

static void test_pains(void **state)
{
    (void)state;
    char path[] = "/tmp/tenon-explain.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < countof(pains); i++) check_pain(&pains[i], path);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pains)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
