/* Work: what the viewer has done by a thread of its own, so that no key waits for it: making a
 * ledger and its rows, trying a line, looking for what would settle a row. One at a time; what it
 * was given it alone touches, and what comes of it is read when it is over. */
#ifndef REPL_WORK_H
#define REPL_WORK_H

#include "loader/core/job.h"
#include "repl/bisect.h"
#include "repl/choices.h"
#include "repl/session_marks.h"
#include "repl/snapshot.h"
#include "viewer/change.h"

typedef enum WorkKind {
    WORK_ALIGN,              /* the session's ledger, and rows for it */
    WORK_APPLY,              /* the same with one more line, and what that changes */
    WORK_PREVIEW,            /* what one more line would change */
    WORK_CHOICES,            /* begins with a row, or tries one line for it */
    WORK_BISECT,             /* looks for the rule that broke a row */
    WORK_INDUCE,             /* goes on from the pairs made by hand */
    WORK_WITHOUT,            /* what would change without one of the rules */
    WORK_TIDY                /* frees what is large */
} WorkKind;

typedef struct Work {
    WorkKind kind;
    Snapshot *snapshot;      /* owned; NULL for TIDY */
    char *line;              /* owned: the one more line; else NULL */
    Alignment *before;       /* one reference: the ledger on show; NULL: there is none yet */
    const RowModel *rows;    /* borrowed, must not be sorted or freed meanwhile: the rows on show,
                                for ALIGN and APPLY; NULL */
    uint8_t *open;           /* owned: what is open in them */
    size_t lines;            /* rows of the screen, for the first list */
    bool compare;            /* ALIGN: what changes is wanted too */
    Choices *choices;        /* borrowed, for CHOICES */
    const Binding *binding;  /* of `before`: what they are for; NULL: whatever helps most */
    char *key;               /* owned, for BISECT: the row's; a target, or else … */
    bool source;             /* … a source tensor */
    size_t number;           /* WITHOUT: of the rule, from 1; INDUCE: its owner's */
    RowModel *old;           /* owned, for TIDY */
    /* What comes of it; `after` may be there before: of ALIGN what is known, of TIDY what goes. */
    Alignment *after;        /* one reference; NULL: nothing could be said, or nothing is kept */
    RowModel *made;          /* owned: its rows; NULL */
    Changes changes;         /* APPLY and PREVIEW; WITHOUT, and ALIGN with `compare`, unless
                                `failed` */
    Culprit culprit;         /* BISECT, unless `failed` */
    SessionMarks marks;      /* INDUCE, unless `failed` … */
    Arena *arena;            /* … in which it lies; owned */
    bool failed;             /* a script did, and `problem` says why; `after` has what was before */
    Error problem;
    atomic_bool halted;      /* ALIGN: its scripts are to stop */
    Job *job;                /* owned */
} Work;

/* Takes the snapshot over and keeps a reference to `before`; either may be NULL. The other fields
 * are to be filled in before it starts. */
Work *work_new(WorkKind kind, Snapshot *snapshot, Alignment *before);
void work_start(Work *work);
bool work_is_over(const Work *work);
/* Waits, so many milliseconds at most; whether it is over. */
bool work_wait(const Work *work, long milliseconds);
/* How far it is, in percent; -1: not known. */
int work_percent(const Work *work);
/* Tells it to stop, and does not wait. */
void work_cancel(Work *work);
/* Tells the scripts of an ALIGN to stop: the ledger is made of what stood before. */
void work_halt(Work *work);
/* Waits until it is over. NULL is fine. */
void work_free(Work *work);

#endif
