/* Statistics with a histogram for each side, side by side; and norms of rows as bars. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/tensor_panel_parts.h"

enum { FACTS = 9 };              /* lines of words above a histogram */

static void put_head(const TensorPanel *panel, unsigned side, Screen *screen, Box box)
{
    DType dtype;
    const int64_t *dims;
    unsigned rank;
    Text text = {0};
    value_type(panel->sides.of[side], &dtype, &dims, &rank);
    text_addf(&text, "%s  %s ", value_side_name((ValueSide)side), dtype_name(dtype));
    show_shape(dims, rank, &text);
    screen_put(screen, box.x, box.y, box.width, side == panel->side ? STYLE_KEY : STYLE_TITLE,
               text_string(&text));
    text_done(&text);
}

static void put_share(Screen *screen, Box box, int *y, const char *name, uint64_t n, uint64_t all)
{
    screen_putf(screen, box.x, (*y)++, box.width, n ? STYLE_PLAIN : STYLE_DIM,
                "%-6s %llu  %.3g %%", name, (unsigned long long)n,
                all ? 100 * (double)n / (double)all : 0);
}

/* Returns the line behind the last. */
static int put_facts(const Profile *profile, Screen *screen, Box box)
{
    const Stats *stats = &profile->stats;
    int y = box.y + 1;
    screen_putf(screen, box.x, y++, box.width, STYLE_PLAIN, "values %llu",
                (unsigned long long)stats->count);
    put_share(screen, box, &y, "zeros", stats->zeros, stats->count);
    put_share(screen, box, &y, "nan", stats->nan, stats->count);
    put_share(screen, box, &y, "inf", stats->inf, stats->count);
    if (!stats->finite) return y;
    screen_putf(screen, box.x, y++, box.width, STYLE_PLAIN, "mean   %.6g  std %.6g", stats->mean,
                stats->std);
    screen_putf(screen, box.x, y++, box.width, STYLE_PLAIN, "range  %.6g … %.6g", stats->min,
                stats->max);
    const double *q = profile->quantiles;
    const char *about = profile->exact ? "" : "≈ ";
    screen_putf(screen, box.x, y++, box.width, STYLE_PLAIN,
                "1 5 25 %%  %s%.3g %.3g %.3g", about, q[0], q[1], q[2]);
    screen_putf(screen, box.x, y++, box.width, STYLE_PLAIN, "50 75 %%   %s%.3g %.3g",
                about, q[3], q[4]);
    screen_putf(screen, box.x, y++, box.width, STYLE_PLAIN, "95 99 %%   %s%.3g %.3g", about, q[5],
                q[6]);
    return y;
}

/* A column for each of `count` bins, or for each two or four: all for the same number (but the
 * first, of which there may be less), or some would stand out by nothing but that. Its height is in
 * eighths of a row; whatever is not 0 is seen. Returns how many the highest stands for. */
static double put_histogram(const double bins[PROFILE_BINS], int count, Screen *screen, Box box)
{
    double sums[PROFILE_BINS] = {0}, most = 0;
    int together = 1;
    if (box.width < 1 || box.height < 1) return 0;
    while ((count + together - 1) / together > box.width) together *= 2;
    const int width = (count + together - 1) / together, each = box.width / width;
    for (int i = 0; i < count; i++) sums[width - 1 - (count - 1 - i) / together] += bins[i];
    for (int i = 0; i < width; i++) most = fmax(most, sums[i]);
    for (int i = 0; i < width; i++) {
        double share = most > 0 ? sums[i] / most : 0;
        int eighths = (int)ceil(share * box.height * 8);
        for (int y = 0; y < box.height && eighths > 0; y++, eighths -= 8)
            screen_fill(screen, box.x + i * each, box.y + box.height - 1 - y, each, STYLE_MADE,
                        bar_glyphs[eighths < 8 ? eighths - 1 : 7]);
    }
    return most;
}

/* Both axes are told: the one along, which all sides share, and what the highest column is. */
static void put_axes(const ValueAxis *axis, bool by_size, double most, uint64_t finite,
                     Screen *screen, Box box)
{
    Text text = {0};
    if (by_size)
        text_addf(&text, "size %s2^%d … 2^%d", axis->less ? "≤ " : "",
                  axis->bottom + axis->less, axis->top + 1);
    else text_addf(&text, "%.4g … %.4g", axis->low, axis->high);
    text_addf(&text, ", highest %.3g %%", 100 * most / (double)finite);
    screen_put(screen, box.x, box.y, box.width, STYLE_DIM, text_string(&text));
    text_done(&text);
}

static void put_side(TensorPanel *panel, const ValueAxis *axis, unsigned side, Screen *screen,
                     Box box)
{
    double bins[PROFILE_BINS];
    const char *why;
    const Profile *profile = values_profile(panel->view->values, panel->sides.of[side], &why);
    put_head(panel, side, screen, box);
    if (!profile) {
        Text text = {0};
        tell_waiting(panel->view->values, why, &text);
        screen_put(screen, box.x, box.y + 1, box.width, why ? STYLE_ERROR : STYLE_DIM,
                   text_string(&text));
        text_done(&text);
        return;
    }
    int y = put_facts(profile, screen, box), last = box.y + box.height - 1;
    if (!profile->stats.finite || y >= last) return;
    const int count = value_axis_bins(axis, profile, panel->by_size, bins);
    const double most = put_histogram(bins, count, screen, (Box){box.x, y, box.width, last - y});
    put_axes(axis, panel->by_size, most, profile->stats.finite, screen,
             (Box){box.x, last, box.width, 1});
}

void tensor_draw_summary(TensorPanel *panel, Screen *screen, Box box)
{
    int n = (int)panel->sides.count, width = (box.width + 2) / n - 2, x = box.x;
    const ValueAxis axis = tensor_sides_axis(&panel->sides, panel->view->values);
    panel->lines = 0;
    for (unsigned side = 0; side < VALUE_SIDES; side++) {
        if (!value_is(panel->sides.of[side])) continue;
        put_side(panel, &axis, side, screen, (Box){x, box.y, width, box.height});
        x += width + 2;
    }
}

/* ---- rows ---- */

/* A group of rows and its norm, to be sorted. */
typedef struct Norm {
    uint32_t group;
    float norm;
} Norm;

/* The largest first, NaN before all; equal ones in their order. */
static int compare_norms(const void *a, const void *b)
{
    const Norm *x = a, *y = b;
    int nan = isnan(y->norm) - isnan(x->norm);
    if (nan) return nan;
    if (x->norm > y->norm) return -1;
    if (x->norm < y->norm) return 1;
    return (x->group > y->group) - (x->group < y->group);
}

static void put_row(const Profile *profile, const Norm *one, float most, int64_t rows,
                    Screen *screen, Box box, int y)
{
    enum { WORDS = 30 };
    uint64_t from = one->group * profile->group, to = from + profile->group - 1;
    if (to >= (uint64_t)rows) to = (uint64_t)rows - 1;
    if (profile->group == 1)
        screen_putf(screen, box.x, y, 18, STYLE_DIM, "%llu", (unsigned long long)from);
    else
        screen_putf(screen, box.x, y, 18, STYLE_DIM, "%llu-%llu", (unsigned long long)from,
                    (unsigned long long)to);
    screen_putf(screen, box.x + 18, y, 11, isfinite(one->norm) ? STYLE_PLAIN : STYLE_ERROR, "%.4g",
                (double)one->norm);
    if (!isfinite(one->norm) || !(most > 0)) return;
    int eighths = (int)(one->norm / most * (float)(box.width - WORDS) * 8);
    screen_fill(screen, box.x + WORDS, y, eighths / 8, STYLE_MADE, "█");
    if (!(eighths / 8) && one->norm > 0)
        screen_put(screen, box.x + WORDS, y, 1, STYLE_MADE, "▁");
}

static void put_norms(TensorPanel *panel, const Profile *profile, int64_t rows, Screen *screen,
                      Box box)
{
    size_t n = profile->row_count;
    float most = 0;
    Norm *norms = mem_alloc((n + 1) * sizeof *norms);
    for (size_t i = 0; i < n; i++) {
        norms[i] = (Norm){(uint32_t)i, profile->norms[i]};
        if (isfinite(norms[i].norm) && norms[i].norm > most) most = norms[i].norm;
    }
    if (panel->sorted) qsort(norms, n, sizeof *norms, compare_norms);
    int64_t page = box.height - 1;
    panel->lines = (int64_t)n;
    if (panel->line + page > panel->lines) panel->line = panel->lines - page;
    if (panel->line < 0) panel->line = 0;
    for (int64_t i = 0; i < page && panel->line + i < panel->lines; i++)
        put_row(profile, &norms[panel->line + i], most, rows, screen, box,
                box.y + 1 + (int)i);
    free(norms);
}

void tensor_draw_rows(TensorPanel *panel, Screen *screen, Box box)
{
    const char *why;
    const int64_t *dims;
    unsigned rank;
    const Profile *profile = values_profile(panel->view->values, panel->sides.of[panel->side],
                                            &why);
    bool rows = tensor_panel_dims(panel, &dims, &rank) && rank >= 2;
    panel->lines = 0;
    if (!rows || !profile || !profile->row_count) {
        screen_put(screen, box.x, box.y, box.width, STYLE_DIM,
                   !rows ? "a vector has no rows" : why ? why : profile ? "no rows" : "reading…");
        return;
    }
    screen_putf(screen, box.x, box.y, box.width, STYLE_TITLE, "%s  L2 norm of each %s of dim 0, %s",
                value_side_name(panel->side), profile->group > 1 ? "group" : "row",
                panel->sorted ? "largest first" : "in order");
    put_norms(panel, profile, dims[0], screen, box);
}
