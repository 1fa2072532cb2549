/* What the viewer proposes for the row under the cursor: the right line first, and its counts are
 * those of the ledger that it leads to. */
#include "tests/unit/scratch_folder.h"

#include "repl/choices.h"
#include "repl/session.h"

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static Session *open_session(void **state, const char *from, const char *to)
{
    char source[512], target[512];
    Error err = {0};
    snprintf(source, sizeof source, "%s", path_of(state, "source.txt"));
    snprintf(target, sizeof target, "%s", path_of(state, "target.txt"));
    write_file(source, from);
    write_file(target, to);
    const SessionOptions options = {.source = source, .target = target};
    Session *session = session_new(&options, &err);
    if (!session) fail_msg("%s", err.text);
    return session;
}

static size_t count_open(const Alignment *alignment)
{
    const size_t *bind = align_summary(alignment)->bind;
    return bind[BIND_SHAPE] + bind[BIND_DTYPE] + bind[BIND_MISSING] + bind[BIND_AMBIGUOUS];
}

/* Runs the line for good: what it settles less what it breaks is what fewer are open. */
static void assert_counts(Session *session, const Alignment *before, const Trial *trial)
{
    Error err = {0};
    Alignment *after = session_try(session, trial->proposal->line, &err);
    if (!after) fail_msg("%s: %s", trial->proposal->line, err.text);
    assert_int_equal((long)count_open(before) - (long)count_open(after),
                     (long)trial->targets - (long)trial->breaks);
    align_unref(after);
}

/* For that target the first proposal is the line, settles so many and breaks nothing; the counts of
 * all hold. */
static void assert_first(void **state, const char *from, const char *to, const char *name,
                         const char *line, size_t settles)
{
    Error err = {0};
    bool failed = false;
    Choices choices = {0};
    Session *session = open_session(state, from, to);
    Alignment *alignment = session_align(session, &failed, &err);
    assert_non_null(alignment);
    choices_start(&choices, alignment, align_find(alignment, name));
    Snapshot *snapshot = session_snapshot(session);
    while (choices_due(&choices, true)) choices_step(&choices, snapshot, &(SnapshotRun){0});
    session_give_back(session, snapshot);
    assert_true(choices.trials.count > 0);
    assert_string_equal(choices.trials.items[0].proposal->line, line);
    assert_int_equal(choices.trials.items[0].targets, settles);
    assert_int_equal(choices.trials.items[0].breaks, 0);
    for (size_t i = 0; i < choices.trials.count; i++)
        assert_counts(session, alignment, &choices.trials.items[i]);
    choices_done(&choices);
    align_unref(alignment);
    session_free(session);
}

static void names(void **state)
{
    assert_first(state, "model.net._orig_mod.a.w (2)\nmodel.net._orig_mod.b.w (3)\n", "a.w (2)\nb.w (3)\n",
                 "b.w", "strip \"model.net._orig_mod.\"", 2);
    assert_first(state, "h.1.w (2)\nh.2.w (2)\nh.3.w (2)\nx (4)\n", "h.0.w (2)\nh.1.w (2)\nh.2.w (2)\nx (4)\n",
                 "h.0.w", "rules [[ h.{i}.** -> h.{i-1}.** ]]", 1);
    assert_first(state, "shared.weight (9, 4)\n", "shared.weight (9, 4)\nencoder.embed_tokens.weight (9, 4)\n",
                 "encoder.embed_tokens.weight",
                 "tie(\"encoder.embed_tokens.weight\", \"shared.weight\")", 1);
    assert_first(state, "bn.weight (2)\n", "bn.weight (2)\nbn.num_batches_tracked ()\n",
                 "bn.num_batches_tracked", "fill(\"**.num_batches_tracked\", zeros())", 1);
}

static void rows(void **state)
{
    assert_first(state, "fc.weight (1000, 8)\nfc.bias (1000)\n", "fc.weight (37, 8)\nfc.bias (37)\n",
                 "fc.bias", "rules [[ fc.* -> fc.* |> fit(0) ]]", 2);
    assert_first(state, "wte.weight (320, 8)\n", "wte.weight (336, 8)\n", "wte.weight",
                 "rules [[ wte.weight -> wte.weight |> pad(0, 336, mean) ]]", 1);
    assert_first(state, "class_embed.weight (92, 8)\n", "class_embed.weight (8, 8)\n",
                 "class_embed.weight", "rules [[ class_embed.weight -> class_embed.weight |> function(t) "
                 "return t:slice(0, 0, 7):cat(0, t:slice(0, 91)) end ]]", 1);
}

static void places(void **state)
{
    assert_first(state, "pos_embed (1, 197, 8)\n", "pos_embed (1, 577, 8)\n", "pos_embed",
                 "rules [[ pos_embed -> pos_embed |> pos_embed() ]]", 1);
    assert_first(state, "a.relative_position_bias_table (169, 4)\na.scale (4)\n",
                 "a.relative_position_bias_table (529, 4)\na.scale (4)\n",
                 "a.relative_position_bias_table",
                 "rules [[ a.relative_position_bias_table -> a.relative_position_bias_table |> "
                 "rel_pos_bias() ]]", 1);
    assert_first(state, "e.position_ids (1, 512)\ne.w (2)\n", "e.position_ids (1, 514)\ne.w (2)\n",
                 "e.position_ids",
                 "rules [[ **.position_ids -> ]] keep_target \"**.position_ids\"", 1);
    assert_first(state, "conv1.weight (8, 3, 7, 7)\n", "conv1.weight (8, 4, 7, 7)\n", "conv1.weight",
                 "rules [[ conv1.weight -> conv1.weight |> in_chans(4) ]]", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(rows, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(places, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
