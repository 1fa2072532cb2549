/* The members are looked at in the order of the file: headers and gaps first, then contents. */
#include "loader/format/zip_verify.h"

#include <inttypes.h>
#include <stdlib.h>

#include "loader/core/map.h"
#include "loader/core/text.h"
#include "loader/tensor/check_run.h"

/* Of one kind; more of them are counted only. Opening finds no more than KNOWN_MAX. */
enum { FINDINGS_MAX = 1000, KNOWN_MAX = 50 };

static const char rewrite[] = "load it with torch.load and save it again, if you trust it";
static const char fetch[] = "the file was damaged or changed: fetch it again";

struct ZipVerify {
    Checkpoint *checkpoint;      /* which owns this */
    Zip *zip;                    /* a reference */
    ByteSource **uses;           /* owned; of members that tensors look into; references */
    size_t use_count, use_room;
    const ZipMember **reads;     /* owned; the members are the zip's */
    size_t read_count, read_room;
};

/* For checkpoint_own, which knows no types. */
static void release(void *context)
{
    ZipVerify *verify = context;
    for (size_t i = 0; i < verify->use_count; i++) source_unref(verify->uses[i]);
    zip_unref(verify->zip);
    free(verify->uses);
    free(verify->reads);
    free(verify);
}

void zip_verify_use(ZipVerify *verify, ByteSource *source)
{
    verify->uses = mem_grow(verify->uses, &verify->use_room, verify->use_count + 1,
                            sizeof *verify->uses);
    verify->uses[verify->use_count++] = source;
}

void zip_verify_read(ZipVerify *verify, const ZipMember *member)
{
    if (!verify) return;
    verify->reads = mem_grow(verify->reads, &verify->read_room, verify->read_count + 1,
                             sizeof *verify->reads);
    verify->reads[verify->read_count++] = member;
}

Checkpoint *zip_verify_checkpoint(ZipVerify *verify)
{
    return verify->checkpoint;
}

Zip *zip_verify_zip(ZipVerify *verify)
{
    return verify->zip;
}

ByteSource *const *zip_verify_uses(const ZipVerify *verify, size_t *count)
{
    *count = verify->use_count;
    return verify->uses;
}

const ZipMember *const *zip_verify_reads(const ZipVerify *verify, size_t *count)
{
    *count = verify->read_count;
    return verify->reads;
}

/* What opening the file found already (zip_check.h) is not said twice. A made-up zip has eight
 * million members, each with a fault. */
void zip_verify_find(ZipVerify *verify, size_t *counter, FindingLevel level, const char *kind,
                     const ZipMember *member, const char *remedy, const char *what)
{
    const char *name = member ? member->name : NULL;
    if (*counter < KNOWN_MAX && checkpoint_has_finding(verify->checkpoint, kind, name)) return;
    size_t n = (*counter)++;
    if (n < FINDINGS_MAX)
        checkpoint_find(verify->checkpoint, level, kind, name, remedy, "%s", what);
    else if (n == FINDINGS_MAX)
        checkpoint_find(verify->checkpoint, level, kind, NULL, remedy, "and more of them");
}

/* -- Headers and gaps ------------------------------------------------------------------ */

/* Bytes between members that no entry refers to. */
typedef struct Holes {
    size_t count;
    uint64_t bytes, first, size; /* of all; place and size of the first */
} Holes;

static void add_hole(Holes *holes, uint64_t from, uint64_t to)
{
    if (to <= from) return;
    if (!holes->count++) {
        holes->first = from;
        holes->size = to - from;
    }
    holes->bytes += to - from;
}

/* What a change in place has left is no damage. */
static void report_undo(ZipVerify *verify, const Holes *holes)
{
    checkpoint_find(verify->checkpoint, FINDING_NOTE, "undo", NULL,
                    "tenon undo takes the change back; written with -o the file is without them",
                    "its names were changed in place: %" PRIu64 " bytes are what it was before",
                    holes->bytes);
}

/* One finding for all: a file that was padded by another tool has a hole before each member. */
static void report_holes(ZipVerify *verify, const Holes *holes)
{
    if (holes->count && zip_find_undo(verify->zip)) report_undo(verify, holes);
    else if (holes->count == 1)
        checkpoint_find(verify->checkpoint, FINDING_WARNING, "hole", NULL, rewrite,
                        "%" PRIu64 " bytes at byte %" PRIu64 " belong to no member", holes->size,
                        holes->first);
    else if (holes->count)
        checkpoint_find(verify->checkpoint, FINDING_WARNING, "hole", NULL, rewrite,
                        "%" PRIu64 " bytes in %zu places belong to no member, the first %" PRIu64
                        " of them at byte %" PRIu64, holes->bytes, holes->count, holes->size,
                        holes->first);
}

/* Each member must end where the next one starts, the last where the directory does. */
static bool check_extents(ZipVerify *verify, const ZipMember **order, Error *err)
{
    const ZipDirectory *directory = zip_directory(verify->zip);
    size_t odd = 0, overlaps = 0, count = zip_count(verify->zip);
    uint64_t end = 0;
    Holes holes = {0};
    for (size_t i = 0; i < count; i++) {
        ZipExtent extent;
        Text what = {0};
        bool fine = zip_extent(verify->zip, order[i], ZIP_ODD_ALL, &extent, &what, err);
        if (what.length)
            zip_verify_find(verify, &odd, FINDING_ERROR, "local-header", order[i], fetch,
                            text_string(&what));
        text_done(&what);
        if (!fine) return false;
        if (order[i]->header < end)
            zip_verify_find(verify, &overlaps, FINDING_ERROR, "overlap", order[i], fetch,
                            "it begins inside the member before it");
        add_hole(&holes, end, order[i]->header);
        if (extent.end > end) end = extent.end;
    }
    if (end > directory->start)
        zip_verify_find(verify, &overlaps, FINDING_ERROR, "overlap", order[count - 1], fetch,
                        "it reaches into the directory");
    add_hole(&holes, end, directory->start);
    add_hole(&holes, directory->start + directory->size, directory->records);
    report_holes(verify, &holes);
    uint64_t behind = zip_source(verify->zip)->size - directory->end;
    if (behind && !checkpoint_has_finding(verify->checkpoint, "trailing", NULL))
        checkpoint_find(verify->checkpoint, FINDING_WARNING, "trailing", NULL, rewrite,
                        "%" PRIu64 " bytes follow the end of the zip; nothing refers to them",
                        behind);
    return true;
}

/* -- Contents -------------------------------------------------------------------------- */

/* How the CRCs came out. */
typedef struct Crcs {
    size_t wrong, unread;        /* counters of findings */
    size_t absent, there;        /* claims of 0 where there is content, and others */
} Crcs;

/* The source that a member is read through already, or a new reference to one of its own. */
static ByteSource *open_content(const ZipVerify *verify, const uint32_t *use, size_t index,
                                Error *err)
{
    if (use[index] != MAP_NONE) return source_ref(verify->uses[use[index]]);
    return zip_open_member(verify->zip, zip_member(verify->zip, index), err);
}

/* False only when the user asked to stop. A claim of 0 means that none was computed. */
static bool check_member(ZipVerify *verify, const uint32_t *use, size_t index, Crcs *crcs,
                         const CheckRun *run, Error *err)
{
    const ZipMember *member = zip_member(verify->zip, index);
    Error why = {0};
    uint32_t crc = 0;
    if (!member->size) return true;
    if (!member->crc) {
        crcs->absent++;
        return true;
    }
    crcs->there++;
    ByteSource *source = open_content(verify, use, index, &why);
    bool fine = source && check_run_crc(run, source, &crc, &why);
    source_unref(source);
    if (!fine && why.code == ERR_CANCELLED) {
        if (err) *err = why;
        return false;
    }
    if (!fine) {
        zip_verify_find(verify, &crcs->unread, FINDING_ERROR, "unreadable", member, fetch,
                        why.text);
    } else if (crc != member->crc) {
        Text what = {0};
        text_addf(&what, "its bytes have the CRC-32 %08" PRIx32 ", the directory says %08" PRIx32,
                  crc, member->crc);
        zip_verify_find(verify, &crcs->wrong, FINDING_ERROR, "crc", member, fetch,
                        text_string(&what));
        text_done(&what);
    }
    return true;
}

/* All members without a CRC: set_crc32_options(False) wrote the file. Some of them: odd. */
static void report_absent(ZipVerify *verify, const Crcs *crcs)
{
    if (!crcs->absent) return;
    if (!crcs->there)
        checkpoint_find(verify->checkpoint, FINDING_NOTE, "crc-absent", NULL, NULL,
                        "no CRC was computed when it was written, so damage cannot be seen");
    else
        checkpoint_find(verify->checkpoint, FINDING_WARNING, "crc-absent", NULL, rewrite,
                        "%zu of %zu members have no CRC, so damage to them cannot be seen",
                        crcs->absent, crcs->absent + crcs->there);
}

/* In the order of the directory. `use` says for each member whether a storage looks into it. */
static bool check_contents(ZipVerify *verify, const CheckRun *run, Error *err)
{
    size_t count = zip_count(verify->zip);
    uint32_t *use = mem_alloc((count + 1) * sizeof *use);
    Crcs crcs = {0};
    bool go_on = true;
    for (size_t i = 0; i < count; i++) use[i] = MAP_NONE;
    for (size_t i = 0; i < verify->use_count; i++)
        use[zip_member_of(verify->uses[i]) - zip_member(verify->zip, 0)] = (uint32_t)i;
    for (size_t i = 0; go_on && i < count; i++)
        go_on = check_member(verify, use, i, &crcs, run, err);
    free(use);
    if (go_on) report_absent(verify, &crcs);
    return go_on;
}

/* A CheckpointCheck. */
static bool check_zip(Checkpoint *checkpoint, void *context, const CheckRun *run, Error *err)
{
    (void)checkpoint;
    ZipVerify *verify = context;
    if (!zip_count(verify->zip)) return true;
    const ZipMember **order = zip_directory_order(zip_directory(verify->zip));
    bool fine = check_extents(verify, order, err);
    free(order);
    return fine && check_contents(verify, run, err);
}

/* Owned before it is registered: the check must not outlive what it looks at. */
ZipVerify *zip_verify_new(Checkpoint *checkpoint, Zip *zip)
{
    ZipVerify *verify = mem_alloc(sizeof *verify);
    *verify = (ZipVerify){.checkpoint = checkpoint, .zip = zip_ref(zip)};
    checkpoint_own(checkpoint, verify, release);
    checkpoint_add_check(checkpoint, check_zip, verify);
    checkpoint_want_crc(checkpoint);
    return verify;
}
