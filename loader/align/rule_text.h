/* Rule text, cut into statements; where they end is said in rule.h. */
#ifndef LOADER_ALIGN_RULE_TEXT_H
#define LOADER_ALIGN_RULE_TEXT_H

#include "loader/core/error.h"
#include "loader/core/text.h"

/* Walks over a text; start with {text, end, first line} . */
typedef struct RuleScanner {
    const char *at, *end;
    int line;                    /* of `at` */
} RuleScanner;

typedef struct RuleStatement {
    int line;                    /* where it begins */
    const char *text;            /* all of it, on one line, comments of the left taken out */
    const char *left;            /* before the arrow, trimmed */
    const char *right;           /* behind it, before |>, trimmed */
    const char *ops;             /* Lua, behind |>; NULL when there is no |> */
    size_t ops_length;
    int ops_line;
} RuleStatement;

/* The next statement; *found is false at the end of the text. Strings lie in the arena, but
 * ops, which point into the text. On an error scanner->line says where. */
bool rule_scan(RuleScanner *scanner, Arena *arena, RuleStatement *out, bool *found, Error *err);

/* Puts "FILE:LINE: " before an error, unless who set it has done so. Always false. */
bool rule_blame(const char *file, int line, Error *err);

#endif
