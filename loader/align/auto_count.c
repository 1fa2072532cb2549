/* How a template's free numbers count its units: 0 … 31, or 1 … 12, with holes or without. */
#include "loader/align/auto_parts.h"

Counting counting_of(const Side *side, const Template *t)
{
    Counting counting = {.hash = hash_mix(17, 0)};
    unsigned slots = side->coarse[t->coarse].slot_count;
    for (unsigned i = 0; i < slots; i++) {
        if (t->literal >> i & 1) continue;
        int64_t low = INT64_MAX, high = INT64_MIN;
        for (uint32_t k = 0; k < t->count; k++) {
            const Unit *unit = &side->units[side->order[t->first + k]];
            int64_t number = side->numbers[unit->numbers + i];
            if (number < low) low = number;
            if (number > high) high = number;
        }
        if (low == high) continue;
        counting.slot[counting.count] = (uint8_t)i;
        counting.low[counting.count++] = low;
        counting.hash = hash_mix(counting.hash, (uint64_t)(high - low));
    }
    return counting;
}

uint64_t counting_key(const Counting *counting, const Side *side, const Unit *unit)
{
    uint64_t key = 23;
    for (unsigned i = 0; i < counting->count; i++)
        key = hash_mix(key, (uint64_t)(side->numbers[unit->numbers + counting->slot[i]] -
                                       counting->low[i]));
    return key;
}

uint64_t counting_base(const Counting *counting)
{
    uint64_t hash = hash_mix(19, counting->count);
    for (unsigned i = 0; i < counting->count; i++)
        hash = hash_mix(hash, (uint64_t)counting->low[i]);
    return hash;
}

bool counting_same(const Side *x, const Template *s, const Counting *p, const Side *y,
                   const Template *t, const Counting *q)
{
    for (uint32_t k = 0; k < s->count && k < t->count; k++)
        if (counting_key(p, x, &x->units[x->order[s->first + k]]) !=
            counting_key(q, y, &y->units[y->order[t->first + k]]))
            return false;
    return s->count == t->count;
}
