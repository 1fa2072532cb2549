/* The panel of rules, for whoever shows one in it. */
#ifndef REPL_RULES_PANEL_H
#define REPL_RULES_PANEL_H

#include "repl/ui.h"

/* Opens it with the cursor on what was found, and says so. */
void rules_panel_show(Ui *ui, const Culprit *culprit);

#endif
