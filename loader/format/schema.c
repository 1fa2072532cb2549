/* A schema says which tensors a state dict has, and as much of them as is known. Whatever its
 * spelling, it ends here: one check, one kind of record, one kind of checkpoint. */
#include "loader/format/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/tensor/glimpse.h"

/* "line 3", for errors. */
static const char *show_place(const SchemaTensor *tensor, char text[64])
{
    if (!tensor->place) return tensor->unit;
    snprintf(text, 64, "%s %" PRIu64, tensor->unit, tensor->place);
    return text;
}

/* Storage and encoding stay NULL: there is no data. The limit counts tensors, since a line of
 * twenty bytes becomes a record of a hundred. */
bool schema_add(StateDict *dict, const SchemaTensor *tensor, const char *file, Error *err)
{
    char more[LIMIT_TEXT], place[64];
    if (dict_count(dict) >= limit(LIMIT_TENSORS))
        return fault_file(err, ERR_LIMIT, file, "its tensors are %s (%s)",
                          limit_text(LIMIT_TENSORS, more), show_place(tensor, place));
    Arena *arena = dict_arena(dict);
    const Tensor made = {
        .name = arena_strdup(arena, tensor->name),
        .dims = tensor->has_shape ? arena_copy(arena, tensor->dims, tensor->rank * sizeof(int64_t))
                                  : NULL,
        .dtype = tensor->dtype,
        .rank = tensor->has_shape ? (uint8_t)tensor->rank : 0,
    };
    Error inner;
    if (!tensor_check(&made, &inner))
        return fault_tensor(err, inner.code, file, tensor->name, "%s (%s)", inner.text,
                            show_place(tensor, place));
    if (!dict_add(dict, &made))
        return fault_tensor(err, ERR_FORMAT, file, tensor->name, "stands twice (%s)",
                            show_place(tensor, place));
    glimpse_add(made.name, made.dims, made.rank);
    return true;
}

/* f32, float32, torch.float32, F32: the spellings do not contradict each other. */
bool schema_dtype(const char *name, DType *dtype)
{
    *dtype = dtype_from_name(name);
    if (*dtype == DT_UNKNOWN) *dtype = dtype_from_safetensors(name);
    return *dtype != DT_UNKNOWN || !*name || strcmp(name, "?") == 0;
}

/* One container at the root, no object tree, no bytes on disk. */
Checkpoint *schema_checkpoint(const OpenContext *context, StateDict *dict)
{
    Checkpoint *checkpoint = checkpoint_new(context->path, "schema");
    checkpoint_add_container(checkpoint, "", dict, 0, false);
    return checkpoint;
}
