/* One line that is drawn over itself: \r goes to its start, and ESC [ K wipes what is there. */
#include "repl/progress.h"

#include <stdio.h>

#include "loader/core/text.h"
#include "repl/interrupt.h"

enum { BAR = 24 };                 /* columns */
static const double EVERY = 0.1;   /* seconds between two drawings; faster ones cannot be read */

static double seconds_between(const struct timespec *a, const struct timespec *b)
{
    return (double)(b->tv_sec - a->tv_sec) + (double)(b->tv_nsec - a->tv_nsec) / 1e9;
}

/* The first drawing comes after EVERY, so short work shows nothing at all. */
void progress_start(Progress *progress, const char *what, bool shown)
{
    *progress = (Progress){.what = what, .shown = shown};
    clock_gettime(CLOCK_MONOTONIC, &progress->start);
    progress->last = progress->start;
}

/* The time left assumes that the rest goes as fast as what was done so far. Bytes throughout, and
 * `elapsed` in seconds; a total of 0 is all done. */
static void draw(const Progress *progress, uint64_t done, uint64_t total, double elapsed)
{
    char now[32], all[32], rate[32], bar[BAR + 1];
    double share = total ? (double)done / (double)total : 1;
    for (int i = 0; i < BAR; i++) bar[i] = i < (int)(share * BAR) ? '#' : '.';
    bar[BAR] = '\0';
    show_bytes(done, now);
    show_bytes(total, all);
    show_bytes(elapsed > 0 ? (uint64_t)((double)done / elapsed) : 0, rate);
    double left = share > 0 ? elapsed * (1 - share) / share : 0;
    fprintf(stderr, "\r\033[K%s [%s] %s of %s, %s/s, %.0f s left", progress->what, bar, now, all,
            rate, left);
    fflush(stderr);
}

/* Ctrl-C is asked for first: it must work where nothing is shown, too. */
bool progress_step(void *context, uint64_t done, uint64_t total)
{
    Progress *progress = context;
    struct timespec now;
    if (*interrupt_flag()) return false;
    if (!progress->shown) return true;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (seconds_between(&progress->last, &now) < EVERY) return true;
    progress->last = now;
    progress->drawn = true;
    draw(progress, done, total, seconds_between(&progress->start, &now));
    return true;
}

/* The line is wiped, so that the report stands alone; where none was drawn, standard error stays
 * empty. */
void progress_end(Progress *progress)
{
    if (progress->drawn) fputs("\r\033[K", stderr);
    progress->drawn = false;
}
