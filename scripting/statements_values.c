/* The statements that take Lua values: rule, each, fill, keep_target, policy, expect.
 *
 * As in statements.c, a statement reads all its arguments before it touches the draft: one that
 * fails has changed nothing. each alone calls back in the middle, and draft_each keeps its
 * changes to itself until the last key was visited. */
#include <string.h>

#include <lauxlib.h>

#include "scripting/statements.h"

/* ---- rule ---- */

/* The ops of the arguments 3 … top. */
static bool take_ops(Call *call, Op *ops, size_t count, Error *err)
{
    host_push_functions(call->L);
    const int functions = lua_gettop(call->L);
    for (size_t i = 0; i < count; i++)
        if (!op_take(call->L, 3 + (int)i, functions, &ops[i], err))
            return error_prefix(err, "%s: argument %zu", call->name, i + 3);
    return true;
}

/* Lists on either side as in rule text, `&` included; nil or {} on the right drops, on the left
 * fills. */
bool run_rule(Call *call, Error *err)
{
    Script *script = call->script;
    Arena *arena = draft_arena(script->draft);
    const char *const *sources, *const *targets;
    size_t source_count, target_count;
    host_begin(call->L);
    if (!take_list(call, 1, &sources, &source_count, err) ||
        !take_list(call, 2, &targets, &target_count, err))
        return false;
    const int top = lua_gettop(call->L);
    const size_t count = top > 2 ? (size_t)(top - 2) : 0;
    Op *ops = arena_alloc(arena, (count + 1) * sizeof *ops);
    Rule rule;
    if (!take_ops(call, ops, count, err) ||
        !rule_compile(arena, call->origin, NULL, sources, source_count, targets, target_count,
                      ops, count, &script->host.expressions, &rule, err))
        return false;
    return apply_rules(call, &(RuleBlock){&rule, 1}, err);
}

/* ---- each ---- */

typedef struct Visit {
    Call *call;                  /* of the statement; its L becomes the one that visits */
    const DraftKey *key;         /* the key at hand; expr NULL where it stands for a collision */
    EachResult *result;          /* filled from what the function returned */
    Error *err;
    bool failed;                 /* the function ran, but returned what is no result */
} Visit;

/* Stack indices of a name (0: the key's own) and of a tensor (0: the key's own). */
static bool add_item(Visit *visit, int name, int tensor)
{
    EachResult *result = visit->result;
    if (result->count == countof(result->items))
        return error_set(visit->err, ERR_LIMIT, "each: more than %zu results for '%s'; unstack or "
                         "split in rules", countof(result->items), visit->key->name);
    const Expr *expr = tensor ? tensor_at(visit->call->L, tensor) : NULL;
    if (tensor && !expr)
        return error_set(visit->err, ERR_RULE, "each: '%s': expected a tensor behind a name, "
                         "got %s", visit->key->name, type_name(visit->call->L, tensor));
    result->items[result->count].expr = expr;
    result->items[result->count].name =
        name ? take_name(visit->call, name, visit->err) : visit->key->name;
    return result->items[result->count++].name != NULL;
}

/* One element of a returned list: a name, or a {name, tensor}. */
static bool add_element(Visit *visit)
{
    lua_State *L = visit->call->L;
    if (lua_type(L, -1) != LUA_TTABLE) return add_item(visit, lua_gettop(L), 0);
    const int pair = lua_gettop(L);
    lua_rawgeti(L, pair, 1);
    const bool valued = lua_rawgeti(L, pair, 2) != LUA_TNIL;
    const bool ok = add_item(visit, pair + 1, valued ? pair + 2 : 0);
    lua_settop(L, pair);
    return ok;
}

/* A list: names, {name, tensor}s, or name, tensor, name, tensor … Each step looks one element
 * ahead to tell the last two forms apart; a tensor that was a pair's second is then passed by. */
static bool take_list_result(Visit *visit, int list)
{
    lua_State *L = visit->call->L;
    const lua_Integer n = (lua_Integer)lua_rawlen(L, list);
    for (lua_Integer i = 1; i <= n; i++) {
        const int at = lua_gettop(L) + 1;
        lua_rawgeti(L, list, i);
        lua_rawgeti(L, list, i + 1);
        const bool pair = lua_type(L, at) == LUA_TSTRING && tensor_at(L, at + 1);
        if (!pair) lua_pop(L, 1);
        if (pair ? !add_item(visit, at, at + 1) : !add_element(visit)) return false;
        i += pair;
        lua_settop(L, at - 1);
    }
    if (n == 0) lua_pushnil(L);
    if (n == 0 && lua_next(L, list))
        return error_set(visit->err, ERR_RULE, "each: the function returned a table without a list "
                         "for '%s'; it may be {name, tensor, …} or {{name, tensor}, …}",
                         visit->key->name);
    visit->result->drop = n == 0;
    return true;
}

/* The two results of the function lie at `first` and behind it. What they mean:
 *
 *   nil, true          the key stays as it is
 *   false, {}          it is dropped
 *   "n"   t   "n", t   another name, another value, both
 *   {…}                as take_list_result reads it: several keys from one */
static bool take_result(Visit *visit, int first)
{
    lua_State *L = visit->call->L;
    const bool valued = lua_type(L, first + 1) != LUA_TNIL;
    switch (lua_type(L, first)) {
    case LUA_TNIL: visit->result->unchanged = true; return true;
    case LUA_TSTRING: return add_item(visit, first, valued ? first + 1 : 0);
    case LUA_TTABLE: return take_list_result(visit, first);
    case LUA_TBOOLEAN:
        visit->result->drop = !lua_toboolean(L, first);
        visit->result->unchanged = !visit->result->drop;
        return true;
    default: break;
    }
    if (tensor_at(L, first)) return add_item(visit, 0, first);
    return error_set(visit->err, ERR_RULE, "each: the function returned %s for '%s'; it may return "
                     "nil, false, a name, a name and a tensor, or a list", type_name(L, first),
                     visit->key->name);
}

/* Runs under pcall: the function is the first argument of the statement. The stack has the Visit
 * at 1, and the function's results at 2 and 3. */
static int visit_protected(lua_State *L)
{
    Visit *visit = lua_touserdata(L, 1);
    Call inner = *visit->call;
    inner.L = L;
    visit->call = &inner;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &visit->call->script->busy);
    push_name(L, visit->key->name);
    if (visit->key->expr) tensor_push(L, visit->key->expr, visit->key->name);
    else lua_pushnil(L);
    lua_call(L, 2, 2);
    sandbox_charge(L, 10);
    visit->failed = !take_result(visit, 2);
    return 0;
}

/* What draft_each calls; a failure of the script and one of its results look alike to it. */
static bool visit_key(void *context, const DraftKey *key, EachResult *result, Error *err)
{
    Visit visit = {.call = context, .key = key, .result = result, .err = err};
    Script *script = visit.call->script;
    return script_protect(script, visit_protected, &visit, false, err) && !visit.failed;
}

/* The function is kept in the registry under an address of this script: the coroutine whose
 * stack holds it may not be the one that runs it. */
bool run_each(Call *call, Error *err)
{
    Script *script = call->script;
    if (!check_count(call, 1, err)) return false;
    if (lua_type(call->L, 1) != LUA_TFUNCTION) return expected(call, 1, "a function", err);
    lua_pushvalue(call->L, 1);
    lua_rawsetp(call->L, LUA_REGISTRYINDEX, &script->busy);
    script->busy = call->name;
    const bool ok = draft_each(script->draft, call->origin, visit_key, call, err);
    script->busy = NULL;
    return ok;
}

/* ---- fill, keep_target ---- */

/* Rules for target keys cost something for every key, when the ledger is closed. */
static bool charge_pattern(Call *call, Error *err)
{
    const StateDict *target = draft_target(call->script->draft);
    const uint64_t keys = target ? dict_count(target) : draft_count(call->script->draft);
    return sandbox_spend(&call->script->sandbox, keys / 4 + 1) ||
           error_set(err, ERR_LIMIT, "over the limit");
}

/* Charged before it is compiled: it will be tried on every target. */
const Pattern *compile_pattern(Call *call, const char *text, Error *err)
{
    if (!charge_pattern(call, err)) return NULL;
    Arena *arena = draft_arena(call->script->draft);
    const Pattern *pattern = pattern_compile(arena, text, strlen(text), err);
    if (!pattern) error_prefix(err, "%s", call->name);
    return pattern;
}

/* Several patterns may share an op; functions cannot fill, since they see no tensor there. */
bool run_fill(Call *call, Error *err)
{
    const char *const *texts;
    size_t n;
    FillRule fill = {.origin = call->origin};
    host_begin(call->L);
    if (!check_count(call, 2, err) || !take_list(call, 1, &texts, &n, err)) return false;
    if (!n) return expected(call, 1, "text or a list of texts", err);
    if (!op_is(call->L, 2)) return expected(call, 2, "a fill such as zeros() or kaiming()", err);
    if (!op_take(call->L, 2, 0, &fill.op, err)) return error_prefix(err, "%s", call->name);
    if (!op_is_fill(fill.op.kind))
        return error_set(err, ERR_RULE, "fill: %s makes nothing up; fills are zeros, const, "
                         "normal, uniform, kaiming, xavier", op_name(fill.op.kind));
    for (size_t i = 0; i < n; i++) {
        if (!(fill.pattern = compile_pattern(call, texts[i], err))) return false;
        draft_fill(call->script->draft, &fill);
    }
    return true;
}

/* Several patterns, in a table or not. */
bool run_keep_target(Call *call, Error *err)
{
    const char *const *texts;
    size_t n;
    if (!check_fields(call, 1, NULL, 0, err) || !take_names(call, 1, &texts, &n, err)) return false;
    for (size_t i = 0; i < n; i++) {
        const Pattern *pattern = compile_pattern(call, texts[i], err);
        if (!pattern) return false;
        draft_keep_target(call->script->draft, call->origin, pattern);
    }
    return true;
}

/* ---- policy ---- */

/* The words of the longest field, dtype, and the NULL behind them. */
enum { POLICY_WORDS = 5 };

/* A field and its words, in the order of its enum (draft.h). */
typedef struct PolicyField {
    const char *name;
    const char *words[POLICY_WORDS];     /* NULL behind the last; its index is the enum's value */
} PolicyField;

static const PolicyField policy_fields[] = {
    {"shape", {"error", "skip", "fit"}},
    {"dtype", {"cast", "skip", "error", "force"}},
    {"missing", {"error", "keep", "init"}},
    {"unused", {"warn", "error", "ignore"}},
    {"reuse", {"error", "all", "once"}},
    {"collide", {"error", "last"}},
};

/* `field` is an index into policy_fields, `value` one of that field's enum. */
static void set_policy(Policy *policy, size_t field, int value)
{
    switch (field) {
    case 0: policy->shape = (ShapePolicy)value; break;
    case 1: policy->dtype = (DTypePolicy)value; break;
    case 2: policy->missing = (MissingPolicy)value; break;
    case 3: policy->unused = (UnusedPolicy)value; break;
    case 4: policy->reuse = (ReusePolicy)value; break;
    case 5: policy->collide = (CollidePolicy)value; break;
    default: break;
    }
}

/* Lists what would have been right. `word` is the script's and may be long: it is cut. */
static bool refuse_word(const PolicyField *field, const char *word, Error *err)
{
    Text list = {0};
    for (size_t i = 0; i < POLICY_WORDS && field->words[i]; i++)
        text_addf(&list, "%s\"%s\"", i ? ", " : "", field->words[i]);
    error_set(err, ERR_RULE, "policy: %s cannot be \"%.60s\"; it is one of %s", field->name, word,
              text_string(&list));
    text_done(&list);
    return false;
}

/* An absent field leaves the policy as it is. */
static bool take_field(Call *call, size_t index, Policy *policy, Error *err)
{
    const PolicyField *const field = &policy_fields[index];
    lua_pushstring(call->L, field->name);
    if (lua_rawget(call->L, 1) == LUA_TNIL) return true;
    if (lua_type(call->L, -1) != LUA_TSTRING) return expected(call, -1, "a word in quotes", err);
    const char *word = lua_tostring(call->L, -1);
    for (int i = 0; i < POLICY_WORDS && field->words[i]; i++) {
        if (strcmp(word, field->words[i]) != 0) continue;
        set_policy(policy, index, i);
        return true;
    }
    return refuse_word(field, word, err);
}

/* All fields are read before any is set: a policy with an error in it changes nothing. */
bool run_policy(Call *call, Error *err)
{
    const char *names[countof(policy_fields)];
    for (size_t i = 0; i < countof(names); i++) names[i] = policy_fields[i].name;
    if (!check_count(call, 1, err)) return false;
    if (lua_type(call->L, 1) != LUA_TTABLE) return expected(call, 1, "{shape=…, …}", err);
    if (!check_fields(call, 1, names, countof(names), err)) return false;
    if (lua_rawlen(call->L, 1))
        return error_set(err, ERR_RULE,
                         "policy: every value needs its field, as in shape=\"skip\"");
    Policy policy = *draft_policy(call->script->draft);
    for (size_t i = 0; i < countof(names); i++)
        if (!take_field(call, i, &policy, err)) return false;
    *draft_policy(call->script->draft) = policy;
    return true;
}

/* ---- expect ---- */

/* The patterns under a field of the table at 1. They are compiled now and matched when the ledger
 * is closed: an error in one has the line of its statement. */
static bool take_patterns(Call *call, const char *field, const Pattern ***patterns, size_t *count,
                          Error *err)
{
    const char *const *texts;
    lua_pushstring(call->L, field);
    lua_rawget(call->L, 1);
    if (!take_list(call, -1, &texts, count, err)) return error_prefix(err, "%s", field);
    *patterns = arena_alloc(draft_arena(call->script->draft), (*count + 1) * sizeof **patterns);
    for (size_t i = 0; i < *count; i++)
        if (!((*patterns)[i] = compile_pattern(call, texts[i], err))) return false;
    return true;
}

/* How many targets have to be loaded in the end; -1 when it is not said. */
static bool take_loaded(Call *call, int64_t *loaded, Error *err)
{
    *loaded = -1;
    return take_whole(call, "loaded", loaded, err);
}

/* Lists or single patterns; several statements add up in the draft. */
bool run_expect(Call *call, Error *err)
{
    static const char *const fields[] = {"missing", "unused", "shape", "dtype", "loaded"};
    Expect expect = {.origin = call->origin};
    if (!check_count(call, 1, err)) return false;
    if (lua_type(call->L, 1) != LUA_TTABLE)
        return expected(call, 1, "{missing={\"pattern\"}, …}", err);
    if (!check_fields(call, 1, fields, countof(fields), err)) return false;
    if (lua_rawlen(call->L, 1))
        return error_set(err, ERR_RULE, "expect: every value needs its field, as in "
                         "missing={\"head.*\"}");
    if (!take_patterns(call, "missing", &expect.missing, &expect.missing_count, err) ||
        !take_patterns(call, "unused", &expect.unused, &expect.unused_count, err) ||
        !take_patterns(call, "shape", &expect.shape, &expect.shape_count, err) ||
        !take_patterns(call, "dtype", &expect.dtype, &expect.dtype_count, err) ||
        !take_loaded(call, &expect.loaded, err))
        return false;
    draft_expect(call->script->draft, &expect);
    return true;
}
