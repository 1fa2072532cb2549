/* File names that begin with a path; a file of its own, because <dirent.h> and the dtypes both
 * claim DT_UNKNOWN. */
#ifndef REPL_FILE_NAMES_H
#define REPL_FILE_NAMES_H

#include <stddef.h>

#include "loader/core/memory.h"

/* Calls `visit` for every file that `path` is the beginning of; folders end with a slash.
 * Hidden ones are left out unless their dot is there. */
void file_names(Arena *arena, const char *path, void (*visit)(void *context, const char *name),
                void *context);

#endif
