/* Values: tensors as the numbers that they mean, also where these are stored quantized or packed,
 * box by box: blocks that a box cuts through are read whole, and cut. */
#ifndef LOADER_TENSOR_VALUES_H
#define LOADER_TENSOR_VALUES_H

#include "loader/tensor/tensor.h"

/* The dtype of what tensor_read_values gives: f32 for quantized and packed tensors, for all others
 * their own. DT_UNKNOWN, and the reason in *why (may be NULL) as "is …", when there are none. */
DType tensor_value_dtype(const Tensor *tensor, const char **why);

/* As tensor_read_strided (tensor.h), but in tensor_value_dtype: `out` holds elements of that type,
 * and out_strides (NULL = packed) count them. What PyTorch quantized comes as its dequantize()
 * has it, what GGML did as gguf.quants.dequantize. Working memory is bounded, whatever the box. */
bool tensor_read_values(const Tensor *tensor, const int64_t *from, const int64_t *size, void *out,
                        const int64_t *out_strides, Error *err);
/* As tensor_reads (tensor.h), of tensor_read_values. `out` is only room, and stays untouched. */
TensorReads tensor_value_reads(const Tensor *tensor, const int64_t *from, const int64_t *size,
                               void *out, const int64_t *out_strides);
/* Whether reading all values comes to an end, for a tensor with dims and a storage: a stride of 0
 * lets 4 stored bytes claim 2^62. False, with the error set (ERR_LIMIT), when there are more than
 * 4 GiB of them that repeat a smaller storage. */
bool tensor_check_repeats(const Tensor *tensor, Error *err);

#endif
