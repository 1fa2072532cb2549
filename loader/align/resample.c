/* Matrices that resample an axis. The bicubic ones are made in float, step by step as PyTorch does
 * it for f32, whose results are 1e-6 away else; everything else is done in double. Sources: ATen's
 * UpSampleKernel.cpp for the two bicubic ones; timm's resample_patch_embed (the pseudoinverse,
 * after FlexiViT) and resize_rel_pos_bias_table (geometric grids, after BEiT). */
#include "loader/align/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/memory.h"

static const char *const names[RESAMPLE_HOW_COUNT] = {
#define RESAMPLE_NAME(how, name, meaning) [how] = name,
    RESAMPLE_KINDS(RESAMPLE_NAME)
#undef RESAMPLE_NAME
};

const char *resample_name(ResampleHow how)
{
    return names[how];
}

/* Names come from plans. */
ResampleHow resample_from_name(const char *name)
{
    int how = 0;
    while (how < RESAMPLE_HOW_COUNT && strcmp(names[how], name) != 0) how++;
    return (ResampleHow)how;
}

/* Tables of relative positions have an index for 0 and as many on either side of it, so their sides
 * are odd; a cubic spline that needs nothing said about its ends has four points at least. */
bool resample_check(ResampleHow how, int64_t in, int64_t out, Error *err)
{
    bool geometric = how == RESAMPLE_GEOMETRIC || how == RESAMPLE_GEOMETRIC_LINEAR;
    if (in < 1 || out < 1 || in > RESAMPLE_SIDE_MAX || out > RESAMPLE_SIDE_MAX)
        return error_set(err, ERR_LIMIT, "sides of 1 to %d can be resampled, not %lld to %lld",
                         RESAMPLE_SIDE_MAX, (long long)in, (long long)out);
    if (geometric && (in % 2 == 0 || out % 2 == 0))
        return error_set(err, ERR_SHAPE, "the sides of a table of relative positions are odd, not "
                         "%lld and %lld", (long long)in, (long long)out);
    if (how == RESAMPLE_GEOMETRIC && in < 5)
        return error_set(err, ERR_SHAPE, "a cubic spline needs a side of 5 or more, not %lld",
                         (long long)in);
    return true;
}

/* ---- bicubic ---- */

/* Keys' cubic convolution kernel: 1 at 0, 0 at the other whole numbers and beyond 2; as PyTorch has
 * it on processors that add to a product without rounding it before. */
static float weigh_cubic(float x, float a)
{
    x = fabsf(x);
    if (x < 1) return fmaf(fmaf(a + 2, x, -(a + 3)) * x, x, 1);
    if (x < 2) return fmaf(fmaf(fmaf(a, x, -5 * a), x, 8 * a), x, -4 * a);
    return 0;
}

/* Four taps with a = -0.75; those beyond the border count for the border. */
static void make_bicubic(int64_t in, int64_t out, double *matrix)
{
    const float scale = (float)in / (float)out;
    for (int64_t i = 0; i < out; i++) {
        const float at = (float)((double)scale * ((double)i + 0.5) - 0.5);
        const float whole = floorf(at), t = at - whole, places[] = {t + 1, t, 1 - t, 1 - t + 1};
        for (int tap = 0; tap < 4; tap++) {
            int64_t j = (int64_t)whole + tap - 1;
            j = j < 0 ? 0 : j >= in ? in - 1 : j;
            matrix[i * in + j] += (double)weigh_cubic(places[tap], -0.75f);
        }
    }
}

/* a = -0.5; where the axis shrinks the kernel is as much wider, so that no old value is passed
 * over. Normalised, since the border cuts windows off. */
static void make_antialiased(int64_t in, int64_t out, double *matrix)
{
    const float scale = (float)in / (float)out;
    const float support = scale >= 1 ? 2 * scale : 2, inverse = scale >= 1 ? 1 / scale : 1;
    for (int64_t i = 0; i < out; i++) {
        const float centre = (float)((double)scale * ((double)i + 0.5));
        const double low = (double)(centre - support) + 0.5;
        const double high = (double)(centre + support) + 0.5;
        int64_t first = low > 0 ? (int64_t)low : 0, end = (int64_t)high < in ? (int64_t)high : in;
        double *row = matrix + i * in;
        float weights[RESAMPLE_SIDE_MAX], sum = 0;
        for (int64_t j = first; j < end; j++) {
            const double x = ((double)((float)j - centre) + 0.5) * (double)inverse;
            sum += weights[j] = weigh_cubic((float)x, -0.5f);
        }
        const float factor = 1 / sum;
        for (int64_t j = first; j < end; j++) row[j] = (double)(weights[j] * factor);
    }
}

/* ---- linear systems ---- */

/* Solves A X = B by elimination with row pivots: a is n×n, b n×m, and becomes X. Both row-major. */
static void solve(double *a, double *b, int64_t n, int64_t m)
{
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k])) pivot = i;
        for (int64_t j = 0; pivot != k && j < n; j++) {
            double held = a[k * n + j];
            a[k * n + j] = a[pivot * n + j];
            a[pivot * n + j] = held;
        }
        for (int64_t j = 0; pivot != k && j < m; j++) {
            double held = b[k * m + j];
            b[k * m + j] = b[pivot * m + j];
            b[pivot * m + j] = held;
        }
        for (int64_t i = k + 1; i < n; i++) {
            double factor = a[i * n + k] / a[k * n + k];
            if (factor == 0) continue;
            for (int64_t j = k; j < n; j++) a[i * n + j] -= factor * a[k * n + j];
            for (int64_t j = 0; j < m; j++) b[i * m + j] -= factor * b[k * m + j];
        }
    }
    for (int64_t k = n - 1; k >= 0; k--)
        for (int64_t j = 0; j < m; j++) {
            for (int64_t i = k + 1; i < n; i++) b[k * m + j] -= a[k * n + i] * b[i * m + j];
            b[k * m + j] /= a[k * n + k];
        }
}

/* ---- patch kernels ---- */

/* With W the out×in matrix of the antialiased resize, the pseudoinverse of its transpose: of full
 * rank as W is, (W Wᵀ)⁻¹ W where the kernel shrinks and W (Wᵀ W)⁻¹ where it grows. A grid's
 * matrix is the Kronecker product of its sides', and so is the pseudoinverse. */
static void make_patch(int64_t in, int64_t out, double *matrix)
{
    bool shrinks = out <= in;
    int64_t n = shrinks ? out : in, m = shrinks ? in : out;
    size_t count = (size_t)(in * out);
    double *w = mem_alloc(count * sizeof *w), *x = mem_alloc(count * sizeof *x);
    double *gram = mem_alloc((size_t)(n * n) * sizeof *gram);
    make_antialiased(in, out, w);
    for (int64_t i = 0; i < out; i++)      /* x: W, or its transpose: n rows of m */
        for (int64_t j = 0; j < in; j++) x[shrinks ? i * m + j : j * m + i] = w[i * in + j];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            for (int64_t k = 0; k < m; k++) gram[i * n + j] += x[i * m + k] * x[j * m + k];
    solve(gram, x, n, m);
    for (int64_t i = 0; i < out; i++)
        for (int64_t j = 0; j < in; j++) matrix[i * in + j] = x[shrinks ? i * m + j : j * m + i];
    free(w);
    free(x);
    free(gram);
}

/* ---- geometric grids ---- */

/* Where the old indices lie in units of the new ones: 0 in the middle, then steps of 1, q, q² …
 * that reach the new border. q by halving [1.01, 1.5] to 1e-6, as timm does. */
static void place_geometric(int64_t in, int64_t out, double *x)
{
    int64_t half = in / 2;
    double left = 1.01, right = 1.5, q = 1.01;
    while (right - left > 1e-6) {
        q = (left + right) / 2;
        if ((1 - pow(q, (double)half)) / (1 - q) > (double)(out / 2)) right = q;
        else left = q;
    }
    double at = 1;
    x[half] = 0;
    for (int64_t i = 0; i < half; i++) {
        x[half + 1 + i] = at;
        x[half - 1 - i] = -at;
        at += pow(q, (double)(i + 1));
    }
}

/* The interval of the grid that holds t; *t is moved onto the grid when it lies beyond. */
static int64_t find_interval(const double *x, int64_t in, double *t)
{
    int64_t k = 0;
    if (*t < x[0]) *t = x[0];
    if (*t > x[in - 1]) *t = x[in - 1];
    while (k + 2 < in && *t > x[k + 1]) k++;
    return k;
}

static void make_geometric_linear(int64_t in, int64_t out, double *matrix)
{
    double *x = mem_alloc((size_t)in * sizeof *x);
    place_geometric(in, out, x);
    for (int64_t i = 0; i < out; i++) {
        double t = (double)(i - out / 2), *row = matrix + i * in;
        int64_t k = find_interval(x, in, &t);
        if (in == 1) row[0] = 1;
        if (in == 1) continue;
        row[k + 1] = (t - x[k]) / (x[k + 1] - x[k]);
        row[k] = 1 - row[k + 1];
    }
    free(x);
}

/* The second derivatives of the interpolating spline at its n points, as n×n weights of the values:
 * between two points the slope is continuous; and so is the third derivative at the second point
 * and at the last but one ("not a knot", as FITPACK has it). */
static void find_curvatures(const double *x, int64_t n, double *curvatures)
{
    double *a = mem_alloc((size_t)(n * n) * sizeof *a), *b = curvatures;
    for (int64_t i = 1; i + 1 < n; i++) {
        double before = x[i] - x[i - 1], behind = x[i + 1] - x[i];
        a[i * n + i - 1] = before / 6;
        a[i * n + i] = (before + behind) / 3;
        a[i * n + i + 1] = behind / 6;
        b[i * n + i - 1] = 1 / before;
        b[i * n + i] = -1 / before - 1 / behind;
        b[i * n + i + 1] = 1 / behind;
    }
    for (int end = 0; end < 2; end++) {
        int64_t first = end ? n - 3 : 0, row = end ? n - 1 : 0;
        double before = x[first + 1] - x[first], behind = x[first + 2] - x[first + 1];
        a[row * n + first] = behind;
        a[row * n + first + 1] = -before - behind;
        a[row * n + first + 2] = before;
    }
    solve(a, b, n, n);
    free(a);
}

/* Between two points the spline is the line through them and a cubic that vanishes at both, of
 * their second derivatives. */
static void make_geometric(int64_t in, int64_t out, double *matrix)
{
    double *x = mem_alloc((size_t)in * sizeof *x);
    double *curvatures = mem_alloc((size_t)(in * in) * sizeof *curvatures);
    place_geometric(in, out, x);
    find_curvatures(x, in, curvatures);
    for (int64_t i = 0; i < out; i++) {
        double t = (double)(i - out / 2), *row = matrix + i * in;
        int64_t k = find_interval(x, in, &t);
        double h = x[k + 1] - x[k], b = (t - x[k]) / h, a = 1 - b;
        double low = (a * a * a - a) * h * h / 6, high = (b * b * b - b) * h * h / 6;
        for (int64_t j = 0; j < in; j++)
            row[j] = low * curvatures[k * in + j] + high * curvatures[(k + 1) * in + j];
        row[k] += a;
        row[k + 1] += b;
    }
    free(x);
    free(curvatures);
}

/* All of them add to zeros, or write the weights that are not 0. */
void resample_matrix(ResampleHow how, int64_t in, int64_t out, double *matrix)
{
    memset(matrix, 0, (size_t)(in * out) * sizeof *matrix);
    switch (how) {
    case RESAMPLE_BICUBIC: make_bicubic(in, out, matrix); return;
    case RESAMPLE_BICUBIC_AA: make_antialiased(in, out, matrix); return;
    case RESAMPLE_PATCH: make_patch(in, out, matrix); return;
    case RESAMPLE_GEOMETRIC: make_geometric(in, out, matrix); return;
    case RESAMPLE_GEOMETRIC_LINEAR: make_geometric_linear(in, out, matrix); return;
    case RESAMPLE_HOW_COUNT: return;
    }
}
