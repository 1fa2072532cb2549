/* Which file, where to, and how it is known to be the right one. */
#include "loader/source/fetch.h"

#include <string.h>
#include <unistd.h>

#include "loader/source/hub_cache.h"
#include "loader/source/torch_hub.h"

static Download plan_download(const char *path, const FetchOptions *options)
{
    return (Download){.path = path, .replace = options->force, .progress = options->progress,
                      .context = options->context, .has_size = options->size != NULL,
                      .size = options->size ? *options->size : 0};
}

static void take(Fetched *out, const char *path, const Downloaded *done)
{
    out->path = path;
    out->size = done->size;
    memcpy(out->sha256, done->sha256, sizeof out->sha256);
}

/* A file that is there already, by its own bytes; `git` gets its hash where that is known of it. */
static bool take_there(Fetched *out, const char *path, const Download *how, char git[CHECKSUM_TEXT],
                       Error *err)
{
    ByteSource *file = source_open_file(path, err);
    bool fine = file && checksum_source(file, out->sha256, err) &&
                (!how->git || checksum_git(file, git, err));
    out->path = path;
    out->size = file ? file->size : 0;
    out->there = true;
    source_unref(file);
    return fine;
}

/* Whether a file that is there is the one that would come; an error when it is another. */
static bool is_same(const Download *how, Fetched *out, Error *err)
{
    char git[CHECKSUM_TEXT] = "";
    if (!take_there(out, how->path, how, git, err)) return false;
    bool same = (!how->has_size || out->size == how->size) &&
                (!how->sha256 || has_prefix(out->sha256, how->sha256)) &&
                (!how->git || strcmp(git, how->git) == 0);
    return same || error_set(err, ERR_EXISTS, "%s: is there already, and is another file; --force "
                             "replaces it", how->path);
}

static bool stays(const FetchOptions *options, const Download *how)
{
    bool known = how->has_size || how->sha256 || how->git;
    return options->keep && !options->force && known && access(how->path, F_OK) == 0;
}

/* ---- the hub ---- */

/* The tag is a hash of the content: of two kinds, told apart by their lengths. */
static void expect(const HubFile *file, Download *how, Fetched *out)
{
    size_t n = file->etag ? strlen(file->etag) : 0;
    bool digits = n && strspn(file->etag, "0123456789abcdef") == n;
    how->has_size = file->has_size;
    how->size = file->size;
    if (digits && n == 64) how->sha256 = file->etag, out->verified = "the hub's SHA-256";
    if (digits && n == 40) how->git = file->etag, out->verified = "the hub's git hash";
}

/* A link of the cache leads to a blob whose name is the tag. */
static void expect_blob(Arena *arena, const char *link, Download *how, Fetched *out)
{
    char blob[4096];
    ssize_t n = readlink(link, blob, sizeof blob);
    const char *path = n > 0 ? arena_strndup(arena, blob, (size_t)n) : "";
    const HubFile file = {.etag = path_base(path)};
    expect(&file, how, out);
}

static bool refuse_damaged(const char *path, Error *err)
{
    return error_set(err, ERR_FORMAT, "%s: is damaged, it has not the checksum that is its name in "
                     "the cache; --force downloads it again", path);
}

/* What the cache has is looked at: disks forget, and others write there too. */
static bool take_cached(Fetched *out, const char *path, const Download *how, Error *err)
{
    char git[CHECKSUM_TEXT] = "";
    if (!take_there(out, path, how, git, err)) return false;
    bool same = (!how->sha256 || strcmp(out->sha256, how->sha256) == 0) &&
                (!how->git || strcmp(git, how->git) == 0);
    return same || refuse_damaged(path, err);
}

/* Into the cache, under its lock. */
static bool fetch_cached(Arena *arena, RemotePlace *place, const HubName *name,
                         const HubFile *file, const FetchOptions *options, Fetched *out,
                         Error *err)
{
    Downloaded done;
    if (!file->commit || !file->etag)
        return error_set(err, ERR_UNSUPPORTED, "%.300s: the hub says neither commit nor ETag, "
                         "without which it is not kept in the cache; name a file with -o",
                         place->shown);
    HubLock *lock = hub_cache_lock(arena, name, file, err);
    if (!lock) return false;
    const char *blob = hub_cache_blob(arena, name, file);
    bool there = access(blob, F_OK) == 0 && !options->force;
    Download how = plan_download(blob, options);
    expect(file, &how, out);
    bool fine = there || download(place, file->url, &how, &done, err);
    const char *path = fine ? hub_cache_link(arena, name, file, err) : NULL;
    if (path && there) fine = take_cached(out, path, &how, err);
    else if (path) take(out, path, &done);
    hub_cache_unlock(lock);
    return fine && path;
}

/* The hub says what the file is; its bytes may be in the cache already. */
static bool fetch_asked(Arena *arena, RemotePlace *place, const HubName *name,
                        const FetchOptions *options, Fetched *out, Error *err)
{
    HubFile file;
    Downloaded done;
    if (!hub_ask(place, arena, &file, err)) return false;
    if (!options->out) return fetch_cached(arena, place, name, &file, options, out, err);
    const char *blob = options->force ? NULL : hub_find_blob(arena, name, &file);
    Download how = plan_download(options->out, options);
    expect(&file, &how, out);
    if (stays(options, &how)) return is_same(&how, out, err);
    bool fine = blob ? download_copy(blob, &how, &done, err)
                     : download(place, file.url, &how, &done, err);
    if (!fine && blob && err && err->code == ERR_FORMAT) return refuse_damaged(blob, err);
    if (fine) take(out, options->out, &done);
    return fine;
}

/* What the cache has, under another name. */
static bool copy_cached(Arena *arena, const char *cached, const FetchOptions *options, Fetched *out,
                        Error *err)
{
    Downloaded done;
    Fetched held;
    Download how = plan_download(options->out, options), blob = {.path = NULL};
    expect_blob(arena, cached, &blob, out);
    if (!take_cached(&held, cached, &blob, err)) return false;
    how.sha256 = held.sha256;
    if (stays(options, &how)) return is_same(&how, out, err);
    if (!download_copy(cached, &how, &done, err)) return false;
    take(out, options->out, &done);
    return true;
}

static bool fetch_hub(Arena *arena, const char *name, const FetchOptions *options, Fetched *out,
                      Error *err)
{
    RemotePlace place;
    HubName hub;
    Error offline = {0};
    if (!hub_name_parse(arena, name, &hub, err)) return false;
    if (!*hub.file)
        return error_set(err, ERR_USAGE, "%.300s: is a repository, not a file", name);
    bool again = options->force && !hub_is_offline();
    const char *cached = again ? NULL : hub_find_cached(arena, &hub, &offline);
    if (offline.code) {
        if (err) *err = offline;
        return false;
    }
    Download how = {.path = cached};
    if (cached && options->out) return copy_cached(arena, cached, options, out, err);
    if (cached) {
        expect_blob(arena, cached, &how, out);
        return take_cached(out, cached, &how, err);
    }
    if (!remote_place_find(&place, name, err)) return false;
    bool fine = fetch_asked(arena, &place, &hub, options, out, err);
    remote_place_done(&place);
    return fine;
}

/* ---- everything else ---- */

/* The last part of a name: of a key as it stands, of a URL's path unescaped. */
static const char *last_part(Arena *arena, const char *name)
{
    if (url_is_web(name)) return torch_hub_file_name(arena, name);
    const char *base = strrchr(name, '/') + 1;
    return *base && strcmp(base, ".") != 0 && strcmp(base, "..") != 0 ? base : NULL;
}

/* A name with a hash in it belongs into torch.hub's cache, where nothing else has that name. */
static const char *choose_path(Arena *arena, const char *part, const char *hash,
                               const FetchOptions *options)
{
    const char *folder = hash ? torch_hub_folder(arena) : NULL;
    if (options->out) return options->out;
    return folder ? arena_printf(arena, "%s/%s", folder, part) : part;
}

static bool fetch_plain(Arena *arena, const char *name, const FetchOptions *options, Fetched *out,
                        Error *err)
{
    RemotePlace place;
    Downloaded done;
    const char *part = last_part(arena, name);
    if (!part && !options->out)
        return error_set(err, ERR_USAGE, "%.300s: ends in no name for a file; give one with -o",
                         url_shown(arena, name));
    const bool web = url_is_web(name);
    const char *hash = web && part ? torch_hub_hash(arena, part) : NULL;
    const char *path = choose_path(arena, part, hash, options);
    if (hash) out->verified = "the hash in its name";
    if (hash && !options->force && !options->out && access(path, F_OK) == 0) {
        const Download known = {.sha256 = hash};
        if (!take_there(out, path, &known, NULL, err)) return false;
        return has_prefix(out->sha256, hash) ||
               error_set(err, ERR_EXISTS, "%s: is there already, and its SHA-256 is not that in "
                         "its name; --force replaces it", path);
    }
    Download how = plan_download(path, options);
    how.sha256 = hash;
    if (stays(options, &how)) return is_same(&how, out, err);
    if (!remote_place_find(&place, name, err)) return false;
    bool fine = download(&place, NULL, &how, &done, err);
    if (fine) take(out, path, &done);
    if (fine && done.told)
        out->verified = arena_printf(arena, "the server's %s%s", done.told,
                                     done.parts ? " of its parts" : "");
    remote_place_done(&place);
    return fine;
}

bool fetch_file(Arena *arena, const char *name, const FetchOptions *options, Fetched *out,
                Error *err)
{
    *out = (Fetched){0};
    if (!remote_place_is_known(name) || url_has_scheme(name, "file"))
        return error_set(err, ERR_USAGE, "%.300s: lies on this disk, or is no URL that can be read "
                         "(https, http, hf, s3, oss, gs)", url_shown(arena, name));
    if (url_has_scheme(name, "hf")) return fetch_hub(arena, name, options, out, err);
    return fetch_plain(arena, name, options, out, err);
}
