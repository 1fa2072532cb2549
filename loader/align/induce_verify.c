/* Rules carried out: the real engine (draft_rules) over the names alone, and what comes of it
 * beside the bundles that it shall come to.
 *
 * Shapes are not known here, so the ops are not carried out. What has to be seen is which keys come
 * together in which order under which names; in place of ops that join stands a function that
 * writes that down. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_rules.h"
#include "loader/align/induce_parts.h"

/* What a rule that joins was given: lists of tensors. */
typedef struct Joined {
    uint32_t rule;
    const RuleValue *value;
    uint32_t next;               /* 1 + index of the next with the same first tensor; 0 = last */
} Joined;

typedef struct Verifier {
    Inducer *inducer;
    const MadeList *rules;
    bool *failed;                /* [rules] */
    Arena *arena;                /* owned */
    Checkpoint *checkpoint;      /* owned, as dict is by it */
    StateDict *dict;             /* the keys, under the names of the input */
    Draft *draft;                /* owned */
    Joined *joined;              /* owned, growing */
    size_t joined_count, joined_room;
    uint32_t *first_joined;      /* owned, [keys]: 1 + index of joined; 0 = none */
    bool good;
} Verifier;

/* ---- names without values ---- */

static void make_draft(Verifier *verifier)
{
    const InduceInput *input = verifier->inducer->input;
    verifier->checkpoint = checkpoint_new("names", "names");
    verifier->dict = dict_new();
    for (size_t i = 0; i < input->key_count; i++)
        dict_add(verifier->dict, &(Tensor){.name = input->keys[i], .dtype = DT_UNKNOWN});
    checkpoint_add_container(verifier->checkpoint, "", verifier->dict, 0, false);
    verifier->draft = draft_new(verifier->checkpoint, NULL, NULL, 0);
    /* What splits is not carried out: the whole goes under every name. */
    draft_policy(verifier->draft)->reuse = REUSE_ALL;
}

static uint32_t key_of(const Verifier *verifier, const Expr *expr)
{
    return expr && expr->kind == EX_SOURCE
               ? (uint32_t)dict_index(verifier->dict, expr->tensor) : NONE;
}

/* ---- rules ---- */

/* As OpCall: writes the lists down. As many results as the bundle has targets where a counter names
 * them, else one; all of them are the first tensor. */
static bool write_down(void *host, const Op *op, const OpContext *context, RuleValue *value,
                       Error *err)
{
    Verifier *verifier = host;
    uint32_t rule = (uint32_t)op->function, pair = NONE, targets = 1;
    const Expr *first = value->lists[0].items[0];
    uint32_t key = key_of(verifier, first);
    if (key == NONE) return error_set(err, ERR_INTERNAL, "no tensor of the source");
    RuleValue *copy = arena_alloc(verifier->arena, sizeof *copy);
    copy->count = value->count;
    copy->lists = arena_copy(verifier->arena, value->lists, value->count * sizeof *copy->lists);
    for (size_t i = 0; i < copy->count; i++)     /* the rules' own lists go with them */
        copy->lists[i].items =
            arena_copy(verifier->arena, copy->lists[i].items,
                       copy->lists[i].count * sizeof *copy->lists[i].items);
    verifier->joined = mem_grow(verifier->joined, &verifier->joined_room,
                                verifier->joined_count + 1, sizeof *verifier->joined);
    verifier->joined[verifier->joined_count++] =
        (Joined){rule, copy, verifier->first_joined[key]};
    verifier->first_joined[key] = (uint32_t)verifier->joined_count;
    const Inducer *inducer = verifier->inducer;
    for (uint32_t next = inducer->first_use[key]; next; next = inducer->uses[next - 1].next)
        if (inducer->pairs[inducer->uses[next - 1].pair].rule == rule + 1)
            pair = inducer->uses[next - 1].pair;
    if (!context->names && pair != NONE) targets = (uint32_t)inducer->pairs[pair].target_count;
    ExprList *list = arena_alloc(context->arena, sizeof *list);
    list->items = arena_alloc(context->arena, targets * sizeof *list->items);
    for (uint32_t i = 0; i < targets; i++) list->items[i] = first;
    list->count = targets;
    *value = (RuleValue){list, 1};
    return true;
}

/* The ops by what they do to lists. */
static void shadow_ops(const Inducer *inducer, const Made *made, uint32_t index, Arena *arena,
                       Rule *rule)
{
    bool gaps = false;
    for (size_t i = 0; i < rule->op_count; i++) gaps = gaps || rule->ops[i].gaps;
    Op join = {.kind = OP_FUNCTION, .function = (int)index, .gaps = gaps};
    rule->op_count = ops_join(inducer, made->ops) || rule->counter;
    rule->ops = arena_copy(arena, &join, sizeof join);
}

static bool compile(Verifier *verifier, uint32_t index, Rule *out)
{
    const Inducer *inducer = verifier->inducer;
    const Made *made = verifier->rules->items[index];
    const Bundle *bundle = inducer->ops_of[made->ops];
    const char **sources = arena_alloc(verifier->arena, made->list_count * sizeof *sources);
    for (size_t i = 0; i < made->list_count; i++)
        sources[i] = made->keep[i] ? arena_printf(verifier->arena, "&%s", made->sides[i])
                                   : made->sides[i];
    Origin origin = {"rules", (int)index + 1};
    if (!rule_compile(verifier->arena, origin, "", sources, made->list_count,
                      made->sides + made->list_count, made->target_count, bundle->ops,
                      bundle->op_count, NULL, out, NULL))
        return false;
    shadow_ops(inducer, made, index, verifier->arena, out);
    return true;
}

/* Keys that got names which sort, in a block of their own. */
static bool run_renames(Verifier *verifier)
{
    const Inducer *inducer = verifier->inducer;
    size_t n = inducer->renamed_count;
    Rule *rules = arena_alloc(verifier->arena, n * sizeof *rules);
    Text name = {0};
    bool good = true;
    for (size_t i = 0; good && i < n; i++) {
        text_clear(&name);
        pattern_quote(inducer->input->keys[inducer->renamed[i]], &name);
        const char *from = text_string(&name), *to = inducer->keys[inducer->renamed[i]].name;
        good = rule_compile(verifier->arena, (Origin){"names", 1}, "", &from, 1, &to, 1, NULL, 0,
                            NULL, &rules[i], NULL);
    }
    text_done(&name);
    RuleBlock block = {rules, n};
    return good && (!n || draft_rules(verifier->draft, &block, NULL, NULL, NULL));
}

static void fail(Verifier *verifier, uint32_t rule)
{
    verifier->good = false;
    if (rule < verifier->rules->count) verifier->failed[rule] = true;
}

/* An error of the block names one rule, by its line. */
static bool run_rules(Verifier *verifier)
{
    size_t n = verifier->rules->count;
    Rule *rules = arena_alloc(verifier->arena, n * sizeof *rules);
    for (uint32_t i = 0; i < n; i++)
        if (!compile(verifier, i, &rules[i])) fail(verifier, i);
    if (!verifier->good) return false;
    RuleBlock block = {rules, n};
    Error err = {0};
    if (draft_rules(verifier->draft, &block, write_down, verifier, &err)) return true;
    uint64_t line = 0;
    const char *at = has_prefix(err.text, "rules:") ? err.text + strlen("rules:") : "";
    if (!parse_digits(at, strspn(at, "0123456789"), &line) || !line) line = n + 1;
    fail(verifier, (uint32_t)line - 1);
    return false;
}

/* ---- what came of it ---- */

/* Whether a join was given just the bundle's lists. */
static bool same_lists(const Verifier *verifier, const Pair *pair, const RuleValue *value)
{
    if (value->count != pair->list_count) return false;
    for (size_t i = 0; i < value->count; i++) {
        const PairList *list = &pair->lists[i];
        if (value->lists[i].count != list->count) return false;
        for (size_t j = 0; j < list->count; j++)
            if (key_of(verifier, value->lists[i].items[j]) != list->keys[j]) return false;
    }
    return true;
}

static bool was_joined(const Verifier *verifier, const Pair *pair)
{
    for (uint32_t next = verifier->first_joined[pair->lists[0].keys[0]]; next;
         next = verifier->joined[next - 1].next) {
        const Joined *joined = &verifier->joined[next - 1];
        if (joined->rule + 1 == pair->rule && same_lists(verifier, pair, joined->value))
            return true;
    }
    return false;
}

/* Which key a target of the bundle is made of, as far as it is seen without ops. */
static uint32_t key_behind(const Inducer *inducer, const Pair *pair, size_t target)
{
    if (pair->list_count == 1 || ops_join(inducer, pair->ops)) return pair->lists[0].keys[0];
    for (size_t i = 0; i < pair->list_count; i++) {
        if (target < pair->lists[i].count) return pair->lists[i].keys[target];
        target -= pair->lists[i].count;
    }
    return NONE;
}

/* The rule that a key's newest step names; NONE: it has none. */
static uint32_t rule_behind(const DraftKey *key)
{
    return key && key->step && strcmp(key->step->origin.file, "rules") == 0
               ? (uint32_t)key->step->origin.line - 1 : NONE;
}

static void check_pair(Verifier *verifier, uint32_t index)
{
    const Inducer *inducer = verifier->inducer;
    const Pair *pair = &inducer->pairs[index];
    if (pair->state != PAIR_PLAIN || !pair->rule) return;
    bool good = true;
    for (size_t i = 0; good && i < pair->target_count; i++) {
        const DraftKey *key = draft_find(verifier->draft, pair->targets[i].name);
        good = key && key->expr && rule_behind(key) == pair->rule - 1 &&
               key_of(verifier, key->expr) == key_behind(inducer, pair, i);
        if (key && rule_behind(key) != pair->rule - 1) fail(verifier, rule_behind(key));
    }
    if (good && (ops_join(inducer, pair->ops) || pair->counted)) good = was_joined(verifier, pair);
    if (!good) fail(verifier, pair->rule - 1);
}

/* Every key that is there belongs: to a bundle, or under its own name. */
static void check_key(Verifier *verifier, const DraftKey *key)
{
    const Inducer *inducer = verifier->inducer;
    uint32_t rule = rule_behind(key), pair = map_get(&inducer->target_index, key->name);
    if (!key->expr) fail(verifier, rule);
    if (rule != NONE && (pair == MAP_NONE || inducer->pairs[pair].rule != rule + 1))
        fail(verifier, rule);
}

/* A key that no rule may touch has to be there still. */
static void check_untouched(Verifier *verifier, uint32_t index)
{
    const Inducer *inducer = verifier->inducer;
    for (uint32_t next = inducer->first_use[index]; next; next = inducer->uses[next - 1].next)
        if (inducer->pairs[inducer->uses[next - 1].pair].state == PAIR_PLAIN) return;
    const char *name = inducer->input->keys[index];
    uint32_t pair = map_get(&inducer->target_index, name);
    if (pair != MAP_NONE && inducer->pairs[pair].state == PAIR_PLAIN) return;
    const DraftKey *key = draft_find(verifier->draft, name);
    if (!key || key_of(verifier, key->expr) != index) {
        verifier->good = false;
        if (key) fail(verifier, rule_behind(key));
    }
}

static void verifier_done(Verifier *verifier)
{
    draft_free(verifier->draft);
    checkpoint_unref(verifier->checkpoint);
    arena_free(verifier->arena);
    free(verifier->joined);
    free(verifier->first_joined);
}

bool rules_verify(Inducer *inducer, const MadeList *rules, bool *failed)
{
    if (!rules->count) return true;
    Verifier verifier = {.inducer = inducer, .rules = rules, .failed = failed,
                         .arena = arena_new(), .good = true};
    verifier.first_joined =
        mem_alloc((inducer->input->key_count + 1) * sizeof *verifier.first_joined);
    for (uint32_t i = 0; i < rules->count; i++)
        for (size_t j = 0; j < rules->items[i]->pair_count; j++)
            inducer->pairs[rules->items[i]->pairs[j]].rule = i + 1;
    make_draft(&verifier);
    if (!run_renames(&verifier)) verifier.good = false;
    if (verifier.good && run_rules(&verifier)) {
        for (uint32_t i = 0; i < inducer->input->bundle_count; i++) check_pair(&verifier, i);
        for (size_t i = 0; i < draft_count(verifier.draft); i++)
            check_key(&verifier, draft_at(verifier.draft, i));
        for (uint32_t i = 0; i < inducer->input->key_count; i++) check_untouched(&verifier, i);
    }
    bool good = verifier.good;
    verifier_done(&verifier);
    return good;
}
