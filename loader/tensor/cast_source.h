/* CastSource: the values of one tensor in another dtype, as Tensor.to(dtype) gives them: for files
 * that hold a tensor in a type which its writer's library had, and say which type it is. */
#ifndef LOADER_TENSOR_CAST_SOURCE_H
#define LOADER_TENSOR_CAST_SOURCE_H

#include "loader/tensor/tensor.h"

/* Row-major, little-endian; `tensor` (which is contiguous or has at most a few axes that are not)
 * must outlive it. NULL when there is no conversion from its dtype, or an element is no whole
 * number of bytes. */
ByteSource *cast_source(const Tensor *tensor, DType to, const char *name);

#endif
