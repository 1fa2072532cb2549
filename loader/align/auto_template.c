/* Templates: units of one coarse name in a row, by their numbers; and classes of templates whose
 * rows look the same from outside. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_parts.h"

enum { SPLIT_VALUES = 40, FEW = 8 };

/* What units are sorted by: coarse name, literal numbers, rank, then the other numbers. */
typedef struct SortContext {
    const Side *side;
    int slot;                /* split: this slot before everything; −1: none */
} SortContext;

static unsigned main_rank(const Side *side, const Unit *unit)
{
    const AutoTensor *tensor = main_tensor(side, unit);
    return tensor->dims && !side->shapeless ? tensor->rank : 0;
}

static int compare_numbers(const Side *side, const Unit *a, const Unit *b, uint8_t mask)
{
    unsigned n = side->coarse[a->coarse].slot_count;
    for (unsigned i = 0; i < n; i++) {
        if (!(mask >> i & 1)) continue;
        int64_t x = side->numbers[a->numbers + i], y = side->numbers[b->numbers + i];
        if (x != y) return x < y ? -1 : 1;
    }
    return 0;
}

static uint8_t first_literal(const Coarse *coarse)
{
    return coarse->glued & coarse->few;
}

static int compare_units(const void *x, const void *y, void *context)
{
    const Side *side = context;
    uint32_t i = *(const uint32_t *)x, j = *(const uint32_t *)y;
    const Unit *a = &side->units[i], *b = &side->units[j];
    if (a->coarse != b->coarse) return a->coarse < b->coarse ? -1 : 1;
    uint8_t literal = first_literal(&side->coarse[a->coarse]);
    int order = compare_numbers(side, a, b, literal);
    if (order) return order;
    unsigned p = main_rank(side, a), q = main_rank(side, b);
    if (p != q) return p < q ? -1 : 1;
    order = compare_numbers(side, a, b, 0xFF);
    return order ? order : i < j ? -1 : 1;
}

/* The number that counts first: that in which the first unit of a row and its last one differ. */
static unsigned outer_slot(const Side *side, const Template *t)
{
    const Unit *a = &side->units[side->order[t->first]];
    const Unit *b = &side->units[side->order[t->first + t->count - 1]];
    unsigned slots = side->coarse[t->coarse].slot_count, slot = 0;
    while (slot < slots && side->numbers[a->numbers + slot] == side->numbers[b->numbers + slot])
        slot++;
    return slot;
}

void template_mirror(const Side *side, const Template *t, uint32_t *out)
{
    const unsigned slot = outer_slot(side, t);
    const uint32_t *row = side->order + t->first;
    const bool counts = slot < side->coarse[t->coarse].slot_count;
    uint32_t n = 0;
    for (uint32_t to = t->count, from; to; to = from) {
        const int64_t *last = side->numbers + side->units[row[to - 1]].numbers;
        for (from = to - 1; from && counts; from--)
            if (side->numbers[side->units[row[from - 1]].numbers + slot] != last[slot]) break;
        for (uint32_t i = from; i < to; i++) out[n++] = row[i];
    }
}

/* Of the row with its outer numbers the other way round: up.3.b.0, up.3.b.1, up.2.b.0. */
static uint64_t hash_mirrored(const Side *side, const Template *t)
{
    uint32_t few[64], *row = t->count > countof(few) ? mem_alloc(t->count * sizeof *row) : few;
    uint64_t hash = hash_mix(1, t->count);
    template_mirror(side, t, row);
    for (uint32_t i = 0; i < t->count; i++) hash = hash_mix(hash, side->units[row[i]].shape);
    if (row != few) free(row);
    return hash;
}

void template_hash(const Auto *a, Side *side, Template *t)
{
    (void)a;
    uint64_t hash = hash_mix(1, t->count);
    t->position = NONE;
    for (uint32_t i = 0; i < t->count; i++) {
        const Unit *unit = &side->units[side->order[t->first + i]];
        hash = hash_mix(hash, unit->shape);
        if (unit->position < t->position) t->position = unit->position;
    }
    t->sequence = hash;
    t->mirrored = hash_mirrored(side, t);
}

Template *template_add(Side *side, uint32_t first, uint32_t count, uint8_t literal)
{
    side->templates = mem_grow(side->templates, &side->template_room, side->template_count + 1,
                               sizeof *side->templates);
    const Unit *unit = &side->units[side->order[first]];
    Template *t = &side->templates[side->template_count];
    *t = (Template){.first = first, .count = count, .coarse = unit->coarse, .literal = literal,
                    .rank = (uint8_t)main_rank(side, unit), .class = NONE, .mate = NONE};
    for (uint32_t i = 0; i < count; i++)
        side->units[side->order[first + i]].template = (uint32_t)side->template_count;
    side->template_count++;
    return t;
}

void templates_make(Auto *a, Side *side)
{
    side->order = arena_alloc(side->arena, (side->unit_count + 1) * sizeof *side->order);
    uint32_t n = 0;
    for (uint32_t i = 0; i < side->unit_count; i++) side->order[n++] = i;
    qsort_r(side->order, n, sizeof *side->order, compare_units, side);
    for (uint32_t from = 0, to; from < n; from = to) {
        const Unit *first = &side->units[side->order[from]];
        uint8_t literal = first_literal(&side->coarse[first->coarse]);
        for (to = from + 1; to < n; to++) {
            const Unit *unit = &side->units[side->order[to]];
            if (unit->coarse != first->coarse || compare_numbers(side, unit, first, literal) ||
                main_rank(side, unit) != main_rank(side, first))
                break;
        }
        template_hash(a, side, template_add(side, from, to - from, literal));
    }
}

/* ---- splitting ---- */

static int compare_slot(const void *x, const void *y, void *context)
{
    const SortContext *sort = context;
    const Side *side = sort->side;
    uint32_t i = *(const uint32_t *)x, j = *(const uint32_t *)y;
    const Unit *a = &side->units[i], *b = &side->units[j];
    int64_t p = side->numbers[a->numbers + (unsigned)sort->slot];
    int64_t q = side->numbers[b->numbers + (unsigned)sort->slot];
    if (p != q) return p < q ? -1 : 1;
    int order = compare_numbers(side, a, b, 0xFF);
    return order ? order : i < j ? -1 : i > j;
}

/* Splits a template by one of its slots; the parts are appended. */
static void template_split(Auto *a, Side *side, uint32_t index, unsigned slot)
{
    Template t = side->templates[index];
    SortContext sort = {side, (int)slot};
    qsort_r(side->order + t.first, t.count, sizeof *side->order, compare_slot, &sort);
    side->templates[index].dead = true;
    for (uint32_t from = 0, to; from < t.count; from = to) {
        const Unit *first = &side->units[side->order[t.first + from]];
        for (to = from + 1; to < t.count; to++) {
            const Unit *unit = &side->units[side->order[t.first + to]];
            if (side->numbers[unit->numbers + slot] != side->numbers[first->numbers + slot]) break;
        }
        Template *part = template_add(side, t.first + from, to - from,
                                      (uint8_t)(t.literal | 1u << slot));
        part->piece = true;
        template_hash(a, side, part);
    }
}

/* ---- classes ---- */

/* Classes that each side has, and how many templates of it. */
typedef struct Census {
    Table side[2];
} Census;

/* What a template has in common with its partners: its shapes in their order. A row of the source
 * goes the other way round where only that has partners. */
static uint64_t class_key(const Census *census, int side, const Template *t)
{
    if (side || table_find(&census->side[1], t->sequence)) return t->sequence;
    return table_find(&census->side[1], t->mirrored) ? t->mirrored : t->sequence;
}

static void take_census(Auto *a, Census *census)
{
    for (int s = 1; s >= 0; s--) {
        census->side[s] = (Table){.arena = a->arena};
        for (size_t i = 0; i < a->side[s].template_count; i++) {
            const Template *t = &a->side[s].templates[i];
            if (!t->dead) (*table_add(&census->side[s], class_key(census, s, t), 0, NULL))++;
        }
    }
}

/* What splitting by a slot would give: units whose part has a partner on the other side, and how
 * many values there are. */
typedef struct SplitTrial {
    uint32_t partnered, values;
} SplitTrial;

typedef struct PartHash {
    int64_t value;
    uint64_t forth;
    uint32_t count;
} PartHash;

/* Whether there is a template for a part that none of the parts before it takes. */
static bool has_partner(const PartHash *parts, uint32_t p, const Table *other)
{
    const uint32_t *there = table_find(other, parts[p].forth);
    uint32_t before = 0;
    for (uint32_t i = 0; i < p; i++) before += parts[i].forth == parts[p].forth;
    return there && *there > before;
}

/* The parts of a template by a slot, in one pass; false when there are too many. A part that only
 * a reversed row would fit is not seen here. */
static bool try_split(const Side *side, const Template *t, unsigned slot, const Table *other,
                      SplitTrial *out)
{
    PartHash parts[SPLIT_VALUES];
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        const Unit *unit = &side->units[side->order[t->first + i]];
        int64_t value = side->numbers[unit->numbers + slot];
        uint32_t p = 0;
        while (p < n && parts[p].value != value) p++;
        if (p == SPLIT_VALUES) return false;
        if (p == n) parts[n++] = (PartHash){.value = value};
        parts[p].count++;
    }
    if (n < 2) return false;
    for (uint32_t p = 0; p < n; p++) parts[p].forth = hash_mix(1, parts[p].count);
    for (uint32_t i = 0; i < t->count; i++) {
        const Unit *unit = &side->units[side->order[t->first + i]];
        int64_t value = side->numbers[unit->numbers + slot];
        uint32_t p = 0;
        while (parts[p].value != value) p++;
        parts[p].forth = hash_mix(parts[p].forth, unit->shape);
    }
    *out = (SplitTrial){.values = n};
    for (uint32_t p = 0; p < n; p++)
        if (has_partner(parts, p, other)) out->partnered += parts[p].count;
    return true;
}

/* The words that numbers stand behind which count the rows of a side. */
static Table count_words_before(Arena *arena, const Side *side)
{
    Table words = {.arena = arena};
    for (size_t i = 0; i < side->template_count; i++) {
        const Template *t = &side->templates[i];
        const Coarse *coarse = &side->coarse[t->coarse];
        for (unsigned slot = 0; slot < coarse->slot_count && !t->dead && t->count > 1; slot++)
            if (!(t->literal >> slot & 1)) table_add(&words, coarse->before[slot], 1, NULL);
    }
    return words;
}

/* What the other side has: classes, and words that its numbers stand behind. */
typedef struct There {
    const Table *classes;
    Table counted;
} There;

/* The slot to split a template without partner by: whose parts find most partners, `all` of them if
 * that is asked for, and of those the one by which the other side does not count either: of
 * modules.#.blocks.# the blocks, where modules.#.attn1 is there. When none does, the last with few
 * values. −1: none. */
static int choose_slot(const Side *side, const Template *t, const There *there, bool all)
{
    uint32_t best = 0;
    bool counted = false;
    int chosen = -1, last = -1;
    unsigned n = side->coarse[t->coarse].slot_count;
    for (unsigned slot = 0; slot < n; slot++) {
        SplitTrial trial;
        if (t->literal >> slot & 1 || !try_split(side, t, slot, there->classes, &trial)) continue;
        const bool same =
            table_find(&there->counted, side->coarse[t->coarse].before[slot]) != NULL;
        if (trial.partnered > best || (best && trial.partnered == best && counted && !same)) {
            best = trial.partnered;
            counted = same;
            chosen = (int)slot;
        }
        if (trial.values <= FEW) last = (int)slot;
    }
    if (all) return best == t->count ? chosen : -1;
    return chosen >= 0 ? chosen : last;
}

/* Whether both sides have as many units of every shape of a row. */
static bool is_balanced(const Side *side, const Template *t, const Table counts[2])
{
    for (uint32_t i = 0; i < t->count; i++) {
        const uint64_t shape = side->units[side->order[t->first + i]].shape;
        const uint32_t *p = table_find(&counts[0], shape), *q = table_find(&counts[1], shape);
        if (!p || !q || *p != *q) return false;
    }
    return true;
}

/* Nothing of the other side is like a template; or less than this side has, though it has as many
 * of these shapes: they stand in other rows there. */
static bool lacks_partner(const Auto *a, const Census *census, int s, const Template *t,
                          const Table counts[2])
{
    const uint64_t key = class_key(census, s, t);
    const uint32_t *other = table_find(&census->side[!s], key);
    if (!other) return true;
    return *table_find(&census->side[s], key) > *other && is_balanced(&a->side[s], t, counts);
}

/* Splits templates that have no partner; one side after the other, for what one of them makes may
 * be what the other lacks. */
static bool refine(Auto *a, bool all, const Table counts[2])
{
    bool any = false;
    for (int s = 0; s < 2; s++) {
        Census census;
        take_census(a, &census);
        Side *side = &a->side[s];
        const There there = {&census.side[!s], count_words_before(a->arena, &a->side[!s])};
        size_t n = side->template_count;
        for (uint32_t i = 0; i < n; i++) {
            const Template *t = &side->templates[i];
            if (t->dead || t->group || t->count < 2) continue;
            if (!lacks_partner(a, &census, s, t, counts)) continue;
            int slot = choose_slot(side, t, &there, all);
            if (slot < 0) continue;
            template_split(a, side, i, (unsigned)slot);
            any = true;
        }
    }
    return any;
}

/* The shape that most units of a row have, if there is one. */
static uint64_t common_shape(const Side *side, const Template *t)
{
    uint64_t shape = 0;
    uint32_t votes = 0;
    for (uint32_t k = 0; k < t->count; k++) {
        uint64_t own = side->units[side->order[t->first + k]].shape;
        if (!votes) shape = own;
        if (own == shape) votes++;
        else votes--;
    }
    return shape;
}

/* What rows have in common that are nearly the same: they reach equally far, or begin alike
 * (`base`), and are mostly of one shape. 0: too short to tell. */
static uint64_t row_key(const Side *side, const Template *t, bool base)
{
    Counting counting = counting_of(side, t);
    if (!counting.count || t->count < 3) return 0;
    return hash_mix(base ? counting_base(&counting) : counting.hash, common_shape(side, t)) | 1;
}

/* At most a quarter of a row with holes; of one that goes on longer, one block or a seventh. */
static bool few_missing(uint32_t a, uint32_t b, bool base)
{
    const uint32_t more = a > b ? a : b, missing = a < b ? b - a : a - b;
    return missing * 4 <= more && (!base || missing == 1 || missing * 7 <= more);
}

static int compare_shapes(const void *x, const void *y)
{
    const uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return a < b ? -1 : a > b;
}

static uint64_t *sorted_shapes(Arena *arena, const Side *side, const Template *t)
{
    uint64_t *shapes = arena_alloc(arena, (t->count + 1) * sizeof *shapes);
    for (uint32_t k = 0; k < t->count; k++)
        shapes[k] = side->units[side->order[t->first + k]].shape;
    qsort(shapes, t->count, sizeof *shapes, compare_shapes);
    return shapes;
}

/* Whether three quarters of two rows have the same shapes. */
static bool mostly_same(const Auto *a, int s, const Template *t, const Template *other)
{
    const uint64_t *x = sorted_shapes(a->arena, &a->side[s], t);
    const uint64_t *y = sorted_shapes(a->arena, &a->side[!s], other);
    const uint32_t more = t->count > other->count ? t->count : other->count;
    uint32_t common = 0;
    for (uint32_t i = 0, j = 0; i < t->count && j < other->count;) {
        common += x[i] == y[j];
        if (x[i] == y[j]) i++, j++;
        else if (x[i] < y[j]) i++;
        else j++;
    }
    return common * 4 >= more * 3;
}

/* A row without partner joins the class of a row that is nearly the same: blocks may be missing on
 * one side, or a tensor have another shape. It stands among the candidates then, and what does
 * not fit is left out. */
static void join_near(Auto *a, bool base)
{
    Census census;
    take_census(a, &census);
    Table near[2] = {{.arena = a->arena}, {.arena = a->arena}};
    for (int s = 0; s < 2; s++)
        for (uint32_t i = 0; i < a->side[s].template_count; i++) {
            const Template *t = &a->side[s].templates[i];
            uint64_t key = t->dead || t->group ? 0 : row_key(&a->side[s], t, base);
            if (!key) continue;
            bool partner = table_find(&census.side[!s], class_key(&census, s, t)) != NULL;
            uint32_t *at = table_add(&near[s], key, i, NULL);
            if (partner) *at = i;
        }
    for (int s = 0; s < 2; s++)
        for (uint32_t i = 0; i < a->side[s].template_count; i++) {
            Template *t = &a->side[s].templates[i];
            if (t->dead || t->group) continue;
            if (table_find(&census.side[!s], class_key(&census, s, t))) continue;
            uint64_t key = row_key(&a->side[s], t, base);
            const uint32_t *other = key ? table_find(&near[!s], key) : NULL;
            if (!other) continue;
            const Template *o = &a->side[!s].templates[*other];
            if (!few_missing(o->count, t->count, base) || !mostly_same(a, s, t, o)) continue;
            t->sequence = o->sequence;
            t->mirrored = o->mirrored;
        }
}

/* Rows of one shape throughout, by that shape; 0: it is another row, or too short. */
static uint64_t even_key(const Side *side, const Template *t)
{
    if (t->dead || t->group || t->count < 3) return 0;
    const Unit *first = &side->units[side->order[t->first]];
    for (uint32_t k = 1; k < t->count; k++)
        if (side->units[side->order[t->first + k]].shape != first->shape) return 0;
    return hash_mix(29, first->shape) | 1;
}

/* The rows of one shape, of both sides. */
typedef struct Even {
    uint32_t most;           /* units of the longest one */
    bool differs;            /* another is shorter */
} Even;

/* Rows of one shape that differ in length by a block or two belong into one class: one of them has
 * lost a block, and what is left of another must not be the only one of its length. */
static void join_even(Auto *a)
{
    Table shapes = {.arena = a->arena};
    Even *list = NULL;
    size_t count = 0, room = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int s = 0; s < 2; s++)
            for (uint32_t i = 0; i < a->side[s].template_count; i++) {
                Template *t = &a->side[s].templates[i];
                const uint64_t key = even_key(&a->side[s], t);
                if (!key) continue;
                bool fresh;
                const uint32_t at = *table_add(&shapes, key, (uint32_t)count, &fresh);
                if (fresh) {
                    list = mem_grow(list, &room, count + 1, sizeof *list);
                    list[count++] = (Even){t->count, false};
                }
                Even *even = &list[at];
                if (!pass) {
                    even->differs = even->differs || t->count != even->most;
                    if (t->count > even->most) even->most = t->count;
                } else if (even->differs && (t->count + 1 == even->most ||
                                             few_missing(t->count, even->most, false))) {
                    t->sequence = t->mirrored = hash_mix(key, even->most);
                }
            }
    free(list);
}

void classes_make(Auto *a)
{
    groups_find(a);
    stacks_find(a);
    join_near(a, false);
    join_near(a, true);
    join_even(a);
    Table counts[2];
    shapes_count(a, a->arena, counts);
    for (int i = 0; i < REFINE_MAX; i++) {
        for (int k = 0; k < SLOTS_MAX && refine(a, true, counts); k++) { }
        groups_find(a);
        if (!refine(a, false, counts)) break;
        join_near(a, false);
        join_near(a, true);
    }
    groups_find(a);
    Table classes = {.arena = a->arena};
    Census census;
    take_census(a, &census);
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < a->side[s].template_count; i++) {
            Template *t = &a->side[s].templates[i];
            if (t->dead) continue;
            bool fresh;
            t->class = *table_add(&classes, class_key(&census, s, t), a->class_count, &fresh);
            a->class_count += fresh;
        }
}
