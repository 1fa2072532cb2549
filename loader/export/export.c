/* One export from start to end: the right writer, what must not be overwritten, the file. */
#include "loader/export/export.h"

#include <string.h>
#include <sys/stat.h>

#include "loader/export/writer.h"

static const Writer *const writers[] = {&torch_writer, &safetensors_writer};

static bool has_word(const char *words, const char *word, size_t n)
{
    for (const char *at = words; *at;) {
        size_t length = strcspn(at, " ");
        if (length == n && strncmp(at, word, n) == 0) return true;
        at += length + strspn(at + length, " ");
    }
    return false;
}

/* By the last suffix, or by the last two (".pth.tar"). */
static const Writer *find_by_suffix(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < countof(writers); i++)
        for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.'))
            if (has_word(writers[i]->suffixes, dot, strlen(dot))) return writers[i];
    return NULL;
}

const char *export_format_of(const char *path)
{
    const Writer *writer = find_by_suffix(path);
    return writer ? writer->name : NULL;
}

/* --to takes a writer's name, or one of its suffixes without the dot. */
static const Writer *find_by_name(const char *name)
{
    Text suffix = {0};
    const Writer *found = NULL;
    text_addf(&suffix, ".%s", name);
    for (size_t i = 0; i < countof(writers) && !found; i++)
        if (strcmp(writers[i]->name, name) == 0 || strcmp(writers[i]->format, name) == 0 ||
            has_word(writers[i]->suffixes, suffix.bytes, suffix.length))
            found = writers[i];
    text_done(&suffix);
    return found;
}

static const Writer *choose_writer(const char *path, const ExportOptions *options, Error *err)
{
    const Writer *writer = options->format ? find_by_name(options->format) : find_by_suffix(path);
    if (writer) return writer;
    if (options->format)
        error_set(err, ERR_USAGE, "%s: no writer for format '%s'; there are pth and safetensors",
                  path, options->format);
    else
        error_set(err, ERR_USAGE, "%s: the suffix says no format that can be written (.pth .pt "
                  ".bin .ckpt .safetensors); name one of them, or say --to pth", path);
    return NULL;
}

bool entry_prefix(const PlanEntry *entry, Error *err)
{
    Text name = {0};
    name_show(entry->name, &name);
    error_prefix(err, "tensor '%s'", text_string(&name));
    text_done(&name);
    return false;
}

/* The closest dtype that every format holds. */
static const char *plain_dtype(DType dtype)
{
    switch (dtype_info(dtype)->kind) {
    case CLASS_COMPLEX: return "c64";
    case CLASS_INT: return "i64";
    case CLASS_UINT: return "u8";
    default: return "f32";
    }
}

bool refuse_dtype(const PlanEntry *entry, const char *format, const char *instead, Error *err)
{
    error_set(err, ERR_UNSUPPORTED, "%s cannot hold %s; cast it in a rule (|> cast(\"%s\"))%s",
              format, dtype_name(entry->dtype), plain_dtype(entry->dtype), instead);
    return entry_prefix(entry, err);
}

uint64_t entry_bytes(const PlanEntry *entry)
{
    uint64_t count = 1, bytes;
    for (unsigned i = 0; i < entry->rank; i++) count *= (uint64_t)entry->dims[i];
    return dtype_bytes(entry->dtype, count, &bytes) ? bytes : 0;
}

static bool is_file(const struct stat *info, int fd)
{
    struct stat other;
    return fstat(fd, &other) == 0 && other.st_dev == info->st_dev && other.st_ino == info->st_ino;
}

/* The source is never written over, under whatever name it goes (a link, another spelling):
 * files are compared, the checkpoint's own and those that its tensors lie in. */
static bool protect_source(const Plan *plan, const char *path, Error *err)
{
    struct stat info, source;
    const ByteSource *last = NULL;
    const StateDict *dict = align_source_dict(plan->alignment);
    const Checkpoint *checkpoint = align_source(plan->alignment);
    if (stat(path, &info) != 0) return true;
    bool same = checkpoint && stat(checkpoint_path(checkpoint), &source) == 0 &&
                source.st_dev == info.st_dev && source.st_ino == info.st_ino;
    for (size_t i = 0; !same && dict && i < dict_count(dict); i++) {
        const Storage *storage = dict_at(dict, i)->storage;
        int fd;
        uint64_t where;
        if (!storage || !storage->source || storage->source == last) continue;
        last = storage->source;
        same = source_locate(storage->source, storage->offset, storage->bytes, &fd, &where) &&
               is_file(&info, fd);
    }
    if (!same) return true;
    return error_set(err, ERR_EXISTS, "%s: is the source itself, which is never written over; "
                     "choose another name", path);
}

static bool write_to(const Writer *writer, const Plan *plan, const char *path,
                     const ExportOptions *options, ExportResult *result, Error *err)
{
    AtomicFile *file = atomic_open(path, options->force, err);
    Stream stream;
    if (!file) return false;
    if (options->sha256) atomic_hash(file);
    stream_init(&stream, file, options);
    bool good = writer->write(plan, &stream, path, options, result, err);
    stream_done(&stream);
    result->bytes = atomic_position(file);
    if (!good) {
        atomic_discard(file);
        return false;
    }
    return atomic_commit(file, result->sha256, err);
}

bool export_write(const Plan *plan, const char *path, const ExportOptions *options,
                  ExportResult *result, Error *err)
{
    static const ExportOptions defaults;
    ExportResult none;
    if (!options) options = &defaults;
    if (!result) result = &none;
    const Writer *writer = choose_writer(path, options, err);
    *result = (ExportResult){.tensors = plan->count};
    if (!writer) return false;
    result->format = writer->format;
    if (!protect_source(plan, path, err)) return false;
    if (!writer->check(plan, options, err)) return error_prefix(err, "%s", path);
    return write_to(writer, plan, path, options, result, err);
}
