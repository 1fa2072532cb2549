/* What presets look up: names in order, names after a regex, what a file holds besides tensors, and
 * which files lie beside it. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <lauxlib.h>

#include "loader/align/load.h"
#include "loader/align/regex.h"
#include "loader/format/format.h"
#include "scripting/preset.h"

int preset_table_size(size_t count)
{
    return (int)(count < 1u << 24 ? count : 1u << 24);
}

void preset_push_list(lua_State *L, const char *const *list, size_t n)
{
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        push_name(L, list[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* ---- order ---- */

typedef struct Sorted {
    const char *text;            /* held by the list that is sorted */
    size_t n;
    lua_Integer index;           /* in that list */
} Sorted;

/* As Python orders text: by code points, which are the bytes of UTF-8. */
static int compare_sorted(const void *left, const void *right)
{
    const Sorted *a = left, *b = right;
    const int order = memcmp(a->text, b->text, a->n < b->n ? a->n : b->n);
    if (order) return order;
    return a->n != b->n ? (a->n < b->n ? -1 : 1) : 0;
}

/* sort(names): a sorted copy. Lua's own sort compares in Lua, which takes seconds for a million. */
static int sort(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    const size_t n = lua_rawlen(L, 1);
    sandbox_charge(L, 30 * n);
    Sorted *list = lua_newuserdatauv(L, (n + 1) * sizeof *list, 0);
    for (size_t i = 0; i < n; i++) {
        list[i].index = (lua_Integer)i + 1;
        if (lua_rawgeti(L, 1, list[i].index) != LUA_TSTRING)
            return sandbox_raise(L, "sort: element %d is no text", (int)i + 1);
        list[i].text = lua_tolstring(L, -1, &list[i].n);
        lua_pop(L, 1);
    }
    qsort(list, n, sizeof *list, compare_sorted);
    lua_createtable(L, preset_table_size(n), 0);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 1, list[i].index);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- looking things up ---- */

/* The path of a file beside the source; NULL when there is none of that name. */
static const char *find_beside(lua_State *L, const char *name, char path[])
{
    Script *script = script_of(L);
    const char *found = file_beside(script, name, path, &script->error);
    if (!found && script->error.code != ERR_NOT_FOUND) sandbox_raise(L, "%s", script->error.text);
    return found;
}

static int is_beside(lua_State *L)
{
    char path[PATH_MAX];
    lua_pushboolean(L, find_beside(L, luaL_checkstring(L, 1), path) != NULL);
    return 1;
}

/* source("model_latest.pth"): that file instead of the source; it must be there. */
static int set_source(lua_State *L)
{
    Script *script = script_of(L);
    char path[PATH_MAX];
    const char *spec = find_beside(L, luaL_checkstring(L, 1), path);
    Checkpoint *source = NULL;
    sandbox_charge(L, 1000000);
    if (spec) source = checkpoint_open(spec, &script->error);
    if (!source || !draft_set_source(script->draft, source, &script->error))
        return sandbox_raise(L, "%s", script->error.text);
    return 0;
}

/* Whether the source is a folder. */
static int is_folder(lua_State *L)
{
    struct stat info;
    const char *path = script_of(L)->source_path;
    lua_pushboolean(L, path && stat(path, &info) == 0 && S_ISDIR(info.st_mode));
    return 1;
}

/* value("scheduler", "iteration"): class and value of what lies there in the source's file. */
static int get_value(lua_State *L)
{
    const Object *at = draft_root(script_of(L)->draft);
    for (int i = 1; i <= lua_gettop(L) && at; i++) at = object_get(at, luaL_checkstring(L, i));
    const Object *dict = object_as_dict(at);
    if (!at || (lua_gettop(L) == 0 && !(dict && dict->list.count))) return 0;
    const char *class = load_class_of(draft_arena(script_of(L)->draft), at);
    lua_pushstring(L, class ? class : "torch.Tensor");
    switch ((ObjectKind)at->kind) {
    case OBJ_BOOL: lua_pushboolean(L, at->boolean); return 2;
    case OBJ_INT: lua_pushinteger(L, at->integer); return 2;
    case OBJ_FLOAT: lua_pushnumber(L, at->number); return 2;
    case OBJ_STR: push_name(L, at->bytes.text); return 2;
    default: return 1;
    }
}

static int repr(lua_State *L)
{
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    Text *out = &script_of(L)->scratch;
    sandbox_charge(L, n);
    text_clear(out);
    load_repr_text(name_hold(draft_arena(script_of(L)->draft), text, n), out);
    push_name(L, text_string(out));
    return 1;
}

/* resub(names, pattern, replacement): what Python's re.sub makes of each. Nothing is raised while
 * the regex is there. */
static int resub(lua_State *L)
{
    Script *script = script_of(L);
    Arena *arena = draft_arena(script->draft);
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *pattern = luaL_checkstring(L, 2), *replacement = luaL_checkstring(L, 3);
    const size_t n = lua_rawlen(L, 1);
    const char **names = arena_alloc(arena, (n + 1) * sizeof *names);
    for (size_t i = 0; i < n; i++) {
        size_t length;
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        const char *name = luaL_checklstring(L, -1, &length);
        names[i] = name_hold(arena, name, length);
        lua_pop(L, 1);
    }
    Regex *regex = regex_new(pattern, replacement, &script->error);
    bool ok = regex != NULL;
    Text out = {0};
    for (size_t i = 0; ok && i < n; i++) {
        bool changed = false;
        text_clear(&out);
        ok = sandbox_spend(&script->sandbox, 200) &&
             regex_replace(regex, names[i], 0, &out, &changed, &script->error);
        if (changed) names[i] = arena_strdup(arena, text_string(&out));
    }
    text_done(&out);
    regex_free(regex);
    sandbox_check(L);
    if (!ok) return sandbox_raise(L, "%s", script->error.text);
    preset_push_list(L, names, n);
    return 1;
}

/* Adds them to the table at the top. */
void preset_push_lookups(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"sort", sort}, {"value", get_value}, {"repr", repr}, {"resub", resub},
        {"beside", is_beside}, {"source", set_source}, {"is_folder", is_folder}, {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
