/* Sandbox: a Lua 5.4 state that ends, whatever the script does.
 *
 * One budget covers instructions, bytes allocated, steps of C loops and slow instructions, in
 * all chunks and coroutines together. Once it is spent the hook fires at every instruction and
 * every function that could run script code refuses, so that nothing can hold the error back. */
#ifndef SCRIPTING_SANDBOX_H
#define SCRIPTING_SANDBOX_H

#include <stdatomic.h>

#include <lua.h>

#include "loader/core/memory.h"

/* Why a script had to end. */
typedef enum SandboxStop { STOP_NONE, STOP_BUDGET, STOP_MEMORY, STOP_INTERRUPT } SandboxStop;

typedef struct Sandbox {
    uint64_t limit, left;        /* instructions: granted, and not yet spent */
    size_t memory_limit;         /* bytes of Lua heap and of what scripts make in arenas */
    size_t memory;               /* in use now */
    const atomic_bool *interrupt;    /* may be NULL; another thread or a signal sets it */
    bool trusted;                /* bundled code runs: its tables may have any number of keys */
    SandboxStop stop;            /* anything but NONE: no script code may run any more */
    char place[96];              /* "fix.lua:12" where it was stopped or memory was refused */
    lua_State *running;          /* the coroutine that runs, for `place` */
    uint64_t counted;            /* spent since the clocks below were read */
    uint64_t wall, processor;    /* ns; a thread's processor time */
} Sandbox;

enum {
    SANDBOX_STRING_MAX = 16 << 20,      /* bytes of one string: bounds what a compare costs */
    SANDBOX_KEYS_MAX = 1 << 17,         /* of one table's hash part: bounds what growing it costs
                                           when a script chose keys that collide */
    SANDBOX_SLICE = 64,                 /* instructions between two looks at the budget */
    SANDBOX_NS_PER_INSTRUCTION = 15     /* slower ones count as several */
};

/* A state with the bounded libraries and nothing else; NULL when memory is out. The sandbox
 * is borrowed by the state and filled in by the caller first (limit, left, memory_limit,
 * interrupt). */
lua_State *sandbox_open(Sandbox *sandbox);
Sandbox *sandbox_of(lua_State *L);

/* Spends `cost`; raises a Lua error when the budget is gone or the user interrupts. */
void sandbox_charge(lua_State *L, uint64_t cost);
/* The same, without raising: false when the script has to end. */
bool sandbox_spend(Sandbox *sandbox, uint64_t cost);
/* Raises when the script has to end. */
void sandbox_check(lua_State *L);
/* Memory that a script made outside Lua and that stays: counted against its limit. */
bool sandbox_hold(Sandbox *sandbox, size_t bytes);
/* Remembers the line of a chunk that runs on L, for errors that cannot say it themselves. */
void sandbox_note_place(Sandbox *sandbox, lua_State *L);
/* Before a chunk runs on the main coroutine. */
void sandbox_resume(Sandbox *sandbox, lua_State *L);
/* Forgets the time since the last look: C work that was charged otherwise. */
void sandbox_mark(Sandbox *sandbox);

/* Compiles source text (never bytecode) and pushes the chunk, or an error value. Returns a
 * Lua status. `head` is put in front of the text ("return " or ""). */
int sandbox_load(lua_State *L, const char *head, const char *text, size_t n, const char *chunk);

/* The only places that raise Lua errors: nothing that owns memory stands on the C stack.
 * _raise puts "chunk:line: " of the calling Lua code in front; _raise_plain does not. */
int sandbox_raise(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3)));
int sandbox_raise_plain(lua_State *L, const char *text);
/* Raises the value on top of the stack. */
int sandbox_rethrow(lua_State *L);
/* The bounded libraries (lib_*.c). The first two change Lua's own, the others replace them. */
void lib_base_open(lua_State *L);
void lib_string_open(lua_State *L);
int lib_coroutine(lua_State *L);
int lib_table(lua_State *L);

#endif
