/* Shapes, as far as automatic alignment compares them. */
#include "loader/align/auto_parts.h"

unsigned shape_dense(const AutoTensor *tensor, int64_t out[8])
{
    unsigned n = 0;
    for (unsigned i = 0; i < tensor->rank && n < 8; i++)
        if (tensor->dims[i] != 1) out[n++] = tensor->dims[i];
    return n;
}

/* Sizes in ascending order: at most eight. */
static void sort_sizes(int64_t *sizes, unsigned n)
{
    for (unsigned i = 1; i < n; i++)
        for (unsigned j = i; j && sizes[j - 1] > sizes[j]; j--) {
            int64_t swap = sizes[j];
            sizes[j] = sizes[j - 1];
            sizes[j - 1] = swap;
        }
}

uint64_t shape_canonical(const AutoTensor *tensor)
{
    int64_t sizes[8];
    if (!tensor->dims) return 1;
    unsigned n = shape_dense(tensor, sizes);
    sort_sizes(sizes, n);
    uint64_t hash = hash_mix(2, n);
    for (unsigned i = 0; i < n; i++) hash = hash_mix(hash, (uint64_t)sizes[i]);
    return hash;
}

bool shape_same(const AutoTensor *a, const AutoTensor *b)
{
    if (!a->dims || !b->dims) return true;
    if (a->rank != b->rank) return false;
    for (unsigned i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

/* The size of a unit's vectors, its bias, where that says which of its kernel's axes is the outer
 * one; 0. */
static int64_t width_of(const Side *side, const Unit *unit)
{
    int64_t sizes[8], width = 0;
    const AutoTensor *kernel = main_tensor(side, unit);
    const unsigned n = kernel->dims ? shape_dense(kernel, sizes) : 0;
    for (uint32_t i = 1; i < unit->count && n > 1; i++) {
        const AutoTensor *member = &side->given->tensors[side->members[unit->first + i]];
        int64_t own[8];
        const unsigned rank = member->dims ? shape_dense(member, own) : 0;
        const bool stacked = rank == 2 && n == 3 && own[0] == sizes[0];
        if (rank != 1 && !stacked) continue;
        if (width && own[rank - 1] != width) return 0;
        width = own[rank - 1];
    }
    bool among = false, equal = true;
    for (unsigned i = 0; i < n; i++) {
        among = among || sizes[i] == width;
        equal = equal && sizes[i] == sizes[0];
    }
    return among && !equal ? width : 0;
}

void shapes_tell_width(Auto *a)
{
    Table without = {.arena = a->arena};
    for (int s = 0; s < 2; s++)
        for (uint32_t i = 0; i < a->side[s].unit_count; i++) {
            const Unit *unit = &a->side[s].units[i];
            if (!width_of(&a->side[s], unit)) table_add(&without, unit->shape, 0, NULL);
        }
    for (int s = 0; s < 2; s++)
        for (uint32_t i = 0; i < a->side[s].unit_count; i++) {
            Unit *unit = &a->side[s].units[i];
            if (table_find(&without, unit->shape)) continue;
            unit->shape = hash_mix(unit->shape, (uint64_t)width_of(&a->side[s], unit));
        }
}

unsigned shape_turned(unsigned rank, unsigned axis)
{
    if (rank < 2 || axis + 2 < rank) return axis;
    return axis + 1 == rank ? rank - 2 : rank - 1;
}

int shape_joins(const int64_t *whole, unsigned rank, const AutoTensor *const *parts, size_t n,
                bool turned, int64_t *sizes)
{
    if (turned && rank != 2 && rank != 3) return -1;
    for (unsigned axis = 0; axis < rank; axis++) {
        int64_t sum = 0;
        bool fits = true;
        for (size_t p = 0; p < n && fits; p++) {
            fits = parts[p]->dims && parts[p]->rank == rank;
            for (unsigned i = 0; i < rank && fits; i++) {
                const int64_t size = parts[p]->dims[turned ? shape_turned(rank, i) : i];
                if (i != axis) fits = size == whole[i];
                else fits = !__builtin_add_overflow(sum, size, &sum);
                if (i == axis) sizes[p] = size;
            }
        }
        if (fits && sum == whole[axis]) return (int)axis;
    }
    return -1;
}

bool unit_is_matrix(const Side *side, const Unit *unit)
{
    int64_t sizes[8];
    const AutoTensor *main = main_tensor(side, unit);
    return main->dims && shape_dense(main, sizes) > 1;
}

void shapes_count(const Auto *a, Arena *arena, Table counts[2])
{
    for (int s = 0; s < 2; s++) {
        counts[s] = (Table){.arena = arena};
        for (uint32_t i = 0; i < a->side[s].unit_count; i++)
            (*table_add(&counts[s], a->side[s].units[i].shape, 0, NULL))++;
    }
}
