/* What the hub's servers say (huggingface_hub: file_download.py, hf_api.py). */
#include "loader/source/hub.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader/core/json.h"
#include "loader/core/limits.h"

enum { TAG_MAX = 128 };

/* The tag becomes a file's name, so it is one. */
static const char *safe_tag(Arena *arena, const char *etag)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_";
    const char *tag = http_etag(arena, etag);
    size_t n = tag ? strlen(tag) : 0;
    return n && n <= TAG_MAX && strspn(tag, allowed) == n ? tag : NULL;
}

bool hub_ask(RemotePlace *place, Arena *arena, HubFile *out, Error *err)
{
    Ask ask = {.head = true, .stay = true};
    Url landed;
    *out = (HubFile){0};
    bool fine = ask_all(place, &ask, 1, err);
    if (fine) {
        const HttpHead *head = &ask.answer;
        bool moved = head->location && head->status >= 300;
        out->commit = head->commit && hub_is_commit(head->commit)
                          ? arena_strdup(arena, head->commit) : NULL;
        out->etag = safe_tag(arena, head->linked_etag ? head->linked_etag : head->etag);
        out->has_size = head->linked_size && parse_digits(head->linked_size,
                                                          strlen(head->linked_size), &out->size);
        if (!out->has_size && !moved && head->has_length) {
            out->has_size = true;
            out->size = head->length;
        }
        fine = url_parse(arena, ask.landed, &landed, err);
        out->url = !fine ? NULL : moved ? url_join(arena, &landed, head->location, err)
                                        : arena_strdup(arena, ask.landed);
        fine = out->url != NULL;
    }
    ask_done(&ask);
    return fine;
}

static bool is_file(const char *path)
{
    struct stat info;
    return path && stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static bool is_folder(const char *path)
{
    struct stat info;
    return path && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static void refuse_offline(Arena *arena, const HubName *name, Error *err)
{
    const char *cache = hub_cache(arena);
    error_set(err, ERR_NOT_FOUND, "%.300s: is not in the cache (%.200s), and HF_HUB_OFFLINE says "
              "not to ask the hub", hub_spell(arena, name), cache ? cache : "there is none");
}

/* Of a cached revision; NULL: it is not known. */
static const char *cached_path(Arena *arena, const HubName *name)
{
    const char *commit = hub_cached_commit(arena, name);
    return commit ? hub_snapshot(arena, name, commit) : NULL;
}

const char *hub_find_cached(Arena *arena, const HubName *name, Error *err)
{
    if (!hub_is_offline() && !hub_is_commit(name->revision)) return NULL;
    const char *path = cached_path(arena, name);
    if (is_file(path)) return path;
    if (hub_is_offline()) refuse_offline(arena, name, err);
    return NULL;
}

const char *hub_find_folder(Arena *arena, const HubName *name, Error *err)
{
    if (!hub_is_offline()) return NULL;
    const char *path = cached_path(arena, name);
    if (is_folder(path)) return path;
    refuse_offline(arena, name, err);
    return NULL;
}

/* A blob is there only once it was whole (and verified). */
const char *hub_find_blob(Arena *arena, const HubName *name, const HubFile *file)
{
    const char *folder = hub_folder(arena, name);
    if (!folder || !file->etag) return NULL;
    const char *snapshot = file->commit ? hub_snapshot(arena, name, file->commit) : NULL;
    if (is_file(snapshot)) return snapshot;
    const char *blob = arena_printf(arena, "%s/blobs/%s", folder, file->etag);
    return is_file(blob) ? blob : NULL;
}

static int compare_files(const void *a, const void *b)
{
    return natural_compare(((const RemoteFile *)a)->name, ((const RemoteFile *)b)->name);
}

/* {"sha":COMMIT,"siblings":[{"rfilename":NAME,"size":N}, …], …} */
static bool take_listing(Arena *arena, const char *text, size_t n, const char *shown,
                         const char **commit, const RemoteFile **files, size_t *count, Error *err)
{
    Value *root = json_parse(arena, text, n, shown, limit(LIMIT_FOLDER_FILES) * 16, err);
    if (!root) return false;
    const Value *list = value_get(root, "siblings");
    const char *sha = value_get_string(root, "sha", "");
    if (!list || list->kind != VALUE_LIST || !hub_is_commit(sha))
        return error_set(err, ERR_NETWORK, "%s: the hub's answer lists no files", shown);
    RemoteFile *taken = arena_alloc(arena, (list->list.count + 1) * sizeof *taken);
    *count = 0;
    for (size_t i = 0; i < list->list.count; i++) {
        const Value *item = list->list.items[i].value, *size = value_get(item, "size");
        const char *name = value_get_string(item, "rfilename", "");
        if (!*name) continue;
        taken[*count] = (RemoteFile){.name = name};
        if (size && size->kind == VALUE_INT && size->integer >= 0) {
            taken[*count].size = (uint64_t)size->integer;
            taken[*count].has_size = true;
        }
        ++*count;
    }
    qsort(taken, *count, sizeof *taken, compare_files);
    *commit = sha;
    *files = taken;
    return true;
}

bool hub_list(Arena *arena, const HubName *name, bool sizes, const char **commit,
              const RemoteFile **files, size_t *count, Error *err)
{
    RemotePlace place;
    HubName repo = *name;
    size_t n;
    repo.file = "";
    if (!remote_place_find(&place, hub_spell(arena, &repo), err)) return false;
    const char *url = sizes ? arena_printf(arena, "%s?blobs=true", place.url) : place.url;
    char *text = ask_text(&place, url, limit(LIMIT_INDEX_BYTES), &n, err);
    bool fine = text && take_listing(arena, text, n, place.shown, commit, files, count, err);
    free(text);
    remote_place_done(&place);
    return fine;
}
