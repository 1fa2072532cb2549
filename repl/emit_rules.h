/* --emit-rules: everything that a plan stands on as one rules file: the statements that were given,
 * and rules for what was found without one. Run without --auto it comes to the same plan. */
#ifndef REPL_EMIT_RULES_H
#define REPL_EMIT_RULES_H

#include "repl/session.h"

/* Writes the file, whole or not at all; an existing one is refused without `force`. The text is
 * run before it is written: where it does not come to the same values, that is an error. *rules
 * receives how many lines of rule text were added. */
bool emit_rules(Session *session, const Alignment *alignment, const char *path, bool force,
                size_t *rules, Error *err);
/* Whether a text, run alone as the file `path` that it will lie in, comes to the same values. */
bool emit_check(Session *session, const Alignment *alignment, const char *path, const char *text,
                Error *err);

#endif
