/* Calls whose value is thrown away: `cast "f16"` on a line of its own.
 *
 * To Lua that is a statement, and to an op it means nothing: an op does something in a rule only.
 * Whether a call was one cannot be asked of Lua, so its text is read. After the end of an
 * expression, or of a block, a name can only begin a statement; after anything else it belongs to
 * an expression. So the token before the name tells, and no more of the grammar is needed. */
#include <ctype.h>
#include <string.h>

#include "scripting/script_state.h"

/* A place in a chunk's text, behind a token. */
typedef struct Cursor {
    const char *at, *end;    /* what is left */
    int line;                /* of `at`, from 1 */
} Cursor;

static void step_to(Cursor *cursor, const char *to)
{
    for (; cursor->at < to; cursor->at++) cursor->line += *cursor->at == '\n';
}

/* [[ … ]], [==[ … ]==]: the end of the long bracket that begins at `at`; NULL when none does. */
static const char *long_end(const char *at, const char *end)
{
    const char *p = at + 1;
    while (p < end && *p == '=') p++;
    if (at >= end || *at != '[' || p >= end || *p != '[') return NULL;
    const size_t level = (size_t)(p - at) - 1;
    for (p++; (p = memchr(p, ']', (size_t)(end - p))); p++) {
        const char *q = p + 1;
        while (q < end && *q == '=') q++;
        if (q < end && *q == ']' && (size_t)(q - p) - 1 == level) return q + 1;
    }
    return end;
}

static const char *quoted_end(const char *at, const char *end)
{
    for (const char *p = at + 1; p < end; p++) {
        if (*p == '\\') p++;
        else if (*p == *at) return p + 1;
    }
    return end;
}

/* White space and comments. */
static void skip_blank(Cursor *cursor)
{
    for (;;) {
        const char *p = cursor->at, *const end = cursor->end;
        while (p < end && isspace((unsigned char)*p)) p++;
        if (end - p >= 2 && p[0] == '-' && p[1] == '-') {
            const char *const close = long_end(p + 2, end);
            const char *const newline = memchr(p, '\n', (size_t)(end - p));
            p = close ? close : newline ? newline : end;
        }
        if (p == cursor->at) return;
        step_to(cursor, p);
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The length of the next token; numbers are words here, and signs come one by one. 0 at the end. */
static size_t token_length(const Cursor *cursor)
{
    const char *p = cursor->at, *const end = cursor->end;
    if (p == end) return 0;
    if (*p == '"' || *p == '\'') return (size_t)(quoted_end(p, end) - p);
    const char *const close = long_end(p, end);
    if (close) return (size_t)(close - p);
    while (p < end && is_word(*p)) p++;
    return p > cursor->at ? (size_t)(p - cursor->at) : 1;
}

static bool is_token(const char *token, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(token, word, n) == 0;
}

/* Whether a name behind this token begins a statement; n is 0 at the start of the text. */
static bool ends_statement(const char *token, size_t n)
{
    static const char *const goes_on[] = {"and", "or", "not", "return", "in", "if", "elseif", "for",
                                          "while", "until", "function", "local", "goto"};
    for (size_t i = 0; i < countof(goes_on); i++)
        if (is_token(token, n, goes_on[i])) return false;
    return !n || is_word(token[0]) || strchr(")]};\"'", token[0]) || (n > 1 && token[0] == '[');
}

bool bare_call(const Chunk *chunk, int line, const char *name)
{
    Cursor cursor = {chunk->text, chunk->text + chunk->n, 1};
    const char *before = "";
    size_t n = 0, length;
    for (skip_blank(&cursor); (length = token_length(&cursor)) && cursor.line <= line;) {
        if (cursor.line == line && is_token(cursor.at, length, name) && ends_statement(before, n))
            return true;
        before = cursor.at;
        n = length;
        step_to(&cursor, cursor.at + length);
        skip_blank(&cursor);
    }
    return false;
}
