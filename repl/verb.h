/* Verb: one thing the viewer can do. The table of them is verbs.c. */
#ifndef REPL_VERB_H
#define REPL_VERB_H

#include "repl/ui.h"

typedef struct Verb {
    const char *name;
    const char *args;            /* "" = none; "PATH", "[STATE]" */
    const char *help;
    /* `argument` is the rest of the line without blanks at its ends. */
    bool (*run)(Ui *ui, const char *argument, Error *err);
} Verb;

#endif
