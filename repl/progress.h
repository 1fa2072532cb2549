/* Progress of long work: one line on standard error, when that is a terminal. */
#ifndef REPL_PROGRESS_H
#define REPL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum { PROGRESS_MARKS = 16 };    /* seconds over which the rate is an average */

/* How much was done when. */
typedef struct ProgressMark {
    int64_t when;                /* as clock_ms says */
    uint64_t done;
} ProgressMark;

typedef struct Progress {
    const char *what;            /* shown before the bar; borrowed */
    bool shown;                  /* standard error is a terminal */
    int drawn;                   /* columns of the line that is there to be wiped; 0: none */
    int64_t last;                /* when it was drawn, or began */
    ProgressMark marks[PROGRESS_MARKS];  /* oldest first, a second apart */
    int count;
} Progress;

void progress_start(Progress *progress, const char *what, bool shown);
/* An ExportProgress: draws at most ten times a second; false after Ctrl-C. A total of 0 is not
 * known. The first call says where the work begins, which may be in the middle. */
bool progress_step(void *progress, uint64_t done, uint64_t total);
void progress_end(Progress *progress);

#endif
