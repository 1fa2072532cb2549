/* Opening: the files of both sides, beside each other, while somebody looks at the keys: how long a
 * file on a server takes, nobody knows. */
#ifndef REPL_OPENING_H
#define REPL_OPENING_H

#include "loader/core/job.h"
#include "loader/tensor/checkpoint.h"
#include "loader/tensor/glimpse.h"

/* What is to be opened and what came of it, by side: 0 the source, 1 the target. */
typedef struct Opened {
    const char *names[2];        /* FILE; borrowed. NULL: that side is not to be opened */
    Checkpoint *files[2];        /* references; NULL: it could not be … */
    Error errors[2];             /* … for this */
    Glimpse *glimpses[2];        /* where their names are seen meanwhile; borrowed; NULL: nowhere */
} Opened;

/* Opens them on this thread and, where there are two, one more; waits for both. */
void opened_wait(Opened *opened);

typedef struct Opening Opening;

/* Begins to open them; the names are copied. */
Opening *opening_start(const char *const names[2]);
/* Waits, so many milliseconds at most; whether it is over. */
bool opening_wait(const Opening *opening, long milliseconds);
/* Tells it to stop, and does not wait. */
void opening_stop(Opening *opening);
/* The name of that side, NULL when it is not to be opened; borrowed. */
const char *opening_name(const Opening *opening, int side);
/* What is seen of that side so far. */
const Glimpse *opening_glimpse(const Opening *opening, int side);
/* How far it is, in percent, the slower of the two sides; -1: not known. */
int opening_percent(const Opening *opening);
/* Appends "opening a.pth and b.pth: 3500 names so far, 1.2 MB in 7 requests", the last of files on
 * servers. */
void opening_tell(const Opening *opening, Text *out);
/* Waits until it is over, fills in *opened but for its names, and frees it. */
void opening_end(Opening *opening, Opened *opened);

#endif
