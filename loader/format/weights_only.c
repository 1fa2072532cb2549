/* The checks of torch's restricted unpickler. Its stack holds values, ours what would make them:
 * of a CALL the callable says the type, since only listed names can be called at all. */
#include "loader/format/weights_only.h"

#include <string.h>

#include "loader/format/globals.h"
#include "loader/format/pickle_machine.h"

void weights_only_init(WeightsOnly *check)
{
    *check = (WeightsOnly){.protocol = -1};
}

void weights_only_done(WeightsOnly *check)
{
    text_done(&check->refusal);
}

/* Only the first one counts: there torch stops. */
static void refuse(WeightsOnly *check, const Machine *m, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(WeightsOnly *check, const Machine *m, const char *format, ...)
{
    va_list args;
    if (check->refusal.length) return;
    va_start(args, format);
    text_addv(&check->refusal, format, args);
    va_end(args);
    check->byte = m->opcode_at;
}

/* The node `below` the top, not reaching below a MARK: torch keeps a stack for each. */
static const Object *at(const Machine *m, size_t below)
{
    size_t fence = m->mark_count ? m->marks[m->mark_count - 1] : 0;
    return m->count > fence + below ? m->stack[m->count - 1 - below] : NULL;
}

/* The node that APPENDS and SETITEMS fill: below the last MARK. */
static const Object *below_mark(const Machine *m)
{
    if (!m->mark_count || !m->marks[m->mark_count - 1]) return NULL;
    size_t fence = m->mark_count > 1 ? m->marks[m->mark_count - 2] : 0;
    size_t top = m->marks[m->mark_count - 1];
    return top > fence ? m->stack[top - 1] : NULL;
}

/* --- types ---------------------------------------------------------------------------- */

/* What the functions and classes of the list make. */
typedef struct Maker {
    const char *path;        /* what is called */
    const char *type;        /* the type of what comes of it, as Python prints it */
} Maker;

static const Maker makers[] = {
    {"collections.OrderedDict", "collections.OrderedDict"},
    {"collections.Counter", "collections.Counter"},
    {"builtins.set", "set"},
    {"builtins.bytearray", "bytearray"},
    {"builtins.complex", "complex"},
    {"_codecs.encode", "bytes"},
    {"torch.Size", "torch.Size"},
    {"torch.device", "torch.device"},
    {"torch.serialization._get_layout", "torch.layout"},
    {"torch.nn.parameter.Parameter", "torch.nn.parameter.Parameter"},
    {"torch._utils._rebuild_parameter", "torch.nn.parameter.Parameter"},
    {"torch._utils._rebuild_parameter_with_state", "torch.nn.parameter.Parameter"},
    {"torch.storage.TypedStorage", "torch.storage.TypedStorage"},
    {"torch.storage.UntypedStorage", "torch.storage.UntypedStorage"},
};

/* The type of a call's result; everything else on the list makes tensors. */
static const char *made_type(const Object *call)
{
    const Object *callable = call->call->callable;
    const char *type = "torch.Tensor";
    if (callable->kind != OBJ_GLOBAL) return "object";
    Text full = {0};
    global_path(callable->global.module, callable->global.name, &full);
    for (size_t i = 0; i < countof(makers); i++)
        if (strcmp(makers[i].path, text_string(&full)) == 0) type = makers[i].type;
    if (strcmp(text_string(&full), "torch._tensor._rebuild_from_type_v2") == 0) {
        const Object *args = call->call->args;
        const Object *class = args->list.count > 1 ? args->list.items[1] : NULL;
        if (class && class->kind == OBJ_GLOBAL && strcmp(class->global.name, "Parameter") == 0)
            type = "torch.nn.parameter.Parameter";
    }
    text_done(&full);
    return type;
}

/* What a bare name of the list is: dtypes and quantization schemes are values of their own kinds,
 * functions are functions, the rest are classes. */
static const char *named_type(const Object *global)
{
    const char *name = global->global.name;
    bool torch = strcmp(global->global.module, "torch") == 0;
    if (has_prefix(name, "per_")) return "torch.qscheme";
    if (torch && name[0] >= 'a' && name[0] <= 'z' && strcmp(name, "device") != 0)
        return "torch.dtype";
    if (strcmp(name, "encode") == 0) return "builtin_function_or_method";
    if (name[0] == '_') return "function";
    return strstr(name, "Storage") ? "torch.serialization.StorageType" : "type";
}

/* type(value).__name__, with its module where Python prints it. */
static const char *type_name(const Object *value)
{
    switch ((ObjectKind)value->kind) {
    case OBJ_NONE: return "NoneType";
    case OBJ_BOOL: return "bool";
    case OBJ_INT: case OBJ_BIGINT: return "int";
    case OBJ_FLOAT: return "float";
    case OBJ_STR: return "str";
    case OBJ_BYTES: return "bytes";
    case OBJ_BYTEARRAY: return "bytearray";
    case OBJ_FAR:
        return value->call_kind == FAR_BYTES       ? "bytes"
               : value->call_kind == FAR_BYTEARRAY ? "bytearray"
                                                   : "str";
    case OBJ_TUPLE: return "tuple";
    case OBJ_LIST: return "list";
    case OBJ_SET: return "set";
    case OBJ_FROZENSET: return "frozenset";
    case OBJ_DICT: return "dict";
    case OBJ_GLOBAL: return named_type(value);
    case OBJ_CALL: return made_type(value);
    case OBJ_PERSID: return "torch.storage.TypedStorage";
    case OBJ_TENSOR: return "torch.Tensor";
    }
    return "object";
}

static bool is_type(const Object *value, const char *type)
{
    return strcmp(type_name(value), type) == 0;
}

/* --- the opcodes that it checks ------------------------------------------------------- */

/* Every opcode that its loop has a branch for. */
static bool is_accepted(unsigned opcode)
{
    static const unsigned char accepted[] = {
        'c', 0x81, 'R', 'b', 'a', 'e', 's', 'u', '(', 't', 0x85, 0x86, 0x87, 'N', 0x89, 0x88,
        ')', ']', '}', 0x8F, 'J', 'K', 'M', 'G', 'X', 'U', 'Q', 'h', 'j', 'q', 'r', 0x8A, 0x80,
        '.'};
    return memchr(accepted, (int)opcode, sizeof accepted) != NULL;
}

/* GLOBAL, once its two lines are read. */
static void check_global(WeightsOnly *check, const Machine *m)
{
    const Object *global = at(m, 0);
    if (!global || global->kind != OBJ_GLOBAL) return;
    Text full = {0};
    size_t module = global_path(global->global.module, global->global.name, &full);
    const char *path = text_string(&full);
    if (global_blocked(text_string(&full), module)) {
        refuse(check, m, "Trying to load unsupported GLOBAL %s whose module %.*s is blocked.", path,
               (int)module, text_string(&full));
    } else if (!global_allowed(text_string(&full))) {
        if (has_prefix(path, "builtins.")) path += strlen("builtins.");
        refuse(check, m, "Unsupported global: GLOBAL %s was not an allowed global by default.",
               path);
    }
    text_done(&full);
}

/* The name, or what else is to be called. */
static void show_callable(const Object *callable, Text *out)
{
    if (callable->kind == OBJ_GLOBAL) object_show(callable, out);
    else text_addf(out, "<class '%s'>", type_name(callable));
}

/* A name on the stack is on the list: GLOBAL was checked. Dtypes are there, but no functions. */
static void check_reduce(WeightsOnly *check, const Machine *m)
{
    const Object *callable = at(m, 1), *args = at(m, 0);
    if (!callable) return;
    if (callable->kind != OBJ_GLOBAL) {
        Text shown = {0};
        object_show(callable, &shown);
        refuse(check, m, "Trying to call reduce for unrecognized function %s",
               text_string(&shown));
        text_done(&shown);
    } else if (is_type(callable, "torch.dtype") || is_type(callable, "torch.qscheme") ||
               is_type(callable, "torch.serialization.StorageType")) {
        if (strcmp(callable->global.module, "torch.storage") != 0)
            refuse(check, m, "'%s' object is not callable", type_name(callable));
    } else if (args && args->kind != OBJ_TUPLE && args->kind != OBJ_LIST) {
        refuse(check, m, "argument after * must be an iterable, not %s", type_name(args));
    }
}

/* Classes of the list only; a function of it has no __new__ of its own. */
static void check_newobj(WeightsOnly *check, const Machine *m)
{
    const Object *class = at(m, 1);
    if (!class) return;
    bool known = class->kind == OBJ_GLOBAL &&
                 (is_type(class, "type") || strcmp(class->global.module, "torch.storage") == 0);
    if (known) return;
    Text shown = {0};
    show_callable(class, &shown);
    refuse(check, m, "Can only create new object for nn.Parameter or classes allowlisted via "
           "`add_safe_globals` but got %s", text_string(&shown));
    text_done(&shown);
}

/* Tensor, Parameter, OrderedDict, and the classes of the list; of these only Counter can keep a
 * state. */
static void check_build(WeightsOnly *check, const Machine *m)
{
    const Object *target = at(m, 1), *state = at(m, 0);
    if (!target || !state) return;
    const char *type = type_name(target);
    bool dict = strcmp(type, "collections.OrderedDict") == 0 ||
                strcmp(type, "collections.Counter") == 0;
    static const char *const listed[] = {
        "torch.Tensor", "torch.nn.parameter.Parameter", "set", "bytearray", "complex", "torch.Size",
        "torch.device", "torch.storage.TypedStorage", "torch.storage.UntypedStorage"};
    bool known = dict;
    for (size_t i = 0; i < countof(listed); i++) known = known || strcmp(type, listed[i]) == 0;
    if (!known)
        refuse(check, m, "Can only build Tensor, Parameter, OrderedDict or types allowlisted via "
               "`add_safe_globals`, but got <class '%s'>", type);
    else if (dict && !object_as_dict(state) && !object_is_call(state, "collections", "OrderedDict"))
        refuse(check, m, "'%s' object is no state of a dict", type_name(state));
}

/* APPEND and APPENDS go to lists alone. */
static void check_list(WeightsOnly *check, const Machine *m, const Object *list, const char *verb)
{
    if (list && list->kind != OBJ_LIST)
        refuse(check, m, "Can only %s lists, but got <class '%s'>", verb, type_name(list));
}

/* SETITEM and SETITEMS go to dicts of three kinds. */
static void check_dict(WeightsOnly *check, const Machine *m, const Object *dict)
{
    if (!dict || dict->kind == OBJ_DICT || is_type(dict, "collections.OrderedDict") ||
        is_type(dict, "collections.Counter"))
        return;
    refuse(check, m, "Can only %s for dict, collections.OrderedDict, collections.Counter, but got "
           "<class '%s'>", m->opcode, type_name(dict));
}

/* What hashes by value cannot be a key when it can change. */
static void check_key(WeightsOnly *check, const Machine *m, const Object *key)
{
    if (key->kind == OBJ_LIST || key->kind == OBJ_DICT || key->kind == OBJ_SET ||
        key->kind == OBJ_BYTEARRAY || is_type(key, "collections.OrderedDict") ||
        is_type(key, "collections.Counter") || is_type(key, "set") || is_type(key, "bytearray"))
        refuse(check, m, "unhashable type: '%s'", type_name(key));
}

static void check_keys(WeightsOnly *check, const Machine *m)
{
    if (!m->mark_count) return;
    for (size_t i = m->marks[m->mark_count - 1]; i < m->count; i += 2)
        check_key(check, m, m->stack[i]);
}

/* Storages alone, in the five or six fields that torch.serialization takes apart. */
static void check_persid(WeightsOnly *check, const Machine *m)
{
    const Object *id = at(m, 0);
    if (!id) return;
    if (id->kind != OBJ_TUPLE && id->kind != OBJ_INT) {
        refuse(check, m, "persistent_load id must be tuple or int, but got <class '%s'>",
               type_name(id));
        return;
    }
    const Object *tag = id->kind == OBJ_TUPLE && id->list.count ? id->list.items[0] : NULL;
    bool text = tag && (tag->kind == OBJ_STR || tag->kind == OBJ_BYTES);
    bool storage = text && tag->bytes.n == 7 && memcmp(tag->bytes.text, "storage", 7) == 0;
    if (tag && !storage)
        refuse(check, m, "Only persistent_load of storage is allowed, but got <class '%s'>",
               type_name(tag));
    else if (!tag || id->list.count < 5 || id->list.count > 6)
        refuse(check, m, "persistent_load: no storage type, key, location and size");
}

/* Text of Python 2 is decoded as UTF-8, strictly. */
static void check_string(WeightsOnly *check, const Machine *m)
{
    const Object *text = at(m, 0);
    if (text && text->kind != OBJ_STR)
        refuse(check, m, "'utf-8' codec can't decode bytes: a Python 2 string is no UTF-8");
}

void weights_only_before(WeightsOnly *check, const struct Machine *m, unsigned opcode)
{
    if (check->refusal.length) return;
    switch (opcode) {
    case 'R': check_reduce(check, m); break;
    case 0x81: check_newobj(check, m); break;
    case 'b': check_build(check, m); break;
    case 'a': check_list(check, m, at(m, 1), "append to"); break;
    case 'e': check_list(check, m, below_mark(m), "extend"); break;
    case 's':
        check_dict(check, m, at(m, 2));
        if (at(m, 1)) check_key(check, m, at(m, 1));
        break;
    case 'u':
        check_dict(check, m, below_mark(m));
        check_keys(check, m);
        break;
    case 'Q': check_persid(check, m); break;
    default:
        if (!is_accepted(opcode)) refuse(check, m, "Unsupported operand %u", opcode);
    }
}

void weights_only_after(WeightsOnly *check, const struct Machine *m, unsigned opcode)
{
    if (opcode == 'c') check_global(check, m);
    else if (opcode == 'U') check_string(check, m);
    else if (opcode == 0x80) check->protocol = (int)m->protocol;
}
