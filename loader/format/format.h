/* Format: one kind of checkpoint file. A new format is one file and one row in formats.c.
 *
 * Inner files (shards, a zip in a zip) are opened through the OpenContext, so that no format
 * knows the registry; it also holds the limits and confines names to the folder. */
#ifndef LOADER_FORMAT_FORMAT_H
#define LOADER_FORMAT_FORMAT_H

#include "loader/core/error.h"
#include "loader/source/source.h"
#include "loader/tensor/checkpoint.h"

/* Documented limits, each named in the error it causes. */
enum {
    LIMIT_HEADER_BYTES = 100 * 1000 * 1000,   /* a safetensors header, as the crate */
    LIMIT_PICKLE_BYTES = 1 << 30,             /* one pickle */
    LIMIT_INDEX_BYTES = 256 << 20,            /* an index.json or a schema */
    LIMIT_SCHEMA_TENSORS = 4 * 1000 * 1000,   /* of a schema or an index: names cost no data */
    LIMIT_SHARDS = 100000,
    LIMIT_INNER_DEPTH = 3                     /* files inside files */
};

typedef struct OpenContext OpenContext;

struct OpenContext {
    const char *path;            /* what the user named, for errors */
    const char *folder;          /* where inner files may lie: the file's folder, or NULL (bytes
                                    in memory: has_inner is false for every name) */
    unsigned depth;              /* nesting of inner files so far */
    /* Opens another file of `folder` by a name taken from a file: refuses separators, "..",
     * absolute names and nesting beyond LIMIT_INNER_DEPTH. Returns a new reference. */
    Checkpoint *(*open_inner)(OpenContext *context, const char *name, Error *err);
    /* Whether `folder` has a file of that name; false for names that open_inner refuses. */
    bool (*has_inner)(const OpenContext *context, const char *name);
};

/* Whether a name taken from a file may name a file of the same folder: not empty, no separator,
 * not "." or "..", no control characters, at most 255 bytes. */
bool inner_name_is_safe(const char *name);

typedef enum Sniff { SNIFF_NO, SNIFF_MAYBE, SNIFF_YES } Sniff;

typedef struct Format {
    const char *name;            /* as in reports: "torch-zip", "torch-legacy", "safetensors" */
    const char *title;           /* for the formats table: "PyTorch zip (1.6 …)" */
    /* Looks at the first `n` bytes and, where it must, at the source itself. The first format
     * that says SNIFF_YES opens the file, and its error is final; one that says SNIFF_MAYBE is
     * asked when nobody does and the file is nothing else that is known. */
    Sniff (*sniff)(ByteSource *source, const unsigned char *head, size_t n);
    /* Reads the directory, never the values. The source is borrowed (own it with
     * checkpoint_own_source(source_ref())). */
    Checkpoint *(*open)(OpenContext *context, ByteSource *source, Error *err);
} Format;

extern const Format format_torch_zip, format_torch_legacy, format_safetensors,
    format_sharded, format_schema_json, format_schema_text;

/* Opens whatever `path` is: a file (format by content), or a folder that holds a model (one
 * model file, or an index with its shards). Errors say what the thing is instead: missing,
 * empty, a Git-LFS pointer, a saved HTML page, a format that is not supported … and what to
 * do. Does not understand FILE::PATH; see checkpoint_spec. */
Checkpoint *checkpoint_open(const char *path, Error *err);
/* The same for bytes in memory: for tests and fuzzing. No inner files. */
Checkpoint *checkpoint_open_source(ByteSource *source, Error *err);

/* Splits "FILE::PATH" at the last "::" whose left side exists, or where the whole does not.
 * Copies into the arena; *inside is NULL when there is none. */
void checkpoint_spec(Arena *arena, const char *spec, const char **file, const char **inside);

#endif
