/* Nothing but the program's own bytes reaches a terminal as control: every character there is, drawn
 * into cells; and the corpus of hostile_keys.h in the real program on a terminal of its own, whose
 * output is read byte by byte. */
#include "tests/unit/test.h"

#include <locale.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "loader/core/clock.h"
#include "repl/interactive.h"
#include "tests/unit/hostile_keys.h"
#include "tests/unit/late_jobs.h"
#include "tests/unit/own_folder.h"
#include "viewer/cell.h"
#include "viewer/terminal.h"

/* ---- cells ---- */

/* What may be sent as it is: it is seen, takes its columns, and does nothing else. */
static bool is_harmless(uint32_t c)
{
    static const uint32_t unseen[][2] = {
        {0, 0x1F}, {0x7F, 0x9F}, {0xAD, 0xAD}, {0x34F, 0x34F}, {0x61C, 0x61C}, {0x115F, 0x1160},
        {0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x200B, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x206F},
        {0x3164, 0x3164}, {0xD800, 0xDFFF}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0},
        {0xFFF0, 0xFFFB}, {0xE0000, 0xE0FFF},
    };
    for (size_t i = 0; i < countof(unseen); i++)
        if (c >= unseen[i][0] && c <= unseen[i][1]) return false;
    return c <= 0x10FFFF;
}

/* Every cell of a line, its width, and what combines with it. */
static void assert_harmless(const Screen *screen, int y)
{
    for (int x = 0; x < screen->columns; x++) {
        const Cell *cell = screen_at(screen, x, y);
        if (!cell->width) continue;   /* the right half of the one before */
        if (!is_harmless(cell->code)) fail_msg("U+%04X is sent", cell->code);
        if (screen->ascii && cell->code > 0x7E) fail_msg("U+%04X is no ASCII", cell->code);
        assert_int_equal(cell->width, char_width(cell->code));
        for (int i = 0; i < CELL_MARKS && cell->marks[i]; i++) {
            if (!is_harmless(cell->marks[i])) fail_msg("U+%04X combines", cell->marks[i]);
            assert_int_equal(char_width(cell->marks[i]), 0);
        }
    }
}

static void draw_all(bool ascii)
{
    enum { AT_ONCE = 32 };
    Screen screen = {0};
    screen_resize(&screen, 400, 1, ascii);
    Text text = {0};
    for (uint32_t code = 1; code <= 0x10FFFF; code++) {
        utf8_add(&text, code);
        if (code % AT_ONCE && code < 0x10FFFF) continue;
        screen_clear(&screen);
        screen_put(&screen, 0, 0, 400, STYLE_PLAIN, text_string(&text));
        assert_harmless(&screen, 0);
        text_clear(&text);
    }
    text_done(&text);
    screen_done(&screen);
}

static void test_every_character(void **state)
{
    (void)state;
    draw_all(false);
    draw_all(true);
}

/* Every pair of bytes that are no ASCII: no UTF-8, or nearly. */
static void test_stray_bytes(void **state)
{
    (void)state;
    Screen screen = {0};
    screen_resize(&screen, 80, 1, false);
    for (unsigned a = 0x80; a < 0x100; a++) {
        for (unsigned b = 0x80; b < 0x100; b++) {
            const char key[] = {(char)a, (char)b, '[', '6', 'n', (char)a, '\0'};
            screen_clear(&screen);
            screen_put_elided(&screen, 0, 0, 9, STYLE_PLAIN, key);
            assert_harmless(&screen, 0);
        }
    }
    screen_done(&screen);
}

/* Keys that differ look different, also where one of them hides what it differs in. */
static void test_no_two_look_alike(void **state)
{
    (void)state;
    Screen screen = {0};
    screen_resize(&screen, 200, 1, true);
    Text seen[countof(hostile_keys)] = {{0}};
    for (size_t i = 0; i < countof(hostile_keys); i++) {
        screen_clear(&screen);
        screen_put(&screen, 0, 0, 190, STYLE_PLAIN, hostile_keys[i]);
        screen_put(&screen, 199, 0, 1, STYLE_PLAIN, *hostile_keys[i] ? "x" : "");
        screen_dump(&screen, &seen[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(text_string(&seen[i]), text_string(&seen[k])) == 0)
                fail_msg("%zu and %zu: %s", k, i, text_string(&seen[i]));
    }
    for (size_t i = 0; i < countof(hostile_keys); i++) text_done(&seen[i]);
    screen_done(&screen);
}

/* ---- a terminal ---- */

/* The name of the file is hostile as well. */
static void write_schema(const char *path)
{
    Text text = {0};
    add_hostile_schema(&text);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fwrite(text.bytes, 1, text.length, file);
    fclose(file);
    text_done(&text);
}

/* How the viewer is gone through. */
typedef struct Tour {
    const char *locale, *code;   /* of -e; NULL: no rules */
    bool storm;                  /* signals come all the while, and no key waits for its ledger */
} Tour;

/* The program, in the child. */
static void run_viewer(const char *path, const Tour *tour)
{
    Error err = {0};
    static const int crashes[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < countof(crashes); i++) signal(crashes[i], SIG_DFL);   /* not cmocka's */
    setenv("TERM", "xterm-256color", 1);
    setenv("LC_ALL", tour->locale, 1);
    setenv("HOME", folder, 1);
    unsetenv("NO_COLOR");
    setlocale(LC_CTYPE, "");
    RulesArgument rules = {RULES_CODE, tour->code};
    SessionOptions options = {.source = path, .target = path, .rules = &rules,
                              .rule_count = tour->code != NULL};
    Session *session = session_new(&options, &err);
    InteractiveOptions how = {.moment = tour->storm ? -1 : 1000,
                              .first = tour->storm ? -1 : 60000};
    int status = session ? interactive_run(session, &how) : 3;
    session_free(session);
    _exit(status);
}

/* What comes until nothing has come for a while; false at the end. */
static bool read_some(int terminal, int quiet_ms, Text *out)
{
    char buffer[4096];
    struct pollfd input = {.fd = terminal, .events = POLLIN};
    while (poll(&input, 1, quiet_ms) > 0) {
        ssize_t n = read(terminal, buffer, sizeof buffer);
        if (n <= 0) return false;
        text_addn(out, buffer, (size_t)n);
    }
    return true;
}

/* The terminal takes another size, and Ctrl-Z and its end come from somewhere: nobody waits until
 * the program is ready for it. */
static void blow(int terminal, pid_t child, size_t i)
{
    static const unsigned short sizes[][2] = {{90, 30}, {41, 11}, {160, 50}, {12, 3}};
    const unsigned short *to = sizes[i % countof(sizes)];
    ioctl(terminal, TIOCSWINSZ, &(struct winsize){.ws_col = to[0], .ws_row = to[1]});
    kill(child, i % 3 ? SIGCONT : SIGTSTP);      /* the one would take the other away */
    if (i % 5 == 0) kill(child, SIGWINCH);
}

/* What comes until the end; false where there is none for so long. A shell would see that a program
 * has stopped and be told "fg": of a storm the last SIGCONT may have come before the stop. */
static bool read_rest(int terminal, pid_t child, int most_ms, Text *out)
{
    enum { LOOK_MS = 100 };
    const int64_t end = clock_ms() + most_ms;
    while (clock_ms() < end) {
        if (!read_some(terminal, LOOK_MS, out)) return true;
        kill(child, SIGCONT);
    }
    return false;
}

/* Types the keys, one at a time, and returns all that was sent; the last of them quits. */
static void play(const Tour *way, const char *const *keys, size_t count, Text *out)
{
    enum { PAUSE_MS = 8, END_MS = 120000 };
    const int64_t end = clock_ms() + END_MS;
    const char *path = in_folder("evil\x1b]0;owned\a\xc2\x9b" "6n.json");
    write_schema(path);
    int terminal;
    struct winsize size = {.ws_col = 90, .ws_row = 30};
    pid_t child = forkpty(&terminal, NULL, NULL, &size);
    assert_true(child >= 0);
    if (child == 0) run_viewer(path, way);
    bool open = true;   /* before the first frame keys might be lost */
    while (open && !(out->length && strstr(out->bytes, "? help")))
        open = read_some(terminal, PAUSE_MS, out) && clock_ms() < end;
    for (size_t i = 0; open && i < count; i++) {
        if (way->storm) blow(terminal, child, i);
        assert_int_equal(write(terminal, keys[i], strlen(keys[i])), strlen(keys[i]));
        open = read_some(terminal, PAUSE_MS, out);
    }
    if (open && !read_rest(terminal, child, END_MS, out)) kill(child, SIGKILL);
    close(terminal);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    size_t told = out->length < 600 ? out->length : 600;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("status %d: %s", status, text_string(out) + out->length - told);
}

/* The length of a sequence of those that curses sends to an xterm, whose colours it sets back after
 * a stop; 0 when it is none of them. */
static size_t own_sequence(const char *p, const char *end)
{
    static const char colours[] = "\x1b]104\a";
    if (end - p < 2) return 0;
    if (has_prefix(p, colours)) return sizeof colours - 1;
    if (strchr("78=>M", p[1])) return 2;
    if (p[1] == '(') return end - p > 2 && strchr("0B", p[2]) ? 3 : 0;
    if (p[1] != '[') return 0;
    const char *last = p + 2;
    while (last < end && strchr("0123456789;?>", *last)) last++;
    return last < end && strchr("@ABCDGHJKLMPSTXbdhlmrt", *last) ? (size_t)(last + 1 - p) : 0;
}

/* Goes through the output as a terminal would: control is the program's own, all else is seen. */
static void assert_own(const Text *out, bool ascii)
{
    static const char *const never[] = {"\x1b[38;5;201", "\x1b[97;97H", "\x1b[?9999", "\x1b[21t",
                                        "\x1b[3J", "\x1b[4h"};
    const char *p = text_string(out), *end = p + out->length;
    for (size_t i = 0; i < countof(never); i++)
        if (memmem(p, out->length, never[i], strlen(never[i])))
            fail_msg("ESC %s was sent", never[i] + 1);
    while (p < end) {
        if (*p == '\x1b') {
            size_t n = own_sequence(p, end);
            if (!n) fail_msg("ESC %.*s was sent", (int)(end - p < 12 ? end - p : 12) - 1, p + 1);
            p += n;
        } else if (strchr("\r\n\b\t", *p) && *p) {
            p++;
        } else {
            const char *start = p;
            uint32_t code = utf8_next(&p, end);
            bool seen = is_harmless(code) && (!ascii || code < 0x7F);
            if (!seen) fail_msg("U+%04X was sent before '%.20s'", code, start);
        }
    }
}

/* Esc closes a panel, and does nothing in the list; Ctrl-L keeps it from beginning a sequence. ^C
 * would be a signal, which overtakes keys. */
#define CLOSE "\x1b\x0c"

/* Through the list, a search, a filter, sorts, completions, marks, and every panel that shows keys. */
static const char *const tour[] = {
    "Z", "\t", "G", "g", "/", "e", "\r", "n", "N", "/", "/", "^", ".", "\r", "S", "S", "S", "f", "F",
    "&", "!", "x", "\r", "F", "}", "}", "{", "=", "%", "v", CLOSE, "M", CLOSE, "O", "j", "j", CLOSE,
    "!", CLOSE, ":", "goto sa", "\t", "\r", CLOSE, ":", "strip \"", "\t", CLOSE, "m", "\t", "j", "m",
    "u", "s", CLOSE, "r", CLOSE, "E", CLOSE, "c", CLOSE, "]", "b", CLOSE, ":", "values e", "\r", CLOSE,
    "?", "\x06", CLOSE, "\x0c", ":", "quit!\r",
};

static void take_tour(Tour way)
{
    Text out = {0};
    play(&way, tour, countof(tour), &out);
    /* the keys were on show, spelt out; on a small screen parts of them */
    if (!way.storm) assert_non_null(strstr(text_string(&out), "\\x1b]52;c;aGFoYQ==\\x07.w"));
    assert_own(&out, strcmp(way.locale, "C") == 0);
    text_done(&out);
}

static void test_terminal(void **state)
{
    (void)state;
    take_tour((Tour){.locale = "C.UTF-8"});
}

static void test_ascii_terminal(void **state)
{
    (void)state;
    take_tour((Tour){.locale = "C"});
}

/* What rules say of keys: names they make, collisions, notes, errors. */
static void test_rules_about_keys(void **state)
{
    (void)state;
    take_tour((Tour){.locale = "C.UTF-8", .code =
                         "resub([[^sa.*me]], 'same') sub [[ w -> v ]] "
                         "for k in pairs{'\\27]0;x\\7', '\\155'} do print('\\27[6n') end "
                         "error('\\27]0;owned\\7\\27[6n\\155m')"});
}

/* Signals between all keys, threads that are late, and ledgers that nobody waits for. */
static void test_storm(void **state)
{
    (void)state;
    take_tour((Tour){.locale = "C.UTF-8", .storm = true});
}

/* A terminal that is refused is left as it was found. */
static void test_refused_terminal(void **state)
{
    (void)state;
    int terminal, side, status;
    struct termios before, after;
    assert_int_equal(openpty(&terminal, &side, NULL, NULL, NULL), 0);
    assert_int_equal(tcgetattr(side, &before), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        Terminal screen;
        Error err = {0};
        login_tty(side);
        setenv("TERM", "dumb", 1);
        _exit(terminal_open(&screen, false, &err) ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(tcgetattr(side, &after), 0);
    assert_int_equal(before.c_iflag, after.c_iflag);
    assert_int_equal(before.c_oflag, after.c_oflag);
    assert_int_equal(before.c_lflag, after.c_lflag);
    close(terminal);
    close(side);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character), cmocka_unit_test(test_stray_bytes),
        cmocka_unit_test(test_no_two_look_alike), cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_ascii_terminal), cmocka_unit_test(test_rules_about_keys),
        cmocka_unit_test(test_storm), cmocka_unit_test(test_refused_terminal),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
