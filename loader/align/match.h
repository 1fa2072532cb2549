/* The inside of match{}: what its three kinds share while they pair keys with targets.
 * align_match.c pairs by suffix and by order, match_shape.c by shape. */
#ifndef LOADER_ALIGN_MATCH_H
#define LOADER_ALIGN_MATCH_H

#include "loader/align/align_parts.h"

typedef struct Matcher {
    Alignment *alignment;        /* its matches are what is being made */
    Draft *draft;                /* the alignment's */
    bool *taken;                 /* owned, [keys of the draft]: paired by now */
    const MatchRule *rule;       /* that is being carried out */
    size_t pairs;                /* it has made so far */
} Matcher;

/* Whether the target has no key yet; whether no target has the key. */
bool match_wants(const Matcher *matcher, size_t target);
bool match_has(const Matcher *matcher, size_t key);
/* A key's value, also where it stands for a collision: for its shape alone. NULL = none. */
const Expr *match_value(const Matcher *matcher, size_t key);
/* Whether a value and a target agree in shape, as far as both are known. */
bool match_same_shape(const Expr *value, const Tensor *target);
void match_pair(Matcher *matcher, size_t target, size_t key);

/* MATCH_SHAPE: within each group the keys of one shape go to the targets of that shape, in
 * order, where there are as many of the one as of the other. */
void match_by_shape(Matcher *matcher);

#endif
