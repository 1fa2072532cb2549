/* GlobalScan: every pickle of a file or folder, read for the names in it. It asks no format and
 * opens no checkpoint, so a file that tenon refuses, or that is hostile, is scanned all the same;
 * and a format that is added later cannot forget to report its pickles.
 *
 * Looked into: streams of pickles (also behind a first STOP), the members of zips and tars, object
 * arrays of NumPy, bytes inside of pickles that are pickles or zips again. Not looked into: the
 * storages of a torch file, which nobody unpickles. */
#ifndef LOADER_FORMAT_GLOBALS_SCAN_H
#define LOADER_FORMAT_GLOBALS_SCAN_H

#include "loader/core/error.h"
#include "loader/core/map.h"
#include "loader/format/globals.h"
#include "loader/source/source.h"

enum {
    GLOBAL_PLACES = 8,           /* places of a name that are kept; further ones are counted */
    SCAN_ERRORS = 20             /* the same for errors of a file */
};

/* Where a name stands first in one pickle. */
typedef struct GlobalPlace {
    const char *member;      /* "archive/data.pkl"; "" = the file itself; held name */
    uint64_t byte;           /* of the opcode, in the member */
    const char *path;        /* in the object tree; NULL: the pickle did not come to its end */
} GlobalPlace;

typedef struct GlobalUse {
    const char *module, *name;   /* held names */
    const char *way;             /* as PickleName.way */
    const char *opcode;          /* that named it first */
    const char *reason;          /* for the verdict */
    GlobalVerdict verdict;
    unsigned uses;               /* GLOBAL_USES of pickle_log.h */
    uint64_t count, calls;       /* over all pickles */
    size_t place_count;          /* in how many pickles */
    GlobalPlace places[GLOBAL_PLACES];
} GlobalUse;

/* One pickle that was read. */
typedef struct ScannedPickle {
    const char *member;      /* as in GlobalPlace */
    uint64_t byte, bytes;    /* where it begins in the member, its length as far as it was read */
    int protocol;            /* -1: it does not say */
    size_t names;            /* different ones in it */
    size_t left_out;         /* namings beyond PICKLE_LOG_MAX */
    const char *error;       /* why it ended early, or NULL */
    const char *refusal;     /* torch's, or NULL: its unpickler would take it */
    uint64_t refusal_byte;
} ScannedPickle;

typedef enum ScanTorch {
    SCAN_NO_TORCH,           /* no file that torch.save wrote */
    SCAN_LOADS, SCAN_REFUSES
} ScanTorch;

/* One file. */
typedef struct ScannedFile {
    const char *path;        /* as errors call it */
    const char **errors;     /* [error_count or SCAN_ERRORS]: it, or parts of it, could not be read;
                                in the arena, in the order in which they were met */
    size_t error_count;
    ScanTorch torch;         /* what torch.load(weights_only=True) does */
    const char *refusal;     /* the reason it gives; NULL: it loads */
    int protocol;            /* other than 2, of which torch warns; else 0 */
    size_t pickles;          /* that were found in it */
} ScannedFile;

typedef struct GlobalScan {
    Arena *arena;            /* all texts; owned */
    GlobalUse *uses;         /* owned; dangerous ones first, then unknown, then allowed */
    size_t use_count, use_room;
    ScannedPickle *pickles;  /* owned; in file order */
    size_t pickle_count, pickle_room;
    ScannedFile *files;      /* owned; one, or those of a folder */
    size_t file_count, file_room;
    NameMap index;           /* of uses */
    uint64_t read;           /* bytes of pickles that were read so far, each as often as it was */
    uint64_t inflated;       /* bytes of deflated members that were looked into so far */
    bool cut;                /* more pickles than LIMIT_SCANNED */
} GlobalScan;

void scan_init(GlobalScan *scan);
void scan_done(GlobalScan *scan);
/* A file, or the files of a folder and of the folders in it. False only when `path` itself cannot
 * be read; what is wrong inside stands in the scan. */
bool scan_path(GlobalScan *scan, const char *path, Error *err);
/* Bytes. */
void scan_source(GlobalScan *scan, ByteSource *source);
/* The worst verdict of all names; GLOBAL_ALLOWED when there are none. */
GlobalVerdict scan_worst(const GlobalScan *scan);

/* --- between the files of this module ------------------------------------------------- */

/* One file of the scan, called `path`. */
void scan_file(GlobalScan *scan, ByteSource *source, const char *path);
/* A file that could not be looked at, and why. */
void scan_unread(GlobalScan *scan, const char *path, const char *text);
/* The record of a name over all pickles, made when it is the first of it. */
struct PickleName;
GlobalUse *scan_find_use(GlobalScan *scan, const struct PickleName *name);
/* The order of `uses`; once, at the end. */
void scan_sort(GlobalScan *scan);

#endif
