/* Job: a function on a thread of its own, that says how far it is and can be told to stop. Whoever
 * starts it looks at it now and then; nothing that it touches may change meanwhile. */
#ifndef LOADER_CORE_JOB_H
#define LOADER_CORE_JOB_H

#include <stdatomic.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "loader/core/error.h"

typedef struct Job Job;

/* The work. It asks job_step often, and ends when that is false. */
typedef bool JobRun(Job *job, void *context, Error *err);

/* Starts it. `context` stays the caller's and lives until job_free. Where no thread can be had, the
 * work is done before this returns. */
Job *job_start(JobRun *run, void *context);
/* For the work: how far it is, in a unit of its own. False, with the error set (ERR_CANCELLED):
 * stop. */
bool job_step(Job *job, uint64_t done, uint64_t total, Error *err);
/* Whether it has ended; what it wrote may be read then. How far it is goes to *done and *total
 * (either may be NULL; total 0: not known yet). */
bool job_poll(const Job *job, uint64_t *done, uint64_t *total);
/* Waits for the end, so many milliseconds at most; whether it has ended. */
bool job_wait(const Job *job, long milliseconds);
/* Becomes true when it is told to stop, for work that looks at a flag. */
const atomic_bool *job_flag(const Job *job);
/* Tells it to stop, and does not wait. */
void job_cancel(Job *job);
/* For what a job's work calls and knows no job, and may wait long (the network): whether the job of
 * this thread was told to stop; false on a thread that is no job's. */
bool job_is_stopped(void);
/* Starts a thread that helps with this thread's job, if there is one: it is stopped with it. False
 * where no thread can be had. */
bool job_thread(pthread_t *thread, void *(*work)(void *context), void *context);
/* The same for a thread that may outlive the job, and so helps with none. */
bool job_thread_alone(pthread_t *thread, void *(*work)(void *context), void *context);
/* For tests: where one defines it, threads of jobs call it when they begin, at every step, and
 * before they end. */
void job_moment(void) __attribute__((weak));
/* Tells it to stop, waits until it has, and frees it: true when the work succeeded, else its error
 * in *err (may be NULL). NULL is fine, and true. */
bool job_free(Job *job, Error *err);

#endif
