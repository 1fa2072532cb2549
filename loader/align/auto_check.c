/* A second look at rows: most of a row's pairs lie beside the pairs of their neighbours. One that
 * does not has slipped: a block is missing, and another that looks the same took its place. */
#include "loader/align/auto_parts.h"

enum { LEVELS = UP_MAX * UP_MAX };

/* Pairs of units below two ancestors, and pairs below one. */
typedef struct Neighbours {
    Table both, one[2];
} Neighbours;

static Neighbours count_neighbours(Auto *a)
{
    Neighbours n = {{.arena = a->arena}, {{.arena = a->arena}, {.arena = a->arena}}};
    for (uint32_t i = 0; i < a->side[0].unit_count; i++) {
        const Unit *u = &a->side[0].units[i];
        if (u->mate == NONE) continue;
        const Unit *v = &a->side[1].units[u->mate];
        for (size_t p = 0; p < UP_MAX; p++) {
            (*table_add(&n.one[0], u->up[p], 0, NULL))++;
            (*table_add(&n.one[1], v->up[p], 0, NULL))++;
            for (size_t q = 0; q < UP_MAX; q++)
                (*table_add(&n.both, hash_mix(u->up[p], v->up[q]), 0, NULL))++;
        }
    }
    return n;
}

/* Of the other pairs below the p-th ancestor of a source unit, how many lie below the q-th of its
 * mate: 1 = nearly all, 0 = none, −1 = between, or there are no others. */
static int lies_beside(const Neighbours *n, const Unit *u, const Unit *v, size_t p, size_t q)
{
    uint32_t all = *table_find(&n->one[0], u->up[p]) - 1;
    uint32_t both = *table_find(&n->both, hash_mix(u->up[p], v->up[q])) - 1;
    if (!all) return -1;
    return both * 10 >= all * 8 ? 1 : both ? -1 : 0;
}

static void check_row(Auto *a, const Neighbours *n, const Template *t)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    uint32_t with[LEVELS] = {0}, without[LEVELS] = {0};
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t k = 0; k < t->count; k++) {
            Unit *u = &x->units[x->order[t->first + k]];
            if (u->mate == NONE || u->fixed) continue;
            Unit *v = &y->units[u->mate];
            bool slipped = false;
            for (size_t i = 0; i < LEVELS; i++) {
                int beside = lies_beside(n, u, v, i / UP_MAX, i % UP_MAX);
                if (!pass && beside >= 0) *(beside ? &with[i] : &without[i]) += 1;
                slipped = slipped || (pass && !beside && with[i] > without[i]);
            }
            if (slipped) u->mate = v->mate = NONE;
        }
}

/* A lone unit has no row to be compared with. It has slipped where there are others beside it on
 * both sides, and not one of these is a pair of one of those. */
static void check_lone(Auto *a, const Neighbours *n, const Template *t)
{
    enum { SEVERAL = 3 };
    Unit *u = &a->side[0].units[a->side[0].order[t->first]];
    if (u->mate == NONE || u->fixed) return;
    Unit *v = &a->side[1].units[u->mate];
    const uint64_t root = path_root();   /* all is beside each other there */
    bool known[2] = {false, false};
    for (size_t p = 0; p < UP_MAX; p++) {
        known[0] = known[0] || (u->up[p] != root && *table_find(&n->one[0], u->up[p]) > SEVERAL);
        known[1] = known[1] || (v->up[p] != root && *table_find(&n->one[1], v->up[p]) > SEVERAL);
        for (size_t q = 0; q < UP_MAX; q++)
            if (u->up[p] != root && v->up[q] != root &&
                *table_find(&n->both, hash_mix(u->up[p], v->up[q])) > 1)
                return;
    }
    if (known[0] && known[1]) u->mate = v->mate = NONE;
}

void check_rows(Auto *a)
{
    Neighbours n = count_neighbours(a);
    for (size_t i = 0; i < a->side[0].template_count; i++) {
        const Template *t = &a->side[0].templates[i];
        if (t->dead || t->group || t->mate == NONE) continue;
        if (t->count > 1) check_row(a, &n, t);
        else check_lone(a, &n, t);
    }
}
