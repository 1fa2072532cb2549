#include "loader/core/crew.h"

#include <pthread.h>
#include <unistd.h>

#include "loader/core/job.h"

enum { THREADS_MAX = 16, PER_THREAD = 16 << 20 };     /* bytes that are worth a thread */

struct Crew {
    const CrewTask *task;
    pthread_mutex_t lock;        /* around task->done, progress and everything below */
    size_t next;                 /* thing to be taken next */
    bool stopped;                /* one has failed, or the listener asked to; `why` says so */
    size_t failed;               /* the first that did; SIZE_MAX: none */
    Error why;
};

bool crew_step(Crew *crew, uint64_t bytes, Error *err)
{
    const CrewTask *task = crew->task;
    pthread_mutex_lock(&crew->lock);
    *task->done += bytes;
    if (!crew->stopped && task->progress &&
        !task->progress(task->listener, *task->done, task->total))
        crew->stopped = !error_set(&crew->why, ERR_CANCELLED, "interrupted");
    const bool go_on = !crew->stopped;
    if (!go_on) *err = crew->why;
    pthread_mutex_unlock(&crew->lock);
    return go_on;
}

/* The next thing to do, or `count`. */
static size_t take(Crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    const size_t next = crew->stopped ? crew->task->count : crew->next++;
    pthread_mutex_unlock(&crew->lock);
    return next;
}

static void fail(Crew *crew, size_t index, const Error *why)
{
    pthread_mutex_lock(&crew->lock);
    if (!crew->stopped || index < crew->failed) {
        crew->why = *why;
        crew->failed = index;
    }
    crew->stopped = true;
    pthread_mutex_unlock(&crew->lock);
}

static void *work(void *context)
{
    Crew *crew = context;
    const CrewTask *task = crew->task;
    for (size_t i; (i = take(crew)) < task->count;) {
        Error why = {0};
        if (!task->work(crew, task->context, i, &why)) fail(crew, i, &why);
    }
    return NULL;
}

bool crew_run(const CrewTask *task, Error *err)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[THREADS_MAX];
    size_t wanted = processors > 1 ? (size_t)processors - 1 : 0, started = 0;
    Crew crew = {.task = task, .failed = SIZE_MAX};
    if (wanted > THREADS_MAX) wanted = THREADS_MAX;
    if (wanted > task->bytes / PER_THREAD) wanted = (size_t)(task->bytes / PER_THREAD);
    if (wanted >= task->count) wanted = task->count ? task->count - 1 : 0;
    pthread_mutex_init(&crew.lock, NULL);
    while (started < wanted && job_thread(&threads[started], work, &crew)) started++;
    work(&crew);
    for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&crew.lock);
    if (crew.stopped && err) *err = crew.why;
    return !crew.stopped;
}
