/* Made-up values: the generator, the distributions, the fans of PyTorch's initialisations. */
#include "loader/align/fill.h"

#include <math.h>

/* Name in rules and plans, whether the spread follows from the fans, whether it is uniform. */
static const struct {
    const char *name;
    bool fans, uniform;
} kinds[FILL_KIND_COUNT] = {
    [FILL_ZEROS] = {"zeros", false, false},
    [FILL_CONST] = {"const", false, false},
    [FILL_NORMAL] = {"normal", false, false},
    [FILL_UNIFORM] = {"uniform", false, true},
    [FILL_KAIMING_NORMAL] = {"kaiming", true, false},
    [FILL_KAIMING_UNIFORM] = {"kaiming", true, true},
    [FILL_XAVIER_NORMAL] = {"xavier", true, false},
    [FILL_XAVIER_UNIFORM] = {"xavier", true, true},
};

/* Both distributions of kaiming and of xavier have one name; plans say "dist" besides. */
const char *fill_name(FillKind kind)
{
    return kinds[kind].name;
}

/* Those are refused for tensors of less than two axes, which have no fans. */
bool fill_needs_fans(FillKind kind)
{
    return kinds[kind].fans;
}

bool fill_is_uniform(FillKind kind)
{
    return kinds[kind].uniform;
}

/* Ten rounds of two products whose halves are crossed, with the multipliers and key increments
 * of the paper. Integers alone: every machine gets the same words. */
void fill_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53 * c0, b = (uint64_t)0xCD9E8D57 * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* Horner's rule with one operation a statement, so that no compiler fuses two roundings into
 * one on the machines that could. */
static double evaluate(const double *coefficients, int n, double x)
{
    double sum = coefficients[n - 1];
    for (int i = n - 2; i >= 0; i--) {
        sum = sum * x;
        sum = sum + coefficients[i];
    }
    return sum;
}

/* x = m·2^exponent with m in [√½, √2), where the series is short. */
double fill_log(double x)
{
    /* ln m = 2 (s + s^3/3 + s^5/5 + …) with s = (m-1)/(m+1), |s| < 0.172 */
    static const double odd[] = {1, 1. / 3, 1. / 5, 1. / 7, 1. / 9, 1. / 11, 1. / 13,
                                 1. / 15, 1. / 17, 1. / 19, 1. / 21};
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0.70710678118654752) {
        m = m * 2;
        exponent--;
    }
    double s = (m - 1) / (m + 1), square = s * s;
    double sum = evaluate(odd, 11, square);
    sum = sum * s;
    double shift = exponent * 0.69314718055994531;
    sum = sum * 2;
    return sum + shift;
}

/* u = quarter/4 + turn: the quarter turns are exchanges of signs, only `turn` needs a series. */
void fill_turn(double u, double *cosine, double *sine)
{
    /* Taylor's series within an eighth of a turn round the nearest quarter */
    static const double cosines[] = {1, -1. / 2, 1. / 24, -1. / 720, 1. / 40320, -1. / 3628800,
                                     1. / 479001600, -1. / 87178291200, 1. / 20922789888000};
    static const double sines[] = {1, -1. / 6, 1. / 120, -1. / 5040, 1. / 362880,
                                   -1. / 39916800, 1. / 6227020800, -1. / 1307674368000,
                                   1. / 355687428096000};
    int quarter = (int)(u * 4 + 0.5);
    double turn = u - quarter * 0.25;   /* exact, and within an eighth */
    double x = turn * 6.2831853071795865, square = x * x;
    double c = evaluate(cosines, 9, square), s = evaluate(sines, 9, square);
    s = s * x;
    switch (quarter & 3) {
    case 0: *cosine = c, *sine = s; break;
    case 1: *cosine = -s, *sine = c; break;
    case 2: *cosine = -c, *sine = -s; break;
    default: *cosine = s, *sine = -c;
    }
}

/* FNV-1a over the key, then the finaliser of splitmix64. Each target key has its stream: two
 * layers of one shape do not get the same numbers. */
static uint64_t hash_key(const char *key)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (; key && *key; key++) h = (h ^ (unsigned char)*key) * 0x100000001B3u;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    return h ^ (h >> 31);
}

/* torch.nn.init._calculate_fan_in_and_fan_out. For a linear layer 100×2048: 2048 in, 100 out;
 * for a convolution 64×3×7×7: 147 in, 3136 out. */
static void find_fans(const int64_t *dims, unsigned rank, double *in, double *out)
{
    double field = 1;
    for (unsigned i = 2; i < rank; i++) field *= (double)dims[i];
    *in = (double)dims[1] * field;
    *out = (double)dims[0] * field;
}

/* Mean and standard deviation, or low and width. Kaiming's gain is sqrt(2), xavier's 1, unless
 * another is said; a
 * uniform distribution of deviation s reaches to sqrt(3)·s. */
static void find_range(const Fill *fill, const int64_t *dims, unsigned rank, double *base,
                       double *scale)
{
    double in = 1, out = 1;
    *base = fill->a;
    *scale = fill->kind == FILL_UNIFORM ? fill->b - fill->a : fill->b;
    if (!fill_needs_fans(fill->kind)) return;
    find_fans(dims, rank, &in, &out);
    bool xavier = fill->kind == FILL_XAVIER_NORMAL || fill->kind == FILL_XAVIER_UNIFORM;
    double fan = xavier ? in + out : fill->fan_out ? out : in;
    *base = 0;
    *scale = fan > 0 ? sqrt(2 / fan) : 0;
    if (fan > 0 && fill->a != 0) *scale = fill->a * sqrt((xavier ? 2 : 1) / fan);
    if (!fill_is_uniform(fill->kind)) return;
    *base = -sqrt(3.0) * *scale;
    *scale = -2 * *base;
}

/* The two uniform numbers that elements 2·pair and 2·pair+1 share. The seed is the generator's
 * key; the counter is (pair, stream): no state, so that any element can be had at once. */
static void draw_pair(const Fill *fill, uint64_t stream, uint64_t pair, uint64_t out[2])
{
    uint32_t counter[4] = {(uint32_t)pair, (uint32_t)(pair >> 32), (uint32_t)stream,
                           (uint32_t)(stream >> 32)};
    uint32_t key[2] = {(uint32_t)fill->seed, (uint32_t)(fill->seed >> 32)}, words[4];
    fill_philox(counter, key, words);
    out[0] = ((uint64_t)words[1] << 32 | words[0]) >> 11;
    out[1] = ((uint64_t)words[3] << 32 | words[2]) >> 11;
}

/* 53 random bits each become [0,1), or by Box and Muller's method two normal numbers. The
 * logarithm takes (0,1], hence the one that is added. */
static void shape_pair(bool uniform, const uint64_t bits[2], double out[2])
{
    const double step = 1.0 / 9007199254740992.0;
    if (uniform) {
        out[0] = (double)bits[0] * step;
        out[1] = (double)bits[1] * step;
        return;
    }
    double radius = sqrt(-2 * fill_log((double)(bits[0] + 1) * step));
    fill_turn((double)bits[1] * step, &out[0], &out[1]);
    out[0] = out[0] * radius;
    out[1] = out[1] * radius;
}

/* A pair serves an even element and the odd one behind it; where a box begins with an odd one,
 * its pair is drawn again. A fill thus has the same numbers however it is cut into boxes. */
void fill_values(const Fill *fill, const int64_t *dims, unsigned rank, uint64_t first,
                 double *out, size_t n)
{
    double base, scale, pair[2] = {0, 0};
    if (fill->kind == FILL_ZEROS || fill->kind == FILL_CONST) {
        for (size_t i = 0; i < n; i++) out[i] = fill->kind == FILL_CONST ? fill->a : 0;
        return;
    }
    uint64_t stream = hash_key(fill->key), bits[2];
    find_range(fill, dims, rank, &base, &scale);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || (first + i) % 2 == 0) {
            draw_pair(fill, stream, (first + i) / 2, bits);
            shape_pair(fill_is_uniform(fill->kind), bits, pair);
        }
        double scaled = pair[(first + i) % 2] * scale;
        out[i] = base + scaled;
    }
}
