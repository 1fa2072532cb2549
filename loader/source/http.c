/* libcurl's multi interface: each call is an easy handle, and one thread moves all of them. */
#include "loader/source/http.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "loader/core/clock.h"
#include "loader/core/job.h"
#include "loader/core/limits.h"
#include "loader/source/url.h"

enum {
    LOOK = 50,               /* milliseconds between two looks at whether to stop */
    KEPT = 16,               /* connection pools that wait for their next use */
    CONNECTIONS = 8,         /* of one pool to one host */
    BUFFER = 256 << 10
};

/* Connections outlive the calls, and so belong to the process: `idle` are those nobody uses. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static CURLM *idle[KEPT];
static size_t idle_count;
static const atomic_bool *watched;
static atomic_uint_least64_t sent, came;     /* requests, and bytes of bodies */

void http_watch(const atomic_bool *stop)
{
    watched = stop;
}

void http_traffic(uint64_t *requests, uint64_t *bytes)
{
    *requests = atomic_load_explicit(&sent, memory_order_relaxed);
    *bytes = atomic_load_explicit(&came, memory_order_relaxed);
}

static bool is_set(const atomic_bool *flag)
{
    return flag && atomic_load_explicit(flag, memory_order_relaxed);
}

static bool is_stopped(const atomic_bool *stop)
{
    return job_is_stopped() || is_set(watched) || is_set(stop);
}

/* One that is told to stop stops those beside it. */
static bool are_stopped(const HttpCall *calls, size_t count)
{
    bool stopped = is_stopped(NULL);
    for (size_t i = 0; i < count; i++) stopped = stopped || is_set(calls[i].stop);
    return stopped;
}

static void start_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) abort();
}

static CURLM *take_pool(void)
{
    pthread_once(&once, start_curl);
    pthread_mutex_lock(&lock);
    CURLM *pool = idle_count ? idle[--idle_count] : NULL;
    pthread_mutex_unlock(&lock);
    if (pool) return pool;
    pool = curl_multi_init();
    if (!pool) abort();
    curl_multi_setopt(pool, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS);
    return pool;
}

static void give_pool(CURLM *pool)
{
    pthread_mutex_lock(&lock);
    bool kept = idle_count < KEPT;
    if (kept) idle[idle_count++] = pool;
    pthread_mutex_unlock(&lock);
    if (!kept) curl_multi_cleanup(pool);
}

/* A call while it runs. */
typedef struct Flight {
    HttpCall *call;          /* borrowed */
    CURL *easy;              /* owned */
    struct curl_slist *lines;    /* owned */
    bool begun;              /* `begin` was called */
    bool stopped;            /* by `begin` or `body`, or by a header that is not believed */
    bool over;               /* it has its result */
    int64_t heard;           /* when something came last, as clock_ms has it */
    char text[CURL_ERROR_SIZE];
} Flight;

static bool stop(Flight *flight, HttpResult result)
{
    flight->call->result = result;
    flight->stopped = true;
    return false;
}

/* The header is complete; 1xx come before the one that counts. */
static bool begin(Flight *flight)
{
    HttpCall *call = flight->call;
    const HttpHead *head = &call->head_lines;
    if (head->status < 200) return true;
    flight->begun = true;
    if (head->wrong) {
        error_set(&call->err, ERR_NETWORK, "the server's answer cannot be believed: %s",
                  head->wrong);
        return stop(flight, HTTP_FAILED);
    }
    if (head->encoding && strcmp(head->encoding, "identity") != 0 &&
        strcmp(head->encoding, "aws-chunked") != 0) {
        error_set(&call->err, ERR_NETWORK,
                  "the server sends it compressed (%.40s) though nobody asked", head->encoding);
        return stop(flight, HTTP_FAILED);
    }
    return !call->begin || call->begin(call->context, head, &call->err) ||
           stop(flight, HTTP_STOPPED);
}

/* curl gives whole lines; an empty one ends the header. Trailers come after it, and are nothing. */
static size_t take_line(char *line, size_t size, size_t n, void *context)
{
    Flight *flight = context;
    (void)size;
    flight->heard = clock_ms();
    if (flight->begun) return n;
    if (n > 2 || (n && line[0] != '\r' && line[0] != '\n')) {
        http_head_line(&flight->call->head_lines, line, n);
        return n;
    }
    return begin(flight) ? n : 0;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *context)
{
    Flight *flight = context;
    HttpCall *call = flight->call;
    (void)size;
    flight->heard = clock_ms();
    atomic_fetch_add_explicit(&came, n, memory_order_relaxed);
    if (!call->body) return n;
    return call->body(call->context, bytes, n, &call->err) || stop(flight, HTTP_STOPPED) ? n : 0;
}

/* Which certificates are trusted: as the curl program has it. */
static void set_trust(CURL *easy)
{
    const char *file = getenv("CURL_CA_BUNDLE"), *folder = getenv("SSL_CERT_DIR");
    if (!file || !*file) file = getenv("SSL_CERT_FILE");
    if (file && *file) curl_easy_setopt(easy, CURLOPT_CAINFO, file);
    if (folder && *folder) curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
}

/* What is allowed because it stays on this machine does not go to a proxy. */
static void set_proxy(CURL *easy, const char *text)
{
    Url url;
    Arena *arena = arena_new();
    if (url_has_scheme(text, "http") && url_parse(arena, text, &url, NULL) &&
        url_is_loopback(&url))
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    arena_free(arena);
}

static void start(Flight *flight, HttpCall *call, CURLM *pool)
{
    CURL *easy = curl_easy_init();
    if (!easy) abort();
    *flight = (Flight){.call = call, .easy = easy, .heard = clock_ms()};
    call->err = (Error){0};
    call->head_lines = (HttpHead){0};
    for (size_t i = 0; i < call->header_count; i++)
        flight->lines = curl_slist_append(flight->lines, call->headers[i]);
    curl_easy_setopt(easy, CURLOPT_URL, call->url);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "tenon/" TENON_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, flight->lines);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);      /* the path is what was signed */
    curl_easy_setopt(easy, CURLOPT_NOBODY, call->head ? 1L : 0L);
    if (call->range) curl_easy_setopt(easy, CURLOPT_RANGE, call->range);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_line);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, flight);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);    /* a proxy's own */
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, flight);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)limit(LIMIT_REMOTE_SECONDS));
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, flight->text);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, flight);
    set_trust(easy);
    set_proxy(easy, call->url);
    curl_multi_add_handle(pool, easy);
    atomic_fetch_add_explicit(&sent, 1, memory_order_relaxed);
}

static bool may_help(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
        return true;
    default:
        return false;
    }
}

static void explain(const Flight *flight, CURLcode code)
{
    HttpCall *call = flight->call;
    const char *text = flight->text[0] ? flight->text : curl_easy_strerror(code);
    if (code == CURLE_OPERATION_TIMEDOUT)
        error_set(&call->err, ERR_NETWORK, "the server sent nothing for %" PRIu64
                  " s (--limit remote-seconds=N waits longer)", limit(LIMIT_REMOTE_SECONDS));
    else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        error_set(&call->err, ERR_NETWORK, "the server's certificate is not trusted: %.300s "
                  "(SSL_CERT_FILE names certificates to be trusted)", text);
    else if (code == CURLE_COULDNT_RESOLVE_HOST)
        error_set(&call->err, ERR_NETWORK, "%.300s; see whether its name is right and this machine "
                  "is on a network", text);
    else if (code == CURLE_COULDNT_RESOLVE_PROXY)
        error_set(&call->err, ERR_NETWORK, "%.300s; see https_proxy, http_proxy and no_proxy",
                  text);
    else
        error_set(&call->err, ERR_NETWORK, "%.300s", text);
}

static void finish(Flight *flight, CURLcode code)
{
    HttpCall *call = flight->call;
    flight->over = true;
    if (flight->stopped) return;
    if (code == CURLE_OK && flight->begun) {
        call->result = HTTP_DONE;
        return;
    }
    long proxy = 0;          /* what a proxy said to CONNECT */
    curl_easy_getinfo(flight->easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
    bool refused = proxy >= 400 && proxy < 500;
    call->result = !refused && (code == CURLE_OK || may_help(code)) ? HTTP_BROKEN : HTTP_FAILED;
    if (refused)
        error_set(&call->err, ERR_NETWORK, "the proxy refuses it (%ld); see https_proxy and "
                  "no_proxy", proxy);
    else explain(flight, code == CURLE_OK ? CURLE_GOT_NOTHING : code);
}

/* Those that are over get their results; how many. */
static size_t collect(CURLM *pool)
{
    int left;
    size_t ended = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(pool, &left));) {
        Flight *flight = NULL;
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&flight);
        finish(flight, code);
        ended++;
    }
    return ended;
}

/* Those from which nothing had come, by `now`, for as long as a server may be silent are given up;
 * how many. curl's own watch looks at the speed of some seconds, in which a body that stops seems
 * to go on. */
static size_t give_up_silent(CURLM *pool, Flight *flights, size_t count, int64_t now)
{
    size_t ended = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t silent = (now - flights[i].heard) / 1000;
        if (flights[i].over || silent < 0 || (uint64_t)silent < limit(LIMIT_REMOTE_SECONDS))
            continue;
        curl_multi_remove_handle(pool, flights[i].easy);
        finish(&flights[i], CURLE_OPERATION_TIMEDOUT);
        ended++;
    }
    return ended;
}

/* A write to a connection that the other side closed raises SIGPIPE, which elsewhere in the process
 * means that our own output has no reader. */
static void hold_pipe_signal(bool hold, sigset_t *before)
{
    sigset_t pipes;
    static const struct timespec now;
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    if (hold) {
        pthread_sigmask(SIG_BLOCK, &pipes, before);
        return;
    }
    while (!sigismember(before, SIGPIPE) && sigtimedwait(&pipes, NULL, &now) > 0) continue;
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

void http_run(HttpCall *calls, size_t count)
{
    CURLM *pool = take_pool();
    Flight *flights = mem_alloc(count * sizeof *flights);
    sigset_t before;
    hold_pipe_signal(true, &before);
    for (size_t i = 0; i < count; i++) {
        start(&flights[i], &calls[i], pool);
        calls[i].result = HTTP_CANCELLED;        /* what it stays, when we are told to stop */
    }
    for (size_t ended = 0; !are_stopped(calls, count);) {
        int running;
        int64_t now = clock_ms();        /* what a callback takes is not the servers' silence */
        curl_multi_perform(pool, &running);
        ended += collect(pool);
        ended += give_up_silent(pool, flights, count, now);
        if (ended == count) break;
        curl_multi_poll(pool, NULL, 0, LOOK, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        curl_multi_remove_handle(pool, flights[i].easy);
        curl_easy_cleanup(flights[i].easy);
        curl_slist_free_all(flights[i].lines);
        if (calls[i].result == HTTP_CANCELLED) error_set(&calls[i].err, ERR_CANCELLED, "stopped");
    }
    hold_pipe_signal(false, &before);
    give_pool(pool);
    free(flights);
}

bool http_pause(unsigned milliseconds, const atomic_bool *stop, Error *err)
{
    for (unsigned done = 0; done < milliseconds; done += LOOK) {
        unsigned step = milliseconds - done < LOOK ? milliseconds - done : LOOK;
        if (is_stopped(stop)) break;
        nanosleep(&(struct timespec){0, (long)step * 1000000}, NULL);
    }
    return !is_stopped(stop) || error_set(err, ERR_CANCELLED, "stopped");
}
