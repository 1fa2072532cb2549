/* Names and folders as huggingface_hub has them (hf_file_system.py, constants.py,
 * file_download.py). */
#include "loader/source/hub_name.h"

#include <stdlib.h>
#include <string.h>

#include "loader/source/file_text.h"

enum { SMALL_FILE = 64 << 10, COMMIT = 40 };

bool hub_is_commit(const char *text)
{
    return strlen(text) == COMMIT && strspn(text, "0123456789abcdef") == COMMIT;
}

/* Every part between slashes is a name that can only stay below where it is put. */
static bool is_plain(const char *path)
{
    for (const char *p = path;; p++) {
        size_t n = strcspn(p, "/");
        if (!n || n > 255 || (n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)p[i] < 0x20 || p[i] == 0x7F || p[i] == '\\') return false;
        p += n;
        if (!*p) return true;
    }
}

static bool is_repo_part(const char *text, size_t n)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_.";
    return n && n <= 96 && strspn(text, allowed) >= n && text[0] != '.' && text[0] != '-';
}

/* Behind '@'. Slashes in a revision are escaped (refs%2Fpr%2F1), but for the two kinds of
 * references that the hub makes itself. Returns what follows; NULL: it is none. */
static const char *take_revision(Arena *arena, const char *from, HubName *out)
{
    size_t n = strcspn(from, "/");
    if (has_prefix(from, "refs/pr/") || has_prefix(from, "refs/convert/")) {
        n = has_prefix(from, "refs/pr/") ? 8 : 13;
        n += strcspn(from + n, "/");
    }
    Text decoded = {0};
    bool fine = url_decode(arena_strndup(arena, from, n), &decoded);
    out->revision = text_keep(&decoded, arena);
    return fine && is_plain(out->revision) ? from + n : NULL;
}

/* The kind that a name begins with, and a slash; NULL: it does not. */
static const char *find_kind(const char *name)
{
    static const char *const kinds[] = {"models", "datasets", "spaces"};
    for (size_t i = 0; i < countof(kinds); i++) {
        size_t n = strlen(kinds[i]);
        if (strncmp(name, kinds[i], n) == 0 && name[n] == '/') return kinds[i];
    }
    return NULL;
}

bool hub_name_parse(Arena *arena, const char *name, HubName *out, Error *err)
{
    const char *p = url_has_scheme(name, "hf") ? name + 5 : name, *kind = find_kind(p);
    *out = (HubName){.kind = kind ? kind : "models", .revision = "main", .file = ""};
    if (kind) p += strlen(kind) + 1;
    size_t org = strcspn(p, "/@"), repo = p[org] == '/' ? strcspn(p + org + 1, "/@") : 0;
    if (!is_repo_part(p, org) || !is_repo_part(p + org + 1, repo))
        return error_set(err, ERR_USAGE, "%.300s: is no file of the hub; write "
                         "hf://ORG/REPO[@REVISION]/FILE", name);
    out->repo = arena_strndup(arena, p, org + 1 + repo);
    p += org + 1 + repo;
    if (*p == '@' && !(p = take_revision(arena, p + 1, out)))
        return error_set(err, ERR_USAGE, "%.300s: its revision is none; write "
                         "hf://ORG/REPO@REVISION/FILE, with %%2F for a slash", name);
    if (*p == '/') p++;      /* one: "refs//pr/1" would be spelt as the reference refs/pr/1 */
    out->file = arena_strdup(arena, p);
    if (!*p || is_plain(p)) return true;
    return error_set(err, ERR_USAGE, "%.300s: its file's path is none", name);
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* HF_ENDPOINT, else the hub itself; no slash at its end. */
static const char *hub_endpoint(Arena *arena)
{
    const char *given = environment("HF_ENDPOINT");
    if (!given) return "https://huggingface.co";
    size_t n = strlen(given);
    while (n && given[n - 1] == '/') n--;
    return arena_strndup(arena, given, n);
}

static const char *encoded(Arena *arena, const char *text, bool slashes)
{
    Text out = {0};
    url_encode(text, slashes, &out);
    return text_keep(&out, arena);
}

const char *hub_spell(Arena *arena, const HubName *name)
{
    /* an organization may be called as a kind is */
    bool plain = strcmp(name->kind, "models") == 0 && !find_kind(name->repo);
    return arena_printf(arena, "hf://%s%s%s@%s%s%s", plain ? "" : name->kind, plain ? "" : "/",
                        name->repo, encoded(arena, name->revision, false), *name->file ? "/" : "",
                        name->file);
}

const char *hub_file_url(Arena *arena, const HubName *name)
{
    bool model = strcmp(name->kind, "models") == 0;
    return arena_printf(arena, "%s/%s%s%s/resolve/%s/%s", hub_endpoint(arena),
                        model ? "" : name->kind, model ? "" : "/", name->repo,
                        encoded(arena, name->revision, false), encoded(arena, name->file, true));
}

const char *hub_repo_url(Arena *arena, const HubName *name)
{
    return arena_printf(arena, "%s/api/%s/%s/revision/%s", hub_endpoint(arena), name->kind,
                        name->repo, encoded(arena, name->revision, false));
}

/* HF_HOME, else "huggingface" in the user's cache. */
static const char *find_home(Arena *arena)
{
    const char *own = environment("HF_HOME"), *cache = environment("XDG_CACHE_HOME");
    if (own) return own;
    if (cache) return arena_printf(arena, "%s/huggingface", cache);
    const char *home = environment("HOME");
    return home ? arena_printf(arena, "%s/.cache/huggingface", home) : NULL;
}

/* The text of a small file without the white space around it; NULL: there is none. */
static const char *read_word(Arena *arena, const char *path)
{
    static const char blanks[] = " \t\r\n";
    size_t n;
    char *text = file_text(path, SMALL_FILE, &n, NULL);
    if (!text) return NULL;
    const char *from = text + strspn(text, blanks);
    size_t length = strlen(from);
    while (length && strchr(blanks, from[length - 1])) length--;
    const char *word = length ? arena_strndup(arena, from, length) : NULL;
    free(text);
    return word;
}

static bool is_on(const char *variable)
{
    static const char *const words[] = {"1", "ON", "YES", "TRUE", "on", "yes", "true", "True"};
    const char *value = getenv(variable);
    for (size_t i = 0; value && i < countof(words); i++)
        if (strcmp(value, words[i]) == 0) return true;
    return false;
}

const char *hub_token(Arena *arena)
{
    const char *token = environment("HF_TOKEN"), *path = environment("HF_TOKEN_PATH");
    if (!token) token = environment("HUGGING_FACE_HUB_TOKEN");
    if (is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return NULL;
    if (!token && !path && find_home(arena))
        path = arena_printf(arena, "%s/token", find_home(arena));
    if (!token && path) token = read_word(arena, path);
    for (const char *p = token; p && *p; p++)       /* it becomes a line of a header */
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7F) return NULL;
    return token;
}

bool hub_is_offline(void)
{
    return is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE");
}

const char *hub_cache(Arena *arena)
{
    const char *own = environment("HF_HUB_CACHE");
    if (!own) own = environment("HUGGINGFACE_HUB_CACHE");
    if (own) return own;
    const char *home = find_home(arena);
    return home ? arena_printf(arena, "%s/hub", home) : NULL;
}

const char *hub_folder(Arena *arena, const HubName *name)
{
    const char *cache = hub_cache(arena), *slash = strchr(name->repo, '/');
    if (!cache) return NULL;
    return arena_printf(arena, "%s/%s--%.*s--%s", cache, name->kind, (int)(slash - name->repo),
                        name->repo, slash + 1);
}

const char *hub_snapshot(Arena *arena, const HubName *name, const char *commit)
{
    const char *folder = hub_folder(arena, name);
    if (!folder) return NULL;
    return arena_printf(arena, "%s/snapshots/%s%s%s", folder, commit, *name->file ? "/" : "",
                        name->file);
}

const char *hub_cached_commit(Arena *arena, const HubName *name)
{
    const char *folder = hub_folder(arena, name);
    if (!folder) return NULL;
    if (hub_is_commit(name->revision)) return name->revision;
    const char *commit = read_word(arena, arena_printf(arena, "%s/refs/%s", folder,
                                                       name->revision));
    return commit && hub_is_commit(commit) ? commit : NULL;
}
