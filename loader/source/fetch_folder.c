/* Threads that take the next file until there is none, and one that tells how far they are. */
#include "loader/source/fetch_folder.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/job.h"
#include "loader/source/hub_cache.h"

enum { FETCHERS = 4, LOOK = 50 };

typedef struct Crew {
    const RemoteFolder *folder;      /* borrowed, as are the next three */
    const size_t *chosen;
    const FetchOptions *options;
    FetchedFolder *out;
    const char *base;                /* folder for the files; NULL: the cache */
    pthread_mutex_t lock;            /* over all below, and over the arena */
    Arena *arena;                    /* borrowed: what stays */
    size_t next;                     /* the first that nobody has taken */
    uint64_t *done;                  /* [count] bytes of each so far; owned */
    bool failed;
    Error err;                       /* the first one */
    Job *job;
} Crew;

/* One file on its way. */
typedef struct Course {
    Crew *crew;
    size_t at;
} Course;

/* FetchOptions.progress of one file. */
static bool note_bytes(void *context, uint64_t done, uint64_t total)
{
    Course *course = context;
    Crew *crew = course->crew;
    (void)total;
    pthread_mutex_lock(&crew->lock);
    crew->done[course->at] = done;
    bool go_on = !crew->failed;
    pthread_mutex_unlock(&crew->lock);
    return go_on && !job_is_stopped();
}

static bool fetch_one(Crew *crew, Arena *arena, size_t at, Fetched *out, Error *err)
{
    Course course = {crew, at};
    const RemoteFile *file = &crew->folder->files[crew->chosen[at]];
    FetchOptions options = *crew->options;
    options.keep = true;
    options.out = crew->base ? arena_printf(arena, "%s/%s", crew->base, file->name) : NULL;
    options.size = file->has_size ? &file->size : NULL;
    options.progress = note_bytes;
    options.context = &course;
    return fetch_file(arena, arena_printf(arena, "%s/%s", crew->folder->base, file->name),
                      &options, out, err);
}

static void *work(void *context)
{
    Crew *crew = context;
    for (;;) {
        pthread_mutex_lock(&crew->lock);
        size_t at = crew->failed ? crew->out->count : crew->next;
        if (at < crew->out->count) crew->next++;
        pthread_mutex_unlock(&crew->lock);
        if (at == crew->out->count) return NULL;
        Arena *arena = arena_new();
        Fetched fetched;
        Error err = {0};
        bool fine = fetch_one(crew, arena, at, &fetched, &err);
        pthread_mutex_lock(&crew->lock);
        if (fine) {
            fetched.path = arena_strdup(crew->arena, fetched.path);
            if (fetched.verified) fetched.verified = arena_strdup(crew->arena, fetched.verified);
            crew->out->files[at] = fetched;
            crew->done[at] = fetched.size;
        } else if (!crew->failed) {
            crew->failed = true;
            crew->err = err;
        }
        bool failed = crew->failed;
        pthread_mutex_unlock(&crew->lock);
        arena_free(arena);
        if (failed) job_cancel(crew->job);       /* the others wait for servers */
    }
}

/* JobRun. */
static bool run(Job *job, void *context, Error *err)
{
    Crew *crew = context;
    pthread_t threads[FETCHERS];
    size_t started = 0;
    crew->job = job;
    while (started + 1 < FETCHERS && started + 1 < crew->out->count &&
           job_thread(&threads[started], work, crew))
        started++;
    work(crew);
    while (started) pthread_join(threads[--started], NULL);
    if (crew->failed && err) *err = crew->err;
    return !crew->failed;
}

/* All files together. */
static bool report(Crew *crew)
{
    uint64_t done = 0, total = 0;
    const FetchOptions *options = crew->options;
    if (!options->progress) return true;
    pthread_mutex_lock(&crew->lock);
    for (size_t i = 0; i < crew->out->count; i++) {
        const RemoteFile *file = &crew->folder->files[crew->chosen[i]];
        done += crew->done[i];
        total += file->has_size ? file->size : crew->done[i];
    }
    pthread_mutex_unlock(&crew->lock);
    return options->progress(options->context, done, total);
}

static bool fetch_all(Crew *crew, Error *err)
{
    Job *job = job_start(run, crew);
    while (!job_wait(job, LOOK))
        if (!report(crew)) job_cancel(job);
    bool fine = job_free(job, err);
    for (size_t i = 0; i < crew->out->count; i++) crew->out->size += crew->out->files[i].size;
    return fine;
}

/* "prefix" of s3://bucket/some/prefix/; the bucket, where there is none. */
static const char *last_folder(Arena *arena, const char *base)
{
    const char *last = strrchr(base, '/') + 1;
    return arena_strdup(arena, last);
}

/* The revision is noted when all of its files are there. */
static bool finish_cache(Arena *arena, const char *name, const char *base, FetchedFolder *out,
                         Error *err)
{
    HubName hub, pinned;
    if (!hub_name_parse(arena, name, &hub, err) || !hub_name_parse(arena, base, &pinned, err))
        return false;
    out->path = hub_snapshot(arena, &hub, pinned.revision);
    return hub_cache_note(arena, &hub, pinned.revision, err);
}

bool fetch_folder(Arena *arena, const char *name, const RemoteFolder *folder,
                  const size_t *chosen, size_t count, const FetchOptions *options,
                  FetchedFolder *out, Error *err)
{
    bool cached = !options->out && url_has_scheme(name, "hf");
    *out = (FetchedFolder){.count = count};
    out->files = arena_alloc(arena, (count + 1) * sizeof *out->files);
    out->path = options->out ? options->out : last_folder(arena, folder->base);
    Crew crew = {.folder = folder, .chosen = chosen, .options = options, .out = out,
                 .base = cached ? NULL : out->path, .arena = arena};
    crew.done = mem_alloc((count + 1) * sizeof *crew.done);
    pthread_mutex_init(&crew.lock, NULL);
    bool fine = fetch_all(&crew, err);
    pthread_mutex_destroy(&crew.lock);
    free(crew.done);
    return fine && (!cached || finish_cache(arena, name, folder->base, out, err));
}
