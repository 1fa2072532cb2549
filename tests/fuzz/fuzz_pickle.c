/* Any bytes as a pickle: a graph that can be walked and shown, or an error. With tensors in short it is
 * the same graph, or the same error. */
#include "loader/format/graph.h"
#include "tests/unit/pickle_pairs.h"

static void walk(Object *root, uint8_t seen)
{
    Graph graph;
    Text text = {0};
    graph_init(&graph, root, seen);
    for (Object *node; (node = graph_next(&graph));) {
        text_clear(&text);
        object_show(node, &text);
        if (node->kind == OBJ_GLOBAL && graph.depth < 100) graph_place(&graph, &text, &text);
    }
    graph_done(&graph);
    text_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error err = {0};
    Arena *arena = arena_new(), *other = arena_new();
    Object *in_short, *root = pickle_read_pair(arena, other, data, size, &in_short, &err);
    if (arena_bytes(arena) > 4096 + 128 * size) abort();
    if (arena_bytes(other) > 4096 + 128 * size) abort();
    if (root) walk(root, 1), walk(root, 0), walk(in_short, 1), walk(in_short, 0);
    if (root) pickle_compare(root, in_short);
    arena_free(arena);
    arena_free(other);
    return 0;
}
