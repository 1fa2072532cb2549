/* Trees of Values, built from the events of a JSON document. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/json.h"
#include "loader/core/map.h"

/* Up to SMALL_MAP keys a map is searched, beyond that it is indexed, so that a map of 100,000 keys
 * is not compared key by key. Below SKIP_DEPTH levels nothing is passed over. */
enum { SMALL_MAP = 8, SKIP_DEPTH = 3 };

typedef struct Level {
    Value *value;            /* a LIST or MAP that is being filled */
    NameMap names;           /* of a MAP with more than SMALL_MAP items */
} Level;

typedef struct Builder {
    Arena *arena;            /* for the values; borrowed */
    JsonReader *reader;      /* for positions */
    const char *what;        /* name of the document, for errors */
    Error *err;              /* where a refusal is written */
    size_t limit, count;     /* values allowed, and made so far */
    Value *root;             /* NULL until the first value */
    Text scratch;            /* a key or number with its closing NUL */
    const char *const *skipped;  /* names of members that are passed over, then NULL; or NULL */
    bool skipping;           /* the value of such a member is under way */
    unsigned inside;         /* levels that are open in it */
    unsigned depth;          /* levels that are open; they fit, since enter() counts too */
    Level levels[JSON_DEPTH];
} Builder;

/* Puts a value where it belongs: behind a list's last item, or under the key that build_key
 * has just added. The limit bounds memory: two bytes of text ("1,") become a Value of 32. */
static bool add_value(Builder *builder, Value *value)
{
    if (++builder->count > builder->limit)
        return error_set(builder->err, ERR_LIMIT,
                         "%s: more than %zu JSON values (byte %" PRIu64 ")", builder->what,
                         builder->limit, json_reader_position(builder->reader));
    if (!builder->depth) {
        builder->root = value;
        return true;
    }
    Value *parent = builder->levels[builder->depth - 1].value;
    if (parent->kind == VALUE_LIST) value_push(builder->arena, parent, value);
    else parent->list.items[parent->list.count - 1].value = value;
    return true;
}

/* Whether a value is to be passed over; one that is no map or list is all of it. */
static bool passes_over(Builder *builder)
{
    bool skipping = builder->skipping;
    if (!builder->inside) builder->skipping = false;
    return skipping;
}

static bool build_null(void *context)
{
    Builder *builder = context;
    return passes_over(builder) || add_value(builder, value_null(builder->arena));
}

static bool build_boolean(void *context, bool boolean)
{
    Builder *builder = context;
    return passes_over(builder) || add_value(builder, value_bool(builder->arena, boolean));
}

/* The text with a closing NUL; good until the next call. */
static const char *to_scratch(Builder *builder, const char *text, size_t n)
{
    text_clear(&builder->scratch);
    text_addn(&builder->scratch, text, n);
    return text_string(&builder->scratch);
}

/* An INT when it is written as one and fits i64, else a FLOAT. */
static bool build_number(void *context, const char *text, size_t n)
{
    Builder *builder = context;
    if (passes_over(builder)) return true;
    const char *number = to_scratch(builder, text, n);
    if (!strpbrk(number, ".eE")) {
        errno = 0;
        int64_t integer = strtoll(number, NULL, 10);
        if (!errno) return add_value(builder, value_int(builder->arena, integer));
    }
    return add_value(builder, value_float(builder->arena, strtod(number, NULL)));
}

static bool build_string(void *context, const char *text, size_t n)
{
    Builder *builder = context;
    if (passes_over(builder)) return true;
    return add_value(builder, value_string(builder->arena, to_scratch(builder, text, n)));
}

static bool build_level(Builder *builder, Value *make(Arena *arena))
{
    if (builder->skipping) {
        builder->inside++;
        return true;
    }
    Value *value = make(builder->arena);
    if (!add_value(builder, value)) return false;
    builder->levels[builder->depth++] = (Level){.value = value};
    return true;
}

static bool build_start_map(void *context)
{
    Builder *builder = context;
    return build_level(builder, value_map);
}

static bool build_start_list(void *context)
{
    Builder *builder = context;
    return build_level(builder, value_list);
}

static bool build_end(void *context)
{
    Builder *builder = context;
    if (builder->skipping) {
        builder->skipping = --builder->inside > 0;
        return true;
    }
    map_done(&builder->levels[--builder->depth].names);
    return true;
}

/* Whether the map has `key` already. Small maps are searched, big ones indexed. */
static bool has_key(Level *level, const char *key)
{
    if (level->names.count) return map_get(&level->names, key) != MAP_NONE;
    return value_get(level->value, key) != NULL;
}

/* Brings the index up to date with the map; the first time it takes all keys so far. */
static void index_keys(Level *level)
{
    const Value *map = level->value;
    for (size_t i = level->names.count; i < map->list.count; i++)
        map_set(&level->names, map->list.items[i].key, 0);
}

static bool is_skipped(const Builder *builder, const char *key)
{
    if (!builder->skipped || builder->depth > SKIP_DEPTH) return false;
    for (const char *const *one = builder->skipped; *one; one++)
        if (strcmp(*one, key) == 0) return true;
    return false;
}

/* Adds the key at once, without its value: add_value fills it in. */
static bool build_key(void *context, const char *text, size_t n)
{
    Builder *builder = context;
    if (builder->skipping) return true;
    Level *level = &builder->levels[builder->depth - 1];
    const char *key = to_scratch(builder, text, n);
    if (is_skipped(builder, key)) return builder->skipping = true;
    if (has_key(level, key)) {
        Text shown = {0};
        name_show(key, &shown);
        error_set(builder->err, ERR_FORMAT, "%s: JSON key '%.200s' stands twice (byte %" PRIu64 ")",
                  builder->what, text_string(&shown), json_reader_position(builder->reader));
        text_done(&shown);
        return false;
    }
    value_put(builder->arena, level->value, key, NULL);
    if (level->value->list.count > SMALL_MAP) index_keys(level);
    return true;
}

Value *json_parse_without(Arena *arena, const char *text, size_t n, const char *what,
                          const char *const *skipped, size_t limit, Error *err)
{
    static const JsonEvents events = {
        build_null, build_boolean, build_number,     build_string, build_start_map,
        build_key,  build_end,     build_start_list, build_end,
    };
    Builder *builder = mem_alloc(sizeof *builder);
    *builder = (Builder){.arena = arena, .what = what, .err = err, .limit = limit,
                          .skipped = skipped};
    JsonReader *reader = builder->reader = json_reader_new(&events, builder, what);
    bool fine = json_reader_feed(reader, text, n, err) && json_reader_finish(reader, err);
    Value *root = fine ? builder->root : NULL;
    builder->skipping = false;
    while (builder->depth) build_end(builder);
    json_reader_free(reader);
    text_done(&builder->scratch);
    free(builder);
    return root;
}

Value *json_parse(Arena *arena, const char *text, size_t n, const char *what, size_t limit,
                  Error *err)
{
    return json_parse_without(arena, text, n, what, NULL, limit, err);
}
