/* Ties of the target: tensors that are the same view of one storage must get one value. A source
 * that holds `embed.weight` alone thus also gives a target's `lm_head.weight`, when the target
 * keeps both in one storage. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/align_parts.h"
#include "loader/align/draft_parts.h"
#include "loader/align/suggest.h"

/* Empty tensors share nothing, wherever their storage is. */
static bool can_share(const Binding *binding)
{
    const Tensor *target = binding->target;
    return target->storage && target->dims && tensor_count(target);
}

/* By storage, in any order that is one, then by place in it. */
static int compare_place(const Tensor *a, const Tensor *b)
{
    if (a->storage != b->storage) return (uintptr_t)a->storage < (uintptr_t)b->storage ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

/* Within a place by dtype and shape, so that views which may be the same are neighbours. */
int tie_compare(const Tensor *a, const Tensor *b)
{
    int order = compare_place(a, b);
    if (!order) order = (a->dtype > b->dtype) - (a->dtype < b->dtype);
    if (!order) order = (a->rank > b->rank) - (a->rank < b->rank);
    for (unsigned i = 0; !order && a->dims && b->dims && i < a->rank; i++)
        order = (a->dims[i] > b->dims[i]) - (a->dims[i] < b->dims[i]);
    return order;
}

/* The same, equal ones in target order. */
static int compare_bindings(const void *a, const void *b)
{
    const Binding *x = *(Binding *const *)a, *y = *(Binding *const *)b;
    int order = tie_compare(x->target, y->target);
    return order ? order : (x->target > y->target) - (x->target < y->target);
}

/* Equal shapes and strides too: a transposed view of the storage is another tensor. */
bool tie_same_view(const Tensor *a, const Tensor *b)
{
    if (compare_place(a, b) || a->dtype != b->dtype) return false;
    if (!same_dims(a->dims, a->rank, b->dims, b->rank)) return false;
    int64_t x[TENSOR_RANK_MAX], y[TENSOR_RANK_MAX];
    contiguous_strides(a->dims, a->rank, x);
    contiguous_strides(b->dims, b->rank, y);
    return memcmp(a->strides ? a->strides : x, b->strides ? b->strides : y,
                  a->rank * sizeof(int64_t)) == 0;
}

/* Takes over value and provenance; a filled partner makes it filled, not tied. */
static void tie_to(Binding *binding, const Binding *other)
{
    bool loaded = other->status == BIND_LOADED;
    binding->status = loaded ? BIND_TIED : BIND_FILLED;
    binding->how = loaded ? HOW_TIE : HOW_FILL;
    binding->expr = other->expr;
    binding->sources = loaded ? other->sources : binding->sources;
    binding->source_count = loaded ? other->source_count : binding->source_count;
    binding->step = loaded ? other->step : binding->step;
    binding->origin = other->origin;
    binding->op = other->op;
    binding->cast = other->cast;
    binding->tied_to = other;
    binding->reason = NULL;
}

/* Lists the bindings that have one of two states, by storage, place and order. The caller frees
 * the list. Sorted, equal views are neighbours, and one place is found by bisection: O(n log n)
 * where comparing all with all would be O(n²). */
static Binding **list_by_storage(Alignment *alignment, BindStatus a, BindStatus b, size_t *count)
{
    Binding **list = mem_alloc((alignment->count + 1) * sizeof *list);
    *count = 0;
    for (size_t i = 0; i < alignment->count; i++) {
        Binding *binding = &alignment->bindings[i];
        if ((binding->status == a || binding->status == b) && can_share(binding))
            list[(*count)++] = binding;
    }
    qsort(list, *count, sizeof *list, compare_bindings);
    return list;
}

/* Binary search for the first at that place, then those behind it. */
static const Binding *find_partner(Binding *const *given, size_t count, const Tensor *wanted)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_place(given[middle]->target, wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && compare_place(given[low]->target, wanted) == 0; low++)
        if (tie_same_view(given[low]->target, wanted)) return given[low];
    return NULL;
}

/* Only LOADED and FILLED can give: what is tied itself has such a one beside it in the list. */
void tie_missing(Alignment *alignment)
{
    size_t missing = 0, count;
    for (size_t i = 0; i < alignment->count; i++)
        missing += alignment->bindings[i].status == BIND_MISSING;
    if (!missing) return;
    Binding **given = list_by_storage(alignment, BIND_LOADED, BIND_FILLED, &count);
    for (size_t i = 0; i < alignment->count; i++) {
        Binding *binding = &alignment->bindings[i];
        if (binding->status != BIND_MISSING || !can_share(binding)) continue;
        const Binding *partner = find_partner(given, count, binding->target);
        if (partner) tie_to(binding, partner);
    }
    free(given);
}

/* Two fill() may fit two names of one tensor; the value for the earlier one is taken. tied_to
 * names the first of a run, not the neighbour. */
void tie_fills(Alignment *alignment)
{
    size_t count;
    Binding **filled = list_by_storage(alignment, BIND_FILLED, BIND_FILLED, &count);
    for (size_t i = 1; i < count; i++) {
        const Binding *first = tie_root(filled[i - 1]);
        if (!tie_same_view(filled[i - 1]->target, filled[i]->target)) continue;
        if (first == tie_root(filled[i])) continue;      /* tie() has done it */
        tie_to(filled[i], filled[i - 1]);
        filled[i]->tied_to = first;
    }
    free(filled);
}

/* Whether two names of one tensor get two tensors of the source: load_state_dict would write the
 * one over the other. Equal copies are that too, since values are not looked at here. */
static bool are_apart(const Binding *a, const Binding *b)
{
    if (!tie_same_view(a->target, b->target)) return false;
    if (a->source_count != 1 || b->source_count != 1) return false;
    const Tensor *x = a->sources[0], *y = b->sources[0];
    return x != y && !(x->storage && y->storage && x->dims && y->dims && tie_same_view(x, y));
}

/* Most files have a storage for every tensor: that is told without sorting them. */
static bool any_shared(const Alignment *alignment)
{
    uint32_t last = 0;
    for (size_t i = 0; i < alignment->count; i++) {
        const Storage *storage = alignment->bindings[i].target->storage;
        if (storage && storage->index > last) last = storage->index;
    }
    unsigned char *seen = mem_alloc((size_t)last + 1);
    bool shared = false;
    for (size_t i = 0; i < alignment->count && !shared; i++) {
        const Storage *storage = alignment->bindings[i].target->storage;
        shared = storage && seen[storage->index]++;
    }
    free(seen);
    return shared;
}

static void note_apart(Draft *draft, const Binding *first, const Binding *other, bool more)
{
    Text line = {0};
    text_add(&line, "tie(");
    lua_quote(other->name, strlen(other->name), &line);
    text_add(&line, ", ");
    lua_quote(first->name, strlen(first->name), &line);
    draft_note(draft, NOTE_INFO, (Origin){0},
               "Tied in the target (caution)   %s and %s are one tensor there, and get two of the "
               "source%s\nPyTorch keeps what is loaded last; to take one for both: %s)",
               show_name(draft, first->name), show_name(draft, other->name),
               more ? "; others likewise" : "", text_string(&line));
    text_done(&line);
}

/* Of the first two in the target's order, wherever storages lie in memory. */
void tie_note_apart(Alignment *alignment)
{
    size_t count, apart = 0;
    if (!any_shared(alignment)) return;
    const Binding *first = NULL, *other = NULL;
    Binding **loaded = list_by_storage(alignment, BIND_LOADED, BIND_LOADED, &count);
    for (size_t i = 1; i < count; i++) {
        const Binding *a = loaded[i - 1], *b = loaded[i];
        if (!are_apart(a, b)) continue;
        const Binding *one = a < b ? a : b;
        if (!apart++ || one < first) {
            first = one;
            other = a < b ? b : a;
        }
    }
    if (apart) note_apart(alignment->draft, first, other, apart > 1);
    free(loaded);
}
