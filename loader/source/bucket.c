/* The answers are XML of which little is wanted:
 *
 *   <ListBucketResult> <IsTruncated>true</IsTruncated>
 *     <NextContinuationToken>TOKEN</NextContinuationToken>
 *     <Contents> <Key>PERCENT-ENCODED</Key> <Size>123</Size> … </Contents> …
 *   </ListBucketResult>
 *
 * Elements are looked for by their names; none of these holds another of its name. */
#include "loader/source/bucket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"
#include "loader/core/memory.h"

enum { ANSWER_BYTES = 8 << 20, TOKEN_BYTES = 4096 };

/* The text between <NAME> and </NAME> in [from, end); NULL: there is none. */
static const char *find_element(const char *from, const char *end, const char *name, size_t *n)
{
    char open[40], close[40];
    snprintf(open, sizeof open, "<%s>", name);
    snprintf(close, sizeof close, "</%s>", name);
    const char *start = strstr(from, open);
    if (!start || start >= end) return NULL;
    start += strlen(open);
    const char *stop = strstr(start, close);
    if (!stop || stop > end) return NULL;
    *n = (size_t)(stop - start);
    return start;
}

/* The five entities that XML knows by itself. */
static const char *unescape(Arena *arena, const char *text, size_t n)
{
    static const struct { const char *name; char c; } entities[] = {
        {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    Text out = {0};
    for (size_t i = 0; i < n;) {
        size_t skip = 1;
        char c = text[i];
        for (size_t k = 0; c == '&' && skip == 1 && k < countof(entities); k++) {
            size_t length = strlen(entities[k].name);
            if (n - i < length || strncmp(text + i, entities[k].name, length) != 0) continue;
            c = entities[k].c;
            skip = length;
        }
        text_addc(&out, c);
        i += skip;
    }
    return text_keep(&out, arena);
}

/* A key as it was encoded: with '+' for a blank. NULL: it is none. */
static const char *read_key(Arena *arena, const char *text, size_t n)
{
    Text out = {0};
    char *encoded = arena_strdup(arena, unescape(arena, text, n));
    for (char *p = encoded; *p; p++)
        if (*p == '+') *p = ' ';
    bool fine = url_decode(encoded, &out);
    const char *key = text_keep(&out, arena);
    return fine ? key : NULL;
}

/* An object of no bytes whose name ends in a slash stands for a folder. */
static bool add_object(Arena *arena, const char *from, const char *end, const char *prefix,
                       BucketPage *page, Error *err)
{
    size_t n, digits;
    RemoteFile file = {.has_size = true};
    const char *text = find_element(from, end, "Key", &n);
    const char *size = find_element(from, end, "Size", &digits);
    const char *key = text ? read_key(arena, text, n) : NULL;
    if (!key || !has_prefix(key, prefix) || !size || !parse_digits(size, digits, &file.size))
        return error_set(err, ERR_NETWORK, "the server's listing has an object without a name or a "
                         "size");
    page->seen++;
    file.name = key + strlen(prefix);
    if (!*file.name || has_suffix(file.name, "/")) return true;
    page->files = mem_grow(page->files, &page->room, page->count + 1, sizeof *page->files);
    page->files[page->count++] = file;
    return true;
}

bool bucket_read(Arena *arena, const char *text, const char *prefix, BucketPage *page, Error *err)
{
    size_t n;
    const char *end = text + strlen(text), *from, *truncated;
    page->token = NULL;
    if (!strstr(text, "<ListBucketResult"))
        return error_set(err, ERR_NETWORK, "the server's answer is no listing of a bucket");
    for (const char *at = text; (from = find_element(at, end, "Contents", &n)); at = from + n)
        if (!add_object(arena, from, from + n, prefix, page, err)) return false;
    truncated = find_element(text, end, "IsTruncated", &n);
    if (!truncated || strncmp(truncated, "true", n) != 0) return true;
    const char *token = find_element(text, end, "NextContinuationToken", &n);
    if (!token || !n || n > TOKEN_BYTES)
        return error_set(err, ERR_NETWORK, "the server's listing does not say how it goes on");
    page->token = unescape(arena, token, n);
    return true;
}

static int compare_files(const void *a, const void *b)
{
    return natural_compare(((const RemoteFile *)a)->name, ((const RemoteFile *)b)->name);
}

/* One answer after the other; each adds something, or it would never end. */
static bool read_pages(Arena *arena, const char *name, BucketPage *page, Error *err)
{
    const char *rest = strstr(name, "://") + 3, *token = NULL;
    char more[LIMIT_TEXT];
    rest += strcspn(rest, "/");
    do {
        RemotePlace place;
        size_t n, before = page->seen;
        if (!remote_place_find_listing(&place, name, token, err)) return false;
        char *text = ask_text(&place, place.url, ANSWER_BYTES, &n, err);
        bool fine = text && (bucket_read(arena, text, *rest ? rest + 1 : "", page, err) ||
                             error_prefix(err, "%.300s", place.shown));
        if (fine && page->seen > limit(LIMIT_FOLDER_FILES))
            fine = error_set(err, ERR_LIMIT, "%.300s: files in a folder, %s", place.shown,
                             limit_text(LIMIT_FOLDER_FILES, more));
        if (fine && page->token && page->seen == before)
            fine = error_set(err, ERR_NETWORK, "%.300s: the server's listing has no end",
                             place.shown);
        free(text);
        remote_place_done(&place);
        if (!fine) return false;
        token = page->token;
    } while (token);
    return true;
}

bool bucket_list(Arena *arena, const char *name, const RemoteFile **files, size_t *count,
                 Error *err)
{
    BucketPage page = {0};
    bool fine = read_pages(arena, name, &page, err);
    if (fine && !page.count)
        fine = error_set(err, ERR_NOT_FOUND, "%.300s: there is nothing in it, or no such folder",
                         url_shown(arena, name));
    if (fine) {
        qsort(page.files, page.count, sizeof *page.files, compare_files);
        *files = arena_copy(arena, page.files, page.count * sizeof *page.files);
        *count = page.count;
    }
    free(page.files);
    return fine;
}
