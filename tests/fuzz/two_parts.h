/* For fuzz targets that take two files: the first two bytes are the length of the first. Also
 * reading whatever was opened, as all targets of formats do. */
#ifndef TESTS_FUZZ_TWO_PARTS_H
#define TESTS_FUZZ_TWO_PARTS_H

#include <stdlib.h>

#include "loader/format/format.h"

enum { READ_MAX = 1 << 16 };

/* The two files of an input, as contexts hand them out. */
typedef struct TwoParts {
    OpenContext context;     /* first, so that a pointer to one is a pointer to the other */
    ByteSource *first, *second;
} TwoParts;

static inline void split_input(TwoParts *parts, const uint8_t *data, size_t size)
{
    size_t n = size >= 2 ? (size_t)(data[0] | data[1] << 8) : 0;
    size_t head = size >= 2 ? 2 : size;
    if (n > size - head) n = size - head;
    parts->first = source_from_memory(data + head, n, "fuzz/first");
    parts->second = source_from_memory(data + head + n, size - head - n, "fuzz/second");
}

static inline void unref_parts(TwoParts *parts)
{
    source_unref(parts->first);
    source_unref(parts->second);
}

static inline Checkpoint *open_any(OpenContext *context, ByteSource *source, Error *err)
{
    (void)context;
    return checkpoint_open_source(source, err);
}

static inline void read_dict(const StateDict *dict)
{
    static const int64_t zeros[TENSOR_RANK_MAX];
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        int64_t one[TENSOR_RANK_MAX];
        bool whole = tensor_bytes(tensor) <= READ_MAX;
        for (unsigned k = 0; k < tensor->rank; k++) one[k] = tensor->dims[k] ? 1 : 0;
        void *values = mem_alloc(whole ? (size_t)tensor_bytes(tensor) + 16 : 16);
        tensor_read(tensor, whole ? NULL : zeros, whole ? NULL : one, values, NULL);
        free(values);
    }
}

/* Opened, or refused with an error; of what opens, every tensor can be asked for values. */
static inline void read_all(Checkpoint *checkpoint, const Error *err)
{
    if (!checkpoint && err->code == ERR_NONE) abort();
    if (!checkpoint) return;
    checkpoint_choose(checkpoint, NULL, NULL);
    for (size_t i = 0; i < checkpoint_container_count(checkpoint); i++)
        read_dict(checkpoint_container(checkpoint, i)->dict);
    checkpoint_unref(checkpoint);
}

#endif
