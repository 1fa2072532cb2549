/* Proposals, tried: each line is run after the session's own, and its ledger compared with the one
 * that is there. What is counted is what happened, not what was thought. */
#ifndef REPL_PROPOSALS_H
#define REPL_PROPOSALS_H

#include "loader/align/proposal.h"
#include "repl/snapshot.h"

/* A proposal and what its line did. */
typedef struct Trial {
    const Proposal *proposal;    /* borrowed */
    size_t targets;              /* open targets that it settles */
    size_t sources;              /* source tensors that went nowhere and now do, or are dropped */
    size_t dropped;              /* of them: dropped */
    size_t breaks;               /* targets that lose a value, collisions, errors of rules */
    uint64_t effect;             /* equal: two lines do the same */
    uint8_t *settled;            /* owned; [targets of the ledger], then [its sources]: 1 */
    bool rivalled;               /* another line of its kind gives the same targets other sources,
                                    and nothing tells which is right */
    bool about;                  /* settles the target that was asked about, or finds its source */
    Alignment *after;            /* one reference; NULL unless it was kept */
} Trial;

typedef struct TrialOptions {
    const char *target;          /* a target key: only what settles it counts; NULL = anything */
    bool strict;                 /* unused source tensors are problems too, as when loading */
    bool (*cancelled)(void *context);    /* asked before every trial; NULL = never */
    void *context;
    size_t most;                 /* trials; 0 = no limit but the time */
    long milliseconds;           /* of work, after which no trial begins; 0 = no limit */
    const atomic_bool *interrupt;    /* as in SnapshotRun */
    const AlignWatch *watch;     /* likewise */
} TrialOptions;

typedef struct Trials {
    Trial *items;                /* owned, [count]: best first; none without effect, none twice */
    size_t count;
    size_t tried, left;          /* lines run, and lines that there was no time for */
} Trials;

/* Tries one line against the ledger that is there. False: it is wrong, or does nothing. `trial`
 * is to be freed with trial_done either way. */
bool trial_run(Trial *trial, Snapshot *snapshot, const Alignment *before,
               const Proposal *proposal, const TrialOptions *options);
void trial_done(Trial *trial);

/* Tries all of a list and ranks what helps: what breaks nothing first, then what waives nothing,
 * then what settles most, then what costs least. */
void trials_run(Trials *trials, Snapshot *snapshot, const Alignment *before,
                const ProposalList *list, const TrialOptions *options);
/* Puts one more into its place; takes it over. False, and freed, when one of the same effect is
 * there. */
bool trials_add(Trials *trials, Trial *trial);
void trials_done(Trials *trials);

/* `auto{}`, where something is missing and something unused. */
void proposals_add_auto(ProposalList *list, const Alignment *alignment);
/* Rule packs and presets that fit (pack_find), as proposals: those of which some pattern could. */
void proposals_add_packs(ProposalList *list, const Alignment *alignment);

#endif
