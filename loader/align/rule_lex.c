/* The small words of rule text; see rule_lex.h. None of these functions recurses, however
 * deep a text nests: rule text may come with a file, and be made for it. */
#include "loader/align/rule_lex.h"

#include <string.h>

/* ---- bytes and words ---- */

/* ASCII alone: what Lua takes for a name, whatever the locale. */
bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

/* Names of captures and of counters. */
bool is_word(const char *text, const char *end)
{
    if (text == end || is_digit(*text)) return false;
    while (text < end && is_word_byte(*text)) text++;
    return text == end;
}

bool has_word(const char *text, size_t n, const char *word)
{
    size_t m = strlen(word);
    for (size_t i = 0; i + m <= n; i++)
        if (memcmp(text + i, word, m) == 0 && (!i || !is_word_byte(text[i - 1])) &&
            (i + m == n || !is_word_byte(text[i + m])))
            return true;
    return false;
}

/* Both ends move inwards, at most until they meet. */
void trim(const char **text, const char **end)
{
    while (*text < *end && is_space(**text)) ++*text;
    while (*text < *end && is_space((*end)[-1])) --*end;
}

/* Newlines are white space here; where they end a statement is rule_text.c's business. */
const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at)) at++;
    return at;
}

/* ---- brackets and quotes ---- */

/* A backslash takes the byte behind it along; which escapes are allowed is read_quoted's
 * affair. */
const char *skip_quoted(const char *at, const char *end)
{
    char quote = *at++;
    for (; at < end && *at != quote; at++)
        if (*at == '\\' && at + 1 < end) at++;
    return at < end ? at + 1 : NULL;
}

/* An apostrophe opens a Lua string only where another one closes it on the same line: on the
 * left it may as well be part of an alternative. */
static const char *skip_apostrophe(const char *at, const char *end)
{
    const char *line = memchr(at, '\n', (size_t)(end - at));
    const char *behind = skip_quoted(at, line ? line : end);
    return behind ? behind : at + 1;
}

/* `{p:"}"|a}` ends at the second brace. Nesting is counted, not recursed into. */
const char *skip_braced(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = skip_quoted(at, end);
            if (!at) return NULL;
        } else if (*at == '\'') {
            at = skip_apostrophe(at, end);
        } else {
            if (*at == '{') depth++;
            if (*at == '}' && --depth == 0) return at + 1;
            at++;
        }
    }
    return NULL;
}

/* The closing bracket has as many '=' as the opening one: [==[ … ]==]. */
const char *skip_long_string(const char *at, const char *end)
{
    const char *start = at++;
    while (at < end && *at == '=') at++;
    if (*start != '[' || at == end || *at != '[') return start;
    size_t level = (size_t)(at - start) - 1;
    for (at++; at < end; at++) {
        if (*at != ']') continue;
        const char *close = at + 1;
        while (close < end && *close == '=') close++;
        if ((size_t)(close - at) - 1 == level && close < end && *close == ']') return close + 1;
    }
    return NULL;
}

/* -1 for what is no hexadecimal digit. */
static int hex_value(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* One escape; `at` is behind its backslash. \x00 becomes C0 80, which is how held names write a
 * NUL: their strings end at a real one. */
static const char *read_escape(const char *at, const char *end, Text *out, Error *err)
{
    if (at < end && (*at == '"' || *at == '\\')) {
        text_addc(out, *at);
        return at + 1;
    }
    int high = end - at >= 3 && *at == 'x' ? hex_value(at[1]) : -1;
    int low = high >= 0 ? hex_value(at[2]) : -1;
    if (low < 0) {
        error_set(err, ERR_RULE, "in quotes only \\\", \\\\ and \\xHH are escapes");
        return NULL;
    }
    if (high || low) text_addc(out, (char)(high * 16 + low));
    else text_addn(out, "\xC0\x80", 2);
    return at + 3;
}

/* ---- what they mean ---- */

/* A NUL that stands in the text as such is treated like \x00. */
const char *read_quoted(const char *at, const char *end, Text *out, Error *err)
{
    for (at++; at < end && *at != '"';) {
        if (*at == '\\') {
            at = read_escape(at + 1, end, out, err);
            if (!at) return NULL;
        } else if (*at) {
            text_addc(out, *at++);
        } else {
            text_addn(out, "\xC0\x80", 2);
            at++;
        }
    }
    if (at < end) return at + 1;
    error_set(err, ERR_RULE, "a \" is not closed");
    return NULL;
}

/* A closing bracket without an opening one parts nothing and hides nothing. */
const char *find_separator(const char *at, const char *end, char separator)
{
    size_t depth = 0;
    while (at < end) {
        if (!depth && *at == separator) return at;
        if (*at == '"') {
            const char *behind = skip_quoted(at, end);
            at = behind ? behind : end;
            continue;
        }
        if (*at == '\'') {
            at = skip_apostrophe(at, end);
            continue;
        }
        if (strchr("({[", *at) && *at) depth++;
        if (depth && strchr(")}]", *at) && *at) depth--;
        at++;
    }
    return end;
}

/* ---- what stands in braces ---- */

/* Digits, a dash, digits, white space around; which numbers fit is for read_range to say. */
bool is_range(const char *text, const char *end)
{
    trim(&text, &end);
    const char *at = text;
    while (at < end && is_digit(*at)) at++;
    if (at == text || at == end || *at != '-') return false;
    const char *second = ++at;
    while (at < end && is_digit(*at)) at++;
    return at == end && at > second;
}

/* `a,b` and `0-31` are; `i`, `(i-1)//3` and `p:a|b` are not. */
bool is_anonymous(const char *text, const char *end)
{
    return find_separator(text, end, ',') < end || is_range(text, end);
}

/* {a, b} on the right stands for {a,b} on the left; what is in quotes stays as it is. */
char *squeeze(Arena *arena, const char *text, const char *end)
{
    char *copy = arena_alloc(arena, (size_t)(end - text) + 1);
    size_t n = 0;
    bool quoted = false;
    for (; text < end; text++) {
        if (quoted && *text == '\\' && text + 1 < end) copy[n++] = *text++;
        else if (*text == '"') quoted = !quoted;
        else if (!quoted && is_space(*text)) continue;
        copy[n++] = *text;
    }
    return copy;
}

