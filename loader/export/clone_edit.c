/* Made whole beside the file, and then renamed. */
#include "loader/export/clone_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/memory.h"
#include "loader/export/kernel_copy.h"

enum { BLOCK = 4096 };

static char *clone_path(const EditFile *file)
{
    const char *base = path_base(file->path);
    Text text = {0};
    text_addf(&text, "%.*s.%s.tenon-clone", (int)(base - file->path), file->path, base);
    return text.bytes;
}

/* The new beginning, the bytes up to the next block of the old file, and then its blocks. */
static bool fill(const EditFile *file, const Text *begin, uint64_t from, EditFile *fresh)
{
    unsigned char between[BLOCK];
    const size_t n = (size_t)((BLOCK - from % BLOCK) % BLOCK);
    const uint64_t blocks = from + n;
    if (blocks >= file->size || begin->length % BLOCK != from % BLOCK) {
        errno = EOPNOTSUPP;
        return false;
    }
    return edit_read(file, from, between, n, NULL) &&
           edit_write(fresh, 0, begin->bytes, begin->length, NULL) &&
           (n == 0 || edit_write(fresh, begin->length, between, n, NULL)) &&
           kernel_clone(file->fd, blocks, fresh->fd, begin->length + n, file->size - blocks) &&
           fsync(fresh->fd) == 0;
}

/* Owner and mode are the file's, as far as may be; nobody else may read it before. */
static bool adopt_rights(const EditFile *file, EditFile *fresh)
{
    struct stat old, now;
    if (fstat(file->fd, &old) != 0 || fstat(fresh->fd, &now) != 0) return false;
    if (fchown(fresh->fd, old.st_uid, old.st_gid) != 0 &&
        (old.st_uid != now.st_uid || old.st_gid != now.st_gid))
        return false;
    fresh->device = now.st_dev;
    fresh->node = now.st_ino;
    return fchmod(fresh->fd, old.st_mode & 07777) == 0;
}

bool clone_make(const EditFile *file, const Text *begin, uint64_t from, EditFile *fresh)
{
    char *path = clone_path(file);
    unlink(path);
    *fresh = (EditFile){.path = mem_strdup(file->path)};
    fresh->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const bool good = fresh->fd >= 0 && flock(fresh->fd, LOCK_EX | LOCK_NB) == 0 &&
                      adopt_rights(file, fresh) && fill(file, begin, from, fresh);
    const int number = errno;
    free(path);
    if (good) fresh->size = begin->length + file->size - from;
    else clone_discard(fresh);
    errno = number;
    return good;
}

void clone_clear(const EditFile *file)
{
    char *path = clone_path(file);
    unlink(path);
    free(path);
}

void clone_discard(EditFile *fresh)
{
    if (fresh->fd >= 0) clone_clear(fresh);
    edit_close(fresh);
}

bool clone_place(EditFile *file, EditFile *fresh, Error *err)
{
    char *path = clone_path(file), *folder = path_folder(file->path);
    const bool good = rename(path, file->path) == 0;
    if (!good) {
        error_errno(err, "%s: cannot be renamed into place", path);
        clone_discard(fresh);
    } else {
        const int above = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (above >= 0) {
            (void)fsync(above);
            close(above);
        }
        edit_close(file);
        *file = *fresh;
        *fresh = (EditFile){.fd = -1};
    }
    free(folder);
    free(path);
    return good;
}
