/* Hdf5: what an HDF5 file holds, as a child process with libhdf5 tells it: groups and datasets with
 * their paths, attributes, shapes, and where the values are. Nothing of it is believed before
 * it was checked against the file.
 *
 *   89 48 44 46 0D 0A 1A 0A    at byte 0, 512, 1024, 2048 …: what stands before is the user's own
 *
 * Source: the HDF5 File Format Specification, version 3; the bytes behind the signature are the
 * library's business alone. */
#ifndef LOADER_FORMAT_HDF5_H
#define LOADER_FORMAT_HDF5_H

#include "loader/core/map.h"
#include "loader/format/format.h"
#include "loader/tensor/layout.h"

typedef struct Hdf5Attribute {
    const char *name;            /* held name */
    const char *const *values;   /* [count], held names */
    uint32_t count;              /* of texts; 0 for numbers */
    const Object *numbers;       /* a number or a list; NULL for texts */
    const struct Hdf5Attribute *next;
} Hdf5Attribute;

typedef enum Hdf5Place {
    HDF5_WINDOW,                 /* the values are bytes of the file, at `offset` */
    HDF5_READ,                   /* a child must read them: chunks, compression, fill values */
    HDF5_CLOSED                  /* they cannot be read, `note` says why */
} Hdf5Place;

typedef struct Hdf5Object {
    const char *path;            /* "model_weights/conv1/kernel:0", "" for the root; held name */
    const Hdf5Attribute *attributes;     /* the last of their names first */
    bool broken;                 /* libhdf5 cannot open it, or not all of it: damaged, or newer than
                                    the library */
    bool dataset;                /* else a group; what follows is of datasets */
    bool big_endian;
    Hdf5Place place;
    DType dtype;                 /* DT_UNKNOWN: no numbers (CLOSED then); DT_STRING: texts */
    uint8_t rank;
    const int64_t *dims;         /* [rank], each no less than 0 */
    uint64_t bytes;              /* of the values, packed */
    uint64_t offset;             /* WINDOW: in the file; offset + bytes lie inside it */
    uint64_t stored;             /* bytes that the file holds for them, as it claims */
    const char *note;            /* CLOSED: why */
} Hdf5Object;

typedef struct Hdf5 {
    ByteSource *file;            /* one that has a descriptor; a reference */
    Hdf5Object *objects;         /* [count], in the order of the names in each group; owned */
    size_t count, room;
    NameMap index;               /* path → index of objects */
    Arena *arena;                /* names, dims, attributes; owned until hdf5_keep */
    bool kept;                   /* the checkpoint owns file and arena */
} Hdf5;

/* Lists the file; a source without a descriptor is copied. False: libhdf5 refused it, crashed, took
 * too long, or sent nonsense; or tenon was built without it. hdf5_done in any case. */
bool hdf5_list(Hdf5 *hdf5, ByteSource *source, Error *err);
/* The same from what a child wrote (hdf5_child.h), for tests: no process is started. */
bool hdf5_parse(Hdf5 *hdf5, ByteSource *file, const void *answer, size_t n, Error *err);
void hdf5_done(Hdf5 *hdf5);
/* Hands over to the checkpoint what its tensors borrow; before hdf5_add_tensor. */
void hdf5_keep(Hdf5 *hdf5, Checkpoint *checkpoint);

/* NULL when there is no object of that path. */
const Hdf5Object *hdf5_find(const Hdf5 *hdf5, const char *path);
/* An attribute; NULL when the object (NULL is fine) lacks it. */
const Hdf5Attribute *hdf5_attribute(const Hdf5Object *object, const char *name);
/* Whether it has the attribute, with this text as its only value. */
bool hdf5_says(const Hdf5Object *object, const char *name, const char *value);
/* Whether it is a dataset of numbers. */
bool hdf5_is_tensor(const Hdf5Object *object);

/* Appends the dataset to `dict` under a name (borrowed: in hdf5->arena).
 * *twice: that name is there already, nothing was added. False: the tensor is impossible. */
bool hdf5_add_tensor(Hdf5 *hdf5, Checkpoint *checkpoint, StateDict *dict, const Hdf5Object *object,
                     const char *name, Layout layout, bool *twice, Error *err);

#endif
