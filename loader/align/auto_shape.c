/* Shapes, as far as automatic alignment compares them. */
#include "loader/align/auto_parts.h"

unsigned shape_dense(const AutoTensor *tensor, int64_t out[8])
{
    unsigned n = 0;
    for (unsigned i = 0; i < tensor->rank && n < 8; i++)
        if (tensor->dims[i] != 1) out[n++] = tensor->dims[i];
    return n;
}

/* Sizes in ascending order: at most eight. */
static void sort_sizes(int64_t *sizes, unsigned n)
{
    for (unsigned i = 1; i < n; i++)
        for (unsigned j = i; j && sizes[j - 1] > sizes[j]; j--) {
            int64_t swap = sizes[j];
            sizes[j] = sizes[j - 1];
            sizes[j - 1] = swap;
        }
}

uint64_t shape_canonical(const AutoTensor *tensor)
{
    int64_t sizes[8];
    if (!tensor->dims) return 1;
    unsigned n = shape_dense(tensor, sizes);
    sort_sizes(sizes, n);
    uint64_t hash = hash_mix(2, n);
    for (unsigned i = 0; i < n; i++) hash = hash_mix(hash, (uint64_t)sizes[i]);
    return hash;
}

bool shape_same(const AutoTensor *a, const AutoTensor *b)
{
    if (!a->dims || !b->dims) return true;
    if (a->rank != b->rank) return false;
    for (unsigned i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}
