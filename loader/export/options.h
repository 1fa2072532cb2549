/* What a caller may ask of an export, and what it is told afterwards. */
#ifndef LOADER_EXPORT_OPTIONS_H
#define LOADER_EXPORT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/align/cast_loss.h"
#include "loader/source/checksum.h"

/* Called now and then while bytes go out, by one thread at a time; returning false cancels
 * (ERR_CANCELLED). */
typedef bool (*ExportProgress)(void *context, uint64_t done, uint64_t total);

enum { THREADS_MAX = 64, TASKS_MAX = 100000 };

typedef struct ExportOptions {
    const char *format;          /* "pth", "safetensors", "npz"; NULL: by the path's suffix */
    const char *under;           /* nest the state dict under this key (pth only); NULL = flat */
    bool compact;                /* as PlanOptions.compact; either will do */
    bool force;                  /* an existing file is replaced (never the source) */
    bool sha256;                 /* of the whole file, into the result */
    /* Of an output in shards: only those of one task (1 … tasks), which are its number, that plus
     * `tasks` and so on. 0 = all. */
    unsigned task, tasks;
    bool resume;                 /* what is there of the same plan is not made again */
    const char *identity;        /* 64 hexadecimal digits that tell this plan from all others; valid
                                    with `resume` or `task` */
    size_t buffer;               /* bytes that values are held in, of all threads; 0 = 64 MiB */
    unsigned threads;            /* at most THREADS_MAX; 0: as many as processors, at most 8 */
    ExportProgress progress;     /* NULL: none */
    void *progress_context;
    CastLosses *losses;          /* [count of the plan], zeroed by the caller: receives what the
                                    casts of each entry lost; NULL: not measured */
} ExportOptions;

typedef struct ExportResult {
    const char *format;          /* as reports say it: "torch-zip", "safetensors" */
    size_t tensors;
    uint64_t bytes;              /* of the file, or of the shards that were written */
    size_t shards;               /* of all tasks; 0: one file holds all */
    size_t shards_written;       /* now */
    bool waiting;                /* the index is still to be written: by the task whose shard is the
                                    last to be there */
    char sha256[CHECKSUM_TEXT];  /* "" unless asked for */
    size_t cloned;               /* entries whose bytes another entry has written as well: ties
                                    that the format cannot say */
} ExportResult;

#endif
