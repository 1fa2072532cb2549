/* Schemas in JSON: a state dict without data.
 *
 *   {"tensors":[{"key":"head.fc.weight","dtype":"f32","shape":[200,2048]}, …]}
 *
 * Other keys are ignored at both levels, so what `ls --json` prints is a schema as it is.
 * A shape that is null or absent is unknown, and so is a dtype. An index.json whose shards
 * are absent is a schema too: sharded.c reads it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/format.h"
#include "loader/format/json_source.h"
#include "loader/format/schema.h"

/* What the next value is. A slot is set by what stands before the value: by its key, or by the
 * list that it is an item of, which leaves the slot as it is for the next item. So a slot and a
 * level are all the memory that reading takes, however long the document. */
typedef enum Slot {
    SLOT_ROOT, SLOT_LIST, SLOT_TENSOR, SLOT_KEY, SLOT_DTYPE, SLOT_SHAPE, SLOT_SIZE,
    SLOT_IGNORED             /* of a key that is not ours: whatever it is */
} Slot;

/* Which object the keys of the innermost level belong to. */
typedef enum Level { LEVEL_ROOT, LEVEL_TENSOR } Level;

typedef struct Reader {
    ByteSource *source;      /* borrowed */
    JsonReader *json;        /* valid while the document is read */
    Error *err;              /* the caller's */
    StateDict *dict;         /* filled as tensors are complete */
    Slot slot;
    Level level;
    unsigned ignored;        /* open levels of a value that is ignored */
    bool has_list;           /* "tensors" was seen */
    bool has_key, has_dtype, has_shape;  /* said already of the tensor being read */
    Text name;               /* its key; owned */
    SchemaTensor tensor;     /* the one being read; its name is set at the end */
} Reader;

/* Names the tensor, once its key was read, and the byte behind what is wrong. */
static bool refuse(Reader *reader, const char *what)
{
    uint64_t where = json_reader_position(reader->json);
    const char *file = reader->source->name;
    if (reader->level == LEVEL_TENSOR && reader->has_key)
        return fault_tensor(reader->err, ERR_FORMAT, file, text_string(&reader->name),
                            "%s (byte %" PRIu64 ")", what, where);
    return fault_file(reader->err, ERR_FORMAT, file, "schema: %s (byte %" PRIu64 ")", what, where);
}

/* The value in this slot has another type than a schema gives it. */
static bool refuse_type(Reader *reader)
{
    static const char *const wanted[] = {
        [SLOT_ROOT] = "must be a JSON object",
        [SLOT_LIST] = "'tensors' must be a list of objects with key, dtype and shape",
        [SLOT_TENSOR] = "each of 'tensors' must be an object with key, dtype and shape",
        [SLOT_KEY] = "'key' must be a string",
        [SLOT_DTYPE] = "'dtype' must be a string or null",
        [SLOT_SHAPE] = "'shape' must be a list of sizes, or null where it is unknown",
        [SLOT_SIZE] = "'shape' may hold only whole numbers from 0",
        [SLOT_IGNORED] = "",
    };
    return refuse(reader, wanted[reader->slot]);
}

/* -- Events: each asks whether its kind of value may stand in this slot ----------------- */

/* A dtype or shape that is null is unknown. */
static bool read_null(void *context)
{
    Reader *reader = context;
    return reader->slot == SLOT_IGNORED || reader->slot == SLOT_DTYPE ||
           reader->slot == SLOT_SHAPE || refuse_type(reader);
}

static bool read_boolean(void *context, bool value)
{
    (void)value;
    Reader *reader = context;
    return reader->slot == SLOT_IGNORED || refuse_type(reader);
}

/* Digits only: 1.0 and -1 are no sizes, and a size beyond 63 bits is refused, not cut. */
static bool read_number(void *context, const char *text, size_t n)
{
    Reader *reader = context;
    if (reader->slot == SLOT_IGNORED) return true;
    if (reader->slot != SLOT_SIZE) return refuse_type(reader);
    if (reader->tensor.rank == TENSOR_RANK_MAX)
        return refuse(reader, "more than 32 dimensions, tenon's limit");
    int64_t size = 0;
    for (size_t i = 0; i < n; i++)
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(size, 10, &size) ||
            __builtin_add_overflow(size, text[i] - '0', &size))
            return refuse_type(reader);
    reader->tensor.dims[reader->tensor.rank++] = size;
    return true;
}

/* No dtype has a longer name. */
static bool read_dtype(Reader *reader, const char *text, size_t n)
{
    char name[40] = "";
    if (n < sizeof name && !memchr(text, '\0', n)) {
        memcpy(name, text, n);
        if (schema_dtype(name, &reader->tensor.dtype)) return true;
    }
    Text shown = {0}, what = {0};
    fault_quote(text, n, 40, &shown);
    text_addf(&what, "'%s' is no dtype; they are written f32, bf16, i64 …", text_string(&shown));
    refuse(reader, text_string(&what));
    text_done(&what);
    text_done(&shown);
    return false;
}

static bool read_string(void *context, const char *text, size_t n)
{
    Reader *reader = context;
    switch (reader->slot) {
    case SLOT_IGNORED: return true;
    case SLOT_DTYPE: return read_dtype(reader, text, n);
    case SLOT_KEY:
        text_clear(&reader->name);
        text_addn(&reader->name, text, n);
        dict_prefetch(reader->dict, text_string(&reader->name));
        return true;
    default: return refuse_type(reader);
    }
}

/* The objects that are read are the document and the tensors; inside of what is ignored, levels
 * are counted to know where it ends. */
static bool read_start_map(void *context)
{
    Reader *reader = context;
    switch (reader->slot) {
    case SLOT_ROOT: return true;
    case SLOT_TENSOR:
        reader->level = LEVEL_TENSOR;
        reader->has_key = reader->has_dtype = reader->has_shape = false;
        reader->tensor = (SchemaTensor){.dtype = DT_UNKNOWN};
        return true;
    case SLOT_IGNORED: reader->ignored++; return true;
    default: return refuse_type(reader);
    }
}

/* The lists that are read are "tensors" and "shape"; the slot becomes that of their items. */
static bool read_start_list(void *context)
{
    Reader *reader = context;
    switch (reader->slot) {
    case SLOT_LIST: reader->slot = SLOT_TENSOR; return true;
    case SLOT_SHAPE:
        reader->slot = SLOT_SIZE;
        reader->tensor.has_shape = true;
        reader->tensor.rank = 0;
        return true;
    case SLOT_IGNORED: reader->ignored++; return true;
    default: return refuse_type(reader);
    }
}

static bool read_end_list(void *context)
{
    Reader *reader = context;
    if (reader->ignored) reader->ignored--;
    return true;
}

/* Whether the key is `word`; then the next value goes to `slot`, and *seen must be new. */
static bool is_key(Reader *reader, const char *text, size_t n, const char *word, Slot slot,
                   bool *seen, bool *twice)
{
    if (strlen(word) != n || memcmp(text, word, n) != 0) return false;
    reader->slot = slot;
    *twice = *seen;
    *seen = true;
    return true;
}

/* A field twice is refused: JSON's readers disagree on which of the two counts. */
static bool read_key(void *context, const char *text, size_t n)
{
    Reader *reader = context;
    if (reader->ignored) return true;
    bool twice = false;
    reader->slot = SLOT_IGNORED;
    if (reader->level == LEVEL_ROOT)
        is_key(reader, text, n, "tensors", SLOT_LIST, &reader->has_list, &twice);
    else if (!is_key(reader, text, n, "key", SLOT_KEY, &reader->has_key, &twice) &&
             !is_key(reader, text, n, "dtype", SLOT_DTYPE, &reader->has_dtype, &twice))
        is_key(reader, text, n, "shape", SLOT_SHAPE, &reader->has_shape, &twice);
    return !twice || refuse(reader, "a field stands twice");
}

/* A tensor is complete: into the dict with it, and the next item of the list is the next one. */
static bool read_end_map(void *context)
{
    Reader *reader = context;
    if (reader->ignored) {
        reader->ignored--;
        return true;
    }
    if (reader->level == LEVEL_ROOT) return true;
    if (!reader->has_key) return refuse(reader, "a tensor without 'key'");
    reader->tensor.unit = "byte";
    reader->tensor.place = json_reader_position(reader->json);
    reader->tensor.name = text_string(&reader->name);
    reader->level = LEVEL_ROOT;
    reader->slot = SLOT_TENSOR;
    return schema_add(reader->dict, &reader->tensor, reader->source->name, reader->err);
}

/* The first three bytes are read for a byte order mark alone. */
static bool read_document(Reader *reader)
{
    static const JsonEvents events = {
        read_null, read_boolean, read_number,     read_string,   read_start_map,
        read_key,  read_end_map, read_start_list, read_end_list,
    };
    ByteSource *source = reader->source;
    unsigned char head[3];
    size_t n = source->size < sizeof head ? (size_t)source->size : sizeof head;
    if (!source_read(source, 0, head, n, reader->err)) return false;
    reader->json = json_reader_new(&events, reader, source->name);
    bool fine = json_feed_source(reader->json, source, text_start(head, n), source->size,
                                 reader->err);
    if (fine && !reader->has_list) fine = refuse(reader, "there is no 'tensors' in it");
    json_reader_free(reader->json);
    return fine;
}

static Checkpoint *open_schema(OpenContext *context, ByteSource *source, Error *err)
{
    char more[LIMIT_TEXT];
    if (source->size > limit(LIMIT_INDEX_BYTES)) {
        fault_file(err, ERR_LIMIT, source->name, "the schema has %" PRIu64 " bytes, %s",
                   source->size, limit_text(LIMIT_INDEX_BYTES, more));
        return NULL;
    }
    Reader reader = {.source = source, .err = err, .dict = dict_new()};
    bool fine = read_document(&reader);
    text_done(&reader.name);
    if (fine) return schema_checkpoint(context, reader.dict);
    dict_unref(reader.dict);
    return NULL;
}

static Sniff sniff_schema(ByteSource *source, const unsigned char *head, size_t n)
{
    Error ignored;
    JsonKind kind = json_source_kind(source, head, n, NULL, &ignored);
    return kind == JSON_SCHEMA ? SNIFF_YES : SNIFF_NO;
}

const Format format_schema_json = {"schema", "schema (JSON)", sniff_schema, open_schema};
