/* Lua values as Values and back: what JSON files and functions of the host give scripts, and what
 * scripts give such functions. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "loader/core/json.h"
#include "scripting/script_state.h"

/* The depth is JSON_DEPTH at most, and so is the recursion. A null in a list or map leaves its
 * place out, as assigning nil does: there is no nil inside a Lua table. */
void push_value(lua_State *L, const Value *value)
{
    luaL_checkstack(L, 4, "value");
    sandbox_charge(L, 4);
    switch (value->kind) {
    case VALUE_NULL: lua_pushnil(L); return;
    case VALUE_BOOL: lua_pushboolean(L, value->boolean); return;
    case VALUE_INT: lua_pushinteger(L, value->integer); return;
    case VALUE_FLOAT: lua_pushnumber(L, value->number); return;
    case VALUE_STRING: push_name(L, value->string); return;
    case VALUE_LIST: case VALUE_MAP: break;
    }
    lua_newtable(L);
    for (size_t i = 0; i < value->list.count; i++) {
        const ValueItem *const item = &value->list.items[i];
        if (value->kind == VALUE_MAP) push_name(L, item->key);
        else lua_pushinteger(L, (lua_Integer)i + 1);
        push_value(L, item->value);
        lua_rawset(L, -3);
    }
}

/* A text of Lua's, which may hold NULs, as a name is held. */
static const char *hold(lua_State *L, Arena *arena, int index)
{
    size_t n;
    const char *text = lua_tolstring(L, index, &n);
    return name_hold(arena, text, n);
}

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const ValueItem *)a)->key, ((const ValueItem *)b)->key);
}

static Value *take_any(lua_State *L, Arena *arena, int index, int depth);

/* A table with a list part is a list, any other one a map in the order of the alphabet, since
 * Lua's has none. NULL where it is both, or something in it is no plain value. */
static Value *take_table(lua_State *L, Arena *arena, int index, int depth)
{
    const size_t n = lua_rawlen(L, index);
    Value *list = n ? value_list(arena) : value_map(arena);
    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(L, index, (lua_Integer)i);
        Value *value = take_any(L, arena, lua_gettop(L), depth + 1);
        lua_pop(L, 1);
        if (!value) return NULL;
        value_push(arena, list, value);
    }
    size_t fields = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        fields++;
        if (n) continue;
        Value *value = lua_type(L, -2) == LUA_TSTRING
                           ? take_any(L, arena, lua_gettop(L), depth + 1) : NULL;
        if (!value) {
            lua_pop(L, 2);
            return NULL;
        }
        value_put(arena, list, hold(L, arena, -2), value);
    }
    if (n && fields != n) return NULL;
    if (!n && fields) qsort(list->list.items, fields, sizeof(ValueItem), compare_items);
    return list;
}

/* `index` is absolute. A tensor is its name. */
static Value *take_any(lua_State *L, Arena *arena, int index, int depth)
{
    enum { DEPTH = 16, COST = 200 };     /* the cost bounds what tables in each other unfold to */
    if (depth > DEPTH || !sandbox_spend(sandbox_of(L), COST) || !lua_checkstack(L, 6)) return NULL;
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN: return value_bool(arena, lua_toboolean(L, index));
    case LUA_TNUMBER:
        return lua_isinteger(L, index) ? value_int(arena, lua_tointeger(L, index))
                                       : value_float(arena, lua_tonumber(L, index));
    case LUA_TSTRING: return value_string(arena, hold(L, arena, index));
    case LUA_TTABLE: return take_table(L, arena, index, depth);
    case LUA_TNIL: return value_null(arena);
    default: return NULL;
    }
}

Value *take_value(lua_State *L, Arena *arena, int index)
{
    return take_any(L, arena, lua_absindex(L, index), 0);
}
