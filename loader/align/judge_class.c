/* One shape at a time: for each target that does not agree with what is proposed for it, the rival
 * whose numbers it holds. A rival counts when it is the best of all, by far, and the target is the
 * best of all for the rival, too. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/align/judge_parts.h"

/* Correlations: from which a pair agrees; from which no rival is looked for; from which a rival
 * takes its place; from which it makes a question; by how much it must be better. */
static const double AGREES = 0.5, SURE = 0.9, TAKES = 0.8, ASKS = 0.3, BETTER = 0.25;
/* Or that much nearer to 1: vectors of one width have the same outliers, and are alike by that. */
static const double NEARER = 4;
/* Of a few numbers: below that the whole is not looked at. Its error is some 0.1. */
static const double GLANCE = 0.4;
/* Standard errors from nothing: of what agrees, takes, asks. */
static const double ERRORS_AGREES = 4, ERRORS_TAKES = 6, ERRORS_ASKS = 8;
enum { ROPE_TRIES = 4, ROPE_DIVISORS = 24 };

/* What a target agrees with best. */
typedef struct Choice {
    size_t rival;                /* index of slots; SIZE_MAX: none */
    double best, next;           /* its correlation, and that of the second */
    bool takes;                  /* else it asks */
    bool chosen;                 /* there is one that counts */
    bool shared;                 /* others hold the rival's numbers as well */
} Choice;

typedef struct Class {
    Judge *judge;
    Slot *slots;                 /* [count] of the judge's, all of one shape */
    size_t count;
    uint32_t most;               /* numbers of a sample */
    Choice *choices;             /* owned, [count] */
    int rope_tries;
} Class;

static bool read_given(Class *class, Slot *slot)
{
    const Expr *value = slot->value;
    if (!value && !slot->target) value = expr_source(class->judge->scratch, slot->source);
    return !value || sample_read(class->judge, value, class->most, &slot->given);
}

static bool is_open_slot(const Slot *slot)
{
    return slot->target && slot->held.x && !((double)slot->own >= SURE);
}

/* Whether a correlation of n numbers is by far better than another. */
static bool is_better(double one, double other, uint32_t n)
{
    if (one >= fmax(other, 0) + BETTER) return true;
    return one >= SURE && 1 - other >= NEARER * (1 - one) &&
           sample_errors(one, n) - sample_errors(other, n) >= ERRORS_TAKES;
}

/* Every target and what is proposed for it. */
static bool read_own(Class *class, size_t *open)
{
    Judge *judge = class->judge;
    *open = 0;
    for (size_t i = 0; i < class->count; i++) {
        Slot *slot = &class->slots[i];
        if (!slot->target) continue;
        if (!sample_read(judge, expr_target(judge->scratch, slot->target), class->most,
                         &slot->held))
            return false;
        judge->judgement->untrained += slot->held.constant;
        if (!slot->held.x) continue;
        if (!read_given(class, slot)) return false;
        slot->own = (float)sample_agree(&slot->held, &slot->given);
        const double errors = sample_errors((double)slot->own, slot->held.n);
        if (slot->value && slot->given.x) {
            judge->judgement->judged++;
            judge->agree[slot->binding] = slot->own;
        }
        judge->judgement->agreed += (double)slot->own >= AGREES && errors >= ERRORS_AGREES;
        *open += is_open_slot(slot);
    }
    return true;
}

/* Whether two of a large class may agree at all: a glance spares a close look. */
static bool may_agree(const Class *class, const Sample *held, const Sample *given)
{
    return class->count <= CLASS_LARGE || sample_glance(held, given) >= GLANCE;
}

static void find_best(const Class *class, size_t at, Choice *choice)
{
    const Slot *slot = &class->slots[at];
    *choice = (Choice){.rival = SIZE_MAX, .best = -1, .next = -1};
    for (size_t i = 0; i < class->count; i++) {
        const Sample *given = &class->slots[i].given;
        if (!given->x || (i != at && !may_agree(class, &slot->held, given))) continue;
        const double agree = sample_agree(&slot->held, given);
        if (isnan(agree)) continue;
        if (agree > choice->best) {
            choice->next = choice->best;
            choice->best = agree;
            choice->rival = i;
        } else if (agree > choice->next) {
            choice->next = agree;
        }
    }
}

/* Whether no other target agrees as well with the rival. */
static bool is_mutual(const Class *class, size_t at, const Choice *choice)
{
    const Sample *given = &class->slots[choice->rival].given;
    for (size_t i = 0; i < class->count; i++) {
        const Sample *held = &class->slots[i].held;
        if (i == at || !held->x || !may_agree(class, held, given)) continue;
        const double agree = sample_agree(held, given);
        if (!isnan(agree) && !is_better(choice->best, agree, held->n)) return false;
    }
    return true;
}

static void choose(const Class *class, size_t at)
{
    const Slot *slot = &class->slots[at];
    Choice *choice = &class->choices[at];
    find_best(class, at, choice);
    if (choice->rival == SIZE_MAX || choice->rival == at) return;
    const double own = isnan((double)slot->own) ? 0 : (double)slot->own;
    const double errors = sample_errors(choice->best, slot->held.n);
    const bool apart = is_better(choice->best, choice->next, slot->held.n);
    if (!is_better(choice->best, own, slot->held.n)) return;
    choice->takes = choice->best >= TAKES && errors >= ERRORS_TAKES && apart;
    choice->chosen = choice->takes || (choice->best >= ASKS && errors >= ERRORS_ASKS &&
                                       (choice->best >= TAKES || choice->best >= 2 * choice->next));
    if (!choice->chosen || is_mutual(class, at, choice)) return;
    /* several tensors hold the numbers: what was proposed and has others is wrong all the same */
    choice->shared = choice->best >= TAKES && own < ASKS && errors >= ERRORS_ASKS;
    choice->chosen = choice->shared;
    choice->takes = false;
}

/* Whether a slot's place may be taken by another's: both are whole pairs, or nothing was there. */
static bool is_movable(const Class *class, size_t at, const Choice *choice)
{
    const Slot *slot = &class->slots[at], *rival = &class->slots[choice->rival];
    if (!rival->target) return slot->single || !slot->value;
    return (slot->single || !slot->value) && rival->single;
}

static bool is_spoken_for(const Class *class, size_t at)
{
    const Slot *slot = &class->slots[at], *rival = &class->slots[class->choices[at].rival];
    if (!slot->value || !slot->source || !rival->source) return false;
    return names_speak(class->judge, slot->source->name, rival->source->name, slot->target->name);
}

/* What one target takes must be given up by the other: as long as one is a question, so are those
 * that wait for it. One that has no better choice loses its own, and is a question, too. */
static void settle(Class *class)
{
    for (size_t i = 0; i < class->count; i++) {
        Choice *choice = &class->choices[i];
        if (choice->takes && (!is_movable(class, i, choice) || is_spoken_for(class, i)))
            choice->takes = false;
    }
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < class->count; i++) {
            Choice *choice = &class->choices[i];
            if (!choice->takes || !class->slots[choice->rival].target) continue;
            if (class->choices[choice->rival].takes) continue;
            choice->takes = false;
            more = true;
        }
    }
}

/* ---- what is said ---- */

static const char *source_of(const Judge *judge, const Slot *slot)
{
    return slot->source ? judge_name(judge, slot->source->name) : "several tensors";
}

static void veto_for_rival(Class *class, size_t at)
{
    Slot *slot = &class->slots[at];
    const Choice *choice = &class->choices[at];
    const Slot *rival = &class->slots[choice->rival];
    const float own = isnan(slot->own) ? 0 : slot->own;
    Veto veto = {.target = slot->target->name, .for_held = own, .for_rival = (float)choice->best,
                 .held = slot->source ? slot->source->name : NULL,
                 .rival = rival->source ? rival->source->name : NULL};
    if (choice->takes && rival->target) veto.given = rival->target->name;
    else if (choice->takes) veto.source = rival->source->name;
    veto.why = slot->value
                   ? arena_printf(class->judge->arena, "its values are those of %s (%.2f), not of "
                                  "%s (%.2f)", source_of(class->judge, rival), choice->best,
                                  source_of(class->judge, slot), (double)own)
                   : arena_printf(class->judge->arena, "its values are those of %s (%.2f)",
                                  source_of(class->judge, rival), choice->best);
    if (slot->value || choice->takes) judge_add(class->judge, slot, veto);
    Slot *loser = &class->slots[choice->rival];
    if (choice->shared || !loser->target || loser->decided) return;
    if (class->choices[choice->rival].chosen) return;
    judge_add(class->judge, loser,
              (Veto){.target = loser->target->name, .for_held = loser->own,
                     .held = loser->source ? loser->source->name : NULL,
                     .why = arena_printf(class->judge->arena, "the values of %s are those of "
                                         "another target, %s (%.2f)",
                                         source_of(class->judge, loser),
                                         judge_name(class->judge, slot->target->name),
                                         choice->best)});
}

/* ---- the same tensor in another order ---- */

/* A square matrix that is the other way round. */
static void try_turned(Class *class, Slot *slot)
{
    const double agree = sample_agree_turned(&slot->held, &slot->given, slot->dims, slot->rank,
                                             class->most);
    const double own = fmax((double)slot->own, 0), errors = sample_errors(agree, slot->held.n);
    if (!(agree >= own + BETTER) || agree < ASKS || errors < ERRORS_ASKS) return;
    judge_add(class->judge, slot,
              (Veto){.target = slot->target->name, .turn = agree >= TAKES && slot->single,
                     .held = slot->source ? slot->source->name : NULL, .for_held = slot->own,
                     .for_rival = (float)agree,
                     .why = arena_printf(class->judge->arena, "its values are those of %s the "
                                         "other way round (%.2f), not as it lies (%.2f)",
                                         source_of(class->judge, slot), agree,
                                         (double)slot->own)});
}

/* `e` with the rows of that many heads in another order; NULL: they do not part so. */
static const Expr *rope(Judge *judge, const Expr *e, OpKind kind, int64_t heads)
{
    ExprList list = {.items = &e, .count = 1};
    RuleValue value = {&list, 1};
    const OpContext context = {.arena = judge->scratch};
    Error ignored = {0};
    const Op op = {.kind = kind, .has_number = true, .number = heads};
    return op_apply(&op, &context, &value, &ignored) ? value.lists[0].items[0] : NULL;
}

static bool try_rope(Class *class, Slot *slot, OpKind kind, int64_t heads, bool *found)
{
    Judge *judge = class->judge;
    Sample sample = {.n = 0};
    const Expr *turned = rope(judge, slot->value, kind, heads);
    *found = false;
    if (!turned) return true;
    if (!sample_read(judge, turned, class->most, &sample)) return false;
    const double agree = sample_agree(&slot->held, &sample);
    sample_done(&sample);
    *found = agree >= TAKES && agree >= (double)slot->own + BETTER &&
             sample_errors(agree, slot->held.n) >= ERRORS_TAKES;
    if (!*found) return true;
    const bool pairs = kind == OP_ROPE_PAIRS;
    judge_add(judge, slot,
              (Veto){.target = slot->target->name, .pairs = pairs && slot->single ? heads : 0,
                     .halves = !pairs && slot->single ? heads : 0, .for_held = slot->own,
                     .held = slot->source ? slot->source->name : NULL, .for_rival = (float)agree,
                     .why = arena_printf(judge->arena, "its rows are those of %s in the order of "
                                         "rope_%s(%lld) (%.2f), not as they lie (%.2f)",
                                         source_of(judge, slot), pairs ? "pairs" : "halves",
                                         (long long)heads, agree, (double)slot->own)});
    return true;
}

/* Queries and keys whose rows stand in another order: heads as pairs, or as halves. The numbers of
 * heads are tried that part the rows evenly; the first that was right, first. */
static bool try_ropes(Class *class, Slot *slot, int64_t *last)
{
    const int64_t rows = slot->dims[0];
    bool found = false;
    if (class->rope_tries >= ROPE_TRIES && !*last) return true;
    class->rope_tries++;
    for (int tries = *last ? -1 : 0; tries < ROPE_DIVISORS && !found; tries++) {
        static const int64_t widths[ROPE_DIVISORS] = {
            128, 64, 96, 80, 256, 32, 112, 160, 192, 16, 48, 72, 8, 4, 40, 24, 12, 6, 512, 144, 100,
            20, 10, 36};
        const int64_t heads = tries < 0 ? *last : rows % widths[tries] ? 0 : rows / widths[tries];
        if (heads < 1 || rows % (2 * heads)) continue;
        for (int k = 0; k < 2 && !found; k++) {
            if (!try_rope(class, slot, k ? OP_ROPE_HALVES : OP_ROPE_PAIRS, heads, &found))
                return false;
            if (found) *last = heads;
        }
    }
    return true;
}

static bool try_orders(Class *class)
{
    int64_t last = 0;
    for (size_t i = 0; i < class->count; i++) {
        Slot *slot = &class->slots[i];
        if (!is_open_slot(slot) || !slot->value || !slot->given.x || slot->decided ||
            slot->rank != 2)
            continue;
        if (slot->dims[0] == slot->dims[1]) try_turned(class, slot);
        if (!slot->decided && slot->source && names_rotary(slot->source->name) &&
            names_rotary(slot->target->name) && !try_ropes(class, slot, &last))
            return false;
    }
    return true;
}

/* ---- the class ---- */

static bool judge_open(Class *class)
{
    Judge *judge = class->judge;
    for (size_t i = 0; i < class->count; i++)
        if (!read_given(class, &class->slots[i])) return false;
    for (size_t i = 0; i < class->count; i++) {
        if (judge->interrupt && *judge->interrupt)
            return error_set(judge->err, ERR_CANCELLED, "interrupted");
        if (is_open_slot(&class->slots[i])) choose(class, i);
    }
    settle(class);
    for (size_t i = 0; i < class->count; i++)
        if (class->choices[i].chosen) veto_for_rival(class, i);
    return try_orders(class);
}

bool judge_class(Judge *judge, size_t from, size_t to)
{
    Class class = {.judge = judge, .slots = judge->slots + from, .count = to - from};
    size_t targets = 0, open = 0;
    for (size_t i = 0; i < class.count; i++) targets += class.slots[i].target != NULL;
    const Slot *first = class.slots;
    const bool square = first->rank == 2 && first->dims[0] == first->dims[1] && first->dims[0] > 1;
    const bool rows = first->rank == 2 && first->source && names_rotary(first->source->name);
    if (!targets || class.count > CLASS_MOST || (class.count < 2 && !square && !rows)) return true;
    class.most = class.count > CLASS_LARGE ? SAMPLE_FEW : SAMPLE_MOST;
    class.choices = mem_alloc(class.count * sizeof *class.choices);
    for (size_t i = 0; i < class.count; i++) class.choices[i].rival = SIZE_MAX;
    bool good = read_own(&class, &open);
    if (good && open) good = judge_open(&class);
    for (size_t i = 0; i < class.count; i++) {
        sample_done(&class.slots[i].held);
        sample_done(&class.slots[i].given);
    }
    free(class.choices);
    return good;
}
