/* The line editor, its history; which lines are verbs; what the preview closes; the tables. */
#include "tests/unit/test.h"

#include <stdlib.h>

#include "repl/keys.h"
#include "repl/preview.h"
#include "repl/verbs.h"
#include "scripting/script.h"

/* Presses keys by name: "a b Left Ctrl-W". */
static void press(Line *line, const char *names)
{
    char *copy = mem_strdup(names), *rest = copy;
    for (char *name; (name = strtok_r(rest, " ", &rest));) {
        Press key;
        assert_true(press_parse(name, &key));
        assert_true(line_press(line, key));
    }
    free(copy);
}

static void assert_line(const Line *line, const char *text, size_t cursor)
{
    assert_string_equal(text_string(&line->text), text);
    assert_int_equal(line->cursor, cursor);
}

static void test_editing(void **state)
{
    (void)state;
    Line line = {0};
    line_start(&line, NULL, "");
    press(&line, "a b Space c");
    assert_line(&line, "ab c", 4);
    press(&line, "Left Left x");
    assert_line(&line, "abx c", 3);
    press(&line, "Home Delete End Backspace");
    assert_line(&line, "bx ", 3);
    press(&line, "Ctrl-A Ctrl-K");
    assert_line(&line, "", 0);
    press(&line, "Left Right Backspace Delete Ctrl-W Ctrl-U Ctrl-K");
    assert_line(&line, "", 0);
    Press enter = {.kind = PRESS_ENTER};
    assert_false(line_press(&line, enter));
    line_done(&line);
}

static void test_words(void **state)
{
    (void)state;
    Line line = {0};
    line_start(&line, NULL, "rules layer.0.weight  ");
    press(&line, "Ctrl-W");
    assert_line(&line, "rules layer.0.", 14);
    press(&line, "Ctrl-W Ctrl-W");
    assert_line(&line, "rules ", 6);
    press(&line, "Ctrl-U");
    assert_line(&line, "", 0);
    line_done(&line);
}

static void test_characters(void **state)
{
    (void)state;
    Line line = {0};
    line_start(&line, NULL, "e\u0301中");
    assert_int_equal(line.cursor, 6);
    press(&line, "Left");
    assert_int_equal(line.cursor, 3);
    press(&line, "Left");
    assert_int_equal(line.cursor, 0);
    press(&line, "Delete");   /* the letter goes with its accent */
    assert_line(&line, "中", 0);
    press(&line, "é");
    assert_line(&line, "é中", 2);
    line_done(&line);
}

static void test_history(void **state)
{
    (void)state;
    Line line = {0};
    History history = {0};
    history_add(&history, "first");
    history_add(&history, "second");
    history_add(&history, "second");
    history_add(&history, "");
    assert_int_equal(history.count, 2);
    line_start(&line, &history, "");
    press(&line, "n e w Up");
    assert_line(&line, "second", 6);
    press(&line, "Up Up Up");
    assert_line(&line, "first", 5);
    press(&line, "Down Down");
    assert_line(&line, "new", 3);
    press(&line, "Down Ctrl-P");
    assert_line(&line, "second", 6);
    line_start(&line, &history, "third");
    history_add(&history, "third");       /* it was entered, and stays to be corrected */
    press(&line, "Down");
    assert_line(&line, "third", 5);
    press(&line, "Up Up Down Down Down");
    assert_line(&line, "third", 5);
    line_done(&line);
    history_done(&history);
}

static void assert_verb(const char *line, const char *name, const char *argument)
{
    const char *rest = NULL;
    const Verb *verb = verb_find(line, &rest);
    if (!name) {
        assert_null(verb);
        return;
    }
    assert_non_null(verb);
    assert_string_equal(verb->name, name);
    assert_string_equal(rest, argument);
}

static void test_verbs_and_lua(void **state)
{
    (void)state;
    assert_verb("write a b.pth", "write", "a b.pth");
    assert_verb("  write!   x", "write!", "x");
    assert_verb("quit", "quit", "");
    assert_verb("write = 3", NULL, NULL);
    assert_verb("write(3)", NULL, NULL);
    assert_verb("search.x = 1", NULL, NULL);
    assert_verb("strip \"module.\"", NULL, NULL);
    assert_verb("writes x", NULL, NULL);
    assert_verb("help(\"split\")", "help", "(\"split\")");
    assert_verb("help split", "help", "split");
    assert_verb("", NULL, NULL);
}

/* Verbs must not hide statements, keys must run verbs, and no key can mean two things. */
static void test_tables(void **state)
{
    (void)state;
    size_t verb_count, word_count, key_count;
    const Verb *verbs = verb_table(&verb_count);
    const ScriptWord *words = script_words(&word_count);
    const KeyBinding *keys = key_table(&key_count);
    for (size_t i = 0; i < verb_count; i++) {
        for (size_t k = 0; k < i; k++) assert_string_not_equal(verbs[i].name, verbs[k].name);
        for (size_t k = 0; k < word_count; k++)   /* help explains both */
            assert_true(strcmp(verbs[i].name, "help") == 0 ||
                        strcmp(verbs[i].name, words[k].name) != 0);
    }
    for (size_t i = 0; i < key_count; i++) {
        const char *argument;
        Press key;
        const Verb *verb = verb_find(keys[i].line, &argument);
        assert_non_null(verb);
        assert_true(!*argument || *verb->args);
        assert_true(press_parse(keys[i].key, &key));
        assert_ptr_equal(key_line(key, *keys[i].panel ? keys[i].panel : NULL), keys[i].line);
    }
}

static void test_preview_lines(void **state)
{
    (void)state;
    assert_true(preview_wants("strip \"m"));
    assert_true(preview_wants("  rules[["));
    assert_true(preview_wants("sub [[ a -> b"));
    assert_false(preview_wants("subs [[ a -> b"));
    assert_false(preview_wants("write x.pth"));
    assert_false(preview_wants("fill(\"a\", zeros())"));
    assert_false(preview_wants(""));
}

static void assert_closed(const char *line, const char *wanted)
{
    Text text = {0};
    preview_close(line, &text);
    assert_string_equal(text_string(&text), wanted);
    text_done(&text);
}

static void test_preview_closing(void **state)
{
    (void)state;
    assert_closed("strip \"module.", "strip \"module.\"");
    assert_closed("strip \"module.\"", "strip \"module.\"");
    assert_closed("strip{\"a.\", again=true", "strip{\"a.\", again=true}");
    assert_closed("rules [[ a -> b", "rules [[ a -> b]]");
    assert_closed("rules [[ a -> b ]]", "rules [[ a -> b ]]");
    assert_closed("rules [[ a -> b ]", "rules [[ a -> b ]]");
    assert_closed("rules [[ a -> b |> fit(0, mean", "rules [[ a -> b |> fit(0, mean)]]");
    assert_closed("rules [[ a.{i -> b]] x(", "rules [[ a.{i -> b]] x()");
    assert_closed("rules [[ \"a {\" -> b", "rules [[ \"a {\" -> b]]");
    assert_closed("rules [[ don't -> b", "rules [[ don't -> b]]");
    assert_closed("rules [==[ a]] ]=] -> b", "rules [==[ a]] ]=] -> b]==]");
    assert_closed("f({[1] = 'x\\'", "f({[1] = 'x\\''})");
    assert_closed("a)]}", "a)]}");
    char deep[201];   /* as deep as it goes, and no further */
    memset(deep, '(', 200);
    deep[200] = '\0';
    Text text = {0};
    preview_close(deep, &text);
    assert_int_equal(text.length, 264);
    text_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_editing),         cmocka_unit_test(test_words),
        cmocka_unit_test(test_characters),      cmocka_unit_test(test_history),
        cmocka_unit_test(test_verbs_and_lua),   cmocka_unit_test(test_tables),
        cmocka_unit_test(test_preview_lines),   cmocka_unit_test(test_preview_closing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
