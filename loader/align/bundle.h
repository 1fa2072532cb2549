/* Bundle: tensors of the source that become tensors of the target by ops of the rule language,
 * where no rule said so: what automatic alignment, learning by value and marks by hand find.
 *
 * It is a literal line of rule text in structure: { qkv } -> { q, k, v } |> split(3), or
 * { e.0.w1, e.1.w1 … }, { e.0.w3, e.1.w3 … } -> { gate_up } |> stack(0), cat(1). One bundle is
 * whole: no other one makes one of its targets. */
#ifndef LOADER_ALIGN_BUNDLE_H
#define LOADER_ALIGN_BUNDLE_H

#include "loader/align/draft.h"

typedef struct NameList {
    const char *const *names;    /* [count] */
    size_t count;
} NameList;

typedef struct Bundle {
    const NameList *sources;     /* [source_count] one list a source pattern, each in the order in
                                    which stack and cat join it */
    size_t source_count;
    const char *const *targets;  /* [target_count] in the order of the parts */
    size_t target_count;
    const Op *ops;               /* [op_count] as right of |> */
    size_t op_count;
    float confidence;            /* 0 … 1 */
    const char *why;             /* for people: what it rests on; NULL = nothing to say */
} Bundle;

#endif
