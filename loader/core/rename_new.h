/* A file's name for good, where nothing may be replaced. */
#ifndef LOADER_CORE_RENAME_NEW_H
#define LOADER_CORE_RENAME_NEW_H

#include <stdbool.h>

/* Renames, and replaces nothing: false and errno, EEXIST where something has that name. In one step
 * where system and file system can, so that nobody can come in between; else it is looked first. */
bool rename_new(const char *from, const char *to);

#endif
