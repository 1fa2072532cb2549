/* The copy of the tree, made by a walk with a stack of its own: a record for each node that is met,
 * its copy made on the way in and filled on the way out, so that cycles find the copy there. */
#include "loader/export/whole.h"

#include <stdlib.h>
#include <string.h>

#include "loader/export/identity_map.h"
#include "loader/export/whole_parts.h"
#include "loader/format/graph.h"

/* Longer paths are cut in notes; aliases of aliases that are followed. */
enum { PATH_SHOWN = 300, ALIASES_MAX = 64 };

/* A node on the way through. */
typedef struct Frame {
    uint32_t record;
    size_t next;             /* the next child */
    size_t path;             /* length of the node's own path */
} Frame;

typedef struct Copier {
    Arena *arena;
    Whole *whole;
    const Checkpoint *source;
    const Object *container; /* the node that becomes the slot */
    size_t others;           /* its entries that are no tensors */
    const Object *optimizer; /* the node that something else stands for; NULL: none */
    Object *moved;           /* what does; NULL: nothing, it is left out */
    IdentityMap known;       /* node → record */
    WholePart *records;      /* owned */
    size_t count, room;
    Frame *frames;           /* owned */
    size_t depth, frame_room;
    Text path;               /* of the node under way; owned */
} Copier;

/* Numbers and text are themselves; everything else has a record. */
static bool is_leaf(const Object *node)
{
    switch ((ObjectKind)node->kind) {
    case OBJ_NONE: case OBJ_BOOL: case OBJ_INT: case OBJ_FLOAT: case OBJ_STR: return true;
    default: return false;
    }
}

static void add_note(Copier *copier, const char *what, const char *became)
{
    Whole *whole = copier->whole;
    if (whole->note_count >= WHOLE_NOTES_MAX) {
        whole->notes_left_out++;
        return;
    }
    whole->notes = arena_grow(copier->arena, whole->notes, whole->note_count, &whole->note_room,
                              sizeof *whole->notes);
    const char *end = text_string(&copier->path), *start = end;
    while (*end && end - start < PATH_SHOWN) utf8_next(&end, start + copier->path.length);
    whole->notes[whole->note_count++] = (ReportLoss){
        arena_strndup(copier->arena, start, (size_t)(end - start)),
        arena_strdup(copier->arena, what), became};
}

/* The module's own container: its state dict was listed when the file was opened. */
static const Container *find_module(const Copier *copier, const Object *node)
{
    for (size_t i = 0; i < checkpoint_container_count(copier->source); i++) {
        const Container *one = checkpoint_container(copier->source, i);
        if (one->node == node) return one;
    }
    return NULL;
}

/* What the node becomes; its children are still to come. */
static void start_record(Copier *copier, WholePart *part, const Object *node)
{
    Text what = {0};
    part->from = node;
    if (node == copier->optimizer) {
        part->alias = copier->moved;
        part->kept = copier->moved != NULL;
        return;
    }
    if (node == copier->container) {
        whole_part_slot(copier->arena, part, node);
        copier->whole->slot = part->to;
        if (copier->others && !part->pairs->list.count)
            add_note(copier, "entries among the tensors' dicts that are no tensors", NULL);
        return;
    }
    if (whole_is_module(node)) {
        const Container *module = find_module(copier, node);
        whole_part_module(copier->arena, part, module ? module->dict : NULL);
    } else {
        whole_part_start(copier->arena, part, node);
    }
    if (part->kept && part->note) {
        whole_show(node, &what);
        add_note(copier, text_string(&what), part->note);
    }
    text_done(&what);
}

/* The record of a node, made and entered when it is new. */
static void enter(Copier *copier, const Object *node)
{
    if (identity_get(&copier->known, node) != IDENTITY_NONE) return;
    copier->records = mem_grow(copier->records, &copier->room, copier->count + 1,
                               sizeof *copier->records);
    uint32_t number = (uint32_t)copier->count++;
    copier->records[number] = (WholePart){0};
    identity_set(&copier->known, node, number);
    start_record(copier, &copier->records[number], node);
    copier->frames = mem_grow(copier->frames, &copier->frame_room, copier->depth + 1,
                              sizeof *copier->frames);
    copier->frames[copier->depth++] = (Frame){number, 0, copier->path.length};
}

/* What stands for a node in the new tree; NULL: it is left out. */
static Object *copy_of(const Copier *copier, const Object *node)
{
    for (unsigned hops = 0; node && hops < ALIASES_MAX; hops++) {
        if (is_leaf(node)) return (Object *)node;
        uint32_t number = identity_get(&copier->known, node);
        if (number == IDENTITY_NONE) return NULL;
        const WholePart *part = &copier->records[number];
        if (!part->kept) return NULL;
        if (!part->alias) return part->to;
        node = part->alias;
    }
    return NULL;
}

/* Something is missing where `key` or `index` leads: said at every such place, since one object
 * may stand in many. The path is the holder's. */
static void note_missing(Copier *copier, const Object *node, const Object *key, size_t index)
{
    Text what = {0};
    size_t length = copier->path.length;
    whole_show(node, &what);
    if (key) path_add_key(&copier->path, key);
    else path_add_index(&copier->path, index);
    add_note(copier, text_string(&what), NULL);
    copier->path.length = length;
    copier->path.bytes[length] = '\0';
    text_done(&what);
}

static void fill_pairs(Copier *copier, Object *dict, const Object *pairs)
{
    for (size_t i = 0; i + 1 < pairs->list.count; i += 2) {
        const Object *from = pairs->list.items[i];
        Object *key = copy_of(copier, from), *value = copy_of(copier, pairs->list.items[i + 1]);
        if (key && value && whole_can_be_key(key)) {
            object_push(copier->arena, dict, key);
            object_push(copier->arena, dict, value);
        } else {
            note_missing(copier, value ? from : pairs->list.items[i + 1], from, 0);
        }
    }
}

/* In a list or tuple what is left out leaves None, so that the others keep their places; false
 * when a part of a call is missing, which cannot be called without it. */
static bool fill_items(Copier *copier, Object *list, const Object *items, bool all)
{
    for (size_t i = 0; i < items->list.count; i++) {
        Object *item = copy_of(copier, items->list.items[i]);
        if (!item && all) return false;
        bool out = !item || (list->kind == OBJ_SET && !whole_can_be_key(item));
        if (out) note_missing(copier, items->list.items[i], NULL, i);
        if (out && list->kind == OBJ_SET) continue;
        object_push(copier->arena, list, item ? item : object_new(copier->arena, OBJ_NONE));
    }
    return true;
}

/* All children are copied: the node's copy gets them. */
static void leave(Copier *copier, WholePart *part)
{
    Object *to = part->to;
    if (!part->kept || part->alias) return;
    bool call = to->kind == OBJ_CALL;
    if (part->pairs) {
        if (call && !to->call->map) to->call->map = object_new(copier->arena, OBJ_DICT);
        fill_pairs(copier, call ? to->call->map : to, part->pairs);
    }
    if (part->items && !fill_items(copier, call ? to->call->args : to, part->items, call)) {
        part->kept = false;      /* its holders say so */
        *to = (Object){.kind = OBJ_NONE};    /* for a cycle that has it already */
        return;
    }
    Object *state = part->state ? copy_of(copier, part->state) : NULL;
    if (state && state->kind == OBJ_DICT && state->list.count) to->call->state = state;
}

/* The children of a record: pairs, items, the state, the alias; NULL behind the last. *step says
 * how the path goes on: a key, or an index; neither for a call's parts. */
static const Object *child_at(const WholePart *part, size_t next, const Object **key,
                              size_t *index)
{
    size_t pairs = part->pairs ? part->pairs->list.count : 0;
    size_t items = part->items ? part->items->list.count : 0;
    *key = NULL;
    *index = SIZE_MAX;
    if (next < pairs) {
        if (next % 2) *key = part->pairs->list.items[next - 1];
        return part->pairs->list.items[next];
    }
    next -= pairs;
    if (next < items) {
        if (part->to->kind != OBJ_CALL) *index = next;
        return part->items->list.items[next];
    }
    next -= items;
    if (part->state && next-- == 0) return part->state;
    if (part->alias && next-- == 0) return part->alias;
    return NULL;
}

/* NumPy's scalars were read as the numbers that they equal; weights_only refuses the scalars. */
static bool was_scalar(const Object *leaf)
{
    bool number = leaf->kind == OBJ_BOOL || leaf->kind == OBJ_INT || leaf->kind == OBJ_FLOAT;
    return number && leaf->origin;
}

/* One step of the walk. */
static void step(Copier *copier)
{
    Frame *frame = &copier->frames[copier->depth - 1];
    WholePart *part = &copier->records[frame->record];
    const Object *key;
    size_t index;
    copier->path.length = frame->path;
    if (copier->path.bytes) copier->path.bytes[frame->path] = '\0';
    const Object *child =
        part->kept ? child_at(part, frame->next++, &key, &index) : NULL;
    if (!child) {
        leave(copier, part);
        copier->depth--;
        return;
    }
    if (is_leaf(child) && !was_scalar(child)) return;
    if (key) path_add_key(&copier->path, key);
    else if (index != SIZE_MAX) path_add_index(&copier->path, index);
    if (is_leaf(child)) add_note(copier, "a NumPy scalar", "a Python number");
    else enter(copier, child);
}

static void copy_tree(Copier *copier, const Object *root)
{
    enter(copier, root);
    while (copier->depth) step(copier);
}

/* Whether the container was put together from dicts inside of its node, under joined names. */
static bool is_joined(const Container *container)
{
    const Object *dict = object_as_dict(container->node);
    for (size_t i = 1; dict && i < dict->list.count; i += 2)
        if (dict->list.items[i]->kind == OBJ_TENSOR) return false;
    return dict && !whole_is_module(container->node);
}

const Whole *whole_new(Arena *arena, const Checkpoint *source, const Container *container,
                       bool unchanged, const OptimizerMove *optimizer, Error *err)
{
    Whole *whole = arena_alloc(arena, sizeof *whole);
    const Object *root = source ? checkpoint_root(source) : NULL;
    if (!root || !container || !container->node || root->kind == OBJ_TENSOR) {
        WholePart slot = {0};
        whole_part_slot(arena, &slot, NULL);
        whole->root = whole->slot = slot.to;
        return whole;
    }
    Copier copier = {.arena = arena, .whole = whole, .source = source,
                     .container = container->node, .others = container->others};
    if (optimizer) {
        copier.optimizer = optimizer->node;
        if (!optimizer->left_out)
            copier.moved = whole_optimizer(arena, optimizer, &whole->values, &whole->value_count);
    }
    bool as_it_was = unchanged && is_joined(container);
    if (as_it_was) copier.container = NULL;
    copy_tree(&copier, root);
    whole->root = is_leaf(root) ? (Object *)root : copy_of(&copier, root);
    bool placed = (whole->slot || as_it_was) && whole->root;
    free(copier.records);
    free(copier.frames);
    identity_done(&copier.known);
    text_done(&copier.path);
    if (placed) return whole;
    Text place = {0};
    name_show(container->path, &place);
    error_set(err, ERR_UNSUPPORTED, "%s: the state dict at '%s' stands in an object that "
              "PyTorch's weights_only does not load, so --whole cannot put it back there; leave "
              "--whole out", checkpoint_path(source), text_string(&place));
    text_done(&place);
    return NULL;
}
