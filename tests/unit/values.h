/* For tests: the values of tensors in files whose tensors count: element i is i. */
#ifndef TESTS_UNIT_VALUES_H
#define TESTS_UNIT_VALUES_H

#include <stdlib.h>

#include "tests/unit/torch_maker.h"

/* Every component as a double; free() it. *count receives their number. */
static inline double *read_values(const Tensor *tensor, size_t *count)
{
    Error err = {0};
    bool complex = dtype_info(tensor->dtype)->kind == CLASS_COMPLEX;
    DType real = tensor->dtype == DT_C128 ? DT_F64 : complex ? DT_F32 : tensor->dtype;
    *count = (size_t)tensor_count(tensor) * (complex ? 2 : 1);
    void *raw = mem_alloc((size_t)tensor_bytes(tensor) + 1);
    double *values = mem_alloc(*count * sizeof *values + 1);
    if (!tensor_read(tensor, NULL, NULL, raw, &err)) fail_msg("%s", err.text);
    dtype_to_doubles(real, raw, values, *count);
    free(raw);
    return values;
}

/* i, for complex i - i·1j; booleans are 0 and 1 in turn. */
static inline void counts(const Tensor *tensor)
{
    size_t count;
    bool complex = dtype_info(tensor->dtype)->kind == CLASS_COMPLEX;
    double *values = read_values(tensor, &count);
    for (size_t i = 0; i < count; i++) {
        double wanted = complex ? (i % 2 ? -(double)(i / 2) : (double)(i / 2)) : (double)i;
        if (tensor->dtype == DT_BOOL) wanted = (double)(i % 2);
        if (values[i] != wanted)
            fail_msg("%s[%zu] is %g instead of %g", tensor->name, i, values[i], wanted);
    }
    free(values);
}

static inline void holds(const Tensor *tensor, const double *wanted, size_t n)
{
    size_t count;
    double *values = read_values(tensor, &count);
    assert_int_equal(count, n);
    for (size_t i = 0; i < count; i++)
        if (values[i] != wanted[i])
            fail_msg("%s[%zu] is %g instead of %g", tensor->name, i, values[i], wanted[i]);
    free(values);
}

static inline void has_shape(const Tensor *tensor, DType dtype, const int64_t *dims, unsigned rank)
{
    assert_int_equal(tensor->dtype, dtype);
    assert_int_equal(tensor->rank, rank);
    for (unsigned i = 0; i < rank; i++) assert_int_equal(tensor->dims[i], dims[i]);
}

#define DIMS(...) (const int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)

/* Opens the bytes, which are freed; they must be refused. */
static inline void refuses_bytes(Text *file, ErrorCode code, const char *part)
{
    Error err = {0};
    ByteSource *source = source_from_memory(text_string(file), file->length, "x.bin");
    Checkpoint *checkpoint = checkpoint_open_source(source, &err);
    source_unref(source);
    text_done(file);
    if (checkpoint) fail_msg("was opened; expected: %s", part);
    assert_error_has(err, "x.bin");
    assert_error_has(err, part);
    assert_int_equal(err.code, code);
}

#endif
