/* Storages, tensors and the state dict, as torch.save of PyTorch 2.13 pickles them
 * (torch/serialization.py, _save; torch/_utils.py). */
#include "loader/export/torch_layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/export/writer.h"
#include "loader/source/zip.h"

void layout_init(TorchLayout *layout, const Plan *plan, bool compact)
{
    *layout = (TorchLayout){.plan = plan, .compact = compact, .arena = arena_new(),
                            .pickle = pickle_writer_new()};
    layout->cell_of = mem_alloc((plan->count + 1) * sizeof *layout->cell_of);
}

void layout_expect(TorchLayout *layout, size_t count)
{
    layout->cells = mem_realloc(layout->cells, count * sizeof *layout->cells);
    layout->room = count;
}

void layout_done(TorchLayout *layout)
{
    identity_done(&layout->storages);
    pickle_writer_free(layout->pickle);
    arena_free(layout->arena);
    free(layout->cells);
    free(layout->cell_of);
}

/* What a tensor's elements are to torch.save: it refuses to see one storage as two of these.
 * Types of 2.x without a storage class of their own go as bytes. */
static DType storage_dtype(DType dtype)
{
    return dtype_info(dtype)->torch_storage ? dtype : DT_U8;
}

/* Typed storages go with _rebuild_tensor_v2, the others, untyped, with _v3. */
static bool has_storage_class(DType dtype)
{
    return dtype_info(dtype)->torch_storage != NULL;
}

/* Bytes of one element as PyTorch counts: its packed float4 has two numbers in one. */
static uint64_t element_bytes(DType dtype)
{
    return dtype == DT_F4_E2M1 ? 1 : dtype_size(dtype);
}

/* PyTorch has a dtype for it that can be saved. Its int4 and uint4 are names without numbers. */
bool layout_check_entry(const PlanEntry *entry, Error *err)
{
    const DTypeInfo *info = dtype_info(entry->dtype);
    if (!info->torch || info->kind == CLASS_QUANT || info->kind == CLASS_OTHER) {
        if (entry->dtype != DT_F4_E2M1)
            return writer_refuse_dtype(entry, ".pth", info->safetensors ? ".safetensors" : NULL,
                                       err);
        if (entry->rank == 0 || entry->dims[entry->rank - 1] % 2) {
            error_set(err, ERR_UNSUPPORTED, "f4_e2m1 in PyTorch packs pairs along the last dim, "
                      "which must be even; write .safetensors");
            return plan_entry_prefix(entry, err);
        }
    }
    return true;
}

/* The storage that an unchanged tensor keeps; NULL: its values go into one of their own. */
static const Storage *kept_storage(const PlanEntry *entry, bool compact)
{
    const Tensor *tensor = plan_unchanged(entry);
    if (!tensor || !tensor->storage || !tensor->storage->source) return NULL;
    const Storage *storage = tensor->storage;
    uint64_t element = element_bytes(entry->dtype);
    bool whole = tensor->offset == 0 && tensor_is_contiguous(tensor) &&
                 tensor_bytes(tensor) == storage->bytes;
    if (storage->bytes % element || tensor->offset % element) return NULL;
    if (compact && !whole) return NULL;
    return entry->dtype == DT_F4_E2M1 && !tensor_is_contiguous(tensor) ? NULL : storage;
}

uint64_t layout_cell_bytes(const Cell *cell)
{
    return cell->kept ? cell->kept->bytes : plan_entry_bytes(cell->entry);
}

/* The key of the record that a storage is all of: "PREFIX/data/KEY". NULL: it is none. */
static const char *find_key(const Storage *kept)
{
    const ZipMember *member = kept ? zip_member_of(kept->source) : NULL;
    const char *slash = member ? strchr(member->name, '/') : NULL;
    const bool whole = slash && has_prefix(slash, "/data/") && kept->offset == 0 &&
                       kept->bytes == member->size;
    return whole ? slash + strlen("/data/") : NULL;
}

const char *layout_key(const TorchLayout *layout, size_t index, char key[CELL_KEY])
{
    const char *stays = layout->stays ? find_key(layout->cells[index].kept) : NULL;
    snprintf(key, CELL_KEY, "%zu", index);
    return stays ? stays : key;
}

/* A new storage under the next number. */
static uint32_t add_cell(TorchLayout *layout, const Storage *kept, const PlanEntry *entry,
                         DType dtype)
{
    layout->cells = mem_grow(layout->cells, &layout->room, layout->count + 1,
                             sizeof *layout->cells);
    layout->cells[layout->count] = (Cell){
        .kept = kept,
        .entry = entry,
        .dtype = dtype,
    };
    if (layout->stays && !find_key(kept)) layout->stray = entry ? entry->name : "";
    bool known = identity_get(&layout->storages, kept) != IDENTITY_NONE;
    if (kept && !known) identity_set(&layout->storages, kept, (uint32_t)layout->count);
    return (uint32_t)layout->count++;
}

/* The cell of a kept storage with elements of a type, made at its first use. The same bytes as
 * another type: torch.save refuses that, so it gets its own copy. */
static uint32_t keep_cell(TorchLayout *layout, const Storage *kept, const PlanEntry *entry,
                          DType dtype)
{
    uint32_t known = identity_get(&layout->storages, kept);
    if (known == IDENTITY_NONE) return add_cell(layout, kept, entry, dtype);
    if (layout->cells[known].dtype == dtype) return known;
    return add_cell(layout, entry ? NULL : kept, entry, dtype);
}

/* The cell of an entry. */
static uint32_t find_cell(TorchLayout *layout, const PlanEntry *entry)
{
    const Storage *kept = kept_storage(entry, layout->compact);
    DType dtype = storage_dtype(entry->dtype);
    if (entry->alias >= 0) return layout->cell_of[entry->alias];
    return kept ? keep_cell(layout, kept, entry, dtype) : add_cell(layout, NULL, entry, dtype);
}

/* ('storage', class, key, 'cpu', number of elements), as a persistent id. */
static void put_id(TorchLayout *layout, uint32_t number, const char *module, const char *class,
                   uint64_t width)
{
    static const char storage[] = "storage", cpu[] = "cpu";
    PickleWriter *pickle = layout->pickle;
    Cell *cell = &layout->cells[number];
    char key[CELL_KEY];
    pickle_put_op(pickle, PICKLE_MARK);
    pickle_put_str(pickle, storage, storage);
    pickle_put_global(pickle, module, class);
    if (cell->memo) pickle_put_again(pickle, cell->memo - 1);
    else cell->memo = 1 + pickle_put_new_str(pickle, layout_key(layout, number, key));
    pickle_put_str(pickle, cpu, cpu);
    pickle_put_int(pickle, (int64_t)(layout_cell_bytes(cell) / width));
    pickle_put_op(pickle, PICKLE_TUPLE);
    pickle_put_memo(pickle, NULL);
    pickle_put_op(pickle, PICKLE_BINPERSID);
}

/* The storage of a tensor. */
static void put_storage(TorchLayout *layout, uint32_t number, DType dtype)
{
    const char *class = dtype_info(dtype)->torch_storage;
    if (class) put_id(layout, number, "torch", class, element_bytes(dtype));
    else put_id(layout, number, "torch.storage", "UntypedStorage", 1);
}

void layout_put_storage(TorchLayout *layout, const Storage *storage, const char *class_module,
                        const char *class_name, unsigned width)
{
    uint32_t number = keep_cell(layout, storage, NULL, storage->dtype);
    put_id(layout, number, class_module, class_name, width);
}

/* Shape and strides in PyTorch's elements. */
static void put_layout(PickleWriter *pickle, const PlanEntry *entry, const Tensor *kept)
{
    int64_t dims[TENSOR_RANK_MAX], strides[TENSOR_RANK_MAX];
    for (unsigned i = 0; i < entry->rank; i++) dims[i] = entry->dims[i];
    if (entry->dtype == DT_F4_E2M1) dims[entry->rank - 1] /= 2;
    contiguous_strides(dims, entry->rank, strides);
    bool own = kept && kept->strides && entry->dtype != DT_F4_E2M1;
    pickle_put_int(pickle, kept ? (int64_t)(kept->offset / element_bytes(entry->dtype)) : 0);
    pickle_put_int_tuple(pickle, dims, entry->rank);
    pickle_put_int_tuple(pickle, own ? kept->strides : strides, entry->rank);
}

/* One tensor object, from its rebuild function to REDUCE. `kept` is the source tensor whose
 * place in the storage it takes; NULL: all of the storage. */
static void put_tensor(TorchLayout *layout, const PlanEntry *entry, uint32_t number,
                       const Tensor *kept, bool requires_grad, const void *identity)
{
    PickleWriter *pickle = layout->pickle;
    bool typed = has_storage_class(entry->dtype);
    pickle_put_global(pickle, "torch._utils", typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
    pickle_put_op(pickle, PICKLE_MARK);
    put_storage(layout, number, entry->dtype);
    put_layout(pickle, entry, kept);
    pickle_put_op(pickle, requires_grad ? PICKLE_TRUE : PICKLE_FALSE);
    pickle_put_ordered_dict(pickle, NULL);               /* backward hooks */
    if (!typed) pickle_put_global(pickle, "torch", dtype_info(entry->dtype)->torch);
    pickle_put_op(pickle, PICKLE_TUPLE);
    pickle_put_memo(pickle, NULL);
    pickle_put_op(pickle, PICKLE_REDUCE);
    pickle_put_memo(pickle, identity);
}

/* One key and its tensor. What was one Python object in the source, unchanged and under two
 * names, is written once and referred to: so does pickle. */
static void put_item(TorchLayout *layout, size_t index)
{
    const PlanEntry *entry = &layout->plan->entries[index];
    uint32_t number = layout->cell_of[index] = find_cell(layout, entry);
    const Cell *cell = &layout->cells[number];
    const Tensor *kept = cell->kept ? plan_unchanged(entry) : NULL;
    const void *identity = NULL;
    pickle_put_str(layout->pickle, entry->name, NULL);
    if (kept && entry->alias < 0 && !kept->parameter)
        identity = kept->identity ? kept->identity : kept;
    if (!pickle_put_known(layout->pickle, identity))
        put_tensor(layout, entry, number, kept, false, identity);
}

void layout_put_tensor(TorchLayout *layout, const PlanEntry *entry, bool requires_grad,
                       const void *identity)
{
    uint32_t number = find_cell(layout, entry);      /* may move the cells */
    const Cell *cell = &layout->cells[number];
    put_tensor(layout, entry, number, cell->kept ? plan_unchanged(entry) : NULL, requires_grad,
               identity);
}

/* The state that BUILD puts into the OrderedDict: {'_metadata': …}. */
static void put_metadata(PickleWriter *pickle, const Object *metadata)
{
    pickle_put_op(pickle, PICKLE_EMPTY_DICT);            /* the OrderedDict's __dict__ */
    pickle_put_memo(pickle, NULL);
    pickle_put_str(pickle, "_metadata", NULL);
    pickle_put_object(pickle, metadata);
    pickle_put_op(pickle, PICKLE_SETITEM);
    pickle_put_op(pickle, PICKLE_BUILD);
}

/* Entries behind the tensors, one by one. */
static bool put_others(TorchLayout *layout, const Object *others,
                       bool (*put_other)(void *context, Object *object, Error *err), void *context,
                       Error *err)
{
    for (size_t i = 0; others && i + 1 < others->list.count; i += 2) {
        if (!put_other(context, others->list.items[i], err) ||
            !put_other(context, others->list.items[i + 1], err))
            return false;
        pickle_put_op(layout->pickle, PICKLE_SETITEM);
    }
    return true;
}

/* Items go out in batches, a last one alone without MARK: CPython's batch_dict. */
bool layout_put_state_dict(TorchLayout *layout, const void *identity, const Object *others,
                           bool (*put_other)(void *context, Object *object, Error *err),
                           void *context, Error *err)
{
    size_t count = layout->plan->count;
    pickle_put_ordered_dict(layout->pickle, identity);
    for (size_t i = 0; i < count;) {
        size_t batch = count - i < PICKLE_BATCH ? count - i : PICKLE_BATCH;
        if (batch > 1) pickle_put_op(layout->pickle, PICKLE_MARK);
        for (size_t end = i + batch; i < end; i++) put_item(layout, i);
        pickle_put_op(layout->pickle, batch > 1 ? PICKLE_SETITEMS : PICKLE_SETITEM);
    }
    if (!put_others(layout, others, put_other, context, err)) return false;
    const Object *metadata = layout->plan->torch_metadata;
    if (metadata) put_metadata(layout->pickle, metadata);
    return true;
}
