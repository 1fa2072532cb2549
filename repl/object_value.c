#include "repl/object_value.h"

#include "loader/tensor/tensor.h"

enum { NODES_MAX = 100000, DEPTH_MAX = 40 };

Value *shape_value(Arena *arena, const int64_t *dims, unsigned rank)
{
    if (!dims) return value_null(arena);
    Value *list = value_list(arena);
    for (unsigned i = 0; i < rank; i++) value_push(arena, list, value_int(arena, dims[i]));
    return list;
}

static Value *tensor_value(Arena *arena, const Tensor *tensor)
{
    Value *map = value_map(arena);
    value_put(arena, map, "dtype", value_string(arena, dtype_name(tensor->dtype)));
    value_put(arena, map, "shape", shape_value(arena, tensor->dims, tensor->rank));
    return map;
}

static Value *description(Arena *arena, const Object *object)
{
    Text text = {0};
    object_plain(object, &text);
    Value *value = value_string(arena, text_string(&text));
    text_done(&text);
    return value;
}

static Value *convert(Arena *arena, const Object *object, unsigned depth, size_t *nodes);

static Value *dict_value(Arena *arena, const Object *dict, unsigned depth, size_t *nodes)
{
    Value *map = value_map(arena);
    Text key = {0};
    for (size_t i = 0; i + 1 < dict->list.count; i += 2) {
        text_clear(&key);
        object_plain(dict->list.items[i], &key);
        value_put(arena, map, text_string(&key),
                  convert(arena, dict->list.items[i + 1], depth + 1, nodes));
    }
    text_done(&key);
    return map;
}

static Value *items_value(Arena *arena, const Object *list, unsigned depth, size_t *nodes)
{
    Value *made = value_list(arena);
    for (size_t i = 0; i < list->list.count; i++)
        value_push(arena, made, convert(arena, list->list.items[i], depth + 1, nodes));
    return made;
}

/* What an object of an unknown class was made of is what it is: an OrderedDict, a Namespace. */
static Value *call_value(Arena *arena, const Object *object, unsigned depth, size_t *nodes)
{
    const ObjectCall *call = object->call;
    if (call->map) return dict_value(arena, call->map, depth, nodes);
    if (call->list) return items_value(arena, call->list, depth, nodes);
    if (call->state && call->state->kind == OBJ_DICT)
        return dict_value(arena, call->state, depth, nodes);
    return description(arena, object);
}

static Value *convert(Arena *arena, const Object *object, unsigned depth, size_t *nodes)
{
    uint64_t number;
    if (depth >= DEPTH_MAX || (*nodes)++ >= NODES_MAX) return description(arena, object);
    switch ((ObjectKind)object->kind) {
    case OBJ_TENSOR:
        return object->tensor ? tensor_value(arena, object->tensor) : description(arena, object);
    case OBJ_TUPLE: case OBJ_LIST: case OBJ_SET: case OBJ_FROZENSET:
        return items_value(arena, object, depth, nodes);
    case OBJ_DICT: return dict_value(arena, object, depth, nodes);
    case OBJ_CALL: return call_value(arena, object, depth, nodes);
    default: break;
    }
    Value *simple = object_as_value(arena, object);
    if (simple) return simple;
    if (object_as_uint(object, &number)) return value_float(arena, (double)number);
    return description(arena, object);
}

Value *object_value(Arena *arena, const Object *object, size_t *nodes)
{
    return convert(arena, object, 0, nodes);
}
