#include "loader/core/map.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loader/core/memory.h"

/* Linear probing: a name lies in the first free slot from its home (hash modulo room) on. So a
 * search ends at the first free slot, and removing must not leave one in the middle of a run. */
struct NameSlot {
    const char *name;    /* borrowed; NULL = free */
    uint32_t hash;       /* of the name: compared first, and kept for growing */
    uint32_t number;     /* what map_set stored; meaningless while the slot is free */
};

enum { MAP_TOGETHER = 32 };      /* looked up at once; as many as are sent for without waiting */

/* Different in every process, so that no file can be prepared whose names all collide. It need
 * not be a secret: clock and process number are random enough. What the first thread sets all keep,
 * since maps are filled by it. */
uint64_t map_seed(void)
{
    static atomic_uint_least64_t seed;
    uint64_t found = atomic_load_explicit(&seed, memory_order_relaxed);
    if (found) return found;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t made = ((uint64_t)now.tv_nsec << 20) ^ (uint64_t)now.tv_sec ^
                          ((uint64_t)getpid() << 40) ^ 1;
    return atomic_compare_exchange_strong(&seed, &found, made) ? made : found;
}

/* Eight bytes at a time, multiply and fold (the construction of wyhash, shortened): the two
 * halves of a 128-bit product, xored, depend on every bit of both factors. The last 0 to 7 bytes
 * are filled up with zeros, which no name contains. */
static uint32_t hash_name(const char *name)
{
    const uint64_t k = 0x9E3779B97F4A7C15u;
    size_t n = strlen(name);
    uint64_t h = map_seed() ^ (n * k);
    for (; n >= 8; n -= 8, name += 8) {
        uint64_t word;
        memcpy(&word, name, 8);
        __uint128_t wide = (__uint128_t)(h ^ word) * k;
        h = (uint64_t)wide ^ (uint64_t)(wide >> 64);
    }
    uint64_t tail = 0;
    memcpy(&tail, name, n);
    __uint128_t wide = (__uint128_t)(h ^ tail) * 0xD6E8FEB86659FD93u;
    h = (uint64_t)wide ^ (uint64_t)(wide >> 64);
    return (uint32_t)(h ^ (h >> 29));
}

void map_init(NameMap *map)
{
    *map = (NameMap){0};
}

void map_done(NameMap *map)
{
    free(map->slots);
    map_init(map);
}

/* The slot that holds `name`, or the free one where it would go. There is always a free one:
 * map_set grows the map before it is more than three quarters full. */
static NameSlot *find_slot(const NameMap *map, const char *name, uint32_t hash)
{
    for (size_t i = hash & (map->room - 1);; i = (i + 1) & (map->room - 1)) {
        NameSlot *slot = &map->slots[i];
        if (!slot->name || (slot->hash == hash && strcmp(slot->name, name) == 0)) return slot;
    }
}

uint32_t map_get(const NameMap *map, const char *name)
{
    if (!map->count) return MAP_NONE;
    const NameSlot *slot = find_slot(map, name, hash_name(name));
    return slot->name ? slot->number : MAP_NONE;
}

void map_prefetch(const NameMap *map, const char *name)
{
    if (map->room) __builtin_prefetch(&map->slots[hash_name(name) & (map->room - 1)], 1);
}

/* A large map is nowhere near the processor: slots, and then the names in them, are sent for before
 * any of them is looked at. */
static void get_together(const NameMap *map, const char *const *names, size_t n, uint32_t *numbers)
{
    uint32_t hashes[MAP_TOGETHER];
    for (size_t i = 0; i < n; i++) {
        hashes[i] = hash_name(names[i]);
        __builtin_prefetch(&map->slots[hashes[i] & (map->room - 1)]);
    }
    for (size_t i = 0; i < n; i++) {
        const NameSlot *slot = &map->slots[hashes[i] & (map->room - 1)];
        if (slot->name) __builtin_prefetch(slot->name);
    }
    for (size_t i = 0; i < n; i++) {
        const NameSlot *slot = find_slot(map, names[i], hashes[i]);
        numbers[i] = slot->name ? slot->number : MAP_NONE;
    }
}

void map_get_many(const NameMap *map, const char *const *names, size_t n, uint32_t *numbers)
{
    for (size_t i = 0; i < n; i++) numbers[i] = MAP_NONE;
    for (size_t i = 0; map->count && i < n; i += MAP_TOGETHER)
        get_together(map, names + i, n - i < MAP_TOGETHER ? n - i : MAP_TOGETHER, numbers + i);
}

/* More room, a power of two; the slots move by the hashes they keep. */
static void enlarge(NameMap *map, size_t room)
{
    NameMap bigger = {mem_alloc_full(room * sizeof(NameSlot)), room, map->count};
    for (size_t i = 0; i < map->room; i++)
        if (map->slots[i].name)
            *find_slot(&bigger, map->slots[i].name, map->slots[i].hash) = map->slots[i];
    free(map->slots);
    *map = bigger;
}

void map_reserve(NameMap *map, size_t count)
{
    size_t room = map->room ? map->room : 16;
    while (count * 4 > room * 3) room *= 2;
    if (room > map->room) enlarge(map, room);
}

/* The slot that holds `name`, or the free one, in which there is room for it then. */
static NameSlot *claim_slot(NameMap *map, const char *name, uint32_t hash)
{
    if ((map->count + 1) * 4 > map->room * 3) enlarge(map, map->room ? map->room * 2 : 16);
    return find_slot(map, name, hash);
}

bool map_add(NameMap *map, const char *name, uint32_t number)
{
    uint32_t hash = hash_name(name);
    NameSlot *slot = claim_slot(map, name, hash);
    if (slot->name) return false;
    *slot = (NameSlot){name, hash, number};
    map->count++;
    return true;
}

static void add_together(NameMap *map, const char *const *names, size_t n, uint32_t first,
                         bool *added)
{
    uint32_t hashes[MAP_TOGETHER];
    for (size_t i = 0; i < n; i++) __builtin_prefetch(names[i]);
    for (size_t i = 0; i < n; i++) {
        hashes[i] = hash_name(names[i]);
        __builtin_prefetch(&map->slots[hashes[i] & (map->room - 1)], 1);
    }
    for (size_t i = 0; i < n; i++) {
        NameSlot *slot = find_slot(map, names[i], hashes[i]);
        added[i] = !slot->name;
        if (!added[i]) continue;
        *slot = (NameSlot){names[i], hashes[i], first + (uint32_t)i};
        map->count++;
    }
}

void map_add_many(NameMap *map, const char *const *names, size_t n, uint32_t first, bool *added)
{
    map_reserve(map, map->count + n);
    for (size_t i = 0; i < n; i += MAP_TOGETHER)
        add_together(map, names + i, n - i < MAP_TOGETHER ? n - i : MAP_TOGETHER,
                     first + (uint32_t)i, added + i);
}

uint32_t map_set(NameMap *map, const char *name, uint32_t number)
{
    uint32_t hash = hash_name(name);
    NameSlot *slot = claim_slot(map, name, hash);
    uint32_t before = slot->name ? slot->number : MAP_NONE;
    if (!slot->name) map->count++;
    *slot = (NameSlot){name, hash, number};
    return before;
}

bool map_remove(NameMap *map, const char *name)
{
    if (!map->count) return false;
    NameSlot *slot = find_slot(map, name, hash_name(name));
    if (!slot->name) return false;
    size_t hole = (size_t)(slot - map->slots), mask = map->room - 1;
    /* Close the hole: a later slot of the run moves back into it unless its home lies behind
     * the hole, where a search for it would not pass. Distances are taken modulo the room. */
    for (size_t i = (hole + 1) & mask; map->slots[i].name; i = (i + 1) & mask) {
        size_t home = map->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = (NameSlot){0};
    map->count--;
    return true;
}
