/* Coroutines that share one budget: entering one costs a slice of instructions, because each
 * coroutine's hook counts for itself, and none can be entered once the script has to end. */
#include <lauxlib.h>

#include "scripting/sandbox.h"

/* The first argument, which must be a coroutine. */
static lua_State *check_coroutine(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

/* In the place of a result, where a caller expects a number of them. */
static int raise_if_stopped(lua_State *L)
{
    sandbox_check(L);
    return 0;
}

/* Moves n arguments over and resumes. Returns how many results lie on L, or -1 with the error
 * value there. A stop is raised on here and never returned: resume gives errors as values, and a
 * script could go on after the error that is to end it. */
static int resume_with(lua_State *L, lua_State *co, int n)
{
    sandbox_charge(L, SANDBOX_SLICE);
    if (!lua_checkstack(co, n)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    Sandbox *sandbox = sandbox_of(L);
    int results = 0;
    lua_xmove(L, co, n);
    sandbox->running = co;
    const int status = lua_resume(co, L, n, &results);
    sandbox->running = L;
    if (sandbox->stop) return raise_if_stopped(L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

/* Charged as well: a coroutine is a kilobyte, and a loop that makes them is slow. lua_newthread
 * hands L's hook on, so the new one is watched from its first instruction. */
static int create(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    sandbox_charge(L, SANDBOX_SLICE);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

/* coroutine.resume: true and the results, or false and the error. */
static int resume(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    const int results = resume_with(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, results >= 0);
    lua_insert(L, results >= 0 ? -(results + 1) : -2);
    return results >= 0 ? results + 1 : 2;
}

/* What coroutine.wrap returned. Its errors go on as they are; a coroutine that failed is reset,
 * which frees its stack. */
static int call_wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    const int results = resume_with(L, co, lua_gettop(L));
    if (results >= 0) return results;
    const int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) lua_resetthread(co);
    return sandbox_rethrow(L);
}

/* create checks the argument and leaves the coroutine on top, which becomes the only upvalue. */
static int wrap(lua_State *L)
{
    create(L);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

/* Everything on the stack goes to whoever resumed. */
static int yield(lua_State *L)
{
    return lua_yield(L, lua_gettop(L));
}

/* As the reference manual has it: normal is one that resumed another. One that has not begun yet
 * has its function on the stack; one that has ended, nothing. */
static const char *status_word(lua_State *L, lua_State *co)
{
    lua_Debug at;
    if (L == co) return "running";
    if (lua_status(co) == LUA_YIELD) return "suspended";
    if (lua_status(co) != LUA_OK) return "dead";
    if (lua_getstack(co, 0, &at)) return "normal";
    return lua_gettop(co) ? "suspended" : "dead";
}

static int status(lua_State *L)
{
    lua_pushstring(L, status_word(L, check_coroutine(L)));
    return 1;
}

/* Inside a callback from C, such as each, nothing is. */
static int is_yieldable(lua_State *L)
{
    lua_State *co = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
    lua_pushboolean(L, lua_isyieldable(co));
    return 1;
}

/* The coroutine, and whether it is the main one. */
static int running(lua_State *L)
{
    const int main = lua_pushthread(L);
    lua_pushboolean(L, main);
    return 2;
}

/* No variable can be waiting to be closed, since no metatable has __close: this frees the stack. */
static int close(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    const char *word = status_word(L, co);
    if (word[0] != 's' && word[0] != 'd')
        return sandbox_raise(L, "cannot close a %s coroutine", word);
    sandbox_charge(L, SANDBOX_SLICE);
    if (lua_resetthread(co) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);
    return 2;
}

/* Opens the library; for luaL_requiref. */
int lib_coroutine(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"create", create}, {"resume", resume}, {"wrap", wrap}, {"yield", yield},
        {"status", status}, {"isyieldable", is_yieldable}, {"running", running},
        {"close", close}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
