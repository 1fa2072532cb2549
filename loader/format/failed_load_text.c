/* A text as it was before terminals, launchers and JSON loggers had it. */
#include "loader/format/failed_load.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/text.h"

enum { ESC = 0x1B, BEL = 0x07 };

/* Bytes of the escape sequence at p: colours (ESC [ … m), titles (ESC ] … BEL or ESC \), others of
 * two bytes. */
static size_t escape_length(const char *p, const char *end)
{
    enum { LONGEST = 4096 };
    size_t left = (size_t)(end - p), n = 2;
    if (left < 2) return left;
    if (left > LONGEST) left = LONGEST;
    if (p[1] == '[') {
        while (n < left && ((unsigned char)p[n] < 0x40 || (unsigned char)p[n] > 0x7E)) n++;
        return n < left ? n + 1 : n;
    }
    if (p[1] != ']') return 2;
    while (n < left && p[n] != BEL && p[n] != ESC) n++;
    if (n < left) n += p[n] == ESC && n + 1 < left ? 2 : 1;
    return n;
}

/* Bytes of what mail and issue trackers put before each quoted line: "> ", "> > ". No name begins
 * so. */
static size_t quote_length(const char *p, const char *end)
{
    size_t n = 0;
    while (p + n < end && p[n] == '>') n += p + n + 1 < end && p[n + 1] == ' ' ? 2 : 1;
    return n;
}

/* Bytes of what a launcher puts before each line: "[rank0]: ", "(RayWorker pid=12) ". */
static size_t launcher_length(const char *p, const char *end)
{
    enum { LONGEST = 80 };
    size_t left = (size_t)(end - p);
    if (left > LONGEST) left = LONGEST;
    if (left > 7 && memcmp(p, "[rank", 5) == 0) {
        size_t n = 5;
        while (n < left && is_digit(p[n])) n++;
        if (n > 5 && n + 1 < left && p[n] == ']' && p[n + 1] == ':')
            return n + 2 + (n + 2 < left && p[n + 2] == ' ');
    }
    const char *close = *p == '(' ? memchr(p, ')', left) : NULL;
    if (!close || !memmem(p, (size_t)(close - p), " pid=", 5)) return 0;
    return (size_t)(close - p) + 1 + (close + 1 < end && close[1] == ' ');
}

/* Whether quotes and line ends are escaped, as in a message inside JSON or a KeyError. */
static bool is_escaped(const char *text, size_t n)
{
    return memmem(text, n, "in state_dict: \\\"", 17) ||
           memmem(text, n, "in state_dict: \"{\\'", 18);
}

/* “ and ” of blogs and word processors, as a quote. */
static bool is_curly_quote(const char *p, const char *end)
{
    return end - p >= 3 && memcmp(p, "\xE2\x80", 2) == 0 &&
           ((unsigned char)p[2] == 0x9C || (unsigned char)p[2] == 0x9D);
}

/* NUL becomes a blank: names end at one. */
char *failed_load_clean(const char *text, size_t *n)
{
    char *clean = mem_alloc(*n + 1), *out = clean;
    const char *p = text, *end = text + *n;
    bool escaped = is_escaped(text, *n), fresh = true;
    while (p < end) {
        size_t skip = fresh ? quote_length(p, end) : 0;
        if (fresh && !skip) skip = launcher_length(p, end);
        if (*p == ESC) skip = escape_length(p, end);
        if (*p == '\r') skip = 1;
        if (skip) {
            p += skip;
            continue;
        }
        if (escaped && *p == '\\' && p + 1 < end && strchr("nt\"'", p[1])) {
            *out++ = p[1] == 'n' ? '\n' : p[1] == 't' ? '\t' : p[1];
            p += 2;
        } else if (is_curly_quote(p, end)) {
            *out++ = '"';
            p += 3;
        } else {
            *out++ = *p ? *p : ' ';
            p++;
        }
        fresh = out[-1] == '\n';
    }
    *out = '\0';
    *n = (size_t)(out - clean);
    return clean;
}
