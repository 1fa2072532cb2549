/* Ctrl-C and other ways in which the user or the system wants us to stop. */
#ifndef REPL_INTERRUPT_H
#define REPL_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>

/* From now on the first Ctrl-C sets the flag below, and a second one, like SIGTERM, SIGHUP and
 * SIGPIPE, removes the temporary files of outputs and ends the process at once. */
void interrupt_watch(void);
/* Whether Ctrl-C was pressed; the address stays good, for those that look from far away. */
const atomic_bool *interrupt_flag(void);

#endif
