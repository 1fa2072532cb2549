/* The tar of PyTorch before 0.1.10, and imitations of it: right readings, and one test for each
 * malformation. Files are made here, entry by entry. */
#include <stdio.h>

#include "tests/unit/values.h"

/* The members of a tar under way; NULL texts are left out. */
typedef struct Tar {
    Text storages, tensors, pickle;
    bool no_tensors, bad_sum;
} Tar;

static void put_member_of_tar(Text *file, const char *name, const Text *content, bool bad_sum)
{
    unsigned char header[512] = {0};
    unsigned sum = 0;
    snprintf((char *)header, 100, "%s", name);
    snprintf((char *)header + 124, 12, "%011o", (unsigned)content->length);
    header[156] = '0';
    memcpy(header + 257, "ustar", 6);
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < sizeof header; i++) sum += header[i];
    snprintf((char *)header + 148, 7, "%06o", sum + bad_sum);
    text_addn(file, header, sizeof header);
    text_addn(file, text_string(content), content->length);
    while (file->length % 512) text_addc(file, '\0');
}

/* The file; the members are freed. */
static Text make_tar(Tar *tar)
{
    Text file = {0};
    put_member_of_tar(&file, "storages", &tar->storages, tar->bad_sum);
    if (!tar->no_tensors) put_member_of_tar(&file, "./tensors", &tar->tensors, false);
    put_member_of_tar(&file, "pickle", &tar->pickle, false);
    for (int i = 0; i < 1024; i++) text_addc(&file, '\0');
    text_done(&tar->storages);
    text_done(&tar->tensors);
    text_done(&tar->pickle);
    return file;
}

/* One storage "s" of six floats and one view "v" of its elements 2 to 4; tensor "t", 2×3. */
static Tar usual(void)
{
    Tar tar = {0};
    text_addn(&tar.storages, BYTES("\x80\2K\1.\x80\2U\1sU\3cpuctorch\nFloatStorage\n\x87."));
    put(&tar.storages, 6, 8);
    for (int i = 0; i < 6; i++) {
        float value = (float)i;
        text_addn(&tar.storages, &value, sizeof value);
    }
    text_addn(&tar.storages, BYTES("\x80\2](U\1vU\1sK\2K\3ta."));
    text_addn(&tar.tensors, BYTES("\x80\2K\1.\x80\2U\1tU\1sctorch\nFloatTensor\n\x87."));
    put(&tar.tensors, 2, 4);
    put(&tar.tensors, 0, 4);
    put(&tar.tensors, 2, 8);
    put(&tar.tensors, 3, 8);
    put(&tar.tensors, 3, 8);
    put(&tar.tensors, 1, 8);
    put(&tar.tensors, 0, 8);
    text_addn(&tar.pickle, BYTES("\x80\2}(U\1wU\1tQU\5againU\1tQu."));
    return tar;
}

static void replace(Text *text, const char *old, const char *new, size_t n)
{
    char *at = memmem(text->bytes, text->length, old, n);
    if (!at) fail_msg("nothing to replace");
    memcpy(at, new, n);
}

/* -- Right ones ------------------------------------------------------------------------ */

static void test_tensors_by_key(void **state)
{
    (void)state;
    Error err = {0};
    Tar tar = usual();
    Text file = make_tar(&tar);
    Checkpoint *c = open_bytes(&file, &err);
    text_done(&file);
    if (!c) fail_msg("%s", err.text);
    assert_string_equal(checkpoint_format(c), "torch-tar");
    const Tensor *w = tensor_at(c, "", "w");
    has_shape(w, DT_F32, DIMS(2, 3));
    counts(w);
    assert_ptr_equal(w->identity, tensor_at(c, "", "again")->identity);
    checkpoint_unref(c);
}

static void test_file_that_pytorch_accepts(void **state)
{
    (void)state;
    Checkpoint *c = open_fixture("tests/data/pickled/old.tar");
    counts(tensor_at(c, "", "w"));
    holds(tensor_at(c, "", "v"), (const double[]){2, 3, 4}, 3);
    checkpoint_unref(c);
}

/* No member `tensors`, no views, and ids that are plain tuples. */
static void test_imitation(void **state)
{
    (void)state;
    Error err = {0};
    Tar tar = usual();
    tar.no_tensors = true;
    tar.storages.length -= sizeof "\x80\2](U\1vU\1sK\2K\3ta." - 1;
    text_clear(&tar.pickle);
    text_addn(&tar.pickle, BYTES("\x80\2}U\1wctorch._utils\n_rebuild_tensor_v2\n((U\7storage"
                                 "ctorch\nFloatStorage\nU\1sU\3cpuK\6tK\0K\6\x85K\1\x85\x89}tRs."));
    Text file = make_tar(&tar);
    Checkpoint *c = open_bytes(&file, &err);
    text_done(&file);
    if (!c) fail_msg("%s", err.text);
    has_shape(tensor_at(c, "", "w"), DT_F32, DIMS(6));
    counts(tensor_at(c, "", "w"));
    checkpoint_unref(c);
}

static void test_imitation_lacks_a_storage(void **state)
{
    (void)state;
    Tar tar = usual();
    tar.no_tensors = true;
    text_clear(&tar.pickle);
    text_addn(&tar.pickle, BYTES("\x80\2}U\1wctorch._utils\n_rebuild_tensor_v2\n((U\7storage"
                                 "ctorch\nFloatStorage\nU\1zU\3cpuK\6tK\0K\6\x85K\1\x85\x89}tRs."));
    Text file = make_tar(&tar);
    refuses_bytes(&file, ERR_FORMAT, "its storage is not in the file");
}

/* -- Wrong ones ------------------------------------------------------------------------ */

/* The usual file with `old` in one member replaced by `new`. */
static void refuses_change(size_t member, const void *old, const void *new, size_t n,
                           ErrorCode code, const char *part)
{
    Tar tar = usual();
    Text *const members[] = {&tar.storages, &tar.tensors, &tar.pickle};
    replace(members[member], old, new, n);
    Text file = make_tar(&tar);
    refuses_bytes(&file, code, part);
}

enum { STORAGES, TENSORS };

static void test_storage_claims_more(void **state)
{
    (void)state;
    refuses_change(STORAGES, "\6\0\0\0\0\0\0\0", "\xFF\0\0\0\0\0\0\0", 8, ERR_FORMAT,
                   "a storage has fewer bytes than it claims");
    refuses_change(STORAGES, "\6\0\0\0\0\0\0\0", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 8, ERR_FORMAT,
                   "more than 64 bits can count");
    refuses_change(STORAGES, "\6\0\0\0\0\0\0\0", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8, ERR_FORMAT,
                   "a negative number of elements");
}

static void test_counts_that_are_none(void **state)
{
    (void)state;
    refuses_change(STORAGES, "\x80\2K\1.", "\x80\2I-1", 5, ERR_FORMAT,
                   "INT at byte 514: its text is no decimal number");
    refuses_change(STORAGES, "K\1.", "NN.", 3, ERR_FORMAT, "does not begin with the number");
    refuses_change(STORAGES, "K\1.", "K\2.", 3, ERR_FORMAT,
                   "an entry has other fields than it should (byte 598)");
    refuses_change(TENSORS, "K\1.", "K\2.", 3, ERR_FORMAT,
                   "byte 0x00 at 1618 is no pickle opcode");
}

static void test_entries_of_another_form(void **state)
{
    (void)state;
    refuses_change(STORAGES, "U\1sU\3cpu", "NNNU\3cpu", 8, ERR_FORMAT,
                   "an entry has other fields than it should (byte 549)");
    refuses_change(STORAGES, "FloatStorage", "FloatSturage", 12, ERR_FORMAT, "no storage class");
    refuses_change(STORAGES, "FloatStorage", "FluatStorage", 12, ERR_FORMAT, "of no known size");
}

static void test_views_outside(void **state)
{
    (void)state;
    refuses_change(STORAGES, "K\2K\3ta.", "K\4K\3ta.", 7, ERR_FORMAT, "lies outside of its storage");
    refuses_change(STORAGES, "U\1vU\1s", "U\1vU\1x", 6, ERR_FORMAT, "a storage that is not there");
    refuses_change(STORAGES, "U\1vU\1s", "U\1sU\1s", 6, ERR_FORMAT, "key stands there twice");
    refuses_change(STORAGES, "](U\1vU\1sK\2K\3ta.", "](U\1vU\1sK\2NNta.", 15, ERR_FORMAT,
                   "a view has other fields");
}

static void test_tensors_outside(void **state)
{
    (void)state;
    refuses_change(TENSORS, "\2\0\0\0\0\0\0\0\2", "\x21\0\0\0\0\0\0\0\2", 9, ERR_FORMAT,
                   "a number of dimensions that cannot be");
    refuses_change(TENSORS, "U\1tU\1s", "U\1tU\1x", 6, ERR_FORMAT, "in a storage that is not there");
    refuses_change(TENSORS, "\3\0\0\0\0\0\0\0\3", "\4\0\0\0\0\0\0\0\3", 9, ERR_FORMAT,
                   "a tensor");
    refuses_change(TENSORS, "\3\0\0\0\0\0\0\0\1", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\1", 9,
                   ERR_FORMAT, "a tensor");
}

/* A tensor in a view may not reach beyond the view, though the storage goes on. */
static void test_tensor_beyond_its_view(void **state)
{
    (void)state;
    refuses_change(TENSORS, "U\1tU\1s", "U\1tU\1v", 6, ERR_FORMAT, "a tensor");
}

static void test_cut_everywhere(void **state)
{
    (void)state;
    Tar tar = usual();
    Text whole = make_tar(&tar);
    for (size_t n = 512; n < whole.length - 1024 - 512; n += 7) {
        Text part = {0};
        text_addn(&part, whole.bytes, n);
        Error err = {0};
        assert_null(open_bytes(&part, &err));
        assert_int_equal(err.code, ERR_UNSUPPORTED);
        assert_error_has(err, "x.pth: a tar of PyTorch 0.1 of which members are missing: it was cut");
        text_done(&part);
    }
    text_done(&whole);
}

static void test_wrong_sum(void **state)
{
    (void)state;
    Tar tar = usual();
    tar.bad_sum = true;
    Text file = make_tar(&tar);
    refuses_bytes(&file, ERR_UNSUPPORTED, "of which members are missing: it was cut short or is");
}

/* Seventh Edition's: no magic, only the sum tells what it is. */
static void test_tar_without_magic(void **state)
{
    (void)state;
    Error err = {0};
    Tar tar = usual();
    Text file = make_tar(&tar);
    for (char *at; (at = memmem(file.bytes, file.length, "ustar", 6));) {
        char *header = at - 257;
        unsigned sum = 0;
        memset(at, 0, 6);
        memset(header + 148, ' ', 8);
        for (size_t i = 0; i < 512; i++) sum += (unsigned char)header[i];
        snprintf(header + 148, 7, "%06o", sum);
    }
    Checkpoint *c = open_bytes(&file, &err);
    text_done(&file);
    if (!c) fail_msg("%s", err.text);
    counts(tensor_at(c, "", "w"));
    checkpoint_unref(c);
}

static void test_tar_of_other_things(void **state)
{
    (void)state;
    Text file = {0}, content = {0};
    text_add(&content, "text");
    put_member_of_tar(&file, "pickle", &content, false);
    for (int i = 0; i < 1024; i++) text_addc(&file, '\0');
    text_done(&content);
    refuses_bytes(&file, ERR_UNSUPPORTED, "a tar archive; unpack it first");
}

#define TEST(test) cmocka_unit_test(test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tensors_by_key),
        TEST(test_file_that_pytorch_accepts),
        TEST(test_imitation),
        TEST(test_imitation_lacks_a_storage),
        TEST(test_storage_claims_more),
        TEST(test_counts_that_are_none),
        TEST(test_entries_of_another_form),
        TEST(test_views_outside),
        TEST(test_tensors_outside),
        TEST(test_tensor_beyond_its_view),
        TEST(test_cut_everywhere),
        TEST(test_wrong_sum),
        TEST(test_tar_without_magic),
        TEST(test_tar_of_other_things),
    };
    return cmocka_run_group_tests_name("torch tar", tests, NULL, NULL);
}
