#include "viewer/value_axis.h"

#include <math.h>
#include <string.h>

void value_axis_add(ValueAxis *axis, const Profile *profile)
{
    const Stats *stats = &profile->stats;
    if (!stats->finite) return;
    const bool first = !axis->sides++;
    axis->low = first ? stats->min : fmin(axis->low, stats->min);
    axis->high = first ? stats->max : fmax(axis->high, stats->max);
    axis->top = first || profile->top > axis->top ? profile->top : axis->top;
}

/* The first bin has all that is smaller, here as in the profile. */
static void add_powers(const ValueAxis *axis, const Profile *profile, double bins[PROFILE_BINS])
{
    const int down = axis->top - profile->top;
    for (int i = 0; i < PROFILE_BINS; i++)
        bins[i > down ? i - down : 0] += (double)profile->powers[i];
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

void value_axis_bins(const ValueAxis *axis, const Profile *profile, bool by_size,
                     double bins[PROFILE_BINS])
{
    const Stats *stats = &profile->stats;
    const bool same = stats->min == axis->low && stats->max == axis->high;
    memset(bins, 0, PROFILE_BINS * sizeof *bins);
    if (by_size) add_powers(axis, profile, bins);
    else if (same || !(axis->high > axis->low))
        for (int i = 0; i < PROFILE_BINS; i++) bins[i] = (double)profile->bins[i];
    else add_steps(axis, profile, bins);
}
