/* AutoRule: what auto{…} and --auto ask of automatic alignment, until align_finish carries it
 * out. Several of them add up: answers follow one another, of everything else the last one
 * counts. */
#ifndef LOADER_ALIGN_AUTO_RULE_H
#define LOADER_ALIGN_AUTO_RULE_H

#include <stdatomic.h>

#include "loader/align/auto.h"

/* What `accept` may be: the margins from which a pair counts as sure, and as likely. */
#define AUTO_SURE 0.20f
#define AUTO_LIKELY 0.05f

typedef struct AutoRule {
    Origin origin;               /* of the first statement */
    AutoOptions options;         /* what it points to lies in the draft's arena; cancelled and
                                    anchors are not set */
    bool no_values;              /* the values of both sides are not looked at (judge.h) */
    const char *lexicon_path;    /* the user's lexicon that is in options.lexicon; NULL: none */
    const atomic_bool *interrupt;    /* becomes true when the user wants to stop; NULL */
} AutoRule;

#endif
