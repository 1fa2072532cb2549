/* init.lua: keys bound otherwise, colours on every kind of terminal, and what is refused. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/limits.h"
#include "repl/call_list.h"
#include "repl/init_file.h"
#include "repl/keys.h"
#include "viewer/palette.h"

/* Runs a text as init.lua; what it has to say. */
static void configure(const char *text, Text *notes)
{
    char folder[] = "/tmp/tenon-init.XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    setenv("XDG_CONFIG_HOME", folder, 1);
    snprintf(path, sizeof path, "%s/tenon", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/tenon/init.lua", folder);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    init_configure(notes);
    assert_int_equal(unlink(path), 0);
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
    unsetenv("XDG_CONFIG_HOME");
}

static void assert_configures(const char *text)
{
    Text notes = {0};
    configure(text, &notes);
    assert_string_equal(text_string(&notes), "");
}

/* The note says why, and shows the line. */
static void assert_notes(const char *text, const char *why)
{
    Text notes = {0};
    configure(text, &notes);
    if (!strstr(text_string(&notes), why) || !strstr(text_string(&notes), "init.lua:1: "))
        fail_msg("%s: %s", text, text_string(&notes));
    text_done(&notes);
}

static const char *line_of(const char *key, const char *panel)
{
    Press press;
    assert_true(press_parse(key, &press));
    return key_line(press, panel);
}

static void test_keys(void **state)
{
    (void)state;
    const char *before = line_of("q", NULL);
    assert_configures("bind('', 'x', 'undo') bind('values', 'x', 'values-scale')\n"
                      "bind('', 'q', '') bind('', 'Ctrl-X', 'goto a.b') bind('', 'x', 'redo')");
    assert_string_equal(line_of("x", NULL), "redo");             /* the newest wins */
    assert_string_equal(line_of("x", "values"), "values-scale");
    assert_string_equal(line_of("Ctrl-X", "values"), "goto a.b");
    assert_null(line_of("q", NULL));
    assert_notes("bind('', 'x', 'frobnicate')", "is no verb");
    assert_notes("bind('', 'Hyper-x', 'undo')", "is no key");
    assert_notes("bind('nowhere', 'x', 'undo')", "no panel 'nowhere'");
    assert_notes("bind('x', 'undo')", "it is called as bind");
    assert_notes("bind(1, 'x', 'undo')", "argument 1 has to be text");
    assert_notes("for i = 1, 1000 do bind('', 'y', 'undo') end", "no more than 512");
    key_reset();
    assert_string_equal(line_of("q", NULL), before);
}

static void assert_colour(const char *colour, int direct, int many, int sixteen, int eight)
{
    Error err = {0};
    if (!palette_set("missing", colour, &err)) fail_msg("%s: %s", colour, err.text);
    assert_int_equal(palette_colour(STYLE_MISSING, 1 << 24), direct);
    assert_int_equal(palette_colour(STYLE_MISSING, 256), many);
    assert_int_equal(palette_colour(STYLE_MISSING, 16), sixteen);
    assert_int_equal(palette_colour(STYLE_MISSING, 8), eight);
}

static void test_colours(void **state)
{
    (void)state;
    assert_int_equal(palette_colour(STYLE_EXACT, 256), 71);
    assert_int_equal(palette_colour(STYLE_EXACT, 1 << 24), 0x5FAF5F);
    assert_int_equal(palette_colour(STYLE_PLAIN, 1 << 24), -1);
    assert_colour("green", 0x00CD00, 2, 2, 2);
    assert_colour("bright-green bold", 0x00FF00, 10, 10, 2);
    assert_int_equal(palette_look(STYLE_MISSING, true), LOOK_BOLD);
    assert_colour("208 underline", 0xFF8700, 208, 3, 3);
    assert_int_equal(palette_look(STYLE_MISSING, true), LOOK_UNDERLINE);
    assert_int_equal(palette_look(STYLE_MISSING, false), LOOK_BOLD);   /* says it without colours */
    assert_colour("#5faf5e", 0x5FAF5E, 71, 8, 0);
    assert_colour("#ffffff", 0xFFFFFF, 231, 15, 7);
    assert_colour("default", -1, -1, -1, -1);
    assert_colour("reverse", -1, -1, -1, -1);
    assert_configures("colour('loaded', 'red') colour('border', '240') colour('below-1', 'blue')");
    assert_int_equal(palette_colour(STYLE_EXACT, 256), 1);
    assert_int_equal(palette_colour(STYLE_RENAMED, 256), 1);
    assert_int_equal(palette_colour(STYLE_BELOW_1, 8), 4);
    assert_notes("colour('loaded', 'mauve')", "is no colour");
    assert_notes("colour('loaded', 'bold red')", "is no colour");
    assert_notes("colour('loaded', '256')", "is no colour");
    assert_notes("colour('loaded', '#12345')", "is no colour");
    assert_notes("colour('all', 'red')", "has no colour");
    assert_notes("colour('loaded')", "it is called as colour");
    palette_reset();
    assert_int_equal(palette_colour(STYLE_MISSING, 256), 203);
}

static void test_limits(void **state)
{
    (void)state;
    Error err = {0};
    assert_true(limit_set("objects=77", &err));
    assert_configures("limit('tensors', 1234) limit('objects', 5) limit('depth', '60')");
    assert_int_equal(limit(LIMIT_TENSORS), 1234);
    assert_int_equal(limit(LIMIT_DEPTH), 60);
    assert_int_equal(limit(LIMIT_OBJECTS), 77);          /* the command line came first */
    assert_notes("limit('nothing', 1)", "no such limit");
    assert_notes("limit('tensors', -1)", "it is called as limit");
    assert_true(limit_set("tensors=16000000", &err));
    assert_true(limit_set("depth=64", &err));
    assert_true(limit_set("objects=1M", &err));
}

/* Rules stand in rules files; and an init.lua that is wrong is only told of. */
static void test_rules(void **state)
{
    (void)state;
    assert_configures("-- nothing\nlocal x = 1 + 1");
    assert_notes("strip 'module.'", "init.lua changes no rules");
    assert_notes("x = = 1", "unexpected symbol");
    assert_notes("io.write('x')", "nil value (global 'io')");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),   cmocka_unit_test(test_colours),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
