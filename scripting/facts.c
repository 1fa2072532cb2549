/* Facts a script can read: the tensors of source and target, counts, JSON files beside it; and
 * print and help, whose text the caller shows.
 *
 * Facts are read when the script asks, not when it began: src has the names of that moment.
 * Nothing here reads a tensor's values. json reads a file where file_resolve lets it. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "loader/core/json.h"
#include "loader/source/file_text.h"
#include "scripting/script_state.h"
#include "scripting/words.h"

enum {
    JSON_BYTES_MAX = 64 << 20,       /* of a file, as documented */
    JSON_VALUES_MAX = 8 << 20        /* in a document: bounds the memory of its tree */
};

/* The three dictionaries that can be indexed. After strip "module." src has the short names;
 * file keeps the long ones for good, so that a rule can look at what a key was called. */
typedef enum FactKind {
    FACT_SRC,        /* the draft's keys, as they stand */
    FACT_FILE,       /* the container's tensors, under the names of the file */
    FACT_TARGET      /* the target's */
} FactKind;

/* All functions of a fact carry its kind as their first upvalue. */
static FactKind fact_kind(lua_State *L)
{
    return (FactKind)lua_tointeger(L, lua_upvalueindex(1));
}

/* The draft, with its container chosen: rules may unwrap before anything is looked at, so that
 * is put off until the first fact is asked for. Raises when there is nothing to choose. */
static Draft *ready_draft(lua_State *L)
{
    Script *script = script_of(L);
    preset_flush(L);
    if (!draft_ready(script->draft, &script->error))
        sandbox_raise(L, "%s", script->error.text);
    script_account(script);
    sandbox_charge(L, 20);
    return script->draft;
}

/* Not for src, whose tensors are the draft's keys. */
static StateDict *fact_dict(Draft *draft, FactKind kind)
{
    return kind == FACT_FILE ? draft_source(draft) : draft_target(draft);
}

/* A fresh handle each time: expressions are small, and two of one tensor are alike. */
static void push_tensor(lua_State *L, Draft *draft, FactKind kind, const Tensor *tensor)
{
    Arena *arena = draft_arena(draft);
    tensor_push(L, kind == FACT_FILE ? expr_source(arena, tensor) : expr_target(arena, tensor),
                tensor->name);
}

/* A number, a boolean or a text; false for anything else, and nothing is pushed. */
static bool push_plain(lua_State *L, const Object *object)
{
    uint64_t wide;
    switch ((ObjectKind)object->kind) {
    case OBJ_BOOL: lua_pushboolean(L, object->boolean); return true;
    case OBJ_INT: lua_pushinteger(L, object->integer); return true;
    case OBJ_FLOAT: lua_pushnumber(L, object->number); return true;
    case OBJ_STR: push_name(L, object->bytes.text); return true;
    case OBJ_BIGINT:
        if (!object_as_uint(object, &wide)) return false;
        lua_pushnumber(L, (lua_Number)wide);
        return true;
    default: return false;
    }
}

/* file["epoch"], file["llama.block_count"]: what stands beside the tensors, and lists of it; nil
 * for everything else. */
static void push_object(lua_State *L, const Object *object)
{
    const Object *list = object ? object_as_sequence(object) : NULL;
    if (!list) {
        if (!object || !push_plain(L, object)) lua_pushnil(L);
        return;
    }
    sandbox_charge(L, list->list.count);
    lua_newtable(L);
    for (size_t i = 0; i < list->list.count; i++)
        if (push_plain(L, list->list.items[i])) lua_rawseti(L, -2, (lua_Integer)i + 1);
}

/* src["key"]: a tensor, nil when there is none. A key with a NUL in it is looked up in the form
 * in which names are held, where the NUL is two bytes. */
static int get_fact(lua_State *L)
{
    Draft *draft = ready_draft(L);
    size_t n;
    if (lua_type(L, 2) != LUA_TSTRING)
        return sandbox_raise(L, "keys are text, got %s", type_name(L, 2));
    const char *name = lua_tolstring(L, 2, &n);
    if (strlen(name) != n) name = name_hold(draft_arena(draft), name, n);
    const FactKind kind = fact_kind(L);
    if (kind == FACT_SRC) {
        const DraftKey *key = draft_find(draft, name);
        if (key && key->expr) tensor_push(L, key->expr, key->name);
        else lua_pushnil(L);
        return 1;
    }
    const Tensor *tensor = dict_find(fact_dict(draft, kind), name);
    if (tensor) push_tensor(L, draft, kind, tensor);
    else if (kind == FACT_FILE) {
        sandbox_charge(L, dict_metadata_count(draft_source(draft)));
        push_object(L, draft_fact(draft, name));
    } else lua_pushnil(L);
    return 1;
}

/* #src */
static int count_fact(lua_State *L)
{
    Draft *draft = ready_draft(L);
    const FactKind kind = fact_kind(L);
    const size_t n = kind == FACT_SRC ? draft_count(draft) : dict_count(fact_dict(draft, kind));
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

/* Upvalues: kind, and the index to look at next. Keys that stand for a collision have no
 * expression and are passed over. */
static int next_fact(lua_State *L)
{
    Draft *draft = ready_draft(L);
    const FactKind kind = fact_kind(L);
    size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(2));
    if (kind == FACT_SRC) {
        while (at < draft_count(draft) && !draft_at(draft, at)->expr) at++;
        if (at >= draft_count(draft)) return 0;
        push_name(L, draft_at(draft, at)->name);
        tensor_push(L, draft_at(draft, at)->expr, draft_at(draft, at)->name);
    } else {
        StateDict *dict = fact_dict(draft, kind);
        if (at >= dict_count(dict)) return 0;
        push_name(L, dict_at(dict, at)->name);
        push_tensor(L, draft, kind, dict_at(dict, at));
    }
    lua_pushinteger(L, (lua_Integer)at + 1);
    lua_replace(L, lua_upvalueindex(2));
    return 2;
}

/* pairs(src): in the order of the file. A statement in between is seen by the next step. */
static int walk_fact(lua_State *L)
{
    lua_pushinteger(L, fact_kind(L));
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_fact, 2);
    return 1;
}

/* src["a"] = t looks like it should work; say what does. */
static int refuse_write(lua_State *L)
{
    return sandbox_raise(L, "facts can only be read; rules and each change keys");
}

/* Told by a metamethod that no script can get at. Leaves the stack as it was. */
static bool fact_look(lua_State *L, int index, FactKind *kind)
{
    if (lua_type(L, index) != LUA_TUSERDATA) return false;
    if (luaL_getmetafield(L, index, "__index") == LUA_TNIL) return false;
    const bool is = lua_tocfunction(L, -1) == get_fact;
    if (is && lua_getupvalue(L, -1, 1)) {
        *kind = (FactKind)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return is;
}

bool fact_is(lua_State *L, int index)
{
    FactKind kind;
    return fact_look(L, index, &kind);
}

/* "conv1.weight    f32  64×3×7×7". A key that stands for a collision has no value. */
static void show_line(Script *script, const char *name, const Expr *expr, const Tensor *tensor)
{
    enum { NAME_WIDTH = 44 };
    Text *line = &script->scratch;
    text_clear(line);
    name_show(name, line);
    do text_addc(line, ' ');
    while (line->length < NAME_WIDTH);
    const DType dtype = expr ? expr->dtype : tensor ? tensor->dtype : DT_UNKNOWN;
    text_addf(line, " %-5s ", expr || tensor ? dtype_name(dtype) : "?");
    if (expr) show_shape(expr->unknown ? NULL : expr->dims, expr->rank, line);
    else if (tensor) show_shape(tensor->dims, tensor->rank, line);
    text_addc(line, '\n');
    print_text(script, line->bytes, line->length);
}

void fact_show(lua_State *L, int index)
{
    FactKind kind;
    if (!fact_look(L, index, &kind)) return;
    Draft *draft = ready_draft(L);
    Script *script = script_of(L);
    StateDict *dict = kind == FACT_SRC ? NULL : fact_dict(draft, kind);
    const size_t n = dict ? dict_count(dict) : draft_count(draft);
    sandbox_charge(L, 10 * n);
    for (size_t i = 0; i < n && !script->output_cut; i++) {
        const DraftKey *key = dict ? NULL : draft_at(draft, i);
        const Tensor *tensor = dict ? dict_at(dict, i) : NULL;
        show_line(script, key ? key->name : tensor->name, key ? key->expr : NULL, tensor);
    }
    text_clear(&script->scratch);
    text_addf(&script->scratch, "%zu tensor%s\n", n, n == 1 ? "" : "s");
    print_text(script, script->scratch.bytes, script->scratch.length);
}

/* "9 tensors" */
static int describe_fact(lua_State *L)
{
    Draft *draft = ready_draft(L);
    const FactKind kind = fact_kind(L);
    const size_t n = kind == FACT_SRC ? draft_count(draft) : dict_count(fact_dict(draft, kind));
    lua_pushfstring(L, "%I tensor%s", (lua_Integer)n, n == 1 ? "" : "s");
    return 1;
}

/* A userdata and not a table: rawset and next would get past the metamethods. */
static void open_fact(lua_State *L, const char *name, FactKind kind)
{
    static const luaL_Reg metamethods[] = {
        {"__index", get_fact}, {"__len", count_fact}, {"__pairs", walk_fact},
        {"__newindex", refuse_write}, {"__tostring", describe_fact}, {NULL, NULL},
    };
    lua_newuserdatauv(L, 0, 0);
    lua_newtable(L);
    lua_pushinteger(L, kind);
    luaL_setfuncs(L, metamethods, 1);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_setglobal(L, name);
}

/* The named captures as one text, to tell different ones apart. Each is ended
 * by a \1: "a", "bc" and "ab", "c" are two. */
static void describe_captures(const Captures *captures, Text *out)
{
    text_clear(out);
    for (size_t i = 0; i < captures->named_count; i++) {
        if (captures->named[i].name) text_addn(out, captures->named[i].text,
                                               captures->named[i].length);
        text_addc(out, '\1');
    }
}

/* count("layers.{i}.**"): keys that fit, and how many different i there are. */
static int count_keys(lua_State *L)
{
    Draft *draft = ready_draft(L);
    Script *script = script_of(L);
    size_t n, fits = 0, different = 0;
    const char *text = luaL_checklstring(L, 1, &n);
    sandbox_charge(L, draft_count(draft));
    const Pattern *pattern = pattern_compile(draft_arena(draft), text, n, &script->error);
    if (!pattern) return sandbox_raise(L, "count: %s", script->error.text);
    lua_newtable(L);
    for (size_t i = 0; i < draft_count(draft); i++) {
        Captures captures;
        if (!pattern_match(pattern, draft_at(draft, i)->name, &captures)) continue;
        fits++;
        describe_captures(&captures, &script->scratch);
        lua_pushstring(L, text_string(&script->scratch));
        lua_pushvalue(L, -1);
        different += lua_rawget(L, 2) == LUA_TNIL;
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
        lua_rawset(L, 2);
    }
    script_account(script);
    lua_pushinteger(L, (lua_Integer)fits);
    lua_pushinteger(L, (lua_Integer)different);
    return 2;
}

/* ---- json ---- */

static char *read_json(Script *script, const char *name, size_t name_n, size_t *n, Error *err)
{
    char path[PATH_MAX];
    if (!file_resolve(script, name, name_n, path, err)) return NULL;
    return file_text(path, JSON_BYTES_MAX, n, err);
}

typedef struct Pushing {
    const Value *value;      /* in an arena that load_json frees; NULL when there was an error */
} Pushing;

/* Runs under pcall and leaves the value as its result. */
static int push_protected(lua_State *L)
{
    const Pushing *pushing = lua_touserdata(L, 1);
    push_value(L, pushing->value);
    return 1;
}

/* The document is freed before an error is raised, hence the pcall. */
static int load_json(lua_State *L)
{
    Script *script = script_of(L);
    size_t name_n, n = 0;
    const char *name = luaL_checklstring(L, 1, &name_n);
    Error *err = &script->error;
    char *text = read_json(script, name, name_n, &n, err);
    Arena *arena = arena_new();
    Pushing pushing = {text ? json_parse(arena, text, n, name, JSON_VALUES_MAX, err) : NULL};
    free(text);
    int status = LUA_ERRRUN;
    if (pushing.value) {
        sandbox_spend(&script->sandbox, n / 4);
        lua_pushcfunction(L, push_protected);
        lua_pushlightuserdata(L, &pushing);
        status = lua_pcall(L, 1, 1, 0);
    }
    arena_free(arena);
    if (status == LUA_OK) return 1;
    sandbox_check(L);
    if (!pushing.value) return sandbox_raise(L, "json: %s", err->text);
    return sandbox_rethrow(L);
}

/* ---- print, help ---- */

/* The output is a C string: a NUL in what a script prints would end it. */
static void keep(Script *script, const char *text, size_t n)
{
    for (const char *end = text + n; text < end;) {
        const char *nul = memchr(text, '\0', (size_t)(end - text));
        text_addn(&script->output, text, (size_t)((nul ? nul : end) - text));
        if (nul) text_add(&script->output, "\\x00");
        text = nul ? nul + 1 : end;
    }
}

void print_text(Script *script, const char *text, size_t n)
{
    const ScriptFunctions *functions = script->functions;
    if (functions && functions->print) {
        functions->print(functions->context, text, n);
        return;
    }
    if (script->output_cut) return;
    const size_t used = script->output.length;
    const size_t room = used < SCRIPT_OUTPUT_MAX ? SCRIPT_OUTPUT_MAX - used : 0;
    if (n <= room) {
        keep(script, text, n);
        return;
    }
    size_t fits = room;          /* whole lines */
    while (fits && text[fits - 1] != '\n') fits--;
    keep(script, text, fits);
    text_add(&script->output, "… (more than is shown at once)\n");
    script->output_cut = true;
}

/* As Lua's print, but that plain tables are written out; the caller of the script decides where it
 * goes. What no longer fits into SCRIPT_OUTPUT_MAX is left out, and after it everything. */
void print_values(lua_State *L, int first, int last)
{
    Script *script = script_of(L);
    for (int i = first; i <= last; i++) {
        size_t n;
        if (show_plain(L, i)) {
            print_text(script, i < last ? "\t" : "\n", 1);
            continue;
        }
        const char *text = luaL_tolstring(L, i, &n);
        sandbox_charge(L, n / 16 + 1);
        print_text(script, text, n);
        print_text(script, i < last ? "\t" : "\n", 1);
        lua_pop(L, 1);
    }
    if (last < first) print_text(script, "\n", 1);
}

/* Charged by what it shows, so that a loop of prints ends as well. */
static int print(lua_State *L)
{
    sandbox_charge(L, 10);
    print_values(L, 1, lua_gettop(L));
    return 0;
}

/* Two lines: how it is written, and what it does. */
static void print_word(lua_State *L, const ScriptWord *word)
{
    lua_pushfstring(L, "%s %s\n    %s", word->name, word->args, word->help);
    print_values(L, lua_gettop(L), lua_gettop(L));
    lua_pop(L, 1);
}

typedef struct Helping {
    lua_State *L;
    const char *name;        /* NULL: all */
    bool found;
} Helping;

/* For words_visit. */
static bool help_word(void *context, const ScriptWord *word)
{
    Helping *helping = context;
    if (helping->name && strcmp(helping->name, word->name) != 0) return true;
    print_word(helping->L, word);
    helping->found = true;
    return !helping->name;
}

/* help() and help "split": the same tables from which the names were registered. */
static int help(lua_State *L)
{
    enum { COST = 20000 };
    Helping helping = {.L = L, .name = luaL_optstring(L, 1, NULL)};
    sandbox_charge(L, COST);
    words_visit(script_of(L), help_word, &helping);
    if (helping.found) return 0;
    Text *text = &script_of(L)->scratch;
    text_clear(text);
    words_suggest(script_of(L), helping.name, text);
    return sandbox_raise(L, "help: '%.60s' is not known; %s", helping.name,
                         text->length ? text_string(text) : "help() lists what is");
}

void facts_set_target(lua_State *L)
{
    if (draft_target(script_of(L)->draft)) {
        open_fact(L, "target", FACT_TARGET);
    } else {
        lua_pushnil(L);
        lua_setglobal(L, "target");
    }
}

/* `target` stays nil without a target, so that scripts can ask for it. */
void facts_open(lua_State *L)
{
    open_fact(L, "src", FACT_SRC);
    open_fact(L, "file", FACT_FILE);
    facts_set_target(L);
    lua_register(L, "count", count_keys);
    lua_register(L, "json", load_json);
    lua_register(L, "print", print);
    lua_register(L, "help", help);
}
