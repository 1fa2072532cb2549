/* Choices: the lines that would settle the row under the cursor, tried one at a time, and shown
 * numbered in the detail. Beginning and trying is work for a thread (work.h); all else is asked
 * while none of it is under way. */
#ifndef REPL_CHOICES_H
#define REPL_CHOICES_H

#include "repl/proposals.h"

enum { CHOICES_SHOWN_MAX = 9 };      /* as many as there are digits */

typedef struct Choices {
    Alignment *alignment;        /* one reference: what they are about; NULL: nothing yet */
    Arena *arena, *own_arena;    /* owned: of `all`, and of `own`, which goes with its target */
    ProposalList all;            /* of the whole ledger, made when first needed */
    bool made;                   /* it is */
    ProposalList own;            /* of the one target: its choices first, then what is for all */
    char *target;                /* owned: the row's key; NULL: what would settle anything */
    size_t next;                 /* the first of `own` that was not tried */
    Trials trials;               /* what helps, best first */
} Choices;

void choices_done(Choices *choices);
/* Whether lines may be tried unasked. */
bool choices_is_small(const Alignment *alignment);
/* Begins with another ledger or another target; does nothing when both are the same. `target` NULL:
 * whatever settles most. */
void choices_start(Choices *choices, Alignment *alignment, const Binding *binding);
/* Whether they were begun for that target of that ledger. */
bool choices_are_for(const Choices *choices, const Alignment *alignment, const Binding *binding);
/* Whether something is still to be tried: all, or until the first few have been found. */
bool choices_due(const Choices *choices, bool all);
/* Tries the next line, if there is one; `run` says how it is stopped. */
void choices_step(Choices *choices, Snapshot *snapshot, const SnapshotRun *run);
/* "1 LINE  +56", the first `most`, with `gap` between them; nothing while nothing was found. */
void choices_show(const Choices *choices, size_t most, const char *gap, Text *out);
/* A line for each, with its effect and reason. */
void choices_tell(const Choices *choices, Text *out);

#endif
