/* The live preview: what the line being typed would change, tried while it is typed. */
#ifndef REPL_PREVIEW_H
#define REPL_PREVIEW_H

#include "repl/ui.h"

/* Whether a line is of a kind that is previewed: rules, sub, strip, keep, seg, prefix. */
bool preview_wants(const char *line);
/* The line with what it leaves open closed: quotes, long brackets, parentheses. */
void preview_close(const char *line, Text *out);
/* What is to be done to try the line; NULL: nothing. */
Work *preview_begin(Ui *ui);
/* It is done: counts go beside the line, marks to the rows; a line that is wrong has neither. */
void preview_end(Ui *ui, const Work *work);
/* The line changed: what is shown is about an earlier one. */
void preview_age(Ui *ui);

#endif
