/* A file that nobody was told of is called unsaved-TIME-PID.lua; once it was told of,
 * session-TIME-PID.lua. It stays where it is, since the paths in it may be relative. */
#include "repl/recovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "repl/file_names.h"
#include "repl/session_file.h"
#include "repl/user_files.h"

/* Hosts and containers that share a home have the same numbers of processes, and may all be told to
 * end in the same second: a file that is there is another's, and the next number is taken. */
enum { NAME_TRIES = 1000 };

bool recovery_save(Session *session, bool told, Arena *arena, const char **path, Error *err)
{
    struct tm now;
    time_t seconds = time(NULL);
    char stamp[32];
    *path = NULL;
    if (session_is_saved(session) || !session_line_count(session)) return true;
    localtime_r(&seconds, &now);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &now);
    for (long tries = 0; tries < NAME_TRIES; tries++) {
        const char *name = arena_printf(arena, "%s-%s-%ld.lua", told ? "session" : "unsaved",
                                        stamp, (long)getpid() + tries);
        const char *file = user_state_file(arena, name);
        if (!file)
            return error_set(err, ERR_NOT_FOUND, "there is no home to save the session in");
        *err = (Error){0};
        if (user_make_folder(file, err) && session_save(session, NULL, file, false, err)) {
            *path = file;
            return true;
        }
        if (err->code != ERR_EXISTS) return false;
    }
    return false;
}

/* For file_names: the last one by its name, which is the time. */
static void take_later(void *context, const char *name)
{
    const char **latest = context;
    if (!*latest || strcmp(name, *latest) > 0) *latest = name;
}

const char *recovery_find(Arena *arena)
{
    const char *latest = NULL, *stem = user_state_file(arena, "unsaved-");
    if (!stem) return NULL;
    file_names(arena, stem, take_later, &latest);
    if (!latest) return NULL;
    const int folder = (int)(strlen(stem) - strlen("unsaved-"));
    const char *told = arena_printf(arena, "%.*ssession-%s", folder, latest,
                                    latest + strlen(stem));
    return rename(latest, told) == 0 ? told : NULL;
}
