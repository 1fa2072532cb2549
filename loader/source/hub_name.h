/* hf://[datasets/|spaces/]ORG/REPO[@REVISION][/FILE]: a file of the Hugging Face hub, or a whole
 * repository, and where both lie in the cache that huggingface_hub keeps. */
#ifndef LOADER_SOURCE_HUB_NAME_H
#define LOADER_SOURCE_HUB_NAME_H

#include "loader/source/url.h"

typedef struct HubName {
    const char *kind;        /* "models", "datasets", "spaces": a literal */
    const char *repo;        /* "ORG/REPO" */
    const char *revision;    /* "main", "refs/pr/1", a commit */
    const char *file;        /* "model.safetensors", "unet/x.bin"; "" for the repository */
} HubName;

/* Parts that could lead out of the cache's folders ("..") are refused. */
bool hub_name_parse(Arena *arena, const char *name, HubName *out, Error *err);
/* "hf://ORG/REPO@REVISION[/FILE]", which hub_name_parse takes. */
const char *hub_spell(Arena *arena, const HubName *name);
/* Whether a text is a commit: 40 hexadecimal digits, lower case. */
bool hub_is_commit(const char *text);
/* ENDPOINT/ORG/REPO/resolve/REVISION/FILE */
const char *hub_file_url(Arena *arena, const HubName *name);
/* ENDPOINT/api/models/ORG/REPO/revision/REVISION */
const char *hub_repo_url(Arena *arena, const HubName *name);
/* HF_TOKEN, else the file that HF_TOKEN_PATH names, else "token" in HF_HOME; NULL: none, or
 * HF_HUB_DISABLE_IMPLICIT_TOKEN says not to send it unasked. */
const char *hub_token(Arena *arena);
/* HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE. */
bool hub_is_offline(void);
/* The cache's folder: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME …; NULL
 * where not even HOME is known. */
const char *hub_cache(Arena *arena);
/* CACHE/models--ORG--REPO */
const char *hub_folder(Arena *arena, const HubName *name);
/* Where the cache has a file of that commit: FOLDER/snapshots/COMMIT/FILE, whether it is there or
 * not. */
const char *hub_snapshot(Arena *arena, const HubName *name, const char *commit);
/* The commit of a revision that the cache knows (refs/REVISION); NULL: none. */
const char *hub_cached_commit(Arena *arena, const HubName *name);

#endif
