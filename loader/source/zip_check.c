/* The directory is believed, as PyTorch believes it; here it is compared with the rest of the
 * file. Every reader that goes by local headers (streaming ones do) would see what they say. */
#include "loader/source/zip_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "loader/core/text.h"

/* Members whose local headers are read; bytes of a local header without its variable parts, and
 * with the longest name; bytes of a file in memory that is small enough; of one step. */
enum {
    LOCALS_MAX = 20000, LOCAL_SIZE = 30, NAME_MAX_BYTES = 65535, SMALL_FILE = 1 << 20,
    STEP = 1 << 16, NAME_SHOWN = 80
};

typedef struct Check {
    Zip *zip;                    /* borrowed */
    ZipOddityFound *found;
    void *context;
    unsigned char *local;        /* [LOCAL_SIZE + NAME_MAX_BYTES] the header under way; owned */
} Check;

static void report(const Check *check, const char *kind, bool wrong, const char *member,
                   const Text *what)
{
    check->found(check->context, &(ZipOddity){kind, wrong, member, text_string(what)});
}

/* At most NAME_SHOWN bytes of a held name, for people. */
static void quote(const char *name, Text *out)
{
    Text shown = {0};
    name_show(name, &shown);
    text_addc(out, '\'');
    text_addn(out, text_string(&shown), text_cut(&shown, NAME_SHOWN));
    text_add(out, shown.length > NAME_SHOWN ? "…'" : "'");
    text_done(&shown);
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

static void check_case(const Check *check)
{
    Arena *arena = arena_new();
    NameMap index;
    map_init(&index);
    for (size_t i = 0; i < zip_count(check->zip); i++) {
        const char *name = zip_member(check->zip, i)->name;
        uint32_t before = map_set(&index, fold(arena, name), (uint32_t)i);
        if (before == MAP_NONE) continue;
        Text what = {0};
        text_add(&what, "its name differs only in case from ");
        quote(zip_member(check->zip, before)->name, &what);
        text_add(&what, "; PyTorch, for which case does not count, may read either");
        report(check, "case", true, name, &what);
        text_done(&what);
    }
    map_done(&index);
    arena_free(arena);
}

/* --- local headers -------------------------------------------------------------------- */

static uint32_t little(const unsigned char *p, unsigned n)
{
    uint32_t value = 0;
    while (n--) value = value << 8 | p[n];
    return value;
}

/* Adds to a list "; so; so". */
static void differ(Text *what, const char *part)
{
    text_addf(what, "%s%s", what->length ? "; " : "its local header differs from the directory: ",
              part);
}

/* A size or CRC of the local header says nothing when it is left to a descriptor behind the data
 * (bit 3), or to a zip64 field. */
static bool size_differs(const unsigned char *local, uint32_t here, uint64_t there)
{
    bool later = (little(local + 6, 2) & 8) && here == 0;
    return !later && here != 0xFFFFFFFF && here != there;
}

/* What the local header says of the member, name apart (see zip.c for its layout). */
static void compare_numbers(const unsigned char *local, const ZipMember *member, Text *what)
{
    uint32_t method = little(local + 8, 2), crc = little(local + 14, 4);
    char part[96];
    if (little(local + 6, 2) & 1) differ(what, "it says that the data are encrypted");
    if (method != member->method) {
        snprintf(part, sizeof part, "method %" PRIu32 " instead of %u", method, member->method);
        differ(what, part);
    }
    if (size_differs(local, little(local + 18, 4), member->stored_size) ||
        size_differs(local, little(local + 22, 4), member->size)) {
        snprintf(part, sizeof part, "%" PRIu32 " bytes instead of %" PRIu64, little(local + 22, 4),
                 member->size);
        differ(what, part);
    }
    if (crc && member->crc && crc != member->crc) differ(what, "another CRC");
}

/* The name behind the header, which was read as far as the directory's name would reach. */
static void compare_name(const Check *check, const ZipMember *member, size_t there, Text *what)
{
    size_t n = little(check->local + 26, 2);
    ByteSource *source = zip_source(check->zip);
    if (n > there && !source_read(source, member->header, check->local, LOCAL_SIZE + n, NULL)) {
        differ(what, "its name reaches beyond the file");
        return;
    }
    Arena *arena = arena_new();
    const char *name = name_hold(arena, check->local + LOCAL_SIZE, n);
    if (strcmp(name, member->name) != 0) {
        Text part = {0};
        text_add(&part, "the name is ");
        quote(name, &part);
        differ(what, text_string(&part));
        text_done(&part);
    }
    arena_free(arena);
}

/* Where the member's data end; 0 when it has no local header, of which reading it will tell. */
static uint64_t check_local(const Check *check, const ZipMember *member)
{
    ByteSource *source = zip_source(check->zip);
    uint64_t left = source->size - member->header;
    size_t name = strlen(member->name);
    if (name > NAME_MAX_BYTES) name = NAME_MAX_BYTES;
    if (left < LOCAL_SIZE + name) name = (size_t)(left - LOCAL_SIZE);
    if (!source_read(source, member->header, check->local, LOCAL_SIZE + name, NULL) ||
        memcmp(check->local, "PK\3\4", 4) != 0)
        return 0;
    uint64_t data = member->header + LOCAL_SIZE + little(check->local + 26, 2) +
                    little(check->local + 28, 2);
    Text what = {0};
    compare_numbers(check->local, member, &what);
    compare_name(check, member, name, &what);
    if (what.length) {
        text_add(&what, "; other readers may see another file");
        report(check, "local-header", true, member->name, &what);
    }
    text_done(&what);
    return data + member->stored_size;
}

/* For qsort over pointers to members: in the order of their places in the file. */
static int by_header(const void *a, const void *b)
{
    const ZipMember *x = *(const ZipMember *const *)a, *y = *(const ZipMember *const *)b;
    return (x->header > y->header) - (x->header < y->header);
}

/* In the order of the file, since a member's data must end where the next one starts. The
 * directory was checked for overlaps too, but did not know the length of local headers. */
static void check_locals(Check *check)
{
    size_t count = zip_count(check->zip);
    const ZipMember **order = mem_alloc(count * sizeof *order);
    uint64_t end = 0;
    check->local = mem_alloc(LOCAL_SIZE + NAME_MAX_BYTES);
    for (size_t i = 0; i < count; i++) order[i] = zip_member(check->zip, i);
    qsort(order, count, sizeof *order, by_header);
    for (size_t i = 0; i < count; i++) {
        if (order[i]->header < end) {
            Text what = {0};
            text_addf(&what, "its local header at byte %" PRIu64 " lies inside the data of ",
                      order[i]->header);
            quote(order[i - 1]->name, &what);
            report(check, "overlap", true, order[i]->name, &what);
            text_done(&what);
        }
        end = check_local(check, order[i]);
    }
    free(check->local);
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
    Check check = {.zip = zip, .found = found, .context = context};
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
    uLong crc = crc32(0, NULL, 0);
    bool fine = true;
    for (uint64_t at = 0; fine && at < source->size;) {
        size_t n = source->size - at < STEP ? (size_t)(source->size - at) : STEP;
        fine = source_read(source, at, step, n, err);
        if (fine) crc = crc32(crc, step, (uInt)n);
        at += n;
    }
    free(step);
    return fine && crc == member->crc;
}
