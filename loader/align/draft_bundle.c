/* Bundles at work over a Draft: what was found without a rule becomes keys as rules make them. */
#include "loader/align/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/draft_parts.h"
#include "loader/align/family.h"

/* A key that a bundle makes, in the place of its first source. */
typedef struct Made {
    DraftKey key;
    const char *from;            /* the names of its sources */
    size_t next;                 /* 1 + index of the next one in that place; 0 = last */
} Made;

typedef struct Bundler {
    Draft *draft;
    Origin origin;
    Arena *scratch;
    Made *made;                  /* owned, growing */
    size_t count, room;
    size_t *first, *last;        /* owned, [keys]: 1 + index of made; 0 = none */
    bool *taken;                 /* owned, [keys]: some bundle uses it up */
    NameMap targets;             /* names that are made → 1 */
} Bundler;

/* ---- as text ---- */

/* "{ q.w }, { k.w }" or, of many, "experts.0.w1, … (8)". */
static void show_names(const char *const *names, size_t n, Text *out)
{
    enum { SHOWN = 4 };
    for (size_t i = 0; i < n && (n <= SHOWN || !i); i++) {
        if (i) text_add(out, ", ");
        rule_quote(names[i], strlen(names[i]), out);
    }
    if (n > SHOWN) text_addf(out, ", … (%zu)", n);
}

void bundle_show(const Bundle *bundle, Text *out)
{
    for (size_t i = 0; i < bundle->source_count; i++) {
        if (i) text_add(out, ", ");
        show_names(bundle->sources[i].names, bundle->sources[i].count, out);
    }
    text_add(out, " -> ");
    show_names(bundle->targets, bundle->target_count, out);
    for (size_t i = 0; i < bundle->op_count; i++) {
        text_add(out, i ? ", " : " |> ");
        op_show(&bundle->ops[i], out);
    }
}

/* ---- one bundle ---- */

/* What a bundle's lists come to: keys, their names and histories, all lists in a row. */
typedef struct Parts {
    RuleValue value;
    const DraftKey **keys;       /* [count] */
    const char **names;
    const Step **steps;
    size_t count;
} Parts;

/* False with an error when one of the keys is not there, or has no value of its own. */
static bool find_parts(Bundler *bundler, const Bundle *bundle, Parts *parts, Error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < bundle->source_count; i++) total += bundle->sources[i].count;
    parts->value = (RuleValue){arena_alloc(bundler->scratch, (bundle->source_count + 1) *
                                           sizeof(ExprList)), bundle->source_count};
    parts->keys = arena_alloc(bundler->scratch, (total + 1) * sizeof *parts->keys);
    parts->names = arena_alloc(bundler->scratch, (total + 1) * sizeof *parts->names);
    parts->steps = arena_alloc(bundler->scratch, (total + 1) * sizeof *parts->steps);
    for (size_t i = 0; i < bundle->source_count; i++) {
        const NameList *list = &bundle->sources[i];
        ExprList *values = &parts->value.lists[i];
        *values = (ExprList){.items = arena_alloc(bundler->draft->arena,
                                                  (list->count + 1) * sizeof *values->items),
                             .count = list->count, .gathered = list->count > 1};
        for (size_t j = 0; j < list->count; j++) {
            const DraftKey *key = draft_find(bundler->draft, list->names[j]);
            if (!key || !key->expr)
                return error_set(err, ERR_NOT_FOUND, "there is no key '%s'",
                                 show_name(bundler->draft, list->names[j]));
            values->items[j] = key->expr;
            parts->keys[parts->count] = key;
            parts->names[parts->count] = key->name;
            parts->steps[parts->count++] = key->step;
        }
    }
    return parts->count > 0 || error_set(err, ERR_RULE, "it has no source");
}

/* The results in the order of the targets; NULL when they are not as many. One tensor goes to
 * several targets by copy alone. */
static const Expr **run_bundle(Bundler *bundler, const Bundle *bundle, Parts *parts, Error *err)
{
    static const Captures none;
    OpContext context = {.arena = bundler->draft->arena, .target = bundler->draft->target,
                         .names = bundle->targets, .name_count = bundle->target_count,
                         .captures = &none, .seed = bundler->draft->seed};
    for (size_t i = 0; i < bundle->op_count; i++)
        if (!op_apply(&bundle->ops[i], &context, &parts->value, err)) return NULL;
    size_t count = 0;
    const Expr **items = arena_alloc(bundler->scratch, (bundle->target_count + 1) * sizeof *items);
    for (size_t i = 0; i < parts->value.count; i++)
        for (size_t j = 0; j < parts->value.lists[i].count; j++, count++)
            if (count < bundle->target_count) items[count] = parts->value.lists[i].items[j];
    if (count == bundle->target_count) return items;
    error_set(err, ERR_RULE, "it makes %zu tensors for %zu targets", count, bundle->target_count);
    return NULL;
}

/* Whether every result is of its target's shape, as far as both are known. */
static bool check_shapes(const Bundler *bundler, const Bundle *bundle, const Expr *const *items,
                         Error *err)
{
    for (size_t i = 0; i < bundle->target_count; i++) {
        const StateDict *dict = bundler->draft->target;
        const Tensor *target = dict ? dict_find(dict, bundle->targets[i]) : NULL;
        if (map_get(&bundler->targets, bundle->targets[i]) != MAP_NONE)
            return error_set(err, ERR_RULE, "'%s' is made by another one",
                             show_name(bundler->draft, bundle->targets[i]));
        if (!target || !target->dims || items[i]->unknown) continue;
        if (same_dims(items[i]->dims, items[i]->rank, target->dims, target->rank)) continue;
        Text text = {0};
        show_shape(items[i]->rank ? items[i]->dims : target->dims, items[i]->rank, &text);
        text_add(&text, " is not ");
        show_shape(target->dims, target->rank, &text);
        error_set(err, ERR_RULE, "'%s': %s", show_name(bundler->draft, target->name),
                  text_string(&text));
        text_done(&text);
        return false;
    }
    return true;
}

/* Whether the bundle says what is so without it. */
static bool is_idle(const Bundle *bundle)
{
    return !bundle->op_count && bundle->source_count == 1 && bundle->sources[0].count == 1 &&
           bundle->target_count == 1 &&
           strcmp(bundle->sources[0].names[0], bundle->targets[0]) == 0;
}

static void add_made(Bundler *bundler, size_t place, DraftKey key, const char *from)
{
    bundler->made = mem_grow(bundler->made, &bundler->room, bundler->count + 1,
                             sizeof *bundler->made);
    bundler->made[bundler->count++] = (Made){key, from, 0};
    if (bundler->last[place]) bundler->made[bundler->last[place] - 1].next = bundler->count;
    else bundler->first[place] = bundler->count;
    bundler->last[place] = bundler->count;
}

static bool make_bundle(Bundler *bundler, const Bundle *bundle, Error *err)
{
    Parts parts = {0};
    Draft *draft = bundler->draft;
    if (!find_parts(bundler, bundle, &parts, err)) return false;
    const Expr **items = run_bundle(bundler, bundle, &parts, err);
    if (!items || !check_shapes(bundler, bundle, items, err)) return false;
    const char *from = join_names(draft, parts.names, parts.count), *what = NULL;
    Text text = {0};
    bundle_show(bundle, &text);
    what = text_keep(&text, draft->arena);
    size_t place = (size_t)(parts.keys[0] - draft->keys);
    for (size_t i = 0; i < bundle->target_count; i++) {
        DraftKey key = {.name = bundle->targets[i], .expr = items[i]};
        if (is_idle(bundle)) key.step = parts.steps[0];
        else
            key.step = step_new(draft, bundler->origin, what, from, key.name,
                                show_part(draft, bundle->ops, bundle->op_count, i), parts.steps,
                                parts.count);
        add_made(bundler, place, key, from);
        map_set(&bundler->targets, key.name, 1);
    }
    for (size_t i = 0; i < parts.count; i++)
        bundler->taken[parts.keys[i] - draft->keys] = true;
    return true;
}

/* ---- all of them ---- */

/* The keys that are left and those that were made, in the order of their first sources. */
static void finish(Bundler *bundler)
{
    Edit edit;
    Draft *draft = bundler->draft;
    edit_begin(&edit, draft, bundler->origin, bundler->origin.file);
    for (size_t i = 0; i < draft->count; i++) {
        const DraftKey *key = &draft->keys[i];
        for (size_t k = bundler->first[i]; k; k = bundler->made[k - 1].next)
            edit_add(&edit, bundler->made[k - 1].key, bundler->made[k - 1].from);
        if (bundler->taken[i]) continue;
        if (map_get(&bundler->targets, key->name) == MAP_NONE) edit_keep(&edit, key);
        else edit_set_aside(&edit, key, bundler->origin, "another tensor goes to the target of "
                            "its name");
    }
    edit_finish(&edit);
}

/* Failures are mistakes of whoever found the bundle: said, and nothing else. */
bool draft_bundles(Draft *draft, Origin origin, const Bundle *bundles, size_t n, bool *done,
                   Error *err)
{
    if (!draft_ready(draft, err)) return false;
    draft_find(draft, "");               /* the map of names is there before keys are looked at */
    Bundler bundler = {.draft = draft, .origin = origin, .scratch = arena_new()};
    bundler.first = mem_alloc((2 * draft->count + 1) * sizeof *bundler.first);
    bundler.last = bundler.first + draft->count;
    bundler.taken = mem_alloc(draft->count + 1);
    map_init(&bundler.targets);
    for (size_t i = 0; i < n; i++) {
        Error problem = {0};
        done[i] = make_bundle(&bundler, &bundles[i], &problem);
        if (!done[i])
            draft_note(draft, NOTE_INFO, origin, "%s was left out: %s",
                       bundles[i].target_count ? show_name(draft, bundles[i].targets[0])
                                               : "a bundle", problem.text);
    }
    draft->changed = true;
    finish(&bundler);
    map_done(&bundler.targets);
    free(bundler.made);
    free(bundler.first);
    free(bundler.taken);
    arena_free(bundler.scratch);
    return true;
}
