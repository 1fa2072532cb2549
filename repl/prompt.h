/* Prompt: tenon repl on a terminal. */
#ifndef REPL_PROMPT_H
#define REPL_PROMPT_H

#include "repl/console.h"

/* Reads and runs inputs until the end; returns the exit status. What a signal cut short is saved
 * (recovery.h) and named on standard error. */
int prompt_run(Console *console);

#endif
