/* Glimpse: the first names of a file that is being opened, for whoever looks on meanwhile. What is
 * seen is what was read so far: the dict that comes of it may lack some of it, or be refused. */
#ifndef LOADER_TENSOR_GLIMPSE_H
#define LOADER_TENSOR_GLIMPSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many names are kept: the others are counted. */
enum { GLIMPSE_NAMES = 1000 };

typedef struct Glimpse Glimpse;

typedef struct GlimpseName {
    const char *name;            /* a held name, its beginning where it is very long */
    const int64_t *dims;         /* [rank]; NULL: not known yet */
    unsigned rank;
} GlimpseName;

Glimpse *glimpse_new(void);
/* NULL is fine. No thread may be in it any more. */
void glimpse_free(Glimpse *glimpse);

/* ---- for the one thread that reads ---- */

/* What this thread reads from now on is seen there (NULL: nowhere); returns where it was before. */
Glimpse *glimpse_set(Glimpse *glimpse);
/* Whether somebody looks on: for who would have to look for names. */
bool glimpse_is_wanted(void);
/* One more name; everything is copied. Without somebody who looks on, nothing happens. */
void glimpse_add(const char *name, const int64_t *dims, unsigned rank);
/* How much was read, in a unit of the reader's own. */
void glimpse_step(uint64_t done, uint64_t total);

/* ---- for one that looks on ---- */

/* How many names were seen so far, those that are not kept included. */
size_t glimpse_count(const Glimpse *glimpse);
/* One of those that are kept; it does not change any more. */
const GlimpseName *glimpse_at(const Glimpse *glimpse, size_t index);
/* How much was read, in percent; -1: not known. */
int glimpse_percent(const Glimpse *glimpse);

#endif
