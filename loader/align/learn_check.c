/* What was found, carried out by the rule language's own ops, and compared with the target. */
#include <stdlib.h>

#include "loader/align/learn_parts.h"

bool bundle_value(Arena *arena, const StateDict *old, const Bundle *bundle, RuleValue *value)
{
    value->lists = arena_alloc(arena, (bundle->source_count + 1) * sizeof *value->lists);
    value->count = bundle->source_count;
    for (size_t i = 0; i < bundle->source_count; i++) {
        const NameList *names = &bundle->sources[i];
        const Expr **items = arena_alloc(arena, (names->count + 1) * sizeof *items);
        for (size_t k = 0; k < names->count; k++) {
            const Tensor *tensor = dict_find(old, names->names[k]);
            if (!tensor) return false;
            items[k] = expr_source(arena, tensor);
        }
        value->lists[i] = (ExprList){items, names->count, names->count > 1};
    }
    return true;
}

static size_t count_items(const RuleValue *value)
{
    size_t count = 0;
    for (size_t i = 0; i < value->count; i++) count += value->lists[i].count;
    return count;
}

bool check_bundle(const Checker *checker, const Bundle *bundle, bool *good, Error *err)
{
    RuleValue value;
    Error why = {0};
    *good = false;
    OpContext context = {.arena = checker->arena, .target = checker->now,
                         .names = bundle->targets, .name_count = bundle->target_count,
                         .call = each_apply, .host = checker->learner->each};
    if (!bundle_value(checker->arena, checker->old, bundle, &value)) return true;
    for (size_t i = 0; i < bundle->op_count; i++)
        if (!op_apply(&bundle->ops[i], &context, &value, &why)) return true;
    if (count_items(&value) != bundle->target_count) return true;
    const CompareOptions options = {.equality = true, .progress = checker->options->progress,
                                    .context = checker->options->context};
    size_t at = 0;
    for (size_t i = 0; i < value.count; i++) {
        for (size_t k = 0; k < value.lists[i].count; k++, at++) {
            const Tensor *target = dict_find(checker->now, bundle->targets[at]);
            Comparison result;
            const Expr *made = target ? expr_fit_to(checker->arena, value.lists[i].items[k], target,
                                                    NULL, &why) : NULL;
            if (target && !made) return true;
            if (!target || !compare_values(checker->arena, made, target,
                                           &options, checker->done, checker->total, &result, err))
                return !target;
            if (result.verdict != VERDICT_EQUAL && result.verdict != VERDICT_CAST) return true;
        }
    }
    *good = true;
    return true;
}
