/* The matcher of lua_match.h: backtracking as in Lua's own (lstrlib.c), step by counted step.
 *
 * Names: s is a place in the subject, p one in the pattern, end the byte behind an item. The
 * pattern is NUL-terminated behind pattern_end, so that one byte more may be looked at. */
#include "scripting/lua_match.h"

#include <ctype.h>
#include <string.h>

#include <lauxlib.h>

/* DEPTH_MAX is that of Lua's own matcher: what it takes in, this one does too. */
enum { STEPS_PER_CHARGE = 1024, DEPTH_MAX = 200 };

static const char *match_here(LuaMatch *m, const char *s, const char *p);

/* Small steps add up and are charged a thousand at a time: asking the clock costs more than a
 * step. */
static void step(LuaMatch *m, size_t n)
{
    m->steps += n < STEPS_PER_CHARGE ? (uint32_t)n : STEPS_PER_CHARGE;
    if (n > STEPS_PER_CHARGE) sandbox_charge(m->L, n);
    if (m->steps >= STEPS_PER_CHARGE) match_done(m);
}

void match_done(LuaMatch *match)
{
    const uint32_t steps = match->steps;
    match->steps = 0;
    sandbox_charge(match->L, steps);
}

/* Behind the single character class that starts at p: one byte for "a" and ".", two for "%a",
 * five for "[^]x]". Raises for a class that does not end. */
static const char *end_of_class(LuaMatch *m, const char *p)
{
    const char *const start = p;
    if (*p++ == '%') {
        if (p == m->pattern_end) sandbox_raise(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (p[-1] != '[') return p;
    if (*p == '^') p++;
    do {                                  /* a ']' that comes first is an ordinary one */
        if (p == m->pattern_end) sandbox_raise(m->L, "malformed pattern (missing ']')");
        if (*p++ == '%') p++;
        if (p > m->pattern_end) sandbox_raise(m->L, "malformed pattern (missing ']')");
    } while (p == m->pattern_end || *p != ']');
    step(m, (size_t)(p - start));
    return p + 1;
}

/* %a and its kin; an upper-case letter is the complement, anything else stands for itself. The
 * locale is "C" while scripts run. */
static bool fits_letter(int c, int class)
{
    bool fits;
    switch (tolower(class)) {
    case 'a': fits = isalpha(c); break;
    case 'c': fits = iscntrl(c); break;
    case 'd': fits = isdigit(c); break;
    case 'g': fits = isgraph(c); break;
    case 'l': fits = islower(c); break;
    case 'p': fits = ispunct(c); break;
    case 's': fits = isspace(c); break;
    case 'u': fits = isupper(c); break;
    case 'w': fits = isalnum(c); break;
    case 'x': fits = isxdigit(c); break;
    default: return class == c;
    }
    return isupper(class) ? !fits : fits;
}

/* p stands at '[', end at its ']'. A range has both its ends; a '-' that stands first or last is
 * itself, as in "[a-]". Bytes compare unsigned, so that ranges go on behind 0x7F. */
static bool fits_set(LuaMatch *m, int c, const char *p, const char *end)
{
    bool inside = true;
    step(m, (size_t)(end - p));
    if (p[1] == '^') {
        inside = false;
        p++;
    }
    while (++p < end) {
        if (*p == '%') {
            if (fits_letter(c, (unsigned char)*++p)) return inside;
        } else if (p[1] == '-' && p + 2 < end) {
            p += 2;
            if ((unsigned char)p[-2] <= c && c <= (unsigned char)*p) return inside;
        } else if ((unsigned char)*p == c) {
            return inside;
        }
    }
    return !inside;
}

/* Whether the byte at s fits the single class [p, end). */
static bool fits_one(LuaMatch *m, const char *s, const char *p, const char *end)
{
    step(m, 1);
    if (s >= m->source_end) return false;
    const int c = (unsigned char)*s;
    switch (*p) {
    case '.': return true;
    case '%': return fits_letter(c, (unsigned char)p[1]);
    case '[': return fits_set(m, c, p, end - 1);
    default: return (unsigned char)*p == c;
    }
}

/* %bxy: from an x to the y that balances it; p stands at the two characters. "%b()" at the start
 * of "(a(b)c)d" ends before the d. Where x and y are the same, the next one balances. */
static const char *match_balance(LuaMatch *m, const char *s, const char *p)
{
    if (p >= m->pattern_end - 1)
        sandbox_raise(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->source_end || *s != *p) return NULL;
    int64_t nested = 1;
    while (++s < m->source_end) {
        step(m, 1);
        if (*s == p[1]) {
            if (--nested == 0) return s + 1;
        } else if (*s == p[0]) {
            nested++;
        }
    }
    return NULL;
}

/* item* and item+: as many as there are, then one less at a time. The loop that backtracks is
 * what a hostile pattern multiplies; each round is at least one step. */
static const char *match_longest(LuaMatch *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t n = 0;
    while (fits_one(m, s + n, p, end)) n++;
    for (; n >= 0; n--) {
        const char *rest = match_here(m, s + n, end + 1);
        if (rest) return rest;
    }
    return NULL;
}

/* item-: none first, then one more at a time. The rest is tried at every place, so a step is
 * charged there by match_items. */
static const char *match_shortest(LuaMatch *m, const char *s, const char *p, const char *end)
{
    for (;; s++) {
        const char *rest = match_here(m, s, end + 1);
        if (rest) return rest;
        if (!fits_one(m, s, p, end)) return NULL;
    }
}

/* The capture is taken back when the rest does not fit: another try may reuse its number. `what`
 * is CAPTURE_OPEN, to be closed by a ')', or CAPTURE_POSITION for "()", which is whole at once. */
static const char *open_capture(LuaMatch *m, const char *s, const char *p, ptrdiff_t what)
{
    if (m->level >= MATCH_CAPTURES) sandbox_raise(m->L, "too many captures");
    m->captures[m->level].start = s;
    m->captures[m->level++].length = what;
    const char *rest = match_here(m, s, p);
    if (!rest) m->level--;
    return rest;
}

/* Closes the innermost open one; reopened when the rest does not fit. */
static const char *close_capture(LuaMatch *m, const char *s, const char *p)
{
    int level = m->level - 1;
    while (level >= 0 && m->captures[level].length != CAPTURE_OPEN) level--;
    if (level < 0) sandbox_raise(m->L, "invalid pattern capture");
    m->captures[level].length = s - m->captures[level].start;
    const char *rest = match_here(m, s, p);
    if (!rest) m->captures[level].length = CAPTURE_OPEN;
    return rest;
}

/* %1 … %9: the text of an earlier capture again, behind which it returns. A position capture has
 * no text (its length is negative) and fits nowhere. */
static const char *match_again(LuaMatch *m, const char *s, int digit)
{
    const int level = digit - '1';
    if (level < 0 || level >= m->level || m->captures[level].length == CAPTURE_OPEN)
        sandbox_raise(m->L, "invalid capture index %%%d", level + 1);
    const ptrdiff_t n = m->captures[level].length;
    if (n < 0 || m->source_end - s < n) return NULL;
    step(m, (size_t)n / 8 + 1);
    return memcmp(m->captures[level].start, s, (size_t)n) ? NULL : s + n;
}

/* %f[set]: the border where the set begins to fit. Outside the subject stands a NUL on either
 * side: %f[%w] also finds a word at the very start, %f[%W] the end of the last one. */
static bool match_frontier(LuaMatch *m, const char *s, const char *p, const char *end)
{
    const int before = s == m->source ? 0 : (unsigned char)s[-1];
    const int here = s == m->source_end ? 0 : (unsigned char)*s;
    return !fits_set(m, before, p, end - 1) && fits_set(m, here, p, end - 1);
}

/* One item that is a single class with its suffix. Either the final result (true), or *s and
 * *p have moved on. Only suffixes recurse, since only they have another try left: a pattern of
 * plain characters takes no stack however long it is. */
static bool match_single(LuaMatch *m, const char **s, const char **p, const char **result)
{
    const char *const end = end_of_class(m, *p);
    const char suffix = end < m->pattern_end ? *end : '\0';
    switch (suffix) {
    case '*': *result = match_longest(m, *s, *p, end); return true;
    case '-': *result = match_shortest(m, *s, *p, end); return true;
    case '+':
        *result = fits_one(m, *s, *p, end) ? match_longest(m, *s + 1, *p, end) : NULL;
        return true;
    case '?':
        if (fits_one(m, *s, *p, end) && (*result = match_here(m, *s + 1, end + 1))) return true;
        *p = end + 1;
        return false;
    default:
        *result = NULL;
        if (!fits_one(m, *s, *p, end)) return true;
        *s += 1;
        *p = end;
        return false;
    }
}

/* One item that begins with '%': as match_single; *handled is false for a plain class. It takes
 * four bytes of the pattern for %bxy, two for %1, and for %f those of its set besides. */
static bool match_percent(LuaMatch *m, const char **s, const char **p, const char **result,
                          bool *handled)
{
    const char kind = *p + 1 < m->pattern_end ? (*p)[1] : '\0';
    *handled = true;
    *result = NULL;
    if (kind == 'b') {
        *s = match_balance(m, *s, *p + 2);
        *p += 4;
        return !*s;
    }
    if (kind == 'f') {
        *p += 2;
        if (*p >= m->pattern_end || **p != '[')
            sandbox_raise(m->L, "missing '[' after '%%f' in pattern");
        const char *const end = end_of_class(m, *p);
        if (!match_frontier(m, *s, *p, end)) return true;
        *p = end;
        return false;
    }
    if (isdigit((unsigned char)kind)) {
        *s = match_again(m, *s, kind);
        *p += 2;
        return !*s;
    }
    *handled = false;
    return false;
}

/* One item after the other; recursion only where there is something to come back to. */
static const char *match_items(LuaMatch *m, const char *s, const char *p)
{
    while (p < m->pattern_end) {
        const char *result = NULL;
        bool handled = false;
        step(m, 1);
        if (*p == '(') {
            const bool position = p + 1 < m->pattern_end && p[1] == ')';
            return open_capture(m, s, p + (position ? 2 : 1),
                                position ? CAPTURE_POSITION : CAPTURE_OPEN);
        }
        if (*p == ')') return close_capture(m, s, p + 1);
        if (*p == '$' && p + 1 == m->pattern_end) return s == m->source_end ? s : NULL;
        if (*p == '%' && match_percent(m, &s, &p, &result, &handled)) return result;
        if (!handled && match_single(m, &s, &p, &result)) return result;
    }
    return s;
}

/* Bounds the recursion: one level of C stack for each capture or repetition. */
static const char *match_here(LuaMatch *m, const char *s, const char *p)
{
    if (m->depth-- == 0) sandbox_raise(m->L, "pattern too complex");
    const char *end = match_items(m, s, p);
    m->depth++;
    return end;
}

void match_init(LuaMatch *match, lua_State *L, const char *source, size_t n, size_t pattern_n,
                const char *pattern)
{
    match->L = L;
    match->source = source;
    match->source_end = source + n;
    match->pattern_end = pattern + pattern_n;
    match->steps = 0;
}

/* Captures and depth begin anew at every place. A '^' is the caller's: the pattern begins behind
 * it. */
const char *match_at(LuaMatch *match, const char *at, const char *pattern)
{
    match->level = 0;
    match->depth = DEPTH_MAX;
    step(match, 1);
    return match_here(match, at, pattern);
}

/* Positions count from 1. A capture may still be open when the pattern ends, as in "(a": that is
 * an error of the pattern, found only here because only here it is asked for. */
void match_push(LuaMatch *match, int index, const char *start, const char *end)
{
    if (index >= match->level) {
        if (index) sandbox_raise(match->L, "invalid capture index %%%d", index + 1);
        lua_pushlstring(match->L, start, (size_t)(end - start));
        return;
    }
    const ptrdiff_t n = match->captures[index].length;
    const char *const text = match->captures[index].start;
    if (n == CAPTURE_OPEN) sandbox_raise(match->L, "unfinished capture");
    if (n == CAPTURE_POSITION) lua_pushinteger(match->L, text - match->source + 1);
    else lua_pushlstring(match->L, text, (size_t)n);
}

/* gmatch, match and functions in gsub get the whole match where there are no captures. */
int match_push_all(LuaMatch *match, const char *start, const char *end)
{
    const int count = match->level == 0 && start ? 1 : match->level;
    luaL_checkstack(match->L, count, "too many captures");
    for (int i = 0; i < count; i++) match_push(match, i, start, end);
    return count;
}
