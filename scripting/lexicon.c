/* A lexicon file at work: every call adds a set. What one file may hold is bounded, since a user's
 * may come from anywhere. */
#include "scripting/lexicon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "loader/source/file_text.h"
#include "scripting/bundled.h"
#include "scripting/sandbox.h"

enum {
    LEXICON_BYTES = 4 << 20, LEXICON_SETS = 1 << 14, LEXICON_PHRASES = 1 << 12,
    LEXICON_PHRASE = 200, LEXICON_WRAPPERS = 64, LEXICON_INSTRUCTIONS = 20 * 1000 * 1000,
    LEXICON_MEMORY = 64 << 20
};

typedef struct SetList {
    LexiconSet *items;           /* owned, growing */
    size_t count, room;
} SetList;

typedef struct Builder {
    Arena *arena;
    const char *from;            /* provenance of sets that say none */
    SetList sets, roles;
    LexiconFused *fused;         /* owned, growing */
    size_t fused_count, fused_room;
    const char **wrappers;       /* owned, growing */
    size_t wrapper_count, wrapper_room;
} Builder;

static Builder *builder_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* The string on top of the stack, kept; raises what is wrong with it. */
static const char *take_phrase(lua_State *L, const char *what)
{
    size_t n;
    if (lua_type(L, -1) != LUA_TSTRING) sandbox_raise(L, "%s: expected texts, got %s", what,
                                                      luaL_typename(L, -1));
    const char *text = lua_tolstring(L, -1, &n);
    bool word = false;
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)text[i];
        word = word || c >= 0x80 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    }
    if (!word || n > LEXICON_PHRASE || memchr(text, '\0', n))
        sandbox_raise(L, "%s: a text is 1 to %d characters, a letter or digit among them", what,
                      LEXICON_PHRASE);
    return arena_strndup(builder_of(L)->arena, text, n);
}

/* The table {"a", "b", from="…"} at 1 as a set. */
static LexiconSet take_set(lua_State *L, const char *what)
{
    Builder *builder = builder_of(L);
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TTABLE)
        sandbox_raise(L, "%s: expected {\"text\", \"text\", …}", what);
    size_t n = lua_rawlen(L, 1);
    if (n < 1 || n > LEXICON_PHRASES)
        sandbox_raise(L, "%s: a set has 1 to %d texts", what, LEXICON_PHRASES);
    const char **phrases = arena_alloc(builder->arena, n * sizeof *phrases);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        phrases[i] = take_phrase(L, what);
        lua_pop(L, 1);
    }
    LexiconSet set = {phrases, n, builder->from};
    lua_pushliteral(L, "from");
    if (lua_rawget(L, 1) != LUA_TNIL) set.from = take_phrase(L, what);
    lua_pop(L, 1);
    return set;
}

static void add_set(lua_State *L, SetList *list, LexiconSet set, const char *what)
{
    if (list->count >= LEXICON_SETS)
        sandbox_raise(L, "%s: more than %d of them", what, LEXICON_SETS);
    list->items = mem_grow(list->items, &list->room, list->count + 1, sizeof *list->items);
    list->items[list->count++] = set;
}

static int add_meaning(lua_State *L)
{
    LexiconSet set = take_set(L, "meaning");
    add_set(L, &builder_of(L)->sets, set, "meaning");
    return 0;
}

/* ---- fused ---- */

/* A field of the table at 1, on top of the stack; its type. */
static int push_field(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    return lua_rawget(L, 1);
}

/* The parts, in their order; each a text. */
static void take_parts(lua_State *L, LexiconFused *fused)
{
    enum { PARTS_MOST = 8 };
    const int type = push_field(L, "parts");
    const size_t n = type == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
    if (type != LUA_TNIL && (n < 2 || n > PARTS_MOST))
        sandbox_raise(L, "fused: parts: expected {\"text\", …}, 2 to %d of them", PARTS_MOST);
    const char **parts = arena_alloc(builder_of(L)->arena, (n + 1) * sizeof *parts);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        parts[i] = take_phrase(L, "fused: parts");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    fused->parts = parts;
    fused->part_count = n;
}

/* "plain", "heads", "rows" or in how many turns. */
static int64_t take_turns(lua_State *L)
{
    static const struct { const char *word; int64_t turns; } words[] = {
        {"plain", 1}, {"heads", TURNS_HEADS}, {"rows", TURNS_ROWS}};
    const int type = push_field(L, "turns");
    int64_t turns = type == LUA_TNIL ? 1 : -2;
    if (lua_isinteger(L, -1) && lua_tointeger(L, -1) > 0) turns = lua_tointeger(L, -1);
    for (size_t i = 0; type == LUA_TSTRING && i < countof(words); i++)
        if (strcmp(lua_tostring(L, -1), words[i].word) == 0) turns = words[i].turns;
    if (turns < TURNS_ROWS)
        sandbox_raise(L, "fused: turns is \"plain\", \"heads\", \"rows\" or a number of turns");
    lua_pop(L, 1);
    return turns;
}

static int add_fused(lua_State *L)
{
    Builder *builder = builder_of(L);
    LexiconFused fused = {.names = take_set(L, "fused")};
    take_parts(L, &fused);
    fused.turns = take_turns(L);
    push_field(L, "last");
    fused.last = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (builder->fused_count >= LEXICON_SETS)
        sandbox_raise(L, "fused: more than %d of them", LEXICON_SETS);
    builder->fused = mem_grow(builder->fused, &builder->fused_room, builder->fused_count + 1,
                              sizeof *builder->fused);
    builder->fused[builder->fused_count++] = fused;
    return 0;
}

/* ---- roles, wrappers ---- */

static bool shares_phrase(const LexiconSet *a, const LexiconSet *b)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            if (strcmp(a->phrases[i], b->phrases[j]) == 0) return true;
    return false;
}

/* A word has one role: a set that has one of another's words adds to that. */
static int add_role(lua_State *L)
{
    LexiconSet set = take_set(L, "role");
    Builder *builder = builder_of(L);
    for (size_t i = 0; i < builder->roles.count; i++) {
        LexiconSet *known = &builder->roles.items[i];
        if (!shares_phrase(known, &set)) continue;
        const char **all =
            arena_alloc(builder->arena, (known->count + set.count) * sizeof *all);
        memcpy(all, known->phrases, known->count * sizeof *all);
        memcpy(all + known->count, set.phrases, set.count * sizeof *all);
        *known = (LexiconSet){all, known->count + set.count, known->from};
        return 0;
    }
    add_set(L, &builder->roles, set, "role");
    return 0;
}

static int add_wrapper(lua_State *L)
{
    Builder *builder = builder_of(L);
    if (lua_gettop(L) != 1) sandbox_raise(L, "wrapper: expected one text");
    const char *text = take_phrase(L, "wrapper");
    if (builder->wrapper_count >= LEXICON_WRAPPERS)
        sandbox_raise(L, "wrapper: more than %d of them", LEXICON_WRAPPERS);
    builder->wrappers = mem_grow(builder->wrappers, &builder->wrapper_room,
                                 builder->wrapper_count + 1, sizeof *builder->wrappers);
    builder->wrappers[builder->wrapper_count++] = text;
    return 0;
}

/* One file's text, and what it is called. */
typedef struct LexiconText {
    Builder *builder;
    const char *text, *name;
    size_t n;
} LexiconText;

static int run_text(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"meaning", add_meaning}, {"fused", add_fused}, {"role", add_role},
        {"wrapper", add_wrapper}, {NULL, NULL}};
    const LexiconText *file = lua_touserdata(L, 1);
    for (const luaL_Reg *one = functions; one->name; one++) {
        lua_pushlightuserdata(L, file->builder);
        lua_pushcclosure(L, one->func, 1);
        lua_setglobal(L, one->name);
    }
    lua_pushfstring(L, "=%s", file->name);
    if (sandbox_load(L, "", file->text, file->n, lua_tostring(L, -1)) != LUA_OK)
        return sandbox_rethrow(L);
    lua_call(L, 0, 0);
    return 0;
}

/* Lua cuts long names, and the place it puts in front has the cut one: "...lexicon.lua:3: …". */
static bool run_file(Builder *builder, const char *text, size_t n, const char *name, Error *err)
{
    Sandbox sandbox = {.limit = LEXICON_INSTRUCTIONS, .left = LEXICON_INSTRUCTIONS,
                       .memory_limit = LEXICON_MEMORY};
    lua_State *L = sandbox_open(&sandbox);
    if (!L) return error_set(err, ERR_LIMIT, "%s: out of memory", name);
    LexiconText file = {builder, text, "lexicon", n};
    lua_pushcfunction(L, run_text);
    lua_pushlightuserdata(L, &file);
    bool good = lua_pcall(L, 1, 0, 0) == LUA_OK;
    if (!good) {
        const char *message = lua_tostring(L, -1);
        if (sandbox.stop)
            error_set(err, ERR_LIMIT, "%s: it takes more than a lexicon may (%d instructions, "
                      "%d MB)", name, LEXICON_INSTRUCTIONS, LEXICON_MEMORY >> 20);
        else if (message && strncmp(message, "lexicon:", 8) == 0)
            error_set(err, ERR_RULE, "%s:%s", name, message + 8);
        else
            error_set(err, ERR_RULE, "%s: %s", name, message ? message : "no text");
    }
    lua_close(L);
    return good;
}

/* The file's text; NULL without an error where there is no such file. The caller frees. */
static char *read_file(const char *path, size_t *n, Error *err)
{
    if (access(path, F_OK) != 0) return NULL;
    return file_text(path, LEXICON_BYTES, n, err);
}

static const Lexicon *finish(Builder *builder)
{
    Arena *arena = builder->arena;
    const Lexicon lexicon = {
        .sets = arena_copy(arena, builder->sets.items,
                           builder->sets.count * sizeof *builder->sets.items),
        .count = builder->sets.count,
        .fused = arena_copy(arena, builder->fused, builder->fused_count * sizeof *builder->fused),
        .fused_count = builder->fused_count,
        .roles = arena_copy(arena, builder->roles.items,
                            builder->roles.count * sizeof *builder->roles.items),
        .role_count = builder->roles.count,
        .wrappers = arena_copy(arena, builder->wrappers,
                               builder->wrapper_count * sizeof *builder->wrappers),
        .wrapper_count = builder->wrapper_count};
    return arena_copy(arena, &lexicon, sizeof lexicon);
}

static bool run_bundled(Builder *builder, Error *err)
{
    for (const BundledRules *one = bundled_rules; one->name; one++)
        if (one->kind == BUNDLED_SHARED && strcmp(one->name, "lexicon") == 0)
            return run_file(builder, one->text, one->n, "the bundled lexicon", err);
    return error_set(err, ERR_RULE, "there is no bundled lexicon");
}

const Lexicon *lexicon_load(Arena *arena, const char *path, bool *found, Error *err)
{
    Builder builder = {.arena = arena, .from = "bundled"};
    Error unread = {0};
    size_t n = 0;
    char *text = path ? read_file(path, &n, &unread) : NULL;
    *found = text != NULL;
    bool good = !unread.code && run_bundled(&builder, err);
    if (unread.code && err) *err = unread;
    builder.from = path ? arena_strdup(arena, path) : NULL;
    if (good && text) good = run_file(&builder, text, n, path, err);
    const Lexicon *lexicon = good ? finish(&builder) : NULL;
    free(text);
    free(builder.sets.items);
    free(builder.roles.items);
    free(builder.fused);
    free(builder.wrappers);
    return lexicon;
}
