/* The user's own files: where the XDG base directories have them. */
#ifndef REPL_USER_FILES_H
#define REPL_USER_FILES_H

#include "loader/core/error.h"
#include "loader/core/memory.h"

/* $XDG_CONFIG_HOME/tenon/NAME, ~/.config/tenon/NAME; in the arena, whether it is there or not;
 * NULL without a home. */
const char *user_config_file(Arena *arena, const char *name);
/* The same of $XDG_STATE_HOME and ~/.local/state. */
const char *user_state_file(Arena *arena, const char *name);
/* Makes the folder of a state file, for nobody but the user, as the specification has it. */
bool user_make_folder(const char *path, Error *err);

#endif
