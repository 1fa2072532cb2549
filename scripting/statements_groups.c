/* The statements freeze, group and buffers: what an optimizer is to make of the parameters. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "scripting/statements.h"

/* Compiled patterns of names in the draft's arena. */
static bool compile_all(Call *call, const char *const *texts, size_t n, Patterns *patterns,
                        Error *err)
{
    const Pattern **list = arena_alloc(draft_arena(call->script->draft), (n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++)
        if (!(list[i] = compile_pattern(call, texts[i], err))) return false;
    *patterns = (Patterns){list, n};
    return true;
}

/* Patterns from the arguments, or from the list part of a table; at least one. */
static bool take_what(Call *call, Patterns *patterns, Error *err)
{
    const char *const *texts;
    size_t n;
    return take_names(call, 1, &texts, &n, err) && compile_all(call, texts, n, patterns, err);
}

/* freeze("a.**", "b.**") or freeze{"**", except="fc.*", loaded=true}. */
bool run_freeze(Call *call, Error *err)
{
    static const char *const fields[] = {"except", "loaded"};
    FreezeRule rule = {.origin = call->origin};
    const char *const *except;
    size_t n = 0;
    if (!check_fields(call, 1, fields, countof(fields), err) || !take_what(call, &rule.what, err))
        return false;
    if (lua_type(call->L, 1) == LUA_TTABLE) {
        lua_pushliteral(call->L, "except");
        lua_rawget(call->L, 1);
        if (!take_list(call, -1, &except, &n, err)) return error_prefix(err, "except");
        if (!compile_all(call, except, n, &rule.except, err) ||
            !take_flag(call, 1, "loaded", &rule.loaded, err))
            return false;
    }
    later_freeze(draft_later(call->script->draft), &rule);
    return true;
}

/* buffers{"**.inv_freq", only=true}. */
bool run_buffers(Call *call, Error *err)
{
    static const char *const fields[] = {"only"};
    BufferRule rule = {.origin = call->origin};
    if (!check_fields(call, 1, fields, countof(fields), err) || !take_what(call, &rule.what, err) ||
        !take_flag(call, 1, "only", &rule.only, err))
        return false;
    later_buffers(draft_later(call->script->draft), &rule);
    return true;
}

/* ---- group ---- */

/* A number, a boolean or a text; NULL for anything else, without an error. */
static Value *take_plain(Call *call, int index)
{
    lua_State *L = call->L;
    Arena *arena = draft_arena(call->script->draft);
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN: return value_bool(arena, lua_toboolean(L, index));
    case LUA_TNUMBER:
        return lua_isinteger(L, index) ? value_int(arena, lua_tointeger(L, index))
                                       : value_float(arena, lua_tonumber(L, index));
    case LUA_TSTRING: return value_string(arena, take_name(call, index, NULL));
    default: return NULL;
    }
}

/* betas={0.9, 0.999}: the list on the top of the stack, of numbers alone. */
static Value *take_numbers(Call *call)
{
    lua_State *L = call->L;
    const int list = lua_gettop(L);
    Arena *arena = draft_arena(call->script->draft);
    Value *numbers = value_list(arena);
    const size_t n = lua_rawlen(L, list);
    for (size_t i = 1; i <= n; i++) {
        const bool number = lua_rawgeti(L, list, (lua_Integer)i) == LUA_TNUMBER;
        if (number) value_push(arena, numbers, take_plain(call, -1));
        lua_pop(L, 1);
        if (!number) return NULL;
    }
    return n ? numbers : NULL;
}

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const ValueItem *)a)->key, ((const ValueItem *)b)->key);
}

/* Why an option is refused; NULL: it is fine. `params` and `names` are PyTorch's own. */
static const char *find_fault(const char *name, const Value *value)
{
    if (!*name) return "has no name";
    if (strcmp(name, "params") == 0 || strcmp(name, "names") == 0 ||
        strcmp(name, "param_names") == 0)
        return "is what the group itself says";
    return value ? NULL : "must be a number, true, false, text, or a list of numbers";
}

/* The options at `index`, in the order of the alphabet, since a Lua table has none. */
static const Value *take_options(Call *call, int index, Error *err)
{
    lua_State *L = call->L;
    Arena *arena = draft_arena(call->script->draft);
    Value *options = value_map(arena);
    if (lua_rawlen(L, index)) {
        error_set(err, ERR_RULE, "group: every option needs its name, as in {lr=0.01}");
        return NULL;
    }
    lua_pushnil(L);
    while (lua_next(L, index)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? take_name(call, -2, NULL) : "";
        Value *value = lua_type(L, -1) == LUA_TTABLE ? take_numbers(call) : take_plain(call, -1);
        const char *fault = find_fault(name, value);
        lua_pop(L, 1);
        if (fault) {
            error_set(err, ERR_RULE, "group: '%.60s' %s", name, fault);
            return NULL;
        }
        value_put(arena, options, name, value);
    }
    if (options->list.count)
        qsort(options->list.items, options->list.count, sizeof(ValueItem), compare_items);
    return options;
}

/* group("head.**", {lr=1e-2}), group({"a.*", "b.*"}, {…}), and group{lr=1e-3} for the rest. */
bool run_group(Call *call, Error *err)
{
    GroupRule rule = {.origin = call->origin};
    const char *const *texts;
    size_t n;
    const bool rest = lua_gettop(call->L) == 1 && lua_type(call->L, 1) == LUA_TTABLE;
    if (!check_count(call, 2, err)) return false;
    if (!rest) {
        if (!check_fields(call, 1, NULL, 0, err) || !take_list(call, 1, &texts, &n, err))
            return false;
        if (!n) return expected(call, 1, "a pattern, or a list of patterns", err);
        if (lua_type(call->L, 2) != LUA_TTABLE) return expected(call, 2, "{lr=…, …}", err);
        if (!compile_all(call, texts, n, &rule.what, err)) return false;
    }
    if (!(rule.options = take_options(call, rest ? 1 : 2, err))) return false;
    later_group(draft_later(call->script->draft), &rule);
    return true;
}
