/* What was learned from one model, said so that it suits the others of its family: what follows
 * from the shapes of whatever it is applied to is no number in the rules. */
#ifndef LOADER_ALIGN_LEARN_SCRIPT_H
#define LOADER_ALIGN_LEARN_SCRIPT_H

#include "loader/align/learn.h"
#include "loader/core/value.h"

typedef struct LearnScript {
    const char *top;             /* statements of Lua that the rules rely on; "" = none */
    const Bundle *bundles;       /* [bundle_count] those of the result, their ops as text where they
                                    rely on that; for induce_rules */
    size_t bundle_count;
} LearnScript;

/* The heads of attention go by what says their size in the source: a norm of each head, the angles
 * of rotary embeddings, config.json; else it is one number at the top. `config` is the object of
 * the config.json beside the source, NULL where there is none. Everything lies in `arena`. */
const LearnScript *learn_script(Arena *arena, const LearnResult *result, const StateDict *old,
                                const StateDict *now, const Value *config);

#endif
