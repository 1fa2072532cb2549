/* As huggingface_hub/file_download.py does it; every file and link appears by a rename. */
#include "loader/source/hub_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/core/clock.h"
#include "loader/core/job.h"
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

/* ---- locks ---- */

struct HubLock {
    char *path;          /* owned */
    int fd;              /* -1: it was not to be had */
    HubLock *next;
};

/* Those of this process: two descriptors of a file shut each other out as two processes do, but
 * threads wait. */
static pthread_mutex_t held_guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t held_fewer = PTHREAD_COND_INITIALIZER;
static HubLock *held;

static bool is_held(const char *path)
{
    for (const HubLock *one = held; one; one = one->next)
        if (strcmp(one->path, path) == 0) return true;
    return false;
}

/* Waits while another thread has it, and looks now and then whether the job is to stop. */
static HubLock *hold(const char *path, Error *err)
{
    enum { LOOK = 50 };                  /* milliseconds */
    HubLock *lock = NULL;
    bool stopped = false;
    pthread_mutex_lock(&held_guard);
    while (is_held(path) && !(stopped = job_is_stopped())) {
        const struct timespec until = clock_after(LOOK);
        pthread_cond_timedwait(&held_fewer, &held_guard, &until);
    }
    if (!stopped) {
        lock = mem_alloc(sizeof *lock);
        *lock = (HubLock){.path = mem_strdup(path), .fd = -1, .next = held};
        held = lock;
    }
    pthread_mutex_unlock(&held_guard);
    if (stopped) error_set(err, ERR_CANCELLED, "stopped");
    return lock;
}

void hub_cache_unlock(HubLock *lock)
{
    if (!lock) return;
    if (lock->fd >= 0) close(lock->fd);
    pthread_mutex_lock(&held_guard);
    HubLock **at = &held;
    while (*at != lock) at = &(*at)->next;
    *at = lock->next;
    pthread_cond_broadcast(&held_fewer);
    pthread_mutex_unlock(&held_guard);
    free(lock->path);
    free(lock);
}

HubLock *hub_cache_lock(Arena *arena, const HubName *name, const HubFile *file, Error *err)
{
    const char *cache = hub_cache(arena), *folder = hub_folder(arena, name);
    if (!cache) {
        error_set(err, ERR_NOT_FOUND, "there is no HOME to keep a cache in; set HF_HUB_CACHE, or "
                  "name the file with -o");
        return NULL;
    }
    const char *tag = arena_printf(arena, "%s/CACHEDIR.TAG", cache);
    if (access(tag, F_OK) != 0 && !put_text(tag, cache_tag, err)) return NULL;
    const char *path = arena_printf(arena, "%s/.locks/%s/%s.lock", cache, path_base(folder),
                                    file->etag);
    HubLock *lock = make_parents(path, err) ? hold(path, err) : NULL;
    if (lock) lock->fd = download_lock(path, hub_spell(arena, name), err);
    if (!lock || lock->fd >= 0) return lock;
    hub_cache_unlock(lock);
    return NULL;
}

/* ---- what is in it ---- */

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
