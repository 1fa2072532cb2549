/* Bisect: which rule made a row what it is. The rules are run up to the middle, between two
 * statements, and the half goes on in which the row changes. */
#ifndef REPL_BISECT_H
#define REPL_BISECT_H

#include "repl/snapshot.h"

typedef struct Culprit {
    size_t text;                 /* index of the text */
    size_t line;                 /* of it, from 1: where the rule, or else the statement begins */
    bool broke;                  /* the row was fine before it, and is not since */
    size_t runs;                 /* how often rules were run */
} Culprit;

/* Of a target key, or of a source tensor that went nowhere. A row that has no value: what broke it;
 * one that has: what made it what it is. False with an error when no rule has done it, or it was
 * interrupted. */
bool bisect_row(Snapshot *snapshot, const SnapshotRun *run, const char *key, bool source,
                Culprit *out, Error *err);

#endif
