/* Lua alone knows what is whole: the text up to every line is parsed, without being run. */
#include "repl/statement_ends.h"

#include "loader/core/error.h"
#include "loader/core/memory.h"
#include "scripting/script.h"

enum { LINES_MAX = 2000 };       /* of a longer text the rest is one statement */

static size_t *add(size_t *ends, size_t *count, size_t *room, size_t end)
{
    ends = mem_grow(ends, room, *count + 1, sizeof *ends);
    ends[(*count)++] = end;
    return ends;
}

size_t *statement_ends(const char *text, size_t n, size_t *count)
{
    size_t *ends = NULL, room = 0, lines = 0;
    *count = 0;
    for (size_t i = 0; i + 1 < n && lines < LINES_MAX; i++) {
        bool incomplete;
        Error ignored = {0};
        if (text[i] != '\n') continue;
        lines++;
        if (script_parses(text, i + 1, &incomplete, &ignored))
            ends = add(ends, count, &room, i + 1);
    }
    return n ? add(ends, count, &room, n) : ends;
}
