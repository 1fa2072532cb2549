/* Heads and experts with an axis of their own: kernels of attention in Flax (width × heads × size,
 * and heads × size × width on the way out), experts that lie behind one another in one matrix.
 *
 * A tensor of three axes is seen as a matrix when the other side has no tensor of its sizes, but
 * has that matrix, and no other that it could be. Where all layers lie in one tensor (four axes),
 * the first stays. Everything else then compares what is seen; what comes out begins or ends with
 * the reshape. */
#include <string.h>

#include "loader/align/auto_parts.h"

enum { JOINS = 3 };

/* Two of three axes, in the order of the tensor; the third. */
static const uint8_t joins[JOINS][3] = {{0, 1, 2}, {1, 2, 0}, {0, 2, 1}};

typedef struct Viewing {
    Auto *a;
    Table exact[2], matrices[2];     /* canonical shapes of all tensors, of matrices */
    Table siblings;          /* path above, head and kept axis of those that are seen otherwise →
                                1 + which join */
} Viewing;

/* Axes without the one that counts layers, in front. */
static unsigned lead_of(const AutoTensor *tensor)
{
    return tensor->rank == VIEW_RANK ? 1 : 0;
}

static bool is_candidate(const AutoTensor *tensor)
{
    if (!tensor->dims || (tensor->rank != 3 && tensor->rank != VIEW_RANK)) return false;
    for (unsigned i = 0; i < tensor->rank; i++)
        if (tensor->dims[i] < 2) return false;
    return true;
}

/* What a join makes of a tensor; false when the sizes are too large. */
static bool view_make(const AutoTensor *tensor, unsigned join, View *out)
{
    const unsigned lead = lead_of(tensor);
    const uint8_t *axes = joins[join];
    const bool behind = axes[2] < axes[0];           /* the third stands in front of the two */
    *out = (View){.rank = tensor->rank, .moves = join == 2, .joined = (uint8_t)(lead + behind)};
    for (unsigned i = 0; i < tensor->rank; i++) out->dims[i] = tensor->dims[i];
    out->order[0] = 0;
    out->seen[0] = tensor->dims[0];
    const uint8_t order[3] = {behind ? axes[2] : axes[0], behind ? axes[0] : axes[1],
                              behind ? axes[1] : axes[2]};
    for (unsigned i = 0; i < 3; i++) out->order[lead + i] = (uint8_t)(lead + order[i]);
    int64_t product;
    if (__builtin_mul_overflow(tensor->dims[lead + axes[0]], tensor->dims[lead + axes[1]],
                               &product))
        return false;
    out->seen[lead + behind] = product;
    out->seen[lead + !behind] = tensor->dims[lead + axes[2]];
    return true;
}

static uint64_t shape_of(const int64_t *dims, unsigned rank)
{
    const AutoTensor tensor = {.dims = dims, .rank = (uint8_t)rank};
    return shape_canonical(&tensor);
}

static void list_shapes(Viewing *viewing, int s)
{
    const Side *side = &viewing->a->side[s];
    viewing->exact[s] = viewing->matrices[s] = (Table){.arena = viewing->a->arena};
    for (size_t i = 0; i < side->given->count; i++) {
        const AutoTensor *tensor = &side->given->tensors[i];
        if (!tensor->dims) continue;
        table_add(&viewing->exact[s], shape_canonical(tensor), 1, NULL);
        if (tensor->rank == 2) table_add(&viewing->matrices[s], shape_canonical(tensor), 1, NULL);
    }
}

/* What the tensors of one layer have in common that are seen alike: the size of a head and the axis
 * that stays. */
static uint64_t sibling_key(const Unit *unit, const AutoTensor *tensor, unsigned join)
{
    const unsigned lead = lead_of(tensor);
    const uint64_t key = hash_mix(unit->up[0], (uint64_t)tensor->dims[lead + joins[join][1]]);
    return hash_mix(hash_mix(key, (uint64_t)tensor->dims[lead + joins[join][2]]), tensor->rank);
}

/* The only join whose matrix the other side has; JOINS = none, or several. */
static unsigned find_join(const Viewing *viewing, int s, const AutoTensor *tensor)
{
    const unsigned lead = lead_of(tensor);
    unsigned found = JOINS;
    for (unsigned join = 0; join < JOINS; join++) {
        View view;
        if (!view_make(tensor, join, &view)) continue;
        if (!table_find(&viewing->matrices[!s], shape_of(view.seen + lead, 2))) continue;
        if (found != JOINS) return JOINS;
        found = join;
    }
    return found;
}

/* Whether so many parts lie one upon the other, as the lexicon knows of the name, and the other
 * side has the matrix of one: 2×768×3072, a gate and what goes up. They are seen side by side. */
static bool is_pile(const Viewing *viewing, int s, const Unit *unit, const AutoTensor *tensor)
{
    enum { LINES = 4 };
    const Auto *a = viewing->a;
    const unsigned lead = lead_of(tensor);
    const LexiconFused *lines[LINES];
    const NameParts parts = words_parts(a->words, main_tensor(&a->side[s], unit)->name);
    const size_t n = words_fused(a->words, parts.path, parts.path_length, lines, LINES);
    if (!table_find(&viewing->matrices[!s], shape_of(tensor->dims + lead + 1, 2))) return false;
    for (size_t i = 0; i < n; i++)
        if (lines[i]->turns != 1 || (int64_t)lines[i]->part_count != tensor->dims[lead])
            return false;
    return n > 0;
}

/* The vectors of a layer have the joined axes alone: 12×64 beside 768×12×64. */
static bool fits_vector(const View *view, const AutoTensor *vector)
{
    const unsigned lead = view->rank == VIEW_RANK;
    if (!vector->dims || vector->rank != lead + 2 || view->moves) return false;
    if (lead && vector->dims[0] != view->dims[0]) return false;
    return vector->dims[lead] == view->dims[view->joined] &&
           vector->dims[lead + 1] == view->dims[view->joined + 1];
}

static void set_view(Auto *a, Side *side, uint32_t tensor, const View *view)
{
    AutoSide *given = (AutoSide *)(uintptr_t)side->given;      /* its own by now */
    AutoTensor *seen = &((AutoTensor *)(uintptr_t)given->tensors)[tensor];
    const View *kept = arena_copy(a->arena, view, sizeof *view);
    side->views[tensor] = kept;
    seen->dims = kept->seen;
    seen->rank = (uint8_t)(kept->rank - 1);
}

static void see_unit(Auto *a, Side *side, Unit *unit, const View *view)
{
    const unsigned lead = view->rank == VIEW_RANK;
    set_view(a, side, side->members[unit->first], view);
    for (uint32_t i = 1; i < unit->count; i++) {
        const uint32_t member = side->members[unit->first + i];
        const AutoTensor *vector = &side->given->tensors[member];
        if (!fits_vector(view, vector)) continue;
        View own = {.rank = (uint8_t)(lead + 2), .joined = (uint8_t)lead};
        for (uint8_t k = 0; k < own.rank; k++) {
            own.dims[k] = vector->dims[k];
            own.order[k] = k;
        }
        own.seen[0] = vector->dims[0];
        own.seen[lead] = vector->dims[lead] * vector->dims[lead + 1];
        set_view(a, side, member, &own);
    }
    unit->shape = shape_canonical(main_tensor(side, unit));
}

/* From here on the side has tensors of its own. */
static void own_tensors(Auto *a, Side *side)
{
    if (side->views) return;
    AutoSide *own = arena_copy(a->arena, side->given, sizeof *own);
    own->tensors = arena_copy(a->arena, own->tensors, own->count * sizeof *own->tensors);
    side->given = own;
    side->views = arena_alloc(a->arena, (own->count + 1) * sizeof *side->views);
}

static bool is_open(const Viewing *viewing, int s, const Unit *unit)
{
    const Side *side = &viewing->a->side[s];
    const AutoTensor *tensor = main_tensor(side, unit);
    if (side->views && side->views[side->members[unit->first]]) return false;
    return is_candidate(tensor) && !table_find(&viewing->exact[!s], shape_canonical(tensor));
}

static void see_side(Viewing *viewing, int s)
{
    Auto *a = viewing->a;
    Side *side = &a->side[s];
    viewing->siblings = (Table){.arena = a->arena};
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < side->unit_count; i++) {
            Unit *unit = &side->units[i];
            if (!is_open(viewing, s, unit)) continue;
            const AutoTensor *tensor = main_tensor(side, unit);
            unsigned join = pass ? JOINS : find_join(viewing, s, tensor);
            if (!pass && join == JOINS && is_pile(viewing, s, unit, tensor)) join = 0;
            for (unsigned k = 0; pass && k < JOINS; k++)
                if (table_find(&viewing->siblings, sibling_key(unit, tensor, k))) join = k;
            View view;
            if (join == JOINS || !view_make(tensor, join, &view)) continue;
            if (!pass) table_add(&viewing->siblings, sibling_key(unit, tensor, join), 1, NULL);
            own_tensors(a, side);
            see_unit(a, side, unit, &view);
        }
}

void views_find(Auto *a)
{
    Viewing viewing = {.a = a};
    for (int s = 0; s < 2; s++) list_shapes(&viewing, s);
    for (int s = 0; s < 2; s++) see_side(&viewing, s);
}

/* ---- ops ---- */

static void add_permute(Auto *a, const View *view, bool back, OpList *ops)
{
    int64_t *list = arena_alloc(a->out, view->rank * sizeof *list);
    for (uint8_t i = 0; i < view->rank; i++)
        if (back) list[view->order[i]] = i;
        else list[i] = view->order[i];
    ops->items[ops->count++] = (Op){.kind = OP_PERMUTE, .list = list, .list_count = view->rank};
}

/* The sizes that tensors have in common; -1 for the one in which they differ. False when they
 * differ in two. */
static bool common_sizes(Auto *a, const Side *side, const uint32_t *tensors, size_t n, bool seen,
                         OpList *ops)
{
    const View *first = side->views[tensors[0]];
    const uint8_t rank = seen ? first->rank - 1 : first->rank;
    int64_t *list = arena_alloc(a->out, rank * sizeof *list);
    for (uint8_t i = 0; i < rank; i++)
        list[i] = seen ? first->seen[i] : first->dims[first->order[i]];
    for (size_t k = 1; k < n; k++)
        for (uint8_t i = 0; i < rank; i++) {
            const View *view = side->views[tensors[k]];
            if (list[i] != (seen ? view->seen[i] : view->dims[view->order[i]])) list[i] = -1;
        }
    unsigned open = 0;
    for (uint8_t i = 0; i < rank; i++) open += list[i] < 0;
    ops->items[ops->count++] = (Op){.kind = OP_RESHAPE, .list = list, .list_count = rank};
    return open < 2;
}

/* Whether tensors are all seen in one way; *any whether in another than they lie. */
static bool seen_alike(const Side *side, const uint32_t *tensors, size_t n, bool *any)
{
    const View *first = side->views ? side->views[tensors[0]] : NULL;
    *any = first != NULL;
    for (size_t k = 1; side->views && k < n; k++) {
        const View *view = side->views[tensors[k]];
        if (!view != !first) return false;
        if (view && (view->rank != first->rank || view->joined != first->joined ||
                     memcmp(view->order, first->order, sizeof view->order) != 0))
            return false;
    }
    return true;
}

bool view_enter(Auto *a, int s, const uint32_t *tensors, size_t n, OpList *ops)
{
    const Side *side = &a->side[s];
    bool any;
    if (!seen_alike(side, tensors, n, &any)) return false;
    if (!any) return true;
    if (side->views[tensors[0]]->moves) add_permute(a, side->views[tensors[0]], false, ops);
    return common_sizes(a, side, tensors, n, true, ops);
}

bool view_leave(Auto *a, int s, const uint32_t *tensors, size_t n, OpList *ops)
{
    const Side *side = &a->side[s];
    bool any;
    if (!seen_alike(side, tensors, n, &any)) return false;
    if (!any) return true;
    if (!common_sizes(a, side, tensors, n, false, ops)) return false;
    if (side->views[tensors[0]]->moves) add_permute(a, side->views[tensors[0]], true, ops);
    return true;
}
