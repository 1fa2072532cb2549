/* Which rule touched what, and which one broke a row. */
#include "tests/unit/scratch_folder.h"

#include "repl/bisect.h"
#include "repl/rule_hits.h"

static const char rules_file[] =
    "-- two statements and a block\n"          /* 1 */
    "strip \"m.\"\n"                           /* 2 */
    "\n"
    "rules [[\n"                               /* 4 */
    "  a -> x     -- 5\n"
    "  b ->\n"                                 /* 6 */
    "  c -> c\n"
    "]]\n"
    "d = \"d1\"\n"                             /* 9 */
    "rules [[ c -> {d} ]]\n";                  /* 10 */

static Session *open_session(void **state, const char *rules, const char *second)
{
    char source[512], target[512], first[512];
    Error err = {0};
    write_text(state, "source.txt", "m.a (2,)\nm.b (3,)\nm.c (4,)\nlast (5,)\n");
    write_text(state, "target.txt", "a (2,)\nb (3,)\nc (4,)\nlast (5,)\nnever (6,)\n");
    write_text(state, "rules.lua", rules);
    snprintf(source, sizeof source, "%s", path_of(state, "source.txt"));
    snprintf(target, sizeof target, "%s", path_of(state, "target.txt"));
    snprintf(first, sizeof first, "%s", path_of(state, "rules.lua"));
    const RulesArgument texts[] = {{RULES_CODE, "x = 1"}, {RULES_FILE, first},
                                   {RULES_CODE, second}};
    const SessionOptions options = {.source = source, .target = target, .rules = texts,
                                    .rule_count = countof(texts)};
    Session *session = session_new(&options, &err);
    if (!session) fail_msg("%s", err.text);
    return session;
}

static bool find(Session *session, const char *key, bool source, Culprit *out, Error *err)
{
    Snapshot *snapshot = session_snapshot(session);
    bool found = bisect_row(snapshot, &(SnapshotRun){.part = NULL}, key, source, out, err);
    session_give_back(session, snapshot);
    return found;
}

static void assert_culprit(Session *session, const char *key, bool source, size_t text,
                           size_t line, bool broke)
{
    Culprit culprit;
    Error err = {0};
    if (!find(session, key, source, &culprit, &err)) fail_msg("%s", err.text);
    assert_int_equal(culprit.text, text);
    assert_int_equal(culprit.line, line);
    assert_int_equal(culprit.broke, broke);
    assert_true(culprit.runs > 2);
}

static void the_culprit_is_a_line(void **state)
{
    Session *session = open_session(state, rules_file, "rules [[ last -> e ]]");
    Culprit culprit;
    Error err = {0};
    assert_culprit(session, "a", false, 1, 5, true);
    assert_culprit(session, "b", false, 1, 6, true);
    assert_culprit(session, "c", false, 1, 10, true);
    assert_culprit(session, "last", false, 2, 1, true);
    assert_culprit(session, "last", true, 2, 1, true);
    assert_false(find(session, "never", false, &culprit, &err));
    assert_error_has(err, "it never had a value");
    session_add_line(session, "rules [[ e -> last ]]");
    assert_culprit(session, "last", false, 3, 1, false);
    session_add_line(session, "rules [[ x -> a ]]");
    session_add_line(session, "y = 2");
    assert_culprit(session, "a", false, 4, 1, false);
    session_free(session);
}

static void rules_that_fail_are_culprits(void **state)
{
    Session *session = open_session(state, "strip \"m.\"\nx.y.z = 1\n", "z = 1");
    assert_culprit(session, "a", false, 1, 2, true);
    session_free(session);
}

static void hits_are_counted_by_line(void **state)
{
    Session *session = open_session(state, rules_file, "");
    session_add_line(session, "keep_target \"never\"");
    Error err = {0};
    bool failed;
    Alignment *alignment = session_align(session, &failed, &err);
    if (failed) fail_msg("%s", err.text);
    RuleHits *hits = rule_hits_new(session, alignment);
    assert_int_equal(rule_hits_count(hits, 0, 0), 0);
    assert_int_equal(rule_hits_count(hits, 1, 0), 3);
    assert_int_equal(rule_hits_count(hits, 1, 2), 3);
    assert_int_equal(rule_hits_count(hits, 1, 5), 1);
    assert_int_equal(rule_hits_count(hits, 1, 6), 1);
    assert_int_equal(rule_hits_count(hits, 1, 9), 0);
    assert_int_equal(rule_hits_count(hits, 1, 10), 1);
    assert_int_equal(rule_hits_count(hits, 1, 999), 0);
    assert_int_equal(rule_hits_count(hits, 3, 0), 1);
    rule_hits_free(hits);
    Arena *arena = arena_new();
    const char *const *names;
    assert_int_equal(rule_hits_names(session, alignment, 1, 6, arena, &names), 1);
    assert_string_equal(names[0], "m.b");
    assert_int_equal(rule_hits_names(session, alignment, 3, 0, arena, &names), 1);
    assert_string_equal(names[0], "never");
    arena_free(arena);
    align_unref(alignment);
    session_free(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_culprit_is_a_line, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(rules_that_fail_are_culprits, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(hits_are_counted_by_line, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
