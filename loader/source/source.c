/* The sources that everything else is made of: a file, bytes in memory, a window of another
 * source. Each is a struct that begins with a ByteSource, so that a pointer to one is a pointer
 * to the other, and a table of three functions. */
#include "loader/source/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/memory.h"

/* Bytes of a small read, and between two that count as one behind the other; how many such reads
 * make it likely that more of them follow; bytes that are then read at once. */
enum { SMALL = 4 << 10, GAP = 4 << 10, IN_A_ROW = 4, STRETCH = 64 << 10 };

/* A regular file. pread keeps no position, so that threads may share the descriptor. */
typedef struct FileSource {
    ByteSource base;
    char *path;              /* also base.name; owned */
    int fd;                  /* read-only; owned */
    pthread_mutex_t lock;    /* around what follows */
    unsigned char *stretch;  /* [STRETCH] the bytes from `from` on; owned; NULL: there was none */
    uint64_t from;
    size_t held;             /* of the stretch */
    uint64_t behind;         /* where the last small read ended */
    unsigned in_a_row;       /* small reads that went on where the one before them had ended */
} FileSource;

typedef struct MemorySource {
    ByteSource base;
    char *name;              /* also base.name; owned */
    unsigned char *bytes;    /* [base.size]; owned */
} MemorySource;

typedef struct WindowSource {
    ByteSource base;
    char *name;              /* also base.name; owned */
    ByteSource *inner;       /* a reference */
    uint64_t offset;         /* of byte 0 in `inner`, in bytes */
} WindowSource;

/* The caller who made the source holds its first reference. */
static void init(ByteSource *source, const ByteSourceOps *ops, const char *name, uint64_t size)
{
    source->ops = ops;
    source->name = name;
    source->size = size;
    atomic_init(&source->refs, 1);
}

/* Reads a stretch that begins there; false when it does not reach so far, for whatever reason. */
static bool read_stretch(FileSource *file, uint64_t offset, size_t n)
{
    const uint64_t left = file->base.size - offset;
    if (!file->stretch) file->stretch = mem_realloc(NULL, STRETCH);
    const ssize_t got = pread(file->fd, file->stretch, left < STRETCH ? (size_t)left : STRETCH,
                              (off_t)offset);
    file->from = offset;
    file->held = got > 0 ? (size_t)got : 0;
    return file->held >= n;
}

/* Very many tensors of some hundred bytes lie one behind the other, with their headers between
 * them, and a call of the system for each takes longer than all else that is done with them. False:
 * it is to be read by itself, for it is no such read, or another thread is at it. */
static bool read_small(FileSource *file, uint64_t offset, void *out, size_t n)
{
    if (n > SMALL || pthread_mutex_trylock(&file->lock) != 0) return false;
    const bool follows = offset >= file->behind && offset - file->behind <= GAP;
    file->in_a_row = follows ? file->in_a_row + 1 : 0;
    file->behind = offset + n;
    bool there = offset >= file->from && offset - file->from <= file->held &&
                 n <= file->held - (offset - file->from);
    if (!there && file->in_a_row >= IN_A_ROW) there = read_stretch(file, offset, n);
    if (there) memcpy(out, file->stretch + (offset - file->from), n);
    pthread_mutex_unlock(&file->lock);
    return there;
}

/* pread may give less than was asked for, so it is asked again. Nothing at all means that the
 * file became shorter after it was opened: the range was checked against its size then. */
static bool read_file(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    FileSource *file = (FileSource *)source;
    if (read_small(file, offset, out, n)) return true;
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(file->fd, (char *)out + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return error_errno(err, "%s: cannot read at byte %" PRIu64, source->name,
                               offset + done);
        if (got == 0)
            return error_set(err, ERR_IO,
                             "%s: became shorter while it was being read (byte %" PRIu64
                             " of %" PRIu64 " is gone); do not overwrite files in use",
                             source->name, offset + done, source->size);
        done += (size_t)got;
    }
    return true;
}

/* The whole file is one contiguous range of its descriptor. */
static bool locate_file(ByteSource *source, uint64_t offset, uint64_t n, int *fd, uint64_t *where)
{
    (void)n;
    *fd = ((FileSource *)source)->fd;
    *where = offset;
    return true;
}

/* `base` is the first member, so freeing the FileSource frees the ByteSource. */
static void close_file(ByteSource *source)
{
    FileSource *file = (FileSource *)source;
    close(file->fd);
    pthread_mutex_destroy(&file->lock);
    free(file->stretch);
    free(file->path);
    free(file);
}

static const ByteSourceOps file_ops = {read_file, locate_file, close_file, NULL};

/* Only regular files have a size and can be read anywhere. */
static bool is_readable_kind(mode_t mode, const char *path, Error *err)
{
    if (S_ISREG(mode)) return true;
    if (S_ISDIR(mode)) return error_set(err, ERR_FORMAT, "%s: is a folder, not a file", path);
    return error_set(err, ERR_FORMAT, "%s: is a pipe or a device; tenon reads at any place, so "
                     "save it to a file first", path);
}

ByteSource *source_open_file(const char *path, Error *err)
{
    /* O_NONBLOCK: opening a named pipe must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        ErrorCode code = errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
        error_errno(err, "%s", path);
        if (err) err->code = code;
        return NULL;
    }
    struct stat info;
    if (fstat(fd, &info) != 0) {
        error_errno(err, "%s", path);
        close(fd);
        return NULL;
    }
    if (!is_readable_kind(info.st_mode, path, err)) {
        close(fd);
        return NULL;
    }
    FileSource *file = mem_alloc(sizeof *file);
    file->fd = fd;
    file->path = mem_strdup(path);
    pthread_mutex_init(&file->lock, NULL);
    init(&file->base, &file_ops, file->path, (uint64_t)info.st_size);
    return &file->base;
}

/* Cannot fail: source_read has checked the range. */
static bool read_memory(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    (void)err;
    memcpy(out, ((MemorySource *)source)->bytes + offset, n);
    return true;
}

static void close_memory(ByteSource *source)
{
    MemorySource *memory = (MemorySource *)source;
    free(memory->bytes);
    free(memory->name);
    free(memory);
}

/* No locate: memory has no descriptor that the kernel could copy from. */
static const ByteSourceOps memory_ops = {read_memory, NULL, close_memory, NULL};

ByteSource *source_from_memory(const void *bytes, size_t n, const char *name)
{
    MemorySource *memory = mem_alloc(sizeof *memory);
    memory->bytes = mem_alloc(n);
    if (n) memcpy(memory->bytes, bytes, n);
    memory->name = mem_strdup(name);
    init(&memory->base, &memory_ops, memory->name, n);
    return &memory->base;
}

/* Goes through source_read, which checks again: a fault names the inner source and its byte,
 * which is where a person would look. */
static bool read_window(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    WindowSource *window = (WindowSource *)source;
    return source_read(window->inner, window->offset + offset, out, n, err);
}

/* Windows of windows add up to one place in the file, if there is a file at the bottom. */
static bool locate_window(ByteSource *source, uint64_t offset, uint64_t n, int *fd,
                          uint64_t *where)
{
    WindowSource *window = (WindowSource *)source;
    return source_locate(window->inner, window->offset + offset, n, fd, where);
}

static void close_window(ByteSource *source)
{
    WindowSource *window = (WindowSource *)source;
    source_unref(window->inner);
    free(window->name);
    free(window);
}

static void want_window(ByteSource *source, uint64_t offset, uint64_t n)
{
    WindowSource *window = (WindowSource *)source;
    source_want(window->inner, window->offset + offset, n);
}

static const ByteSourceOps window_ops = {read_window, locate_window, close_window, want_window};

/* The range is proved here once, so that a window never reaches beyond its base. */
ByteSource *source_window(ByteSource *base, uint64_t offset, uint64_t size, const char *name,
                          Error *err)
{
    if (offset > base->size || size > base->size - offset) {
        error_set(err, ERR_FORMAT,
                  "%s: bytes %" PRIu64 " to %" PRIu64 " are needed, the file has %" PRIu64,
                  base->name, offset, offset + size, base->size);
        return NULL;
    }
    WindowSource *window = mem_alloc(sizeof *window);
    window->inner = source_ref(base);
    window->offset = offset;
    window->name = mem_strdup(name ? name : base->name);
    init(&window->base, &window_ops, window->name, size);
    return &window->base;
}

ByteSource *source_ref(ByteSource *source)
{
    atomic_fetch_add(&source->refs, 1);
    return source;
}

/* fetch_sub returns the count before: 1 means that this was the last reference. */
void source_unref(ByteSource *source)
{
    if (source && atomic_fetch_sub(&source->refs, 1) == 1) source->ops->close(source);
}

/* The one place where ranges are checked, for all kinds of sources. Subtracting cannot wrap,
 * where offset + n of a hostile file would. */
bool source_read(ByteSource *source, uint64_t offset, void *out, size_t n, Error *err)
{
    if (offset > source->size || n > source->size - offset)
        return error_set(err, ERR_FORMAT,
                         "%s: ends at byte %" PRIu64 ", but %zu bytes at %" PRIu64 " are needed",
                         source->name, source->size, n, offset);
    return n == 0 || source->ops->read(source, offset, out, n, err);
}

bool source_locate(ByteSource *source, uint64_t offset, uint64_t n, int *fd, uint64_t *where)
{
    if (!source->ops->locate || offset > source->size || n > source->size - offset) return false;
    return source->ops->locate(source, offset, n, fd, where);
}

/* What lies beyond the end is nothing that can be had. */
void source_want(ByteSource *source, uint64_t offset, uint64_t n)
{
    if (!source->ops->want || offset >= source->size) return;
    source->ops->want(source, offset, n < source->size - offset ? n : source->size - offset);
}

/* The limit is asked before memory is: a sparse file of any size costs nothing to make. */
char *source_slurp(ByteSource *source, size_t limit, size_t *n, Error *err)
{
    if (source->size > limit) {
        error_set(err, ERR_LIMIT, "%s: %" PRIu64 " bytes are more than the limit of %zu",
                  source->name, source->size, limit);
        return NULL;
    }
    char *bytes = mem_alloc((size_t)source->size + 1);
    if (!source_read(source, 0, bytes, (size_t)source->size, err)) {
        free(bytes);
        return NULL;
    }
    *n = (size_t)source->size;
    return bytes;
}

char *source_slurp_limited(ByteSource *source, LimitId id, size_t *n, Error *err)
{
    char more[LIMIT_TEXT];
    if (source->size <= limit(id)) return source_slurp(source, (size_t)source->size, n, err);
    error_set(err, ERR_LIMIT, "%s: has %" PRIu64 " bytes, %s", source->name, source->size,
              limit_text(id, more));
    return NULL;
}
