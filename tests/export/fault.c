/* Preloaded into tenon: the FAULT_AT-th call that changes a file fails with FAULT_ERRNO, or, without
 * that, the process is killed there: before the call, or with FAULT_HALF in the middle of it. Calls
 * are counted in FAULT_COUNT, a file that receives their number at every call. With FAULT_READS it is
 * the calls that read a file at some place instead. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static void note(long call)
{
    const char *path = getenv("FAULT_COUNT");
    char text[32];
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    if (fd < 0) return;
    int n = snprintf(text, sizeof text, "%ld\n", call);
    ssize_t (*put)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    put(fd, text, (size_t)n);
    close(fd);
}

/* Whether this call is the one: 0 no, 1 it fails (errno is set), 2 it is killed in the middle. */
static int strikes(int reading)
{
    const char *at = getenv("FAULT_AT"), *number = getenv("FAULT_ERRNO");
    if (reading != (getenv("FAULT_READS") != NULL)) return 0;
    long call = atomic_fetch_add(&calls, 1) + 1;
    note(call);
    if (!at || call != atol(at)) return 0;
    if (number) {
        errno = atoi(number);
        return 1;
    }
    if (getenv("FAULT_HALF")) return 2;
    die();
    return 0;
}

static int is_file(int fd)
{
    struct stat info;
    return fd > 2 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

#define NEXT(name) __typeof__(&name) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* What lies within one sector of 512 bytes is written whole or not at all, as disks do. */
static size_t half_of(size_t n, off_t at)
{
    off_t half = at + (off_t)(n / 2);
    return at / 512 == (at + (off_t)n - 1) / 512 ? 0 : (size_t)(half - half % 512 > at ? half - half % 512 - at : 0);
}

ssize_t pread(int fd, void *bytes, size_t n, off_t at)
{
    NEXT(pread);
    return is_file(fd) && strikes(1) ? -1 : next(fd, bytes, n, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    NEXT(pwrite);
    int fault = is_file(fd) ? strikes(0) : 0;
    if (fault == 1) return -1;
    if (fault == 2) {
        if (half_of(n, at)) next(fd, bytes, half_of(n, at), at);
        die();
    }
    return next(fd, bytes, n, at);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    NEXT(write);
    int fault = is_file(fd) ? strikes(0) : 0;
    if (fault == 1) return -1;
    if (fault == 2) {
        next(fd, bytes, n / 2);
        die();
    }
    return next(fd, bytes, n);
}

ssize_t copy_file_range(int from, off_t *in, int to, off_t *out, size_t n, unsigned flags)
{
    NEXT(copy_file_range);
    int fault = strikes(0);
    if (fault == 1) return -1;
    if (fault == 2) {
        next(from, in, to, out, n / 2, flags);
        die();
    }
    return next(from, in, to, out, n, flags);
}

#define WHOLE(type, name, parameters, arguments)                 \
    type name parameters                                         \
    {                                                            \
        NEXT(name);                                              \
        int fault = strikes(0);                                   \
        if (fault == 1) return -1;                               \
        if (fault == 2) die();                                   \
        return next arguments;                                   \
    }

WHOLE(int, fsync, (int fd), (fd))
WHOLE(int, fdatasync, (int fd), (fd))
WHOLE(int, ftruncate, (int fd, off_t n), (fd, n))
WHOLE(int, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n))
WHOLE(int, rename, (const char *from, const char *to), (from, to))
WHOLE(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags),
      (a, from, b, to, flags))
WHOLE(int, unlink, (const char *path), (path))
