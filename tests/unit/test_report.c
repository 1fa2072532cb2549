/* Reports: the text to the word, its 20 lines, and the JSON member by member. */
#include "tests/unit/test.h"

#include "loader/align/report.h"
#include "tests/unit/align_fixture.h"

/* ResNet-50's tensors, 318 without the head, with or without BatchNorm counters. */
static void add_norm(Text *text, const char *name, int width, bool counters)
{
    text_addf(text, "%s.weight %d\n%s.bias %d\n%s.running_mean %d\n%s.running_var %d\n", name, width,
              name, width, name, width, name, width);
    if (counters) text_addf(text, "%s.num_batches_tracked - i64\n", name);
}

static void add_block(Text *text, const char *block, int in, int width, bool first, bool counters)
{
    char name[128];
    const int from[] = {in, width, width}, to[] = {width, width, width * 4}, kernel[] = {1, 3, 1};
    for (int i = 0; i < 3; i++) {
        text_addf(text, "%s.conv%d.weight %d,%d,%d,%d\n", block, i + 1, to[i], from[i], kernel[i],
                  kernel[i]);
        snprintf(name, sizeof name, "%s.bn%d", block, i + 1);
        add_norm(text, name, to[i], counters);
    }
    if (!first) return;
    text_addf(text, "%s.downsample.0.weight %d,%d,1,1\n", block, width * 4, in);
    snprintf(name, sizeof name, "%s.downsample.1", block);
    add_norm(text, name, width * 4, counters);
}

static void add_resnet(Text *text, const char *prefix, bool counters)
{
    static const int blocks[] = {3, 4, 6, 3};
    char name[96];
    int in = 64;
    text_addf(text, "%sconv1.weight 64,3,7,7\n", prefix);
    snprintf(name, sizeof name, "%sbn1", prefix);
    add_norm(text, name, 64, counters);
    for (int layer = 0; layer < 4; layer++)
        for (int block = 0; block < blocks[layer]; block++) {
            snprintf(name, sizeof name, "%slayer%d.%d", prefix, layer + 1, block);
            add_block(text, name, in, 64 << layer, block == 0, counters);
            in = 256 << layer;
        }
}

static void assert_text(const char *found, const char *expected)
{
    if (strcmp(found, expected) != 0) fail_msg("found:\n%s\nexpected:\n%s", found, expected);
}

static void assert_report(const Fixture *fixture, const ReportOptions *options,
                          const char *expected)
{
    Text out = {0};
    report_text(fixture->alignment, options, &out);
    assert_text(text_string(&out), expected);
    text_done(&out);
}

static void assert_holds(const Fixture *fixture, const ReportOptions *options, const char *part)
{
    Text out = {0};
    report_text(fixture->alignment, options, &out);
    if (!strstr(text_string(&out), part))
        fail_msg("\n%s\ndoes not hold\n%s", text_string(&out), part);
    text_done(&out);
}

static const ReportOptions plain = {.source_path = "a.pth", .target_path = "b.pth"};

/* ---- the text, to the word ---- */

static void test_head_swap(void **state)
{
    (void)state;
    Text source = {0}, target = {0};
    add_resnet(&source, "module.backbone.", true);
    text_add(&source, "module.head.fc.weight 100,2048\nmodule.head.fc.bias 100\n");
    add_resnet(&target, "backbone.", true);
    text_add(&target, "head.fc.weight 200,2048\nhead.fc.bias 200\n");
    Fixture f = align_texts(text_string(&source), text_string(&target),
                            "strip \"module.\"\n"
                            "policy{ shape=\"skip\", dtype=\"skip\", missing=\"keep\" }");
    const char *rules[] = {"EssentialMC2 rules"};
    const ReportOptions options = {.source_path = "pretrain.pth", .target_path = "classifier.json",
                                   .rule_files = rules, .rule_count = 1};
    assert_report(&f, &options,
        "tenon  pretrain.pth → classifier.json   (EssentialMC2 rules)\n"
        "\n"
        "  318 of 320 tensors loaded   23.6 M of 24.0 M values\n"
        "    2 differ in shape, kept from the target\n"
        "    0 missing   2 unused   0 ambiguous\n"
        "\n"
        "  Shape differs (2)                      source        target\n"
        "    head.fc.weight                       100×2048      200×2048     dim 0: 100 classes → 200\n"
        "    head.fc.bias                         100           200          same layer\n"
        "    The classifier was made for another number of classes. Fine if you train it again.\n"
        "    To take the first 100 rows:   rules [[ head.fc.* -> head.fc.* |> fit(0) ]]\n");
    text_done(&source);
    text_done(&target);
    free_fixture(&f);
}

static void test_frozen_norm(void **state)
{
    (void)state;
    Text source = {0}, target = {0};
    add_resnet(&source, "", true);
    text_add(&source, "fc.weight 1000,2048\nfc.bias 1000\n");
    add_resnet(&target, "", false);
    Fixture f = align_texts(text_string(&source), text_string(&target), NULL);
    const ReportOptions options = {.source_path = "resnet50.pth", .target_path = "retinanet.json"};
    assert_report(&f, &options,
        "tenon  resnet50.pth → retinanet.json\n"
        "\n"
        "  265 of 265 tensors loaded   all target keys have a value\n"
        "\n"
        "  Unused in the source (55)\n"
        "     53  **.num_batches_tracked          BatchNorm counters; the target's norm is frozen\n"
        "      2  fc.{bias,weight}                1000×2048; no target has this shape\n");
    text_done(&source);
    text_done(&target);
    free_fixture(&f);
}

static void test_missing_family(void **state)
{
    (void)state;
    Text source = {0}, target = {0};
    for (int i = 0; i < 12; i++) {
        text_addf(&source, "blocks.%d.gamma_1 768\nblocks.%d.gamma_2 768\n", i, i);
        text_addf(&target, "layers.%d.ls1.gamma 768\nlayers.%d.ls2.gamma 768\n", i, i);
    }
    Fixture f = align_texts(text_string(&source), text_string(&target),
                            "policy{ missing=\"keep\" }");
    assert_holds(&f, &plain,
        "  Missing (24)   nothing in the source fits; kept as in the target\n"
        "     12  layers.{0-11}.ls1.gamma  [768]          nearest unused: blocks.{0-11}.gamma_1 [768]   same shape and count\n"
        "     12  layers.{0-11}.ls2.gamma  [768]          nearest unused: blocks.{0-11}.gamma_2 [768]\n"
        "    Rule that would load them:   rules [[ blocks.{i}.gamma_{n} -> layers.{i}.ls{n}.gamma ]]\n");
    text_done(&source);
    text_done(&target);
    free_fixture(&f);
}

static void test_collision(void **state)
{
    (void)state;
    Fixture f = align_texts("module.a.w 1\na.w 2", "a.w 2", "\nstrip \"module.\"");
    assert_holds(&f, &plain,
        "  Collision (error)   two source tensors get one name; nothing was written\n"
        "     a.w   ←  module.a.w [1]   and   a.w [2]        after: strip \"module.\"   (rules.lua:2)\n");
    free_fixture(&f);
}

static void test_rule_problem(void **state)
{
    (void)state;
    StateDict *target = make_dict("a 1");
    Fixture f = {.source = make_source("s.pth", make_dict("a 1")), .target = target};
    Draft *draft = draft_new(f.source, NULL, target, 0);
    Error err = {0};
    draft_note(draft, NOTE_ERROR, (Origin){"rules.lua", 7}, "%s",
               "**.experts.{e}.w1.weight, **.experts.{e}.w3.weight -> **.experts.gate_up_proj\n"
               "model.layers.3: w1 has experts 0-7, w3 has 0-6 (7 is not in the file)");
    draft_note(draft, NOTE_INFO, (Origin){"rules.lua", 9}, "strip \"x.\" fits no key");
    f.alignment = align_finish(draft, &err);
    assert_holds(&f, &plain,
        "  Rule problem (error)   rules.lua:7   **.experts.{e}.w1.weight, **.experts.{e}.w3.weight -> **.experts.gate_up_proj\n"
        "     model.layers.3: w1 has experts 0-7, w3 has 0-6 (7 is not in the file)\n"
        "  Rule problem (note)   rules.lua:9   strip \"x.\" fits no key\n");
    assert_int_equal(align_exit(f.alignment), 2);
    free_fixture(&f);
}

/* ---- more causes ---- */

static void test_shape_causes(void **state)
{
    (void)state;
    Fixture f = align_texts("emb.word_embeddings.weight 32002,8\nvit.pos_embed 1,577,8\n"
                            "conv1.weight 8,3,7,7\nh.c_attn.weight 6,2\n"
                            "b.relative_position_index 225,225 i64\np.weight 4,1,1",
                            "emb.word_embeddings.weight 32000,8\nvit.pos_embed 1,197,8\n"
                            "conv1.weight 8,4,7,7\nh.c_attn.weight 2,6\n"
                            "b.relative_position_index 144,144 i64\np.weight 4", NULL);
    ReportOptions options = plain;
    options.verbose = true;
    assert_holds(&f, &options, "    The vocabulary has another size.\n"
                 "    To take the 32000 rows both have:   rules [[ emb.word_embeddings.weight ->");
    assert_holds(&f, &options, "    The positions are a grid of 24×24 + 1, the target's 14×14 + 1: "
                 "the first rows would be the wrong places.\n    To resample them, as timm does:   "
                 "rules [[ vit.pos_embed -> vit.pos_embed |> pos_embed() ]]\n");
    assert_holds(&f, &options, "    To repeat and scale them, as timm does:   rules [[ conv1.weight "
                 "-> conv1.weight |> in_chans(4) ]]\n");
    assert_holds(&f, &options, "    To turn them:   rules [[ h.c_attn.weight -> h.c_attn.weight |> "
                 "T ]]\n");
    assert_holds(&f, &options, "    index table; follows from the window size\n    To leave it as the "
                 "model has it:   rules [[ **.relative_position_index -> ]] keep_target "
                 "\"**.relative_position_index\"\n");
    assert_holds(&f, &options, "reshape(4)");
    free_fixture(&f);
}

/* What the first rows would be wrong for is resampled, or its middle taken. */
static void test_tables_of_places(void **state)
{
    (void)state;
    Fixture f = align_texts("e.pos_embed 1,64,64,8\na.rel_pos_h 55,8\nc.rel_pos_w 27,8\n"
                            "b.relative_position_bias_table 169,4\nd.embed_positions.weight 90,8\n"
                            "lm_head.weight 32,8\nclass_embed.weight 92,8",
                            "e.pos_embed 1,32,32,8\na.rel_pos_h 27,8\nc.rel_pos_w 55,8\n"
                            "b.relative_position_bias_table 529,4\nd.embed_positions.weight 50,8\n"
                            "lm_head.weight 51,8\nclass_embed.weight 7,8", NULL);
    ReportOptions options = plain;
    options.verbose = true;
    assert_holds(&f, &options, "    The positions are a grid of 64×64, the target's 32×32: the first rows "
                 "would be the wrong places.\n    To resample them, as timm does:   rules [[");
    assert_holds(&f, &options, "    To take the offsets that both have:   rules [[ a.rel_pos_h -> "
                 "a.rel_pos_h |> slice(0, 14, 41) ]]\n");
    assert_holds(&f, &options, "    To resample it, as BEiT does:   rules [[ "
                 "b.relative_position_bias_table -> b.relative_position_bias_table |> "
                 "rel_pos_bias() ]]\n");
    assert_holds(&f, &options, "    To take the first 50 positions:   rules [[ d.embed_positions");
    assert_holds(&f, &options, "dim 0: 32 classes → 51");
    assert_holds(&f, &options, "dim 0: 92 classes → 7");
    assert_holds(&f, &options, "    To draw them out over the larger window, as timm does:   rules [[ "
                 "c.rel_pos_w -> c.rel_pos_w |> rel_pos_bias{mode=\"linear\", old={14,1}, "
                 "new={28,1}} ]]\n");
    free_fixture(&f);
}

/* A layer inside the model is no head: what stands beside it or behind it tells. A head is one
 * though a layer of as many inputs as it has rows stands before it, and though its matrix has been
 * settled already. */
static void test_inner_layers(void **state)
{
    (void)state;
    static const struct Case {
        const char *source, *target, *rules;
        bool inner;
    } cases[] = {
        {"l.0.a.weight 32,16\nl.1.a.weight 32,16", "l.0.a.weight 32,16\nl.1.a.weight 40,16", NULL, true},
        {"heads.0.weight 8,16\nheads.1.weight 8,16", "heads.0.weight 8,16\nheads.1.weight 9,16", NULL, false},
        {"heads.0.fc.weight 8,16\nheads.1.fc.weight 8,16", "heads.0.fc.weight 8,16\nheads.1.fc.weight 9,16",
         NULL, false},
        {"a.weight 32,8\nc.weight 4,32", "a.weight 31,8\nc.weight 4,32", NULL, true},
        {"a.weight 32,8\nc.weight 4,32", "a.weight 48,8\nc.weight 4,48", NULL, true},
        {"a.weight 32,8\nb.weight 32", "a.weight 48,8\nb.weight 48", NULL, true},
        {"a.weight 7,7\nc.weight 5,7", "a.weight 7,7\nc.weight 6,7", NULL, false},
        {"n.weight 9\nn.bias 9", "n.weight 8\nn.bias 8", NULL, true},
        {"fc.weight 9,4\nfc.bias 9", "fc.weight 9,4\nfc.bias 8", NULL, true},
        {"fc.weight 9,4\nfc.bias 9", "fc.weight 8,4\nfc.bias 8", "rules [[ fc.weight -> fc.weight |> fit(0) ]]", false},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Fixture f = align_texts(cases[i].source, cases[i].target, cases[i].rules);
        assert_holds(&f, &plain, cases[i].inner ? "    A layer inside the model has another width"
                                                : "    The classifier was made for another number");
        free_fixture(&f);
    }
}

static void test_another_size(void **state)
{
    (void)state;
    Text source = {0}, target = {0};
    for (int i = 0; i < 12; i++) {
        text_addf(&source, "l.%d.q.weight 256,256\nl.%d.fc.weight 512,256\nl.%d.norm.weight 256\n",
                  i, i, i);
        text_addf(&target, "l.%d.q.weight 512,512\nl.%d.fc.weight 1024,512\nl.%d.norm.weight 512\n",
                  i, i, i);
    }
    Fixture f = align_texts(text_string(&source), text_string(&target), NULL);
    assert_report(&f, &plain,
        "tenon  a.pth → b.pth\n"
        "\n"
        "   0 of 36 tensors loaded   0 of 9.4 M values\n"
        "  36 differ in shape, not loaded\n"
        "   0 missing   36 unused   0 ambiguous\n"
        "\n"
        "  Shape differs (36)                     source        target\n"
        "    l.{0-11}.q.weight                    256×256       512×512      dims 0 and 1   12 tensors\n"
        "    l.{0-11}.fc.weight                   512×256       1024×512     dims 0 and 1   12 tensors\n"
        "    l.{0-11}.norm.weight                 256           512          dim 0: 256 → 512   12 tensors\n"
        "    A different architecture size: no rule mends that. Take the checkpoint of this size.\n");
    text_done(&source);
    text_done(&target);
    free_fixture(&f);
}

static void test_wrapper(void **state)
{
    (void)state;
    Fixture f = align_texts("module.a.w 2\nmodule.b.w 3\nmodule.c.w 4",
                            "a.w 2\nb.w 3\nc.w 4\nd.w 5", NULL);
    assert_holds(&f, &plain, "    Rule that would load 3 of them:   strip \"module.\"\n");
    free_fixture(&f);
}

/* Names that differ by the prefix alone are not listed one by one. */
static void test_renamed(void **state)
{
    (void)state;
    Fixture f = align_texts("module.a.w 2\nmodule.b.w 3\nmodule.fc.w 4,9", "a.w 2\nb.w 3\nfc.w 5,9",
                            NULL);
    assert_report(&f, &plain,
        "tenon  a.pth → b.pth\n"
        "\n"
        "  0 of 3 tensors loaded   0 of 50 values\n"
        "  3 missing   3 unused   0 ambiguous\n"
        "\n"
        "  Missing (3)   nothing in the source fits\n"
        "      2  stand in the source, shape and all, under another prefix\n"
        "      1  fc.w  [5×9]\n"
        "    Rule that would load 2 of them:   strip \"module.\"\n"
        "\n"
        "  Unused in the source (3)\n"
        "      2  nearest to what is missing, see above\n"
        "      1  module.fc.w                     4×9; no target has this shape\n");
    free_fixture(&f);
}

static void test_other_container(void **state)
{
    (void)state;
    Fixture f = {.source = checkpoint_new("s.pth", "torch-zip"), .target = make_dict("a.w 2\nb.w 3")};
    checkpoint_add_container(f.source, "student", make_dict("x 1\ny 1"), 0, false);
    checkpoint_add_container(f.source, "teacher", make_dict("a.w 2\nb.w 3"), 0, false);
    Error err = {0};
    f.alignment = align_finish(draft_new(f.source, "student", f.target, 0), &err);
    assert_non_null(f.alignment);
    assert_holds(&f, &plain, "tenon  a.pth::student → b.pth\n");
    assert_holds(&f, &plain, "    2 of these names are in   a.pth::teacher\n");
    free_fixture(&f);
}

static void test_known_buffers(void **state)
{
    (void)state;
    Fixture f = align_texts("a 1\nemb.position_ids 1,77 i64\nh.0.attn.bias 1,1,8,8\n"
                            "h.0.attn.masked_bias -", "a 1\nq.attn.bias 8", NULL);
    assert_holds(&f, &plain, "emb.position_ids                positions 0, 1, 2 …; the code makes "
                 "them itself\n");
    assert_holds(&f, &plain, "h.0.attn.bias                   causal mask; a constant of the code\n");
    free_fixture(&f);
}

static void test_types(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2 f16\nb 2 f16\nc 2 i64", "a 2\nb 2\nc 2", NULL);
    assert_holds(&f, &plain,
        "  Type differs (3)\n"
        "      1  c                               i64 → f32, not loaded\n"
        "    To convert all the same:   rules [[ c -> c |> cast \"f32\" ]]\n"
        "      2  tensors                         f16 → f32, cast\n");
    free_fixture(&f);
}

static void test_kept_and_filled(void **state)
{
    (void)state;
    Fixture f = align_texts("x 1", "x 1\nh.a 2 f32 @\nfc.weight 3,2\nfc.bias 3",
                            "keep_target \"h.**\"\nfill(\"fc.*\", kaiming())");
    assert_holds(&f, &plain,
        "  1 of 4 tensors loaded   1 of 12 values\n"
        "  1 kept from the target\n"
        "  2 filled\n"
        "  0 missing   0 unused   0 ambiguous\n"
        "\n"
        "  Kept (1)   the target's own values\n"
        "      1  h.a                             keep_target (rules.lua:1)\n"
        "\n"
        "  Filled (2)\n");
    assert_holds(&f, &plain, "      1  fc.bias                         kaiming()   1-D: zeros under "
                 "kaiming\n");
    free_fixture(&f);
}

static void test_result_line(void **state)
{
    (void)state;
    Fixture f = align_texts("a 1", "a 1", NULL);
    ReportOptions options = plain;
    options.writing = true;
    assert_holds(&f, &options, "\n\nnothing written\n");
    const ReportOutput output = {.path = "aligned.safetensors", .format = "safetensors",
                                 .tensors = 320, .bytes = 95884232};
    options.output = &output;
    assert_holds(&f, &options, "\n\nwritten aligned.safetensors  320 tensors  95.9 MB\n");
    free_fixture(&f);
}

static Object *entry(Arena *arena, ObjectKind kind, double number)
{
    Object *object = object_new(arena, kind);
    if (kind == OBJ_INT)
        object->integer = (int64_t)number;
    else
        object->number = number;
    return object;
}

static void test_not_a_tensor(void **state)
{
    (void)state;
    Fixture f = {.source = make_source("s.pth", make_dict("a 1"))};
    Arena *arena = checkpoint_arena(f.source);
    Object *root = object_new(arena, OBJ_DICT);
    object_push(arena, root, object_str(arena, "epoch"));
    object_push(arena, root, entry(arena, OBJ_INT, 6));
    object_push(arena, root, object_str(arena, "best_pred"));
    object_push(arena, root, entry(arena, OBJ_FLOAT, 0.91));
    checkpoint_set_root(f.source, root);
    Error err = {0};
    f.alignment = align_finish(draft_new(f.source, NULL, NULL, 0), &err);
    ReportOptions options = {.source_path = "s.pth"};
    assert_report(&f, &options,
        "tenon  s.pth\n"
        "\n"
        "  1 of 1 tensors loaded   1 values\n"
        "\n"
        "  Not a tensor (2)   epoch = 6, best_pred = 0.91: not carried over\n");
    free_fixture(&f);
}

static void test_names_are_shown_safely(void **state)
{
    (void)state;
    Fixture f = align_texts("a 1", "a 1\nb\x1b[2Jc 2", NULL);
    Text out = {0};
    report_text(f.alignment, &plain, &out);
    assert_null(strchr(text_string(&out), 0x1b));
    assert_non_null(strstr(text_string(&out), "b\\x1b[2Jc"));
    text_done(&out);
    free_fixture(&f);
}

/* ---- 20 lines ---- */

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static void test_twenty_lines(void **state)
{
    (void)state;
    Text source = {0}, target = {0};
    for (int i = 0; i < 60; i++) {
        text_addf(&source, "%c%c.k 5,%d\n%c%c.s %d,3\n", 'a' + i / 26, 'a' + i % 26, 100 + i,
                  'a' + i / 26, 'a' + i % 26, i + 3);
        text_addf(&target, "%c%c.m 7,%d\n%c%c.s %d,3,3\n", 'a' + i / 26, 'a' + i % 26, 200 + i,
                  'a' + i / 26, 'a' + i % 26, i + 4);
    }
    Fixture f = align_texts(text_string(&source), text_string(&target),
                            "strip \"x.\"\nfill(\"zz\", zeros())");
    ReportOptions options = plain;
    options.writing = true;
    Text out = {0};
    report_text(f.alignment, &options, &out);
    if (count_lines(text_string(&out)) > 20) fail_msg("%s", text_string(&out));
    assert_non_null(strstr(text_string(&out), "more groups; -v shows all"));
    text_clear(&out);
    options.verbose = true;
    report_text(f.alignment, &options, &out);
    assert_true(count_lines(text_string(&out)) > 120);
    assert_null(strstr(text_string(&out), "…"));
    text_done(&out);
    text_done(&source);
    text_done(&target);
    free_fixture(&f);
}

/* Beyond 120 columns the nearest has a row of its own, which counts. */
static void test_long_lines_are_wrapped(void **state)
{
    (void)state;
    const char *parent = "model._orig_mod.backbone._checkpoint_wrapped_module.encoder.layers.attn";
    Text source = {0}, target = {0}, out = {0};
    for (int i = 0; i < 15; i++) {
        text_addf(&source, "%s.%c_projection_out.weight %d,3\n", parent, 'a' + i, i + 2);
        text_addf(&target, "backbone.encoder.layers.%c_projection.weight %d,3\n", 'a' + i, i + 2);
    }
    Fixture f = align_texts(text_string(&source), text_string(&target), NULL);
    report_text(f.alignment, &plain, &out);
    assert_non_null(strstr(text_string(&out), "[2×3]\n           nearest unused: model._orig_mod."));
    assert_true(count_lines(text_string(&out)) <= 20);
    text_done(&out);
    text_done(&source);
    text_done(&target);
    free_fixture(&f);
}

/* ---- JSON ---- */

static void test_json(void **state)
{
    (void)state;
    Fixture f = align_texts("module.conv1.weight 64,3,7,7\nmodule.head.fc.weight 100,2048",
                            "conv1.weight 64,3,7,7\nhead.fc.weight 200,2048 f32 @",
                            "\nstrip \"module.\"");
    const char *rules[] = {"rules.lua"};
    const ReportOptions options = {.source_path = "pretrain.pth", .target_path = "net.pth",
                                   .target_format = "torch-zip", .target_container = "",
                                   .rule_files = rules, .rule_count = 1, .exit = 1};
    Text out = {0};
    report_json(f.alignment, &options, &out);
    assert_text(text_string(&out),
        "{\"version\":1,\"tool\":\"tenon " TENON_VERSION "\","
        "\"source\":{\"path\":\"pretrain.pth\",\"format\":\"torch-zip\",\"container\":\"\","
        "\"tensors\":2,\"bytes\":856832},"
        "\"target\":{\"path\":\"net.pth\",\"format\":\"torch-zip\",\"container\":\"\","
        "\"tensors\":2,\"bytes\":1676032},"
        "\"rules\":[{\"file\":\"rules.lua\"}],"
        "\"summary\":{\"loaded\":1,\"tied\":0,\"filled\":0,\"kept\":0,\"shape\":1,\"dtype\":0,"
        "\"missing\":0,\"ambiguous\":0,\"used\":1,\"dropped\":0,\"unused\":1,\"collision\":0,"
        "\"values_loaded\":9408,\"values_target\":419008},"
        "\"entries\":["
        "{\"target\":\"conv1.weight\",\"status\":\"loaded\",\"sources\":[\"module.conv1.weight\"],"
        "\"ops\":[],\"how\":\"rule\",\"rule\":\"rules.lua:2\",\"steps\":[{\"rule\":\"rules.lua:2\","
        "\"from\":\"module.conv1.weight\",\"to\":\"conv1.weight\"}],\"confidence\":1.0,"
        "\"shape\":[64,3,7,7],\"dtype\":\"f32\"},"
        "{\"target\":\"head.fc.weight\",\"status\":\"shape\",\"sources\":[\"module.head.fc.weight\"],"
        "\"ops\":[],\"how\":null,\"rule\":\"rules.lua:2\",\"steps\":[{\"rule\":\"rules.lua:2\","
        "\"from\":\"module.head.fc.weight\",\"to\":\"head.fc.weight\"}],\"confidence\":1.0,"
        "\"source_shape\":[100,2048],\"shape\":[200,2048],\"dtype\":\"f32\",\"reason\":\"dim 0\","
        "\"suggest\":\"rules [[ head.fc.weight -> head.fc.weight |> fit(0) ]]\"}],"
        "\"source_entries\":["
        "{\"source\":\"module.conv1.weight\",\"status\":\"used\",\"shape\":[64,3,7,7],"
        "\"dtype\":\"f32\",\"nearest\":null},"
        "{\"source\":\"module.head.fc.weight\",\"status\":\"unused\",\"shape\":[100,2048],"
        "\"dtype\":\"f32\",\"reason\":\"offered to head.fc.weight: shape\",\"nearest\":null}],"
        "\"ties\":[],\"collisions\":[],\"rule_notes\":[],\"optimizer\":null,\"output\":null,"
        "\"exit\":1}\n");
    text_done(&out);
    free_fixture(&f);
}

static void test_json_problems(void **state)
{
    (void)state;
    Fixture f = align_texts("module.a.w 1\na.w 2", NULL, "strip \"module.\"; strip \"zz.\"");
    const ReportOptions options = {.source_path = "s.pth", .exit = 2};
    Text out = {0};
    report_json(f.alignment, &options, &out);
    assert_non_null(strstr(text_string(&out), "\"target\":null,"));
    assert_non_null(strstr(text_string(&out), "\"collisions\":[{\"name\":\"a.w\",\"sources\":"
                           "[\"module.a.w\",\"a.w\"],\"rule\":\"rules.lua:1\","
                           "\"after\":\"strip \\\"module.\\\"\"}]"));
    assert_non_null(strstr(text_string(&out), "\"rule_notes\":[{\"level\":\"note\","
                           "\"rule\":\"rules.lua:1\",\"text\":"));
    text_done(&out);
    free_fixture(&f);
}

/* The alignment and both reports of 94,000 tensors are not the slow part of anything. */
static void test_many(void **state)
{
    (void)state;
    enum { LAYERS = 60, EXPERTS = 520 };
    StateDict *source = dict_new(), *target = dict_new();
    char line[128];
    for (int i = 0; i < LAYERS; i++)
        for (int j = 0; j < EXPERTS; j++)
            for (int k = 0; k < 3; k++) {
                snprintf(line, sizeof line, "model.layers.%d.mlp.experts.%d.w%d.weight %d,8", i, j,
                         k, k ? 16 : 32);
                add_tensor(source, line);
                snprintf(line, sizeof line, "layers.%d.mlp.experts.%d.w%d.weight %d,8", i, j, k,
                         k ? 16 : 32);
                add_tensor(target, line);
            }
    Fixture f = align_dicts(source, target, NULL);
    assert_string_equal(align_binding(f.alignment, 500)->suggest, "strip \"model.\"");
    Text out = {0};
    report_text(f.alignment, &plain, &out);
    assert_non_null(strstr(text_string(&out), "Rule that would load them:   strip \"model.\"\n"));
    text_clear(&out);
    report_json(f.alignment, &plain, &out);
    assert_true(out.length > 10000000);
    text_done(&out);
    free_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_swap),      cmocka_unit_test(test_frozen_norm),
        cmocka_unit_test(test_missing_family), cmocka_unit_test(test_collision),
        cmocka_unit_test(test_rule_problem),   cmocka_unit_test(test_shape_causes),
        cmocka_unit_test(test_tables_of_places),
        cmocka_unit_test(test_inner_layers), cmocka_unit_test(test_another_size), cmocka_unit_test(test_wrapper),
        cmocka_unit_test(test_renamed),        cmocka_unit_test(test_other_container),
        cmocka_unit_test(test_known_buffers),
        cmocka_unit_test(test_types),          cmocka_unit_test(test_kept_and_filled),
        cmocka_unit_test(test_result_line),    cmocka_unit_test(test_not_a_tensor),
        cmocka_unit_test(test_names_are_shown_safely), cmocka_unit_test(test_twenty_lines),
        cmocka_unit_test(test_long_lines_are_wrapped),
        cmocka_unit_test(test_json), cmocka_unit_test(test_json_problems),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
