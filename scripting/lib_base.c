/* The basic functions of Lua, less those that compile, load or steer the collector, and with
 * xpcall and setmetatable in versions that cannot be used to get round the limits. */
#include <lauxlib.h>

#include "scripting/sandbox.h"

/* setmetatable gives Lua a copy of what the script passed. Lua looks at __gc when a metatable is
 * set, but at all others when they are used: with a copy, what is not there when it is set
 * cannot be put there later, and the checks below hold for good. */

/* Metamethods a script may give. The absent ones: finalizers and closing methods run outside
 * the hook's reach, weak tables make the collector's work unbounded. */
static const char *const metamethods[] = {
    "__index", "__newindex", "__call", "__tostring", "__name", "__pairs", "__metatable",
    "__len", "__eq", "__lt", "__le", "__concat", "__unm", "__add", "__sub", "__mul", "__div",
    "__mod", "__pow", "__idiv", "__band", "__bor", "__bxor", "__shl", "__shr", "__bnot",
};
static const char *const refused[] = {"__gc", "__close", "__mode"};

static const char guards_key = 0;   /* registry: metatable as given → its copy */

/* Raises for what a metatable must not hold. A __call that is a callable table would make Lua
 * shift the arguments once for every link of the chain, without the hook. */
static void check_metatable(lua_State *L, int index)
{
    for (size_t i = 0; i < countof(refused); i++) {
        lua_pushstring(L, refused[i]);
        if (lua_rawget(L, index) != LUA_TNIL)
            sandbox_raise(L, "setmetatable: '%s' is not available in rule scripts", refused[i]);
        lua_pop(L, 1);
    }
    lua_pushliteral(L, "__call");
    const int call = lua_rawget(L, index);
    lua_pop(L, 1);
    if (call != LUA_TNIL && call != LUA_TFUNCTION)
        sandbox_raise(L, "setmetatable: '__call' must be a function");
}

/* Pushes the copy of the metatable at `index` that Lua gets to see. It is brought up to date at
 * each setmetatable; what a script changes afterwards does not count before the next one. */
static void push_guard(lua_State *L, int index)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &guards_key);
    lua_pushvalue(L, index);
    if (lua_rawget(L, -2) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, index);
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
    }
    for (size_t i = 0; i < countof(metamethods); i++) {
        lua_pushstring(L, metamethods[i]);
        lua_pushvalue(L, -1);
        lua_rawget(L, index);
        lua_rawset(L, -3);
    }
    lua_pushliteral(L, "__metatable");
    if (lua_rawget(L, -2) == LUA_TNIL) {      /* getmetatable gives the script its own */
        lua_pushliteral(L, "__metatable");
        lua_pushvalue(L, index);
        lua_rawset(L, -4);
    }
    lua_pop(L, 1);
    lua_remove(L, -2);
}

/* Whether the value at 1 has a metatable that a script asked to protect. */
static bool is_protected(lua_State *L)
{
    if (!lua_getmetatable(L, 1)) return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &guards_key);
    lua_pushliteral(L, "__metatable");
    lua_rawget(L, -3);
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    const bool own = lua_rawequal(L, -1, -4);
    lua_pop(L, 4);
    return !own;
}

/* setmetatable(table, metatable): as Lua's, but that it is the copy which is set. */
static int set_metatable(lua_State *L)
{
    const int kind = lua_type(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, kind == LUA_TNIL || kind == LUA_TTABLE, 2, "nil or table");
    if (is_protected(L)) return sandbox_raise(L, "cannot change a protected metatable");
    lua_settop(L, 2);
    if (kind == LUA_TTABLE) {
        check_metatable(L, 2);
        push_guard(L, 2);
    }
    lua_setmetatable(L, 1);
    lua_settop(L, 1);
    return 1;
}

/* A message handler runs where the error was raised: inside the hook, which is deaf then. So
 * the script's handler is not called for the error that ends the script. */
static int handle_message(lua_State *L)
{
    if (sandbox_of(L)->stop) return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* Also the continuation, when the called function yielded: results lie above the two that were
 * put there. */
static int finish_xpcall(lua_State *L, int status, lua_KContext context)
{
    (void)context;
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_pushboolean(L, 0);
        lua_pushvalue(L, -2);
        return 2;
    }
    return lua_gettop(L) - 2;
}

/* xpcall(f, handler, …): yieldable, as Lua's own. */
static int call_protected(lua_State *L)
{
    const int n = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, handle_message, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    return finish_xpcall(L, lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_xpcall), 2);
}

/* Only "count": a script that may stop or tune the collector can make it work without end. */
static int collect_garbage(lua_State *L)
{
    static const char *const options[] = {"count", NULL};
    luaL_checkoption(L, 1, "count", options);
    lua_pushnumber(L, (lua_Number)sandbox_of(L)->memory / 1024);
    return 1;
}

/* print comes back with the facts (facts.c), in a version that keeps the text. */
void lib_base_open(lua_State *L)
{
    static const char *const absent[] = {"load", "loadfile", "dofile", "warn", "print"};
    static const luaL_Reg own[] = {
        {"setmetatable", set_metatable}, {"xpcall", call_protected},
        {"collectgarbage", collect_garbage}, {NULL, NULL},
    };
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &guards_key);
    lua_pushglobaltable(L);
    for (size_t i = 0; i < countof(absent); i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, absent[i]);
    }
    luaL_setfuncs(L, own, 0);
    lua_pop(L, 1);
}
