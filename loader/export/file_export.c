/* The source is never written over, and what is written is there whole or not at all. */
#include "loader/export/file_export.h"

#include <sys/stat.h>

#include "loader/export/plan_want.h"

/* Names prove nothing about files, device and inode do. */
static bool is_file(const struct stat *info, int fd)
{
    struct stat other;
    return fstat(fd, &other) == 0 && other.st_dev == info->st_dev && other.st_ino == info->st_ino;
}

bool is_same_file(const char *one, const char *other)
{
    struct stat a, b;
    return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

bool refuse_source(const char *path, Error *err)
{
    return error_set(err, ERR_EXISTS, "%s: is the source itself, which is never written over; "
                     "choose another name", path);
}

/* The source is never written over, under whatever name it goes (a link, another spelling):
 * files are compared, the checkpoint's own and those that its tensors lie in (shards). Values
 * are still to be read from it while the output is written; with --force a target may be
 * replaced, since its open file stays readable after the rename. */
bool protect_source(const Plan *plan, const char *path, Error *err)
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

bool file_export(const Writer *writer, const Plan *plan, const char *path,
                 const ExportOptions *options, ExportResult *result, Error *err)
{
    AtomicFile *file = options->resume
                           ? atomic_open_part(path, options->force, options->identity, err)
                           : atomic_open(path, options->force, err);
    Stream stream;
    if (!file) return false;
    if (options->sha256) atomic_hash(file);
    plan_want(plan);
    stream_init(&stream, file, plan, options);
    bool good = writer->write(plan, &stream, path, options, result, err);
    stream_done(&stream);
    result->bytes += atomic_position(file);
    if (!good) {
        atomic_discard(file);
        return false;
    }
    return atomic_commit(file, result->sha256, err);
}
