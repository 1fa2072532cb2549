/* Rule: one line of rule text, compiled; RuleBlock: a `rules` or `sub` text.
 *
 *   SRC[, SRC…] -> [DST[, DST…]] [|> op, op…]       (tenon-rules(5))
 *
 * Statements end at `;` or a newline outside brackets, quotes and `function … end`; a line
 * that ends in `,` or `|>` goes on, and so does one whose next line begins with `|>`. */
#ifndef LOADER_ALIGN_RULE_H
#define LOADER_ALIGN_RULE_H

#include "loader/align/op.h"
#include "loader/align/pattern.h"

/* Where a statement stands: shown as "fix.lua:12". */
typedef struct Origin {
    const char *file;        /* chunk name: a file, "-e", ":3" for a line of the viewer */
    int line;                /* from 1 */
} Origin;

typedef struct RuleSource {
    const Pattern *pattern;
    bool keep;               /* `&src`: used without consuming the key */
} RuleSource;

typedef struct Rule {
    Origin origin;
    const char *text;        /* as written, trimmed */
    const RuleSource *sources;
    size_t source_count;     /* 0: fill what is missing */
    const Template *const *targets;
    size_t target_count;     /* 0: drop */
    const char *counter;     /* the name that counts over the parts of an unstack (or split)
                                spread over one right-hand name; NULL = none */
    const Pattern *const *fills;   /* without sources: [target_count] over target keys, in
                                      place of targets; NULL otherwise */
    const Op *ops;
    size_t op_count;
} Rule;

typedef struct RuleBlock {
    const Rule *rules;
    size_t count;
} RuleBlock;

/* One line of a `sub` block: whole runs of segments, each line over every key, in order. */
typedef struct SubRule {
    Origin origin;
    const char *text;
    const Pattern *pattern;
    const Template *replacement;   /* NULL: nothing stands right of -> */
    bool loose_head, loose_tail;   /* `~` at that edge: may start or end inside a segment */
} SubRule;

typedef struct SubBlock {
    const SubRule *rules;
    size_t count;
} SubBlock;

/* What rule text needs of the scripting floor. */
typedef struct RuleHost {
    ExprHost expressions;
    /* Compiles the Lua list right of `|>` into ops in the arena. */
    bool (*compile_ops)(void *host, Arena *arena, const char *text, size_t n, int line,
                        const Op **ops, size_t *count, Error *err);
    void *host;
} RuleHost;

/* One rule from its parts, for `rule(src, dst, op…)`: each source (with its `&`) and target is
 * the text of one pattern; what they point to is copied. `text` is what reports show; NULL =
 * made from the parts. Errors do not carry the origin. */
bool rule_compile(Arena *arena, Origin origin, const char *text, const char *const *sources,
                  size_t source_count, const char *const *targets, size_t target_count,
                  const Op *ops, size_t op_count, const ExprHost *host, Rule *out, Error *err);

/* Parses a text whose first line has the given origin. Errors begin with "FILE:LINE: ". */
bool rules_parse(Arena *arena, const char *text, size_t n, Origin origin, const RuleHost *host,
                 RuleBlock *out, Error *err);
bool sub_parse(Arena *arena, const char *text, size_t n, Origin origin, const RuleHost *host,
               SubBlock *out, Error *err);
/* All places of `key` where the line fits are replaced, left to right, and never the result
 * again; *changed says whether there was one, and then `out` receives the new name, which may
 * be empty. Without a replacement the run goes, with one border where it was whole segments.
 * False with an error when an expression fails. */
bool sub_apply(const SubRule *rule, const char *key, Text *out, bool *changed, Error *err);

#endif
