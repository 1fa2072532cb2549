/* The screen while a session's first files are being opened: how far that is, the names that were
 * read so far, and a way out. */
#ifndef REPL_OPENING_SCREEN_H
#define REPL_OPENING_SCREEN_H

#include "repl/opening.h"
#include "repl/typed_ahead.h"
#include "viewer/terminal_ops.h"

typedef struct OpeningScreen {
    const Terminal *terminal;    /* borrowed; NULL: the real one is opened when files take long … */
    Terminal own;            /* … here, and whoever goes on with it closes it */
    bool no_color;
    TypedAhead ahead;        /* owned: what was typed for the list */
    size_t top;              /* the first of the names that were on show */
    bool left;               /* the user left, or a signal came … */
    int status;              /* … and this is what to exit with */
} OpeningScreen;

/* Of SessionOpener; `context` is an OpeningScreen. Who leaves gets errors in place of the files. */
void opening_screen_run(void *context, Opened *opened);

#endif
