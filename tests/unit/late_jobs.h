/* Jobs whose threads are late at random: what is under way ends sooner and later than on any
 * machine. job.c calls job_moment where there is one. */
#ifndef TESTS_UNIT_LATE_JOBS_H
#define TESTS_UNIT_LATE_JOBS_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "loader/core/job.h"

static atomic_uint_least64_t late_count;     /* where the row of random numbers is */

/* One moment of eight takes up to two milliseconds. */
void job_moment(void)
{
    const uint64_t n = atomic_fetch_add(&late_count, 1);
    const uint64_t random = (n + 1) * 0x9E3779B97F4A7C15u >> 20;
    const struct timespec nap = {.tv_nsec = (long)(random / 8 % 2000000)};
    if (random % 8 == 0) nanosleep(&nap, NULL);
}

#endif
