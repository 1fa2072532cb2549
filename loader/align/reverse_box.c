/* Boxes of a node: mapped through a change of shape, and put together to the whole. */
#include <stdlib.h>
#include <string.h>

#include "loader/align/reverse_parts.h"

/* How often a region is cut up, and what it may cost: there are as many ways as orders of axes. */
enum { CUT_DEPTH = 40, BUDGET = 10000, BUDGET_EACH = 100 };

bool piece_is_whole(const Expr *node, const Piece *piece)
{
    for (unsigned i = 0; i < node->rank; i++)
        if (piece->from[i] != 0 || piece->size[i] != node->dims[i]) return false;
    return true;
}

/* ---- changes of shape ---- */

/* Axes first … end of a shape that together count as many elements as those of another. */
typedef struct Group {
    const int64_t *dims;
    unsigned first, end;
} Group;

/* The elements of the box within a group, when they follow one another: *start and *count. */
static bool find_run(const Group *group, const Piece *piece, int64_t *start, int64_t *count)
{
    bool open = true;            /* only sizes of 1 so far */
    *start = 0;
    *count = 1;
    for (unsigned i = group->first; i < group->end; i++) {
        bool full = piece->size[i] == group->dims[i];
        if (!open && !full) return false;
        if (piece->size[i] != 1 || group->dims[i] == 1) open = open && group->dims[i] == 1;
        *start = *start * group->dims[i] + piece->from[i];
        *count *= piece->size[i];
    }
    return true;
}

/* The other way: elements start … start+count as a box within a group. */
static bool place_run(const Group *group, int64_t start, int64_t count, Piece *out)
{
    int64_t inner = 1;           /* elements of one index of axis i */
    for (unsigned i = group->end; i-- > group->first;) {
        int64_t dim = group->dims[i], at = start / inner % dim, n = count / inner;
        if (start % inner || count % inner) return false;
        if (at + n <= dim) {
            for (unsigned k = group->end; k-- > i + 1;) {
                out->from[k] = 0;
                out->size[k] = group->dims[k];
            }
            out->from[i] = at;
            out->size[i] = n;
            for (int64_t left = start / inner / dim; i-- > group->first; left /= group->dims[i]) {
                out->from[i] = left % group->dims[i];
                out->size[i] = 1;
            }
            return true;
        }
        inner *= dim;
    }
    return group->first == group->end && start == 0 && count == 1;
}

/* The least number of axes on both sides that count the same; false at the end. */
static bool next_group(Group *a, unsigned a_rank, Group *b, unsigned b_rank)
{
    int64_t one = 1, two = 1;
    a->first = a->end;
    b->first = b->end;
    if (a->end == a_rank && b->end == b_rank) return false;
    if (a->end < a_rank) one = a->dims[a->end++];
    if (b->end < b_rank) two = b->dims[b->end++];
    while (one != two) {
        if (one < two && a->end < a_rank) one *= a->dims[a->end++];
        else if (b->end < b_rank) two *= b->dims[b->end++];
        else return false;       /* never: the shapes count the same */
    }
    return true;
}

bool reverse_map_box(const int64_t *dims, unsigned rank, const Piece *piece,
                     const int64_t *other, unsigned other_rank, Piece *out)
{
    Group a = {dims, 0, 0}, b = {other, 0, 0};
    for (unsigned i = 0; i < rank; i++)
        if (dims[i] == 0) return false;
    while (next_group(&a, rank, &b, other_rank)) {
        int64_t start, count;
        if (!find_run(&a, piece, &start, &count) || !place_run(&b, start, count, out)) return false;
    }
    return a.end == rank && b.end == other_rank;
}

/* ---- the whole from its parts ---- */

/* A region that is to be covered, and where its expressions go. */
typedef struct Region {
    Arena *arena;
    uint64_t *budget;            /* pieces that may still be looked at; then it is given up */
    unsigned rank;
    int64_t from[TENSOR_RANK_MAX], size[TENSOR_RANK_MAX];
} Region;

static bool is_inside(const Region *region, const Piece *piece)
{
    for (unsigned i = 0; i < region->rank; i++)
        if (piece->from[i] < region->from[i] ||
            piece->from[i] + piece->size[i] > region->from[i] + region->size[i])
            return false;
    return true;
}

static bool covers(const Region *region, const Piece *piece, int axis)
{
    for (unsigned i = 0; i < region->rank; i++)
        if ((int)i != axis && (piece->from[i] > region->from[i] ||
                               piece->from[i] + piece->size[i] < region->from[i] + region->size[i]))
            return false;
    return true;
}

/* Only the part of a piece that lies in the region. */
static bool clip(const Region *region, const Piece *piece, Piece *out)
{
    *out = *piece;
    for (unsigned i = 0; i < region->rank; i++) {
        int64_t low = piece->from[i] > region->from[i] ? piece->from[i] : region->from[i];
        int64_t end = piece->from[i] + piece->size[i], wanted = region->from[i] + region->size[i];
        if (end > wanted) end = wanted;
        if (low >= end) return false;
        if (low > piece->from[i] || end < piece->from[i] + piece->size[i])
            out->expr = expr_slice(region->arena, out->expr, (int)i, low - piece->from[i],
                                   end - piece->from[i], NULL);
        if (!out->expr) return false;
        out->from[i] = low;
        out->size[i] = end - low;
    }
    return true;
}

static const Expr *join(const Region *region, const Piece *parts, size_t n, unsigned axis,
                        Piece *whole)
{
    const Expr **list = mem_alloc(n * sizeof *list);
    bool rounded = false;
    for (size_t i = 0; i < n; i++) {
        list[i] = parts[i].expr;
        rounded = rounded || parts[i].rounded;
    }
    const Expr *e = expr_cat(region->arena, (int)axis, list, n, NULL);
    free(list);
    *whole = (Piece){.expr = e, .by = parts[0].by, .rounded = rounded};
    memcpy(whole->from, region->from, sizeof whole->from);
    memcpy(whole->size, region->size, sizeof whole->size);
    return e;
}

/* By where they begin; of those that begin together the one that reaches further comes first. */
static int compare_on(const Piece *a, const Piece *b, unsigned axis)
{
    if (a->from[axis] != b->from[axis]) return a->from[axis] < b->from[axis] ? -1 : 1;
    if (a->size[axis] != b->size[axis]) return a->size[axis] > b->size[axis] ? -1 : 1;
    return 0;
}

static void sort_on(Piece *pieces, size_t n, unsigned axis)
{
    for (size_t width = 1; width < n; width *= 2) {      /* stable: equal ones keep their order */
        Piece *merged = mem_alloc(n * sizeof *merged);
        for (size_t low = 0; low < n; low += 2 * width) {
            size_t middle = low + width < n ? low + width : n;
            size_t end = low + 2 * width < n ? low + 2 * width : n, i = low, k = middle;
            for (size_t to = low; to < end; to++) {
                bool left = k == end ||
                            (i < middle && compare_on(&pieces[i], &pieces[k], axis) <= 0);
                merged[to] = left ? pieces[i++] : pieces[k++];
            }
        }
        memcpy(pieces, merged, n * sizeof *pieces);
        free(merged);
    }
}

/* One after the other along an axis, each whole on the others; overlaps are cut off. */
static bool cover_line(const Region *region, Piece *pieces, size_t n, unsigned axis, Piece *whole)
{
    Piece *chosen = mem_alloc((n + 1) * sizeof *chosen);
    size_t count = 0;
    int64_t at = region->from[axis], end = at + region->size[axis];
    sort_on(pieces, n, axis);
    for (size_t i = 0; i < n && at < end; i++) {
        const Piece *best = NULL;    /* of those that begin at or before `at`: the furthest */
        for (; i < n && pieces[i].from[axis] <= at; i++)
            if (covers(region, &pieces[i], (int)axis) &&
                (!best || pieces[i].from[axis] + pieces[i].size[axis] >
                              best->from[axis] + best->size[axis]))
                best = &pieces[i];
        if (!best || best->from[axis] + best->size[axis] <= at) break;
        Region rest = *region;
        rest.from[axis] = at;
        rest.size[axis] = end - at;
        if (!clip(&rest, best, &chosen[count])) break;
        at = best->from[axis] + best->size[axis];
        count++;
        i--;                     /* the loop goes on with the first that begins later */
    }
    bool fine = at >= end && count && join(region, chosen, count, axis, whole);
    free(chosen);
    return fine;
}

static bool cover(const Region *region, Piece *pieces, size_t n, unsigned depth, Piece *whole);

/* Cuts the region where no piece lies across, and covers each part by itself. */
static bool cover_parts(const Region *region, Piece *pieces, size_t n, unsigned axis,
                        unsigned depth, Piece *whole)
{
    sort_on(pieces, n, axis);
    Piece *parts = mem_alloc((n + 1) * sizeof *parts);
    size_t count = 0, first = 0;
    int64_t at = region->from[axis], end = at + region->size[axis];
    bool fine = n > 0 && pieces[0].from[axis] == at;
    while (fine && first < n) {
        int64_t reach = pieces[first].from[axis] + pieces[first].size[axis];
        size_t last = first + 1;
        for (; last < n && pieces[last].from[axis] < reach; last++) {
            int64_t to = pieces[last].from[axis] + pieces[last].size[axis];
            if (to > reach) reach = to;
        }
        Region part = *region;
        part.from[axis] = at;
        part.size[axis] = reach - at;
        fine = pieces[first].from[axis] == at && (last < n || first > 0) &&
               cover(&part, pieces + first, last - first, depth + 1, &parts[count]);
        count += fine;
        at = reach;
        first = last;
    }
    fine = fine && at == end && join(region, parts, count, axis, whole);
    free(parts);
    return fine;
}

/* As it is, in a line, or in parts. The order of axes is kept, so that the answer is the same each
 * time. */
static bool cover(const Region *region, Piece *pieces, size_t n, unsigned depth, Piece *whole)
{
    if (*region->budget < n) return false;
    *region->budget -= n;
    for (size_t i = 0; i < n; i++)
        if (covers(region, &pieces[i], -1)) return clip(region, &pieces[i], whole);
    if (depth > CUT_DEPTH) return false;
    for (unsigned axis = 0; axis < region->rank; axis++)
        if (cover_line(region, pieces, n, axis, whole)) return true;
    for (unsigned axis = 0; axis < region->rank; axis++)
        if (cover_parts(region, pieces, n, axis, depth, whole)) return true;
    return false;
}

/* Exact pieces are preferred to rounded ones. */
bool reverse_cover(Arena *arena, const Expr *node, const Piece *pieces, size_t n, Piece *whole)
{
    uint64_t budget = BUDGET + BUDGET_EACH * (uint64_t)n;
    Region region = {.arena = arena, .budget = &budget, .rank = node->rank};
    if (!n) return false;
    memcpy(region.size, node->dims, node->rank * sizeof *region.size);
    for (int rounded = 0; rounded < 2; rounded++)
        for (size_t i = 0; i < n; i++)
            if (pieces[i].rounded == (rounded == 1) && piece_is_whole(node, &pieces[i])) {
                *whole = pieces[i];
                return true;
            }
    Piece *own = mem_alloc(n * sizeof *own);
    size_t exact = 0, count = 0;
    for (size_t i = 0; i < n; i++)
        if (!pieces[i].rounded && is_inside(&region, &pieces[i])) own[exact++] = pieces[i];
    bool fine = exact && cover(&region, own, exact, 0, whole);
    for (size_t i = 0; !fine && i < n; i++)
        if (is_inside(&region, &pieces[i])) own[count++] = pieces[i];
    fine = fine || (count > exact && cover(&region, own, count, 0, whole));
    free(own);
    return fine;
}
