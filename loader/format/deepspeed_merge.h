/* The inside of a ZeRO merge: what is opened (deepspeed_files.c) and what is made of it
 * (deepspeed_merge.c). */
#ifndef LOADER_FORMAT_DEEPSPEED_MERGE_H
#define LOADER_FORMAT_DEEPSPEED_MERGE_H

#include "loader/format/deepspeed.h"
#include "loader/source/pieces.h"

/* A flat tensor of one rank and group. */
typedef struct Flat {
    ByteSource *source;      /* borrowed from the checkpoint that is made; NULL: it is empty */
    uint64_t offset;         /* of its first element, in bytes */
    uint64_t count;          /* elements */
} Flat;

typedef struct Merge {
    OpenContext *context;    /* borrowed */
    Checkpoint *whole;       /* keeps everything open; borrowed */
    Parts *parts;
    const ZeroFiles *files;
    Part *optims;            /* [files->optim_count] owned */
    Part model;              /* of the first model_states file */
    const Object *state;     /* its root */
    StateDict *dict;         /* being filled */
    int64_t stage;
    uint64_t world;          /* data-parallel ranks */
    size_t groups;           /* flat tensors of every rank */
    Flat *flats;             /* [world × groups] by rank; owned */
    DType dtype;             /* of all of them */
    SourcePiece *pieces;     /* of the parameter under way; owned */
    size_t piece_count, piece_room;
    Error *err;
} Merge;

/* Opens the optimizer's states of all ranks and the first model's, and reads the flat tensors. */
bool merge_open(Merge *merge);
/* A flat tensor's bytes, or those of a fragment; merge->dtype DT_UNKNOWN takes its dtype. `file`
 * is the inner file's name. What is not stored plainly is read through its values. */
bool merge_read_flat(Merge *merge, const char *file, const Object *node, Flat *flat);
/* A rank's optimizer_state_dict; NULL: the file has none. */
const Object *merge_optimizer(const Merge *merge, size_t rank);
/* The folder's path, for errors; and "FOLDER/NAME: TEXT", always false. */
const char *merge_path(const Merge *merge);
bool merge_refuse(Merge *merge, const char *name, const char *text);

#endif
