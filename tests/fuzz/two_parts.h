/* For fuzz targets that take two files: the first two bytes are the length of the first. */
#ifndef TESTS_FUZZ_TWO_PARTS_H
#define TESTS_FUZZ_TWO_PARTS_H

#include "tests/fuzz/open.h"

/* The two files of an input, as contexts hand them out. */
typedef struct TwoParts {
    OpenContext context;     /* first, so that a pointer to one is a pointer to the other */
    ByteSource *first, *second;
} TwoParts;

static inline void split_input(TwoParts *parts, const uint8_t *data, size_t size)
{
    size_t n = size >= 2 ? (size_t)(data[0] | data[1] << 8) : 0;
    size_t head = size >= 2 ? 2 : size;
    if (n > size - head) n = size - head;
    parts->first = source_from_memory(data + head, n, "fuzz/first");
    parts->second = source_from_memory(data + head + n, size - head - n, "fuzz/second");
}

static inline void unref_parts(TwoParts *parts)
{
    source_unref(parts->first);
    source_unref(parts->second);
}

static inline Checkpoint *open_any(OpenContext *context, ByteSource *source, Error *err)
{
    (void)context;
    return checkpoint_open_source(source, err);
}

#endif
