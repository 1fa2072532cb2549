/* HistoryFile: the lines that were entered at any prompt, in one file of all of them. */
#ifndef REPL_HISTORY_FILE_H
#define REPL_HISTORY_FILE_H

#include "loader/core/error.h"
#include "viewer/line.h"

enum {
    HISTORY_ENTRY_MAX = 4096,        /* bytes of an entry that is kept */
    HISTORY_BYTES_MAX = 256 << 10    /* of the file; beyond it the older half goes */
};

/* $XDG_STATE_HOME/tenon/history, in the arena; NULL without a home. */
const char *history_file_path(Arena *arena);
/* Puts the entries, oldest first, behind those that are there; a file that is not there has
 * none. */
bool history_file_read(const char *path, History *history, Error *err);
/* Adds one entry, as one write under a lock: entries of several processes stand one behind the
 * other, whole. Blank and very long ones are not kept, nor what URLs hide (url_hide). */
bool history_file_add(const char *path, const char *entry, Error *err);

#endif
