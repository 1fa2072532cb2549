/* Any bytes as a pickle: a graph that can be walked and shown, or an error. */
#include <stdlib.h>

#include "loader/format/graph.h"
#include "loader/format/pickle.h"

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
    uint64_t used = 0;
    Arena *arena = arena_new();
    ByteSource *source = source_from_memory(data, size, "fuzz");
    Object *root = pickle_read(arena, source, 0, &used, &err);
    if (used > size || (!root && err.code == ERR_NONE)) abort();
    if (arena_bytes(arena) > 4096 + 128 * size) abort();
    if (root) walk(root, 1), walk(root, 0);
    source_unref(source);
    arena_free(arena);
    return 0;
}
