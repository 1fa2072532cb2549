/* MessagePack, one item after the other: heads are read, what they announce is skipped and can be
 * fetched by its place, so that a value of a gigabyte costs nothing.
 *
 *   00–7F 80–8F 90–9F A0–BF   small number · map of n pairs · list of n · text of n bytes
 *   C0 C2 C3                  nil · false · true
 *   C4 C5 C6                  bytes: u8, u16, u32 length
 *   C7 C8 C9, D4–D8           extension: the same lengths, or 1 2 4 8 16; then an i8 type
 *   CA CB, CC–CF, D0–D3       f32 f64 · u8 u16 u32 u64 · i8 i16 i32 i64
 *   D9 DA DB, DC DD, DE DF    text: u8, u16, u32 length · list, map: u16, u32 count
 *   E0–FF                     small negative number
 *
 * Numbers are big-endian; C1 was never given out. Source: the specification, msgpack/msgpack
 * spec.md. */
#ifndef LOADER_FORMAT_MSGPACK_H
#define LOADER_FORMAT_MSGPACK_H

#include "loader/core/memory.h"
#include "loader/source/cursor.h"

typedef enum MsgKind {
    MSG_NIL, MSG_BOOL, MSG_INT, MSG_UINT, MSG_FLOAT, MSG_STR, MSG_BIN, MSG_EXT, MSG_LIST, MSG_MAP
} MsgKind;

typedef struct MsgItem {
    MsgKind kind;
    int8_t type;             /* of an EXT */
    uint64_t where;          /* byte of its head in the source */
    uint64_t n;              /* STR, BIN, EXT: bytes; LIST: items; MAP: pairs, each a key and a
                                value; UINT: the number; INT: the same as two's complement; BOOL:
                                0 or 1 */
    double number;           /* FLOAT */
    uint64_t data;           /* STR, BIN, EXT: where the bytes start */
} MsgItem;

typedef struct MsgReader {
    Cursor cursor;           /* its `at` is the next item's head */
    uint64_t end;            /* no item reaches beyond this byte of the source */
} MsgReader;

void msg_init(MsgReader *reader, ByteSource *source, uint64_t from, uint64_t end);
/* The next item; of a STR, BIN or EXT the bytes, too, are behind the cursor then. A LIST or MAP
 * has no more items than bytes are left. */
bool msg_next(MsgReader *reader, MsgItem *item, Error *err);
/* The bytes of a STR or BIN as a held name in the arena; at most `limit` of them. */
const char *msg_text(const MsgReader *reader, const MsgItem *item, uint64_t limit, Arena *arena,
                     Error *err);
/* Whether a STR or BIN is this word. */
bool msg_is(const MsgReader *reader, const MsgItem *item, const char *word);

#endif
