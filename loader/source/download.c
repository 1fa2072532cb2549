/* One connection, one file that grows, one checksum that is carried on. */
#include "loader/source/download.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/core/rename_new.h"
#include "loader/core/write_all.h"
#include "loader/source/file_text.h"
#include "loader/source/part_sums.h"
#include "loader/source/told_sum.h"

enum { PIECE = 1 << 20, TAG_BYTES_MAX = 4096 };

/* A file that is gathered. */
typedef struct Gather {
    const Download *how;         /* borrowed */
    RemotePlace *place;          /* where it comes from; borrowed; NULL: from this disk */
    const char *url;             /* of that file there; borrowed */
    const char *shown;           /* for errors: where it comes from; borrowed */
    Arena *arena;                /* owned: the strings below */
    const char *part, *tag;      /* paths */
    int fd;                      /* of the part; locked */
    uint64_t done;               /* bytes in it */
    uint64_t total;              /* 0: not known */
    const char *etag;            /* whose version it is; NULL: not known, so that it is not kept */
    uint64_t etag_size;          /* what that version has */
    ToldSum told;                /* what its server says of that version */
    bool stale;                  /* the server has another version now: from the start */
    Checksum *sha256;            /* of what is in the part; owned */
} Gather;

/* ---- folders, locks ---- */

bool download_make_folder(const char *path, Error *err)
{
    char *copy = mem_strdup(path);
    bool fine = true;
    for (char *p = copy + 1; fine && *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        fine = mkdir(copy, 0777) == 0 || errno == EEXIST;
        if (!fine) error_errno(err, "%s: cannot make the folder", copy);
        *p = '/';
    }
    if (fine && mkdir(copy, 0777) != 0 && errno != EEXIST)
        fine = error_errno(err, "%s: cannot make the folder", copy);
    free(copy);
    return fine;
}

/* The file that was locked may have been renamed meanwhile by whoever had the lock before. */
int download_lock(const char *path, const char *what, Error *err)
{
    for (int tries = 0; tries < 10; tries++) {
        struct stat held, there;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0) {
            error_errno(err, "%s", path);
            return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            close(fd);
            error_set(err, ERR_IO, "%s: another process downloads it now (it has %s)", what, path);
            return -1;
        }
        if (fstat(fd, &held) == 0 && stat(path, &there) == 0 && held.st_ino == there.st_ino &&
            held.st_dev == there.st_dev)
            return fd;
        close(fd);
    }
    error_set(err, ERR_IO, "%s: %s changes all the time", what, path);
    return -1;
}

/* ---- what came before ---- */

static bool start_over(Gather *gather, Error *err)
{
    checksum_free(gather->sha256);
    gather->sha256 = checksum_new(CHECKSUM_SHA256);
    gather->done = 0;
    gather->etag = NULL;
    gather->told = (ToldSum){.text = ""};
    unlink(gather->tag);
    if (ftruncate(gather->fd, 0) == 0 && lseek(gather->fd, 0, SEEK_SET) == 0) return true;
    return error_errno(err, "%s: cannot empty it", gather->part);
}

/* "ETAG\nSIZE\n", and "KIND DIGITS\n" where the server told a checksum of the whole with the first
 * part of it; false when there is none, so that the part is of an unknown version. */
static bool read_tag(Gather *gather)
{
    size_t n;
    char *text = file_text(gather->tag, TAG_BYTES_MAX, &n, NULL);
    size_t tag = text ? strcspn(text, "\n") : 0;
    size_t digits = text && text[tag] ? strcspn(text + tag + 1, "\n") : 0;
    bool fine = digits && parse_digits(text + tag + 1, digits, &gather->etag_size);
    if (fine) gather->etag = arena_strndup(gather->arena, text, tag);
    const char *sum = fine && text[tag + 1 + digits] ? text + tag + digits + 2 : NULL;
    if (sum) told_sum_read(sum, strcspn(sum, "\n"), &gather->told);
    free(text);
    return fine && http_etag_is_strong(gather->etag);
}

static void write_tag(Gather *gather)
{
    FILE *file = fopen(gather->tag, "w");
    Text sum = {0};
    if (!file) return;           /* then it cannot be gone on with, and no more */
    if (*gather->told.text) told_sum_write(&gather->told, &sum);
    fprintf(file, "%s\n%" PRIu64 "\n%s%s", gather->etag, gather->etag_size, text_string(&sum),
            sum.length ? "\n" : "");
    fclose(file);
    text_done(&sum);
}

/* What the part has is hashed; its last byte is asked for again when it seems to be whole, so that
 * the server says whether it is still of this version. */
static bool go_on(Gather *gather, Error *err)
{
    struct stat info;
    if (fstat(gather->fd, &info) != 0) return error_errno(err, "%s", gather->part);
    uint64_t have = (uint64_t)info.st_size;
    if (!have || !read_tag(gather) || have > gather->etag_size) return start_over(gather, err);
    if (have == gather->etag_size) have--;
    if (ftruncate(gather->fd, (off_t)have) != 0 || lseek(gather->fd, 0, SEEK_SET) != 0)
        return error_errno(err, "%s", gather->part);
    unsigned char *bytes = mem_alloc(PIECE);
    ssize_t n;
    while ((n = read(gather->fd, bytes, PIECE)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0) continue;
        checksum_add(gather->sha256, bytes, (size_t)n);
        gather->done += (uint64_t)n;
    }
    free(bytes);
    return n == 0 || error_errno(err, "%s: cannot read it", gather->part);
}

static bool open_gather(Gather *gather, const Download *how, const char *shown, Error *err)
{
    *gather = (Gather){.how = how, .shown = shown, .arena = arena_new(), .fd = -1,
                       .sha256 = checksum_new(CHECKSUM_SHA256)};
    gather->part = arena_printf(gather->arena, "%s.partial", how->path);
    gather->tag = arena_printf(gather->arena, "%s.partial.etag", how->path);
    struct stat info;
    bool there = stat(how->path, &info) == 0;
    if ((there && S_ISDIR(info.st_mode)) || has_suffix(how->path, "/"))
        return error_set(err, ERR_EXISTS, "%s: is a folder; name the file in it", how->path);
    if (!how->replace && there)
        return error_set(err, ERR_EXISTS, "%s: is there already; --force replaces it", how->path);
    char *folder = path_folder(how->path);
    bool fine = download_make_folder(folder, err);
    free(folder);
    if (fine) gather->fd = download_lock(gather->part, shown, err);
    return gather->fd >= 0;
}

/* A part is kept for the next time when it is known of which version it is. */
static void close_gather(Gather *gather, bool good, Error *err)
{
    if (gather->fd >= 0 && !good) {
        if (gather->etag && gather->done && err && err->code != ERR_EXISTS) {
            size_t n = strlen(err->text);
            snprintf(err->text + n, sizeof err->text - n, "; what came is kept, and the same "
                     "command goes on from byte %" PRIu64, gather->done);
        } else {
            unlink(gather->part);
            unlink(gather->tag);
        }
    }
    if (gather->fd >= 0) close(gather->fd);
    checksum_free(gather->sha256);
    arena_free(gather->arena);
}

/* ---- what comes ---- */

/* HttpCall.begin by way of ask.c. Another version than the part's is not added to it. */
static bool begin(void *context, const HttpHead *head, Error *err)
{
    Gather *gather = context;
    bool part = head->status == 206;
    uint64_t total = part ? (head->has_total ? head->total : 0)
                          : (head->has_length ? head->length : 0);
    if (gather->etag) {
        bool same = head->etag && strcmp(head->etag, gather->etag) == 0 &&
                    (!total || total == gather->etag_size);
        if (same) told_sum_find(head, &gather->told);
        if (same) return true;
        gather->stale = true;
        return error_set(err, ERR_IO, "changed on its server since a part of it was downloaded");
    }
    if (gather->done) {
        gather->stale = true;
        return error_set(err, ERR_IO, "broke off, and its server does not say which version it is");
    }
    gather->total = total;
    told_sum_find(head, &gather->told);
    if (gather->how->has_size && total && total != gather->how->size)
        return error_set(err, ERR_IO, "has %" PRIu64 " bytes on its server, %" PRIu64
                         " were announced", total, gather->how->size);
    if (total && http_etag_is_strong(head->etag)) {
        gather->etag = arena_strdup(gather->arena, head->etag);
        gather->etag_size = total;
        write_tag(gather);
    }
    return true;
}

static bool take(void *context, const void *bytes, size_t n, Error *err)
{
    Gather *gather = context;
    const Download *how = gather->how;
    char more[LIMIT_TEXT];
    uint64_t total = gather->etag ? gather->etag_size : gather->total;
    if (!total && n > limit(LIMIT_REMOTE_SPOOL) - gather->done)
        return error_set(err, ERR_LIMIT, "its server does not say how large it is, and what comes "
                         "has no end: %s", limit_text(LIMIT_REMOTE_SPOOL, more));
    if (!write_all(gather->fd, bytes, n)) return error_errno(err, "cannot write %s", gather->part);
    checksum_add(gather->sha256, bytes, n);
    gather->done += n;
    if (!how->progress || how->progress(how->context, gather->done, total)) return true;
    return error_set(err, ERR_CANCELLED, "stopped");
}

/* Where the rest begins is told before anything of it comes. */
static bool ask_rest(Gather *gather, RemotePlace *place, const char *url, Error *err)
{
    const Download *how = gather->how;
    uint64_t total = gather->etag ? gather->etag_size : how->has_size ? how->size : 0;
    if (how->progress && !how->progress(how->context, gather->done, total))
        return error_set(err, ERR_CANCELLED, "stopped");
    Ask ask = {.url = url, .from = gather->done, .whole = true, .match = gather->etag,
               .begin = begin, .body = take, .context = gather};
    bool fine = ask_all(place, &ask, 1, err);
    ask_done(&ask);
    return fine;
}

/* ---- the end ---- */

static bool refuse_sum(const Gather *gather, const char *kind, const char *is, const char *expected,
                       Error *err)
{
    return error_set(err, ERR_FORMAT, "%s: what came has %s %s, not %s; nothing of it is kept, "
                     "download it again", gather->shown, kind, is, expected);
}

/* Once more from the start; takes the sum over. `kind` is what it is called. */
static bool check_sum(Gather *gather, Checksum *sum, const char *kind, const char *expected,
                      Error *err)
{
    char text[CHECKSUM_TEXT];
    unsigned char *bytes = mem_alloc(PIECE);
    ssize_t n = 1;
    bool fine = lseek(gather->fd, 0, SEEK_SET) == 0;
    while (fine && n) {
        n = read(gather->fd, bytes, PIECE);
        if (n > 0) checksum_add(sum, bytes, (size_t)n);
        fine = n >= 0 || errno == EINTR;
    }
    if (!fine) error_errno(err, "%s: cannot read it", gather->part);
    free(bytes);
    checksum_end(sum, text);
    return fine && (strcmp(text, expected) == 0 || refuse_sum(gather, kind, text, expected, err));
}

/* The checksum of its server: one that was taken on the way need not be taken again. */
static bool check_told(Gather *gather, const char *sha256, Error *err)
{
    const ToldSum *told = &gather->told;
    const char *kind = arena_printf(gather->arena, "the %s", checksum_word(told->kind));
    if (told->kind != CHECKSUM_SHA256)
        return check_sum(gather, checksum_new(told->kind), kind, told->text, err);
    return strcmp(sha256, told->text) == 0 || refuse_sum(gather, kind, sha256, told->text, err);
}

/* A sum of the parts of an upload. Where the server does not say how large they were, nothing is
 * known. */
static bool check_parts(Gather *gather, Downloaded *out, Error *err)
{
    const ToldSum *told = &gather->told;
    const PartSums file = {.place = gather->place, .url = gather->url, .etag = gather->etag,
                           .fd = gather->fd, .size = gather->done, .told = told};
    PartVerdict verdict;
    char is[CHECKSUM_TEXT];
    if (!part_sums_check(&file, &verdict, is, err)) return false;
    if (verdict == PARTS_SAME) out->told = checksum_word(told->kind);
    out->parts = verdict == PARTS_SAME;
    const char *kind = arena_printf(gather->arena, "the %s of %u parts", checksum_word(told->kind),
                                    told->parts);
    return verdict != PARTS_DIFFER || refuse_sum(gather, kind, is, told->text, err);
}

/* Whether what came is what was to come; if not, it is not kept. */
static bool verify(Gather *gather, Downloaded *out, Error *err)
{
    const Download *how = gather->how;
    bool fine = true;
    checksum_end(gather->sha256, out->sha256);
    gather->sha256 = NULL;
    out->told = NULL;
    out->parts = false;
    out->size = gather->done;
    if (how->has_size && how->size != gather->done)
        fine = error_set(err, ERR_FORMAT, "%s: %" PRIu64 " bytes came, %" PRIu64
                         " were announced; nothing of it is kept, download it again",
                         gather->shown, gather->done, how->size);
    else if (how->sha256 && !has_prefix(out->sha256, how->sha256))
        fine = error_set(err, ERR_FORMAT, "%s: what came has the SHA-256 %s, it should begin with "
                         "%s; nothing of it is kept, download it again", gather->shown,
                         out->sha256, how->sha256);
    else if (how->git)
        fine = check_sum(gather, checksum_new_git(gather->done), "git's hash", how->git, err);
    else if (!how->sha256 && gather->told.parts)
        fine = check_parts(gather, out, err);
    else if (!how->sha256 && *gather->told.text && (fine = check_told(gather, out->sha256, err)))
        out->told = checksum_word(gather->told.kind);
    if (!fine) gather->etag = NULL;
    return fine;
}

/* The folder is synced too, or the name could be lost. */
static bool commit(Gather *gather, Error *err)
{
    const Download *how = gather->how;
    if (fsync(gather->fd) != 0) return error_errno(err, "%s", how->path);
    if (how->replace ? rename(gather->part, how->path) != 0
                     : !rename_new(gather->part, how->path))
        return errno == EEXIST ? error_set(err, ERR_EXISTS, "%s: is there now; --force replaces it",
                                           how->path)
                               : error_errno(err, "%s", how->path);
    unlink(gather->tag);
    char *folder = path_folder(how->path);
    int fd = open(folder, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
    return true;
}

bool download(RemotePlace *place, const char *url, const Download *how, Downloaded *out,
              Error *err)
{
    Gather gather;
    Error own = {0};
    bool fine = open_gather(&gather, how, place->shown, &own) && go_on(&gather, &own);
    gather.place = place;
    gather.url = url ? url : place->url;
    if (fine) fine = ask_rest(&gather, place, url, &own);
    if (!fine && gather.stale) {
        gather.stale = false;
        fine = start_over(&gather, &own) && ask_rest(&gather, place, url, &own);
    }
    fine = fine && verify(&gather, out, &own) && commit(&gather, &own);
    close_gather(&gather, fine, &own);
    if (!fine && err) *err = own;
    return fine;
}

bool download_copy(const char *from, const Download *how, Downloaded *out, Error *err)
{
    Gather gather;
    ByteSource *source = source_open_file(from, err);
    if (!source) return false;
    bool fine = open_gather(&gather, how, from, err) && start_over(&gather, err);
    unsigned char *bytes = mem_alloc(PIECE);
    gather.total = source->size;
    for (uint64_t at = 0; fine && at < source->size;) {
        size_t n = source->size - at < PIECE ? (size_t)(source->size - at) : PIECE;
        fine = source_read(source, at, bytes, n, err) &&
               (take(&gather, bytes, n, err) || error_prefix(err, "%s", how->path));
        at += n;
    }
    free(bytes);
    source_unref(source);
    fine = fine && verify(&gather, out, err) && commit(&gather, err);
    close_gather(&gather, fine, NULL);
    return fine;
}
