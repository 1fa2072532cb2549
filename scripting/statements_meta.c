/* The statement meta{…} and meta.keep(…): what an output holds beside its tensors. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "loader/format/graph.h"
#include "scripting/statements.h"

/* A number, a boolean or a text at `index`; NULL for anything else. */
static Object *make_plain(Call *call, int index)
{
    lua_State *L = call->L;
    Arena *arena = draft_arena(call->script->draft);
    Object *object;
    switch (lua_type(L, index)) {
    case LUA_TSTRING: return object_str(arena, take_name(call, index, NULL));
    case LUA_TBOOLEAN:
        object = object_new(arena, OBJ_BOOL);
        object->boolean = lua_toboolean(L, index);
        return object;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index)) return object_int(arena, lua_tointeger(L, index));
        object = object_new(arena, OBJ_FLOAT);
        object->number = lua_tonumber(L, index);
        return object;
    default: return NULL;
    }
}

/* A list of those, at the top of the stack. */
static Object *make_list(Call *call)
{
    lua_State *L = call->L;
    const int list = lua_gettop(L);
    Arena *arena = draft_arena(call->script->draft);
    Object *object = object_new(arena, OBJ_LIST);
    const size_t n = lua_rawlen(L, list);
    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(L, list, (lua_Integer)i);
        Object *item = make_plain(call, -1);
        lua_pop(L, 1);
        if (!item) return NULL;
        object_push(arena, object, item);
    }
    return n ? object : NULL;
}

static int compare_rules(const void *a, const void *b)
{
    return strcmp(((const MetaRule *)a)->key, ((const MetaRule *)b)->key);
}

static size_t count_fields(lua_State *L)
{
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) count++;
    return count;
}

/* One field: its key below its value on the stack. */
static bool take_entry(Call *call, MetaRule *rule, Error *err)
{
    lua_State *L = call->L;
    if (lua_type(L, -2) != LUA_TSTRING)
        return error_set(err, ERR_RULE, "meta: every value needs its key, as in format=\"pt\"");
    rule->origin = call->origin;
    rule->key = take_name(call, -2, err);
    rule->object = lua_type(L, -1) == LUA_TTABLE ? make_list(call) : make_plain(call, -1);
    return (rule->object && *rule->key) ||
           error_set(err, ERR_RULE, "meta: '%.60s' must be text, a number, true, false, or a "
                     "list of these, got %s", rule->key, type_name(L, -1));
}

/* Charged for looking through what is there. */
static bool add_rule(Call *call, const MetaRule *rule, Error *err)
{
    Later *later = draft_later(call->script->draft);
    if (!sandbox_spend(&call->script->sandbox, later->meta_count))
        return error_set(err, ERR_LIMIT, "over the limit");
    later_meta(later, rule);
    return true;
}

/* In the order of the alphabet, since a Lua table has none. */
bool run_meta(Call *call, Error *err)
{
    lua_State *L = call->L;
    Draft *draft = call->script->draft;
    if (!check_count(call, 1, err)) return false;
    if (lua_type(L, 1) != LUA_TTABLE) return expected(call, 1, "{key=value, …}", err);
    const size_t n = count_fields(L);
    MetaRule *rules = arena_alloc(draft_arena(draft), (n + 1) * sizeof *rules);
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
        if (!take_entry(call, &rules[count++], err)) return false;
    if (!n) return error_set(err, ERR_RULE, "meta: nothing is given, as in {format=\"pt\"}");
    qsort(rules, n, sizeof *rules, compare_rules);
    bool good = true;
    for (size_t i = 0; good && i < n; i++) good = add_rule(call, &rules[i], err);
    return good;
}

/* ---- meta.keep ---- */

/* Whether a node is data that every reader of a .pth takes. */
static bool is_plain(const Object *node)
{
    switch ((ObjectKind)node->kind) {
    case OBJ_NONE: case OBJ_BOOL: case OBJ_INT: case OBJ_BIGINT: case OBJ_FLOAT: case OBJ_STR:
    case OBJ_TUPLE: case OBJ_LIST: case OBJ_DICT: return true;
    default: return false;
    }
}

/* All of it; two walks leave the marks as they were. */
static bool is_all_plain(const Object *object)
{
    bool plain = true;
    for (uint8_t seen = 1; seen < 2; seen--) {
        Graph graph;
        graph_init(&graph, (Object *)object, seen);
        for (const Object *node; (node = graph_next(&graph));) plain = plain && is_plain(node);
        graph_done(&graph);
    }
    return plain;
}

/* The last part of a path is the key in the output: "args.lr" gives lr. Keys of metadata are no
 * paths. */
static const char *last_part(const Draft *draft, const char *path)
{
    const char *dot = draft_has_tree(draft) ? strrchr(path, '.') : NULL;
    return dot && dot[1] ? dot + 1 : path;
}

/* Looked up now, so that an error has its line. */
bool run_meta_keep(Call *call, Error *err)
{
    Draft *draft = call->script->draft;
    const char *const *paths;
    size_t n;
    if (!check_fields(call, 1, NULL, 0, err) || !take_names(call, 1, &paths, &n, err)) return false;
    for (size_t i = 0; i < n; i++) {
        const Object *object = draft_object(draft, paths[i], err);
        if (!object) return error_prefix(err, "%s", call->name);
        if (object->kind == OBJ_FAR)
            return error_set(err, ERR_RULE, "%s: '%.60s' is too long to be kept", call->name,
                             paths[i]);
        if (!is_all_plain(object))
            return error_set(err, ERR_RULE, "%s: '%.60s' holds more than numbers, text, lists and "
                             "dicts; --whole carries it", call->name, paths[i]);
        const MetaRule rule = {call->origin, last_part(draft, paths[i]), object};
        if (!add_rule(call, &rule, err)) return false;
    }
    return true;
}
