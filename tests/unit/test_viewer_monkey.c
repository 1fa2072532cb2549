/* A monkey at the keys: every key that is bound, lines, searches, clicks and window sizes in an
 * order that nobody meant. Nothing may crash or leak, no frame may hold what speaks to a terminal,
 * and the ledger on show balances before each of them.
 *
 *     MONKEY_KEYS=100000 MONKEY_SEED=7 build-asan/tests/test_viewer_monkey */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "repl/interactive.h"
#include "repl/keys.h"
#include "tests/unit/balance.h"
#include "tests/unit/late_jobs.h"

enum { KEYS = 4000, COLUMNS_MAX = 160, ROWS_MAX = 60 };

typedef struct Monkey {
    Terminal terminal;
    uint64_t random;
    size_t left;                 /* presses */
    int columns, rows;
    const char *typed;           /* the rest of a line that is being typed; NULL */
    const Alignment *balanced;   /* the ledger that was looked at last */
    size_t ledgers;              /* how many were */
} Monkey;

static char folder[256], before[1024];

/* ---- what is pressed ---- */

static size_t pick(Monkey *monkey, size_t n)
{
    monkey->random = monkey->random * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(monkey->random >> 33) % n;
}

static Press press_bound(Monkey *monkey)
{
    size_t n;
    Press press;
    const KeyBinding *keys = key_table(&n);
    const KeyBinding *key = &keys[pick(monkey, n)];
    return press_parse(key->key, &press) ? press : (Press){.kind = PRESS_OTHER};
}

/* Rules that fit, rules that do not, verbs, and what is neither; ends with Enter. */
static const char *pick_line(Monkey *monkey)
{
    static const char *const lines[] = {
        ":strip \"module.\"\n", ":keep \"module.\"\n", ":prefix \"x.\"\n", ":seg \"layer1\"\n",
        ":rules [[ module.* -> * ]]\n", ":rules [[ head.fc.* -> head.fc.* |> fit(0) ]]\n",
        ":rules [[ module.backbone.** -> backbone.** ]]\n", ":rules [[ a.* -> \n",
        ":sub [[ module -> m ]]\n", ":policy{shape=\"skip\"}\n", ":policy{missing=\"keep\"}\n",
        ":fill(\"head.**\", zeros())\n", ":keep_target \"head.**\"\n", ":auto{}\n", ":error \"no\"\n",
        ":print(count(\"**\"))\n", ":expect{missing={\"head.**\"}}\n", ":goto head.fc.weight\n",
        ":filter missing\n", ":filter all\n", ":write out.safetensors\n", ":save made.lua\n",
        ":undo\n", ":redo\n", ":help strip\n", ":values head.fc.weight\n", ":1 + 1\n", ":nonsense\n",
        ":drop = 3\n", ":open-source out.safetensors\n", ":open_target 'fix.lua'\n",
        ":open-target fix.lua\n", ":write! out.safetensors\n", ":reopen()\n",
        ":verb 'open-source out.safetensors' print(1)\n", ":for i = 1, 3 do verb 'undo' end\n",
        ":for i = 1, 3e6 do end\n", ":mark('module.head.fc.bias', 'head.fc.bias')\n",
        "/weight\n", "/conv*bias\n", "/zzz\n", ":\"\xC3\xA9\xE6\xBC\xA2\n",
    };
    return lines[pick(monkey, countof(lines))];
}

static Press press_typed(Monkey *monkey)
{
    const char *end = monkey->typed + strlen(monkey->typed);
    uint32_t code = utf8_next(&monkey->typed, end);
    if (!*monkey->typed) monkey->typed = NULL;
    return code == '\n' ? (Press){.kind = PRESS_ENTER} : (Press){.kind = PRESS_CHAR, .code = code};
}

static Press press_anything(Monkey *monkey)
{
    static const uint32_t odd[] = {'x', '*', '{', ']', '"', '\\', 0xE9, 0x6F22, 0x301, 0x202E, 0x9B,
                                   0x1F600, 'q', ':', '1', '9'};
    static const PressKind kinds[] = {PRESS_ENTER, PRESS_ESCAPE, PRESS_TAB, PRESS_BACKSPACE,
                                      PRESS_UP, PRESS_DOWN, PRESS_LEFT, PRESS_RIGHT, PRESS_OTHER,
                                      PRESS_DELETE, PRESS_HOME, PRESS_END};
    static const PressKind mouse[] = {PRESS_CLICK, PRESS_DRAG, PRESS_RELEASE, PRESS_WHEEL_UP,
                                      PRESS_WHEEL_DOWN};
    switch (pick(monkey, 4)) {
    case 0: return (Press){.kind = PRESS_CHAR, .code = odd[pick(monkey, countof(odd))]};
    case 1: return (Press){.kind = mouse[pick(monkey, countof(mouse))],
                           .x = (int)pick(monkey, COLUMNS_MAX), .y = (int)pick(monkey, ROWS_MAX)};
    default: return (Press){.kind = kinds[pick(monkey, countof(kinds))]};
    }
}

static Press next_press(Monkey *monkey)
{
    if (monkey->typed && pick(monkey, 40)) return press_typed(monkey);
    size_t what = pick(monkey, 100);
    if (what < 4) {
        monkey->columns = 1 + (int)pick(monkey, COLUMNS_MAX);
        monkey->rows = 1 + (int)pick(monkey, ROWS_MAX);
        return (Press){.kind = PRESS_RESIZE};
    }
    if (what < 14) {
        monkey->typed = pick_line(monkey);
        return press_typed(monkey);
    }
    return what < 70 ? press_bound(monkey) : press_anything(monkey);
}

/* ---- the terminal ---- */

/* Sometimes it rests, and what is due is done; sometimes several keys come at once. */
static bool read_press(void *state, int timeout_ms, Press *press)
{
    Monkey *monkey = state;
    if (!monkey->left) {
        *press = (Press){.kind = PRESS_CLOSE};
        return true;
    }
    if (timeout_ms ? !pick(monkey, 4) : pick(monkey, 3)) {
        const struct timespec moment = {.tv_nsec = 200000};
        if (timeout_ms) nanosleep(&moment, NULL);
        return false;
    }
    monkey->left--;
    *press = next_press(monkey);
    return true;
}

static void get_size(void *state, int *columns, int *rows)
{
    const Monkey *monkey = state;
    *columns = monkey->columns;
    *rows = monkey->rows;
}

static void flush(void *state, const Screen *screen)
{
    (void)state;
    for (int y = 0; y < screen->rows; y++)
        for (int x = 0; x < screen->columns; x++) {
            uint32_t code = screen_at(screen, x, y)->code;
            if ((code && code < ' ') || (code >= 0x7F && code < 0xA0) || code == 0x202E)
                fail_msg("U+%04X is on the screen", (unsigned)code);
        }
}

static void nothing(void *state)
{
    (void)state;
}

static const TerminalOps ops = {.read = read_press, .size = get_size, .flush = flush,
                                .repaint = nothing, .suspend = nothing, .resume = nothing};

/* Ledgers do not change: each is looked at once. */
static void watch(void *context, const Alignment *alignment)
{
    Monkey *monkey = context;
    if (monkey->balanced == alignment) return;
    monkey->balanced = alignment;
    monkey->ledgers++;
    assert_balance(alignment);
}

/* ---- the test ---- */

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int enter(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/tenon-monkey.XXXXXX", base && *base ? base : "/tmp");
    if (!getcwd(before, sizeof before) || !mkdtemp(folder) || chdir(folder) != 0) return -1;
    setenv("EDITOR", "true", 1);
    setenv("VISUAL", "true", 1);
    setenv("HOME", folder, 1);
    setenv("XDG_CONFIG_HOME", folder, 1);
    setenv("XDG_STATE_HOME", folder, 1);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return chdir(before) != 0 || system(command) != 0;
}

/* From the beginning until a key quits or all are pressed. */
static void run_once(Monkey *monkey, size_t round)
{
    char source[1100], target[1100];
    Error err = {0};
    const RulesArgument rules = {RULES_FILE, "fix.lua"};
    write_text("fix.lua", round % 2 ? "strip \"module.\"\n" : "-- nothing\n");
    snprintf(source, sizeof source, "%s/tests/data/demo/pretrain.pth", before);
    snprintf(target, sizeof target, "%s/tests/data/demo/net.pth", before);
    const SessionOptions options = {.source = source, .target = round % 5 == 4 ? NULL : target,
                                    .rules = &rules, .rule_count = 1};
    Session *session = session_new(&options, &err);
    if (!session) fail_msg("%s", err.text);
    const InteractiveOptions how = {.terminal = &monkey->terminal, .watch = watch,
                                    .watch_context = monkey, .moment = round % 3 ? 0 : -1};
    monkey->terminal.ascii = round % 4 == 3;
    monkey->typed = NULL;
    monkey->balanced = NULL;
    interactive_run(session, &how);
    session_free(session);
    key_reset();
}

static size_t number_of(const char *name, size_t usual)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : usual;
}

static void test_monkey(void **state)
{
    (void)state;
    Monkey monkey = {.random = number_of("MONKEY_SEED", 1), .left = number_of("MONKEY_KEYS", KEYS),
                     .columns = 100, .rows = 30};
    monkey.terminal = (Terminal){&ops, &monkey, false};
    for (size_t round = 0; monkey.left; round++) run_once(&monkey, round);
    assert_true(monkey.ledgers > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_monkey, enter, leave)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
