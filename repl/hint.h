/* The hint in the bottom line while nothing else is said: the keys that go on from here. */
#ifndef REPL_HINT_H
#define REPL_HINT_H

#include "repl/ui.h"

/* Appends "KEY WORDS\n" for each, the one that is likeliest to be wanted first; nothing while a
 * panel is on show, which says for itself how it goes on. */
void hint_show(const Ui *ui, Text *out);

#endif
