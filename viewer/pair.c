/* Bottom up over the target's trie: a tensor is paired with its source, a module with the deepest
 * source module that holds the sources of everything below it. Then the source tensors that
 * nobody took are hung below the shallowest pair of the nearest module above them. */
#include "viewer/pair.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/memory.h"

enum { LIFT_MAX = 2 };       /* how far above its sources a block is looked for */

typedef struct Builder {
    Pairs *pairs;
    const Alignment *alignment;
    StateDict *source;
    uint8_t *taken;          /* [source tensors] whether a pair shows it */
    uint32_t *home;          /* [source trie nodes] the pair its children belong under */
} Builder;

/* The array may move: pairs are known by index. A parent is added before its children, so that a
 * walk from the last index to the first meets every pair before its parent. */
static uint32_t add_pair(Pairs *pairs, Pair pair)
{
    pairs->nodes = mem_grow(pairs->nodes, &pairs->room, pairs->count + 1, sizeof *pairs->nodes);
    pairs->nodes[pairs->count] = pair;
    return (uint32_t)pairs->count++;
}

/* The order of both tries is that of the ledger: the target's own, and the source file's. */
static void build_tries(Builder *builder)
{
    Pairs *pairs = builder->pairs;
    trie_init(&pairs->targets);
    for (size_t i = 0; i < align_count(builder->alignment); i++)
        trie_add(&pairs->targets, align_binding(builder->alignment, i)->name);
    trie_init(&pairs->sources);
    for (size_t i = 0; i < align_use_count(builder->alignment); i++)
        trie_add(&pairs->sources, align_use(builder->alignment, i)->tensor->name);
}

/* One source tensor of a pair. It counts for the first pair that takes it only: a tensor that is
 * split over three targets is one source tensor in the sums above them. `at` becomes the earliest
 * place in the file, `source` the deepest node above all sources so far. */
static void take_source(Builder *builder, Pair *pair, const Tensor *tensor)
{
    Pairs *pairs = builder->pairs;
    uint32_t index = (uint32_t)dict_index(builder->source, tensor);
    if (index >= pairs->sources.leaf_count) return;
    pair->source = trie_common(&pairs->sources, pair->source, pairs->sources.leaves[index]);
    if (index < pair->at) pair->at = index;
    if (!builder->taken[index]) pair->taken++;
    builder->taken[index] = 1;
}

/* What expr_leaves hands to visit_offered. */
typedef struct LeafVisit {
    Builder *builder;
    Pair *pair;
} LeafVisit;

/* An expr_leaves visitor; leaves of the target are no sources. */
static void visit_offered(const Tensor *tensor, void *context)
{
    const LeafVisit *visit = context;
    if (dict_find(visit->builder->source, tensor->name) == tensor)
        take_source(visit->builder, visit->pair, tensor);
}

/* A source that was offered and refused stands beside the target it was offered to. */
static void take_sources(Builder *builder, Pair *pair, const Binding *binding)
{
    for (uint32_t i = 0; i < binding->source_count; i++)
        take_source(builder, pair, binding->sources[i]);
    LeafVisit visit = {builder, pair};
    if (binding->offered) expr_leaves(binding->offered, visit_offered, &visit);
}

/* The module of a pair's sources: of a single tensor, the one it is in; TRIE_NONE where the pair
 * has none. */
static uint32_t source_module(const Pairs *pairs, const Pair *pair)
{
    if (pair->source == TRIE_NONE || trie_is_module(&pairs->sources, pair->source))
        return pair->source;
    return pairs->sources.nodes[pair->source].parent;
}

/* A numbered block is paired with a numbered block, also where only a part of that one was
 * taken: what is left of it is then shown inside. Where target "blocks.3" takes nothing but
 * "enc.3.attn.*", the deepest module above its sources is "enc.3.attn"; lifted, it is "enc.3". */
static void lift_number(const Pairs *pairs, Pair *pair)
{
    uint32_t number, node = pair->source;
    if (node == TRIE_NONE || !trie_number(&pairs->targets.nodes[pair->target], &number)) return;
    for (int i = 0; i <= LIFT_MAX && node; i++, node = pairs->sources.nodes[node].parent) {
        if (!trie_number(&pairs->sources.nodes[node], &number)) continue;
        pair->source = node;
        return;
    }
}

/* One pair for each node of the target's trie, and above them the root of all. A tied tensor's
 * source belongs to another place, and does not draw its module there. */
static void add_targets(Builder *builder)
{
    Pairs *pairs = builder->pairs;
    const Trie *trie = &pairs->targets;
    add_pair(pairs, (Pair){.parent = TRIE_NONE, .target = TRIE_NONE, .source = 0,
                           .item = TRIE_NONE, .at = TRIE_NONE});
    for (uint32_t i = 0; i < trie->count; i++) {
        Pair pair = {.parent = i ? trie->nodes[i].parent + 1 : 0, .target = i,
                     .source = TRIE_NONE, .item = trie->nodes[i].leaf, .at = TRIE_NONE};
        if (pair.item != TRIE_NONE)
            take_sources(builder, &pair, align_binding(builder->alignment, pair.item));
        add_pair(pairs, pair);
    }
    for (size_t i = pairs->count - 1; i > 1; i--) {
        Pair *pair = &pairs->nodes[i], *parent = &pairs->nodes[pair->parent];
        if (pair->item == TRIE_NONE) lift_number(pairs, pair);
        if (pair->item != TRIE_NONE &&
            align_binding(builder->alignment, pair->item)->status == BIND_TIED) continue;
        parent->source = trie_common(&pairs->sources, parent->source, source_module(pairs, pair));
        if (pair->at < parent->at) parent->at = pair->at;
    }
}

/* The shallowest pair for a source module is where its strays belong. */
static void find_homes(Builder *builder)
{
    const Pairs *pairs = builder->pairs;
    size_t n = pairs->sources.count;
    builder->home = mem_alloc(n * sizeof *builder->home);
    for (size_t i = 0; i < n; i++) builder->home[i] = TRIE_NONE;
    for (size_t i = 1; i < pairs->count; i++) {
        uint32_t source = pairs->nodes[i].source;
        if (pairs->nodes[i].item != TRIE_NONE || source == TRIE_NONE) continue;
        if (builder->home[source] == TRIE_NONE) builder->home[source] = (uint32_t)i;
    }
    if (builder->home[0] == TRIE_NONE) builder->home[0] = 0;
}

/* The pair for a source module, made together with those above it when there is none. */
static uint32_t ensure_home(Builder *builder, uint32_t module, uint32_t at)
{
    const TrieNode *modules = builder->pairs->sources.nodes;
    uint32_t chain[TRIE_DEPTH + 1], n = 0;
    for (; builder->home[module] == TRIE_NONE; module = modules[module].parent)
        chain[n++] = module;
    uint32_t home = builder->home[module];
    while (n--) {
        home = add_pair(builder->pairs, (Pair){.parent = home, .target = TRIE_NONE,
                                               .source = chain[n], .item = TRIE_NONE, .at = at});
        builder->home[chain[n]] = home;
    }
    return home;
}

/* In file order, so that a module is made where its first stray stands. */
static void add_strays(Builder *builder)
{
    Pairs *pairs = builder->pairs;
    for (uint32_t i = 0; i < pairs->sources.leaf_count; i++) {
        if (builder->taken[i]) continue;
        uint32_t node = pairs->sources.leaves[i];
        uint32_t home = ensure_home(builder, pairs->sources.nodes[node].parent, i);
        add_pair(pairs, (Pair){.parent = home, .target = TRIE_NONE, .source = node, .item = i,
                               .at = i, .taken = 1});
    }
}

/* Children of every pair, targets before strays, each in order of their making. */
static void list_children(Pairs *pairs)
{
    pairs->first = mem_alloc((pairs->count + 1) * sizeof *pairs->first);
    pairs->children = mem_alloc(pairs->count * sizeof *pairs->children);
    for (size_t i = 1; i < pairs->count; i++) pairs->first[pairs->nodes[i].parent + 1]++;
    for (size_t i = 0; i < pairs->count; i++) pairs->first[i + 1] += pairs->first[i];
    uint32_t *next = mem_alloc(pairs->count * sizeof *next);
    for (size_t i = 1; i < pairs->count; i++) {
        uint32_t parent = pairs->nodes[i].parent;
        pairs->children[pairs->first[parent] + next[parent]++] = (uint32_t)i;
    }
    free(next);
}

/* What a child is sorted by; qsort knows no context, so everything that is compared is copied
 * into the elements. */
typedef struct Sorted {
    uint32_t pair, at;
    uint32_t place;          /* strays: 1 + position of the target child they follow, or 0 */
    const TrieNode *segment;
} Sorted;

/* By number where both are numbers, else by bytes. */
static int compare_segments(const void *a, const void *b)
{
    const TrieNode *x = ((const Sorted *)a)->segment, *y = ((const Sorted *)b)->segment;
    uint32_t m, n;
    if (trie_number(x, &m) && trie_number(y, &n)) return m < n ? -1 : m > n;
    size_t length = x->to - x->from, other = y->to - y->from;
    int order = memcmp(x->key + x->from, y->key + y->from, length < other ? length : other);
    return order ? order : (length > other) - (length < other);
}

/* By place in the source file; what has no source comes last. */
static int compare_at(const void *a, const void *b)
{
    const Sorted *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* Strays by the sibling they follow, then by their place in the file. */
static int compare_place(const void *a, const void *b)
{
    const Sorted *x = a, *y = b;
    return x->place != y->place ? (x->place > y->place) - (x->place < y->place)
                                : compare_at(a, b);
}

/* The children with what they can be sorted by; the caller frees. */
static Sorted *sorted_children(const Pairs *pairs, uint32_t parent)
{
    uint32_t from = pairs->first[parent], n = pairs->first[parent + 1] - from;
    Sorted *list = mem_alloc((n + 1) * sizeof *list);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t child = pairs->children[from + i];
        const Pair *pair = &pairs->nodes[child];
        const TrieNode *segment = pair->target != TRIE_NONE
                                      ? &pairs->targets.nodes[pair->target]
                                      : &pairs->sources.nodes[pair->source];
        list[i] = (Sorted){.pair = child, .at = pair->at, .segment = segment};
    }
    return list;
}

/* Puts each stray behind the target child whose source comes last before it in the file; those
 * before every source come first. list[0, targets) are target children in their order, which is
 * not that of their sources: hence a second list, sorted by source, that is searched by halves. */
static void place_strays(Sorted *list, uint32_t targets, uint32_t n)
{
    Sorted *by_source = mem_alloc((targets + 1) * sizeof *by_source);
    for (uint32_t i = 0; i < targets; i++) {
        by_source[i] = list[i];
        by_source[i].place = i;
    }
    qsort(by_source, targets, sizeof *by_source, compare_at);
    for (uint32_t i = targets; i < n; i++) {
        uint32_t low = 0, high = targets;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (by_source[middle].at < list[i].at) low = middle + 1;
            else high = middle;
        }
        list[i].place = low ? 1 + by_source[low - 1].place : 0;
    }
    free(by_source);
    qsort(list + targets, n - targets, sizeof *list, compare_place);
}

/* Files in alphabetical order put layer 10 before layer 2; shown are numbers in their order. */
static void order_children(Pairs *pairs, uint32_t parent, bool by_name)
{
    uint32_t from = pairs->first[parent], n = pairs->first[parent + 1] - from, targets = 0;
    while (targets < n && pairs->nodes[pairs->children[from + targets]].target != TRIE_NONE)
        targets++;
    if (!by_name && (targets == n || !targets)) return;
    Sorted *list = sorted_children(pairs, parent);
    if (by_name) {
        qsort(list, targets, sizeof *list, compare_segments);
        if (!targets) qsort(list, n, sizeof *list, compare_segments);
    }
    if (targets && targets < n) place_strays(list, targets, n);
    uint32_t *out = pairs->children + from, stray = targets;
    for (uint32_t i = 0; i <= targets; i++) {
        while (stray < n && list[stray].place == i && targets) *out++ = list[stray++].pair;
        if (i < targets) *out++ = list[i].pair;
    }
    for (uint32_t i = stray; i < n; i++) *out++ = list[i].pair;
    free(list);
}

void pairs_init(Pairs *pairs, const Alignment *alignment)
{
    *pairs = (Pairs){0};
    Builder builder = {.pairs = pairs, .alignment = alignment,
                       .source = align_source_dict(alignment)};
    build_tries(&builder);
    builder.taken = mem_alloc(pairs->sources.leaf_count + 1);
    add_targets(&builder);
    find_homes(&builder);
    add_strays(&builder);
    list_children(pairs);
    const StateDict *target = align_target(alignment);
    bool strays_by_name = !dict_is_ordered(builder.source);
    bool by_name = target ? !dict_is_ordered(target) : strays_by_name;
    for (uint32_t i = 0; i < pairs->count; i++)
        order_children(pairs, i, pairs->nodes[i].target != TRIE_NONE ? by_name : strays_by_name);
    free(builder.taken);
    free(builder.home);
}

void pairs_done(Pairs *pairs)
{
    trie_done(&pairs->targets);
    trie_done(&pairs->sources);
    free(pairs->nodes);
    free(pairs->first);
    free(pairs->children);
    *pairs = (Pairs){0};
}
