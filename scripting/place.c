/* Where a statement stands in its file, and where a long string that it was given begins.
 *
 * Lua knows the line of a call, and not of its arguments. An error in the fifth line of a rule
 * text is to name the fifth line, so the text is looked up in the chunk that holds it. */
#include <string.h>

#include "scripting/script_state.h"

/* The newest of that name: earlier ones can only be reached by functions they left behind. */
const Chunk *place_chunk(const Script *script, const char *shown)
{
    for (size_t i = script->chunk_count; i-- > 0;)
        if (strcmp(script->chunks[i].shown, shown) == 0) return &script->chunks[i];
    return NULL;
}

/* Statements can be called through pcall and from other C functions, which have no line. */
void place_find(Script *script, lua_State *L, Origin *origin, const Chunk **chunk)
{
    lua_Debug at;
    *chunk = NULL;
    *origin = (Origin){script->chunks[script->running].name, 0};
    for (int level = 0; lua_getstack(L, level, &at); level++) {
        lua_getinfo(L, "Sl", &at);
        if (at.currentline <= 0) continue;
        *chunk = place_chunk(script, at.short_src);
        if (*chunk) origin->file = (*chunk)->name;
        origin->line = at.currentline;
        return;
    }
}

/* The start of the long bracket whose content begins at `at`, NULL when none does. *level
 * receives its number of equal signs. */
static const char *find_bracket(const char *text, const char *at, size_t *level)
{
    if (at > text && at[-1] == '\n') at--;       /* the first newline is not content */
    if (at == text || *--at != '[') return NULL;
    *level = 0;
    while (at > text && at[-1] == '=') {
        at--;
        ++*level;
    }
    return at > text && at[-1] == '[' ? at - 1 : NULL;
}

/* Whether the bracket of that level closes at `at`. */
static bool is_closed(const char *at, const char *end, size_t level)
{
    if ((size_t)(end - at) < level + 2 || at[0] != ']' || at[level + 1] != ']') return false;
    return strspn(at + 1, "=") == level;
}

/* Newlines in [from, to). */
static int count_lines(const char *from, const char *to)
{
    int lines = 0;
    while ((from = memchr(from, '\n', (size_t)(to - from))) && ++from) lines++;
    return lines;
}

/* How far a call at `line` is from a string on the lines [first, last]: Lua versions differ
 * in whether the call has the line of the function's name or of the string's end. */
static int measure_distance(int line, int first, int last)
{
    const int before = first > line ? first - line : line - first;
    const int behind = last > line ? last - line : line - last;
    return before < behind ? before : behind;
}

/* The line on which a literal's content begins; 0 when the text is no long literal. */
static int find_literal(const Chunk *chunk, const char *text, size_t n, int line)
{
    const char *const end = chunk->text + chunk->n, *counted = chunk->text;
    int best = 0, nearest = 0, here = 1;
    for (const char *at = chunk->text; n && (at = memmem(at, (size_t)(end - at), text, n)); at++) {
        size_t level;
        const char *const bracket = find_bracket(chunk->text, at, &level);
        if (!bracket || !is_closed(at + n, end, level)) continue;
        here += count_lines(counted, at);
        counted = at;
        const int distance = measure_distance(line, here - count_lines(bracket, at),
                                              here + count_lines(at, at + n));
        if (best && distance >= nearest) continue;
        nearest = distance;
        best = here;
    }
    return best;
}

/* A text that is no literal of its file has no lines there. It is placed at the call, and its
 * own lines are counted behind it: "fix.lua:3, text:2". */
Origin place_of_text(const Call *call, const char *text, size_t n)
{
    Origin origin = call->origin;
    const int line = call->chunk ? find_literal(call->chunk, text, n, origin.line) : 0;
    if (line) {
        origin.line = line;
    } else if (memchr(text, '\n', n)) {       /* made by the script: lines of the text itself */
        origin.file = arena_printf(draft_arena(call->script->draft), "%s:%d, text", origin.file,
                                   origin.line);
        origin.line = 1;
    }
    return origin;
}
