/* string.find, match, gmatch, gsub, rep and format in versions that are charged for what they
 * do; the other functions of the library are Lua's own, but for dump.
 *
 * Lua's own ones that stay (sub, upper, byte, pack …) take time in proportion to their
 * arguments and results, which the length limit on strings and the clock take care of.
 * Arguments and results are those of the reference manual, 6.4. Raising is harmless anywhere:
 * buffers are Lua's (luaL_Buffer). */
#include <stdint.h>
#include <string.h>

#include <lauxlib.h>

#include "scripting/lua_match.h"

/* Where to start: from 1, negative from the end, as string.find's init. 0-based. In a subject of
 * five bytes 1 → 0, 6 → 5 (the empty end), 7 → 6 (behind it: nothing fits), -1 → 4, -9 → 0. */
static size_t start_at(lua_State *L, int arg, size_t n)
{
    const lua_Integer init = luaL_optinteger(L, arg, 1);
    if (init > 0) return (uint64_t)(init - 1) > n ? n + 1 : (size_t)(init - 1);
    if (init == 0 || (uint64_t)0 - (uint64_t)init > n) return 0;
    return n - (size_t)((uint64_t)0 - (uint64_t)init);
}

/* memmem takes time in proportion to both lengths; Lua's own search takes their product. Eight
 * bytes are charged as one instruction. The caller has seen to at <= n. Results are the first and
 * the last position, from 1. */
static int find_plain(lua_State *L, const char *s, size_t n, const char *p, size_t pn, size_t at)
{
    sandbox_charge(L, (n - at + pn) / 8 + 1);
    const char *hit = pn ? memmem(s + at, n - at, p, pn) : s + at;
    if (!hit) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, hit - s + 1);
    lua_pushinteger(L, hit - s + (ptrdiff_t)pn);
    return 2;
}

/* Without any of the magic characters a pattern is a plain text. strchr would find a NUL at the
 * end of its own list, hence the look at p[i]: a NUL in a pattern stands for itself. */
static bool is_plain(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] && strchr("^$*+?.([%-", p[i])) return false;
    return true;
}

/* find and match: the first place where the pattern fits, from the init on. The end of the
 * subject is a place too, where empty matches fit; after '^' the init is the only one. */
static int search(lua_State *L, bool find)
{
    size_t n, pn;
    const char *s = luaL_checklstring(L, 1, &n), *p = luaL_checklstring(L, 2, &pn);
    const size_t at = start_at(L, 3, n);
    if (at > n) {
        lua_pushnil(L);
        return 1;
    }
    sandbox_charge(L, pn / 8 + 1);
    if (find && (lua_toboolean(L, 4) || is_plain(p, pn))) return find_plain(L, s, n, p, pn, at);
    LuaMatch match;
    const bool anchored = pn && *p == '^';
    match_init(&match, L, s, n, pn, p);
    const char *here = s + at;
    do {
        const char *end = match_at(&match, here, p + anchored);
        if (!end) continue;
        match_done(&match);
        if (!find) return match_push_all(&match, here, end);
        lua_pushinteger(L, here - s + 1);
        lua_pushinteger(L, end - s);
        return match_push_all(&match, NULL, NULL) + 2;
    } while (here++ < match.source_end && !anchored);
    match_done(&match);
    lua_pushnil(L);
    return 1;
}

static int find(lua_State *L)
{
    return search(L, true);
}

static int match_string(lua_State *L)
{
    return search(L, false);
}

/* Upvalues: subject, pattern, where to go on, end of the last match (0-based; -1: none). An empty
 * match at that end is passed over: ("abc"):gmatch("%a*") gives "abc" and no "" behind it. */
static int gmatch_next(lua_State *L)
{
    size_t n, pn;
    const char *s = lua_tolstring(L, lua_upvalueindex(1), &n);
    const char *p = lua_tolstring(L, lua_upvalueindex(2), &pn);
    const lua_Integer from = lua_tointeger(L, lua_upvalueindex(3));
    const lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    LuaMatch match;
    match_init(&match, L, s, n, pn, p);
    for (const char *here = s + from; here <= match.source_end; here++) {
        const char *end = match_at(&match, here, p);
        if (!end || end - s == last) continue;
        match_done(&match);
        lua_pushinteger(L, end - s);
        lua_pushvalue(L, -1);
        lua_replace(L, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return match_push_all(&match, here, end);
    }
    match_done(&match);
    return 0;
}

/* The subject and the pattern live in the closure and cannot be collected in between. A '^' is no
 * anchor here, as the manual says: the iterator would end after one step. */
static int gmatch(lua_State *L)
{
    size_t n;
    luaL_checklstring(L, 1, &n);
    luaL_checkstring(L, 2);
    const size_t at = start_at(L, 3, n);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)at);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* The replacement as text with %0 … %9 and %%: ("a.b"):gsub("(%w)%.(%w)", "%2.%1") is "b.a".
 * Without captures %1 is the whole match, as %0 is. Charged by its length at every match: a long
 * one over a long subject is the product of both. */
static void add_text(LuaMatch *match, luaL_Buffer *buffer, const char *start, const char *end)
{
    lua_State *L = match->L;
    size_t n;
    const char *text = lua_tolstring(L, 3, &n);
    sandbox_charge(L, n / 8 + 1);
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '%') {
            luaL_addchar(buffer, text[i]);
            continue;
        }
        const char c = ++i < n ? text[i] : '\0';
        if (c == '%') {
            luaL_addchar(buffer, '%');
        } else if (c == '0') {
            luaL_addlstring(buffer, start, (size_t)(end - start));
        } else if (c >= '1' && c <= '9') {
            match_push(match, c - '1', start, end);
            luaL_tolstring(L, -1, NULL);
            lua_remove(L, -2);
            luaL_addvalue(buffer);
        } else {
            sandbox_raise(L, "invalid use of '%%' in replacement string");
        }
    }
}

/* Adds what stands for one match; false when the original text stays. A table is asked with the
 * first capture, a function gets all of them. Both may run script code here (a table by its
 * __index), between two matches, never inside one. */
static bool add_value(LuaMatch *match, luaL_Buffer *buffer, const char *start, const char *end)
{
    lua_State *L = match->L;
    switch (lua_type(L, 3)) {
    case LUA_TFUNCTION:
        lua_pushvalue(L, 3);
        lua_call(L, match_push_all(match, start, end), 1);
        break;
    case LUA_TTABLE:
        match_push(match, 0, start, end);
        lua_gettable(L, 3);
        break;
    default:
        add_text(match, buffer, start, end);
        return true;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(buffer, start, (size_t)(end - start));
        return false;
    }
    if (!lua_isstring(L, -1))
        sandbox_raise(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(buffer);
    return true;
}

/* As Lua's: an empty match right behind the last match does not count, and a result that is
 * false or nil keeps the text. n bytes have n + 1 places where an empty match fits, hence the
 * default of `most`. Steps are charged before a replacement runs, which may itself match. */
static int gsub(lua_State *L)
{
    size_t n, pn;
    const char *s = luaL_checklstring(L, 1, &n), *p = luaL_checklstring(L, 2, &pn);
    const int kind = lua_type(L, 3);
    luaL_argexpected(L, kind == LUA_TNUMBER || kind == LUA_TSTRING || kind == LUA_TFUNCTION ||
                     kind == LUA_TTABLE, 3, "string/function/table");
    const lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)n + 1);
    const bool anchored = pn && *p == '^';
    const char *here = s, *last = NULL;
    lua_Integer count = 0;
    bool changed = false;
    LuaMatch match;
    luaL_Buffer buffer;
    if (kind == LUA_TNUMBER) lua_tostring(L, 3);
    match_init(&match, L, s, n, pn, p);
    luaL_buffinit(L, &buffer);
    while (count < most) {
        const char *end = match_at(&match, here, p + anchored);
        if (end && end != last) {
            count++;
            match_done(&match);
            changed |= add_value(&match, &buffer, here, end);
            here = last = end;
        } else if (here < match.source_end) {
            luaL_addchar(&buffer, *here++);
        } else {
            break;
        }
        if (anchored) break;
    }
    match_done(&match);
    luaL_addlstring(&buffer, here, (size_t)(match.source_end - here));
    luaL_pushresult(&buffer);
    if (!changed) lua_pushvalue(L, 1);
    lua_pushinteger(L, count);
    return 2;
}

/* The length is known before anything is built. An empty text that is repeated 1 << 60 times is
 * the empty text, without looking at it as often. Separators stand between, one less than texts:
 * ("a"):rep(3, "-") is "a-a-a". The bound is tested by division, where no product overflows. */
static int repeat(lua_State *L)
{
    size_t n, sn;
    const char *s = luaL_checklstring(L, 1, &n);
    const lua_Integer times = luaL_checkinteger(L, 2);
    const char *separator = luaL_optlstring(L, 3, "", &sn);
    if (times <= 0 || n + sn == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if ((uint64_t)times > SANDBOX_STRING_MAX / (n + sn) + 1)
        return sandbox_raise(L, "string.rep: the result would be longer than %d MiB",
                             SANDBOX_STRING_MAX >> 20);
    const size_t total = (size_t)times * n + (size_t)(times - 1) * sn;
    sandbox_charge(L, total / 8 + (uint64_t)times + 1);
    luaL_Buffer buffer;
    char *out = luaL_buffinitsize(L, &buffer, total);
    for (lua_Integer i = 0; i < times; i++) {
        if (i) {
            memcpy(out, separator, sn);
            out += sn;
        }
        memcpy(out, s, n);
        out += n;
    }
    luaL_pushresultsize(&buffer, total);
    return 1;
}

/* Lua's own, which limits widths to two digits, charged for what it is given. It is upvalue 1,
 * taken out of the library before this one was put in its place. */
static int format(lua_State *L)
{
    uint64_t bytes = 0;
    const int n = lua_gettop(L);
    for (int i = 1; i <= n; i++)
        if (lua_type(L, i) == LUA_TSTRING) bytes += lua_rawlen(L, i);
    sandbox_charge(L, bytes / 8 + (uint64_t)n);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, 1);
    return 1;
}

/* Methods are found through the table of the library: text:find is the bounded one too. dump is
 * taken out because it makes bytecode, and nothing here would load that. */
void lib_string_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"find", find}, {"match", match_string}, {"gmatch", gmatch}, {"gsub", gsub},
        {"rep", repeat}, {NULL, NULL},
    };
    lua_getglobal(L, "string");
    luaL_setfuncs(L, functions, 0);
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_getfield(L, -1, "format");
    lua_pushcclosure(L, format, 1);
    lua_setfield(L, -2, "format");
    lua_pushliteral(L, "");          /* the metatable of strings is nobody's to change */
    lua_getmetatable(L, -1);
    lua_pushliteral(L, "string");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 3);
}
