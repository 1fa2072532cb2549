/* torch/hub.py: HASH_REGEX, get_dir, load_state_dict_from_url. */
#include "loader/source/torch_hub.h"

#include <stdlib.h>
#include <string.h>

#include "loader/source/checksum.h"

enum { HASH_MIN = 8, HASH_MAX = 64, NAME_MAX_BYTES = 255 };

/* r'-([a-f0-9]*)\.': the first dash that only digits and a dot follow. */
const char *torch_hub_hash(Arena *arena, const char *name)
{
    for (const char *dash = strchr(name, '-'); dash; dash = strchr(dash + 1, '-')) {
        size_t n = strspn(dash + 1, "abcdef0123456789");
        if (dash[1 + n] != '.') continue;
        return n >= HASH_MIN && n <= HASH_MAX ? arena_strndup(arena, dash + 1, n) : NULL;
    }
    return NULL;
}

const char *torch_hub_file_name(Arena *arena, const char *url)
{
    Url parts;
    Text name = {0};
    if (!url_parse(arena, url, &parts, NULL)) return NULL;
    const char *slash = strrchr(parts.path, '/');
    bool fine = slash && url_decode(slash + 1, &name);
    const char *kept = text_keep(&name, arena);
    size_t n = strlen(kept);
    if (!fine || !n || n > NAME_MAX_BYTES || strcmp(kept, ".") == 0 || strcmp(kept, "..") == 0)
        return NULL;
    for (const char *p = kept; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F || *p == '/' || *p == '\\') return NULL;
    return kept;
}

const char *torch_hub_folder(Arena *arena)
{
    const char *own = getenv("TORCH_HOME"), *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (own && *own) return arena_printf(arena, "%s/hub/checkpoints", own);
    if (cache && *cache) return arena_printf(arena, "%s/torch/hub/checkpoints", cache);
    return home && *home ? arena_printf(arena, "%s/.cache/torch/hub/checkpoints", home) : NULL;
}

const char *torch_hub_find(Arena *arena, const char *url)
{
    char sha256[CHECKSUM_TEXT];
    const char *name = torch_hub_file_name(arena, url), *folder = torch_hub_folder(arena);
    const char *hash = name ? torch_hub_hash(arena, name) : NULL;
    if (!hash || !folder) return NULL;
    const char *path = arena_printf(arena, "%s/%s", folder, name);
    ByteSource *file = source_open_file(path, NULL);
    bool same = file && checksum_source(file, sha256, NULL) && has_prefix(sha256, hash);
    source_unref(file);
    return same ? path : NULL;
}
