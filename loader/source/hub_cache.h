/* Writes into the cache of huggingface_hub, so that it and whoever reads it find what was
 * downloaded: blobs/ETAG, refs/REVISION, snapshots/COMMIT/FILE → ../../blobs/ETAG. */
#ifndef LOADER_SOURCE_HUB_CACHE_H
#define LOADER_SOURCE_HUB_CACHE_H

#include "loader/source/hub.h"

/* A lock of a blob. Threads of one process wait for each other. */
typedef struct HubLock HubLock;

/* Locks it against other processes, too, huggingface_hub's among them; NULL with an error. */
HubLock *hub_cache_lock(Arena *arena, const HubName *name, const HubFile *file, Error *err);
void hub_cache_unlock(HubLock *lock);            /* NULL is fine */
/* FOLDER/blobs/ETAG */
const char *hub_cache_blob(Arena *arena, const HubName *name, const HubFile *file);
/* Makes the revision's reference and the snapshot's link to a blob that is there; the link's
 * path. */
const char *hub_cache_link(Arena *arena, const HubName *name, const HubFile *file, Error *err);

/* Notes which commit a revision is (refs/REVISION); nothing to note for a commit itself. */
bool hub_cache_note(Arena *arena, const HubName *name, const char *commit, Error *err);

#endif
