/* MXNet and Gluon .params: a list of arrays and, behind all of them, a list of names.
 *
 *   u64 0x112 | u64 0 | u64 n | n arrays | u64 names (0 or n) | names × (u64 length, bytes)
 *
 * An array, little-endian, in one of four generations, told by its first u32:
 *
 *   F993FACA  V3: i32 storage, [shape of the values,] shape, device, type, [types and shapes of the
 *             indices,] values, [indices]. A shape with a negative rank or size: no array
 *   F993FAC9  V2: the same; rank 0: no array
 *   F993FAC8  V1: shape, device, type, values; rank 0: no array
 *   else      it is itself the rank, the sizes are u32: then device, type, values
 *
 * shape: i32 rank, i64 × rank. Device: i32 kind, i32 number. A record without an array ends behind
 * its shape. Storage -1 and 0: dense; 1: row_sparse (values of some rows, and which); 2: csr
 * (values, where each row starts, columns). What stands in [] is only there for these two.
 *
 * Source: MXNet, src/ndarray/ndarray.cc (NDArray::Save, Load, LegacyLoad) and mshadow/base.h
 * (TypeFlag). Names of the Module API begin with "arg:" or "aux:"; they are shown as they are.
 * Convolutions and FullyConnected have PyTorch's layout. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/format.h"
#include "loader/source/cursor.h"

enum {
    LIST_MAGIC = 0x112,
    PARTS_MAX = 3                /* values and two kinds of indices */
};

#define V1_MAGIC 0xF993FAC8u
#define V2_MAGIC 0xF993FAC9u
#define V3_MAGIC 0xF993FACAu

/* By type_flag. */
static const DType dtypes[] = {DT_F32, DT_F64, DT_F16, DT_U8,  DT_I32, DT_I8,  DT_I64,
                               DT_BOOL, DT_I16, DT_U16, DT_U32, DT_U64, DT_BF16};

/* By storage type; how many kinds of indices it has, and what the values and each are called. */
static const struct {
    const char *name;
    unsigned indices;
    const char *parts[PARTS_MAX];
} storages[] = {
    {"dense", 0, {NULL}},
    {"row_sparse", 1, {"data", "indices"}},
    {"csr", 2, {"data", "indptr", "indices"}},
};

typedef struct Shape {
    bool known;                  /* false: there is no array */
    unsigned rank;
    int64_t dims[TENSOR_RANK_MAX];
} Shape;

/* A run of values in the file. */
typedef struct Part {
    DType dtype;
    Shape shape;
    uint64_t offset, bytes;
} Part;

/* An array as its record says. Its name comes later. */
typedef struct Record {
    uint64_t where;              /* byte of its first u32 */
    unsigned storage;            /* row of `storages` */
    const Shape *shape;          /* of the whole; NULL: there is no array */
    const Part *parts[PARTS_MAX];    /* the values, then indices; NULL beyond */
} Record;

typedef struct Reader {
    Cursor cursor;
    ByteSource *source;          /* borrowed */
    Checkpoint *checkpoint;      /* being filled; borrowed */
    StateDict *dict;             /* likewise */
    Arena *arena;                /* the dict's */
    Record *records;             /* [count], owned */
    size_t count, room;
    uint32_t storage_count;
    Error *err;                  /* the caller's */
} Reader;

/* About the array being read, whose name is not known yet. */
static bool refuse(const Reader *reader, const Record *record, const char *what, uint64_t number)
{
    return fault_file(reader->err, ERR_FORMAT, reader->source->name,
                      "array %zu (byte %" PRIu64 "): %s %" PRIu64, reader->count, record->where,
                      what, number);
}

static bool take(Reader *reader, size_t width, uint64_t *out)
{
    return cursor_little(&reader->cursor, width, out, reader->err);
}

/* -- One array ------------------------------------------------------------------------- */

/* Sizes of 8 bytes, of 4 in the oldest files. `unknown`: they may be negative, which means that
 * there is no array. */
static bool read_dims(Reader *reader, const Record *record, uint64_t rank, size_t width,
                      bool unknown, Shape *shape)
{
    shape->known = true;
    if (rank > TENSOR_RANK_MAX) return refuse(reader, record, "has more than 32 dimensions:", rank);
    shape->rank = (unsigned)rank;
    for (unsigned i = 0; i < shape->rank; i++) {
        uint64_t dim;
        if (!take(reader, width, &dim)) return false;
        if (dim > INT64_MAX && !unknown)
            return refuse(reader, record, "has a negative size in dim", i);
        if (dim > INT64_MAX) shape->known = false;
        shape->dims[i] = (int64_t)dim;
    }
    return true;
}

static bool read_shape(Reader *reader, const Record *record, bool unknown, Shape *shape)
{
    uint64_t rank;
    if (!take(reader, 4, &rank)) return false;
    if (unknown && (int32_t)(uint32_t)rank < 0) {
        shape->known = false;
        return true;
    }
    return read_dims(reader, record, rank, 8, unknown, shape);
}

static bool read_type(Reader *reader, const Record *record, DType *dtype)
{
    uint64_t flag;
    if (!take(reader, 4, &flag)) return false;
    if (flag >= countof(dtypes)) return refuse(reader, record, "has an unknown type_flag,", flag);
    *dtype = dtypes[flag];
    return true;
}

/* Moves over the values, whose place is noted. */
static bool place_part(Reader *reader, const Record *record, Part *part)
{
    uint64_t bytes = dtype_size(part->dtype);
    for (unsigned i = 0; i < part->shape.rank; i++)
        if (!sum_mul(bytes, (uint64_t)part->shape.dims[i], &bytes))
            return refuse(reader, record, "has more bytes than 64 bits can count, dims:",
                          part->shape.rank);
    part->offset = reader->cursor.at;
    part->bytes = bytes;
    if (bytes <= cursor_left(&reader->cursor))
        return cursor_skip(&reader->cursor, bytes, reader->err);
    return fault_file(reader->err, ERR_FORMAT, reader->source->name,
                      "array %zu (byte %" PRIu64 "): its values need %" PRIu64 " bytes, and the "
                      "file has %" PRIu64 " left; it is cut short: fetch it again", reader->count,
                      record->where, bytes, cursor_left(&reader->cursor));
}

/* From the device on: what all generations have alike. `shapes` are those of the parts, of which
 * the first one's is known. */
static bool read_parts(Reader *reader, Record *record, const Shape *values)
{
    unsigned count = 1 + storages[record->storage].indices;
    Part *parts = arena_alloc(reader->arena, count * sizeof *parts);
    parts[0].shape = *values;
    if (!cursor_skip(&reader->cursor, 8, reader->err) ||
        !read_type(reader, record, &parts[0].dtype))
        return false;
    for (unsigned i = 1; i < count; i++)
        if (!read_type(reader, record, &parts[i].dtype) ||
            !read_shape(reader, record, false, &parts[i].shape))
            return false;
    for (unsigned i = 0; i < count; i++) {
        if (!place_part(reader, record, &parts[i])) return false;
        record->parts[i] = &parts[i];
    }
    return true;
}

/* V2 and V3: a storage type first. */
static bool read_modern(Reader *reader, Record *record, bool v3, Shape *shape, Shape *values)
{
    uint64_t type;
    if (!take(reader, 4, &type)) return false;
    if (type == 0xFFFFFFFFu) type = 0;
    if (type >= countof(storages))
        return refuse(reader, record, "has an unknown storage type,", type);
    record->storage = (unsigned)type;
    if (type && !read_shape(reader, record, false, values)) return false;
    if (!read_shape(reader, record, v3, shape)) return false;
    if (!v3 && !shape->rank) shape->known = false;
    if (!type) *values = *shape;
    return true;
}

static bool read_array(Reader *reader)
{
    Record record = {.where = reader->cursor.at};
    Shape shape = {0}, values = {0};
    uint64_t magic;
    if (!take(reader, 4, &magic)) return false;
    if (magic == V2_MAGIC || magic == V3_MAGIC) {
        if (!read_modern(reader, &record, magic == V3_MAGIC, &shape, &values)) return false;
    } else {
        if (magic == V1_MAGIC ? !read_shape(reader, &record, false, &shape)
                              : !read_dims(reader, &record, magic, 4, false, &shape))
            return false;
        if (!shape.rank) shape.known = false;
        values = shape;
    }
    if (shape.known) {
        record.shape = arena_copy(reader->arena, &shape, sizeof shape);
        if (!read_parts(reader, &record, &values)) return false;
    }
    reader->records = mem_grow(reader->records, &reader->room, reader->count + 1, sizeof record);
    reader->records[reader->count++] = record;
    return true;
}

/* -- Names ----------------------------------------------------------------------------- */

static bool add_tensor(Reader *reader, const Tensor *tensor)
{
    Error inner;
    if (!tensor_check(tensor, &inner))
        return fault_tensor(reader->err, inner.code, reader->source->name, tensor->name, "%s",
                            inner.text);
    return dict_add(reader->dict, tensor) ||
           fault_tensor(reader->err, ERR_FORMAT, reader->source->name, tensor->name,
                        "stands twice in the file");
}

static bool add_part(Reader *reader, const char *name, const Part *part)
{
    Storage *storage = arena_alloc(reader->arena, sizeof *storage);
    *storage = (Storage){reader->source, part->offset, part->bytes, part->dtype,
                         reader->storage_count++};
    const Tensor tensor = {.name = name,
                           .dims = part->shape.dims,
                           .rank = (uint8_t)part->shape.rank,
                           .dtype = part->dtype,
                           .storage = storage};
    return add_tensor(reader, &tensor);
}

/* A sparse array is shown with its own shape, without values, and its parts beside it. */
static bool add_sparse(Reader *reader, const char *name, const Record *record)
{
    const Part *values = record->parts[0];
    Encoding *encoding = arena_alloc(reader->arena, sizeof *encoding);
    encoding->opaque = true;
    encoding->note = arena_printf(
        reader->arena, "%s, %" PRId64 " %s stored in the tensors of its parts",
        storages[record->storage].name, values->shape.rank ? values->shape.dims[0] : 1,
        record->storage == 1 ? "rows" : "values");
    const Tensor whole = {.name = name,
                          .dims = record->shape->dims,
                          .rank = (uint8_t)record->shape->rank,
                          .dtype = values->dtype,
                          .encoding = encoding};
    if (!add_tensor(reader, &whole)) return false;
    for (unsigned i = 0; i <= storages[record->storage].indices; i++) {
        const char *part = arena_printf(reader->arena, "%s.%s", name,
                                        storages[record->storage].parts[i]);
        if (!add_part(reader, part, record->parts[i])) return false;
    }
    return true;
}

static bool add_array(Reader *reader, const char *name, const Record *record)
{
    if (record->shape)
        return record->storage ? add_sparse(reader, name, record)
                               : add_part(reader, name, record->parts[0]);
    Text shown = {0};
    fault_quote(name, strlen(name), 120, &shown);
    checkpoint_find(reader->checkpoint, FINDING_WARNING, "empty", name,
                    "initialize the network (run it once) before saving it",
                    "'%s' has no values: it was saved before it was initialized; left out",
                    text_string(&shown));
    text_done(&shown);
    return true;
}

/* A name; in the arena. */
static bool read_name(Reader *reader, const char **name)
{
    uint64_t n, where = reader->cursor.at;
    char more[LIMIT_TEXT];
    if (!take(reader, 8, &n)) return false;
    if (n > cursor_left(&reader->cursor))
        return fault_file(reader->err, ERR_FORMAT, reader->source->name,
                          "a name claims %" PRIu64 " bytes, and the file has %" PRIu64
                          " left (byte %" PRIu64 ")", n, cursor_left(&reader->cursor), where);
    if (n > limit(LIMIT_STRING_BYTES))
        return fault_file(reader->err, ERR_LIMIT, reader->source->name,
                          "a name of %" PRIu64 " bytes, %s", n,
                          limit_text(LIMIT_STRING_BYTES, more));
    char *bytes = mem_alloc((size_t)n + 1);
    bool fine = cursor_read(&reader->cursor, bytes, (size_t)n, reader->err);
    if (fine) *name = name_hold(reader->arena, bytes, (size_t)n);
    free(bytes);
    return fine;
}

/* Arrays that were saved as a list have no names: they are "[0]", "[1]" … */
static bool read_names(Reader *reader)
{
    uint64_t names;
    if (!take(reader, 8, &names)) return false;
    if (names && names != reader->count)
        return fault_file(reader->err, ERR_FORMAT, reader->source->name,
                          "has %zu arrays and %" PRIu64 " names", reader->count, names);
    for (size_t i = 0; i < reader->count; i++) {
        const char *name = NULL;
        if (!names) name = arena_printf(reader->arena, "[%zu]", i);
        else if (!read_name(reader, &name)) return false;
        if (!add_array(reader, name, &reader->records[i])) return false;
    }
    uint64_t left = cursor_left(&reader->cursor);
    if (left)
        checkpoint_find(reader->checkpoint, FINDING_WARNING, "trailing", NULL,
                        "something was appended to it; MXNet ignores that",
                        "%" PRIu64 " bytes stand behind the last name, from byte %" PRIu64 " on",
                        left, reader->cursor.at);
    return true;
}

/* -- The file -------------------------------------------------------------------------- */

/* Every array takes at least the four bytes of its rank, so the file bounds their number. */
static bool read_file(Reader *reader)
{
    uint64_t magic, reserved, count;
    char more[LIMIT_TEXT];
    if (!take(reader, 8, &magic) || !take(reader, 8, &reserved) || !take(reader, 8, &count))
        return false;
    if (count > cursor_left(&reader->cursor) / 4)
        return fault_file(reader->err, ERR_FORMAT, reader->source->name,
                          "claims %" PRIu64 " arrays, for which its %" PRIu64 " bytes are too few",
                          count, reader->source->size);
    if (count > limit(LIMIT_TENSORS))
        return fault_file(reader->err, ERR_LIMIT, reader->source->name, "%" PRIu64 " arrays, %s",
                          count, limit_text(LIMIT_TENSORS, more));
    while (reader->count < count)
        if (!read_array(reader)) return false;
    return read_names(reader);
}

static Checkpoint *open_mxnet(OpenContext *context, ByteSource *source, Error *err)
{
    Checkpoint *checkpoint = checkpoint_of_file(context->path, "mxnet", source);
    StateDict *dict = dict_new();
    Reader *reader = mem_alloc(sizeof *reader);
    *reader = (Reader){.source = source, .checkpoint = checkpoint, .dict = dict,
                       .arena = dict_arena(dict), .err = err};
    cursor_init(&reader->cursor, source, 0);
    bool fine = read_file(reader);
    free(reader->records);
    free(reader);
    checkpoint_add_container(checkpoint, "", dict, 0, false);
    if (fine) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

/* Sixteen bytes that no other file begins with. */
static Sniff sniff_mxnet(ByteSource *source, const unsigned char *head, size_t n)
{
    static const unsigned char magic[16] = {LIST_MAGIC & 0xFF, LIST_MAGIC >> 8};
    (void)source;
    return n >= sizeof magic && memcmp(head, magic, sizeof magic) == 0 ? SNIFF_YES : SNIFF_NO;
}

const Format format_mxnet = {"mxnet", "MXNet and Gluon .params", sniff_mxnet, open_mxnet};
