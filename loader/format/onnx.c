/* ONNX models: their initializers, the constants among their nodes, and which of them are dense
 * kernels. Graphs lie in graphs (the branches of an If, the body of a Loop) and are met one after
 * the other, not one inside the other: nothing here recurses. */
#include "loader/format/onnx.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/text.h"
#include "loader/format/fault.h"
#include "loader/tensor/layout.h"

/* Fixed: a model has some twenty fields and as many properties; a longer prefix is replaced by a
 * number. */
enum {
    WORD = 64,               /* bytes of the words that are compared: op types, attributes */
    PREFIX_MAX = 200,        /* bytes of a name that goes in front of others */
    SNIFF_FIELDS = 1 << 20,  /* top-level fields of a model that are looked at */
    VERSION_MAX = 1000       /* ir_version of a model; 13 is the highest so far */
};

/* Beyond this the library that everybody else reads protobufs with refuses the file. */
static const uint64_t protobuf_max = (uint64_t)2 << 30;

/* A graph, or the body of a function, that is to be read. */
typedef struct Graph {
    ProtoSpan span;
    uint32_t nodes;          /* number of its field `node`: 1, in functions 7 */
    unsigned depth;          /* graphs around it */
    const char *prefix;      /* "NODE.ATTRIBUTE", NULL when it has no short name; in the arena */
} Graph;

/* What the nodes do with the tensors of one name. */
typedef struct Use {
    uint32_t graph;          /* the graph that had it last */
    bool dense;              /* as the right side of a product, which makes it [in, out] */
    bool other;              /* in some other way too */
} Use;

typedef struct Entry {
    Tensor tensor;           /* under the name that it is listed by */
    uint32_t use;            /* of its name in the file */
} Entry;

/* Tensors of one kind, in the order of the file. */
typedef struct EntryList {
    Entry *entries;          /* [count] owned */
    size_t count, room;
    NameMap listed;          /* names under which they are listed */
    NameMap raw;             /* names in the file → index of `uses` */
} EntryList;

typedef struct Model {
    OnnxFile file;
    Graph *graphs;           /* [graph_count] in the order in which they are met; owned */
    size_t graph_count, graph_room;
    Use *uses;               /* [use_count] owned */
    size_t use_count, use_room;
    EntryList weights, constants;
    size_t too_deep;         /* graphs that were left out */
    StateDict *dict;         /* where the metadata goes */
    NameMap keys;            /* of the metadata so far */
    const char *producer;    /* in the arena; NULL: not said */
} Model;

/* -- Metadata -------------------------------------------------------------------------- */

/* Keys that stand twice are told apart by number. */
static void add_metadata(Model *model, const char *key, const char *value)
{
    const char *unique = key;
    for (unsigned i = 2; map_get(&model->keys, unique) != MAP_NONE && i < 100; i++)
        unique = arena_printf(model->file.arena, "%s#%u", key, i);
    if (map_set(&model->keys, unique, 0) != MAP_NONE) return;
    dict_add_metadata(model->dict, unique, value);
}

/* OperatorSetIdProto: "" is ONNX's own domain. */
static bool read_opset(Model *model, ProtoSpan span)
{
    const char *domain = "";
    uint64_t version = 0;
    ProtoField field;
    while (span.at < span.end) {
        if (!proto_next(&model->file.reader, &span, &field)) return false;
        if (proto_is(&field, 2, PROTO_VARINT)) version = field.value;
        if (!proto_is(&field, 1, PROTO_BYTES)) continue;
        domain = proto_text(&model->file.reader, &field, PROTO_NAME_MAX, model->file.arena);
        if (!domain) return false;
    }
    Arena *arena = model->file.arena;
    add_metadata(model, *domain ? arena_printf(arena, "opset.%s", domain) : "opset",
                 arena_printf(arena, "%" PRIu64, version));
    return true;
}

/* StringStringEntryProto */
static bool read_property(Model *model, ProtoSpan span)
{
    const char *pair[2] = {"", ""};
    ProtoField field;
    while (span.at < span.end) {
        if (!proto_next(&model->file.reader, &span, &field)) return false;
        if (field.type != PROTO_BYTES || field.number < 1 || field.number > 2) continue;
        size_t most = field.number == 1 ? PROTO_NAME_MAX : (size_t)limit(LIMIT_STRING_BYTES);
        const char *text = proto_text(&model->file.reader, &field, most, model->file.arena);
        if (!text) return false;
        pair[field.number - 1] = text;
    }
    add_metadata(model, pair[0], pair[1]);
    return true;
}

/* -- Tensors of a graph ---------------------------------------------------------------- */

/* Shows the name in the error; always false. */
static bool refuse_name(Model *model, const char *name, const char *what)
{
    return fault_tensor(model->file.reader.err, ERR_FORMAT, model->file.reader.source->name, name,
                        "%s", what);
}

/* The two branches of an If may use the same names: the later ones get their place in front. */
static const char *find_name(Model *model, const EntryList *list, const char *raw, size_t graph)
{
    Arena *arena = model->file.arena;
    const char *prefix = model->graphs[graph].prefix;
    if (map_get(&list->listed, raw) == MAP_NONE) return raw;
    const char *name = prefix ? arena_printf(arena, "%s/%s", prefix, raw) : raw;
    if (map_get(&list->listed, name) == MAP_NONE) return name;
    name = arena_printf(arena, "graph-%zu/%s", graph, raw);
    return map_get(&list->listed, name) == MAP_NONE ? name : NULL;
}

/* Lists a tensor under a name of its own. One graph may not use a name twice: its nodes could not
 * say which they mean. */
static bool add_entry(Model *model, EntryList *list, Tensor *tensor, size_t graph)
{
    char more[LIMIT_TEXT];
    if (list->count >= limit(LIMIT_TENSORS))
        return fault_file(model->file.reader.err, ERR_LIMIT, model->file.reader.source->name,
                          "tensors, %s", limit_text(LIMIT_TENSORS, more));
    uint32_t use = map_get(&list->raw, tensor->name);
    if (use != MAP_NONE && model->uses[use].graph == graph)
        return refuse_name(model, tensor->name, "stands twice in one graph");
    if (use == MAP_NONE) {
        use = (uint32_t)model->use_count;
        model->uses = mem_grow(model->uses, &model->use_room, model->use_count + 1,
                               sizeof *model->uses);
        model->uses[model->use_count++] = (Use){.graph = (uint32_t)graph};
        map_set(&list->raw, tensor->name, use);
    }
    model->uses[use].graph = (uint32_t)graph;
    const char *name = find_name(model, list, tensor->name, graph);
    if (!name) return refuse_name(model, tensor->name, "stands twice");
    tensor->name = name;
    map_set(&list->listed, name, 0);
    list->entries = mem_grow(list->entries, &list->room, list->count + 1, sizeof *list->entries);
    list->entries[list->count++] = (Entry){*tensor, use};
    return true;
}

/* An attribute `value` of a Constant, of whatever kind; texts are no weights: passed over. */
static bool read_constant(Model *model, ProtoSpan attribute, const char *output, size_t graph)
{
    ProtoSpan span = attribute;
    ProtoField field;
    ProtoReader *reader = &model->file.reader;
    Tensor tensor = {.name = output};
    while (span.at < span.end) {
        if (!proto_next(reader, &span, &field)) return false;
        bool fine;
        if (proto_is(&field, 5, PROTO_BYTES))
            fine = onnx_read_tensor(&model->file, field.bytes, &tensor);
        else if (proto_is(&field, 22, PROTO_BYTES))
            fine = onnx_read_sparse(&model->file, field.bytes, &tensor);
        else if (proto_is(&field, 2, PROTO_FIXED32) || proto_is(&field, 3, PROTO_VARINT) ||
                 field.number == 7 || field.number == 8)
            fine = onnx_read_numbers(&model->file, attribute, field.number, &tensor);
        else continue;
        tensor.name = output;
        return fine && add_entry(model, &model->constants, &tensor, graph);
    }
    return true;
}

/* A name that may go in front of others: not empty, not long. */
static bool is_short(const char *name)
{
    return *name && strlen(name) <= PREFIX_MAX;
}

/* A graph beyond the depth that is read is counted, and told about at the end. */
static bool push_graph(Model *model, const ProtoField *field, uint32_t nodes, unsigned depth,
                       const char *prefix)
{
    char more[LIMIT_TEXT];
    if (depth > limit(LIMIT_DEPTH)) {
        model->too_deep++;
        return true;
    }
    if (model->graph_count >= limit(LIMIT_ENTRIES))
        return proto_fail(&model->file.reader, ERR_LIMIT, field->where, "graphs, %s",
                          limit_text(LIMIT_ENTRIES, more));
    model->graphs = mem_grow(model->graphs, &model->graph_room, model->graph_count + 1,
                             sizeof *model->graphs);
    model->graphs[model->graph_count++] = (Graph){field->bytes, nodes, depth, prefix};
    return true;
}

/* Remembers the graphs in an attribute, to be read later. */
static bool push_graphs(Model *model, ProtoSpan attribute, const char *node, unsigned depth)
{
    char name[WORD] = "";
    ProtoField field;
    while (attribute.at < attribute.end) {
        if (!proto_next(&model->file.reader, &attribute, &field)) return false;
        if (field.type != PROTO_BYTES) continue;
        if (field.number == 1 && !proto_word(&model->file.reader, &field, name, sizeof name))
            return false;
        if (field.number != 6 && field.number != 11) continue;
        const char *prefix = is_short(node) && *name
                                 ? arena_printf(model->file.arena, "%s.%s", node, name) : NULL;
        if (!push_graph(model, &field, 1, depth + 1, prefix)) return false;
    }
    return true;
}

/* The words of a node that decide what it is. */
typedef struct Node {
    char op[WORD], domain[WORD];
    const char *name, *output;   /* the first output; "" if none; in the arena when wanted */
    bool transposed;             /* Gemm with transB=1 */
} Node;

/* transB, the only attribute whose value matters. */
static bool read_attribute(Model *model, ProtoSpan span, Node *node)
{
    char name[WORD] = "";
    uint64_t value = 0;
    ProtoField field;
    while (span.at < span.end) {
        if (!proto_next(&model->file.reader, &span, &field)) return false;
        if (proto_is(&field, 1, PROTO_BYTES) &&
            !proto_word(&model->file.reader, &field, name, sizeof name))
            return false;
        if (proto_is(&field, 3, PROTO_VARINT)) value = field.value;
    }
    if (strcmp(name, "transB") == 0) node->transposed = value != 0;
    return true;
}

/* `arena` NULL: without its names, and with its attributes. */
static bool read_node(Model *model, ProtoSpan span, Arena *arena, Node *node)
{
    ProtoReader *reader = &model->file.reader;
    ProtoField field;
    bool has_output = false;
    *node = (Node){.name = "", .output = ""};
    while (span.at < span.end) {
        if (!proto_next(reader, &span, &field)) return false;
        if (field.type != PROTO_BYTES) continue;
        bool fine = true;
        if (field.number == 4) fine = proto_word(reader, &field, node->op, sizeof node->op);
        if (field.number == 7) fine = proto_word(reader, &field, node->domain, sizeof node->domain);
        if (!arena && field.number == 5) fine = read_attribute(model, field.bytes, node);
        if (arena && field.number == 2 && !has_output) {
            has_output = true;
            fine = (node->output = proto_text(reader, &field, PROTO_NAME_MAX, arena)) != NULL;
        }
        if (arena && field.number == 3)
            fine = (node->name = proto_text(reader, &field, PROTO_NAME_MAX, arena)) != NULL;
        if (!fine) return false;
    }
    return true;
}

/* ONNX's own operators have no domain, or its name. */
static bool is_op(const Node *node, const char *op)
{
    return strcmp(node->op, op) == 0 && (!*node->domain || strcmp(node->domain, "ai.onnx") == 0);
}

/* First look at a node: a constant, or one with graphs inside. Names are kept only of these. */
static bool meet_node(Model *model, ProtoSpan span, size_t graph)
{
    ProtoReader *reader = &model->file.reader;
    unsigned depth = model->graphs[graph].depth;
    Arena *scratch = arena_new();
    ProtoSpan rest = span;
    ProtoField field;
    Node node;
    bool fine = read_node(model, span, scratch, &node);
    while (fine && rest.at < rest.end) {
        fine = proto_next(reader, &rest, &field);
        if (!fine || !proto_is(&field, 5, PROTO_BYTES)) continue;
        fine = push_graphs(model, field.bytes, node.name, depth);
        if (fine && is_op(&node, "Constant") && *node.output)
            fine = read_constant(model, field.bytes,
                                 arena_strdup(model->file.arena, node.output), graph);
    }
    arena_free(scratch);
    return fine;
}

/* Functions have nodes, and no tensors of their own. */
static bool meet_graph(Model *model, size_t graph)
{
    ProtoSpan span = model->graphs[graph].span;
    uint32_t nodes = model->graphs[graph].nodes;
    ProtoField field;
    while (span.at < span.end) {
        Tensor tensor = {0};
        if (!proto_next(&model->file.reader, &span, &field)) return false;
        if (field.type != PROTO_BYTES) continue;
        bool fine = true;
        if (field.number == nodes) fine = meet_node(model, field.bytes, graph);
        else if (nodes == 1 && field.number == 5)
            fine = onnx_read_tensor(&model->file, field.bytes, &tensor) &&
                   add_entry(model, &model->weights, &tensor, graph);
        else if (nodes == 1 && field.number == 15)
            fine = onnx_read_sparse(&model->file, field.bytes, &tensor) &&
                   add_entry(model, &model->weights, &tensor, graph);
        if (!fine) return false;
    }
    return true;
}

/* -- Layouts --------------------------------------------------------------------------- */

/* Marks what a node does with the tensor at its input `index`. */
static bool use_input(Model *model, const ProtoField *field, const Node *node, unsigned index,
                      char *name)
{
    if (!proto_word(&model->file.reader, field, name, PROTO_NAME_MAX + 1)) return false;
    bool dense = index == 1 && (is_op(node, "MatMul") ||
                                (is_op(node, "Gemm") && !node->transposed));
    const EntryList *lists[] = {&model->weights, &model->constants};
    for (size_t i = 0; i < countof(lists); i++) {
        uint32_t use = map_get(&lists[i]->raw, name);
        if (use == MAP_NONE) continue;
        model->uses[use].dense = model->uses[use].dense || dense;
        model->uses[use].other = model->uses[use].other || !dense;
    }
    return true;
}

/* Second look at every node, when all tensors are known: a graph may use those around it. */
static bool use_node(Model *model, ProtoSpan span, char *name)
{
    Node node;
    ProtoField field;
    unsigned index = 0;
    if (!read_node(model, span, NULL, &node)) return false;
    while (span.at < span.end) {
        if (!proto_next(&model->file.reader, &span, &field)) return false;
        if (proto_is(&field, 1, PROTO_BYTES) && !use_input(model, &field, &node, index++, name))
            return false;
    }
    return true;
}

/* Reads every node once more; what came of the first look is that all names are known. */
static bool use_tensors(Model *model)
{
    char *name = mem_alloc(PROTO_NAME_MAX + 1);
    bool fine = true;
    for (size_t i = 0; fine && i < model->graph_count; i++) {
        ProtoSpan span = model->graphs[i].span;
        ProtoField field;
        while (fine && span.at < span.end)
            fine = proto_next(&model->file.reader, &span, &field) &&
                   (!proto_is(&field, model->graphs[i].nodes, PROTO_BYTES) ||
                    use_node(model, field.bytes, name));
    }
    free(name);
    return fine;
}

/* -- The model ------------------------------------------------------------------------- */

/* A field at the top. Graphs wait until the end: they may stand before what describes them. */
static bool read_field(Model *model, const ProtoField *field)
{
    ProtoReader *reader = &model->file.reader;
    Arena *arena = model->file.arena;
    if (proto_is(field, 1, PROTO_VARINT))
        add_metadata(model, "ir_version", arena_printf(arena, "%" PRIu64, field->value));
    if (field->type != PROTO_BYTES) return true;
    const char *text;
    switch (field->number) {
    case 2: case 3:
        if (!(text = proto_text(reader, field, PROTO_NAME_MAX, arena))) return false;
        model->producer = model->producer ? arena_printf(arena, "%s %s", model->producer, text)
                                          : text;
        return true;
    case 7: return push_graph(model, field, 1, 0, NULL);
    case 8: return read_opset(model, field->bytes);
    case 14: return read_property(model, field->bytes);
    case 25: return push_graph(model, field, 7, 1, NULL);
    default: return true;
    }
}

/* Producer and version stand apart in the file; that they are two fields says nothing. */
static bool read_model(Model *model)
{
    ProtoSpan span = proto_whole(&model->file.reader);
    ProtoField field;
    while (span.at < span.end)
        if (!proto_next(&model->file.reader, &span, &field) || !read_field(model, &field))
            return false;
    if (model->producer) add_metadata(model, "producer", model->producer);
    if (!model->graph_count)
        return fault_file(model->file.reader.err, ERR_FORMAT, model->file.reader.source->name,
                          "a protobuf that is no ONNX model: it has no graph (field 7)");
    for (size_t i = 0; i < model->graph_count; i++)
        if (!meet_graph(model, i)) return false;
    return use_tensors(model);
}

/* The tensors in their order, each with the layout that its uses tell. */
static void fill_dict(const Model *model, const EntryList *list, StateDict *dict)
{
    for (size_t i = 0; i < list->count; i++) {
        Tensor tensor = list->entries[i].tensor;
        const Use *use = &model->uses[list->entries[i].use];
        if (tensor.rank == 2 && use->dense && !use->other) tensor.layout = LAYOUT_IO;
        dict_add(dict, &tensor);
    }
}

/* Constants are a place of their own: an exporter writes every shape and axis as one. A model whose
 * weights all are constants (some exporters write it so) has no other. */
static void add_containers(Model *model)
{
    Checkpoint *checkpoint = model->file.checkpoint;
    fill_dict(model, &model->weights, model->dict);
    if (model->weights.count || !model->constants.count)
        checkpoint_add_container(checkpoint, "", dict_ref(model->dict), 0, false);
    if (!model->constants.count) return;
    StateDict *constants = dict_new();
    fill_dict(model, &model->constants, constants);
    dict_copy_metadata(constants, model->dict);
    checkpoint_add_container(checkpoint, "constants", constants, 0, false);
}

/* What is no fault, but should be known. */
static void report_oddities(Model *model)
{
    Checkpoint *checkpoint = model->file.checkpoint;
    if (model->too_deep)
        checkpoint_find(checkpoint, FINDING_WARNING, "depth", NULL, "--limit depth=N reads more",
                        "%zu graph(s) lie too deep inside other graphs and were left out",
                        model->too_deep);
    if (model->file.reader.source->size > protobuf_max)
        checkpoint_find(checkpoint, FINDING_WARNING, "size", NULL,
                        "save it with its values as external data",
                        "it has more than 2 GiB, which ONNX's own reader refuses");
}

static Checkpoint *open_onnx(OpenContext *context, ByteSource *source, Error *err)
{
    Model model = {.dict = dict_new()};
    Checkpoint *checkpoint = checkpoint_of_file(context->path, "onnx", source);
    model.file = (OnnxFile){.context = context, .checkpoint = checkpoint,
                            .arena = checkpoint_arena(checkpoint)};
    proto_init(&model.file.reader, source, err);
    bool fine = read_model(&model);
    if (fine) {
        add_containers(&model);
        report_oddities(&model);
    } else {
        checkpoint_unref(checkpoint);
    }
    EntryList *lists[] = {&model.weights, &model.constants};
    for (size_t i = 0; i < countof(lists); i++) {
        free(lists[i]->entries);
        map_done(&lists[i]->listed);
        map_done(&lists[i]->raw);
    }
    proto_done(&model.file.reader);
    map_done(&model.file.external.names);
    map_done(&model.keys);
    free(model.file.external.sources);
    free(model.graphs);
    free(model.uses);
    dict_unref(model.dict);
    return fine ? checkpoint : NULL;
}

/* -- Sniffing -------------------------------------------------------------------------- */

/* The field is one of ModelProto, with its type. */
static bool is_model_field(const ProtoField *field)
{
    if (field->number == 1)
        return field->type == PROTO_VARINT && field->value > 0 && field->value <= VERSION_MAX;
    if (field->number == 5) return field->type == PROTO_VARINT;
    return field->type == PROTO_BYTES &&
           (field->number <= 8 || field->number == 14 || field->number == 20 ||
            field->number == 25 || field->number == 26);
}

/* Every field at the top must be ModelProto's, whichever comes first; then it is sure. A file whose
 * first fields are, and that breaks off later, is one that was cut. */
static Sniff sniff_onnx(ByteSource *source, const unsigned char *head, size_t n)
{
    (void)head;
    (void)n;
    bool has_graph = false, has_version = false;
    unsigned fields = 0;
    ProtoReader reader;
    ProtoField field;
    proto_init(&reader, source, NULL);
    ProtoSpan span = proto_whole(&reader);
    Sniff sniff = SNIFF_YES;
    while (sniff == SNIFF_YES && span.at < span.end) {
        if (!proto_next(&reader, &span, &field)) {
            bool cut = has_version && (fields > 1 || field.number == 7);
            sniff = cut ? SNIFF_MAYBE : SNIFF_NO;
        } else if (!is_model_field(&field) || ++fields > SNIFF_FIELDS) {
            sniff = SNIFF_NO;
        }
        has_graph = has_graph || field.number == 7;
        has_version = has_version || field.number == 1 || field.number == 8;
    }
    proto_done(&reader);
    return has_graph && has_version ? sniff : sniff == SNIFF_YES ? SNIFF_NO : sniff;
}

const Format format_onnx = {"onnx", "ONNX model", sniff_onnx, open_onnx};
