/* The functions and classes that PyTorch pickles tensors with, told by name; their arguments, which
 * stand above each rebuild_… below, are those of torch/_utils.py, torch/_tensor.py and, before
 * 0.4, torch/tensor.py.
 *
 * A CALL of one of them becomes a TENSOR node in place, so whoever shares the node shares the
 * tensor. The walk gives children first: arguments that are tensors are TENSOR nodes already.
 * What is not known stays a CALL and is shown as such. */
#include <inttypes.h>
#include <string.h>

#include "loader/format/pickle_tensor.h"
#include "loader/format/torch_build.h"

/* NULL when there are fewer: arguments were added over the years. */
const Object *build_arg(const Build *b, size_t index)
{
    return index < b->args->list.count ? b->args->list.items[index] : NULL;
}

/* The caller puts file and tensor before it; always false. */
bool build_refuse(Build *b, const char *what)
{
    return error_set(b->err, ERR_FORMAT, "%s", what);
}

/* Shown, never loaded; the note says why. */
void build_opaque(Build *b, const char *note)
{
    b->encoding.opaque = true;
    b->encoding.note = note;
}

/* A tuple, a list, or torch.Size of one. */
bool torch_read_sizes(const Object *from, const char *what, int64_t *out, unsigned *rank,
                      Error *err)
{
    if (object_is_call(from, "torch", "Size") && from->call->args->list.count)
        from = from->call->args->list.items[0];
    const Object *list = object_as_sequence(from);
    if (!list) return error_set(err, ERR_FORMAT, "its %s is no tuple", what);
    if (list->list.count > TENSOR_RANK_MAX)
        return error_set(err, ERR_LIMIT, "%zu dimensions, more than the limit of %d",
                         list->list.count, TENSOR_RANK_MAX);
    for (size_t i = 0; i < list->list.count; i++) {
        if (list->list.items[i]->kind != OBJ_INT)
            return error_set(err, ERR_FORMAT, "its %s[%zu] is no 64-bit integer", what, i);
        out[i] = list->list.items[i]->integer;
    }
    *rank = (unsigned)list->list.count;
    return true;
}

/* The tensor's dims and, where they say more than "contiguous", its strides, in elements. NULL for
 * `stride`: the function has none. */
bool build_shape(Build *b, const Object *size, const Object *stride)
{
    int64_t dims[TENSOR_RANK_MAX], strides[TENSOR_RANK_MAX];
    unsigned rank = 0, stride_rank = 0;
    if (!torch_read_sizes(size, "size", dims, &rank, b->err)) return false;
    b->tensor.rank = (uint8_t)rank;
    b->tensor.dims = arena_copy(b->file->arena, dims, rank * sizeof *dims);
    if (!stride) return true;
    if (!torch_read_sizes(stride, "stride", strides, &stride_rank, b->err)) return false;
    if (rank != stride_rank)
        return error_set(b->err, ERR_FORMAT, "it has %u sizes, but %u strides", rank, stride_rank);
    if (!strides_are_plain(dims, strides, rank))
        b->tensor.strides = arena_copy(b->file->arena, strides, rank * sizeof *strides);
    return true;
}

/* A type, or a class of storages, of which nothing is known but its name. */
static void note_type(Build *b, const Object *node)
{
    Text what = {0};
    object_show(node, &what);
    build_opaque(b, arena_printf(b->file->arena, "elements of type %s", text_string(&what)));
    text_done(&what);
}

/* At that element of a storage. */
static bool place(Build *b, const TorchStorageUse *use, uint64_t offset, DType own)
{
    uint64_t bytes;
    b->tensor.dtype = own == DT_UNKNOWN ? use->dtype : own;
    unsigned width = dtype_size(b->tensor.dtype);
    if (!sum_mul(offset, width ? width : 1, &bytes) ||
        !sum_add(bytes, use->offset, &b->tensor.offset))
        return build_refuse(b, "its storage offset is beyond what 64 bits can address");
    if (b->tensor.dtype == DT_UNKNOWN && own == DT_UNKNOWN && b->file->class_node)
        note_type(b, b->file->class_node);
    b->view_end = use->end;
    b->tensor.storage = use->storage->absent ? NULL : use->storage->storage;
    return true;
}

/* The storage and the element at which the tensor starts in it; the dtype is the storage's
 * unless the tensor names its own (v3). */
static bool set_data(Build *b, const Object *persid, const Object *offset, DType own)
{
    TorchStorageUse use;
    if (persid->kind == OBJ_PERSID && persid->list.items[0]->kind == OBJ_STR)
        return build_refuse(
            b, "it was saved with pickle protocol 0, which turns storages into text; PyTorch "
               "cannot load it either: save it again with protocol 2");
    if (object_is_call(persid, "torch.storage", "_load_from_bytes")) {
        if (!torch_use_loaded(b->file, (Object *)persid, &use, b->err)) return false;
    } else if (b->file->tuple_ids && torch_is_id(persid)) {
        if (!torch_use_id(b->file, persid, &use, b->err)) return false;
    } else if (!torch_is_storage(persid)) {
        return build_refuse(b, "its storage is no persistent id");
    } else if (!torch_use_storage(b->file, persid, &use, b->err)) {
        return false;
    }
    if (offset->kind != OBJ_INT || offset->integer < 0)
        return build_refuse(b, "its storage offset is no integer from 0 on");
    return place(b, &use, (uint64_t)offset->integer, own);
}

static bool is_true(const Object *node)
{
    return node && node->kind == OBJ_BOOL && node->boolean;
}

/* {'conj': True, 'neg': True}: what is stored is not conjugated, not negated. */
static bool read_bits(Build *b, const Object *metadata)
{
    const Object *dict = object_as_dict(metadata);
    if (!dict) return true;
    if (!torch_spend(b->file, dict->list.count, b->err)) return false;
    const Object *conj = object_get(metadata, "conj"), *neg = object_get(metadata, "neg");
    b->encoding.conjugate = is_true(conj);
    b->encoding.negate = is_true(neg);
    return true;
}

/* torch.float8_e4m3fn and the like. */
DType build_dtype(const Object *node)
{
    if (!node || node->kind != OBJ_GLOBAL || strcmp(node->global.module, "torch") != 0)
        return DT_UNKNOWN;
    return dtype_from_name(node->global.name);
}

/* (storage, offset, size, stride[, requires_grad, hooks[, metadata]]): also v1. */
static bool rebuild_v2(Build *b)
{
    b->tensor.parameter = is_true(build_arg(b, 4));
    return read_bits(b, build_arg(b, 6)) &&
           set_data(b, build_arg(b, 0), build_arg(b, 1), DT_UNKNOWN) &&
           build_shape(b, build_arg(b, 2), build_arg(b, 3));
}

/* torch counts the bytes of packed 4-bit types, two values each; a Tensor counts values. */
static bool unpack_shape(Build *b)
{
    Tensor *t = &b->tensor;
    if (dtype_info(t->dtype)->bits != 4) return true;
    if (!t->rank || t->strides || t->dims[t->rank - 1] > INT64_MAX / 2) {
        build_opaque(b, "packed 4-bit values that do not lie one after the other");
        return true;
    }
    int64_t *dims = arena_copy(b->file->arena, t->dims, t->rank * sizeof *dims);
    dims[t->rank - 1] *= 2;
    t->dims = dims;
    return true;
}

/* (untyped storage, offset, size, stride, requires_grad, hooks, dtype[, metadata]) */
static bool rebuild_v3(Build *b)
{
    DType dtype = build_dtype(build_arg(b, 6));
    b->tensor.parameter = is_true(build_arg(b, 4));
    if (!read_bits(b, build_arg(b, 7)) || !set_data(b, build_arg(b, 0), build_arg(b, 1), dtype) ||
        !build_shape(b, build_arg(b, 2), build_arg(b, 3)))
        return false;
    if (dtype != DT_UNKNOWN) return unpack_shape(b);
    note_type(b, build_arg(b, 6));
    b->tensor.dtype = DT_UNKNOWN;
    return true;
}

/* (dtype, size, stride, requires_grad): no data. */
static bool rebuild_meta(Build *b)
{
    b->tensor.dtype = build_dtype(build_arg(b, 0));
    return build_shape(b, build_arg(b, 1), build_arg(b, 2));
}

/* (storage, offset, size, stride, qparams, requires_grad, hooks) */
static bool rebuild_quantized(Build *b)
{
    return set_data(b, build_arg(b, 0), build_arg(b, 1), DT_UNKNOWN) &&
           build_shape(b, build_arg(b, 2), build_arg(b, 3)) &&
           torch_quantizer(b->file, build_arg(b, 4), &b->tensor, &b->encoding, b->err);
}

/* (tensor, …): another name for the tensor that is its first argument. */
static bool rebuild_same(Build *b)
{
    const Object *inner = build_arg(b, 0);
    b->unknown = inner->kind != OBJ_TENSOR;
    if (b->unknown) return true;
    b->tensor = *inner->tensor;
    b->parts = inner->parts;
    b->settled = true;
    if (b->tensor.encoding) b->encoding = *b->tensor.encoding;
    return true;
}

/* (data, requires_grad, hooks[, state]): the tensor, as an nn.Parameter. */
static bool rebuild_parameter(Build *b)
{
    if (!rebuild_same(b)) return false;
    b->tensor.parameter = true;
    return true;
}

/* A function of torch that makes a tensor. */
typedef struct Rebuilder {
    const char *name;        /* in any module of torch: they moved over the years */
    bool (*make)(Build *b);  /* fills b->tensor; false: the file is refused */
    size_t args;             /* at least */
} Rebuilder;

/* The most frequent first: a search is made for each tensor. */
static const Rebuilder rebuilders[] = {
    {"_rebuild_tensor_v2", rebuild_v2, 6},
    {"_rebuild_parameter", rebuild_parameter, 1},
    {"_rebuild_tensor", rebuild_v2, 4},
    {"_rebuild_tensor_v3", rebuild_v3, 7},
    {"_rebuild_parameter_with_state", rebuild_parameter, 1},
    {"_rebuild_meta_tensor_no_storage", rebuild_meta, 3},
    {"_rebuild_qtensor", rebuild_quantized, 5},
    {"_rebuild_sparse_tensor", build_sparse, 2},
    {"_rebuild_sparse_csr_tensor", build_sparse, 2},
    {"_rebuild_nested_tensor", build_nested, 4},
    {"_rebuild_njt", build_jagged, 1},
    {"_rebuild_wrapper_subclass", build_wrapper, 4},
    {"_rebuild_device_tensor_from_cpu_tensor", build_device, 2},
    {"_rebuild_device_tensor_from_numpy", build_device, 2},
    {"_rebuild_xla_tensor", rebuild_same, 1},
};

/* A name of the module torch or of one inside it; "torchvision" is another. */
static bool is_torch(const Object *global)
{
    return global->kind == OBJ_GLOBAL && strncmp(global->global.module, "torch", 5) == 0 &&
           (global->global.module[5] == '\0' || global->global.module[5] == '.');
}

static const Rebuilder *find_rebuilder(const Object *callable)
{
    if (!is_torch(callable) || !has_prefix(callable->global.name, "_rebuild_")) return NULL;
    for (size_t i = 0; i < countof(rebuilders); i++)
        if (strcmp(callable->global.name, rebuilders[i].name) == 0) return &rebuilders[i];
    return NULL;
}

/* Calls the rebuilder on the arguments, which it need not count again. NULL: not one of ours. */
static bool run(Build *b, const Rebuilder *rebuilder, const Object *args)
{
    b->unknown = !rebuilder || args->kind != OBJ_TUPLE;
    if (b->unknown) return true;
    if (args->list.count < rebuilder->args)
        return error_set(b->err, ERR_FORMAT, "%s has %zu arguments instead of %zu", rebuilder->name,
                         args->list.count, rebuilder->args);
    b->args = args;
    return rebuilder->make(b);
}

/* torch._tensor._rebuild_from_type_v2(function, type, arguments, state): a subclass of Tensor,
 * or a tensor with attributes. The function makes the tensor. */
static bool rebuild_typed(Build *b, const Object *args)
{
    b->unknown = args->list.count < 3;
    if (b->unknown) return true;
    b->type_state = args->list.count > 3 ? args->list.items[3] : NULL;
    if (!run(b, find_rebuilder(args->list.items[0]), args->list.items[2])) return false;
    const Object *type = args->list.items[1];
    if (type->kind == OBJ_GLOBAL && strcmp(type->global.name, "Parameter") == 0)
        b->tensor.parameter = true;
    return true;
}

/* torch.FloatTensor() and its like, with BUILD (storage, offset, size, stride): before 0.2. */
static bool rebuild_old_tensor(Build *b, const Object *state)
{
    b->unknown = !state || state->kind != OBJ_TUPLE || state->list.count != 4 ||
                 !torch_is_storage(state->list.items[0]);
    if (b->unknown) return true;
    Object *const *field = state->list.items;
    return set_data(b, field[0], field[1], DT_UNKNOWN) && build_shape(b, field[2], field[3]);
}

/* Parameter(data), copyreg.__newobj__(Parameter, data), or Parameter() with BUILD (data, …):
 * before 1.0. */
static bool rebuild_old_parameter(Build *b, const Object *call_args, const Object *state)
{
    const Object *data = NULL;
    for (size_t i = 0; !data && i < call_args->list.count && i < 2; i++)
        if (call_args->list.items[i]->kind == OBJ_TENSOR) data = call_args->list.items[i];
    if (!data && state && state->kind == OBJ_TUPLE && state->list.count == 5)
        data = state->list.items[0];
    b->unknown = !data || data->kind != OBJ_TENSOR;
    if (b->unknown) return true;
    b->tensor = *data->tensor;
    b->parts = data->parts;
    b->settled = true;
    if (b->tensor.encoding) b->encoding = *b->tensor.encoding;
    b->tensor.parameter = true;
    return true;
}

/* The class of an object that is made by a class, or through copyreg. */
static const Object *class_of(const ObjectCall *call)
{
    if (object_is_global(call->callable, "copyreg", "__newobj__") && call->args->list.count)
        return call->args->list.items[0];
    return call->callable;
}

/* By the name of what is called: a function "_rebuild_…", a Parameter, or an old tensor class. */
static bool make(Build *b, const ObjectCall *call)
{
    const Object *class = class_of(call);
    b->unknown = !is_torch(class);
    if (b->unknown) return true;
    const char *name = class->global.name;
    if (strcmp(name, "_rebuild_from_type_v2") == 0) return rebuild_typed(b, call->args);
    if (name[0] == '_') return run(b, find_rebuilder(class), call->args);
    if (strcmp(name, "Parameter") == 0 || strcmp(name, "Variable") == 0)
        return rebuild_old_parameter(b, call->args, call->state);
    b->unknown = !has_suffix(name, "Tensor");
    return b->unknown || rebuild_old_tensor(b, call->state);
}

/* The eight plain encodings are shared; one with a note is its own. */
const Encoding *torch_share_encoding(TorchFile *file, const Encoding *encoding)
{
    unsigned index = (encoding->big_endian ? 1u : 0u) | (encoding->conjugate ? 2u : 0u) |
                     (encoding->negate ? 4u : 0u);
    if (encoding->opaque || encoding->note)
        return arena_copy(file->arena, encoding, sizeof *encoding);
    if (index && !file->encodings[index])
        file->encodings[index] = arena_copy(file->arena, encoding, sizeof *encoding);
    return file->encodings[index];
}

/* A view ends before its storage does. An empty one may begin at 0. */
static bool stays_in_view(const Build *b)
{
    if (!b->view_end || !b->tensor.storage) return true;
    Storage view = *b->tensor.storage;
    Tensor alone = b->tensor;
    view.bytes = b->view_end < view.bytes ? b->view_end : view.bytes;
    alone.storage = &view;
    return tensor_check(&alone, b->err) || error_prefix(b->err, "in its view of a storage");
}

/* What an entry takes of the allowance: its place in the new dict. */
enum { PAIR_COST = 2 * sizeof(Object *) };

/* Python 2 pickles OrderedDict([[key, value], …]); later ones fill an empty one. Both become
 * the same. */
static bool fill_ordered_dict(TorchFile *file, const Object *node, Error *err)
{
    Arena *arena = file->arena;
    ObjectCall *call = node->call;
    const Object *pairs =
        call->args->list.count == 1 ? object_as_sequence(call->args->list.items[0]) : NULL;
    if (!pairs || call->map) return true;
    if (!torch_spend(file, pairs->list.count * PAIR_COST, err)) return false;
    for (size_t i = 0; i < pairs->list.count; i++) {
        const Object *pair = object_as_sequence(pairs->list.items[i]);
        if (!pair || pair->list.count != 2) return true;
    }
    call->map = object_new(arena, OBJ_DICT);
    for (size_t i = 0; i < pairs->list.count; i++) {
        const Object *pair = object_as_sequence(pairs->list.items[i]);
        object_push(arena, call->map, pair->list.items[0]);
        object_push(arena, call->map, pair->list.items[1]);
    }
    call->args = object_new(arena, OBJ_TUPLE);
    call->map->mark = call->args->mark = node->mark;     /* as if they had always been there */
    return true;
}

/* Counter({…}), defaultdict(…, {…}): the dict that they were made from is what they hold. */
static void fill_from_dict(const Object *node, size_t index)
{
    const Object *args = node->call->args;
    const Object *dict = index < args->list.count ? args->list.items[index] : NULL;
    if (dict && dict->kind == OBJ_DICT && !node->call->map) node->call->map = (Object *)dict;
}

/* The helpers of TorchScript's pickles. 1.0 and 1.1, whose pickles come with a table, had them as
 * classes of __main__, where elsewhere the user's own are. */
static bool is_jit_helper(const TorchFile *file, const Object *global)
{
    if (global->kind != OBJ_GLOBAL) return false;
    return strcmp(global->global.module, "torch.jit._pickle") == 0 ||
           (file->table && strcmp(global->global.module, "__main__") == 0);
}

/* build_tensor_from_id(i): tensor i of the table that lies beside the pickle. */
static bool take_from_table(TorchFile *file, Object *node, const Object *id, Error *err)
{
    if (id->kind != OBJ_INT || id->integer < 0 || (uint64_t)id->integer >= file->table_count)
        return error_set(err, ERR_FORMAT,
                         "it is tensor %" PRId64 " of a table that has %zu",
                         id->kind == OBJ_INT ? id->integer : -1, file->table_count);
    Tensor *tensor = arena_copy(file->arena, &file->table[id->integer], sizeof *tensor);
    tensor->identity = node;
    node->kind = OBJ_TENSOR;
    node->tensor = tensor;
    return true;
}

/* build_intlist([…]), restore_type_tag(container, 'Dict[str, Tensor]'): the call becomes what it
 * is around. The items are shared, which nobody will change any more. */
static bool unwrap_helper(TorchFile *file, Object *node, bool *done, Error *err)
{
    static const char *const wrappers[] = {
        "restore_type_tag", "build_intlist", "build_tensorlist", "build_doublelist",
        "build_boollist", "IntList", "TensorList", "DoubleList", "BoolList"};
    const ObjectCall *call = node->call;
    *done = is_jit_helper(file, call->callable) && call->args->kind == OBJ_TUPLE &&
            call->args->list.count;
    if (!*done) return true;
    const char *name = call->callable->global.name;
    const Object *inner = call->args->list.items[0];
    if (strcmp(name, "build_tensor_from_id") == 0 || strcmp(name, "TensorID") == 0)
        return take_from_table(file, node, inner, err);
    *done = inner->kind == OBJ_LIST || inner->kind == OBJ_DICT || inner->kind == OBJ_TUPLE;
    for (size_t i = 0; *done && i < countof(wrappers); i++)
        if (strcmp(name, wrappers[i]) == 0) {
            uint8_t mark = node->mark;
            *node = *inner;
            node->mark = mark;
            return true;
        }
    *done = false;
    return true;
}

/* What is told of a tensor at the end. */
static const Encoding *settle(Build *b)
{
    if (!b->settled)
        b->encoding.big_endian = b->file->big_endian && dtype_size(b->tensor.dtype) > 1;
    if (!b->tensor.storage && !b->encoding.note) b->encoding.note = "no data (device meta)";
    return torch_share_encoding(b->file, &b->encoding);
}

/* A tensor in short: its record takes the place of what the pickle said. */
static bool rebuild_short(TorchFile *file, Object *node, PickleTensor *brief, Error *err)
{
    const PickleTensorMaker *maker = brief->maker;
    const TorchId id = {brief->key, maker->class, maker->location, brief->numel};
    Build b = {.file = file, .err = err,
               .tensor = {.name = "", .dims = brief->dims, .strides = brief->strides,
                          .identity = node, .rank = brief->rank, .parameter = brief->parameter}};
    TorchStorageUse use;
    if (!torch_use_key(file, &id, &use, err) || !place(&b, &use, brief->offset, maker->dtype))
        return false;
    b.tensor.encoding = settle(&b);
    brief->tensor = b.tensor;
    node->kind = OBJ_TENSOR;
    node->call = NULL;
    node->tensor = &brief->tensor;
    node->parts = NULL;
    file->short_tensors++;
    return true;
}

/* Storages are read where they stand, too: an object may hold one without a tensor. The identity
 * of a tensor is its node, which a file refers to again where Python had the same object. */
bool torch_rebuild(TorchFile *file, Object *node, Error *err)
{
    TorchStorageUse use;
    if (torch_is_storage(node)) {
        if (!torch_use_storage(file, node, &use, err)) return false;
        if (!use.offset && !use.storage->absent) node->persid.storage = use.storage->storage;
        return true;
    }
    if (node->kind == OBJ_PERSID && file->resolve) return file->resolve(file, node, err);
    if (node->kind == OBJ_FAR) return torch_note_far(file, node);
    if (node->kind != OBJ_CALL) return true;
    PickleTensor *brief = pickle_tensor(node);
    if (brief) return rebuild_short(file, node, brief, err);
    if (object_is_call(node, "collections", "OrderedDict"))
        return fill_ordered_dict(file, node, err);
    if (object_is_call(node, "collections", "Counter")) fill_from_dict(node, 0);
    if (object_is_call(node, "collections", "defaultdict")) fill_from_dict(node, 1);
    bool unwrapped;
    if (!unwrap_helper(file, node, &unwrapped, err)) return false;
    if (unwrapped) return true;
    Build b = {
        .file = file, .tensor = {.name = "", .identity = node, .dtype = DT_UNKNOWN}, .err = err};
    if (!make(&b, node->call)) return false;
    if (b.unknown) return torch_rebuild_numpy(file, node, err);
    if (!stays_in_view(&b)) return false;
    b.tensor.encoding = settle(&b);
    b.tensor.identity = node;
    node->kind = OBJ_TENSOR;
    node->parts = b.parts;
    node->tensor = arena_copy(file->arena, &b.tensor, sizeof b.tensor);
    return true;
}
