/* From pairs to what is handed out: bundles with ops, and ties. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_parts.h"

/* Members of the same role; a lone member without a role is what the main one is. */
static bool same_member(const Side *x, const Side *y, const Unit *u, const Unit *v, uint32_t i,
                        uint32_t j)
{
    uint16_t p = x->role_of[x->members[u->first + i]], q = y->role_of[y->members[v->first + j]];
    if (p == q) return true;
    return i == 0 && j == 0 && (p <= ROLE_MAIN && q <= ROLE_MAIN);
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

static int compare_targets(const void *x, const void *y)
{
    const TensorPair *a = x, *b = y;
    return a->target < b->target ? -1 : a->target > b->target;
}

static Op *add_ops(Auto *a, const TensorPair *pair, size_t *count)
{
    const AutoTensor *t = &a->side[1].given->tensors[pair->target];
    *count = pair->fitting.turn != TURN_NONE;
    if (!*count) return NULL;
    Op *op = arena_alloc(a->out, sizeof *op);
    switch (pair->fitting.turn) {
    case TURN_T:
        op->kind = OP_T;
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
    return op;
}

static void fill_bundle(Auto *a, const TensorPair *pair, Bundle *bundle)
{
    const char **names = arena_alloc(a->out, 2 * sizeof *names);
    names[0] = a->side[0].given->tensors[pair->source].name;
    names[1] = a->side[1].given->tensors[pair->target].name;
    NameList *list = arena_alloc(a->out, sizeof *list);
    *list = (NameList){names, 1};
    *bundle = (Bundle){.sources = list, .source_count = 1, .targets = names + 1,
                       .target_count = 1};
    bundle->ops = add_ops(a, pair, &bundle->op_count);
    bundle->confidence = 1 / (1 + expf(-12 * (pair->margin - 0.02f)));
}

AutoResult *result_make(Auto *a)
{
    AutoResult *result = arena_alloc(a->out, sizeof *result);
    TensorPair *pairs = arena_alloc(a->arena,
                                    (a->side[1].given->count + 1) * sizeof *pairs);
    size_t n = list_pairs(a, pairs), accepted = 0, likely = 0;
    qsort(pairs, n, sizeof *pairs, compare_targets);
    layout_decide(a, pairs, n);
    Bundle *good = arena_alloc(a->out, (n + 1) * sizeof *good);
    Bundle *other = arena_alloc(a->out, (n + 1) * sizeof *other);
    for (size_t i = 0; i < n; i++) {
        if (pairs[i].fitting.turn == TURN_NEVER) continue;
        if (pairs[i].fitting.turn == TURN_OPEN) continue;
        bool sure = pairs[i].margin >= a->options->accept;
        fill_bundle(a, &pairs[i], sure ? &good[accepted++] : &other[likely++]);
    }
    result->bundles = good;
    result->bundle_count = accepted;
    result->likely = other;
    result->likely_count = likely;
    return result;
}
