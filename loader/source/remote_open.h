/* The door to all places from which files can be read. */
#ifndef LOADER_SOURCE_REMOTE_OPEN_H
#define LOADER_SOURCE_REMOTE_OPEN_H

#include "loader/core/memory.h"
#include "loader/source/source.h"

/* Opens what a name means: a path, or a URL of file://, http://, https://, hf://, s3://, oss:// or
 * gs://. What the caches of huggingface_hub and torch.hub have is read from there. *note (may be
 * NULL) is what people should know about how it is read, a literal; NULL: nothing. */
ByteSource *source_open(const char *name, const char **note, Error *err);
/* Whether there is such a file or folder. A server that does not answer does not say that there is
 * none: opening it tells why. */
bool source_is_there(const char *name);
/* Whether a name is a folder, a whole repository of the hub, or a folder of a bucket. */
bool source_is_folder(const char *name);
/* The folder that a name without FILE means: a path as it is, a bucket's folder without its slash,
 * a repository with its commit, or the folder in the cache that it is read from. NULL, with an
 * error. Its files are those of directory_read, and their names are joined to it with '/'. */
const char *source_folder(Arena *arena, const char *name, Error *err);

#endif
