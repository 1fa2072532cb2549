/* Checkpoints that lie in a zip as files: the .pth in a zip that torch.hub takes ("legacy zip"),
 * the zips of stable-baselines3 (policy.pth, policy.optimizer.pth …), a zipped folder.
 *
 * A file alone is opened as if it were not zipped. Of several, each one that is a checkpoint gives
 * its containers under its name: "policy.pth", and "optimizer.pth::state". Compressed ones are
 * inflated once, under the limits of the zip reader. */
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/zip_kind.h"

/* What was tried. */
typedef struct Tried {
    size_t opened, files;
    uint64_t tensors;        /* of those that were opened, against LIMIT_TENSORS */
    Error first;             /* why the first one that is a checkpoint by its name was not opened */
} Tried;

/* Names that promise a checkpoint: what is wrong with one of those is worth telling. Whether a file
 * is one, its content decides. */
static bool promises(const char *name)
{
    static const char *const ends[] = {".pth", ".pt",  ".bin", ".ckpt", ".safetensors", ".th",
                                       ".tar", ".npz", ".npy", ".zip",  ".pkl",         ".h5"};
    for (size_t i = 0; i < countof(ends); i++)
        if (has_suffix(name, ends[i])) return true;
    return false;
}

/* Opens one member; NULL with an error. Texts that would do as a listing are no checkpoints. */
static Checkpoint *open_member(OpenContext *context, Zip *zip, const ZipMember *member, Error *err)
{
    ByteSource *source = zip_open_member(zip, member, err);
    Checkpoint *inner = source ? context->open_bytes(context, source, err) : NULL;
    bool listing = inner && strcmp(checkpoint_format(inner), "schema") == 0;
    if (!listing) source_unref(source);
    if (!listing) return inner;
    fault_file(err, ERR_UNSUPPORTED, source->name,
               "is a listing of tensors, which is not looked for in a zip; unzip it");
    checkpoint_unref(inner);
    source_unref(source);
    return NULL;
}

static bool adopt_all(OpenContext *context, Zip *zip, Checkpoint *checkpoint, Tried *tried,
                      Error *err)
{
    for (size_t i = 0; i < zip_count(zip); i++) {
        const ZipMember *member = zip_member(zip, i);
        if (!zip_is_file(member)) continue;
        Error reason = {0};
        Checkpoint *inner = open_member(context, zip, member, &reason);
        if (inner) {
            tried->opened++;
            if (!zip_count_inner(inner, member->name, &tried->tensors, context->path, err))
                return false;
            checkpoint_adopt(checkpoint, inner, member->name);
        } else if (promises(member->name)) {
            if (tried->first.code == ERR_NONE) tried->first = reason;
            checkpoint_find(checkpoint, FINDING_WARNING, "inner-file", member->name, NULL, "%s",
                            reason.text);
        }
    }
    return true;
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

/* What torch.save leaves where it failed at an object that cannot be pickled: it closes its
 * archive, and only the pickle and the values are not there. */
static bool is_unfinished(const Zip *zip)
{
    static const char *const records[] = {"version", "byteorder", ".format_version",
                                          ".storage_alignment", ".data/serialization_id"};
    bool version = false;
    for (size_t i = 0; i < zip_count(zip); i++) {
        const char *name = strchr(zip_member(zip, i)->name, '/');
        size_t k = 0;
        while (name && k < countof(records) && strcmp(name + 1, records[k]) != 0) k++;
        if (!name || k == countof(records)) return false;
        version = version || k == 0;
    }
    return version;
}

/* Always false. */
static bool refuse_all(const Zip *zip, const char *file, const Tried *tried, Error *err)
{
    Text members = {0};
    list_members(zip, &members);
    if (tried->first.code != ERR_NONE && err) *err = tried->first;
    else if (is_unfinished(zip))
        fault_file(err, ERR_FORMAT, file, "torch.save has failed in it before anything was "
                   "written (there is no data.pkl): something in it could not be pickled; save it "
                   "again without that");
    else
        fault_file(err, ERR_UNSUPPORTED, file,
                   "is a zip, but none that PyTorch wrote, and no file in it is a checkpoint: %s",
                   text_string(&members));
    text_done(&members);
    return false;
}

static bool fill(OpenContext *context, Zip *zip, Checkpoint *checkpoint, Tried *tried, Error *err)
{
    char more[LIMIT_TEXT];
    if (!tried->files)
        return fault_file(err, ERR_FORMAT, context->path, "is a zip with nothing in it");
    if (tried->files > limit(LIMIT_SHARDS))
        return fault_file(err, ERR_LIMIT, context->path, "is a zip of %zu files, %s", tried->files,
                          limit_text(LIMIT_SHARDS, more));
    if (!adopt_all(context, zip, checkpoint, tried, err)) return false;
    if (!tried->opened) return refuse_all(zip, context->path, tried, err);
    if (!checkpoint_container_count(checkpoint))
        checkpoint_add_container(checkpoint, "", dict_new(), 0, false);
    return true;
}

/* The only file of the zip, as it is; reports call it by its own format. Why a text, or a page,
 * is no checkpoint need not be told: nobody took it for one. */
static Checkpoint *open_alone(OpenContext *context, ByteSource *source, Zip *zip, Error *err)
{
    const ZipMember *member = NULL;
    for (size_t i = 0; !member && i < zip_count(zip); i++)
        if (zip_is_file(zip_member(zip, i))) member = zip_member(zip, i);
    Error reason = {0};
    Checkpoint *inner = open_member(context, zip, member, &reason);
    if (!inner) {
        Tried tried = {.files = 1};
        bool told = promises(member->name) || reason.code != ERR_FORMAT;
        if (told) tried.first = reason;
        refuse_all(zip, context->path, &tried, err);
        return NULL;
    }
    Checkpoint *checkpoint = checkpoint_of_file(context->path, checkpoint_format(inner), source);
    checkpoint_set_root(checkpoint, (Object *)(uintptr_t)checkpoint_root(inner));
    checkpoint_adopt(checkpoint, inner, "");
    return checkpoint;
}

static Checkpoint *open_inner(OpenContext *context, ByteSource *source, Zip *zip, Error *err)
{
    Tried tried = {.files = zip_count_files(zip, "")};
    if (tried.files == 1) return open_alone(context, source, zip, err);
    Checkpoint *checkpoint = checkpoint_of_file(context->path, "zip", source);
    if (fill(context, zip, checkpoint, &tried, err)) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

/* Asked last: whatever it holds. */
static bool is_any(const Zip *zip)
{
    (void)zip;
    return true;
}

const ZipKind zip_inner = {"zip", is_any, open_inner};
