/* The object graph of a TensorFlow 2 checkpoint: which variables there are, what they are called,
 * and which of them a training loop keeps for itself.
 *
 * It is a string tensor under _CHECKPOINTABLE_OBJECT_GRAPH (varint64 length · u32 masked CRC of the
 * lengths · bytes), whose text is a TrackableObjectGraph (field = number):
 *
 *   nodes 1 {children 1 {node_id 1, local_name 2} · attributes 2 {name 1, full_name 2,
 *            checkpoint_key 3} · slot_variables 3 {original 1, slot_name 2, slot_variable 3}}
 *
 * A variable may have several owners: Keras 3 shows an optimizer the weights of its model, and
 * files them under whichever way to them is shorter. So what can be reached from the root without
 * passing an optimizer is the model; what else an optimizer holds is its state. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"
#include "loader/format/tensorflow.h"

enum { WORD = 32, CRC_BYTES = 4, CHILDREN = 1, ATTRIBUTES = 2, SLOTS = 3 };

typedef struct GraphReader {
    ProtoReader reader;
    Arena *arena;            /* for names; borrowed */
    TrackedNames *names;     /* being filled */
    ProtoSpan *nodes;        /* [count] owned */
    uint8_t *kinds;          /* [count] VariableKind so far; owned */
    bool *optimizers;        /* [count] owned */
    uint32_t *queue;         /* [count] nodes to be expanded, each at most once a walk; owned */
    size_t count, room, queued;
} GraphReader;

/* Edges that do not lead into a model, whatever lies behind them. */
static const char *const state_edges[] = {"optimizer", "_optimizer", "keras_api", "save_counter"};

/* An ObjectReference, or a SlotVariableReference, of which `id_field` is the node that counts. */
static bool read_reference(GraphReader *graph, ProtoSpan span, uint32_t id_field, uint64_t *id,
                           char name[WORD])
{
    ProtoField field;
    *id = 0;
    name[0] = '\0';
    while (span.at < span.end) {
        if (!proto_next(&graph->reader, &span, &field)) return false;
        if (proto_is(&field, id_field, PROTO_VARINT)) *id = field.value;
        if (proto_is(&field, 2, PROTO_BYTES) &&
            !proto_word(&graph->reader, &field, name, WORD))
            return false;
    }
    return true;
}

static bool is_state_edge(const char *name)
{
    for (size_t i = 0; i < countof(state_edges); i++)
        if (strcmp(name, state_edges[i]) == 0) return true;
    return false;
}

/* Slot variables, or the counter that every optimizer of Keras 3 has. */
static bool find_optimizer(GraphReader *graph, size_t node)
{
    ProtoSpan span = graph->nodes[node];
    ProtoField field;
    uint64_t id;
    char name[WORD];
    while (span.at < span.end) {
        if (!proto_next(&graph->reader, &span, &field)) return false;
        if (proto_is(&field, SLOTS, PROTO_BYTES)) graph->optimizers[node] = true;
        if (!proto_is(&field, CHILDREN, PROTO_BYTES)) continue;
        if (!read_reference(graph, field.bytes, 1, &id, name)) return false;
        if (strcmp(name, "_iterations") == 0) graph->optimizers[node] = true;
    }
    return true;
}

/* The places of all nodes. */
static bool collect_nodes(GraphReader *graph, ProtoSpan span)
{
    ProtoField field;
    char more[LIMIT_TEXT];
    while (span.at < span.end) {
        if (!proto_next(&graph->reader, &span, &field)) return false;
        if (!proto_is(&field, 1, PROTO_BYTES)) continue;
        if (graph->count >= limit(LIMIT_ENTRIES))
            return proto_fail(&graph->reader, ERR_LIMIT, field.where, "nodes of the object graph, "
                              "%s", limit_text(LIMIT_ENTRIES, more));
        graph->nodes = mem_grow(graph->nodes, &graph->room, graph->count + 1,
                                sizeof *graph->nodes);
        graph->nodes[graph->count++] = field.bytes;
    }
    graph->kinds = mem_alloc(graph->count + 1);
    graph->optimizers = mem_alloc(graph->count + 1);
    graph->queue = mem_alloc((graph->count + 1) * sizeof *graph->queue);
    for (size_t i = 0; i < graph->count; i++) graph->kinds[i] = VARIABLE_NONE;
    for (size_t i = 0; i < graph->count; i++)
        if (!find_optimizer(graph, i)) return false;
    return true;
}

/* Marks a node that was not met, and puts it in the queue; an id out of range says nothing. */
static void meet(GraphReader *graph, uint64_t id, VariableKind kind)
{
    if (id >= graph->count || graph->kinds[id] != VARIABLE_NONE) return;
    if (kind == VARIABLE_MODEL && graph->optimizers[id]) return;
    graph->kinds[id] = (uint8_t)kind;
    graph->queue[graph->queued++] = (uint32_t)id;
}

/* Follows the edges of a node. On the way through the model, those that lead out of it are left for
 * the second walk. */
static bool expand(GraphReader *graph, size_t node, VariableKind kind)
{
    ProtoSpan span = graph->nodes[node];
    ProtoField field;
    uint64_t id;
    char name[WORD];
    while (span.at < span.end) {
        if (!proto_next(&graph->reader, &span, &field)) return false;
        bool slot = proto_is(&field, SLOTS, PROTO_BYTES);
        if (!slot && !proto_is(&field, CHILDREN, PROTO_BYTES)) continue;
        if (!read_reference(graph, field.bytes, slot ? SLOTS : 1, &id, name)) return false;
        bool leaves = slot || is_state_edge(name);
        if (kind == VARIABLE_STATE || !leaves) meet(graph, id, kind);
    }
    return true;
}

/* Everything that can be reached from the nodes in the queue. */
static bool walk(GraphReader *graph, VariableKind kind)
{
    for (size_t next = 0; next < graph->queued; next++)
        if (!expand(graph, graph->queue[next], kind)) return false;
    graph->queued = 0;
    return true;
}

/* What edges out of the model lead to: the starts of the second walk. */
static bool leave_model(GraphReader *graph)
{
    for (size_t i = 0; i < graph->count; i++) {
        ProtoSpan span = graph->nodes[i];
        ProtoField field;
        uint64_t id;
        char name[WORD];
        if (graph->optimizers[i]) meet(graph, i, VARIABLE_STATE);
        while (graph->kinds[i] == VARIABLE_MODEL && span.at < span.end) {
            if (!proto_next(&graph->reader, &span, &field)) return false;
            if (!proto_is(&field, CHILDREN, PROTO_BYTES)) continue;
            if (!read_reference(graph, field.bytes, 1, &id, name)) return false;
            if (is_state_edge(name)) meet(graph, id, VARIABLE_STATE);
        }
    }
    return true;
}

/* SerializedTensor. The first of several with one key counts. */
static bool read_attribute(GraphReader *graph, ProtoSpan span, VariableKind kind)
{
    const char *texts[2] = {"", ""};     /* full_name, checkpoint_key */
    ProtoField field;
    while (span.at < span.end) {
        if (!proto_next(&graph->reader, &span, &field)) return false;
        if (field.type != PROTO_BYTES || field.number < 2 || field.number > 3) continue;
        const char *text = proto_text(&graph->reader, &field, PROTO_NAME_MAX, graph->arena);
        if (!text) return false;
        texts[field.number - 2] = text;
    }
    TrackedNames *names = graph->names;
    if (!*texts[1] || map_get(&names->keys, texts[1]) != MAP_NONE) return true;
    names->names = mem_grow(names->names, &names->room, names->count + 1, sizeof *names->names);
    names->names[names->count] = (TrackedName){texts[0], kind};
    map_set(&names->keys, texts[1], (uint32_t)names->count++);
    return true;
}

static bool read_attributes(GraphReader *graph)
{
    for (size_t i = 0; i < graph->count; i++) {
        ProtoSpan span = graph->nodes[i];
        ProtoField field;
        while (span.at < span.end) {
            if (!proto_next(&graph->reader, &span, &field)) return false;
            if (proto_is(&field, ATTRIBUTES, PROTO_BYTES) &&
                !read_attribute(graph, field.bytes, (VariableKind)graph->kinds[i]))
                return false;
        }
    }
    return true;
}

/* Node 0 is the root. */
static bool read_graph(GraphReader *graph, ProtoSpan span)
{
    if (!collect_nodes(graph, span)) return false;
    meet(graph, 0, VARIABLE_MODEL);
    return walk(graph, VARIABLE_MODEL) && leave_model(graph) && walk(graph, VARIABLE_STATE) &&
           read_attributes(graph);
}

bool tracked_read(ByteSource *shard, uint64_t offset, uint64_t size, Arena *arena,
                  TrackedNames *names, Error *err)
{
    GraphReader graph = {.arena = arena, .names = names};
    ProtoSpan span = {offset, offset + size};
    uint64_t length;
    char more[LIMIT_TEXT];
    proto_init(&graph.reader, shard, err);
    bool fine = proto_varint(&graph.reader, &span, &length);
    if (fine && (span.end - span.at < CRC_BYTES || length != span.end - span.at - CRC_BYTES))
        fine = proto_fail(&graph.reader, ERR_FORMAT, offset,
                          "the object graph claims %" PRIu64 " bytes, its entry has %" PRIu64,
                          length, size);
    if (fine && length > limit(LIMIT_INDEX_BYTES))
        fine = proto_fail(&graph.reader, ERR_LIMIT, offset, "the object graph has %" PRIu64
                          " bytes, %s", length, limit_text(LIMIT_INDEX_BYTES, more));
    span.at += CRC_BYTES;
    fine = fine && read_graph(&graph, span);
    proto_done(&graph.reader);
    free(graph.nodes);
    free(graph.kinds);
    free(graph.optimizers);
    free(graph.queue);
    return fine;
}

void tracked_done(TrackedNames *names)
{
    map_done(&names->keys);
    free(names->names);
}
