/* Marks of a session: lines made by hand that are one literal rule each, and what follows from them. */
#include "tests/unit/scratch_folder.h"

#include "repl/session.h"
#include "repl/session_marks.h"

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static Session *open_session(void **state)
{
    char source[512], target[512];
    Error err = {0};
    snprintf(source, sizeof source, "%s", path_of(state, "source.txt"));
    snprintf(target, sizeof target, "%s", path_of(state, "target.txt"));
    write_file(source, "m.l.0.q (8, 4)\nm.l.1.q (8, 4)\nm.l.2.q (8, 4)\nm.k (3,)\nsame (2,)\n");
    write_file(target, "b.0.wq (4, 8)\nb.1.wq (4, 8)\nb.2.wq (4, 8)\nkk (3,)\nsame (2,)\n");
    const RulesArgument strip = {RULES_CODE, "strip \"m.\""};
    const SessionOptions options = {.source = source, .target = target, .rules = &strip,
                                    .rule_count = 1};
    Session *session = session_new(&options, &err);
    if (!session) fail_msg("%s", err.text);
    return session;
}

static void lines_of_one_literal_rule_are_marks(void **state)
{
    (void)state;
    assert_true(session_line_is_mark("rules [[ a.0.w -> b.0.w ]]"));
    assert_true(session_line_is_mark(" rules [=[ \"]] x\" -> b |> T ]=] "));
    assert_true(session_line_is_mark("rules [[ qkv -> q, k, v |> split(3) ]]"));
    assert_true(session_line_is_mark("rules[[ a, b -> c |> permute(1, 0), cat(0) ]]"));
    assert_true(session_line_is_mark("rules [[ l -> q, m |> split({3, 12}) ]]"));
    assert_true(session_line_is_mark("rules [[ l -> q, m |> split( { 3, 12 } , 1 ) ]]"));
    assert_false(session_line_is_mark("rules [[ l -> q, m |> split({}) ]]"));
    assert_false(session_line_is_mark("rules [[ l -> q, m |> split({3, 12) ]]"));
    assert_false(session_line_is_mark("rules [[ l -> q, m |> split({3, 12}, x) ]]"));
    assert_false(session_line_is_mark("rules [[ a.{i}.w -> b.{i}.w ]]"));
    assert_false(session_line_is_mark("rules [[ a.* -> b.* ]]"));
    assert_false(session_line_is_mark("rules [[ a -> ]]"));
    assert_false(session_line_is_mark("rules [[ -> a |> zeros() ]]"));
    assert_false(session_line_is_mark("rules [[ a -> b ; c -> d ]]"));
    assert_false(session_line_is_mark("rules [[ a -> b |> function(t) return t end ]]"));
    assert_false(session_line_is_mark("rules [[ a -> b |> permute(x) ]]"));
    assert_false(session_line_is_mark("rules [[ w -> {n}.w |> unstack(0) ]]"));
    assert_false(session_line_is_mark("sub [[ a -> b ]]"));
    assert_false(session_line_is_mark("rules [[ a -> b ]] x = 1"));
    assert_false(session_line_is_mark("rules"));
    assert_false(session_line_is_mark(""));
}

static bool find(Session *session, Arena *arena, SessionMarks *out, Error *err)
{
    Snapshot *snapshot = session_snapshot(session);
    bool found = session_marks(snapshot, &(SnapshotRun){.part = NULL}, arena, out, err);
    session_give_back(session, snapshot);
    return found;
}

static void what_follows_replaces_the_marks(void **state)
{
    Session *session = open_session(state);
    Arena *arena = arena_new();
    SessionMarks marks;
    Error err = {0};
    assert_false(find(session, arena, &marks, &err));
    assert_error_has(err, "no pair is marked");
    session_add_line(session, "rules [[ l.0.q -> b.0.wq |> T ]]");
    session_add_line(session, "policy{unused=\"ignore\"}");
    if (!find(session, arena, &marks, &err)) fail_msg("%s", err.text);
    assert_int_equal(marks.count, 1);
    assert_int_equal(marks.result->proposals[0].loads, 3);
    assert_string_equal(marks.result->proposals[0].text,
                        "rules [[\n  l.{i}.q -> b.{i}.wq |> T\n]]\n");
    assert_string_equal(marks.result->ask, "k");
    align_unref(marks.alignment);
    session_add_line(session, "rules [[ nowhere -> kk ]]");
    assert_false(find(session, arena, &marks, &err));
    assert_error_has(err, "the source has no key 'nowhere'");
    assert_true(session_undo(session));
    arena_free(arena);
    session_free(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_one_literal_rule_are_marks),
        cmocka_unit_test_setup_teardown(what_follows_replaces_the_marks, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
