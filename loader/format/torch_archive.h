/* TorchArchive: the zip that PyTorch's own writer makes (caffe2/serialize/inline_container.cc),
 * whatever is in it: torch.save, TorchScript, torch.export, torch.package.
 *
 *   archive/…              the records, below one folder named after the file
 *   archive/NAME.pkl       a pickle; its tensors refer to storages by key
 *   archive/FOLDER/KEY     the bytes of each storage, stored, 64-byte aligned
 *   archive/version        "3\n", 1 to 10; or .data/version
 *   archive/byteorder      "little" or "big"; absent in older files
 */
#ifndef LOADER_FORMAT_TORCH_ARCHIVE_H
#define LOADER_FORMAT_TORCH_ARCHIVE_H

#include "loader/format/torch.h"
#include "loader/format/zip_kind.h"
#include "loader/format/zip_verify.h"

/* Bytes of a small record that are read. Fixed: they are numbers and words. */
enum { TORCH_SMALL_MAX = 64 };

typedef struct TorchArchive {
    Zip *zip;                    /* borrowed */
    const char *file;            /* its name, for errors; borrowed */
    Checkpoint *checkpoint;      /* being filled; borrowed */
    const char *prefix;          /* "archive/"; in the checkpoint's arena */
    ZipVerify *verify;           /* the checkpoint's; set by torch_archive_begin */
    bool big_endian;             /* values are stored big-endian */
    size_t deflated;             /* records of storages that are compressed */
} TorchArchive;

/* Where the storages of one pickle lie: record FOLDER + KEY + SUFFIX. */
typedef struct TorchRecords {
    const char *folder;          /* "data/" */
    const char *other;           /* where records lie that `folder` lacks, or NULL */
    const char *suffix;          /* ".storage" (torch.package), or "" */
    const Tensor *table;         /* tensors that the pickle refers to by number, or NULL */
    size_t table_count;
    Arena *nodes;                /* where the nodes go; NULL: into the checkpoint's arena */
    TorchArchive *archive;       /* set by torch_archive_load */
    const ZipMember *last;       /* that was found; NULL at first. The next is mostly behind it */
} TorchRecords;

/* A new checkpoint of that format name for the file, which owns the source. */
Checkpoint *torch_archive_new(TorchArchive *archive, OpenContext *context, ByteSource *source,
                              Zip *zip, const char *format);
/* Finds the archive's folder by a record that must be in it, checks version and byte order, and
 * notes what PyTorch would stumble over. */
bool torch_archive_begin(TorchArchive *archive, const char *marker, Error *err);
/* A record by its name below the archive's folder; NULL if none. */
const ZipMember *torch_archive_find(const TorchArchive *archive, const char *record);
/* The beginning of a small record as text, without white space at its end; "" and *found = false
 * when there is none. */
bool torch_archive_small(const TorchArchive *archive, const char *record,
                         char out[TORCH_SMALL_MAX + 1], bool *found, Error *err);
/* The bytes of a record that must be there, at most LIMIT_INDEX_BYTES, and a NUL; free() it. */
char *torch_archive_text(const TorchArchive *archive, const char *record, size_t *n, Error *err);
/* Reads a pickle and interprets it: `file` is as after torch_interpret; torch_done is the caller's
 * in any case. `records` must live until then. */
bool torch_archive_load(TorchArchive *archive, const char *record, TorchRecords *records,
                        TorchFile *file, Error *err);
/* A record as a Storage of its own: bytes without a pickle that names a key. NULL, with an error
 * without the file's name, when it is not there. */
Storage *torch_archive_storage(TorchArchive *archive, const char *record, Error *err);
/* What is told of the storages together; no more of them are opened. */
void torch_archive_end(TorchArchive *archive);

#endif
