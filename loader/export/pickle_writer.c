/* Protocol 2 opcodes: numbers, strings and globals with their memo; plain objects.
 *
 * Opcodes as in CPython's Lib/pickletools.py. A reference takes 2 bytes below number 256, then 5,
 * so every number must be the one that CPython gives: whatever it numbers is numbered here,
 * whether it is ever referred to or not. */
#include "loader/export/pickle_writer.h"

#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"
#include "loader/export/identity_map.h"

enum { PIECE = 64 << 10 };       /* bytes that are sent at once */

struct PickleWriter {
    Text out;
    uint32_t count;              /* numbers given so far */
    IdentityMap objects;         /* identity → number */
    uint32_t characters[257];    /* 1 + number of the one-character string; [256]: of '' */
    NameMap globals;             /* "module\nname\n" → number */
    Arena *arena;                /* the names of the globals */
    Text line;                   /* the one under way */
    PickleTake *take;            /* gets the bytes; NULL: they are kept */
    void *context;               /* of `take`; borrowed */
    uint64_t taken;              /* bytes that it got */
    bool lost;                   /* it did not take some */
};

PickleWriter *pickle_writer_new(void)
{
    PickleWriter *writer = mem_alloc(sizeof *writer);
    writer->arena = arena_new();
    text_addn(&writer->out, "\x80\x02", 2);
    return writer;
}

void pickle_writer_free(PickleWriter *writer)
{
    if (!writer) return;
    text_done(&writer->out);
    text_done(&writer->line);
    map_done(&writer->globals);
    arena_free(writer->arena);
    identity_done(&writer->objects);
    free(writer);
}

const Text *pickle_writer_bytes(const PickleWriter *writer)
{
    return &writer->out;
}

/* What was put goes out; never in the middle of an argument. */
static void send(PickleWriter *writer)
{
    writer->lost = writer->lost ||
                   !writer->take(writer->context, writer->out.bytes, writer->out.length);
    writer->taken += writer->out.length;
    text_clear(&writer->out);
}

void pickle_writer_stream(PickleWriter *writer, PickleTake *take, void *context)
{
    writer->take = take;
    writer->context = context;
}

bool pickle_writer_finish(PickleWriter *writer, uint64_t *bytes)
{
    if (writer->out.length) send(writer);
    identity_done(&writer->objects);
    *bytes = writer->taken;
    return !writer->lost;
}

void pickle_put_op(PickleWriter *writer, int opcode)
{
    if (writer->take && writer->out.length >= PIECE) send(writer);
    text_addc(&writer->out, (char)opcode);
}

static void put_u32(PickleWriter *writer, uint32_t value)
{
    unsigned char bytes[4] = {(unsigned char)value, (unsigned char)(value >> 8),
                              (unsigned char)(value >> 16), (unsigned char)(value >> 24)};
    text_addn(&writer->out, bytes, sizeof bytes);
}

/* An opcode with a memo number: the short form below 256, else the long one. */
static void put_memo_op(PickleWriter *writer, int brief, int full, uint32_t number)
{
    pickle_put_op(writer, number < 256 ? brief : full);
    if (number < 256) text_addc(&writer->out, (char)number);
    else put_u32(writer, number);
}

/* Numbers what was written last: BINPUT or LONG_BINPUT. */
static uint32_t put_number(PickleWriter *writer)
{
    put_memo_op(writer, 'q', 'r', writer->count);
    return writer->count++;
}

/* BINGET or LONG_BINGET. */
static void get_number(PickleWriter *writer, uint32_t number)
{
    put_memo_op(writer, 'h', 'j', number);
}

void pickle_put_memo(PickleWriter *writer, const void *identity)
{
    uint32_t number = put_number(writer);
    if (identity) identity_set(&writer->objects, identity, number);
}

bool pickle_put_known(PickleWriter *writer, const void *identity)
{
    uint32_t number = identity_get(&writer->objects, identity);
    if (number == IDENTITY_NONE) return false;
    get_number(writer, number);
    return true;
}

/* LONG1 or LONG4: the shortest two's complement, little-endian. */
void pickle_put_long(PickleWriter *writer, const void *number, size_t n)
{
    const unsigned char *bytes = number;
    while (n > 1 && ((bytes[n - 1] == 0 && bytes[n - 2] < 0x80) ||
                     (bytes[n - 1] == 0xFF && bytes[n - 2] >= 0x80)))
        n--;
    if (n == 1 && bytes[0] == 0) n = 0;
    pickle_put_op(writer, n < 256 ? 0x8A : 0x8B);
    if (n < 256) text_addc(&writer->out, (char)n);
    else put_u32(writer, (uint32_t)n);
    text_addn(&writer->out, bytes, n);
}

/* The shortest of BININT1, BININT2 (both unsigned), BININT and LONG1. */
void pickle_put_int(PickleWriter *writer, int64_t value)
{
    if (value >= 0 && value < 256) {
        pickle_put_op(writer, 'K');
        text_addc(&writer->out, (char)value);
    } else if (value >= 0 && value < 65536) {
        pickle_put_op(writer, 'M');
        text_addc(&writer->out, (char)(value & 0xFF));
        text_addc(&writer->out, (char)(value >> 8));
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
        pickle_put_op(writer, 'J');
        put_u32(writer, (uint32_t)value);
    } else {
        unsigned char bytes[8];
        for (unsigned i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)value >> (8 * i));
        pickle_put_long(writer, bytes, sizeof bytes);
    }
}

void pickle_put_float(PickleWriter *writer, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    pickle_put_op(writer, 'G');
    for (int shift = 56; shift >= 0; shift -= 8) text_addc(&writer->out, (char)(bits >> shift));
}

/* Where in characters[] a string is known by value; -1 for all others. */
static int shared_character(const char *name, size_t n)
{
    if (n == 0) return 256;
    const char *p = name;
    uint32_t code = utf8_next(&p, name + n);
    return p == name + n && code < 256 ? (int)code : -1;
}

/* BINUNICODE: the length in bytes, known only behind the text, then UTF-8 with surrogatepass. */
static void put_unicode(PickleWriter *writer, const char *name, size_t n)
{
    pickle_put_op(writer, 'X');
    size_t length = writer->out.length;
    put_u32(writer, 0);
    for (const char *p = name, *end = name + n; p < end;) {
        uint32_t code = utf8_next(&p, end);
        if (code == 0) text_addc(&writer->out, '\0');
        else utf8_add(&writer->out, code);
    }
    uint32_t bytes = (uint32_t)(writer->out.length - length - 4);
    for (unsigned i = 0; i < 4; i++) writer->out.bytes[length + i] = (char)(bytes >> (8 * i));
}

/* n bytes of a held name, or of a Python 2 str. */
static void put_str(PickleWriter *writer, const char *name, size_t n, const void *identity)
{
    int shared = shared_character(name, n);
    if (shared >= 0 && writer->characters[shared]) {
        get_number(writer, writer->characters[shared] - 1);
        return;
    }
    if (shared < 0 && pickle_put_known(writer, identity)) return;
    put_unicode(writer, name, n);
    if (shared >= 0) writer->characters[shared] = 1 + put_number(writer);
    else pickle_put_memo(writer, identity);
}

void pickle_put_str(PickleWriter *writer, const char *name, const void *identity)
{
    put_str(writer, name, strlen(name), identity);
}

uint32_t pickle_put_new_str(PickleWriter *writer, const char *name)
{
    put_unicode(writer, name, strlen(name));
    return put_number(writer);
}

void pickle_put_again(PickleWriter *writer, uint32_t number)
{
    get_number(writer, number);
}

void pickle_put_global(PickleWriter *writer, const char *module, const char *name)
{
    text_clear(&writer->line);
    text_addf(&writer->line, "%s\n%s\n", module, name);
    const char *line = text_string(&writer->line);
    uint32_t number = map_get(&writer->globals, line);
    if (number != MAP_NONE) {
        get_number(writer, number);
        return;
    }
    pickle_put_op(writer, 'c');
    text_add(&writer->out, line);
    map_set(&writer->globals, arena_strdup(writer->arena, line), put_number(writer));
}

/* Closes a tuple of n items that stand on the stack (behind a MARK when there are over 3). */
void pickle_put_tuple(PickleWriter *writer, size_t n, const void *identity)
{
    if (n == 0) {
        pickle_put_op(writer, PICKLE_EMPTY_TUPLE);   /* () exists once and is never numbered */
        return;
    }
    pickle_put_op(writer, n <= 3 ? 0x84 + (int)n : PICKLE_TUPLE);
    pickle_put_memo(writer, identity);
}

void pickle_put_int_tuple(PickleWriter *writer, const int64_t *values, size_t n)
{
    if (n > 3) pickle_put_op(writer, PICKLE_MARK);
    for (size_t i = 0; i < n; i++) pickle_put_int(writer, values[i]);
    pickle_put_tuple(writer, n, NULL);
}

void pickle_put_ordered_dict(PickleWriter *writer, const void *identity)
{
    pickle_put_global(writer, "collections", "OrderedDict");
    pickle_put_op(writer, PICKLE_EMPTY_TUPLE);
    pickle_put_op(writer, PICKLE_REDUCE);
    pickle_put_memo(writer, identity);
}

/* An OrderedDict that was called without arguments and given items, nothing else. */
static bool is_ordered_dict(const Object *object)
{
    const ObjectCall *call = object->call;
    return object_is_call(object, "collections", "OrderedDict") && !call->kwargs &&
           !call->state && (!call->list || call->list->list.count == 0) &&
           (!call->args || call->args->list.count == 0);
}

/* What hashes by value: a dict with other keys could not be loaded. */
static bool can_be_key(const Object *object)
{
    return object->kind == OBJ_STR || object->kind == OBJ_BYTES || object->kind == OBJ_INT ||
           object->kind == OBJ_BOOL || object->kind == OBJ_NONE || object->kind == OBJ_FLOAT;
}

/* Bounded by depth and by nodes, so that cycles end and shared parts cannot multiply. */
static bool is_plain(const Object *object, unsigned depth, size_t *nodes)
{
    if (!object || ++*nodes > PICKLE_PLAIN_NODES || depth > PICKLE_PLAIN_DEPTH) return false;
    switch ((ObjectKind)object->kind) {
    case OBJ_NONE: case OBJ_BOOL: case OBJ_INT: case OBJ_BIGINT: case OBJ_FLOAT: case OBJ_STR:
        return true;
    case OBJ_BYTES:
        return utf8_valid(object->bytes.text, object->bytes.n);   /* a Python 2 str */
    case OBJ_CALL:
        return is_ordered_dict(object) &&
               (!object->call->map || is_plain(object->call->map, depth + 1, nodes));
    case OBJ_TUPLE: case OBJ_LIST: case OBJ_DICT:
        for (size_t i = 0; i < object->list.count; i++) {
            const Object *item = object->list.items[i];
            if (!is_plain(item, depth + 1, nodes)) return false;
            if (object->kind == OBJ_DICT && i % 2 == 0 && !can_be_key(item)) return false;
        }
        return true;
    default:
        return false;
    }
}

bool pickle_object_is_plain(const Object *object)
{
    size_t nodes = 0;
    return is_plain(object, 0, &nodes);
}

/* The items of a dict proper go out in batches as CPython's batch_dict_exact does: one item
 * alone without MARK; a full batch is followed by another, be it empty. */
static void put_dict_items(PickleWriter *writer, const Object *dict)
{
    size_t n = dict->list.count / 2, i = 0, batch;
    if (n == 0) return;
    if (n == 1) {
        pickle_put_object(writer, dict->list.items[0]);
        pickle_put_object(writer, dict->list.items[1]);
        pickle_put_op(writer, PICKLE_SETITEM);
        return;
    }
    do {
        pickle_put_op(writer, PICKLE_MARK);
        for (batch = 0; batch < PICKLE_BATCH && i < n; batch++, i++) {
            pickle_put_object(writer, dict->list.items[2 * i]);
            pickle_put_object(writer, dict->list.items[2 * i + 1]);
        }
        pickle_put_op(writer, PICKLE_SETITEMS);
    } while (batch == PICKLE_BATCH);
}

/* Those of an OrderedDict come from an iterator: a last one alone goes without MARK, and there
 * is no empty batch. */
static void put_ordered_items(PickleWriter *writer, const Object *dict)
{
    size_t n = dict->list.count / 2;
    for (size_t i = 0; i < n;) {
        size_t batch = n - i < PICKLE_BATCH ? n - i : PICKLE_BATCH;
        if (batch > 1) pickle_put_op(writer, PICKLE_MARK);
        for (size_t end = i + batch; i < end; i++) {
            pickle_put_object(writer, dict->list.items[2 * i]);
            pickle_put_object(writer, dict->list.items[2 * i + 1]);
        }
        pickle_put_op(writer, batch > 1 ? PICKLE_SETITEMS : PICKLE_SETITEM);
    }
}

/* As batch_list_exact: one item alone without MARK, but not the last of many. */
static void put_list_items(PickleWriter *writer, const Object *list)
{
    size_t n = list->list.count;
    for (size_t i = 0; i < n;) {
        size_t end = n - i < PICKLE_BATCH ? n : i + PICKLE_BATCH;
        if (n > 1) pickle_put_op(writer, PICKLE_MARK);
        for (; i < end; i++) pickle_put_object(writer, list->list.items[i]);
        pickle_put_op(writer, n > 1 ? PICKLE_APPENDS : PICKLE_APPEND);
    }
}

/* Containers are numbered before they are filled, tuples after. */
static void put_container(PickleWriter *writer, const Object *object)
{
    if (object->kind == OBJ_TUPLE) {
        size_t n = object->list.count;
        if (n > 3) pickle_put_op(writer, PICKLE_MARK);
        for (size_t i = 0; i < n; i++) pickle_put_object(writer, object->list.items[i]);
        pickle_put_tuple(writer, n, object);
    } else if (object->kind == OBJ_LIST) {
        pickle_put_op(writer, PICKLE_EMPTY_LIST);
        pickle_put_memo(writer, object);
        put_list_items(writer, object);
    } else if (object->kind == OBJ_DICT) {
        pickle_put_op(writer, PICKLE_EMPTY_DICT);
        pickle_put_memo(writer, object);
        put_dict_items(writer, object);
    } else {
        pickle_put_ordered_dict(writer, object);
        if (object->call->map) put_ordered_items(writer, object->call->map);
    }
}

/* Recursion is as deep as pickle_object_is_plain allows. */
void pickle_put_object(PickleWriter *writer, const Object *object)
{
    switch ((ObjectKind)object->kind) {
    case OBJ_NONE: pickle_put_op(writer, PICKLE_NONE); break;
    case OBJ_BOOL: pickle_put_op(writer, object->boolean ? PICKLE_TRUE : PICKLE_FALSE); break;
    case OBJ_INT: pickle_put_int(writer, object->integer); break;
    case OBJ_BIGINT:
        pickle_put_long(writer, object->bytes.text, object->bytes.n);
        break;
    case OBJ_FLOAT: pickle_put_float(writer, object->number); break;
    case OBJ_STR: case OBJ_BYTES:
        put_str(writer, object->bytes.text, object->bytes.n, object);
        break;
    default:
        if (!pickle_put_known(writer, object)) put_container(writer, object);
    }
}
