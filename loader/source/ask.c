/* One question is a chain of requests: redirects, and tries after what may pass by itself. All
 * questions move in rounds, so that their requests run beside each other. */
#include "loader/source/ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"

enum {
    PAUSE_FIRST = 200,                       /* milliseconds between tries, doubled each time … */
    DOUBLINGS = 5,                           /* … but not more often */
    RETRY_AFTER_MAX = 30,                    /* seconds that a server may ask for */
    PROGRESS = 1 << 20,                      /* bytes after which tries are counted anew */
    HEADERS = 8
};

typedef enum State { ASKING, ANSWERED, REFUSED } State;

/* A question on its way. */
typedef struct Quest {
    Ask *ask;                    /* borrowed, as is the place */
    RemotePlace *place;
    State state;
    const char *url;             /* of the next request; in the ask's arena */
    unsigned redirects, tries;
    bool renewed, moved;         /* it began again at the place's own URL; in another region */
    unsigned pause;              /* milliseconds to wait before the next request */
    uint64_t done_before;        /* ask->done when tries were counted anew */
    uint64_t skip;               /* bytes of this answer that were delivered by an earlier one */
    uint64_t left;               /* bytes that this answer may still have; UINT64_MAX: unknown */
    bool judged;                 /* the answer is no file: it was not begun */
    Error err;
} Quest;

/* ---- the request ---- */

static bool is_own(const Quest *quest, const Url *url)
{
    Url own;
    return url_parse(quest->ask->arena, quest->place->url, &own, NULL) &&
           url_same_origin(url, &own);
}

static void set_range(const Quest *quest, HttpCall *call)
{
    const Ask *ask = quest->ask;
    uint64_t from = ask->from + ask->done;
    if (ask->head || (!ask->n && !from)) return;
    call->range = ask->n ? arena_printf(ask->arena, "%" PRIu64 "-%" PRIu64, from,
                                        ask->from + ask->n - 1)
                         : arena_printf(ask->arena, "%" PRIu64 "-", from);
}

/* False, with the error set, where nothing may be sent. */
static bool prepare(Quest *quest, HttpCall *call)
{
    Ask *ask = quest->ask;
    const RemotePlace *place = quest->place;
    Url url;
    *call = (HttpCall){.url = quest->url, .head = ask->head, .stop = ask->stop};
    if (!url_parse(ask->arena, quest->url, &url, &quest->err)) return false;
    bool own = is_own(quest, &url);
    if (!remote_place_check_url(&url, own && place->token, &quest->err)) return false;
    const char **headers = arena_alloc(ask->arena, HEADERS * sizeof *headers);
    size_t count = 0;
    headers[count++] = "Accept-Encoding: identity";
    set_range(quest, call);
    const char *match = ask->known ? ask->known->etag : ask->match;
    if (call->range && http_etag_is_strong(match))
        headers[count++] = arena_printf(ask->arena, "If-Range: %s", match);
    if (own && place->token)
        headers[count++] = arena_printf(ask->arena, "Authorization: Bearer %s", place->token);
    static const char *const ask_sum = "x-amz-checksum-mode:ENABLED";
    const bool sum = own && place->asks_sum && ask->whole && !ask->n;
    if (sum) headers[count++] = ask_sum;
    if (own && place->service) {
        SigV4 request = {.keys = &place->keys, .service = place->service,
                         .method = ask->head ? "HEAD" : "GET", .url = &url, .now = time(NULL),
                         .lines = &ask_sum, .line_count = sum};
        count += sigv4_sign(ask->arena, &request, headers + count);
    }
    call->headers = headers;
    call->header_count = count;
    return true;
}

/* ---- the answer ---- */

static bool refuse_changed(Quest *quest, const char *what, const char *was, const char *is)
{
    return error_set(&quest->err, ERR_NETWORK, "changed on its server while it was being read (%s "
                     "was %.80s and is %.80s); start again", what, was, is);
}

/* Whether an answer is of the file that is known. */
static bool check_version(Quest *quest, const HttpHead *head)
{
    const RemoteVersion *known = quest->ask->known;
    char was[32], is[32];
    if (!known) return true;
    if (known->etag && head->etag && strcmp(known->etag, head->etag) != 0)
        return refuse_changed(quest, "its ETag", known->etag, head->etag);
    if (!known->etag && known->modified && head->modified &&
        strcmp(known->modified, head->modified) != 0)
        return refuse_changed(quest, "its date", known->modified, head->modified);
    bool has_size = head->status == 206 ? head->has_total : head->has_length;
    uint64_t size = head->status == 206 ? head->total : head->length;
    if (!has_size || size == known->size) return true;
    snprintf(was, sizeof was, "%" PRIu64, known->size);
    snprintf(is, sizeof is, "%" PRIu64, size);
    return refuse_changed(quest, "its size", was, is);
}

static const char *range_end(const Ask *ask)
{
    return ask->n ? arena_printf(ask->arena, "%" PRIu64, ask->from + ask->n - 1) : "";
}

/* 206: the range that was asked for, or the beginning of it. */
static bool check_part(Quest *quest, const HttpHead *head)
{
    const Ask *ask = quest->ask;
    uint64_t from = ask->from + ask->done;
    if (!head->has_range || head->unsatisfied)
        return error_set(&quest->err, ERR_NETWORK, "its server sends a part and does not say "
                         "which; download it whole (tenon fetch)");
    if (!ask->n && !head->has_total)
        return error_set(&quest->err, ERR_NETWORK, "its server sends a part where all was asked "
                         "for, and does not say of how much");
    uint64_t n = head->to - head->from + 1;
    if (head->from != from || (ask->n && head->to > ask->from + ask->n - 1))
        return error_set(&quest->err, ERR_NETWORK, "its server sends bytes %" PRIu64 "-%" PRIu64
                         " where %" PRIu64 "-%s were asked for; download it whole (tenon fetch)",
                         head->from, head->to, from, range_end(ask));
    if (head->has_length && head->length != n)
        return error_set(&quest->err, ERR_NETWORK, "its server announces %" PRIu64 " bytes for a "
                         "part of %" PRIu64, head->length, n);
    quest->skip = 0;
    quest->left = n;
    return check_version(quest, head);
}

/* 200: everything, from the first byte. */
static bool check_whole(Quest *quest, const HttpHead *head)
{
    const Ask *ask = quest->ask;
    bool part = ask->from + ask->done > 0 || ask->n;
    quest->skip = ask->from + ask->done;
    quest->left = head->has_length ? head->length : UINT64_MAX;
    if (!check_version(quest, head)) return false;
    if (!part || ask->head || ask->whole) return true;
    return error_set(&quest->err, ERR_NETWORK, "its server sent parts of it and now sends only "
                     "all of it; download it whole (tenon fetch)");
}

/* HttpCall.begin: false ends the answer, which is fine where it is no file. */
static bool begin(void *context, const HttpHead *head, Error *err)
{
    Quest *quest = context;
    Ask *ask = quest->ask;
    quest->judged = head->status != 200 && head->status != 206;
    if (quest->judged) return false;
    bool fine = head->status == 206 ? check_part(quest, head) : check_whole(quest, head);
    if (fine && ask->begin) fine = ask->begin(ask->context, head, &quest->err);
    if (!fine) *err = quest->err;
    return fine;
}

static bool take(void *context, const void *bytes, size_t n, Error *err)
{
    Quest *quest = context;
    Ask *ask = quest->ask;
    const char *from = bytes;
    if (n > quest->left)
        return error_set(err, ERR_NETWORK, "its server sends more than it announced");
    if (quest->left != UINT64_MAX) quest->left -= n;
    size_t skip = quest->skip < n ? (size_t)quest->skip : n;
    quest->skip -= skip;
    from += skip;
    n -= skip;
    ask->done += n;
    return n == 0 || !ask->body || ask->body(ask->context, from, n, err);
}

/* ---- what follows ---- */

static bool refuse(Quest *quest)
{
    quest->state = REFUSED;
    return false;
}

/* The host, when it is not the one that the user named. */
static void name_host(const Quest *quest, Text *out)
{
    Url url;
    if (url_parse(quest->ask->arena, quest->url, &url, NULL) && !is_own(quest, &url))
        text_addf(out, ", from %.100s", url.host);
}

/* A status that is final. */
static bool explain(Quest *quest, const HttpHead *head)
{
    Text where = {0};
    name_host(quest, &where);
    const char *own = head->error_message ? head->error_message : head->error_code;
    const char *says = own ? own : "", *open = own ? ": " : "", *from = text_string(&where);
    const unsigned status = head->status;
    if (status == 401 || status == 403)
        error_set(&quest->err, ERR_NETWORK, "the server refuses it (%u%s%s%.200s); %s", status,
                  from, open, says, quest->place->access);
    else if (status == 404 || status == 410)
        error_set(&quest->err, ERR_NOT_FOUND, "there is no such file on the server (%u%s%s%.200s)",
                  status, from, open, says);
    else if (status == 407)
        error_set(&quest->err, ERR_NETWORK, "the proxy wants a password (407); see https_proxy");
    else if (status == 416)
        error_set(&quest->err, ERR_NETWORK, "it became shorter on its server (416); start again");
    else
        error_set(&quest->err, ERR_NETWORK, "the server answers %u%s%s%.200s", status, from, open,
                  says);
    text_done(&where);
    return refuse(quest);
}

/* Counts a try that failed with `err`; the pause before the next one, unless it was the last. */
static void try_again(Quest *quest, const HttpHead *head, const Error *why)
{
    const Ask *ask = quest->ask;
    if (ask->done - quest->done_before >= PROGRESS) {
        quest->done_before = ask->done;
        quest->tries = 0;
    }
    if (++quest->tries >= limit(LIMIT_REMOTE_TRIES)) {
        error_set(&quest->err, why->code, "%.700s (%u %s; --limit remote-tries=N allows more)",
                  why->text, quest->tries, quest->tries == 1 ? "try" : "tries");
        refuse(quest);
        return;
    }
    unsigned doubled = quest->tries - 1 < DOUBLINGS ? quest->tries - 1 : DOUBLINGS;
    uint64_t wanted;
    quest->pause = (unsigned)PAUSE_FIRST << doubled;
    if (head->retry_after &&
        parse_digits(head->retry_after, strlen(head->retry_after), &wanted))
        quest->pause = 1000 * (unsigned)(wanted < RETRY_AFTER_MAX ? wanted : RETRY_AFTER_MAX);
    /* what was landed on may be what is broken, so the way there is asked again */
    quest->url = quest->place->url;
    quest->redirects = 0;
}

/* A redirect; where it leads, the next round asks. */
static bool follow(Quest *quest, const HttpHead *head)
{
    Ask *ask = quest->ask;
    char more[LIMIT_TEXT];
    Url from, to;
    if (!head->location) {
        error_set(&quest->err, ERR_NETWORK, "the server redirects it (%u) and does not say where",
                  head->status);
        return refuse(quest);
    }
    if (!url_parse(ask->arena, quest->url, &from, &quest->err)) return refuse(quest);
    const char *next = url_join(ask->arena, &from, head->location, &quest->err);
    if (!next || !url_parse(ask->arena, next, &to, &quest->err)) return refuse(quest);
    if (ask->stay && !url_same_origin(&from, &to)) {
        quest->state = ANSWERED;
        return true;
    }
    if (strcmp(from.scheme, "https") == 0 && strcmp(to.scheme, "https") != 0) {
        error_set(&quest->err, ERR_NETWORK, "the server redirects from https:// to %.20s:// "
                  "(%.100s), which is not followed", to.scheme, to.host);
        return refuse(quest);
    }
    if (++quest->redirects > limit(LIMIT_REMOTE_REDIRECTS)) {
        error_set(&quest->err, ERR_NETWORK, "the server redirects, %s",
                  limit_text(LIMIT_REMOTE_REDIRECTS, more));
        return refuse(quest);
    }
    quest->url = next;
    return true;
}

static bool is_redirect(unsigned status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* 408, 429 and most of 5xx pass by themselves. */
static bool is_passing(unsigned status)
{
    return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

/* A link that a redirect gave once, and that is used again, expires. */
static bool has_expired(const Quest *quest, unsigned status)
{
    return quest->ask->url && !quest->renewed && !quest->redirects &&
           (status == 400 || status == 401 || status == 403 || status == 404 || status == 410);
}

/* An answer of another status than 200 and 206. */
static void judge(Quest *quest, const HttpHead *head)
{
    Error why = {0};
    const unsigned status = head->status;
    /* a file that is known is where it was found, and others ask for parts of it beside us */
    bool elsewhere = head->region && !quest->moved && !quest->ask->known &&
                     (status == 301 || status == 307 || status == 400 || status == 403);
    if (elsewhere && remote_place_move(quest->place, head->region)) {
        quest->moved = true;
        quest->url = quest->place->url;
    } else if (is_redirect(status)) {
        follow(quest, head);
    } else if (has_expired(quest, status)) {
        quest->renewed = true;
        quest->url = quest->place->url;
    } else if (is_passing(status)) {
        error_set(&why, ERR_NETWORK, "the server answers %u", status);
        try_again(quest, head, &why);
    } else if (status == 416 && head->unsatisfied && head->has_total && head->total == 0) {
        quest->state = ANSWERED;         /* an empty file has no first byte */
    } else {
        explain(quest, head);
    }
}

/* Whether all of what was asked for has come. `left` was announced and is missing where a server
 * ends a body of pieces early. */
static void check_end(Quest *quest, const HttpHead *head)
{
    Ask *ask = quest->ask;
    bool short_body = quest->left != UINT64_MAX && quest->left > 0;
    uint64_t end = ask->from + ask->done;
    bool more = !short_body && head->status == 206 && (!ask->n || ask->done < ask->n) &&
                !(head->has_total && end >= head->total);
    Error why = {0};
    if (ask->head || (!short_body && !more)) {
        quest->state = ANSWERED;
        return;
    }
    error_set(&why, ERR_NETWORK, "the server ended at byte %" PRIu64 " before all was there", end);
    try_again(quest, head, &why);
}

static void settle(Quest *quest, HttpCall *call)
{
    http_head_done(&quest->ask->answer);
    quest->ask->answer = call->head_lines;
    quest->ask->landed = quest->url;
    const HttpHead *head = &quest->ask->answer;
    if (call->result == HTTP_STOPPED && quest->judged) {
        judge(quest, head);
    } else if (call->result == HTTP_DONE) {
        if (quest->judged) judge(quest, head);
        else check_end(quest, head);
    } else if (call->result == HTTP_BROKEN) {
        try_again(quest, head, &call->err);
    } else {
        quest->err = call->err;
        refuse(quest);
    }
}

/* The requests of a round; how many questions are still open. False: one was refused. */
static bool run_round(Quest *quests, size_t count, size_t *open)
{
    HttpCall calls[ASKS_MAX];
    size_t whose[ASKS_MAX];
    *open = 0;
    for (size_t i = 0; i < count && *open < ASKS_MAX; i++) {
        if (quests[i].state != ASKING) continue;
        if (!prepare(&quests[i], &calls[*open])) return refuse(&quests[i]);
        calls[*open].begin = begin;
        calls[*open].body = take;
        calls[*open].context = &quests[i];
        whose[(*open)++] = i;
    }
    if (*open) http_run(calls, *open);
    bool fine = true;
    for (size_t i = 0; i < *open; i++) {
        settle(&quests[whose[i]], &calls[i]);
        fine = fine && quests[whose[i]].state != REFUSED;
    }
    return fine;
}

/* The longest pause that a question wants. */
static bool pause_all(Quest *quests, size_t count, Error *err)
{
    unsigned longest = 0;
    for (size_t i = 0; i < count; i++) {
        if (quests[i].pause > longest) longest = quests[i].pause;
        quests[i].pause = 0;
    }
    return !longest || http_pause(longest, count ? quests[0].ask->stop : NULL, err);
}

bool ask_all(RemotePlace *place, Ask *asks, size_t count, Error *err)
{
    Quest *quests = mem_alloc(count * sizeof *quests);
    for (size_t i = 0; i < count; i++) {
        asks[i].arena = arena_new();
        asks[i].done = 0;
        quests[i] = (Quest){.ask = &asks[i], .place = place,
                            .url = asks[i].url ? asks[i].url : place->url};
    }
    bool fine = true;
    for (size_t open = 1; fine && open;)
        fine = run_round(quests, count, &open) && pause_all(quests, count, err);
    for (size_t i = 0; !fine && i < count; i++)
        if (quests[i].state == REFUSED) {
            if (err) *err = quests[i].err;
            break;
        }
    free(quests);
    if (fine || (err && has_prefix(err->text, place->shown))) return fine;
    return error_prefix(err, "%.300s", place->shown);
}

void ask_done(Ask *ask)
{
    http_head_done(&ask->answer);
    arena_free(ask->arena);
    ask->arena = NULL;
    ask->landed = NULL;
}

/* ---- small documents ---- */

typedef struct Document {
    Text text;
    size_t most;
} Document;

static bool add_text(void *context, const void *bytes, size_t n, Error *err)
{
    Document *document = context;
    if (n > document->most - document->text.length)
        return error_set(err, ERR_LIMIT, "the server's answer is longer than %zu bytes",
                         document->most);
    text_addn(&document->text, bytes, n);
    return true;
}

char *ask_text(RemotePlace *place, const char *url, size_t most, size_t *n, Error *err)
{
    Document document = {.most = most};
    Ask ask = {.url = url, .body = add_text, .context = &document};
    bool fine = ask_all(place, &ask, 1, err);
    ask_done(&ask);
    *n = document.text.length;
    if (fine && !document.text.bytes) text_add(&document.text, "");
    if (fine) return document.text.bytes;
    text_done(&document.text);
    return NULL;
}
