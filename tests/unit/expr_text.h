/* Expressions in tests, as JSON says them. */
#ifndef TESTS_UNIT_EXPR_TEXT_H
#define TESTS_UNIT_EXPR_TEXT_H

#include "loader/align/expr.h"
#include "loader/core/json.h"

static inline void check_json(const Expr *e, const char *expected)
{
    Text text = {0};
    assert_non_null(e);
    JsonWriter *writer = json_writer_new(&text, false);
    expr_write_json(e, writer);
    json_writer_free(writer);
    assert_string_equal(text_string(&text), expected);
    text_done(&text);
}

#endif
