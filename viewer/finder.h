/* Finder: the tensors whose key, on either side, fits what is searched for: a text, a glob or a
 * regular expression (name_test.h). It goes on in steps, so that a key press never waits for the
 * end of a million names. */
#ifndef VIEWER_FINDER_H
#define VIEWER_FINDER_H

#include "viewer/name_test.h"
#include "viewer/rows.h"

typedef struct Finder {
    Text text;               /* what is looked for, as typed; "" = no search */
    NameTest test;           /* owned; the same, compiled */
    Error problem;           /* why there is no search: a regex that is wrong, or takes too long */
    uint32_t next;           /* the row at which the next step begins */
    bool done;
    uint32_t *hits;          /* owned: rows, ascending */
    size_t count, room;
} Finder;

/* Begins anew; `text` may be "". */
void finder_start(Finder *finder, const char *text);
void finder_done(Finder *finder);
/* Looks at up to `rows` more rows, or fewer where that takes more than a few milliseconds; false
 * once all were seen, or there is a problem. */
bool finder_step(Finder *finder, const RowModel *model, size_t rows);
/* The next hit in direction +1 or -1 from a row (`inclusive`: it may be the row itself), going
 * round at the ends; ROW_NONE when there are none. */
uint32_t finder_next(const Finder *finder, uint32_t from, int direction, bool inclusive);
/* 1 for the first hit; 0 when the row is none. */
size_t finder_rank(const Finder *finder, uint32_t row);

#endif
