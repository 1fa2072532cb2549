/* For tests and fuzz targets: a pickle read with tensors in short, against the same without. */
#ifndef TESTS_UNIT_PICKLE_PAIRS_H
#define TESTS_UNIT_PICKLE_PAIRS_H

#include <stdlib.h>
#include <string.h>

#include "loader/format/pickle_tensor.h"

/* What is still to be compared: nodes of the one graph and of the other. */
typedef struct Pairs {
    Object *(*items)[2];
    size_t count, room;
} Pairs;

/* Everything that must hold. */
static inline void require(bool fine)
{
    if (!fine) abort();
}

/* Both are met for the first time, or neither is: so what is shared in one is shared in both. */
static inline void compare_later(Pairs *pairs, Object *a, Object *b)
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
static inline Object *own(Object *part)
{
    const bool shared = part->kind == OBJ_TUPLE && !part->list.count;    /* the empty tuple */
    require(shared || !part->mark);
    if (!shared) part->mark = 1;
    return part;
}

static inline void compare_sizes(Object *tuple, const int64_t *sizes, unsigned rank)
{
    require(own(tuple)->kind == OBJ_TUPLE && tuple->list.count == rank);
    for (unsigned i = 0; i < rank; i++) require(tuple->list.items[i]->integer == sizes[i]);
}

/* The six arguments of a call, and a seventh where a type is named, and what was read in short. */
static inline void compare_short(Pairs *pairs, const ObjectCall *call, const PickleTensor *brief)
{
    const PickleTensorMaker *maker = brief->maker;
    int64_t plain[TENSOR_RANK_MAX];
    require(!call->kwargs && !call->state && !call->list && !call->map);
    compare_later(pairs, call->callable, maker->call.callable);
    require(own(call->args)->list.count == (maker->type ? 7 : 6));
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
    if (maker->type) compare_later(pairs, args[6], maker->type);
    const ObjectCall *hooks = own(args[5])->call;
    compare_later(pairs, hooks->callable, maker->hooks);
    require(!hooks->args->list.count && !hooks->state && !hooks->list && !hooks->map);
}

static inline void compare_calls(Pairs *pairs, const ObjectCall *a, const ObjectCall *b)
{
    compare_later(pairs, a->callable, b->callable);
    compare_later(pairs, a->args, b->args);
    compare_later(pairs, a->kwargs, b->kwargs);
    compare_later(pairs, a->state, b->state);
    compare_later(pairs, a->list, b->list);
    compare_later(pairs, a->map, b->map);
}

static inline void compare_pair(Pairs *pairs, Object *a, Object *b)
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

/* Aborts where the graphs differ; sets the marks of all nodes. */
static inline void pickle_compare(Object *a, Object *b)
{
    Pairs pairs = {0};
    compare_later(&pairs, a, b);
    while (pairs.count) {
        Object **pair = pairs.items[--pairs.count];
        compare_pair(&pairs, pair[0], pair[1]);
    }
    free(pairs.items);
}

/* Reads it both ways, into an arena each: the same graph, or the same error; *used as pickle_read has
 * it. NULL where it is refused. */
static inline Object *pickle_read_pair(Arena *full, Arena *brief, const void *bytes, size_t n,
                                       Object **in_short, Error *err)
{
    Error short_err = {0};
    uint64_t used = 0, short_used = 0;
    ByteSource *source = source_from_memory(bytes, n, "pair");
    Object *root = pickle_read(full, source, 0, &used, err);
    *in_short = pickle_read_tensors(brief, source, 0, &short_used, &short_err);
    source_unref(source);
    require(used <= n && used == short_used && !root == !*in_short);
    require(!root == (err->code != ERR_NONE));
    require(err->code == short_err.code && strcmp(err->text, short_err.text) == 0);
    return root;
}

#endif
