/* DCP: what the files of the reader of torch.distributed.checkpoint folders ask of each other. */
#ifndef LOADER_FORMAT_DCP_H
#define LOADER_FORMAT_DCP_H

#include "loader/format/format.h"

/* Where a chunk or an object lies: one complete torch.save file in a window of another. */
typedef struct DcpPlace {
    const char *file;        /* relative_path, a held name; not trusted */
    uint64_t offset, length; /* bytes of it */
    const char *transform;   /* a name out of transform_descriptors; NULL when there are none */
} DcpPlace;

/* A part of a tensor. */
typedef struct DcpChunk {
    const int64_t *from;     /* [rank] its first index in the tensor */
    const int64_t *size;     /* [rank] */
    const DcpPlace *place;   /* NULL: storage_data does not have it */
} DcpChunk;

/* An entry of the state dict: a tensor, or an object of any kind. */
typedef struct DcpEntry {
    const char *name;        /* its flat name */
    const Object *path;      /* TUPLE of text and integers: where it stood; NULL: not said */
    bool tensor;
    DType dtype;             /* of a tensor, as all that follow; DT_UNKNOWN: one not known here */
    unsigned rank;
    const int64_t *dims;     /* [rank] */
    const DcpChunk *chunks;  /* [chunk_count] */
    size_t chunk_count;
    const DcpPlace *place;   /* of an object; NULL: storage_data does not have it */
} DcpEntry;

typedef struct DcpMetadata {
    DcpEntry *entries;       /* [count], in the order of the file; in the arena */
    size_t count;
    size_t unknown;          /* entries of a kind that is not known, which were left out */
    const char *first_unknown;   /* the name of one; NULL: none */
} DcpMetadata;

/* Interprets .metadata. Everything lies in `arena`. Errors name the source. */
bool dcp_metadata_read(Arena *arena, ByteSource *source, DcpMetadata *metadata, Error *err);

/* The values of a chunk, packed, row-major, little-endian: its torch.save file is opened at the
 * first read, and must hold one tensor of that dtype and size, else that read fails. Nothing of
 * `context` is kept but what outlives it. dims are copied. */
ByteSource *dcp_chunk_source(const OpenContext *context, ByteSource *file, const DcpPlace *place,
                             DType dtype, const int64_t *dims, unsigned rank, Error *err);
/* Opens the torch.save file in a window. */
Checkpoint *dcp_open_window(OpenContext *context, ByteSource *file, uint64_t offset,
                            uint64_t length, Error *err);

/* The nested dicts and lists that the entries' paths describe, filled with values[i] for entry i
 * (NULL: left out), in `arena`. *odd counts entries whose path contradicts another's; they stand
 * at the top under their flat names. */
Object *dcp_tree(Arena *arena, const DcpMetadata *metadata, Object *const *values, size_t *odd);

/* The whole, out of an opened .metadata: for the folder format and for tests. */
Checkpoint *dcp_open(OpenContext *context, ByteSource *metadata, Error *err);

#endif
