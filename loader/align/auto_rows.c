/* Which unit of a row is which of its partner: the same place where both have all that there is,
 * the same number where blocks are missing. How much the numbers differ, all rows that count the
 * same blocks say together: one that lacks its first block must not slip. */
#include <stdlib.h>

#include "loader/align/auto_parts.h"

/* How often rows of two axes were found to differ by one offset. */
typedef struct Vote {
    uint64_t offset;         /* hash of the numbers by which they differ, slot by slot */
    uint32_t from;           /* template of the source that showed it */
    uint32_t votes;
} Vote;

enum { OFFSETS_MAX = 4 };

typedef struct Axes {
    Vote votes[OFFSETS_MAX];
} Axes;

typedef struct Rows {
    Auto *a;
    Table axes;              /* axes of a source and of a target → index in list */
    Axes *list;              /* [count] owned, growing */
    size_t count, room;
    int64_t base[2];         /* where each side begins to count */
} Rows;

static void pair_units(Auto *a, uint32_t u, uint32_t v, const Template *s)
{
    Unit *x = &a->side[0].units[u], *y = &a->side[1].units[v];
    if (x->fixed || y->fixed || x->shape != y->shape) return;
    x->mate = v;
    y->mate = u;
    x->margin = y->margin = s->margin;
}

static void pair_places(Auto *a, const Template *s, const Template *t)
{
    uint32_t *row = a->side[0].order + s->first;
    if (s->count != t->count) return;
    if (s->sequence != t->sequence) {
        row = arena_alloc(a->arena, s->count * sizeof *row);
        template_mirror(&a->side[0], s, row);
    }
    for (uint32_t k = 0; k < s->count; k++)
        pair_units(a, row[k], a->side[1].order[t->first + k], s);
}

/* The units of a row in the source that have the numbers of those in the target's: namesakes
 * [t->count], NONE where there is none. Returns how many there are. */
static uint32_t find_numbers(const Auto *a, const Template *s, const Template *t,
                             const Counting by[2], uint32_t *namesakes)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    Table numbers = {0};
    uint32_t common = 0;
    table_reserve(&numbers, s->count);
    for (uint32_t k = 0; k < s->count; k++) {
        const uint32_t u = x->order[s->first + k];
        table_add(&numbers, counting_key(&by[0], x, &x->units[u]), u, NULL);
    }
    for (uint32_t k = 0; k < t->count; k++) {
        const Unit *v = &y->units[y->order[t->first + k]];
        const uint32_t *u = table_find(&numbers, counting_key(&by[1], y, v));
        namesakes[k] = u ? *u : NONE;
        common += u != NULL;
    }
    table_done(&numbers);
    return common;
}

/* ---- offsets ---- */

static uint64_t axes_key(const Side *side[2], const Template *const row[2], const Counting by[2])
{
    uint64_t key = 61;
    for (int s = 0; s < 2; s++)
        for (unsigned i = 0; i < by[s].count; i++)
            key = hash_mix(key, side[s]->coarse[row[s]->coarse].axis[by[s].slot[i]]);
    return key;
}

static uint64_t offset_of(const Counting by[2])
{
    uint64_t hash = 67;
    for (unsigned i = 0; i < by[0].count; i++)
        hash = hash_mix(hash, (uint64_t)(by[1].low[i] - by[0].low[i]));
    return hash;
}

/* Two rows that have their numbers in common, each less its smallest, say by how much the numbers
 * of all rows on their axes differ. */
static void vote(Rows *rows, uint32_t from, const Template *s, const Template *t)
{
    const Side *side[2] = {&rows->a->side[0], &rows->a->side[1]};
    const Template *const row[2] = {s, t};
    const Counting by[2] = {counting_of(side[0], s), counting_of(side[1], t)};
    if (!by[0].count || by[0].count != by[1].count || by[0].hash != by[1].hash) return;
    const uint32_t weight = counting_same(side[0], s, &by[0], side[1], t, &by[1]) ? 2 : 1;
    bool fresh;
    const uint32_t at = *table_add(&rows->axes, axes_key(side, row, by), (uint32_t)rows->count,
                                   &fresh);
    if (fresh) {
        rows->list = mem_grow(rows->list, &rows->room, rows->count + 1, sizeof *rows->list);
        rows->list[rows->count++] = (Axes){0};
    }
    const uint64_t offset = offset_of(by);
    for (int i = 0; i < OFFSETS_MAX; i++) {
        Vote *one = &rows->list[at].votes[i];
        if (one->votes && one->offset != offset) continue;
        if (!one->votes) *one = (Vote){offset, from, 0};
        one->votes += weight;
        return;
    }
}

/* What most rows of the same axes say; NULL: none says anything, or two are equally many. */
static const Vote *most_votes(const Rows *rows, uint64_t key)
{
    const uint32_t *at = table_find(&rows->axes, key);
    const Vote *best = NULL;
    uint32_t second = 0;
    for (int i = 0; at && i < OFFSETS_MAX; i++) {
        const Vote *one = &rows->list[*at].votes[i];
        if (one->votes <= (best ? best->votes : 0)) {
            if (one->votes > second) second = one->votes;
            continue;
        }
        second = best ? best->votes : 0;
        best = one;
    }
    return best && best->votes > second ? best : NULL;
}

/* The smallest number that is a segment of its own: where a side begins to count. */
static int64_t base_of(const Side *side)
{
    int64_t base = INT64_MAX;
    for (uint32_t i = 0; i < side->coarse_count; i++)
        for (unsigned k = 0; k < side->coarse[i].slot_count; k++)
            if (!(side->coarse[i].glued >> k & 1) && side->coarse[i].low[k] < base)
                base = side->coarse[i].low[k];
    return base;
}

/* Numbers that differ by how the sides count do so wherever they count. Where one side begins to
 * count later here than elsewhere, its first blocks may be missing. */
static bool may_lack_first(const Rows *rows, const Template *const row[2], const Counting by[2])
{
    for (unsigned i = 0; i < by[0].count; i++) {
        if (by[0].low[i] == by[1].low[i]) continue;
        for (int s = 0; s < 2; s++) {
            const Coarse *coarse = &rows->a->side[s].coarse[row[s]->coarse];
            const unsigned slot = by[s].slot[i];
            if (!(coarse->glued >> slot & 1) && coarse->low[slot] > rows->base[s]) return true;
        }
    }
    return false;
}

/* ---- rows ---- */

/* Numbers are counted from where the row that showed the offset begins. */
static void follow_vote(const Rows *rows, const Vote *most, Counting by[2])
{
    const Side *x = &rows->a->side[0], *y = &rows->a->side[1];
    const Template *s = &x->templates[most->from], *t = &y->templates[s->mate];
    const Counting from[2] = {counting_of(x, s), counting_of(y, t)};
    for (int k = 0; k < 2; k++)
        for (unsigned i = 0; i < by[k].count; i++) by[k].low[i] = from[k].low[i];
}

/* Where all that counts the same blocks reaches equally far on both sides, numbers are counted from
 * where that begins, whatever this row lacks. False: it does not. */
static bool follow_axes(const Side *side[2], const Template *const row[2], Counting by[2])
{
    const Coarse *x = &side[0]->coarse[row[0]->coarse], *y = &side[1]->coarse[row[1]->coarse];
    for (unsigned i = 0; i < by[0].count; i++) {
        const unsigned p = by[0].slot[i], q = by[1].slot[i];
        if (x->high[p] - x->low[p] != y->high[q] - y->low[q]) return false;
    }
    for (unsigned i = 0; i < by[0].count; i++) {
        by[0].low[i] = x->low[by[0].slot[i]];
        by[1].low[i] = y->low[by[1].slot[i]];
    }
    return true;
}

static void pair_row(const Rows *rows, const Template *s, const Template *t)
{
    Auto *a = rows->a;
    const Side *side[2] = {&a->side[0], &a->side[1]};
    const Template *const row[2] = {s, t};
    Counting by[2] = {counting_of(side[0], s), counting_of(side[1], t)};
    const bool mirrored = s->sequence != t->sequence && s->mirrored == t->sequence;
    if (!by[0].count || by[0].count != by[1].count || mirrored) {
        pair_places(a, s, t);
        return;
    }
    const bool base = counting_base(&by[0]) == counting_base(&by[1]);
    const bool reach = by[0].hash == by[1].hash;
    const Vote *most = most_votes(rows, axes_key(side, row, by));
    const bool axes = follow_axes(side, row, by);
    if (!axes && most) follow_vote(rows, most, by);
    const uint32_t fewer = s->count < t->count ? s->count : t->count;
    uint32_t *namesakes = mem_alloc(t->count * sizeof *namesakes);
    const uint32_t common = find_numbers(a, s, t, by, namesakes);
    /* 0, 3, 6 and 0, 1, 2: the numbers are no blocks that both have */
    if (s->count == t->count && common * 4 < fewer * 3) pair_places(a, s, t);
    /* where holes are at different places, block 5 is not there, block 6 is still block 6 */
    else if ((axes && reach && s->count == t->count) ||
             ((axes || most || base || reach) && !may_lack_first(rows, row, by)))
        for (uint32_t k = 0; k < t->count; k++)
            if (namesakes[k] != NONE) pair_units(a, namesakes[k], side[1]->order[t->first + k], s);
    free(namesakes);
}

void match_units(Auto *a)
{
    Side *source = &a->side[0], *target = &a->side[1];
    Rows rows = {.a = a, .axes.arena = a->arena, .base = {base_of(source), base_of(target)}};
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < source->template_count; i++) {
            const Template *s = &source->templates[i];
            if (s->dead || s->mate == NONE) continue;
            const Template *t = &target->templates[s->mate];
            if (s->group || t->group) continue;
            if (pass) pair_row(&rows, s, t);
            else vote(&rows, i, s, t);
        }
    free(rows.list);
}
