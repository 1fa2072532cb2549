/* ValueAxis: one axis for the histograms of several sides, so that a column of one stands for the
 * same numbers as the column of another. */
#ifndef VIEWER_VALUE_AXIS_H
#define VIEWER_VALUE_AXIS_H

#include <stdbool.h>

#include "loader/align/profile.h"

typedef struct ValueAxis {
    double low, high;            /* of the finite numbers of all sides that are known */
    int top;                     /* by size: the greatest power of 2, and … */
    int bottom;                  /* … the one below which is next to nothing of any side */
    bool less;                   /* something is */
    unsigned sides;              /* how many of them have finite numbers; 0: the rest is nothing */
} ValueAxis;

/* One side more. */
void value_axis_add(ValueAxis *axis, const Profile *profile);
/* What falls into each of so many equal steps of the axis, or into each of its powers of 2 from the
 * bottom to the top, the first with all that is smaller; returns how many these are. A step of the
 * profile that lies across two of the axis counts for both, by its parts. */
int value_axis_bins(const ValueAxis *axis, const Profile *profile, bool by_size,
                     double bins[PROFILE_BINS]);

#endif
