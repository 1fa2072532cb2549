/* A folder that cannot be read has no names; completion is no place for errors. */
#include "repl/file_names.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

/* Of "out/al" the folder is "out/" and what names begin with "al"; names are given with the folder
 * in front, as they will stand in the line. A link to a folder is a folder (stat, not lstat).
 * Order is the file system's: the caller sorts. */
void file_names(Arena *arena, const char *path, void (*visit)(void *context, const char *name),
                void *context)
{
    const char *slash = strrchr(path, '/');
    const char *begin = slash ? slash + 1 : path;
    const char *folder = arena_strndup(arena, path, (size_t)(begin - path));
    size_t n = strlen(begin);
    DIR *list = opendir(*folder ? folder : ".");
    if (!list) return;
    for (const struct dirent *entry; (entry = readdir(list));) {
        if (strncmp(entry->d_name, begin, n) != 0) continue;
        if (entry->d_name[0] == '.' && begin[0] != '.') continue;
        const char *name = arena_printf(arena, "%s%s", folder, entry->d_name);
        struct stat info;
        bool is_folder = stat(name, &info) == 0 && S_ISDIR(info.st_mode);
        visit(context, is_folder ? arena_printf(arena, "%s/", name) : name);
    }
    closedir(list);
}
