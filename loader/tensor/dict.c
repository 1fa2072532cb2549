/* A state dict is a growing array of records and a hash table from names to its indices. While
 * it is being filled the array may move; once it is complete, pointers to its tensors hold. */
#include "loader/tensor/dict.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* One value, and as text. */
typedef struct Entry {
    MetadataItem item;
    const Object *object;
} Entry;

struct StateDict {
    atomic_uint refs;            /* holders; the last one frees */
    Arena *arena;                /* what the records point to; owned */
    Tensor *tensors;             /* owned */
    size_t count, room;          /* of tensors */
    NameMap index;               /* name → index of tensors */
    Entry *metadata;             /* owned; what it points to in the arena */
    size_t metadata_count, metadata_room;
    const Object *torch_metadata;    /* borrowed from the checkpoint's tree; NULL: none */
    bool alphabetical;           /* the order says nothing about definition */
    void *owner;                 /* kept alive by dict_own; NULL: nothing */
    void (*release)(void *owner);
};

StateDict *dict_new(void)
{
    StateDict *dict = mem_alloc(sizeof *dict);
    atomic_init(&dict->refs, 1);
    dict->arena = arena_new();
    return dict;
}

StateDict *dict_ref(StateDict *dict)
{
    atomic_fetch_add(&dict->refs, 1);
    return dict;
}

/* The owner goes last: tensors borrow from it, and it may hold the last reference to others. */
void dict_unref(StateDict *dict)
{
    if (!dict || atomic_fetch_sub(&dict->refs, 1) != 1) return;
    map_done(&dict->index);
    free(dict->tensors);
    free(dict->metadata);
    arena_free(dict->arena);
    if (dict->release) dict->release(dict->owner);
    free(dict);
}

Arena *dict_arena(StateDict *dict)
{
    return dict->arena;
}

void dict_reserve(StateDict *dict, size_t count)
{
    map_reserve(&dict->index, count);
    if (count <= dict->room) return;
    dict->tensors = mem_realloc(dict->tensors, count * sizeof *dict->tensors);
    dict->room = count;
}

/* The index borrows the name that the record points to, so the name must outlive the dict. */
bool dict_add(StateDict *dict, const Tensor *tensor)
{
    if (!map_add(&dict->index, tensor->name, (uint32_t)dict->count)) return false;
    dict->tensors = mem_grow(dict->tensors, &dict->room, dict->count + 1, sizeof *dict->tensors);
    dict->tensors[dict->count++] = *tensor;
    return true;
}

void dict_prefetch(const StateDict *dict, const char *name)
{
    map_prefetch(&dict->index, name);
}

void dict_take(StateDict *dict, Tensor *tensors, size_t count, NameMap *index)
{
    free(dict->tensors);
    map_done(&dict->index);
    dict->tensors = tensors;
    dict->count = dict->room = count;
    dict->index = *index;
    map_init(index);
}

size_t dict_count(const StateDict *dict)
{
    return dict->count;
}

const Tensor *dict_at(const StateDict *dict, size_t index)
{
    return &dict->tensors[index];
}

const Tensor *dict_find(const StateDict *dict, const char *name)
{
    uint32_t index = map_get(&dict->index, name);
    return index == MAP_NONE ? NULL : &dict->tensors[index];
}

void dict_find_many(const StateDict *dict, const char *const *names, size_t n, uint32_t *indexes)
{
    map_get_many(&dict->index, names, n, indexes);
}

const Tensor *dict_find_spelt(const StateDict *dict, const char *name)
{
    const Tensor *found = dict_find(dict, name);
    if (found || utf8_valid(name, strlen(name))) return found;
    Text other = {0};
    const char *end = name + strlen(name);
    for (const char *p = name; p < end;) {
        uint32_t code = utf8_next(&p, end);
        if (code) utf8_add(&other, code);
        else text_addn(&other, "\xC0\x80", 2);
    }
    found = dict_find(dict, text_string(&other));
    text_done(&other);
    return found;
}

/* Only for tensors of this very dict: they lie in one array. */
size_t dict_index(const StateDict *dict, const Tensor *tensor)
{
    return (size_t)(tensor - dict->tensors);
}

/* Shared bytes count for each tensor that shows them: this is what values take, not the file. */
uint64_t dict_bytes(const StateDict *dict)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < dict->count; i++) sum += tensor_bytes(&dict->tensors[i]);
    return sum;
}

uint64_t dict_values(const StateDict *dict)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < dict->count; i++) sum += tensor_count(&dict->tensors[i]);
    return sum;
}

bool dict_is_ordered(const StateDict *dict)
{
    return !dict->alphabetical;
}

void dict_set_ordered(StateDict *dict, bool ordered)
{
    dict->alphabetical = !ordered;
}

/* -- Metadata: a list, since nobody looks for one of its few keys ---------------------- */

size_t dict_metadata_count(const StateDict *dict)
{
    return dict->metadata_count;
}

MetadataItem dict_metadata(const StateDict *dict, size_t index)
{
    return dict->metadata[index].item;
}

const Object *dict_metadata_object(const StateDict *dict, size_t index)
{
    return dict->metadata[index].object;
}

/* Linear: there are a handful, and of long ones one is asked for. */
static const Entry *find_entry(const StateDict *dict, const char *key)
{
    for (size_t i = 0; i < dict->metadata_count; i++)
        if (strcmp(dict->metadata[i].item.key, key) == 0) return &dict->metadata[i];
    return NULL;
}

const char *dict_metadata_find(const StateDict *dict, const char *key)
{
    const Entry *entry = find_entry(dict, key);
    return entry ? entry->item.value : NULL;
}

const Object *dict_metadata_find_object(const StateDict *dict, const char *key)
{
    const Entry *entry = find_entry(dict, key);
    return entry ? entry->object : NULL;
}

void dict_add_metadata(StateDict *dict, const char *key, const char *value)
{
    dict_add_metadata_object(dict, key, object_str(dict->arena, value));
}

/* A text is its own text. */
void dict_add_metadata_object(StateDict *dict, const char *key, const Object *object)
{
    Text text = {0};
    const char *value = object->bytes.text;
    if (object->kind != OBJ_STR) {
        object_plain(object, &text);
        value = text_keep(&text, dict->arena);
    }
    dict->metadata = mem_grow(dict->metadata, &dict->metadata_room, dict->metadata_count + 1,
                              sizeof *dict->metadata);
    dict->metadata[dict->metadata_count++] =
        (Entry){{arena_strdup(dict->arena, key), value}, object};
}

/* Texts are copied; other objects stay the other dict's, of which whoever calls keeps a hold. */
void dict_copy_metadata(StateDict *dict, const StateDict *from)
{
    for (size_t i = 0; i < from->metadata_count; i++) {
        const Entry *entry = &from->metadata[i];
        if (entry->object->kind == OBJ_STR)
            dict_add_metadata(dict, entry->item.key, entry->item.value);
        else dict_add_metadata_object(dict, entry->item.key, entry->object);
    }
}

const Object *dict_torch_metadata(const StateDict *dict)
{
    return dict->torch_metadata;
}

void dict_set_torch_metadata(StateDict *dict, const Object *metadata)
{
    dict->torch_metadata = metadata;
}

void dict_own(StateDict *dict, void *owner, void (*release)(void *owner))
{
    dict->owner = owner;
    dict->release = release;
}
