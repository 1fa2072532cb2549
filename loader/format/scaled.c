/* Division as it is read: the divisor is four or eight bytes, so it is fetched anew each time. */
#include "loader/format/scaled.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/memory.h"

enum { ELEMENT_MAX = 8 };

typedef struct ScaledSource {
    ByteSource base;
    Storage values, divisor; /* their sources are references */
    unsigned width;          /* bytes of an element: 4 or 8 */
} ScaledSource;

/* Caffe: a factor of 0 is a BatchNorm that saw nothing, whose statistics count as 0. */
static void divide(unsigned char *bytes, size_t count, unsigned width, const unsigned char *by)
{
    for (size_t i = 0; i < count; i++, bytes += width) {
        if (width == 8) {
            double value, divisor;
            memcpy(&value, bytes, sizeof value);
            memcpy(&divisor, by, sizeof divisor);
            value = divisor == 0 ? 0 : value / divisor;
            memcpy(bytes, &value, sizeof value);
        } else {
            float value, divisor;
            memcpy(&value, bytes, sizeof value);
            memcpy(&divisor, by, sizeof divisor);
            value = divisor == 0 ? 0 : value / divisor;
            memcpy(bytes, &value, sizeof value);
        }
    }
}

/* Elements that the range cuts are read whole beside it, at both ends. */
static bool read_scaled(ByteSource *base, uint64_t offset, void *out, size_t n, Error *err)
{
    ScaledSource *scaled = (ScaledSource *)base;
    unsigned char by[ELEMENT_MAX], one[ELEMENT_MAX], *to = out;
    unsigned width = scaled->width;
    if (!source_read(scaled->divisor.source, scaled->divisor.offset, by, width, err)) return false;
    while (n) {
        unsigned skip = (unsigned)(offset % width);
        size_t whole = skip ? 0 : n / width * width;
        size_t here = whole ? whole : n < width - skip ? n : width - skip;
        unsigned char *at = whole ? to : one;
        if (!source_read(scaled->values.source, scaled->values.offset + offset - skip, at,
                         whole ? whole : width, err))
            return false;
        divide(at, whole ? whole / width : 1, width, by);
        if (!whole) memcpy(to, one + skip, here);
        to += here;
        offset += here;
        n -= here;
    }
    return true;
}

static void close_scaled(ByteSource *base)
{
    ScaledSource *scaled = (ScaledSource *)base;
    source_unref(scaled->values.source);
    source_unref(scaled->divisor.source);
    free(scaled);
}

ByteSource *source_scaled(const Storage *storage, const Storage *divisor)
{
    static const ByteSourceOps ops = {read_scaled, NULL, close_scaled, NULL};
    ScaledSource *scaled = mem_alloc(sizeof *scaled);
    scaled->base.ops = &ops;
    scaled->base.name = storage->source->name;
    scaled->base.refs = 1;
    scaled->base.size = storage->bytes;
    scaled->values = *storage;
    scaled->divisor = *divisor;
    scaled->width = dtype_size(storage->dtype);
    source_ref(storage->source);
    source_ref(divisor->source);
    return &scaled->base;
}
