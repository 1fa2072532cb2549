/* Regex: Python's re.sub on PCRE2; see regex.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "loader/align/regex.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/pattern.h"
#include "loader/core/memory.h"

/* A piece of the replacement: literal bytes, then what a group matched. */
typedef struct Piece {
    size_t start, length;        /* of the bytes in Regex.literals */
    uint32_t group;              /* NO_GROUP: none */
} Piece;

enum { NO_GROUP = UINT32_MAX };

struct Regex {
    const char *pattern;         /* as written; borrowed */
    Text translated;             /* as PCRE2 reads it */
    uint32_t *places;            /* owned: where each of its bytes comes from in the pattern */
    size_t place_room;
    pcre2_code *utf, *bytes;     /* owned; NULL until it is needed */
    pcre2_match_data *data;      /* owned; for either, since their groups are the same */
    pcre2_match_context *limits; /* owned */
    Text literals;
    Piece *pieces;               /* owned, growing */
    size_t piece_count, piece_room;
};

/* ---- the pattern in PCRE2's spelling ---- */

/* Bytes that come from `at` of the pattern. */
static void emit(Regex *regex, const char *bytes, size_t n, size_t at)
{
    regex->places = mem_grow(regex->places, &regex->place_room, regex->translated.length + n + 1,
                             sizeof *regex->places);
    for (size_t i = 0; i < n; i++)
        regex->places[regex->translated.length + i] = (uint32_t)(at + i);
    text_addn(&regex->translated, bytes, n);
}

static void emit_text(Regex *regex, const char *text, size_t at)
{
    emit(regex, text, strlen(text), at);
}

/* `\u12ab` and `\U000012ab`: n hexadecimal digits. */
static bool emit_code_point(Regex *regex, size_t at, size_t n, Error *err)
{
    const char *digits = regex->pattern + at + 2;
    Text spelled = {0};
    if (strspn(digits, "0123456789abcdefABCDEF") < n)
        return error_set(err, ERR_RULE, "%zu hexadecimal digits belong behind \\%c (at %zu)", n,
                         digits[-1], at + 1);
    text_addf(&spelled, "\\x{%.*s}", (int)n, digits);
    emit_text(regex, text_string(&spelled), at);
    text_done(&spelled);
    return true;
}

/* An escape at `at`; *length is how much of the pattern it takes. Letters that Python does not
 * know are errors there as well. */
static bool emit_escape(Regex *regex, size_t at, bool in_class, size_t *length, Error *err)
{
    const char c = regex->pattern[at + 1];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    *length = 2;
    if (!c) return error_set(err, ERR_RULE, "a \\ stands at the end (at %zu)", at + 1);
    if (c == 'u' || c == 'U') {
        *length = c == 'u' ? 6 : 10;
        return emit_code_point(regex, at, *length - 2, err);
    }
    if (letter && (!strchr("AbBdDsSwWZafnrtvx", c) || (in_class && strchr("ABZ", c))))
        return error_set(err, ERR_RULE, "there is no escape \\%c%s (at %zu)", c,
                         in_class ? " in a class" : "", at + 1);
    if (c == 'Z') emit_text(regex, "\\z", at);
    else if (c == 'v') emit_text(regex, "\\x0b", at);
    else emit(regex, regex->pattern + at, 2, at);
    return true;
}

/* `{,3}` is `{0,3}` in Python. */
static bool is_open_count(const char *at)
{
    if (at[0] != '{' || at[1] != ',') return false;
    return at[2 + strspn(at + 2, "0123456789")] == '}';
}

/* A class from its `[` to its `]`, a `]` at the beginning being literal. PCRE2 would take
 * `[:alpha:]` inside for a name. */
static bool emit_class(Regex *regex, size_t at, size_t *end, Error *err)
{
    const char *const pattern = regex->pattern;
    size_t i = at + 1;
    if (pattern[i] == '^') i++;
    if (pattern[i] == ']') i++;
    emit(regex, pattern + at, i - at, at);
    while (pattern[i] && pattern[i] != ']') {
        size_t length = 1;
        if (pattern[i] == '\\') {
            if (!emit_escape(regex, i, true, &length, err)) return false;
        } else {
            if (pattern[i] == '[') emit_text(regex, "\\", i);
            emit(regex, pattern + i, 1, i);
        }
        i += length;
    }
    if (pattern[i]) emit(regex, pattern + i, 1, i);
    *end = i + (pattern[i] != '\0');
    return true;
}

static bool translate(Regex *regex, Error *err)
{
    const char *const pattern = regex->pattern;
    for (size_t i = 0; pattern[i];) {
        size_t length = 1;
        if (pattern[i] == '\\') {
            if (!emit_escape(regex, i, false, &length, err)) return false;
            i += length;
        } else if (pattern[i] == '[') {
            if (!emit_class(regex, i, &i, err)) return false;
        } else if (pattern[i] == '(' && pattern[i + 1] == '*') {
            return error_set(err, ERR_RULE, "there is nothing to repeat (at %zu)", i + 2);
        } else {
            emit(regex, pattern + i, 1, i);
            if (is_open_count(pattern + i)) emit_text(regex, "0", i);
            i++;
        }
    }
    return true;
}

/* ---- compiling ---- */

/* Newlines are \n alone, as in Python, whatever PCRE2 was built with. */
static pcre2_code *compile(const Regex *regex, uint32_t options, Error *err)
{
    int code;
    PCRE2_SIZE offset;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, 200);
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)text_string(&regex->translated), regex->translated.length,
                      options | PCRE2_NEVER_BACKSLASH_C, &code, &offset, context);
    pcre2_compile_context_free(context);
    if (compiled) return compiled;
    PCRE2_UCHAR message[128];
    if (pcre2_get_error_message(code, message, sizeof message) < 0) *message = '\0';
    const size_t place = offset < regex->translated.length ? regex->places[offset]
                                                           : strlen(regex->pattern);
    error_set(err, ERR_RULE, "%s (at %zu)", (const char *)message, place + 1);
    return NULL;
}

/* The compiled pattern for text or for bytes; each is made when it is first needed. */
static pcre2_code *code_for(Regex *regex, bool utf, Error *err)
{
    pcre2_code **code = utf ? &regex->utf : &regex->bytes;
    if (!*code) *code = compile(regex, utf ? PCRE2_UTF | PCRE2_UCP : 0, err);
    return *code;
}

/* ---- the replacement ---- */

/* Ends the literal bytes that began at `start` with a group. */
static void add_piece(Regex *regex, size_t *start, uint32_t group)
{
    regex->pieces = mem_grow(regex->pieces, &regex->piece_room, regex->piece_count + 1,
                             sizeof *regex->pieces);
    regex->pieces[regex->piece_count++] =
        (Piece){*start, regex->literals.length - *start, group};
    *start = regex->literals.length;
}

static bool take_group(Regex *regex, uint64_t group, size_t *start, size_t place, Error *err)
{
    uint32_t count = 0;
    pcre2_pattern_info(regex->utf ? regex->utf : regex->bytes, PCRE2_INFO_CAPTURECOUNT, &count);
    if (group > count)
        return error_set(err, ERR_RULE, "in the replacement: there is no group %llu (at %zu)",
                         (unsigned long long)group, place + 1);
    add_piece(regex, start, (uint32_t)group);
    return true;
}

/* `\g<…>` at `at`: a number or a name. */
static bool take_named(Regex *regex, const char *text, size_t at, size_t *length, size_t *start,
                       Error *err)
{
    const char *name = text + at + 3, *end = text[at + 2] == '<' ? strchr(name, '>') : NULL;
    uint64_t number;
    if (!end || end == name)
        return error_set(err, ERR_RULE, "in the replacement: \\g<GROUP> is not complete (at %zu)",
                         at + 1);
    const size_t n = (size_t)(end - name);
    *length = n + 4;
    if (parse_digits(name, n, &number)) return take_group(regex, number, start, at, err);
    char *copy = mem_alloc(n + 1);
    memcpy(copy, name, n);
    const int group = pcre2_substring_number_from_name(regex->utf ? regex->utf : regex->bytes,
                                                       (PCRE2_SPTR)copy);
    free(copy);
    if (group < 0)
        return error_set(err, ERR_RULE, "in the replacement: there is no group '%.*s' (at %zu)",
                         (int)(n < 60 ? n : 60), name, at + 1);
    return take_group(regex, (uint64_t)group, start, at, err);
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* `\0`, `\012`, `\1`, `\12`: an octal code when it begins with 0 or has three octal digits, else a
 * group of one or two digits. */
static bool take_digits(Regex *regex, const char *text, size_t at, size_t *length, size_t *start,
                        Error *err)
{
    const char *d = text + at + 1;
    size_t n = 1;
    if (d[0] == '0') {
        while (n < 3 && is_octal(d[n])) n++;
    } else if (is_digit(d[1])) {
        n = 2;
        if (is_octal(d[0]) && is_octal(d[1]) && is_octal(d[2])) n = 3;
    }
    *length = n + 1;
    if (d[0] != '0' && n < 3)
        return take_group(regex, n == 1 ? (uint64_t)(d[0] - '0')
                                        : (uint64_t)((d[0] - '0') * 10 + (d[1] - '0')),
                          start, at, err);
    unsigned code = 0;
    for (size_t i = 0; i < n; i++) code = code * 8 + (unsigned)(d[i] - '0');
    if (code > 0377 || code == 0)
        return error_set(err, ERR_RULE, "in the replacement: %s (at %zu)",
                         code ? "an octal code above \\377" : "a NUL", at + 1);
    utf8_add(&regex->literals, code);   /* up to \377, those of Latin-1 */
    return true;
}

/* An escape at `at`. A backslash before anything but letters and digits stays, as in Python. */
static bool take_escape(Regex *regex, const char *text, size_t at, size_t *length, size_t *start,
                        Error *err)
{
    static const char letters[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";
    const char c = text[at + 1], *letter = c ? strchr(letters, c) : NULL;
    *length = 2;
    if (!c)
        return error_set(err, ERR_RULE, "in the replacement: a \\ stands at the end (at %zu)",
                         at + 1);
    if (c == 'g') return take_named(regex, text, at, length, start, err);
    if (is_digit(c)) return take_digits(regex, text, at, length, start, err);
    if ((c >= 'a' && c <= 'z' && !letter) || (c >= 'A' && c <= 'Z'))
        return error_set(err, ERR_RULE, "in the replacement: there is no escape \\%c (at %zu)", c,
                         at + 1);
    if (letter) text_addc(&regex->literals, values[letter - letters]);
    else text_addn(&regex->literals, text + at, 2);
    return true;
}

static bool take_replacement(Regex *regex, const char *text, Error *err)
{
    size_t start = 0, length;
    for (size_t i = 0; text[i]; i += length) {
        length = 1;
        if (text[i] == '\\') {
            if (!take_escape(regex, text, i, &length, &start, err)) return false;
        } else {
            text_addc(&regex->literals, text[i]);
        }
    }
    add_piece(regex, &start, NO_GROUP);
    return true;
}

/* ---- the object ---- */

void regex_set_steps(Regex *regex, uint32_t steps)
{
    pcre2_set_match_limit(regex->limits, steps);
}

/* A pattern that is no UTF-8 can only look at bytes. */
Regex *regex_new(const char *pattern, const char *replacement, Error *err)
{
    Regex *regex = mem_alloc(sizeof *regex);
    regex->pattern = pattern;
    regex->limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(regex->limits, REGEX_STEPS_MAX);
    pcre2_set_depth_limit(regex->limits, REGEX_DEPTH_MAX);
    pcre2_set_heap_limit(regex->limits, REGEX_HEAP_MAX);
    const bool utf = utf8_valid(pattern, strlen(pattern));
    pcre2_code *code = translate(regex, err) ? code_for(regex, utf, err) : NULL;
    if (code) regex->data = pcre2_match_data_create_from_pattern(code, NULL);
    if (code && take_replacement(regex, replacement, err)) return regex;
    regex_free(regex);
    return NULL;
}

void regex_free(Regex *regex)
{
    if (!regex) return;
    text_done(&regex->translated);
    text_done(&regex->literals);
    free(regex->places);
    free(regex->pieces);
    if (regex->data) pcre2_match_data_free(regex->data);
    pcre2_match_context_free(regex->limits);
    pcre2_code_free(regex->utf);
    pcre2_code_free(regex->bytes);
    free(regex);
}

/* ---- replacing ---- */

/* What PCRE2 gave up for, in words. */
static bool refuse_match(int code, Error *err)
{
    PCRE2_UCHAR message[128];
    if (code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_DEPTHLIMIT ||
        code == PCRE2_ERROR_HEAPLIMIT)
        return error_set(err, ERR_LIMIT, "takes too long: a pattern that can be matched in too "
                         "many ways, as (a|aa)+b can");
    if (pcre2_get_error_message(code, message, sizeof message) < 0) *message = '\0';
    return error_set(err, ERR_RULE, "%s", (const char *)message);
}

bool regex_find(Regex *regex, const char *name, bool *found, Error *err)
{
    const size_t n = strlen(name);
    const bool utf = regex->utf && utf8_valid(name, n);
    pcre2_code *code = code_for(regex, utf, err);
    *found = false;
    if (!code) return error_prefix(err, "no UTF-8, and to bytes the pattern says");
    const int groups = pcre2_match(code, (PCRE2_SPTR)name, n, 0, utf ? PCRE2_NO_UTF_CHECK : 0,
                                   regex->data, regex->limits);
    *found = groups >= 0;
    return groups >= 0 || groups == PCRE2_ERROR_NOMATCH || refuse_match(groups, err);
}

/* A group that took no part in the match gives nothing. */
static bool add_replacement(const Regex *regex, const char *name, const PCRE2_SIZE *ends,
                            uint32_t groups, Text *out, Error *err)
{
    for (size_t i = 0; i < regex->piece_count; i++) {
        const Piece *piece = &regex->pieces[i];
        if (piece->length)
            text_addn(out, text_string(&regex->literals) + piece->start, piece->length);
        if (piece->group < groups && ends[2 * piece->group] != PCRE2_UNSET)
            text_addn(out, name + ends[2 * piece->group],
                      ends[2 * piece->group + 1] - ends[2 * piece->group]);
        if (out->length > RULE_NAME_MAX)
            return error_set(err, ERR_LIMIT, "makes a name of more than %d bytes", RULE_NAME_MAX);
    }
    return true;
}

/* As re.sub: behind an empty match the next may not be empty in the same place; behind another
 * one it may. What lies between matches is copied. */
bool regex_replace(Regex *regex, const char *name, uint64_t count, Text *out, bool *changed,
                   Error *err)
{
    const size_t n = strlen(name);
    const bool utf = regex->utf && utf8_valid(name, n);
    pcre2_code *code = code_for(regex, utf, err);
    size_t at = 0, copied = 0;
    uint32_t options = 0;
    *changed = false;
    if (!code) return error_prefix(err, "no UTF-8, and to bytes the pattern says");
    for (uint64_t done = 0; at <= n && (!count || done < count); done++) {
        const int groups = pcre2_match(code, (PCRE2_SPTR)name, n, at,
                                       options | (utf ? PCRE2_NO_UTF_CHECK : 0), regex->data,
                                       regex->limits);
        if (groups == PCRE2_ERROR_NOMATCH) break;
        if (groups < 0) return refuse_match(groups, err);
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(regex->data);
        if (ends[0] > ends[1] || ends[0] < copied)
            return error_set(err, ERR_RULE, "a match that ends before it begins");
        text_addn(out, name + copied, ends[0] - copied);
        if (!add_replacement(regex, name, ends, (uint32_t)groups, out, err)) return false;
        at = copied = ends[1];
        options = ends[0] == ends[1] ? PCRE2_NOTEMPTY_ATSTART : 0;
        *changed = true;
    }
    if (*changed) text_addn(out, name + copied, n - copied);
    return true;
}
