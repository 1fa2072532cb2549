/* Pairs: the target's tree and the source's as one tree of pairs.
 *
 * Every node of the target's trie is paired with the deepest node of the source's trie that
 * holds all its sources: "backbone" with "module.backbone". Source tensors that went nowhere
 * are added below the pair whose source side is nearest above them, behind the sibling that
 * precedes them in the source file. */
#ifndef VIEWER_PAIR_H
#define VIEWER_PAIR_H

#include "loader/align/align.h"
#include "viewer/trie.h"

typedef struct Pair {
    uint32_t parent;         /* TRIE_NONE for the root; always less than the own index */
    uint32_t target;         /* node of the target's trie; TRIE_NONE: a source alone */
    uint32_t source;         /* node of the source's trie; TRIE_NONE: a target alone */
    uint32_t item;           /* tensors: index of the binding, or (target TRIE_NONE) of the
                                SourceUse; TRIE_NONE for modules */
    uint32_t at;             /* file index of the first source tensor below; TRIE_NONE = none */
    uint32_t taken;          /* tensors: sources that no earlier pair has taken */
} Pair;

typedef struct Pairs {
    Trie targets, sources;
    Pair *nodes;             /* owned; [0] holds everything, [1] is the target's root */
    size_t count, room;
    uint32_t *first;         /* owned; [count + 1] children of i: children[first[i]..first[i+1]) */
    uint32_t *children;      /* owned; in the order in which they are shown */
} Pairs;

/* Names stay borrowed from the alignment. */
void pairs_init(Pairs *pairs, const Alignment *alignment);
void pairs_done(Pairs *pairs);

#endif
