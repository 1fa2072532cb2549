/* The .pth writer: what torch.save of PyTorch 2.13 writes for the same state dict.
 *
 *   PREFIX/data.pkl             the pickle: OrderedDict of name → _rebuild_tensor_v2 or _v3
 *   PREFIX/.format_version      1
 *   PREFIX/.storage_alignment   64
 *   PREFIX/byteorder            little
 *   PREFIX/data/0, data/1 …     storages, in the order in which the pickle first names them
 *   PREFIX/version              3
 *   PREFIX/.data/serialization_id
 *
 * An unchanged tensor keeps its storage whole, its offset and its strides; tensors that share
 * a storage go on sharing it, and what was one Python object is one object again. A computed
 * tensor is contiguous in a storage of its own. Parameters become plain tensors, each its own
 * object, as state_dict() makes them. Big-endian, conjugate and negative tensors count as
 * computed: their plain values are written. Layout: torch/serialization.py, _save;
 * torch/_utils.py; caffe2/serialize/inline_container.cc. */
#include <stdlib.h>
#include <string.h>

#include "loader/export/identity_map.h"
#include "loader/export/metadata.h"
#include "loader/export/pickle_writer.h"
#include "loader/export/writer.h"
#include "loader/export/zip_writer.h"

/* A storage of the output. */
typedef struct Cell {
    const Storage *kept;         /* copied whole; NULL: the values of `entry` */
    const PlanEntry *entry;      /* the first one that uses it */
    char *key;                   /* "0", "1" …: one string object for all its uses; in arena */
    uint64_t bytes;
} Cell;

/* The file before it is written: its pickle, and the storages that the pickle names. */
typedef struct Layout {
    const Plan *plan;
    bool compact;
    Arena *arena;
    Cell *cells;                 /* owned; in order of first use */
    size_t count, room;
    IdentityMap storages;        /* Storage → cell */
    uint32_t *cell_of;           /* [entries] for aliases to look up; owned */
    PickleWriter *pickle;
} Layout;

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
static bool check_entry(const PlanEntry *entry, Error *err)
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

static bool check(const Plan *plan, const ExportOptions *options, Error *err)
{
    (void)options;
    for (size_t i = 0; i < plan->count; i++)
        if (!check_entry(&plan->entries[i], err)) return false;
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

/* A new storage under the next number. */
static uint32_t add_cell(Layout *layout, const Storage *kept, const PlanEntry *entry)
{
    layout->cells = mem_grow(layout->cells, &layout->room, layout->count + 1,
                             sizeof *layout->cells);
    layout->cells[layout->count] = (Cell){
        .kept = kept,
        .entry = entry,
        .key = arena_printf(layout->arena, "%zu", layout->count),
        .bytes = kept ? kept->bytes : plan_entry_bytes(entry),
    };
    if (kept) identity_set(&layout->storages, kept, (uint32_t)layout->count);
    return (uint32_t)layout->count++;
}

/* The cell of an entry, made at its first use. */
static uint32_t find_cell(Layout *layout, size_t index)
{
    const PlanEntry *entry = &layout->plan->entries[index];
    const Storage *kept = kept_storage(entry, layout->compact);
    if (entry->alias >= 0) return layout->cell_of[entry->alias];
    if (!kept) return add_cell(layout, NULL, entry);
    uint32_t known = identity_get(&layout->storages, kept);
    if (known == IDENTITY_NONE) return add_cell(layout, kept, entry);
    /* The same bytes as another type: torch.save refuses that, so it gets its own copy. */
    bool same = storage_dtype(layout->cells[known].entry->dtype) == storage_dtype(entry->dtype);
    return same ? known : add_cell(layout, NULL, entry);
}

/* ('storage', class, key, 'cpu', number of elements), as a persistent id. */
static void put_storage(PickleWriter *pickle, const Cell *cell, DType dtype)
{
    static const char storage[] = "storage", cpu[] = "cpu";
    const char *class = dtype_info(dtype)->torch_storage;
    pickle_put_op(pickle, PICKLE_MARK);
    pickle_put_str(pickle, storage, storage);
    pickle_put_global(pickle, class ? "torch" : "torch.storage", class ? class : "UntypedStorage");
    if (!pickle_put_known(pickle, cell->key)) pickle_put_new_str(pickle, cell->key, cell->key);
    pickle_put_str(pickle, cpu, cpu);
    pickle_put_int(pickle, (int64_t)(cell->bytes / (class ? element_bytes(dtype) : 1)));
    pickle_put_op(pickle, PICKLE_TUPLE);
    pickle_put_memo(pickle, NULL);
    pickle_put_op(pickle, PICKLE_BINPERSID);
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
static void put_tensor(PickleWriter *pickle, const PlanEntry *entry, const Cell *cell,
                       const Tensor *kept, const void *identity)
{
    bool typed = has_storage_class(entry->dtype);
    pickle_put_global(pickle, "torch._utils", typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
    pickle_put_op(pickle, PICKLE_MARK);
    put_storage(pickle, cell, entry->dtype);
    put_layout(pickle, entry, kept);
    pickle_put_op(pickle, PICKLE_FALSE);                 /* requires_grad */
    pickle_put_ordered_dict(pickle, NULL);               /* backward hooks */
    if (!typed) pickle_put_global(pickle, "torch", dtype_info(entry->dtype)->torch);
    pickle_put_op(pickle, PICKLE_TUPLE);
    pickle_put_memo(pickle, NULL);
    pickle_put_op(pickle, PICKLE_REDUCE);
    pickle_put_memo(pickle, identity);
}

/* One key and its tensor. What was one Python object in the source, unchanged and under two
 * names, is written once and referred to: so does pickle. */
static void put_item(Layout *layout, size_t index)
{
    const PlanEntry *entry = &layout->plan->entries[index];
    uint32_t number = layout->cell_of[index] = find_cell(layout, index);
    const Cell *cell = &layout->cells[number];
    const Tensor *kept = cell->kept ? plan_unchanged(entry) : NULL;
    const void *identity = NULL;
    pickle_put_str(layout->pickle, entry->name, NULL);
    if (kept && entry->alias < 0 && !kept->parameter)
        identity = kept->identity ? kept->identity : kept;
    if (!pickle_put_known(layout->pickle, identity))
        put_tensor(layout->pickle, entry, cell, kept, identity);
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

/* Items go out in batches, a last one alone without MARK: CPython's batch_dict. */
static void put_state_dict(Layout *layout)
{
    size_t count = layout->plan->count;
    pickle_put_ordered_dict(layout->pickle, NULL);
    for (size_t i = 0; i < count;) {
        size_t batch = count - i < PICKLE_BATCH ? count - i : PICKLE_BATCH;
        if (batch > 1) pickle_put_op(layout->pickle, PICKLE_MARK);
        for (size_t end = i + batch; i < end; i++) put_item(layout, i);
        pickle_put_op(layout->pickle, batch > 1 ? PICKLE_SETITEMS : PICKLE_SETITEM);
    }
    const Object *metadata = metadata_for_plan(layout->plan);
    if (metadata) put_metadata(layout->pickle, metadata);
}

/* The pickle, and with it the storages in their order. */
static void lay_out(Layout *layout, const Plan *plan, const ExportOptions *options)
{
    *layout = (Layout){.plan = plan, .arena = arena_new(), .pickle = pickle_writer_new()};
    layout->compact = plan->compact || options->compact;
    layout->cell_of = mem_alloc((plan->count + 1) * sizeof *layout->cell_of);
    if (options->under) {
        pickle_put_op(layout->pickle, PICKLE_EMPTY_DICT);
        pickle_put_memo(layout->pickle, NULL);
        pickle_put_str(layout->pickle, options->under, NULL);
    }
    put_state_dict(layout);
    if (options->under) pickle_put_op(layout->pickle, PICKLE_SETITEM);
    pickle_put_op(layout->pickle, PICKLE_STOP);
}

static void free_layout(Layout *layout)
{
    identity_done(&layout->storages);
    pickle_writer_free(layout->pickle);
    arena_free(layout->arena);
    free(layout->cells);
    free(layout->cell_of);
}

static uint64_t sum_cells(const Layout *layout)
{
    uint64_t total = 0;
    for (size_t i = 0; i < layout->count; i++) total += layout->cells[i].bytes;
    return total;
}

/* One data/N record. */
static bool write_cell(ZipWriter *zip, Stream *stream, const Cell *cell, Error *err)
{
    char name[32];
    uint32_t crc = 0;
    const Storage *kept = cell->kept;
    snprintf(name, sizeof name, "data/%s", cell->key);
    if (!zip_writer_begin(zip, name, cell->bytes, err)) return false;
    bool good = kept ? stream_range(stream, kept->source, kept->offset, kept->bytes, &crc, err)
                     : stream_entry(stream, cell->entry, &crc, err);
    return good && zip_writer_end(zip, crc, err);
}

/* All records in the order of PyTorch 2.13. */
static bool write_records(const Layout *layout, ZipWriter *zip, Stream *stream, Error *err)
{
    char digits[41];
    const Text *pickle = pickle_writer_bytes(layout->pickle);
    if (!zip_writer_record(zip, "data.pkl", pickle->bytes, pickle->length, err) ||
        !zip_writer_record(zip, ".format_version", "1", 1, err) ||
        !zip_writer_record(zip, ".storage_alignment", "64", 2, err) ||
        !zip_writer_record(zip, "byteorder", "little", 6, err))
        return false;
    for (size_t i = 0; i < layout->count; i++)
        if (!write_cell(zip, stream, &layout->cells[i], err)) return false;
    if (!zip_writer_record(zip, "version", "3\n", 2, err)) return false;
    zip_writer_digits(zip, digits);
    return zip_writer_record(zip, ".data/serialization_id", digits, 40, err) &&
           zip_writer_finish(zip, err);
}

static bool write_file(const Plan *plan, Stream *stream, const char *path,
                       const ExportOptions *options, ExportResult *result, Error *err)
{
    Layout layout;
    Text prefix = {0};
    (void)result;
    lay_out(&layout, plan, options);
    stream->total = sum_cells(&layout);
    uint64_t overhead = pickle_writer_bytes(layout.pickle)->length + 256 * (layout.count + 8);
    zip_archive_name(path, &prefix);
    ZipWriter *zip = zip_writer_new(stream->file, prefix.bytes);
    bool good = atomic_reserve(stream->file, stream->total + overhead, err) &&
                write_records(&layout, zip, stream, err);
    zip_writer_free(zip);
    text_done(&prefix);
    free_layout(&layout);
    return good;
}

const Writer torch_writer = {
    .name = "pth",
    .format = "torch-zip",
    .suffixes = ".pth .pt .bin .ckpt .pth.tar",
    .check = check,
    .write = write_file,
};
