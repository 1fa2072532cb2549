/* Reads the few header lines that matter (RFC 9110, sections 5, 8.6, 8.8.3, 14.4). */
#include "loader/source/http_head.h"

#include <string.h>

typedef struct TextLine {
    const char *name;
    size_t member;           /* where in HttpHead its pointer is */
} TextLine;

#define HTTP_ROW(member, name) {name, offsetof(HttpHead, member)},
static const TextLine text_lines[] = {HTTP_TEXTS(HTTP_ROW)};
#undef HTTP_ROW

static bool name_is(const char *line, size_t n, const char *name)
{
    if (strlen(name) != n) return false;
    for (size_t i = 0; i < n; i++) {
        char c = line[i] >= 'A' && line[i] <= 'Z' ? (char)(line[i] + 32) : line[i];
        if (c != name[i]) return false;
    }
    return true;
}

/* Two different lengths are how one server's response becomes another's. */
static void take_length(HttpHead *head, const char *value, size_t n)
{
    uint64_t length;
    if (!parse_digits(value, n, &length)) head->wrong = "its Content-Length is no number";
    else if (head->has_length && head->length != length)
        head->wrong = "it has two Content-Lengths that differ";
    else head->length = length;
    head->has_length = true;
}

/* Digits up to `end`, which is passed over; false when they are none. */
static bool take_number(const char **p, const char *stop, char end, uint64_t *out)
{
    const char *at = memchr(*p, end, (size_t)(stop - *p));
    if (!at || !parse_digits(*p, (size_t)(at - *p), out)) return false;
    *p = at + 1;
    return true;
}

/* "bytes FROM-TO/TOTAL", with '*' for a total that is not known; '*' for the range with 416. */
static void take_range(HttpHead *head, const char *value, size_t n)
{
    const char *p = value, *stop = value + n;
    head->wrong = "its Content-Range is none";
    if (n < 6 || !name_is(value, 6, "bytes ") || head->has_range) return;
    head->has_range = true;
    p += 6;
    if (stop - p >= 2 && p[0] == '*' && p[1] == '/') {
        p += 2;
        head->unsatisfied = true;
    } else if (!take_number(&p, stop, '-', &head->from) ||
               !take_number(&p, stop, '/', &head->to) || head->to < head->from) {
        return;
    }
    head->has_total = parse_digits(p, (size_t)(stop - p), &head->total);
    if (!head->has_total && (head->unsatisfied || stop - p != 1 || *p != '*')) return;
    if (head->has_total && !head->unsatisfied && head->to >= head->total) return;
    head->wrong = NULL;
}

/* "HTTP/1.1 206 Partial Content" */
static void take_status(HttpHead *head, const char *line, size_t n)
{
    uint64_t status = 0;
    const char *blank = memchr(line, ' ', n);
    size_t left = blank ? n - (size_t)(blank + 1 - line) : 0;
    size_t bytes = head->bytes;
    bool fine = left >= 3 && (left == 3 || blank[4] == ' ') && parse_digits(blank + 1, 3, &status);
    http_head_done(head);
    head->bytes = bytes;
    head->status = (unsigned)status;
    if (!fine || status < 100 || status > 599) head->wrong = "its status line is none";
}

/* Bytes that cannot be shown are none that a value needs; a tag or a link may be sent back. */
static void take_text(HttpHead *head, const TextLine *line, const char *value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7F) {
            head->wrong = "a header of it has control characters";
            return;
        }
    if (!head->arena) head->arena = arena_new();
    const char *copy = arena_strndup(head->arena, value, n), *before;
    memcpy(&before, (char *)head + line->member, sizeof before);
    if (before && line->member == offsetof(HttpHead, google_hash))
        copy = arena_printf(head->arena, "%s,%s", before, copy);
    memcpy((char *)head + line->member, &copy, sizeof copy);
}

void http_head_line(HttpHead *head, const char *line, size_t n)
{
    while (n && (line[n - 1] == '\n' || line[n - 1] == '\r')) n--;
    head->bytes += n;
    if (head->bytes > HTTP_HEAD_BYTES) {
        head->wrong = "its header is too long";
        return;
    }
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        take_status(head, line, n);
        return;
    }
    const char *colon = memchr(line, ':', n);
    if (!colon || head->wrong) return;
    size_t name = (size_t)(colon - line);
    const char *value = colon + 1, *end = line + n;
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
    size_t length = (size_t)(end - value);
    if (name_is(line, name, "content-length")) take_length(head, value, length);
    if (name_is(line, name, "content-range")) take_range(head, value, length);
    for (size_t i = 0; i < countof(text_lines); i++)
        if (name_is(line, name, text_lines[i].name))
            take_text(head, &text_lines[i], value, length);
}

void http_head_done(HttpHead *head)
{
    arena_free(head->arena);
    *head = (HttpHead){0};
}

const char *http_etag(Arena *arena, const char *etag)
{
    if (!etag) return NULL;
    if (has_prefix(etag, "W/")) etag += 2;
    size_t n = strlen(etag);
    bool quoted = n >= 2 && etag[0] == '"' && etag[n - 1] == '"';
    if (quoted) return arena_strndup(arena, etag + 1, n - 2);
    return arena_strdup(arena, etag);
}

bool http_etag_is_strong(const char *etag)
{
    return etag && etag[0] == '"';
}
