/* Reads a folder's entries and sorts them. */
#include "loader/source/directory.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"
#include "loader/core/text.h"
#include "loader/source/hub.h"

static int compare_names(const void *a, const void *b)
{
    return natural_compare(*(const char *const *)a, *(const char *const *)b);
}

/* What a repository of the hub has at its top. */
static bool read_repository(Arena *arena, const char *name, const char *const **names,
                            size_t *count, Error *err)
{
    HubName hub;
    const char *commit;
    return hub_name_parse(arena, name, &hub, err) &&
           hub_list(arena, &hub, &commit, names, count, err);
}

bool directory_read(Arena *arena, const char *path, const char *const **names, size_t *count,
                    Error *err)
{
    if (url_has_scheme(path, "hf")) return read_repository(arena, path, names, count, err);
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
