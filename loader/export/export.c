/* One export from start to end: the right writer, what must not be overwritten, the file. */
#include "loader/export/export.h"

#include <string.h>
#include <sys/stat.h>

#include "loader/export/writer.h"

const char *export_format_of(const char *path)
{
    const Writer *writer = writer_by_suffix(path);
    return writer ? writer->name : NULL;
}

/* Names prove nothing about files, device and inode do. */
static bool is_file(const struct stat *info, int fd)
{
    struct stat other;
    return fstat(fd, &other) == 0 && other.st_dev == info->st_dev && other.st_ino == info->st_ino;
}

static bool is_same_file(const char *one, const char *other)
{
    struct stat a, b;
    return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static bool refuse_source(const char *path, Error *err)
{
    return error_set(err, ERR_EXISTS, "%s: is the source itself, which is never written over; "
                     "choose another name", path);
}

/* The source is never written over, under whatever name it goes (a link, another spelling):
 * files are compared, the checkpoint's own and those that its tensors lie in (shards). Values
 * are still to be read from it while the output is written; with --force a target may be
 * replaced, since its open file stays readable after the rename. */
static bool protect_source(const Plan *plan, const char *path, Error *err)
{
    struct stat info;
    const ByteSource *last = NULL;
    const StateDict *dict = plan->source_dict;
    const Checkpoint *checkpoint = plan->source;
    if (stat(path, &info) != 0) return true;
    bool same = checkpoint && is_same_file(path, checkpoint_path(checkpoint));
    for (size_t i = 0; !same && dict && i < dict_count(dict); i++) {
        const Storage *storage = dict_at(dict, i)->storage;
        int fd;
        uint64_t where;
        if (!storage || !storage->source || storage->source == last) continue;
        last = storage->source;
        same = source_locate(storage->source, storage->offset, storage->bytes, &fd, &where) &&
               is_file(&info, fd);
    }
    return same ? refuse_source(path, err) : true;
}

/* From the temporary file to the rename. On any error the file is gone. */
static bool write_to(const Writer *writer, const Plan *plan, const char *path,
                     const ExportOptions *options, ExportResult *result, Error *err)
{
    AtomicFile *file = atomic_open(path, options->force, err);
    Stream stream;
    if (!file) return false;
    if (options->sha256) atomic_hash(file);
    stream_init(&stream, file, plan, options);
    bool good = writer->write(plan, &stream, path, options, result, err);
    stream_done(&stream);
    result->bytes = atomic_position(file);
    if (!good) {
        atomic_discard(file);
        return false;
    }
    return atomic_commit(file, result->sha256, err);
}

/* --whole needs a format that holds more than tensors. */
static bool check_whole(const Writer *writer, const char *path, bool whole, Error *err)
{
    if (!whole || writer->objects) return true;
    return error_set(err, ERR_USAGE, "%s: --whole carries more than tensors, and %s holds nothing "
                     "else; write .pth", path, writer->format);
}

bool export_check(const char *path, const char *source, const ExportOptions *options, bool whole,
                  Error *err)
{
    const Writer *writer = writer_choose(path, options, err);
    if (!writer || !check_whole(writer, path, whole, err)) return false;
    if (source && is_same_file(path, source)) return refuse_source(path, err);
    return atomic_check(path, options->force, err);
}

/* All that can be refused is refused before a file is made. */
bool export_write(const Plan *plan, const char *path, const ExportOptions *options,
                  ExportResult *result, Error *err)
{
    static const ExportOptions defaults;
    ExportResult none;
    if (!options) options = &defaults;
    if (!result) result = &none;
    const Writer *writer = writer_choose(path, options, err);
    *result = (ExportResult){.tensors = plan->count};
    if (!writer) return false;
    result->format = writer->format;
    if (!check_whole(writer, path, plan->whole != NULL, err)) return false;
    if (!protect_source(plan, path, err)) return false;
    if (!writer->check(plan, options, err)) return error_prefix(err, "%s", path);
    return write_to(writer, plan, path, options, result, err);
}
