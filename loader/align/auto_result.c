/* From pairs to what is handed out: bundles with ops, and ties. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_parts.h"

/* Members of the same role; a lone member without a role is what the main one is, and so is a lone
 * matrix, whatever it is called: relative_attention_bias. */
static bool same_member(const Side *x, const Side *y, const Unit *u, const Unit *v, uint32_t i,
                        uint32_t j)
{
    uint16_t p = x->role_of[x->members[u->first + i]], q = y->role_of[y->members[v->first + j]];
    if (p == q) return true;
    if (i || j) return false;
    const bool matrices = main_tensor(x, u)->rank > 1 && main_tensor(y, v)->rank > 1;
    return (p <= ROLE_MAIN && q <= ROLE_MAIN) || (matrices && (u->count == 1 || v->count == 1));
}

/* The member of a source's unit that becomes one of the target's; of several that say the same,
 * a weight and its scale, the one that is spelled so. NONE. */
static uint32_t member_for(const Auto *a, const Unit *u, const Unit *v, uint32_t j)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    uint32_t found = NONE;
    for (uint32_t i = 0; i < u->count; i++) {
        const uint32_t s = x->members[u->first + i], t = y->members[v->first + j];
        if (!same_member(x, y, u, v, i, j) || x->bound[s] || y->bound[t]) continue;
        if (found == NONE) found = s;
        else if (same_role_text(a, s, t)) return s;
    }
    return found;
}

static size_t list_pairs(Auto *a, TensorPair *pairs)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    size_t n = 0;
    for (uint32_t k = 0; k < y->unit_count; k++) {
        const Unit *v = &y->units[k];
        if (v->mate == NONE) continue;
        const Unit *u = &x->units[v->mate];
        const size_t first = n;
        for (uint32_t j = 0; j < v->count; j++) {
            const uint32_t source = member_for(a, u, v, j);
            bool given = source == NONE;
            for (size_t i = first; i < n && !given; i++) given = pairs[i].source == source;
            if (given) continue;
            pairs[n++] = (TensorPair){.source = source, .target = y->members[v->first + j],
                                      .margin = v->margin};
        }
    }
    return n;
}

/* In no pair, and in no group. */
static bool is_alone(const Side *side, const Unit *unit)
{
    const Template *t = &side->templates[unit->template];
    return unit->mate == NONE && !unit->fixed && !t->dead && t->mate == NONE;
}

/* Units of one name whose main members do not fit may have others that do: the bias of a layer
 * that has another number of inputs. */
static size_t list_namesakes(Auto *a, TensorPair *pairs, size_t n)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    Table paths = {.arena = a->arena};
    for (uint32_t k = 0; k < x->unit_count; k++)
        if (is_alone(x, &x->units[k])) table_add(&paths, x->units[k].path, k, NULL);
    for (uint32_t k = 0; k < y->unit_count; k++) {
        const Unit *v = &y->units[k];
        const uint32_t *found = is_alone(y, v) ? table_find(&paths, v->path) : NULL;
        if (!found) continue;
        const Unit *u = &x->units[*found];
        for (uint32_t j = 1; j < v->count; j++)
            for (uint32_t i = 1; i < u->count; i++) {
                uint32_t s = x->members[u->first + i], t = y->members[v->first + j];
                if (x->role_of[s] == y->role_of[t] && !x->bound[s] && !y->bound[t] &&
                    shape_same(&x->given->tensors[s], &y->given->tensors[t])) {
                    pairs[n++] = (TensorPair){.source = s, .target = t, .margin = 1};
                    break;
                }
            }
    }
    return n;
}

/* What is seen of the source, turned, and laid down as the target has it. */
static void add_ops(Auto *a, const TensorPair *pair, OpList *ops)
{
    const AutoTensor *t = &a->side[1].given->tensors[pair->target];
    view_enter(a, 0, &pair->source, 1, ops);
    Op *op = &ops->items[ops->count];
    *op = (Op){.kind = OP_T};
    switch (pair->fitting.turn) {
    case TURN_T:
        break;
    case TURN_PERMUTE:
        op->kind = OP_PERMUTE;
        op->list_count = t->rank;
        op->list = arena_copy(a->out, pair->fitting.permute, t->rank * sizeof(int64_t));
        break;
    default:
        op->kind = OP_RESHAPE;
        op->list_count = t->rank;
        op->list = arena_copy(a->out, t->dims, t->rank * sizeof(int64_t));
        break;
    }
    ops->count += pair->fitting.turn != TURN_NONE;
    view_leave(a, 1, &pair->target, 1, ops);
}

static const char *const rests[] = {
    [REST_PLACE] = "place: what stands before and behind it leads to the same in both files",
    [REST_SHAPE] = "shape: no other of either side has it",
};

/* What a bundle of one tensor and another points to. */
typedef struct Ends {
    NameList sources;
    const char *source, *target;
} Ends;

static Bundle pair_bundle(Auto *a, const TensorPair *pair)
{
    Ends *ends = arena_alloc(a->out, sizeof *ends);
    ends->source = a->side[0].given->tensors[pair->source].name;
    ends->target = a->side[1].given->tensors[pair->target].name;
    ends->sources = (NameList){&ends->source, 1};
    OpList ops = {.count = 0};
    add_ops(a, pair, &ops);
    return (Bundle){.sources = &ends->sources, .source_count = 1, .targets = &ends->target,
                    .target_count = 1, .op_count = ops.count, .why = rests[pair->rest],
                    .ops = arena_copy(a->out, ops.items, ops.count * sizeof *ops.items)};
}

void collection_add(Collection *all, const Bundle *bundle, float margin, uint32_t first)
{
    all->items = mem_grow(all->items, &all->room, all->count + 1, sizeof *all->items);
    all->items[all->count++] = (Collected){*bundle, margin, first};
}

void collection_add_pair(Collection *all, const TensorPair *pair)
{
    all->pairs = mem_grow(all->pairs, &all->pair_room, all->pair_count + 1, sizeof *all->pairs);
    all->pairs[all->pair_count++] = *pair;
}

static int compare_pairs(const void *x, const void *y)
{
    const TensorPair *a = x, *b = y;
    return a->target < b->target ? -1 : a->target > b->target;
}

static int compare_collected(const void *x, const void *y)
{
    const Collected *a = x, *b = y;
    return a->first < b->first ? -1 : a->first > b->first;
}

static void mark_taken(Auto *a, TensorPair *pair)
{
    Side *x = &a->side[0], *y = &a->side[1];
    const uint32_t v = y->unit_of[pair->target];
    pair->rest = y->units[v].rest;
    x->taken[pair->source] = y->taken[pair->target] = true;
    if (y->members[y->units[v].first] != pair->target) return;
    y->units[v].beside = x->unit_of[pair->source];
    y->units[v].beside_margin = pair->margin;
}

static void collect_pairs(Auto *a, Collection *all)
{
    all->pair_room = a->side[1].given->count + 1;
    TensorPair *pairs = all->pairs = mem_alloc(all->pair_room * sizeof *pairs);
    size_t n = list_pairs(a, pairs);
    n = list_namesakes(a, pairs, n);
    auto_layout_decide(a, pairs, n);
    for (size_t i = 0; i < n; i++) {
        Turn turn = pairs[i].fitting.turn;
        a->open += turn == TURN_OPEN;
        a->turned += turn == TURN_T || turn == TURN_PERMUTE;
        if (turn == TURN_NEVER || turn == TURN_OPEN) continue;
        mark_taken(a, &pairs[i]);
        pairs[all->pair_count++] = pairs[i];
    }
}

static void list_withheld(const Auto *a, AutoResult *result)
{
    uint32_t *list = arena_alloc(a->out, (a->withheld_count + 1) * sizeof *list);
    for (uint32_t i = 0; i < a->side[1].given->count; i++)
        if (a->withheld[i] && !a->side[1].taken[i]) list[result->withheld_count++] = i;
    result->withheld = list;
}

/* Of a margin: how many of such pairs are right. Two logistic curves, since what is only likely is
 * right about as often whatever its margin: fitted to 102 pairs of models and 11 changes of each
 * (tests/pairs), of whose 4,046 likely tensors 92 % were right. */
static float confidence_of(float margin)
{
    const float accepted = 0.20f;
    return margin < accepted ? 1 / (1 + expf(-2.1f - 3.3f * margin))
                             : 1 / (1 + expf(-1.5f - 14 * margin));
}

/* What is sure enough to be taken, and what is likely. */
static void add_bundle(const Auto *a, Bundle bundle, float margin, AutoResult *result)
{
    bundle.confidence = confidence_of(margin);
    if (margin >= a->options->accept) result->bundles[result->bundle_count++] = bundle;
    else if (margin >= 0.05f) result->likely[result->likely_count++] = bundle;
}

/* All that was collected, in the order of the targets. */
static void give_bundles(Auto *a, Collection *all, AutoResult *result)
{
    const size_t room = all->count + all->pair_count + 1;
    result->bundles = arena_alloc(a->out, room * sizeof *result->bundles);
    result->likely = arena_alloc(a->out, room * sizeof *result->likely);
    if (all->count) qsort(all->items, all->count, sizeof *all->items, compare_collected);
    qsort(all->pairs, all->pair_count, sizeof *all->pairs, compare_pairs);
    for (size_t i = 0, k = 0; i < all->count || k < all->pair_count;) {
        const Collected *one = i < all->count ? &all->items[i] : NULL;
        const TensorPair *pair = k < all->pair_count ? &all->pairs[k] : NULL;
        if (!one || (pair && pair->target <= one->first)) {
            add_bundle(a, pair_bundle(a, pair), pair->margin, result);
            k++;
        } else {
            add_bundle(a, one->bundle, one->margin, result);
            i++;
        }
    }
}

/* Bundles are many and need no units, which are many as well: those are let go before. */
AutoResult *result_make(Auto *a)
{
    AutoResult *result = arena_alloc(a->out, sizeof *result);
    Collection all = {0};
    collect_pairs(a, &all);
    fused_collect(a, &all);
    strays_collect(a, &all);
    glue_propose(a);
    result->another_size = notes_another_size(a);
    list_withheld(a, result);
    ties_collect(a, result);
    notes_collect(a, result);
    auto_layout_done(a);
    drift_done(a);
    for (int s = 0; s < 2; s++) side_done(&a->side[s]);
    if (!result->another_size) give_bundles(a, &all, result);
    free(all.items);
    free(all.pairs);
    return result;
}
