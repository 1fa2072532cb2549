/* JSON in, on yajl: a stream of events.
 *
 * yajl splits the text into tokens and checks its grammar. Two things it does badly are done
 * here, before and after it: raw bytes are proved to be UTF-8, and \u escapes are decoded
 * (yajl turns a lone surrogate into '?', and old versions read beyond the string for it).
 * To that end the backslash of every \u becomes 0xFF, which no UTF-8 text contains, on the
 * way in: yajl passes it through, byte positions stay what they were, and only strings that
 * show the mark are decoded. */
#include "loader/core/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

/* Stands in for the backslash of \u. */
enum { ESCAPE_MARK = 0xFF };

/* Where in a UTF-8 sequence the last piece ended. */
typedef struct Utf8State {
    unsigned need;           /* bytes that must still follow */
    unsigned char low, high; /* the range of the next one */
} Utf8State;

struct JsonReader {
    yajl_handle yajl;        /* owned */
    const JsonEvents *events;    /* borrowed */
    void *context;           /* of the events; borrowed */
    char *what;              /* name of the document, for errors; owned */
    uint64_t before;         /* position of the current piece: what yajl had, and the start */
    bool feeding;            /* inside yajl: its own position counts */
    bool failed;             /* nothing more is parsed */
    bool refused;            /* a handler returned false, or an error was set already */
    bool held;               /* the last piece ended in a backslash that yajl has not seen */
    bool marked;             /* some \u was seen: strings must be looked at */
    unsigned depth;          /* open maps and lists */
    Utf8State utf8;          /* a sequence may be cut by the end of a piece */
    Error *err;              /* of the call in progress; borrowed */
    Text piece, decoded;     /* a piece with marks; a string without; both owned, reused */
};

/* -- Before yajl: UTF-8 and marks ------------------------------------------------------ */

/* What must follow a lead byte; false when it is none. The second byte's range is narrower
 * after four of them (Unicode, table 3-7 "Well-Formed UTF-8 Byte Sequences"):
 *
 *   E0 A0..BF   no overlong form          F0 90..BF   no overlong form
 *   ED 80..9F   no surrogates             F4 80..8F   nothing beyond U+10FFFF
 *
 * C0, C1 and F5..FF begin no sequence at all. */
static bool start_sequence(Utf8State *state, unsigned char c)
{
    state->low = 0x80;
    state->high = 0xBF;
    if (c >= 0xC2 && c <= 0xDF) {
        state->need = 1;
    } else if (c >= 0xE0 && c <= 0xEF) {
        state->need = 2;
        if (c == 0xE0) state->low = 0xA0;
        if (c == 0xED) state->high = 0x9F;
    } else if (c >= 0xF0 && c <= 0xF4) {
        state->need = 3;
        if (c == 0xF0) state->low = 0x90;
        if (c == 0xF4) state->high = 0x8F;
    } else {
        return false;
    }
    return true;
}

/* Index of the first byte that is no UTF-8, n when all is well. The state carries a sequence
 * that the end of a piece cuts over to the next piece. */
static size_t find_bad_byte(Utf8State *state, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!state->need) {
            i += ascii_length((const char *)p + i, n - i);
            if (i < n && !start_sequence(state, p[i])) return i;
        } else if (p[i] < state->low || p[i] > state->high) {
            return i;
        } else {
            state->need--;
            state->low = 0x80;
            state->high = 0xBF;
        }
    }
    return n;
}

/* The piece as yajl shall see it, after a backslash that was held back; *n becomes its
 * length. A backslash at the very end is held back in turn. */
static const unsigned char *mark_escapes(JsonReader *reader, const unsigned char *bytes, size_t *n)
{
    if (!reader->held && !memchr(bytes, '\\', *n)) return bytes;
    Text *piece = &reader->piece;
    text_clear(piece);
    if (reader->held) text_addc(piece, '\\');
    text_addn(piece, bytes, *n);
    reader->held = false;
    char *p = piece->bytes, *end = p + piece->length;
    while ((p = memchr(p, '\\', (size_t)(end - p)))) {
        if (p + 1 == end) {
            reader->held = true;
            piece->length--;
            break;
        }
        if (p[1] == 'u') {
            *p = (char)ESCAPE_MARK;
            reader->marked = true;
        }
        p += 2;
    }
    *n = piece->length;
    return (const unsigned char *)piece->bytes;
}

/* -- After yajl: strings --------------------------------------------------------------- */

/* The number behind a mark at p ("\u12ab"), or UINT32_MAX. */
static uint32_t read_escape(const char *p, const char *end)
{
    if (end - p < 6 || (unsigned char)p[0] != ESCAPE_MARK || p[1] != 'u') return UINT32_MAX;
    uint32_t code = 0;
    for (int i = 2; i < 6; i++) {
        char c = p[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) return UINT32_MAX;
        code = code << 4 | digit;
    }
    return code;
}

/* Appends one escaped character as a held name has it: \u0000 as C0 80; \udc80 to \udcff as the
 * stray byte that they spell (Python's surrogateescape); other lone surrogates in 3 bytes. */
static void add_escaped(Text *out, uint32_t code)
{
    if (!code) text_addn(out, "\xC0\x80", 2);
    else if (code >= 0xDC80 && code <= 0xDCFF) text_addc(out, (char)(code & 0xFF));
    else utf8_add(out, code);
}

/* Decodes the marks of *text into reader->decoded, which *text and *n name afterwards; false
 * when one is malformed. A high surrogate takes the low one behind it:
 * code = 0x10000 + (high - 0xD800) · 0x400 + (low - 0xDC00). */
static bool decode_escapes(JsonReader *reader, const char **text, size_t *n)
{
    Text *out = &reader->decoded;
    text_clear(out);
    for (const char *p = *text, *end = p + *n; p < end;) {
        const char *mark = memchr(p, ESCAPE_MARK, (size_t)(end - p));
        text_addn(out, p, (size_t)((mark ? mark : end) - p));
        if (!mark) break;
        uint32_t code = read_escape(mark, end);
        if (code == UINT32_MAX) return false;
        p = mark + 6;
        if (code >= 0xD800 && code < 0xDC00) {
            uint32_t low = read_escape(p, end);
            if (low >= 0xDC00 && low <= 0xDFFF) {
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                p += 6;
            }
        }
        add_escaped(out, code);
    }
    *text = text_string(out);
    *n = out->length;
    return true;
}

/* -- yajl's callbacks: 1 goes on, 0 stops ----------------------------------------------
 *
 * Each hands on to the handler of the same name, when there is one. */

/* A refusal is remembered: whoever refused has set the error, and yajl's own must not replace
 * it. */
static int pass(JsonReader *reader, bool fine)
{
    if (!fine) reader->refused = true;
    return fine;
}

static int give_null(void *context)
{
    JsonReader *reader = context;
    return pass(reader, !reader->events->null || reader->events->null(reader->context));
}

static int give_boolean(void *context, int value)
{
    JsonReader *reader = context;
    const JsonEvents *events = reader->events;
    return pass(reader, !events->boolean || events->boolean(reader->context, value != 0));
}

static int give_number(void *context, const char *text, size_t n)
{
    JsonReader *reader = context;
    const JsonEvents *events = reader->events;
    return pass(reader, !events->number || events->number(reader->context, text, n));
}

/* Keys and strings. Decoding happens only where a mark is seen: nearly no string has one. */
static int give_text(JsonReader *reader, bool (*event)(void *, const char *, size_t),
                     const unsigned char *bytes, size_t n)
{
    const char *text = (const char *)bytes;
    if (reader->marked && n && memchr(text, ESCAPE_MARK, n) && !decode_escapes(reader, &text, &n))
        return pass(reader, error_set(reader->err, ERR_FORMAT,
                                      "%s: malformed JSON: \\u must be followed by four hex "
                                      "digits (in the string before byte %" PRIu64 ")",
                                      reader->what, json_reader_position(reader)));
    return pass(reader, !event || event(reader->context, text, n));
}

static int give_string(void *context, const unsigned char *text, size_t n)
{
    JsonReader *reader = context;
    return give_text(reader, reader->events->string, text, n);
}

static int give_key(void *context, const unsigned char *text, size_t n)
{
    JsonReader *reader = context;
    return give_text(reader, reader->events->map_key, text, n);
}

/* The limit is ours: yajl's stack grows with the nesting, and trees (json_tree.c) have JSON_DEPTH
 * levels. */
static int enter(JsonReader *reader, bool (*event)(void *))
{
    if (++reader->depth > JSON_DEPTH)
        return pass(reader, error_set(reader->err, ERR_LIMIT,
                                      "%s: JSON nested deeper than %d (byte %" PRIu64 ")",
                                      reader->what, JSON_DEPTH, json_reader_position(reader)));
    return pass(reader, !event || event(reader->context));
}

static int leave(JsonReader *reader, bool (*event)(void *))
{
    reader->depth--;
    return pass(reader, !event || event(reader->context));
}

static int give_start_map(void *context)
{
    JsonReader *reader = context;
    return enter(reader, reader->events->start_map);
}

static int give_end_map(void *context)
{
    JsonReader *reader = context;
    return leave(reader, reader->events->end_map);
}

static int give_start_list(void *context)
{
    JsonReader *reader = context;
    return enter(reader, reader->events->start_list);
}

static int give_end_list(void *context)
{
    JsonReader *reader = context;
    return leave(reader, reader->events->end_list);
}

static const yajl_callbacks callbacks = {
    .yajl_null = give_null,
    .yajl_boolean = give_boolean,
    .yajl_number = give_number,
    .yajl_string = give_string,
    .yajl_start_map = give_start_map,
    .yajl_map_key = give_key,
    .yajl_end_map = give_end_map,
    .yajl_start_array = give_start_list,
    .yajl_end_array = give_end_list,
};

/* -- The reader ------------------------------------------------------------------------ */

/* yajl does not look at what its allocator returns, so it gets one that never fails. */
static void *allocate(void *context, size_t bytes)
{
    (void)context;
    return mem_realloc(NULL, bytes);
}

static void *reallocate(void *context, void *old, size_t bytes)
{
    (void)context;
    return mem_realloc(old, bytes);
}

static void release(void *context, void *memory)
{
    (void)context;
    free(memory);
}

/* yajl's own UTF-8 check is off: it would refuse the marks, and find_bad_byte has looked. */
JsonReader *json_reader_new(const JsonEvents *events, void *context, const char *what)
{
    yajl_alloc_funcs memory = {allocate, reallocate, release, NULL};
    JsonReader *reader = mem_alloc(sizeof *reader);
    reader->events = events;
    reader->context = context;
    reader->what = mem_strdup(what);
    reader->yajl = yajl_alloc(&callbacks, &memory, reader);
    yajl_config(reader->yajl, yajl_dont_validate_strings, 1);
    return reader;
}

void json_reader_free(JsonReader *reader)
{
    if (!reader) return;
    yajl_free(reader->yajl);
    text_done(&reader->piece);
    text_done(&reader->decoded);
    free(reader->what);
    free(reader);
}

void json_reader_start_at(JsonReader *reader, uint64_t position)
{
    reader->before = position;
}

uint64_t json_reader_position(const JsonReader *reader)
{
    return reader->before + (reader->feeding ? yajl_get_bytes_consumed(reader->yajl) : 0);
}

/* Says what yajl says, unless whoever stopped it has spoken already. Only the first line of
 * it: the others draw an arrow under the text. */
static bool complain(JsonReader *reader, uint64_t position)
{
    reader->failed = true;
    if (reader->refused) return false;
    unsigned char *text = yajl_get_error(reader->yajl, 0, NULL, 0);
    size_t n = strcspn((const char *)text, "\r\n");
    error_set(reader->err, ERR_FORMAT, "%s: malformed JSON: %.*s (byte %" PRIu64 ")", reader->what,
              (int)n, (const char *)text, position);
    yajl_free_error(reader->yajl, text);
    return false;
}

/* Inside yajl a position is `before` plus what yajl has consumed of the piece; afterwards the
 * whole piece counts. */
static bool give_to_yajl(JsonReader *reader, const unsigned char *bytes, size_t n)
{
    reader->feeding = true;
    bool fine = yajl_parse(reader->yajl, bytes, n) == yajl_status_ok;
    if (!fine) complain(reader, json_reader_position(reader));
    reader->feeding = false;
    reader->before += n;
    return fine;
}

/* What stands before a bad byte is parsed first, so that errors come in the order of the text. */
bool json_reader_feed(JsonReader *reader, const void *bytes, size_t n, Error *err)
{
    if (reader->failed) return false;
    if (!n) return true;
    reader->err = err;
    uint64_t start = reader->before + reader->held;
    size_t good = find_bad_byte(&reader->utf8, bytes, n), length = good;
    const unsigned char *piece = mark_escapes(reader, bytes, &length);
    if (!give_to_yajl(reader, piece, length)) return false;
    if (good == n) return true;
    reader->failed = true;
    return error_set(err, ERR_FORMAT, "%s: malformed JSON: no UTF-8 text (byte %" PRIu64 ")",
                     reader->what, start + good);
}

/* A backslash still held back is no valid end: yajl gets it, and says so. */
bool json_reader_finish(JsonReader *reader, Error *err)
{
    if (reader->failed) return false;
    reader->err = err;
    if (reader->held && !give_to_yajl(reader, (const unsigned char *)"\\", 1)) return false;
    if (yajl_complete_parse(reader->yajl) == yajl_status_ok) return true;
    return complain(reader, reader->before);
}
