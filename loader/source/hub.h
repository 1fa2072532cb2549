/* The Hugging Face hub: what it says of a file or a repository, and what its cache has of them. */
#ifndef LOADER_SOURCE_HUB_H
#define LOADER_SOURCE_HUB_H

#include "loader/source/ask.h"
#include "loader/source/remote_file.h"

typedef struct HubFile {
    const char *commit;      /* what the revision is; NULL: it did not say */
    const char *etag;        /* the name of its blob in the cache: the SHA-256 of its bytes (64
                                digits), or git's hash of them (40); NULL: none that could be one */
    uint64_t size;
    bool has_size;
    const char *url;         /* where its bytes are; may be signed, and asks for no token */
} HubFile;

/* Asks for the header alone. Strings in the arena. */
bool hub_ask(RemotePlace *place, Arena *arena, HubFile *out, Error *err);
/* Where the cache has the file for as long as nobody asks the hub: a commit's file, or, offline,
 * the revision's as it was when it was last asked for. NULL: it has not, which offline is an
 * error. */
const char *hub_find_cached(Arena *arena, const HubName *name, Error *err);
/* Where the cache has the file that the hub means; NULL: it has not. */
const char *hub_find_blob(Arena *arena, const HubName *name, const HubFile *file);
/* The folder of a repository in the cache, where it is to be read from there: offline. NULL: the
 * hub is to be asked; offline that is an error. */
const char *hub_find_folder(Arena *arena, const HubName *name, Error *err);
/* All files of a repository, those in its folders among them, in the order of their names, and the
 * commit they are of. `sizes`: with their sizes, which takes the hub longer. */
bool hub_list(Arena *arena, const HubName *name, bool sizes, const char **commit,
              const RemoteFile **files, size_t *count, Error *err);

#endif
