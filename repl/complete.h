/* Completion of the prompt's line: verbs, statements and ops; keys, a segment at a time; files
 * and states after the verbs that take them. */
#ifndef REPL_COMPLETE_H
#define REPL_COMPLETE_H

#include "repl/ui.h"

/* Completes the word before the cursor as far as it is certain. When there are several ways to
 * go on they are appended to `choices`, blanks between. */
void complete_line(const Ui *ui, Line *line, Text *choices);

#endif
