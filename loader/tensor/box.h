/* Box: a tensor of any size in pieces of bounded size, row-major, one after the other. */
#ifndef LOADER_TENSOR_BOX_H
#define LOADER_TENSOR_BOX_H

#include <stdbool.h>
#include <stdint.h>

#include "loader/tensor/tensor.h"

typedef struct BoxWalk {
    const int64_t *dims;         /* [rank] of the whole; borrowed */
    unsigned rank;               /* number of axes */
    unsigned axis;               /* the axis that is cut; those after it are whole */
    int64_t step;                /* at most so many indices of it at a time */
    /* The current box: its first index and its number of indices along each axis. */
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
} BoxWalk;

/* Starts at the first box of at most `limit` elements (at least one). False when the tensor has
 * no elements. The boxes follow each other in row-major order and cover every element once. */
bool box_first(BoxWalk *walk, const int64_t *dims, unsigned rank, uint64_t limit);
bool box_next(BoxWalk *walk);                 /* false: that was the last */
uint64_t box_count(const BoxWalk *walk);      /* elements of the current box */

#endif
