#include "loader/core/write_all.h"

#include <errno.h>
#include <unistd.h>

/* Whether to go on after a call that moved `moved` bytes of *done; a call that moves nothing would
 * move nothing forever. */
static bool go_on(ssize_t moved, size_t *done, int at_end)
{
    if (moved > 0) *done += (size_t)moved;
    if (moved == 0) errno = at_end;
    return moved > 0 || (moved < 0 && errno == EINTR);
}

bool write_all(int fd, const void *bytes, size_t n)
{
    for (size_t done = 0; done < n;)
        if (!go_on(write(fd, (const char *)bytes + done, n - done), &done, EIO)) return false;
    return true;
}

bool pwrite_all(int fd, const void *bytes, size_t n, off_t at)
{
    for (size_t done = 0; done < n;)
        if (!go_on(pwrite(fd, (const char *)bytes + done, n - done, at + (off_t)done), &done, EIO))
            return false;
    return true;
}

bool read_all(int fd, void *out, size_t n)
{
    for (size_t done = 0; done < n;)
        if (!go_on(read(fd, (char *)out + done, n - done), &done, 0)) return false;
    return true;
}

bool pread_all(int fd, void *out, size_t n, off_t at)
{
    for (size_t done = 0; done < n;)
        if (!go_on(pread(fd, (char *)out + done, n - done, at + (off_t)done), &done, 0))
            return false;
    return true;
}
