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

#endif
