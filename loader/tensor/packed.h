/* Packed: a tensor's elements as a ByteSource, packed, row-major, little-endian, in any dtype. For
 * readers whose values are not stored the way a Storage must have them. */
#ifndef LOADER_TENSOR_PACKED_H
#define LOADER_TENSOR_PACKED_H

#include "loader/tensor/tensor.h"

/* The values of `tensor` converted to `dtype` (dtype_convert); nothing is read before it is asked
 * for. The record is copied; what it points to is kept alive by `owner`, which is released with
 * the source (both may be NULL). NULL when the dtypes have no whole bytes, or the size overflows;
 * then the owner is released at once. */
ByteSource *packed_source(const Tensor *tensor, DType dtype, const char *name, void *owner,
                          void (*release)(void *owner), Error *err);

#endif
