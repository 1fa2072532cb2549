/* Heads of MessagePack items, told by their first byte. */
#include "loader/format/msgpack.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/text.h"
#include "loader/format/fault.h"

void msg_init(MsgReader *reader, ByteSource *source, uint64_t from, uint64_t end)
{
    cursor_init(&reader->cursor, source, from);
    reader->end = end;
}

static uint64_t left(const MsgReader *reader)
{
    return reader->cursor.at < reader->end ? reader->end - reader->cursor.at : 0;
}

static bool refuse_end(const MsgReader *reader, const MsgItem *item, uint64_t need, Error *err)
{
    return fault_file(err, ERR_FORMAT, reader->cursor.source->name,
                      "MessagePack: the item at byte %" PRIu64 " needs %" PRIu64
                      " bytes more, and %" PRIu64 " are left; the file is damaged or cut short",
                      item->where, need, left(reader));
}

/* The number behind a head: a length, a count or a value. */
static bool take(MsgReader *reader, const MsgItem *item, size_t width, uint64_t *out, Error *err)
{
    if (width > left(reader)) return refuse_end(reader, item, width, err);
    return cursor_big(&reader->cursor, width, out, err);
}

/* The bytes of a STR, BIN or EXT whose n is known. */
static bool place(MsgReader *reader, MsgItem *item, MsgKind kind, Error *err)
{
    uint64_t type;
    item->kind = kind;
    if (kind == MSG_EXT) {
        if (!take(reader, item, 1, &type, err)) return false;
        item->type = (int8_t)(uint8_t)type;
    }
    item->data = reader->cursor.at;
    if (item->n > left(reader)) return refuse_end(reader, item, item->n, err);
    return cursor_skip(&reader->cursor, item->n, err);
}

/* The items of a LIST or MAP whose n is known: every one takes a byte at least. */
static bool count(MsgReader *reader, MsgItem *item, MsgKind kind, Error *err)
{
    uint64_t least = kind == MSG_MAP ? item->n * 2 : item->n;
    item->kind = kind;
    return least <= left(reader) || refuse_end(reader, item, least, err);
}

/* C0 to DF: the kind, the width of the number behind the head, and a length that is the head's
 * own. n of these is 32 bits at most, but for numbers. */
static const struct { uint8_t kind, width, n; } heads[] = {
    [0x00] = {MSG_NIL, 0, 0},   [0x02] = {MSG_BOOL, 0, 0},  [0x03] = {MSG_BOOL, 0, 1},
    [0x04] = {MSG_BIN, 1, 0},   [0x05] = {MSG_BIN, 2, 0},   [0x06] = {MSG_BIN, 4, 0},
    [0x07] = {MSG_EXT, 1, 0},   [0x08] = {MSG_EXT, 2, 0},   [0x09] = {MSG_EXT, 4, 0},
    [0x0A] = {MSG_FLOAT, 4, 0}, [0x0B] = {MSG_FLOAT, 8, 0}, [0x0C] = {MSG_UINT, 1, 0},
    [0x0D] = {MSG_UINT, 2, 0},  [0x0E] = {MSG_UINT, 4, 0},  [0x0F] = {MSG_UINT, 8, 0},
    [0x10] = {MSG_INT, 1, 0},   [0x11] = {MSG_INT, 2, 0},   [0x12] = {MSG_INT, 4, 0},
    [0x13] = {MSG_INT, 8, 0},   [0x14] = {MSG_EXT, 0, 1},   [0x15] = {MSG_EXT, 0, 2},
    [0x16] = {MSG_EXT, 0, 4},   [0x17] = {MSG_EXT, 0, 8},   [0x18] = {MSG_EXT, 0, 16},
    [0x19] = {MSG_STR, 1, 0},   [0x1A] = {MSG_STR, 2, 0},   [0x1B] = {MSG_STR, 4, 0},
    [0x1C] = {MSG_LIST, 2, 0},  [0x1D] = {MSG_LIST, 4, 0},  [0x1E] = {MSG_MAP, 2, 0},
    [0x1F] = {MSG_MAP, 4, 0},
};

/* The number behind the head as it stands there: its bits. */
static double real_of(uint64_t bits, size_t width)
{
    uint32_t low = (uint32_t)bits;
    float narrow;
    double wide;
    memcpy(&narrow, &low, sizeof narrow);
    memcpy(&wide, &bits, sizeof wide);
    return width == 4 ? (double)narrow : wide;
}

static bool finish(MsgReader *reader, MsgItem *item, MsgKind kind, size_t width, Error *err)
{
    switch (kind) {
    case MSG_STR: case MSG_BIN: case MSG_EXT: return place(reader, item, kind, err);
    case MSG_LIST: case MSG_MAP: return count(reader, item, kind, err);
    case MSG_INT:
        /* from `width` bytes to 64 bits, the sign carried on */
        if (width && width < 8 && item->n >> (8 * width - 1)) item->n |= UINT64_MAX << 8 * width;
        break;
    case MSG_FLOAT: item->number = real_of(item->n, width); break;
    default: break;
    }
    item->kind = kind;
    return true;
}

bool msg_next(MsgReader *reader, MsgItem *item, Error *err)
{
    *item = (MsgItem){.where = reader->cursor.at};
    uint64_t head;
    if (!take(reader, item, 1, &head, err)) return false;
    if (head < 0x80 || head >= 0xE0) {
        item->n = head < 0x80 ? head : head | ~(uint64_t)0xFF;
        return finish(reader, item, head < 0x80 ? MSG_UINT : MSG_INT, 0, err);
    }
    item->n = head & (head < 0xA0 ? 0x0F : 0x1F);
    if (head < 0x90) return finish(reader, item, MSG_MAP, 0, err);
    if (head < 0xA0) return finish(reader, item, MSG_LIST, 0, err);
    if (head < 0xC0) return finish(reader, item, MSG_STR, 0, err);
    if (head == 0xC1)
        return fault_file(err, ERR_FORMAT, reader->cursor.source->name,
                          "MessagePack: byte 0xc1 at %" PRIu64 " begins no item; the file is "
                          "damaged, or no MessagePack", item->where);
    size_t row = head - 0xC0, width = heads[row].width;
    item->n = heads[row].n;
    return (!width || take(reader, item, width, &item->n, err)) &&
           finish(reader, item, (MsgKind)heads[row].kind, width, err);
}

const char *msg_text(const MsgReader *reader, const MsgItem *item, uint64_t limit, Arena *arena,
                     Error *err)
{
    const char *file = reader->cursor.source->name;
    if (item->kind != MSG_STR && item->kind != MSG_BIN) {
        fault_file(err, ERR_FORMAT, file, "a text must stand at byte %" PRIu64, item->where);
        return NULL;
    }
    if (item->n > limit) {
        fault_file(err, ERR_LIMIT, file, "the text at byte %" PRIu64 " has %" PRIu64
                   " bytes; more than %" PRIu64 " are not read", item->where, item->n, limit);
        return NULL;
    }
    char *bytes = mem_alloc((size_t)item->n + 1);
    const char *name = NULL;
    if (source_read(reader->cursor.source, item->data, bytes, (size_t)item->n, err))
        name = name_hold(arena, bytes, (size_t)item->n);
    free(bytes);
    return name;
}

bool msg_is(const MsgReader *reader, const MsgItem *item, const char *word)
{
    char bytes[64];
    size_t n = strlen(word);
    return (item->kind == MSG_STR || item->kind == MSG_BIN) && item->n == n && n <= sizeof bytes &&
           source_read(reader->cursor.source, item->data, bytes, n, NULL) &&
           memcmp(bytes, word, n) == 0;
}
