/* A walk over the object tree from the top, with a stack of its own. loader/format/graph.h walks
 * children before parents; a listing needs the parent first, and a path for every node. */
#include "repl/object_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/graph.h"

/* Deeper nodes are counted, not shown: every level makes the paths below it longer. */
enum { DEPTH_MAX = 64 };

/* A node that waits to be shown. */
typedef struct Node {
    Object *object;          /* borrowed from the checkpoint */
    const char *path;        /* in the arena of the walk */
    unsigned depth;          /* the root's is 0 */
} Node;

/* The nodes still to be shown, last first; and those that were shown, to unmark them. */
typedef struct Walk {
    Arena *arena;            /* paths; owned */
    Node *stack;             /* owned */
    size_t waiting, room;    /* nodes on the stack; room for */
    unsigned depth;          /* of the nodes that are pushed */
    Object **seen;           /* nodes whose mark is set; owned */
    size_t seen_count, seen_room;
} Walk;

/* NULL is passed over: calls lack most of their parts. */
static void push(Walk *walk, Object *object, const char *path)
{
    if (!object) return;
    walk->stack = mem_grow(walk->stack, &walk->room, walk->waiting + 1, sizeof *walk->stack);
    walk->stack[walk->waiting++] = (Node){object, path, walk->depth};
}

/* The path one key deeper; in the arena, since nodes wait with it on the stack. */
static const char *path_of_key(Walk *walk, const char *path, const Object *key)
{
    Text joined = {0};
    text_add(&joined, path);
    path_add_key(&joined, key);
    const char *kept = arena_strdup(walk->arena, text_string(&joined));
    text_done(&joined);
    return kept;
}

/* From the last to the first, so that the first is shown first: the stack turns them round. */
static void push_items(Walk *walk, const Object *list, const char *path)
{
    for (size_t i = list->list.count; i-- > 0;)
        push(walk, list->list.items[i], arena_printf(walk->arena, "%s[%zu]", path, i));
}

/* A dict's items are key, value, key, value …; a path goes through the key to the value. */
static void push_pairs(Walk *walk, const Object *dict, const char *path)
{
    for (size_t i = dict->list.count / 2; i-- > 0;)
        push(walk, dict->list.items[2 * i + 1], path_of_key(walk, path, dict->list.items[2 * i]));
}

/* A call's arguments and state have no path of their own in the tree; <args>, <kwargs> and
 * <state> name them. What was put into it is reached as in a list or dict. */
static void push_children(Walk *walk, const Object *object, const char *path)
{
    switch ((ObjectKind)object->kind) {
    case OBJ_TUPLE: case OBJ_LIST: case OBJ_SET: case OBJ_FROZENSET: case OBJ_PERSID:
        push_items(walk, object, path);
        break;
    case OBJ_DICT: push_pairs(walk, object, path); break;
    case OBJ_CALL:
        if (object->call->callable && object_source(object->call->callable, NULL, NULL, NULL))
            push(walk, object->call->callable, arena_printf(walk->arena, "%s<class>", path));
        push(walk, object->call->state, arena_printf(walk->arena, "%s<state>", path));
        if (object->call->list) push_items(walk, object->call->list, path);
        if (object->call->map) push_pairs(walk, object->call->map, path);
        push(walk, object->call->kwargs, arena_printf(walk->arena, "%s<kwargs>", path));
        if (object->call->args && object->call->args->list.count)
            push(walk, object->call->args, arena_printf(walk->arena, "%s<args>", path));
        break;
    default: break;
    }
}

/* "tensor f32 64×3×7×7": no values, which a listing must not read. */
static void show_tensor(const Tensor *tensor, Text *out)
{
    text_addf(out, "tensor %s ", dtype_name(tensor->dtype));
    show_shape(tensor->dims, tensor->rank, out);
}

/* The class and the file, then the whole text, in as many lines as it has. */
static void show_source(const Object *object, Text *out)
{
    const Object *file, *text;
    object_source(object, NULL, &file, &text);
    object_show(object, out);
    text_add(out, " in ");
    fault_quote(file->bytes.text, file->bytes.n, 200, out);
    text_addc(out, '\n');
    text_addn(out, text->bytes.text, text->bytes.n);
}

/* Calls visit(path, description) for every node, shared ones once with their content. */
static void walk_tree(const Checkpoint *checkpoint,
                      void (*visit)(const char *path, const char *what, void *context),
                      void *context)
{
    Walk walk = {.arena = arena_new()};
    Text what = {0};
    push(&walk, (Object *)checkpoint_root(checkpoint), "");
    while (walk.waiting) {
        Node node = walk.stack[--walk.waiting];
        bool whole = node.depth < DEPTH_MAX;
        walk.depth = node.depth + 1;
        text_clear(&what);
        bool source = object_source(node.object, NULL, NULL, NULL);
        if (node.object->kind == OBJ_TENSOR) show_tensor(node.object->tensor, &what);
        else if (source && !node.object->mark) show_source(node.object, &what);
        else object_show(node.object, &what);
        if (node.object->mark) text_add(&what, " (shared, shown above)");
        if (!whole && node.object->kind >= OBJ_TUPLE) text_add(&what, " (not shown any deeper)");
        visit(node.path, text_string(&what), context);
        if (!whole || node.object->mark || node.object->kind == OBJ_TENSOR) continue;
        if (!source) push_children(&walk, node.object, node.path);
        if (node.object->kind < OBJ_TUPLE) continue;
        node.object->mark = 1;
        walk.seen = mem_grow(walk.seen, &walk.seen_room, walk.seen_count + 1, sizeof *walk.seen);
        walk.seen[walk.seen_count++] = node.object;
    }
    for (size_t i = 0; i < walk.seen_count; i++) walk.seen[i]->mark = 0;
    text_done(&what);
    free(walk.stack);
    free(walk.seen);
    arena_free(walk.arena);
}

/* The lines of a source text, each escaped by itself. */
static void print_lines(const char *text)
{
    Text line = {0}, shown = {0};
    while (*text) {
        size_t n = strcspn(text, "\n");
        text_clear(&line);
        text_clear(&shown);
        text_addn(&line, text, n);
        name_show(text_string(&line), &shown);
        printf("    | %s\n", text_string(&shown));
        text += n + (text[n] == '\n');
    }
    text_done(&line);
    text_done(&shown);
}

/* One line: "model.fc.weight   tensor f32 10×512". The path is a name and escaped here; only a
 * source text has more lines. */
static void print_node(const char *path, const char *what, void *context)
{
    (void)context;
    Text shown = {0};
    size_t n = strcspn(what, "\n");
    name_show(path[0] ? path : "(top level)", &shown);
    printf("%s   %.*s\n", text_string(&shown), (int)n, what);
    if (what[n]) print_lines(what + n + 1);
    text_done(&shown);
}

/* For people: names escaped. JSON escapes by itself. */
void object_list_print(const Checkpoint *checkpoint)
{
    walk_tree(checkpoint, print_node, NULL);
}

static void write_node(const char *path, const char *what, void *context)
{
    JsonWriter *json = context;
    json_map(json);
    json_key(json, "path");
    json_string(json, path);
    json_key(json, "value");
    json_string(json, what);
    json_end(json);
}

void object_list_json(const Checkpoint *checkpoint, JsonWriter *json)
{
    json_key(json, "objects");
    json_list(json);
    walk_tree(checkpoint, write_node, json);
    json_end(json);
}
