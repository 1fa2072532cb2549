/* What presets are given beyond the rule language: a dict as Python sees it, all keys renamed at
 * once, PyTorch's own comparison, and messages. scripting/presets/shared.lua makes it handier.
 *
 * An entry is a table {name=, at=, dtype=, shape=, class=, key_class=}: `at` and `dtype` where it
 * is a key of the draft; `shape` (a list) of every tensor whose shape is known; `class` is what
 * Python calls the type of what is no tensor. An array of NumPy's is none, to most systems: what
 * tenon knows of it is a table of its own, `array`.
 *
 * There may be a million entries on either side, so a table is made only where it must be: equal
 * shapes are one table, which nobody may change, and a dict comes as Lua keeps it. */
#include <string.h>

#include <lauxlib.h>

#include "loader/align/load.h"
#include "scripting/preset.h"
#include "scripting/statements.h"

/* ---- entries ---- */

/* Kept in the registry under its address: every shape so far, by its bytes. */
static const char shapes_key;

/* Pushes the one table of that shape; `shapes` is where they are kept. */
static void push_dims(lua_State *L, int shapes, const int64_t *dims, unsigned rank)
{
    lua_pushlstring(L, rank ? (const char *)dims : "", rank * sizeof *dims);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, shapes) == LUA_TTABLE) {
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 1);
    lua_createtable(L, (int)rank, 0);
    for (unsigned i = 0; i < rank; i++) {
        lua_pushinteger(L, dims[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushvalue(L, -1);
    lua_insert(L, -3);           /* the table stays below its key and itself */
    lua_rawset(L, shapes);
}

/* Raises when the draft has no keys to show; memory lies in its arena, so that it may. */
static Draft *ready(lua_State *L)
{
    Script *script = script_of(L);
    if (!draft_ready(script->draft, &script->error))
        sandbox_raise(L, "%s", script->error.text);
    script_account(script);
    return script->draft;
}

static void push_text_field(lua_State *L, const char *field, const char *text)
{
    if (!text) return;
    push_name(L, text);
    lua_setfield(L, -2, field);
}

/* Its values: fields of the table at the top. */
static void push_values(lua_State *L, int shapes, Draft *draft, const LoadItem *item)
{
    if (item->dims) {
        push_dims(L, shapes, item->dims, item->rank);
        lua_setfield(L, -2, "shape");
    }
    const DraftKey *key = item->key_class ? NULL : draft_find(draft, item->name);
    if (!key || !key->expr) return;
    lua_pushinteger(L, (lua_Integer)(key - draft_at(draft, 0)) + 1);
    lua_setfield(L, -2, "at");
    if (key->expr->dtype != DT_UNKNOWN) {
        lua_pushstring(L, dtype_name(key->expr->dtype));
        lua_setfield(L, -2, "dtype");
    }
}

static void push_entry(lua_State *L, int shapes, Draft *draft, const LoadItem *item)
{
    const bool array = item->value_class && strcmp(item->value_class, "numpy.ndarray") == 0;
    lua_createtable(L, 0, 4);
    push_text_field(L, "name", item->name);
    push_text_field(L, "class", item->value_class);
    push_text_field(L, "key_class", item->key_class);
    if (array) lua_createtable(L, 0, 3);
    if (array || !item->value_class) push_values(L, shapes, draft, item);
    if (array) lua_setfield(L, -2, "array");
}

/* Pushes the table of shapes. */
static int push_shapes(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &shapes_key) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &shapes_key);
    }
    return lua_gettop(L);
}

/* open("state_dict", …): the names of the dict that is come to, in their order, its entries by
 * name, and its path. Keys that are no text have no name of their own, and may meet. */
static int open_dict(lua_State *L)
{
    Script *script = script_of(L);
    const int n = lua_gettop(L);
    const char **names = arena_alloc(draft_arena(script->draft), ((size_t)n + 1) * sizeof *names);
    for (int i = 0; i < n; i++) {
        size_t length;
        const char *name = luaL_checklstring(L, i + 1, &length);
        names[i] = name_hold(draft_arena(script->draft), name, length);
    }
    LoadItem *items;
    size_t count;
    const char *path;
    if (!draft_open(script->draft, n ? names : NULL, (size_t)n, &items, &count, &path,
                    &script->error))
        return sandbox_raise(L, "%s", script->error.text);
    script_account(script);
    sandbox_charge(L, 20 * count + 100);
    const int shapes = push_shapes(L);
    lua_Integer named = 0;
    lua_createtable(L, preset_table_size(count), 0);
    lua_createtable(L, 0, preset_table_size(count));
    for (size_t i = 0; i < count; i++) {
        push_name(L, items[i].name);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, shapes + 2) == LUA_TNIL) {
            lua_pushvalue(L, -2);
            lua_rawseti(L, shapes + 1, ++named);
        }
        lua_pop(L, 1);
        push_entry(L, shapes, script->draft, &items[i]);
        lua_rawset(L, shapes + 2);
    }
    push_name(L, path);
    return 3;
}

/* target(): names and entries {name=, shape=, dtype=, storage=} of the target's tensors; nothing
 * without a target. */
static int list_target(lua_State *L)
{
    const StateDict *target = draft_target(script_of(L)->draft);
    if (!target) return 0;
    const size_t count = dict_count(target);
    const int shapes = push_shapes(L);
    sandbox_charge(L, 20 * count);
    lua_createtable(L, preset_table_size(count), 0);
    lua_createtable(L, 0, preset_table_size(count));
    for (size_t i = 0; i < count; i++) {
        const Tensor *tensor = dict_at(target, i);
        push_name(L, tensor->name);
        lua_pushvalue(L, -1);
        lua_rawseti(L, shapes + 1, (lua_Integer)i + 1);
        lua_createtable(L, 0, 4);
        lua_pushvalue(L, -2);
        lua_setfield(L, -2, "name");
        if (tensor->dims) {
            push_dims(L, shapes, tensor->dims, tensor->rank);
            lua_setfield(L, -2, "shape");
        }
        if (tensor->dtype != DT_UNKNOWN) push_text_field(L, "dtype", dtype_name(tensor->dtype));
        lua_pushinteger(L, tensor->storage ? (lua_Integer)tensor->storage->index : -1);
        lua_setfield(L, -2, "storage");
        lua_rawset(L, shapes + 2);
    }
    return 2;
}

/* tensor(at): the value of a key, to be changed by ops. */
static int push_tensor(lua_State *L)
{
    Draft *draft = ready(L);
    const lua_Integer at = luaL_checkinteger(L, 1);
    if (at < 1 || (size_t)at > draft_count(draft)) return 0;
    const DraftKey *key = draft_at(draft, (size_t)at - 1);
    if (!key->expr) return 0;
    tensor_push(L, key->expr, key->name);
    return 1;
}

/* A held copy of a text field; NULL when there is none. */
static const char *get_text(lua_State *L, int table, const char *field)
{
    const char *held = NULL;
    lua_getfield(L, table, field);
    if (lua_type(L, -1) == LUA_TSTRING) {
        size_t n;
        const char *text = lua_tolstring(L, -1, &n);
        held = name_hold(draft_arena(script_of(L)->draft), text, n);
    }
    lua_pop(L, 1);
    return held;
}

/* ---- what presets do ---- */

/* Where the preset stands, whose file calls what presets share: preset "essmc2", and its line. */
static Origin find_place(lua_State *L)
{
    Origin origin = {NULL, 0};
    Script *script = script_of(L);
    const char *name = lua_tostring(L, lua_upvalueindex(1));
    const char *file = arena_printf(draft_arena(script->draft), "preset \"%s\"", name);
    const Chunk *chunk = place_chunk(script, file);
    lua_Debug at;
    for (int level = 0; chunk && lua_getstack(L, level, &at); level++) {
        lua_getinfo(L, "Sl", &at);
        if (strcmp(at.short_src, chunk->shown) != 0) continue;
        origin.line = at.currentline;
        break;
    }
    origin.file = chunk ? chunk->name : file;
    return origin;
}

/* assign(list, aside, rest): each element {at=, name=, value=, ops=}; see draft_assign. */
static int assign(lua_State *L)
{
    Draft *draft = ready(L);
    Script *script = script_of(L);
    Arena *arena = draft_arena(draft);
    luaL_checktype(L, 1, LUA_TTABLE);
    const size_t n = lua_rawlen(L, 1);
    const char *what = arena_printf(arena, "preset \"%s\"", lua_tostring(L, lua_upvalueindex(1)));
    const char *rest = lua_isnoneornil(L, 3) ? NULL : arena_strdup(arena, luaL_checkstring(L, 3));
    Assign *list = arena_alloc(arena, (n + 1) * sizeof *list);
    sandbox_charge(L, 10 * n + 2 * draft_count(draft));
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        const int at = lua_gettop(L);
        lua_getfield(L, at, "at");
        const lua_Integer key = lua_tointeger(L, -1);
        lua_getfield(L, at, "value");
        list[i] = (Assign){(size_t)key - 1, get_text(L, at, "name"), tensor_at(L, -1),
                           get_text(L, at, "ops")};
        if (key < 1 || (size_t)key > draft_count(draft) || !list[i].name || !*list[i].name)
            return sandbox_raise(L, "assign: element %d is no key with a name", (int)i + 1);
        lua_settop(L, at - 1);
    }
    if (!draft_assign(draft, find_place(L), what, list, n, lua_toboolean(L, 2), rest,
                      &script->error))
        return sandbox_raise(L, "%s", script->error.text);
    script_account(script);
    return 0;
}

/* keep{"name", …}: these targets keep their own values. */
static int keep(lua_State *L)
{
    Draft *draft = ready(L);
    Script *script = script_of(L);
    const Origin origin = find_place(L);
    const size_t n = lua_rawlen(L, 1);
    sandbox_charge(L, 50 * n);
    for (size_t i = 0; i < n; i++) {
        size_t length;
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        const char *name = luaL_checklstring(L, -1, &length);
        Text quoted = {0};
        text_addc(&quoted, '"');
        for (size_t k = 0; k < length; k++) {
            if (name[k] == '"' || name[k] == '\\') text_addc(&quoted, '\\');
            if ((unsigned char)name[k] < ' ') text_addf(&quoted, "\\x%02x", name[k]);
            else text_addc(&quoted, name[k]);
        }
        text_addc(&quoted, '"');
        const char *text = arena_strndup(draft_arena(draft), quoted.bytes, quoted.length);
        text_done(&quoted);
        const Pattern *pattern =
            pattern_compile(draft_arena(draft), text, strlen(text), &script->error);
        if (!pattern) return sandbox_raise(L, "%s", script->error.text);
        draft_keep_target(draft, origin, pattern);
        lua_pop(L, 1);
    }
    return 0;
}

/* ---- PyTorch's comparison ---- */

/* The shape of an entry, or of what `shape` was set to. */
static void take_shape(lua_State *L, int entry, LoadItem *item)
{
    lua_getfield(L, entry, "shape");
    if (lua_type(L, -1) == LUA_TTABLE) {
        item->rank = (unsigned)lua_rawlen(L, -1);
        int64_t *dims = arena_alloc(draft_arena(script_of(L)->draft),
                                    (item->rank + 1) * sizeof *dims);
        for (unsigned i = 0; i < item->rank; i++) {
            lua_rawgeti(L, -1, (lua_Integer)i + 1);
            dims[i] = lua_tointeger(L, -1);
            lua_pop(L, 1);
        }
        item->dims = dims;
    }
    lua_pop(L, 1);
}

/* `_metadata` as fvcore leaves it when it strips a prefix: shorter names, the root's alone as it
 * was. */
static const Object *strip_metadata(Arena *arena, const Object *metadata, size_t n)
{
    const Object *dict = object_as_dict(metadata);
    Object *made = object_new(arena, OBJ_DICT);
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        const Object *key = dict->list.items[i];
        if (key->kind != OBJ_STR) continue;
        const char *name = key->bytes.text;
        const size_t length = strlen(name);
        object_push(arena, made, object_str(arena, name + (length < n ? length : n)));
        object_push(arena, made, dict->list.items[i + 1]);
    }
    return made;
}

/* load(entries, metadata, model): missing, unexpected, the messages about values, the text that a
 * strict load raises and the one that another raises, each or nil. `metadata` says whether the
 * versions of the source's own `_metadata` still hold; a text is a prefix that was stripped. */
static int load(lua_State *L)
{
    Draft *draft = ready(L);
    Arena *arena = draft_arena(draft);
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *model = luaL_optstring(L, 3, "Model");
    const size_t n = lua_rawlen(L, 1);
    LoadTarget target = {draft_target(draft), NULL};
    if (!target.dict) return sandbox_raise(L, "load: there is no target");
    sandbox_charge(L, 30 * (n + dict_count(target.dict)));
    LoadItem *items = arena_alloc(arena, (n + 1) * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        const int at = lua_gettop(L);
        items[i] = (LoadItem){.name = get_text(L, at, "name"),
                              .key_class = get_text(L, at, "key_class"),
                              .value_class = get_text(L, at, "class")};
        if (!items[i].name) return sandbox_raise(L, "load: element %d has no name", (int)i + 1);
        take_shape(L, at, &items[i]);
        lua_settop(L, at - 1);
    }
    LoadReport report;
    const Object *metadata = lua_toboolean(L, 2) ? dict_torch_metadata(draft_source(draft)) : NULL;
    if (metadata && lua_type(L, 2) == LUA_TSTRING)
        metadata = strip_metadata(arena, metadata, lua_rawlen(L, 2));
    load_predict(arena, items, n, metadata, &target, &report);
    script_account(script_of(L));
    preset_push_list(L, report.missing, report.missing_count);
    preset_push_list(L, report.unexpected, report.unexpected_count);
    preset_push_list(L, report.errors, report.error_count);
    for (int strict = 1; strict >= 0; strict--) {
        Text *text = &script_of(L)->scratch;
        text_clear(text);
        if (load_error_text(&report, model, strict == 1, text)) push_name(L, text_string(text));
        else lua_pushnil(L);
    }
    return 5;
}

/* ---- messages ---- */

/* say(system, text) */
static int say(lua_State *L)
{
    const char *system = luaL_checkstring(L, 1);
    size_t n;
    const char *text = luaL_checklstring(L, 2, &n);
    sandbox_charge(L, n / 4 + 20);
    Draft *draft = script_of(L)->draft;
    draft_say(draft, system, name_hold(draft_arena(draft), text, n));
    script_account(script_of(L));
    return 0;
}

/* trap(text) and fail(text): a note, and a note that makes the exit status 1. */
static int note(lua_State *L)
{
    Script *script = script_of(L);
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    const Origin origin = find_place(L);
    Text shown = {0};
    for (const char *at = text; at < text + n;) {        /* lines stay lines */
        const size_t length = strcspn(at, "\n");
        char *line = arena_strndup(draft_arena(script->draft), at, length);
        for (char *c = line; *c; c++)
            if (*c == '\t') *c = ' ';
        name_show(line, &shown);
        at += length + 1;
        if (at < text + n) text_addc(&shown, '\n');
    }
    const char *safe = arena_strdup(draft_arena(script->draft), text_string(&shown));
    text_done(&shown);
    if (lua_toboolean(L, lua_upvalueindex(2))) draft_differs(script->draft, origin, safe);
    else draft_note(script->draft, NOTE_TRAP, origin, "%s", safe);
    return 0;
}

/* save("model_epoch7.pth"): what the system would call what is written; no path, whatever the file
 * that the name was made of holds. */
static int save(lua_State *L)
{
    Draft *draft = script_of(L)->draft;
    size_t n;
    const char *name = luaL_checklstring(L, 1, &n);
    if (!n || strlen(name) != n || strchr(name, '/') || strspn(name, ".") == n)
        return sandbox_raise(L, "save: this is no name of a file");
    draft_set_saved_name(draft, name);
    return 0;
}

void preset_push_api(lua_State *L, const char *name, bool dry)
{
    static const luaL_Reg functions[] = {
        {"open", open_dict}, {"target", list_target}, {"tensor", push_tensor}, {"assign", assign},
        {"keep", keep}, {"load", load}, {"say", say}, {"save", save},
        {NULL, NULL},
    };
    const Script *script = script_of(L);
    lua_newtable(L);
    lua_pushstring(L, name);
    luaL_setfuncs(L, functions, 1);
    preset_push_lookups(L);
    for (int fails = 0; fails < 2; fails++) {
        lua_pushstring(L, name);
        lua_pushboolean(L, fails);
        lua_pushcclosure(L, note, 2);
        lua_setfield(L, -2, fails ? "fail" : "trap");
    }
    static const char *const statements[] = {"policy", "fill"};
    for (size_t i = 0; i < countof(statements); i++) {
        statement_push(L, statements[i]);
        lua_setfield(L, -2, statements[i]);
    }
    push_text_field(L, "preset", name);
    push_text_field(L, "path", script->source_name);
    push_text_field(L, "model", script->model);
    lua_pushboolean(L, dry);
    lua_setfield(L, -2, "dry");
}
