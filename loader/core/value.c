#include "loader/core/value.h"

#include <string.h>

static Value *make(Arena *arena, ValueKind kind)
{
    Value *value = arena_alloc(arena, sizeof *value);
    value->kind = kind;
    return value;
}

Value *value_null(Arena *arena)
{
    return make(arena, VALUE_NULL);
}

Value *value_bool(Arena *arena, bool boolean)
{
    Value *value = make(arena, VALUE_BOOL);
    value->boolean = boolean;
    return value;
}

Value *value_int(Arena *arena, int64_t integer)
{
    Value *value = make(arena, VALUE_INT);
    value->integer = integer;
    return value;
}

Value *value_float(Arena *arena, double number)
{
    Value *value = make(arena, VALUE_FLOAT);
    value->number = number;
    return value;
}

Value *value_string(Arena *arena, const char *string)
{
    Value *value = make(arena, VALUE_STRING);
    value->string = arena_strdup(arena, string);
    return value;
}

Value *value_list(Arena *arena)
{
    return make(arena, VALUE_LIST);
}

Value *value_map(Arena *arena)
{
    return make(arena, VALUE_MAP);
}

/* Doubles in the arena: what is left behind is at most as much again. */
static void append(Arena *arena, Value *list, const char *key, Value *item)
{
    if (list->list.count == list->list.room) {
        size_t room = list->list.room ? list->list.room * 2 : 4;
        ValueItem *items = arena_alloc(arena, room * sizeof *items);
        if (list->list.count) memcpy(items, list->list.items, list->list.count * sizeof *items);
        list->list.items = items;
        list->list.room = room;
    }
    list->list.items[list->list.count++] = (ValueItem){key, item};
}

void value_push(Arena *arena, Value *list, Value *item)
{
    append(arena, list, NULL, item);
}

void value_put(Arena *arena, Value *map, const char *key, Value *item)
{
    append(arena, map, arena_strdup(arena, key), item);
}

const Value *value_get(const Value *map, const char *key)
{
    if (!map || map->kind != VALUE_MAP) return NULL;
    for (size_t i = 0; i < map->list.count; i++)
        if (strcmp(map->list.items[i].key, key) == 0) return map->list.items[i].value;
    return NULL;
}

const char *value_get_string(const Value *map, const char *key, const char *fallback)
{
    const Value *value = value_get(map, key);
    return value && value->kind == VALUE_STRING ? value->string : fallback;
}

int64_t value_get_int(const Value *map, const char *key, int64_t fallback)
{
    const Value *value = value_get(map, key);
    return value && value->kind == VALUE_INT ? value->integer : fallback;
}
