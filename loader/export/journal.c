/* Never half there; and believed only where it must be ours. */
#include "loader/export/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/limits.h"
#include "loader/core/little.h"
#include "loader/core/memory.h"
#include "loader/core/write_all.h"
#include "loader/source/checksum.h"
#include "loader/source/source.h"

static const char magic[] = "tenon undo 1\n";

enum {
    MAGIC = sizeof magic - 1, NUMBERS = 6, HEAD = MAGIC + 1 + 8 * NUMBERS, SUM = CHECKSUM_BYTES
};

static void add_path(const char *path, Text *out)
{
    const char *base = path_base(path);
    text_addf(out, "%.*s.%s.tenon-undo", (int)(base - path), path, base);
}

char *journal_path(const EditFile *file)
{
    Text text = {0};
    add_path(file->path, &text);
    return text.bytes;
}

bool journal_is_there(const char *path)
{
    Text text = {0};
    char *real = realpath(path, NULL);
    if (!real) return false;
    add_path(real, &text);
    const bool there = access(text.bytes, F_OK) == 0;
    free(real);
    text_done(&text);
    return there;
}

bool journal_is_unfinished(const char *path)
{
    char head[MAGIC + 1] = "";
    Text text = {0};
    char *real = realpath(path, NULL);
    if (!real) return false;
    add_path(real, &text);
    const int fd = open(text.bytes, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    const bool read = fd >= 0 && pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head;
    if (fd >= 0) close(fd);
    free(real);
    text_done(&text);
    return read && head[MAGIC] != JOURNAL_DONE;
}

static void put64(uint64_t value, Text *out)
{
    for (unsigned i = 0; i < 8; i++) text_addc(out, (char)(value >> 8 * i & 0xFF));
}

/* Of n bytes of a journal without its sum. */
static void make_sum(const char *bytes, size_t n, unsigned char sum[SUM])
{
    Checksum *sha = checksum_new(CHECKSUM_SHA256);
    checksum_add(sha, bytes, MAGIC);
    checksum_add(sha, bytes + MAGIC + 1, n - MAGIC - 1);
    checksum_end_bytes(sha, sum);
}

/* ".NAME.tenon-undo-new": a fixed name, so that kills leave one at most. free() it. */
static char *fresh_path(const EditFile *file)
{
    Text text = {0};
    add_path(file->path, &text);
    text_add(&text, "-new");
    return text.bytes;
}

static bool put_file(const char *path, const Text *text)
{
    unlink(path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write_all(fd, text->bytes, text->length) && fsync(fd) == 0;
    if (fd >= 0) good = close(fd) == 0 && good;
    const int number = errno;
    if (!good && fd >= 0) unlink(path);
    errno = number;
    return good;
}

/* Then the folder is synced: the journal is there before the change is. */
bool journal_adopt(const EditFile *file, Error *err)
{
    char *path = journal_path(file), *fresh = fresh_path(file), *folder = path_folder(path);
    bool good = rename(fresh, path) == 0 || error_errno(err, "%s: cannot write", path);
    if (!good) unlink(fresh);
    const int above = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above >= 0) {
        (void)fsync(above);
        close(above);
    }
    free(folder);
    free(fresh);
    free(path);
    return good;
}

bool journal_write(const EditFile *file, const Journal *journal, Error *err)
{
    return journal_prepare(file, journal, err) && journal_adopt(file, err);
}

bool journal_prepare(const EditFile *file, const Journal *journal, Error *err)
{
    unsigned char sum[SUM];
    Text text = {0};
    char *path = fresh_path(file);
    text_addn(&text, magic, MAGIC);
    text_addc(&text, (char)journal->state);
    put64((uint64_t)file->device, &text);
    put64((uint64_t)file->node, &text);
    put64(journal->size, &text);
    put64(journal->inserted, &text);
    put64(journal->before.length, &text);
    put64(journal->after.length, &text);
    text_addn(&text, text_string(&journal->before), journal->before.length);
    text_addn(&text, text_string(&journal->after), journal->after.length);
    make_sum(text.bytes, text.length, sum);
    text_addn(&text, (const char *)sum, SUM);
    bool good = put_file(path, &text) || error_errno(err, "%s: cannot write", path);
    free(path);
    text_done(&text);
    return good;
}

bool journal_set(const EditFile *file, JournalState state, Error *err)
{
    char *path = journal_path(file), byte = (char)state;
    const int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    bool good = fd >= 0 && pwrite(fd, &byte, 1, MAGIC) == 1 && fsync(fd) == 0;
    if (!good) error_errno(err, "%s: cannot write", path);
    if (fd >= 0) close(fd);
    free(path);
    return good;
}

bool journal_remove(const EditFile *file, Error *err)
{
    char *path = journal_path(file);
    bool good = unlink(path) == 0 || errno == ENOENT ||
                error_errno(err, "%s: cannot be removed", path);
    free(path);
    return good;
}

/* What somebody else put there is none of ours: it would tell us what to write into the file. */
static bool is_trusted(const EditFile *file, int fd)
{
    struct stat journal, itself;
    return fstat(fd, &journal) == 0 && fstat(file->fd, &itself) == 0 && S_ISREG(journal.st_mode) &&
           (journal.st_uid == geteuid() || journal.st_uid == itself.st_uid);
}

/* All its bytes; NULL where there is none that counts. */
static char *read_bytes(const EditFile *file, const char *path, size_t *n)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    const bool trusted = fd >= 0 && is_trusted(file, fd);
    if (fd >= 0) close(fd);
    ByteSource *source = trusted ? source_open_file(path, NULL) : NULL;
    char *bytes = source ? source_slurp(source, 4 * (size_t)limit(LIMIT_HEADER_BYTES), n, NULL)
                         : NULL;
    source_unref(source);
    return bytes;
}

/* What a journal's bytes are to the file. */
typedef enum Match { MATCH_DAMAGED, MATCH_OTHER, MATCH_OWN } Match;

static Match parse(const EditFile *file, const char *bytes, size_t n, Journal *journal)
{
    uint64_t numbers[NUMBERS], whole;
    unsigned char sum[SUM];
    if (n < HEAD + SUM || memcmp(bytes, magic, MAGIC) != 0) return MATCH_DAMAGED;
    for (unsigned i = 0; i < NUMBERS; i++)
        numbers[i] = little_read((const unsigned char *)bytes + MAGIC + 1 + 8 * i, 8);
    if (!sum_add(numbers[4], numbers[5], &whole) || whole != n - HEAD - SUM) return MATCH_DAMAGED;
    make_sum(bytes, n - SUM, sum);
    if (memcmp(sum, bytes + n - SUM, SUM) != 0) return MATCH_DAMAGED;
    journal->state = (JournalState)bytes[MAGIC];
    if (numbers[0] != (uint64_t)file->device || numbers[1] != (uint64_t)file->node)
        return MATCH_OTHER;
    journal->size = numbers[2];
    journal->inserted = numbers[3];
    text_addn(&journal->before, bytes + HEAD, (size_t)numbers[4]);
    text_addn(&journal->after, bytes + HEAD + numbers[4], (size_t)numbers[5]);
    return MATCH_OWN;
}

/* One that a kill has left unfinished goes; but where the file it was prepared for has come into
 * its place, it takes its own. Whoever has the file locked may. */
static void settle_fresh(const EditFile *file)
{
    size_t n = 0;
    Journal journal = {0};
    char *fresh = fresh_path(file), *bytes = read_bytes(file, fresh, &n);
    if (bytes && parse(file, bytes, n, &journal) == MATCH_OWN && journal.state == JOURNAL_DONE)
        (void)journal_adopt(file, NULL);
    else
        unlink(fresh);
    journal_done(&journal);
    free(bytes);
    free(fresh);
}

bool journal_read(const EditFile *file, Journal *journal, bool *there, Error *err)
{
    size_t n = 0;
    bool good = true;
    settle_fresh(file);
    char *path = journal_path(file), *bytes = read_bytes(file, path, &n);
    *journal = (Journal){0};
    const Match match = bytes ? parse(file, bytes, n, journal) : MATCH_OTHER;
    *there = bytes && match == MATCH_OWN;
    if (bytes && match == MATCH_OTHER && journal->state == JOURNAL_BACK)
        good = journal_remove(file, err);
    else if (bytes && !*there)
        good = error_set(err, ERR_FORMAT, "%s: is damaged, or of another file than %s; if that is "
                         "what it should be, remove it", path, file->path);
    free(bytes);
    free(path);
    return good;
}

void journal_done(Journal *journal)
{
    text_done(&journal->before);
    text_done(&journal->after);
}
