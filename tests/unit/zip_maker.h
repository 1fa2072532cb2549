/* For tests and fuzz targets: stored zips, assembled byte by byte. */
#ifndef TESTS_UNIT_ZIP_MAKER_H
#define TESTS_UNIT_ZIP_MAKER_H

#include <string.h>

#include "loader/core/text.h"

/* A string literal as bytes and length, without its closing NUL. */
#define BYTES(literal) (literal), sizeof(literal) - 1

typedef struct Record {
    const char *name;
    const void *bytes;
    size_t n;
} Record;

static inline void put(Text *out, uint64_t value, int bytes)
{
    for (; bytes--; value >>= 8) text_addc(out, (char)(value & 0xFF));
}

static inline void put_member(Text *file, Text *directory, const Record *record)
{
    Text *const both[] = {file, directory};
    uint64_t header = file->length;
    for (int i = 0; i < 2; i++) {
        put(both[i], i ? 0x02014b50 : 0x04034b50, 4);
        put(both[i], 0, i ? 12 : 10);
        put(both[i], 0, 4);
        put(both[i], record->n, 4);
        put(both[i], record->n, 4);
        put(both[i], strlen(record->name), 2);
        put(both[i], 0, i ? 12 : 2);
        if (i) put(both[i], header, 4);
        text_add(both[i], record->name);
    }
    text_addn(file, record->bytes, record->n);
}

/* For a directory of `size` bytes from byte `start` on. */
static inline void put_end_record(Text *file, uint64_t count, uint64_t size, uint64_t start)
{
    put(file, 0x06054b50, 4);
    put(file, 0, 4);
    put(file, count, 2);
    put(file, count, 2);
    put(file, size, 4);
    put(file, start, 4);
    put(file, 0, 2);
}

static inline void make_zip(Text *file, const Record *records, size_t count)
{
    Text directory = {0};
    for (size_t i = 0; i < count; i++) put_member(file, &directory, &records[i]);
    uint64_t start = file->length;
    text_addn(file, text_string(&directory), directory.length);
    put_end_record(file, count, directory.length, start);
    text_done(&directory);
}

#endif
