/* Crew: many things that do not depend on each other, done by as many threads as there are
 * processors. Which thread does which is not determined, so each thing writes only to what is its
 * own; then the result is the same however many threads there were. */
#ifndef LOADER_CORE_CREW_H
#define LOADER_CORE_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/core/error.h"

typedef struct Crew Crew;

/* Does the index-th thing. False with an error: all of them stop. */
typedef bool CrewWork(Crew *crew, void *context, size_t index, Error *err);
/* How far they are, by one thread at a time; false: stop. */
typedef bool CrewProgress(void *context, uint64_t done, uint64_t total);

typedef struct CrewTask {
    size_t count;                /* of things */
    uint64_t bytes;              /* that they read in all: for a few MB there is no second thread */
    CrewWork *work;
    void *context;               /* of work */
    CrewProgress *progress;      /* NULL: none */
    void *listener;              /* context of progress */
    uint64_t *done, total;       /* bytes so far, which is added to, and of all; for progress */
} CrewTask;

/* Takes the things in their order. False with the error of the first of them that failed, or
 * ERR_CANCELLED when progress asked to stop. The calling thread works too; threads that cannot be
 * started are done without. */
bool crew_run(const CrewTask *task, Error *err);
/* For the work: so many bytes more were read. False, with the error set: stop. */
bool crew_step(Crew *crew, uint64_t bytes, Error *err);

#endif
