/* Dicts and entries as Lua values: one entry at a time. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "scripting/preset.h"
#include "scripting/preset_dict.h"

static const char dict_key, entry_key, shapes_key;   /* registry: metatables; shapes so far */

/* ---- in C ---- */

static int free_dict(lua_State *L)
{
    PresetDict *dict = lua_touserdata(L, 1);
    free(dict->list);
    map_done(&dict->index);
    *dict = (PresetDict){0};
    return 0;
}

void preset_dict_add(PresetDict *dict, PresetEntry *entry)
{
    dict->list = mem_grow(dict->list, &dict->room, dict->count + 1, sizeof *dict->list);
    if (dict->indexed) map_set(&dict->index, entry->name, (uint32_t)dict->count);
    dict->list[dict->count++] = entry;
}

/* Many dicts are only walked through, so the names are not put into the map before it is needed. */
const NameMap *preset_dict_names(PresetDict *dict)
{
    for (size_t i = 0; i < dict->count && !dict->indexed; i++)
        map_set(&dict->index, dict->list[i]->name, (uint32_t)i);
    dict->indexed = true;
    return &dict->index;
}

uint32_t preset_dict_place(PresetDict *dict, const char *name)
{
    return map_get(preset_dict_names(dict), name);
}

PresetEntry *preset_dict_find(PresetDict *dict, const char *name)
{
    const uint32_t place = preset_dict_place(dict, name);
    return place == MAP_NONE ? NULL : dict->list[place];
}

PresetEntry *preset_dict_set(PresetDict *dict, const char *name, PresetEntry *entry)
{
    const uint32_t place = preset_dict_place(dict, name);
    entry->name = name;
    if (place == MAP_NONE) {
        preset_dict_add(dict, entry);
        return NULL;
    }
    PresetEntry *before = dict->list[place];
    dict->list[place] = entry;
    return before;
}

bool preset_entry_is_tensor(const PresetEntry *entry)
{
    return !entry->class;
}

bool preset_entry_same_shape(const PresetEntry *a, const PresetEntry *b)
{
    return !a->dims || !b->dims || same_dims(a->dims, a->rank, b->dims, b->rank);
}

PresetEntry *preset_entry_copy(lua_State *L, const PresetEntry *entry)
{
    return arena_copy(draft_arena(script_of(L)->draft), entry, sizeof *entry);
}

const char *preset_hold(lua_State *L, int index)
{
    size_t n;
    const char *text = luaL_checklstring(L, index, &n);
    return name_hold(draft_arena(script_of(L)->draft), text, n);
}

const char *preset_look(lua_State *L, int index)
{
    size_t n;
    const char *text = luaL_checklstring(L, index, &n);
    return strlen(text) == n ? text : preset_hold(L, index);
}

/* ---- handles ---- */

PresetDict *preset_dict_push(lua_State *L)
{
    PresetDict *dict = lua_newuserdatauv(L, sizeof *dict, 0);
    *dict = (PresetDict){0};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &dict_key);
    lua_setmetatable(L, -2);
    return dict;
}

/* What stands at `index`, if its metatable is the one under `key`. */
static void *check_kind(lua_State *L, int index, const void *key, const char *what)
{
    void *value = lua_touserdata(L, index);
    if (value && lua_getmetatable(L, index)) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, key);
        const bool same = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
        if (same) return value;
    }
    sandbox_raise(L, "expected %s, got a %s", what, type_name(L, index));
    return NULL;
}

PresetDict *preset_dict_check(lua_State *L, int index)
{
    return check_kind(L, index, &dict_key, "a dict");
}

void preset_entry_push(lua_State *L, PresetEntry *entry)
{
    PresetEntry **handle = lua_newuserdatauv(L, sizeof(PresetEntry *), 0);
    *handle = entry;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &entry_key);
    lua_setmetatable(L, -2);
}

static PresetEntry *preset_entry_check(lua_State *L, int index)
{
    PresetEntry **handle = check_kind(L, index, &entry_key, "an entry");
    return *handle;
}

/* ---- the fields of an entry ---- */

/* Pushes the one table of that shape, which nobody may change: every shape so far, by its bytes. */
static void push_dims(lua_State *L, const int64_t *dims, unsigned rank)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &shapes_key);
    lua_pushlstring(L, rank ? (const char *)dims : "", rank * sizeof *dims);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, (int)rank, 0);
        for (unsigned i = 0; i < rank; i++) {
            lua_pushinteger(L, dims[i]);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -5);
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
}

static void push_text(lua_State *L, const char *text)
{
    if (text) push_name(L, text);
    else lua_pushnil(L);
}

/* entry.name, .from, .class, .key_class, .ops; .shape, a list; .dtype, where it is known; .at, true
 * of a key of the draft; .value, a tensor; .storage, a number. */
static int get_field(lua_State *L)
{
    const PresetEntry *entry = preset_entry_check(L, 1);
    const char *field = luaL_checkstring(L, 2);
    const bool tensor = preset_entry_is_tensor(entry);
    if (strcmp(field, "name") == 0) push_text(L, entry->name);
    else if (strcmp(field, "class") == 0) push_text(L, entry->class);
    else if (strcmp(field, "shape") == 0 && tensor && entry->dims)
        push_dims(L, entry->dims, entry->rank);
    else if (strcmp(field, "dtype") == 0 && tensor && entry->dtype != DT_UNKNOWN)
        lua_pushstring(L, dtype_name(entry->dtype));
    else if (strcmp(field, "from") == 0) push_text(L, entry->from);
    else if (strcmp(field, "key_class") == 0) push_text(L, entry->key_class);
    else if (strcmp(field, "ops") == 0) push_text(L, entry->ops);
    else if (strcmp(field, "at") == 0) lua_pushboolean(L, tensor && entry->key);
    else if (strcmp(field, "storage") == 0) lua_pushinteger(L, entry->storage);
    else if (strcmp(field, "value") == 0 && entry->value) tensor_push(L, entry->value, entry->name);
    else lua_pushnil(L);
    return 1;
}

static void set_shape(lua_State *L, PresetEntry *entry)
{
    luaL_checktype(L, 3, LUA_TTABLE);
    entry->rank = (unsigned)lua_rawlen(L, 3);
    int64_t *dims = arena_alloc(draft_arena(script_of(L)->draft), (entry->rank + 1) * sizeof *dims);
    for (unsigned i = 0; i < entry->rank; i++) {
        lua_rawgeti(L, 3, (lua_Integer)i + 1);
        dims[i] = luaL_checkinteger(L, -1);
        lua_pop(L, 1);
    }
    entry->dims = dims;
}

/* entry.shape, .value and .ops = …; entry.class = nil. */
static int set_field(lua_State *L)
{
    PresetEntry *entry = preset_entry_check(L, 1);
    const char *field = luaL_checkstring(L, 2);
    if (strcmp(field, "shape") == 0) set_shape(L, entry);
    else if (strcmp(field, "value") == 0) entry->value = tensor_at(L, 3);
    else if (strcmp(field, "ops") == 0) entry->ops = preset_hold(L, 3);
    else if (strcmp(field, "class") == 0 && lua_isnil(L, 3)) entry->class = NULL;
    else return sandbox_raise(L, "an entry's '%s' cannot be set", field);
    return 0;
}

/* ---- the methods of a dict ---- */

static int get_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)preset_dict_check(L, 1)->count);
    return 1;
}

/* dict:get(name): its entry, or nil. */
static int get(lua_State *L)
{
    PresetDict *dict = preset_dict_check(L, 1);
    PresetEntry *entry = lua_isnil(L, 2) ? NULL : preset_dict_find(dict, preset_look(L, 2));
    if (!entry) return 0;
    preset_entry_push(L, entry);
    return 1;
}

/* dict:at(i): the i-th name and its entry; nothing beyond the last. */
static int get_at(lua_State *L)
{
    const PresetDict *dict = preset_dict_check(L, 1);
    const lua_Integer i = luaL_checkinteger(L, 2);
    if (i < 1 || (size_t)i > dict->count) return 0;
    push_name(L, dict->list[i - 1]->name);
    preset_entry_push(L, dict->list[i - 1]);
    return 2;
}

/* dict:set(name, entry), as preset_dict_set; whether the name was there. */
static int set(lua_State *L)
{
    PresetDict *dict = preset_dict_check(L, 1);
    PresetEntry *entry = preset_entry_check(L, 3);
    lua_pushboolean(L, preset_dict_set(dict, preset_hold(L, 2), entry) != NULL);
    return 1;
}

static int next_entry(lua_State *L)
{
    const PresetDict *dict = lua_touserdata(L, lua_upvalueindex(1));
    const size_t i = (size_t)lua_tointeger(L, lua_upvalueindex(2));
    if (i >= dict->count) return 0;
    lua_pushinteger(L, (lua_Integer)i + 1);
    lua_replace(L, lua_upvalueindex(2));
    push_name(L, dict->list[i]->name);
    preset_entry_push(L, dict->list[i]);
    return 2;
}

/* In order: for name, entry in dict:each() do … end */
static int each(lua_State *L)
{
    preset_dict_check(L, 1);
    lua_settop(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_entry, 2);
    return 1;
}

static int make_dict(lua_State *L)
{
    preset_dict_push(L);
    return 1;
}

/* copy(entry): another one, which can be changed by itself. */
static int copy_entry(lua_State *L)
{
    preset_entry_push(L, preset_entry_copy(L, preset_entry_check(L, 1)));
    return 1;
}

/* tensor(entry): its value, to be changed by ops; nil where it has none. */
static int push_tensor(lua_State *L)
{
    Draft *draft = script_of(L)->draft;
    const PresetEntry *entry = preset_entry_check(L, 1);
    const Expr *value = entry->value;
    if (!preset_entry_is_tensor(entry) || !entry->key) return 0;
    if (!value) value = draft_at(draft, entry->key - 1)->expr;
    if (!value) return 0;
    tensor_push(L, value, entry->name);
    return 1;
}

/* A metatable, kept under `key` and left at the top. */
static void make_metatable(lua_State *L, const void *key, const luaL_Reg *functions)
{
    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void preset_push_dicts(lua_State *L)
{
    static const luaL_Reg dict[] = {{"__gc", free_dict}, {"__len", get_length}, {NULL, NULL}};
    static const luaL_Reg entry[] = {
        {"__index", get_field}, {"__newindex", set_field}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"get", get}, {"at", get_at}, {"set", set}, {"each", each}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"dict", make_dict}, {"copy", copy_entry}, {"tensor", push_tensor}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &shapes_key) == LUA_TTABLE) {
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 1);
    make_metatable(L, &dict_key, dict);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    preset_push_bulk(L);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    make_metatable(L, &entry_key, entry);
    lua_pop(L, 1);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &shapes_key);
}
