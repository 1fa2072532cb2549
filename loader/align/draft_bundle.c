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

/* Where all names of all bundles stand, one bundle after the other. */
typedef struct Places {
    uint32_t *keys, *targets;    /* owned; indexes of the draft's keys and of the target's tensors;
                                    MAP_NONE: there is none */
    size_t key, target;          /* those of the bundle at hand begin here */
} Places;

typedef struct Bundler {
    Draft *draft;
    Origin origin;
    Arena *scratch;              /* of a few bundles */
    Places places;
    Made *made;                  /* owned, growing */
    size_t count, room;
    size_t *first, *last;        /* owned, [keys]: 1 + index of made; 0 = none */
    bool *taken;                 /* owned, [keys]: some bundle uses it up */
    bool *filled;                /* owned, [tensors of the target]: it is made */
    NameMap others;              /* names that are made and are no target's → 1 */
} Bundler;

enum { SCRATCH_MAX = 1 << 20 };  /* bytes after which it begins anew */

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

static size_t count_sources(const Bundle *bundle)
{
    size_t total = 0;
    for (size_t i = 0; i < bundle->source_count; i++) total += bundle->sources[i].count;
    return total;
}

/* False with an error when one of the keys is not there, or has no value of its own. */
static bool find_parts(Bundler *bundler, const Bundle *bundle, Parts *parts, Error *err)
{
    const size_t total = count_sources(bundle);
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
            const uint32_t index = bundler->places.keys[bundler->places.key + parts->count];
            const DraftKey *key = index == MAP_NONE ? NULL : &bundler->draft->keys[index];
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

/* `place` is that of the target; MAP_NONE: there is none of that name. */
static bool is_made(const Bundler *bundler, const char *name, uint32_t place)
{
    return place != MAP_NONE ? bundler->filled[place]
                             : map_get(&bundler->others, name) != MAP_NONE;
}

/* Whether every result is of its target's shape, as far as both are known. */
static bool check_shapes(const Bundler *bundler, const Bundle *bundle, const Expr *const *items,
                         Error *err)
{
    for (size_t i = 0; i < bundle->target_count; i++) {
        const uint32_t place = bundler->places.targets[bundler->places.target + i];
        const Tensor *target = place == MAP_NONE ? NULL : dict_at(bundler->draft->target, place);
        if (is_made(bundler, bundle->targets[i], place))
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

static bool is_rename(const Bundle *bundle)
{
    return !bundle->op_count && bundle->source_count == 1 && bundle->sources[0].count == 1 &&
           bundle->target_count == 1;
}

/* Whether the bundle says what is so without it. */
static bool is_idle(const Bundle *bundle)
{
    return is_rename(bundle) && strcmp(bundle->sources[0].names[0], bundle->targets[0]) == 0;
}

/* What its steps say besides names: a million renames need no text of their own. */
static const char *step_text(const Bundler *bundler, const Bundle *bundle)
{
    if (is_rename(bundle)) return NULL;
    Text text = {0};
    bundle_show(bundle, &text);
    return text_keep(&text, bundler->draft->arena);
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
    const char *from = join_names(draft, parts.names, parts.count);
    const char *what = step_text(bundler, bundle);
    size_t place = (size_t)(parts.keys[0] - draft->keys);
    for (size_t i = 0; i < bundle->target_count; i++) {
        DraftKey key = {.name = bundle->targets[i], .expr = items[i]};
        if (is_idle(bundle)) key.step = parts.steps[0];
        else
            key.step = step_new(draft, bundler->origin, what, from, key.name,
                                show_part(draft, bundle->ops, bundle->op_count, i), parts.steps,
                                parts.count);
        add_made(bundler, place, key, from);
        const uint32_t target = bundler->places.targets[bundler->places.target + i];
        if (target != MAP_NONE) bundler->filled[target] = true;
        else map_set(&bundler->others, key.name, 1);
    }
    for (size_t i = 0; i < parts.count; i++)
        bundler->taken[parts.keys[i] - draft->keys] = true;
    return true;
}

/* ---- all of them ---- */

static uint32_t find_target(const Draft *draft, const char *name)
{
    const Tensor *tensor = draft->target ? dict_find(draft->target, name) : NULL;
    return tensor ? (uint32_t)dict_index(draft->target, tensor) : MAP_NONE;
}

/* Looks all names up together, which is far quicker than one by one. */
static void find_places(Places *places, const Draft *draft, const Bundle *bundles, size_t n)
{
    size_t keys = 0, targets = 0, room = 0;
    for (size_t i = 0; i < n; i++) {
        keys += count_sources(&bundles[i]);
        targets += bundles[i].target_count;
    }
    room = keys > targets ? keys : targets;
    const char **names = mem_alloc((room + 1) * sizeof *names);
    places->keys = mem_alloc((keys + 1) * sizeof *places->keys);
    places->targets = mem_alloc((targets + 1) * sizeof *places->targets);
    keys = targets = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < bundles[i].source_count; j++)
            for (size_t k = 0; k < bundles[i].sources[j].count; k++)
                names[keys++] = bundles[i].sources[j].names[k];
    draft_find_many(draft, names, keys, places->keys);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < bundles[i].target_count; j++)
            names[targets++] = bundles[i].targets[j];
    for (size_t i = 0; i < targets; i++) places->targets[i] = MAP_NONE;
    if (draft->target) dict_find_many(draft->target, names, targets, places->targets);
    free(names);
}

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
        const uint32_t place = find_target(draft, key->name);
        if (!is_made(bundler, key->name, place)) edit_keep(&edit, key);
        else edit_set_aside(&edit, key, bundler->origin, "another tensor goes to the target of "
                            "its name");
    }
    edit_finish(&edit);
}

static void renew_scratch(Bundler *bundler)
{
    if (arena_bytes(bundler->scratch) < SCRATCH_MAX) return;
    arena_free(bundler->scratch);
    bundler->scratch = arena_new();
}

static void bundler_done(Bundler *bundler)
{
    map_done(&bundler->others);
    free(bundler->places.keys);
    free(bundler->places.targets);
    free(bundler->made);
    free(bundler->first);
    free(bundler->taken);
    free(bundler->filled);
    arena_free(bundler->scratch);
}

/* Failures are mistakes of whoever found the bundle: said, and nothing else. */
bool draft_bundles(Draft *draft, Origin origin, const Bundle *bundles, size_t n, bool *done,
                   Error *err)
{
    if (!draft_ready(draft, err)) return false;
    Bundler bundler = {.draft = draft, .origin = origin, .scratch = arena_new()};
    bundler.first = mem_alloc((2 * draft->count + 1) * sizeof *bundler.first);
    bundler.last = bundler.first + draft->count;
    bundler.taken = mem_alloc(draft->count + 1);
    bundler.filled = mem_alloc((draft->target ? dict_count(draft->target) : 0) + 1);
    map_init(&bundler.others);
    find_places(&bundler.places, draft, bundles, n);
    for (size_t i = 0; i < n; i++) {
        Error problem = {0};
        done[i] = make_bundle(&bundler, &bundles[i], &problem);
        if (!done[i])
            draft_note(draft, NOTE_INFO, origin, "%s was left out: %s",
                       bundles[i].target_count ? show_name(draft, bundles[i].targets[0])
                                               : "a bundle", problem.text);
        bundler.places.key += count_sources(&bundles[i]);
        bundler.places.target += bundles[i].target_count;
        renew_scratch(&bundler);
    }
    draft->changed = true;
    finish(&bundler);
    bundler_done(&bundler);
    return true;
}
