/* Export: an Alignment becomes a file, whole or not at all.
 *
 * A Plan lists the outputs in file order, each with its Expr; a Writer streams them to a
 * sibling temporary file, which is synced and renamed into place. Memory is bounded by the
 * buffer whatever the tensors' sizes. */
#ifndef LOADER_EXPORT_EXPORT_H
#define LOADER_EXPORT_EXPORT_H

#include "loader/align/align.h"

typedef struct PlanEntry {
    const char *name;
    const Expr *expr;            /* final: cast to the output's dtype */
    const int64_t *dims;
    DType dtype;
    uint8_t rank;
    int64_t alias;               /* index of an earlier entry with the same values that shares
                                    storage (tied, computed once); -1 = none */
} PlanEntry;

typedef struct Plan {
    Arena *arena;
    Alignment *alignment;        /* kept alive */
    PlanEntry *entries;
    size_t count;
    const Object *torch_metadata;        /* for `_metadata`; NULL = none */
    const MetadataItem *metadata;        /* for `__metadata__`; sorted by key */
    size_t metadata_count;
    bool compact;                        /* PlanOptions.compact */
} Plan;

typedef struct PlanOptions {
    bool omit_kept;              /* leave out kept tensors that have no data */
    bool compact;                /* views become storages of their own */
} PlanOptions;

/* Refuses (ERR_SHAPE, naming the first) what has no value: open entries, schema sources, kept
 * tensors of a schema target, opaque tensors. */
Plan *plan_new(Alignment *alignment, const PlanOptions *options, Error *err);
void plan_free(Plan *plan);              /* NULL is fine */
/* The tensor whose stored bytes are the entry's values, when nothing is to be computed: no op,
 * no cast, and stored as little-endian numbers without conjugate or negative bits; else NULL.
 * It may be strided. */
const Tensor *plan_unchanged(const PlanEntry *entry);
/* The `_metadata` that goes with the plan's names (see metadata.c), in the plan's arena; NULL
 * when neither target nor source has one. Called by plan_new, once the entries stand. */
const Object *plan_torch_metadata(const Plan *plan);

/* Called now and then while bytes go out; returning false cancels (ERR_CANCELLED). */
typedef bool (*ExportProgress)(void *context, uint64_t done, uint64_t total);

typedef struct ExportOptions {
    const char *format;          /* "pth" or "safetensors"; NULL: by the suffix of the path */
    const char *under;           /* nest the state dict under this key (pth only); NULL = flat */
    bool compact, force, sha256;
    size_t buffer;               /* bytes; 0 = 16 MiB */
    ExportProgress progress;     /* NULL: none */
    void *progress_context;
} ExportOptions;

typedef struct ExportResult {
    const char *format;          /* as reports say it: "torch-zip", "safetensors" */
    size_t tensors;
    uint64_t bytes;              /* of the file */
    char sha256[65];             /* "" unless asked for */
    size_t cloned;               /* tied tensors that the format made copies of */
} ExportResult;

/* Writes the plan to `path`: refuses an existing path without force, and the source file
 * itself always. On any error nothing is left behind under either name. */
bool export_write(const Plan *plan, const char *path, const ExportOptions *options,
                  ExportResult *result, Error *err);
/* "pth" or "safetensors" for .pth .pt .bin .ckpt .safetensors, else NULL. */
const char *export_format_of(const char *path);

#endif
