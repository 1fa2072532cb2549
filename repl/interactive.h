/* Interactive: the loop that joins session, view and terminal. */
#ifndef REPL_INTERACTIVE_H
#define REPL_INTERACTIVE_H

#include "repl/session.h"
#include "repl/typed_ahead.h"
#include "viewer/terminal_ops.h"

typedef struct InteractiveOptions {
    bool no_color;
    const char *notes;       /* what a user should know first; NULL or "": nothing */
    const char *history;     /* a file of lines (history_file.h); NULL: none is kept */
    Terminal *terminal;      /* borrowed; NULL: the real one is opened and closed again */
    const Terminal *opened;  /* the real one, where it is open already; closed all the same */
    TypedAhead *ahead;       /* what was typed already, which is taken over; NULL: nothing */
    size_t names_top;        /* the first of the names that were on show already */
    long moment;             /* for tests: milliseconds for which a key waits for a ledger; 0: as
                                many as nobody feels; -1: none at all */
    long first;              /* for tests: the same of the first ledger, before which there are but
                                names */
    /* For tests: looks at the ledger on show before every frame; NULL: nobody does. */
    void (*watch)(void *context, const Alignment *alignment);
    void *watch_context;
} InteractiveOptions;

/* Shows the session until the user quits. Returns the exit status: 0, 2 when there is nothing to
 * show or no terminal to show it on (the reason is on standard error), 128 + n when signal n
 * ended it. */
int interactive_run(Session *session, const InteractiveOptions *options);

#endif
