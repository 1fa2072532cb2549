/* Values: made in an arena, filled, and from then on only read. Strings and keys are copied into
 * the same arena, so a Value lives exactly as long as it does, whatever it was made from. */
#include "loader/core/value.h"

#include <string.h>

/* The arena zeroes memory: a new list or map is empty, with no items and no room. */
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

/* A held name ends at its NUL; one inside it is C0 80 (text.h), so nothing is cut off. */
Value *value_string(Arena *arena, const char *string)
{
    Value *value = make(arena, VALUE_STRING);
    value->string = arena_strdup(arena, string);
    return value;
}

/* An empty list; value_push fills it. */
Value *value_list(Arena *arena)
{
    return make(arena, VALUE_LIST);
}

/* An empty map; value_put fills it, in the order in which it is to be written. */
Value *value_map(Arena *arena)
{
    return make(arena, VALUE_MAP);
}

/* Lists and maps share one layout: a list's items have no keys. */
static void append(Arena *arena, Value *list, const char *key, Value *item)
{
    list->list.items = arena_grow(arena, list->list.items, list->list.count, &list->list.room,
                                  sizeof *list->list.items);
    list->list.items[list->list.count++] = (ValueItem){key, item};
}

/* The item itself is not copied: it must come from the same arena, or one that lives longer. */
void value_push(Arena *arena, Value *list, Value *item)
{
    append(arena, list, NULL, item);
}

/* Whether the key is new is the caller's affair: asking here would make filling quadratic. */
void value_put(Arena *arena, Value *map, const char *key, Value *item)
{
    append(arena, map, arena_strdup(arena, key), item);
}

/* NULL and values of other kinds have no keys, so that look-ups can be chained without tests. */
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

/* Only an INT counts: 1.0 is no integer, and "1" no number. */
int64_t value_get_int(const Value *map, const char *key, int64_t fallback)
{
    const Value *value = value_get(map, key);
    return value && value->kind == VALUE_INT ? value->integer : fallback;
}
