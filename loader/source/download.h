/* Download: a file of a server, whole, on this disk: gathered beside its place, verified, and only
 * then renamed into it.
 *
 *   PATH.partial         what came so far; locked while a process adds to it
 *   PATH.partial.etag    of which version it is, so that a later download goes on from there */
#ifndef LOADER_SOURCE_DOWNLOAD_H
#define LOADER_SOURCE_DOWNLOAD_H

#include "loader/source/ask.h"
#include "loader/source/checksum.h"

typedef struct Download {
    const char *path;            /* what it becomes; its folder is made */
    bool replace;                /* a file that is there already */
    const char *sha256;          /* what its SHA-256 begins with; NULL: not known */
    const char *git;             /* git's hash of it; NULL: not known */
    bool has_size;
    uint64_t size;               /* what it must have */
    /* How far it is; false: stop. NULL: nobody asks. */
    bool (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
} Download;

typedef struct Downloaded {
    uint64_t size;
    char sha256[CHECKSUM_TEXT];
    const char *told;            /* the kind of checksum that its server tells, and that it has: a
                                    literal; NULL: it tells none */
    bool parts;                  /* that is of the checksums of its parts */
} Downloaded;

/* From `url`, or where that is NULL from the place's own. What came is kept when it ends early,
 * where its server says which version it is; the error says so. */
bool download(RemotePlace *place, const char *url, const Download *how, Downloaded *out,
              Error *err);
/* The same from a file on this disk. */
bool download_copy(const char *from, const Download *how, Downloaded *out, Error *err);
/* Makes a folder and those that it lies in. */
bool download_make_folder(const char *path, Error *err);
/* A descriptor, to be closed; -1, with an error, when another process has the lock: nobody waits.
 * `what` is what is locked, for people. */
int download_lock(const char *path, const char *what, Error *err);

#endif
