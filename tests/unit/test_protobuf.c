/* The protobuf reader and the numbers of repeated fields: right readings, and every way in which
 * the wire format can be broken. */
#include "proto_maker.h"

#include "loader/format/proto_values.h"

/* A reader over bytes; `file` is emptied. */
static ByteSource *start(Text *file, ProtoReader *reader, Error *err)
{
    ByteSource *source = source_from_memory(text_string(file), file->length, "x.pb");
    *err = (Error){0};
    proto_init(reader, source, err);
    text_done(file);
    return source;
}

static void end(ProtoReader *reader, ByteSource *source)
{
    proto_done(reader);
    source_unref(source);
}

/* The first field must be refused. */
static void refuse(const char *bytes, size_t n, const char *words)
{
    Text file = {0};
    ProtoReader reader;
    Error err;
    text_addn(&file, bytes, n);
    ByteSource *source = start(&file, &reader, &err);
    ProtoSpan span = proto_whole(&reader);
    ProtoField field;
    assert_false(proto_next(&reader, &span, &field));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_error_has(err, words);
    assert_error_has(err, "x.pb: ");
    end(&reader, source);
}

static void test_every_type_of_field(void **state)
{
    (void)state;
    Text file = {0};
    put_number(&file, 1, 300);
    put_number(&file, 536870911, UINT64_MAX);
    put_tag(&file, 2, 1);
    text_addn(&file, "\1\0\0\0\0\0\0\x80", 8);
    put_text(&file, 3, "abc");
    put_float(&file, 4, 1.0f);
    ProtoReader reader;
    Error err;
    ByteSource *source = start(&file, &reader, &err);
    ProtoSpan span = proto_whole(&reader);
    ProtoField field;
    assert_true(proto_next(&reader, &span, &field));
    assert_true(proto_is(&field, 1, PROTO_VARINT));
    assert_int_equal(field.value, 300);
    assert_true(proto_next(&reader, &span, &field));
    assert_int_equal(field.number, 536870911);
    assert_true(field.value == UINT64_MAX);
    assert_true(proto_next(&reader, &span, &field));
    assert_true(proto_is(&field, 2, PROTO_FIXED64));
    assert_true(field.value == 0x8000000000000001u);
    assert_true(proto_next(&reader, &span, &field));
    assert_true(proto_is(&field, 3, PROTO_BYTES));
    assert_int_equal(field.bytes.end - field.bytes.at, 3);
    Arena *arena = arena_new();
    assert_string_equal(proto_text(&reader, &field, 3, arena), "abc");
    assert_null(proto_text(&reader, &field, 2, arena));
    assert_int_equal(err.code, ERR_LIMIT);
    char word[4];
    assert_true(proto_word(&reader, &field, word, sizeof word));
    assert_string_equal(word, "abc");
    assert_true(proto_word(&reader, &field, word, 3));
    assert_string_equal(word, "");
    arena_free(arena);
    assert_true(proto_next(&reader, &span, &field));
    assert_true(proto_is(&field, 4, PROTO_FIXED32));
    assert_int_equal(field.value, 0x3F800000);
    assert_int_equal(span.at, span.end);
    end(&reader, source);
}

static void test_numbers_that_are_cut_or_too_long(void **state)
{
    (void)state;
    refuse("\x80", 1, "is cut off by the end of its message (byte 0)");
    refuse("\x08", 1, "is cut off by the end of its message (byte 1)");
    refuse("\x08\x80\x80", 3, "is cut off by the end of its message (byte 1)");
    refuse("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11, "longer than 64 bits (byte 1)");
    refuse("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12, "longer than 64 bits (byte 1)");
}

static void test_lengths_beyond_the_message(void **state)
{
    (void)state;
    refuse("\x0A\x05" "abcd", 6, "field 1 claims 5 bytes, its message ends 4 bytes later: the file "
                                 "is cut short");
    refuse("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11,
           "field 1 claims 18446744073709551615 bytes");
    refuse("\x0D\0\0\0", 4, "field 1 needs 4 bytes, its message ends 3 bytes later");
    refuse("\x09\0\0\0\0\0\0\0", 8, "field 1 needs 8 bytes, its message ends 7 bytes later");
}

static void test_a_length_beyond_an_inner_message(void **state)
{
    (void)state;
    Text file = {0};
    text_addn(&file, "\x0A\x03\x12\x05" "abcdefgh", 12);
    ProtoReader reader;
    Error err;
    ByteSource *source = start(&file, &reader, &err);
    ProtoSpan span = proto_whole(&reader), inner;
    ProtoField field;
    assert_true(proto_next(&reader, &span, &field));
    inner = field.bytes;
    assert_false(proto_next(&reader, &inner, &field));
    assert_error_has(err, "field 2 claims 5 bytes, its message ends 1 bytes later (byte 2)");
    end(&reader, source);
}

static void test_tags_that_are_none(void **state)
{
    (void)state;
    refuse("\0\0", 2, "0 is no number of a field");
    refuse("\x80\x80\x80\x80\x10\0", 6, "536870912 is no number of a field");
    refuse("\x0B\x0C", 2, "field 1 has the type 3, which no message here uses");
    refuse("\x0C", 1, "field 1 has the type 4");
    refuse("\x0E\0", 2, "field 1 has the type 6");
    refuse("\x0F\0", 2, "field 1 has the type 7");
}

static void test_sizes_packed_or_not_and_too_many(void **state)
{
    (void)state;
    const int64_t sizes[] = {3, 1 << 20};
    Text file = {0};
    put_number(&file, 1, 7);
    put_sizes(&file, 1, sizes, 2);
    Text many = {0};
    for (int i = 0; i < 30; i++) put_varint(&many, 1);
    put_message(&file, 1, &many);
    ProtoReader reader;
    Error err;
    ByteSource *source = start(&file, &reader, &err);
    ProtoSpan span = proto_whole(&reader);
    ProtoField field;
    ProtoDims dims = {.rank = 0};
    for (int i = 0; i < 2; i++) {
        assert_true(proto_next(&reader, &span, &field));
        assert_true(proto_dims(&reader, &field, &dims));
    }
    assert_int_equal(dims.rank, 3);
    assert_int_equal(dims.sizes[0], 7);
    assert_int_equal(dims.sizes[2], 1 << 20);
    assert_true(proto_next(&reader, &span, &field));
    assert_false(proto_dims(&reader, &field, &dims));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_error_has(err, "more than 32 dimensions");
    end(&reader, source);
}

/* -- Repeated numbers ------------------------------------------------------------------ */

/* Collects field 1 of a file, which is emptied; NULL when it is refused. */
static ByteSource *collect(Text *file, unsigned stored, unsigned width, bool *plain, Error *err)
{
    ProtoReader reader;
    ByteSource *source = start(file, &reader, err), *out = NULL;
    ProtoSpan span = proto_whole(&reader);
    ProtoField field;
    ProtoValues values;
    uint64_t at;
    proto_values_init(&values, stored, width);
    bool fine = true;
    while (fine && span.at < span.end)
        fine = proto_next(&reader, &span, &field) &&
               (field.number != 1 || proto_values_add(&reader, &values, &field));
    *plain = proto_values_plain(&values, &at);
    if (fine) out = proto_values_source(&values, source);
    proto_values_done(&values);
    end(&reader, source);
    return out;
}

/* Every range of the source must be that range of the values. */
static void assert_source(ByteSource *source, const void *values, size_t n)
{
    const unsigned char *want = values;
    unsigned char got[512];
    Error err = {0};
    assert_int_equal(source->size, n);
    for (size_t from = 0; from < n; from += n > 64 ? 37 : 1)
        for (size_t length = 1; length <= n - from && length <= sizeof got;
             length += length > 9 ? 101 : 1) {
            if (!source_read(source, from, got, length, &err)) fail_msg("%s", err.text);
            assert_memory_equal(got, want + from, length);
        }
}

static void test_floats_packed_and_single_in_any_order(void **state)
{
    (void)state;
    const float values[] = {1, 2, 3, 4, 5, 6, 7, 8};
    Text file = {0}, packed = {0};
    bool plain;
    Error err;
    put_bytes(&file, 1, values, 8);
    ByteSource *source = collect(&file, 4, 4, &plain, &err);
    assert_true(plain);
    assert_source(source, values, 8);
    source_unref(source);
    put_float(&file, 1, 1);
    put_float(&file, 1, 2);
    put_float(&file, 1, 3);
    text_addn(&packed, values + 3, 8);
    put_message(&file, 1, &packed);
    put_bytes(&file, 1, "", 0);
    put_text(&file, 9, "between");
    put_float(&file, 1, 6);
    put_number(&file, 8, 1);
    put_float(&file, 1, 7);
    put_float(&file, 1, 8);
    source = collect(&file, 4, 4, &plain, &err);
    assert_false(plain);
    assert_source(source, values, sizeof values);
    source_unref(source);
}

static void test_long_runs_of_single_fields(void **state)
{
    (void)state;
    enum { COUNT = 9000 };
    float *values = malloc(COUNT * sizeof *values);
    Text file = {0};
    bool plain;
    Error err;
    for (int i = 0; i < COUNT; i++) put_float(&file, 1, values[i] = (float)i / 7);
    ByteSource *source = collect(&file, 4, 4, &plain, &err);
    unsigned char *got = malloc(COUNT * sizeof *values);
    assert_true(source_read(source, 3, got, COUNT * sizeof *values - 5, &err));
    assert_memory_equal(got, (char *)values + 3, COUNT * sizeof *values - 5);
    source_unref(source);
    free(values);
    free(got);
}

static void test_varints_of_every_width(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static const unsigned widths[] = {1, 2, 4, 8};
    for (size_t w = 0; w < countof(widths); w++) {
        unsigned width = widths[w];
        unsigned char *want = malloc(COUNT * 8);
        Text file = {0}, packed = {0};
        for (uint64_t i = 0; i < COUNT; i++) {
            uint64_t value = i % 3 ? i * i * 977 : (uint64_t)-(int64_t)i;
            memcpy(want + i * width, &value, width);
            if (i < 1500) put_varint(&packed, value);
            if (i == 1499) put_message(&file, 1, &packed);
            if (i >= 1500) put_number(&file, 1, value);
            if (i % 500 == 0) put_text(&file, 2, "between");
        }
        bool plain;
        Error err;
        ByteSource *source = collect(&file, 0, width, &plain, &err);
        assert_false(plain);
        assert_source(source, want, COUNT * width);
        source_unref(source);
        free(want);
    }
}

static void refuse_values(Text *file, unsigned stored, const char *words)
{
    bool plain;
    Error err;
    assert_null(collect(file, stored, stored ? stored : 8, &plain, &err));
    assert_error_has(err, words);
}

static void test_numbers_of_the_wrong_kind(void **state)
{
    (void)state;
    Text file = {0};
    put_number(&file, 1, 7);
    refuse_values(&file, 4, "the numbers of field 1 have the type 0 (byte 0)");
    put_float(&file, 1, 7);
    refuse_values(&file, 8, "the numbers of field 1 have the type 5");
    put_float(&file, 1, 7);
    refuse_values(&file, 0, "the numbers of field 1 have the type 5");
    put_bytes(&file, 1, "abcde", 5);
    refuse_values(&file, 4, "field 1 has 5 bytes, which hold no whole number of 4-byte values");
    put_bytes(&file, 1, "abcdefghijkl", 12);
    refuse_values(&file, 8, "12 bytes, which hold no whole number of 8-byte values");
    put_bytes(&file, 1, "\1\x80", 2);
    refuse_values(&file, 0, "is cut off by the end of its message (byte 3)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_of_field),
        cmocka_unit_test(test_numbers_that_are_cut_or_too_long),
        cmocka_unit_test(test_lengths_beyond_the_message),
        cmocka_unit_test(test_a_length_beyond_an_inner_message),
        cmocka_unit_test(test_tags_that_are_none),
        cmocka_unit_test(test_sizes_packed_or_not_and_too_many),
        cmocka_unit_test(test_floats_packed_and_single_in_any_order),
        cmocka_unit_test(test_long_runs_of_single_fields),
        cmocka_unit_test(test_varints_of_every_width),
        cmocka_unit_test(test_numbers_of_the_wrong_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
