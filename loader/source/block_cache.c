/* Slots of one file, found by a hash table with chains, and ordered by their last use in a ring:
 * slot 0 is the ring's and holds nothing; behind it stands the newest, before it the oldest. */
#include "loader/source/block_cache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loader/core/limits.h"
#include "loader/core/memory.h"
#include "loader/core/write_all.h"

enum { SLOTS_MIN = 64 };     /* 2 MiB, however little is allowed */

typedef struct Slot {
    uint64_t owner, block;   /* owner 0: free */
    uint32_t chain;          /* the next one of the same hash; 0: none */
    uint32_t newer, older;   /* in the ring */
} Slot;

/* One for the process: what is bounded is what all files together keep. */
static struct {
    pthread_mutex_t lock;
    FILE *file;              /* only its descriptor is used; NULL: none could be made */
    Slot *slots;             /* [count + 1]; NULL until the first block */
    uint32_t *heads;         /* [count] first slot of a hash; 0: none */
    uint32_t count, used;    /* slots that there may be, that were taken so far */
    uint64_t owners;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint32_t *find_head(uint64_t owner, uint64_t block)
{
    uint64_t mixed = (block + owner * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xD6E8FEB86659FD93);
    return &cache.heads[(mixed >> 32) % cache.count];
}

static uint32_t find(uint64_t owner, uint64_t block)
{
    if (!cache.slots) return 0;
    uint32_t at = *find_head(owner, block);
    while (at && (cache.slots[at].owner != owner || cache.slots[at].block != block))
        at = cache.slots[at].chain;
    return at;
}

static void unlink_slot(uint32_t at)
{
    Slot *slot = &cache.slots[at];
    cache.slots[slot->newer].older = slot->older;
    cache.slots[slot->older].newer = slot->newer;
}

/* Behind slot 0: the newest. */
static void link_newest(uint32_t at)
{
    Slot *ring = cache.slots, *slot = &ring[at];
    slot->newer = 0;
    slot->older = ring[0].older;
    ring[slot->older].newer = at;
    ring[0].older = at;
}

/* Before slot 0: the first to be taken again. */
static void link_oldest(uint32_t at)
{
    Slot *ring = cache.slots, *slot = &ring[at];
    slot->older = 0;
    slot->newer = ring[0].newer;
    ring[slot->newer].older = at;
    ring[0].newer = at;
}

static void forget(uint32_t at)
{
    Slot *slot = &cache.slots[at];
    uint32_t *p = find_head(slot->owner, slot->block);
    while (*p != at) p = &cache.slots[*p].chain;
    *p = slot->chain;
    slot->owner = 0;
    unlink_slot(at);
    link_oldest(at);
}

/* The limit is as the user set it before anything was opened. */
static void start(void)
{
    uint64_t slots = limit(LIMIT_REMOTE_CACHE) / BLOCK_BYTES;
    if (slots < SLOTS_MIN) slots = SLOTS_MIN;
    cache.count = slots < UINT32_MAX / 2 ? (uint32_t)slots : UINT32_MAX / 2;
    cache.slots = mem_alloc(((size_t)cache.count + 1) * sizeof *cache.slots);
    cache.heads = mem_alloc((size_t)cache.count * sizeof *cache.heads);
    cache.file = tmpfile();
}

/* A slot for a new block: one that was freed, one never used, else the oldest. */
static uint32_t take_slot(void)
{
    uint32_t at = cache.slots[0].newer;
    bool is_free = at && !cache.slots[at].owner;
    if (!is_free && cache.used < cache.count) {
        link_newest(++cache.used);
        return cache.used;
    }
    if (!is_free) forget(at);
    unlink_slot(at);
    link_newest(at);
    return at;
}

static off_t place_of(uint32_t at)
{
    return (off_t)(at - 1) * BLOCK_BYTES;
}

uint64_t block_cache_room(void)
{
    pthread_mutex_lock(&cache.lock);
    if (!cache.slots) start();
    uint64_t room = cache.file ? cache.count : 0;
    pthread_mutex_unlock(&cache.lock);
    return room;
}

uint64_t block_cache_owner(void)
{
    pthread_mutex_lock(&cache.lock);
    uint64_t owner = ++cache.owners;
    pthread_mutex_unlock(&cache.lock);
    return owner;
}

void block_cache_drop(uint64_t owner)
{
    pthread_mutex_lock(&cache.lock);
    for (uint32_t i = 1; i <= cache.used; i++)
        if (cache.slots[i].owner == owner) forget(i);
    pthread_mutex_unlock(&cache.lock);
}

bool block_cache_has(uint64_t owner, uint64_t block)
{
    pthread_mutex_lock(&cache.lock);
    bool has = find(owner, block) != 0;
    pthread_mutex_unlock(&cache.lock);
    return has;
}

static bool read_slot(uint32_t at, size_t skip, char *out, size_t n)
{
    return pread_all(fileno(cache.file), out, n, place_of(at) + (off_t)skip);
}

static bool write_slot(uint32_t at, const char *bytes, size_t n)
{
    return pwrite_all(fileno(cache.file), bytes, n, place_of(at));
}

/* Under the lock, so that the slot is not given to another block meanwhile. */
bool block_cache_get(uint64_t owner, uint64_t block, size_t skip, void *out, size_t n)
{
    pthread_mutex_lock(&cache.lock);
    uint32_t at = find(owner, block);
    bool fine = at && read_slot(at, skip, out, n);
    if (fine) {
        unlink_slot(at);
        link_newest(at);
    }
    pthread_mutex_unlock(&cache.lock);
    return fine;
}

void block_cache_put(uint64_t owner, uint64_t block, const void *bytes, size_t n)
{
    pthread_mutex_lock(&cache.lock);
    if (!cache.slots) start();
    if (cache.file && !find(owner, block)) {
        uint32_t at = take_slot(), *head = find_head(owner, block);
        Slot *slot = &cache.slots[at];
        slot->owner = owner;
        slot->block = block;
        slot->chain = *head;
        *head = at;
        if (!write_slot(at, bytes, n)) forget(at);
    }
    pthread_mutex_unlock(&cache.lock);
}
