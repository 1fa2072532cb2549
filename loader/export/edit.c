/* Locked, written, synced. */
#include "loader/export/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/memory.h"
#include "loader/core/write_all.h"

/* Whether it is what can be changed, and nobody else is at it. */
static bool take(EditFile *file, Error *err)
{
    struct stat info;
    if (fstat(file->fd, &info) != 0) return error_errno(err, "%s", file->path);
    if (!S_ISREG(info.st_mode))
        return error_set(err, ERR_USAGE, "%s: is no regular file, which alone can be changed in "
                         "place", file->path);
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return error_set(err, ERR_EXISTS, "%s: another tenon is changing it", file->path);
    file->size = (uint64_t)info.st_size;
    file->device = info.st_dev;
    file->node = info.st_ino;
    return true;
}

bool edit_open(EditFile *file, const char *path, Error *err)
{
    *file = (EditFile){.path = realpath(path, NULL), .fd = -1};
    if (!file->path) return error_errno(err, "%s", path);
    file->fd = open(file->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (file->fd >= 0 && take(file, err)) return true;
    if (file->fd < 0) error_errno(err, "%s: cannot be changed", path);
    edit_close(file);
    return false;
}

void edit_close(EditFile *file)
{
    if (file->fd >= 0) close(file->fd);
    free(file->path);
    *file = (EditFile){.fd = -1};
}

bool edit_read(const EditFile *file, uint64_t at, void *out, size_t n, Error *err)
{
    if (pread_all(file->fd, out, n, (off_t)at)) return true;
    if (errno) return error_errno(err, "%s: cannot read", file->path);
    return error_set(err, ERR_IO, "%s: became shorter while it was being changed", file->path);
}

bool edit_write(EditFile *file, uint64_t at, const void *bytes, size_t n, Error *err)
{
    if (!pwrite_all(file->fd, bytes, n, (off_t)at))
        return error_errno(err, "%s: cannot write", file->path);
    if (at + n > file->size) file->size = at + n;
    return fsync(file->fd) == 0 || error_errno(err, "%s: cannot sync", file->path);
}

bool edit_cut(EditFile *file, uint64_t size, Error *err)
{
    if (ftruncate(file->fd, (off_t)size) != 0 || fsync(file->fd) != 0)
        return error_errno(err, "%s: cannot be cut to its %" PRIu64 " bytes", file->path, size);
    file->size = size;
    return true;
}
