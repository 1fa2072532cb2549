/* NumPy: what its files and its pickles call element types.
 *
 *   '<f4'   byte order (< little, > big, = | as the machine has it, which is little), kind, bytes
 *
 * Kinds: b bool, i signed, u unsigned, f float, c complex; others (S U V M m O) hold no numbers.
 * Source: numpy/lib/format.py, numpy/_core/_internal.py. */
#ifndef LOADER_FORMAT_NUMPY_H
#define LOADER_FORMAT_NUMPY_H

#include <stdbool.h>
#include <stddef.h>

#include "loader/tensor/dtype.h"

/* The type of a description of n bytes, with or without its byte order; DT_UNKNOWN when its
 * elements are no numbers that tenon knows. Of the types of ml_dtypes bfloat16 calls itself V2
 * and float8_e5m2 f1; all others V1, which does not tell them apart. *big_endian is only set where
 * an element has several bytes. */
DType numpy_dtype(const char *descr, size_t n, bool *big_endian);
/* A type by the name of its class: ml_dtypes.bfloat16, numpy.float32. */
DType numpy_class_dtype(const char *module, const char *name);

#endif
