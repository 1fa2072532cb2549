/* For tests of the pickle machine: an arena, and pickles of bytes assembled by hand. */
#ifndef TESTS_UNIT_PICKLE_FIXTURE_H
#define TESTS_UNIT_PICKLE_FIXTURE_H

#include <stdlib.h>

#include "loader/format/pickle.h"
#include "tests/unit/test.h"

/* A string literal as bytes and length, without its closing NUL. */
#define BYTES(literal) (literal), sizeof(literal) - 1

typedef struct Fixture {
    Arena *arena;
    Error err;
    uint64_t used;
} Fixture;

static inline int set_up(void **state)
{
    Fixture *f = mem_alloc(sizeof *f);
    f->arena = arena_new();
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    Fixture *f = *state;
    arena_free(f->arena);
    free(f);
    return 0;
}

static inline Object *parse(Fixture *f, const void *bytes, size_t n)
{
    ByteSource *source = source_from_memory(bytes, n, "x.pkl");
    Object *object = pickle_read(f->arena, source, 0, &f->used, &f->err);
    source_unref(source);
    return object;
}

static inline void refuses(Fixture *f, const void *bytes, size_t n, ErrorCode code,
                           const char *part)
{
    f->err = (Error){0};
    assert_null(parse(f, bytes, n));
    assert_int_equal(f->err.code, code);
    assert_error_has(f->err, "x.pkl: ");
    assert_error_has(f->err, part);
}

#endif
