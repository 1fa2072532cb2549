/* Numbers that were moved or scaled: a constant added to all (norms that store scale − 1), or all
 * multiplied by one. Fingerprints cannot find these: the few tensors that are left on both sides
 * are compared in pairs, a few numbers first. Each number leaves an interval that the constant lies
 * in; of what they have in common short decimals are tried, and verified like everything. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "loader/align/compare.h"
#include "loader/align/learn_parts.h"
#include "loader/tensor/box.h"

enum { GLANCE = 4096, PAIRS_MAX = 1 << 14, DIGITS_MAX = 12, SHORT = 6, TRIES = 12 };

/* A few numbers of either side. */
typedef struct Few {
    double x[GLANCE], y[GLANCE];
    size_t n;
    int digits;                  /* of the coarser type */
} Few;

/* Binary digits of a number; 0 for types that are not looked at. */
static int digits_of(DType dtype)
{
    switch (dtype) {
    case DT_F64: return 53;
    case DT_F32: return 24;
    case DT_F16: return 11;
    case DT_BF16: return 8;
    default: return 0;
    }
}

/* Half a step between the numbers of a type around y: what rounding to it may have moved y by. */
static double half_step(double y, int digits)
{
    int exponent;
    frexp(y, &exponent);
    if (digits == 11 && exponent < -13) exponent = -13;      /* f16's subnormal ones */
    return ldexp(1, exponent - digits - 1) * (1 + 0x1p-20);
}

static bool read_few(Learner *learner, const Expr *e, double *numbers, size_t *n)
{
    BoxWalk walk;
    *n = 0;
    if (!digits_of(e->dtype) || !box_first(&walk, e->dims, e->rank, GLANCE)) return true;
    *n = (size_t)box_count(&walk);
    unsigned char *bytes = mem_alloc(*n * dtype_size(e->dtype));
    learner->failed = !expr_fill(e, walk.from, walk.size, bytes, learner->err);
    if (!learner->failed) dtype_to_doubles(e->dtype, bytes, numbers, *n);
    free(bytes);
    return !learner->failed;
}

/* Constants that may be it, the likeliest first. */
typedef struct Constants {
    double items[TRIES];
    size_t count;
} Constants;

typedef struct Mover {
    Learner *learner;
    Few *few;
    Constants known[2];          /* that were found so far: added; multiplied */
} Mover;

static void add_constant(Constants *constants, double number, double low, double high)
{
    if (!(number >= low && number <= high) || fabs(number) <= 0) return;
    for (size_t i = 0; i < constants->count; i++)
        if (number >= constants->items[i] && number <= constants->items[i]) return;
    if (constants->count < TRIES) constants->items[constants->count++] = number;
}

/* What was found for others; a short decimal; a number that f32 holds, in which programs compute;
 * longer decimals. */
static void list_constants(const Constants *known, double low, double high, Constants *constants)
{
    char text[40];
    const double middle = low + (high - low) / 2;
    constants->count = 0;
    if (!isfinite(low) || !isfinite(high) || low > high) return;
    for (size_t i = 0; i < known->count; i++)
        add_constant(constants, known->items[i], low, high);
    for (int digits = 1; digits <= DIGITS_MAX; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, middle);
        if (digits == SHORT + 1) add_constant(constants, (double)(float)middle, low, high);
        add_constant(constants, strtod(text, NULL), low, high);
    }
}

/* Where the constant lies that makes y of x; no room between them: none does. */
static void find_interval(const Few *few, bool scale, double *low, double *high)
{
    *low = -INFINITY;
    *high = INFINITY;
    for (size_t i = 0; i < few->n && *low <= *high; i++) {
        const double slack = half_step(few->y[i], few->digits);
        double from = few->y[i] - slack, to = few->y[i] + slack;
        const bool nothing = scale && fabs(few->x[i]) <= 0;
        if (!isfinite(few->x[i]) || !isfinite(few->y[i]) || (nothing && fabs(few->y[i]) > 0))
            *low = INFINITY;
        if (nothing) continue;
        from = scale ? from / few->x[i] : from - few->x[i];
        to = scale ? to / few->x[i] : to - few->x[i];
        *low = fmax(*low, fmin(from, to));
        *high = fmin(*high, fmax(from, to));
    }
}

static bool offer_sum(const Mover *mover, const Print *from, const Print *to, const Chain *turn,
                      const DType *cast, Op op)
{
    Chain chain = *turn;
    const char *name = from->tensor->name;
    if (cast) chain_add(&chain, (Op){.kind = OP_CAST, .dtype = *cast});
    chain_add(&chain, op);
    return offer(mover->learner, &(NameList){&name, 1}, 1, &to->tensor->name, 1, &chain);
}

/* A sum is rounded to the type of the tensor: that of the target, where it has more digits, unless
 * the target was rounded before it was widened. */
static bool offer_constant(Mover *mover, const Print *from, const Print *to, const Chain *turn,
                           bool scale, double constant)
{
    const Op op = {.kind = scale ? OP_MUL : OP_ADD, .real = constant, .has_number = true};
    const DType wide = to->tensor->dtype;
    const bool wider = digits_of(wide) > digits_of(from->tensor->dtype);
    if (!(wider && offer_sum(mover, from, to, turn, &wide, op)) &&
        !offer_sum(mover, from, to, turn, NULL, op))
        return false;
    add_constant(&mover->known[scale], constant, -INFINITY, INFINITY);
    return true;
}

static bool try_pair(Mover *mover, const Print *from, const Print *to, const Expr *source,
                     const Chain *turn)
{
    size_t n;
    Few *few = mover->few;
    if (!read_few(mover->learner, source, few->x, &n) || n != few->n) return false;
    const int a = digits_of(source->dtype), b = digits_of(to->tensor->dtype);
    few->digits = a < b ? a : b;
    for (int scale = 0; scale < 2; scale++) {
        Constants constants;
        double low, high;
        find_interval(few, scale, &low, &high);
        list_constants(&mover->known[scale], low, high, &constants);
        for (size_t i = 0; i < constants.count && !mover->learner->failed; i++)
            if (offer_constant(mover, from, to, turn, scale, constants.items[i])) return true;
    }
    return false;
}

/* As it lies, and a matrix the other way round. */
static bool try_source(Mover *mover, Arena *scratch, const Print *from, const Print *to)
{
    const Expr *source = expr_source(scratch, from->tensor);
    Chain turn = {.count = 0};
    if (same_dims(from->dims, from->rank, to->dims, to->rank) &&
        try_pair(mover, from, to, source, &turn))
        return true;
    if (mover->learner->failed || from->rank != 2 || to->rank != 2) return false;
    if (from->dims[0] != to->dims[1] || from->dims[1] != to->dims[0]) return false;
    const Expr *turned = expr_transpose(scratch, source, NULL);
    chain_add(&turn, (Op){.kind = OP_T});
    return turned && try_pair(mover, from, to, turned, &turn);
}

bool learn_moved(Learner *learner)
{
    bool any = false;
    size_t pairs = 0;
    Few *few = mem_alloc(sizeof *few);
    Mover mover = {.learner = learner, .few = few};
    for (size_t i = 0; i < learner->b.wholes; i++) {
        const Print *to = &learner->b.items[i];
        if (!is_open(learner, i) || to->flat || !digits_of(to->tensor->dtype)) continue;
        if (learner->targets[i].why) continue;       /* it is known to come of something else */
        Arena *scratch = arena_new();
        bool found = !read_few(learner, expr_source(scratch, to->tensor), few->y, &few->n);
        for (size_t k = 0; !found && k < learner->a.wholes && pairs < PAIRS_MAX; k++) {
            const Print *from = &learner->a.items[k];
            if (learner->used[k] || learner->a.why[k] || from->flat || from->count != to->count)
                continue;
            pairs++;
            found = try_source(&mover, scratch, from, to) || learner->failed;
            any = any || (found && !learner->failed);
        }
        arena_free(scratch);
        if (learner->failed) break;
    }
    free(few);
    return any;
}
