/* The methods of presets' dicts that are about all entries at once, so that Lua sees only the few
 * that matter to it. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "scripting/preset.h"
#include "scripting/preset_dict.h"

/* The dict at 1, whose walk counts for the script's limit. */
static PresetDict *self(lua_State *L)
{
    PresetDict *dict = preset_dict_check(L, 1);
    sandbox_charge(L, 10 * dict->count + 20);
    return dict;
}

/* ---- by their names ---- */

/* dict:names(): a list. */
static int list_names(lua_State *L)
{
    const PresetDict *dict = self(L);
    lua_createtable(L, preset_table_size(dict->count), 0);
    for (size_t i = 0; i < dict->count; i++) {
        push_name(L, dict->list[i]->name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* dict:starts("a.", "b."): how many names begin with one of them, and the first one. */
static int count_starts(lua_State *L)
{
    const PresetDict *dict = self(L);
    const int prefixes = lua_gettop(L);
    const char *first = NULL;
    lua_Integer count = 0;
    for (size_t i = 0; i < dict->count; i++)
        for (int k = 2; k <= prefixes; k++) {
            if (!has_prefix(dict->list[i]->name, preset_look(L, k))) continue;
            if (!count++) first = dict->list[i]->name;
            break;
        }
    lua_pushinteger(L, count);
    if (first) push_name(L, first);
    else lua_pushnil(L);
    return 2;
}

/* dict:strip("a.", "b."): the entries without these prefixes, each taken off once, in that order;
 * and the names that two of them came to. */
static int strip(lua_State *L)
{
    const PresetDict *dict = self(L);
    const int prefixes = lua_gettop(L);
    PresetDict *made = preset_dict_push(L);
    lua_newtable(L);
    lua_Integer met = 0;
    for (size_t i = 0; i < dict->count; i++) {
        PresetEntry *entry = dict->list[i];
        const char *name = entry->name;
        for (int k = 2; k <= prefixes && !entry->key_class; k++) {
            const char *prefix = preset_look(L, k);
            if (has_prefix(name, prefix)) name += strlen(prefix);
        }
        if (!preset_dict_set(made, name, entry)) continue;
        push_name(L, name);
        lua_rawseti(L, -2, ++met);
    }
    return 2;
}

/* dict:under("a."): the entries whose names begin so, without it. */
static int keep_under(lua_State *L)
{
    const PresetDict *dict = self(L);
    const char *prefix = preset_look(L, 2);
    PresetDict *made = preset_dict_push(L);
    for (size_t i = 0; i < dict->count; i++) {
        PresetEntry *entry = dict->list[i];
        if (entry->key_class) preset_dict_set(made, entry->name, entry);
        else if (has_prefix(entry->name, prefix))
            preset_dict_set(made, entry->name + strlen(prefix), entry);
    }
    return 1;
}

/* dict:rename(function(name, entry) … end, met): the entries under the names that it gives; nil
 * and false drop one. A key that is no text stays. met(name) is called where two names meet. */
static int rename_all(lua_State *L)
{
    const PresetDict *dict = self(L);
    lua_settop(L, 3);
    PresetDict *made = preset_dict_push(L);
    for (size_t i = 0; i < dict->count; i++) {
        PresetEntry *entry = dict->list[i];
        const char *name = entry->name;
        if (!entry->key_class) {
            lua_pushvalue(L, 2);
            push_name(L, name);
            preset_entry_push(L, entry);
            lua_call(L, 2, 1);
            name = lua_toboolean(L, -1) ? preset_hold(L, -1) : NULL;
            lua_pop(L, 1);
        }
        if (!name || !preset_dict_set(made, name, entry) || lua_isnil(L, 3)) continue;
        lua_pushvalue(L, 3);
        push_name(L, name);
        lua_call(L, 1, 0);
    }
    return 1;
}

/* ---- by their kind ---- */

/* dict:tensors(): how many of them there are. */
static int count_tensors(lua_State *L)
{
    const PresetDict *dict = self(L);
    lua_Integer count = 0;
    for (size_t i = 0; i < dict->count; i++) count += preset_entry_is_tensor(dict->list[i]);
    lua_pushinteger(L, count);
    return 1;
}

/* dict:odd(): name and class of the first that is no tensor; nothing when all are. */
static int find_odd(lua_State *L)
{
    const PresetDict *dict = self(L);
    for (size_t i = 0; i < dict->count; i++) {
        if (preset_entry_is_tensor(dict->list[i])) continue;
        push_name(L, dict->list[i]->name);
        push_name(L, dict->list[i]->class);
        return 2;
    }
    return 0;
}

/* dict:arrays(): makes NumPy's arrays tensors. */
static int take_arrays(lua_State *L)
{
    const PresetDict *dict = self(L);
    for (size_t i = 0; i < dict->count; i++) {
        PresetEntry *entry = dict->list[i];
        if (entry->class && strcmp(entry->class, "numpy.ndarray") == 0) entry->class = NULL;
    }
    return 0;
}

/* dict:widest(): the length of the longest name, in characters. */
static int find_widest(lua_State *L)
{
    const PresetDict *dict = self(L);
    lua_Integer widest = 0;
    for (size_t i = 0; i < dict->count; i++) {
        const char *at = dict->list[i]->name, *end = at + strlen(at);
        lua_Integer width = 0;
        for (; at < end; width++) utf8_next(&at, end);
        if (width > widest) widest = width;
    }
    lua_pushinteger(L, widest);
    return 1;
}

/* ---- beside another dict ---- */

/* Those of the dict at 1 whose names are not in the map. */
static void add_unnamed(lua_State *L, PresetDict *made, const NameMap *names)
{
    const PresetDict *dict = preset_dict_check(L, 1);
    for (size_t i = 0; i < dict->count; i++)
        if (map_get(names, dict->list[i]->name) == MAP_NONE) preset_dict_add(made, dict->list[i]);
}

/* dict:without(other): those whose names are not in another dict, or no keys of a table. */
static int leave_out(lua_State *L)
{
    self(L);
    lua_settop(L, 2);
    PresetDict *made = preset_dict_push(L);
    if (lua_type(L, 2) == LUA_TTABLE) {
        PresetDict *keys = preset_dict_push(L);
        for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1))
            map_set(&keys->index, preset_hold(L, -2), 0);
        add_unnamed(L, made, &keys->index);
    } else {
        add_unnamed(L, made, preset_dict_names(preset_dict_check(L, 2)));
    }
    lua_settop(L, 3);
    return 1;
}

/* dict:of(other): those whose names are in another dict, in its order. */
static int pick_out(lua_State *L)
{
    PresetDict *dict = self(L);
    const PresetDict *other = preset_dict_check(L, 2);
    PresetDict *made = preset_dict_push(L);
    for (size_t i = 0; i < other->count; i++) {
        PresetEntry *entry = preset_dict_find(dict, other->list[i]->name);
        if (entry) preset_dict_add(made, entry);
    }
    return 1;
}

/* dict:updated(other): the dict with the other's entries in the place of its own. */
static int update(lua_State *L)
{
    const PresetDict *dict = self(L);
    PresetDict *other = preset_dict_check(L, 2);
    PresetDict *made = preset_dict_push(L);
    for (size_t i = 0; i < dict->count; i++) {
        PresetEntry *entry = preset_dict_find(other, dict->list[i]->name);
        preset_dict_add(made, entry ? entry : dict->list[i]);
    }
    return 1;
}

/* The next pair of tensors of one name whose shapes or dtypes differ. */
static int next_unlike(lua_State *L)
{
    const PresetDict *dict = lua_touserdata(L, lua_upvalueindex(1));
    PresetDict *other = lua_touserdata(L, lua_upvalueindex(2));
    for (size_t i = (size_t)lua_tointeger(L, lua_upvalueindex(3)); i < dict->count; i++) {
        PresetEntry *a = dict->list[i], *b = preset_dict_find(other, a->name);
        if (!b || !preset_entry_is_tensor(a) || !preset_entry_is_tensor(b)) continue;
        const bool types = a->dtype == b->dtype || a->dtype == DT_UNKNOWN || b->dtype == DT_UNKNOWN;
        if (types && preset_entry_same_shape(a, b)) continue;
        lua_pushinteger(L, (lua_Integer)i + 1);
        lua_replace(L, lua_upvalueindex(3));
        push_name(L, a->name);
        preset_entry_push(L, a);
        preset_entry_push(L, b);
        return 3;
    }
    return 0;
}

/* for name, entry, theirs in dict:unlike(other) do … end */
static int each_unlike(lua_State *L)
{
    self(L);
    preset_dict_check(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_unlike, 3);
    return 1;
}

/* ---- suffixes ---- */

/* What suffixes() works with; its memory is that of the userdata. */
typedef struct Search {
    PresetDict *source;
    PresetEntry **targets;       /* [count], by name */
    size_t count;
    uint32_t *chosen;            /* [count]: the place of the source; MAP_NONE */
    size_t *lengths;             /* of the source's names, each once, the longest first */
    size_t length_count;
} Search;

static int compare_names(const void *left, const void *right)
{
    const PresetEntry *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

static void *take_memory(lua_State *L, size_t count, size_t size)
{
    return lua_newuserdatauv(L, (count + 1) * size, 0);
}

static PresetEntry **sort_entries(lua_State *L, const PresetDict *dict)
{
    PresetEntry **list = take_memory(L, dict->count, sizeof *list);
    if (dict->count) memcpy(list, dict->list, dict->count * sizeof *list);
    qsort(list, dict->count, sizeof(PresetEntry *), compare_names);
    return list;
}

static void list_lengths(lua_State *L, Search *search)
{
    size_t longest = 0;
    for (size_t i = 0; i < search->source->count; i++) {
        const size_t n = strlen(search->source->list[i]->name);
        if (n > longest) longest = n;
    }
    bool *seen = take_memory(L, longest, sizeof *seen);
    memset(seen, 0, longest + 1);
    for (size_t i = 0; i < search->source->count; i++)
        seen[strlen(search->source->list[i]->name)] = true;
    search->lengths = take_memory(L, longest, sizeof *search->lengths);
    for (size_t n = longest; n; n--)
        if (seen[n]) search->lengths[search->length_count++] = n;
}

/* The longest name that is a suffix of the text, wherever it begins. Only such lengths are tried as
 * there are. */
static uint32_t find_longest(const Search *search, const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i < search->length_count; i++) {
        if (search->lengths[i] > n) continue;
        const uint32_t place = preset_dict_place(search->source, text + n - search->lengths[i]);
        if (place != MAP_NONE) return place;
    }
    return MAP_NONE;
}

/* The source at `place`, as a value of the target's name. */
static void add_match(lua_State *L, const Search *search, size_t target, PresetDict *made)
{
    PresetEntry *entry = preset_entry_copy(L, search->source->list[search->chosen[target]]);
    entry->from = entry->name;
    entry->name = search->targets[target]->name;
    preset_dict_add(made, entry);
}

/* Each source for the first target that chose it, in the order of the sources' names. */
static void add_once(lua_State *L, const Search *search, const size_t *first, PresetDict *made)
{
    PresetEntry **sorted = sort_entries(L, search->source);
    for (size_t i = 0; i < search->source->count; i++) {
        const size_t target = first[preset_dict_place(search->source, sorted[i]->name)];
        if (target) add_match(L, search, target - 1, made);
    }
}

/* source:suffixes(target, once): for each target the source whose name is the longest suffix of its
 * own, in the order of the targets' names: entries with `from`. With `once` a source serves the
 * first target alone. Besides how many targets chose a source that an earlier one had chosen. */
static int match_suffixes(lua_State *L)
{
    Search search = {.source = self(L)};
    const PresetDict *target = preset_dict_check(L, 2);
    const bool once = lua_toboolean(L, 3);
    search.count = target->count;
    search.targets = sort_entries(L, target);
    search.chosen = take_memory(L, search.count, sizeof *search.chosen);
    size_t *first = take_memory(L, search.source->count, sizeof *first);
    memset(first, 0, search.source->count * sizeof *first);
    list_lengths(L, &search);
    sandbox_charge(L, 10 * target->count + search.length_count * target->count / 10);
    lua_Integer again = 0;
    for (size_t i = 0; i < search.count; i++) {
        search.chosen[i] = find_longest(&search, search.targets[i]->name);
        if (search.chosen[i] == MAP_NONE) continue;
        if (first[search.chosen[i]]) again++;
        else first[search.chosen[i]] = i + 1;
    }
    PresetDict *made = preset_dict_push(L);
    const int result = lua_gettop(L);
    for (size_t i = 0; i < search.count && !once; i++)
        if (search.chosen[i] != MAP_NONE) add_match(L, &search, i, made);
    if (once) add_once(L, &search, first, made);
    script_account(script_of(L));
    lua_settop(L, result);
    lua_pushinteger(L, again);
    return 2;
}

/* dict:inside(): "name from suffix" of those whose suffix begins inside a segment. */
static int list_inside(lua_State *L)
{
    const PresetDict *dict = self(L);
    lua_Integer n = 0;
    lua_newtable(L);
    for (size_t i = 0; i < dict->count; i++) {
        const PresetEntry *entry = dict->list[i];
        const size_t all = strlen(entry->name), from = entry->from ? strlen(entry->from) : all;
        if (from == all || entry->name[all - from - 1] == '.') continue;
        push_name(L, entry->name);
        lua_pushliteral(L, " from ");
        push_name(L, entry->from);
        lua_concat(L, 3);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* dict:sources(): how many different names suffixes() matched. */
static int count_sources(lua_State *L)
{
    const PresetDict *dict = self(L);
    PresetDict *seen = preset_dict_push(L);
    for (size_t i = 0; i < dict->count; i++)
        if (dict->list[i]->from) map_set(&seen->index, dict->list[i]->from, 0);
    lua_pushinteger(L, (lua_Integer)seen->index.count);
    return 1;
}

void preset_push_bulk(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"names", list_names}, {"starts", count_starts}, {"strip", strip}, {"under", keep_under},
        {"rename", rename_all}, {"tensors", count_tensors}, {"odd", find_odd},
        {"arrays", take_arrays}, {"widest", find_widest}, {"without", leave_out}, {"of", pick_out},
        {"updated", update}, {"unlike", each_unlike}, {"suffixes", match_suffixes},
        {"inside", list_inside}, {"sources", count_sources}, {NULL, NULL},
    };
    luaL_setfuncs(L, methods, 0);
}
