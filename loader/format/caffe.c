/* Caffe models (.caffemodel): one protobuf message, three generations of its layers
 * (src/caffe/proto/caffe.proto of BVLC/caffe; field = number):
 *
 *   NetParameter       name 1 · layers 2 (V1LayerParameter) · layer 100 (LayerParameter)
 *   LayerParameter     name 1 · type 2 (text) · blobs 7
 *   V1LayerParameter   layer 1 (V0LayerParameter) · name 4 · type 5 (enum) · blobs 6
 *   V0LayerParameter   name 1 · type 2 (text) · blobs 50
 *   BlobProto          num 1 · channels 2 · height 3 · width 4 · data 5 (float) · diff 6 ·
 *                      shape 7 {dim 1} · double_data 8 · double_diff 9
 *
 * The container "" has the blobs as they stand, under LAYER.INDEX; "named" has them under PyTorch's
 * words, with BatchNorm's sums divided by their factor and the 1×1×… of old files taken off. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/text.h"
#include "loader/format/fault.h"
#include "loader/format/format.h"
#include "loader/format/proto_values.h"
#include "loader/format/scaled.h"

/* Fixed: the longest word for a type has 30 letters, another one is unknown in any case; a network
 * has no million layers. */
enum { TYPE_MAX = 64, ROLES = 5, FACTOR = 2, LEGACY_RANK = 4, SNIFF_FIELDS = 1 << 20 };

/* What the blobs of a layer are: the words of PyTorch; NULL: no tensor of its own. */
typedef struct LayerType {
    const char *name;        /* in LayerParameter, and in V0LayerParameter (small letters) */
    unsigned v1;             /* V1LayerParameter.LayerType; 0: none */
    const char *roles[ROLES];
} LayerType;

static const LayerType layer_types[] = {
    {"Convolution", 4, {"weight", "bias"}},
    {"InnerProduct", 14, {"weight", "bias"}},
    {"Deconvolution", 39, {"weight", "bias"}},
    {"conv", 0, {"weight", "bias"}},
    {"innerproduct", 0, {"weight", "bias"}},
    {"ConvolutionDepthwise", 0, {"weight", "bias"}},
    {"DepthwiseConvolution", 0, {"weight", "bias"}},
    {"Embed", 0, {"weight", "bias"}},
    {"Scale", 0, {"weight", "bias"}},
    {"Bias", 0, {"bias"}},
    {"PReLU", 0, {"weight"}},
    {"Normalize", 0, {"weight"}},
    {"BatchNorm", 0, {"running_mean", "running_var", NULL, "weight", "bias"}},
};

typedef struct Blob {
    Tensor tensor;           /* as in the file; its name is LAYER.INDEX */
    bool legacy;             /* of four sizes, whatever it is */
} Blob;

/* The layer that is being read. */
typedef struct Layer {
    const char *name;        /* in the arena; "" when it has none */
    const LayerType *type;   /* NULL: one whose blobs have no words */
    ProtoSpan *spans;        /* [count] of its blobs; owned by the Net */
    size_t count;
} Layer;

typedef struct Net {
    Checkpoint *checkpoint;  /* being filled; borrowed */
    Arena *arena;            /* the checkpoint's */
    ProtoReader reader;
    StateDict *raw, *named;
    NameMap layers;          /* names of layers with blobs → how many there were */
    ProtoSpan *spans;        /* room for a layer's blobs; owned */
    Blob *blobs;             /* likewise */
    size_t span_room, blob_room;
    uint32_t storages;       /* made so far */
    uint64_t names_left;     /* bytes of names that may still be made */
} Net;

/* -- One blob -------------------------------------------------------------------------- */

/* What a BlobProto says, and its numbers. */
typedef struct BlobParts {
    ProtoDims shape, legacy;
    ProtoValues floats, doubles;
} BlobParts;

/* Gradients (diff, double_diff), which some writers leave in, are passed over. */
static bool read_blob_field(Net *net, const ProtoField *field, BlobParts *parts)
{
    if (field->number >= 1 && field->number <= LEGACY_RANK && field->type == PROTO_VARINT) {
        parts->legacy.rank = LEGACY_RANK;
        parts->legacy.sizes[field->number - 1] = (int64_t)field->value;
    }
    if (field->number == 5) return proto_values_add(&net->reader, &parts->floats, field);
    if (field->number == 8) return proto_values_add(&net->reader, &parts->doubles, field);
    if (!proto_is(field, 7, PROTO_BYTES)) return true;
    ProtoSpan shape = field->bytes;
    ProtoField dim;
    while (shape.at < shape.end)
        if (!proto_next(&net->reader, &shape, &dim) ||
            (dim.number == 1 && !proto_dims(&net->reader, &dim, &parts->shape)))
            return false;
    return true;
}

static bool refuse(const Net *net, const char *name, const Error *inner)
{
    return fault_tensor(net->reader.err, inner->code, net->reader.source->name, name, "%s",
                        inner->text);
}

/* The storage that the numbers are; there may be more of them than the shape needs, or fewer. */
static void place_blob(Net *net, ProtoValues *values, Tensor *tensor)
{
    Storage *storage = arena_alloc(net->arena, sizeof *storage);
    *storage = (Storage){net->reader.source, 0, values->count * values->width, tensor->dtype,
                         net->storages++};
    if (!proto_values_plain(values, &storage->offset) && values->count) {
        storage->source = proto_values_source(values, net->reader.source);
        checkpoint_own_source(net->checkpoint, storage->source);
    }
    tensor->storage = storage;
}

/* As Caffe does it: the four old sizes count before a shape, doubles before floats. */
static bool make_blob(Net *net, BlobParts *parts, Blob *blob)
{
    ProtoValues *values = parts->doubles.count ? &parts->doubles : &parts->floats;
    const ProtoDims *dims = parts->legacy.rank ? &parts->legacy : &parts->shape;
    Tensor *tensor = &blob->tensor;
    Error inner;
    blob->legacy = parts->legacy.rank > 0;
    tensor->dtype = values == &parts->doubles ? DT_F64 : DT_F32;
    tensor->rank = (uint8_t)dims->rank;
    tensor->dims = arena_copy(net->arena, dims->sizes, dims->rank * sizeof dims->sizes[0]);
    if (!tensor_check(tensor, &inner)) return refuse(net, tensor->name, &inner);
    place_blob(net, values, tensor);
    if (!tensor_check(tensor, &inner)) return refuse(net, tensor->name, &inner);
    if (tensor_bytes(tensor) == tensor->storage->bytes) return true;
    return fault_tensor(net->reader.err, ERR_FORMAT, net->reader.source->name, tensor->name,
                        "its shape needs %" PRIu64 " bytes, its data has %" PRIu64,
                        tensor_bytes(tensor), tensor->storage->bytes);
}

static bool read_blob(Net *net, ProtoSpan span, const char *name, Blob *blob)
{
    BlobParts parts = {0};
    ProtoField field;
    proto_values_init(&parts.floats, 4, 4);
    proto_values_init(&parts.doubles, 8, 8);
    *blob = (Blob){.tensor = {.name = name}};
    bool fine = true;
    while (fine && span.at < span.end)
        fine = proto_next(&net->reader, &span, &field) && read_blob_field(net, &field, &parts);
    fine = fine && make_blob(net, &parts, blob);
    proto_values_done(&parts.floats);
    proto_values_done(&parts.doubles);
    return fine;
}

/* -- Under PyTorch's words ------------------------------------------------------------- */

/* 1×1×out×in of an inner product, 1×1×1×n of everything that is a vector. */
static void drop_ones(const Layer *layer, size_t index, const Blob *blob, Tensor *tensor)
{
    if (!blob->legacy || !layer->type) return;
    const char *name = layer->type->name;
    bool matrix = strcmp(name, "InnerProduct") == 0 || strcmp(name, "innerproduct") == 0 ||
                  strcmp(name, "Embed") == 0;
    bool vector = index > 0 || strcmp(name, "BatchNorm") == 0 || strcmp(name, "Scale") == 0 ||
                  strcmp(name, "PReLU") == 0;
    unsigned keep = vector ? 1 : matrix ? 2 : LEGACY_RANK;
    for (unsigned i = 0; i < LEGACY_RANK - keep; i++)
        if (tensor->dims[i] != 1) return;
    tensor->dims += LEGACY_RANK - keep;
    tensor->rank = (uint8_t)keep;
}

/* Sums become means: BatchNorm keeps how many it has summed up as its third blob. */
static void divide_by_factor(Net *net, const Blob *factor, Tensor *tensor)
{
    if (factor->tensor.dtype != tensor->dtype || tensor_count(&factor->tensor) != 1) return;
    Storage *storage = arena_alloc(net->arena, sizeof *storage);
    *storage = *tensor->storage;
    storage->source = source_scaled(tensor->storage, factor->tensor.storage);
    storage->offset = 0;
    storage->index = net->storages++;
    checkpoint_own_source(net->checkpoint, storage->source);
    tensor->storage = storage;
}

/* Layers without words keep their index; so does a blob whose word is taken. */
static void add_named(Net *net, const Layer *layer, const Blob *blobs, size_t index)
{
    Tensor tensor = blobs[index].tensor;
    bool known = layer->type && index < ROLES && layer->type->roles[0];
    const char *role = known ? layer->type->roles[index] : NULL;
    bool norm = known && strcmp(layer->type->name, "BatchNorm") == 0;
    if (norm && index == FACTOR) return;
    drop_ones(layer, index, &blobs[index], &tensor);
    if (norm && index < FACTOR && layer->count > FACTOR && tensor_count(&tensor))
        divide_by_factor(net, &blobs[FACTOR], &tensor);
    if (role) tensor.name = arena_printf(net->arena, "%s.%s", layer->name, role);
    if (dict_add(net->named, &tensor)) return;
    tensor.name = blobs[index].tensor.name;
    dict_add(net->named, &tensor);
}

/* -- Layers ---------------------------------------------------------------------------- */

/* Which fields a generation has its name, type and blobs in. */
typedef struct Generation {
    uint32_t name, type, blobs;
} Generation;

static const Generation v0 = {1, 2, 50}, v1 = {4, 5, 6}, v2 = {1, 2, 7};

/* By the text of V0 and V2, or by the number of V1. */
static const LayerType *find_type(const char *name, uint64_t number)
{
    for (size_t i = 0; i < countof(layer_types); i++)
        if ((*name && strcmp(layer_types[i].name, name) == 0) ||
            (number && layer_types[i].v1 == number))
            return &layer_types[i];
    return NULL;
}

/* Collects name, type and the places of blobs; of V1 also what lies in its V0 layer. */
static bool read_layer(Net *net, ProtoSpan span, const Generation *generation, Layer *layer)
{
    ProtoField field;
    ProtoReader *reader = &net->reader;
    while (span.at < span.end) {
        if (!proto_next(reader, &span, &field)) return false;
        if (field.number == generation->type && field.type != PROTO_FIXED32) {
            char type[TYPE_MAX] = "";
            if (field.type == PROTO_BYTES && !proto_word(reader, &field, type, sizeof type))
                return false;
            layer->type = find_type(type, field.value);
        }
        if (field.type != PROTO_BYTES) continue;
        if (field.number == generation->name) {
            layer->name = proto_text(reader, &field, PROTO_NAME_MAX, net->arena);
            if (!layer->name) return false;
        } else if (field.number == generation->blobs) {
            net->spans = mem_grow(net->spans, &net->span_room, layer->count + 1,
                                  sizeof *net->spans);
            net->spans[layer->count++] = field.bytes;
        } else if (generation == &v1 && field.number == 1) {
            if (!read_layer(net, field.bytes, &v0, layer)) return false;
        }
    }
    return true;
}

/* A layer's name stands before the index of each of its blobs, of which one may have few bytes:
 * what names cost is paid for out of an allowance that the file's own size fills. */
static bool pay_for_names(Net *net, const Layer *layer)
{
    uint64_t cost;
    if (sum_mul(2 * strlen(layer->name) + 32, layer->count, &cost) && cost <= net->names_left) {
        net->names_left -= cost;
        return true;
    }
    char more[LIMIT_TEXT];
    return fault_file(net->reader.err, ERR_LIMIT, net->reader.source->name,
                      "the bytes of its blobs' names, besides %" PRIu64 " for each byte of the "
                      "file, are %s", limit(LIMIT_LISTING_RATIO),
                      limit_text(LIMIT_LISTING_BYTES, more));
}

/* Layers of one name are one layer to Caffe (of training and of testing), so that the later one
 * would win; both are shown, the later one with its number. */
static void number_layer(Net *net, Layer *layer)
{
    uint32_t before = map_get(&net->layers, layer->name);
    uint32_t count = before == MAP_NONE ? 1 : before + 1;
    map_set(&net->layers, layer->name, count);
    if (count == 1) return;
    checkpoint_find(net->checkpoint, FINDING_WARNING, "duplicate", layer->name,
                    "Caffe takes the last one", "layer with blobs number %" PRIu32 " of this name",
                    count);
    layer->name = arena_printf(net->arena, "%s#%" PRIu32, layer->name, count);
}

/* All blobs of a layer before any of them is named: BatchNorm needs its third for its first. */
static bool list_layer(Net *net, ProtoSpan span, const Generation *generation)
{
    Layer layer = {.name = ""};
    char more[LIMIT_TEXT];
    if (!read_layer(net, span, generation, &layer)) return false;
    if (!layer.count) return true;
    if (!pay_for_names(net, &layer)) return false;
    if (layer.count > limit(LIMIT_TENSORS) - dict_count(net->raw))
        return fault_file(net->reader.err, ERR_LIMIT, net->reader.source->name, "blobs, %s",
                          limit_text(LIMIT_TENSORS, more));
    number_layer(net, &layer);
    net->blobs = mem_grow(net->blobs, &net->blob_room, layer.count, sizeof *net->blobs);
    for (size_t i = 0; i < layer.count; i++) {
        const char *name = arena_printf(net->arena, "%s.%zu", layer.name, i);
        if (!read_blob(net, net->spans[i], name, &net->blobs[i])) return false;
        if (!dict_add(net->raw, &net->blobs[i].tensor))
            return fault_tensor(net->reader.err, ERR_FORMAT, net->reader.source->name, name,
                                "stands twice: another layer's name ends like a blob of this one");
    }
    for (size_t i = 0; i < layer.count; i++) add_named(net, &layer, net->blobs, i);
    return true;
}

static bool read_net(Net *net)
{
    ProtoSpan span = proto_whole(&net->reader);
    ProtoField field;
    while (span.at < span.end) {
        if (!proto_next(&net->reader, &span, &field)) return false;
        if (field.type != PROTO_BYTES) continue;
        if (field.number == 1) {
            const char *name = proto_text(&net->reader, &field, PROTO_NAME_MAX, net->arena);
            if (!name) return false;
            dict_add_metadata(net->raw, "name", name);
        }
        if (field.number == 2 && !list_layer(net, field.bytes, &v1)) return false;
        if (field.number == 100 && !list_layer(net, field.bytes, &v2)) return false;
    }
    return true;
}

static Checkpoint *open_caffe(OpenContext *context, ByteSource *source, Error *err)
{
    Checkpoint *checkpoint = checkpoint_of_file(context->path, "caffe", source);
    Net net = {.checkpoint = checkpoint, .arena = checkpoint_arena(checkpoint),
               .raw = dict_new(), .named = dict_new(),
               .names_left = limit_allowance(source->size)};
    proto_init(&net.reader, source, err);
    bool fine = read_net(&net);
    if (fine && dict_count(net.raw)) {
        checkpoint_add_container(checkpoint, "", dict_ref(net.raw), 0, false);
        checkpoint_add_container(checkpoint, "named", dict_ref(net.named), 0, false);
    } else if (fine) {
        fine = fault_file(err, ERR_FORMAT, source->name,
                          "a Caffe network whose layers have no blobs: a topology without weights");
    }
    if (!fine) checkpoint_unref(checkpoint);
    dict_unref(net.raw);
    dict_unref(net.named);
    proto_done(&net.reader);
    map_done(&net.layers);
    free(net.spans);
    free(net.blobs);
    return fine ? checkpoint : NULL;
}

/* -- Sniffing -------------------------------------------------------------------------- */

/* Whether a field is one of NetParameter, with its type. */
static bool is_net_field(const ProtoField *field)
{
    switch (field->number) {
    case 1: case 2: case 3: case 6: case 8: case 100: return field->type == PROTO_BYTES;
    case 4: return field->type == PROTO_VARINT || field->type == PROTO_BYTES;
    case 5: case 7: return field->type == PROTO_VARINT;
    default: return false;
    }
}

/* Whether a message can be a layer: named, and of a type; a name of another message is no text. */
static bool is_layer(ProtoReader *reader, ProtoSpan span, const Generation *generation)
{
    ProtoField field;
    bool named = false, typed = false;
    unsigned fields = 0;
    while (span.at < span.end && fields++ < SNIFF_FIELDS) {
        if (!proto_next(reader, &span, &field)) return false;
        named = named || proto_is(&field, generation->name, PROTO_BYTES);
        typed = typed || field.number == generation->type;
        if (generation == &v1 && proto_is(&field, 1, PROTO_BYTES)) named = typed = true;
    }
    return named && typed;
}

/* NetParameter has one name, and layers that look like such. TensorFlow's GraphDef, which begins
 * alike, has many fields 1. */
static Sniff sniff_caffe(ByteSource *source, const unsigned char *head, size_t n)
{
    (void)head;
    (void)n;
    ProtoReader reader;
    ProtoField field;
    proto_init(&reader, source, NULL);
    ProtoSpan span = proto_whole(&reader);
    Sniff sniff = SNIFF_YES;
    unsigned fields = 0, names = 0, layers = 0;
    while (sniff == SNIFF_YES && span.at < span.end) {
        bool whole = proto_next(&reader, &span, &field);
        bool v1_layer = field.number == 2, layer = v1_layer || field.number == 100;
        if (!whole) {
            sniff = layers || (names == 1 && layer) ? SNIFF_MAYBE : SNIFF_NO;
        } else if (!is_net_field(&field) || ++fields > SNIFF_FIELDS ||
                   (field.number == 1 && ++names > 1) ||
                   (layer && !layers && !is_layer(&reader, field.bytes, v1_layer ? &v1 : &v2))) {
            sniff = SNIFF_NO;
        }
        layers += whole && layer;
    }
    proto_done(&reader);
    return sniff == SNIFF_YES && !layers ? SNIFF_NO : sniff;
}

const Format format_caffe = {"caffe", "Caffe model (.caffemodel)", sniff_caffe, open_caffe};
