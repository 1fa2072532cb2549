/* Ways on from marks: every formula that holds for the numbers of the marks, tried on every key of
 * their kind.
 *
 * One mark, layers.0 -> blk.0, may mean layers.{i} -> blk.{i} or that layer alone; two of them in
 * blocks 1 and 2 of a UNet may mean (i-1)//3, (i-1)%4 …. What the marks do not tell the target
 * does: most ways lead to names that are not there. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/induce_marks_parts.h"

/* How far one pair of numbers may be apart and still go on together. */
enum { SHIFT_FROM_ONE = 2 };

/* ---- where a key goes ---- */

static bool same_shape(const AutoTensor *a, const AutoTensor *b)
{
    return !a->dims || !b->dims ||
           (a->rank == b->rank && (!a->rank || same_dims(a->dims, a->rank, b->dims, b->rank)));
}

/* Whether the ops make of the keys what the targets are. */
static bool ops_fit(Marker *marker, const Sketch *sketch, uint32_t key, const Found *found)
{
    Arena *arena = arena_new();
    const MarkInput *input = marker->input;
    size_t n = sketch->source_count + 1, count = 0;
    RuleValue value = {arena_alloc(arena, n * sizeof(ExprList)), n};
    const char *names[SIDES_MAX];
    for (size_t i = 0; i < n; i++) {
        const AutoTensor *from = &input->keys[i ? found->sides[i - 1] : key];
        Tensor tensor = {.name = from->name, .dtype = from->dtype, .dims = from->dims,
                         .rank = from->rank};
        value.lists[i].items = arena_alloc(arena, sizeof(Expr *));
        value.lists[i].items[0] = expr_source(arena, arena_copy(arena, &tensor, sizeof tensor));
        value.lists[i].count = 1;
    }
    size_t targets = sketch->side_count - sketch->source_count;
    for (size_t i = 0; i < targets; i++)
        names[i] = input->targets[found->sides[sketch->source_count + i]].name;
    OpContext context = {.arena = arena, .target = marker->dict, .names = names,
                         .name_count = targets};
    bool good = true;
    for (size_t i = 0; good && i < sketch->mark->op_count; i++)
        good = op_apply(&sketch->mark->ops[i], &context, &value, NULL);
    for (size_t i = 0; good && i < value.count; i++)
        for (size_t j = 0; good && j < value.lists[i].count; j++, count++) {
            const Expr *made = value.lists[i].items[j];
            good = count < targets;
            if (!good || made->unknown) continue;
            const AutoTensor one = {.dims = made->dims ? made->dims : (const int64_t[1]){0},
                                    .rank = made->rank};
            good = same_shape(&one, &input->targets[found->sides[sketch->source_count + count]]);
        }
    arena_free(arena);
    return good && count == targets;
}

/* The weight beside a tensor; NULL: there is none. */
static const AutoTensor *find_weight(Marker *marker, const NameMap *map, const AutoTensor *list,
                                     const char *name)
{
    const char *dot = strrchr(name, '.');
    text_clear(&marker->name);
    text_addn(&marker->name, name, dot ? (size_t)(dot - name) + 1 : 0);
    text_add(&marker->name, "weight");
    const uint32_t at = map_get(map, text_string(&marker->name));
    return at == MAP_NONE ? NULL : &list[at];
}

/* A counter fits everywhere: it goes along with the weight beside it, which must have as many
 * numbers. */
static bool weights_fit(Marker *marker, const AutoTensor *key, const AutoTensor *target)
{
    if (!key->dims || key->rank) return true;
    const AutoTensor *a = find_weight(marker, &marker->keys, marker->input->keys, key->name);
    const AutoTensor *b =
        find_weight(marker, &marker->targets, marker->input->targets, target->name);
    if (!a || !b || !a->dims || !b->dims) return true;
    uint64_t n = 1, m = 1;
    for (unsigned i = 0; i < a->rank; i++) n *= (uint64_t)a->dims[i];
    for (unsigned i = 0; i < b->rank; i++) m *= (uint64_t)b->dims[i];
    return n == m;
}

static bool shapes_fit(Marker *marker, const Sketch *sketch, uint32_t key, const Found *found)
{
    if (sketch->side_count == 1 &&
        !weights_fit(marker, &marker->input->keys[key], &marker->input->targets[found->sides[0]]))
        return false;
    if (sketch->mark->op_count || sketch->side_count > 1)
        return ops_fit(marker, sketch, key, found);
    return same_shape(&marker->input->keys[key], &marker->input->targets[found->sides[0]]);
}

/* The name of a side for a row of numbers, in marker->name; false: a number below 0. With a tail
 * the numbers of the side's own tail do not count. */
static bool side_of(Marker *marker, const Side *side, const Formula *formulas, const int64_t *row,
                    size_t cut, const char *tail)
{
    int64_t numbers[FAMILY_NUMBERS_MAX];
    size_t n = strlen(side->text) - cut;
    unsigned columns = 0;
    text_clear(&marker->name);
    for (size_t i = 0; i < n; i++) columns += side->text[i] == FAMILY_MARK;
    for (unsigned c = 0; c < columns; c++)
        if (!formula_value(&formulas[c], row, &numbers[c]) || numbers[c] < 0) return false;
    if (!family_member(cut ? arena_strndup(marker->scratch, side->text, n) : side->text, numbers,
                       columns, &marker->name))
        return false;
    text_add(&marker->name, tail);
    return true;
}

/* "NAME -> NAME: WHAT" becomes the problem, unless there is one. */
static void note_problem(Marker *marker, uint32_t key, const char *target, const char *what)
{
    if (marker->problem) return;
    Text text = {0};
    name_show(marker->input->keys[key].name, &text);
    text_add(&text, " -> ");
    name_show(target, &text);
    text_addf(&text, ": %s", what);
    marker->problem = text_keep(&text, marker->arena);
}

Outcome way_try(Marker *marker, const Sketch *sketch, const Way *way, uint32_t key, size_t cut,
                const char *tail, Found *found)
{
    const MarkInput *input = marker->input;
    const Formula *formulas = way->formulas;
    bool settled = input->key_settled && input->key_settled[key];
    for (size_t i = 0; i < sketch->side_count; i++) {
        const Side *side = &sketch->sides[i];
        if (!side_of(marker, side, formulas, marker->numbers[key], cut, tail))
            return OUTCOME_MISSES;
        formulas += side->columns;
        const NameMap *map = side->target ? &marker->targets : &marker->keys;
        found->sides[i] = map_get(map, text_string(&marker->name));
        if (found->sides[i] == MAP_NONE) return OUTCOME_MISSES;
        const bool *known = side->target ? input->target_settled : input->key_settled;
        settled = settled || (known && known[found->sides[i]]);
    }
    if (!shapes_fit(marker, sketch, key, found)) return OUTCOME_MISSES;
    return settled ? OUTCOME_BREAKS : OUTCOME_LOADS;
}

/* ---- formulas that hold ---- */

typedef struct Choices {
    Formula list[FORMULAS_MAX];
    size_t count;
} Choices;

/* Number y of every mark. */
static bool holds(const Marker *marker, const Sketch *sketch, size_t y, const Formula *formula)
{
    for (size_t i = 0; i < sketch->count; i++) {
        int64_t value;
        if (!formula_value(formula, marker->numbers[sketch->keys[i]], &value) ||
            value != sketch->numbers[i][y])
            return false;
    }
    return true;
}

static void offer(const Marker *marker, const Sketch *sketch, size_t y, Formula formula,
                  Choices *out)
{
    if (out->count < FORMULAS_MAX && holds(marker, sketch, y, &formula))
        out->list[out->count++] = formula;
}

static bool varies(const Marker *marker, const Sketch *sketch, unsigned x)
{
    for (size_t i = 1; i < sketch->count; i++)
        if (marker->numbers[sketch->keys[i]][x] != marker->numbers[sketch->keys[0]][x])
            return true;
    return false;
}

/* What a number may be of one of the first source's. Where that has one value only, the two go on
 * together when they are near; rounding and turning ask for two. */
static void offer_column(const Marker *marker, const Sketch *sketch, size_t y, unsigned x,
                         Choices *out)
{
    int64_t x0 = marker->numbers[sketch->keys[0]][x], y0 = sketch->numbers[0][y];
    int64_t apart = y0 > x0 ? y0 - x0 : x0 - y0;
    bool several = varies(marker, sketch, x);
    if (several || apart <= SHIFT_FROM_ONE)
        offer(marker, sketch, y, (Formula){.kind = FORMULA_SHIFT, .x = x, .c = y0 - x0}, out);
    if (!several) return;
    offer(marker, sketch, y, (Formula){.kind = FORMULA_MINUS, .x = x, .c = y0 + x0}, out);
    for (int64_t m = 2; m <= 4; m++)
        for (int64_t o = -1; o <= 1; o++)
            offer(marker, sketch, y, (Formula){.kind = FORMULA_DIVIDE, .x = x, .m = m, .o = o},
                  out);
    for (int64_t m = 2; m <= 4; m++) {
        for (int64_t o = -1; o < m - 1; o++)
            offer(marker, sketch, y, (Formula){.kind = FORMULA_REMAINDER, .x = x, .m = m, .o = o},
                  out);
        offer(marker, sketch, y, (Formula){.kind = FORMULA_TIMES, .x = x, .m = m,
                                           .c = y0 - m * x0}, out);
    }
}

static void list_choices(const Marker *marker, const Sketch *sketch, size_t y, uint32_t fixed,
                         Choices *out)
{
    unsigned columns = marker->kinds[sketch->kind].columns;
    out->count = 0;
    for (unsigned x = 0; x < columns; x++)
        if (!(fixed >> x & 1)) offer_column(marker, sketch, y, x, out);
    offer(marker, sketch, y, (Formula){.kind = FORMULA_CONST, .c = sketch->numbers[0][y]}, out);
}

/* ---- trying ---- */

static bool is_fixed(const Marker *marker, const Sketch *sketch, const Way *way, uint32_t key)
{
    for (unsigned x = 0; x < marker->kinds[sketch->kind].columns; x++)
        if (way->fixed >> x & 1 &&
            marker->numbers[key][x] != marker->numbers[sketch->keys[0]][x])
            return true;
    return false;
}

/* Whether another key led to one of these names: a way that brings two to one place is none. */
static bool is_reached(Marker *marker, const Sketch *sketch, const Found *found)
{
    bool reached = false;
    for (size_t i = 0; i < sketch->side_count; i++) {
        uint32_t *by = sketch->sides[i].target ? marker->reached : marker->key_reached;
        reached = reached || by[found->sides[i]] == marker->way;
        by[found->sides[i]] = marker->way;
    }
    return reached;
}

/* Whether a key that leads there contradicts a mark of another build, which gives the key to
 * another target, or the target to another key. */
static bool is_contradicted(const Marker *marker, const Sketch *sketch, uint32_t key,
                            const Found *found)
{
    for (size_t i = 0; i < sketch->count; i++)
        if (sketch->keys[i] == key) return false;
    if (!sketch->mark->op_count && marker->key_marked[key]) return true;
    for (size_t i = 0; i < sketch->side_count; i++)
        if (sketch->sides[i].target && marker->target_marked[found->sides[i]]) return true;
    return false;
}

/* Counts what the way comes to; where it has to be `clean`, the first misfire is the end. */
static void try_way(Marker *marker, const Sketch *sketch, Way *way, bool clean)
{
    const Kind *kind = &marker->kinds[sketch->kind];
    marker->way++;
    for (size_t i = 0; i < kind->count; i++) {
        Found found;
        if (is_fixed(marker, sketch, way, kind->keys[i])) continue;
        marker->work++;
        Outcome outcome = way_try(marker, sketch, way, kind->keys[i], 0, "", &found);
        if (outcome == OUTCOME_LOADS &&
            (is_reached(marker, sketch, &found) ||
             is_contradicted(marker, sketch, kind->keys[i], &found)))
            outcome = OUTCOME_MISSES;
        if (outcome == OUTCOME_LOADS) {
            way->loads++;
            uint64_t mix = (uint64_t)kind->keys[i] * 0x9E3779B97F4A7C15u;
            for (size_t s = 0; s < sketch->side_count; s++)
                mix = (mix ^ found.sides[s]) * 0xFF51AFD7ED558CCDu;
            way->hash += mix ^ mix >> 32;
        } else if (outcome == OUTCOME_MISSES) {
            way->misses++;
        } else {
            way->breaks++;
        }
        if (clean && way->misses + way->breaks) return;
    }
}

/* Further is better; of equal ones that with less misfire. */
static int compare_ways(const Way *a, const Way *b)
{
    if (a->loads != b->loads) return a->loads > b->loads ? -1 : 1;
    size_t x = a->misses + a->breaks, y = b->misses + b->breaks;
    return (x > y) - (x < y);
}

/* Keeps the best, and those that are as good but lead elsewhere. */
static size_t keep_way(const Way *way, Way *best, size_t count, size_t most)
{
    int order = count ? compare_ways(way, &best[0]) : -1;
    if (order > 0) return count;
    if (order < 0) count = 0;
    for (size_t i = 0; i < count; i++)
        if (best[i].hash == way->hash) return count;
    if (count < most) best[count++] = *way;
    return count;
}

/* Counts through all combinations, the first number fastest. */
static bool next_choice(size_t *at, const Choices *choices, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (++at[i] < choices[i].count) return true;
        at[i] = 0;
    }
    return false;
}

/* Whether a number follows from a later one of the source, though an earlier one, which stays, is
 * as near: block2_sepconv1 -> block1.rep.0 is rather of block 2 than of sepconv 1. One mark does
 * not tell. */
static bool skips_earlier(const Marker *marker, const Sketch *sketch, const Way *way, size_t y)
{
    const int64_t *row = marker->numbers[sketch->keys[0]];
    const Formula *formula = &way->formulas[y];
    if (sketch->count > 1 || formula->kind != FORMULA_SHIFT) return false;
    for (unsigned x = 0; x < formula->x; x++) {
        int64_t apart = sketch->numbers[0][y] - row[x];
        bool near = apart >= -SHIFT_FROM_ONE && apart <= SHIFT_FROM_ONE;
        if (near && way->fixed >> x & 1) return true;
    }
    return false;
}

/* Whether two numbers of a name follow from two of the source in the other order, as far as no
 * marks show it: C3_n3.conv1 -> blocks.0.conv1 is hardly blocks.{conv-1}.conv{n-2}. */
static bool is_crossed(const Marker *marker, const Sketch *sketch, const Way *way)
{
    const Formula *formulas = way->formulas;
    for (size_t i = 0; i < sketch->side_count; formulas += sketch->sides[i++].columns)
        for (unsigned a = 0; a < sketch->sides[i].columns; a++)
            for (unsigned b = a + 1; b < sketch->sides[i].columns; b++) {
                const Formula *p = &formulas[a], *q = &formulas[b];
                if (p->kind != FORMULA_CONST && q->kind != FORMULA_CONST && p->x > q->x &&
                    !(varies(marker, sketch, p->x) && varies(marker, sketch, q->x)))
                    return true;
            }
    return false;
}

/* Such a number, or a division or remainder of one that changes where the target's does not:
 * nothing in the marks speaks for it. */
static bool is_bold(const Marker *marker, const Sketch *sketch, const Way *way)
{
    for (size_t y = 0; y < sketch->number_count; y++) {
        const Formula *formula = &way->formulas[y];
        if (skips_earlier(marker, sketch, way, y)) return true;
        bool turns = formula->kind == FORMULA_DIVIDE || formula->kind == FORMULA_REMAINDER;
        bool moves = false;
        for (size_t i = 1; turns && i < sketch->count; i++)
            moves = moves || sketch->numbers[i][y] != sketch->numbers[0][y];
        if (turns && !moves && varies(marker, sketch, formula->x)) return true;
    }
    return false;
}

/* What a search is for: ways without misfire; those that go furthest; of these the ones that are
 * not bold. */
typedef enum Aim { AIM_CLEAN, AIM_FURTHEST, AIM_TIMID } Aim;

/* `way` has formulas for every number: tries it, and keeps it where it is good. */
static size_t consider(Marker *marker, const Sketch *sketch, Aim aim, Way *way, Way *best,
                       size_t count, size_t most)
{
    if (aim == AIM_TIMID && is_bold(marker, sketch, way)) return count;
    if (aim != AIM_FURTHEST && is_crossed(marker, sketch, way)) return count;
    try_way(marker, sketch, way, aim == AIM_CLEAN);
    const bool good = way->loads && !(aim == AIM_CLEAN && way->misses + way->breaks);
    return good ? keep_way(way, best, count, most) : count;
}

/* Where there are too many to try them all, the best may be among those that were not: none is
 * taken without a question. */
static size_t search(Marker *marker, const Sketch *sketch, Aim aim, Way *best, size_t most)
{
    Choices *choices = mem_alloc(NUMBERS_MAX * sizeof *choices);
    unsigned columns = marker->kinds[sketch->kind].columns;
    size_t count = 0, tried = 0;
    marker->work = 0;
    for (uint32_t fixed = 0; fixed < 1u << columns && tried < WAYS_MAX &&
                           marker->work < WORK_MAX; fixed++) {
        bool may = true;
        for (unsigned x = 0; x < columns; x++)
            may = may && !(fixed >> x & 1 && varies(marker, sketch, x));
        for (size_t y = 0; may && y < sketch->number_count; y++) {
            list_choices(marker, sketch, y, fixed, &choices[y]);
            may = choices[y].count > 0;
        }
        if (!may) continue;
        size_t at[NUMBERS_MAX] = {0};
        do {
            Way way = {.fixed = fixed};
            for (size_t y = 0; y < sketch->number_count; y++)
                way.formulas[y] = choices[y].list[at[y]];
            count = consider(marker, sketch, aim, &way, best, count, most);
        } while (++tried < WAYS_MAX && marker->work < WORK_MAX &&
                 next_choice(at, choices, sketch->number_count));
    }
    free(choices);
    const bool all = tried < WAYS_MAX && marker->work < WORK_MAX;
    return all || aim == AIM_FURTHEST ? count : 0;
}

/* A bold way that goes little further than a timid one is followed as far as both agree. */
static size_t add_timid(Marker *marker, const Sketch *sketch, Way *best, size_t count, size_t most)
{
    Way timid;
    if (!count || count == most || !is_bold(marker, sketch, &best[0])) return count;
    if (!search(marker, sketch, AIM_TIMID, &timid, 1) || 3 * timid.loads < 2 * best[0].loads)
        return count;
    best[count] = timid;
    return count + 1;
}

size_t ways_find(Marker *marker, const Sketch *sketch, bool clean, Way *best, size_t most)
{
    size_t count = search(marker, sketch, clean ? AIM_CLEAN : AIM_FURTHEST, best, most);
    return clean ? add_timid(marker, sketch, best, count, most) : count;
}

/* ---- taking ---- */

void add_found(Marker *marker, const Sketch *sketch, uint32_t key, const Found *found)
{
    const MarkInput *input = marker->input;
    size_t sources = sketch->source_count + 1, targets = sketch->side_count - sources + 1;
    bool used = marker->key_used[key];
    for (size_t i = 0; i < sketch->side_count; i++)
        used = used || (sketch->sides[i].target ? marker->target_used : marker->key_used)
                           [found->sides[i]];
    if (used) return;
    NameList *lists = arena_alloc(marker->arena, sources * sizeof *lists);
    const char **names = arena_alloc(marker->arena, (sources + targets) * sizeof *names);
    for (size_t i = 0; i < sources; i++) {
        uint32_t at = i ? found->sides[i - 1] : key;
        names[i] = input->keys[at].name;
        lists[i] = (NameList){&names[i], 1};
        marker->key_used[at] = true;
    }
    for (size_t i = 0; i < targets; i++) {
        uint32_t at = found->sides[sources - 1 + i];
        names[sources + i] = input->targets[at].name;
        marker->target_used[at] = true;
    }
    marker->bundles = mem_grow(marker->bundles, &marker->bundle_room, marker->bundle_count + 1,
                               sizeof *marker->bundles);
    marker->bundles[marker->bundle_count++] =
        (Bundle){.sources = lists, .source_count = sources, .targets = names + sources,
                 .target_count = targets, .ops = sketch->mark->ops,
                 .op_count = sketch->mark->op_count, .confidence = 1};
}

/* Whether all ways lead the key to one place. */
static bool agree(Marker *marker, const Sketch *sketch, const Way *ways, size_t n, uint32_t key,
                  Found *found)
{
    for (size_t i = 0; i < n; i++) {
        Found other;
        bool out = is_fixed(marker, sketch, &ways[i], key);
        Outcome outcome = out ? OUTCOME_MISSES
                              : way_try(marker, sketch, &ways[i], key, 0, "", &other);
        const char *end = text_string(&marker->name);
        if (!i && !out && outcome == OUTCOME_MISSES) {
            marker->misses++;
            note_problem(marker, key, end, "it is not there, or has another shape");
        }
        if (!i && outcome == OUTCOME_BREAKS) {
            marker->breaks++;
            note_problem(marker, key, end, "one of the two is settled already");
        }
        if (outcome != OUTCOME_LOADS) return false;
        if (!i) *found = other;
        if (memcmp(found->sides, other.sides, sketch->side_count * sizeof *other.sides) != 0)
            return false;
    }
    return n > 0;
}

void way_take(Marker *marker, const Sketch *sketch, const Way *ways, size_t n)
{
    const Kind *kind = &marker->kinds[sketch->kind];
    for (size_t i = 0; i < kind->count; i++) {
        Found found;
        if (agree(marker, sketch, ways, n, kind->keys[i], &found))
            add_found(marker, sketch, kind->keys[i], &found);
    }
}
