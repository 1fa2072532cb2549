/* Strays: a bias that is named otherwise than its kernel (conv1/uniform1 and conv1/conv1_b,
 * attn.qkv and attn.q_bias) follows it, when it is the only one there that can. */
#include <stdlib.h>

#include "loader/align/auto_parts.h"

/* A vector of the source that nobody took, below one of the paths above it. */
typedef struct Stray {
    uint32_t tensor, next;   /* the next one of the same place; NONE */
} Stray;

/* A vector of the target that its unit lacks, and the place beside which it would stand. */
typedef struct Want {
    uint64_t place;
    uint32_t tensor, unit, from;     /* its unit, and that unit of the source */
} Want;

typedef struct Strays {
    Auto *a;
    Table places;            /* path and size -> 1 + the first of list */
    Stray *list;             /* [count] owned, growing */
    size_t count, room;
    Want *wants;             /* [want_count] owned, growing */
    size_t want_count, want_room;
} Strays;

static bool is_vector(const AutoTensor *tensor)
{
    return tensor->dims && tensor->rank == 1;
}

static uint64_t place_of(uint64_t path, const AutoTensor *tensor)
{
    return hash_mix(path, (uint64_t)tensor->dims[0]);
}

static void list_strays(Strays *strays)
{
    const Side *side = &strays->a->side[0];
    for (uint32_t i = 0; i < side->given->count; i++) {
        const Unit *unit = &side->units[side->unit_of[i]];
        const AutoTensor *tensor = &side->given->tensors[i];
        if (side->taken[i] || side->bound[i] || unit->mate != NONE || !is_vector(tensor)) continue;
        for (int k = 0; k < UP_MAX; k++) {
            if (k && unit->up[k] == unit->up[k - 1]) break;
            uint32_t *head = table_add(&strays->places, place_of(unit->up[k], tensor), NONE, NULL);
            strays->list = mem_grow(strays->list, &strays->room, strays->count + 1,
                                    sizeof *strays->list);
            strays->list[strays->count] = (Stray){i, *head};
            *head = (uint32_t)strays->count++;
        }
    }
}

/* Whether others of a unit's row have a member of that role themselves: then the one that this unit
 * lacks is missing, and no vector of another name. */
static bool row_has_role(const Side *side, const Unit *unit, uint16_t role)
{
    enum { MOST = 64 };
    const Template *t = &side->templates[unit->template];
    for (uint32_t k = 0; k < t->count && k < MOST; k++) {
        const Unit *other = &side->units[side->order[t->first + k]];
        for (uint32_t i = 1; i < other->count; i++)
            if (side->role_of[side->members[other->first + i]] == role) return true;
    }
    return false;
}

static void list_wants(Strays *strays)
{
    const Side *x = &strays->a->side[0], *y = &strays->a->side[1];
    const uint64_t root = path_root();
    for (uint32_t k = 0; k < y->unit_count; k++) {
        const Unit *v = &y->units[k];
        if (v->beside == NONE || x->units[v->beside].up[0] == root) continue;
        for (uint32_t j = 1; j < v->count; j++) {
            const uint32_t t = y->members[v->first + j];
            const AutoTensor *tensor = &y->given->tensors[t];
            if (y->taken[t] || y->bound[t] || !is_vector(tensor)) continue;
            if (row_has_role(x, &x->units[v->beside], y->role_of[t])) continue;
            strays->wants = mem_grow(strays->wants, &strays->want_room, strays->want_count + 1,
                                     sizeof *strays->wants);
            strays->wants[strays->want_count++] =
                (Want){place_of(x->units[v->beside].up[0], tensor), t, k, v->beside};
        }
    }
}

/* Names that differ in their last number alone: conv4.0 and conv4.1 are kernel and bias. */
static bool is_next(const Side *side, const Unit *u, const Unit *w)
{
    return u->coarse == w->coarse && side->coarse[u->coarse].numbered && u->up[0] == w->up[0];
}

static bool can_be(const Strays *strays, const Want *want, uint32_t tensor)
{
    const Side *x = &strays->a->side[0], *y = &strays->a->side[1];
    const Unit *w = &x->units[x->unit_of[tensor]], *u = &x->units[want->from];
    if (x->taken[tensor] || w == u) return false;
    if (x->role_of[tensor] == ROLE_SELF) return is_next(x, u, w);
    return x->role_of[tensor] == y->role_of[want->tensor];
}

/* Whether the last words of both units mean the same: attn.q and attention.query. */
static bool same_name(const Strays *strays, const Want *want, uint32_t tensor)
{
    const Side *x = &strays->a->side[0], *y = &strays->a->side[1];
    const Token *s = template_last_word(&x->templates[x->units[x->unit_of[tensor]].template]);
    const Token *t = template_last_word(&y->templates[y->units[want->unit].template]);
    return s && t && token_same(s, t);
}

/* The only stray that a want can get: by its place, or, of several, by its name. NONE, also where
 * so many lie that nobody would look. */
static uint32_t only_stray(const Strays *strays, const Want *want, bool named)
{
    enum { MOST = 64 };
    uint32_t found = NONE;
    const uint32_t *head = table_find(&strays->places, want->place);
    int looked = 0;
    for (uint32_t at = head ? *head : NONE; at != NONE; at = strays->list[at].next) {
        if (looked++ == MOST) return NONE;
        const uint32_t tensor = strays->list[at].tensor;
        if (!can_be(strays, want, tensor) || (named && !same_name(strays, want, tensor))) continue;
        if (found != NONE) return NONE;
        found = tensor;
    }
    return found;
}

static void take(Strays *strays, const Want *want, uint32_t tensor, Collection *all)
{
    Auto *a = strays->a;
    const Unit *unit = &a->side[1].units[want->unit];
    const TensorPair pair = {.source = tensor, .target = want->tensor,
                             .margin = unit->beside_margin, .rest = unit->rest};
    a->side[0].taken[tensor] = a->side[1].taken[want->tensor] = true;
    collection_add_pair(all, &pair);
}

/* One that two want is nobody's. */
static void settle(Strays *strays, bool named, Collection *all)
{
    Table asked = {.arena = strays->a->arena};
    uint32_t *found = mem_alloc((strays->want_count + 1) * sizeof *found);
    for (size_t i = 0; i < strays->want_count; i++) {
        const Want *want = &strays->wants[i];
        found[i] = strays->a->side[1].taken[want->tensor] ? NONE : only_stray(strays, want, named);
        if (found[i] != NONE) (*table_add(&asked, found[i], 0, NULL))++;
    }
    for (size_t i = 0; i < strays->want_count; i++)
        if (found[i] != NONE && *table_find(&asked, found[i]) == 1)
            take(strays, &strays->wants[i], found[i], all);
    free(found);
}

void strays_collect(Auto *a, Collection *all)
{
    Strays strays = {.a = a, .places.arena = a->arena};
    list_wants(&strays);
    if (strays.want_count && !a->side[0].shapeless) {
        list_strays(&strays);
        settle(&strays, true, all);
        settle(&strays, false, all);
    }
    free(strays.list);
    free(strays.wants);
}
