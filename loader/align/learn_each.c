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
    *each = (Each){.count = n, .listed = listed};
    for (size_t i = 0; i < n; i++) each->chains[i] = chains[i];
    Text text = {0};
    each_head(each, &text);
    for (size_t i = 0; i < n; i++) {
        if (i) text_add(&text, ", ");
        each_argument(i, listed, &text);
        for (size_t k = 0; k < chains[i].count; k++) each_method(&chains[i].ops[k], &text);
    }
    text_add(&text, " end");
    learner->each = mem_grow(learner->each, &learner->each_room, learner->each_count + 1,
                             sizeof *learner->each);
    learner->each[learner->each_count] = each;
    return chain_add(chain, (Op){.kind = OP_FUNCTION, .text = text_keep(&text, learner->arena),
                                 .function = (int)learner->each_count++});
}

bool each_apply(void *host, const Op *op, const OpContext *context, RuleValue *value, Error *err)
{
    const Each *const *all = host;
    const Each *each = all[op->function];
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
