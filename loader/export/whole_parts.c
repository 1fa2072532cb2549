/* What becomes of each kind of node:
 *
 *   tuple list dict set bytes bytearray, and calls on PyTorch's list    the same
 *   OrderedDict                                  the same, with its attributes
 *   tensors                                      the same; quantized, sparse, nested and meta
 *                                                ones by the function that made them
 *   storages                                     the same
 *   a module pickled whole                       its state dict
 *   frozenset                                    a set
 *   defaultdict and other classes of dict        a dict
 *   classes of list                              a list
 *   omegaconf's containers                       what they hold
 *   pathlib's paths                              their text
 *   other objects with attributes (Namespace)    a dict of them
 *   everything else (functions, classes, enums, dates …)    left out */
#include "loader/export/whole_parts.h"

#include <string.h>

#include "loader/format/globals.h"
#include "loader/format/torch.h"

/* Tuples inside of tuples in a key, and its nodes; bytes of LONG1's longest integer. Fixed: no
 * key of a training script is a tree. */
enum { KEY_DEPTH = 8, KEY_NODES = 1000, LONG_BYTES = 255 };

/* --- what a call calls ---------------------------------------------------------------- */

/* The class of an object: what is called, or what copyreg is told to make. NULL: no name. */
static const Object *class_of(const Object *node)
{
    const ObjectCall *call = node->call;
    const Object *class = call->callable;
    bool through = object_is_global(class, "copyreg", "__newobj__") ||
                   object_is_global(class, "copyreg", "_reconstructor") ||
                   object_is_global(class, "copyreg", "__newobj_ex__");
    if (through && call->args && call->args->list.count) class = call->args->list.items[0];
    return class && class->kind == OBJ_GLOBAL ? class : NULL;
}

/* Whether it is a call of MODULE.NAME, however that is spelt. */
static bool calls(const Object *node, const char *path)
{
    const Object *class = class_of(node);
    Text full = {0};
    if (!class) return false;
    global_path(class->global.module, class->global.name, &full);
    bool same = strcmp(text_string(&full), path) == 0;
    text_done(&full);
    return same;
}

void whole_show(const Object *node, Text *out)
{
    const Object *class = node->kind == OBJ_CALL ? class_of(node) : NULL;
    if (!class) {
        if (node->kind == OBJ_TENSOR && node->tensor->encoding && node->tensor->encoding->note)
            text_addf(out, "tensor, %s", node->tensor->encoding->note);
        else object_show(node, out);
        return;
    }
    name_show(class->global.module, out);
    text_addc(out, '.');
    name_show(class->global.name, out);
    text_add(out, " object");
}

bool whole_is_module(const Object *node)
{
    return node->kind == OBJ_CALL && torch_is_module(node);
}

/* --- copies --------------------------------------------------------------------------- */

static void keep_as(WholePart *part, Object *to)
{
    part->to = to;
    part->kept = true;
}

/* An empty call of a name on the list. */
static Object *new_call(Arena *arena, const char *module, const char *name)
{
    Object *call = object_new(arena, OBJ_CALL), *callable = object_new(arena, OBJ_GLOBAL);
    callable->global.module = module;
    callable->global.name = name;
    call->call = arena_alloc(arena, sizeof *call->call);
    call->call->callable = callable;
    call->call->args = object_new(arena, OBJ_TUPLE);
    return call;
}

static void keep_ordered_dict(Arena *arena, WholePart *part, const Object *pairs)
{
    keep_as(part, new_call(arena, "collections", "OrderedDict"));
    part->pairs = pairs;
}

/* Its attributes, as a dict. A (dict, slots) state has two; the second is rare and joins. */
static const Object *attributes_of(Arena *arena, const Object *node)
{
    const Object *state = node->call->state, *first = torch_attributes(node);
    if (!state || state->kind != OBJ_TUPLE || state->list.count != 2) return first;
    const Object *slots = object_as_dict(state->list.items[1]);
    if (!first || !slots) return first ? first : slots;
    Object *both = object_new(arena, OBJ_DICT);
    for (size_t i = 0; i < first->list.count; i++) object_push(arena, both, first->list.items[i]);
    for (size_t i = 0; i < slots->list.count; i++) object_push(arena, both, slots->list.items[i]);
    return both;
}

/* The entries of the node that are no tensors: those the plan writes. */
void whole_part_slot(Arena *arena, WholePart *part, const Object *node)
{
    const Object *dict = node ? object_as_dict(node) : NULL;
    Object *others = object_new(arena, OBJ_DICT);
    bool tensors = false;
    for (size_t i = 1; dict && i < dict->list.count; i += 2)
        tensors = tensors || dict->list.items[i]->kind == OBJ_TENSOR;
    for (size_t i = 0; tensors && i + 1 < dict->list.count; i += 2) {
        if (dict->list.items[i + 1]->kind == OBJ_TENSOR) continue;
        object_push(arena, others, dict->list.items[i]);
        object_push(arena, others, dict->list.items[i + 1]);
    }
    keep_ordered_dict(arena, part, others);
    part->to->call->map = object_new(arena, OBJ_DICT);
}

/* state_dict() gives parameters as plain tensors, each a new object. */
static Object *detach(Arena *arena, const Object *node)
{
    if (!node->tensor->parameter) return (Object *)node;
    Object *plain = object_new(arena, OBJ_TENSOR);
    plain->tensor = arena_copy(arena, node->tensor, sizeof *node->tensor);
    plain->tensor->parameter = false;
    plain->tensor->identity = NULL;
    bool opaque = node->tensor->encoding && node->tensor->encoding->opaque;
    if (opaque) plain->call = node->call;
    return plain;
}

/* A tensor's identity is the node it stands in, where the reader made it from one. */
void whole_part_module(Arena *arena, WholePart *part, const StateDict *dict)
{
    Object *pairs = object_new(arena, OBJ_DICT);
    if (!dict) return;
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        const Object *node = tensor->identity;
        if (!node || node->kind != OBJ_TENSOR) continue;
        object_push(arena, pairs, object_str(arena, tensor->name));
        object_push(arena, pairs, detach(arena, node));
    }
    keep_ordered_dict(arena, part, pairs);
    part->note = "its state dict";
}

/* --- tensors -------------------------------------------------------------------------- */

/* The call that makes the tensor itself: that of the first argument under a Parameter, that of the
 * function under _rebuild_from_type_v2. *args are its arguments. */
static const Object *maker_of(const Object *node, const Object **args)
{
    for (unsigned depth = 0; node->call && depth < KEY_DEPTH; depth++) {
        const Object *callable = node->call->callable;
        const Object *list = node->call->args;
        if (!callable || callable->kind != OBJ_GLOBAL || !list) return NULL;
        *args = list;
        if (strcmp(callable->global.name, "_rebuild_from_type_v2") == 0 && list->list.count > 2) {
            *args = list->list.items[2];
            callable = list->list.items[0];
            if (callable->kind != OBJ_GLOBAL || (*args)->kind != OBJ_TUPLE) return NULL;
        }
        const Object *inner = (*args)->list.count ? (*args)->list.items[0] : NULL;
        bool wraps = inner && inner->kind == OBJ_TENSOR &&
                     !has_prefix(callable->global.name, "_rebuild_nested") &&
                     !has_prefix(callable->global.name, "_rebuild_sparse");
        if (!wraps) return callable;
        node = inner;
    }
    return NULL;
}

/* Big-endian bytes would be taken for little-endian ones. */
static bool is_raw(const Tensor *tensor)
{
    const Encoding *encoding = tensor->encoding;
    return !encoding || (!encoding->big_endian && !encoding->conjugate && !encoding->negate);
}

/* A quantized tensor's arguments: those it had, but the offset as legacy views move it. */
static const Object *quantized_args(Arena *arena, const Object *args, const Tensor *tensor)
{
    Object *list = object_new(arena, OBJ_TUPLE);
    unsigned width = dtype_size(tensor->dtype);
    for (size_t i = 0; i < args->list.count; i++)
        object_push(arena, list, i == 1 ? object_int(arena, (int64_t)(tensor->offset /
                                                                     (width ? width : 1)))
                                        : args->list.items[i]);
    return list;
}

/* (dtype, size, stride, requires_grad): a tensor without data. */
static void keep_meta(Arena *arena, WholePart *part, const Tensor *tensor)
{
    Object *args = object_new(arena, OBJ_TUPLE), *dtype = object_new(arena, OBJ_GLOBAL);
    int64_t strides[TENSOR_RANK_MAX];
    dtype->global.module = "torch";
    dtype->global.name = dtype_info(tensor->dtype)->torch;
    if (!dtype->global.name || !tensor->dims) return;
    contiguous_strides(tensor->dims, tensor->rank, strides);
    Object *sizes = object_new(arena, OBJ_TUPLE), *steps = object_new(arena, OBJ_TUPLE);
    for (unsigned i = 0; i < tensor->rank; i++) {
        object_push(arena, sizes, object_int(arena, tensor->dims[i]));
        object_push(arena, steps,
                    object_int(arena, tensor->strides ? tensor->strides[i] : strides[i]));
    }
    object_push(arena, args, dtype);
    object_push(arena, args, sizes);
    object_push(arena, args, steps);
    object_push(arena, args, object_new(arena, OBJ_BOOL));
    keep_as(part, new_call(arena, "torch._utils", "_rebuild_meta_tensor_no_storage"));
    part->items = args;
}

/* A function of PyTorch's list that makes something which is no plain array of numbers. */
typedef struct Special {
    const char *name;        /* of the function in the file */
    const char *now;         /* what does the same today */
} Special;

static const Special specials[] = {
    {"_rebuild_qtensor", "_rebuild_qtensor"},
    {"_rebuild_sparse_tensor", "_rebuild_sparse_tensor"},
    {"_rebuild_sparse_csr_tensor", "_rebuild_sparse_tensor"},
    {"_rebuild_nested_tensor", "_rebuild_nested_tensor"},
};

/* Plain numbers keep their node; what is made by a function is made by it again. */
static void start_tensor(Arena *arena, WholePart *part, const Object *node)
{
    const Tensor *tensor = node->tensor;
    const Object *args = NULL, *maker = maker_of(node, &args);
    for (size_t i = 0; maker && i < countof(specials); i++) {
        if (strcmp(maker->global.name, specials[i].name) != 0) continue;
        if (!is_raw(tensor)) return;
        keep_as(part, new_call(arena, "torch._utils", specials[i].now));
        part->items = i == 0 ? quantized_args(arena, args, tensor) : args;
        return;
    }
    bool opaque = tensor->encoding && tensor->encoding->opaque;
    if (opaque || tensor->dtype == DT_UNKNOWN || !dtype_info(tensor->dtype)->torch) return;
    if (!tensor->storage) keep_meta(arena, part, tensor);
    else keep_as(part, (Object *)node);
}

/* --- objects -------------------------------------------------------------------------- */

/* Paths are made of their parts. */
static bool start_path(Arena *arena, WholePart *part, const Object *node)
{
    const Object *class = class_of(node), *args = node->call->args;
    Text path = {0};
    if (!class || !has_prefix(class->global.module, "pathlib")) return false;
    bool text = args && args->list.count;
    for (size_t i = 0; text && i < args->list.count; i++) {
        const Object *step = args->list.items[i];
        text = step->kind == OBJ_STR;
        bool joined = path.length && path.bytes[path.length - 1] == '/';
        if (text && path.length && !joined) text_addc(&path, '/');
        if (text) text_add(&path, step->bytes.text);
    }
    if (text) {
        keep_as(part, object_str(arena, text_string(&path)));
        part->note = "its text";
    }
    text_done(&path);
    return text;
}

/* DictConfig and ListConfig keep nodes in _content, and each of these its value in _val. */
static bool start_config(WholePart *part, const Object *node)
{
    const Object *class = class_of(node), *attributes = torch_attributes(node);
    if (!class || !attributes || !has_prefix(class->global.module, "omegaconf")) return false;
    const Object *content = object_get(attributes, "_content");
    if (!content) content = object_get(attributes, "_val");
    if (!content) return false;
    part->alias = content;
    part->kept = true;
    part->note = "what it holds";
    return true;
}

/* Calls that PyTorch's list has and whose arguments are plain; entries may be put into Counter
 * alone. */
static const char *const plain_calls[][2] = {
    {"collections", "Counter"}, {"builtins", "bytearray"}, {"builtins", "complex"},
    {"_codecs", "encode"}, {"torch", "Size"}, {"torch", "device"},
    {"torch.serialization", "_get_layout"},
};

static bool start_plain_call(Arena *arena, WholePart *part, const Object *node)
{
    for (size_t i = 0; i < countof(plain_calls); i++) {
        Text path = {0};
        text_addf(&path, "%s.%s", plain_calls[i][0], plain_calls[i][1]);
        bool same = calls(node, text_string(&path));
        text_done(&path);
        if (!same || node->call->kwargs || node->call->list) continue;
        if (node->call->map && !calls(node, "collections.Counter")) continue;
        keep_as(part, new_call(arena, plain_calls[i][0], plain_calls[i][1]));
        part->items = node->call->args;
        part->pairs = node->call->map;
        return true;
    }
    return false;
}

/* set([…]), frozenset([…]), list((…)), tuple([…]): the items of the one argument. */
static bool start_collection(Arena *arena, WholePart *part, const Object *node)
{
    static const struct { const char *path; ObjectKind kind; const char *note; } made[] = {
        {"builtins.set", OBJ_SET, NULL}, {"builtins.frozenset", OBJ_SET, "a set"},
        {"builtins.list", OBJ_LIST, NULL}, {"builtins.tuple", OBJ_TUPLE, NULL}};
    const Object *args = node->call->args;
    if (calls(node, "builtins.bytes") && args && !args->list.count) {
        keep_as(part, object_new(arena, OBJ_BYTES));     /* how protocol 2 says b'' */
        return true;
    }
    for (size_t i = 0; i < countof(made); i++) {
        if (!calls(node, made[i].path)) continue;
        const Object *items = args && args->list.count ? object_as_sequence(args->list.items[0])
                                                       : NULL;
        if (args && args->list.count && !items) return false;
        keep_as(part, object_new(arena, made[i].kind));
        part->items = items ? items : node->call->list;
        part->note = made[i].note;
        return true;
    }
    return false;
}

/* A dict or list of another class, or an object: what was put into it, or its attributes. */
static bool start_object(Arena *arena, WholePart *part, const Object *node)
{
    const ObjectCall *call = node->call;
    if (call->map) {
        keep_as(part, object_new(arena, OBJ_DICT));
        part->pairs = call->map;
        part->note = "a dict of its entries";
    } else if (call->list) {
        keep_as(part, object_new(arena, OBJ_LIST));
        part->items = call->list;
        part->note = "a list of its items";
    } else if (calls(node, "collections.defaultdict")) {
        keep_as(part, object_new(arena, OBJ_DICT));
        part->note = "a dict of its entries";
    } else {
        part->pairs = attributes_of(arena, node);
        if (!part->pairs) return false;
        keep_as(part, object_new(arena, OBJ_DICT));
        part->note = "a dict of its attributes";
    }
    return true;
}

static void start_call(Arena *arena, WholePart *part, const Object *node)
{
    if (object_is_call(node, "collections", "OrderedDict")) {
        keep_ordered_dict(arena, part, node->call->map);
        part->state = torch_attributes(node);
        return;
    }
    if (start_plain_call(arena, part, node) || start_collection(arena, part, node) ||
        start_path(arena, part, node) || start_config(part, node))
        return;
    start_object(arena, part, node);
}

/* --- nodes ---------------------------------------------------------------------------- */

/* A class or value by name: only what the list has. */
static bool is_listed(const Object *global)
{
    Text full = {0};
    global_path(global->global.module, global->global.name, &full);
    bool listed = global_allowed(text_string(&full));
    text_done(&full);
    return listed;
}

/* A storage whose bytes are in the file, of a class that can be named. */
static bool is_storage(const Object *node)
{
    const Object *id = node->list.items[0];
    return node->persid.storage && node->persid.storage->source && id->kind == OBJ_TUPLE &&
           id->list.count >= 5 && id->list.items[1]->kind == OBJ_GLOBAL &&
           is_listed(id->list.items[1]);
}

static void keep_items(Arena *arena, WholePart *part, ObjectKind kind, const Object *items)
{
    keep_as(part, object_new(arena, kind));
    part->items = items;
}

void whole_part_start(Arena *arena, WholePart *part, const Object *node)
{
    switch ((ObjectKind)node->kind) {
    case OBJ_BIGINT:
        part->to = (Object *)node;
        part->kept = node->bytes.n <= LONG_BYTES;
        break;
    case OBJ_TUPLE: keep_items(arena, part, OBJ_TUPLE, node); break;
    case OBJ_LIST: keep_items(arena, part, OBJ_LIST, node); break;
    case OBJ_SET: keep_items(arena, part, OBJ_SET, node); break;
    case OBJ_FROZENSET:
        keep_items(arena, part, OBJ_SET, node);
        part->note = "a set";
        break;
    case OBJ_DICT:
        keep_as(part, object_new(arena, OBJ_DICT));
        part->pairs = node;
        break;
    case OBJ_GLOBAL:
        part->to = (Object *)node;
        part->kept = is_listed(node);
        break;
    case OBJ_PERSID:
        part->to = (Object *)node;
        part->kept = is_storage(node);
        break;
    case OBJ_FAR: break;             /* the values of a tensor, and of nothing else */
    case OBJ_CALL: start_call(arena, part, node); break;
    case OBJ_TENSOR: start_tensor(arena, part, node); break;
    default:
        keep_as(part, (Object *)node);
    }
}

/* A tuple hashes by its items; its copy may not be filled yet when it stands in a cycle, and then
 * it is no key. Calls on the list hash but for Counter, bytearray and sets. *left bounds what
 * shared tuples in tuples can multiply. */
static bool can_be_key(const Object *copy, unsigned depth, size_t *left)
{
    if (!*left || depth > KEY_DEPTH) return false;
    --*left;
    switch ((ObjectKind)copy->kind) {
    case OBJ_LIST: case OBJ_DICT: case OBJ_SET: case OBJ_FROZENSET: case OBJ_BYTEARRAY:
    case OBJ_PERSID: return false;
    case OBJ_CALL:
        return calls(copy, "builtins.complex") || calls(copy, "_codecs.encode") ||
               calls(copy, "torch.Size") || calls(copy, "torch.device");
    case OBJ_TUPLE:
        for (size_t i = 0; i < copy->list.count; i++)
            if (!can_be_key(copy->list.items[i], depth + 1, left)) return false;
        return true;
    default: return true;
    }
}

bool whole_can_be_key(const Object *copy)
{
    size_t left = KEY_NODES;
    return can_be_key(copy, 0, &left);
}
