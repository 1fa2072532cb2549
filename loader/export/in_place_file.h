/* One file of a checkpoint in place, whichever of the two ways its format takes. */
#ifndef LOADER_EXPORT_IN_PLACE_FILE_H
#define LOADER_EXPORT_IN_PLACE_FILE_H

#include "loader/core/text.h"
#include "loader/export/plan.h"

/* Whether files of that format can be renamed in place; the error says what they are. */
bool in_place_file_check(const Checkpoint *checkpoint, Error *err);
/* As in_place_rename, for a plan whose source is the file at `path`; *bytes becomes its size. */
bool in_place_file_rename(const Plan *plan, const char *path, uint64_t *bytes, Error *err);
bool in_place_file_undo(const char *path, Error *err);
bool in_place_file_recover(const char *path, Text *what, Error *err);

#endif
