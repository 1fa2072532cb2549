/* What a role forbids, whatever the target holds: the parts of one norm are judged together. Only
 * what is told by sign is: a variance below zero, and a scale that is negative more often than its
 * shift. Scales around 0 alone are nothing odd: some models store scale − 1. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/compare.h"
#include "loader/align/judge_parts.h"
#include "loader/check/role.h"

enum { NUMBERS_LEAST = 8, NUMBERS_MOST = 65536 };
/* From which tell_exchange is a reason by itself. */
static const double EXCHANGED = 0.2;

/* The numbers of one vector. */
typedef struct Spread {
    bool known;
    size_t count, negative;
    double mean, deviation;
} Spread;

/* The slots of one norm; NULL where it has none. */
typedef struct Norm {
    Slot *weight, *bias, *mean, *variance;
    Spread scale, shift;         /* what was proposed for weight and bias */
    uint32_t custom;             /* index of Custom */
} Norm;

/* What the norms look like whose weight and bias come from leaves of the same names: who takes the
 * one for the other does so throughout a model. */
typedef struct Custom {
    size_t exchanged, right;
} Custom;

static bool read_spread(Judge *judge, const Slot *slot, Spread *spread)
{
    Error why;
    *spread = (Spread){.known = false};
    if (!slot || !slot->value || slot->decided || slot->dims[0] < NUMBERS_LEAST ||
        slot->dims[0] > NUMBERS_MOST || !expr_has_data(slot->value, NULL))
        return true;
    const Expr *e = compare_numbers(judge->scratch, slot->value, &why);
    if (!e || dtype_info(e->dtype)->kind != CLASS_FLOAT) return true;
    const size_t n = (size_t)e->dims[0];
    unsigned char *bytes = mem_alloc(n * dtype_size(e->dtype));
    double *x = mem_alloc(n * sizeof *x), sum = 0, squares = 0;
    const bool good = expr_fill(e, NULL, NULL, bytes, judge->err);
    if (good) {
        judge->judgement->bytes += n * dtype_size(e->dtype);
        dtype_to_doubles(e->dtype, bytes, x, n);
        for (size_t i = 0; i < n; i++) {
            spread->negative += x[i] < 0;
            sum += x[i];
        }
        spread->count = n;
        spread->mean = sum / (double)n;
        for (size_t i = 0; i < n; i++) squares += (x[i] - spread->mean) * (x[i] - spread->mean);
        spread->deviation = sqrt(squares / (double)n);
        spread->known = isfinite(spread->deviation);
    }
    free(bytes);
    free(x);
    return good;
}

/* Positive throughout, and not only just. */
static bool is_positive(const Spread *spread)
{
    return spread->known && !spread->negative && spread->mean > 0;
}

static double negative_share(const Spread *spread)
{
    return (double)spread->negative / (double)spread->count;
}

/* How much rather the scale is the shift: of 151 norms of trained models none gets to 0.2, and one
 * beyond 0; of the same with both exchanged seven in ten do, and all but ten. */
static double tell_exchange(const Norm *norm)
{
    const Spread *scale = &norm->scale, *shift = &norm->shift;
    if (!scale->known || !shift->known) return 0;
    if (scale->deviation <= 0 && shift->deviation <= 0)      /* never trained */
        return fabs(scale->mean) <= 0 && fabs(shift->mean - 1) <= 0 ? 1 : 0;
    /* that in units of the deviation as well */
    if (shift->mean * scale->deviation <= scale->mean * shift->deviation) return -1;
    return negative_share(scale) - negative_share(shift);
}

/* Each gets what the other was proposed, or both are open. */
static void exchange(Judge *judge, Slot *slot, Slot *rival, const char *why)
{
    const bool takes = slot->single && rival->single && slot->source && rival->source &&
                       !names_speak(judge, slot->source->name, rival->source->name,
                                    slot->target->name) &&
                       !names_speak(judge, rival->source->name, slot->source->name,
                                    rival->target->name);
    Slot *both[] = {slot, rival};
    for (int i = 0; i < 2; i++) {
        const Slot *other = both[!i];
        judge_add(judge, both[i],
                  (Veto){.target = both[i]->target->name,
                         .given = takes ? other->target->name : NULL,
                         .held = both[i]->source ? both[i]->source->name : NULL,
                         .rival = other->source ? other->source->name : NULL, .why = why});
    }
}

static const char *held_by(const Judge *judge, const Slot *slot)
{
    return slot->source ? judge_name(judge, slot->source->name) : "what was proposed";
}

/* A variance has no negative number. What is positive throughout, and was proposed for a mean or a
 * shift, takes its place where there is one such. */
static void judge_variance(Judge *judge, const Norm *norm, const Spread *variance,
                           const Spread *mean, const Spread *bias)
{
    Slot *slot = norm->variance, *rival = NULL;
    if (!variance->known || !variance->negative) return;
    if (slot->source && role_of(slot->source->name) == ROLE_VARIANCE) return;
    const bool by_mean = is_positive(mean), by_bias = is_positive(bias);
    if (by_mean != by_bias) rival = by_mean ? norm->mean : norm->bias;
    const char *why = arena_printf(judge->arena, "a variance is never negative, and %zu of %zu "
                                   "numbers of %s are", variance->negative, variance->count,
                                   held_by(judge, slot));
    if (rival && !rival->decided) {
        exchange(judge, slot, rival, why);
        return;
    }
    judge_add(judge, slot, (Veto){.target = slot->target->name, .why = why,
                                  .held = slot->source ? slot->source->name : NULL});
}

static void judge_scale(Judge *judge, const Norm *norm, const Custom *custom)
{
    enum { FEW = 3, MOST = 4 };
    const double told = tell_exchange(norm);
    const bool customary = custom->exchanged >= FEW &&
                           custom->exchanged >= MOST * custom->right;
    if (!(told > EXCHANGED || (customary && told > 0))) return;
    if (norm->weight->decided || norm->bias->decided) return;
    exchange(judge, norm->weight, norm->bias,
             arena_printf(judge->arena, "%.0f %% of %s lie below 0, and %.0f %% of %s: of a norm, "
                          "the first is the shift, the second the scale",
                          100 * negative_share(&norm->scale), held_by(judge, norm->weight),
                          100 * negative_share(&norm->shift), held_by(judge, norm->bias)));
}

/* A module that keeps statistics, or whose name says that it is a norm. */
static bool is_norm(const Norm *norm)
{
    static const char *const words[] = {"norm", "layernorm", "batchnorm", "groupnorm", "bn", "ln",
                                        "gn"};
    if (norm->mean || norm->variance) return true;
    if (!norm->weight || !norm->bias) return false;
    for (size_t i = 0; i < countof(words); i++)
        if (role_has_word(norm->weight->target->name, words[i])) return true;
    return false;
}

static bool is_borne_out(const Slot *slot)
{
    return slot && (double)slot->own >= 0.9;
}

static const char *leaf_of(const Slot *slot)
{
    return slot && slot->source ? slot->source->name + role_module(slot->source->name) : "";
}

/* Reads a norm, and counts what it looks like among those of its custom. */
static bool read_norm(Judge *judge, Norm *norm, NameMap *names, Custom *customs)
{
    Spread mean, variance;
    if (!is_norm(norm) || is_borne_out(norm->weight) || is_borne_out(norm->bias) ||
        is_borne_out(norm->variance))
        return true;
    if (!read_spread(judge, norm->weight, &norm->scale) ||
        !read_spread(judge, norm->bias, &norm->shift) ||
        !read_spread(judge, norm->mean, &mean) || !read_spread(judge, norm->variance, &variance))
        return false;
    judge_variance(judge, norm, &variance, &mean, &norm->shift);
    const char *name = arena_printf(judge->scratch, "%s\n%s", leaf_of(norm->weight),
                                    leaf_of(norm->bias));
    norm->custom = map_get(names, name);
    if (norm->custom == MAP_NONE) map_set(names, name, norm->custom = (uint32_t)names->count);
    const double told = tell_exchange(norm);
    customs[norm->custom].exchanged += told > 0;
    customs[norm->custom].right += told < 0;
    return true;
}

/* All are read before the first is judged. */
static bool judge_norms(Judge *judge, Norm *norms, size_t count)
{
    NameMap names = {0};
    Custom *customs = mem_alloc((count + 1) * sizeof *customs);
    bool good = true;
    for (size_t i = 0; good && i < count; i++) good = read_norm(judge, &norms[i], &names, customs);
    for (size_t i = 0; good && i < count; i++)
        if (norms[i].scale.known) judge_scale(judge, &norms[i], &customs[norms[i].custom]);
    map_done(&names);
    free(customs);
    return good;
}

static Slot **slot_of(Norm *norm, Role role)
{
    switch (role) {
    case ROLE_WEIGHT: return &norm->weight;
    case ROLE_BIAS: return &norm->bias;
    case ROLE_MEAN: return &norm->mean;
    case ROLE_VARIANCE: return &norm->variance;
    default: return NULL;
    }
}

/* Vectors by the module of their targets. */
bool judge_roles(Judge *judge)
{
    NameMap modules = {0};
    Norm *norms = mem_alloc((judge->count + 1) * sizeof *norms);
    size_t count = 0;
    for (size_t i = 0; i < judge->count; i++) {
        Slot *slot = &judge->slots[i];
        if (!slot->target || !slot->value || slot->rank != 1) continue;
        const Role role = role_of(slot->target->name);
        if (!slot_of(&norms[0], role)) continue;
        const char *module = arena_strndup(judge->scratch, slot->target->name,
                                           role_module(slot->target->name));
        uint32_t number = map_get(&modules, module);
        if (number == MAP_NONE) {
            number = (uint32_t)count++;
            norms[number] = (Norm){0};
            map_set(&modules, module, number);
        }
        *slot_of(&norms[number], role) = slot;
    }
    const bool good = judge_norms(judge, norms, count);
    map_done(&modules);
    free(norms);
    return good;
}
