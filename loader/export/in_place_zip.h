/* Torch zips in place: a new pickle and a new directory behind the old end.
 *
 *   before      members | directory | ends
 *   1           members | directory | ends | hole … hole | copy of the ends         one small write
 *   2           members | directory | ends | pickle, undo, new directory | copy of the ends
 *   3           members | directory | ends | pickle, undo, new directory | new ends  one sector
 *
 * After 1 and 2 a reader finds the old directory through the copy, after 3 the new one. The old
 * pickle, directory and ends stay; the record .tenon/undo says how long the file was, which is all
 * that taking it back needs: the ends become the copy again, and the file is cut. */
#ifndef LOADER_EXPORT_IN_PLACE_ZIP_H
#define LOADER_EXPORT_IN_PLACE_ZIP_H

#include "loader/export/edit.h"
#include "loader/export/renames.h"
#include "loader/source/zip.h"

/* The plan has its `whole`. The file ends as before when this fails. */
bool in_place_zip_rename(EditFile *file, const Renames *renames, Error *err);
/* *done: there was something to take back. */
bool in_place_zip_undo(EditFile *file, bool *done, Error *err);
/* Cuts off what a kill between 1 and 3 has left behind the ends. *done: there was such a thing. */
bool in_place_zip_heal(EditFile *file, bool *done, Error *err);

#endif
