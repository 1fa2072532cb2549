/* WholePart: what one node of a source's tree becomes in a Whole (whole.h): its copy, and which
 * nodes of the source go into it. The rules stand in whole_parts.c. */
#ifndef LOADER_EXPORT_WHOLE_PARTS_H
#define LOADER_EXPORT_WHOLE_PARTS_H

#include "loader/tensor/dict.h"
#include "loader/tensor/object.h"

typedef struct WholePart {
    const Object *from;      /* the node of the source */
    Object *to;              /* its copy, still empty; NULL with an alias */
    bool kept;               /* false: it is left out, and has no children */
    const char *note;        /* what it became, when that is something else; constant */
    const Object *pairs;     /* a DICT of the source whose entries go into `to`, or into its map */
    const Object *items;     /* a LIST, TUPLE or SET whose items go into `to`, or its arguments */
    const Object *state;     /* what BUILD gives */
    const Object *alias;     /* the node is nothing but another one */
} WholePart;

/* The place of the state dict: an OrderedDict with the entries of `node` (may be NULL) that are no
 * tensors. */
void whole_part_slot(Arena *arena, WholePart *part, const Object *node);
/* A module that was pickled whole: its state dict, whose tensors know their nodes. NULL: it has
 * none, and is left out. */
void whole_part_module(Arena *arena, WholePart *part, const StateDict *dict);
/* Any other node but numbers and text. */
void whole_part_start(Arena *arena, WholePart *part, const Object *node);

bool whole_is_module(const Object *node);
/* Whether a copy hashes by value, as the keys of a dict and the items of a set must. */
bool whole_can_be_key(const Object *copy);
/* What notes call a node: "argparse.Namespace object". */
void whole_show(const Object *node, Text *out);

#endif
