/* Suggestions: rules that would help, that break nothing, and that are not guesses. */
#include "tests/unit/test.h"

#include "tests/unit/align_fixture.h"

/* ---- shapes ---- */

static void test_shape_reasons(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2,3\nb 2,3,4\nc 3,3,8,16\nd 4,1,1\ne 4,6\ng 4,6",
                            "a 3,2\nb 5,3,6\nc 16,8,3,3\nd 4\ne 2,2,6\ng 4", NULL);
    assert_reason(&f, "a", "same sizes, other order: transpose?");
    assert_suggest(&f, "a", "rules [[ a -> a |> T ]]");
    assert_reason(&f, "b", "dims 0 and 2");
    assert_suggest(&f, "b", NULL);
    assert_reason(&f, "c", "same sizes, other order: permute?");
    assert_suggest(&f, "c", "rules [[ c -> c |> permute(3, 2, 0, 1) ]]");
    assert_reason(&f, "d", "the same but for axes of size 1: reshape?");
    assert_suggest(&f, "d", "rules [[ d -> d |> reshape(4) ]]");
    assert_reason(&f, "e", "as many elements, another rank: reshape?");
    assert_reason(&f, "g", "rank 2 → 1");
    free_fixture(&f);
}

/* What is suggested is not only text: it works. */
static void test_suggested_rules_work(void **state)
{
    (void)state;
    const char *source = "h.0.c.weight 2,6\nh.1.c.weight 2,6\nfc.weight 5,2\nfc.bias 5\n"
                         "k 3,3,8,16\n\"x 2,3\nemb 10,4";
    const char *target = "h.0.c.weight 6,2\nh.1.c.weight 6,2\nfc.weight 3,2\nfc.bias 3\n"
                         "k 16,8,3,3\n\"x 3,2\nemb 7,4";
    Fixture f = align_texts(source, target, NULL);
    assert_suggest(&f, "h.1.c.weight",
                   "rules [[ h.{i}.c.weight -> h.{i}.c.weight |> T ]]");
    Text script = {0};
    const char *last = "";
    for (size_t i = 0; i < align_count(f.alignment); i++) {
        const char *suggest = align_binding(f.alignment, i)->suggest;
        assert_non_null(suggest);
        if (strcmp(suggest, last) != 0) text_addf(&script, "%s\n", suggest);
        last = suggest;
    }
    Fixture g = align_texts(source, target, text_string(&script));
    assert_int_equal(align_summary(g.alignment)->bind[BIND_LOADED], align_count(g.alignment));
    text_done(&script);
    free_fixture(&f);
    free_fixture(&g);
}

/* What a format tells of the order of axes beats every guess from sizes, and several ranks share
 * one op. */
static void test_layouts_are_turned(void **state)
{
    (void)state;
    const char *source = "h.0.k 3,3,8,16 f32 HWIO\nh.1.k 3,3,8,8 f32 HWIO\nd 3,3,8,1 f32 HWIM\n"
                         "e 5,2 f32 IO\nf 5,2 f32 IO\ncube 2,2,2,2 f32 HWIO";
    const char *target = "h.0.k 16,8,3,3\nh.1.k 8,8,3,3\nd 8,1,3,3\ne 2,5\nf 3,5\n"
                         "cube 2,2,2,2";
    Fixture f = align_texts(source, target, NULL);
    assert_suggest(&f, "h.1.k", "rules [[ h.{i}.k -> h.{i}.k |> to_torch ]]");
    assert_suggest(&f, "d", "rules [[ d -> d |> to_torch ]]");
    assert_suggest(&f, "e", "rules [[ e -> e |> to_torch ]]");
    assert_suggest(&f, "f", "rules [[ f -> f |> to_torch, fit(0) ]]");
    assert_int_equal(align_note_count(f.alignment), 1);
    assert_non_null(strstr(align_note(f.alignment, 0)->text,
                           "cube\nstored as HWIO (2-D convolutions of TensorFlow, Keras, Flax)"));
    free_fixture(&f);
    f = align_texts(source, target, "rules [[ h.{i}.k -> h.{i}.k |> to_torch; {x:d|e|f|cube} -> {x} |> to_torch ]]"
                    "rules [[ f -> f |> fit(0, zeros) ]]");
    assert_int_equal(align_summary(f.alignment)->bind[BIND_LOADED], 6);
    assert_int_equal(align_note_count(f.alignment), 0);
    free_fixture(&f);
}

/* From a format to itself nothing is turned, and nothing said. */
static void test_equal_layouts_need_no_word(void **state)
{
    (void)state;
    Fixture f = align_texts("e 2,2 f32 IO", "e 2,2 f32 IO", NULL);
    assert_int_equal(align_note_count(f.alignment), 0);
    free_fixture(&f);
    f = align_texts("e 2,2 f32 IO", "e 2,2 f32", "each(function(k, t) assert(t.layout == 'IO') "
                    "return k, t:to_torch() end)");
    assert_int_equal(align_note_count(f.alignment), 0);
    free_fixture(&f);
}

static void test_module(void **state)
{
    (void)state;
    Fixture f = align_texts("head.fc.weight 100,2048\nhead.fc.bias 100",
                            "head.fc.weight 200,2048 f32 @\nhead.fc.bias 200 f32 @", NULL);
    assert_suggest(&f, "head.fc.weight", "rules [[ head.fc.* -> head.fc.* |> fit(0) ]]");
    assert_suggest(&f, "head.fc.bias", "rules [[ head.fc.* -> head.fc.* |> fit(0) ]]");
    free_fixture(&f);
}

/* One of two missing siblings is there under another name: the rule is for that one. */
static void test_the_sibling_with_the_numbers(void **state)
{
    (void)state;
    Fixture f = align_texts("e.0.w 2,3\ne.2.w_g 2,3", "e.0.w 2,3\ne.1.w 2,3\ne.2.w 2,3", NULL);
    assert_suggest(&f, "e.2.w", "rules [[ e.2.w_g -> e.2.w ]]");
    free_fixture(&f);
}

/* `.*` would meet the counter as well, which no target asks for and fit(0) cannot take. */
static void test_keys_without_target_are_spared(void **state)
{
    (void)state;
    Fixture f = align_texts("bn.weight 8\nbn.bias 8\nbn.num_batches_tracked -",
                            "bn.weight 6\nbn.bias 6", NULL);
    assert_suggest(&f, "bn.weight", "rules [[ bn.weight -> bn.weight |> fit(0) ]]");
    free_fixture(&f);
}

/* A schema has no values for the rows to come: `fit(0)` alone would be refused. */
static void test_schema_needs_a_rest(void **state)
{
    (void)state;
    Fixture f = align_texts("fc.weight 4,3\nfc.bias 4", "fc.weight 6,3\nfc.bias 6",
                            "policy{shape='fit'}");
    assert_suggest(&f, "fc.weight", "rules [[ fc.* -> fc.* |> fit(0, zeros) ]]");
    assert_non_null(strstr(align_binding(f.alignment, 0)->reason, "it is a schema"));
    free_fixture(&f);
    f = align_texts("fc.weight 4,3\nfc.bias 4", "fc.weight 6,3\nfc.bias 6",
                    "rules [[ fc.* -> fc.* |> fit(0, zeros) ]]");
    assert_int_equal(align_summary(f.alignment)->bind[BIND_LOADED], 2);
    free_fixture(&f);
}

/* The siblings by number need other ops, or none: then the rule is for the one module. */
static void test_one_module_of_many(void **state)
{
    (void)state;
    Fixture f = align_texts("c.1.weight 8,9\nc.4.weight 8,8\nc.6.weight 10,8\nc.6.bias 10",
                            "c.1.weight 8,12\nc.4.weight 8,8\nc.6.weight 2,8\nc.6.bias 2", NULL);
    assert_suggest(&f, "c.1.weight", "rules [[ c.1.weight -> c.1.weight |> fit(1, zeros) ]]");
    assert_suggest(&f, "c.6.weight", "rules [[ c.6.* -> c.6.* |> fit(0) ]]");
    assert_suggest(&f, "c.6.bias", "rules [[ c.6.* -> c.6.* |> fit(0) ]]");
    free_fixture(&f);
}

/* A scalar beside the head would not survive `.*`. */
static void test_siblings_survive(void **state)
{
    (void)state;
    Fixture f = align_texts("h.weight 10,8\nh.bias 10\nh.scale -",
                            "h.weight 2,8\nh.bias 2\nh.scale -", NULL);
    assert_suggest(&f, "h.weight", "rules [[ h.weight -> h.weight |> fit(0) ]]");
    free_fixture(&f);
}

static void test_no_tricks_for_another_size(void **state)
{
    (void)state;
    Text source = {0}, target = {0};
    for (int i = 0; i < 4; i++) {
        text_addf(&source, "l.%d.q.weight 256,256\nl.%d.fc.weight 512,256\nl.%d.norm.weight 256\n",
                  i, i, i);
        text_addf(&target, "l.%d.q.weight 512,512\nl.%d.fc.weight 1024,512\nl.%d.norm.weight 512\n",
                  i, i, i);
    }
    Fixture f = align_texts(text_string(&source), text_string(&target), NULL);
    assert_true(align_is_another_size(f.alignment));
    assert_suggest(&f, "l.0.norm.weight", NULL);
    text_done(&source);
    text_done(&target);
    free_fixture(&f);
}

/* ---- names ---- */

static void assert_nearest(const Fixture *fixture, const char *source, const char *nearest)
{
    const char *found = align_find_use(fixture->alignment, source)->nearest;
    if (!nearest != !found || (found && strcmp(found, nearest) != 0))
        fail_msg("%s: nearest %s, not %s", source, found ? found : "-", nearest ? nearest : "-");
}

static void test_suggest_strip(void **state)
{
    (void)state;
    Fixture f = align_texts("module.a.w 2\nmodule.b.w 2\nmodule.fc.w 5,2",
                            "a.w 2\nb.w 2\nfc.w 3,2", NULL);
    assert_suggest(&f, "a.w", "strip \"module.\"");
    assert_nearest(&f, "module.b.w", "b.w");
    free_fixture(&f);
}

static void test_suggest_prefix(void **state)
{
    (void)state;
    Fixture f = align_texts("a.w 2\nb.w 3", "net.a.w 2\nnet.b.w 3", NULL);
    assert_suggest(&f, "net.b.w", "prefix \"net.\"");
    free_fixture(&f);
    f = align_texts("d.enc.a.w 2\nd.enc.b.w 3\nx 1", "t.m.a.w 2\nt.m.b.w 3\nx 1", NULL);
    assert_suggest(&f, "t.m.a.w", "rules [[ d.enc.** -> t.m.** ]]");
    free_fixture(&f);
}

/* A prefix that other, good names share is not taken off with them. */
static void test_suggest_breaks_nothing(void **state)
{
    (void)state;
    Fixture f = align_texts("m.a.w 2\nm.b.w 3\nm.c.w 4", "a.w 2\nb.w 3\nm.c.w 4", NULL);
    assert_suggest(&f, "a.w", NULL);
    assert_nearest(&f, "m.a.w", "a.w");
    free_fixture(&f);
}

static void test_suggest_wrappers(void **state)
{
    (void)state;
    Fixture f = align_texts("model._orig_mod.a.w 2\nmodel._orig_mod.b.module.w 3",
                            "model.a.w 2\nmodel.b.w 3", NULL);
    assert_suggest(&f, "model.a.w", "seg(\"module\", \"_orig_mod\")");
    assert_suggest(&f, "model.b.w", "seg(\"module\", \"_orig_mod\")");
    free_fixture(&f);
}

static void test_suggest_family(void **state)
{
    (void)state;
    Text source = {0}, target = {0};
    for (int i = 0; i < 12; i++) {
        text_addf(&source, "blocks.%d.gamma_1 768\nblocks.%d.gamma_2 768\nblocks.%d.x 2\n", i, i,
                  i);
        text_addf(&target, "layers.%d.ls1.gamma 768\nlayers.%d.ls2.gamma 768\nblocks.%d.x 2\n",
                  i, i, i);
    }
    Fixture f = align_texts(text_string(&source), text_string(&target), NULL);
    assert_suggest(&f, "layers.7.ls2.gamma",
                   "rules [[ blocks.{i}.gamma_{n} -> layers.{i}.ls{n}.gamma ]]");
    assert_nearest(&f, "blocks.7.gamma_2", "layers.7.ls2.gamma");
    Fixture g = align_texts(text_string(&source), text_string(&target),
                            binding_of(&f, "layers.7.ls2.gamma")->suggest);
    assert_int_equal(align_exit(g.alignment), 0);
    text_done(&source);
    text_done(&target);
    free_fixture(&f);
    free_fixture(&g);
}

static void test_suggest_module(void **state)
{
    (void)state;
    Fixture f = align_texts("l.0.ln_a.weight 8\nl.0.ln_a.bias 8\n"
                            "l.1.ln_a.weight 8\nl.1.ln_a.bias 8",
                            "l.0.norm_a.weight 8\nl.0.norm_a.bias 8\n"
                            "l.1.norm_a.weight 8\nl.1.norm_a.bias 8", NULL);
    assert_suggest(&f, "l.0.norm_a.bias", "rules [[ l.{i}.ln_a.* -> l.{i}.norm_a.* ]]");
    free_fixture(&f);
}

static void test_suggest_tie(void **state)
{
    (void)state;
    Fixture f = align_texts("model.embed_tokens.weight 9,4", "model.embed_tokens.weight 9,4\n"
                            "lm_head.weight 9,4", NULL);
    assert_suggest(&f, "lm_head.weight", "rules [[ model.embed_tokens.weight -> "
                   "model.embed_tokens.weight, lm_head.weight |> copy ]]");
    free_fixture(&f);
    static const char source[] = "shared.weight 9,4";
    static const char target[] = "shared.weight 9,4\nencoder.embed_tokens.weight 9,4\n"
                                 "decoder.embed_tokens.weight 9,4\nx.embed_positions.weight 9,4";
    f = align_texts(source, target, NULL);
    assert_suggest(&f, "decoder.embed_tokens.weight", "rules [[ shared.weight -> shared.weight, "
                   "decoder.embed_tokens.weight |> copy ]]");
    assert_suggest(&f, "x.embed_positions.weight", NULL);
    Text script = {0};
    text_addf(&script, "%s\n%s", align_binding(f.alignment, 1)->suggest,
              align_binding(f.alignment, 2)->suggest);
    Fixture g = align_texts(source, target, text_string(&script));
    assert_int_equal(align_summary(g.alignment)->bind[BIND_LOADED], 3);
    text_done(&script);
    free_fixture(&f);
    free_fixture(&g);
}

/* The dense layer of one head is not that of another. */
static void test_no_other_head(void **state)
{
    (void)state;
    Fixture f = align_texts("e.w 2\nlm_head.dense.weight 4,4\nlm_head.dense.bias 4\n"
                            "lm_head.layer_norm.weight 4",
                            "e.w 2\nclassifier.dense.weight 4,4\nclassifier.dense.bias 4\n"
                            "classifier.out_proj.weight 3,4", NULL);
    assert_suggest(&f, "classifier.dense.weight", NULL);
    free_fixture(&f);
    f = align_texts("e.w 2\nfc.weight 4,4\nfc.bias 4", "e.w 2\nhead.weight 4,4\nhead.bias 4",
                    NULL);
    assert_suggest(&f, "head.weight", "rules [[ fc.** -> head.** ]]");
    free_fixture(&f);
}

/* Equal shapes and names that do not decide: no rule, whoever sounds nearer. */
static void test_no_guess(void **state)
{
    (void)state;
    Fixture f = align_texts("m.0.input_layernorm.weight 8\nm.0.post_attention_layernorm.weight 8\n"
                            "m.1.input_layernorm.weight 8\nm.1.post_attention_layernorm.weight 8",
                            "l.0.attention_norm.weight 8\nl.0.ffn_norm.weight 8\n"
                            "l.1.attention_norm.weight 8\nl.1.ffn_norm.weight 8", NULL);
    for (size_t i = 0; i < align_count(f.alignment); i++)
        assert_null(align_binding(f.alignment, i)->suggest);
    free_fixture(&f);
}

/* A fitting shape proves nothing where the transposed tensor has the name. */
static void test_turned(void **state)
{
    (void)state;
    Fixture f = align_texts("e.0.intermediate.kernel 4,8\ne.0.output.kernel 8,4",
                            "d.0.intermediate.weight 8,4\nd.0.output.weight 4,8", NULL);
    for (size_t i = 0; i < align_count(f.alignment); i++)
        assert_null(align_binding(f.alignment, i)->suggest);
    assert_nearest(&f, "e.0.output.kernel", NULL);
    free_fixture(&f);
}

static void test_odd_keys_are_quoted(void **state)
{
    (void)state;
    const char *source = "a{0}.w 4,2\na]].b 3,2", *target = "a{0}.w 2,4\na]].b 2,3";
    Fixture f = align_texts(source, target, NULL);
    assert_suggest(&f, "a{0}.w", "rules [[ \"a{0}.w\" -> \"a{0}.w\" |> T ]]");
    assert_suggest(&f, "a]].b", "rules [=[ a]].b -> a]].b |> T ]=]");
    Text script = {0};
    text_addf(&script, "%s\n%s", align_find(f.alignment, "a{0}.w")->suggest,
              align_find(f.alignment, "a]].b")->suggest);
    Fixture g = align_texts(source, target, text_string(&script));
    assert_int_equal(align_exit(g.alignment), 0);
    text_done(&script);
    free_fixture(&f);
    free_fixture(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape_reasons),
        cmocka_unit_test(test_suggested_rules_work),
        cmocka_unit_test(test_layouts_are_turned),
        cmocka_unit_test(test_equal_layouts_need_no_word),
        cmocka_unit_test(test_module), cmocka_unit_test(test_schema_needs_a_rest),
        cmocka_unit_test(test_the_sibling_with_the_numbers),
        cmocka_unit_test(test_keys_without_target_are_spared),
        cmocka_unit_test(test_one_module_of_many),
        cmocka_unit_test(test_siblings_survive),
        cmocka_unit_test(test_no_tricks_for_another_size),
        cmocka_unit_test(test_suggest_strip),
        cmocka_unit_test(test_suggest_prefix),
        cmocka_unit_test(test_suggest_breaks_nothing),
        cmocka_unit_test(test_suggest_wrappers),
        cmocka_unit_test(test_suggest_family),
        cmocka_unit_test(test_suggest_module),
        cmocka_unit_test(test_suggest_tie),
        cmocka_unit_test(test_no_other_head),
        cmocka_unit_test(test_no_guess),
        cmocka_unit_test(test_turned),
        cmocka_unit_test(test_odd_keys_are_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
