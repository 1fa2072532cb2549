/* What one part is to the whole: its storages under new numbers, its containers under its name,
 * its findings with that name before them. */
#include "loader/format/parts.h"

#include <stdlib.h>
#include <string.h>

#include "loader/format/graph.h"

/* Findings of one part that are repeated; a folder of 1,000 ranks says each thing once. */
enum { FINDINGS_REPEATED = 20 };

/* -- Storages -------------------------------------------------------------------------- */

void part_init(Part *part, Checkpoint *checkpoint)
{
    *part = (Part){.checkpoint = checkpoint};
    for (size_t i = 0; i < checkpoint_container_count(checkpoint); i++) {
        const StateDict *dict = checkpoint_container(checkpoint, i)->dict;
        for (size_t j = 0; j < dict_count(dict); j++) {
            const Storage *storage = dict_at(dict, j)->storage;
            if (storage && storage->index >= part->storage_count)
                part->storage_count = (size_t)storage->index + 1;
        }
    }
    part->storages = mem_alloc(part->storage_count * sizeof *part->storages);
}

void part_name(Part *part, Checkpoint *whole, const char *name)
{
    part->whole = whole;
    part->file = checkpoint_add_file(whole, name, checkpoint_file_bytes(part->checkpoint));
}

void part_done(Part *part)
{
    checkpoint_unref(part->checkpoint);      /* NULL is fine */
    free(part->storages);
    *part = (Part){0};
}

/* For checkpoint_own, which knows no types. */
static void release_checkpoint(void *checkpoint)
{
    checkpoint_unref(checkpoint);
}

void part_keep(const Part *part, Checkpoint *whole)
{
    checkpoint_own(whole, checkpoint_ref(part->checkpoint), release_checkpoint);
}

/* What lies deeper than containers are listed may have a higher number than any in them. */
static void make_room(Part *part, uint32_t index)
{
    if (index < part->storage_count) return;
    size_t count = (size_t)index + 1;
    part->storages = mem_realloc(part->storages, count * sizeof *part->storages);
    memset(part->storages + part->storage_count, 0,
           (count - part->storage_count) * sizeof *part->storages);
    part->storage_count = count;
}

/* The whole's record of a storage is made when its first tensor is taken over. A tensor that came
 * from no object is an object of its own, so that it is known again where parts are joined. */
Tensor part_tensor(Parts *parts, Part *part, const Tensor *tensor, Arena *arena)
{
    Tensor copy = *tensor;
    if (!copy.identity) copy.identity = tensor;
    if (!tensor->storage) return copy;
    make_room(part, tensor->storage->index);
    const Storage **slot = &part->storages[tensor->storage->index];
    if (!*slot) {
        Storage *storage = arena_copy(arena, tensor->storage, sizeof *storage);
        storage->index = parts->storages++;
        if (part->whole) checkpoint_set_storage_file(part->whole, storage->index, part->file);
        *slot = storage;
    }
    copy.storage = *slot;
    return copy;
}

/* An even number of walks leaves the marks as they were. */
void part_tree(Parts *parts, Part *part, Object *root, Arena *arena)
{
    for (uint8_t seen = 1; seen < 2; seen--) {
        Graph graph;
        graph_init(&graph, root, seen);
        for (Object *node; (node = graph_next(&graph));) {
            if (!seen || node->kind != OBJ_TENSOR) continue;
            const Tensor tensor = part_tensor(parts, part, node->tensor, arena);
            node->tensor = arena_copy(arena, &tensor, sizeof tensor);
        }
        graph_done(&graph);
    }
}

/* -- Findings and containers ----------------------------------------------------------- */

void part_findings(const Part *part, const char *name, Checkpoint *whole)
{
    size_t count = checkpoint_finding_count(part->checkpoint);
    FindingLevel worst = FINDING_NOTE;
    for (size_t i = 0; i < count && i < FINDINGS_REPEATED; i++) {
        const Finding *one = checkpoint_finding(part->checkpoint, i);
        checkpoint_find(whole, one->level, one->kind, one->tensor, one->remedy, "%s: %s", name,
                        one->what);
    }
    for (size_t i = FINDINGS_REPEATED; i < count; i++)
        if (checkpoint_finding(part->checkpoint, i)->level > worst)
            worst = checkpoint_finding(part->checkpoint, i)->level;
    if (count > FINDINGS_REPEATED)
        checkpoint_find(whole, worst, "more", NULL, NULL, "%s: and %zu more findings", name,
                        count - FINDINGS_REPEATED);
    checkpoint_add_inner_checks(whole, part->checkpoint, name);
}

/* A part's dict with storages of the whole; metadata and order are kept. Names and dims stay the
 * part's, which the whole keeps open. */
static StateDict *adopt_dict(Parts *parts, Part *part, const StateDict *dict, Arena *arena)
{
    StateDict *copy = dict_new();
    for (size_t i = 0; i < dict_count(dict); i++) {
        const Tensor tensor = part_tensor(parts, part, dict_at(dict, i), arena);
        dict_add(copy, &tensor);
    }
    dict_copy_metadata(copy, dict);
    dict_set_torch_metadata(copy, dict_torch_metadata(dict));
    dict_set_ordered(copy, dict_is_ordered(dict));
    return copy;
}

void parts_join(Parts *parts, Checkpoint *whole, const char *name, const StateDict *dict)
{
    StateDict *joined = parts->joined;
    if (!joined) return;
    dict_set_ordered(joined, dict_is_ordered(dict) && (!dict_count(joined) ||
                                                       dict_is_ordered(joined)));
    for (size_t i = 0; i < dict_count(dict); i++) {
        Tensor tensor = *dict_at(dict, i);
        tensor.name = arena_printf(dict_arena(joined), "%s.%s", name, tensor.name);
        if (!dict_add(joined, &tensor))
            checkpoint_find(whole, FINDING_WARNING, "duplicate", tensor.name, NULL,
                            "two parts have a tensor that is called so once they are joined");
    }
}

void parts_finish(Parts *parts, Checkpoint *whole)
{
    if (dict_count(parts->joined))
        checkpoint_add_container(whole, "", parts->joined, 0, false);
    else dict_unref(parts->joined);
    parts->joined = NULL;
}

/* A storage's record may be shared by containers; it lies in the arena of the whole, which lives
 * longer than any of its dicts. */
void parts_add(Parts *parts, Checkpoint *whole, const char *name, Checkpoint *checkpoint,
               bool optimizer)
{
    Part part;
    Error none = {0};
    part_init(&part, checkpoint);
    part_name(&part, whole, name);
    const Container *weights = checkpoint_choose(checkpoint, NULL, &none);
    for (size_t i = 0; i < checkpoint_container_count(checkpoint); i++) {
        const Container *one = checkpoint_container(checkpoint, i);
        Text path = {0};
        text_add(&path, name);
        if (one != weights && one->path[0] && one->path[0] != '[') text_addc(&path, '.');
        if (one != weights) text_add(&path, one->path);
        /* the part's top beside a dict of weights in it: both cannot be called NAME */
        if (one != weights && !one->path[0]) text_add(&path, "[]");
        StateDict *dict = adopt_dict(parts, &part, one->dict, checkpoint_arena(whole));
        if (one->parts) {
            checkpoint_add_parts(whole, text_string(&path), dict);
            checkpoint_set_container_node(whole, one->node);
        } else
            checkpoint_add_container(whole, text_string(&path), dict, one->others,
                                     one->optimizer || optimizer);
        if (one == weights && !one->optimizer && !optimizer) parts_join(parts, whole, name, dict);
        text_done(&path);
    }
    if (!weights)
        checkpoint_find(whole, FINDING_NOTE, "empty", name, NULL, "%s: there are no tensors in it",
                        name);
    part_findings(&part, name, whole);
    checkpoint_set_file_bytes(whole, checkpoint_file_bytes(whole) +
                                         checkpoint_file_bytes(checkpoint));
    part_keep(&part, whole);
    part_done(&part);
}
