/* Regex: Python's re.sub for names of tensors, on PCRE2.
 *
 * A pattern is read as Python reads it: what the two spell otherwise (`\Z`, `\v`, `\uXXXX`,
 * `{,n}`, `[[`) is spelled anew, and what only PCRE2 knows behind a backslash or a `(*` is
 * refused. Names are matched as UTF-8; a name that is none is matched byte by byte.
 * Steps, nesting and memory of a match are limited, so no pattern can hold the program. */
#ifndef LOADER_ALIGN_REGEX_H
#define LOADER_ALIGN_REGEX_H

#include "loader/core/error.h"
#include "loader/core/text.h"

enum {
    REGEX_STEPS_MAX = 1000000,   /* of one match in one name */
    REGEX_DEPTH_MAX = 10000,     /* of nested groups that are tried */
    REGEX_HEAP_MAX = 4096        /* kilobytes of one match */
};

typedef struct Regex Regex;

/* Compiles pattern and replacement: `\1`, `\g<1>`, `\g<name>`, `\\`, `\n` and the like, as
 * re.sub takes them; the texts are borrowed. Errors say the place, counted in bytes from 1. */
Regex *regex_new(const char *pattern, const char *replacement, Error *err);
void regex_free(Regex *regex);               /* NULL is fine */
/* Fewer steps a match than REGEX_STEPS_MAX, for who has a key to answer. */
void regex_set_steps(Regex *regex, uint32_t steps);

/* Whether the pattern matches somewhere in a name. Errors as those of regex_replace. */
bool regex_find(Regex *regex, const char *name, bool *found, Error *err);

/* Replaces the first `count` matches of a name (all for 0), from the left. *changed says whether
 * there was one, and then `out` receives the new name, which may be empty or the same. Errors
 * (ERR_LIMIT, or a pattern that cannot look at bytes) do not name the name. */
bool regex_replace(Regex *regex, const char *name, uint64_t count, Text *out, bool *changed,
                   Error *err);

#endif
