/* Format: one kind of checkpoint file. A new format is one file and one row in formats.c.
 *
 * Inner files (shards, a zip in a zip) are opened through the OpenContext, so that no format
 * knows the registry; it also holds the limits and confines names to the folder. */
#ifndef LOADER_FORMAT_FORMAT_H
#define LOADER_FORMAT_FORMAT_H

#include "loader/core/error.h"
#include "loader/core/limits.h"
#include "loader/source/source.h"
#include "loader/tensor/checkpoint.h"

typedef struct OpenContext OpenContext;

/* What a folder holds, as its formats see it. */
typedef struct Folder {
    const char *path;            /* as shown to people, without a slash at its end */
    const char *const *names;    /* of its entries, sorted as people sort; no "." and ".." */
    size_t count;
} Folder;

bool folder_has(const Folder *folder, const char *name);
/* Whether a file in it has a name that libraries give to a model's weights. */
bool folder_has_model(const Folder *folder);

struct OpenContext {
    const char *path;            /* what the user named, for errors */
    const char *folder;          /* where inner files may lie: the file's folder, or NULL (bytes
                                    in memory: has_inner is false for every name) */
    unsigned depth;              /* nesting of inner files so far */
    /* Opens another file or folder below `folder` by a name taken from a file; names that
     * inner_path_is_safe refuses, and nesting beyond LIMIT_INNER_DEPTH, are errors. Returns a new
     * reference. */
    Checkpoint *(*open_inner)(OpenContext *context, const char *name, Error *err);
    /* The bytes of such a file; the caller unrefs. */
    ByteSource *(*inner_source)(const OpenContext *context, const char *name, Error *err);
    /* Whether `folder` has a file or folder of that name; false for names that are refused. */
    bool (*has_inner)(const OpenContext *context, const char *name);
    /* The entries below `folder` of a subfolder ("" = of itself), sorted, in the arena. */
    bool (*list_inner)(const OpenContext *context, const char *name, Arena *arena, Folder *folder,
                       Error *err);
    /* Says which of them will be asked for soon: where the folder is far away, all are opened at
     * once. n = 0: no more, and what was not asked for is closed. */
    void (*open_ahead)(const OpenContext *context, const char *const *names, size_t n);
    /* Opens bytes that lie inside the file (a zip's member, a window) by their content; one level
     * deeper. `source->name` is what errors call them. */
    Checkpoint *(*open_bytes)(OpenContext *context, ByteSource *source, Error *err);
};

/* Whether a name taken from a file may name a file of the same folder: not empty, no separator,
 * not "." or "..", no control characters, at most 255 bytes. */
bool inner_name_is_safe(const char *name);
/* The same for a relative path below the folder: every part between '/' is safe. */
bool inner_path_is_safe(const char *path);

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

/* A kind of folder that is one checkpoint. Asked before single model files are looked for. */
typedef struct FolderFormat {
    const char *name;            /* as in reports: "dcp", "deepspeed" */
    const char *title;           /* for the formats table */
    /* By names alone; MAYBE: when nothing else is there. */
    Sniff (*sniff)(const Folder *folder);
    /* context->folder is the folder; nothing in it was opened yet. */
    Checkpoint *(*open)(OpenContext *context, const Folder *folder, Error *err);
} FolderFormat;

extern const Format format_zip, format_torch_legacy, format_safetensors;
extern const Format format_torch_tar, format_npy, format_pickle, format_gguf;
extern const Format format_onnx, format_caffe, format_tensorflow;
extern const Format format_mxnet, format_flax, format_hdf5;
/* The files that an index.json names, in the order of their first use, in the arena. */
bool sharded_files(Arena *arena, ByteSource *source, const char *const **names, size_t *count,
                   Error *err);

extern const Format format_sharded, format_schema_json, format_failed_load, format_schema_text;
extern const FolderFormat folder_gguf_split, folder_tensorflow;

extern const FolderFormat format_dcp, format_dcp_safetensors, format_deepspeed, format_pipeline,
    format_universal, format_cache, format_megatron, format_meta, format_accelerate, format_fsdp,
    format_run;

/* Opens whatever `path` is: a file (format by content), or a folder that holds a model (one
 * model file, or an index with its shards). Errors say what the thing is instead: missing,
 * empty, a Git-LFS pointer, a saved HTML page, a format that is not supported … and what to
 * do. Does not understand FILE::PATH; see checkpoint_spec. */
Checkpoint *checkpoint_open(const char *path, Error *err);
/* The file that checkpoint_open begins with: `path` itself, or of a folder the model's one file or
 * index in it; free() it. NULL, with an error, for folders that are a checkpoint as a whole, hold
 * several copies of a model, or none. */
char *checkpoint_place(const char *path, Error *err);
/* As checkpoint_open, of bytes in memory, for tests and fuzzing. No inner files. */
Checkpoint *checkpoint_open_source(ByteSource *source, Error *err);
/* Several FILE[::PATH] as one: the weights of the i-th under names "i:NAME". */
Checkpoint *checkpoint_open_several(const char *const *specs, size_t n, Error *err);

/* Splits "FILE::PATH" at the last "::" whose left side exists, or where the whole does not.
 * Copies into the arena; *inside is NULL when there is none. */
void checkpoint_spec(Arena *arena, const char *spec, const char **file, const char **inside);

#endif
