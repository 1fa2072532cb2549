/* Ops as Lua values: `T`, `split(3)`, `fit(0, zeros)`. An op that stands bare is one without
 * arguments; calling it gives one with them.
 *
 * The table OPS (loader/align/op.h) says which ops there are; what each takes is read here,
 * by one build function a form. The same functions read the arguments of tensor methods, so
 * that t:split(3) and |> split(3) cannot differ. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "scripting/script_state.h"

static const char op_key = 0;        /* registry: the metatable of op values */

typedef struct OpValue {
    Op op;                           /* only its kind, while not called */
    bool called;                     /* it has its arguments */
    bool mean;                       /* not an op: the word `mean` of fit */
} OpValue;

/* The arguments an op is built from. */
typedef struct OpArgs {
    lua_State *L;
    int first, last;         /* stack indices; last < first: none */
    Arena *arena;            /* the draft's, for lists */
    const char *name;        /* of the op, for errors */
    Error *err;
} OpArgs;

/* The op at `index`; NULL for anything else. Told by its metatable, which no script can set. */
static OpValue *op_value(lua_State *L, int index)
{
    OpValue *value = lua_touserdata(L, index);
    if (!value || !lua_getmetatable(L, index)) return NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &op_key);
    const bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same ? value : NULL;
}

bool op_is(lua_State *L, int index)
{
    return op_value(L, index) != NULL;
}

/* Behind the last argument there is nothing, even where the stack goes on. False, so that it can
 * end a chain of takes. */
static bool complain(OpArgs *args, int index, const char *what)
{
    return error_set(args->err, ERR_RULE, "%s: expected %s, got %s", args->name, what,
                     index > args->last ? "nothing" : type_name(args->L, index));
}

static int count_args(const OpArgs *args)
{
    return args->last - args->first + 1;
}

/* Too many arguments are as wrong as too few: permute(0, 1) and transpose(0, 1) are not alike. */
static bool take_count(OpArgs *args, int least, int most)
{
    const int n = count_args(args);
    if (n >= least && n <= most) return true;
    if (least == most)
        return error_set(args->err, ERR_RULE, "%s: takes %d argument%s, got %d", args->name, most,
                         most == 1 ? "" : "s", n);
    return error_set(args->err, ERR_RULE, "%s: takes %d to %d arguments, got %d", args->name, least,
                     most, n);
}

/* 2.0 counts as 2, "2" does not. */
static bool take_integer(OpArgs *args, int index, const char *what, int64_t *number)
{
    int whole = 0;
    if (index <= args->last && lua_type(args->L, index) == LUA_TNUMBER)
        *number = lua_tointegerx(args->L, index, &whole);
    return whole || complain(args, index, what);
}

/* Integers are reals too. */
static bool take_real(OpArgs *args, int index, const char *what, double *number)
{
    const bool there = index <= args->last && lua_type(args->L, index) == LUA_TNUMBER;
    if (there) *number = lua_tonumber(args->L, index);
    return there || complain(args, index, what);
}

/* Only what no tensor can have is refused here; the tensor's own rank is checked by the op. */
static bool take_axis(OpArgs *args, int index, Op *op)
{
    int64_t axis;
    if (!take_integer(args, index, "an axis", &axis)) return false;
    if (axis < -TENSOR_RANK_MAX || axis >= TENSOR_RANK_MAX)
        return error_set(args->err, ERR_RULE, "%s: there is no axis %lld; axes count from 0, "
                         "negative from the end", args->name, (long long)axis);
    op->has_axis = true;
    op->axis = (int)axis;
    return true;
}

/* Whole numbers: a table at `index`, or all arguments from there on. */
static bool take_integers(OpArgs *args, int index, const char *what, Op *op)
{
    lua_State *L = args->L;
    const bool table = index <= args->last && lua_type(L, index) == LUA_TTABLE;
    const size_t given = (size_t)(args->last - index + 1);
    const size_t n = table ? (size_t)lua_rawlen(L, index) : given;
    if (!n) return complain(args, index, what);
    sandbox_charge(L, n);
    int64_t *list = arena_alloc(args->arena, n * sizeof *list);
    for (size_t i = 0; i < n; i++) {
        int whole;
        if (table) lua_rawgeti(L, index, (lua_Integer)i + 1);
        else lua_pushvalue(L, index + (int)i);
        list[i] = lua_tointegerx(L, -1, &whole);
        if (!whole || lua_type(L, -1) != LUA_TNUMBER)
            return error_set(args->err, ERR_RULE, "%s: expected %s, got %s", args->name, what,
                             type_name(L, -1));
        lua_pop(L, 1);
    }
    op->list = list;
    op->list_count = n;
    return true;
}

/* A field of the options table at `first`: one of two words; *second says which. */
static bool take_choice(OpArgs *args, const char *field, const char *a, const char *b, bool *second)
{
    lua_State *L = args->L;
    *second = false;
    if (!count_args(args)) return true;
    lua_pushstring(L, field);
    if (lua_rawget(L, args->first) != LUA_TNIL) {
        const char *word = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
        *second = strcmp(word, b) == 0;
        if (!*second && strcmp(word, a) != 0)
            return error_set(args->err, ERR_RULE, "%s: %s is \"%s\" or \"%s\"", args->name, field,
                             a, b);
    }
    lua_pop(L, 1);
    return true;
}

/* The options table of kaiming and xavier: nothing but what they know. */
static bool take_options(OpArgs *args, bool with_mode)
{
    lua_State *L = args->L;
    if (!take_count(args, 0, 1)) return false;
    if (!count_args(args)) return true;
    if (lua_type(L, args->first) != LUA_TTABLE) return complain(args, args->first, "{dist=…}");
    lua_pushnil(L);
    while (lua_next(L, args->first)) {
        lua_pop(L, 1);
        const char *field = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
        if (strcmp(field, "dist") == 0 || (with_mode && strcmp(field, "mode") == 0)) continue;
        return error_set(args->err, ERR_RULE, "%s: there is no option '%.60s'; it takes %sdist",
                         args->name, field, with_mode ? "mode and " : "");
    }
    return true;
}

/* split(n), split{sizes}, split() for the sizes of the targets; an axis may follow each:
 * split(3) makes three equal parts of axis 0, split({64, 128}, 1) two of axis 1. A nil in the
 * first place stands for the targets' sizes where an axis is wanted. */
static bool build_split(OpArgs *args, Op *op)
{
    if (!take_count(args, 0, 2)) return false;
    if (count_args(args) == 2 && !take_axis(args, args->last, op)) return false;
    if (!count_args(args) || lua_isnil(args->L, args->first)) return true;
    if (lua_type(args->L, args->first) == LUA_TTABLE)
        return take_integers(args, args->first, "a list of sizes", op);
    op->has_number = true;
    return take_integer(args, args->first, "a number of parts or a list of sizes", &op->number);
}

/* Without an end, or with nil, to the end: slice(0, 2) leaves out the first two rows,
 * slice(0, 2, 5) leaves rows 2, 3 and 4. */
static bool build_slice(OpArgs *args, Op *op)
{
    if (!take_count(args, 2, 3) || !take_axis(args, args->first, op) ||
        !take_integer(args, args->first + 1, "where to begin", &op->number))
        return false;
    op->has_number = true;
    op->has_to = count_args(args) == 3 && !lua_isnil(args->L, args->last);
    return !op->has_to || take_integer(args, args->last, "where to end", &op->to);
}

/* What fit puts where the source has nothing. The fact `target` stands for its own values, which
 * are also what an absent argument means. Of normal only the deviation is passed on, so one with
 * a mean is refused; and so is one that was not called, which has no deviation yet. */
static bool build_fit(OpArgs *args, Op *op)
{
    lua_State *L = args->L;
    if (!take_count(args, 1, 2) || !take_axis(args, args->first, op)) return false;
    op->rest = FIT_TARGET;
    if (count_args(args) < 2 || lua_isnil(L, args->last)) return true;
    const OpValue *rest = op_value(L, args->last);
    if (rest && rest->mean) {
        op->rest = FIT_MEAN;
    } else if (rest && rest->op.kind == OP_ZEROS) {
        op->rest = FIT_ZEROS;
    } else if (rest && rest->op.kind == OP_NORMAL && rest->called && rest->op.fill.a == 0) {
        op->rest = FIT_NORMAL;
        op->real = rest->op.fill.b;
    } else {
        lua_getglobal(L, "target");
        if (!lua_rawequal(L, -1, args->last))
            return complain(args, args->last, "target, zeros, mean or normal(s)");
        lua_pop(L, 1);
    }
    return true;
}

/* Any name that dtype_from_name knows, PyTorch's included. */
static bool build_cast(OpArgs *args, Op *op)
{
    if (!take_count(args, 1, 1)) return false;
    if (lua_type(args->L, args->first) != LUA_TSTRING)
        return complain(args, args->first, "a dtype such as \"f32\"");
    op->dtype = dtype_from_name(lua_tostring(args->L, args->first));
    if (op->dtype != DT_UNKNOWN) return true;
    return error_set(args->err, ERR_RULE, "cast: \"%.60s\" is no dtype; f32, f16, bf16, i64 … are",
                     lua_tostring(args->L, args->first));
}

/* const(c): for integer targets too, which the fill checks. */
static bool build_constant(OpArgs *args, Op *op)
{
    op->fill.kind = FILL_CONST;
    return take_count(args, 1, 1) && take_real(args, args->first, "a number", &op->fill.a);
}

/* normal(std), normal(mean, std), uniform(low, high); PyTorch's defaults without arguments. b is
 * always the last one: what is spread by, or the upper end. */
static bool build_random(OpArgs *args, Op *op, FillKind kind)
{
    const bool normal = kind == FILL_NORMAL;
    double a = 0, b = 1;
    if (!take_count(args, 0, 2)) return false;
    if (count_args(args) == 1 && !normal) return complain(args, args->last + 1, "low and high");
    if (count_args(args) == 2 && !take_real(args, args->first, "a number", &a)) return false;
    if (count_args(args) && !take_real(args, args->last, "a number", &b)) return false;
    if (!isfinite(a) || !isfinite(b) || (normal ? b < 0 : b < a))
        return error_set(args->err, ERR_RULE, normal ? "normal: the deviation must not be negative"
                                                     : "uniform: low must not be above high");
    op->fill = (Fill){.kind = kind, .a = a, .b = b};
    return true;
}

/* PyTorch's names: mode fan_in (the default) or fan_out, dist normal (the default) or uniform.
 * Xavier takes no mode, because it uses both fans. */
static bool build_fan(OpArgs *args, Op *op, bool kaiming)
{
    bool uniform, fan_out = false;
    if (!take_options(args, kaiming) ||
        !take_choice(args, "dist", "normal", "uniform", &uniform) ||
        (kaiming && !take_choice(args, "mode", "fan_in", "fan_out", &fan_out)))
        return false;
    const FillKind kinds[2][2] = {{FILL_XAVIER_NORMAL, FILL_XAVIER_UNIFORM},
                                  {FILL_KAIMING_NORMAL, FILL_KAIMING_UNIFORM}};
    op->fill = (Fill){.kind = kinds[kaiming][uniform], .fan_out = fan_out};
    return true;
}

/* stack(0), stack{0, gaps=true}; without an axis the first. */
static bool build_join(OpArgs *args, Op *op)
{
    lua_State *L = args->L;
    if (!take_count(args, 0, 1)) return false;
    op->has_axis = true;
    if (!count_args(args)) return true;
    if (lua_type(L, args->first) != LUA_TTABLE) return take_axis(args, args->first, op);
    lua_pushliteral(L, "gaps");
    lua_rawget(L, args->first);
    op->gaps = lua_toboolean(L, -1);
    lua_rawgeti(L, args->first, 1);
    args->last = lua_gettop(L);
    return lua_isnil(L, args->last) || take_axis(args, args->last, op);
}

/* The one switch over the kinds. What is read here are forms; shapes are checked when the op is
 * applied. */
static bool build(OpArgs *args, Op *op)
{
    switch (op->kind) {
    case OP_T: case OP_TO_TORCH: case OP_COPY: return take_count(args, 0, 0);
    case OP_ZEROS: return take_count(args, 0, 0);       /* FILL_ZEROS is what zeroed memory says */
    case OP_PERMUTE: return take_integers(args, args->first, "axes", op);
    case OP_RESHAPE: return take_integers(args, args->first, "sizes", op);
    case OP_SQUEEZE:
        return take_count(args, 0, 1) && (!count_args(args) || take_axis(args, args->first, op));
    case OP_UNSQUEEZE: return take_count(args, 1, 1) && take_axis(args, args->first, op);
    case OP_CAT: case OP_STACK: case OP_UNSTACK: return build_join(args, op);
    case OP_SPLIT: return build_split(args, op);
    case OP_SLICE: return build_slice(args, op);
    case OP_PICK:
        return take_count(args, 2, 2) && take_axis(args, args->first, op) &&
               (lua_type(args->L, args->last) == LUA_TTABLE
                    ? take_integers(args, args->last, "a list of indices", op)
                    : complain(args, args->last, "a list of indices"));
    case OP_ROLL:
        op->has_number = true;
        return take_count(args, 2, 2) && take_axis(args, args->first, op) &&
               take_integer(args, args->last, "a shift", &op->number);
    case OP_ROPE_PAIRS: case OP_ROPE_HALVES:
        op->has_number = true;
        return take_count(args, 1, 1) && take_integer(args, args->first, "a number of heads",
                                                      &op->number);
    case OP_FIT: return build_fit(args, op);
    case OP_CAST: return build_cast(args, op);
    case OP_MUL: case OP_ADD:
        return take_count(args, 1, 1) && take_real(args, args->first, "a number", &op->real);
    case OP_CONST: return build_constant(args, op);
    case OP_NORMAL: return build_random(args, op, FILL_NORMAL);
    case OP_UNIFORM: return build_random(args, op, FILL_UNIFORM);
    case OP_KAIMING: return build_fan(args, op, true);
    case OP_XAVIER: return build_fan(args, op, false);
    case OP_FUNCTION: case OP_KIND_COUNT: break;
    }
    return error_set(args->err, ERR_INTERNAL, "no such op");
}

/* The stack below `first` is left alone, and above `last` it may grow. */
bool op_build(lua_State *L, OpKind kind, int first, int last, Op *op, Error *err)
{
    OpArgs args = {L, first, last, draft_arena(script_of(L)->draft), op_name(kind), err};
    *op = (Op){.kind = kind};
    return build(&args, op);
}

/* A bare op is built here, without arguments, so that `permute` alone complains as permute()
 * would. `functions` 0: functions are not wanted. A function is kept in that table, and the op
 * has its reference number: an op is plain memory that the collector does not look into. */
bool op_take(lua_State *L, int index, int functions, Op *op, Error *err)
{
    const OpValue *value = op_value(L, index);
    if (value && value->mean)
        return error_set(err, ERR_RULE, "mean stands in fit(axis, mean) only");
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
    *value = (OpValue){.op = {.kind = kind}};
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
    if (!chunk || strcmp(chunk->name, ":") == 0) return false;
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
    if (bare->called || bare->mean)
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
    if (value->mean) text_add(out, "mean");
    else if (value->called) op_show(&value->op, out);
    else text_add(out, op_name(value->op.kind));
    lua_pushstring(L, text_string(out));
    return 1;
}

/* `t` is another name of T; `mean` exists for fit only. */
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
    push_op(L, OP_FIT)->mean = true;
    lua_setglobal(L, "mean");
}
