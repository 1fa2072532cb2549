/* InPlace: the keys of a checkpoint renamed in its own file, at a cost that does not grow with its
 * weights; and the way back.
 *
 * A kill at any write leaves the old file or the new one, or for formats that begin with their
 * header a journal beside it from which the next tenon makes one of the two. */
#ifndef LOADER_EXPORT_IN_PLACE_H
#define LOADER_EXPORT_IN_PLACE_H

#include "loader/export/options.h"
#include "loader/export/plan.h"

/* Whether files of that format can be renamed in place; the error says what they are. A folder is
 * the model's file or index in it, here and below (checkpoint_place). */
bool in_place_check(const Checkpoint *checkpoint, Error *err);
/* Renames in the source of the plan, which must be a pure rename; of a torch zip with
 * PlanOptions.whole. */
bool in_place_rename(const Plan *plan, ExportResult *result, Error *err);
/* Takes back the last change. */
bool in_place_undo(const char *path, Error *err);
/* What a kill has left of a change of the file is completed or taken back. *what (may be NULL)
 * receives a line that says so, "" when there was nothing. Does nothing for paths that are not
 * there. */
bool in_place_recover(const char *path, Text *what, Error *err);

#endif
