/* Pairs that cross, by their numbers or by what stands before them.
 *
 * Two layers of one block whose names differ in a number alone, paired with two of one block that
 * differ in a number alone, the first with the second: numbers say an order in whatever order a
 * file is. block.0.1 and block.1.1 are bn1 and bn2, and where rows of unequal length have paired
 * them the other way round, they change places. The outermost number is not looked at: rows of
 * blocks may run backwards, as those of a decoder do. Shapes differ then, or auto_blocks.c asks. */
#include <stdlib.h>

#include "loader/align/auto_parts.h"

typedef struct Sibling {
    uint64_t family;         /* its name and its numbers but one */
    int64_t number;          /* that one */
    uint32_t unit;
} Sibling;

static const int64_t *numbers_of(const Side *side, const Unit *unit)
{
    return side->numbers + unit->numbers;
}

static uint64_t family_of(const Side *side, const Unit *unit, unsigned slot)
{
    const int64_t *numbers = numbers_of(side, unit);
    uint64_t family = hash_mix(unit->coarse, slot);
    for (unsigned i = 0; i < side->coarse[unit->coarse].slot_count; i++)
        family = hash_mix(family, i == slot ? 0xFFFF : (uint64_t)numbers[i]);
    return hash_mix(family, unit->shape);
}

static int compare_siblings(const void *x, const void *y)
{
    const Sibling *a = x, *b = y;
    if (a->family != b->family) return a->family < b->family ? -1 : 1;
    if (a->number != b->number) return a->number < b->number ? -1 : 1;
    return a->unit < b->unit ? -1 : a->unit > b->unit;
}

/* Whether two units of the target differ in one number alone, an inner one, and the first has the
 * larger. */
static bool goes_down(const Side *y, const Unit *v, const Unit *w)
{
    if (v->coarse != w->coarse) return false;
    const int64_t *m = numbers_of(y, v), *n = numbers_of(y, w);
    unsigned differ = 0, slot = 0;
    for (unsigned i = 0; i < y->coarse[v->coarse].slot_count; i++) {
        if (m[i] == n[i]) continue;
        differ++;
        slot = i;
    }
    return differ == 1 && slot > 0 && m[slot] > n[slot];
}

static bool is_open(const Side *side, const Unit *unit)
{
    const Template *t = &side->templates[unit->template];
    return unit->mate != NONE && !unit->fixed && !t->group;
}

/* The first is what the second was and the other way round. */
static void change_places(Auto *a, uint32_t first, uint32_t second)
{
    Unit *u = &a->side[0].units[first], *w = &a->side[0].units[second];
    const uint32_t mate = u->mate;
    u->mate = w->mate;
    w->mate = mate;
    a->side[1].units[u->mate].mate = first;
    a->side[1].units[w->mate].mate = second;
}

static void check_slot(Auto *a, Sibling *list, unsigned slot)
{
    Side *x = &a->side[0], *y = &a->side[1];
    size_t n = 0;
    for (uint32_t i = 0; i < x->unit_count; i++) {
        const Unit *u = &x->units[i];
        if (slot >= x->coarse[u->coarse].slot_count || !is_open(x, u)) continue;
        list[n++] = (Sibling){family_of(x, u, slot), numbers_of(x, u)[slot], i};
    }
    qsort(list, n, sizeof *list, compare_siblings);
    for (size_t i = 1; i < n; i++) {
        if (list[i].family != list[i - 1].family) continue;
        const uint32_t first = list[i - 1].unit, second = list[i].unit;
        const Unit *v = &y->units[x->units[first].mate], *w = &y->units[x->units[second].mate];
        if (v->fixed || w->fixed || v->shape != w->shape || !goes_down(y, v, w)) continue;
        change_places(a, first, second);
        if (i > 1) i -= 2;
    }
}

void check_crossed(Auto *a)
{
    Sibling *list = mem_alloc((a->side[0].unit_count + 1) * sizeof *list);
    for (unsigned slot = 1; slot < SLOTS_MAX; slot++) check_slot(a, list, slot);
    free(list);
}

/* ---- behind kernels ---- */

/* The kernel that a vector stands right behind, in one block; NONE. */
static uint32_t kernel_before(const Side *side, uint32_t unit)
{
    if (!unit || unit >= side->unit_count) return NONE;
    const Unit *own = &side->units[unit], *before = &side->units[unit - 1];
    if (own->block != before->block || unit_is_matrix(side, own) || !unit_is_matrix(side, before))
        return NONE;
    return unit - 1;
}

/* What stands right behind the mate of the kernel that a unit stands behind; NONE. */
static uint32_t behind_mate(const Auto *a, int side, uint32_t unit)
{
    const Side *own = &a->side[side], *other = &a->side[!side];
    const uint32_t kernel = kernel_before(own, unit);
    const uint32_t mate = kernel == NONE ? NONE : own->units[kernel].mate;
    if (mate == NONE || kernel_before(other, mate + 1) == NONE) return NONE;
    return mate + 1;
}

void check_behind(Auto *a)
{
    const float unsure = 0.12f;
    Side *x = &a->side[0], *y = &a->side[1];
    for (uint32_t i = 0; x->ordered && y->ordered && i < x->unit_count; i++) {
        const Unit *u = &x->units[i];
        if (!is_open(x, u) || y->units[u->mate].fixed) continue;
        const uint32_t there = behind_mate(a, 0, i), here = behind_mate(a, 1, u->mate);
        if (there == NONE || here == NONE || there == u->mate || y->units[there].mate != here)
            continue;
        const Unit *w = &x->units[here];
        if (!is_open(x, w) || w->shape != u->shape || y->units[there].fixed) continue;
        change_places(a, i, here);
        const uint32_t both[] = {i, here};
        for (size_t k = 0; k < 2; k++) {
            Unit *one = &x->units[both[k]];
            one->margin = y->units[one->mate].margin = unsure;
        }
    }
}
