/* Two histograms are filled at once. One is by the upper 16 bits of the number as f32, fine
 * everywhere in proportion; the other by equal steps over a range that doubles when a number falls
 * outside, which is fine where all numbers lie close together far from 0. A quantile lies in a bin
 * of either, and so where the two overlap. Few numbers are kept and sorted instead. */
#include "loader/align/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/compare.h"
#include "loader/tensor/box.h"
#include "loader/tensor/values.h"

enum {
    BOX_BYTES = 1 << 19,         /* read at a time: somebody waits, and may not want it any more */
    BATCH = 4096,                /* numbers at a time */
    KEYS = 1 << 16,              /* upper halves of an f32 */
    STEPS = 4096,                /* of equal width */
    FEW = 1 << 16                /* numbers that are kept */
};

static const double shares[PROFILE_QUANTILES] = {0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99};

double profile_quantile(unsigned index)
{
    return shares[index];
}

/* ---- numbers ---- */

/* What a leaf cannot give: no number is known for opaque ones. */
static void check_leaf(const Tensor *tensor, void *context)
{
    Error *err = context;
    const char *why;
    if (err->code == ERR_NONE && tensor_value_dtype(tensor, &why) == DT_UNKNOWN)
        error_set(err, ERR_UNSUPPORTED, "%s", why);
}

/* NULL, and the reason, for what no number comes of. */
static const Expr *as_numbers(Arena *arena, const Expr *e, Error *why)
{
    if (e->unknown || !expr_has_data(e, NULL)) {
        error_set(why, ERR_NOT_FOUND, "has no values");
        return NULL;
    }
    const Expr *numbers = compare_numbers(arena, e, why);
    if (numbers) expr_leaves(e, check_leaf, why);
    return why->code == ERR_NONE ? numbers : NULL;
}

bool numbers_of(Arena *arena, const Expr *a, const Expr *b, Numbers *numbers, Error *err)
{
    Error why = {0};
    *numbers = (Numbers){.a = as_numbers(arena, a, &why)};
    if (numbers->a && b) numbers->b = as_numbers(arena, b, &why);
    if (why.code == ERR_NONE && b && !same_dims(a->dims, a->rank, b->dims, b->rank))
        error_set(&why, ERR_SHAPE, "the shapes differ");
    if (why.code == ERR_NONE) {
        DType x = numbers->a->dtype, y = b ? numbers->b->dtype : x;
        numbers->width = dtype_size(x) > dtype_size(y) ? dtype_size(x) : dtype_size(y);
        numbers->parts = dtype_size(x) / dtype_size(dtype_component(x));
        if (numbers->parts != dtype_size(y) / dtype_size(dtype_component(y)))
            error_set(&why, ERR_UNSUPPORTED, "complex and real numbers");
    }
    if (why.code != ERR_NONE && err) *err = why;
    return why.code == ERR_NONE;
}

static bool read_expr(const Expr *e, const int64_t *from, const int64_t *size, uint64_t n,
                      ExprMemo *memo, void *bytes, double *out, Error *err)
{
    if (!expr_fill_measured(e, from, size, bytes, memo, NULL, err)) return false;
    dtype_to_doubles(dtype_component(e->dtype), bytes, out, (size_t)n);
    return true;
}

bool numbers_read(const Numbers *numbers, const int64_t *from, const int64_t *size,
                  ExprMemo *memo, double *out, Error *err)
{
    const Expr *a = numbers->a;
    uint64_t n = numbers->parts;
    const int64_t *sizes = size ? size : a->dims;
    for (unsigned i = 0; i < a->rank; i++) n *= (uint64_t)sizes[i];
    if (!n) return true;
    void *bytes = mem_realloc(NULL, (size_t)n * numbers->width);
    bool ok = read_expr(a, from, size, n, memo, bytes, out, err);
    if (ok && numbers->b) {
        double *other = mem_realloc(NULL, (size_t)n * sizeof *other);
        ok = read_expr(numbers->b, from, size, n, memo, bytes, other, err);
        for (size_t i = 0; ok && i < n; i++) out[i] -= other[i];
        free(other);
    }
    free(bytes);
    return ok;
}

/* ---- one pass ---- */

typedef struct Pass {
    Profile *profile;
    double m2;                   /* see stats_add */
    uint64_t *keys;              /* owned, [KEYS]: by order of the numbers, the least first */
    uint64_t *steps;             /* owned, [STEPS] */
    double low, width;           /* of `steps`: of the first, and of each; width 0: none yet */
    double *few;                 /* owned, [FEW]: the first finite ones */
    double *squares;             /* owned, [PROFILE_ROWS]: of rows */
    uint64_t row_length, seen;   /* numbers in a row, and before the next one */
    uint64_t rows;               /* of the first axis */
} Pass;

/* Where the upper half of an f32 stands among all, the least first. */
static unsigned key_of(double value)
{
    float number = (float)value;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    unsigned key = bits >> 16;
    return key & 0x8000 ? 0xFFFF - key : key | 0x8000;
}

/* The number of least size with that key. */
static double key_start(unsigned key)
{
    uint32_t bits = (key & 0x8000 ? key & 0x7FFF : 0xFFFF - key) << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return isfinite(number) ? (double)number : copysign((double)INFINITY, (double)number);
}

/* Twice the range, towards the value: two steps become one. */
static void widen(Pass *pass, double value)
{
    uint64_t merged[STEPS / 2];
    for (int i = 0; i < STEPS / 2; i++) merged[i] = pass->steps[2 * i] + pass->steps[2 * i + 1];
    bool down = value < pass->low;
    memset(pass->steps, 0, STEPS * sizeof *pass->steps);
    memcpy(pass->steps + (down ? STEPS / 2 : 0), merged, sizeof merged);
    if (down) pass->low -= pass->width * STEPS;
    pass->width *= 2;
}

/* A range that f64 cannot hold has no steps; the keys are there still. */
static void add_step(Pass *pass, double value)
{
    while (value < pass->low || value >= pass->low + pass->width * STEPS) {
        if (!isfinite(pass->width * STEPS * 2) || !isfinite(pass->low)) return;
        widen(pass, value);
    }
    int step = (int)((value - pass->low) / pass->width);
    pass->steps[step < STEPS ? step : STEPS - 1]++;
}

/* The first numbers set the range, a little wider than they are. */
static void set_range(Pass *pass, const double *values, size_t n)
{
    double low = values[0], high = values[0];
    for (size_t i = 1; i < n; i++) {
        if (values[i] < low) low = values[i];
        if (values[i] > high) high = values[i];
    }
    double spread = high - low, least = fmax(fabs(low), fabs(high)) * 1e-12;
    if (!(spread > least)) spread = least > 0 ? least : 1e-300;
    pass->low = low;
    pass->width = spread * 1.01 / STEPS;
}

/* Rows are summed up before what is not finite falls out: such a row has such a norm. */
static void add_rows(Pass *pass, const double *values, size_t n)
{
    uint64_t group = pass->profile->group;
    if (!pass->row_length) return;
    for (size_t i = 0; i < n;) {
        uint64_t row = (pass->seen + i) / pass->row_length;
        uint64_t end = (row + 1) * pass->row_length - pass->seen;
        double sum = 0;
        for (; i < n && i < end; i++) sum += values[i] * values[i];
        pass->squares[row / group] += sum;
    }
}

static void add_batch(Pass *pass, double *values, size_t n)
{
    uint64_t before = pass->profile->stats.finite;
    add_rows(pass, values, n);
    pass->seen += n;
    size_t kept = stats_add(&pass->profile->stats, &pass->m2, values, n);
    if (kept && pass->width <= 0) set_range(pass, values, kept);
    for (size_t i = 0; i < kept; i++) {
        pass->keys[key_of(values[i])]++;
        add_step(pass, values[i]);
        if (before + i < FEW) pass->few[before + i] = values[i];
    }
}

/* ---- what follows from it ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Few numbers are all there. */
static void judge_few(Profile *profile, double *few)
{
    const Stats *stats = &profile->stats;
    size_t n = (size_t)stats->finite;
    double range = stats->max - stats->min;
    qsort(few, n, sizeof *few, compare_doubles);
    for (size_t i = 0; i < n; i++) {
        double at = range > 0 ? (few[i] - stats->min) / range * PROFILE_BINS : 0;
        profile->bins[at < PROFILE_BINS ? (int)at : PROFILE_BINS - 1]++;
    }
    for (unsigned i = 0; i < PROFILE_QUANTILES; i++) {
        double at = shares[i] * (double)(n - 1), share = at - floor(at);
        double low = few[(size_t)at], high = few[(size_t)at + (share > 0)];
        profile->quantiles[i] = low + share * (high - low);
    }
    profile->exact = true;
}

/* The bin in which the rank-th number lies. */
static void find_rank(const uint64_t *counts, size_t n, uint64_t rank, size_t *found)
{
    uint64_t below = 0;
    for (*found = 0; *found + 1 < n && below + counts[*found] <= rank; ++*found)
        below += counts[*found];
}

static double find_quantile(const Pass *pass, double share)
{
    const Stats *stats = &pass->profile->stats;
    uint64_t rank = (uint64_t)(share * (double)(stats->finite - 1));
    size_t key, step;
    find_rank(pass->keys, KEYS, rank, &key);
    find_rank(pass->steps, STEPS, rank, &step);
    double a = key_start((unsigned)key), b = key_start((unsigned)key + (key & 0x8000 ? 1 : -1u));
    double low = fmax(fmin(a, b), pass->low + (double)step * pass->width);
    double high = fmin(fmax(a, b), pass->low + (double)(step + 1) * pass->width);
    double middle = low <= high ? low + (high - low) / 2 : a;
    return fmin(fmax(middle, stats->min), stats->max);
}

/* Steps lie across the border of two bins: what is in them goes to where their middle lies. */
static void judge_many(const Pass *pass)
{
    Profile *profile = pass->profile;
    double range = profile->stats.max - profile->stats.min;
    for (int i = 0; i < STEPS; i++) {
        double middle = pass->low + (i + 0.5) * pass->width;
        double at = range > 0 ? (middle - profile->stats.min) / range * PROFILE_BINS : 0;
        int bin = at < 0 ? 0 : at < PROFILE_BINS ? (int)at : PROFILE_BINS - 1;
        profile->bins[bin] += pass->steps[i];
    }
    for (unsigned i = 0; i < PROFILE_QUANTILES; i++)
        profile->quantiles[i] = find_quantile(pass, shares[i]);
}

/* Exponents are bits of the keys. */
static void count_powers(Profile *profile, const uint64_t *keys)
{
    double most = fmax(fabs(profile->stats.min), fabs(profile->stats.max));
    profile->top = most > 0 ? (int)ilogb((double)(float)most) : 0;
    if (profile->top > 128) profile->top = 128;
    for (unsigned key = 0; key < KEYS; key++) {
        unsigned magnitude = key & 0x8000 ? key & 0x7FFF : 0x7FFF - key;
        if (!keys[key] || !magnitude) continue;
        int at = (int)(magnitude >> 7) - 127 - profile->top + PROFILE_BINS - 1;
        at = at < 0 ? 0 : at < PROFILE_BINS ? at : PROFILE_BINS - 1;
        profile->powers[at] += keys[key];
    }
}

static void finish(const Pass *pass)
{
    Profile *profile = pass->profile;
    Stats *stats = &profile->stats;
    for (uint32_t i = 0; i < profile->row_count; i++) {
        uint64_t left = pass->rows - i * profile->group;
        uint64_t rows = left < profile->group ? left : profile->group;
        profile->norms[i] = (float)sqrt(pass->squares[i] / (double)rows);
    }
    if (!stats->finite) return;
    stats->std = sqrt(pass->m2 / (double)stats->finite);
    count_powers(profile, pass->keys);
    if (stats->finite <= FEW) judge_few(profile, pass->few);
    else judge_many(pass);
}

/* Rows are those of the first axis; a vector has none worth a bar each. */
static void set_rows(Pass *pass, const Numbers *numbers)
{
    const Expr *e = numbers->a;
    Profile *profile = pass->profile;
    profile->group = 1;
    if (e->rank < 2 || e->dims[0] <= 0) return;
    pass->row_length = numbers->parts;
    for (unsigned i = 1; i < e->rank; i++) pass->row_length *= (uint64_t)e->dims[i];
    if (!pass->row_length) return;
    uint64_t rows = pass->rows = (uint64_t)e->dims[0];
    profile->group = (rows + PROFILE_ROWS - 1) / PROFILE_ROWS;
    profile->row_count = (uint32_t)((rows + profile->group - 1) / profile->group);
}

static bool run_pass(Pass *pass, const Numbers *numbers, ProfileStep *step, void *context,
                     Error *err)
{
    const Expr *e = numbers->a;
    BoxWalk walk;
    uint64_t all = 1, done = 0;
    for (unsigned i = 0; i < e->rank; i++) all *= (uint64_t)e->dims[i];
    if (!box_first(&walk, e->dims, e->rank, BOX_BYTES / numbers->width)) return true;
    double *values = mem_realloc(NULL, (size_t)box_count(&walk) * numbers->parts * sizeof *values);
    ExprMemo *memo = expr_memo_new();
    bool ok;
    do {
        uint64_t n = box_count(&walk);
        ok = numbers_read(numbers, walk.from, walk.size, memo, values, err);
        for (uint64_t i = 0, left = n * numbers->parts; ok && left;) {
            size_t batch = left < BATCH ? (size_t)left : BATCH;
            add_batch(pass, values + i, batch);
            i += batch;
            left -= batch;
            if (step) ok = step(context, done + i / numbers->parts, all, err);
        }
        done += n;
    } while (ok && box_next(&walk));
    expr_memo_free(memo);
    free(values);
    return ok;
}

bool profile_make(const Numbers *numbers, ProfileStep *step, void *context, Profile *profile,
                  Error *err)
{
    *profile = (Profile){0};
    Pass pass = {.profile = profile, .keys = mem_alloc(KEYS * sizeof(uint64_t)),
                 .steps = mem_alloc(STEPS * sizeof(uint64_t)),
                 .few = mem_alloc(FEW * sizeof(double)),
                 .squares = mem_alloc(PROFILE_ROWS * sizeof(double))};
    set_rows(&pass, numbers);
    bool ok = run_pass(&pass, numbers, step, context, err);
    if (ok) finish(&pass);
    free(pass.keys);
    free(pass.steps);
    free(pass.few);
    free(pass.squares);
    return ok;
}
