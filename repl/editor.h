/* The user's editor, in place of the viewer. */
#ifndef REPL_EDITOR_H
#define REPL_EDITOR_H

#include "loader/core/error.h"
#include "viewer/terminal_ops.h"

/* Gives the terminal to $VISUAL, $EDITOR or vi with that file, and waits. Editors that are known to
 * take one begin at the line; 0: at none. */
bool editor_run(Terminal *terminal, const char *path, int line, Error *err);
/* The same with a text that is no file: a temporary one holds it meanwhile, whose path is added to
 * `path`; it is the caller's to remove. The text as it is then, without white space at its end; the
 * caller frees. NULL with an error. */
char *editor_run_text(Terminal *terminal, const char *text, size_t n, Text *path, Error *err);

#endif
