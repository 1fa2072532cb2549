/* Modules that were pickled whole: their state dict, as Module.state_dict() would give it.
 *
 * An nn.Module is an object whose state has the dicts _parameters, _buffers and _modules. The
 * state dict is, for each module, its parameters, its persistent buffers, then its modules in
 * order, names joined by dots. The class itself is never needed. */
#include <stdlib.h>
#include <string.h>

#include "loader/format/graph.h"
#include "loader/format/torch.h"

/* A module whose submodules are being walked. */
typedef struct ModuleLevel {
    const Object *modules;   /* the DICT behind _modules, or NULL */
    size_t next;             /* its next item */
    size_t prefix;           /* length of the prefix of this module's names */
} ModuleLevel;

typedef struct ModuleWalk {
    TorchFile *file;         /* borrowed */
    StateDict *dict;         /* being filled; borrowed */
    TorchMade *made;         /* the same */
    ModuleLevel *levels;     /* owned */
    size_t depth, room;      /* modules under way; room for */
    Text name;               /* the prefix, and behind it the name under way; owned */
    Error *err;              /* the caller's */
} ModuleWalk;

const Object *torch_attributes(const Object *node)
{
    if (node->kind != OBJ_CALL || !node->call->state) return NULL;
    const Object *state = node->call->state;
    if (state->kind == OBJ_TUPLE && state->list.count == 2) state = state->list.items[0];
    return object_as_dict(state);
}

/* By what it has, not by its class, which is the user's own. */
bool torch_is_module(const Object *node)
{
    const Object *attributes = torch_attributes(node);
    return attributes && torch_is_dict(object_get(attributes, "_modules")) &&
           torch_is_dict(object_get(attributes, "_parameters"));
}

/* The items of a set, however it was pickled: as opcodes or as set([…]). */
static const Object *set_items(const Object *set)
{
    if (!set) return NULL;
    if (set->kind == OBJ_SET || set->kind == OBJ_FROZENSET) return set;
    if (object_is_call(set, "builtins", "set") && set->call->args->list.count)
        return object_as_sequence(set->call->args->list.items[0]);
    return NULL;
}

/* Whether a set holds the key: the same node (strings are memoized), or the same text. */
static bool contains(const Object *items, const Object *key)
{
    for (size_t i = 0; items && i < items->list.count; i++) {
        const Object *item = items->list.items[i];
        if (item == key) return true;
        if (item->kind == OBJ_STR && key->kind == OBJ_STR &&
            strcmp(item->bytes.text, key->bytes.text) == 0)
            return true;
    }
    return false;
}

/* Back to a prefix: what was appended behind it is gone. */
static void cut_name(ModuleWalk *walk, size_t length)
{
    walk->name.length = length;
    if (walk->name.bytes) walk->name.bytes[length] = '\0';
}

static void note_made(TorchMade *made, const Object *tensor, const char *name)
{
    made->items = mem_grow(made->items, &made->room, made->count + 1, sizeof *made->items);
    made->items[made->count].tensor = tensor;
    made->items[made->count++].name = name;
}

/* The tensors of _parameters or _buffers, less those in `except`; None is no tensor. */
static bool list_group(ModuleWalk *walk, const Object *group, const Object *except)
{
    const Object *dict = object_as_dict(group);
    size_t prefix = walk->name.length, excepted = except ? except->list.count : 0;
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        const Object *key = dict->list.items[i], *value = dict->list.items[i + 1];
        if (!torch_spend(walk->file, 1 + excepted, walk->err)) return false;
        if (value->kind != OBJ_TENSOR || contains(except, key)) continue;
        key_name(key, &walk->name);
        const char *name =
            arena_strndup(dict_arena(walk->dict), text_string(&walk->name), walk->name.length);
        bool fine = torch_list_tensor(walk->file, walk->dict, name, value->tensor, walk->err);
        cut_name(walk, prefix);
        if (!fine) return false;
        if (value->parts) note_made(walk->made, value, name);
    }
    return true;
}

/* Lists what the module itself has, and leaves its modules to be walked. */
static bool enter(ModuleWalk *walk, const Object *module)
{
    const Object *attributes = torch_attributes(module);
    if (!torch_spend(walk->file, walk->name.length, walk->err)) return false;
    const Object *except = set_items(object_get(attributes, "_non_persistent_buffers_set"));
    if (!list_group(walk, object_get(attributes, "_parameters"), NULL) ||
        !list_group(walk, object_get(attributes, "_buffers"), except))
        return false;
    walk->levels = mem_grow(walk->levels, &walk->room, walk->depth + 1, sizeof *walk->levels);
    walk->levels[walk->depth++] = (ModuleLevel){
        object_as_dict(object_get(attributes, "_modules")), 0, walk->name.length};
    return true;
}

/* One submodule of the innermost module, or its end. A module that stands in two places is listed
 * in both, as state_dict() does; the depth and the allowance end a module inside itself. */
static bool next_module(ModuleWalk *walk)
{
    ModuleLevel *level = &walk->levels[walk->depth - 1];
    cut_name(walk, level->prefix);
    if (!level->modules || level->next + 1 >= level->modules->list.count) {
        walk->depth--;
        return true;
    }
    const Object *key = level->modules->list.items[level->next];
    const Object *module = level->modules->list.items[level->next + 1];
    level->next += 2;
    const Object *attributes = torch_attributes(module);
    if (!torch_spend(walk->file, attributes ? attributes->list.count : 1, walk->err)) return false;
    if (!torch_is_module(module)) return true;
    if (walk->depth >= limit(LIMIT_MODULE_DEPTH)) {
        walk->file->too_deep++;
        return true;
    }
    key_name(key, &walk->name);
    text_addc(&walk->name, '.');
    return enter(walk, module);
}

bool torch_list_module(TorchFile *file, const Object *module, StateDict *dict, TorchMade *made,
                       Error *err)
{
    ModuleWalk walk = {.file = file, .dict = dict, .made = made, .err = err};
    bool fine = enter(&walk, module);
    while (fine && walk.depth) fine = next_module(&walk);
    free(walk.levels);
    text_done(&walk.name);
    return fine;
}
