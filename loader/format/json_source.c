/* JSON from a source: fed to the parser in pieces, so that a header of 100 MB is never held as
 * text beside what it says. */
#include "loader/format/json_source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/format.h"
#include "loader/tensor/glimpse.h"

/* Bytes: of a piece that is read; of the list of keys in an error. */
enum { PIECE = 256 * 1024, KEYS_SHOWN = 200 };

bool json_feed_source(JsonReader *reader, ByteSource *source, uint64_t from, uint64_t to,
                      Error *err)
{
    char *piece = mem_alloc(PIECE);
    bool fine = true;
    json_reader_start_at(reader, from);
    for (uint64_t at = from; fine && at < to;) {
        size_t n = to - at < PIECE ? (size_t)(to - at) : PIECE;
        fine = source_read(source, at, piece, n, err) && json_reader_feed(reader, piece, n, err);
        at += n;
        glimpse_step(at - from, to - from);
    }
    free(piece);
    return fine && json_reader_finish(reader, err);
}

/* U+FEFF in UTF-8. Editors of Windows put it there, and JSON does not allow it. */
size_t text_start(const unsigned char *head, size_t n)
{
    return n >= 3 && memcmp(head, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

/* A look at the top-level keys. */
typedef struct Look {
    unsigned depth;      /* open maps and lists */
    JsonKind kind;       /* JSON_OTHER until a key tells */
    Text *keys;          /* the keys of depth 1, ", " between them; may be NULL */
} Look;

/* A key that tells stops the parse by returning false: the rest, which may be long, is left to
 * the format's own reader. No error is set, and none is missed. */
static bool look_key(void *context, const char *text, size_t n)
{
    Look *look = context;
    if (look->depth != 1) return true;
    if (n == 7 && memcmp(text, "tensors", n) == 0) look->kind = JSON_SCHEMA;
    if (n == 10 && memcmp(text, "weight_map", n) == 0) look->kind = JSON_INDEX;
    if (look->kind != JSON_OTHER) return false;
    if (look->keys && look->keys->length < KEYS_SHOWN) {
        if (look->keys->length) text_add(look->keys, ", ");
        fault_quote(text, n, 40, look->keys);
    }
    return true;
}

static bool look_deeper(void *context)
{
    ((Look *)context)->depth++;
    return true;
}

static bool look_up(void *context)
{
    ((Look *)context)->depth--;
    return true;
}

/* White space, then '{': a look at the head before anything is parsed. The second test of the
 * byte is there since strchr finds the NUL of its own string. */
JsonKind json_source_kind(ByteSource *source, const unsigned char *head, size_t n, Text *keys,
                          Error *err)
{
    static const JsonEvents events = {.start_map = look_deeper, .map_key = look_key,
                                      .end_map = look_up, .start_list = look_deeper,
                                      .end_list = look_up};
    size_t start = text_start(head, n), first = start;
    while (first < n && strchr(" \t\r\n", head[first]) && head[first]) first++;
    if (first == n || head[first] != '{') return JSON_NONE;
    Look look = {.kind = JSON_OTHER, .keys = keys};
    JsonReader *reader = json_reader_new(&events, &look, source->name);
    uint64_t most = limit(LIMIT_INDEX_BYTES);
    uint64_t end = source->size < most ? source->size : most;
    bool whole = json_feed_source(reader, source, start, end, err);
    json_reader_free(reader);
    char more[LIMIT_TEXT];
    if (!whole && look.kind == JSON_OTHER && end < source->size)     /* not broken, but cut by us */
        fault_file(err, ERR_LIMIT, source->name, "the JSON has %" PRIu64 " bytes, %s", source->size,
                   limit_text(LIMIT_INDEX_BYTES, more));
    return look.kind != JSON_OTHER || whole ? look.kind : JSON_BROKEN;
}
