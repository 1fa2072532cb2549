/* Measure: running sums over many numbers, from which range, moments and oddities follow. The
 * loops are written in lanes, so that compilers make vector instructions of them. */
#ifndef LOADER_CHECK_MEASURE_H
#define LOADER_CHECK_MEASURE_H

#include <stddef.h>
#include <stdint.h>

typedef struct Measure {
    uint64_t count;              /* numbers seen */
    uint64_t nan, inf;           /* of them; the rest is finite */
    uint64_t zeros;              /* of either sign */
    uint64_t tiny;               /* smaller in size than the least normal number, not 0 */
    double min, max;             /* of the finite ones; 0 when there is none */
    double sum, sum_abs;         /* of the finite ones */
    double sum2, sum4;           /* their squares and fourth powers; infinite when they overflow */
} Measure;

/* Adds n numbers; all zeros is the Measure of none. `least` is the least normal number of the
 * type they are stored in (0 for integers). */
void measure_floats(Measure *measure, const float *numbers, size_t n, float least);
void measure_doubles(Measure *measure, const double *numbers, size_t n, double least);

uint64_t measure_finite(const Measure *measure);
/* Of the finite numbers; 0 when there is none. The deviation is the population's (÷ n). */
double measure_mean(const Measure *measure);
double measure_std(const Measure *measure);
/* The fourth moment about 0 over the square of the second: 3 for normal numbers, 1.8 for uniform
 * ones, both about 0. 0 when there is no spread. */
double measure_kurtosis(const Measure *measure);
/* The mean size of those that are not 0: unlike std it is hardly moved by a few huge ones. */
double measure_typical(const Measure *measure);

#endif
