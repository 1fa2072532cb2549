/* A range of bytes is a range of elements, and that is a few boxes: the longest that begins at the
 * first element, and again from where it ended. */
#include "loader/tensor/packed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/memory.h"

enum { STEP_BYTES = 64 << 10 };      /* of scratch for each side of a conversion */

typedef struct Packed {
    ByteSource base;
    Tensor tensor;           /* its own record; dims, strides and storage are the owner's */
    DType dtype;             /* of what is read */
    void *owner;
    void (*release)(void *owner);
} Packed;

/* The longest box of at most `limit` elements that begins at element `first` in row-major order:
 * whole along its inner axes, a run along one, one index of those outside. Returns its number of
 * elements. */
static uint64_t find_box(const Tensor *tensor, uint64_t first, uint64_t limit, int64_t *from,
                         int64_t *size)
{
    uint64_t inner = 1, count = 1;
    bool running = true;     /* every axis so far is whole, from its first index on */
    for (unsigned k = tensor->rank; k-- > 0;) {
        uint64_t dim = (uint64_t)tensor->dims[k], at = first / inner % dim;
        uint64_t most = running ? limit / inner : 1;
        if (most > dim - at) most = dim - at;
        if (!most) most = 1;
        from[k] = (int64_t)at;
        size[k] = (int64_t)most;
        count *= most;
        running = running && most == dim;
        inner *= dim;
    }
    return count;
}

/* Reads elements [first, first+count), at most as many as the scratch holds, as the tensor has
 * them. */
static bool read_elements(const Tensor *tensor, uint64_t first, uint64_t count, unsigned char *out,
                          Error *err)
{
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
    while (count) {
        uint64_t n = find_box(tensor, first, count, from, size);
        if (!tensor_read(tensor, from, size, out, err)) return false;
        out += n * dtype_size(tensor->dtype);
        first += n;
        count -= n;
    }
    return true;
}

static bool read_packed(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    const Packed *packed = (const Packed *)source;
    unsigned in = dtype_size(packed->tensor.dtype), width = dtype_size(packed->dtype);
    unsigned char *raw = mem_alloc(STEP_BYTES), *made = mem_alloc(STEP_BYTES), *to = out;
    bool fine = true;
    while (fine && n) {
        uint64_t first = offset / width, skip = offset % width;
        uint64_t count = (skip + n + width - 1) / width;
        uint64_t most = STEP_BYTES / (in > width ? in : width);
        if (count > most) count = most;
        fine = read_elements(&packed->tensor, first, count, raw, err);
        if (!fine) break;
        /* the dtypes were asked when the source was made */
        dtype_convert(packed->tensor.dtype, raw, packed->dtype, made, (size_t)count);
        size_t here = (size_t)(count * width - skip);
        if (here > n) here = n;
        memcpy(to, made + skip, here);
        to += here;
        offset += here;
        n -= here;
    }
    free(raw);
    free(made);
    return fine;
}

static void close_packed(ByteSource *source)
{
    Packed *packed = (Packed *)source;
    if (packed->release) packed->release(packed->owner);
    free((char *)source->name);
    free(packed);
}

ByteSource *packed_source(const Tensor *tensor, DType dtype, const char *name, void *owner,
                          void (*release)(void *owner), Error *err)
{
    static const ByteSourceOps ops = {read_packed, NULL, close_packed, NULL};
    uint64_t bytes;
    unsigned char none[16] = {0}, made[16];
    bool bytes_there = !tensor_count(tensor) || (tensor->storage && tensor->storage->source);
    bool fine = tensor->dims && bytes_there && dtype_size(tensor->dtype) && dtype_size(dtype) &&
                !(tensor->encoding && tensor->encoding->opaque) &&
                dtype_convert(tensor->dtype, none, dtype, made, 1) &&
                dtype_bytes(dtype, tensor_count(tensor), &bytes);
    if (!fine) {
        error_set(err, ERR_UNSUPPORTED, "%s: elements of type %s cannot be read as %s", name,
                  dtype_name(tensor->dtype), dtype_name(dtype));
        if (release) release(owner);
        return NULL;
    }
    Packed *packed = mem_alloc(sizeof *packed);
    *packed = (Packed){.tensor = *tensor, .dtype = dtype, .owner = owner, .release = release};
    packed->base.ops = &ops;
    packed->base.name = mem_strdup(name);
    packed->base.size = bytes;
    packed->base.refs = 1;
    return &packed->base;
}
