#include "repl/opening.h"

#include <inttypes.h>
#include <stdlib.h>

#include "loader/format/format.h"
#include "loader/source/child.h"
#include "loader/source/http.h"
#include "loader/source/url.h"

struct Opening {
    Opened opened;               /* the job's until that is over; names and glimpses are owned */
    bool remote;                 /* one of them lies on a server */
    uint64_t requests, bytes;    /* of the process, before it began */
    Job *job;                    /* owned */
};

/* One side, for a thread of its own. */
typedef struct Half {
    Opened *opened;
    int side;
} Half;

static void *open_half(void *context)
{
    const Half *half = context;
    Opened *opened = half->opened;
    Glimpse *before = glimpse_set(opened->glimpses[half->side]);
    opened->files[half->side] = checkpoint_open(opened->names[half->side],
                                                &opened->errors[half->side]);
    glimpse_set(before);
    return NULL;
}

void opened_wait(Opened *opened)
{
    Half source = {opened, 0}, target = {opened, 1};
    pthread_t thread;
    const bool helped = opened->names[0] && opened->names[1] && child_beside() &&
                        job_thread(&thread, open_half, &target);
    if (opened->names[0]) open_half(&source);
    if (helped) pthread_join(thread, NULL);
    else if (opened->names[1]) open_half(&target);
}

/* It cannot fail: what went wrong is said by side. */
static bool run(Job *job, void *context, Error *err)
{
    (void)job, (void)err;
    opened_wait(context);
    return true;
}

Opening *opening_start(const char *const names[2])
{
    Opening *opening = mem_alloc(sizeof *opening);
    http_traffic(&opening->requests, &opening->bytes);
    for (int side = 0; side < 2; side++) {
        if (!names[side]) continue;
        opening->opened.names[side] = mem_strdup(names[side]);
        opening->opened.glimpses[side] = glimpse_new();
        opening->remote |= url_is(names[side]);
    }
    opening->job = job_start(run, &opening->opened);
    return opening;
}

bool opening_wait(const Opening *opening, long milliseconds)
{
    return job_wait(opening->job, milliseconds);
}

void opening_stop(Opening *opening)
{
    job_cancel(opening->job);
}

const char *opening_name(const Opening *opening, int side)
{
    return opening->opened.names[side];
}

const Glimpse *opening_glimpse(const Opening *opening, int side)
{
    return opening->opened.glimpses[side];
}

int opening_percent(const Opening *opening)
{
    int least = 100;
    for (int side = 0; side < 2; side++) {
        const Glimpse *glimpse = opening_glimpse(opening, side);
        const int percent = glimpse ? glimpse_percent(glimpse) : 100;
        if (percent < least) least = percent;
    }
    return least;
}

/* Whatever else the process asks servers for meanwhile is counted too. */
static void tell_traffic(const Opening *opening, Text *out)
{
    uint64_t requests, bytes;
    char amount[32];
    http_traffic(&requests, &bytes);
    show_bytes(bytes - opening->bytes, amount);
    requests -= opening->requests;
    text_addf(out, "%s in %" PRIu64 " request%s", amount, requests, requests == 1 ? "" : "s");
}

void opening_tell(const Opening *opening, Text *out)
{
    Arena *arena = arena_new();
    const char *word = "opening ";
    size_t seen = 0;
    for (int side = 0; side < 2; side++) {
        if (!opening->opened.names[side]) continue;
        seen += glimpse_count(opening_glimpse(opening, side));
        text_add(out, word);
        text_add(out, url_shown(arena, opening->opened.names[side]));
        word = " and ";
    }
    arena_free(arena);
    if (seen || opening->remote) text_add(out, ": ");
    if (seen) text_addf(out, "%zu name%s so far", seen, seen == 1 ? "" : "s");
    if (seen && opening->remote) text_add(out, ", ");
    if (opening->remote) tell_traffic(opening, out);
}

void opening_end(Opening *opening, Opened *opened)
{
    while (!job_wait(opening->job, 1000)) continue;
    job_free(opening->job, NULL);
    for (int side = 0; side < 2; side++) {
        opened->files[side] = opening->opened.files[side];
        opened->errors[side] = opening->opened.errors[side];
        free((char *)opening->opened.names[side]);
        glimpse_free(opening->opened.glimpses[side]);
    }
    free(opening);
}
