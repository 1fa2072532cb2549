/* The CRC of a member that is copied as it is: it is the source's, and nobody computes it. This program
 * has a crc_add of its own in the place of loader/core/crc.c, which counts. */
#include "tests/unit/export_help.h"

#include <stdatomic.h>
#include <zlib.h>

#include "loader/core/crc.h"
#include "loader/core/little.h"

static atomic_ulong counted;     /* bytes that a CRC was computed over; threads do */

uint32_t crc_add(uint32_t crc, const void *bytes, size_t n)
{
    atomic_fetch_add(&counted, n);
    return (uint32_t)crc32_z(crc, bytes, n);
}

uint32_t crc_join(uint32_t first, uint32_t second, uint64_t n)
{
    return (uint32_t)crc32_combine64(first, second, (z_off64_t)n);
}

/* Small members are gathered, large ones are copied by threads; the odd one ends within a block. */
static const size_t sizes[] = {4, 1000, 65532, 65536, 1 << 20, (3 << 20) + 20};
enum { COUNT = 6, OVERHEAD = 20000 };        /* pickle, version, and the like */

static size_t total(void)
{
    size_t sum = 0;
    for (int i = 0; i < COUNT; i++) sum += sizes[i];
    return sum;
}

/* t0 … t5, bytes. */
static void make_source(const char *path)
{
    Text header = {0};
    size_t at = 0;
    for (int i = 0; i < COUNT; at += sizes[i++])
        text_addf(&header, "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}",
                  i ? "," : "{", i, sizes[i], at, at + sizes[i]);
    text_addc(&header, '}');
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 8; i++) fputc((int)((uint64_t)header.length >> (8 * i) & 0xFF), file);
    fwrite(header.bytes, 1, header.length, file);
    for (size_t i = 0; i < at; i++) fputc((int)(i * 2654435761u >> 13 & 0xFF), file);
    assert_int_equal(fclose(file), 0);
    text_done(&header);
}

static void add_prefix(Draft *draft)
{
    Error err = {0};
    Origin origin = {"test.lua", 1};
    if (!draft_prefix(draft, origin, "c.", &err)) fail_msg("%s", err.text);
}

/* How many bytes a CRC was computed over meanwhile. */
static size_t export_to(const char *source, const char *name, unsigned threads)
{
    const ExportOptions options = {.force = true, .threads = threads};
    Alignment *alignment = align_files(source, NULL, add_prefix);
    counted = 0;
    write_plan(alignment, NULL, in_folder(name), &options);
    align_unref(alignment);
    return counted;
}

/* Of data/0 … data/5: what the file claims, and what is so. */
static void read_crcs(const char *path, uint32_t *claims, uint32_t *real)
{
    Error err = {0};
    size_t n;
    char *bytes = read_file(path, &n);
    ByteSource *source = source_open_file(path, &err);
    Zip *zip = zip_open_archive(source, &err);
    if (!zip) fail_msg("%s", err.text);
    for (int i = 0; i < COUNT; i++) {
        char name[300];
        uint64_t data;
        snprintf(name, sizeof name, "%sdata/%d", zip_prefix(zip), i);
        const ZipMember *member = zip_find(zip, name);
        assert_non_null(member);
        assert_int_equal(member->size, sizes[i]);
        assert_true(zip_data_offset(zip, member, &data, &err));
        claims[i] = member->crc;
        real[i] = (uint32_t)crc32_z(0, (const unsigned char *)bytes + data, member->size);
        /* PyTorch's records have a descriptor behind their bytes, and that says the same */
        const unsigned char *end = (const unsigned char *)bytes + data + member->size;
        assert_int_equal(little_read(end + 4, 4), claims[i]);
    }
    zip_unref(zip);
    source_unref(source);
    free(bytes);
}

static void flip(const char *path, const char *member)
{
    Error err = {0};
    uint64_t data;
    char name[300];
    ByteSource *source = source_open_file(path, &err);
    Zip *zip = zip_open_archive(source, &err);
    snprintf(name, sizeof name, "%s%s", zip_prefix(zip), member);
    assert_true(zip_data_offset(zip, zip_find(zip, name), &data, &err));
    zip_unref(zip);
    source_unref(source);
    FILE *file = fopen(path, "r+");
    assert_int_equal(fseek(file, (long)data + 3, SEEK_SET), 0);
    int c = fgetc(file);
    assert_int_equal(fseek(file, (long)data + 3, SEEK_SET), 0);
    fputc(c ^ 0x10, file);
    assert_int_equal(fclose(file), 0);
}

static void test_renamed_is_not_summed(void **state)
{
    uint32_t claims[COUNT], real[COUNT];
    (void)state;
    make_source(in_folder("a.safetensors"));
    for (unsigned threads = 1; threads <= 4; threads += 3) {
        char *made = strdup(in_folder("a.safetensors")), *zip = NULL;
        size_t first = export_to(made, "a.pth", threads);      /* no CRC is known: all are computed */
        assert_in_range(first, total(), total() + OVERHEAD);
        zip = strdup(in_folder("a.pth"));
        assert_in_range(export_to(zip, "b.pth", threads), 1, OVERHEAD);
        read_crcs(in_folder("b.pth"), claims, real);
        assert_memory_equal(claims, real, sizeof real);
        free(made);
        free(zip);
    }
}

/* Damage of the source is not made good in the output's CRCs: whoever looks at them sees it still. */
static void test_damage_stays_visible(void **state)
{
    uint32_t before[COUNT], claims[COUNT], real[COUNT];
    (void)state;
    make_source(in_folder("a.safetensors"));
    char *made = strdup(in_folder("a.safetensors"));
    export_to(made, "a.pth", 2);
    char *zip = strdup(in_folder("a.pth"));
    read_crcs(zip, before, real);
    assert_memory_equal(before, real, sizeof real);
    const char *const damaged[] = {"data/1", "data/4"};        /* a small one and a large one */
    for (int i = 0; i < 2; i++) flip(zip, damaged[i]);
    assert_in_range(export_to(zip, "b.pth", 2), 1, OVERHEAD);
    read_crcs(in_folder("b.pth"), claims, real);
    assert_memory_equal(claims, before, sizeof before);
    for (int i = 0; i < COUNT; i++) assert_int_equal(claims[i] != real[i], i == 1 || i == 4);
    free(made);
    free(zip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_renamed_is_not_summed),
        cmocka_unit_test(test_damage_stays_visible),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
