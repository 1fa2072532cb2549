/* NumPy arrays and scalars in pickles, told by name (numpy/_core/multiarray, NumPy 1 says
 * numpy/core):
 *
 *   array    _reconstruct(ndarray, (0,), b'b'), then the state
 *            (1, shape, dtype, is_fortran, data)          protocols 0 to 4, and object arrays
 *            _frombuffer(data, dtype, shape, 'C' | 'F')   protocol 5
 *            _frombuffer(data, dtype, shape, 'K', axes)   NumPy 2.3 and later
 *   scalar   scalar(dtype, data)
 *   dtype    dtype('f4', False, True), then the state (3, '<', None, None, None, -1, -1, 0)
 *
 * An array of numbers becomes a TENSOR whose values stay where they are. A scalar becomes the
 * Python number that it equals: a loss or an epoch beside the weights, and no weight. Arrays of
 * objects stay calls, with their objects as items: a dict in an array of no dimensions is found
 * under the array's own path. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "loader/format/numpy.h"
#include "loader/format/torch.h"

/* An array as its pickle describes it. */
typedef struct Array {
    Object *data;            /* bytes, in one of their forms, or a LIST of objects */
    const Object *dtype, *shape;
    bool fortran;            /* the first index is the fastest */
    const Object *axes;      /* 'K': the order of the axes in which it lies, or NULL */
} Array;

/* NumPy renamed its inside: numpy.core became numpy._core. */
static bool is_numpy(const Object *global, const char *name)
{
    return global && global->kind == OBJ_GLOBAL && strcmp(global->global.name, name) == 0 &&
           (strcmp(global->global.module, "numpy") == 0 ||
            has_prefix(global->global.module, "numpy."));
}

/* -- Types ----------------------------------------------------------------------------- */

static const char *text_of(const Object *node)
{
    return node && (node->kind == OBJ_STR || node->kind == OBJ_BYTES) ? node->bytes.text : NULL;
}

/* What its first argument calls it: text, or (ml_dtypes) a class. Objects are 'O8' or 'O'. */
static DType read_dtype(const Object *node, bool *big_endian, bool *objects)
{
    *big_endian = *objects = false;
    if (node->kind == OBJ_GLOBAL) return numpy_class_dtype(node->global.module, node->global.name);
    if (node->kind != OBJ_CALL || !is_numpy(node->call->callable, "dtype") ||
        !node->call->args->list.count)
        return DT_UNKNOWN;
    const Object *name = node->call->args->list.items[0], *state = node->call->state;
    const char *text = text_of(name);
    *objects = text && text[0] == 'O';
    DType dtype = DT_UNKNOWN;
    if (text && text[0] != 'V') dtype = numpy_dtype(text, strlen(text), big_endian);
    else if (name->kind == OBJ_GLOBAL)
        dtype = numpy_class_dtype(name->global.module, name->global.name);
    if (state && state->kind == OBJ_TUPLE && state->list.count >= 2) {
        const char *order = text_of(state->list.items[1]);
        *big_endian = order && order[0] == '>' && dtype_size(dtype) > 1;
    }
    return dtype;
}

/* -- Arrays ---------------------------------------------------------------------------- */

/* The state that BUILD gave to what _reconstruct made; NumPy before 1.0 had no version in it. */
static bool read_state(const Object *state, Array *array)
{
    if (!state || state->kind != OBJ_TUPLE || state->list.count < 4) return false;
    Object *const *field = state->list.items + (state->list.count == 4 ? 0 : 1);
    array->shape = field[0];
    array->dtype = field[1];
    array->fortran = field[2]->kind == OBJ_BOOL ? field[2]->boolean
                                                : field[2]->kind == OBJ_INT && field[2]->integer;
    array->data = field[3];
    return array->shape->kind == OBJ_TUPLE;
}

static bool read_frombuffer(const Object *args, Array *array)
{
    if (args->list.count < 4 || args->list.items[2]->kind != OBJ_TUPLE) return false;
    const char *order = text_of(args->list.items[3]);
    array->data = args->list.items[0];
    array->dtype = args->list.items[1];
    array->shape = args->list.items[2];
    array->fortran = order && order[0] == 'F';
    bool any = order && order[0] == 'K' && args->list.count > 4;
    if (any && args->list.items[4]->kind == OBJ_TUPLE) array->axes = args->list.items[4];
    return true;
}

/* Dims, and the number of bytes that they need, none of them believed. */
static bool read_dims(const Array *array, unsigned width, int64_t *dims, uint64_t *bytes,
                      Error *err)
{
    size_t rank = array->shape->list.count;
    bool empty = false;
    *bytes = width;
    if (rank > TENSOR_RANK_MAX)
        return error_set(err, ERR_LIMIT, "%zu dimensions, more than the limit of %d", rank,
                         TENSOR_RANK_MAX);
    for (size_t i = 0; i < rank; i++) {
        const Object *size = array->shape->list.items[i];
        if (size->kind != OBJ_INT || size->integer < 0)
            return error_set(err, ERR_FORMAT, "its shape[%zu] is no size", i);
        dims[i] = size->integer;
        empty = empty || !dims[i];
        if (!sum_mul(*bytes, dims[i] ? (uint64_t)dims[i] : 1, bytes) || *bytes > INT64_MAX)
            return error_set(err, ERR_FORMAT, "its shape has more elements than 63 bits can count");
    }
    if (empty) *bytes = 0;
    return true;
}

/* The shape that the buffer has ("K"), with its axes put in another order: axis i of the array is
 * axis axes[i] of the buffer. */
static bool permute(const Array *array, int64_t *dims, int64_t *strides, unsigned rank, Error *err)
{
    int64_t from[TENSOR_RANK_MAX], packed[TENSOR_RANK_MAX];
    uint64_t seen = 0;
    memcpy(from, dims, rank * sizeof *from);
    contiguous_strides(from, rank, packed);
    if (array->axes->list.count != rank)
        return error_set(err, ERR_FORMAT, "it has %u sizes, but %zu axes", rank,
                         array->axes->list.count);
    for (unsigned i = 0; i < rank; i++) {
        const Object *axis = array->axes->list.items[i];
        bool fine = axis->kind == OBJ_INT && axis->integer >= 0 && axis->integer < rank &&
                    !(seen >> axis->integer & 1);
        if (!fine) return error_set(err, ERR_FORMAT, "its axes are no permutation");
        seen |= UINT64_C(1) << axis->integer;
        dims[i] = from[axis->integer];
        strides[i] = packed[axis->integer];
    }
    return true;
}

/* Strides that are not the usual ones: the first index is the fastest, or any order. */
static bool set_order(TorchFile *file, const Array *array, int64_t *dims, Tensor *tensor,
                      Error *err)
{
    int64_t strides[TENSOR_RANK_MAX], step = 1;
    unsigned rank = tensor->rank;
    bool fortran = array->fortran && rank > 1;
    for (unsigned i = 0; fortran && i < rank; i++) {
        strides[i] = step;
        step *= dims[i] ? dims[i] : 1;      /* no more than the bytes, which were counted */
    }
    if (array->axes && !permute(array, dims, strides, rank, err)) return false;
    tensor->dims = arena_copy(file->arena, dims, rank * sizeof *dims);
    if ((fortran || array->axes) && rank)
        tensor->strides = arena_copy(file->arena, strides, rank * sizeof *strides);
    return true;
}

/* The tensor of an array of numbers; its storage is its own. */
static bool make_tensor(TorchFile *file, Object *node, const Array *array, DType dtype,
                        bool big_endian, Error *err)
{
    int64_t dims[TENSOR_RANK_MAX];
    uint64_t bytes;
    TorchBlob blob;
    bool found;
    if (!read_dims(array, dtype_size(dtype), dims, &bytes, err) ||
        !torch_find_blob(file, array->data, bytes, &blob, &found, err))
        return false;
    if (!found) return true;
    if (blob.bytes != bytes)
        return error_set(err, ERR_FORMAT, "its shape needs %" PRIu64 " bytes, %" PRIu64
                         " are given", bytes, blob.bytes);
    const Encoding encoding = {.big_endian = big_endian};
    Tensor tensor = {.name = "", .identity = node, .dtype = dtype,
                     .rank = (uint8_t)array->shape->list.count};
    Storage *storage = arena_alloc(file->arena, sizeof *storage);
    *storage = (Storage){blob.source, blob.offset, blob.bytes, dtype, file->storages_met++};
    tensor.storage = storage;
    tensor.encoding = torch_share_encoding(file, &encoding);
    if (!set_order(file, array, dims, &tensor, err)) return false;
    ObjectCall *call = node->call;
    node->kind = OBJ_TENSOR;
    node->call = call;
    node->tensor = arena_copy(file->arena, &tensor, sizeof tensor);
    return true;
}

/* Objects as items of the call; without dimensions there is one, and its content stands for it. */
static void unfold(Object *node, Object *data)
{
    const Object *inner = data->list.count == 1 ? data->list.items[0] : NULL;
    if (inner == node || node->call->list || node->call->map) return;
    const Object *dict = object_as_dict(inner), *sequence = object_as_sequence(inner);
    if (dict) node->call->map = (Object *)dict;
    else node->call->list = sequence ? (Object *)sequence : data;
}

static bool rebuild_array(TorchFile *file, Object *node, const Array *array, Error *err)
{
    bool big_endian, objects;
    DType dtype = read_dtype(array->dtype, &big_endian, &objects);
    if (objects && array->data->kind == OBJ_LIST) {
        if (!array->shape->list.count) unfold(node, array->data);
        else if (!node->call->list) node->call->list = array->data;
        return true;
    }
    if (dtype == DT_UNKNOWN || !file->pickle) return true;
    return make_tensor(file, node, array, dtype, big_endian, err);
}

/* -- Scalars --------------------------------------------------------------------------- */

/* At most a double's exact integers change their kind only; what would lose stays a call. */
static bool rebuild_scalar(TorchFile *file, Object *node, Error *err)
{
    const Object *args = node->call->args;
    unsigned char bytes[16], swapped[16];
    bool big_endian, objects, found;
    TorchBlob blob;
    if (args->list.count < 2) return true;
    DType dtype = read_dtype(args->list.items[0], &big_endian, &objects);
    unsigned width = dtype_size(dtype);
    DTypeClass kind = dtype_info(dtype)->kind;
    if (!width || kind == CLASS_COMPLEX || kind == CLASS_OTHER || !file->pickle) return true;
    if (!torch_find_blob(file, args->list.items[1], width, &blob, &found, err)) return false;
    if (!found || blob.bytes != width) return true;
    if (!source_read(blob.source, blob.offset, bytes, width, err)) return false;
    for (unsigned i = 0; i < width; i++) swapped[i] = bytes[big_endian ? width - 1 - i : i];
    ObjectCall *call = node->call;
    if (kind == CLASS_FLOAT) {
        double number;
        dtype_to_doubles(dtype, swapped, &number, 1);
        node->kind = OBJ_FLOAT;
        node->number = number;
    } else {
        int64_t number = 0;
        dtype_convert(dtype, swapped, DT_I64, &number, 1);
        if (dtype == DT_U64 && number < 0) return true;
        node->kind = kind == CLASS_BOOL ? OBJ_BOOL : OBJ_INT;
        if (kind == CLASS_BOOL) node->boolean = number != 0;
        else node->integer = number;
    }
    node->origin = call;
    return true;
}

bool torch_rebuild_numpy(TorchFile *file, Object *node, Error *err)
{
    const ObjectCall *call = node->call;
    Array array = {0};
    if (call->callable->kind != OBJ_GLOBAL || !has_prefix(call->callable->global.module, "numpy"))
        return true;
    if (is_numpy(call->callable, "scalar")) return rebuild_scalar(file, node, err);
    bool known = is_numpy(call->callable, "_reconstruct")   ? read_state(call->state, &array)
                 : is_numpy(call->callable, "_frombuffer") ? read_frombuffer(call->args, &array)
                                                           : false;
    return !known || rebuild_array(file, node, &array, err);
}
