/* source: files, memory, windows, and zips good and bad, assembled byte by byte. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zip.h>
#include <zlib.h>

#include "loader/source/zip.h"
#include "tests/unit/test.h"
#include "tests/unit/zip_maker.h"

/* A zip under construction: the file so far and its directory. */
typedef struct Maker {
    Text file, directory;
    uint32_t count;
} Maker;

/* One member; `stored` are its bytes in the file, sizes and crc are what it claims. */
typedef struct Member {
    const char *name;
    const void *stored;
    uint32_t stored_size, size, crc;
    uint16_t method, flags, extra;
} Member;

static void add_entry(Maker *maker, const Member *m, uint32_t header)
{
    put(&maker->directory, 0x02014b50, 4);
    put(&maker->directory, 0, 4);
    put(&maker->directory, m->flags, 2);
    put(&maker->directory, m->method, 2);
    put(&maker->directory, 0, 4);
    put(&maker->directory, m->crc, 4);
    put(&maker->directory, m->stored_size, 4);
    put(&maker->directory, m->size, 4);
    put(&maker->directory, strlen(m->name), 2);
    put(&maker->directory, 0, 12);
    put(&maker->directory, header, 4);
    text_add(&maker->directory, m->name);
    maker->count++;
}

static void add_member(Maker *maker, const Member *m)
{
    uint32_t header = (uint32_t)maker->file.length;
    put(&maker->file, 0x04034b50, 4);
    put(&maker->file, 0, 2);
    put(&maker->file, m->flags, 2);
    put(&maker->file, m->method, 2);
    put(&maker->file, 0, 4);
    put(&maker->file, m->crc, 4);
    put(&maker->file, m->stored_size, 4);
    put(&maker->file, m->size, 4);
    put(&maker->file, strlen(m->name), 2);
    put(&maker->file, m->extra, 2);
    text_add(&maker->file, m->name);
    for (int i = 0; i < m->extra; i++) text_addc(&maker->file, 'Z');
    text_addn(&maker->file, m->stored, m->stored_size);
    add_entry(maker, m, header);
}

static void add_stored(Maker *maker, const char *name, const char *content)
{
    uint32_t n = (uint32_t)strlen(content);
    uint32_t crc = (uint32_t)crc32(0, (const Bytef *)content, n);
    add_member(maker, &(Member){name, content, n, n, crc, 0, 0, 5});
}

static void finish(Maker *maker)
{
    uint64_t offset = maker->file.length;
    text_addn(&maker->file, maker->directory.bytes, maker->directory.length);
    put_end_record(&maker->file, maker->count, maker->directory.length, offset);
}

/* Opens what was made and forgets the maker. */
static Zip *open_made(Maker *maker, Error *err)
{
    ByteSource *source = source_from_memory(maker->file.bytes, maker->file.length, "made.zip");
    Zip *zip = zip_open_archive(source, err);
    source_unref(source);
    text_done(&maker->file);
    text_done(&maker->directory);
    return zip;
}

static void refuses(Maker *maker, const char *why)
{
    Error err = {0};
    Zip *zip = open_made(maker, &err);
    assert_null(zip);
    assert_error_has(err, "made.zip");
    assert_error_has(err, why);
}

static char *content(Zip *zip, const char *name, Error *err)
{
    const ZipMember *member = zip_find(zip, name);
    assert_non_null(member);
    ByteSource *source = zip_open_member(zip, member, err);
    if (!source) return NULL;
    size_t n;
    char *bytes = source_slurp(source, 1 << 26, &n, err);
    source_unref(source);
    return bytes;
}

static size_t deflate_raw(const char *text, size_t n, char *out, size_t room)
{
    z_stream z = {0};
    deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (Bytef *)text;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return z.total_out;
}

static void test_stored_members_are_windows(void **state)
{
    (void)state;
    Maker maker = {0};
    Error err = {0};
    add_stored(&maker, "one/data.pkl", "pickle");
    add_stored(&maker, "one/data/0", "");
    add_stored(&maker, "one/version", "3\n");
    finish(&maker);
    Zip *zip = open_made(&maker, &err);
    assert_non_null(zip);
    assert_string_equal(zip_prefix(zip), "one/");
    assert_int_equal(zip_count(zip), 3);
    char *text = content(zip, "one/version", &err);
    assert_string_equal(text, "3\n");
    free(text);
    assert_null(zip_find(zip, "version"));
    zip_unref(zip);
}

static void test_deflated_members_are_inflated_once(void **state)
{
    (void)state;
    enum { LONG = 3 << 20 };   /* beyond what is kept in memory */
    char *plain = malloc(LONG), *packed = malloc(LONG);
    for (size_t i = 0; i < LONG; i++) plain[i] = (char)(i * 2654435761u >> 13);
    uint32_t n = (uint32_t)deflate_raw(plain, LONG, packed, LONG);
    Maker maker = {0};
    Error err = {0};
    uint32_t crc = (uint32_t)crc32(0, (Bytef *)plain, LONG);
    add_member(&maker, &(Member){"a", packed, n, LONG, crc, 8, 0, 0});
    finish(&maker);
    Zip *zip = open_made(&maker, &err);
    assert_non_null(zip);
    char *text = content(zip, "a", &err);
    assert_non_null(text);
    assert_memory_equal(text, plain, LONG);
    free(text);
    free(plain);
    free(packed);
    zip_unref(zip);
}

static void inflating_fails(uint32_t claim, uint32_t crc_change, const char *why)
{
    const char *plain = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    char packed[200];
    uint32_t n = (uint32_t)deflate_raw(plain, strlen(plain), packed, sizeof packed);
    uint32_t crc = (uint32_t)crc32(0, (const Bytef *)plain, (uInt)strlen(plain)) ^ crc_change;
    Maker maker = {0};
    Error err = {0};
    add_member(&maker, &(Member){"a", packed, n, claim, crc, 8, 0, 0});
    finish(&maker);
    Zip *zip = open_made(&maker, &err);
    assert_non_null(zip);
    assert_null(content(zip, "a", &err));
    assert_error_has(err, "made.zip::a");
    assert_error_has(err, why);
    zip_unref(zip);
}

static void test_inflating_more_than_claimed_is_refused(void **state)
{
    (void)state;
    inflating_fails(10, 0, "more than the 10 bytes");
}

static void test_inflating_less_than_claimed_is_refused(void **state)
{
    (void)state;
    inflating_fails(100, 0, "claims 100");
}

static void test_wrong_crc_of_a_deflated_member_is_refused(void **state)
{
    (void)state;
    inflating_fails(63, 1, "CRC");
}

static void test_zip_bomb_by_ratio(void **state)
{
    (void)state;
    Maker maker = {0};
    add_member(&maker, &(Member){"a", "xxxx", 4, 4000000, 0, 8, 0, 0});
    finish(&maker);
    refuses(&maker, "zip bomb");
}

static void test_overlapping_members(void **state)
{
    (void)state;
    Maker maker = {0};
    add_stored(&maker, "a", "0123456789");
    add_entry(&maker, &(Member){"b", NULL, 10, 10, 0, 0, 0, 0}, 4);
    finish(&maker);
    refuses(&maker, "'b' overlaps");
    /* one local header under two names, by which a few bytes would be many members */
    maker = (Maker){0};
    add_stored(&maker, "a", "0123456789");
    add_entry(&maker, &(Member){"b", NULL, 10, 10, 0, 0, 0, 0}, 0);
    finish(&maker);
    refuses(&maker, "'b' overlaps");
}

/* An end record is looked for where a comment may be, as miniz does. */
static void test_more_appended_than_a_comment(void **state)
{
    (void)state;
    for (size_t more = 65535; more <= 65536; more++) {
        Maker maker = {0};
        Error err = {0};
        add_stored(&maker, "a", "content");
        finish(&maker);
        for (size_t i = 0; i < more; i++) text_addc(&maker.file, 'j');
        if (more == 65536) {
            refuses(&maker, "has more than 64 KiB appended");
            continue;
        }
        Zip *zip = open_made(&maker, &err);
        assert_non_null(zip);
        assert_int_equal(zip_count(zip), 1);
        zip_unref(zip);
    }
}

static void test_duplicate_names(void **state)
{
    (void)state;
    Maker maker = {0};
    add_stored(&maker, "a", "x");
    add_stored(&maker, "a", "y");
    finish(&maker);
    refuses(&maker, "'a' is there twice");
}

static void test_encrypted_member(void **state)
{
    (void)state;
    Maker maker = {0};
    add_member(&maker, &(Member){"a", "x", 1, 1, 0, 0, 1, 0});
    finish(&maker);
    refuses(&maker, "encrypted");
}

static void test_member_reaching_into_the_directory(void **state)
{
    (void)state;
    Maker maker = {0};
    add_stored(&maker, "a", "x");
    add_entry(&maker, &(Member){"b\033", NULL, 0xFFFFFF, 0xFFFFFF, 0, 0, 0, 0}, 40);
    finish(&maker);
    refuses(&maker, "'b\\x1b' reaches into the directory");
}

static void test_stored_with_two_sizes(void **state)
{
    (void)state;
    Maker maker = {0};
    add_member(&maker, &(Member){"a", "x", 1, 2, 0, 0, 0, 0});
    finish(&maker);
    refuses(&maker, "two sizes differ");
}

static void test_cut_file(void **state)
{
    (void)state;
    Maker maker = {0};
    add_stored(&maker, "a", "content that goes on");
    refuses(&maker, "cut off");
}

static void test_counting_more_members_than_there_are(void **state)
{
    (void)state;
    Maker maker = {0};
    add_stored(&maker, "a", "x");
    uint64_t offset = maker.file.length;
    text_addn(&maker.file, maker.directory.bytes, maker.directory.length);
    put_end_record(&maker.file, 9, maker.directory.length, offset);
    refuses(&maker, "counts 9 members");
}

static void test_damaged_entry(void **state)
{
    (void)state;
    Maker maker = {0};
    add_stored(&maker, "a", "x");
    add_stored(&maker, "b", "x");
    maker.directory.bytes[46 + 1] ^= 1;   /* the signature of the second entry */
    finish(&maker);
    refuses(&maker, "entry 1 of its directory is damaged");
}

static void test_end_records_that_disagree(void **state)
{
    (void)state;
    Maker maker = {0};
    add_stored(&maker, "a", "x");
    uint64_t offset = maker.file.length;
    text_addn(&maker.file, maker.directory.bytes, maker.directory.length);
    uint64_t at = maker.file.length;
    put(&maker.file, 0x06064b50, 4);
    put(&maker.file, 44, 8);
    put(&maker.file, 0, 12);
    put(&maker.file, 2, 8);
    put(&maker.file, 2, 8);
    put(&maker.file, maker.directory.length, 8);
    put(&maker.file, offset, 8);
    put(&maker.file, 0x07064b50, 4);
    put(&maker.file, 0, 4);
    put(&maker.file, at, 8);
    put(&maker.file, 1, 4);
    put_end_record(&maker.file, 1, maker.directory.length, offset);
    refuses(&maker, "two end records disagree");
}

static void test_fake_end_record_in_the_last_member(void **state)
{
    (void)state;
    Maker maker = {0};
    Error err = {0};
    char fake[40] = "PK\5\6";
    add_member(&maker, &(Member){"a", fake, sizeof fake, sizeof fake, 0, 0, 0, 0});
    finish(&maker);
    text_add(&maker.file, "trailing junk PK\5\6 of some bytes, more than an end record has");
    Zip *zip = open_made(&maker, &err);
    assert_non_null(zip);
    assert_int_equal(zip_count(zip), 1);
    zip_unref(zip);
}

static void test_missing_local_header(void **state)
{
    (void)state;
    Maker maker = {0};
    Error err = {0};
    add_stored(&maker, "a", "content");
    maker.file.bytes[0] = 'X';
    finish(&maker);
    Zip *zip = open_made(&maker, &err);
    assert_non_null(zip);
    assert_null(content(zip, "a", &err));
    assert_error_has(err, "no local header at byte 0");
    zip_unref(zip);
}

static void test_unknown_compression(void **state)
{
    (void)state;
    Maker maker = {0};
    Error err = {0};
    add_member(&maker, &(Member){"a", "xyz", 3, 5, 0, 14, 0, 0});
    finish(&maker);
    Zip *zip = open_made(&maker, &err);
    assert_non_null(zip);
    assert_null(content(zip, "a", &err));
    assert_error_has(err, "method 14");
    zip_unref(zip);
}

/* Every real fixture: our reader of the directory against libzip's. */
static void test_directory_agrees_with_libzip(void **state)
{
    (void)state;
    static const char *const files[] = {"tests/data/demo/pretrain.pth", "tests/data/kinds/zip.pth",
                                        "tests/data/dtypes/zip.pth"};
    for (size_t f = 0; f < countof(files); f++) {
        Error err = {0};
        ByteSource *source = source_open_file(files[f], &err);
        assert_non_null(source);
        Zip *ours = zip_open_archive(source, &err);
        source_unref(source);
        assert_non_null(ours);
        zip_t *theirs = zip_open(files[f], ZIP_RDONLY, NULL);
        assert_non_null(theirs);
        assert_int_equal(zip_count(ours), zip_get_num_entries(theirs, 0));
        for (size_t i = 0; i < zip_count(ours); i++) {
            zip_stat_t stat;
            const ZipMember *member = zip_member(ours, i);
            assert_int_equal(zip_stat_index(theirs, i, ZIP_FL_ENC_RAW, &stat), 0);
            assert_string_equal(member->name, stat.name);
            assert_int_equal(member->size, stat.size);
            assert_int_equal(member->crc, stat.crc);
        }
        zip_discard(theirs);
        zip_unref(ours);
    }
}

static void test_windows_stay_inside(void **state)
{
    (void)state;
    Error err = {0};
    ByteSource *base = source_from_memory("0123456789", 10, "ten");
    ByteSource *window = source_window(base, 4, 4, "ten::part", &err);
    char out[8] = "";
    assert_true(source_read(window, 1, out, 3, &err));
    assert_string_equal(out, "567");
    assert_false(source_read(window, 1, out, 4, &err));
    assert_error_has(err, "ten::part");
    assert_false(source_read(window, UINT64_MAX, out, 1, &err));
    assert_null(source_window(base, 8, 3, NULL, &err));
    assert_null(source_window(base, UINT64_MAX, 2, NULL, &err));
    source_unref(base);
    assert_true(source_read(window, 0, out, 1, &err));
    source_unref(window);
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    Error err = {0};
    assert_null(source_open_file("tests/data/no-such-file", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_null(source_open_file("tests/data", &err));
    assert_error_has(err, "is a folder");
    char folder[] = "/tmp/tenon-source-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(source_open_file(path, &err));
    assert_error_has(err, "pipe or a device");
    unlink(path);
    rmdir(folder);
}

static void test_a_file_that_shrinks_is_an_error(void **state)
{
    (void)state;
    Error err = {0};
    char path[] = "/tmp/tenon-shrink-XXXXXX", out[8];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    ByteSource *source = source_open_file(path, &err);
    assert_non_null(source);
    assert_int_equal(ftruncate(fd, 4), 0);
    assert_false(source_read(source, 2, out, 8, &err));
    assert_error_has(err, "became shorter");
    source_unref(source);
    close(fd);
    unlink(path);
}

/* Byte i of the file below. */
static unsigned char byte_at(uint64_t i)
{
    return (unsigned char)(i * 2654435761u >> 13);
}

static bool reads_right(ByteSource *source, uint64_t at, size_t n)
{
    unsigned char bytes[8192];
    if (!source_read(source, at, bytes, n, NULL)) return false;
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != byte_at(at + i)) return false;
    return true;
}

/* Small reads one behind the other, with and without gaps, back again, across others that are
 * larger, and up to the last byte: a stretch of the file is read for many of them at once. */
static void test_small_reads_in_a_row(void **state)
{
    enum { SIZE = 300 * 1000 };
    static unsigned char whole[SIZE];
    (void)state;
    for (size_t i = 0; i < SIZE; i++) whole[i] = byte_at(i);
    char path[] = "/tmp/test_source_rowXXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, whole, SIZE), SIZE);
    ByteSource *source = source_open_file(path, NULL);
    uint32_t random = 1;
    for (uint64_t at = 0, round = 0; round < 20000; round++) {
        random = random * 1103515245 + 12345;
        const size_t n = random >> 16 & (round % 7 ? 0xFF : 0x1FFF);
        if (at + n > SIZE || random >> 24 == 7) at = random % (SIZE - n);
        assert_true(reads_right(source, at, n));
        at += n + (round % 3 ? 0 : random >> 20);
        if (round % 50 == 49 && at > 9000) at -= 9000;
    }
    for (uint64_t at = SIZE - 5000; at < SIZE; at += 100) assert_true(reads_right(source, at, 100));
    assert_false(reads_right(source, SIZE - 50, 100));
    for (uint64_t at = 0; at < 1000; at += 100) assert_true(reads_right(source, at, 100));
    assert_int_equal(ftruncate(fd, 100 * 1000), 0);
    assert_true(reads_right(source, 99 * 1000, 100));
    assert_false(reads_right(source, 100 * 1000, 100));
    uint64_t at = 98 * 1000;
    while (at < SIZE - 100 && reads_right(source, at, 100)) at += 100;
    assert_int_equal(at, 100 * 1000);
    source_unref(source);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_reads_in_a_row),
        cmocka_unit_test(test_stored_members_are_windows),
        cmocka_unit_test(test_deflated_members_are_inflated_once),
        cmocka_unit_test(test_inflating_more_than_claimed_is_refused),
        cmocka_unit_test(test_inflating_less_than_claimed_is_refused),
        cmocka_unit_test(test_wrong_crc_of_a_deflated_member_is_refused),
        cmocka_unit_test(test_zip_bomb_by_ratio),
        cmocka_unit_test(test_overlapping_members),
        cmocka_unit_test(test_more_appended_than_a_comment),
        cmocka_unit_test(test_duplicate_names),
        cmocka_unit_test(test_encrypted_member),
        cmocka_unit_test(test_member_reaching_into_the_directory),
        cmocka_unit_test(test_stored_with_two_sizes),
        cmocka_unit_test(test_cut_file),
        cmocka_unit_test(test_counting_more_members_than_there_are),
        cmocka_unit_test(test_damaged_entry),
        cmocka_unit_test(test_end_records_that_disagree),
        cmocka_unit_test(test_fake_end_record_in_the_last_member),
        cmocka_unit_test(test_missing_local_header),
        cmocka_unit_test(test_unknown_compression),
        cmocka_unit_test(test_directory_agrees_with_libzip),
        cmocka_unit_test(test_windows_stay_inside),
        cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_a_file_that_shrinks_is_an_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
