/* URLs, by RFC 3986: section 3 for the parts, 5.2 for what is relative, 2.1 for escapes. */
#include "loader/source/url.h"

#include <stdio.h>
#include <string.h>

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* The length of a scheme that "://" follows; 0: there is none. */
static size_t scheme_length(const char *name)
{
    size_t n = 0;
    while (is_alpha(name[n]) || (n && (is_digit(name[n]) || strchr("+-.", name[n])) && name[n]))
        n++;
    return n && strncmp(name + n, "://", 3) == 0 ? n : 0;
}

bool url_is(const char *name)
{
    return scheme_length(name) > 0;
}

bool url_has_scheme(const char *name, const char *scheme)
{
    size_t n = scheme_length(name);
    if (!n || n != strlen(scheme)) return false;
    for (size_t i = 0; i < n; i++)
        if (lower(name[i]) != scheme[i]) return false;
    return true;
}

bool url_is_web(const char *name)
{
    return url_has_scheme(name, "https") || url_has_scheme(name, "http");
}

static const char *keep_lower(Arena *arena, const char *text, size_t n)
{
    char *copy = arena_strndup(arena, text, n);
    for (size_t i = 0; i < n; i++) copy[i] = lower(copy[i]);
    return copy;
}

static bool refuse(Arena *arena, const char *text, const char *why, Error *err)
{
    Text shown = {0};
    show_short(url_shown(arena, text), 300, &shown);
    error_set(err, ERR_USAGE, "%s: is no URL: %s", text_string(&shown), why);
    text_done(&shown);
    return false;
}

/* "HOST", "HOST:PORT", "[IPv6]:PORT"; n bytes. NULL, or what is wrong. */
static const char *parse_host(Arena *arena, const char *text, size_t n, Url *url)
{
    const char *bracket = n && text[0] == '[' ? memchr(text, ']', n) : NULL;
    const char *from = bracket ? bracket : text;
    const char *colon = memchr(from, ':', n - (size_t)(from - text));
    size_t length = colon ? (size_t)(colon - text) : n;
    uint64_t port = 0;
    if (n && text[0] == '[' && (!bracket || bracket + 1 != text + length))
        return "a bracket of its host is not closed";
    if (colon && colon + 1 < text + n &&
        (!parse_digits(colon + 1, n - length - 1, &port) || !port || port > 65535))
        return "its port is none";
    url->host = keep_lower(arena, text, length);
    url->port = (unsigned)port;
    return NULL;
}

bool url_parse(Arena *arena, const char *text, Url *url, Error *err)
{
    *url = (Url){0};
    size_t scheme = scheme_length(text), length = strlen(text);
    if (!scheme) return refuse(arena, text, "it begins with no scheme", err);
    if (length > URL_BYTES_MAX) return refuse(arena, text, "it is too long", err);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7F)
            return refuse(arena, text, "it has blanks or control characters (write %20)", err);
    url->scheme = keep_lower(arena, text, scheme);
    const char *start = text + scheme + 3;
    size_t authority = strcspn(start, "/?#");
    const char *path = start + authority, *host = start;
    for (const char *p = start; p < path; p++)
        if (*p == '@') host = p + 1;
    if (host > start) url->user = arena_strndup(arena, start, (size_t)(host - 1 - start));
    const char *wrong = parse_host(arena, host, (size_t)(path - host), url);
    if (wrong) return refuse(arena, text, wrong, err);
    size_t n = strcspn(path, "?#");
    url->path = arena_strndup(arena, path, n);
    if (path[n] == '?')
        url->query = arena_strndup(arena, path + n + 1, strcspn(path + n + 1, "#"));
    return true;
}

const char *url_text(Arena *arena, const Url *url)
{
    Text text = {0};
    text_addf(&text, "%s://", url->scheme);
    if (url->user) text_addf(&text, "%s@", url->user);
    text_add(&text, url->host);
    if (url->port) text_addf(&text, ":%u", url->port);
    text_add(&text, url->path);
    if (url->query) text_addf(&text, "?%s", url->query);
    return text_keep(&text, arena);
}

/* Section 5.2.4: "." and ".." are taken out. `path` begins with '/'. */
static const char *plain_path(Arena *arena, const char *path)
{
    Text out = {0};
    for (const char *p = path; *p;) {
        size_t n = 1 + strcspn(p + 1, "/");
        bool last = !p[n];
        if (n == 2 && p[1] == '.') {
            if (last) text_addc(&out, '/');
        } else if (n == 3 && p[1] == '.' && p[2] == '.') {
            while (out.length && out.bytes[--out.length] != '/') continue;
            if (last) text_addc(&out, '/');
        } else {
            text_addn(&out, p, n);
        }
        p += n;
    }
    return text_keep(&out, arena);
}

const char *url_join(Arena *arena, const Url *base, const char *location, Error *err)
{
    const char *whole = NULL;
    size_t n = strcspn(location, "?#");
    if (!*location) {
        refuse(arena, location, "a redirect leads nowhere", err);
        return NULL;
    }
    if (has_prefix(location, "//")) {
        whole = arena_printf(arena, "%s:%s", base->scheme, location);
    } else if (!url_is(location)) {
        const char *path = arena_strndup(arena, location, n), *slash = strrchr(base->path, '/');
        Url joined = *base;
        if (!n) path = base->path;
        else if (*path != '/')
            path = arena_printf(arena, "%.*s/%s", slash ? (int)(slash - base->path) : 0,
                                base->path, path);
        joined.path = plain_path(arena, path);
        joined.query = location[n] == '?' ? arena_strndup(arena, location + n + 1,
                                                          strcspn(location + n + 1, "#"))
                                          : NULL;
        whole = url_text(arena, &joined);
    }
    if (!whole) whole = arena_strdup(arena, location);
    Url checked;
    return url_parse(arena, whole, &checked, err) ? whole : NULL;
}

unsigned url_own_port(const Url *url)
{
    return strcmp(url->scheme, "https") == 0 ? 443 : 80;
}

static unsigned port_of(const Url *url)
{
    return url->port ? url->port : url_own_port(url);
}

bool url_same_origin(const Url *a, const Url *b)
{
    return strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0 &&
           port_of(a) == port_of(b);
}

/* Only an address in its usual form: "127.evil.example" is a name like any other. */
bool url_is_loopback(const Url *url)
{
    unsigned part[4];
    char more;
    if (strcmp(url->host, "localhost") == 0 || strcmp(url->host, "[::1]") == 0) return true;
    if (strspn(url->host, "0123456789.") != strlen(url->host)) return false;
    return sscanf(url->host, "%3u.%3u.%3u.%3u%c", &part[0], &part[1], &part[2], &part[3],
                  &more) == 4 && part[0] == 127;
}

/* Works on what url_parse refuses too: its error is one of the places that show a URL. */
const char *url_shown(Arena *arena, const char *name)
{
    size_t scheme = name ? scheme_length(name) : 0;
    if (!scheme) return name;
    const char *start = name + scheme + 3, *end = start + strcspn(start, "/?#"), *host = start;
    for (const char *p = start; p < end; p++)
        if (*p == '@') host = p + 1;
    if (url_has_scheme(name, "hf")) host = start;      /* hf://ORG/REPO@REV has no user */
    return arena_printf(arena, "%.*s%.*s", (int)(start - name), name, (int)strcspn(host, "?#"),
                        host);
}

/* The scheme's first byte, seen from "://"; `from` bounds it. */
static const char *scheme_start(const char *from, const char *colon)
{
    const char *start = colon;
    while (start > from && (is_alpha(start[-1]) || is_digit(start[-1]) || strchr("+-.", start[-1])))
        start--;
    while (start < colon && !is_alpha(*start)) start++;
    return start;
}

static size_t url_length(const char *url)
{
    size_t n = 0;
    while ((unsigned char)url[n] > ' ' && url[n] != 0x7F && !strchr("\"'`<>]", url[n])) n++;
    return n;
}

void url_hide(const char *text, Text *out)
{
    Arena *arena = arena_new();
    const char *from = text;
    for (const char *colon; (colon = strstr(from, "://"));) {
        const char *start = scheme_start(from, colon);
        size_t n = url_length(start);
        text_addn(out, from, (size_t)(start - from));
        text_add(out, url_shown(arena, arena_strndup(arena, start, n)));
        from = start + n;
    }
    text_add(out, from);
    arena_free(arena);
}

void url_encode(const char *bytes, bool slashes, Text *out)
{
    for (const char *p = bytes; *p; p++) {
        if (is_alpha(*p) || is_digit(*p) || strchr("-._~", *p) || (slashes && *p == '/'))
            text_addc(out, *p);
        else
            text_addf(out, "%%%02X", (unsigned)(unsigned char)*p);
    }
}

static int hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool url_decode(const char *text, Text *out)
{
    for (const char *p = text; *p; p++) {
        int high = 0, low = 0;
        if (*p != '%') {
            text_addc(out, *p);
            continue;
        }
        if ((high = hex_digit(p[1])) < 0 || (low = hex_digit(p[2])) < 0 || high + low == 0)
            return false;
        text_addc(out, (char)(high * 16 + low));
        p += 2;
    }
    return true;
}
