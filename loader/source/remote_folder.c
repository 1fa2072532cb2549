#include "loader/source/remote_folder.h"

#include <string.h>

#include "loader/source/bucket.h"
#include "loader/source/hub.h"

bool remote_folder_is(const char *name)
{
    HubName hub;
    if (!url_has_scheme(name, "hf")) return remote_place_is_bucket_folder(name);
    Arena *arena = arena_new();
    bool is = hub_name_parse(arena, name, &hub, NULL) && !*hub.file;
    arena_free(arena);
    return is;
}

bool remote_folder_list(Arena *arena, const char *name, bool sizes, RemoteFolder *out, Error *err)
{
    HubName hub;
    *out = (RemoteFolder){0};
    if (!url_has_scheme(name, "hf")) {
        out->base = arena_strndup(arena, name, strlen(name) - 1);
        return bucket_list(arena, name, &out->files, &out->count, err);
    }
    if (hub_is_offline())
        return error_set(err, ERR_NOT_FOUND, "%.300s: is not listed, since HF_HUB_OFFLINE says not "
                         "to ask the hub", name);
    if (!hub_name_parse(arena, name, &hub, err) ||
        !hub_list(arena, &hub, sizes, &hub.revision, &out->files, &out->count, err))
        return false;
    hub.file = "";
    out->base = hub_spell(arena, &hub);
    return true;
}
