/* From a pickle's graph to a checkpoint. Two walks: the first one, children before parents, reads
 * the references to storages and turns calls into tensors; then, when all bytes have been found,
 * the second one checks every tensor against its storage. Containers are listed last. */
#include "loader/format/torch.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loader/format/fault.h"
#include "loader/format/graph.h"

/* The allowance grows with the pickle: a large file may do more than a small one. */
void torch_init(TorchFile *file, Checkpoint *checkpoint, const char *name, Object *root,
                uint64_t pickle_bytes)
{
    *file = (TorchFile){.checkpoint = checkpoint, .name = name, .root = root};
    file->arena = file->nodes = checkpoint_arena(checkpoint);
    file->listing_left = limit_allowance(pickle_bytes);
    map_init(&file->keys);
    checkpoint_set_root(checkpoint, root);
}

void torch_done(TorchFile *file)
{
    torch_forget_storages(file);
    text_done(&file->path);
    free(file->far);
}

void torch_expect_storages(TorchFile *file, size_t count)
{
    file->numbers = mem_alloc(count * sizeof *file->numbers);
    file->number_count = count;
}

/* What tensors point to is in the checkpoint's arena and stays. */
void torch_forget_storages(TorchFile *file)
{
    map_done(&file->keys);
    free(file->numbers);
    file->numbers = NULL;
    file->number_count = 0;
    free(file->storages);
    file->storages = NULL;
    file->storage_count = file->storage_room = 0;
    file->use_node = NULL;           /* what it says points to one of the records */
    arena_free(file->records);
    file->records = NULL;
}

/* A file of 100,000 odd storages says so twenty times, then how often more. */
void torch_find(TorchFile *file, FindingLevel level, const char *kind, const char *name,
                const char *remedy, const char *format, ...)
{
    if (checkpoint_finding_count(file->checkpoint) >= TORCH_FINDINGS_MAX) {
        file->findings_left_out++;
        if (level > file->worst_left_out) file->worst_left_out = level;
        return;
    }
    Text line = {0};
    va_list args;
    va_start(args, format);
    text_addv(&line, format, args);
    va_end(args);
    checkpoint_find(file->checkpoint, level, kind, name, remedy, "%s", text_string(&line));
    text_done(&line);
}

/* --- storages ------------------------------------------------------------------------- */

/* Zips: "0", "1" …; legacy files: an address in decimal, as str, bytes or (Python 2) a number. */
const char *torch_key_text(Arena *arena, const Object *key)
{
    if (key->kind == OBJ_STR) return key->bytes.text;
    if (key->kind == OBJ_BYTES) return name_hold(arena, key->bytes.text, key->bytes.n);
    if (key->kind == OBJ_INT) return arena_printf(arena, "%" PRId64, key->integer);
    return NULL;
}

static Arena *records(TorchFile *file)
{
    if (!file->records) file->records = arena_new();
    return file->records;
}

/* Where the index of a key lies that is a number, as Python writes it, and not too large; else
 * NULL. */
static uint32_t *number_place(const TorchFile *file, const char *key)
{
    size_t number = 0;
    const char *p = key;
    if (*p == '0' && p[1]) return NULL;
    for (; is_digit(*p) && number < file->number_count; p++)
        number = number * 10 + (size_t)(*p - '0');
    return p == key || *p || number >= file->number_count ? NULL : &file->numbers[number];
}

TorchStorage *torch_storage(const TorchFile *file, const char *key)
{
    const uint32_t *place = number_place(file, key);
    uint32_t index = place ? *place - 1 : map_get(&file->keys, key);
    return index == MAP_NONE ? NULL : file->storages[index];
}

/* The next storage gets that key. */
static void enter_key(TorchFile *file, const char *key)
{
    uint32_t *place = number_place(file, key);
    if (place) *place = (uint32_t)file->storage_count + 1;
    else map_set(&file->keys, key, (uint32_t)file->storage_count);
}

bool torch_is_id(const Object *node)
{
    if (node->kind != OBJ_TUPLE || node->list.count < 1) return false;
    const Object *tag = node->list.items[0];
    return tag->kind == OBJ_STR && strcmp(tag->bytes.text, "storage") == 0;
}

/* PERSID of such a tuple. The oldest legacy files have ('module', class, source file, source)
 * too, which is of no use here. */
bool torch_is_storage(const Object *node)
{
    return node->kind == OBJ_PERSID && torch_is_id(node->list.items[0]);
}

/* What a storage class holds, told by its name alone: torch.FloatStorage, torch.cuda.HalfStorage,
 * torch.storage.UntypedStorage, whose elements are bytes. None of them is ever asked. A file has
 * a few classes and a node for each, so the last answer, kept by node, is nearly always right. */
static bool read_class(TorchFile *file, const Object *node, Error *err)
{
    if (node == file->class_node) return true;
    if (node->kind != OBJ_GLOBAL || !strstr(node->global.name, "Storage"))
        return error_set(err, ERR_FORMAT, "its storage is of no storage class");
    const char *name = node->global.name;
    file->class_dtype = has_suffix(name, "UntypedStorage") ? DT_U8 : dtype_from_torch_storage(name);
    file->class_width = dtype_size(file->class_dtype);
    if (has_prefix(name, "QUInt") && !file->class_width) file->class_width = 1;   /* packed */
    file->class_node = node;
    return true;
}

bool torch_storage_class(TorchFile *file, const Object *node, DType *dtype, unsigned *width,
                         Error *err)
{
    if (!read_class(file, node, err)) return false;
    *dtype = file->class_dtype;
    *width = file->class_width;
    return true;
}

/* Makes the storage of a key that was new, of the class read last. From now on all
 * tensors of that key point to this one record: that is how sharing memory is known. */
static bool add_storage(TorchFile *file, const char *key, uint64_t numel, bool meta,
                        TorchStorage **out, Error *err)
{
    TorchStorage *storage = arena_alloc(records(file), sizeof *storage);
    storage->storage = arena_alloc(file->arena, sizeof *storage->storage);
    storage->key = key;
    storage->numel = numel;
    storage->meta = meta;
    storage->width = file->class_width;
    storage->storage->dtype = file->class_dtype;
    storage->storage->index = file->storages_met++;
    file->storages = mem_grow(file->storages, &file->storage_room, file->storage_count + 1,
                              sizeof *file->storages);
    file->storages[file->storage_count++] = storage;
    if (!sum_mul(numel, storage->width, &storage->claimed))
        return error_set(err, ERR_FORMAT,
                         "its storage claims %" PRIu64 " elements of %u bytes, more "
                         "than 64 bits can count",
                         numel, storage->width);
    storage->storage->bytes = storage->claimed;
    *out = storage;
    return !file->find || file->find(file, storage, err);
}

bool torch_add_storage(TorchFile *file, const char *key, const Object *class, uint64_t numel,
                       TorchStorage **out, Error *err)
{
    if (!read_class(file, class, err)) return false;
    enter_key(file, key);
    return add_storage(file, key, numel, false, out, err);
}

/* PyTorch writes one class and size for a key; only empty storages may share a key. */
static void check_again(TorchFile *file, TorchStorage *storage, uint64_t numel)
{
    bool same = storage->storage->dtype == file->class_dtype && storage->numel == numel;
    if (same || storage->retyped || (!storage->numel && !numel)) return;
    storage->retyped = true;
    Text key = {0};
    name_show(storage->key, &key);
    torch_find(file, FINDING_ERROR, "storage-type", storage->key, NULL,
               "storage '%s' is referred to as %" PRIu64 " elements of type %s and as %" PRIu64
               " of type %s",
               text_string(&key), storage->numel, dtype_name(storage->storage->dtype), numel,
               dtype_name(file->class_dtype));
    text_done(&key);
}

/* view_metadata of old legacy files: (key, offset, size), in elements of the storage. Such a view
 * is a storage of its own in Python; here it moves where the tensor begins, and bounds where it
 * ends. */
static bool read_view(const TorchStorage *storage, const Object *view, unsigned width,
                      TorchStorageUse *use, Error *err)
{
    if (view->kind == OBJ_NONE) return true;
    const Object *const *items = (const Object *const *)view->list.items;
    if (view->kind != OBJ_TUPLE || view->list.count != 3 || items[1]->kind != OBJ_INT ||
        items[2]->kind != OBJ_INT || items[1]->integer < 0 || items[2]->integer < 0)
        return error_set(err, ERR_FORMAT, "its view is no (key, offset, size)");
    uint64_t from = (uint64_t)items[1]->integer, size = (uint64_t)items[2]->integer;
    if (from > storage->numel || size > storage->numel - from)
        return error_set(err, ERR_FORMAT,
                         "its view of elements %" PRIu64 " to %" PRIu64
                         " lies outside of a storage of %" PRIu64,
                         from, from + size, storage->numel);
    use->offset = from * width;
    use->end = use->offset + size * width;
    return true;
}

bool torch_use_key(TorchFile *file, const TorchId *id, TorchStorageUse *use, Error *err)
{
    if (!read_class(file, id->class, err)) return false;
    bool meta = id->location->kind == OBJ_STR && strcmp(id->location->bytes.text, "meta") == 0;
    TorchStorage *storage = torch_storage(file, id->key);
    if (storage) {
        check_again(file, storage, id->numel);
    } else {
        const char *key = arena_strdup(records(file), id->key);
        enter_key(file, key);
        if (!add_storage(file, key, id->numel, meta, &storage, err)) return false;
    }
    *use = (TorchStorageUse){storage, file->class_dtype, 0, 0};
    return true;
}

/* The persistent id of a storage (torch/serialization.py, persistent_id):
 *
 *   0 'storage'   1 a storage class   2 its key   3 where it was, "cpu", "cuda:0", "meta" …
 *   4 its number of elements          5 in legacy files: None, or the view
 *
 * It is written in full for each tensor; equal keys mean the same storage. */
bool torch_use_id(TorchFile *file, const Object *id, TorchStorageUse *use, Error *err)
{
    if (id->list.count < 5)
        return error_set(err, ERR_FORMAT, "its storage has %zu fields instead of 5",
                         id->list.count);
    Object *const *field = id->list.items;
    bool text = field[2]->kind == OBJ_STR || field[2]->kind == OBJ_BYTES;
    if (text && field[2]->bytes.n > TORCH_KEY_MAX)
        return error_set(err, ERR_LIMIT,
                         "the key of its storage has %zu bytes, more than the limit of %d",
                         field[2]->bytes.n, TORCH_KEY_MAX);
    const char *key = torch_key_text(file->arena, field[2]);
    if (!key) return error_set(err, ERR_FORMAT, "the key of its storage is no text");
    if (field[4]->kind != OBJ_INT || field[4]->integer < 0)
        return error_set(err, ERR_FORMAT, "its storage has no number of elements");
    const TorchId told = {key, field[1], field[3], (uint64_t)field[4]->integer};
    if (!torch_use_key(file, &told, use, err)) return false;
    return id->list.count < 6 || read_view(use->storage, field[5], file->class_width, use, err);
}

/* A tensor asks right after the walk did: the last answer is kept. */
bool torch_use_storage(TorchFile *file, const Object *persid, TorchStorageUse *use, Error *err)
{
    if (file->use_node != persid) {
        if (!torch_use_id(file, persid->list.items[0], &file->use, err)) return false;
        file->use_node = persid;
    }
    *use = file->use;
    return true;
}

/* --- the two walks over the graph ----------------------------------------------------- */

/* Puts "FILE::PLACE: tensor 'KEY': " before what is wrong with the node under way. *err is copied
 * first, since it is both what is said and where it is written. */
static bool fault_at(const TorchFile *file, const Graph *graph, Error *err)
{
    if (!err) return false;
    Text holder = {0}, key = {0};
    const Error what = *err;
    graph_place(graph, &holder, &key);
    Text where = {0};
    text_add(&where, file->name);
    if (holder.length) text_addf(&where, "::%s", text_string(&holder));
    if (key.length)
        fault_tensor(err, what.code, text_string(&where), text_string(&key), "%s", what.text);
    else fault_file(err, what.code, text_string(&where), "%s", what.text);
    text_done(&holder);
    text_done(&key);
    text_done(&where);
    return false;
}

/* The first walk sets the marks of all nodes to 1, the second one back to 0. */
bool torch_interpret(TorchFile *file, Error *err)
{
    Graph graph;
    bool fine = true;
    graph_init(&graph, file->root, 1);
    for (Object *node; fine && (node = graph_next(&graph));) {
        if (!torch_rebuild(file, node, err)) fine = fault_at(file, &graph, err);
        torch_note_node(file, node);
    }
    graph_done(&graph);
    return fine && torch_hold_far(file, err);
}

/* Parts are tensors that the walk does not come to: they are arguments of the one they make. */
static bool check_parts(const StateDict *parts, Error *err)
{
    for (size_t i = 0; parts && i < dict_count(parts); i++)
        if (!tensor_check(dict_at(parts, i), err))
            return error_prefix(err, "its part %s", dict_at(parts, i)->name);
    return true;
}

/* Most often a tensor does not fit since the file is not whole: the remedy says so. */
static bool check_node(const TorchFile *file, const Object *node, Error *err)
{
    if (node->kind != OBJ_TENSOR ||
        (check_parts(node->parts, err) && tensor_check(node->tensor, err)))
        return true;
    const Storage *storage = node->tensor->storage;
    if (!err || !file->remedy || !storage) return false;
    Error what = *err;
    return error_set(err, what.code, "%s; %s", what.text, file->remedy);
}

static bool is_own(const Object *class)
{
    return has_prefix(class->global.module, "torch.");
}

/* What an old file carries of its author's program. A module's class comes before its parts. */
static void note_source(TorchFile *file, const Object *node)
{
    const Object *class, *before = NULL;
    if (!object_source(node, &class, NULL, NULL)) return;
    file->sources++;
    if (file->source) object_source(file->source, &before, NULL, NULL);
    if (!before || (is_own(before) && !is_own(class))) file->source = node;
}

/* It is shown, and nothing of it is run. */
static void remark_sources(TorchFile *file)
{
    const Object *class, *path, *text;
    if (!file->source || !object_source(file->source, &class, &path, &text)) return;
    Text name = {0}, where = {0}, more = {0};
    object_show(class, &name);
    fault_quote(path->bytes.text, path->bytes.n, 120, &where);
    if (file->sources > 1) text_addf(&more, " and %zu more", file->sources - 1);
    checkpoint_find(file->checkpoint, FINDING_NOTE, "source", NULL, NULL,
                    "carries the Python source of %.200s ('%s', %zu bytes)%s, which is not run; "
                    "tenon ls --all shows it", text_string(&name), text_string(&where),
                    text->bytes.n, text_string(&more));
    text_done(&name);
    text_done(&where);
    text_done(&more);
}

/* The second walk; tensors that an object shares are checked once. */
bool torch_check(TorchFile *file, Error *err)
{
    Graph graph;
    bool fine = true;
    graph_init(&graph, file->root, 0);
    for (Object *node; fine && (node = graph_next(&graph));) {
        note_source(file, node);
        if (!check_node(file, node, err)) fine = fault_at(file, &graph, err);
    }
    graph_done(&graph);
    remark_sources(file);
    return fine;
}

void torch_conclude(TorchFile *file)
{
    if (file->too_deep)
        torch_find(file, FINDING_WARNING, "depth", NULL, NULL,
                   "%zu parts lie deeper than %" PRIu64 " levels (modules: %" PRIu64 "); "
                   "what they hold is not listed (--limit depth=N, module-depth=N allow more)",
                   file->too_deep, limit(LIMIT_DEPTH), limit(LIMIT_MODULE_DEPTH));
    if (file->findings_left_out)
        checkpoint_find(file->checkpoint, file->worst_left_out, "more", NULL, NULL,
                        "and %zu more findings", file->findings_left_out);
}

bool torch_finish(TorchFile *file, Error *err)
{
    if (!torch_check(file, err) || !torch_list_containers(file, err)) return false;
    torch_conclude(file);
    if (checkpoint_container_count(file->checkpoint) || !torch_is_dict(file->root)) return true;
    const Object *dict = object_as_dict(file->root);
    checkpoint_add_container(file->checkpoint, "", dict_new(), dict ? dict->list.count / 2 : 0,
                             false);
    return true;
}
