/* The small words of rule text: quotes, braces, Lua's strings and comments. Shared by the
 * files that take rule text apart. Positions run from `at` to `end`, which is never read. */
#ifndef LOADER_ALIGN_RULE_LEX_H
#define LOADER_ALIGN_RULE_LEX_H

#include "loader/core/error.h"
#include "loader/core/text.h"

static inline bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_word_byte(char c);                   /* [A-Za-z0-9_] */
bool is_word(const char *text, const char *end);      /* [A-Za-z_][A-Za-z0-9_]* */
/* Whether a word stands in n bytes of Lua by itself: `json`, not `myjson`. */
bool has_word(const char *text, size_t n, const char *word);
void trim(const char **text, const char **end);
const char *skip_space(const char *at, const char *end);

/* Both return the byte behind the closing one; NULL when it is not closed. */
const char *skip_quoted(const char *at, const char *end);     /* "…" or '…' with escapes */
const char *skip_braced(const char *at, const char *end);     /* {…}, nested, quotes inside */
/* Lua's [[…]], [=[…]=]; `at` when none opens there, NULL when it is not closed. */
const char *skip_long_string(const char *at, const char *end);

/* Appends what the "…" at `at` stands for (a NUL as held names have it); returns the byte
 * behind it, or NULL with an error. */
const char *read_quoted(const char *at, const char *end, Text *out, Error *err);
/* The first `separator` outside quotes, braces and brackets; `end` if none. */
const char *find_separator(const char *at, const char *end, char separator);
bool is_range(const char *text, const char *end);             /* 0-31 */
/* Whether a brace holds anonymous alternatives: a comma outside quotes and brackets, or a
 * range of numbers alone. */
bool is_anonymous(const char *text, const char *end);
/* A copy without the white space outside quotes: how two spellings are compared. */
char *squeeze(Arena *arena, const char *text, const char *end);

#endif
