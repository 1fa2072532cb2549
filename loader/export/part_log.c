/* A log of lines of equal length, appended and synced. */
#include "loader/export/part_log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/memory.h"
#include "loader/core/text.h"
#include "loader/core/write_all.h"

enum {
    LINE = 16 + 1 + 8 + 1,           /* bytes */
    NUMBER_MAX = 1 << 28             /* stretches; a hostile log asks for no more memory */
};
static const uint64_t SYNC_EVERY = 256 << 20;    /* bytes of the file that a kill may cost */

struct PartLog {
    char *path;
    int fd;
    uint32_t *crcs;              /* [room], owned; of the stretches that are done */
    bool *done;                  /* [room], owned */
    size_t room;
    Text waiting;                /* lines whose bytes may not be on the disk yet */
    uint64_t bytes;              /* of these stretches */
};

static void note(PartLog *log, size_t number, uint32_t crc)
{
    if (number >= log->room) {
        const size_t room = number + 1 > 2 * log->room ? number + 1 : 2 * log->room;
        log->crcs = mem_realloc(log->crcs, room * sizeof *log->crcs);
        log->done = mem_realloc(log->done, room * sizeof *log->done);
        memset(log->done + log->room, 0, (room - log->room) * sizeof *log->done);
        log->room = room;
    }
    log->crcs[number] = crc;
    log->done[number] = true;
}

/* Reads whole lines up to the first that is none; what is behind them is cut off. */
static bool read_lines(PartLog *log, off_t at)
{
    char line[LINE + 1];
    while (pread(log->fd, line, LINE, at) == LINE) {
        uint64_t number;
        uint32_t crc;
        char end;
        line[LINE] = '\0';
        if (sscanf(line, "%16" SCNx64 " %8" SCNx32 "%c", &number, &crc, &end) != 3 || end != '\n' ||
            number >= NUMBER_MAX)
            break;
        note(log, (size_t)number, crc);
        at += LINE;
    }
    return ftruncate(log->fd, at) == 0 && lseek(log->fd, at, SEEK_SET) == at;
}

/* A log is nobody's symbolic link. */
PartLog *part_log_open(const char *path, const char *identity, uint64_t inode, bool *begun,
                       Error *err)
{
    char first[128], there[128] = "";
    const int n = snprintf(first, sizeof first, "tenon part 2 %.64s %016" PRIx64 "\n",
                           identity, inode);
    PartLog *log = mem_alloc(sizeof *log);
    log->path = mem_strdup(path);
    log->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    *begun = log->fd >= 0 && pread(log->fd, there, (size_t)n, 0) == n &&
             memcmp(there, first, (size_t)n) == 0;
    const bool good = log->fd >= 0 &&
                      (*begun ? read_lines(log, n)
                              : ftruncate(log->fd, 0) == 0 && write_all(log->fd, first, (size_t)n));
    if (good) return log;
    error_errno(err, "%s: cannot be written, and without it nothing can be gone on with", path);
    part_log_close(log);
    return NULL;
}

void part_log_close(PartLog *log)
{
    if (!log) return;
    if (log->fd >= 0) close(log->fd);
    text_done(&log->waiting);
    free(log->crcs);
    free(log->done);
    free(log->path);
    free(log);
}

bool part_log_find(const PartLog *log, size_t number, uint32_t *crc)
{
    if (number >= log->room || !log->done[number]) return false;
    *crc = log->crcs[number];
    return true;
}

bool part_log_add(PartLog *log, size_t number, uint32_t crc, uint64_t bytes)
{
    text_addf(&log->waiting, "%016" PRIx64 " %08" PRIx32 "\n", (uint64_t)number, crc);
    log->bytes += bytes;
    return log->bytes >= SYNC_EVERY;
}

bool part_log_sync(PartLog *log, int fd, Error *err)
{
    const Text *waiting = &log->waiting;
    if (fdatasync(fd) != 0 || !write_all(log->fd, text_string(waiting), waiting->length) ||
        fdatasync(log->fd) != 0)
        return error_errno(err, "%s: cannot write", log->path);
    text_clear(&log->waiting);
    log->bytes = 0;
    return true;
}
