/* NameTest: what is searched for, or filtered by, in keys.
 *
 *   norm            keys that hold the text; case does not count until a capital is typed
 *   attn.*.weight   with * or {: the pattern language of rules, over whole segments, anywhere in
 *                   the key: blocks.{i}.attn, *.bias
 *   /norm\d\./      behind a slash: a regular expression as in resub; the second slash may be left
 *                   out */
#ifndef VIEWER_NAME_TEST_H
#define VIEWER_NAME_TEST_H

#include "loader/align/pattern.h"
#include "loader/align/regex.h"

typedef struct NameTest {
    char *text;              /* owned: as typed, or between the slashes; NULL: nothing is tested */
    bool exact_case;         /* plain text with a capital letter */
    Arena *arena;            /* owned: of `pattern`; NULL */
    Pattern *pattern;        /* NULL: no glob */
    Regex *regex;            /* owned; NULL: none */
} NameTest;

/* "" and "/" test nothing. False for a pattern or regex that is wrong, or not yet whole; what was
 * made is nothing then. */
bool name_test_init(NameTest *test, const char *text, Error *err);
void name_test_done(NameTest *test);
/* *fits: whether a key fits. False, with the error set: the regex takes too long on it. */
bool name_test_fits(const NameTest *test, const char *name, bool *fits, Error *err);

#endif
