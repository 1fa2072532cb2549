/* Pattern and Template: the two sides of a rule, compiled (tenon-rules(5)).
 *
 *   {i}       0|[1-9][0-9]*, at most 18 digits          {p:a|b}   one of the alternatives
 *   {x:*}     one or more bytes without '.'             {0-31} {a,b}  anonymous alternatives
 *   *         one or more bytes without '.'             "…"       literal text: \" \\ \xHH
 *   **        any run; "**." and ".**" match nothing together with their dot
 *
 * A pattern matches the whole key; a name that occurs twice must be equal (`{p:a|b}.x.{p}`:
 * the second needs no alternatives); wildcards take the shortest from the left, a number all
 * its digits if it can. Alternatives that are all digits make a number: `{n:0|2}`, `{0-31}`.
 *
 * Anonymous alternatives are carried over like stars: a brace on the right that is spelled as
 * one on the left stands for it, the k-th of that spelling for the k-th on the left.
 *
 * Matching cannot blow up: a place in the pattern is tried at most once with a place in the
 * key. Only where a name repeats does this not hold between its two places; there a budget
 * ends the search, and Captures.gave_up says so. */
#ifndef LOADER_ALIGN_PATTERN_H
#define LOADER_ALIGN_PATTERN_H

#include "loader/core/error.h"
#include "loader/core/memory.h"
#include "loader/core/text.h"

enum {
    CAPTURES_MAX = 16,
    STARS_MAX = 16,
    SOURCES_MAX = 64,
    RULE_NAME_MAX = 65536    /* bytes of a name that a rule makes: {x}{x} doubles it line by line */
};

typedef struct Capture {
    const char *name;        /* NULL for anonymous ones */
    const char *text;        /* what it matched, [length] bytes of the key */
    uint32_t length;
    bool numeric;            /* {i}, or alternatives that are all digits */
    int64_t number;          /* its value when numeric; else 0 */
} Capture;

typedef struct Captures {
    Capture named[CAPTURES_MAX];
    size_t named_count;
    struct { const char *text; uint32_t length; } stars[STARS_MAX];   /* *, ** in order; text
                                    NULL: a ** that matched nothing together with its dot */
    size_t star_count;
    const char *key;         /* the whole key that matched */
    bool gave_up;            /* no match because the budget was spent, not because none is */
} Captures;

/* What a pattern can capture, whatever the key. */
typedef struct CaptureInfo {
    const char *name;        /* NULL for anonymous ones */
    const char *choices;     /* its alternatives as spelled, without white space: "0-31",
                                "a|b"; NULL for {i} and {x:*} */
    bool numeric;
} CaptureInfo;

typedef struct Pattern Pattern;
typedef struct Template Template;

/* Compiles one side; `text` is rule text of n bytes. Errors say the column. */
Pattern *pattern_compile(Arena *arena, const char *text, size_t n, Error *err);
/* Whether the whole key fits; fills *captures, which borrow from key. */
bool pattern_match(const Pattern *pattern, const char *key, Captures *captures);
/* The same for a key whose length is known. */
bool pattern_fits(const Pattern *pattern, const char *key, size_t n, Captures *captures);
/* The literal bytes every fitting key starts with, for indexing. Never NULL. */
const char *pattern_head(const Pattern *pattern);
/* The only key that fits, when the pattern has no wildcard; else NULL. */
const char *pattern_literal(const Pattern *pattern);
const char *pattern_text(const Pattern *pattern);       /* as written, trimmed */
size_t pattern_stars(const Pattern *pattern);
/* Its captures, in order of first appearance, as in Captures.named. */
const CaptureInfo *pattern_captures(const Pattern *pattern, size_t *count);
/* The names of its captures, in order of first appearance, anonymous ones left out. */
size_t pattern_names(const Pattern *pattern, const char *names[CAPTURES_MAX]);
/* The pattern with every {i} as wide as {i:*}; NULL when it has none. In `arena`. */
const Pattern *pattern_loosen(Arena *arena, const Pattern *pattern);
/* For a "did you mean": how many of the pattern's segments a key shares with it, 0 … 1. */
double pattern_nearness(const Pattern *pattern, const char *key);
/* Appends a key as rule text that fits this key alone: quoted where it must be. */
void pattern_quote(const char *key, Text *out);

/* Evaluates `{expression}` with the captures in scope: a host function, because expressions
 * are Lua. `handle` is what compile returned. The result is appended to `out` as text; the
 * host refuses what is neither a non-negative integer (2.0 counts) nor a string. */
typedef struct ExprHost {
    int (*compile)(void *host, const char *text, size_t n, Error *err);   /* < 0: error */
    bool (*evaluate)(void *host, int handle, const Captures *captures, Text *out, Error *err);
    void *host;
} ExprHost;

/* What a right-hand side can name. */
typedef struct TemplateScope {
    const Pattern *const *sources;   /* the left-hand patterns; anonymous
                                        alternatives are those of the first */
    size_t source_count;
    const char *counter;             /* a number besides: what counts over the parts of an
                                        unstack; NULL = none */
} TemplateScope;

/* Right-hand sides: literals, `{expression}`, `*` and `**` carried over in order. Captures and
 * integer arithmetic over numeric captures (+ - * // %, parentheses, unary minus; Lua's
 * results) need no host and run on any thread; everything else goes to the host. More stars
 * than the left has are an error. */
Template *template_compile(Arena *arena, const char *text, size_t n, const TemplateScope *scope,
                           const ExprHost *host, Error *err);
/* Appends the name, which may come out empty. Errors name the expression and the key, but for
 * more than RULE_NAME_MAX bytes in `out`, which is ERR_LIMIT. */
bool template_expand(const Template *template, const Captures *captures, Text *out, Error *err);
size_t template_stars(const Template *template);
/* Whether the template's text depends on the capture of that name. */
bool template_uses(const Template *template, const char *name);
/* The same for the index-th anonymous capture. */
bool template_uses_anonymous(const Template *template, size_t index);
/* The name that counts where an unstack result is spread over one right-hand name: what is
 * captured nowhere and stands alone in its braces, else the only unknown name in any of them.
 * NULL when there is none, or no telling which. */
const char *template_counter(Arena *arena, const char *text, size_t n,
                             const Pattern *const *sources, size_t source_count);

#endif
