/* Proposals: each kind gives its line from the ledger, and the line, run, settles what it should
 * and breaks nothing. */
#include "tests/unit/test.h"

#include "loader/align/proposal.h"
#include "tests/unit/align_fixture.h"

static size_t count_open(const Alignment *alignment)
{
    const size_t *bind = align_summary(alignment)->bind;
    return bind[BIND_SHAPE] + bind[BIND_DTYPE] + bind[BIND_MISSING] + bind[BIND_AMBIGUOUS];
}

static const Proposal *find_line(const ProposalList *list, const char *line)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].line && strcmp(list->items[i].line, line) == 0) return &list->items[i];
    return NULL;
}

static void print_lines(const ProposalList *list)
{
    for (size_t i = 0; i < list->count; i++)
        print_message("  %s\n", list->items[i].line ? list->items[i].line : list->items[i].why);
}

/* The line is proposed, and after it so many fewer targets are open, so many fewer sources unused. */
static void assert_proposes(const char *source, const char *target, const char *line,
                            size_t targets, size_t sources)
{
    Fixture f = align_texts(source, target, NULL);
    ProposalList list;
    Arena *arena = arena_new();
    proposals_init(&list, arena);
    proposals_find(&list, f.alignment);
    const Proposal *proposal = find_line(&list, line);
    if (!proposal) {
        print_lines(&list);
        fail_msg("not proposed: %s", line);
    }
    assert_non_null(proposal->why);
    Fixture g = align_texts(source, target, line);
    assert_int_equal(align_collision_count(g.alignment), 0);
    assert_int_equal(count_open(f.alignment) - count_open(g.alignment), targets);
    assert_int_equal(align_summary(f.alignment)->use[USE_UNUSED] -
                         align_summary(g.alignment)->use[USE_UNUSED], sources);
    proposals_done(&list);
    arena_free(arena);
    free_fixture(&f);
    free_fixture(&g);
}

static void assert_proposes_nothing_like(const char *source, const char *target, const char *part)
{
    Fixture f = align_texts(source, target, NULL);
    ProposalList list;
    Arena *arena = arena_new();
    proposals_init(&list, arena);
    proposals_find(&list, f.alignment);
    for (size_t i = 0; i < list.count; i++)
        if (list.items[i].line && strstr(list.items[i].line, part))
            fail_msg("proposed: %s", list.items[i].line);
    proposals_done(&list);
    arena_free(arena);
    free_fixture(&f);
}

/* ---- names ---- */

static void test_wrappers(void **state)
{
    (void)state;
    assert_proposes("module.a.w 2\nmodule.b.w 3", "a.w 2\nb.w 3", "strip \"module.\"", 2, 2);
    assert_proposes("module._orig_mod.a.w 2\n_orig_mod.module.b.w 3\nmodule.module.c.w 4",
                    "a.w 2\nb.w 3\nc.w 4", "strip{\"module.\", \"_orig_mod.\", again=true}", 3, 3);
    assert_proposes("a.module.w 2\nb.module.w 3", "a.w 2\nb.w 3", "seg(\"module\")", 2, 2);
}

static void test_beginnings(void **state)
{
    (void)state;
    assert_proposes("t.b.x.w 2\nt.b.y.w 3\nhead.w 4", "x.w 2\ny.w 3", "keep \"t.b.\"", 2, 3);
    assert_proposes("x.w 2\ny.w 3", "m.x.w 2\nm.y.w 3", "prefix \"m.\"", 2, 2);
    assert_proposes("old.x.w 2\nold.y.w 3\nk.w 1", "new.x.w 2\nnew.y.w 3\nk.w 1",
                    "rules [[ old.** -> new.** ]]", 2, 2);
}

/* Two exchanges that would undo each other one by one; and names that must stay. */
static void test_several_beginnings(void **state)
{
    (void)state;
    assert_proposes("visual.a.w 2\nvisual.b.w 3\nmodel.c.w 4\nmodel.d.w 5",
                    "model.visual.a.w 2\nmodel.visual.b.w 3\nmodel.lm.c.w 4\nmodel.lm.d.w 5",
                    "rules [[ visual.** -> model.visual.** ; model.** -> model.lm.** ]]", 4, 4);
    assert_proposes("model.visual.a.w 2\nmodel.c.w 4\nmodel.d.w 5",
                    "model.visual.a.w 2\nmodel.lm.c.w 4\nmodel.lm.d.w 5",
                    "rules [[ model.visual.** -> model.visual.** ; model.** -> model.lm.** ]]", 2,
                    2);
}

static void test_renamed_runs(void **state)
{
    (void)state;
    assert_proposes("f.layer1.norm.1.w 2\nf.layer1.norm.2.w 3\nf.layer1.conv.1.w 4",
                    "f.layer1.norm1.w 2\nf.layer1.norm2.w 3\nf.layer1.conv1.w 4",
                    "sub [[ norm.{i}.w -> norm{i}.w ; conv.{i}.w -> conv{i}.w ]]", 3, 3);
    assert_proposes("l.0.LayerNorm.gamma 2\nl.0.LayerNorm.beta 2\nl.1.LayerNorm.gamma 2\n"
                    "l.1.LayerNorm.beta 2",
                    "l.0.LayerNorm.weight 2\nl.0.LayerNorm.bias 2\nl.1.LayerNorm.weight 2\n"
                    "l.1.LayerNorm.bias 2",
                    "sub [[ LayerNorm.beta -> LayerNorm.bias ; LayerNorm.gamma -> "
                    "LayerNorm.weight ]]", 4, 4);
    /* what stands beside is said only where it tells names apart */
    assert_proposes("l.0.ln_1.w 2\nl.0.ln_1.b 3\nl.0.ln_2.w 2\nl.0.ln_2.b 3\nl.0.ln_2.x 9",
                    "l.0.norm1.w 2\nl.0.norm1.b 3\nl.0.norm2.w 2\nl.0.norm2.b 3",
                    "sub [[ ln_{i} -> norm{i} ]]", 4, 4);
    assert_proposes_nothing_like("l.0.norm1.gamma 2\nl.0.norm2.gamma 2\nl.0.last.gamma 3",
                                 "l.0.norm1.weight 2\nl.0.norm2.weight 2\nl.0.last.weight 3",
                                 "[[ gamma");
    assert_proposes("a.bn.w 2\na.bn.b 2\nc.bn.w 2", "a.norm.w 2\na.norm.b 2\nc.bn.w 2",
                    "sub [[ a.bn -> a.norm ]]", 2, 2);
}

static void test_numbers(void **state)
{
    (void)state;
    assert_proposes("blocks.0.n.w 2\nblocks.1.n.w 2\nblocks.2.n.w 2\nblocks.3.n.w 2",
                    "blocks.0.0.n.w 2\nblocks.0.1.n.w 2\nblocks.1.2.n.w 2\nblocks.1.3.n.w 2",
                    "rules [[ blocks.{i}.** -> blocks.{i//2}.{i}.** ]]", 4, 4);
    assert_proposes("l.1.w 2\nl.2.w 2\nl.3.w 2", "l.0.w 2\nl.1.w 2\nl.2.w 2",
                    "rules [[ l.{i}.** -> l.{i-1}.** ]]", 1, 1);
    assert_proposes("up.0.w 2\nup.1.w 3\nup.2.w 4", "ups.2.w 2\nups.1.w 3\nups.0.w 4",
                    "rules [[ up.** -> ups.** ]]", 1, 1);
}

/* ---- parts ---- */

static void test_fused(void **state)
{
    (void)state;
    assert_proposes("a.q_proj.weight 2,4\na.k_proj.weight 2,4\na.v_proj.weight 2,4\n"
                    "a.q_proj.bias 2\na.k_proj.bias 2\na.v_proj.bias 2",
                    "a.qkv_proj.weight 6,4\na.qkv_proj.bias 6",
                    "rules [[ **.q_proj.{p:*}, **.k_proj.{p:*}, **.v_proj.{p:*} -> "
                    "**.qkv_proj.{p} |> cat(0) ]]", 2, 6);
    assert_proposes("a.qkv.weight 6,4", "a.q.weight 2,4\na.k.weight 2,4\na.v.weight 2,4",
                    "rules [[ **.qkv.{p:*} -> **.q.{p}, **.k.{p}, **.v.{p} |> split(3) ]]", 3, 1);
    assert_proposes("a.qkv_proj.weight 8,4",
                    "a.q_proj.weight 4,4\na.k_proj.weight 2,4\na.v_proj.weight 2,4",
                    "rules [[ **.qkv_proj.{p:*} -> **.q_proj.{p}, **.k_proj.{p}, **.v_proj.{p} "
                    "|> split() ]]", 3, 1);
    assert_proposes("m.gate_proj.weight 3,4\nm.up_proj.weight 3,4", "m.gate_up_proj.weight 6,4",
                    "rules [[ **.gate_proj.{p:*}, **.up_proj.{p:*} -> **.gate_up_proj.{p} |> "
                    "cat(0) ]]", 1, 2);
    assert_proposes("a.in_proj_weight 6,4\na.in_proj_bias 6",
                    "a.q_proj.weight 2,4\na.k_proj.weight 2,4\na.v_proj.weight 2,4\n"
                    "a.q_proj.bias 2\na.k_proj.bias 2\na.v_proj.bias 2",
                    "rules [[ **.in_proj_{p:weight|bias} -> **.q_proj.{p}, **.k_proj.{p}, "
                    "**.v_proj.{p} |> split(3) ]]", 6, 2);
}

static void test_parametrizations(void **state)
{
    (void)state;
    assert_proposes("c.weight_g 4,1\nc.weight_v 4,3",
                    "c.parametrizations.weight.original0 4,1\n"
                    "c.parametrizations.weight.original1 4,3",
                    "sub [[ weight_g -> parametrizations.weight.original0 ; weight_v -> "
                    "parametrizations.weight.original1 ]]", 2, 2);
    assert_proposes("c.parametrizations.weight.original0 4,1\n"
                    "c.parametrizations.weight.original1 4,3", "c.weight_g 4,1\nc.weight_v 4,3",
                    "sub [[ parametrizations.weight.original0 -> weight_g ; "
                    "parametrizations.weight.original1 -> weight_v ]]", 2, 2);
    assert_proposes("c.weight_g 4,1\nc.weight_v 4,3", "c.weight 4,3", "weight_norm()", 1, 2);
    assert_proposes("c.weight_orig 4,3\nc.weight_u 4\nc.weight_v 3", "c.weight 4,3",
                    "spectral_norm()", 1, 3);
    assert_proposes("r.1.c.weight 4,3\nr.2.c.weight 4,3",
                    "r.1.c.weight_orig 4,3\nr.1.c.weight_u 4\nr.1.c.weight_v 3\n"
                    "r.2.c.weight_orig 4,3\nr.2.c.weight_u 4\nr.2.c.weight_v 3",
                    "rules [[ r.{i}.c.weight -> r.{i}.c.weight_orig ]] "
                    "fill(\"**.weight_{k:u|v}\", normal(1))", 6, 2);
}

static void test_tied(void **state)
{
    (void)state;
    assert_proposes("m.embed_tokens.weight 10,4", "m.embed_tokens.weight 10,4\nlm_head.weight 10,4",
                    "tie(\"lm_head.weight\", \"m.embed_tokens.weight\")", 1, 0);
    assert_proposes("m.embed_tokens.weight 10,4", "m.embed_tokens.weight 10,4\nlm_head.weight 10,4",
                    "rules [[ m.embed_tokens.weight -> m.embed_tokens.weight, lm_head.weight |> "
                    "copy ]]", 1, 0);
    assert_proposes("shared.weight 10,4", "shared.weight 10,4\nencoder.embed_tokens.weight 10,4",
                    "tie(\"encoder.embed_tokens.weight\", \"shared.weight\")", 1, 0);
    assert_proposes("lm_head.weight 9,4", "lm_head.weight 9,4\nm.embed_tokens.weight 9,4",
                    "tie(\"m.embed_tokens.weight\", \"lm_head.weight\")", 1, 0);
    static const char bert[] = "b.word_embeddings.weight 9,4\ncls.predictions.bias 9";
    static const char whole[] = "b.word_embeddings.weight 9,4\ncls.predictions.bias 9\n"
                                "cls.predictions.decoder.weight 9,4\ncls.predictions.decoder.bias 9";
    assert_proposes(bert, whole,
                    "tie(\"cls.predictions.decoder.weight\", \"b.word_embeddings.weight\")", 1, 0);
    assert_proposes(bert, whole,
                    "tie(\"cls.predictions.decoder.bias\", \"cls.predictions.bias\")", 1, 0);
    assert_proposes_nothing_like("a.embed_tokens.weight 10,4\nb.word_embeddings.weight 9,4",
                                 "a.embed_tokens.weight 10,4\nb.word_embeddings.weight 9,4\n"
                                 "lm_head.weight 8,4", "tie(");
}

/* Of two heads only the dense layers are called alike: one is not the other. A head that is the
 * other one layer for layer is. */
static void test_head_swaps(void **state)
{
    (void)state;
    static const char source[] = "e.w 2\nlm_head.dense.weight 4,4\nlm_head.dense.bias 4\n"
                                 "lm_head.layer_norm.weight 4";
    static const char target[] = "e.w 2\nclassifier.dense.weight 4,4\nclassifier.dense.bias 4\n"
                                 "classifier.out_proj.weight 3,4";
    assert_proposes_nothing_like(source, target, "-> classifier");
    assert_proposes(source, target, "fill(\"classifier.**\", kaiming())", 3, 0);
    assert_proposes("e.w 2\nfc.weight 4,4\nfc.bias 4", "e.w 2\nclassifier.weight 4,4\n"
                    "classifier.bias 4", "rules [[ fc.** -> classifier.** ]]", 2, 2);
}

/* ---- shapes ---- */

static void test_classes(void **state)
{
    (void)state;
    static const char source[] = "fc.weight 100,8\nfc.bias 100", more[] = "fc.weight 200,8\nfc.bias 200";
    assert_proposes(more, source, "rules [[ fc.* -> fc.* |> fit(0) ]]", 2, 2);
    assert_proposes(source, more, "rules [[ fc.* -> fc.* |> fit(0, zeros) ]]", 2, 2);
    assert_proposes(source, more, "fill(\"fc.*\", kaiming())", 2, 0);
    assert_proposes(source, more, "keep_target \"fc.*\"", 2, 0);
    assert_proposes("h.fc_cls.weight 81,8\nh.fc_cls.bias 81", "h.fc_cls.weight 101,8\nh.fc_cls.bias 101",
                    "rules [[ h.fc_cls.* -> h.fc_cls.* |> function(t) return t:slice(0, 0, 80):"
                    "pad(0, 100):cat(0, t:slice(0, 80)) end ]]", 2, 2);
    assert_proposes("class_embed.weight 92,8\nclass_embed.bias 92",
                    "class_embed.weight 8,8\nclass_embed.bias 8",
                    "rules [[ class_embed.* -> class_embed.* |> function(t) return t:slice(0, 0, 7):"
                    "cat(0, t:slice(0, 91)) end ]]", 2, 2);
    assert_proposes_nothing_like("p.cls_score.weight 91,8\np.bbox_pred.weight 364,8",
                                 "p.cls_score.weight 3,8\np.bbox_pred.weight 12,8", "function");
    assert_proposes_nothing_like("lm_head.weight 32,8\nlm_head.bias 32",
                                 "lm_head.weight 51,8\nlm_head.bias 51", "mean");
}

/* What has its value is not made anew because a sibling has none. */
static void test_made_alone(void **state)
{
    (void)state;
    static const char source[] = "b.0.attn.q_bias 8\nb.0.attn.t_table 9,4\nb.1.attn.q_bias 8\n"
                                 "b.1.attn.t_table 9,4";
    static const char target[] = "b.0.attn.q_bias 8\nb.0.attn.t_table 5,4\nb.1.attn.q_bias 8\n"
                                 "b.1.attn.t_table 5,4";
    assert_proposes(source, target, "rules [[ b.{i}.attn.* -> b.{i}.attn.* |> fit(0) ]]", 2, 2);
    assert_proposes(source, target, "keep_target \"b.{i}.attn.t_table\"", 2, 0);
    assert_proposes_nothing_like(source, target, "keep_target \"b.{i}.attn.*\"");
}

static void test_vocabulary(void **state)
{
    (void)state;
    assert_proposes("embed_tokens.weight 32002,4", "embed_tokens.weight 32000,4",
                    "rules [[ embed_tokens.weight -> embed_tokens.weight |> fit(0) ]]", 1, 1);
    assert_proposes("embed_tokens.weight 32000,4", "embed_tokens.weight 32064,4",
                    "rules [[ embed_tokens.weight -> embed_tokens.weight |> pad(0, 32064, mean) ]]",
                    1, 1);
    assert_proposes("token_embd.weight 320,4\noutput.weight 320,4",
                    "token_embd.weight 336,4\noutput.weight 336,4",
                    "rules [[ output.weight -> output.weight |> pad(0, 336, mean) ]]", 1, 1);
    assert_proposes_nothing_like("output.weight 10,4", "output.weight 12,4", "mean");
}

static void test_grids(void **state)
{
    (void)state;
    assert_proposes("v.pos_embed 1,577,8", "v.pos_embed 1,197,8",
                    "rules [[ v.pos_embed -> v.pos_embed |> pos_embed() ]]", 1, 1);
    assert_proposes("v.pos_embed 1,196,8", "v.pos_embed 1,256,8",
                    "rules [[ v.pos_embed -> v.pos_embed |> pos_embed{prefix=0} ]]", 1, 1);
    assert_proposes("a.relative_position_bias_table 841,4", "a.relative_position_bias_table 529,4",
                    "rules [[ a.relative_position_bias_table -> a.relative_position_bias_table |> "
                    "rel_pos_bias() ]]", 1, 1);
    assert_proposes("b.0.t.relative_position_bias_table 732,4\nb.0.t.q_bias 8\n"
                    "b.1.t.relative_position_bias_table 732,4\nb.1.t.q_bias 8",
                    "b.0.t.relative_position_bias_table 2212,4\nb.0.t.q_bias 8\n"
                    "b.1.t.relative_position_bias_table 2212,4\nb.1.t.q_bias 8",
                    "rules [[ b.{i}.t.relative_position_bias_table -> "
                    "b.{i}.t.relative_position_bias_table |> rel_pos_bias() ]]", 2, 2);
    assert_proposes("s.pos_embed 1,64,64,8", "s.pos_embed 1,32,48,8",
                    "rules [[ s.pos_embed -> s.pos_embed |> pos_embed() ]]", 1, 1);
    assert_proposes("pos_embed 1,37,8\nblocks.0.w 8", "v.position_embeddings 1,17,8\nv.layer.0.w 8",
                    "rules [[ pos_embed -> v.position_embeddings |> pos_embed() ]]", 1, 1);
    assert_proposes_nothing_like("pos_embed 1,37,8\nd.pos_embed 1,37,8\nw 8",
                                 "v.position_embeddings 1,17,8\nw 8", "pos_embed()");
    assert_proposes("a.rel_pos_h 55,8", "a.rel_pos_h 27,8",
                    "rules [[ a.rel_pos_h -> a.rel_pos_h |> slice(0, 14, 41) ]]", 1, 1);
    assert_proposes_nothing_like("a.rel_pos_h 27,8", "a.rel_pos_h 55,8", "fit(");
    assert_proposes("a.rel_pos_h 27,8", "a.rel_pos_h 55,8",
                    "rules [[ a.rel_pos_h -> a.rel_pos_h |> rel_pos_bias{mode=\"linear\", "
                    "old={14,1}, new={28,1}} ]]", 1, 1);
    assert_proposes("p.proj.weight 8,3,16,16", "p.proj.weight 8,3,14,14",
                    "rules [[ p.proj.weight -> p.proj.weight |> patch_embed() ]]", 1, 1);
    assert_proposes_nothing_like("v.pos_embed 1,512,8", "v.pos_embed 1,600,8", "pos_embed{");
    assert_proposes_nothing_like("a.relative_bias 1,16,49,49", "a.relative_bias 1,16,36,36",
                                 "patch_embed");
}

static void test_channels(void **state)
{
    (void)state;
    assert_proposes("conv1.weight 8,3,3,3", "conv1.weight 8,1,3,3",
                    "rules [[ conv1.weight -> conv1.weight |> in_chans(1) ]]", 1, 1);
    assert_proposes("conv1.weight 8,3,3,3", "conv1.weight 8,4,3,3",
                    "rules [[ conv1.weight -> conv1.weight |> in_chans(4) ]]", 1, 1);
    assert_proposes("conv1.weight 8,1,3,3", "conv1.weight 8,3,3,3",
                    "rules [[ conv1.weight -> conv1.weight |> tile(1, 3), mul(1/3) ]]", 1, 1);
    assert_proposes("k 7,7,3,64", "k 64,1,7,7",
                    "rules [[ k -> k |> permute(3, 2, 0, 1), in_chans(1) ]]", 1, 1);
}

static void test_layouts(void **state)
{
    (void)state;
    assert_proposes("h.0.c.weight 2,6\nh.1.c.weight 2,6", "h.0.c.weight 6,2\nh.1.c.weight 6,2",
                    "rules [[ h.{i}.c.weight -> h.{i}.c.weight |> T ]]", 2, 2);
    assert_proposes("k 3,3,8,16", "k 16,8,3,3", "rules [[ k -> k |> permute(3, 2, 0, 1) ]]", 1, 1);
}

static void test_dtypes(void **state)
{
    (void)state;
    assert_proposes("a 4 f32", "a 4 i64", "rules [[ a -> a |> cast \"i64\" ]]", 1, 1);
    assert_proposes("a 4 f32", "a 4 i64", "policy{dtype=\"force\"}", 1, 1);
}

/* ---- the rest ---- */

static void test_buffers(void **state)
{
    (void)state;
    assert_proposes("a.w 2\ne.position_ids 1,8 i64\nr.inv_freq 4", "a.w 2",
                    "rules [[ **.position_ids -> ; **.inv_freq -> ]]", 0, 2);
    assert_proposes("bn.weight 2", "bn.weight 2\nbn.num_batches_tracked - i64",
                    "fill(\"**.num_batches_tracked\", zeros())", 1, 0);
    assert_proposes("a.w 2", "a.w 2\ne.position_ids 1,8 i64", "keep_target \"**.position_ids\"", 1,
                    0);
    assert_proposes_nothing_like("a.w 2\nb.attn_mask 4,9,9",
                                 "a.w 2\nb.attn.relative_position_index 9,9", "sub");
    assert_proposes("b.0.attn_mask 4,9,9\nb.1.attn_mask 4,9,9",
                    "b.0.attn_mask 4,4,4\nb.1.attn_mask 4,4,4",
                    "rules [[ **.attn_mask -> ]] keep_target \"**.attn_mask\"", 2, 2);
}

static void test_left_over(void **state)
{
    (void)state;
    assert_proposes("a.w 2\nAuxLogits.c.w 3\nAuxLogits.fc.w 4", "a.w 2",
                    "rules [[ AuxLogits.** -> ]]", 0, 2);
    assert_proposes("a.w 2\nold.0.x 3\nold.1.x 4", "a.w 2", "rules [[ old.** -> ]]", 0, 2);
    assert_proposes("a.w 2", "a.w 2\nhead.fc.weight 3,2\nhead.fc.bias 3",
                    "fill(\"head.**\", kaiming())", 2, 0);
    assert_proposes("a.w 2", "a.w 2\nnew.0.x 3\nnew.1.x 4", "keep_target \"new.**\"", 2, 0);
    assert_proposes("a.w 2\nepoch -\noptimizer -", "a.w 2", "rules [[ epoch -> ; optimizer -> ]]",
                    0, 2);
}

/* The kind says how much a line costs; advice has none. */
static void test_costs_and_advice(void **state)
{
    (void)state;
    Fixture f = align_texts("module.a 2\nx.lora_A.weight 4,2\nhead.weight 5,2", "a 2\nhead.weight 3,2",
                            NULL);
    ProposalList list;
    Arena *arena = arena_new();
    proposals_init(&list, arena);
    proposals_find(&list, f.alignment);
    assert_int_equal(find_line(&list, "strip \"module.\"")->cost, COST_NONE);
    assert_int_equal(find_line(&list, "policy{shape=\"skip\"}")->cost, COST_WAIVED);
    bool adapter = false;
    for (size_t i = 0; i < list.count; i++)
        if (!list.items[i].line) adapter = strstr(list.items[i].why, "adapter") != NULL;
    assert_true(adapter);
    proposals_done(&list);
    arena_free(arena);
    free_fixture(&f);
}

static void test_another_size(void **state)
{
    (void)state;
    static const char source[] = "d.0.a.weight 8,4\nd.0.a.bias 8\nd.0.n.weight 4\nd.0.q.weight 4,4\n"
                                 "d.1.a.weight 8,4\nd.1.a.bias 8\nd.1.n.weight 4\nd.1.q.weight 4,4";
    static const char target[] = "d.0.a.weight 16,6\nd.0.a.bias 16\nd.0.n.weight 6\n"
                                 "d.0.q.weight 6,6\nd.1.a.weight 16,6\nd.1.a.bias 16\n"
                                 "d.1.n.weight 6\nd.1.q.weight 6,6";
    assert_proposes_nothing_like(source, target, "fit(");
    assert_proposes_nothing_like(source, target, "fill(");
}

/* Keys that rule text must quote are quoted in every line. */
static void test_hostile_names(void **state)
{
    (void)state;
    assert_proposes("a{b]].w 5,2", "a{b]].w 3,2", "fill(\"\\\"a{b]].w\\\"\", kaiming())", 1, 0);
    assert_proposes("x\"y.w 2\nx\"z.w 3", "q.y.w 2\nq.z.w 3", "keep_target \"q.**\"", 2, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrappers),
        cmocka_unit_test(test_beginnings),
        cmocka_unit_test(test_several_beginnings),
        cmocka_unit_test(test_renamed_runs),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_fused),
        cmocka_unit_test(test_parametrizations),
        cmocka_unit_test(test_tied),
        cmocka_unit_test(test_head_swaps),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_made_alone),
        cmocka_unit_test(test_vocabulary),
        cmocka_unit_test(test_grids),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_left_over),
        cmocka_unit_test(test_costs_and_advice),
        cmocka_unit_test(test_another_size),
        cmocka_unit_test(test_hostile_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
