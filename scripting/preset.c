/* The statement `preset`: runs a bundled Lua file, preset or pack, with its options, in the sandbox
 * of the script that calls it.
 *
 * preset "pet"{once=true} is, to Lua, a call of what preset "pet" returned; and preset "pet" alone
 * has to run as well. So the first call only remembers the preset, and it runs when its options
 * come, or at the latest before the next statement, fact or end of the chunk. */
#include <string.h>

#include <lauxlib.h>

#include "scripting/pack.h"
#include "scripting/preset.h"
#include "scripting/statements.h"

static const char pending_key = 0;       /* registry: options table of the pending one */

static const BundledRules *find_file(BundledKind kind, const char *name)
{
    for (size_t i = 0; i < bundled_rules_count; i++)
        if (bundled_rules[i].kind == kind && strcmp(bundled_rules[i].name, name) == 0)
            return &bundled_rules[i];
    return NULL;
}

/* Compiles a bundled file and leaves its function on the stack. Its text becomes a chunk once, so
 * that errors and steps name a line of it. */
static void push_chunk(lua_State *L, const BundledRules *file)
{
    Script *script = script_of(L);
    const char *name = lua_pushfstring(L, "preset \"%s\"", file->name);
    const Chunk *chunk = place_chunk(script, name);
    if (!chunk) chunk = script_add_chunk(script, file->text, file->n, name);
    script->running = (size_t)(chunk - script->chunks);
    lua_pop(L, 1);
    lua_pushfstring(L, "=%s", chunk->shown);
    if (sandbox_load(L, "", chunk->text, chunk->n, lua_tostring(L, -1)) != LUA_OK)
        sandbox_rethrow(L);
    lua_remove(L, -2);
}

/* Runs what stands at the first two arguments: what presets share with the API, which makes of it
 * what the preset is given; a pack is an ordinary script. Arguments: the options and the file. */
static int run_protected(lua_State *L)
{
    const BundledRules *file = lua_touserdata(L, 2);
    if (file->kind == BUNDLED_PACK) {
        push_chunk(L, file);
        lua_pushvalue(L, 1);
        lua_call(L, 1, 0);
        return 0;
    }
    push_chunk(L, find_file(BUNDLED_SHARED, "shared"));
    preset_push_api(L, file->name, lua_toboolean(L, 3));
    lua_pushvalue(L, 1);
    lua_call(L, 2, 1);
    push_chunk(L, file);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -3);
    lua_call(L, 2, 0);
    return 0;
}

/* Once a script: presets look at every key of both sides, and more than once. */
static void grant_more(Script *script)
{
    enum { INSTRUCTIONS_PER_KEY = 5000 };
    const StateDict *target = draft_target(script->draft);
    const uint64_t keys = draft_count(script->draft) + (target ? dict_count(target) : 0);
    if (script->granted || !keys) return;
    script->granted = true;
    script->sandbox.limit += keys * INSTRUCTIONS_PER_KEY;
    script->sandbox.left += keys * INSTRUCTIONS_PER_KEY;
}

/* A pack's options, at the top of the stack: what it does not know is a slip. Its other name says
 * that it goes back. */
static void check_options(lua_State *L, const BundledRules *file, bool reverse)
{
    if (reverse) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, "reverse");
    }
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        if (!pack_has_option(file, name))
            sandbox_raise(L, "preset \"%s\": there is no option '%s'; tenon rules show %s tells "
                          "which there are", file->name, name, file->name);
    }
}

/* Runs the file with the options on top of the stack, which it takes. Our own code may make tables
 * as long as the checkpoint is; a script that catches the error may not. */
static void run_file(lua_State *L, const BundledRules *file, bool dry)
{
    Script *script = script_of(L);
    const size_t before = script->running;
    if (file->kind == BUNDLED_PACK) check_options(L, file, script->pending_back);
    else draft_say(script->draft, "", file->name);    /* it has been here */
    luaL_checkstack(L, 10, "preset");
    lua_pushcfunction(L, run_protected);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, (void *)file);
    lua_pushboolean(L, dry);
    grant_more(script);
    script->sandbox.trusted = true;
    lua_gc(L, LUA_GCSTOP);       /* what it makes lives to its end; a full heap still collects */
    const int status = lua_pcall(L, 3, 0, 0);
    lua_gc(L, LUA_GCRESTART);
    script->sandbox.trusted = false;
    script->running = before;
    if (status == LUA_OK) return;
    /* the place is the script's, which the caller adds, and not one in our own file */
    const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    if (!message) sandbox_rethrow(L);
    message = message_bare(script, message);
    if (has_prefix(message, "preset ")) lua_pushstring(L, message);
    else lua_pushfstring(L, "preset \"%s\": %s", file->name, message);
    sandbox_rethrow(L);
}

/* Raises what the preset raises. */
void preset_flush(lua_State *L)
{
    Script *script = script_of(L);
    const void *pending = script->pending;
    if (!pending || script->busy) return;
    script->pending = NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pending_key);
    run_file(L, pending, false);
}

/* What preset "name" returns: it takes the options. */
static int take_options(lua_State *L)
{
    Script *script = script_of(L);
    const void *file = lua_touserdata(L, lua_upvalueindex(1));
    luaL_checktype(L, 1, LUA_TTABLE);
    if (script->pending != file)
        return sandbox_raise(L, "preset: options must stand right behind its name, as in "
                             "preset \"essmc2\"{sub_level=\"backbone\"}");
    script->pending = NULL;
    lua_settop(L, 1);
    run_file(L, file, false);
    return 0;
}

/* preset "name", preset "name"{options} and preset("name", {options}). */
bool run_preset(Call *call, Error *err)
{
    lua_State *L = call->L;
    const char *name = check_count(call, 2, err) ? take_name(call, 1, err) : NULL;
    bool back = false;
    const BundledRules *file = name ? pack_find(name, &back, err) : NULL;
    if (!name) return false;
    if (!file) return error_prefix(err, "preset");
    if (!lua_isnoneornil(L, 2) && lua_type(L, 2) != LUA_TTABLE)
        return expected(call, 2, "{option=…, …}", err);
    const bool given = lua_type(L, 2) == LUA_TTABLE;
    if (given) lua_pushvalue(L, 2);
    else lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &pending_key);
    call->script->pending = file;
    call->script->pending_back = back;
    call->flush = given;
    lua_pushlightuserdata(L, (void *)file);
    lua_pushcclosure(L, take_options, 1);
    call->results = given ? 0 : 1;
    return true;
}

/* Under pcall; the name is a light userdata. */
static int dry_protected(lua_State *L)
{
    const BundledRules *file = lua_touserdata(L, 1);
    lua_newtable(L);
    run_file(L, file, true);
    return 0;
}

bool script_rehearse(Script *script, const char *preset, Error *err)
{
    const BundledRules *file = find_file(BUNDLED_PRESET, preset);
    if (!file || !script->L) return true;
    script->busy = NULL;
    script->current = script->sandbox.running = script->L;
    script->running = script->chunk_count ? script->chunk_count - 1 : 0;
    sandbox_resume(&script->sandbox, script->L);
    return script_protect(script, dry_protected, (void *)file, false, err);
}
