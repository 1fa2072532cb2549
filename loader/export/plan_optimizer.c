/* An optimizer's state in plans, written and read. */
#include "loader/export/plan_optimizer.h"

#include <string.h>

#include "loader/align/groups.h"
#include "loader/core/limits.h"
#include "loader/core/map.h"
#include "loader/format/graph.h"

/* ---- written ---- */

static size_t group_index(const OptimizerMove *move, const Object *group)
{
    const Object *list = object_as_sequence(object_get(move->node, "param_groups"));
    size_t i = 0;
    while (i < list->list.count && list->list.items[i] != group) i++;
    return i;
}

static void put_groups(const OptimizerMove *move, JsonWriter *writer)
{
    json_key(writer, "groups");
    json_list(writer);
    for (size_t i = 0; i < move->group_count; i++) {
        json_map(writer);
        json_put_uint(writer, "from", group_index(move, move->groups[i]));
        if (move->options && move->options[i]) {
            json_key(writer, "options");
            json_value(writer, move->options[i]);
        }
        json_end(writer);
    }
    json_end(writer);
}

/* Where the state of a parameter lies; the list of its moments is begun. */
static void put_state(const OptimizerMove *move, const Object *id, Arena *arena, JsonWriter *writer)
{
    json_put_text(writer, "state", optimizer_state_path(arena, move->rule->from, id, NULL));
    json_key(writer, "moments");
    json_list(writer);
}

static void put_param(const OptimizerMove *move, const OptimizerParam *param, Arena *arena,
                      JsonWriter *writer)
{
    json_map(writer);
    json_put_text(writer, "name", param->binding->name);
    json_put_uint(writer, "group", param->group);
    if (!param->fresh) {
        put_state(move, param->id, arena, writer);
        for (size_t i = 0; i < param->count; i++) {
            if (!param->values[i].expr) continue;
            json_list(writer);
            json_string(writer, param->values[i].key->bytes.text);
            expr_write_json(param->values[i].expr, writer);
            json_end(writer);
        }
        json_end(writer);
    }
    json_end(writer);
}

/* What the inverse of the plan has to know of a parameter of the source. */
static void put_source(const OptimizerMove *move, const SourceParam *param, Arena *arena,
                       JsonWriter *writer)
{
    json_map(writer);
    json_put_text(writer, "name", param->tensor->name);
    json_put_uint(writer, "group", param->group);
    if (param->state) {
        put_state(move, param->id, arena, writer);
        for (size_t i = 0; i + 1 < param->state->list.count; i += 2) {
            const Object *key = param->state->list.items[i];
            const Object *value = param->state->list.items[i + 1];
            if (!optimizer_moves(param, key, value)) continue;
            json_list(writer);
            json_string(writer, key->bytes.text);
            json_string(writer, dtype_name(value->tensor->dtype));
            json_end(writer);
        }
        json_end(writer);
    }
    json_end(writer);
}

/* An option as plans can say it; NULL: they cannot. Their lists are tuples, such as betas. */
static Value *option_value(Arena *arena, const Object *option)
{
    if (option->kind != OBJ_TUPLE) return object_as_value(arena, option);
    Value *list = value_list(arena);
    for (size_t i = 0; i < option->list.count; i++) {
        const Object *item = option->list.items[i];
        if (item->kind != OBJ_INT && item->kind != OBJ_FLOAT) return NULL;
        value_push(arena, list, option_value(arena, item));
    }
    return list;
}

/* The options of a group of the source; null where one cannot be said. */
static void put_options(const Object *group, Arena *arena, JsonWriter *writer)
{
    Value *map = value_map(arena);
    const Object *dict = object_as_dict(group);
    for (size_t i = 0; i + 1 < dict->list.count && map; i += 2) {
        const Object *key = dict->list.items[i];
        const bool text = key->kind == OBJ_STR;
        if (text && (strcmp(key->bytes.text, "params") == 0 ||
                     strcmp(key->bytes.text, "param_names") == 0))
            continue;
        Value *value = text ? option_value(arena, dict->list.items[i + 1]) : NULL;
        if (value) value_put(arena, map, key->bytes.text, value);
        else map = NULL;
    }
    if (map) json_value(writer, map);
    else json_null(writer);
}

void plan_put_optimizer(const OptimizerMove *move, JsonWriter *writer)
{
    Arena *arena = arena_new();
    json_map(writer);
    json_put_text(writer, "path", move->rule->from);
    json_put_bool(writer, move->left_out ? "left_out" : "named", move->left_out || move->named);
    if (!move->left_out) {
        put_groups(move, writer);
        json_key(writer, "params");
        json_list(writer);
        for (size_t i = 0; i < move->count; i++) put_param(move, &move->params[i], arena, writer);
        json_end(writer);
    }
    if (move->source) {
        json_key(writer, "source");
        json_list(writer);
        for (size_t i = 0; i < move->source_count; i++)
            put_source(move, &move->source[i], arena, writer);
        json_end(writer);
        json_key(writer, "source_groups");
        json_list(writer);
        for (size_t i = 0; i < move->source_group_count; i++)
            put_options(move->source_groups[i], arena, writer);
        json_end(writer);
    }
    json_end(writer);
    arena_free(arena);
}

/* ---- read ---- */

enum { MOMENTS_MAX = 64 };       /* of one parameter; each is looked for */

typedef struct Reader {
    Plan *plan;                  /* borrowed; its arena receives all */
    OptimizerMove *move;
    Binding *bindings;           /* [move->count]: only their names are there */
    const Object **states;       /* [state_count], dicts of the source */
    size_t state_count;
    NameMap by_path;             /* a state's path → its place in states */
    NameMap entries;             /* the plan's entries by name */
    NameMap done;                /* names of parameters that were read */
    uint64_t members;            /* of all states together, as often as they are used */
    Error *err;
} Reader;

static bool refuse(const Reader *reader, const char *what)
{
    return error_set(reader->err, ERR_FORMAT, "its \"optimizer_state\" is none: %s", what);
}

/* "optimizer_state: parameter 'NAME': …". Returns false. */
static bool prefix_param(const Reader *reader, const char *name)
{
    Text shown = {0};
    show_short(name, 200, &shown);
    error_prefix(reader->err, "optimizer_state: parameter '%s'", text_string(&shown));
    text_done(&shown);
    return false;
}

static const Value *get_list(const Value *map, const char *key)
{
    const Value *list = value_get(map, key);
    return list && list->kind == VALUE_LIST ? list : NULL;
}

/* All states of the source and the tensors in them, under their paths. */
static bool list_states(Reader *reader)
{
    Arena *arena = reader->plan->arena;
    const OptimizerMove *move = reader->move;
    const Object *state = object_as_dict(object_get(move->node, "state"));
    if (!state || !object_as_sequence(object_get(move->node, "param_groups")))
        return refuse(reader, "the source has no 'state' with 'param_groups' there");
    reader->states = arena_alloc(arena, (state->list.count / 2 + 1) * sizeof(*reader->states));
    reader->plan->moments = dict_new();
    for (size_t i = 0; i + 1 < state->list.count; i += 2) {
        const Object *id = state->list.items[i];
        const Object *members = object_as_dict(state->list.items[i + 1]);
        if (!members) continue;
        map_set(&reader->by_path, optimizer_state_path(arena, move->rule->from, id, NULL),
                (uint32_t)reader->state_count);
        reader->states[reader->state_count++] = members;
        for (size_t k = 0; k + 1 < members->list.count; k += 2) {
            const Object *key = members->list.items[k], *value = members->list.items[k + 1];
            if (key->kind != OBJ_STR || value->kind != OBJ_TENSOR) continue;
            Tensor tensor = *value->tensor;
            tensor.name = optimizer_state_path(arena, move->rule->from, id, key->bytes.text);
            dict_add(reader->plan->moments, &tensor);
        }
    }
    return true;
}

static bool read_groups(Reader *reader, const Value *list)
{
    OptimizerMove *move = reader->move;
    Arena *arena = reader->plan->arena;
    const Object *from = object_as_sequence(object_get(move->node, "param_groups"));
    const size_t n = list ? list->list.count : 0;
    const Object **groups = arena_alloc(arena, (n + 1) * sizeof *groups);
    const Value **options = arena_alloc(arena, (n + 1) * sizeof *options);
    for (size_t i = 0; i < n; i++) {
        const Value *map = list->list.items[i].value;
        const int64_t index = value_get_int(map, "from", -1);
        if (index < 0 || (uint64_t)index >= from->list.count ||
            !object_as_dict(from->list.items[index]))
            return refuse(reader, "a group comes from none of the source");
        groups[i] = from->list.items[index];
        options[i] = value_get(map, "options");
        if (options[i] && !groups_are_options(options[i]))
            return refuse(reader, "the options of a group");
    }
    move->groups = groups;
    move->options = options;
    move->group_count = n;
    return n || refuse(reader, "it has no groups");
}

/* The expression that the plan has for a member; NULL: it stays as it is. */
static const Value *find_moment(const Value *moments, const Object *key)
{
    for (size_t i = 0; key->kind == OBJ_STR && i < moments->list.count; i++) {
        const Value *pair = moments->list.items[i].value;
        if (strcmp(pair->list.items[0].value->string, key->bytes.text) == 0)
            return pair->list.items[1].value;
    }
    return NULL;
}

static bool are_moments(const Value *moments, size_t members)
{
    if (!moments || moments->list.count > members || moments->list.count > MOMENTS_MAX)
        return false;
    for (size_t i = 0; i < moments->list.count; i++) {
        const Value *pair = moments->list.items[i].value;
        if (pair->kind != VALUE_LIST || pair->list.count != 2 ||
            pair->list.items[0].value->kind != VALUE_STRING)
            return false;
    }
    return true;
}

/* A moment has an element for each of the weight's. */
static bool read_moment(Reader *reader, const PlanEntry *entry, const Value *json,
                        OptimizerValue *value)
{
    Plan *plan = reader->plan;
    value->expr = expr_read_json(plan->arena, json, plan->moments, NULL, reader->err);
    if (!value->expr) return false;
    if (value->expr->unknown || !same_dims(value->expr->dims, value->expr->rank, entry->dims,
                                           entry->rank))
        return refuse(reader, "a moment has another shape than its weight");
    return plan_check_value(plan, entry->name, NULL, value->expr, reader->err);
}

static bool read_state(Reader *reader, OptimizerParam *param, const PlanEntry *entry,
                       const Value *map)
{
    const char *path = value_get_string(map, "state", NULL);
    const Value *moments = get_list(map, "moments");
    const uint32_t index = path ? map_get(&reader->by_path, path) : MAP_NONE;
    if (index == MAP_NONE) return refuse(reader, "the source has no such state");
    const Object *state = reader->states[index];
    const size_t count = state->list.count / 2;
    reader->members += count;
    if (reader->members > (uint64_t)limit(LIMIT_ENTRIES) || !are_moments(moments, count))
        return refuse(reader, "its moments");
    OptimizerValue *values = arena_alloc(reader->plan->arena, (count + 1) * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        values[i] = (OptimizerValue){.key = state->list.items[2 * i],
                                     .value = state->list.items[2 * i + 1]};
        const Value *json = find_moment(moments, values[i].key);
        if (json && !read_moment(reader, entry, json, &values[i])) return false;
    }
    param->values = values;
    param->count = count;
    reader->move->carried++;
    return true;
}

static bool read_param(Reader *reader, size_t number, const Value *map)
{
    OptimizerParam *param = &reader->move->params[number];
    const char *name = value_get_string(map, "name", NULL);
    const int64_t group = value_get_int(map, "group", -1);
    const uint32_t entry = name ? map_get(&reader->entries, name) : MAP_NONE;
    if (entry == MAP_NONE) return refuse(reader, "a parameter is no tensor of the plan");
    if (map_set(&reader->done, name, 0) != MAP_NONE)
        return refuse(reader, "a parameter stands twice");
    if (group < 0 || (uint64_t)group >= reader->move->group_count)
        return refuse(reader, "a parameter's group");
    reader->bindings[number].name = reader->plan->entries[entry].name;
    *param = (OptimizerParam){.binding = &reader->bindings[number], .group = (uint32_t)group};
    if (!value_get(map, "state")) {
        param->fresh = "the plan says so";
        return true;
    }
    return read_state(reader, param, &reader->plan->entries[entry], map) ||
           prefix_param(reader, name);
}

static bool read_params(Reader *reader, const Value *list)
{
    Plan *plan = reader->plan;
    OptimizerMove *move = reader->move;
    if (!list) return refuse(reader, "it has no parameters");
    move->params = arena_alloc(plan->arena, (list->list.count + 1) * sizeof *move->params);
    reader->bindings = arena_alloc(plan->arena, (list->list.count + 1) * sizeof(Binding));
    move->count = list->list.count;
    for (size_t i = 0; i < plan->count; i++)
        map_set(&reader->entries, plan->entries[i].name, (uint32_t)i);
    for (size_t i = 0; i < list->list.count; i++)
        if (!read_param(reader, i, list->list.items[i].value)) return false;
    return true;
}

static bool read_all(Reader *reader, const Value *map)
{
    const Value *named = value_get(map, "named");
    reader->move->named = named && named->kind == VALUE_BOOL && named->boolean;
    return list_states(reader) && read_groups(reader, get_list(map, "groups")) &&
           read_params(reader, get_list(map, "params"));
}

bool plan_read_optimizer(Plan *plan, const Value *map, Error *err)
{
    const Object *root = plan->source ? checkpoint_root(plan->source) : NULL;
    const char *path = value_get_string(map, "path", "");
    const Value *left_out = value_get(map, "left_out");
    OptimizerRule *rule = arena_alloc(plan->arena, sizeof *rule);
    OptimizerMove *move = arena_alloc(plan->arena, sizeof *move);
    rule->from = path;
    move->rule = rule;
    move->node = root ? path_find(root, path) : NULL;
    move->left_out = left_out && left_out->kind == VALUE_BOOL && left_out->boolean;
    Reader reader = {.plan = plan, .move = move, .err = err};
    if (move->left_out) {
        plan->optimizer = move->node ? move : NULL;
        return true;
    }
    if (!move->node || !object_as_dict(move->node))
        return refuse(&reader, "the source has no dict in its place");
    map_init(&reader.by_path);
    map_init(&reader.entries);
    map_init(&reader.done);
    bool fine = read_all(&reader, map);
    map_done(&reader.by_path);
    map_done(&reader.entries);
    map_done(&reader.done);
    plan->optimizer = fine ? move : NULL;
    return fine;
}
