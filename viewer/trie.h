/* Trie: the modules that dotted names make, in the order in which the names came.
 *
 * Segments end at '.' or, in TensorFlow's and Keras' names, at '/'. A tensor and a module may
 * have the same name; they are two nodes. Parents come before their children in `nodes`. */
#ifndef VIEWER_TRIE_H
#define VIEWER_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TRIE_NONE = 0xFFFFFFFFu,
    TRIE_DEPTH = 64,        /* what lies deeper is one segment, dots and all */
    TRIE_NUMBER_MAX = 9     /* digits of a segment that counts as a number */
};

typedef struct TrieNode {
    const char *key;        /* a name that runs through the node; borrowed */
    uint32_t from, to;      /* its segment in `key`; the node's whole path is key[0, to) */
    uint32_t parent;        /* TRIE_NONE for the root */
    uint32_t leaf;          /* which name ends here; TRIE_NONE for modules */
    uint32_t depth;         /* 0 for the root */
} TrieNode;

typedef struct TrieSlot {
    uint32_t node;          /* 0: free; the root is never in the table */
    uint32_t hash;          /* of the segment; says whether a look at the node is worth while */
} TrieSlot;

typedef struct Trie {
    TrieNode *nodes;        /* owned; nodes[0] is the root */
    size_t count, room;
    uint32_t *leaves;       /* owned; [names added] the node of each name */
    size_t leaf_count, leaf_room;
    TrieSlot *slots;        /* owned; hash table of modules by parent and segment */
    size_t slot_room, module_count;
    uint32_t path[TRIE_DEPTH];   /* modules of the name added last */
    uint32_t path_count;
    const char *last;       /* that name, "" before the first */
    uint64_t seed;          /* so that a file cannot choose its collisions */
} Trie;

void trie_init(Trie *trie);
void trie_done(Trie *trie);
/* Names stay borrowed. */
void trie_add(Trie *trie, const char *name);
/* The deepest node that holds both; either may be TRIE_NONE, which gives the other. */
uint32_t trie_common(const Trie *trie, uint32_t a, uint32_t b);
bool trie_is_module(const Trie *trie, uint32_t node);
/* Whether the segment is a plain number (no leading zeros); its value in *number. */
bool trie_number(const TrieNode *node, uint32_t *number);

/* A seeded hash of bytes, continued from `hash`. */
uint64_t hash_segment(uint64_t hash, const void *bytes, size_t n);
uint64_t hash_word(uint64_t hash, uint64_t word);

#endif
