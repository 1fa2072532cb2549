/* Marked pairs as lines of rule text, with the op that their shapes ask for. */
#include "tests/unit/test.h"

#include <stdlib.h>

#include "loader/align/mark_line.h"

enum { MOST = 4 };

/* "k 2 3, l 4": names and sizes; "k ?" has no known shape. */
static size_t read_side(Arena *arena, const char *text, AutoTensor *out)
{
    size_t count = 0;
    for (; *text; text += *text == ',') {
        size_t n = strcspn(text, ",");
        char *part = arena_strndup(arena, text, n), *save;
        int64_t *dims = arena_alloc(arena, 8 * sizeof *dims);
        AutoTensor *tensor = &out[count++];
        *tensor = (AutoTensor){.name = strtok_r(part, " ", &save), .dims = dims};
        for (char *word; (word = strtok_r(NULL, " ", &save));) {
            if (*word == '?') tensor->dims = NULL;
            else dims[tensor->rank++] = strtoll(word, NULL, 10);
        }
        text += n;
    }
    return count;
}

static void the_shapes_say_the_op(void **state)
{
    (void)state;
    static const struct { const char *from, *to, *line; bool sure; } rows[] = {
        {"a 2 3", "b 2 3", "rules [[ a -> b ]]", true},
        {"a ?", "b 2 3", "rules [[ a -> b ]]", true},
        {"a", "b", "rules [[ a -> b ]]", true},
        {"a 2 3", "b 3 2", "rules [[ a -> b |> T ]]", true},
        {"a 3 4 5 6", "b 6 5 3 4", "rules [[ a -> b |> permute(3, 2, 0, 1) ]]", true},
        {"a 3 3 5 6", "b 6 5 3 3", "rules [[ a -> b |> ", false},
        {"a 8 4 1 1", "b 8 4", "rules [[ a -> b |> reshape(8, 4) ]]", true},
        {"a 1 8 1", "b 8", "rules [[ a -> b |> reshape(8) ]]", true},
        {"a 2 3", "b 2 4", "rules [[ a -> b |> ", false},
        {"a 6 2", "q 2 2,k 2 2,v 2 2", "rules [[ a -> q, k, v |> split(3) ]]", true},
        {"a 2 6", "q 2 3,k 2 3", "rules [[ a -> q, k |> split(2, 1) ]]", true},
        {"a 6 2", "q 4 2,k 2 2", "rules [[ a -> q, k |> split() ]]", true},
        {"a 2 6", "q 2 4,k 2 2", "rules [[ a -> q, k |> split({4, 2}, 1) ]]", true},
        {"a 2 5 7", "q 5 7,k 5 7", "rules [[ a -> q, k |> unstack(0) ]]", true},
        {"a 5 2", "q 5,k 5", "rules [[ a -> q, k |> unstack(1) ]]", true},
        {"a 6 2", "q 4 2,k 4 2", "rules [[ a -> q, k |> split(2, ", false},
        {"a ?", "q 4,k 4", "rules [[ a -> q, k |> split(2, ", false},
        {"q 2 2,k 2 2", "a 4 2", "rules [[ q, k -> a |> cat(0) ]]", true},
        {"q 2 2,k 2 3", "a 2 5", "rules [[ q, k -> a |> cat(1) ]]", true},
        {"q 5,k 5", "a 2 5", "rules [[ q, k -> a |> stack(0) ]]", true},
        {"q 5,k 6", "a 2 5", "rules [[ q, k -> a |> cat(", false},
        {"a-{x} 2", "b;c 2", "rules [[ \"a-{x}\" -> \"b;c\" ]]", true},
        {"a]] 2", "b 2", "rules [=[ a]] -> b ]=]", true},
    };
    Arena *arena = arena_new();
    for (size_t i = 0; i < countof(rows); i++) {
        AutoTensor from[MOST], to[MOST];
        MarkLine line;
        Error err = {0};
        size_t n = read_side(arena, rows[i].from, from), m = read_side(arena, rows[i].to, to);
        if (!mark_line(arena, from, n, to, m, &line, &err)) fail_msg("%s", err.text);
        assert_string_equal(line.line, rows[i].line);
        assert_int_equal(line.sure, rows[i].sure);
    }
    arena_free(arena);
}

static void one_side_stands_alone(void **state)
{
    (void)state;
    AutoTensor two[] = {{.name = "a"}, {.name = "b"}};
    MarkLine line;
    Error err = {0};
    Arena *arena = arena_new();
    assert_false(mark_line(arena, two, 2, two, 2, &line, &err));
    assert_error_has(err, "several are marked on both sides");
    assert_false(mark_line(arena, two, 1, two, 0, &line, &err));
    assert_error_has(err, "nothing is marked on the other side");
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shapes_say_the_op),
        cmocka_unit_test(one_side_stands_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
