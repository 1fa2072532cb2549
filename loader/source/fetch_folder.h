/* FetchFolder: files of a RemoteFolder become files on this disk, several at a time. */
#ifndef LOADER_SOURCE_FETCH_FOLDER_H
#define LOADER_SOURCE_FETCH_FOLDER_H

#include "loader/source/fetch.h"
#include "loader/source/remote_folder.h"

typedef struct FetchedFolder {
    const char *path;            /* where they are: in the arena */
    Fetched *files;              /* [count] in the order that was given; in the arena */
    size_t count;
    uint64_t size;               /* of all of them */
} FetchedFolder;

/* Those of the folder whose indexes are given; `name` is what the user called it. They go below
 * options->out; where that is NULL, into the cache of huggingface_hub, or into a folder here that
 * is called like the last one of the name. What is there already and is the same stays, so that the
 * same call goes on where one before it ended. The first error stops all of them. `progress` is of
 * all files, and is called by this thread alone. */
bool fetch_folder(Arena *arena, const char *name, const RemoteFolder *folder,
                  const size_t *chosen, size_t count, const FetchOptions *options,
                  FetchedFolder *out, Error *err);

#endif
