/* Terminal: what the viewer needs of a terminal. The real one is terminal.c; tests bring one
 * that reads keys from a script. */
#ifndef VIEWER_TERMINAL_OPS_H
#define VIEWER_TERMINAL_OPS_H

#include "viewer/cell.h"
#include "viewer/press.h"

struct View;

typedef struct TerminalOps {
    /* Waits up to timeout_ms for a press (0: only looks); false when none came. */
    bool (*read)(void *state, int timeout_ms, Press *press);
    void (*size)(void *state, int *columns, int *rows);
    /* Shows the screen; only what changed goes out. */
    void (*flush)(void *state, const Screen *screen);
    /* Instead of flush, for a terminal that speaks: what there is to be said of. NULL: it shows. */
    void (*tell)(void *state, const struct View *view);
    /* The next flush paints everything again. */
    void (*repaint)(void *state);
    /* Gives the terminal back for another program (an editor), and takes it again. */
    void (*suspend)(void *state);
    void (*resume)(void *state);
} TerminalOps;

typedef struct Terminal {
    const TerminalOps *ops;
    void *state;
    bool ascii;          /* shows no more than ASCII */
} Terminal;

#endif
