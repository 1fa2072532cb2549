/* Found: bundles of auto{} and of match{}, see found.h. */
#include "loader/align/found.h"

#include <stdlib.h>
#include <string.h>

#include "loader/align/align_parts.h"
#include "loader/align/draft_parts.h"

/* The key that match{} paired with the index-th target; NULL: none. */
static const DraftKey *matched_key(const Alignment *alignment, size_t index)
{
    const Match *match = alignment->matches ? &alignment->matches[index] : NULL;
    if (!match || !match->rule || match->key == MAP_NONE || match->ambiguous) return NULL;
    return draft_at(alignment->draft, match->key);
}

bool found_is_matched(const Alignment *alignment)
{
    return alignment->automatic && draft_later(alignment->draft)->match_count > 0;
}

/* What match{"order"} does where only the number of elements agrees. */
static bool is_reshaped(const Alignment *alignment, size_t index, const DraftKey *key)
{
    const Tensor *target = alignment->bindings[index].target;
    if (alignment->matches[index].rule->shape != MATCH_SAME_COUNT) return false;
    if (!key->expr || key->expr->unknown || !target->dims) return false;
    return !same_dims(key->expr->dims, key->expr->rank, target->dims, target->rank);
}

/* One key may be for several targets: copies of it. Targets stand in their order. */
static void add_matched(const Alignment *alignment, Arena *arena, size_t first, uint32_t *next,
                        Bundle *out)
{
    const DraftKey *key = matched_key(alignment, first);
    size_t count = 0;
    for (size_t i = first + 1; i; i = next[i - 1]) count++;
    const char **names = arena_alloc(arena, (count + 1) * sizeof *names);
    size_t at = 0;
    names[at++] = key->name;
    for (size_t i = first + 1; i; i = next[i - 1]) names[at++] = alignment->bindings[i - 1].name;
    NameList *list = arena_alloc(arena, sizeof *list);
    *list = (NameList){names, 1};
    Op *op = arena_alloc(arena, sizeof *op);
    const Tensor *target = alignment->bindings[first].target;
    bool reshaped = count == 1 && is_reshaped(alignment, first, key);
    *op = reshaped ? (Op){.kind = OP_RESHAPE, .list = target->dims, .list_count = target->rank}
                   : (Op){.kind = OP_COPY};
    *out = (Bundle){.sources = list, .source_count = 1, .targets = names + 1,
                    .target_count = count, .ops = op, .op_count = reshaped || count > 1,
                    .confidence = 1, .why = alignment->matches[first].rule->what};
}

/* Targets of one key are chained through `next`, 1 + the next target. */
static size_t collect_matched(const Alignment *alignment, Arena *arena, Bundle *out)
{
    size_t keys = draft_count(alignment->draft), count = 0;
    uint32_t *last = mem_alloc((keys + 1) * sizeof *last);
    uint32_t *next = mem_alloc((alignment->count + 1) * sizeof *next);
    bool *begins = mem_alloc(alignment->count + 1);
    for (size_t i = 0; i < alignment->count; i++) {
        if (!matched_key(alignment, i)) continue;
        uint32_t key = alignment->matches[i].key;
        if (last[key]) next[last[key] - 1] = (uint32_t)i + 1;
        else begins[i] = true;
        last[key] = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < alignment->count; i++)
        if (begins[i]) add_matched(alignment, arena, i, next, &out[count++]);
    free(last);
    free(next);
    free(begins);
    return count;
}

bool found_collect(const Alignment *alignment, Arena *arena, InduceInput *out)
{
    if (!alignment->automatic) return false;
    Bundle *bundles = arena_alloc(arena, (alignment->bundle_count + alignment->count + 1) *
                                             sizeof *bundles);
    for (size_t i = 0; i < alignment->bundle_count; i++) bundles[i] = alignment->bundles[i];
    size_t count = alignment->bundle_count;
    count += collect_matched(alignment, arena, bundles + count);
    *out = (InduceInput){bundles, count, alignment->asked,
                          alignment->asked_count, false};
    return true;
}
