/* As huggingface_hub/file_download.py does it; every file and link appears by a rename. */
#include "loader/source/hub_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/core/random_name.h"
#include "loader/core/write_all.h"
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

/* A name of its own beside `path`: several threads, processes and hosts may make the same file at
 * once. */
static bool name_beside(const char *path, Text *made)
{
    text_clear(made);
    text_add(made, path);
    return random_name_add(made);
}

/* Sets the error for errno, and removes what has its name still. */
static bool fail_placing(const char *path, const char *made, Error *err)
{
    error_errno(err, "%s", path);
    if (made) unlink(made);
    return false;
}

/* A small file, whole. */
static bool put_text(const char *path, const char *text, Error *err)
{
    Text made = {0};
    int fd = -1;
    if (!make_parents(path, err)) return false;
    for (int tries = 0; tries < RANDOM_NAME_TRIES && name_beside(path, &made); tries++) {
        fd = open(made.bytes, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) break;
    }
    const bool created = fd >= 0;
    bool fine = created && write_all(fd, text, strlen(text));
    if (created) fine = close(fd) == 0 && fine;
    fine = (fine && rename(made.bytes, path) == 0) ||
           fail_placing(path, created ? made.bytes : NULL, err);
    text_done(&made);
    return fine;
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
    if (access(tag, F_OK) != 0 && !put_text(tag, cache_tag, err)) return -1;
    const char *lock = arena_printf(arena, "%s/.locks/%s/%s.lock", cache, path_base(folder),
                                    file->etag);
    return make_parents(lock, err) ? download_lock(lock, hub_spell(arena, name), err) : -1;
}

const char *hub_cache_blob(Arena *arena, const HubName *name, const HubFile *file)
{
    return arena_printf(arena, "%s/blobs/%s", hub_folder(arena, name), file->etag);
}

/* "../../blobs/ETAG", with one more "../" for each folder of the file. */
static void make_target(const HubName *name, const HubFile *file, Text *target)
{
    text_add(target, "../../");
    for (const char *p = name->file; *p; p++)
        if (*p == '/') text_add(target, "../");
    text_addf(target, "blobs/%s", file->etag);
}

/* Where there are no symbolic links, the blob itself stands in the snapshot, as with
 * huggingface_hub. */
static bool put_link(Arena *arena, const HubName *name, const HubFile *file, const char *path,
                     Error *err)
{
    Text target = {0}, made = {0};
    bool created = false;
    if (!make_parents(path, err)) return false;
    make_target(name, file, &target);
    for (int tries = 0; tries < RANDOM_NAME_TRIES && name_beside(path, &made); tries++) {
        created = symlink(text_string(&target), made.bytes) == 0;
        if (created || errno != EEXIST) break;
    }
    bool fine = created ? rename(made.bytes, path) == 0
                        : errno != EEXIST && rename(hub_cache_blob(arena, name, file), path) == 0;
    fine = fine || fail_placing(path, created ? made.bytes : NULL, err);
    text_done(&target);
    text_done(&made);
    return fine;
}

bool hub_cache_note(Arena *arena, const HubName *name, const char *commit, Error *err)
{
    if (strcmp(name->revision, commit) == 0) return true;
    return put_text(arena_printf(arena, "%s/refs/%s", hub_folder(arena, name), name->revision),
                    commit, err);
}

const char *hub_cache_link(Arena *arena, const HubName *name, const HubFile *file, Error *err)
{
    const char *path = hub_snapshot(arena, name, file->commit);
    bool fine = put_link(arena, name, file, path, err) &&
                hub_cache_note(arena, name, file->commit, err);
    return fine ? path : NULL;
}
