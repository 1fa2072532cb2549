/* ZipKind: one kind of checkpoint that is a zip file, told by the names of its members. A new kind
 * is one file and one row in zip_kinds.c, which opens the directory once and asks each in turn. */
#ifndef LOADER_FORMAT_ZIP_KIND_H
#define LOADER_FORMAT_ZIP_KIND_H

#include "loader/format/format.h"
#include "loader/source/zip.h"

typedef struct ZipKind {
    const char *name;            /* as in reports: "torch-zip", "npz" */
    /* Whether it is of that kind, by the names of its members alone: nothing is read. */
    bool (*matches)(const Zip *zip);
    /* Reads what describes the tensors, never the values. `zip` is the source's directory; both are
     * borrowed (member sources that stay keep the zip, own the source with checkpoint_own_source).
     * Its error is final: no other kind is asked. */
    Checkpoint *(*open)(OpenContext *context, ByteSource *source, Zip *zip, Error *err);
} ZipKind;

extern const ZipKind zip_script, zip_script_old, zip_torch, zip_export, zip_package, zip_npz,
    zip_keras, zip_inner;

/* A checkpoint that was found in a zip, and will be adopted as `name`, counts against LIMIT_TENSORS
 * with all others: each file may do only so much, but there may be thousands. False, with an error,
 * when *total is too much; the checkpoint is let go then. */
bool zip_count_inner(Checkpoint *inner, const char *name, uint64_t *total, const char *file,
                     Error *err);

/* For `matches` and `open`. Whether there is a member of that name, at the top or in whatever first
 * folder: the archive's own folder is not known while its kind is not. */
bool zip_has_member(const Zip *zip, const char *name);
/* The same for a file at whatever depth: re-zipping by hand adds folders. */
bool zip_has_file(const Zip *zip, const char *name);
/* Files, that is members that are no folders, whose name ends so ("" = all), less what a Mac puts
 * into the zips that it makes (__MACOSX/…). */
size_t zip_count_files(const Zip *zip, const char *suffix);
/* Whether a member is such a file. */
bool zip_is_file(const ZipMember *member);
/* A member by its name in a folder ("archive/"); NULL if none. */
const ZipMember *zip_find_in(const Zip *zip, const char *folder, const char *name);

#endif
