/* EditFile: a file that is changed where it lies: by one process at a time, in writes that are
 * synced one after the other. */
#ifndef LOADER_EXPORT_EDIT_H
#define LOADER_EXPORT_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "loader/core/error.h"

typedef struct EditFile {
    char *path;              /* owned; with symbolic links followed */
    int fd;
    uint64_t size;           /* in bytes; follows the changes */
    dev_t device;            /* which file it is */
    ino_t node;
} EditFile;

/* Opens an existing regular file for changes and locks it against other tenons. On failure there is
 * nothing to close. */
bool edit_open(EditFile *file, const char *path, Error *err);
void edit_close(EditFile *file);
bool edit_read(const EditFile *file, uint64_t at, void *out, size_t n, Error *err);
/* Writes and syncs. */
bool edit_write(EditFile *file, uint64_t at, const void *bytes, size_t n, Error *err);
/* Ends the file there, and syncs. */
bool edit_cut(EditFile *file, uint64_t size, Error *err);

#endif
