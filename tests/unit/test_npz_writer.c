/* .npz: members, headers and values as numpy.savez writes them (tests/interop/test_npz.py compares
 * with NumPy itself), and what is refused. */
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/export_help.h"

/* A member's bytes; free() them. */
static char *member_bytes(const char *path, const char *name, size_t *n)
{
    Error err = {0};
    ByteSource *source = source_open_file(path, &err);
    Zip *zip = zip_open_archive(source, &err);
    if (!zip) fail_msg("%s", err.text);
    const ZipMember *member = zip_find(zip, name);
    if (!member) fail_msg("there is no '%s'", name);
    assert_int_equal(member->method, 0);
    uint64_t data;
    assert_true(zip_data_offset(zip, member, &data, &err));
    assert_int_equal(data % 64, 0);
    ByteSource *bytes = zip_open_member(zip, member, &err);
    char *content = source_slurp(bytes, 1 << 20, n, &err);
    source_unref(bytes);
    zip_unref(zip);
    source_unref(source);
    return content;
}

static void expect_header(const char *path, const char *name, const char *dict, size_t values)
{
    size_t n;
    char *bytes = member_bytes(path, name, &n);
    assert_memory_equal(bytes, "\x93NUMPY\x01\0", 8);
    size_t length = (unsigned char)bytes[8] | (size_t)(unsigned char)bytes[9] << 8;
    assert_int_equal((10 + length) % 64, 0);
    assert_memory_equal(bytes + 10, dict, strlen(dict));
    for (size_t i = 10 + strlen(dict); i < 10 + length - 1; i++) assert_int_equal(bytes[i], ' ');
    assert_int_equal(bytes[10 + length - 1], '\n');
    assert_int_equal(n, 10 + length + values);
    free(bytes);
}

static const char *write_npz(const char *source, Edit *edit)
{
    Alignment *alignment = align_files(source, NULL, edit);
    const char *path = in_folder("out.npz");
    const ExportOptions force = {.force = true};
    ExportResult result = write_plan(alignment, NULL, path, &force);
    assert_string_equal(result.format, "npz");
    align_unref(alignment);
    return path;
}

static void test_headers(void **state)
{
    (void)state;
    const char *path = write_npz("tests/data/kinds/zip.pth", NULL);
    expect_header(path, "0.weight.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), }",
                  48);
    expect_header(path, "0.bias.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", 16);
    expect_header(path, "1.num_batches_tracked.npy",
                  "{'descr': '<i8', 'fortran_order': False, 'shape': (), }", 8);
}

static void test_values_are_row_major(void **state)
{
    (void)state;
    const char *path = write_npz("tests/data/kinds/zip.pth", NULL);
    Checkpoint *source = open_checkpoint("tests/data/kinds/zip.pth");
    const Tensor *tensor = dict_find(checkpoint_find_container(source, "")->dict, "0.weight");
    float want[12];
    size_t n;
    char *bytes = member_bytes(path, "0.weight.npy", &n);
    assert_true(tensor_read(tensor, NULL, NULL, want, NULL));
    assert_memory_equal(bytes + n - sizeof want, want, sizeof want);
    free(bytes);
    checkpoint_unref(source);
}

static void drop_all(Draft *draft)
{
    run_rules(draft, "** ->");
}

static void expect_refused(const char *source, const char *part, const ExportOptions *options)
{
    Error err = {0};
    Alignment *alignment = align_files(source, NULL, NULL);
    Plan *plan = plan_new(alignment, NULL, &err);
    assert_non_null(plan);
    const char *path = in_folder("refused.npz");
    assert_false(export_write(plan, path, options, NULL, &err));
    assert_error_has(err, part);
    assert_int_not_equal(access(path, F_OK), 0);
    plan_free(plan);
    align_unref(alignment);
}

static void test_what_numpy_lacks(void **state)
{
    (void)state;
    expect_refused("tests/data/golden/dtypes.pth", "npz cannot hold", NULL);
    expect_refused("tests/data/golden/surrogates.pth", "is no text that a zip can hold", NULL);
    const ExportOptions under = {.under = "x"};
    expect_refused("tests/data/kinds/zip.pth", "--under nests dicts", &under);
}

/* NumPy knows an empty archive by its first bytes. */
static void test_no_tensors(void **state)
{
    (void)state;
    size_t n;
    const char *path = write_npz("tests/data/kinds/zip.pth", drop_all);
    char *bytes = read_file(path, &n);
    assert_int_equal(n, 22);
    assert_memory_equal(bytes, "PK\5\6", 4);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers), cmocka_unit_test(test_values_are_row_major),
        cmocka_unit_test(test_what_numpy_lacks),
        cmocka_unit_test(test_no_tensors)};
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
