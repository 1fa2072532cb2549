/* A line of rules in the viewer, typed or by a key. */
#ifndef REPL_APPLY_H
#define REPL_APPLY_H

#include "repl/ui.h"

/* Runs a line of rules, shows what it gives and keeps it in the session; one that fails leaves no
 * trace, and one that only asks is not kept. */
bool ui_apply_line(Ui *ui, const char *line, Error *err);

#endif
