#include "loader/core/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Bytes of an arena's first block, and of the largest that it takes by itself: blocks double, so
 * that a small checkpoint costs a page and a large one few calls to calloc. From ARENA_SMALL on the
 * next one is the largest. */
enum { ARENA_FIRST = 4096, HUGE_PAGE = 2 << 20, ARENA_SMALL = 1 << 20, ARENA_LARGEST = 4 << 20 };

/* What is handed out begins at multiples of that: nothing in our records is wider than a pointer or
 * a 64-bit number, and very many of them are smaller than 16 bytes. */
enum { ARENA_ALIGN = 8 };

/* One piece of an arena: this header, and behind it the memory that is handed out. */
typedef struct Block {
    struct Block *next;  /* the one made before it; NULL: the first */
    unsigned char *data; /* behind the header; of a large one, from a huge page's beginning on */
    size_t used, room;   /* bytes of `data` */
} Block;

_Static_assert(sizeof(Block) % ARENA_ALIGN == 0, "so is what lies behind it");

struct Arena {
    Block *block;        /* the newest; earlier ones hang behind it */
    size_t total;        /* bytes handed out, rounded up each */
};

/* Our own sizes are small: when they cannot be had, no answer of ours could be given either.
 * Sizes that a file chose were compared with a limit before they came here. */
static void *or_abort(void *memory)
{
    if (memory) return memory;
    fputs("tenon: out of memory\n", stderr);
    abort();
}

/* 4096 bytes on most machines, 65536 on some: madvise wants a beginning that is a multiple of it,
 * and goes on to the end of the last page that is touched. */
static size_t page_size(void)
{
    return (size_t)getpagesize();
}

/* Asks for huge pages: the first touch of a page costs a microsecond or two, and a large checkpoint
 * touches 30,000 small ones while it is opened. Most systems give huge pages to those only who ask.
 * It is asked for all of the memory: a mapping of two kinds could not be moved when it grows. A
 * refusal is of no consequence. */
static void want_huge(void *memory, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    if (bytes < HUGE_PAGE) return;
    const uintptr_t page = page_size() - 1, from = (uintptr_t)memory & ~page;
    madvise((void *)from, (((uintptr_t)memory + bytes + page) & ~page) - from, MADV_HUGEPAGE);
#endif
}

/* The first byte of a huge page from there on. */
static unsigned char *huge_begin(void *memory)
{
    const uintptr_t at = (uintptr_t)memory, huge = HUGE_PAGE - 1;
    return (unsigned char *)memory + ((huge + 1 - (at & huge)) & huge);
}

/* At least one byte, so that NULL means only "out of memory". */
void *mem_alloc(size_t bytes)
{
    return or_abort(calloc(1, bytes ? bytes : 1));
}

void *mem_alloc_full(size_t bytes)
{
    if (bytes < HUGE_PAGE) return mem_alloc(bytes);
    void *memory = NULL;
    if (posix_memalign(&memory, HUGE_PAGE, bytes) != 0) memory = NULL;
    or_abort(memory);
    want_huge(memory, bytes);
    return memset(memory, 0, bytes);
}

void *mem_realloc(void *old, size_t bytes)
{
    void *memory = or_abort(realloc(old, bytes ? bytes : 1));
    want_huge(memory, bytes);
    return memory;
}

char *mem_strdup(const char *text)
{
    return or_abort(strdup(text));
}

/* Doubling keeps the cost of adding n items proportional to n. The new part is not zeroed. */
void *mem_grow(void *array, size_t *room, size_t want, size_t size)
{
    if (want <= *room) return array;
    size_t next = *room ? *room : 8, bytes;
    while (next < want) next += next;
    if (__builtin_mul_overflow(next, size, &bytes)) return or_abort(NULL);
    *room = next;
    return mem_realloc(array, bytes);
}

Arena *arena_new(void)
{
    return mem_alloc(sizeof(Arena));
}

void arena_free(Arena *arena)
{
    if (!arena) return;
    for (Block *block = arena->block; block;) {
        Block *next = block->next;
        free(block);
        block = next;
    }
    free(arena);
}

/* A new newest block with room for `bytes`; what was left in the old one is given up. Zeroed,
 * which is what arena_alloc promises. A large one has bytes before its data that nobody touches: a
 * page that is there already, as the header's is, keeps a huge one out. */
static Block *add_block(Arena *arena, size_t bytes)
{
    size_t room = arena->block ? arena->block->room * 2 : ARENA_FIRST;
    if (room > ARENA_SMALL) room = ARENA_LARGEST;
    if (room < bytes) room = bytes;
    const size_t before = room < HUGE_PAGE ? 0 : HUGE_PAGE;
    if (room > SIZE_MAX - before - sizeof(Block)) or_abort(NULL);
    Block *block = mem_alloc(sizeof *block + before + room);
    block->data = before ? huge_begin(block + 1) : (unsigned char *)(block + 1);
    if (before) want_huge(block->data, room);
    block->room = room;
    block->next = arena->block;
    arena->block = block;
    return block;
}

void *arena_alloc(Arena *arena, size_t bytes)
{
    size_t need = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (need < bytes) or_abort(NULL);
    Block *block = arena->block;
    if (!block || block->room - block->used < need) block = add_block(arena, need);
    void *memory = block->data + block->used;
    block->used += need;
    arena->total += need;
    return memory;
}

void *arena_copy(Arena *arena, const void *bytes, size_t n)
{
    void *copy = arena_alloc(arena, n);
    if (n) memcpy(copy, bytes, n);
    return copy;
}

void *arena_grow(Arena *arena, void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room) return list;
    *room = *room ? *room * 2 : 4;
    void *larger = arena_alloc(arena, *room * size);
    if (count) memcpy(larger, list, count * size);
    return larger;
}

/* The NUL is there already: memory of an arena is zeroed. */
char *arena_strndup(Arena *arena, const char *text, size_t n)
{
    char *copy = arena_alloc(arena, n + 1);
    if (n) memcpy(copy, text, n);
    return copy;
}

char *arena_strdup(Arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

/* Twice through the arguments: once to measure, once to write. */
char *arena_printf(Arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = arena_alloc(arena, n < 0 ? 1 : (size_t)n + 1);
    if (n >= 0) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

size_t arena_bytes(const Arena *arena)
{
    return arena->total;
}

/* Whole pages only: what else lies on the first and the last is in use. */
void arena_discard(void *memory, size_t bytes)
{
    const uintptr_t page = page_size() - 1, at = (uintptr_t)memory;
    const uintptr_t from = (at + page) & ~page, to = (at + bytes) & ~page;
    if (from < to) madvise((void *)from, to - from, MADV_DONTNEED);
}

/* Nobody has touched them, or they were given back already: they are zeros afterwards, too. */
void arena_trim(Arena *arena)
{
    const Block *block = arena->block;
    if (block && block->room >= HUGE_PAGE)
        arena_discard(block->data + block->used, block->room - block->used);
}
