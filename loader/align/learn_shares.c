/* Parts said by what they are a share of, and not by numbers that another size of the model has
 * not: slices that together are the whole of a tensor, and splits that are even by chance. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/family.h"
#include "loader/align/learn_parts.h"

enum { SHARES_MAX = 8 };

/* ---- slices ---- */

/* Bundles that begin with a slice of one tensor. */
typedef struct Cuts {
    uint32_t *bundles;           /* owned, [count] */
    size_t count, room;
} Cuts;

static bool is_cut(const Bundle *bundle)
{
    return bundle->source_count == 1 && bundle->sources[0].count == 1 && bundle->op_count &&
           bundle->ops[0].kind == OP_SLICE && bundle->ops[0].number >= 0;
}

static int64_t end_of(const Op *slice, int64_t n)
{
    return slice->has_to ? slice->to : n;
}

/* In how many equal parts the slices cut their tensor, all of which are there; 0: they do not. */
static int64_t count_shares(const Cuts *cuts, const Bundle *bundles, const Tensor *tensor)
{
    const Op *first = &bundles[cuts->bundles[0]].ops[0];
    if (first->axis < 0 || first->axis >= tensor->rank) return 0;
    const int64_t n = tensor->dims[first->axis], size = end_of(first, n) - first->number;
    const int64_t shares = size > 0 && n % size == 0 ? n / size : 0;
    bool there[SHARES_MAX] = {false};
    if (shares < 2 || shares > SHARES_MAX) return 0;
    for (size_t i = 0; i < cuts->count; i++) {
        const Op *slice = &bundles[cuts->bundles[i]].ops[0];
        if (slice->axis != first->axis || slice->number % size ||
            end_of(slice, n) - slice->number != size)
            return 0;
        there[slice->number / size] = true;
    }
    for (int64_t k = 0; k < shares; k++)
        if (!there[k]) return 0;
    return shares;
}

/* function(t) local a, b = t:split(2, 1) return b end */
static Op take_share(Arena *arena, int64_t shares, int64_t index, int axis)
{
    Text text = {0};
    text_add(&text, "function(t) local ");
    for (int64_t k = 0; k < shares; k++) text_addf(&text, "%s%c", k ? ", " : "", (int)('a' + k));
    text_addf(&text, " = t:split(%lld", (long long)shares);
    if (axis) text_addf(&text, ", %d", axis);
    text_addf(&text, ") return %c end", (int)('a' + index));
    return (Op){.kind = OP_FUNCTION, .text = text_keep(&text, arena)};
}

static void say_shares(Arena *arena, const Cuts *cuts, const StateDict *old, Bundle *bundles)
{
    const Tensor *tensor = dict_find(old, bundles[cuts->bundles[0]].sources[0].names[0]);
    const int64_t shares = count_shares(cuts, bundles, tensor);
    for (size_t i = 0; shares && i < cuts->count; i++) {
        Bundle *bundle = &bundles[cuts->bundles[i]];
        const Op *slice = &bundle->ops[0];
        const int64_t size = tensor->dims[slice->axis] / shares;
        Op *ops = arena_copy(arena, bundle->ops, bundle->op_count * sizeof *ops);
        ops[0] = take_share(arena, shares, slice->number / size, slice->axis);
        bundle->ops = ops;
    }
}

static void say_slices(Arena *arena, const StateDict *old, Bundle *bundles, size_t n)
{
    Cuts *cuts = mem_alloc((n + 1) * sizeof *cuts);
    size_t count = 0;
    NameMap sources;
    map_init(&sources);
    for (uint32_t i = 0; i < n; i++) {
        if (!is_cut(&bundles[i])) continue;
        uint32_t at = map_get(&sources, bundles[i].sources[0].names[0]);
        if (at == MAP_NONE) {
            at = (uint32_t)count++;
            map_set(&sources, bundles[i].sources[0].names[0], at);
        }
        cuts[at].bundles = mem_grow(cuts[at].bundles, &cuts[at].room, cuts[at].count + 1,
                                    sizeof *cuts[at].bundles);
        cuts[at].bundles[cuts[at].count++] = i;
    }
    for (size_t i = 0; i < count; i++) {
        say_shares(arena, &cuts[i], old, bundles);
        free(cuts[i].bundles);
    }
    free(cuts);
    map_done(&sources);
}

/* ---- splits ---- */

static const Op *find_split(const Bundle *bundle)
{
    for (size_t i = 0; i < bundle->op_count; i++)
        if (bundle->ops[i].kind == OP_SPLIT && !bundle->ops[i].list_count) return &bundle->ops[i];
    return NULL;
}

/* What two bundles have in common that differ in numbers of names, and in whether their split is
 * even. */
static void write_kind(const Bundle *bundle, FamilyName *family, Text *out)
{
    text_clear(out);
    family_split(bundle->sources[0].names[0], family);
    text_add(out, text_string(&family->text));
    for (size_t i = 0; i < bundle->target_count; i++) {
        family_split(bundle->targets[i], family);
        text_addf(out, "\n%s", text_string(&family->text));
    }
    for (size_t i = 0; i < bundle->op_count; i++) {
        Op op = bundle->ops[i];
        if (op.kind == OP_SPLIT) op.has_number = false;
        text_addc(out, '\n');
        op_write(&op, out);
    }
}

/* A layer whose parts happen to be of one size is split as its neighbours are, which are not. */
static void say_splits(Arena *arena, Bundle *bundles, size_t n)
{
    NameMap uneven;
    FamilyName family = {0};
    Text kind = {0};
    map_init(&uneven);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < n; i++) {
            Bundle *bundle = &bundles[i];
            const Op *split = find_split(bundle);
            if (!split || split->has_number != (pass == 1)) continue;
            if (pass == 1 && !uneven.count) continue;
            write_kind(bundle, &family, &kind);
            const char *text = text_string(&kind);
            if (pass == 0) {
                if (map_get(&uneven, text) == MAP_NONE)
                    map_set(&uneven, arena_strdup(arena, text), 1);
            } else if (map_get(&uneven, text) != MAP_NONE) {
                Op *ops = arena_copy(arena, bundle->ops, bundle->op_count * sizeof *ops);
                ops[split - bundle->ops].has_number = false;
                bundle->ops = ops;
            }
        }
    map_done(&uneven);
    family_done(&family);
    text_done(&kind);
}

void shares_say(Arena *arena, const StateDict *old, Bundle *bundles, size_t n)
{
    say_slices(arena, old, bundles, n);
    say_splits(arena, bundles, n);
}
