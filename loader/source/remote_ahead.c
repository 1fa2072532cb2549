/* What will be read is fetched by threads of the source's own, each with one request at a time and
 * so with a connection of its own: while one waits for an answer, others bring bytes, and the
 * reader works. What came is kept in the block cache, and no more of it than a window unread. */
#include <stdlib.h>
#include <string.h>

#include "loader/core/clock.h"
#include "loader/core/job.h"
#include "loader/source/remote_parts.h"

static atomic_uint helpers_running;      /* of the process */

/* ---- flights ---- */

Flight *remote_flight(Remote *remote, uint64_t block)
{
    for (size_t i = 0; i < FLYING_MAX; i++) {
        Flight *flight = &remote->flights[i];
        if (flight->state != FLIGHT_NONE && block >= flight->run.first && block < flight->run.end)
            return flight;
    }
    return NULL;
}

Flight *remote_take_off(Remote *remote, Run run)
{
    Flight *found = NULL;
    for (size_t i = 0; i < FLYING_MAX; i++) {
        Flight *flight = &remote->flights[i];
        if (flight->state == FLIGHT_NONE || (flight->state == FLIGHT_FAILED && !found))
            found = flight;
        if (flight->state == FLIGHT_NONE) break;
    }
    if (!found) return NULL;
    free(found->why);
    *found = (Flight){.state = FLIGHT_UP, .run = run};
    return found;
}

void remote_land_failed(Flight *flight, Error *err)
{
    error_set(err, ERR_NETWORK, "%s", flight->why);
    free(flight->why);
    *flight = (Flight){.state = FLIGHT_NONE};
}

bool remote_is_missing(Remote *remote, uint64_t block)
{
    return !remote_flight(remote, block) && !block_cache_has(remote->owner, block);
}

/* ---- what is fetched next ---- */

/* The want that holds a block, from where reading is on; want_count: none does. */
static size_t find_want(const Remote *remote, uint64_t block, size_t look)
{
    for (size_t i = 0; i < remote->want_count && i < look; i++) {
        size_t at = (remote->read_want + i) % remote->want_count;
        const Run *run = &remote->wants[at].run;
        if (block >= run->first && block < run->end) return at;
    }
    return remote->want_count;
}

/* Lengthens a run that ends in the want `*at` by what is missing behind it, over small gaps and
 * from want to want, to `most` blocks. */
static void lengthen(Remote *remote, Run *run, size_t *at, uint64_t most)
{
    for (;;) {
        uint64_t end = remote->wants[*at].run.end;
        while (run->end < end && run->end - run->first < most &&
               remote_is_missing(remote, run->end))
            run->end++;
        if (run->end < end || *at + 1 >= remote->want_count) return;
        const Run *next = &remote->wants[*at + 1].run;
        uint64_t start = next->first > run->end ? next->first : run->end;
        bool near = next->first <= run->end + GAP_BLOCKS && next->end > run->first;
        if (!near || start + 1 - run->first > most || start >= next->end ||
            !remote_is_missing(remote, start))
            return;
        ++*at;
        run->end = start + 1;
    }
}

bool remote_run_wanted(Remote *remote, uint64_t block, Run *run)
{
    size_t at = find_want(remote, block, remote->want_count);
    if (at == remote->want_count) return false;
    remote->read_want = at;
    *run = (Run){block, block + 1};
    lengthen(remote, run, &at, PIECE_FIRST);
    return true;
}

/* Pieces grow while there is much to come, so that a long way to the server costs less; they leave
 * something for all helpers. */
static uint64_t piece_blocks(const Remote *remote, const Want *at, uint64_t block)
{
    const Want *last = &remote->wants[remote->want_count - 1];
    uint64_t place = at->before + (block - at->run.first);
    uint64_t left = last->before + (last->run.end - last->run.first) - place;
    uint64_t share = left / (2 * HELPERS);
    if (share > remote->piece) share = remote->piece;
    return share < PIECE_FIRST ? PIECE_FIRST : share;
}

/* Notes the next run that is wanted, neither there nor on its way, nor too far ahead; or NULL. */
static Flight *remote_next_ahead(Remote *remote)
{
    for (; remote->ahead_want < remote->want_count; remote->ahead_want++) {
        const Want *want = &remote->wants[remote->ahead_want];
        uint64_t block = want->run.first;
        if (remote->ahead_block > block) block = remote->ahead_block;
        while (block < want->run.end && !remote_is_missing(remote, block)) block++;
        remote->ahead_block = block;
        if (block < want->run.end) {
            Run run = {block, block + 1};
            size_t at = remote->ahead_want;
            if (want->before + (block - want->run.first) > remote->read_at + remote->window)
                return NULL;
            lengthen(remote, &run, &at, piece_blocks(remote, want, block));
            Flight *flight = remote_take_off(remote, run);
            if (flight && remote->piece < PIECE_MAX) remote->piece *= 2;
            return flight;
        }
        remote->ahead_block = 0;
    }
    return NULL;
}

/* A look at a few wants is enough to follow a reader, and cheap for one that goes its own way. */
void remote_read_at(Remote *remote, uint64_t block)
{
    enum { LOOK = 64 };
    size_t at = find_want(remote, block, LOOK);
    if (at == remote->want_count) return;
    const Want *want = &remote->wants[at];
    uint64_t place = want->before + (block - want->run.first);
    remote->read_want = at;
    if (place <= remote->read_at) return;
    remote->read_at = place;
    pthread_cond_broadcast(&remote->changed);
}

/* ---- fetching ---- */

uint64_t remote_block_end(const Remote *remote, uint64_t block)
{
    uint64_t end = (block + 1) * BLOCK_BYTES;
    return end < remote->base.size ? end : remote->base.size;
}

/* One request's bytes as they come. */
typedef struct Landing {
    Remote *remote;
    Flight *flight;
    uint64_t block, end;             /* that fills now; of the run */
    unsigned char *bytes;            /* [BLOCK_BYTES] of it; owned */
    size_t held;
    uint64_t offset;                 /* what the reader wants */
    unsigned char *out;              /* [n]; NULL: nobody reads */
    size_t n, got;
} Landing;

/* Whole blocks are there for everybody. */
static void keep_block(Landing *landing)
{
    Remote *remote = landing->remote;
    block_cache_put(remote->owner, landing->block, landing->bytes, landing->held);
    landing->held = 0;
    pthread_mutex_lock(&remote->lock);
    landing->flight->run.first = ++landing->block;
    pthread_cond_broadcast(&remote->changed);
    pthread_mutex_unlock(&remote->lock);
}

/* What the reader wants of n bytes at `at`, in one piece from its start. */
static void hand_over(Landing *landing, uint64_t at, const unsigned char *bytes, size_t n)
{
    uint64_t wanted = landing->offset + landing->got;
    if (!landing->out || wanted < at || wanted - at >= n) return;
    size_t skip = (size_t)(wanted - at), here = n - skip;
    if (here > landing->n - landing->got) here = landing->n - landing->got;
    memcpy(landing->out + landing->got, bytes + skip, here);
    landing->got += here;
}

static bool take(void *context, const void *data, size_t n, Error *err)
{
    Landing *landing = context;
    const unsigned char *bytes = data;
    while (n) {
        if (landing->block == landing->end)
            return error_set(err, ERR_NETWORK, "its server sends more than was asked for");
        uint64_t start = landing->block * BLOCK_BYTES;
        size_t whole = (size_t)(remote_block_end(landing->remote, landing->block) - start);
        size_t here = whole - landing->held < n ? whole - landing->held : n;
        memcpy(landing->bytes + landing->held, bytes, here);
        hand_over(landing, start + landing->held, bytes, here);
        landing->held += here;
        bytes += here;
        n -= here;
        if (landing->held == whole) keep_block(landing);
    }
    return true;
}

/* The server answers a reader: what it did not give before is asked anew. */
static void forget_failures(Remote *remote)
{
    remote->broken = false;
    for (size_t i = 0; i < FLYING_MAX; i++)
        if (remote->flights[i].state == FLIGHT_FAILED)
            remote_land_failed(&remote->flights[i], NULL);
}

/* Ends a flight. Where it failed for nobody, whoever comes to read there is told. */
static void end_flight(Landing *landing, const Ask *ask, bool fine, const Error *why)
{
    Remote *remote = landing->remote;
    Flight *flight = landing->flight;
    pthread_mutex_lock(&remote->lock);
    if (fine && strcmp(ask->landed, remote->landed) != 0)
        remote->landed = arena_strdup(remote->arena, ask->landed);
    flight->state = fine || landing->out ? FLIGHT_NONE : FLIGHT_FAILED;
    if (flight->state == FLIGHT_FAILED) flight->why = mem_strdup(why->text);
    if (!landing->out) remote->broken = remote->broken || !fine;
    else if (!fine) remote->broken = true;
    else forget_failures(remote);
    pthread_cond_broadcast(&remote->changed);
    pthread_mutex_unlock(&remote->lock);
}

bool remote_fetch(Remote *remote, Flight *flight, uint64_t offset, unsigned char *out, size_t n,
                  size_t *got, Error *err)
{
    Error why = {0};
    pthread_mutex_lock(&remote->lock);
    const Run run = flight->run;
    const char *url = remote->landed;
    pthread_mutex_unlock(&remote->lock);
    Landing landing = {.remote = remote, .flight = flight, .block = run.first, .end = run.end,
                       .bytes = mem_alloc(BLOCK_BYTES), .offset = offset, .out = out, .n = n};
    const uint64_t from = run.first * BLOCK_BYTES;
    Ask ask = {.url = url, .from = from, .n = remote_block_end(remote, run.end - 1) - from,
               .known = &remote->version, .body = take, .context = &landing,
               .stop = &remote->closing};
    bool fine = ask_all(&remote->place, &ask, 1, &why);
    end_flight(&landing, &ask, fine, &why);
    ask_done(&ask);
    free(landing.bytes);
    *got = landing.got;
    if (!fine && err) *err = why;
    return fine;
}

/* ---- helpers ---- */

static bool has_work(const Remote *remote)
{
    return remote->ahead_want < remote->want_count;
}

/* A thread that has nothing left to do ends; one that is far enough ahead waits a while for the
 * reader, and ends then, so that other sources may have helpers. */
static void *help(void *context)
{
    enum { PATIENCE = 2000 };    /* milliseconds */
    Remote *remote = context;
    pthread_mutex_lock(&remote->lock);
    bool patient = true;
    while (patient && has_work(remote) && !remote->broken && !remote->closing) {
        Flight *flight = remote_next_ahead(remote);
        if (flight) {
            size_t got;
            pthread_mutex_unlock(&remote->lock);
            remote_fetch(remote, flight, 0, NULL, 0, &got, NULL);
            pthread_mutex_lock(&remote->lock);
        } else if (has_work(remote)) {
            const struct timespec late = clock_after(PATIENCE);
            patient = pthread_cond_timedwait(&remote->changed, &remote->lock, &late) == 0;
        }
    }
    for (size_t i = 0; i < HELPERS; i++)
        if (remote->helper_states[i] == HELPER_RUNS &&
            pthread_equal(remote->helpers[i], pthread_self()))
            remote->helper_states[i] = HELPER_ENDED;
    atomic_fetch_sub(&helpers_running, 1);
    pthread_mutex_unlock(&remote->lock);
    return NULL;
}

bool remote_is_behind(const Remote *remote)
{
    if (!has_work(remote)) return false;
    const Want *at = &remote->wants[remote->ahead_want];
    uint64_t done = remote->ahead_block > at->run.first ? remote->ahead_block - at->run.first : 0;
    return at->before + done <= remote->read_at + remote->window / 2;
}

/* The lock is held, so that the new thread sees its own state. One that has ended is behind its
 * last use of the lock, so that joining it does not wait. */
static bool start_helper(Remote *remote, size_t i)
{
    if (remote->helper_states[i] == HELPER_RUNS) return true;
    if (atomic_load(&helpers_running) >= HELPERS_MAX) return false;
    if (remote->helper_states[i] == HELPER_ENDED) pthread_join(remote->helpers[i], NULL);
    remote->helper_states[i] = HELPER_NONE;
    if (!job_thread_alone(&remote->helpers[i], help, remote)) return false;
    remote->helper_states[i] = HELPER_RUNS;
    atomic_fetch_add(&helpers_running, 1);
    return true;
}

/* Gaps that no request goes over, among what is wanted next. */
static size_t count_gaps(const Remote *remote)
{
    enum { LOOK = 64 };
    size_t gaps = 0;
    for (size_t i = remote->ahead_want + 1; i < remote->want_count; i++) {
        const Run *before = &remote->wants[i - 1].run, *run = &remote->wants[i].run;
        gaps += run->first > before->end + GAP_BLOCKS || run->end <= before->first;
        if (gaps == HELPERS || i == remote->ahead_want + LOOK) break;
    }
    return gaps;
}

/* As many as there are requests to be made. */
bool remote_start_helpers(Remote *remote)
{
    if (remote->broken || !remote->window || !has_work(remote)) return false;
    const Want *last = &remote->wants[remote->want_count - 1];
    const Want *at = &remote->wants[remote->ahead_want];
    uint64_t done = remote->ahead_block > at->run.first ? remote->ahead_block - at->run.first : 0;
    uint64_t left = last->before + (last->run.end - last->run.first) - at->before - done;
    size_t useful = (size_t)(left / PIECE_FIRST < HELPERS ? left / PIECE_FIRST + 1 : HELPERS);
    useful += count_gaps(remote);
    size_t runs = 0;
    for (size_t i = 0; i < HELPERS && i < useful; i++) runs += start_helper(remote, i);
    return runs > 0;
}

void remote_stop_helpers(Remote *remote)
{
    atomic_store(&remote->closing, true);
    bool started[HELPERS];
    pthread_mutex_lock(&remote->lock);
    for (size_t i = 0; i < HELPERS; i++) started[i] = remote->helper_states[i] != HELPER_NONE;
    pthread_cond_broadcast(&remote->changed);
    pthread_mutex_unlock(&remote->lock);
    for (size_t i = 0; i < HELPERS; i++)
        if (started[i]) pthread_join(remote->helpers[i], NULL);
    for (size_t i = 0; i < FLYING_MAX; i++) free(remote->flights[i].why);
}
