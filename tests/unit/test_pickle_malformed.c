/* pickle: one test for each way to be malformed or hostile: every one an error that names the
 * opcode and its byte. */
#include "tests/unit/pickle_fixture.h"

static void test_empty_and_missing_stop(void **state)
{
    refuses(*state, "", 0, ERR_FORMAT, "STOP at byte 0: the file ends at byte 0");
    refuses(*state, BYTES("K\x01"), ERR_FORMAT, "STOP at byte 2: the file ends at byte 2");
}

static void test_underflow(void **state)
{
    static const struct { const char *bytes; size_t n; const char *opcode; } cases[] = {
        {BYTES("."), "STOP"}, {BYTES("0."), "POP"}, {BYTES("2."), "DUP"},
        {BYTES("\x85."), "TUPLE1"}, {BYTES("K\x01\x86."), "TUPLE2"},
        {BYTES("K\x01K\x01\x87."), "TUPLE3"},
        {BYTES("K\x01" "a."), "APPEND"}, {BYTES("K\x01K\x01s."), "SETITEM"},
        {BYTES("(u."), "SETITEMS"},
        {BYTES("(e."), "APPENDS"}, {BYTES("(\x90."), "ADDITEMS"}, {BYTES("q\x00."), "BINPUT"},
        {BYTES("\x94."), "MEMOIZE"}, {BYTES(")R."), "REDUCE"}, {BYTES(")\x81."), "NEWOBJ"},
        {BYTES(")}\x92."), "NEWOBJ_EX"}, {BYTES("}b."), "BUILD"}, {BYTES("Q."), "BINPERSID"},
        {BYTES("\x8C\x01" "a\x93."), "STACK_GLOBAL"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Text part = {0};
        text_addf(&part, "pickle opcode %s at byte", cases[i].opcode);
        refuses(*state, cases[i].bytes, cases[i].n, ERR_FORMAT, part.bytes);
        refuses(*state, cases[i].bytes, cases[i].n, ERR_FORMAT, "an empty stack");
        text_done(&part);
    }
}

static void test_nothing_is_taken_from_below_a_mark(void **state)
{
    refuses(*state, BYTES("K\x01(."), ERR_FORMAT,
            "STOP at byte 3: takes an item from below the last MARK");
    refuses(*state, BYTES("]K\x01(a."), ERR_FORMAT, "below the last MARK");
    refuses(*state, BYTES("K\x01(q\x00."), ERR_FORMAT, "BINPUT at byte 3");
}

static void test_missing_mark(void **state)
{
    static const struct { const char *bytes; size_t n; const char *opcode; } cases[] = {
        {BYTES("K\x01t."), "TUPLE"}, {BYTES("K\x01l."), "LIST"}, {BYTES("K\x01" "d."), "DICT"},
        {BYTES("]e."), "APPENDS"}, {BYTES("}u."), "SETITEMS"}, {BYTES("\x8F\x90."), "ADDITEMS"},
        {BYTES("K\x01\x91."), "FROZENSET"}, {BYTES("1."), "POP_MARK"}, {BYTES("K\x01o."), "OBJ"},
        {BYTES("K\x01ia\nB\n."), "INST"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        refuses(*state, cases[i].bytes, cases[i].n, ERR_FORMAT, "there is no MARK");
        refuses(*state, cases[i].bytes, cases[i].n, ERR_FORMAT, cases[i].opcode);
    }
}

static void test_key_without_value(void **state)
{
    refuses(*state, BYTES("(K\x01" "d."), ERR_FORMAT, "DICT at byte 3: its last key has no value");
    refuses(*state, BYTES("}(K\x01K\x02K\x03u."), ERR_FORMAT, "SETITEMS at byte 8: its last key");
}

static void test_memo_entry_that_was_never_stored(void **state)
{
    refuses(*state, BYTES("h\x05."), ERR_FORMAT, "BINGET at byte 0: memo entry 5 was never stored");
    refuses(*state, BYTES("K\x01q\x02h\x01."), ERR_FORMAT, "entry 1");
    refuses(*state, BYTES("g5\n."), ERR_FORMAT, "GET at byte 0");
    refuses(*state, BYTES("gx\n."), ERR_FORMAT, "its text is no memo index");
    refuses(*state, BYTES("K\x01p-1\n."), ERR_FORMAT, "PUT at byte 2: its text is no memo index");
}

static void test_memo_bomb(void **state)
{
    refuses(*state, BYTES("K\x01r\xFF\xFF\xFF\xFF."), ERR_LIMIT, "memo index 4294967295 is beyond");
    refuses(*state, BYTES("K\x01p99999999999\n."), ERR_LIMIT, "memo index 99999999999");
}

static void test_lengths_beyond_the_end(void **state)
{
    static const struct { const char *bytes; size_t n; } cases[] = {
        {BYTES("\x8C\x09" "abc.")}, {BYTES("X\xFF\xFF\xFF\xFF" "abc.")},
        {BYTES("\x8D\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF" "abc.")}, {BYTES("U\x09" "abc.")},
        {BYTES("T\xFF\xFF\xFF\x7F" "abc.")}, {BYTES("C\x09" "abc.")},
        {BYTES("B\xFF\xFF\xFF\xFF" "abc.")},
        {BYTES("\x8E\0\0\0\0\0\0\0\x80" "abc.")}, {BYTES("\x96\0\0\0\0\0\0\0\x40" "abc.")},
        {BYTES("\x8A\x09" "abc.")}, {BYTES("\x8B\xFF\xFF\xFF\x7F" "abc.")},
    };
    for (size_t i = 0; i < countof(cases); i++)
        refuses(*state, cases[i].bytes, cases[i].n, ERR_FORMAT, "bytes, the file ends");
}

static void test_negative_lengths(void **state)
{
    refuses(*state, BYTES("\x8B\xFF\xFF\xFF\xFF."), ERR_FORMAT,
            "LONG4 at byte 0: its length is negative (-1)");
    refuses(*state, BYTES("T\0\0\0\x80."), ERR_FORMAT,
            "BINSTRING at byte 0: its length is negative");
}

static void test_truncated_everywhere(void **state)
{
    static const char whole[] =
        "\x80\x04\x95\x09\0\0\0\0\0\0\0]\x94(\x8C\x01" "aK\x05M\x01\x02J\x01\x02\x03\x04"
        "G\0\0\0\0\0\0\0\0\x8A\x02\x01\x02X\x02\0\0\0hiV\\u0041\nS'x'\nca\nb\n)Re.";
    assert_int_equal(parse(*state, BYTES(whole))->list.count, 10);
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        Fixture *f = *state;
        f->err = (Error){0};
        assert_null(parse(f, whole, n));
        assert_error_has(f->err, "the file ends");
    }
}

static void test_unknown_opcode(void **state)
{
    refuses(*state, BYTES("K\x01\xFF."), ERR_FORMAT, "byte 0xff at 2 is no pickle opcode");
}

static void test_newer_protocol(void **state)
{
    refuses(*state, BYTES("\x80\x06N."), ERR_UNSUPPORTED,
            "PROTO at byte 0: protocol 6 is newer than 5");
}

static void test_opcodes_that_are_refused(void **state)
{
    refuses(*state, BYTES("\x82\x01."), ERR_UNSUPPORTED, "EXT1 at byte 0: extension code 1");
    refuses(*state, BYTES("\x83\x01\x01."), ERR_UNSUPPORTED, "EXT2 at byte 0: extension code 257");
    refuses(*state, BYTES("\x84\x01\0\0\0."), ERR_UNSUPPORTED, "EXT4");
    refuses(*state, BYTES("\x97."), ERR_UNSUPPORTED, "NEXT_BUFFER at byte 0");
    refuses(*state, BYTES("\x97\x98."), ERR_UNSUPPORTED, "outside of the file");
}

static void test_wrong_targets(void **state)
{
    refuses(*state,
            BYTES("}K\x01"
                  "a."),
            ERR_FORMAT, "APPEND at byte 3: cannot be done to dict (0)");
    refuses(*state, BYTES(")K\x01" "a."), ERR_FORMAT, "tuple (0)");
    refuses(*state, BYTES("]K\x01K\x02s."), ERR_FORMAT,
            "SETITEM at byte 5: cannot be done to list");
    refuses(*state, BYTES("](K\x01\x90."), ERR_FORMAT, "ADDITEMS at byte 4");
    refuses(*state, BYTES("ca\nB\n}b."), ERR_FORMAT, "BUILD at byte 6: cannot be done to a.B");
    refuses(*state, BYTES("K\x01K\x02" "a."), ERR_FORMAT, "int 1");
}

static void test_wrong_arguments(void **state)
{
    refuses(*state, BYTES("ca\nB\n]R."), ERR_FORMAT,
            "REDUCE at byte 6: its arguments are no tuple");
    refuses(*state, BYTES("ca\nB\nK\x01\x81."), ERR_FORMAT, "NEWOBJ");
    refuses(*state, BYTES("ca\nB\n)]\x92."), ERR_FORMAT, "NEWOBJ_EX");
    refuses(*state, BYTES("(o."), ERR_FORMAT, "OBJ at byte 1: there is no class above its MARK");
}

static void test_a_million_nested_tuples(void **state)
{
    enum { DEPTH = 1000000 };
    char *bytes = mem_alloc(DEPTH + 2);
    memset(bytes, 0x85, DEPTH + 1);
    bytes[0] = ')';
    bytes[DEPTH + 1] = '.';
    const Object *object = parse(*state, bytes, DEPTH + 2);
    size_t depth = 0;
    for (; object->list.count; object = object->list.items[0]) depth++;
    assert_int_equal(depth, DEPTH);
    free(bytes);
}

static void test_memory_is_bounded_by_the_bytes(void **state)
{
    enum { COUNT = 100000 };
    static const char cheap[] = "])}N2\x8F(0";     /* what makes most of a byte */
    Text text = {0};
    for (int i = 0; i < COUNT; i++) text_addn(&text, cheap, sizeof cheap - 1);
    text_addc(&text, '.');
    Fixture *f = *state;
    size_t before = arena_bytes(f->arena);
    assert_non_null(parse(f, text.bytes, text.length));
    assert_true(arena_bytes(f->arena) - before < 64 * text.length);
    text_done(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_empty_and_missing_stop),
        TEST(test_underflow),
        TEST(test_nothing_is_taken_from_below_a_mark),
        TEST(test_missing_mark),
        TEST(test_key_without_value),
        TEST(test_memo_entry_that_was_never_stored),
        TEST(test_memo_bomb),
        TEST(test_lengths_beyond_the_end),
        TEST(test_negative_lengths),
        TEST(test_truncated_everywhere),
        TEST(test_unknown_opcode),
        TEST(test_newer_protocol),
        TEST(test_opcodes_that_are_refused),
        TEST(test_wrong_targets),
        TEST(test_wrong_arguments),
        TEST(test_a_million_nested_tuples),
        TEST(test_memory_is_bounded_by_the_bytes),
    };
    return cmocka_run_group_tests_name("malformed pickle", tests, NULL, NULL);
}
