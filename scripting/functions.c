/* Functions of the host: each global calls it with its arguments as plain values, and gives the
 * script plain values back. What a value looks like when it is shown is the host's text, behind
 * __tostring. */
#include <string.h>

#include <lauxlib.h>

#include "scripting/script_state.h"

bool functions_allow(const Script *script, const char *statement, Error *err)
{
    const ScriptFunctions *functions = script->functions;
    if (!functions || !functions->allow) return true;
    return functions->allow(functions->context, statement, err);
}

/* The value's own text, an upvalue. */
static int show_answer(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    return 1;
}

/* The table on top of the stack gets the text that it looks like. */
static void attach_text(lua_State *L, const Text *shown)
{
    const size_t n = shown->length;      /* whoever shows it ends the line */
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, text_string(shown), n - (shown->bytes[n - 1] == '\n'));
    lua_pushcclosure(L, show_answer, 1);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "answer");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

/* Under pcall, since the answer is freed behind it. Leaves the value as its result. */
static int push_answer(lua_State *L)
{
    const ScriptAnswer *answer = lua_touserdata(L, 1);
    if (answer->value) push_value(L, answer->value);
    if (answer->value && answer->shown.length && lua_istable(L, -1))
        attach_text(L, &answer->shown);
    return answer->value ? 1 : 0;
}

/* The arguments as a LIST; nil at the end is as good as none. */
static Value *take_arguments(lua_State *L, Arena *arena, Error *err)
{
    Value *list = value_list(arena);
    int n = lua_gettop(L);
    while (n && lua_isnil(L, n)) n--;
    for (int i = 1; i <= n; i++) {
        Value *value = take_value(L, arena, i);
        if (!value) {
            error_set(err, ERR_RULE, "argument %d is %s; it takes text, numbers, true or false, "
                      "and tables of these", i, type_name(L, i));
            return NULL;
        }
        value_push(arena, list, value);
    }
    return list;
}

/* Everything that the call made is freed before an error is raised. */
static int call_function(lua_State *L)
{
    Script *script = script_of(L);
    const ScriptFunctions *functions = script->functions;
    const size_t index = (size_t)lua_tointeger(L, lua_upvalueindex(1));
    const char *name = functions->words[index].name;
    Error *err = &script->error;
    preset_flush(L);
    if (script->busy)
        return sandbox_raise(L, "%s cannot be called while %s runs", name, script->busy);
    sandbox_charge(L, 100);
    Arena *arena = arena_new();
    ScriptAnswer answer = {0};
    lua_State *const before = script->current;
    script->current = L;
    const Value *arguments = take_arguments(L, arena, err);
    bool ok = arguments &&
              functions->call(functions->context, index, arguments, arena, &answer, err);
    script->current = before;
    sandbox_mark(&script->sandbox);
    int status = LUA_OK, top = lua_gettop(L);
    if (ok && !answer.value && answer.shown.length)
        print_text(script, answer.shown.bytes, answer.shown.length);
    if (ok && lua_checkstack(L, 4)) {
        lua_pushcfunction(L, push_answer);
        lua_pushlightuserdata(L, &answer);
        status = lua_pcall(L, 1, LUA_MULTRET, 0);
    }
    if (answer.stop && !script->sandbox.stop) script->sandbox.stop = STOP_INTERRUPT;
    text_done(&answer.shown);
    arena_free(arena);
    sandbox_check(L);
    if (!ok) return sandbox_raise(L, "%s: %s", name, err->text);
    if (status != LUA_OK) return sandbox_rethrow(L);
    return lua_gettop(L) - top;
}

void functions_open(lua_State *L)
{
    const ScriptFunctions *functions = script_of(L)->functions;
    for (size_t i = 0; functions && i < functions->count; i++) {
        lua_pushinteger(L, (lua_Integer)i);
        lua_pushcclosure(L, call_function, 1);
        lua_setglobal(L, functions->words[i].name);
    }
}
