/* What is seen of a file while it is being read, against what comes of it. */
#include "tests/unit/open_as.h"

#include <stdio.h>
#include <stdlib.h>

#include "loader/core/job.h"
#include "loader/format/pickle.h"
#include "loader/tensor/glimpse.h"

/* A string literal as bytes and length, without its closing NUL. */
#define BYTES(literal) (literal), sizeof(literal) - 1

/* The names of the dict that is chosen, in their order and with their shapes. */
static void expect_all(const char *path, bool shapes)
{
    Error err = {0};
    Glimpse *glimpse = glimpse_new();
    assert_null(glimpse_set(glimpse));
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    assert_ptr_equal(glimpse_set(NULL), glimpse);
    if (!checkpoint) fail_msg("%s", err.text);
    const StateDict *dict = checkpoint_choose(checkpoint, NULL, NULL)->dict;
    assert_int_equal(glimpse_count(glimpse), dict_count(dict));
    for (size_t i = 0; i < dict_count(dict); i++) {
        const GlimpseName *seen = glimpse_at(glimpse, i);
        const Tensor *tensor = dict_at(dict, i);
        assert_string_equal(seen->name, tensor->name);
        assert_int_equal(seen->dims != NULL, shapes);
        if (!shapes) continue;
        assert_int_equal(seen->rank, tensor->rank);
        if (tensor->rank)
            assert_memory_equal(seen->dims, tensor->dims, tensor->rank * sizeof *tensor->dims);
    }
    checkpoint_unref(checkpoint);
    glimpse_free(glimpse);
}

static void test_formats(void **state)
{
    (void)state;
    expect_all("tests/data/kinds/plain.safetensors", true);
    expect_all("tests/data/kinds/schema.json", true);
    expect_all("tests/data/kinds/listing.txt", true);
    expect_all("tests/data/kinds/zip.pth", true);
    expect_all("tests/data/kinds/legacy.pth", true);
    expect_all("tests/data/demo/pretrain.pth", true);
    expect_all("tests/data/gguf/types.gguf", true);
    expect_all("tests/data/kinds/sharded-safetensors/model.safetensors.index.json", false);
}

static Glimpse *glimpse_of(const char *path)
{
    Error err = {0};
    Glimpse *glimpse = glimpse_new();
    glimpse_set(glimpse);
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    glimpse_set(NULL);
    if (!checkpoint) fail_msg("%s", err.text);
    checkpoint_unref(checkpoint);
    return glimpse;
}

/* A module that was pickled whole has no paths while it is read; moments of an optimizer are no
 * names. */
static void test_no_paths(void **state)
{
    (void)state;
    Glimpse *glimpse = glimpse_of("tests/data/pickled/module.pth");
    assert_int_equal(glimpse_count(glimpse), 0);
    glimpse_free(glimpse);
    glimpse = glimpse_of("tests/data/kinds/training.ckpt");
    assert_true(glimpse_count(glimpse) > 0);
    for (size_t i = 0; i < glimpse_count(glimpse); i++)
        assert_null(strstr(glimpse_at(glimpse, i)->name, "exp_avg"));
    glimpse_free(glimpse);
}

/* Of a file that is refused in the end, what was read before. */
static void test_refused(void **state)
{
    (void)state;
    static const char text[] = "{\"tensors\":[{\"key\":\"a\",\"shape\":[2]},{\"key\":\"a\"}]}";
    extern const Format format_schema_json;
    Error err = {0};
    Glimpse *glimpse = glimpse_new();
    glimpse_set(glimpse);
    assert_null(open_as(&format_schema_json, "x.json", text, sizeof text - 1, &err));
    glimpse_set(NULL);
    assert_error_has(err, "stands twice");
    assert_int_equal(glimpse_count(glimpse), 1);
    assert_string_equal(glimpse_at(glimpse, 0)->name, "a");
    glimpse_free(glimpse);
}

/* A pickle of {'a.b': value}, of whose value these are the opcodes. */
static Glimpse *glimpse_of_value(const char *value, size_t n)
{
    Arena *arena = arena_new();
    Text pickle = {0};
    Error err = {0};
    text_addn(&pickle, BYTES("\x80\x02}X\x03\0\0\0a.b"));
    text_addn(&pickle, value, n);
    text_add(&pickle, "s.");
    ByteSource *source = source_from_memory(pickle.bytes, pickle.length, "x.pkl");
    Glimpse *glimpse = glimpse_new();
    glimpse_set(glimpse);
    if (!pickle_read(arena, source, 0, NULL, &err)) fail_msg("%s", err.text);
    glimpse_set(NULL);
    source_unref(source);
    text_done(&pickle);
    arena_free(arena);
    return glimpse;
}

/* A tensor on the meta device, of sizes 2 and 3 and strides 3 and 1. */
#define META "ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat32\nK\x02K\x03\x86" \
             "K\x03K\x01\x86\x89tR"
#define PARAMETER "ctorch._utils\n_rebuild_parameter\n"

static void shows_two_by_three(const char *value, size_t n)
{
    Glimpse *glimpse = glimpse_of_value(value, n);
    assert_int_equal(glimpse_count(glimpse), 1);
    const GlimpseName *seen = glimpse_at(glimpse, 0);
    assert_string_equal(seen->name, "a.b");
    assert_int_equal(seen->rank, 2);
    assert_int_equal(seen->dims[0], 2);
    assert_int_equal(seen->dims[1], 3);
    glimpse_free(glimpse);
}

static void test_sizes(void **state)
{
    (void)state;
    shows_two_by_three(BYTES(META));
    shows_two_by_three(BYTES(PARAMETER "(" META "\x89" "ccollections\nOrderedDict\n)RtR"));
    shows_two_by_three(BYTES("ctorch._utils\n_rebuild_qtensor\n(NK\0K\x02K\x03\x86K\x03K\x01\x86"
                             "NtR"));
    Glimpse *glimpse = glimpse_of_value(BYTES("ctorch._utils\n_rebuild_sparse_tensor\n(NNtR"));
    assert_null(glimpse_at(glimpse, 0)->dims);
    glimpse_free(glimpse);
}

/* Parameters of parameters, which nobody writes, are not followed: a million entries may have the
 * same million. */
static void test_parameters_within(void **state)
{
    (void)state;
    Text value = {0};
    for (int i = 0; i < 20; i++) text_add(&value, PARAMETER);
    text_addn(&value, BYTES(META));
    for (int i = 0; i < 20; i++) text_add(&value, "\x85R");
    Glimpse *glimpse = glimpse_of_value(value.bytes, value.length);
    assert_int_equal(glimpse_count(glimpse), 0);
    glimpse_free(glimpse);
    text_done(&value);
}

/* Only the first are kept, and of a long name only its beginning. */
static void test_bounds(void **state)
{
    (void)state;
    char name[5000];
    Glimpse *glimpse = glimpse_new();
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    glimpse_add("nobody looks", NULL, 0);
    glimpse_step(1, 2);
    assert_int_equal(glimpse_count(glimpse), 0);
    assert_int_equal(glimpse_percent(glimpse), -1);
    glimpse_set(glimpse);
    for (size_t i = 0; i < 3 * GLIMPSE_NAMES; i++) glimpse_add(name, NULL, 0);
    glimpse_step(UINT64_MAX / 2, UINT64_MAX);
    assert_int_equal(glimpse_percent(glimpse), 50);
    glimpse_step(2, 1);
    glimpse_set(NULL);
    assert_int_equal(glimpse_percent(glimpse), 100);
    assert_int_equal(glimpse_count(glimpse), 3 * GLIMPSE_NAMES);
    assert_true(strlen(glimpse_at(glimpse, GLIMPSE_NAMES - 1)->name) < sizeof name - 1);
    glimpse_free(glimpse);
}

/* Adds names of which each says its own number, and has it as its shape. */
static bool add_names(Job *job, void *context, Error *err)
{
    (void)job, (void)err;
    glimpse_set(context);
    for (int64_t i = 0; i < 5 * GLIMPSE_NAMES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d", (int)i);
        glimpse_add(name, &i, 1);
    }
    glimpse_set(NULL);
    return true;
}

/* Whoever looks on sees whole names alone: clang's thread sanitizer looks at this one too. */
static void test_beside(void **state)
{
    (void)state;
    Glimpse *glimpse = glimpse_new();
    Job *job = job_start(add_names, glimpse);
    bool ended;
    do {
        ended = job_poll(job, NULL, NULL);
        const size_t n = glimpse_count(glimpse);
        for (size_t i = 0; i < n && i < GLIMPSE_NAMES; i++) {
            const GlimpseName *seen = glimpse_at(glimpse, i);
            assert_int_equal(atoi(seen->name), i);
            assert_int_equal(seen->dims[0], i);
        }
    } while (!ended);
    assert_int_equal(glimpse_count(glimpse), 5 * GLIMPSE_NAMES);
    job_free(job, NULL);
    glimpse_free(glimpse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats), cmocka_unit_test(test_no_paths),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_beside), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_parameters_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
