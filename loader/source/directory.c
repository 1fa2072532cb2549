/* Reads a folder's entries and sorts them. */
#include "loader/source/directory.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"
#include "loader/core/text.h"
#include "loader/source/remote_folder.h"
#include "loader/source/url.h"

static int compare_names(const void *a, const void *b)
{
    return natural_compare(*(const char *const *)a, *(const char *const *)b);
}

/* What a repository of the hub, or a folder of a bucket, has at its top. */
static bool read_remote(Arena *arena, const char *path, const char *const **names, size_t *count,
                        Error *err)
{
    RemoteFolder folder;
    const char *name = url_has_scheme(path, "hf") ? path : arena_printf(arena, "%s/", path);
    if (!remote_folder_list(arena, name, false, &folder, err)) return false;
    const char **list = arena_alloc(arena, (folder.count + 1) * sizeof *list);
    *count = 0;
    for (size_t i = 0; i < folder.count; i++)
        if (!strchr(folder.files[i].name, '/')) list[(*count)++] = folder.files[i].name;
    *names = list;
    return true;
}

bool directory_read(Arena *arena, const char *path, const char *const **names, size_t *count,
                    Error *err)
{
    if (url_is(path)) return read_remote(arena, path, names, count, err);
    DIR *dir = opendir(path);
    if (!dir) return error_errno(err, "%s", path);
    const struct dirent *entry;
    char more[LIMIT_TEXT];
    const char **list = NULL;
    size_t n = 0, room = 0;
    while ((entry = readdir(dir)) && n <= limit(LIMIT_FOLDER_FILES)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        list = mem_grow(list, &room, n + 1, sizeof *list);
        list[n++] = arena_strdup(arena, entry->d_name);
    }
    closedir(dir);
    if (n > limit(LIMIT_FOLDER_FILES)) {
        free(list);
        return error_set(err, ERR_LIMIT, "%s: files in a folder, %s", path,
                         limit_text(LIMIT_FOLDER_FILES, more));
    }
    if (n) qsort(list, n, sizeof *list, compare_names);
    *names = arena_copy(arena, list, n * sizeof *list);
    *count = n;
    free(list);
    return true;
}
