/* What torch.package writes (torch/package/package_exporter.py):
 *
 *   archive/.data/extern_modules        tells the kind
 *   archive/.data/KEY.storage           the storages of all pickles
 *   archive/PACKAGE/NAME.pkl            pickles, which the user named
 *   archive/PACKAGE/….py                sources; of no use here
 *   archive/.data/ts_code/…             TorchScript modules inside pickles; not read
 *
 * Each pickle that holds tensors gives its containers under its name: "model/weights.pkl", and
 * "model/weights.pkl::state_dict". */
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/torch_archive.h"

/* A pickle as a checkpoint of its own; NULL with an error. */
static Checkpoint *open_pickle(const TorchArchive *package, const char *record, Error *err)
{
    TorchRecords records = {.folder = ".data/", .suffix = ".storage"};
    TorchArchive archive = *package;
    TorchFile file = {0};
    archive.checkpoint = checkpoint_new(record, "torch-package");
    bool fine = torch_archive_load(&archive, record, &records, &file, err) &&
                torch_check(&file, err) && torch_list_containers(&file, err);
    if (fine) torch_conclude(&file);
    torch_done(&file);
    if (fine) {
        torch_archive_end(&archive);
        return archive.checkpoint;
    }
    checkpoint_unref(archive.checkpoint);
    return NULL;
}

/* The name below the archive's folder of a pickle that a user put there; NULL: it is none. */
static const char *pickle_name(const TorchArchive *archive, const ZipMember *member)
{
    if (!zip_is_file(member) || !has_prefix(member->name, archive->prefix) ||
        !has_suffix(member->name, ".pkl"))
        return NULL;
    const char *record = member->name + strlen(archive->prefix);
    return has_prefix(record, ".data/") ? NULL : record;
}

/* A pickle that is broken does not hide the others. */
static bool read_pickles(TorchArchive *archive, Error *err)
{
    size_t failed = 0, read = 0;
    uint64_t tensors = 0;
    Error first = {0};
    for (size_t i = 0; i < zip_count(archive->zip); i++) {
        const char *record = pickle_name(archive, zip_member(archive->zip, i));
        if (!record) continue;
        Error reason = {0};
        Checkpoint *inner = open_pickle(archive, record, &reason);
        if (inner) {
            read++;
            if (!zip_count_inner(inner, record, &tensors, archive->file, err)) return false;
            checkpoint_adopt(archive->checkpoint, inner, record);
            continue;
        }
        if (!failed++) first = reason;
        checkpoint_find(archive->checkpoint, FINDING_ERROR, "inner-file", record, NULL, "%s",
                        reason.text);
    }
    if (failed && !read) {
        if (err) *err = first;
        return false;
    }
    return true;
}

static bool fill(TorchArchive *archive, Error *err)
{
    if (!torch_archive_begin(archive, ".data/extern_modules", err) || !read_pickles(archive, err))
        return false;
    for (size_t i = 0; i < zip_count(archive->zip); i++) {
        if (!strstr(zip_member(archive->zip, i)->name, "/.data/ts_code/")) continue;
        checkpoint_find(archive->checkpoint, FINDING_WARNING, "torchscript", NULL, NULL,
                        "it also holds TorchScript modules, which are not read; load them with "
                        "torch.package.PackageImporter and torch.jit.save them");
        break;
    }
    if (!checkpoint_container_count(archive->checkpoint))
        checkpoint_add_container(archive->checkpoint, "", dict_new(), 0, false);
    return true;
}

static Checkpoint *open_package(OpenContext *context, ByteSource *source, Zip *zip, Error *err)
{
    TorchArchive archive;
    Checkpoint *checkpoint = torch_archive_new(&archive, context, source, zip, "torch-package");
    if (fill(&archive, err)) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

/* With a data.pkl PyTorch would load it as what torch.save wrote, whatever else is in it. */
static bool is_package(const Zip *zip)
{
    return !zip_has_member(zip, "data.pkl") && zip_has_file(zip, ".data/extern_modules");
}

const ZipKind zip_package = {"torch-package", is_package, open_package};
