/* A walk over the object tree from the top, with a stack of its own. loader/format/graph.h walks
 * children before parents; a listing needs the parent first, and a path for every node. One path
 * is kept and grows and shrinks with the walk: a file can give a million nodes long paths. */
#include "repl/object_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/core/limits.h"
#include "loader/export/identity_map.h"
#include "loader/format/fault.h"
#include "loader/format/graph.h"

/* Bytes of a path that are shown: a key may have a million, and stand above a million nodes. */
enum { PATH_SHOWN = 1000 };

/* Object.mark of a node: where the walk is with it. */
enum { MARK_OPEN = 1, MARK_DONE = 2 };

/* A node whose children are being shown. */
typedef struct Frame {
    Object *node;            /* borrowed from the checkpoint */
    size_t next;             /* the next child */
    size_t path;             /* length of the node's path */
    uint32_t place;          /* its number in the walk's places */
} Frame;

/* Where a node is shown, from which its path can be told again: kept for nodes that may be met
 * again, whose paths together may be far longer than the file. */
typedef struct Place {
    Object *node;
    uint32_t parent;         /* its place; IDENTITY_NONE: the root */
    size_t child;            /* which of the parent's children it is */
} Place;

/* What is said of one node. */
typedef struct Shown {
    const char *path;
    const Object *object;
    const char *same_as;     /* where it was shown; NULL: here */
    bool cycle;              /* it contains itself: it is being shown */
    bool deeper;             /* it has parts that lie too deep to be shown */
} Shown;

typedef void Visit(const Shown *shown, void *context);

typedef struct Walk {
    Frame *frames;           /* owned */
    size_t depth, room;
    Text path;               /* owned */
    Place *places;           /* of the nodes whose mark is set; owned */
    size_t place_count, place_room;
    IdentityMap numbers;     /* node with a mark → its place */
    uint64_t shown, more;    /* nodes that were shown, and that were not */
    uint64_t deeper;         /* nodes with parts too deep */
    Visit *visit;
    void *context;
} Walk;

/* --- children ------------------------------------------------------------------------- */

static const Object *args_of(const Object *call)
{
    const Object *args = call->call->args;
    return args && args->list.count ? args : NULL;
}

/* The class of a call, where the file carries the text of its Python file. */
static bool has_source(const ObjectCall *call)
{
    return call->callable && object_source(call->callable, NULL, NULL, NULL);
}

/* A call's arguments and state have no path of their own in the tree; <args>, <kwargs>, <state>
 * and <class> name them. What was put into it is reached as in a list or dict. NULL behind the
 * last; the child's step is added to the path. */
static Object *call_child(const Object *node, size_t next, Text *path)
{
    const ObjectCall *call = node->call;
    size_t list = call->list ? call->list->list.count : 0;
    size_t map = call->map ? call->map->list.count / 2 : 0;
    if (call->state && next-- == 0) {
        text_add(path, "<state>");
        return call->state;
    }
    if (next < list) {
        path_add_index(path, next);
        return call->list->list.items[next];
    }
    next -= list;
    if (next < map) {
        path_add_key(path, call->map->list.items[2 * next]);
        return call->map->list.items[2 * next + 1];
    }
    next -= map;
    if (call->kwargs && next-- == 0) {
        text_add(path, "<kwargs>");
        return call->kwargs;
    }
    if (args_of(node) && next-- == 0) {
        text_add(path, "<args>");
        return call->args;
    }
    if (!has_source(call) || next) return NULL;
    text_add(path, "<class>");
    return call->callable;
}

static Object *child_of(const Object *node, size_t next, Text *path)
{
    switch ((ObjectKind)node->kind) {
    case OBJ_TUPLE: case OBJ_LIST: case OBJ_SET: case OBJ_FROZENSET: case OBJ_PERSID:
        if (next >= node->list.count) return NULL;
        path_add_index(path, next);
        return node->list.items[next];
    case OBJ_DICT:
        if (next >= node->list.count / 2) return NULL;
        path_add_key(path, node->list.items[2 * next]);
        return node->list.items[2 * next + 1];
    case OBJ_CALL: return call_child(node, next, path);
    default: return NULL;
    }
}

/* How many children there are: of a node with more parts than can be counted, the parts. */
static size_t count_children(const Object *node)
{
    switch ((ObjectKind)node->kind) {
    case OBJ_TUPLE: case OBJ_LIST: case OBJ_SET: case OBJ_FROZENSET: return node->list.count;
    case OBJ_DICT: return node->list.count / 2;
    case OBJ_PERSID: return object_source(node, NULL, NULL, NULL) ? 0 : 1;
    case OBJ_CALL: {
        const ObjectCall *call = node->call;
        return (size_t)has_source(call) + (call->state != NULL) +
               (call->list ? call->list->list.count : 0) +
               (call->map ? call->map->list.count / 2 : 0) + (call->kwargs != NULL) +
               (args_of(node) != NULL);
    }
    default: return 0;
    }
}

/* Nodes that a file can share so that it matters: what changes, and tensors. The empty tuple,
 * numbers and text are one object in many places of every file. */
static bool can_be_shared(const Object *node)
{
    switch ((ObjectKind)node->kind) {
    case OBJ_NONE: case OBJ_BOOL: case OBJ_INT: case OBJ_BIGINT: case OBJ_FLOAT: case OBJ_STR:
    case OBJ_BYTES: case OBJ_FAR: case OBJ_GLOBAL: return false;
    case OBJ_TUPLE: return node->list.count > 0;
    default: return true;
    }
}

/* --- the walk ------------------------------------------------------------------------- */

static void cut_path(Walk *walk, size_t length)
{
    walk->path.length = length;
    if (walk->path.bytes) walk->path.bytes[length] = '\0';
}

/* A path as it is shown: cut when it is too long; borrowed from either text. */
static const char *short_path(const Text *path, Text *scratch)
{
    const char *start = text_string(path), *end = start;
    if (path->length <= PATH_SHOWN) return start;
    while (end - start < PATH_SHOWN) utf8_next(&end, start + path->length);
    text_clear(scratch);
    text_addn(scratch, start, (size_t)(end - start));
    text_add(scratch, "…");
    return text_string(scratch);
}

/* The path of a place, step by step from the root; no place is deeper than the frames were. */
static void tell_path(const Walk *walk, uint32_t place, Text *path)
{
    Text steps = {0};        /* numbers of the places on the way, the last one first */
    for (; place != IDENTITY_NONE; place = walk->places[place].parent)
        text_addn(&steps, &place, sizeof place);
    for (size_t n = steps.length / sizeof place; n-- > 0;) {
        memcpy(&place, steps.bytes + n * sizeof place, sizeof place);
        const Place *one = &walk->places[place];
        if (one->parent != IDENTITY_NONE)
            child_of(walk->places[one->parent].node, one->child, path);
    }
    text_done(&steps);
}

/* Remembers where a node is shown, for when it is met again. */
static uint32_t remember(Walk *walk, Object *node)
{
    const Frame *frame = walk->depth ? &walk->frames[walk->depth - 1] : NULL;
    walk->places = mem_grow(walk->places, &walk->place_room, walk->place_count + 1,
                            sizeof *walk->places);
    uint32_t number = (uint32_t)walk->place_count++;
    walk->places[number] = (Place){node, frame ? frame->place : (uint32_t)IDENTITY_NONE,
                                   frame ? frame->next - 1 : 0};
    identity_set(&walk->numbers, node, number);
    node->mark = MARK_DONE;
    return number;
}

/* What is said of a node. */
static void show(Walk *walk, const Object *node, bool deeper)
{
    Text path = {0}, own = {0}, other = {0};
    Shown shown = {.path = short_path(&walk->path, &own), .object = node, .deeper = deeper,
                   .cycle = node->mark == MARK_OPEN};
    if (node->mark) {
        tell_path(walk, identity_get(&walk->numbers, node), &path);
        shown.same_as = short_path(&path, &other);
    }
    walk->visit(&shown, walk->context);
    text_done(&path);
    text_done(&own);
    text_done(&other);
}

/* Shows a node, and makes a frame for one with children that was not shown before. */
static void enter(Walk *walk, Object *node)
{
    if (walk->shown >= limit(LIMIT_OBJECTS)) {
        walk->more++;
        return;
    }
    size_t children = node->mark ? 0 : count_children(node);
    bool deeper = children && walk->depth >= limit(LIMIT_DEPTH);
    walk->deeper += deeper;
    walk->shown++;
    show(walk, node, deeper);
    if (node->mark || !can_be_shared(node)) return;
    uint32_t place = remember(walk, node);
    if (!children || deeper) return;
    node->mark = MARK_OPEN;
    walk->frames = mem_grow(walk->frames, &walk->room, walk->depth + 1, sizeof *walk->frames);
    walk->frames[walk->depth++] = (Frame){node, 0, walk->path.length, place};
}

static void step(Walk *walk)
{
    Frame *frame = &walk->frames[walk->depth - 1];
    cut_path(walk, frame->path);
    Object *child = child_of(frame->node, frame->next++, &walk->path);
    if (child) {
        enter(walk, child);
        return;
    }
    frame->node->mark = MARK_DONE;
    walk->depth--;
}

/* Calls visit for every node; counts what is not shown. The marks are 0 again at the end. */
static void walk_tree(const Checkpoint *checkpoint, Visit *visit, void *context,
                      uint64_t *deeper, uint64_t *more)
{
    Walk walk = {.visit = visit, .context = context};
    Object *root = (Object *)checkpoint_root(checkpoint);
    if (root) enter(&walk, root);
    while (walk.depth) step(&walk);
    for (size_t i = 0; i < walk.place_count; i++) walk.places[i].node->mark = 0;
    *deeper = walk.deeper;
    *more = walk.more;
    text_done(&walk.path);
    identity_done(&walk.numbers);
    free(walk.frames);
    free(walk.places);
}

/* --- formats without a tree ------------------------------------------------------------ */

/* One line of the flat list; behind the limit it is only counted. */
static void visit_flat(Walk *walk, const char *path, const Object *object)
{
    const Shown shown = {.path = path, .object = object};
    if (walk->shown++ < limit(LIMIT_OBJECTS)) walk->visit(&shown, walk->context);
    else walk->more++;
}

/* The text of "PATH.NAME", or NAME at the top; until the next call. */
static const char *flat_path(Walk *walk, const char *container, const char *name)
{
    text_clear(&walk->path);
    text_addf(&walk->path, "%s%s%s", container, *container ? "." : "", name);
    return text_string(&walk->path);
}

/* A value with the items of a list, which are no lists. */
static void list_value(Walk *walk, const Container *one, size_t index)
{
    const Object *value = dict_metadata_object(one->dict, index);
    visit_flat(walk, flat_path(walk, one->path, dict_metadata(one->dict, index).key), value);
    const size_t n = walk->path.length;
    for (size_t i = 0; value->kind == OBJ_LIST && i < value->list.count; i++) {
        cut_path(walk, n);
        path_add_index(&walk->path, i);
        visit_flat(walk, walk->path.bytes, value->list.items[i]);
    }
}

/* What the file says of itself, then its tensors. */
static void list_flat(Walk *walk, const Container *one)
{
    const StateDict *dict = one->dict;
    for (size_t i = 0; i < dict_metadata_count(dict); i++) list_value(walk, one, i);
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor *tensor = dict_at(dict, i);
        const Object value = {.kind = OBJ_TENSOR, .tensor = (Tensor *)(uintptr_t)tensor};
        visit_flat(walk, flat_path(walk, one->path, tensor->name), &value);
    }
}

/* GGUF, safetensors, Keras, Flax, folders of parts …: no objects but metadata and dicts of tensors.
 * Where one dict has all of them (the path ""), the others are a line each. */
static void walk_flat(const Checkpoint *checkpoint, Visit *visit, void *context, uint64_t *more)
{
    Walk walk = {.visit = visit, .context = context};
    const Container *all = checkpoint_find_container(checkpoint, "");
    for (size_t i = 0; i < checkpoint_container_count(checkpoint); i++) {
        const Container *one = checkpoint_container(checkpoint, i);
        size_t items = dict_metadata_count(one->dict) + dict_count(one->dict);
        const Object dict = {.kind = OBJ_DICT, .list = {.count = 2 * items}};
        visit_flat(&walk, one->path, &dict);
        if (!all || one == all) list_flat(&walk, one);
    }
    *more = walk.more;
    text_done(&walk.path);
}

/* What there is to list: the tree, or the list that stands for it. */
static void walk_any(const Checkpoint *checkpoint, Visit *visit, void *context, uint64_t *deeper,
                     uint64_t *more)
{
    *deeper = 0;
    if (checkpoint_root(checkpoint)) walk_tree(checkpoint, visit, context, deeper, more);
    else walk_flat(checkpoint, visit, context, more);
}

/* --- for people ----------------------------------------------------------------------- */

/* "tensor f32 64×3×7×7, storage 4 from byte 256": no values, which a listing must not read. */
static void show_tensor(const Tensor *tensor, Text *out)
{
    const Encoding *encoding = tensor->encoding;
    text_addf(out, "tensor %s ", dtype_name(tensor->dtype));
    show_shape(tensor->dims, tensor->rank, out);
    if (tensor->parameter) text_add(out, ", parameter");
    if (tensor->storage) text_addf(out, ", storage %" PRIu32, tensor->storage->index);
    else if (!encoding || !encoding->note || encoding->opaque) text_add(out, ", no data");
    if (tensor->offset) text_addf(out, " from byte %" PRIu64, tensor->offset);
    if (tensor->strides && !tensor_is_contiguous(tensor)) text_add(out, ", strided");
    if (encoding && encoding->note) text_addf(out, ", %s", encoding->note);
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

static void show_object(const Shown *shown, Text *out)
{
    const Object *object = shown->object;
    bool source = object_source(object, NULL, NULL, NULL);
    if (object->kind == OBJ_TENSOR) show_tensor(object->tensor, out);
    else if (source && !shown->same_as) show_source(object, out);
    else object_show(object, out);
}

/* The lines of a source text, each escaped by itself. */
static void add_source_lines(const char *text, Text *out)
{
    Text line = {0}, shown = {0};
    while (*text) {
        size_t n = strcspn(text, "\n");
        text_clear(&line);
        text_clear(&shown);
        text_addn(&line, text, n);
        name_show(text_string(&line), &shown);
        text_addf(out, "    | %s\n", text_string(&shown));
        text += n + (text[n] == '\n');
    }
    text_done(&line);
    text_done(&shown);
}

/* One line: "model.fc.weight   tensor f32 10×512, storage 4". Paths are names, escaped here; only a
 * source text has more lines. */
static void add_node(const Shown *shown, void *context)
{
    Text what = {0}, *out = context;
    name_show(shown->path[0] ? shown->path : "(top level)", out);
    text_add(out, "   ");
    show_object(shown, &what);
    size_t line = strcspn(text_string(&what), "\n");
    const bool more = text_string(&what)[line];
    text_addn(out, text_string(&what), line);
    if (shown->same_as && !more) {
        text_add(out, " = same as ");
        name_show(shown->same_as[0] ? shown->same_as : "(top level)", out);
        if (shown->cycle) text_add(out, ", which it is inside of");
    }
    if (shown->deeper && !more) text_add(out, " (its parts lie too deep)");
    text_addc(out, '\n');
    if (more) add_source_lines(what.bytes + line + 1, out);
    text_done(&what);
}

/* A listing may be longer than memory should hold. */
static void print_node(const Shown *shown, void *context)
{
    Text out = {0};
    (void)context;
    add_node(shown, &out);
    fwrite(out.bytes, 1, out.length, stdout);
    text_done(&out);
}

/* What was not shown, of both kinds. */
static void add_cut(uint64_t deeper, uint64_t more, Text *out)
{
    if (deeper)
        text_addf(out, "the parts of %" PRIu64 " objects are not shown: they lie deeper than the "
                  "limit of %" PRIu64 " (--limit depth=N allows more)\n", deeper,
                  limit(LIMIT_DEPTH));
    if (more)
        text_addf(out, "%" PRIu64 " objects more, and what is in them, are not shown: the limit is "
                  "%" PRIu64 " (--limit objects=N allows more)\n", more, limit(LIMIT_OBJECTS));
}

void object_list_text(const Checkpoint *checkpoint, Text *out)
{
    uint64_t deeper, more;
    walk_any(checkpoint, add_node, out, &deeper, &more);
    add_cut(deeper, more, out);
}

/* For people: names escaped. JSON escapes by itself. */
void object_list_print(const Checkpoint *checkpoint)
{
    uint64_t deeper, more;
    Text cut = {0};
    walk_any(checkpoint, print_node, NULL, &deeper, &more);
    add_cut(deeper, more, &cut);
    fputs(text_string(&cut), stdout);
    text_done(&cut);
}

/* --- for programs --------------------------------------------------------------------- */

static const char *kind_word(const Object *object)
{
    static const char *const words[] = {
        [OBJ_NONE] = "none", [OBJ_BOOL] = "bool", [OBJ_INT] = "int", [OBJ_BIGINT] = "int",
        [OBJ_FLOAT] = "float", [OBJ_STR] = "str", [OBJ_BYTES] = "bytes",
        [OBJ_BYTEARRAY] = "bytearray", [OBJ_TUPLE] = "tuple", [OBJ_LIST] = "list",
        [OBJ_SET] = "set", [OBJ_FROZENSET] = "frozenset", [OBJ_DICT] = "dict",
        [OBJ_GLOBAL] = "global", [OBJ_CALL] = "object", [OBJ_PERSID] = "storage",
        [OBJ_TENSOR] = "tensor"};
    const char *word = object->kind < countof(words) ? words[object->kind] : NULL;
    if (object->kind == OBJ_FAR && object->call_kind == FAR_LIST) return "list";
    if (object->kind == OBJ_FAR && object->call_kind == FAR_TEXT) return "str";
    return word ? word : "bytes";
}

/* The value itself, where JSON can hold it. */
static void write_data(JsonWriter *json, const Object *object)
{
    uint64_t number;
    switch ((ObjectKind)object->kind) {
    case OBJ_BOOL: json_key(json, "data"); json_bool(json, object->boolean); break;
    case OBJ_INT: json_key(json, "data"); json_int(json, object->integer); break;
    case OBJ_FLOAT: json_key(json, "data"); json_float(json, object->number); break;
    case OBJ_STR: json_key(json, "data"); json_string(json, object->bytes.text); break;
    case OBJ_BIGINT:
        if (object_as_uint(object, &number)) json_put_uint(json, "data", number);
        break;
    default: break;
    }
}

static void write_tensor(JsonWriter *json, const Tensor *tensor)
{
    json_key(json, "dtype");
    if (tensor->dtype == DT_UNKNOWN) json_null(json);
    else json_string(json, dtype_name(tensor->dtype));
    json_put_shape(json, "shape", tensor->dims, tensor->rank);
    json_key(json, "storage");
    if (tensor->storage) json_uint(json, tensor->storage->index);
    else json_null(json);
    json_put_uint(json, "offset", tensor->offset);
}

static void write_node(const Shown *shown, void *context)
{
    JsonWriter *json = context;
    Text what = {0};
    show_object(shown, &what);
    json_map(json);
    json_put_text(json, "path", shown->path);
    json_put_text(json, "value", text_string(&what));
    json_put_text(json, "kind", kind_word(shown->object));
    write_data(json, shown->object);
    if (shown->object->kind == OBJ_TENSOR) write_tensor(json, shown->object->tensor);
    if (shown->same_as) {
        json_put_text(json, "same_as", shown->same_as);
        json_put_bool(json, "cycle", shown->cycle);
    }
    if (shown->deeper) json_put_bool(json, "deeper", true);
    json_end(json);
    text_done(&what);
}

void object_list_json(const Checkpoint *checkpoint, JsonWriter *json)
{
    uint64_t deeper, more;
    json_key(json, "objects");
    json_list(json);
    walk_any(checkpoint, write_node, json, &deeper, &more);
    json_end(json);
    json_key(json, "objects_cut");
    json_map(json);
    json_put_uint(json, "deeper", deeper);
    json_put_uint(json, "more", more);
    json_end(json);
}
