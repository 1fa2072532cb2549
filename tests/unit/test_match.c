/* match{}: each of the systems whose pairing it can be told to do, and every way it says no. */
#include "tests/unit/test.h"

#include "tests/unit/align_fixture.h"

/* ---- what tests ask ---- */

/* Asserts a target's state and its source: "" for none. */
static void assert_gets(const Fixture *f, const char *name, BindStatus status, How how,
                        const char *source)
{
    const Binding *binding = binding_of(f, name);
    const char *found = binding->source_count ? binding->sources[0]->name : "";
    if (binding->status != status || binding->how != how || strcmp(found, source) != 0)
        fail_msg("%s is %s (%s) of '%s', not %s (%s) of '%s'", name, bind_word(binding->status),
                 how_word(binding->how) ? how_word(binding->how) : "-", found, bind_word(status),
                 how_word(how) ? how_word(how) : "-", source);
}

static void assert_missing(const Fixture *f, const char *name)
{
    assert_gets(f, name, BIND_MISSING, HOW_NONE, "");
}

static void assert_note(const Fixture *f, NoteLevel level, const char *part)
{
    Text all = {0};
    for (size_t i = 0; i < align_note_count(f->alignment); i++) {
        const RuleNote *note = align_note(f->alignment, i);
        if (note->level == level && strstr(note->text, part)) {
            text_done(&all);
            return;
        }
        text_addf(&all, "%s\n", note->text);
    }
    fail_msg("no note has \"%s\":\n%s", part, text_string(&all));
}

static void assert_use(const Fixture *f, const char *name, UseStatus status, const char *reason)
{
    const SourceUse *use = align_find_use(f->alignment, name);
    assert_non_null(use);
    assert_int_equal(use->status, status);
    if (!reason) assert_null(use->reason);
    else assert_string_equal(use->reason, reason);
}

static size_t count_loaded(const Fixture *f)
{
    return align_summary(f->alignment)->bind[BIND_LOADED];
}

/* ---- Pet: the longest suffix of characters ---- */

static const char pet[] = "strip{\"module.\", all=true}\n"
                          "match{\"suffix\", boundary=\"character\", reuse=\"all\"}";

static const char p1_source[] = "module.conv1.weight 64,3,7,7\n"
                                "module.res2.conv1.weight 64,64,1,1\n"
                                "module.fc.weight 5,4";
static const char p1_target[] = "backbone.body.conv1.weight 64,3,7,7\n"
                                "backbone.body.res2.conv1.weight 64,64,1,1\n"
                                "rpn.preconv1.weight 64,3,7,7\nfc.weight 10,4";

static void pet_p1(void **state)
{
    (void)state;
    Fixture f = align_texts(p1_source, p1_target, pet);
    assert_gets(&f, "backbone.body.conv1.weight", BIND_LOADED, HOW_SUFFIX, "module.conv1.weight");
    assert_gets(&f, "backbone.body.res2.conv1.weight", BIND_LOADED, HOW_SUFFIX,
                "module.res2.conv1.weight");
    assert_gets(&f, "rpn.preconv1.weight", BIND_LOADED, HOW_SUFFIX, "module.conv1.weight");
    assert_gets(&f, "fc.weight", BIND_SHAPE, HOW_NONE, "module.fc.weight");
    assert_use(&f, "module.fc.weight", USE_UNUSED, "offered to fc.weight: shape");
    assert_use(&f, "module.conv1.weight", USE_USED, NULL);
    free_fixture(&f);
    f = align_texts(p1_source, p1_target,
                    "strip{\"module.\", all=true}\n"
                    "match{\"suffix\", boundary=\"character\", reuse=\"all\"}\n"
                    "policy{shape=\"skip\", missing=\"keep\"}");
    assert_gets(&f, "fc.weight", BIND_KEPT, HOW_POLICY, "module.fc.weight");
    assert_int_equal(align_exit(f.alignment), 0);
    free_fixture(&f);
}

/* The steps name the statement, and both names. */
static void pet_p1_says_how(void **state)
{
    (void)state;
    Fixture f = align_texts(p1_source, p1_target, pet);
    const Step *steps[4];
    const Binding *binding = binding_of(&f, "rpn.preconv1.weight");
    assert_int_equal(align_steps(binding, steps, 4), 2);
    assert_string_equal(steps[1]->from, "conv1.weight");
    assert_string_equal(steps[1]->to, "rpn.preconv1.weight");
    assert_string_equal(steps[1]->what, "match{\"suffix\", reuse=\"all\", boundary=\"character\"}");
    assert_int_equal(align_step_origin(steps[1])->line, 2);
    size_t count;
    align_uses_of(f.alignment, 0, &count);
    assert_int_equal(count, 2);
    free_fixture(&f);
}

static void pet_p2_once(void **state)
{
    (void)state;
    static const char target[] = "c.fc.weight 4,4\nb.head.fc.weight 4,4\na.head.fc.weight 4,4";
    Fixture f = align_texts("fc.weight 4,4", target, pet);
    assert_int_equal(count_loaded(&f), 3);
    assert_gets(&f, "c.fc.weight", BIND_LOADED, HOW_SUFFIX, "fc.weight");
    free_fixture(&f);
    f = align_texts("fc.weight 4,4", target, "match{\"suffix\", once=true, boundary=\"character\"}");
    assert_gets(&f, "a.head.fc.weight", BIND_LOADED, HOW_SUFFIX, "fc.weight");
    assert_missing(&f, "b.head.fc.weight");
    assert_missing(&f, "c.fc.weight");
    free_fixture(&f);
}

static void pet_p3_once_before_shapes(void **state)
{
    (void)state;
    Fixture f = align_texts("fc.weight 4,4", "a.fc.weight 9,9\nb.fc.weight 4,4",
                            "match{\"suffix\", once=true, boundary=\"character\"}");
    assert_gets(&f, "a.fc.weight", BIND_SHAPE, HOW_NONE, "fc.weight");
    assert_missing(&f, "b.fc.weight");
    assert_use(&f, "fc.weight", USE_UNUSED, "offered to a.fc.weight: shape");
    free_fixture(&f);
}

/* once counts a target that has the key's own name like any other. */
static void pet_once_may_rob_the_equal_name(void **state)
{
    (void)state;
    Fixture f = align_texts("fc.weight 4,4", "fc.weight 4,4\na.fc.weight 4,4",
                            "match{\"suffix\", once=true}");
    assert_gets(&f, "a.fc.weight", BIND_LOADED, HOW_SUFFIX, "fc.weight");
    assert_missing(&f, "fc.weight");
    free_fixture(&f);
}

static void no_shorter_suffix_is_tried(void **state)
{
    (void)state;
    static const char source[] = "fc.weight 9,9\nweight 4,4";
    Fixture f = align_texts(source, "a.fc.weight 4,4", "match{\"suffix\"}");
    assert_gets(&f, "a.fc.weight", BIND_SHAPE, HOW_NONE, "fc.weight");
    assert_use(&f, "weight", USE_UNUSED, NULL);
    free_fixture(&f);
    f = align_texts(source, "a.fc.weight 4,4", "match{\"suffix\", shape=true}");
    assert_gets(&f, "a.fc.weight", BIND_LOADED, HOW_SUFFIX, "weight");
    free_fixture(&f);
}

/* 30 keys of Caffe's VGG; under another file name Pet has the suffixes alone. */
static void pet_p7_suffixes_of_vgg(void **state)
{
    (void)state;
    static const int numbers[] = {0, 2, 5, 7, 10, 12, 14, 17, 19, 21};
    Text source = {0}, target = {0};
    for (size_t i = 0; i < countof(numbers); i++) {
        text_addf(&source, "%d.weight 8,8,3,3\n%d.bias 8\n", numbers[i], numbers[i]);
        text_addf(&target, "features1.%d.weight 8,8,3,3\nfeatures1.%d.bias 8\n", numbers[i],
                  numbers[i]);
    }
    text_add(&source, "24.weight 7,7,3,3\n24.bias 7\n26.weight 7,7,3,3\n26.bias 7\n28.weight "
                      "7,7,3,3\n28.bias 7\n31.weight 9,8,3,3\n31.bias 9\n33.weight 9,9,1,1\n"
                      "33.bias 9");
    text_add(&target, "features2.1.weight 7,7,3,3\nfeatures2.1.bias 7\nfeatures2.3.weight 7,7,3,3\n"
                      "features2.3.bias 7\nfeatures2.5.weight 7,7,3,3\nfeatures2.5.bias 7\n"
                      "conv6.weight 9,8,3,3\nconv6.bias 9\nconv7.weight 9,9,1,1\nconv7.bias 9");
    Fixture f = align_texts(text_string(&source), text_string(&target), pet);
    assert_int_equal(count_loaded(&f), 20);
    assert_gets(&f, "features1.0.weight", BIND_LOADED, HOW_SUFFIX, "0.weight");
    assert_gets(&f, "features1.10.weight", BIND_LOADED, HOW_SUFFIX, "10.weight");
    assert_missing(&f, "features2.1.weight");
    assert_missing(&f, "conv6.weight");
    free_fixture(&f);
    f = align_texts(text_string(&source), text_string(&target),
                    "rules [[ {n:0|2|5|7|10|12|14|17|19|21}.* -> features1.{n}.*\n"
                    "24.* -> features2.1.* ;  26.* -> features2.3.* ;  28.* -> features2.5.*\n"
                    "31.* -> conv6.* ; 33.* -> conv7.* ]]\n"
                    "match{\"suffix\", boundary=\"character\"}");
    assert_int_equal(count_loaded(&f), 30);
    free_fixture(&f);
    text_done(&source);
    text_done(&target);
}

/* ---- detectron2: whole segments, one target a source ---- */

static void detectron2_takes_whole_segments(void **state)
{
    (void)state;
    Fixture f = align_texts("conv1.weight 2,2\nextra 1", "a.conv1.weight 2,2\nb.preconv1.weight 2,2",
                            "match{\"suffix\"}");
    assert_gets(&f, "a.conv1.weight", BIND_LOADED, HOW_SUFFIX, "conv1.weight");
    assert_missing(&f, "b.preconv1.weight");
    assert_use(&f, "extra", USE_UNUSED, NULL);
    free_fixture(&f);
}

static void detectron2_refuses_two_targets(void **state)
{
    (void)state;
    Fixture f = align_texts("fc.w 2", "b.fc.w 2\na.fc.w 2\nc 1", "match{\"suffix\"}");
    assert_gets(&f, "a.fc.w", BIND_AMBIGUOUS, HOW_NONE, "fc.w");
    assert_gets(&f, "b.fc.w", BIND_AMBIGUOUS, HOW_NONE, "fc.w");
    assert_note(&f, NOTE_ERROR,
                "match{\"suffix\"}: 'fc.w' fits at least two targets, 'a.fc.w' and 'b.fc.w'");
    assert_use(&f, "fc.w", USE_UNUSED, "offered to b.fc.w: ambiguous");
    assert_int_equal(align_exit(f.alignment), 2);
    free_fixture(&f);
}

/* What has the wrong shape is passed by before it is seen that there are two. */
static void detectron2_counts_fitting_shapes_alone(void **state)
{
    (void)state;
    Fixture f = align_texts("fc.w 2", "a.fc.w 3\nb.fc.w 2", "match{\"suffix\"}");
    assert_gets(&f, "a.fc.w", BIND_SHAPE, HOW_NONE, "fc.w");
    assert_gets(&f, "b.fc.w", BIND_LOADED, HOW_SUFFIX, "fc.w");
    assert_int_equal(align_note_count(f.alignment), 0);
    free_fixture(&f);
}

static void reuse_is_the_policys_unless_said(void **state)
{
    (void)state;
    static const char source[] = "fc.w 2", target[] = "a.fc.w 2\nb.fc.w 2";
    Fixture f = align_texts(source, target, "match{\"suffix\"} policy{reuse=\"all\"}");
    assert_int_equal(count_loaded(&f), 2);
    free_fixture(&f);
    f = align_texts(source, target, "policy{reuse=\"once\"} match{\"suffix\"}");
    assert_int_equal(count_loaded(&f), 1);
    assert_gets(&f, "a.fc.w", BIND_LOADED, HOW_SUFFIX, "fc.w");
    free_fixture(&f);
    f = align_texts(source, target, "match{\"suffix\", reuse=\"error\"} policy{reuse=\"all\"}");
    assert_gets(&f, "a.fc.w", BIND_AMBIGUOUS, HOW_NONE, "fc.w");
    free_fixture(&f);
}

/* ---- maskrcnn-benchmark: shapes are not looked at ---- */

static void maskrcnn_leaves_shapes_to_the_load(void **state)
{
    (void)state;
    Fixture f = align_texts("conv1.weight 2,2\nfc.weight 5,4",
                            "body.conv1.weight 2,2\nbox.fc.weight 3,4\nrpn.preconv1.weight 7",
                            "match{\"suffix\", boundary=\"character\", reuse=\"all\"}");
    assert_gets(&f, "body.conv1.weight", BIND_LOADED, HOW_SUFFIX, "conv1.weight");
    assert_gets(&f, "box.fc.weight", BIND_SHAPE, HOW_NONE, "fc.weight");
    assert_gets(&f, "rpn.preconv1.weight", BIND_SHAPE, HOW_NONE, "conv1.weight");
    assert_int_equal(align_exit(f.alignment), 1);
    free_fixture(&f);
}

/* ---- zip: AlexNet-SPP ---- */

static const char zip[] = "match{\"order\", name=true, shape=true} policy{missing=\"keep\"}";

static void zip_s1_alexnet_spp(void **state)
{
    (void)state;
    static const char source[] =
        "features.0.weight 64,3,11,11\nfeatures.0.bias 64\nfeatures.3.weight 192,64,5,5\n"
        "features.3.bias 192\nfeatures.6.weight 384,192,3,3\nfeatures.6.bias 384\n"
        "features.8.weight 256,384,3,3\nfeatures.8.bias 256\nfeatures.10.weight 256,256,3,3\n"
        "features.10.bias 256\nclassifier.1.weight 4096,9216\nclassifier.1.bias 4096\n"
        "classifier.4.weight 4096,4096\nclassifier.4.bias 4096\nclassifier.6.weight 1000,4096\n"
        "classifier.6.bias 1000";
    Text target = {0};
    text_add(&target, source);
    memcpy(strstr(target.bytes, "4096,9216"), "4096,1280", 9);
    memcpy(strstr(target.bytes, "1000,4096"), "0020,4096", 9);
    memcpy(strstr(target.bytes, "6.bias 1000"), "6.bias 0020", 11);
    Fixture f = align_texts(source, text_string(&target), zip);
    assert_int_equal(count_loaded(&f), 13);
    assert_gets(&f, "features.0.weight", BIND_LOADED, HOW_ORDER, "features.0.weight");
    assert_gets(&f, "classifier.1.weight", BIND_KEPT, HOW_POLICY, "");
    assert_gets(&f, "classifier.6.weight", BIND_KEPT, HOW_POLICY, "");
    assert_gets(&f, "classifier.6.bias", BIND_KEPT, HOW_POLICY, "");
    assert_int_equal(align_exit(f.alignment), 0);
    free_fixture(&f);
    text_done(&target);
}

static void zip_s2_one_layer_in_front(void **state)
{
    (void)state;
    static const char source[] = "c1 2\nc2 2\nc3 2", target[] = "c0 2\nc1 2\nc2 2\nc3 2";
    Fixture f = align_texts(source, target, zip);
    assert_int_equal(count_loaded(&f), 0);
    assert_note(&f, NOTE_INFO, "pairs nothing");
    free_fixture(&f);
    f = align_texts(source, target, "policy{missing=\"keep\"}");
    assert_int_equal(count_loaded(&f), 3);
    free_fixture(&f);
}

static void zip_s3_two_swapped(void **state)
{
    (void)state;
    Fixture f = align_texts("c1 2\nc3 2\nc2 2", "c1 2\nc2 2\nc3 2", zip);
    assert_int_equal(count_loaded(&f), 1);
    assert_gets(&f, "c1", BIND_LOADED, HOW_ORDER, "c1");
    assert_gets(&f, "c2", BIND_KEPT, HOW_POLICY, "");
    free_fixture(&f);
}

/* ---- timm's remap ---- */

static const char remap[] = "match{\"order\", shape=\"count\", all=true}";

static void remap_reshapes_in_order(void **state)
{
    (void)state;
    Fixture f = align_texts("x.w 6,4\nx.b 6\nmore 1", "fc.weight 6,4,1,1\nfc.bias 6", remap);
    assert_gets(&f, "fc.weight", BIND_LOADED, HOW_ORDER, "x.w");
    assert_gets(&f, "fc.bias", BIND_LOADED, HOW_ORDER, "x.b");
    assert_string_equal(binding_of(&f, "fc.weight")->step->ops, "reshape(6,4,1,1)");
    assert_null(binding_of(&f, "fc.bias")->step->ops);
    assert_int_equal(binding_of(&f, "fc.weight")->expr->kind, EX_RESHAPE);
    assert_int_equal(align_exit(f.alignment), 0);
    free_fixture(&f);
}

static void remap_stops_at_the_first_difference(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2\nb 4\nc 1", "x 2\ny 5\nz 1", remap);
    assert_gets(&f, "x", BIND_LOADED, HOW_ORDER, "a");
    assert_missing(&f, "y");
    assert_missing(&f, "z");
    assert_note(&f, NOTE_ERROR,
                "place 2: 'b' 4 of the source and 'y' 5 of the target do not agree");
    assert_int_equal(align_exit(f.alignment), 2);
    free_fixture(&f);
}

static void order_alone_leaves_shapes_to_the_ledger(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2\nb 3", "x 2\ny 2", "match{\"order\"}");
    assert_gets(&f, "x", BIND_LOADED, HOW_ORDER, "a");
    assert_gets(&f, "y", BIND_SHAPE, HOW_NONE, "b");
    free_fixture(&f);
    f = align_texts("a 2\nb 3\nc 4", "x 2\ny 2\nz 4", "match{\"order\", shape=true}");
    assert_missing(&f, "y");
    assert_gets(&f, "z", BIND_LOADED, HOW_ORDER, "c");
    free_fixture(&f);
}

static void order_warns_of_the_alphabet(void **state)
{
    (void)state;
    StateDict *source = make_dict("a 2\nb 3"), *target = make_dict("x 2\ny 3");
    dict_set_ordered(source, false);
    Fixture f = align_dicts(source, target, "match{\"order\"}");
    assert_note(&f, NOTE_INFO, "the keys of the source stand in the order of the alphabet");
    free_fixture(&f);
    source = make_dict("a 2\nb 3"), target = make_dict("a 2\nb 3");
    dict_set_ordered(target, false);
    f = align_dicts(source, target, "match{\"order\", name=true}");
    assert_int_equal(align_note_count(f.alignment), 0);
    free_fixture(&f);
}

/* ---- shapes ---- */

static void shape_pairs_in_order_within_groups(void **state)
{
    (void)state;
    Fixture f = align_texts("m.block1.a 2,2\nm.block1.b 2,2\nm.block2.a 2,2\nm.block2.b 2,2\n"
                            "m.block2.c 3\nstem 9",
                            "block2.x 3\nblock2.w1 2,2\nblock2.w2 2,2\nblock1.w1 2,2\n"
                            "block1.w2 2,2\nhead 9",
                            "match{\"shape\", within=\"block{i}\"}");
    assert_gets(&f, "block2.w1", BIND_LOADED, HOW_SHAPE, "m.block2.a");
    assert_gets(&f, "block2.w2", BIND_LOADED, HOW_SHAPE, "m.block2.b");
    assert_gets(&f, "block2.x", BIND_LOADED, HOW_SHAPE, "m.block2.c");
    assert_gets(&f, "block1.w1", BIND_LOADED, HOW_SHAPE, "m.block1.a");
    assert_missing(&f, "head");
    free_fixture(&f);
}

static void shape_pairs_two_spellings_of_a_group(void **state)
{
    (void)state;
    Fixture f = align_texts("layer.0.w 2\nlayer.1.w 2", "blocks.1.v 2\nblocks.0.v 2",
                            "match{\"shape\", within={\"layer.{i}\", \"blocks.{i}\"}}");
    assert_gets(&f, "blocks.0.v", BIND_LOADED, HOW_SHAPE, "layer.0.w");
    assert_gets(&f, "blocks.1.v", BIND_LOADED, HOW_SHAPE, "layer.1.w");
    free_fixture(&f);
}

static void shape_leaves_equal_names_together(void **state)
{
    (void)state;
    Fixture f = align_texts("b 2\na 2\nq 3", "a 2\nb 2\nc 3", "match{\"shape\"}");
    assert_gets(&f, "a", BIND_LOADED, HOW_EXACT, "a");
    assert_gets(&f, "b", BIND_LOADED, HOW_EXACT, "b");
    assert_gets(&f, "c", BIND_LOADED, HOW_SHAPE, "q");
    free_fixture(&f);
}

/* A key of the target's name and another shape is offered when nothing better was found. */
static void shape_falls_back_on_names(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2", "a 3", "match{\"shape\"}");
    assert_gets(&f, "a", BIND_SHAPE, HOW_NONE, "a");
    free_fixture(&f);
}

static void shape_never_guesses(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2\nb 2\nc 3", "x 2\ny 3", "match{\"shape\"}");
    assert_missing(&f, "x");
    assert_gets(&f, "y", BIND_LOADED, HOW_SHAPE, "c");
    assert_note(&f, NOTE_INFO, "match{\"shape\"} pairs nothing in 1 group: 2: 2 keys, 1 target");
    free_fixture(&f);
    StateDict *source = make_dict("a 2\nb 2\nc 3"), *target = make_dict("x 2\ny 2\nz 3");
    dict_set_ordered(source, false);
    f = align_dicts(source, target, "match{\"shape\"}");
    assert_missing(&f, "x");
    assert_gets(&f, "z", BIND_LOADED, HOW_SHAPE, "c");
    assert_note(&f, NOTE_INFO, "2: 2 keys, 2 targets in the order of the alphabet");
    free_fixture(&f);
}

/* ---- several statements, and the rest of the ledger ---- */

static void rest_leaves_names_alone(void **state)
{
    (void)state;
    static const char source[] = "fc.w 2", target[] = "fc.w 2\na.fc.w 2";
    Fixture f = align_texts(source, target, "match{\"suffix\", rest=true, once=true}");
    assert_gets(&f, "fc.w", BIND_LOADED, HOW_EXACT, "fc.w");
    assert_missing(&f, "a.fc.w");
    free_fixture(&f);
    f = align_texts("b 2\nx 2", "a 2\nb 2", "match{\"order\", rest=true}");
    assert_gets(&f, "b", BIND_LOADED, HOW_EXACT, "b");
    assert_gets(&f, "a", BIND_LOADED, HOW_ORDER, "x");
    free_fixture(&f);
}

static void a_later_match_takes_what_is_left(void **state)
{
    (void)state;
    Fixture f = align_texts("w 2\nother 3", "a.w 2\nb 3",
                            "match{\"suffix\", count=1}\nmatch{\"order\", count=1}");
    assert_gets(&f, "a.w", BIND_LOADED, HOW_SUFFIX, "w");
    assert_gets(&f, "b", BIND_LOADED, HOW_ORDER, "other");
    assert_int_equal(align_note_count(f.alignment), 0);
    free_fixture(&f);
}

static void match_sees_names_as_rules_leave_them(void **state)
{
    (void)state;
    Fixture f = align_texts("old.w 2", "a.new.w 2",
                            "match{\"suffix\"}\nrules [[ old.w -> new.w ]]");
    assert_gets(&f, "a.new.w", BIND_LOADED, HOW_SUFFIX, "old.w");
    free_fixture(&f);
}

static void count_is_an_error(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2", "a 2\nb 2", "match{\"order\", count=2}");
    assert_note(&f, NOTE_ERROR, "match{\"order\"}: pairs 1, not 2");
    assert_int_equal(align_exit(f.alignment), 2);
    free_fixture(&f);
}

static void keep_target_and_fill_still_hold(void **state)
{
    (void)state;
    Fixture f = align_texts("fc.w 2\nfc.b 3", "a.fc.w 2\na.fc.b 2 f32 @\na.x 5",
                            "match{\"suffix\"} keep_target \"a.fc.w\" fill(\"a.*.b\", zeros())\n"
                            "fill(\"a.x\", zeros())");
    assert_gets(&f, "a.fc.w", BIND_KEPT, HOW_POLICY, "fc.w");
    assert_gets(&f, "a.fc.b", BIND_FILLED, HOW_FILL, "fc.b");
    assert_gets(&f, "a.x", BIND_FILLED, HOW_FILL, "");
    free_fixture(&f);
}

static void a_collision_stays_one(void **state)
{
    (void)state;
    Fixture f = align_texts("m.w 2\nw 2", "a.w 2", "strip \"m.\" match{\"suffix\"}");
    assert_int_equal(binding_of(&f, "a.w")->status, BIND_AMBIGUOUS);
    assert_reason(&f, "a.w", "collision");
    free_fixture(&f);
}

static void unknown_shapes_fit_anything(void **state)
{
    (void)state;
    Fixture f = align_texts("w ?", "a.w 2\nb 3", "match{\"suffix\", shape=true}");
    assert_gets(&f, "a.w", BIND_LOADED, HOW_SUFFIX, "w");
    free_fixture(&f);
    f = align_texts("w ?\nv -", "a ?\nb ?", "match{\"order\", shape=\"count\", all=true}");
    assert_gets(&f, "a", BIND_LOADED, HOW_ORDER, "w");
    assert_gets(&f, "b", BIND_LOADED, HOW_ORDER, "v");
    free_fixture(&f);
}

/* ---- statements that are refused ---- */

static void assert_refused(const char *code, const char *part)
{
    Checkpoint *source = make_source("source.pth", make_dict("a 2"));
    StateDict *target = make_dict("a 2");
    Draft *draft = draft_new(source, NULL, target, 0);
    Script *script = script_new(draft, NULL);
    Error err = {0};
    if (script_run(script, code, strlen(code), "fix.lua", &err)) fail_msg("not refused: %s", code);
    assert_error_has(err, part);
    assert_error_has(err, "fix.lua:1: match: ");
    script_free(script);
    draft_free(draft);
    dict_unref(target);
    checkpoint_unref(source);
}

static void bad_statements(void **state)
{
    (void)state;
    assert_refused("match 'suffix'", "expected {\"suffix\", …}");
    assert_refused("match{}", "one of \"suffix\", \"order\" and \"shape\" comes first");
    assert_refused("match{'suffix', 'order'}", "comes first");
    assert_refused("match{'prefix'}", "\"prefix\" is none of");
    assert_refused("match({'suffix'}, 1)", "2 arguments given, it takes 1");
    assert_refused("match{'suffix', all=true}", "there is no field 'all'");
    assert_refused("match{'order', once=true}", "there is no field 'once'");
    assert_refused("match{'shape', name=true}", "there is no field 'name'");
    assert_refused("match{'suffix', once=1}", "once must be true or false");
    assert_refused("match{'suffix', boundary='word'}",
                   "boundary must be one of \"segment\", \"character\"");
    assert_refused("match{'suffix', reuse='some'}",
                   "reuse must be one of \"error\", \"all\", \"once\"");
    assert_refused("match{'suffix', once=true, reuse='all'}", "contradict each other");
    assert_refused("match{'suffix', count='all'}", "count must be a whole number, got text");
    assert_refused("match{'suffix', count=-1}", "count must be a whole number");
    assert_refused("match{'suffix', shape='count'}", "shape must be true or false");
    assert_refused("match{'order', shape='rows'}", "shape must be true, false or \"count\"");
    assert_refused("match{'shape', within='{i'}", "match: **.{i.** (column 4): a { is not closed");
    assert_refused("match{'shape', within={'a', 'b', 'c'}}", "within takes a pattern");
    assert_refused("match{'shape', within={'b{i}', 'b{j}'}}", "{i} is captured on one side only");
    assert_refused("match{'shape', within={'b', 'b{j}'}}", "{j} is captured on one side only");
    assert_refused("match{'shape', within={'b*', 'b'}}", "not as many stars");
}

static void without_target_it_is_refused(void **state)
{
    (void)state;
    Checkpoint *source = make_source("source.pth", make_dict("a 2"));
    Draft *draft = draft_new(source, NULL, NULL, 0);
    Script *script = script_new(draft, NULL);
    Error err = {0};
    assert_false(script_run(script, "match{'suffix'}", 15, "fix.lua", &err));
    assert_error_has(err, "match: there is no target to match with");
    script_free(script);
    draft_free(draft);
    checkpoint_unref(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pet_p1),
        cmocka_unit_test(pet_p1_says_how),
        cmocka_unit_test(pet_p2_once),
        cmocka_unit_test(pet_p3_once_before_shapes),
        cmocka_unit_test(pet_once_may_rob_the_equal_name),
        cmocka_unit_test(no_shorter_suffix_is_tried),
        cmocka_unit_test(pet_p7_suffixes_of_vgg),
        cmocka_unit_test(detectron2_takes_whole_segments),
        cmocka_unit_test(detectron2_refuses_two_targets),
        cmocka_unit_test(detectron2_counts_fitting_shapes_alone),
        cmocka_unit_test(reuse_is_the_policys_unless_said),
        cmocka_unit_test(maskrcnn_leaves_shapes_to_the_load),
        cmocka_unit_test(zip_s1_alexnet_spp),
        cmocka_unit_test(zip_s2_one_layer_in_front),
        cmocka_unit_test(zip_s3_two_swapped),
        cmocka_unit_test(remap_reshapes_in_order),
        cmocka_unit_test(remap_stops_at_the_first_difference),
        cmocka_unit_test(order_alone_leaves_shapes_to_the_ledger),
        cmocka_unit_test(order_warns_of_the_alphabet),
        cmocka_unit_test(shape_pairs_in_order_within_groups),
        cmocka_unit_test(shape_pairs_two_spellings_of_a_group),
        cmocka_unit_test(shape_leaves_equal_names_together),
        cmocka_unit_test(shape_falls_back_on_names),
        cmocka_unit_test(shape_never_guesses),
        cmocka_unit_test(rest_leaves_names_alone),
        cmocka_unit_test(a_later_match_takes_what_is_left),
        cmocka_unit_test(match_sees_names_as_rules_leave_them),
        cmocka_unit_test(count_is_an_error),
        cmocka_unit_test(keep_target_and_fill_still_hold),
        cmocka_unit_test(a_collision_stays_one),
        cmocka_unit_test(unknown_shapes_fit_anything),
        cmocka_unit_test(bad_statements),
        cmocka_unit_test(without_target_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
