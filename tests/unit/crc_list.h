/* For tests: a list "NAME CRC-32" of what the values of a fixture are as f32. */
#ifndef TESTS_UNIT_CRC_LIST_H
#define TESTS_UNIT_CRC_LIST_H

#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#include <zlib.h>

#include "loader/core/memory.h"
#include "loader/tensor/dict.h"
#include "loader/tensor/values.h"

/* All values as f32, malloc'd. */
static inline float *read_floats(const Tensor *tensor)
{
    Error err = {0};
    size_t n = (size_t)tensor_count(tensor);
    DType dtype = tensor_value_dtype(tensor, NULL);
    assert_int_not_equal(dtype, DT_UNKNOWN);
    void *values = mem_alloc((n + 1) * 16);
    float *floats = mem_alloc((n + 1) * sizeof *floats);
    if (!tensor_read_values(tensor, NULL, NULL, values, NULL, &err)) fail_msg("%s", err.text);
    assert_true(dtype_convert(dtype, values, DT_F32, floats, n));
    free(values);
    return floats;
}

/* CRC-32 of all values as f32, to which f64 and large integers are rounded. */
static inline uint32_t crc_of(const Tensor *tensor)
{
    size_t n = (size_t)tensor_count(tensor);
    float *floats = read_floats(tensor);
    uint32_t crc = (uint32_t)crc32(0, (const void *)floats, (unsigned)(n * sizeof *floats));
    free(floats);
    return crc;
}

/* Every line of the list is a tensor of the dict; returns how many. */
static inline size_t compare_list(const char *path, const StateDict *dict)
{
    char name[64];
    unsigned expected;
    size_t count = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (; fscanf(file, "%63s %x", name, &expected) == 2; count++) {
        const Tensor *tensor = dict_find(dict, name);
        if (!tensor) fail_msg("%s is not there", name);
        if (crc_of(tensor) != expected) fail_msg("%s: the values differ", name);
    }
    fclose(file);
    return count;
}

#endif
