/* Clock: milliseconds that only go forward, for measuring how long something took; until when to
 * wait. */
#ifndef LOADER_CORE_CLOCK_H
#define LOADER_CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Milliseconds for which processors have worked for this process: what ends after so many of them
 * comes to the same beside other work. */
static inline int64_t clock_work_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* So many milliseconds from now, as pthread_cond_timedwait takes it. */
static inline struct timespec clock_after(long milliseconds)
{
    struct timespec then;
    clock_gettime(CLOCK_REALTIME, &then);
    then.tv_sec += milliseconds / 1000;
    then.tv_nsec += milliseconds % 1000 * 1000000;
    if (then.tv_nsec >= 1000000000) then.tv_nsec -= 1000000000, then.tv_sec++;
    return then;
}

#endif
