/* The tree is made of nodes of the source's kind, so that what copies the rest of the source copies
 * it as well: {'state': {0: {…}}, 'param_groups': [{…, 'params': [0, 1, …]}]}, with whatever else
 * the source's dict has. */
#include "loader/export/whole_optimizer.h"

#include <string.h>

typedef struct Maker {
    Arena *arena;
    const OptimizerMove *move;
    WholeValue *values;          /* room for all */
    size_t count;
} Maker;

/* A parameter's number, or its name where the source has names. */
static Object *make_id(const Maker *maker, size_t index)
{
    if (!maker->move->named) return object_int(maker->arena, (int64_t)index);
    return object_str(maker->arena, maker->move->params[index].binding->name);
}

/* A tensor node of the expression's shape. Its storage is that of one of its parts: the values come
 * from the expression alone, and what is as it was keeps its own tensor. */
static Object *make_tensor(Maker *maker, const Expr *expr)
{
    const Tensor *same = expr_as_source(expr);
    Object *node = object_new(maker->arena, OBJ_TENSOR);
    const Expr *leaf = expr;
    while (leaf->count) leaf = leaf->from[0];
    Tensor *tensor = arena_copy(maker->arena, leaf->tensor, sizeof *tensor);
    node->tensor = tensor;
    if (same) return node;
    *tensor = (Tensor){.name = tensor->name, .dims = expr->dims, .storage = tensor->storage,
                       .dtype = expr->dtype, .rank = expr->rank};
    maker->values[maker->count++] = (WholeValue){node, expr};
    return node;
}

static Object *make_state(Maker *maker)
{
    Object *state = object_new(maker->arena, OBJ_DICT);
    for (size_t i = 0; i < maker->move->count; i++) {
        const OptimizerParam *param = &maker->move->params[i];
        if (param->fresh) continue;
        Object *members = object_new(maker->arena, OBJ_DICT);
        for (size_t k = 0; k < param->count; k++) {
            const OptimizerValue *value = &param->values[k];
            object_push(maker->arena, members, (Object *)value->key);
            object_push(maker->arena, members, value->expr ? make_tensor(maker, value->expr)
                                                           : (Object *)value->value);
        }
        object_push(maker->arena, state, make_id(maker, i));
        object_push(maker->arena, state, members);
    }
    return state;
}

/* A list of numbers is a tuple: betas. */
static Object *make_value(Maker *maker, const Value *value)
{
    Object *object;
    switch (value->kind) {
    case VALUE_INT: return object_int(maker->arena, value->integer);
    case VALUE_STRING: return object_str(maker->arena, value->string);
    case VALUE_BOOL:
        object = object_new(maker->arena, OBJ_BOOL);
        object->boolean = value->boolean;
        return object;
    case VALUE_FLOAT:
        object = object_new(maker->arena, OBJ_FLOAT);
        object->number = value->number;
        return object;
    case VALUE_LIST:
        object = object_new(maker->arena, OBJ_TUPLE);
        for (size_t i = 0; i < value->list.count; i++)
            object_push(maker->arena, object, make_value(maker, value->list.items[i].value));
        return object;
    default: return object_new(maker->arena, OBJ_NONE);
    }
}

/* What group(…) says takes the place of what the source says. */
static void put_options(Maker *maker, Object *group, const Value *options)
{
    for (size_t i = 0; options && i < options->list.count; i++) {
        const ValueItem *item = &options->list.items[i];
        Object *value = make_value(maker, item->value);
        size_t k = 0;
        while (k < group->list.count && (group->list.items[k]->kind != OBJ_STR ||
                                         strcmp(group->list.items[k]->bytes.text, item->key) != 0))
            k += 2;
        if (k < group->list.count) {
            group->list.items[k + 1] = value;
            continue;
        }
        object_push(maker->arena, group, object_str(maker->arena, item->key));
        object_push(maker->arena, group, value);
    }
}

/* The options are the source's; the lists of parameters are new. */
static Object *make_group(Maker *maker, uint32_t group)
{
    const Object *from = object_as_dict(maker->move->groups[group]);
    Object *to = object_new(maker->arena, OBJ_DICT);
    for (size_t i = 0; i + 1 < from->list.count; i += 2) {
        const Object *key = from->list.items[i];
        bool text = key->kind == OBJ_STR;
        bool ids = text && strcmp(key->bytes.text, "params") == 0;
        bool names = text && strcmp(key->bytes.text, "param_names") == 0;
        Object *value = ids || names ? object_new(maker->arena, OBJ_LIST)
                                     : from->list.items[i + 1];
        for (size_t k = 0; (ids || names) && k < maker->move->count; k++) {
            const OptimizerParam *param = &maker->move->params[k];
            if (param->group != group) continue;
            object_push(maker->arena, value,
                        ids ? make_id(maker, k) : object_str(maker->arena, param->binding->name));
        }
        object_push(maker->arena, to, (Object *)key);
        object_push(maker->arena, to, value);
    }
    if (maker->move->options) put_options(maker, to, maker->move->options[group]);
    return to;
}

Object *whole_optimizer(Arena *arena, const OptimizerMove *move, WholeValue **values,
                        size_t *count)
{
    Maker maker = {.arena = arena, .move = move};
    size_t most = 0;
    for (size_t i = 0; i < move->count; i++) most += move->params[i].count;
    maker.values = arena_alloc(arena, (most + 1) * sizeof *maker.values);
    const Object *from = object_as_dict(move->node);
    Object *dict = object_new(arena, OBJ_DICT);
    for (size_t i = 0; i + 1 < from->list.count; i += 2) {
        const Object *key = from->list.items[i];
        Object *value = from->list.items[i + 1];
        if (key->kind == OBJ_STR && strcmp(key->bytes.text, "state") == 0)
            value = make_state(&maker);
        if (key->kind == OBJ_STR && strcmp(key->bytes.text, "param_groups") == 0) {
            value = object_new(arena, OBJ_LIST);
            for (uint32_t g = 0; g < move->group_count; g++)
                object_push(arena, value, make_group(&maker, g));
        }
        object_push(arena, dict, (Object *)key);
        object_push(arena, dict, value);
    }
    *values = maker.values;
    *count = maker.count;
    return dict;
}
