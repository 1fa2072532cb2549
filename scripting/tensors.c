/* Symbolic tensors as Lua values: handles on expressions of the draft's arena. They know shape
 * and dtype, never values; every operation builds a new expression and is checked at once.
 *
 * A handle owns nothing: it may be kept in a global, used in a later statement, collected or
 * not; once the script has gone on with another draft it is refused. What scripts make of tensors
 * lies in the draft's arena and counts as their memory. */
#include <string.h>

#include <lauxlib.h>

#include "loader/tensor/layout.h"
#include "scripting/script_state.h"

static const char tensor_key = 0;    /* registry: the metatable of tensors */
static const char methods_key = 0;   /* registry: method name → function */

typedef struct TensorValue {
    const Expr *expr;                /* in the draft's arena */
    const char *name;                /* where it is known; else NULL */
    unsigned era;                    /* of the draft; of an earlier one it is nothing any more */
} TensorValue;

/* Told by its metatable, which no script can set; NULL for any other value, and for tensors of a
 * draft that is gone. Leaves the stack as it was. */
static TensorValue *tensor_value(lua_State *L, int index)
{
    TensorValue *value = lua_touserdata(L, index);
    if (!value || !lua_getmetatable(L, index)) return NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tensor_key);
    const bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same && value->era == script_of(L)->era ? value : NULL;
}

/* The expression is the draft's and outlives the handle. */
const Expr *tensor_at(lua_State *L, int index)
{
    const TensorValue *value = tensor_value(L, index);
    return value ? value->expr : NULL;
}

/* `name` is borrowed; it only serves to be shown. */
void tensor_push(lua_State *L, const Expr *expr, const char *name)
{
    TensorValue *value = lua_newuserdatauv(L, sizeof *value, 0);
    *value = (TensorValue){expr, name, script_of(L)->era};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tensor_key);
    lua_setmetatable(L, -2);
}

/* Raises, naming the operation, when it is something else: t.slice(0, 1) for t:slice(0, 1). */
static const TensorValue *check_tensor(lua_State *L, int index, const char *what)
{
    const TensorValue *value = tensor_value(L, index);
    if (!value) sandbox_raise(L, "%s: expected a tensor, got %s", what, type_name(L, index));
    return value;
}

/* What a new expression cost, before it is handed to the script. */
static void push_result(lua_State *L, const Expr *expr)
{
    script_account(script_of(L));
    sandbox_charge(L, 20);
    tensor_push(L, expr, NULL);
}

/* A new table each time, so that a script which changes it changes nothing else. */
static int push_shape(lua_State *L, const Expr *expr)
{
    if (expr->unknown) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, expr->rank, 0);
    for (int i = 0; i < expr->rank; i++) {
        lua_pushinteger(L, expr->dims[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* Methods first, then fields. What is neither is an error: nil would only fail later. */
static int get_field(lua_State *L)
{
    const TensorValue *const value = check_tensor(L, 1, "index");
    const char *field = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
    lua_rawgetp(L, LUA_REGISTRYINDEX, &methods_key);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL) return 1;
    if (strcmp(field, "shape") == 0) return push_shape(L, value->expr);
    if (strcmp(field, "dtype") == 0) {
        lua_pushstring(L, dtype_name(value->expr->dtype));
    } else if (strcmp(field, "quantized") == 0) {
        lua_pushboolean(L, dtype_info(value->expr->dtype)->kind == CLASS_QUANT);
    } else if (strcmp(field, "layout") == 0) {
        const char *layout = layout_name((Layout)value->expr->layout);
        if (*layout) lua_pushstring(L, layout);
        else lua_pushnil(L);
    } else if (strcmp(field, "name") == 0) {
        if (value->name) push_name(L, value->name);
        else lua_pushnil(L);
    } else {
        return sandbox_raise(L, "tensors have no field or method '%.60s'; they have shape, dtype, "
                             "quantized, layout, name, size(axis) and the ops as methods", field);
    }
    return 1;
}

/* t:size(0); without an axis the whole shape. Negative ones count from the end, as in PyTorch:
 * t:size(-1) is the last. nil where the shape is not known. */
static int get_size(lua_State *L)
{
    const Expr *const expr = check_tensor(L, 1, "size")->expr;
    if (lua_isnoneornil(L, 2)) return push_shape(L, expr);
    const lua_Integer given = luaL_checkinteger(L, 2);
    if (expr->unknown) {
        lua_pushnil(L);
        return 1;
    }
    const lua_Integer axis = given < 0 ? given + expr->rank : given;
    if (axis < 0 || axis >= expr->rank)
        return sandbox_raise(L, "size: there is no axis %lld in %d", (long long)given, expr->rank);
    lua_pushinteger(L, expr->dims[axis]);
    return 1;
}

/* The tensors an op works on: self, and for stack and cat those that follow the axis, as in
 * t:cat(0, u, v), for matmul all that follow. `first` is where those begin; behind the top there
 * are none. */
static size_t take_operands(lua_State *L, const Op *op, int first, const Expr **items)
{
    size_t n = 0;
    items[n++] = check_tensor(L, 1, op_name(op->kind))->expr;
    for (int i = first; i <= lua_gettop(L); i++)
        items[n++] = check_tensor(L, i, op_name(op->kind))->expr;
    return n;
}

/* Raises for the error, or pushes the new tensor. Expressions come from checked constructors:
 * NULL says that shapes or dtypes do not go together, and *err why. */
static int finish(lua_State *L, const Expr *expr, const Error *err)
{
    if (!expr) return sandbox_raise(L, "%s", err->text);
    push_result(L, expr);
    return 1;
}

/* t:zeros() and t:const(c) are of the tensor's own shape and dtype. Random fills are of a target,
 * by whose name their numbers go. */
static int fill_like(lua_State *L, const Expr *expr, const Op *op)
{
    Error err = {0};
    if (op->fill.kind != FILL_ZEROS && op->fill.kind != FILL_CONST)
        return sandbox_raise(L, "%s: random numbers go by the name of a target: say them in "
                             "pad(…), fit(…) or a rule without a left side", op_name(op->kind));
    if (expr->unknown) return sandbox_raise(L, "%s: the shape is not known", op_name(op->kind));
    return finish(L, expr_fill_with(draft_arena(script_of(L)->draft), &op->fill, expr->dtype,
                                    expr->dims, expr->rank, &err), &err);
}

/* t:split(3), t:cat(0, u): every op is a method of this form. Built and applied by
 * the functions that serve rule text, on a value of one list; several results (split, unstack)
 * are returned one by one, so that local q, k, v = t:split(3). */
static int run_method(lua_State *L)
{
    const OpKind kind = (OpKind)lua_tointeger(L, lua_upvalueindex(1));
    const bool joins = kind == OP_CAT || kind == OP_STACK || kind == OP_MATMUL;
    const int taken = kind == OP_MATMUL ? 1 : 2;   /* stack slots before further tensors */
    Arena *arena = draft_arena(script_of(L)->draft);
    const int top = lua_gettop(L);
    Error err;
    Op op;
    check_tensor(L, 1, op_name(kind));
    if (!op_build(L, kind, 2, joins && top > taken ? taken : top, &op, &err))
        return sandbox_raise(L, "%s", err.text);
    lua_settop(L, top);
    if (op_is_fill(kind)) return fill_like(L, check_tensor(L, 1, op_name(kind))->expr, &op);
    const Expr **items = arena_alloc(arena, (size_t)(top + 1) * sizeof *items);
    ExprList list = {.items = items};
    list.count = take_operands(L, &op, joins ? taken + 1 : top + 1, items);
    list.gathered = joins;
    RuleValue value = {&list, 1};
    const OpContext context = {.arena = arena, .seed = draft_seed(script_of(L)->draft)};
    if (!op_apply(&op, &context, &value, &err)) return sandbox_raise(L, "%s", err.text);
    int results = 0;
    for (size_t i = 0; i < value.count; i++) {
        luaL_checkstack(L, (int)value.lists[i].count + 4, "too many parts");
        for (size_t k = 0; k < value.lists[i].count; k++, results++)
            push_result(L, value.lists[i].items[k]);
    }
    return results;
}

/* a + b and a - b, where either may be a number; sign is that of b. There is no op for n - t: it
 * is made of two, -t and then + n. */
static int add_with(lua_State *L, double sign, const char *what)
{
    Arena *arena = draft_arena(script_of(L)->draft);
    Error err = {0};
    const bool swapped = lua_type(L, 1) == LUA_TNUMBER;
    const Expr *a = check_tensor(L, swapped ? 2 : 1, what)->expr;
    if (swapped || lua_type(L, 2) == LUA_TNUMBER) {
        if (swapped && sign < 0) a = expr_mul(arena, a, -1, &err);
        const double constant = lua_tonumber(L, swapped ? 1 : 2);
        return finish(
            L, a ? expr_shift(arena, a, swapped ? constant : sign * constant, &err) : NULL, &err);
    }
    const Expr *b = check_tensor(L, 2, what)->expr;
    if (sign < 0) b = expr_mul(arena, b, -1, &err);
    return finish(L, b ? expr_add(arena, a, b, &err) : NULL, &err);
}

static int add(lua_State *L)
{
    return add_with(L, 1, "+");
}

static int subtract(lua_State *L)
{
    return add_with(L, -1, "-");
}

/* t * 2, 2 * t, a * b: element by element. */
static int multiply(lua_State *L)
{
    Arena *arena = draft_arena(script_of(L)->draft);
    const int at = lua_type(L, 1) == LUA_TNUMBER ? 2 : 1;
    Error err = {0};
    const Expr *expr = check_tensor(L, at, "*")->expr;
    if (lua_type(L, 3 - at) == LUA_TNUMBER)
        return finish(L, expr_mul(arena, expr, lua_tonumber(L, 3 - at), &err), &err);
    return finish(L, expr_product(arena, expr, check_tensor(L, 3 - at, "*")->expr, &err), &err);
}

/* t / 2, 1 / t, a / b. */
static int divide(lua_State *L)
{
    Arena *arena = draft_arena(script_of(L)->draft);
    Error err = {0};
    const bool swapped = lua_type(L, 1) == LUA_TNUMBER;
    const Expr *expr = check_tensor(L, swapped ? 2 : 1, "/")->expr;
    if (swapped || lua_type(L, 2) == LUA_TNUMBER)
        return finish(L, expr_divide(arena, expr, lua_tonumber(L, swapped ? 1 : 2), swapped, &err),
                      &err);
    return finish(L, expr_quotient(arena, expr, check_tensor(L, 2, "/")->expr, &err), &err);
}

static int negate(lua_State *L)
{
    Error err = {0};
    const Expr *expr = check_tensor(L, 1, "-")->expr;
    return finish(L, expr_mul(draft_arena(script_of(L)->draft), expr, -1, &err), &err);
}

/* "f32 64×3×7×7 conv1.weight" */
static int show_tensor(lua_State *L)
{
    const TensorValue *const value = check_tensor(L, 1, "tostring");
    Text *out = &script_of(L)->scratch;
    text_clear(out);
    text_addf(out, "%s ", dtype_name(value->expr->dtype));
    show_shape(value->expr->unknown ? NULL : value->expr->dims, value->expr->rank, out);
    if (value->name) {
        text_addc(out, ' ');
        name_show(value->name, out);
    }
    lua_pushstring(L, text_string(out));
    return 1;
}

/* One tensor is as good as any number of names. */
static bool is_method(OpKind kind)
{
    return kind != OP_COPY;
}

/* Methods stand in a table of their own: the metatable's __index is a function, for clear
 * errors. */
void tensors_open(lua_State *L)
{
    static const luaL_Reg metamethods[] = {
        {"__index", get_field}, {"__add", add}, {"__sub", subtract}, {"__mul", multiply},
        {"__div", divide}, {"__unm", negate}, {"__tostring", show_tensor}, {NULL, NULL},
    };
    lua_newtable(L);
    luaL_setfuncs(L, metamethods, 0);
    lua_pushliteral(L, "tensor");
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &tensor_key);
    lua_newtable(L);
    for (int kind = 0; kind < OP_FUNCTION; kind++) {
        if (!is_method((OpKind)kind)) continue;
        lua_pushinteger(L, kind);
        lua_pushcclosure(L, run_method, 1);
        if (kind == OP_T) {
            lua_pushvalue(L, -1);
            lua_setfield(L, -3, "t");
        }
        lua_setfield(L, -2, op_name((OpKind)kind));
    }
    lua_pushcfunction(L, get_size);
    lua_setfield(L, -2, "size");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &methods_key);
}
