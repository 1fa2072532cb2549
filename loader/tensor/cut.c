/* Shapes of ranks, held against each other and against the width of the model. */
#include "loader/tensor/cut.h"

#include <stdlib.h>
#include <string.h>

/* The tensor of a name in every rank, if they could be pieces of one; else false. *differs receives
 * the number of dims in which they differ, *dim the last of them, *sum its sizes together. */
static bool compare_ranks(const StateDict *const *ranks, size_t n, const Tensor *first,
                          unsigned *differs, unsigned *dim, int64_t *sum)
{
    bool different[TENSOR_RANK_MAX] = {false};
    *differs = *dim = 0;
    for (size_t i = 1; i < n; i++) {
        const Tensor *other = dict_find(ranks[i], first->name);
        if (!other || !other->dims || other->rank != first->rank || other->dtype != first->dtype)
            return false;
        for (unsigned k = 0; k < first->rank; k++)
            different[k] = different[k] || other->dims[k] != first->dims[k];
    }
    for (unsigned k = 0; k < first->rank; k++)
        if (different[k]) {
            *dim = k;
            ++*differs;
        }
    *sum = 0;
    for (size_t i = 0; *differs == 1 && i < n; i++)
        if (__builtin_add_overflow(*sum, dict_find(ranks[i], first->name)->dims[*dim], sum))
            return false;
    return true;
}

static int compare_sizes(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* The size that occurs most often among vectors that all ranks have alike; of several the
 * largest. */
static int64_t find_width(const Cut *cuts, size_t count)
{
    int64_t *sizes = mem_alloc((count + 1) * sizeof *sizes), width = 0;
    size_t n = 0, most = 0;
    for (size_t i = 0; i < count; i++)
        if (cuts[i].kind == CUT_UNKNOWN && cuts[i].first->rank == 1)
            sizes[n++] = cuts[i].first->dims[0];
    qsort(sizes, n, sizeof *sizes, compare_sizes);
    for (size_t i = 0, run; i < n; i += run) {
        for (run = 1; i + run < n && sizes[i + run] == sizes[i]; run++) {}
        if (run >= most) width = sizes[i];
        if (run >= most) most = run;
    }
    free(sizes);
    return width;
}

/* Whether pieces along `dim` of a matrix leave the width where a layer of that width has it. */
static bool fits_width(const int64_t *dims, unsigned dim, size_t n, int64_t width)
{
    int64_t joined;
    return dims[1 - dim] == width ||
           (!__builtin_mul_overflow(dims[dim], (int64_t)n, &joined) && joined == width);
}

/* Shapes that are equal in all ranks. */
static void judge(Cut *cut, size_t n, int64_t width)
{
    const int64_t *dims = cut->first->dims;
    if (cut->kind != CUT_UNKNOWN || !width) return;
    if (cut->first->rank == 1 && dims[0] == width) cut->kind = CUT_WHOLE;
    if (cut->first->rank != 2) return;
    bool first = fits_width(dims, 0, n, width), second = fits_width(dims, 1, n, width);
    if (first == second) return;
    cut->dim = second;
    if (!__builtin_mul_overflow(dims[cut->dim], (int64_t)n, &cut->whole)) cut->kind = CUT_DIM;
}

size_t cut_find(Arena *arena, const StateDict *const *ranks, size_t n, Cut **out, int64_t *width)
{
    Cut *cuts = arena_alloc(arena, (dict_count(ranks[0]) + 1) * sizeof *cuts);
    size_t count = 0;
    for (size_t i = 0; i < dict_count(ranks[0]); i++) {
        Cut cut = {.first = dict_at(ranks[0], i), .kind = CUT_UNKNOWN};
        unsigned differs;
        if (!cut.first->dims ||
            !compare_ranks(ranks, n, cut.first, &differs, &cut.dim, &cut.whole))
            continue;
        if (differs == 1) cut.kind = CUT_DIM;
        if (differs > 1) cut.kind = CUT_NEVER;
        cut.sure = differs == 1;
        cuts[count++] = cut;
    }
    *width = find_width(cuts, count);
    for (size_t i = 0; i < count; i++) judge(&cuts[i], n, *width);
    *out = cuts;
    return count;
}
