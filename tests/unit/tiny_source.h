/* A source in memory for plans: "a" and "b" of 2×3 f32, "h" of 4 f16, "i" of 2 i64, "q" of 4×6. */
#ifndef TESTS_UNIT_TINY_SOURCE_H
#define TESTS_UNIT_TINY_SOURCE_H

#include <string.h>

#include "loader/format/format.h"

static inline Checkpoint *open_tiny(void)
{
    static const char header[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[24,48]},"
        "\"h\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[48,56]},"
        "\"i\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[56,72]},"
        "\"q\":{\"dtype\":\"F32\",\"shape\":[4,6],\"data_offsets\":[72,168]}}";
    enum { HEADER = sizeof header - 1, VALUES = 168 };
    unsigned char bytes[8 + HEADER + VALUES] = {HEADER & 0xFF, HEADER >> 8};
    memcpy(bytes + 8, header, HEADER);
    for (unsigned i = 0; i < VALUES; i++) bytes[8 + HEADER + i] = (unsigned char)(i * 7 % 60);
    ByteSource *source = source_from_memory(bytes, sizeof bytes, "tiny");
    Checkpoint *checkpoint = checkpoint_open_source(source, NULL);
    source_unref(source);
    return checkpoint;
}

#endif
