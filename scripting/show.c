/* What the prompt shows of a value. What tostring makes of it, but for state dicts, which are
 * listed, and for tables, whose fields are written out in a fixed order, a line each, and what is
 * in them on that line. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "loader/align/suggest.h"
#include "scripting/script_state.h"

enum {
    INNER_DEPTH = 4,             /* of tables in each other that are written out */
    INNER_FIELDS = 16            /* of a table inside another one */
};

/* Text or a number, as source would spell it. */
static void show_scalar(lua_State *L, int index, bool quoted)
{
    Script *script = script_of(L);
    size_t n;
    const bool text = lua_type(L, index) == LUA_TSTRING;
    const char *shown = luaL_tolstring(L, index, &n);
    if (text && quoted) {
        text_clear(&script->scratch);
        lua_quote(shown, n, &script->scratch);
        print_text(script, text_string(&script->scratch), script->scratch.length);
    } else {
        print_text(script, shown, n);
    }
    lua_pop(L, 1);
}

/* Numbers before texts, each in its order; other keys as they come. */
static int compare_keys(lua_State *L, int a, int b)
{
    const bool number_a = lua_type(L, a) == LUA_TNUMBER, number_b = lua_type(L, b) == LUA_TNUMBER;
    if (number_a != number_b) return number_a ? -1 : 1;
    if (number_a) return lua_compare(L, a, b, LUA_OPLT) ? -1 : 1;
    if (lua_type(L, a) != LUA_TSTRING || lua_type(L, b) != LUA_TSTRING) return 0;
    return strcmp(lua_tostring(L, a), lua_tostring(L, b));
}

/* Sorts keys[1 … n] of the list on top of the stack, by merging runs: the sandbox is charged, and
 * the stack is not used for more than four of them. */
static void sort_keys(lua_State *L, int list, int spare, lua_Integer n)
{
    for (lua_Integer width = 1; width < n; width *= 2) {
        sandbox_charge(L, 20 * (uint64_t)n);
        for (lua_Integer from = 1; from <= n; from += 2 * width) {
            lua_Integer a = from, b = from + width, to = from;
            const lua_Integer a_end = b < n + 1 ? b : n + 1;
            const lua_Integer b_end = b + width < n + 1 ? b + width : n + 1;
            while (a < a_end || b < b_end) {
                bool first = b >= b_end;
                if (a < a_end && b < b_end) {
                    lua_rawgeti(L, list, a);
                    lua_rawgeti(L, list, b);
                    first = compare_keys(L, lua_gettop(L) - 1, lua_gettop(L)) <= 0;
                    lua_pop(L, 2);
                }
                lua_rawgeti(L, list, first ? a++ : b++);
                lua_rawseti(L, spare, to++);
            }
        }
        for (lua_Integer i = 1; i <= n; i++) {
            lua_rawgeti(L, spare, i);
            lua_rawseti(L, list, i);
        }
    }
}

/* Pushes the list of the keys of the table at `index`; returns how many. */
static lua_Integer push_keys(lua_State *L, int index)
{
    lua_Integer n = 0;
    lua_newtable(L);
    const int list = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        sandbox_charge(L, 4);
        lua_pushvalue(L, -2);
        lua_rawseti(L, list, ++n);
    }
    lua_newtable(L);
    sort_keys(L, list, list + 1, n);
    lua_settop(L, list);
    return n;
}

static void show_inner(lua_State *L, int index, int depth);

static void show_key(lua_State *L, int index)
{
    Script *script = script_of(L);
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : NULL;
    const bool word = text && *text && !is_digit(*text) &&
                      strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789_") == strlen(text);
    if (!word) print_text(script, "[", 1);
    show_scalar(L, index, !word);
    print_text(script, word ? " = " : "] = ", word ? 3 : 4);
}

/* Whether the value at `index` is a table that is written out, and not one with a text of its
 * own. */
static bool is_plain_table(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TTABLE) return false;
    if (luaL_getmetafield(L, index, "__tostring") == LUA_TNIL) return true;
    lua_pop(L, 1);
    return false;
}

/* {1, 2, name = "x", …} */
static void show_fields(lua_State *L, int index, int depth)
{
    Script *script = script_of(L);
    const lua_Integer length = (lua_Integer)lua_rawlen(L, index), n = push_keys(L, index);
    const int keys = lua_gettop(L);
    print_text(script, "{", 1);
    for (lua_Integer i = 1; i <= n && i <= INNER_FIELDS; i++) {
        lua_rawgeti(L, keys, i);
        lua_pushvalue(L, -1);
        lua_rawget(L, index);
        if (i > 1) print_text(script, ", ", 2);
        const bool listed = lua_isinteger(L, keys + 1) && lua_tointeger(L, keys + 1) == i &&
                            i <= length;
        if (!listed) show_key(L, keys + 1);
        show_inner(L, keys + 2, depth + 1);
        lua_settop(L, keys);
    }
    if (n > INNER_FIELDS) print_text(script, ", …", strlen(", …"));
    print_text(script, "}", 1);
    lua_settop(L, keys - 1);
}

static void show_inner(lua_State *L, int index, int depth)
{
    luaL_checkstack(L, 10, "too deep to be shown");
    sandbox_charge(L, 10);
    if (!is_plain_table(L, index)) show_scalar(L, index, true);
    else if (depth >= INNER_DEPTH) print_text(script_of(L), "{…}", strlen("{…}"));
    else show_fields(L, index, depth);
}

bool show_plain(lua_State *L, int index)
{
    const bool plain = is_plain_table(L, index);
    if (plain) show_inner(L, index, 0);
    return plain;
}

/* A field a line. */
static void show_table(lua_State *L, int index)
{
    Script *script = script_of(L);
    const lua_Integer n = push_keys(L, index);
    const int keys = lua_gettop(L);
    if (!n) print_text(script, "{}\n", 3);
    for (lua_Integer i = 1; i <= n && !script->output_cut; i++) {
        lua_rawgeti(L, keys, i);
        lua_pushvalue(L, -1);
        lua_rawget(L, index);
        show_key(L, keys + 1);
        show_inner(L, keys + 2, 1);
        print_text(script, "\n", 1);
        lua_settop(L, keys);
    }
    lua_settop(L, keys - 1);
}

/* Several values that are texts and numbers stand on one line. */
void show_values(lua_State *L, int first, int last)
{
    bool flat = true;
    for (int i = first; i <= last; i++)
        flat = flat && !is_plain_table(L, i) && !fact_is(L, i);
    if (flat) {
        print_values(L, first, last);
        return;
    }
    for (int i = first; i <= last; i++) {
        luaL_checkstack(L, 10, "too many values");
        if (fact_is(L, i)) fact_show(L, i);
        else if (is_plain_table(L, i)) show_table(L, i);
        else print_values(L, i, i);
    }
}
