/* A read finds the elements that it touches and asks for them along the last axis, row by row. */
#include "loader/tensor/cast_source.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/memory.h"

enum { ELEMENT_MAX = 16, STEP = 4096 };   /* bytes of the widest element; elements at a time */

typedef struct CastSource {
    ByteSource base;
    char *name;              /* also base.name; owned */
    const Tensor *tensor;    /* borrowed */
    DType to;
} CastSource;

/* Converts `count` elements from number `first` on, which lie in one row. */
static bool convert_row(const CastSource *cast, uint64_t first, uint64_t count, void *out,
                        Error *err)
{
    const Tensor *t = cast->tensor;
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
    unsigned char raw[STEP * ELEMENT_MAX];
    for (unsigned i = t->rank; i-- > 0;) {
        from[i] = (int64_t)(first % (uint64_t)t->dims[i]);
        size[i] = 1;
        first /= (uint64_t)t->dims[i];
    }
    if (t->rank) size[t->rank - 1] = (int64_t)count;
    return tensor_read(t, from, size, raw, err) &&
           (dtype_convert(t->dtype, raw, cast->to, out, (size_t)count) ||
            error_set(err, ERR_INTERNAL, "no conversion"));
}

/* Elements from number `first` to the end of their row, at most STEP and at most `left`. */
static uint64_t row_piece(const Tensor *tensor, uint64_t first, uint64_t left)
{
    uint64_t row = tensor->rank ? (uint64_t)tensor->dims[tensor->rank - 1] : 1;
    uint64_t count = row - first % row;
    if (count > STEP) count = STEP;
    return count < left ? count : left;
}

static bool read_cast(ByteSource *base, uint64_t offset, void *out, size_t n, Error *err)
{
    CastSource *cast = (CastSource *)base;
    uint64_t width = dtype_size(cast->to), total = base->size / width;
    unsigned char piece[STEP * ELEMENT_MAX], *to = out;
    while (n) {
        uint64_t first = offset / width, skip = offset % width;
        uint64_t left = (skip + n + width - 1) / width;
        if (left > total - first) left = total - first;
        uint64_t count = row_piece(cast->tensor, first, left);
        if (!convert_row(cast, first, count, piece, err)) return false;
        size_t here = (size_t)(count * width - skip) < n ? (size_t)(count * width - skip) : n;
        memcpy(to, piece + skip, here);
        to += here;
        offset += here;
        n -= here;
    }
    return true;
}

static void close_cast(ByteSource *base)
{
    free(((CastSource *)base)->name);
    free(base);
}

ByteSource *cast_source(const Tensor *tensor, DType to, const char *name)
{
    static const ByteSourceOps ops = {read_cast, NULL, close_cast};
    unsigned char nothing[ELEMENT_MAX], result[ELEMENT_MAX];
    uint64_t bytes;
    memset(nothing, 0, sizeof nothing);
    if (!dtype_size(tensor->dtype) || !dtype_size(to) ||
        !dtype_convert(tensor->dtype, nothing, to, result, 1) ||
        !dtype_bytes(to, tensor_count(tensor), &bytes))
        return NULL;
    CastSource *cast = mem_alloc(sizeof *cast);
    cast->name = mem_strdup(name);
    cast->tensor = tensor;
    cast->to = to;
    cast->base = (ByteSource){.ops = &ops, .name = cast->name, .size = bytes};
    atomic_init(&cast->base.refs, 1);
    return &cast->base;
}
