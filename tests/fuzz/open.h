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

static inline void read_all(const StateDict *dict)
{
    static const int64_t zeros[TENSOR_RANK_MAX];
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        int64_t one[TENSOR_RANK_MAX];
        bool whole = tensor_bytes(tensor) <= READ_MAX;
        for (unsigned k = 0; k < tensor->rank; k++) one[k] = tensor->dims[k] ? 1 : 0;
        void *values = mem_alloc(whole ? (size_t)tensor_bytes(tensor) : 16);
        tensor_read(tensor, whole ? NULL : zeros, whole ? NULL : one, values, NULL);
        free(values);
        if (tensor->dims && tensor_count(tensor) <= READ_MAX) read_numbers(tensor);
    }
}

/* What is refused must have an error. Zips may hold files, which a bare context cannot open. */
static inline void open_as(const Format *format, ByteSource *source)
{
    Error err = {0};
    OpenContext context = {.path = "fuzz"};
    Checkpoint *checkpoint = format == &format_zip ? checkpoint_open_source(source, &err)
                                                   : format->open(&context, source, &err);
    if (!checkpoint && err.code == ERR_NONE) abort();
    if (!checkpoint) return;
    checkpoint_choose(checkpoint, NULL, NULL);
    for (size_t i = 0; i < checkpoint_container_count(checkpoint); i++)
        read_all(checkpoint_container(checkpoint, i)->dict);
    checkpoint_unref(checkpoint);
}

#endif
