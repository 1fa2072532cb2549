/* LevelDB tables and TensorFlow bundles for tests. */
#ifndef TESTS_UNIT_BUNDLE_MAKER_H
#define TESTS_UNIT_BUNDLE_MAKER_H

#include "proto_maker.h"

#include "loader/format/crc32c.h"

static inline void put_u32(Text *out, uint32_t value)
{
    for (int i = 0; i < 4; i++) text_addc(out, (char)(value >> 8 * i & 0xFF));
}

static inline uint32_t mask_crc(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

/* A table under way. */
typedef struct TableMaker {
    Text file;               /* finished blocks */
    Text block, index;       /* entries of the block under way, and of the index */
    Text last;               /* the key before */
    unsigned compression;    /* 0, or 1: as one Snappy literal */
} TableMaker;

static inline void put_entry(Text *block, Text *last, const char *key, size_t n, const Text *value)
{
    size_t shared = 0;
    while (shared < n && shared < last->length && last->bytes[shared] == key[shared]) shared++;
    put_varint(block, shared);
    put_varint(block, n - shared);
    put_varint(block, value->length);
    text_addn(block, key + shared, n - shared);
    text_addn(block, text_string(value), value->length);
    text_clear(last);
    text_addn(last, key, n);
}

/* Adds an entry; the value is emptied. */
static inline void table_add(TableMaker *maker, const char *key, size_t n, Text *value)
{
    put_entry(&maker->block, &maker->last, key, n, value);
    text_done(value);
}

/* Restarts, compression and CRC behind a block, which goes to the file and is emptied. */
static inline void put_block(TableMaker *maker, Text *block, uint64_t *at, uint64_t *size)
{
    put_u32(block, 0);
    put_u32(block, 1);
    Text stored = {0};
    if (maker->compression == 1) {
        put_varint(&stored, block->length);
        for (size_t from = 0; from < block->length; from += 60) {
            size_t n = block->length - from < 60 ? block->length - from : 60;
            text_addc(&stored, (char)((n - 1) << 2));
            text_addn(&stored, block->bytes + from, n);
        }
    } else {
        text_addn(&stored, block->bytes, block->length);
    }
    *at = maker->file.length;
    *size = stored.length;
    text_addc(&stored, (char)maker->compression);
    uint32_t crc = crc32c_add(0, stored.bytes, stored.length);
    text_addn(&maker->file, stored.bytes, stored.length);
    put_u32(&maker->file, mask_crc(crc));
    text_done(&stored);
    text_done(block);
}

/* Ends the data block under way. */
static inline void table_cut(TableMaker *maker)
{
    uint64_t at, size;
    Text handle = {0}, key = {0}, none = {0};
    text_addn(&key, text_string(&maker->last), maker->last.length);
    put_block(maker, &maker->block, &at, &size);
    put_varint(&handle, at);
    put_varint(&handle, size);
    put_entry(&maker->index, &none, key.bytes, key.length, &handle);
    text_done(&none);
    text_done(&key);
    text_done(&handle);
    text_clear(&maker->last);
}

/* The whole table; the maker is emptied. */
static inline Text table_end(TableMaker *maker)
{
    uint64_t at, size;
    if (maker->block.length) table_cut(maker);
    Text meta = {0}, footer = {0};
    put_block(maker, &meta, &at, &size);
    put_varint(&footer, at);
    put_varint(&footer, size);
    put_block(maker, &maker->index, &at, &size);
    put_varint(&footer, at);
    put_varint(&footer, size);
    while (footer.length < 40) text_addc(&footer, '\0');
    text_addn(&footer, "\x57\xFB\x80\x8B\x24\x75\x47\xDB", 8);
    text_addn(&maker->file, footer.bytes, footer.length);
    text_done(&footer);
    text_done(&maker->last);
    Text file = maker->file;
    *maker = (TableMaker){0};
    return file;
}

static inline Text bundle_header(unsigned shards, bool big_endian)
{
    Text header = {0};
    put_number(&header, 1, shards);
    if (big_endian) put_number(&header, 2, 1);
    put_text(&header, 3, "\x08\x01");
    return header;
}

/* A BundleEntryProto without a CRC. */
static inline Text bundle_entry(unsigned dtype, const int64_t *sizes, size_t rank, uint64_t offset,
                                uint64_t size)
{
    Text entry = {0}, shape = {0};
    put_number(&entry, 1, dtype);
    for (size_t i = 0; i < rank; i++) {
        Text dim = {0};
        put_number(&dim, 1, (uint64_t)sizes[i]);
        put_message(&shape, 2, &dim);
    }
    put_message(&entry, 2, &shape);
    if (offset) put_number(&entry, 4, offset);
    put_number(&entry, 5, size);
    return entry;
}

#endif
