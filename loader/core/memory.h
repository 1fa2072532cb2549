/* Memory: allocation that aborts, the arena, and sums that cannot wrap.
 *
 * Memory asked for by our own sizes may abort when out (mem_*). Memory asked for by a
 * file's numbers must be checked against a limit first; then it may use these too. */
#ifndef LOADER_CORE_MEMORY_H
#define LOADER_CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define countof(array) (sizeof(array) / sizeof((array)[0]))

void *mem_alloc(size_t bytes);                     /* zeroed; never NULL; free() it */
void *mem_alloc_full(size_t bytes);                /* the same, for what will be touched all over */
void *mem_realloc(void *old, size_t bytes);        /* never NULL */
char *mem_strdup(const char *text);                /* never NULL; free() it */

/* Makes room for `want` items of `size` bytes in *array, doubling *room; for growing lists. */
void *mem_grow(void *array, size_t *room, size_t want, size_t size);

/* An Arena hands out memory that lives until the arena is freed; nothing is freed singly. */
typedef struct Arena Arena;

Arena *arena_new(void);
void arena_free(Arena *arena);                     /* NULL is fine */
void *arena_alloc(Arena *arena, size_t bytes);     /* zeroed, aligned to 8; never NULL */
void *arena_copy(Arena *arena, const void *bytes, size_t n);
/* A list of `count` items of `size` bytes, with room for one more. Its room doubles: the lists that
 * are left behind are together no larger than the new one. */
void *arena_grow(Arena *arena, void *list, size_t count, size_t *room, size_t size);
char *arena_strdup(Arena *arena, const char *text);
char *arena_strndup(Arena *arena, const char *text, size_t n); /* adds the closing NUL */
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t arena_bytes(const Arena *arena);            /* handed out so far */
/* Little more will be asked of it: what pages it has for more go back to the system. */
void arena_trim(Arena *arena);
/* The same of memory from an arena that nobody will look at any more. */
void arena_discard(void *memory, size_t bytes);

/* Sums of unsigned 64-bit sizes that come from a file; false when the result would wrap. */
static inline bool sum_add(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
static inline bool sum_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

#endif
