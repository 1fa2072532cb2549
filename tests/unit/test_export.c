/* .pth output against files that PyTorch 2.13 wrote (tests/data/golden), and what plans refuse. */
#include "tests/unit/export_help.h"

#include <sys/stat.h>

#include "loader/export/metadata.h"
#include "loader/export/zip_writer.h"

static void test_round_trips(void **state)
{
    static const char *const names[] = {
        "dtypes.pth", "float4.pth", "views.pth", "names.pth", "surrogates.pth", "many.pth",
        "thousand.pth", "only.pth", "module.pth",
    };
    (void)state;
    for (size_t i = 0; i < countof(names); i++) expect_golden(names[i], NULL, names[i], NULL);
}

static void strip_module(Draft *draft)
{
    Error err = {0};
    const char *prefix = "module.";
    Origin origin = {"test.lua", 1};
    if (!draft_strip(draft, origin, &prefix, 1, false, false, &err)) fail_msg("%s", err.text);
}

/* `_metadata` included, as torch's consume_prefix_in_state_dict_if_present leaves it. */
static void test_data_parallel(void **state)
{
    (void)state;
    expect_golden("parallel_in.pth", strip_module, "parallel.pth", NULL);
}

static void test_parameters(void **state)
{
    (void)state;
    expect_golden("parameters_in.pth", NULL, "parameters.pth", NULL);
}

static void test_conjugate_and_negative(void **state)
{
    (void)state;
    expect_golden("lazy_in.pth", NULL, "lazy.pth", NULL);
}

/* Bytes that are neither 0 nor 1, in each of the three formats that are written. */
static void test_bools_are_0_or_1(void **state)
{
    static const char header[] = "{\"b\":{\"dtype\":\"BOOL\",\"shape\":[300],"
                                 "\"data_offsets\":[0,300]}}";
    static const char *const names[] = {"bools.safetensors", "bools.pth", "bools.npz"};
    (void)state;
    FILE *file = fopen(in_folder("odd.safetensors"), "w");
    for (size_t i = 0; i < 8; i++) fputc(i ? 0 : (int)sizeof header - 1, file);
    fputs(header, file);
    for (int i = 0; i < 300; i++) fputc(i & 0xFF, file);
    assert_int_equal(fclose(file), 0);
    for (size_t i = 0; i < countof(names); i++) {
        const ExportOptions options = {.buffer = i ? 0 : 100};      /* also piece by piece */
        unsigned char values[300];
        Error err = {0};
        Alignment *alignment = align_files(in_folder("odd.safetensors"), NULL, NULL);
        write_plan(alignment, NULL, in_folder(names[i]), &options);
        align_unref(alignment);
        Checkpoint *c = open_checkpoint(in_folder(names[i]));
        const Tensor *b = dict_find(checkpoint_choose(c, NULL, &err)->dict, "b");
        assert_true(source_read(b->storage->source, b->storage->offset + b->offset, values, 300,
                                &err));
        for (size_t j = 0; j < 300; j++) assert_int_equal(values[j], (j & 0xFF) != 0);
        checkpoint_unref(c);
    }
}

static void test_legacy(void **state)
{
    (void)state;
    expect_golden("legacy_in.pth", NULL, "legacy.pth", NULL);
}

static void test_under(void **state)
{
    const ExportOptions options = {.under = "model", .force = true};
    (void)state;
    expect_golden("under.pth", NULL, "under.pth", &options);
}

static void drop_all(Draft *draft)
{
    run_rules(draft, "** ->");
}

static void test_empty(void **state)
{
    (void)state;
    expect_golden("only.pth", drop_all, "empty.pth", NULL);
}

static void turn_two(Draft *draft)
{
    Op op = {.kind = OP_T};
    run_rules_with(draft, "base -> base\nrows -> rows\n** ->", 2, &op);
}

/* Computed tensors are contiguous, each in a storage of its own, whatever the buffer. */
static void test_computed(void **state)
{
    (void)state;
    for (size_t buffer = 1; buffer < 300; buffer += 37) {
        const ExportOptions options = {.buffer = buffer, .force = true};
        expect_golden("views.pth", turn_two, "computed.pth", &options);
    }
}

static void pick_views(Draft *draft)
{
    run_rules(draft, "base -> base\nagain -> again\nalias -> alias\nrows -> rows\n"
                     "turned -> turned\nslice -> slice\none -> one\n** ->");
}

/* What fills its storage stays as it is, ties included; views get storages of their own. */
static void test_compact(void **state)
{
    Error err = {0};
    (void)state;
    Alignment *alignment = align_files(GOLDEN "views.pth", NULL, pick_views);
    PlanOptions options = {.compact = true};
    Plan *plan = plan_new(alignment, &options, &err);
    assert_non_null(plan);
    static const char *const order[] = {"base", "again", "alias", "rows", "turned", "slice", "one"};
    PlanEntry sorted[countof(order)];
    assert_int_equal(plan->count, countof(order));
    for (size_t i = 0; i < countof(order); i++)
        for (size_t k = 0; k < plan->count; k++)
            if (strcmp(plan->entries[k].name, order[i]) == 0) sorted[i] = plan->entries[k];
    memcpy(plan->entries, sorted, sizeof sorted);
    const ExportOptions force = {.force = true};
    if (!export_write(plan, in_folder("compact.pth"), &force, NULL, &err)) fail_msg("%s", err.text);
    expect_same_file(in_folder("compact.pth"), GOLDEN "compact.pth");
    plan_free(plan);
    align_unref(alignment);
}

/* ---- targets ---- */

static const Object *metadata_of(const char *path, Checkpoint **checkpoint)
{
    Error err = {0};
    *checkpoint = open_checkpoint(path);
    const Container *container = checkpoint_choose(*checkpoint, NULL, &err);
    return container ? dict_torch_metadata(container->dict) : NULL;
}

static int64_t version_of(const Object *metadata, const char *module)
{
    const Object *entry = object_get(metadata, module);
    const Object *version = entry ? object_get(entry, "version") : NULL;
    return version ? version->integer : -1;
}

/* The target's names, order and `_metadata`; module.pth is such a target for parallel_in.pth,
 * and the values are the same, so the file is that of a plain conversion. */
static void test_target(void **state)
{
    Checkpoint *checkpoint;
    (void)state;
    Alignment *alignment = align_files(GOLDEN "parallel_in.pth", GOLDEN "module.pth", strip_module);
    ExportResult result = write_plan(alignment, NULL, in_folder("module.pth"),
                                     &(ExportOptions){.force = true, .sha256 = true});
    align_unref(alignment);
    expect_same_file(in_folder("module.pth"), GOLDEN "module.pth");
    assert_string_equal(result.format, "torch-zip");
    assert_int_equal(result.tensors, 18);
    struct stat info;
    assert_int_equal(stat(in_folder("module.pth"), &info), 0);
    assert_int_equal(result.bytes, info.st_size);
    assert_int_equal(strlen(result.sha256), 64);
    const Object *metadata = metadata_of(in_folder("module.pth"), &checkpoint);
    assert_int_equal(version_of(metadata, "bn1"), 2);
    checkpoint_unref(checkpoint);
}

static void expect_tied(const char *target, const char *golden)
{
    char like[300], wanted[300];
    snprintf(like, sizeof like, GOLDEN "%s", target);
    snprintf(wanted, sizeof wanted, GOLDEN "%s", golden);
    Alignment *alignment = align_files(GOLDEN "tied_in.pth", like, NULL);
    assert_int_equal(align_summary(alignment)->bind[BIND_TIED], 1);
    write_plan(alignment, NULL, in_folder(golden), &(ExportOptions){.force = true});
    expect_same_file(in_folder(golden), wanted);
    ExportResult result = write_plan(alignment, NULL, in_folder("tied.safetensors"),
                                     &(ExportOptions){.force = true});
    assert_int_equal(result.cloned, 1);
    align_unref(alignment);
}

/* What the target ties shares a storage, as two tensor objects; computed ones as well. */
static void test_tied_target(void **state)
{
    (void)state;
    expect_tied("tied_target.pth", "tied.pth");
    expect_tied("tied_half_target.pth", "tied_half.pth");
}

static void rename_modules(Draft *draft)
{
    Op op = {.kind = OP_COPY};
    run_rules_with(draft, "bn1.** -> stem.1.**, twin.**\nconv1.** -> stem.0.**\n"
                          "layers.2.** -> tail.**\nlayers.0.** ->\n"
                          "head.** -> body.layers.head.**", 1, &op);
}

static void test_metadata_follows_renames(void **state)
{
    Error err = {0};
    (void)state;
    Alignment *alignment = align_files(GOLDEN "module.pth", NULL, rename_modules);
    Plan *plan = plan_new(alignment, NULL, &err);
    if (!plan) fail_msg("%s", err.text);
    const Object *metadata = plan->torch_metadata;
    assert_int_equal(version_of(metadata, ""), 1);
    assert_int_equal(version_of(metadata, "stem.0"), 1);
    assert_int_equal(version_of(metadata, "stem.1"), 2);      /* BatchNorm is at version 2 */
    assert_int_equal(version_of(metadata, "twin"), 2);
    assert_int_equal(version_of(metadata, "tail.1"), 2);
    assert_int_equal(version_of(metadata, "tail"), 1);
    assert_int_equal(version_of(metadata, "relu"), 1);        /* has no tensors: stays */
    assert_int_equal(version_of(metadata, "body.layers.head"), 1);
    assert_int_equal(version_of(metadata, "bn1"), -1);
    assert_int_equal(version_of(metadata, "layers.0"), -1);   /* its tensors were dropped */
    assert_int_equal(version_of(metadata, "layers"), -1);     /* nothing is left in it */
    plan_free(plan);
    align_unref(alignment);
}

/* ---- refusals ---- */

static void expect_no_plan(const char *source, const char *target, Edit *edit, ErrorCode code,
                           const char *part)
{
    Error err = {0};
    Alignment *alignment = align_files(source, target, edit);
    Plan *plan = plan_new(alignment, NULL, &err);
    assert_null(plan);
    assert_int_equal(err.code, code);
    assert_error_has(err, part);
    align_unref(alignment);
}

static void collide(Draft *draft)
{
    run_rules(draft, "base -> x\nrows -> x");
}

static void keep_missing(Draft *draft)
{
    draft_policy(draft)->missing = MISSING_KEEP;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static void test_refused_plans(void **state)
{
    Error err = {0};
    (void)state;
    const char *schema = in_folder("schema.txt");
    write_text(schema, "only torch.Size([2])\nmore torch.Size([3])\n");
    expect_no_plan(GOLDEN "only.pth", schema, NULL, ERR_SHAPE, "'more' is missing");
    expect_no_plan(GOLDEN "only.pth", schema, keep_missing, ERR_SHAPE, "--omit-kept");
    expect_no_plan(schema, NULL, NULL, ERR_SHAPE, "schema");
    expect_no_plan(schema, NULL, NULL, ERR_SHAPE, "schema.txt: 'only' has no values");
    expect_no_plan(GOLDEN "views.pth", NULL, collide, ERR_RULE, "'x'");
    expect_no_plan(GOLDEN "only.pth", GOLDEN "views.pth", NULL, ERR_SHAPE, "more are open");

    Alignment *alignment = align_files(GOLDEN "only.pth", schema, keep_missing);
    ExportResult result = write_plan(alignment, &(PlanOptions){.omit_kept = true},
                                     in_folder("only.pth"), &(ExportOptions){.force = true});
    assert_int_equal(result.tensors, 1);
    expect_same_file(in_folder("only.pth"), GOLDEN "only.pth");
    Plan *plan = plan_new(alignment, NULL, &err);
    assert_null(plan);
    align_unref(alignment);
}

static void expect_no_export(const char *source, const char *path, const ExportOptions *options,
                             ErrorCode code, const char *part)
{
    Error err = {0};
    Alignment *alignment = align_files(source, NULL, NULL);
    Plan *plan = plan_new(alignment, NULL, &err);
    assert_non_null(plan);
    assert_false(export_write(plan, path, options, NULL, &err));
    if (err.code != code) fail_msg("code %d: %s", err.code, err.text);
    assert_error_has(err, part);
    plan_free(plan);
    align_unref(alignment);
}

static void test_refused_outputs(void **state)
{
    const ExportOptions force = {.force = true}, gguf = {.format = "gguf"};
    (void)state;
    const char *out = in_folder("out.pth");
    expect_no_export(GOLDEN "only.pth", in_folder("out.gguf"), NULL, ERR_USAGE, ".safetensors");
    expect_no_export(GOLDEN "only.pth", out, &gguf, ERR_USAGE, "gguf");
    write_text(out, "mine");
    expect_no_export(GOLDEN "only.pth", out, NULL, ERR_EXISTS, "--force");

    /* The source is safe under every name. */
    char *source = strdup(in_folder("only.pth"));
    Alignment *alignment = align_files(GOLDEN "only.pth", NULL, NULL);
    write_plan(alignment, NULL, source, &force);
    align_unref(alignment);
    assert_int_equal(symlink("only.pth", in_folder("soft.pth")), 0);
    assert_int_equal(link(source, in_folder("hard.pth")), 0);
    expect_no_export(source, source, &force, ERR_EXISTS, "source itself");
    expect_no_export(source, in_folder("soft.pth"), &force, ERR_EXISTS, "source itself");
    expect_no_export(source, in_folder("hard.pth"), &force, ERR_EXISTS, "source itself");
    expect_same_file(source, GOLDEN "only.pth");
    free(source);
}

/* ---- progress, names ---- */

typedef struct Watch {
    uint64_t last, total;
    unsigned calls, stop_at;
} Watch;

static bool watch(void *context, uint64_t done, uint64_t total)
{
    Watch *seen = context;
    assert_true(done >= seen->last && done <= total);
    seen->last = done;
    seen->total = total;
    return ++seen->calls != seen->stop_at;
}

static void test_progress(void **state)
{
    Watch seen = {0};
    Error err = {0};
    (void)state;
    Alignment *alignment = align_files(GOLDEN "module.pth", NULL, NULL);
    ExportOptions options = {.force = true, .progress = watch, .progress_context = &seen};
    write_plan(alignment, NULL, in_folder("watched.pth"), &options);
    assert_int_equal(seen.last, seen.total);
    assert_true(seen.total > 0);

    seen = (Watch){.stop_at = 3};
    Plan *plan = plan_new(alignment, NULL, &err);
    assert_false(export_write(plan, in_folder("stopped.pth"), &options, NULL, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_int_not_equal(access(in_folder("stopped.pth"), F_OK), 0);
    plan_free(plan);
    align_unref(alignment);
}

static void expect_archive(const char *path, const char *name)
{
    Text out = {0};
    zip_archive_name(path, &out);
    assert_string_equal(text_string(&out), name);
    text_done(&out);
}

static void test_archive_names(void **state)
{
    (void)state;
    expect_archive("net.pth", "net");
    expect_archive("a/b.c/my.model.v2.pth.tar", "my.model.v2.pth");
    expect_archive("noext", "noext");
    expect_archive("dir.d\\back.pt", "back");
    expect_archive(".ckpt", "archive");
    expect_archive("größe/net.pth", "archive");
}

static void test_formats(void **state)
{
    (void)state;
    assert_string_equal(export_format_of("a.pth"), "pth");
    assert_string_equal(export_format_of("x/a.b.pt"), "pth");
    assert_string_equal(export_format_of("a.bin"), "pth");
    assert_string_equal(export_format_of("a.ckpt"), "pth");
    assert_string_equal(export_format_of("a.pth.tar"), "pth");
    assert_string_equal(export_format_of("a.pth.safetensors"), "safetensors");
    assert_null(export_format_of("a.tar"));
    assert_string_equal(export_format_of("a.npz"), "npz");
    assert_null(export_format_of("folder.pth/a"));
}

/* A storage beyond 4 GiB and what follows it: zip64 in all its places. Big, so only when
 * TENON_BIG_TESTS is set; the numbers are what PyTorch's inline_container.cc
 * writes. */
static void test_zip64(void **state)
{
    const uint64_t size = UINT64_C(0x100000040);
    Error err = {0};
    uint32_t crc = 0;
    uint64_t data;
    (void)state;
    if (!getenv("TENON_BIG_TESTS")) skip();
    FILE *sparse = fopen(in_folder("sparse"), "w");
    assert_int_equal(ftruncate(fileno(sparse), (off_t)size), 0);
    fclose(sparse);
    ByteSource *source = source_open_file(in_folder("sparse"), &err);
    AtomicFile *file = atomic_open(in_folder("big.pth"), true, &err);
    ZipWriter *zip = zip_writer_new(file, "big", 1);
    assert_true(zip_writer_begin(zip, "data/0", size, &err));
    assert_true(atomic_copy(file, source, 0, size, &crc, &err));
    assert_true(zip_writer_end(zip, crc, &err));
    assert_true(zip_writer_record(zip, "data/1", "ab", 2, &err));
    assert_true(zip_writer_finish(zip, &err));
    zip_writer_free(zip);
    assert_true(atomic_commit(file, NULL, &err));
    source_unref(source);

    source = source_open_file(in_folder("big.pth"), &err);
    Zip *read = zip_open_archive(source, &err);
    if (!read) fail_msg("%s", err.text);
    assert_int_equal(zip_member(read, 0)->size, size);
    assert_true(zip_data_offset(read, zip_member(read, 0), &data, &err));
    assert_int_equal(data % 64, 0);
    assert_true(zip_data_offset(read, zip_member(read, 1), &data, &err));
    assert_int_equal(data % 64, 0);
    char bytes[26];
    assert_true(source_read(source, data, bytes, sizeof bytes, &err));
    assert_memory_equal(bytes, "abPK\7\10", 6);
    assert_memory_equal(bytes + 10, "\2\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 16);
    zip_unref(read);
    source_unref(source);
}

/* The id of an archive of one record. */
static void make_id(const char *name, const char *bytes, char digits[41])
{
    Error err = {0};
    AtomicFile *file = atomic_open(in_folder("id.pth"), true, &err);
    ZipWriter *zip = zip_writer_new(file, "id", 1);
    assert_true(zip_writer_record(zip, name, bytes, strlen(bytes), &err));
    zip_writer_digits(zip, digits);
    zip_writer_free(zip);
    atomic_discard(file);
}

static void test_ids_tell_apart(void **state)
{
    char one[41], other[41];
    (void)state;
    make_id("data/0", "ab", one);
    assert_int_equal(strspn(one, "0123456789"), 40);
    make_id("data/0", "ab", other);
    assert_string_equal(one, other);
    make_id("data/0", "ac", other);
    assert_memory_equal(one, other, 20);
    assert_string_not_equal(one, other);
    make_id("data/1", "ab", other);
    assert_string_equal(one + 20, other + 20);
    assert_string_not_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),     cmocka_unit_test(test_data_parallel),
        cmocka_unit_test(test_parameters),      cmocka_unit_test(test_conjugate_and_negative),
        cmocka_unit_test(test_bools_are_0_or_1),
        cmocka_unit_test(test_legacy),          cmocka_unit_test(test_under),
        cmocka_unit_test(test_empty),           cmocka_unit_test(test_computed),
        cmocka_unit_test(test_compact),         cmocka_unit_test(test_target),
        cmocka_unit_test(test_tied_target),
        cmocka_unit_test(test_metadata_follows_renames), cmocka_unit_test(test_refused_plans),
        cmocka_unit_test(test_refused_outputs), cmocka_unit_test(test_progress),
        cmocka_unit_test(test_archive_names),   cmocka_unit_test(test_formats),
        cmocka_unit_test(test_zip64),           cmocka_unit_test(test_ids_tell_apart),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
