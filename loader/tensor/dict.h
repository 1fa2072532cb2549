/* StateDict: ordered names to Tensors, O(1) by name, with its metadata. Reference-counted;
 * what it hands out is borrowed and lives as long as it does. */
#ifndef LOADER_TENSOR_DICT_H
#define LOADER_TENSOR_DICT_H

#include "loader/core/map.h"
#include "loader/core/memory.h"
#include "loader/tensor/object.h"
#include "loader/tensor/tensor.h"

typedef struct StateDict StateDict;

typedef struct MetadataItem {
    const char *key, *value;     /* held names, in the dict's arena */
} MetadataItem;

StateDict *dict_new(void);
StateDict *dict_ref(StateDict *dict);
void dict_unref(StateDict *dict);            /* NULL is fine */
Arena *dict_arena(StateDict *dict);          /* for names, dims, storages of its tensors */

/* Copies the record (not what it points to, which must live in the dict's arena or longer)
 * and appends it. False when the name is there already; nothing is added then. */
bool dict_add(StateDict *dict, const Tensor *tensor);
/* Says that a tensor of this name will soon be added: its place in the index is sent for. */
void dict_prefetch(const StateDict *dict, const char *name);
/* Makes room for `count` tensors in all: adding them moves nothing then. */
void dict_reserve(StateDict *dict, size_t count);
/* Fills an empty dict: takes over `count` records and their names' numbers, 0, 1, 2 … */
void dict_take(StateDict *dict, Tensor *tensors, size_t count, NameMap *index);
size_t dict_count(const StateDict *dict);
const Tensor *dict_at(const StateDict *dict, size_t index);              /* file order */
const Tensor *dict_find(const StateDict *dict, const char *name);        /* NULL if none */
/* The indices of many names at once, into indexes[n]; MAP_NONE where there is none. */
void dict_find_many(const StateDict *dict, const char *const *names, size_t n, uint32_t *indexes);
/* By a name as JSON spells it, which has one spelling for a lone surrogate U+DCNN and for a byte NN
 * that is no UTF-8. */
const Tensor *dict_find_spelt(const StateDict *dict, const char *name);
size_t dict_index(const StateDict *dict, const Tensor *tensor);

uint64_t dict_bytes(const StateDict *dict);      /* sum of tensor_bytes */
uint64_t dict_values(const StateDict *dict);     /* sum of tensor_count */
/* Whether the order is the order of definition (torch, JSON and text schemas) or only the
 * alphabet's (safetensors). */
bool dict_is_ordered(const StateDict *dict);
void dict_set_ordered(StateDict *dict, bool ordered);

/* What the file says of itself besides: `__metadata__` of safetensors (texts), the keys of GGUF,
 * the attributes of HDF5, what stands beside Flax's arrays. In file order. */
size_t dict_metadata_count(const StateDict *dict);
MetadataItem dict_metadata(const StateDict *dict, size_t index);
/* The value with its type; of a long one, FAR, only how long it is. */
const Object *dict_metadata_object(const StateDict *dict, size_t index);
const char *dict_metadata_find(const StateDict *dict, const char *key);    /* NULL if none */
/* The same, with its type. */
const Object *dict_metadata_find_object(const StateDict *dict, const char *key);
void dict_add_metadata(StateDict *dict, const char *key, const char *value);   /* copied */
/* A value that is no text as well: object_plain says it as one. The key is copied; the object must
 * live as long as the dict (dict_arena). */
void dict_add_metadata_object(StateDict *dict, const char *key, const Object *object);
/* All of another dict's, to the end. */
void dict_copy_metadata(StateDict *dict, const StateDict *from);
/* PyTorch's `_metadata` (a dict: module name to {'version': n}); NULL when there is none. */
const Object *dict_torch_metadata(const StateDict *dict);
void dict_set_torch_metadata(StateDict *dict, const Object *metadata);

/* Keeps a checkpoint (or anything) alive as long as the dict: `release(owner)` at its end. */
void dict_own(StateDict *dict, void *owner, void (*release)(void *owner));

#endif
