/* The user's editor, in place of the viewer. */
#ifndef REPL_EDITOR_H
#define REPL_EDITOR_H

#include "loader/core/error.h"
#include "viewer/terminal_ops.h"

/* Gives the terminal to $VISUAL, $EDITOR or vi with that file, and waits. Editors that are known to
 * take one begin at the line; 0: at none. */
bool editor_run(Terminal *terminal, const char *path, int line, Error *err);

#endif
