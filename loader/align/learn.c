/* The order of the work: what is whole and sure; then stacks, parts and joined tensors; then, as
 * long as this finds anything, what stands beside what is known and what names decide. */
#include "loader/align/learn.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/learn_parts.h"
#include "loader/core/map.h"
#include "loader/tensor/values.h"

enum { ROUNDS = 16 };            /* of names and kin; a round that finds nothing is the last */

const char *learn_word(LearnState state)
{
#define LEARN_WORD(id, word) word,
    static const char *const words[] = {LEARN_STATES(LEARN_WORD)};
#undef LEARN_WORD
    return words[state];
}

bool is_open(const Learner *learner, size_t target)
{
    return learner->targets[target].state == LEARN_UNEXPLAINED && !learner->failed;
}

const char *source_name(const Learner *learner, size_t print)
{
    return learner->a.items[print].tensor->name;
}

/* ---- sums ---- */

static int compare_sums(const void *a, const void *b)
{
    const SumKey *x = a, *y = b;
    if (x->sum != y->sum) return x->sum < y->sum ? -1 : 1;
    return x->print < y->print ? -1 : x->print > y->print;
}

/* Sums are as good as random: a few begin with the same bits. */
static void start_sums(SumIndex *index)
{
    enum { FEW = 4 };
    unsigned bits = 1;
    while (index->count >> bits > FEW) bits++;
    index->shift = 64 - bits;
    const size_t starts = (size_t)1 << bits;
    index->starts = mem_alloc((starts + 1) * sizeof *index->starts);
    for (size_t at = 0, i = 0; at <= starts; at++) {
        while (i < index->count && index->keys[i].sum >> index->shift < at) i++;
        index->starts[at] = (uint32_t)i;
    }
}

static void index_sums(const Prints *prints, SumIndex *index)
{
    index->keys = mem_alloc((prints->count + 1) * sizeof *index->keys);
    index->count = 0;
    for (size_t i = 0; i < prints->count; i++)
        if (i >= prints->wholes || !prints->why[i])
            index->keys[index->count++] = (SumKey){prints->items[i].sum, (uint32_t)i};
    qsort(index->keys, index->count, sizeof *index->keys, compare_sums);
    start_sums(index);
}

static void sums_done(SumIndex *index)
{
    free(index->keys);
    free(index->starts);
}

const SumKey *sums_find(const SumIndex *index, uint64_t sum, size_t *count)
{
    const uint32_t *start = &index->starts[sum >> index->shift];
    size_t low = start[0], high = start[1];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->keys[middle].sum < sum) low = middle + 1;
        else high = middle;
    }
    const size_t first = low;
    for (high = start[1]; low < high;) {         /* a million may be equal: norms that are new */
        const size_t middle = low + (high - low) / 2;
        if (index->keys[middle].sum == sum) low = middle + 1;
        else high = middle;
    }
    *count = low - first;
    return index->keys + first;
}

/* ---- bundles ---- */

static void keep_bundle(Learner *learner, const Bundle *bundle)
{
    uint32_t index = (uint32_t)learner->bundle_count;
    learner->bundles = mem_grow(learner->bundles, &learner->bundle_room, learner->bundle_count + 1,
                                sizeof *learner->bundles);
    learner->bundles[learner->bundle_count++] = *bundle;
    for (size_t i = 0; i < bundle->target_count; i++) {
        const Tensor *target = dict_find(learner->checker.now, bundle->targets[i]);
        LearnTarget *one = &learner->targets[dict_index(learner->checker.now, target)];
        *one = (LearnTarget){.state = LEARN_LEARNED, .bundle = index};
    }
    for (size_t i = 0; i < bundle->source_count; i++) {
        for (size_t k = 0; k < bundle->sources[i].count; k++) {
            const char *name = bundle->sources[i].names[k];
            learner->used[dict_index(learner->checker.old,
                                     dict_find(learner->checker.old, name))]++;
            size_t at = k < bundle->target_count ? k : 0;
            book_add(learner->book, name, bundle->targets[at]);
        }
    }
}

/* Whether no target stands twice, as it may where a source repeats what it holds. */
static bool are_distinct(const char *const *targets, size_t n)
{
    NameMap seen;
    bool distinct = true;
    map_init(&seen);
    for (size_t i = 0; n > 1 && distinct && i < n; i++) {
        distinct = map_get(&seen, targets[i]) == MAP_NONE;
        map_set(&seen, targets[i], 1);
    }
    map_done(&seen);
    return distinct;
}

static bool offer_as(Learner *learner, const NameList *lists, size_t list_count,
                     const char *const *targets, size_t target_count, const Chain *chain,
                     bool close)
{
    Arena *arena = learner->arena;
    if (!are_distinct(targets, target_count)) return false;
    NameList *copies = arena_alloc(arena, (list_count + 1) * sizeof *copies);
    for (size_t i = 0; i < list_count; i++)
        copies[i] = (NameList){arena_copy(arena, lists[i].names,
                                          lists[i].count * sizeof *lists[i].names),
                               lists[i].count};
    Bundle bundle = {.sources = copies, .source_count = list_count,
                     .targets = arena_copy(arena, targets, target_count * sizeof *targets),
                     .target_count = target_count, .op_count = chain->count, .confidence = 1,
                     .ops = arena_copy(arena, chain->ops, chain->count * sizeof(Op))};
    bool good;
    learner->checker.arena = arena_new();
    learner->failed =
        !check_bundle(&learner->checker, &bundle, close, &good, learner->err);
    arena_free(learner->checker.arena);
    if (learner->failed || !good) return false;
    keep_bundle(learner, &bundle);
    for (size_t i = 0; close && i < target_count; i++)
        learner->targets[dict_index(learner->checker.now,
                                    dict_find(learner->checker.now, targets[i]))].rounded = true;
    return true;
}

bool offer(Learner *learner, const NameList *lists, size_t list_count, const char *const *targets,
           size_t target_count, const Chain *chain)
{
    return offer_as(learner, lists, list_count, targets, target_count, chain, false);
}

bool offer_close(Learner *learner, const NameList *lists, size_t list_count,
                 const char *const *targets, size_t target_count, const Chain *chain)
{
    return offer_as(learner, lists, list_count, targets, target_count, chain, true);
}

/* ---- whole tensors ---- */

/* Numbers that are all equal fit every shape: then the shape must be the same. */
static bool may_be(const Print *from, const Print *to)
{
    if (from->count != to->count || from->slice >= 0) return false;
    return !to->flat || same_dims(from->dims, from->rank, to->dims, to->rank);
}

size_t whole_candidates(Learner *learner, size_t target, uint32_t *prints, size_t n)
{
    const Print *to = &learner->b.items[target];
    size_t count, found = 0;
    const SumKey *keys = sums_find(&learner->a_sums, to->sum, &count);
    /* of thousands that are equal, names tell only the one that has the target's own */
    for (size_t i = 0; i < count && i < ALIKE_MAX && found <= n; i++) {
        if (!may_be(&learner->a.items[keys[i].print], to)) continue;
        if (found < n) prints[found] = keys[i].print;
        found++;
    }
    return found;
}

static void learn_wholes(Learner *learner)
{
    for (size_t i = 0; i < learner->b.wholes; i++) {
        const Print *to = &learner->b.items[i];
        uint32_t print;
        Chain chain;
        if (!is_open(learner, i) || to->flat || whole_candidates(learner, i, &print, 1) != 1 ||
            !print_describe(learner->arena, &learner->a.items[print], to, &chain))
            continue;
        const char *source = source_name(learner, print);
        offer(learner, &(NameList){&source, 1}, 1, &to->tensor->name, 1, &chain);
    }
}

/* ---- the result ---- */

static void explain_ambiguous(Learner *learner, size_t target)
{
    enum { SHOWN = 4, COUNTED = 64 };
    uint32_t prints[COUNTED];
    size_t count = whole_candidates(learner, target, prints, COUNTED);
    LearnTarget *one = &learner->targets[target];
    if (!count) {
        if (learner->b.items[target].flat) one->why = "all its values are equal";
        return;
    }
    Text text = {0};
    text_add(&text, "the same values are in ");
    for (size_t i = 0; i < count && i < SHOWN; i++) {
        text_add(&text, i ? ", " : "");
        name_show(source_name(learner, prints[i]), &text);
    }
    if (count > COUNTED) text_add(&text, " and many more");
    else if (count > SHOWN) text_addf(&text, " and %zu more", count - SHOWN);
    one->state = LEARN_AMBIGUOUS;
    one->why = text_keep(&text, learner->arena);
}

static bool same_source(const Bundle *a, const Bundle *b)
{
    if (a->source_count != 1 || b->source_count != 1 || a->sources[0].count != 1 ||
        b->sources[0].count != 1 || a->target_count != 1 || b->target_count != 1 ||
        a->sources[0].names[0] != b->sources[0].names[0] || a->op_count > CHAIN_MAX - 1 ||
        b->op_count != a->op_count)
        return false;
    Chain x = {.count = a->op_count}, y = {.count = b->op_count};
    memcpy(x.ops, a->ops, a->op_count * sizeof(Op));
    memcpy(y.ops, b->ops, b->op_count * sizeof(Op));
    return chain_equal(&x, &y);
}

/* The same tensor under several names is one bundle: copy. `first` by source: 1 + its bundle. */
static void join_copies(Learner *learner)
{
    size_t kept = 0;
    uint32_t *first = mem_alloc((learner->a.wholes + 1) * sizeof *first);
    uint32_t *moved = mem_alloc((learner->bundle_count + 1) * sizeof *moved);
    for (size_t i = 0; i < learner->bundle_count; i++) {
        const Bundle *bundle = &learner->bundles[i];
        const Tensor *source = dict_find(learner->checker.old, bundle->sources[0].names[0]);
        uint32_t *at = &first[dict_index(learner->checker.old, source)];
        Bundle plain = *at ? learner->bundles[*at - 1] : *bundle;
        size_t copies = plain.target_count;
        if (*at && copies > 1 && plain.ops[plain.op_count - 1].kind == OP_COPY) plain.op_count--;
        plain.target_count = 1;
        if (!*at || (copies > 1 && plain.op_count == learner->bundles[*at - 1].op_count) ||
            !same_source(&plain, bundle)) {
            learner->bundles[kept] = *bundle;
            moved[i] = (uint32_t)kept++;
            if (!*at) *at = (uint32_t)kept;
            continue;
        }
        Bundle *into = &learner->bundles[*at - 1];
        const char **targets = arena_alloc(learner->arena, (copies + 1) * sizeof *targets);
        memcpy(targets, into->targets, copies * sizeof *targets);
        targets[copies] = bundle->targets[0];
        Op *ops = arena_alloc(learner->arena, (plain.op_count + 1) * sizeof *ops);
        memcpy(ops, plain.ops, plain.op_count * sizeof *ops);
        ops[plain.op_count] = (Op){.kind = OP_COPY};
        into->targets = targets;
        into->target_count = copies + 1;
        into->ops = ops;
        into->op_count = plain.op_count + 1;
        moved[i] = *at - 1;
    }
    learner->bundle_count = kept;
    for (size_t i = 0; i < learner->b.wholes; i++)
        if (learner->targets[i].state == LEARN_LEARNED)
            learner->targets[i].bundle = moved[learner->targets[i].bundle];
    free(first);
    free(moved);
}

static const LearnResult *make_result(Learner *learner)
{
    Arena *arena = learner->arena;
    LearnResult *result = arena_alloc(arena, sizeof *result);
    const char **unused = arena_alloc(arena, (learner->a.wholes + 1) * sizeof *unused);
    for (size_t i = 0; i < learner->b.wholes; i++)
        if (is_open(learner, i)) explain_ambiguous(learner, i);
    join_copies(learner);
    for (size_t i = 0; i < learner->b.wholes; i++) {
        result->state[learner->targets[i].state]++;
        result->rounded += learner->targets[i].rounded;
    }
    for (size_t i = 0; i < learner->a.wholes; i++)
        if (!learner->used[i]) unused[result->unused_count++] = source_name(learner, i);
    /* in the order of their first targets, which rules are read in */
    Bundle *bundles = arena_alloc(arena, (learner->bundle_count + 1) * sizeof *bundles);
    uint32_t *place = mem_alloc((learner->bundle_count + 1) * sizeof *place);
    size_t count = 0;
    for (size_t i = 0; i < learner->b.wholes; i++) {
        LearnTarget *one = &learner->targets[i];
        if (one->state != LEARN_LEARNED) continue;
        if (!place[one->bundle]) {
            bundles[count++] = learner->bundles[one->bundle];
            place[one->bundle] = (uint32_t)count;
        }
        one->bundle = place[one->bundle] - 1;
    }
    free(place);
    result->bundles = bundles;
    result->bundle_count = count;
    result->targets = learner->targets;
    result->named = learner->named;
    result->count = learner->b.wholes;
    result->unused = unused;
    result->each = arena_copy(arena, learner->each, learner->each_count * sizeof *learner->each);
    return result;
}

/* ---- the whole ---- */

static uint64_t value_bytes(const StateDict *dict)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        if (tensor->storage)
            sum += tensor_count(tensor) * dtype_size(dtype_of_values(tensor->dtype));
    }
    return sum;
}

/* Fingerprints of both sides, of the target for what is open, and what finds them. */
static bool read_both(Learner *learner)
{
    const Checker *checker = &learner->checker;
    bool *skip = mem_alloc((dict_count(checker->now) + 1) * sizeof *skip);
    for (size_t i = 0; i < dict_count(checker->now); i++) skip[i] = !is_open(learner, i);
    const bool good =
        prints_read(learner->arena, checker->old, learner->grain, NULL, &learner->a,
                    checker->options, checker->done, checker->total, learner->err) &&
        prints_read(learner->arena, checker->now, learner->grain, skip, &learner->b,
                    checker->options, checker->done, checker->total, learner->err);
    free(skip);
    if (!good) return false;
    index_sums(&learner->a, &learner->a_sums);
    index_sums(&learner->b, &learner->b_sums);
    rows_index(&learner->a, &learner->rows);
    counts_index(&learner->a, &learner->a_counts);
    counts_index(&learner->b, &learner->b_counts);
    return true;
}

static void drop_both(Learner *learner)
{
    prints_done(&learner->a);
    prints_done(&learner->b);
    rows_done(&learner->rows);
    sums_done(&learner->a_sums);
    sums_done(&learner->b_sums);
    free(learner->a_counts.items);
    free(learner->b_counts.items);
}

/* As long as one finds what the other can go on from. */
static void learn_names(Learner *learner)
{
    for (int round = 0; round < ROUNDS && !learner->failed; round++) {
        bool more = learn_kin(learner);
        if (!learn_named(learner) && !more) break;
    }
}

static void find_all(Learner *learner)
{
    learner->lists = false;
    learn_wholes(learner);
    learn_unstacked(learner);
    learn_stacked(learner);
    learn_parts(learner);
    learn_tiled(learner);
    learner->lists = true;
    learn_parts(learner);
    learn_names(learner);
    if (!learner->failed && learn_computed(learner)) learn_names(learner);
    if (!learner->failed && learn_moved(learner)) learn_names(learner);
    if (!learner->failed && learn_matched(learner)) learn_names(learner);
}

static bool has_open(const Learner *learner)
{
    for (size_t i = 0; i < dict_count(learner->checker.now); i++)
        if (is_open(learner, i)) return true;
    return false;
}

static bool has_type(const StateDict *dict, DType dtype)
{
    for (size_t i = 0; i < dict_count(dict); i++)
        if (dict_at(dict, i)->dtype == dtype) return true;
    return false;
}

/* Once in the grain of what can be told apart; what that leaves open in each coarse type that there
 * is: a side may have been cast to it. */
static bool learn_grains(Learner *learner)
{
    const Checker *checker = &learner->checker;
    learner->grain = print_grain(checker->old, checker->now);
    if (!read_both(learner)) return false;
    for (size_t i = 0; i < learner->b.wholes; i++)
        if (learner->b.why[i])
            learner->targets[i] = (LearnTarget){.state = LEARN_UNREAD, .why = learner->b.why[i]};
    find_all(learner);
    for (int dtype = 0; dtype < DTYPE_COUNT && !learner->failed; dtype++) {
        if (!print_is_coarse((DType)dtype) || !has_open(learner)) continue;
        if (!has_type(checker->old, (DType)dtype) && !has_type(checker->now, (DType)dtype))
            continue;
        drop_both(learner);
        learner->grain = (DType)dtype;
        if (!read_both(learner)) return false;
        find_all(learner);
    }
    return !learner->failed;
}

const LearnResult *learn_pair(Arena *arena, const StateDict *old, const StateDict *now,
                              const LearnOptions *options, Error *err)
{
    /* verifying reads both sides once more */
    Learner learner = {.arena = arena, .err = err, .book = book_new(),
                       .lexicon = options->lexicon,
                       .checker = {.old = old, .now = now, .options = options,
                                   .total = 2 * (value_bytes(old) + value_bytes(now))}};
    learner.checker.done = &learner.done;
    learner.checker.learner = &learner;
    learner.targets = arena_alloc(arena, (dict_count(now) + 1) * sizeof *learner.targets);
    learner.used = mem_alloc((dict_count(old) + 1) * sizeof *learner.used);
    const LearnResult *result = learn_grains(&learner) ? make_result(&learner) : NULL;
    drop_both(&learner);
    free(learner.each);
    free(learner.used);
    free(learner.bundles);
    book_free(learner.book);
    return result;
}
