/* Shapes compared: the kinds of difference are tried from the one that is mended without loss
 * (another order of axes) to the one that is not (another rank and count).
 *
 *   8×1×1     for 8         ONES        reshape(8)
 *   2048×100  for 100×2048  ORDER       T
 *   1000×2048 for 200×2048  ONE_AXIS    fit(0)
 *   12×64×768 for 768×768   COUNT       reshape(768, 768)
 *   64×3×7×7  for 64×147    COUNT       reshape(64, 147) */
#include "loader/align/shape_diff.h"

#include <string.h>

#include "loader/core/text.h"

/* Whether permuting `from` by `order` gives `to`. (3, 2, 0, 1) takes 3×3×64×128 to 128×64×3×3. */
static bool is_order(const int64_t *from, const int64_t *to, const int *order, unsigned rank)
{
    for (unsigned i = 0; i < rank; i++)
        if (to[i] != from[order[i]]) return false;
    return true;
}

/* Tries the orders that the field uses first (reversed axes; TensorFlow's kernels HWIO), then
 * takes for each wanted axis the first free one of its size. False when the sizes are not the
 * same. Among equal sizes the choice is a guess, which reports say: 512×512 turned looks the
 * same. */
static bool find_order(const int64_t *from, const int64_t *to, unsigned rank, int *order)
{
    static const int hwio[] = {3, 2, 0, 1};
    bool taken[TENSOR_RANK_MAX] = {false};
    for (unsigned i = 0; i < rank; i++) order[i] = rank == 4 ? hwio[i] : (int)(rank - 1 - i);
    if (is_order(from, to, order, rank)) return true;
    for (unsigned i = 0; i < rank; i++) {
        unsigned j = 0;
        while (j < rank && (taken[j] || from[j] != to[i])) j++;
        if (j == rank) return false;
        taken[j] = true;
        order[i] = (int)j;
    }
    return true;
}

/* 8×1×1 and 8; 1×5 and 5×1. Two walks that pass over ones, in step. */
static bool same_but_ones(const int64_t *a, unsigned a_rank, const int64_t *b, unsigned b_rank)
{
    unsigned i = 0, j = 0;
    for (;;) {
        while (i < a_rank && a[i] == 1) i++;
        while (j < b_rank && b[j] == 1) j++;
        if (i == a_rank || j == b_rank) return i == a_rank && j == b_rank;
        if (a[i++] != b[j++]) return false;
    }
}

/* Equal products; false when one overflows. A product that overflows is no count at all. */
static bool same_count(const int64_t *a, unsigned a_rank, const int64_t *b, unsigned b_rank)
{
    uint64_t x = 1, y = 1;
    for (unsigned i = 0; i < a_rank; i++)
        if (!sum_mul(x, (uint64_t)a[i], &x)) return false;
    for (unsigned i = 0; i < b_rank; i++)
        if (!sum_mul(y, (uint64_t)b[i], &y)) return false;
    return x == y;
}

/* The first description that fits, the most telling one first. */
ShapeDiff shape_diff(const int64_t *from, unsigned from_rank, const int64_t *to, unsigned to_rank)
{
    ShapeDiff diff = {.rank = to_rank};
    if (same_dims(from, from_rank, to, to_rank)) return diff;
    if (same_but_ones(from, from_rank, to, to_rank)) {
        diff.kind = SHAPES_ONES;
    } else if (from_rank != to_rank) {
        diff.kind = same_count(from, from_rank, to, to_rank) ? SHAPES_COUNT : SHAPES_RANK;
    } else if (find_order(from, to, to_rank, diff.order)) {
        diff.kind = SHAPES_ORDER;
    } else {
        unsigned count = 0;
        for (unsigned i = 0; i < to_rank; i++) {
            if (from[i] == to[i]) continue;
            diff.axis = i;
            diff.axes |= 1u << i;
            count++;
        }
        diff.kind = count == 1 ? SHAPES_ONE_AXIS : SHAPES_AXES;
    }
    return diff;
}

/* "dims 0, 1 and 3". */
static const char *list_axes(Arena *arena, const ShapeDiff *diff)
{
    Text text = {0};
    unsigned left = (unsigned)__builtin_popcount(diff->axes);
    text_add(&text, "dims ");
    for (unsigned i = 0; i < diff->rank; i++) {
        if (!(diff->axes >> i & 1)) continue;
        left--;
        text_addf(&text, "%u%s", i, left > 1 ? ", " : left == 1 ? " and " : "");
    }
    return text_keep(&text, arena);
}

/* Questions where more than one mending would give the shape. */
const char *shape_diff_reason(Arena *arena, const ShapeDiff *diff, unsigned from_rank)
{
    switch (diff->kind) {
    case SHAPES_EQUAL: return NULL;
    case SHAPES_ONE_AXIS: return diff->axis ? arena_printf(arena, "dim %u", diff->axis) : "dim 0";
    case SHAPES_AXES: return list_axes(arena, diff);
    case SHAPES_ORDER:
        return diff->rank == 2 ? "same sizes, other order: transpose?"
                               : "same sizes, other order: permute?";
    case SHAPES_ONES: return "the same but for axes of size 1: reshape?";
    case SHAPES_COUNT: return "as many elements, another rank: reshape?";
    case SHAPES_RANK: break;
    }
    return arena_printf(arena, "rank %u → %u", from_rank, diff->rank);
}

/* ONE_AXIS gives fit, which loses or makes up values; the others lose none. */
const char *shape_diff_op(Arena *arena, const ShapeDiff *diff, const int64_t *to)
{
    if (diff->kind == SHAPES_ONE_AXIS) return arena_printf(arena, "fit(%u)", diff->axis);
    if (diff->kind == SHAPES_ORDER && diff->rank == 2) return "T";
    bool order = diff->kind == SHAPES_ORDER;
    if (!order && diff->kind != SHAPES_ONES && diff->kind != SHAPES_COUNT) return NULL;
    Text text = {0};
    text_add(&text, order ? "permute(" : "reshape(");
    for (unsigned i = 0; i < diff->rank; i++)
        text_addf(&text, "%s%lld", i ? ", " : "",
                  order ? (long long)diff->order[i] : (long long)to[i]);
    text_addc(&text, ')');
    return text_keep(&text, arena);
}
