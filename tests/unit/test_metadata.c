/* `_metadata` carried through renames: of what version a norm is whose counter is there, or not. The
 * rules of modules are looked at with PyTorch itself (tests/interop/test_export.py). */
#include "loader/export/metadata.h"
#include "tests/unit/test.h"

typedef struct Carried {
    Arena *arena;
    const Object *metadata;
} Carried;

/* A norm of that name ("" for the root), of version 2, with a weight and a counter, goes where the
 * changes say. */
static Carried carry(const char *norm, const NameChange *changes, size_t n)
{
    Arena *arena = arena_new();
    StateDict *source = dict_new();
    Object *metadata = object_new(arena, OBJ_DICT), *version = object_new(arena, OBJ_DICT);
    static const char *const tensors[] = {"weight", "num_batches_tracked"};
    for (size_t i = 0; i < countof(tensors); i++) {
        const char *name = arena_printf(arena, "%s%s%s", norm, *norm ? "." : "", tensors[i]);
        dict_add(source, &(Tensor){.name = name});
    }
    object_push(arena, version, object_str(arena, "version"));
    object_push(arena, version, object_int(arena, 2));
    object_push(arena, metadata, object_str(arena, norm));
    object_push(arena, metadata, version);
    const Carried carried = {arena, metadata_carry(arena, metadata, source, changes, n)};
    dict_unref(source);
    return carried;
}

static void has_version(const Carried *carried, const char *module, int version)
{
    const Object *value = object_get(carried->metadata, module);
    if (!value) fail_msg("nothing is said of '%s'", module);
    assert_int_equal(object_get(value, "version")->integer, version);
}

static void test_counters(void **state)
{
    (void)state;
    const NameChange both[] = {{"bn.weight", "norm.weight"},
                               {"bn.num_batches_tracked", "norm.num_batches_tracked"}};
    Carried carried = carry("bn", both, 2);
    has_version(&carried, "norm", 2);
    arena_free(carried.arena);
    carried = carry("bn", both, 1);
    has_version(&carried, "norm", 1);
    arena_free(carried.arena);
}

/* One norm that becomes two, of which one has the counter. */
static void test_counter_of_one_of_two(void **state)
{
    (void)state;
    const NameChange changes[] = {{"bn.weight", "a.weight"}, {"bn.weight", "b.weight"},
                                  {"bn.num_batches_tracked", "b.num_batches_tracked"}};
    Carried carried = carry("bn", changes, countof(changes));
    has_version(&carried, "a", 1);
    has_version(&carried, "b", 2);
    arena_free(carried.arena);
}

/* A norm that was saved alone has names without a dot. */
static void test_root(void **state)
{
    (void)state;
    const NameChange changes[] = {{"weight", "weight"},
                                  {"num_batches_tracked", "num_batches_tracked"}};
    Carried carried = carry("", changes, 2);
    has_version(&carried, "", 2);
    arena_free(carried.arena);
    carried = carry("", changes, 1);
    has_version(&carried, "", 1);
    arena_free(carried.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_counter_of_one_of_two),
        cmocka_unit_test(test_root),
    };
    return cmocka_run_group_tests_name("metadata", tests, NULL, NULL);
}
