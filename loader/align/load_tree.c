/* The tree is made in two passes: every module that `_metadata` names, in its order, then the
 * module of every key, which is a new one only where `_metadata` does not tell. Names of modules
 * and parameters hold no dots (PyTorch refuses them), so a key's last dot ends its module. */
#include "loader/align/load_tree.h"

#include <stdlib.h>
#include <string.h>

/* What a child is looked up by. The number comes first: a segment may hold anything but a dot. */
static const char *child_key(LoadTree *tree, uint32_t node, const char *segment, size_t n)
{
    text_clear(&tree->scratch);
    text_addf(&tree->scratch, "%u.", node);
    text_addn(&tree->scratch, segment, n);
    return text_string(&tree->scratch);
}

uint32_t load_tree_child(LoadTree *tree, uint32_t node, const char *segment, size_t n)
{
    return map_get(&tree->index, child_key(tree, node, segment, n));
}

/* A node at the end of its parent's children. */
static uint32_t add_node(LoadTree *tree, uint32_t parent, const char *segment, size_t n)
{
    uint32_t index = (uint32_t)tree->node_count;
    tree->nodes = mem_grow(tree->nodes, &tree->node_room, tree->node_count + 1,
                           sizeof *tree->nodes);
    tree->nodes[tree->node_count++] = (LoadNode){
        arena_strndup(tree->arena, segment, n), parent, LOAD_NO_NODE, LOAD_NO_NODE, LOAD_NO_NODE,
        LOAD_NO_NODE, LOAD_NO_NODE, LOAD_NO_NODE, LOAD_NO_NODE, -1, NULL};
    if (parent == LOAD_NO_NODE) return index;
    map_set(&tree->index, arena_strdup(tree->arena, child_key(tree, parent, segment, n)), index);
    LoadNode *above = &tree->nodes[parent];
    if (above->child == LOAD_NO_NODE) above->child = index;
    else tree->nodes[above->last_child].next = index;
    above->last_child = index;
    return index;
}

/* Keys of one part of a model stand together, so a path begins mostly as the one before it: the
 * node where the two part, and in *at how many bytes of the path lead there. */
static uint32_t climb(const LoadTree *tree, const char *path, size_t n, size_t *at)
{
    const char *last = tree->last;
    size_t same = 0;
    *at = 0;
    for (size_t i = 0; i <= n && i <= tree->last_length; i++) {
        const bool ends = i == n || path[i] == '.';
        if (ends && (i == tree->last_length || last[i] == '.')) same = i;
        if (i == n || i == tree->last_length || path[i] != last[i]) break;
    }
    if (!same) return 0;
    uint32_t node = tree->last_node;
    for (size_t i = same; i < tree->last_length; i++)
        if (last[i] == '.') node = tree->nodes[node].parent;
    *at = same + 1;
    return node;
}

/* The node at the first n bytes of a path, which outlives the tree, made where it is not there;
 * *made says whether one was. No bytes are the root. */
static uint32_t reach(LoadTree *tree, const char *path, size_t n, bool *made)
{
    size_t done;
    uint32_t node = climb(tree, path, n, &done);
    const char *at = path + done, *end = path + n;
    while (n && at <= end) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        const size_t length = (size_t)((dot ? dot : end) - at);
        uint32_t next = load_tree_child(tree, node, at, length);
        if (next == LOAD_NO_NODE) {
            next = add_node(tree, node, at, length);
            *made = true;
        }
        node = next;
        at += length + 1;
    }
    tree->last = path;
    tree->last_length = n;
    tree->last_node = node;
    return node;
}

static void take_metadata(LoadTree *tree, const Object *metadata)
{
    const Object *dict = object_as_dict(metadata);
    for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
        const Object *key = dict->list.items[i];
        if (key->kind != OBJ_STR) continue;
        bool made = false;
        uint32_t node = reach(tree, key->bytes.text, strlen(key->bytes.text), &made);
        const Object *version = object_get(dict->list.items[i + 1], "version");
        if (version && version->kind == OBJ_INT && version->integer >= 0)
            tree->nodes[node].version = version->integer;
        tree->nodes[node].spectral =
            object_as_dict(object_get(dict->list.items[i + 1], "spectral_norm"));
    }
}

/* A key of the target becomes something that its module looks for. */
static void add_local(LoadTree *tree, const char *name, const Tensor *tensor, bool lazy)
{
    const char *dot = strrchr(name, '.');
    bool made = false;
    uint32_t node = reach(tree, name, dot ? (size_t)(dot - name) : 0, &made);
    if (dot == name) {           /* ".w": a module without a name, which no real model has */
        node = load_tree_child(tree, 0, "", 0);
        if (node == LOAD_NO_NODE) node = add_node(tree, 0, "", 0);
    }
    tree->inferred = tree->inferred || made;
    uint32_t index = (uint32_t)tree->local_count;
    tree->locals = mem_grow(tree->locals, &tree->local_room, tree->local_count + 1,
                            sizeof *tree->locals);
    tree->locals[tree->local_count++] =
        (LoadLocal){.name = name, .leaf = dot ? dot + 1 : name, .tensor = tensor, .lazy = lazy,
                    .node = node, .next = LOAD_NO_NODE};
    map_set(&tree->names, name, index);
    LoadNode *owner = &tree->nodes[node];
    if (owner->own == LOAD_NO_NODE) owner->own = index;
    else tree->locals[owner->last_own].next = index;
    owner->last_own = index;
}

/* Whether it is a parameter or buffer of a lazy module that has seen no input yet. */
static bool is_lazy(const Object *value)
{
    const Object *callable = value->kind == OBJ_CALL && value->call ? value->call->callable : NULL;
    return callable && callable->kind == OBJ_GLOBAL &&
           strcmp(callable->global.module, LOAD_LAZY_MODULE) == 0 &&
           (strcmp(callable->global.name, LOAD_LAZY_PARAMETER) == 0 ||
            strcmp(callable->global.name, LOAD_LAZY_BUFFER) == 0);
}

/* In the dict's own order, where it is there: what has no shape yet stands among the tensors. State
 * that is no tensor does so too, but PyTorch asks for it behind them, so that the order of all is
 * kept by adding it afterwards. */
static void take_keys(LoadTree *tree, const StateDict *tensors, const Object *node)
{
    const Object *dict = object_as_dict(node);
    for (int others = 0; others < 2; others++)
        for (size_t i = 0; dict && i + 1 < dict->list.count; i += 2) {
            const Object *key = dict->list.items[i], *value = dict->list.items[i + 1];
            if (key->kind != OBJ_STR || map_get(&tree->names, key->bytes.text) != MAP_NONE)
                continue;
            const char *name = key->bytes.text;
            if (value->kind == OBJ_TENSOR) {
                const Tensor *tensor = others ? NULL : dict_find(tensors, name);
                if (tensor) add_local(tree, name, tensor, false);
            } else if (others ? has_suffix(name, "_extra_state") : is_lazy(value)) {
                add_local(tree, name, NULL, !others);
            }
        }
    for (size_t i = 0; i < dict_count(tensors); i++)
        if (map_get(&tree->names, dict_at(tensors, i)->name) == MAP_NONE)
            add_local(tree, dict_at(tensors, i)->name, dict_at(tensors, i), false);
}

void load_tree_init(LoadTree *tree, Arena *arena, const StateDict *dict, const Object *node)
{
    *tree = (LoadTree){.arena = arena};
    map_init(&tree->index);
    map_init(&tree->names);
    add_node(tree, LOAD_NO_NODE, "", 0);
    const Object *metadata = dict_torch_metadata(dict);
    tree->inferred = !object_as_dict(metadata);
    take_metadata(tree, metadata);
    take_keys(tree, dict, node);
}

void load_tree_done(LoadTree *tree)
{
    map_done(&tree->index);
    map_done(&tree->names);
    text_done(&tree->scratch);
    free(tree->nodes);
    free(tree->locals);
}

/* Upwards until there is a sibling: no stack, however deep the tree is. */
uint32_t load_tree_next(const LoadTree *tree, uint32_t node)
{
    if (tree->nodes[node].child != LOAD_NO_NODE) return tree->nodes[node].child;
    while (node != LOAD_NO_NODE && tree->nodes[node].next == LOAD_NO_NODE)
        node = tree->nodes[node].parent;
    return node == LOAD_NO_NODE ? LOAD_NO_NODE : tree->nodes[node].next;
}

const LoadLocal *load_tree_own(const LoadTree *tree, uint32_t node, const char *leaf)
{
    for (uint32_t i = tree->nodes[node].own; i != LOAD_NO_NODE; i = tree->locals[i].next)
        if (strcmp(tree->locals[i].leaf, leaf) == 0) return &tree->locals[i];
    return NULL;
}
