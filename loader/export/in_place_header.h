/* Files that begin with their header (.safetensors, GGUF) in place.
 *
 * The new header is written over the old one when it fits in its place. Else, where the file
 * system clones, a file is made whose values are the same blocks, and renamed into the place
 * (clone_edit.h); or as many blocks as are missing are inserted before the header, without moving a
 * value (Linux: FALLOC_FL_INSERT_RANGE). A journal (journal.h) is there before anything is changed,
 * and is what undo goes by. */
#ifndef LOADER_EXPORT_IN_PLACE_HEADER_H
#define LOADER_EXPORT_IN_PLACE_HEADER_H

#include "loader/export/edit.h"
#include "loader/export/renames.h"

/* On failure the file is as before. Where neither can be done the error tells what -o costs. */
bool in_place_header_rename(EditFile *file, const Renames *renames, Error *err);
/* *done: there was something to take back. */
bool in_place_header_undo(EditFile *file, bool *done, Error *err);
/* What a kill has left half done is completed, or where nothing had been changed yet, dropped.
 * *what receives a line that says so; "" when there was nothing. */
bool in_place_header_recover(EditFile *file, Text *what, Error *err);

#endif
