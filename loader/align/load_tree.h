/* The tree of modules behind a state dict, for load.c: from `_metadata`, or from the keys.
 *
 * A node knows its parent and its segment, not its path: paths of a deep tree would be long. */
#ifndef LOADER_ALIGN_LOAD_TREE_H
#define LOADER_ALIGN_LOAD_TREE_H

#include "loader/tensor/dict.h"

/* What Python calls the parameters and buffers of lazy modules that have seen no input. */
#define LOAD_LAZY_MODULE "torch.nn.parameter"
#define LOAD_LAZY_PARAMETER "UninitializedParameter"
#define LOAD_LAZY_BUFFER "UninitializedBuffer"

enum { LOAD_NO_NODE = 0xFFFFFFFFu };

typedef struct LoadNode {
    const char *segment;         /* its name in its parent; "" of the root */
    uint32_t parent, next;       /* nodes: LOAD_NO_NODE for the root; its next sibling */
    uint32_t child, last_child;  /* nodes, in their order; LOAD_NO_NODE = none */
    uint32_t own, last_own;      /* LoadLocal: its parameters and buffers, in their order */
    uint32_t offence, last_offence;  /* LoadLink: keys it does not know, in their order */
    int64_t version;             /* what `_metadata` says; -1 = nothing */
    const Object *spectral;      /* what it says of spectral_norm, a dict; NULL = nothing */
} LoadNode;

/* A parameter or buffer of the target, or state that is no tensor. */
typedef struct LoadLocal {
    const char *name;            /* the whole key */
    const char *leaf;            /* its last segment, inside name */
    const Tensor *tensor;        /* NULL for state that is no tensor, or has no shape yet */
    bool lazy;                   /* it gets its shape from what is loaded first */
    bool given;                  /* a hook of its module makes it */
    uint32_t node, next;         /* whose it is; the next one of that node */
} LoadLocal;

typedef struct LoadTree {
    Arena *arena;                /* borrowed: of names and of look-up keys */
    LoadNode *nodes;             /* owned; [0] is the root */
    size_t node_count, node_room;
    LoadLocal *locals;           /* owned */
    size_t local_count, local_room;
    NameMap index;               /* "PARENT.segment" → node */
    NameMap names;               /* key → local */
    Text scratch;
    const char *last;            /* the path that was reached last; borrowed; NULL: none */
    size_t last_length;
    uint32_t last_node;          /* and the node there */
    bool inferred;               /* a module had to be inferred from a key */
} LoadTree;

/* `node` is the dict that `dict` was read from, or NULL; both must outlive the tree. */
void load_tree_init(LoadTree *tree, Arena *arena, const StateDict *dict, const Object *node);
void load_tree_done(LoadTree *tree);
/* The child of that name, of n bytes; LOAD_NO_NODE when there is none. */
uint32_t load_tree_child(LoadTree *tree, uint32_t node, const char *segment, size_t n);
/* The node behind `node` when parents come before their children, children in their order. */
uint32_t load_tree_next(const LoadTree *tree, uint32_t node);
/* A parameter or buffer of a node by its last segment; NULL when it has none. */
const LoadLocal *load_tree_own(const LoadTree *tree, uint32_t node, const char *leaf);

#endif
