/* Stacks and their slices, parts of tensors, and tensors that are joined. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/learn_parts.h"

static Op make_op(OpKind kind, int axis)
{
    return (Op){.kind = kind, .has_axis = true, .axis = axis};
}

Op slice_op(unsigned axis, int64_t from, int64_t to, int64_t n)
{
    Op op = make_op(OP_SLICE, (int)axis);
    op.number = from;
    op.has_number = true;
    op.has_to = to < n;
    if (op.has_to) op.to = to;
    return op;
}

static void add_chain(Chain *chain, const Chain *more)
{
    for (size_t i = 0; i < more->count; i++) chain_add(chain, more->ops[i]);
}

/* `name` with its number `from` as `to`: the name of another layer or expert. "" when the number is
 * not in it. */
static const char *other_number(Arena *arena, const char *name, size_t from, size_t to)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n;) {
        size_t end = i, number = 0;
        while (end < n && name[end] >= '0' && name[end] <= '9' && end - i < 9)
            number = number * 10 + (size_t)(name[end++] - '0');
        if (end > i && number == from)
            return arena_printf(arena, "%.*s%zu%s", (int)i, name, to, name + end);
        i = end > i ? end : i + 1;
    }
    return "";
}

/* ---- slices of a stack ---- */

/* The whole tensor of one side that alone has the numbers of a part of the other's; SIZE_MAX: none,
 * or several. With `open` one that has no rule yet. */
static size_t find_whole(const Learner *learner, const Prints *side, const SumIndex *sums,
                         const Print *part, bool open)
{
    size_t count, found = SIZE_MAX;
    const SumKey *keys = sums_find(sums, part->sum, &count);
    for (size_t i = 0; !part->flat && i < count && i < ALIKE_MAX; i++) {
        const Print *one = &side->items[keys[i].print];
        if (one->slice >= 0 || one->count != part->count) continue;
        if (open && !is_open(learner, keys[i].print)) continue;
        if (found != SIZE_MAX) return SIZE_MAX;
        found = keys[i].print;
    }
    return found;
}

/* Targets of all parts: those without a sure one by the names of the others. */
static bool fill_targets(const Learner *learner, size_t *found, size_t n, const char **names)
{
    size_t known = 0;
    while (known < n && found[known] == SIZE_MAX) known++;
    if (known == n) return false;
    const char *first = learner->b.items[found[known]].tensor->name;
    for (size_t e = 0; e < n; e++) {
        if (found[e] == SIZE_MAX) {
            const char *name = other_number(learner->arena, first, known, e);
            const Tensor *tensor = dict_find(learner->checker.now, name);
            if (!tensor) return false;
            found[e] = dict_index(learner->checker.now, tensor);
            if (!is_open(learner, found[e])) return false;
        }
        names[e] = learner->b.items[found[e]].tensor->name;
    }
    return true;
}

static void unstack_alone(Learner *learner, const Print *part, size_t target)
{
    const Print *to = &learner->b.items[target];
    Chain after, chain = {.count = 0};
    if (!print_describe(learner->arena, part, to, &after)) return;
    chain_add(&chain, slice_op(0, part->slice, part->slice + 1, INT64_MAX));
    chain_add(&chain, make_op(OP_SQUEEZE, 0));
    add_chain(&chain, &after);
    offer(learner, &(NameList){&part->tensor->name, 1}, 1, &to->tensor->name, 1, &chain);
}

static void unstack(Learner *learner, size_t source)
{
    const Print *parts = &learner->a.items[learner->a.parts[source]];
    size_t n = (size_t)learner->a.items[source].dims[0];
    size_t *found = mem_alloc((n + 1) * sizeof *found), *sure = mem_alloc((n + 1) * sizeof *sure);
    const char **names = mem_alloc((n + 1) * sizeof *names);
    Chain chain = {.count = 0}, after;
    chain_add(&chain, make_op(OP_UNSTACK, 0));
    size_t known = SIZE_MAX;
    for (size_t e = 0; e < n; e++) {
        sure[e] = found[e] = find_whole(learner, &learner->b, &learner->b_sums, &parts[e], true);
        if (known == SIZE_MAX && found[e] != SIZE_MAX) known = e;
    }
    bool all = known != SIZE_MAX && fill_targets(learner, found, n, names) &&
               print_describe(learner->arena, &parts[known],
                              &learner->b.items[found[known]], &after);
    if (all) {
        add_chain(&chain, &after);
        all = offer(learner, &(NameList){&parts->tensor->name, 1}, 1, names, n, &chain);
    }
    for (size_t e = 0; !all && e < n; e++)
        if (sure[e] != SIZE_MAX && is_open(learner, sure[e]))
            unstack_alone(learner, &parts[e], sure[e]);
    free(found);
    free(sure);
    free(names);
}

void learn_unstacked(Learner *learner)
{
    for (size_t i = 0; i < learner->a.wholes; i++)
        if (learner->a.parts[i] && !learner->failed) unstack(learner, i);
}

/* ---- stacks ---- */

static bool stack_wholes(Learner *learner, size_t target)
{
    const Print *parts = &learner->b.items[learner->b.parts[target]];
    size_t n = (size_t)learner->b.items[target].dims[0], known = SIZE_MAX;
    const char **names = mem_alloc((n + 1) * sizeof *names);
    Chain chain = {.count = 0};
    bool all = true;
    size_t first = 0;
    for (size_t e = 0; e < n; e++) {
        size_t from = find_whole(learner, &learner->a, &learner->a_sums, &parts[e], false);
        if (from == SIZE_MAX) continue;
        names[e] = source_name(learner, from);
        if (known == SIZE_MAX) known = e, first = from;
    }
    all = known != SIZE_MAX &&
          print_describe(learner->arena, &learner->a.items[first], &parts[known], &chain);
    for (size_t e = 0; all && e < n; e++) {
        if (!names[e]) names[e] = other_number(learner->arena, names[known], known, e);
        const Tensor *tensor = dict_find(learner->checker.old, names[e]);
        all = tensor != NULL;
        if (all) names[e] = tensor->name;
    }
    all = all && chain_add(&chain, make_op(OP_STACK, 0)) &&
          offer(learner, &(NameList){names, n}, 1, &parts->tensor->name, 1, &chain);
    free(names);
    return all;
}

/* Every part of the stack is joined of as many sources in the same way. */
static void stack_joined(Learner *learner, size_t target)
{
    const Print *whole = &learner->b.items[target];
    const Print *parts = &learner->b.items[learner->b.parts[target]];
    size_t n = (size_t)whole->dims[0], width = 0;
    const char **names = NULL;
    Found first, found;
    bool alike = true;
    if (whole->rank < 3) return;
    for (size_t e = 0; alike && e < n; e++) {
        alike = find_part(learner->arena, &learner->a, &learner->rows, &parts[e], &found) &&
                found.kind == FOUND_CAT;
        if (!alike) break;
        if (!e) {
            first = found;
            width = found.print_count;
            names = mem_alloc((n * width + 1) * sizeof *names);
        }
        alike = found.print_count == width && found.axis == first.axis &&
                chain_equal(&found.turn, &first.turn) &&
                memcmp(found.rows, first.rows, (size_t)found.size * sizeof *found.rows) == 0;
        for (size_t k = 0; alike && k < width; k++)
            names[k * n + e] = source_name(learner, found.prints[k]);
    }
    if (alike && n) {
        Chain chain = first.turn;
        NameList *lists = mem_alloc(width * sizeof *lists);
        for (size_t k = 0; k < width; k++) lists[k] = (NameList){names + k * n, n};
        chain_add(&chain, make_op(OP_STACK, 0));
        chain_add(&chain, make_op(OP_CAT, first.axis + 1));
        if (axis_describe(learner->arena, first.rows, first.size, first.axis + 1u, whole->rank,
                          false, &chain))
            offer(learner, lists, width, &whole->tensor->name, 1, &chain);
        free(lists);
    }
    free(names);
}

void learn_stacked(Learner *learner)
{
    for (size_t i = 0; i < learner->b.wholes; i++) {
        if (!is_open(learner, i) || !learner->b.parts[i]) continue;
        if (!stack_wholes(learner, i)) stack_joined(learner, i);
    }
}

/* ---- parts, and what is joined ---- */

/* The order of the rows of several tensors, of which the first has `first`. Where they lie behind
 * each other, each in an order of its own, it is left to learn_tile.c, which may find it. */
static bool describe_rows(const Learner *learner, const int64_t *rows, int64_t n, int64_t first,
                          unsigned axis, unsigned rank, Chain *chain)
{
    const size_t before = chain->count;
    bool apart = true;
    for (int64_t i = 0; apart && i < first; i++) apart = rows[i] < first;
    return axis_describe(learner->arena, rows, n, axis, rank, false, chain) &&
           (learner->lists || !apart || chain->count == before);
}

/* The ops that join what was found: in blocks, or one behind the other and then in order. `sizes`
 * are rows of the sources. */
static bool describe_joined(const Learner *learner, const Found *found, const int64_t *sizes,
                            unsigned rank, Chain *chain)
{
    bool equal = true, blocks;
    int64_t *at = mem_alloc((size_t)(found->size + 1) * sizeof *at);
    *chain = found->turn;
    for (size_t i = 1; i < found->print_count; i++) equal = equal && sizes[i] == sizes[0];
    for (int64_t i = 0; i < found->size; i++) at[found->rows[i]] = i;
    blocks = !equal && blocks_describe(learner->arena, at, sizes, found->print_count, found->size,
                                       found->axis, rank, OP_CAT, chain);
    free(at);
    if (blocks) return true;
    *chain = found->turn;
    return chain_add(chain, make_op(OP_CAT, found->axis)) &&
           describe_rows(learner, found->rows, found->size, sizes[0], found->axis, rank, chain);
}

static void learn_joined(Learner *learner, size_t target, const Found *found)
{
    const Print *to = &learner->b.items[target];
    size_t n = found->print_count;
    const char **names = mem_alloc((n + 1) * sizeof *names);
    NameList *lists = mem_alloc((n + 1) * sizeof *lists);
    int64_t *sizes = mem_alloc((n + 1) * sizeof *sizes);
    const uint64_t row = to->count / (uint64_t)to->dims[found->axis];
    Chain chain;
    for (size_t i = 0; i < n; i++) {
        names[i] = source_name(learner, found->prints[i]);
        lists[i] = (NameList){&names[i], 1};
        sizes[i] = (int64_t)(learner->a.items[found->prints[i]].count / row);
    }
    if (describe_joined(learner, found, sizes, to->rank, &chain))
        offer(learner, lists, n, &to->tensor->name, 1, &chain);
    free(names);
    free(lists);
    free(sizes);
}

/* A part that was found, and whose. */
typedef struct Part {
    size_t target;
    Found found;
} Part;

static int compare_parts(const void *a, const void *b)
{
    const Part *x = a, *y = b;
    if (x->found.prints[0] != y->found.prints[0])
        return x->found.prints[0] < y->found.prints[0] ? -1 : 1;
    if (x->found.axis != y->found.axis) return x->found.axis < y->found.axis ? -1 : 1;
    return x->found.rows[0] < y->found.rows[0] ? -1 : x->found.rows[0] > y->found.rows[0];
}

static int64_t lowest(const Found *found)
{
    int64_t low = found->rows[0];
    for (int64_t i = 1; i < found->size; i++)
        if (found->rows[i] < low) low = found->rows[i];
    return low;
}

/* The ops of one part by itself: a slice of an axis of n, and what its rows are in order. False
 * when it is none. */
static bool describe_slice(Learner *learner, const Found *found, int64_t n, unsigned axis,
                           unsigned rank, Chain *chain)
{
    int64_t low = lowest(found), *rows = mem_alloc((size_t)(found->size + 1) * sizeof *rows);
    bool dense = true;
    for (int64_t i = 0; i < found->size; i++) {
        rows[i] = found->rows[i] - low;
        dense &= rows[i] < found->size;
    }
    dense = dense && chain_add(chain, slice_op(axis, low, low + found->size, n)) &&
            axis_describe(learner->arena, rows, found->size, axis, rank, true, chain);
    free(rows);
    return dense;
}

/* A source that is taken apart without rest: its rows in order, then split. */
static bool split_whole(Learner *learner, const Part *parts, size_t n)
{
    const Found *first = &parts[0].found;
    const Print *from = &learner->a.items[first->prints[0]];
    int64_t total = 0, at = 0;
    bool equal = true;
    for (size_t i = 0; i < n; i++) {
        total += parts[i].found.size;
        equal &= parts[i].found.size == first->size;
        if (!chain_equal(&parts[i].found.turn, &first->turn)) return false;
    }
    const Print *to = &learner->b.items[parts[0].target];
    if (from->slice >= 0 ||
        (uint64_t)total * (to->count / (uint64_t)first->size) != from->count)
        return false;
    int64_t *rows = mem_alloc((size_t)(total + 1) * sizeof *rows);
    int64_t *sizes = mem_alloc((n + 1) * sizeof *sizes);
    const char **names = mem_alloc((n + 1) * sizeof *names);
    for (size_t i = 0; i < n; i++) {
        sizes[i] = parts[i].found.size;
        memcpy(rows + at, parts[i].found.rows, (size_t)sizes[i] * sizeof *rows);
        at += sizes[i];
        names[i] = learner->b.items[parts[i].target].tensor->name;
    }
    Chain chain = first->turn;
    Op split = make_op(OP_SPLIT, first->axis);
    split.has_axis = first->axis > 0;
    split.has_number = equal;
    split.number = equal ? (int64_t)n : 0;
    bool good = !equal && blocks_describe(learner->arena, rows, sizes, n, total, first->axis,
                                          to->rank, OP_SPLIT, &chain);
    if (!good) {
        chain = first->turn;
        good = describe_rows(learner, rows, total, first->size, first->axis, to->rank, &chain) &&
               chain_add(&chain, split);
    }
    good = good && offer(learner, &(NameList){&from->tensor->name, 1}, 1, names, n, &chain);
    free(rows);
    free(sizes);
    free(names);
    return good;
}

/* Parts of the slices of a stack: the same part of every slice is one bundle. */
static bool split_stack(Learner *learner, const Part *all, size_t count, const Part *part)
{
    const Print *from = &learner->a.items[part->found.prints[0]];
    size_t whole = dict_index(learner->checker.old, from->tensor);
    size_t n = (size_t)from->tensor->dims[0], base = learner->a.parts[whole], filled = 0;
    const char **names = mem_alloc((n + 1) * sizeof *names);
    for (size_t i = 0; i < count; i++) {
        const Found *one = &all[i].found;
        size_t print = one->prints[0];
        if (print < base || print >= base + n || one->size != part->found.size ||
            one->axis != part->found.axis || !chain_equal(&one->turn, &part->found.turn) ||
            memcmp(one->rows, part->found.rows, (size_t)one->size * sizeof *one->rows) != 0 ||
            names[print - base])
            continue;
        names[print - base] = learner->b.items[all[i].target].tensor->name;
        filled++;
    }
    const Print *to = &learner->b.items[part->target];
    bool turned = part->found.turn.count > 0;
    /* the axis as it lies in the slice, before it is turned (rank 2) */
    unsigned axis = turned ? 1u - part->found.axis : part->found.axis;
    Chain chain = {.count = 0};
    bool good = filled == n && (!turned || to->rank == 2) &&
                describe_slice(learner, &part->found, from->dims[axis], axis + 1, to->rank + 1u,
                               &chain) &&
                chain_add(&chain, make_op(OP_UNSTACK, 0));
    if (good) {
        add_chain(&chain, &part->found.turn);
        good = offer(learner, &(NameList){&from->tensor->name, 1}, 1, names, n, &chain);
    }
    free(names);
    return good;
}

static void learn_slice(Learner *learner, const Part *part)
{
    const Print *from = &learner->a.items[part->found.prints[0]];
    const Print *to = &learner->b.items[part->target];
    Chain chain = {.count = 0};
    if (from->slice >= 0) {
        chain_add(&chain, slice_op(0, from->slice, from->slice + 1, INT64_MAX));
        chain_add(&chain, make_op(OP_SQUEEZE, 0));
    }
    add_chain(&chain, &part->found.turn);
    if (describe_slice(learner, &part->found, part->found.total, part->found.axis, to->rank,
                       &chain))
        offer(learner, &(NameList){&from->tensor->name, 1}, 1, &to->tensor->name, 1, &chain);
}

void learn_parts(Learner *learner)
{
    Part *parts = NULL;
    size_t count = 0, room = 0;
    for (size_t i = 0; i < learner->b.wholes; i++) {
        Found found;
        if (!is_open(learner, i) ||
            !find_part(learner->arena, &learner->a, &learner->rows, &learner->b.items[i], &found))
            continue;
        if (found.kind == FOUND_CAT) {
            learn_joined(learner, i, &found);
            continue;
        }
        parts = mem_grow(parts, &room, count + 1, sizeof *parts);
        parts[count++] = (Part){i, found};
    }
    if (count) qsort(parts, count, sizeof *parts, compare_parts);
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count; end++)
            if (parts[end].found.prints[0] != parts[i].found.prints[0] ||
                parts[end].found.axis != parts[i].found.axis)
                break;
        if (end - i > 1 && split_whole(learner, parts + i, end - i)) continue;
        for (size_t k = i; k < end; k++) {
            if (!is_open(learner, parts[k].target)) continue;
            bool in_stack = learner->a.items[parts[k].found.prints[0]].slice >= 0;
            if (in_stack && split_stack(learner, parts, count, &parts[k])) continue;
            if (learner->lists) learn_slice(learner, &parts[k]);
        }
    }
    free(parts);
}
