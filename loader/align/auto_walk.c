/* Walking both files side by side: where they hold the same shapes as often, the k-th of a shape is
 * the k-th of the other, if what stands before and behind agrees as well.
 *
 * Order says which of two layers comes first, and no more: tensors of one shape in a row (q, k, v)
 * are written in any order, and get nothing from it. Where a file is not in the order of definition
 * the numbers of its largest row of layers still are: layer_with_weights-2, -10. */
#include <stdlib.h>

#include "loader/align/auto_parts.h"

enum {
    ROW_MIN = 3,             /* layers that make a row of numbers */
    IN_STEP = 8              /* stretches that are in step on both sides by no accident */
};

/* Margin of a pair that nothing but its place or its shape says. */
static const float ALONE = 0.25f;

/* Units that look alike in a row, within one block. */
typedef struct Stretch {
    uint64_t look, block;
    uint32_t first, count;   /* in the list of units */
    uint32_t mate;           /* stretch of the other side; NONE */
    bool agreed;             /* what stands around it leads to what stands around that */
} Stretch;

typedef struct Walk {
    Arena *arena;            /* of what is only needed while walking */
    uint32_t *units;         /* [count] in the order that counts */
    size_t count;
    Stretch *stretches;             /* [stretch_count] */
    size_t stretch_count;
} Walk;

/* ---- the order that counts ---- */

typedef struct Numbered {
    uint64_t row;            /* which row of numbers it stands in */
    int64_t number;
    uint32_t unit;
} Numbered;

static int compare_numbered(const void *x, const void *y)
{
    const Numbered *a = x, *b = y;
    if (a->row != b->row) return a->row < b->row ? -1 : 1;
    if (a->number != b->number) return a->number < b->number ? -1 : 1;
    return a->unit < b->unit ? -1 : a->unit > b->unit;
}

/* Units whose names end in a number, by all that stands before it. */
static size_t list_numbered(const Side *side, Numbered *list)
{
    size_t n = 0;
    for (uint32_t i = 0; i < side->unit_count; i++) {
        const Unit *unit = &side->units[i];
        const Coarse *coarse = &side->coarse[unit->coarse];
        if (!coarse->numbered) continue;
        uint64_t row = hash_mix(5, unit->coarse);
        const int64_t *numbers = side->numbers + unit->numbers;
        for (unsigned k = 0; k + 1 < coarse->slot_count; k++)
            row = hash_mix(row, (uint64_t)numbers[k]);
        list[n++] = (Numbered){row, numbers[coarse->slot_count - 1], i};
    }
    return n;
}

/* The longest row of layers that numbers count. */
static void walk_numbers(const Side *side, Walk *walk)
{
    Numbered *list = arena_alloc(walk->arena, (side->unit_count + 1) * sizeof *list);
    size_t n = list_numbered(side, list), best = 0, length = 0;
    if (n) qsort(list, n, sizeof *list, compare_numbered);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && list[to].row == list[from].row; to++) { }
        if (to - from <= length) continue;
        best = from;
        length = to - from;
    }
    if (length < ROW_MIN) return;
    for (size_t i = 0; i < length; i++) walk->units[walk->count++] = list[best + i].unit;
}

static void walk_side(const Side *side, Walk *walk)
{
    walk->units = arena_alloc(walk->arena, (side->unit_count + 1) * sizeof *walk->units);
    if (!side->ordered) {
        walk_numbers(side, walk);
        return;
    }
    for (uint32_t i = 0; i < side->unit_count; i++) walk->units[walk->count++] = i;
}

/* ---- stretches ---- */

/* What a unit looks like: its main shape; of a vector also how many there are of it, or the bias of
 * one layer would pass for the norm of another. */
static uint64_t look_of(const Side *side, const Unit *unit)
{
    const AutoTensor *main = main_tensor(side, unit);
    uint64_t vectors = 0;
    if (!main->dims || main->rank != 1) return unit->shape;
    for (uint32_t i = 0; i < unit->count; i++)
        vectors += shape_same(&side->given->tensors[side->members[unit->first + i]], main);
    return hash_mix(unit->shape, vectors);
}

static Table count_looks(const Side *side, const Walk *walk)
{
    Table counts = {.arena = walk->arena};
    for (size_t i = 0; i < walk->count; i++)
        (*table_add(&counts, look_of(side, &side->units[walk->units[i]]), 0, NULL))++;
    return counts;
}

/* Whether no two of a stretch have their sizes in the same order: an MLP goes wide, then narrow. */
static bool all_differ(const Side *side, const Walk *walk, const Stretch *stretch)
{
    enum { MOST = 4 };
    if (stretch->count > MOST || side->shapeless) return stretch->count == 1;
    for (uint32_t i = 0; i < stretch->count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (shape_same(main_tensor(side, &side->units[walk->units[stretch->first + i]]),
                           main_tensor(side, &side->units[walk->units[stretch->first + j]])))
                return false;
    return true;
}

/* Units in stretches; what the other side has not is not there. */
static void make_stretches(const Side *side, Walk *walk, const Table *there)
{
    walk->stretches = arena_alloc(walk->arena, (walk->count + 1) * sizeof *walk->stretches);
    uint32_t kept = 0;
    for (size_t k = 0; k < walk->count; k++) {
        const Unit *unit = &side->units[walk->units[k]];
        const uint64_t look = look_of(side, unit), block = unit->block;
        if (!table_find(there, look)) continue;
        const uint32_t i = kept++;
        walk->units[i] = walk->units[k];
        Stretch *last = walk->stretch_count ? &walk->stretches[walk->stretch_count - 1] : NULL;
        if (last && last->look == look && last->block == block) last->count++;
        else walk->stretches[walk->stretch_count++] = (Stretch){look, block, i, 1, NONE, false};
    }
    walk->count = kept;
}

static uint64_t stretch_key(const Stretch *stretch)
{
    return hash_mix(stretch->look, stretch->count);
}

/* Stretches that both sides have equally often stay. */
static void keep_common(Walk walk[2])
{
    Table counts[2] = {{.arena = walk[0].arena}, {.arena = walk[1].arena}};
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < walk[s].stretch_count; i++)
            (*table_add(&counts[s], stretch_key(&walk[s].stretches[i]), 0, NULL))++;
    for (int s = 0; s < 2; s++) {
        size_t kept = 0;
        for (size_t i = 0; i < walk[s].stretch_count; i++) {
            const Stretch stretch = walk[s].stretches[i];
            const uint32_t *p = table_find(&counts[0], stretch_key(&stretch));
            const uint32_t *q = table_find(&counts[1], stretch_key(&stretch));
            if (p && q && *p == *q) walk[s].stretches[kept++] = stretch;
        }
        walk[s].stretch_count = kept;
    }
}

/* The k-th stretch of a kind with the k-th of the other side: both are equally long. */
static void pair_stretches(Walk walk[2])
{
    Table seen[2] = {{.arena = walk[0].arena}, {.arena = walk[1].arena}};
    Table place = {.arena = walk[1].arena};
    for (uint32_t j = 0; j < walk[1].stretch_count; j++) {
        const uint64_t key = stretch_key(&walk[1].stretches[j]);
        uint32_t k = (*table_add(&seen[1], key, 0, NULL))++;
        table_add(&place, hash_mix(key, k), j, NULL);
    }
    for (uint32_t i = 0; i < walk[0].stretch_count; i++) {
        const uint64_t key = stretch_key(&walk[0].stretches[i]);
        uint32_t k = (*table_add(&seen[0], key, 0, NULL))++;
        const uint32_t *j = table_find(&place, hash_mix(key, k));
        if (!j) continue;
        walk[0].stretches[i].mate = *j;
        walk[1].stretches[*j].mate = i;
    }
}

/* ---- blocks ---- */

/* Which block of the other side the stretches of a block lead to; NONE: to several. */
static Table follow_blocks(Auto *a, const Walk walk[2], int from)
{
    Table blocks = {.arena = walk[from].arena}, numbers = {.arena = walk[from].arena};
    const Side *x = &a->side[from], *y = &a->side[!from];
    for (size_t i = 0; i < walk[from].stretch_count; i++) {
        const Stretch *own = &walk[from].stretches[i];
        if (own->mate == NONE) continue;
        const Stretch *other = &walk[!from].stretches[own->mate];
        const Unit *u = &x->units[walk[from].units[own->first]];
        const Unit *v = &y->units[walk[!from].units[other->first]];
        uint32_t number = *table_add(&numbers, v->block, (uint32_t)numbers.count, NULL);
        bool fresh;
        uint32_t *at = table_add(&blocks, u->block, number, &fresh);
        if (!fresh && *at != number) *at = NONE;
    }
    return blocks;
}

/* Stretches in step: a row of them, or more than half of all. Those within the row agree, and its
 * ends where both files end; what stands at an end else may belong to what is not in step. */
static void mark_agreed(Auto *a, Walk walk[2])
{
    Stretch *list = walk[0].stretches;
    const size_t n = walk[0].stretch_count;
    size_t in_step = 0;
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && list[to].mate == list[to - 1].mate + 1; to++) { }
        const size_t length = to - from;
        in_step += length > 1 ? length : 0;
        if (length < IN_STEP && length * 2 <= n) continue;
        for (size_t i = from; i < to; i++) list[i].agreed = true;
        if (from || list[from].mate) list[from].agreed = false;
        if (to < n || list[to - 1].mate + 1u < walk[1].stretch_count) list[to - 1].agreed = false;
    }
    a->in_step = in_step * 2 >= n;
}

/* What the blocks of a side are made of: the matrices that the other side has as well. */
typedef struct Makes {
    Table of;                /* block → hash of its matrices, in whatever order */
    Table all;               /* these */
} Makes;

static Makes list_makes(const Side *side, const Table *there, Arena *arena)
{
    Makes makes = {{.arena = arena}, {.arena = arena}};
    for (uint32_t i = 0; i < side->unit_count; i++) {
        const Unit *unit = &side->units[i];
        if (!unit_is_matrix(side, unit) || !table_find(there, look_of(side, unit))) continue;
        *table_add(&makes.of, unit->block, 0, NULL) += (uint32_t)(unit->shape ^ unit->shape >> 32);
    }
    for (uint32_t i = 0; i < side->unit_count; i++)
        table_add(&makes.all, table_count(&makes.of, side->units[i].block), 1, NULL);
    return makes;
}

/* Whether two blocks are made otherwise, and each side has one that is made as the other's: an
 * encoder's block and a decoder's, where one file has the decoder first. */
static bool is_other_block(const Makes makes[2], const Unit *u, const Unit *v)
{
    const uint32_t here = table_count(&makes[0].of, u->block);
    const uint32_t there = table_count(&makes[1].of, v->block);
    return here != there && here && there &&
           table_find(&makes[1].all, here) && table_find(&makes[0].all, there);
}

static void keep_stretch(Auto *a, const Walk walk[2], size_t i, const Table blocks[2],
                         const Makes makes[2])
{
    const Stretch *s = &walk[0].stretches[i];
    const Stretch *t = &walk[1].stretches[s->mate];
    if (!all_differ(&a->side[0], &walk[0], s) || !all_differ(&a->side[1], &walk[1], t)) {
        for (uint32_t k = 0; k < s->count && s->agreed; k++)
            a->abreast[walk[0].units[s->first + k]] = walk[1].units[t->first + k];
        return;
    }
    for (uint32_t k = 0; k < s->count; k++) {
        const uint32_t u = walk[0].units[s->first + k], v = walk[1].units[t->first + k];
        const Unit *x = &a->side[0].units[u], *y = &a->side[1].units[v];
        const uint32_t *p = table_find(&blocks[0], x->block), *q = table_find(&blocks[1], y->block);
        const bool crosses = (!p || *p == NONE) && (!q || *q == NONE);
        a->walked[u] = v;
        a->agreed[u] = s->agreed && !crosses && !is_other_block(makes, x, y);
    }
}

/* Between two stretches that agree, and have nothing else between them that both sides have as
 * often: what is there on one side is what is there on the other, if it is the same in the same
 * order, and nothing twice. */
static void fill_gap(Auto *a, const Walk walk[2], const Stretch *before, const Stretch *behind)
{
    enum { MOST = 8 };
    const Stretch *s = &walk[1].stretches[before->mate], *t = &walk[1].stretches[behind->mate];
    const uint32_t from = before->first + before->count, to = s->first + s->count;
    const uint32_t n = behind->first - from;
    if (!n || n > MOST || t->first - to != n) return;
    uint64_t looks[MOST];
    for (uint32_t k = 0; k < n; k++) {
        looks[k] = look_of(&a->side[0], &a->side[0].units[walk[0].units[from + k]]);
        if (looks[k] != look_of(&a->side[1], &a->side[1].units[walk[1].units[to + k]])) return;
        for (uint32_t i = 0; i < k; i++)
            if (looks[i] == looks[k]) return;
    }
    for (uint32_t k = 0; k < n; k++) {
        a->walked[walk[0].units[from + k]] = walk[1].units[to + k];
        a->agreed[walk[0].units[from + k]] = true;
    }
}

static void fill_gaps(Auto *a, const Walk walk[2])
{
    for (size_t i = 0; i + 1 < walk[0].stretch_count; i++) {
        const Stretch *before = &walk[0].stretches[i], *behind = before + 1;
        if (before->agreed && behind->agreed && behind->mate == before->mate + 1)
            fill_gap(a, walk, before, behind);
    }
}

/* ---- templates ---- */

/* The template to which most units of a row are led. */
static uint32_t most_led(const Auto *a, const Template *s, const uint32_t *walked)
{
    uint32_t lead = NONE, votes = 0;
    for (uint32_t k = 0; k < s->count; k++) {
        const uint32_t v = walked[a->side[0].order[s->first + k]];
        const uint32_t t = v == NONE ? NONE : a->side[1].units[v].template;
        if (!votes) lead = t;
        if (t == lead) votes++;
        else votes--;
    }
    return lead;
}

/* Where most units of a row are walked to, and how many of them agree. */
static void lead_template(Auto *a, Template *s)
{
    const Side *x = &a->side[0];
    Side *y = &a->side[1];
    const uint32_t lead = most_led(a, s, a->walked);
    uint32_t sum = 0;
    s->lead = lead;
    s->abreast = most_led(a, s, a->abreast);
    if (lead == NONE) return;
    for (uint32_t k = 0; k < s->count; k++) {
        const uint32_t u = x->order[s->first + k], v = a->walked[u];
        if (v != NONE && y->units[v].template == lead) sum += a->agreed[u];
    }
    const uint32_t other = y->templates[lead].count;
    s->led = (float)sum / (float)(other > s->count ? other : s->count);
    if (s->led > y->templates[lead].led) y->templates[lead].led = s->led;
}

void walk_sides(Auto *a)
{
    const size_t n = a->side[0].unit_count + 1;
    a->walked = arena_alloc(a->arena, n * sizeof *a->walked);
    a->agreed = arena_alloc(a->arena, n * sizeof *a->agreed);
    a->abreast = arena_alloc(a->arena, n * sizeof *a->abreast);
    for (size_t i = 0; i < n; i++) a->walked[i] = a->abreast[i] = NONE;
    Arena *arena = arena_new();
    Walk walk[2] = {{.arena = arena}, {.arena = arena}};
    Table looks[2];
    for (int s = 0; s < 2; s++) {
        walk_side(&a->side[s], &walk[s]);
        looks[s] = count_looks(&a->side[s], &walk[s]);
    }
    for (int s = 0; s < 2; s++) make_stretches(&a->side[s], &walk[s], &looks[!s]);
    keep_common(walk);
    pair_stretches(walk);
    mark_agreed(a, walk);
    Table blocks[2] = {follow_blocks(a, walk, 0), follow_blocks(a, walk, 1)};
    const Makes makes[2] = {list_makes(&a->side[0], &looks[1], arena),
                            list_makes(&a->side[1], &looks[0], arena)};
    for (size_t i = 0; i < walk[0].stretch_count; i++)
        if (walk[0].stretches[i].mate != NONE) keep_stretch(a, walk, i, blocks, makes);
    fill_gaps(a, walk);
    arena_free(arena);
    for (size_t i = 0; i < a->side[0].template_count; i++)
        if (!a->side[0].templates[i].dead) lead_template(a, &a->side[0].templates[i]);
}

/* ---- units ---- */

/* A unit whose row has no partner as a whole: its names may say nothing (layer_with_weights-7), but
 * not that it is another. */
static bool is_free(const Side *side, const Unit *unit)
{
    const Template *t = &side->templates[unit->template];
    return unit->mate == NONE && !unit->fixed && !t->dead && !t->group && t->mate == NONE;
}

/* Pairs two units, if both are free and their names do not contradict it. */
static void pair_free(Auto *a, uint32_t source, uint32_t target, Rest rest)
{
    Side *x = &a->side[0], *y = &a->side[1];
    Unit *u = &x->units[source], *v = &y->units[target];
    if (!is_free(x, u) || !is_free(y, v)) return;
    const Template *s = &x->templates[u->template], *t = &y->templates[v->template];
    const double weight = score_weight(a, 0, s) + score_weight(a, 1, t);
    if (score_names(a, s, t, weight) < 0 || score_conflicts(a, s, t)) return;
    u->mate = target;
    v->mate = source;
    u->margin = v->margin = ALONE;
    v->rest = (uint8_t)rest;
}

static bool has_free(const Side *side)
{
    for (uint32_t i = 0; i < side->unit_count; i++)
        if (is_free(side, &side->units[i])) return true;
    return false;
}

void walk_units(Auto *a)
{
    Side *x = &a->side[0], *y = &a->side[1];
    for (uint32_t i = 0; i < x->unit_count; i++)
        if (a->agreed[i]) pair_free(a, i, a->walked[i], REST_PLACE);
    if (x->shapeless || !has_free(x) || !has_free(y)) return;
    Table there = units_alone(a, y), here = units_alone(a, x);
    for (uint32_t i = 0; i < x->unit_count; i++) {
        const uint32_t *own = table_find(&here, x->units[i].shape);
        const uint32_t *other = table_find(&there, x->units[i].shape);
        if (own && *own == i + 1 && other && *other) pair_free(a, i, *other - 1, REST_SHAPE);
    }
}
