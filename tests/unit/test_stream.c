/* Values on their way out: the same bytes for any number of threads and any buffer. */
#include "tests/unit/export_help.h"

#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

#include <zlib.h>

#include "loader/core/crc.h"
#include "loader/core/memory.h"
#include "loader/export/atomic.h"

enum { ROWS = 700, COLUMNS = 301 };      /* no power of two, and more than a task's least size */

/* A safetensors file of f32, bool and u8 tensors, large and small; `extra` more of them. */
static void make_source(const char *path, int extra)
{
    Text header = {0};
    uint64_t at = 0;
    text_add(&header, "{");
    for (int i = 0; i < 6 + extra; i++) {
        const int64_t rows = i % 3 == 2 ? 3 : ROWS + i;
        const char *dtype = i == 4 ? "BOOL" : "F32";
        const uint64_t n = (uint64_t)rows * COLUMNS * (i == 4 ? 1 : 4);
        text_addf(&header, "%s\"t%d\":{\"dtype\":\"%s\",\"shape\":[%lld,%d],\"data_offsets\":[%llu,%llu]}",
                  i ? "," : "", i, dtype, (long long)rows, COLUMNS, (unsigned long long)at,
                  (unsigned long long)(at + n));
        at += n;
    }
    text_add(&header, "}");
    while (header.length % 8) text_addc(&header, ' ');
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int i = 0; i < 8; i++) fputc((int)(header.length >> 8 * i & 0xFF), file);
    fwrite(header.bytes, 1, header.length, file);
    for (uint64_t i = 0; i < at; i++) fputc((int)(i * 131 % 61 + (i >> 9) % 3), file);   /* finite */
    assert_int_equal(fclose(file), 0);
    text_done(&header);
}

static const Op cast_f16 = {.kind = OP_CAST, .dtype = DT_F16};
static const Op turn = {.kind = OP_T};

static void keep(Draft *draft)
{
    (void)draft;
}

static void cast_all(Draft *draft)
{
    run_rules_with(draft, "* -> c.*", 1, &cast_f16);
}

static void turn_all(Draft *draft)
{
    run_rules_with(draft, "* -> c.*", 1, &turn);
}

/* Writes with those options; the bytes. */
static char *write_with(const char *source, Edit *edit, const char *name, size_t buffer,
                        unsigned threads, CastLosses *losses, size_t *n)
{
    const ExportOptions options = {.force = true, .buffer = buffer, .threads = threads,
                                   .losses = losses};
    Alignment *alignment = align_files(source, NULL, edit);
    write_plan(alignment, NULL, in_folder(name), &options);
    align_unref(alignment);
    return read_file(in_folder(name), n);
}

/* From both kinds of sources into all kinds of outputs: threads and buffers change nothing. */
static void test_same_bytes(void **state)
{
    static const char *const outs[] = {"o.safetensors", "o.pth", "o.npz"};
    static Edit *const edits[] = {keep, cast_all, turn_all};
    static const size_t buffers[] = {64 << 10, 1 << 20, 0};
    char sources[2][300];
    size_t n, wanted;
    (void)state;
    snprintf(sources[0], sizeof sources[0], "%s", in_folder("s.safetensors"));
    snprintf(sources[1], sizeof sources[1], "%s", in_folder("s.pth"));
    make_source(sources[0], 0);
    free(write_with(sources[0], keep, "s.pth", 0, 1, NULL, &n));
    for (size_t i = 0; i < 2 * countof(outs) * countof(edits); i++) {
        const char *source = sources[i % 2], *out = outs[i / 2 % countof(outs)];
        Edit *edit = edits[i / 2 / countof(outs)];
        char *one = write_with(source, edit, out, 0, 1, NULL, &wanted);
        for (unsigned threads = 1; threads <= 8; threads = threads == 2 ? 8 : threads + 1) {
            char *many = write_with(source, edit, out, buffers[i % 3], threads, NULL, &n);
            assert_int_equal(n, wanted);
            assert_memory_equal(many, one, n);
            free(many);
        }
        free(one);
    }
}

/* Every member's CRC, reused or made, is that of its bytes. */
static void test_crcs(void **state)
{
    Error err = {0};
    size_t n;
    (void)state;
    make_source(in_folder("c.safetensors"), 0);
    free(write_with(in_folder("c.safetensors"), cast_all, "made.pth", 64 << 10, 3, NULL, &n));
    free(write_with(in_folder("made.pth"), keep, "kept.pth", 0, 2, NULL, &n));
    for (int i = 0; i < 2; i++) {
        ByteSource *source = source_open_file(in_folder(i ? "kept.pth" : "made.pth"), &err);
        Zip *zip = zip_open_archive(source, &err);
        assert_non_null(zip);
        for (size_t k = 0; k < zip_count(zip); k++) {
            ByteSource *member = zip_open_member(zip, zip_member(zip, k), &err);
            char *bytes = source_slurp(member, 64 << 20, &n, &err);
            assert_int_equal(zip_member(zip, k)->crc, crc32(0, (const Bytef *)bytes, (uInt)n));
            free(bytes);
            source_unref(member);
        }
        zip_unref(zip);
        source_unref(source);
    }
}

/* What casts lost does not hang on who made which piece. */
static void test_losses(void **state)
{
    CastLosses one[6] = {0}, many[6] = {0};
    size_t n;
    (void)state;
    make_source(in_folder("l.safetensors"), 0);
    free(write_with(in_folder("l.safetensors"), cast_all, "l.npz", 0, 1, one, &n));
    free(write_with(in_folder("l.safetensors"), cast_all, "l.npz", 64 << 10, 4, many, &n));
    assert_true(one[0].count == 1 && one[0].pairs[0].changed > 0);
    assert_memory_equal(one, many, sizeof one);
}

/* The error is that of the first place, whoever met one first; nothing stays behind. */
static void test_first_error(void **state)
{
    char command[400], told[1100] = "";
    (void)state;
    make_source(in_folder("e.safetensors"), 20);
    for (unsigned threads = 1; threads <= 8; threads *= 2) {
        Error err = {0};
        snprintf(command, sizeof command, "cp '%s' '%s/cut.safetensors'", in_folder("e.safetensors"),
                 folder);
        assert_int_equal(system(command), 0);
        Alignment *alignment = align_files(in_folder("cut.safetensors"), NULL, turn_all);
        Plan *plan = plan_new(alignment, NULL, &err);
        assert_non_null(plan);
        assert_int_equal(truncate(in_folder("cut.safetensors"), 9000000), 0);
        const ExportOptions options = {.force = true, .buffer = threads << 18, .threads = threads};
        assert_false(export_write(plan, in_folder("e.pth"), &options, NULL, &err));
        assert_error_has(err, "became shorter while it was being read");
        assert_error_has(err, "tensor 'c.t");
        if (!told[0]) snprintf(told, sizeof told, "%s", err.text);
        assert_string_equal(err.text, told);
        assert_int_not_equal(access(in_folder("e.pth"), F_OK), 0);
        plan_free(plan);
        align_unref(alignment);
    }
    snprintf(command, sizeof command, "test -z \"$(find '%s' -name '*.tmp')\"", folder);
    assert_int_equal(system(command), 0);
}

/* Ends a run after so many reports of progress: orderly, or as kill -9 does. */
typedef struct Stop {
    int left;
    bool kill;
    uint64_t last, jump;         /* bytes at the last report, and the largest step between two */
} Stop;

static bool stop_after(void *context, uint64_t bytes, uint64_t total)
{
    Stop *stop = context;
    (void)total;
    if (bytes - stop->last > stop->jump) stop->jump = bytes - stop->last;
    stop->last = bytes;
    if (--stop->left > 0) return true;
    if (stop->kill) raise(SIGKILL);
    return false;
}

static bool resume_with(Alignment *alignment, const char *out, char identity, Stop *stop, Error *err)
{
    char digits[65];
    memset(digits, identity, 64);
    digits[64] = '\0';
    const ExportOptions options = {.resume = true, .identity = digits, .threads = 2,
                                   .buffer = 512 << 10, .progress = stop_after,
                                   .progress_context = stop};
    Plan *plan = plan_new(alignment, NULL, err);
    assert_non_null(plan);
    bool good = export_write(plan, out, &options, NULL, err);
    plan_free(plan);
    return good;
}

static void expect_nothing_hidden(void)
{
    char command[400];
    snprintf(command, sizeof command, "test -z \"$(find '%s' -name '.*tenon*')\"", folder);
    assert_int_equal(system(command), 0);
}

/* Stopped and killed again and again, at every place, it ends with the same bytes. */
static void test_resume(void **state)
{
    static const char *const outs[] = {"r.safetensors", "r.pth"};
    size_t n, wanted;
    (void)state;
    make_source(in_folder("r.in.safetensors"), 6);
    for (size_t i = 0; i < countof(outs); i++) {
        char *one = write_with(in_folder("r.in.safetensors"), turn_all, outs[i], 0, 1, NULL,
                               &wanted);
        unlink(in_folder(outs[i]));
        Alignment *alignment = align_files(in_folder("r.in.safetensors"), NULL, turn_all);
        uint64_t jump = 0;
        for (int left = 1; access(in_folder(outs[i]), F_OK) != 0; left++) {
            Error err = {0};
            pid_t child = fork();
            if (child == 0) {
                Stop stop = {.left = left, .kill = true};
                resume_with(alignment, in_folder(outs[i]), 'a', &stop, &err);
                _exit(0);
            }
            waitpid(child, NULL, 0);
            Stop stop = {.left = left};
            if (access(in_folder(outs[i]), F_OK) == 0) break;
            if (!resume_with(alignment, in_folder(outs[i]), 'a', &stop, &err))
                assert_string_equal(err.text, "stopped; --resume goes on from here");
            if (stop.jump > jump) jump = stop.jump;
        }
        assert_true(jump > 512 << 10);   /* more than a piece: a whole tensor was not made again */
        char *many = read_file(in_folder(outs[i]), &n);
        assert_int_equal(n, wanted);
        assert_memory_equal(many, one, n);
        free(many);
        free(one);
        align_unref(alignment);
        expect_nothing_hidden();
    }
}

/* What another plan has begun is not gone on with, and what another process writes is refused. */
static void test_resume_others(void **state)
{
    Error err = {0};
    Stop stop = {.left = 4}, never = {.left = INT_MAX};
    size_t n, wanted;
    (void)state;
    make_source(in_folder("x.safetensors"), 0);
    char *one = write_with(in_folder("x.safetensors"), keep, "x.pth", 0, 1, NULL, &wanted);
    unlink(in_folder("x.pth"));
    Alignment *turned = align_files(in_folder("x.safetensors"), NULL, turn_all);
    Alignment *kept = align_files(in_folder("x.safetensors"), NULL, keep);
    assert_false(resume_with(turned, in_folder("x.pth"), 'a', &stop, &err));
    AtomicFile *held = atomic_open_part(in_folder("x.pth"), false, "b", &err);
    assert_non_null(held);
    assert_false(resume_with(kept, in_folder("x.pth"), 'b', &never, &err));
    assert_error_has(err, "another tenon is writing it");
    atomic_discard(held);
    if (!resume_with(kept, in_folder("x.pth"), 'b', &never, &err)) fail_msg("%s", err.text);
    char *many = read_file(in_folder("x.pth"), &n);
    assert_int_equal(n, wanted);
    assert_memory_equal(many, one, n);
    free(one);
    free(many);
    align_unref(turned);
    align_unref(kept);
    expect_nothing_hidden();
}

/* All lengths and starts, against zlib. */
static void test_crc(void **state)
{
    unsigned char bytes[700];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * i * 7 + i / 3);
    for (size_t start = 0; start < 20; start++)
        for (size_t n = 0; start + n <= sizeof bytes; n++)
            assert_int_equal(crc_add((uint32_t)n, bytes + start, n),
                             crc32(n, bytes + start, (uInt)n));
    assert_int_equal(crc_join(crc_add(0, bytes, 300), crc_add(0, bytes + 300, 400), 400),
                     crc_add(0, bytes, 700));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_crcs),
        cmocka_unit_test(test_losses), cmocka_unit_test(test_first_error),
        cmocka_unit_test(test_crc), cmocka_unit_test(test_resume),
        cmocka_unit_test(test_resume_others),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
