/* The axis along which parts join is the one in which the shapes differ. */
#include "loader/align/mark_line.h"

#include <string.h>

#include "loader/align/pattern.h"
#include "loader/align/align_parts.h"

static bool is_known(const AutoTensor *tensors, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!tensors[i].dims) return false;
    return true;
}

/* Whether two shapes are the same but for an axis; -1: in all. */
static bool same_but(const AutoTensor *a, const AutoTensor *b, int axis)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (i != axis && a->dims[i] != b->dims[i]) return false;
    return true;
}

/* ---- one to one ---- */

/* The order of axes that makes one shape the other, when there is only one. */
static bool add_permutation(const AutoTensor *from, const AutoTensor *to, Text *ops)
{
    Text list = {0};
    bool found = from->rank == to->rank;
    for (int i = 0; found && i < to->rank; i++) {
        int axis = -1;
        for (int k = 0; k < from->rank; k++) {
            if (from->dims[k] != to->dims[i]) continue;
            found = found && axis < 0;           /* two of a size: either may be meant */
            axis = k;
        }
        found = found && axis >= 0;
        text_addf(&list, "%s%d", i ? ", " : "", axis);
    }
    if (found && from->rank == 2) text_add(ops, "T");
    else if (found) text_addf(ops, "permute(%s)", text_string(&list));
    text_done(&list);
    return found;
}

/* Whether the shapes are the same but for axes of size 1, as of a 1×1 convolution and a linear
 * layer. */
static bool same_but_ones(const AutoTensor *from, const AutoTensor *to)
{
    int i = 0, k = 0;
    while (true) {
        while (i < from->rank && from->dims[i] == 1) i++;
        while (k < to->rank && to->dims[k] == 1) k++;
        if (i == from->rank || k == to->rank) return i == from->rank && k == to->rank;
        if (from->dims[i++] != to->dims[k++]) return false;
    }
}

static bool add_one(const AutoTensor *from, const AutoTensor *to, Text *ops)
{
    if (!is_known(from, 1) || !is_known(to, 1) || same_but(from, to, -1)) return true;
    if (same_but_ones(from, to)) {
        text_add(ops, "reshape(");
        for (int i = 0; i < to->rank; i++)
            text_addf(ops, "%s%lld", i ? ", " : "", (long long)to->dims[i]);
        text_addc(ops, ')');
        return true;
    }
    return add_permutation(from, to, ops);
}

/* ---- a whole and its parts ---- */

/* Whether the parts, joined along an axis, have the shape of the whole. */
static bool joins(const AutoTensor *whole, const AutoTensor *parts, size_t n, int axis)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (!same_but(whole, &parts[i], axis)) return false;
        sum += parts[i].dims[axis];
    }
    return sum == whole->dims[axis];
}

/* Whether the parts are slices of the whole along an axis that they lack. */
static bool stacks(const AutoTensor *whole, const AutoTensor *parts, size_t n, int axis)
{
    if (whole->dims[axis] != (int64_t)n) return false;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].rank + 1 != whole->rank) return false;
        for (int k = 0; k < parts[i].rank; k++)
            if (parts[i].dims[k] != whole->dims[k < axis ? k : k + 1]) return false;
    }
    return true;
}

static bool are_equal(const AutoTensor *parts, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (!same_but(&parts[0], &parts[i], -1)) return false;
    return true;
}

static void add_split(const AutoTensor *parts, size_t n, int axis, Text *ops)
{
    if (are_equal(parts, n)) {
        text_addf(ops, "split(%zu", n);
        if (axis) text_addf(ops, ", %d", axis);
    } else {
        text_add(ops, axis ? "split({" : "split(");
        for (size_t i = 0; axis && i < n; i++)
            text_addf(ops, "%s%lld", i ? ", " : "", (long long)parts[i].dims[axis]);
        if (axis) text_addf(ops, "}, %d", axis);
    }
    text_addc(ops, ')');
}

/* False: the shapes do not say how; then the op is begun. */
static bool add_parts(const AutoTensor *whole, const AutoTensor *parts, size_t n, bool split,
                      Text *ops)
{
    bool known = is_known(whole, 1) && is_known(parts, n);
    for (int axis = 0; known && axis < whole->rank; axis++) {
        if (joins(whole, parts, n, axis)) {
            if (split) add_split(parts, n, axis, ops);
            else text_addf(ops, "cat(%d)", axis);
            return true;
        }
        if (stacks(whole, parts, n, axis)) {
            text_addf(ops, "%s(%d)", split ? "unstack" : "stack", axis);
            return true;
        }
    }
    if (split) text_addf(ops, "split(%zu, ", n);
    else text_add(ops, "cat(");
    return false;
}

/* ---- the line ---- */

static void add_names(const AutoTensor *tensors, size_t n, Text *rule)
{
    for (size_t i = 0; i < n; i++) {
        if (i) text_add(rule, ", ");
        pattern_quote(tensors[i].name, rule);
    }
}

bool mark_line(Arena *arena, const AutoTensor *sources, size_t source_count,
               const AutoTensor *targets, size_t target_count, MarkLine *out, Error *err)
{
    if (!source_count || !target_count)
        return error_set(err, ERR_USAGE, "nothing is marked on the other side");
    if (source_count > 1 && target_count > 1)
        return error_set(err, ERR_USAGE,
                         "several are marked on both sides; one has to stand alone");
    Text rule = {0}, ops = {0};
    add_names(sources, source_count, &rule);
    text_add(&rule, " -> ");
    add_names(targets, target_count, &rule);
    if (target_count > 1) out->sure = add_parts(sources, targets, target_count, true, &ops);
    else if (source_count > 1) out->sure = add_parts(targets, sources, source_count, false, &ops);
    else out->sure = add_one(sources, targets, &ops);
    if (!out->sure || ops.length) text_addf(&rule, " |> %s", text_string(&ops));
    out->line = out->sure ? suggest_line(arena, text_string(&rule))
                          : arena_printf(arena, "rules [[ %s", text_string(&rule));
    text_done(&rule);
    text_done(&ops);
    return true;
}
