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
    bool parts;              /* what one tensor is made of (indices, values): never chosen */
    const Object *node;      /* what of the object tree it lists, for parts the tensor that they are
                                of; NULL: nothing of its own */
} Container;

Checkpoint *checkpoint_new(const char *path, const char *format);  /* "torch-zip"… copied */
/* The same for what lies in one file: keeps a reference to it, and its size is the file bytes. */
Checkpoint *checkpoint_of_file(const char *path, const char *format, ByteSource *source);
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
/* The FILE[::PATH] that were opened as one, in their order (checkpoint_open_several); copied. None
 * for all other checkpoints. */
void checkpoint_set_specs(Checkpoint *checkpoint, const char *const *specs, size_t n);
const char *const *checkpoint_specs(const Checkpoint *checkpoint, size_t *n);
/* One of several files or folders that were opened as one: a rank, a shard, a pipeline's model. */
typedef struct CheckpointFile {
    const char *name;        /* "mp_rank_00", "model-00001-of-00002.safetensors"; held name */
    uint64_t bytes;          /* on disk */
} CheckpointFile;

/* Adds one; its number. The name is copied. */
uint32_t checkpoint_add_file(Checkpoint *checkpoint, const char *name, uint64_t bytes);
/* Says that the storage of this number, one of the checkpoint's own, lies in that file. */
void checkpoint_set_storage_file(Checkpoint *checkpoint, uint32_t storage, uint32_t file);
/* None: the checkpoint is one file, or its tensors are put together from several. */
size_t checkpoint_file_count(const Checkpoint *checkpoint);
const CheckpointFile *checkpoint_file(const Checkpoint *checkpoint, size_t index);
/* The file that the tensor's storage lies in; NULL when nobody said so. */
const CheckpointFile *checkpoint_file_of(const Checkpoint *checkpoint, const Tensor *tensor);
/* The file that was opened, as it lies on its disk or server, whatever the checkpoint was found in;
 * borrowed. NULL: it is a folder, or was put together. */
ByteSource *checkpoint_opened(const Checkpoint *checkpoint);
void checkpoint_set_opened(Checkpoint *checkpoint, ByteSource *source);    /* keeps a reference */
/* The source is unref'd with the checkpoint. */
void checkpoint_own_source(Checkpoint *checkpoint, ByteSource *source);
void checkpoint_own(Checkpoint *checkpoint, void *owner, void (*release)(void *owner));

/* Something that is wrong with the file, or only odd, though it could be opened. */
typedef enum FindingLevel {
    FINDING_NOTE,            /* nothing is wrong; good to know */
    FINDING_WARNING,         /* odd: most readers take it */
    FINDING_ERROR            /* wrong: the container contradicts itself or its format */
} FindingLevel;

typedef struct Finding {
    FindingLevel level;
    const char *kind;        /* a word for programs: "crc", "overlap", "nan"; constant */
    const char *tensor;      /* held name of the tensor or member it is about; NULL: the file */
    const char *what;        /* what is wrong, one line */
    const char *remedy;      /* what to do; NULL: `what` says it, or nothing need be done */
} Finding;

/* `kind` is borrowed, everything else is copied. */
void checkpoint_find(Checkpoint *checkpoint, FindingLevel level, const char *kind,
                     const char *tensor, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* Whether there is one of that kind about that tensor or member (NULL: about the file). */
bool checkpoint_has_finding(const Checkpoint *checkpoint, const char *kind, const char *tensor);
size_t checkpoint_finding_count(const Checkpoint *checkpoint);
const Finding *checkpoint_finding(const Checkpoint *checkpoint, size_t index);

/* What a format can check only by reading all of a file (CRCs, gaps): registered while opening, run
 * on demand. It reports with checkpoint_find; false, with the error set, when it could not go on
 * or was cancelled. `run` is check_run.h's, for its reads. */
struct CheckRun;
typedef bool CheckpointCheck(Checkpoint *checkpoint, void *context, const struct CheckRun *run,
                             Error *err);
/* `context` lives as long as the checkpoint. */
void checkpoint_add_check(Checkpoint *checkpoint, CheckpointCheck *check, void *context);
/* One of the checks will ask for CRC-32s (check_run_crc): who reads values anyway may compute those
 * of their bytes for it. */
void checkpoint_want_crc(Checkpoint *checkpoint);
bool checkpoint_wants_crc(const Checkpoint *checkpoint);
/* Runs all of them, once each, in their order; a second call does nothing. */
bool checkpoint_run_checks(Checkpoint *checkpoint, const struct CheckRun *run, Error *err);
/* The checks of an inner file (a shard) become checks of the outer one; what they find is said with
 * "NAME: " before it. `inner` must live as long as `outer`; `name` is copied. */
void checkpoint_add_inner_checks(Checkpoint *outer, Checkpoint *inner, const char *name);

/* Takes over one reference of `dict`. Beyond the limit of containers it is let go, and one of more
 * tensors than the limit allows too; checkpoint_check_limits says so. */
void checkpoint_add_container(Checkpoint *checkpoint, const char *path, StateDict *dict,
                              size_t others, bool optimizer);
/* What one tensor, which stands at `path`, is made of. Takes over one reference of `dict`. */
void checkpoint_add_parts(Checkpoint *checkpoint, const char *path, StateDict *dict);
/* Takes over one reference of a checkpoint that was found inside: its containers are offered here,
 * below `path` (a file's name, "policy.pth" and "policy.pth::state") or, when that is "", as they
 * are; its findings become findings here. */
void checkpoint_adopt(Checkpoint *checkpoint, Checkpoint *inner, const char *path);
/* The same without the containers, for whoever takes tensors out of them. */
void checkpoint_keep(Checkpoint *checkpoint, Checkpoint *inner, const char *path);
/* Says which node of the object tree the container that was added last lists. */
void checkpoint_set_container_node(Checkpoint *checkpoint, const Object *node);
/* ERR_LIMIT, without the file's name, when a container was let go. Whoever opens a file asks once
 * it is open; a reader that adds many may ask earlier. */
bool checkpoint_check_limits(const Checkpoint *checkpoint, Error *err);
size_t checkpoint_container_count(const Checkpoint *checkpoint);
const Container *checkpoint_container(const Checkpoint *checkpoint, size_t index);
/* Exact path; NULL if none. */
const Container *checkpoint_find_container(const Checkpoint *checkpoint, const char *path);
/* What a sparse or nested tensor is made of; NULL for others. */
const Container *checkpoint_find_parts(const Checkpoint *checkpoint, const Tensor *tensor);

/* The container that holds the weights: the root itself when it is a dict of tensors, else the
 * conventional names in their order (checkpoint.c lists them). `rivals` (may be NULL) receives the
 * number of others that are equally good (`model` beside `ema`: same names and shapes), which
 * a writer must not decide alone. A container without tensors is chosen when there is no other;
 * NULL, with an error that lists what is there, when there is none at all. */
const Container *checkpoint_choose(const Checkpoint *checkpoint, size_t *rivals, Error *err);
/* The same for those who need tensors: an empty container is such an error too. */
const Container *checkpoint_choose_weights(const Checkpoint *checkpoint, size_t *rivals,
                                           Error *err);
/* The top of the object tree, for people: "epoch = int 3, model = dict (4)"; nothing for formats
 * without a tree. */
void checkpoint_show_root(const Checkpoint *checkpoint, Text *out);
/* What is said of a file without tensors: "there are no tensors in it; it holds int 42". */
void checkpoint_show_empty(const Checkpoint *checkpoint, Text *out);

#endif
