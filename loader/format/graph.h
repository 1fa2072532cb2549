/* Graph: an iterative walk over the nodes that a pickle made. They may be shared, lie a
 * million deep and form cycles; each is visited once. Also: what a place among them is called. */
#ifndef LOADER_FORMAT_GRAPH_H
#define LOADER_FORMAT_GRAPH_H

#include "loader/core/text.h"
#include "loader/tensor/object.h"

typedef struct GraphFrame {
    Object *node;
    size_t next;             /* the next child to visit; the one under way is next - 1 */
} GraphFrame;

typedef struct Graph {
    GraphFrame *frames;      /* from the root to the node that graph_next returned; owned */
    size_t depth, room;
    uint8_t seen;            /* Object.mark of nodes that were visited */
    bool leaving;            /* the last frame was returned and is to be popped */
} Graph;

/* Starts at `root`. Nodes whose mark is `seen` count as visited; whoever walks an even number
 * of times, with 1 and then 0, leaves the marks as they were. */
void graph_init(Graph *graph, Object *root, uint8_t seen);
void graph_done(Graph *graph);
/* The next node, children before their parent, in the order of the pickle; NULL at the end. The
 * caller may turn the node into another one. */
Object *graph_next(Graph *graph);
/* Where the node that graph_next returned stands: the key that leads to it (*key is a held name,
 * "[3]" in a sequence, "" at the root), and the path of what holds it. */
void graph_place(const Graph *graph, Text *path, Text *key);
/* The same as one path. */
void graph_path(const Graph *graph, Text *path);

/* Appends a key as a name: text as it is, 3, True, None; whatever else as object_show has it. */
void key_name(const Object *key, Text *out);

/* Paths name places of the object tree. A text key is written plain and joined by a dot; an
 * integer key and an index of a sequence stand in brackets:
 *
 *   state_dict     optimizer_states[0].state     state[0]["layer.weight"]
 *
 * A text key that is empty or has a character out of . [ ] : " \ or below 0x20 stands in
 * brackets and quotes, \ before " and \. So text and integers never share a path. */
void path_add_key(Text *path, const Object *key);
void path_add_index(Text *path, size_t index);
/* The node at a path, below dicts and sequences; "" is the root. A path that is nowhere in this
 * spelling is taken as people type it, without quotes: of the keys of which it may consist the
 * longest that is there. `root` may be NULL. NULL: nothing stands there. */
const Object *path_find(const Object *root, const char *path);

#endif
