/* JSON in and out: events in pieces, surrogates, limits, Values, and the writer's layout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loader/core/json.h"

/* -- Events as text: what a document says, one word an event ---------------------------- */

static bool say_null(void *context)
{
    text_add(context, "null ");
    return true;
}

static bool say_boolean(void *context, bool value)
{
    text_add(context, value ? "true " : "false ");
    return true;
}

static bool say_number(void *context, const char *text, size_t n)
{
    text_addf(context, "#%.*s ", (int)n, text);
    return true;
}

static bool say_string(void *context, const char *text, size_t n)
{
    text_addf(context, "'%.*s' ", (int)n, text);
    return true;
}

static bool say_key(void *context, const char *text, size_t n)
{
    text_addf(context, "%.*s: ", (int)n, text);
    return n != 4 || memcmp(text, "stop", 4) != 0;
}

static bool say_start_map(void *context)
{
    text_add(context, "{ ");
    return true;
}

static bool say_end_map(void *context)
{
    text_add(context, "} ");
    return true;
}

static bool say_start_list(void *context)
{
    text_add(context, "[ ");
    return true;
}

static bool say_end_list(void *context)
{
    text_add(context, "] ");
    return true;
}

static const JsonEvents say = {say_null, say_boolean, say_number,     say_string,  say_start_map,
                               say_key,  say_end_map, say_start_list, say_end_list};

/* Feeds `bytes` in two pieces, cut at `cut`. */
static bool read_cut(const char *bytes, size_t n, size_t cut, Text *said, Error *err)
{
    JsonReader *reader = json_reader_new(&say, said, "doc");
    bool fine = json_reader_feed(reader, bytes, cut, err) &&
                json_reader_feed(reader, bytes + cut, n - cut, err) &&
                json_reader_finish(reader, err);
    json_reader_free(reader);
    return fine;
}

/* The same events, whatever place the document is cut at. */
static void expect_events_n(const char *bytes, size_t n, const char *events)
{
    for (size_t cut = 0; cut <= n; cut++) {
        Text said = {0};
        Error err = {0};
        if (!read_cut(bytes, n, cut, &said, &err)) fail_msg("cut %zu: %s", cut, err.text);
        assert_string_equal(text_string(&said), events);
        text_done(&said);
    }
}

static void expect_events(const char *document, const char *events)
{
    expect_events_n(document, strlen(document), events);
}

/* The same refusal, whatever place the document is cut at. */
static void expect_refusal(const char *document, ErrorCode code, const char *words)
{
    size_t n = strlen(document);
    for (size_t cut = 0; cut <= n; cut++) {
        Text said = {0};
        Error err = {0};
        assert_false(read_cut(document, n, cut, &said, &err));
        text_done(&said);
        assert_int_equal(err.code, code);
        if (!strstr(err.text, words)) fail_msg("cut %zu: %s", cut, err.text);
        assert_true(has_prefix(err.text, "doc: "));
    }
}

static void test_events_in_order(void **state)
{
    (void)state;
    expect_events(" {\"a\": [1, -2.5e3, true, null], \"b\": {\"c\": \"x\"}, \"d\": []} \n",
                  "{ a: [ #1 #-2.5e3 true null ] b: { c: 'x' } d: [ ] } ");
    expect_events("123456789012345678901234567890", "#123456789012345678901234567890 ");
}

static void test_escapes(void **state)
{
    (void)state;
    expect_events("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "'\"\\/\b\f\n\r\t' ");
    expect_events("\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"",
                  "'A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80' ");
    expect_events("\"\\\\u0041\"", "'\\u0041' ");
    expect_events("\"\\\\\\u0041\\\\\"", "'\\A\\' ");
    expect_events("{\"\\u006bey\": 1}", "{ key: #1 } ");
    expect_events("\"h\xC3\xA9 \xF0\x9F\x98\x80\"", "'h\xC3\xA9 \xF0\x9F\x98\x80' ");
}

static void test_nul_is_held(void **state)
{
    (void)state;
    expect_events("\"a\\u0000b\"", "'a\xC0\x80"
                                   "b' ");
}

static void test_lone_surrogates(void **state)
{
    (void)state;
    expect_events("\"\\ud800\"", "'\xED\xA0\x80' ");
    expect_events("\"\\ud800x\"", "'\xED\xA0\x80x' ");
    expect_events("\"\\ud800\\n\"", "'\xED\xA0\x80\n' ");
    expect_events("\"\\ud800\\u0041\"", "'\xED\xA0\x80"
                                        "A' ");
    expect_events("\"\\ud800\\ud800\\udc00\"", "'\xED\xA0\x80\xF0\x90\x80\x80' ");
    expect_events("\"\\udbff\\udfff\"", "'\xF4\x8F\xBF\xBF' ");
    expect_events("\"\\udc41\"", "'\xED\xB1\x81' ");
    expect_events("\"\\udfff\"", "'\xED\xBF\xBF' ");
}

static void test_surrogate_escapes_are_bytes(void **state)
{
    (void)state;
    expect_events("\"w\\udce9ight\"", "'w\xE9ight' ");
    expect_events("\"\\udc80\\uDCFF\"", "'\x80\xFF' ");
}

static void test_bad_escapes(void **state)
{
    (void)state;
    expect_refusal("\"\\u12\"", ERR_FORMAT, "four hex digits");
    expect_refusal("\"\\u12g4\"", ERR_FORMAT, "four hex digits");
    expect_refusal("\"\\ud800\\u\"", ERR_FORMAT, "four hex digits");
    expect_refusal("\"\\x41\"", ERR_FORMAT, "malformed JSON");
    expect_refusal("\"\\", ERR_FORMAT, "malformed JSON");
    expect_refusal("\\u0041", ERR_FORMAT, "malformed JSON");
}

static void test_raw_bytes_must_be_utf8(void **state)
{
    (void)state;
    expect_refusal("[\"ab\xFF\"]", ERR_FORMAT, "no UTF-8 text (byte 4)");
    expect_refusal("[\"\xC0\x80\"]", ERR_FORMAT, "(byte 2)");
    expect_refusal("[\"\xED\xA0\x80\"]", ERR_FORMAT, "(byte 3)");
    expect_refusal("[\"\xE0\x80\x80\"]", ERR_FORMAT, "(byte 3)");
    expect_refusal("[\"\xF4\x90\x80\x80\"]", ERR_FORMAT, "(byte 3)");
    expect_refusal("[\"\xF5\x80\x80\x80\"]", ERR_FORMAT, "(byte 2)");
    expect_refusal("[\"\xC3\"]", ERR_FORMAT, "(byte 3)");
    expect_refusal("[\"12345678901234567890\xE9 \"]", ERR_FORMAT, "(byte 23)");
    expect_refusal("[\"\\n\xE9 \"]", ERR_FORMAT, "(byte 5)");
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const documents[] = {
        "",     "{",     "[1,]",       "{\"a\":1,}", "[1 2]", "{1:2}",   "nul",
        "[01]", "[1.]",  "[\"a\nb\"]", "NaN",        "[1]x",  "[1] [2]", "'a'",
        "[1}",  "\"abc", "{\"a\"",     "/* c */1",   "-",     "[1]]"};
    for (size_t i = 0; i < countof(documents); i++)
        expect_refusal(documents[i], ERR_FORMAT, "malformed JSON");
    expect_refusal("{\"a\": tru}", ERR_FORMAT, "'tru' is none of true, false and null (byte 6)");
}

static void test_depth_limit(void **state)
{
    (void)state;
    char deep[2 * JSON_DEPTH + 3], shallow[2 * JSON_DEPTH + 1];
    memset(shallow, '[', JSON_DEPTH);
    memset(shallow + JSON_DEPTH, ']', JSON_DEPTH);
    shallow[2 * JSON_DEPTH] = '\0';
    memset(deep, '[', JSON_DEPTH + 1);
    memset(deep + JSON_DEPTH + 1, ']', JSON_DEPTH + 1);
    deep[2 * JSON_DEPTH + 2] = '\0';
    Text said = {0};
    Error err = {0};
    assert_true(read_cut(shallow, strlen(shallow), 0, &said, &err));
    assert_false(read_cut(deep, strlen(deep), 0, &said, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, "deeper than 128 (byte 129)"));
    text_done(&said);
}

static void test_handler_stops(void **state)
{
    (void)state;
    Text said = {0};
    Error err = {ERR_SHAPE, "mine"};
    const char *document = "{\"a\": 1, \"stop\": 2}";
    assert_false(read_cut(document, strlen(document), 0, &said, &err));
    assert_string_equal(text_string(&said), "{ a: #1 stop: ");
    assert_int_equal(err.code, ERR_SHAPE);
    assert_string_equal(err.text, "mine");
    text_done(&said);
}

static void test_handlers_may_be_absent(void **state)
{
    (void)state;
    static const JsonEvents none = {0};
    Error err = {0};
    JsonReader *reader = json_reader_new(&none, NULL, "doc");
    const char *document = "{\"a\": [1, \"x\", null, true]}";
    assert_true(json_reader_feed(reader, document, strlen(document), &err));
    assert_true(json_reader_finish(reader, &err));
    assert_int_equal(json_reader_position(reader), strlen(document));
    json_reader_free(reader);
}

/* -- Values ----------------------------------------------------------------------------- */

static Value *parse(Arena *arena, const char *document, size_t limit, Error *err)
{
    return json_parse(arena, document, strlen(document), "doc", limit, err);
}

static void test_values(void **state)
{
    (void)state;
    Error err = {0};
    Arena *arena = arena_new();
    const Value *root =
        parse(arena,
              "{\"n\": null, \"t\": true, \"i\": -7, \"f\": 1.0, \"s\": \"\\u0000x\","
              "\"l\": [1, [2]], \"m\": {\"k\": \"v\"}, \"big\": 9223372036854775808,"
              "\"max\": 9223372036854775807, \"e\": 1e2}",
              100, &err);
    assert_non_null(root);
    assert_int_equal(value_get(root, "n")->kind, VALUE_NULL);
    assert_true(value_get(root, "t")->boolean);
    assert_int_equal(value_get_int(root, "i", 0), -7);
    assert_int_equal(value_get(root, "f")->kind, VALUE_FLOAT);
    assert_string_equal(value_get_string(root, "s", ""), "\xC0\x80x");
    assert_int_equal(value_get(root, "l")->list.items[1].value->list.items[0].value->integer, 2);
    assert_string_equal(value_get_string(value_get(root, "m"), "k", ""), "v");
    assert_int_equal(value_get(root, "big")->kind, VALUE_FLOAT);
    assert_true(value_get_int(root, "max", 0) == INT64_MAX);
    assert_true(value_get(root, "e")->number == 100.0);
    arena_free(arena);
}

static void test_duplicate_keys(void **state)
{
    (void)state;
    Error err = {0};
    Arena *arena = arena_new();
    assert_null(parse(arena, "{\"a\": 1, \"b\": {\"a\": 2}, \"a\": 3}", 100, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.text, "'a' stands twice (byte 27)"));
    Text long_map = {0};
    text_add(&long_map, "{");
    for (int i = 0; i < 1000; i++) text_addf(&long_map, "\"key.%d\": %d, ", i, i);
    size_t before = long_map.length;
    text_add(&long_map, "\"last\": 0}");
    const Value *root = parse(arena, text_string(&long_map), 2000, &err);
    assert_non_null(root);
    assert_int_equal(root->list.count, 1001);
    assert_int_equal(value_get_int(root, "key.999", 0), 999);
    long_map.length = before;
    text_add(&long_map, "\"key.500\": 0}");
    assert_null(parse(arena, text_string(&long_map), 2000, &err));
    assert_non_null(strstr(err.text, "'key.500' stands twice"));
    text_done(&long_map);
    arena_free(arena);
}

static void test_value_limit(void **state)
{
    (void)state;
    Error err = {0};
    Arena *arena = arena_new();
    assert_non_null(parse(arena, "[1,2,3]", 4, &err));
    assert_null(parse(arena, "[1,2,3,4]", 4, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, "more than 4 JSON values"));
    arena_free(arena);
}

/* -- The writer ------------------------------------------------------------------------- */

static void write_sample(JsonWriter *writer)
{
    json_map(writer);
    json_key(writer, "a");
    json_int(writer, -1);
    json_key(writer, "empty");
    json_map(writer);
    json_end(writer);
    json_key(writer, "l");
    json_list(writer);
    json_bool(writer, true);
    json_null(writer);
    json_list(writer);
    json_end(writer);
    json_end(writer);
    json_key(writer, "s");
    json_string(writer, "x");
    json_key(writer, "u");
    json_uint(writer, UINT64_MAX);
    json_key(writer, "shape");
    json_shape(writer, (const int64_t[]){2, 3}, 2);
    json_key(writer, "scalar");
    json_shape(writer, (const int64_t[]){0}, 0);
    json_key(writer, "unknown");
    json_shape(writer, NULL, 0);
    json_end(writer);
}

static void expect_written(bool pretty, void (*write)(JsonWriter *), const char *expected)
{
    Text out = {0};
    JsonWriter *writer = json_writer_new(&out, pretty);
    write(writer);
    json_writer_free(writer);
    assert_string_equal(text_string(&out), expected);
    text_done(&out);
}

static void test_writer_compact(void **state)
{
    (void)state;
    expect_written(false, write_sample,
                   "{\"a\":-1,\"empty\":{},\"l\":[true,null,[]],\"s\":\"x\","
                   "\"u\":18446744073709551615,\"shape\":[2,3],\"scalar\":[],\"unknown\":null}");
}

/* As json.dumps(…, indent=2) prints the same object. */
static void test_writer_pretty(void **state)
{
    (void)state;
    expect_written(
        true, write_sample,
        "{\n  \"a\": -1,\n  \"empty\": {},\n  \"l\": [\n    true,\n    null,\n    []\n  ],\n"
        "  \"s\": \"x\",\n  \"u\": 18446744073709551615,\n  \"shape\": [\n    2,\n    3\n"
        "  ],\n  \"scalar\": [],\n  \"unknown\": null\n}");
}

static void test_floats(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {1.0, "1.0"},
        {-0.0, "-0.0"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e300, "1e+300"},
        {1.0 / 3, "0.3333333333333333"},
        {123456789.0, "123456789.0"},
        {(double)(1ll << 53), "9007199254740992.0"},
        {2.0 / 3, "0.6666666666666666"},
        {__builtin_inf(), "Infinity"},
        {-__builtin_inf(), "-Infinity"},
        {__builtin_nan(""), "NaN"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Text out = {0};
        JsonWriter *writer = json_writer_new(&out, false);
        json_float(writer, cases[i].value);
        json_writer_free(writer);
        assert_string_equal(text_string(&out), cases[i].text);
        text_done(&out);
    }
}

static void test_escape(void **state)
{
    (void)state;
    Text out = {0};
    json_escape("\"\\/\b\f\n\r\t\x01\x1f\x7f \xC3\xA9 \xC0\x80 \xED\xA0\x80 \xE9 \xF0\x9F\x98\x80",
                &out);
    assert_string_equal(text_string(&out),
                        "\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f \xC3\xA9 \\u0000 "
                        "\\ud800 \\udce9 \xF0\x9F\x98\x80");
    text_done(&out);
}

static void expect_escaped_at(size_t n, size_t at, char odd, const char *escaped)
{
    char name[41] = "";
    memset(name, 'a', n);
    name[at] = odd;
    Text out = {0}, expected = {0};
    text_addf(&expected, "\"%.*s%s%s\"", (int)at, name, escaped, name + at + 1);
    JsonWriter *writer = json_writer_new(&out, false);
    json_string(writer, name);
    json_writer_free(writer);
    assert_string_equal(text_string(&out), text_string(&expected));
    text_done(&out);
    text_done(&expected);
}

/* What needs an escape is found at any place of a text of any length. */
static void test_escape_anywhere(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 40; n++)
        for (size_t at = 0; at < n; at++) {
            expect_escaped_at(n, at, '"', "\\\"");
            expect_escaped_at(n, at, '\\', "\\\\");
            expect_escaped_at(n, at, '\n', "\\n");
            expect_escaped_at(n, at, '\x1f', "\\u001f");
            expect_escaped_at(n, at, '\xE9', "\\udce9");
            expect_escaped_at(n, at, '\x7f', "\x7f");
        }
}

static void test_values_round_trip(void **state)
{
    (void)state;
    static const char document[] =
        "{\"a\":[1,2.5,\"x\\udce9\\u0000\\ud800\",null,[],{}],\"b\":{\"c\":"
        "[[1],[true,false]]},\"d\":-9223372036854775808}";
    Error err = {0};
    Arena *arena = arena_new();
    const Value *root = parse(arena, document, 100, &err);
    assert_non_null(root);
    Text out = {0};
    JsonWriter *writer = json_writer_new(&out, false);
    json_value(writer, root);
    json_writer_free(writer);
    assert_string_equal(text_string(&out), document);
    text_done(&out);
    arena_free(arena);
}

static void test_deep_values_are_written(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    Value *root = value_list(arena), *inner = root;
    enum { DEEP = 200000 };
    for (int i = 1; i < DEEP; i++) {
        Value *next = value_list(arena);
        value_push(arena, inner, next);
        inner = next;
    }
    Text out = {0};
    JsonWriter *writer = json_writer_new(&out, false);
    json_value(writer, root);
    json_writer_free(writer);
    assert_int_equal(out.length, 2 * DEEP);
    text_done(&out);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_in_order),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_nul_is_held),
        cmocka_unit_test(test_lone_surrogates),
        cmocka_unit_test(test_surrogate_escapes_are_bytes),
        cmocka_unit_test(test_bad_escapes),
        cmocka_unit_test(test_raw_bytes_must_be_utf8),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_depth_limit),
        cmocka_unit_test(test_handler_stops),
        cmocka_unit_test(test_handlers_may_be_absent),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_duplicate_keys),
        cmocka_unit_test(test_value_limit),
        cmocka_unit_test(test_writer_compact),
        cmocka_unit_test(test_writer_pretty),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_escape_anywhere),
        cmocka_unit_test(test_values_round_trip),
        cmocka_unit_test(test_deep_values_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
