/* pickle_tensor: what torch.save writes for a tensor is one node; whatever differs by a byte, or is
 * asked for by its number, is what pickle_read makes of it. */
#include <stdio.h>

#include "loader/format/pickle_tensor.h"
#include "tests/unit/pickle_fixture.h"

/* A list of a tensor that names what the others refer to: memo numbers 2 (the function), 3
 * ('storage'), 4 (the class), 6 ('cpu'), 10 (OrderedDict); numbers up to 13 are taken … */
#define HEAD                                                                              \
    "\x80\x02](ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\0\0\0storageq\x03"         \
    "ctorch\nFloatStorage\nq\x04X\x01\0\0\0" "0q\x05X\x03\0\0\0cpuq\x06K\x02tq\x07QK\0"   \
    "K\x02\x85q\x08K\x01\x85q\x09\x89" "ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0d"
/* … and of one of shape 2, 3, whose parts are 14 (key), 15 (id), 16 (size), 17 (stride), 18 (hooks),
 * 19 (arguments) and 20 (the tensor): its beginning, its sizes, its end. */
#define BEGIN "h\x02((h\x03h\x04X\x02\0\0\0" "17q\x0eh\x06K\x06tq\x0fQ"
#define SIZES "K\0K\x02K\x03\x86q\x10K\x03K\x01\x86q\x11"
#define END   "\x89h\x0a)Rq\x12tq\x13Rq\x14"

static Object *parse_short(Fixture *f, const void *bytes, size_t n)
{
    ByteSource *source = source_from_memory(bytes, n, "x.pkl");
    Object *object = pickle_read_tensors(f->arena, source, 0, &f->used, &f->err);
    source_unref(source);
    if (!object) fail_msg("%s", f->err.text);
    return object;
}

/* What the pickle's list has at that place. */
static Object *item(Fixture *f, const void *bytes, size_t n, size_t index)
{
    Object *list = parse_short(f, bytes, n);
    assert_true(index < list->list.count);
    return list->list.items[index];
}

static void is_long(Fixture *f, const void *bytes, size_t n)
{
    const Object *node = item(f, bytes, n, 1);
    assert_null(pickle_tensor(node));
    assert_true(object_is_call(node, "torch._utils", "_rebuild_tensor_v2"));
    assert_int_equal(node->call_kind, CALL_REDUCE);
}

static void test_one_node(void **state)
{
    const Object *node = item(*state, BYTES(HEAD BEGIN SIZES END "e."), 1);
    const PickleTensor *brief = pickle_tensor(node);
    assert_non_null(brief);
    assert_true(object_is_call(node, "torch._utils", "_rebuild_tensor_v2"));
    assert_string_equal(brief->key, "17");
    assert_int_equal(brief->numel, 6);
    assert_int_equal(brief->rank, 2);
    assert_int_equal(brief->dims[0], 2);
    assert_int_equal(brief->dims[1], 3);
    assert_null(brief->strides);
    assert_int_equal(brief->offset, 0);
    assert_false(brief->parameter);
    assert_string_equal(brief->maker->class->global.name, "FloatStorage");
    assert_string_equal(brief->maker->location->bytes.text, "cpu");
}

static void test_strides_offset_parameter(void **state)
{
    const PickleTensor *brief =
        pickle_tensor(item(*state, BYTES(HEAD BEGIN "M\0\x01K\x02K\x03\x86q\x10K\x01K\x02\x86q\x11"
                                         "\x88h\x0a)Rq\x12tq\x13Rq\x14" "e."), 1));
    assert_non_null(brief);
    assert_int_equal(brief->offset, 256);
    assert_int_equal(brief->strides[0], 1);
    assert_int_equal(brief->strides[1], 2);
    assert_true(brief->parameter);
    assert_string_equal(brief->key, "17");
}

/* The same of a type without a storage class: numbers 2 (the function) to 6, 10 (OrderedDict), 11
 * (the type) of HEAD; the tensor's parts are 15 to 20, and 21 is the tensor. */
#define TYPED_HEAD(type)                                                                        \
    "\x80\x02](ctorch._utils\n_rebuild_tensor_v3\nq\x02((X\x07\0\0\0storageq\x03"               \
    "ctorch.storage\nUntypedStorage\nq\x04X\x01\0\0\0" "0q\x05X\x03\0\0\0cpuq\x06K\x02tq\x07QK\0" \
    "K\x02\x85q\x08K\x01\x85q\x09\x89" "ccollections\nOrderedDict\nq\x0a)Rq\x0b"                \
    "ctorch\n" type "\nq\x0ctq\x0dRq\x0e"
#define TYPED "h\x02((h\x03h\x04X\x02\0\0\0" "17q\x0fh\x06K\x06tq\x10Q" \
    "K\0K\x02K\x03\x86q\x11K\x03K\x01\x86q\x12\x89h\x0a)Rq\x13h\x0ctq\x14Rq\x15"

static void test_typed(void **state)
{
    const Object *node = item(*state, BYTES(TYPED_HEAD("float8_e5m2") TYPED "e."), 1);
    const PickleTensor *brief = pickle_tensor(node);
    assert_non_null(brief);
    assert_true(object_is_call(node, "torch._utils", "_rebuild_tensor_v3"));
    assert_int_equal(brief->maker->dtype, DT_F8_E5M2);
    assert_int_equal(brief->numel, 6);
    node = item(*state, BYTES(TYPED_HEAD("float8_e5m2") TYPED "}b" "e."), 1);   /* in full */
    assert_null(pickle_tensor(node));
    assert_int_equal(node->call->args->list.count, 7);
    assert_true(object_is_global(node->call->args->list.items[6], "torch", "float8_e5m2"));
    assert_true(object_is_global(node->call->args->list.items[0]->persid.id[0]->list.items[1],
                                 "torch.storage", "UntypedStorage"));
}

/* Two in a byte, bits, no type at all, and what is not v3's. */
static void test_typed_declined(void **state)
{
    assert_null(pickle_tensor(item(*state, BYTES(TYPED_HEAD("float4_e2m1fn_x2") TYPED "e."), 1)));
    assert_null(pickle_tensor(item(*state, BYTES(TYPED_HEAD("bits1x8") TYPED "e."), 1)));
    assert_null(pickle_tensor(item(*state, BYTES(TYPED_HEAD("nonsense") TYPED "e."), 1)));
    is_long(*state, BYTES(HEAD BEGIN SIZES "\x89h\x0a)Rq\x12h\x04tq\x13Rq\x14" "e."));
}

/* Another tensor of the same storage: the pickler refers to the key that it has written. */
static void test_shared_key(void **state)
{
    Object *list = parse_short(*state, BYTES(HEAD BEGIN SIZES END
        "h\x02((h\x03h\x04h\x0eh\x06K\x06tq\x15QK\0))\x89h\x0a)Rq\x16tq\x17Rq\x18"
        "h\x02((h\x03h\x04h\x05h\x06K\x02tq\x19QK\0))\x89h\x0a)Rq\x1atq\x1bRq\x1c" "e."));
    const PickleTensor *last = pickle_tensor(list->list.items[2]);
    assert_non_null(last);
    assert_string_equal(last->key, "17");
    assert_int_equal(last->rank, 0);
    last = pickle_tensor(list->list.items[3]);
    assert_non_null(last);
    assert_string_equal(last->key, "0");
}

/* A part that is asked for is the part of a tensor that is there in full. */
static void test_parts_that_are_asked_for(void **state)
{
    static const ObjectKind kinds[] = {OBJ_STR, OBJ_TUPLE, OBJ_TUPLE, OBJ_TUPLE, OBJ_CALL, OBJ_TUPLE};
    for (size_t i = 0; i < countof(kinds); i++) {
        char bytes[] = HEAD BEGIN SIZES END "h?e.";
        bytes[sizeof bytes - 4] = (char)(14 + i);
        Object *list = parse_short(*state, bytes, sizeof bytes - 1);
        const Object *node = list->list.items[1], *part = list->list.items[2];
        assert_null(pickle_tensor(node));
        Object **args = node->call->args->list.items;
        const Object *parts[] = {args[0]->persid.id[0]->list.items[2], args[0]->persid.id[0],
                                 args[2], args[3], args[5], node->call->args};
        assert_int_equal(part->kind, kinds[i]);
        assert_ptr_equal(part, parts[i]);
        assert_string_equal(parts[0]->bytes.text, "17");
        assert_int_equal(args[3]->list.items[0]->integer, 3);
    }
}

/* The whole is itself, in short. */
static void test_whole_that_is_asked_for(void **state)
{
    Object *list = parse_short(*state, BYTES(HEAD BEGIN SIZES END "h\x14" "e."));
    assert_ptr_equal(list->list.items[1], list->list.items[2]);
    assert_non_null(pickle_tensor(list->list.items[1]));
}

/* A number that was given to something else since is not taken back. */
static void test_numbers_given_away(void **state)
{
    Object *list = parse_short(*state, BYTES(HEAD BEGIN SIZES END "K\x07q\x10h\x11h\x10" "e."));
    assert_int_equal(list->list.items[3]->kind, OBJ_TUPLE);
    assert_int_equal(list->list.items[4]->integer, 7);
}

/* What is done to it is done to the call in full. */
static void test_state(void **state)
{
    const Object *node = item(*state, BYTES(HEAD BEGIN SIZES END "}b" "e."), 1);
    assert_null(pickle_tensor(node));
    assert_int_equal(node->call->state->kind, OBJ_DICT);
    node = item(*state, BYTES(HEAD BEGIN SIZES END "K\x01K\x02s" "e."), 1);
    assert_int_equal(node->call->map->list.count, 2);
    node = item(*state, BYTES(HEAD BEGIN SIZES END "K\x01" "ae."), 1);
    assert_int_equal(node->call->list->list.count, 1);
}

/* Everything else is read by the opcodes' own handlers. */
static void test_declined(void **state)
{
    /* a key that is no number; a number left out; another function's name in between */
    is_long(*state, BYTES(HEAD "h\x02((h\x03h\x04X\x02\0\0\0" "ab" "q\x0eh\x06K\x06tq\x0fQ"
                          SIZES END "e."));
    is_long(*state, BYTES(HEAD BEGIN "K\0K\x02K\x03\x86q\x30K\x03K\x01\x86q\x31" END "e."));
    is_long(*state, BYTES(HEAD BEGIN "K\0K\x02K\x03\x86K\x03K\x01\x86" END "e."));
    /* negative and very large numbers; more sizes than strides; a list for a size */
    is_long(*state, BYTES(HEAD BEGIN "J\xff\xff\xff\xffK\x02K\x03\x86q\x10K\x03K\x01\x86q\x11" END
                          "e."));
    is_long(*state, BYTES(HEAD BEGIN "\x8a\x05\0\0\0\0\x01K\x02K\x03\x86q\x10K\x03K\x01\x86q\x11"
                          END "e."));
    is_long(*state, BYTES(HEAD BEGIN "K\0K\x02K\x03\x86q\x10K\x03\x85q\x11" END "e."));
    is_long(*state, BYTES(HEAD BEGIN "K\0]q\x10K\x03\x85q\x11" END "e."));
    /* None for a truth value; a seventh argument; hooks; text that is not 'storage' */
    is_long(*state, BYTES(HEAD BEGIN SIZES "Nh\x0a)Rq\x12tq\x13Rq\x14" "e."));
    is_long(*state, BYTES(HEAD BEGIN SIZES "\x89h\x0a)Rq\x12}tq\x13Rq\x14" "e."));
    is_long(*state, BYTES(HEAD BEGIN SIZES "\x89h\x0a)RNbq\x12tq\x13Rq\x14" "e."));
    is_long(*state, BYTES(HEAD "h\x02((h\x06h\x04X\x02\0\0\0" "17q\x0eh\x06K\x06tq\x0fQ" SIZES END
                          "e."));
}

/* No tuple is written so: with a MARK where an opcode of its own would do. */
static void test_declined_tuples(void **state)
{
    is_long(*state, BYTES(HEAD BEGIN "K\0(tq\x10(tq\x11" END "e."));
    is_long(*state, BYTES(HEAD BEGIN "K\0(K\x06tq\x10(K\x01tq\x11" END "e."));
    is_long(*state, BYTES(HEAD BEGIN "K\0(K\x02K\x03tq\x10(K\x03K\x01tq\x11" END "e."));
}

/* One thing more than there should be is not passed over: a key that is none before one that is one,
 * a number that is no size behind those that are. */
static void test_declined_for_one_more(void **state)
{
    is_long(*state, BYTES(HEAD "h\x02((h\x03h\x04X\x02\0\0\0" "abh\x05h\x06K\x06tq\x0eQ"
                          "K\0))\x89h\x0a)Rq\x0ftq\x10Rq\x11" "e."));
    is_long(*state, BYTES(HEAD "h\x02((h\x03h\x04X\x02\0\0\0" "17h\x05h\x06K\x06tq\x0eQ"
                          "K\0))\x89h\x0a)Rq\x0ftq\x10Rq\x11" "e."));
    is_long(*state, BYTES(HEAD BEGIN "K\0K\x02K\x03J\xff\xff\xff\xff\x86q\x10K\x03K\x01\x86q\x11"
                          END "e."));
    is_long(*state, BYTES(HEAD BEGIN "K\0K\x02K\x03\x86q\x10K\x03K\x01J\0\0\0\x80\x86q\x11" END
                          "e."));
}

/* A key that is another part of a tensor in short is that part, and no key. */
static void test_key_that_is_a_part(void **state)
{
    for (char part = 15; part <= 19; part++) {
        char bytes[] = HEAD BEGIN SIZES END "h\x02((h\x03h\x04h?h\x06K\x06tq\x15QK\0))\x89h\x0a)Rq\x16tq"
                       "\x17Rq\x18" "e.";
        *strchr(bytes + sizeof HEAD BEGIN SIZES END - 1, '?') = part;
        Object *list = parse_short(*state, bytes, sizeof bytes - 1);
        const Object *node = list->list.items[2];
        assert_null(pickle_tensor(node));
        assert_null(pickle_tensor(list->list.items[1]));
        const Object *id = node->call->args->list.items[0]->persid.id[0];
        assert_int_not_equal(id->list.items[2]->kind, OBJ_STR);
    }
}

/* MEMOIZE counts what has a number: with tensors in short as many. */
static void test_numbers_that_are_counted(void **state)
{
    static const char bytes[] = HEAD BEGIN SIZES END "K\x07\x94h\x13" "e.";
    Object *list = parse_short(*state, bytes, sizeof bytes - 1);
    Object *full = parse(*state, bytes, sizeof bytes - 1);
    assert_non_null(full);
    assert_int_equal(full->list.items[3]->kind, OBJ_INT);
    assert_int_equal(list->list.items[3]->kind, OBJ_INT);
    assert_int_equal(list->list.items[3]->integer, 7);
}

/* Each tensor calls the function that was asked for, however often it is named. */
static void test_function_that_is_named_again(void **state)
{
    Object *list = parse_short(*state, BYTES(HEAD BEGIN SIZES END
        "ctorch._utils\n_rebuild_tensor_v2\nq\x15" "h\x15((h\x03h\x04h\x0eh\x06K\x06tq\x16QK\0))\x89"
        "h\x0a)Rq\x17tq\x18Rq\x19h\x02h\x15" "e."));
    Object **items = list->list.items;
    assert_non_null(pickle_tensor(items[1]));
    assert_non_null(pickle_tensor(items[3]));
    assert_ptr_equal(items[1]->call->callable, items[4]);
    assert_ptr_equal(items[3]->call->callable, items[5]);
    assert_ptr_not_equal(items[4], items[5]);
}

/* A class of which nothing is known, and a device that is no text. */
static void test_declined_classes(void **state)
{
    is_long(*state, BYTES(HEAD "h\x02((h\x03h\x02X\x02\0\0\0" "17q\x0eh\x06K\x06tq\x0fQ" SIZES END
                          "e."));
    is_long(*state, BYTES(HEAD "h\x02((h\x03h\x04X\x02\0\0\0" "17q\x0eh\x0aK\x06tq\x0fQ" SIZES END
                          "e."));
    is_long(*state, BYTES(HEAD BEGIN SIZES "\x89h\x04)Rq\x12tq\x13Rq\x14" "e."));
}

/* Errors are those of the opcodes, wherever it is cut. */
static void test_errors_are_the_same(void **state)
{
    static const char whole[] = HEAD BEGIN SIZES END "e.";
    Fixture *f = *state;
    for (size_t n = 0; n + 1 < sizeof whole - 1; n++) {
        Error brief = {0};
        ByteSource *source = source_from_memory(whole, n, "x.pkl");
        assert_null(pickle_read_tensors(f->arena, source, 0, NULL, &brief));
        source_unref(source);
        refuses(f, whole, n, ERR_FORMAT, "");
        assert_string_equal(brief.text, f->err.text);
    }
}

/* EXT4 stands where TUPLE0 would, were there one. */
static void test_no_tuple(void **state)
{
    static const char bytes[] = HEAD BEGIN "K\0\x84q\x10\x84q\x11" END "e.";
    Error err = {0};
    Fixture *f = *state;
    ByteSource *source = source_from_memory(bytes, sizeof bytes - 1, "x.pkl");
    assert_null(pickle_read_tensors(f->arena, source, 0, NULL, &err));
    assert_error_has(err, "extension code");
    source_unref(source);
}

/* The limit counts what is on the stack, and tensors are not in short where that might go beyond. */
static void test_limits_are_the_same(void **state)
{
    static const char whole[] = HEAD BEGIN SIZES END "e.";
    Fixture *f = *state;
    for (unsigned most = 1; most < 24; most++) {
        Error brief = {0};
        char setting[32];
        snprintf(setting, sizeof setting, "pickle-stack=%u", most);
        assert_true(limit_set(setting, NULL));
        f->err = (Error){0};
        ByteSource *source = source_from_memory(whole, sizeof whole - 1, "x.pkl");
        const Object *in_short = pickle_read_tensors(f->arena, source, 0, NULL, &brief);
        assert_int_equal(in_short != NULL, parse(f, whole, sizeof whole - 1) != NULL);
        assert_string_equal(brief.text, f->err.text);
        source_unref(source);
    }
    assert_true(limit_set("pickle-stack=16777216", NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_node),
        TEST(test_strides_offset_parameter),
        TEST(test_typed), TEST(test_typed_declined),
        TEST(test_shared_key),
        TEST(test_parts_that_are_asked_for),
        TEST(test_whole_that_is_asked_for),
        TEST(test_numbers_given_away),
        TEST(test_state),
        TEST(test_declined),
        TEST(test_declined_tuples),
        TEST(test_declined_for_one_more),
        TEST(test_key_that_is_a_part),
        TEST(test_numbers_that_are_counted),
        TEST(test_function_that_is_named_again),
        TEST(test_declined_classes),
        TEST(test_no_tuple),
        TEST(test_errors_are_the_same),
        TEST(test_limits_are_the_same),
    };
    return cmocka_run_group_tests_name("pickle_tensor", tests, NULL, NULL);
}
