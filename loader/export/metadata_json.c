/* `_metadata` in plans. PyTorch's pickler writes an object that it meets again as a reference, so
 * which strings are one object is part of the bytes: hence a list of nodes instead of a tree.
 *
 *   [["str",""],["str","version"],["int",1],["dict",1,2],["odict",0,3]]  is {"": {"version": 1}} */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/export/identity_map.h"
#include "loader/export/metadata.h"
#include "loader/export/pickle_writer.h"

enum { NODES_MAX = 4 << 20 };    /* of a list that is read */

/* By name; a node's arguments are what its kind takes. */
static const struct {
    const char *name;
    ObjectKind kind;
} kinds[] = {
    {"none", OBJ_NONE}, {"bool", OBJ_BOOL}, {"int", OBJ_INT}, {"bigint", OBJ_BIGINT},
    {"float", OBJ_FLOAT}, {"str", OBJ_STR}, {"bytes", OBJ_BYTES}, {"tuple", OBJ_TUPLE},
    {"list", OBJ_LIST}, {"dict", OBJ_DICT}, {"odict", OBJ_CALL}};

/* ---- writing ---- */

typedef struct Lister {
    JsonWriter *writer;          /* borrowed */
    IdentityMap numbers;         /* node → its place in the list */
    uint32_t count;
} Lister;

/* A node's parts: those of an OrderedDict are its map's. */
static const Object *parts_of(const Object *node)
{
    static const Object none = {.kind = OBJ_DICT};
    if (node->kind == OBJ_CALL) return node->call->map ? node->call->map : &none;
    bool parts = node->kind == OBJ_TUPLE || node->kind == OBJ_LIST || node->kind == OBJ_DICT;
    return parts ? node : &none;
}

/* Bytes of an integer beyond 64 bits, in hexadecimal. */
static void write_hex(JsonWriter *writer, const Object *node)
{
    Text text = {0};
    for (size_t i = 0; i < node->bytes.n; i++)
        text_addf(&text, "%02x", (unsigned)(unsigned char)node->bytes.text[i]);
    json_string(writer, text_string(&text));
    text_done(&text);
}

static void write_float(JsonWriter *writer, double value)
{
    if (isfinite(value)) json_float(writer, value);
    else json_string(writer, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
}

static void write_leaf(JsonWriter *writer, const Object *node)
{
    switch ((ObjectKind)node->kind) {
    case OBJ_BOOL: json_bool(writer, node->boolean); break;
    case OBJ_INT: json_int(writer, node->integer); break;
    case OBJ_BIGINT: write_hex(writer, node); break;
    case OBJ_FLOAT: write_float(writer, node->number); break;
    case OBJ_STR: json_string(writer, node->bytes.text); break;
    case OBJ_BYTES: {
        Text text = {0};
        text_addn(&text, node->bytes.text, node->bytes.n);
        Arena *arena = arena_new();
        json_string(writer, name_hold(arena, text_string(&text), text.length));
        arena_free(arena);
        text_done(&text);
        break;
    }
    default: break;
    }
}

/* Parts before the whole. The recursion is as deep as plain data may be (pickle_writer.h) and two
 * levels, those of `_metadata` itself. */
static uint32_t list_node(Lister *lister, const Object *node)
{
    uint32_t known = identity_get(&lister->numbers, node);
    if (known != IDENTITY_NONE) return known;
    const Object *parts = parts_of(node);
    uint32_t *numbers = mem_alloc((parts->list.count + 1) * sizeof *numbers);
    for (size_t i = 0; i < parts->list.count; i++)
        numbers[i] = list_node(lister, parts->list.items[i]);
    json_list(lister->writer);
    for (size_t i = 0; i < countof(kinds); i++)
        if (kinds[i].kind == (ObjectKind)node->kind) json_string(lister->writer, kinds[i].name);
    for (size_t i = 0; i < parts->list.count; i++) json_uint(lister->writer, numbers[i]);
    write_leaf(lister->writer, node);
    json_end(lister->writer);
    free(numbers);
    identity_set(&lister->numbers, node, lister->count);
    return lister->count++;
}

void metadata_write_json(const Object *metadata, JsonWriter *writer)
{
    Lister lister = {.writer = writer};
    json_list(writer);
    list_node(&lister, metadata);
    json_end(writer);
    identity_done(&lister.numbers);
}

/* ---- reading ---- */

/* A node that was read, and what a walk over it would cost: nodes share parts, so that few of them
 * may say a tree without end. */
typedef struct Slot {
    Object *node;
    uint32_t nodes, depth;       /* of the tree below it, itself counted */
} Slot;

static bool refuse(Error *err, size_t index, const char *what)
{
    return error_set(err, ERR_FORMAT, "metadata: node %zu %s", index, what);
}

static bool read_hex(Arena *arena, const char *text, Object *node)
{
    size_t n = strlen(text);
    if (n % 2 || n > 2 * 255 || strspn(text, "0123456789abcdef") != n) return false;
    char *bytes = arena_alloc(arena, n / 2 + 1);
    for (size_t i = 0; i < n / 2; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        bytes[i] = (char)strtol(pair, NULL, 16);
    }
    node->bytes.text = bytes;
    node->bytes.n = n / 2;
    return true;
}

static bool read_float(const Value *value, Object *node)
{
    if (value->kind == VALUE_FLOAT) node->number = value->number;
    else if (value->kind == VALUE_INT) node->number = (double)value->integer;
    else if (value->kind != VALUE_STRING) return false;
    else if (strcmp(value->string, "nan") == 0) node->number = (double)NAN;
    else if (strcmp(value->string, "inf") == 0) node->number = (double)INFINITY;
    else if (strcmp(value->string, "-inf") == 0) node->number = -(double)INFINITY;
    else return false;
    return true;
}

/* The one argument of a leaf. */
static bool read_leaf(Arena *arena, const Value *value, Object *node)
{
    switch ((ObjectKind)node->kind) {
    case OBJ_BOOL:
        node->boolean = value->kind == VALUE_BOOL && value->boolean;
        return value->kind == VALUE_BOOL;
    case OBJ_INT:
        node->integer = value->kind == VALUE_INT ? value->integer : 0;
        return value->kind == VALUE_INT;
    case OBJ_FLOAT: return read_float(value, node);
    case OBJ_BIGINT: return value->kind == VALUE_STRING && read_hex(arena, value->string, node);
    default: break;
    }
    if (value->kind != VALUE_STRING) return false;
    if (node->kind == OBJ_STR) {
        node->bytes.text = value->string;
        node->bytes.n = strlen(value->string);
        return true;
    }
    Text text = {0};
    name_bytes(value->string, &text);
    node->bytes.text = arena_strndup(arena, text_string(&text), text.length);
    node->bytes.n = text.length;
    text_done(&text);
    return utf8_valid(node->bytes.text, node->bytes.n);
}

static bool can_be_key(const Object *node)
{
    return node->kind != OBJ_TUPLE && node->kind != OBJ_LIST && node->kind != OBJ_DICT &&
           node->kind != OBJ_CALL && node->kind != OBJ_BIGINT;
}

/* A dict that an OrderedDict's items go into. */
static Object *make_ordered(Arena *arena, Object *node)
{
    Object *class = object_new(arena, OBJ_GLOBAL);
    class->global.module = "collections";
    class->global.name = "OrderedDict";
    node->call = arena_alloc(arena, sizeof *node->call);
    node->call->callable = class;
    node->call->args = object_new(arena, OBJ_TUPLE);
    return node->call->map = object_new(arena, OBJ_DICT);
}

/* Parts are earlier nodes, so there are no cycles. */
static bool read_parts(Arena *arena, const Value *item, const Slot *slots, size_t index,
                       Slot *slot)
{
    Object *node = slot->node;
    bool pairs = node->kind == OBJ_DICT || node->kind == OBJ_CALL;
    Object *into = node->kind == OBJ_CALL ? make_ordered(arena, node) : node;
    if (pairs && item->list.count % 2 == 0) return false;
    for (size_t i = 1; i < item->list.count; i++) {
        const Value *number = item->list.items[i].value;
        if (number->kind != VALUE_INT || number->integer < 0 || number->integer >= (int64_t)index)
            return false;
        const Slot *part = &slots[number->integer];
        if (pairs && i % 2 && !can_be_key(part->node)) return false;
        object_push(arena, into, part->node);
        if (slot->nodes <= PICKLE_PLAIN_NODES) slot->nodes += part->nodes;
        if (slot->depth <= part->depth) slot->depth = part->depth + 1;
    }
    return true;
}

/* One node; false when it has no kind that there is, or not what its kind takes. */
static bool read_node(Arena *arena, const Value *item, const Slot *slots, size_t index, Slot *slot)
{
    if (item->kind != VALUE_LIST || !item->list.count ||
        item->list.items[0].value->kind != VALUE_STRING)
        return false;
    for (size_t i = 0; i < countof(kinds); i++) {
        if (strcmp(kinds[i].name, item->list.items[0].value->string) != 0) continue;
        *slot = (Slot){object_new(arena, kinds[i].kind), 1, 1};
        if (!can_be_key(slot->node) && slot->node->kind != OBJ_BIGINT)
            return read_parts(arena, item, slots, index, slot);
        if (kinds[i].kind == OBJ_NONE) return item->list.count == 1;
        return item->list.count == 2 && read_leaf(arena, item->list.items[1].value, slot->node);
    }
    return false;
}

/* Modules and what is said of each: plain, as what is written is. */
static bool check_root(const Object *root, size_t index, Error *err)
{
    const Object *dict = object_as_dict(root);
    if (!dict) return refuse(err, index, "is the last and no dict");
    for (size_t i = 0; i < dict->list.count; i += 2)
        if (dict->list.items[i]->kind != OBJ_STR && dict->list.items[i]->kind != OBJ_BYTES)
            return refuse(err, index, "has a key that is no text");
    return true;
}

const Object *metadata_read_json(Arena *arena, const Value *list, Error *err)
{
    if (list->kind != VALUE_LIST || !list->list.count || list->list.count > NODES_MAX) {
        error_set(err, ERR_FORMAT, "metadata: no list of nodes");
        return NULL;
    }
    size_t n = list->list.count;
    Slot *slots = mem_alloc(n * sizeof *slots);
    bool fine = true;
    for (size_t i = 0; fine && i < n; i++) {
        fine = read_node(arena, list->list.items[i].value, slots, i, &slots[i]) ||
               refuse(err, i, "has no known kind or the wrong arguments");
        bool large = i + 1 < n && (slots[i].nodes > PICKLE_PLAIN_NODES ||
                                   slots[i].depth > PICKLE_PLAIN_DEPTH);
        if (fine && large) fine = refuse(err, i, "is nested too deep, or too large");
    }
    const Object *root = slots[n - 1].node;
    fine = fine && check_root(root, n - 1, err);
    free(slots);
    return fine ? root : NULL;
}
