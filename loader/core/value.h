/* Value: a dynamic value (what JSON, a verb's arguments and its results are made of).
 *
 * Values live in an arena; nothing is freed singly. Maps keep their order and may be
 * long (an index of 100,000 names), so look-ups in big maps go through a NameMap. */
#ifndef LOADER_CORE_VALUE_H
#define LOADER_CORE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/core/memory.h"

typedef enum ValueKind {
    VALUE_NULL, VALUE_BOOL, VALUE_INT, VALUE_FLOAT, VALUE_STRING, VALUE_LIST, VALUE_MAP
} ValueKind;

typedef struct Value Value;

typedef struct ValueItem {
    const char *key;     /* NULL in lists; a held name (see text.h) in maps */
    Value *value;
} ValueItem;

struct Value {
    ValueKind kind;
    union {
        bool boolean;
        int64_t integer;
        double number;
        const char *string;  /* a held name */
        struct { ValueItem *items; size_t count, room; } list;  /* LIST and MAP */
    };
};

Value *value_null(Arena *arena);
Value *value_bool(Arena *arena, bool boolean);
Value *value_int(Arena *arena, int64_t integer);
Value *value_float(Arena *arena, double number);
Value *value_string(Arena *arena, const char *string);  /* copied */
Value *value_list(Arena *arena);
Value *value_map(Arena *arena);
void value_push(Arena *arena, Value *list, Value *item);
/* Appends without looking for an earlier `key`; the key is copied. */
void value_put(Arena *arena, Value *map, const char *key, Value *item);

/* The first item of that name, NULL when `map` is no map or has none. Linear. */
const Value *value_get(const Value *map, const char *key);
/* Convenience: the string or integer under a key, or the fallback. */
const char *value_get_string(const Value *map, const char *key, const char *fallback);
int64_t value_get_int(const Value *map, const char *key, int64_t fallback);

#endif
