/* Stacks by shape: all layers of a model in one tensor each, as scanned layers in Flax are. Where
 * several tensors of one side have the same first axis, and the other side has rows of that many
 * units of what is behind it, each such row is stacked and stands among the candidates; what is
 * which, names and the rest decide as of any other. */
#include "loader/align/auto_parts.h"

enum { SEVERAL = 3 };        /* stacks, and rows, that are no accident */

/* Everything about one length of rows. */
typedef struct Stacks {
    Auto *a;
    int side;                /* of the stacks */
    int64_t length;
    uint32_t *wholes;        /* [whole_count] */
    size_t whole_count;
    Table here, there;       /* sequences of either side */
} Stacks;

static const Unit *first_unit(const Side *side, const Template *t)
{
    return &side->units[side->order[t->first]];
}

static bool is_free(const Side *side, const Template *t)
{
    return !t->dead && !t->group && !first_unit(side, t)->fixed;
}

/* The first axis of a tensor that may be a stack; 0. */
static int64_t length_of(const Stacks *stacks, const Template *t)
{
    const Side *side = &stacks->a->side[stacks->side];
    const AutoTensor *tensor = main_tensor(side, first_unit(side, t));
    if (!is_free(side, t) || t->count != 1 || !tensor->dims || tensor->rank < 2) return 0;
    if (table_find(&stacks->there, t->sequence) || tensor->dims[0] >= NONE) return 0;
    return tensor->dims[0] > 1 ? tensor->dims[0] : 0;
}

/* Whether a tensor is one of a stack. */
static bool is_slice(const AutoTensor *stack, const AutoTensor *one)
{
    if (!stack->dims || !one->dims || one->rank + 1 != stack->rank) return false;
    const AutoTensor slice = {.dims = stack->dims + 1, .rank = one->rank};
    return shape_canonical(&slice) == shape_canonical(one);
}

/* Whether the members of a unit, as far as both have them, are those of a stack. */
static bool fits_unit(const Side *x, const Unit *stack, const Side *y, const Unit *one)
{
    if (!is_slice(main_tensor(x, stack), main_tensor(y, one))) return false;
    for (uint32_t i = 1; i < stack->count; i++)
        for (uint32_t j = 1; j < one->count; j++) {
            const uint32_t s = x->members[stack->first + i], t = y->members[one->first + j];
            if (x->role_of[s] == y->role_of[t] &&
                !is_slice(&x->given->tensors[s], &y->given->tensors[t]))
                return false;
        }
    return true;
}

/* A row of as many units as a stack has slices, whose last number counts them. */
static bool is_row(const Stacks *stacks, const Template *t)
{
    const Side *side = &stacks->a->side[!stacks->side];
    return is_free(side, t) && t->count == stacks->length &&
           !table_find(&stacks->here, t->sequence) &&
           group_counts(side, t, stacks->length);
}

/* A stack that a row may be; NONE. */
static uint32_t find_stack(const Stacks *stacks, const Template *row)
{
    const Side *x = &stacks->a->side[stacks->side], *y = &stacks->a->side[!stacks->side];
    for (size_t i = 0; i < stacks->whole_count; i++) {
        const Template *whole = &x->templates[stacks->wholes[i]];
        if (fits_unit(x, first_unit(x, whole), y, first_unit(y, row))) return stacks->wholes[i];
    }
    return NONE;
}

/* Rows of this length that were stacked by their names. */
static int count_named(const Stacks *stacks)
{
    int count = 0;
    for (size_t i = 0; i < stacks->a->group_count; i++) {
        const Group *group = &stacks->a->groups[i];
        count += group->side != stacks->side && group->stacked == stacks->length;
    }
    return count;
}

static void stack_rows(Stacks *stacks)
{
    Side *side = &stacks->a->side[!stacks->side];
    const size_t n = side->template_count;
    for (int pass = 0, rows = count_named(stacks); pass < 2; pass++)
        for (uint32_t i = 0; i < n && (!pass || rows >= SEVERAL); i++) {
            if (!is_row(stacks, &side->templates[i])) continue;
            const uint32_t whole = find_stack(stacks, &side->templates[i]);
            if (whole == NONE) continue;
            rows += !pass;
            if (!pass) continue;
            template_words(stacks->a, side, &side->templates[i]);
            Group group = {.parts = {i}, .count = 1, .side = (uint8_t)!stacks->side,
                           .stacked = stacks->length, .fused = whole};
            group_try(stacks->a, &group);
        }
}

/* The wholes of one length, those of others after them. */
static void take_length(Stacks *stacks, const uint32_t *list, size_t n)
{
    const Side *side = &stacks->a->side[stacks->side];
    stacks->whole_count = 0;
    for (size_t i = 0; i < n; i++)
        if (stacks->whole_count < CLASS_MAX &&
            length_of(stacks, &side->templates[list[i]]) == stacks->length)
            stacks->wholes[stacks->whole_count++] = list[i];
    if (stacks->whole_count >= SEVERAL) stack_rows(stacks);
}

/* Without groups: what was stacked by name leaves the other stacks of that shape as they are. */
static Table list_sequences(Auto *a, const Side *side)
{
    Table table = {.arena = a->arena};
    for (size_t i = 0; i < side->template_count; i++) {
        const Template *t = &side->templates[i];
        if (!t->dead && !t->group) table_add(&table, t->sequence, 1, NULL);
    }
    return table;
}

static void find_side(Auto *a, int s)
{
    Side *side = &a->side[s];
    Stacks stacks = {.a = a, .side = s, .here = list_sequences(a, side),
                     .there = list_sequences(a, &a->side[!s])};
    Table lengths = {.arena = a->arena};
    uint32_t *list = arena_alloc(a->arena, (side->template_count + 1) * sizeof *list);
    stacks.wholes = arena_alloc(a->arena, (side->template_count + 1) * sizeof *list);
    size_t n = 0;
    for (uint32_t i = 0; i < side->template_count; i++) {
        const int64_t length = length_of(&stacks, &side->templates[i]);
        if (!length) continue;
        list[n++] = i;
        (*table_add(&lengths, (uint64_t)length, 0, NULL))++;
    }
    for (size_t i = 0; i < n; i++) {
        const int64_t length = length_of(&stacks, &side->templates[list[i]]);
        uint32_t *count = length ? table_find(&lengths, (uint64_t)length) : NULL;
        if (!count || *count < SEVERAL) continue;
        *count = 0;                      /* once a length */
        stacks.length = length;
        take_length(&stacks, list, n);
    }
}

void stacks_find(Auto *a)
{
    if (a->side[0].shapeless) return;
    for (int s = 0; s < 2; s++) find_side(a, s);
}
