/* Screens: every tests/screens/NAME.case is played at 80×24 and 200×60, and at 300×100 where it says
 * so, on a terminal that is none, and its last screen is compared with NAME.80x24.txt and so on.
 * SCREENS=write writes them anew; see tests/screens/README.md. */
#include "tests/unit/test.h"

#include <glob.h>
#include <stdio.h>
#include <unistd.h>

#include "repl/interactive.h"
#include "tests/unit/fake_terminal.h"

enum { RULES_MAX = 8, LINE_MAX_BYTES = 4096 };

typedef struct Case {
    FakeTerminal fake;
    char source[256], target[256];
    RulesArgument rules[RULES_MAX];
    char texts[RULES_MAX][LINE_MAX_BYTES];
    size_t rule_count;
    bool huge;                   /* to be played at 300×100, too */
} Case;

static void add_rules(Case *play, RulesKind kind, const char *text)
{
    assert_true(play->rule_count < RULES_MAX);
    char *copy = play->texts[play->rule_count];
    snprintf(copy, LINE_MAX_BYTES, "%s%s", kind == RULES_FILE ? "tests/screens/files/" : "", text);
    play->rules[play->rule_count++] = (RulesArgument){kind, copy};
}

static void read_open(Case *play, const char *rest)
{
    char source[100] = "", target[100] = "";
    assert_true(sscanf(rest, "%99s %99s", source, target) >= 1);
    snprintf(play->source, sizeof play->source, "tests/screens/files/%s", source);
    if (*target) snprintf(play->target, sizeof play->target, "tests/screens/files/%s", target);
}

static void read_line(Case *play, const char *line)
{
    char word[32] = "";
    int n = 0;
    if (line[0] == '#' || sscanf(line, "%31s %n", word, &n) < 1) return;
    const char *rest = line + n;
    if (strcmp(word, "open") == 0) read_open(play, rest);
    else if (strcmp(word, "rules") == 0) add_rules(play, RULES_FILE, rest);
    else if (strcmp(word, "code") == 0) add_rules(play, RULES_CODE, rest);
    else if (strcmp(word, "ascii") == 0) play->fake.terminal.ascii = true;
    else if (strcmp(word, "huge") == 0) play->huge = true;
    else if (strcmp(word, "press") == 0) assert_true(fake_press(&play->fake, rest));
    else if (strcmp(word, "type") == 0) fake_type(&play->fake, rest);
    else if (strcmp(word, "wait") == 0) fake_add(&play->fake, STEP_WAIT);
    else if (strcmp(word, "shows") == 0) fake_expect(&play->fake, STEP_SHOWS, rest);
    else if (strcmp(word, "lacks") == 0) fake_expect(&play->fake, STEP_LACKS, rest);
    else fail_msg("unknown word '%s'", word);
}

static void read_case(Case *play, const char *path)
{
    char line[LINE_MAX_BYTES];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        read_line(play, line);
    }
    fclose(file);
}

static char *read_text(const char *path)
{
    Text text = {0};
    char buffer[4096];
    size_t n;
    FILE *file = fopen(path, "r");
    if (!file) return NULL;
    while ((n = fread(buffer, 1, sizeof buffer, file))) text_addn(&text, buffer, n);
    fclose(file);
    return text.bytes ? text.bytes : mem_strdup("");
}

static bool compare(const char *path, const char *screen)
{
    const char *mode = getenv("SCREENS");
    if (mode && strcmp(mode, "write") == 0) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(screen, file);
        fclose(file);
        return true;
    }
    char *wanted = read_text(path);
    bool same = wanted && strcmp(wanted, screen) == 0;
    if (!same) fprintf(stderr, "%s: differs.\nwanted:\n%s\nfound:\n%s\n", path,
                       wanted ? wanted : "(no such file)", screen);
    free(wanted);
    return same;
}

/* The screen, and below it where the cursor is: a text does not show reversed cells. */
static bool compare_screen(const char *path, const FakeTerminal *fake)
{
    Text text = {0};
    text_add(&text, text_string(&fake->shown));
    if (fake->reversed_y >= 0)
        text_addf(&text, "[cursor: line %d, columns %d-%d]\n", fake->reversed_y + 1,
                  fake->reversed_from + 1, fake->reversed_to + 1);
    bool same = compare(path, text_string(&text));
    text_done(&text);
    return same;
}

/* *huge: whether the case is to be played at 300×100. */
static bool play_case(const char *path, int columns, int rows, bool *huge)
{
    Case *play = mem_alloc(sizeof *play);
    fake_init(&play->fake, columns, rows, false);
    read_case(play, path);
    *huge = play->huge;
    SessionOptions options = {.source = play->source, .target = *play->target ? play->target : NULL,
                              .rules = play->rules, .rule_count = play->rule_count};
    Error err = {0};
    Session *session = session_new(&options, &err);
    if (!session) fail_msg("%s: %s", path, err.text);
    InteractiveOptions how = {.terminal = &play->fake.terminal, .moment = FAKE_MOMENT_MS,
                              .first = FAKE_MOMENT_MS};
    assert_int_equal(interactive_run(session, &how), 0);
    session_free(session);
    if (play->fake.failure) fprintf(stderr, "%s at %dx%d: %s\n", path, columns, rows,
                                    play->fake.failure);
    char expected[512];
    snprintf(expected, sizeof expected, "%.*s.%dx%d.txt", (int)(strlen(path) - 5), path, columns,
             rows);
    bool ok = !play->fake.failure && compare_screen(expected, &play->fake);
    fake_done(&play->fake);
    free(play);
    return ok;
}

static void test_screens(void **state)
{
    (void)state;
    glob_t found;
    bool ok = true, huge;
    assert_int_equal(glob("tests/screens/*.case", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        ok &= play_case(found.gl_pathv[i], 80, 24, &huge);
        ok &= play_case(found.gl_pathv[i], 200, 60, &huge);
        if (huge) ok &= play_case(found.gl_pathv[i], 300, 100, &huge);
    }
    globfree(&found);
    assert_true(ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_screens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
