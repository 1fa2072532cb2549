/* The files of a ZeRO checkpoint: opened, counted, and their flat tensors found. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/deepspeed_merge.h"
#include "loader/format/fault.h"
#include "loader/tensor/packed.h"

enum { NAMES_SHOWN = 4 };        /* of missing files */

const char *merge_path(const Merge *merge)
{
    return merge->context->path;
}

bool merge_refuse(Merge *merge, const char *name, const char *text)
{
    Text file = {0};
    text_addf(&file, "%s/%s", merge_path(merge), name);
    fault_file(merge->err, ERR_FORMAT, text_string(&file), "%s", text);
    text_done(&file);
    return false;
}

/* -- Files ----------------------------------------------------------------------------- */

const Object *merge_optimizer(const Merge *merge, size_t rank)
{
    return object_get(checkpoint_root(merge->optims[rank].checkpoint), "optimizer_state_dict");
}

/* An integer, or the greatest of a list: groups of experts have fewer partitions. */
static int64_t read_greatest(const Object *node)
{
    const Object *list = object_as_sequence(node);
    int64_t most = node && node->kind == OBJ_INT ? node->integer : 0;
    for (size_t i = 0; list && i < list->list.count; i++) {
        const Object *item = list->list.items[i];
        if (item->kind == OBJ_INT && item->integer > most) most = item->integer;
    }
    return most;
}

/* Names of the files of ranks that are not there: the first file's, with their number in it. */
static bool refuse_missing(Merge *merge, int64_t world)
{
    static const char mark[] = "pp_rank_";
    const ZeroFiles *files = merge->files;
    Text names = {0}, name = {0};
    const char *first = files->optims[0], *at = strstr(first, mark);
    size_t missing = 0;
    for (int64_t rank = 0; at && rank < world && missing <= NAMES_SHOWN; rank++) {
        const char *rest = at + strlen(mark);
        text_clear(&name);
        text_addf(&name, "%.*s%" PRId64, (int)(rest - first), first, rank);
        while (is_digit(*rest)) rest++;
        text_add(&name, rest);
        bool there = false;
        for (size_t i = 0; i < files->optim_count && !there; i++)
            there = strcmp(files->optims[i], text_string(&name)) == 0;
        if (there || ++missing > NAMES_SHOWN) continue;
        text_addf(&names, "%s%s", missing > 1 ? ", " : "", text_string(&name));
    }
    if (missing)
        fault_file(merge->err, ERR_NOT_FOUND, merge_path(merge), "%" PRId64 " ranks wrote it, of "
                   "%zu the optimizer's states are there; missing: %s%s; fetch them too", world,
                   files->optim_count, text_string(&names), missing > NAMES_SHOWN ? " …" : "");
    else
        fault_file(merge->err, ERR_FORMAT, merge_path(merge), "%" PRId64 " ranks wrote it, but "
                   "there are %zu *_optim_states.pt; remove those of an older run", world,
                   files->optim_count);
    text_done(&names);
    text_done(&name);
    return false;
}

/* Opens all ranks' optimizer states; stage and number of ranks are the first one's. The optimizer
 * for bf16 without gradient partitioning says no stage, and has the partitions of stage 1
 * (deepspeed/runtime/bf16_optimizer.py). */
static bool open_optims(Merge *merge)
{
    const ZeroFiles *files = merge->files;
    if (!deepspeed_open(merge->context, merge->whole, files->optims[0], &merge->optims[0],
                        merge->err))
        return false;
    const Object *state = merge_optimizer(merge, 0), *stage = object_get(state, "zero_stage");
    bool unsaid = !stage && object_get(state, "single_partition_of_fp32_groups");
    int64_t world = read_greatest(object_get(state, "partition_count"));
    if (!unsaid &&
        (!stage || stage->kind != OBJ_INT || stage->integer < 0 || stage->integer > 3))
        return merge_refuse(merge, files->optims[0],
                            "it says no zero_stage of 0 to 3, so it is of no ZeRO checkpoint");
    if (world < 1 || (uint64_t)world != files->optim_count) return refuse_missing(merge, world);
    merge->stage = unsaid ? 1 : stage->integer;
    merge->world = (uint64_t)world;
    for (size_t i = 1; i < files->optim_count; i++)
        if (!deepspeed_open(merge->context, merge->whole, files->optims[i], &merge->optims[i],
                            merge->err))
            return false;
    return true;
}

/* DeepSpeed's own tool refuses these too: experts are partitioned over other ranks. */
static bool check_experts(Merge *merge)
{
    const Object *layers = object_get(merge->state, "ds_autoep_layers");
    if (!layers) layers = object_get(merge->state, "autoep_layers");
    const Object *list = object_as_sequence(layers);
    for (size_t i = 0; list && i < list->list.count; i++) {
        const Object *format = object_get(list->list.items[i], "checkpoint_format");
        if (format && format->kind == OBJ_STR &&
            strcmp(format->bytes.text, "zero3_partitioned") == 0)
            return fault_file(merge->err, ERR_UNSUPPORTED, merge_path(merge),
                              "its experts are partitioned over groups of ranks (AutoEP, "
                              "zero3_partitioned), which is not merged; convert it with "
                              "DeepSpeed's ds_to_universal.py");
    }
    return true;
}

static bool open_model(Merge *merge)
{
    if (!merge->files->model_count)
        return fault_file(merge->err, ERR_NOT_FOUND, merge_path(merge), "its *_model_states.pt, "
                          "which say the shapes of the weights, are not there; fetch them too");
    const char *name = merge->files->models[0];
    if (!deepspeed_open(merge->context, merge->whole, name, &merge->model, merge->err))
        return false;
    merge->state = checkpoint_root(merge->model.checkpoint);
    if (!object_as_sequence(object_get(merge->state, "buffer_names")) ||
        !object_as_sequence(object_get(merge->state, "param_shapes")))
        return merge_refuse(merge, name,
                            "it has no buffer_names and param_shapes, so the partitions cannot be "
                            "put together; it was written by DeepSpeed before 0.4");
    return check_experts(merge);
}

/* -- Flat tensors ---------------------------------------------------------------------- */

bool merge_read_flat(Merge *merge, const char *file, const Object *node, Flat *flat)
{
    if (node->kind != OBJ_TENSOR)
        return merge_refuse(merge, file, "a flat group in it is no tensor");
    const Tensor *tensor = node->tensor;
    flat->count = tensor_count(tensor);
    if (merge->dtype == DT_UNKNOWN) merge->dtype = tensor->dtype;
    if (tensor->dtype != merge->dtype || !dtype_size(tensor->dtype) || tensor->rank != 1)
        return merge_refuse(merge, file, "its flat groups are of several dtypes or dimensions");
    if (!flat->count) return true;
    if (!tensor->storage || !tensor->storage->source)
        return merge_refuse(merge, file, "a flat group in it has no values");
    if (!tensor->encoding && tensor_is_contiguous(tensor)) {
        flat->source = tensor->storage->source;
        flat->offset = tensor->storage->offset + tensor->offset;
        return true;
    }
    flat->source = packed_source(tensor, tensor->dtype, file, NULL, NULL, merge->err);
    if (flat->source) checkpoint_own_source(merge->whole, flat->source);
    return flat->source != NULL;
}

/* Every rank has as many groups as the first. In stage 3 they are also as long. */
static bool read_flats(Merge *merge)
{
    const char *key = merge->stage == 3 ? "fp32_flat_groups" : "single_partition_of_fp32_groups";
    for (size_t rank = 0; rank < merge->world; rank++) {
        const char *file = merge->files->optims[rank];
        const Object *list = object_as_sequence(object_get(merge_optimizer(merge, rank), key));
        if (!list)
            return merge_refuse(merge, file,
                                merge->stage == 3 ? "it has no fp32_flat_groups"
                                                  : "it has no single_partition_of_fp32_groups");
        if (!rank) {
            merge->groups = list->list.count;
            merge->flats =
                mem_alloc(((size_t)merge->world * merge->groups + 1) * sizeof *merge->flats);
        }
        if (list->list.count != merge->groups)
            return merge_refuse(merge, file, "it has not as many flat groups as the first rank");
        Flat *flats = merge->flats + rank * merge->groups;
        for (size_t i = 0; i < merge->groups; i++) {
            if (!merge_read_flat(merge, file, list->list.items[i], &flats[i])) return false;
            if (merge->stage == 3 && flats[i].count != merge->flats[i].count)
                return merge_refuse(merge, file, "its flat groups are not as long as the first's");
        }
    }
    return true;
}

bool merge_open(Merge *merge)
{
    return open_optims(merge) && open_model(merge) && read_flats(merge);
}
