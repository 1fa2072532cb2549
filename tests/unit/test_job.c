/* Jobs: a result, an error, and an end that was asked for. */
#include "tests/unit/test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "loader/core/job.h"
#include "loader/core/memory.h"

static bool count(Job *job, void *context, Error *err)
{
    int *sum = context;
    for (int i = 1; i <= 100; i++) {
        *sum += i;
        if (!job_step(job, (uint64_t)i, 100, err)) return false;
    }
    return true;
}

static bool fail_at_once(Job *job, void *context, Error *err)
{
    (void)job, (void)context;
    return error_set(err, ERR_IO, "no such disk");
}

static bool run_for_ever(Job *job, void *context, Error *err)
{
    (void)context;
    while (job_step(job, 1, 0, err)) sched_yield();
    return false;
}

static void wait_for(Job *job)
{
    while (!job_poll(job, NULL, NULL)) sched_yield();
}

static void test_result(void **state)
{
    (void)state;
    int sum = 0;
    uint64_t done, total;
    Error err = {0};
    Job *job = job_start(count, &sum);
    wait_for(job);
    assert_true(job_poll(job, &done, &total));
    assert_int_equal(done, 100);
    assert_int_equal(total, 100);
    assert_true(job_free(job, &err));
    assert_int_equal(sum, 5050);
}

static void test_error(void **state)
{
    (void)state;
    Error err = {0};
    Job *job = job_start(fail_at_once, NULL);
    wait_for(job);
    assert_false(job_free(job, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_string_equal(err.text, "no such disk");
}

static void test_cancel(void **state)
{
    (void)state;
    Error err = {0};
    Job *job = job_start(run_for_ever, NULL);
    assert_false(job_wait(job, 1));
    assert_false(*job_flag(job));
    job_cancel(job);
    assert_true(*job_flag(job));
    assert_true(job_wait(job, 60000));
    assert_false(job_free(job, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_false(job_free(job_start(run_for_ever, NULL), NULL));
    assert_true(job_free(NULL, NULL));
}

/* Which signals reach the thread. */
static bool look_at_signals(Job *job, void *context, Error *err)
{
    (void)job, (void)err;
    return pthread_sigmask(SIG_SETMASK, NULL, context) == 0;
}

/* Ctrl-Z runs a handler of curses, which must not run beside what the main thread draws; and only
 * the main thread waits for what Ctrl-C ends. */
static void test_signals(void **state)
{
    (void)state;
    sigset_t theirs, ours;
    assert_true(job_free(job_start(look_at_signals, &theirs), NULL));
    pthread_sigmask(SIG_SETMASK, NULL, &ours);
    static const int mains[] = {SIGTSTP, SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGCONT};
    for (size_t i = 0; i < countof(mains); i++) {
        assert_true(sigismember(&theirs, mains[i]));
        assert_false(sigismember(&ours, mains[i]));
    }
    assert_false(sigismember(&theirs, SIGPIPE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_result), cmocka_unit_test(test_error),
                                       cmocka_unit_test(test_cancel),
                                       cmocka_unit_test(test_signals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
