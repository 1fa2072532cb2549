/* The three kinds of text, told apart by how they begin and by their signs. */
#include "viewer/name_test.h"

#include <stdlib.h>
#include <string.h>

/* Of one regex in one name. Twenty thousand names are looked at between two keys: one that takes
 * longer would be felt, and nobody means it. */
enum { SEARCH_STEPS_MAX = 20000 };

/* Case does not count until a capital was typed, as in less and vim. */
static bool has_capital(const char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z') return true;
    return false;
}

/* Whole segments anywhere: what stands in front of them and behind may be any run of segments,
 * which "**." and ".**" say. A pattern that begins or ends with one says so itself. */
static bool compile_glob(NameTest *test, Error *err)
{
    Text whole = {0};
    const char *text = test->text;
    if (!has_prefix(text, "**")) text_add(&whole, "**.");
    text_add(&whole, text);
    if (!has_suffix(text, "**")) text_add(&whole, ".**");
    test->arena = arena_new();
    char *kept = text_keep(&whole, test->arena);
    test->pattern = pattern_compile(test->arena, kept, strlen(kept), err);
    return test->pattern != NULL;
}

/* A slash at the end closes the expression, unless it is escaped. */
static bool compile_regex(NameTest *test, Error *err)
{
    size_t n = strlen(test->text);
    if (n && test->text[n - 1] == '/' && (n < 2 || test->text[n - 2] != '\\'))
        test->text[n - 1] = '\0';
    if (!*test->text) {
        name_test_done(test);
        return true;
    }
    test->regex = regex_new(test->text, "", err);
    if (test->regex) regex_set_steps(test->regex, SEARCH_STEPS_MAX);
    return test->regex != NULL;
}

bool name_test_init(NameTest *test, const char *text, Error *err)
{
    *test = (NameTest){0};
    if (!*text) return true;
    bool ok = true;
    test->text = mem_strdup(text + (*text == '/'));
    if (*text == '/') ok = compile_regex(test, err);
    else if (strpbrk(text, "*{")) ok = compile_glob(test, err);
    else test->exact_case = has_capital(text);
    if (!ok) name_test_done(test);
    return ok;
}

void name_test_done(NameTest *test)
{
    regex_free(test->regex);
    arena_free(test->arena);
    free(test->text);
    *test = (NameTest){0};
}

bool name_test_fits(const NameTest *test, const char *name, bool *fits, Error *err)
{
    if (test->regex) return regex_find(test->regex, name, fits, err);
    Captures captures;
    if (test->pattern) *fits = pattern_match(test->pattern, name, &captures);
    else if (!test->text) *fits = true;
    else if (test->exact_case) *fits = strstr(name, test->text) != NULL;
    else *fits = strcasestr(name, test->text) != NULL;
    return true;
}
