/* Torch: what the object graph of a PyTorch checkpoint means: storages, tensors, pickled
 * modules, and the containers that hold tensors. Shared by the zip and the legacy reader.
 *
 * A reader parses the pickle and calls, in this order: torch_init, torch_interpret, (legacy: it
 * finds the bytes of every storage,) torch_finish, torch_done. */
#ifndef LOADER_FORMAT_TORCH_H
#define LOADER_FORMAT_TORCH_H

#include "loader/format/format.h"

/* Documented limits. What lies deeper is left out with a warning. Everything that a file could
 * make us do again and again with few bytes (the same part under many names) is paid for out of
 * an allowance; a file that uses it up is refused. */
enum {
    TORCH_KEY_MAX = 1024,        /* bytes of a storage's key; torch writes its number */
    TORCH_FINDINGS_MAX = 20      /* further ones are counted */
};

/* A storage as the first persistent id with its key tells it. */
typedef struct TorchStorage {
    Storage *storage;        /* what tensors point to; in the checkpoint's arena */
    const char *key;         /* held name: a number in zips, an address in legacy files */
    uint64_t numel;          /* elements claimed */
    unsigned width;          /* bytes of an element; 0 when the class is not known */
    uint64_t claimed;        /* bytes claimed: numel × width */
    bool meta;               /* on the meta device: it may have no bytes in the file */
    bool absent;             /* and it has none */
    bool retyped;            /* a later id gave it another class or size (warned about once) */
} TorchStorage;

/* A reference to a storage, as a tensor gives it. */
typedef struct TorchStorageUse {
    const TorchStorage *storage;
    DType dtype;             /* of the class in this reference */
    uint64_t offset;         /* bytes from the start of the storage (legacy views) */
    uint64_t end;            /* of the view in the storage, in bytes; 0: it is no view */
} TorchStorageUse;

/* What a persistent id tells of a storage. */
typedef struct TorchId {
    const char *key;         /* held; copied */
    const Object *class, *location;
    uint64_t numel;
} TorchId;

typedef struct TorchFile TorchFile;

struct TorchFile {
    Checkpoint *checkpoint;      /* being filled; borrowed */
    Arena *arena;                /* the checkpoint's */
    Arena *nodes;                /* where the pickle's nodes lie: `arena`, or one that torch_compact
                                    takes over */
    Arena *records;              /* what is known while they are looked at; NULL: nothing; owned */
    const char *name;            /* of the file, for errors; borrowed */
    Object *root;                /* of the pickle; in the arena */
    bool big_endian;             /* values are stored big-endian */
    /* Finds the bytes of a storage at its first use: sets source, offset and bytes. NULL: the
     * reader does it after torch_interpret; until then a storage has its claimed length. */
    bool (*find)(TorchFile *file, TorchStorage *storage, Error *err);
    /* Looks at a persistent id that is no storage's, and may make the node a tensor; or NULL. */
    bool (*resolve)(TorchFile *file, Object *persid, Error *err);
    void *context;               /* for `find` and `resolve` */
    Text path;                   /* of `find`: the name that it looks for; owned */
    bool tuple_ids;              /* storages stand in the object as plain tuples (imitated tars) */
    NameMap keys;                /* storage key → index of `storages` */
    uint32_t *numbers;           /* the same of keys that are numbers below number_count, plus 1;
                                    0: none */
    size_t number_count;
    TorchStorage **storages;     /* in order of first use; owned array, of `records` */
    size_t storage_count, storage_room;
    const Object *class_node;    /* the storage class that was looked up last, and what it is */
    DType class_dtype;
    unsigned class_width;
    const Object *use_node;      /* the persistent id that was read last, and what it says */
    TorchStorageUse use;
    const Encoding *encodings[8];    /* by big_endian, conjugate, negate; NULL until used */
    /* What the pickle was read from, so that arrays in it can be tensors: set by the reader after
     * torch_init; borrowed until an array needs it. NULL: arrays stay calls. */
    ByteSource *pickle;
    bool pickle_kept;            /* the checkpoint has a reference to it */
    uint32_t storages_met;       /* storages and arrays so far: the number of the next one */
    Object **far;                /* FAR nodes that were met and are not held yet; owned */
    size_t far_count, far_room;
    size_t sources;              /* classes whose Python text the file carries, as old files do */
    const Object *source;        /* the outermost of them that is not PyTorch's own; or NULL */
    uint64_t listing_left;       /* what is left of the allowance */
    size_t short_tensors;        /* nodes that were in short, which the pickle's reader has made */
    size_t plain_tensors;        /* others of which a Tensor says all */
    bool nodes_stay;             /* some of the others cannot be copied */
    size_t too_deep;             /* containers and modules that were left out */
    size_t findings_left_out;
    FindingLevel worst_left_out;
    const Tensor *table;         /* what TorchScript before 1.4 refers to by number, or NULL */
    size_t table_count;
    const char *remedy;          /* put behind errors of tensors without bytes, or NULL */
};

void torch_init(TorchFile *file, Checkpoint *checkpoint, const char *name, Object *root,
                uint64_t pickle_bytes);
void torch_done(TorchFile *file);
/* So many storages may come, mostly with the keys "0", "1" … */
void torch_expect_storages(TorchFile *file, size_t count);
/* No storage is asked for any more: what is known of them goes. */
void torch_forget_storages(TorchFile *file);

/* Turns every node that makes a tensor into a TENSOR node and collects the storages. */
bool torch_interpret(TorchFile *file, Error *err);
/* Checks every tensor against its storage, then lists the containers in the checkpoint; a dict
 * without any tensor gives an empty one at "". */
bool torch_finish(TorchFile *file, Error *err);
/* The two halves of it, for files whose containers are found otherwise; the second one says what
 * was left out. */
bool torch_check(TorchFile *file, Error *err);
void torch_conclude(TorchFile *file);

/* After torch_interpret, for a file whose nodes lie in an arena of their own, which it takes over:
 * where many of them say no more than their tensors, the others are copied and these are freed. No
 * storage is asked for then. */
void torch_compact(TorchFile *file);
/* Notes what torch_compact must know of a node that was looked at. */
void torch_note_node(TorchFile *file, const Object *node);

/* A storage by its key; NULL if none. */
TorchStorage *torch_storage(const TorchFile *file, const char *key);
/* The text of a storage key, which Python 2 wrote as bytes or a number; NULL if it is neither. */
const char *torch_key_text(Arena *arena, const Object *key);

/* Registers a storage of `class` by its key (held: the checkpoint's arena has it). */
bool torch_add_storage(TorchFile *file, const char *key, const Object *class, uint64_t numel,
                       TorchStorage **out, Error *err);

/* Sizes, strides or offsets: a tuple, a list or a torch.Size; `out` has TENSOR_RANK_MAX places. The
 * error speaks of "its WHAT". */
bool torch_read_sizes(const Object *from, const char *what, int64_t *out, unsigned *rank,
                      Error *err);

/* --- between the files of this reader ------------------------------------------------- */

/* Reads a persistent id ('storage', class, key, location, numel[, view]) and registers it. */
bool torch_use_storage(TorchFile *file, const Object *persid, TorchStorageUse *use, Error *err);
/* The same for the id's value, a TUPLE. */
bool torch_use_id(TorchFile *file, const Object *id, TorchStorageUse *use, Error *err);
/* The same for what it says. */
bool torch_use_key(TorchFile *file, const TorchId *id, TorchStorageUse *use, Error *err);
/* Whether a node is a tuple that begins with 'storage'. */
bool torch_is_id(const Object *node);
/* Whether the id is a storage's (legacy files have ids of classes too). */
bool torch_is_storage(const Object *node);

/* The same for torch.storage._load_from_bytes, which plain pickles have (torch_loaded.c). */
bool torch_use_loaded(TorchFile *file, Object *call, TorchStorageUse *use, Error *err);
/* What a storage class holds, and the bytes of an element (0: not known). */
bool torch_storage_class(TorchFile *file, const Object *node, DType *dtype, unsigned *width,
                         Error *err);

/* How a quantized tensor's integers become numbers: its encoding gets the quantizer and a note;
 * what is not understood makes it opaque. False only when a limit was hit. */
bool torch_quantizer(TorchFile *file, const Object *qparams, const Tensor *tensor,
                     Encoding *encoding, Error *err);
/* Looks at one node whose children were looked at. */
bool torch_rebuild(TorchFile *file, Object *node, Error *err);
/* checkpoint_find, but no more than TORCH_FINDINGS_MAX times; `name`, and what is formatted, are
 * held names or ours. */
void torch_find(TorchFile *file, FindingLevel level, const char *kind, const char *name,
                const char *remedy, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* The eight plain encodings are shared; NULL for "raw little-endian". */
const Encoding *torch_share_encoding(TorchFile *file, const Encoding *encoding);

/* Arrays and scalars of NumPy: looks at one CALL (torch_numpy.c). */
bool torch_rebuild_numpy(TorchFile *file, Object *node, Error *err);

/* Where bytes lie that a pickle holds (torch_blob.c). */
typedef struct TorchBlob {
    ByteSource *source;          /* the checkpoint's */
    uint64_t offset, bytes;
} TorchBlob;

/* The bytes that `node` stands for, in whatever form; *found is false when it is none of them, or
 * the pickle's source is not known. Long text that stands for bytes is believed to stand for
 * `wanted`, and read errors say when it does not. */
bool torch_find_blob(TorchFile *file, Object *node, uint64_t wanted, TorchBlob *blob, bool *found,
                     Error *err);
/* FAR nodes are noted when they are met, and those that turned out to be no tensor's values are
 * read into memory. */
bool torch_note_far(TorchFile *file, Object *node);
bool torch_hold_far(TorchFile *file, Error *err);

bool torch_list_containers(TorchFile *file, Error *err);
/* Adds a tensor under a name (borrowed: the dict's or the checkpoint's arena has it); a name
 * that is there already is left as it is. */
bool torch_list_tensor(TorchFile *file, StateDict *dict, const char *name, const Tensor *tensor,
                       Error *err);
/* A dict, also an OrderedDict that is empty and so has no DICT behind it. NULL is none. */
bool torch_is_dict(const Object *node);
/* Takes from the allowance: bytes of names and records, or steps through items. */
bool torch_spend(TorchFile *file, uint64_t bytes, Error *err);

/* The attributes of an object: the dict that is its state, or that stands in a (dict, slots)
 * pair; NULL when there is none. */
const Object *torch_attributes(const Object *node);
/* Whether a node is an nn.Module that was pickled whole. */
bool torch_is_module(const Object *node);
/* Tensors of a module that are made of others (sparse ones). */
typedef struct TorchMade {
    struct { const Object *tensor; const char *name; } *items;   /* owned; names are the dict's */
    size_t count, room;
} TorchMade;
/* Its state dict; what is made of parts is added to `made`, which the caller frees. */
bool torch_list_module(TorchFile *file, const Object *module, StateDict *dict, TorchMade *made,
                       Error *err);

#endif
