/* Tensors that lie one behind the other in another one, each in an order of its own: parts turned
 * beside parts that are not, roped queries beside plain values.
 *
 * Sums of hashes do not depend on the order of numbers, so what matters is only where each tensor
 * lies: the sum over a run of rows of the one is that of the whole other. How the numbers of a run
 * are ordered is then found as for two whole tensors. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/compare.h"
#include "loader/align/learn_parts.h"

enum {
    TILES_MAX = 1 << 16,         /* tensors in one */
    SIZES_MAX = 1024,            /* different sizes of tensors that are looked for */
    LOOKUPS_MAX = 1 << 20        /* runs of one axis that are looked up */
};

/* A run of indexes of an axis, and what it is a whole of. */
typedef struct Tile {
    int64_t from, size;
    uint32_t print;              /* of the other side */
    Chain chain;                 /* from the source to the target, where either may be the run */
} Tile;

typedef struct Tiles {
    Tile *items;                 /* [count] owned */
    size_t count, room;
    bool whole;                  /* they leave nothing of the axis out */
} Tiles;

/* What is cut into runs, and what they may be. */
typedef struct Tiling {
    Learner *learner;
    const Print *print;          /* of the tensor that is cut */
    bool into;                   /* it is a source, the runs targets; else the other way round */
    unsigned axis;
    int64_t sizes[SIZES_MAX];    /* [size_count] of runs, ascending */
    size_t size_count;
    bool *taken;                 /* [wholes of the target] that are a run of it already; borrowed */
} Tiling;

static const Prints *others_of(const Tiling *tiling)
{
    return tiling->into ? &tiling->learner->b : &tiling->learner->a;
}


/* The sizes of runs that hold as many numbers as some tensor of the other side. */
static void find_sizes(Tiling *tiling)
{
    const Print *print = tiling->print;
    const uint64_t row = print->count / (uint64_t)print->dims[tiling->axis];
    const uint64_t *counts = tiling->into ? tiling->learner->b_counts.items
                                          : tiling->learner->a_counts.items;
    const size_t n = tiling->into ? tiling->learner->b_counts.count
                                  : tiling->learner->a_counts.count;
    tiling->size_count = 0;
    for (size_t i = 0; i < n && tiling->size_count < SIZES_MAX; i++)
        if (counts[i] < print->count && counts[i] % row == 0)
            tiling->sizes[tiling->size_count++] = (int64_t)(counts[i] / row);
}

/* The tensor with that sum; of several the one that names speak for. UINT32_MAX: none. */
static uint32_t choose(const Tiling *tiling, uint64_t sum, uint64_t numbers)
{
    enum { CHOICES = 16 };
    const Learner *learner = tiling->learner;
    const Prints *others = others_of(tiling);
    const char *names[CHOICES];
    uint32_t prints[CHOICES];
    size_t count, n = 0;
    const SumKey *keys = sums_find(tiling->into ? &learner->b_sums : &learner->a_sums, sum, &count);
    for (size_t i = 0; i < count && i < ALIKE_MAX; i++) {
        const Print *one = &others->items[keys[i].print];
        if (one->slice >= 0 || one->flat || one->count != numbers) continue;
        if (tiling->into && (!is_open(learner, keys[i].print) || tiling->taken[keys[i].print]))
            continue;
        if (n == CHOICES) return UINT32_MAX;
        names[n] = one->tensor->name;
        prints[n++] = keys[i].print;
    }
    if (n < 2 || tiling->into) return n == 1 ? prints[0] : UINT32_MAX;
    const int best = book_choose(learner->book, tiling->print->tensor->name, names, n);
    return best < 0 ? UINT32_MAX : prints[best];
}

/* Cuts the axis into runs from its start to its end. What is no run is left out. */
static void cut(const Tiling *tiling, Tiles *tiles)
{
    const Print *print = tiling->print;
    const int64_t n = print->dims[tiling->axis];
    const uint64_t row = print->count / (uint64_t)n, *rows = print->rows[tiling->axis];
    uint64_t *before = mem_alloc(((size_t)n + 1) * sizeof *before);
    size_t lookups = 0;
    for (int64_t i = 0; i < n; i++) before[i + 1] = before[i] + rows[i];
    tiles->count = 0;
    tiles->whole = true;
    for (int64_t at = 0; at < n && lookups < LOOKUPS_MAX && tiles->count < TILES_MAX;) {
        uint32_t found = UINT32_MAX;
        int64_t size = 0;
        for (size_t i = 0; found == UINT32_MAX && i < tiling->size_count; i++, lookups++) {
            size = tiling->sizes[i];
            if (at + size > n) break;
            found = choose(tiling, before[at + size] - before[at], (uint64_t)size * row);
        }
        if (found == UINT32_MAX) {
            tiles->whole = false;
            at++;
            continue;
        }
        tiles->items =
            mem_grow(tiles->items, &tiles->room, tiles->count + 1, sizeof *tiles->items);
        tiles->items[tiles->count++] = (Tile){.from = at, .size = size, .print = found};
        if (tiling->into) tiling->taken[found] = true;
        at += size;
        if (at == n) break;
    }
    if (!tiles->count || tiles->items[tiles->count - 1].from +
                         tiles->items[tiles->count - 1].size != n)
        tiles->whole = false;
    for (size_t i = 0; tiling->into && i < tiles->count; i++)
        tiling->taken[tiles->items[i].print] = false;
    free(before);
}

/* ---- how a run is ordered ---- */

static Op op_along(OpKind kind, unsigned axis)
{
    return (Op){.kind = kind, .has_axis = true, .axis = (int)axis};
}

/* Reads a run and finds its chain; without its axis where `flat`, which is of size 1 then. */
static bool describe_tile(const Tiling *tiling, bool flat, Tile *tile)
{
    Learner *learner = tiling->learner;
    Arena *scratch = arena_new();
    const Tensor *tensor = tiling->print->tensor;
    Error why = {0};
    Print run;
    bool found = false;
    const Expr *e = tiling->into ? expr_source(scratch, tensor) : expr_target(scratch, tensor);
    e = compare_numbers(scratch, e, &why);
    if (e) e = expr_slice(scratch, e, (int)tiling->axis, tile->from, tile->from + tile->size, &why);
    if (e && flat) {
        int64_t dims[TENSOR_RANK_MAX];
        unsigned rank = 0;
        for (unsigned k = 0; k < e->rank; k++)
            if (k != tiling->axis) dims[rank++] = e->dims[k];
        e = expr_reshape(scratch, e, dims, rank, &why);
    }
    if (e && !print_read(&learner->checker, learner->grain, scratch, e, &run, learner->err)) {
        learner->failed = true;
    } else if (e) {
        const Print *other = &others_of(tiling)->items[tile->print];
        found = print_describe(learner->arena, tiling->into ? &run : other,
                               tiling->into ? other : &run, &tile->chain);
    }
    arena_free(scratch);
    return found;
}

static bool all_alike(const Tiles *tiles)
{
    for (size_t i = 1; i < tiles->count; i++)
        if (!chain_equal(&tiles->items[i].chain, &tiles->items[0].chain)) return false;
    return true;
}

/* Whether the runs are single indexes, and the tensors have an axis less: stacks. */
static bool are_slices(const Tiling *tiling, const Tiles *tiles)
{
    for (size_t i = 0; i < tiles->count; i++)
        if (tiles->items[i].size != 1 ||
            others_of(tiling)->items[tiles->items[i].print].rank + 1u != tiling->print->rank)
            return false;
    return true;
}

/* The ops before what joins, or after what takes apart. */
static bool add_chains(const Tiling *tiling, const Tiles *tiles, Chain *chain)
{
    if (all_alike(tiles)) {
        for (size_t i = 0; i < tiles->items[0].chain.count; i++)
            if (!chain_add(chain, tiles->items[0].chain.ops[i])) return false;
        return true;
    }
    Chain chains[EACH_MAX];
    if (tiles->count > EACH_MAX) return false;
    for (size_t i = 0; i < tiles->count; i++) chains[i] = tiles->items[i].chain;
    return each_add(tiling->learner, chains, tiles->count, tiling->into, chain);
}

/* ---- targets that are joined ---- */

static bool offer_joined(const Tiling *tiling, const Tiles *tiles, bool flat)
{
    Learner *learner = tiling->learner;
    Chain chain = {.count = 0};
    if (!add_chains(tiling, tiles, &chain) ||
        !chain_add(&chain, op_along(flat ? OP_STACK : OP_CAT, tiling->axis)))
        return false;
    const char **names = mem_alloc(tiles->count * sizeof *names);
    NameList *lists = mem_alloc(tiles->count * sizeof *lists);
    for (size_t i = 0; i < tiles->count; i++) {
        names[i] = source_name(learner, tiles->items[i].print);
        lists[i] = (NameList){&names[i], 1};
    }
    const bool listed = flat && all_alike(tiles);
    if (listed) lists[0].count = tiles->count;
    const bool good = offer(learner, lists, listed ? 1 : tiles->count,
                            &tiling->print->tensor->name, 1, &chain);
    free(names);
    free(lists);
    return good;
}

/* ---- targets that have grown ---- */

/* "its indexes 0 to 49 of axis 0 are those of 'emb.weight'": a tensor with rows that are new. */
static void note_grown(const Tiling *tiling, const Tile *tile)
{
    Learner *learner = tiling->learner;
    const size_t index = dict_index(learner->checker.now, tiling->print->tensor);
    Text text = {0};
    text_addf(&text, "its indexes %lld to %lld of axis %u are those of ", (long long)tile->from,
              (long long)(tile->from + tile->size - 1), tiling->axis);
    name_show(source_name(learner, tile->print), &text);
    text_add(&text, ", the others are in no source");
    learner->targets[index].why = text_keep(&text, learner->arena);
}

/* A source, and behind it rows that hold nothing of their own: zeros, or the mean of the others. */
static bool offer_grown(const Tiling *tiling, const Tile *tile)
{
    static const FitRest rests[] = {FIT_ZEROS, FIT_MEAN};
    Learner *learner = tiling->learner;
    const char *source = source_name(learner, tile->print);
    for (size_t i = 0; i < countof(rests) && !tile->from; i++) {
        Chain chain = tile->chain;
        Op fit = op_along(OP_FIT, tiling->axis);
        fit.rest = rests[i];
        if (chain_add(&chain, fit) &&
            (rests[i] == FIT_MEAN ? offer_close : offer)(learner, &(NameList){&source, 1}, 1,
                                                         &tiling->print->tensor->name, 1, &chain))
            return true;
    }
    note_grown(tiling, tile);
    return false;
}

/* ---- sources that are taken apart ---- */

/* Equal parts have a number, others the sizes of their targets. */
static bool add_split(const Tiling *tiling, const Tiles *tiles, Chain *chain)
{
    Op op = op_along(OP_SPLIT, tiling->axis);
    op.has_axis = tiling->axis > 0;
    bool equal = true;
    for (size_t i = 0; i < tiles->count; i++)
        equal = equal && tiles->items[i].size == tiles->items[0].size;
    op.has_number = equal;
    op.number = equal ? (int64_t)tiles->count : 0;
    return chain_add(chain, op);
}

static bool offer_split(const Tiling *tiling, const Tiles *tiles, bool flat)
{
    Learner *learner = tiling->learner;
    Chain chain = {.count = 0};
    const bool fits = flat ? chain_add(&chain, op_along(OP_UNSTACK, tiling->axis))
                           : add_split(tiling, tiles, &chain);
    if (!fits || !add_chains(tiling, tiles, &chain)) return false;
    const char **names = mem_alloc(tiles->count * sizeof *names);
    for (size_t i = 0; i < tiles->count; i++)
        names[i] = learner->b.items[tiles->items[i].print].tensor->name;
    const bool good = offer(learner, &(NameList){&tiling->print->tensor->name, 1}, 1, names,
                            tiles->count, &chain);
    free(names);
    return good;
}

/* One run by itself, of a source that has other parts which nobody wants. */
static bool offer_run(const Tiling *tiling, const Tile *tile, bool flat)
{
    Learner *learner = tiling->learner;
    Chain chain = {.count = 0};
    chain_add(&chain, slice_op(tiling->axis, tile->from, tile->from + tile->size,
                               tiling->print->dims[tiling->axis]));
    if (flat) chain_add(&chain, op_along(OP_SQUEEZE, tiling->axis));
    for (size_t i = 0; i < tile->chain.count; i++)
        if (!chain_add(&chain, tile->chain.ops[i])) return false;
    return offer(learner, &(NameList){&tiling->print->tensor->name, 1}, 1,
                 &learner->b.items[tile->print].tensor->name, 1, &chain);
}

/* ---- the whole ---- */

static bool learn_axis_tiles(const Tiling *tiling, Tiles *tiles)
{
    cut(tiling, tiles);
    if (!tiles->count || (!tiling->into && !tiles->whole && tiles->count > 1)) return false;
    const bool flat = are_slices(tiling, tiles);
    size_t kept = 0;
    for (size_t i = 0; i < tiles->count && !tiling->learner->failed; i++)
        if (describe_tile(tiling, flat, &tiles->items[i])) tiles->items[kept++] = tiles->items[i];
    tiles->whole = tiles->whole && kept == tiles->count;
    tiles->count = kept;
    if (!kept) return false;
    if (!tiling->into && kept == 1) return offer_grown(tiling, &tiles->items[0]);
    if (!tiling->into && !tiles->whole) return false;
    if (!tiling->into) return offer_joined(tiling, tiles, flat);
    if (tiles->whole && tiles->count > 1 && offer_split(tiling, tiles, flat)) return true;
    bool any = false;
    for (size_t i = 0; i < tiles->count; i++) {
        if (is_open(tiling->learner, tiles->items[i].print))
            any |= offer_run(tiling, &tiles->items[i], flat);
    }
    return any;
}

static bool learn_tiled_one(Tiling *tiling, Tiles *tiles)
{
    const Print *print = tiling->print;
    if (print->flat || !print->count || print->rank > PRINT_RANK) return false;
    for (unsigned k = 0; k < print->rank && !tiling->learner->failed; k++) {
        tiling->axis = k;
        if (!print->rows[k] || print->dims[k] < 2) continue;
        find_sizes(tiling);
        if (tiling->size_count && learn_axis_tiles(tiling, tiles)) return true;
    }
    return false;
}

static int compare_counts(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void counts_index(const Prints *prints, CountList *list)
{
    list->items = mem_alloc((prints->wholes + 1) * sizeof *list->items);
    list->count = 0;
    for (size_t i = 0; i < prints->wholes; i++)
        if (!prints->why[i] && prints->items[i].count)
            list->items[list->count++] = prints->items[i].count;
    if (!list->count) return;
    qsort(list->items, list->count, sizeof *list->items, compare_counts);
    size_t kept = 1;
    for (size_t i = 1; i < list->count; i++)
        if (list->items[i] != list->items[kept - 1]) list->items[kept++] = list->items[i];
    list->count = kept;
}

bool learn_tiled(Learner *learner)
{
    bool any = false;
    size_t open = 0;
    Tiles tiles = {0};
    Tiling *tiling = mem_alloc(sizeof *tiling);
    bool *taken = mem_alloc((learner->b.wholes + 1) * sizeof *taken);
    for (size_t i = 0; i < learner->b.wholes; i++) {
        if (!is_open(learner, i)) continue;
        *tiling = (Tiling){.learner = learner, .print = &learner->b.items[i]};
        if (learn_tiled_one(tiling, &tiles)) any = true;
        else open++;
    }
    for (size_t i = 0; open && i < learner->a.wholes && !learner->failed; i++) {
        if (learner->a.why[i]) continue;
        *tiling = (Tiling){.learner = learner, .print = &learner->a.items[i], .into = true,
                           .taken = taken};
        any |= learn_tiled_one(tiling, &tiles);
    }
    free(tiles.items);
    free(tiling);
    free(taken);
    return any;
}
