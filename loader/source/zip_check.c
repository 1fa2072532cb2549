/* The directory is believed, as PyTorch believes it; here it is compared with the rest of the
 * file. Every reader that goes by local headers (streaming ones do) would see what they say. */
#include "loader/source/zip_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/crc.h"
#include "loader/core/text.h"
#include "loader/source/zip_extent.h"

/* Members whose local headers are read; bytes of a file in memory that is small enough; of one
 * step. Fixed: it only bounds what opening costs, for zip_verify reads the headers of all. */
enum { LOCALS_MAX = 20000, SMALL_FILE = 1 << 20, STEP = 1 << 16 };

typedef struct Check {
    Zip *zip;                    /* borrowed */
    ZipOddityFound *found;
    void *context;
} Check;

static void report(const Check *check, const char *kind, bool wrong, const char *member,
                   const Text *what)
{
    check->found(check->context, &(ZipOddity){kind, wrong, member, text_string(what)});
}

/* --- names that differ only in case --------------------------------------------------- */

/* ASCII only, as the reader in PyTorch (miniz) folds. */
static char *fold(Arena *arena, const char *name)
{
    char *folded = arena_strdup(arena, name);
    for (char *p = folded; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
    return folded;
}

/* Names without a capital are as they are when folded, and the directory has no two that are
 * equal. What all names begin with, the archive's folder, folds alike. */
static bool has_capitals(const Zip *zip)
{
    const size_t prefix = strlen(zip_prefix(zip));
    for (size_t i = 0; i < zip_count(zip); i++)
        for (const char *p = zip_member(zip, i)->name + prefix; *p; p++)
            if (*p >= 'A' && *p <= 'Z') return true;
    return false;
}

static void check_case(const Check *check)
{
    if (!has_capitals(check->zip)) return;
    Arena *arena = arena_new();
    NameMap index;
    map_init(&index);
    for (size_t i = 0; i < zip_count(check->zip); i++) {
        const char *name = zip_member(check->zip, i)->name;
        uint32_t before = map_set(&index, fold(arena, name), (uint32_t)i);
        if (before == MAP_NONE) continue;
        Text what = {0};
        text_add(&what, "its name differs only in case from ");
        zip_name_quote(zip_member(check->zip, before)->name, &what);
        text_add(&what, "; PyTorch, for which case does not count, may read either");
        report(check, "case", true, name, &what);
        text_done(&what);
    }
    map_done(&index);
    arena_free(arena);
}

/* --- local headers -------------------------------------------------------------------- */

/* Without descriptors, which would take another read each, and whether there is a header at all,
 * of which reading the member will tell. A CRC of 0 was not computed. */
enum {
    ASKED = ZIP_ODD_NAME | ZIP_ODD_METHOD | ZIP_ODD_SIZE | ZIP_ODD_CRC | ZIP_ODD_ENCRYPTED
};

/* Where the member's data end; 0 when it has no local header. */
static uint64_t check_local(const Check *check, const ZipMember *member)
{
    ZipExtent extent;
    Text what = {0};
    bool there = zip_extent(check->zip, member, ASKED, &extent, &what, NULL) &&
                 !(extent.odd & ZIP_ODD_HEADER);
    if (what.length) report(check, "local-header", true, member->name, &what);
    text_done(&what);
    return there ? extent.data + member->stored_size : 0;
}

/* In the order of the file, since a member's data must end where the next one starts. The
 * directory was checked for overlaps too, but did not know the length of local headers. */
static void check_locals(const Check *check)
{
    const ZipMember **order = zip_directory_order(zip_directory(check->zip));
    uint64_t end = 0;
    for (size_t i = 0; i < zip_count(check->zip); i++) {
        if (order[i]->header < end) {
            Text what = {0};
            text_addf(&what, "its local header at byte %" PRIu64 " lies inside the data of ",
                      order[i]->header);
            zip_name_quote(order[i - 1]->name, &what);
            report(check, "overlap", true, order[i]->name, &what);
            text_done(&what);
        }
        end = check_local(check, order[i]);
    }
    free(order);
}

/* --- the whole ------------------------------------------------------------------------ */

/* Reading 20,000 headers takes milliseconds from a file, and hours over a network. */
static bool is_cheap(Zip *zip)
{
    ByteSource *source = zip_source(zip);
    int fd;
    uint64_t where;
    return zip_count(zip) <= LOCALS_MAX &&
           (source->size <= SMALL_FILE || source_locate(source, 0, 1, &fd, &where));
}

void zip_check(Zip *zip, bool caseless, ZipOddityFound *found, void *context)
{
    const Check check = {.zip = zip, .found = found, .context = context};
    uint64_t behind = zip_source(zip)->size - zip_end(zip);
    if (caseless) check_case(&check);
    if (is_cheap(zip)) check_locals(&check);
    if (!behind) return;
    Text what = {0};
    text_addf(&what, "%" PRIu64 " bytes follow the end of the zip; nothing refers to them", behind);
    report(&check, "trailing", false, NULL, &what);
    text_done(&what);
}

bool zip_check_crc(ByteSource *source, const ZipMember *member, Error *err)
{
    if (!member->crc) return true;
    unsigned char *step = mem_alloc(STEP);
    uint32_t crc = 0;
    bool fine = true;
    for (uint64_t at = 0; fine && at < source->size;) {
        size_t n = source->size - at < STEP ? (size_t)(source->size - at) : STEP;
        fine = source_read(source, at, step, n, err);
        if (fine) crc = crc_add(crc, step, n);
        at += n;
    }
    free(step);
    return fine && crc == member->crc;
}
