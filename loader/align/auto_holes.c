/* Groups of rows with holes: a block is missing on one side, and what is fused in the others still
 * is. Numbers say which whole is which of the parts, where both sides count the same blocks from
 * the same number on; whole and parts are cut in two, what both have and the rest. */
#include <string.h>

#include "loader/align/auto_parts.h"

/* Whether two rows count blocks that have the same numbers, or begin and end alike: how many units
 * of the part belong to each whole is counted by its last number. */
static bool count_alike(const Side *x, const Template *whole, const Counting *by, const Side *y,
                        const Template *part, const Counting *of, bool stacked)
{
    const Coarse *p = &x->coarse[whole->coarse], *q = &y->coarse[part->coarse];
    if (!by->count || of->count != by->count + (stacked ? 1 : 0)) return false;
    for (unsigned i = 0; i < by->count; i++) {
        const int64_t low = p->low[by->slot[i]], other = q->low[of->slot[i]];
        const int64_t reach = p->high[by->slot[i]] - low, far = q->high[of->slot[i]] - other;
        if (low != other && reach != far) return false;
    }
    return true;
}

/* A unit's numbers, each counted from where all names of its axis begin; the first `n` of them. */
static uint64_t block_key(const Side *side, const Template *t, const Counting *counting,
                          unsigned n, const Unit *unit)
{
    uint64_t key = 101;
    for (unsigned i = 0; i < n; i++) {
        const unsigned slot = counting->slot[i];
        key = hash_mix(key, (uint64_t)(side->numbers[unit->numbers + slot] -
                                       side->coarse[t->coarse].low[slot]));
    }
    return key;
}

static const Unit *unit_at(const Side *side, const Template *t, uint32_t k)
{
    return &side->units[side->order[t->first + k]];
}

/* Where the parts of each whole begin: place[p × wholes + k] is a unit of part p; NONE. */
static bool place_parts(const Auto *a, const Group *group, uint32_t each, uint32_t *place)
{
    const Side *x = &a->side[!group->side], *y = &a->side[group->side];
    const Template *whole = &x->templates[group->fused];
    const Counting by = counting_of(x, whole);
    for (uint32_t p = 0; p < group->count; p++) {
        const Template *part = &y->templates[group->parts[p]];
        const Counting of = counting_of(y, part);
        if (!count_alike(x, whole, &by, y, part, &of, group->stacked > 0)) return false;
        Table runs = {.arena = a->arena};
        for (uint32_t k = 0; k + each <= part->count; k += each)
            table_add(&runs, block_key(y, part, &of, by.count, unit_at(y, part, k)), k, NULL);
        for (uint32_t k = 0; k < whole->count; k++) {
            const uint32_t *at =
                table_find(&runs, block_key(x, whole, &by, by.count, unit_at(x, whole, k)));
            place[p * whole->count + k] = at ? *at : NONE;
        }
    }
    return true;
}

/* Whether one whole has all its parts, and is as large as they are. */
static bool is_complete(const Auto *a, const Group *group, uint32_t each, const uint32_t *place,
                        uint32_t k)
{
    const Side *x = &a->side[!group->side], *y = &a->side[group->side];
    const Template *whole = &x->templates[group->fused];
    for (uint32_t e = 0; e < each; e++) {
        const AutoTensor *parts[PARTS_MAX];
        for (uint32_t p = 0; p < group->count; p++) {
            const uint32_t at = place[p * whole->count + k];
            if (at == NONE) return false;
            parts[p] = main_tensor(y, unit_at(y, &y->templates[group->parts[p]], at + e));
        }
        if (!group_joins(main_tensor(x, unit_at(x, whole, k)), parts, group)) return false;
    }
    return true;
}

bool group_has_holes(const Auto *a, const Group *group)
{
    const Side *x = &a->side[!group->side], *y = &a->side[group->side];
    const Template *whole = &x->templates[group->fused];
    const uint32_t each = group->stacked ? (uint32_t)group->stacked : 1;
    uint32_t *place = arena_alloc(a->arena, (size_t)group->count * whole->count * sizeof *place);
    if (!place_parts(a, group, each, place)) return false;
    uint32_t complete = 0, most = whole->count;
    for (uint32_t p = 0; p < group->count; p++) {
        const uint32_t blocks = y->templates[group->parts[p]].count / each;
        if (blocks > most) most = blocks;
    }
    for (uint32_t k = 0; k < whole->count; k++) {
        bool lacks = false;
        for (uint32_t p = 0; p < group->count; p++)
            lacks = lacks || place[p * whole->count + k] == NONE;
        if (lacks) continue;
        if (!is_complete(a, group, each, place, k)) return false;
        complete++;
    }
    return complete > 1 && complete * 4 >= most * 3;
}

/* Cuts a template in two: those of its units that are kept, in their order, and the others. Returns
 * the first. */
static uint32_t carve(Auto *a, Side *side, uint32_t index, const bool *kept)
{
    const Template t = side->templates[index];
    uint32_t *rest = arena_alloc(a->arena, (t.count + 1) * sizeof *rest), n = 0, others = 0;
    uint32_t *row = side->order + t.first;
    for (uint32_t k = 0; k < t.count; k++) {
        if (kept[k]) row[n++] = row[k];
        else rest[others++] = row[k];
    }
    memcpy(row + n, rest, others * sizeof *rest);
    if (!others) return index;
    side->templates[index].dead = true;
    const uint32_t first = (uint32_t)side->template_count;
    for (int part = 0; part < 2; part++) {
        Template *made = template_add(side, t.first + (part ? n : 0), part ? others : n, t.literal);
        made->piece = true;
        template_hash(a, side, made);
        template_words(a, side, made);
    }
    return first;
}

void group_carve(Auto *a, Group *group)
{
    Side *x = &a->side[!group->side], *y = &a->side[group->side];
    const uint32_t each = group->stacked ? (uint32_t)group->stacked : 1;
    const uint32_t wholes = x->templates[group->fused].count;
    uint32_t *place = arena_alloc(a->arena, (size_t)group->count * wholes * sizeof *place);
    bool *whole = arena_alloc(a->arena, wholes * sizeof *whole);
    place_parts(a, group, each, place);
    for (uint32_t k = 0; k < wholes; k++) whole[k] = is_complete(a, group, each, place, k);
    for (uint32_t p = 0; p < group->count; p++) {
        bool *part = arena_alloc(a->arena, y->templates[group->parts[p]].count * sizeof *part);
        for (uint32_t k = 0; k < wholes; k++)
            for (uint32_t e = 0; e < each && whole[k]; e++) part[place[p * wholes + k] + e] = true;
        group->parts[p] = carve(a, y, group->parts[p], part);
    }
    group->fused = carve(a, x, group->fused, whole);
}
