/* Sessions: changes of all kinds and their undo, parts of the rules, and the file that a session is
 * saved as. */
#include "tests/unit/scratch_folder.h"

#include <time.h>

#include "repl/recovery.h"
#include "repl/session_file.h"
#include "repl/statement_ends.h"

static const char *write_at(void **state, const char *name, const char *text)
{
    write_text(state, name, text);
    return path_of(state, name);
}

/* Keys m.a, m.b, c of the source; a, b, d of the target. */
static Session *open_with(void **state, const RulesArgument *rules, size_t count)
{
    char source[512], target[512];
    Error err = {0};
    snprintf(source, sizeof source, "%s", write_at(state, "source.txt",
                                                   "m.a (2,)\nm.b (3,)\nc (4,)\n"));
    snprintf(target, sizeof target, "%s", write_at(state, "target.txt",
                                                   "a (2,)\nb (3,)\nd (4,)\n"));
    const SessionOptions options = {.source = source, .target = target, .rules = rules,
                                    .rule_count = count};
    Session *session = session_new(&options, &err);
    if (!session) fail_msg("%s", err.text);
    return session;
}

static void assert_loaded_of(Alignment *alignment, size_t wanted)
{
    assert_non_null(alignment);
    assert_int_equal(align_summary(alignment)->bind[BIND_LOADED], wanted);
    align_unref(alignment);
}

static void assert_loaded(Session *session, size_t wanted)
{
    Error err = {0};
    bool failed;
    Alignment *alignment = session_align(session, &failed, &err);
    if (failed) fail_msg("%s", err.text);
    assert_loaded_of(alignment, wanted);
}

static const char *text_at(const Session *session, size_t index)
{
    SessionText text;
    assert_true(session_text(session, index, &text));
    return text.text;
}

static void every_change_is_taken_back(void **state)
{
    const RulesArgument code = {RULES_CODE, "strip \"m.\""};
    Session *session = open_with(state, &code, 1);
    Error err = {0};
    assert_loaded(session, 2);
    session_add_line(session, "rules [[ c -> d ]]");
    assert_loaded(session, 3);
    session_turn(session, 0, true);
    assert_loaded(session, 1);
    session_turn(session, 0, false);
    session_move(session, 1, 0);
    assert_string_equal(text_at(session, 0), "rules [[ c -> d ]]");
    assert_string_equal(text_at(session, 1), "strip \"m.\"");
    session_rewrite(session, 0, "rules [[ c -> e ]]");
    assert_loaded(session, 2);
    session_remove(session, 1);
    assert_int_equal(session_text_count(session), 1);
    char other[512];
    snprintf(other, sizeof other, "%s", write_at(state, "other.txt", "e (4,)\n"));
    assert_true(session_open_side(session, 1, other, NULL, &err));
    assert_loaded(session, 1);
    assert_false(session_open_side(session, 0, path_of(state, "nothing.txt"), NULL, &err));
    unsigned version = session_rules_version(session);
    session_mark(session, 0, "c");
    assert_int_equal(session_rules_version(session), version);
    static const char *const undone[] = {
        "marked", "another target", "deleted: -e", "edited: rules [[ c -> d ]]",
        "moved: rules [[ c -> d ]]", "on: -e", "off: -e", "rules [[ c -> d ]]",
    };
    static const size_t loaded[] = {1, 0, 2, 3, 3, 1, 3, 2};
    for (size_t i = 0; i < countof(undone); i++) {
        assert_string_equal(session_undo_what(session), undone[i]);
        assert_true(session_undo(session));
        assert_loaded(session, loaded[i]);
    }
    assert_null(session_undo_what(session));
    assert_false(session_undo(session));
    assert_true(session_is_saved(session));
    for (size_t i = countof(undone); i-- > 0;) {
        assert_string_equal(session_redo_what(session), undone[i]);
        assert_true(session_redo(session));
    }
    assert_false(session_redo(session));
    assert_loaded(session, 1);
    session_free(session);
}

static void marks_stand_in_their_order(void **state)
{
    Session *session = open_with(state, NULL, 0);
    const char *const *keys;
    session_mark(session, 0, "c");
    session_mark(session, 0, "m.a");
    session_mark(session, 1, "d");
    session_mark(session, 0, "c");
    session_mark(session, 0, "c");
    assert_int_equal(session_marked(session, 0, &keys), 2);
    assert_string_equal(keys[0], "m.a");
    assert_string_equal(keys[1], "c");
    assert_int_equal(session_marked(session, 1, &keys), 1);
    assert_true(session_is_saved(session));
    session_unmark_all(session);
    assert_int_equal(session_marked(session, 0, &keys), 0);
    assert_true(session_undo(session));
    assert_int_equal(session_marked(session, 0, &keys), 2);
    session_free(session);
}

static bool is_sub(const char *line)
{
    return strncmp(line, "sub", 3) == 0;
}

static Alignment *align_part(Session *session, const SnapshotPart *part, size_t without)
{
    Snapshot *snapshot = session_snapshot(session);
    Alignment *alignment = snapshot_try(snapshot, &(SnapshotRun){.part = part, .without = without},
                                        NULL);
    session_give_back(session, snapshot);
    return alignment;
}

static void parts_of_the_rules_are_tried(void **state)
{
    Session *session = open_with(state, NULL, 0);
    session_add_line(session, "strip \"m.\"");
    session_add_line(session, "rules [[ c -> d ]]");
    session_add_line(session, "rules [[ a -> ]]");
    session_add_line(session, "sub [[ b -> x ]]");
    static const size_t loaded[] = {0, 2, 3, 2, 1};
    for (size_t i = 0; i < countof(loaded); i++)
        assert_loaded_of(align_part(session, &(SnapshotPart){i, 0}, 0), loaded[i]);
    assert_loaded_of(align_part(session, NULL, 3), 2);
    assert_loaded_of(align_part(session, NULL, 1), 1);
    assert_loaded(session, 1);
    session_swap_lines(session, is_sub, "sub [[ b -> b ]]", "other");
    assert_int_equal(session_line_count(session), 4);
    assert_loaded(session, 2);
    session_free(session);
}

static void a_text_is_taken_apart(void **state)
{
    static const char text[] = "strip \"m.\" -- first\n\n-- a comment\n\nrules [[\n  c -> d\n]]\n"
                               "-- the end\n";
    const RulesArgument rules[] = {{RULES_CODE, "x = 1"}, {RULES_CODE, text},
                                   {RULES_CODE, "y = 1"}};
    Session *session = open_with(state, rules, 3);
    size_t count, *ends = statement_ends(text, strlen(text), &count);
    assert_loaded(session, 3);
    session_split(session, 1, ends, count);
    free(ends);
    assert_int_equal(session_text_count(session), 4);
    assert_string_equal(text_at(session, 0), "x = 1");
    assert_string_equal(text_at(session, 1), "strip \"m.\" -- first");
    assert_string_equal(text_at(session, 2), "rules [[\n  c -> d\n]]");
    assert_string_equal(text_at(session, 3), "y = 1");
    assert_loaded(session, 3);
    assert_true(session_undo(session));
    assert_int_equal(session_text_count(session), 3);
    ends = statement_ends("", 0, &count);
    assert_int_equal(count, 0);
    free(ends);
    session_free(session);
}

/* What stands in a text may be anything that Lua allows. */
static const char *const odd[] = {
    "strip \"m.\"",
    "local k = \"c\"\nrules [[ {k:c} -> d ]]",
    "x = [==[\n--= line\n]] ]=]\n]==]",
    "rules [[ d -> e ]] or 1",
    "if true then return end",
    "goto done; ::done::",
    "-- a comment",
};

static void assert_same_texts(const Session *session, const SessionRecord *record)
{
    assert_int_equal(record->text_count, session_text_count(session));
    for (size_t i = 0; i < record->text_count; i++) {
        SessionText text;
        assert_true(session_text(session, i, &text));
        assert_string_equal(record->texts[i].text, text.text);
        assert_int_equal(record->texts[i].length, text.length);
        assert_int_equal(record->texts[i].off, text.off);
        if (text.kind == RULES_LINE) assert_int_equal(record->texts[i].kind, RULES_LINE);
        else assert_string_equal(record->texts[i].name, text.name);
    }
}

static void a_session_comes_back_as_it_was(void **state)
{
    char file[512];
    snprintf(file, sizeof file, "%s", write_at(state, "fix.lua", "#!tenon\nlocal y = 1\nreturn\n"));
    const RulesArgument rules[] = {{RULES_FILE, file}, {RULES_PRESET, "nonstrict"},
                                   {RULES_CODE, "z = 1"}};
    Session *session = open_with(state, rules, 2);
    Error err = {0};
    for (size_t i = 0; i < countof(odd); i++) session_add_line(session, odd[i]);
    session_add_line(session, "strip \"nothing.\"");
    session_turn(session, session_text_count(session) - 1, true);
    session_add_line(session, "x = \"]]\"");
    session_turn(session, session_text_count(session) - 1, true);
    assert_false(session_is_saved(session));
    bool failed;
    Alignment *alignment = session_align(session, &failed, &err);
    if (failed) fail_msg("%s", err.text);
    char path[512];
    snprintf(path, sizeof path, "%s", path_of(state, "it.lua"));
    if (!session_save(session, alignment, path, false, &err)) fail_msg("%s", err.text);
    assert_true(session_is_saved(session));
    assert_true(session_file_is(path));
    assert_false(session_file_is(file));
    assert_false(session_file_is(path_of(state, "")));
    SessionRecord record;
    Arena *arena = arena_new();
    if (!session_file_read(path, arena, &record, &err)) fail_msg("%s", err.text);
    assert_string_equal(record.source, session_source_path(session));
    assert_string_equal(record.target, session_target_path(session));
    assert_int_equal(record.texts[0].length, strlen("--#!tenon\nlocal y = 1\nreturn\n"));
    const RulesArgument again = {RULES_FILE, path};
    const SessionOptions headless = {.source = record.source, .target = record.target,
                                     .rules = &again, .rule_count = 1};
    Session *other = session_new(&headless, &err);
    assert_loaded(other, align_summary(alignment)->bind[BIND_LOADED]);
    session_free(other);
    SessionOptions resumed = {.source = record.source, .target = record.target,
                              .texts = record.texts, .text_count = record.text_count,
                              .file = path};
    other = session_new(&resumed, &err);
    assert_true(session_is_saved(other));
    assert_same_texts(other, &record);
    if (!session_save(other, NULL, path, false, &err)) fail_msg("%s", err.text);
    SessionRecord twice;
    if (!session_file_read(path, arena, &twice, &err)) fail_msg("%s", err.text);
    assert_same_texts(other, &twice);
    session_free(other);
    align_unref(alignment);
    arena_free(arena);
    session_free(session);
}

static void what_was_changed_by_hand_is_read(void **state)
{
    const char *path = write_at(state, "hand.lua",
                                "-- tenon session 1 =\n-- source: \"a.txt\"\nx = 1\n\n"
                                "--= file \"b.lua\"\ndo (function()\ny = 2\nend)() end\nz = 3\n"
                                "--= off line\nno comment");
    Arena *arena = arena_new();
    SessionRecord record;
    Error err = {0};
    if (!session_file_read(path, arena, &record, &err)) fail_msg("%s", err.text);
    assert_int_equal(record.text_count, 3);
    assert_string_equal(record.texts[0].text, "x = 1");
    assert_string_equal(record.texts[1].name, "b.lua");
    assert_string_equal(record.texts[1].text, "do (function()\ny = 2\nend)() end\nz = 3");
    assert_string_equal(record.texts[2].text, "no comment");
    assert_true(record.texts[2].off);
    assert_null(record.target);
    path = write_at(state, "hand.lua", "-- tenon session 1 =\n-- target: \"a.txt\"\n");
    assert_false(session_file_read(path, arena, &record, &err));
    assert_error_has(err, "without a source");
    arena_free(arena);
}

/* Whatever a file holds, it is read or refused. */
static void any_bytes_are_read_or_refused(void **state)
{
    static const char whole[] =
        "-- tenon session 1 ==\n-- source: \"a.txt::b\"\n-- target: \"c\"\n-- seed: 7\n\n"
        "--== file \"b.lua\"\ndo (function()\ny = 2\nend)() end\n\n--== off line\n--[=[\nx\n"
        "]=]\n\n--== line\ndo (function() return\nz\nend)() end\n";
    char bytes[sizeof whole];
    uint32_t random = 1;
    for (int round = 0; round < 300; round++) {
        size_t n = sizeof whole - 1;
        memcpy(bytes, whole, n);
        for (int i = 0; i < 3; i++) {
            random = random * 1664525u + 1013904223u;
            bytes[(random >> 8) % n] = "\"=-\n[\\\0x"[random >> 28 & 7];
        }
        n -= (random >> 4) % 40;
        write_n(state, "any.lua", bytes, n);
        Arena *arena = arena_new();
        SessionRecord record;
        Error err = {0};
        bool good = session_file_read(path_of(state, "any.lua"), arena, &record, &err);
        assert_int_equal(good, record.source != NULL);
        for (size_t i = 0; i < record.text_count; i++)
            assert_non_null(memchr(record.texts[i].text, '\0', record.texts[i].length + 1));
        arena_free(arena);
    }
}

static void lines_go_to_a_file_where_they_run_as_before(void **state)
{
    char file[512];
    snprintf(file, sizeof file, "%s", write_at(state, "fix.lua", "strip \"m.\""));
    const RulesArgument rules[] = {{RULES_FILE, file}, {RULES_CODE, "x = 1"}};
    Session *session = open_with(state, rules, 2);
    Error err = {0};
    session_add_line(session, "rules [[ c -> d ]]");
    assert_false(session_save_lines(session, file, &err));
    assert_error_has(err, "at another place");
    session_turn(session, 1, true);
    session_add_line(session, "rules [[ a -> ]]");
    session_turn(session, 3, true);
    if (!session_save_lines(session, file, &err)) fail_msg("%s", err.text);
    assert_string_equal(text_at(session, 0), "strip \"m.\"\nrules [[ c -> d ]]\n");
    assert_int_equal(session_text_count(session), 3);
    assert_true(session_is_saved(session));
    assert_null(session_undo_what(session));
    assert_loaded(session, 3);
    session_free(session);
}

/* Of SessionOpener: opens them itself, and says what it was asked for. */
static void open_counted(void *context, Opened *opened)
{
    unsigned *asked = context;
    asked[0] += opened->names[0] != NULL;
    asked[1] += opened->names[1] != NULL;
    opened_wait(opened);
}

static void open_wrong(void **state, const char *source, const char *target, const char *wrong)
{
    Error err = {0};
    char both[2][512];
    snprintf(both[0], sizeof both[0], "%s", path_of(state, source));
    snprintf(both[1], sizeof both[1], "%s", path_of(state, target));
    assert_null(session_new(&(SessionOptions){.source = both[0], .target = both[1]}, &err));
    if (!strstr(err.text, wrong)) fail_msg("no %s in: %s", wrong, err.text);
}

/* Both sides are opened together, the source's mistakes are told first, and what is open already is
 * not opened again. */
static void files_are_opened_beside_each_other(void **state)
{
    unsigned asked[2] = {0, 0};
    const char *file;
    const SessionOpener opener = {open_counted, asked};
    Error err = {0};
    session_free(open_with(state, NULL, 0));
    open_wrong(state, "nothing.txt", "neither.txt", "nothing.txt");
    open_wrong(state, "nothing.txt", "target.txt", "nothing.txt");
    open_wrong(state, "source.txt", "neither.txt", "neither.txt");
    char source[512], target[512];
    snprintf(source, sizeof source, "%s", path_of(state, "source.txt"));
    snprintf(target, sizeof target, "%s", path_of(state, "target.txt"));
    const SessionOptions options = {.source = source, .target = target, .opener = &opener};
    Session *session = session_new(&options, &err);
    if (!session) fail_msg("%s", err.text);
    assert_int_equal(asked[0], 1);
    assert_int_equal(asked[1], 1);
    assert_true(session_side_file(session, 0, source, &file, &err));
    assert_null(file);
    assert_true(session_side_file(session, 0, target, &file, &err));
    assert_string_equal(file, target);
    assert_true(session_open_side(session, 0, source, &opener, &err));
    assert_int_equal(asked[0], 1);
    assert_true(session_open_side(session, 0, target, &opener, &err));
    assert_int_equal(asked[0], 2);
    assert_int_equal(asked[1], 1);
    session_free(session);
}

/* On a home that hosts share, a process of the same number may have ended in the same second. */
static void what_another_left_stays(void **state)
{
    Session *session = open_with(state, NULL, 0);
    Arena *arena = arena_new();
    Error err = {0};
    const char *path;
    char name[128], stamp[32];
    enum { SECONDS = 30 };
    setenv("XDG_STATE_HOME", *state, 1);
    session_add_line(session, "strip \"m.\"");
    const time_t start = time(NULL);
    for (int i = 0; i < SECONDS; i++) {
        const time_t at = start + i;
        struct tm now;
        strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", localtime_r(&at, &now));
        snprintf(name, sizeof name, "tenon/unsaved-%s-%ld.lua", stamp, (long)getpid());
        write_text(state, name, "-- another's\n");
    }
    if (!recovery_save(session, false, arena, &path, &err)) fail_msg("%s", err.text);
    assert_true(session_file_is(path));
    Text command = {0};
    text_addf(&command, "test $(grep -l \"another's\" '%s'/tenon/*.lua | wc -l) = %d",
              (const char *)*state, SECONDS);
    assert_int_equal(system(text_string(&command)), 0);
    text_done(&command);
    unsetenv("XDG_STATE_HOME");
    arena_free(arena);
    session_free(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_change_is_taken_back, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(marks_stand_in_their_order, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(parts_of_the_rules_are_tried, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_text_is_taken_apart, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_session_comes_back_as_it_was, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_was_changed_by_hand_is_read, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(any_bytes_are_read_or_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(files_are_opened_beside_each_other, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(lines_go_to_a_file_where_they_run_as_before, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_another_left_stays, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
