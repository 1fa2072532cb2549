/* A third look at pairs: what the names of two units alone make only likely is sure where nothing
 * else could be meant. Below two paths that sure pairs lead to each other, one unit of a look is
 * left on either side; or no other matrix of either file has its shape. */
#include "loader/align/auto_parts.h"

/* A path of its own and those above it. */
enum { PATHS = UP_MAX + 1 };
/* Margin of what is confirmed; and of a pair that is likely. */
static const float CONFIRMED = 0.25f, LIKELY = 0.05f;

typedef struct Confirm {
    Auto *a;
    Table left[2];           /* path and look → units below it that are in no sure pair */
    Table known[2];          /* path above one of those → sure pairs below it */
    Table both;              /* path and path → sure pairs below both */
} Confirm;

static uint64_t path_at(const Unit *unit, size_t level)
{
    return level ? unit->up[level - 1] : unit->path;
}

static uint64_t look_of(const Unit *unit)
{
    return hash_mix(unit->shape, unit->count);
}

static bool is_likely(const Auto *a, const Unit *unit)
{
    return unit->mate != NONE && !unit->fixed && unit->margin >= LIKELY &&
           unit->margin < a->options->accept;
}

static bool is_sure(const Auto *a, const Unit *unit)
{
    return unit->mate != NONE && (unit->fixed || unit->margin >= a->options->accept);
}

/* Whether it is part of something fused, which pairs of units do not tell. */
static bool is_part(const Side *side, const Unit *unit)
{
    return side->templates[unit->template].group || side->templates[unit->template].dead;
}

/* The paths above what is likely, and how many of each look are left below them. */
static bool count_left(Confirm *c, int s)
{
    const Side *side = &c->a->side[s];
    bool any = false;
    for (uint32_t i = 0; i < side->unit_count; i++) {
        const Unit *unit = &side->units[i];
        if (!is_likely(c->a, unit)) continue;
        any = true;
        for (size_t p = 0; p < PATHS; p++) table_add(&c->known[s], path_at(unit, p), 0, NULL);
    }
    for (uint32_t i = 0; i < side->unit_count && any; i++) {
        const Unit *unit = &side->units[i];
        if (is_sure(c->a, unit) || is_part(side, unit)) continue;
        for (size_t p = 0; p < PATHS; p++) {
            const uint64_t path = path_at(unit, p);
            if (table_find(&c->known[s], path))
                (*table_add(&c->left[s], hash_mix(path, look_of(unit)), 0, NULL))++;
        }
    }
    return any;
}

static void count_sure(Confirm *c)
{
    const Side *x = &c->a->side[0], *y = &c->a->side[1];
    for (uint32_t i = 0; i < x->unit_count; i++) {
        const Unit *u = &x->units[i];
        if (!is_sure(c->a, u)) continue;
        const Unit *v = &y->units[u->mate];
        for (size_t q = 0; q < PATHS; q++) {
            uint32_t *below = table_find(&c->known[1], path_at(v, q));
            if (below) (*below)++;
        }
        for (size_t p = 0; p < PATHS; p++) {
            uint32_t *below = table_find(&c->known[0], path_at(u, p));
            if (!below) continue;
            (*below)++;
            for (size_t q = 0; q < PATHS; q++)
                if (table_find(&c->known[1], path_at(v, q)))
                    (*table_add(&c->both, hash_mix(path_at(u, p), path_at(v, q)), 0, NULL))++;
        }
    }
}

/* Whether all sure pairs below one of its paths lie below one of its mate's, and the other way
 * round, and the two are the only ones of their look that are left there. */
static bool is_only_one(const Confirm *c, const Unit *u, const Unit *v)
{
    const uint64_t root = path_root();
    for (size_t p = 0; p < PATHS; p++)
        for (size_t q = 0; q < PATHS; q++) {
            const uint64_t from = path_at(u, p), to = path_at(v, q);
            const uint32_t both = table_count(&c->both, hash_mix(from, to));
            if (from == root || to == root || !both) continue;
            if (both == table_count(&c->known[0], from) && both == table_count(&c->known[1], to) &&
                table_count(&c->left[0], hash_mix(from, look_of(u))) == 1 &&
                table_count(&c->left[1], hash_mix(to, look_of(v))) == 1)
                return true;
        }
    return false;
}

/* Vectors look alike whatever they are: a bias for the weight of a layer with one output. */
static bool roles_allow(const Auto *a, const Unit *u, const Unit *v)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    int64_t sizes[8];
    bool common = shape_dense(main_tensor(x, u), sizes) > 1;
    for (uint32_t i = 0; i < u->count && !common; i++)
        for (uint32_t j = 0; j < v->count && !common; j++)
            common = x->role_of[x->members[u->first + i]] == y->role_of[y->members[v->first + j]];
    return common;
}

static bool names_allow(const Auto *a, const Unit *u, const Unit *v)
{
    const Template *s = &a->side[0].templates[u->template];
    const Template *t = &a->side[1].templates[v->template];
    return !score_conflicts(a, s, t);
}

void confirm_units(Auto *a)
{
    Side *x = &a->side[0], *y = &a->side[1];
    Confirm c = {.a = a, .both.arena = a->arena};
    for (int s = 0; s < 2; s++) c.left[s].arena = c.known[s].arena = a->arena;
    if (x->shapeless) return;
    for (int s = 0; s < 2; s++)
        if (!count_left(&c, s)) return;
    count_sure(&c);
    const Table here = units_alone(a, x), there = units_alone(a, y);
    for (uint32_t i = 0; i < x->unit_count; i++) {
        Unit *u = &x->units[i];
        if (!is_likely(a, u)) continue;
        Unit *v = &y->units[u->mate];
        const bool alone = table_count(&here, u->shape) && table_count(&there, v->shape);
        if (!(alone || is_only_one(&c, u, v)) || !roles_allow(a, u, v) || !names_allow(a, u, v))
            continue;
        u->margin = v->margin = CONFIRMED;
    }
}
