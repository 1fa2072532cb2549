/* Zips: the one place that knows which kinds of checkpoint come as a zip file. The directory is
 * read once; the members' names decide, then the kind opens what is in it.
 *
 * A zip of no known kind is refused with what it holds, and with what to do about it. */
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/zip_kind.h"

/* In the order in which they are asked. */
static const ZipKind *const kinds[] = {
    &zip_torch,
    &zip_npz,
    &zip_keras,
};

/* --- members by name ------------------------------------------------------------------ */

/* The part of a name behind its first folder, or the whole when there is none. */
static const char *without_folder(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? slash + 1 : name;
}

bool zip_has_member(const Zip *zip, const char *name)
{
    for (size_t i = 0; i < zip_count(zip); i++) {
        const char *path = zip_member(zip, i)->name;
        if (strcmp(path, name) == 0 || strcmp(without_folder(path), name) == 0) return true;
    }
    return false;
}

bool zip_is_file(const ZipMember *member)
{
    return !has_suffix(member->name, "/") && !has_prefix(member->name, "__MACOSX/");
}

size_t zip_count_files(const Zip *zip, const char *suffix)
{
    size_t count = 0;
    for (size_t i = 0; i < zip_count(zip); i++) {
        const ZipMember *member = zip_member(zip, i);
        if (zip_is_file(member) && has_suffix(member->name, suffix)) count++;
    }
    return count;
}

const ZipMember *zip_find_in(const Zip *zip, const char *folder, const char *name)
{
    Text path = {0};
    text_addf(&path, "%s%s", folder, name);
    const ZipMember *member = zip_find(zip, text_string(&path));
    text_done(&path);
    return member;
}

/* --- what is refused ------------------------------------------------------------------ */

/* A zip that holds a model in a way that is not read. */
typedef struct KnownZip {
    const char *member;      /* tells the kind, at the top or in the first folder */
    const char *what;        /* what the file is, and what to do; %s is its name */
} KnownZip;

static const KnownZip known_zips[] = {
    {"constants.pkl", "is TorchScript (torch.jit.save), which is not read yet; in Python: "
                      "torch.save(torch.jit.load('%s', 'cpu').state_dict(), 'weights.pth')"},
    {"archive_format", "is a torch.export archive (.pt2), which is not read yet; in Python: "
                       "torch.save(torch.export.load('%s').state_dict, 'weights.pth')"},
    {"serialized_exported_program.json",
     "is a torch.export archive, which is not read yet; in Python: "
     "torch.save(torch.export.load('%s').state_dict, 'weights.pth')"},
    {".data/extern_modules", "is a torch.package archive, which is not read; load the model with "
                             "torch.package.PackageImporter('%s') and torch.save its state_dict()"},
    {"model.json", "is TorchScript of PyTorch 1.0 to 1.3, which is not read yet; in Python: "
                   "torch.save(torch.jit.load('%s', 'cpu').state_dict(), 'weights.pth')"},
};

/* The text is no format for printf: it is cut at its %s, where the file's name goes. */
static bool refuse_known(const Zip *zip, const char *file, Error *err)
{
    for (size_t i = 0; i < countof(known_zips); i++) {
        if (!zip_has_member(zip, known_zips[i].member)) continue;
        const char *slot = strstr(known_zips[i].what, "%s");
        fault_file(err, ERR_UNSUPPORTED, file, "%.*s%s%s", (int)(slot - known_zips[i].what),
                   known_zips[i].what, file, slot + 2);
        return true;
    }
    return false;
}

static void list_members(const Zip *zip, Text *out)
{
    enum { SHOWN = 4, NAME_SHOWN = 80 };
    for (size_t i = 0; i < zip_count(zip) && i < SHOWN; i++) {
        const char *name = zip_member(zip, i)->name;
        if (i) text_add(out, ", ");
        fault_quote(name, strlen(name), NAME_SHOWN, out);
    }
    if (zip_count(zip) > SHOWN) text_addf(out, " and %zu more", zip_count(zip) - SHOWN);
}

/* Says what a zip of no kind that is read is. */
static void refuse_zip(const Zip *zip, const char *file, Error *err)
{
    size_t files = zip_count_files(zip, "");
    if (refuse_known(zip, file, err)) return;
    if (!files) {
        fault_file(err, ERR_FORMAT, file, "is a zip with nothing in it");
        return;
    }
    Text members = {0};
    list_members(zip, &members);
    bool models = files == 1 || zip_count_files(zip, ".pth") || zip_count_files(zip, ".pt") ||
                  zip_count_files(zip, ".safetensors");
    if (models)
        fault_file(
            err, ERR_UNSUPPORTED, file,
            "is a zip with other files in it (%s); unpack it (unzip) and open the one you mean",
            text_string(&members));
    else
        fault_file(err, ERR_UNSUPPORTED, file,
                   "is a zip, but none that PyTorch wrote: it has no data.pkl, but %s",
                   text_string(&members));
    text_done(&members);
}

/* --- the format ----------------------------------------------------------------------- */

/* A local header at byte 0, as torch.load asks for: it takes a zip behind other bytes for a legacy
 * stream. Of which kind it is, is seen when it is opened. */
static Sniff sniff_zip(ByteSource *source, const unsigned char *head, size_t n)
{
    (void)source;
    return n >= 4 && memcmp(head, "PK\3\4", 4) == 0 ? SNIFF_YES : SNIFF_NO;
}

static Checkpoint *open_zip(OpenContext *context, ByteSource *source, Error *err)
{
    Zip *zip = zip_open_archive(source, err);
    if (!zip) return NULL;
    const ZipKind *kind = NULL;
    for (size_t i = 0; i < countof(kinds) && !kind; i++)
        if (kinds[i]->matches(zip)) kind = kinds[i];
    Checkpoint *checkpoint = NULL;
    if (kind) checkpoint = kind->open(context, source, zip, err);
    else refuse_zip(zip, source->name, err);
    zip_unref(zip);          /* the member sources that were made keep it */
    return checkpoint;
}

const Format format_zip = {"zip", "zip archives (PyTorch 1.6 and later, TorchScript and others)",
                           sniff_zip, open_zip};
