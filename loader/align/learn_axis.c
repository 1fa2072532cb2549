/* From the order of indexes to ops: what a permutation of an axis, and of the axes, is called. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/learn_parts.h"

enum { PICK_MAX = 64, DIGITS_MAX = 6 };

bool chain_add(Chain *chain, Op op)
{
    if (chain->count == CHAIN_MAX) return false;
    chain->ops[chain->count++] = op;
    return true;
}

/* All that an op which is learned may have. */
static bool equal_ops(const Op *a, const Op *b)
{
    if (a->kind != b->kind || a->has_axis != b->has_axis || a->axis != b->axis ||
        a->has_number != b->has_number || a->number != b->number || a->to != b->to ||
        a->has_to != b->has_to || a->gaps != b->gaps || a->rest != b->rest ||
        a->list_count != b->list_count || a->dtype != b->dtype ||
        a->real < b->real || a->real > b->real || a->real2 < b->real2 || a->real2 > b->real2 ||
        !a->text != !b->text || a->size_count != b->size_count)
        return false;
    for (size_t i = 0; i < a->list_count; i++)
        if (a->list[i] != b->list[i]) return false;
    if (a->text && strcmp(a->text, b->text) != 0) return false;
    for (size_t i = 0; i < a->size_count; i++)
        if (a->sizes[i].size != b->sizes[i].size) return false;
    return true;
}

bool chain_equal(const Chain *a, const Chain *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (!equal_ops(&a->ops[i], &b->ops[i])) return false;
    return true;
}

/* ---- the order of one axis ---- */

/* A mixed-radix digit of an index: it counts to `size`, and a step of it moves by `stride`. */
typedef struct Digit {
    int64_t size, stride;
} Digit;

/* The order as digits, the lowest first: order[i] = Σ digit_t(i) · stride_t. 0 = it is none. */
static unsigned find_digits(const int64_t *order, int64_t n, Digit *digits)
{
    unsigned count = 0;
    if (order[0] != 0) return 0;
    for (int64_t weight = 1; weight < n;) {
        int64_t left = n / weight, stride = order[weight], size = 1;
        while (size < left && order[weight * size] == size * stride) size++;
        while (left % size) size--;
        if (size == 1 || count == DIGITS_MAX) return 0;
        digits[count++] = (Digit){size, stride};
        weight *= size;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, sum = 0;
        for (unsigned t = 0; t < count; t++) {
            sum += rest % digits[t].size * digits[t].stride;
            rest /= digits[t].size;
        }
        if (sum != order[i]) return 0;
    }
    return count;
}

static int compare_strides(const void *a, const void *b)
{
    int64_t x = ((const Digit *)a)->stride, y = ((const Digit *)b)->stride;
    return x < y ? 1 : x > y ? -1 : 0;
}

static Op op_with_axis(OpKind kind, unsigned axis)
{
    return (Op){.kind = kind, .has_axis = true, .axis = (int)axis};
}

/* Halves and pairs of the rows of heads, the case of one head among them. */
static bool describe_rope(const Digit *digits, unsigned count, Chain *chain)
{
    if (count < 2 || count > 3) return false;
    int64_t heads = count == 3 ? digits[2].size : 1, half;
    OpKind kind;
    if (digits[0].size == 2 && digits[1].stride == 1) {
        kind = OP_ROPE_PAIRS;
        half = digits[1].size;
        if (digits[0].stride != half) return false;
    } else if (digits[1].size == 2 && digits[1].stride == 1 && digits[0].stride == 2) {
        kind = OP_ROPE_HALVES;
        half = digits[0].size;
    } else {
        return false;
    }
    if (count == 3 && digits[2].stride != 2 * half) return false;
    return chain_add(chain, (Op){.kind = kind, .has_number = true, .number = heads});
}

/* Names of the axes beside the one that is taken apart: u to z, which learn_kin.c can take off. */
static void add_others(unsigned from, unsigned to, Text *text)
{
    for (unsigned k = from; k < to; k++)
        text_addf(text, "%s%c", text->length && text->bytes[text->length - 1] != ' ' ? " " : "",
                  "uvwxyz"[k]);
}

static void add_side(const char *group, unsigned axis, unsigned rank, Text *text)
{
    size_t before = text->length;
    add_others(0, axis, text);
    text_addf(text, "%s(%s)", text->length > before ? " " : "", group);
    add_others(axis + 1, rank, text);
}

/* "(h c d) v -> (c h d) v", with the sizes of all names but one: of three and more the innermost,
 * of two the larger one, which is what grows with the model. */
static bool describe_ein(Arena *arena, const Digit *digits, unsigned count, unsigned axis,
                         unsigned rank, Chain *chain)
{
    static const char *const names[DIGITS_MAX] = {"h", "c", "d", "e", "f", "g"};
    Digit sorted[DIGITS_MAX];
    char in[2 * DIGITS_MAX + 1] = "", out[2 * DIGITS_MAX + 1] = "";
    if (rank > 6) return false;
    memcpy(sorted, digits, count * sizeof *digits);
    qsort(sorted, count, sizeof *sorted, compare_strides);
    for (unsigned i = 0; i < count; i++) {
        strcat(strcat(in, i ? " " : ""), names[i]);
        unsigned at = 0;
        while (sorted[at].stride != digits[count - 1 - i].stride) at++;
        strcat(strcat(out, i ? " " : ""), names[at]);
    }
    Text text = {0};
    add_side(in, axis, rank, &text);
    text_add(&text, " -> ");
    add_side(out, axis, rank, &text);
    unsigned open = count == 2 && sorted[0].size > sorted[1].size ? 0 : count - 1;
    OpSize *sizes = arena_alloc(arena, count * sizeof *sizes);
    size_t said = 0;
    for (unsigned i = 0; i < count; i++)
        if (i != open) sizes[said++] = (OpSize){names[i], sorted[i].size};
    Op op = {.kind = OP_EIN, .text = arena_strdup(arena, text_string(&text)), .sizes = sizes,
             .size_count = said};
    text_done(&text);
    return chain_add(chain, op);
}

/* A rotation: indexes that go up by one, and once from the last to the first. */
static bool describe_roll(const int64_t *order, int64_t n, unsigned axis, Chain *chain)
{
    for (int64_t i = 1; i < n; i++)
        if (order[i] != (order[i - 1] + 1) % n) return false;
    if (order[0] * 2 == n) return chain_add(chain, op_with_axis(OP_SWAP_HALVES, axis));
    Op op = op_with_axis(OP_ROLL, axis);
    op.number = order[0] * 2 < n ? -order[0] : n - order[0];
    op.has_number = true;
    return chain_add(chain, op);
}

static bool describe_pick(Arena *arena, const int64_t *order, int64_t n, unsigned axis,
                          Chain *chain)
{
    Op op = op_with_axis(OP_PICK, axis);
    if (n > PICK_MAX) return false;
    op.list = arena_copy(arena, order, (size_t)n * sizeof *order);
    op.list_count = (size_t)n;
    return chain_add(chain, op);
}

bool axis_describe(Arena *arena, const int64_t *order, int64_t n, unsigned axis, unsigned rank,
                   bool rope, Chain *chain)
{
    Digit digits[DIGITS_MAX];
    int64_t at = 0;
    while (at < n && order[at] == at) at++;
    if (at == n) return true;
    at = 0;
    while (at < n && order[at] == n - 1 - at) at++;
    if (at == n && n > 2 && n <= PICK_MAX) return describe_pick(arena, order, n, axis, chain);
    if (describe_roll(order, n, axis, chain)) return true;
    unsigned count = find_digits(order, n, digits);
    if (count) {
        if (rope && axis == 0 && describe_rope(digits, count, chain)) return true;
        return describe_ein(arena, digits, count, axis, rank, chain);
    }
    return describe_pick(arena, order, n, axis, chain);
}

typedef struct HashAt {
    uint64_t hash;
    int64_t at;
} HashAt;

static int compare_hashes(const void *a, const void *b)
{
    const HashAt *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

bool axis_match(const uint64_t *from, int64_t n_from, const uint64_t *to, int64_t n_to,
                int64_t *order)
{
    HashAt *sorted = mem_alloc((size_t)(n_from + 1) * sizeof *sorted);
    bool *used = mem_alloc((size_t)n_from + 1), found = true;
    for (int64_t i = 0; i < n_from; i++) sorted[i] = (HashAt){from[i], i};
    qsort(sorted, (size_t)n_from, sizeof *sorted, compare_hashes);
    for (int64_t i = 0; found && i < n_to; i++) {
        int64_t low = 0, high = n_from;
        int64_t next = i > 1 ? 2 * order[i - 1] - order[i - 2] : i ? order[i - 1] + 1 : -1;
        if (next >= 0 && next < n_from && from[next] == to[i] && !used[next]) {
            used[order[i] = next] = true;
            continue;
        }
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (sorted[middle].hash < to[i]) low = middle + 1;
            else high = middle;
        }
        /* of many equal ones only a few are tried: such an axis has no order that one could see */
        for (int tries = 0; tries < 1024 && low < n_from && sorted[low].hash == to[i] &&
                            used[sorted[low].at]; tries++)
            low++;
        found = low < n_from && sorted[low].hash == to[i] && !used[sorted[low].at];
        if (found) used[order[i] = sorted[low].at] = true;
    }
    free(sorted);
    free(used);
    return found;
}

/* ---- shapes ---- */

static unsigned core_of(const int64_t *dims, unsigned rank, unsigned *axes)
{
    unsigned n = 0;
    for (unsigned k = 0; k < rank; k++)
        if (dims[k] != 1) axes[n++] = k;
    return n;
}

/* The sizes that a model's width does not change stand as numbers, the largest one as -1. */
static bool describe_reshape(Arena *arena, const int64_t *to, unsigned rank, Chain *chain)
{
    int64_t *list = arena_alloc(arena, (rank + 1) * sizeof *list);
    memcpy(list, to, rank * sizeof *to);
    unsigned largest = 0;
    for (unsigned k = 1; k < rank; k++)
        if (to[k] > to[largest]) largest = k;
    if (rank) list[largest] = -1;
    return chain_add(chain, (Op){.kind = OP_RESHAPE, .list = list, .list_count = rank});
}

bool shape_describe(Arena *arena, const int64_t *from, unsigned from_rank, const int64_t *to,
                    unsigned to_rank, Chain *chain)
{
    unsigned a[TENSOR_RANK_MAX], b[TENSOR_RANK_MAX];
    if (same_dims(from, from_rank, to, to_rank)) return true;
    unsigned n = core_of(from, from_rank, a);
    bool same = n == core_of(to, to_rank, b);
    for (unsigned k = 0; same && k < n; k++) same = from[a[k]] == to[b[k]];
    if (!same || from_rank + to_rank - 2 * n > 6)
        return (to_rank > 1 && ein_reshape(arena, from, from_rank, to, to_rank, chain)) ||
               describe_reshape(arena, to, to_rank, chain);
    for (unsigned k = from_rank; k--;)
        if (from[k] == 1 && !chain_add(chain, op_with_axis(OP_SQUEEZE, k))) return false;
    for (unsigned k = 0; k < to_rank; k++)
        if (to[k] == 1 && !chain_add(chain, op_with_axis(OP_UNSQUEEZE, k))) return false;
    return true;
}

/* ---- the order of axes ---- */

/* What is compared: axes of either side, all of them or those that are not 1. */
typedef struct Axes {
    const Print *from, *to;
    unsigned a[PRINT_RANK], b[PRINT_RANK], n;
} Axes;

static bool add_permute(Arena *arena, const unsigned *order, unsigned n, Chain *chain)
{
    unsigned k = 0;
    while (k < n && order[k] == k) k++;
    if (k == n) return true;
    if (n == 2) return chain_add(chain, (Op){.kind = OP_T});
    int64_t *list = arena_alloc(arena, n * sizeof *list);
    for (k = 0; k < n; k++) list[k] = order[k];
    return chain_add(chain, (Op){.kind = OP_PERMUTE, .list = list, .list_count = n});
}

static bool equal_rows(const Print *from, unsigned a, const Print *to, unsigned b)
{
    if (from->dims[a] != to->dims[b] || !from->rows[a] || !to->rows[b]) return false;
    return memcmp(from->rows[a], to->rows[b], (size_t)to->dims[b] * sizeof(uint64_t)) == 0;
}

/* Axis order[k] of the source as axis k, its indexes in whatever order. */
static bool describe_orders(Arena *arena, const Axes *axes, const unsigned *order, Chain *chain)
{
    if (!add_permute(arena, order, axes->n, chain)) return false;
    for (unsigned k = 0; k < axes->n; k++) {
        unsigned a = axes->a[order[k]], b = axes->b[k];
        int64_t size = axes->to->dims[b];
        if (equal_rows(axes->from, a, axes->to, b)) continue;
        if (!axes->from->rows[a] || !axes->to->rows[b]) return false;
        int64_t *indexes = mem_alloc((size_t)(size + 1) * sizeof *indexes);
        bool found = axis_match(axes->from->rows[a], size, axes->to->rows[b], size, indexes) &&
                     axis_describe(arena, indexes, size, k, axes->n, true, chain);
        free(indexes);
        if (!found) return false;
    }
    return true;
}

/* The next permutation in lexicographic order; false after the last. */
static bool next_order(unsigned *order, unsigned n)
{
    unsigned i = n;
    while (i > 1 && order[i - 2] > order[i - 1]) i--;
    if (i < 2) return false;
    unsigned j = n - 1;
    while (order[j] < order[i - 2]) j--;
    unsigned swap = order[i - 2];
    order[i - 2] = order[j];
    order[j] = swap;
    for (unsigned low = i - 1, high = n - 1; low < high; low++, high--) {
        swap = order[low];
        order[low] = order[high];
        order[high] = swap;
    }
    return true;
}

/* Tries all orders of the axes: first such that leave every axis as it is. */
static bool find_order(Arena *arena, const Axes *axes, bool exact, Chain *chain)
{
    unsigned order[PRINT_RANK];
    Chain start = *chain;
    for (unsigned k = 0; k < axes->n; k++) order[k] = k;
    do {
        bool fits = true;
        for (unsigned k = 0; fits && k < axes->n; k++) {
            unsigned a = axes->a[order[k]], b = axes->b[k];
            fits = axes->from->dims[a] == axes->to->dims[b] &&
                   (!exact || equal_rows(axes->from, a, axes->to, b));
        }
        *chain = start;
        if (fits && describe_orders(arena, axes, order, chain)) return true;
    } while (next_order(order, axes->n));
    *chain = start;
    return false;
}

bool print_describe(Arena *arena, const Print *from, const Print *to, Chain *chain)
{
    *chain = (Chain){.count = 0};
    if (from->order == to->order)
        return shape_describe(arena, from->dims, from->rank, to->dims, to->rank, chain);
    if (from->rank > PRINT_RANK || to->rank > PRINT_RANK) return false;
    Axes axes = {.from = from, .to = to, .n = from->rank};
    for (unsigned k = 0; k < from->rank; k++) axes.a[k] = axes.b[k] = k;
    bool same = from->rank == to->rank;
    if (same && find_order(arena, &axes, true, chain)) return true;
    axes.n = core_of(from->dims, from->rank, axes.a);
    if (axes.n == core_of(to->dims, to->rank, axes.b) && (axes.n < from->rank || !same)) {
        int64_t dims[PRINT_RANK];
        for (unsigned k = 0; k < axes.n; k++) dims[k] = from->dims[axes.a[k]];
        for (int exact = 1; exact >= 0; exact--) {
            *chain = (Chain){.count = 0};
            if (!shape_describe(arena, from->dims, from->rank, dims, axes.n, chain)) break;
            for (unsigned k = 0; k < axes.n; k++) dims[k] = to->dims[axes.b[k]];
            if (find_order(arena, &axes, exact, chain) &&
                shape_describe(arena, dims, axes.n, to->dims, to->rank, chain))
                return true;
            for (unsigned k = 0; k < axes.n; k++) dims[k] = from->dims[axes.a[k]];
        }
    }
    *chain = (Chain){.count = 0};
    axes.n = from->rank;
    for (unsigned k = 0; k < from->rank; k++) axes.a[k] = axes.b[k] = k;
    if (same && find_order(arena, &axes, false, chain)) return true;
    return merge_describe(arena, from, to, chain);
}
