/* The archive's folder, its small records, and the storages. Names and sizes are the zip
 * directory's, as in PyTorch; where PyTorch would refuse the file or read something else, the file
 * is opened all the same, and a finding says so. */
#include "loader/format/torch_archive.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/pickle_tensor.h"
#include "loader/source/zip_check.h"

/* What PyTorch accepts in the record "version" (caffe2/serialize/versions.h; torch.save writes 3);
 * bytes of a name that are shown. */
enum { VERSION_MIN = 1, VERSION_MAX = 10, NAME_SHOWN = 80 };

static const char save_again[] = "write it anew: tenon align FILE -o NEW.pth";

Checkpoint *torch_archive_new(TorchArchive *archive, OpenContext *context, ByteSource *source,
                              Zip *zip, const char *format)
{
    Checkpoint *checkpoint = checkpoint_of_file(context->path, format, source);
    *archive = (TorchArchive){.zip = zip, .file = source->name, .checkpoint = checkpoint};
    return checkpoint;
}

const ZipMember *torch_archive_find(const TorchArchive *archive, const char *record)
{
    return zip_find_in(archive->zip, archive->prefix, record);
}

/* --- the archive's folder ------------------------------------------------------------- */

/* Length of the folder in which a member is the file `name`, at whatever depth; -1: it is none. */
static int64_t folder_of(const ZipMember *member, const char *name)
{
    size_t path = strlen(member->name), n = strlen(name);
    if (path < n || memcmp(member->name + path - n, name, n) != 0) return -1;
    if (!zip_is_file(member) || (path > n && member->name[path - n - 1] != '/')) return -1;
    return (int64_t)(path - n);
}

/* Looks through all members for the marker, as PyTorch does not: re-zipping by hand puts other
 * entries first, or folders around. NULL, with an error, when there is none or more than one. */
static const char *search_prefix(const TorchArchive *archive, const char *marker, Error *err)
{
    const char *found = NULL;
    for (size_t i = 0; i < zip_count(archive->zip); i++) {
        const ZipMember *member = zip_member(archive->zip, i);
        int64_t folder = folder_of(member, marker);
        if (folder < 0) continue;
        if (found) {
            Text both = {0};
            fault_quote(found, strlen(found), NAME_SHOWN, &both);
            text_add(&both, "' and '");
            fault_quote(member->name, (size_t)folder, NAME_SHOWN, &both);
            fault_file(err, ERR_FORMAT, archive->file,
                       "there is a %s in two folders, '%s'; which one is meant cannot be told",
                       marker, text_string(&both));
            text_done(&both);
            return NULL;
        }
        found = arena_strndup(checkpoint_arena(archive->checkpoint), member->name, (size_t)folder);
    }
    if (!found) fault_file(err, ERR_FORMAT, archive->file, "is a zip without a %s", marker);
    return found;
}

/* PyTorch asks for one folder around everything. A second data.pkl is ignored by it, but not by
 * everybody: files with two were made to show each reader its own. */
static void note_strangers(TorchArchive *archive, const char *marker)
{
    size_t outside = 0;
    const char *first = NULL;
    const size_t prefix = strlen(archive->prefix);
    for (size_t i = 0; i < zip_count(archive->zip); i++) {
        const ZipMember *member = zip_member(archive->zip, i);
        if (strncmp(member->name, archive->prefix, prefix) != 0) {
            if (!outside++) first = member->name;
        } else if (folder_of(member, marker) > (int64_t)prefix) {
            checkpoint_find(archive->checkpoint, FINDING_WARNING, "extra-pickle", member->name,
                            NULL, "there is another %s deeper in the archive; PyTorch does not "
                            "read it, other readers may", marker);
        }
    }
    if (!outside) return;
    Text name = {0};
    fault_quote(first, strlen(first), NAME_SHOWN, &name);
    checkpoint_find(archive->checkpoint, FINDING_ERROR, "prefix", NULL, save_again,
                    "%zu entries lie outside of the archive's folder ('%s'); PyTorch will not load "
                    "it (re-zipped by hand?)", outside, text_string(&name));
    text_done(&name);
}

/* "archive/", from the first entry, as PyTorch. */
static bool find_prefix(TorchArchive *archive, const char *marker, Error *err)
{
    const char *first = zip_count(archive->zip) ? zip_member(archive->zip, 0)->name : "";
    const char *slash = strchr(first, '/');
    archive->prefix = arena_strndup(checkpoint_arena(archive->checkpoint), first,
                                    slash ? (size_t)(slash - first) + 1 : 0);
    if (*archive->prefix && torch_archive_find(archive, marker)) {
        note_strangers(archive, marker);
        return true;
    }
    archive->prefix = search_prefix(archive, marker, err);
    if (!archive->prefix) return false;
    checkpoint_find(archive->checkpoint, FINDING_ERROR, "prefix", NULL, save_again,
                    "the first entry of the zip is not the archive's; PyTorch will not load it "
                    "(re-zipped by hand?)");
    return true;
}

/* --- small records -------------------------------------------------------------------- */

bool torch_archive_small(const TorchArchive *archive, const char *name,
                         char out[TORCH_SMALL_MAX + 1], bool *found, Error *err)
{
    const ZipMember *member = torch_archive_find(archive, name);
    *found = member != NULL;
    out[0] = '\0';
    if (!member) return true;
    size_t n = member->size < TORCH_SMALL_MAX ? (size_t)member->size : TORCH_SMALL_MAX;
    ByteSource *source = zip_open_member(archive->zip, member, err);
    bool fine = source && source_read(source, 0, out, n, err);
    source_unref(source);
    if (!fine) return false;
    while (n && (out[n - 1] == '\n' || out[n - 1] == '\r' || out[n - 1] == ' ')) n--;
    out[n] = '\0';
    return true;
}

/* A file without a version has all that matters in it, so it is opened. */
static bool check_version(const TorchArchive *archive, Error *err)
{
    char text[TORCH_SMALL_MAX + 1];
    bool found;
    if (!torch_archive_small(archive, "version", text, &found, err)) return false;
    if (!found && !torch_archive_small(archive, ".data/version", text, &found, err)) return false;
    if (!found) {
        checkpoint_find(archive->checkpoint, FINDING_ERROR, "version", NULL, save_again,
                        "there is no record 'version'; PyTorch will not load it");
        return true;
    }
    char *end;
    unsigned long version = strtoul(text, &end, 10);
    if (!is_digit(text[0]) || *end)
        return fault_file(err, ERR_FORMAT, archive->file, "its record 'version' is no number");
    if (version >= VERSION_MIN && version <= VERSION_MAX) return true;
    return fault_file(err, ERR_UNSUPPORTED, archive->file,
                      "is of file version %lu; versions %d to %d are known", version, VERSION_MIN,
                      VERSION_MAX);
}

/* Absent before PyTorch 2.1 or so, which means little-endian. */
static bool read_byteorder(TorchArchive *archive, Error *err)
{
    char text[TORCH_SMALL_MAX + 1];
    bool found;
    if (!torch_archive_small(archive, "byteorder", text, &found, err)) return false;
    archive->big_endian = found && strcmp(text, "big") == 0;
    if (!found || archive->big_endian || strcmp(text, "little") == 0) return true;
    return fault_file(err, ERR_FORMAT, archive->file,
                      "its record 'byteorder' is neither \"little\" nor \"big\"");
}

bool torch_archive_begin(TorchArchive *archive, const char *marker, Error *err)
{
    if (!find_prefix(archive, marker, err)) return false;
    archive->verify = zip_verify_new(archive->checkpoint, archive->zip);
    torch_verify(archive->verify, archive->prefix);
    return read_byteorder(archive, err) && check_version(archive, err);
}

/* --- storages ------------------------------------------------------------------------- */

/* Appends the path of a record as people may see it. */
static void show_record(const TorchArchive *archive, const char *record, Text *out)
{
    name_show(archive->prefix, out);
    fault_quote(record, strlen(record), TORCH_SMALL_MAX + NAME_SHOWN, out);
}

/* The error has no name before it: the walk says which tensor of which file it was. Always NULL. */
static const ZipMember *refuse_missing(const TorchArchive *archive, const char *record, Error *err)
{
    Text path = {0};
    show_record(archive, record, &path);
    error_set(err, ERR_FORMAT, "its storage should be the record '%s', which is not in the file",
              text_string(&path));
    text_done(&path);
    return NULL;
}

/* Opens a record as the bytes of a storage. */
static bool open_storage(TorchArchive *archive, const ZipMember *member, Storage *storage,
                         Error *err)
{
    storage->source = zip_open_storage(archive->zip, member, err);
    if (!storage->source) return false;
    if (member->method) archive->deflated++;
    zip_verify_use(archive->verify, storage->source);
    return true;
}

/* The record of a key in that folder, and its whole name in *path. NULL if none. */
static const ZipMember *find_in(const TorchRecords *records, const char *folder, const char *key,
                                Text *path)
{
    text_clear(path);
    text_add(path, records->archive->prefix);        /* one by one: 100,000 times text_addf tell */
    text_add(path, folder);
    text_add(path, key);
    text_add(path, records->suffix);
    return zip_find_behind(records->archive->zip, records->last, text_string(path));
}

/* The record of a key, in *path; NULL if none, and then it should be the one that *path names. */
static const ZipMember *find_record(const TorchRecords *records, const char *key, Text *path)
{
    const ZipMember *member =
        records->other ? find_in(records, records->other, key, path) : NULL;
    const ZipMember *first = find_in(records, records->folder, key, path);
    return first ? first : member;
}

/* A record of another size than the pickle claims. Old versions of PyTorch read beyond it. */
static void note_size(TorchFile *file, const TorchStorage *storage, const char *record,
                      uint64_t size)
{
    Text shown = {0};
    fault_quote(record, strlen(record), TORCH_SMALL_MAX, &shown);
    torch_find(file, FINDING_ERROR, "storage-size", record, NULL,
               "%s has %" PRIu64 " bytes, the pickle claims %" PRIu64, text_string(&shown), size,
               storage->claimed);
    text_done(&shown);
}

/* TorchFile.find: the smaller of the two sizes is believed; what a tensor needs beyond it is an
 * error there. */
static bool find_storage(TorchFile *file, TorchStorage *storage, Error *err)
{
    TorchRecords *records = file->context;
    const ZipMember *member = find_record(records, storage->key, &file->path);
    const char *record = text_string(&file->path) + strlen(records->archive->prefix);
    storage->absent = !member && storage->meta;
    bool fine = member || storage->absent || !storage->numel;
    if (!fine) refuse_missing(records->archive, record, err);
    if (member) {
        records->last = member;
        bool sized = storage->width != 0;
        if (sized && member->size != storage->claimed)
            note_size(file, storage, record, member->size);
        storage->storage->bytes =
            sized && storage->claimed < member->size ? storage->claimed : member->size;
        fine = open_storage(records->archive, member, storage->storage, err);
    }
    return fine;
}

Storage *torch_archive_storage(TorchArchive *archive, const char *record, Error *err)
{
    const ZipMember *member = torch_archive_find(archive, record);
    if (!member) member = refuse_missing(archive, record, err);
    if (!member) return NULL;
    Storage *storage = arena_alloc(checkpoint_arena(archive->checkpoint), sizeof *storage);
    storage->bytes = member->size;
    storage->dtype = DT_U8;
    return open_storage(archive, member, storage, err) ? storage : NULL;
}

void torch_archive_end(TorchArchive *archive)
{
    arena_trim(checkpoint_arena(archive->checkpoint));
    zip_trim(archive->zip);
    if (archive->deflated)
        checkpoint_find(archive->checkpoint, FINDING_WARNING, "deflated", NULL, save_again,
                        "%zu storages are compressed; torch.load(mmap=True) would read garbage",
                        archive->deflated);
}

/* --- pickles -------------------------------------------------------------------------- */

/* Scanners that believe the CRC give up on such a file, while PyTorch, which does not look, loads
 * it. */
static bool check_crc(TorchArchive *archive, const ZipMember *member, ByteSource *pickle,
                      Error *err)
{
    Error reason = {0};
    if (zip_check_crc(pickle, member, &reason)) return true;
    if (reason.code != ERR_NONE) {
        if (err) *err = reason;
        return false;
    }
    checkpoint_find(archive->checkpoint, FINDING_ERROR, "crc", member->name, NULL,
                    "its bytes do not have the CRC that the directory claims; they were changed "
                    "or damaged after it was written");
    return true;
}

char *torch_archive_text(const TorchArchive *archive, const char *record, size_t *n, Error *err)
{
    const ZipMember *member = torch_archive_find(archive, record);
    ByteSource *source = member ? zip_open_member(archive->zip, member, err) : NULL;
    if (!member) {
        Text path = {0};
        show_record(archive, record, &path);
        fault_file(err, ERR_FORMAT, archive->file, "the record '%s' is not in the file",
                   text_string(&path));
        text_done(&path);
    }
    char *text = source ? source_slurp_limited(source, LIMIT_INDEX_BYTES, n, err) : NULL;
    source_unref(source);
    if (text) zip_verify_read(archive->verify, member);
    return text;
}

bool torch_archive_load(TorchArchive *archive, const char *record, TorchRecords *records,
                        TorchFile *file, Error *err)
{
    *file = (TorchFile){0};
    const ZipMember *member = torch_archive_find(archive, record);
    if (!member)
        return fault_file(err, ERR_FORMAT, archive->file, "the record '%s' is not in the file",
                          record);
    ByteSource *pickle = zip_open_member(archive->zip, member, err);
    if (!pickle) return false;
    uint64_t used = 0, size = pickle->size;
    Arena *nodes = records->nodes ? records->nodes : checkpoint_arena(archive->checkpoint);
    Object *root = records->nodes ? pickle_read_tensors(nodes, pickle, 0, &used, err)
                                  : pickle_read(nodes, pickle, 0, &used, err);
    if (!root || !check_crc(archive, member, pickle, err)) {
        source_unref(pickle);
        return false;
    }
    torch_init(file, archive->checkpoint, archive->file, root, size);
    file->nodes = nodes;
    if (used < size)
        torch_find(file, FINDING_WARNING, "trailing", record, NULL,
                   "%" PRIu64 " bytes follow the pickle in %s; nothing refers to them", size - used,
                   record);
    file->pickle = source_ref(pickle);       /* arrays in it are read from it, later too */
    file->pickle_kept = true;
    checkpoint_own_source(archive->checkpoint, file->pickle);
    source_unref(pickle);
    records->archive = archive;
    torch_expect_storages(file, zip_count(archive->zip));
    file->find = find_storage;
    file->context = records;
    file->table = records->table;
    file->table_count = records->table_count;
    file->big_endian = archive->big_endian;
    file->remedy = "the file is damaged, or was cut short and re-zipped; fetch it again";
    return torch_interpret(file, err);
}
