/* CastLoss: what a cast has lost, exactly, measured on the values while they are written. */
#ifndef LOADER_ALIGN_CAST_LOSS_H
#define LOADER_ALIGN_CAST_LOSS_H

#include "loader/tensor/dtype.h"

/* All casts of one tensor from one dtype to another. */
typedef struct CastLoss {
    DType from, to;
    uint64_t values;             /* that were cast */
    uint64_t changed;            /* that are not the same number any more; NaN stays NaN */
    uint64_t infinite;           /* of them: finite ones that became infinite */
    uint64_t nans;               /* of them: numbers that became NaN */
    double max_error;            /* of the others that changed: the largest difference */
} CastLoss;

enum { CAST_PAIRS = 4 };         /* pairs of dtypes in one tensor; more are not told apart */

typedef struct CastLosses {
    CastLoss pairs[CAST_PAIRS];
    size_t count;
} CastLosses;

/* Counts n values: `in` of dtype `held` (that of the values of a tensor of dtype `from`, f32 for
 * quantized ones), `out` what dtype_convert made of them. Casts that lose nothing whatever the
 * values, such as f16 to f32, are not looked at. */
void cast_loss_add(CastLosses *losses, DType from, DType held, const void *in, DType to,
                   const void *out, size_t n);
/* Adds one tensor's to a sum. */
void cast_loss_sum(CastLoss *sum, const CastLoss *one);
/* "12 of 400 values changed, by up to 0.00012; 3 became infinite", "no value changed". */
void cast_loss_show(const CastLoss *loss, char text[160]);

#endif
