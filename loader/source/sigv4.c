/* Signature Version 4, as "Signature Calculations for the Authorization Header" (Amazon S3 API
 * Reference) has it:
 *
 *   canonical = METHOD \n PATH \n QUERY, sorted \n NAME:VALUE \n … \n\n NAMES \n HASH OF THE BODY
 *   to sign   = "AWS4-HMAC-SHA256" \n TIME \n DATE/REGION/SERVICE/aws4_request \n sha256(canonical)
 *   key       = HMAC(HMAC(HMAC(HMAC("AWS4" SECRET, DATE), REGION), SERVICE), "aws4_request") */
#include "loader/source/sigv4.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "loader/source/checksum.h"

enum { DIGEST = CHECKSUM_BYTES, LINES_MAX = 16, PARTS_MAX = 64 };

static const char empty_hash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static void hmac(const void *key, size_t n, const char *text, unsigned char out[DIGEST])
{
    unsigned length = DIGEST;
    if (!HMAC(EVP_sha256(), key, (int)n, (const unsigned char *)text, strlen(text), out, &length))
        abort();
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* NAME=VALUE pairs in the order of their bytes; a name alone has an empty value. */
static const char *sort_query(Arena *arena, const char *query)
{
    const char *parts[PARTS_MAX];
    size_t count = 0;
    Text out = {0};
    for (const char *p = query; p && *p && count < PARTS_MAX;) {
        size_t n = strcspn(p, "&");
        const char *part = arena_strndup(arena, p, n);
        parts[count++] = strchr(part, '=') ? part : arena_printf(arena, "%s=", part);
        p += n + (p[n] == '&');
    }
    if (count) qsort(parts, count, sizeof *parts, compare);
    for (size_t i = 0; i < count; i++) text_addf(&out, "%s%s", i ? "&" : "", parts[i]);
    return text_keep(&out, arena);
}

/* The request as both sides write it; *names is "host;range;x-amz-date". */
static const char *canonical(Arena *arena, const SigV4 *request, const char **lines, size_t count,
                             const char **names)
{
    Text text = {0}, list = {0};
    qsort(lines, count, sizeof *lines, compare);
    text_addf(&text, "%s\n%s\n%s\n", request->method,
              request->url->path[0] ? request->url->path : "/",
              sort_query(arena, request->url->query));
    for (size_t i = 0; i < count; i++) {
        text_addf(&text, "%s\n", lines[i]);
        text_addf(&list, "%s%.*s", i ? ";" : "", (int)strcspn(lines[i], ":"), lines[i]);
    }
    *names = text_keep(&list, arena);
    text_addf(&text, "\n%s\n%s", *names, empty_hash);
    return text_keep(&text, arena);
}

static void sign(const AwsKeys *keys, const char *date, const char *service, const char *text,
                 char out[CHECKSUM_TEXT])
{
    unsigned char key[DIGEST], next[DIGEST];
    Text secret = {0};
    text_addf(&secret, "AWS4%s", keys->secret);
    hmac(secret.bytes, secret.length, date, key);
    OPENSSL_cleanse(secret.bytes, secret.length);
    text_done(&secret);
    hmac(key, DIGEST, keys->region, next);
    hmac(next, DIGEST, service, key);
    hmac(key, DIGEST, "aws4_request", next);
    hmac(next, DIGEST, text, key);
    checksum_show(key, DIGEST, out);
}

/* As the client sends it: a port only where it is not the scheme's own. */
static const char *host_line(Arena *arena, const Url *url)
{
    if (!url->port || url->port == url_own_port(url))
        return arena_printf(arena, "host:%s", url->host);
    return arena_printf(arena, "host:%s:%u", url->host, url->port);
}

size_t sigv4_sign(Arena *arena, const SigV4 *request, const char *headers[SIGV4_LINES])
{
    const AwsKeys *keys = request->keys;
    const char *lines[LINES_MAX], *names;
    char stamp[20], date[9], signature[CHECKSUM_TEXT], hash[CHECKSUM_TEXT];
    struct tm utc;
    size_t count = 0, sent = 0;
    gmtime_r(&request->now, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
    strftime(date, sizeof date, "%Y%m%d", &utc);
    headers[sent++] = arena_printf(arena, "x-amz-content-sha256:%s", empty_hash);
    headers[sent++] = arena_printf(arena, "x-amz-date:%s", stamp);
    if (keys->session)
        headers[sent++] = arena_printf(arena, "x-amz-security-token:%s", keys->session);
    for (; count < sent; count++) lines[count] = headers[count];
    lines[count++] = host_line(arena, request->url);
    for (size_t i = 0; i < request->line_count && count < LINES_MAX; i++)
        lines[count++] = request->lines[i];
    const char *text = canonical(arena, request, lines, count, &names);
    checksum_of(text, strlen(text), hash);
    const char *scope = arena_printf(arena, "%s/%s/%s/aws4_request", date, keys->region,
                                     request->service);
    sign(keys, date, request->service,
         arena_printf(arena, "AWS4-HMAC-SHA256\n%s\n%s\n%s", stamp, scope, hash), signature);
    headers[sent++] = arena_printf(arena, "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s,"
                                   "SignedHeaders=%s,Signature=%s", keys->id, scope, names,
                                   signature);
    return sent;
}
