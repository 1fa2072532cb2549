/* The zip format of torch.save, PyTorch 1.6 to today (torch/serialization.py, _save and _load;
 * caffe2/serialize/inline_container.cc).
 *
 *   archive/data.pkl       the pickle; tensors refer to storages by key
 *   archive/data/KEY       the bytes of each storage, stored, 64-byte aligned
 *   archive/version        "3\n"; or .data/version
 *   archive/byteorder      "little" or "big"; absent in older files
 *
 * "archive" is whatever the file was called when it was saved. Other zips that hold models are
 * told apart by their members and refused with what to do about them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/pickle.h"
#include "loader/format/torch.h"
#include "loader/source/zip.h"

/* What PyTorch accepts in the record "version" (caffe2/serialize/versions.h; torch.save writes 3);
 * bytes of "version" and "byteorder" that are read. */
enum { VERSION_MIN = 1, VERSION_MAX = 10, SMALL_RECORD_MAX = 64 };

/* What the reader needs beside TorchFile; its `context` for find_record. */
typedef struct TorchZip {
    Zip *zip;                /* a reference */
    const char *prefix;      /* "archive/"; in the checkpoint's arena */
    size_t mismatched;       /* records of another size than the pickle claims */
    Text first_mismatch;     /* what the first of them was; owned */
} TorchZip;

/* A local header at byte 0, as torch.load asks for: it takes a zip behind other bytes for a legacy
 * stream. Whether PyTorch wrote it is seen when it is opened. */
static Sniff sniff_zip(ByteSource *source, const unsigned char *head, size_t n)
{
    (void)source;
    return n >= 4 && memcmp(head, "PK\3\4", 4) == 0 ? SNIFF_YES : SNIFF_NO;
}

/* --- which kind of zip ---------------------------------------------------------------- */

/* The part of a name behind its first folder, or the whole when there is none. */
static const char *without_folder(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? slash + 1 : name;
}

/* In whatever folder: the archive's name is not known while its kind is not. */
static bool has_member(const Zip *zip, const char *name)
{
    for (size_t i = 0; i < zip_count(zip); i++)
        if (strcmp(without_folder(zip_member(zip, i)->name), name) == 0) return true;
    return false;
}

static bool is_folder(const ZipMember *member)
{
    return has_suffix(member->name, "/");
}

/* Files whose name ends so, less what a Mac puts into the zips that it makes. */
static size_t count_members(const Zip *zip, const char *suffix)
{
    size_t count = 0;
    for (size_t i = 0; i < zip_count(zip); i++) {
        const ZipMember *member = zip_member(zip, i);
        if (!is_folder(member) && !has_prefix(member->name, "__MACOSX/") &&
            has_suffix(member->name, suffix))
            count++;
    }
    return count;
}

/* A zip that holds a model in another way. */
typedef struct KnownZip {
    const char *member;      /* tells the kind, behind the first folder */
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
    {"model.weights.h5", "is a Keras model (.keras), which is not read yet; in Python: "
                         "keras.models.load_model('%s') and save its weights as .npz"},
};

/* The text is no format for printf: it is cut at its %s, where the file's name goes. */
static bool refuse_known(const Zip *zip, const char *file, Error *err)
{
    for (size_t i = 0; i < countof(known_zips); i++) {
        if (!has_member(zip, known_zips[i].member)) continue;
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

/* Says what a zip without data.pkl is. Always false. */
static bool refuse_zip(const Zip *zip, const char *file, Error *err)
{
    size_t files = count_members(zip, "");
    if (refuse_known(zip, file, err)) return false;
    if (!files) return fault_file(err, ERR_FORMAT, file, "is a zip with nothing in it");
    if (count_members(zip, ".npy") == files)
        return fault_file(
            err, ERR_UNSUPPORTED, file,
            "is a NumPy archive (.npz), which is not read yet; in Python: torch.save({k: "
            "torch.from_numpy(v) for k, v in numpy.load('%s').items()}, 'weights.pth')",
            file);
    Text members = {0};
    list_members(zip, &members);
    bool models = files == 1 || count_members(zip, ".pth") || count_members(zip, ".pt") ||
                  count_members(zip, ".safetensors");
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
    return false;
}

/* --- the archive's folder ------------------------------------------------------------- */

/* A member by its name in a folder; NULL if none. */
static const ZipMember *find_in(const Zip *zip, const char *prefix, const char *name)
{
    Text path = {0};
    text_addf(&path, "%s%s", prefix, name);
    const ZipMember *member = zip_find(zip, text_string(&path));
    text_done(&path);
    return member;
}

/* Looks through all members for data.pkl, as PyTorch does not: re-zipping by hand puts other
 * entries first. NULL, with an error, when there is none or more than one. */
static const char *search_prefix(const Zip *zip, Arena *arena, const char *file, Error *err)
{
    static const char name[] = "data.pkl";
    const char *found = NULL;
    for (size_t i = 0; i < zip_count(zip); i++) {
        const char *path = zip_member(zip, i)->name;
        size_t folder = strlen(path) - (has_suffix(path, name) ? sizeof name - 1 : 0);
        bool here = path[folder] && (folder == 0 || path[folder - 1] == '/');
        if (!here || has_prefix(path, "__MACOSX/")) continue;
        if (found) {
            fault_file(err, ERR_FORMAT, file,
                       "there is a data.pkl in two folders, '%.80s' and '%.*s'; "
                       "which one is meant cannot be told",
                       found, (int)(folder < 80 ? folder : 80), path);
            return NULL;
        }
        found = arena_strndup(arena, path, folder);
    }
    if (!found) refuse_zip(zip, file, err);
    return found;
}

/* "archive/", from the first entry, as PyTorch. */
static const char *find_prefix(const Zip *zip, Checkpoint *checkpoint, const char *file, Error *err)
{
    Arena *arena = checkpoint_arena(checkpoint);
    const char *first = zip_count(zip) ? zip_member(zip, 0)->name : "";
    const char *slash = strchr(first, '/');
    const char *prefix = arena_strndup(arena, first, slash ? (size_t)(slash - first) + 1 : 0);
    if (*prefix && find_in(zip, prefix, "data.pkl")) return prefix;
    prefix = search_prefix(zip, arena, file, err);
    if (prefix)
        checkpoint_warn(checkpoint, "the first entry of the zip is not the archive's; PyTorch will "
                        "not load it (re-zipped by hand?)");
    return prefix;
}

/* The text of a small record without white space at its end; false when there is none. */
static bool read_record(TorchZip *zip, const char *name, char out[SMALL_RECORD_MAX + 1],
                        bool *found, Error *err)
{
    const ZipMember *member = find_in(zip->zip, zip->prefix, name);
    *found = member != NULL;
    if (!member) return true;
    size_t n = member->size < SMALL_RECORD_MAX ? (size_t)member->size : SMALL_RECORD_MAX;
    ByteSource *source = zip_open_member(zip->zip, member, err);
    bool fine = source && source_read(source, 0, out, n, err);
    source_unref(source);
    if (!fine) return false;
    while (n && (out[n - 1] == '\n' || out[n - 1] == '\r' || out[n - 1] == ' ')) n--;
    out[n] = '\0';
    return true;
}

/* A file without a version has all that matters in it, so it is only warned about. */
static bool check_version(TorchZip *zip, TorchFile *file, Error *err)
{
    char text[SMALL_RECORD_MAX + 1];
    bool found;
    if (!read_record(zip, "version", text, &found, err)) return false;
    if (!found && !read_record(zip, ".data/version", text, &found, err)) return false;
    if (!found) {
        torch_warn(file, "there is no record 'version'; PyTorch will not load it");
        return true;
    }
    char *end;
    unsigned long version = strtoul(text, &end, 10);
    if (end == text || *end || text[0] == '-')
        return fault_file(err, ERR_FORMAT, file->name, "its record 'version' is no number");
    if (version >= VERSION_MIN && version <= VERSION_MAX) return true;
    return fault_file(err, ERR_UNSUPPORTED, file->name,
                      "is of file version %lu; versions %d to %d are known", version, VERSION_MIN,
                      VERSION_MAX);
}

/* Absent before PyTorch 2.1 or so, which means little-endian. */
static bool read_byteorder(TorchZip *zip, TorchFile *file, Error *err)
{
    char text[SMALL_RECORD_MAX + 1];
    bool found;
    if (!read_record(zip, "byteorder", text, &found, err)) return false;
    file->big_endian = found && strcmp(text, "big") == 0;
    if (!found || file->big_endian || strcmp(text, "little") == 0) return true;
    return fault_file(err, ERR_FORMAT, file->name,
                      "its record 'byteorder' is neither \"little\" nor \"big\"");
}

/* --- storages ------------------------------------------------------------------------- */

/* Counts; only the first one is told. */
static void note_mismatch(TorchZip *zip, const TorchStorage *storage, uint64_t size)
{
    if (zip->mismatched++) return;
    text_add(&zip->first_mismatch, "data/");
    fault_quote(storage->key, strlen(storage->key), SMALL_RECORD_MAX, &zip->first_mismatch);
    text_addf(&zip->first_mismatch, " has %" PRIu64 " bytes, the pickle claims %" PRIu64, size,
              storage->claimed);
}

/* The smaller of the two sizes is believed: what a tensor needs beyond is an error there. */
static bool find_record(TorchFile *file, TorchStorage *storage, Error *err)
{
    TorchZip *zip = file->context;
    Text name = {0};
    text_addf(&name, "data/%s", storage->key);
    const ZipMember *member = find_in(zip->zip, zip->prefix, text_string(&name));
    text_done(&name);
    storage->absent = !member && storage->meta;
    if (!member && (storage->absent || !storage->numel)) return true;
    if (!member) {
        Text path = {0};
        name_show(zip->prefix, &path);
        text_add(&path, "data/");
        fault_quote(storage->key, strlen(storage->key), SMALL_RECORD_MAX, &path);
        error_set(err, ERR_FORMAT,
                  "its storage should be the record '%s', which is not in the file",
                  text_string(&path));
        text_done(&path);
        return false;
    }
    bool sized = storage->width != 0;
    if (sized && member->size != storage->claimed) note_mismatch(zip, storage, member->size);
    storage->storage.bytes =
        sized && storage->claimed < member->size ? storage->claimed : member->size;
    storage->storage.source = zip_open_member(zip->zip, member, err);
    if (!storage->storage.source) return false;
    checkpoint_own_source(file->checkpoint, storage->storage.source);
    return true;
}

/* --- the whole ------------------------------------------------------------------------ */

/* The byte order comes first: encodings of tensors depend on it. */
static bool interpret(TorchZip *zip, TorchFile *file, uint64_t pickle_size, uint64_t used,
                      Error *err)
{
    if (used < pickle_size)
        torch_warn(file, "%" PRIu64 " bytes follow the pickle in data.pkl; nothing refers to them",
                   pickle_size - used);
    file->find = find_record;
    file->context = zip;
    file->remedy = "the file is damaged, or was cut short and re-zipped; fetch it again";
    bool fine = read_byteorder(zip, file, err) && check_version(zip, file, err) &&
                torch_interpret(file, err);
    if (fine && zip->mismatched)
        torch_warn(file, "%zu storages have another size than the pickle claims: %s",
                   zip->mismatched, text_string(&zip->first_mismatch));
    return fine && torch_finish(file, err);
}

/* TorchScript has a data.pkl too, and is told by its constants.pkl, as torch.load does. */
static bool fill(Checkpoint *checkpoint, TorchZip *zip, const char *name, Error *err)
{
    zip->prefix = find_prefix(zip->zip, checkpoint, name, err);
    if (!zip->prefix) return false;
    if (find_in(zip->zip, zip->prefix, "constants.pkl")) return refuse_zip(zip->zip, name, err);
    ByteSource *pickle = zip_open_member(zip->zip, find_in(zip->zip, zip->prefix, "data.pkl"), err);
    if (!pickle) return false;
    uint64_t used, size = pickle->size;
    Object *root = pickle_read(checkpoint_arena(checkpoint), pickle, 0, &used, err);
    source_unref(pickle);
    if (!root) return false;
    TorchFile file;
    torch_init(&file, checkpoint, name, root, size);
    bool fine = interpret(zip, &file, size, used, err);
    torch_done(&file);
    return fine;
}

static Checkpoint *open_zip(OpenContext *context, ByteSource *source, Error *err)
{
    TorchZip zip = {.zip = zip_open_archive(source, err)};
    if (!zip.zip) return NULL;
    Checkpoint *checkpoint = checkpoint_new(context->path, "torch-zip");
    checkpoint_own_source(checkpoint, source_ref(source));
    checkpoint_set_file_bytes(checkpoint, source->size);
    bool fine = fill(checkpoint, &zip, source->name, err);
    zip_unref(zip.zip);      /* the storages that were found keep it */
    text_done(&zip.first_mismatch);
    if (fine) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

const Format format_torch_zip = {"torch-zip", "PyTorch zip (torch.save, 1.6 and later)", sniff_zip,
                                 open_zip};
