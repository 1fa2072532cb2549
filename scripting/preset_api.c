/* What presets are given beyond the rule language: a dict as Python sees it, all keys renamed at
 * once, PyTorch's own comparison, and messages. scripting/presets/shared.lua makes it handier. */
#include <string.h>

#include <lauxlib.h>

#include "loader/align/load.h"
#include "scripting/preset.h"
#include "scripting/preset_dict.h"
#include "scripting/statements.h"

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

/* ---- both sides ---- */

static PresetEntry make_entry(Draft *draft, const LoadItem *item)
{
    PresetEntry entry = {.name = item->name, .class = item->value_class,
                         .key_class = item->key_class, .dims = item->dims, .rank = item->rank,
                         .dtype = DT_UNKNOWN, .storage = -1};
    const DraftKey *key = item->key_class ? NULL : draft_find(draft, item->name);
    if (!key || !key->expr) return entry;
    entry.key = (size_t)(key - draft_at(draft, 0)) + 1;
    entry.dtype = key->expr->dtype;
    return entry;
}

/* open("state_dict", …): the dict that is come to, and its path. Keys that are no text have no
 * name of their own, and may meet. */
static int open_dict(lua_State *L)
{
    Script *script = script_of(L);
    Arena *arena = draft_arena(script->draft);
    const int n = lua_gettop(L);
    const char **names = arena_alloc(arena, ((size_t)n + 1) * sizeof *names);
    for (int i = 0; i < n; i++) names[i] = preset_hold(L, i + 1);
    LoadItem *items;
    size_t count;
    const char *path;
    if (!draft_open(script->draft, n ? names : NULL, (size_t)n, &items, &count, &path,
                    &script->error))
        return sandbox_raise(L, "%s", script->error.text);
    script_account(script);
    sandbox_charge(L, 20 * count + 100);
    PresetDict *dict = preset_dict_push(L);
    PresetEntry *entries = arena_alloc(arena, (count + 1) * sizeof *entries);
    bool unique = true;
    for (size_t i = 0; i < count; i++) unique = unique && !items[i].key_class;
    for (size_t i = 0; i < count; i++) {
        entries[i] = make_entry(script->draft, &items[i]);
        if (unique) preset_dict_add(dict, &entries[i]);
        else preset_dict_set(dict, entries[i].name, &entries[i]);
    }
    script_account(script);
    push_name(L, path);
    return 2;
}

/* target(): the target's tensors as a dict; nothing without a target. */
static int list_target(lua_State *L)
{
    Script *script = script_of(L);
    const StateDict *target = draft_target(script->draft);
    if (!target) return 0;
    const size_t count = dict_count(target);
    sandbox_charge(L, 20 * count);
    PresetDict *dict = preset_dict_push(L);
    PresetEntry *entries = arena_alloc(draft_arena(script->draft), (count + 1) * sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        const Tensor *tensor = dict_at(target, i);
        entries[i] = (PresetEntry){.name = tensor->name, .dims = tensor->dims,
                                   .rank = tensor->rank, .dtype = tensor->dtype,
                                   .storage = tensor->storage ? (int64_t)tensor->storage->index
                                                              : -1};
        preset_dict_add(dict, &entries[i]);
    }
    script_account(script);
    return 1;
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

/* One element where the system wants none, or none where it wants one: it refuses what tenon would
 * load. */
static bool is_mended(const PresetEntry *entry, const Tensor *wanted)
{
    if (!wanted || !wanted->dims || !entry->dims || entry->rank + wanted->rank != 1) return false;
    return (entry->rank ? entry->dims[0] : wanted->dims[0]) == 1;
}

/* Marks, in [count] of the userdata that it pushes, what the system refused: the keys of the table
 * at `index`. */
static bool *mark_refused(lua_State *L, int index, PresetDict *dict)
{
    const StateDict *target = draft_target(script_of(L)->draft);
    bool *refused = lua_newuserdatauv(L, dict->count + 1, 0);
    memset(refused, 0, dict->count + 1);
    if (lua_type(L, index) != LUA_TTABLE || !target) return refused;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        const char *name = preset_look(L, -2);
        const uint32_t place = preset_dict_place(dict, name);
        if (place != MAP_NONE)
            refused[place] = is_mended(dict->list[place], dict_find(target, name));
    }
    return refused;
}

/* assign(dict, refused, aside, rest): its entries get their names for good, see draft_assign; what
 * is a key of `refused` was not taken by the system. */
static int assign(lua_State *L)
{
    Draft *draft = ready(L);
    Script *script = script_of(L);
    Arena *arena = draft_arena(draft);
    PresetDict *dict = preset_dict_check(L, 1);
    lua_settop(L, 4);
    const bool *refused = mark_refused(L, 2, dict);
    const char *what = arena_printf(arena, "preset \"%s\"", lua_tostring(L, lua_upvalueindex(1)));
    const char *rest = lua_isnil(L, 4) ? NULL : arena_strdup(arena, luaL_checkstring(L, 4));
    Assign *list = arena_alloc(arena, (dict->count + 1) * sizeof *list);
    size_t n = 0;
    sandbox_charge(L, 10 * dict->count + 2 * draft_count(draft));
    for (size_t i = 0; i < dict->count; i++) {
        const PresetEntry *entry = dict->list[i];
        if (!entry->key || !preset_entry_is_tensor(entry) || refused[i]) continue;
        if (!*entry->name || entry->key > draft_count(draft))
            return sandbox_raise(L, "assign: element %d is no key with a name", (int)i + 1);
        list[n++] = (Assign){entry->key - 1, entry->name, entry->value, entry->ops};
    }
    if (!draft_assign(draft, find_place(L), what, list, n, lua_toboolean(L, 3), rest,
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

/* load(dict, metadata, model): missing, unexpected, the messages about values, the text that a
 * strict load raises and the one that another raises, each or nil. `metadata` says whether the
 * versions of the source's own `_metadata` still hold; a text is a prefix that was stripped. */
static int load(lua_State *L)
{
    Draft *draft = ready(L);
    Arena *arena = draft_arena(draft);
    const PresetDict *dict = preset_dict_check(L, 1);
    const char *model = luaL_optstring(L, 3, "Model");
    const size_t n = dict->count;
    LoadTarget target = {draft_target(draft), NULL};
    if (!target.dict) return sandbox_raise(L, "load: there is no target");
    sandbox_charge(L, 30 * (n + dict_count(target.dict)));
    LoadItem *items = arena_alloc(arena, (n + 1) * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        const PresetEntry *entry = dict->list[i];
        const bool tensor = preset_entry_is_tensor(entry);
        items[i] = (LoadItem){.name = entry->name, .key_class = entry->key_class,
                              .value_class = entry->class, .dims = tensor ? entry->dims : NULL,
                              .rank = entry->rank};
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
        {"open", open_dict}, {"target", list_target}, {"assign", assign}, {"keep", keep},
        {"load", load}, {"say", say}, {"save", save},
        {NULL, NULL},
    };
    const Script *script = script_of(L);
    lua_newtable(L);
    lua_pushstring(L, name);
    luaL_setfuncs(L, functions, 1);
    preset_push_lookups(L);
    preset_push_dicts(L);
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
    push_text_field(L, "log", script->log);
    lua_pushboolean(L, dry);
    lua_setfield(L, -2, "dry");
}
