/* Groups: which of the target's parameters are trained, and with which options; what freeze and
 * group come to once the bindings are closed.
 *
 * Parameters are the target's tensors in their order, without buffers, without what is no float,
 * and without later names of tied ones: PyTorch's model.parameters(). Frozen ones are in no group.
 * Group 0 is what no statement has put into another one. An optimizer numbers parameters
 * group by group, so the first id of a group is the sum of the sizes of those before it. */
#ifndef LOADER_ALIGN_GROUPS_H
#define LOADER_ALIGN_GROUPS_H

#include "loader/align/align.h"
#include "loader/core/json.h"

typedef struct ParamGroup {
    const GroupRule *rule;       /* NULL: the rest, of which no statement gives options */
    const Binding **params;      /* [count], in target order */
    size_t count;
} ParamGroup;

typedef struct ParamGroups {
    ParamGroup *groups;          /* [group_count]; the rest first, unless nothing is left for it */
    size_t group_count;
    const Binding **frozen;      /* [frozen_count], in target order */
    size_t frozen_count;
    size_t params;               /* in groups and frozen */
    bool ordered;                /* the target's order is that of the model */
} ParamGroups;

/* An object: {"groups":[{"params":[…],"ids":[0,59],"options":{…}}],"frozen":[…]}. */
void groups_json(const ParamGroups *groups, JsonWriter *writer);
/* Whether a map has only what group(…) lets pass: numbers, texts, booleans, lists of numbers. */
bool groups_are_options(const Value *map);
/* Reads such an object, in the arena: of the bindings only the names are there. NULL: it is
 * none. */
const ParamGroups *groups_read(Arena *arena, const Value *map);

#endif
