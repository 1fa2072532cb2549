/* pickle: every opcode of protocols 0 to 5, as Python's pickletools would show them. */
#include "tests/unit/pickle_fixture.h"

static void is_int(Fixture *f, const void *bytes, size_t n, int64_t value)
{
    const Object *object = parse(f, bytes, n);
    assert_non_null(object);
    assert_int_equal(object->kind, OBJ_INT);
    assert_true(object->integer == value);
    assert_int_equal(f->used, n);
}

static void is_text(Fixture *f, const void *bytes, size_t n, const char *text)
{
    const Object *object = parse(f, bytes, n);
    assert_non_null(object);
    assert_int_equal(object->kind, OBJ_STR);
    assert_string_equal(object->bytes.text, text);
    assert_int_equal(object->bytes.n, strlen(text));
}

static void is_blob(Fixture *f, const void *bytes, size_t n, ObjectKind kind, const char *blob,
                    size_t length)
{
    const Object *object = parse(f, bytes, n);
    assert_non_null(object);
    assert_int_equal(object->kind, kind);
    assert_int_equal(object->bytes.n, length);
    assert_memory_equal(object->bytes.text, blob, length);
}

static const Object *is_list(Fixture *f, const void *bytes, size_t n, ObjectKind kind, size_t count)
{
    const Object *object = parse(f, bytes, n);
    if (!object) fail_msg("%s", f->err.text);
    assert_int_equal(object->kind, kind);
    assert_int_equal(object->list.count, count);
    return object;
}

static const ObjectCall *is_call(Fixture *f, const void *bytes, size_t n, CallKind kind,
                                 const char *module, const char *name)
{
    const Object *object = parse(f, bytes, n);
    if (!object) fail_msg("%s", f->err.text);
    assert_true(object_is_call(object, module, name));
    assert_int_equal(object->call_kind, kind);
    assert_int_equal(object->call->args->kind, OBJ_TUPLE);
    return object->call;
}

/* --- values --------------------------------------------------------------------------- */

static void test_constants(void **state)
{
    Fixture *f = *state;
    assert_int_equal(parse(f, BYTES("N."))->kind, OBJ_NONE);
    assert_true(parse(f, BYTES("\x80\x02\x88."))->boolean);
    assert_false(parse(f, BYTES("\x89."))->boolean);
    assert_true(parse(f, BYTES("I01\n."))->boolean);
    assert_false(parse(f, BYTES("I00\n."))->boolean);
    assert_int_equal(parse(f, BYTES("I00\n."))->kind, OBJ_BOOL);
}

static void test_binary_integers(void **state)
{
    Fixture *f = *state;
    is_int(f, BYTES("K\xFF."), 255);
    is_int(f, BYTES("M\xFF\xFF."), 65535);
    is_int(f, BYTES("J\xFF\xFF\xFF\xFF."), -1);
    is_int(f, BYTES("J\x00\x00\x00\x80."), INT32_MIN);
    is_int(f, BYTES("\x8A\x00."), 0);
    is_int(f, BYTES("\x8A\x01\xFE."), -2);
    is_int(f, BYTES("\x8A\x05\x00\xF2\x05\x2A\x01."), 5000000000);
    is_int(f, BYTES("\x8A\x08\x00\x00\x00\x00\x00\x00\x00\x80."), INT64_MIN);
    is_int(f, BYTES("\x8B\x02\x00\x00\x00\x00\x80."), -32768);
}

static void test_integers_beyond_64_bits_keep_their_bytes(void **state)
{
    Fixture *f = *state;
    is_blob(f, BYTES("\x8A\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00."), OBJ_BIGINT,
            BYTES("\x00\x00\x00\x00\x00\x00\x00\x80\x00"));
    is_blob(f, BYTES("\x8A\x0C\x00\x00\x00\x00\x00\x00\x00\x80\x00\x00\x00\x00."), OBJ_BIGINT,
            BYTES("\x00\x00\x00\x00\x00\x00\x00\x80\x00"));
    is_blob(f, BYTES("L119547037146038801333356L\n."), OBJ_BIGINT,
            BYTES("\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19"));
    is_blob(f, BYTES("L-18446744073709551616L\n."), OBJ_BIGINT,
            BYTES("\x00\x00\x00\x00\x00\x00\x00\x00\xFF"));
}

static void test_integers_as_text(void **state)
{
    Fixture *f = *state;
    is_int(f, BYTES("I-12\n."), -12);
    is_int(f, BYTES("I0\n."), 0);
    is_int(f, BYTES("L-1L\n."), -1);
    is_int(f, BYTES("L9223372036854775807L\n."), INT64_MAX);
    is_int(f, BYTES("L-9223372036854775808L\n."), INT64_MIN);
    is_int(f, BYTES("I4294967296\n."), 4294967296);
    refuses(f, BYTES("I0x10\n."), ERR_FORMAT, "INT at byte 0: its text is no decimal number");
    refuses(f, BYTES("L\n."), ERR_FORMAT, "LONG at byte 0");
    refuses(f, BYTES("I1L\n."), ERR_FORMAT, "no decimal number");
}

static void test_integer_of_too_many_digits(void **state)
{
    Text text = {0};
    text_addc(&text, 'L');
    for (int i = 0; i < PICKLE_DIGITS_MAX + 1; i++) text_addc(&text, '7');
    text_add(&text, "L\n.");
    refuses(*state, text.bytes, text.length, ERR_LIMIT,
            "1001 digits are more than the limit of 1000");
    text_done(&text);
}

static void test_floats(void **state)
{
    Fixture *f = *state;
    const Object *binary = parse(f, BYTES("G\x3F\xB9\x99\x99\x99\x99\x99\x9A."));
    assert_int_equal(binary->kind, OBJ_FLOAT);
    assert_true(binary->number == 0.1);
    assert_true(parse(f, BYTES("F-1.5e-3\n."))->number == -1.5e-3);
    assert_true(parse(f, BYTES("Finf\n."))->number > 1e308);
    refuses(f, BYTES("F1.5x\n."), ERR_FORMAT, "FLOAT at byte 0: its text is no number");
    refuses(f, BYTES("F\n."), ERR_FORMAT, "FLOAT");
}

static void test_text(void **state)
{
    Fixture *f = *state;
    is_text(f, BYTES("\x8C\x03" "abc."), "abc");
    is_text(f, BYTES("X\x03\0\0\0abc."), "abc");
    is_text(f, BYTES("\x8D\x03\0\0\0\0\0\0\0abc."), "abc");
    is_text(f, BYTES("X\x02\0\0\0\xC3\xA9."), "é");
    is_text(f, BYTES("X\0\0\0\0."), "");
    is_text(f, BYTES("X\x03\0\0\0a\0b."), "a\xC0\x80" "b");
    is_text(f, BYTES("X\x03\0\0\0\xED\xA0\x80."), "\xED\xA0\x80");
    is_text(f, BYTES("Va\\u00e9\\U0001F600\xE9\\n\\\\u0041\n."), "aé😀é\\n\\\\u0041");
}

static void test_text_that_is_no_utf8(void **state)
{
    refuses(*state, BYTES("X\x02\0\0\0\xFF\x41."), ERR_FORMAT,
            "BINUNICODE at byte 0: its text is not UTF-8");
    refuses(*state, BYTES("\x8C\x02\xC0\x80."), ERR_FORMAT, "not UTF-8");
    refuses(*state, BYTES("V\\u12\n."), ERR_FORMAT, "UNICODE at byte 0: has a \\u escape without");
    refuses(*state, BYTES("V\\UFFFFFFFF\n."), ERR_FORMAT, "UNICODE");
}

static void test_python_2_strings(void **state)
{
    Fixture *f = *state;
    is_text(f, BYTES("U\x03" "abc."), "abc");
    is_text(f, BYTES("T\x03\0\0\0abc."), "abc");
    is_text(f, BYTES("S'it\\'s\\x41\\101\\n\\q\\\\'\n."), "it'sAA\n\\q\\");
    is_text(f, BYTES("S\"a'b\"\n."), "a'b");
    is_blob(f, BYTES("U\x02\xFF\x01."), OBJ_BYTES, BYTES("\xFF\x01"));
    refuses(f, BYTES("Sabc\n."), ERR_FORMAT, "STRING at byte 0: its text does not stand in quotes");
    refuses(f, BYTES("S'\n."), ERR_FORMAT, "quotes");
    refuses(f, BYTES("S'abc\"\n."), ERR_FORMAT, "quotes");
}

static void test_bytes(void **state)
{
    Fixture *f = *state;
    is_blob(f, BYTES("C\x02\0\xFF."), OBJ_BYTES, BYTES("\0\xFF"));
    is_blob(f, BYTES("B\x02\0\0\0\0\xFF."), OBJ_BYTES, BYTES("\0\xFF"));
    is_blob(f, BYTES("\x8E\x02\0\0\0\0\0\0\0\0\xFF."), OBJ_BYTES, BYTES("\0\xFF"));
    is_blob(f, BYTES("\x80\x05\x96\x02\0\0\0\0\0\0\0\0\xFF."), OBJ_BYTEARRAY, BYTES("\0\xFF"));
}

static void test_text_longer_than_the_read_ahead(void **state)
{
    Fixture *f = *state;
    enum { LENGTH = 100000 };
    Text text = {0};
    ByteSource *source;
    text_addn(&text, BYTES("X\xA0\x86\x01\0"));
    for (int i = 0; i < LENGTH; i++) text_addc(&text, (char)('a' + i % 26));
    text_addn(&text, BYTES("K\x01\x86."));
    const Object *pair = is_list(f, text.bytes, text.length, OBJ_TUPLE, 2);
    Object *far = pair->list.items[0];
    assert_int_equal(far->kind, OBJ_FAR);
    assert_int_equal(far->far.at, 5);
    assert_int_equal(far->far.n, LENGTH);
    source = source_from_memory(text.bytes, text.length, "x.pkl");
    assert_true(pickle_hold(f->arena, source, far, &f->err));
    source_unref(source);
    assert_int_equal(far->kind, OBJ_STR);
    assert_int_equal(far->bytes.n, LENGTH);
    assert_memory_equal(far->bytes.text, text.bytes + 5, LENGTH);
    assert_int_equal(pair->list.items[1]->integer, 1);
    text_done(&text);
}

/* --- collections ---------------------------------------------------------------------- */

static void test_tuples(void **state)
{
    Fixture *f = *state;
    is_list(f, BYTES(")."), OBJ_TUPLE, 0);
    is_list(f, BYTES("K\x01\x85."), OBJ_TUPLE, 1);
    is_list(f, BYTES("K\x01K\x02\x86."), OBJ_TUPLE, 2);
    const Object *three = is_list(f, BYTES("K\x01K\x02K\x03\x87."), OBJ_TUPLE, 3);
    assert_int_equal(three->list.items[0]->integer, 1);
    assert_int_equal(three->list.items[2]->integer, 3);
    is_list(f, BYTES("(t."), OBJ_TUPLE, 0);
    const Object *four = is_list(f, BYTES("(K\x01K\x02K\x03K\x04t."), OBJ_TUPLE, 4);
    assert_int_equal(four->list.items[3]->integer, 4);
}

static void test_lists_and_sets(void **state)
{
    Fixture *f = *state;
    is_list(f, BYTES("]."), OBJ_LIST, 0);
    is_list(f, BYTES("(K\x01K\x02l."), OBJ_LIST, 2);
    is_list(f, BYTES("]K\x01" "a(K\x02K\x03" "e."), OBJ_LIST, 3);
    is_list(f, BYTES("(K\x01lK\x02" "a."), OBJ_LIST, 2);
    is_list(f, BYTES("\x8F(K\x01K\x02\x90."), OBJ_SET, 2);
    is_list(f, BYTES("(K\x01\x91."), OBJ_FROZENSET, 1);
}

static void test_dicts(void **state)
{
    Fixture *f = *state;
    is_list(f, BYTES("}."), OBJ_DICT, 0);
    is_list(f, BYTES("(U\x01" "aK\x01" "d."), OBJ_DICT, 2);
    const Object *dict = is_list(f,
                                 BYTES("}U\x01"
                                       "aK\x01s(U\x01"
                                       "bK\x02U\x01"
                                       "aK\x03u."),
                                 OBJ_DICT, 6);
    assert_int_equal(object_get(dict, "b")->integer, 2);
    assert_int_equal(object_get(dict, "a")->integer, 3);     /* the last, as Python */
}

static void test_stack_opcodes(void **state)
{
    Fixture *f = *state;
    is_int(f, BYTES("K\x01K\x02" "0."), 1);
    is_int(f, BYTES("K\x01(K\x02K\x03" "1."), 1);
    is_int(f, BYTES("K\x01(0."), 1);          /* POP takes a bare MARK */
    const Object *twice = is_list(f, BYTES("]2\x86."), OBJ_TUPLE, 2);
    assert_ptr_equal(twice->list.items[0], twice->list.items[1]);
    is_int(f, BYTES("K\x01K\x02."), 2);       /* what else is there is ignored */
}

static void test_memo_shares_nodes(void **state)
{
    Fixture *f = *state;
    const Object *a = is_list(f, BYTES("]q\x05h\x05\x86."), OBJ_TUPLE, 2);
    assert_ptr_equal(a->list.items[0], a->list.items[1]);
    a = is_list(f, BYTES("]r\x00\x01\0\0j\x00\x01\0\0\x86."), OBJ_TUPLE, 2);
    assert_ptr_equal(a->list.items[0], a->list.items[1]);
    a = is_list(f, BYTES("]p7\ng7\n\x86."), OBJ_TUPLE, 2);
    assert_ptr_equal(a->list.items[0], a->list.items[1]);
    a = is_list(f, BYTES("K\x09\x94]\x94h\x01h\x00\x87."), OBJ_TUPLE, 3);
    assert_ptr_equal(a->list.items[0], a->list.items[1]);
    assert_int_equal(a->list.items[2]->integer, 9);
}

static void test_cyclic_list(void **state)
{
    const Object *list = is_list(*state, BYTES("]q\x00h\x00" "a."), OBJ_LIST, 1);
    assert_ptr_equal(list->list.items[0], list);
}

static void test_small_values_are_one_node(void **state)
{
    const Object *t = is_list(*state, BYTES("(NNK\x07M\x07\x00))t."), OBJ_TUPLE, 6);
    for (size_t i = 0; i < 6; i += 2) assert_ptr_equal(t->list.items[i], t->list.items[i + 1]);
}

/* --- names and calls ------------------------------------------------------------------ */

static void test_globals(void **state)
{
    Fixture *f = *state;
    assert_true(object_is_global(parse(f, BYTES("cos\nsystem\n.")), "os", "system"));
    assert_true(object_is_global(parse(f, BYTES("\x8C\x02os\x8C\x06system\x93.")), "os", "system"));
    assert_true(object_is_global(parse(f, BYTES("c__builtin__\nset\n.")), "builtins", "set"));
    refuses(f,
            BYTES("K\x01\x8C\x01"
                  "a\x93."),
            ERR_FORMAT, "STACK_GLOBAL at byte 5: module and name");
}

static void test_name_of_a_global_too_long(void **state)
{
    Text text = {0};
    text_addc(&text, 'c');
    for (int i = 0; i < (int)limit(LIMIT_PICKLE_NAME) + 1; i++) text_addc(&text, 'm');
    text_add(&text, "\nn\n.");
    refuses(*state, text.bytes, text.length, ERR_LIMIT,
            "4097 bytes, more than the limit of 4096");
    text_done(&text);
}

static void test_calls_execute_nothing(void **state)
{
    Fixture *f = *state;
    const ObjectCall *call =
        is_call(f, BYTES("cos\nsystem\nU\x02ls\x85R."), CALL_REDUCE, "os", "system");
    assert_int_equal(call->args->list.count, 1);
    is_call(f, BYTES("ca\nB\n)\x81."), CALL_NEWOBJ, "a", "B");
    call = is_call(f, BYTES("ca\nB\n)}\x92."), CALL_NEWOBJ_EX, "a", "B");
    assert_int_equal(call->kwargs->kind, OBJ_DICT);
    call = is_call(f, BYTES("(K\x01ia\nB\n."), CALL_INST, "a", "B");
    assert_int_equal(call->args->list.count, 1);
    call = is_call(f, BYTES("(ca\nB\nK\x01K\x02o."), CALL_INST, "a", "B");
    assert_int_equal(call->args->list.count, 2);
    is_call(f, BYTES("(ca\nB\no."), CALL_INST, "a", "B");
}

static void test_calls_collect_state_items_and_map(void **state)
{
    const ObjectCall *call = is_call(*state,
                                     BYTES("ca\nB\n)R}b]bK\x01"
                                           "a(K\x02K\x03"
                                           "e(K\x04\x90U\x01kK\x05s."),
                                     CALL_REDUCE, "a", "B");
    assert_int_equal(call->state->kind, OBJ_LIST);           /* the second BUILD */
    assert_int_equal(call->list->kind, OBJ_LIST);
    assert_int_equal(call->list->list.count, 4);
    assert_int_equal(call->map->kind, OBJ_DICT);
    assert_int_equal(call->map->list.count, 2);
}

static void test_persistent_ids(void **state)
{
    Fixture *f = *state;
    const Object *id = is_list(f, BYTES("K\x01\x85Q."), OBJ_PERSID, 1);
    assert_int_equal(id->list.items[0]->kind, OBJ_TUPLE);
    id = is_list(f, BYTES("Pabc\n."), OBJ_PERSID, 1);
    assert_string_equal(id->list.items[0]->bytes.text, "abc");
}

static void test_nodes_know_their_byte(void **state)
{
    const Object *list = is_list(*state, BYTES("\x80\x02]U\x01" "aa."), OBJ_LIST, 1);
    assert_int_equal(list->line, 2);
    assert_int_equal(list->list.items[0]->line, 3);
}

static void test_protocol_4_frames(void **state)
{
    is_int(*state, BYTES("\x80\x04\x95\x03\0\0\0\0\0\0\0K\x05."), 5);
}

static void test_pickles_one_after_the_other(void **state)
{
    Fixture *f = *state;
    ByteSource *source = source_from_memory(BYTES("junkK\x01.K\x02."), "x.pkl");
    assert_int_equal(pickle_read(f->arena, source, 4, &f->used, &f->err)->integer, 1);
    assert_int_equal(f->used, 3);
    assert_int_equal(pickle_read(f->arena, source, 7, &f->used, &f->err)->integer, 2);
    assert_null(pickle_read(f->arena, source, 10, &f->used, &f->err));
    assert_error_has(f->err, "x.pkl: pickle opcode STOP at byte 10: the file ends");
    assert_null(pickle_read(f->arena, source, 11, &f->used, &f->err));
    assert_error_has(f->err, "should start at byte 11, the file ends at 10");
    source_unref(source);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_constants),
        TEST(test_binary_integers),
        TEST(test_integers_beyond_64_bits_keep_their_bytes),
        TEST(test_integers_as_text),
        TEST(test_integer_of_too_many_digits),
        TEST(test_floats),
        TEST(test_text),
        TEST(test_text_that_is_no_utf8),
        TEST(test_python_2_strings),
        TEST(test_bytes),
        TEST(test_text_longer_than_the_read_ahead),
        TEST(test_tuples),
        TEST(test_lists_and_sets),
        TEST(test_dicts),
        TEST(test_stack_opcodes),
        TEST(test_memo_shares_nodes),
        TEST(test_cyclic_list),
        TEST(test_small_values_are_one_node),
        TEST(test_globals),
        TEST(test_name_of_a_global_too_long),
        TEST(test_calls_execute_nothing),
        TEST(test_calls_collect_state_items_and_map),
        TEST(test_persistent_ids),
        TEST(test_nodes_know_their_byte),
        TEST(test_protocol_4_frames),
        TEST(test_pickles_one_after_the_other),
    };
    return cmocka_run_group_tests_name("pickle", tests, NULL, NULL);
}
