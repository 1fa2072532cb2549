/* The entries of a folder. A file of its own: <dirent.h> has a DT_UNKNOWN, as dtypes do. */
#ifndef LOADER_SOURCE_DIRECTORY_H
#define LOADER_SOURCE_DIRECTORY_H

#include "loader/core/error.h"
#include "loader/core/memory.h"

/* Names without "." and "..", sorted as people sort, so that nothing depends on the order of the
 * file system. A repository of the hub (hf://ORG/REPO) is a folder too, and one of a
 * bucket (s3://BUCKET/FOLDER, without a slash at its end). List and names are in the
 * arena. The error names the folder; more than LIMIT_FOLDER_FILES are one: what is passed over
 * could be what matters. */
bool directory_read(Arena *arena, const char *path, const char *const **names, size_t *count,
                    Error *err);

#endif
