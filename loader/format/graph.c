/* The walk keeps its own stack of frames: a file may nest lists a million deep, which C's stack
 * would not survive. A visited node carries the walk's mark, so that shared nodes are visited
 * once and cycles end. */
#include "loader/format/graph.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"

/* A graph of 100,000 tensors is nowhere near the processor. What a node leads to is sent for when
 * it is entered, all of it together; of a long list what comes a little later (child_at). */
enum { AHEAD = 8 };

static void send_for_children(const Object *node)
{
    if (node->kind == OBJ_CALL) {
        __builtin_prefetch(node->call->args);
        __builtin_prefetch(node->call->state);
    } else if (node->kind == OBJ_TUPLE || node->kind == OBJ_PERSID) {
        for (size_t i = 0; i < node->list.count && i < AHEAD; i++)
            __builtin_prefetch(node->list.items[i]);
    }
}

/* Marks a node on the way in, so that a way back to it is not taken. */
static void enter(Graph *graph, Object *node)
{
    send_for_children(node);
    node->mark = graph->seen;
    if (graph->depth == graph->room)
        graph->frames =
            mem_grow(graph->frames, &graph->room, graph->depth + 1, sizeof *graph->frames);
    graph->frames[graph->depth++] = (GraphFrame){node, 0};
}

/* A root that is marked already leaves nothing to walk. */
void graph_init(Graph *graph, Object *root, uint8_t seen)
{
    *graph = (Graph){.seen = seen};
    if (root->mark != seen) enter(graph, root);
}

void graph_done(Graph *graph)
{
    free(graph->frames);
    *graph = (Graph){0};
}

/* Child number `index`, which may be NULL in a CALL; false when there are no more. A CALL's
 * children come in the order in which the pickle has them: what is called, the arguments, what
 * was put in, the state. Keys of a DICT are children too (0, 2, 4 …). */
static bool child_at(const Object *node, size_t index, Object **child)
{
    switch ((ObjectKind)node->kind) {
    case OBJ_TUPLE: case OBJ_LIST: case OBJ_SET: case OBJ_FROZENSET: case OBJ_DICT: case OBJ_PERSID:
        if (index >= node->list.count) return false;
        if (node->list.count - index > AHEAD) __builtin_prefetch(node->list.items[index + AHEAD]);
        *child = node->list.items[index];
        return true;
    case OBJ_CALL: {
        const ObjectCall *call = node->call;
        if (node->call_kind == CALL_SHORT) return false;
        switch (index) {
        case 0: *child = call->callable; return true;
        case 1: *child = call->args; return true;
        case 2: *child = call->kwargs; return true;
        case 3: *child = call->list; return true;
        case 4: *child = call->map; return true;
        case 5: *child = call->state; return true;
        default: return false;
        }
    }
    default: return false;
    }
}

/* The frame of the node that is returned stays until the next call, for graph_place. A caller
 * may have turned the node into one without children by then, so it is popped first. */
Object *graph_next(Graph *graph)
{
    if (graph->leaving) graph->depth--;
    graph->leaving = false;
    while (graph->depth) {
        GraphFrame *frame = &graph->frames[graph->depth - 1];
        Object *child;
        if (!child_at(frame->node, frame->next, &child)) {
            graph->leaving = true;
            return frame->node;
        }
        frame->next++;
        if (child && child->mark != graph->seen) enter(graph, child);
    }
    return NULL;
}

/* Whether the frame is the arguments of the call in the frame above it: f(x) is where x is. */
static bool is_arguments(const Graph *graph, size_t frame)
{
    if (frame == 0) return false;
    const Object *above = graph->frames[frame - 1].node;
    return above->kind == OBJ_CALL && above->call->args == graph->frames[frame].node;
}

/* Whether the frame has a key or index for its child under way. */
static bool has_step(const Graph *graph, size_t frame)
{
    const GraphFrame *f = &graph->frames[frame];
    switch ((ObjectKind)f->node->kind) {
    case OBJ_DICT: return f->next % 2 == 0;
    case OBJ_LIST: case OBJ_TUPLE: return !is_arguments(graph, frame);
    default: return false;
    }
}

/* -- What a place is called ------------------------------------------------------------ */

/* The last step of the way is the key, those before it are the path. A call has no step of its
 * own, nor have its arguments; the entries of its state have theirs, like those of any dict. */
void graph_place(const Graph *graph, Text *path, Text *key)
{
    size_t last = graph->depth;
    for (size_t i = 0; i + 1 < graph->depth; i++)
        if (has_step(graph, i)) last = i;
    for (size_t i = 0; i + 1 < graph->depth && i <= last; i++) {
        if (!has_step(graph, i)) continue;
        const GraphFrame *frame = &graph->frames[i];
        const Object *name =
            frame->node->list.items[frame->next - (frame->node->kind == OBJ_DICT ? 2 : 1)];
        if (frame->node->kind != OBJ_DICT) path_add_index(i == last ? key : path, frame->next - 1);
        else if (i == last) key_name(name, key);
        else path_add_key(path, name);
    }
}

/* Tuples and objects may be keys, too, and must not look alike: ('a', 1), Path('x'). Only so deep
 * and so wide, since nothing bounds what a file nests in a key. */
enum { KEY_DEPTH = 3, KEY_ITEMS = 16, KEY_TEXT = 200 };

static void show_key(const Object *key, unsigned depth, Text *out)
{
    const Object *items = key->kind == OBJ_CALL ? key->call->args : key;
    bool nested = items && items->kind == OBJ_TUPLE && depth < KEY_DEPTH;
    if (key->kind == OBJ_STR || key->kind == OBJ_BYTES) {
        text_addc(out, '\'');
        fault_quote(key->bytes.text, key->bytes.n, KEY_TEXT, out);
        text_addc(out, '\'');
        return;
    }
    if (key->kind == OBJ_INT) text_addf(out, "%" PRId64, key->integer);
    else if (key->kind == OBJ_CALL && nested) object_show(key->call->callable, out);
    else if (!nested) object_show(key, out);
    if (!nested) return;
    text_addc(out, '(');
    for (size_t i = 0; i < items->list.count && i < KEY_ITEMS; i++) {
        if (i) text_add(out, ", ");
        show_key(items->list.items[i], depth + 1, out);
    }
    bool alone = items->list.count == 1 && key->kind == OBJ_TUPLE;
    text_add(out, items->list.count > KEY_ITEMS ? ", …)" : alone ? ",)" : ")");
}

void graph_path(const Graph *graph, Text *path)
{
    for (size_t i = 0; i + 1 < graph->depth; i++) {
        if (!has_step(graph, i)) continue;
        const GraphFrame *frame = &graph->frames[i];
        size_t at = frame->next;
        if (frame->node->kind == OBJ_DICT) path_add_key(path, frame->node->list.items[at - 2]);
        else path_add_index(path, at - 1);
    }
}

/* Text and integers may give the same name (0 and "0"); in paths they are told apart. */
void key_name(const Object *key, Text *out)
{
    switch ((ObjectKind)key->kind) {
    case OBJ_STR: text_addn(out, key->bytes.text, key->bytes.n); break;
    case OBJ_BYTES:
        for (size_t i = 0; i < key->bytes.n; i++) {
            if (key->bytes.text[i]) text_addc(out, key->bytes.text[i]);
            else text_addn(out, "\xC0\x80", 2);
        }
        break;
    case OBJ_INT: text_addf(out, "%" PRId64, key->integer); break;
    default: show_key(key, 0, out);
    }
}

/* Whether a key can stand in a path without quotes. */
/* No character that a path gives a meaning to (graph.h). */
static bool is_plain(const char *name)
{
    if (!*name) return false;
    for (; *name; name++)
        if ((unsigned char)*name < 0x20 || strchr(".[]:\"\\", *name)) return false;
    return true;
}

/* Keys that Python 2 wrote are bytes. */
static bool is_text(const Object *key)
{
    return key->kind == OBJ_STR || key->kind == OBJ_BYTES;
}

/* Quotes where a dot or bracket would be taken for the path's own: state_dict["head.weight"]. */
void path_add_key(Text *path, const Object *key)
{
    Text name = {0};
    key_name(key, &name);
    const char *text = text_string(&name);
    if (!is_text(key)) {
        text_addf(path, "[%s]", text);
    } else if (is_plain(text)) {
        if (path->length) text_addc(path, '.');
        text_add(path, text);
    } else {
        text_add(path, "[\"");
        for (; *text; text++) {
            if (*text == '"' || *text == '\\') text_addc(path, '\\');
            text_addc(path, *text);
        }
        text_add(path, "\"]");
    }
    text_done(&name);
}

void path_add_index(Text *path, size_t index)
{
    text_addf(path, "[%zu]", index);
}

/* The child of a dict or sequence at `index` of its items, with its step on the path; NULL: no
 * more. `index` counts keys of dicts twice, as the items do. */
static const Object *child_on_path(const Object *node, size_t *index, Text *path)
{
    const Object *dict = object_as_dict(node), *list = dict ? NULL : object_as_sequence(node);
    if (dict && *index + 1 < dict->list.count) {
        path_add_key(path, dict->list.items[*index]);
        *index += 2;
        return dict->list.items[*index - 1];
    }
    if (list && *index < list->list.count) {
        path_add_index(path, *index);
        return list->list.items[(*index)++];
    }
    return NULL;
}

/* As path_add_key and path_add_index spell it. */
static const Object *find_spelt(const Object *root, const char *path)
{
    Text here = {0};
    const Object *node = root;
    while (node && path[here.length]) {
        size_t length = here.length, index = 0;
        const Object *next = NULL, *child;
        while (!next && (child = child_on_path(node, &index, &here))) {
            bool leads = here.length > length && has_prefix(path, text_string(&here)) &&
                         strchr(".[", path[here.length]);
            if (leads) next = child;
            if (!leads) here.bytes[here.length = length] = '\0';
        }
        node = next;
    }
    text_done(&here);
    return node;
}

/* "3]…" behind a bracket: an index, or an integer key. Indexes stop growing before they could
 * overflow. */
static const Object *typed_index(const Object *at, const char **path)
{
    int64_t index = 0;
    const char *p = *path;
    if (!is_digit(*p)) return NULL;
    for (; is_digit(*p) && index < INT32_MAX; p++) index = index * 10 + (*p - '0');
    if (*p != ']' || (p[1] && p[1] != '.' && p[1] != '[')) return NULL;
    *path = p + 1;
    const Object *list = object_as_sequence(at);
    if (!list) return object_get_int(at, index);
    return (size_t)index < list->list.count ? list->list.items[index] : NULL;
}

/* The longest key that is there. */
static const Object *typed_key(const Object *at, const char **path)
{
    Text key = {0};
    const Object *next = NULL;
    for (size_t n = strlen(*path); n && !next; n--) {
        char end = (*path)[n];
        if (end && end != '.' && end != '[') continue;
        text_clear(&key);
        text_addn(&key, *path, n);
        next = object_get(at, text_string(&key));
        if (next) *path += n;
    }
    text_done(&key);
    return next;
}

/* `models[1].net`, and `a.b` for a key "a.b". Quadratic in the path, which a user types. */
static const Object *find_typed(const Object *root, const char *path)
{
    const Object *at = root;
    while (at && *path) {
        if (*path == '[') {
            path++;
            at = typed_index(at, &path);
        } else {
            path += *path == '.';
            at = typed_key(at, &path);
        }
    }
    return at;
}

const Object *path_find(const Object *root, const char *path)
{
    const Object *node = find_spelt(root, path);
    return node ? node : find_typed(root, path);
}
