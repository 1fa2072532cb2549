/* Strided: copies a box of elements from one layout in memory to another. */
#ifndef LOADER_TENSOR_STRIDED_H
#define LOADER_TENSOR_STRIDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STRIDED_RANK_MAX = 32 };

/* One axis of a box that is copied: how many indices, and how far apart they lie, in elements,
 * on either side. */
typedef struct StridedAxis {
    int64_t size, in, out;   /* indices; stride in the input; stride in the output */
} StridedAxis;

/* Row-major strides, in elements. As PyTorch: an axis of size 0 counts as 1. */
void strided_pack(const int64_t *size, unsigned rank, int64_t *strides);
/* The axes of a box without those of size 1, neighbours that run on in both layouts merged.
 * `axes` has room for rank; returns how many are left. NULL strides = row-major, packed. */
unsigned strided_axes(const int64_t *size, unsigned rank, const int64_t *in, const int64_t *out,
                      StridedAxis *axes);
/* Copies; `element` is the size of one in bytes. Sizes are at least 1, input and output do not
 * overlap. Works in tiles, so that a transpose does not miss the cache on every element. */
void strided_copy(const StridedAxis *axes, unsigned count, size_t element, const void *in,
                  void *out);
/* Both steps. */
void strided_move(const int64_t *size, unsigned rank, size_t element, const void *in,
                  const int64_t *in_strides, void *out, const int64_t *out_strides);
/* Whether elements of that layout lie one after the other in row-major order. */
bool strided_is_packed(const int64_t *size, unsigned rank, const int64_t *strides);

#endif
