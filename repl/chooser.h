/* Chooser: a panel whose lines are verb lines to choose from. Enter closes it and runs one. */
#ifndef REPL_CHOOSER_H
#define REPL_CHOOSER_H

#include "repl/ui.h"

/* Opens it, empty, over what is on show. `name` is a literal: what the panel is called. */
Panel *chooser_open(Ui *ui, const char *name, const char *title);
/* One more line; `line` NULL: it is only to be read. Texts are copied. */
void chooser_add(Panel *panel, Style style, const char *text, const char *right, const char *line);

#endif
