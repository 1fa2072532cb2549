/* Signals: what ends the program, and what it was started to ignore. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "repl/interrupt.h"

/* The status, or 128 and the signal's number, of a child that is sent a signal which it was started
 * with `before` for. */
static int end_of(int number, void (*before)(int), void (*watch)(void))
{
    pid_t child = fork();
    if (!child) {
        signal(number, before);
        watch();
        raise(number);
        _exit(atomic_load(interrupt_flag()) ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test_signals_end_or_interrupt(void **state)
{
    (void)state;
    assert_int_equal(end_of(SIGTERM, SIG_DFL, interrupt_watch), 128 + SIGTERM);
    assert_int_equal(end_of(SIGHUP, SIG_DFL, interrupt_watch), 128 + SIGHUP);
    assert_int_equal(end_of(SIGINT, SIG_DFL, interrupt_watch), 1);
    assert_int_equal(end_of(SIGHUP, SIG_DFL, interrupt_watch_end), 1);
}

/* As nohup starts it, and a shell what a script runs in the background. */
static void test_what_is_ignored_stays_so(void **state)
{
    (void)state;
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_int_equal(end_of(numbers[i], SIG_IGN, interrupt_watch), 0);
        assert_int_equal(end_of(numbers[i], SIG_IGN, interrupt_watch_end), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_end_or_interrupt),
        cmocka_unit_test(test_what_is_ignored_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
