#include "loader/source/zip_directory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/text.h"

enum {
    END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56, ENTRY_SIZE = 46, LOCAL_SIZE = 30,
    COMMENT_MAX = 65535
};
static const uint32_t END_MAGIC = 0x06054b50, LOCATOR_MAGIC = 0x07064b50, END64_MAGIC = 0x06064b50,
                      ENTRY_MAGIC = 0x02014b50;

/* What an end record says, whichever of the two forms it has. */
typedef struct EndRecord {
    uint64_t count, size, offset;   /* entries; bytes and place of the central directory */
    uint64_t at;                    /* where the record itself stands */
} EndRecord;

static uint64_t little(const unsigned char *p, unsigned n)
{
    uint64_t value = 0;
    while (n--) value = value << 8 | p[n];
    return value;
}

static uint32_t u16(const unsigned char *p)
{
    return (uint32_t)little(p, 2);
}

static uint32_t u32(const unsigned char *p)
{
    return (uint32_t)little(p, 4);
}

/* A plausible end record: the directory it names lies before it and starts like one. The bytes
 * "PK\5\6" may also occur in a comment or in the last tensor. */
static bool is_plausible(ByteSource *source, const EndRecord *end)
{
    unsigned char magic[4];
    if (end->size > end->at || end->offset > end->at - end->size) return false;
    if (!end->count) return end->size == 0;
    return source_read(source, end->offset, magic, 4, NULL) && u32(magic) == ENTRY_MAGIC;
}

/* The zip64 record that a locator right before the end record points to, when there is one. */
static bool read_end64(ByteSource *source, EndRecord *end, Error *err)
{
    unsigned char locator[LOCATOR_SIZE], record[END64_SIZE];
    if (end->at < LOCATOR_SIZE) return true;
    if (!source_read(source, end->at - LOCATOR_SIZE, locator, sizeof locator, err)) return false;
    if (u32(locator) != LOCATOR_MAGIC) return true;
    uint64_t at = little(locator + 8, 8);
    if (at > end->at || end->at - at < END64_SIZE + LOCATOR_SIZE ||
        !source_read(source, at, record, sizeof record, NULL) || u32(record) != END64_MAGIC)
        return error_set(err, ERR_FORMAT, "%s: its zip64 end record is not where the locator says "
                         "(byte %" PRIu64 "); the file is damaged", source->name, at);
    EndRecord wide = {little(record + 32, 8), little(record + 40, 8), little(record + 48, 8), at};
    if ((end->count != 0xFFFF && end->count != wide.count) ||
        (end->size != 0xFFFFFFFF && end->size != wide.size) ||
        (end->offset != 0xFFFFFFFF && end->offset != wide.offset))
        return error_set(err, ERR_FORMAT, "%s: its two end records disagree (bytes %" PRIu64
                         " and %" PRIu64 "); the file is damaged or was tampered with",
                         source->name, at, end->at);
    *end = wide;
    return true;
}

static bool find_end(ByteSource *source, EndRecord *end, Error *err)
{
    uint64_t window = source->size < END_SIZE + COMMENT_MAX ? source->size : END_SIZE + COMMENT_MAX;
    unsigned char *tail = mem_alloc((size_t)window);
    bool found = false, ok = source_read(source, source->size - window, tail, (size_t)window, err);
    for (uint64_t i = window; ok && !found && i-- > 0;) {
        if (window - i < END_SIZE || u32(tail + i) != END_MAGIC) continue;
        *end = (EndRecord){u16(tail + i + 10), u32(tail + i + 12), u32(tail + i + 16),
                           source->size - window + i};
        bool one_disk = u16(tail + i + 4) == u16(tail + i + 6);
        if (!read_end64(source, end, err)) ok = false;
        else found = one_disk && is_plausible(source, end);
    }
    free(tail);
    if (ok && !found)
        error_set(err, ERR_FORMAT,
                  "%s: starts like a zip file but has no end record in its %" PRIu64
                  " bytes: it was cut off (download it again) or has more than 64 KiB appended",
                  source->name, source->size);
    return ok && found;
}

/* Takes sizes and offset from the zip64 extra field where the entry's own are saturated. */
static bool read_extra(const unsigned char *extra, size_t n, ZipMember *member)
{
    for (size_t i = 0; n - i >= 4;) {
        size_t length = u16(extra + i + 2), at = i + 4, end = at + length;
        if (length > n - at) return true;   /* torch pads with such fields: not ours to judge */
        if (u16(extra + i) == 1) {
            uint64_t *wide[] = {&member->size, &member->stored_size, &member->header};
            for (size_t k = 0; k < countof(wide); k++) {
                if (*wide[k] != 0xFFFFFFFF) continue;
                if (end - at < 8) return false;
                *wide[k] = little(extra + at, 8);
                at += 8;
            }
            return true;
        }
        i = end;
    }
    return true;
}

static bool refuse_member(ByteSource *source, const char *name, const char *what, Error *err)
{
    Text shown = {0};
    name_show(name, &shown);
    error_set(err, ERR_FORMAT, "%s: member '%s' %s", source->name, text_string(&shown), what);
    text_done(&shown);
    return false;
}

static bool check_member(ByteSource *source, const ZipMember *member, uint16_t disk,
                         uint64_t limit, Error *err)
{
    uint64_t end;
    if (member->flags & 1)
        return refuse_member(source, member->name, "is encrypted; decrypt the archive first", err);
    if (disk)
        return refuse_member(source, member->name, "lies on another disk of a split archive", err);
    if (!sum_add(member->header, LOCAL_SIZE, &end) || !sum_add(end, member->stored_size, &end) ||
        end > limit)
        return refuse_member(source, member->name,
                             "reaches into the directory: the file is damaged", err);
    if (member->method == 0 && member->size != member->stored_size)
        return refuse_member(source, member->name, "is stored, but its two sizes differ", err);
    if (member->method == 8 && member->size / ZIP_SPOOL_MAX_RATIO > member->stored_size)
        return refuse_member(source, member->name, "claims to inflate more than deflate can "
                             "(1100 : 1): a zip bomb, or damaged", err);
    return true;
}

/* Parses one entry at `at` and moves behind it. */
static bool read_entry(ByteSource *source, ZipDirectory *directory, const unsigned char *bytes,
                       size_t size, size_t *at, const EndRecord *end, Error *err)
{
    const unsigned char *p = bytes + *at;
    size_t left = size - *at, name = 0, extra = 0, comment = 0;
    if (left >= ENTRY_SIZE) name = u16(p + 28), extra = u16(p + 30), comment = u16(p + 32);
    if (left < ENTRY_SIZE || u32(p) != ENTRY_MAGIC || left - ENTRY_SIZE < name + extra + comment)
        return error_set(err, ERR_FORMAT, "%s: entry %zu of its directory is damaged (byte %" PRIu64
                         ")", source->name, directory->count, end->offset + *at);
    ZipMember *member = &directory->members[directory->count];
    *member = (ZipMember){name_hold(directory->arena, p + ENTRY_SIZE, name), u32(p + 42),
                          u32(p + 20), u32(p + 24), u32(p + 16), (uint16_t)u16(p + 10),
                          (uint16_t)u16(p + 8)};
    if (!read_extra(p + ENTRY_SIZE + name, extra, member))
        return refuse_member(source, member->name, "has a zip64 field that is too short", err);
    if (!check_member(source, member, (uint16_t)(u16(p + 34) == 0xFFFF ? 0 : u16(p + 34)),
                      end->offset, err))
        return false;
    if (map_set(&directory->index, member->name, (uint32_t)directory->count) != MAP_NONE)
        return refuse_member(source, member->name, "is there twice: which one is meant depends on "
                             "the reader, so none is taken", err);
    directory->count++;
    *at += ENTRY_SIZE + name + extra + comment;
    return true;
}

static int by_header(const void *a, const void *b)
{
    const ZipMember *x = *(const ZipMember *const *)a, *y = *(const ZipMember *const *)b;
    return (x->header > y->header) - (x->header < y->header);
}

/* Two members over the same bytes are how small files inflate to terabytes. */
static bool check_overlaps(ByteSource *source, const ZipDirectory *directory, Error *err)
{
    const ZipMember **order = mem_alloc(directory->count * sizeof *order);
    for (size_t i = 0; i < directory->count; i++) order[i] = &directory->members[i];
    qsort(order, directory->count, sizeof *order, by_header);
    bool ok = true;
    for (size_t i = 1; ok && i < directory->count; i++) {
        uint64_t end = order[i - 1]->header + LOCAL_SIZE + order[i - 1]->stored_size;
        if (order[i]->header < end)
            ok = refuse_member(source, order[i]->name, "overlaps the one before it", err);
    }
    free(order);
    return ok;
}

static void find_prefix(ZipDirectory *directory)
{
    directory->prefix = "";
    if (!directory->count) return;
    const char *first = directory->members[0].name, *slash = strchr(first, '/');
    if (!slash) return;
    char *prefix = arena_strndup(directory->arena, first, (size_t)(slash + 1 - first));
    for (size_t i = 0; i < directory->count; i++)
        if (!has_prefix(directory->members[i].name, prefix)) return;
    directory->prefix = prefix;
}

static bool read_entries(ByteSource *source, ZipDirectory *directory, const EndRecord *end,
                         Error *err)
{
    if (end->count > ZIP_MEMBERS_MAX || end->size > ZIP_DIRECTORY_MAX)
        return error_set(err, ERR_LIMIT, "%s: a directory of %" PRIu64 " members and %" PRIu64
                         " bytes is over the limit (%d members, %d bytes)", source->name,
                         end->count, end->size, ZIP_MEMBERS_MAX, ZIP_DIRECTORY_MAX);
    if (end->count > end->size / ENTRY_SIZE)
        return error_set(err, ERR_FORMAT, "%s: its end record counts %" PRIu64
                         " members, its directory has room for %" PRIu64, source->name, end->count,
                         end->size / ENTRY_SIZE);
    unsigned char *bytes = mem_alloc((size_t)end->size);
    directory->members = arena_alloc(directory->arena, (size_t)end->count * sizeof(ZipMember));
    bool ok = source_read(source, end->offset, bytes, (size_t)end->size, err);
    for (size_t at = 0; ok && directory->count < end->count;)
        ok = read_entry(source, directory, bytes, (size_t)end->size, &at, end, err);
    free(bytes);
    return ok && check_overlaps(source, directory, err);
}

bool zip_directory_read(ByteSource *source, ZipDirectory *directory, Error *err)
{
    EndRecord end;
    *directory = (ZipDirectory){.arena = arena_new()};
    if (!find_end(source, &end, err) || !read_entries(source, directory, &end, err)) {
        zip_directory_done(directory);
        return false;
    }
    find_prefix(directory);
    return true;
}

void zip_directory_done(ZipDirectory *directory)
{
    map_done(&directory->index);
    arena_free(directory->arena);
    *directory = (ZipDirectory){0};
}
