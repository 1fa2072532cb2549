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

static size_t list_pairs(Auto *a, TensorPair *pairs)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    size_t n = 0;
    for (uint32_t k = 0; k < y->unit_count; k++) {
        const Unit *v = &y->units[k];
        if (v->mate == NONE) continue;
        const Unit *u = &x->units[v->mate];
        for (uint32_t j = 0; j < v->count; j++)
            for (uint32_t i = 0; i < u->count; i++)
                if (same_member(x, y, u, v, i, j) && !x->bound[x->members[u->first + i]] &&
                    !y->bound[y->members[v->first + j]]) {
                    pairs[n++] = (TensorPair){x->members[u->first + i], y->members[v->first + j],
                                              v->margin, v->score, {0}};
                    break;
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
                    pairs[n++] = (TensorPair){s, t, 1, 1, {0}};
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

static void fill_bundle(Auto *a, const TensorPair *pair, Bundle *bundle)
{
    const char **names = arena_alloc(a->out, 2 * sizeof *names);
    names[0] = a->side[0].given->tensors[pair->source].name;
    names[1] = a->side[1].given->tensors[pair->target].name;
    NameList *list = arena_alloc(a->out, sizeof *list);
    *list = (NameList){names, 1};
    *bundle = (Bundle){.sources = list, .source_count = 1, .targets = names + 1,
                       .target_count = 1};
    OpList ops = {.count = 0};
    add_ops(a, pair, &ops);
    bundle->ops = arena_copy(a->out, ops.items, ops.count * sizeof *ops.items);
    bundle->op_count = ops.count;
    bundle->why = rests[a->side[1].units[a->side[1].unit_of[pair->target]].rest];
}

void collection_add(Collection *all, const Bundle *bundle, float margin, uint32_t first)
{
    all->items = mem_grow(all->items, &all->room, all->count + 1, sizeof *all->items);
    all->items[all->count++] = (Collected){*bundle, margin, first};
}

void result_add(Auto *a, const TensorPair *pair, float margin, Collection *all)
{
    Bundle bundle;
    fill_bundle(a, pair, &bundle);
    collection_add(all, &bundle, margin, pair->target);
}

static int compare_collected(const void *x, const void *y)
{
    const Collected *a = x, *b = y;
    return a->first < b->first ? -1 : a->first > b->first;
}

static void mark_taken(Auto *a, const TensorPair *pair)
{
    Side *x = &a->side[0], *y = &a->side[1];
    const uint32_t v = y->unit_of[pair->target];
    x->taken[pair->source] = y->taken[pair->target] = true;
    if (y->members[y->units[v].first] != pair->target) return;
    y->units[v].beside = x->unit_of[pair->source];
    y->units[v].beside_margin = pair->margin;
}

static void collect_pairs(Auto *a, Collection *all)
{
    TensorPair *pairs = mem_alloc((a->side[1].given->count + 1) * sizeof *pairs);
    size_t n = list_pairs(a, pairs);
    n = list_namesakes(a, pairs, n);
    auto_layout_decide(a, pairs, n);
    for (size_t i = 0; i < n; i++) {
        Turn turn = pairs[i].fitting.turn;
        a->open += turn == TURN_OPEN;
        a->turned += turn == TURN_T || turn == TURN_PERMUTE;
        if (turn == TURN_NEVER || turn == TURN_OPEN) continue;
        mark_taken(a, &pairs[i]);
        result_add(a, &pairs[i], pairs[i].margin, all);
    }
    free(pairs);
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

AutoResult *result_make(Auto *a)
{
    AutoResult *result = arena_alloc(a->out, sizeof *result);
    Collection all = {0};
    collect_pairs(a, &all);
    fused_collect(a, &all);
    strays_collect(a, &all);
    glue_propose(a);
    if (all.count) qsort(all.items, all.count, sizeof *all.items, compare_collected);
    Bundle *good = arena_alloc(a->out, (all.count + 1) * sizeof *good);
    Bundle *other = arena_alloc(a->out, (all.count + 1) * sizeof *other);
    for (size_t i = 0; i < all.count; i++) {
        Bundle *bundle = &all.items[i].bundle;
        bundle->confidence = confidence_of(all.items[i].margin);
        if (all.items[i].margin >= a->options->accept) good[result->bundle_count++] = *bundle;
        else if (all.items[i].margin >= 0.05f) other[result->likely_count++] = *bundle;
    }
    result->another_size = notes_another_size(a);
    if (result->another_size) result->bundle_count = result->likely_count = 0;
    result->bundles = good;
    result->likely = other;
    free(all.items);
    list_withheld(a, result);
    ties_collect(a, result);
    notes_collect(a, result);
    auto_layout_done(a);
    return result;
}
