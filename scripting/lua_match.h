/* Lua patterns (Lua 5.4 manual, 6.4.1), matched by an engine that counts its steps.
 *
 * Same language and results as string.find of Lua 5.4; every comparison of a byte is charged
 * to the sandbox, so that a pattern which backtracks without end runs out of budget. */
#ifndef SCRIPTING_LUA_MATCH_H
#define SCRIPTING_LUA_MATCH_H

#include "scripting/sandbox.h"

enum { MATCH_CAPTURES = 32 };

typedef struct LuaMatch {
    lua_State *L;
    const char *source, *source_end;     /* the whole subject */
    const char *pattern_end;
    uint32_t steps;                      /* not yet charged */
    int depth;                           /* of recursion left */
    int level;                           /* captures, finished or not */
    struct {
        const char *start;
        ptrdiff_t length;                /* or one of the two below */
    } captures[MATCH_CAPTURES];
} LuaMatch;

enum { CAPTURE_OPEN = -1, CAPTURE_POSITION = -2 };

void match_init(LuaMatch *match, lua_State *L, const char *source, size_t n, size_t pattern_n,
                const char *pattern);
/* Matches at `at`; returns the end of what fits, or NULL. Raises for a malformed pattern and
 * when the budget is gone. */
const char *match_at(LuaMatch *match, const char *at, const char *pattern);
/* Charges the steps that are still open. */
void match_done(LuaMatch *match);
/* Pushes capture `index` (from 0); the whole match, [start, end), for 0 when there is none. */
void match_push(LuaMatch *match, int index, const char *start, const char *end);
/* Pushes all captures; with start NULL none for a pattern without captures. Returns how many. */
int match_push_all(LuaMatch *match, const char *start, const char *end);

#endif
