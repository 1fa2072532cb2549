/* zip_check and torch_archive: archives that can be read, but that other readers would read
 * otherwise or not at all. One test for each trap, by the kind of its finding. */
#include <stdlib.h>

#include <zlib.h>

#include "loader/source/zip_check.h"
#include "tests/unit/torch_maker.h"

static const float numbers[4] = {1, 2, 3, 4};

/* Offsets in a local header. */
enum { AT_FLAGS = 6, AT_METHOD = 8, AT_CRC = 14, AT_STORED = 18, AT_SIZE = 22, AT_EXTRA = 28,
       AT_NAME = 30 };

static void poke(Text *file, size_t at, uint64_t value, int bytes)
{
    for (; bytes--; value >>= 8) file->bytes[at++] = (char)(value & 0xFF);
}

/* Where the local header of a member, or its directory entry, stands. */
static size_t header_of(const Text *file, const char *name, bool directory)
{
    const char *magic = directory ? "PK\1\2" : "PK\3\4";
    size_t skip = directory ? 46 : 30, n = strlen(name);
    for (size_t i = 0; i + skip + n < file->length; i++)
        if (memcmp(file->bytes + i, magic, 4) == 0 && memcmp(file->bytes + i + skip, name, n) == 0)
            return i;
    fail_msg("no member '%s'", name);
    return 0;
}

/* An archive around the pickle {'w': four floats}, with more records before and behind. */
static void make(Text *file, const char *prefix, const Record *first, const Record *more,
                 size_t count)
{
    Text p = {0}, names[3] = {{0}};
    text_add(&p, "}U\x01w");
    put_floats(&p, "0", 4);
    text_add(&p, "s.");
    static const char *const records[] = {"data.pkl", "data/0", "version"};
    for (size_t i = 0; i < 3; i++) text_addf(&names[i], "%s%s", prefix, records[i]);
    Record all[8];
    size_t n = 0;
    if (first) all[n++] = *first;
    all[n++] = (Record){names[0].bytes, p.bytes, p.length};
    all[n++] = (Record){names[1].bytes, numbers, sizeof numbers};
    all[n++] = (Record){names[2].bytes, BYTES("3\n")};
    for (size_t i = 0; i < count; i++) all[n++] = more[i];
    make_zip(file, all, n);
    for (size_t i = 0; i < 3; i++) text_done(&names[i]);
    text_done(&p);
}

static Checkpoint *opens(Text *file)
{
    Error err = {0};
    float got[4];
    Checkpoint *c = open_bytes(file, &err);
    if (!c) fail_msg("%s", err.text);
    assert_true(tensor_read(tensor_at(c, "", "w"), NULL, NULL, got, &err));
    assert_memory_equal(got, numbers, sizeof got);
    text_done(file);
    return c;
}

/* Opens it, and has exactly this finding. */
static void finds(Text *file, FindingLevel level, const char *kind, const char *member,
                  const char *part)
{
    Checkpoint *c = opens(file);
    if (checkpoint_finding_count(c) != 1)
        fail_msg("%zu findings, the first: %s", checkpoint_finding_count(c),
                 checkpoint_finding_count(c) ? checkpoint_finding(c, 0)->what : "");
    const Finding *finding = checkpoint_finding(c, 0);
    assert_string_equal(finding->kind, kind);
    assert_int_equal(finding->level, level);
    if (member) assert_string_equal(finding->tensor, member);
    else assert_null(finding->tensor);
    if (!strstr(finding->what, part)) fail_msg("\"%s\" lacks \"%s\"", finding->what, part);
    checkpoint_unref(c);
}

static void finds_nothing(Text *file)
{
    Checkpoint *c = opens(file);
    if (checkpoint_finding_count(c)) fail_msg("%s", checkpoint_finding(c, 0)->what);
    checkpoint_unref(c);
}

/* --- nothing wrong -------------------------------------------------------------------- */

static void test_sound_archive(void **state)
{
    (void)state;
    Text file = {0};
    const Record small[] = {{"a/.format_version", BYTES("1")},
                            {"a/.storage_alignment", BYTES("64")},
                            {"a/byteorder", BYTES("little")},
                            {"a/.data/serialization_id", BYTES("0123456789")}};
    make(&file, "a/", NULL, small, countof(small));
    finds_nothing(&file);
}

static void test_directory_entries(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", &(Record){"a/", "", 0}, &(Record){"a/data/", "", 0}, 1);
    finds_nothing(&file);
}

static void test_archive_comment_is_no_junk(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, NULL, 0);
    poke(&file, file.length - 2, 5, 2);
    text_add(&file, "hello");
    finds_nothing(&file);
}

static void test_hidden_version(void **state)
{
    (void)state;
    Text file = {0}, p = {0};
    text_add(&p, "}U\x01w");
    put_floats(&p, "0", 4);
    text_add(&p, "s.");
    const Record records[] = {{"a/data.pkl", p.bytes, p.length},
                              {"a/data/0", numbers, sizeof numbers},
                              {"a/.data/version", BYTES("10\n")}};
    make_zip(&file, records, countof(records));
    text_done(&p);
    finds_nothing(&file);
}

static void test_sizes_left_to_a_descriptor(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, NULL, 0);
    size_t at = header_of(&file, "a/data/0", false);
    poke(&file, at + AT_FLAGS, 0x0808, 2);
    poke(&file, at + AT_STORED, 0, 4);
    poke(&file, at + AT_SIZE, 0, 4);
    finds_nothing(&file);
}

static void test_crc_that_was_not_computed(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, NULL, 0);
    poke(&file, header_of(&file, "a/data.pkl", true) + 16, 0, 4);
    finds_nothing(&file);
}

static void test_right_crc(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, NULL, 0);
    size_t local = header_of(&file, "a/data.pkl", false);
    uint32_t size;
    memcpy(&size, file.bytes + local + AT_SIZE, 4);
    const Bytef *data = (const Bytef *)file.bytes + local + AT_NAME + strlen("a/data.pkl");
    poke(&file, header_of(&file, "a/data.pkl", true) + 16, crc32(0, data, size), 4);
    finds_nothing(&file);
}

/* --- local headers -------------------------------------------------------------------- */

static void test_local_name_differs(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, NULL, 0);
    memcpy(file.bytes + header_of(&file, "a/data.pkl", false) + AT_NAME, "a/safe.txt", 10);
    finds(&file, FINDING_ERROR, "local-header", "a/data.pkl", "the name is 'a/safe.txt'");
}

/* The name may take bytes of the extra field, and is shown escaped. */
static void test_local_name_is_longer(void **state)
{
    (void)state;
    Text file = {0}, bytes = {0};
    make(&file, "a/", NULL, &(Record){"a/note", BYTES("\033]junk")}, 1);
    size_t at = header_of(&file, "a/note", false);
    poke(&file, at + 26, 8, 2);
    text_done(&bytes);
    finds(&file, FINDING_ERROR, "local-header", "a/note", "the name is 'a/note\\x1b]'");
}

static void test_local_name_beyond_the_file(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, &(Record){"a/note", BYTES("x")}, 1);
    poke(&file, header_of(&file, "a/note", false) + 26, 0xFFFF, 2);
    finds(&file, FINDING_ERROR, "local-header", "a/note", "its name reaches beyond the file");
}

/* A long name is shown in part, and never half a character of it. */
static void test_long_name_is_cut(void **state)
{
    (void)state;
    Text file = {0}, name = {0};
    text_add(&name, "a/-");
    for (int i = 0; i < 100; i++) text_add(&name, "é");
    make(&file, "a/", NULL, &(Record){name.bytes, BYTES("x")}, 1);
    file.bytes[header_of(&file, name.bytes, false) + AT_NAME] = 'b';
    Checkpoint *c = opens(&file);
    const char *what = checkpoint_finding(c, 0)->what, *cut = strstr(what, "…'");
    assert_non_null(cut);
    assert_true(utf8_valid(what, strlen(what)));
    checkpoint_unref(c);
    text_done(&name);
}

static void test_local_method_differs(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, NULL, 0);
    poke(&file, header_of(&file, "a/data/0", false) + AT_METHOD, 8, 2);
    finds(&file, FINDING_ERROR, "local-header", "a/data/0", "method 8 instead of 0");
}

static void test_local_size_differs(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, NULL, 0);
    poke(&file, header_of(&file, "a/data/0", false) + AT_SIZE, 3, 4);
    finds(&file, FINDING_ERROR, "local-header", "a/data/0", "3 bytes instead of 16");
}

static void test_local_size_in_spite_of_a_descriptor(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, NULL, 0);
    size_t at = header_of(&file, "a/data/0", false);
    poke(&file, at + AT_FLAGS, 0x0808, 2);
    poke(&file, at + AT_STORED, 7, 4);
    finds(&file, FINDING_ERROR, "local-header", "a/data/0", "instead of 16");
}

static void test_encrypted_by_the_local_header_alone(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, NULL, 0);
    poke(&file, header_of(&file, "a/data.pkl", false) + AT_FLAGS, 1, 2);
    finds(&file, FINDING_ERROR, "local-header", "a/data.pkl", "says that the data are encrypted");
}

static void test_archive_of_several_disks(void **state)
{
    (void)state;
    for (size_t at = 4; at <= 6; at += 2) {      /* this disk; that of the directory */
        Text file = {0};
        Error err = {0};
        make(&file, "a/", NULL, NULL, 0);
        poke(&file, file.length - 22 + at, 1, 2);
        assert_null(open_bytes(&file, &err));
        assert_error_has(err, "no end record");
        text_done(&file);
    }
    Text file = {0};
    Error err = {0};
    make(&file, "a/", NULL, NULL, 0);
    poke(&file, header_of(&file, "a/data/0", true) + 34, 1, 2);
    assert_null(open_bytes(&file, &err));
    assert_error_has(err, "member 'a/data/0' lies on another disk");
    text_done(&file);
}

static void test_encrypted_by_the_directory_alone(void **state)
{
    (void)state;
    Text file = {0};
    Error err = {0};
    make(&file, "a/", NULL, NULL, 0);
    poke(&file, header_of(&file, "a/data.pkl", true) + 8, 1, 2);
    assert_null(open_bytes(&file, &err));
    assert_error_has(err, "member 'a/data.pkl' is encrypted");
    text_done(&file);
}

static void test_local_crc_differs(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, NULL, 0);
    poke(&file, header_of(&file, "a/data/0", true) + 16, 0x1234, 4);
    poke(&file, header_of(&file, "a/data/0", false) + AT_CRC, 0x4321, 4);
    finds(&file, FINDING_ERROR, "local-header", "a/data/0", "another CRC");
}

static void test_data_that_overlap(void **state)
{
    (void)state;
    Text file = {0};
    const Record more[] = {{"a/pad", BYTES("0123456789")}, {"a/last", BYTES("z")}};
    make(&file, "a/", NULL, more, countof(more));
    poke(&file, header_of(&file, "a/pad", false) + AT_EXTRA, 4, 2);
    finds(&file, FINDING_ERROR, "overlap", "a/last", "lies inside the data of 'a/pad'");
}

/* --- names ---------------------------------------------------------------------------- */

static void test_names_that_differ_only_in_case(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, &(Record){"a/DATA.pkl", BYTES("N.")}, 1);
    finds(&file, FINDING_ERROR, "case", "a/DATA.pkl", "differs only in case from 'a/data.pkl'");
}

static void test_bytes_behind_the_archive(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, NULL, 0);
    text_add(&file, "more than an end record, and no signature");
    finds(&file, FINDING_WARNING, "trailing", NULL, "41 bytes follow the end of the zip");
}

static void test_macosx_entries(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, &(Record){"__MACOSX/a/._data.pkl", BYTES("x")}, 1);
    finds(&file, FINDING_ERROR, "prefix", NULL, "1 entries lie outside of the archive's folder");
}

static void test_macosx_entries_first(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", &(Record){"__MACOSX/a/._data.pkl", BYTES("x")}, NULL, 0);
    finds(&file, FINDING_ERROR, "prefix", NULL, "the first entry of the zip is not the archive's");
}

static void test_leading_folder(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "outer/a/", NULL, NULL, 0);
    finds(&file, FINDING_ERROR, "prefix", NULL, "re-zipped by hand");
}

static void test_no_folder(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "", NULL, NULL, 0);
    finds(&file, FINDING_ERROR, "prefix", NULL, "re-zipped by hand");
}

static void test_another_pickle_deeper(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, &(Record){"a/deep/data.pkl", BYTES("cos\nsystem\n.")}, 1);
    finds(&file, FINDING_WARNING, "extra-pickle", "a/deep/data.pkl", "another data.pkl deeper");
}

static void test_two_pickles_and_no_first(void **state)
{
    (void)state;
    Text file = {0};
    Error err = {0};
    make(&file, "x/a/", NULL, &(Record){"x/b/data.pkl", BYTES("N.")}, 1);
    assert_null(open_bytes(&file, &err));
    assert_error_has(err, "a data.pkl in two folders, 'x/a/' and 'x/b/'");
    text_done(&file);
}

static void test_many_oddities_are_counted(void **state)
{
    (void)state;
    enum { MANY = 60 };
    Text file = {0}, names[MANY] = {{0}}, p = {0};
    Record records[MANY + 1];
    text_add(&p, "N.");
    records[0] = (Record){"a/data.pkl", p.bytes, p.length};
    for (size_t i = 0; i < MANY; i++) {
        text_addf(&names[i], "a/%c%zu", i % 2 ? 'X' : 'x', i / 2);
        records[i + 1] = (Record){names[i].bytes, "", 0};
    }
    make_zip(&file, records, MANY + 1);
    Error err = {0};
    Checkpoint *c = open_bytes(&file, &err);
    assert_non_null(c);
    size_t n = checkpoint_finding_count(c);
    assert_int_equal(n, 1 + 20 + 1);     /* no version; the case of twenty; how many more */
    assert_non_null(strstr(checkpoint_finding(c, n - 1)->what, "10 more findings about the zip"));
    checkpoint_unref(c);
    for (size_t i = 0; i < MANY; i++) text_done(&names[i]);
    text_done(&p);
    text_done(&file);
}

/* --- content -------------------------------------------------------------------------- */

static void test_wrong_crc_of_the_pickle(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, NULL, 0);
    poke(&file, header_of(&file, "a/data.pkl", true) + 16, 0xBAD, 4);
    finds(&file, FINDING_ERROR, "crc", "a/data.pkl", "do not have the CRC");
}

static void resize(int64_t claimed, const char *part)
{
    Text file = {0}, p = {0};
    text_add(&p, "}U\x01w");
    put_tensor(&p, &(Made){.numel = claimed, .dims = {4}, .strides = {1}, .rank = 1});
    text_add(&p, "s.");
    const Record records[] = {{"a/data.pkl", p.bytes, p.length},
                              {"a/data/0", numbers, sizeof numbers},
                              {"a/version", BYTES("3\n")}};
    make_zip(&file, records, countof(records));
    text_done(&p);
    finds(&file, FINDING_ERROR, "storage-size", "data/0", part);
}

/* The tensor fits all the same. */
static void test_record_is_shorter_than_claimed(void **state)
{
    (void)state;
    resize(100, "data/0 has 16 bytes, the pickle claims 400");
}

static void test_record_is_longer_than_claimed(void **state)
{
    (void)state;
    Text p = {0};
    float six[6] = {1, 2, 3, 4, 5, 6};
    Error err = {0};
    text_add(&p, "}U\x01w");
    put_floats(&p, "0", 4);
    text_add(&p, "s");
    Checkpoint *c = open_zip_of(&p, six, sizeof six, &err);
    if (!c) fail_msg("%s", err.text);
    assert_int_equal(checkpoint_finding_count(c), 1);
    assert_string_equal(checkpoint_finding(c, 0)->kind, "storage-size");
    assert_int_equal(checkpoint_finding(c, 0)->level, FINDING_ERROR);
    assert_int_equal(tensor_at(c, "", "w")->storage->bytes, 16);
    checkpoint_unref(c);
}

/* PyTorch of old read garbage beyond the record. */
static void test_tensor_beyond_its_record(void **state)
{
    (void)state;
    Text p = {0};
    Error err = {0};
    text_add(&p, "}U\x01w");
    put_floats(&p, "0", 5);
    text_add(&p, "s");
    assert_null(open_zip_of(&p, numbers, sizeof numbers, &err));
    assert_error_has(err, "x.pth: tensor 'w': shape [5] f32 needs 20 bytes, the storage has 16");
}

static void test_big_endian(void **state)
{
    (void)state;
    Text file = {0};
    make(&file, "a/", NULL, &(Record){"a/byteorder", BYTES("big")}, 1);
    for (size_t i = 0, at = header_of(&file, "a/data/0", false) + AT_NAME + 8; i < 4; i++) {
        char *p = file.bytes + at + 4 * i, swapped[4] = {p[3], p[2], p[1], p[0]};
        memcpy(p, swapped, 4);
    }
    finds_nothing(&file);
}

static void test_unknown_byte_order(void **state)
{
    (void)state;
    Text file = {0};
    Error err = {0};
    make(&file, "a/", NULL, &(Record){"a/byteorder", BYTES("middle")}, 1);
    assert_null(open_bytes(&file, &err));
    assert_error_has(err, "'byteorder' is neither");
    text_done(&file);
}

/* The method and both sizes of a member that make_zip stored, in both headers. */
static void set_deflated(Text *file, const char *name, uint32_t size, uint32_t crc)
{
    size_t local = header_of(file, name, false), entry = header_of(file, name, true);
    poke(file, local + AT_METHOD, 8, 2);
    poke(file, local + AT_SIZE, size, 4);
    poke(file, local + AT_CRC, crc, 4);
    poke(file, entry + 10, 8, 2);
    poke(file, entry + 24, size, 4);
    poke(file, entry + 16, crc, 4);
}

static void deflated(uint32_t crc, Text *file)
{
    Text p = {0};
    char packed[64];
    z_stream z = {.next_in = (Bytef *)(uintptr_t)numbers, .avail_in = sizeof numbers,
                  .next_out = (Bytef *)packed, .avail_out = sizeof packed};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, 0), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    text_add(&p, "}U\x01w");
    put_floats(&p, "0", 4);
    text_add(&p, "s.");
    const Record records[] = {{"a/data.pkl", p.bytes, p.length},
                              {"a/data/0", packed, z.total_out},
                              {"a/version", BYTES("3\n")}};
    make_zip(file, records, countof(records));
    deflateEnd(&z);
    text_done(&p);
    set_deflated(file, "a/data/0", sizeof numbers, crc);
}

static void test_deflated_storage(void **state)
{
    (void)state;
    Text file = {0};
    deflated((uint32_t)crc32(0, (const Bytef *)numbers, sizeof numbers), &file);
    finds(&file, FINDING_WARNING, "deflated", NULL, "1 storages are compressed");
}

static void test_deflated_storage_without_crc(void **state)
{
    (void)state;
    Text file = {0};
    deflated(0, &file);
    finds(&file, FINDING_WARNING, "deflated", NULL, "1 storages are compressed");
}

static void test_deflated_storage_with_another_crc(void **state)
{
    (void)state;
    Text file = {0};
    Error err = {0};
    float got[4];
    deflated(77, &file);
    Checkpoint *c = open_bytes(&file, &err);
    assert_non_null(c);
    assert_false(tensor_read(tensor_at(c, "", "w"), NULL, NULL, got, &err));
    assert_error_has(err, "CRC");
    checkpoint_unref(c);
    text_done(&file);
}

static void test_member_that_inflates_too_much(void **state)
{
    (void)state;
    Text file = {0};
    Error err = {0};
    deflated(0, &file);
    assert_true(limit_set("inflate-bytes=15", NULL));
    assert_null(open_bytes(&file, &err));
    assert_true(limit_set("inflate-bytes=17179869184", NULL));
    assert_error_has(err, "a/data/0: inflates to 16 bytes");
    assert_error_has(err, "--limit inflate-bytes=N");
    text_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_archive),
        cmocka_unit_test(test_directory_entries),
        cmocka_unit_test(test_archive_comment_is_no_junk),
        cmocka_unit_test(test_hidden_version),
        cmocka_unit_test(test_sizes_left_to_a_descriptor),
        cmocka_unit_test(test_crc_that_was_not_computed),
        cmocka_unit_test(test_right_crc),
        cmocka_unit_test(test_local_name_differs),
        cmocka_unit_test(test_local_name_is_longer),
        cmocka_unit_test(test_local_name_beyond_the_file),
        cmocka_unit_test(test_long_name_is_cut),
        cmocka_unit_test(test_local_method_differs),
        cmocka_unit_test(test_local_size_differs),
        cmocka_unit_test(test_local_size_in_spite_of_a_descriptor),
        cmocka_unit_test(test_encrypted_by_the_local_header_alone),
        cmocka_unit_test(test_archive_of_several_disks),
        cmocka_unit_test(test_encrypted_by_the_directory_alone),
        cmocka_unit_test(test_local_crc_differs),
        cmocka_unit_test(test_data_that_overlap),
        cmocka_unit_test(test_names_that_differ_only_in_case),
        cmocka_unit_test(test_bytes_behind_the_archive),
        cmocka_unit_test(test_macosx_entries),
        cmocka_unit_test(test_macosx_entries_first),
        cmocka_unit_test(test_leading_folder),
        cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_another_pickle_deeper),
        cmocka_unit_test(test_two_pickles_and_no_first),
        cmocka_unit_test(test_many_oddities_are_counted),
        cmocka_unit_test(test_wrong_crc_of_the_pickle),
        cmocka_unit_test(test_record_is_shorter_than_claimed),
        cmocka_unit_test(test_record_is_longer_than_claimed),
        cmocka_unit_test(test_tensor_beyond_its_record),
        cmocka_unit_test(test_big_endian),
        cmocka_unit_test(test_unknown_byte_order),
        cmocka_unit_test(test_deflated_storage),
        cmocka_unit_test(test_deflated_storage_without_crc),
        cmocka_unit_test(test_deflated_storage_with_another_crc),
        cmocka_unit_test(test_member_that_inflates_too_much),
    };
    return cmocka_run_group_tests_name("zip check", tests, NULL, NULL);
}
