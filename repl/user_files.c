/* Variables that are empty or no absolute path are as good as none: so the specification says. */
#include "repl/user_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *find(Arena *arena, const char *variable, const char *usual, const char *name)
{
    const char *folder = getenv(variable), *home = getenv("HOME");
    if (folder && *folder == '/') return arena_printf(arena, "%s/tenon/%s", folder, name);
    if (home && *home) return arena_printf(arena, "%s/%s/tenon/%s", home, usual, name);
    return NULL;
}

const char *user_config_file(Arena *arena, const char *name)
{
    return find(arena, "XDG_CONFIG_HOME", ".config", name);
}

const char *user_state_file(Arena *arena, const char *name)
{
    return find(arena, "XDG_STATE_HOME", ".local/state", name);
}

/* Each folder on the way; what is there already is let be. */
bool user_make_folder(const char *path, Error *err)
{
    char *folder = mem_strdup(path);
    bool ok = true;
    for (char *slash = strchr(folder + 1, '/'); slash && ok; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        ok = mkdir(folder, 0700) == 0 || errno == EEXIST;
        if (!ok) error_errno(err, "%s", folder);
        *slash = '/';
    }
    free(folder);
    return ok;
}
