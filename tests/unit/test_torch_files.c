/* torch: the two kinds of files around the pickle: zips with their records, the zips that are
 * refused, and legacy streams whole, old, cut short and wrong. */
#include <stdlib.h>

#include "tests/unit/torch_maker.h"

static const float numbers[4] = {1, 2, 3, 4};

/* The pickle {'w': tensor of storage "0"}, with STOP. */
static void put_plain(Text *p)
{
    text_add(p, "}U\x01w");
    put_floats(p, "0", 4);
    text_add(p, "s.");
}

/* The plain pickle as PREFIX/data.pkl, its storage, and up to two records more, which may stand
 * in front of them. */
static Checkpoint *open_plain(const char *prefix, const Record *extra, size_t extras, bool first,
                              Error *err)
{
    Text p = {0}, name = {0}, data = {0};
    put_plain(&p);
    text_addf(&name, "%s/data.pkl", prefix);
    text_addf(&data, "%s/data/0", prefix);
    Record records[4];
    size_t count = 0;
    for (size_t i = 0; first && i < extras; i++) records[count++] = extra[i];
    records[count++] = (Record){name.bytes, p.bytes, p.length};
    records[count++] = (Record){data.bytes, numbers, sizeof numbers};
    for (size_t i = 0; !first && i < extras; i++) records[count++] = extra[i];
    Checkpoint *checkpoint = open_records(records, count, err);
    text_done(&p);
    text_done(&name);
    text_done(&data);
    return checkpoint;
}

static void reads(Checkpoint *checkpoint, const Error *err, const char *warning)
{
    float got[4];
    if (!checkpoint) fail_msg("%s", err->text);
    assert_true(tensor_read(tensor_at(checkpoint, "", "w"), NULL, NULL, got, NULL));
    assert_memory_equal(got, numbers, sizeof got);
    assert_int_equal(checkpoint_finding_count(checkpoint), warning != NULL);
    if (warning) assert_non_null(strstr(checkpoint_finding(checkpoint, 0)->what, warning));
    checkpoint_unref(checkpoint);
}

static void refused(Checkpoint *checkpoint, const Error *err, ErrorCode code, const char *part)
{
    is_refused(checkpoint, err, part);
    assert_int_equal(err->code, code);
}

/* --- zips ----------------------------------------------------------------------------- */

static void test_plain_zip(void **state)
{
    (void)state;
    Error err = {0};
    const Record version = {"archive/version", BYTES("3\n")},
                 hidden = {"m/.data/version", BYTES("10")};
    reads(open_plain("archive", &version, 1, false, &err), &err, NULL);
    reads(open_plain("archive", &version, 1, true, &err), &err, NULL);
    reads(open_plain("m", &hidden, 1, false, &err), &err, NULL);
}

static void test_zip_that_was_zipped_again(void **state)
{
    (void)state;
    Error err = {0};
    const Record extra[] = {{"__MACOSX/._data.pkl", BYTES("junk")}, {"net/version", BYTES("3")}};
    reads(open_plain("net", extra, 2, true, &err), &err, "re-zipped by hand");
    reads(open_plain("outer/net", (Record[]){{"outer/net/version", BYTES("3")}}, 1, false, &err),
          &err, "re-zipped by hand");
}

static void test_two_archives_in_one_zip(void **state)
{
    (void)state;
    Error err = {0};
    const Record extra[] = {{"readme", BYTES("hello")}, {"other/data.pkl", BYTES("N.")}};
    refused(open_plain("net", extra, 2, true, &err), &err, ERR_FORMAT,
            "there is a data.pkl in two folders, 'other/' and 'net/'");
}

/* What looks like a path is the name of a record, of which only the zip is asked. */
static void test_storage_keys_are_no_paths(void **state)
{
    (void)state;
    static const char *const keys[] = {"../../etc/passwd", "/etc/passwd", "a//b", "\xC3\xA9\x1B[2J",
                                       "140245072983168.storage"};
    for (size_t i = 0; i < countof(keys); i++) {
        Text p = {0}, name = {0};
        Error err = {0};
        text_add(&p, "}U\x01w");
        put_floats(&p, keys[i], 4);
        text_add(&p, "s.");
        text_addf(&name, "a/data/%s", keys[i]);
        const Record records[] = {{"a/data.pkl", p.bytes, p.length},
                                  {"a/version", BYTES("3")},
                                  {name.bytes, numbers, sizeof numbers}};
        reads(open_records(records, 3, &err), &err, NULL);
        refused(open_records(records, 2, &err), &err, ERR_FORMAT, "which is not in the file");
        assert_null(strchr(err.text, '\x1B'));
        text_done(&p);
        text_done(&name);
    }
}

/* As torch.load does, which takes it for a legacy stream. */
static void test_bytes_before_the_archive(void **state)
{
    (void)state;
    Text p = {0}, zip = {0}, file = {0};
    Error err = {0};
    put_plain(&p);
    const Record records[] = {{"a/data.pkl", p.bytes, p.length},
                              {"a/version", BYTES("3")},
                              {"a/data/0", numbers, sizeof numbers}};
    make_zip(&zip, records, 3);
    text_add(&file, "junk");
    text_addn(&file, zip.bytes, zip.length);
    refused(open_bytes(&file, &err), &err, ERR_FORMAT, "no format that tenon knows");
    text_done(&p);
    text_done(&zip);
    text_done(&file);
}

static void test_version(void **state)
{
    (void)state;
    Error err = {0};
    reads(open_plain("a", NULL, 0, false, &err), &err, "there is no record 'version'");
    const Record eleven = {"a/version", BYTES("11\n")}, junk = {"a/version", BYTES("three")};
    refused(open_plain("a", &eleven, 1, false, &err), &err, ERR_UNSUPPORTED,
            "is of file version 11; versions 1 to 10 are known");
    refused(open_plain("a", &junk, 1, false, &err), &err, ERR_FORMAT, "'version' is no number");
}

static void test_byteorder(void **state)
{
    (void)state;
    Error err = {0};
    Record extra[] = {{"a/version", BYTES("3")}, {"a/byteorder", BYTES("little")}};
    reads(open_plain("a", extra, 2, false, &err), &err, NULL);
    extra[1] = (Record){"a/byteorder", BYTES("middle")};
    refused(open_plain("a", extra, 2, false, &err), &err, ERR_FORMAT,
            "neither \"little\" nor \"big\"");
    extra[1] = (Record){"a/byteorder", BYTES("big")};
    Checkpoint *c = open_plain("a", extra, 2, false, &err);
    uint32_t got[4];
    assert_non_null(c);
    assert_true(tensor_at(c, "", "w")->encoding->big_endian);
    assert_true(tensor_read(tensor_at(c, "", "w"), NULL, NULL, got, NULL));
    assert_int_equal(got[0], 0x803F);
    checkpoint_unref(c);
}

static void test_bytes_behind_the_pickle(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0};
    put_plain(&p);
    text_add(&p, "more");
    const Record records[] = {{"a/data.pkl", p.bytes, p.length},
                              {"a/data/0", numbers, sizeof numbers},
                              {"a/version", BYTES("3")}};
    reads(open_records(records, 3, &err), &err, "4 bytes follow the pickle");
    text_done(&p);
}

static void test_damaged_pickle(void **state)
{
    (void)state;
    Error err = {0};
    const Record records[] = {{"a/data.pkl", BYTES("}K\x01s.")}, {"a/version", BYTES("3")}};
    refused(open_records(records, 2, &err), &err, ERR_FORMAT,
            "SETITEM at byte 3: takes an item from an empty stack");
}

static void test_zips_that_are_something_else(void **state)
{
    (void)state;
    static const struct { const char *members[3], *part;
    } cases[] = {
        {{"word/document.xml", "word/styles.xml", NULL}, "none that PyTorch wrote"},
        {{"empty/", NULL, NULL}, "nothing in it"},
        {{"x/version", "x/byteorder", "x/.data/serialization_id"}, "torch.save has failed in it"},
        {{"x/version", NULL, NULL}, "torch.save has failed in it"},
        {{"x/version", "x/notes.txt", NULL}, "none that PyTorch wrote"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Record records[3];
        Error err = {0};
        size_t count = 0;
        for (size_t j = 0; j < 3 && cases[i].members[j]; j++)
            records[count++] = (Record){cases[i].members[j], BYTES("N.")};
        if (has_suffix(records[0].name, "/")) records[0].n = 0;
        assert_null(open_records(records, count, &err));
        assert_error_has(err, "x.pth: ");
        assert_error_has(err, cases[i].part);
    }
}

static void test_meta_storage_without_record(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0};
    text_add(&p, "}U\x01wctorch._utils\n_rebuild_tensor\n((U\x07storagectorch\nFloatStorage\nU\x01"
                 "9U\x04metaK\x04tQ");
    text_addn(&p, BYTES("K\x00K\x04\x85K\x01\x85tRs"));
    Checkpoint *c = open_zip_of(&p, numbers, sizeof numbers, &err);
    if (!c) fail_msg("%s", err.text);
    assert_null(tensor_at(c, "", "w")->storage);
    checkpoint_unref(c);
}

static void test_bare_storage(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0};
    put_storage(&p, &(Made){.numel = 4});
    Checkpoint *c = open_zip_of(&p, numbers, sizeof numbers, &err);
    assert_non_null(c);
    assert_int_equal(checkpoint_root(c)->kind, OBJ_PERSID);
    assert_int_equal(checkpoint_container_count(c), 0);
    checkpoint_unref(c);
}

/* --- legacy streams ------------------------------------------------------------------- */

/* A storage as it lies behind the pickles. */
static void put_values(Text *file, int64_t numel, const void *bytes, size_t n)
{
    put(file, (uint64_t)numel, 8);
    text_addn(file, bytes, n);
}

/* {'w': 4 floats of storage "0"} with that view and those opcodes for the list of keys. */
static void put_stream(Text *file, const char *view, const char *keys)
{
    Text p = {0};
    text_add(&p, "}U\x01w");
    put_tensor(&p, &(Made){.numel = 4, .dims = {4}, .strides = {1}, .rank = 1, .view = view});
    text_addc(&p, 's');
    make_legacy(file, &p, keys);
    text_done(&p);
}

static Checkpoint *open_and_free(Text *file, Error *err)
{
    Checkpoint *checkpoint = open_bytes(file, err);
    text_done(file);
    return checkpoint;
}

static void test_plain_stream(void **state)
{
    (void)state;
    Error err = {0};
    Text file = {0};
    put_stream(&file, "N", "]U\x01" "0a");
    put_values(&file, 4, numbers, sizeof numbers);
    Checkpoint *c = open_and_free(&file, &err);
    if (!c) fail_msg("%s", err.text);
    assert_string_equal(checkpoint_format(c), "torch-legacy");
    reads(c, &err, NULL);
}

static void test_streams_of_other_protocols(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t n;
    } preambles[] = {
        {BYTES("L119547037146038801333356L\n.I1001\n.(dp0\n.")},
        {BYTES("\x80\x04\x95\x0D\0\0\0\0\0\0\0\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19."
               "\x80\x04\x95\x04\0\0\0\0\0\0\0M\xE9\x03.\x80\x04}\x94.")},
        {BYTES("\x80\x03\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.\x80\x03M\xE9\x03."
               "\x80\x03}q\0.")},
    };
    for (size_t i = 0; i < countof(preambles); i++) {
        Error err = {0};
        Text whole = {0}, file = {0};
        put_stream(&whole, NULL, "]U\x01" "0a");
        put_values(&whole, 4, numbers, sizeof numbers);
        text_addn(&file, preambles[i].bytes, preambles[i].n);
        text_addn(&file, whole.bytes + sizeof legacy_preamble - 1,
                  whole.length - (sizeof legacy_preamble - 1));
        text_done(&whole);
        reads(open_and_free(&file, &err), &err, NULL);
    }
}

static void test_stream_with_a_view(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0}, file = {0};
    text_add(&p, "}U\x01v");
    put_tensor(&p, &(Made){.numel = 4, .offset = 1, .dims = {2}, .strides = {1}, .rank = 1,
                           .view = "(U\x02v0K\x01K\x03t"});
    text_addc(&p, 's');
    make_legacy(&file, &p, "]U\x01" "0a");
    put_values(&file, 4, numbers, sizeof numbers);
    text_done(&p);
    Checkpoint *c = open_and_free(&file, &err);
    float got[2];
    if (!c) fail_msg("%s", err.text);
    assert_true(tensor_read(tensor_at(c, "", "v"), NULL, NULL, got, NULL));
    assert_true(got[0] == 3 && got[1] == 4);
    checkpoint_unref(c);
}

/* The storage goes on behind the view, but what lies there is another tensor's. */
static void test_tensor_beyond_its_view(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0}, file = {0};
    text_add(&p, "}U\x01v");
    put_tensor(&p, &(Made){.numel = 4, .offset = 1, .dims = {2}, .strides = {1}, .rank = 1,
                           .view = "(U\x02v0I0\nK\x02t"});
    text_addc(&p, 's');
    make_legacy(&file, &p, "]U\x01" "0a");
    put_values(&file, 4, numbers, sizeof numbers);
    text_done(&p);
    refused(open_and_free(&file, &err), &err, ERR_FORMAT, "in its view of a storage");
}

static void test_view_outside_of_its_storage(void **state)
{
    (void)state;
    static const struct { const char *view, *part; } cases[] = {
        {"(U\x02v0K\x02K\x03t", "its view of elements 2 to 5 lies outside of a storage of 4"},
        {"(U\x02v0K\x05J\xFF\xFF\xFF\xFFt", "its view is no (key, offset, size)"},
        {"K\x05", "its view is no (key, offset, size)"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Error err = {0};
        Text file = {0};
        put_stream(&file, cases[i].view, "]U\x01" "0a");
        put_values(&file, 4, numbers, sizeof numbers);
        refused(open_and_free(&file, &err), &err, ERR_FORMAT, cases[i].part);
    }
}

static void test_python_2_keys(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0}, file = {0};
    text_add(&p,
             "}U\x01wctorch._utils\n_rebuild_tensor\n((U\x07storagectorch\nFloatStorage\nK\x09U\x03"
             "cpuK\x04Nt"
             "QK\x01K\x02\x85K\x01\x85tRs");
    make_legacy(&file, &p, "]K\x09" "a");
    put_values(&file, 4, numbers, sizeof numbers);
    text_done(&p);
    Checkpoint *c = open_and_free(&file, &err);
    if (!c) fail_msg("%s", err.text);
    assert_int_equal(tensor_at(c, "", "w")->storage->bytes, 16);
    checkpoint_unref(c);
}

static void test_class_with_its_source(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0}, file = {0};
    text_add(&p, "(U\x06modulecmy\nNet\nU\x06net.pyU\x03" "...tQ)\x81}(U\x0B_parameters}U\x01w");
    put_floats(&p, "0", 4);
    text_add(&p, "sU\x08_modules}ub");
    make_legacy(&file, &p, "]U\x01" "0a");
    put_values(&file, 4, numbers, sizeof numbers);
    text_done(&p);
    reads(open_and_free(&file, &err), &err,
          "carries the Python source of my.Net ('net.py', 3 bytes)");
}

static void test_stream_cut_short(void **state)
{
    (void)state;
    Text whole = {0};
    put_stream(&whole, NULL, "]U\x01" "0a");
    size_t pickles = whole.length;
    put_values(&whole, 4, numbers, sizeof numbers);
    for (size_t n = sizeof legacy_preamble - 1; n < whole.length; n++) {
        Error err = {0};
        const Text file = {whole.bytes, n, n};
        assert_null(open_bytes(&file, &err));
        assert_error_has(err, n < pickles ? "the file ends"
                                          : "tensor 'w': shape [4] f32 needs 16 bytes");
        if (n >= pickles) assert_error_has(err, "cut short");
    }
    text_done(&whole);
}

static void test_stream_with_bytes_behind_it(void **state)
{
    (void)state;
    Error err = {0};
    Text file = {0};
    put_stream(&file, NULL, "]U\x01" "0a");
    put_values(&file, 4, numbers, sizeof numbers);
    text_add(&file, "junk");
    reads(open_and_free(&file, &err), &err, "4 bytes follow the last storage");
}

static void test_numel_of_pickle_and_header_differ(void **state)
{
    (void)state;
    Error err = {0};
    Text file = {0};
    put_stream(&file, NULL, "]U\x01" "0a");
    put_values(&file, 5, (float[]){1, 2, 3, 4, 5}, 20);
    reads(open_and_free(&file, &err), &err, "storage '0' has 5 elements at byte");
    put_stream(&file, NULL, "]U\x01" "0a");
    put_values(&file, 3, numbers, 12);
    refused(open_and_free(&file, &err), &err, ERR_FORMAT,
            "tensor 'w': shape [4] f32 needs 16 bytes, the storage has 12");
    put_stream(&file, NULL, "]U\x01" "0a");
    put_values(&file, -1, numbers, sizeof numbers);
    refused(open_and_free(&file, &err), &err, ERR_FORMAT,
            "storage '0' has a size that 63 bits cannot count");
}

static void test_wrong_list_of_keys(void **state)
{
    (void)state;
    static const struct { const char *keys, *part; } cases[] = {
        {"]", "storage '0' is referred to, but not in the file's list"},
        {"](U\x01" "0U\x01" "0e", "an entry (1) that stands there twice"},
        {"](U\x01" "0U\x01" "7e", "an entry (1) that no tensor refers to"},
        {"]Na", "an entry (0) that no tensor refers to"},
        {"K\x05", "is no list of storages"},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        Error err = {0};
        Text file = {0};
        put_stream(&file, NULL, cases[i].keys);
        put_values(&file, 4, numbers, sizeof numbers);
        put_values(&file, 4, numbers, sizeof numbers);
        refused(open_and_free(&file, &err), &err, ERR_FORMAT, cases[i].part);
    }
}

static void test_storage_of_unknown_class(void **state)
{
    (void)state;
    Error err = {0};
    Text p = {0}, file = {0};
    put_tensor(
        &p,
        &(Made){.class = "torch\nNewStorage", .numel = 4, .dims = {4}, .strides = {1}, .rank = 1});
    make_legacy(&file, &p, "]U\x01" "0a");
    put_values(&file, 4, numbers, sizeof numbers);
    text_done(&p);
    refused(open_and_free(&file, &err), &err, ERR_UNSUPPORTED,
            "storage '0' is of a class whose element size");
}

static void test_wrong_protocol_version(void **state)
{
    (void)state;
    Error err = {0};
    Text file = {0};
    text_addn(
        &file,
        BYTES("\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.\x80\x02M\xEA\x03.}."));
    refused(open_and_free(&file, &err), &err, ERR_UNSUPPORTED,
            "its protocol version is int 1002; only 1001");
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plain_zip),
        TEST(test_zip_that_was_zipped_again),
        TEST(test_two_archives_in_one_zip),
        TEST(test_storage_keys_are_no_paths),
        TEST(test_bytes_before_the_archive),
        TEST(test_version),
        TEST(test_byteorder),
        TEST(test_bytes_behind_the_pickle),
        TEST(test_damaged_pickle),
        TEST(test_zips_that_are_something_else),
        TEST(test_meta_storage_without_record),
        TEST(test_bare_storage),
        TEST(test_plain_stream),
        TEST(test_streams_of_other_protocols),
        TEST(test_stream_with_a_view),
        TEST(test_tensor_beyond_its_view),
        TEST(test_view_outside_of_its_storage),
        TEST(test_python_2_keys),
        TEST(test_class_with_its_source),
        TEST(test_stream_cut_short),
        TEST(test_stream_with_bytes_behind_it),
        TEST(test_numel_of_pickle_and_header_differ),
        TEST(test_wrong_list_of_keys),
        TEST(test_storage_of_unknown_class),
        TEST(test_wrong_protocol_version),
    };
    return cmocka_run_group_tests_name("torch files", tests, NULL, NULL);
}
