/* What every unit test includes: cmocka in the order it wants, and two helpers. */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "loader/core/error.h"

/* The text of an error holds this; the message shows both when it does not. */
#define assert_error_has(err, part)                                                 \
    do {                                                                            \
        if (!strstr((err).text, (part)))                                            \
            fail_msg("error \"%s\" does not hold \"%s\"", (err).text, (part));      \
    } while (0)

/* The text of an error holds one of these, NULL behind the last: for cuts at every byte, which end
 * in different parts of a file. */
static inline void assert_error_has_one(const Error *err, const char *const *parts)
{
    for (; *parts; parts++)
        if (strstr(err->text, *parts)) return;
    fail_msg("error \"%s\" is none of those that were expected", err->text);
}

#endif
