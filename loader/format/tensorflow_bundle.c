/* The index of a bundle, entry by entry, and the tensors that its entries are. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/text.h"
#include "loader/format/fault.h"
#include "loader/format/leveldb.h"
#include "loader/format/tensorflow.h"

/* DataType of types.proto that have values here. Quantized types are their integers: scale and zero
 * point are variables of their own, if they are anywhere. */
static const DType dtypes[] = {
    [0] = DT_UNKNOWN,
    [1] = DT_F32,   [2] = DT_F64,        [3] = DT_I32,        [4] = DT_U8,    [5] = DT_I16,
    [6] = DT_I8,    [7] = DT_STRING,     [8] = DT_C64,        [9] = DT_I64,   [10] = DT_BOOL,
    [11] = DT_I8,   [12] = DT_U8,        [13] = DT_I32,       [14] = DT_BF16, [15] = DT_I16,
    [16] = DT_U16,  [17] = DT_U16,       [18] = DT_C128,      [19] = DT_F16,  [20] = DT_UNKNOWN,
    [21] = DT_UNKNOWN, [22] = DT_U32,    [23] = DT_U64,       [24] = DT_F8_E5M2,
    [25] = DT_F8_E4M3, [26] = DT_F8_E4M3FNUZ, [27] = DT_UNKNOWN, [28] = DT_F8_E5M2FNUZ,
    [29] = DT_I4,   [30] = DT_U4,
};

/* Names the index and the key; always false. */
static bool refuse(const Bundle *bundle, const char *key, ErrorCode code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static bool refuse(const Bundle *bundle, const char *key, ErrorCode code, const char *format, ...)
{
    Text text = {0};
    va_list args;
    va_start(args, format);
    text_addv(&text, format, args);
    va_end(args);
    fault_tensor(bundle->err, code, bundle->file, key, "%s", text_string(&text));
    text_done(&text);
    return false;
}

/* -- The index ------------------------------------------------------------------------- */

/* Key "": a bundle's header, or, in checkpoints of version 1, the SavedTensorSliceMeta. */
static bool read_header(Bundle *bundle, ProtoReader *reader, ProtoSpan span)
{
    ProtoField field;
    char more[LIMIT_TEXT];
    bundle->has_header = true;
    bundle->shard_count = 0;
    while (span.at < span.end) {
        if (!proto_next(reader, &span, &field)) return false;
        if (proto_is(&field, 1, PROTO_BYTES))
            return fault_file(bundle->err, ERR_UNSUPPORTED, bundle->file,
                              "a checkpoint of TensorFlow's version 1, in one file; not supported: "
                              "save it with tf.compat.v1.train.Saver, which writes version 2");
        if (proto_is(&field, 1, PROTO_VARINT)) bundle->shard_count = field.value;
        if (proto_is(&field, 2, PROTO_VARINT)) bundle->big_endian = field.value == 1;
    }
    if (bundle->shard_count > limit(LIMIT_SHARDS))
        return fault_file(bundle->err, ERR_LIMIT, bundle->file, "%" PRIu64 " shards, %s",
                          bundle->shard_count, limit_text(LIMIT_SHARDS, more));
    if (!bundle->big_endian) return true;
    Encoding *encoding = arena_alloc(bundle->arena, sizeof *encoding);
    *encoding = (Encoding){.big_endian = true};
    bundle->big = encoding;
    return true;
}

/* TensorShapeProto */
static bool read_shape(Bundle *bundle, ProtoReader *reader, ProtoSpan span, BundleEntry *entry)
{
    ProtoField field;
    ProtoDims dims = {.rank = 0};
    while (span.at < span.end) {
        if (!proto_next(reader, &span, &field)) return false;
        if (proto_is(&field, 3, PROTO_VARINT)) entry->unknown_rank = field.value != 0;
        if (!proto_is(&field, 2, PROTO_BYTES)) continue;
        ProtoSpan dim = field.bytes;
        ProtoField size = {.number = 1, .type = PROTO_VARINT, .where = field.where}, inner;
        while (dim.at < dim.end) {
            if (!proto_next(reader, &dim, &inner)) return false;
            if (proto_is(&inner, 1, PROTO_VARINT)) size = inner;
        }
        if (!proto_dims(reader, &size, &dims)) return false;
    }
    entry->rank = dims.rank;
    entry->dims = arena_copy(bundle->arena, dims.sizes, dims.rank * sizeof dims.sizes[0]);
    return true;
}

/* TensorSliceProto: an extent without a length is the whole axis. */
static bool read_slice(Bundle *bundle, ProtoReader *reader, ProtoSpan span, BundleSlice *slice)
{
    ProtoDims start = {.rank = 0}, length = {.rank = 0};
    ProtoField field;
    while (span.at < span.end) {
        if (!proto_next(reader, &span, &field)) return false;
        if (!proto_is(&field, 1, PROTO_BYTES)) continue;
        ProtoSpan extent = field.bytes;
        ProtoField from = {.number = 1, .type = PROTO_VARINT, .where = field.where}, size = from;
        size.value = UINT64_MAX;
        while (extent.at < extent.end) {
            if (!proto_next(reader, &extent, &field)) return false;
            if (proto_is(&field, 1, PROTO_VARINT)) from.value = field.value;
            if (proto_is(&field, 2, PROTO_VARINT)) size.value = field.value;
        }
        if (!proto_dims(reader, &from, &start) || !proto_dims(reader, &size, &length)) return false;
    }
    slice->rank = start.rank;
    slice->start = arena_copy(bundle->arena, start.sizes, start.rank * sizeof(int64_t));
    slice->length = arena_copy(bundle->arena, length.sizes, start.rank * sizeof(int64_t));
    return true;
}

/* Counts the slices, for their array, then reads them. */
static bool read_slices(Bundle *bundle, ProtoReader *reader, ProtoSpan value, BundleEntry *entry)
{
    char more[LIMIT_TEXT];
    ProtoField field;
    if (entry->slice_count > limit(LIMIT_SHARDS))
        return refuse(bundle, entry->key, ERR_LIMIT, "%zu pieces, %s", entry->slice_count,
                      limit_text(LIMIT_SHARDS, more));
    entry->slices = arena_alloc(bundle->arena, entry->slice_count * sizeof *entry->slices);
    size_t i = 0;
    while (value.at < value.end) {
        if (!proto_next(reader, &value, &field)) return false;
        if (proto_is(&field, 7, PROTO_BYTES) &&
            !read_slice(bundle, reader, field.bytes, &entry->slices[i++]))
            return false;
    }
    return true;
}

/* Slices are counted before they are read: they come one by one, and need an array. */
static bool read_entry(Bundle *bundle, ProtoReader *reader, ProtoSpan value, BundleEntry *entry)
{
    ProtoSpan rest = value;
    ProtoField field;
    while (rest.at < rest.end) {
        if (!proto_next(reader, &rest, &field)) return false;
        if (proto_is(&field, 1, PROTO_VARINT)) entry->dtype = field.value;
        if (proto_is(&field, 3, PROTO_VARINT)) entry->shard = field.value;
        if (proto_is(&field, 4, PROTO_VARINT)) entry->offset = field.value;
        if (proto_is(&field, 5, PROTO_VARINT)) entry->size = field.value;
        if (proto_is(&field, 6, PROTO_FIXED32)) {
            entry->crc = (uint32_t)field.value;
            entry->has_crc = true;
        }
        if (proto_is(&field, 7, PROTO_BYTES)) entry->slice_count++;
        if (proto_is(&field, 2, PROTO_BYTES) && !read_shape(bundle, reader, field.bytes, entry))
            return false;
    }
    return !entry->slice_count || read_slices(bundle, reader, value, entry);
}

/* LevelEntry of the index. Without a header first it is a table of something else. */
static bool add_entry(void *context, const char *key, size_t n, ProtoReader *reader,
                      ProtoSpan value)
{
    Bundle *bundle = context;
    char more[LIMIT_TEXT];
    if (!n) return read_header(bundle, reader, value);
    if (!bundle->has_header)
        return fault_file(bundle->err, ERR_UNSUPPORTED, bundle->file,
                          "a LevelDB table without the header of a TensorFlow checkpoint");
    if (bundle->count >= limit(LIMIT_TENSORS))
        return fault_file(bundle->err, ERR_LIMIT, bundle->file, "tensors, %s",
                          limit_text(LIMIT_TENSORS, more));
    uint64_t cost = 2 * n + sizeof(BundleEntry);
    if (cost > bundle->names_left)
        return fault_file(bundle->err, ERR_LIMIT, bundle->file,
                          "the bytes of its keys, besides %" PRIu64 " for each byte of the index, "
                          "are %s", limit(LIMIT_LISTING_RATIO),
                          limit_text(LIMIT_LISTING_BYTES, more));
    bundle->names_left -= cost;
    BundleEntry *entry = arena_alloc(bundle->arena, sizeof *entry);
    entry->key = name_hold(bundle->arena, key, n);
    entry->dims = arena_alloc(bundle->arena, 0);
    if (!read_entry(bundle, reader, value, entry)) return false;
    bundle->entries = mem_grow(bundle->entries, &bundle->room, bundle->count + 1,
                               sizeof *bundle->entries);
    bundle->entries[bundle->count] = entry;
    map_set(&bundle->index, entry->key, (uint32_t)bundle->count++);
    return true;
}

/* Shards are opened when a tensor asks for one: an index may count more than it uses. */
bool bundle_read_index(Bundle *bundle, ByteSource *source)
{
    /* keys share their beginnings in the file, so that they are longer here than there */
    bundle->names_left = limit_allowance(source->size);
    if (!level_read(source, add_entry, bundle, bundle->err)) return false;
    if (!bundle->has_header)
        return fault_file(bundle->err, ERR_FORMAT, bundle->file,
                          "an empty table, without the header of a TensorFlow checkpoint");
    bundle->shards = mem_alloc((bundle->shard_count + 1) * sizeof(ByteSource *));
    return true;
}

void bundle_done(Bundle *bundle)
{
    free(bundle->entries);
    free(bundle->shards);
    map_done(&bundle->index);
}

/* Their keys begin with a NUL, which a held name spells C0 80; names of variables do not. */
bool bundle_is_slice(const BundleEntry *entry)
{
    return has_prefix(entry->key, "\xC0\x80");
}

/* -- Shards ---------------------------------------------------------------------------- */

/* The name is made of numbers and of the index's own name, so it needs no other confinement. */
ByteSource *bundle_shard(Bundle *bundle, const BundleEntry *entry)
{
    if (entry->shard >= bundle->shard_count) {
        refuse(bundle, entry->key, ERR_FORMAT, "lies in shard %" PRIu64 ", the index has %" PRIu64,
               entry->shard, bundle->shard_count);
        return NULL;
    }
    if (bundle->shards[entry->shard]) return bundle->shards[entry->shard];
    const char *name = arena_printf(bundle->arena, "%s.data-%05" PRIu64 "-of-%05" PRIu64,
                                    bundle->prefix, entry->shard, bundle->shard_count);
    Error inner = {0};
    ByteSource *source = NULL;
    if (!bundle->context->has_inner(bundle->context, name)) {
        Text shown = {0};
        fault_quote(name, strlen(name), 200, &shown);
        refuse(bundle, entry->key, ERR_NOT_FOUND,
               "its values lie in %s, which is not beside the index; fetch it too",
               text_string(&shown));
        text_done(&shown);
        return NULL;
    }
    source = bundle->context->inner_source(bundle->context, name, &inner);
    if (!source) {
        refuse(bundle, entry->key, inner.code, "%s", inner.text);
        return NULL;
    }
    checkpoint_own_source(bundle->checkpoint, source);
    checkpoint_set_file_bytes(bundle->checkpoint,
                              checkpoint_file_bytes(bundle->checkpoint) + source->size);
    bundle->shards[entry->shard] = source;
    return source;
}

bool bundle_check_inside(const Bundle *bundle, const BundleEntry *entry, const char *name,
                         const ByteSource *shard)
{
    if (entry->offset <= shard->size && entry->size <= shard->size - entry->offset) return true;
    return refuse(bundle, name, ERR_FORMAT,
                  "needs %" PRIu64 " bytes at %" PRIu64 " of %s, which has %" PRIu64
                  ": cut short, or of another checkpoint", entry->size, entry->offset,
                  path_base(shard->name), shard->size);
}

/* -- Tensors --------------------------------------------------------------------------- */

/* Shown, but not read as numbers; the note says why. */
static void set_opaque(Bundle *bundle, Tensor *tensor, const char *note)
{
    Encoding *encoding = arena_alloc(bundle->arena, sizeof *encoding);
    *encoding = (Encoding){.opaque = true, .note = note};
    tensor->encoding = encoding;
}

/* A storage of its own for every entry: bundles share nothing. */
static void set_storage(Bundle *bundle, Tensor *tensor, ByteSource *source, uint64_t offset,
                        uint64_t size)
{
    Storage *storage = arena_alloc(bundle->arena, sizeof *storage);
    *storage = (Storage){source, offset, size, tensor->dtype, bundle->storages++};
    tensor->storage = storage;
}

/* Bytes of an element in a bundle, where 4-bit integers take one each; 0 when they differ. */
static unsigned stored_size(DType dtype)
{
    return dtype == DT_I4 || dtype == DT_U4 ? 1 : dtype_size(dtype);
}

static bool check_tensor(Bundle *bundle, const Tensor *tensor)
{
    Error inner;
    return tensor_check(tensor, &inner) ||
           refuse(bundle, tensor->name, inner.code, "%s", inner.text);
}

/* A variable in pieces: put together, or shown with a note. */
static bool place_slices(Bundle *bundle, const BundleEntry *entry, Tensor *tensor)
{
    const char *why = NULL;
    unsigned width = dtype_size(tensor->dtype);
    ByteSource *joined = width ? bundle_join(bundle, entry, width, &why) : NULL;
    if (!width) why = "of a type without a fixed size";
    if (joined) {
        checkpoint_own_source(bundle->checkpoint, joined);
        set_storage(bundle, tensor, joined, 0, joined->size);
        return true;
    }
    if (!why) return false;
    set_opaque(bundle, tensor, arena_printf(bundle->arena, "in %zu pieces, %s",
                                            entry->slice_count, why));
    FindingLevel level = why == bundle_too_many_rows || !width ? FINDING_WARNING : FINDING_ERROR;
    checkpoint_find(bundle->checkpoint, level, "slices", tensor->name, NULL,
                    "a variable in %zu pieces that was not put together: %s", entry->slice_count,
                    why);
    return true;
}

/* The bytes that the entry says, inside of its shard, as many as the shape needs. Texts are listed
 * without values, as in a schema: nothing could hold them. */
static bool place_bytes(Bundle *bundle, const BundleEntry *entry, Tensor *tensor)
{
    ByteSource *shard = bundle_shard(bundle, entry);
    unsigned width = stored_size(tensor->dtype);
    uint64_t need = entry->size;
    if (!shard || !bundle_check_inside(bundle, entry, entry->key, shard)) return false;
    if (width && (!sum_mul(tensor_count(tensor), width, &need) || need != entry->size))
        return refuse(bundle, entry->key, ERR_FORMAT,
                      "its shape needs %" PRIu64 " bytes, its entry has %" PRIu64, need,
                      entry->size);
    if (tensor->dtype != DT_STRING)
        set_storage(bundle, tensor, shard, entry->offset, entry->size);
    if (tensor->dtype == DT_I4 || tensor->dtype == DT_U4)
        set_opaque(bundle, tensor, "4-bit integers, one a byte");
    return true;
}

/* The shape before its product is used, the bytes last. */
bool bundle_tensor(Bundle *bundle, BundleEntry *entry, Tensor *tensor)
{
    *tensor = (Tensor){.name = entry->key};
    tensor->dtype = entry->dtype < countof(dtypes) ? dtypes[entry->dtype] : DT_UNKNOWN;
    tensor->dims = entry->unknown_rank ? NULL : entry->dims;
    tensor->rank = entry->unknown_rank ? 0 : (uint8_t)entry->rank;
    if (!check_tensor(bundle, tensor)) return false;
    if (tensor->dtype == DT_UNKNOWN)
        set_opaque(bundle, tensor, arena_printf(bundle->arena, "TensorFlow's type %" PRIu64,
                                                entry->dtype));
    else if (bundle->big)
        tensor->encoding = bundle->big;
    bool fine = entry->slice_count ? place_slices(bundle, entry, tensor)
                                   : place_bytes(bundle, entry, tensor);
    return fine && check_tensor(bundle, tensor);
}
