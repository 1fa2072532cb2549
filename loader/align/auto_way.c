/* Which way kernels lie, before any of them is paired. A class is all that has the same sizes, in
 * whatever order: up and down of a feed-forward without biases. How many of them lie [out, in] and
 * how many [in, out] on each side mostly says whether the target has them as they are or turned;
 * where it does not, those classes that say it are followed. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/auto_parts.h"

enum { FEW = 8 };            /* kernels that are needed, and for each that lies otherwise */

/* The k-th kernel of a row, if one can see how it lies; NULL. */
static const AutoTensor *kernel_at(const Side *side, const Template *t, uint32_t k)
{
    const AutoTensor *tensor = main_tensor(side, &side->units[side->order[t->first + k]]);
    int64_t sizes[WAYS_MAX];
    const unsigned n = tensor->dims ? shape_dense(tensor, sizes) : 0;
    for (unsigned i = 1; i < n; i++)
        if (sizes[i] != sizes[0]) return tensor;
    return NULL;
}

/* The first one of a row that shows it; NULL. */
static const AutoTensor *kernel_of(const Side *side, const Template *t)
{
    const AutoTensor *kernel = NULL;
    for (uint32_t k = 0; k < t->count && !kernel; k++) kernel = kernel_at(side, t, k);
    return kernel;
}

static uint64_t dense_hash(const AutoTensor *tensor, bool swapped)
{
    int64_t sizes[WAYS_MAX];
    const unsigned n = shape_dense(tensor, sizes);
    uint64_t hash = hash_mix(97, n);
    for (unsigned i = 0; i < n; i++)
        hash = hash_mix(hash, (uint64_t)sizes[swapped ? n - 1 - i : i]);
    return hash;
}

static int compare_hashes(const void *x, const void *y)
{
    const uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return a < b ? -1 : a > b;
}

/* Whether all templates of a class show how they lie; `sizes` receives what these kernels have in
 * common, 0 where they are several. */
static bool all_show(const Auto *a, int s, const uint32_t *list, size_t n, uint64_t *sizes)
{
    const Side *side = &a->side[s];
    for (size_t i = 0; i < n; i++) {
        const Template *t = &side->templates[list[i]];
        const AutoTensor *kernel = t->group ? NULL : kernel_of(side, t);
        if (!kernel) return false;
        const uint64_t own = shape_canonical(kernel);
        *sizes = (!s && !i) || *sizes == own ? own : 0;
    }
    return true;
}

/* How the kernels of a class lie on one side, sorted. */
static void list_ways(const Auto *a, int s, const uint32_t *list, size_t n, bool swapped,
                      uint64_t *out)
{
    const Side *side = &a->side[s];
    for (size_t i = 0; i < n; i++)
        out[i] = dense_hash(kernel_of(side, &side->templates[list[i]]), swapped);
    qsort(out, n, sizeof *out, compare_hashes);
}

/* How many two sorted lists have in common. */
static size_t count_common(const uint64_t *x, size_t m, const uint64_t *y, size_t n)
{
    size_t common = 0;
    for (size_t i = 0, j = 0; i < m && j < n;) {
        common += x[i] == y[j];
        if (x[i] == y[j]) i++, j++;
        else if (x[i] < y[j]) i++;
        else j++;
    }
    return common;
}

/* Whether a class could be as it is, and turned: each way has a partner for all of the side that
 * has fewer. Kernels of more than two axes are turned where none is as it is. */
typedef struct Ways {
    bool straight, turned;
} Ways;

static Ways ways_of(const Auto *a, const uint32_t *s, size_t rows, const uint32_t *t,
                    size_t columns)
{
    uint64_t as_is[CLASS_MAX], swapped[CLASS_MAX], there[CLASS_MAX], sizes = 0;
    if (rows > CLASS_MAX || columns > CLASS_MAX || !all_show(a, 0, s, rows, &sizes) ||
        !all_show(a, 1, t, columns, &sizes))
        return (Ways){false, false};
    if (!sizes) return (Ways){true, true};
    list_ways(a, 0, s, rows, false, as_is);
    list_ways(a, 0, s, rows, true, swapped);
    list_ways(a, 1, t, columns, false, there);
    int64_t dims[WAYS_MAX];
    const bool matrix = shape_dense(kernel_of(&a->side[0], &a->side[0].templates[*s]), dims) == 2;
    const size_t fewer = rows < columns ? rows : columns;
    const size_t common = count_common(as_is, rows, there, columns);
    return (Ways){common == fewer, matrix ? count_common(swapped, rows, there, columns) == fewer
                                          : common == 0};
}

static unsigned way_rank(const Auto *a, const uint32_t *s)
{
    const unsigned rank = kernel_of(&a->side[0], &a->side[0].templates[*s])->rank;
    return rank < WAYS_MAX ? rank : 0;
}

Way way_of_class(const Auto *a, const uint32_t *s, size_t rows, const uint32_t *t, size_t columns)
{
    const Ways ways = ways_of(a, s, rows, t, columns);
    if (!ways.straight && !ways.turned) return WAY_OPEN;
    if (ways.straight != ways.turned && rows == columns)
        return ways.straight ? WAY_STRAIGHT : WAY_TURNED;
    const Way most = a->ways[way_rank(a, s)];
    if (most == WAY_STRAIGHT && ways.straight) return WAY_STRAIGHT;
    return most == WAY_TURNED && ways.turned ? WAY_TURNED : WAY_OPEN;
}

/* Kernels of numbered blocks: an embedding and a head may lie otherwise. */
static uint32_t count_kernels(const Side *side, const uint32_t *list, size_t n)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const Template *t = &side->templates[list[i]];
        if (side->coarse[t->coarse].slot_count) count += t->count;
    }
    return count;
}

void ways_count(Auto *a, const ClassList *source, const ClassList *target)
{
    uint64_t straight[WAYS_MAX] = {0}, turned[WAYS_MAX] = {0};
    for (size_t c = 0; c < a->class_count; c++) {
        const uint32_t *s = source->templates + source->first[c];
        const uint32_t *t = target->templates + target->first[c];
        const size_t rows = source->first[c + 1] - source->first[c];
        const size_t columns = target->first[c + 1] - target->first[c];
        if (!rows || rows != columns) continue;
        const Ways ways = ways_of(a, s, rows, t, columns);
        if (ways.straight == ways.turned) continue;
        *(ways.straight ? &straight[way_rank(a, s)] : &turned[way_rank(a, s)]) +=
            count_kernels(&a->side[0], s, rows);
    }
    for (unsigned rank = 0; rank < WAYS_MAX; rank++) {
        a->ways[rank] = WAY_OPEN;
        if (straight[rank] >= FEW * (turned[rank] + 1)) a->ways[rank] = WAY_STRAIGHT;
        if (turned[rank] >= FEW * (straight[rank] + 1)) a->ways[rank] = WAY_TURNED;
    }
}

bool way_differs(const Auto *a, const Template *s, const Template *t, Way way)
{
    for (uint32_t k = 0; k < s->count && k < t->count && way != WAY_OPEN; k++) {
        const AutoTensor *x = kernel_at(&a->side[0], s, k), *y = kernel_at(&a->side[1], t, k);
        if (x && y && shape_canonical(x) == shape_canonical(y))
            return (dense_hash(x, false) == dense_hash(y, false)) != (way == WAY_STRAIGHT);
    }
    return false;
}
