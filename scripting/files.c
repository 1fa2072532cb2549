/* Files that a script names: below the folder of its own file, or below those of the source. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scripting/script_state.h"

/* Both paths are resolved before they are compared, so that a symbolic link cannot lead out; and a
 * '/' must follow the folder, or "/rules2/a" would pass for a file of "/rules". */
const char *file_inside(const char *folder, const char *name, char path[], Error *err)
{
    char root[PATH_MAX], joined[PATH_MAX];
    const int length = snprintf(joined, sizeof joined, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof joined || !realpath(folder, root) ||
        !realpath(joined, path)) {
        error_set(err, ERR_NOT_FOUND, "there is no '%.200s' in %.500s", name, folder);
        return NULL;
    }
    const size_t inside = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(path, root, inside) == 0 && path[inside] == '/') return path;
    error_set(err, ERR_USAGE, "'%.200s' leads out of %.500s", name, folder);
    return NULL;
}

/* What can be seen in the name alone; symbolic links are looked at when the path is resolved. */
static bool is_confined(const char *name, size_t n, Error *err)
{
    const bool climbs = strcmp(name, "..") == 0 || has_prefix(name, "../") ||
                        has_suffix(name, "/..") || strstr(name, "/../");
    if (n && strlen(name) == n && *name != '/' && !climbs && !strstr(name, "://")) return true;
    return error_set(err, ERR_USAGE, "'%.200s' must be a relative path inside the folder of the "
                     "rules file or of the source", name);
}

const char *file_beside(Script *script, const char *name, char path[], Error *err)
{
    const char *found = NULL;
    error_set(err, ERR_NOT_FOUND, "there is no '%.200s'", name);
    for (size_t i = 0; i < countof(script->folders) && !found; i++)
        if (err->code == ERR_NOT_FOUND && script->folders[i])
            found = file_inside(script->folders[i], name, path, err);
    return found;
}

/* Tries the folder of the chunk, then the others. */
const char *file_resolve(Script *script, const char *name, size_t n, char path[], Error *err)
{
    char chunk[PATH_MAX] = ".";
    const char *file = script->chunks[script->running].name;
    const char *slash = strrchr(file, '/');
    if (!is_confined(name, n, err)) return NULL;
    if (slash && (size_t)(slash - file) + 1 < sizeof chunk) {
        const size_t length = slash == file ? 1 : (size_t)(slash - file);
        memcpy(chunk, file, length);
        chunk[length] = '\0';
    }
    const char *found = file_inside(chunk, name, path, err);
    return found || err->code != ERR_NOT_FOUND ? found : file_beside(script, name, path, err);
}
