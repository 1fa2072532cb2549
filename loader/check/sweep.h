/* Sweep: everything that one pass over a tensor's values can tell: range and moments, hashes, rows
 * and columns of zeros. Memory is bounded, whatever the tensor's size. */
#ifndef LOADER_CHECK_SWEEP_H
#define LOADER_CHECK_SWEEP_H

#include "loader/check/measure.h"
#include "loader/tensor/tensor.h"

enum { SWEEP_RANGES = 16 };      /* ranges of indexes that are kept */

/* Indexes along one axis, as the first few ranges of them. */
typedef struct SweepRanges {
    uint64_t count;              /* indexes in all ranges, also in those that were not kept */
    uint64_t ranges;             /* how many ranges there were */
    uint64_t from[SWEEP_RANGES], to[SWEEP_RANGES];   /* inclusive; the first ones */
} SweepRanges;

typedef struct Sweep {
    Measure measure;             /* of the values as numbers; complex ones by component */
    uint64_t hash;               /* of the packed values, quantized ones as their numbers: equal
                                    content, equal hash */
    uint32_t crc;                /* CRC-32 of the same; 0 when it was not asked for */
    bool numbers;                /* the values are numbers: measure, rows and columns hold */
    bool whole;                  /* every value is a whole number (only where asked for) */
    SweepRanges *rows, *columns; /* that hold nothing but zeros: indexes of axis 0, and of axis 1;
                                    owned; NULL: none, or all of them */
    uint64_t tail;               /* last rows that are equal to each other (1: only the last) */
} Sweep;

/* What costs extra. */
typedef struct SweepWish {
    bool crc, whole;
} SweepWish;

/* Called after each piece with its size in bytes, as stored; false, with an error (ERR_CANCELLED):
 * stop. */
typedef bool SweepStep(void *context, uint64_t bytes, Error *err);

/* Reads every value once. Errors begin with the tensor's name. What cannot be read as elements
 * (opaque, no data) is ERR_UNSUPPORTED or ERR_NOT_FOUND; a view that repeats a small storage over
 * and over is ERR_LIMIT. */
bool sweep_tensor(const Tensor *tensor, SweepWish wish, SweepStep *step, void *context,
                  Sweep *sweep, Error *err);
void sweep_done(Sweep *sweep);

#endif
