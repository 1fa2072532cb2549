/* Quantized tensors of PyTorch (torch/_utils.py, _rebuild_qtensor): integers, and how they become
 * numbers. The parameters are one of
 *
 *   (torch.per_tensor_affine, scale, zero point)
 *   (torch.per_channel_affine, scales, zero points, dim)    tensors of f64 and i64, or both of f32
 *                                                           (float_qparams); lists in old files
 *
 * A number is scale · (integer - zero point). quint4x2 and quint2x4 hold 2 and 4 integers a byte,
 * the lowest bits first. */
#include <inttypes.h>
#include <stdlib.h>

#include "loader/format/torch.h"

/* Python's 1 is as good a scale as 1.0. */
static bool read_number(const Object *node, double *out)
{
    *out = node->kind == OBJ_FLOAT ? node->number : (double)node->integer;
    return node->kind == OBJ_FLOAT || node->kind == OBJ_INT;
}

/* A list of numbers as a tensor in memory: f64, or i64 for zero points. NULL when it is none. */
static const Tensor *list_tensor(TorchFile *file, const Object *node, DType dtype, Error *err)
{
    const Object *list = object_as_sequence(node);
    if (!list || !torch_spend(file, list->list.count * 32, err)) return NULL;
    size_t count = list->list.count;
    double *numbers = mem_alloc((count + 1) * sizeof *numbers);
    int64_t *integers = mem_alloc((count + 1) * sizeof *integers);
    bool fine = true;
    for (size_t i = 0; fine && i < count; i++) {
        const Object *item = list->list.items[i];
        fine = dtype == DT_F64 ? read_number(item, &numbers[i]) : item->kind == OBJ_INT;
        if (fine && dtype == DT_I64) integers[i] = item->integer;
    }
    Tensor *tensor = NULL;
    if (fine) {
        const void *bytes = dtype == DT_F64 ? (const void *)numbers : integers;
        Storage *storage = arena_alloc(file->arena, sizeof *storage);
        int64_t *dims = arena_alloc(file->arena, sizeof *dims);
        *storage = (Storage){.source = source_from_memory(bytes, count * 8, file->name),
                             .bytes = count * 8, .dtype = dtype};
        checkpoint_own_source(file->checkpoint, storage->source);
        *dims = (int64_t)count;
        tensor = arena_alloc(file->arena, sizeof *tensor);
        *tensor = (Tensor){.name = "", .dims = dims, .rank = 1, .storage = storage, .dtype = dtype};
    }
    free(numbers);
    free(integers);
    return tensor;
}

/* Scales or zero points; NULL when they are nothing that can be read so. `dtype` is that of
 * lists. */
static const Tensor *channel_tensor(TorchFile *file, const Object *node, DType dtype, Error *err)
{
    if (node->kind != OBJ_TENSOR) return list_tensor(file, node, dtype, err);
    const Tensor *tensor = node->tensor;
    DTypeClass kind = dtype_info(tensor->dtype)->kind;
    bool plain = !tensor->encoding || (!tensor->encoding->opaque && !tensor->encoding->quantizer);
    bool number = kind == CLASS_FLOAT || kind == CLASS_INT || kind == CLASS_UINT;
    return plain && number && tensor->storage && tensor->rank == 1 ? tensor : NULL;
}

/* (per_channel_affine, scales, zero points, dim) */
static bool read_channels(TorchFile *file, Object *const *field, Quantizer *quantizer, Error *err)
{
    if (field[3]->kind != OBJ_INT || field[3]->integer < 0 || field[3]->integer >= TENSOR_RANK_MAX)
        return false;
    quantizer->axis = (int)field[3]->integer;
    quantizer->scales = channel_tensor(file, field[1], DT_F64, err);
    quantizer->zero_points = channel_tensor(file, field[2], DT_I64, err);
    return quantizer->scales && quantizer->zero_points;
}

/* The parts, for people. */
static const char *describe(Arena *arena, const Quantizer *quantizer)
{
    if (!quantizer->scales)
        return arena_printf(arena, "quantized per tensor, scale %.6g, zero point %" PRId64,
                            quantizer->scale, quantizer->zero_point);
    return arena_printf(arena, "quantized per channel of dim %d, %" PRId64 " scales (%s) and zero "
                        "points (%s)", quantizer->axis, quantizer->scales->dims[0],
                        dtype_name(quantizer->scales->dtype),
                        dtype_name(quantizer->zero_points->dtype));
}

/* Packed integers lie one after the other from the start of the storage, or not for us. */
static bool is_readable(const Tensor *tensor)
{
    const DTypeInfo *info = dtype_info(tensor->dtype);
    if (info->kind != CLASS_QUANT || !info->torch_storage) return false;
    if (info->block == 1) return true;
    uint64_t count = 1;
    for (unsigned i = 0; i < tensor->rank; i++)
        if (tensor->dims[i] < 0 || !sum_mul(count, (uint64_t)tensor->dims[i], &count)) return false;
    return !tensor->offset && !tensor->strides && count % info->block == 0;
}

/* What cannot be understood is shown, as everything in a pickle, and never loaded. */
bool torch_quantizer(TorchFile *file, const Object *qparams, const Tensor *tensor,
                     Encoding *encoding, Error *err)
{
    Quantizer quantizer = {0};
    const Object *list = object_as_sequence(qparams);
    size_t count = list ? list->list.count : 0;
    Object *const *field = list ? list->list.items : NULL;
    Error inner = {0};
    bool fine = count == 3 ? read_number(field[1], &quantizer.scale) && field[2]->kind == OBJ_INT
                           : count == 4 && read_channels(file, field, &quantizer, &inner);
    if (inner.code == ERR_LIMIT) return error_set(err, inner.code, "%s", inner.text);
    if (fine && count == 3) quantizer.zero_point = field[2]->integer;
    if (fine && is_readable(tensor)) {
        encoding->quantizer = arena_copy(file->arena, &quantizer, sizeof quantizer);
        encoding->note = describe(file->arena, &quantizer);
        return true;
    }
    encoding->opaque = true;
    encoding->note = fine ? arena_printf(file->arena, "%s, packed in a way that is not read",
                                         describe(file->arena, &quantizer))
                          : "quantized, with parameters that are not known";
    return true;
}
