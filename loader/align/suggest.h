/* What would help: for every open target a rule, for every unused source the missing target
 * that may be meant. Nothing here changes a state. Each kind of help is a file: shapes and
 * dtypes (suggest_shapes.c), axes (suggest_layouts.c), prefixes (suggest_names.c), separators
 * (suggest_separators.c), families (suggest_families.c). */
#ifndef LOADER_ALIGN_SUGGEST_H
#define LOADER_ALIGN_SUGGEST_H

#include "loader/align/align_parts.h"

/* A key of the draft that no target has the name of. */
typedef struct SpareKey {
    const DraftKey *key;
    Binding *partner;            /* the missing target it may be meant for; NULL = none yet */
} SpareKey;

typedef struct Suggester {
    Alignment *alignment;
    Arena *arena;
    SpareKey *spares;            /* in draft order */
    size_t spare_count;
    Binding **missing;           /* in target order: missing, or kept because they were */
    size_t missing_count;
    NameMap missing_names;       /* name → index of missing[]; taken ones are removed */
} Suggester;

void suggest_shapes(Alignment *alignment);
void suggest_layouts(Alignment *alignment);
void suggest_prefixes(Suggester *suggester);
void suggest_separators(Suggester *suggester);
void suggest_families(Suggester *suggester);

/* Pairs a spare key with a missing target: sets nearest, and the rule if there is one. */
void suggest_pair(Suggester *suggester, SpareKey *spare, Binding *binding, const char *rule);
/* Whether the key's value would go into the target as it is (unknown shapes fit). */
bool suggest_fits(const DraftKey *key, const Binding *binding);
/* An exchange of beginnings, both ending in '.': what it moves, and what else stands below each. */
typedef struct HeadSwap {
    const char *from, *to;
    size_t moved, below_from, below_to;
} HeadSwap;

/* Whether it would put one head's layers into another head: "lm_head." for "classifier.", of which
 * only the dense layers happen to be called alike. */
bool suggest_is_head_swap(const HeadSwap *swap);
/* The line for a rule that renames nothing: "X -> X |> op". X is a family's text, or a name that is
 * quoted where it must be; `tail` (".*" or "") stands behind it. */
const char *suggest_op(Arena *arena, const char *text, bool family, const char *tail,
                       const char *op);
/* Drops a buffer and leaves the target's own: `rules [[ **.LEAF -> ]] keep_target "**.LEAF"`. */
const char *suggest_own(Arena *arena, const char *leaf);
/* The op for a first convolution of another number of input channels: timm's way for three of them,
 * its sum for one; one channel is shared among the new ones. */
const char *suggest_channels(Arena *arena, int64_t from, int64_t to);
/* Text as a Lua string, quotes included. */
void lua_quote(const char *text, size_t n, Text *out);

#endif
