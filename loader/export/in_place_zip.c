/* The bytes behind the old end, and the three writes. */
#include "loader/export/in_place_zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/crc.h"
#include "loader/core/little.h"
#include "loader/export/torch_whole.h"
#include "loader/export/zip_record.h"

enum {
    SECTOR = 512,                /* bytes that a disk writes whole or not at all */
    ENTRY = 46,                  /* bytes of a directory entry before its name */
    UNDO_MAX = 4096              /* bytes of the undo record that are read */
};

static const char id_record[] = ".data/serialization_id";
static const char undo_text[] = "tenon undo 1\nsize ";

/* What is added to a zip: records, then the directory. */
typedef struct Addition {
    Zip *zip;                    /* borrowed: the file as it is */
    uint64_t start;              /* where the addition begins: the size of the file */
    ZipRecord records[3];        /* pickle, id, undo */
    const Text *payloads[3];     /* borrowed */
    size_t count;                /* of records */
    Text bytes;                  /* all of it, without the ends */
    uint64_t directory;          /* where the new directory begins */
    uint64_t entries;            /* in it */
} Addition;

/* ---- reading ---- */

/* The file's zip; the source sees what `file` sees, since it is the same file. */
static Zip *open_zip(const EditFile *file, Error *err)
{
    ByteSource *source = source_open_file(file->path, err);
    Zip *zip = source ? zip_open_archive(source, err) : NULL;
    source_unref(source);
    return zip;
}

/* All end records, which must be the 22 bytes of a zip's own, or those of PyTorch: a comment behind
 * them would not lie in one sector with them. */
static bool read_ends(const EditFile *file, Zip *zip, unsigned char ends[ZIP_ENDS], Error *err)
{
    const uint64_t records = zip_directory(zip)->records, n = zip_end(zip) - records;
    if (n > ZIP_ENDS)
        return error_set(err, ERR_UNSUPPORTED, "%s: its end records have %" PRIu64 " bytes, and in "
                         "place they cannot have more than %d; write another file with -o",
                         file->path, n, ZIP_ENDS);
    memset(ends, 0, ZIP_ENDS);
    return edit_read(file, records, ends + ZIP_ENDS - n, (size_t)n, err);
}

/* The size that the file had before the last change; 0 when there was none. */
static uint64_t read_undo(Zip *zip, Error *err)
{
    char text[UNDO_MAX] = "";
    uint64_t size = 0;
    const ZipMember *member = zip_find_undo(zip);
    if (!member || member->method) return 0;
    const size_t n = member->size < UNDO_MAX - 1 ? (size_t)member->size : UNDO_MAX - 1;
    if (!zip_read_head(zip, member, text, n, err)) return 0;
    if (has_prefix(text, undo_text)) {
        const char *digits = text + strlen(undo_text);
        if (!parse_digits(digits, strspn(digits, "0123456789"), &size)) size = 0;
    }
    return size;
}

/* ---- the addition ---- */

static void add_record(Addition *addition, const char *name, const Text *payload)
{
    addition->records[addition->count] =
        (ZipRecord){zip_prefix(addition->zip), name, 0, payload->length,
                    crc_add(0, payload->bytes, payload->length)};
    addition->payloads[addition->count++] = payload;
}

/* The record that takes the place of a member; NULL: it stays. */
static ZipRecord *find_record(Addition *addition, const ZipMember *member)
{
    const char *name = member->name + strlen(zip_prefix(addition->zip));
    for (size_t i = 0; i < addition->count; i++)
        if (strcmp(addition->records[i].name, name) == 0) return &addition->records[i];
    return NULL;
}

/* The old entries as they are, but for those of the new records, which stand in their places; what
 * is new besides comes last. `old` is the old directory. */
static bool put_directory(Addition *addition, const unsigned char *old, size_t n, Error *err)
{
    const ZipDirectory *directory = zip_directory(addition->zip);
    bool placed[3] = {false};
    size_t at = 0;
    addition->directory = addition->start + addition->bytes.length;
    for (size_t i = 0; i < directory->count; i++) {
        if (n - at < ENTRY)
            return error_set(err, ERR_FORMAT, "its directory is not what it was a moment ago");
        const size_t length = ENTRY + (size_t)little_read(old + at + 28, 2) +
                              (size_t)little_read(old + at + 30, 2) +
                              (size_t)little_read(old + at + 32, 2);
        if (n - at < length)
            return error_set(err, ERR_FORMAT, "its directory is not what it was a moment ago");
        ZipRecord *record = find_record(addition, &directory->members[i]);
        if (record) {
            placed[record - addition->records] = true;
            zip_put_entry(record, &addition->bytes);
        } else {
            text_addn(&addition->bytes, (const char *)old + at, length);
        }
        at += length;
    }
    addition->entries = directory->count;
    for (size_t i = 0; i < addition->count; i++)
        if (!placed[i]) {
            zip_put_entry(&addition->records[i], &addition->bytes);
            addition->entries++;
        }
    return true;
}

static bool put_addition(Addition *addition, const unsigned char *old, size_t n, Error *err)
{
    text_clear(&addition->bytes);
    for (size_t i = 0; i < addition->count; i++) {
        ZipRecord *record = &addition->records[i];
        const Text *payload = addition->payloads[i];
        record->header = addition->start + addition->bytes.length;
        record->size = payload->length;
        record->crc = crc_add(0, payload->bytes, payload->length);
        zip_put_local(record, &addition->bytes);
        text_addn(&addition->bytes, payload->bytes, payload->length);
        zip_put_descriptor(record, &addition->bytes);
    }
    return put_directory(addition, old, n, err);
}

/* Where the ends would cross into another sector, the undo record, whose payload `undo` is, gets as
 * many blanks as are missing to that one. */
static bool make_addition(Addition *addition, Text *undo, Error *err)
{
    const ZipDirectory *directory = zip_directory(addition->zip);
    const size_t n = (size_t)directory->size;
    unsigned char *old = mem_alloc(n + 1);
    bool good = source_read(zip_source(addition->zip), directory->start, old, n, err) &&
                put_addition(addition, old, n, err);
    const uint64_t in_sector = (addition->start + addition->bytes.length) % SECTOR;
    if (good && in_sector + ZIP_ENDS > SECTOR) {
        for (uint64_t i = in_sector; i < SECTOR; i++) text_addc(undo, ' ');
        good = put_addition(addition, old, n, err);
    }
    free(old);
    return good;
}

/* ---- the pickle ---- */

/* The plan with its entries in the order of the source, where each is its own tensor. The entries
 * are the caller's to free. */
static Plan order_plan(const Renames *renames)
{
    Plan plan = *renames->plan;
    plan.entries = mem_alloc((plan.count + 1) * sizeof *plan.entries);
    for (size_t i = 0; i < plan.count; i++) {
        plan.entries[i] = *renames->entries[i];
        plan.entries[i].alias = -1;
    }
    return plan;
}

/* What the source has and the pickle could not say would be lost, and nobody asked for that. */
static bool refuse_losses(const Whole *whole, Error *err)
{
    if (!whole || !whole->note_count) return true;
    Text shown = {0};
    show_short(whole->notes[0].path, 200, &shown);
    error_set(err, ERR_UNSUPPORTED, "'%s' is %.200s, which torch.load(weights_only=True) refuses "
              "and tenon does not write; with -o OUT --whole it is changed or left out",
              text_string(&shown), whole->notes[0].what);
    text_done(&shown);
    return false;
}

/* The new pickle, which names the records that there are. */
static bool make_pickle(const Renames *renames, Text *out, Error *err)
{
    Plan plan = order_plan(renames);
    TorchLayout layout;
    layout_init(&layout, &plan, false);
    layout.stays = true;
    bool good = refuse_losses(plan.whole, err) && layout_put_file(&layout, NULL, err);
    if (good && layout.stray) {
        Text shown = {0};
        name_show(layout.stray, &shown);
        good = error_set(err, ERR_UNSUPPORTED, "tensor '%.200s' lies in no record of its own; "
                         "write another file with -o", text_string(&shown));
        text_done(&shown);
    }
    const Text *bytes = pickle_writer_bytes(layout.pickle);
    if (good) text_addn(out, bytes->bytes, bytes->length);
    layout_done(&layout);
    free(plan.entries);
    return good;
}

static bool has_id(const Zip *zip)
{
    Text name = {0};
    text_addf(&name, "%s%s", zip_prefix(zip), id_record);
    const bool there = zip_find(zip, text_string(&name)) != NULL;
    text_done(&name);
    return there;
}

/* PyTorch's id tells files apart and is checked by nobody: one that depends on the new pickle. */
static void make_id(const Text *pickle, uint64_t size, Text *out)
{
    text_addf(out, "%020" PRIu64 "%020" PRIu64, size,
              (uint64_t)crc_add(0, pickle->bytes, pickle->length));
}

/* ---- the writes ---- */

/* What step 1 or 2 has done goes again; the ends, which step 3 may have touched, first. */
static void revert(EditFile *file, uint64_t size, const unsigned char ends[ZIP_ENDS])
{
    if (file->size > size && edit_write(file, file->size - ZIP_ENDS, ends, ZIP_ENDS, NULL))
        (void)edit_cut(file, size, NULL);
}

static bool write_addition(EditFile *file, const Addition *addition,
                           const unsigned char old[ZIP_ENDS], Error *err)
{
    const uint64_t start = addition->start, ends = start + addition->bytes.length;
    Text fresh = {0};
    zip_put_ends(addition->entries, addition->directory, ends, &fresh);
    bool good = edit_write(file, ends, old, ZIP_ENDS, err) &&
                edit_write(file, start, addition->bytes.bytes, addition->bytes.length, err) &&
                edit_write(file, ends, fresh.bytes, fresh.length, err);
    text_done(&fresh);
    if (!good) revert(file, start, old);
    return good;
}

bool in_place_zip_rename(EditFile *file, const Renames *renames, Error *err)
{
    unsigned char ends[ZIP_ENDS];
    Text pickle = {0}, id = {0}, undo = {0};
    Zip *zip = open_zip(file, err);
    if (!zip) return false;
    Addition addition = {.zip = zip, .start = file->size};
    text_addf(&undo, "%s%" PRIu64 "\n", undo_text, file->size);
    bool good = make_pickle(renames, &pickle, err) && read_ends(file, zip, ends, err);
    if (good) {
        make_id(&pickle, file->size, &id);
        add_record(&addition, "data.pkl", &pickle);
        if (has_id(zip)) add_record(&addition, id_record, &id);
        add_record(&addition, zip_undo_record, &undo);
        good = make_addition(&addition, &undo, err) && write_addition(file, &addition, ends, err);
    }
    if (!good) error_prefix(err, "%s", file->path);
    text_done(&addition.bytes);
    text_done(&pickle);
    text_done(&id);
    text_done(&undo);
    zip_unref(zip);
    return good;
}

/* ---- and back ---- */

/* The ends that the file had when it was `size` bytes long, if a zip ends there. */
static bool read_old_ends(const EditFile *file, uint64_t size, unsigned char ends[ZIP_ENDS],
                          Error *err)
{
    ByteSource *source = source_open_file(file->path, err);
    ByteSource *before = source && size < source->size
                             ? source_window(source, 0, size, file->path, err) : NULL;
    Zip *zip = before ? zip_open_archive(before, err) : NULL;
    bool good = zip && zip_end(zip) <= size && read_ends(file, zip, ends, err);
    zip_unref(zip);
    source_unref(before);
    source_unref(source);
    return good || error_set(err, ERR_FORMAT, "%s: says that it was %" PRIu64 " bytes long before "
                             "the last change, and no zip ends there; somebody else has changed it",
                             file->path, size);
}

bool in_place_zip_undo(EditFile *file, bool *done, Error *err)
{
    unsigned char ends[ZIP_ENDS];
    Zip *zip = open_zip(file, err);
    if (!zip) return false;
    const uint64_t size = read_undo(zip, err), end = zip_end(zip);
    zip_unref(zip);
    *done = size != 0;
    if (!size) return true;
    if (end != file->size)
        return error_set(err, ERR_FORMAT, "%s: something was appended to it since; it is left as "
                         "it is", file->path);
    return read_old_ends(file, size, ends, err) &&
           edit_write(file, file->size - ZIP_ENDS, ends, ZIP_ENDS, err) &&
           edit_cut(file, size, err);
}

/* A directory that does not end where the last end records begin is the old one, seen through the
 * copy; the old ends stand right behind it. */
bool in_place_zip_heal(EditFile *file, bool *done, Error *err)
{
    unsigned char copy[ZIP_ENDS], old[ZIP_ENDS] = {0};
    *done = false;
    Zip *zip = open_zip(file, err);
    if (!zip) return false;
    const ZipDirectory *directory = zip_directory(zip);
    const uint64_t behind = directory->start + directory->size;
    const uint64_t ends = zip_end(zip) == file->size ? file->size - ZIP_ENDS : 0;
    bool good = true;
    for (unsigned n = 22; good && !*done && n <= ZIP_ENDS; n += ZIP_ENDS - 22) {
        if (behind + n > ends) break;
        memset(old, 0, sizeof old);
        good = edit_read(file, behind, old + ZIP_ENDS - n, n, err) &&
               edit_read(file, ends, copy, ZIP_ENDS, err);
        *done = good && memcmp(old, copy, ZIP_ENDS) == 0;
        if (*done) good = edit_cut(file, behind + n, err);
    }
    zip_unref(zip);
    return good;
}
