/* One axis is cut into steps, those after it are whole and those before it go index by index. So
 * every box is one contiguous run of the row-major order, and any limit is met. */
#include "loader/tensor/box.h"

/* The product is compared by division, which cannot overflow. Without any axis left to cut, the
 * whole tensor is one box. */
bool box_first(BoxWalk *walk, const int64_t *dims, unsigned rank, uint64_t limit)
{
    *walk = (BoxWalk){.dims = dims, .rank = rank};
    for (unsigned i = 0; i < rank; i++)
        if (dims[i] <= 0) return false;
    /* From the right, as many whole axes as fit; the next one to the left is cut. */
    uint64_t inner = 1;
    unsigned axis = rank;
    while (axis > 0 && inner <= limit / (uint64_t)dims[axis - 1]) inner *= (uint64_t)dims[--axis];
    walk->axis = axis ? axis - 1 : 0;
    walk->step = axis ? (int64_t)(limit / inner) : rank ? dims[0] : 1;
    if (walk->step < 1) walk->step = 1;
    for (unsigned i = 0; i < rank; i++) walk->size[i] = i > walk->axis ? dims[i] : 1;
    if (rank && walk->step > dims[walk->axis]) walk->step = dims[walk->axis];
    if (rank) walk->size[walk->axis] = walk->step;
    return true;
}

/* An odometer: the cut axis moves by its step, the axes before it carry. Those after it are
 * whole and start at 0 always. */
bool box_next(BoxWalk *walk)
{
    if (!walk->rank) return false;
    unsigned axis = walk->axis;
    walk->from[axis] += walk->size[axis];
    while (walk->from[axis] >= walk->dims[axis]) {
        if (axis == 0) return false;
        walk->from[axis] = 0;
        walk->from[--axis]++;
    }
    int64_t left = walk->dims[walk->axis] - walk->from[walk->axis];
    walk->size[walk->axis] = left < walk->step ? left : walk->step;
    return true;
}

/* No overflow: at most the limit, or one element. */
uint64_t box_count(const BoxWalk *walk)
{
    uint64_t count = 1;
    for (unsigned i = 0; i < walk->rank; i++) count *= (uint64_t)walk->size[i];
    return count;
}
