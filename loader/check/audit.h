/* Audit: one check under way: the tensors of a checkpoint with what their values told, and the
 * report that fills. The checks (checks.h) read the one and write the other. */
#ifndef LOADER_CHECK_AUDIT_H
#define LOADER_CHECK_AUDIT_H

#include "loader/check/report.h"
#include "loader/check/role.h"
#include "loader/check/sweep.h"

/* A tensor under one name. */
typedef struct Subject {
    const Tensor *tensor;        /* borrowed from the checkpoint */
    const char *name;            /* as findings have it: "fc.weight", "ema::fc.weight" */
    const Sweep *sweep;          /* NULL: its values could not be read, or were not asked for */
    ErrorCode problem;           /* why they could not be read; `why` in words, in the report's */
    const char *why;             /* arena */
    Role role;
    uint32_t first;              /* the subject with the same bytes that came first; itself */
} Subject;

/* The tensors of one container: subjects [from, to). */
typedef struct Part {
    const Container *container;  /* borrowed */
    size_t from, to;
    bool repeats;                /* its tensors were all seen in parts before it */
} Part;

typedef struct Audit {
    Checkpoint *checkpoint;      /* borrowed */
    const char *file;            /* as the user named it, for remedies; borrowed */
    Subject *subjects;           /* owned */
    size_t count;
    Part *parts;                 /* owned; the chosen one first */
    size_t part_count;
    Sweep *sweeps;               /* [count] owned; of those that came first */
    CheckReport *report;         /* borrowed */
} Audit;

/* Lists the tensors of the chosen container and, when `all`, of the others. */
void audit_init(Audit *audit, Checkpoint *checkpoint, const char *file, const Container *chosen,
                bool all, CheckReport *report);
void audit_done(Audit *audit);

/* Of every tensor whose bytes were not met before: reads the values, with several threads where
 * that pays. False when the user asked to stop. `step` is called by one thread at a time. */
bool audit_sweep(Audit *audit, bool crc, SweepStep *step, void *context, Error *err);
/* Adds what could not be read to the report, in the order of the file. */
void audit_report_unread(const Audit *audit);
/* Bytes that audit_sweep will read. */
uint64_t audit_bytes(const Audit *audit);

/* Whether subject i was read, is the first of its bytes, and belongs to weights. */
bool audit_is_judged(const Audit *audit, const Part *part, size_t i);
/* "WHAT: tenon align FILE -e 'CODE' -o OUT": a remedy, in the report's arena. The code may hold
 * CHECK_KEYS. */
const char *audit_remedy(const Audit *audit, const char *what, const char *code);
/* The same with other options, each with a blank behind it. */
const char *audit_command(const Audit *audit, const char *what, const char *options);
/* "rows 0-9, 14 and 31-40 of 64": indexes in words, appended. */
void audit_add_ranges(const SweepRanges *ranges, uint64_t all, Text *out);

#endif
