/* .safetensors output against files that the safetensors crate wrote (tests/data/golden), and
 * what the format cannot hold. */
#include "tests/unit/export_help.h"

#include <inttypes.h>

static void test_round_trips(void **state)
{
    static const char *const names[] = {"dtypes.safetensors", "names.safetensors",
                                        "views.safetensors"};
    (void)state;
    for (size_t i = 0; i < countof(names); i++) {
        ExportResult result = expect_golden(names[i], NULL, names[i], NULL);
        assert_int_equal(result.cloned, 0);
        assert_string_equal(result.format, "safetensors");
    }
}

/* Views are gathered, ties cloned and counted. */
static void test_from_torch(void **state)
{
    (void)state;
    ExportResult result = expect_golden("views.pth", NULL, "views.safetensors", NULL);
    assert_int_equal(result.cloned, 9);
    result = expect_golden("names.pth", NULL, "names.safetensors", NULL);
    assert_int_equal(result.cloned, 0);
}

static void drop_all(Draft *draft)
{
    run_rules(draft, "** ->");
}

static void test_empty(void **state)
{
    (void)state;
    expect_golden("only.pth", drop_all, "empty.safetensors", NULL);
}

static void test_buffers(void **state)
{
    (void)state;
    for (size_t buffer = 1; buffer < 400; buffer += 61) {
        const ExportOptions options = {.buffer = buffer, .force = true};
        expect_golden("views.pth", NULL, "views.safetensors", &options);
    }
}

/* A format that is named is kept; hashing takes the way through memory. */
static void test_metadata(void **state)
{
    static const char head[] = "{\"__metadata__\":{\"format\":\"mlx\"},";
    size_t n;
    (void)state;
    Alignment *alignment = align_files(GOLDEN "mlx_in.safetensors", NULL, NULL);
    const ExportOptions options = {.force = true, .sha256 = true};
    ExportResult result = write_plan(alignment, NULL, in_folder("mlx.safetensors"), &options);
    assert_int_equal(strlen(result.sha256), 64);
    expect_same_file(in_folder("mlx.safetensors"), GOLDEN "mlx_in.safetensors");
    char *bytes = read_file(in_folder("mlx.safetensors"), &n);
    assert_memory_equal(bytes + 8, head, sizeof head - 1);
    free(bytes);
    align_unref(alignment);
}

/* Writes a safetensors file by hand. */
static void put_safetensors(const char *path, const char *header, size_t values)
{
    FILE *file = fopen(path, "w");
    uint64_t n = strlen(header);
    for (unsigned i = 0; i < 8; i++) fputc((int)(n >> (8 * i) & 0xFF), file);
    fputs(header, file);
    for (size_t i = 0; i < values; i++) fputc((int)i, file);
    assert_int_equal(fclose(file), 0);
}

/* The crate's own order of several metadata entries is that of a hash map; ours is sorted. */
static void test_sorted_metadata(void **state)
{
    static const char wanted[] =
        "{\"__metadata__\":{\"a\":\"1\",\"format\":\"pt\",\"z\":\"\\u0001/\"},"
        "\"w\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}";
    size_t n;
    (void)state;
    put_safetensors(in_folder("many_in.safetensors"),
                    "{\"__metadata__\":{\"z\":\"\\u0001\\/\",\"a\":\"1\"},"
                    "\"w\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2);
    Alignment *alignment = align_files(in_folder("many_in.safetensors"), NULL, NULL);
    write_plan(alignment, NULL, in_folder("many.safetensors"), NULL);
    char *bytes = read_file(in_folder("many.safetensors"), &n);
    assert_memory_equal(bytes + 8, wanted, sizeof wanted - 1);
    assert_int_equal(n % 8, 2);
    free(bytes);
    align_unref(alignment);
}

/* Packed types are copied as they are; F4 keeps the header's doubled shape. */
static void test_packed(void **state)
{
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"six\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[0,3]},"
        "\"four\":{\"dtype\":\"F4\",\"shape\":[2,4],\"data_offsets\":[3,7]}}    ";
    (void)state;
    _Static_assert((sizeof header - 1) % 8 == 0, "padded as a writer pads");
    put_safetensors(in_folder("packed_in.safetensors"), header, 7);
    Alignment *alignment = align_files(in_folder("packed_in.safetensors"), NULL, NULL);
    write_plan(alignment, NULL, in_folder("packed.safetensors"), NULL);
    expect_same_file(in_folder("packed.safetensors"), in_folder("packed_in.safetensors"));
    align_unref(alignment);

    alignment = align_files(GOLDEN "float4.pth", NULL, NULL);
    write_plan(alignment, NULL, in_folder("float4.safetensors"), NULL);
    align_unref(alignment);
    alignment = align_files(in_folder("float4.safetensors"), NULL, NULL);
    write_plan(alignment, NULL, in_folder("float4.pth"), NULL);
    expect_same_file(in_folder("float4.pth"), GOLDEN "float4.pth");
    align_unref(alignment);
}

static void expect_refused(const char *source, const char *suffix, const ExportOptions *options,
                           const char *part, const char *remedy)
{
    char name[64];
    Error err = {0};
    snprintf(name, sizeof name, "refused.%s", suffix);
    Alignment *alignment = align_files(source, NULL, NULL);
    Plan *plan = plan_new(alignment, NULL, &err);
    if (!plan) fail_msg("%s", err.text);
    assert_false(export_write(plan, in_folder(name), options, NULL, &err));
    assert_error_has(err, name);
    assert_error_has(err, part);
    assert_error_has(err, remedy);
    assert_int_not_equal(access(in_folder(name), F_OK), 0);
    plan_free(plan);
    align_unref(alignment);
}

static void rename_to_metadata(Draft *draft)
{
    run_rules(draft, "only -> __metadata__");
}

static void test_refusals(void **state)
{
    const ExportOptions under = {.under = "model"};
    Error err = {0};
    (void)state;
    expect_refused(GOLDEN "dtypes.pth", "safetensors", NULL, "c128", "cast(\"c64\")");
    expect_refused(GOLDEN "surrogates.pth", "safetensors", NULL, "UTF-8", ".pth");
    expect_refused(GOLDEN "only.pth", "safetensors", &under, "--under", ".pth");
    put_safetensors(in_folder("f6.safetensors"),
                    "{\"six\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[0,3]}}", 3);
    expect_refused(in_folder("f6.safetensors"), "pth", NULL, "'six'", "write .safetensors");

    Alignment *alignment = align_files(GOLDEN "only.pth", NULL, rename_to_metadata);
    Plan *plan = plan_new(alignment, NULL, &err);
    assert_false(export_write(plan, in_folder("meta.safetensors"), NULL, NULL, &err));
    assert_error_has(err, "rename it");
    plan_free(plan);
    align_unref(alignment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips), cmocka_unit_test(test_from_torch),
        cmocka_unit_test(test_empty),       cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_metadata),    cmocka_unit_test(test_sorted_metadata),
        cmocka_unit_test(test_packed),      cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
