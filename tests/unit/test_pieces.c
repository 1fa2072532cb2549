/* Sources made of pieces, and limits, as every parser meets them. */
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"
#include "loader/core/memory.h"
#include "loader/source/pieces.h"
#include "tests/unit/test.h"

static void test_pieces_read_as_one(void **state)
{
    (void)state;
    ByteSource *a = source_from_memory("0123456789", 10, "a");
    ByteSource *b = source_from_memory("abcdef", 6, "b");
    const SourcePiece pieces[] = {{a, 2, 3}, {b, 6, 0}, {b, 0, 6}, {a, 9, 1}, {a, 0, 1}};
    Error err = {0};
    ByteSource *whole = source_pieces(pieces, countof(pieces), "w", &err);
    assert_non_null(whole);
    source_unref(a);
    source_unref(b);
    assert_int_equal(whole->size, 11);
    static const char expected[] = "234abcdef90";
    for (size_t from = 0; from <= 11; from++)
        for (size_t n = 0; from + n <= 11; n++) {
            char out[12] = {0};
            assert_true(source_read(whole, from, out, n, &err));
            assert_memory_equal(out, expected + from, n);
        }
    char byte;
    assert_false(source_read(whole, 11, &byte, 1, &err));
    source_unref(whole);
}

static void test_pieces_stay_inside_their_sources(void **state)
{
    (void)state;
    ByteSource *a = source_from_memory("0123456789", 10, "a");
    Error err = {0};
    const SourcePiece beyond[] = {{a, 0, 4}, {a, 4, 7}};
    assert_null(source_pieces(beyond, countof(beyond), "w", &err));
    assert_non_null(strstr(err.text, "piece 1, bytes 4 to 11, lies outside of a, which has 10"));
    const SourcePiece wraps[] = {{a, UINT64_MAX, 2}};
    assert_null(source_pieces(wraps, countof(wraps), "w", &err));
    source_unref(a);
}

static void test_limits_are_set_by_name(void **state)
{
    (void)state;
    Error err = {0};
    uint64_t before = limit(LIMIT_DEPTH);
    assert_true(limit_set("depth=2k", &err));
    assert_int_equal(limit(LIMIT_DEPTH), 2000);
    char text[LIMIT_TEXT];
    assert_string_equal(limit_text(LIMIT_DEPTH, text),
                        "more than the limit of 2000 (--limit depth=N allows more)");
    static const char *const wrong[] = {"depth", "depth=", "depth=-1", "depth=2q", "depht=2",
                                        "depth=99999999999999999999", "depth=9999999999999999G"};
    for (size_t i = 0; i < countof(wrong); i++) assert_false(limit_set(wrong[i], &err));
    assert_int_equal(limit(LIMIT_DEPTH), 2000);
    assert_true(limit_set("depth=64", &err));
    assert_int_equal(limit(LIMIT_DEPTH), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_read_as_one),
        cmocka_unit_test(test_pieces_stay_inside_their_sources),
        cmocka_unit_test(test_limits_are_set_by_name),
    };
    return cmocka_run_group_tests_name("pieces", tests, NULL, NULL);
}
