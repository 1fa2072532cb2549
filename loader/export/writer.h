/* Writer: one output format. A new one is one file and one row in export.c. */
#ifndef LOADER_EXPORT_WRITER_H
#define LOADER_EXPORT_WRITER_H

#include "loader/export/export.h"
#include "loader/export/stream.h"

typedef struct Writer {
    const char *name;            /* as --to says it: "pth" */
    const char *format;          /* as reports say it: "torch-zip" */
    const char *suffixes;        /* with their dots, separated by spaces */
    /* Refuses what the format cannot hold, before any file is made: names the entry and the
     * remedy. */
    bool (*check)(const Plan *plan, const ExportOptions *options, Error *err);
    /* Writes the whole file; sets stream->total. `path` is where it will be in the end. */
    bool (*write)(const Plan *plan, Stream *stream, const char *path,
                  const ExportOptions *options, ExportResult *result, Error *err);
} Writer;

extern const Writer torch_writer, safetensors_writer;

/* `tensor 'NAME'` in front of the error. Returns false. */
bool entry_prefix(const PlanEntry *entry, Error *err);
/* Sets the error that the entry's dtype is none of the format's, with the cast that helps and
 * the format that does not need it ("" = none). */
bool refuse_dtype(const PlanEntry *entry, const char *format, const char *instead, Error *err);
/* Bytes of the entry's values, packed. */
uint64_t entry_bytes(const PlanEntry *entry);

#endif
