/* What is loaded, as a list: from a dict of the file, or from an alignment. */
#include <string.h>

#include "loader/align/align_parts.h"
#include "loader/align/load.h"

/* "collections.OrderedDict": what Python calls the class of a call's result, as far as the call
 * tells: a constructor is its class. */
static const char *call_class(Arena *arena, const Object *node)
{
    const Object *callable = node->call ? node->call->callable : NULL;
    if (!callable || callable->kind != OBJ_GLOBAL) return "object";
    const char *module = callable->global.module, *name = callable->global.name;
    if (has_suffix(module, "multiarray") && strcmp(name, "_reconstruct") == 0)
        return "numpy.ndarray";
    if (strcmp(module, "_codecs") == 0) return "bytes";      /* as protocol 2 writes them */
    const Object *args = node->call->args;
    if (strcmp(name, "_reconstructor") == 0 && args && args->list.count &&
        args->list.items[0]->kind == OBJ_GLOBAL)
        callable = args->list.items[0];
    module = callable->global.module;
    name = callable->global.name;
    if (strcmp(module, "builtins") == 0 || strcmp(module, "__builtin__") == 0) return name;
    return arena_printf(arena, "%s.%s", module, name);
}

const char *load_class_of(Arena *arena, const Object *node)
{
    switch ((ObjectKind)node->kind) {
    case OBJ_NONE: return "NoneType";
    case OBJ_BOOL: return node->origin ? "numpy.bool" : "bool";
    case OBJ_INT: return node->origin ? "numpy.int64" : "int";
    case OBJ_BIGINT: return "int";
    case OBJ_FLOAT: return node->origin ? "numpy.float64" : "float";
    case OBJ_STR: return "str";
    case OBJ_BYTES: return "bytes";
    case OBJ_BYTEARRAY: return "bytearray";
    case OBJ_FAR: return node->call_kind == FAR_TEXT ? "str" : "bytes";
    case OBJ_TUPLE: return "tuple";
    case OBJ_LIST: return "list";
    case OBJ_SET: return "set";
    case OBJ_FROZENSET: return "frozenset";
    case OBJ_DICT: return "dict";
    case OBJ_GLOBAL: return "type";
    case OBJ_CALL: return call_class(arena, node);
    case OBJ_PERSID: return "torch.storage.TypedStorage";
    case OBJ_TENSOR: break;
    }
    const char *class = node->call ? call_class(arena, node) : NULL;
    return class && strcmp(class, "numpy.ndarray") == 0 ? class : NULL;
}

static LoadItem item_of_tensor(const char *name, const Tensor *tensor)
{
    static const int64_t none[1];
    const int64_t *dims = tensor->dims || tensor->rank ? tensor->dims : none;
    return (LoadItem){.name = name, .dims = tensor->storage || tensor->dims ? dims : NULL,
                      .rank = tensor->rank};
}

/* What has no values, and is none of those, is on the meta device. */
static LoadKind kind_of(const Object *node)
{
    const Tensor *tensor = node->tensor;
    const StateDict *parts = node->parts;
    if (parts && dict_find(parts, "values")) {
        if (dict_find(parts, "indices")) return LOAD_SPARSE;
        if (dict_find(parts, "crow_indices") || dict_find(parts, "ccol_indices"))
            return LOAD_COMPRESSED;
    }
    if (dtype_info(tensor->dtype)->torch && tensor->encoding && tensor->encoding->quantizer)
        return LOAD_QUANTIZED;
    return tensor->storage || !node->call ? LOAD_PLAIN : LOAD_META;
}

bool load_is_flat(const StateDict *dict, const Object *node)
{
    const Object *items = object_as_dict(node);
    size_t tensors = 0;
    if (!items) return false;
    for (size_t i = 0; i + 1 < items->list.count; i += 2)
        tensors += items->list.items[i + 1]->kind == OBJ_TENSOR;
    return tensors >= dict_count(dict);
}

/* Equal keys are one entry with the last value, at the place of the first, as in Python. */
size_t load_items_of_dict(Arena *arena, const StateDict *dict, const Object *node,
                          LoadItem **out)
{
    const Object *from = object_as_dict(node);
    size_t count = 0, room = from ? from->list.count / 2 : 0;
    if (room < dict_count(dict)) room = dict_count(dict);
    LoadItem *items = *out = arena_alloc(arena, (room + 1) * sizeof *items);
    if (!load_is_flat(dict, node)) {
        for (; count < dict_count(dict); count++)
            items[count] = item_of_tensor(dict_at(dict, count)->name, dict_at(dict, count));
        return count;
    }
    NameMap names;
    map_init(&names);
    for (size_t i = 0; i + 1 < from->list.count; i += 2) {
        const Object *key = from->list.items[i], *value = from->list.items[i + 1];
        LoadItem item = {.name = "?", .key_class = load_class_of(arena, key)};
        if (key->kind == OBJ_STR) item = (LoadItem){.name = key->bytes.text};
        if (value->kind == OBJ_TENSOR) {
            LoadItem tensor = item_of_tensor(item.name, value->tensor);
            item.dims = tensor.dims;
            item.rank = tensor.rank;
            item.kind = kind_of(value);
            item.dtype = value->tensor->dtype;
        }
        item.value_class = load_class_of(arena, value);
        uint32_t before = item.key_class ? MAP_NONE : map_get(&names, item.name);
        if (before == MAP_NONE && !item.key_class) map_set(&names, item.name, (uint32_t)count);
        items[before == MAP_NONE ? count++ : before] = item;
    }
    map_done(&names);
    return count;
}

/* Whether no statement has changed a name, dropped a key or made one. */
static bool is_untouched(const Alignment *alignment)
{
    const Draft *draft = alignment->draft;
    if (draft_count(draft) != dict_count(alignment->source)) return false;
    for (size_t i = 0; i < draft_count(draft); i++)
        if (draft_at(draft, i)->step) return false;
    return true;
}

/* A key as it is loaded: a fit has the shape it was resolved to. */
static LoadItem item_of_key(const Alignment *alignment, const DraftKey *key)
{
    static const int64_t none[1];
    const Expr *expr = key->expr ? key->expr : key->last;
    LoadItem item = {.name = key->name};
    if (expr && expr->unknown) {
        const Binding *binding = align_find(alignment, key->name);
        if (binding && binding->status == BIND_LOADED) expr = binding->expr;
    }
    if (!expr || expr->unknown) return item;
    item.dims = expr->rank ? expr->dims : none;
    item.rank = expr->rank;
    return item;
}

size_t load_items_of(Arena *arena, const Alignment *alignment, LoadItem **out,
                     const Object **metadata)
{
    const Draft *draft = alignment->draft;
    *metadata = dict_torch_metadata(alignment->source);
    if (is_untouched(alignment) && !align_summary(alignment)->bind[BIND_FILLED]) {
        const Container *container =
            checkpoint_find_container(alignment->checkpoint, draft_container(draft));
        return load_items_of_dict(arena, alignment->source, container ? container->node : NULL,
                                  out);
    }
    size_t count = 0;
    LoadItem *items = *out = arena_alloc(
        arena, (draft_count(draft) + alignment->count + 1) * sizeof *items);
    for (size_t i = 0; i < draft_count(draft); i++) {
        const DraftKey *key = draft_at(draft, i);
        const Binding *binding = align_find(alignment, key->name);
        if (key->step && key->step->to && strcmp(key->step->from, key->step->to) != 0)
            *metadata = NULL;
        if (!binding || binding->status != BIND_FILLED)
            items[count++] = item_of_key(alignment, key);
    }
    for (size_t i = 0; i < alignment->count; i++) {
        const Binding *binding = &alignment->bindings[i];
        if (binding->status == BIND_FILLED)
            items[count++] = (LoadItem){.name = binding->name, .dims = binding->dims,
                                        .rank = binding->rank};
    }
    return count;
}
