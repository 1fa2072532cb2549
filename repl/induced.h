/* What follows from the pairs made by hand, for whoever has it found out. */
#ifndef REPL_INDUCED_H
#define REPL_INDUCED_H

#include "repl/ui.h"

/* Shows it (number 0), or keeps the proposal of that number, from 1. */
void induced_take(Ui *ui, size_t number, const SessionMarks *marks);

#endif
