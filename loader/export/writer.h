/* Writer: one output format. A new one is one file and one row in writer.c. */
#ifndef LOADER_EXPORT_WRITER_H
#define LOADER_EXPORT_WRITER_H

#include "loader/export/options.h"
#include "loader/export/plan.h"
#include "loader/export/stream.h"

typedef struct Writer {
    const char *name;            /* as --to says it: "pth" */
    const char *format;          /* as reports say it: "torch-zip" */
    const char *suffixes;        /* with their dots, separated by spaces */
    bool objects;                /* it holds more than tensors: --whole */
    bool shards;                 /* several files may hold one model */
    bool shares;                 /* tensors that share a storage go on sharing it */
    /* Refuses what the format cannot hold, before any file is made: names the entry and the
     * remedy. */
    bool (*check)(const Plan *plan, const ExportOptions *options, Error *err);
    /* Writes the whole file; sets stream->total. `path` is where it will be in the end. */
    bool (*write)(const Plan *plan, Stream *stream, const char *path,
                  const ExportOptions *options, ExportResult *result, Error *err);
} Writer;

extern const Writer torch_writer, safetensors_writer, npz_writer;

/* Whether the text, from its dot on, is a suffix of the writer's. */
bool writer_has_suffix(const Writer *writer, const char *suffix);
/* By the last suffix of a path, or by the last two (".pth.tar"); NULL when none fits. */
const Writer *writer_by_suffix(const char *path);
/* The writer that options->format names, else the suffix; an error that lists what there is. */
const Writer *writer_choose(const char *path, const ExportOptions *options, Error *err);
/* Sets the error that the entry's dtype is none of the format's, with what helps: a cast, or the
 * `other` format (NULL = none). Returns false. */
bool writer_refuse_dtype(const PlanEntry *entry, const char *format, const char *other, Error *err);

#endif
