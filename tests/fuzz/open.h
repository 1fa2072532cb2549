/* For fuzz targets of formats: opens bytes as one, and asks every tensor for values. */
#ifndef TESTS_FUZZ_OPEN_H
#define TESTS_FUZZ_OPEN_H

#include <stdlib.h>

#include "loader/format/format.h"
#include "loader/tensor/values.h"

enum { READ_MAX = 1 << 16 };

/* The same as numbers, where they are quantized or packed. */
static inline void read_numbers(const Tensor *tensor)
{
    if (dtype_info(tensor->dtype)->kind != CLASS_QUANT) return;
    Error err = {0};
    float *numbers = mem_realloc(NULL, ((size_t)tensor_count(tensor) + 1) * sizeof *numbers);
    if (!tensor_read_values(tensor, NULL, NULL, numbers, NULL, &err) && err.code == ERR_NONE)
        abort();
    free(numbers);
}

/* What else must hold of a tensor; `read`: its values, or one of them if they are many, were. */
typedef void TensorSeen(const Tensor *tensor, bool read);

static inline void read_all(const StateDict *dict, TensorSeen *seen)
{
    static const int64_t zeros[TENSOR_RANK_MAX];
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        int64_t one[TENSOR_RANK_MAX];
        bool whole = tensor_bytes(tensor) <= READ_MAX;
        for (unsigned k = 0; k < tensor->rank; k++) one[k] = tensor->dims[k] ? 1 : 0;
        void *values = mem_alloc(whole ? (size_t)tensor_bytes(tensor) : 16);
        bool read = tensor_read(tensor, whole ? NULL : zeros, whole ? NULL : one, values, NULL);
        free(values);
        if (seen) seen(tensor, read);
        if (tensor->dims && tensor_count(tensor) <= READ_MAX) read_numbers(tensor);
    }
}

/* Opened, or refused with an error; of what opens, every tensor is asked for values, and `seen` (may
 * be NULL) of each. The checkpoint is let go. */
static inline void read_opened(Checkpoint *checkpoint, const Error *err, TensorSeen *seen)
{
    if (!checkpoint && err->code == ERR_NONE) abort();
    if (!checkpoint) return;
    checkpoint_choose(checkpoint, NULL, NULL);
    for (size_t i = 0; i < checkpoint_container_count(checkpoint); i++)
        read_all(checkpoint_container(checkpoint, i)->dict, seen);
    checkpoint_unref(checkpoint);
}

/* Zips may hold files, which a bare context cannot open. */
static inline void open_as(const Format *format, ByteSource *source)
{
    Error err = {0};
    OpenContext context = {.path = "fuzz"};
    read_opened(format == &format_zip ? checkpoint_open_source(source, &err)
                                      : format->open(&context, source, &err), &err, NULL);
}

/* Any bytes as a file of a format that needs no context. */
static inline void open_bytes_as(const Format *format, const uint8_t *data, size_t size,
                                 TensorSeen *seen)
{
    Error err = {0};
    OpenContext context = {.path = "fuzz"};
    ByteSource *source = source_from_memory(data, size, "fuzz");
    read_opened(format->open(&context, source, &err), &err, seen);
    source_unref(source);
}

#endif
