/* Tensors that are made of other tensors: sparse and nested ones, subclasses that wrap tensors, and
 * those that were carried over from other devices. The parts are found as a container of their own,
 * under the path of the tensor. */
#include <inttypes.h>
#include <string.h>

#include "loader/format/graph.h"
#include "loader/format/torch_build.h"
#include "loader/tensor/sparse.h"
#include "loader/tensor/packed.h"

/* About what a source takes in memory. */
enum { SOURCE_COST = 512 };

/* --- parts ---------------------------------------------------------------------------- */

static void release_dict(void *dict)
{
    dict_unref(dict);
}

/* The parts are the checkpoint's. `name` is a constant, or in the file's arena. */
static bool add_part(Build *b, const char *name, const Object *node)
{
    if (!node || node->kind != OBJ_TENSOR) return true;
    if (!b->parts) {
        b->parts = dict_new();
        checkpoint_own(b->file->checkpoint, b->parts, release_dict);
    }
    return torch_list_tensor(b->file, b->parts, name, node->tensor, b->err);
}

/* --- sparse --------------------------------------------------------------------------- */

/* PyTorch's Layout in C++ (c10/core/Layout.h), which TorchScript writes as a number. */
static const char *const layout_numbers[] = {"strided",    "sparse_coo", "sparse_csr", "mkldnn",
                                             "sparse_csc", "sparse_bsr", "sparse_bsc"};

/* torch.serialization._get_layout('torch.sparse_csr'), or a number; SPARSE_NONE for others. */
static SparseLayout read_layout(const Object *node)
{
    static const char *const names[] = {"", "coo", "csr", "csc", "bsr", "bsc"};
    const char *name = NULL;
    if (node->kind == OBJ_CALL && node->call->args->list.count)
        node = node->call->args->list.items[0];
    if (node->kind == OBJ_STR) name = node->bytes.text;
    else if (node->kind == OBJ_GLOBAL) name = node->global.name;
    else if (node->kind == OBJ_INT && (uint64_t)node->integer < countof(layout_numbers))
        name = layout_numbers[node->integer];
    const char *sparse = name ? strstr(name, "sparse_") : NULL;
    for (size_t i = 1; sparse && i < countof(names); i++)
        if (strcmp(sparse + strlen("sparse_"), names[i]) == 0) return (SparseLayout)i;
    return SPARSE_NONE;
}

/* The fields of one sparse tensor, wherever its writer put them. */
typedef struct SparseFields {
    const Object *indices, *plain, *values, *size;
} SparseFields;

/* Python: (layout, (indices, values, size[, coalesced])) or (layout, (compressed, plain, values,
 * size)); C++: (layout, size, requires_grad, indices, [plain,] values). */
static bool find_fields(const Build *b, SparseLayout layout, SparseFields *fields)
{
    bool coo = layout == SPARSE_COO;
    const Object *data = build_arg(b, 1);
    size_t first = 0, size = coo ? 2 : 3;
    if (build_arg(b, 0)->kind == OBJ_INT && b->args->list.count >= (coo ? 5u : 6u)) {
        data = b->args;
        first = 3;
        size = 1;
    }
    data = object_as_sequence(data);
    if (!data || data->list.count < first + (coo ? 2 : 3) || size >= data->list.count) return false;
    Object *const *items = data->list.items + first;
    fields->indices = items[0];
    fields->plain = coo ? NULL : items[1];
    fields->values = items[coo ? 1 : 2];
    fields->size = data->list.items[size];
    return fields->indices->kind == OBJ_TENSOR && fields->values->kind == OBJ_TENSOR &&
           (coo || fields->plain->kind == OBJ_TENSOR);
}

static bool add_sparse_parts(Build *b, SparseLayout layout, const SparseFields *fields)
{
    bool columns = layout == SPARSE_CSC || layout == SPARSE_BSC;
    const char *compressed = columns ? "ccol_indices" : "crow_indices";
    const char *first = layout == SPARSE_COO ? "indices" : compressed;
    const char *second = columns ? "row_indices" : "col_indices";
    return add_part(b, first, fields->indices) && add_part(b, second, fields->plain) &&
           add_part(b, "values", fields->values);
}

/* The values written out, zeros in between, as a storage of their own. */
static void set_dense(Build *b, ByteSource *source)
{
    Storage *storage = arena_alloc(b->file->arena, sizeof *storage);
    checkpoint_own_source(b->file->checkpoint, source);
    *storage = (Storage){source, 0, source->size, b->tensor.dtype, b->file->storages_met++};
    b->tensor.storage = storage;
    b->settled = true;
}

/* Size and bytes of the whole, as long as 63 bits can count it. */
static bool dense_bytes(const Tensor *tensor, uint64_t *bytes)
{
    *bytes = dtype_size(tensor->dtype);
    for (unsigned i = 0; i < tensor->rank; i++) {
        uint64_t dim = tensor->dims[i] > 0 ? (uint64_t)tensor->dims[i] : 1;
        if (!sum_mul(*bytes, dim, bytes) || *bytes > INT64_MAX) return false;
    }
    for (unsigned i = 0; i < tensor->rank; i++)
        if (!tensor->dims[i]) *bytes = 0;
    return true;
}

bool build_sparse(Build *b)
{
    static const char *const names[] = {"", "COO", "CSR", "CSC", "BSR", "BSC"};
    SparseLayout layout = read_layout(build_arg(b, 0));
    SparseFields fields;
    char more[LIMIT_TEXT];
    uint64_t bytes;
    if (layout == SPARSE_NONE) return build_refuse(b, "its layout is no sparse one that is known");
    if (!find_fields(b, layout, &fields))
        return build_refuse(b, "its sparse data is no (indices, values, size)");
    b->tensor.dtype = fields.values->tensor->dtype;
    if (!build_shape(b, fields.size, NULL) || !add_sparse_parts(b, layout, &fields)) return false;
    const Tensor *plain = fields.plain ? fields.plain->tensor : NULL;
    const Sparse sparse = {layout, fields.indices->tensor, plain,
                           fields.values->tensor, b->tensor.dims, b->tensor.rank};
    if (!sparse_check(&sparse, b->err)) return false;
    if (!dense_bytes(&b->tensor, &bytes))
        return build_refuse(b, "it has more elements than 63 bits can count");
    if (!torch_spend(b->file, SOURCE_COST, b->err)) return false;
    b->encoding.note = arena_printf(b->file->arena, "sparse %s, %" PRIu64 " %s stored",
                                    names[layout],
                                    sparse_stored(&sparse),
                                    layout >= SPARSE_BSR ? "blocks" : "values");
    const Encoding *own = sparse.values->encoding;
    if (!dtype_size(b->tensor.dtype) || (own && own->opaque)) build_opaque(b, b->encoding.note);
    else if (bytes > limit(LIMIT_DENSE_BYTES))
        build_opaque(b, arena_printf(b->file->arena,
                                     "%s; all of them would be %" PRIu64 " bytes, %s",
                                     b->encoding.note, bytes, limit_text(LIMIT_DENSE_BYTES, more)));
    else if (sparse.values->storage && sparse.indices->storage)
        set_dense(b, sparse_source(&sparse, bytes, b->file->name));
    return true;
}

/* --- nested and wrapped --------------------------------------------------------------- */

/* (buffer, sizes, strides, offsets): tensors of different shapes in one buffer. */
bool build_nested(Build *b)
{
    static const char *const names[] = {"buffer", "sizes", "strides", "offsets"};
    const Object *buffer = build_arg(b, 0), *sizes = build_arg(b, 1);
    b->unknown = buffer->kind != OBJ_TENSOR;
    if (b->unknown) return true;
    b->tensor = *buffer->tensor;
    for (size_t i = 0; i < countof(names); i++)
        if (!add_part(b, names[i], build_arg(b, i))) return false;
    bool counted = sizes->kind == OBJ_TENSOR && sizes->tensor->rank;
    build_opaque(b, counted ? arena_printf(b->file->arena,
                                           "nested: %" PRId64 " tensors of different shapes in one "
                                           "buffer", sizes->tensor->dims[0])
                            : "nested: tensors of different shapes in one buffer");
    return true;
}

/* ({'values': …, 'offsets': …, 'lengths': …}): the jagged layout, in which one dim differs. */
bool build_jagged(Build *b)
{
    static const char *const names[] = {"values", "offsets", "lengths"};
    const Object *values = object_get(build_arg(b, 0), names[0]);
    const Object *offsets = object_get(build_arg(b, 0), names[1]);
    b->unknown = !values || values->kind != OBJ_TENSOR;
    if (b->unknown) return true;
    if (!torch_spend(b->file, object_as_dict(build_arg(b, 0))->list.count, b->err)) return false;
    b->tensor = *values->tensor;
    for (size_t i = 0; i < countof(names); i++)
        if (!add_part(b, names[i], object_get(build_arg(b, 0), names[i]))) return false;
    bool counted = offsets && offsets->kind == OBJ_TENSOR && offsets->tensor->rank == 1 &&
                   offsets->tensor->dims[0] > 0;
    build_opaque(b, counted ? arena_printf(b->file->arena,
                                           "nested: %" PRId64 " tensors of different lengths, one "
                                           "behind the other", offsets->tensor->dims[0] - 1)
                            : "nested: tensors of different lengths, one behind the other");
    return true;
}

/* An attribute of a Python object: its state is a dict, or such a dict and its slots. */
static const Object *attributes_of(const Object *state, size_t which)
{
    if (state && state->kind == OBJ_TUPLE && state->list.count == 2)
        return object_as_dict(state->list.items[which]);
    return which ? NULL : object_as_dict(state);
}

static const Object *find_attribute(const Object *state, const char *name)
{
    for (size_t i = 0; i < 2; i++) {
        const Object *found = object_get(attributes_of(state, i), name);
        if (found) return found;
    }
    return NULL;
}

/* Whether a value is only a part of a sum over ranks: a placement of the class Partial. */
static bool has_partial(const Object *spec)
{
    enum { MESH_DIMS_MAX = 64 };     /* fixed: a mesh of ranks has two or three */
    const Object *state = spec && spec->kind == OBJ_CALL ? spec->call->state : NULL;
    const Object *attributes = attributes_of(state, 0);
    const Object *list = object_as_sequence(object_get(attributes, "placements"));
    for (size_t i = 0; list && i < list->list.count && i < MESH_DIMS_MAX; i++) {
        const Object *one = list->list.items[i];
        const Object *class = one->kind == OBJ_CALL ? one->call->callable : NULL;
        if (class && class->kind == OBJ_GLOBAL && strstr(class->global.name, "Partial"))
            return true;
    }
    return false;
}

/* Every tensor among the attributes is a part, under its own name. */
static bool add_attributes(Build *b, const Object *state)
{
    for (size_t which = 0; which < 2; which++) {
        const Object *dict = attributes_of(state, which);
        for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
            const Object *key = dict->list.items[i];
            if (!torch_spend(b->file, 1, b->err)) return false;
            if (key->kind == OBJ_STR && !add_part(b, key->bytes.text, dict->list.items[i + 1]))
                return false;
        }
    }
    return true;
}

/* The values of a DTensor whose local tensor is all of it. */
static void take_local(Build *b, const Tensor *local)
{
    const int64_t *dims = b->tensor.dims;
    b->tensor = *local;
    b->tensor.dims = dims;
    b->encoding = local->encoding ? *local->encoding : (Encoding){0};
    b->settled = true;
}

/* (class, dtype, size, stride, offset, layout, device, requires_grad): the class knows where its
 * values are. A DTensor keeps this rank's in _local_tensor, which may be all there are. */
bool build_wrapper(Build *b)
{
    Text what = {0};
    object_show(build_arg(b, 0), &what);
    const char *class = text_keep(&what, b->file->arena);
    b->tensor.dtype = build_dtype(build_arg(b, 1));
    if (!build_shape(b, build_arg(b, 2), build_arg(b, 3)) || !add_attributes(b, b->type_state))
        return false;
    const Object *local = find_attribute(b->type_state, "_local_tensor");
    const Tensor *own = local && local->kind == OBJ_TENSOR ? local->tensor : NULL;
    bool partial = own && has_partial(find_attribute(b->type_state, "_spec"));
    if (own && !partial && own->dtype == b->tensor.dtype &&
        same_dims(own->dims, own->rank, b->tensor.dims, b->tensor.rank)) {
        take_local(b, own);
        return true;
    }
    Text note = {0};
    text_addf(&note, "%s, which keeps its values in other tensors", class);
    if (own) {
        text_clear(&note);
        const char *what_is_there = partial ? "one summand" : "the part";
        text_addf(&note, "%s, of which this file has %s ", class, what_is_there);
        show_shape(own->dims, own->rank, &note);
    }
    build_opaque(b, arena_strdup(b->file->arena, text_string(&note)));
    text_done(&note);
    return true;
}

/* --- from other devices --------------------------------------------------------------- */

/* (tensor or array, dtype, device, requires_grad): XLA and others write their tensors as what
 * NumPy can hold, bfloat16 as float32, and say what they were. */
bool build_device(Build *b)
{
    const Object *inner = build_arg(b, 0);
    b->unknown = inner->kind != OBJ_TENSOR;
    if (b->unknown) return true;
    DType dtype = build_dtype(build_arg(b, 1));
    const Tensor *own = inner->tensor;
    b->tensor = *own;
    if (own->encoding) b->encoding = *own->encoding;
    b->settled = true;
    if (dtype == DT_UNKNOWN || dtype == own->dtype || !own->storage) return true;
    uint64_t bytes;
    if (!dense_bytes(own, &bytes))
        return build_refuse(b, "it has more elements than 63 bits can count");
    ByteSource *source = packed_source(own, dtype, b->file->name, NULL, NULL, NULL);
    if (!source) {
        build_opaque(b, "in another type than it is stored in");
        return true;
    }
    b->encoding = (Encoding){0};
    b->tensor.dtype = dtype;
    b->tensor.strides = NULL;
    b->tensor.offset = 0;
    set_dense(b, source);
    return torch_spend(b->file, SOURCE_COST, b->err) && add_part(b, "data", inner);
}
