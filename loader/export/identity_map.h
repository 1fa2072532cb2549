/* IdentityMap: pointers to numbers, O(1): which object is this, was it met before? */
#ifndef LOADER_EXPORT_IDENTITY_MAP_H
#define LOADER_EXPORT_IDENTITY_MAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct IdentitySlot IdentitySlot;

typedef struct IdentityMap {
    IdentitySlot *slots;     /* open addressing; owned; NULL while empty */
    size_t room, count;      /* room is a power of two */
} IdentityMap;

enum { IDENTITY_NONE = 0xFFFFFFFFu };

void identity_done(IdentityMap *map);
/* The number stored for `identity`, or IDENTITY_NONE. */
uint32_t identity_get(const IdentityMap *map, const void *identity);
/* Stores a number for a pointer that is not NULL and not in the map yet. */
void identity_set(IdentityMap *map, const void *identity, uint32_t number);

#endif
