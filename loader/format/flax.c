/* Flax: a tree of dicts as one MessagePack map (flax.serialization.to_bytes, HF's
 * flax_model.msgpack).
 *
 *   map: text → map, list, array or anything else
 *   array = extension 1:  list [shape: list of numbers, dtype: text, values: bytes]
 *           extension 3:  the same, of a NumPy scalar; extension 2: list [real, imaginary]
 *   array of more than 2^30 bytes = map {"__msgpack_chunked_array__": true,
 *           "shape": {"0": d0, "1": d1 …}, "chunks": {"0": array, "1": array …}}, each chunk flat
 *
 * Values are in C order and little-endian. Source: flax/serialization.py.
 *
 * The tree is walked with a stack of its levels; keys are joined by dots, so that every array has
 * a name such as params.Conv_0.kernel. Containers are "", all arrays but an optimizer's, and each
 * top-level key by itself (params, batch_stats, opt_state …). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/format.h"
#include "loader/format/graph.h"
#include "loader/format/kernels.h"
#include "loader/format/msgpack.h"
#include "loader/source/pieces.h"

/* Fixed: keys are attributes of Python classes, dtypes words of NumPy. A key high in the tree is
 * a part of every name below it, so what names take is paid for out of an allowance, which grows
 * with the file (LIMIT_LISTING_BYTES). */
enum {
    KEY_MAX = 4096,              /* bytes of a key */
    PLAIN_MAX = 4096,            /* bytes of a text beside the arrays that is kept */
    DTYPE_MAX = 64,              /* bytes of a dtype's name */
    TOP_COST = 1024,             /* about the bytes of a container with a few arrays */
    SNIFF_ITEMS = 1000           /* looked at before a file is not taken for Flax's */
};

enum { EXT_ARRAY = 1, EXT_COMPLEX = 2, EXT_SCALAR = 3 };

static const char chunked_mark[] = "__msgpack_chunked_array__";

/* A map or list that the walk is inside of. */
typedef struct Level {
    uint64_t left, done;         /* items (of a map: pairs) to come, and behind us */
    bool map;
    size_t prefix;               /* length of its own name */
    const char *key;             /* the last one that was read; NULL before */
} Level;

/* A top-level key whose value holds arrays. */
typedef struct Top {
    const char *path;            /* as a container's; held name */
    size_t prefix;               /* bytes of a tensor's name that are the key's */
    StateDict *dict;             /* owned until it is added to the checkpoint */
    size_t others;               /* values that are no arrays */
    bool optimizer;
} Top;

/* One array as its payload says. */
typedef struct Array {
    DType dtype;                 /* DT_UNKNOWN: one that tenon does not know, `type` */
    char type[DTYPE_MAX + 1];
    unsigned rank;
    int64_t dims[TENSOR_RANK_MAX];
    uint64_t offset, bytes;      /* where its values stand */
} Array;

typedef struct Reader {
    MsgReader msg;
    ByteSource *source;          /* borrowed */
    Checkpoint *checkpoint;      /* being filled; borrowed */
    Arena *arena;                /* the checkpoint's */
    StateDict *all;              /* everything but optimizer state; owned until it is added */
    Top *tops;                   /* owned */
    size_t top_count, top_room;
    Level *levels;               /* owned */
    size_t depth, room;
    Text name;                   /* of the item under way; owned */
    uint64_t listing_left;
    bool ordered;                /* some map's keys are not in the alphabet's order */
    size_t arrays;               /* found so far */
    uint32_t storages;
    Error *err;                  /* the caller's */
} Reader;

static bool refuse(const Reader *reader, uint64_t where, const char *what)
{
    return fault_file(reader->err, ERR_FORMAT, reader->source->name,
                      "Flax: %s (byte %" PRIu64 ")", what, where);
}

/* About the array under way, by its name. */
static bool refuse_array(const Reader *reader, uint64_t where, const char *what)
{
    return fault_tensor(reader->err, ERR_FORMAT, reader->source->name, text_string(&reader->name),
                        "%s (byte %" PRIu64 ")", what, where);
}

static bool spend(Reader *reader, uint64_t bytes)
{
    if (bytes <= reader->listing_left) {
        reader->listing_left -= bytes;
        return true;
    }
    char more[LIMIT_TEXT];
    return fault_file(reader->err, ERR_LIMIT, reader->source->name,
                      "Flax: the bytes that long keys with many arrays below them take, besides "
                      "%" PRIu64 " for each byte of the file, are %s", limit(LIMIT_LISTING_RATIO),
                      limit_text(LIMIT_LISTING_BYTES, more));
}

/* -- Arrays ---------------------------------------------------------------------------- */

/* What NumPy and ml_dtypes call their types is what PyTorch calls its own; those that hold less
 * than a byte take a whole one there, which no DType does. */
static DType dtype_named(const char *name)
{
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        const DTypeInfo *info = dtype_info((DType)dtype);
        if (info->torch && info->bits >= 8 && strcmp(info->torch, name) == 0) return (DType)dtype;
    }
    return DT_UNKNOWN;
}

/* [shape, dtype, values]. NULL when it is fine, else what is wrong with it; "": err says that. */
static const char *read_payload(MsgReader *msg, Array *array, Error *err)
{
    MsgItem item;
    static const char broken[] = "its payload is no list of shape, dtype and values";
    if (!msg_next(msg, &item, err)) return "";
    if (item.kind != MSG_LIST || item.n != 3) return broken;
    if (!msg_next(msg, &item, err)) return "";
    if (item.kind != MSG_LIST) return broken;
    if (item.n > TENSOR_RANK_MAX) return "it has more than 32 dimensions";
    array->rank = (unsigned)item.n;
    for (unsigned i = 0; i < array->rank; i++) {
        if (!msg_next(msg, &item, err)) return "";
        if (item.kind != MSG_UINT || item.n > INT64_MAX) return "a size of its shape is no number";
        array->dims[i] = (int64_t)item.n;
    }
    if (!msg_next(msg, &item, err)) return "";
    if ((item.kind != MSG_STR && item.kind != MSG_BIN) || item.n > DTYPE_MAX) return broken;
    if (!source_read(msg->cursor.source, item.data, array->type, (size_t)item.n, err)) return "";
    array->type[item.n] = '\0';
    array->dtype = dtype_named(array->type);
    if (!msg_next(msg, &item, err)) return "";
    if (item.kind != MSG_STR && item.kind != MSG_BIN) return broken;
    array->offset = item.data;
    array->bytes = item.n;
    return msg->cursor.at == msg->end ? NULL : "bytes are left over in its payload";
}

/* The product of the sizes; false when 64 bits cannot hold it. */
static bool count_elements(const Array *array, uint64_t *count)
{
    *count = 1;
    for (unsigned i = 0; i < array->rank; i++)
        if (!sum_mul(*count, (uint64_t)array->dims[i], count)) return false;
    return true;
}

/* The extension's payload, whose values must be as long as shape and dtype say. */
static bool read_array(Reader *reader, const MsgItem *item, Array *array)
{
    MsgReader msg;
    uint64_t count, need;
    msg_init(&msg, reader->source, item->data, item->data + item->n);
    *array = (Array){0};
    const char *wrong = read_payload(&msg, array, reader->err);
    if (wrong) return *wrong && refuse_array(reader, item->where, wrong);
    if (array->dtype == DT_UNKNOWN) return true;
    if (count_elements(array, &count) && dtype_bytes(array->dtype, count, &need) &&
        need == array->bytes)
        return true;
    Text shape = {0};
    show_shape(array->dims, array->rank, &shape);
    fault_tensor(reader->err, ERR_FORMAT, reader->source->name, text_string(&reader->name),
                 "shape %s %s does not fit its %" PRIu64 " bytes (byte %" PRIu64 ")",
                 text_string(&shape), array->type, array->bytes, item->where);
    text_done(&shape);
    return false;
}

/* Appends the record to a container; equal names come from keys with dots in them, or from keys
 * that stand twice. */
static void list_tensor(Reader *reader, StateDict *dict, Tensor tensor, const char *name)
{
    tensor.name = name;
    if (dict_add(dict, &tensor)) return;
    Text shown = {0};
    fault_quote(name, strlen(name), 120, &shown);
    checkpoint_find(reader->checkpoint, FINDING_ERROR, "duplicate", name,
                    "save it again with other keys",
                    "two arrays are called '%s'; the first one is listed", text_string(&shown));
    text_done(&shown);
}

/* In the container of its top-level key, and in the joined one when it is no optimizer's. */
static bool add_array(Reader *reader, const Array *array, ByteSource *values, uint64_t offset)
{
    uint64_t cost = 2 * (reader->name.length + sizeof(Tensor)) + sizeof(Storage);
    if (!spend(reader, cost)) return false;
    Storage *storage = arena_alloc(reader->arena, sizeof *storage);
    *storage = (Storage){values, offset, array->bytes, array->dtype, reader->storages++};
    const char *name =
        arena_strndup(reader->arena, text_string(&reader->name), reader->name.length);
    Tensor tensor = {
        .name = name,
        .dims = arena_copy(reader->arena, array->dims, array->rank * sizeof *array->dims),
        .rank = (uint8_t)array->rank,
        .dtype = array->dtype,
        .storage = storage,
        .layout = (uint8_t)kernel_layout(name, array->rank),
    };
    if (array->dtype == DT_UNKNOWN) {
        Encoding *encoding = arena_alloc(reader->arena, sizeof *encoding);
        Text note = {0};
        text_add(&note, "elements of type ");
        fault_quote(array->type, strlen(array->type), DTYPE_MAX, &note);
        *encoding = (Encoding){.opaque = true, .note = arena_strdup(reader->arena, note.bytes)};
        text_done(&note);
        tensor.encoding = encoding;
    }
    Error inner;
    if (!tensor_check(&tensor, &inner))
        return fault_tensor(reader->err, inner.code, reader->source->name, name, "%s", inner.text);
    reader->arrays++;
    Top *top = reader->depth ? &reader->tops[reader->top_count - 1] : NULL;
    if (!top || !top->optimizer || reader->depth == 1)
        list_tensor(reader, reader->all, tensor, name);
    if (top && reader->depth > 1) {
        const char *inside = name + top->prefix;
        list_tensor(reader, top->dict, tensor, *inside == '.' ? inside + 1 : inside);
    }
    return true;
}

/* -- Arrays in chunks ------------------------------------------------------------------ */

/* The keys of "shape" and "chunks" are the numbers 0, 1, 2 …, written in that order. */
static bool expect_index(Reader *reader, uint64_t index)
{
    MsgItem item;
    char number[24];
    if (!msg_next(&reader->msg, &item, reader->err)) return false;
    snprintf(number, sizeof number, "%" PRIu64, index);
    return msg_is(&reader->msg, &item, number) ||
           refuse_array(reader, item.where, "keys of its shape or its chunks are not 0, 1, 2 …");
}

static bool read_chunked_shape(Reader *reader, Array *whole)
{
    MsgItem item;
    if (!msg_next(&reader->msg, &item, reader->err)) return false;
    if (item.kind != MSG_MAP || item.n > TENSOR_RANK_MAX)
        return refuse_array(reader, item.where, "its shape is no map of at most 32 sizes");
    whole->rank = (unsigned)item.n;
    for (unsigned i = 0; i < whole->rank; i++) {
        if (!expect_index(reader, i) || !msg_next(&reader->msg, &item, reader->err)) return false;
        if (item.kind != MSG_UINT || item.n > INT64_MAX)
            return refuse_array(reader, item.where, "a size of its shape is no number");
        whole->dims[i] = (int64_t)item.n;
    }
    return true;
}

/* Every chunk is an array of its own head, so the values lie apart in the file. */
static bool read_chunk(Reader *reader, uint64_t index, Array *whole, SourcePiece *piece)
{
    MsgItem item;
    Array chunk;
    if (!expect_index(reader, index) || !msg_next(&reader->msg, &item, reader->err)) return false;
    if (item.kind != MSG_EXT || item.type != EXT_ARRAY)
        return refuse_array(reader, item.where, "a chunk is no array");
    if (!read_array(reader, &item, &chunk)) return false;
    if (index && strcmp(chunk.type, whole->type) != 0)
        return refuse_array(reader, item.where, "its chunks have several dtypes");
    whole->dtype = chunk.dtype;
    memcpy(whole->type, chunk.type, sizeof whole->type);
    *piece = (SourcePiece){reader->source, chunk.offset, chunk.bytes};
    return sum_add(whole->bytes, chunk.bytes, &whole->bytes) ||
           refuse_array(reader, item.where, "its chunks have more bytes than 64 bits can count");
}

/* One source of all chunks, which the checkpoint keeps. Their number is no larger than that of the
 * bytes of the map, so memory for them stays a multiple of the file. */
static ByteSource *read_chunks(Reader *reader, Array *whole)
{
    MsgItem item;
    if (!msg_next(&reader->msg, &item, reader->err)) return NULL;
    if (item.kind != MSG_MAP) {
        refuse_array(reader, item.where, "its chunks are no map");
        return NULL;
    }
    SourcePiece *pieces = NULL;
    size_t room = 0;
    bool fine = true;
    for (uint64_t i = 0; fine && i < item.n; i++) {
        pieces = mem_grow(pieces, &room, (size_t)i + 1, sizeof *pieces);
        fine = read_chunk(reader, i, whole, &pieces[i]);
    }
    ByteSource *values = NULL;
    if (fine)
        values = source_pieces(pieces, (size_t)item.n, text_string(&reader->name), reader->err);
    free(pieces);
    if (values) checkpoint_own_source(reader->checkpoint, values);
    return values;
}

/* Behind the mark: its value, then `pairs` - 1 further ones. */
static bool read_chunked(Reader *reader, uint64_t pairs, uint64_t where)
{
    Array whole = {0};
    ByteSource *values = NULL;
    bool has_shape = false;
    MsgItem item;
    if (!msg_next(&reader->msg, &item, reader->err)) return false;
    if (item.kind != MSG_BOOL)
        return refuse_array(reader, item.where, "the mark of its chunks is no bool");
    while (--pairs) {
        if (!msg_next(&reader->msg, &item, reader->err)) return false;
        if (msg_is(&reader->msg, &item, "shape") && !has_shape) {
            if (!read_chunked_shape(reader, &whole)) return false;
            has_shape = true;
        } else if (msg_is(&reader->msg, &item, "chunks") && !values) {
            values = read_chunks(reader, &whole);
            if (!values) return false;
        } else {
            return refuse_array(reader, item.where,
                                "an array in chunks has other keys than shape and chunks");
        }
    }
    uint64_t count, need;
    if (!has_shape || !values)
        return refuse_array(reader, where, "an array in chunks lacks its shape or its chunks");
    if (whole.dtype != DT_UNKNOWN &&
        (!count_elements(&whole, &count) || !dtype_bytes(whole.dtype, count, &need) ||
         need != whole.bytes))
        return refuse_array(reader, where, "its chunks together do not have the size of its shape");
    return add_array(reader, &whole, values, 0);
}

/* -- The walk -------------------------------------------------------------------------- */

/* "opt_state", "optimizer", "optimizer_state", "optim" … */
static bool is_optimizer_key(const char *key)
{
    return strstr(key, "optimizer") || has_prefix(key, "opt_state") || strcmp(key, "optim") == 0;
}

static bool check_tops(Reader *reader)
{
    char more[LIMIT_TEXT];
    if (reader->top_count < limit(LIMIT_CONTAINERS)) return true;
    return fault_file(reader->err, ERR_LIMIT, reader->source->name, "Flax: dicts of tensors, %s",
                      limit_text(LIMIT_CONTAINERS, more));
}

/* Called with the key as the name. */
static void add_top(Reader *reader, const char *key)
{
    Text path = {0};
    path_add_key(&path, object_str(reader->arena, key));
    reader->tops = mem_grow(reader->tops, &reader->top_room, reader->top_count + 1,
                            sizeof *reader->tops);
    reader->tops[reader->top_count++] = (Top){
        .path = arena_strdup(reader->arena, text_string(&path)),
        .prefix = strlen(key),
        .dict = dict_new(),
        .optimizer = is_optimizer_key(key),
    };
    text_done(&path);
}

static bool enter(Reader *reader, const MsgItem *item)
{
    char more[LIMIT_TEXT];
    if (reader->depth >= limit(LIMIT_DEPTH))
        return fault_file(reader->err, ERR_LIMIT, reader->source->name,
                          "Flax: maps inside maps (byte %" PRIu64 "), to a depth %s", item->where,
                          limit_text(LIMIT_DEPTH, more));
    reader->levels = mem_grow(reader->levels, &reader->room, reader->depth + 1,
                              sizeof *reader->levels);
    reader->levels[reader->depth++] =
        (Level){.left = item->n, .map = item->kind == MSG_MAP, .prefix = reader->name.length};
    return true;
}

/* A text that is long is only counted. NULL: an error. */
static Object *read_plain_text(Reader *reader, const MsgItem *item)
{
    if (item->n > PLAIN_MAX) return object_far_text(reader->arena, item->n);
    const char *text = msg_text(&reader->msg, item, PLAIN_MAX, reader->arena, reader->err);
    return text ? object_str(reader->arena, text) : NULL;
}

/* (real, imaginary), as msgpack packs them: the payload is a list of two numbers. */
static Object *read_complex(Reader *reader, const MsgItem *item)
{
    MsgReader msg;
    MsgItem part;
    Object *list = object_new(reader->arena, OBJ_LIST);
    msg_init(&msg, reader->source, item->data, item->data + item->n);
    if (!msg_next(&msg, &part, reader->err)) return NULL;
    bool good = part.kind == MSG_LIST && part.n == 2;
    for (unsigned i = 0; good && i < 2; i++) {
        if (!msg_next(&msg, &part, reader->err)) return NULL;
        good = part.kind == MSG_FLOAT;
        if (good) object_push(reader->arena, list, object_float(reader->arena, part.number));
    }
    if (good && msg.cursor.at == msg.end) return list;
    refuse_array(reader, item->where, "a complex number is no list of two numbers");
    return NULL;
}

/* A step, a name, a rate beside the arrays. Bytes and unknown extensions are only said to be
 * there. NULL: an error. */
static Object *make_plain(Reader *reader, const MsgItem *item)
{
    switch (item->kind) {
    case MSG_NIL: return object_new(reader->arena, OBJ_NONE);
    case MSG_BOOL: return object_bool(reader->arena, item->n != 0);
    case MSG_UINT: return object_uint(reader->arena, item->n);
    case MSG_INT: return object_int(reader->arena, (int64_t)item->n);
    case MSG_FLOAT: return object_float(reader->arena, item->number);
    case MSG_STR: return read_plain_text(reader, item);
    default: break;
    }
    if (item->kind == MSG_EXT && item->type == EXT_COMPLEX) return read_complex(reader, item);
    return object_far_bytes(reader->arena, item->n);
}

static bool add_plain(Reader *reader, const MsgItem *item)
{
    const uint64_t text = item->kind == MSG_STR && item->n <= PLAIN_MAX ? item->n : 0;
    if (!spend(reader, 2 * (reader->name.length + text + sizeof(Object)))) return false;
    const Object *value = make_plain(reader, item);
    if (value) dict_add_metadata_object(reader->all, text_string(&reader->name), value);
    return value != NULL;
}

static bool read_value(Reader *reader)
{
    MsgItem item;
    Array array;
    if (!msg_next(&reader->msg, &item, reader->err)) return false;
    if (item.kind == MSG_MAP || item.kind == MSG_LIST) return enter(reader, &item);
    if (item.kind == MSG_EXT && (item.type == EXT_ARRAY || item.type == EXT_SCALAR))
        return read_array(reader, &item, &array) &&
               add_array(reader, &array, reader->source, array.offset);
    if (reader->depth > 1) reader->tops[reader->top_count - 1].others++;
    return add_plain(reader, &item);
}

/* The key of the next pair becomes part of the name. *chunked: it was the mark of an array in
 * chunks, and the array was read. */
static bool read_key(Reader *reader, Level *level, bool *chunked)
{
    MsgItem item;
    Text number = {0};
    if (!msg_next(&reader->msg, &item, reader->err)) return false;
    if (!level->done && msg_is(&reader->msg, &item, chunked_mark)) {
        *chunked = true;
        Level own = *level;
        reader->depth--;
        return read_chunked(reader, own.left, item.where);
    }
    const char *key;
    if (item.kind == MSG_UINT || item.kind == MSG_INT) {
        text_addf(&number, "%" PRId64, (int64_t)item.n);
        key = arena_strdup(reader->arena, number.bytes);
        text_done(&number);
    } else if (item.kind == MSG_STR || item.kind == MSG_BIN) {
        key = msg_text(&reader->msg, &item, KEY_MAX, reader->arena, reader->err);
    } else {
        return refuse(reader, item.where, "a key is neither text nor a number");
    }
    if (!key || !spend(reader, strlen(key) + 1)) return false;
    if (level->key && strcmp(level->key, key) > 0) reader->ordered = true;
    level->key = key;
    if (level->prefix) text_addc(&reader->name, '.');
    text_add(&reader->name, key);
    if (reader->depth == 1) {
        if (!spend(reader, TOP_COST) || !check_tops(reader)) return false;
        add_top(reader, key);
    }
    return true;
}

/* One item of the innermost level, or its end. */
static bool step(Reader *reader)
{
    Level *level = &reader->levels[reader->depth - 1];
    reader->name.length = level->prefix;
    if (reader->name.bytes) reader->name.bytes[level->prefix] = '\0';
    if (!level->left) {
        reader->depth--;
        return true;
    }
    if (level->map) {
        bool chunked = false;
        if (!read_key(reader, level, &chunked)) return false;
        if (chunked) return true;
    } else {
        text_addf(&reader->name, "[%" PRIu64 "]", level->done);
    }
    level->left--;
    level->done++;
    return read_value(reader);
}

/* -- The file -------------------------------------------------------------------------- */

/* jax.tree_util, through which most trees have gone, sorts the keys of every dict; where they are
 * not sorted, their order is the model's. */
static void add_containers(Reader *reader)
{
    dict_set_ordered(reader->all, reader->ordered);
    if (dict_count(reader->all))
        checkpoint_add_container(reader->checkpoint, "", dict_ref(reader->all), 0, false);
    for (size_t i = 0; i < reader->top_count; i++) {
        const Top *top = &reader->tops[i];
        dict_set_ordered(top->dict, reader->ordered);
        if (dict_count(top->dict))
            checkpoint_add_container(reader->checkpoint, top->path, dict_ref(top->dict),
                                     top->others, top->optimizer);
    }
}

static bool read_file(Reader *reader)
{
    if (!read_value(reader)) return false;
    if (reader->depth && !reader->levels[0].map) return refuse(reader, 0, "its root is a list");
    while (reader->depth)
        if (!step(reader)) return false;
    if (!reader->arrays)
        return fault_file(reader->err, ERR_UNSUPPORTED, reader->source->name,
                          "a MessagePack file without arrays as Flax writes them "
                          "(flax.serialization); tenon reads no other ones");
    uint64_t left = cursor_left(&reader->msg.cursor);
    if (left)
        checkpoint_find(reader->checkpoint, FINDING_ERROR, "trailing", NULL,
                        "Flax refuses it; cut the file there, or save it again",
                        "%" PRIu64 " bytes stand behind the map, from byte %" PRIu64 " on", left,
                        reader->msg.cursor.at);
    add_containers(reader);
    return true;
}

static Checkpoint *open_flax(OpenContext *context, ByteSource *source, Error *err)
{
    Checkpoint *checkpoint = checkpoint_of_file(context->path, "flax", source);
    Reader *reader = mem_alloc(sizeof *reader);
    *reader = (Reader){.source = source, .checkpoint = checkpoint, .all = dict_new(), .err = err,
                       .arena = checkpoint_arena(checkpoint)};
    reader->listing_left = limit_allowance(source->size);
    msg_init(&reader->msg, source, 0, source->size);
    bool fine = read_file(reader);
    dict_unref(reader->all);
    for (size_t i = 0; i < reader->top_count; i++) dict_unref(reader->tops[i].dict);
    free(reader->tops);
    free(reader->levels);
    text_done(&reader->name);
    free(reader);
    if (fine) return checkpoint;
    checkpoint_unref(checkpoint);
    return NULL;
}

/* Looks for the first array: nothing but Flax has one. What only begins like MessagePack, a map
 * whose first key is a text of letters, is opened when nobody else wants it, and refused then. */
static Sniff sniff_flax(ByteSource *source, const unsigned char *head, size_t n)
{
    MsgReader msg;
    MsgItem item;
    Array array;
    if (!n || (head[0] <= 0x80 || (head[0] > 0x8F && head[0] < 0xC7))) return SNIFF_NO;
    msg_init(&msg, source, 0, source->size);
    if (!msg_next(&msg, &item, NULL)) return SNIFF_NO;
    bool map = item.kind == MSG_MAP, keyed = false;
    if (!map && item.kind != MSG_EXT) return SNIFF_NO;
    for (unsigned i = 0; i < SNIFF_ITEMS; i++) {
        if (item.kind == MSG_EXT && (item.type == EXT_ARRAY || item.type == EXT_SCALAR)) {
            MsgReader inner;
            msg_init(&inner, source, item.data, item.data + item.n);
            if (!read_payload(&inner, &array, NULL)) return SNIFF_YES;
        }
        if (!msg_next(&msg, &item, NULL)) break;
        if (i == 0) keyed = item.kind == MSG_STR && item.n && item.data + item.n <= n;
    }
    if (!map || !keyed) return SNIFF_NO;
    msg_init(&msg, source, 0, source->size);
    msg_next(&msg, &item, NULL);
    msg_next(&msg, &item, NULL);
    for (uint64_t i = item.data; i < item.data + item.n; i++)
        if (head[i] < 0x20 || head[i] > 0x7E) return SNIFF_NO;
    return SNIFF_MAYBE;
}

const Format format_flax = {"flax", "Flax MessagePack (flax_model.msgpack)", sniff_flax, open_flax};
