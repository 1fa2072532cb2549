/* The state dict that was flattened, again as it was: planner_data's paths give every value the
 * keys and list indices that led to it (torch/distributed/checkpoint/_nested_dict.py). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/map.h"
#include "loader/format/dcp.h"

typedef struct Tree {
    Arena *arena;            /* borrowed: the nodes */
    NameMap steps;           /* "parent number, kind of key, key" → number */
    Object **nodes;          /* by number: a DICT or LIST; NULL: a value stands there; owned */
    size_t count, room;
    Text key;                /* scratch; owned */
} Tree;

/* Numbers a place; `node` is NULL for a value. */
static uint32_t add_node(Tree *tree, Object *node)
{
    tree->nodes = mem_grow(tree->nodes, &tree->room, tree->count + 1, sizeof *tree->nodes);
    tree->nodes[tree->count] = node;
    return (uint32_t)tree->count++;
}

/* Text and integers never make one key; false for a step that is neither. */
static bool make_key(Tree *tree, uint32_t parent, const Object *step)
{
    text_clear(&tree->key);
    if (step->kind == OBJ_STR) text_addf(&tree->key, "%" PRIu32 "s%s", parent, step->bytes.text);
    else if (step->kind == OBJ_INT)
        text_addf(&tree->key, "%" PRIu32 "i%" PRId64, parent, step->integer);
    return step->kind == OBJ_STR || step->kind == OBJ_INT;
}

/* A list whose indices do not come one after the other becomes a dict of integers, since holes of
 * any size could be asked for. */
static void turn_into_dict(Tree *tree, Object *list)
{
    Object *dict = object_new(tree->arena, OBJ_DICT);
    for (size_t i = 0; i < list->list.count; i++) {
        object_push(tree->arena, dict, object_int(tree->arena, (int64_t)i));
        object_push(tree->arena, dict, list->list.items[i]);
    }
    *list = *dict;
}

static void put(Tree *tree, uint32_t parent, Object *step, Object *value)
{
    Object *holder = tree->nodes[parent];
    bool next = step->kind == OBJ_INT && step->integer == (int64_t)holder->list.count;
    if (holder->kind == OBJ_LIST && !next) turn_into_dict(tree, holder);
    if (holder->kind == OBJ_DICT) object_push(tree->arena, holder, step);
    object_push(tree->arena, holder, value);
    const char *key = arena_strdup(tree->arena, text_string(&tree->key));
    map_set(&tree->steps, key, (uint32_t)tree->count);
}

/* The container at a step, made where it is not there yet; MAP_NONE: a value stands there. */
static uint32_t enter(Tree *tree, uint32_t parent, Object *step, const Object *next)
{
    uint32_t number = map_get(&tree->steps, text_string(&tree->key));
    if (number != MAP_NONE) return tree->nodes[number] ? number : MAP_NONE;
    Object *node = object_new(tree->arena, next->kind == OBJ_INT ? OBJ_LIST : OBJ_DICT);
    put(tree, parent, step, node);
    return add_node(tree, node);
}

/* Puts a value where its path leads. False when that contradicts what is there. */
static bool place(Tree *tree, const Object *path, Object *value)
{
    size_t count = path->list.count;
    Object *const *steps = path->list.items;
    uint32_t parent = 0;
    if (!count || count > limit(LIMIT_DEPTH)) return false;
    for (size_t i = 0; i + 1 < count; i++) {
        if (!make_key(tree, parent, steps[i])) return false;
        parent = enter(tree, parent, steps[i], steps[i + 1]);
        if (parent == MAP_NONE) return false;
    }
    if (!make_key(tree, parent, steps[count - 1]) ||
        map_get(&tree->steps, text_string(&tree->key)) != MAP_NONE)
        return false;
    put(tree, parent, steps[count - 1], value);
    add_node(tree, NULL);
    return true;
}

/* Under its flat name at the top, where the last of equal names counts. */
static void place_flat(Tree *tree, const char *name, Object *value)
{
    object_push(tree->arena, tree->nodes[0], object_str(tree->arena, name));
    object_push(tree->arena, tree->nodes[0], value);
}

/* Keys of paths may lie in an arena that is given up, so they are copied. */
static Object *copy_path(Arena *arena, const Object *path)
{
    Object *copy = object_new(arena, OBJ_TUPLE);
    for (size_t i = 0; i < path->list.count; i++) {
        Object *step = path->list.items[i];
        if (step->kind == OBJ_STR) step = object_str(arena, step->bytes.text);
        else if (step->kind == OBJ_INT) step = object_int(arena, step->integer);
        object_push(arena, copy, step);
    }
    return copy;
}

Object *dcp_tree(Arena *arena, const DcpMetadata *metadata, Object *const *values, size_t *odd)
{
    Tree tree = {.arena = arena};
    *odd = 0;
    map_init(&tree.steps);
    Object *root = object_new(arena, OBJ_DICT);
    add_node(&tree, root);
    for (size_t i = 0; i < metadata->count; i++) {
        const DcpEntry *entry = &metadata->entries[i];
        if (!values[i]) continue;
        if (entry->path && place(&tree, copy_path(arena, entry->path), values[i])) continue;
        *odd += entry->path != NULL;
        place_flat(&tree, entry->name, values[i]);
    }
    map_done(&tree.steps);
    text_done(&tree.key);
    free(tree.nodes);
    return root;
}
