/* State dicts in memory whose tensors hold the numbers that a test gives. */
#ifndef TESTS_UNIT_NUMBER_DICT_H
#define TESTS_UNIT_NUMBER_DICT_H

#include <stdlib.h>

#include "loader/tensor/dict.h"

/* The sources of a dict's values, which it keeps alive. */
typedef struct NumberSources {
    ByteSource *list[256];
    size_t count;
} NumberSources;

static inline void release_numbers(void *owner)
{
    NumberSources *sources = owner;
    for (size_t i = 0; i < sources->count; i++) source_unref(sources->list[i]);
    free(sources);
}

typedef struct Numbers {
    StateDict *dict;
    NumberSources *sources;      /* the dict's */
} Numbers;

static inline Numbers numbers_new(void)
{
    Numbers numbers = {dict_new(), mem_alloc(sizeof(NumberSources))};
    dict_own(numbers.dict, numbers.sources, release_numbers);
    return numbers;
}

/* A tensor of these bytes; they are copied. */
static inline const Tensor *put_bytes(Numbers to, const char *name, DType dtype, unsigned rank,
                                      const int64_t *dims, const void *bytes, size_t n)
{
    StateDict *dict = to.dict;
    Arena *arena = dict_arena(dict);
    Error err = {0};
    Storage *storage = arena_alloc(arena, sizeof *storage);
    ByteSource *source = source_from_memory(bytes, n, "memory");
    *storage = (Storage){source, 0, n, dtype, (uint32_t)dict_count(dict)};
    assert_true(to.sources->count < 256);
    to.sources->list[to.sources->count++] = source;
    Tensor tensor = {.name = arena_strdup(arena, name), .dtype = dtype, .rank = (uint8_t)rank,
                     .storage = storage, .dims = arena_copy(arena, dims, rank * sizeof *dims)};
    if (!tensor_check(&tensor, &err)) fail_msg("%s", err.text);
    assert_true(dict_add(dict, &tensor));
    return dict_find(dict, name);
}

static inline const Tensor *put_numbers(Numbers to, const char *name, DType dtype,
                                        unsigned rank, const int64_t *dims, const double *numbers)
{
    size_t n = 1;
    for (unsigned k = 0; k < rank; k++) n *= (size_t)dims[k];
    void *bytes = mem_alloc(n * dtype_size(dtype) + 1);
    assert_true(dtype_convert(DT_F64, numbers, dtype, bytes, n));
    const Tensor *tensor = put_bytes(to, name, dtype, rank, dims, bytes, n * dtype_size(dtype));
    free(bytes);
    return tensor;
}

#endif
