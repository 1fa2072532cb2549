/* Pattern and Template: the two sides of a rule, compiled (RULES.md B2, B2a).
 *
 *   {i}       0|[1-9][0-9]*, at most 18 digits          {p:a|b}   one of the alternatives
 *   {x:*}     one segment's run without '.'             {0-31} {a,b}  anonymous alternatives
 *   *         one or more bytes without '.'             "…"       literal text
 *   **        any run; "**." and ".**" match nothing together with their dot
 *
 * A pattern matches the whole key; a name that occurs twice must be equal; wildcards take the
 * shortest from the left. Matching cannot blow up: (position in pattern, position in key) is
 * visited at most once for each choice of captures that can still differ. */
#ifndef LOADER_ALIGN_PATTERN_H
#define LOADER_ALIGN_PATTERN_H

#include "loader/core/error.h"
#include "loader/core/memory.h"

enum { CAPTURES_MAX = 16, STARS_MAX = 16, SOURCES_MAX = 64 };

typedef struct Capture {
    const char *name;        /* NULL for anonymous ones */
    const char *text;        /* what it matched, [length] bytes of the key */
    uint32_t length;
    bool numeric;            /* {i}, or alternatives that are all digits */
    int64_t number;
} Capture;

typedef struct Captures {
    Capture named[CAPTURES_MAX];
    size_t named_count;
    struct { const char *text; uint32_t length; } stars[STARS_MAX];   /* *, ** in order */
    size_t star_count;
    const char *key;         /* the whole key that matched */
} Captures;

typedef struct Pattern Pattern;
typedef struct Template Template;

/* Compiles one side; `text` is trimmed rule text of n bytes. Errors say the column. */
Pattern *pattern_compile(Arena *arena, const char *text, size_t n, Error *err);
/* Whether the whole key fits; fills *captures, which borrow from key. */
bool pattern_match(const Pattern *pattern, const char *key, Captures *captures);
/* The literal bytes every fitting key starts (ends) with, for indexing. Never NULL. */
const char *pattern_head(const Pattern *pattern);
const char *pattern_tail(const Pattern *pattern);
const char *pattern_text(const Pattern *pattern);       /* as written */
size_t pattern_stars(const Pattern *pattern);
/* The names of its captures, in order of first appearance. */
size_t pattern_names(const Pattern *pattern, const char *names[CAPTURES_MAX]);
/* For a "did you mean": how many of the pattern's segments a key shares with it, 0 … 1. */
double pattern_nearness(const Pattern *pattern, const char *key);

/* Evaluates `{expression}` with the captures in scope: a host function, because expressions
 * are Lua. `handle` is what compile returned. The result is appended to `out` as text. */
typedef struct ExprHost {
    int (*compile)(void *host, const char *text, size_t n, Error *err);   /* < 0: error */
    bool (*evaluate)(void *host, int handle, const Captures *captures, Text *out, Error *err);
    void *host;
} ExprHost;

/* Right-hand sides: literals, `{expression}`, `*` and `**` carried over in order. A `{name}`
 * that is a capture on the left needs no host. `{i+1}`-like integer arithmetic over captures
 * is evaluated here as well; anything else goes to the host. */
Template *template_compile(Arena *arena, const char *text, size_t n, const ExprHost *host,
                           Error *err);
bool template_expand(const Template *template, const Captures *captures, Text *out, Error *err);
const char *template_text(const Template *template);
size_t template_stars(const Template *template);
/* Whether the template's text depends on the capture of that name. */
bool template_uses(const Template *template, const char *name);

#endif
