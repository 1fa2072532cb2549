/* The zip format of torch.save, PyTorch 1.6 to today (torch/serialization.py, _save and _load;
 * caffe2/serialize/inline_container.cc).
 *
 *   archive/data.pkl       the pickle; tensors refer to storages by key
 *   archive/data/KEY       the bytes of each storage, stored, 64-byte aligned
 *   archive/version        "3\n"; or .data/version
 *   archive/byteorder      "little" or "big"; absent in older files
 *
 * "archive" is whatever the file was called when it was saved. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/pickle.h"
#include "loader/format/torch.h"
#include "loader/format/zip_kind.h"
#include "loader/format/zip_verify.h"

/* What PyTorch accepts in the record "version" (caffe2/serialize/versions.h; torch.save writes 3);
 * bytes of "version" and "byteorder" that are read. */
enum { VERSION_MIN = 1, VERSION_MAX = 10, SMALL_RECORD_MAX = 64 };

/* What the reader needs beside TorchFile; its `context` for find_record. */
typedef struct TorchZip {
    Zip *zip;                /* a reference */
    ZipVerify *verify;       /* the checkpoint's */
    const char *prefix;      /* "archive/"; in the checkpoint's arena */
    size_t mismatched;       /* records of another size than the pickle claims */
    Text first_mismatch;     /* what the first of them was; owned */
} TorchZip;

/* --- the archive's folder ------------------------------------------------------------- */

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
    return found;
}

/* "archive/", from the first entry, as PyTorch. */
static const char *find_prefix(const Zip *zip, Checkpoint *checkpoint, const char *file, Error *err)
{
    Arena *arena = checkpoint_arena(checkpoint);
    const char *first = zip_count(zip) ? zip_member(zip, 0)->name : "";
    const char *slash = strchr(first, '/');
    const char *prefix = arena_strndup(arena, first, slash ? (size_t)(slash - first) + 1 : 0);
    if (*prefix && zip_find_in(zip, prefix, "data.pkl")) return prefix;
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
    const ZipMember *member = zip_find_in(zip->zip, zip->prefix, name);
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
    const ZipMember *member = zip_find_in(zip->zip, zip->prefix, text_string(&name));
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
    zip_verify_use(zip->verify, member, storage->storage.source);
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

static bool fill(Checkpoint *checkpoint, TorchZip *zip, const char *name, Error *err)
{
    zip->prefix = find_prefix(zip->zip, checkpoint, name, err);
    if (!zip->prefix) return false;
    zip->verify = zip_verify_new(checkpoint, zip->zip);
    torch_verify(zip->verify, zip->prefix);
    const ZipMember *member = zip_find_in(zip->zip, zip->prefix, "data.pkl");
    ByteSource *pickle = zip_open_member(zip->zip, member, err);
    if (!pickle) return false;
    uint64_t used, size = pickle->size;
    Object *root = pickle_read(checkpoint_arena(checkpoint), pickle, 0, &used, err);
    TorchFile file;
    if (root) torch_init(&file, checkpoint, name, root, size);
    if (root) file.pickle = pickle;
    bool fine = root && interpret(zip, &file, size, used, err);
    if (root) torch_done(&file);
    source_unref(pickle);
    return fine;
}

static Checkpoint *open_torch(OpenContext *context, ByteSource *source, Zip *archive, Error *err)
{
    TorchZip zip = {.zip = archive};
    Checkpoint *checkpoint = checkpoint_new(context->path, "torch-zip");
    checkpoint_own_source(checkpoint, source_ref(source));
    checkpoint_set_file_bytes(checkpoint, source->size);
    bool fine = fill(checkpoint, &zip, source->name, err);
    text_done(&zip.first_mismatch);
    if (fine) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

/* At any depth: re-zipping by hand adds folders. TorchScript has a data.pkl too, and is told by its
 * constants.pkl, as torch.load does. */
static bool is_torch(const Zip *zip)
{
    bool found = false;
    for (size_t i = 0; i < zip_count(zip) && !found; i++) {
        const ZipMember *member = zip_member(zip, i);
        found = zip_is_file(member) && (has_suffix(member->name, "/data.pkl") ||
                                        strcmp(member->name, "data.pkl") == 0);
    }
    return found && !zip_has_member(zip, "constants.pkl");
}

const ZipKind zip_torch = {"torch-zip", is_torch, open_torch};
