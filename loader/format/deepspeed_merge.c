/* ZeRO checkpoints in full precision, as DeepSpeed's own tool puts them together
 * (deepspeed/utils/zero_to_fp32.py, 0.19).
 *
 *   …_optim_states.pt   optimizer_state_dict: zero_stage, partition_count (int or list),
 *                       stages 1, 2: single_partition_of_fp32_groups [flat tensor per group],
 *                       stage 3:     fp32_flat_groups [flat tensors, one after the other]
 *                       [param_alignment_paddings [[int]]]
 *   …_model_states.pt   module, buffer_names, param_shapes [{name: size} per group],
 *                       frozen_param_shapes, frozen_param_fragments, shared_params {alias: name}
 *
 * Stages 1 and 2: the flat tensors of all ranks, one after the other, hold the parameters of a
 * group one after the other. Stage 3: each rank holds ceil(numel / ranks) elements of every
 * parameter. Nothing is copied: a parameter is a source over pieces of the flat tensors. */
#include "loader/format/deepspeed_merge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"
#include "loader/format/fault.h"
#include "loader/format/torch.h"
#include "loader/tensor/packed.h"

/* -- Tensors of the result ------------------------------------------------------------- */

/* Sizes and name of a parameter. */
typedef struct Shape {
    const char *name;
    int64_t dims[TENSOR_RANK_MAX];
    unsigned rank;
    uint64_t count;          /* elements */
} Shape;

static bool read_shape(Merge *merge, const Object *key, const Object *size, Shape *shape)
{
    Error what = {0};
    const char *file = merge->files->models[0];
    if (key->kind != OBJ_STR)
        return merge_refuse(merge, file, "a name in its param_shapes is no text");
    shape->name = key->bytes.text;
    shape->count = 1;
    if (!torch_read_sizes(size, "size", shape->dims, &shape->rank, &what))
        return fault_tensor(merge->err, what.code, merge_path(merge), shape->name, "%s", what.text);
    for (unsigned i = 0; i < shape->rank; i++)
        if (shape->dims[i] < 0 || !sum_mul(shape->count, (uint64_t)shape->dims[i], &shape->count) ||
            shape->count > INT64_MAX / 16)
            return fault_tensor(merge->err, ERR_FORMAT, merge_path(merge), shape->name,
                                "its size in param_shapes is more than 63 bits can count");
    return true;
}

/* `count` elements from `first` on of a flat tensor, behind the pieces so far. The caller knows
 * that they are in it. */
static void add_piece(Merge *merge, const Flat *flat, uint64_t first, uint64_t count)
{
    unsigned width = dtype_size(merge->dtype);
    if (!count) return;
    merge->pieces = mem_grow(merge->pieces, &merge->piece_room, merge->piece_count + 1,
                             sizeof *merge->pieces);
    merge->pieces[merge->piece_count++] =
        (SourcePiece){flat->source, flat->offset + first * width, count * width};
}

/* Adds the tensor made of the pieces; a single piece is a window that export copies as it is. */
static bool add_tensor(Merge *merge, const Shape *shape, DType dtype)
{
    Arena *arena = dict_arena(merge->dict);
    Storage *storage = arena_alloc(arena, sizeof *storage);
    storage->dtype = dtype;
    storage->index = merge->parts->storages++;
    storage->bytes = shape->count * dtype_size(dtype);
    Error what = {0};
    if (merge->piece_count == 1) {
        storage->source = merge->pieces[0].source;
        storage->offset = merge->pieces[0].offset;
    } else {
        storage->source =
            source_pieces(merge->pieces, merge->piece_count, merge_path(merge), &what);
        if (storage->source) checkpoint_own_source(merge->whole, storage->source);
    }
    Tensor tensor = {.name = shape->name, .storage = storage, .identity = storage, .dtype = dtype,
                     .rank = (uint8_t)shape->rank};
    tensor.dims = arena_copy(arena, shape->dims, shape->rank * sizeof *shape->dims);
    merge->piece_count = 0;
    if (!storage->source || !tensor_check(&tensor, &what))
        return fault_tensor(merge->err, what.code, merge_path(merge), shape->name, "%s", what.text);
    return dict_add(merge->dict, &tensor) ||
           fault_tensor(merge->err, ERR_FORMAT, merge_path(merge), shape->name,
                        "it stands twice in param_shapes");
}

/* -- Stages 1 and 2 -------------------------------------------------------------------- */

/* Elements [first, first + count) of a group's flat tensors, rank after rank. `rank` and `before`
 * (the elements of the ranks before it) go on from the parameter before. */
static void take_run(Merge *merge, size_t group, uint64_t first, uint64_t count, size_t *rank,
                     uint64_t *before)
{
    while (count) {
        const Flat *flat = &merge->flats[*rank * merge->groups + group];
        uint64_t skip = first - *before;
        uint64_t here = skip < flat->count ? flat->count - skip : 0;
        if (here > count) here = count;
        add_piece(merge, flat, skip, here);
        first += here;
        count -= here;
        if (!count) break;
        *before += flat->count;
        ++*rank;
    }
}

static uint64_t round_up(uint64_t count, uint64_t step)
{
    return (count + step - 1) / step * step;
}

/* What lies behind each parameter of a group beside the elements of others; NULL: nothing. */
static bool find_paddings(Merge *merge, size_t group, size_t params, const Object **paddings)
{
    const Object *all = object_as_sequence(object_get(merge_optimizer(merge, 0),
                                                      "param_alignment_paddings"));
    *paddings = NULL;
    if (!all) return true;
    *paddings = group < all->list.count ? object_as_sequence(all->list.items[group]) : NULL;
    if (*paddings && (*paddings)->list.count == params) return true;
    return merge_refuse(merge, merge->files->optims[0],
                        "its param_alignment_paddings are not as many as the parameters");
}

/* The rule of the tool: consumed and available elements are equal once both are rounded up to
 * twice the number of ranks, since the padding itself cannot be known. */
static bool merge_group(Merge *merge, size_t group, const Object *shapes)
{
    uint64_t available = 0, offset = 0, before = 0, step = 2 * merge->world;
    size_t rank = 0, params = shapes->list.count / 2;
    const Object *paddings;
    for (size_t i = 0; i < merge->world; i++)
        if (!sum_add(available, merge->flats[i * merge->groups + group].count, &available))
            return merge_refuse(merge, merge->files->optims[0], "its flat groups are too long");
    if (!find_paddings(merge, group, params, &paddings)) return false;
    for (size_t i = 0; i < params; i++) {
        Shape shape;
        if (!read_shape(merge, shapes->list.items[2 * i], shapes->list.items[2 * i + 1], &shape))
            return false;
        if (shape.count > available - offset)
            return fault_tensor(merge->err, ERR_FORMAT, merge_path(merge), shape.name,
                                "it needs %" PRIu64 " elements, group %zu of the partitions has "
                                "%" PRIu64 " left; files of different checkpoints are mixed",
                                shape.count, group, available - offset);
        take_run(merge, group, offset, shape.count, &rank, &before);
        offset += shape.count;
        if (!add_tensor(merge, &shape, merge->dtype)) return false;
        const Object *padding = paddings ? paddings->list.items[i] : NULL;
        uint64_t skip = padding && padding->kind == OBJ_INT ? (uint64_t)padding->integer : 0;
        if (skip > available - offset) skip = available - offset;
        offset += skip;
    }
    if (round_up(offset, step) == round_up(available, step)) return true;
    return fault_file(merge->err, ERR_FORMAT, merge_path(merge), "the parameters of group %zu have "
                      "%" PRIu64 " elements, the partitions of its %" PRIu64 " ranks %" PRIu64
                      "; files of different checkpoints are mixed", group, offset, merge->world,
                      available);
}

static bool merge_stage2(Merge *merge)
{
    const Object *list = object_as_sequence(object_get(merge->state, "param_shapes"));
    if (list->list.count > merge->groups)
        return merge_refuse(merge, merge->files->models[0],
                            "its param_shapes have more groups than the optimizer's states");
    for (size_t i = 0; i < list->list.count; i++) {
        const Object *shapes = object_as_dict(list->list.items[i]);
        if (shapes && !merge_group(merge, i, shapes)) return false;
    }
    return true;
}

/* -- Stage 3 --------------------------------------------------------------------------- */

/* Elements [first, first + count) of one rank's flat tensors, group after group; the same of every
 * rank. `group` and `before` go on from the parameter before. */
static void take_partition(Merge *merge, size_t rank, uint64_t first, uint64_t count, size_t group,
                           uint64_t before)
{
    while (count) {
        const Flat *flat = &merge->flats[rank * merge->groups + group];
        uint64_t skip = first - before;
        uint64_t here = skip < flat->count ? flat->count - skip : 0;
        if (here > count) here = count;
        add_piece(merge, flat, skip, here);
        first += here;
        count -= here;
        before += flat->count;
        group++;
    }
}

/* The parameter at `offset` of every rank's elements: ceil(count / ranks) of each, and the padding
 * of the last ranks left out. */
static void take_parameter(Merge *merge, uint64_t offset, uint64_t count, size_t group,
                           uint64_t before)
{
    uint64_t part = count / merge->world + (count % merge->world != 0);
    for (size_t rank = 0; rank < merge->world && count; rank++) {
        uint64_t here = part < count ? part : count;
        take_partition(merge, rank, offset, here, group, before);
        count -= here;
    }
}

/* The dicts of all groups, one after the other. Every element must be consumed. */
static bool merge_stage3(Merge *merge)
{
    const Object *list = object_as_sequence(object_get(merge->state, "param_shapes"));
    uint64_t available = 0, offset = 0, before = 0;
    size_t group = 0;
    for (size_t i = 0; i < merge->groups; i++)
        if (!sum_add(available, merge->flats[i].count, &available))
            return merge_refuse(merge, merge->files->optims[0], "its flat groups are too long");
    for (size_t i = 0; i < list->list.count; i++) {
        const Object *shapes = object_as_dict(list->list.items[i]);
        for (size_t j = 0; shapes && j + 1 < shapes->list.count; j += 2) {
            Shape shape;
            if (!read_shape(merge, shapes->list.items[j], shapes->list.items[j + 1], &shape))
                return false;
            uint64_t part = shape.count / merge->world + (shape.count % merge->world != 0);
            if (part > available - offset)
                return fault_tensor(merge->err, ERR_FORMAT, merge_path(merge), shape.name,
                                    "it needs %" PRIu64 " elements of every rank, %" PRIu64
                                    " are left; files of different checkpoints are mixed", part,
                                    available - offset);
            while (group < merge->groups && offset - before >= merge->flats[group].count)
                before += merge->flats[group++].count;
            take_parameter(merge, offset, shape.count, group, before);
            if (!add_tensor(merge, &shape, merge->dtype)) return false;
            offset += part;
        }
    }
    if (offset == available) return true;
    return fault_file(merge->err, ERR_FORMAT, merge_path(merge), "the parameters have %" PRIu64
                      " elements of every rank, the partitions %" PRIu64 "; files of different "
                      "checkpoints are mixed", offset, available);
}

/* -- Buffers, frozen and shared parameters --------------------------------------------- */

/* A tensor of the part under a name, in another dtype where that is not its own. */
static bool add_converted(Merge *merge, Part *part, const Tensor *from, const char *name,
                          DType dtype)
{
    Tensor tensor = part_tensor(merge->parts, part, from, dict_arena(merge->dict));
    tensor.name = name;
    if (dtype != from->dtype && from->storage && from->storage->source) {
        ByteSource *values =
            packed_source(from, dtype, merge_path(merge), NULL, NULL, merge->err);
        if (!values) return false;
        checkpoint_own_source(merge->whole, values);
        Storage *storage = arena_alloc(dict_arena(merge->dict), sizeof *storage);
        *storage = (Storage){values, 0, values->size, dtype, merge->parts->storages++};
        tensor = (Tensor){.name = name, .dims = from->dims, .storage = storage, .dtype = dtype,
                          .identity = storage, .rank = from->rank};
    }
    dict_add(merge->dict, &tensor);
    return true;
}

/* Buffers are in the module; those in floating point become f32, as their weights are. */
static bool add_buffers(Merge *merge)
{
    const Container *module = checkpoint_find_container(merge->model.checkpoint, "module");
    const Object *list = object_as_sequence(object_get(merge->state, "buffer_names"));
    NameMap names;
    bool fine = true;
    map_init(&names);
    for (size_t i = 0; i < list->list.count; i++)
        if (list->list.items[i]->kind == OBJ_STR)
            map_set(&names, list->list.items[i]->bytes.text, 0);
    for (size_t i = 0; fine && module && i < dict_count(module->dict); i++) {
        const Tensor *tensor = dict_at(module->dict, i);
        if (map_get(&names, tensor->name) == MAP_NONE) continue;
        bool real = dtype_info(tensor->dtype)->kind == CLASS_FLOAT;
        fine = add_converted(merge, &merge->model, tensor, tensor->name,
                             real ? DT_F32 : tensor->dtype);
    }
    map_done(&names);
    return fine;
}

/* Where each text key of a dict is among its items; a dict may have as many as a file pleases. */
static void index_dict(const Object *dict, NameMap *map)
{
    map_init(map);
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2)
        if (dict->list.items[i]->kind == OBJ_STR)
            map_set(map, dict->list.items[i]->bytes.text, (uint32_t)i + 1);
}

/* A model_states file with fragments of frozen parameters. */
typedef struct Frozen {
    const char *file;        /* its name */
    Part part;               /* its checkpoint is NULL: the model's own */
    const Object *fragments; /* a DICT, or NULL */
    NameMap index;           /* name → index of the fragment */
} Frozen;

static void read_fragments(Frozen *frozen, const Object *root)
{
    frozen->fragments = object_as_dict(object_get(root, "frozen_param_fragments"));
    index_dict(frozen->fragments, &frozen->index);
}

/* NULL, with an error, when the file lacks it. */
static const Object *find_fragment(Merge *merge, const Frozen *frozen, const Object *key)
{
    uint32_t at = key->kind == OBJ_STR ? map_get(&frozen->index, key->bytes.text) : MAP_NONE;
    if (at != MAP_NONE && frozen->fragments->list.items[at]->kind == OBJ_TENSOR)
        return frozen->fragments->list.items[at];
    merge_refuse(merge, frozen->file, "it lacks a frozen parameter that frozen_param_shapes names");
    return NULL;
}

/* Stage 3: the fragments of all ranks, one after the other, less the padding at the end. */
static bool join_fragments(Merge *merge, const Frozen *ranks, const Object *key, const Object *size)
{
    Shape shape;
    if (!read_shape(merge, key, size, &shape)) return false;
    uint64_t left = shape.count;
    merge->dtype = DT_UNKNOWN;
    for (size_t i = 0; i < merge->world; i++) {
        Flat flat = {0};
        const Object *node = find_fragment(merge, &ranks[i], key);
        if (!node || !merge_read_flat(merge, ranks[i].file, node, &flat)) return false;
        uint64_t here = flat.count < left ? flat.count : left;
        add_piece(merge, &flat, 0, here);
        left -= here;
    }
    return add_tensor(merge, &shape, merge->dtype);
}

/* Every rank's model_states has a fragment of each frozen parameter. */
static bool add_frozen_fragments(Merge *merge, const Object *shapes)
{
    size_t count = merge->files->model_count;
    if (count != merge->world)
        return fault_file(merge->err, ERR_NOT_FOUND, merge_path(merge), "%" PRIu64 " ranks wrote "
                          "it, but there are %zu *_model_states.pt, which hold fragments of its "
                          "frozen parameters; fetch all of them", merge->world, count);
    Frozen *ranks = mem_alloc(count * sizeof *ranks);
    DType groups = merge->dtype;
    bool fine = true;
    for (size_t i = 0; fine && i < count; i++) {
        ranks[i].file = merge->files->models[i];
        fine = deepspeed_open(merge->context, merge->whole, ranks[i].file, &ranks[i].part,
                              merge->err);
        if (fine) read_fragments(&ranks[i], checkpoint_root(ranks[i].part.checkpoint));
    }
    for (size_t j = 0; fine && j + 1 < shapes->list.count; j += 2)
        fine = join_fragments(merge, ranks, shapes->list.items[j], shapes->list.items[j + 1]);
    merge->dtype = groups;
    for (size_t i = 0; i < count; i++) {
        map_done(&ranks[i].index);
        part_done(&ranks[i].part);
    }
    free(ranks);
    return fine;
}

/* Stages 1 and 2 keep frozen parameters whole, in the dtype in which they are trained. */
static bool add_frozen(Merge *merge)
{
    const Object *shapes = object_as_dict(object_get(merge->state, "frozen_param_shapes"));
    if (!shapes || !shapes->list.count) return true;
    if (merge->stage == 3) return add_frozen_fragments(merge, shapes);
    Frozen own = {.file = merge->files->models[0]};
    bool fine = true;
    read_fragments(&own, merge->state);
    for (size_t i = 0; fine && i + 1 < shapes->list.count; i += 2) {
        const Object *key = shapes->list.items[i], *node = find_fragment(merge, &own, key);
        fine = node && add_converted(merge, &merge->model, node->tensor, key->bytes.text,
                                     node->tensor->dtype);
    }
    map_done(&own.index);
    return fine;
}

/* {alias: name}: the same values under a second name, and the same storage. */
static void add_shared(Merge *merge)
{
    const Object *shared = object_as_dict(object_get(merge->state, "shared_params"));
    for (size_t i = 0; shared && i + 1 < shared->list.count; i += 2) {
        const Object *alias = shared->list.items[i], *name = shared->list.items[i + 1];
        if (alias->kind != OBJ_STR || name->kind != OBJ_STR) continue;
        const Tensor *source = dict_find(merge->dict, name->bytes.text);
        if (!source) continue;
        Tensor tied = *source;
        tied.name = alias->bytes.text;
        dict_add(merge->dict, &tied);
    }
}

/* In the order of the tool, which is not that of definition. */
static bool merge_all(Merge *merge)
{
    bool fine = merge_open(merge) && add_buffers(merge) && add_frozen(merge) &&
                (merge->stage == 3 ? merge_stage3(merge) : merge_stage2(merge));
    if (fine) add_shared(merge);
    dict_set_ordered(merge->dict, false);
    return fine;
}

StateDict *zero_merge(OpenContext *context, Checkpoint *whole, Parts *parts,
                      const ZeroFiles *files, StateDict **half, Error *err)
{
    Merge merge = {.context = context, .whole = whole, .parts = parts, .files = files,
                   .dict = dict_new(), .dtype = DT_UNKNOWN, .err = err};
    merge.optims = mem_alloc((files->optim_count + 1) * sizeof *merge.optims);
    bool fine = merge_all(&merge);
    if (half) *half = fine && merge.stage < 3 ? deepspeed_module(parts, &merge.model) : NULL;
    for (size_t i = 0; i < files->optim_count; i++) part_done(&merge.optims[i]);
    part_done(&merge.model);
    free(merge.optims);
    free(merge.flats);
    free(merge.pieces);
    if (fine) return merge.dict;
    dict_unref(merge.dict);
    return NULL;
}
