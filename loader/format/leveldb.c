/* Reading a table from its end: footer, index block, then each data block once. */
#include "loader/format/leveldb.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"
#include "loader/core/little.h"
#include "loader/core/text.h"
#include "loader/format/crc32c.h"
#include "loader/format/fault.h"
#include "loader/format/snappy.h"

enum { FOOTER_BYTES = 48, HANDLES_BYTES = 40, TRAILER_BYTES = 5, VARINT_MAX = 10 };

static const unsigned char magic[] = {0x57, 0xFB, 0x80, 0x8B, 0x24, 0x75, 0x47, 0xDB};

/* Where a block lies in the file. */
typedef struct Handle {
    uint64_t offset, size;
} Handle;

/* A block in memory. */
typedef struct Block {
    unsigned char *bytes;    /* decompressed; owned */
    size_t size;             /* of the entries, without restarts */
    uint64_t at;             /* of the stored block in the file */
    bool stored;             /* not compressed: byte i of it is byte at + i of the file */
} Block;

typedef struct Table {
    ByteSource *source;      /* borrowed */
    Text key;                /* of the entry under way */
    Text last;               /* of the last entry of a data block */
    bool has_last;           /* there was one */
    LevelEntry *each;        /* the caller's */
    void *context;
    Error *err;
} Table;

/* A cursor over bytes in memory. */
typedef struct Cursor {
    const unsigned char *at, *end;
} Cursor;

static bool refuse(const Table *table, uint64_t where, const char *what)
{
    return fault_file(table->err, ERR_FORMAT, table->source->name, "%s (byte %" PRIu64 ")", what,
                      where);
}

static bool take_varint(Cursor *cursor, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < VARINT_MAX && cursor->at < cursor->end; i++) {
        unsigned char byte = *cursor->at++;
        if (i == VARINT_MAX - 1 && byte > 1) return false;
        *value |= (uint64_t)(byte & 0x7F) << 7 * i;
        if (byte < 0x80) return true;
    }
    return false;
}

bool level_is_table(ByteSource *source)
{
    unsigned char tail[sizeof magic];
    return source->size >= FOOTER_BYTES &&
           source_read(source, source->size - sizeof tail, tail, sizeof tail, NULL) &&
           memcmp(tail, magic, sizeof magic) == 0;
}

/* -- Blocks ---------------------------------------------------------------------------- */

/* Replaces the stored bytes, of which n are Snappy, by their content. */
static bool decompress(const Table *table, Block *block, size_t n)
{
    size_t length;
    char more[LIMIT_TEXT];
    if (!snappy_length(block->bytes, n, &length))
        return refuse(table, block->at, "a block claims a size that Snappy cannot have made");
    if (length > limit(LIMIT_INDEX_BYTES))
        return fault_file(table->err, ERR_LIMIT, table->source->name,
                          "a block has %zu bytes, %s", length,
                          limit_text(LIMIT_INDEX_BYTES, more));
    unsigned char *content = mem_alloc(length ? length : 1);
    bool fine = snappy_decode(block->bytes, n, content, length);
    free(block->bytes);
    block->bytes = content;
    block->size = length;
    return fine || refuse(table, block->at, "a block is no valid Snappy");
}

/* The bytes behind the entries: restarts, and their number, which must fit. */
static bool cut_restarts(const Table *table, Block *block)
{
    if (block->size < 4) return refuse(table, block->at, "a block has no restarts");
    uint64_t restarts = (little_read(block->bytes + block->size - 4, 4) + 1) * 4;
    if (restarts > block->size)
        return refuse(table, block->at, "the restarts of a block are more than it has bytes");
    block->size -= (size_t)restarts;
    return true;
}

/* Reads, checks and decompresses; the caller frees block->bytes, whatever comes of it. */
static bool read_block(const Table *table, Handle handle, Block *block)
{
    uint64_t room = table->source->size - FOOTER_BYTES;
    char more[LIMIT_TEXT];
    *block = (Block){.at = handle.offset};
    if (handle.offset > room || room - handle.offset < TRAILER_BYTES ||
        handle.size > room - handle.offset - TRAILER_BYTES)
        return fault_file(table->err, ERR_FORMAT, table->source->name,
                          "a block of %" PRIu64 " bytes at %" PRIu64 " does not lie in the file, "
                          "which has %" PRIu64, handle.size, handle.offset, table->source->size);
    if (handle.size > limit(LIMIT_INDEX_BYTES))
        return fault_file(table->err, ERR_LIMIT, table->source->name,
                          "a block has %" PRIu64 " bytes, %s", handle.size,
                          limit_text(LIMIT_INDEX_BYTES, more));
    size_t n = (size_t)handle.size;
    block->bytes = mem_alloc(n + TRAILER_BYTES);
    if (!source_read(table->source, handle.offset, block->bytes, n + TRAILER_BYTES, table->err))
        return false;
    uint32_t crc = (uint32_t)little_read(block->bytes + n + 1, 4);
    if (crc32c_add(0, block->bytes, n + 1) != crc32c_unmask(crc))
        return refuse(table, handle.offset, "a block does not have the CRC that is stored for it: "
                                            "the file is damaged; fetch it again");
    unsigned compression = block->bytes[n];
    block->size = n;
    block->stored = compression == 0;
    if (compression > 1)
        return refuse(table, handle.offset, "a block is compressed in a way that is not known");
    return (compression == 0 || decompress(table, block, n)) && cut_restarts(table, block);
}

/* -- Entries --------------------------------------------------------------------------- */

/* Takes the next entry: its key into table->key, its value. */
static bool take_entry(Table *table, const Block *block, Cursor *cursor, Cursor *value)
{
    uint64_t shared, rest, length;
    uint64_t where = block->at + (uint64_t)(cursor->at - block->bytes);
    if (!take_varint(cursor, &shared) || !take_varint(cursor, &rest) ||
        !take_varint(cursor, &length))
        return refuse(table, where, "an entry is cut off");
    size_t left = (size_t)(cursor->end - cursor->at);
    if (shared > table->key.length)
        return refuse(table, where, "a key shares more than the one before it has");
    if (rest > left || length > left - rest)
        return refuse(table, where, "an entry is longer than its block");
    if (shared + rest > PROTO_NAME_MAX)
        return fault_file(table->err, ERR_LIMIT, table->source->name,
                          "a key has %" PRIu64 " bytes, more than the limit of %d",
                          shared + rest, PROTO_NAME_MAX);
    table->key.length = (size_t)shared;
    text_addn(&table->key, cursor->at, (size_t)rest);
    *value = (Cursor){cursor->at + rest, cursor->at + rest + length};
    cursor->at = value->end;
    return true;
}

/* Whether the key under way comes after the last one. */
static bool is_ascending(const Table *table)
{
    size_t n = table->key.length < table->last.length ? table->key.length : table->last.length;
    int order = n ? memcmp(table->last.bytes, table->key.bytes, n) : 0;
    return !table->has_last || order < 0 || (order == 0 && table->last.length < table->key.length);
}

/* A block that was stored is read again at its place, so that errors name bytes of the file. */
static bool walk_entries(Table *table, const Block *block, ByteSource *source)
{
    ProtoReader reader;
    proto_init(&reader, source, table->err);
    Cursor cursor = {block->bytes, block->bytes + block->size}, value;
    uint64_t base = block->stored ? block->at : 0;
    bool fine = true;
    text_clear(&table->key);
    while (fine && cursor.at < cursor.end) {
        fine = take_entry(table, block, &cursor, &value);
        if (!fine) break;
        if (!is_ascending(table)) {
            fine = refuse(table, block->at, "a key stands twice, or out of order, in this block");
            break;
        }
        text_clear(&table->last);
        text_addn(&table->last, text_string(&table->key), table->key.length);
        table->has_last = true;
        const ProtoSpan span = {base + (uint64_t)(value.at - block->bytes),
                                base + (uint64_t)(value.end - block->bytes)};
        fine = table->each(table->context, text_string(&table->key), table->key.length, &reader,
                           span);
    }
    proto_done(&reader);
    return fine;
}

/* What was compressed becomes a source of its own; positions in it are those of the content. */
static bool read_data(Table *table, Handle handle)
{
    Block block;
    bool fine = read_block(table, handle, &block);
    if (fine && block.stored) {
        fine = walk_entries(table, &block, table->source);
    } else if (fine) {
        ByteSource *content = source_from_memory(block.bytes, block.size, table->source->name);
        fine = walk_entries(table, &block, content);
        source_unref(content);
    }
    free(block.bytes);
    return fine;
}

static bool take_handle(Cursor *cursor, Handle *handle)
{
    return take_varint(cursor, &handle->offset) && take_varint(cursor, &handle->size);
}

/* The keys of the index only separate blocks; they share prefixes as others do. */
static bool read_index(Table *table, Handle handle)
{
    Block block;
    Text key = {0};
    Cursor cursor = {NULL, NULL}, value;
    bool fine = read_block(table, handle, &block);
    if (fine) cursor = (Cursor){block.bytes, block.bytes + block.size};
    while (fine && cursor.at < cursor.end) {
        Text data_key = table->key;
        table->key = key;
        fine = take_entry(table, &block, &cursor, &value);
        key = table->key;
        table->key = data_key;
        Handle data;
        if (fine && !take_handle(&value, &data))
            fine = refuse(table, block.at, "an entry of the index is no place of a block");
        fine = fine && read_data(table, data);
    }
    text_done(&key);
    free(block.bytes);
    return fine;
}

/* The metaindex (filters, statistics) is not needed, and not read. */
bool level_read(ByteSource *source, LevelEntry *each, void *context, Error *err)
{
    Table table = {.source = source, .each = each, .context = context, .err = err};
    unsigned char footer[FOOTER_BYTES];
    if (!level_is_table(source))
        return fault_file(err, ERR_FORMAT, source->name,
                          "does not end as a table does: it was cut off; fetch it again");
    if (!source_read(source, source->size - FOOTER_BYTES, footer, sizeof footer, err))
        return false;
    Cursor cursor = {footer, footer + HANDLES_BYTES};
    Handle metaindex, index;
    if (!take_handle(&cursor, &metaindex) || !take_handle(&cursor, &index))
        return refuse(&table, source->size - FOOTER_BYTES, "its footer has no place of an index");
    bool fine = read_index(&table, index);
    text_done(&table.key);
    text_done(&table.last);
    return fine;
}
