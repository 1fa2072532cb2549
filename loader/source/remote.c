/* Ranges through blocks. One thread of a source asks its server at a time, in as many requests
 * beside each other as help; the others wait, since what they want may come meanwhile. */
#include "loader/source/remote.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loader/source/ask.h"
#include "loader/source/block_cache.h"

enum {
    PIECE_BLOCKS = 32,               /* of one request: 1 MiB */
    BATCH_BLOCKS = ASKS_MAX * PIECE_BLOCKS,
    GAP_BLOCKS = 2,                  /* that are fetched too, rather than asked around */
    AHEAD_FIRST = 2, AHEAD_MAX = 128,    /* blocks ahead of reading from front to back */
    TAIL_BLOCKS = 3                  /* of a file's end, where directories are, at once */
};

/* A range that was said to be wanted. */
typedef struct Want {
    uint64_t first, end;             /* blocks, end excluded */
} Want;

typedef struct Remote {
    ByteSource base;
    RemotePlace place;               /* owned; base.name is its `shown` */
    Arena *arena;                    /* owned: the next two */
    RemoteVersion version;
    const char *landed;              /* the URL that gives the bytes */
    uint64_t owner, blocks;          /* in the cache; of the whole file */
    pthread_mutex_t lock;            /* over all below; not held while a server is asked */
    pthread_cond_t turned;
    bool busy;                       /* a thread asks the server */
    Want *wants;                     /* owned, in the order of reading */
    size_t want_count, want_room;
    size_t want_at;                  /* where reading is in them */
    uint64_t next, ahead;            /* block that reading on would come to; blocks fetched ahead */
} Remote;

/* ---- what to ask for ---- */

/* Runs of blocks that one batch asks for, in the order of the file. */
typedef struct Batch {
    Want runs[ASKS_MAX];
    size_t count;
} Batch;

static uint64_t batch_blocks(const Batch *batch)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < batch->count; i++) sum += batch->runs[i].end - batch->runs[i].first;
    return sum;
}

/* Adds a run of at most PIECE_BLOCKS; joined to one that it touches, where that stays as short.
 * False: there is no room for it. */
static bool add_run(Batch *batch, uint64_t first, uint64_t end)
{
    for (size_t i = 0; i < batch->count; i++) {
        Want *run = &batch->runs[i];
        if (first >= run->first && end <= run->end) return true;
        if (first >= run->first && first <= run->end + GAP_BLOCKS &&
            end - run->first <= PIECE_BLOCKS) {
            run->end = end > run->end ? end : run->end;
            return true;
        }
    }
    if (batch->count == ASKS_MAX) return false;
    batch->runs[batch->count++] = (Want){first, end};
    return true;
}

/* Adds those blocks of [first, end) that are not kept. False: the batch is full. */
static bool add_missing(const Remote *remote, Batch *batch, uint64_t first, uint64_t end)
{
    while (first < end) {
        while (first < end && block_cache_has(remote->owner, first)) first++;
        uint64_t stop = first;
        while (stop < end && stop - first < PIECE_BLOCKS && !block_cache_has(remote->owner, stop))
            stop++;
        if (stop > first && !add_run(batch, first, stop)) return false;
        first = stop;
    }
    return true;
}

/* The want that holds a block, from the last one that was found on; want_count: none does. */
static size_t find_want(const Remote *remote, uint64_t block)
{
    for (size_t i = 0; i < remote->want_count; i++) {
        size_t at = (remote->want_at + i) % remote->want_count;
        if (block >= remote->wants[at].first && block < remote->wants[at].end) return at;
    }
    return remote->want_count;
}

/* What will be read behind `block` as far as was said. */
static void add_wanted(Remote *remote, Batch *batch, uint64_t block, size_t at)
{
    remote->want_at = at;
    bool room = add_missing(remote, batch, block, remote->wants[at].end);
    while (room && ++at < remote->want_count && batch_blocks(batch) < BATCH_BLOCKS)
        room = add_missing(remote, batch, remote->wants[at].first, remote->wants[at].end);
}

/* Without a word: reading on from front to back has more ahead each time. */
static void add_ahead(Remote *remote, Batch *batch, uint64_t first, uint64_t end)
{
    bool goes_on = first == remote->next || first + 1 == remote->next;
    if (!goes_on) remote->ahead = 0;
    else if (remote->ahead < AHEAD_MAX) remote->ahead = remote->ahead ? 2 * remote->ahead
                                                                      : AHEAD_FIRST;
    uint64_t more = end + remote->ahead < remote->blocks ? end + remote->ahead : remote->blocks;
    add_missing(remote, batch, end, more);
    remote->next = more;
}

/* Blocks [first, end) are needed now. */
static void plan_batch(Remote *remote, Batch *batch, uint64_t first, uint64_t end)
{
    *batch = (Batch){.count = 0};
    uint64_t tail = remote->blocks > TAIL_BLOCKS ? remote->blocks - TAIL_BLOCKS : 0;
    if (first >= tail) first = tail, end = remote->blocks;
    if (end - first > BATCH_BLOCKS) end = first + BATCH_BLOCKS;
    bool room = add_missing(remote, batch, first, end);
    if (!batch->count) add_run(batch, first, first + 1);     /* it is kept and cannot be read */
    if (!room) return;
    size_t at = find_want(remote, first);
    if (at < remote->want_count) add_wanted(remote, batch, first, at);
    else add_ahead(remote, batch, first, end);
}

/* ---- asking ---- */

/* One request's bytes. */
typedef struct Catch {
    unsigned char *bytes;            /* [room]; owned */
    size_t done, room;
} Catch;

static bool take(void *context, const void *bytes, size_t n, Error *err)
{
    Catch *held = context;
    if (n > held->room - held->done)
        return error_set(err, ERR_NETWORK, "its server sends more than was asked for");
    memcpy(held->bytes + held->done, bytes, n);
    held->done += n;
    return true;
}

static uint64_t block_end(const Remote *remote, uint64_t block)
{
    uint64_t end = (block + 1) * BLOCK_BYTES;
    return end < remote->base.size ? end : remote->base.size;
}

/* Keeps whole blocks. */
static void keep(const Remote *remote, const Want *run, const Catch *held)
{
    for (uint64_t i = run->first; i < run->end; i++) {
        size_t at = (size_t)((i - run->first) * BLOCK_BYTES);
        block_cache_put(remote->owner, i, held->bytes + at,
                        (size_t)(block_end(remote, i) - i * BLOCK_BYTES));
    }
}

/* Copies what a run has of [offset, offset + n), when it has its first byte; how much. */
static size_t hand_over(const Want *run, const Catch *held, uint64_t offset, unsigned char *out,
                        size_t n)
{
    uint64_t from = run->first * BLOCK_BYTES;
    if (offset < from || offset - from >= held->done) return 0;
    size_t skip = (size_t)(offset - from), here = held->done - skip < n ? held->done - skip : n;
    memcpy(out, held->bytes + skip, here);
    return here;
}

/* Asks for a batch, keeps it, and hands over what of [offset, offset + n) came in one piece. */
static bool fetch(Remote *remote, const Batch *batch, uint64_t offset, unsigned char *out, size_t n,
                  size_t *got, Error *err)
{
    Ask asks[ASKS_MAX];
    Catch held[ASKS_MAX];
    for (size_t i = 0; i < batch->count; i++) {
        const Want *run = &batch->runs[i];
        uint64_t from = run->first * BLOCK_BYTES;
        held[i] = (Catch){.room = (size_t)(block_end(remote, run->end - 1) - from)};
        held[i].bytes = mem_alloc(held[i].room);
        asks[i] = (Ask){.url = remote->landed, .from = from, .n = held[i].room,
                        .known = &remote->version, .body = take, .context = &held[i]};
    }
    bool fine = ask_all(&remote->place, asks, batch->count, err);
    *got = 0;
    for (size_t i = 0; i < batch->count && fine; i++) {
        keep(remote, &batch->runs[i], &held[i]);
        if (strcmp(asks[i].landed, remote->landed) != 0)
            remote->landed = arena_strdup(remote->arena, asks[i].landed);
    }
    for (bool some = fine; some;) {
        some = false;
        for (size_t i = 0; i < batch->count; i++) {
            size_t here = hand_over(&batch->runs[i], &held[i], offset + *got, out + *got, n - *got);
            *got += here;
            some = some || here;
        }
    }
    for (size_t i = 0; i < batch->count; i++) {
        free(held[i].bytes);
        ask_done(&asks[i]);
    }
    return fine;
}

/* ---- reading ---- */

/* As much from `offset` on as is kept. */
static size_t read_kept(const Remote *remote, uint64_t offset, unsigned char *out, size_t n)
{
    size_t done = 0;
    while (done < n) {
        uint64_t block = (offset + done) / BLOCK_BYTES, end = block_end(remote, block);
        size_t skip = (size_t)((offset + done) % BLOCK_BYTES);
        size_t here = end - offset - done < n - done ? (size_t)(end - offset - done) : n - done;
        if (!block_cache_get(remote->owner, block, skip, out + done, here)) break;
        done += here;
    }
    return done;
}

/* Waits until no other thread asks the server; false when we are told to stop. */
static bool take_turn(Remote *remote, Error *err)
{
    pthread_mutex_lock(&remote->lock);
    bool fine = true;
    while (fine && remote->busy) {
        struct timespec soon;
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 50000000;
        if (soon.tv_nsec >= 1000000000) soon.tv_nsec -= 1000000000, soon.tv_sec++;
        pthread_cond_timedwait(&remote->turned, &remote->lock, &soon);
        fine = http_pause(0, err);
    }
    if (fine) remote->busy = true;
    pthread_mutex_unlock(&remote->lock);
    return fine || error_prefix(err, "%s", remote->base.name);
}

static void end_turn(Remote *remote)
{
    pthread_mutex_lock(&remote->lock);
    remote->busy = false;
    pthread_cond_broadcast(&remote->turned);
    pthread_mutex_unlock(&remote->lock);
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

static bool read_remote(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    Error why = {0};
    Remote *remote = (Remote *)source;
    unsigned char *to = out;
    bool fine = true;
    while (fine && n) {
        size_t got = read_kept(remote, offset, to, n);
        if (!got) {
            if (!take_turn(remote, &why)) return fail(&why, err);
            got = read_kept(remote, offset, to, n);      /* it may have come meanwhile */
            if (!got) {
                Batch batch;
                pthread_mutex_lock(&remote->lock);
                plan_batch(remote, &batch, offset / BLOCK_BYTES,
                           (offset + n - 1) / BLOCK_BYTES + 1);
                pthread_mutex_unlock(&remote->lock);
                fine = fetch(remote, &batch, offset, to, n, &got, &why);
            }
            end_turn(remote);
        }
        offset += got;
        to += got;
        n -= got;
    }
    return fine || fail(&why, err);
}

static void want_remote(ByteSource *source, uint64_t offset, uint64_t n)
{
    Remote *remote = (Remote *)source;
    if (!n) return;
    Want want = {offset / BLOCK_BYTES, (offset + n - 1) / BLOCK_BYTES + 1};
    pthread_mutex_lock(&remote->lock);
    Want *last = remote->want_count ? &remote->wants[remote->want_count - 1] : NULL;
    if (last && want.first <= last->end && want.first >= last->first) {
        if (want.end > last->end) last->end = want.end;
    } else {
        remote->wants = mem_grow(remote->wants, &remote->want_room, remote->want_count + 1,
                                 sizeof *remote->wants);
        remote->wants[remote->want_count++] = want;
    }
    pthread_mutex_unlock(&remote->lock);
}

static void close_remote(ByteSource *source)
{
    Remote *remote = (Remote *)source;
    block_cache_drop(remote->owner);
    pthread_mutex_destroy(&remote->lock);
    pthread_cond_destroy(&remote->turned);
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
    pthread_cond_init(&remote->turned, NULL);
    remote->owner = block_cache_owner();
    remote->blocks = (version->size + BLOCK_BYTES - 1) / BLOCK_BYTES;
    for (uint64_t i = 0; i < remote->blocks && block_end(remote, i) <= n; i++)
        block_cache_put(remote->owner, i, (const char *)head + i * BLOCK_BYTES,
                        (size_t)(block_end(remote, i) - i * BLOCK_BYTES));
    remote->next = n / BLOCK_BYTES;
    return &remote->base;
}
