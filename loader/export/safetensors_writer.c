/* The .safetensors writer: what the safetensors crate 0.8 writes.
 *
 *   u64 N | N bytes of JSON, padded with spaces to a multiple of 8 | values, back to back
 *   {"__metadata__":{…},"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},…}
 *
 * Tensors stand in the order of their dtype (the crate's enum, last one first), then by name;
 * values are row-major and nothing is shared: tied tensors are written as often as they are
 * named. Layout and order: safetensors/src/tensor.rs, prepare and serialize. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/export/meta.h"
#include "loader/export/safetensors_header.h"
#include "loader/export/writer.h"

/* Of the values' beginning; bytes of the header that are sent at once. */
enum { ALIGNMENT = 8, PIECE = 64 << 10 };

/* The crate's enum, ascending. Its order is part of every file. */
static const DType dtype_order[] = {
    DT_BOOL, DT_F4_E2M1, DT_F6_E2M3, DT_F6_E3M2, DT_U8, DT_I8, DT_F8_E5M2, DT_F8_E4M3,
    DT_F8_E8M0, DT_F8_E4M3FNUZ, DT_F8_E5M2FNUZ, DT_I16, DT_U16, DT_F16, DT_BF16, DT_I32, DT_U32,
    DT_F32, DT_C64, DT_F64, DT_I64, DT_U64,
};

/* Its place in that order; countof(dtype_order) for a dtype that the format does not have. */
static unsigned dtype_place(DType dtype)
{
    unsigned i = 0;
    while (i < countof(dtype_order) && dtype_order[i] != dtype) i++;
    return i;
}

/* Names are JSON strings, and one of them is taken. */
static bool check_name(const PlanEntry *entry, Error *err)
{
    if (strcmp(entry->name, "__metadata__") == 0)
        return error_set(err, ERR_UNSUPPORTED, "tensor '__metadata__' has the name that "
                         ".safetensors keeps for itself; rename it, or write .pth");
    if (name_is_text(entry->name)) return true;
    error_set(err, ERR_UNSUPPORTED, ".safetensors names are UTF-8, and this one is not; rename "
              "it, or write .pth");
    return plan_entry_prefix(entry, err);
}

/* Metadata is text: what a meta statement has must be a single value. */
static bool check_meta(const Plan *plan, Error *err)
{
    const Later *later = plan->later;
    for (size_t i = 0; i < later->meta_count; i++) {
        const MetaRule *rule = &later->metas[i];
        Text text = {0};
        bool good = meta_text(rule->object, &text) && name_is_text(rule->key) &&
                    name_is_text(text_string(&text));
        text_done(&text);
        if (good) continue;
        Text shown = {0};
        name_show(rule->key, &shown);
        error_set(err, ERR_UNSUPPORTED, "meta: '%s' is no text or number, and nothing else can "
                  "stand in the metadata of .safetensors; write .pth", text_string(&shown));
        text_done(&shown);
        return false;
    }
    return true;
}

static bool check(const Plan *plan, const ExportOptions *options, Error *err)
{
    if (options->under)
        return error_set(err, ERR_USAGE, "--under %s: .safetensors is flat; write .pth",
                         options->under);
    if (!check_meta(plan, err)) return false;
    for (size_t i = 0; i < plan->count; i++) {
        const PlanEntry *entry = &plan->entries[i];
        if (!check_name(entry, err)) return false;
        const DTypeInfo *info = dtype_info(entry->dtype);
        bool torch = info->torch && info->kind != CLASS_QUANT;   /* what the .pth writer holds */
        if (dtype_place(entry->dtype) == countof(dtype_order))
            return writer_refuse_dtype(entry, ".safetensors", torch ? ".pth" : NULL, err);
    }
    return true;
}

/* Names as byte strings; the held C0 80 stands for NUL, which sorts first. */
static int compare_names(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    unsigned char one = (unsigned char)*a, two = (unsigned char)*b;
    if (one == 0xC0 && two) one = 0;
    if (two == 0xC0 && *a) two = 0;
    return one - two;
}

static int compare_entries(const void *a, const void *b)
{
    const PlanEntry *one = *(const PlanEntry *const *)a, *two = *(const PlanEntry *const *)b;
    unsigned one_place = dtype_place(one->dtype), two_place = dtype_place(two->dtype);
    if (one_place != two_place) return one_place < two_place ? 1 : -1;
    return compare_names(one->name, two->name);
}

/* The entries in file order; free() the list. */
static const PlanEntry **sort_entries(const Plan *plan)
{
    const PlanEntry **sorted = mem_alloc((plan->count + 1) * sizeof *sorted);
    for (size_t i = 0; i < plan->count; i++) sorted[i] = &plan->entries[i];
    qsort(sorted, plan->count, sizeof *sorted, compare_entries);
    return sorted;
}

/* What is known of the file before it is written. */
typedef struct Measure {
    uint64_t json, values;       /* bytes of the header's text, and of all values */
} Measure;

/* Some of the text, once there is enough of it: into the file, or nowhere. */
static bool send_piece(AtomicFile *file, Text *piece, size_t enough, Measure *sizes, Error *err)
{
    if (piece->length < enough) return true;
    const bool good = !file || atomic_write(file, piece->bytes, piece->length, err);
    sizes->json += piece->length;
    text_clear(piece);
    return good;
}

/* The text of the header. It stands before the values and says where they are, and is as long as
 * all else of very many tensors: it is put together twice, to be measured (`file` NULL) and to be
 * written, and kept neither time. */
static bool put_json(const Plan *plan, const PlanEntry *const *sorted, AtomicFile *file,
                     Measure *sizes, Error *err)
{
    Text piece = {0};
    bool good = true;
    *sizes = (Measure){0};
    safetensors_put_metadata(plan, &piece);
    for (size_t i = 0; good && i < plan->count; i++) {
        safetensors_put_entry(sorted[i], sizes->values, &piece);
        good = sum_add(sizes->values, plan_entry_bytes(sorted[i]), &sizes->values) ||
               error_set(err, ERR_LIMIT, "the values are more than 64 bits can count");
        good = good && send_piece(file, &piece, PIECE, sizes, err);
    }
    text_addc(&piece, '}');
    good = good && send_piece(file, &piece, 0, sizes, err);
    text_done(&piece);
    return good;
}

/* Length, text, and blanks up to the values, which begin at a multiple of 8. */
static bool write_header(const Plan *plan, const PlanEntry *const *sorted, Stream *stream,
                         Error *err)
{
    static const char blanks[ALIGNMENT] = "       ";
    char length[SAFETENSORS_LENGTH];
    Measure sizes;
    if (!put_json(plan, sorted, NULL, &sizes, err)) return false;
    const uint64_t pad = -sizes.json % ALIGNMENT;
    stream->total = sizes.values;
    return safetensors_put_length(sizes.json + pad, length, err) &&
           atomic_reserve(stream->file, sizeof length + sizes.json + pad + sizes.values, err) &&
           atomic_write(stream->file, length, sizeof length, err) &&
           put_json(plan, sorted, stream->file, &sizes, err) &&
           atomic_write(stream->file, blanks, (size_t)pad, err);
}

/* Where an unchanged tensor's bytes lie in a storage. */
typedef struct Area {
    const Storage *storage;
    uint64_t begin, end;
} Area;

/* By storage (in any order), then by place: what overlaps stands together. */
static int compare_areas(const void *a, const void *b)
{
    const Area *one = a, *two = b;
    if (one->storage != two->storage)
        return (uintptr_t)one->storage < (uintptr_t)two->storage ? -1 : 1;
    if (one->begin != two->begin) return one->begin < two->begin ? -1 : 1;
    return one->end < two->end ? -1 : one->end > two->end;
}

/* False when the entry shares no bytes with anything: it is computed, or empty. */
static bool find_area(const PlanEntry *entry, Area *area)
{
    const Tensor *tensor = plan_unchanged(entry);
    if (!tensor || !tensor->storage || plan_entry_bytes(entry) == 0) return false;
    uint64_t last = 0;
    for (unsigned i = 0; tensor->strides && i < tensor->rank; i++)
        last += (uint64_t)(tensor->dims[i] - 1) * (uint64_t)tensor->strides[i];
    uint64_t bytes = tensor->strides ? (last + 1) * dtype_size(tensor->dtype)
                                     : tensor_bytes(tensor);
    *area = (Area){tensor->storage, tensor->offset, tensor->offset + bytes};
    return true;
}

/* How many entries are copies of bytes that another one has written: ties that the format
 * cannot say. Tensors that share a storage but none of its bytes are no copies. */
static size_t count_clones(const Plan *plan)
{
    Area *areas = mem_alloc((plan->count + 1) * sizeof *areas);
    size_t count = 0, clones = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const PlanEntry *entry = &plan->entries[i];
        if (find_area(entry, &areas[count])) count++;
        else if (entry->alias >= 0) clones++;
    }
    qsort(areas, count, sizeof *areas, compare_areas);
    uint64_t end = 0;
    for (size_t i = 0; i < count; i++) {
        bool fresh = i == 0 || areas[i].storage != areas[i - 1].storage;
        if (!fresh && areas[i].begin < end) clones++;
        if (fresh || areas[i].end > end) end = areas[i].end;
    }
    free(areas);
    return clones;
}

/* Unchanged neighbours of the source become one range: see stream_range. */
static bool write_values(const Plan *plan, const PlanEntry *const *sorted, Stream *stream,
                         Error *err)
{
    for (size_t i = 0; i < plan->count; i++)
        if (!stream_entry(stream, sorted[i], NULL, err)) return false;
    return stream_run(stream, err);
}

static bool write_file(const Plan *plan, Stream *stream, const char *path,
                       const ExportOptions *options, ExportResult *result, Error *err)
{
    const PlanEntry **sorted = sort_entries(plan);
    (void)path;
    (void)options;
    const bool good = write_header(plan, sorted, stream, err) &&
                      write_values(plan, sorted, stream, err);
    result->cloned = count_clones(plan);
    free(sorted);
    return good;
}

const Writer safetensors_writer = {
    .name = "safetensors",
    .format = "safetensors",
    .suffixes = ".safetensors",
    .shards = true,
    .check = check,
    .write = write_file,
};
