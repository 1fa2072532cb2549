/* RemoteFolder: what a repository of the hub, or a folder of a bucket, holds. */
#ifndef LOADER_SOURCE_REMOTE_FOLDER_H
#define LOADER_SOURCE_REMOTE_FOLDER_H

#include "loader/core/error.h"
#include "loader/core/memory.h"
#include "loader/source/remote_file.h"

typedef struct RemoteFolder {
    const char *base;            /* "hf://ORG/REPO@COMMIT", "s3://BUCKET/PREFIX": a file's URL is
                                    this, '/' and its name */
    const RemoteFile *files;     /* sorted as people sort; also those of folders in it */
    size_t count;
} RemoteFolder;

/* Whether a name is one: hf://ORG/REPO[@REVISION], or s3://, oss://, gs:// with a slash at the
 * end. */
bool remote_folder_is(const char *name);
/* Asks for the listing; everything in the arena. `sizes`: the files' too. */
bool remote_folder_list(Arena *arena, const char *name, bool sizes, RemoteFolder *out, Error *err);

#endif
