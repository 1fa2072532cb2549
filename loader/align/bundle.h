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

/* The bundle as a line of rule text, names quoted where they must be; of long lists the first names
 * and how many they are. For people, and `what` of its steps. */
void bundle_show(const Bundle *bundle, Text *out);

/* Carries bundles out, all at once, so that names which cross are no collision. A key that is in
 * none stays; one whose name a bundle makes, and which is in none, is left unused under no name.
 * `done`, [n], receives which were carried out: a bundle that names a key that is not there (or
 * one that stands for a collision), that makes a name which another one has made, or whose result
 * is not of its target's shape changes nothing and leaves a note. */
bool draft_bundles(Draft *draft, Origin origin, const Bundle *bundles, size_t n, bool *done,
                   Error *err);

#endif
