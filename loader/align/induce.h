/* Induce: from pairs of names to rules that people can read (RULES (c) C3).
 *
 *   layer1.0.bn1.weight -> backbone.res2.0.conv1.norm.weight   and 264 more bundles  become
 *
 *   layer{i}.{j}.bn{n}.{p:weight|bias} -> backbone.res{i+1}.{j}.conv{n}.norm.{p}   and five more
 *
 * Bundles of one build (equal but for their numbers, with the same ops) are one rule: each number
 * of a target is solved as a constant, x, x+c, c-x, x//m, x%m … of a number of the source; what
 * cannot be solved is divided, and what does not generalise at all is a line that names its keys.
 * Rules that differ in their tails alone become `.*` or `.**`, those that differ in a word an
 * alternative, where this catches no other key.
 *
 * The rules make exactly the bundles and touch no other key: that is checked by carrying them out
 * (draft_rules) on the names alone; a rule that fails is replaced by finer ones. Near-linear in
 * the number of bundles and keys. Pure: equal input gives equal text. */
#ifndef LOADER_ALIGN_INDUCE_H
#define LOADER_ALIGN_INDUCE_H

#include "loader/align/bundle.h"

typedef struct InduceInput {
    const Bundle *bundles;       /* [bundle_count] in the order in which their rules shall stand,
                                    as far as that is free; a key may be in several */
    size_t bundle_count;
    const char *const *keys;     /* [key_count] every key of the source, as named where the rules
                                    will run; each once, those of the bundles among them */
    size_t key_count;
    bool general;                /* a number that never changes is written as a variable where it
                                    follows from one everywhere else: for other keys to come */
} InduceInput;

/* One line of rule text. */
typedef struct InducedRule {
    const char *text;            /* "layers.{i}.* -> blk.{i}.*", " |> …" included; one line */
    const uint32_t *bundles;     /* [bundle_count] indexes of what it makes, ascending; none: it
                                    drops a key whose name a bundle's target takes */
    size_t bundle_count;
    float confidence;            /* the lowest of its bundles */
    const char *why;             /* of that bundle; NULL = nothing to say */
    bool literal;                /* it names its keys: nothing was generalised */
} InducedRule;

/* Everything lies in the arena that was given, but for `why`, which is the bundle's. */
typedef struct Induction {
    const InducedRule *first;    /* [first_count] a block of its own that goes before: names that
                                    sort, for lists which no pattern gathers in their order */
    size_t first_count;
    const InducedRule *rules;    /* [count] in their order, which matters */
    size_t count;
    const uint32_t *left;        /* [left_count] bundles that no rule text can say: a Lua function
                                    among the ops, an empty name, a name of more than 65536 bytes */
    size_t left_count;
} Induction;

/* NULL with an error when a bundle names a key that is not there, or has no source or target, or
 * two bundles make one target. A bundle that changes nothing needs no rule and gets none. */
const Induction *induce_rules(Arena *arena, const InduceInput *input, Error *err);

/* The rules as statements of Lua, `rules [[ … ]]` with a rule a line; nothing where there are
 * none. `note` (may be NULL) adds what shall stand as a comment above a rule, without its dashes,
 * one line or several; nothing = no comment. */
typedef void InduceNote(void *context, const InducedRule *rule, Text *out);
void induce_write(const Induction *induction, InduceNote *note, void *context, Text *out);

#endif
