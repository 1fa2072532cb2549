/* PlanFile: a plan as it stands in its file, read and checked for its form, but not yet for its
 * expressions: these need tensors, those of the sources (plan_open.h) or only what the plan itself
 * says of them (plan_schema.h). A plan is anybody's: nothing in it is believed. */
#ifndef LOADER_EXPORT_PLAN_FILE_H
#define LOADER_EXPORT_PLAN_FILE_H

#include "loader/core/value.h"
#include "loader/export/plan_json.h"
#include "loader/source/checksum.h"

/* An output tensor. Names and values lie in the arena. */
typedef struct PlanFileEntry {
    const char *name;
    const Value *expr;           /* to be read by expr_read_json */
    int64_t alias;               /* the first entry of that storage; -1 = its own */
    const int64_t *dims;         /* [rank], what the expression must give; NULL: not said */
    uint8_t rank;
    DType dtype;                 /* likewise; DT_UNKNOWN: not said */
    bool kept;                   /* its value is the target's own */
    const char *const *sources;  /* [source_count] */
    uint32_t source_count;
    const char *rule;            /* "fix.lua:3"; NULL = none */
} PlanFileEntry;

/* A tensor of the source, as the plan's ledger has it. */
typedef struct PlanFileTensor {
    const char *name;
    const int64_t *dims;         /* [rank]; NULL = unknown */
    uint8_t rank;
    DType dtype;
    bool used;
    const char *reason;          /* why it is not; NULL = none */
} PlanFileTensor;

typedef struct PlanFile {
    Arena *arena;                /* owned */
    const char *path;            /* of the plan, as the user gave it */
    char sha256[CHECKSUM_TEXT];  /* of the file's bytes, as text */
    PlanSource *sources;         /* [source_count]; paths as the plan says them */
    size_t source_count;
    PlanFileEntry *entries;      /* [entry_count], in the order of the output; names are unique */
    size_t entry_count;
    PlanFileTensor *tensors;     /* [tensor_count], all of the source; names are unique */
    size_t tensor_count;
    PlanTail tail;               /* sources and what the output is */
    const Value *optimizer;      /* "optimizer_state", a map with the text "path"; NULL = none */
    const char *source_format;   /* "source": as the report says it, "torch-zip"; NULL = none */
} PlanFile;

/* The file that kept values are of; NULL: none is needed. */
const PlanSource *plan_file_target(const PlanFile *file);
PlanFile *plan_file_read(const char *path, Error *err);
/* The same of bytes in memory, named `path`. */
PlanFile *plan_file_parse(const char *text, size_t n, const char *path, Error *err);
void plan_file_free(PlanFile *file);     /* NULL is fine */
/* Puts "PLAN: tensor 'NAME'" in front of the error. Returns false. */
bool plan_file_prefix(const PlanFile *file, const char *name, Error *err);

#endif
