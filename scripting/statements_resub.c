/* The statement resub: one pair of regular expression and replacement, or a list of pairs. */
#include <string.h>

#include <lauxlib.h>

#include "scripting/statements.h"

/* {"regex", "replacement"}, on the top of the stack. */
static bool take_pair(Call *call, Resub *pair, Error *err)
{
    lua_State *L = call->L;
    const char *const *texts;
    size_t n;
    if (lua_type(L, -1) != LUA_TTABLE)
        return expected(call, -1, "pairs {\"regex\", \"replacement\"}", err);
    if (!check_fields(call, lua_gettop(L), NULL, 0, err) || !take_list(call, -1, &texts, &n, err))
        return false;
    if (n != 2)
        return error_set(err, ERR_RULE, "resub: a pair is {\"regex\", \"replacement\"}, not %zu "
                         "texts", n);
    pair->pattern = texts[0];
    pair->replacement = texts[1];
    return true;
}

/* resub{"a", "b"} and resub{{"a", "b"}, …} are told apart by what stands first. */
static bool take_pairs(Call *call, Resub **pairs, size_t *n, Error *err)
{
    static const char *const fields[] = {"count"};
    lua_State *L = call->L;
    if (!check_count(call, 1, err) || !check_fields(call, 1, fields, countof(fields), err))
        return false;
    const bool one = lua_rawgeti(L, 1, 1) == LUA_TSTRING;
    lua_pop(L, 1);
    *n = one ? 1 : lua_rawlen(L, 1);
    *pairs = arena_alloc(draft_arena(call->script->draft), (*n + 1) * sizeof **pairs);
    if (!*n) return error_set(err, ERR_RULE, "resub: the list is empty");
    for (size_t i = 0; !one && i < *n; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        if (!take_pair(call, &(*pairs)[i], err)) return false;
        lua_pop(L, 1);
    }
    if (!one) return true;
    const char *const *texts;
    size_t count;
    if (!take_list(call, 1, &texts, &count, err)) return false;
    if (count != 2)
        return error_set(err, ERR_RULE, "resub: expected \"regex\", \"replacement\", got %zu "
                         "texts", count);
    **pairs = (Resub){texts[0], texts[1], 0};
    return true;
}

/* resub("regex", "replacement"). */
static bool take_two(Call *call, Resub **pairs, size_t *n, Error *err)
{
    *n = 1;
    *pairs = arena_alloc(draft_arena(call->script->draft), sizeof **pairs);
    if (!check_count(call, 2, err)) return false;
    (*pairs)->pattern = take_name(call, 1, err);
    (*pairs)->replacement = (*pairs)->pattern ? take_name(call, 2, err) : NULL;
    return (*pairs)->replacement != NULL;
}

/* Charged for a walk through every key for each pair. What an unlucky pattern costs beyond that
 * is bounded by the limits of a match. */
bool run_resub(Call *call, Error *err)
{
    Resub *pairs;
    size_t n;
    int64_t count = 0;
    const bool table = lua_type(call->L, 1) == LUA_TTABLE;
    if (!(table ? take_pairs(call, &pairs, &n, err) : take_two(call, &pairs, &n, err)))
        return false;
    if (table && !take_whole(call, "count", &count, err)) return false;
    for (size_t i = 0; i < n; i++) pairs[i].count = (uint64_t)count;
    if (!charge_lines(call, 10 * n)) return error_set(err, ERR_LIMIT, "over the limit");
    return draft_resub(call->script->draft, call->origin, pairs, n, err);
}
