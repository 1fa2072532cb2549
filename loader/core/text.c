#include "loader/core/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- The buffer: always one byte longer than its text, for the NUL ---------------------- */

void text_done(Text *text)
{
    free(text->bytes);
    *text = (Text){0};
}

char *text_keep(Text *text, Arena *arena)
{
    char *copy = arena_strdup(arena, text_string(text));
    text_done(text);
    return copy;
}

/* For texts that are filled again and again: a row, a line, a name under way. */
void text_clear(Text *text)
{
    text->length = 0;
    if (text->bytes) text->bytes[0] = '\0';
}

/* The first room is for a name, so that few texts ever move. */
void text_more(Text *text, size_t n)
{
    enum { FIRST = 64 };
    const size_t want = text->length + n + 1;
    if (want <= text->room) return;
    text->bytes = mem_grow(text->bytes, &text->room, want < FIRST ? FIRST : want, 1);
}

/* The bytes may hold NULs, but may not lie in this Text: growing moves it. */
void text_addn(Text *text, const void *bytes, size_t n)
{
    text_more(text, n);
    if (n) memcpy(text->bytes + text->length, bytes, n);
    text->length += n;
    text->bytes[text->length] = '\0';
}

void text_add(Text *text, const char *string)
{
    text_addn(text, string, strlen(string));
}

/* Written into the room that there is, which tells how much it takes; once more where that was not
 * enough, from a copy of the arguments. `args` itself is used up. */
void text_addv(Text *text, const char *format, va_list args)
{
    va_list again;
    text_more(text, 0);
    const size_t room = text->room - text->length;
    va_copy(again, args);
    int n = vsnprintf(text->bytes + text->length, room, format, args);
    if (n >= 0 && (size_t)n >= room) {
        text_more(text, (size_t)n);
        vsnprintf(text->bytes + text->length, (size_t)n + 1, format, again);
    }
    va_end(again);
    if (n >= 0) text->length += (size_t)n;
    text->bytes[text->length] = '\0';
}

void text_addf(Text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_addv(text, format, args);
    va_end(args);
}

size_t text_cut(const Text *text, size_t limit)
{
    if (text->length <= limit) return text->length;
    while (limit && ((unsigned char)text->bytes[limit] & 0xC0) == 0x80) limit--;
    return limit;
}

const char *text_string(const Text *text)
{
    return text->bytes ? text->bytes : "";
}

/* -- UTF-8 -----------------------------------------------------------------------------
 *
 *   0xxxxxxx                              U+0000..007F
 *   110xxxxx 10xxxxxx                     U+0080..07FF      lead C2..DF
 *   1110xxxx 10xxxxxx 10xxxxxx            U+0800..FFFF      lead E0..EF
 *   11110xxx 10xxxxxx 10xxxxxx 10xxxxxx   U+10000..10FFFF   lead F0..F4
 */

/* What a lead byte asks for; length 0: it begins no sequence. The second byte's range is narrower
 * after three of them (Unicode, table 3-7 "Well-Formed UTF-8 Byte Sequences"):
 *
 *   E0 A0..BF   F0 90..BF   no overlong form          F4 80..8F   nothing beyond U+10FFFF
 */
typedef struct Lead {
    unsigned char length, low, high;
} Lead;

static Lead read_lead(unsigned char c)
{
    if (c < 0x80) return (Lead){.length = 1};
    if (c < 0xC2 || c > 0xF4) return (Lead){0};
    return (Lead){.length = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4,
                  .low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80,
                  .high = c == 0xF4 ? 0x8F : 0xBF};
}

/* How many bytes at p stand as the lead byte asks: `length`, or the index of the first bad one. */
static size_t count_fitting(const unsigned char *p, const unsigned char *end, const Lead *lead)
{
    const size_t room = (size_t)(end - p), length = lead->length < room ? lead->length : room;
    if (length < 2) return length;
    if (p[1] < lead->low || p[1] > lead->high) return 1;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xC0) != 0x80) return i;
    return length;
}

/* Length of the well-formed sequence at p (surrogates allowed), 0 when there is none. */
static size_t sequence_length(const unsigned char *p, const unsigned char *end)
{
    const Lead lead = read_lead(p[0]);
    return count_fitting(p, end, &lead) == lead.length ? lead.length : 0;
}

/* A name that is no UTF-8 is still walked to its end: every stray byte gives a code of its own,
 * U+DC80 to U+DCFF, which no well-formed text has. */
uint32_t utf8_next(const char **at, const char *limit)
{
    const unsigned char *p = (const unsigned char *)*at, *end = (const unsigned char *)limit;
    if (p[0] == 0xC0 && end - p >= 2 && p[1] == 0x80) {
        *at += 2;
        return 0;
    }
    size_t n = sequence_length(p, end);
    *at += n ? n : 1;
    switch (n) {
    case 1: return p[0];
    case 2: return (uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
    case 3: return (uint32_t)(p[0] & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    case 4:
        return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 |
               (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
    default: return 0xDC00u + p[0];
    }
}

/* The reverse of utf8_next for all but stray bytes: U+DC80 is written in its 3-byte form. */
void utf8_add(Text *text, uint32_t code)
{
    char b[4];
    if (code < 0x80) {
        text_addc(text, (char)code);
    } else if (code < 0x800) {
        b[0] = (char)(0xC0 | code >> 6);
        b[1] = (char)(0x80 | (code & 0x3F));
        text_addn(text, b, 2);
    } else if (code < 0x10000) {
        b[0] = (char)(0xE0 | code >> 12);
        b[1] = (char)(0x80 | (code >> 6 & 0x3F));
        b[2] = (char)(0x80 | (code & 0x3F));
        text_addn(text, b, 3);
    } else {
        b[0] = (char)(0xF0 | code >> 18);
        b[1] = (char)(0x80 | (code >> 12 & 0x3F));
        b[2] = (char)(0x80 | (code >> 6 & 0x3F));
        b[3] = (char)(0x80 | (code & 0x3F));
        text_addn(text, b, 4);
    }
}

/* How many of n bytes are ASCII before the first that is not. Eight at a time: a header of 10 MB
 * is little else, and so are nearly all names. */
static size_t ascii_length(const char *bytes, size_t n)
{
    size_t i = 0;
    for (uint64_t word; n - i >= sizeof word; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        if (word & 0x8080808080808080u) break;
    }
    while (i < n && (unsigned char)bytes[i] < 0x80) i++;
    return i;
}

/* Stricter than sequence_length: JSON and safetensors know no surrogates, ED A0..BF xx. */
bool utf8_check(const char *bytes, size_t n, size_t *bad)
{
    const unsigned char *p = (const unsigned char *)bytes;
    for (size_t i = ascii_length(bytes, n); i < n; i += ascii_length(bytes + i, n - i)) {
        Lead lead = read_lead(p[i]);
        if (p[i] == 0xED) lead.high = 0x9F;
        const size_t fitting = count_fitting(p + i, p + n, &lead);
        i += fitting;
        *bad = i;
        if (!fitting || fitting < lead.length) return false;
    }
    return true;
}

bool utf8_valid(const char *bytes, size_t n)
{
    size_t bad;
    return utf8_check(bytes, n, &bad);
}

/* -- Names ----------------------------------------------------------------------------- */

const char *name_hold(Arena *arena, const void *bytes, size_t n)
{
    const char *p = bytes;
    if (!n || !memchr(p, '\0', n)) return arena_strndup(arena, p, n);
    Text held = {0};
    for (size_t i = 0; i < n; i++) {
        if (p[i]) text_addc(&held, p[i]);
        else text_addn(&held, "\xC0\x80", 2);
    }
    char *name = arena_strndup(arena, held.bytes, held.length);
    text_done(&held);
    return name;
}

/* C0 80 can only be a held NUL: as UTF-8 it would be overlong. */
void name_bytes(const char *name, Text *out)
{
    for (const char *p; (p = strstr(name, "\xC0\x80")); name = p + 2) {
        text_addn(out, name, (size_t)(p - name));
        text_addc(out, '\0');
    }
    text_add(out, name);
}

/* Asked of the raw bytes: a held NUL is a fine character in JSON (\u0000). */
bool name_is_text(const char *name)
{
    Text raw = {0};
    name_bytes(name, &raw);
    bool valid = utf8_valid(text_string(&raw), raw.length);
    text_done(&raw);
    return valid;
}

/* Characters that would move, hide or reverse what a terminal shows: control characters (C0, DEL,
 * C1), direction marks, line separators, the BOM, and all that Unicode calls default-ignorable,
 * since a key with one of them looks like the key without it: the soft hyphen, zero-width ones,
 * fillers, variation selectors, tags. Ascending. */
static const struct { uint32_t from, to; } unsafe[] = {
    {0x00, 0x1F}, {0x7F, 0x9F}, {0xAD, 0xAD}, {0x34F, 0x34F}, {0x61C, 0x61C}, {0x115F, 0x1160},
    {0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x200B, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x206F},
    {0x3164, 0x3164}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFFB},
    {0xFFFE, 0xFFFF}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

/* Most characters are ASCII, and told by the first two. */
static bool is_unsafe(uint32_t c)
{
    for (size_t i = 0; i < countof(unsafe) && c >= unsafe[i].from; i++)
        if (c <= unsafe[i].to) return true;
    return false;
}

/* Everything that comes from a file goes through here before it reaches a terminal: a name can
 * hold the escape sequences that clear a screen or retype a command. */
void name_show(const char *name, Text *out)
{
    const char *end = name + strlen(name);
    while (name < end) {
        const char *start = name;
        while (name < end && *name >= ' ' && *name <= '~') name++;   /* mostly the whole name */
        if (name > start) {
            text_addn(out, start, (size_t)(name - start));
            continue;
        }
        uint32_t c = utf8_next(&name, end);
        if (c == '\n') text_add(out, "\\n");
        else if (c == '\t') text_add(out, "\\t");
        else if (c == '\r') text_add(out, "\\r");
        else if (c >= 0xD800 && c <= 0xDFFF) text_addf(out, "\\u%04" PRIx32, c);
        else if (is_unsafe(c))
            text_addf(out, c < 0x100 ? "\\x%02" PRIx32 : c < 0x10000 ? "\\u%04" PRIx32
                                                       : "\\U%08" PRIx32, c);
        else text_addn(out, start, (size_t)(name - start));
    }
}

void show_short(const char *name, size_t limit, Text *out)
{
    Text shown = {0};
    name_show(name, &shown);
    const size_t n = text_cut(&shown, limit);
    text_addn(out, text_string(&shown), n);
    if (n < shown.length) text_add(out, "…");
    text_done(&shown);
}

/* -- Numbers for people ----------------------------------------------------------------
 *
 * 999.95 would be printed as 1000.0 and so belongs to the next unit. */

void show_bytes(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.95 && unit + 1 < countof(units)) value /= 1000, unit++;
    snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

/* Four digits are read at a glance, so shortening starts at 10,000. */
void show_count(uint64_t count, char out[32])
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P"};
    double value = (double)count;
    size_t unit = 0;
    if (count >= 10000)
        while (value >= 999.95 && unit + 1 < countof(units)) value /= 1000, unit++;
    if (unit) snprintf(out, 32, "%.1f %s", value, units[unit]);
    else snprintf(out, 32, "%" PRIu64, count);
}

/* The shortest that reads back, for people and for JSON alike. A double keeps any 15 digits, and
 * 17 tell one from all others, so one of the three lengths gives
 * the same bits again. A point marks what would read as an integer. */
void show_float(double value, char out[32])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, value);
        double back = strtod(out, NULL);
        if (memcmp(&back, &value, sizeof value) == 0) break;
    }
    if (isnan(value)) snprintf(out, 32, "nan");
    else if (!strpbrk(out, ".ein")) strcat(out, ".0");
}

/* The multiplication sign is one column wide, like the letter x that it is clearer than. */
void show_shape(const int64_t *dims, unsigned rank, Text *out)
{
    if (!dims) {
        text_add(out, "?");
        return;
    }
    if (!rank) text_add(out, "scalar");
    for (unsigned i = 0; i < rank; i++) text_addf(out, "%s%" PRId64, i ? "×" : "", dims[i]);
}

/* -- Comparing ------------------------------------------------------------------------- */

/* What is left of a text that is being compared. */
typedef struct Rest {
    const char *at, *end;
} Rest;

/* Moves behind a run of digits; returns them without leading zeros. */
static Rest take_digits(Rest *rest)
{
    while (rest->end - rest->at > 1 && *rest->at == '0' && is_digit(rest->at[1])) rest->at++;
    Rest digits = {rest->at, rest->at};
    while (rest->at < rest->end && is_digit(*rest->at)) rest->at++;
    digits.end = rest->at;
    return digits;
}

/* Compares the digit runs at both by value and moves behind them. Without leading zeros the longer
 * run is the larger number, so no run is too long for an integer. */
static int compare_numbers(Rest *a, Rest *b)
{
    Rest x = take_digits(a), y = take_digits(b);
    ptrdiff_t n = x.end - x.at, m = y.end - y.at;
    return n != m ? (n < m ? -1 : 1) : memcmp(x.at, y.at, (size_t)n);
}

int natural_compare_n(const char *a, size_t n, const char *b, size_t m)
{
    Rest x = {a, a + n}, y = {b, b + m};
    while (x.at < x.end && y.at < y.end) {
        if (is_digit(*x.at) && is_digit(*y.at)) {
            int order = compare_numbers(&x, &y);
            if (order) return order;
        } else if (*x.at != *y.at) {
            return (unsigned char)*x.at < (unsigned char)*y.at ? -1 : 1;
        } else {
            x.at++, y.at++;
        }
    }
    if (x.at < x.end || y.at < y.end) return x.at < x.end ? 1 : -1;
    int order = memcmp(a, b, n < m ? n : m);
    return order ? order : (n > m) - (n < m);
}

/* "07" and "7" are equal by value; their bytes at the end make the order total all the same, which
 * qsort needs. */
int natural_compare(const char *a, const char *b)
{
    return natural_compare_n(a, strlen(a), b, strlen(b));
}

const char *path_base(const char *path)
{
    const char *end = path + strlen(path);
    while (end > path + 1 && end[-1] == '/') end--;
    const char *start = end;
    while (start > path && start[-1] != '/') start--;
    return start;
}

char *path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return mem_strdup(".");
    char *folder = mem_strdup(path);
    folder[slash == path ? 1 : slash - path] = '\0';
    return folder;
}

bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* True of the empty suffix, and of the text itself. */
bool has_suffix(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return m <= n && memcmp(text + n - m, suffix, m) == 0;
}

/* K, M, G and T are powers of 1000, with an i behind them of 1024; the B may be missing. */
bool parse_bytes(const char *text, uint64_t *out)
{
    static const char letters[] = "kmgt";
    const size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits, *letter;
    uint64_t value;
    if (!parse_digits(text, digits, &value)) return false;
    if (*unit && (letter = strchr(letters, tolower((unsigned char)*unit)))) {
        const uint64_t step = tolower((unsigned char)unit[1]) == 'i' ? 1024 : 1000;
        for (size_t i = 0; i <= (size_t)(letter - letters); i++)
            if (!sum_mul(value, step, &value)) return false;
        unit += step == 1024 ? 2 : 1;
    }
    if (tolower((unsigned char)*unit) == 'b') unit++;
    *out = value;
    return !*unit;
}

bool parse_digits(const char *text, size_t n, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        if (!is_digit(text[i]) || !sum_mul(value, 10, &value) ||
            !sum_add(value, (uint64_t)(text[i] - '0'), &value))
            return false;
    *out = value;
    return n > 0;
}
