/* The lines that another system would have printed: --log of align and diff. */
#ifndef REPL_LOG_LINES_H
#define REPL_LOG_LINES_H

#include "repl/session.h"

/* Whether --log knows the name; else the error lists those there are. */
bool log_find(const char *name, Error *err);
/* The preset that speaks for a system; NULL for PyTorch, which needs none. */
const char *log_preset(const char *name);
/* What the system called `name` says about the alignment, each message with a newline at its end;
 * nothing when it would be silent. `model` is the name of the model's class, or NULL. *inferred
 * says whether the order of the keys in it was inferred from their names. */
void log_lines(const char *name, const char *model, const Session *session,
               const Alignment *alignment, Text *out, bool *inferred);

#endif
