/* The life of a temporary file: named, filled, synced, renamed; or removed.
 *
 * What a reader of the folder can ever see under the final name is the old file or the whole
 * new one: bytes go into a sibling that was created exclusively, and its name changes only
 * after they are on the disk. What is seen after a crash of the machine is the same. */
#include "loader/export/atomic.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "loader/core/crc.h"
#include "loader/core/memory.h"
#include "loader/core/random_name.h"
#include "loader/core/rename_new.h"
#include "loader/core/text.h"
#include "loader/export/kernel_copy.h"
#include "loader/export/part_log.h"

enum {
    BUFFER = 256 << 10,          /* small enough to stay in the cache between read, CRC and write */
    /* Bytes of one write, which ends at a multiple of it. The page cache takes a write in pages as
       large, and larger ones than this (Linux: PAGE_ALLOC_COSTLY_ORDER) it may first have to make
       room for: 1.5 GB of writes of 128 KiB took 0.3 s of a processor or 3 s, at a time when these
       took 0.45 s always. */
    WRITE = 32 << 10,
    WRITE_BACK = 8 << 20,        /* start writing to the disk after so many bytes … */
    WRITE_BACK_MIN = 1 << 20,    /* … and at once what is written somewhere in such pieces */
    LINKS_MAX = 40,              /* symbolic links that are followed, as the kernel's limit */
    NAME_KEPT = 200,             /* bytes of the name in the temporary's: NAME_MAX is 255 */
    TEMPORARIES = 16
};

struct AtomicFile {
    char *shown;             /* the path as the user gave it, for errors */
    char *path;              /* what is replaced: `shown` with symbolic links followed */
    char *temporary;
    int fd;
    int slot;                /* in temporaries[]; -1 = none */
    bool force;
    bool reserved;           /* blocks beyond the end are to be given back */
    uint64_t position;       /* bytes appended so far, gathered ones included */
    uint64_t started;        /* write-back has begun up to here */
    uint64_t total;          /* the announced size; 0 = unknown */
    unsigned char *buffer;   /* [BUFFER] */
    size_t gathered;         /* bytes in it that are not in the file yet */
    uint64_t kept;           /* bytes that were there of a part that is gone on with */
    PartLog *log;            /* of a part that survives; owned; NULL: the file goes on any error */
    char *log_path;          /* owned; valid with `log` */
    bool hashed;             /* a SHA-256 is wanted */
};

/* The one mutable global of this floor: a signal handler can be told nothing else about what
 * it has to remove. Slots are claimed and given back by compare and swap. */
static _Atomic(const char *) temporaries[TEMPORARIES];

/* The slot that now holds `path`; -1 when all are taken, and a signal will leave the file. */
static int register_temporary(const char *path)
{
    for (int i = 0; i < TEMPORARIES; i++) {
        const char *empty = NULL;
        if (atomic_compare_exchange_strong(&temporaries[i], &empty, path)) return i;
    }
    return -1;
}

/* Before the path is freed: a handler may look at it until then. */
static void forget_temporary(AtomicFile *file)
{
    if (file->slot >= 0) atomic_store(&temporaries[file->slot], NULL);
    file->slot = -1;
}

void atomic_discard_all(void)
{
    for (int i = 0; i < TEMPORARIES; i++) {
        const char *path = atomic_load(&temporaries[i]);
        if (path) unlink(path);
    }
}

/* "dir/" of "dir/name", "" when there is none. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    char *folder = mem_alloc(n + 1);
    memcpy(folder, path, n);
    return folder;
}

/* Follows links of the last component, also when they point at nothing yet. */
static char *follow_links(const char *path, Error *err)
{
    char *now = mem_strdup(path);
    for (int links = 0; links < LINKS_MAX; links++) {
        char target[PATH_MAX];
        ssize_t n = readlink(now, target, sizeof target - 1);
        if (n < 0) return now;   /* no link, or not there: errors come up when it is created */
        target[n] = '\0';
        Text joined = {0};
        char *folder = folder_of(now);
        if (target[0] != '/') text_add(&joined, folder);
        text_add(&joined, target);
        free(folder);
        free(now);
        now = joined.bytes;
    }
    free(now);
    error_set(err, ERR_IO, "%s: more than %d symbolic links one after the other", path, LINKS_MAX);
    return NULL;
}

/* Sets the error for errno. */
static bool blame_folder(const char *shown, const char *folder, Error *err)
{
    int number = errno;
    if (number == ENOENT && folder[0] && access(folder, F_OK) != 0)
        return error_set(err, ERR_IO, "%s: the folder %s does not exist; create it first", shown,
                         folder);
    errno = number;
    return error_errno(err, "%s: cannot create a file in %s", shown,
                       folder[0] ? folder : "the current folder");
}

/* Sets the error, and forgets a name that was never ours: it must not be removed. */
static void fail_creating(AtomicFile *file, const char *folder, Error *err)
{
    int number = errno;
    forget_temporary(file);
    free(file->temporary);
    file->temporary = NULL;
    errno = number;
    blame_folder(file->shown, folder, err);
}

/* Creates the sibling, exclusively, under a name that nobody can have foreseen. It is in the
 * same folder, so that the rename cannot become a copy to another file system. */
static bool create_temporary(AtomicFile *file, Error *err)
{
    const char *slash = strrchr(file->path, '/'), *name = slash ? slash + 1 : file->path;
    char *folder = folder_of(file->path);
    Text path = {0};
    for (int tries = 0; tries < RANDOM_NAME_TRIES; tries++) {
        text_clear(&path);
        text_addf(&path, "%s.%.*s", folder, NAME_KEPT, name);
        if (!random_name_add(&path)) break;
        free(file->temporary);
        file->temporary = mem_strdup(path.bytes);
        /* Registered first: a signal that comes in between must not leave the file behind. */
        file->slot = register_temporary(file->temporary);
        file->fd = open(file->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->fd >= 0 || errno != EEXIST) break;
        forget_temporary(file);
    }
    if (file->fd < 0) fail_creating(file, folder, err);
    text_done(&path);
    free(folder);
    return file->fd >= 0;
}

/* Looks at what stands under the final name. *mode receives the mode to keep, or 0. */
static bool check_existing(const char *path, const char *shown, bool force, mode_t *mode,
                           Error *err)
{
    struct stat info;
    *mode = 0;
    if (strcmp(path, "-") == 0)
        return error_set(err, ERR_USAGE, "-: standard output takes no output, which is there whole "
                         "or not at all; name a file (./- is one)");
    if (stat(path, &info) != 0) return true;
    if (S_ISDIR(info.st_mode))
        return error_set(err, ERR_EXISTS, "%s: is a folder; name a file in it", shown);
    if (!S_ISREG(info.st_mode))
        return error_set(err, ERR_EXISTS, "%s: is a device or a pipe; only regular files can be "
                         "written", shown);
    if (!force)
        return error_set(err, ERR_EXISTS, "%s: is there already; --force replaces it", shown);
    *mode = info.st_mode & 07777;
    return true;
}

/* A new name is made in the folder, also where a file is replaced: its own mode does not matter. */
bool atomic_check(const char *path, bool force, Error *err)
{
    mode_t mode;
    char *real = follow_links(path, err);
    if (!real) return false;
    char *folder = folder_of(real);
    bool good = check_existing(real, path, force, &mode, err);
    if (good && faccessat(AT_FDCWD, folder[0] ? folder : ".", W_OK | X_OK, AT_EACCESS) != 0)
        good = blame_folder(path, folder, err);
    free(folder);
    free(real);
    return good;
}

/* What is to be written to `path`, which may be; nothing is opened yet. *mode as check_existing
 * gives it. */
static AtomicFile *begin_file(const char *path, bool force, mode_t *mode, Error *err)
{
    AtomicFile *file = mem_alloc(sizeof *file);
    file->shown = mem_strdup(path);
    file->fd = file->slot = -1;
    file->force = force;
    file->buffer = mem_alloc(BUFFER);
    file->path = follow_links(path, err);
    if (file->path && check_existing(file->path, path, force, mode, err)) return file;
    atomic_discard(file);
    return NULL;
}

AtomicFile *atomic_open(const char *path, bool force, Error *err)
{
    mode_t mode;
    AtomicFile *file = begin_file(path, force, &mode, err);
    if (!file) return NULL;
    if (!create_temporary(file, err)) {
        atomic_discard(file);
        return NULL;
    }
    if (mode) (void)fchmod(file->fd, mode);   /* best effort: the file may be another user's */
    return file;
}

/* "dir/.NAME.SUFFIX"; free() it. */
static char *sibling_of(const char *path, const char *suffix)
{
    const char *name = path_base(path);
    Text text = {0};
    text_addf(&text, "%.*s.%.*s.%s", (int)(name - path), path, NAME_KEPT, name, suffix);
    return text.bytes;
}

/* Whether `fd` still is what stands under that name, and a file of ours alone. */
static bool is_own_part(int fd, const char *path)
{
    struct stat held, there;
    return fstat(fd, &held) == 0 && lstat(path, &there) == 0 && S_ISREG(held.st_mode) &&
           held.st_dev == there.st_dev && held.st_ino == there.st_ino && held.st_nlink == 1 &&
           held.st_uid == geteuid();
}

/* Whoever has the part has its lock; file systems without locks have to do without. */
static bool open_part(AtomicFile *file, Error *err)
{
    file->temporary = sibling_of(file->path, "tenon-part");
    file->fd = open(file->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    char *folder = folder_of(file->path);
    bool good = file->fd >= 0 || blame_folder(file->shown, folder, err);
    free(folder);
    if (good && flock(file->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        good = error_set(err, ERR_EXISTS, "%s: another tenon is writing it (%s)", file->shown,
                         file->temporary);
    if (good && !is_own_part(file->fd, file->temporary))
        good = error_set(err, ERR_IO, "%s: is no file of one's own, as parts are; remove it",
                         file->temporary);
    return good;
}

AtomicFile *atomic_open_part(const char *path, bool force, const char *identity, Error *err)
{
    mode_t mode;
    bool begun;
    AtomicFile *file = begin_file(path, force, &mode, err);
    if (!file) return NULL;
    struct stat part;
    bool good = open_part(file, err) && (fstat(file->fd, &part) == 0 ||
                                         error_errno(err, "%s: cannot be looked at", path));
    if (good) {
        file->kept = (uint64_t)part.st_size;
        file->log_path = sibling_of(file->path, "tenon-log");
        file->log = part_log_open(file->log_path, identity, (uint64_t)part.st_ino, &begun, err);
        good = file->log && (begun || ftruncate(file->fd, 0) == 0 ||
                             error_errno(err, "%s: cannot write", path));
    }
    if (good) {
        if (mode) (void)fchmod(file->fd, mode);
        return file;
    }
    free(file->temporary);           /* it may be another's: it stays */
    file->temporary = NULL;
    atomic_discard(file);
    return NULL;
}

/* A log is of no use without its part: somebody may have removed or cut that alone. */
bool atomic_is_done(const AtomicFile *file, size_t number, uint64_t end, uint32_t *crc)
{
    return file->log && end <= file->kept && part_log_find(file->log, number, crc);
}

bool atomic_note_done(AtomicFile *file, size_t number, uint32_t crc, uint64_t bytes, Error *err)
{
    return !file->log || !part_log_add(file->log, number, crc, bytes) ||
           part_log_sync(file->log, file->fd, err);
}

/* What the file system can still take, in bytes, with what the file has taken already. */
static bool measure_room(const AtomicFile *file, uint64_t *room)
{
    struct statvfs disk;
    struct stat info;
    if (fstatvfs(file->fd, &disk) != 0 || fstat(file->fd, &info) != 0) return false;
    *room = (uint64_t)disk.f_bavail * disk.f_frsize + (uint64_t)info.st_blocks * 512;
    return true;
}

/* Sets the error for too little room; `what` says in which way. */
static bool fail_full(const AtomicFile *file, const char *what, uint64_t room, Error *err)
{
    char need[32], left[32];
    show_bytes(file->total > file->position ? file->total : file->position, need);
    show_bytes(room, left);
    return error_set(err, ERR_IO, "%s: %s: %s are needed, %s are free; make room or write "
                     "elsewhere", file->shown, what, need, left);
}

/* Sets the error for a failed write, allocation or sync. */
static bool fail_writing(const AtomicFile *file, Error *err)
{
    int number = errno;
    uint64_t room;
    if (number == ENOSPC && measure_room(file, &room))
        return fail_full(file, "the disk is full", room, err);
    if (number == EDQUOT && measure_room(file, &room))
        return fail_full(file, "the disk quota is used up", room, err);
    errno = number;
    return error_errno(err, "%s: cannot write", file->shown);
}

bool atomic_reserve(AtomicFile *file, uint64_t total, Error *err)
{
    uint64_t room;
    file->total = total;
    if (total == 0) return true;
    /* Asked first: a file system may take all there is before it sees that it is too little. */
    if (measure_room(file, &room) && total > room)
        return fail_full(file, "there is no room for it on the disk", room, err);
#ifdef __linux__
    if (total > INT64_MAX) return true;
    if (fallocate(file->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)total) == 0)
        file->reserved = true;
    else if (errno == ENOSPC || errno == EDQUOT)
        return fail_writing(file, err);   /* anything else: it cannot be claimed, go on */
#endif
    return true;
}

uint64_t atomic_position(const AtomicFile *file)
{
    return file->position;
}

/* The disk works while we compute: otherwise the sync at the end waits for all of it. */
static void start_write_back(const AtomicFile *file, uint64_t at, uint64_t n)
{
#ifdef __linux__
    (void)sync_file_range(file->fd, (off_t)at, (off_t)n, SYNC_FILE_RANGE_WRITE);
#else
    (void)file, (void)at, (void)n;
#endif
}

/* How many of n bytes at `at` go before the next multiple of `unit`. */
static size_t next_piece(uint64_t at, uint64_t n, size_t unit)
{
    const uint64_t room = unit - at % unit;
    return (size_t)(n < room ? n : room);
}

static bool write_bytes(AtomicFile *file, uint64_t at, const unsigned char *from, size_t n,
                        Error *err)
{
    for (size_t done = 0; done < n;) {
        const size_t piece = next_piece(at + done, n - done, WRITE);
        ssize_t put = pwrite(file->fd, from + done, piece, (off_t)(at + done));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fail_writing(file, err);
        done += (size_t)put;
    }
    return true;
}

bool atomic_write_at(AtomicFile *file, uint64_t at, const void *bytes, size_t n, Error *err)
{
    if (!write_bytes(file, at, bytes, n, err)) return false;
    if (n >= WRITE_BACK_MIN) start_write_back(file, at, n);
    return true;
}

/* Begins to write back what was appended, some megabytes at a time. */
static void write_back_appended(AtomicFile *file)
{
    uint64_t written = file->position - file->gathered;
    if (written - file->started < WRITE_BACK) return;
    start_write_back(file, file->started, written - file->started);
    file->started = written;
}

/* Writes out what was gathered. After it the file's end is atomic_position. */
static bool flush(AtomicFile *file, Error *err)
{
    size_t n = file->gathered;
    file->gathered = 0;
    if (n == 0) return true;
    if (!write_bytes(file, file->position - n, file->buffer, n, err)) return false;
    write_back_appended(file);
    return true;
}

bool atomic_write(AtomicFile *file, const void *bytes, size_t n, Error *err)
{
    if (n > BUFFER - file->gathered && !flush(file, err)) return false;
    file->position += n;
    if (n >= BUFFER) return atomic_write_at(file, file->position - n, bytes, n, err);
    if (n) memcpy(file->buffer + file->gathered, bytes, n);
    file->gathered += n;
    return true;
}

bool atomic_skip(AtomicFile *file, uint64_t n, Error *err)
{
    if (!flush(file, err)) return false;
    file->position += n;
    file->started = file->position;
    return true;
}

bool atomic_copy_at(AtomicFile *file, uint64_t at, ByteSource *source, uint64_t offset, uint64_t n,
                    unsigned char *buffer, size_t room, uint32_t *crc, Error *err)
{
    int fd;
    uint64_t where, done = 0;
    if (!crc && n >= KERNEL_COPY_MIN && source_locate(source, offset, n, &fd, &where) &&
        !kernel_copy(fd, where, file->fd, at, n, &done))
        return fail_writing(file, err);
    while (done < n) {
        const size_t piece = next_piece(at + done, n - done, room);
        if (!source_read(source, offset + done, buffer, piece, err)) return false;
        if (crc) *crc = crc_add(*crc, buffer, piece);
        if (!write_bytes(file, at + done, buffer, piece, err)) return false;
        done += piece;
    }
    if (n >= WRITE_BACK_MIN) start_write_back(file, at, n);
    return true;
}

/* Bytes are read right behind what was gathered, so that many small ranges become one write, and
 * the CRC is taken while they are still in the cache. */
bool atomic_copy(AtomicFile *file, ByteSource *source, uint64_t offset, uint64_t n, uint32_t *crc,
                 Error *err)
{
    for (uint64_t done = 0; done < n;) {
        if (file->gathered == BUFFER && !flush(file, err)) return false;
        size_t piece = BUFFER - file->gathered;
        if (piece > n - done) piece = (size_t)(n - done);
        unsigned char *to = file->buffer + file->gathered;
        if (!source_read(source, offset + done, to, piece, err)) return false;
        if (crc) *crc = crc_add(*crc, to, piece);
        file->gathered += piece;
        file->position += piece;
        done += piece;
    }
    return true;
}

void atomic_hash(AtomicFile *file)
{
    file->hashed = true;
}

/* Lower-case hex, "" when no hash was asked for. The bytes are read again, since they were not
 * written in their order. */
static bool make_hash(const AtomicFile *file, char hex[CHECKSUM_TEXT], Error *err)
{
    hex[0] = '\0';
    if (!file->hashed) return true;
    Checksum *sum = checksum_new(CHECKSUM_SHA256);
    uint64_t at = 0;
    while (at < file->position) {
        ssize_t got = pread(file->fd, file->buffer, BUFFER, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        checksum_add(sum, file->buffer, (size_t)got);
        at += (uint64_t)got;
    }
    checksum_end(sum, hex);
    return at == file->position ||
           error_errno(err, "%s: cannot read back what was written, for its SHA-256", file->shown);
}

static bool put_into_place(AtomicFile *file, Error *err)
{
    if (file->force ? rename(file->temporary, file->path) == 0
                    : rename_new(file->temporary, file->path))
        return true;
    if (errno == EEXIST)
        return error_set(err, ERR_EXISTS, "%s: was created by somebody else meanwhile; --force "
                         "replaces it", file->shown);
    return error_errno(err, "%s: cannot rename the finished file into place", file->shown);
}

/* A rename is on the disk when its folder is. File systems that cannot sync a folder say so,
 * and there is nothing more to be done about it. */
static void sync_folder(const AtomicFile *file)
{
    char *folder = folder_of(file->path);
    int fd = open(folder[0] ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

/* Everything that can fail comes before the rename: also close(), which on network file
 * systems is where a failed write is told. */
static bool finish_file(AtomicFile *file, char hex[CHECKSUM_TEXT], Error *err)
{
    if (!flush(file, err) || !make_hash(file, hex, err)) return false;
    if (file->reserved && ftruncate(file->fd, (off_t)file->position) != 0)
        return fail_writing(file, err);
    if (fsync(file->fd) != 0) return fail_writing(file, err);
    int fd = file->fd;
    file->fd = -1;
    if (close(fd) != 0) return error_errno(err, "%s: cannot write", file->shown);
    return true;
}

bool atomic_commit(AtomicFile *file, char hex[CHECKSUM_TEXT], Error *err)
{
    char none[CHECKSUM_TEXT];
    bool good = finish_file(file, hex ? hex : none, err) && put_into_place(file, err);
    if (good) {
        forget_temporary(file);
        free(file->temporary);
        file->temporary = NULL;
        sync_folder(file);
        if (file->log) unlink(file->log_path);
    }
    atomic_discard(file);
    return good;
}

void atomic_discard(AtomicFile *file)
{
    if (!file) return;
    if (file->log && file->fd >= 0) (void)part_log_sync(file->log, file->fd, NULL);
    if (file->fd >= 0) close(file->fd);
    if (file->temporary && !file->log) unlink(file->temporary);
    part_log_close(file->log);
    free(file->log_path);
    forget_temporary(file);
    free(file->temporary);
    free(file->shown);
    free(file->path);
    free(file->buffer);
    free(file);
}

bool atomic_write_file(const char *path, bool force, const Text *text, Error *err)
{
    AtomicFile *file = atomic_open(path, force, err);
    if (!file) return false;
    if (atomic_write(file, text_string(text), text->length, err))
        return atomic_commit(file, NULL, err);
    atomic_discard(file);
    return false;
}
