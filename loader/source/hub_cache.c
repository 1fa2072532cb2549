/* As huggingface_hub/file_download.py does it; every file and link appears by a rename. */
#include "loader/source/hub_cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/source/download.h"

static const char cache_tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n";

/* The folder of a path. */
static bool make_parents(const char *path, Error *err)
{
    char *folder = path_folder(path);
    bool fine = download_make_folder(folder, err);
    free(folder);
    return fine;
}

/* A small file, whole. */
static bool put_text(Arena *arena, const char *path, const char *text, Error *err)
{
    const char *made = arena_printf(arena, "%s.%ld.tmp", path, (long)getpid());
    FILE *file = make_parents(path, err) ? fopen(made, "w") : NULL;
    bool fine = file && fputs(text, file) >= 0;
    if (file) fine = fclose(file) == 0 && fine;
    if (fine && rename(made, path) == 0) return true;
    if (file) error_errno(err, "%s", path);
    unlink(made);
    return false;
}

int hub_cache_lock(Arena *arena, const HubName *name, const HubFile *file, Error *err)
{
    const char *cache = hub_cache(arena), *folder = hub_folder(arena, name);
    if (!cache) {
        error_set(err, ERR_NOT_FOUND, "there is no HOME to keep a cache in; set HF_HUB_CACHE, or "
                  "name the file with -o");
        return -1;
    }
    const char *tag = arena_printf(arena, "%s/CACHEDIR.TAG", cache);
    if (access(tag, F_OK) != 0 && !put_text(arena, tag, cache_tag, err)) return -1;
    const char *lock = arena_printf(arena, "%s/.locks/%s/%s.lock", cache, path_base(folder),
                                    file->etag);
    return make_parents(lock, err) ? download_lock(lock, hub_spell(arena, name), err) : -1;
}

const char *hub_cache_blob(Arena *arena, const HubName *name, const HubFile *file)
{
    return arena_printf(arena, "%s/blobs/%s", hub_folder(arena, name), file->etag);
}

/* "../../blobs/ETAG", with one more "../" for each folder of the file. Where there are no symbolic
 * links, the blob itself stands in the snapshot, as with huggingface_hub. */
static bool put_link(Arena *arena, const HubName *name, const HubFile *file, const char *path,
                     Error *err)
{
    Text target = {0};
    text_add(&target, "../../");
    for (const char *p = name->file; *p; p++)
        if (*p == '/') text_add(&target, "../");
    text_addf(&target, "blobs/%s", file->etag);
    const char *made = arena_printf(arena, "%s.%ld.tmp", path, (long)getpid());
    unlink(made);
    bool fine = make_parents(path, err);
    if (fine && symlink(text_string(&target), made) != 0)
        fine = errno != EEXIST && rename(hub_cache_blob(arena, name, file), made) == 0;
    if (fine && rename(made, path) != 0) fine = error_errno(err, "%s", path);
    text_done(&target);
    return fine;
}

bool hub_cache_note(Arena *arena, const HubName *name, const char *commit, Error *err)
{
    if (strcmp(name->revision, commit) == 0) return true;
    return put_text(arena, arena_printf(arena, "%s/refs/%s", hub_folder(arena, name),
                                        name->revision), commit, err);
}

const char *hub_cache_link(Arena *arena, const HubName *name, const HubFile *file, Error *err)
{
    const char *path = hub_snapshot(arena, name, file->commit);
    bool fine = put_link(arena, name, file, path, err) &&
                hub_cache_note(arena, name, file->commit, err);
    return fine ? path : NULL;
}
