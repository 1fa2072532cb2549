/* Any bytes as a pickle: a graph that can be walked and shown, or an error. With tensors in short it is
 * the same graph, or the same error. */
#include <stdlib.h>
#include <string.h>

#include "loader/format/graph.h"
#include "loader/format/pickle_tensor.h"

static void walk(Object *root, uint8_t seen)
{
    Graph graph;
    Text text = {0};
    graph_init(&graph, root, seen);
    for (Object *node; (node = graph_next(&graph));) {
        text_clear(&text);
        object_show(node, &text);
        if (node->kind == OBJ_GLOBAL && graph.depth < 100) graph_place(&graph, &text, &text);
    }
    graph_done(&graph);
    text_done(&text);
}

/* What is still to be compared: nodes of the one graph and of the other. */
typedef struct Pairs {
    Object *(*items)[2];
    size_t count, room;
} Pairs;

static void require(bool fine)
{
    if (!fine) abort();
}

/* Both are met for the first time, or neither is: so what is shared in one is shared in both. */
static void compare_later(Pairs *pairs, Object *a, Object *b)
{
    require(!a == !b);
    if (!a) return;
    require(a->mark == b->mark);
    if (a->mark) return;
    a->mark = b->mark = 1;
    pairs->items = mem_grow(pairs->items, &pairs->room, pairs->count + 1, sizeof *pairs->items);
    pairs->items[pairs->count][0] = a;
    pairs->items[pairs->count++][1] = b;
}

/* A part that only the call has, since otherwise it would have been written out. */
static Object *own(Object *part)
{
    const bool shared = part->kind == OBJ_TUPLE && !part->list.count;    /* the empty tuple */
    require(shared || !part->mark);
    if (!shared) part->mark = 1;
    return part;
}

static void compare_sizes(Object *tuple, const int64_t *sizes, unsigned rank)
{
    require(own(tuple)->kind == OBJ_TUPLE && tuple->list.count == rank);
    for (unsigned i = 0; i < rank; i++) require(tuple->list.items[i]->integer == sizes[i]);
}

/* The six arguments of a call, and what was read in short. */
static void compare_short(Pairs *pairs, const ObjectCall *call, const PickleTensor *brief)
{
    const PickleTensorMaker *maker = brief->maker;
    int64_t plain[TENSOR_RANK_MAX];
    require(!call->kwargs && !call->state && !call->list && !call->map);
    compare_later(pairs, call->callable, maker->call.callable);
    require(own(call->args)->list.count == 6);
    Object **args = call->args->list.items, **id = own(own(args[0])->persid.id[0])->list.items;
    require(args[0]->persid.id[0]->list.count == 5);
    compare_later(pairs, id[0], maker->tag);
    compare_later(pairs, id[1], maker->class);
    require(strcmp(id[2]->bytes.text, brief->key) == 0);
    if (brief->own_key) require(own(id[2])->bytes.at == brief->key_at);
    compare_later(pairs, id[3], maker->location);
    require(id[4]->integer == (int64_t)brief->numel);
    require(args[1]->integer == (int64_t)brief->offset);
    contiguous_strides(brief->dims, brief->rank, plain);
    compare_sizes(args[2], brief->dims, brief->rank);
    compare_sizes(args[3], brief->strides ? brief->strides : plain, brief->rank);
    require(args[4]->boolean == brief->parameter);
    const ObjectCall *hooks = own(args[5])->call;
    compare_later(pairs, hooks->callable, maker->hooks);
    require(!hooks->args->list.count && !hooks->state && !hooks->list && !hooks->map);
}

static void compare_calls(Pairs *pairs, const ObjectCall *a, const ObjectCall *b)
{
    compare_later(pairs, a->callable, b->callable);
    compare_later(pairs, a->args, b->args);
    compare_later(pairs, a->kwargs, b->kwargs);
    compare_later(pairs, a->state, b->state);
    compare_later(pairs, a->list, b->list);
    compare_later(pairs, a->map, b->map);
}

static void compare_pair(Pairs *pairs, Object *a, Object *b)
{
    const PickleTensor *brief = pickle_tensor(b);
    require(a->kind == b->kind);
    switch ((ObjectKind)a->kind) {
    case OBJ_NONE: break;
    case OBJ_BOOL: require(a->boolean == b->boolean); break;
    case OBJ_INT: require(a->integer == b->integer); break;
    case OBJ_FLOAT: require(memcmp(&a->number, &b->number, sizeof a->number) == 0); break;
    case OBJ_STR: case OBJ_BYTES: case OBJ_BYTEARRAY: case OBJ_BIGINT:
        require(a->bytes.n == b->bytes.n && a->bytes.at == b->bytes.at);
        require(memcmp(a->bytes.text, b->bytes.text, a->bytes.n) == 0);
        break;
    case OBJ_FAR: require(a->far.at == b->far.at && a->far.n == b->far.n); break;
    case OBJ_TUPLE: case OBJ_LIST: case OBJ_SET: case OBJ_FROZENSET: case OBJ_DICT: case OBJ_PERSID:
        require(a->list.count == b->list.count);
        for (size_t i = 0; i < a->list.count; i++)
            compare_later(pairs, a->list.items[i], b->list.items[i]);
        break;
    case OBJ_GLOBAL:
        require(strcmp(a->global.module, b->global.module) == 0);
        require(strcmp(a->global.name, b->global.name) == 0);
        break;
    case OBJ_CALL: case OBJ_TENSOR:
        require(brief || a->call_kind == b->call_kind);
        if (brief) require(a->line == b->line), compare_short(pairs, a->call, brief);
        else compare_calls(pairs, a->call, b->call);
        break;
    }
}

static void compare(Object *a, Object *b)
{
    Pairs pairs = {0};
    compare_later(&pairs, a, b);
    while (pairs.count) {
        Object **pair = pairs.items[--pairs.count];
        compare_pair(&pairs, pair[0], pair[1]);
    }
    free(pairs.items);
}

static void compare_errors(const Error *a, const Error *b)
{
    require(a->code == b->code && strcmp(a->text, b->text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error err = {0}, short_err = {0};
    uint64_t used = 0, short_used = 0;
    Arena *arena = arena_new(), *other = arena_new();
    ByteSource *source = source_from_memory(data, size, "fuzz");
    Object *root = pickle_read(arena, source, 0, &used, &err);
    Object *in_short = pickle_read_tensors(other, source, 0, &short_used, &short_err);
    if (used > size || (!root && err.code == ERR_NONE)) abort();
    if (arena_bytes(arena) > 4096 + 128 * size) abort();
    if (arena_bytes(other) > 4096 + 128 * size) abort();
    require(used == short_used && !root == !in_short);
    compare_errors(&err, &short_err);
    if (root) walk(root, 1), walk(root, 0), walk(in_short, 1), walk(in_short, 0);
    if (root) compare(root, in_short);
    source_unref(source);
    arena_free(arena);
    arena_free(other);
    return 0;
}
