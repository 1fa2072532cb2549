/* Which sources of a rule belong together: those that give one right-hand name.
 *
 * In `layers.{i}.experts.{e}.{p:w1|w3} -> blk.{i}.{p} |> stack(0)` the right side depends on i and
 * p, so keys with equal i and p are a group; e is what such a group gathers:
 *
 *   layers.0.experts.0.w1, layers.0.experts.1.w1, …  ->  blk.0.w1
 *   layers.0.experts.0.w3, layers.0.experts.1.w3, …  ->  blk.0.w3
 *
 * A pattern on the left that lacks i or p (`shared.{p:w1|w3}`) is partial: its keys join every
 * group with which they agree in what they have. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/gather.h"

/* Other rules are applied key by key, as soon as one fits. */
bool rule_gathers(const Rule *rule)
{
    return rule->target_count && (rule->source_count > 1 || has_op(rule, OP_STACK) ||
                                  has_op(rule, OP_CAT) || has_op(rule, OP_FUNCTION));
}

/* ---- the variables of a rule ---- */

/* Two absent texts are equal too. */
static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The variable that a source shares with earlier ones; -1 = it is the first to have it. At most
 * 32 of them: a list will do. */
static int find_variable(const Gather *gather, const Variable *wanted)
{
    for (size_t i = 0; i < gather->variable_count; i++) {
        const Variable *variable = &gather->variables[i];
        if (variable->star != wanted->star || variable->number != wanted->number) continue;
        if (!same_text(variable->name, wanted->name)) continue;
        /* Stars meet by number, anonymous ones by number and spelling, others by name. */
        if (wanted->star || wanted->name || same_text(variable->choices, wanted->choices))
            return (int)i;
    }
    return -1;
}

/* Whether the right side depends on it. Anonymous ones are carried over from the first source
 * alone. */
static bool is_used(const Rule *rule, const Variable *variable, bool of_first)
{
    for (size_t i = 0; i < rule->target_count; i++) {
        const Template *target = rule->targets[i];
        if (variable->star) {
            if (variable->number < template_stars(target)) return true;
        } else if (variable->name) {
            if (template_uses(target, variable->name)) return true;
        } else if (of_first && template_uses_anonymous(target, variable->number)) {
            return true;
        }
    }
    return false;
}

/* Notes that a source has a variable; *index is its number. */
static bool add_variable(Gather *gather, size_t source, const Variable *variable, int *index,
                         Error *err)
{
    *index = find_variable(gather, variable);
    if (*index < 0) {
        size_t *count = variable->star ? &gather->star_count : &gather->named_count;
        if (*count == (variable->star ? (size_t)STARS_MAX : (size_t)CAPTURES_MAX))
            return error_set(err, ERR_LIMIT, "more than %d captures in one rule", CAPTURES_MAX);
        ++*count;
        *index = (int)gather->variable_count++;
        gather->variables[*index] = *variable;
        gather->variables[*index].used = is_used(gather->rule, variable, source == 0);
    }
    gather->sources[source].has[*index] = true;
    return true;
}

/* A source's variables in order of appearance, which is the order in which lists are sorted. A
 * name's second occurrence adds nothing: it is equal by force. */
static bool list_variables(Gather *gather, size_t source, Error *err)
{
    const Pattern *pattern = gather->rule->sources[source].pattern;
    GatherSource *out = &gather->sources[source];
    size_t anonymous = 0;
    for (size_t i = 0; i < pattern->node_count; i++) {
        const Node *node = &pattern->nodes[i];
        int *index = NULL;
        Variable variable = {0};
        if (node->star >= 0) {
            variable.star = true;
            variable.number = (size_t)node->star;
            index = &out->of_star[node->star];
        } else if (node->capture >= 0 && node->kind != NODE_AGAIN) {
            const CaptureInfo *info = &pattern->captures[node->capture];
            variable.name = info->name;
            variable.choices = info->choices;
            if (!info->name) variable.number = anonymous++;
            index = &out->of_capture[node->capture];
        }
        if (index && !add_variable(gather, source, &variable, index, err)) return false;
    }
    return true;
}

/* A source is complete when it settles the right-hand names by itself. One at least must be, or
 * no group would ever get a name. */
static bool find_complete(Gather *gather, Error *err)
{
    bool any = false;
    for (size_t i = 0; i < gather->rule->source_count; i++) {
        bool complete = true;
        for (size_t j = 0; j < gather->variable_count; j++)
            complete = complete && (!gather->variables[j].used || gather->sources[i].has[j]);
        gather->sources[i].complete = complete;
        any = any || complete;
    }
    return any || error_set(err, ERR_RULE, "no pattern on the left captures everything that the "
                            "right side names");
}

/* NULL with an error when no key can settle the names. A source gathers when it captures
 * something that the right side has not: then several keys may come under one name. */
Gather *gather_new(RuleRun *run, size_t rule, Error *err)
{
    Gather *gather = mem_alloc(sizeof *gather);
    gather->run = run;
    gather->rule = &run->block->rules[rule];
    gather->index = rule;
    size_t sources = gather->rule->source_count;
    gather->sources = mem_alloc(sources * sizeof *gather->sources);
    bool good = true;
    for (size_t i = 0; good && i < sources; i++) good = list_variables(gather, i, err);
    for (size_t i = 0; good && i < sources; i++)
        for (size_t j = 0; j < gather->variable_count; j++)
            if (gather->sources[i].has[j] && !gather->variables[j].used)
                gather->sources[i].gathers = true;
    if (good && find_complete(gather, err)) return gather;
    gather_free(gather);
    return NULL;
}

/* Items and lists of groups lie in the scratch arena of the run. */
void gather_free(Gather *gather)
{
    if (!gather) return;
    map_done(&gather->by_names);
    for (size_t i = 0; i < gather->rule->source_count; i++) free(gather->sources[i].partial);
    free(gather->sources);
    free(gather->groups);
    free(gather);
}

/* ---- collecting ---- */

/* A key with what it captured, copied: names are compared long after the match. */
static Item *make_item(Gather *gather, size_t source, uint32_t key, const Captures *captures)
{
    Arena *arena = gather->run->scratch;
    const GatherSource *from = &gather->sources[source];
    size_t count = gather->variable_count;
    Item *item = arena_alloc(arena, sizeof *item + count * sizeof *item->values);
    item->gather = gather;
    item->key = key;
    for (size_t i = 0; i < captures->named_count; i++) {
        const Capture *capture = &captures->named[i];
        ItemValue *value = &item->values[from->of_capture[i]];
        value->text = arena_strndup(arena, capture->text, capture->length);
        value->numeric = capture->numeric;
        value->number = capture->number;
    }
    for (size_t i = 0; i < captures->star_count; i++)
        if (captures->stars[i].text)
            item->values[from->of_star[i]].text =
                arena_strndup(arena, captures->stars[i].text, captures->stars[i].length);
    return item;
}

static void add_to_list(Arena *arena, ItemList *list, Item *item)
{
    list->items = arena_grow(arena, list->items, list->count, &list->room, sizeof *list->items);
    list->items[list->count++] = item;
}

/* The group of these right-hand names; a counter counts from 0 here. Names are joined with
 * their lengths before them, so that {"a", "bc"} is not {"ab", "c"}. The pointer holds until
 * the next call. */
static Group *find_group(Gather *gather, const Captures *captures, Error *err)
{
    RuleRun *run = gather->run;
    Captures counted = *captures;
    if (gather->rule->counter && counted.named_count < CAPTURES_MAX)
        counted.named[counted.named_count++] = (Capture){gather->rule->counter, "0", 1, true, 0};
    const char **names = expand_names(run, gather->rule, &counted, err);
    if (!names) return NULL;
    text_clear(&run->name);
    for (size_t i = 0; i < gather->rule->target_count; i++)
        text_addf(&run->name, "%zu:%s", strlen(names[i]), names[i]);
    uint32_t index = map_get(&gather->by_names, text_string(&run->name));
    if (index != MAP_NONE) return &gather->groups[index];
    gather->groups = mem_grow(gather->groups, &gather->group_room, gather->group_count + 1,
                              sizeof *gather->groups);
    Group *group = &gather->groups[gather->group_count];
    *group = (Group){names, arena_alloc(run->scratch, gather->rule->source_count *
                                                          sizeof *group->lists)};
    map_set(&gather->by_names, arena_strdup(run->scratch, run->name.bytes),
            (uint32_t)gather->group_count++);
    return group;
}

/* Complete sources find their group at once; partial ones wait until all groups are known. */
bool gather_add(RuleRun *run, Gather *gather, size_t source, uint32_t key,
                const Captures *captures, Error *err)
{
    GatherSource *from = &gather->sources[source];
    Item *item = make_item(gather, source, key, captures);
    if (from->complete) {
        Group *group = find_group(gather, captures, err);
        if (!group) return blame_rule(gather->rule, err);
        add_to_list(run->scratch, &group->lists[source], item);
    } else {
        from->partial = mem_grow(from->partial, &from->partial_room, from->partial_count + 1,
                                 sizeof *from->partial);
        from->partial[from->partial_count++] = item;
    }
    return true;
}

/* ---- sources that many groups may share ---- */

/* What an item has in the variables that a partial source shares with the right side. */
static const char *shared_text(Gather *gather, const GatherSource *partial, const Item *item)
{
    Text *out = &gather->run->name;
    text_clear(out);
    for (size_t i = 0; i < gather->variable_count; i++) {
        if (!gather->variables[i].used || !partial->has[i]) continue;
        const char *text = item->values[i].text;
        if (text) text_addf(out, "%zu:%s", strlen(text), text);
        else text_addc(out, '-');
    }
    return text_string(out);
}

/* A partial item joins a group; without `&` it may join one only. An item is offered once for
 * each list it agrees with, hence the first line. */
static bool attach(Gather *gather, size_t source, size_t group, Item *item, Error *err)
{
    if (item->group == group + 1) return true;
    if (item->group && !gather->rule->sources[source].keep) {
        error_set(err, ERR_RULE, "'%s' would go into '%s' and '%s'; write &%s if that is meant",
                  show_name(gather->run->draft, gather->run->draft->keys[item->key].name),
                  show_name(gather->run->draft, gather->groups[item->group - 1].names[0]),
                  show_name(gather->run->draft, gather->groups[group].names[0]),
                  pattern_text(gather->rule->sources[source].pattern));
        return blame_rule(gather->rule, err);
    }
    item->group = group + 1;
    add_to_list(gather->run->scratch, &gather->groups[group].lists[source], item);
    return true;
}

/* Joins the items of a partial source that agree with one of the list. */
static bool attach_matching(Gather *gather, size_t source, const NameMap *map, size_t group,
                            const ItemList *list, Error *err)
{
    const GatherSource *from = &gather->sources[source];
    for (size_t i = 0; i < list->count; i++) {
        uint32_t at = map_get(map, shared_text(gather, from, list->items[i]));
        for (Item *item = at == MAP_NONE ? NULL : from->partial[at]; item; item = item->alike)
            if (!attach(gather, source, group, item, err)) return false;
    }
    return true;
}

/* Finds the groups of every item of a source that does not settle the names by itself. The
 * items go into a map by what they share with the right side, alike ones chained (backwards, so
 * that chains ascend); then every item of a complete list asks once. Linear, where trying each
 * with each would not be. */
static bool attach_partial(Gather *gather, size_t source, Error *err)
{
    GatherSource *from = &gather->sources[source];
    NameMap map;
    map_init(&map);
    for (size_t i = from->partial_count; i--;) {
        const char *text = arena_strdup(gather->run->scratch,
                                        shared_text(gather, from, from->partial[i]));
        uint32_t later = map_set(&map, text, (uint32_t)i);
        if (later != MAP_NONE) from->partial[i]->alike = from->partial[later];
    }
    bool good = true;
    for (size_t i = 0; good && i < gather->group_count; i++)
        for (size_t j = 0; good && j < gather->rule->source_count; j++)
            if (gather->sources[j].complete)
                good = attach_matching(gather, source, &map, i, &gather->groups[i].lists[j], err);
    map_done(&map);
    for (size_t i = 0; good && i < from->partial_count; i++) {
        if (from->partial[i]->group) continue;
        error_set(err, ERR_RULE, "'%s' fits, but nothing fits the other patterns with it",
                  show_name(gather->run->draft,
                            gather->run->draft->keys[from->partial[i]->key].name));
        good = blame_rule(gather->rule, err);
    }
    return good;
}

/* ---- the groups ---- */

/* Numbers by value, names as people order them; what has nothing comes first. */
static int compare_values(const ItemValue *a, const ItemValue *b)
{
    if (!a->text || !b->text) return (a->text != NULL) - (b->text != NULL);
    if (a->numeric && b->numeric && a->number != b->number) return a->number < b->number ? -1 : 1;
    return natural_compare(a->text, b->text);
}

/* By the variables in their order of appearance: experts 0, 1, 2 … 10, not 0, 1, 10; then as in
 * the file. */
static int compare_items(const void *a, const void *b)
{
    const Item *x = *(Item *const *)a, *y = *(Item *const *)b;
    for (size_t i = 0; i < x->gather->variable_count; i++) {
        int order = compare_values(&x->values[i], &y->values[i]);
        if (order) return order;
    }
    return (x->key > y->key) - (x->key < y->key);
}

/* Captures of the group as a whole: where sources differ, those of the first. */
static void merge_captures(const Gather *gather, const Group *group, Captures *out)
{
    *out = (Captures){.star_count = gather->star_count};
    out->key = gather->run->draft->keys[group->lists[0].items[0]->key].name;
    for (size_t i = 0; i < gather->variable_count; i++) {
        const Variable *variable = &gather->variables[i];
        const ItemValue *value = NULL;
        for (size_t j = 0; !value && j < gather->rule->source_count; j++)
            if (gather->sources[j].has[i]) value = &group->lists[j].items[0]->values[i];
        uint32_t length = value->text ? (uint32_t)strlen(value->text) : 0;
        if (variable->star) {
            out->stars[variable->number].text = value->text;
            out->stars[variable->number].length = length;
        } else {
            out->named[out->named_count++] = (Capture){variable->name, value->text, length,
                                                       value->numeric, value->number};
        }
    }
}

/* The result stands in the place of the first key that is consumed. That is where people look
 * for it; of `&` sources, which stay, only when there is no other. */
static bool apply_group(Gather *gather, const Group *group, Error *err)
{
    const Rule *rule = gather->rule;
    RuleRun *run = gather->run;
    size_t total = 0, at = 0, counts[SOURCES_MAX];
    bool gathered[SOURCES_MAX];
    for (size_t i = 0; i < rule->source_count; i++) total += group->lists[i].count;
    const DraftKey **keys = arena_alloc(run->scratch, total * sizeof *keys);
    uint32_t first = UINT32_MAX, consumed = UINT32_MAX;
    for (size_t i = 0; i < rule->source_count; i++) {
        counts[i] = group->lists[i].count;
        gathered[i] = gather->sources[i].gathers;
        for (size_t j = 0; j < counts[i]; j++) {
            uint32_t key = group->lists[i].items[j]->key;
            keys[at++] = &run->draft->keys[key];
            if (key < first) first = key;
            if (key < consumed && !rule->sources[i].keep) consumed = key;
        }
    }
    Captures captures;
    merge_captures(gather, group, &captures);
    const Application application = {
        .rule = gather->index, .captures = &captures,
        .names = rule->counter ? NULL : group->names, .keys = keys, .key_count = total,
        .list_counts = counts, .gathered = gathered, .list_count = rule->source_count,
        .place = consumed == UINT32_MAX ? first : consumed};
    return apply_rule(run, &application, err);
}

/* Without an op that joins, keys that give one name are no group but a collision. */
static bool joins(const Rule *rule)
{
    return has_op(rule, OP_STACK) || has_op(rule, OP_CAT) || has_op(rule, OP_FUNCTION);
}

/* Sorts the lists, checks them, applies the rule. */
static bool finish_group(Gather *gather, Group *group, Error *err)
{
    for (size_t i = 0; i < gather->rule->source_count; i++) {
        ItemList *list = &group->lists[i];
        if (list->count) qsort(list->items, list->count, sizeof *list->items, compare_items);
    }
    if (!check_group(gather, group, err)) return blame_rule(gather->rule, err);
    return apply_group(gather, group, err);
}

bool gather_finish(RuleRun *run, Gather *gather, Error *err)
{
    (void)run;
    for (size_t i = 0; i < gather->rule->source_count; i++)
        if (!gather->sources[i].complete && !attach_partial(gather, i, err)) return false;
    /* `{i//2}`: several keys a name although every capture is on the right. */
    for (size_t i = 0; joins(gather->rule) && i < gather->group_count; i++)
        for (size_t j = 0; j < gather->rule->source_count; j++)
            if (gather->groups[i].lists[j].count > 1) gather->sources[j].gathers = true;
    for (size_t i = 0; i < gather->group_count; i++)
        if (!finish_group(gather, &gather->groups[i], err)) return false;
    return true;
}
