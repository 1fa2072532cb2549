/* Open addressing over pointers, half full at most; nothing is ever removed. */
#include "loader/export/identity_map.h"

#include <stdlib.h>

#include "loader/core/memory.h"

struct IdentitySlot {
    const void *identity;    /* NULL = free */
    uint32_t number;
};

void identity_done(IdentityMap *map)
{
    free(map->slots);
    *map = (IdentityMap){0};
}

/* The slot that holds `identity`, or the free one where it belongs. Pointers are no file's to
 * choose, so a fixed multiplier is as good as a seeded hash. */
static IdentitySlot *find_slot(IdentitySlot *slots, size_t room, const void *identity)
{
    uint64_t hash = (uint64_t)(uintptr_t)identity * 0x9E3779B97F4A7C15u;
    size_t at = (size_t)(hash >> 24) & (room - 1);
    while (slots[at].identity && slots[at].identity != identity) at = (at + 1) & (room - 1);
    return &slots[at];
}

uint32_t identity_get(const IdentityMap *map, const void *identity)
{
    if (!map->slots || !identity) return IDENTITY_NONE;
    const IdentitySlot *slot = find_slot(map->slots, map->room, identity);
    return slot->identity ? slot->number : (uint32_t)IDENTITY_NONE;
}

static void grow(IdentityMap *map)
{
    size_t room = map->room ? map->room * 2 : 64;
    IdentitySlot *slots = mem_alloc(room * sizeof *slots);
    for (size_t i = 0; i < map->room; i++)
        if (map->slots[i].identity)
            *find_slot(slots, room, map->slots[i].identity) = map->slots[i];
    free(map->slots);
    map->slots = slots;
    map->room = room;
}

void identity_set(IdentityMap *map, const void *identity, uint32_t number)
{
    if (map->count * 2 >= map->room) grow(map);
    *find_slot(map->slots, map->room, identity) = (IdentitySlot){identity, number};
    map->count++;
}
