/* Checkpoint: an opened file or folder: its object tree, the bytes behind it, and every dict
 * of tensors that was found in it. Reference-counted. */
#ifndef LOADER_TENSOR_CHECKPOINT_H
#define LOADER_TENSOR_CHECKPOINT_H

#include "loader/tensor/dict.h"

typedef struct Checkpoint Checkpoint;

/* A place in the object tree that holds tensors. */
typedef struct Container {
    const char *path;        /* "", "state_dict", "optimizer_states[0].state"; held name */
    StateDict *dict;         /* owned by the checkpoint */
    size_t others;           /* entries that are no tensors (epoch, lr …) */
    bool optimizer;          /* looks like optimizer state: never chosen by itself */
} Container;

Checkpoint *checkpoint_new(const char *path, const char *format);  /* "torch-zip"… copied */
Checkpoint *checkpoint_ref(Checkpoint *checkpoint);
void checkpoint_unref(Checkpoint *checkpoint);                     /* NULL is fine */
Arena *checkpoint_arena(Checkpoint *checkpoint);

const char *checkpoint_path(const Checkpoint *checkpoint);    /* as the user gave it */
const char *checkpoint_format(const Checkpoint *checkpoint);
const Object *checkpoint_root(const Checkpoint *checkpoint);  /* NULL: the format has no tree */
void checkpoint_set_root(Checkpoint *checkpoint, Object *root);
/* Bytes on disk of the file(s), as the format knows them; 0 for schemas. */
uint64_t checkpoint_file_bytes(const Checkpoint *checkpoint);
void checkpoint_set_file_bytes(Checkpoint *checkpoint, uint64_t bytes);
/* The source is unref'd with the checkpoint. */
void checkpoint_own_source(Checkpoint *checkpoint, ByteSource *source);
void checkpoint_own(Checkpoint *checkpoint, void *owner, void (*release)(void *owner));

/* Something that is odd but not fatal ("CRC of 3 storages is wrong"); one line each. */
void checkpoint_warn(Checkpoint *checkpoint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
size_t checkpoint_warning_count(const Checkpoint *checkpoint);
const char *checkpoint_warning(const Checkpoint *checkpoint, size_t index);

/* Takes over one reference of `dict`. */
void checkpoint_add_container(Checkpoint *checkpoint, const char *path, StateDict *dict,
                              size_t others, bool optimizer);
size_t checkpoint_container_count(const Checkpoint *checkpoint);
const Container *checkpoint_container(const Checkpoint *checkpoint, size_t index);
/* Exact path; NULL if none. */
const Container *checkpoint_find_container(const Checkpoint *checkpoint, const char *path);

/* The container that holds the weights: the root itself when it is a dict of tensors, else the
 * conventional names in their order (checkpoint.c lists them). `rivals` (may be NULL) receives the
 * number of others that are equally good (`model` beside `ema`: same names and shapes), which
 * a writer must not decide alone. NULL, with an error that lists what is there, when there
 * is no dict of tensors. */
const Container *checkpoint_choose(const Checkpoint *checkpoint, size_t *rivals, Error *err);

#endif
