/* Hashes to numbers, for automatic alignment: names, paths and shapes are compared by 64 mixed
 * bits. Open addressing; memory from an arena, so nothing is freed singly, or of its own. */
#ifndef LOADER_ALIGN_AUTO_TABLE_H
#define LOADER_ALIGN_AUTO_TABLE_H

#include "loader/core/memory.h"

typedef struct TableSlot {
    uint32_t key[2];         /* halves of one that is not 0: a slot is 12 bytes; {0, 0} is empty */
    uint32_t number;
} TableSlot;

typedef struct Table {
    Arena *arena;            /* NULL: memory of its own, for table_done */
    TableSlot *slots;        /* [room] a power of two; NULL while empty */
    size_t room, count;
} Table;

/* The number stored for a key, to be read or changed; NULL when there is none. */
uint32_t *table_find(const Table *table, uint64_t key);
/* Its number; 0 when there is none. */
uint32_t table_count(const Table *table, uint64_t key);
/* The same; a new key gets `number`. *fresh (may be NULL) tells. The pointer holds until the next
 * key is added. */
uint32_t *table_add(Table *table, uint64_t key, uint32_t number, bool *fresh);

/* Makes room for `count` keys in all, so that adding them moves nothing. */
void table_reserve(Table *table, size_t count);

/* Of one without an arena: a large one that lives long would leave as much again behind there. */
void table_done(Table *table);

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ 0x9E3779B97F4A7C15u) + b * 0xD6E8FEB86659FD93u;
    x = (x ^ (x >> 32)) * 0xD6E8FEB86659FD93u;
    x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9u;
    return x ^ (x >> 32);
}

uint64_t hash_text(uint64_t seed, const char *bytes, size_t n);

enum { TABLE_AHEAD = 8 };        /* so many look-ups before its own a key is sent for */

/* Sends for what a look-up of the key will look at: a large table is nowhere near the processor. */
static inline void table_expect(const Table *table, uint64_t key)
{
    if (table->room) __builtin_prefetch(&table->slots[hash_mix(key, 1) & (table->room - 1)]);
}

#endif
