/* One tensor of an ONNX model: where its values lie in one of five ways, and that there are as many
 * of them as its shape demands. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/text.h"
#include "loader/format/fault.h"
#include "loader/format/onnx.h"
#include "loader/format/proto_values.h"

enum {
    FLOAT_DATA = 4, INT32_DATA = 5, STRING_DATA = 6, INT64_DATA = 7, DOUBLE_DATA = 10,
    UINT64_DATA = 11
};

/* One row a data_type: the field that holds such values, bytes of a number there (0: a varint),
 * and how many bytes each gives. Types of less than a byte come packed in bytes, but those of 6
 * bits, of which int32_data holds one a number. */
typedef struct DataType {
    DType dtype;
    uint8_t field, stored, width;
} DataType;

static const DataType data_types[] = {
    [1] = {DT_F32, FLOAT_DATA, 4, 4},
    [2] = {DT_U8, INT32_DATA, 0, 1},
    [3] = {DT_I8, INT32_DATA, 0, 1},
    [4] = {DT_U16, INT32_DATA, 0, 2},
    [5] = {DT_I16, INT32_DATA, 0, 2},
    [6] = {DT_I32, INT32_DATA, 0, 4},
    [7] = {DT_I64, INT64_DATA, 0, 8},
    [8] = {DT_STRING, STRING_DATA, 0, 0},
    [9] = {DT_BOOL, INT32_DATA, 0, 1},
    [10] = {DT_F16, INT32_DATA, 0, 2},
    [11] = {DT_F64, DOUBLE_DATA, 8, 8},
    [12] = {DT_U32, UINT64_DATA, 0, 4},
    [13] = {DT_U64, UINT64_DATA, 0, 8},
    [14] = {DT_C64, FLOAT_DATA, 4, 4},
    [15] = {DT_C128, DOUBLE_DATA, 8, 8},
    [16] = {DT_BF16, INT32_DATA, 0, 2},
    [17] = {DT_F8_E4M3, INT32_DATA, 0, 1},
    [18] = {DT_F8_E4M3FNUZ, INT32_DATA, 0, 1},
    [19] = {DT_F8_E5M2, INT32_DATA, 0, 1},
    [20] = {DT_F8_E5M2FNUZ, INT32_DATA, 0, 1},
    [21] = {DT_U4, INT32_DATA, 0, 1},
    [22] = {DT_I4, INT32_DATA, 0, 1},
    [23] = {DT_F4_E2M1, INT32_DATA, 0, 1},
    [24] = {DT_F8_E8M0, INT32_DATA, 0, 1},
    [25] = {DT_U2, INT32_DATA, 0, 1},
    [26] = {DT_I2, INT32_DATA, 0, 1},
    [27] = {DT_F6_E2M3, 0, 0, 0},
    [28] = {DT_F6_E3M2, 0, 0, 0},
};

/* What a TensorProto says, apart from numbers in fields of their own. */
typedef struct Parts {
    const char *name;        /* in the arena; "" when it has none */
    ProtoDims dims;
    uint64_t data_type, location_kind;
    ProtoSpan raw;           /* raw_data */
    bool has_raw, has_segment, has_numbers;
    const char *location;    /* external_data; in the arena; NULL: none */
    uint64_t offset, length;
    bool has_length;
    uint64_t strings;        /* elements of string_data */
} Parts;

/* The file's name and the tensor's in front; always false. */
static bool refuse(const OnnxFile *file, const char *name, ErrorCode code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static bool refuse(const OnnxFile *file, const char *name, ErrorCode code, const char *format, ...)
{
    Text text = {0};
    va_list args;
    va_start(args, format);
    text_addv(&text, format, args);
    va_end(args);
    fault_tensor(file->reader.err, code, file->reader.source->name, name, "%s",
                 text_string(&text));
    text_done(&text);
    return false;
}

/* -- Reading the message --------------------------------------------------------------- */

/* external_data: pairs of text; keys that are not known (checksum) are passed over. */
static bool read_external(OnnxFile *file, ProtoSpan pair, Parts *parts)
{
    char key[16] = "";
    ProtoField field, value = {0};
    while (pair.at < pair.end) {
        if (!proto_next(&file->reader, &pair, &field)) return false;
        if (proto_is(&field, 1, PROTO_BYTES) &&
            !proto_word(&file->reader, &field, key, sizeof key))
            return false;
        if (proto_is(&field, 2, PROTO_BYTES)) value = field;
    }
    if (strcmp(key, "location") == 0) {
        parts->location = proto_text(&file->reader, &value, PROTO_NAME_MAX, file->arena);
        return parts->location != NULL;
    }
    bool is_length = strcmp(key, "length") == 0;
    if (!is_length && strcmp(key, "offset") != 0) return true;
    char digits[32];
    if (!proto_word(&file->reader, &value, digits, sizeof digits)) return false;
    if (!parse_digits(digits, strlen(digits), is_length ? &parts->length : &parts->offset))
        return proto_fail(&file->reader, ERR_FORMAT, value.where,
                          "'%s' of external data is no whole number", key);
    parts->has_length = parts->has_length || is_length;
    return true;
}

/* Fields for numbers are only noted: which of them is asked for, the data_type decides. */
static bool read_part(OnnxFile *file, const ProtoField *field, Parts *parts)
{
    switch (field->number) {
    case 1: return proto_dims(&file->reader, field, &parts->dims);
    case 2: parts->data_type = field->value; return true;
    case 3: parts->has_segment = true; return true;
    case STRING_DATA: parts->strings++; return true;
    case FLOAT_DATA: case INT32_DATA: case INT64_DATA: case DOUBLE_DATA: case UINT64_DATA:
        parts->has_numbers = parts->has_numbers || field->type != PROTO_BYTES ||
                             field->bytes.end > field->bytes.at;
        return true;
    case 14: parts->location_kind = field->value; return true;
    default: break;
    }
    if (field->type != PROTO_BYTES) return true;
    if (field->number == 8) {
        parts->name = proto_text(&file->reader, field, PROTO_NAME_MAX, file->arena);
        return parts->name != NULL;
    }
    if (field->number == 9) {
        parts->raw = field->bytes;
        parts->has_raw = true;
    }
    return field->number != 13 || read_external(file, field->bytes, parts);
}

/* First pass over a tensor. Its name may stand behind its values, so nothing is refused by name
 * before the end. */
static bool read_parts(OnnxFile *file, ProtoSpan message, Parts *parts)
{
    *parts = (Parts){.name = ""};
    ProtoField field;
    while (message.at < message.end)
        if (!proto_next(&file->reader, &message, &field) || !read_part(file, &field, parts))
            return false;
    return true;
}

/* -- The values ------------------------------------------------------------------------ */

/* A storage of its own for every tensor: ONNX shares nothing. The source is owned already. */
static void set_storage(OnnxFile *file, Tensor *tensor, ByteSource *source, uint64_t at,
                        uint64_t bytes)
{
    Storage *storage = arena_alloc(file->arena, sizeof *storage);
    *storage = (Storage){source, at, bytes, tensor->dtype, file->storages++};
    tensor->storage = storage;
}

/* "shape [2,3] f32 needs 24 bytes, raw_data has 8". */
static bool refuse_bytes(const OnnxFile *file, const Tensor *tensor, uint64_t need, uint64_t have,
                         const char *what)
{
    Text shape = {0};
    for (unsigned i = 0; i < tensor->rank; i++)
        text_addf(&shape, "%s%" PRId64, i ? "," : "", tensor->dims[i]);
    refuse(file, tensor->name, ERR_FORMAT,
           "shape [%.400s] %s needs %" PRIu64 " bytes, %s %" PRIu64, text_string(&shape),
           dtype_name(tensor->dtype), need, what, have);
    text_done(&shape);
    return false;
}

/* Numbers in fields of their own: a window where they are plain, else a source that decodes. */
static bool place_numbers(OnnxFile *file, ProtoSpan message, const DataType *type, uint64_t need,
                          Tensor *tensor)
{
    ProtoValues values;
    ProtoField field;
    proto_values_init(&values, type->stored, type->width);
    bool fine = true;
    while (fine && message.at < message.end)
        fine = proto_next(&file->reader, &message, &field) &&
               (field.number != type->field || proto_values_add(&file->reader, &values, &field));
    uint64_t have = values.count * type->width, at = 0;
    if (fine && have != need)
        fine = refuse_bytes(file, tensor, need, have, "its numbers have");
    if (fine && (!need || proto_values_plain(&values, &at))) {
        set_storage(file, tensor, file->reader.source, at, need);
    } else if (fine) {
        ByteSource *source = proto_values_source(&values, file->reader.source);
        checkpoint_own_source(file->checkpoint, source);
        set_storage(file, tensor, source, 0, need);
    }
    proto_values_done(&values);
    return fine;
}

/* Opens the file at a location once. "./" in front says nothing. */
static ByteSource *open_location(OnnxFile *file, const char *tensor, const char *location)
{
    OnnxExternal *external = &file->external;
    while (has_prefix(location, "./")) location += 2;
    uint32_t known = map_get(&external->names, location);
    if (known != MAP_NONE) return external->sources[known];
    Text shown = {0};
    char more[LIMIT_TEXT];
    ByteSource *source = NULL;
    Error inner = {0};
    fault_quote(location, strlen(location), 120, &shown);
    if (external->count >= limit(LIMIT_SHARDS))
        refuse(file, tensor, ERR_LIMIT, "its values lie in one more file, %s",
               limit_text(LIMIT_SHARDS, more));
    else if (!inner_path_is_safe(location))
        refuse(file, tensor, ERR_FORMAT, "its values would lie at '%s', which is no place in the "
               "model's folder; it is not followed", text_string(&shown));
    else if (!file->context->has_inner(file->context, location))
        refuse(file, tensor, ERR_NOT_FOUND, "its values lie in '%s', which is not in the model's "
               "folder; fetch it too", text_string(&shown));
    else if (!(source = file->context->inner_source(file->context, location, &inner)))
        refuse(file, tensor, inner.code, "%s", inner.text);
    text_done(&shown);
    if (!source) return NULL;
    checkpoint_own_source(file->checkpoint, source);
    external->sources = mem_grow(external->sources, &external->room, external->count + 1,
                                 sizeof *external->sources);
    external->sources[external->count] = source;
    map_set(&external->names, location, (uint32_t)external->count++);
    return source;
}

/* Without a length the values begin at the offset, and what follows them is not theirs. */
static bool place_external(OnnxFile *file, const Parts *parts, uint64_t need, Tensor *tensor)
{
    if (!parts->location)
        return refuse(file, tensor->name, ERR_FORMAT,
                      "its values are external, but no location is given");
    ByteSource *source = open_location(file, tensor->name, parts->location);
    if (!source) return false;
    if (parts->has_length && parts->length != need)
        return refuse_bytes(file, tensor, need, parts->length,
                            "the length of its external data is");
    if (parts->offset > source->size || need > source->size - parts->offset) {
        Text shown = {0};
        fault_quote(parts->location, strlen(parts->location), 120, &shown);
        refuse(file, tensor->name, ERR_FORMAT,
               "needs %" PRIu64 " bytes at %" PRIu64 " of '%s', which has %" PRIu64
               ": cut short, or of another model", need, parts->offset, text_string(&shown),
               source->size);
        text_done(&shown);
        return false;
    }
    set_storage(file, tensor, source, parts->offset, need);
    return true;
}

/* Whole bytes of that many elements, the last one filled up; false when they are beyond 64 bits. */
static bool count_bytes(const Tensor *tensor, uint64_t *need)
{
    uint64_t bits;
    if (!sum_mul(tensor_count(tensor), dtype_info(tensor->dtype)->bits, &bits)) return false;
    *need = bits / 8 + (bits % 8 != 0);
    return true;
}

/* Shown, but not read as numbers; the note says why. */
static void set_opaque(OnnxFile *file, Tensor *tensor, const char *note)
{
    Encoding *encoding = arena_alloc(file->arena, sizeof *encoding);
    *encoding = (Encoding){.opaque = true, .note = note};
    tensor->encoding = encoding;
}

/* In exactly one way: two would be a question which of them other readers take. */
static bool place_values(OnnxFile *file, ProtoSpan message, const Parts *parts,
                         const DataType *type, Tensor *tensor)
{
    uint64_t need;
    bool external = parts->location_kind == 1;
    if (!count_bytes(tensor, &need))
        return refuse(file, tensor->name, ERR_FORMAT, "has more bytes than 64 bits can count");
    if (parts->has_raw + parts->has_numbers + external > 1)
        return refuse(file, tensor->name, ERR_FORMAT, "has its values twice, in two ways");
    if (external) {
        if (!place_external(file, parts, need, tensor)) return false;
    } else if (parts->has_raw) {
        uint64_t have = parts->raw.end - parts->raw.at;
        if (have != need) return refuse_bytes(file, tensor, need, have, "raw_data has");
        set_storage(file, tensor, file->reader.source, parts->raw.at, need);
    } else if (!type->field) {
        set_opaque(file, tensor, "6-bit numbers, one in each of int32_data");
    } else if (!place_numbers(file, message, type, need, tensor)) {
        return false;
    }
    if (tensor_count(tensor) * dtype_info(tensor->dtype)->bits % 8)
        set_opaque(file, tensor, "packed numbers that do not fill the last byte");
    return true;
}

/* -- Tensors --------------------------------------------------------------------------- */

/* tensor_check with file and tensor in front of what it says. */
static bool check_tensor(OnnxFile *file, const Tensor *tensor)
{
    Error inner;
    return tensor_check(tensor, &inner) ||
           refuse(file, tensor->name, inner.code, "%s", inner.text);
}

/* Dims without a storage first: everything later multiplies them. */
static bool set_shape(OnnxFile *file, const ProtoDims *dims, Tensor *tensor)
{
    tensor->rank = (uint8_t)dims->rank;
    tensor->dims = arena_copy(file->arena, dims->sizes, dims->rank * sizeof dims->sizes[0]);
    return check_tensor(file, tensor);
}

bool onnx_read_tensor(OnnxFile *file, ProtoSpan message, Tensor *tensor)
{
    Parts parts;
    if (!read_parts(file, message, &parts)) return false;
    if (!*parts.name && tensor->name) parts.name = tensor->name;
    *tensor = (Tensor){.name = parts.name};
    if (parts.has_segment)
        return refuse(file, parts.name, ERR_UNSUPPORTED, "is stored in segments, which no reader "
                      "of ONNX supports");
    if (parts.data_type == 0 || parts.data_type >= countof(data_types))
        return refuse(file, parts.name, ERR_UNSUPPORTED,
                      "has data_type %" PRIu64 ", which tenon does not know", parts.data_type);
    const DataType *type = &data_types[parts.data_type];
    tensor->dtype = type->dtype;
    if (!set_shape(file, &parts.dims, tensor)) return false;
    if (type->dtype != DT_STRING)
        return place_values(file, message, &parts, type, tensor) && check_tensor(file, tensor);
    if (parts.strings == tensor_count(tensor)) return true;
    return refuse(file, parts.name, ERR_FORMAT,
                  "its shape has %" PRIu64 " texts, string_data has %" PRIu64,
                  tensor_count(tensor), parts.strings);
}

/* The name is that of the values; what they are and where they go is not read. */
bool onnx_read_sparse(OnnxFile *file, ProtoSpan message, Tensor *tensor)
{
    ProtoDims dims = {.rank = 0};
    ProtoField field;
    bool has_values = false;
    while (message.at < message.end) {
        if (!proto_next(&file->reader, &message, &field)) return false;
        if (proto_is(&field, 1, PROTO_BYTES)) {
            if (!onnx_read_tensor(file, field.bytes, tensor)) return false;
            has_values = true;
        }
        if (field.number == 3 && !proto_dims(&file->reader, &field, &dims)) return false;
    }
    if (!has_values)
        return proto_fail(&file->reader, ERR_FORMAT, message.end, "a sparse tensor has no values");
    set_opaque(file, tensor, arena_printf(file->arena, "sparse, %" PRIu64 " values are stored",
                                          tensor_count(tensor)));
    return set_shape(file, &dims, tensor);
}

/* Counted first, since a list has no other shape than its length. */
bool onnx_read_numbers(OnnxFile *file, ProtoSpan attribute, uint32_t number, Tensor *tensor)
{
    bool floats = number == 2 || number == 7, list = number >= 7;
    const DataType type = {floats ? DT_F32 : DT_I64, (uint8_t)number, floats ? 4 : 0,
                           floats ? 4 : 8};
    ProtoSpan span = attribute;
    ProtoField field;
    ProtoValues values;
    proto_values_init(&values, type.stored, type.width);
    bool fine = true;
    while (fine && span.at < span.end)
        fine = proto_next(&file->reader, &span, &field) &&
               (field.number != number || proto_values_add(&file->reader, &values, &field));
    const ProtoDims dims = {{(int64_t)values.count}, list};
    uint64_t bytes = list ? values.count * type.width : type.width;
    proto_values_done(&values);
    tensor->dtype = type.dtype;
    return fine && set_shape(file, &dims, tensor) &&
           place_numbers(file, attribute, &type, bytes, tensor) && check_tensor(file, tensor);
}
