/* The line of long work, on a pseudo-terminal of every width and with a clock that the test sets. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "loader/core/text.h"
#include "repl/interrupt.h"
#include "repl/progress.h"

static int64_t now_ms;
static int standard_error;       /* a duplicate, while a terminal is in its place */

/* The C library's, for this whole program. */
int clock_gettime(clockid_t clock, struct timespec *time)
{
    (void)clock;
    *time = (struct timespec){now_ms / 1000, now_ms % 1000 * 1000000};
    return 0;
}

/* A terminal in the place of standard error. */
typedef struct Tty {
    int master;
    char seen[4096];             /* what the last step wrote */
} Tty;

static void tty_open(Tty *tty, int columns, const char *term)
{
    int slave;
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    assert_int_equal(openpty(&tty->master, &slave, NULL, NULL, &size), 0);
    fcntl(tty->master, F_SETFL, O_NONBLOCK);
    dup2(slave, STDERR_FILENO);
    close(slave);
    if (term) setenv("TERM", term, 1);
    else unsetenv("TERM");
    now_ms = 5000;
}

static const char *tty_read(Tty *tty)
{
    ssize_t n = read(tty->master, tty->seen, sizeof tty->seen - 1);
    tty->seen[n > 0 ? n : 0] = '\0';
    return tty->seen;
}

static void tty_close(Tty *tty)
{
    dup2(standard_error, STDERR_FILENO);
    close(tty->master);
}

/* After a failure, too: it is told on standard error. */
static int give_back(void **state)
{
    (void)state;
    return dup2(standard_error, STDERR_FILENO) < 0;
}

/* What stands there after a step at that time: the wiping before it is checked and left out. */
static const char *step(Tty *tty, Progress *progress, int64_t at, uint64_t done, uint64_t total)
{
    static const char WIPE[] = "\r\033[K";
    bool before = progress->drawn;
    now_ms = 5000 + at;
    assert_true(progress_step(progress, done, total));
    const char *text = tty_read(tty);
    if (!*text || !before) return text;
    assert_true(has_prefix(text, WIPE));
    return text + strlen(WIPE);
}

static const char URL[] = "https://example.org/models/model-00001-of-00002.safetensors";
enum { MB = 1000000 };

/* Halfway through 3.6 GB at 100 MB/s. */
static void test_widths(void **state)
{
    (void)state;
    static const struct { int columns; const char *line; } lines[] = {
        {200, "https://example.org/models/model-00001-of-00002.safetensors "
              "[############............]  50 %  1.8 GB of 3.6 GB, 100.0 MB/s, 18 s left"},
        {80, "…0002.safetensors [####....]  50 %  1.8 GB of 3.6 GB, 100.0 MB/s, 18 s left"},
        {60, "…f-00002.safetensors  50 %  1.8 GB of 3.6 GB, 18 s left"},
        {40, "…f-00002.safetensors  50 %  18 s left"},
        {24, "…ors  50 %  18 s left"},
        {15, "…tensors  50 %"},
        {5, "…ors"},
        {0, "…0002.safetensors [####....]  50 %  1.8 GB of 3.6 GB, 100.0 MB/s, 18 s left"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        Tty tty;
        Progress progress;
        tty_open(&tty, lines[i].columns, "xterm");
        progress_start(&progress, URL, true);
        assert_string_equal(step(&tty, &progress, 0, 0, 3600ull * MB), "");
        const char *line = step(&tty, &progress, 18000, 1800ull * MB, 3600ull * MB);
        assert_string_equal(line, lines[i].line);
        assert_int_equal(progress.drawn < (lines[i].columns ? lines[i].columns : 80), 1);
        progress_end(&progress);
        assert_string_equal(tty_read(&tty), "\r\033[K");
        tty_close(&tty);
    }
}

/* At every width, with figures of every length: it fits on one line, and the bar stands still. */
static void test_never_wraps(void **state)
{
    (void)state;
    static const uint64_t totals[] = {1, 999, 5 * MB, 999900000, 3600ull * MB, 999900000000};
    for (int columns = 1; columns <= 200; columns++) {
        for (size_t t = 0; t < sizeof totals / sizeof *totals; t++) {
            Tty tty;
            Progress progress;
            int bar = -1;
            tty_open(&tty, columns, "xterm");
            progress_start(&progress, columns % 2 ? URL : "a.pth", true);
            step(&tty, &progress, 0, 0, totals[t]);
            for (int64_t i = 1; i <= 40; i++) {
                const char *line = step(&tty, &progress, i * 1000, totals[t] / 40 * (uint64_t)i,
                                        totals[t]);
                const char *end = strchr(line, ']');
                int at = end ? (int)(end - line) : 0;
                if (progress.drawn >= columns) fail_msg("%d columns: \"%s\"", columns, line);
                if (bar >= 0 && at != bar) fail_msg("the bar jumps: \"%s\"", line);
                bar = at;
            }
            tty_close(&tty);
        }
    }
}

static void assert_left(int64_t ms, uint64_t done, uint64_t total, const char *left)
{
    Tty tty;
    Progress progress;
    tty_open(&tty, 200, "xterm");
    progress_start(&progress, "x", true);
    step(&tty, &progress, 0, 0, total);
    const char *line = step(&tty, &progress, ms, done, total);
    if (!has_suffix(line, left)) fail_msg("\"%s\" does not end in \"%s\"", line, left);
    tty_close(&tty);
}

static void test_time_left(void **state)
{
    (void)state;
    assert_left(1000, 10, 10, "100 %  10 B of 10 B, 10 B/s, 0 s left");
    assert_left(1000, 999, 1000, " 99 %  999 B of 1.0 kB, 999 B/s, 1 s left");
    assert_left(1000, 1, 100, "  1 %  1 B of 100 B, 1 B/s, 99 s left");
    assert_left(1000, 1, 102, "2 min left");
    assert_left(1000, 1, 5400, "90 min left");
    assert_left(1000, 1, 360000, "100 h left");
    assert_left(1000, 1, UINT64_MAX, ", >999 h left");
    assert_left(1000, 0, 100, "  0 %  0 B of 100 B");          /* no rate, so no end */
    assert_left(1000, 200, 100, "100 %  100 B of 100 B, 200 B/s, 0 s left");
    assert_left(1000, 12 * MB, 0, "x  12.0 MB, 12.0 MB/s");    /* of a size that nobody says */
}

/* What was there before is no work of now, and what was long ago tells little of the rate. */
static void test_rate(void **state)
{
    (void)state;
    Tty tty;
    Progress progress;
    tty_open(&tty, 200, "xterm");
    progress_start(&progress, "x", true);
    step(&tty, &progress, 50, 700 * MB, 1000 * MB);
    const char *line = step(&tty, &progress, 1050, 710 * MB, 1000 * MB);
    assert_true(has_suffix(line, " 71 %  710.0 MB of 1.0 GB, 10.0 MB/s, 29 s left"));
    for (int i = 1; i <= 20; i++)
        line = step(&tty, &progress, 1050 + 1000 * i, (uint64_t)(710 + i) * MB, 1000 * MB);
    assert_true(has_suffix(line, ", 1.0 MB/s, 4 min left") || has_suffix(line, "5 min left"));
    assert_non_null(strstr(line, ", 1.0 MB/s, "));
    line = step(&tty, &progress, 30000, 0, 1000 * MB);         /* from the start again */
    assert_true(has_suffix(line, "  0 %  0 B of 1.0 GB"));
    line = step(&tty, &progress, 31000, 2 * MB, 1000 * MB);
    assert_true(has_suffix(line, "2.0 MB of 1.0 GB, 2.0 MB/s, 9 min left"));
    tty_close(&tty);
}

/* A terminal that knows no escapes is wiped with blanks; so is one that nobody names. */
static void test_dumb(void **state)
{
    (void)state;
    const char *const terms[] = {"dumb", NULL};
    for (int i = 0; i < 2; i++) {
        Tty tty;
        Progress progress;
        tty_open(&tty, 80, terms[i]);
        progress_start(&progress, "m.pth", true);
        now_ms += 200;
        assert_true(progress_step(&progress, 1, 0));
        assert_string_equal(tty_read(&tty), "m.pth  1 B");
        now_ms += 200;
        assert_true(progress_step(&progress, 1, 0));
        assert_string_equal(tty_read(&tty), "\r          \rm.pth  1 B");
        progress_end(&progress);
        assert_string_equal(tty_read(&tty), "\r          \r");
        tty_close(&tty);
    }
}

/* Names of others: no escape reaches the terminal, and wide characters take two columns. */
static void test_names(void **state)
{
    (void)state;
    Tty tty;
    Progress progress;
    tty_open(&tty, 80, "xterm");
    progress_start(&progress, "a\033[2Jb\nc", true);
    assert_string_equal(step(&tty, &progress, 200, 1, 0), "a\\x1b[2Jb\\nc  1 B");
    tty_close(&tty);
    tty_open(&tty, 30, "xterm");
    progress_start(&progress, "模型模型模型模型模型模型模型模型.pth", true);
    const char *line = step(&tty, &progress, 200, 50, 100);
    assert_string_equal(line, "…模型.pth  50 %");
    tty_close(&tty);
}

/* Not before a tenth of a second, not more often, not at all when it is not asked for. */
static void test_when(void **state)
{
    (void)state;
    Tty tty;
    Progress progress;
    tty_open(&tty, 80, "xterm");
    progress_start(&progress, "x", true);
    assert_string_equal(step(&tty, &progress, 99, 1, 100), "");
    progress_end(&progress);
    assert_string_equal(tty_read(&tty), "");
    assert_true(*step(&tty, &progress, 200, 2, 100));
    assert_string_equal(step(&tty, &progress, 299, 3, 100), "");
    assert_true(*step(&tty, &progress, 300, 4, 100));
    progress_start(&progress, "x", false);
    assert_string_equal(step(&tty, &progress, 1000, 5, 100), "");
    interrupt_raise();
    assert_false(progress_step(&progress, 6, 100));
    interrupt_reset();
    progress_end(&progress);
    assert_string_equal(tty_read(&tty), "");
    tty_close(&tty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_widths, give_back),
        cmocka_unit_test_teardown(test_never_wraps, give_back),
        cmocka_unit_test_teardown(test_time_left, give_back),
        cmocka_unit_test_teardown(test_rate, give_back),
        cmocka_unit_test_teardown(test_dumb, give_back),
        cmocka_unit_test_teardown(test_names, give_back),
        cmocka_unit_test_teardown(test_when, give_back),
    };
    standard_error = dup(STDERR_FILENO);
    setvbuf(stderr, NULL, _IOFBF, 4096);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
