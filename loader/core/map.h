/* NameMap: names to numbers, O(1). Open addressing over borrowed names; the hash is
 * seeded per process, so that a file cannot choose its collisions. */
#ifndef LOADER_CORE_MAP_H
#define LOADER_CORE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct NameSlot NameSlot;

typedef struct NameMap {
    NameSlot *slots;     /* owned; NULL while empty */
    size_t room, count;  /* room is a power of two */
} NameMap;

enum { MAP_NONE = 0xFFFFFFFFu };

void map_init(NameMap *map);
void map_done(NameMap *map);

/* The number stored for `name`, or MAP_NONE. */
uint32_t map_get(const NameMap *map, const char *name);

/* The numbers of many names at once, into numbers[n]: memory is waited for together. */
void map_get_many(const NameMap *map, const char *const *names, size_t n, uint32_t *numbers);

/* Sends for the memory that asking for `name`, or storing it, will wait for: worth it when there is
 * something else to do meanwhile. */
void map_prefetch(const NameMap *map, const char *name);

/* Stores `number` (not MAP_NONE) for `name`, which is borrowed and must outlive the map.
 * Returns MAP_NONE when the name was new, else the number it had before (now replaced). */
uint32_t map_set(NameMap *map, const char *name, uint32_t number);

/* The same for a name that is new; false, and nothing changes, when it is there already. */
bool map_add(NameMap *map, const char *name, uint32_t number);

/* The same of many, numbered from `first` on; added[n] tells which were new. */
void map_add_many(NameMap *map, const char *const *names, size_t n, uint32_t first, bool *added);

/* Makes room for `count` names in all, so that storing them moves nothing. */
void map_reserve(NameMap *map, size_t count);

/* Removes a name; false when it was not there. */
bool map_remove(NameMap *map, const char *name);

/* What hashes of names begin with: another number in every process. */
uint64_t map_seed(void);

#endif
