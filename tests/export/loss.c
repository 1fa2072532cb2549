/* Preloaded into tenon: the power fails before the FAULT_AT-th call that changes a file, or at the end
 * of the program when it makes fewer. What was not synced by then is lost: with LOSS=0 all of it, else
 * some of it, drawn by that number, as disks and file systems reorder what nobody has synced. A file's
 * bytes and size are kept by its own sync, and its name, that it is there, or that it is gone by its
 * folder's. An inserted or collapsed range is a transaction of the file system, which is kept. Calls
 * are counted in FAULT_COUNT, as by fault.c. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How something that is not synced is taken back. */
typedef struct Entry {
    enum { BYTES, CREATED, RENAMED, REMOVED } kind;
    char path[600], from[600];   /* what was changed or is gone; what a RENAMED was called before */
    char saved[620];             /* a link to what stood at `path`; "" = nothing did */
    dev_t device;                /* of the file for BYTES, of the folder for the others */
    ino_t node;
    off_t at, size;              /* BYTES: where, and how long the file was */
    size_t n;                    /* BYTES: how many there were */
    char *bytes;
} Entry;

static Entry entries[4000];
static int count;
static long calls;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

#define NEXT(name) __typeof__(&name) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int really_open(const char *path, int flags, mode_t mode)
{
    int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    return next(path, flags, mode);
}

/* ---- what is lost ---- */

static int is_lost(int index)
{
    const char *seed = getenv("LOSS");
    uint64_t mixed = ((uint64_t)atoi(seed ? seed : "0") * 1000003u + (uint64_t)index) * 0x9E3779B97F4A7C15u;
    return !seed || atoi(seed) == 0 || mixed >> 63;
}

static void take_back(const Entry *entry)
{
    ssize_t (*put)(int, const void *, size_t, off_t) =
        (ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    int (*cut)(int, off_t) = (int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate");
    int (*move)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    int (*drop)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    if (entry->kind == BYTES) {
        int fd = really_open(entry->path, O_WRONLY, 0);
        if (fd < 0) return;
        if (entry->n) put(fd, entry->bytes, entry->n, entry->at);
        cut(fd, entry->size);
        close(fd);
    } else if (entry->kind == CREATED) {
        drop(entry->path);
    } else {
        if (entry->kind == RENAMED) move(entry->path, entry->from);
        if (entry->saved[0]) move(entry->saved, entry->path);
    }
}

/* Newest first. What is kept under its new name is there in older entries, too. */
static void lose(void)
{
    for (int i = count; i-- > 0;) {
        if (is_lost(i)) {
            take_back(&entries[i]);
            continue;
        }
        for (int k = 0; entries[i].kind == RENAMED && k < i; k++)
            if (strcmp(entries[k].path, entries[i].from) == 0) strcpy(entries[k].path, entries[i].path);
    }
    int (*drop)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    for (int i = 0; i < count; i++)
        if (entries[i].saved[0]) drop(entries[i].saved);
}

static void die(void)
{
    lose();
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

__attribute__((destructor)) static void at_end(void)
{
    if (getenv("LOSS")) lose();
}

static void strike(void)
{
    const char *at = getenv("FAULT_AT"), *path = getenv("FAULT_COUNT");
    char text[32];
    calls++;
    int fd = path ? really_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    if (fd >= 0) {
        ssize_t (*put)(int, const void *, size_t) = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
        put(fd, text, (size_t)snprintf(text, sizeof text, "%ld\n", calls));
        close(fd);
    }
    if (at && calls == atol(at)) die();
}

/* ---- what is noted ---- */

static Entry *add(int kind, const char *path)
{
    if (count == (int)(sizeof entries / sizeof *entries)) abort();
    Entry *entry = &entries[count++];
    *entry = (Entry){.kind = kind};
    snprintf(entry->path, sizeof entry->path, "%s", path);
    return entry;
}

/* Notes the folder of a name, and keeps what stands there. */
static void keep_name(Entry *entry)
{
    char folder[600];
    struct stat info;
    snprintf(folder, sizeof folder, "%s", entry->path);
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = '\0';
    if (stat(slash ? folder : ".", &info) == 0) entry->device = info.st_dev, entry->node = info.st_ino;
    if (entry->kind == CREATED) return;
    snprintf(entry->saved, sizeof entry->saved, "%s.lost-%d", entry->path, count);
    if (link(entry->path, entry->saved) != 0) entry->saved[0] = '\0';
}

static int is_file(int fd, struct stat *info)
{
    return fd > 2 && fstat(fd, info) == 0 && S_ISREG(info->st_mode) && info->st_nlink > 0;
}

/* Before n bytes at `at` change, or those from there on go. */
static void keep_bytes(int fd, off_t at, size_t n)
{
    char name[64], path[600];
    struct stat info;
    if (!is_file(fd, &info)) return;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = '\0';
    Entry *entry = add(BYTES, path);
    entry->device = info.st_dev;
    entry->node = info.st_ino;
    entry->size = info.st_size;
    entry->at = at;
    entry->n = at >= info.st_size ? 0 : (off_t)n < info.st_size - at ? n : (size_t)(info.st_size - at);
    entry->bytes = malloc(entry->n + 1);
    if (entry->n) (void)!pread(fd, entry->bytes, entry->n, at);
}

/* What is on the disk now. */
static void forget(int fd)
{
    struct stat info;
    int kept = 0;
    if (fstat(fd, &info) != 0) return;
    for (int i = 0; i < count; i++) {
        Entry *entry = &entries[i];
        int bytes = entry->kind == BYTES, synced = S_ISDIR(info.st_mode) ? !bytes : bytes;
        if (synced && entry->device == info.st_dev && entry->node == info.st_ino) {
            int (*drop)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
            if (entry->saved[0]) drop(entry->saved);
            free(entry->bytes);
            continue;
        }
        entries[kept++] = *entry;
    }
    count = kept;
}

/* ---- the calls ---- */

int open(const char *path, int flags, ...)
{
    va_list more;
    struct stat info;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    pthread_mutex_lock(&lock);
    int fresh = flags & O_CREAT && lstat(path, &info) != 0;
    if (fresh) strike();
    int fd = really_open(path, flags, mode);
    if (fresh && fd >= 0) keep_name(add(CREATED, path));
    pthread_mutex_unlock(&lock);
    return fd;
}

/* A call that changes a file's bytes. */
#define CHANGES(type, name, parameters, arguments, at, n)        \
    type name parameters                                         \
    {                                                            \
        NEXT(name);                                              \
        struct stat info;                                        \
        pthread_mutex_lock(&lock);                               \
        if (is_file(fd, &info)) strike();                        \
        keep_bytes(fd, at, n);                                   \
        type result = next arguments;                            \
        pthread_mutex_unlock(&lock);                             \
        return result;                                           \
    }

CHANGES(ssize_t, pwrite, (int fd, const void *bytes, size_t n, off_t at), (fd, bytes, n, at), at, n)
CHANGES(ssize_t, write, (int fd, const void *bytes, size_t n), (fd, bytes, n), lseek(fd, 0, SEEK_CUR), n)
CHANGES(int, ftruncate, (int fd, off_t size), (fd, size), size, SIZE_MAX / 4)
CHANGES(ssize_t, copy_file_range, (int from, off_t *in, int fd, off_t *out, size_t n, unsigned flags),
        (from, in, fd, out, n, flags), out ? *out : lseek(fd, 0, SEEK_CUR), n)

int fallocate(int fd, int mode, off_t at, off_t n)
{
    NEXT(fallocate);
    pthread_mutex_lock(&lock);
    strike();
    if (mode & (FALLOC_FL_INSERT_RANGE | FALLOC_FL_COLLAPSE_RANGE)) forget(fd);
    else keep_bytes(fd, at, 0);
    int result = next(fd, mode, at, n);
    pthread_mutex_unlock(&lock);
    return result;
}

static int sync_with(int (*next)(int), int fd)
{
    pthread_mutex_lock(&lock);
    strike();
    int result = next(fd);
    if (result == 0) forget(fd);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd)
{
    NEXT(fsync);
    return sync_with(next, fd);
}

int fdatasync(int fd)
{
    NEXT(fdatasync);
    return sync_with(next, fd);
}

int rename(const char *from, const char *to)
{
    NEXT(rename);
    pthread_mutex_lock(&lock);
    strike();
    Entry *entry = add(RENAMED, to);
    snprintf(entry->from, sizeof entry->from, "%s", from);
    keep_name(entry);
    int result = next(from, to);
    if (result != 0) count--;
    pthread_mutex_unlock(&lock);
    return result;
}

/* Only without replacing is it called; else rename is. */
int renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
    NEXT(renameat2);
    pthread_mutex_lock(&lock);
    strike();
    int result = next(a, from, b, to, flags);
    if (result == 0) {
        Entry *entry = add(RENAMED, to);
        snprintf(entry->from, sizeof entry->from, "%s", from);
        keep_name(entry);
        unlink(entry->saved);
        entry->saved[0] = '\0';
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path)
{
    NEXT(unlink);
    struct stat info;
    pthread_mutex_lock(&lock);
    if (lstat(path, &info) == 0 && !strstr(path, ".lost-")) {
        strike();
        keep_name(add(REMOVED, path));
    }
    int result = next(path);
    pthread_mutex_unlock(&lock);
    return result;
}
