/* What rule text needs of Lua: `{expressions}` in names, the list of ops right of |>, and the
 * functions that stand in it. Called from C in the middle of a statement, so that everything
 * runs under pcall and errors come back as Error.
 *
 * Each kind of call has a struct that carries its arguments in and its results out, and a
 * function of Lua's form that pcall runs with a pointer to it. Results are written to C memory
 * (arena or Text) that outlives the call; a Lua error in between loses none of it. */
#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "scripting/script_state.h"

static const char scope_key = 0;         /* registry: captures, with the globals behind them */
static const char functions_key = 0;     /* registry: functions of the statement that runs */

/* One table for the functions of ops and the compiled expressions: references into it are the
 * handles that C keeps while the statement runs. */
void host_push_functions(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &functions_key);
}

/* Called by every statement that takes rule text or ops, before it reads them. */
void host_begin(lua_State *L)
{
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &functions_key);
}

/* ---- {expressions} ---- */

typedef struct Compiling {
    const char *text;            /* [n] of the braces' inside; borrowed */
    size_t n;
    int handle;                  /* result: a reference into the table of functions */
} Compiling;

/* The chunk's only upvalue is _ENV: it becomes the scope, where captures stand before globals. */
static int compile_protected(lua_State *L)
{
    Compiling *compiling = lua_touserdata(L, 1);
    if (sandbox_load(L, "return ", compiling->text, compiling->n, "=expression") != LUA_OK)
        return sandbox_rethrow(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &scope_key);
    if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
    host_push_functions(L);
    lua_insert(L, -2);
    compiling->handle = luaL_ref(L, -2);
    return 0;
}

/* ExprHost.compile. The error has no place: the parser knows the line. */
static int compile_expression(void *host, const char *text, size_t n, Error *err)
{
    Script *script = host;
    Compiling compiling = {text, n, -1};
    if (!script_protect(script, compile_protected, &compiling, true, err)) return -1;
    return compiling.handle;
}

typedef struct Evaluating {
    Script *script;
    int handle;                  /* of the compiled expression */
    const Captures *captures;    /* of the key at hand */
    Text *out;                   /* the name so far; the result is appended */
    Error *err;
    bool ok;                     /* result: false when the value is none that a name can hold */
} Evaluating;

/* Numeric captures are numbers, so that {i+1} is arithmetic. */
static void push_capture(lua_State *L, const Capture *capture)
{
    if (capture->numeric) lua_pushinteger(L, capture->number);
    else push_held(L, capture->text, capture->length);
}

/* Puts the captures into the scope table at the top, and takes the last ones out. */
static void set_scope(lua_State *L, Script *script, const Captures *captures)
{
    for (size_t i = 0; i < script->scope_count; i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, script->scope[i]);
    }
    script->scope_count = 0;
    for (size_t i = 0; i < captures->named_count; i++) {
        const Capture *const capture = &captures->named[i];
        if (!capture->name) continue;
        script->scope = mem_grow(script->scope, &script->scope_room, script->scope_count + 1,
                                 sizeof *script->scope);
        script->scope[script->scope_count++] = capture->name;
        lua_pushstring(L, capture->name);
        push_capture(L, capture);
        lua_rawset(L, -3);
    }
}

/* A result as text: a non-negative whole number, or a string. */
static bool add_result(lua_State *L, Evaluating *evaluating)
{
    int whole;
    if (lua_type(L, -1) == LUA_TSTRING) {
        size_t n;
        const char *text = lua_tolstring(L, -1, &n);
        for (size_t i = 0; i < n; i++) {
            if (text[i]) text_addc(evaluating->out, text[i]);
            else text_add(evaluating->out, "\xC0\x80");
        }
        return true;
    }
    const lua_Integer number = lua_tointegerx(L, -1, &whole);
    if (whole && number >= 0) {
        text_addf(evaluating->out, "%lld", (long long)number);
        return true;
    }
    if (lua_type(L, -1) != LUA_TNUMBER)
        return error_set(evaluating->err, ERR_RULE,
                         "gives %s, and must give a whole number or text", type_name(L, -1));
    return error_set(evaluating->err, ERR_RULE, "gives %.14g, and must give a whole number from 0",
                     lua_tonumber(L, -1));
}

/* The function is called anew for every key; it may call what the script defined. */
static int evaluate_protected(lua_State *L)
{
    Evaluating *evaluating = lua_touserdata(L, 1);
    sandbox_charge(L, 20);
    host_push_functions(L);
    lua_rawgeti(L, -1, evaluating->handle);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &scope_key);
    set_scope(L, evaluating->script, evaluating->captures);
    lua_pop(L, 1);
    lua_call(L, 0, 1);
    evaluating->ok = add_result(L, evaluating);
    return 0;
}

/* ExprHost.evaluate. The template puts the expression and the key before the error. */
static bool evaluate_expression(void *host, int handle, const Captures *captures, Text *out,
                                Error *err)
{
    Script *script = host;
    Evaluating evaluating = {script, handle, captures, out, err, false};
    return script_protect(script, evaluate_protected, &evaluating, true, err) && evaluating.ok;
}

/* ---- the ops of a rule ---- */

typedef struct OpsText {
    Script *script;
    Arena *arena;                /* for the ops */
    const char *text;            /* [n] right of |>; borrowed from the rule text */
    size_t n;
    int line;                    /* of the file, where the text begins */
    Op *ops;                     /* result: [count] */
    size_t count;
    Error *err;
    bool ok;                     /* result: false when one of the values is no op */
} OpsText;

/* Op `i` is nil: a name that is not known, more often than not. */
static bool refuse_nil(const OpsText *ops, size_t i)
{
    size_t n = ops->n < 80 ? ops->n : 80;
    while (n && (ops->text[n - 1] == ' ' || ops->text[n - 1] == '\n')) n--;
    return error_set(ops->err, ERR_RULE, "op %zu of '%.*s' is nil; ops are %s, %s, %s … and "
                     "functions", i + 1, (int)n, ops->text, op_name(OP_T), op_name(OP_SPLIT),
                     op_name(OP_PERMUTE));
}

/* `return LIST` as a chunk called FILE:LINE, from which messages.c makes the true line again.
 * The list is evaluated once a rule, when captures are not known yet; functions wait. */
static int ops_protected(lua_State *L)
{
    OpsText *ops = lua_touserdata(L, 1);
    const Chunk *chunk = &ops->script->chunks[ops->script->running];
    lua_pushfstring(L, "=%s:%d", chunk->shown, ops->line);
    if (sandbox_load(L, "return ", ops->text, ops->n, lua_tostring(L, -1)) != LUA_OK)
        return sandbox_rethrow(L);
    const int before = lua_gettop(L) - 1;
    lua_call(L, 0, LUA_MULTRET);
    const int results = lua_gettop(L) - before;
    luaL_checkstack(L, 4, "too many ops");
    host_push_functions(L);
    const int functions = lua_gettop(L);
    ops->count = (size_t)results;
    ops->ops = arena_alloc(ops->arena, (ops->count + 1) * sizeof *ops->ops);
    ops->ok = true;
    for (size_t i = 0; i < ops->count && ops->ok; i++) {
        const int at = before + 1 + (int)i;
        ops->ok = lua_isnil(L, at) ? refuse_nil(ops, i)
                                   : op_take(L, at, functions, &ops->ops[i], ops->err);
    }
    return 0;
}

/* RuleHost.compile_ops. The error names the line of the text right of |>, which may be a later
 * one than the rule's. */
static bool compile_ops(void *host, Arena *arena, const char *text, size_t n, int line,
                        const Op **out, size_t *count, Error *err)
{
    OpsText ops = {.script = host, .arena = arena, .text = text, .n = n, .line = line, .err = err};
    if (!script_protect(host, ops_protected, &ops, false, err) || !ops.ok) return false;
    *out = ops.ops;
    *count = ops.count;
    return true;
}

/* ---- functions as ops ---- */

typedef struct Calling {
    const Op *op;                /* FUNCTION: its reference */
    const OpContext *context;    /* captures, right-hand names, target */
    RuleValue *value;            /* in: the sources; out: what the function returned */
    Error *err;
    bool ok;                     /* result: false when it returned no tensors */
} Calling;

/* m: the captures, m.key, m.names, and the target tensor of the first right-hand name. */
static void push_match(lua_State *L, const OpContext *context)
{
    lua_newtable(L);
    if (context->captures && context->captures->key) {
        push_name(L, context->captures->key);
        lua_setfield(L, -2, "key");
    }
    lua_createtable(L, (int)context->name_count, 0);
    for (size_t i = 0; i < context->name_count; i++) {
        push_name(L, context->names[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "names");
    const Tensor *target = context->target && context->name_count
                               ? dict_find(context->target, context->names[0]) : NULL;
    if (target) {
        tensor_push(L, expr_target(context->arena, target), target->name);
        lua_setfield(L, -2, "target");
    }
    for (size_t i = 0; context->captures && i < context->captures->named_count; i++) {
        if (!context->captures->named[i].name) continue;
        push_capture(L, &context->captures->named[i]);
        lua_setfield(L, -2, context->captures->named[i].name);
    }
}

/* One source: a tensor, or a list of those that were gathered. */
static void push_list(lua_State *L, const ExprList *list)
{
    if (list->count == 1 && !list->gathered) {
        tensor_push(L, list->items[0], NULL);
        return;
    }
    lua_createtable(L, (int)list->count, 0);
    for (size_t i = 0; i < list->count; i++) {
        tensor_push(L, list->items[i], NULL);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* The results, tensors or one list of them, become the value. */
static bool take_results(lua_State *L, Calling *calling, int first)
{
    if (lua_type(L, first) == LUA_TTABLE && lua_gettop(L) == first) {
        const lua_Integer n = (lua_Integer)lua_rawlen(L, first);
        luaL_checkstack(L, (int)(n < 100000 ? n : 100000) + 4, "too many tensors");
        for (lua_Integer i = 1; i <= n; i++) lua_rawgeti(L, first, i);
        first++;
    }
    const int n = lua_gettop(L) - first + 1;
    if (n <= 0) return error_set(calling->err, ERR_RULE, "the function returned nothing; it has to "
                                 "return a tensor");
    Arena *arena = calling->context->arena;
    ExprList *list = arena_alloc(arena, sizeof *list);
    list->items = arena_alloc(arena, (size_t)n * sizeof *list->items);
    list->count = (size_t)n;
    for (int i = 0; i < n; i++) {
        list->items[i] = tensor_at(L, first + i);
        if (!list->items[i])
            return error_set(calling->err, ERR_RULE, "the function returned %s; it has to return "
                             "a tensor", type_name(L, first + i));
    }
    *calling->value = (RuleValue){list, 1};
    return true;
}

/* The arguments: a value for each source, then m. */
static int call_protected(lua_State *L)
{
    Calling *calling = lua_touserdata(L, 1);
    sandbox_charge(L, 50);
    host_push_functions(L);
    lua_rawgeti(L, -1, calling->op->function);
    luaL_checkstack(L, (int)calling->value->count + 8, "too many sources");
    for (size_t i = 0; i < calling->value->count; i++) push_list(L, &calling->value->lists[i]);
    push_match(L, calling->context);
    lua_call(L, (int)calling->value->count + 1, LUA_MULTRET);
    calling->ok = take_results(L, calling, 3);
    return 0;
}

/* OpContext.call. Several results, or one list of them, become one list, as after split. */
bool host_call(void *host, const Op *op, const OpContext *context, RuleValue *value, Error *err)
{
    Calling calling = {op, context, value, err, false};
    return script_protect(host, call_protected, &calling, false, err) && calling.ok;
}

/* The scope table falls back on the globals for reading and for writing, so that a function in
 * an expression can count in a global. */
void host_open(Script *script)
{
    lua_State *L = script->L;
    script->host.host = script;
    script->host.compile_ops = compile_ops;
    script->host.expressions = (ExprHost){compile_expression, evaluate_expression, script};
    lua_newtable(L);                          /* captures … */
    lua_newtable(L);
    lua_pushglobaltable(L);                   /* … before globals */
    lua_setfield(L, -2, "__index");
    lua_pushglobaltable(L);
    lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &scope_key);
    host_begin(L);
}
