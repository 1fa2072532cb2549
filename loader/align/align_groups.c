/* Groups: what freeze and group come to; see groups.h. */
#include "loader/align/groups.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/align_parts.h"
#include "loader/align/optimizer.h"

static bool fits_any(const Patterns *patterns, const char *name)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (name_fits(patterns->list[i], name)) return true;
    return false;
}

/* By any of the statements; each counts what it alone would freeze. */
static bool is_frozen(Later *later, const Binding *binding)
{
    bool frozen = false;
    for (size_t i = 0; i < later->freeze_count; i++) {
        FreezeRule *rule = &later->freezes[i];
        if (rule->loaded && !align_is_loaded(binding)) continue;
        if (!fits_any(&rule->what, binding->name) || fits_any(&rule->except, binding->name))
            continue;
        rule->hits++;
        frozen = true;
    }
    return frozen;
}

/* 1 + index of the first statement that has a pattern for the name; 0 = the rest. */
static size_t find_group(Later *later, const char *name)
{
    for (size_t i = 0; i < later->group_count; i++) {
        if (!fits_any(&later->groups[i].what, name)) continue;
        later->groups[i].hits++;
        return i + 1;
    }
    return 0;
}

/* What model.parameters() has: floats that are no buffers. A dtype that is not known is one. */
static bool is_parameter(const Alignment *alignment, const Binding *binding)
{
    DTypeClass kind = dtype_info(binding->dtype)->kind;
    bool number = binding->dtype == DT_UNKNOWN || kind == CLASS_FLOAT || kind == CLASS_COMPLEX;
    return number && !optimizer_is_buffer(alignment, binding->name);
}

/* A statement without a pattern gives the rest its options; the last of several counts. */
static const GroupRule *find_rest(const Later *later)
{
    const GroupRule *rest = NULL;
    for (size_t i = 0; i < later->group_count; i++)
        if (!later->groups[i].what.count) rest = &later->groups[i];
    return rest;
}

/* Sorts the parameters into 1 + group_count groups and the frozen ones. */
static void sort_params(Alignment *alignment, ParamGroups *out)
{
    Later *later = draft_later(alignment->draft);
    size_t n = alignment->count + 1;
    bool *tied = optimizer_tied(alignment);
    ParamGroup *groups = out->groups;
    for (size_t i = 0; i <= later->group_count; i++)
        groups[i].rule = i ? &later->groups[i - 1] : find_rest(later);
    uint32_t *group_of = mem_alloc(n * sizeof *group_of);     /* 0 none, 1 frozen, 2 + group */
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        if (tied[i] || !is_parameter(alignment, binding)) continue;
        bool frozen = is_frozen(later, binding);
        size_t group = frozen ? 0 : find_group(later, binding->name);
        group_of[i] = frozen ? 1 : (uint32_t)group + 2;
        out->params++;
        if (frozen) out->frozen_count++;
        else groups[group].count++;
    }
    out->frozen = arena_alloc(alignment->arena, (out->frozen_count + 1) * sizeof *out->frozen);
    for (size_t i = 0; i <= later->group_count; i++) {
        groups[i].params =
            arena_alloc(alignment->arena, (groups[i].count + 1) * sizeof *groups[i].params);
        groups[i].count = 0;
    }
    out->frozen_count = 0;
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        if (group_of[i] == 1) out->frozen[out->frozen_count++] = binding;
        if (group_of[i] < 2) continue;
        ParamGroup *group = &groups[group_of[i] - 2];
        group->params[group->count++] = binding;
    }
    free(group_of);
    free(tied);
}

/* Statements that found nothing are probably misspelt. */
static void note_idle(Alignment *alignment)
{
    const Later *later = draft_later(alignment->draft);
    for (size_t i = 0; i < later->freeze_count; i++)
        if (!later->freezes[i].hits)
            draft_note(alignment->draft, NOTE_INFO, later->freezes[i].origin,
                       "freeze \"%s\": no parameter of that name",
                       pattern_text(later->freezes[i].what.list[0]));
    for (size_t i = 0; i < later->group_count; i++)
        if (!later->groups[i].hits && later->groups[i].what.count)
            draft_note(alignment->draft, NOTE_INFO, later->groups[i].origin,
                       "group(\"%s\"): no parameter of that name is left for it",
                       pattern_text(later->groups[i].what.list[0]));
}

/* Empty groups go: what is left keeps the order of the statements. */
void close_groups(Alignment *alignment)
{
    const Later *later = draft_later(alignment->draft);
    if (!later->freeze_count && !later->group_count) return;
    ParamGroups *out = arena_alloc(alignment->arena, sizeof *out);
    out->groups = arena_alloc(alignment->arena, (later->group_count + 1) * sizeof *out->groups);
    const StateDict *order = alignment->target ? alignment->target : alignment->source;
    out->ordered = dict_is_ordered(order);
    sort_params(alignment, out);
    for (size_t i = 0; i <= later->group_count; i++)
        if (out->groups[i].count) out->groups[out->group_count++] = out->groups[i];
    note_idle(alignment);
    alignment->groups = out;
}

static void put_names(JsonWriter *writer, const char *key, const Binding *const *params, size_t n)
{
    json_key(writer, key);
    json_list(writer);
    for (size_t i = 0; i < n; i++) json_string(writer, params[i]->name);
    json_end(writer);
}

/* "ids" are the first and the last number that an optimizer made of these groups gives. */
void groups_json(const ParamGroups *groups, JsonWriter *writer)
{
    size_t id = 0;
    json_map(writer);
    json_key(writer, "groups");
    json_list(writer);
    for (size_t i = 0; i < groups->group_count; i++) {
        const ParamGroup *group = &groups->groups[i];
        json_map(writer);
        put_names(writer, "params", group->params, group->count);
        json_key(writer, "ids");
        json_list(writer);
        json_uint(writer, id);
        json_uint(writer, id += group->count - 1);
        id++;
        json_end(writer);
        json_key(writer, "options");
        if (group->rule && group->rule->options) {
            json_value(writer, group->rule->options);
        } else {
            json_map(writer);
            json_end(writer);
        }
        json_end(writer);
    }
    json_end(writer);
    put_names(writer, "frozen", groups->frozen, groups->frozen_count);
    json_end(writer);
}

/* ---- read again ---- */

/* A list of names as bindings that have nothing else. NULL when it is none. */
static const Binding **read_names(Arena *arena, const Value *list, size_t *count)
{
    if (!list || list->kind != VALUE_LIST) return NULL;
    const Binding **params = arena_alloc(arena, (list->list.count + 1) * sizeof *params);
    Binding *bindings = arena_alloc(arena, (list->list.count + 1) * sizeof *bindings);
    for (size_t i = 0; i < list->list.count; i++) {
        const Value *name = list->list.items[i].value;
        if (name->kind != VALUE_STRING) return NULL;
        bindings[i].name = name->string;
        params[i] = &bindings[i];
    }
    *count = list->list.count;
    return params;
}

static bool is_number(const Value *value)
{
    return value->kind == VALUE_INT || value->kind == VALUE_FLOAT;
}

/* What group(…) lets pass; and None, which inverses of plans say. */
static bool is_option(const Value *value)
{
    if (value->kind != VALUE_LIST)
        return is_number(value) || value->kind == VALUE_BOOL || value->kind == VALUE_STRING ||
               value->kind == VALUE_NULL;
    for (size_t i = 0; i < value->list.count; i++)
        if (!is_number(value->list.items[i].value)) return false;
    return true;
}

bool groups_are_options(const Value *map)
{
    if (map->kind != VALUE_MAP) return false;
    for (size_t i = 0; i < map->list.count; i++)
        if (!is_option(map->list.items[i].value)) return false;
    return true;
}

static bool read_group(Arena *arena, const Value *map, ParamGroup *group)
{
    const Value *options = value_get(map, "options");
    group->params = read_names(arena, value_get(map, "params"), &group->count);
    if (!group->params || !group->count || !options || !groups_are_options(options)) return false;
    GroupRule *rule = arena_alloc(arena, sizeof *rule);
    rule->options = options;
    group->rule = rule;
    return true;
}

const ParamGroups *groups_read(Arena *arena, const Value *map)
{
    const Value *list = value_get(map, "groups");
    ParamGroups *out = arena_alloc(arena, sizeof *out);
    out->frozen = read_names(arena, value_get(map, "frozen"), &out->frozen_count);
    if (!list || list->kind != VALUE_LIST || !out->frozen) return NULL;
    out->groups = arena_alloc(arena, (list->list.count + 1) * sizeof *out->groups);
    out->params = out->frozen_count;
    for (size_t i = 0; i < list->list.count; i++) {
        if (!read_group(arena, list->list.items[i].value, &out->groups[i])) return NULL;
        out->params += out->groups[i].count;
    }
    out->group_count = list->list.count;
    return out;
}
