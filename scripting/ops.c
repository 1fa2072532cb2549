/* Ops as Lua values: `T`, `split(3)`, `fit(0, zeros)`. An op that stands bare is one without
 * arguments; calling it gives one with them.
 *
 * The table OPS (loader/align/op.h) says which ops there are; what each takes is read in
 * op_build.c. */
#include <string.h>

#include <lauxlib.h>

#include "scripting/script_state.h"

static const char op_key = 0;        /* registry: the metatable of op values */

typedef struct OpValue {
    Op op;                           /* only its kind, while not called */
    bool called;                     /* it has its arguments, which lie in the draft's arena */
    unsigned era;                    /* of that draft */
} OpValue;

/* The op at `index`; NULL for anything else, and where its arguments are gone with their draft.
 * Told by its metatable, which no script can set. */
static OpValue *op_value(lua_State *L, int index)
{
    OpValue *value = lua_touserdata(L, index);
    if (!value || !lua_getmetatable(L, index)) return NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &op_key);
    const bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same && (!value->called || value->era == script_of(L)->era) ? value : NULL;
}

bool op_is(lua_State *L, int index)
{
    return op_value(L, index) != NULL;
}

bool op_look(lua_State *L, int index, Op *op, bool *called)
{
    const OpValue *value = op_value(L, index);
    if (!value) return false;
    *op = value->op;
    *called = value->called;
    return true;
}

/* A bare op is built here, without arguments, so that `permute` alone complains as permute()
 * would. `functions` 0: functions are not wanted. A function is kept in that table, and the op
 * has its reference number: an op is plain memory that the collector does not look into. */
bool op_take(lua_State *L, int index, int functions, Op *op, Error *err)
{
    const OpValue *value = op_value(L, index);
    if (value && value->called) *op = value->op;
    else if (value) return op_build(L, value->op.kind, 1, 0, op, err);
    if (value) return true;
    if (lua_type(L, index) != LUA_TFUNCTION || !functions)
        return error_set(err, ERR_RULE, "expected an op such as T or split(3), or a function, "
                         "got %s", type_name(L, index));
    lua_pushvalue(L, index);
    *op = (Op){.kind = OP_FUNCTION, .function = luaL_ref(L, functions)};
    return true;
}

/* Ops are values of their own kind, not tables: a script can neither change nor fake one. The new
 * one is on top of the stack, and the pointer good for as long as it is reachable. */
static OpValue *push_op(lua_State *L, OpKind kind)
{
    OpValue *value = lua_newuserdatauv(L, sizeof *value, 0);
    *value = (OpValue){.op = {.kind = kind}, .era = script_of(L)->era};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &op_key);
    lua_setmetatable(L, -2);
    return value;
}

/* An op by itself does nothing; who writes it on a line of its own means all tensors. At the prompt
 * it is shown, like any value. */
static bool is_thrown_away(lua_State *L, OpKind kind)
{
    Script *script = script_of(L);
    Origin origin;
    const Chunk *chunk;
    place_find(script, L, &origin, &chunk);
    if (!chunk || chunk_is_typed(chunk)) return false;
    if (chunk->text == script->taken_text && origin.line == script->taken_line &&
        (int)kind == script->taken_kind)
        return false;
    if (bare_call(chunk, origin.line, op_name(kind))) return true;
    script->taken_text = chunk->text;
    script->taken_line = origin.line;
    script->taken_kind = (int)kind;
    return false;
}

/* split(3): a new op; the bare one stays as it is, being a global that is used again. Its
 * arguments begin at 2, since __call passes the op itself first. */
static int call_op(lua_State *L)
{
    Error err;
    const OpValue *const bare = op_value(L, 1);
    if (!bare) return sandbox_raise(L, "an op was expected");
    if (bare->called)
        return sandbox_raise(L, "%s is no function to be called", op_name(bare->op.kind));
    Op op;
    if (!op_build(L, bare->op.kind, 2, lua_gettop(L), &op, &err))
        return sandbox_raise(L, "%s", err.text);
    if (is_thrown_away(L, op.kind)) {
        Text *shown = &script_of(L)->scratch;
        text_clear(shown);
        op_show(&op, shown);
        return sandbox_raise(L, "%s does nothing by itself; for all tensors: "
                             "rules [[ ** -> ** |> %s ]]", text_string(shown), text_string(shown));
    }
    OpValue *value = push_op(L, bare->op.kind);
    value->op = op;
    value->called = true;
    return 1;
}

/* As reports show it. */
static int show_op(lua_State *L)
{
    const OpValue *const value = op_value(L, 1);
    if (!value) return sandbox_raise(L, "an op was expected");
    Text *out = &script_of(L)->scratch;
    text_clear(out);
    if (value->called) op_show(&value->op, out);
    else text_add(out, op_name(value->op.kind));
    lua_pushstring(L, text_string(out));
    return 1;
}

/* `t` is another name of T. */
void ops_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"__call", call_op}, {"__tostring", show_op}, {NULL, NULL}};
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushliteral(L, "op");
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &op_key);
    for (int kind = 0; kind < OP_FUNCTION; kind++) {
        push_op(L, (OpKind)kind);
        lua_setglobal(L, op_name((OpKind)kind));
    }
    push_op(L, OP_T);
    lua_setglobal(L, "t");
}
