/* Object nodes: made by the readers, asked by everybody. Look-ups are linear: a dict is asked for
 * a few keys, once, and an index would have to be kept for each of a million nodes. */
#include "loader/tensor/object.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/little.h"
#include "loader/core/value.h"

/* Zeroed: a new collection is empty, a new CALL needs its ObjectCall. */
Object *object_new(Arena *arena, ObjectKind kind)
{
    Object *object = arena_alloc(arena, sizeof *object);
    object->kind = (uint8_t)kind;
    return object;
}

/* The name is copied; n counts its bytes as held, a NUL being two (C0 80). */
Object *object_str(Arena *arena, const char *name)
{
    Object *object = object_new(arena, OBJ_STR);
    object->bytes.n = strlen(name);
    object->bytes.text = arena_strndup(arena, name, object->bytes.n);
    return object;
}

Object *object_int(Arena *arena, int64_t integer)
{
    Object *object = object_new(arena, OBJ_INT);
    object->integer = integer;
    return object;
}

Object *object_text(Arena *arena, const void *bytes, size_t n)
{
    Object *object = object_new(arena, OBJ_STR);
    object->bytes.text = name_hold(arena, bytes, n);
    object->bytes.n = strlen(object->bytes.text);
    return object;
}

Object *object_bool(Arena *arena, bool boolean)
{
    Object *object = object_new(arena, OBJ_BOOL);
    object->boolean = boolean;
    return object;
}

Object *object_float(Arena *arena, double number)
{
    Object *object = object_new(arena, OBJ_FLOAT);
    object->number = number;
    return object;
}

Object *object_float32(Arena *arena, float number)
{
    char digits[32];
    for (int precision = 6; precision < 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, (double)number);
        if (strtof(digits, NULL) == number) return object_float(arena, strtod(digits, NULL));
    }
    return object_float(arena, (double)number);
}

/* Two's complement: the ninth byte, 0, is the sign. */
Object *object_uint(Arena *arena, uint64_t number)
{
    if (number <= INT64_MAX) return object_int(arena, (int64_t)number);
    Object *object = object_new(arena, OBJ_BIGINT);
    char *bytes = arena_alloc(arena, 9);
    for (unsigned i = 0; i < 8; i++) bytes[i] = (char)(number >> 8 * i);
    object->bytes.text = bytes;
    object->bytes.n = 9;
    return object;
}

static Object *make_far(Arena *arena, FarKind kind, uint64_t n)
{
    Object *object = object_new(arena, OBJ_FAR);
    object->call_kind = (uint8_t)kind;
    object->far.n = n;
    return object;
}

Object *object_far_text(Arena *arena, uint64_t n)
{
    return make_far(arena, FAR_TEXT, n);
}

Object *object_far_bytes(Arena *arena, uint64_t n)
{
    return make_far(arena, FAR_BYTES, n);
}

Object *object_far_list(Arena *arena, uint64_t n, const char *many)
{
    Object *object = make_far(arena, FAR_LIST, n);
    object->far.many = many;
    return object;
}

bool object_as_uint(const Object *object, uint64_t *out)
{
    if (object->kind != OBJ_BIGINT || object->bytes.n != 9 || object->bytes.text[8]) return false;
    *out = little_read((const unsigned char *)object->bytes.text, 8);
    return true;
}

Value *object_as_value(Arena *arena, const Object *object)
{
    switch ((ObjectKind)object->kind) {
    case OBJ_NONE: return value_null(arena);
    case OBJ_BOOL: return value_bool(arena, object->boolean);
    case OBJ_INT: return value_int(arena, object->integer);
    case OBJ_FLOAT: return value_float(arena, object->number);
    case OBJ_STR: return value_string(arena, object->bytes.text);
    default: return NULL;
    }
}

void object_push(Arena *arena, Object *list, Object *item)
{
    list->list.items = arena_grow(arena, list->list.items, list->list.count, &list->list.room,
                                  sizeof *list->list.items);
    list->list.items[list->list.count++] = item;
}

/* An OrderedDict is a CALL whose entries SETITEMS put into its map; empty, it has no map. */
const Object *object_as_dict(const Object *object)
{
    if (!object) return NULL;
    if (object->kind == OBJ_DICT) return object;
    if (object->kind == OBJ_CALL) return object->call->map;
    return NULL;
}

/* A subclass of list is a CALL to whose list APPENDS put its items. */
const Object *object_as_sequence(const Object *object)
{
    if (!object) return NULL;
    if (object->kind == OBJ_LIST || object->kind == OBJ_TUPLE) return object;
    if (object->kind == OBJ_CALL) return object->call->list;
    return NULL;
}

/* Python 2 wrote str keys as bytes; both spell the same key. */
static bool is_text(const Object *object, const char *text, size_t n)
{
    return (object->kind == OBJ_STR || object->kind == OBJ_BYTES) && object->bytes.n == n &&
           memcmp(object->bytes.text, text, n) == 0;
}

/* From the end: of two equal keys Python keeps the later one. */
Object *object_get(const Object *holder, const char *key)
{
    const Object *dict = object_as_dict(holder);
    if (!dict) return NULL;
    size_t n = strlen(key);
    for (size_t i = dict->list.count; i >= 2; i -= 2)
        if (is_text(dict->list.items[i - 2], key, n)) return dict->list.items[i - 1];
    return NULL;
}

/* Integer keys are another thing than text: optimizer state has 0, 1, 2 … */
Object *object_get_int(const Object *holder, int64_t key)
{
    const Object *dict = object_as_dict(holder);
    if (!dict) return NULL;
    for (size_t i = dict->list.count; i >= 2; i -= 2) {
        const Object *item = dict->list.items[i - 2];
        if (item->kind == OBJ_INT && item->integer == key) return dict->list.items[i - 1];
    }
    return NULL;
}

/* Of 100,000 tensors each is asked a dozen times what made it; names mostly differ at once. */
static bool is_name(const char *a, const char *b)
{
    return *a == *b && strcmp(a, b) == 0;
}

/* The module names that Python 3 renamed, as pickle's own compatibility table has them
 * (Lib/_compat_pickle.py): the two that files of PyTorch name. */
static const char *modern_module(const char *module)
{
    if (is_name(module, "__builtin__")) return "builtins";
    if (is_name(module, "copy_reg")) return "copyreg";
    return module;
}

/* The name is compared first: names differ more often than modules do. */
bool object_is_global(const Object *object, const char *module, const char *name)
{
    return object && object->kind == OBJ_GLOBAL && is_name(object->global.name, name) &&
           is_name(modern_module(object->global.module), modern_module(module));
}

/* What is called decides; arguments and state are the caller's to look at. */
bool object_is_call(const Object *object, const char *module, const char *name)
{
    return object && object->kind == OBJ_CALL &&
           object_is_global(object->call->callable, module, name);
}

static bool is_string(const Object *object)
{
    return object->kind == OBJ_STR || object->kind == OBJ_BYTES;
}

bool object_source(const Object *object, const Object **class, const Object **file,
                   const Object **text)
{
    const Object *id = object->kind == OBJ_PERSID ? object->list.items[0] : NULL;
    if (!id || id->kind != OBJ_TUPLE || (id->list.count != 3 && id->list.count != 4)) return false;
    Object *const *field = id->list.items + (id->list.count - 3);
    bool tagged = id->list.count == 3 || is_text(id->list.items[0], "module", 6);
    if (!tagged || field[0]->kind != OBJ_GLOBAL || !is_string(field[1]) || !is_string(field[2]))
        return false;
    if (class) *class = field[0];
    if (file) *file = field[1];
    if (text) *text = field[2];
    return true;
}

/* -- For people ------------------------------------------------------------------------ */

/* "dict (3)". */
static void show_sized(const char *what, size_t count, Text *out)
{
    text_addf(out, "%s (%zu)", what, count);
}

/* The beginning of a string, cut between characters, escaped for a terminal. The cut is made
 * before the escapes, so that none of them is split. */
static void show_text(const Object *object, Text *out)
{
    enum { SHOWN = 60 };
    const char *cut = object->bytes.text, *end = cut + object->bytes.n;
    while (cut < end && cut - object->bytes.text < SHOWN) utf8_next(&cut, end);
    Text part = {0};
    text_addn(&part, object->bytes.text, (size_t)(cut - object->bytes.text));
    text_add(out, "str \"");
    name_show(text_string(&part), out);
    text_add(out, cut < end ? "…\"" : "\"");
    text_done(&part);
}

/* By the class or function that would have been called: that is all that is known. */
/* "float 0.1", not 0.10000000000000001: the shortest that reads back. */
static void show_real(double value, Text *out)
{
    char digits[32];
    show_float(value, digits);
    text_addf(out, "float %s", digits);
}

static void show_call(const Object *object, Text *out)
{
    const Object *callable = object->call->callable;
    if (callable) object_source(callable, &callable, NULL, NULL);
    if (!callable || callable->kind != OBJ_GLOBAL) {
        text_add(out, "object");
        return;
    }
    name_show(callable->global.module, out);
    text_addc(out, '.');
    name_show(callable->global.name, out);
    if (object->call->map) show_sized("", object->call->map->list.count / 2, out);
    else text_add(out, " object");
}

/* Left in the file: only how much it is. */
static void show_far(const Object *object, Text *out)
{
    static const char *const names[] = {"bytes", "bytearray", "text", "bytes", "list"};
    text_addf(out, "%s (%" PRIu64 "%s%s)", names[object->call_kind], object->far.n,
              object->call_kind == FAR_LIST ? " " : "",
              object->call_kind == FAR_LIST ? object->far.many : "");
}

/* Digits for those that 64 bits hold; of longer ones they would take arithmetic nobody needs. */
static void show_bigint(const Object *object, Text *out)
{
    uint64_t number;
    if (object_as_uint(object, &number)) text_addf(out, "int %" PRIu64, number);
    else text_addf(out, "int of %zu bytes", object->bytes.n);
}

/* A storage of torch with its class and size, or ('module', class, file, source): a class of the
 * oldest files, which carry the text of their Python files. */
static void show_persid(const Object *object, Text *out)
{
    const Object *id = object->list.items[0], *class;
    Object *const *field = id->list.items;
    size_t count = id->kind == OBJ_TUPLE ? id->list.count : 0;
    if (object_source(object, &class, NULL, NULL)) {
        text_add(out, "source of ");
        object_show(class, out);
        return;
    }
    text_add(out, "storage");
    if (count < 5 || field[1]->kind != OBJ_GLOBAL || field[4]->kind != OBJ_INT) return;
    text_addc(out, ' ');
    name_show(field[1]->global.name, out);
    text_addf(out, " (%" PRId64 ")", field[4]->integer);
}

/* One node, never its children: the tree may be deep and have cycles. */
void object_show(const Object *object, Text *out)
{
    switch ((ObjectKind)object->kind) {
    case OBJ_NONE: text_add(out, "None"); break;
    case OBJ_BOOL: text_add(out, object->boolean ? "True" : "False"); break;
    case OBJ_INT: text_addf(out, "int %" PRId64, object->integer); break;
    case OBJ_BIGINT: show_bigint(object, out); break;
    case OBJ_FLOAT: show_real(object->number, out); break;
    case OBJ_STR: show_text(object, out); break;
    case OBJ_BYTES: show_sized("bytes", object->bytes.n, out); break;
    case OBJ_BYTEARRAY: show_sized("bytearray", object->bytes.n, out); break;
    case OBJ_FAR: show_far(object, out); break;
    case OBJ_TUPLE: show_sized("tuple", object->list.count, out); break;
    case OBJ_LIST: show_sized("list", object->list.count, out); break;
    case OBJ_SET: show_sized("set", object->list.count, out); break;
    case OBJ_FROZENSET: show_sized("frozenset", object->list.count, out); break;
    case OBJ_DICT: show_sized("dict", object->list.count / 2, out); break;
    case OBJ_GLOBAL:
        name_show(object->global.module, out);
        text_addc(out, '.');
        name_show(object->global.name, out);
        break;
    case OBJ_CALL: show_call(object, out); break;
    case OBJ_PERSID: show_persid(object, out); break;
    case OBJ_TENSOR: text_add(out, "tensor"); break;
    }
}

/* Without its type. Lists of metadata hold no lists. */
static void plain_item(const Object *object, Text *out)
{
    char digits[32];
    uint64_t number;
    switch ((ObjectKind)object->kind) {
    case OBJ_NONE: text_add(out, "null"); break;
    case OBJ_BOOL: text_add(out, object->boolean ? "true" : "false"); break;
    case OBJ_INT: text_addf(out, "%" PRId64, object->integer); break;
    case OBJ_FLOAT:
        show_float(object->number, digits);
        text_add(out, digits);
        break;
    case OBJ_STR: text_addn(out, object->bytes.text, object->bytes.n); break;
    case OBJ_FAR:
        text_addf(out, "[%" PRIu64 " %s]", object->far.n,
                  object->call_kind == FAR_LIST   ? object->far.many
                  : object->call_kind == FAR_TEXT ? "bytes of text"
                                                  : "bytes");
        break;
    case OBJ_BIGINT:
        if (object_as_uint(object, &number)) text_addf(out, "%" PRIu64, number);
        else object_show(object, out);
        break;
    default: object_show(object, out); break;
    }
}

void object_plain(const Object *object, Text *out)
{
    if (object->kind != OBJ_LIST) {
        plain_item(object, out);
        return;
    }
    text_addc(out, '[');
    for (size_t i = 0; i < object->list.count; i++) {
        const Object *item = object->list.items[i];
        if (i) text_add(out, ", ");
        if (item->kind == OBJ_STR) text_addc(out, '"');
        plain_item(item, out);
        if (item->kind == OBJ_STR) text_addc(out, '"');
    }
    text_addc(out, ']');
}
