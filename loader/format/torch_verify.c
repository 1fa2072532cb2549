/* What holds for archives that PyTorch's own writer makes (caffe2/serialize/inline_container.cc),
 * and what its readers rely on:
 *
 *   - every record below data/ is the storage of some tensor
 *   - storages are stored, at multiples of 64 bytes: mmap=True maps them where they lie
 *   - ".format_version" 1 promises that the place of each storage can be computed from the place of
 *     the one before it, in the order in which the pickle refers to them, without its header:
 *         roundup(behind + 30 + length of the name + 4 + zip64 field, alignment)
 *     where `behind` is where the one before it ends with its descriptor
 *     (torch/serialization.py, _get_offset); config.load.calculate_storage_offsets does so */
#include "loader/format/zip_verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/text.h"
#include "loader/tensor/check_run.h"

enum { ALIGNMENT = 64, ELEMENT_MAX = 16, RECORD_MAX = 31 };

static const char rewrite[] = "load it with torch.load and save it again, if you trust it";

typedef struct TorchVerify {
    ZipVerify *verify;           /* borrowed: the checkpoint owns it */
    const char *prefix;          /* "archive/"; in the checkpoint's arena */
} TorchVerify;

/* -- Storages that nothing refers to --------------------------------------------------- */

static void check_unreferenced(const TorchVerify *torch)
{
    Zip *zip = zip_verify_zip(torch->verify);
    size_t count = zip_count(zip), used, read, counter = 0;
    ByteSource *const *uses = zip_verify_uses(torch->verify, &used);
    const ZipMember *const *reads = zip_verify_reads(torch->verify, &read);
    bool *is_used = mem_alloc((count + 1) * sizeof *is_used);
    for (size_t i = 0; i < used; i++) is_used[zip_member_of(uses[i]) - zip_member(zip, 0)] = true;
    for (size_t i = 0; i < read; i++) is_used[reads[i] - zip_member(zip, 0)] = true;
    Text folder = {0};
    text_addf(&folder, "%sdata/", torch->prefix);
    for (size_t i = 0; i < count; i++) {
        const ZipMember *member = zip_member(zip, i);
        if (is_used[i] || !member->size || !has_prefix(member->name, text_string(&folder)))
            continue;
        Text what = {0};
        char bytes[32];
        show_bytes(member->size, bytes);
        text_addf(&what, "%s that no tensor refers to", bytes);
        zip_verify_find(torch->verify, &counter, FINDING_WARNING, "unreferenced", member, rewrite,
                        text_string(&what));
        text_done(&what);
    }
    text_done(&folder);
    free(is_used);
}

/* -- Alignment and layout -------------------------------------------------------------- */

/* A small record as text; "" when it is not there. */
static void read_small(const TorchVerify *torch, const char *name, char out[RECORD_MAX + 1])
{
    Zip *zip = zip_verify_zip(torch->verify);
    Text path = {0};
    text_addf(&path, "%s%s", torch->prefix, name);
    const ZipMember *member = zip_find(zip, text_string(&path));
    text_done(&path);
    out[0] = '\0';
    if (!member) return;
    size_t n = member->size < RECORD_MAX ? (size_t)member->size : RECORD_MAX;
    ByteSource *source = zip_open_member(zip, member, NULL);
    if (source && source_read(source, 0, out, n, NULL)) out[n] = '\0';
    source_unref(source);
}

/* How the storages lie. */
typedef struct Layout {
    bool promised;               /* the file has a .format_version of 1 or more */
    bool broken;                 /* and a storage that is not where it promises; said once */
    uint64_t alignment;          /* that the file states */
    uint64_t behind;             /* where the storage before ends; 0: there was none */
    size_t unaligned, loose;     /* counters of findings */
} Layout;

/* Where the next storage must lie; see the top of this file. */
static uint64_t promised_place(const Layout *layout, const ZipMember *member)
{
    uint64_t wide = 0xFFFFFFFF, field = 0;
    if (member->size >= wide) field += 16;
    if (layout->behind >= wide) field += 8;
    if (field) field += 4;
    uint64_t at = layout->behind + 30 + strlen(member->name) + 4 + field;
    return (at + layout->alignment - 1) / layout->alignment * layout->alignment;
}

static void check_promise(const TorchVerify *torch, Layout *layout, const ZipMember *member,
                          uint64_t data)
{
    bool wide = member->size >= 0xFFFFFFFF || member->header >= 0xFFFFFFFF;
    unsigned descriptor = !member->size ? 0 : wide ? 24 : 16;
    uint64_t place = layout->behind ? promised_place(layout, member) : data;
    if (place != data && !layout->broken) {
        layout->broken = true;
        checkpoint_find(zip_verify_checkpoint(torch->verify), FINDING_ERROR, "layout",
                        member->name, rewrite,
                        ".format_version promises that it lies at byte %" PRIu64 "; it lies at %"
                        PRIu64 ": torch.load with calculate_storage_offsets reads other bytes",
                        place, data);
    }
    layout->behind = data + member->size + descriptor;
}

static void check_place(const TorchVerify *torch, Layout *layout, const ZipMember *member,
                        uint64_t data)
{
    if (!member->method && member->size && data % ELEMENT_MAX) {
        zip_verify_find(torch->verify, &layout->unaligned, FINDING_WARNING, "unaligned", member,
                        rewrite, "not aligned: with torch.load(mmap=True) its elements straddle "
                        "words, which some operations refuse");
    } else if (!member->method && member->size && data % ALIGNMENT) {
        zip_verify_find(torch->verify, &layout->loose, FINDING_NOTE, "unaligned", member, NULL,
                        "aligned to less than the 64 bytes that PyTorch writes");
    }
    if (layout->promised) check_promise(torch, layout, member, data);
}

/* For qsort: by key as a number, which torch.save counts up as the pickle refers to storages. */
static int by_key(const void *a, const void *b)
{
    const ZipMember *x = *(const ZipMember *const *)a, *y = *(const ZipMember *const *)b;
    return natural_compare(x->name, y->name);
}

static bool check_layout(const TorchVerify *torch, Error *err)
{
    char version[RECORD_MAX + 1], alignment[RECORD_MAX + 1];
    Layout layout = {.alignment = ALIGNMENT};
    size_t used;
    bool fine = true;
    read_small(torch, ".format_version", version);
    read_small(torch, ".storage_alignment", alignment);
    layout.promised = strtoul(version, NULL, 10) >= 1;
    if (alignment[0]) layout.alignment = strtoul(alignment, NULL, 10);
    if (!layout.alignment || layout.alignment > 1 << 20) {
        checkpoint_find(zip_verify_checkpoint(torch->verify), FINDING_ERROR, "layout", NULL,
                        rewrite, "its record '.storage_alignment' is no alignment");
        layout.promised = false;
    }
    ByteSource *const *given = zip_verify_uses(torch->verify, &used);
    const ZipMember **uses = mem_alloc((used + 1) * sizeof *uses);
    for (size_t i = 0; i < used; i++) uses[i] = zip_member_of(given[i]);
    qsort(uses, used, sizeof *uses, by_key);
    for (size_t i = 0; fine && i < used; i++) {
        ZipExtent extent;
        fine = zip_extent(zip_verify_zip(torch->verify), uses[i], 0, &extent, NULL, err);
        if (fine && !(extent.odd & (ZIP_ODD_HEADER | ZIP_ODD_BEYOND)))
            check_place(torch, &layout, uses[i], extent.data);
    }
    free(uses);
    return fine;
}

/* A CheckpointCheck. */
static bool check_torch(Checkpoint *checkpoint, void *context, const CheckRun *run, Error *err)
{
    (void)checkpoint, (void)run;
    const TorchVerify *torch = context;
    check_unreferenced(torch);
    return check_layout(torch, err);
}

void torch_verify(ZipVerify *verify, const char *prefix)
{
    Checkpoint *checkpoint = zip_verify_checkpoint(verify);
    const TorchVerify torch = {verify, prefix};
    checkpoint_add_check(checkpoint, check_torch,
                         arena_copy(checkpoint_arena(checkpoint), &torch, sizeof torch));
}
