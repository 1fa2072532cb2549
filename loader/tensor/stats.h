/* Statistics of a tensor's values, in one streamed pass. */
#ifndef LOADER_TENSOR_STATS_H
#define LOADER_TENSOR_STATS_H

#include "loader/tensor/tensor.h"

typedef struct Stats {
    uint64_t count;              /* elements */
    uint64_t finite;             /* of them, neither NaN nor infinite */
    uint64_t nan, inf, zeros;    /* how many are NaN, infinite of either sign, 0 of either sign */
    double min, max, mean, std;  /* over the finite ones, in f64; std is the population's (÷ n);
                                    undefined when finite is 0 */
    uint32_t crc;                /* CRC-32 of the elements, row-major, little-endian, packed; of
                                    quantized ones as they are stored, not of their numbers */
} Stats;

/* Reads every value once, in boxes of a few MB; quantized and packed ones count as the numbers that
 * they mean (values.h). Complex tensors count by their components.
 * Fails where the values cannot be read as numbers, and on read errors. */
bool tensor_stats(const Tensor *tensor, Stats *stats, Error *err);

/* Adds n numbers to everything but the CRC and the deviation, which is sqrt(*m2 / finite) at the
 * end; both start zeroed. `values` is overwritten: the finite ones are moved to its front, and
 * their number is returned. */
size_t stats_add(Stats *stats, double *m2, double *values, size_t n);

#endif
