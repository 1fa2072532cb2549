/* ValueAxis: one axis for the histograms of several sides, so that a column of one stands for the
 * same numbers as the column of another. */
#ifndef VIEWER_VALUE_AXIS_H
#define VIEWER_VALUE_AXIS_H

#include <stdbool.h>

#include "loader/align/profile.h"

typedef struct ValueAxis {
    double low, high;            /* of the finite numbers of all sides that are known */
    int top;                     /* by size: the greatest power of 2 */
    unsigned sides;              /* how many of them have finite numbers; 0: the rest is nothing */
} ValueAxis;

/* One side more. */
void value_axis_add(ValueAxis *axis, const Profile *profile);
/* What falls into each of so many equal steps of the axis, or of its powers of 2. A step of the
 * profile that lies across two of the axis counts for both, by its parts. */
void value_axis_bins(const ValueAxis *axis, const Profile *profile, bool by_size,
                     double bins[PROFILE_BINS]);

#endif
