/* Files that are read whole, as text: rules, settings, plans, what PyTorch has printed. All give
 * malloc'd memory with a NUL behind its n bytes, or NULL and an error that names the file. */
#ifndef LOADER_SOURCE_FILE_TEXT_H
#define LOADER_SOURCE_FILE_TEXT_H

#include <stddef.h>

#include "loader/core/error.h"

/* A regular file of at most `limit` bytes; more is ERR_LIMIT. For names that tenon finds itself,
 * in a folder that is anybody's: a pipe there would never end. */
char *file_text(const char *path, size_t limit, size_t *n, Error *err);
/* The same for a name that the user has typed, which may be a pipe, as a shell's <(command) is, or
 * a terminal: that is read to its end, and gives its bytes once. */
char *file_text_given(const char *path, size_t limit, size_t *n, Error *err);
/* What is left of a descriptor, which stays open; `name` is for errors. */
char *file_text_of(int fd, const char *name, size_t limit, size_t *n, Error *err);

#endif
