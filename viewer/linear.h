/* Linear: the viewer as lines of text, for screen readers and terminals without a cursor. Commands
 * are read by the line: what could be typed after ":", a search after "/", a key by its name as the
 * help page shows it, nothing for the row below; `list [N]` says rows, `row` says one again. After
 * each one it says what changed: the message, a panel's text, and the row under the cursor. */
#ifndef VIEWER_LINEAR_H
#define VIEWER_LINEAR_H

#include <stdio.h>

#include "viewer/terminal_ops.h"

/* Whether the user wants it wherever the viewer opens; not unless it was said. */
bool linear_is_preferred(void);
void linear_prefer(bool preferred);

/* Both streams are borrowed. */
void linear_open(Terminal *terminal, FILE *in, FILE *out);
void linear_close(Terminal *terminal);

#endif
