/* The ledger: every state is reached by name, and nothing is ever in two states or in none. */
#include "tests/unit/test.h"

#include "tests/unit/align_fixture.h"
#include "tests/unit/balance.h"

static void assert_state(const Fixture *fixture, const char *name, BindStatus status, How how)
{
    const Binding *binding = binding_of(fixture, name);
    if (binding->status != status || binding->how != how)
        fail_msg("%s is %s (%s), not %s (%s)", name, bind_word(binding->status),
                 how_word(binding->how) ? how_word(binding->how) : "-", bind_word(status),
                 how_word(how) ? how_word(how) : "-");
}

static void assert_use(const Fixture *fixture, const char *name, UseStatus status,
                       const char *reason)
{
    const SourceUse *use = align_find_use(fixture->alignment, name);
    assert_non_null(use);
    if (use->status != status || !use->reason != !reason ||
        (reason && strcmp(use->reason, reason) != 0))
        fail_msg("%s is %s (%s), not %s (%s)", name, use_word(use->status),
                 use->reason ? use->reason : "-", use_word(status), reason ? reason : "-");
}

/* ---- states ---- */

static void test_loaded_exact(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2,3\nb 4", "b 4\na 2,3", NULL);
    assert_state(&f, "a", BIND_LOADED, HOW_EXACT);
    assert_string_equal(align_binding(f.alignment, 0)->name, "b");
    assert_use(&f, "a", USE_USED, NULL);
    assert_int_equal(align_exit(f.alignment), 0);
    const Summary *summary = align_summary(f.alignment);
    assert_int_equal(summary->values_loaded, 10);
    assert_int_equal(summary->bytes_target, 40);
    free_fixture(&f);
}

static void test_loaded_by_rule(void **state)
{
    (void)state;
    Fixture f = align_texts("module.a 2\nmodule.b 3", "a 2\nb 3", "strip \"module.\"");
    assert_state(&f, "a", BIND_LOADED, HOW_RULE);
    const Binding *b = binding_of(&f, "b");
    assert_string_equal(b->sources[0]->name, "module.b");
    const Step *steps[4];
    assert_int_equal(align_steps(b, steps, 4), 1);
    assert_string_equal(steps[0]->from, "module.b");
    assert_string_equal(steps[0]->to, "b");
    assert_string_equal(align_step_origin(steps[0])->file, "rules.lua");
    free_fixture(&f);
}

static void test_uses_of(void **state)
{
    (void)state;
    Fixture f = align_texts("qkv 6,2\nx 1", "v 2,2\nx 1\nq 2,2\nk 2,2",
                            "rules [[ qkv -> q, k, v |> split(3) ]]");
    size_t count;
    const uint32_t *uses = align_uses_of(f.alignment, 0, &count);
    assert_int_equal(count, 3);
    assert_int_equal(uses[0], 0);
    assert_int_equal(uses[1], 2);
    assert_int_equal(uses[2], 3);
    align_uses_of(f.alignment, 1, &count);
    assert_int_equal(count, 1);
    free_fixture(&f);
}

static void test_without_target(void **state)
{
    (void)state;
    Fixture f = align_texts("m.a 2\nm.b 3\nc 1", NULL,
                            "rules [[ c -> ]]\nstrip \"m.\"");
    assert_int_equal(align_count(f.alignment), 2);
    assert_state(&f, "a", BIND_LOADED, HOW_RULE);
    assert_int_equal(binding_of(&f, "a")->dims[0], 2);
    assert_use(&f, "c", USE_DROPPED, "dropped by rules.lua:1");
    assert_int_equal(align_exit(f.alignment), 0);
    free_fixture(&f);
}

static void test_fit_without_target(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2,3", NULL, "rules [[ a -> a |> fit(0) ]]");
    assert_state(&f, "a", BIND_SHAPE, HOW_NONE);
    assert_int_equal(align_exit(f.alignment), 1);
    free_fixture(&f);
}

static void test_unknown_shapes_fit(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2,3\nb ? ?", "a ? ?\nb 4,5 f16", NULL);
    assert_state(&f, "a", BIND_LOADED, HOW_EXACT);
    assert_int_equal(binding_of(&f, "a")->dims[1], 3);
    assert_int_equal(binding_of(&f, "a")->dtype, DT_F32);
    assert_state(&f, "b", BIND_LOADED, HOW_EXACT);
    assert_int_equal(binding_of(&f, "b")->dtype, DT_F16);
    free_fixture(&f);
}

static void test_one_element(void **state)
{
    (void)state;
    Fixture f = align_texts("s 1\nt -\nu 2", "s -\nt 1\nu -", NULL);
    assert_state(&f, "s", BIND_LOADED, HOW_EXACT);
    assert_reason(&f, "s", "one element, another rank");
    assert_state(&f, "t", BIND_LOADED, HOW_EXACT);
    assert_state(&f, "u", BIND_SHAPE, HOW_NONE);
    free_fixture(&f);
}

static void test_shape(void **state)
{
    (void)state;
    Fixture f = align_texts("head.fc.weight 100,2048\nhead.fc.bias 100",
                            "head.fc.weight 200,2048\nhead.fc.bias 200", NULL);
    assert_state(&f, "head.fc.weight", BIND_SHAPE, HOW_NONE);
    assert_reason(&f, "head.fc.weight", "dim 0");
    assert_use(&f, "head.fc.bias", USE_UNUSED, "offered to head.fc.bias: shape");
    assert_int_equal(align_exit(f.alignment), 1);
    free_fixture(&f);
}

static void test_shape_skip(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2", "a 3 f32 @\nb 1", "policy{ shape=\"skip\", missing=\"keep\" }");
    assert_state(&f, "a", BIND_KEPT, HOW_POLICY);
    assert_reason(&f, "a", "dim 0");
    assert_non_null(align_value(binding_of(&f, "a")));
    assert_state(&f, "b", BIND_KEPT, HOW_POLICY);
    assert_null(align_value(binding_of(&f, "b")));
    assert_use(&f, "a", USE_UNUSED, "offered to a: shape");
    assert_int_equal(align_exit(f.alignment), 0);
    free_fixture(&f);
}

static void test_shape_fit(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2,4\nb 5,4\nc 2,2", "a 3,4 f32 @\nb 3,4\nc 3,3 f32 @",
                            "policy{ shape=\"fit\" }");
    assert_state(&f, "a", BIND_LOADED, HOW_POLICY);
    assert_reason(&f, "a", "2 of 3 rows");
    assert_state(&f, "b", BIND_LOADED, HOW_POLICY);
    assert_state(&f, "c", BIND_SHAPE, HOW_NONE);
    free_fixture(&f);
}

static void test_fit(void **state)
{
    (void)state;
    Fixture f = align_texts("a 100,8\nb 100,8\nc 100,8", "a 200,8 f32 @\nb 200,8\nc 200,8",
                            "rules [[ a -> a |> fit(0)\n b -> b |> fit(0)\n"
                            " c -> c |> fit(0, zeros) ]]");
    assert_state(&f, "a", BIND_LOADED, HOW_RULE);
    assert_reason(&f, "a", "100 of 200 rows");
    assert_state(&f, "b", BIND_SHAPE, HOW_NONE);
    assert_non_null(strstr(binding_of(&f, "b")->reason, "schema"));
    assert_state(&f, "c", BIND_LOADED, HOW_RULE);
    free_fixture(&f);
}

static void test_dtype(void **state)
{
    (void)state;
    const char *source = "a 2 f16\nb 2 i64\nc 2 bool\nd 2 i32",
               *target = "a 2 f32\nb 2 f32\nc 2 i64\nd 2 i64";
    Fixture f = align_texts(source, target, NULL);
    assert_state(&f, "a", BIND_LOADED, HOW_EXACT);
    assert_reason(&f, "a", "f16 → f32, cast");
    assert_state(&f, "b", BIND_DTYPE, HOW_NONE);
    assert_reason(&f, "b", "i64 → f32");
    assert_suggest(&f, "b", "rules [[ b -> b |> cast \"f32\" ]]");
    assert_state(&f, "c", BIND_LOADED, HOW_EXACT);
    assert_state(&f, "d", BIND_LOADED, HOW_EXACT);
    assert_use(&f, "b", USE_UNUSED, "offered to b: dtype");
    assert_int_equal(align_exit(f.alignment), 1);
    free_fixture(&f);
    f = align_texts(source, target, "policy{ dtype=\"force\" }");
    assert_state(&f, "b", BIND_LOADED, HOW_EXACT);
    free_fixture(&f);
    f = align_texts(source, target, "policy{ dtype=\"error\" }");
    assert_state(&f, "a", BIND_DTYPE, HOW_NONE);
    free_fixture(&f);
    f = align_texts(source, target, "policy{ dtype=\"skip\" }");
    assert_state(&f, "a", BIND_KEPT, HOW_POLICY);
    assert_use(&f, "a", USE_UNUSED, "offered to a: dtype");
    free_fixture(&f);
    f = align_texts(source, target, "rules [[ b -> b |> cast \"f32\" ]]");
    assert_state(&f, "b", BIND_LOADED, HOW_RULE);
    free_fixture(&f);
}

static void test_opaque(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2 f32 !\nb 2", "a 2\nb 2", NULL);
    assert_state(&f, "a", BIND_DTYPE, HOW_NONE);
    assert_reason(&f, "a", "sparse");
    free_fixture(&f);
    f = align_texts("a 2 f32 !\nb 2", NULL, NULL);
    assert_state(&f, "a", BIND_DTYPE, HOW_NONE);
    assert_state(&f, "b", BIND_LOADED, HOW_EXACT);
    free_fixture(&f);
}

static void test_fill(void **state)
{
    (void)state;
    Fixture f = align_texts("fc.weight 5,4\nx 1\nhead.a 2",
                            "fc.weight 3,4\nfc.bias 3\nx 1\nhead.a 2\nnew 7",
                            "fill(\"fc.*\", kaiming())\nfill(\"head.**\", zeros())\n"
                            "rules [[ -> new |> zeros() ]]");
    assert_state(&f, "fc.weight", BIND_FILLED, HOW_FILL);
    assert_non_null(binding_of(&f, "fc.weight")->offered);
    assert_state(&f, "fc.bias", BIND_FILLED, HOW_FILL);
    assert_reason(&f, "fc.bias", "1-D: zeros under kaiming");
    assert_state(&f, "head.a", BIND_LOADED, HOW_EXACT);
    assert_state(&f, "new", BIND_FILLED, HOW_FILL);
    assert_use(&f, "fc.weight", USE_UNUSED, "offered to fc.weight: shape");
    assert_int_equal(align_exit(f.alignment), 0);
    assert_int_equal(align_note_count(f.alignment), 1);
    free_fixture(&f);
}

static void test_keep_target(void **state)
{
    (void)state;
    Fixture f = align_texts("head.a 2\nb 1", "head.a 2 f32 @\nhead.c 2\nb 1",
                            "keep_target \"head.**\"");
    assert_state(&f, "head.a", BIND_KEPT, HOW_POLICY);
    assert_non_null(align_value(binding_of(&f, "head.a")));
    assert_state(&f, "head.c", BIND_KEPT, HOW_POLICY);
    assert_use(&f, "head.a", USE_UNUSED, "offered to head.a: kept");
    assert_int_equal(align_exit(f.alignment), 0);
    free_fixture(&f);
}

static void test_missing(void **state)
{
    (void)state;
    Fixture f = align_texts("a 1", "a 1\nb 2", NULL);
    assert_state(&f, "b", BIND_MISSING, HOW_NONE);
    assert_int_equal(align_exit(f.alignment), 1);
    free_fixture(&f);
}

static void test_missing_init(void **state)
{
    (void)state;
    Fixture f = align_texts("a 1",
                            "a 1\nn.weight 2\nn.bias 2\nn.running_mean 2\nn.running_var 2\n"
                            "n.num_batches_tracked - i64\nc.weight 4,3\nids 5 i64",
                            "policy{ missing=\"init\" }");
    assert_state(&f, "n.weight", BIND_FILLED, HOW_FILL);
    assert_true(binding_of(&f, "n.weight")->expr->fill->a == 1);
    assert_int_equal(binding_of(&f, "n.bias")->expr->fill->kind, FILL_ZEROS);
    assert_true(binding_of(&f, "n.running_var")->expr->fill->a == 1);
    assert_int_equal(binding_of(&f, "n.num_batches_tracked")->expr->fill->kind, FILL_ZEROS);
    assert_int_equal(binding_of(&f, "c.weight")->expr->fill->kind, FILL_KAIMING_UNIFORM);
    assert_state(&f, "ids", BIND_MISSING, HOW_NONE);
    assert_reason(&f, "ids", "no initialisation is known for i64");
    free_fixture(&f);
}

static void test_tied(void **state)
{
    (void)state;
    Fixture f = align_texts("emb 4,2\nx 1", "emb 4,2 f32 @\nhead 4,2 f32 @=\nx 1 f32 @", NULL);
    assert_state(&f, "head", BIND_TIED, HOW_TIE);
    assert_string_equal(binding_of(&f, "head")->sources[0]->name, "emb");
    assert_string_equal(binding_of(&f, "head")->tied_to->name, "emb");
    assert_int_equal(align_summary(f.alignment)->values_loaded, 17);
    assert_int_equal(align_exit(f.alignment), 0);
    free_fixture(&f);
    f = align_texts("head 4,2", "emb 4,2 f32 @\nhead 4,2 f32 @=", NULL);
    assert_state(&f, "emb", BIND_TIED, HOW_TIE);
    free_fixture(&f);
}

static void test_tied_views_differ(void **state)
{
    (void)state;
    Fixture f = align_texts("emb 4,2", "emb 4,2 f32 @\nhead 2,4 f32 @=", NULL);
    assert_state(&f, "head", BIND_MISSING, HOW_NONE);
    free_fixture(&f);
}

static void test_tied_fill(void **state)
{
    (void)state;
    Fixture f = align_texts("x 1", "emb 4,2 f32 @\nhead 4,2 f32 @=\nx 1",
                            "policy{ missing=\"init\" }");
    assert_state(&f, "head", BIND_FILLED, HOW_FILL);
    assert_ptr_equal(binding_of(&f, "head")->expr, binding_of(&f, "emb")->expr);
    free_fixture(&f);
}

static void test_collision(void **state)
{
    (void)state;
    Fixture f = align_texts("module.a.w 1\na.w 2\nb 1", "a.w 2\nb 1", "strip \"module.\"");
    assert_state(&f, "a.w", BIND_AMBIGUOUS, HOW_NONE);
    assert_int_equal(binding_of(&f, "a.w")->source_count, 2);
    assert_int_equal(align_collision_count(f.alignment), 1);
    assert_use(&f, "a.w", USE_UNUSED, "offered to a.w: ambiguous");
    assert_use(&f, "module.a.w", USE_UNUSED, "offered to a.w: ambiguous");
    assert_int_equal(align_exit(f.alignment), 2);
    free_fixture(&f);
    f = align_texts("module.a.w 1\na.w 2\nb 1", "a.w 2\nb 1",
                    "policy{ collide=\"last\" }\nstrip \"module.\"");
    assert_state(&f, "a.w", BIND_LOADED, HOW_RULE);
    assert_int_equal(align_find_use(f.alignment, "module.a.w")->status, USE_DROPPED);
    assert_int_equal(align_exit(f.alignment), 0);
    free_fixture(&f);
}

static void test_dropped(void **state)
{
    (void)state;
    Fixture f = align_texts("a 1\nb 1", "a 1", "\nrules [[ b -> ]]");
    assert_use(&f, "b", USE_DROPPED, "dropped by rules.lua:2");
    free_fixture(&f);
}

static void test_unused_policy(void **state)
{
    (void)state;
    Fixture f = align_texts("a 1\nb 1", "a 1", NULL);
    assert_use(&f, "b", USE_UNUSED, NULL);
    assert_int_equal(align_exit(f.alignment), 0);
    free_fixture(&f);
    f = align_texts("a 1\nb 1", "a 1", "policy{ unused=\"error\" }");
    assert_int_equal(align_exit(f.alignment), 1);
    free_fixture(&f);
}

/* ---- expect ---- */

static void assert_expect(const char *script, int exit, const char *note)
{
    Fixture f = align_texts("a 1\nfc.w 5,2\nbn.num_batches_tracked -", "a 1\nfc.w 3,2\nnew 4",
                            script);
    if (align_exit(f.alignment) != exit) fail_msg("%s: %d", script, align_exit(f.alignment));
    bool found = !note;
    for (size_t i = 0; i < align_note_count(f.alignment); i++)
        found = found || (note && strstr(align_note(f.alignment, i)->text, note));
    if (!found) fail_msg("%s: no note \"%s\"", script, note);
    if (!note) assert_int_equal(align_note_count(f.alignment), 0);
    free_fixture(&f);
}

static void test_expect(void **state)
{
    (void)state;
    assert_expect("expect{ missing={\"new\"}, shape={\"fc.*\"}, "
                  "unused={\"**.num_batches_tracked\"}, loaded=1 }", 0, NULL);
    assert_expect("expect{ missing={\"new\"}, shape={\"fc.*\"} }", 1, "unused and not expected");
    assert_expect("expect{ missing={\"new\"}, unused={\"bn.**\"} }", 1, "1 target is open");
    assert_expect("expect{ missing={\"new\"}, shape={\"fc.*\"}, unused={\"bn.**\"}, loaded=2 }", 1,
                  "loaded 1, not 2");
    assert_expect("expect{ missing={\"new\", \"other\"}, shape={\"fc.*\"}, unused={\"bn.**\"} }", 1,
                  "missing \"other\" covers nothing");
}

static void test_covered_keeps_its_own(void **state)
{
    (void)state;
    Fixture f = align_texts("a 1", "a 1\nb 2 f32 @", "expect{ missing={\"b\"} }");
    assert_state(&f, "b", BIND_MISSING, HOW_NONE);
    assert_true(binding_of(&f, "b")->covered);
    assert_non_null(align_value(binding_of(&f, "b")));
    free_fixture(&f);
}

/* ---- the ledger balances ---- */

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void random_dict(uint64_t *random, Text *text)
{
    static const char *const names[] = {"a", "b", "c.w", "c.b", "module.a", "module.b", "m.c.w",
        "l.0.w", "l.1.w", "l.2.w", "n.0.w", "n.1.w", "fc.weight", "fc.bias", "x", "y.running_var"};
    static const char *const shapes[] = {"2", "3", "2,3", "3,2", "4,3", "-", "1", "?"};
    static const char *const dtypes[] = {"f32", "f32", "f16", "i64", "bool"};
    static const char *const marks[] = {"", "", "@", "@", "!"};
    bool has_data = false;
    for (size_t i = 0; i < countof(names); i++) {
        if (next_random(random) % 3 == 0) continue;
        const char *mark = marks[next_random(random) % countof(marks)];
        if (has_data && next_random(random) % 8 == 0) mark = "@=";
        has_data = *mark == '@';
        text_addf(text, "%s %s %s %s\n", names[i], shapes[next_random(random) % countof(shapes)],
                  dtypes[next_random(random) % countof(dtypes)], mark);
    }
}

static const char *random_script(uint64_t *random)
{
    static const char *const scripts[] = {
        "", "strip \"module.\"", "rules [[ l.{i}.w -> n.{i}.w ]]", "rules [[ a -> ]]",
        "rules [[ a -> x, b |> copy ]]", "keep_target \"fc.*\"", "fill(\"**\", zeros())",
        "policy{ shape=\"skip\", dtype=\"skip\", missing=\"keep\" }", "policy{ shape=\"fit\" }",
        "policy{ missing=\"init\", dtype=\"force\" }", "expect{ missing={\"**\"} }",
        "rules [[ l.{i}.w -> stacked |> stack(0, gaps=true) ]]",
        "strip \"module.\"; policy{ collide=\"last\" }", "rules [[ fc.* -> fc.* |> fit(0) ]]"};
    return scripts[next_random(random) % countof(scripts)];
}

static void test_balance(void **state)
{
    (void)state;
    uint64_t random = 11;
    for (int round = 0; round < 3000; round++) {
        Text source = {0}, target = {0}, script = {0};
        random_dict(&random, &source);
        random_dict(&random, &target);
        if (!source.length) text_add(&source, "a 1");
        text_addf(&script, "%s\n%s\n", random_script(&random), random_script(&random));
        StateDict *dict = make_dict(text_string(&source));
        StateDict *wanted = round % 7 ? make_dict(text_string(&target)) : NULL;
        Fixture f = {.source = make_source("s.pth", dict), .target = wanted};
        Draft *draft = draft_new(f.source, NULL, wanted, 0);
        Script *host = script_new(draft, &(ScriptOptions){0});
        Error err = {0};
        /* A script that stops half-way leaves a draft as good as any. */
        script_run(host, text_string(&script), script.length, "r.lua", &err);
        script_free(host);
        f.alignment = align_finish(draft, &err);
        assert_non_null(f.alignment);
        assert_balance(f.alignment);
        free_fixture(&f);
        text_done(&source);
        text_done(&target);
        text_done(&script);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loaded_exact),
        cmocka_unit_test(test_loaded_by_rule),
        cmocka_unit_test(test_uses_of),
        cmocka_unit_test(test_without_target),
        cmocka_unit_test(test_fit_without_target),
        cmocka_unit_test(test_unknown_shapes_fit),
        cmocka_unit_test(test_one_element),
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_shape_skip),
        cmocka_unit_test(test_shape_fit),
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_dtype),
        cmocka_unit_test(test_opaque),
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_keep_target),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_missing_init),
        cmocka_unit_test(test_tied),
        cmocka_unit_test(test_tied_views_differ),
        cmocka_unit_test(test_tied_fill),
        cmocka_unit_test(test_collision),
        cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_unused_policy),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_covered_keeps_its_own),
        cmocka_unit_test(test_balance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
