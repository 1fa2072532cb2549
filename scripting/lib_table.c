/* The table library, charged for every element it touches; sort takes n log n steps whatever
 * its comparison answers.
 *
 * Arguments and results are those of the reference manual, 6.6. Lengths and ranges are charged
 * before the first element is touched, because a __len may have made them up and because C
 * functions as metamethods would not be seen by the hook. */
#include <limits.h>

#include <lauxlib.h>

#include "scripting/sandbox.h"

/* Tables only: what else could be indexed would need its metamethods to be trusted. */
static void check_table(lua_State *L, int arg)
{
    luaL_checktype(L, arg, LUA_TTABLE);
}

/* #t, which a __len may have made up. */
static lua_Integer length_of(lua_State *L, int arg)
{
    check_table(L, arg);
    return luaL_len(L, arg);
}

/* Charges for the elements first … last and for the range itself. */
static void charge_range(lua_State *L, lua_Integer first, lua_Integer last)
{
    sandbox_charge(L, last >= first ? (uint64_t)last - (uint64_t)first + 1 : 1);
}

/* insert(t, value) or insert(t, position, value). The length is asked once; what a __len answers
 * the second time cannot matter. It may be LUA_MAXINTEGER: sums wrap in uint64_t, where that is
 * defined. */
static int insert(lua_State *L)
{
    const lua_Integer size = length_of(L, 1);
    const lua_Integer end = (lua_Integer)((uint64_t)size + 1);
    lua_Integer at = end;
    if (lua_gettop(L) == 3) {
        at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (uint64_t)at - 1u < (uint64_t)end, 2, "position out of bounds");
        charge_range(L, at, end);
        for (lua_Integer i = end; i > at; i--) {
            lua_geti(L, 1, i - 1);
            lua_seti(L, 1, i);
        }
    } else if (lua_gettop(L) != 2) {
        return sandbox_raise(L, "wrong number of arguments to 'insert'");
    }
    lua_seti(L, 1, at);
    return 0;
}

/* table.remove; the empty position behind the end may be taken out, as in Lua. Of an empty table
 * it is t[0] that is given and cleared. */
static int take_out(lua_State *L)
{
    const lua_Integer size = length_of(L, 1);
    lua_Integer at = luaL_optinteger(L, 2, size);
    if (at != size)
        luaL_argcheck(L, (uint64_t)at - 1u <= (uint64_t)size, 2, "position out of bounds");
    charge_range(L, at, size);
    lua_geti(L, 1, at);
    for (; at < size; at++) {
        lua_geti(L, 1, at + 1);
        lua_seti(L, 1, at);
    }
    lua_pushnil(L);
    lua_seti(L, 1, at);
    return 1;
}

/* Copies down or up, so that overlapping ranges come out right; a range may not wrap around. From
 * the end only where the destination begins inside the range: move(t, 1, 3, 2) has to read t[3]
 * before it is overwritten. */
static int move(lua_State *L)
{
    const lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);
    const lua_Integer at = luaL_checkinteger(L, 4);
    const int into = lua_isnoneornil(L, 5) ? 1 : 5;
    check_table(L, 1);
    check_table(L, into);
    if (to >= from) {
        luaL_argcheck(L, from > 0 || to < LUA_MAXINTEGER + from, 3, "too many elements to move");
        const lua_Integer n = to - from + 1;
        luaL_argcheck(L, at <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
        charge_range(L, from, to);
        const bool down =
            at > to || at <= from || (into != 1 && !lua_compare(L, 1, into, LUA_OPEQ));
        for (lua_Integer i = 0; i < n; i++) {
            const lua_Integer k = down ? i : n - 1 - i;
            lua_geti(L, 1, from + k);
            lua_seti(L, into, at + k);
        }
    }
    lua_pushvalue(L, into);
    return 1;
}

/* Numbers count as text here, as in Lua. */
static void add_item(lua_State *L, luaL_Buffer *buffer, lua_Integer i)
{
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
        sandbox_raise(L, "invalid value (at index %lld) in table for 'concat'", (long long)i);
    luaL_addvalue(buffer);
}

/* The range is charged before the first element is touched. */
static int concat(lua_State *L)
{
    size_t n;
    const lua_Integer size = length_of(L, 1);
    const char *separator = luaL_optlstring(L, 2, "", &n);
    lua_Integer i = luaL_optinteger(L, 3, 1);
    const lua_Integer last = luaL_optinteger(L, 4, size);
    luaL_Buffer buffer;
    charge_range(L, i, last);
    luaL_buffinit(L, &buffer);
    for (; i < last; i++) {
        add_item(L, &buffer, i);
        luaL_addlstring(&buffer, separator, n);
    }
    if (i == last) add_item(L, &buffer, i);
    luaL_pushresult(&buffer);
    return 1;
}

/* {n = count, …} */
static int pack(lua_State *L)
{
    const int n = lua_gettop(L);
    charge_range(L, 1, n);
    lua_createtable(L, n, 1);
    lua_insert(L, 1);
    for (int i = n; i >= 1; i--) lua_seti(L, 1, i);
    lua_pushinteger(L, n);
    lua_setfield(L, 1, "n");
    return 1;
}

/* The stack bounds how much can be unpacked: about a million. n is one less than the count, so
 * that no range of integers overflows it. */
static int unpack(lua_State *L)
{
    lua_Integer i = luaL_optinteger(L, 2, 1);
    const lua_Integer last = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
    if (i > last) return 0;
    const uint64_t n = (uint64_t)last - (uint64_t)i;
    if (n >= INT_MAX || !lua_checkstack(L, (int)(n + 1)))
        return sandbox_raise(L, "too many results to unpack");
    charge_range(L, i, last);
    for (; i < last; i++) lua_geti(L, 1, i);
    lua_geti(L, 1, last);
    return (int)n + 1;
}

/* Whether t[a] < t[b] or, with a comparison at 2, what that says. A comparison may be any
 * function, also one that answers at random: positions come from the heap, never from it. */
static bool is_less(lua_State *L, lua_Integer a, lua_Integer b)
{
    bool less;
    sandbox_charge(L, 2);
    if (lua_isnil(L, 2)) {
        lua_geti(L, 1, a);
        lua_geti(L, 1, b);
        less = lua_compare(L, -2, -1, LUA_OPLT);
        lua_pop(L, 2);
        return less;
    }
    lua_pushvalue(L, 2);
    lua_geti(L, 1, a);
    lua_geti(L, 1, b);
    lua_call(L, 2, 1);
    less = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return less;
}

/* Through the table's metamethods, if it has any, as Lua's sort does. */
static void swap(lua_State *L, lua_Integer a, lua_Integer b)
{
    lua_geti(L, 1, a);
    lua_geti(L, 1, b);
    lua_seti(L, 1, a);
    lua_seti(L, 1, b);
}

/* Lets t[at] sink in the heap t[1 … end]: the children of i are 2i and 2i + 1, and no parent is
 * less than a child. */
static void sink(lua_State *L, lua_Integer at, lua_Integer end)
{
    for (lua_Integer child; (child = 2 * at) <= end; at = child) {
        if (child < end && is_less(L, child, child + 1)) child++;
        if (!is_less(L, at, child)) return;
        swap(L, at, child);
    }
}

/* Heapsort: no order of answers makes it slow or leads it out of the table. The heap is built
 * from the last parent up; then its top, the greatest, changes places with its last element, the
 * heap ends one earlier, and the new top sinks. */
static int sort(lua_State *L)
{
    const lua_Integer n = length_of(L, 1);
    luaL_argcheck(L, n < INT_MAX, 1, "array too big");
    if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    for (lua_Integer i = n / 2; i >= 1; i--) sink(L, i, n);
    for (lua_Integer i = n; i > 1; i--) {
        swap(L, 1, i);
        sink(L, 1, i - 1);
    }
    return 0;
}

/* Opens the library; for luaL_requiref. */
int lib_table(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"insert", insert}, {"remove", take_out}, {"move", move}, {"concat", concat},
        {"pack", pack}, {"unpack", unpack}, {"sort", sort}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
