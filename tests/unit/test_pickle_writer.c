/* The pickle writer against CPython's own pickler: tests/data/golden/pickles.txt holds length
 * and CRC-32 of what CPython 3.11 wrote for the same objects (make_golden.py, plain_objects). */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#include <zlib.h>

#include "loader/export/pickle_writer.h"

static Arena *arena;

static int make_arena(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* ---- objects ---- */

static Object *none(void)
{
    return object_new(arena, OBJ_NONE);
}

static Object *boolean(bool value)
{
    Object *object = object_new(arena, OBJ_BOOL);
    object->boolean = value;
    return object;
}

static Object *integer(int64_t value)
{
    return object_int(arena, value);
}

static Object *real(double value)
{
    Object *object = object_new(arena, OBJ_FLOAT);
    object->number = value;
    return object;
}

static Object *big(const char *bytes, size_t n)
{
    Object *object = object_new(arena, OBJ_BIGINT);
    object->bytes.text = arena_copy(arena, bytes, n);
    object->bytes.n = n;
    return object;
}

static Object *text(const char *name)
{
    return object_str(arena, name);
}

static Object *container(ObjectKind kind, size_t n, ...)
{
    Object *object = object_new(arena, kind);
    va_list args;
    va_start(args, n);
    for (size_t i = 0; i < n; i++) object_push(arena, object, va_arg(args, Object *));
    va_end(args);
    return object;
}

static Object *ordered(Object *items)
{
    Object *object = object_new(arena, OBJ_CALL), *class = object_new(arena, OBJ_GLOBAL);
    class->global.module = "collections";
    class->global.name = "OrderedDict";
    object->call = arena_alloc(arena, sizeof *object->call);
    object->call->callable = class;
    object->call->args = object_new(arena, OBJ_TUPLE);
    object->call->map = items;
    return object;
}

static Object *counting_dict(int64_t n)
{
    Object *dict = object_new(arena, OBJ_DICT);
    for (int64_t i = 0; i < n; i++) {
        object_push(arena, dict, integer(i));
        object_push(arena, dict, integer(i));
    }
    return dict;
}

static Object *counting_list(int64_t n)
{
    Object *list = object_new(arena, OBJ_LIST);
    for (int64_t i = 0; i < n; i++) object_push(arena, list, integer(i));
    return list;
}

/* ---- what CPython wrote ---- */

static void expect_like_python(const char *name, const Object *object)
{
    char line[128], known[64];
    size_t length = 0;
    unsigned crc = 0;
    bool found = false;
    FILE *file = fopen("tests/data/golden/pickles.txt", "r");
    assert_non_null(file);
    while (!found && fgets(line, sizeof line, file))
        found = sscanf(line, "%63s %zu %x", known, &length, &crc) == 3 && strcmp(known, name) == 0;
    fclose(file);
    if (!found) fail_msg("no pickle '%s' in pickles.txt", name);

    assert_true(pickle_object_is_plain(object) || object->kind == OBJ_DICT ||
                object->kind == OBJ_CALL);
    PickleWriter *writer = pickle_writer_new();
    pickle_put_object(writer, object);
    pickle_put_op(writer, PICKLE_STOP);
    const Text *out = pickle_writer_bytes(writer);
    if (out->length != length) fail_msg("%s: %zu bytes, Python %zu", name, out->length, length);
    unsigned own = (unsigned)crc32_z(0, (const Bytef *)out->bytes, out->length);
    if (own != crc) fail_msg("%s: other bytes than Python's", name);
    pickle_writer_free(writer);
}

static void test_scalars(void **state)
{
    static const int64_t values[] = {
        0, 1, 255, 256, 65535, 65536, -1, INT32_MAX, INT32_MIN, INT64_C(1) << 31,
        -(INT64_C(1) << 31) - 1, (INT64_C(1) << 39) - 1, INT64_C(1) << 39, -(INT64_C(1) << 39),
        INT64_MAX, INT64_MIN,
    };
    Object *list = container(OBJ_LIST, 3, none(), boolean(true), boolean(false));
    (void)state;
    for (size_t i = 0; i < countof(values); i++) object_push(arena, list, integer(values[i]));
    /* 2**63 and -2**70, the latter with sign bytes that CPython would not write */
    object_push(arena, list, big("\0\0\0\0\0\0\0\x80\0", 9));
    object_push(arena, list, big("\0\0\0\0\0\0\0\0\xC0\xFF\xFF", 11));
    object_push(arena, list, real(1.5));
    object_push(arena, list, real(-0.0));
    expect_like_python("scalars", list);
}

/* '' and characters up to U+00FF are known by value, other strings by identity. */
static void test_strings(void **state)
{
    Object *shared = text("shared");
    (void)state;
    expect_like_python("strings",
                       container(OBJ_LIST, 11, text(""), text("a"), text(""), text("a"),
                                 text("é"), text("é"), text("Ā"), text("Ā"), shared, shared,
                                 text("shared")));
}

static void test_tuples(void **state)
{
    Object *one = integer(1), *two = integer(2), *three = integer(3), *four = integer(4);
    (void)state;
    expect_like_python("tuples",
                       container(OBJ_LIST, 5, container(OBJ_TUPLE, 0), container(OBJ_TUPLE, 1, one),
                                 container(OBJ_TUPLE, 2, one, two),
                                 container(OBJ_TUPLE, 3, one, two, three),
                                 container(OBJ_TUPLE, 4, one, two, three, four)));
}

static void test_shared_nodes(void **state)
{
    Object *one = container(OBJ_DICT, 2, text("n"), integer(1));
    (void)state;
    expect_like_python("shared",
                       container(OBJ_LIST, 3, one, one,
                                 ordered(container(OBJ_DICT, 2, text("n"), integer(1)))));
}

/* A dict proper that fills its batches is followed by an empty batch; an OrderedDict is not. */
static void test_batches(void **state)
{
    (void)state;
    expect_like_python("dict1", container(OBJ_DICT, 2, text("a"), integer(1)));
    expect_like_python("dict1000", counting_dict(1000));
    expect_like_python("dict1001", counting_dict(1001));
    expect_like_python("ordered1000", ordered(counting_dict(1000)));
    expect_like_python("ordered1001", ordered(counting_dict(1001)));
    expect_like_python("list1", container(OBJ_LIST, 1, integer(1)));
    expect_like_python("list1000", counting_list(1000));
    expect_like_python("list1001", counting_list(1001));
}

static void test_nesting(void **state)
{
    Object *c = container(OBJ_DICT, 2, text("c"), container(OBJ_TUPLE, 0));
    Object *b = container(OBJ_DICT, 2, text("b"), container(OBJ_LIST, 1, c));
    Object *empty = container(OBJ_LIST, 3, container(OBJ_DICT, 0), container(OBJ_LIST, 0),
                              ordered(NULL));
    (void)state;
    expect_like_python("nested",
                       container(OBJ_DICT, 4, text("a"), b, text("empty"), empty));
}

/* ---- what is no plain data ---- */

static void test_hostile_objects(void **state)
{
    Object *cycle = container(OBJ_LIST, 0), *deep = container(OBJ_LIST, 0);
    Object *wide = container(OBJ_LIST, 0), *call = ordered(NULL);
    (void)state;
    object_push(arena, cycle, cycle);
    assert_false(pickle_object_is_plain(cycle));
    for (int i = 0; i < 40; i++) deep = container(OBJ_LIST, 1, deep);
    assert_false(pickle_object_is_plain(deep));
    /* 2 to the 30th nodes when walked without a limit */
    for (int i = 0; i < 30; i++) wide = container(OBJ_LIST, 2, wide, wide);
    assert_false(pickle_object_is_plain(wide));
    call->call->callable->global.module = "os";
    call->call->callable->global.name = "system";
    assert_false(pickle_object_is_plain(call));
    assert_false(pickle_object_is_plain(container(OBJ_DICT, 2, container(OBJ_LIST, 0), none())));
    assert_false(pickle_object_is_plain(object_new(arena, OBJ_PERSID)));
    assert_true(pickle_object_is_plain(ordered(container(OBJ_DICT, 2, text("v"), integer(2)))));
}

static void expect_str(const char *name, const char *bytes, size_t n)
{
    PickleWriter *writer = pickle_writer_new();
    pickle_put_str(writer, name, NULL);
    const Text *out = pickle_writer_bytes(writer);
    assert_int_equal(out->length, 2 + 5 + n + 2);
    assert_int_equal((unsigned char)out->bytes[3], n);
    assert_memory_equal(out->bytes + 7, bytes, n);
    pickle_writer_free(writer);
}

/* Held names as CPython's surrogatepass writes them. */
static void test_odd_names(void **state)
{
    (void)state;
    expect_str("a\xC0\x80" "b", "a\0b", 3);
    expect_str("\xED\xA0\x80x", "\xED\xA0\x80x", 4);
    expect_str("stray \xFF", "stray \xED\xB3\xBF", 9);
}

static bool gather(void *context, const void *bytes, size_t n)
{
    text_addn(context, bytes, n);
    return true;
}

static bool refuse(void *context, const void *bytes, size_t n)
{
    (void)bytes, (void)n;
    ++*(int *)context;
    return false;
}

/* Far more than a piece, and much of it known from before. */
static void put_many(PickleWriter *writer)
{
    char name[32];
    const uint32_t first = pickle_put_new_str(writer, "first");
    pickle_put_op(writer, PICKLE_MARK);
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "layers.%d.weight", i);
        pickle_put_str(writer, name, NULL);
        pickle_put_again(writer, first);
        pickle_put_global(writer, "torch", i % 2 ? "FloatStorage" : "HalfStorage");
    }
    pickle_put_op(writer, PICKLE_STOP);
}

/* What is sent in pieces is what would have been kept; whoever fails is not asked again. */
static void test_pieces(void **state)
{
    (void)state;
    uint64_t sent = 0;
    int asked = 0;
    Text got = {0};
    PickleWriter *kept = pickle_writer_new(), *streamed = pickle_writer_new(),
                 *failed = pickle_writer_new();
    pickle_writer_stream(streamed, gather, &got);
    pickle_writer_stream(failed, refuse, &asked);
    put_many(kept);
    put_many(streamed);
    put_many(failed);
    const Text *whole = pickle_writer_bytes(kept);
    assert_true(got.length > whole->length / 2);
    assert_true(pickle_writer_bytes(streamed)->room < whole->length / 2);
    assert_true(pickle_writer_finish(streamed, &sent));
    assert_int_equal(sent, whole->length);
    assert_int_equal(got.length, whole->length);
    assert_memory_equal(got.bytes, whole->bytes, got.length);
    assert_false(pickle_writer_finish(failed, &sent));
    assert_int_equal(sent, whole->length);
    assert_int_equal(asked, 1);
    text_done(&got);
    pickle_writer_free(kept);
    pickle_writer_free(streamed);
    pickle_writer_free(failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),      cmocka_unit_test(test_strings),
        cmocka_unit_test(test_tuples),       cmocka_unit_test(test_shared_nodes),
        cmocka_unit_test(test_batches),      cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_hostile_objects), cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
