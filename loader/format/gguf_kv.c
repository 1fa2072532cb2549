/* The start of a GGUF file: its bytes through a window, and its keys, which become the metadata of
 * the state dict. A value is, by its type,
 *
 *   0 u8  1 i8  2 u16  3 i16  4 u32  5 i32  6 f32  7 bool, a byte  8 string  10 u64  11 i64  12 f64
 *   9 array: u32 type, u64 count, and as many values
 *
 * A vocabulary is an array of 100,000 strings and more: what is long is passed over and only its
 * length is kept, "[32000 strings]", so that it costs no memory. */
#include "loader/format/gguf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"

/* What is kept in full: longer arrays and texts are only counted. Fixed: whatever is longer is a
 * vocabulary. What arrays take as objects is paid for out of an allowance (limit_allowance). */
enum {
    ITEMS_KEPT = 64,
    ITEM_BYTES_KEPT = 256,       /* of a string in an array */
    TEXT_BYTES_KEPT = 1 << 16    /* of a string: chat templates have some thousand */
};

enum { ALIGNMENT_DEFAULT = 32, KEY_BYTES_MIN = 8 + 1 + 4 + 1, TENSOR_BYTES_MIN = 8 + 4 + 4 + 8 };

typedef enum ValueType {
    VALUE_U8, VALUE_I8, VALUE_U16, VALUE_I16, VALUE_U32, VALUE_I32, VALUE_F32, VALUE_BOOL,
    VALUE_STRING, VALUE_ARRAY, VALUE_U64, VALUE_I64, VALUE_F64, VALUE_COUNT
} ValueType;

/* Bytes (0: not fixed), and what several are called. */
static const struct { unsigned bytes; const char *many; } types[VALUE_COUNT] = {
    {1, "u8"}, {1, "i8"}, {2, "u16"}, {2, "i16"}, {4, "u32"}, {4, "i32"}, {4, "f32"}, {1, "bools"},
    {0, "strings"}, {0, "arrays"}, {8, "u64"}, {8, "i64"}, {8, "f64"},
};

/* The keys of a file on their way. */
typedef struct Keys {
    Arena *arena;                /* for values: the dict's, or one that is thrown away */
    NameMap seen;
    Text what;                   /* "key 'general.name'", for errors about its value */
    uint64_t left;               /* of the allowance for arrays */
} Keys;

/* -- Bytes ----------------------------------------------------------------------------- */

/* The one thing that every read may find. `what` is what the bytes would have been. */
static bool refuse_end(GgufFile *file, uint64_t n, const char *what)
{
    return fault_file(file->err, ERR_FORMAT, file->source->name,
                      "%s needs %" PRIu64 " bytes at byte %" PRIu64 ", but the file ends at byte "
                      "%" PRIu64 "; it is cut short: fetch it again", what, n, file->at,
                      file->source->size);
}

/* The window moves on to the next byte. What is longer than it is read around it. */
bool gguf_take(GgufFile *file, void *out, size_t n, const char *what)
{
    uint64_t left = file->source->size - file->at;
    if (n > left) return refuse_end(file, n, what);
    if (n > GGUF_WINDOW) {
        if (!source_read(file->source, file->at, out, n, file->err)) return false;
    } else {
        if (file->at < file->window_at ||
            file->at + n > file->window_at + file->window_bytes) {
            uint64_t all = file->source->size < GGUF_WINDOW ? file->source->size : GGUF_WINDOW;
            if (!file->window) file->window = mem_realloc(NULL, (size_t)all);
            file->window_at = file->at;
            file->window_bytes = left < GGUF_WINDOW ? (size_t)left : GGUF_WINDOW;
            if (!source_read(file->source, file->at, file->window, file->window_bytes, file->err))
                return false;
        }
        memcpy(out, file->window + (file->at - file->window_at), n);
    }
    file->at += n;
    return true;
}

bool gguf_skip(GgufFile *file, uint64_t n, const char *what)
{
    if (n > file->source->size - file->at) return refuse_end(file, n, what);
    file->at += n;
    return true;
}

/* A number of n bytes in the file's order. */
static bool take_number(GgufFile *file, unsigned n, uint64_t *out, const char *what)
{
    unsigned char bytes[8];
    if (!gguf_take(file, bytes, n, what)) return false;
    *out = 0;
    for (unsigned i = 0; i < n; i++) *out = *out << 8 | bytes[file->big_endian ? i : n - 1 - i];
    return true;
}

bool gguf_take_u32(GgufFile *file, uint32_t *out, const char *what)
{
    uint64_t number;
    if (!take_number(file, 4, &number, what)) return false;
    *out = (uint32_t)number;
    return true;
}

bool gguf_take_u64(GgufFile *file, uint64_t *out, const char *what)
{
    return take_number(file, 8, out, what);
}

/* The limit before the size of the file: a length that is absurd is a lie, not a cut. */
bool gguf_take_length(GgufFile *file, uint64_t *out, const char *what)
{
    char more[LIMIT_TEXT];
    if (!gguf_take_u64(file, out, what)) return false;
    if (*out > limit(LIMIT_STRING_BYTES))
        return fault_file(file->err, ERR_LIMIT, file->source->name, "%s at byte %" PRIu64 " has "
                          "%" PRIu64 " bytes, %s", what, file->at - 8, *out,
                          limit_text(LIMIT_STRING_BYTES, more));
    return *out <= file->source->size - file->at || refuse_end(file, *out, what);
}

/* Any bytes are taken for a name: GGML does not ask for UTF-8 either, and a name that is shown is
 * escaped. */
bool gguf_take_name(GgufFile *file, const char **out, const char *what)
{
    uint64_t n;
    if (!gguf_take_length(file, &n, what)) return false;
    if (n > GGUF_NAME_MAX)
        return fault_file(file->err, ERR_FORMAT, file->source->name, "%s at byte %" PRIu64 " has "
                          "%" PRIu64 " bytes; the format allows %d", what, file->at - 8, n,
                          GGUF_NAME_MAX);
    char *bytes = mem_alloc((size_t)n + 1);
    bool ok = gguf_take(file, bytes, (size_t)n, what);
    if (ok) *out = name_hold(dict_arena(file->dict), bytes, (size_t)n);
    free(bytes);
    return ok;
}

/* -- Values ---------------------------------------------------------------------------- */

static Object *make_real(Keys *keys, ValueType type, uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float narrow;
    double wide;
    memcpy(&narrow, &low, sizeof narrow);
    memcpy(&wide, &bits, sizeof wide);
    return type == VALUE_F64 ? object_float(keys->arena, wide)
                             : object_float32(keys->arena, narrow);
}

/* A number or boolean; NULL: an error. */
static Object *read_scalar(GgufFile *file, Keys *keys, ValueType type)
{
    uint64_t bits;
    if (!take_number(file, types[type].bytes, &bits, keys->what.bytes)) return NULL;
    switch (type) {
    case VALUE_I8: return object_int(keys->arena, (int8_t)bits);
    case VALUE_I16: return object_int(keys->arena, (int16_t)bits);
    case VALUE_I32: return object_int(keys->arena, (int32_t)bits);
    case VALUE_I64: return object_int(keys->arena, (int64_t)bits);
    case VALUE_F32: case VALUE_F64: return make_real(keys, type, bits);
    case VALUE_BOOL:
        if (bits <= 1) return object_bool(keys->arena, bits != 0);
        fault_file(file->err, ERR_FORMAT, file->source->name, "%s is a boolean of value %" PRIu64
                   " (byte %" PRIu64 ")", keys->what.bytes, bits, file->at - 1);
        return NULL;
    default: return object_uint(keys->arena, bits);
    }
}

/* n bytes as they are, a NUL held as in names. */
static Object *read_text(GgufFile *file, Keys *keys, size_t n)
{
    char *bytes = mem_alloc(n + 1);
    bool ok = gguf_take(file, bytes, n, keys->what.bytes);
    Object *text = ok ? object_text(keys->arena, bytes, n) : NULL;
    free(bytes);
    return text;
}

/* A long one costs no memory, as long arrays do not. */
static Object *read_string(GgufFile *file, Keys *keys)
{
    uint64_t n;
    if (!gguf_take_length(file, &n, keys->what.bytes)) return NULL;
    if (n <= TEXT_BYTES_KEPT) return read_text(file, keys, (size_t)n);
    return gguf_skip(file, n, keys->what.bytes) ? object_far_text(keys->arena, n) : NULL;
}

/* A string of an array; *kept becomes false when it is too long, and false is an error then only
 * when it is returned. */
static bool read_item(GgufFile *file, Keys *keys, Object *list, bool *kept)
{
    uint64_t n;
    if (!gguf_take_length(file, &n, keys->what.bytes)) return false;
    *kept = *kept && n <= ITEM_BYTES_KEPT;
    if (!*kept) return gguf_skip(file, n, keys->what.bytes);
    Object *text = read_text(file, keys, (size_t)n);
    if (text) object_push(keys->arena, list, text);
    return text != NULL;
}

/* Whether so many items may be kept; takes their memory from the allowance. */
static bool afford(Keys *keys, uint64_t count)
{
    uint64_t cost = count * 2 * (sizeof(Object) + sizeof(Object *));
    if (count > ITEMS_KEPT || cost > keys->left) return false;
    keys->left -= cost;
    return true;
}

/* The items one by one, as long as all are to be kept; strings have to be walked in any case, the
 * rest is passed over in one step. NULL: an error. */
static Object *read_items(GgufFile *file, Keys *keys, ValueType type, uint64_t count)
{
    bool kept = afford(keys, count);
    unsigned bytes = types[type].bytes;
    Object *list = object_new(keys->arena, OBJ_LIST);
    if (!kept && bytes && !gguf_skip(file, count * bytes, keys->what.bytes)) return NULL;
    for (uint64_t i = 0; i < count && (kept || !bytes); i++) {
        Object *item = bytes ? read_scalar(file, keys, type) : NULL;
        if (item) object_push(keys->arena, list, item);
        else if (bytes || !read_item(file, keys, list, &kept)) return NULL;
    }
    return kept ? list : object_far_list(keys->arena, count, types[type].many);
}

/* The count is held against the bytes that are left before anything is done with it. */
static bool check_array(GgufFile *file, Keys *keys, uint32_t *item, uint64_t *items)
{
    const char *what = keys->what.bytes;
    uint32_t type;
    uint64_t count, where = file->at;
    char more[LIMIT_TEXT];
    if (!gguf_take_u32(file, &type, what) || !gguf_take_u64(file, &count, what)) return false;
    if (type == VALUE_ARRAY)
        return fault_file(file->err, ERR_UNSUPPORTED, file->source->name, "%s is an array of "
                          "arrays (byte %" PRIu64 "), which GGML does not read either", what,
                          where);
    if (type >= VALUE_COUNT)
        return fault_file(file->err, ERR_FORMAT, file->source->name, "%s is an array of type "
                          "%" PRIu32 ", which GGUF does not have (byte %" PRIu64 ")", what, type,
                          where);
    if (count > limit(LIMIT_ENTRIES))
        return fault_file(file->err, ERR_LIMIT, file->source->name, "%s has %" PRIu64 " items, %s",
                          what, count, limit_text(LIMIT_ENTRIES, more));
    uint64_t least = count * (types[type].bytes ? types[type].bytes : 8);
    *item = type;
    *items = count;
    return least <= file->source->size - file->at || refuse_end(file, least, what);
}

static Object *read_array(GgufFile *file, Keys *keys)
{
    uint32_t type = 0;
    uint64_t count = 0;
    if (!check_array(file, keys, &type, &count)) return NULL;
    return read_items(file, keys, (ValueType)type, count);
}

/* By its type, which must be one that GGUF has: the length of any other is not known. */
static Object *read_value(GgufFile *file, Keys *keys, uint32_t type)
{
    if (type == VALUE_STRING) return read_string(file, keys);
    if (type == VALUE_ARRAY) return read_array(file, keys);
    if (type < VALUE_COUNT) return read_scalar(file, keys, (ValueType)type);
    fault_file(file->err, ERR_FORMAT, file->source->name, "%s is of type %" PRIu32
               ", which GGUF does not have (byte %" PRIu64 ")", keys->what.bytes, type,
               file->at - 4);
    return NULL;
}

/* -- Keys ------------------------------------------------------------------------------ */

/* general.alignment must be a u32, and a power of two. */
static bool set_alignment(GgufFile *file, uint32_t type, int64_t value)
{
    if (type != VALUE_U32)
        return fault_file(file->err, ERR_FORMAT, file->source->name,
                          "'general.alignment' is of type %" PRIu32 " instead of u32 (4)", type);
    if (value <= 0 || value & (value - 1))
        return fault_file(file->err, ERR_FORMAT, file->source->name, "'general.alignment' is "
                          "%" PRId64 ", which is no power of two", value);
    file->alignment = (uint64_t)value;
    return true;
}

/* What some keys say of the file itself. */
static bool heed_key(GgufFile *file, const char *key, uint32_t type, const Object *value)
{
    if (strcmp(key, "general.alignment") == 0)
        return set_alignment(file, type, value->kind == OBJ_INT ? value->integer : 0);
    int64_t *split = strcmp(key, "split.no") == 0              ? &file->split.number
                     : strcmp(key, "split.count") == 0         ? &file->split.count
                     : strcmp(key, "split.tensors.count") == 0 ? &file->split.tensors
                                                               : NULL;
    if (!split) return true;
    if (value->kind != OBJ_INT || value->integer < 0)
        return fault_file(file->err, ERR_FORMAT, file->source->name,
                          "'%s' is no whole number from 0 on", key);
    *split = value->integer;
    return true;
}

static const char *describe(const char *key, Text *what)
{
    text_clear(what);
    text_add(what, "key '");
    fault_quote(key, strlen(key), 120, what);
    text_addc(what, '\'');
    return text_string(what);
}

/* GGML refuses a key that stands twice, and so do we: which of the two counts differs by reader. */
static bool read_key(GgufFile *file, Keys *keys)
{
    const char *key = NULL;
    uint32_t type;
    uint64_t where = file->at;
    if (!gguf_take_name(file, &key, "a key")) return false;
    if (!*key)
        return fault_file(file->err, ERR_FORMAT, file->source->name,
                          "a key is empty (byte %" PRIu64 ")", where);
    const char *what = describe(key, &keys->what);
    if (map_set(&keys->seen, key, 0) != MAP_NONE)
        return fault_file(file->err, ERR_FORMAT, file->source->name,
                          "%s stands twice (byte %" PRIu64 "): readers would disagree about it",
                          what, where);
    if (!gguf_take_u32(file, &type, what)) return false;
    const Object *value = read_value(file, keys, type);
    if (!value || !heed_key(file, key, type, value)) return false;
    if (file->keep_keys) dict_add_metadata_object(file->dict, key, value);
    return true;
}

/* Counts that the rest of the file cannot hold are lies, or those of a file that was cut. */
static bool check_count(GgufFile *file, uint64_t count, uint64_t each, LimitId id, const char *what)
{
    char more[LIMIT_TEXT];
    uint64_t left = file->source->size - file->at;
    if (count > limit(id))
        return fault_file(file->err, ERR_LIMIT, file->source->name, "it claims %" PRIu64 " %s, %s",
                          count, what, limit_text(id, more));
    if (count <= left / each) return true;
    return fault_file(file->err, ERR_FORMAT, file->source->name, "it claims %" PRIu64 " %s, but "
                      "only %" PRIu64 " bytes follow; it is cut short, or no GGUF file", count,
                      what, left);
}

/* A version below 65536 read the wrong way round has only zeros in its lower half. */
static bool read_version(GgufFile *file)
{
    uint32_t version;
    char magic[4];
    if (!gguf_take(file, magic, sizeof magic, "its magic") ||
        !gguf_take_u32(file, &version, "its version"))
        return false;
    if (version && (version & 0xFFFF) == 0) {
        file->big_endian = true;
        version = __builtin_bswap32(version);
    }
    if (version == 2 || version == 3) return true;
    if (version == 1)
        return fault_file(file->err, ERR_UNSUPPORTED, file->source->name,
                          "GGUF version 1, of August 2023, which nothing reads any more; convert "
                          "the model again with llama.cpp's convert_hf_to_gguf.py");
    return fault_file(file->err, ERR_UNSUPPORTED, file->source->name,
                      "GGUF version %" PRIu32 "; versions 2 and 3 are read", version);
}

/* Both counts are checked first: what follows is walked as often as they say. */
bool gguf_read_keys(GgufFile *file)
{
    file->alignment = ALIGNMENT_DEFAULT;
    if (!read_version(file) || !gguf_take_u64(file, &file->tensor_count, "its header") ||
        !gguf_take_u64(file, &file->key_count, "its header") ||
        !check_count(file, file->key_count, KEY_BYTES_MIN, LIMIT_ENTRIES, "keys") ||
        !check_count(file, file->tensor_count, TENSOR_BYTES_MIN, LIMIT_TENSORS, "tensors"))
        return false;
    Keys keys = {.arena = file->keep_keys ? dict_arena(file->dict) : arena_new(),
                 .left = limit_allowance(file->source->size)};
    map_init(&keys.seen);
    bool ok = true;
    for (uint64_t i = 0; ok && i < file->key_count; i++) ok = read_key(file, &keys);
    map_done(&keys.seen);
    text_done(&keys.what);
    if (!file->keep_keys) arena_free(keys.arena);
    return ok;
}

void gguf_done(GgufFile *file)
{
    free(file->window);
    file->window = NULL;
}
