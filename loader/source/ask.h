/* Ask: bytes of a RemotePlace, with everything that stands between asking and having them:
 * redirects, signatures, tries, and the proof that what came is what was asked for.
 *
 * An Authorization, and every other secret, goes to the place's own server alone: never to another
 * host, port or scheme that a redirect names. https never becomes http. */
#ifndef LOADER_SOURCE_ASK_H
#define LOADER_SOURCE_ASK_H

#include "loader/source/http.h"
#include "loader/source/remote_place.h"

/* Which file it is: once known, every later answer must be of the same one. */
typedef struct RemoteVersion {
    const char *etag;        /* as the server wrote it; NULL: it said none */
    const char *modified;    /* likewise */
    uint64_t size;           /* bytes */
} RemoteVersion;

typedef struct Ask {
    const char *url;         /* where to begin, when that is known from an earlier answer; NULL: the
                                place's URL. Borrowed */
    bool head;               /* only what would be said */
    bool stay;               /* a redirect to another host is the answer, and not followed */
    bool whole;              /* an answer with everything instead of the range is one too */
    uint64_t from, n;        /* the range; n = 0: all from `from` on */
    const RemoteVersion *known;  /* NULL: not yet; borrowed */
    const char *match;       /* without it: a strong ETag that parts are to be of, else everything
                                is to come; `begin` sees which. NULL: none. Borrowed */
    /* As in HttpCall; `begin` comes again with each try. `body` gets the bytes at from + done, and
     * with `whole`, where the server begins at 0 anew, no byte twice. May be NULL. */
    bool (*begin)(void *context, const HttpHead *head, Error *err);
    bool (*body)(void *context, const void *bytes, size_t n, Error *err);
    void *context;
    const atomic_bool *stop; /* gives it up, and those beside it; NULL: nothing more does */
    /* What came of it; ask_done frees. */
    uint64_t done;           /* bytes that went to `body` */
    HttpHead answer;         /* the last header; texts live until ask_done */
    const char *landed;      /* the URL that gave it */
    Arena *arena;
} Ask;

enum { ASKS_MAX = 8 };       /* at once */

/* All of them beside each other, until each has everything. False at the first that cannot be had,
 * with an error that begins with the place's name. */
bool ask_all(RemotePlace *place, Ask *asks, size_t count, Error *err);
void ask_done(Ask *ask);
/* Reads a small document whole (an answer of an API): NUL-terminated, malloc'd; at most `most`
 * bytes. */
char *ask_text(RemotePlace *place, const char *url, size_t most, size_t *n, Error *err);

#endif
