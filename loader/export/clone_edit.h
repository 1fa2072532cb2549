/* CloneEdit: a file with another beginning and the same blocks behind it, renamed into the place of
 * the first; for file systems that clone (btrfs, XFS), where no value is copied. */
#ifndef LOADER_EXPORT_CLONE_EDIT_H
#define LOADER_EXPORT_CLONE_EDIT_H

#include "loader/core/text.h"
#include "loader/export/edit.h"

/* Makes such a file beside it (".NAME.tenon-clone"): `begin`, then what stands in `file` from byte
 * `from` on; both lengths lie alike in blocks of 4096 bytes. It is synced; `fresh` is it, with the
 * path of the file, and locked. False, with errno, where that cannot be done: nothing is left. */
bool clone_make(const EditFile *file, const Text *begin, uint64_t from, EditFile *fresh);
/* Renames it into the place of `file`, which becomes it. False, with the error, and both as they
 * were. Ends `fresh` in any case. */
bool clone_place(EditFile *file, EditFile *fresh, Error *err);
/* Removes what a kill has left of one. */
void clone_clear(const EditFile *file);
/* Gives it up. */
void clone_discard(EditFile *fresh);

#endif
