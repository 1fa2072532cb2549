/* Reading through blocks: from the cache where they are there, from whoever fetches them now, else
 * by a request of the reader's own. */
#include "loader/source/remote.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/clock.h"
#include "loader/source/remote_parts.h"

/* ---- what was said to be wanted ---- */

/* Behind what was said before; what goes on from the last one is one with it. */
static void add_want(Remote *remote, Run run)
{
    Want *last = remote->want_count ? &remote->wants[remote->want_count - 1] : NULL;
    if (last && run.first <= last->run.end && run.first >= last->run.first) {
        if (run.end <= last->run.end) return;
        if (remote->ahead_want == remote->want_count) {      /* it was done */
            remote->ahead_want--;
            remote->ahead_block = last->run.end;
        }
        last->run.end = run.end;
        return;
    }
    uint64_t before = last ? last->before + (last->run.end - last->run.first) : 0;
    remote->wants = mem_grow(remote->wants, &remote->want_room, remote->want_count + 1,
                             sizeof *remote->wants);
    remote->wants[remote->want_count++] = (Want){run, before};
}

static void want_remote(ByteSource *source, uint64_t offset, uint64_t n)
{
    Remote *remote = (Remote *)source;
    if (!n) return;
    pthread_mutex_lock(&remote->lock);
    add_want(remote, (Run){offset / BLOCK_BYTES, (offset + n - 1) / BLOCK_BYTES + 1});
    pthread_mutex_unlock(&remote->lock);
}

/* ---- what a read asks for ---- */

/* Without a word: reading on from front to back has more ahead each time, which goes into the same
 * request as far as it has room. What is passed over may be the values between two headers: to
 * fetch some of these takes less time than to ask for each header by itself. */
static void go_ahead(Remote *remote, Run *run, uint64_t end)
{
    bool goes_on = run->first + 1 >= remote->next && run->first <= remote->next + NEAR_BLOCKS;
    if (!goes_on) remote->ahead = 0;
    else if (remote->ahead < AHEAD_MAX)
        remote->ahead = remote->ahead ? 2 * remote->ahead : AHEAD_FIRST;
    uint64_t more = end + remote->ahead < remote->blocks ? end + remote->ahead : remote->blocks;
    while (run->end < more && run->end - run->first < PIECE_FIRST &&
           remote_is_missing(remote, run->end))
        run->end++;
    remote->next = more;
    if (run->end < more && remote->ahead_want == remote->want_count)
        add_want(remote, (Run){run->end, more});
}

/* Blocks from `block` on are needed now, as far as `end`; the first is neither there nor comes. A
 * directory at a file's end is read in several steps, and comes at once. */
static Flight *plan_read(Remote *remote, uint64_t block, uint64_t end)
{
    Run run = {block, block + 1};
    uint64_t tail = remote->blocks > TAIL_BLOCKS ? remote->blocks - TAIL_BLOCKS : 0;
    if (block >= tail) end = remote->blocks;
    if (!remote_run_wanted(remote, block, &run)) go_ahead(remote, &run, end);
    while (run.first > tail && remote_is_missing(remote, run.first - 1)) run.first--;
    return remote_take_off(remote, run);
}

/* ---- reading ---- */

/* As much from `offset` on as is kept. */
static size_t read_kept(const Remote *remote, uint64_t offset, unsigned char *out, size_t n)
{
    size_t done = 0;
    while (done < n) {
        uint64_t block = (offset + done) / BLOCK_BYTES, end = remote_block_end(remote, block);
        size_t skip = (size_t)((offset + done) % BLOCK_BYTES);
        size_t here = end - offset - done < n - done ? (size_t)(end - offset - done) : n - done;
        if (!block_cache_get(remote->owner, block, skip, out + done, here)) break;
        done += here;
    }
    return done;
}

/* Of the whole process, so that whoever went on after an error knows why (remote.h). */
static struct {
    pthread_mutex_t lock;
    unsigned long count;
    Error last;
} failures = {.lock = PTHREAD_MUTEX_INITIALIZER};

unsigned long remote_failures(void)
{
    pthread_mutex_lock(&failures.lock);
    unsigned long count = failures.count;
    pthread_mutex_unlock(&failures.lock);
    return count;
}

bool remote_failed_since(unsigned long before, Error *err)
{
    pthread_mutex_lock(&failures.lock);
    bool failed = failures.count != before;
    if (failed && err) *err = failures.last;
    pthread_mutex_unlock(&failures.lock);
    return failed;
}

/* Whatever a server did that was there when the file was opened, it is the network's failure. */
static bool fail(Error *why, Error *err)
{
    if (why->code != ERR_CANCELLED) {
        why->code = ERR_NETWORK;
        pthread_mutex_lock(&failures.lock);
        failures.count++;
        failures.last = *why;
        pthread_mutex_unlock(&failures.lock);
    }
    if (err) *err = *why;
    return false;
}

/* Waits for a change, or a moment, to look again; false when we are told to stop. */
static bool wait_for_change(Remote *remote, Error *err)
{
    enum { MOMENT = 50 };                /* milliseconds */
    const struct timespec soon = clock_after(MOMENT);
    pthread_cond_timedwait(&remote->changed, &remote->lock, &soon);
    return http_pause(0, NULL, err) || error_prefix(err, "%s", remote->base.name);
}

/* With the lock: a flight of our own for a block that is not there. NULL: it may be there now, or
 * somebody failed to fetch it (false, with the error). */
static bool take_flight(Remote *remote, uint64_t block, uint64_t end, Flight **own, Error *err)
{
    for (;;) {
        Flight *other = remote_flight(remote, block);
        *own = NULL;
        if (other && other->state == FLIGHT_FAILED) {
            remote_land_failed(other, err);
            return false;
        }
        if (!other && !remote_is_missing(remote, block)) return true;
        if (!other) *own = plan_read(remote, block, end);
        if (*own) return true;
        if (!wait_for_change(remote, err)) return false;
    }
}

/* Some bytes at `offset`: *got of n. */
static bool read_some(Remote *remote, uint64_t offset, unsigned char *out, size_t n, size_t *got,
                      Error *err)
{
    Flight *own;
    const uint64_t block = offset / BLOCK_BYTES;
    *got = read_kept(remote, offset, out, n);
    pthread_mutex_lock(&remote->lock);
    remote_read_at(remote, block);
    if (*got) {
        if (remote_is_behind(remote)) remote_start_helpers(remote);
        pthread_mutex_unlock(&remote->lock);
        return true;
    }
    bool fine = take_flight(remote, block, (offset + n - 1) / BLOCK_BYTES + 1, &own, err);
    if (fine) remote_start_helpers(remote);
    pthread_mutex_unlock(&remote->lock);
    return fine && (!own || remote_fetch(remote, own, offset, out, n, got, err));
}

static bool read_remote(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    Error why = {0};
    Remote *remote = (Remote *)source;
    unsigned char *to = out;
    while (n) {
        size_t got;
        if (!read_some(remote, offset, to, n, &got, &why)) return fail(&why, err);
        offset += got;
        to += got;
        n -= got;
    }
    return true;
}

static void close_remote(ByteSource *source)
{
    Remote *remote = (Remote *)source;
    remote_stop_helpers(remote);
    block_cache_drop(remote->owner);
    pthread_mutex_destroy(&remote->lock);
    pthread_cond_destroy(&remote->changed);
    remote_place_done(&remote->place);
    arena_free(remote->arena);
    free(remote->wants);
    free(remote);
}

ByteSource *remote_new(RemotePlace *place, const char *landed, const RemoteVersion *version,
                       const void *head, size_t n)
{
    static const ByteSourceOps ops = {read_remote, NULL, close_remote, want_remote};
    Remote *remote = mem_alloc(sizeof *remote);
    remote->place = *place;
    *place = (RemotePlace){0};
    remote->arena = arena_new();
    remote->landed = arena_strdup(remote->arena, landed);
    remote->version = *version;
    if (version->etag) remote->version.etag = arena_strdup(remote->arena, version->etag);
    if (version->modified)
        remote->version.modified = arena_strdup(remote->arena, version->modified);
    remote->base = (ByteSource){.ops = &ops, .name = remote->place.shown, .size = version->size};
    atomic_init(&remote->base.refs, 1);
    pthread_mutex_init(&remote->lock, NULL);
    pthread_cond_init(&remote->changed, NULL);
    remote->owner = block_cache_owner();
    remote->blocks = (version->size + BLOCK_BYTES - 1) / BLOCK_BYTES;
    for (uint64_t i = 0; i < remote->blocks && remote_block_end(remote, i) <= n; i++)
        block_cache_put(remote->owner, i, (const char *)head + i * BLOCK_BYTES,
                        (size_t)(remote_block_end(remote, i) - i * BLOCK_BYTES));
    remote->next = n / BLOCK_BYTES;
    remote->piece = PIECE_FIRST;
    const uint64_t room = block_cache_room() / 2;
    remote->window = room < WINDOW_MAX ? room : WINDOW_MAX;
    return &remote->base;
}
