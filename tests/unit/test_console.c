/* The prompt's interpreter: what becomes a line and what does not, what an error leaves behind, and
 * drafts that are copied while they are at work. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "repl/call_list.h"
#include "repl/fault.h"
#include "repl/verbs.h"
#include "tests/unit/scripts.h"

static Console *open_demo(void)
{
    Error err = {0};
    SessionOptions options = {.source = "tests/data/demo/pretrain.pth",
                              .target = "tests/data/demo/net.pth"};
    Session *session = session_new(&options, &err);
    if (!session) fail_msg("%s", err.text);
    return console_new(session, &(ConsoleOptions){.calls = call_table()});
}

static void enter(Console *console, const char *text)
{
    Error err = {0};
    if (!console_enter(console, text, &err)) fail_msg("%s: %s", text, err.text);
}

static void assert_refused(Console *console, const char *text, const char *why)
{
    Error err = {0};
    assert_false(console_enter(console, text, &err));
    assert_error_has(err, why);
}

static void assert_shows(Console *console, const char *text, const char *shown)
{
    enter(console, text);
    assert_string_equal(console_output(console), shown);
}

/* The session's lines, one a line. */
static void assert_lines(const Console *console, const char *wanted)
{
    Text lines = {0};
    for (size_t i = 0; i < session_line_count(console->session); i++)
        text_addf(&lines, "%s\n", session_line(console->session, i));
    assert_string_equal(text_string(&lines), wanted);
    text_done(&lines);
}

static void test_lines(void **state)
{
    (void)state;
    Console *console = open_demo();
    assert_shows(console, "report().summary.loaded", "0\n");
    enter(console, "strip \"module.\"");
    assert_string_equal(text_string(&console->said), "load 56, break 0, change 2");
    assert_shows(console, "report().summary.loaded", "56\n");
    assert_shows(console, "1 + 1", "2\n");
    assert_shows(console, "print(#src)", "58\n");
    enter(console, "  ");
    assert_lines(console, "strip \"module.\"\n");
    enter(console, "rows = 100\nfunction take(n) return fit(0, zeros) end");
    enter(console, "rules [[ head.fc.* -> head.fc.* |> take(rows) ]]");
    assert_shows(console, "report().summary.loaded", "58\n");
    assert_int_equal(session_line_count(console->session), 3);
    enter(console, "undo(2)");
    assert_shows(console, "report().summary.loaded", "56\n");
    enter(console, "redo()");
    assert_int_equal(session_line_count(console->session), 2);
    console_free(console);
}

/* What functions of the prompt gave lives on in variables, but no rule can stand on it. */
static void test_variables(void **state)
{
    (void)state;
    Console *console = open_demo();
    enter(console, "r = report()");
    assert_shows(console, "r.summary.missing", "58\n");
    enter(console, "p = \"module.\"");
    enter(console, "n = r.summary.missing");
    assert_lines(console, "p = \"module.\"\n");
    enter(console, "strip(p)");
    assert_refused(console, "if n == 58 then prefix \"x.\" else prefix(nil) end", "by itself");
    assert_shows(console, "report().summary.loaded", "56\n");
    assert_refused(console, "prefix \"x.\" report()", "as an input of its own");
    assert_shows(console, "report().summary.loaded", "56\n");
    assert_lines(console, "p = \"module.\"\nstrip(p)\n");
    console_free(console);
}

/* An input that fails in its midst has done nothing. */
static void test_errors(void **state)
{
    (void)state;
    Console *console = open_demo();
    assert_refused(console, "strip \"module.\" strip(5)", "expected text");
    assert_shows(console, "report().summary.loaded", "0\n");
    assert_refused(console, "apply(\"strip 'module.'\", \"strip(5)\")", "expected text");
    assert_shows(console, "report().summary.loaded", "56\n");
    assert_refused(console, "undo(0)", "number of lines");
    enter(console, "undo()");
    assert_refused(console, "undo()", "nothing to undo");
    assert_refused(console, "values(\"a\", \"left\")", "none of source");
    assert_refused(console, "report(1)", "no argument");
    assert_refused(console, "write(function() end)", "argument 1 is a function");
    assert_refused(console, "for k in pairs(src) do each(function() undo() end) end",
                   "cannot be called while each runs");
    assert_shows(console, "1", "1\n");
    assert_lines(console, "");
    console_free(console);
}

/* Tables in each other unfold without end; what a function is given does not. */
static void test_arguments(void **state)
{
    (void)state;
    Console *console = open_demo();
    assert_refused(console, "local t = {} t[1] = t report(t)", "argument 1");
    assert_refused(console, "local t = {} for i = 1, 9 do t[i] = t end report(t)", "argument 1");
    assert_refused(console, "write(\"x.pth\", {nope=true})", "no option 'nope'");
    assert_refused(console, "write(\"x.pth\", {force=1})", "true or false");
    assert_refused(console, "problems \"nope\"", "is no state");
    assert_refused(console, "exit(256)", "0 to 255");
    Error err = {0};
    assert_false(console_enter(console, "exit(7)", &err));
    assert_true(console->exits);
    assert_int_equal(console->status, 7);
    assert_int_equal(err.code, ERR_NONE);
    console_free(console);
}

/* A copy can be finished, and the draft goes on as if it had not been. */
static void test_copies(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "m.a f32 2;m.b f32 3;c f32 4", "a f32 2;b f32 3;d f32 4", NULL);
    assert_true(bench_run(&bench, "strip \"m.\" fill(\"d\", zeros())", "x.lua"));
    for (int i = 0; i < 2; i++) {
        Alignment *early = align_finish(draft_copy(bench.draft), &bench.err);
        assert_int_equal(align_summary(early)->bind[BIND_LOADED], 2);
        assert_int_equal(align_summary(early)->bind[BIND_FILLED], 1);
        align_unref(early);
    }
    assert_true(bench_run(&bench, "rules [[ c -> d ]] expect{unused={}}", "x.lua"));
    bench_finish(&bench);
    bench_binding(&bench, "d", "loaded", "c");
    assert_int_equal(align_summary(bench.alignment)->bind[BIND_LOADED], 3);
    bench_close(&bench);
}

static void assert_fault(const char *error, const char *name, const char *text, const char *wanted)
{
    Error err;
    Text shown = {0};
    error_set(&err, ERR_RULE, "%s", error);
    fault_show(&err, name, text, &shown);
    assert_string_equal(text_string(&shown), wanted);
    text_done(&shown);
}

static void test_faults(void **state)
{
    (void)state;
    assert_fault(":1:1: it is wrong", ":1", "one", "it is wrong\n");
    assert_fault(":7:2: it is wrong", ":7", "one\ntwo", "it is wrong\n   2 | two\n");
    assert_fault("a:b.lua:2: it is wrong", "a:b.lua", "one\n\t\x1b[2Jtwo\r\n",
                 "a:b.lua:2: it is wrong\n   2 |  \\x1b[2Jtwo\n");
    assert_fault("x.lua:9: it is wrong", "x.lua", "one\n", "x.lua:9: it is wrong\n");
    assert_fault("x.lua:0: it is wrong", "x.lua", "one\n", "x.lua:0: it is wrong\n");
    assert_fault("no place", "x.lua", "one\n", "no place\n");
}

/* Each function is told apart from words and verbs, and explained. */
static void test_table(void **state)
{
    (void)state;
    size_t count = call_table()->count, word_count;
    const ScriptWord *calls = call_table()->words, *words = script_words(&word_count);
    for (size_t i = 0; i < count; i++) {
        assert_true(*calls[i].args && *calls[i].help);
        for (size_t k = 0; k < word_count; k++)
            assert_string_not_equal(calls[i].name, words[k].name);
        for (size_t k = 0; k < i; k++) assert_string_not_equal(calls[i].name, calls[k].name);
    }
}

static bool has_function(const char *name)
{
    const ConsoleCalls *calls = call_table();
    for (size_t i = 0; i < calls->count; i++)
        if (strcmp(calls->words[i].name, name) == 0) return true;
    return false;
}

/* Verbs without a function of their name: why, or what does the same. */
static const struct { const char *verb, *why; } without[] = {
    {"up", "moves"}, {"down", "moves"}, {"page-up", "moves"}, {"page-down", "moves"},
    {"top", "moves"}, {"bottom", "moves"}, {"in", "moves"}, {"out", "moves"}, {"side", "moves"},
    {"goto", "moves"}, {"next-hit", "moves"}, {"previous-hit", "moves"},
    {"next-problem", "moves; problems() lists them"},
    {"previous-problem", "moves; problems() lists them"},
    {"fold", "the screen's"}, {"fold-all", "the screen's"}, {"unfold-all", "the screen's"},
    {"divider", "the screen's"}, {"coverage", "the screen's"}, {"redraw", "the screen's"},
    {"close", "the screen's"}, {"prompt", "the screen's"}, {"help", "help() is a statement"},
    {"search", "rows(words)"}, {"filter", "rows(words)"}, {"narrow", "rows(words)"},
    {"sort", "of a list: table.sort"}, {"try", "apply(proposals()[n].line)"},
    {"unmark", "mark() takes both sides at once"}, {"fill-in", "apply(line)"},
    {"export", "cost(), write()"}, {"detail", "rows(), proposals(key)"},
    {"edit", "an editor needs the terminal; reload()"},
    {"values-page", "values(), numbers(), difference()"},
    {"values-side", "an argument of values()"}, {"values-zoom", "the screen's"},
    {"values-slice", "an option of numbers()"}, {"values-axes", "the screen's"},
    {"values-scale", "the screen's"}, {"values-sort", "of a list: table.sort"},
    {"values-peak", "the screen's"}, {"quit", "exit()"},
};

/* What the viewer can do has a function, or a reason. */
static void test_verbs(void **state)
{
    (void)state;
    size_t count;
    const Verb *verbs = verb_table(&count);
    size_t excused = 0;
    for (size_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(verbs[i].name, "!"), verbs[i].name);
        bool reason = false;
        for (size_t k = 0; k < countof(without); k++)
            reason = reason || strcmp(without[k].verb, name) == 0;
        excused += reason && strcmp(name, verbs[i].name) == 0;
        for (char *p = name; *p; p++)
            if (*p == '-') *p = '_';
        if (has_function(name) == reason) fail_msg("%s: has a function and a reason, or neither",
                                                   verbs[i].name);
    }
    assert_int_equal(excused, countof(without));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_lines),     cmocka_unit_test(test_variables),
        cmocka_unit_test(test_errors),    cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_copies),    cmocka_unit_test(test_faults),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
