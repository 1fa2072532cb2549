/* Paths of the object tree: as they are spelled, as people type them, and what is nowhere. */
#include "tests/unit/test.h"

#include "loader/format/graph.h"

static Object *put(Arena *arena, Object *dict, Object *key, Object *value)
{
    object_push(arena, dict, key);
    object_push(arena, dict, value);
    return value;
}

static Object *put_dict(Arena *arena, Object *dict, const char *key)
{
    return put(arena, dict, object_str(arena, key), object_new(arena, OBJ_DICT));
}

/* {'a': {'c': {}}, 'a.b': {}, 'q"x': {}, '3': {}, 3: {}, 'list': [{}, {'net': {}}], 'x': {'y.z': {}}} */
typedef struct Tree {
    Arena *arena;
    Object *root, *a, *c, *ab, *quoted, *text3, *three, *second, *net, *yz;
} Tree;

static Tree make_tree(void)
{
    Tree t = {.arena = arena_new()};
    Arena *arena = t.arena;
    t.root = object_new(arena, OBJ_DICT);
    t.a = put_dict(arena, t.root, "a");
    t.c = put_dict(arena, t.a, "c");
    t.ab = put_dict(arena, t.root, "a.b");
    t.quoted = put_dict(arena, t.root, "q\"x");
    t.text3 = put_dict(arena, t.root, "3");
    t.three = put(arena, t.root, object_int(arena, 3), object_new(arena, OBJ_DICT));
    Object *list =
        put(arena, t.root, object_str(arena, "list"), object_new(arena, OBJ_LIST));
    object_push(arena, list, object_new(arena, OBJ_DICT));
    object_push(arena, list, t.second = object_new(arena, OBJ_DICT));
    t.net = put_dict(arena, t.second, "net");
    t.yz = put_dict(arena, put_dict(arena, t.root, "x"), "y.z");
    return t;
}

static void test_spelt(void **state)
{
    Tree t = make_tree();
    (void)state;
    assert_ptr_equal(path_find(t.root, ""), t.root);
    assert_ptr_equal(path_find(t.root, "a"), t.a);
    assert_ptr_equal(path_find(t.root, "a.c"), t.c);
    assert_ptr_equal(path_find(t.root, "[\"a.b\"]"), t.ab);
    assert_ptr_equal(path_find(t.root, "[\"q\\\"x\"]"), t.quoted);
    assert_ptr_equal(path_find(t.root, "3"), t.text3);
    assert_ptr_equal(path_find(t.root, "[3]"), t.three);
    assert_ptr_equal(path_find(t.root, "list[1]"), t.second);
    assert_ptr_equal(path_find(t.root, "list[1].net"), t.net);
    assert_ptr_equal(path_find(t.root, "x[\"y.z\"]"), t.yz);
    arena_free(t.arena);
}

/* Keys with dots and quotes, without quotes round them. */
static void test_typed(void **state)
{
    Tree t = make_tree();
    (void)state;
    assert_ptr_equal(path_find(t.root, "a.b"), t.ab);
    assert_ptr_equal(path_find(t.root, "x.y.z"), t.yz);
    assert_ptr_equal(path_find(t.root, "q\"x"), t.quoted);
    assert_ptr_equal(path_find(t.root, "list.[1]"), NULL);
    arena_free(t.arena);
}

static void test_nowhere(void **state)
{
    static const char *const paths[] = {
        "b", "a.d", "a.c.e", "list[2]", "list[-1]", "list[1", "list[]", "list[x]", "[4]", "[",
        "list[99999999999999999999]", "list[1]net", ".", "a.", "[\"a.b\"", "a[0]", "list.net",
    };
    Tree t = make_tree();
    (void)state;
    for (size_t i = 0; i < countof(paths); i++)
        if (path_find(t.root, paths[i])) fail_msg("'%s' leads somewhere", paths[i]);
    assert_null(path_find(NULL, "a"));
    assert_null(path_find(NULL, ""));
    arena_free(t.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spelt), cmocka_unit_test(test_typed),
        cmocka_unit_test(test_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
