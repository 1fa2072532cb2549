/* JSON in: a stream of events.
 *
 * A header of 94,000 tensors is nine megabytes of this, and opening the file is mostly reading it:
 * so the text is walked once, and a token is looked at where it lies. Only one that the end of a
 * piece cuts is copied, and only a string with an escape is decoded. The grammar is RFC 8259's to
 * the letter; what is accepted beyond it (comments, NaN, a comma before a bracket) by others is not
 * here, since two readers of a header must not see two headers. */
#include "loader/core/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/json_string.h"

/* What may come next. */
typedef enum Expect {
    EXPECT_VALUE, EXPECT_FIRST_ITEM, EXPECT_FIRST_KEY, EXPECT_KEY, EXPECT_COLON, EXPECT_COMMA,
    EXPECT_END
} Expect;

/* Tokens of more than one byte. */
typedef enum Token { TOKEN_NONE, TOKEN_STRING, TOKEN_NUMBER, TOKEN_WORD } Token;

struct JsonReader {
    const JsonEvents *events;    /* borrowed */
    void *context;               /* of the events; borrowed */
    char *what;                  /* name of the document, for errors; owned */
    Error *err;                  /* of the call in progress; borrowed */
    uint64_t before;             /* position of the piece; between pieces, of the next one */
    const char *piece, *at;      /* the piece, and the byte in it behind the token; else NULL */
    uint64_t token;              /* position of the token's first byte */
    Expect expect;
    unsigned depth;              /* open maps and lists */
    bool is_map[JSON_DEPTH];     /* which of them are maps */
    bool failed;                 /* nothing more is parsed */
    Token cut_token;             /* what the end of the last piece has cut, TOKEN_NONE: nothing */
    bool escaped;                /* that one ends in a backslash, which takes the next byte */
    bool simple;                 /* the token was seen to be well-formed when its end was found */
    Text cut, decoded;           /* its bytes so far; a string's characters; owned, reused */
};

/* -- Errors ---------------------------------------------------------------------------- */

static bool refuse(JsonReader *reader, uint64_t position, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(JsonReader *reader, uint64_t position, const char *format, ...)
{
    Text what = {0};
    va_list args;
    va_start(args, format);
    text_addv(&what, format, args);
    va_end(args);
    error_set(reader->err, ERR_FORMAT, "%s: malformed JSON: %s (byte %" PRIu64 ")", reader->what,
              text_string(&what), position);
    text_done(&what);
    return false;
}

static bool in_map(const JsonReader *reader)
{
    return reader->depth && reader->is_map[reader->depth - 1];
}

static const char *expected(const JsonReader *reader)
{
    static const char *const words[] = {
        [EXPECT_VALUE] = "a value",           [EXPECT_FIRST_ITEM] = "a value or ']'",
        [EXPECT_FIRST_KEY] = "a key or '}'",  [EXPECT_KEY] = "a key",
        [EXPECT_COLON] = "':'",               [EXPECT_COMMA] = "',' or ']'",
        [EXPECT_END] = "the end",
    };
    return reader->expect == EXPECT_COMMA && in_map(reader) ? "',' or '}'"
                                                            : words[reader->expect];
}

static bool refuse_byte(JsonReader *reader, char found)
{
    bool shown = found > ' ' && found < 0x7F;
    return refuse(reader, reader->token, shown ? "%s must stand where '%c' does"
                  : "%s must stand where byte 0x%02x does", expected(reader),
                  (unsigned char)found);
}

/* -- Tokens ---------------------------------------------------------------------------- */

/* What stands between the quotes, of which the first is where the token begins. */
static bool check_string(JsonReader *reader, const char **text, size_t *n)
{
    if (reader->simple) return true;
    size_t bad;
    const char *fault = json_decode(text, n, &reader->decoded, &bad);
    return !fault || refuse(reader, reader->token + 1 + bad, "%s", fault);
}

static bool expects_value(const JsonReader *reader)
{
    return reader->expect == EXPECT_VALUE || reader->expect == EXPECT_FIRST_ITEM;
}

static bool expects_key(const JsonReader *reader)
{
    return reader->expect == EXPECT_KEY || reader->expect == EXPECT_FIRST_KEY;
}

static void value_ended(JsonReader *reader)
{
    reader->expect = reader->depth ? EXPECT_COMMA : EXPECT_END;
}

static bool take_string(JsonReader *reader, const char *text, size_t n)
{
    const JsonEvents *events = reader->events;
    if (!check_string(reader, &text, &n)) return false;
    if (expects_key(reader)) {
        reader->expect = EXPECT_COLON;
        return !events->map_key || events->map_key(reader->context, text, n);
    }
    value_ended(reader);
    return !events->string || events->string(reader->context, text, n);
}

static size_t count_digits(const char *p, const char *end)
{
    const char *start = p;
    while (p < end && *p >= '0' && *p <= '9') p++;
    return (size_t)(p - start);
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool is_number(const char *p, size_t n)
{
    const char *end = p + n;
    if (p < end && *p == '-') p++;
    size_t digits = count_digits(p, end);
    if (!digits || (digits > 1 && *p == '0')) return false;
    p += digits;
    if (p < end && *p == '.') {
        digits = count_digits(++p, end);
        if (!digits) return false;
        p += digits;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        digits = count_digits(p, end);
        if (!digits) return false;
        p += digits;
    }
    return p == end;
}

static bool take_number(JsonReader *reader, const char *text, size_t n)
{
    const JsonEvents *events = reader->events;
    if (!reader->simple && !is_number(text, n))
        return refuse(reader, reader->token, "'%.*s' is no number", n < 40 ? (int)n : 40, text);
    value_ended(reader);
    return !events->number || events->number(reader->context, text, n);
}

static bool take_word(JsonReader *reader, const char *text, size_t n)
{
    const JsonEvents *events = reader->events;
    bool truth = n == 4 && memcmp(text, "true", n) == 0;
    value_ended(reader);
    if (truth || (n == 5 && memcmp(text, "false", n) == 0))
        return !events->boolean || events->boolean(reader->context, truth);
    if (n == 4 && memcmp(text, "null", n) == 0)
        return !events->null || events->null(reader->context);
    return refuse(reader, reader->token, "'%.*s' is none of true, false and null",
                  n < 40 ? (int)n : 40, text);
}

static bool take_token(JsonReader *reader, Token token, const char *text, size_t n)
{
    switch (token) {
    case TOKEN_STRING: return take_string(reader, text, n);
    case TOKEN_NUMBER: return take_number(reader, text, n);
    default: return take_word(reader, text, n);
    }
}

/* The quote that closes a string whose text goes on at p; NULL: not before `end`. */
static const char *closing_quote(JsonReader *reader, const char *p, const char *end)
{
    const char *quote = p < end ? memchr(p, '"', (size_t)(end - p)) : NULL;
    reader->simple = quote && !reader->escaped && json_is_plain(p, (size_t)(quote - p));
    if (reader->simple) return quote;
    for (; p < end; p++) {
        if (reader->escaped) reader->escaped = false;
        else if (*p == '"') return p;
        else reader->escaped = *p == '\\';
    }
    return NULL;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_of_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* The first byte from p on that is of no number; simple when all before it are digits. */
static const char *number_end(JsonReader *reader, const char *p, const char *end)
{
    const char *start = p;
    p += count_digits(p, end);
    reader->simple = p > start && (*start != '0' || p - start == 1);
    if (p < end && !is_of_number(*p)) return p;
    reader->simple = false;
    while (p < end && is_of_number(*p)) p++;
    return p;
}

/* The byte behind a token that goes on at p (of a string: its closing quote), or NULL where it
 * may go on behind `end`. */
static const char *token_end(JsonReader *reader, Token token, const char *p, const char *end)
{
    if (token == TOKEN_STRING) return closing_quote(reader, p, end);
    if (token == TOKEN_NUMBER) p = number_end(reader, p, end);
    else while (p < end && is_letter(*p)) p++;
    return p < end ? p : NULL;
}

/* Reads a token whose text begins at *p, which moves behind it. */
static bool read_token(JsonReader *reader, Token token, const char **p, const char *end)
{
    const char *text = *p, *last = token_end(reader, token, text, end);
    if (!last) {
        text_addn(&reader->cut, text, (size_t)(end - text));
        reader->cut_token = token;
        *p = end;
        return true;
    }
    reader->at = *p = last + (token == TOKEN_STRING);
    return take_token(reader, token, text, (size_t)(last - text));
}

/* Goes on with the token that the last piece has begun. */
static bool read_cut(JsonReader *reader, const char **p, const char *end)
{
    Token token = reader->cut_token;
    const char *last = token_end(reader, token, *p, end);
    text_addn(&reader->cut, *p, (size_t)((last ? last : end) - *p));
    *p = end;
    if (!last) return true;
    reader->at = *p = last + (token == TOKEN_STRING);
    reader->cut_token = TOKEN_NONE;
    reader->simple = false;              /* its beginning was not looked at */
    bool fine = take_token(reader, token, text_string(&reader->cut), reader->cut.length);
    text_clear(&reader->cut);
    return fine;
}

/* The limit bounds whoever keeps something of each open level, as trees do (json_tree.c). */
static bool open_level(JsonReader *reader, bool is_map)
{
    const JsonEvents *events = reader->events;
    if (reader->depth == JSON_DEPTH)
        return error_set(reader->err, ERR_LIMIT, "%s: JSON nested deeper than %d (byte %" PRIu64
                         ")", reader->what, JSON_DEPTH, json_reader_position(reader));
    reader->is_map[reader->depth++] = is_map;
    reader->expect = is_map ? EXPECT_FIRST_KEY : EXPECT_FIRST_ITEM;
    bool (*event)(void *) = is_map ? events->start_map : events->start_list;
    return !event || event(reader->context);
}

static bool close_level(JsonReader *reader, bool is_map)
{
    const JsonEvents *events = reader->events;
    reader->depth--;
    value_ended(reader);
    bool (*event)(void *) = is_map ? events->end_map : events->end_list;
    return !event || event(reader->context);
}

/* Behind the last item of a level, or in an empty one; of what kind the level is must fit too. */
static bool may_close(const JsonReader *reader, bool is_map)
{
    return reader->depth && in_map(reader) == is_map &&
           (reader->expect == EXPECT_COMMA || reader->expect == EXPECT_FIRST_KEY ||
            reader->expect == EXPECT_FIRST_ITEM);
}

/* Reads what begins at *p, which is no white space. */
static bool read_next(JsonReader *reader, const char **p, const char *end)
{
    const char *start = (*p)++;
    reader->token = reader->before + (uint64_t)(start - reader->piece);
    reader->at = *p;
    switch (*start) {
    case '"':
        if (!expects_value(reader) && !expects_key(reader)) break;
        return read_token(reader, TOKEN_STRING, p, end);
    case ',':
        if (reader->expect != EXPECT_COMMA) break;
        reader->expect = in_map(reader) ? EXPECT_KEY : EXPECT_VALUE;
        return true;
    case ':':
        if (reader->expect != EXPECT_COLON) break;
        reader->expect = EXPECT_VALUE;
        return true;
    case '{': case '[':
        return expects_value(reader) ? open_level(reader, *start == '{')
                                     : refuse_byte(reader, *start);
    case '}': case ']':
        return may_close(reader, *start == '}') ? close_level(reader, *start == '}')
                                                : refuse_byte(reader, *start);
    default:
        if (!expects_value(reader) || !(is_letter(*start) || is_of_number(*start))) break;
        *p = start;
        return read_token(reader, is_letter(*start) ? TOKEN_WORD : TOKEN_NUMBER, p, end);
    }
    return refuse_byte(reader, *start);
}

/* -- The reader ------------------------------------------------------------------------ */

JsonReader *json_reader_new(const JsonEvents *events, void *context, const char *what)
{
    JsonReader *reader = mem_alloc(sizeof *reader);
    *reader = (JsonReader){.events = events, .context = context, .what = mem_strdup(what)};
    return reader;
}

void json_reader_free(JsonReader *reader)
{
    if (!reader) return;
    text_done(&reader->cut);
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
    return reader->before + (uint64_t)(reader->piece ? reader->at - reader->piece : 0);
}

uint64_t json_reader_token(const JsonReader *reader)
{
    return reader->token;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

bool json_reader_feed(JsonReader *reader, const void *bytes, size_t n, Error *err)
{
    if (reader->failed) return false;
    if (!n) return true;
    const char *p = bytes, *end = p + n;
    reader->err = err;
    reader->piece = reader->at = p;
    bool fine = !reader->cut_token || read_cut(reader, &p, end);
    while (fine) {
        while (p < end && is_space(*p)) p++;
        if (p == end) break;
        fine = read_next(reader, &p, end);
    }
    reader->failed = !fine;
    reader->before += n;
    reader->piece = NULL;
    return fine;
}

/* A number or word that stands alone may end with the text; a string may not. */
bool json_reader_finish(JsonReader *reader, Error *err)
{
    if (reader->failed) return false;
    reader->err = err;
    Token token = reader->cut_token;
    if (token == TOKEN_STRING)
        return refuse(reader, reader->token, "the text ends in the string that begins here");
    if (token) {
        reader->cut_token = TOKEN_NONE;
        reader->simple = false;
        if (!take_token(reader, token, text_string(&reader->cut), reader->cut.length)) return false;
    }
    return reader->expect == EXPECT_END ||
           refuse(reader, reader->before, "the text ends where %s must stand", expected(reader));
}
