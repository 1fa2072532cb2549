/* Progress of long work: one line on standard error, when that is a terminal. */
#ifndef REPL_PROGRESS_H
#define REPL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef struct Progress {
    const char *what;            /* shown before the bar */
    bool shown;                  /* standard error is a terminal */
    bool drawn;                  /* a line is there to be wiped */
    struct timespec start, last; /* of the work, and of the last drawing; monotonic */
} Progress;

void progress_start(Progress *progress, const char *what, bool shown);
/* An ExportProgress: draws at most ten times a second; false after Ctrl-C. */
bool progress_step(void *progress, uint64_t done, uint64_t total);
void progress_end(Progress *progress);

#endif
