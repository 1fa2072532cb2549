/* Ctrl-C and other ways in which the user or the system wants us to stop. */
#ifndef REPL_INTERRUPT_H
#define REPL_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>

/* From now on the first Ctrl-C sets the flag below, and a second one, like SIGTERM, SIGHUP and
 * SIGPIPE, removes the temporary files of outputs and ends the process at once. */
void interrupt_watch(void);
/* The same, but that SIGTERM and SIGHUP only set the flag too: for whoever has something to save
 * and looks at interrupt_end before long. */
void interrupt_watch_end(void);
/* The signal that wants the process to end; 0: none has come. */
int interrupt_end(void);
/* As if Ctrl-C had been pressed: for whoever sees it as a key. */
void interrupt_raise(void);
/* Ctrl-C has been answered; the next one is the first again. */
void interrupt_reset(void);
/* Whether Ctrl-C was pressed; the address stays good, for those that look from far away. */
const atomic_bool *interrupt_flag(void);

#endif
