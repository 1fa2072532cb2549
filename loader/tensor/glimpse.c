/* The reader alone writes. A name is complete before the count says that it is there, and is not
 * touched again: so whoever looks on needs no lock, and the reader waits for nobody. */
#include "loader/tensor/glimpse.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/memory.h"

/* Bytes of a name that are kept: no screen is wider. */
enum { NAME_BYTES = 1000 };

struct Glimpse {
    Arena *arena;                /* what the names point to; the reader's */
    GlimpseName names[GLIMPSE_NAMES];
    atomic_size_t count;
    atomic_uint_least64_t done, total;
};

static _Thread_local Glimpse *current;

Glimpse *glimpse_new(void)
{
    Glimpse *glimpse = mem_alloc(sizeof *glimpse);
    glimpse->arena = arena_new();
    return glimpse;
}

void glimpse_free(Glimpse *glimpse)
{
    if (!glimpse) return;
    arena_free(glimpse->arena);
    free(glimpse);
}

Glimpse *glimpse_set(Glimpse *glimpse)
{
    Glimpse *before = current;
    current = glimpse;
    return before;
}

bool glimpse_is_wanted(void)
{
    return current != NULL;
}

void glimpse_add(const char *name, const int64_t *dims, unsigned rank)
{
    Glimpse *glimpse = current;
    if (!glimpse) return;
    const size_t at = atomic_load_explicit(&glimpse->count, memory_order_relaxed);
    if (at < GLIMPSE_NAMES) {
        GlimpseName *own = &glimpse->names[at];
        own->name = arena_strndup(glimpse->arena, name, strnlen(name, NAME_BYTES));
        own->dims = dims ? arena_copy(glimpse->arena, dims, rank * sizeof *dims) : NULL;
        own->rank = rank;
    }
    atomic_store_explicit(&glimpse->count, at + 1, memory_order_release);
}

/* The two numbers may be seen at two moments; a percentage does not mind. */
void glimpse_step(uint64_t done, uint64_t total)
{
    if (!current) return;
    atomic_store_explicit(&current->done, done, memory_order_relaxed);
    atomic_store_explicit(&current->total, total, memory_order_relaxed);
}

size_t glimpse_count(const Glimpse *glimpse)
{
    return atomic_load_explicit(&glimpse->count, memory_order_acquire);
}

const GlimpseName *glimpse_at(const Glimpse *glimpse, size_t index)
{
    return &glimpse->names[index];
}

int glimpse_percent(const Glimpse *glimpse)
{
    const uint64_t done = atomic_load_explicit(&glimpse->done, memory_order_relaxed);
    const uint64_t total = atomic_load_explicit(&glimpse->total, memory_order_relaxed);
    if (!total) return -1;
    return done < total ? (int)((double)done * 100 / (double)total) : 100;
}
