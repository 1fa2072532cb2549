/* The machine enters items in batches, so that the first names are there long before the last.
 * What is a tensor torch_rebuild.c decides; here is only looked at who would make it. */
#include "loader/format/pickle_glimpse.h"

#include <string.h>

#include "loader/core/text.h"
#include "loader/format/pickle_tensor.h"
#include "loader/tensor/glimpse.h"

/* Of `_rebuild_tensor_v2(storage, offset, size, stride, …)` and its likes, and of
 * `_rebuild_meta_tensor_no_storage(dtype, size, stride, …)`; NULL: there are none. */
static const Object *sizes_of(const ObjectCall *call)
{
    const size_t at = has_prefix(call->callable->global.name, "_rebuild_meta_tensor") ? 1 : 2;
    const Object *args = call->args;
    if (!args || args->kind != OBJ_TUPLE || args->list.count <= at) return NULL;
    const Object *size = args->list.items[at];
    return size->kind == OBJ_TUPLE ? size : NULL;
}

/* What PyTorch's own functions rebuild, a Parameter's tensor within. Calls within calls may be as
 * many as a file has bytes, and stand under as many names: no more are looked at than PyTorch
 * writes. */
static const Object *tensor_call(const Object *value)
{
    enum { WITHIN = 4 };
    for (int i = 0; i < WITHIN && value->kind == OBJ_CALL; i++) {
        const ObjectCall *call = value->call;
        const Object *callable = call ? call->callable : NULL;
        if (!callable || callable->kind != OBJ_GLOBAL ||
            strcmp(callable->global.module, "torch._utils") != 0 ||
            !has_prefix(callable->global.name, "_rebuild_"))
            return NULL;
        if (!has_prefix(callable->global.name, "_rebuild_parameter")) return value;
        if (!call->args || call->args->kind != OBJ_TUPLE || !call->args->list.count) return NULL;
        value = call->args->list.items[0];
    }
    return NULL;
}

static void show(const char *name, const Object *tensor)
{
    enum { RANK_SHOWN = 8 };
    int64_t dims[RANK_SHOWN];
    const PickleTensor *brief = pickle_tensor(tensor);
    const Object *size = sizes_of(tensor->call);
    bool known = size && size->list.count <= RANK_SHOWN;
    for (size_t i = 0; known && i < size->list.count; i++) {
        known = size->list.items[i]->kind == OBJ_INT;
        dims[i] = size->list.items[i]->integer;
    }
    if (brief) glimpse_add(name, brief->dims, brief->rank);
    else glimpse_add(name, known ? dims : NULL, known ? (unsigned)size->list.count : 0);
}

static bool is_name(const Object *key)
{
    return key->kind == OBJ_STR;
}

/* A key may be long, and stand there a million times: its beginning says enough. */
static bool is_path(const Object *key)
{
    enum { LOOK = 1000 };
    return is_name(key) && memchr(key->bytes.text, '.', key->bytes.n < LOOK ? key->bytes.n : LOOK);
}

/* Keys of a state dict are paths. A module that was pickled whole has its parameters under their
 * last words alone, and so does what an optimizer keeps: there is nothing to be seen of those. */
static bool has_path(Object *const *items, size_t count)
{
    for (size_t i = 0; i < count; i += 2)
        if (is_path(items[i]) && tensor_call(items[i + 1]))
            return true;
    return false;
}

/* A pickle that is all of its source is half of the work: what it says is looked through behind it.
 * Behind others come values, and how far it is nobody knows. */
void pickle_glimpse(const Machine *m, Object *const *items, size_t count)
{
    if (m->start == 0) glimpse_step(m->position, 2 * m->source->size);
    if (!has_path(items, count)) return;
    for (size_t i = 0; i < count; i += 2) {
        const Object *tensor = is_name(items[i]) ? tensor_call(items[i + 1]) : NULL;
        if (tensor) show(items[i]->bytes.text, tensor);
    }
}
