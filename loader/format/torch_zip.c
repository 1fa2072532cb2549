/* What torch.save writes, PyTorch 1.6 to today (torch/serialization.py, _save and _load):
 *
 *   archive/data.pkl       the pickle; tensors refer to storages by key
 *   archive/data/KEY       the bytes of each storage
 *
 * "archive" is whatever the file was called when it was saved; torch_archive.h has the rest. */
#include "loader/format/torch_archive.h"

static bool load(TorchArchive *archive, TorchFile *file, Error *err)
{
    TorchRecords records = {.folder = "data/", .suffix = "", .nodes = arena_new()};
    if (torch_archive_load(archive, "data.pkl", &records, file, err)) {
        torch_compact(file);
        return torch_finish(file, err);
    }
    arena_free(records.nodes);
    return false;
}

static bool fill(TorchArchive *archive, Error *err)
{
    TorchFile file = {0};
    bool fine = torch_archive_begin(archive, "data.pkl", err) && load(archive, &file, err);
    torch_done(&file);
    if (!fine) return false;
    torch_archive_end(archive);
    zip_forget_names(archive->zip);
    return true;
}

static Checkpoint *open_torch(OpenContext *context, ByteSource *source, Zip *zip, Error *err)
{
    TorchArchive archive;
    Checkpoint *checkpoint = torch_archive_new(&archive, context, source, zip, "torch-zip");
    if (fill(&archive, err)) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

/* TorchScript has a data.pkl too, and is asked first. */
static bool is_torch(const Zip *zip)
{
    return zip_has_file(zip, "data.pkl");
}

const ZipKind zip_torch = {"torch-zip", is_torch, open_torch};
