/* The text of JSON strings. */
#include "loader/core/json_string.h"

#include <stdint.h>
#include <string.h>

/* Eight bytes at a time, the last eight once more: of a byte that is below 0x20, a backslash, a
 * quote, or not below 0x80, the highest bit comes out set. */
bool json_is_plain(const char *p, size_t n)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x80 * ones;
    uint64_t word, hit = 0;
    if (n < sizeof word) {
        for (size_t i = 0; i < n; i++)
            if ((signed char)p[i] < ' ' || p[i] == '\\' || p[i] == '"') return false;
        return true;
    }
    for (size_t i = 0; i < n; i += sizeof word) {
        memcpy(&word, p + (i < n - sizeof word ? i : n - sizeof word), sizeof word);
        hit |= word | (word - ' ' * ones) | ((word ^ '\\' * ones) - ones) |
               ((word ^ '"' * ones) - ones);
    }
    return !(hit & high);
}

/* The number that follows a \u at p, or UINT32_MAX. */
static uint32_t read_hex(const char *p, const char *end)
{
    if (end - p < 4) return UINT32_MAX;
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
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

/* Decodes the \u at *p, which moves behind it; false when four digits do not follow. A high
 * surrogate takes the low one behind it:
 * code = 0x10000 + (high - 0xD800) · 0x400 + (low - 0xDC00). */
static bool decode_unicode(const char **p, const char *end, Text *out)
{
    uint32_t code = read_hex(*p + 2, end);
    if (code == UINT32_MAX) return false;
    *p += 6;
    if (code >= 0xD800 && code < 0xDC00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        uint32_t low = read_hex(*p + 2, end);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            *p += 6;
        }
    }
    add_escaped(out, code);
    return true;
}

/* The escapes of *text into *out, which *text and *n name afterwards. */
static const char *decode_escapes(const char **text, size_t *n, Text *out, size_t *bad)
{
    static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    text_clear(out);
    for (const char *p = *text, *end = p + *n; p < end;) {
        const char *mark = memchr(p, '\\', (size_t)(end - p));
        text_addn(out, p, (size_t)((mark ? mark : end) - p));
        if (!mark) break;
        *bad = (size_t)(mark - *text);
        const char *known = memchr(escapes, mark[1], sizeof escapes - 1);
        p = known ? mark + 2 : mark;
        if (known) text_addc(out, meant[known - escapes]);
        else if (mark[1] != 'u') return "only one of \"\\/bfnrtu may follow a \\ in a string";
        else if (!decode_unicode(&p, end, out)) return "\\u must be followed by four hex digits";
    }
    *text = text_string(out);
    *n = out->length;
    return NULL;
}

const char *json_decode(const char **text, size_t *n, Text *out, size_t *bad)
{
    if (json_is_plain(*text, *n)) return NULL;
    size_t control = 0;
    while (control < *n && (unsigned char)(*text)[control] >= ' ') control++;
    if (!utf8_check(*text, control, bad) && (*bad < control || control == *n))
        return "no UTF-8 text";
    *bad = control;
    if (control < *n) return "a control character in a string must be written as \\u00XX";
    return memchr(*text, '\\', *n) ? decode_escapes(text, n, out, bad) : NULL;
}
