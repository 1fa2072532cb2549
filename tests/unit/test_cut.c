/* Cuts: ranks whose shapes are made by hand, and what follows from them. */
#include "tests/unit/test.h"

#include <stdlib.h>

#include "loader/tensor/cut.h"

enum { RANKS = 2 };

/* Tensors of several ranks. */
typedef struct Ranks {
    StateDict *dicts[RANKS];
    Arena *arena;
} Ranks;

static int setup(void **state)
{
    Ranks *ranks = mem_alloc(sizeof *ranks);
    for (size_t i = 0; i < RANKS; i++) ranks->dicts[i] = dict_new();
    ranks->arena = arena_new();
    *state = ranks;
    return 0;
}

static int teardown(void **state)
{
    Ranks *ranks = *state;
    for (size_t i = 0; i < RANKS; i++) dict_unref(ranks->dicts[i]);
    arena_free(ranks->arena);
    free(ranks);
    return 0;
}

/* A tensor of one rank; sizes below 0 are none. */
static void add(Ranks *ranks, size_t i, const char *name, int64_t a, int64_t b)
{
    const int64_t dims[] = {a, b};
    const Tensor tensor = {.name = name, .dtype = DT_F32, .rank = (uint8_t)((a >= 0) + (b >= 0)),
                           .dims = arena_copy(dict_arena(ranks->dicts[i]), dims, sizeof dims)};
    assert_true(dict_add(ranks->dicts[i], &tensor));
}

static void add_all(Ranks *ranks, const char *name, int64_t a, int64_t b)
{
    for (size_t i = 0; i < RANKS; i++) add(ranks, i, name, a, b);
}

static Cut *find(Ranks *ranks, size_t want, int64_t width)
{
    Cut *cuts;
    int64_t found;
    size_t n = cut_find(ranks->arena, (const StateDict *const *)ranks->dicts, RANKS, &cuts, &found);
    assert_int_equal(n, want);
    assert_int_equal(found, width);
    return cuts;
}

/* Norms have the width; a matrix keeps it along the dim that was not cut, or has it once joined. */
static void test_equal_shapes_go_by_the_width(void **state)
{
    static const struct { const char *name; int64_t a, b; CutKind kind; unsigned dim; int64_t whole; }
        rows[] = {
            {"norm", 8, -1, CUT_WHOLE, 0, 0},   {"norm2", 8, -1, CUT_WHOLE, 0, 0},
            {"freqs", 2, -1, CUT_UNKNOWN, 0, 0}, {"wq", 4, 8, CUT_DIM, 0, 8},
            {"wo", 8, 4, CUT_DIM, 1, 8},        {"w1", 6, 8, CUT_DIM, 0, 12},
            {"embed", 10, 4, CUT_DIM, 1, 8},    {"square", 8, 8, CUT_UNKNOWN, 0, 0},
            {"other", 5, 7, CUT_UNKNOWN, 0, 0}, {"scalar", -1, -1, CUT_UNKNOWN, 0, 0},
        };
    for (size_t i = 0; i < countof(rows); i++) add_all(*state, rows[i].name, rows[i].a, rows[i].b);
    const Cut *cuts = find(*state, countof(rows), 8);
    for (size_t i = 0; i < countof(rows); i++) {
        assert_string_equal(cuts[i].first->name, rows[i].name);
        assert_int_equal(cuts[i].kind, rows[i].kind);
        assert_false(cuts[i].sure);
        if (rows[i].kind != CUT_DIM) continue;
        assert_int_equal(cuts[i].dim, rows[i].dim);
        assert_int_equal(cuts[i].whole, rows[i].whole);
    }
}

static void test_shapes_that_differ_say_it(void **state)
{
    add(*state, 0, "words", 6, 8);
    add(*state, 1, "words", 5, 8);
    add(*state, 0, "nothing", 6, 8);
    add(*state, 1, "nothing", 5, 7);
    add(*state, 0, "huge", INT64_MAX, 8);
    add(*state, 1, "huge", 1, 8);
    add(*state, 0, "alone", 3, 3);
    add(*state, 0, "ranks", 3, -1);
    add(*state, 1, "ranks", 3, 1);
    const Cut *cuts = find(*state, 2, 0);
    assert_int_equal(cuts[0].kind, CUT_DIM);
    assert_true(cuts[0].sure);
    assert_int_equal(cuts[0].whole, 11);
    assert_int_equal(cuts[1].kind, CUT_NEVER);
}

/* Products that 63 bits cannot hold are no sizes. */
static void test_sizes_that_overflow(void **state)
{
    add_all(*state, "norm", INT64_MAX, -1);
    add_all(*state, "w", INT64_MAX, 3);
    add_all(*state, "v", 3, INT64_MAX);
    const Cut *cuts = find(*state, 3, INT64_MAX);
    assert_int_equal(cuts[1].kind, CUT_DIM);     /* along the dim of 3 */
    assert_int_equal(cuts[1].whole, 6);
    assert_int_equal(cuts[2].whole, 6);
}

static void test_unknown_shapes_are_passed_over(void **state)
{
    Ranks *ranks = *state;
    for (size_t i = 0; i < RANKS; i++)
        dict_add(ranks->dicts[i], &(Tensor){.name = "w", .dtype = DT_F32});
    find(*state, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_equal_shapes_go_by_the_width, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shapes_that_differ_say_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes_that_overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_shapes_are_passed_over, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
