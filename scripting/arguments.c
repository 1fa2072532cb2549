/* What statements are given: names, lists of names, flags; errors name the statement.
 *
 * Nothing here raises a Lua error but for want of memory, and nothing is owned while it could:
 * lists lie in the draft's arena. Tables are read raw, so that no metamethod runs. */
#include <string.h>

#include <lauxlib.h>

#include "scripting/script_state.h"
#include "scripting/words.h"

/* What a value is called in errors. Never raises, whatever metatable the value has: __name is
 * not asked. */
const char *type_name(lua_State *L, int index)
{
    if (tensor_at(L, index)) return "a tensor";
    if (op_is(L, index)) return "an op";
    switch (lua_type(L, index)) {
    case LUA_TNONE: return "nothing";
    case LUA_TNIL: return "nil";
    case LUA_TBOOLEAN: return lua_toboolean(L, index) ? "true" : "false";
    case LUA_TNUMBER: return "a number";
    case LUA_TSTRING: return "text";
    case LUA_TTABLE: return "a table";
    case LUA_TFUNCTION: return "a function";
    case LUA_TUSERDATA: return "a value of a checkpoint that is not open any more";
    default: return "a value of another kind";
    }
}

/* The one wording of a wrong argument. A negative index counts from the top, as in Lua. */
bool expected(const Call *call, int index, const char *what, Error *err)
{
    return error_set(err, ERR_RULE, "%s: expected %s, got %s", call->name, what,
                     type_name(call->L, index));
}

/* Held names have no NUL; Lua strings do. Nearly every name is plain bytes and is pushed as it
 * is. */
void push_held(lua_State *L, const char *name, size_t n)
{
    if (!memchr(name, '\xC0', n)) {
        lua_pushlstring(L, name, n);
        return;
    }
    luaL_Buffer buffer;              /* C0 80 holds a NUL */
    luaL_buffinit(L, &buffer);
    for (size_t i = 0; i < n; i++) {
        const bool nul = name[i] == '\xC0' && i + 1 < n && name[i + 1] == '\x80';
        luaL_addchar(&buffer, nul ? '\0' : name[i]);
        i += nul;
    }
    luaL_pushresult(&buffer);
}

void push_name(lua_State *L, const char *name)
{
    push_held(L, name, strlen(name));
}

/* Only strings: a number that Lua would turn into one is more likely a slip than a name. */
const char *take_name(Call *call, int index, Error *err)
{
    size_t n;
    if (lua_type(call->L, index) != LUA_TSTRING) {
        expected(call, index, "text", err);
        return NULL;
    }
    const char *text = lua_tolstring(call->L, index, &n);
    return name_hold(draft_arena(call->script->draft), text, n);
}

/* For statements with a fixed number of arguments: what is too much would be ignored silently. */
bool check_count(Call *call, int most, Error *err)
{
    const int n = lua_gettop(call->L);
    if (n <= most) return true;
    return error_set(err, ERR_RULE, "%s: %d arguments given, it takes %d", call->name, n, most);
}

/* The list part of a table, t[1] … t[#t]; a hole in it is refused as a nil among names. The array
 * has one place more than there are names, so that an empty table is no special case. */
static bool take_items(Call *call, int index, const char *const **names, size_t *n, Error *err)
{
    lua_State *L = call->L;
    *n = lua_rawlen(L, index);
    const char **list = arena_alloc(draft_arena(call->script->draft), (*n + 1) * sizeof *list);
    *names = list;
    for (size_t i = 0; i < *n; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        list[i] = take_name(call, -1, err);
        lua_pop(L, 1);
        if (!list[i]) return false;
    }
    return true;
}

/* Covers both spellings, strip("a", "b") and strip{"a", "b"}; none at all is an error. The array
 * lives in the draft's arena, since origins and notes may go on pointing into it. */
bool take_names(Call *call, int first, const char *const **names, size_t *n, Error *err)
{
    lua_State *L = call->L;
    const int top = lua_gettop(L);
    if (lua_type(L, first) == LUA_TTABLE) {
        if (top > first) return check_count(call, first, err);
        if (!take_items(call, first, names, n, err)) return false;
    } else {
        *n = top >= first ? (size_t)(top - first + 1) : 0;
        const char **list = arena_alloc(draft_arena(call->script->draft),
                                        (*n + 1) * sizeof *list);
        *names = list;
        for (size_t i = 0; i < *n; i++)
            if (!(list[i] = take_name(call, first + (int)i, err))) return false;
    }
    return *n || error_set(err, ERR_RULE, "%s: expected text, got nothing", call->name);
}

/* The value may be absent: rule("a") drops, and expect{} takes any of its fields. */
bool take_list(Call *call, int index, const char *const **names, size_t *n, Error *err)
{
    lua_State *L = call->L;
    index = lua_absindex(L, index);
    *n = 0;
    *names = NULL;
    if (lua_isnoneornil(L, index)) return true;
    if (lua_type(L, index) == LUA_TTABLE) return take_items(call, index, names, n, err);
    if (lua_type(L, index) != LUA_TSTRING)
        return expected(call, index, "text or a list of texts", err);
    const char **list = arena_alloc(draft_arena(call->script->draft), sizeof *list);
    list[0] = take_name(call, index, err);
    *names = list;
    *n = 1;
    return true;
}

/* A flag that is neither true nor false is refused: again=1 would be true and again=0 as well. */
bool take_flag(Call *call, int index, const char *field, bool *flag, Error *err)
{
    lua_State *L = call->L;
    *flag = false;
    if (lua_type(L, index) != LUA_TTABLE) return true;
    lua_pushstring(L, field);
    const int kind = lua_rawget(L, index);
    *flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (kind == LUA_TNIL || kind == LUA_TBOOLEAN) return true;
    return error_set(err, ERR_RULE, "%s: %s must be true or false", call->name, field);
}

/* 2.0 is a whole number as well, "2" is none. */
bool take_whole(Call *call, const char *field, int64_t *number, Error *err)
{
    int whole = 0;
    lua_pushstring(call->L, field);
    if (lua_rawget(call->L, 1) == LUA_TNIL) return true;
    *number = lua_type(call->L, -1) == LUA_TNUMBER ? lua_tointegerx(call->L, -1, &whole) : -1;
    if (*number >= 0 && whole) return true;
    return error_set(err, ERR_RULE, "%s: %s must be a whole number, got %s", call->name, field,
                     type_name(call->L, -1));
}

/* The words are listed where none of them was given. */
bool take_word(Call *call, const char *field, const char *const *words, size_t n, int *choice,
                 Error *err)
{
    lua_pushstring(call->L, field);
    if (lua_rawget(call->L, 1) == LUA_TNIL) return true;
    const char *word = lua_type(call->L, -1) == LUA_TSTRING ? lua_tostring(call->L, -1) : NULL;
    for (size_t i = 0; word && i < n; i++) {
        if (strcmp(word, words[i]) != 0) continue;
        *choice = (int)i;
        return true;
    }
    Text list = {0};
    for (size_t i = 0; i < n; i++) text_addf(&list, "%s\"%s\"", i ? ", " : "", words[i]);
    error_set(err, ERR_RULE, "%s: %s must be one of %s", call->name, field, text_string(&list));
    text_done(&list);
    return false;
}

/* Linear: no statement knows more than a handful of fields. */
static bool is_known(const char *field, const char *const *known, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(field, known[i]) == 0) return true;
    return false;
}

/* Mistyped fields must not pass as if they had been absent: strip{"a.", agian=true} would cut
 * once and say nothing. The message lists the fields there are. */
static bool refuse_field(const Call *call, const char *field, const char *const *known, size_t n,
                         Error *err)
{
    Text list = {0};
    for (size_t i = 0; i < n; i++) text_addf(&list, "%s%s", i ? ", " : "", known[i]);
    error_set(err, ERR_RULE, "%s: there is no field '%.60s'; %s%s", call->name, field,
              n ? "it takes " : "it takes none", text_string(&list));
    text_done(&list);
    return false;
}

/* Integer keys are the list part, which other functions look at. Raw access throughout: a
 * metatable could otherwise run script code here. */
bool check_fields(Call *call, int index, const char *const *known, size_t n, Error *err)
{
    lua_State *L = call->L;
    if (lua_type(L, index) != LUA_TTABLE) return true;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (lua_isinteger(L, -1)) continue;
        const char *field = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
        if (is_known(field, known, n)) continue;
        return refuse_field(call, field, known, n, err);
    }
    return true;
}
