/* The real terminal, through curses. */
#ifndef VIEWER_TERMINAL_H
#define VIEWER_TERMINAL_H

#include "loader/core/error.h"
#include "viewer/terminal_ops.h"

/* Takes over standard input and output. `mono`: no colours (NO_COLOR says so too). Refuses a
 * terminal that cannot move its cursor. One at a time. Needs setlocale to have been called. */
bool terminal_open(Terminal *terminal, bool mono, Error *err);
/* Leaves the terminal as it was; harmless when it was never opened. */
void terminal_close(Terminal *terminal);

#endif
