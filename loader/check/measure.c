/* Eight lanes of partial sums. Numbers that are not finite spoil the sum of squares, which is how
 * they are noticed; only then is a block taken apart number by number. */
#include "loader/check/measure.h"

#include <math.h>
#include <stdbool.h>

enum { LANES = 8, BLOCK = 1024 };    /* BLOCK: numbers between two looks at the sums */

/* What a block adds up to. */
typedef struct Lanes {
    double sum[LANES], sum_abs[LANES], sum2[LANES], sum4[LANES];
    uint64_t zeros, small;           /* small: below `least`, zeros too */
    double min, max;
} Lanes;

/* The remainder of a block goes to lane 0, one by one. */
static void add_rest(Lanes *lanes, double value, double least)
{
    double square = value * value;
    lanes->sum[0] += value;
    lanes->sum_abs[0] += fabs(value);
    lanes->sum2[0] += square;
    lanes->sum4[0] += square * square;
    lanes->zeros += value == 0;
    lanes->small += fabs(value) < least || value == 0;
    if (value < lanes->min) lanes->min = value;
    if (value > lanes->max) lanes->max = value;
}

/* Sums in f64, range and counts in f32, which is half as wide and so twice as fast. Comparisons
 * with NaN are false, so that NaN never enters the range. */
static void add_floats(Lanes *lanes, const float *numbers, size_t n, float least)
{
    float low[LANES], high[LANES];
    uint32_t zeros[LANES] = {0}, small[LANES] = {0};
    for (int k = 0; k < LANES; k++) low[k] = INFINITY, high[k] = -INFINITY;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int k = 0; k < LANES; k++) {
            float value = numbers[i + (size_t)k], size = fabsf(value);
            low[k] = value < low[k] ? value : low[k];
            high[k] = value > high[k] ? value : high[k];
            zeros[k] += size <= 0;
            small[k] += size < least;
        }
        for (int k = 0; k < LANES; k++) {
            double value = numbers[i + (size_t)k], square = value * value;
            lanes->sum[k] += value;
            lanes->sum_abs[k] += fabs(value);
            lanes->sum2[k] += square;
            lanes->sum4[k] += square * square;
        }
    }
    for (int k = 0; k < LANES; k++) {
        lanes->zeros += zeros[k];
        lanes->small += least > 0 ? small[k] : zeros[k];
        if ((double)low[k] < lanes->min) lanes->min = (double)low[k];
        if ((double)high[k] > lanes->max) lanes->max = (double)high[k];
    }
    for (; i < n; i++) add_rest(lanes, (double)numbers[i], (double)least);
}

/* Integers and f64 are rare and small: one by one. */
static void add_doubles(Lanes *lanes, const double *numbers, size_t n, double least)
{
    for (size_t i = 0; i < n; i++) add_rest(lanes, numbers[i], least);
}

static Lanes no_lanes(void)
{
    return (Lanes){.min = INFINITY, .max = -INFINITY};
}

/* Of n finite numbers. The first finite numbers of all set the range. */
static void take_lanes(Measure *measure, const Lanes *lanes, size_t n)
{
    if (!n) return;
    bool first = !measure_finite(measure);
    measure->count += n;
    measure->zeros += lanes->zeros;
    measure->tiny += lanes->small - lanes->zeros;
    if (first || lanes->min < measure->min) measure->min = lanes->min;
    if (first || lanes->max > measure->max) measure->max = lanes->max;
    for (int k = 0; k < LANES; k++) {
        measure->sum += lanes->sum[k];
        measure->sum_abs += lanes->sum_abs[k];
        measure->sum2 += lanes->sum2[k];
        measure->sum4 += lanes->sum4[k];
    }
}

/* A NaN or an infinity in any lane is still there in the sum of all. */
static bool is_finite(const Lanes *lanes)
{
    double all = 0;
    for (int k = 0; k < LANES; k++) all += lanes->sum2[k];
    return isfinite(all);
}

/* A number that is not finite is counted; true for the others. */
static bool keep(Measure *measure, double value)
{
    if (isfinite(value)) return true;
    measure->count++;
    if (isnan(value)) measure->nan++;
    else measure->inf++;
    return false;
}

/* Squares of floats cannot overflow a double, nor can their fourth powers. */
void measure_floats(Measure *measure, const float *numbers, size_t n, float least)
{
    for (size_t left = n; left;) {
        size_t step = left < BLOCK ? left : BLOCK, kept = 0;
        Lanes lanes = no_lanes();
        add_floats(&lanes, numbers, step, least);
        if (is_finite(&lanes)) {
            take_lanes(measure, &lanes, step);
        } else {
            float finite[BLOCK];
            lanes = no_lanes();
            for (size_t i = 0; i < step; i++)
                if (keep(measure, (double)numbers[i])) finite[kept++] = numbers[i];
            add_floats(&lanes, finite, kept, least);
            take_lanes(measure, &lanes, kept);
        }
        numbers += step;
        left -= step;
    }
}

/* Squares of doubles may overflow without one of them being infinite: they are looked at then. */
void measure_doubles(Measure *measure, const double *numbers, size_t n, double least)
{
    for (size_t left = n; left;) {
        size_t step = left < BLOCK ? left : BLOCK, kept = 0;
        Lanes lanes = no_lanes();
        add_doubles(&lanes, numbers, step, least);
        if (is_finite(&lanes)) {
            take_lanes(measure, &lanes, step);
        } else {
            double finite[BLOCK];
            lanes = no_lanes();
            for (size_t i = 0; i < step; i++)
                if (keep(measure, numbers[i])) finite[kept++] = numbers[i];
            add_doubles(&lanes, finite, kept, least);
            take_lanes(measure, &lanes, kept);
        }
        numbers += step;
        left -= step;
    }
}

uint64_t measure_finite(const Measure *measure)
{
    return measure->count - measure->nan - measure->inf;
}

double measure_mean(const Measure *measure)
{
    uint64_t n = measure_finite(measure);
    return n ? measure->sum / (double)n : 0;
}

/* Cancellation would spoil this for values far from 0; weights are not. Never below 0. */
double measure_std(const Measure *measure)
{
    uint64_t n = measure_finite(measure);
    if (!n) return 0;
    double mean = measure->sum / (double)n, square = measure->sum2 / (double)n - mean * mean;
    return square > 0 ? sqrt(square) : 0;
}

double measure_kurtosis(const Measure *measure)
{
    uint64_t n = measure_finite(measure);
    if (!n || !(measure->sum2 > 0) || !isfinite(measure->sum4)) return 0;
    return measure->sum4 * (double)n / (measure->sum2 * measure->sum2);
}

double measure_typical(const Measure *measure)
{
    uint64_t n = measure_finite(measure) - measure->zeros;
    return n ? measure->sum_abs / (double)n : 0;
}
