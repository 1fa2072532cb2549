/* Recovery: what was not saved when the terminal went away, under $XDG_STATE_HOME/tenon. */
#ifndef REPL_RECOVERY_H
#define REPL_RECOVERY_H

#include "repl/session.h"

/* Writes down a session with lines that are not saved. *path receives where, in the arena; NULL
 * where there was nothing to write. `told`: the user hears of it now. */
bool recovery_save(Session *session, bool told, Arena *arena, const char **path, Error *err);
/* The file that was written last by a process that was ended, and was not told of yet: it is told
 * of once. In the arena; NULL: there is none. */
const char *recovery_find(Arena *arena);

#endif
