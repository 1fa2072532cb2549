/* Check: everything that is wrong with a checkpoint, and everything suspicious in its weights. */
#ifndef LOADER_CHECK_CHECK_H
#define LOADER_CHECK_CHECK_H

#include "loader/check/report.h"
#include "loader/tensor/checkpoint.h"

typedef struct CheckOptions {
    const char *file;            /* as the user named it, for remedies */
    const Container *chosen;     /* the part whose weights count; NULL: there are no tensors */
    bool others;                 /* look at the other parts too */
    /* Called as bytes are read, by one thread at a time; false: stop (ERR_CANCELLED). May be
     * NULL. `total` is an estimate. */
    bool (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;               /* for it */
} CheckOptions;

/* What was looked at. */
typedef struct CheckTotals {
    size_t tensors;              /* names; of a part, those that no part before it has */
    size_t unread;               /* of them: values that were not, or could not be, read */
    uint64_t values, bytes;      /* read; bytes under several names count once */
} CheckTotals;

/* Reads every value once, and what else the format's own checks need. The report is folded; the
 * caller frees it. NULL, with the error set, when the user asked to stop. */
CheckReport *check_run(Checkpoint *checkpoint, const CheckOptions *options, CheckTotals *totals,
                       Error *err);

#endif
