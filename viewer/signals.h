/* Signals while the viewer has the terminal, as presses: SIGTERM and SIGHUP (the terminal was
 * killed) are PRESS_CLOSE, so that the program ends by itself; SIGINT is Ctrl-C, a key that stops
 * what is under way. One terminal at a time. */
#ifndef VIEWER_SIGNALS_H
#define VIEWER_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

#include "viewer/press.h"

enum { SIGNALS_WATCHED = 3 };

typedef struct SignalsBefore {
    struct sigaction actions[SIGNALS_WATCHED];
} SignalsBefore;

/* Keeps in `before` what is to be put back. They wake a wait: poll and read end with EINTR. */
void signals_watch(SignalsBefore *before);
/* Once the program is about to end, SIGTERM and SIGHUP are ignored from here on: a shell whose
 * terminal is closed sends a second one while the session is being saved. */
void signals_restore(const SignalsBefore *before);
/* The program is about to end, though no signal has said so. */
void signals_end(void);
/* Whether one has come that was not taken yet. */
bool signals_are_waiting(void);
/* False when none has come. */
bool signals_take(Press *press);

#endif
