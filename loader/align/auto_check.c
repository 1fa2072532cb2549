/* A second look at pairs: most of a row's pairs lie beside the pairs of their neighbours, and their
 * numbers differ as theirs do. One that does not has slipped: a block is missing, and another that
 * looks the same took its place. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_parts.h"

enum { LEVELS = UP_MAX * UP_MAX };

/* How a pair lies among the others. */
typedef struct Lie {
    int8_t levels[LEVELS];       /* of the other pairs below the p-th ancestor of the source's unit,
                                    how many lie below the q-th of its mate, for all p and q: 1 =
                                    nearly all, 0 = none, −1 = between, or there are no others */
    bool stray;                  /* see lies_astray */
} Lie;

/* Pairs of units below two ancestors, and pairs below one. */
typedef struct Neighbours {
    Table both, one[2];
} Neighbours;

static uint64_t level_key(const Unit *u, const Unit *v, size_t level)
{
    return hash_mix(u->up[level / UP_MAX], v->up[level % UP_MAX]);
}

/* Whether two pairs have the same ancestors, as neighbours in a file mostly do. */
static bool same_place(const Side *y, const Unit *a, const Unit *b)
{
    return memcmp(a->up, b->up, sizeof a->up) == 0 &&
           memcmp(y->units[a->mate].up, y->units[b->mate].up, sizeof a->up) == 0;
}

/* The units behind the first that have its place, and itself; one that has no mate is alone. */
static uint32_t count_place(const Side *x, const Side *y, uint32_t first)
{
    const Unit *u = &x->units[first];
    uint32_t n = 1;
    while (u->mate != NONE && first + n < x->unit_count && u[n].mate != NONE &&
           same_place(y, u, &u[n]))
        n++;
    return n;
}

/* `pairs` more below all the ancestors that these two have. */
static void count_pairs(Neighbours *n, const Unit *u, const Unit *v, uint32_t pairs)
{
    for (size_t i = 0; i < LEVELS; i++) table_expect(&n->both, level_key(u, v, i));
    for (size_t p = 0; p < UP_MAX; p++) {
        *table_add(&n->one[0], u->up[p], 0, NULL) += pairs;
        *table_add(&n->one[1], v->up[p], 0, NULL) += pairs;
    }
    for (size_t i = 0; i < LEVELS; i++)
        *table_add(&n->both, level_key(u, v, i), 0, NULL) += pairs;
}

/* A pair has slipped where there are others beside it on both sides, and not one of these is a pair
 * of one of those: others [2][UP_MAX] below its ancestors, both [LEVELS] below two of them. */
static bool lies_astray(const Unit *u, const Unit *v, const uint32_t others[2][UP_MAX],
                        const uint32_t both[LEVELS])
{
    enum { SEVERAL = 3 };
    const uint64_t root = path_root();   /* all is beside each other there */
    bool known[2] = {false, false};
    for (size_t p = 0; p < UP_MAX; p++) {
        known[0] = known[0] || (u->up[p] != root && others[0][p] >= SEVERAL);
        known[1] = known[1] || (v->up[p] != root && others[1][p] >= SEVERAL);
        for (size_t q = 0; q < UP_MAX; q++)
            if (u->up[p] != root && v->up[q] != root && both[p * UP_MAX + q]) return false;
    }
    return known[0] && known[1];
}

static Lie lies_beside(const Neighbours *n, const Unit *u, const Unit *v)
{
    Lie lie;
    uint32_t others[2][UP_MAX], both[LEVELS];
    for (size_t i = 0; i < LEVELS; i++) table_expect(&n->both, level_key(u, v, i));
    for (size_t p = 0; p < UP_MAX; p++) {
        others[0][p] = *table_find(&n->one[0], u->up[p]) - 1;
        others[1][p] = *table_find(&n->one[1], v->up[p]) - 1;
    }
    for (size_t i = 0; i < LEVELS; i++) {
        const uint32_t all = others[0][i / UP_MAX];
        both[i] = all ? *table_find(&n->both, level_key(u, v, i)) - 1 : 0;
        lie.levels[i] = !all ? -1 : both[i] * 10 >= all * 8 ? 1 : both[i] ? -1 : 0;
    }
    lie.stray = lies_astray(u, v, others, both);
    return lie;
}

/* How the pair of each unit of the source lies: [units], to be freed. */
static Lie *see_neighbours(const Auto *a)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    Neighbours n = {0};
    for (uint32_t i = 0, count; i < x->unit_count; i += count) {
        const Unit *u = &x->units[i];
        count = count_place(x, y, i);
        if (u->mate != NONE) count_pairs(&n, u, &y->units[u->mate], count);
    }
    Lie *lies = mem_alloc((x->unit_count + 1) * sizeof *lies);
    for (uint32_t i = 0, count; i < x->unit_count; i += count) {
        const Unit *u = &x->units[i];
        count = count_place(x, y, i);
        if (u->mate == NONE) continue;
        const Lie lie = lies_beside(&n, u, &y->units[u->mate]);
        for (uint32_t k = 0; k < count; k++) lies[i + k] = lie;
    }
    table_done(&n.both);
    for (int s = 0; s < 2; s++) table_done(&n.one[s]);
    return lies;
}

static void check_row(Auto *a, const Lie *lies, const Template *t)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    uint32_t with[LEVELS] = {0}, without[LEVELS] = {0};
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t k = 0; k < t->count; k++) {
            Unit *u = &x->units[x->order[t->first + k]];
            const int8_t *levels = lies[x->order[t->first + k]].levels;
            if (u->mate == NONE || u->fixed) continue;
            bool slipped = false;
            for (size_t i = 0; i < LEVELS; i++) {
                if (!pass && levels[i] >= 0) *(levels[i] ? &with[i] : &without[i]) += 1;
                slipped = slipped || (pass && !levels[i] && with[i] > without[i]);
            }
            if (slipped) u->mate = y->units[u->mate].mate = NONE;
        }
}

void check_rows(Auto *a)
{
    Side *x = &a->side[0], *y = &a->side[1];
    Lie *lies = see_neighbours(a);
    for (size_t i = 0; i < x->template_count; i++) {
        const Template *t = &x->templates[i];
        if (t->dead || t->group || t->mate == NONE) continue;
        if (t->count > 1) check_row(a, lies, t);
        for (uint32_t k = 0; k < t->count; k++) {
            Unit *u = &x->units[x->order[t->first + k]];
            if (u->mate == NONE || u->fixed || !lies[x->order[t->first + k]].stray) continue;
            u->mate = y->units[u->mate].mate = NONE;
        }
    }
    free(lies);
}

/* ---- heads ---- */

/* Whether two units have the only tensors of their shape. */
static bool is_alone(const Table shapes[2], const Unit *u, const Unit *v)
{
    return *table_find(&shapes[0], u->shape) == 1 && *table_find(&shapes[1], v->shape) == 1;
}

/* Units below each path, and those of them that have a partner. */
typedef struct Below {
    Table all, paired;
} Below;

static Below count_below(Arena *arena, const Side *side)
{
    Below below = {{.arena = arena}, {.arena = arena}};
    for (uint32_t i = 0; i < side->unit_count; i++) {
        const Unit *unit = &side->units[i];
        if (unit->doubted || side->templates[unit->template].count > 1) continue;
        (*table_add(&below.all, unit->up[0], 0, NULL))++;
        *table_add(&below.paired, unit->up[0], 0, NULL) += unit->mate != NONE;
    }
    return below;
}

static bool is_only_one(const Below *below, const Unit *unit)
{
    const uint32_t *all = table_find(&below->all, unit->up[0]);
    return unit->up[0] != path_root() && all && *all > 1 &&
           *table_find(&below->paired, unit->up[0]) == 1;
}

/* lm_head.dense and classifier.dense: of two layers of other names only one part is alike, and both
 * have parts that the other has not. It is another head. */
void check_heads(Auto *a)
{
    Side *x = &a->side[0], *y = &a->side[1];
    Arena *arena = arena_new();
    const Below below[2] = {count_below(arena, x), count_below(arena, y)};
    Table shapes[2];
    shapes_count(a, arena, shapes);
    for (uint32_t i = 0; i < x->unit_count; i++) {
        Unit *u = &x->units[i];
        if (u->mate == NONE || u->fixed) continue;
        Unit *v = &y->units[u->mate];
        Template *s = &x->templates[u->template], *t = &y->templates[v->template];
        if (s->count > 1 || t->count > 1 || u->up[0] == v->up[0]) continue;
        if (is_alone(shapes, u, v)) continue;
        if (!is_only_one(&below[0], u) || !is_only_one(&below[1], v)) continue;
        u->mate = v->mate = s->mate = t->mate = NONE;
    }
    arena_free(arena);
}

/* ---- stages ---- */

/* Whether a number before this one counts something. */
static bool is_nested(const Coarse *coarse, unsigned slot)
{
    for (unsigned i = 0; i < slot; i++)
        if (coarse->low[i] < coarse->high[i]) return true;
    return false;
}

/* A number of its siblings that is not that of the layer itself, and is counted in a word, or is
 * not: its slot; −1. What is counted within a stage follows one another on either side: only stages
 * are taken from the end. */
static int stage_slot(const Side *side, const Template *t, bool glued)
{
    const Coarse *coarse = &side->coarse[t->coarse];
    for (size_t i = 0; i < t->rank_count; i++) {
        const Rank *rank = &t->ranks[i];
        const bool inner = (coarse->numbered && rank->slot + 1 == coarse->slot_count) ||
                           is_nested(coarse, rank->slot);
        if (!inner && rank->count > 2 && (coarse->glued >> rank->slot & 1) == glued)
            return rank->slot;
    }
    return -1;
}

/* Stages are counted from either end: refinenet1 may be layers.3 as well as layers.0, where one
 * side counts them in a word and the other does not, and not from one number. */
static bool may_turn(const Auto *a, const Template *s, const Template *t)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    if (s->count > 1 || t->count > 1) return false;
    for (int glued = 0; glued < 2; glued++) {
        const int p = stage_slot(x, s, glued), q = stage_slot(y, t, !glued);
        if (p >= 0 && q >= 0 && x->coarse[s->coarse].low[p] != y->coarse[t->coarse].low[q])
            return true;
    }
    return false;
}

static uint64_t stages_key(const Auto *a, const Template *s, const Template *t, size_t i, size_t j)
{
    return hash_mix(a->side[0].coarse[s->coarse].axis[i], a->side[1].coarse[t->coarse].axis[j]);
}

/* Pairs that have the only tensors of a shape tell how the numbers in their names count. */
static Table list_told(const Auto *a, Arena *arena)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    Table shapes[2];
    shapes_count(a, arena, shapes);
    Table told = {.arena = arena};
    for (uint32_t k = 0; k < x->unit_count; k++) {
        const Unit *u = &x->units[k];
        if (u->mate == NONE || !is_alone(shapes, u, &y->units[u->mate])) continue;
        const Template *s = &x->templates[u->template];
        const Template *t = &y->templates[y->units[u->mate].template];
        for (size_t i = 0; i < x->coarse[s->coarse].slot_count; i++)
            for (size_t j = 0; j < y->coarse[t->coarse].slot_count; j++)
                table_add(&told, stages_key(a, s, t, i, j), 1, NULL);
    }
    return told;
}

void check_stages(Auto *a)
{
    Side *x = &a->side[0], *y = &a->side[1];
    Arena *arena = arena_new();
    Table told = {.arena = arena};
    bool listed = false;
    for (uint32_t i = 0; i < x->unit_count; i++) {
        Unit *u = &x->units[i];
        if (u->mate == NONE || u->fixed) continue;
        Unit *v = &y->units[u->mate];
        Template *s = &x->templates[u->template], *t = &y->templates[v->template];
        if (!may_turn(a, s, t)) continue;
        if (!listed) told = list_told(a, arena);
        listed = true;
        if (table_find(&told, stages_key(a, s, t, s->ranks[0].slot, t->ranks[0].slot))) continue;
        u->mate = v->mate = s->mate = t->mate = NONE;
    }
    arena_free(arena);
}

/* ---- numbers ---- */

/* By how much the numbers of two axes differ, over all pairs whose names have both. */
typedef struct Offsets {
    uint32_t pairs, numbers; /* different numbers of the source among them */
    uint32_t links;          /* of the first number of both names: different ones of the source with
                                one of the target; there are many of any two */
    uint32_t most, second;   /* pairs that differ by `offset`; by the next frequent one */
    int64_t offset;
} Offsets;

struct Drift {
    Table axes;              /* axis of the source and of the target → index in list */
    Table seen, counts;      /* numbers of the source; offsets */
    Offsets *list;           /* [count] owned, growing */
    size_t count, room;
};

static void count_offset(Drift *drift, uint64_t axes, int64_t from, int64_t to, uint32_t pairs,
                         bool first)
{
    bool fresh;
    const uint32_t at = *table_add(&drift->axes, axes, (uint32_t)drift->count, &fresh);
    if (fresh) {
        drift->list = mem_grow(drift->list, &drift->room, drift->count + 1, sizeof *drift->list);
        drift->list[drift->count++] = (Offsets){0};
    }
    Offsets *offsets = &drift->list[at];
    const uint64_t number = hash_mix(axes, (uint64_t)from);
    table_add(&drift->seen, number, 1, &fresh);
    offsets->numbers += fresh;
    if (first) table_add(&drift->seen, hash_mix(number, (uint64_t)to), 1, &fresh);
    offsets->links += first && fresh;
    offsets->pairs += pairs;
    const uint64_t key = hash_mix(hash_mix(axes, 97), (uint64_t)(to - from));
    const uint32_t n = *table_add(&drift->counts, key, 0, NULL) += pairs;
    if (to - from == offsets->offset || !offsets->most) {
        offsets->offset = to - from;
        offsets->most = n;
    } else if (n > offsets->most) {
        offsets->second = offsets->most;
        offsets->offset = to - from;
        offsets->most = n;
    } else if (n > offsets->second) {
        offsets->second = n;
    }
}

/* The rows of one axis say two things, of the same blocks: nobody knows which of them is right. */
static bool is_contested(const Offsets *offsets)
{
    return offsets->most * 10 < offsets->pairs * 8 &&
           (offsets->most + offsets->second) * 10 >= offsets->pairs * 9 &&
           (offsets->links - offsets->numbers) * 2 >= offsets->numbers;
}

/* Whether two units have the same numbers, on the same axes. */
static bool counts_alike(const Side *side, const Unit *u, const Unit *w)
{
    const Coarse *a = &side->coarse[u->coarse], *b = &side->coarse[w->coarse];
    const int64_t *m = side->numbers + u->numbers, *n = side->numbers + w->numbers;
    return a->slot_count == b->slot_count &&
           memcmp(a->axis, b->axis, a->slot_count * sizeof *a->axis) == 0 &&
           memcmp(m, n, a->slot_count * sizeof *m) == 0;
}

/* The pairs from one on that have its numbers on both sides, as those of one block do. */
static uint32_t count_alike(const Auto *a, uint32_t first)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    const Unit *u = &x->units[first];
    uint32_t n = 1;
    while (first + n < x->unit_count && u[n].mate != NONE && counts_alike(x, u, &u[n]) &&
           counts_alike(y, &y->units[u->mate], &y->units[u[n].mate]))
        n++;
    return n;
}

/* Counts each number of one name with each of the other, as often as there are such pairs. */
static void count_offsets(const Auto *a, Drift *drift, uint32_t u, uint32_t pairs)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    const Unit *source = &x->units[u], *target = &y->units[source->mate];
    const Coarse *s = &x->coarse[source->coarse], *t = &y->coarse[target->coarse];
    for (unsigned i = 0; i < s->slot_count; i++)
        for (unsigned j = 0; j < t->slot_count; j++)
            count_offset(drift, hash_mix(s->axis[i], t->axis[j]), x->numbers[source->numbers + i],
                         y->numbers[target->numbers + j], pairs, !i && !j);
}

/* Asks about each number of one name with each of the other; not about that of a layer in its
 * block, bn3, where `inner` is not set. */
static bool any_offset(const Auto *a, uint32_t u, uint32_t v, bool inner)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    const Coarse *s = &x->coarse[x->units[u].coarse], *t = &y->coarse[y->units[v].coarse];
    const int64_t *m = x->numbers + x->units[u].numbers, *n = y->numbers + y->units[v].numbers;
    const unsigned slots = t->slot_count - (!inner && t->numbered ? 1u : 0u);
    for (unsigned i = 0; i < s->slot_count; i++)
        for (unsigned j = 0; j < slots; j++) {
            const uint32_t *at = table_find(&a->drift->axes, hash_mix(s->axis[i], t->axis[j]));
            const Offsets *offsets = at ? &a->drift->list[*at] : NULL;
            if (!offsets || offsets->numbers < 3) continue;
            if (n[j] - m[i] != offsets->offset && offsets->most * 10 >= offsets->pairs * 8)
                return true;
            if (!i && !j && is_contested(offsets)) return true;
        }
    return false;
}

bool drifts(const Auto *a, uint32_t source, uint32_t target)
{
    return any_offset(a, source, target, true);
}

/* Whether a layer has its place in a block, although others are counted otherwise: one more stands
 * before it here, block.3 and bn3 beside block.2 and bn3. */
static bool is_in_place(const Auto *a, uint32_t source, uint32_t target)
{
    return a->agreed[source] && a->walked[source] == target &&
           !any_offset(a, source, target, false);
}

static uint64_t look_in_row(const Unit *unit)
{
    return hash_mix(unit->coarse, unit->shape);
}

/* How many of a row have one shape. */
static Table count_looks(const Auto *a, const Side *side)
{
    Table looks = {.arena = a->arena};
    for (uint32_t i = 0; i < side->unit_count; i++)
        (*table_add(&looks, look_in_row(&side->units[i]), 0, NULL))++;
    return looks;
}

/* Whether each is the only one of its row that has its shape, as a stage's downsampling is: that
 * tells more than a number, which may be that of the stage before. */
static bool shapes_tell(const Table *looks, const Unit *u, const Unit *v)
{
    return *table_find(&looks[0], look_in_row(u)) == 1 &&
           *table_find(&looks[1], look_in_row(v)) == 1;
}

void check_numbers(Auto *a)
{
    Side *x = &a->side[0], *y = &a->side[1];
    const Table looks[2] = {count_looks(a, x), count_looks(a, y)};
    Drift *drift = arena_alloc(a->arena, sizeof *drift);
    a->drift = drift;
    for (uint32_t i = 0, n; i < x->unit_count; i += n) {
        n = x->units[i].mate == NONE ? 1 : count_alike(a, i);
        if (x->units[i].mate != NONE) count_offsets(a, drift, i, n);
    }
    for (uint32_t i = 0; i < x->unit_count; i++) {
        Unit *u = &x->units[i];
        if (u->mate == NONE || u->fixed || !drifts(a, i, u->mate)) continue;
        if (is_in_place(a, i, u->mate) || shapes_tell(looks, u, &y->units[u->mate])) continue;
        y->units[u->mate].mate = NONE;
        u->mate = NONE;
    }
}

void drift_done(Auto *a)
{
    if (!a->drift) return;
    table_done(&a->drift->axes);
    table_done(&a->drift->seen);
    table_done(&a->drift->counts);
    free(a->drift->list);
}
