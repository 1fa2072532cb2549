/* The limits of a script: allocator, instruction hook, clocks, metered compilation, and the
 * one place where Lua errors are raised.
 *
 * How a script can be long: by many instructions (the hook counts them), by instructions that
 * allocate (the allocator charges), by instructions that are slow by themselves (the clock
 * charges; strings and tables are limited so that none takes seconds), by C functions that loop
 * (lib_*.c charge), by coroutines whose hooks begin anew (entering one is charged), in the
 * compiler (its reader charges), or where the hook is deaf: in finalizers and closing methods
 * (refused, lib_base.c) and in message handlers (not called, lib_base.c). */
#include "scripting/sandbox.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>
#include <lualib.h>

enum {
    BYTES_PER_INSTRUCTION = 16,          /* allocating and filling memory */
    NODE_BYTES = 24,                     /* of one key in a hash part, in every Lua 5.4 */
    COLLECT_BYTES_PER_INSTRUCTION = 8,   /* walking the heap, after memory was refused */
    LOOK_AT_CLOCK_NS = 1000000,
    SLOW_SLICE_NS = 10000000,            /* from here on every instruction is looked at */
    READ_PIECE = 512                     /* bytes of source between two looks */
};

/* New coroutines inherit the extra space of the main one. */
Sandbox *sandbox_of(lua_State *L)
{
    return *(Sandbox **)lua_getextraspace(L);
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Only reads: it is called from the allocator too, when memory is refused. An {expression} has no
 * lines of its own: its place is that of the statement. */
void sandbox_note_place(Sandbox *sandbox, lua_State *L)
{
    lua_Debug at;
    for (int level = 0; level < 20 && lua_getstack(L, level, &at); level++) {
        lua_getinfo(L, "Sl", &at);
        if (at.currentline <= 0 || strcmp(at.short_src, "expression") == 0) continue;
        if (strncmp(at.short_src, "preset ", 7) == 0) continue;      /* ours, not the user's */
        snprintf(sandbox->place, sizeof sandbox->place, "%s:%d", at.short_src, at.currentline);
        return;
    }
}

/* The first reason stays. */
static void stop(Sandbox *sandbox, SandboxStop why)
{
    if (sandbox->stop) return;
    sandbox->stop = why;
    sandbox_note_place(sandbox, sandbox->running);
}

/* Instructions may hide long work (comparing long strings, tables made of collisions): they
 * count by the processor time they took when that is more. Looked at once a millisecond. */
static void charge_time(Sandbox *sandbox, uint64_t wall)
{
    if (wall - sandbox->wall < LOOK_AT_CLOCK_NS) return;
    const uint64_t processor = read_clock(CLOCK_THREAD_CPUTIME_ID);
    const uint64_t spent = processor > sandbox->processor ? processor - sandbox->processor : 0;
    const uint64_t cost = spent / SANDBOX_NS_PER_INSTRUCTION;
    const uint64_t more = cost > sandbox->counted ? cost - sandbox->counted : 0;
    sandbox->left -= more < sandbox->left ? more : sandbox->left;
    sandbox->wall = wall;
    sandbox->processor = processor;
    sandbox->counted = 0;
}

/* Statements charge for what they do by what they do it on, not by the clock. */
void sandbox_mark(Sandbox *sandbox)
{
    sandbox->wall = read_clock(CLOCK_MONOTONIC);
    sandbox->processor = read_clock(CLOCK_THREAD_CPUTIME_ID);
    sandbox->counted = 0;
}

/* The interrupt is looked at here as well, at most a few microseconds after it was set. */
bool sandbox_spend(Sandbox *sandbox, uint64_t cost)
{
    sandbox->left -= cost < sandbox->left ? cost : sandbox->left;
    sandbox->counted += cost;
    charge_time(sandbox, read_clock(CLOCK_MONOTONIC));
    if (!sandbox->left) stop(sandbox, STOP_BUDGET);
    if (sandbox->interrupt && *sandbox->interrupt) stop(sandbox, STOP_INTERRUPT);
    return sandbox->stop == STOP_NONE;
}

/* Never given back: what a script made in the draft's arena lives as long as the draft. */
bool sandbox_hold(Sandbox *sandbox, size_t bytes)
{
    if (bytes > sandbox->memory_limit - sandbox->memory) {
        stop(sandbox, STOP_MEMORY);
        return false;
    }
    sandbox->memory += bytes;
    return true;
}

static void look(lua_State *L, lua_Debug *at);

/* The error value is a light userdata, which takes no memory to make. The hook is set again for
 * the coroutine that runs now: each has its own. */
void sandbox_check(lua_State *L)
{
    Sandbox *sandbox = sandbox_of(L);
    if (!sandbox->stop) return;
    lua_sethook(L, look, LUA_MASKCOUNT, 1);
    lua_pushlightuserdata(L, sandbox);
    lua_error(L);
}

/* Whoever loops in C calls it inside the loop, or before it with the length. */
void sandbox_charge(lua_State *L, uint64_t cost)
{
    sandbox_spend(sandbox_of(L), cost);
    sandbox_check(L);
}

/* The hook. A thread whose slice took long is looked at after every instruction. */
static void look(lua_State *L, lua_Debug *at)
{
    (void)at;
    Sandbox *sandbox = sandbox_of(L);
    const int slice = lua_gethookcount(L);
    const uint64_t before = sandbox->wall;
    sandbox_spend(sandbox, (uint64_t)slice);
    sandbox_check(L);
    const bool slow = sandbox->wall - before > SLOW_SLICE_NS;
    if (slow != (slice == 1)) lua_sethook(L, look, LUA_MASKCOUNT, slow ? 1 : SANDBOX_SLICE);
}

/* The main coroutine may still have the hook of an interrupted run. */
void sandbox_resume(Sandbox *sandbox, lua_State *L)
{
    sandbox_mark(sandbox);
    lua_sethook(L, look, LUA_MASKCOUNT, sandbox->stop ? 1 : SANDBOX_SLICE);
}

/* Blocks that may make a single instruction take seconds: too long a string, and the hash part
 * of too big a table. A new block says in `old` what it is for; 0: no object. */
static bool is_oversized(size_t old, size_t want)
{
    if (old == LUA_TSTRING) return want > SANDBOX_STRING_MAX;
    const size_t keys = want / NODE_BYTES;
    return old == 0 && keys > SANDBOX_KEYS_MAX && want % NODE_BYTES == 0 && !(keys & (keys - 1));
}

/* Refuses what goes beyond the limit; Lua then collects its garbage and asks again, which
 * costs what it walks. A failed shrink would be fatal to Lua, so there is none. */
static void *allocate(void *context, void *block, size_t old, size_t want)
{
    Sandbox *sandbox = context;
    const bool oversized = !block && !sandbox->trusted && is_oversized(old, want);
    if (!block) old = 0;
    if (want == 0) {
        free(block);
        sandbox->memory -= old;
        return NULL;
    }
    if (want > old) {
        uint64_t cost = want / BYTES_PER_INSTRUCTION;
        const bool refused = oversized || want - old > sandbox->memory_limit - sandbox->memory;
        if (refused) {
            cost = sandbox->memory / COLLECT_BYTES_PER_INSTRUCTION;
            if (sandbox->running) sandbox_note_place(sandbox, sandbox->running);
        }
        sandbox->left -= cost < sandbox->left ? cost : sandbox->left;
        sandbox->counted += cost;
        if (refused) return NULL;
    }
    void *fresh = realloc(block, want);
    if (!fresh) return want <= old ? block : NULL;
    sandbox->memory = sandbox->memory - old + want;
    return fresh;
}

/* The libraries that only do work in proportion to their arguments are Lua's own. */
static int open_libraries(lua_State *L)
{
    static const luaL_Reg stock[] = {
        {LUA_GNAME, luaopen_base}, {LUA_STRLIBNAME, luaopen_string},
        {LUA_MATHLIBNAME, luaopen_math}, {LUA_UTF8LIBNAME, luaopen_utf8},
    };
    for (size_t i = 0; i < countof(stock); i++) {
        luaL_requiref(L, stock[i].name, stock[i].func, 1);
        lua_pop(L, 1);
    }
    lib_base_open(L);
    lib_string_open(L);
    luaL_requiref(L, LUA_COLIBNAME, lib_coroutine, 1);
    luaL_requiref(L, LUA_TABLIBNAME, lib_table, 1);
    lua_getglobal(L, LUA_MATHLIBNAME);
    lua_getfield(L, -1, "randomseed");
    lua_pushinteger(L, 0);                    /* the same plan every time */
    lua_call(L, 1, 0);
    return 0;
}

/* Opening is not counted: the hook comes last. */
lua_State *sandbox_open(Sandbox *sandbox)
{
    lua_State *L = lua_newstate(allocate, sandbox);
    if (!L) return NULL;
    *(Sandbox **)lua_getextraspace(L) = sandbox;
    sandbox->running = L;
    sandbox_mark(sandbox);
    lua_pushcfunction(L, open_libraries);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        lua_close(L);
        return NULL;
    }
    lua_sethook(L, look, LUA_MASKCOUNT, SANDBOX_SLICE);
    return L;
}

typedef struct Piece {
    const char *text;
    size_t n;
} Piece;

typedef struct Reading {
    Piece pieces[2];
} Reading;

/* Hands out source in small pieces: the compiler, too, can be made to work long on little. */
static const char *read_piece(lua_State *L, void *context, size_t *n)
{
    Reading *reading = context;
    sandbox_charge(L, READ_PIECE / 8);
    Piece *piece = &reading->pieces[reading->pieces[0].n ? 0 : 1];
    *n = piece->n < READ_PIECE ? piece->n : READ_PIECE;
    const char *text = piece->text;
    piece->text += *n;
    piece->n -= *n;
    return *n ? text : NULL;
}

/* Text only: bytecode could do anything. */
int sandbox_load(lua_State *L, const char *head, const char *text, size_t n, const char *chunk)
{
    Reading reading = {{{head, strlen(head)}, {text, n}}};
    return lua_load(L, read_piece, &reading, chunk, "t");
}

/* The text is cut at a kilobyte, as Error's is. */
int sandbox_raise(lua_State *L, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    luaL_where(L, 1);
    lua_pushstring(L, text);
    lua_concat(L, 2);
    return lua_error(L);
}

int sandbox_raise_plain(lua_State *L, const char *text)
{
    lua_pushstring(L, text);
    return lua_error(L);
}

int sandbox_rethrow(lua_State *L)
{
    return lua_error(L);
}
