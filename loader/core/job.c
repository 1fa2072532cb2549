/* Three atomics are all that both threads write and read; the error is the worker's until `ended`
 * says that it is over. */
#include "loader/core/job.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "loader/core/clock.h"
#include "loader/core/memory.h"

struct Job {
    pthread_t thread;
    bool threaded;               /* there is one to be joined */
    JobRun *run;
    void *context;               /* borrowed */
    atomic_bool cancelled, ended;
    atomic_uint_least64_t done, total;
    bool good;                   /* what `run` returned; valid once `ended` */
    Error err;                   /* likewise */
};

/* The job whose work this thread does. A source that waits for a server is asked for bytes by code
 * that has never heard of jobs, so that it cannot be handed down. */
static _Thread_local const Job *current;

static void *work(void *argument)
{
    Job *job = argument;
    current = job;
    if (job_moment) job_moment();
    job->good = job->run(job, job->context, &job->err);
    if (job_moment) job_moment();
    current = NULL;
    atomic_store_explicit(&job->ended, true, memory_order_release);
    return NULL;
}

/* Signals are the main thread's: it is to be woken by them, and what curses does in its handlers no
 * other thread may do beside it. A broken pipe alone is the signal of who wrote. The stack is one
 * that any libc's main thread has, since the same functions run on it. */
static bool start_thread(pthread_t *thread, void *(*run)(void *), void *argument)
{
    enum { STACK_BYTES = 8 << 20 };
    pthread_attr_t attributes;
    sigset_t held, before;
    sigfillset(&held);
    sigdelset(&held, SIGPIPE);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &held, &before);
    const bool started = pthread_create(thread, &attributes, run, argument) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

Job *job_start(JobRun *run, void *context)
{
    Job *job = mem_alloc(sizeof *job);
    job->run = run;
    job->context = context;
    job->threaded = start_thread(&job->thread, work, job);
    if (!job->threaded) work(job);
    return job;
}

/* The two numbers may be of two moments; a bar does not mind. */
bool job_step(Job *job, uint64_t done, uint64_t total, Error *err)
{
    if (job_moment) job_moment();
    atomic_store_explicit(&job->done, done, memory_order_relaxed);
    atomic_store_explicit(&job->total, total, memory_order_relaxed);
    if (!atomic_load_explicit(&job->cancelled, memory_order_relaxed)) return true;
    return error_set(err, ERR_CANCELLED, "stopped");
}

bool job_poll(const Job *job, uint64_t *done, uint64_t *total)
{
    if (done) *done = atomic_load_explicit(&job->done, memory_order_relaxed);
    if (total) *total = atomic_load_explicit(&job->total, memory_order_relaxed);
    return atomic_load_explicit(&job->ended, memory_order_acquire);
}

/* Short naps rather than a condition: who waits here waits for a moment only. */
bool job_wait(const Job *job, long milliseconds)
{
    const struct timespec nap = {.tv_nsec = 200000};
    const int64_t start = clock_ms();
    while (!job_poll(job, NULL, NULL)) {
        if (clock_ms() - start >= milliseconds) return false;
        nanosleep(&nap, NULL);
    }
    return true;
}

const atomic_bool *job_flag(const Job *job)
{
    return &job->cancelled;
}

void job_cancel(Job *job)
{
    atomic_store_explicit(&job->cancelled, true, memory_order_relaxed);
}

/* What a helping thread begins with. */
typedef struct Helper {
    void *(*work)(void *context);
    void *context;
    const Job *job;
} Helper;

static void *help(void *argument)
{
    Helper helper = *(Helper *)argument;
    free(argument);
    current = helper.job;
    if (job_moment) job_moment();
    return helper.work(helper.context);
}

bool job_thread(pthread_t *thread, void *(*work_on)(void *context), void *context)
{
    Helper *helper = mem_alloc(sizeof *helper);
    *helper = (Helper){work_on, context, current};
    if (start_thread(thread, help, helper)) return true;
    free(helper);
    return false;
}

bool job_thread_alone(pthread_t *thread, void *(*work_on)(void *context), void *context)
{
    return start_thread(thread, work_on, context);
}

bool job_is_stopped(void)
{
    return current && atomic_load_explicit(&current->cancelled, memory_order_relaxed);
}

bool job_free(Job *job, Error *err)
{
    if (!job) return true;
    job_cancel(job);
    if (job->threaded) pthread_join(job->thread, NULL);
    bool good = job->good;
    if (!good && err) *err = job->err;
    free(job);
    return good;
}
