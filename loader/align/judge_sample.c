/* Samples: the same places of every tensor of one shape, so that any two can be compared. The
 * places are blocks along the diagonal, since a block of the diagonal of a square matrix and of its
 * transpose hold the same numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/compare.h"
#include "loader/align/judge_parts.h"

enum { PLACES = 4, SIDE_LEAST = 8 };

/* Blocks of one size. */
typedef struct Places {
    int64_t from[PLACES][TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
    unsigned count;
    uint64_t each;               /* numbers of one */
} Places;

static uint64_t count_of(const int64_t *dims, unsigned rank)
{
    uint64_t count = 1;
    for (unsigned k = 0; k < rank; k++) count *= (uint64_t)dims[k];
    return count;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The axes behind the second get what leaves the first two a side. A square stays one; others get
 * four columns for a row, since all bytes from the first row to the last are read. */
static void choose_size(const int64_t *dims, unsigned rank, int64_t each, int64_t *size)
{
    int64_t inner = each / (SIDE_LEAST * SIDE_LEAST);
    if (rank == 1) {
        size[0] = smaller(dims[0], each);
        return;
    }
    for (unsigned k = rank; k-- > 2;) {
        size[k] = smaller(dims[k], inner > 1 ? inner : 1);
        inner /= size[k];
        each /= size[k];
    }
    const int64_t side = (int64_t)sqrt((double)each);
    size[0] = smaller(dims[0], dims[0] == dims[1] ? side : side / 2);
    size[1] = smaller(dims[1], dims[0] == dims[1] ? side : each / size[0]);
    if (dims[0] != dims[1]) size[0] = smaller(dims[0], each / size[1]);
}

static void choose_places(const int64_t *dims, unsigned rank, uint32_t most, Places *places)
{
    const uint64_t count = count_of(dims, rank);
    *places = (Places){.count = 1, .each = count};
    for (unsigned k = 0; k < rank; k++) places->size[k] = dims[k];
    if (count <= most) return;
    choose_size(dims, rank, most / PLACES, places->size);
    places->count = PLACES;
    places->each = count_of(places->size, rank);
    for (unsigned p = 0; p < PLACES; p++)
        for (unsigned k = 0; k < rank; k++)
            places->from[p][k] = (dims[k] - places->size[k]) * p / (PLACES - 1);
}

/* ---- reading ---- */

/* The sum of (x - less), or of its squares. In lanes, so that no addition waits for the one before;
 * unrolled as in product(). */
static double sum_of(const float *x, size_t n, double less, bool squares)
{
    enum { LANES = 8 };
    double lanes[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
#pragma GCC unroll 8
        for (size_t k = 0; k < LANES; k++) {
            const double one = (double)x[i + k] - less;
            lanes[k] += squares ? one * one : one;
        }
    for (size_t k = 0; k < LANES; k++) sum += lanes[k];
    for (; i < n; i++) {
        const double one = (double)x[i] - less;
        sum += squares ? one * one : one;
    }
    return sum;
}

/* Less the mean, and of length 1. False where they are constant, or not finite. */
static bool normalise(float *x, size_t n)
{
    const double mean = n ? sum_of(x, n, 0, false) / (double)n : 0;
    const double length = sqrt(sum_of(x, n, mean, true));
    if (length <= 0 || !isfinite(length)) return false;
    const double scale = 1 / length;
    for (size_t i = 0; i < n; i++) x[i] = (float)(((double)x[i] - mean) * scale);
    return true;
}

static bool is_constant(const float *x, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        if (x[i] < x[0] || x[i] > x[0]) return false;
    return true;
}

static void finish(Sample *sample)
{
    sample->constant = is_constant(sample->x, sample->n);
    if (sample->constant || !normalise(sample->x, sample->n)) {
        free(sample->x);
        sample->x = NULL;
        return;
    }
    if (sample->n < SAMPLE_GLANCE) return;
    const uint32_t step = sample->n / SAMPLE_GLANCE;
    for (uint32_t i = 0; i < SAMPLE_GLANCE; i++) sample->glance[i] = sample->x[i * step];
    if (is_constant(sample->glance, SAMPLE_GLANCE) || !normalise(sample->glance, SAMPLE_GLANCE))
        memset(sample->glance, 0, SAMPLE_GLANCE * sizeof *sample->glance);
}

static bool read_place(const Expr *e, const Places *places, unsigned place, unsigned char *bytes,
                       float *out, Error *err)
{
    enum { BATCH = 1024 };
    double numbers[BATCH];
    const size_t width = dtype_size(e->dtype);
    if (!expr_fill(e, places->from[place], places->size, bytes, err)) return false;
    for (uint64_t done = 0; done < places->each;) {
        const uint64_t left = places->each - done;
        const size_t n = left < BATCH ? (size_t)left : BATCH;
        dtype_to_doubles(e->dtype, bytes + done * width, numbers, n);
        for (size_t i = 0; i < n; i++) out[done + i] = (float)numbers[i];
        done += n;
    }
    return true;
}

bool sample_read(Judge *judge, const Expr *e, uint32_t most, Sample *sample)
{
    Error why;
    Places places;
    if (sample->read) return true;
    sample->read = true;
    if (judge->interrupt && *judge->interrupt)
        return error_set(judge->err, ERR_CANCELLED, "interrupted");
    if (e->unknown || !expr_has_data(e, NULL)) return true;
    const Expr *numbers = compare_numbers(judge->scratch, e, &why);
    if (!numbers || dtype_info(numbers->dtype)->kind != CLASS_FLOAT) return true;
    choose_places(numbers->dims, numbers->rank, most, &places);
    const uint64_t total = places.count * places.each;
    if (!total) return true;
    unsigned char *bytes = mem_alloc((size_t)places.each * dtype_size(numbers->dtype));
    sample->x = mem_alloc(((size_t)total + SAMPLE_GLANCE) * sizeof *sample->x);
    sample->glance = sample->x + total;
    sample->n = (uint32_t)total;
    bool good = true;
    for (unsigned p = 0; good && p < places.count; p++)
        good = read_place(numbers, &places, p, bytes, sample->x + p * places.each, judge->err);
    free(bytes);
    judge->judgement->bytes += total * dtype_size(numbers->dtype);
    if (good) finish(sample);
    return good;
}

void sample_done(Sample *sample)
{
    free(sample->x);
    *sample = (Sample){.n = 0};
}

/* ---- comparing ---- */

/* In lanes, which compilers make vector instructions of, and keep in registers: where the index is
 * a size_t, since one of 32 bits could wrap between two lanes, and the lanes are unrolled. The sums
 * are the same ones either way. */
static double product(const float *a, const float *b, uint32_t n)
{
    enum { LANES = 16 };
    float lanes[LANES] = {0};
    double sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
#pragma GCC unroll 16
        for (size_t k = 0; k < LANES; k++) lanes[k] += a[i + k] * b[i + k];
    for (size_t k = 0; k < LANES; k++) sum += (double)lanes[k];
    for (; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

double sample_agree(const Sample *a, const Sample *b)
{
    if (!a->x || !b->x || a->n != b->n) return NAN;
    return product(a->x, b->x, a->n);
}

double sample_glance(const Sample *a, const Sample *b)
{
    if (a->n <= SAMPLE_GLANCE) return 1;
    return product(a->glance, b->glance, SAMPLE_GLANCE);
}

double sample_agree_turned(const Sample *a, const Sample *b, const int64_t *dims, unsigned rank,
                           uint32_t most)
{
    Places places;
    if (!a->x || !b->x || a->n != b->n || rank != 2 || dims[0] != dims[1]) return NAN;
    choose_places(dims, rank, most, &places);
    const int64_t side = places.size[0];
    double sum = 0;
    if (places.count * places.each != a->n) return NAN;
    for (unsigned p = 0; p < places.count; p++) {
        const float *x = a->x + p * places.each, *y = b->x + p * places.each;
        for (int64_t i = 0; i < side; i++)
            for (int64_t j = 0; j < side; j++)
                sum += (double)x[i * side + j] * (double)y[j * side + i];
    }
    return sum;
}

/* Fisher's transformation: its standard error is 1/√(n − 3). */
double sample_errors(double correlation, uint32_t n)
{
    const double r = fmin(fmax(correlation, -0.9999999), 0.9999999);
    return n > 3 ? atanh(r) * sqrt((double)n - 3) : 0;
}
