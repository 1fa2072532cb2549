/* The arguments of ops, one build function a form: split(3), pad(0, 100, mean), kaiming{dist=…}.
 * The same functions read those of tensor methods, so that t:split(3) and |> split(3) cannot
 * differ. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "scripting/script_state.h"

/* The arguments an op is built from. */
typedef struct OpArgs {
    lua_State *L;
    int first, last;         /* stack indices; last < first: none */
    Arena *arena;            /* the draft's, for lists */
    const char *name;        /* of the op, for errors */
    Error *err;
} OpArgs;

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
    int64_t axis = 0;
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

/* Pushes a field of the options table at `first`, past its metatable; returns its type. */
static int get_option(OpArgs *args, const char *field)
{
    lua_pushstring(args->L, field);
    return lua_rawget(args->L, args->first);
}

/* A field of the options table at `first`: one of two words; *second says which. */
static bool take_choice(OpArgs *args, const char *field, const char *a, const char *b, bool *second)
{
    lua_State *L = args->L;
    *second = false;
    if (!count_args(args)) return true;
    if (get_option(args, field) != LUA_TNIL) {
        const char *word = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
        *second = strcmp(word, b) == 0;
        if (!*second && strcmp(word, a) != 0)
            return error_set(args->err, ERR_RULE, "%s: %s is \"%s\" or \"%s\"", args->name, field,
                             a, b);
    }
    lua_pop(L, 1);
    return true;
}

/* The one argument, which may be absent, is a table with nothing but known fields. */
static bool take_options(OpArgs *args, const char *const *known, size_t n)
{
    lua_State *L = args->L;
    if (!take_count(args, 0, 1)) return false;
    if (!count_args(args)) return true;
    if (lua_type(L, args->first) != LUA_TTABLE) return complain(args, args->first, "{option=…}");
    lua_pushnil(L);
    while (lua_next(L, args->first)) {
        lua_pop(L, 1);
        const char *field = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
        size_t i = 0;
        while (i < n && strcmp(field, known[i]) != 0) i++;
        if (i < n) continue;
        Text text = {0};
        for (i = 0; i < n; i++) text_addf(&text, "%s%s", i ? ", " : "", known[i]);
        error_set(args->err, ERR_RULE, "%s: there is no option '%.60s'; it takes %s", args->name,
                  field, text_string(&text));
        text_done(&text);
        return false;
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

/* What fit and pad put where the source has nothing. The fact `target` stands for its own values.
 * Of normal only the deviation is passed on, so one with a mean is refused; and so is one that was
 * not called, which has no deviation yet. */
static bool take_rest(OpArgs *args, Op *op)
{
    lua_State *L = args->L;
    Op rest;
    bool called;
    if (op_look(L, args->last, &rest, &called)) {
        op->real = rest.kind == OP_CONST ? rest.fill.a : rest.fill.b;
        op->rest = rest.kind == OP_MEAN ? FIT_MEAN
                   : rest.kind == OP_ZEROS ? FIT_ZEROS
                   : rest.kind == OP_CONST ? FIT_CONST : FIT_NORMAL;
        if (op->rest == FIT_ZEROS || (op->rest == FIT_MEAN && !called) ||
            (op->rest == FIT_CONST && called) ||
            (rest.kind == OP_NORMAL && called && rest.fill.a == 0))
            return true;
        return complain(args, args->last, "target, zeros, mean, const(c) or normal(s)");
    }
    op->rest = FIT_TARGET;
    lua_getglobal(L, "target");
    if (!lua_rawequal(L, -1, args->last))
        return complain(args, args->last, "target, zeros, mean, const(c) or normal(s)");
    lua_pop(L, 1);
    return true;
}

/* fit(axis, rest): without a rest the target's own values. */
static bool build_fit(OpArgs *args, Op *op)
{
    if (!take_count(args, 1, 2) || !take_axis(args, args->first, op)) return false;
    op->rest = FIT_TARGET;
    return count_args(args) < 2 || lua_isnil(args->L, args->last) || take_rest(args, op);
}

/* pad(axis, size, rest): without a rest zeros. */
static bool build_pad(OpArgs *args, Op *op)
{
    if (!take_count(args, 2, 3) || !take_axis(args, args->first, op) ||
        !take_integer(args, args->first + 1, "the size to grow to", &op->number))
        return false;
    op->rest = FIT_ZEROS;
    return count_args(args) < 3 || lua_isnil(args->L, args->last) || take_rest(args, op);
}

/* ein(text, {name=size, …}): the sizes in the order of their names, so that what is shown does not
 * hang on Lua's tables. */
static bool build_ein(OpArgs *args, Op *op)
{
    lua_State *L = args->L;
    if (!take_count(args, 1, 2)) return false;
    if (lua_type(L, args->first) != LUA_TSTRING)
        return complain(args, args->first, "text such as \"(h c) k -> (c h) k\"");
    sandbox_charge(L, lua_rawlen(L, args->first));
    op->text = arena_strdup(args->arena, lua_tostring(L, args->first));
    if (count_args(args) == 1) return op_check_ein(op, args->err);
    if (lua_type(L, args->last) != LUA_TTABLE) return complain(args, args->last, "sizes {h=16}");
    OpSize *sizes = arena_alloc(args->arena, TENSOR_RANK_MAX * sizeof *sizes);
    op->sizes = sizes;
    for (lua_pushnil(L); lua_next(L, args->last); lua_pop(L, 1)) {
        int whole = 0;
        const int64_t size = lua_tointegerx(L, -1, &whole);
        if (lua_type(L, -2) != LUA_TSTRING || !whole || lua_type(L, -1) != LUA_TNUMBER)
            return error_set(args->err, ERR_RULE, "ein: sizes are {name=number, …}");
        if (op->size_count == TENSOR_RANK_MAX)
            return error_set(args->err, ERR_RULE, "ein: more than %d sizes", TENSOR_RANK_MAX);
        const char *name = lua_tostring(L, -2);
        size_t at = op->size_count++;
        for (; at > 0 && strcmp(sizes[at - 1].name, name) > 0; at--) sizes[at] = sizes[at - 1];
        sizes[at] = (OpSize){arena_strdup(args->arena, name), size};
    }
    return op_check_ein(op, args->err);
}

/* A field of two sizes, {height, width}, or one number for a square. */
static bool take_pair(OpArgs *args, const char *field, int64_t pair[2])
{
    lua_State *L = args->L;
    bool ok = true;
    const int type = get_option(args, field);
    for (int i = 0; type != LUA_TNIL && ok && i < 2; i++) {
        int whole = 0;
        if (type == LUA_TTABLE) lua_rawgeti(L, -1, i + 1);
        else lua_pushvalue(L, -1);
        pair[i] = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &whole) : 0;
        ok = whole && pair[i] >= 1 && pair[i] <= RESAMPLE_SIDE_MAX;
        lua_pop(L, 1);
    }
    if (type == LUA_TTABLE && lua_rawlen(L, -1) != 2) ok = false;
    lua_pop(L, 1);
    return ok || error_set(args->err, ERR_RULE, "%s: %s is {height, width}, of 1 to %d", args->name,
                           field, RESAMPLE_SIDE_MAX);
}

/* A field that counts rows; the default stays where it is absent. */
static bool take_rows(OpArgs *args, const char *field, int64_t *rows)
{
    lua_State *L = args->L;
    int whole = 1;
    if (get_option(args, field) != LUA_TNIL) {
        *rows = lua_tointegerx(L, -1, &whole);
        whole = whole && lua_type(L, -1) == LUA_TNUMBER && *rows >= 0;
    }
    lua_pop(L, 1);
    return whole || error_set(args->err, ERR_RULE, "%s: %s is a number of rows", args->name, field);
}

/* cubic is what BEiT does, linear what timm does today; the two bicubics are Swin's and LeViT's. */
static bool take_mode(OpArgs *args, ResampleHow *how)
{
    static const struct { const char *name; ResampleHow how; } modes[] = {
        {"cubic", RESAMPLE_GEOMETRIC}, {"linear", RESAMPLE_GEOMETRIC_LINEAR},
        {"bicubic", RESAMPLE_BICUBIC}, {"bicubic_aa", RESAMPLE_BICUBIC_AA},
    };
    lua_State *L = args->L;
    get_option(args, "mode");
    const char *word = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    const bool absent = lua_isnil(L, -1);
    bool found = absent;
    for (size_t i = 0; word && i < countof(modes); i++)
        if (strcmp(modes[i].name, word) == 0) *how = modes[i].how, found = true;
    lua_pop(L, 1);
    return found || error_set(args->err, ERR_RULE, "%s: mode is \"cubic\", \"linear\", "
                              "\"bicubic\" or \"bicubic_aa\"", args->name);
}

/* pos_embed, patch_embed, rel_pos_bias: a table of options, which may be absent. */
static bool build_resample(OpArgs *args, Op *op)
{
    static const char *const positions[] = {"prefix", "old", "new"};
    static const char *const patches[] = {"new"};
    static const char *const tables[] = {"mode", "extra", "old", "new"};
    op->fit = (Fit){.how = FIT_PATCH, .resample = RESAMPLE_PATCH};
    const char *const *known = patches;
    size_t n = countof(patches);
    if (op->kind == OP_POS_EMBED) {
        op->fit = (Fit){.how = FIT_POSITIONS, .extra = 1, .resample = RESAMPLE_BICUBIC_AA};
        known = positions;
        n = countof(positions);
    } else if (op->kind == OP_REL_POS_BIAS) {
        op->fit = (Fit){.how = FIT_RELATIVE, .extra = -1, .resample = RESAMPLE_GEOMETRIC};
        known = tables;
        n = countof(tables);
    }
    if (!take_options(args, known, n)) return false;
    if (!count_args(args)) return true;
    if (op->kind == OP_POS_EMBED && !take_rows(args, "prefix", &op->fit.extra)) return false;
    if (op->kind == OP_REL_POS_BIAS && (!take_rows(args, "extra", &op->fit.extra) ||
                                        !take_mode(args, &op->fit.resample))) return false;
    return take_pair(args, "old", op->fit.old) && take_pair(args, "new", op->fit.grid);
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

/* torch.nn.init.calculate_gain; "leaky_relu" has a slope, `a`. False: no such name. */
static bool calculate_gain(const char *name, double slope, double *gain)
{
    static const struct { const char *name; double gain; } gains[] = {
        {"linear", 1}, {"conv1d", 1}, {"conv2d", 1}, {"conv3d", 1}, {"conv_transpose1d", 1},
        {"conv_transpose2d", 1}, {"conv_transpose3d", 1}, {"sigmoid", 1}, {"tanh", 5.0 / 3},
        {"relu", 0}, {"selu", 0.75},
    };
    if (strcmp(name, "leaky_relu") == 0) {
        *gain = slope == 0 ? 0 : sqrt(2 / (1 + slope * slope));
        return true;
    }
    for (size_t i = 0; i < countof(gains); i++)
        if (strcmp(gains[i].name, name) == 0) {
            *gain = gains[i].gain;
            return true;
        }
    return false;
}

/* A number among the options; the default stays where it is absent. */
static bool take_number_field(OpArgs *args, const char *field, double *number)
{
    lua_State *L = args->L;
    bool ok = true;
    if (count_args(args) && get_option(args, field) != LUA_TNIL) {
        ok = lua_type(L, -1) == LUA_TNUMBER && isfinite(lua_tonumber(L, -1));
        if (ok) *number = lua_tonumber(L, -1);
    }
    if (count_args(args)) lua_pop(L, 1);
    return ok || error_set(args->err, ERR_RULE, "%s: %s is a number", args->name, field);
}

/* The gain: given, or what a nonlinearity and the slope of leaky_relu, PyTorch's default, make. 0
 * stands for the usual one. */
static bool take_gain(OpArgs *args, double *gain)
{
    lua_State *L = args->L;
    double slope = 0;
    const char *name = "leaky_relu";
    if (!take_number_field(args, "a", &slope)) return false;
    if (count_args(args) && get_option(args, "nonlinearity") != LUA_TNIL)
        name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
    const bool known = calculate_gain(name, slope, gain);
    if (!known)
        error_set(args->err, ERR_RULE, "%s: there is no nonlinearity \"%.40s\"; PyTorch has "
                  "linear, conv2d, sigmoid, tanh, relu, leaky_relu and selu", args->name, name);
    if (count_args(args)) lua_pop(L, 1);
    return known && take_number_field(args, "gain", gain);
}

/* PyTorch's names: mode fan_in (the default) or fan_out, dist normal (the default) or uniform.
 * Xavier takes no mode, because it uses both fans. */
static bool build_fan(OpArgs *args, Op *op, bool kaiming)
{
    static const char *const fields[] = {"dist", "gain", "mode", "a", "nonlinearity"};
    bool uniform, fan_out = false;
    double gain = 0;
    if (!take_options(args, fields, kaiming ? countof(fields) : 2) ||
        !take_choice(args, "dist", "normal", "uniform", &uniform) ||
        (kaiming && (!take_choice(args, "mode", "fan_in", "fan_out", &fan_out) ||
                     !take_gain(args, &gain))) ||
        (!kaiming && !take_number_field(args, "gain", &gain)))
        return false;
    const FillKind kinds[2][2] = {{FILL_XAVIER_NORMAL, FILL_XAVIER_UNIFORM},
                                  {FILL_KAIMING_NORMAL, FILL_KAIMING_UNIFORM}};
    op->fill = (Fill){.kind = kinds[kaiming][uniform], .fan_out = fan_out, .a = gain};
    return true;
}

/* Focal loss's bias: a sigmoid of it is the probability that an anchor is an object. */
static bool build_prior(OpArgs *args, Op *op)
{
    if (!take_count(args, 1, 1) || !take_real(args, args->first, "a probability", &op->real))
        return false;
    op->fill = (Fill){.kind = FILL_CONST, .a = -log((1 - op->real) / op->real)};
    return (op->real > 0 && op->real < 1) ||
           error_set(args->err, ERR_RULE, "prior_bias: a probability lies between 0 and 1");
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
    case OP_T: case OP_TO_TORCH: case OP_COPY: case OP_SQRT: case OP_MATMUL:
        return take_count(args, 0, 0);
    case OP_CONV_MSRA:
        op->fill = (Fill){.kind = FILL_KAIMING_NORMAL, .fan_out = true};
        return take_count(args, 0, 0);
    case OP_PRIOR_BIAS: return build_prior(args, op);
    case OP_ZEROS: return take_count(args, 0, 0);       /* FILL_ZEROS is what zeroed memory says */
    case OP_PERMUTE: return take_integers(args, args->first, "axes", op);
    case OP_RESHAPE: return take_integers(args, args->first, "sizes", op);
    case OP_SQUEEZE: case OP_NORM:
        return take_count(args, 0, 1) && (!count_args(args) || take_axis(args, args->first, op));
    case OP_UNSQUEEZE: case OP_SUM: case OP_MEAN: case OP_SWAP_HALVES:
        return take_count(args, 1, 1) && take_axis(args, args->first, op);
    case OP_CAT: case OP_STACK: case OP_UNSTACK: return build_join(args, op);
    case OP_SPLIT: return build_split(args, op);
    case OP_SLICE: return build_slice(args, op);
    case OP_PICK:
        return take_count(args, 2, 2) && take_axis(args, args->first, op) &&
               (lua_type(args->L, args->last) == LUA_TTABLE
                    ? take_integers(args, args->last, "a list of indices", op)
                    : complain(args, args->last, "a list of indices"));
    case OP_ROLL: case OP_TILE:
        op->has_number = true;
        return take_count(args, 2, 2) && take_axis(args, args->first, op) &&
               take_integer(args, args->last, op->kind == OP_ROLL ? "a shift" : "how often",
                            &op->number);
    case OP_ROPE_PAIRS: case OP_ROPE_HALVES: case OP_IN_CHANS:
        op->has_number = true;
        return take_count(args, 1, 1) &&
               take_integer(args, args->first, op->kind == OP_IN_CHANS ? "a number of channels"
                                                                       : "a number of heads",
                            &op->number) &&
               (op->kind != OP_IN_CHANS || op->number >= 1 ||
                error_set(args->err, ERR_RULE, "in_chans: there is 1 channel at least"));
    case OP_EIN: return build_ein(args, op);
    case OP_PAD: return build_pad(args, op);
    case OP_POS_EMBED: case OP_PATCH_EMBED: case OP_REL_POS_BIAS: return build_resample(args, op);
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
