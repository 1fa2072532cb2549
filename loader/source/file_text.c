#include "loader/source/file_text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/text.h"
#include "loader/source/source.h"

enum { PIECE = 1 << 16 };

char *file_text(const char *path, size_t limit, size_t *n, Error *err)
{
    ByteSource *file = source_open_file(path, err);
    char *text = file ? source_slurp(file, limit, n, err) : NULL;
    source_unref(file);
    return text;
}

/* Its size is known only at its end: the limit is asked at every piece. A signal ends it, since
 * what is caught asks the program to stop, and nobody knows when a pipe goes on. */
char *file_text_of(int fd, const char *name, size_t limit, size_t *n, Error *err)
{
    Text text = {0};
    char piece[PIECE];
    ssize_t got = 1;
    while (got != 0 && text.length <= limit) {
        got = read(fd, piece, sizeof piece);
        if (got > 0) text_addn(&text, piece, (size_t)got);
        if (got >= 0) continue;
        error_errno(err, "%s", name);
        text_done(&text);
        return NULL;
    }
    if (text.length > limit) {
        error_set(err, ERR_LIMIT, "%s: its bytes are more than the limit of %zu", name, limit);
        text_done(&text);
        return NULL;
    }
    *n = text.length;
    return text.bytes ? text.bytes : mem_strdup("");
}

char *file_text_given(const char *path, size_t limit, size_t *n, Error *err)
{
    struct stat info;
    if (stat(path, &info) != 0 || !(S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode)))
        return file_text(path, limit, n, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        error_errno(err, "%s", path);
        return NULL;
    }
    char *text = file_text_of(fd, path, limit, n, err);
    close(fd);
    return text;
}
