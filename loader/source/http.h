/* HTTP: requests that run beside each other, each to one server, once: no redirect is followed, and
 * nothing is tried again (see ask.h). The only file that knows libcurl.
 *
 * Connections stay open for later requests of the process. Whoever waits here is woken when the job
 * that it works for is cancelled (loader/core/job.h), or by http_watch's flag. */
#ifndef LOADER_SOURCE_HTTP_H
#define LOADER_SOURCE_HTTP_H

#include <stdatomic.h>
#include <stdint.h>

#include "loader/core/error.h"
#include "loader/source/http_head.h"

typedef enum HttpResult {
    HTTP_DONE,               /* a whole response, of whatever status */
    HTTP_STOPPED,            /* `begin` or `body` wanted no more of it */
    HTTP_BROKEN,             /* the connection failed, stalled or ended early: to be tried again */
    HTTP_FAILED,             /* what would fail again: a certificate, a malformed answer */
    HTTP_CANCELLED
} HttpResult;

typedef struct HttpCall {
    const char *url;             /* http or https; borrowed, as is all below */
    bool head;                   /* HEAD instead of GET */
    const char *const *headers;  /* "Name: value" */
    size_t header_count;
    const char *range;           /* "0-1023", "1024-"; NULL: everything */
    /* Called when all of the header is there; false, with `err` set: stop. */
    bool (*begin)(void *context, const HttpHead *head, Error *err);
    /* Bytes of the body, in their order; the same. NULL: they are passed over. */
    bool (*body)(void *context, const void *bytes, size_t n, Error *err);
    void *context;
    const atomic_bool *stop;     /* cancels it too; NULL: nothing more does */
    /* What came of it. */
    HttpHead head_lines;         /* to be freed with http_head_done */
    HttpResult result;
    Error err;                   /* unless DONE; without the URL: "what is wrong, remedy" */
} HttpCall;

/* Runs all of them until each has its result. */
void http_run(HttpCall *calls, size_t count);
/* Waits as long, unless cancelled (`stop` may be NULL): false then, with the error set. */
bool http_pause(unsigned milliseconds, const atomic_bool *stop, Error *err);
/* A flag of the whole process that cancels as well (Ctrl-C); before any request. */
void http_watch(const atomic_bool *stop);
/* How many requests the process has sent so far, and how many bytes of bodies came. */
void http_traffic(uint64_t *requests, uint64_t *bytes);

#endif
