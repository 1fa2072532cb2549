/* The tensors of a GGUF file, and its opening; gguf.h has the layout.
 *
 * What GGML asks of them, and would refuse a file for: names of at most 63 bytes, at most 4 sizes,
 * rows of whole blocks, offsets that are multiples of the alignment and run on without a gap.
 * Here a tensor must have a name of its own, fill its blocks, lie inside the file and share no byte
 * with another; one of an unknown type has the bytes up to the next. The rest becomes a finding,
 * since the values can be read. */
#include "loader/format/gguf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/tensor/dequant.h"
#include "loader/tensor/glimpse.h"

enum { GGML_NAME_MAX = 63, GGML_RANK_MAX = 4 };

/* Types that are no blocks, by their number in files. */
static const struct { uint32_t number; DType dtype; } plain_types[] = {
    {0, DT_F32}, {1, DT_F16}, {24, DT_I8}, {25, DT_I16}, {26, DT_I32}, {27, DT_I64}, {28, DT_F64},
    {30, DT_BF16},
};

/* Numbers that GGML has taken back. */
static const struct { uint32_t number; const char *name; } removed_types[] = {
    {4, "Q4_2"}, {5, "Q4_3"}, {31, "Q4_0_4_4"}, {32, "Q4_0_4_8"}, {33, "Q4_0_8_8"},
    {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"},
};

/* Where a tensor lies, counted from the start of the values. */
typedef struct Place {
    uint64_t offset, bytes;
    Storage *storage;            /* its own; offset and bytes are set when all are known */
    const char *name;
    bool unknown;                /* of a type whose blocks are not known: so are its bytes */
} Place;

/* All tensors of one file. */
typedef struct Places {
    Place *items;                /* owned; in the order of the list */
    size_t count, room;
    uint64_t data;               /* where the values start in the file */
    size_t long_names, high_ranks;   /* how many GGML would refuse */
    size_t unknown;              /* how many are of an unknown type */
} Places;

/* NULL: a number that is not GGML's, or not any more. */
static const DTypeInfo *find_type(uint32_t number, DType *dtype)
{
    for (size_t i = 0; i < countof(plain_types); i++)
        if (plain_types[i].number == number) return dtype_info(*dtype = plain_types[i].dtype);
    switch (number) {
#define TYPE_CASE(id, name, ggml, elements, bytes) case ggml: return dtype_info(*dtype = id);
    BLOCK_DTYPES(TYPE_CASE)
#undef TYPE_CASE
    default: return NULL;
    }
}

/* What is said of a type that cannot be read. One record for each type would do, but this is not
 * needed often. */
static const Encoding *unknown_encoding(GgufFile *file, uint32_t number)
{
    Arena *arena = dict_arena(file->dict);
    Encoding *encoding = arena_alloc(arena, sizeof *encoding);
    const char *note = arena_printf(arena, "GGML's type %" PRIu32, number);
    for (size_t i = 0; i < countof(removed_types); i++)
        if (removed_types[i].number == number)
            note = arena_printf(arena, "%s, which GGML has removed", removed_types[i].name);
    *encoding = (Encoding){.opaque = true, .note = note};
    return encoding;
}

/* GGML counts from the fastest dimension; the dims are turned round. */
static bool read_dims(GgufFile *file, Tensor *tensor)
{
    uint32_t rank;
    uint64_t sizes[TENSOR_RANK_MAX];
    const char *what = "a tensor's shape";
    if (!gguf_take_u32(file, &rank, what)) return false;
    if (rank > TENSOR_RANK_MAX)
        return fault_tensor(file->err, ERR_LIMIT, file->source->name, tensor->name,
                            "%" PRIu32 " dimensions, more than the limit of %d", rank,
                            TENSOR_RANK_MAX);
    for (uint32_t i = 0; i < rank; i++) {
        if (!gguf_take_u64(file, &sizes[i], what)) return false;
        if (sizes[i] > INT64_MAX)
            return fault_tensor(file->err, ERR_FORMAT, file->source->name, tensor->name,
                                "a size is beyond 63 bits");
    }
    int64_t *dims = arena_alloc(dict_arena(file->dict), rank * sizeof *dims);
    for (uint32_t i = 0; i < rank; i++) dims[rank - 1 - i] = (int64_t)sizes[i];
    tensor->dims = dims;
    tensor->rank = (uint8_t)rank;
    return true;
}

/* How big-endian files are read: numbers turned round, and blocks where that is defined. */
static const Encoding *find_encoding(const GgufFile *file, DType dtype)
{
    static const Encoding swapped = {.big_endian = true};
    static const Encoding unknown = {
        .opaque = true, .note = "in blocks of a big-endian file, whose byte order nothing defines"};
    const DTypeInfo *info = dtype_info(dtype);
    if (!file->big_endian || (info->block == 1 && info->block_bytes == 1)) return NULL;
    return info->block == 1 || dequant_swap(dtype, NULL, 0) ? &swapped : &unknown;
}

/* Shape and type give the bytes, within 63 bits and in whole blocks. */
static bool measure(GgufFile *file, const Tensor *tensor, uint64_t *bytes)
{
    const DTypeInfo *info = dtype_info(tensor->dtype);
    Error inner = {0};
    if (!tensor_check(tensor, &inner))
        return fault_tensor(file->err, inner.code, file->source->name, tensor->name, "%s",
                            inner.text);
    if (tensor->dtype == DT_UNKNOWN) return true;
    int64_t row = tensor->rank ? tensor->dims[tensor->rank - 1] : 1;
    if (row % info->block)
        return fault_tensor(file->err, ERR_FORMAT, file->source->name, tensor->name,
                            "rows of %" PRId64 " elements do not fill blocks of %u (%s)", row,
                            info->block, info->name);
    return dtype_bytes(tensor->dtype, tensor_count(tensor), bytes) ||
           fault_tensor(file->err, ERR_FORMAT, file->source->name, tensor->name,
                        "more bytes than 64 bits can count");
}

/* One entry of the list. Its storage gets its place when the start of the values is known; each
 * tensor has one of its own, since no two share bytes. */
static bool read_tensor(GgufFile *file, Places *places)
{
    uint32_t number;
    Tensor tensor = {.dtype = DT_UNKNOWN};
    Place place = {0};
    Arena *arena = dict_arena(file->dict);
    if (!gguf_take_name(file, &tensor.name, "a tensor's name") || !read_dims(file, &tensor) ||
        !gguf_take_u32(file, &number, "a tensor's type") ||
        !gguf_take_u64(file, &place.offset, "a tensor's offset"))
        return false;
    place.unknown = !find_type(number, &tensor.dtype);
    tensor.encoding = place.unknown ? unknown_encoding(file, number)
                                    : find_encoding(file, tensor.dtype);
    if (!measure(file, &tensor, &place.bytes)) return false;
    place.storage = arena_alloc(arena, sizeof *place.storage);
    place.name = tensor.name;
    tensor.storage = place.storage;
    *place.storage = (Storage){.source = file->source, .dtype = tensor.dtype,
                               .index = (uint32_t)dict_count(file->dict)};
    if (!dict_add(file->dict, &tensor))
        return fault_tensor(file->err, ERR_FORMAT, file->source->name, tensor.name,
                            "stands twice: readers would disagree about it");
    glimpse_add(tensor.name, tensor.dims, tensor.rank);
    places->unknown += place.unknown;
    places->long_names += strlen(tensor.name) > GGML_NAME_MAX;
    places->high_ranks += tensor.rank > GGML_RANK_MAX;
    places->items = mem_grow(places->items, &places->room, places->count + 1,
                             sizeof *places->items);
    places->items[places->count++] = place;
    return true;
}

/* -- Where they lie -------------------------------------------------------------------- */

/* Up to the next multiple of a power of two; false when 64 bits do not hold it. */
static bool pad(uint64_t n, uint64_t alignment, uint64_t *out)
{
    if (!sum_add(n, alignment - 1, out)) return false;
    *out &= ~(alignment - 1);
    return true;
}

static int compare_offsets(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* The first offset behind `offset`, or `end`. */
static uint64_t next_offset(const uint64_t *sorted, size_t count, uint64_t offset, uint64_t end)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] > offset) high = middle;
        else low = middle + 1;
    }
    return low < count ? sorted[low] : end;
}

/* What is of an unknown type may reach up to the next tensor, or the end of the file. */
static void guess_bytes(const GgufFile *file, const Places *places)
{
    uint64_t *offsets = mem_alloc(places->count * sizeof *offsets);
    uint64_t size = file->source->size;
    uint64_t end = size > places->data ? size - places->data : 0;
    for (size_t i = 0; i < places->count; i++) offsets[i] = places->items[i].offset;
    qsort(offsets, places->count, sizeof *offsets, compare_offsets);
    for (size_t i = 0; i < places->count; i++) {
        Place *place = &places->items[i];
        if (!place->unknown || place->offset >= end) continue;
        uint64_t next = next_offset(offsets, places->count, place->offset, end);
        place->bytes = (next < end ? next : end) - place->offset;
    }
    free(offsets);
}

/* Inside the file; then its storage is complete. */
static bool settle(GgufFile *file, const Places *places, const Place *place)
{
    uint64_t start, end;
    if (!sum_add(places->data, place->offset, &start) || !sum_add(start, place->bytes, &end))
        return fault_tensor(file->err, ERR_FORMAT, file->source->name, place->name,
                            "its offset %" PRIu64 " is beyond what 64 bits can address",
                            place->offset);
    if (place->bytes && end > file->source->size)
        return fault_tensor(file->err, ERR_FORMAT, file->source->name, place->name,
                            "lies at bytes %" PRIu64 " to %" PRIu64 ", but the file ends at byte "
                            "%" PRIu64 "; it is cut short: fetch it again", start, end,
                            file->source->size);
    place->storage->offset = place->bytes ? start : 0;
    place->storage->bytes = place->bytes;
    return true;
}

/* GGML wants every tensor where the one before it ends, padded. The first that is not is named. */
static void find_gaps(GgufFile *file, const Places *places)
{
    uint64_t expected = 0;
    size_t odd = 0, crooked = 0;
    const Place *first_odd = NULL, *first_crooked = NULL;
    for (size_t i = 0; i < places->count; i++) {
        const Place *place = &places->items[i];
        if (place->offset != expected && !odd++) first_odd = place;
        if (place->offset & (file->alignment - 1) && !crooked++) first_crooked = place;
        if (!pad(place->offset + place->bytes, file->alignment, &expected)) break;
    }
    if (odd)
        checkpoint_find(file->checkpoint, FINDING_ERROR, "hole", first_odd->name,
                        "convert the model again: GGML refuses such a file",
                        "%zu tensor(s) do not begin where the one before ends, the first at offset "
                        "%" PRIu64, odd, first_odd->offset);
    if (crooked)
        checkpoint_find(file->checkpoint, FINDING_ERROR, "alignment", first_crooked->name,
                        "convert the model again: GGML refuses such a file",
                        "%zu tensor(s) lie at no multiple of %" PRIu64 ", the first at offset "
                        "%" PRIu64, crooked, file->alignment, first_crooked->offset);
}

/* By offset; empty ones first, and ties as in the list. */
static int compare_places(const void *left, const void *right)
{
    const Place *a = left, *b = right;
    if (a->offset != b->offset) return a->offset < b->offset ? -1 : 1;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    return a->storage->index < b->storage->index ? -1 : 1;
}

/* No byte twice. *end becomes the end of the last one. Sorts the places. */
static bool check_overlaps(GgufFile *file, Places *places, uint64_t *end)
{
    const Place *before = NULL;
    *end = 0;
    if (places->count) qsort(places->items, places->count, sizeof *places->items, compare_places);
    for (size_t i = 0; i < places->count; i++) {
        const Place *place = &places->items[i];
        if (!place->bytes) continue;
        if (place->offset < *end) {
            Text other = {0};
            fault_quote(before->name, strlen(before->name), 120, &other);
            fault_tensor(file->err, ERR_FORMAT, file->source->name, place->name,
                         "at offset %" PRIu64 " it overlaps tensor '%s', which ends at %" PRIu64
                         ": tensors of GGUF do not share bytes", place->offset,
                         text_string(&other), *end);
            text_done(&other);
            return false;
        }
        *end = place->offset + place->bytes;
        before = place;
    }
    return true;
}

/* What else GGML would refuse, or what nobody reads. */
static void find_oddities(GgufFile *file, const Places *places, uint64_t end)
{
    uint64_t last = 0;
    if (places->long_names)
        checkpoint_find(file->checkpoint, FINDING_WARNING, "name", NULL, NULL,
                        "%zu name(s) have more than %d bytes: GGML refuses such a file",
                        places->long_names, GGML_NAME_MAX);
    if (places->high_ranks)
        checkpoint_find(file->checkpoint, FINDING_WARNING, "rank", NULL, NULL,
                        "%zu tensor(s) have more than %d dimensions: GGML refuses such a file",
                        places->high_ranks, GGML_RANK_MAX);
    if (places->unknown)
        checkpoint_find(file->checkpoint, FINDING_WARNING, "dtype", NULL,
                        "quantize the model again with a current llama.cpp, or leave them out "
                        "by a rule (NAME -> )",
                        "%zu tensor%s of a type that tenon does not know, or that GGML has "
                        "removed: listed, but not read", places->unknown,
                        places->unknown == 1 ? " is" : "s are");
    if (pad(places->data + end, file->alignment, &last) && last < file->source->size)
        checkpoint_find(file->checkpoint, FINDING_WARNING, "trailing", NULL, NULL,
                        "%" PRIu64 " bytes stand behind the last tensor, from byte %" PRIu64 " on",
                        file->source->size - last, last);
}

/* Overlaps last: their check sorts, and what comes before speaks of the list's order. */
static bool place_tensors(GgufFile *file, Places *places)
{
    uint64_t end;
    if (!pad(file->at, file->alignment, &places->data))
        return fault_file(file->err, ERR_FORMAT, file->source->name,
                          "'general.alignment' puts its values beyond 64 bits");
    if (places->unknown) guess_bytes(file, places);
    for (size_t i = 0; i < places->count; i++)
        if (!settle(file, places, &places->items[i])) return false;
    find_gaps(file, places);
    if (!check_overlaps(file, places, &end)) return false;
    find_oddities(file, places, end);
    return true;
}

/* The list is believed one entry at a time: its count has been held against the file's size. */
bool gguf_read_tensors(GgufFile *file)
{
    Places places = {0};
    bool ok = true;
    for (uint64_t i = 0; ok && i < file->tensor_count; i++) ok = read_tensor(file, &places);
    ok = ok && place_tensors(file, &places);
    free(places.items);
    return ok;
}

/* -- Opening --------------------------------------------------------------------------- */

/* The one file. A part of a split model stands alone where there is no folder to look in. */
static bool read_file(GgufFile *file)
{
    if (!gguf_read_keys(file)) return false;
    if (file->split.count > 1)
        checkpoint_find(file->checkpoint, FINDING_WARNING, "part", NULL,
                        "open it in its folder, beside the other parts",
                        "part %" PRId64 " of %" PRId64 " of a split model; only this part is "
                        "listed", file->split.number + 1, file->split.count);
    checkpoint_own_source(file->checkpoint, source_ref(file->source));
    checkpoint_set_file_bytes(file->checkpoint, file->source->size);
    return gguf_read_tensors(file);
}

/* The keys are read once to see whether the file is a part: the metadata is that of part 1. */
static bool is_part(OpenContext *context, GgufFile *file)
{
    if (!context->folder) return false;
    GgufFile probe = *file;
    probe.keep_keys = false;
    probe.err = NULL;            /* what is wrong with it is found again */
    bool part = gguf_read_keys(&probe) && probe.split.count > 1;
    gguf_done(&probe);
    if (part) file->split = probe.split;
    return part;
}

static Checkpoint *open_gguf(OpenContext *context, ByteSource *source, Error *err)
{
    Checkpoint *checkpoint = checkpoint_new(context->path, "gguf");
    StateDict *dict = dict_new();
    GgufFile file = {.source = source, .checkpoint = checkpoint, .dict = dict, .keep_keys = true,
                     .err = err};
    checkpoint_add_container(checkpoint, "", dict, 0, false);
    bool ok = is_part(context, &file) ? gguf_open_parts(context, &file) : read_file(&file);
    gguf_done(&file);
    if (ok) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

static Sniff sniff_gguf(ByteSource *source, const unsigned char *head, size_t n)
{
    (void)source;
    return n >= 4 && memcmp(head, "GGUF", 4) == 0 ? SNIFF_YES : SNIFF_NO;
}

const Format format_gguf = {"gguf", "GGUF (llama.cpp)", sniff_gguf, open_gguf};
