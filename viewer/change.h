/* Changes: what tells one ledger from another of the same files; what the live preview says
 * and marks. */
#ifndef VIEWER_CHANGE_H
#define VIEWER_CHANGE_H

#include "viewer/rows.h"

/* Ordered by weight: a module shows the greatest below it. */
typedef enum Change { CHANGE_NONE, CHANGE_OTHER, CHANGE_LOAD, CHANGE_BREAK } Change;

typedef struct Changes {
    uint8_t *bindings;       /* owned; a Change for each binding of `before` */
    uint8_t *uses;           /* owned; the same for its source tensors */
    size_t load, broken;     /* targets that would gain, would lose their value */
    size_t other;            /* that would get another one */
    size_t dropped;          /* sources that would be dropped and are not now */
    size_t collisions;       /* names that would be claimed twice and are not now */
    bool has_target;
} Changes;

void changes_init(Changes *changes, const Alignment *before, const Alignment *after);
void changes_done(Changes *changes);
/* Whether the two ledgers come to the same. */
bool changes_are_none(const Changes *changes);
/* "load 2, break 0". */
void changes_show(const Changes *changes, Text *out);
/* Marks the rows; `changes` belongs to the model's alignment. NULL takes the marks off. */
void changes_mark(RowModel *model, const Changes *changes);

#endif
