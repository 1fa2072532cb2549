/* The directory of a zip, from the end of the file towards its beginning: the end record says
 * where the central directory is, and the directory says where the members are. All numbers are
 * little-endian. Section numbers below are those of zip's APPNOTE.TXT. */
#include "loader/source/zip_directory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/little.h"
#include "loader/core/text.h"

/* Bytes of each record without its variable parts; the longest comment that 16 bits can count. */
enum {
    END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56, ENTRY_SIZE = 46, LOCAL_SIZE = 30,
    COMMENT_MAX = 65535
};
/* "PK" and two more bytes, read as a little-endian number: PK\5\6, PK\6\7, PK\6\6, PK\1\2. */
static const uint32_t END_MAGIC = 0x06054b50, LOCATOR_MAGIC = 0x07064b50, END64_MAGIC = 0x06064b50,
                      ENTRY_MAGIC = 0x02014b50;

/* What an end record says, whichever of the two forms it has. */
typedef struct EndRecord {
    uint64_t count, size, offset;   /* entries; bytes and place of the central directory */
    uint64_t at;                    /* where the record itself stands */
    uint64_t behind;                /* the byte behind the last record and its comment */
} EndRecord;

static uint32_t u16(const unsigned char *p)
{
    return (uint32_t)little_read(p, 2);
}

static uint32_t u32(const unsigned char *p)
{
    return (uint32_t)little_read(p, 4);
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

/* -- The end record -------------------------------------------------------------------- */

/* The zip64 record that a locator right before the end record points to, when there is one.
 *
 *   locator (4.3.15, 20 bytes): 0 "PK\6\7" | 4 u32 disk | 8 u64 place of the record | 16 u32 disks
 *   record (4.3.14, 56 bytes):  0 "PK\6\6" | 4 u64 its size | 12 u16 versions, twice
 *                               16 u32 disks, twice | 24 u64 entries on this disk
 *                               32 u64 entries | 40 u64 bytes of the directory | 48 u64 its place
 *
 * A number that does not fit the short record is all ones there; the others must agree, or two
 * readers would see two different archives. */
static bool read_end64(ByteSource *source, EndRecord *end, Error *err)
{
    unsigned char locator[LOCATOR_SIZE], record[END64_SIZE];
    if (end->at < LOCATOR_SIZE) return true;
    if (!source_read(source, end->at - LOCATOR_SIZE, locator, sizeof locator, err)) return false;
    if (u32(locator) != LOCATOR_MAGIC) return true;
    uint64_t at = little_read(locator + 8, 8);
    if (at > end->at || end->at - at < END64_SIZE + LOCATOR_SIZE ||
        !source_read(source, at, record, sizeof record, NULL) || u32(record) != END64_MAGIC)
        return error_set(err, ERR_FORMAT, "%s: its zip64 end record is not where the locator says "
                         "(byte %" PRIu64 "); the file is damaged", source->name, at);
    EndRecord wide = {little_read(record + 32, 8), little_read(record + 40, 8),
                      little_read(record + 48, 8), at,
                      end->behind};
    if ((end->count != 0xFFFF && end->count != wide.count) ||
        (end->size != 0xFFFFFFFF && end->size != wide.size) ||
        (end->offset != 0xFFFFFFFF && end->offset != wide.offset))
        return error_set(err, ERR_FORMAT, "%s: its two end records disagree (bytes %" PRIu64
                         " and %" PRIu64 "); the file is damaged or was tampered with",
                         source->name, at, end->at);
    *end = wide;
    return true;
}

/* The end record stands before a comment of any length up to 64 KiB, so it is searched for from
 * the end of the file backwards (4.3.16, 22 bytes and the comment):
 *
 *   0 "PK\5\6" | 4 u16 this disk | 6 u16 disk of the directory | 8 u16 entries on this disk
 *   10 u16 entries | 12 u32 bytes of the directory | 16 u32 its place | 20 u16 comment length
 *
 * The comment's length is not asked for: torch accepts files with something appended. */
static bool find_end(ByteSource *source, EndRecord *end, Error *err)
{
    uint64_t window = source->size < END_SIZE + COMMENT_MAX ? source->size : END_SIZE + COMMENT_MAX;
    unsigned char *tail = mem_alloc((size_t)window);
    bool found = false, ok = source_read(source, source->size - window, tail, (size_t)window, err);
    for (uint64_t i = window; ok && !found && i-- > 0;) {
        if (window - i < END_SIZE || u32(tail + i) != END_MAGIC) continue;
        uint64_t at = source->size - window + i, behind = at + END_SIZE + u16(tail + i + 20);
        *end = (EndRecord){u16(tail + i + 10), u32(tail + i + 12), u32(tail + i + 16), at,
                           behind < source->size ? behind : source->size};
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

/* Where the zip begins whose end record, without a comment, ends at byte `end`: it counts its bytes
 * from its own beginning, so the numbers of its last records tell. The zip64 record stands right
 * before the locator, whose own number is of no use here. */
static bool find_begin(ByteSource *source, uint64_t end, uint64_t *start)
{
    enum { WIDE = END64_SIZE + LOCATOR_SIZE };
    unsigned char record[WIDE + END_SIZE] = {0}, magic[4];
    size_t n = end < sizeof record ? (size_t)end : sizeof record;
    const unsigned char *tail = record + WIDE;       /* the end record; before it the wide ones */
    if (n < END_SIZE || !source_read(source, end - n, record + sizeof record - n, n, NULL) ||
        u32(tail) != END_MAGIC || u16(tail + 20))
        return false;
    uint64_t at = end - END_SIZE, size = u32(tail + 12), offset = u32(tail + 16);
    if (n == sizeof record && u32(record) == END64_MAGIC &&
        u32(record + END64_SIZE) == LOCATOR_MAGIC) {
        at -= WIDE;
        size = little_read(record + 40, 8);
        offset = little_read(record + 48, 8);
    }
    if (size > at || offset > at - size) return false;
    *start = at - size - offset;
    return source_read(source, *start, magic, 4, NULL) && memcmp(magic, "PK\3\4", 4) == 0;
}

size_t zip_directory_row(ByteSource *source, size_t most, uint64_t **starts)
{
    uint64_t end = source->size;
    size_t count = 0, room = 0;
    *starts = NULL;
    while (end && count < most) {
        *starts = mem_grow(*starts, &room, count + 1, sizeof **starts);
        if (!find_begin(source, end, &(*starts)[count]) || (*starts)[count] >= end) break;
        end = (*starts)[count++];
    }
    return end && count < most ? 0 : count;
}

/* -- Entries --------------------------------------------------------------------------- */

/* Takes sizes and offset from the zip64 extra field where the entry's own are saturated. An
 * extra is a row of fields (4.5.1): u16 id, u16 length, that many bytes. Field 1 holds, in this
 * order and only those that the entry has as 0xFFFFFFFF (4.5.3):
 *
 *   u64 size | u64 stored size | u64 place of the local header
 *
 * False when it is too short for what the entry leaves to it. */
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
                *wide[k] = little_read(extra + at, 8);
                at += 8;
            }
            return true;
        }
        i = end;
    }
    return true;
}

/* Sets "FILE: member 'NAME' WHAT"; always false. */
static bool refuse_member(ByteSource *source, const char *name, const char *what, Error *err)
{
    Text shown = {0};
    name_show(name, &shown);
    error_set(err, ERR_FORMAT, "%s: member '%s' %s", source->name, text_string(&shown), what);
    text_done(&shown);
    return false;
}

/* The ratio bounds what inflating can cost: deflate cannot do better, so more is claimed only by a
 * bomb or by damage. */
static bool can_inflate(const ZipMember *member)
{
    uint64_t most;
    return !sum_mul(member->stored_size + 1, limit(LIMIT_ZIP_RATIO), &most) || member->size < most;
}

/* What must hold of a member before its numbers are used: `most` is where the directory starts,
 * and header and bytes must end before it. */
static bool check_member(ByteSource *source, const ZipMember *member, uint16_t disk,
                         uint64_t most, Error *err)
{
    uint64_t end;
    if (member->flags & 1)
        return refuse_member(source, member->name, "is encrypted; decrypt the archive first", err);
    if (disk)
        return refuse_member(source, member->name, "lies on another disk of a split archive", err);
    if (!sum_add(member->header, LOCAL_SIZE, &end) || !sum_add(end, member->stored_size, &end) ||
        end > most)
        return refuse_member(source, member->name,
                             "reaches into the directory: the file is damaged", err);
    if (member->method == 0 && member->size != member->stored_size)
        return refuse_member(source, member->name, "is stored, but its two sizes differ", err);
    if (member->method == 8 && !can_inflate(member))
        return refuse_member(source, member->name, "claims to inflate more than deflate can: "
                             "a zip bomb, or damaged (--limit zip-ratio=N allows more)", err);
    return true;
}

/* Parses one entry at `at` and moves behind it (4.3.12, 46 bytes and three variable parts):
 *
 *    0 "PK\1\2" | 4 u16 made by | 6 u16 needed | 8 u16 flags | 10 u16 method | 12 time, date
 *   16 u32 crc | 20 u32 stored size | 24 u32 size | 28 u16 name length | 30 u16 extra length
 *   32 u16 comment length | 34 u16 disk | 36 attributes | 42 u32 place of the local header
 *   46 name | extra | comment
 *
 * Disk 0xFFFF means that a zip64 field has it; such a member is looked for on this disk. */
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
    directory->count++;
    *at += ENTRY_SIZE + name + extra + comment;
    return true;
}

/* Names are asked for together when all entries have been read, or those before one that is wrong:
 * a name that is there twice among them was met first, and is what is told. */
static bool index_names(ByteSource *source, ZipDirectory *directory, Error *err)
{
    const size_t n = directory->count;
    const char **names = mem_alloc(n * sizeof *names);
    bool *added = mem_alloc(n * sizeof *added);
    for (size_t i = 0; i < n; i++) names[i] = directory->members[i].name;
    map_add_many(&directory->index, names, n, 0, added);
    const bool *twice = memchr(added, false, n);
    if (twice)
        refuse_member(source, names[twice - added], "is there twice: which one is meant depends on "
                      "the reader, so none is taken", err);
    free(names);
    free(added);
    return !twice;
}

/* For qsort over pointers to members: in the order of their places in the file. */
static int by_header(const void *a, const void *b)
{
    const ZipMember *x = *(const ZipMember *const *)a, *y = *(const ZipMember *const *)b;
    return (x->header > y->header) - (x->header < y->header);
}

/* Nearly every zip lists its members so already, and sorting 100,000 of them is no small part of
 * opening it. */
const ZipMember **zip_directory_order(const ZipDirectory *directory)
{
    const ZipMember **order = mem_alloc(directory->count * sizeof *order);
    bool sorted = true;
    for (size_t i = 0; i < directory->count; i++) {
        order[i] = &directory->members[i];
        sorted = sorted && (!i || order[i - 1]->header <= order[i]->header);
    }
    if (!sorted) qsort(order, directory->count, sizeof *order, by_header);
    return order;
}

/* Two members over the same bytes are how small files inflate to terabytes. The extent of each
 * is a lower bound, without name and extra, so no sound file is refused. */
static bool check_overlaps(ByteSource *source, const ZipDirectory *directory, Error *err)
{
    const ZipMember **order = zip_directory_order(directory);
    bool ok = true;
    for (size_t i = 1; ok && i < directory->count; i++) {
        uint64_t end = order[i - 1]->header + LOCAL_SIZE + order[i - 1]->stored_size;
        if (order[i]->header < end)
            ok = refuse_member(source, order[i]->name, "overlaps the one before it", err);
    }
    free(order);
    return ok;
}

/* The folder of the first entry, when every other entry lies in it too. */
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

/* Reads the directory in one piece. Before memory is asked for, the count is compared with what
 * the bytes have room for: an entry takes 46 at least. */
static bool read_entries(ByteSource *source, ZipDirectory *directory, const EndRecord *end,
                         Error *err)
{
    char more[LIMIT_TEXT];
    if (end->count > limit(LIMIT_ZIP_MEMBERS))
        return error_set(err, ERR_LIMIT, "%s: the zip has %" PRIu64 " members, %s", source->name,
                         end->count, limit_text(LIMIT_ZIP_MEMBERS, more));
    if (end->size > limit(LIMIT_ZIP_DIRECTORY))
        return error_set(err, ERR_LIMIT, "%s: its directory has %" PRIu64 " bytes, %s",
                         source->name, end->size, limit_text(LIMIT_ZIP_DIRECTORY, more));
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
    return index_names(source, directory, err) && ok && check_overlaps(source, directory, err);
}

bool zip_directory_read(ByteSource *source, ZipDirectory *directory, Error *err)
{
    EndRecord end = {0};
    *directory = (ZipDirectory){.arena = arena_new()};
    if (!find_end(source, &end, err) || !read_entries(source, directory, &end, err)) {
        zip_directory_done(directory);
        return false;
    }
    find_prefix(directory);
    directory->start = end.offset;
    directory->size = end.size;
    directory->records = end.at;
    directory->end = end.behind;
    return true;
}

void zip_directory_done(ZipDirectory *directory)
{
    map_done(&directory->index);
    arena_free(directory->arena);
    *directory = (ZipDirectory){0};
}
