/* Verb: one thing the viewer can do. The table of them is verb_list.h. */
#ifndef REPL_VERB_H
#define REPL_VERB_H

#include "repl/ui.h"

/* What a verb does while a panel covers the list. */
typedef enum VerbWhere {
    VERB_ANY,                    /* what it always does */
    VERB_MOVE,                   /* moves in the panel */
    VERB_LIST                    /* nothing: it is about the list */
} VerbWhere;

typedef struct Verb {
    const char *name;
    VerbWhere where;
    const char *args;            /* "" = none; "PATH", "[STATE]" */
    const char *help;
    /* `argument` is the rest of the line without blanks at its ends. */
    bool (*run)(Ui *ui, const char *argument, Error *err);
} Verb;

#endif
