/* Vectors beside kernels: a norm goes where the layer goes that it belongs to. */
#include <stdlib.h>

#include "loader/align/auto_parts.h"

/* The two units below a path. */
typedef struct Couple {
    uint32_t unit[2], count;
} Couple;

typedef struct Couples {
    Table paths;             /* path → index in list */
    Couple *list;            /* [count] */
    size_t count;
} Couples;

static Couples list_couples(Arena *arena, const Side *side)
{
    Couples couples = {{.arena = arena}, NULL, 0};
    couples.list = arena_alloc(arena, (side->unit_count + 1) * sizeof *couples.list);
    for (uint32_t i = 0; i < side->unit_count; i++) {
        const uint64_t path = side->units[i].up[0];
        bool fresh;
        const uint32_t at = *table_add(&couples.paths, path, (uint32_t)couples.count, &fresh);
        Couple *couple = &couples.list[at];
        couples.count += fresh;
        if (couple->count < 2) couple->unit[couple->count] = i;
        couple->count++;
    }
    return couples;
}

/* The kernel that has a vector beside it and nothing else; NONE: it is no vector, or has none. */
static uint32_t kernel_beside(const Couples *couples, const Side *side, uint32_t unit)
{
    const Unit *own = &side->units[unit];
    if (!main_tensor(side, own)->dims || unit_is_matrix(side, own)) return NONE;
    const Couple *couple = &couples->list[*table_find(&couples->paths, own->up[0])];
    if (couple->count != 2 || own->up[0] == path_root()) return NONE;
    const uint32_t other = couple->unit[couple->unit[0] == unit];
    return unit_is_matrix(side, &side->units[other]) ? other : NONE;
}

/* conv.0 and conv.1 of a norm each: a norm does not go to one layer while the kernel beside it goes
 * to another, whose norm comes from elsewhere. */
void check_beside(Auto *a)
{
    Side *x = &a->side[0], *y = &a->side[1];
    Arena *arena = arena_new();
    const Couples couples[2] = {list_couples(arena, x), list_couples(arena, y)};
    for (uint32_t i = 0; i < x->unit_count; i++) {
        Unit *u = &x->units[i];
        if (u->mate == NONE || u->fixed) continue;
        Unit *v = &y->units[u->mate];
        const uint32_t s = kernel_beside(&couples[0], x, i);
        const uint32_t t = kernel_beside(&couples[1], y, u->mate);
        if (s == NONE || t == NONE) continue;
        if (x->units[s].mate == NONE || y->units[t].mate == NONE) continue;
        if (x->units[s].mate != t) u->mate = v->mate = NONE;
    }
    arena_free(arena);
}

/* ---- a norm and its layer ---- */

/* The vectors right below each path: how many, and the first. */
typedef struct Vectors {
    Table count, first;
} Vectors;

static Vectors list_vectors(Arena *arena, const Side *side)
{
    Vectors vectors = {{.arena = arena}, {.arena = arena}};
    for (uint32_t i = 0; i < side->unit_count; i++) {
        const Unit *unit = &side->units[i];
        if (!main_tensor(side, unit)->dims || unit_is_matrix(side, unit)) continue;
        (*table_add(&vectors.count, unit->up[0], 0, NULL))++;
        table_add(&vectors.first, unit->up[0], i, NULL);
    }
    return vectors;
}

/* The only vector beside a kernel, or beside what the kernel is wrapped in; NONE. */
static uint32_t vector_beside(const Vectors *vectors, const Unit *kernel)
{
    for (size_t i = 0; i < 2 && kernel->up[i] != path_root(); i++) {
        const uint32_t n = table_count(&vectors->count, kernel->up[i]);
        if (n) return n == 1 ? *table_find(&vectors->first, kernel->up[i]) : NONE;
    }
    return NONE;
}

static bool is_open(const Side *side, uint32_t unit)
{
    const Unit *own = unit == NONE ? NULL : &side->units[unit];
    return own && own->mate != NONE && !own->fixed && !side->templates[own->template].group;
}

static bool is_free(const Side *side, uint32_t unit)
{
    const Unit *own = unit == NONE ? NULL : &side->units[unit];
    return own && own->mate == NONE && !own->fixed && !side->templates[own->template].dead;
}

/* The first gets the second; what both had is left, and is each other's. */
static void give_mate(Side *x, Side *y, uint32_t first, uint32_t second)
{
    const float unsure = 0.12f;
    const uint32_t mate = x->units[first].mate, other = y->units[second].mate;
    x->units[first].mate = second;
    y->units[second].mate = first;
    y->units[mate].mate = other;
    x->units[first].margin = y->units[second].margin = y->units[mate].margin = unsure;
    if (other == NONE) return;
    x->units[other].mate = mate;
    x->units[other].margin = unsure;
}

/* A kernel with a norm and nothing else, whose mate has one norm beside it: these two belong
 * together. Where the one was given to another, or both were, they change places; names alone had
 * said so, and so this is asked about. */
void check_couples(Auto *a)
{
    Side *sides[] = {&a->side[0], &a->side[1]};
    Arena *arena = arena_new();
    const Couples couples[2] = {list_couples(arena, sides[0]), list_couples(arena, sides[1])};
    const Vectors vectors[2] = {list_vectors(arena, sides[0]), list_vectors(arena, sides[1])};
    for (int s = 0; s < 2; s++) {
        Side *x = sides[s], *y = sides[!s];
        for (uint32_t i = 0; i < x->unit_count; i++) {
            if (!is_open(x, i)) continue;
            const uint32_t kernel = kernel_beside(&couples[s], x, i);
            if (kernel == NONE || x->units[kernel].mate == NONE) continue;
            const uint32_t there = vector_beside(&vectors[!s], &y->units[x->units[kernel].mate]);
            if (there == x->units[i].mate || !(is_open(y, there) || is_free(y, there))) continue;
            if (y->units[there].shape == x->units[i].shape) give_mate(x, y, i, there);
        }
    }
    arena_free(arena);
}
