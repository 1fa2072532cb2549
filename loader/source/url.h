/* Url: where something lies on a network, taken apart and shown (RFC 3986).
 *
 *   SCHEME "://" [USER "@"] HOST [":" PORT] PATH ["?" QUERY]
 *
 * What secrets a URL has are in USER and QUERY (a signed link has its signature there), so what is
 * shown to people has neither. */
#ifndef LOADER_SOURCE_URL_H
#define LOADER_SOURCE_URL_H

#include <stdbool.h>

#include "loader/core/error.h"
#include "loader/core/text.h"

enum { URL_BYTES_MAX = 16384 };      /* of a URL that is believed */

typedef struct Url {
    const char *scheme;      /* lower case: "https" */
    const char *user;        /* "name:password" as written; NULL: none */
    const char *host;        /* lower case; IPv6 in its brackets; "" where a scheme has none */
    unsigned port;           /* 0: the scheme's own */
    const char *path;        /* as written, from the first '/'; "" where there is none */
    const char *query;       /* without '?'; NULL: none */
} Url;

/* Whether a name is a URL and no path: "SCHEME://…". */
bool url_is(const char *name);
/* Of what scheme it is: "hf" for "hf://…". */
bool url_has_scheme(const char *name, const char *scheme);
bool url_is_web(const char *name);               /* "https://…" or "http://…" */
/* Takes it apart into the arena; a fragment ('#…') is dropped. Refuses control bytes, blanks, ports
 * that are none and what is too long. */
bool url_parse(Arena *arena, const char *text, Url *url, Error *err);
/* The whole, with user and query. */
const char *url_text(Arena *arena, const Url *url);
/* What a redirect's Location means, seen from `base`; NULL, with an error: it means nothing. */
const char *url_join(Arena *arena, const Url *base, const char *location, Error *err);
/* The same scheme, host and port: who may be shown a secret may be shown it there too. */
bool url_same_origin(const Url *a, const Url *b);
/* The one that the scheme has where none is named. */
unsigned url_own_port(const Url *url);
/* localhost, 127.0.0.0/8 and [::1]: what is sent there stays on this machine. */
bool url_is_loopback(const Url *url);
/* A name for people: of a URL, without user, query and fragment; any other, and NULL, as it is. */
const char *url_shown(Arena *arena, const char *name);
/* Any text, with the URLs in it as url_shown has them: for what is printed or kept of what a user
 * typed, or of a script. A URL ends at a blank, a quote, '<', '>', ']' or a control character. */
void url_hide(const char *text, Text *out);
/* Percent-encodes all but A-Z a-z 0-9 - . _ ~ (and '/', where `slashes` are to stay). */
void url_encode(const char *bytes, bool slashes, Text *out);
/* Turns %XX into bytes; false for a '%' without two digits, and for %00. */
bool url_decode(const char *text, Text *out);

#endif
