/* For tests of rule text: an arena for each program, and patterns compiled in it. */
#ifndef TESTS_UNIT_PATTERN_MAKER_H
#define TESTS_UNIT_PATTERN_MAKER_H

#include "tests/unit/test.h"

#include "loader/align/pattern.h"

static Arena *arena;

static inline int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static inline Pattern *compile(const char *text)
{
    Error err = {0};
    Pattern *pattern = pattern_compile(arena, text, strlen(text), &err);
    if (!pattern) fail_msg("%s: %s", text, err.text);
    return pattern;
}

#endif
