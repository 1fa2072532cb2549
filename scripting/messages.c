/* Lua's errors for people: the user's file and line first, names of chunks made whole again,
 * unknown names with the nearest known ones.
 *
 * Lua puts "CHUNK:LINE: " before most messages, cuts long names of chunks, and knows nothing of
 * the rule text that an expression stands in. Here every message comes by, and leaves with one
 * place in the user's terms; one without any gets that of the line which was running. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "scripting/script_state.h"
#include "scripting/words.h"

/* A place in front of a message: "CHUNK:LINE: ", or "CHUNK:LINE:LINE: " for the Lua in rule
 * text, which is compiled as a chunk of its own called CHUNK:LINE. */
typedef struct Place {
    const Chunk *chunk;
    int line;                /* of the user's file */
    const char *rest;        /* the message behind the place; borrowed */
} Place;

/* A line number and its colon; anything else leaves *at alone. The bound keeps the sum of two
 * such numbers within an int. */
static bool read_number(const char **at, int *number)
{
    char *end;
    const long value = strtol(*at, &end, 10);
    if (end == *at || **at < '0' || **at > '9' || *end != ':' || value > 100000000) return false;
    *number = (int)value;
    *at = end + 1;
    return true;
}

/* Reads a place whose chunk is called `shown`. The inner line counts from the outer one:
 * "fix.lua:12:3: " is the third line of an expression that begins on line 12, so line 14. */
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

/* The newest chunk first: at the prompt many have one name. Both forms of the name: Lua shows
 * the short one, statements use the user's. */
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

/* Also true for the places inside computed texts, which place.c makes. */
bool message_has_place(const Script *script, const char *message)
{
    for (size_t i = 0; i < script->chunk_count; i++) {
        const char *const names[] = {script->chunks[i].name, script->chunks[i].shown};
        for (size_t k = 0; k < countof(names); k++) {
            const size_t n = strlen(names[k]);
            if (strncmp(message, names[k], n) == 0 && message[n] == ':' && message[n + 1] >= '0' &&
                message[n + 1] <= '9')
                return true;
        }
    }
    return false;
}

/* For errors to which the caller puts a place that it knows better. */
const char *message_bare(const Script *script, const char *message)
{
    Place place;
    if (read_place(script, message, &place)) message = place.rest;
    return has_prefix(message, "expression:1: ") ? message + strlen("expression:1: ") : message;
}

/* Replaces the place in front of a message ("chunk:12:3: ") by the user's ("path:14: "). Messages
 * without a place are passed on as they are. */
static void message_place(const Script *script, const char *message, Text *out)
{
    Place place;
    if (!read_place(script, message, &place)) {
        text_add(out, message);
        return;
    }
    text_addf(out, "%s:%d: ", place.chunk->name, place.line);
    text_add(out, place.rest);
}

/* A rule and the function in it often stand on one line; once is enough. */
void message_drop_repeat(char *message)
{
    char place[256];
    const char *end = strstr(message, ": ");
    const size_t n = end ? (size_t)(end - message) + 2 : 0;
    if (!n || n >= sizeof place) return;
    memcpy(place, message, n);
    place[n] = '\0';
    char *again = strstr(message + n, place);
    if (again) memmove(again, again + n, strlen(again + n) + 1);
}

/* "attempt to call a nil value (global 'auto')": a name that is not known. */
static bool explain_unknown(const Script *script, const char *message, Text *out)
{
    static const char nil_call[] = "attempt to call a nil value (global '";
    const char *at = strstr(message, nil_call);
    if (!at) return false;
    char name[64];
    if (sscanf(at + strlen(nil_call), "%63[^']", name) != 1) return false;
    text_addn(out, message, (size_t)(at - message));
    text_addf(out, "'%s' is not known; ", name);
    const size_t before = out->length;
    words_suggest(script, name, out);
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
        text_addf(&text, "the script needs more than its limit of %zu MiB of memory, a text longer "
                  "than %d MiB or a table of more than %d keys", sandbox->memory_limit >> 20,
                  SANDBOX_STRING_MAX >> 20, SANDBOX_KEYS_MAX);
    error_set(err, stop == STOP_INTERRUPT ? ERR_CANCELLED : ERR_LIMIT, "%s", text_string(&text));
    text_done(&text);
    text_done(&place);
}

/* Runs where the error is raised, with the stack still there; is C, and so safe in the hook. */
int message_note_place(lua_State *L)
{
    Sandbox *sandbox = sandbox_of(L);
    if (!sandbox->stop) sandbox_note_place(sandbox, L);
    return 1;
}

/* Escaped for a terminal, on one line. An error that a statement set keeps its code. */
static void say_text(Script *script, const char *message, Error *err)
{
    Text whole = {0}, placed = {0}, known = {0}, shown = {0};
    if (!message_has_place(script, message)) text_addf(&whole, "%s: ", script->sandbox.place);
    text_add(&whole, message);
    message_place(script, text_string(&whole), &placed);
    const bool unknown = explain_unknown(script, text_string(&placed), &known);
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

/* Never raises and never runs script code after the limit: a hostile __tostring is called under
 * pcall, and its failure is no reason not to say something. */
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

/* The only way from C back into Lua. The coroutine that called the statement is used, so that
 * its hook goes on counting. */
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
