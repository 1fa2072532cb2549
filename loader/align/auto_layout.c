/* Which way a kernel lies: decided for families of tensors, not one by one. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_parts.h"

/* Orders of axes that take a kernel of one convention into the other. */
typedef struct Order {
    uint8_t rank;
    int64_t axes[5];
} Order;
static const Order orders[] = {
    {2, {1, 0}}, {3, {2, 1, 0}}, {4, {3, 2, 0, 1}}, {4, {2, 3, 0, 1}}, {4, {2, 3, 1, 0}},
    {5, {4, 3, 0, 1, 2}}, {5, {2, 3, 4, 1, 0}}, {3, {0, 2, 1}},
};

enum { FAMILIES = 4 };

/* How many tensors of a family fit only as they are, and only turned. */
typedef struct Tally {
    uint32_t straight, turned;
} Tally;

struct Layouts {
    Table families;          /* key -> index in list */
    Tally *list;             /* [count] */
    size_t count, room;
};

static bool fits_order(const Order *order, const AutoTensor *s, const AutoTensor *t)
{
    if (s->rank != order->rank || t->rank != order->rank) return false;
    for (unsigned i = 0; i < order->rank; i++)
        if (s->dims[order->axes[i]] != t->dims[i]) return false;
    return true;
}

static const Order *find_order(const AutoTensor *s, const AutoTensor *t)
{
    for (size_t i = 0; i < countof(orders); i++)
        if (fits_order(&orders[i], s, t)) return &orders[i];
    return NULL;
}

/* The same sizes in the same order but for ones. */
static bool same_dense(const AutoTensor *s, const AutoTensor *t)
{
    int64_t p[8], q[8];
    unsigned m = shape_dense(s, p), n = shape_dense(t, q);
    return m == n && memcmp(p, q, m * sizeof *p) == 0;
}

static bool both_known(const AutoTensor *s, const AutoTensor *t)
{
    return s->dims && t->dims;
}

static Fitting fit_turned(const Order *order)
{
    if (order->rank == 2) return (Fitting){.turn = TURN_T};
    return (Fitting){.turn = TURN_PERMUTE, .permute = order->axes};
}

/* The first number of a name that counts anything, as the 2 of gpt2/h0/attn does not; NULL. */
static const char *first_count(const Side *side, const Unit *unit, const char *at, const char *end)
{
    const Coarse *coarse = &side->coarse[unit->coarse];
    for (unsigned slot = 0; at < end; at++) {
        int64_t value;
        const size_t digits = is_digit(*at) ? name_number(at, end, &value) : 0;
        if (!digits) continue;
        if (slot == coarse->slot_count) return NULL;
        if (coarse->low[slot] < coarse->high[slot]) return at;
        slot++;
        at += digits - 1;
    }
    return NULL;
}

/* Families that a pair belongs to, the narrowest first: its block, its spelling, its rank, all. */
static void family_keys(const Auto *a, uint32_t source, unsigned rank, uint64_t keys[FAMILIES])
{
    const Side *side = &a->side[0];
    const AutoTensor *tensor = &side->given->tensors[source];
    const Unit *unit = &side->units[side->unit_of[source]];
    NameParts parts = words_parts(a->words, tensor->name);
    const char *at = first_count(side, unit, parts.path, parts.path + parts.path_length);
    uint64_t block = at ? hash_text(1, parts.path, (size_t)(at - parts.path)) : unit->up[0];
    uint64_t spelled = hash_text(2, parts.role_text ? parts.role_text : "", parts.role_length);
    keys[0] = hash_mix(hash_mix(block, spelled), rank);
    keys[1] = hash_mix(spelled, rank);
    keys[2] = hash_mix(3, rank);
    keys[3] = 4;
}

static Tally *tally_of(Layouts *layouts, uint64_t key)
{
    bool fresh;
    uint32_t index = *table_add(&layouts->families, key, (uint32_t)layouts->count, &fresh);
    if (fresh) {
        layouts->list = mem_grow(layouts->list, &layouts->room, layouts->count + 1,
                                 sizeof *layouts->list);
        layouts->list[layouts->count++] = (Tally){0};
    }
    return &layouts->list[index];
}

/* What can be said of a pair alone; OPEN when it fits both ways. */
static Fitting fit_alone(const AutoTensor *s, const AutoTensor *t)
{
    if (!both_known(s, t)) return (Fitting){.turn = TURN_NONE};
    const Order *order = find_order(s, t);
    if (shape_same(s, t)) return (Fitting){.turn = order ? TURN_OPEN : TURN_NONE};
    if (order) return fit_turned(order);
    if (same_dense(s, t)) return (Fitting){.turn = TURN_RESHAPE};
    return (Fitting){.turn = TURN_NEVER};
}

bool same_role_text(const Auto *a, uint32_t source, uint32_t target)
{
    NameParts s = words_parts(a->words, a->side[0].given->tensors[source].name);
    NameParts t = words_parts(a->words, a->side[1].given->tensors[target].name);
    return s.role_length == t.role_length &&
           (!s.role_length || memcmp(s.role_text, t.role_text, s.role_length) == 0);
}

/* A name that ends without a role is no spelling that others could share. */
static bool is_spelled(const Auto *a, uint32_t source)
{
    return words_parts(a->words, a->side[0].given->tensors[source].name).role_length > 0;
}

/* What a family shows; where `few` times as many lie one way as the other, that is it. */
static Turn say(Tally tally, uint32_t few)
{
    if (!tally.straight || (few && tally.turned >= tally.straight * few)) return TURN_T;
    if (!tally.turned || (few && tally.straight >= tally.turned * few)) return TURN_NONE;
    return TURN_OPEN;
}

/* Whether a tensor is seen with its axes in another order: 8×2048×256 as 8·256×2048, which lies the
 * other way round than 2048×8·256, of which its order of axes tells. */
static bool is_moved(const Auto *a, int s, uint32_t tensor)
{
    const Side *side = &a->side[s];
    return side->views && side->views[tensor] && side->views[tensor]->moves;
}

/* What tensors of other spellings show says that a kernel lies as a weight does only where both
 * sides call it the same: embeddings, which nobody turns, show nothing of a kernel. */
static Turn follow(const Auto *a, uint32_t source, uint32_t target, unsigned rank)
{
    enum {
        SPELLED = 2,                 /* families of one spelling */
        FEW = 8                      /* kernels for each embedding among them */
    };
    const Layouts *layouts = a->layouts;
    uint64_t keys[FAMILIES];
    family_keys(a, source, rank, keys);
    const bool spelled_same = same_role_text(a, source, target);
    for (int level = 0; level < FAMILIES; level++) {
        const uint32_t *index = table_find(&layouts->families, keys[level]);
        if (!index || (level == SPELLED - 1 && !is_spelled(a, source))) continue;
        const Turn turn = say(layouts->list[*index], level >= SPELLED ? FEW : 0);
        if (turn == TURN_OPEN || (turn == TURN_NONE && !spelled_same && level >= SPELLED)) break;
        return turn;
    }
    if (a->options->assume == AUTO_LAYOUT_OPEN) return TURN_OPEN;
    return a->options->assume == AUTO_LAYOUT_TORCH ? TURN_NONE : TURN_T;
}

Turn auto_layout_follow(const Auto *a, uint32_t source, uint32_t target, unsigned rank)
{
    if (is_moved(a, 1, target)) return TURN_OPEN;
    const Turn turn = follow(a, source, target, rank);
    if (!is_moved(a, 0, source)) return turn;
    return turn == TURN_T ? TURN_NONE : TURN_OPEN;
}

void auto_layout_count(Auto *a, uint32_t source, unsigned rank, bool turned)
{
    uint64_t keys[FAMILIES];
    family_keys(a, source, rank, keys);
    if (is_moved(a, 0, source)) turned = !turned;
    for (int level = 0; level < FAMILIES; level++) {
        Tally *tally = tally_of(a->layouts, keys[level]);
        *(turned ? &tally->turned : &tally->straight) += 1;
    }
}

static void count_pair(Auto *a, const TensorPair *pair)
{
    Turn turn = pair->fitting.turn;
    bool turned = turn == TURN_T || turn == TURN_PERMUTE;
    const AutoTensor *s = &a->side[0].given->tensors[pair->source];
    const AutoTensor *t = &a->side[1].given->tensors[pair->target];
    if ((!turned && turn != TURN_NONE) || !both_known(s, t) || s->rank < 2) return;
    auto_layout_count(a, pair->source, s->rank, turned);
}

/* Tensors of one name that differ in a size still tell by the other one which way they lie: a head
 * of another number of classes, 1000×4096 for 10×4096. */
static Turn near_turn(const AutoTensor *s, const AutoTensor *t)
{
    if (!both_known(s, t) || s->rank != 2 || t->rank != 2) return TURN_OPEN;
    bool straight = s->dims[0] == t->dims[0] || s->dims[1] == t->dims[1];
    bool turned = s->dims[0] == t->dims[1] || s->dims[1] == t->dims[0];
    if (straight == turned) return TURN_OPEN;
    return turned ? TURN_T : TURN_NONE;
}

static void count_near(Auto *a)
{
    const Side *x = &a->side[0], *y = &a->side[1];
    Table paths = {.arena = a->arena};
    for (uint32_t u = 0; u < x->unit_count; u++)
        if (x->units[u].mate == NONE) table_add(&paths, x->units[u].path, u, NULL);
    for (uint32_t v = 0; v < y->unit_count; v++) {
        const Unit *unit = &y->units[v];
        const uint32_t *u = unit->mate == NONE ? table_find(&paths, unit->path) : NULL;
        if (!u) continue;
        Turn turn = near_turn(main_tensor(x, &x->units[*u]), main_tensor(y, unit));
        if (turn != TURN_OPEN)
            auto_layout_count(a, x->members[x->units[*u].first], 2, turn == TURN_T);
    }
}

/* A parameter of its own that becomes the weight of a layer: `x @ proj` lies the other way round
 * than Linear does, and what embeddings show says nothing of it. Where kernels are turned, names
 * that count may be layers whose word for weight is not known: they follow those beside them. */
static bool is_bare(const Auto *a, const TensorPair *pair, Turn others)
{
    const Side *side = &a->side[0];
    const Unit *unit = &side->units[side->unit_of[pair->source]];
    return a->options->assume == AUTO_LAYOUT_OPEN && side->role_of[pair->source] == ROLE_SELF &&
           a->side[1].role_of[pair->target] != ROLE_SELF &&
           (others == TURN_NONE || !side->coarse[unit->coarse].slot_count);
}

void auto_layout_decide(Auto *a, TensorPair *pairs, size_t count)
{
    a->layouts = arena_alloc(a->arena, sizeof *a->layouts);
    a->layouts->families.arena = a->arena;
    fused_tally(a);
    for (size_t i = 0; i < count; i++) {
        const AutoTensor *s = &a->side[0].given->tensors[pairs[i].source];
        const AutoTensor *t = &a->side[1].given->tensors[pairs[i].target];
        pairs[i].fitting = fit_alone(s, t);
        count_pair(a, &pairs[i]);
    }
    count_near(a);
    for (size_t i = 0; i < count; i++) {
        if (pairs[i].fitting.turn != TURN_OPEN) continue;
        const unsigned rank = a->side[0].given->tensors[pairs[i].source].rank;
        Turn turn = auto_layout_follow(a, pairs[i].source, pairs[i].target, rank);
        if (is_bare(a, &pairs[i], turn)) continue;
        if (turn == TURN_NONE) pairs[i].fitting.turn = TURN_NONE;
        if (turn == TURN_T)
            pairs[i].fitting = fit_turned(find_order(&a->side[0].given->tensors[pairs[i].source],
                                                     &a->side[1].given->tensors[pairs[i].target]));
    }
}

void auto_layout_done(Auto *a)
{
    if (a->layouts) free(a->layouts->list);
}
