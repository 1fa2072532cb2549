/* Verbs: what the viewer can do, in one table. Keys are bound to verb lines (keys.h), the `:`
 * prompt takes them, help and completion read the table. */
#ifndef REPL_VERBS_H
#define REPL_VERBS_H

#include "repl/verb.h"

const Verb *verb_table(size_t *count);
/* The verb that a line begins with, and its rest in *argument; NULL when it is a line of Lua,
 * as `write = 3` and `write(3)` are. */
const Verb *verb_find(const char *line, const char **argument);
/* Runs a verb line; false and an error when it is none or fails. */
bool verb_run(Ui *ui, const char *line, Error *err);

#endif
