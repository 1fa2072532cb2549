/* tie(): two names of one tensor, with a target and without. */
#include "tests/unit/test.h"

#include "tests/unit/align_fixture.h"
#include "tests/unit/scripts.h"

static void assert_state(const Fixture *f, const char *name, BindStatus status, How how,
                         const char *source)
{
    const Binding *binding = binding_of(f, name);
    const char *found = binding->source_count ? binding->sources[0]->name : "";
    if (binding->status != status || binding->how != how || strcmp(found, source) != 0)
        fail_msg("%s is %s (%s) of '%s'", name, bind_word(binding->status),
                 how_word(binding->how) ? how_word(binding->how) : "-", found);
}

static void assert_tied(const Fixture *f, const char *alias, const char *owner)
{
    assert_ptr_equal(binding_of(f, alias)->tied_to, binding_of(f, owner));
    assert_ptr_equal(binding_of(f, alias)->expr, binding_of(f, owner)->expr);
}

static void assert_use(const Fixture *f, const char *name, UseStatus status, const char *reason)
{
    const SourceUse *use = align_find_use(f->alignment, name);
    assert_int_equal(use->status, status);
    if (!reason) assert_null(use->reason);
    else assert_string_equal(use->reason, reason);
}

static void assert_note(const Fixture *f, NoteLevel level, const char *part)
{
    for (size_t i = 0; i < align_note_count(f->alignment); i++) {
        const RuleNote *note = align_note(f->alignment, i);
        if (note->level == level && strstr(note->text, part)) return;
    }
    fail_msg("no note has \"%s\"", part);
}

static void the_alias_gets_the_owners_value(void **state)
{
    (void)state;
    Fixture f = align_texts("emb.w 4,2", "emb.w 4,2\nhead.w 4,2", "tie('head.w', 'emb.w')");
    assert_state(&f, "head.w", BIND_TIED, HOW_TIE, "emb.w");
    assert_tied(&f, "head.w", "emb.w");
    assert_int_equal(align_exit(f.alignment), 0);
    size_t count;
    align_uses_of(f.alignment, 0, &count);
    assert_int_equal(count, 2);
    free_fixture(&f);
}

static void the_owner_gets_the_aliass_value_if_it_has_none(void **state)
{
    (void)state;
    Fixture f = align_texts("head.w 4,2", "emb.w 4,2\nhead.w 4,2", "tie('head.w', 'emb.w')");
    assert_state(&f, "emb.w", BIND_TIED, HOW_TIE, "head.w");
    assert_state(&f, "head.w", BIND_LOADED, HOW_EXACT, "head.w");
    assert_tied(&f, "emb.w", "head.w");
    free_fixture(&f);
}

static void what_the_alias_was_offered_is_unused(void **state)
{
    (void)state;
    Fixture f = align_texts("emb.w 4,2\nhead.w 4,2", "emb.w 4,2\nhead.w 4,2",
                            "tie('head.w', 'emb.w')");
    assert_state(&f, "head.w", BIND_TIED, HOW_TIE, "emb.w");
    assert_use(&f, "head.w", USE_UNUSED, "offered to head.w: tied");
    free_fixture(&f);
}

static void one_storage_in_the_source_is_used_twice(void **state)
{
    (void)state;
    Fixture f = align_texts("emb.w 4,2 f32 @\nhead.w 4,2 f32 @=", "emb.w 4,2\nhead.w 4,2",
                            "tie('head.w', 'emb.w')");
    assert_state(&f, "head.w", BIND_TIED, HOW_TIE, "head.w");
    assert_tied(&f, "head.w", "emb.w");
    assert_use(&f, "head.w", USE_USED, NULL);
    free_fixture(&f);
}

static void patterns_tie_pair_by_pair(void **state)
{
    (void)state;
    Fixture f = align_texts("enc.0.e 2\nenc.1.e 3", "dec.1.e 3\ndec.0.e 2\nenc.0.e 2\nenc.1.e 3",
                            "tie('dec.{i}.e', 'enc.{i}.e')");
    assert_tied(&f, "dec.0.e", "enc.0.e");
    assert_tied(&f, "dec.1.e", "enc.1.e");
    free_fixture(&f);
}

static void without_target_aliases_are_made(void **state)
{
    (void)state;
    Fixture f = align_texts("m.enc.0.e 2\nm.enc.1.e 3\nx 1", NULL,
                            "tie('dec.{i}.*', 'enc.{i}.*') strip 'm.'");
    assert_int_equal(align_count(f.alignment), 5);
    assert_state(&f, "dec.0.e", BIND_TIED, HOW_TIE, "m.enc.0.e");
    assert_tied(&f, "dec.1.e", "enc.1.e");
    assert_int_equal(binding_of(&f, "dec.1.e")->dims[0], 3);
    assert_use(&f, "m.enc.0.e", USE_USED, NULL);
    free_fixture(&f);
}

static void chains_have_one_root(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2", "c 2\nb 2\na 2", "tie('c', 'b') tie('b', 'a') tie('a', 'c')");
    assert_tied(&f, "b", "a");
    assert_ptr_equal(binding_of(&f, "c")->tied_to, binding_of(&f, "a"));
    assert_int_equal(align_exit(f.alignment), 0);
    free_fixture(&f);
}

static void fills_and_policies_are_shared(void **state)
{
    (void)state;
    Fixture f = align_texts("x 1", "a 2,2\nb 2,2\nx 1", "tie('b', 'a') fill('a', kaiming())");
    assert_state(&f, "b", BIND_FILLED, HOW_TIE, "");
    assert_tied(&f, "b", "a");
    free_fixture(&f);
    f = align_texts("x 1", "b 2,2\na 2,2\nx 1", "tie('b', 'a') policy{missing='init'}");
    assert_state(&f, "b", BIND_FILLED, HOW_TIE, "");
    assert_tied(&f, "b", "a");
    free_fixture(&f);
    f = align_texts("x 1", "a 2,2 f32 @\nb 2,2 f32 @\nx 1", "tie('b', 'a') policy{missing='keep'}");
    assert_state(&f, "b", BIND_KEPT, HOW_TIE, "");
    assert_ptr_equal(binding_of(&f, "b")->own, binding_of(&f, "a")->own);
    free_fixture(&f);
    f = align_texts("x 1", "a 2,2 f32 @\nb 2,2 f32 @=\nx 1",
                    "tie('a', 'b') fill('*', kaiming())");
    assert_tied(&f, "a", "b");
    free_fixture(&f);
}

static void what_differs_is_an_error(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2", "a 2\nb 3", "tie('b', 'a')");
    assert_note(&f, NOTE_ERROR, "tie: 'b' and 'a' differ in shape or dtype");
    assert_int_equal(align_exit(f.alignment), 2);
    free_fixture(&f);
    f = align_texts("a 2", "a 2\nb 2 f16", "tie('b', 'a')");
    assert_note(&f, NOTE_ERROR, "differ in shape or dtype");
    free_fixture(&f);
}

static void what_is_not_there_is_noted(void **state)
{
    (void)state;
    Fixture f = align_texts("a 2", "a 2", "tie('b', 'a')");
    assert_note(&f, NOTE_INFO, "tie(\"b\", \"a\"): there are no two such names");
    free_fixture(&f);
    f = align_texts("x 2", "a 2\nb 2\nx 2", "tie('b', 'a')");
    assert_state(&f, "b", BIND_MISSING, HOW_NONE, "");
    free_fixture(&f);
}

static void assert_refused(const char *code, const char *part)
{
    fails("a f32 2", code, "fix.lua:1: tie: ", part);
}

static void bad_statements(void **state)
{
    (void)state;
    assert_refused("tie('a')", "expected text, got nothing");
    assert_refused("tie('a', 'b', 'c')", "3 arguments given");
    assert_refused("tie('a', 'a')", "the two names are the same");
    assert_refused("tie('a{', 'b')", "is not closed");
    assert_refused("tie('a.{i}', 'b')", "{i}");
    assert_refused("tie('a', 'b.*')", "b.*");
    assert_refused("tie('a.{i}', 'b.{i+x}')", "{i+x}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_alias_gets_the_owners_value),
        cmocka_unit_test(the_owner_gets_the_aliass_value_if_it_has_none),
        cmocka_unit_test(what_the_alias_was_offered_is_unused),
        cmocka_unit_test(one_storage_in_the_source_is_used_twice),
        cmocka_unit_test(patterns_tie_pair_by_pair),
        cmocka_unit_test(without_target_aliases_are_made),
        cmocka_unit_test(chains_have_one_root),
        cmocka_unit_test(fills_and_policies_are_shared),
        cmocka_unit_test(what_differs_is_an_error),
        cmocka_unit_test(what_is_not_there_is_noted),
        cmocka_unit_test(bad_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
