/* Marks over a ledger, see align_marks.h. */
#include "loader/align/align_marks.h"

#include <string.h>

#include "loader/align/align_parts.h"
#include "loader/align/draft_parts.h"

/* Dims of a scalar: NULL would mean that they are not known. */
static const int64_t no_dims[1];

static AutoTensor tensor_of_key(const DraftKey *key)
{
    const Expr *value = key_value(key);
    bool known = value && !value->unknown;
    return (AutoTensor){key->name, known ? value->rank ? value->dims : no_dims : NULL,
                        known ? value->rank : 0, value ? value->dtype : DT_UNKNOWN};
}

AutoTensor align_target_tensor(const Binding *binding)
{
    const Tensor *target = binding->target;
    const int64_t *dims = target && target->dims ? target->dims : no_dims;
    bool known = target && target->dims;
    return (AutoTensor){binding->name, known ? dims : NULL, known ? target->rank : 0,
                        binding->dtype};
}

bool align_key(const Alignment *alignment, const char *name, AutoTensor *out)
{
    const DraftKey *key = draft_find(alignment->draft, name);
    if (!key || !key->expr) return false;
    *out = tensor_of_key(key);
    return true;
}

/* What pairs at the end was renamed by no statement: then a step before has the name. */
const char *align_key_name(const Alignment *alignment, const Tensor *tensor, const Step *step)
{
    for (; step && step->to; step = step->before_count == 1 ? step->before[0] : NULL) {
        if (draft_find(alignment->draft, step->to)) return step->to;
        if (step->before_count) continue;
        return draft_find(alignment->draft, step->from) ? step->from : NULL;
    }
    return !step && draft_find(alignment->draft, tensor->name) ? tensor->name : NULL;
}

const MarkResult *align_marks(const Alignment *alignment, const Bundle *marks, size_t n,
                              Arena *arena, Error *err)
{
    size_t keys = draft_count(alignment->draft), targets = alignment->count;
    AutoTensor *from = arena_alloc(arena, (keys + 1) * sizeof *from);
    AutoTensor *to = arena_alloc(arena, (targets + 1) * sizeof *to);
    bool *key_settled = arena_alloc(arena, keys + 1);
    bool *target_settled = arena_alloc(arena, targets + 1);
    for (size_t i = 0; i < keys; i++) {
        const DraftKey *key = draft_at(alignment->draft, i);
        const Binding *binding = match_target(alignment, i);
        from[i] = tensor_of_key(key);
        key_settled[i] = !key->expr || (binding && align_is_loaded(binding));
    }
    for (size_t i = 0; i < targets; i++) {
        const Binding *binding = &alignment->bindings[i];
        to[i] = align_target_tensor(binding);
        target_settled[i] = align_is_loaded(binding);
    }
    const MarkInput input = {marks, n, from, keys, to, targets, key_settled, target_settled};
    return induce_from_marks(arena, &input, err);
}
