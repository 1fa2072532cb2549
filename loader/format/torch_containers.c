/* Containers: every place of the object graph that holds tensors, with its path.
 *
 * A place is a dict, a sequence, or an object, whose attributes (or, without any, whose
 * arguments) count. Besides each place, a dict of dicts of tensors is offered as one, keys
 * joined by dots. Object.mark says what is known of a place that was met before.
 *
 *   {'epoch': 3, 'model': OrderedDict(w=T, b=T), 'ema': {'enc': {w: T}, 'dec': {w: T}}}
 *
 * gives model (w, b), ema.enc (w), ema.dec (w), and ema, joined (enc.w, dec.w). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/graph.h"
#include "loader/format/torch.h"

/* What Object.mark of a place says. The walks of torch.c have left all marks 0. */
typedef enum PlaceState {
    PLACE_NEW,       /* not met yet */
    PLACE_OPEN,      /* we are inside: meeting it again means a cycle */
    PLACE_EMPTY,     /* a dict with nothing in it */
    PLACE_JOINS,     /* a dict of tensors and plain values, or of such dicts */
    PLACE_APART      /* anything else */
} PlaceState;

/* About the bytes of a StateDict with a few tensors. */
enum { CONTAINER_COST = 1024 };

/* A place that the walk is inside of. */
typedef struct Level {
    Object *node;            /* the place itself, which carries the mark */
    const Object *items;     /* the DICT, LIST or TUPLE behind it */
    size_t next;             /* its next item to look at */
    size_t path;             /* length of its path */
    size_t tensors, plain, dicts;    /* children: tensors; None, bool, number, text; JOINS */
    bool apart;              /* it has other children */
    bool optimizer;          /* it, or a place around it, looks like optimizer state */
} Level;

typedef struct Lister {
    TorchFile *file;         /* borrowed */
    Level *levels;           /* owned */
    size_t depth, room;      /* levels under way; room for */
    Object **met;            /* places whose mark is set; owned */
    size_t met_count, met_room;      /* of met */
    Text path;               /* of the place under way; owned */
    Error *err;              /* the caller's */
} Lister;

/* A memo can put one dict of a thousand tensors under a million names with a few bytes each. What
 * listing costs is therefore paid for, and the purse is filled by the pickle's own length. */
bool torch_spend(TorchFile *file, uint64_t bytes, Error *err)
{
    if (bytes <= file->listing_left) {
        file->listing_left -= bytes;
        return true;
    }
    char more[LIMIT_TEXT];
    return error_set(err, ERR_LIMIT, "the same parts are repeated so often that the bytes that "
                     "listing them takes, besides %" PRIu64 " for each byte of the pickle, are %s",
                     limit(LIMIT_LISTING_RATIO), limit_text(LIMIT_LISTING_BYTES, more));
}

bool torch_is_dict(const Object *node)
{
    return object_as_dict(node) || object_is_call(node, "collections", "OrderedDict");
}

/* The record is copied, and only the name differs: one tensor may stand in many containers. */
bool torch_list_tensor(TorchFile *file, StateDict *dict, const char *name, const Tensor *tensor,
                       Error *err)
{
    if (!torch_spend(file, strlen(name) + sizeof *tensor, err)) return false;
    Tensor named = *tensor;
    named.name = name;
    dict_add(dict, &named);
    return true;
}

/* --- the tensors of one place --------------------------------------------------------- */

/* An entry of a dict as Python would have it: the last value of equal keys. */
typedef struct Entry {
    const char *name;
    const Object *key, *value;
} Entry;

/* The key as a held name; borrowed where the key is text already. */
static const char *entry_name(Arena *arena, const Object *key)
{
    if (key->kind == OBJ_STR) return key->bytes.text;
    Text name = {0};
    key_name(key, &name);
    const char *copy = arena_strndup(arena, text_string(&name), name.length);
    text_done(&name);
    return copy;
}

/* Keys that differ for Python may be equal as names (0 and "0"): text keeps its name, the other
 * key is written as in a path, [0]. */
static void name_apart(TorchFile *file, Entry *entry)
{
    Text name = {0}, shown = {0};
    path_add_key(&name, entry->key);
    name_show(entry->name, &shown);
    entry->name = arena_strndup(file->arena, text_string(&name), name.length);
    torch_find(file, FINDING_WARNING, "names", entry->name, NULL, "two keys of one dict are both "
               "written '%.80s'; the one that is no text is listed as '%.80s'",
               text_string(&shown), entry->name);
    text_done(&name);
    text_done(&shown);
}

/* Whether a key is text, which Python 2 wrote as bytes. */
static bool is_text(const Object *key)
{
    return key->kind == OBJ_STR || key->kind == OBJ_BYTES;
}

/* The entries of a DICT, one for two of its items, equal names and all; how many are tensors. The
 * nodes are nowhere near the processor, and are sent for a little before. */
static bool name_entries(Lister *lister, const Object *dict, Entry *entries, size_t *tensors)
{
    enum { AHEAD = 8 };
    Object *const *items = dict->list.items;
    for (size_t i = 0; i < dict->list.count / 2; i++) {
        const Object *key = items[2 * i], *value = items[2 * i + 1];
        if (2 * (i + AHEAD) + 1 < dict->list.count) {
            __builtin_prefetch(items[2 * (i + AHEAD)]);
            __builtin_prefetch(items[2 * (i + AHEAD) + 1]);
        }
        entries[i] = (Entry){entry_name(lister->file->arena, key), key, value};
        *tensors += value->kind == OBJ_TENSOR;
        if (!torch_spend(lister->file, strlen(entries[i].name), lister->err)) return false;
    }
    return true;
}

/* Leaves those that are different; returns how many. */
static size_t merge_entries(Lister *lister, Entry *entries, size_t count)
{
    NameMap index;
    size_t kept = 0;
    map_init(&index);
    for (size_t i = 0; i < count; i++) {
        Entry entry = entries[i];
        uint32_t before = map_get(&index, entry.name);
        if (before != MAP_NONE && is_text(entries[before].key) != is_text(entry.key)) {
            Entry *other = is_text(entry.key) ? &entries[before] : &entry;
            name_apart(lister->file, other);
            if (is_text(entry.key)) map_set(&index, other->name, before);
            before = is_text(entry.key) ? MAP_NONE : map_get(&index, entry.name);
        }
        if (before != MAP_NONE) {
            entries[before].value = entry.value;
            continue;
        }
        map_set(&index, entry.name, (uint32_t)kept);
        entries[kept++] = entry;
    }
    map_done(&index);
    return kept;
}

/* Whether all names are different: those of tensors, which are numbered in their order, and the
 * others. Asking all names together finds that out in half the time. */
static bool all_differ(const Entry *entries, size_t count, size_t tensors, NameMap *index)
{
    const char **names = mem_alloc(tensors * sizeof *names);
    bool *added = mem_alloc(tensors * sizeof *added);
    NameMap others;
    map_init(&others);
    for (size_t i = 0, at = 0; i < count; i++)
        if (entries[i].value->kind == OBJ_TENSOR) names[at++] = entries[i].name;
    map_add_many(index, names, tensors, 0, added);
    bool differ = !memchr(added, false, tensors);
    for (size_t i = 0; tensors < count && differ && i < count; i++)
        if (entries[i].value->kind != OBJ_TENSOR)
            differ = map_get(index, entries[i].name) == MAP_NONE &&
                     map_add(&others, entries[i].name, 0);
    map_done(&others);
    free(names);
    free(added);
    return differ;
}

/* The records of all tensors, named; `index` has their numbers. */
static bool take_tensors(Lister *lister, const Entry *entries, size_t tensors, NameMap *index,
                         StateDict *dict)
{
    Tensor *records = mem_realloc(NULL, tensors * sizeof *records);
    bool fine = true;
    for (size_t at = 0; fine && at < tensors; entries++) {
        if (entries->value->kind != OBJ_TENSOR) continue;
        records[at] = *entries->value->tensor;
        records[at++].name = entries->name;
        fine = torch_spend(lister->file, strlen(entries->name) + sizeof *records, lister->err);
    }
    if (fine) dict_take(dict, records, tensors, index);
    else free(records);
    return fine;
}

/* The same where names repeat: the last value of each that is there. */
static bool add_tensors(Lister *lister, const Entry *entries, size_t count, StateDict *dict)
{
    bool fine = true;
    for (size_t i = 0; fine && i < count; i++)
        if (entries[i].value->kind == OBJ_TENSOR)
            fine = torch_list_tensor(lister->file, dict, entries[i].name, entries[i].value->tensor,
                                     lister->err);
    return fine;
}

static size_t count_tensors(const Entry *entries, size_t count)
{
    size_t tensors = 0;
    for (size_t i = 0; i < count; i++) tensors += entries[i].value->kind == OBJ_TENSOR;
    return tensors;
}

/* The tensors of a DICT under their keys; *others counts what else is there. Nearly always all keys
 * are different. */
static bool list_dict(Lister *lister, const Object *items, StateDict *dict, size_t *others)
{
    size_t count = items->list.count / 2, tensors = 0;
    Entry *entries = mem_alloc(count * sizeof *entries);
    NameMap index;
    map_init(&index);
    bool fine = name_entries(lister, items, entries, &tensors);
    const bool differ = fine && all_differ(entries, count, tensors, &index);
    if (fine && !differ) count = merge_entries(lister, entries, count);
    if (fine && !differ) tensors = count_tensors(entries, count);
    if (fine) *others += count - tensors;
    fine = fine && (differ ? take_tensors(lister, entries, tensors, &index, dict)
                           : add_tensors(lister, entries, count, dict));
    map_done(&index);
    free(entries);
    return fine;
}

/* The tensors of a LIST or TUPLE under "[0]", "[1]" … */
static bool list_sequence(Lister *lister, const Object *items, StateDict *dict, size_t *others)
{
    Text name = {0};
    bool fine = true;
    for (size_t i = 0; fine && i < items->list.count; i++) {
        if (items->list.items[i]->kind != OBJ_TENSOR) {
            ++*others;
            continue;
        }
        text_clear(&name);
        path_add_index(&name, i);
        fine = torch_list_tensor(lister->file, dict,
                                 arena_strndup(lister->file->arena, name.bytes, name.length),
                                 items->list.items[i]->tensor, lister->err);
    }
    text_done(&name);
    return fine;
}

/* state_dict() gives its OrderedDict an attribute _metadata. */
static const Object *torch_metadata(const Object *node)
{
    return node->kind == OBJ_CALL ? object_get(node->call->state, "_metadata") : NULL;
}

/* Takes over `dict`; one without tensors is no container. */
static bool add_container(Lister *lister, const Object *node, StateDict *dict, size_t others,
                          bool optimizer)
{
    if (!dict_count(dict)) {
        dict_unref(dict);
        return true;
    }
    checkpoint_add_container(lister->file->checkpoint, text_string(&lister->path), dict, others,
                             optimizer);
    if (!checkpoint_check_limits(lister->file->checkpoint, lister->err)) return false;
    checkpoint_set_container_node(lister->file->checkpoint, node);
    return torch_spend(lister->file, lister->path.length + CONTAINER_COST, lister->err);
}

/* A container of what the place itself holds. */
static bool list_place(Lister *lister, const Object *node, const Object *items, bool optimizer)
{
    StateDict *dict = dict_new();
    size_t others = 0;
    if (object_as_dict(node)) dict_set_torch_metadata(dict, torch_metadata(node));
    bool fine = items->kind == OBJ_DICT ? list_dict(lister, items, dict, &others)
                                        : list_sequence(lister, items, dict, &others);
    if (fine) return add_container(lister, node, dict, others, optimizer);
    dict_unref(dict);
    return false;
}

/* What a tensor is made of, under the tensor's path, which is set. */
static bool list_parts(Lister *lister, const Object *tensor)
{
    checkpoint_add_parts(lister->file->checkpoint, text_string(&lister->path),
                         dict_ref(tensor->parts));
    checkpoint_set_container_node(lister->file->checkpoint, tensor);
    return torch_spend(lister->file, lister->path.length + CONTAINER_COST, lister->err);
}

/* The same for the tensors of a module, called as if its state dict had been saved. */
static bool list_made(Lister *lister, const TorchMade *made)
{
    size_t length = lister->path.length;
    bool fine = true;
    for (size_t i = 0; fine && i < made->count; i++) {
        path_add_key(&lister->path, object_str(lister->file->arena, made->items[i].name));
        fine = list_parts(lister, made->items[i].tensor);
        lister->path.length = length;
        lister->path.bytes[length] = '\0';
    }
    return fine;
}

/* A container of a module's state dict (torch_module.c). */
static bool list_module(Lister *lister, const Object *node, bool optimizer)
{
    StateDict *dict = dict_new();
    TorchMade made = {0};
    bool fine = torch_list_module(lister->file, node, dict, &made, lister->err);
    fine = fine && add_container(lister, node, dict_ref(dict), 0, optimizer) &&
           list_made(lister, &made);
    free(made.items);
    dict_unref(dict);
    return fine;
}

/* --- dicts of dicts, joined ----------------------------------------------------------- */

/* A dict that the join is inside of. */
typedef struct JoinLevel {
    const Object *items;     /* a DICT */
    size_t next, prefix;     /* its next item; length of the prefix of its names */
} JoinLevel;

typedef struct Join {
    Lister *lister;
    StateDict *dict;         /* being filled; handed to add_container */
    JoinLevel *levels;       /* owned */
    size_t depth, room;      /* levels under way; room for */
    Text name;               /* owned */
    size_t others;           /* entries that are neither tensors nor dicts */
} Join;

static bool join_enter(Join *join, const Object *items)
{
    if (!torch_spend(join->lister->file, join->name.length + sizeof(JoinLevel), join->lister->err))
        return false;
    join->levels = mem_grow(join->levels, &join->room, join->depth + 1, sizeof *join->levels);
    join->levels[join->depth++] = (JoinLevel){items, 0, join->name.length};
    return true;
}

/* One item of the innermost dict, or its end. There is no cycle to be caught in: a place that is
 * inside itself is PLACE_APART, and so is every place around it. */
static bool join_next(Join *join)
{
    JoinLevel *level = &join->levels[join->depth - 1];
    join->name.length = level->prefix;
    if (level->next + 1 >= level->items->list.count) {
        join->depth--;
        return true;
    }
    const Object *key = level->items->list.items[level->next];
    const Object *value = level->items->list.items[level->next + 1];
    level->next += 2;
    key_name(key, &join->name);
    if (value->kind == OBJ_TENSOR)
        return torch_list_tensor(join->lister->file, join->dict,
                                 arena_strndup(dict_arena(join->dict), join->name.bytes,
                                               join->name.length),
                                 value->tensor, join->lister->err);
    const Object *inner = object_as_dict(value);
    if (!inner) {
        join->others++;
        return torch_spend(join->lister->file, 1, join->lister->err);
    }
    text_addc(&join->name, '.');
    return join_enter(join, inner);
}

/* The dicts below a place as one container, names joined by dots: "enc.w". */
static bool list_joined(Lister *lister, const Level *outer)
{
    Join join = {.lister = lister, .dict = dict_new()};
    bool fine = join_enter(&join, outer->items);
    while (fine && join.depth) fine = join_next(&join);
    free(join.levels);
    text_done(&join.name);
    if (fine)
        return add_container(lister, outer->node, join.dict, join.others, outer->optimizer);
    dict_unref(join.dict);
    return false;
}

/* --- the walk ------------------------------------------------------------------------- */

/* What a place holds, or NULL when the node is none. */
static const Object *items_of(const Object *node)
{
    const Object *items = object_as_dict(node);
    if (!items) items = object_as_sequence(node);
    if (items || node->kind != OBJ_CALL) return items;
    items = torch_attributes(node);
    if (!items) items = object_as_sequence(node->call->state);
    return items ? items : node->call->args;
}

/* What stands beside tensors without making a dict anything but a state dict. */
static bool is_plain(const Object *node)
{
    switch ((ObjectKind)node->kind) {
    case OBJ_NONE: case OBJ_BOOL: case OBJ_INT: case OBJ_BIGINT: case OBJ_FLOAT: case OBJ_STR:
        return true;
    default: return false;
    }
}

/* "optimizer", "optimizer_states", "d_optimizer", "optim_g" … */
static bool is_optimizer_key(const Object *key)
{
    if (key->kind != OBJ_STR) return false;
    const char *name = key->bytes.text;
    return strstr(name, "optimizer") || strcmp(name, "optim") == 0 || has_prefix(name, "optim_") ||
           has_suffix(name, "_optim");
}

/* Optimizer.state_dict(): {'state': {0: {…}, …}, 'param_groups': […]}. */
static bool is_optimizer(const Object *items)
{
    return object_get(items, "state") && object_get(items, "param_groups");
}

/* Marks a place, and notes it to be unmarked at the end. */
static void meet(Lister *lister, Object *node, PlaceState state)
{
    node->mark = (uint8_t)state;
    lister->met =
        mem_grow(lister->met, &lister->met_room, lister->met_count + 1, sizeof *lister->met);
    lister->met[lister->met_count++] = node;
}

/* Only values are children: in a DICT every second item, from the first value on. */
static void count_children(Level *level)
{
    const Object *items = level->items;
    size_t step = items->kind == OBJ_DICT ? 2 : 1;
    for (size_t i = step - 1; i < items->list.count; i += step) {
        const Object *child = items->list.items[i];
        if (child->kind == OBJ_TENSOR) level->tensors++;
        else if (is_plain(child)) level->plain++;
        else if (!items_of(child)) level->apart = true;
    }
}

/* Pays for looking at each item of a place, which it may share with others. */
static bool pay(Lister *lister, const Object *node)
{
    const Object *attributes = torch_attributes(node);
    uint64_t items = items_of(node)->list.count + (attributes ? attributes->list.count : 0);
    return torch_spend(lister->file, items, lister->err);
}

/* A place met for the first time: lists it and goes inside. Called with its path set. */
static bool enter(Lister *lister, Object *node, bool optimizer)
{
    if (torch_is_module(node)) {
        meet(lister, node, PLACE_APART);
        return list_module(lister, node, optimizer);
    }
    if (lister->depth >= limit(LIMIT_DEPTH)) {
        lister->file->too_deep++;
        return true;
    }
    meet(lister, node, PLACE_OPEN);
    const Object *items = items_of(node);
    Level level = {.node = node, .items = items, .path = lister->path.length};
    level.optimizer = optimizer || is_optimizer(items);
    level.apart = !torch_is_dict(node);
    count_children(&level);
    lister->levels =
        mem_grow(lister->levels, &lister->room, lister->depth + 1, sizeof *lister->levels);
    lister->levels[lister->depth++] = level;
    return !level.tensors || list_place(lister, node, items, level.optimizer);
}

/* A place met again, on another path: its tensors are offered there too, its inside is not
 * gone through again. */
static bool enter_again(Lister *lister, Object *node, bool optimizer)
{
    if (node->mark == PLACE_OPEN) return true;
    if (torch_is_module(node)) return list_module(lister, node, optimizer);
    return list_place(lister, node, items_of(node), optimizer);
}

/* What a child turned out to be decides what its parent can be. */
static void tell_parent(Lister *lister, PlaceState state)
{
    if (!lister->depth) return;
    Level *parent = &lister->levels[lister->depth - 1];
    if (state == PLACE_JOINS) parent->dicts++;
    else if (state != PLACE_EMPTY) parent->apart = true;
}

/* All children are done, so it is known what the place is. It joins when it holds two dicts or
 * more and no tensor: one dict alone would only repeat its tensors under longer names. */
static bool leave(Lister *lister)
{
    Level level = lister->levels[--lister->depth];
    lister->path.length = level.path;
    if (lister->path.bytes) lister->path.bytes[level.path] = '\0';
    PlaceState state = PLACE_APART;
    if (!level.apart && !level.items->list.count) state = PLACE_EMPTY;
    else if (!level.apart && (level.tensors || (level.dicts && !level.plain))) state = PLACE_JOINS;
    level.node->mark = (uint8_t)state;
    tell_parent(lister, state);
    bool joined = state == PLACE_JOINS && !level.tensors && level.dicts >= 2;
    return !joined || list_joined(lister, &level);
}

/* One child of the innermost place, or its end. Tensors were listed with their place. A child
 * that was not entered (met before, a module, too deep) tells its parent here; one that was
 * entered does it when it is left. */
static bool next_child(Lister *lister)
{
    Level *level = &lister->levels[lister->depth - 1];
    const Object *items = level->items;
    if (level->next >= items->list.count) return leave(lister);
    bool keyed = items->kind == OBJ_DICT, optimizer = level->optimizer;
    size_t index = level->next;
    level->next += keyed ? 2 : 1;
    Object *child = items->list.items[index + (keyed ? 1 : 0)];
    bool parts = child->kind == OBJ_TENSOR && child->parts;
    if (!parts && (child->kind == OBJ_TENSOR || !items_of(child))) return true;
    lister->path.length = level->path;
    if (keyed) path_add_key(&lister->path, items->list.items[index]);
    else path_add_index(&lister->path, index);
    if (parts) return list_parts(lister, child);
    if (!torch_spend(lister->file, lister->path.length - level->path, lister->err) ||
        !pay(lister, child))
        return false;
    optimizer = optimizer || (keyed && is_optimizer_key(items->list.items[index]));
    size_t depth = lister->depth;
    PlaceState before = (PlaceState)child->mark;
    if (before != PLACE_NEW ? !enter_again(lister, child, optimizer)
                            : !enter(lister, child, optimizer))
        return false;
    if (lister->depth == depth) tell_parent(lister, before == PLACE_NEW ? PLACE_APART : before);
    return true;
}

/* torch.save(tensor) makes a file of one tensor: a container "" with the name "". Its parts
 * stand under "tensor". */
static bool list_root(Lister *lister)
{
    Object *root = lister->file->root;
    if (root->kind == OBJ_TENSOR) {
        StateDict *dict = dict_new();
        if (!torch_list_tensor(lister->file, dict, "", root->tensor, lister->err)) {
            dict_unref(dict);
            return false;
        }
        if (!add_container(lister, root, dict, 0, false)) return false;
        text_add(&lister->path, root->parts ? "tensor" : "");
        return !root->parts || list_parts(lister, root);
    }
    return !items_of(root) || (pay(lister, root) && enter(lister, root, false));
}

bool torch_list_containers(TorchFile *file, Error *err)
{
    Lister lister = {.file = file, .err = err};
    bool fine = list_root(&lister);
    while (fine && lister.depth) fine = next_child(&lister);
    if (!fine) error_prefix(err, "%s", file->name);
    for (size_t i = 0; i < lister.met_count; i++) lister.met[i]->mark = 0;
    free(lister.levels);
    free(lister.met);
    text_done(&lister.path);
    return fine;
}
