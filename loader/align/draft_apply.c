/* What a rule makes of its sources: ops, names, steps. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_rules.h"
#include "loader/align/rule_lex.h"
#include "loader/align/rule_text.h"

/* ---- words ---- */

/* Also asked by draft_rules.c and draft_gather.c, before any op has run. */
bool has_op(const Rule *rule, OpKind kind)
{
    for (size_t i = 0; i < rule->op_count; i++)
        if (rule->ops[i].kind == kind) return true;
    return false;
}

bool blame_rule(const Rule *rule, Error *err)
{
    Text shown = {0};
    show_short(rule->text, 300, &shown);
    error_prefix(err, "%s", text_string(&shown));
    text_done(&shown);
    return rule_blame(rule->origin.file, rule->origin.line, err);
}

/* "'a.w' 100×3, 'b.w' 100×3 and 6 more: " before an error of an op. Shapes are what an op most
 * often fails for. Always false. */
static bool blame_keys(const Application *application, Error *err)
{
    enum { SHOWN = 3 };
    Text list = {0};
    for (size_t i = 0; i < application->key_count && i < SHOWN; i++) {
        const Expr *value = key_value(application->keys[i]);
        text_add(&list, i ? ", '" : "'");
        show_short(application->keys[i]->name, 100, &list);
        text_add(&list, "' ");
        show_shape(value->unknown ? NULL : value->dims, value->rank, &list);
    }
    if (application->key_count > SHOWN)
        text_addf(&list, " and %zu more", application->key_count - SHOWN);
    error_prefix(err, "%s", text_string(&list));
    text_done(&list);
    return false;
}

/* `layers.{i}.wq.{p} -> blk.{i}.attn_q.{p}` with i = 3 and p = weight gives
 * {"blk.3.attn_q.weight"}. */
const char **expand_names(RuleRun *run, const Rule *rule, const Captures *captures, Error *err)
{
    const char **names = arena_alloc(run->scratch, rule->target_count * sizeof *names);
    for (size_t i = 0; i < rule->target_count; i++) {
        text_clear(&run->name);
        if (!template_expand(rule->targets[i], captures, &run->name, err)) return NULL;
        if (!run->name.length) {
            error_set(err, ERR_RULE, "gives '%s' an empty name",
                      show_name(run->draft, captures->key));
            return NULL;
        }
        names[i] = arena_strndup(run->draft->arena, run->name.bytes, run->name.length);
    }
    return names;
}

/* The ops whose parts are counted in a step. */
static bool is_splitting(OpKind kind)
{
    return kind == OP_SPLIT || kind == OP_UNSTACK;
}

const char *show_part(Draft *draft, const Op *ops, size_t n, size_t part)
{
    if (!n) return NULL;
    Text out = {0};
    for (size_t i = 0; i < n; i++) {
        if (i) text_add(&out, ", ");
        op_show(&ops[i], &out);
        if (is_splitting(ops[i].kind)) text_addf(&out, "[%zu]", part);
    }
    return text_keep(&out, draft->arena);
}

/* The ops as steps show them; `part` counts the results where an op split. With split(3) part 1
 * is "split(3)[1]". Each text is made once for a rule, however many layers it is applied to. */
static const char *show_ops(RuleRun *run, size_t index, size_t part)
{
    const Rule *rule = &run->block->rules[index];
    if (!rule->op_count) return NULL;
    if (!has_op(rule, OP_SPLIT) && !has_op(rule, OP_UNSTACK)) part = 0;
    OpsTexts *texts = &run->texts[index];
    while (texts->count <= part) {
        texts->items = mem_grow(texts->items, &texts->room, texts->count + 1, sizeof(char *));
        texts->items[texts->count] =
            show_part(run->draft, rule->ops, rule->op_count, texts->count);
        texts->count++;
    }
    return texts->items[part];
}

/* Behind the outputs that stand in that place already. A place's outputs are a chain through
 * `next`; `last` spares walking it. */
static void add_output(RuleRun *run, uint32_t place, DraftKey key, const char *from)
{
    run->outputs =
        mem_grow(run->outputs, &run->output_room, run->output_count + 1, sizeof *run->outputs);
    run->outputs[run->output_count++] = (Output){key, from, 0};
    uint32_t number = (uint32_t)run->output_count;
    if (run->last[place]) run->outputs[run->last[place] - 1].next = number;
    else run->first[place] = number;
    run->last[place] = number;
}

/* Adds the results; they share the history of all their sources. Where a source stands for a
 * collision the results stand for it as well, their value in `last`: the slip is reported once,
 * where it happened, not again by every rule behind it. */
static void add_results(RuleRun *run, const Application *application, const Expr *const *items,
                        const char *const *names, size_t n)
{
    const Rule *rule = &run->block->rules[application->rule];
    uint32_t collision = 0;
    const Step **before = arena_alloc(run->scratch, application->key_count * sizeof *before);
    const char **sources = arena_alloc(run->scratch, application->key_count * sizeof *sources);
    for (size_t i = 0; i < application->key_count; i++) {
        before[i] = application->keys[i]->step;
        sources[i] = application->keys[i]->name;
        if (!collision) collision = application->keys[i]->collision;
    }
    const char *from = join_names(run->draft, sources, application->key_count);
    for (size_t i = 0; i < n; i++) {
        const char *ops = show_ops(run, application->rule, i);
        DraftKey key = {.name = names[i], .collision = collision};
        *(collision ? &key.last : &key.expr) = items[i];
        key.step = step_new(run->draft, rule->origin, rule->text, from, names[i], ops, before,
                            application->key_count);
        add_output(run, application->place, key, from);
    }
}

/* The value that the ops work on: a list of lists. `q, k, v -> qkv` gives three lists of one
 * tensor, `experts.{e}.w -> w |> stack(0)` one list with a tensor an expert. */
static RuleValue make_value(const RuleRun *run, const Application *application)
{
    RuleValue value = {arena_alloc(run->scratch, application->list_count * sizeof(ExprList)),
                       application->list_count};
    size_t at = 0;
    for (size_t i = 0; i < value.count; i++) {
        size_t count = application->list_counts[i];
        value.lists[i].items = arena_alloc(run->scratch, count * sizeof(Expr *));
        value.lists[i].count = count;
        value.lists[i].gathered = application->gathered && application->gathered[i];
        for (size_t j = 0; j < count; j++)
            value.lists[i].items[j] = key_value(application->keys[at++]);
    }
    return value;
}

/* The lists one after the other: one tensor a right-hand name. After the ops it no longer
 * matters from which pattern a tensor came. */
static ExprList flatten(Arena *arena, const RuleValue *value)
{
    ExprList all = {0};
    for (size_t i = 0; i < value->count; i++) all.count += value->lists[i].count;
    all.items = arena_alloc(arena, all.count * sizeof *all.items);
    size_t at = 0;
    for (size_t i = 0; i < value->count; i++)
        for (size_t j = 0; j < value->lists[i].count; j++)
            all.items[at++] = value->lists[i].items[j];
    return all;
}

/* One right-hand name that counts: a name for every part. The counter joins the captures as a
 * number that the left side had caught: 0 for the first part, 1 for the next. For
 * `qkv.w -> {n}.w |> unstack(0)` the names are 0.w, 1.w, 2.w. */
static const char **count_names(RuleRun *run, const Application *application, size_t n, Error *err)
{
    const Rule *rule = &run->block->rules[application->rule];
    Captures captures = *application->captures;
    const char **names = arena_alloc(run->scratch, n * sizeof *names);
    if (captures.named_count == CAPTURES_MAX) {
        error_set(err, ERR_LIMIT, "more than %d captures in one rule", CAPTURES_MAX);
        return NULL;
    }
    Capture *counter = &captures.named[captures.named_count++];
    for (size_t i = 0; i < n; i++) {
        char digits[24];
        Text text = {0};
        text_addf(&text, "%zu", i);
        memcpy(digits, text.bytes, text.length + 1);
        *counter = (Capture){rule->counter, digits, (uint32_t)text.length, true, (int64_t)i};
        text_done(&text);
        const char **one = expand_names(run, rule, &captures, err);
        if (!one) return NULL;
        names[i] = one[0];
    }
    return names;
}

/* One tensor under several names, where copy (or policy reuse="all") allows it. Afterwards
 * there are as many tensors as names, all of them one node. */
static void repeat_single(const RuleRun *run, const Rule *rule, ExprList *all)
{
    bool copies = has_op(rule, OP_COPY) || run->draft->policy.reuse == REUSE_ALL;
    if (!copies || all->count != 1 || rule->target_count < 2) return;
    const Expr **items = arena_alloc(run->draft->arena, rule->target_count * sizeof *items);
    for (size_t i = 0; i < rule->target_count; i++) items[i] = all->items[0];
    *all = (ExprList){.items = items, .count = rule->target_count};
}

/* Equal expressions are one node: sorted, they lie side by side. */
static int compare_addresses(const void *a, const void *b)
{
    const Expr *const *x = a, *const *y = b;
    return ((uintptr_t)*x > (uintptr_t)*y) - ((uintptr_t)*x < (uintptr_t)*y);
}

/* One tensor under two names is a mistake unless somebody said so. Sorting finds it in
 * O(n log n). */
static bool check_reuse(const RuleRun *run, const Rule *rule, const ExprList *all, Error *err)
{
    if (has_op(rule, OP_COPY) || run->draft->policy.reuse == REUSE_ALL || all->count < 2)
        return true;
    const Expr **sorted = arena_copy(run->scratch, all->items, all->count * sizeof *sorted);
    qsort(sorted, all->count, sizeof *sorted, compare_addresses);
    for (size_t i = 1; i < all->count; i++)
        if (sorted[i] == sorted[i - 1])
            return error_set(err, ERR_RULE, "one tensor goes under several names; say copy if "
                             "that is meant");
    return true;
}

/* Names and tensors pair up in order, so they must be as many; the error says what would help. */
static bool check_count(const Rule *rule, const ExprList *all, Error *err)
{
    if (all->count == rule->target_count) return true;
    if (all->count == 1)
        return error_set(err, ERR_RULE, "one tensor for %zu names; split, unstack or copy makes "
                         "several", rule->target_count);
    return error_set(err, ERR_RULE, "%zu tensors for %zu name%s on the right%s", all->count,
                     rule->target_count, rule->target_count == 1 ? "" : "s",
                     rule->target_count == 1 ? "; stack or cat joins them" : "");
}

/* The ops in their order; an op sees the names as far as they are known. Those that a counter
 * makes are not: a split() that asks the targets for its sizes refuses then. */
static bool run_ops(RuleRun *run, const Application *application, RuleValue *value, Error *err)
{
    const Rule *rule = &run->block->rules[application->rule];
    OpContext context = {.arena = run->draft->arena, .target = run->draft->target,
                         .names = application->names,
                         .name_count = application->names ? rule->target_count : 0,
                         .captures = application->captures, .seed = run->draft->seed,
                         .call = run->call, .host = run->host};
    for (size_t i = 0; i < rule->op_count; i++)
        if (!op_apply(&rule->ops[i], &context, value, err)) return false;
    return true;
}

/* Ops, then names, then outputs. Only the ops tell how many parts a counter has to name, hence
 * this order. */
static bool apply_ops(RuleRun *run, const Application *application, Error *err)
{
    const Rule *rule = &run->block->rules[application->rule];
    RuleValue value = make_value(run, application);
    if (!run_ops(run, application, &value, err)) return blame_keys(application, err);
    ExprList all = flatten(run->scratch, &value);
    const char *const *names = application->names;
    if (rule->counter) {
        names = count_names(run, application, all.count, err);
        if (!names) return false;
    } else {
        repeat_single(run, rule, &all);
        if (!check_count(rule, &all, err)) return blame_keys(application, err);
    }
    if (!check_reuse(run, rule, &all, err)) return blame_keys(application, err);
    add_results(run, application, all.items, names, all.count);
    return true;
}

/* A plain rename, the usual case by far, needs neither value nor lists. The error of everything
 * else gets the rule and its line in front. */
bool apply_rule(RuleRun *run, const Application *application, Error *err)
{
    const Rule *rule = &run->block->rules[application->rule];
    if (rule->op_count || rule->target_count != 1 || application->key_count != 1)
        return apply_ops(run, application, err) || blame_rule(rule, err);
    const Expr *value = key_value(application->keys[0]);
    add_results(run, application, &value, application->names, 1);
    return true;
}
