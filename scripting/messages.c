/* Lua's errors for people: the user's file and line first, names of chunks made whole again,
 * unknown names with the nearest known ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "scripting/state.h"
#include "scripting/words.h"

/* A place in front of a message: "CHUNK:LINE: ", or "CHUNK:LINE:LINE: " for the Lua in rule
 * text, which is compiled as a chunk of its own called CHUNK:LINE. */
typedef struct Place {
    const Chunk *chunk;
    int line;
    const char *rest;
} Place;

static bool read_number(const char **at, int *number)
{
    char *end;
    const long value = strtol(*at, &end, 10);
    if (end == *at || **at < '0' || **at > '9' || *end != ':' || value > 100000000) return false;
    *number = (int)value;
    *at = end + 1;
    return true;
}

static bool read_place_as(const char *shown, const char *message, Place *place)
{
    const size_t n = strlen(shown);
    if (strncmp(message, shown, n) != 0 || message[n] != ':') return false;
    const char *at = message + n + 1;
    int inner;
    if (!read_number(&at, &place->line)) return false;
    if (read_number(&at, &inner)) place->line += inner - 1;
    place->rest = *at == ' ' ? at + 1 : at;
    return true;
}

static bool read_place(const Script *script, const char *message, Place *place)
{
    for (size_t i = script->chunk_count; i-- > 0;) {
        place->chunk = &script->chunks[i];
        if (read_place_as(place->chunk->shown, message, place) ||
            read_place_as(place->chunk->name, message, place))
            return true;
    }
    return false;
}

bool message_has_place(const Script *script, const char *message)
{
    Place place;
    if (read_place(script, message, &place)) return true;
    for (size_t i = 0; i < script->chunk_count; i++)     /* "fix.lua:3, text:2: " */
        if (has_prefix(message, script->chunks[i].name)) return true;
    return false;
}

const char *message_bare(const Script *script, const char *message)
{
    Place place;
    if (read_place(script, message, &place)) return place.rest;
    return has_prefix(message, "expression:1: ") ? message + strlen("expression:1: ") : message;
}

void message_place(const Script *script, const char *message, Text *out)
{
    Place place;
    if (!read_place(script, message, &place)) {
        text_add(out, message);
        return;
    }
    text_addf(out, "%s:%d: ", place.chunk->name, place.line);
    text_add(out, place.rest);
}

/* "attempt to call a nil value (global 'auto')": a name that is not known. */
static bool explain_unknown(const char *message, Text *out)
{
    static const char nil_call[] = "attempt to call a nil value (global '";
    const char *at = strstr(message, nil_call);
    if (!at) return false;
    char name[64];
    if (sscanf(at + strlen(nil_call), "%63[^']", name) != 1) return false;
    text_addn(out, message, (size_t)(at - message));
    text_addf(out, "'%s' is not known; ", name);
    const size_t before = out->length;
    words_suggest(name, out);
    if (out->length == before) text_add(out, "help() lists what is");
    return true;
}

/* What the limits say, with the place that was noted when they were hit. */
static void say_limit(Script *script, SandboxStop stop, Error *err)
{
    const Sandbox *const sandbox = &script->sandbox;
    Text place = {0}, text = {0};
    text_addf(&place, "%s: ", sandbox->place);
    message_place(script, text_string(&place), &text);
    if (stop == STOP_INTERRUPT)
        text_add(&text, "interrupted");
    else if (stop == STOP_BUDGET)
        text_addf(&text, "the script went beyond its limit of %llu instructions; does it loop "
                  "without end?", (unsigned long long)sandbox->limit);
    else
        text_addf(&text, "the script needs more than its limit of %zu MiB of memory, or a text "
                  "longer than %d MiB", sandbox->memory_limit >> 20, SANDBOX_STRING_MAX >> 20);
    error_set(err, stop == STOP_INTERRUPT ? ERR_CANCELLED : ERR_LIMIT, "%s", text_string(&text));
    text_done(&text);
    text_done(&place);
}

int message_note_place(lua_State *L)
{
    Sandbox *sandbox = sandbox_of(L);
    if (!sandbox->stop) sandbox_note_place(sandbox, L);
    return 1;
}

static void say_text(Script *script, const char *message, Error *err)
{
    Text whole = {0}, placed = {0}, known = {0}, shown = {0};
    if (!message_has_place(script, message)) text_addf(&whole, "%s: ", script->sandbox.place);
    text_add(&whole, message);
    message_place(script, text_string(&whole), &placed);
    const bool unknown = explain_unknown(text_string(&placed), &known);
    name_show(text_string(unknown ? &known : &placed), &shown);
    const bool own = strcmp(message, script->error.text) == 0;
    error_set(err, own ? script->error.code : ERR_RULE, "%s", text_string(&shown));
    text_done(&whole);
    text_done(&placed);
    text_done(&known);
    text_done(&shown);
}

/* An error value that is no text: its __tostring speaks, if it has one. */
static int show_value(lua_State *L)
{
    lua_settop(L, 1);
    luaL_tolstring(L, 1, NULL);
    return 1;
}

void message_take(Script *script, int status, int index, Error *err)
{
    lua_State *L = script->current;
    const SandboxStop stop = script->sandbox.stop;
    index = lua_absindex(L, index);
    const bool text = !stop && lua_type(L, index) == LUA_TSTRING;
    const bool memory = text && strcmp(lua_tostring(L, index), "not enough memory") == 0;
    if (stop || status == LUA_ERRMEM || memory) {
        say_limit(script, stop ? stop : STOP_MEMORY, err);
    } else if (text) {
        say_text(script, lua_tostring(L, index), err);
    } else {
        lua_pushcfunction(L, show_value);
        lua_pushvalue(L, index);
        const bool shown = lua_pcall(L, 1, 1, 0) == LUA_OK;
        Text message = {0};
        text_add(&message, "the error is no text");
        if (shown) text_addf(&message, ": %s", lua_tostring(L, -1));
        if (script->sandbox.stop) say_limit(script, script->sandbox.stop, err);
        else say_text(script, text_string(&message), err);
        text_done(&message);
        lua_pop(L, 1);
    }
}

bool script_protect(Script *script, ScriptCall call, void *context, bool bare, Error *err)
{
    lua_State *L = script->current;
    if (!lua_checkstack(L, 8)) return error_set(err, ERR_LIMIT, "the Lua stack is full");
    lua_pushcfunction(L, message_note_place);
    lua_pushcfunction(L, call);
    lua_pushlightuserdata(L, context);
    const int status = lua_pcall(L, 1, 0, -3);
    Error raw;
    if (status != LUA_OK) message_take(script, status, -1, &raw);
    lua_pop(L, status == LUA_OK ? 1 : 2);
    if (status == LUA_OK) return true;
    return error_set(err, raw.code, "%s", bare ? message_bare(script, raw.text) : raw.text);
}
