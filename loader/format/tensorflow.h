/* TensorFlow checkpoints of version 2 ("tensor bundles"): what their readers share.
 *
 * P.index is a LevelDB table (leveldb.h); P.data-00000-of-00001 … hold raw values. Key "" has a
 * BundleHeaderProto, every other key a BundleEntryProto (tensor_bundle.proto; field = number):
 *
 *   BundleHeaderProto  num_shards 1 · endianness 2 (1: big) · version 3
 *   BundleEntryProto   dtype 1 · shape 2 {dim 2 {size 1}, unknown_rank 3} · shard_id 3 · offset 4 ·
 *                      size 5 · crc32c 6 (fixed32, masked) ·
 *                      slices 7 {extent 1 {start 1, length 2}}
 *
 * An entry with slices is a variable in pieces: it has the shape, and each piece is an entry of its
 * own, whose key is 0, the name, and the slice in an encoding that sorts (OrderedCode). */
#ifndef LOADER_FORMAT_TENSORFLOW_H
#define LOADER_FORMAT_TENSORFLOW_H

#include "loader/format/format.h"
#include "loader/format/protobuf.h"

/* One range along every axis. */
typedef struct BundleSlice {
    const int64_t *start, *length;   /* [rank] each; a length of -1: all of it; in the arena */
    unsigned rank;
} BundleSlice;

typedef struct BundleEntry {
    const char *key;         /* held name (the key of a slice begins with C0 80); in the arena */
    uint64_t offset, size;   /* bytes in its shard */
    uint64_t dtype, shard;   /* numbers as in the file */
    uint32_t crc;            /* masked CRC-32C of its bytes */
    bool has_crc, unknown_rank;
    bool used;               /* of a piece: it belongs to a variable */
    const int64_t *dims;     /* [rank] in the arena; scalars have none */
    unsigned rank;
    BundleSlice *slices;     /* [slice_count] in the arena */
    size_t slice_count;
} BundleEntry;

typedef struct Bundle {
    OpenContext *context;    /* borrowed */
    Checkpoint *checkpoint;  /* being filled; borrowed */
    Arena *arena;            /* the checkpoint's */
    const char *file;        /* name of the index, for errors; borrowed */
    const char *prefix;      /* P, as shards are named below context->folder; in the arena */
    Error *err;              /* the caller's */
    uint64_t shard_count;
    bool has_header, big_endian;
    BundleEntry **entries;   /* [count] in the order of keys, records in the arena; owned */
    size_t count, room;
    NameMap index;           /* key → index of entries */
    ByteSource **shards;     /* [shard_count], NULL until used; owned array */
    uint64_t names_left;     /* bytes of keys that may still be kept */
    uint32_t storages;       /* made so far */
    const Encoding *big;     /* of tensors with values, in a big-endian bundle */
} Bundle;

/* Reads the index into the bundle, whose first members are set. */
bool bundle_read_index(Bundle *bundle, ByteSource *source);
void bundle_done(Bundle *bundle);
/* The tensor of an entry, without a layout, checked against its shard. */
bool bundle_tensor(Bundle *bundle, BundleEntry *entry, Tensor *tensor);
/* Whether the entry is a piece of a variable, which is listed as a whole. */
bool bundle_is_slice(const BundleEntry *entry);
/* The shard's source, opened at first use; NULL, with an error that names it, when it is absent. */
ByteSource *bundle_shard(Bundle *bundle, const BundleEntry *entry);
/* Whether the bytes of an entry lie inside of its shard; the error calls them `name`. */
bool bundle_check_inside(const Bundle *bundle, const BundleEntry *entry, const char *name,
                         const ByteSource *shard);
/* The values of a variable in pieces, as one source; NULL with an error, or without one (*why set)
 * when the pieces contradict each other, or are too many rows. */
ByteSource *bundle_join(Bundle *bundle, const BundleEntry *entry, unsigned width,
                        const char **why);
extern const char bundle_too_many_rows[];

/* --- names ------------------------------------------------------------------------------ */

/* What a key is to people, and what the tensor is for. */
typedef enum VariableKind {
    VARIABLE_MODEL,          /* a weight */
    VARIABLE_EMA,            /* its moving average */
    VARIABLE_STATE,          /* of the optimizer, counters, metrics */
    VARIABLE_NONE            /* the object graph */
} VariableKind;

typedef struct TrackedName {
    const char *name;        /* full_name of the variable; "" when it has none; in the arena */
    VariableKind kind;       /* MODEL or STATE as the graph says; NONE: it does not say */
} TrackedName;

/* What the object graph says of keys. */
typedef struct TrackedNames {
    NameMap keys;            /* checkpoint_key → index of names */
    TrackedName *names;      /* [count] owned */
    size_t count, room;
} TrackedNames;

/* Reads the graph, a string tensor in bytes [offset, offset + size) of a shard. False, with an
 * error, when it is malformed: then names come from keys alone. */
bool tracked_read(ByteSource *shard, uint64_t offset, uint64_t size, Arena *arena,
                  TrackedNames *names, Error *err);
void tracked_done(TrackedNames *names);

/* The readable name of a key, in the arena, and what the tensor is for. */
const char *variable_name(const TrackedNames *names, const char *key, Arena *arena,
                          VariableKind *kind);
/* The order of a variable's dims, told by its readable name and its rank; conservative. */
uint8_t variable_layout(const char *name, unsigned rank);

#endif
