/* From pairs to rows: which modules get a row of their own, and which blocks are a run.
 *
 *   a module with one child            has none: "conv1.weight"
 *   at most two tensors and no more    have none: "fc.weight", "fc.bias"
 *   numbered children in few groups    have none: "layers.{0-31}"
 *
 * Consecutive numbered siblings are a run when everything below them is equal on both sides:
 * names, dtypes, shapes and states. That is decided by a seeded 64-bit hash. A few blocks in the
 * middle that differ, or lack a side, are exceptions of the run and not its end: it says which they
 * are, and opens into the stretches between them. */
#include <stdlib.h>
#include <string.h>

#include "viewer/pair.h"
#include "viewer/row_key.h"

/* Runs below a module that may stand without its row; stretches of numbers in one run's label;
 * tensors of a module that needs no row. */
enum { GROUPS_MAX = 4, RANGES_MAX = 16, SMALL_MODULE = 2 };

/* Exceptions of one run at most, and how many equal blocks there must be for each of them. */
enum { ODD_MAX = 8, EQUAL_FOR_ODD = 3 };

typedef struct Builder {
    RowModel *model;
    Pairs pairs;
    uint64_t *hash;          /* [pairs] of what is below, without the own name */
} Builder;

/* Where the children of a row stand: what their labels leave out. */
typedef struct Place {
    uint32_t row;            /* ROW_NONE at the top */
    uint32_t source;         /* the nearest shown source module; 0: the root */
    uint32_t target_from;    /* where labels begin in target keys */
    uint8_t depth[SIDE_COUNT];
} Place;

/* Numbers as "0-3,7": stretches in ascending order, with gaps between them. */
typedef struct Ranges {
    uint32_t first[RANGES_MAX], last[RANGES_MAX];
    unsigned count;
} Ranges;

/* The pair's node on either side; NULL where that side is empty. */
static const TrieNode *target_node(const Builder *builder, const Pair *pair)
{
    return pair->target == TRIE_NONE ? NULL : &builder->pairs.targets.nodes[pair->target];
}

static const TrieNode *source_node(const Builder *builder, const Pair *pair)
{
    return pair->source == TRIE_NONE ? NULL : &builder->pairs.sources.nodes[pair->source];
}

/* Whether one source module is, or lies below, another. */
static bool is_under(const Trie *trie, uint32_t node, uint32_t above)
{
    while (trie->nodes[node].depth > trie->nodes[above].depth) node = trie->nodes[node].parent;
    return node == above;
}

/* Where a source label begins when it is shown below the module `above`: behind its path and the
 * dot. A source from elsewhere is shown with its whole path, from 0. */
static uint32_t label_start(const Trie *sources, uint32_t node, uint32_t above)
{
    if (above == TRIE_NONE || !is_under(sources, node, above)) return 0;
    uint32_t to = sources->nodes[above].to;
    return above == 0 ? 0 : to + (to < sources->nodes[node].to);
}

/* Unknown shapes are equal to each other and to no known one. */
static uint64_t hash_tensor(uint64_t hash, DType dtype, const int64_t *dims, unsigned rank)
{
    hash = hash_word(hash, (uint64_t)dtype << 8 | rank);
    return dims ? hash_segment(hash, dims, rank * sizeof *dims) : hash_word(hash, 1);
}

/* What must be equal for two tensors to be the same row of two equal blocks. */
static uint64_t hash_leaf(const Builder *builder, const Pair *pair)
{
    uint64_t hash = builder->pairs.sources.seed;
    const Alignment *alignment = builder->model->alignment;
    if (pair->target == TRIE_NONE) {
        const SourceUse *use = align_use(alignment, pair->item);
        hash = hash_word(hash, (uint64_t)state_of_use(use) << 1 | use->covered);
        return hash_tensor(hash, use->tensor->dtype, use->tensor->dims, use->tensor->rank);
    }
    const Binding *binding = align_binding(alignment, pair->item);
    hash = hash_word(hash, (uint64_t)state_of_binding(binding) << 2 | (unsigned)binding->covered);
    hash = hash_tensor(hash, binding->dtype, binding->dims, binding->rank);
    for (uint32_t i = 0; i < binding->source_count; i++) {
        const Tensor *source = binding->sources[i];
        hash = hash_tensor(hash, source->dtype, source->dims, source->rank);
    }
    return hash;
}

/* A child as its parent sees it: its names, relative to the parent, and what is below it. */
static uint64_t hash_child(const Builder *builder, uint64_t hash, const Pair *parent,
                           uint32_t index)
{
    const Pair *child = &builder->pairs.nodes[index];
    const TrieNode *target = target_node(builder, child), *source = source_node(builder, child);
    hash = hash_word(hash, (target != NULL) * 2u + (source != NULL));
    if (target) hash = hash_segment(hash, target->key + target->from, target->to - target->from);
    if (source) {
        uint32_t from = label_start(&builder->pairs.sources, child->source, parent->source);
        hash = hash_segment(hash, source->key + from, source->to - from);
    }
    return hash_word(hash, builder->hash[index]);
}

/* Children have greater indexes than their parents: they are hashed before them. */
static void hash_pairs(Builder *builder)
{
    const Pairs *pairs = &builder->pairs;
    builder->hash = mem_alloc(pairs->count * sizeof *builder->hash);
    for (size_t i = pairs->count; i-- > 0;) {
        const Pair *pair = &pairs->nodes[i];
        uint64_t hash = pairs->sources.seed;
        if (pair->item != TRIE_NONE) hash = hash_leaf(builder, pair);
        for (uint32_t k = pairs->first[i]; k < pairs->first[i + 1]; k++)
            hash = hash_child(builder, hash, pair, pairs->children[k]);
        builder->hash[i] = hash;
    }
}

/* Takes one more number in; false when there are too many gaps to be shown in full: 0, 1, 2, 4 are
 * two stretches, "0-2,4". Numbers come in any order: files that are sorted by name have 10 before
 * 2. One that closes a gap makes one stretch of two. */
static bool add_number(Ranges *ranges, uint32_t number)
{
    unsigned at = ranges->count;
    while (at && ranges->first[at - 1] > number) at--;
    bool above = at && ranges->last[at - 1] + 1 == number;
    bool below = at < ranges->count && ranges->first[at] == number + 1;
    if (above && below) {
        ranges->last[at - 1] = ranges->last[at];
        ranges->count--;
        for (unsigned i = at; i < ranges->count; i++) {
            ranges->first[i] = ranges->first[i + 1];
            ranges->last[i] = ranges->last[i + 1];
        }
        return true;
    }
    if (above) ranges->last[at - 1] = number;
    if (below) ranges->first[at] = number;
    if (above || below) return true;
    if (ranges->count == RANGES_MAX) return false;
    for (unsigned i = ranges->count++; i > at; i--) {
        ranges->first[i] = ranges->first[i - 1];
        ranges->last[i] = ranges->last[i - 1];
    }
    ranges->first[at] = ranges->last[at] = number;
    return true;
}

/* "0-3,7": what stands between the braces of alternatives. */
static void show_ranges(const Ranges *ranges, Text *out)
{
    for (unsigned i = 0; i < ranges->count; i++) {
        text_addf(out, "%s%u", i ? "," : "", ranges->first[i]);
        if (ranges->last[i] != ranges->first[i]) text_addf(out, "-%u", ranges->last[i]);
    }
}

/* One side of a run: paths that are equal but for one number. */
typedef struct Series {
    const TrieNode *model;   /* the first member; NULL: this side is empty */
    uint32_t start, length;  /* where its number stands; length 0: all members are the same */
    Ranges ranges;
} Series;

/* The segment in which two paths first differ: "h.0.attn" and "h.1.attn" give start 2, length 1.
 * Equal paths leave length 0. The first difference may be inside a number ("h.10", "h.11"), so
 * the start is sought backwards. */
static void find_number(Series *series, const TrieNode *other)
{
    const char *a = series->model->key, *b = other->key;
    uint32_t at = 0;
    while (at < series->model->to && at < other->to && a[at] == b[at]) at++;
    if (at == series->model->to && at == other->to) return;
    while (at && a[at - 1] != '.' && a[at - 1] != '/') at--;
    series->start = at;
    series->length = (uint32_t)strcspn(a + at, "./");
}

/* The number that stands at `start` of a path; `segment` receives where it is. */
static bool number_at(const TrieNode *node, uint32_t start, TrieNode *segment, uint32_t *number)
{
    if (start >= node->to) return false;
    *segment = *node;
    segment->from = start;
    segment->to = start + (uint32_t)strcspn(node->key + start, "./");
    return segment->to <= node->to && trie_number(segment, number);
}

/* The first two members say which number varies. Both sides empty is a series too. */
static bool begin_series(Series *series, const TrieNode *first, const TrieNode *second)
{
    *series = (Series){.model = first};
    if (!first || !second) return !first && !second;
    find_number(series, second);
    TrieNode segment;
    uint32_t number;
    if (!series->length) return first->to == second->to;
    return number_at(first, series->start, &segment, &number) &&
           add_number(&series->ranges, number);
}

/* Whether `node` goes on with the series; it is then part of it. */
static bool continue_series(Series *series, const TrieNode *node)
{
    const TrieNode *model = series->model;
    if (!model || !node) return !model && !node;
    TrieNode segment;
    uint32_t number;
    if (!series->length)
        return node->to == model->to && memcmp(node->key, model->key, model->to) == 0;
    if (!number_at(node, series->start, &segment, &number)) return false;
    uint32_t rest = series->start + series->length, tail = model->to - rest;
    return node->to - segment.to == tail &&
           memcmp(node->key, model->key, series->start) == 0 &&
           memcmp(node->key + segment.to, model->key + rest, tail) == 0 &&
           add_number(&series->ranges, number);
}

/* The target's number counts; a stray has only the source's. */
static bool is_numbered(const Builder *builder, const Pair *pair)
{
    const TrieNode *node = target_node(builder, pair);
    uint32_t number;
    return trie_number(node ? node : source_node(builder, pair), &number);
}

/* Children from k on that are one run, or a run with exceptions. */
typedef struct Stretch {
    Series series[SIDE_COUNT];
    Ranges odd;              /* the numbers of the exceptions; none: all are equal */
    uint32_t count;          /* 1: no run */
} Stretch;

/* The child at k of the stretch whose series are begun: true when it goes on with both, or (odd)
 * with one where it has no other side. A member that fits on one side only must leave no trace on
 * the other: a copy of the series is tried. */
static bool continue_stretch(const Builder *builder, Stretch *stretch, const Pair *first,
                             const Pair *pair, bool odd)
{
    const TrieNode *target = target_node(builder, pair), *source = source_node(builder, pair);
    if ((pair->item == TRIE_NONE) != (first->item == TRIE_NONE)) return false;
    if (!odd && (pair->target == TRIE_NONE) != (first->target == TRIE_NONE)) return false;
    Series tried[SIDE_COUNT] = {stretch->series[SIDE_SOURCE], stretch->series[SIDE_TARGET]};
    bool lacks_target = odd && !target && source && tried[SIDE_SOURCE].length;
    bool lacks_source = odd && !source && target && tried[SIDE_TARGET].length;
    if (!lacks_target && !continue_series(&tried[SIDE_TARGET], target)) return false;
    if (!lacks_source && !continue_series(&tried[SIDE_SOURCE], source)) return false;
    memcpy(stretch->series, tried, sizeof tried);
    return true;
}

/* Begins the stretch with the child at k and the next one that equals it, at most `ahead` behind
 * it; false where there is none, or their names make no series. */
static bool begin_stretch(const Builder *builder, Stretch *stretch, uint32_t k, uint32_t stop,
                          uint32_t ahead)
{
    const Pairs *pairs = &builder->pairs;
    const Pair *first = &pairs->nodes[pairs->children[k]];
    *stretch = (Stretch){.count = 1};
    if (!is_numbered(builder, first)) return false;
    uint32_t other = k + 1;
    while (other < stop && other - k <= ahead &&
           builder->hash[pairs->children[other]] != builder->hash[pairs->children[k]]) other++;
    if (other == stop || other - k > ahead) return false;
    const Pair *second = &pairs->nodes[pairs->children[other]];
    return begin_series(&stretch->series[SIDE_TARGET], target_node(builder, first),
                        target_node(builder, second)) &&
           begin_series(&stretch->series[SIDE_SOURCE], source_node(builder, first),
                        source_node(builder, second));
}

/* The longest run that begins at k: equal blocks up to the first that is not. */
static void find_run(const Builder *builder, uint32_t k, uint32_t stop, Stretch *stretch)
{
    const Pairs *pairs = &builder->pairs;
    const Pair *first = &pairs->nodes[pairs->children[k]];
    if (!begin_stretch(builder, stretch, k, stop, 1)) return;
    for (uint32_t i = k + 1; i < stop; i++) {
        uint32_t child = pairs->children[i];
        if (builder->hash[child] != builder->hash[pairs->children[k]]) break;
        if (!continue_stretch(builder, stretch, first, &pairs->nodes[child], false)) break;
        stretch->count++;
    }
}

/* The number of a block, as one of the exceptions. */
static bool add_odd(const Builder *builder, Stretch *stretch, const Pair *pair)
{
    const TrieNode *node = target_node(builder, pair), *source = source_node(builder, pair);
    Side side = node && stretch->series[SIDE_TARGET].length ? SIDE_TARGET : SIDE_SOURCE;
    TrieNode segment;
    uint32_t number;
    if (side == SIDE_SOURCE) node = source;
    return node && number_at(node, stretch->series[side].start, &segment, &number) &&
           add_number(&stretch->odd, number);
}

/* The same with exceptions, as far as there are enough equal blocks for them; it begins and ends
 * with equal ones. */
static void find_stretch(const Builder *builder, uint32_t k, uint32_t stop, Stretch *stretch)
{
    const Pairs *pairs = &builder->pairs;
    find_run(builder, k, stop, stretch);
    Stretch longer;
    uint32_t odd = 0;
    if (!begin_stretch(builder, &longer, k, stop, ODD_MAX + 1)) return;
    const Pair *first = &pairs->nodes[pairs->children[k]];
    for (uint32_t i = k + 1; i < stop; i++) {
        const Pair *pair = &pairs->nodes[pairs->children[i]];
        bool equal = builder->hash[pairs->children[i]] == builder->hash[pairs->children[k]];
        if (!equal && ++odd > ODD_MAX) return;
        if (!continue_stretch(builder, &longer, first, pair, !equal)) return;
        if (!equal && !add_odd(builder, &longer, pair)) return;
        longer.count++;
        if (equal && odd && longer.count - odd >= EQUAL_FOR_ODD * odd) *stretch = longer;
    }
}

/* Whether all children are numbered, in so few runs that they can do without a row above. */
static bool has_few_groups(const Builder *builder, uint32_t index)
{
    const Pairs *pairs = &builder->pairs;
    Stretch stretch;
    unsigned groups = 0;
    for (uint32_t k = pairs->first[index]; k < pairs->first[index + 1];) {
        if (!is_numbered(builder, &pairs->nodes[pairs->children[k]])) return false;
        if (++groups > GROUPS_MAX) return false;
        find_stretch(builder, k, pairs->first[index + 1], &stretch);
        k += stretch.count;
    }
    return groups > 0;
}

/* A layer with a weight and a bias reads better in two rows than in three. */
static bool is_small(const Pairs *pairs, uint32_t index)
{
    uint32_t n = pairs->first[index + 1] - pairs->first[index];
    if (n > SMALL_MODULE) return false;
    for (uint32_t k = pairs->first[index]; k < pairs->first[index + 1]; k++)
        if (pairs->nodes[pairs->children[k]].item == TRIE_NONE) return false;
    return true;
}

/* A module that shows nothing on a side has an empty place there. */
static uint32_t add_row(Builder *builder, const Place *place, Row row)
{
    RowModel *model = builder->model;
    row.parent = place->row;
    for (int side = 0; side < SIDE_COUNT; side++) {
        row.depth[side] = place->depth[side];
        bool nameless = row.side[side].from >= row.side[side].to;
        if (nameless && !row_is_tensor(&row)) row.side[side].path = NULL;
    }
    size_t room = model->room;
    model->spans = mem_grow(model->spans, &room, model->count + 1, sizeof *model->spans);
    model->rows = mem_grow(model->rows, &model->room, model->count + 1, sizeof *model->rows);
    model->rows[model->count] = row;
    model->spans[model->count] = (RowSpan){.opens = !row_is_tensor(&row) && !row_is_run(&row)};
    return (uint32_t)model->count++;
}

/* What a pair shows at its place. Of several sources the list shows the first in file order,
 * and says how many more there are. */
static Row make_row(const Builder *builder, const Place *place, const Pair *pair)
{
    Row row = {.item = pair->item};
    const Trie *sources = &builder->pairs.sources;
    const TrieNode *target = target_node(builder, pair);
    uint32_t source = pair->source;
    if (pair->item != TRIE_NONE && source != TRIE_NONE) source = sources->leaves[pair->at];
    if (target)
        row.side[SIDE_TARGET] = (RowSide){target->key, place->target_from, target->to};
    if (source != TRIE_NONE) {
        const TrieNode *node = &sources->nodes[source];
        uint32_t from = label_start(sources, source, place->source);
        row.side[SIDE_SOURCE] = (RowSide){node->key, from, node->to};
    }
    return row;
}

/* The place of what is below a row that was just added for `pair`. */
static Place place_below(const Builder *builder, const Place *place, uint32_t row,
                         const Pair *pair)
{
    Place below = *place;
    const Row *added = &builder->model->rows[row];
    const TrieNode *target = target_node(builder, pair);
    below.row = row;
    if (target) below.target_from = target->to + (target->to > 0);
    if (pair->source != TRIE_NONE) below.source = pair->source;
    for (int side = 0; side < SIDE_COUNT; side++)
        if (added->side[side].path) below.depth[side]++;
    return below;
}

/* Counts and states of one tensor; sum_up adds them to the rows above. */
static void count_tensor(Builder *builder, uint32_t index, const Pair *pair)
{
    RowModel *model = builder->model;
    Row *row = &model->rows[index];
    RowSpan *span = &model->spans[index];
    row->sources = pair->taken;
    if (pair->target == TRIE_NONE) {
        const SourceUse *use = align_use(model->alignment, pair->item);
        span->states = (uint16_t)(1u << state_of_use(use));
        if (state_use_is_problem(use, align_policy(model->alignment)))
            span->states |= STATE_PROBLEM;
        model->row_of_use[pair->item] = index;
        model->renamed |= strcmp(row_stray_key(use), use->tensor->name) != 0;
        return;
    }
    const Binding *binding = align_binding(model->alignment, pair->item);
    row->targets = 1;
    row->loaded = binding->status == BIND_LOADED || binding->status == BIND_TIED ||
                  binding->status == BIND_FILLED;
    span->states = (uint16_t)(1u << state_of_binding(binding));
    if (state_is_problem(binding)) span->states |= STATE_PROBLEM;
    if (row->loaded && binding->confidence < 1) span->states |= STATE_GUESS;
    model->row_of_binding[pair->item] = index;
}

/* The functions below call each other as deep as the tree is: TRIE_DEPTH at most, and once
 * more for each run. */
static void add_children(Builder *builder, const Place *place, uint32_t index);

/* What was added since the row was is below it. */
static void close_row(Builder *builder, uint32_t row)
{
    builder->model->spans[row].end = (uint32_t)builder->model->count;
}

/* A row, and in it what is below the pair. */
static void add_module(Builder *builder, const Place *place, uint32_t index)
{
    const Pair *pair = &builder->pairs.nodes[index];
    uint32_t row = add_row(builder, place, make_row(builder, place, pair));
    Place below = place_below(builder, place, row, pair);
    add_children(builder, &below, index);
    close_row(builder, row);
}

/* A pair, with or without a row of its own; members of runs always have one. */
static void add_pair(Builder *builder, const Place *place, uint32_t index, bool member)
{
    const Pairs *pairs = &builder->pairs;
    while (pairs->nodes[index].item == TRIE_NONE &&
           pairs->first[index + 1] - pairs->first[index] == 1)
        index = pairs->children[pairs->first[index]];
    const Pair *pair = &pairs->nodes[index];
    const TrieNode *source = source_node(builder, pair);
    bool nameless = pair->target == 0 && (!source || !source->to);
    if (pair->item != TRIE_NONE) {
        uint32_t row = add_row(builder, place, make_row(builder, place, pair));
        count_tensor(builder, row, pair);
        close_row(builder, row);
    } else if (!member && (nameless || has_few_groups(builder, index) || is_small(pairs, index))) {
        add_children(builder, place, index);
    } else {
        add_module(builder, place, index);
    }
}

/* The text of one side of a run, and where its label and its members' labels begin. */
static RowSide show_series(Builder *builder, const Series *series, uint32_t from)
{
    if (!series->model) return (RowSide){0};
    Text text = {0};
    const TrieNode *model = series->model;
    text_addn(&text, model->key, series->length ? series->start : model->to);
    if (series->length) {
        uint32_t rest = series->start + series->length;
        text_addc(&text, '{');   /* as reports print alternatives, and as rules read them */
        show_ranges(&series->ranges, &text);
        text_addc(&text, '}');
        text_addn(&text, model->key + rest, model->to - rest);
    }
    RowSide side = {arena_strndup(builder->model->arena, text_string(&text), text.length), from,
                    (uint32_t)text.length};
    text_done(&text);
    return side;
}

/* The source module in which the members of a run differ: the first one above `node` that begins
 * before the number. The labels of members go on from there. */
static uint32_t module_above(const Trie *sources, uint32_t node, const Series *series)
{
    while (node && sources->nodes[node].from >= series->start) node = sources->nodes[node].parent;
    return node;
}

/* One row for a stretch of blocks. Below it are the blocks themselves or, where some are
 * exceptions, runs of the others and the exceptions in turn. */
static void add_run(Builder *builder, const Place *place, uint32_t k, const Stretch *stretch)
{
    const uint32_t *members = builder->pairs.children + k;
    const Series *series = stretch->series;
    const Pair *first = &builder->pairs.nodes[members[0]];
    Row plain = make_row(builder, place, first);
    Row row = {.item = ROW_NONE, .members = stretch->count};
    Text odd = {0};
    show_ranges(&stretch->odd, &odd);
    if (odd.length) row.odd = text_keep(&odd, builder->model->arena);
    for (int side = 0; side < SIDE_COUNT; side++)
        row.side[side] = show_series(builder, &series[side], plain.side[side].from);
    Place below = *place;
    below.row = add_row(builder, place, row);
    for (int side = 0; side < SIDE_COUNT; side++)
        if (builder->model->rows[below.row].side[side].path) below.depth[side]++;
    if (series[SIDE_TARGET].length) below.target_from = series[SIDE_TARGET].start;
    if (series[SIDE_SOURCE].length)
        below.source = module_above(&builder->pairs.sources, first->source, &series[SIDE_SOURCE]);
    Stretch part = {.count = 1};
    for (uint32_t i = 0; i < stretch->count; i += part.count) {
        if (row.odd) find_run(builder, k + i, k + stretch->count, &part);
        if (part.count > 1) add_run(builder, &below, k + i, &part);
        else add_pair(builder, &below, members[i], true);
    }
    close_row(builder, below.row);
}

/* In their order, runs and single pairs in turn. */
static void add_children(Builder *builder, const Place *place, uint32_t index)
{
    const Pairs *pairs = &builder->pairs;
    Stretch stretch;
    uint32_t stop = pairs->first[index + 1];
    for (uint32_t k = pairs->first[index]; k < stop; k += stretch.count) {
        find_stretch(builder, k, stop, &stretch);
        if (stretch.count > 1) add_run(builder, place, k, &stretch);
        else add_pair(builder, place, pairs->children[k], false);
    }
}

static DType dtype_of(const RowModel *model, uint32_t index)
{
    const Binding *binding = rows_binding(model, index);
    return binding ? binding->dtype : rows_use(model, index)->tensor->dtype;
}

/* Bytes of the values of one tensor; 0 where shape or dtype are not known. */
static uint64_t bytes_of(const RowModel *model, uint32_t index)
{
    const Binding *binding = rows_binding(model, index);
    const SourceUse *use = rows_use(model, index);
    if (use) return tensor_bytes(use->tensor);
    const Tensor like = {.dtype = binding->dtype, .dims = binding->dims, .rank = binding->rank};
    return tensor_bytes(&like);
}

/* Rows below come after their parents: from the end, every row is complete when it is added. */
static void sum_up(RowModel *model)
{
    model->bytes = mem_alloc((model->count + 1) * sizeof *model->bytes);
    for (size_t i = model->count; i-- > 0;) {
        const Row *row = &model->rows[i];
        const unsigned states = model->spans[i].states;
        if (row_is_tensor(row)) {
            model->bytes[i] = bytes_of(model, (uint32_t)i);
            model->problems += states & STATE_PROBLEM ? 1 : 0;
            model->tensors++;
            model->states |= states;
            model->dtypes[dtype_of(model, (uint32_t)i)]++;
        }
        if (row->parent == ROW_NONE) continue;
        Row *parent = &model->rows[row->parent];
        model->bytes[row->parent] += model->bytes[i];
        parent->loaded += row->loaded;
        parent->targets += row->targets;
        parent->sources += row->sources;
        model->spans[row->parent].states |= (uint16_t)states;
    }
}

/* Pairs and hashes are only needed to decide about rows; rows have copies of what they show. */
void rows_build(RowModel *model)
{
    Builder builder = {.model = model};
    pairs_init(&builder.pairs, model->alignment);
    hash_pairs(&builder);
    Place top = {.row = ROW_NONE};
    add_children(&builder, &top, 0);
    sum_up(model);
    model->passed = model->tensors;
    pairs_done(&builder.pairs);
    free(builder.hash);
}
