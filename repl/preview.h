/* The live preview: what the line being typed would change, tried when no key is pending. */
#ifndef REPL_PREVIEW_H
#define REPL_PREVIEW_H

#include "repl/ui.h"

/* Whether a line is of a kind that is previewed: rules, sub, strip, keep, seg, prefix. */
bool preview_wants(const char *line);
/* The line with what it leaves open closed: quotes, long brackets, parentheses. */
void preview_close(const char *line, Text *out);
/* Tries the line: counts go beside it, marks to the rows; a line that is wrong has neither. */
void preview_run(Ui *ui);
/* The line changed: what is shown is about an earlier one. */
void preview_age(Ui *ui);

#endif
