/* Readable names: from the object graph of a TensorFlow 2 checkpoint, else from its keys.
 *
 * The graph is a string tensor under _CHECKPOINTABLE_OBJECT_GRAPH (varint64 length · u32 masked CRC
 * of the lengths · bytes), whose text is a TrackableObjectGraph (field = number):
 *
 *   nodes 1 {children 1 {node_id 1, local_name 2} · attributes 2 {name 1, full_name 2,
 *            checkpoint_key 3} · slot_variables 3 {original 1, slot_name 2, slot_variable 3}} */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loader/core/limits.h"
#include "loader/core/text.h"
#include "loader/format/tensorflow.h"
#include "loader/tensor/layout.h"

static const char graph_key[] = "_CHECKPOINTABLE_OBJECT_GRAPH";
static const char value_suffix[] = "/.ATTRIBUTES/VARIABLE_VALUE";

/* -- The object graph ------------------------------------------------------------------ */

typedef struct GraphReader {
    ProtoReader reader;
    Arena *arena;            /* for names; borrowed */
    TrackedNames *names;     /* being filled */
    bool *state;             /* [node_count] nodes that belong to an optimizer; owned */
    size_t node_count;
} GraphReader;

/* An id out of range is passed over: it marks nothing. */
static bool mark_reference(GraphReader *graph, ProtoSpan reference, uint32_t id_field)
{
    ProtoField field;
    while (reference.at < reference.end) {
        if (!proto_next(&graph->reader, &reference, &field)) return false;
        if (proto_is(&field, id_field, PROTO_VARINT) && field.value < graph->node_count)
            graph->state[field.value] = true;
    }
    return true;
}

/* A node with slot variables is an optimizer: those, and its own children (iter, learning_rate), are
 * its state. */
static bool mark_state(GraphReader *graph, ProtoSpan node)
{
    ProtoSpan rest = node;
    ProtoField field;
    bool optimizer = false;
    while (!optimizer && rest.at < rest.end) {
        if (!proto_next(&graph->reader, &rest, &field)) return false;
        optimizer = proto_is(&field, 3, PROTO_BYTES);
    }
    while (optimizer && node.at < node.end) {
        if (!proto_next(&graph->reader, &node, &field)) return false;
        if (proto_is(&field, 1, PROTO_BYTES) && !mark_reference(graph, field.bytes, 1))
            return false;
        if (proto_is(&field, 3, PROTO_BYTES) && !mark_reference(graph, field.bytes, 3))
            return false;
    }
    return true;
}

/* SerializedTensor. The first of several with one key counts. */
static bool read_attribute(GraphReader *graph, ProtoSpan span, bool state)
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
    names->names[names->count] = (TrackedName){texts[0], state};
    map_set(&names->keys, texts[1], (uint32_t)names->count++);
    return true;
}

static bool read_attributes(GraphReader *graph, ProtoSpan node, bool state)
{
    ProtoField field;
    while (node.at < node.end) {
        if (!proto_next(&graph->reader, &node, &field)) return false;
        if (proto_is(&field, 2, PROTO_BYTES) && !read_attribute(graph, field.bytes, state))
            return false;
    }
    return true;
}

/* Three passes: how many nodes there are, which are an optimizer's, and their attributes. */
static bool read_graph(GraphReader *graph, ProtoSpan whole)
{
    for (int pass = 0; pass < 3; pass++) {
        ProtoSpan span = whole;
        ProtoField field;
        size_t id = 0;
        while (span.at < span.end) {
            if (!proto_next(&graph->reader, &span, &field)) return false;
            if (!proto_is(&field, 1, PROTO_BYTES)) continue;
            if (pass == 1 && !mark_state(graph, field.bytes)) return false;
            if (pass == 2 && !read_attributes(graph, field.bytes, graph->state[id])) return false;
            id++;
        }
        if (pass == 0) {
            graph->node_count = id;
            graph->state = mem_alloc(id + 1);
        }
    }
    return true;
}

bool tracked_read(ByteSource *shard, uint64_t offset, uint64_t size, Arena *arena,
                  TrackedNames *names, Error *err)
{
    enum { CRC_BYTES = 4 };
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
    free(graph.state);
    return fine;
}

void tracked_done(TrackedNames *names)
{
    map_done(&names->keys);
    free(names->names);
}

/* -- Names by their form --------------------------------------------------------------- */

/* Names of optimizers' slots, as TensorFlow 1 ends them; "_1" may follow. */
static const char *const slot_names[] = {
    "Adam", "Momentum", "RMSProp", "Adagrad", "Adadelta", "Ftrl", "AdaMax", "adam_m", "adam_v",
    "AdamWeightDecayOptimizer", "LAMB", "lamb_m", "lamb_v", "vr", "vc"};
/* Counters and powers, whole or as the last part. */
static const char *const counter_names[] = {"global_step", "beta1_power", "beta2_power",
                                            "save_counter", "train_step", "current_loss_scale",
                                            "good_steps"};
/* First parts under which Keras keeps what is no model. */
static const char *const state_roots[] = {"optimizer/", "keras_api/metrics/", "save_counter/"};

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* The word itself, or with a number that TensorFlow put behind it: "Adam_1". */
static bool is_numbered(const char *text, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(text, word, n) != 0) return false;
    if (!text[n]) return true;
    if (text[n] != '_' || !text[n + 1]) return false;
    for (const char *p = text + n + 1; *p; p++)
        if (!is_digit(*p)) return false;
    return true;
}

static bool is_state(const char *key)
{
    const char *leaf = last_part(key);
    if (strstr(key, "/.OPTIMIZER_SLOT/")) return true;
    for (size_t i = 0; i < countof(state_roots); i++)
        if (has_prefix(key, state_roots[i])) return true;
    for (size_t i = 0; i < countof(slot_names); i++)
        if (leaf != key && is_numbered(leaf, slot_names[i])) return true;
    for (size_t i = 0; i < countof(counter_names); i++)
        if (is_numbered(leaf, counter_names[i])) return true;
    return false;
}

/* The path without the attribute at its end, and with TensorFlow's escapes (".S" for a slash, ".."
 * for a dot) undone. */
static const char *path_name(const char *key, Arena *arena)
{
    size_t n = strlen(key);
    if (has_suffix(key, value_suffix)) n -= sizeof value_suffix - 1;
    char *name = arena_strndup(arena, key, n), *to = name;
    if (n == strlen(key)) return name;
    for (const char *from = name; *from; from++) {
        char c = *from;
        if (c == '.' && (from[1] == 'S' || from[1] == '.')) c = *++from == 'S' ? '/' : '.';
        *to++ = c;
    }
    *to = '\0';
    return name;
}

const char *variable_name(const TrackedNames *names, const char *key, Arena *arena,
                          VariableKind *kind)
{
    static const char ema[] = "/ExponentialMovingAverage";
    uint32_t at = map_get(&names->keys, key);
    const TrackedName *tracked = at == MAP_NONE ? NULL : &names->names[at];
    const char *name = tracked && *tracked->name ? tracked->name : path_name(key, arena);
    *kind = strcmp(key, graph_key) == 0                  ? VARIABLE_NONE
            : (tracked && tracked->state) || is_state(key) ? VARIABLE_STATE
                                                           : VARIABLE_MODEL;
    if (*kind != VARIABLE_MODEL || !has_suffix(name, ema)) return name;
    *kind = VARIABLE_EMA;
    return arena_strndup(arena, name, strlen(name) - (sizeof ema - 1));
}

/* -- Layouts --------------------------------------------------------------------------- */

/* Whether a part of the path has the word in it, whatever its case. */
static bool has_word(const char *name, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = name; *p; p++)
        if (strncasecmp(p, word, n) == 0) return true;
    return false;
}

static bool is_any(const char *leaf, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(leaf, *words) == 0) return true;
    return false;
}

/* A kernel of rank 4 is a convolution's; which kind, the layer's name tells where Keras or slim gave
 * it. Rank 3 may as well be an attention's, so the name must say that it is a convolution. Embeddings
 * and whatever has other names are left alone. */
uint8_t variable_layout(const char *name, unsigned rank)
{
    static const char *const depthwise[] = {"depthwise_kernel", "depthwise_weights", NULL};
    static const char *const kernels[] = {"kernel", "weights", "pointwise_kernel",
                                          "pointwise_weights", "recurrent_kernel", NULL};
    const char *leaf = last_part(name);
    if (is_any(leaf, depthwise)) return rank == 4 ? LAYOUT_HWIM : LAYOUT_NATIVE;
    if (!is_any(leaf, kernels)) return LAYOUT_NATIVE;
    bool transposed = has_word(name, "conv2d_transpose") || has_word(name, "conv2dtranspose");
    switch (rank) {
    case 2: return LAYOUT_IO;
    case 3: return has_word(name, "conv") && !has_word(name, "transpose") ? LAYOUT_WIO
                                                                          : LAYOUT_NATIVE;
    case 4:
        if (has_word(name, "depthwise_conv") && strcmp(leaf, "kernel") == 0) return LAYOUT_HWIM;
        return transposed ? LAYOUT_HWOI : LAYOUT_HWIO;
    case 5: return has_word(name, "transpose") ? LAYOUT_NATIVE : LAYOUT_DHWIO;
    default: return LAYOUT_NATIVE;
    }
}
