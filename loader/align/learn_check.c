/* What was found, carried out by the rule language's own ops, and compared with the target. */
#include <math.h>
#include <stdlib.h>

#include "loader/align/learn_parts.h"
#include "loader/tensor/box.h"
#include "loader/tensor/values.h"

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

/* How far numbers of a target may be from what is computed for it, in an order of its own: a few
 * steps of the type with fewer digits, of a number of the usual size where it is small. */
static Tolerance rounding_of(const Checker *checker, const Tensor *target, DType dtype)
{
    enum { LOOKED_AT = 4096 };
    const DType types[] = {tensor_value_dtype(target, NULL), dtype_of_values(dtype)};
    Tolerance tolerance = {.relative = 1e-5};
    for (size_t i = 0; i < countof(types); i++) {
        if (types[i] == DT_F16) tolerance.relative = fmax(tolerance.relative, 0x1p-9);
        else if (types[i] == DT_BF16) tolerance.relative = fmax(tolerance.relative, 0x1p-6);
    }
    BoxWalk walk;
    Error ignored = {0};
    if (!box_first(&walk, target->dims, target->rank, LOOKED_AT)) return tolerance;
    const size_t n = (size_t)box_count(&walk);
    unsigned char *bytes = arena_alloc(checker->arena, n * dtype_size(types[0]));
    double *x = arena_alloc(checker->arena, n * sizeof *x), squares = 0;
    if (!tensor_read_values(target, walk.from, walk.size, bytes, NULL, &ignored)) return tolerance;
    dtype_to_doubles(types[0], bytes, x, n);
    for (size_t i = 0; i < n; i++) squares += x[i] * x[i];
    if (isfinite(squares)) tolerance.absolute = tolerance.relative * sqrt(squares / (double)n);
    return tolerance;
}

/* Whether the target holds what was made for it. */
static bool check_target(const Checker *checker, const Expr *value, const Tensor *target,
                         bool close, bool *good, Error *err)
{
    Error why = {0};
    Comparison result;
    *good = false;
    const Expr *made = expr_fit_to(checker->arena, value, target, NULL, &why);
    if (!made || tensor_value_dtype(target, NULL) == DT_UNKNOWN) return true;
    CompareOptions options = {.equality = !close, .progress = checker->options->progress,
                              .context = checker->options->context};
    if (close) options.tolerance = rounding_of(checker, target, made->dtype);
    if (!compare_values(checker->arena, made, target, &options, checker->done, checker->total,
                        &result, err))
        return false;
    *good = result.verdict == VERDICT_EQUAL || result.verdict == VERDICT_CAST ||
            (close && result.verdict == VERDICT_CLOSE);
    return true;
}

bool check_bundle(const Checker *checker, const Bundle *bundle, bool close, bool *good, Error *err)
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
    bool fits = true;
    size_t at = 0;
    for (size_t i = 0; fits && i < value.count; i++) {
        for (size_t k = 0; fits && k < value.lists[i].count; k++, at++) {
            const Tensor *target = dict_find(checker->now, bundle->targets[at]);
            fits = target != NULL;
            if (fits && !check_target(checker, value.lists[i].items[k], target, close, &fits, err))
                return false;
        }
    }
    *good = fits;
    return true;
}
