/* What a name means, and the first question: its answer says how large the file is, whether parts
 * of it can be had, and brings its first bytes. */
#include "loader/source/remote_open.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader/core/limits.h"
#include "loader/source/hub.h"
#include "loader/source/opened.h"
#include "loader/source/remote.h"
#include "loader/source/remote_folder.h"
#include "loader/source/spool.h"
#include "loader/source/torch_hub.h"

/* ---- the first question ---- */

/* Its answer while it comes. */
typedef struct Probe {
    Ask ask;
    const char *shown;           /* borrowed from the place */
    RemoteVersion version;       /* of the first answer; texts in ask.arena */
    bool parts;                  /* the server sends them */
    unsigned char *head;         /* [REMOTE_HEAD] owned: the first bytes */
    size_t held;
    Spool *spool;                /* owned: all bytes, where no parts are sent; NULL: they are few */
} Probe;

/* All of it comes, and has to be kept. */
static bool begin_whole(Probe *probe, const HttpHead *head, Error *err)
{
    char more[LIMIT_TEXT];
    if (!head->has_length)
        return error_set(err, ERR_NETWORK, "its server sends neither parts of it nor its size; "
                         "download it first (tenon fetch)");
    if (head->length <= REMOTE_HEAD) return true;
    if (head->length > limit(LIMIT_REMOTE_SPOOL))
        return error_set(err, ERR_LIMIT, "its server sends no parts, and all of it is %" PRIu64
                         " bytes, %s; or download it first (tenon fetch)", head->length,
                         limit_text(LIMIT_REMOTE_SPOOL, more));
    probe->spool = spool_new(head->length, probe->shown, err);
    return probe->spool != NULL;
}

/* Comes again with each try; what was learnt at first is compared by ask.c then. */
static bool begin(void *context, const HttpHead *head, Error *err)
{
    Probe *probe = context;
    if (probe->ask.known) return true;
    probe->parts = head->status == 206;
    if (probe->parts && !head->has_total)
        return error_set(err, ERR_NETWORK, "its server does not say how large it is; download "
                         "it first (tenon fetch)");
    if (!probe->parts && !begin_whole(probe, head, err)) return false;
    probe->version.size = probe->parts ? head->total : head->length;
    if (head->etag) probe->version.etag = arena_strdup(probe->ask.arena, head->etag);
    if (head->modified) probe->version.modified = arena_strdup(probe->ask.arena, head->modified);
    probe->ask.known = &probe->version;
    return true;
}

static bool take(void *context, const void *bytes, size_t n, Error *err)
{
    Probe *probe = context;
    if (probe->spool) return spool_add(probe->spool, bytes, n, err);
    if (n > REMOTE_HEAD - probe->held)
        return error_set(err, ERR_NETWORK, "its server sends more than was asked for");
    memcpy(probe->head + probe->held, bytes, n);
    probe->held += n;
    return true;
}

/* Takes over the place. `hub` may be NULL. */
static ByteSource *open_place(RemotePlace *place, const HubFile *hub, const char **note,
                              Error *err)
{
    ByteSource *source = NULL;
    Probe probe = {.shown = place->shown, .head = mem_alloc(REMOTE_HEAD)};
    probe.ask = (Ask){.url = hub ? hub->url : NULL, .n = REMOTE_HEAD, .whole = true,
                      .begin = begin, .body = take, .context = &probe};
    bool fine = ask_all(place, &probe.ask, 1, err);
    if (fine && hub && hub->has_size && hub->size != probe.version.size)
        fine = error_set(err, ERR_IO, "%.300s: the hub says that it has %" PRIu64 " bytes, its "
                         "server %" PRIu64, place->shown, hub->size, probe.version.size);
    if (fine && probe.parts)
        source = remote_new(place, probe.ask.landed, &probe.version, probe.head, probe.held);
    else if (fine && !probe.spool)
        source = source_from_memory(probe.head, probe.held, place->shown);
    else if (fine) {
        source = spool_finish(probe.spool, err);
        probe.spool = NULL;
        if (note) *note = "its server sends no parts of files, so that all of it was downloaded";
    }
    spool_free(probe.spool);
    free(probe.head);
    ask_done(&probe.ask);
    remote_place_done(place);
    return source;
}

/* ---- names ---- */

static ByteSource *open_hub(Arena *arena, const char *name, const char **note, Error *err)
{
    RemotePlace place;
    HubFile file;
    HubName hub;
    Error offline = {0};
    if (!hub_name_parse(arena, name, &hub, err)) return NULL;
    if (!*hub.file) {
        error_set(err, ERR_USAGE, "%.300s: is a repository, not a file", url_shown(arena, name));
        return NULL;
    }
    const char *path = hub_find_cached(arena, &hub, &offline);
    if (path) return source_open_file(path, err);
    if (offline.code) {
        if (err) *err = offline;
        return NULL;
    }
    if (!remote_place_find(&place, name, err)) return NULL;
    if (hub_ask(&place, arena, &file, err) && !(path = hub_find_blob(arena, &hub, &file)))
        return open_place(&place, &file, note, err);
    remote_place_done(&place);
    return path ? source_open_file(path, err) : NULL;
}

static ByteSource *open_url(Arena *arena, const char *name, const char **note, Error *err)
{
    RemotePlace place;
    const char *path = NULL, *shown = url_shown(arena, name);
    if (strcmp(shown, name) != 0) opened_remember(shown, name);
    else name = opened_full(arena, name);
    if (url_has_scheme(name, "file")) {
        path = remote_place_file_path(arena, name, err);
        return path ? source_open_file(path, err) : NULL;
    }
    if (url_has_scheme(name, "hf")) return open_hub(arena, name, note, err);
    if (url_is_web(name)) path = torch_hub_find(arena, name);
    if (path) return source_open_file(path, err);
    return remote_place_find(&place, name, err) ? open_place(&place, NULL, note, err) : NULL;
}

ByteSource *source_open(const char *name, const char **note, Error *err)
{
    if (note) *note = NULL;
    if (!remote_place_is_known(name)) return source_open_file(name, err);
    ByteSource *source = opened_take(name, note);
    if (source) return source;
    Arena *arena = arena_new();
    source = open_url(arena, name, note, err);
    arena_free(arena);
    return source;
}

static bool is_on_server(Arena *arena, const char *name)
{
    RemotePlace place;
    HubName hub;
    Ask ask = {.head = true, .stay = true};
    if (url_has_scheme(name, "hf") && hub_name_parse(arena, name, &hub, NULL) &&
        (hub_is_offline() || hub_find_cached(arena, &hub, NULL)))
        return hub_find_cached(arena, &hub, NULL) != NULL;
    if (!remote_place_find(&place, name, NULL)) return false;
    ask.stay = url_has_scheme(name, "hf");
    Error why = {0};
    bool there = ask_all(&place, &ask, 1, &why);
    /* S3 refuses what is not there to whoever may not list it */
    const unsigned status = ask.answer.status;
    if (!there) there = why.code == ERR_NETWORK && status != 401 && status != 403;
    ask_done(&ask);
    remote_place_done(&place);
    return there;
}

/* NULL: it is none, or lies on a server. */
static const char *local_path(Arena *arena, const char *name)
{
    if (url_has_scheme(name, "file")) return remote_place_file_path(arena, name, NULL);
    return remote_place_is_known(name) ? NULL : name;
}

bool source_is_there(const char *name)
{
    struct stat info;
    if (opened_has(name)) return true;
    Arena *arena = arena_new();
    const char *path = local_path(arena, name);
    bool there = path ? stat(path, &info) == 0 : is_on_server(arena, name);
    arena_free(arena);
    return there;
}

bool source_is_folder(const char *name)
{
    struct stat info;
    Arena *arena = arena_new();
    const char *path = local_path(arena, name);
    bool is = path && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    arena_free(arena);
    return is || remote_folder_is(name);
}

const char *source_folder(Arena *arena, const char *name, Error *err)
{
    HubName hub;
    const char *commit;
    const RemoteFile *files;
    size_t count;
    Error offline = {0};
    if (url_has_scheme(name, "file")) return remote_place_file_path(arena, name, err);
    if (remote_place_is_bucket_folder(name))
        return arena_strndup(arena, name, strlen(name) - 1);
    if (!url_has_scheme(name, "hf")) return arena_strdup(arena, name);
    if (!hub_name_parse(arena, name, &hub, err)) return NULL;
    const char *path = hub_find_folder(arena, &hub, &offline);
    if (path) return path;
    if (offline.code) {
        if (err) *err = offline;
        return NULL;
    }
    if (!hub_list(arena, &hub, false, &commit, &files, &count, err)) return NULL;
    hub.revision = commit;
    return hub_spell(arena, &hub);
}
