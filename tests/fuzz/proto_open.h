/* What the targets of protobuf formats share: a folder in which every name is the same few bytes, and
 * a look at everything that a checkpoint hands out. */
#ifndef TESTS_FUZZ_PROTO_OPEN_H
#define TESTS_FUZZ_PROTO_OPEN_H

#include <stdlib.h>

#include "loader/format/format.h"

/* An OpenContext whose inner files all are `bytes`. */
typedef struct FuzzFolder {
    OpenContext context;     /* first: the functions below find the rest behind it */
    const uint8_t *bytes;
    size_t size;
} FuzzFolder;

static inline ByteSource *fuzz_inner_source(const OpenContext *context, const char *name,
                                            Error *err)
{
    const FuzzFolder *folder = (const FuzzFolder *)context;
    (void)err;
    return source_from_memory(folder->bytes, folder->size, name);
}

static inline bool fuzz_has_inner(const OpenContext *context, const char *name)
{
    (void)context;
    return inner_path_is_safe(name);
}

/* Whatever is no opaque tensor must be readable to its last byte. */
static inline void fuzz_read_all(const StateDict *dict)
{
    enum { READ_MAX = 1 << 20 };
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        uint64_t bytes = tensor_bytes(tensor);
        Error err = {0};
        if (!bytes || bytes > READ_MAX || (tensor->encoding && tensor->encoding->opaque)) continue;
        if (!tensor->storage || tensor->storage->bytes < bytes) abort();
        void *values = mem_alloc((size_t)bytes);
        if (!tensor_read(tensor, NULL, NULL, values, &err)) abort();
        free(values);
    }
}

/* Opens with `format`, with `inner` as every other file, and reads all containers. */
static inline void fuzz_open(const Format *format, const uint8_t *data, size_t size,
                             const uint8_t *inner, size_t inner_size)
{
    Error err = {0};
    FuzzFolder folder = {{.path = "fuzz", .folder = "", .inner_source = fuzz_inner_source,
                          .has_inner = fuzz_has_inner}, inner, inner_size};
    ByteSource *source = source_from_memory(data, size, "fuzz");
    format->sniff(source, data, size < 4096 ? size : 4096);
    Checkpoint *checkpoint = format->open(&folder.context, source, &err);
    if (!checkpoint && err.code == ERR_NONE) abort();
    for (size_t i = 0; checkpoint && i < checkpoint_container_count(checkpoint); i++)
        fuzz_read_all(checkpoint_container(checkpoint, i)->dict);
    if (checkpoint) checkpoint_run_checks(checkpoint, NULL, &err);
    checkpoint_unref(checkpoint);
    source_unref(source);
}

#endif
