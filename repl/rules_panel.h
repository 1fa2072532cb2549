/* The panel of rules, for whoever shows one in it. */
#ifndef REPL_RULES_PANEL_H
#define REPL_RULES_PANEL_H

#include "repl/ui.h"

/* Opens it with the cursor on what was found, and says so. */
void rules_panel_show(Ui *ui, const Culprit *culprit);
/* Marks in the list what would change without the text of that number, from 1. */
void rules_panel_leave_out(Ui *ui, size_t number, const Changes *changes);

#endif
