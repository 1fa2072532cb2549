/* Ops that differ from one tensor of a list to the next: the queries turned and the values not,
 * before they are joined, or after they were split. Rule text says this with a function,
 *
 *   q, k, v -> qkv |> function(a, b, c) return a:rope_pairs(8), b:rope_pairs(2), c end, cat(0)
 *   qkv -> q, k, v |> split(), function(p) return p[1]:rope_halves(8), p[2]:T(), p[3] end
 *
 * whose text and chains are kept side by side: the chains are what is verified. */
#include <stdlib.h>

#include "loader/align/learn_parts.h"

void each_argument(size_t index, bool listed, Text *out)
{
    if (listed) text_addf(out, "p[%zu]", index + 1);
    else text_addc(out, (char)('a' + index));
}

void each_method(const Op *op, Text *out)
{
    text_addc(out, ':');
    op_write(op, out);
    if (out->bytes[out->length - 1] != ')') text_add(out, "()");
}

void each_head(const Each *each, Text *out)
{
    text_add(out, "function(");
    if (each->listed) text_addc(out, 'p');
    for (size_t i = 0; !each->listed && i < each->count; i++) {
        if (i) text_add(out, ", ");
        each_argument(i, false, out);
    }
    text_add(out, ") return ");
}

bool each_add(Learner *learner, const Chain *chains, size_t n, bool listed, Chain *chain)
{
    if (n > EACH_MAX) return false;
    Each *each = arena_alloc(learner->arena, sizeof *each);
    *each = (Each){.kind = EACH_CHAINS, .count = n, .listed = listed};
    for (size_t i = 0; i < n; i++) each->chains[i] = chains[i];
    Text text = {0};
    each_head(each, &text);
    for (size_t i = 0; i < n; i++) {
        if (i) text_add(&text, ", ");
        each_argument(i, listed, &text);
        for (size_t k = 0; k < chains[i].count; k++) each_method(&chains[i].ops[k], &text);
    }
    text_add(&text, " end");
    if (chain->count == CHAIN_MAX) {
        text_done(&text);
        return false;
    }
    each_keep(learner, each, text_keep(&text, learner->arena), chain);
    return true;
}

void each_keep(Learner *learner, const Each *each, const char *text, Chain *chain)
{
    learner->each = mem_grow(learner->each, &learner->each_room, learner->each_count + 1,
                             sizeof *learner->each);
    learner->each[learner->each_count] = each;
    chain_add(chain, (Op){.kind = OP_FUNCTION, .text = text,
                          .function = (int)learner->each_count++});
}

/* g / √(v + eps), of four axes where it goes with a kernel of four. */
static const Expr *scale_of(Arena *arena, const Expr *g, const Expr *v, double eps, unsigned rank,
                            Error *err)
{
    int64_t dims[TENSOR_RANK_MAX];
    for (unsigned k = 0; k < rank; k++) dims[k] = k ? 1 : -1;
    const Expr *e = expr_shift(arena, v, eps, err);
    if (e) e = expr_sqrt(arena, e, err);
    if (e) e = expr_quotient(arena, g, e, err);
    return e && rank > 1 ? expr_reshape(arena, e, dims, rank, err) : e;
}

static const Expr *folded_bias(Arena *arena, const Each *each, const Expr *const *sources,
                               Error *err)
{
    const Expr *scale = scale_of(arena, sources[2], sources[3], each->eps, 1, err);
    const Expr *moved = expr_mul(arena, sources[1], -1, err);
    if (moved && each->count == 5) moved = expr_add(arena, sources[4], moved, err);
    if (moved && scale) moved = expr_product(arena, moved, scale, err);
    return moved && scale ? expr_add(arena, sources[0], moved, err) : NULL;
}

const Expr *each_compute(Arena *arena, const Each *each, const Expr *const *sources, Error *err)
{
    Error ignored;
    const Expr *e = NULL;
    if (!err) err = &ignored;
    switch (each->kind) {
    case EACH_CHAINS: break;
    case EACH_WEIGHT_NORM:
        e = expr_norm(arena, sources[1], (int)each->axis, err);
        if (e) e = expr_quotient(arena, sources[0], e, err);
        return e ? expr_product(arena, sources[1], e, err) : NULL;
    case EACH_FOLDED:
        e = scale_of(arena, sources[1], sources[2], each->eps, sources[0]->rank, err);
        return e ? expr_product(arena, sources[0], e, err) : NULL;
    case EACH_FOLDED_BIAS: return folded_bias(arena, each, sources, err);
    }
    return NULL;
}

/* One tensor, of all that there are. */
static bool apply_computed(const Each *each, const OpContext *context, RuleValue *value, Error *err)
{
    const Expr *sources[EACH_MAX];
    size_t count = 0;
    for (size_t i = 0; i < value->count && count < each->count; i++)
        if (value->lists[i].count) sources[count++] = value->lists[i].items[0];
    if (count != each->count) return error_set(err, ERR_RULE, "too few tensors");
    const Expr **item = arena_alloc(context->arena, sizeof *item);
    ExprList *list = arena_alloc(context->arena, sizeof *list);
    *item = each_compute(context->arena, each, sources, err);
    *list = (ExprList){item, 1, false};
    *value = (RuleValue){list, 1};
    return *item != NULL;
}

bool each_apply(void *host, const Op *op, const OpContext *context, RuleValue *value, Error *err)
{
    const Each *const *all = host;
    const Each *each = all[op->function];
    if (each->kind != EACH_CHAINS) return apply_computed(each, context, value, err);
    const Expr **items = arena_alloc(context->arena, each->count * sizeof *items);
    size_t count = 0;
    for (size_t i = 0; i < value->count; i++)
        for (size_t k = 0; k < value->lists[i].count; k++, count++) {
            if (count == each->count) return error_set(err, ERR_RULE, "too many tensors");
            const Chain *chain = &each->chains[count];
            const Expr **item = arena_alloc(context->arena, sizeof *item);
            *item = value->lists[i].items[k];
            RuleValue one = {&(ExprList){item, 1, false}, 1};
            for (size_t o = 0; o < chain->count; o++)
                if (!op_apply(&chain->ops[o], context, &one, err)) return false;
            items[count] = one.lists[0].items[0];
        }
    if (count != each->count) return error_set(err, ERR_RULE, "too few tensors");
    ExprList *list = arena_alloc(context->arena, sizeof *list);
    *list = (ExprList){items, count, false};
    *value = (RuleValue){list, 1};
    return true;
}
