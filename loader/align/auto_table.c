#include "loader/align/auto_table.h"

#include <stdlib.h>
#include <string.h>

uint64_t hash_text(uint64_t seed, const char *bytes, size_t n)
{
    uint64_t hash = hash_mix(seed, n);
    for (; n >= 8; n -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = hash_mix(hash, word);
    }
    uint64_t tail = 0;
    memcpy(&tail, bytes, n);
    return hash_mix(hash, tail);
}

static uint64_t key_of(const TableSlot *slot)
{
    return (uint64_t)slot->key[1] << 32 | slot->key[0];
}

/* The slot of a key, or the empty one where it would go; there always is an empty one. */
static TableSlot *find_slot(const Table *table, uint64_t key)
{
    size_t at = (size_t)hash_mix(key, 1) & (table->room - 1);
    for (;; at = (at + 1) & (table->room - 1)) {
        TableSlot *slot = &table->slots[at];
        const uint64_t found = key_of(slot);
        if (!found || found == key) return slot;
    }
}

uint32_t *table_find(const Table *table, uint64_t key)
{
    if (!table->room) return NULL;
    TableSlot *slot = find_slot(table, key ? key : 1);
    return key_of(slot) ? &slot->number : NULL;
}

/* In an arena the old slots stay: those of all doublings together are as large as the new ones. */
static void enlarge(Table *table, size_t room)
{
    const Table old = *table;
    table->room = room;
    const size_t bytes = table->room * sizeof *table->slots;
    table->slots = table->arena ? arena_alloc(table->arena, bytes) : mem_alloc(bytes);
    for (size_t i = 0; i < old.room; i++)
        if (key_of(&old.slots[i])) *find_slot(table, key_of(&old.slots[i])) = old.slots[i];
    if (!table->arena) free(old.slots);
}

void table_reserve(Table *table, size_t count)
{
    size_t room = table->room ? table->room : 64;
    while (count * 4 > room * 3) room *= 2;
    if (room > table->room) enlarge(table, room);
}

void table_done(Table *table)
{
    free(table->slots);
    *table = (Table){0};
}

uint32_t *table_add(Table *table, uint64_t key, uint32_t number, bool *fresh)
{
    if (table->count * 4 >= table->room * 3) enlarge(table, table->room ? table->room * 2 : 64);
    key = key ? key : 1;
    TableSlot *slot = find_slot(table, key);
    const bool empty = !key_of(slot);
    if (fresh) *fresh = empty;
    if (empty) {
        *slot = (TableSlot){{(uint32_t)key, (uint32_t)(key >> 32)}, number};
        table->count++;
    }
    return &slot->number;
}

uint32_t table_count(const Table *table, uint64_t key)
{
    const uint32_t *count = table_find(table, key);
    return count ? *count : 0;
}
