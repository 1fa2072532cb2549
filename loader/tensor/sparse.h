/* Sparse: tensors that keep only some of their values, with the places where they belong; and a
 * source of all values, zeros in between, as to_dense() gives them.
 *
 *   COO   indices [sparse dims, n], values [n, dense dims…]; equal places are added up
 *   CSR   compressed [batch…, rows + 1], plain [batch…, n] columns, values [batch…, n, dense dims…]
 *   CSC   the same with columns and rows exchanged
 *   BSR, BSC   as CSR and CSC, of blocks: values [batch…, n, height, width, dense dims…]
 *
 * Source: torch/sparse, "torch.sparse" in PyTorch's documentation. */
#ifndef LOADER_TENSOR_SPARSE_H
#define LOADER_TENSOR_SPARSE_H

#include "loader/tensor/tensor.h"

typedef enum SparseLayout {
    SPARSE_NONE, SPARSE_COO, SPARSE_CSR, SPARSE_CSC, SPARSE_BSR, SPARSE_BSC
} SparseLayout;

typedef struct Sparse {
    SparseLayout layout;
    const Tensor *indices;       /* COO: all of them; else the compressed ones. Borrowed, as all */
    const Tensor *plain;         /* NULL for COO */
    const Tensor *values;
    const int64_t *dims;         /* [rank] of the whole */
    unsigned rank;
} Sparse;

/* Whether the shapes of the parts go with each other and with dims. Reads nothing. */
bool sparse_check(const Sparse *sparse, Error *err);
/* The number of values (or blocks) that are stored. */
uint64_t sparse_stored(const Sparse *sparse);
/* The dense values, row-major, little-endian, `bytes` in all. Tensors and dims must outlive it.
 * Indices and values are read at the first read, under LIMIT_SPARSE_BYTES, and let go by one that
 * reaches the end; reads fail when an index lies outside. sparse_check has passed. */
ByteSource *sparse_source(const Sparse *sparse, uint64_t bytes, const char *name);

#endif
