#include "viewer/value_axis.h"

#include <math.h>
#include <string.h>

/* Sizes of weights have a long tail downwards, of a few in a million each: that is left to the
 * first column, or the others would be narrow. */
static void add_bottom(ValueAxis *axis, const Profile *profile, bool first)
{
    enum { TAIL = 1000 };        /* one in so many */
    uint64_t all = 0, below = 0;
    int bin = 0;
    for (int i = 0; i < PROFILE_BINS; i++) all += profile->powers[i];
    while (bin < PROFILE_BINS - 1 && below + profile->powers[bin] <= all / TAIL)
        below += profile->powers[bin++];
    const int bottom = profile->top - PROFILE_BINS + 1 + bin;
    if (first || bottom < axis->bottom) axis->bottom = bottom;
    axis->less |= below > 0;
}

void value_axis_add(ValueAxis *axis, const Profile *profile)
{
    const Stats *stats = &profile->stats;
    if (!stats->finite) return;
    const bool first = !axis->sides++;
    add_bottom(axis, profile, first);
    axis->low = first ? stats->min : fmin(axis->low, stats->min);
    axis->high = first ? stats->max : fmax(axis->high, stats->max);
    axis->top = first || profile->top > axis->top ? profile->top : axis->top;
    if (axis->bottom <= axis->top - PROFILE_BINS) axis->bottom = axis->top - PROFILE_BINS + 1;
}

/* The first bin has all that is smaller, here as in the profile. */
static int add_powers(const ValueAxis *axis, const Profile *profile, double bins[PROFILE_BINS])
{
    for (int i = 0; i < PROFILE_BINS; i++) {
        const int at = profile->top - PROFILE_BINS + 1 + i - axis->bottom;
        bins[at > 0 ? at : 0] += (double)profile->powers[i];
    }
    return axis->top - axis->bottom + 1;
}

/* A profile's steps are no wider than the axis's, so that each lies in two of these at most. */
static void add_steps(const ValueAxis *axis, const Profile *profile, double bins[PROFILE_BINS])
{
    const double each = (axis->high - axis->low) / PROFILE_BINS;
    const double own = (profile->stats.max - profile->stats.min) / PROFILE_BINS;
    for (int i = 0; i < PROFILE_BINS; i++) {
        if (!profile->bins[i]) continue;
        const double from = (profile->stats.min - axis->low + i * own) / each;
        int at = from > 0 ? (int)from : 0;
        if (at >= PROFILE_BINS) at = PROFILE_BINS - 1;
        double beyond = own > 0 ? (from + own / each - (at + 1)) / (own / each) : 0;
        if (beyond < 1e-6 || at + 1 == PROFILE_BINS) beyond = 0;
        bins[at] += (1 - beyond) * (double)profile->bins[i];
        if (beyond > 0) bins[at + 1] += beyond * (double)profile->bins[i];
    }
}

int value_axis_bins(const ValueAxis *axis, const Profile *profile, bool by_size,
                     double bins[PROFILE_BINS])
{
    const Stats *stats = &profile->stats;
    const bool same = stats->min == axis->low && stats->max == axis->high;
    memset(bins, 0, PROFILE_BINS * sizeof *bins);
    if (by_size) return add_powers(axis, profile, bins);
    if (same || !(axis->high > axis->low))
        for (int i = 0; i < PROFILE_BINS; i++) bins[i] = (double)profile->bins[i];
    else add_steps(axis, profile, bins);
    return PROFILE_BINS;
}
