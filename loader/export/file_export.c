/* The source is never written over, and what is written is there whole or not at all. */
#include "loader/export/file_export.h"

#include <stdlib.h>
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
    int seen = -1;
    if (stat(path, &info) != 0) return true;
    bool same = checkpoint && is_same_file(path, checkpoint_path(checkpoint));
    for (size_t i = 0; !same && dict && i < dict_count(dict); i++) {
        const Storage *storage = dict_at(dict, i)->storage;
        int fd;
        uint64_t where;
        if (!storage || !storage->source || storage->source == last) continue;
        last = storage->source;
        if (!source_locate(storage->source, storage->offset, storage->bytes, &fd, &where) ||
            fd == seen)
            continue;
        seen = fd;
        same = is_file(&info, fd);
    }
    return same ? refuse_source(path, err) : true;
}

/* When a file of the source was last written to. */
typedef struct Stamp {
    int fd;                      /* borrowed from the source */
    const char *name;            /* for errors; borrowed */
    off_t size;
    struct timespec time;
} Stamp;

typedef struct Stamps {
    Stamp *items;                /* owned */
    size_t count, room;
} Stamps;

/* Files are few, and the tensors of one follow each other: the last few are looked at. */
static bool is_stamped(const Stamps *stamps, int fd)
{
    enum { LOOK_BACK = 8 };
    for (size_t i = stamps->count; i-- > 0 && i + LOOK_BACK >= stamps->count;)
        if (stamps->items[i].fd == fd) return true;
    return false;
}

static void stamp_files(const StateDict *dict, Stamps *stamps)
{
    for (size_t i = 0; dict && i < dict_count(dict); i++) {
        const Storage *storage = dict_at(dict, i)->storage;
        struct stat info;
        int fd;
        uint64_t where;
        if (!storage || !storage->source ||
            !source_locate(storage->source, storage->offset, storage->bytes, &fd, &where) ||
            is_stamped(stamps, fd) || fstat(fd, &info) != 0)
            continue;
        stamps->items = mem_grow(stamps->items, &stamps->room, stamps->count + 1,
                                 sizeof *stamps->items);
        stamps->items[stamps->count++] = (Stamp){fd, storage->source->name, info.st_size,
                                                 info.st_mtim};
    }
}

/* Values of two moments are no checkpoint. */
static bool check_stamps(const Stamps *stamps, Error *err)
{
    for (size_t i = 0; i < stamps->count; i++) {
        const Stamp *stamp = &stamps->items[i];
        struct stat info;
        if (fstat(stamp->fd, &info) == 0 && info.st_size == stamp->size &&
            info.st_mtim.tv_sec == stamp->time.tv_sec &&
            info.st_mtim.tv_nsec == stamp->time.tv_nsec)
            continue;
        return error_set(err, ERR_IO, "%s: was written to by somebody else while it was read; "
                         "nothing was written, run it again", stamp->name);
    }
    return true;
}

static bool write_checked(const Writer *writer, const Plan *plan, Stream *stream, const char *path,
                          const ExportOptions *options, ExportResult *result, Error *err)
{
    Stamps stamps = {0};
    stamp_files(plan->source_dict, &stamps);
    stamp_files(plan->target_dict, &stamps);
    bool good = writer->write(plan, stream, path, options, result, err) &&
                check_stamps(&stamps, err);
    free(stamps.items);
    return good;
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
    bool good = write_checked(writer, plan, &stream, path, options, result, err);
    stream_done(&stream);
    result->bytes += atomic_position(file);
    if (!good) {
        atomic_discard(file);
        return false;
    }
    return atomic_commit(file, result->sha256, err);
}
