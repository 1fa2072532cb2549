/* A copy of the graph without what is told twice. The node that was copied says where its copy is,
 * so that what was shared is shared again and cycles end; a list of what is still to be copied
 * stands for the stack, which a file could make overflow. */
#include "loader/format/torch.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOVED = 0xFF,            /* the mark of a node whose `list.items` are its copy */
    LONG = 1 << 20           /* bytes of a text that would be copied */
};

typedef struct Copying {
    Arena *arena;            /* where to; borrowed */
    Object **todo;           /* copies whose parts are still the old ones; owned */
    size_t count, room;
} Copying;

/* ---- whether it is worth it, and can be done ---- */

/* Made by nothing but the arguments that its Tensor was made of. */
static bool is_plain(const Object *node)
{
    static const char *const makers[] = {"_rebuild_tensor_v2", "_rebuild_tensor_v3",
                                         "_rebuild_tensor"};
    if (!node->call || node->parts || (node->tensor->encoding && node->tensor->encoding->opaque))
        return false;
    for (size_t i = 0; i < countof(makers); i++)
        if (object_is_global(node->call->callable, "torch._utils", makers[i])) return true;
    return false;
}

/* Names of parts lie in the nodes' own memory; long text is not worth two places. */
void torch_note_node(TorchFile *file, const Object *node)
{
    const bool text = node->kind == OBJ_STR || node->kind == OBJ_BYTES ||
                      node->kind == OBJ_BYTEARRAY || node->kind == OBJ_BIGINT;
    if (node->kind == OBJ_FAR || (node->kind == OBJ_TENSOR && node->parts) ||
        (text && node->bytes.n > LONG))
        file->nodes_stay = true;
    if (node->kind == OBJ_TENSOR && is_plain(node)) file->plain_tensors++;
}

/* ---- copying ---- */

/* The copy of a node, whose parts are to come; that of NULL is NULL. */
static Object *copy_node(Copying *copying, Object *node)
{
    if (!node) return NULL;
    if (node->mark == MOVED) return (Object *)node->list.items;
    Object *copy = arena_copy(copying->arena, node, sizeof *node);
    node->mark = MOVED;
    node->list.items = (Object **)copy;
    if (copy->kind == OBJ_TENSOR) {
        if (copy->tensor->identity == node) copy->tensor->identity = copy;
        if (is_plain(copy)) copy->call = NULL;
    }
    copying->todo = mem_grow(copying->todo, &copying->room, copying->count + 1,
                             sizeof *copying->todo);
    copying->todo[copying->count++] = copy;
    return copy;
}

static ObjectCall *copy_call(Copying *copying, const ObjectCall *call)
{
    if (!call) return NULL;
    ObjectCall *copy = arena_alloc(copying->arena, sizeof *copy);
    *copy = (ObjectCall){
        .callable = copy_node(copying, call->callable), .args = copy_node(copying, call->args),
        .kwargs = copy_node(copying, call->kwargs), .state = copy_node(copying, call->state),
        .list = copy_node(copying, call->list), .map = copy_node(copying, call->map)};
    return copy;
}

static void copy_items(Copying *copying, Object *list)
{
    Object **items = arena_alloc(copying->arena, list->list.count * sizeof *items);
    for (size_t i = 0; i < list->list.count; i++)
        items[i] = copy_node(copying, list->list.items[i]);
    list->list.items = items;
}

static void copy_parts(Copying *copying, Object *copy)
{
    Arena *arena = copying->arena;
    switch ((ObjectKind)copy->kind) {
    case OBJ_NONE: case OBJ_FAR: break;
    case OBJ_BOOL: case OBJ_INT: case OBJ_FLOAT:
        copy->origin = copy_call(copying, copy->origin);
        break;
    case OBJ_STR: case OBJ_BYTES: case OBJ_BYTEARRAY: case OBJ_BIGINT:
        copy->bytes.text = arena_strndup(arena, copy->bytes.text, copy->bytes.n);
        break;
    case OBJ_TUPLE: case OBJ_LIST: case OBJ_SET: case OBJ_FROZENSET: case OBJ_DICT:
        copy->list.room = copy->list.count;
        copy_items(copying, copy);
        break;
    case OBJ_PERSID:             /* where a list has its room its storage is */
        copy_items(copying, copy);
        break;
    case OBJ_GLOBAL:
        copy->global.module = arena_strdup(arena, copy->global.module);
        copy->global.name = arena_strdup(arena, copy->global.name);
        break;
    case OBJ_CALL: case OBJ_TENSOR:
        copy->call = copy_call(copying, copy->call);
        break;
    }
}

static Object *copy_graph(Arena *arena, Object *root)
{
    Copying copying = {.arena = arena};
    Object *copy = copy_node(&copying, root);
    while (copying.count) copy_parts(&copying, copying.todo[--copying.count]);
    free(copying.todo);
    return copy;
}

/* ---- the file ---- */

static void release(void *context)
{
    arena_free(context);
}

/* What was kept of the nodes by their addresses is asked anew. The records of tensors that were in
 * short lie among the nodes, and where these are, there is little that is told twice. */
void torch_compact(TorchFile *file)
{
    torch_forget_storages(file);
    if (file->nodes_stay || file->short_tensors || !file->plain_tensors) {
        arena_trim(file->nodes);
        checkpoint_own(file->checkpoint, file->nodes, release);
        return;
    }
    file->root = copy_graph(file->arena, file->root);
    checkpoint_set_root(file->checkpoint, file->root);
    file->class_node = NULL;
    arena_free(file->nodes);
    file->nodes = file->arena;
}
