/* Sizes first, then one pass over the file. */
#include "loader/source/part_sums.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

/* The size of the part that begins there; 0: it is not known. False only when it was stopped. */
static bool ask_size(const PartSums *file, unsigned number, uint64_t from, uint64_t *size,
                     Error *err)
{
    Error why = {0};
    Text url = {0};
    text_addf(&url, "%s%cpartNumber=%u", file->url, strchr(file->url, '?') ? '&' : '?', number);
    Ask ask = {.url = text_string(&url), .head = true, .from = from};
    const bool had = ask_all(file->place, &ask, 1, &why);
    const HttpHead *head = &ask.answer;
    const bool same = !file->etag || !head->etag || strcmp(file->etag, head->etag) == 0;
    const bool part = had && same && head->status == 206 && head->total == file->size &&
                      head->from == from && head->to >= from && head->to < file->size;
    *size = part ? head->to - from + 1 : 0;
    ask_done(&ask);
    text_done(&url);
    if (why.code == ERR_CANCELLED && err) *err = why;
    return why.code != ERR_CANCELLED;
}

/* All as large as the first, and the last what is left; false when so many parts cannot be so. */
static bool guess_sizes(const PartSums *file, uint64_t first, uint64_t *sizes)
{
    const unsigned count = file->told->parts;
    uint64_t left = file->size;
    for (unsigned i = 0; i < count; i++) {
        sizes[i] = left < first ? left : first;
        left -= sizes[i];
    }
    return left == 0 && sizes[count - 1];
}

/* As the server says, one after the other; *known when it says all, and they are all of the file;
 * *guessed stays true while they are what they were. */
static bool ask_sizes(const PartSums *file, uint64_t *sizes, bool *known, bool *guessed, Error *err)
{
    uint64_t from = sizes[0];
    *known = true;
    for (unsigned i = 1; *known && i < file->told->parts; i++) {
        uint64_t size;
        if (!ask_size(file, i + 1, from, &size, err)) return false;
        *guessed = *guessed && size == sizes[i];
        *known = size != 0;
        sizes[i] = size;
        from += size;
    }
    *known = *known && from == file->size;
    return true;
}

/* n bytes from there on. */
static bool add_bytes(const PartSums *file, uint64_t at, uint64_t n, Checksum *sum,
                      unsigned char *buffer, Error *err)
{
    while (n) {
        const ssize_t got = pread(file->fd, buffer, n < PIECE ? (size_t)n : PIECE, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return error_errno(err, "%s: cannot read what came", file->place->shown);
        checksum_add(sum, buffer, (size_t)got);
        at += (uint64_t)got;
        n -= (uint64_t)got;
    }
    return true;
}

static bool sum_parts(const PartSums *file, const uint64_t *sizes, char is[CHECKSUM_TEXT],
                      Error *err)
{
    const ChecksumKind kind = file->told->kind;
    Checksum *whole = checksum_new(kind);
    unsigned char *buffer = mem_alloc(PIECE);
    bool fine = true;
    uint64_t at = 0;
    for (unsigned i = 0; fine && i < file->told->parts; at += sizes[i++]) {
        unsigned char digest[CHECKSUM_BYTES];
        Checksum *part = checksum_new(kind);
        fine = add_bytes(file, at, sizes[i], part, buffer, err);
        checksum_end_bytes(part, digest);
        checksum_add(whole, digest, checksum_bytes(kind));
    }
    checksum_end(whole, is);
    free(buffer);
    return fine;
}

static bool compare(const PartSums *file, const uint64_t *sizes, PartVerdict *verdict,
                    char is[CHECKSUM_TEXT], Error *err)
{
    const bool fine = sum_parts(file, sizes, is, err);
    *verdict = strcmp(is, file->told->text) == 0 ? PARTS_SAME : PARTS_DIFFER;
    return fine;
}

/* A guess that gives the sum was right; one that does not may have been wrong. */
static bool check_sizes(const PartSums *file, uint64_t *sizes, PartVerdict *verdict,
                        char is[CHECKSUM_TEXT], Error *err)
{
    bool guessed = guess_sizes(file, sizes[0], sizes), known;
    if (guessed && !compare(file, sizes, verdict, is, err)) return false;
    if (guessed && *verdict == PARTS_SAME) return true;
    if (!ask_sizes(file, sizes, &known, &guessed, err)) return false;
    if (known) return guessed || compare(file, sizes, verdict, is, err);
    *verdict = PARTS_UNKNOWN;
    return true;
}

bool part_sums_check(const PartSums *file, PartVerdict *verdict, char is[CHECKSUM_TEXT],
                     Error *err)
{
    uint64_t *sizes = mem_alloc(file->told->parts * sizeof *sizes);
    *verdict = PARTS_UNKNOWN;
    bool fine = ask_size(file, 1, 0, &sizes[0], err);
    if (fine && sizes[0]) fine = check_sizes(file, sizes, verdict, is, err);
    free(sizes);
    return fine;
}
